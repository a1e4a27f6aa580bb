r"""The limit of long times: :math:`L u + b = 0`, one sparse linear problem.

Cells that exchange salt, directly or through others, make a *part* of the tank. In a part with a wall that lets salt
leave, or with decay, the solution is unique. In a closed part it exists only if what comes in adds up to nothing, and
only the amount is left open: the salt that was there at the start, spread evenly or, with a drift, as the kernel of `L`
says.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv._foreign import Made
from diffuseconv._typing import FloatArray
from diffuseconv.diffusion import costs
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["limit", "memory", "unsupported"]

BALANCED = 1e-12  # inflow and outflow may differ by this share of their sum: rounding
DIRECT = (10**7, 10**6, 5_000)  # cells, in 1, 2 and 3 dimensions, up to which factors of the matrix are cheap
LONGEST = 1e14  # times that salt stays, in units of the fastest exchange, from which a drift leaves a part closed
RESIDUAL = 1e-13  # of conjugate gradients, relative to b


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
    if symmetric and lattice.forcing is None:
        return 90.0 + 50 * ndim  # its parts, no solution
    factorised = not symmetric or math.prod(lattice.shape) <= DIRECT[ndim - 1]
    return 270.0 + 70 * ndim + factorised * 12 * costs.entries(lattice)


def limit(lattice: Lattice, u: FloatArray | None, dry: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the limit from a field `u`; None if it depends on `u` only in `dry` cells, which become 0."""
    import scipy.sparse.csgraph

    matrix = lattice.flow_matrix()
    matrix.eliminate_zeros()  # a rate of 0 connects nothing
    count, part = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    weights = np.ones(matrix.shape[0]) if lattice.weights is None else lattice.weights.ravel()
    b = np.zeros(matrix.shape[0]) if lattice.forcing is None else lattice.forcing.ravel() * weights
    losses = (lattice.outflow() - lattice.outflow(wall_share=0)) * np.ones(lattice.shape)
    open_parts = np.bincount(part, np.abs(losses.ravel()), count) > 0
    definite = lattice.symmetric and lattice.growth == 0
    if not definite:
        _check_connected(lattice, matrix, part, losses.ravel())
    _check_balance(lattice.shape, part, b, open_parts)
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
        found = _solve(inner, right, len(lattice.shape), definite)
        if definite:
            steady[solved] = found
        else:
            steady[solved], free[solved], times = found.T
            if times.min() <= 0 or times.max() * lattice.largest_rate > LONGEST:  # how long salt stays
                raise ValueError(
                    "steady_state needs walls through which the drift carries in less than leaves: here salt grows, "
                    "or its amount depends on the whole run (evolve for a long time instead)"
                )
    if u is not None:
        mass = np.bincount(part, weights * (u.ravel() - steady), count)
        whole = np.bincount(part, weights * free, count)
        steady += np.divide(mass, whole, out=np.zeros(count), where=~open_parts)[part] * free
    return steady.reshape(lattice.shape)


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


def _check_balance(shape: tuple[int, ...], part: NDArray[Any], b: FloatArray, open_parts: NDArray[np.bool_]) -> None:
    """Refuse a closed part into which more flows than out of it."""
    net = np.bincount(part, b)
    off = ~open_parts & (np.abs(net) > BALANCED * np.bincount(part, np.abs(b)))
    if off.any():
        worst = int(np.argmax(off))
        mean = net[worst] / np.count_nonzero(part == worst)
        raise ValueError(
            f"steady_state needs sources and fluxes to balance where no wall lets salt leave, got {mean:+.6g} per "
            f"volume and time on average in the part of the tank around cell {_cell(shape, part, worst)}"
        )


def _cell(shape: tuple[int, ...], part: NDArray[Any], wanted: int) -> tuple[int, ...]:
    """Return a cell that belongs to a part."""
    return tuple(int(i) for i in np.unravel_index(int(np.argmax(part == wanted)), shape))


def _solve(matrix: Any, b: FloatArray, ndim: int, definite: bool) -> FloatArray:
    """Solve a sparse problem: by factors of the matrix, or if it is large and positive definite by conjugate gradients.

    Others (a drift, or walls through which one comes in) are solved by factors whatever their size.
    """
    import scipy.sparse
    import scipy.sparse.linalg as solvers

    if matrix.diagonal().min() <= 0:  # a drift carries more of a cell's salt in than leaves: no limit
        return np.full(b.shape, -1.0)
    scale = 1 / np.sqrt(matrix.diagonal())  # a diagonal of ones: rates may differ by many orders of magnitude
    a = scipy.sparse.diags_array(scale) @ matrix @ scipy.sparse.diags_array(scale)
    scale = scale.reshape([-1] + [1] * (b.ndim - 1))
    if b.shape[0] <= DIRECT[ndim - 1] or not definite:
        options: dict[str, Any] = {"diag_pivot_thresh": 0.0, "options": {"SymmetricMode": True}} if definite else {}
        try:
            factors = Made(lambda: solvers.splu(a.tocsc(), "MMD_AT_PLUS_A", **options))
        except RuntimeError:  # exactly singular: what comes in is what leaves, or grows
            return np.full(b.shape, -1.0)
        solution = factors.value.solve(scale * b)
        solution += factors.value.solve(scale * b - a @ solution)
    else:
        solution, failed = solvers.cg(a.tocsr(), scale * b, rtol=RESIDUAL, maxiter=200 * round(b.size ** (1 / ndim)))
        if failed:
            raise RuntimeError(f"conjugate gradients did not reach a residual of {RESIDUAL:g}")
    return np.asarray(scale * solution)
