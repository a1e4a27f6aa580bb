"""The rate of change of a field: what flows into each cell through its faces, less what decays.

All arrays are flat, and a field is a block of planes of rows: a plane has one row in two dimensions, a line is one row.
What one cell gives through a face is, to the last bit, what the other gets. Unsigned indices spare a wraparound test in
the inner loops.
"""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.faces import Faces, cell_flow, vector_flow
from diffuseconv._jit.vector import (
    after_last,
    from_second,
    lanes_of,
    load,
    loaded_after_last,
    plus_product,
    spread,
    store,
)

ZERO, ONE = np.uintp(0), np.uintp(1)


class Axis(NamedTuple):
    """The rates at which faces exchange salt, and the signed ones at which they carry the cell upwind of them."""

    exchange: Faces
    drift: Faces


class Rates(NamedTuple):
    """The rates of a block of cells along planes, rows and cells. Beyond walls lies a row of zeros, `blank`.

    An empty `loss` is 0; what flows into a cell and what it loses is multiplied by its share, if there are `shares`.
    """

    shape: tuple[int, ...]
    periodic: tuple[Any, ...]
    axes: tuple[Axis, ...]
    loss: Any
    shares: Any
    blank: Any


class Factors(NamedTuple):
    """What multiplies the field, its rate of change, and what is held already."""

    keep: Any
    scale: Any
    held: Any


class Row(NamedTuple):
    """A row of cells, what stands beyond its ends, and where the values on the faces along it begin."""

    here: Any
    left: Any
    right: Any
    side: Any
    drift: Any


class Around(NamedTuple):
    """The rows before and after a row across an axis, each (array, place), and where values on their faces begin."""

    there: Any  # whether the axis exchanges anything
    drifting: Any
    before: Any
    after: Any
    sides: Any
    drifts: Any


class Cells(NamedTuple):
    """What becomes of what flows into cells: the `Factors`, the losses and the shares, if there are any."""

    factors: Any
    losing: Any
    loss: Any
    shared: Any
    shares: Any


@inner(forceinline=True)
def vector_across(axis, around, j, x):
    """Return what flows into a vector of a row from the rows before and after it."""
    (below, before), (above, after) = around.before, around.after
    (entry, leave), (drift, drift_out), (faces, drifts) = around.sides, around.drifts, axis
    entering = vector_flow(faces, entry + j, drifts, drift + j, around.drifting, load(below, before + j), x)
    return entering - vector_flow(faces, leave + j, drifts, drift_out + j, around.drifting, x, load(above, after + j))


@inner(forceinline=True)
def cell_across(axis, around, j, x):
    """Return what flows into a cell of a row from the rows before and after it."""
    (below, before), (above, after) = around.before, around.after
    (entry, leave), (drift, drift_out), (faces, drifts) = around.sides, around.drifts, axis
    entering = cell_flow(faces, entry + j, drifts, drift + j, around.drifting, below[before + j], x)
    return entering - cell_flow(faces, leave + j, drifts, drift_out + j, around.drifting, x, above[after + j])


@inner(forceinline=True)
def finish_vector(cells, place, x, inflow, out):
    """Store ``held * out + keep * x + scale * share * (inflow - loss * x)``; what is not held may be anything."""
    keep, scale, held = cells.factors
    if cells.losing:
        inflow = inflow - load(cells.loss, place) * x
    if cells.shared:
        inflow = inflow * load(cells.shares, place)
    y = spread(keep) * x
    if held != 0:
        y = plus_product(y, spread(held), load(out, place))
    store(out, place, plus_product(y, spread(scale), inflow))


@inner(forceinline=True)
def finish_cell(cells, place, x, inflow, out):
    """Store what `finish_vector` does for one cell."""
    keep, scale, held = cells.factors
    if cells.losing:
        inflow -= cells.loss[place] * x
    if cells.shared:
        inflow *= cells.shares[place]
    y = keep * x
    if held != 0:
        y += held * out[place]
    out[place] = y + scale * inflow


