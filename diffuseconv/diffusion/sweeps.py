"""Many sweeps of one stencil over a field, on any number of threads: explicit steps and Chebyshev polynomials.

The field is cut into strips of planes. Every thread takes many sweeps over a strip, whose ends move inwards by a plane
a sweep; then the seams between two strips, which grow by as much, are filled in. So threads meet twice in many sweeps,
and nothing is computed twice or copied.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._jit import stencil as _loops
from diffuseconv._jit.faces import Faces
from diffuseconv._jit.rounds import SPACING, Rounds
from diffuseconv._jit.vector import BYTES
from diffuseconv._typing import Array, loop_input
from diffuseconv.diffusion.in_pieces import add
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.rows import aligned, as_planes, places

__all__ = ["chebyshev_sum", "explicit_steps", "poisson_sum"]

BATCH = 1 << 28  # cell updates between two chances for Ctrl-C
EXCHANGE = 1 << 19  # cell updates in twice the time that it takes threads to meet (measured at 256 x 256)
CHECK_INTERVAL = 1 << 26  # cell updates between two checks whether a field still changes
DEPTH = 8  # sweeps per pass through memory
DEEP = 32  # the same for planes of one row: 1.1 to 1.5 times as quick from 1024 x 1024 on
VECTOR = BYTES
BLOCK = 1 << 10  # cells that are swept at once, against which a call costs little
# Planes of one row are swept by segments of so many bytes, each in so many planes at once (of so many bytes at most):
# what a sweep reads is still in the fastest cache, 1.2 to 1.35 times as quick from 1000 x 1000 on.
SEGMENT, PLANES, PLANES_BYTES = 1 << 12, 16, 1 << 18
CACHE = 1 << 19  # bytes that a pass may keep at hand
UNEVEN = 1 << 18  # bytes that two fields differ by
SMALLEST_SHARE = 1 << 15  # cells per thread below which handing out sweeps costs more than it saves
LARGEST = 1e290  # of a rate times a value, beyond which rates are scaled first


def explicit_steps(lattice: Lattice, u: Array, steps: int, step: float) -> Array:
    """Return the field after explicit steps on a lattice that does not depend on time."""
    pair = _pair(u, u.dtype)
    _sweeper(lattice, pair, step, _forcing(lattice, [step]))(0, steps)
    return pair[steps % 2]


def chebyshev_sum(lattice: Lattice, rate: float, u: Array, weights: Array) -> Array:
    """Return ``sum_k weights[k] U_k(A) u`` with ``A = 1 + 2 L / rate`` and polynomials of the second kind.

    By Clenshaw's recurrence ``b_k = weights[k] u + 2 A b_(k+1) - b_(k+2)``, the last of which, b_0, is the sum.
    """
    pair, last = _pair(u, np.float64, weights[-1]), len(weights) - 1
    pair[1][...] = 0
    sweep = _sweeper(lattice, pair, 4 / rate, field=_added(weights[-2::-1], u), recurrence=True)
    sweep(0, last)
    return pair[last % 2]


def poisson_sum(lattice: Lattice, u: Array, step: float, first: int, weights: Array) -> Array:
    """Return ``sum_k weights[k - first] P^k u`` with an explicit step `P`, what sources and walls add included.

    By Horner's rule, from the last weight to the first; steps without a weight follow. Where a step changes no bit, all
    further ones give the same field.
    """
    pair, last = _pair(u, np.float64, weights[-1]), first + len(weights) - 1
    falling = weights[::-1]
    field, forcing = _added(np.append(falling[1:], 0.0), u), _forcing(lattice, step * falling.cumsum())
    sweep = _sweeper(lattice, pair, step, forcing, field)
    sweep(0, len(weights) - 1)
    batch = max(2, CHECK_INTERVAL // u.size)
    for done in range(len(weights) - 1, last, batch):
        sweep(done, min(batch, last - done))
        if done + batch < last and np.array_equal(*pair):
            break
    return pair[last % 2]


def _forcing(lattice: Lattice, factors: Any) -> Any:
    """Return what walls and sources add, multiplied by one factor for each sweep."""
    return None if lattice.forcing is None else _added(factors, lattice.forcing)


def _added(factors: Any, values: Array) -> Any:
    """Return what sweeps add as compiled loops read it."""
    return _loops.Added(loop_input(np.asarray(factors)), len(factors) - 1, loop_input(values).reshape(-1))


def _pair(u: Array, dtype: Any, factor: float = 1.0) -> tuple[Array, Array]:
    """Return a number times a field and room for another, laid out for sweeps."""
    # of two fields one is longer, or glibc would hand both back when freed: new pages cost as much as twenty sweeps
    even = aligned(u.shape, dtype)
    odd = aligned(u.shape, dtype, 1024, min(even.nbytes // 4, UNEVEN))
    np.multiply(u, factor, out=even, dtype=dtype)
    return even, odd


def _sweeper(
    lattice: Lattice,
    pair: tuple[Array, Array],
    scale: float,
    forcing: Any = None,
    field: Any = None,
    recurrence: bool = False,
) -> Callable[[int, int], None]:
    """Return a function that takes so many sweeps after the first ones, from the first field to the second, and back.

    A sweep adds ``scale * L u`` to `u`, or as a recurrence to ``2 u`` less the field before, and what it is to add.
    """
    u = pair[0]
    none = np.empty(0, u.dtype)
    if lattice.diagonal is not None:
        return lambda first, sweeps: _sweep_by_matrix(
            lattice, pair, scale, [added for added in (forcing, field) if added], recurrence, first, sweeps
        )
    planes, rows, size = as_planes(lattice.shape, 1)
    periodic = as_planes(lattice.periodic, False)
    rates, flows = _rates(lattice, u, scale, u if field is None else field.values)
    grid = _loops.Grid(
        np.uintp(planes),
        np.uintp(rows),
        np.uintp(size),
        _planes_at_once(rows, size, u.itemsize, bool(flows)),
        periodic,
        np.uintp(size // (VECTOR // u.itemsize)),
        np.uintp(max(1, SEGMENT // VECTOR)),
        _loops.YES if u.ndim == 3 else _loops.NO,
    )
    losses = _losses(lattice, u.dtype, scale)
    forced, lossy = forcing is not None, tuple(loss.size > 0 for loss in losses)
    cells = _loops.Cells(forced or any(lossy), lossy, losses, forced, forcing or _added([0.0], np.empty(0)))
    recurs = _loops.YES if recurrence else _loops.NO
    # where rates vary a field is always added, by 0 if there is none: one compilation less, and as quick
    adds = _loops.NO if field is None and not flows else _loops.YES
    alike = _loops.YES if lattice.uniform and len(set(lattice.uniform)) == 1 else _loops.NO
    problem = _loops.Problem(grid, rates, alike, cells, recurs, adds, field or _added([0.0], none))
    threads = min(_threads.count(), u.size // SMALLEST_SHARE, planes // 2)
    depth = DEEP if rows == 1 else DEPTH
    exchange = max(depth, math.isqrt(EXCHANGE // (rows * size)))
    tiles, neighbours, room = _tiles(planes, threads, exchange, periodic[0])
    batch = min(room, max(2, BATCH // u.size) if len(tiles) == 1 else exchange)
    batch = max(1, batch if batch < 2 else batch // 2 * 2)
    arrays = 2 + u.ndim * (1 + len(flows.drifting)) if flows else 2
    bands = _bands(rows, size * u.itemsize * arrays, periodic[1])
    fields = pair[0].reshape(-1), pair[1].reshape(-1)

    def sweep(first: int, sweeps: int) -> None:
        plan = _loops.Plan(tiles, bands, first, sweeps, batch, depth)
        begun, ended = np.zeros((2, SPACING * len(tiles)), np.int64)
        rounds = Rounds(begun, ended, np.zeros(1, np.int64), neighbours, -(-sweeps // batch))
        most = max(1, BATCH * len(tiles) // (u.size * batch))

        def take(thread: int) -> int:
            own = -(-len(tiles) * thread // max(1, threads))
            return int(_loops.advance_in_rounds(rounds, own, most, fields, problem, flows, plan))

        _threads.in_rounds(take, lambda: rounds.stopped.fill(1), threads)

    return sweep


def _planes_at_once(rows: int, size: int, itemsize: int, varied: bool) -> int:
    """Return how many planes a sweep goes through before the next one follows."""
    few, row_bytes = max(1, BLOCK // (rows * size)), size * itemsize
    if rows > 1 or not (varied or row_bytes > SEGMENT):
        return few
    return max(few, min(PLANES, PLANES_BYTES // row_bytes))


def _sweep_by_matrix(
    lattice: Lattice,
    pair: tuple[Array, Array],
    scale: float,
    additions: Sequence[Any],
    recurrence: bool,
    first: int,
    sweeps: int,
) -> None:
    """Take sweeps one by one: a tensor's cells exchange with diagonal neighbours by a matrix."""
    for level in range(first, first + sweeps):
        source, target = pair[level % 2], pair[1 - level % 2]
        if recurrence:
            lattice.apply(source, target, keep=2.0, scale=scale, held=-1.0)
        else:
            lattice.apply(source, target, keep=1.0, scale=scale)
        for factors, last, values in additions:
            add(target, factors[min(level, last)], values.reshape(target.shape))


