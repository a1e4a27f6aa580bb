"""The kernels of time series: averages, predictions, differences, responses and whitening are all convolutions.

A series runs forward in time, so tap ``j`` of a kernel weighs the value ``j`` steps in the past:
``(k * x)[t] = sum_j k[j] x[t - j]``.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import BoolArray, FloatArray
from diffuseconv.convolution import convolve
from diffuseconv.timeseries import _series
from diffuseconv.timeseries._state import psi_weights
from diffuseconv.timeseries.model import ARIMA, require_model

__all__ = [
    "difference",
    "difference_kernel",
    "impulse_response",
    "moving_average",
    "predict_ar",
    "whitening_kernel",
]


def moving_average(series: ArrayLike, weights: ArrayLike, *, mask: ArrayLike | None = None) -> FloatArray:
    r"""Average a series over a window that moves with time: a convolution, nothing else.

    .. math:: y_t = \sum_{j=0}^{q} w_j x_{t-j}, \qquad t = q, \dots, n-1

    Weights that are >= 0 and sum to 1 (a propagator) give an average in the everyday sense, which never leaves the
    range of the data. Any other weights applied to white noise give the *moving-average model* MA(q).

    Parameters
    ----------
    series : array, shape (n,)
        Values in order of time.
    weights : array, shape (q + 1,), q < n
        ``weights[0]`` is for the newest value in the window.
    mask : array of bool, shape (n,), keyword only
        True where the series is known. The weights (all >= 0) of the known values are scaled to the sum of all, so
        that an average is the mean of the known values; a window without any gives NaN.

    Returns
    -------
    array, shape (n - q,), float64
        Entry ``i`` belongs to time ``q + i``: no value is invented before the series begins.

    Raises
    ------
    ValueError, TypeError
        If an argument is not a finite one-dimensional series, the window is longer than the series, or a weight is
        negative with `mask`.

    Examples
    --------
    >>> dc.timeseries.moving_average([1.0, 2.0, 6.0, 3.0], [0.5, 0.5])
    array([1.5, 4. , 4.5])
    >>> gaps = np.array([1.0, np.nan, 6.0, 3.0])
    >>> dc.timeseries.moving_average(gaps, [0.5, 0.5], mask=np.isfinite(gaps))
    array([1. , 6. , 4.5])
    """
    taps = _series.series("weights", weights)
    values, known = _series.with_gaps("series", series, mask, least=len(taps))
    if mask is None:
        return _valid(values, taps)
    if taps.min() < 0 or not taps.any():
        raise ValueError(f"weights must be >= 0, and not 0 everywhere, with a mask, got {_checks.got(weights)}")
    return _valid(values, taps, known)


def predict_ar(series: ArrayLike, coefficients: ArrayLike, intercept: float = 0.0) -> FloatArray:
    r"""Predict each value from the `p` before it: a convolution of the past, plus an intercept.

    .. math:: \hat x_t = c + \sum_{j=1}^{p} \varphi_j x_{t-j}, \qquad t = p, \dots, n

    Parameters
    ----------
    series : array, shape (n,)
        The series as it was observed. Do not whiten it first: of white noise the best prediction is its mean.
    coefficients : array, shape (p,), p <= n
        :math:`\varphi_1, \dots, \varphi_p`.
    intercept : float
        :math:`c`.

    Returns
    -------
    array, shape (n - p + 1,), float64
        Entry ``i`` predicts ``series[p + i]``; the last entry predicts the value after the end.

    Raises
    ------
    ValueError, TypeError
        If an argument is not finite or not one-dimensional, or the series is shorter than `p`.

    References
    ----------
    Box, Jenkins, Reinsel, Ljung, "Time Series Analysis", 5th ed. (2015), eq. 3.1.4.

    Examples
    --------
    >>> dc.timeseries.predict_ar([1.0, 2.0, 4.0], [0.5, 0.25], intercept=1.0)
    array([2.25, 3.5 ])
    """
    taps = _series.series("coefficients", coefficients)
    constant = _checks.number("intercept", intercept)
    weighted = _valid(_series.series("series", series, least=len(taps)), taps)
    with _series.quietly():
        return _series.finite("series", weighted + constant, "predictions")


def difference_kernel(order: int = 1) -> FloatArray:
    r"""Return the kernel of the `order`-th difference, ``[1, -1]`` convolved with itself.

    .. math:: k_j = (-1)^j \binom{d}{j}, \qquad j = 0, \dots, d

    Parameters
    ----------
    order : int, 0 to 50
        :math:`d`; 0 gives the identity. (Every weight is a whole number that float64 holds exactly.)

    Returns
    -------
    array, shape (order + 1,), float64

    Raises
    ------
    ValueError, TypeError
        If `order` is not a whole number from 0 to 50.

    Examples
    --------
    >>> dc.timeseries.difference_kernel(2)
    array([ 1., -2.,  1.])
    """
    d = _checks.count("order", order, most=50)
    return np.array([(-1.0) ** j * math.comb(d, j) for j in range(d + 1)])


def difference(series: ArrayLike, order: int = 1) -> FloatArray:
    """Difference a series `order` times: convolve it with `difference_kernel`.

    A polynomial trend of degree below `order` vanishes.

    Parameters
    ----------
    series : array, shape (n,)
    order : int, 0 to 50, below n

    Returns
    -------
    array, shape (n - order,), float64

    Raises
    ------
    ValueError, TypeError
        If the series is not finite or one-dimensional, or has no more than `order` values.

    Examples
    --------
    >>> dc.timeseries.difference([0.0, 1.0, 4.0, 9.0], order=2)
    array([2., 2.])
    """
    taps = difference_kernel(order)
    return _valid(_series.series("series", series, least=len(taps)), taps)


def whitening_kernel(coefficients: ArrayLike) -> FloatArray:
    r"""Return the kernel ``[1, -phi_1, ..., -phi_p]`` that maps an autoregressive series back to white noise.

    .. math:: \varepsilon_t + c = x_t - \sum_{j=1}^{p} \varphi_j x_{t-j}

    It is what is left when the best prediction (`predict_ar`) is subtracted, and it undoes `impulse_response`:
    their convolution is 1 followed by zeros.

    Parameters
    ----------
    coefficients : array, shape (p,)
        :math:`\varphi_1, \dots, \varphi_p` of the autoregression; may be empty.

    Returns
    -------
    array, shape (p + 1,), float64

    Raises
    ------
    ValueError, TypeError
        If `coefficients` is not a finite one-dimensional sequence.

    Examples
    --------
    >>> kernel = dc.timeseries.whitening_kernel([0.5])
    >>> kernel
    array([ 1. , -0.5])
    >>> np.convolve(dc.timeseries.impulse_response(dc.timeseries.ARIMA(ar=[0.5]), 4), kernel)[:4]
    array([1., 0., 0., 0.])
    """
    return np.array([1.0, *(-c for c in _series.coefficients("coefficients", coefficients))])


def impulse_response(model: ARIMA, count: int) -> FloatArray:
    r"""Return the kernel (the psi-weights) that maps white noise to the model's series.

    .. math:: x_t = \sum_{j \ge 0} \psi_j \varepsilon_{t-j}, \qquad
              \psi(B) = \frac{1 + \theta_1 B + \dots + \theta_q B^q}
                             {(1 - \varphi_1 B - \dots - \varphi_p B^p)\,(1 - B)^d}

    For a stationary model the weights decay; with ``differences >= 1`` they do not, for a shock then stays.

    Parameters
    ----------
    model : ARIMA
    count : int, at least 1
        How many weights, from :math:`\psi_0 = 1` on.

    Returns
    -------
    array, shape (count,), float64

    Raises
    ------
    ValueError, TypeError
        If `count` is not a positive whole number.

    References
    ----------
    Box, Jenkins, Reinsel, Ljung, "Time Series Analysis", 5th ed. (2015), eq. 4.2.3.

    Examples
    --------
    >>> dc.timeseries.impulse_response(dc.timeseries.ARIMA(ar=[0.5], ma=[1.0]), 4)
    array([1.   , 1.5  , 0.75 , 0.375])
    """
    require_model(model)
    n = _checks.count("count", count, least=1)
    _checks.fits_memory("count", 8.0 * 3 * n, "ask for fewer weights")
    return _series.finite("count", psi_weights(model, n), "the weights")


def _valid(series: FloatArray, taps: FloatArray, known: BoolArray | None = None) -> FloatArray:
    """Convolve where the window lies wholly inside the series, each value as accurate as its own window allows."""
    try:  # (a transform's error would be that of the largest value)
        return np.asarray(convolve(series, taps, mode="valid", method="direct", mask=known))
    except ValueError:  # series and taps are checked: only their sums can be too large
        raise ValueError(
            f"series must leave weighted sums below {np.finfo(np.float64).max:.2g}, got larger ones"
        ) from None
