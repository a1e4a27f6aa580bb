"""What a scheme is: a module (or any object) that integrates the discretised problem over time.

A scheme plugs in by fulfilling `Scheme` and by one entry in `run.SCHEMES`, which are asked in order by ``"auto"``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["Scheme", "check_updates", "copies", "unsteady", "unsymmetric", "without_advice"]

MOST_UPDATES = 1e14  # cell updates: a day or more on any one machine
MOST_SWEEPS = 1e10  # over however few cells: as long


class Scheme(Protocol):
    """An integrator of ``du/dt = L u + b(t) + reaction(t, u)`` between two events.

    Attributes
    ----------
    OPTIONS : mapping from str to float or None
        The options that the scheme uses, ``"time_step"``, ``"tolerance"`` or ``"max_step"``, and their defaults. All
        others are refused by `run.frames` when they are given with this scheme's name.
    """

    @property
    def OPTIONS(self) -> Mapping[str, float | None]: ...  # noqa: N802

    def unsupported(self, problem: Lattice) -> str | None:
        """Return why the scheme cannot solve a problem (what follows the method's name in an error), None if it can."""
        ...

    def memory(self, problem: Lattice, itemsize: int) -> float:
        """Return the bytes a cell that a run needs beyond its field and the problem, for a field of this item size."""
        ...

    def solve(
        self,
        problem: Lattice,
        u: Array,
        start: float,
        times: Sequence[float],
        *,
        time_step: float | None,
        tolerance: float | None,
    ) -> Iterator[Array]:
        """Yield a fresh array for each of the `times`, which do not decrease, from the field `u`.

        Times count from the begin of the segment, so that no digits are lost late on a clock; `start` is what that
        clock shows there, for functions of time. Where nothing depends on time it is 0, for all schemes.

        An option that the scheme does not use is None; one that is used and None has its default. Options that the
        problem does not allow (a step above the stability limit) raise ValueError at the call, before the first `next`.
        """
        ...


def unsteady(problem: Lattice) -> str | None:
    """Return why a scheme that is exact in time cannot solve a problem, None if time and field change nothing in it."""
    if problem.steady:
        return None
    if problem.moving is not None:
        return (
            "needs a velocity that does not depend on time, but by steps of a Schedule, got a function "
            '("auto" solves this problem)'
        )
    given = [name for name, changes in (("walls", problem.moving_walls), ("source", problem.reaction)) if changes]
    return (
        f"needs walls and sources that do not depend on time or on the field, got {' and '.join(given)} that do "
        f'("auto" solves this problem)'
    )


def without_advice(reason: str) -> str:
    """Return why a scheme cannot solve a problem, without the method that could: for what has no methods."""
    return reason.rpartition(' ("')[0] or reason


def unsymmetric(problem: Lattice) -> str | None:
    """Return why a scheme for real decay rates cannot solve a problem, None if it can."""
    if not problem.symmetric:
        return 'needs a problem without drift, got a velocity ("uniformization" solves this problem)'
    if problem.growth > 0:
        return (
            "needs walls through which no drift carries salt in unbounded, got growth by up to "
            f'{problem.growth:.3g} per time ("uniformization" solves this problem)'
        )
    return None


def copies(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of what sweeps copy of a problem, of what walls add, and of products with a matrix.

    Of rates on faces these are rows of one number each, and those of other dtypes.
    """
    fields = itemsize * ((problem.weights is not None) + (problem.decay is not None))
    fields += 8 * ((problem.diagonal is not None) + any(not callable(wall.value) for wall in problem.walls))
    if problem.uniform is not None:
        return fields
    copied = 0
    for g in problem.rates + (problem.drift or ()):
        if g.shape[-1] == 1:
            copied += len(np.unique(g)) * problem.shape[-1]
        elif g.itemsize != itemsize:
            copied += g.size
    return fields + itemsize * copied / math.prod(problem.shape)


def check_updates(cells: int, sweeps: float, remedy: str) -> None:
    """Refuse a run that would never end, before it begins."""
    if cells * sweeps > MOST_UPDATES or sweeps > MOST_SWEEPS:
        raise ValueError(
            f"duration must take at most {MOST_UPDATES:g} cell updates, got {cells * sweeps:.3g} ({sweeps:.3g} of at "
            f"most {MOST_SWEEPS:g} sweeps over {cells} cells): {remedy}"
        )
