"""The ARIMA model: a kernel that turns white noise into a series, and the kernel that turns it back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._cached import cached_property
from diffuseconv._typing import FloatArray
from diffuseconv.timeseries import _series
from diffuseconv.timeseries._state import (
    decays,
    polynomials,
    require_invertible,
    require_model,
    require_stationary,
    state_root,
)
from diffuseconv.timeseries.series_kernels import difference_kernel, whitening_kernel

__all__ = ["ARIMA", "arma_filter", "innovations", "simulate"]


@dataclass(frozen=True)
class ARIMA:
    r"""An autoregressive integrated moving-average model.

    .. math:: w_t = c + \sum_{j=1}^{p} \varphi_j w_{t-j} + \varepsilon_t + \sum_{j=1}^{q} \theta_j \varepsilon_{t-j},
              \qquad w = (1 - B)^d x, \quad \varepsilon_t \sim N(0, \sigma^2)

    AR(p), MA(q), ARMA(p, q) and the random walk (``ARIMA(differences=1)``) are special cases.

    Parameters
    ----------
    ar : sequence of float
        :math:`\varphi_1, \dots, \varphi_p`: positive means that neighbours in time are alike.
    ma : sequence of float
        :math:`\theta_1, \dots, \theta_q`; the kernel on the noise is ``[1, *ma]``.
    differences : int, 0 to 50
        :math:`d`.
    intercept : float
        :math:`c`. The mean of :math:`w` is ``intercept / (1 - sum(ar))``.
    noise_variance : float, >= 0
        :math:`\sigma^2`.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not finite, not of the shape above, or out of its range.

    Examples
    --------
    >>> model = dc.timeseries.ARIMA(ar=[0.5, 0.3], intercept=1.0)
    >>> model.stationary, round(model.mean, 12)
    (True, 5.0)
    """

    ar: Sequence[float] = ()
    ma: Sequence[float] = ()
    differences: int = 0
    intercept: float = 0.0
    noise_variance: float = 1.0

    def __post_init__(self) -> None:
        """Check every parameter once."""
        keep = object.__setattr__
        keep(self, "ar", _series.coefficients("ar", self.ar))
        keep(self, "ma", _series.coefficients("ma", self.ma))
        keep(self, "differences", _checks.count("differences", self.differences, most=50))
        keep(self, "intercept", _checks.number("intercept", self.intercept))
        keep(self, "noise_variance", _checks.number("noise_variance", self.noise_variance, least=0.0))

    @cached_property
    def stationary(self) -> bool:
        """Whether w settles to one distribution: all roots of the AR polynomial lie outside the unit circle."""
        return decays(self.ar)

    @cached_property
    def invertible(self) -> bool:
        """Whether the past tells the noise: all roots of the MA polynomial lie outside the unit circle."""
        return decays([-theta for theta in self.ma])

    @property
    def mean(self) -> float:
        """Mean of the (differenced) stationary series w."""
        require_stationary(self)
        return self.intercept / math.fsum([1.0, *(-phi for phi in self.ar)])


def arma_filter(model: ARIMA, noise: ArrayLike) -> FloatArray:
    r"""Drive the model, at rest before the first step, with given noise.

    Before the first step :math:`x`, :math:`w` and :math:`\varepsilon` are all 0. Without intercept this is
    the convolution of the noise with `impulse_response`, and `innovations` undoes it. A series of a stationary model
    settles from rest at the pace of its impulse response: drop a first part ("burn-in"), or use `simulate`, which needs
    none.

    Parameters
    ----------
    model : ARIMA
        Need not be stationary. Its ``noise_variance`` plays no part: the noise is taken as given.
    noise : array, shape (n,)
        :math:`\varepsilon_0, \dots, \varepsilon_{n-1}`.

    Returns
    -------
    array, shape (n,), float64

    Raises
    ------
    ValueError, TypeError
        If the noise is not a finite one-dimensional series.

    Examples
    --------
    >>> dc.timeseries.arma_filter(dc.timeseries.ARIMA(ar=[0.5]), [1.0, 0.0, 2.0])
    array([1.  , 0.5 , 2.25])
    """
    from scipy.signal import lfilter

    require_model(model)
    shocks = _series.series("noise", noise)
    driven: FloatArray = lfilter(
        [1.0], whitening_kernel(model.ar), lfilter([1.0, *model.ma], [1.0], shocks) + model.intercept
    )
    return _integrate(driven, model.differences)


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
    differenced = lfilter(difference_kernel(model.differences), [1.0], values)
    left = lfilter(whitening_kernel(model.ar), [1.0], differenced) - model.intercept
    return np.asarray(lfilter([1.0], [1.0, *model.ma], left))


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
    generator = _checks.generator(rng)
    mean = model.mean
    numerator, denominator = polynomials(model)
    deviation = model.noise_variance**0.5
    root = state_root(model)
    start = root @ generator.standard_normal(root.shape[1])
    noise = generator.standard_normal(n)
    series, _ = lfilter(numerator, denominator, deviation * noise, zi=deviation * start)
    return _integrate(series + mean, model.differences)


def _integrate(series: FloatArray, times: int) -> FloatArray:
    """Undo `times` differences, from 0."""
    for _ in range(times):
        series = np.cumsum(series)
    return series