@inner
def flow_of_row(u, axes, drifting, row, around, cells, size, out):
    """Write a row: whole vectors, then the cells that are left."""
    (across, down, (faces, drifts)), (of_planes, of_rows), lanes = axes, around, lanes_of(u)
    here, end = row.here, size // lanes * lanes
    if end > ZERO:
        x = load(u, here)
        flow = vector_flow(faces, row.side, drifts, row.drift, drifting, after_last(spread(row.left), x), x)
        last, beyond = u[here + end - ONE], row.right if end == size else u[here + end]
        last_flow = spread(cell_flow(faces, row.side + end, drifts, row.drift + end, drifting, last, beyond))
        for j in range(lanes, end + lanes, lanes):
            east, next_flow = x, last_flow
            if j < end:
                east = load(u, here + j)
                west = loaded_after_last(u, here + j, x, east)
                next_flow = vector_flow(faces, row.side + j, drifts, row.drift + j, drifting, west, east)
            inflow = flow - from_second(flow, next_flow)
            if of_planes.there:
                inflow = inflow + vector_across(across, of_planes, j - lanes, x)
            if of_rows.there:
                inflow = inflow + vector_across(down, of_rows, j - lanes, x)
            finish_vector(cells, here + j - lanes, x, inflow, out)
            x, flow = east, next_flow
    for j in range(end, size):
        x = u[here + j]
        west = u[here + j - ONE] if j > ZERO else row.left
        east = u[here + j + ONE] if j + ONE < size else row.right
        inflow = cell_flow(faces, row.side + j, drifts, row.drift + j, drifting, west, x)
        inflow -= cell_flow(faces, row.side + j + ONE, drifts, row.drift + j + ONE, drifting, x, east)
        if of_planes.there:
            inflow += cell_across(across, of_planes, j, x)
        if of_rows.there:
            inflow += cell_across(down, of_rows, j, x)
        finish_cell(cells, here + j, x, inflow, out)


@inner
def first_of(faces, there, p, i):
    """Return where the values before row `i` of plane `p` begin, if they are there."""
    return faces.planes[p] + faces.rows[i] if there else ZERO


@compiled
def flow(u, rates, factors, low, high, out):
    """Write ``held * out + keep * u + scale * L u`` for the rows from `low` to `high` of all planes."""
    planes, rows, size = np.uintp(rates.shape[0]), np.uintp(rates.shape[1]), np.uintp(rates.shape[2])
    plane, (planes_close, rows_close, cells_close) = rows * size, rates.periodic
    across, down, along = rates.axes
    there = across.exchange.values.size > 0, down.exchange.values.size > 0
    drifts = across.drift.values.size > 0, down.drift.values.size > 0, along.drift.values.size > 0
    losing, shared = rates.loss.size > 0, rates.shares.size > 0
    cells = Cells(factors, losing, borrow(rates.loss), shared, borrow(rates.shares))
    u, out, axes, wall = borrow(u), borrow(out), borrow(rates.axes), (borrow(rates.blank), ZERO)
    across, down, along = axes
    for index in range(np.uintp(low), np.uintp(high)):
        here, p, i = index * size, index // rows, index % rows
        ends = (u[here + size - ONE], u[here]) if cells_close else (wall[0][0], wall[0][0])
        row = Row(here, *ends, first_of(along.exchange, True, p, i), first_of(along.drift, drifts[2], p, i))
        first, last = (u, i * size), (u, here + (planes - ONE) * plane)
        of_planes = Around(
            there[0],
            drifts[0],
            (u, here - plane) if p > ZERO else last if planes_close else wall,
            (u, here + plane) if p + ONE < planes else first if planes_close else wall,
            (first_of(across.exchange, there[0], p, i), first_of(across.exchange, there[0], p + ONE, i)),
            (first_of(across.drift, drifts[0], p, i), first_of(across.drift, drifts[0], p + ONE, i)),
        )
        first, last = (u, here + size - plane), (u, here + plane - size)
        of_rows = Around(
            there[1],
            drifts[1],
            (u, here - size) if i > ZERO else last if rows_close else wall,
            (u, here + size) if i + ONE < rows else first if rows_close else wall,
            (first_of(down.exchange, there[1], p, i), first_of(down.exchange, there[1], p, i + ONE)),
            (first_of(down.drift, drifts[1], p, i), first_of(down.drift, drifts[1], p, i + ONE)),
        )
        flow_of_row(u, axes, drifts[2], row, (of_planes, of_rows), cells, size, out)
