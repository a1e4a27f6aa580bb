"""Many sweeps of one stencil over a field, on any number of threads: explicit steps and Chebyshev polynomials.

The field is cut into strips of planes. Every thread takes many sweeps over a strip, whose ends move inwards by a plane
a sweep; then the seams between two strips, which grow by as much, are filled in. So threads meet twice in many sweeps,
and nothing is computed twice or copied.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._jit import stencil as _loops
from diffuseconv._jit.diffusion import Faces
from diffuseconv._jit.vector import BYTES
from diffuseconv._typing import Array, loop_input
from diffuseconv.diffusion.lattice import SMALLEST_SHARE, Lattice
from diffuseconv.diffusion.rows import aligned, as_planes, places

__all__ = ["chebyshev_sums", "explicit_steps", "poisson_sum"]

BATCH = 1 << 28  # cell updates between two chances for Ctrl-C
EXCHANGE = 1 << 19  # cell updates in twice the time that it takes threads to meet (measured at 256 x 256)
CHECK_INTERVAL = 1 << 26  # cell updates between two checks whether a field still changes
DEPTH = 8  # sweeps per pass through memory
VECTOR = BYTES
BLOCK = 1 << 10  # cells that are swept at once, against which a call costs little
CACHE = 1 << 19  # bytes that a pass may keep at hand
UNEVEN = 1 << 18  # bytes that two fields differ by
LARGEST = 1e290  # of a rate times a value, beyond which rates are scaled first


def explicit_steps(lattice: Lattice, u: Array, steps: int, step: float) -> Array:
    """Return the field after explicit steps on a lattice that does not depend on time."""
    pair = _pair(u, u.dtype)
    _sweeper(lattice, pair, step, lattice.forcing)(0, steps)
    return pair[steps % 2]


def chebyshev_sums(lattice: Lattice, rate: float, u: Array, weights: Array, ends: NDArray[np.int64]) -> Array:
    """Return ``sum_k weights[m, k] T_k(A) u`` with ``A = 1 + 2 L / rate`` for each `m`, up to ``k = ends[m]``, odd.

    Sweeps give ``T_(k+1) = 2 A T_k - T_(k-1)``, which overwrites ``T_(k-1)``; the first, with 0 for ``T_(-1)``, 2 T_1.
    """
    zeroth, first = _pair(u, np.float64)
    first[...] = 0
    totals, weights = aligned((len(ends), *u.shape), np.float64), weights.copy()
    totals[...] = 0
    weights[:, 1] /= 2
    terms = _loops.Terms(_loops.YES, 0, weights, ends, totals.reshape(-1))
    sweep = _sweeper(lattice, (first, zeroth), 4 / rate, terms=terms)
    sweep(-1, 1)
    first /= 2
    sweep(0, int(ends.max()) - 1)
    return totals


def poisson_sum(lattice: Lattice, u: Array, step: float, first: int, weights: Array) -> Array:
    """Return ``sum_k weights[k - first] P^k u`` with an explicit step `P`, what sources and walls add included.

    Where a step changes no bit, all further ones give the same field.
    """
    begin = first - first % 2
    count = first - begin + len(weights)
    table = np.zeros((1, count + count % 2))
    table[0, first - begin : count] = weights
    even, odd = _pair(u, np.float64)
    total, last = aligned(u.shape, np.float64), begin + table.size - 1
    total[...] = 0
    terms = _loops.Terms(_loops.NO, begin, table, np.array([last]), total.reshape(-1))
    batch = max(2, CHECK_INTERVAL // u.size // 2 * 2)
    phases = [(0, begin, None)] * (begin > 0) + [(begin, last, terms)]
    for low, high, summed in phases:
        sweep = _sweeper(lattice, (even, odd), step, lattice.forcing, summed)
        for done in range(low, high, batch):
            sweep(done, min(batch, high - done))
            if done + batch < high and np.array_equal(even, odd):
                total += table[0, max(0, done + batch - begin) :].sum() * even
                return total
    return total


def _pair(u: Array, dtype: Any) -> tuple[Array, Array]:
    """Return a copy of a field and room for another, laid out for sweeps."""
    # of two fields one is longer, or glibc would hand both back when freed: new pages cost as much as twenty sweeps
    even = aligned(u.shape, dtype)
    odd = aligned(u.shape, dtype, 1024, min(even.nbytes // 4, UNEVEN))
    even[...] = u
    return even, odd


def _sweeper(
    lattice: Lattice, pair: tuple[Array, Array], scale: float, forcing: Array | None = None, terms: Any = None
) -> Callable[[int, int], None]:
    """Return a function that takes so many sweeps after the first ones, from the first field to the second, and back.

    A sweep adds ``scale * (L u + forcing)`` to `u`, or as a recurrence to ``2 u`` less the field before, and the fields
    to the sums of `terms`.
    """
    u = pair[0]
    none = np.empty(0, u.dtype)
    terms = terms or _loops.Terms(_loops.NO, 0, np.empty((0, 0), u.dtype), np.empty(0, np.int64), none)
    if lattice.diagonal is not None:
        return lambda first, sweeps: _sweep_by_matrix(lattice, pair, scale, forcing, terms, first, sweeps)
    planes, rows, size = as_planes(lattice.shape, 1)
    periodic = as_planes(lattice.periodic, False)
    rates, flows = _rates(lattice, u, scale)
    grid = _loops.Grid(
        np.uintp(planes),
        np.uintp(rows),
        np.uintp(size),
        max(1, BLOCK // (rows * size)),
        periodic,
        np.uintp(size // (VECTOR // u.itemsize)),
        _loops.YES if u.ndim == 3 else _loops.NO,
    )
    losses = _losses(lattice, u.dtype, scale)
    shares = (
        none if lattice.weights is None else (rates.scale / lattice.weights).astype(u.dtype, copy=False).reshape(-1)
    )
    added = loop_input(np.empty(0) if forcing is None else np.ascontiguousarray(forcing).reshape(-1))
    change = added.size > 0 or any(loss.size for loss in losses)
    weighted = _loops.NO if lattice.weights is None else _loops.YES
    cells = _loops.Cells(change, weighted, shares, losses, scale, added)
    problem = _loops.Problem(grid, rates, cells, terms)
    tiles, neighbours, most = _tiles(planes, min(_threads.count(), u.size // SMALLEST_SHARE), periodic[0])
    batch = min(most, max(2, BATCH // u.size) if len(tiles) == 1 else max(DEPTH, math.isqrt(EXCHANGE // (rows * size))))
    batch = max(1, batch if batch < 2 else batch // 2 * 2)
    arrays = 2 if flows is None else 2 + u.ndim * (1 + len(flows.drifting))
    bands = _bands(rows, size * u.itemsize * arrays, periodic[1])
    finishes = change or len(terms.ends) > 0
    fields = pair[0].reshape(-1), pair[1].reshape(-1)

    def sweep(first: int, sweeps: int) -> None:
        plan = _loops.Plan(tiles, bands, first, sweeps, batch, DEPTH, finishes)

        def advance(part: int, k: int) -> None:
            if part % 2 == k % 2:  # strips in even rounds, the seams between them in odd ones
                _loops.advance(part, k, fields, problem, flows, plan)

        _threads.sweep(advance, neighbours, 2 * -(-sweeps // batch))

    return sweep


def _sweep_by_matrix(
    lattice: Lattice,
    pair: tuple[Array, Array],
    scale: float,
    forcing: Array | None,
    terms: Any,
    first: int,
    sweeps: int,
) -> None:
    """Take sweeps one by one: a tensor's cells exchange with diagonal neighbours by a matrix."""
    for level in range(first, first + sweeps):
        source, target = pair[level % 2], pair[1 - level % 2]
        if terms.recurrence:
            target *= -1
            target += 2 * source
            target += lattice.apply(source, scale=scale)
        else:
            lattice.apply(source, target, keep=1.0, scale=scale)
        if forcing is not None:
            target += (scale * forcing).astype(target.dtype, copy=False)
        term = level + 1 + len(terms.recurrence)
        if term % 2:
            for m, end in enumerate(terms.ends):
                if terms.begin < term <= end:
                    one, other = terms.weights[m, term - terms.begin - 1 : term - terms.begin + 1]
                    sums = terms.totals.reshape(-1, source.size)[m].reshape(source.shape)
                    sums += one * source + other * target


