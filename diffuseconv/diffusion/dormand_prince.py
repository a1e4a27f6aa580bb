r"""Explicit Runge-Kutta steps of order 5 (Dormand & Prince), for what is not stiff: fronts, waves, swings.

Six evaluations go 1.5 times as far as one stable explicit step. Where what happens asks for steps no longer than that
they are worth hundreds of the second order, and unlike implicit ones they leave no trace of a front where it has not
come: errors there would grow with the reaction. The last evaluation is the next step's first, and the difference to
embedded weights of order 4 estimates the error.

References
----------
.. [1] J. R. Dormand, P. J. Prince, "A family of embedded Runge-Kutta formulae", J. Comput. Appl. Math. 6 (1980) 19.
"""

from __future__ import annotations

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import costs
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.in_pieces import combine, largest
from diffuseconv.diffusion.integrator import Trial, evaluate
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import fastest_decay

__all__ = ["Steps"]

NODES = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
DIFFERENCE = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)  # to weights of order 4
PROBED = 8  # steps between two estimates of the reaction's slope


class Steps:
    """Explicit steps of order 5; their estimate is of order 4."""

    order, damping, least_growth = 4, 0.0, 1.0
    # The region of stability holds the parabolas of drifts up to this real part, and squared imaginary over real part
    evaluations, reach, drift_reach = 6, 3.0, 0.7

    def __init__(self, problem: Lattice, duration: float) -> None:
        self.problem, self.rate, self.drift = problem, problem.largest_rate, problem.drift_rate
        self.decay, self.steps = 0.0, 0  # the reaction's fastest, as last seen; steps since
        self.direction: Array | None = None  # what it damps

    @property
    def longest(self) -> float:
        """The longest step that is stable."""
        return min(self.reach / max(self.rate, 1e-300), self.drift_reach / max(self.drift, 1e-300))

    def cost(self, step: float) -> float:
        """Return what a step costs, by a fixed model, in seconds."""
        return self.evaluations * costs.evaluation(self.problem)

    def least_cost(self, duration: float) -> float:
        """Return what a duration costs in steps of the longest."""
        return duration / self.longest * self.cost(self.longest)

    def accept(self, clock: Clock, elapsed: float, u: Array) -> None:
        """Look how fast drift and reaction are where the step has led, the latter at times."""
        here = self.problem.at(clock.at(elapsed))
        if self.problem.reaction is not None and self.steps % PROBED == 0:
            self.decay, self.direction = fastest_decay(self.problem, clock.at(elapsed), u, self.direction)
        self.steps += 1
        self.rate, self.drift = here.largest_rate + self.decay, here.drift_rate

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step."""
        slopes = np.empty((len(NODES) + 1, *u.shape))
        slopes[0] = slope
        for stage, (node, weights) in enumerate(zip(NODES, STAGES, strict=True), 1):
            ahead = combine(step * np.array([weights]), slopes[:stage])[0]
            ahead += u
            evaluate(self.problem, clock.at(elapsed + node * step), ahead, slopes[stage])
        error = largest(combine(step * np.array([DIFFERENCE]), slopes)[0])
        return Trial(ahead, slopes[-1].copy(), error)
