"""Whether all values are finite, or also far from the largest number: one pass each."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.compiled import compiled, inner


@inner(fastmath={"reassoc", "nsz", "contract"})  # in vectors, NaN kept
def zeros_of(values, first, count):
    """Sum ``0 * value`` over a line that begins at the `first`: 0 where every value is finite, otherwise NaN."""
    total = values[first] * values.dtype.type(0)
    for x in range(first, first + count):
        total += values[x] * values.dtype.type(0)
    return total


@compiled
def sum_of_zeros(values):
    """Sum ``0 * value`` over all values: 0 where every one is finite, otherwise NaN."""
    return zeros_of(borrow(values), np.uintp(0), np.uintp(values.size))


@compiled(fastmath={"reassoc", "contract"})  # in vectors, NaN and infinity kept
def sum_of_squares(values):
    """Sum the squares over a line: no value is larger than their root; infinite or NaN where values are too large."""
    total = values.dtype.type(0)
    for x in range(values.size):
        total += values[x] * values[x]
    return total
