r"""Exponential Runge-Kutta steps of order 4 (Krogstad): diffusion exactly, by its modes, whatever else by quadratics.

With :math:`N` all that is not :math:`L u` (reactions, sources, walls), a step is

.. math:: u(t + \tau) = e^{\tau L} u(t) + \int_0^\tau e^{(\tau - s) L} N(s)\,ds

where a quadratic through the stages at both ends and twice in the middle stands for `N`. So the step is as long as the
reaction lets it be, however fine the cells. The error is estimated by the defect: what `N` is on the solution that the
quadratic makes, less the quadratic, at each quarter of the step, and through these a quartic; and by the difference of
the last stage to the end, of which a quadratic of order 3 would make an error, times what a step makes of that.

References
----------
.. [1] S. Krogstad, "Generalized integrating factor methods for stiff PDEs", J. Comput. Phys. 203 (2005) 72.
.. [2] A.-K. Kassam, L. N. Trefethen, "Fourth-order time-stepping for stiff PDEs", SIAM J. Sci. Comput. 26 (2005) 1214.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from typing import NamedTuple

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import costs, late, spectral
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.in_pieces import largest
from diffuseconv.diffusion.integrator import Trial, finite
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.modes import axes_of
from diffuseconv.diffusion.reaction import fastest_decay, reaction_slope

__all__ = ["Steps", "doubled", "memory", "phi", "supported"]

EPS = float(np.finfo(np.float64).eps)
REACH = 2.5  # of a reaction's decay times the step
PROBED = 8  # steps between two estimates of the reaction's slope
FUNCTIONS = 5  # of which a quartic takes all
SERIES = 16  # terms for numbers of at most 1 in magnitude
NODES = np.array([1 / 4, 1 / 2, 3 / 4, 1.0])  # where defects are looked at, as shares of a step
LINEAR = 72 / 120  # see `Steps.response`
SPARE = 0.01  # of the tolerance: the share of its own value that the rounding of a cell may be


def supported(problem: Lattice) -> bool:
    """Return whether the diffusion of a problem has modes that transforms find, between closed or joined ends.

    What walls bring in from outside, or take of a reaction, lies in modes so fast that it costs the order.
    """
    axes = axes_of(problem)
    closed = axes is not None and all(axis.low == axis.high == 0 for axis in axes)
    still = problem.drift is None and problem.moving is None and not problem.moving_walls
    return closed and still and spectral.has_one_decay(problem)


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of weights, amplitudes and fields."""
    return 8 * 30.0


def phi(z: Array) -> list[Array]:
    r"""Compute :math:`e^z` and :math:`\varphi_k(z) = \int_0^1 e^{(1-s) z} s^{k-1} ds / (k-1)!`, k = 1 ... 5, z <= 0."""
    small = z > -1
    near, far = np.where(small, z, 0.0), np.where(small, -1.0, z)
    last = np.ones(z.shape)
    for n in range(SERIES + FUNCTIONS, FUNCTIONS, -1):
        last *= near / n
        last += 1
    below = [last / math.factorial(FUNCTIONS)]
    for k in range(FUNCTIONS - 1, 0, -1):
        below.append(near * below[-1] + 1 / math.factorial(k))
    found = [np.exp(z), np.expm1(far) / far]
    for k in range(1, FUNCTIONS):
        found.append((found[-1] - 1 / math.factorial(k)) / far)
    return [found[0], *(np.where(small, one, other) for one, other in zip(reversed(below), found[1:], strict=True))]


def doubled(of: Sequence[Array]) -> list[Array]:
    """Return what `phi` is of twice the numbers: sums of what is positive, which keep their digits."""
    shares = [1 / math.factorial(k) for k in range(FUNCTIONS)]
    return [of[0] ** 2] + [
        (of[0] * of[k] + sum(shares[k - j] * of[j] for j in range(1, k + 1))) / 2**k for k in range(1, FUNCTIONS + 1)
    ]


class _Weights(NamedTuple):
    """What a step multiplies amplitudes by: `phi` of a quarter, half and all of it, and defects by for their error."""

    quarter: list[Array]
    half: list[Array]
    whole: list[Array]
    defects: list[Array]


class _Reached(NamedTuple):
    """A field, its amplitudes, and those of all that is not diffusion there."""

    field: Array
    amplitudes: Array
    rest: Array


