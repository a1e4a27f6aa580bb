"""Loops for many sweeps of one stencil over a field: explicit steps, and the recurrence of Chebyshev polynomials.

A field lies flat: planes of rows of cells; a plane has one row in two dimensions, a line is one row. Two arrays
alternate: a sweep reads level n from one and writes level n + 1 over level n - 1 in the other. Several sweeps go
through memory in one pass, each a plane behind the one before it; long rows are swept segment by segment, each in some
planes at once. Beyond a wall stands the edge cell itself, so that nothing flows, and what walls take is subtracted.
Unsigned indices spare a wraparound test in the inner loops.

All arrays are handed on as addresses. Loops are inlined by numba, and what they call by LLVM, so that they compile in
the least time.

Threads share the planes out in tiles whose ends move by one plane with each sweep: first strips, which shrink, then the
seams between them, which grow. So no tile needs what another is writing.
"""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.faces import cell_flow, vector_flow
from diffuseconv._jit.rounds import NOTHING, SPACING, end_round, next_part
from diffuseconv._jit.vector import (
    after_last,
    from_second,
    lanes_of,
    load,
    load_as,
    loaded_after_last,
    loaded_from_second,
    plus_product,
    product_minus,
    spread,
    store,
)

ZERO, ONE = np.uintp(0), np.uintp(1)
WAITS = 5000  # times that a thread asks for a tile before it sleeps: 0.1 to 0.3 ms
YES, NO = (True,), ()  # flags of two types: loops are compiled for each, without a test for every vector


class Grid(NamedTuple):
    """The field's shape, and along which axes it closes on itself."""

    planes: Any
    rows: Any
    size: Any
    block: Any  # planes that are swept at once, segment after segment
    periodic: Any
    vectors: Any  # whole ones in a row
    segment: Any  # and how many of them a segment has
    middle: Any  # YES where the middle axis exchanges anything


class Flows(NamedTuple):
    """The `Faces` along planes, rows and cells: their exchanges, and the drifts that carry the cell upwind of them."""

    exchanges: Any
    drifts: Any
    drifting: Any  # YES where there are drifts
    shares: Any  # by which cells multiply what flows in: one for each, or a vector of one number
    every: Any  # all bits where each cell has a share of its own, or none


class Cells(NamedTuple):
    """What a sweep does to each cell in addition to exchanges."""

    change: Any  # whether anything is lost or added
    lossy: Any  # which of the losses there are
    losses: Any  # through both walls of planes, rows and cells, and of every cell
    forced: Any  # whether anything is added
    forcing: Any


class Added(NamedTuple):
    """What sweep `n` adds: ``factors[n] * values``. The last factor holds for all further sweeps."""

    factors: Any
    last: Any
    values: Any


class Problem(NamedTuple):
    """All that sweeps read other than the field."""

    grid: Any
    rates: Any  # one for each axis, where they are the same everywhere
    alike: Any  # YES where all axes have the last one's; across a line stands the cell itself, which changes nothing
    cells: Any
    recurrence: Any  # YES where the level before is subtracted from twice the field
    adding: Any  # YES where a field is added, of whichever dtype
    field: Any


class Plan(NamedTuple):
    """Which sweeps to take: tiles of planes, bands of their rows, and how many sweeps before threads meet."""

    tiles: Any
    bands: Any
    first: Any  # sweeps done before
    sweeps: Any
    batch: Any
    depth: Any  # sweeps per pass


class Block(NamedTuple):
    """Planes `first` to `last` - 1, and of each the rows `top` to `bottom` - 1."""

    first: Any
    last: Any
    top: Any
    bottom: Any


class Row(NamedTuple):
    """Where a segment of a row and its neighbours begin, and what stands at its ends.

    On a ring that is the other end's value, behind walls the edge cell itself.
    """

    here: Any
    before: Any
    after: Any
    above: Any
    below: Any
    left: Any
    right: Any


class Segment(NamedTuple):
    """Cells of a row that are swept in all planes of a block before the next ones."""

    begin: Any
    size: Any
    vectors: Any  # whole ones
    west: Any  # which cell of the row stands at its ends
    east: Any
    ends: Any  # whether the row ends there


