"""Sums over the taps of a kernel: the loops of direct convolution."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract"})
def correlate_rows(extended, weights, out, first, last):
    """Fill rows `first` to `last` of ``out[b, z, y, x] = sum_j weights[j] extended[b, (z, y, x) + j]``."""
    depth, height, width = weights.shape
    planes, rows, columns = out.shape[1:]
    for row in range(first, last):
        y = np.uintp(row % rows)
        z = np.uintp((row // rows) % planes)
        b = np.uintp(row // (rows * planes))
        target = out[b, z, y]
        target[:] = 0
        for dz in range(np.uintp(depth)):
            for dy in range(np.uintp(height)):
                source = extended[b, z + dz, y + dy]
                for dx in range(np.uintp(width)):
                    weight = weights[dz, dy, dx]
                    for x in range(np.uintp(columns)):
                        target[x] += weight * source[x + dx]
