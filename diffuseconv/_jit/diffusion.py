"""Loops over cells and faces: the rate of change of a field, added to what is there.

All arrays are flat, and a field is a block of planes of rows: a plane has one row in two dimensions, a line is one row.
What one cell gives through a face is, to the last bit, what the other gets. Unsigned indices spare a wraparound test in
the inner loops. Loops along a row are inlined, for calls would count the owners of their arrays for every row.
"""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.compiled import compiled

ONE = np.uintp(1)


class Faces(NamedTuple):
    """Values on the faces before each cell along an axis, one more than cells; empty for none.

    Those before row `i` of plane `p` begin at ``planes[p] + rows[i]``: rows that are alike are there once.
    """

    values: Any
    planes: Any
    rows: Any


class Axis(NamedTuple):
    """The rates at which faces exchange salt, and the signed ones at which they carry the cell upwind of them."""

    exchange: Faces
    drift: Faces


class Rates(NamedTuple):
    """The rates of a block of cells along planes, rows and cells. Beyond walls lies a row of zeros, `blank`.

    An empty `loss` is 0 and an empty `weights` is 1.
    """

    shape: tuple[int, ...]
    periodic: tuple[Any, ...]
    axes: tuple[Axis, ...]
    loss: Any
    weights: Any
    blank: Any


class Factors(NamedTuple):
    """What multiplies the field, its rate of change, and what is held already."""

    keep: Any
    scale: Any
    held: Any


@compiled(inline="always")
def carried(drift, before, after):
    """Return what a drift carries through a face."""
    zero = drift * 0
    return max(drift, zero) * before + min(drift, zero) * after


@compiled(inline="always")
def flow_along(u, faces, first, drifts, drift, here, size, ends, scale, weights, out, drifting):
    """Add what flows into a row through the faces of its own axis, beyond which stand the `ends`."""
    last = size - ONE
    for j in range(ONE, last):
        west, x, east = u[here + j - ONE], u[here + j], u[here + j + ONE]
        inflow = faces[first + j] * (west - x) - faces[first + j + ONE] * (x - east)
        if drifting:
            inflow += carried(drifts[drift + j], west, x) - carried(drifts[drift + j + ONE], x, east)
        out[here + j] += (scale / weights[here + j] if weights.size > 0 else scale) * inflow
    for end in range(2):
        j = np.uintp(end) * last
        if end == 0 or last > 0:
            x = u[here + j]
            west = u[here + j - ONE] if j > 0 else ends[0]
            east = u[here + j + ONE] if j < last else ends[1]
            inflow = faces[first + j] * (west - x) - faces[first + j + ONE] * (x - east)
            if drifting:
                inflow += carried(drifts[drift + j], west, x) - carried(drifts[drift + j + ONE], x, east)
            out[here + j] += (scale / weights[here + j] if weights.size > 0 else scale) * inflow


@compiled(inline="always")
def flow_across(u, sides, places, faces, first, drifts, drift, here, size, scale, weights, out, drifting):
    """Add what flows into a row from the rows before and after it, which begin at two places of the arrays `sides`."""
    (below, above), (before, after), (lower, upper), (entry, leave) = sides, places, first, drift
    for j in range(size):
        west, x, east = below[before + j], u[here + j], above[after + j]
        inflow = faces[lower + j] * (west - x) - faces[upper + j] * (x - east)
        if drifting:
            inflow += carried(drifts[entry + j], west, x) - carried(drifts[leave + j], x, east)
        out[here + j] += (scale / weights[here + j] if weights.size > 0 else scale) * inflow


@compiled(inline="always")
def begin_row(u, here, size, factors, out):
    """Write a row of ``held * out + keep * u``; what is not held may be anything."""
    for j in range(here, here + size):
        out[j] = factors.keep * u[j] + (factors.held * out[j] if factors.held != 0 else u.dtype.type(0))


@compiled(inline="always")
def lose(u, here, size, loss, scale, weights, out):
    """Subtract what decays of a row."""
    for j in range(here, here + size):
        out[j] -= (scale / weights[j] if weights.size > 0 else scale) * (loss[j] * u[j])


@compiled
def flow(u, rates, factors, low, high, out):
    """Write ``held * out + keep * u + scale * L u`` for the rows from `low` to `high` of all planes."""
    planes, rows, size = np.uintp(rates.shape[0]), np.uintp(rates.shape[1]), np.uintp(rates.shape[2])
    nothing, plane_size, blank, periodic = np.uintp(0), rows * size, rates.blank, rates.periodic
    across, down, along = rates.axes
    scale, weights = factors.scale, rates.weights
    for index in range(np.uintp(low), np.uintp(high)):
        here, p, i = index * size, index // rows, index % rows
        begin_row(u, here, size, factors, out)
        ends = (u[here + size - ONE], u[here]) if periodic[2] else (blank[0], blank[0])
        g, q = along.exchange, along.drift
        first = g.planes[p] + g.rows[i]
        if q.values.size > 0:
            drift = q.planes[p] + q.rows[i]
            flow_along(u, g.values, first, q.values, drift, here, size, ends, scale, weights, out, True)
        else:
            flow_along(u, g.values, first, q.values, nothing, here, size, ends, scale, weights, out, False)
        if across.exchange.values.size > 0:
            g, q = across.exchange, across.drift
            last = here + (planes - ONE) * plane_size
            below, before = (u, here - plane_size) if p > 0 else (u, last) if periodic[0] else (blank, nothing)
            above, after = (
                (u, here + plane_size) if p + ONE < planes else (u, i * size) if periodic[0] else (blank, nothing)
            )
            sides, places = (below, above), (before, after)
            faces = g.planes[p] + g.rows[i], g.planes[p + ONE] + g.rows[i]
            if q.values.size > 0:
                drifts = q.planes[p] + q.rows[i], q.planes[p + ONE] + q.rows[i]
                flow_across(u, sides, places, g.values, faces, q.values, drifts, here, size, scale, weights, out, True)
            else:
                flow_across(u, sides, places, g.values, faces, q.values, faces, here, size, scale, weights, out, False)
        if down.exchange.values.size > 0:
            g, q = down.exchange, down.drift
            last = here + plane_size - size
            below, before = (u, here - size) if i > 0 else (u, last) if periodic[1] else (blank, nothing)
            above, after = (
                (u, here + size)
                if i + ONE < rows
                else (u, here + size - plane_size)
                if periodic[1]
                else (blank, nothing)
            )
            sides, places = (below, above), (before, after)
            faces = g.planes[p] + g.rows[i], g.planes[p] + g.rows[i + ONE]
            if q.values.size > 0:
                drifts = q.planes[p] + q.rows[i], q.planes[p] + q.rows[i + ONE]
                flow_across(u, sides, places, g.values, faces, q.values, drifts, here, size, scale, weights, out, True)
            else:
                flow_across(u, sides, places, g.values, faces, q.values, faces, here, size, scale, weights, out, False)
        if rates.loss.size > 0:
            lose(u, here, size, rates.loss, scale, weights, out)