class Sides(NamedTuple):
    """Where the values begin that stand on the faces around a row: to its neighbours, and before its cells."""

    before: Any
    after: Any
    above: Any
    below: Any
    along: Any


@inner(forceinline=True)
def kept_vector(target, problem, place, x, factor):
    """Return what a vector of cells has before anything flows."""
    y = product_minus(spread(target.dtype.type(2)), x, load(target, place)) if problem.recurrence else x
    if problem.adding and (problem.recurrence or factor != 0):
        y = plus_product(y, spread(target.dtype.type(factor)), load_as(target, problem.field.values, place))
    return y


@inner(forceinline=True)
def kept_cell(target, problem, place, x, factor):
    """Return what a cell has before anything flows."""
    y = target.dtype.type(2) * x - target[place] if problem.recurrence else x
    return y + factor * problem.field.values[place] if problem.adding and (problem.recurrence or factor != 0) else y


@inner(forceinline=True)
def uniform_vector(source, target, problem, row, j, west, x, east, factor):
    """Sweep one vector of a row, between those to its west and east."""
    rates, minus = problem.rates, spread(source.dtype.type(-2))
    y = kept_vector(target, problem, row.here + j, x, factor)
    along, across = west + east, load(source, row.before + j) + load(source, row.after + j)
    if problem.alike:  # fewer products: 1.17 times as quick at 256 x 256
        along, minus = along + across, minus + minus
    else:
        y = plus_product(y, spread(rates[0]), plus_product(across, minus, x))
    if problem.grid.middle:
        around = load(source, row.above + j) + load(source, row.below + j)
        if problem.alike:
            along, minus = along + around, minus + spread(source.dtype.type(-2))
        else:
            y = plus_product(y, spread(rates[1]), plus_product(around, minus, x))
    store(target, row.here + j, plus_product(y, spread(rates[2]), plus_product(along, minus, x)))


@compiled(inline="always")
def uniform_vectors(source, target, problem, segment, row, factor):
    """Sweep a part of a row by whole vectors: 1.5 to 1.8 times as quick as `uniform_cells`."""
    lanes = lanes_of(source)
    end = segment.vectors * lanes
    if segment.vectors > ZERO:
        beyond = spread(row.right if end == segment.size else source[row.here + end])
        x = load(source, row.here)
        west = after_last(spread(row.left), x)
        for vector in range(segment.vectors - ONE):  # the last has another neighbour
            j = vector * lanes
            there = row.here + j + lanes
            following = load(source, there)
            east = loaded_from_second(source, there, x, following)
            uniform_vector(source, target, problem, row, j, west, x, east, factor)
            west, x = loaded_after_last(source, there, x, following), following
        uniform_vector(source, target, problem, row, end - lanes, west, x, from_second(x, beyond), factor)


@compiled(inline="always")
def uniform_cells(source, target, problem, segment, row, factor):
    """Sweep what vectors leave of a row, with one rate for each axis."""
    grid, rates = problem.grid, problem.rates
    two = source.dtype.type(2)
    for j in range(segment.vectors * lanes_of(source), segment.size):
        x = source[row.here + j]
        west = source[row.here + j - ONE] if j > ZERO else row.left
        east = source[row.here + j + ONE] if j + ONE < segment.size else row.right
        y = kept_cell(target, problem, row.here + j, x, factor)
        along, across, parts = west + east, source[row.before + j] + source[row.after + j], two
        if problem.alike:
            along, parts = along + across, parts + two
        else:
            y += rates[0] * (across - two * x)
        if grid.middle:
            around = source[row.above + j] + source[row.below + j]
            if problem.alike:
                along, parts = along + around, parts + two
            else:
                y += rates[1] * (around - two * x)
        target[row.here + j] = y + rates[2] * (along - parts * x)


