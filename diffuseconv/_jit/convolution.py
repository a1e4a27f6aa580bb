"""Direct convolution: blocks of the field, continued beyond its walls, summed tile by tile."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.finite import zeros_of
from diffuseconv._jit.machine import MACHINE
from diffuseconv._jit.tile import FLAT_BYTES, ROWS, Band, Source, Taps, add_taps
from diffuseconv._jit.vector import lanes_of

BLOCK_ROWS, BLOCK_COLUMNS = 16, 512  # of sums; with a 15 x 15 kernel they read 130 kB, which stays in a fast cache
KERNELS_A_BLOCK = 8  # of a bank: threads share few large blocks unevenly
LINE = 64  # bytes of a line of a cache
GROUP = 1024 // MACHINE.bytes  # vectors of a row: for 8 rows of a kernel they read 16 kB, a part of the fastest cache
SPARE = ROWS * 1024 // 4  # sums of a group of tiles, in single precision
BEYOND = FLAT_BYTES // 4  # values that tiles read beyond the last row, for sums that are thrown away


class Part(NamedTuple):
    """Which part of a continued plane a block holds: `tall` rows from `top` on, `count` places from `first` on.

    The plane begins at ``cells[plane]`` with rows of `size` cells, and counts `sign` times; `before` places of a row
    lie beyond the wall, and tiles read `below` rows more.
    """

    plane: Any
    size: Any
    sign: Any
    top: Any
    tall: Any
    before: Any
    first: Any
    count: Any
    below: Any


class Target(NamedTuple):
    """Where sums go: a corner, the stride of rows, how many rows and places there are."""

    corner: Any
    stride: Any
    high: Any
    wide: Any


@inner
def pitch_of(columns):
    """Return the stride of rows of so many values: whole lines of a cache, and never 4096 bytes, where few rows fit."""
    return (-(-columns // 16) | 1) * 16


@inner
def scratch_of(size, like):
    """Return so many numbers that begin a line of a cache: a vector across two lines costs two loads or stores."""
    spare = np.empty(size + np.uintp(LINE), like.dtype)
    return spare[np.uintp(-spare.ctypes.data % LINE // like.itemsize) :]


@compiled
def clear(values, first, last):
    """Set values to 0, one by one: for the few there are numba's slices take longer."""
    for place in range(first, last):
        values[place] = 0


@compiled
def continue_rows(cells, rows, columns, part, block, start, pitch):
    """Copy a part of a continued plane into ``block[start + y pitch:]``, and zeros where tiles read beyond it.

    Edges go column by column, for many short loops cost more than one. Whatever memory holds may be subnormal
    numbers, whose products take Intel's processors a hundred times as long although their sums are thrown away.
    """
    size, count, top = part.size, part.count, part.top
    inside = np.uintp(min(max(part.before - part.first, 0), count))
    outside = np.uintp(min(max(part.before + size - part.first, 0), count))
    skip = np.uintp(max(part.first - part.before, 0))
    for y in range(part.tall):
        line, factor = np.uintp(part.plane + rows[0][top + y] * size), part.sign * rows[1][top + y]
        begin = start + np.uintp(y) * pitch
        for x in range(outside - inside):
            block[begin + inside + x] = factor * cells[line + skip + x]
        clear(block, begin + np.uintp(count), begin + pitch)
    end = start + np.uintp(part.tall) * pitch
    clear(block, end, end + np.uintp(part.below) * pitch + np.uintp(BEYOND))
    for side in range(2):
        for x in range(np.uintp(0) if side == 0 else outside, inside if side == 0 else np.uintp(count)):
            source, factor = np.uintp(columns[0][part.first + x]), part.sign * columns[1][part.first + x]
            for y in range(part.tall):
                line = np.uintp(part.plane + rows[0][top + y] * size)
                block[start + np.uintp(y) * pitch + x] = factor * rows[1][top + y] * cells[line + source]


@inner
def sum_band(block, source, weights, taps, step, out, band):
    """Sum over all taps for a band of tiles."""
    most = np.uintp(1 if band.flat else ROWS)
    for dz in range(taps.depth):
        for dy in range(np.uintp(0), taps.height, most):
            at = Source(source.start + dz * source.floor + dy * source.pitch, source.pitch, source.floor)
            first = taps.first + (dz * taps.height + dy) * taps.width
            some = Taps(first, np.uintp(1), min(taps.height - dy, most), taps.width)
            add_taps(block, at, weights, some, step, out, band, dz + dy == 0)


