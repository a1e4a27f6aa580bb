"""Values in units of a power of two, for fields so small or large that products with rates leave the range of numbers.

A problem whose right-hand side is linear is the same in any unit of the field. Functions given by users see their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from diffuseconv import _scaling
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice, WallTerm

__all__ = ["in_units", "power_of"]

# Powers of two from which on values are scaled: by what makes the largest one 1 where the problem is linear, as rates
# lie between 1e-150 and 1e150; else by no more than keeps 1 in range, for a reaction may lead to fields of other size.
LINEAR, CHANGING = {8: 460, 4: 60}, 760
LIFTED = 240
SUBNORMAL = -1010  # of the largest value: what functions return has fewer digits from there on, as steps would see
SAMPLES = 64  # cells of which an ordinary one is enough to look no further: what is too large is refused in the end


def power_of(problem: Lattice, u: Array, duration: float) -> int:
    """Return the power of two in units of which a run is computed, 0 for any ordinary one."""
    most = LINEAR[u.itemsize] if problem.steady else CHANGING
    seen = u.reshape(-1)[:: max(1, u.size // SAMPLES)]
    if seen.any() and abs(_scaling.exponent(seen)) < most:
        return 0
    if not problem.steady:
        power = _scaling.exponent(u) if u.dtype == np.float64 else 0
        return 0 if abs(power) < most or power < SUBNORMAL or not u.any() else LIFTED * (1 if power > 0 else -1)
    driven = [np.asarray(wall.value, dtype=np.float64) for wall in problem.walls]
    if problem.source is not None:
        with np.errstate(over="ignore"):
            driven.append(np.minimum(abs(problem.source) * duration, np.finfo(np.float64).max))
    power = max((_scaling.exponent(values) for values in (u, *driven) if values.any()), default=0)
    return 0 if abs(power) < most else power


def in_units(problem: Lattice, power: int) -> Lattice:
    """Return the problem with values in units of ``2**power``."""

    def of(function: Callable[[float, Array], Array], unit: int) -> Callable[[float, Array], Array]:
        return lambda time, u: _scaling.times_power(function(time, _scaling.times_power(u, power)), -unit)

    def wall(term: WallTerm) -> WallTerm:
        value = term.value
        if callable(value):
            return replace(term, value=lambda time: np.ldexp(value(time), -power))
        return replace(term, value=np.ldexp(value, -power))

    moving, reaction, slope = problem.moving, problem.reaction, problem.reaction_slope
    return replace(
        problem,
        walls=tuple(map(wall, problem.walls)),
        source=None if problem.source is None else _scaling.times_power(problem.source, -power),
        reaction=None if reaction is None else of(reaction, power),
        reaction_slope=None if slope is None else of(slope, 0),
        moving=None if moving is None else lambda time: in_units(moving(time), power),
    )