@inner(forceinline=True)
def varied_vector(source, target, problem, flows, row, sides, j, x, flow, next_flow, factor):
    """Sweep one vector of a row, into which flows one thing along it and out of which the next."""
    (across, down, _), (drift, drift_down, _), drifting, shares, every = flows
    side, drift_side = sides
    before, after = load(source, row.before + j), load(source, row.after + j)
    inflow = flow - from_second(flow, next_flow)
    inflow = inflow + (
        vector_flow(across, side.before + j, drift, drift_side.before + j, drifting, before, x)
        - vector_flow(across, side.after + j, drift, drift_side.after + j, drifting, x, after)
    )
    if problem.grid.middle:
        above, below = load(source, row.above + j), load(source, row.below + j)
        inflow = inflow + (
            vector_flow(down, side.above + j, drift_down, drift_side.above + j, drifting, above, x)
            - vector_flow(down, side.below + j, drift_down, drift_side.below + j, drifting, x, below)
        )
    share = load(shares, (row.here + j) & every)
    store(target, row.here + j, plus_product(kept_vector(target, problem, row.here + j, x, factor), share, inflow))


@compiled(inline="always")
def varied_vectors(source, target, problem, flows, segment, row, sides, factor):
    """Sweep a part of a row by whole vectors: 1.5 to 1.8 times as quick as `varied_cells`."""
    faces, drifts, drifting = flows.exchanges[2], flows.drifts[2], flows.drifting
    side, drift_side = sides[0].along, sides[1].along
    lanes = lanes_of(source)
    end = segment.vectors * lanes
    if segment.vectors > ZERO:
        x = load(source, row.here)
        flow = vector_flow(faces, side, drifts, drift_side, drifting, after_last(spread(row.left), x), x)
        for vector in range(segment.vectors - ONE):  # the last has another neighbour
            j = (vector + ONE) * lanes
            east = load(source, row.here + j)
            west = loaded_after_last(source, row.here + j, x, east)
            next_flow = vector_flow(faces, side + j, drifts, drift_side + j, drifting, west, east)
            varied_vector(source, target, problem, flows, row, sides, vector * lanes, x, flow, next_flow, factor)
            x, flow = east, next_flow
        if segment.ends:
            beyond = row.right if end == segment.size else source[row.here + end]
            last = source[row.here + end - ONE]
            next_flow = spread(cell_flow(faces, side + end, drifts, drift_side + end, drifting, last, beyond))
        else:  # as the next segment computes it
            east = load(source, row.here + end)
            next_flow = vector_flow(faces, side + end, drifts, drift_side + end, drifting, after_last(x, east), east)
        varied_vector(source, target, problem, flows, row, sides, end - lanes, x, flow, next_flow, factor)


@compiled(inline="always")
def varied_cells(source, target, problem, flows, segment, row, sides, factor):
    """Sweep what vectors leave of a row, with a rate and perhaps a drift on every face."""
    (across, down, along), (drift, drift_down, drift_along), drifting, shares, every = flows
    side, drift_side = sides
    for j in range(segment.vectors * lanes_of(source), segment.size):
        x, end, drift_end = source[row.here + j], side.along + j, drift_side.along + j
        west = source[row.here + j - ONE] if j > ZERO else row.left
        east = source[row.here + j + ONE] if j + ONE < segment.size else row.right
        before, after = source[row.before + j], source[row.after + j]
        inflow = cell_flow(across, side.before + j, drift, drift_side.before + j, drifting, before, x)
        inflow -= cell_flow(across, side.after + j, drift, drift_side.after + j, drifting, x, after)
        if problem.grid.middle:
            above, below = source[row.above + j], source[row.below + j]
            inflow += cell_flow(down, side.above + j, drift_down, drift_side.above + j, drifting, above, x)
            inflow -= cell_flow(down, side.below + j, drift_down, drift_side.below + j, drifting, x, below)
        inflow += cell_flow(along, end, drift_along, drift_end, drifting, west, x)
        inflow -= cell_flow(along, end + ONE, drift_along, drift_end + ONE, drifting, x, east)
        y = kept_cell(target, problem, row.here + j, x, factor)
        target[row.here + j] = y + shares[(row.here + j) & every] * inflow


@inner(forceinline=True)
def fold(index, count):
    """Return an index without a sign that starts anew from 0 beyond the last."""
    place = np.uintp(index)
    return place if place < count else place - count


