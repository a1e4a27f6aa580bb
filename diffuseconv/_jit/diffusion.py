"""Loops over cells and faces: the rate of change of a field, and explicit steps.

``g0[i]`` holds the exchange rates of the faces before row ``i`` (so ``len(g0) = len(u) + 1``), ``g1[i, j]`` those of
the face before cell ``j``. The outermost faces lead to the ghosts: 0 beyond walls, the other side on periodic axes.
"""

import numpy as np
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


# Explicit steps in the plane. Rows lie in a flat array, `stride` apart, with MARGIN cells on both sides for ghosts.
# Several steps are taken in one pass down the rows: step k + 1 works two rows behind step k, whose rows stay in a
# small ring, so that a row is fetched once for all of them (unsigned indices: a signed one brings a wraparound test).
MARGIN = np.uintp(16)
ONE = np.uintp(1)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def two_rows(u, v, before, first, second, after, to, size, stride, r0, r1, two):
    """Step rows `first` and `second` of u into v; taken together they share loads (1.3 times faster than apart)."""
    for j in range(size):
        x, y = u[first + j], u[second + j]
        v[to + j] = (x + r0 * ((u[before + j] + y) - two * x)) + r1 * (
            (u[first + j - ONE] + u[first + j + ONE]) - two * x
        )
        v[to + stride + j] = (y + r0 * ((x + u[after + j]) - two * y)) + r1 * (
            (u[second + j - ONE] + u[second + j + ONE]) - two * y
        )


@njit(nogil=True, cache=True, error_model="numpy")
def two_varied_rows(u, v, before, first, second, after, to, size, stride, g0, g1, face):
    """Step two rows of u into v with rates of their own on every face, which begin at `face`."""
    next_face = face + stride
    last_face = next_face + stride
    for j in range(size):
        x, y = u[first + j], u[second + j]
        v[to + j] = x + (
            (g0[face + j] * (u[before + j] - x) + g0[next_face + j] * (y - x))
            + (g1[face + j] * (u[first + j - ONE] - x) + g1[face + j + ONE] * (u[first + j + ONE] - x))
        )
        v[to + stride + j] = y + (
            (g0[next_face + j] * (x - y) + g0[last_face + j] * (u[after + j] - y))
            + (g1[next_face + j] * (u[second + j - ONE] - y) + g1[next_face + j + ONE] * (u[second + j + ONE] - y))
        )


@njit(nogil=True, cache=True, error_model="numpy")
def close_row(u, row, size, wrap, left, right):
    """Set the ghosts at both ends of a row: the other end on a periodic axis, else a multiple of the edge cell."""
    last = row + size - ONE
    u[row - ONE] = u[last] if wrap else left * u[row]
    u[row + size] = u[row] if wrap else right * u[last]


@njit(nogil=True, cache=True, error_model="numpy")
def copy_row(u, source, target, stride, factor):
    """Write `factor` times one row to another."""
    for j in range(stride):
        u[target + j] = factor * u[source + j]


@njit(nogil=True, cache=True, error_model="numpy")
def steps_2d(u, ring, size, stride, g0, g1, r0, r1, two, added, wrap, ghosts, walls, low, high, steps, most):
    """Take explicit steps in place, `most` (at least 2) per pass; exact in rows `low` to `high` - 1.

    `u` holds one ghost row before its rows and two after; `ring` holds `most` times six rows. Rates are `g0` and `g1`
    on every face, or if those are empty `r0` and `r1` everywhere; `added` is empty or what comes in per step.
    `ghosts` are the factors (top, bottom, left, right) that turn an edge cell into the ghost beyond it. Where `walls`
    (top, bottom) is False, the rows beyond `low` and `high` are a halo of which every step spoils one.
    """
    rows = u.size // np.int64(stride) - 3
    todo = steps
    while todo > 0:
        levels = min(most, todo)
        if todo - levels == 1:
            levels += 1
        begin = 1 if walls[0] else max(1, low - todo)
        end = rows + 1 if walls[1] else min(rows + 1, high + todo)
        pairs = (end - begin + 1) // 2
        for block in range(pairs + levels - 1):
            for level in range(levels):
                pair = block - level
                if pair < 0 or pair >= pairs:
                    continue
                row = np.uintp(begin + 2 * pair) * stride + MARGIN
                slot = np.uintp(2 * (pair % 3)) * stride + MARGIN
                if level == 0:
                    source, first = u, row
                    before, after = row - stride, row + stride + stride
                else:
                    source, first = ring[level - 1], slot
                    before = np.uintp(2 * ((pair + 2) % 3) + 1) * stride + MARGIN
                    after = np.uintp(2 * ((pair + 1) % 3)) * stride + MARGIN
                second = first + stride
                if pair == 0 and walls[0]:
                    copy_row(source, first - MARGIN, before - MARGIN, stride, ghosts[0])
                if pair == pairs - 1 and walls[1]:
                    odd = (end - begin) % 2 == 1
                    edge, beyond = (first, second) if odd else (second, after)
                    copy_row(source, edge - MARGIN, beyond - MARGIN, stride, ghosts[1])
                close_row(source, first, size, wrap, ghosts[2], ghosts[3])
                close_row(source, second, size, wrap, ghosts[2], ghosts[3])
                if level == levels - 1 and levels > 1:
                    target, to = u, row
                else:
                    target, to = ring[level], slot
                if g0.size == 0:
                    two_rows(source, target, before, first, second, after, to, size, stride, r0, r1, two)
                else:
                    two_varied_rows(source, target, before, first, second, after, to, size, stride, g0, g1, row)
                if added.size > 0:
                    for j in range(size):
                        target[to + j] += added[row + j]
                        target[to + stride + j] += added[row + stride + j]
                if levels == 1:  # a single step waits in the ring until nobody needs the old rows
                    for waiting in range(max(0, pair - 1), pair + 1 if pair == pairs - 1 else pair):
                        place = np.uintp(begin + 2 * waiting) * stride
                        slot = np.uintp(2 * (waiting % 3)) * stride
                        for j in range(stride + stride):
                            u[place + j] = ring[0, slot + j]
        todo -= levels


@njit(nogil=True, cache=True, error_model="numpy")
def advance_strip(
    here, there, steps, rows, low, high, u, ring, size, stride, g0, g1, r0, r1, two, added, wrap, ghosts, walls, most
):
    """Fetch a strip's halo from `here`, take its steps, and write its rows `low` to `high` - 1 to `there`."""
    for i in range(rows.size):
        if not low <= i + 1 < high:
            start = np.uintp(i + 1) * stride + MARGIN
            for j in range(size):
                u[start + j] = here[rows[i], j]
    steps_2d(u, ring, size, stride, g0, g1, r0, r1, two, added, wrap, ghosts, walls, low, high, steps, most)
    for i in range(low, high):
        start = np.uintp(i) * stride + MARGIN
        for j in range(size):
            there[rows[i - 1], j] = u[start + j]
