"""Direct convolution: blocks of the field, continued beyond its walls, summed tile by tile."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.finite import sum_of_zeros
from diffuseconv._jit.tile import FLAT_BYTES, ROWS, TALL_BYTES, add_taps

BLOCK_ROWS, BLOCK_COLUMNS = 16, 512  # of sums; with a 15 x 15 kernel they read 130 kB, which stays in a fast cache
KERNELS_A_BLOCK = 8  # of a bank: threads share few large blocks unevenly
GROUP_BYTES = 1024  # of a row, side by side: for every 8 rows of a kernel they read 16 kB, a part of the fastest cache
ROW_PADDING = 16  # keeps rows of a block from lying 4096 bytes apart, where a cache holds only a few of them
SPARE = ROWS * GROUP_BYTES // 4  # sums of a group of tiles, in single precision
BEYOND = FLAT_BYTES // 4  # values that tiles read beyond the last row, for sums that are thrown away


@compiled
def pitch_of(columns, more):
    """Return how far apart the rows of a block lie, which read `more` values than they have sums."""
    return min(BLOCK_COLUMNS, -(-columns // ROW_PADDING) * ROW_PADDING) + ROW_PADDING + more


@compiled
def floor_of(columns, height, more):
    """Return how far apart the planes of a block lie."""
    return pitch_of(columns, more) * (BLOCK_ROWS - 1 + height)


@compiled
def continue_rows(cells, plane, size, sign, rows, columns, y0, tall, before, first, block, start, pitch, count):
    """Copy `count` places, from `first` on, of `tall` continued rows, from `y0` on, into ``block[start + y pitch:]``.

    Rows of `size` cells begin at ``cells[plane]``; edges go column by column, for many short loops cost more than one.
    """
    inside = np.uintp(min(max(before - first, 0), count))
    outside = np.uintp(min(max(before + size - first, 0), count))
    skip = np.uintp(max(first - before, 0))
    for y in range(tall):
        line, factor = np.uintp(plane + rows[0][y0 + y] * size), sign * rows[1][y0 + y]
        begin = start + np.uintp(y) * pitch
        for x in range(outside - inside):
            block[begin + inside + x] = factor * cells[line + skip + x]
    for part in range(2):
        for x in range(np.uintp(0) if part == 0 else outside, inside if part == 0 else np.uintp(count)):
            source, factor = np.uintp(columns[0][first + x]), sign * columns[1][first + x]
            for y in range(tall):
                line = np.uintp(plane + rows[0][y0 + y] * size)
                block[start + np.uintp(y) * pitch + x] = factor * rows[1][y0 + y] * cells[line + source]


@compiled
def sum_band(block, start, pitch, floor, weights, kernel, shape, step, target, corner, stride, tiles, flat):
    """Sum over all taps for a band of tiles; rows of the block lie `pitch`, its planes `floor` values apart."""
    depth, height, width = shape
    most = np.uintp(1 if flat else ROWS)
    for dz in range(depth):
        for dy in range(np.uintp(0), height, most):
            begin = start + dz * floor + dy * pitch
            first = kernel + (dz * height + dy) * width
            fresh = dz + dy == 0
            taps = min(height - dy, most)
            add_taps(block, begin, pitch, weights, first, taps, width, step, target, corner, stride, tiles, flat, fresh)


@compiled
def sum_group(block, start, pitch, floor, weights, kernel, shape, step, out, corner, stride, high, wide, spare):
    """Sum `high` (at most ROWS) by `wide` (at most a group) places for ``weights[kernel]``, into ``out[corner:]``.

    Return 0 if all sums are finite, otherwise NaN: here they are in the fastest cache.
    """
    flat = high <= np.uintp(ROWS // 2)
    tall = np.uintp(1 if flat else ROWS)
    columns = np.uintp((FLAT_BYTES if flat else TALL_BYTES) // block.itemsize)
    group = np.uintp(GROUP_BYTES // block.itemsize)
    zeros = block.dtype.type(0)
    for row in range(np.uintp(0), high, tall):
        full = wide // columns if row + tall <= high else np.uintp(0)
        done = full * columns
        rest = (wide - done + columns - np.uintp(1)) // columns
        for part in range(2):  # what tiles do not fill is summed beside the result, and what belongs there copied
            tiles, target = (full, out) if part == 0 else (rest, spare)
            place, apart = (corner + row * stride, stride) if part == 0 else (done, group)
            shift = np.uintp(0) if part == 0 else done
            if tiles > np.uintp(0):
                sum_band(
                    block, start + row * pitch + shift, pitch, floor, weights, kernel, shape, step,
                    target, place, apart, tiles, flat,
                )  # fmt: skip
        for y in range(min(tall, high - row)):
            line = corner + (row + y) * stride
            for x in range(done, wide):
                out[line + x] = spare[y * group + x]
            zeros += sum_of_zeros(out[line : line + wide])
    return zeros


def block_count(shape: tuple[int, ...]) -> int:
    """Return how many blocks there are for sums of shape (kernels, fields, planes, rows, columns)."""
    kernels, fields, planes, rows, columns = shape
    return -(-kernels // KERNELS_A_BLOCK) * fields * planes * -(-rows // BLOCK_ROWS) * -(-columns // BLOCK_COLUMNS)


@compiled
def correlate_blocks(stack, bank, planes, rows, columns, before, step, out, begin, end):
    """Fill blocks `begin` to `end` of ``out[k, b, z, y, x] = sum_j bank[k, j] continued[b, (z, y, x) + j]``.

    `planes`, `rows` and `columns` say, each as (source, sign), how the axes continue, the last one by `before` cells;
    taps stand next to each other there (a step of None), or `step` values apart. Return 0 if all sums are finite,
    otherwise NaN.
    """
    kernels, deep, tall, broad = bank.shape
    shape = np.uintp(deep), np.uintp(tall), np.uintp(broad)
    taps, more = np.uintp(deep * tall * broad), (broad - 1) * (1 if step is None else np.intp(step))
    _, fields, out_planes, out_rows, out_columns = out.shape
    _, in_planes, in_rows, in_columns = stack.shape
    pitch, floor = np.uintp(pitch_of(out_columns, more)), np.uintp(floor_of(out_columns, tall, more))
    group = GROUP_BYTES // bank.itemsize
    cells, sums, weights = stack.reshape(-1), out.reshape(-1), bank.reshape(-1)
    down, across = -(-out_rows // BLOCK_ROWS), -(-out_columns // BLOCK_COLUMNS)
    parts = -(-kernels // KERNELS_A_BLOCK)
    scratch = np.empty(SPARE + np.uintp(deep) * floor + BEYOND, bank.dtype)
    spare, block = scratch[:SPARE], scratch[SPARE:]
    zeros = bank.dtype.type(0)
    for index in range(begin, end):
        number, k0 = index // parts, index % parts * KERNELS_A_BLOCK
        x0 = number % across * BLOCK_COLUMNS
        y0 = number // across % down * BLOCK_ROWS
        z = number // (across * down) % out_planes
        b = number // (across * down * out_planes)
        high, wide = min(BLOCK_ROWS, out_rows - y0), min(BLOCK_COLUMNS, out_columns - x0)
        for dz in range(deep):
            continue_rows(
                cells, (b * in_planes + planes[0][z + dz]) * in_rows * in_columns, in_columns, planes[1][z + dz],
                rows, columns, y0, high + tall - 1, before, x0,
                block, np.uintp(dz) * floor, pitch, wide + more,
            )  # fmt: skip
        for y in range(0, high, ROWS):
            for x in range(0, wide, group):  # each group for all kernels, while the fastest cache holds it
                for k in range(k0, min(kernels, k0 + KERNELS_A_BLOCK)):
                    corner = (((k * fields + b) * out_planes + z) * out_rows + y0 + y) * out_columns + x0 + x
                    zeros += sum_group(
                        block, np.uintp(y) * pitch + np.uintp(x), pitch, floor,
                        weights, np.uintp(k) * taps, shape, step,
                        sums, np.uintp(corner), np.uintp(out_columns),
                        np.uintp(min(ROWS, high - y)), np.uintp(min(group, wide - x)), spare,
                    )  # fmt: skip
    return zeros