@inner(forceinline=True)
def segment_of(source, grid, first):
    """Return the segment of rows that begins with their vector `first`."""
    lanes, close = lanes_of(source), grid.periodic[2]
    ends = grid.vectors <= first + grid.segment
    begin, vectors = first * lanes, grid.vectors - first if ends else grid.segment
    size = grid.size - begin if ends else vectors * lanes
    return Segment(
        begin,
        size,
        vectors,
        begin - ONE if begin > ZERO else grid.size - ONE if close else ZERO,
        begin + size if not ends else ZERO if close else grid.size - ONE,
        ends,
    )


@inner(forceinline=True)
def row_of(source, grid, segment, p, i):
    """Return where a segment of a row of a plane and its neighbours begin; beyond the last, both count from 0 again."""
    p, i = fold(p, grid.planes), fold(i, grid.rows)
    size, plane = grid.size, grid.rows * grid.size
    row, around = p * plane + i * size, plane * (grid.planes - ONE)
    planes_close, rows_close, _ = grid.periodic
    here = row + segment.begin
    return Row(
        here,
        here - plane if p > ZERO else here + around if planes_close else here,
        here + plane if p + ONE < grid.planes else here - around if planes_close else here,
        here - size if i > ZERO else here + plane - size if rows_close else here,
        here + size if i + ONE < grid.rows else here + size - plane if rows_close else here,
        source[row + segment.west],
        source[row + segment.east],
    )


@inner(forceinline=True)
def sides_of(faces, grid, segment, p, i):
    """Return where the values on the faces around a segment of row `i` of plane `p` begin."""
    p, i = fold(p, grid.planes), fold(i, grid.rows)
    across, down, along = faces
    return Sides(
        across.planes[p] + across.rows[i] + segment.begin,
        across.planes[p + ONE] + across.rows[i] + segment.begin,
        down.planes[p] + down.rows[i] + segment.begin,
        down.planes[p] + down.rows[i + ONE] + segment.begin,
        along.planes[p] + along.rows[i] + segment.begin,
    )


@inner
def lose(source, target, here, losses, first, begin, end):
    """Subtract from cells of a row what a wall along it takes, or what decays of it."""
    for j in range(begin, end):
        target[here + j] -= losses[first + j] * source[here + j]


@compiled(inline="always")
def lose_of_row(source, target, cells, grid, p, i, begin, end):
    """Subtract what walls next to cells `begin` to `end` - 1 of row `i` of plane `p` take, and what decays."""
    size, edge = grid.size, p * grid.rows + i
    here = edge * size
    last = here + size - ONE
    lossy, losses = cells.lossy, cells.losses
    if p == ZERO and lossy[0]:
        lose(source, target, here, losses[0], i * size, begin, end)
    if p + ONE == grid.planes and lossy[1]:
        lose(source, target, here, losses[1], i * size, begin, end)
    if i == ZERO and lossy[2]:
        lose(source, target, here, losses[2], p * size, begin, end)
    if i + ONE == grid.rows and lossy[3]:
        lose(source, target, here, losses[3], p * size, begin, end)
    if begin == ZERO and lossy[4]:
        target[here] -= losses[4][edge] * source[here]
    if end == size and lossy[5]:
        target[last] -= losses[5][edge] * source[last]
    if lossy[6]:
        lose(source, target, here, losses[6], here, begin, end)


@inner(forceinline=True)
def factor_of(added, sweep):
    """Return what a sweep multiplies what it adds by."""
    return added.factors[min(sweep, added.last)]


@inner(forceinline=True)
def add_row(target, here, factor, added, begin, end):
    """Add a number times what walls and sources bring in to cells of a row."""
    for j in range(begin, end):
        target[here + j] += factor * added[here + j]


@inner
def finish(source, target, problem, segment, block, sweep):
    """Subtract from a segment of a block what is lost, and add what walls and sources bring in."""
    grid, cells, begin, end = problem.grid, problem.cells, segment.begin, segment.begin + segment.size
    for k in range(block.first, block.last):
        p = fold(k, grid.planes)
        for n in range(block.top, block.bottom):
            i = fold(n, grid.rows)
            lose_of_row(source, target, cells, grid, p, i, begin, end)
            if cells.forced:
                here = (p * grid.rows + i) * grid.size
                add_row(target, here, factor_of(cells.forcing, sweep), cells.forcing.values, begin, end)


