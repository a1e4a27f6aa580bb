"""Implicit steps for a constant drift over a long time: what "auto" takes where uniformization has too many terms.

Terms of uniformization are as many as the fastest rate times the duration, which contrasts of the diffusivity and fine
cells make endless; polynomials and rational functions of few terms want real decay rates, which a drift has not. Steps
of controlled error lengthen as what is fast dies out. They keep the mass to rounding, and signs to the tolerance.
"""

from __future__ import annotations

import math
from functools import partial

from diffuseconv.diffusion import control, costs, implicit, shifted
from diffuseconv.diffusion.implicit import memory
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.uniformization import unsupported

__all__ = ["OPTIONS", "is_cheaper", "memory", "solve", "unsupported"]

OPTIONS: dict[str, float | None] = {"tolerance": 1e-10}
FINEST = 1e-12  # the least tolerance that rounding surely leaves
PREPARED = 80  # lengths of steps at the default tolerance, as measured: 45 to 80
FOLDS = 710.0  # by e, to which a field grows at most before it leaves the range of numbers: a step for each
WORTH = 4.0  # how much cheaper it must be than uniformization, which is positive and exact to rounding
SURELY = 50.0  # the same where steps are so many that a run of them may be refused: in a minute rather than never


def is_cheaper(problem: Lattice, duration: float, tolerance: float | None) -> bool:
    """Compare the cost of uniformization, which grows with time, and of implicit steps."""
    if not shifted.factorises(problem) or (tolerance is not None and tolerance < FINEST):
        return False
    reach = duration * problem.largest_rate
    size, rows = math.prod(problem.shape), math.prod(problem.shape[:-1])
    powers = reach / 2 * (3e-7 + rows * 5e-8 + size * 5e-10)
    length = implicit.SYSTEMS[len(problem.shape) - 1] * costs.factorisation(problem)
    steps, more = PREPARED * length, min(problem.growth * duration, FOLDS) * length  # the latter if it does grow
    worth = WORTH if 2 * steps < costs.longest_run(problem) else SURELY
    return worth * (steps + more) < powers and reach < control.STIFFEST


solve = partial(control.integrate, implicit.Steps, tolerance=OPTIONS["tolerance"], chosen=True)
