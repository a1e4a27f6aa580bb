r"""Runge-Kutta-Legendre steps (RKL2): second order in time, for what depends on time or on the field.

`s` stages, each as cheap as an explicit step, reach :math:`(s^2 + s - 2)/4` times as far as one: with
:math:`b_j = (j^2+j-2)/(2j(j+1))`, :math:`b_0 = b_1 = b_2 = 1/3`, :math:`w = 4/(s^2+s-2)` and F the right-hand side,

.. math::
    Y_1 &= Y_0 + b_1 w \tau F_0, \\
    Y_j &= \mu_j Y_{j-1} + \nu_j Y_{j-2} + (1-\mu_j-\nu_j) Y_0 + \tilde\mu_j \tau F_{j-1} + \tilde\gamma_j \tau F_0, \\
    \mu_j &= \tfrac{2j-1}{j} \tfrac{b_j}{b_{j-1}}, \quad \nu_j = -\tfrac{j-1}{j} \tfrac{b_j}{b_{j-2}}, \quad
    \tilde\mu_j = w \mu_j, \quad \tilde\gamma_j = -(1 - b_{j-1}) \tilde\mu_j.

The error of a step is :math:`(1/6 - c)\tau^3 u'''` with `c` the third coefficient of the stability polynomial
:math:`1 - b_s + b_s P_s(1 + wz)`, and :math:`u_{n+1} - u_n - \tau(F_n + F_{n+1})/2 = (c - 1/4)\tau^3 u'''` estimates it
for free, since the next step needs :math:`F_{n+1}` anyway.

References
----------
.. [1] C. D. Meyer, D. S. Balsara, T. D. Aslam, "A stabilized Runge-Kutta-Legendre method for explicit
   super-time-stepping of parabolic and mixed equations", J. Comput. Phys. 257 (2014) 594, equations 15 to 18.
.. [2] B. P. Sommeijer, L. F. Shampine, J. G. Verwer, "RKC: an explicit solver for parabolic PDEs", J. Comput. Appl.
   Math. 88 (1998) 315, section 2.4 (the estimate, for another polynomial).
"""

from __future__ import annotations

import math
from functools import lru_cache, partial
from typing import NamedTuple

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import control, costs
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.control import OPTIONS, unsupported
from diffuseconv.diffusion.in_pieces import add, largest
from diffuseconv.diffusion.integrator import Overflow, Trial, evaluate, finite
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import fastest_decay

__all__ = ["OPTIONS", "Steps", "memory", "solve", "step", "unsupported"]

