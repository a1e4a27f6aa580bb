r"""Explicit Runge-Kutta steps of order 4 that hold few fields (Carpenter & Kennedy): large tanks that are not stiff.

With :math:`\Delta_i = a_i \Delta_{i-1} + \tau F(t + c_i \tau, Y_{i-1})` and :math:`Y_i = Y_{i-1} + b_i \Delta_i` five
stages need two fields more than the one that the step begins with and its slope, and a third adds up the error: the
difference to weights of order 3 for the five slopes and the one at the end, which is the next step's first.

References
----------
.. [1] M. H. Carpenter, C. A. Kennedy, "Fourth-order 2N-storage Runge-Kutta schemes", NASA TM-109112 (1994), solution 3.
"""

from __future__ import annotations

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import dormand_prince
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.in_pieces import add, largest
from diffuseconv.diffusion.integrator import Trial, evaluate, finite

__all__ = ["Steps"]

HELD = (
    0.0,
    -567301805773 / 1357537059087,
    -2404267990393 / 2016746695238,
    -3550918686646 / 2091501179385,
    -1275806237668 / 842570457699,
)
SHARES = (
    1432997174477 / 9575080441755,
    5161836677717 / 13612068292357,
    1720146321549 / 2090206949498,
    3134564353537 / 4481467310338,
    2277821191437 / 14882151754819,
)
NODES = (
    0.0,
    1432997174477 / 9575080441755,
    2526269341429 / 6820363962896,
    2006345519317 / 3224310063776,
    2802321613138 / 2924317926251,
)

# Of each change and of the last slope. Both sets of weights meet the conditions of order 3; those of the estimate miss
# two of order 4, on the sums of b a a c and of b c^3, by 1/500: errors are rather overrated.
DIFFERENCE = (
    -0.0012304614400491184,
    -0.007960689283754095,
    -0.09798597966556932,
    0.1340848927551427,
    0.03728021114337112,
)
LAST = -0.03872580341853823


class Steps(dormand_prince.Steps):
    """Explicit steps of order 4; their estimate is of order 3."""

    order = 3
    evaluations, reach, drift_reach = 5, 3.5, 0.9

    def attempt(self, clock: Clock, elapsed: float, u: Array, slope: Array, step: float, allowed: float) -> Trial:
        """Compute a trial step."""
        ahead, change, defect = u.copy(), step * slope, np.zeros_like(u)
        for held, node, share, weight in zip(HELD, NODES, SHARES, DIFFERENCE, strict=True):
            if node > 0:
                self.problem.advance(clock.at(elapsed + node * step), finite(ahead), change, scale=step, held=held)
            add(ahead, share, change)
            add(defect, weight, change)
        after = evaluate(self.problem, clock.at(elapsed + step), ahead, change)
        add(defect, LAST * step, after)
        return Trial(ahead, after, largest(defect))
