"""Loops over cells whose faces carry different rates in both directions (drift), or whose sizes differ.

All arrays are flat, and a field is a block of planes of rows. What one cell gives through a face is, to the last bit,
what the other gets. Unsigned indices spare a wraparound test in the inner loops. Loops along a row are inlined, for
calls would count the owners of their arrays for every row.
"""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.compiled import compiled

ONE = np.uintp(1)


class Rates(NamedTuple):
    """The rates of a block of cells.

    Of each axis (planes, rows, cells) `down` holds the rates of the faces before each cell in the direction of the
    axis, `up` those against it, with one face more than cells; those of the first are empty where a field has no
    planes. An empty `loss` is 0 and an empty `weight` is 1. Beyond walls lies a row of zeros, `blank`.
    """

    shape: tuple[int, ...]
    periodic: tuple[bool, ...]
    down: tuple[Any, ...]
    up: tuple[Any, ...]
    loss: Any
    weight: Any
    blank: Any


class Row(NamedTuple):
    """Where a row begins, the rows before and after it along another axis, and the faces on both sides and along it."""

    here: Any
    size: Any
    before: Any
    after: Any
    lower: Any
    upper: Any
    along: Any


@compiled(inline="always")
def flow_in(u, sides, row, ends, across, along, keep, out):
    """Write keep * u + what flows into a row through four faces of each of its cells, beyond which stand the `ends`.

    `sides` are the arrays that hold the rows before and after, `across` and `along` the rates (down, up) there.
    """
    (below, above), (down, up), (onward, back) = sides, across, along
    here, last = row.here, row.size - ONE
    for j in range(ONE, last):
        x, k = u[here + j], row.along + j
        inflow = (onward[k] * u[here + j - ONE] - back[k] * x) - (
            onward[k + ONE] * x - back[k + ONE] * u[here + j + ONE]
        )
        out[here + j] = keep * x + (
            inflow
            + (
                (down[row.lower + j] * below[row.before + j] - up[row.lower + j] * x)
                - (down[row.upper + j] * x - up[row.upper + j] * above[row.after + j])
            )
        )
    for end in range(2):
        j = np.uintp(end) * last
        x, k = u[here + j], row.along + j
        west = u[here + j - ONE] if j > 0 else ends[0]
        east = u[here + j + ONE] if j < last else ends[1]
        inflow = (onward[k] * west - back[k] * x) - (onward[k + ONE] * x - back[k + ONE] * east)
        out[here + j] = keep * x + (
            inflow
            + (
                (down[row.lower + j] * below[row.before + j] - up[row.lower + j] * x)
                - (down[row.upper + j] * x - up[row.upper + j] * above[row.after + j])
            )
        )


@compiled(inline="always")
def flow_across(u, sides, row, across, out):
    """Add what flows into a row from those before and after it."""
    (below, above), (down, up) = sides, across
    for j in range(row.size):
        x = u[row.here + j]
        out[row.here + j] += (down[row.lower + j] * below[row.before + j] - up[row.lower + j] * x) - (
            down[row.upper + j] * x - up[row.upper + j] * above[row.after + j]
        )


@compiled
def finish_row(u, here, size, loss, weight, keep, out):
    """Turn a row of what flows in into ``keep * u + weight * (it - loss * u)``."""
    if loss.size > 0:
        for j in range(here, here + size):
            out[j] -= loss[j] * u[j]
    if weight.size > 0:
        for j in range(here, here + size):
            out[j] = keep * u[j] + weight[j] * out[j]


@compiled
def flow(u, rates, keep, low, high, out):
    """Write ``keep * u + weight * (what flows in - loss * u)`` for the rows from `low` to `high` of all planes."""
    planes, rows, size = np.uintp(rates.shape[0]), np.uintp(rates.shape[1]), np.uintp(rates.shape[2])
    nothing, plane_size, blank = np.uintp(0), rows * size, rates.blank
    down, up, periodic = rates.down, rates.up, rates.periodic
    kept = keep if rates.weight.size == 0 else blank[0]
    for index in range(np.uintp(low), np.uintp(high)):
        here, plane, k = index * size, index // rows, index % rows
        ends = (u[here + size - ONE], u[here]) if periodic[2] else (blank[0], blank[0])
        before = here - size if k > 0 else here + plane_size - size
        after = here + size if k + ONE < rows else here + size - plane_size
        below, before = (u, before) if k > 0 or periodic[1] else (blank, nothing)
        above, after = (u, after) if k + ONE < rows or periodic[1] else (blank, nothing)
        lower = here + plane * size
        row = Row(here, size, before, after, lower, lower + size, here + index)
        flow_in(u, (below, above), row, ends, (down[1], up[1]), (down[2], up[2]), kept, out)
        if down[0].size > 0:
            before = here - plane_size if plane > 0 else here + (planes - ONE) * plane_size
            after = here + plane_size if plane + ONE < planes else k * size
            below, before = (u, before) if plane > 0 or periodic[0] else (blank, nothing)
            above, after = (u, after) if plane + ONE < planes or periodic[0] else (blank, nothing)
            row = Row(here, size, before, after, here, here + plane_size, here + index)
            flow_across(u, (below, above), row, (down[0], up[0]), out)
        finish_row(u, here, size, rates.loss, rates.weight, keep, out)
