"""Products of two factors: both sums of some rows while they are in a fast cache, with no array between them."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.box import sum_across, sum_down
from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.convolution import (
    BEYOND,
    GROUP,
    SPARE,
    Part,
    Target,
    clear,
    continue_rows,
    pitch_of,
    scratch_of,
    sum_band,
    sum_group,
)
from diffuseconv._jit.tile import ROWS, Band, Source, Taps
from diffuseconv._jit.vector import lanes_of

TWO_ROWS, TWO_COLUMNS = 64, 256  # of sums; taller blocks share more of the rows that they continue
LEAST_BOX = 8  # fewer equal taps are summed as quickly one by one


def two_block_count(shape: tuple[int, ...]) -> int:
    """Return how many blocks there are for sums of shape (fields, rows, columns)."""
    fields, rows, columns = shape
    return fields * -(-rows // TWO_ROWS) * -(-columns // TWO_COLUMNS)


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
    none, one = np.uintp(0), np.uintp(1)
    tile, group = np.uintp(2) * lanes_of(stack), np.uintp(GROUP) * lanes_of(stack)
    pitch = np.uintp(pitch_of(min(TWO_COLUMNS, out_columns) + broad + np.intp(tile)))  # of whole tiles
    equal = tall >= LEAST_BOX and down.min() == down.max(), broad >= LEAST_BOX and across.min() == across.max()
    cells, sums = borrow(stack.reshape(-1)), borrow(out.reshape(-1))
    rows, columns, down, across = borrow(rows), borrow(columns), borrow(down), borrow(across)
    high_down, high_across = -(-out_rows // TWO_ROWS), -(-out_columns // TWO_COLUMNS)
    row = pitch + np.uintp(BEYOND)
    tops = max(np.uintp(SPARE), np.uintp(ROWS) * row), np.uintp(TWO_ROWS) * row
    scratch = scratch_of(tops[0] + tops[1] + np.uintp(TWO_ROWS + tall) * row, stack)
    spare, strip = borrow(scratch[: tops[0]]), borrow(scratch[tops[0] : tops[0] + tops[1]])
    block = borrow(scratch[tops[0] + tops[1] :])
    taps_down = Taps(none, one, np.uintp(tall), one)
    taps_across = Taps(none, one, one, np.uintp(broad))
    zeros, sign = stack.dtype.type(0), stack.dtype.type(1)
    for index in range(begin, end):
        x0 = index % high_across * TWO_COLUMNS
        y0 = index // high_across % high_down * TWO_ROWS
        b = index // (high_across * high_down)
        high, wide = min(TWO_ROWS, out_rows - y0), min(TWO_COLUMNS, out_columns - x0)
        plane, below = b * in_rows * in_columns, -high % ROWS
        part = Part(plane, in_columns, sign, y0, high + tall - 1, before, x0, wide + broad - 1, below)
        continue_rows(cells, rows, columns, part, block, none, pitch)
        end = np.uintp(high) * pitch
        clear(strip, end, end + np.uintp(below) * pitch + np.uintp(BEYOND))
        reach, stride = np.uintp(wide + broad - 1), np.uintp(out_columns)
        if equal[0]:
            sum_down(block, pitch, down[none], np.uintp(tall), strip, np.uintp(high), reach, spare)
        for y in range(none, np.uintp(high), np.uintp(ROWS)):
            start, rest = y * pitch if equal[0] else none, min(np.uintp(ROWS), np.uintp(high) - y)
            if not equal[0]:
                band = Band(none, pitch, (reach + tile - one) // tile, False)
                sum_band(block, Source(y * pitch, pitch, none), down, taps_down, one, strip, band)
            corner = np.uintp((b * out_rows + y0) * out_columns + x0) + y * stride
            if equal[1]:
                target = Target(corner, stride, rest, np.uintp(wide))
                zeros += sum_across(strip, start, pitch, across[none], np.uintp(broad), spare, sums, target)
            else:
                for x in range(none, np.uintp(wide), group):
                    target = Target(corner + x, stride, rest, min(group, np.uintp(wide) - x))
                    at = Source(start + x, pitch, none)
                    zeros += sum_group(strip, at, across, taps_across, one, sums, target, spare)
    scratch[0] = zeros  # it must last until here: those who borrow it are not counted
    return zeros
