r"""Steps of controlled error, for whatever depends on time or on the field.

**Budget.** The estimated errors of all steps, as far as they have not died out since, add up to at most half of
`tolerance` times the field's scale (its largest range or change so far). One quarter is shared out evenly over time. An
eighth is shared out evenly over the logarithm of time, for transients are at the begin, as a rule; of another any step
may use a small part of what is left: a transient need not be followed more closely than it matters. Where errors die
out at a rate :math:`\kappa`, a step may have the share :math:`1 - e^{-\kappa\tau}` of the even part, for :math:`\sum_n
(1 - e^{-\kappa\tau_n}) e^{-\kappa(T - t_n)} \le 1`.

**Rejected steps** leave no trace: scale, budget and time belong to accepted steps. A trial step that overflows is
repeated with a shorter step.

**Jumps** of functions of time are located by bisection, to neighbouring floating-point numbers; the step ends on one
side and the next begins on the other, at the later of the two: ``t >= t0`` jumps just there; ``t > t0`` in truth one
number of the clock before. Jumps that depend on the field are approached until what a step across one can spoil is
within the budget, or down to the rounding of the time elapsed.

**Time** is kept as start plus elapsed (the latter in two floating-point numbers), and functions of time see the sum,
never beyond the ends of a segment: at a known jump they see their own side. Late on a clock the sum is rounded, to
2.4e-7 s at 1.7e9 s. Where that matters, functions of time are interpolated between the two numbers that enclose the
true time, by cubics through four where a run has fewer than 100,000 numbers. If these are few, all are looked at
beforehand: the run is cut at jumps among them, and refused if they do not tell jumps from waves. What is left (the
rounding of their own: that of ``sin(2 * pi * t)`` is 1e-6 there) a step may have as its error, in proportion to its
length.

References
----------
.. [1] K. Gustafsson, "Control-theoretic techniques for stepsize selection in implicit Runge-Kutta methods", ACM Trans.
   Math. Softw. 20 (1994) 496.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion import costs
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.functions_of_time import SAMPLES, TINIEST, clock_of_run, jump_between, wall_range
from diffuseconv.diffusion.in_pieces import largest
from diffuseconv.diffusion.integrator import Integrator, Overflow, evaluate
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import reaction_slope

__all__ = ["OPTIONS", "integrate", "unsupported"]

TOLERANCE = 1e-4  # of the field's range, for a whole run
FINEST = 1e-14  # a tolerance finer than this is lost in rounding, which grows as steps become more
OPTIONS = {"tolerance": TOLERANCE, "max_step": None}
EPS = float(np.finfo(np.float64).eps)
SAFETY, SHRINK, GROW = 0.8, 0.1, 5.0  # how fast the step follows the estimated error
PART = 1 / 32  # of what is left of the free part of the budget, for one step
BEGIN = 1e-9  # of a duration, from which on the logarithm of time counts
FORCED = 200  # steps as short as rounding allows, without getting on, that are too many
WINDOW = 8  # numbers of the clock ahead, at least, among which a jump is looked for
CHECKS, SOME = 300, 300  # checks of the pace, in what a run may cost; steps between two of them, at least
ENDLESS = 1e12  # steps that no run ends with: more of them is what an ever shorter step comes to
STIFFEST = 1e15  # fastest rate times duration: beyond, its rounding is as large as all else that happens
SLOWED = 0.01  # of the mean pace: below it steps have become ever shorter
REJECTED, SOONER = 0.2, 4  # share of steps that are rejected where switches chatter: refused so many times as soon
CONSECUTIVE = 3  # checks in a row that ask for more: a transient slows down steps, and then lets them grow


def unsupported(problem: Lattice) -> str | None:
    """Return why steps of controlled error are not for a problem, None if they are."""
    if problem.steady:
        return 'is for walls, sources and velocities that depend on time or on the field ("auto" solves this problem)'
    return None


def integrate(
    steps: Callable[[Lattice, float], Integrator],
    problem: Lattice,
    u: Array,
    start: float,
    durations: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
    max_step: float | None = None,
    share: float = 1.0,
    events: tuple[bool, bool] = (True, True),
    chosen: bool = False,
) -> Iterator[Array]:
    """Yield the field after each of the `durations`: `scheme.Scheme.solve` with steps made for a problem and duration.

    `share` is that of what a run may cost. Where it begins and ends at `events`, functions may jump. Where "auto" has
    `chosen` the steps it is no advice. The arithmetic is in float64 for float32 fields too.
    """
    duration, noise = durations[-1] if durations else 0.0, (0.0, 0.0)
    clock = Clock(start, duration)
    jumps: list[tuple[float, float]] = []
    tolerance = TOLERANCE if tolerance is None else max(tolerance, FINEST)
    if duration > 0:
        stiffness = duration * problem.at(start).largest_rate
        if stiffness > STIFFEST:
            raise ValueError(
                f"duration times the fastest rate must be at most {STIFFEST:g} where time or the field change the "
                f"problem (shorten the duration, or take larger cells), got {stiffness:.3g}"
            )
        with np.errstate(all="ignore"):
            clock, jumps, noise = clock_of_run(
                problem, clock, duration, u.astype(np.float64, copy=False), tolerance, events
            )
    run = _Run(
        problem,
        u,
        clock,
        duration,
        steps(problem, duration),
        tolerance,
        math.inf if max_step is None else max_step,
        noise,
        share,
        jumps,
        chosen,
        durations,
    )
    for index, duration in enumerate(durations):
        run.advance(duration)
        if index == len(durations) - 1:
            run.slope = run.field  # lest a copy, which a caller may need, takes a field more
        yield run.field.astype(u.dtype, copy=index < len(durations) - 1 or run.field is u)


class _Run:
    """The state of a run."""

    def __init__(
        self,
        problem: Lattice,
        u: Array,
        clock: Clock,
        duration: float,
        integrator: Integrator,
        tolerance: float,
        longest: float,
        noise: tuple[float, float],
        share: float = 1.0,
        jumps: Sequence[tuple[float, float]] = (),
        chosen: bool = False,
        stops: Sequence[float] = (),
    ) -> None:
        self.problem, self.integrator, self.tolerance = problem, integrator, tolerance
        self.duration, self.clock, self.longest = duration, clock, longest
        self.chosen = chosen
        self.first, self.field = u, u.astype(np.float64, copy=False)
        self.elapsed, self.carry = 0.0, 0.0
        self.scale, self.spent = float(np.ptp(u)), 0.0  # the largest range or change; errors beyond what is shared
        self.wall, self.after, self.high = math.inf, 0.0, self.clock.high  # the next jump known: both its sides
        self.jumps = list(jumps)  # that are known from the begin
        self.searched = (-1.0, 0.0)  # whence and how far a jump was looked for
        self.forced, self.forced_since = 0, 0.0
        self.most = costs.longest_run(problem) * share
        self.steps, self.cost, self.total, self.pace_since, self.pace, self.slow = 0, 0.0, 0.0, 0.0, 1e-300, 0
        self.slope, self.proposed, self.rejected = self.field, 0.0, 0  # steps, since the last look at the pace
        self.noise = noise
        self.samples, self.seen = max(1, SAMPLES // max(1, len(stops))), 0.0  # of walls, before each stop
        if duration > 0:
            with np.errstate(all="ignore"):
                self.look_ahead(stops[0] if stops else duration)
                self.restart()

    def restart(self) -> None:
        """Evaluate the slope anew and propose a first step."""
        if self.jumps:
            self.hold_before(*self.jumps.pop(0))
        try:
            self.slope = evaluate(self.problem, self.clock.at(self.elapsed), self.field)
        except Overflow:
            raise ValueError(self.stuck("walls or source are not finite")) from None
        self.integrator.accept(self.clock, self.elapsed, self.field)
        steepest, size = largest(self.slope), max(largest(self.field), self.scale)
        first = 0.01 * (size / steepest) if steepest > 0 and size > 0 else math.inf
        self.proposed = min(first, max(0.01 * self.duration, math.ulp(0.0)), self.integrator.longest)

    def advance(self, stop: float) -> None:
        """Step until `stop` has elapsed."""
        with np.errstate(all="ignore"):
            self.look_ahead(stop)
            while self.elapsed < stop:
                if self.elapsed < self.wall:
                    self.step(min(stop, self.wall))
                else:
                    self.pass_jump()

    def look_ahead(self, stop: float) -> None:
        """Add to the scale the range that walls impose until a stop: no frame is judged by what comes after it."""
        if stop > self.seen:
            self.scale = max(self.scale, wall_range(self.problem, self.clock, stop, self.seen, self.samples))
            self.seen = stop

    def step(self, stop: float) -> None:
        """Compute one step, accepted or not, no further than `stop`."""
        left = stop - self.elapsed - self.carry
        longest = min(self.longest, self.integrator.longest)
        step = min(self.proposed, longest)
        if step >= left * (1 - 1e-9):
            step = left
        elif step > left / 2:
            step = left / 2  # two like steps rather than a long and a tiny one
        self.keep_pace(step)
        shortest = 4 * EPS * self.elapsed + 1e-30 * self.duration + 1e-322
        allowed = self.allowed(step, self.scale)
        try:
            trial = self.integrator.attempt(self.clock, self.elapsed, self.field, self.slope, step, allowed)
            error = trial.error if _checks.is_finite(trial.field) else math.inf
        except Overflow:
            trial, error = None, math.inf
        if trial is None or not math.isfinite(error):
            if step <= shortest:
                if self.is_finite_after(step):
                    raise ValueError(self.stuck("the right-hand side overflows or jumps without end"))
                raise ValueError(self.stuck("walls or source are not finite from then on"))
            self.proposed, self.rejected = max(SHRINK * step, min(step / 2, shortest)), self.rejected + 1
            return
        change = largest(trial.field, lambda one, other: np.abs(one - other), self.first)
        scale = max(self.scale, float(np.ptp(trial.field)), change)  # kept only if the step is accepted
        rate, reach = self.noise
        rounding = 4 * EPS * largest(trial.field) + min(4 * rate * step, reach)
        allowed = max(self.allowed(step, scale), rounding)
        if error > allowed and step > shortest:
            trial, self.rejected = None, self.rejected + 1  # its memory may serve to look for a jump
            factor = SAFETY * (allowed / error) ** (1 / self.integrator.order)
            if factor < 0.5 and self.find_jump(step):
                return
            self.proposed = max(step * min(SAFETY, max(SHRINK, factor)), min(step / 2, shortest))
            return
        if error > allowed:
            self.force()
        beyond = max(0.0, error - self.shared(step, scale))
        self.spent = self.spent * math.exp(-self.integrator.damping * step) + beyond
        self.scale, self.field, self.slope = scale, trial.field, trial.slope
        self.move(step, stop if step == left else None)
        factor = GROW if error == 0 else SAFETY * (allowed / error) ** (1 / (self.integrator.order + 1))
        if 1 - (self.integrator.least_growth - 1) / 4 <= factor < self.integrator.least_growth:
            factor = 1.0  # nor is a step that is hardly shorter
        if step >= 0.5 * self.proposed or factor < 1:
            self.proposed = min(step * min(GROW, max(SHRINK, factor)), longest)
        self.integrator.accept(self.clock, self.elapsed, self.field)

    def is_finite_after(self, step: float) -> bool:
        """Return whether the right-hand side is a number after a step, of the field as it is."""
        try:
            evaluate(self.problem, self.clock.at(self.elapsed + step), self.field)
        except Overflow:
            return False
        return True

    def shared(self, step: float, scale: float) -> float:
        """Return what a step has of the shared parts: more than that of its time where errors die out."""
        even = max(step / self.duration, -math.expm1(-self.integrator.damping * step))
        early = math.log1p(step / self.duration / (BEGIN + self.elapsed / self.duration)) / math.log1p(1 / BEGIN)
        return self.tolerance * max(scale, TINIEST) * (even / 4 + early / 8)

    def allowed(self, step: float, scale: float) -> float:
        """Return the error that a step may have: its share, and a part of what is left of the free eighth.

        The other half of the tolerance is for errors that grow and for what estimates miss.
        """
        free = self.tolerance * max(scale, TINIEST) / 8
        return self.shared(step, scale) + PART * max(0.0, free - self.spent)

    def move(self, step: float, stop: float | None) -> None:
        """Add a step to the time elapsed, compensated."""
        if stop is not None:
            self.elapsed, self.carry = stop, 0.0
        else:
            gained = step + self.carry
            total = self.elapsed + gained
            self.elapsed, self.carry = total, gained - (total - self.elapsed)

    def keep_pace(self, step: float) -> None:
        """Count what trial steps cost, accepted or not, and refuse to go on where they would never end.

        At once if steps no longer than they can be would cost more than a run may, or if they become ever shorter. What
        else is slow may be a transient: it is refused when it has cost so much, and asks for as much again. Where many
        steps are rejected, as where switches chatter, a quarter is enough.
        """
        self.steps += 1
        calls = self.clock.degree + 1  # of functions of time
        self.cost += calls * self.integrator.cost(step)
        if self.cost < self.most / CHECKS or self.steps < SOME:
            return
        past, self.pace = self.pace, max(self.elapsed - self.pace_since, 1e-300)
        self.pace_since, self.total = self.elapsed, self.total + self.cost
        left = self.duration - self.elapsed
        more, growth = left / self.pace, self.pace / past  # infinite at the first look, when nothing can be said yet
        if growth > 1:
            more = math.log1p(more * (1 - 1 / growth)) / math.log(growth)
        steps, cost = more * self.steps, more * self.cost
        shorter = growth <= 1 and steps > ENDLESS
        least = self.integrator.least_cost(left)
        if self.longest < left:
            longest = min(self.longest, self.integrator.longest)
            least = max(least, left / self.longest * self.integrator.cost(longest))
        sure = min(cost, calls * least) > self.most
        chatters = self.rejected > REJECTED * self.steps
        late = self.total > (self.most / SOONER if chatters else self.most) and self.total + cost > 2 * self.most
        self.slow = self.slow + 1 if shorter or sure or late else 0
        if self.slow == CONSECUTIVE:
            what = self.endless("steps become ever shorter, as where a field runs away or a function jumps without end")
            if steps < ENDLESS or self.pace * self.total > SLOWED * self.elapsed * self.cost:
                others = ""
                if self.longest < self.integrator.longest:
                    others = ", fewer with a longer max_step"
                elif self.integrator.longest < math.inf and not self.chosen:
                    others = ', fewer perhaps with method "auto"'
                what = f"some {steps:.0e} more steps would be needed{others}"
            raise ValueError(self.stuck(what))
        self.steps, self.cost, self.rejected = 0, 0.0, 0

    def force(self) -> None:
        """Count a step that is too short to be shortened; refuse to go on when they do not end."""
        self.forced += 1
        if self.forced % FORCED == 0:
            if self.elapsed - self.forced_since < 1e-3 * self.duration:
                raise ValueError(self.stuck(self.endless("source or walls jump without end, or the field runs away")))
            self.forced_since = self.elapsed

    def endless(self, what: str) -> str:
        """Return why steps do not end, and whether the source lets errors of the first field grow."""
        rate = float(reaction_slope(self.problem, self.clock.at(0.0), self.first).max())
        if rate * self.elapsed > 1:
            what += f", as errors do near an unstable value of the source (they grow at a rate of {rate:.3g}): a "
            others = "" if self.chosen else ' or method "auto"'
            what += f"smaller tolerance{others} may keep them small"
        return what

    def find_jump(self, step: float) -> bool:
        """Look for a jump of a function of time in the step ahead; if there is one, let the clock end before it."""
        if self.searched == (self.elapsed, self.wall):
            return False
        self.searched = (self.elapsed, self.wall)
        low, high = (self.clock.at(self.elapsed + ahead) for ahead in (0.0, step))
        high = max(high, min(low + WINDOW * math.ulp(low), self.clock.high))
        found = jump_between(self.problem, self.clock, low, high, self.field)
        if found is None:
            return False
        self.hold_before(*found)
        return True

    def hold_before(self, last: float, after: float) -> None:
        """Hold the clock before a jump, whose sides are given."""
        self.clock.high, self.after = last, after
        self.wall = after - self.clock.start  # late on a clock much may happen from one number to the next

    def pass_jump(self) -> None:
        """Go on behind a jump."""
        self.clock.low, self.clock.high = self.after, max(self.high, self.after)
        self.elapsed, self.carry = max(self.elapsed, self.after - self.clock.start), 0.0
        self.wall = math.inf
        self.restart()

    def stuck(self, what: str) -> str:
        """Return the message of a run that cannot go on."""
        low, high = float(self.field.min()), float(self.field.max())
        return (
            f"evolve cannot go on at time {self.clock.at(self.elapsed):.17g}, where the field lies between "
            f"{low:.6g} and {high:.6g}: {what}. Pass the times of jumps by jumps= or a Schedule, shorten the "
            f"duration, change tolerance=, or give switches a finite width"
        )
