"""Loops over cells and faces: the rate of change of a field, and explicit steps.

``g0[i]`` holds the exchange rates of the faces before row ``i`` (so ``len(g0) = len(u) + 1``), ``g1[i, j]`` those of
the face before cell ``j``. The outermost faces lead to the ghosts: 0 beyond walls, the other side on periodic axes.
"""

from numba import njit


@njit(nogil=True, cache=True, error_model="numpy")
def _row(before, here, after, g_before, g_after, g, left, right, keep, out):
    """Write keep * here + (what flows in through the four faces of each cell) for one row."""
    last = here.size - 1
    for j in range(1, last):
        out[j] = (keep * here[j] + (g_before[j] * (before[j] - here[j]) + g_after[j] * (after[j] - here[j]))) + (
            g[j] * (here[j - 1] - here[j]) + g[j + 1] * (here[j + 1] - here[j])
        )
    for j in (0, last):
        west = left if j == 0 else here[j - 1]
        east = right if j == last else here[j + 1]
        out[j] = (keep * here[j] + (g_before[j] * (before[j] - here[j]) + g_after[j] * (after[j] - here[j]))) + (
            g[j] * (west - here[j]) + g[j + 1] * (east - here[j])
        )


@njit(nogil=True, cache=True, error_model="numpy")
def inflow_2d(u, g0, g1, wrap0, wrap1, keep, zeros, first, stop, out):
    """Write keep * u + L u for rows `first` to `stop`."""
    n, m = u.shape
    for i in range(first, stop):
        before = u[i - 1] if i > 0 else (u[n - 1] if wrap0 else zeros)
        after = u[i + 1] if i + 1 < n else (u[0] if wrap0 else zeros)
        left = u[i, m - 1] if wrap1 else zeros[0]
        right = u[i, 0] if wrap1 else zeros[0]
        _row(before, u[i], after, g0[i], g0[i + 1], g1[i], left, right, keep, out[i])


@njit(nogil=True, cache=True, error_model="numpy")
def inflow_3d(u, g0, g1, g2, wrap0, wrap1, wrap2, keep, zeros, first, stop, out):
    """Write keep * u + L u for planes `first` to `stop`."""
    depth, n, m = u.shape
    for k in range(first, stop):
        inflow_2d(u[k], g1[k], g2[k], wrap1, wrap2, keep, zeros, 0, n, out[k])
        for i in range(n):
            here = u[k, i]
            above = u[k - 1, i] if k > 0 else (u[depth - 1, i] if wrap0 else zeros)
            below = u[k + 1, i] if k + 1 < depth else (u[0, i] if wrap0 else zeros)
            g_above, g_below, row = g0[k, i], g0[k + 1, i], out[k, i]
            for j in range(m):
                row[j] += g_above[j] * (above[j] - here[j]) + g_below[j] * (below[j] - here[j])
