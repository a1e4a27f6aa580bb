"""Products of two factors: both sums of a block while it is in a fast cache, with no array between them."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.convolution import BEYOND, GROUP_BYTES, SPARE, continue_rows, sum_group
from diffuseconv._jit.tile import ROWS

# Of sums. Taller blocks share more of the rows that they continue, and must stay in a cache with 61 taps an axis.
TWO_ROWS, TWO_COLUMNS = 32, 256
APART = 16  # values between rows, so that they do not lie 4096 bytes apart


def two_block_count(shape: tuple[int, ...]) -> int:
    """Return how many blocks there are for sums of shape (fields, rows, columns)."""
    fields, rows, columns = shape
    return fields * -(-rows // TWO_ROWS) * -(-columns // TWO_COLUMNS)


@compiled
def sum_groups(source, start, pitch, weights, shape, target, corner, stride, high, wide, spare):
    """Sum over all taps for `high` by `wide` places, group by group; return 0 if all sums are finite, else NaN."""
    group, zeros = GROUP_BYTES // source.itemsize, source.dtype.type(0)
    for y in range(0, high, ROWS):
        for x in range(0, wide, group):
            zeros += sum_group(
                source, start + np.uintp(y) * pitch + np.uintp(x), pitch, np.uintp(0), weights, np.uintp(0), shape,
                None, target, corner + np.uintp(y) * stride + np.uintp(x), stride,
                np.uintp(min(ROWS, high - y)), np.uintp(min(group, wide - x)), spare,
            )  # fmt: skip
    return zeros


@compiled
def correlate_by_two(stack, down, across, rows, columns, before, out, begin, end):
    """Fill blocks `begin` to `end` of ``out[b, y, x] = sum_ij down[i] across[j] continued[b, y + i, x + j]``.

    `rows` and `columns` say, each as (source, sign), how the axes continue, the last one by `before` cells. Return 0
    if all sums are finite, otherwise NaN.
    """
    tall, broad = down.size, across.size
    _, out_rows, out_columns = out.shape
    _, in_rows, in_columns = stack.shape
    one = np.uintp(1)
    pitch = np.uintp(min(TWO_COLUMNS, -(-out_columns // APART) * APART) + APART + broad)
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
        continue_rows(
            cells, b * in_rows * in_columns, in_columns, 1, rows, columns, y0, high + tall - 1, before, x0,
            block, np.uintp(0), pitch, wide + broad - 1,
        )  # fmt: skip
        sum_groups(
            block, np.uintp(0), pitch, down, (one, np.uintp(tall), one), strip, np.uintp(0), pitch,
            high, wide + broad - 1, spare,
        )  # fmt: skip
        zeros += sum_groups(
            strip, np.uintp(0), pitch, across, (one, one, np.uintp(broad)), sums,
            np.uintp((b * out_rows + y0) * out_columns + x0), np.uintp(out_columns), high, wide, spare,
        )  # fmt: skip
    return zeros
