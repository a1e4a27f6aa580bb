"""Products of two factors: both sums of a block while it is in a fast cache, with no array between them."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.convolution import (
    BEYOND,
    GROUP_BYTES,
    ROW_PADDING,
    SPARE,
    Part,
    Target,
    continue_rows,
    sum_group,
)
from diffuseconv._jit.tile import ROWS, Source, Taps

# Of sums. Taller blocks share more of the rows that they continue, and must stay in a cache with 61 taps an axis.
TWO_ROWS, TWO_COLUMNS = 32, 256


def two_block_count(shape: tuple[int, ...]) -> int:
    """Return how many blocks there are for sums of shape (fields, rows, columns)."""
    fields, rows, columns = shape
    return fields * -(-rows // TWO_ROWS) * -(-columns // TWO_COLUMNS)


@compiled
def sum_groups(block, pitch, weights, shape, out, target, spare):
    """Sum over all taps for all places of a target, group by group; return 0 if all sums are finite, else NaN."""
    group, zeros = np.uintp(GROUP_BYTES // block.itemsize), block.dtype.type(0)
    taps, stride, none = Taps(np.uintp(0), np.uintp(1), shape[0], shape[1]), target.stride, np.uintp(0)
    for y in range(none, target.high, np.uintp(ROWS)):
        for x in range(none, target.wide, group):
            high, wide = min(np.uintp(ROWS), target.high - y), min(group, target.wide - x)
            part = Target(target.corner + y * stride + x, stride, high, wide)
            zeros += sum_group(block, Source(y * pitch + x, pitch, none), weights, taps, None, out, part, spare)
    return zeros


@compiled
def correlate_by_two(stack, factors, lines, before, out, begin, end):
    """Fill blocks `begin` to `end` of ``out[b, y, x] = sum_ij down[i] across[j] continued[b, y + i, x + j]``.

    The `factors` are (down, across). `lines` say for rows and columns, each as (source, sign), how they continue, the
    last ones by `before` cells. Return 0 if all sums are finite, otherwise NaN.
    """
    (down, across), (rows, columns) = factors, lines
    tall, broad = down.size, across.size
    _, out_rows, out_columns = out.shape
    _, in_rows, in_columns = stack.shape
    one = np.uintp(1)
    pitch = np.uintp(min(TWO_COLUMNS, -(-out_columns // ROW_PADDING) * ROW_PADDING) + ROW_PADDING + broad)
    cells, sums = stack.reshape(-1), out.reshape(-1)
    high_down, high_across = -(-out_rows // TWO_ROWS), -(-out_columns // TWO_COLUMNS)
    scratch = np.empty(SPARE + np.uintp(2 * TWO_ROWS + tall) * pitch + 2 * BEYOND, stack.dtype)
    spare, strip = scratch[:SPARE], scratch[SPARE:]
    block = strip[np.uintp(TWO_ROWS) * pitch + BEYOND :]
    zeros = stack.dtype.type(0)
    for index in range(begin, end):
        x0 = index % high_across * TWO_COLUMNS
        y0 = index // high_across % high_down * TWO_ROWS
        b = index // (high_across * high_down)
        high, wide = min(TWO_ROWS, out_rows - y0), min(TWO_COLUMNS, out_columns - x0)
        part = Part(b * in_rows * in_columns, in_columns, 1, y0, high + tall - 1, before, x0, wide + broad - 1)
        continue_rows(cells, rows, columns, part, block, np.uintp(0), pitch)
        within = Target(np.uintp(0), pitch, np.uintp(high), np.uintp(wide + broad - 1))
        sum_groups(block, pitch, down, (np.uintp(tall), one), strip, within, spare)
        corner = np.uintp((b * out_rows + y0) * out_columns + x0)
        target = Target(corner, np.uintp(out_columns), np.uintp(high), np.uintp(wide))
        zeros += sum_groups(strip, pitch, across, (one, np.uintp(broad)), sums, target, spare)
    return zeros
