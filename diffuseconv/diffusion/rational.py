r"""Exact in time at a cost that grows with neither time nor contrast: the best rational approximation of exp.

On the negative axis :math:`e^x` differs by at most 1.9e-14 from

.. math:: r(x) = r_\infty + 2 \operatorname{Re} \sum_{j=1}^{7} \frac{c_j}{x - x_j},

so that :math:`e^{tL} u` takes seven shifted sparse solutions, whatever `t` and `L` are. Constant sources and walls `b`
share them: :math:`\varphi_1(x) = (e^x - 1)/x` becomes :math:`2 \operatorname{Re} \sum (c_j / x_j) / (x - x_j)`,
which is :math:`(r(x) - r(0))/x`. The residues reach 112, so that rounding is some 1e-13 of the largest value.

Later frames cost nothing once the field is steady: `L` is symmetric with no positive eigenvalue, so that for any field
:math:`\|u(t_3) - u(t_2)\| \le \max(1, (t_3 - t_2)/(t_2 - t_1)) \|u(t_2) - u(t_1)\|`.

References
----------
.. [1] L. N. Trefethen, J. A. C. Weideman, T. Schmelzer, "Talbot quadratures and rational approximations", BIT 46 (2006)
   653.
.. [2] W. J. Cody, G. Meinardus, R. S. Varga, "Chebyshev rational approximations to exp(-x) in [0, inf)", J. Approx.
   Theory 2 (1969) 50.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import costs, shifted
from diffuseconv.diffusion.in_pieces import add
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.scheme import unsteady, unsymmetric

__all__ = ["AT_INFINITY", "OPTIONS", "POLES", "RESIDUES", "is_cheaper", "memory", "solve", "unsupported"]

OPTIONS = {"tolerance": 1e-10}  # of the field's range
POLES = (
    -8.897773186468888820 + 16.63098261990208530j,
    -3.703275049423448060 + 13.65637187148326817j,
    -0.2087586382501301251 + 10.99126056190126091j,
    3.993369710578568519 + 6.004831642235037318j,
    5.089345060580624507 + 3.588824029027006510j,
    5.623142572745977125 + 1.194069046343966977j,
    2.269783829231112710 + 8.461737973040221402j,
)
RESIDUES = (
    -7.154288063589067285e-5 + 1.436104334954130011e-4j,
    9.439025310736168878e-3 - 1.718479195848301751e-2j,
    -3.763600387822696872e-1 + 3.351834702945010421e-1j,
    -2.349823209108270119e1 - 5.808359129714207400e0j,
    4.693327448883129305e1 + 4.564364976882776079e1j,
    -2.787516194014564647e1 - 1.021473399905645143e2j,
    4.807112098832508891e0 - 1.320979383742872388e0j,
)
FINEST = 1e-11  # the least tolerance that it is sure to meet: r'(0) is off by 2e-12
AT_INFINITY = 1.832174378254041275e-14


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    return unsteady(problem) or unsymmetric(problem)


def is_cheaper(problem: Lattice, duration: float, frames: int, tolerance: float | None) -> bool:
    """Compare the cost of Chebyshev polynomials, which grows with the root of time, and of rational functions."""
    if unsupported(problem) is not None or not shifted.factorises(problem):
        return False
    if tolerance is not None and tolerance < FINEST:
        return False
    terms = 30 + 7 * math.sqrt(duration * problem.largest_rate / 2)
    polynomial = terms * (3e-7 + math.prod(problem.shape) * 1e-9) + 3e-4
    return 7 * 2 * frames * costs.factorisation(problem) < polynomial


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of a matrix as it is made, of some complex fields and of one complex factorisation."""
    fields = 20.0 if len(problem.shape) == 1 else 40.0 if problem.diagonal is None else 60.0
    return 8 * fields + 20 * costs.entries(problem)


def solve(
    problem: Lattice,
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
) -> Iterator[Array]:
    """Yield the field at each of the `times`: see `scheme.Scheme`."""
    first = here = u.astype(np.float64)
    allowed = (OPTIONS["tolerance"] if tolerance is None else tolerance) * float(np.ptp(first))
    before, settled = 0.0, False
    for time in times:
        if time > before and not settled:
            past, here = here, _evolve(problem, first, time)
            change = shifted.norm(here - past)
            settled = before > 0 and change * max(1.0, (times[-1] - time) / (time - before)) <= allowed / 10
            before = time
        yield here.astype(u.dtype)


def _evolve(problem: Lattice, u: Array, duration: float) -> Array:
    """Evolve a field: what stands still stays as it is to the last bit."""
    if problem.forcing is None and not problem.apply(u).any():
        return u.copy()
    loses = problem.forcing is not None or problem.loses
    level = 0.0 if loses else float(u.min() + u.max()) / 2  # a constant stays as it is where nothing is lost
    vector = u - level
    total = (AT_INFINITY + _at_zero()) * vector
    for pole, residue in zip(POLES, RESIDUES, strict=True):
        try:
            add(total, 2.0, _term(problem, pole, residue, vector, duration).real)
        except np.linalg.LinAlgError:
            raise ValueError(
                f"duration times the fastest rate must leave the digits that a factorisation needs, "
                f"got {duration * problem.largest_rate:.3g}: shorten the duration, take larger cells, or "
                f"steady_state"
            ) from None
    still = u if problem.forcing is None else u + duration * problem.forcing
    evolved: Array = np.where(problem.exchanging(), total + level, still)
    return evolved


def _term(problem: Lattice, pole: complex, residue: complex, vector: Array, duration: float) -> Array:
    """Return the term of one pole; its factors are freed before those of the next are made."""
    solve, right = shifted.solver(problem, -pole, -duration), residue * vector
    if problem.forcing is not None:
        add(right, residue / pole * duration, problem.forcing)
    return solve(right)


def _at_zero() -> float:
    """Return what r(0) lacks to 1: added, it keeps the mass."""
    there = AT_INFINITY - 2 * sum((residue / pole).real for pole, residue in zip(POLES, RESIDUES, strict=True))
    return 1.0 - there