def _rates(lattice: Lattice, u: Array, scale: float) -> Any:
    """Return uniform rates and None, or the scale of rates on faces and these with what drifts through them.

    They are the lattice's own arrays where that does no harm, or copies.
    """
    number = u.dtype.type
    if lattice.uniform is not None:
        constant = as_planes(tuple(number(scale * rate) for rate in lattice.uniform), number(0))
        constant = constant if u.ndim > 1 else (number(0), *constant[1:])
        return _loops.Rates(constant, number(1)), None
    given = lattice.rates + (lattice.drift or ())
    direct = all(g.dtype == u.dtype for g in given) and lattice.largest_rate * max(u.max(), -u.min()) < LARGEST
    exchanges, drifts = lattice.faces(u.dtype, 1.0 if direct else scale)
    flows = _loops.Flows(
        _three(exchanges, u), _three(drifts or exchanges, u), _loops.NO if lattice.drift is None else _loops.YES
    )
    return _loops.Rates((number(0),) * 3, number(scale if direct else 1.0)), flows


def _three(faces: Sequence[Any], u: Array) -> tuple[Any, Any, Any]:
    """Return the faces along planes, rows and cells, zeros where a field has no such axis."""
    planes, rows, size = as_planes(u.shape, 1)
    tables = (loop_input(np.zeros(n + 1, np.uintp)) for n in (planes, rows))
    blank = Faces(loop_input(np.zeros(size, u.dtype)), *tables)
    found = [blank] * 3
    for place, values in zip(places(u.ndim), faces, strict=True):
        found[place] = values
    return found[0], found[1], found[2]


