"""Loops over cells whose faces carry different rates in both directions (drift), or whose sizes differ.

Arrays have three axes (planes, rows, cells). `down` holds the rates of the faces before each cell in the direction of
the axis, `up` those against it, with one face more than cells; a walled axis ends at ghost cells of value 0.
"""

import numpy as np
from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def add_across(before, here, after, down, up, down_after, up_after, total):
    """Add what flows into a row of cells from the rows before and after it."""
    for k in range(here.size):
        total[k] += (down[k] * before[k] - up[k] * here[k]) - (down_after[k] * here[k] - up_after[k] * after[k])


@njit(nogil=True, cache=True, error_model="numpy")
def add_along(here, first, last, down, up, total):
    """Add what flows along a row, beyond whose ends stand the values `first` and `last`."""
    n = here.size
    for k in range(1, n - 1):
        total[k] += (down[k] * here[k - 1] - up[k] * here[k]) - (down[k + 1] * here[k] - up[k + 1] * here[k + 1])
    for k in (0, n - 1):
        low = here[k - 1] if k > 0 else first
        high = here[k + 1] if k < n - 1 else last
        total[k] += (down[k] * low - up[k] * here[k]) - (down[k + 1] * here[k] - up[k + 1] * high)
        if n == 1:
            break


@njit(nogil=True, cache=True, error_model="numpy")
def flow(u, down, up, wrap, loss, weight, keep, low, high, out):
    """Write ``keep * u + weight * (what flows in - loss * u)`` for the rows from `low` to `high` of all planes."""
    planes, rows, size = u.shape
    nothing = keep * 0
    empty = np.zeros_like(u[0, 0])
    for index in range(low, high):
        i, j = index // rows, index % rows
        here, total = u[i, j], out[i, j]
        for k in range(size):
            total[k] = -loss[i, j, k] * here[k]
        if planes > 1 or down[0].shape[0] > 1:
            before = u[i - 1, j] if i > 0 else u[planes - 1, j] if wrap[0] else empty
            after = u[i + 1, j] if i + 1 < planes else u[0, j] if wrap[0] else empty
            add_across(before, here, after, down[0][i, j], up[0][i, j], down[0][i + 1, j], up[0][i + 1, j], total)
        if rows > 1 or down[1].shape[1] > 1:
            before = u[i, j - 1] if j > 0 else u[i, rows - 1] if wrap[1] else empty
            after = u[i, j + 1] if j + 1 < rows else u[i, 0] if wrap[1] else empty
            add_across(before, here, after, down[1][i, j], up[1][i, j], down[1][i, j + 1], up[1][i, j + 1], total)
        first = here[size - 1] if wrap[2] else nothing
        last = here[0] if wrap[2] else nothing
        add_along(here, first, last, down[2][i, j], up[2][i, j], total)
        for k in range(size):
            total[k] = keep * here[k] + weight[i, j, k] * total[k]
