"""Products of a thin matrix, in tiles of sums that stay in registers, on the caller's thread."""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.convolution import scratch_of
from diffuseconv._jit.vector import BYTES, lanes_of, load, plus_product, spread, store

HIGH, WIDE = 4, 2  # of a tile: rows, and vectors a row; a value of `right` serves four sums while it is in a register


def width_of(itemsize: int) -> int:
    """Return the columns of a tile of numbers of so many bytes."""
    return WIDE * BYTES // itemsize


@compiled
def multiply(left, right, out):
    """Fill ``out = left @ right``, of a tile at least in rows and columns; the last tiles overlap."""
    lanes, zero, one = lanes_of(out), np.uintp(0), np.uintp(1)
    rows, inner, columns = np.uintp(left.shape[0]), np.uintp(left.shape[1]), np.uintp(right.shape[1])
    weights, values, sums = left.reshape(-1), right.reshape(-1), out.reshape(-1)
    high, wide = np.uintp(HIGH), np.uintp(WIDE) * lanes
    strip = scratch_of(inner * wide, right)  # of some columns: rows of many bytes share few places of a cache
    for first in range(zero, columns, wide):
        x = columns - wide if first + wide > columns else first
        for k in range(inner):
            store(strip, k * wide, load(values, k * columns + x))
            store(strip, k * wide + lanes, load(values, k * columns + x + lanes))
        for top in range(zero, rows, high):
            y = rows - high if top + high > rows else top
            a, b, c, d = y * inner, (y + one) * inner, (y + np.uintp(2)) * inner, (y + np.uintp(3)) * inner
            a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = spread(out.dtype.type(0))
            for k in range(inner):
                v0, v1 = load(strip, k * wide), load(strip, k * wide + lanes)
                weight = spread(weights[a + k])
                a0, a1 = plus_product(a0, weight, v0), plus_product(a1, weight, v1)
                weight = spread(weights[b + k])
                b0, b1 = plus_product(b0, weight, v0), plus_product(b1, weight, v1)
                weight = spread(weights[c + k])
                c0, c1 = plus_product(c0, weight, v0), plus_product(c1, weight, v1)
                weight = spread(weights[d + k])
                d0, d1 = plus_product(d0, weight, v0), plus_product(d1, weight, v1)
            corner = y * columns + x
            for v0, v1 in ((a0, a1), (b0, b1), (c0, c1), (d0, d1)):
                store(sums, corner, v0)
                store(sums, corner + lanes, v1)
                corner += columns
