"""Whether all values are finite, or also far from the largest number: one pass each."""

from __future__ import annotations

from diffuseconv._jit.compiled import compiled


@compiled(fastmath={"reassoc", "nsz", "contract"})  # in vectors, NaN kept
def sum_of_zeros(values):
    """Sum ``0 * value`` over a line: 0 where every value is finite, otherwise NaN."""
    total = values[0] * values.dtype.type(0)
    for x in range(values.size):
        total += values[x] * values.dtype.type(0)
    return total


@compiled(fastmath={"reassoc", "contract"})  # in vectors, NaN and infinity kept
def sum_of_squares(values):
    """Sum the squares over a line: no value is larger than their root; infinite or NaN where values are too large."""
    total = values.dtype.type(0)
    for x in range(values.size):
        total += values[x] * values[x]
    return total
