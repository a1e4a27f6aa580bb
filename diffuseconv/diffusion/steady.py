r"""The limit of long times: :math:`L u + b = 0`, one sparse linear problem.

Cells that exchange salt, directly or through others, make a *part* of the tank. In a part with a wall that lets salt
leave the solution is unique. In a closed part it exists only if what comes in adds up to nothing, and only its mean is
left open: the salt that was there at the start.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv._typing import FloatArray
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["limit", "unsupported"]

BALANCED = 1e-12  # inflow and outflow may differ by this share of their sum: rounding
DIRECT = (10**7, 10**6, 5_000)  # cells, in 1, 2 and 3 dimensions, up to which factors of the matrix are cheap
RESIDUAL = 1e-13  # of conjugate gradients, relative to b


def unsupported(problem: Lattice) -> str | None:
    """Return why a problem has no limit that can be found, None if it has one."""
    if not problem.steady:
        return "needs walls and sources that do not depend on time or on the field"
    return None


def limit(lattice: Lattice, u: FloatArray | None, dry: NDArray[np.bool_] | None = None) -> FloatArray:
    """Return the limit from a field `u`; None if it depends on `u` in `dry` cells alone, which become 0."""
    import scipy.sparse.csgraph

    matrix = lattice.matrix()
    matrix.eliminate_zeros()  # a rate of 0 connects nothing
    count, part = scipy.sparse.csgraph.connected_components(matrix, directed=False)
    b = np.zeros(matrix.shape[0]) if lattice.forcing is None else lattice.forcing.ravel()
    losses = (lattice.outflow() - lattice.outflow(wall_share=0)) * np.ones(lattice.shape)
    open_parts = np.bincount(part, losses.ravel(), count) > 0
    _check_balance(lattice.shape, part, b, open_parts)
    needed = ~open_parts if dry is None else ~open_parts & (np.bincount(part, ~dry.ravel(), count) > 0)
    if u is None and needed.any():
        where = _cell(lattice.shape, part, int(np.argmax(needed)))
        raise ValueError(f"u must be given for a steady state: no wall lets salt leave from around cell {where}")

    fed = np.bincount(part, b != 0, count) > 0  # elsewhere the solution is level
    pinned = np.zeros(b.size, dtype=bool)
    first = np.unique(part, return_index=True)[1]
    pinned[first[~open_parts]] = True  # one cell of each closed part is held at 0 for now
    solved = np.flatnonzero(fed[part] & ~pinned)
    steady = np.zeros(b.size)
    if solved.size:
        steady[solved] = _solve(-matrix[solved][:, solved], b[solved], len(lattice.shape))
    if u is not None:
        level = np.bincount(part, u.ravel() - steady, count) / np.bincount(part, minlength=count)
        steady += np.where(open_parts, 0.0, level)[part]
    return steady.reshape(lattice.shape)


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


def _solve(matrix: Any, b: FloatArray, ndim: int) -> FloatArray:
    """Solve a symmetric positive definite problem: by factors of the matrix, or in large by conjugate gradients."""
    import scipy.sparse
    import scipy.sparse.linalg as solvers

    scale = 1 / np.sqrt(matrix.diagonal())  # a diagonal of ones: rates may differ by many orders of magnitude
    a = scipy.sparse.diags_array(scale) @ matrix @ scipy.sparse.diags_array(scale)
    if b.size <= DIRECT[ndim - 1]:
        factors = solvers.splu(a.tocsc(), "MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        solution = factors.solve(scale * b)
        solution += factors.solve(scale * b - a @ solution)
    else:
        solution, failed = solvers.cg(a.tocsr(), scale * b, rtol=RESIDUAL, maxiter=200 * round(b.size ** (1 / ndim)))
        if failed:
            raise RuntimeError(f"conjugate gradients did not reach a residual of {RESIDUAL:g}")
    return np.asarray(scale * solution)
