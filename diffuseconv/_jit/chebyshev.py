"""Loops over cells for Chebyshev polynomials of a lattice: the recurrence and its weighted sums in one pass.

Fields lie flat: planes of rows of `stride` cells, of which the first MARGIN and the last are ghosts, with one plane of
zeros before the first and one after the last. ``g0`` holds the exchange rates of the face before each plane, ``g1`` of
the face before each row (one row more per plane), ``g2`` of the face before each cell. Unsigned indices spare a
wraparound test in the inner loops.
"""

import numpy as np
from numba import njit

MARGIN = np.uintp(8)
ONE = np.uintp(1)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def recur_row(a, b, g0, g2, before, here, after, size):
    """Write 2 a + (what flows in through four faces) - b over one row of b."""
    for j in range(size):
        x = a[here + j]
        b[here + j] = ((x + x) - b[here + j]) + (
            (g0[here + j] * (a[before + j] - x) + g0[after + j] * (a[after + j] - x))
            + (g2[here + j] * (a[here + j - ONE] - x) + g2[here + j + ONE] * (a[here + j + ONE] - x))
        )


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def add_middle(a, b, g1, before, here, after, face, next_face, size):
    """Add what flows in through the two faces of the middle axis."""
    for j in range(size):
        x = a[here + j]
        b[here + j] += g1[face + j] * (a[before + j] - x) + g1[next_face + j] * (a[after + j] - x)


@njit(nogil=True, cache=True, error_model="numpy", fastmath={"contract"})
def add_pair(total, a, b, here, size, one, other):
    """Add one weight times a row of a and another times that of b."""
    for j in range(size):
        total[j] += one * a[here + j] + other * b[here + j]


@njit(nogil=True, cache=True, error_model="numpy")
def recur(a, b, g0, g1, g2, rows, size, stride, wrap1, wrap2, weights, ends, k, steps, depth, own, totals):
    """Take `steps` (even) terms from T_k in `a` and T_(k-1) in `b`, and add them by pairs to the weighted sums.

    Term after term follows `depth` rows behind each other in one pass: the term after next overwrites the one before
    it in place, for nobody needs that row any more. Plane `own` is the first
    of those that `totals` holds; ``ends[m]`` is the last term of sum m.
    """
    planes = a.size // (rows * stride) - 2
    kept = totals.shape[1]
    plane = np.uintp(rows * stride)
    pitch, width = np.uintp(stride), np.uintp(size)
    taken = 0
    while taken < steps:
        levels = min(depth, steps - taken)
        for block in range(planes + levels - 1):
            for level in range(levels):
                p = block - level
                if p < 0 or p >= planes:
                    continue
                old, new = (a, b) if level % 2 == 0 else (b, a)
                term = k + taken + level + 1
                base = np.uintp(p + 1) * plane + MARGIN
                for row in range(rows):
                    here = base + np.uintp(row) * pitch
                    recur_row(old, new, g0, g2, here - plane, here, here + plane, width)
                    if g1.size > 0:
                        before = here - pitch if row > 0 else (base + plane - pitch if wrap1 else MARGIN)
                        after = here + pitch if row + 1 < rows else (base if wrap1 else MARGIN)
                        face = (np.uintp(p + 1) * np.uintp(rows + 1) + np.uintp(row)) * pitch + MARGIN
                        add_middle(old, new, g1, before, here, after, face, face + pitch, width)
                    if wrap2:
                        new[here - ONE], new[here + width] = new[here + width - ONE], new[here]
                    inside = p - own
                    if level % 2 == 1 and 0 <= inside < kept:
                        for m in range(totals.shape[0]):
                            if term <= ends[m]:
                                one, other = weights[m, term - 1], weights[m, term]
                                add_pair(totals[m, inside, row], old, new, here, width, one, other)
        taken += levels
