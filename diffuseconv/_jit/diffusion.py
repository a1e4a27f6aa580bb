"""Loops over cells and faces: the rate of change of a field.

All arrays are flat. ``g0`` holds the exchange rates of the faces before each plane (one plane more than the field),
``g1`` those before each row, ``g2`` those before each cell. The outermost faces lead to the ghosts: 0 beyond walls, the
other side on periodic axes. Unsigned indices spare a wraparound test in the inner loops.
"""

import numpy as np

from diffuseconv._jit.compiled import compiled

ONE = np.uintp(1)


@compiled
def flow_in(u, g0, g2, keep, before, here, after, beyond, face, size, above, below, left, right, zero, out):
    """Write keep * u + (what flows in through four faces of each cell of a row).

    Beyond its first and last cell stand `left` and `right`, beyond the row those at `before` and `after`, or nothing
    unless there are rows `above` and `below`. Faces across begin at ``g0[here]`` and ``g0[beyond]``, those along at
    ``g2[face]``.
    """
    last = size - ONE
    for j in range(ONE, last):
        x = u[here + j]
        out[here + j] = keep * x + (
            (
                g0[here + j] * ((u[before + j] if above else zero) - x)
                + g0[beyond + j] * ((u[after + j] if below else zero) - x)
            )
            + (g2[face + j] * (u[here + j - ONE] - x) + g2[face + j + ONE] * (u[here + j + ONE] - x))
        )
    for end in range(2):
        j = np.uintp(end) * last
        x = u[here + j]
        west = u[here + j - ONE] if j > 0 else left
        east = u[here + j + ONE] if j < last else right
        out[here + j] = keep * x + (
            (
                g0[here + j] * ((u[before + j] if above else zero) - x)
                + g0[beyond + j] * ((u[after + j] if below else zero) - x)
            )
            + (g2[face + j] * (west - x) + g2[face + j + ONE] * (east - x))
        )


@compiled
def flow_across(u, g, before, here, after, face, beyond, size, above, below, zero, out):
    """Add what flows in from the rows at `before` and `after`, or from nothing unless they are `above` and `below`."""
    for j in range(size):
        x = u[here + j]
        out[here + j] += g[face + j] * ((u[before + j] if above else zero) - x) + g[beyond + j] * (
            (u[after + j] if below else zero) - x
        )


@compiled
def inflow(u, g0, g1, g2, planes, rows, size, wrap0, wrap1, wrap2, keep, zero, out, begin, end):
    """Write keep * u + L u for planes `begin` to `end` of `planes`, each of `rows` rows; all arrays are flat."""
    width, plane = np.uintp(size), np.uintp(rows * size)
    for k in range(begin, end):
        for i in range(rows):
            here = np.uintp(k) * plane + np.uintp(i) * width
            left = u[here + width - ONE] if wrap2 else zero
            right = u[here] if wrap2 else zero
            before = here - plane if k > 0 else here + np.uintp(planes - 1) * plane
            after = here + plane if k + 1 < planes else here - np.uintp(k) * plane
            above = k > 0 or wrap0
            below = k + 1 < planes or wrap0
            face = here + np.uintp(k * rows + i)
            beyond = here + plane
            flow_in(u, g0, g2, keep, before, here, after, beyond, face, width, above, below, left, right, zero, out)
            if g1.size > 0:
                before = here - width if i > 0 else here + plane - width
                after = here + width if i + 1 < rows else here + width - plane
                above = i > 0 or wrap1
                below = i + 1 < rows or wrap1
                face = here + np.uintp(k) * width
                flow_across(u, g1, before, here, after, face, face + width, width, above, below, zero, out)