MOST_STAGES = 299
PROBED = 8  # steps between two slopes of a reaction, where all of them reach no tenth as far as three stages can
# With a drift eigenvalues fill a parabola. These keep it inside the regions of stability, for 5 to 299 stages.
DRIFT_REACH, DRIFT_LIMIT = 0.8, 0.45  # share of the reach; largest step times the squared imaginary over the real part


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of the field, its slope, two stages and what a source returns, in float64."""
    return 40.0


class Steps:
    """Steps whose stages reach as far as the lattice and the reaction's slope ask for."""

    order, damping, least_growth = 2, 0.0, 1.0

    def __init__(self, problem: Lattice, duration: float) -> None:
        self.problem, self.rate, self.drift = problem, problem.largest_rate, problem.drift_rate
        self.decay = 0.0  # the reaction's fastest, as last seen
        self.direction: Array | None = None  # and what it damps
        self.steps, self.looked = 0, -math.inf  # since it was looked at, and when that was

    @property
    def longest(self) -> float:
        """The longest step that the largest number of stages can take."""
        longest = math.inf if self.rate == 0 else _reach(MOST_STAGES) * 2 / self.rate
        return longest if self.drift == 0 else min(longest * DRIFT_REACH, DRIFT_LIMIT / self.drift)

    def cost(self, step: float) -> float:
        """Return what a step costs, by a fixed model, in seconds."""
        return _stages_of(self.problem, step * self.rate / 2) * costs.evaluation(self.problem)

    def least_cost(self, duration: float) -> float:
        """Return what a duration costs in steps of the longest."""
        return duration / self.longest * self.cost(min(self.longest, duration))

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Look how fast drift and reaction are where the step has led, the latter less often where steps are short."""
        here = self.problem.at(clock.at(elapsed))
        self.drift, self.steps = here.drift_rate, self.steps + 1
        near = 10 * (elapsed - self.looked) * self.rate <= 2 * _reach(3)
        if self.problem.reaction is not None and not (near and self.steps < PROBED):
            self.decay, self.direction = fastest_decay(self.problem, clock.at(elapsed), u, self.direction)
            self.steps, self.looked = 0, elapsed
        self.rate = here.largest_rate + self.decay

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step_: float, allowed: float) -> Trial:
        """Compute a trial step."""
        rate = self.rate
        if self.problem.moving is not None:
            there = self.problem.at(clock.at(elapsed + step_))
            rate = max(rate, there.largest_rate)
            if step_ * there.drift_rate > DRIFT_LIMIT:
                raise Overflow
        spare = np.empty_like(u)
        ahead, share = step(self.problem, u, slope, clock, elapsed, step_, rate, spare)
        after = evaluate(self.problem, clock.at(elapsed + step_), ahead, None if ahead is spare else spare)

        def defect(ahead: Array, u: Array, slope: Array, after: Array) -> Array:
            return np.abs(ahead - u - step_ / 2 * (slope + after))

        return Trial(ahead, after, share * largest(ahead, defect, u, slope, after))


solve = partial(control.integrate, Steps)


def step(
    problem: Lattice,
    u: Array,
    slope: Array,
    clock: Clock,
    elapsed: float,
    duration: float,
    rate: float,
    spare: Array | None = None,
) -> tuple[Array, float]:
    """Compute one step; return the field after it, and what share of the trapezium's defect its own error is.

    Stages alternate between two fields, of which `spare` may be one: each is written over the last but one, of which it
    holds a part.
    """
    table = _coefficients(_stages_of(problem, duration * rate / 2))
    past, here = np.empty_like(u) if spare is None else spare, np.multiply(slope, table.first * duration)
    here += u
    begun = False
    for mu, nu, tilde_mu, tilde_gamma, at in table.rows:
        held, rest = (nu, 1 - mu - nu) if begun else (0.0, 1 - mu)  # the first stage of all is the field itself
        problem.advance(clock.at(elapsed + at * duration), finite(here), past, mu, tilde_mu * duration, held)
        add(past, rest, u)
        add(past, tilde_gamma * duration, slope)
        past, here, begun = here, past, True
    return here, table.error_share


def _reach(stages: int) -> float:
    """Return how far `stages` stages go, in stable explicit steps."""
    return (stages**2 + stages - 2) / 4


def _stages_of(problem: Lattice, ratio: float) -> int:
    """Return the stages of a step that is `ratio` stable explicit ones long, 5 at least with a drift."""
    plain = problem.symmetric and problem.moving is None
    return _stages(ratio) if plain else max(5, _stages(ratio / DRIFT_REACH))


def _stages(ratio: float) -> int:
    """Return the least odd number of stages, 3 at least, that goes `ratio` stable explicit steps far."""
    stages = max(3, math.ceil((math.sqrt(9 + 16 * ratio) - 1) / 2 * (1 - 1e-12)))
    return stages + (stages % 2 == 0)  # an odd number damps the fastest modes


class _Table(NamedTuple):
    """Coefficients of a step."""

    first: float
    rows: list[tuple[float, float, float, float, float]]  # mu, nu, tilde mu, tilde gamma, time of the stage before
    error_share: float


@lru_cache(maxsize=256)
def _coefficients(stages: int) -> _Table:
    """Compute the coefficients of a step with this number of stages."""
    s, w = stages, 1 / _reach(stages)
    b = [1 / 3, 1 / 3, *((j * j + j - 2) / (2 * j * (j + 1)) for j in range(2, s + 1))]
    b[2] = 1 / 3
    times = [0.0, b[1] * w]
    rows = []
    for j in range(2, s + 1):
        mu = (2 * j - 1) / j * b[j] / b[j - 1]
        nu = -(j - 1) / j * b[j] / b[j - 2]
        tilde_mu = w * mu
        tilde_gamma = -(1 - b[j - 1]) * tilde_mu
        rows.append((mu, nu, tilde_mu, tilde_gamma, times[-1]))
        times.append(mu * times[-1] + nu * times[-2] + tilde_mu + tilde_gamma)
    third = b[s] * w**3 * math.prod(range(s - 2, s + 4)) / 48 / 6  # P_s'''(1) = (s+3)! / (48 (s-3)!)
    return _Table(b[1] * w, rows, abs((1 / 6 - third) / (third - 1 / 4)))
