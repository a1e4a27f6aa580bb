r"""The limit of long times: :math:`L u + b = 0`, one sparse linear problem.

Cells that exchange salt, directly or through others, make a *part* of the tank. In a part with a wall that lets salt
leave, or with decay, the solution is unique. In a closed part it exists only if what comes in adds up to nothing, and
only the amount is left open: the salt that was there at the start, spread evenly or, with a drift, as the kernel of `L`
says.

Rates and values are in units of their largest, powers of two, lest products leave the range of numbers. Solutions are
refined by residuals of differences between cells, which keep what the sums on a matrix's diagonal lose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _scaling
from diffuseconv._foreign import Made
from diffuseconv._typing import FloatArray
from diffuseconv.diffusion import costs
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.units import in_units

__all__ = ["limit", "memory", "unsupported"]

BALANCED = 1e-12  # inflow and outflow may differ by this share of their sum: rounding
DIRECT = (10**7, 10**6, 5_000)  # cells, in 1, 2 and 3 dimensions, up to which factors of the matrix are cheap
LONGEST = 1e14  # times that salt stays, in units of the fastest exchange, from which a drift leaves a part closed
RESIDUAL, ROUGH = 1e-13, 1e-3  # of conjugate gradients, relative to b: for a solution, and to refine it
REFINEMENTS = 40  # of a solution, as long as each is half the one before
PIECE = 1 << 14  # cells whose flows are summed at once
WELL_CONDITIONED = 1e-4  # what rounding may do to a matrix in which exchanges cancel
REFINED = 1e-9  # the largest last one, of the solution in its part of the tank
EPS = float(np.finfo(np.float64).eps)


def unsupported(problem: Lattice) -> str | None:
    """Return why a problem has no limit that can be found, None if it has one."""
    if not problem.steady:
        parts = {"walls": problem.moving_walls, "source": problem.reaction, "velocity": problem.moving}
        given = " and ".join(name for name, changes in parts.items() if changes)
        return f"needs walls, sources and velocities that do not depend on time or on the field, got {given} that do"
    return None


def memory(lattice: Lattice) -> float:
    """Return the bytes a cell of the matrix and its copies, as measured, and of factors: 12 for each entry."""
    ndim, symmetric = len(lattice.shape), lattice.symmetric and lattice.growth == 0
    if symmetric and lattice.source is None and not lattice.walls:
        return 90.0 + 50 * ndim  # its parts, no solution
    factorised = not symmetric or math.prod(lattice.shape) <= DIRECT[ndim - 1]
    return 270.0 + 70 * ndim + (12 * costs.entries(lattice) if factorised else 60.0)


def limit(lattice: Lattice, u: FloatArray | None, dry: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the limit from a field `u`; None if it depends on `u` only in `dry` cells, which become 0."""
    import scipy.sparse.csgraph

    lattice, power, slowed = _in_units(lattice)
    matrix = lattice.flow_matrix()
    matrix.eliminate_zeros()  # a rate of 0 connects nothing
    count, part = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    weights = np.ones(matrix.shape[0]) if lattice.weights is None else lattice.weights.ravel()
    b = np.zeros(matrix.shape[0]) if lattice.forcing is None else lattice.forcing.ravel() * weights
    losses = lattice.losses().ravel() * weights  # of what flows
    open_parts = np.bincount(part, np.abs(losses), count) > 0
    definite = lattice.symmetric and lattice.growth == 0
    if not definite:
        _check_connected(lattice, matrix, part, losses)
    _check_balance(lattice.shape, part, b, open_parts, power - slowed)
    needed = ~open_parts if dry is None else ~open_parts & (np.bincount(part, ~dry.ravel(), count) > 0)
    if u is None and needed.any():
        where = _cell(lattice.shape, part, int(np.argmax(needed)))
        raise ValueError(
            f"u must be given for a steady state: no wall lets salt leave from around cell {where}, got None"
        )

    has_source = np.bincount(part, b != 0, count) > 0  # elsewhere the solution is level
    pinned = np.zeros(b.size, dtype=bool)
    first = np.unique(part, return_index=True)[1]
    pinned[first[~open_parts]] = True  # one cell of each closed part is held at 0 for now
    free = np.ones(b.size)  # what remains of a closed part without sources, up to a factor
    solved = np.flatnonzero((has_source[part] | (not definite)) & ~pinned)
    steady = np.zeros(b.size)
    if solved.size:
        inner = -matrix[solved][:, solved]
        right = b[solved]
        if not definite:
            right = np.stack([right, matrix[solved][:, pinned].sum(axis=1), np.ones(solved.size)], axis=1)
        rest = _residual(matrix, losses, solved, not lattice.symmetric)
        safe = lattice.positive and lattice.growth == 0
        found = _solve(inner, right, len(lattice.shape), definite, rest, part[solved], safe)
        if found is None:
            raise ValueError(
                "steady_state needs rates whose ratios leave the digits of a sparse solution: take cells, walls, decay "
                "or diffusivities less different, or evolve for a long time"
            )
        if definite:
            steady[solved] = found
        else:
            steady[solved], free[solved], times = found.T
            if times.min() <= 0 or times.max() * lattice.largest_rate > LONGEST:  # how long salt stays
                raise ValueError(
                    "steady_state needs walls through which the drift carries in less than leaves: here salt grows, "
                    "or its amount depends on the whole run (evolve for a long time instead)"
                )
    found = _scaling.times_power(steady, power)
    if u is not None and not open_parts.all():
        common = max(power, _scaling.exponent(u)) if steady.any() else _scaling.exponent(u)
        here = _scaling.times_power(steady, power - common)
        mass = np.bincount(part, weights * (_scaling.times_power(u, -common).ravel() - here), count)
        level = np.divide(mass, np.bincount(part, weights * free, count), out=np.zeros(count), where=~open_parts)
        kept = _scaling.times_power(here + level[part] * free, common)
        found = np.where(open_parts[part], found, kept)
    return found.reshape(lattice.shape)


