r"""Implicit Runge-Kutta steps of order 4 with an estimate of order 3, for what is stiff: ESDIRK4(3)6L[2]SA.

Each of five stages solves :math:`Y = B + \gamma\tau F(t, Y)`, :math:`\gamma = 1/4`, with `B` known from the stages
before. The last stage is the step. The scheme is L-stable (what is fast is damped, however long the step), and all
stages share one matrix :math:`1 - \gamma\tau (L + \mathrm{diag}(s))`, in which `s` is the reaction's derivative along
each cell's own value. Without a reaction that depends on the field one solution a stage is exact; else Newton's
iteration with that matrix goes on until what is left is far below the error allowed. Solving keeps the sum of `B` where
nothing flows in or out, so that mass is conserved to rounding.

References
----------
.. [1] C. A. Kennedy, M. H. Carpenter, "Additive Runge-Kutta schemes for convection-diffusion-reaction equations", Appl.
   Numer. Math. 44 (2003) 139, table of ARK4(3)6L[2]SA, implicit part.
.. [2] E. Hairer, G. Wanner, "Solving Ordinary Differential Equations II", Springer (1996), section IV.8.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import control, shifted
from diffuseconv.diffusion.control import Clock, Overflow, Trial
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["OPTIONS", "slowest_decay", "solve", "unsupported"]

TOLERANCE = 1e-4  # of the field's range, for a whole run
OPTIONS = {"tolerance": TOLERANCE, "max_step": None}

DIAGONAL = 0.25
NODES = (0.0, 1 / 2, 83 / 250, 31 / 50, 17 / 20, 1.0)
STAGES = (
    (),
    (1 / 4,),
    (8611 / 62500, -1743 / 31250),
    (5012029 / 34652500, -654441 / 2922500, 174375 / 388108),
    (15267082809 / 155376265600, -71443401 / 120774400, 730878875 / 902184768, 2285395 / 8070912),
    (82889 / 524892, 0.0, 15625 / 83664, 69875 / 102672, -2260 / 8211),
)
EMBEDDED = (
    4586570599 / 29645900160,
    0.0,
    178811875 / 945068544,
    814220225 / 1159782912,
    -3700637 / 11593932,
    61727 / 225920,
)
ESTIMATE = tuple(b - c for b, c in zip((*STAGES[5], DIAGONAL), EMBEDDED, strict=True))
INVERSE_ITERATIONS = 8
MOST_ITERATIONS = 8
CONVERGED = 0.01  # of the allowed error, that Newton's iteration may leave
EPS = float(np.finfo(np.float64).eps)


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    if problem.steady:
        return 'is for walls and sources that depend on time or on the field ("rational" is exact for this problem)'
    return None


def solve(
    problem: Lattice,
    u: Array,
    start: float,
    durations: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
    max_step: float | None = None,
) -> Iterator[Array]:
    """Yield the field after each of the `durations`: see `scheme.Scheme`, and `control` for the control of errors."""
    tolerance = TOLERANCE if tolerance is None else tolerance
    return control.march(problem, u, start, durations, _Steps(problem, durations[-1]), tolerance, max_step)


class _Steps:
    """Implicit steps; the matrix is kept while it serves."""

    order = 3
    longest = math.inf

    def __init__(self, problem: Lattice, duration: float) -> None:
        self.problem = problem
        self.decay = slowest_decay(problem, duration)
        self.slope: Array | None = None
        self.made_for, self.fresh = 0.0, False

    @property
    def damping(self) -> float:
        """The rate at which errors die out: at the walls, and by the reaction."""
        growth = 0.0 if self.slope is None else float(self.slope.max())
        return max(0.0, self.decay - growth)

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Note that the matrix belongs to an earlier field."""
        self.fresh = False

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step."""
        try:
            return self._attempt(clock, elapsed, u, slope, step, allowed)
        except np.linalg.LinAlgError:
            raise Overflow from None

    def _attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        scale = DIAGONAL * step
        if self.made_for != scale:
            self.factorise(clock.at(elapsed), u, scale)
        try:
            return self.stages(clock, elapsed, u, slope, step, allowed)
        except Overflow:
            if self.problem.reaction is None or self.fresh:
                raise
        self.factorise(clock.at(elapsed), u, scale)
        return self.stages(clock, elapsed, u, slope, step, allowed)

    def factorise(self, time: float, u: Array, scale: float) -> None:
        """Prepare the matrix of a step."""
        if not self.fresh and self.problem.reaction is not None:
            self.slope = control.reaction_slope(self.problem, time, u)
            self.fresh = True
        slope = self.slope
        if slope is not None and not slope.any():
            slope = None
        if slope is not None:
            slope = np.broadcast_to(slope, u.shape)
        try:
            self.solver = shifted.solver(self.problem, 1.0, scale, slope)
        except np.linalg.LinAlgError:
            raise Overflow from None
        self.made_for = scale
        if slope is not None and slope.max() > 0:
            # What grows must be followed: no mode grows faster than 1/scale if and only if this solution is positive,
            # as the matrix has no positive entry off its diagonal; 2 is half that rate where all cells grow alike.
            response = self.solver(np.ones(u.shape))
            if not (response.min() > 0 and response.max() <= 2):
                self.made_for = 0.0
                raise Overflow

    def stages(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Run through the stages."""
        changes, here = [slope], u
        for row, node in zip(STAGES[1:], NODES[1:], strict=True):
            base = u + step * _sum(row, changes)
            time = clock.at(elapsed + node * step)
            here = self.stage(time, base, base + DIAGONAL * step * changes[-1], DIAGONAL * step, allowed)
            changes.append((here - base) / (DIAGONAL * step))
        error = self.solver(step * _sum(ESTIMATE, changes))
        return Trial(here, changes[-1], float(np.abs(error).max()))

    def stage(self, time: float, base: Array, guess: Array, scale: float, allowed: float) -> Array:
        """Solve ``Y = base + scale F(time, Y)``."""
        problem = self.problem
        b = problem.b(time)
        given = base if b is None else base + scale * b
        if problem.reaction is None:
            return self.solver(given)
        here, past = guess, math.inf
        for _ in range(MOST_ITERATIONS):
            if not np.isfinite(here).all():
                raise Overflow
            residual = given - here + scale * (problem.apply(here) + problem.reaction(time, here))
            change = self.solver(residual)
            here = here + change
            size = float(np.abs(change).max())
            if not math.isfinite(size) or size > 2 * past:
                raise Overflow
            rate = size / past if past > 0 else 0.0
            rounding = 4 * EPS * float(np.abs(here).max())
            if size <= rounding or (rate < 1 and size * rate / (1 - rate) <= CONVERGED * allowed):
                return here
            if past == math.inf and size <= 1e-3 * CONVERGED * allowed:
                return here
            past = size
        raise Overflow


def slowest_decay(problem: Lattice, duration: float) -> float:
    """Return half an estimate of the slowest decay rate of `L`, by inverse iteration; 0 if below 1/duration."""
    if duration == 0 or not (problem.outflow() != problem.outflow(wall_share=0)).any():
        return 0.0
    solve, mode = shifted.solver(problem, 1 / duration, 1.0), np.ones(problem.shape)
    try:
        for _ in range(INVERSE_ITERATIONS):
            mode = solve(mode)
            mode /= np.abs(mode).max()
    except np.linalg.LinAlgError:
        return 0.0
    rate = -float((mode * problem.apply(mode)).sum() / (mode * mode).sum())
    return rate / 2 if rate * duration > 1 else 0.0


def _sum(weights: Sequence[float], arrays: Sequence[Array]) -> Array:
    """Return the weighted sum of arrays."""
    total = weights[0] * arrays[0]
    for weight, array in zip(weights[1:], arrays[1:], strict=True):
        if weight != 0:
            total += weight * array
    return total