@inner
def sum_group(block, source, weights, taps, step, out, target, spare):
    """Sum at most ROWS rows of at most a group of places each.

    Return 0 if all sums are finite, otherwise NaN: here they are in the fastest cache.
    """
    high, wide, stride = target.high, target.wide, target.stride
    flat = high <= np.uintp(ROWS // 2)
    tall = np.uintp(1 if flat else ROWS)
    columns, group = np.uintp(ROWS if flat else 2) * lanes_of(block), np.uintp(GROUP) * lanes_of(block)
    zeros = block.dtype.type(0)
    for row in range(np.uintp(0), high, tall):
        full = wide // columns if row + tall <= high else np.uintp(0)
        done = full * columns
        rest = (wide - done + columns - np.uintp(1)) // columns
        begin, corner = source.start + row * source.pitch, target.corner + row * stride
        if full > np.uintp(0):
            at = Source(begin, source.pitch, source.floor)
            sum_band(block, at, weights, taps, step, out, Band(corner, stride, full, flat))
        if rest > np.uintp(0):  # what tiles do not fill is summed in scratch, and what belongs to the result copied
            at = Source(begin + done, source.pitch, source.floor)
            sum_band(block, at, weights, taps, step, spare, Band(done, group, rest, flat))
        for y in range(min(tall, high - row)):
            line = corner + y * stride
            for x in range(done, wide):
                out[line + x] = spare[y * group + x]
            zeros += zeros_of(out, line, wide)
    return zeros


def block_count(shape: tuple[int, ...]) -> int:
    """Return how many blocks there are for sums of shape (kernels, fields, planes, rows, columns)."""
    kernels, fields, planes, rows, columns = shape
    return -(-kernels // KERNELS_A_BLOCK) * fields * planes * -(-rows // BLOCK_ROWS) * -(-columns // BLOCK_COLUMNS)


@compiled
def correlate_blocks(stack, bank, lines, before, step, out, begin, end):
    """Fill blocks `begin` to `end` of ``out[k, b, z, y, x] = sum_j bank[k, j] continued[b, (z, y, x) + j]``.

    `lines` say for planes, rows and columns, each as (source, sign), how they continue, the last ones by `before`
    cells; taps there have the stride `step`. Return 0 if all sums are finite, otherwise NaN.
    """
    planes, rows, columns = lines
    kernels, deep, tall, broad = bank.shape
    size, more = np.uintp(deep * tall * broad), (broad - 1) * np.intp(step)
    _, fields, out_planes, out_rows, out_columns = out.shape
    _, in_planes, in_rows, in_columns = stack.shape
    pitch = np.uintp(pitch_of(min(BLOCK_COLUMNS, out_columns) + more))
    floor = pitch * np.uintp(BLOCK_ROWS - 1 + tall)
    group = GROUP * np.intp(lanes_of(bank))
    cells, sums, weights = borrow(stack.reshape(-1)), borrow(out.reshape(-1)), borrow(bank.reshape(-1))
    rows, columns = borrow(rows), borrow(columns)
    down, across = -(-out_rows // BLOCK_ROWS), -(-out_columns // BLOCK_COLUMNS)
    parts = -(-kernels // KERNELS_A_BLOCK)
    scratch = scratch_of(SPARE + np.uintp(deep) * floor + np.uintp(BEYOND), bank)
    spare, block = borrow(scratch[:SPARE]), borrow(scratch[SPARE:])
    zeros = bank.dtype.type(0)
    for index in range(begin, end):
        number, k0 = index // parts, index % parts * KERNELS_A_BLOCK
        x0 = number % across * BLOCK_COLUMNS
        y0 = number // across % down * BLOCK_ROWS
        z = number // (across * down) % out_planes
        b = number // (across * down * out_planes)
        high, wide = min(BLOCK_ROWS, out_rows - y0), min(BLOCK_COLUMNS, out_columns - x0)
        below = -high % ROWS
        for dz in range(deep):
            plane = (b * in_planes + planes[0][z + dz]) * in_rows * in_columns
            part = Part(plane, in_columns, planes[1][z + dz], y0, high + tall - 1, before, x0, wide + more, below)
            continue_rows(cells, rows, columns, part, block, np.uintp(dz) * floor, pitch)
        for y in range(0, high, ROWS):
            for x in range(0, wide, group):  # each group for all kernels, while the fastest cache holds it
                source = Source(np.uintp(y) * pitch + np.uintp(x), pitch, floor)
                rest = np.uintp(min(ROWS, high - y)), np.uintp(min(group, wide - x))
                for k in range(k0, min(kernels, k0 + KERNELS_A_BLOCK)):
                    taps = Taps(np.uintp(k) * size, np.uintp(deep), np.uintp(tall), np.uintp(broad))
                    corner = (((k * fields + b) * out_planes + z) * out_rows + y0 + y) * out_columns + x0 + x
                    target = Target(np.uintp(corner), np.uintp(out_columns), rest[0], rest[1])
                    zeros += sum_group(block, source, weights, taps, step, sums, target, spare)
    scratch[0] = zeros  # it must last until here: those who borrow it are not counted
    return zeros