# This and `varied_block` in one, with the choice within the loops, take 1.1 times as long where rates are uniform.
@compiled(inline="always")
def uniform_block(source, target, problem, block, sweep):
    """Sweep a block of planes and rows, with one rate for each axis."""
    grid, factor = problem.grid, factor_of(problem.field, sweep)
    for first in range(ZERO, max(ONE, grid.vectors), grid.segment):
        segment = segment_of(source, grid, first)
        for p in range(block.first, block.last):
            for i in range(block.top, block.bottom):
                row = row_of(source, grid, segment, p, i)
                uniform_vectors(source, target, problem, segment, row, factor)
                uniform_cells(source, target, problem, segment, row, factor)
        if problem.cells.change:
            finish(source, target, problem, segment, block, sweep)


@compiled(inline="always")
def varied_block(source, target, problem, flows, block, sweep):
    """Sweep a block of planes and rows, with a rate and perhaps a drift on every face."""
    grid, factor = problem.grid, factor_of(problem.field, sweep)
    for first in range(ZERO, max(ONE, grid.vectors), grid.segment):
        segment = segment_of(source, grid, first)
        for p in range(block.first, block.last):
            for i in range(block.top, block.bottom):
                row = row_of(source, grid, segment, p, i)
                side = sides_of(flows.exchanges, grid, segment, p, i)
                sides = side, sides_of(flows.drifts, grid, segment, p, i) if flows.drifting else side
                varied_vectors(source, target, problem, flows, segment, row, sides, factor)
                varied_cells(source, target, problem, flows, segment, row, sides, factor)
        if problem.cells.change:
            finish(source, target, problem, segment, block, sweep)


@inner
def advance(part, k, fields, problem, flows, plan):
    """Sweep tile `part` in round `k`, `plan.depth` sweeps per pass, band after band of its rows.

    Without `flows`, (), rates are uniform; by its length numba leaves the other branch out before it compiles.
    Tiles and bands are (low, how it moves with each sweep, high, how it moves); bands begin anew with each pass.
    """
    low, low_moves, high, high_moves = plan.tiles[part]
    bands, begin = plan.bands, k * plan.batch
    sweeps = min(plan.batch, plan.sweeps - begin)
    even, odd = fields
    for start in range(0, sweeps, plan.depth):
        count = min(plan.depth, sweeps - start)
        begin_front = low + start * low_moves
        end_front = high + start * high_moves + (count - 1) * (high_moves + 1)
        for band in range(len(bands)):
            for front in range(begin_front, end_front, problem.grid.block):
                for sweep in range(count):
                    level = start + sweep
                    block = Block(
                        max(low + level * low_moves, front - sweep),
                        min(high + level * high_moves, front - sweep + problem.grid.block),
                        bands[band, 0] + sweep * bands[band, 1],
                        bands[band, 2] + sweep * bands[band, 3],
                    )
                    level += plan.first + begin
                    source, target = (even, odd) if level % 2 == 0 else (odd, even)
                    if len(flows) == 0:
                        uniform_block(source, target, problem, block, level)
                    else:
                        varied_block(source, target, problem, flows, block, level)


@compiled
def advance_in_rounds(rounds, first, most, fields, problem, flows, plan):
    """Sweep at most so many tiles, those from the `first` on before others.

    Returns the last of them, `NOTHING` after a long wait for others, or `OVER` when there is no more to do.
    """
    fields, problem, flows = borrow(fields), borrow(problem), borrow(flows)
    part = waits = 0
    while most > 0 and waits < WAITS:
        part = next_part(rounds, first)
        if part >= 0:
            advance(part, rounds.ended[part * SPACING], fields, problem, flows, plan)
            end_round(rounds, part)
            most, waits = most - 1, 0
        elif part == NOTHING:
            waits += 1
        else:
            break
    return part
