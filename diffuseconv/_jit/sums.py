"""Weighted sums of fields, in one pass over memory."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.vector import lanes_of, load, plus_product, spread, store


@compiled
def add_product(total, factor, values):
    """Add a number times values to a line."""
    for i in range(total.size):
        total[i] += factor * values[i]


@compiled
def combine(weights, fields, count, size, out):
    """Fill each row of `out` with a sum of fields of a size, weighted by a row of `count` weights.

    All arrays are flat; `fields` and `out` may be one, for all sums of a vector of cells are known before it is stored.
    """
    zero, lanes = np.uintp(0), lanes_of(out)
    rows, count, size = np.uintp(weights.size) // np.uintp(count), np.uintp(count), np.uintp(size)
    sums = np.empty(rows * lanes)
    whole = size // lanes * lanes
    for x in range(zero, whole, lanes):
        for row in range(rows):
            total = spread(out.dtype.type(0))
            for field in range(count):
                total = plus_product(total, spread(weights[row * count + field]), load(fields, field * size + x))
            store(sums, row * lanes, total)
        for row in range(rows):
            store(out, row * size + x, load(sums, row * lanes))
    for x in range(whole, size):
        for row in range(rows):
            sums[row] = 0.0
            for field in range(count):
                sums[row] += weights[row * count + field] * fields[field * size + x]
        for row in range(rows):
            out[row * size + x] = sums[row]
