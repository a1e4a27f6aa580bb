"""Land: the cells that a mask leaves out, whose values stay as they are and may be anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["filled", "flooded", "seen_whole", "with_land"]


def filled(field: Array, mask: Array | None) -> Array:
    """Return a field with 0 where land is not finite, or too large for sums as no-data values are."""
    if mask is None:
        return field
    return np.where(mask | (np.abs(field) <= _checks.most_summable(field)), field, field.dtype.type(0))


def flooded(field: Array, mask: Array) -> Callable[[Array], Array]:
    """Set land to a value of the water, whose range is then that of the whole field.

    Return a function that gives a field the land that this one had, for sources that ask for it.
    """
    values = field[~mask]
    np.copyto(field, field.flat[np.argmax(mask)], where=~mask)

    def whole(u: Array) -> Array:
        u = u.copy()
        u[~mask] = values
        return u

    return whole


def seen_whole(problem_at: Callable[[float], Lattice], whole: Callable[[Array], Array]) -> Callable[[float], Lattice]:
    """Return problems whose reactions are asked with the whole field, land as it is."""

    def asked(function: Any) -> Any:
        return None if function is None else lambda time, u: function(time, whole(u))

    def seeing(problem: Lattice) -> Lattice:
        moving = problem.moving
        return replace(
            problem,
            reaction=asked(problem.reaction),
            reaction_slope=asked(problem.reaction_slope),
            moving=None if moving is None else lambda time: seeing(moving(time)),
        )

    return lambda time: seeing(problem_at(time))


def with_land(evolved: Array, u: Any, mask: Array | None) -> Array:
    """Return a result with the land of the field `u` that was passed in, in place."""
    if mask is not None:
        np.copyto(evolved, np.asarray(u), where=~mask)
    return evolved
