"""Steps of controlled error, explicit or implicit, whichever is the cheaper at the time: what ``"auto"`` takes.

Whenever a run has cost some times what one step of the other kind costs, the other kind tries a step so long that it
would go farther for its cost. If its error is allowed, the run goes on with that kind. Costs are those of a fixed
model, so that the choice does not depend on the machine. Problems may thus become stiff, or cease to be, within a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from diffuseconv._typing import Array
from diffuseconv.diffusion import control, implicit, rkl2
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.control import OPTIONS, Integrator, Overflow, Trial, unsupported
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.rkl2 import memory

__all__ = ["OPTIONS", "Steps", "memory", "solve", "unsupported"]

SETTLING = 15  # steps that a kind has to find its length, after a change
SPENT = 5  # costs of one step of the other kind, after which it is tried
BETTER = 1.3  # how much cheaper the other kind must be
STEPS = (150, 8)  # explicit and implicit ones that a run of tolerance 1e-3 often takes, for the first choice


class Steps:
    """Steps of one kind or the other."""

    def __init__(self, problem: Lattice, duration: float, tolerance: float) -> None:
        self.now: Integrator = rkl2.Steps(problem, duration)
        self.other: Integrator = implicit.Steps(problem, duration)
        self.tolerance = tolerance
        self.last: tuple[tuple[Clock, float, Array, Array, float, float], Trial] | None = None
        self.spent, self.duration, self.begun = 0.0, duration, False

    @property
    def order(self) -> int:
        """The order of the present kind's estimate."""
        return self.now.order

    @property
    def longest(self) -> float:
        """The longest step of the present kind."""
        return self.now.longest

    @property
    def least_growth(self) -> float:
        """The least factor by which the present kind lengthens a step."""
        return self.now.least_growth

    @property
    def damping(self) -> float:
        """The rate at which errors die out, as the present kind knows it."""
        return self.now.damping

    def cost(self, step: float) -> float:
        """Return the cost of a step of the present kind."""
        return self.now.cost(step)

    def work(self, step: float) -> float:
        """Return how many short steps of the present kind a step is worth."""
        return self.now.work(step)

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step; one that does not converge is left to the other kind where that is the cheaper."""
        self.spent += self.now.cost(step)
        try:
            trial = self.now.attempt(clock, elapsed, u, slope, step, allowed)
        except Overflow:
            if step <= self.other.longest and self.other.cost(step) < self.now.cost(step):
                self.change(step)
                self.now.accept(clock, elapsed, u)
            raise
        self.last = (clock, elapsed, u, slope, step, allowed), trial
        return trial

    def change(self, step: float) -> None:
        """Go on with the other kind, for some steps at least."""
        self.now, self.other = self.other, self.now
        self.spent = -SETTLING * self.now.cost(step)

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Note where an accepted step has led, and change over where that pays."""
        if self.last is not None and self.last[1].field is u:
            (*_, step, _), _ = self.last
            if self.spent >= SPENT * self.other.cost(min(step, self.other.longest)):
                self.spent = 0.0
                if self.is_other_cheaper():
                    self.change(step)
        self.last = None
        self.now.accept(clock, elapsed, u)
        if not self.begun:
            self.other.accept(clock, elapsed, u)
            self.begun, costs = True, []
            for kind, steps in zip((self.now, self.other), STEPS, strict=True):
                many = steps * (1e-3 / self.tolerance) ** (1 / (kind.order + 1))
                step = min(self.duration / many, kind.longest)
                costs.append(self.duration / step * kind.cost(step) if step > 0 else many)
            if costs[1] < costs[0]:
                self.change(self.duration / STEPS[1])

    def is_other_cheaper(self) -> bool:
        """Try a step of the other kind from where the last one began, just so long that it pays."""
        assert self.last is not None
        (clock, elapsed, u, slope, step, allowed), _ = self.last
        goal, left = BETTER * _pace(self.now, step), min(self.duration - elapsed, self.other.longest)
        self.other.accept(clock, elapsed, u)
        length = min(step, left)
        while _pace(self.other, length) < goal and length < left:
            length = min(2 * length, left)
        while _pace(self.other, length / 2) >= goal:
            length /= 2
        if _pace(self.other, length) < goal:
            return False
        try:
            trial = self.other.attempt(clock, elapsed, u, slope, length, allowed)
        except Overflow:
            return False
        return trial.error <= allowed * length / step


def _pace(kind: Integrator, step: float) -> float:
    """Return how far a kind of steps goes for its cost."""
    step = min(step, kind.longest)
    return step / kind.cost(step)


def solve(
    problem: Lattice, u: Array, start: float, times: Sequence[float], *, tolerance: float | None = None, **options: Any
) -> Iterator[Array]:
    """Yield the field at each of the `times`: see `scheme.Scheme`."""
    tolerance = control.TOLERANCE if tolerance is None else tolerance
    steps = partial(Steps, tolerance=tolerance)
    return control.integrate(steps, problem, u, start, times, tolerance=tolerance, **options)
