"""Loops over cells and faces: the rate of change of a field, added to what is there.

All arrays are flat, and a field is a block of planes of rows: a plane has one row in two dimensions, a line is one row.
What one cell gives through a face is, to the last bit, what the other gets. Unsigned indices spare a wraparound test in
the inner loops.
"""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.compiled import compiled, inner

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


class Line(NamedTuple):
    """A row of cells, and what multiplies all that flows into it."""

    here: Any
    size: Any
    scale: Any
    weights: Any
    weighted: Any  # whether cells have weights, by which it is divided


@inner
def carried(drift, before, after):
    """Return what a drift carries through a face."""
    zero = drift * 0
    return max(drift, zero) * before + min(drift, zero) * after


@inner
def share(line, j):
    """Return what multiplies all that flows into cell `j` of a row."""
    return line.scale / line.weights[line.here + j] if line.weighted else line.scale


@inner
def first_of(faces, there, p, i):
    """Return where the values before row `i` of plane `p` begin, if they are there."""
    return faces.planes[p] + faces.rows[i] if there else np.uintp(0)


@inner
def flow_along(u, axis, drifting, p, i, line, ends, out):
    """Add what flows into row `i` of plane `p` through the faces of its own axis, beyond which stand the `ends`."""
    here, last = line.here, line.size - ONE
    faces, drifts = axis.exchange.values, axis.drift.values
    first, drift = first_of(axis.exchange, True, p, i), first_of(axis.drift, drifting, p, i)
    for j in range(ONE, last):
        west, x, east = u[here + j - ONE], u[here + j], u[here + j + ONE]
        inflow = faces[first + j] * (west - x) - faces[first + j + ONE] * (x - east)
        if drifting:
            inflow += carried(drifts[drift + j], west, x) - carried(drifts[drift + j + ONE], x, east)
        out[here + j] += share(line, j) * inflow
    for end in range(2):
        j = np.uintp(end) * last
        if end == 0 or last > 0:
            x = u[here + j]
            west = u[here + j - ONE] if j > 0 else ends[0]
            east = u[here + j + ONE] if j < last else ends[1]
            inflow = faces[first + j] * (west - x) - faces[first + j + ONE] * (x - east)
            if drifting:
                inflow += carried(drifts[drift + j], west, x) - carried(drifts[drift + j + ONE], x, east)
            out[here + j] += share(line, j) * inflow


@inner
def flow_across(u, neighbours, axis, drifting, lower, upper, line, out):
    """Add what flows into a row from its neighbours, each (array, place), through faces before and after it."""
    (below, before), (above, after) = neighbours
    faces, drifts = axis.exchange.values, axis.drift.values
    first, last = first_of(axis.exchange, True, *lower), first_of(axis.exchange, True, *upper)
    entry, leave = first_of(axis.drift, drifting, *lower), first_of(axis.drift, drifting, *upper)
    for j in range(line.size):
        west, x, east = below[before + j], u[line.here + j], above[after + j]
        inflow = faces[first + j] * (west - x) - faces[last + j] * (x - east)
        if drifting:
            inflow += carried(drifts[entry + j], west, x) - carried(drifts[leave + j], x, east)
        out[line.here + j] += share(line, j) * inflow


@inner
def begin_row(u, line, factors, out):
    """Write a row of ``held * out + keep * u``; what is not held may be anything."""
    for j in range(line.here, line.here + line.size):
        out[j] = factors.keep * u[j] + (factors.held * out[j] if factors.held != 0 else u.dtype.type(0))


@inner
def lose(u, line, loss, out):
    """Subtract what decays of a row."""
    for j in range(line.size):
        out[line.here + j] -= share(line, j) * (loss[line.here + j] * u[line.here + j])


@compiled
def flow(u, rates, factors, low, high, out):
    """Write ``held * out + keep * u + scale * L u`` for the rows from `low` to `high` of all planes."""
    planes, rows, size = np.uintp(rates.shape[0]), np.uintp(rates.shape[1]), np.uintp(rates.shape[2])
    plane, (planes_close, rows_close, cells_close) = rows * size, rates.periodic
    across, down, along = rates.axes
    there = across.exchange.values.size > 0, down.exchange.values.size > 0
    drifting = across.drift.values.size > 0, down.drift.values.size > 0, along.drift.values.size > 0
    losing, weighted = rates.loss.size > 0, rates.weights.size > 0
    u, out, weights, loss = borrow(u), borrow(out), borrow(rates.weights), borrow(rates.loss)
    (across, down, along), wall = borrow(rates.axes), (borrow(rates.blank), np.uintp(0))
    for index in range(np.uintp(low), np.uintp(high)):
        here, p, i = index * size, index // rows, index % rows
        line = Line(here, size, factors.scale, weights, weighted)
        begin_row(u, line, factors, out)
        ends = (u[here + size - ONE], u[here]) if cells_close else (wall[0][0], wall[0][0])
        flow_along(u, along, drifting[2], p, i, line, ends, out)
        if there[0]:
            around = (
                (u, here + (planes - ONE) * plane) if planes_close else wall,
                (u, i * size) if planes_close else wall,
            )
            before = (u, here - plane) if p > 0 else around[0]
            after = (u, here + plane) if p + ONE < planes else around[1]
            flow_across(u, (before, after), across, drifting[0], (p, i), (p + ONE, i), line, out)
        if there[1]:
            last = here + plane - size
            around = (u, last) if rows_close else wall, (u, here + size - plane) if rows_close else wall
            before = (u, here - size) if i > 0 else around[0]
            after = (u, here + size) if i + ONE < rows else around[1]
            flow_across(u, (before, after), down, drifting[1], (p, i), (p, i + ONE), line, out)
        if losing:
            lose(u, line, loss, out)
