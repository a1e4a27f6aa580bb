"""An ARIMA model as a filter from white noise to a series, and its inverse."""

from __future__ import annotations

from typing import overload

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import FloatArray
from diffuseconv.timeseries import _series
from diffuseconv.timeseries._state import polynomials, state_root
from diffuseconv.timeseries.model import ARIMA, require_invertible, require_model
from diffuseconv.timeseries.series_kernels import difference_kernel, whitening_kernel

__all__ = ["arma_filter", "innovations", "simulate"]


@overload
def arma_filter(model: ARIMA, noise: ArrayLike, *, zi: None = None) -> FloatArray: ...
@overload
def arma_filter(model: ARIMA, noise: ArrayLike, *, zi: ArrayLike) -> tuple[FloatArray, FloatArray]: ...
def arma_filter(
    model: ARIMA, noise: ArrayLike, *, zi: ArrayLike | None = None
) -> FloatArray | tuple[FloatArray, FloatArray]:
    r"""Apply the model, at rest before the first step, to the noise passed in.

    Before the first step :math:`x`, :math:`w` and :math:`\varepsilon` are all 0. Without intercept this is
    the convolution of the noise with `impulse_response`, and `innovations` undoes it. A series of a stationary model
    settles from rest at the pace of its impulse response: drop a first part ("burn-in"), or use `simulate`, which needs
    none.

    Parameters
    ----------
    model : ARIMA
        Need not be stationary. Its ``noise_variance`` plays no part: the noise is used as it is.
    noise : array, shape (n,)
        :math:`\varepsilon_0, \dots, \varepsilon_{n-1}`.
    zi : array, shape (max(p + d, q),), keyword only
        The state before the first step, as in `scipy.signal.lfilter` (for the numerator :math:`\theta` and the
        denominator :math:`\varphi(B)(1 - B)^d`), instead of rest: zeros at first, then what the last call returned,
        to filter a long series piece by piece. This one recursion loses digits of a series of differences that a
        call without `zi` keeps: with two of them 7e-9 of the largest value were seen after 3000 steps.

    Returns
    -------
    array, shape (n,), float64
        The series.
    zf : array
        The state after the last step; only if `zi` was given.

    Raises
    ------
    ValueError, TypeError
        If the noise is not a finite one-dimensional series, or `zi` has another shape.

    Examples
    --------
    >>> model = dc.timeseries.ARIMA(ar=[0.5])
    >>> dc.timeseries.arma_filter(model, [1.0, 0.0, 2.0])
    array([1.  , 0.5 , 2.25])
    >>> series, state = dc.timeseries.arma_filter(model, [1.0, 0.0], zi=[0.0])
    >>> dc.timeseries.arma_filter(model, [2.0], zi=state)
    (array([2.25]), array([1.125]))
    """
    from scipy.signal import lfilter

    require_model(model)
    shocks = _series.series("noise", noise)
    if zi is not None:
        return _continued(model, shocks, zi)
    with _series.quietly():
        averaged = lfilter([1.0, *model.ma], [1.0], shocks) + model.intercept
        driven = _integrate(lfilter([1.0], whitening_kernel(model.ar), averaged), model.differences)
    return _series.finite("noise", driven, "the series")


def _continued(model: ARIMA, shocks: FloatArray, zi: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Apply the model from a state on; return the series and the state it ends in."""
    from scipy.signal import lfilter

    numerator = np.array([1.0, *model.ma])
    denominator = np.convolve(whitening_kernel(model.ar), difference_kernel(model.differences))
    size = max(len(numerator), len(denominator)) - 1
    state = _checks.plain("zi", zi, empty=size == 0)
    state = _series.series("zi", state) if size else state.astype(np.float64)
    if state.shape != (size,):
        raise ValueError(f"zi must have shape ({size},) for this model, got {state.shape}")
    with _series.quietly():
        driven, ends = lfilter(numerator, denominator, shocks, zi=state)
        # the intercept enters behind the moving average
        pushed, rest = lfilter(
            [1.0], denominator, np.full(len(shocks), model.intercept), zi=np.zeros(len(denominator) - 1)
        )
        series = _series.finite("noise", driven + pushed, "the series")
        ends[: len(rest)] += rest
        return series, _series.finite("noise", ends, "the state")


def innovations(model: ARIMA, series: ArrayLike) -> FloatArray:
    r"""Recover the noise that drove a series from rest: the whitening of any invertible model.

    .. math:: \varepsilon = \frac{\varphi(B)\,(1 - B)^d\, x - c}{\theta(B)}

    The inverse of `arma_filter`. For a pure AR model it is the convolution with `whitening_kernel`; the moving-average
    part makes the kernel infinitely long, so it must be invertible. Where the series did not start from rest the
    first values carry that error, which dies out like the inverse MA kernel.

    Parameters
    ----------
    model : ARIMA
    series : array, shape (n,)

    Returns
    -------
    array, shape (n,), float64

    Raises
    ------
    ValueError, TypeError
        If the series is not finite and one-dimensional, or the model is not invertible.

    Examples
    --------
    >>> dc.timeseries.innovations(dc.timeseries.ARIMA(ar=[0.5]), [1.0, 0.5, 2.25])
    array([1., 0., 2.])
    """
    from scipy.signal import lfilter

    require_model(model)
    values = _series.series("series", series)
    require_invertible(model)
    with _series.quietly():
        differenced = lfilter(difference_kernel(model.differences), [1.0], values)
        left = lfilter(whitening_kernel(model.ar), [1.0], differenced) - model.intercept
        return _series.finite("series", np.asarray(lfilter([1.0], [1.0, *model.ma], left)), "the noise")


def simulate(model: ARIMA, count: int, *, rng: object = None) -> FloatArray:
    """Draw a series with Gaussian noise that is stationary from its first value on.

    The state before the first step is drawn from its stationary distribution (its covariance solves
    ``P = A P A' + b b'``), so no burn-in is needed. With ``differences = d`` it is the d-th difference
    that is stationary, and the series starts from 0 before its first value.

    Parameters
    ----------
    model : ARIMA
        Its AR part must be stationary; for others see `arma_filter`.
    count : int, at least 1
    rng : int, Generator, SeedSequence or None, keyword only

    Returns
    -------
    array, shape (count,), float64

    Raises
    ------
    ValueError, TypeError
        If the model is not stationary or `count` is not a positive whole number.

    Examples
    --------
    >>> series = dc.timeseries.simulate(dc.timeseries.ARIMA(ar=[0.9], noise_variance=0.19), 1000, rng=1)
    >>> series.shape
    (1000,)
    """
    from scipy.signal import lfilter

    require_model(model)
    n = _checks.count("count", count, least=1)
    _checks.fits_memory("count", 8.0 * 4 * n, "draw a shorter series")
    generator = _checks.generator(rng)
    mean = model.mean
    numerator, denominator = polynomials(model)
    deviation = model.noise_variance**0.5
    root = state_root(model)
    start = root @ generator.standard_normal(root.shape[1])
    noise = generator.standard_normal(n)
    with _series.quietly():
        series, _ = lfilter(numerator, denominator, deviation * noise, zi=deviation * start)
        return _series.finite("model", _integrate(series + mean, model.differences), "the series")


def _integrate(series: FloatArray, times: int) -> FloatArray:
    """Undo `times` differences, from 0."""
    for _ in range(times):
        series = np.cumsum(series)
    return series
