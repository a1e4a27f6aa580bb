"""Forecasts: the conditional mean given the past, and the variance of the noise to come."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import FloatArray
from diffuseconv.timeseries import _series
from diffuseconv.timeseries._state import polynomials, psi_weights, state_root
from diffuseconv.timeseries.model import ARIMA, require_invertible, require_model, require_stationary
from diffuseconv.timeseries.series_kernels import difference

__all__ = ["Forecast", "forecast"]


@dataclass(frozen=True)
class Forecast:
    """A forecast with its uncertainty; every array has one entry per step ahead.

    Attributes
    ----------
    mean : array
        The best prediction: the mean of the future given the whole past.
    standard_error : array
        Standard deviation of the error of `mean`.
    lower, upper : array
        Each step's interval: it holds the value with probability `confidence`, step by step, not all steps at once.
    confidence : float
    """

    mean: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: float


def forecast(model: ARIMA, series: ArrayLike, steps: int, *, confidence: float = 0.95) -> Forecast:
    r"""Forecast the next `steps` values of a series under a known model, with exact intervals.

    The forecast is the conditional mean given *all* observed values, without the usual approximation that the noise
    before the first value was zero: the unknown state before the series began is estimated along with it. Its error is

    .. math:: \operatorname{Var}[x_{n+h} - \hat x_{n+h}] = \sigma^2 \sum_{j=0}^{h-1} \psi_j^2 + s_h^\top C s_h,

    the psi-weights of `impulse_response` (differences included) squared and summed, plus the remaining covariance
    `C` of the state, which is 0 for pure AR models and dies out with the length of the series for others. The
    parameters are treated as known; with fitted ones the intervals are somewhat too narrow. With ``differences = d``
    the first `d` values are conditioned on (a flat prior on the level).

    Parameters
    ----------
    model : ARIMA
        Must be invertible, and stationary but for its differences (a pure AR model need not be stationary).
    series : array, shape (n,), n > differences
        A non-stationary AR model needs ``n >= p + differences``.
    steps : int, at least 1
    confidence : float in (0, 1), keyword only

    Returns
    -------
    Forecast

    Raises
    ------
    ValueError, TypeError
        If an argument breaks a rule above.

    References
    ----------
    Box, Jenkins, Reinsel, Ljung, "Time Series Analysis", 5th ed. (2015), eq. 5.1.16; for the state before the series,
    Harvey, "Forecasting, Structural Time Series Models and the Kalman Filter" (1989), section 3.4.

    Examples
    --------
    A random walk is expected to stay; its spread grows as the square root of time.

    >>> ahead = dc.timeseries.forecast(dc.timeseries.ARIMA(differences=1), [0.0, 2.0, 5.0], 4)
    >>> ahead.mean
    array([5., 5., 5., 5.])
    >>> ahead.standard_error**2
    array([1., 2., 3., 4.])
    """
    require_model(model)
    horizon = _checks.count("steps", steps, least=1)
    _checks.fits_memory("steps", 8.0 * (max(len(model.ar), len(model.ma), 1) + 8) * horizon, "forecast fewer steps")
    level = _checks.number("confidence", confidence, above=0.0)
    if level >= 1.0:
        raise ValueError(f"confidence must be less than 1, got {level:g}")
    require_invertible(model)
    if model.ma:
        require_stationary(model)
    values = _series.series("series", series, least=model.differences + (1 if model.stationary else len(model.ar)))

    with _series.quietly():
        ahead = _ahead(model, values, horizon, level)
    for part in (ahead.mean, ahead.standard_error, ahead.lower, ahead.upper):
        _series.finite("steps", part, "the forecast")
    return ahead


def _ahead(model: ARIMA, values: FloatArray, horizon: int, level: float) -> Forecast:
    """Forecast from checked arguments."""
    from scipy.special import ndtri

    mean, reach, spread = _predict(model, difference(values, model.differences), horizon)
    for order in reversed(range(model.differences)):  # undo the differences, from the last value of each
        mean = difference(values, order)[-1] + np.cumsum(mean)
        reach = np.cumsum(reach, axis=0)
    noise = np.cumsum(psi_weights(model, horizon) ** 2)
    error = np.sqrt(model.noise_variance * (noise + np.sum((reach @ spread) ** 2, axis=1)))
    width = -float(ndtri((1.0 - level) / 2.0)) * error
    return Forecast(mean, error, mean - width, mean + width, level)


def _predict(model: ARIMA, series: FloatArray, steps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Forecast an ARMA series: its mean, each step's answer to the state now, and a root of the state's covariance.

    The transposed direct form has the state ``z``, and the filter with numerator and denominator exchanged has ``-z``:
    one run of it over the data maps a guess of the first state to the noise and the last state, both linear in it.
    """
    from scipy.linalg import qr, solve_triangular
    from scipy.signal import lfilter

    numerator, denominator = polynomials(model)
    size = len(numerator) - 1
    state: FloatArray
    spread: FloatArray
    if not model.ma and len(series) >= len(model.ar):  # the last p values tell the state; no mean is needed
        mean, push = 0.0, model.intercept
        past = series[::-1]
        state = np.array([-denominator[i + 1 :] @ past[: size - i] for i in range(size)])
        spread = np.zeros((size, size))
    else:
        mean, push = model.mean, 0.0
        noise, last = lfilter(denominator, numerator, series - mean, zi=np.zeros(size))
        _series.finite("series", noise, "the noise")
        effect, lasts = lfilter(denominator, numerator, np.zeros((size, len(series))), zi=np.eye(size))
        root = state_root(model)
        # Weigh the noise that each first state would imply against the state's own prior: a least-squares problem.
        q, r = qr(np.vstack([effect.T @ root, np.eye(size)]), mode="economic")
        carry = lasts.T @ root
        state = carry @ solve_triangular(r, q[: len(series)].T @ noise) - last
        spread = solve_triangular(r, carry.T, trans="T").T
    ahead, _ = lfilter(numerator, denominator, np.full(steps, push), zi=state)
    reach, _ = lfilter(numerator, denominator, np.zeros((size, steps)), zi=np.eye(size))
    return ahead + mean, reach.T, spread