def _in_units(lattice: Lattice) -> tuple[Lattice, int, int]:
    """Return the problem with its rates and all that drives it near 1, and the powers of two of values and times."""
    fastest = -int(np.frexp(lattice.largest_rate)[1])
    driven = [np.asarray(wall.value, np.float64) for wall in lattice.walls]
    source = None if lattice.source is None else _scaling.times_power(lattice.source, fastest)
    driven += [] if source is None else [source]
    power = max((_scaling.exponent(values) for values in driven if np.any(values)), default=0)

    def slower(values: Any) -> Any:
        return None if values is None else _scaling.times_power(values, fastest)

    diagonal = lattice.diagonal
    if diagonal is not None:
        diagonal = diagonal.copy()
        diagonal.data = slower(diagonal.data)
    lattice = in_units(lattice, power)
    scaled = replace(
        lattice,
        rates=tuple(map(slower, lattice.rates)),
        drift=None if lattice.drift is None else tuple(map(slower, lattice.drift)),
        decay=slower(lattice.decay),
        diagonal=diagonal,
        walls=tuple(replace(wall, weight=slower(wall.weight)) for wall in lattice.walls),
        source=None if source is None else _scaling.times_power(source, -power),
    )
    return scaled, power, fastest


def _residual(
    matrix: Any, losses: FloatArray, solved: NDArray[Any], drifts: bool
) -> Callable[[FloatArray], FloatArray]:
    """Return the product of `solved` cells with the matrix, all others holding 0, as flows by differences of cells."""
    rows = matrix if len(solved) == len(losses) else matrix[solved]
    own = -losses[solved]
    if drifts:
        own += (matrix - matrix.T).sum(axis=1)[solved]
    whole = np.zeros(matrix.shape[0])

    def product(x: FloatArray) -> FloatArray:
        whole[solved] = x
        total: FloatArray = own * x
        for low in range(0, len(x), PIECE):
            high = min(low + PIECE, len(x))
            entries = slice(rows.indptr[low], rows.indptr[high])
            cell = np.repeat(np.arange(high - low), np.diff(rows.indptr[low : high + 1]))
            flows = rows.data[entries] * (whole[rows.indices[entries]] - x[low:high][cell])
            total[low:high] += np.bincount(cell, flows, high - low)
        return total

    return product


def _check_connected(lattice: Lattice, matrix: Any, part: NDArray[Any], losses: FloatArray) -> None:
    """Refuse a drift without diffusion that gathers salt in some cells of a part, from which it cannot come back."""
    import scipy.sparse.csgraph

    count, strong = scipy.sparse.csgraph.connected_components(matrix, connection="strong")
    flows = matrix.tocoo()
    leaves = strong[flows.row] != strong[flows.col]  # a flow goes from its column to its row
    final = np.bincount(strong[flows.col[leaves]], minlength=count) == 0
    final &= np.bincount(strong, losses > 0, count) == 0
    sizes = np.bincount(part)
    for component in np.flatnonzero(final):
        inside = strong == component
        if np.count_nonzero(inside) != sizes[part[np.argmax(inside)]]:
            where = _cell(lattice.shape, strong, int(component))
            raise ValueError(
                f"steady_state needs diffusion where a drift gathers salt, got none around cell {where}: what remains "
                f"there depends on the whole run (evolve for a long time instead)"
            )


