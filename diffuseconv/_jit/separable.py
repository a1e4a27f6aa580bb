"""Products of two factors: both sums of some rows while they are in a fast cache, with no array between them."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.convolution import (
    BEYOND,
    GROUP,
    SPARE,
    Part,
    Target,
    continue_rows,
    pitch_of,
    scratch_of,
    sum_band,
    sum_group,
)
from diffuseconv._jit.tile import ROWS, Band, Source, Taps
from diffuseconv._jit.vector import lanes_of

TWO_ROWS, TWO_COLUMNS = 64, 256  # of sums; taller blocks share more of the rows that they continue


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
    cells, sums = stack.reshape(-1), out.reshape(-1)
    high_down, high_across = -(-out_rows // TWO_ROWS), -(-out_columns // TWO_COLUMNS)
    size = np.uintp(ROWS) * pitch + np.uintp(BEYOND)
    scratch = scratch_of(SPARE + size + np.uintp(TWO_ROWS + tall) * pitch + np.uintp(BEYOND), stack)
    spare, strip, block = scratch[:SPARE], scratch[SPARE : SPARE + size], scratch[SPARE + size :]
    taps_down = Taps(none, one, np.uintp(tall), one)
    taps_across = Taps(none, one, one, np.uintp(broad))
    zeros, sign = stack.dtype.type(0), stack.dtype.type(1)
    for index in range(begin, end):
        x0 = index % high_across * TWO_COLUMNS
        y0 = index // high_across % high_down * TWO_ROWS
        b = index // (high_across * high_down)
        high, wide = min(TWO_ROWS, out_rows - y0), min(TWO_COLUMNS, out_columns - x0)
        part = Part(b * in_rows * in_columns, in_columns, sign, y0, high + tall - 1, before, x0, wide + broad - 1)
        continue_rows(cells, rows, columns, part, block, none, pitch)
        tiles = (np.uintp(wide + broad - 2) + tile) // tile
        for y in range(0, high, ROWS):
            source = Source(np.uintp(y) * pitch, pitch, none)
            sum_band(block, source, down, taps_down, None, strip, Band(none, pitch, tiles, False))
            corner, rest = np.uintp((b * out_rows + y0 + y) * out_columns + x0), np.uintp(min(ROWS, high - y))
            for x in range(none, np.uintp(wide), group):
                target = Target(corner + x, np.uintp(out_columns), rest, min(group, np.uintp(wide) - x))
                source = Source(x, pitch, none)
                zeros += sum_group(strip, source, across, taps_across, None, sums, target, spare)
    return zeros
