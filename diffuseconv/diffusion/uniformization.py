r"""Exact in time to a tolerance with a drift: powers of an explicit step, weighted by Poisson's distribution.

With a rate :math:`\rho` that no cell's outflow exceeds, :math:`P = 1 + L/\rho` is an explicit step of length
:math:`1/\rho` without negative weights, and

.. math:: e^{tL} = \sum_k e^{-\rho t} \frac{(\rho t)^k}{k!} P^k :

salt takes a random, Poisson distributed number of steps. All terms are >= 0, so nothing becomes negative and nothing is
lost. Constant sources and walls `b` enter every step, :math:`y_{k+1} = P y_k + b/\rho`; the sum of the weighted
:math:`y_k` is then :math:`e^{tL} u + t \varphi_1(tL) b`.

References
----------
.. [1] A. Jensen, "Markoff chains as an aid in the study of Markoff processes", Skand. Aktuarietidskr. 36 (1953) 87.
.. [2] B. L. Fox, P. W. Glynn, "Computing Poisson probabilities", Commun. ACM 31 (1988) 440.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np

from diffuseconv._typing import Array, FloatArray
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.scheme import check_updates, copies, unsteady
from diffuseconv.diffusion.sweeps import poisson_sum

__all__ = ["OPTIONS", "memory", "poisson_weights", "solve", "unsupported"]

OPTIONS = {"tolerance": 1e-12}  # of the field's range
ROUNDING = 16 * float(np.finfo(np.float64).eps)  # of a cell's outflow, lest a step take more than there is
MOST_CUT = 0.5  # of the probabilities: some term is left whatever the tolerance
FOLDS = 1500.0  # by e, from the least number to the largest: a field that grows more leaves the range of numbers
LEAST = 256  # cells: a step on fewer costs no less


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    if not problem.positive:
        return "needs rates that are not negative, which this tensor's are"
    return unsteady(problem)


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of two terms in float64, and copies of rates."""
    return 16.0 + copies(problem, 8)


def solve(
    problem: Lattice,
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
) -> Iterator[Array]:
    """Return the field at each of the `times`: see `scheme.Scheme`.

    The tolerance is relative to the range of the field, with 0 where salt is lost, or to what sources and walls add.
    The arithmetic is in float64 for float32 fields too; every term adds its rounding, up to 1e-16 of the largest value.
    """
    more = _diagonal_outflow(problem)

    def fastest(wall_share: float) -> float:
        return problem.most(lambda low, high: abs(problem.outflow_of(low, high, wall_share) + more[low:high]))

    rate, growth = max(fastest(0.0), fastest(1.0)) * (1 + ROUNDING), problem.growth
    if times:
        check_updates(
            max(u.size, LEAST),
            times[-1] * (rate + growth),
            "take larger cells, a shorter duration or steady_state",
        )
    error = min(MOST_CUT, (OPTIONS["tolerance"] if tolerance is None else tolerance) / max(1, len(times)))
    return _fields(problem, u, times, rate, growth, error)


def _fields(
    problem: Lattice, u: Array, times: Sequence[float], rate: float, growth: float, error: float
) -> Iterator[Array]:
    """Yield the field at each of the times."""
    field, begin, last = u, 0.0, len(times) - 1
    for index, time in enumerate(times):
        if time > begin:
            field = _advance(problem, field, rate, growth, time - begin, error)
            begin = time
        yield field.astype(u.dtype, copy=field is u or index < last)


def _diagonal_outflow(problem: Lattice) -> Array:
    """Return the rates at which each cell gives to its diagonal neighbours, as a tensor's cells do."""
    if problem.diagonal is None:
        return np.broadcast_to(0.0, problem.shape)
    rates = -problem.diagonal.diagonal().reshape(problem.shape)
    return np.asarray(rates if problem.weights is None else rates / problem.weights)


def _advance(lattice: Lattice, u: Array, rate: float, growth: float, duration: float, tolerance: float) -> Array:
    """Return the field after a duration."""
    if rate <= 0 or math.isinf(1 / duration):
        return u.astype(np.float64) + duration * (0.0 if lattice.forcing is None else lattice.forcing)
    if lattice.forcing is not None:  # what a step adds is then no more than the whole run adds, and so is what is cut
        rate = max(rate, 1 / duration)
    first, weights = poisson_weights(rate * duration, tolerance)
    growth = min(growth, FOLDS / duration)  # of which there are as many terms
    if growth > 0:  # terms grow like (1 + growth / rate)^k: the rest beyond the last is that of the larger mean
        least, more = poisson_weights((rate + growth) * duration, tolerance)
        ratios = rate * duration / np.arange(first + len(weights), least + len(more))
        weights = np.append(weights, weights[-1] * np.cumprod(ratios))
    return poisson_sum(lattice, u, 1 / rate, first, weights)


def poisson_weights(mean: float, tolerance: float) -> tuple[int, FloatArray]:
    """Return the first number and the probabilities of all numbers but those that hold `tolerance` in all.

    They come from the mode by the ratio of neighbours, downwards and upwards, and are divided by their sum.
    """
    mode = math.floor(mean)
    width = (
        math.ceil(math.sqrt(2 * max(mean, 1.0) * -math.log(tolerance / 4))) + math.ceil(-math.log(tolerance / 4)) + 2
    )
    low = max(0, mode - width)
    down = np.cumprod(np.arange(mode, low, -1) / mean)[::-1] if mode > low else np.zeros(0)
    up = np.cumprod(mean / np.arange(mode + 1, mode + width + 1))
    weights = np.concatenate([down, [1.0], up])
    weights /= weights.sum()
    begin = int(np.searchsorted(weights.cumsum(), tolerance / 2))
    end = len(weights) - int(np.searchsorted(weights[::-1].cumsum(), tolerance / 2))
    kept = weights[begin:end]
    return low + begin, kept / kept.sum()