def _check_balance(
    shape: tuple[int, ...], part: NDArray[Any], b: FloatArray, open_parts: NDArray[np.bool_], power: int
) -> None:
    """Refuse a closed part into which more flows than out of it; `b` is in units of a power of two."""
    net = np.bincount(part, b)
    off = ~open_parts & (np.abs(net) > BALANCED * np.bincount(part, np.abs(b)))
    if off.any():
        worst = int(np.argmax(off))
        mean = float(_scaling.times_power(net[worst] / np.count_nonzero(part == worst), power))  # it may overflow
        raise ValueError(
            f"steady_state needs sources and fluxes to balance where no wall lets salt leave, got {mean:+.6g} per "
            f"volume and time on average in the part of the tank around cell {_cell(shape, part, worst)}"
        )


def _cell(shape: tuple[int, ...], part: NDArray[Any], wanted: int) -> tuple[int, ...]:
    """Return a cell that belongs to a part."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(part == wanted)), shape))


def _solve(
    matrix: Any,
    b: FloatArray,
    ndim: int,
    definite: bool,
    product: Callable[[FloatArray], FloatArray],
    part: NDArray[Any],
    safe: bool,
) -> FloatArray | None:
    """Solve a sparse problem: by factors of the matrix, or if it is large and positive definite by conjugate gradients.

    Others (a drift, or walls through which one comes in) are solved by factors whatever their size. `product` is minus
    that with the matrix, and `part` the number of each cell's part. None if rounding leaves no solution; it cannot hide
    where the problem is `safe`, of exchanges and losses that are positive.
    """
    import scipy.sparse
    import scipy.sparse.linalg as solvers

    if matrix.diagonal().min() <= 0:  # a drift carries more of a cell's salt in than leaves: no limit
        return None if definite else np.full(b.shape, -1.0)
    scale = 1 / np.sqrt(matrix.diagonal())  # a diagonal of ones: rates may differ by many orders of magnitude
    a = scipy.sparse.diags_array(scale) @ matrix @ scipy.sparse.diags_array(scale)
    scale = scale.reshape([-1] + [1] * (b.ndim - 1))
    if b.shape[0] <= DIRECT[ndim - 1] or not definite:
        options: dict[str, Any] = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}} if definite else {}
        try:
            factors = Made(lambda: solvers.splu(a.tocsc(), "MMD_AT_PLUS_A", **options))
        except RuntimeError:  # exactly singular: what comes in is what leaves, or grows
            return None if definite else np.full(b.shape, -1.0)
        direct: Callable[[FloatArray], FloatArray] = factors.value.solve
        first, enough = direct, EPS
        if definite and not safe:
            inverse = solvers.LinearOperator(a.shape, dtype=np.float64, matvec=direct, rmatvec=direct)  # symmetric
            if EPS * solvers.onenormest(inverse, t=1) * solvers.norm(a, 1) > WELL_CONDITIONED:
                return None
    else:
        rows = a.tocsr()

        def iterated(right: FloatArray, accuracy: float) -> FloatArray:
            most = 200 * round(b.size ** (1 / ndim))
            found, failed = solvers.cg(rows, right, rtol=accuracy, maxiter=most)
            if failed:
                raise RuntimeError(f"conjugate gradients did not reach a residual of {accuracy:g}")
            return np.asarray(found)

        direct, first = partial(iterated, accuracy=ROUGH), partial(iterated, accuracy=RESIDUAL)
        enough = REFINED

    def relative(correction: FloatArray, x: FloatArray) -> float:
        moved = np.zeros((int(part.max()) + 1, *x.shape[1:]))
        whole = np.zeros(moved.shape)
        np.maximum.at(moved, part, np.abs(correction))
        np.maximum.at(whole, part, np.abs(x))
        return float(np.divide(moved, whole, out=np.zeros(moved.shape), where=moved > 0).max())

    x: FloatArray = scale * first(scale * b)
    past = math.inf
    for _ in range(REFINEMENTS):
        rest = b + np.stack([product(column) for column in x.reshape(len(x), -1).T], axis=1).reshape(x.shape)
        correction = scale * direct(scale * rest)
        size = relative(correction, x)
        if not size < past / 2:
            break
        x += correction
        past = size
        if size <= enough:
            break
    return x if past <= REFINED else None
