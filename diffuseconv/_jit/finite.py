"""Whether all values are finite: one pass, with no sum that could overflow."""

from __future__ import annotations

from diffuseconv._jit.compiled import compiled


@compiled(fastmath={"reassoc", "nsz", "contract"})  # in vectors, NaN kept
def sum_of_zeros(values):
    """Sum ``0 * value`` over a line: 0 where every value is finite, otherwise NaN."""
    total = values[0] * values.dtype.type(0)
    for x in range(values.size):
        total += values[x] * values.dtype.type(0)
    return total
