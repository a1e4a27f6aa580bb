"""Loops over cells and faces: the rate of change of a field.

All arrays are flat, and a field is a block of planes of rows. The rates of an axis are those of the faces before each
plane (one plane more than the field), row or cell. The outermost faces lead to the ghosts: 0 beyond walls, the other
side on periodic axes. Unsigned indices spare a wraparound test in the inner loops. Loops along a row are inlined, for
calls would count the owners of their arrays for every row.
"""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.compiled import compiled

ONE = np.uintp(1)


class Grid(NamedTuple):
    """The shape of a block of cells, and which of its axes are periodic."""

    planes: int
    rows: int
    size: int
    periodic: tuple[Any, ...]


class Row(NamedTuple):
    """Where a row begins, the rows before and after it along another axis, and the faces on both sides and along it."""

    here: Any
    size: Any
    before: Any
    after: Any
    has_before: Any
    has_after: Any
    lower: Any
    upper: Any
    along: Any


@compiled(inline="always")
def flow_in(u, across, along, row, ends, keep, out):
    """Write keep * u + what flows in through four faces of each cell of a row, beyond which stand the `ends`."""
    zero = u.dtype.type(0)
    here, lower, upper, face, last = row.here, row.lower, row.upper, row.along, row.size - ONE
    for j in range(ONE, last):
        x = u[here + j]
        out[here + j] = keep * x + (
            (
                across[lower + j] * ((u[row.before + j] if row.has_before else zero) - x)
                + across[upper + j] * ((u[row.after + j] if row.has_after else zero) - x)
            )
            + (along[face + j] * (u[here + j - ONE] - x) + along[face + j + ONE] * (u[here + j + ONE] - x))
        )
    for end in range(2):
        j = np.uintp(end) * last
        x = u[here + j]
        west = u[here + j - ONE] if j > 0 else ends[0]
        east = u[here + j + ONE] if j < last else ends[1]
        out[here + j] = keep * x + (
            (
                across[lower + j] * ((u[row.before + j] if row.has_before else zero) - x)
                + across[upper + j] * ((u[row.after + j] if row.has_after else zero) - x)
            )
            + (along[face + j] * (west - x) + along[face + j + ONE] * (east - x))
        )


@compiled(inline="always")
def flow_across(u, across, row, out):
    """Add what flows into a row from the rows before and after it."""
    zero = u.dtype.type(0)
    for j in range(row.size):
        x = u[row.here + j]
        out[row.here + j] += across[row.lower + j] * ((u[row.before + j] if row.has_before else zero) - x) + across[
            row.upper + j
        ] * ((u[row.after + j] if row.has_after else zero) - x)


@compiled
def inflow(u, faces, grid, keep, out, begin, end):
    """Write keep * u + L u for the planes from `begin` to `end`; a field without rows has no faces before them."""
    zero, size, plane = u.dtype.type(0), np.uintp(grid.size), np.uintp(grid.rows * grid.size)
    for k in range(begin, end):
        for i in range(grid.rows):
            here = np.uintp(k) * plane + np.uintp(i) * size
            ends = (u[here + size - ONE], u[here]) if grid.periodic[2] else (zero, zero)
            before = here - plane if k > 0 else here + np.uintp(grid.planes - 1) * plane
            after = here + plane if k + 1 < grid.planes else here - np.uintp(k) * plane
            has_before, has_after = k > 0 or grid.periodic[0], k + 1 < grid.planes or grid.periodic[0]
            along = here + np.uintp(k * grid.rows + i)
            row = Row(here, size, before, after, has_before, has_after, here, here + plane, along)
            flow_in(u, faces[0], faces[2], row, ends, keep, out)
            if faces[1].size > 0:
                before = here - size if i > 0 else here + plane - size
                after = here + size if i + 1 < grid.rows else here + size - plane
                has_before, has_after = i > 0 or grid.periodic[1], i + 1 < grid.rows or grid.periodic[1]
                lower = here + np.uintp(k) * size
                flow_across(
                    u, faces[1], Row(here, size, before, after, has_before, has_after, lower, lower + size, along), out
                )