def _rates(lattice: Lattice, u: Array, scale: float, values: Array) -> Any:
    """Return uniform rates and (), or no rates and what flows through faces, and its share of each cell.

    What stands on faces is the lattice's own where that does no harm to such `values`, or copies.
    """
    number = u.dtype.type
    if lattice.uniform is not None:
        return as_planes(tuple(number(scale * rate) for rate in lattice.uniform), number(0)), ()
    given = lattice.rates + (lattice.drift or ())
    largest = max(float(values.max()), -float(values.min()))
    direct = all(g.dtype == u.dtype for g in given) and lattice.largest_rate * largest < LARGEST
    exchanges, drifts = lattice.faces(u.dtype, 1.0 if direct else scale)
    share = number(scale if direct else 1.0)
    shares = np.full(VECTOR // u.itemsize, share) if lattice.weights is None else share / lattice.weights
    return (number(0),) * 3, _loops.Flows(
        _three(exchanges, u),
        _three(drifts or exchanges, u),
        _loops.NO if lattice.drift is None else _loops.YES,
        loop_input(shares.astype(u.dtype, copy=False).reshape(-1)),
        np.uintp(0 if lattice.weights is None else np.iinfo(np.uintp).max),
    )


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
    none = loop_input(np.empty(0, dtype))
    weights = np.ones((1,) * len(lattice.shape)) if lattice.weights is None else lattice.weights
    losses = []
    for axis, (g, periodic) in enumerate(zip(lattice.rates, lattice.periodic, strict=True)):
        for end in (slice(0, 1), slice(-1, None)):
            where = (slice(None),) * axis + (end,)
            if periodic or not g[where].any():
                losses.append(none)
                continue
            wall = tuple(1 if a == axis else n for a, n in enumerate(lattice.shape))
            lost = np.broadcast_to(scale * g[where] / weights[where], wall)
            losses.append(loop_input(lost.astype(dtype).reshape(-1)))
    missing = [none] * (2 * (3 - len(lattice.shape)))
    walls = missing + losses if len(lattice.shape) != 2 else [*losses[:2], *missing, *losses[2:]]
    if lattice.decay is None:
        return (*walls, none)
    lost = scale * lattice.decay / weights
    return (*walls, loop_input(np.broadcast_to(lost.astype(dtype, copy=False), lattice.shape).reshape(-1)))


def _tiles(planes: int, threads: int, batch: int, periodic: bool) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return strips with seams between them, the neighbours of each, and the most sweeps that strips have room for.

    With two strips a thread has something to do while others are at a seam, and its cells stay in its cache; it also
    fills the seam that follows, which the last thread has not but on a ring: that one's strips are larger.
    """
    threads = max(1, threads)
    batch = min(batch, 2 * planes // (9 * threads))
    pieces, more = (2, batch // 2) if threads > 1 and 2 * batch >= DEPTH else (1, 0)
    share = [planes * i // threads - (0 if periodic or i == threads else more) for i in range(1, threads + 1)]
    cuts = [0]
    for end in share:
        cuts += [cuts[-1] + (end - cuts[-1]) * n // pieces for n in range(1, pieces + 1)]
    tiles, most = [], sys.maxsize
    for low, high in itertools.pairwise(cuts):
        moves = int(low > 0 or periodic), -int(high < planes or periodic)
        tiles.append((low, moves[0], high, moves[1]))
        if moves[0] - moves[1] > 0:
            most = min(most, (high - low) // (moves[0] - moves[1]) + 1)
        if moves[1] < 0:
            tiles.append((high, -1, high, 1))
    last = len(tiles) - 1
    neighbours = [[s - 1, s + 1 if s < last else -1] for s in range(last + 1)]
    if periodic:
        neighbours[0][0], neighbours[last][1] = last, 0
    return np.array(tiles), np.array(neighbours), most


def _bands(rows: int, row_bytes: int, periodic: bool) -> NDArray[np.int64]:
    """Return bands of rows that fit a cache in all sweeps of a pass."""
    parts = _threads.slices(rows, min(rows * row_bytes * DEPTH // CACHE, rows // (2 * DEPTH)))
    if len(parts) == 1:
        return np.array([(0, 0, rows, 0)])
    bands = [
        (low, int(periodic) if low == 0 else -1, high, -1 if high < rows or periodic else 0) for low, high in parts
    ]
    return np.array(bands + [(rows, -1, rows, 1)] * periodic)