class Steps:
    """Exponential steps; their estimate is of order 4."""

    order, damping, least_growth = 4, 0.0, 1.2

    def __init__(self, problem: Lattice, tolerance: float) -> None:
        self.problem, self.tolerance = problem, tolerance
        self.plan = spectral.plan_of(problem)
        shape, size = problem.shape, math.prod(problem.shape)
        self.thin = max(shape) * size <= late.SINGLE  # products with all modes are quicker than transforms
        parts = self.plan.growing if self.thin else self.plan.mode_rates
        self.rates = reduce(np.add.outer, parts) + self.plan.decay
        self.made_for: float = 0.0  # the step of the weights
        self.weights: _Weights | None = None
        self.begun: _Reached | None = None  # where the next step begins, if that is known
        self.tried: _Reached | None = None  # and where the last trial step has led
        self.decay, self.growth, self.steps = 0.0, 0.0, 0  # the reaction's fastest, as last seen; steps since
        self.direction: Array | None = None  # what it damps
        self.drowns = False  # whether rounding may grow to what matters

    @property
    def longest(self) -> float:
        """The longest step: what a reaction damps must not swing, and rounding must not grow to what matters."""
        if self.drowns:
            return 0.0
        return REACH / self.decay if self.decay > 0 else math.inf

    def cost(self, step: float) -> float:
        """Return what a step costs, by a fixed model, in seconds."""
        return 7 * costs.evaluation(self.problem) + costs.modes(self.problem, self.thin, self.made_for != step)

    def least_cost(self, duration: float) -> float:
        """Return what a duration costs in steps of the longest."""
        return 0.0 if self.longest == 0 else duration / self.longest * self.cost(self.longest)

    def forget(self) -> None:
        """Forget fields and weights: another kind of steps goes on."""
        self.made_for, self.weights, self.begun, self.tried, self.steps = 0.0, None, None, None, 0

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Keep what the step has led to, and look at times how fast the reaction is there."""
        self.begun = self.tried if self.tried is not None and self.tried.field is u else None
        self.tried = None
        if self.steps % PROBED == 0:
            self.look(clock.at(elapsed), u)
        self.steps += 1

    def look(self, time: float, u: Array) -> None:
        """Look how fast the reaction is, and whether rounding may grow to what matters.

        Transforms leave some everywhere, also where a front has not come: there a reaction may let it grow, now or
        later.
        """
        slope = reaction_slope(self.problem, time, u)
        self.decay, self.direction = fastest_decay(self.problem, time, u, self.direction)
        self.growth = float(slope.max()) if self.direction is None else self.decay  # as far as is known, of cells
        empty = np.abs(u) <= EPS / (SPARE * self.tolerance) * largest(u)
        self.drowns = bool(np.broadcast_to(slope, u.shape)[empty].any())

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step."""
        by = self.prepared(step)
        if self.begun is None or self.begun.field is not u:
            self.begun = _Reached(u, self.analyse(u), self.analyse(self.rest(clock.at(elapsed), u)))
        begin, first = self.begun.amplitudes, self.begun.rest

        def stage(share: float, amplitudes: Array) -> Array:
            return self.analyse(self.rest(clock.at(elapsed + share * step), self.synthesise(amplitudes)))

        half, whole = by.half, by.whole
        kept = half[0] * begin
        second = stage(0.5, kept + step / 2 * half[1] * first)
        third = stage(0.5, kept + step * (half[1] * first / 2 + half[2] * (second - first)))
        predicted = self.synthesise(whole[0] * begin + step * (whole[1] * first + 2 * whole[2] * (third - first)))
        fourth_field = self.rest(clock.at(elapsed + step), predicted)
        fourth = self.analyse(fourth_field)
        rise, bend = 2 * (second + third) - 3 * first - fourth, 2 * (first - second - third + fourth)

        def after(share: float, of: list[Array], start: Array, low: Array, rise: Array) -> Array:
            """Return amplitudes a share of the step after a start, where the quadratic has a value and a slope."""
            gathered: Array = of[1] * low + share * (of[2] * rise + 2 * share * of[3] * bend)
            return of[0] * start + share * step * gathered

        amplitudes = after(1.0, whole, begin, first, rise)
        ahead = self.synthesise(amplitudes.copy())
        last_field = self.rest(clock.at(elapsed + step), ahead)
        last = self.analyse(last_field)

        middle, central = after(0.5, half, begin, first, rise), first + rise / 2 + bend / 4
        defects = (
            stage(0.25, after(0.25, by.quarter, begin, first, rise)) - (first + rise / 4 + bend / 16),
            stage(0.5, middle.copy()) - central,
            stage(0.75, after(0.25, by.quarter, middle, central, rise + bend)) - (first + rise * 0.75 + bend * 0.5625),
            last - fourth,
        )
        missed = sum(share * defect for share, defect in zip(by.defects, defects, strict=True))
        of_order_three = step * (4 * whole[3] - whole[2]) * defects[-1]
        response = step * self.response(ahead - predicted, last_field - fourth_field)
        error = largest(self.synthesise(missed)) + response * largest(self.synthesise(of_order_three))
        self.tried = _Reached(ahead, amplitudes, last)
        last_field += self.problem.apply(ahead)
        return Trial(ahead, last_field, error)

    def response(self, moved: Array, changed: Array) -> float:
        """Return what, times a step, makes of errors of order 3 those of a reaction that is proportional to the field.

        Of these defects tell nothing: on the solution that it makes the quadratic has the integral of such a reaction.
        With a slope k what the last stage and the end bring in differs by k (k h)^3 / 12, of which 1/6 in a step of h
        is the error of order 3, and the true one is (k h)^5 / 120.
        """
        least = largest(moved)
        along = largest(changed) / least if least > 0 else 0.0
        return LINEAR * max(along, self.decay, self.growth)

    def prepared(self, step: float) -> _Weights:
        """Return the weights of a step, made anew where they are of another one."""
        if self.weights is None or self.made_for != step:
            self.weights = None  # whose memory the next ones take
            quarter = phi(-step / 4 * self.rates)
            half = doubled(quarter)
            whole = doubled(half)
            powers = [step * math.factorial(k) * whole[k + 1] for k in range(1, FUNCTIONS)]  # integrals of s^k
            fit = np.linalg.inv(NODES[:, None] ** np.arange(1, FUNCTIONS))
            shares = [sum(part * power for part, power in zip(column, powers, strict=True)) for column in fit.T]
            self.weights, self.made_for = _Weights(quarter[:4], half[:4], whole[:4], shares), step
        return self.weights

    def rest(self, time: float, u: Array) -> Array:
        """Return all that is not diffusion; functions given by users see finite fields only."""
        total = np.zeros(u.shape)
        self.problem.add_terms(time, finite(u), total, 1.0)
        return finite(total)

    def analyse(self, field: Array) -> Array:
        """Return the amplitudes of all modes."""
        return self.plan.project(field, self.problem.shape) if self.thin else self.plan.analyse(field)

    def synthesise(self, amplitudes: Array) -> Array:
        """Return the field of amplitudes, which may be overwritten."""
        return self.plan.expand(amplitudes) if self.thin else self.plan.synthesise(amplitudes)
