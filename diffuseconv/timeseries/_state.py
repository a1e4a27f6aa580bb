"""The recursion's polynomials, and the state that the filter keeps from step to step."""

from __future__ import annotations

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.timeseries import _series
from diffuseconv.timeseries.model import ARIMA


def polynomials(model: ARIMA) -> tuple[FloatArray, FloatArray]:
    """Return ``[1, *ma]`` and ``[1, *-ar]``, padded to one length (at least 2, so that there is a state)."""
    size = max(len(model.ar), len(model.ma), 1) + 1
    numerator, denominator = np.zeros(size), np.zeros(size)
    numerator[: len(model.ma) + 1] = [1.0, *model.ma]
    denominator[: len(model.ar) + 1] = [1.0, *(-phi for phi in model.ar)]
    return numerator, denominator


def psi_weights(model: ARIMA, count: int) -> FloatArray:
    """Return the first weights of the response to a shock, differences undone; infinite where they overflow."""
    from scipy.signal import lfilter

    with _series.quietly():
        weights: FloatArray = lfilter(*polynomials(model), np.eye(1, count)[0])
        for _ in range(model.differences):
            weights = np.cumsum(weights)
    return weights


def state_root(model: ARIMA) -> FloatArray:
    """Return L with L L' = P, the stationary covariance of the filter's state for noise of variance 1.

    The state of the transposed direct form obeys ``z' = A z + b noise``, ``output = z[0] + noise``.
    """
    numerator, denominator = polynomials(model)
    size = len(numerator) - 1
    advance = np.eye(size, k=1)
    advance[:, 0] -= denominator[1:]
    push = numerator[1:] - denominator[1:]
    with _series.quietly():
        covariance = _series.finite("ma", np.outer(push, push), "the variance of the series")
    for _ in range(64):  # Smith's doubling: only sums of positive semi-definite terms, twice as many each time
        more = advance @ covariance @ advance.T
        covariance = covariance + more
        if np.abs(more).max() <= 1e-17 * np.abs(covariance).max():
            break
        advance = advance @ advance
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