def _losses(lattice: Lattice, dtype: Any, scale: float) -> tuple[Array, ...]:
    """Return what is lost of a cell in a sweep: at both ends of planes, rows and cells, and everywhere."""
    none = np.empty(0, dtype)
    weights: Any = 1.0 if lattice.weights is None else lattice.weights
    losses = []
    for axis, (g, periodic) in enumerate(zip(lattice.rates, lattice.periodic, strict=True)):
        for end in (slice(0, 1), slice(-1, None)):
            where = (slice(None),) * axis + (end,)
            if periodic or not g[where].any():
                losses.append(none)
                continue
            weight = 1.0 if lattice.weights is None else weights[where]
            wall = tuple(1 if a == axis else n for a, n in enumerate(lattice.shape))
            losses.append(np.broadcast_to(scale * g[where] / weight, wall).astype(dtype).reshape(-1))
    missing = [none] * (2 * (3 - len(lattice.shape)))
    walls = missing + losses if len(lattice.shape) != 2 else [*losses[:2], *missing, *losses[2:]]
    if lattice.decay is None:
        return (*walls, none)
    return (*walls, np.broadcast_to(scale * lattice.decay / weights, lattice.shape).astype(dtype).reshape(-1))


def _tiles(planes: int, count: int, periodic: bool) -> tuple[NDArray[np.int64], list[tuple[int, int]], int]:
    """Return strips with seams between them, the neighbours of each, and the most sweeps that strips have room for."""
    tiles, most = [], sys.maxsize
    for low, high in _threads.slices(planes, min(count, planes // 2)):
        moves = int(low > 0 or periodic), -int(high < planes or periodic)
        tiles.append((low, moves[0], high, moves[1]))
        if moves[0] - moves[1] > 0:
            most = min(most, (high - low) // (moves[0] - moves[1]) + 1)
        if moves[1] < 0:
            tiles.append((high, -1, high, 1))
    last = len(tiles) - 1
    neighbours = [(s - 1, s + 1 if s < last else -1) for s in range(last + 1)]
    if periodic:
        neighbours[0], neighbours[last] = (last, *neighbours[0][1:]), (*neighbours[last][:1], 0)
    return np.array(tiles), neighbours, most


def _bands(rows: int, row_bytes: int, periodic: bool) -> NDArray[np.int64]:
    """Return bands of rows that fit a cache in all sweeps of a pass."""
    parts = _threads.slices(rows, min(rows * row_bytes * DEPTH // CACHE, rows // (2 * DEPTH)))
    if len(parts) == 1:
        return np.array([(0, 0, rows, 0)])
    bands = [
        (low, int(periodic) if low == 0 else -1, high, -1 if high < rows or periodic else 0) for low, high in parts
    ]
    return np.array(bands + [(rows, -1, rows, 1)] * periodic)
