"""The recursion's polynomials, whether they decay, and the state that the filter carries from step to step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import FloatArray

if TYPE_CHECKING:
    from diffuseconv.timeseries.model import ARIMA


def decays(coefficients: Sequence[float]) -> bool:
    """Decide whether ``x[t] = sum_j coefficients[j - 1] x[t - j]`` dies out, for the floats given: exactly.

    Schur and Cohn: every partial autocorrelation lies within (-1, 1). In whole numbers, for near a double root
    rounding would decide: floats lose half of their digits there, and so do root finders.
    """
    if math.fsum(map(abs, coefficients)) < 0.999:  # sure, and quick
        return True
    fractions = [Fraction(value) for value in coefficients]
    scale = math.lcm(*(value.denominator for value in fractions))
    left = [scale, *(-int(value * scale) for value in fractions)]
    while len(left) > 1:
        first, last = left[0], left[-1]
        if abs(last) >= abs(first):
            return False
        left = [first * a - last * b for a, b in zip(left[:-1], left[:0:-1], strict=True)]
        divisor = math.gcd(*left)
        left = [value // divisor for value in left]
    return True


def polynomials(model: ARIMA) -> tuple[FloatArray, FloatArray]:
    """Return ``[1, *ma]`` and ``[1, *-ar]``, padded to one length (at least 2, so that there is a state)."""
    size = max(len(model.ar), len(model.ma), 1) + 1
    numerator, denominator = np.zeros(size), np.zeros(size)
    numerator[: len(model.ma) + 1] = [1.0, *model.ma]
    denominator[: len(model.ar) + 1] = [1.0, *(-phi for phi in model.ar)]
    return numerator, denominator


def state_root(model: ARIMA) -> FloatArray:
    """Return L with L L' = P, the stationary covariance of the filter's state for noise of variance 1.

    The state of the transposed direct form obeys ``z' = A z + b noise``, ``output = z[0] + noise``.
    """
    numerator, denominator = polynomials(model)
    size = len(numerator) - 1
    advance = np.eye(size, k=1)
    advance[:, 0] -= denominator[1:]
    push = numerator[1:] - denominator[1:]
    covariance = np.outer(push, push)
    for _ in range(64):  # Smith's doubling: only sums of positive semi-definite terms, twice as many each time
        more = advance @ covariance @ advance.T
        covariance = covariance + more
        if np.abs(more).max() <= 1e-17 * np.abs(covariance).max():
            break
        advance = advance @ advance
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))


def require_model(model: object) -> None:
    """Refuse what is not a model."""
    from diffuseconv.timeseries.model import ARIMA

    if not isinstance(model, ARIMA):
        raise TypeError(f"model must be an ARIMA (a fit holds one: fit.model), got {_checks.got(model)}")


def require_stationary(model: ARIMA) -> None:
    """Refuse a model whose AR part has a root on or inside the unit circle."""
    if not model.stationary:
        raise ValueError(f"model must be stationary here (put unit roots into differences=), got ar={list(model.ar)}")


def require_invertible(model: ARIMA) -> None:
    """Refuse a model whose MA part has a root on or inside the unit circle."""
    if not model.invertible:
        raise ValueError(f"model must be invertible here (MA roots outside |z| = 1), got ma={list(model.ma)}")
