"""The whole Jacobian of a reaction that couples few cells with each: by differences of many cells at once.

Which cells follow which is seen by moving one after the other. Cells of which no cell follows two are then moved at
once [1]_, so that a Jacobian takes some evaluations, not one for each cell.

References
----------
.. [1] A. R. Curtis, M. J. D. Powell, J. K. Reid, "On the estimation of sparse Jacobian matrices", IMA J. Appl. Math. 13
   (1974) 117.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import STEEPEST, difference_shift

__all__ = ["Pattern", "evaluated", "pattern_of"]

MOST_FOLLOWED = 16  # cells with an effect on one cell, on average: more make a dense matrix
MISSED = 1e-3  # of what cells moved at random change, that a Jacobian may miss
EPS = float(np.finfo(np.float64).eps)


class Pattern(NamedTuple):
    """Which cells (rows) follow which (columns), raveled, and groups of columns that no row has two of."""

    rows: Array
    columns: Array
    group: Array  # of each column
    groups: int


def pattern_of(problem: Lattice, time: float, u: Array, known: Pattern | None = None) -> Pattern | None:
    """Return which cells the reaction of each follows, those known before included; None if these are many."""
    assert problem.reaction is not None
    shift, moved = difference_shift(u), u.copy()
    plain = np.array(np.broadcast_to(problem.reaction(time, u), u.shape)).reshape(-1)
    following: list[Array] = []
    found = 0
    for cell, value in enumerate(u.flat):
        moved.flat[cell] = value + shift
        rows = np.flatnonzero(np.broadcast_to(problem.reaction(time, moved), u.shape).reshape(-1) != plain)
        moved.flat[cell] = value
        if known is not None:
            rows = np.union1d(rows, known.rows[known.columns == cell])
        following.append(rows)
        found += rows.size
        if found > MOST_FOLLOWED * u.size:
            return None
    columns = np.repeat(np.arange(u.size), [rows.size for rows in following])
    group = _grouped(following, u.size)
    return Pattern(np.concatenate(following), columns, group, int(group.max()) + 1)


def _grouped(following: list[Array], size: int) -> Array:
    """Return a group for each column, the first of which no other column shares a row with it."""
    found: list[set[int]] = [set() for _ in range(size)]  # groups that have a column with an entry in each row
    group = np.zeros(size, dtype=np.intp)
    for column, rows in enumerate(map(Array.tolist, following)):
        used = set().union(*(found[row] for row in rows))
        free = next(number for number in range(len(used) + 1) if number not in used)
        group[column] = free
        for row in rows:
            found[row].add(free)
    return group


def evaluated(problem: Lattice, time: float, u: Array, pattern: Pattern) -> tuple[Any, bool]:
    """Return the Jacobian as a sparse matrix, and whether it tells what cells moved at random change."""
    import scipy.sparse

    reaction, size = problem.reaction, u.size
    assert reaction is not None
    shift = difference_shift(u)
    plain = np.array(np.broadcast_to(reaction(time, u), u.shape), dtype=np.float64).reshape(-1)

    def changed(moved: Array) -> tuple[Array, Array]:
        return np.broadcast_to(reaction(time, moved), u.shape).reshape(-1) - plain, (moved - u).reshape(-1)

    values = np.zeros(pattern.rows.size)
    of_entry = pattern.group[pattern.columns]
    for number in range(pattern.groups):
        change, by = changed(u + shift * (pattern.group == number).reshape(u.shape))
        entries = of_entry == number
        values[entries] = change[pattern.rows[entries]] / by[pattern.columns[entries]]
    values[~(np.abs(values) < STEEPEST)] = 0.0  # NaN too
    matrix = scipy.sparse.csr_array((values, (pattern.rows, pattern.columns)), shape=(size, size))
    signs = np.random.default_rng(0).choice([-1.0, 1.0], u.shape)
    change, by = changed(u + shift * signs)
    rounding = 64 * EPS * (np.abs(plain).max() + np.abs(values).max(initial=0.0) * np.abs(u).max())
    return matrix, bool(np.abs(change - matrix @ by).max() <= MISSED * np.abs(change).max() + rounding)
