"""Steps of controlled error, of whichever kind is the cheapest at the time: what ``"auto"`` takes.

Explicit ones of order 5 for what is not stiff (on large tanks of order 4, which hold fewer fields), exponential ones
where only diffusion is and has modes, stabilised ones of many stages, and implicit ones where there is memory for
factors. Whenever a run has cost some times what one step of another kind costs, that kind tries a step so long that it
would go farther for its cost; less and less often while it fails. If its error is allowed, the run goes on with that
kind. Costs are those of a fixed model, so that the choice does not depend on the machine. Problems may thus become
stiff, or cease to be, within a run.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion import control, costs, dormand_prince, exponential, implicit, low_storage, rkl2, shifted
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.control import OPTIONS, unsupported
from diffuseconv.diffusion.integrator import Integrator, Overflow, Trial
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["OPTIONS", "Steps", "memory", "solve", "unsupported"]

SETTLING = 15  # steps that a kind has to find its length, after a change
SPENT, MOST_SPENT = 5, 20  # costs of one step of another kind, after which it is tried: the first time, and at most
BETTER = 1.3  # how much cheaper another kind must be
LARGE = 1 << 18  # cells from which memory counts
# Steps that a run of tolerance 1e-3 often takes, for the first choice
STEPS = {dormand_prince.Steps: 20, low_storage.Steps: 25, exponential.Steps: 15, rkl2.Steps: 150, implicit.Steps: 8}


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of fields in float64 that explicit steps hold, and of what a source returns."""
    return 88.0 if math.prod(problem.shape) < LARGE else 48.0


class Steps:
    """Steps of one kind or another."""

    def __init__(self, problem: Lattice, duration: float, tolerance: float) -> None:
        self.problem, size = problem, math.prod(problem.shape)
        explicit = dormand_prince if size < LARGE else low_storage
        self.kinds: list[Integrator] = [explicit.Steps(problem, duration), rkl2.Steps(problem, duration)]
        if (
            size < LARGE
            and exponential.supported(problem)
            and _checks.has_memory(exponential.memory(problem, 8) * size)
        ):
            self.kinds.append(exponential.Steps(problem, tolerance))
        if shifted.factorises(problem) and _checks.has_memory(implicit.memory(problem, 8) * size):
            self.kinds.append(implicit.Steps(problem, duration))
        self.steps = [STEPS[type(kind)] for kind in self.kinds]
        self.now = self.kinds[0]
        self.tolerance = tolerance
        self.last: tuple[float, float, Trial] | None = None  # the last trial step, and the error that it was allowed
        self.spent: list[float] = [0.0] * len(self.kinds)  # since each was tried
        self.due = [SPENT] * len(self.kinds)  # and how much is enough
        self.duration, self.begun = duration, False
        self.total = 0.0  # of what steps have cost
        self.resorted = False  # whether implicit steps are the last resort

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

    def least_cost(self, duration: float) -> float:
        """Return the least of what all kinds are sure to cost."""
        return min(kind.least_cost(duration) for kind in self.kinds)

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step; one that does not converge is left to another kind where that is the cheaper."""
        cost, self.last = self.now.cost(step), None  # lest what was rejected takes memory
        self.spent, self.total = [spent + cost for spent in self.spent], self.total + cost
        try:
            trial = self.now.attempt(clock, elapsed, u, slope, step, allowed)
        except Overflow:
            if isinstance(self.now, (exponential.Steps, implicit.Steps)):
                for other in self.kinds:
                    if other is not self.now and step <= other.longest and other.cost(step) < cost:
                        self.change(other, step)
                        self.now.accept(clock, elapsed, u)
                        break
            raise
        self.last = step, allowed, trial
        return trial

    def change(self, kind: Integrator, step: float) -> None:
        """Go on with another kind, for some steps at least."""
        _forget(self.now)
        self.now = kind
        self.spent, self.due = [-SETTLING * kind.cost(step)] * len(self.kinds), [SPENT] * len(self.kinds)

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Note where an accepted step has led, and change over where that pays."""
        if self.last is not None and self.last[-1].field is u and not self.resorted:
            step, allowed, trial = self.last
            for k, kind in enumerate(self.kinds):
                if kind is self.now or self.spent[k] < self.due[k] * kind.cost(min(step, kind.longest)):
                    continue
                self.spent[k], self.due[k] = 0.0, min(2 * self.due[k], MOST_SPENT)
                if self.is_cheaper(kind, clock, elapsed, trial, step, allowed):
                    self.change(kind, step)
                    break
                _forget(kind)
            self.resort(step, self.duration - elapsed)
        self.last = None
        self.now.accept(clock, elapsed, u)
        if self.now.longest == 0:
            self.change(self.kinds[0], self.kinds[0].longest)
            self.now.accept(clock, elapsed, u)
        if not self.begun:
            self.begun, costs = True, []
            for kind, steps in zip(self.kinds, self.steps, strict=True):
                if kind is not self.now:
                    kind.accept(clock, elapsed, u)
                    _forget(kind)
                many = steps * (1e-3 / self.tolerance) ** (1 / (kind.order + 1))
                step = min(self.duration / many, kind.longest)
                costs.append(self.duration / step * kind.cost(step) if step > 0 else many)
            best = costs.index(min(costs))
            if best > 0:
                self.change(self.kinds[best], self.duration / self.steps[best])
                self.now.accept(clock, elapsed, u)

    def resort(self, step: float, left: float) -> None:
        """Change over to implicit steps for good where a run that has cost much would be refused before it ends.

        What runs around and dies out slowly leaves them longer and longer steps, but no other ones.
        """
        most, last = costs.longest_run(self.problem), self.kinds[-1]
        if not isinstance(last, implicit.Steps) or last is self.now or self.total < most / 2:
            return
        if self.total + left / _pace(self.now, step) > 2 * most:
            self.change(last, step)
            self.resorted = True

    def is_cheaper(
        self, kind: Integrator, clock: Clock, elapsed: float, here: Trial, step: float, allowed: float
    ) -> bool:
        """Try a step of another kind from where the last one has led, just so long that it pays."""
        goal, left = BETTER * _pace(self.now, step), min(self.duration - elapsed, kind.longest)
        if left <= 0:
            return False
        kind.accept(clock, elapsed, here.field)
        length = min(step, left)
        while _pace(kind, length) < goal and length < left:
            length = min(2 * length, left)
        while _pace(kind, length / 2) >= goal:
            length /= 2
        if _pace(kind, length) < goal:
            return False
        try:
            trial = kind.attempt(clock, elapsed, here.field, here.slope, length, allowed)
        except Overflow:
            return False
        return trial.error <= allowed * length / step


def _forget(kind: Integrator) -> None:
    """Forget the fields and factors of a kind that does not go on."""
    if isinstance(kind, (exponential.Steps, implicit.Steps)):
        kind.forget()


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
