"""Fitting autoregressions: the best predictor is the solution of a Toeplitz system."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _linalg
from diffuseconv._typing import BoolArray, FloatArray
from diffuseconv.timeseries import _series
from diffuseconv.timeseries.model import ARIMA

__all__ = ["ARFit", "autocovariance", "fit_ar", "levinson_durbin"]


@dataclass(frozen=True)
class ARFit:
    """A fitted autoregression.

    Attributes
    ----------
    coefficients : array, shape (p,)
        phi_1, ..., phi_p.
    intercept : float
        The constant c in ``x_t = c + sum phi_j x_(t-j) + noise``.
    noise_variance : float
        Estimated variance of the noise.
    standard_errors : array, shape (p,)
        Standard errors of the coefficients, by the large-sample formula of the method.
    intercept_error : float
        Standard error of the intercept.
    """

    coefficients: FloatArray
    intercept: float
    noise_variance: float
    standard_errors: FloatArray
    intercept_error: float

    @property
    def model(self) -> ARIMA:
        """The fit as a model, to simulate, forecast or whiten with."""
        return ARIMA(ar=self.coefficients.tolist(), intercept=self.intercept, noise_variance=self.noise_variance)


def autocovariance(series: ArrayLike, lags: int, *, mask: ArrayLike | None = None) -> FloatArray:
    r"""Estimate the autocovariance at lags 0 to `lags`.

    .. math:: \hat\gamma_k = \frac1n \sum_{t=k}^{n-1} (x_t - \bar x)(x_{t-k} - \bar x)

    Division by n, not n - k, makes the sequence positive semi-definite.

    With gaps the mean is that of the known values, and the sum at lag k, over the pairs of which both are known, is
    scaled from their number to n - k (Parzen's estimator): right on average where the gaps have nothing to do with the
    values, but no longer semi-definite for certain.

    Parameters
    ----------
    series : array, shape (n,)
    lags : int, 0 to n - 1
    mask : array of bool, shape (n,), keyword only
        True where the series is known.

    Returns
    -------
    array, shape (lags + 1,), float64
        Divide by its first entry for autocorrelations.

    Raises
    ------
    ValueError, TypeError
        If the series is not finite and one-dimensional, `lags` is out of range, or no pair is known at some lag.

    References
    ----------
    Parzen, "On spectral analysis with missing observations and amplitude modulation", Sankhyā A 25 (1963) 383.

    Examples
    --------
    >>> dc.timeseries.autocovariance([1.0, -1.0, 1.0, -1.0], 2)
    array([ 1.  , -0.75,  0.5 ])
    """
    values, known = _series.with_gaps("series", series, mask)
    most = _checks.count("lags", lags, most=len(values) - 1)
    power = int(np.frexp(np.abs(values).max())[1])
    products = _autocovariance(_centred(np.ldexp(values, -power), known), known, most)
    with _series.quietly():
        return _series.finite("series", np.ldexp(products, 2 * power), "its variance")


def levinson_durbin(autocovariance: ArrayLike) -> tuple[FloatArray, float]:
    r"""Return the best linear predictor of a stationary series from its `p` past values, and its mean squared error.

    .. math:: \sum_{j=1}^{p} \gamma_{|i-j|}\, \varphi_j = \gamma_i, \qquad
              \sigma^2 = \gamma_0 - \sum_{j=1}^{p} \varphi_j \gamma_j

    (the Yule–Walker equations). White noise has no autocovariance but at lag 0, hence the predictor 0: *a series that
    was whitened cannot be predicted from its past*. What a kernel makes of white noise is a moving average.

    Parameters
    ----------
    autocovariance : array, shape (p + 1,), p >= 1
        gamma_0, ..., gamma_p of the series, known or estimated.

    Returns
    -------
    coefficients : array, shape (p,), float64
    error : float
        The variance that no linear predictor from `p` values can explain.

    Raises
    ------
    ValueError, TypeError
        If the autocovariance is not finite or one-dimensional, has ``gamma_0 <= 0``, or is that of a series which is
        already determined by fewer values.

    References
    ----------
    Brockwell and Davis, "Time Series: Theory and Methods", 2nd ed. (1991), eqs. 8.1.1–8.1.2.

    Examples
    --------
    >>> dc.timeseries.levinson_durbin([1.0, 0.0, 0.0])
    (array([0., 0.]), 1.0)
    >>> dc.timeseries.levinson_durbin([4.0, 2.0, 1.0])
    (array([0.5, 0. ]), 3.0)
    """
    gamma = _series.series("autocovariance", autocovariance, least=2)
    if gamma[0] <= 0:
        raise ValueError(f"autocovariance must begin with a variance greater than 0, got {gamma[0]:g}")
    return _solve(gamma)


def fit_ar(series: ArrayLike, order: int, *, method: str = "yule-walker", mask: ArrayLike | None = None) -> ARFit:
    r"""Fit an autoregression of the given order.

    ``"yule-walker"`` solves `levinson_durbin` for the estimated autocovariances; the fit is always stationary.
    ``"least-squares"`` regresses each value on a constant and the `p` before it; it is less biased on short or
    strongly correlated series, but may be non-stationary.

    Standard errors are the roots of the diagonal of :math:`\sigma^2 \Gamma^{-1} / n`, with :math:`\Gamma` the
    autocovariance matrix, and of :math:`\sigma^2 (1 + \bar x^2\, 1^\top \Gamma^{-1} 1) / n` for the intercept; for
    least squares those of the regression, :math:`\sigma^2 (X^\top X)^{-1}`. The noise variance is
    :math:`\gamma_0 - \sum \varphi_j \gamma_j`, or the mean squared residual (n - p of them).

    In a series with gaps, Yule–Walker takes the `autocovariance` of the known pairs (and n is the number of known
    values), least squares the values of which all p before are known too. Both are right on average where the gaps have
    nothing to do with the values; where many are missing Yule–Walker may have no solution, and says so.

    Parameters
    ----------
    series : array, shape (n,)
    order : int, at least 1
        p; Yule–Walker needs n > p, least squares n > 2p (with gaps, more than p whole windows).
    method : {"yule-walker", "least-squares"}, keyword only
    mask : array of bool, shape (n,), keyword only
        True where the series is known.

    Returns
    -------
    ARFit

    Raises
    ------
    ValueError, TypeError
        If the series is too short, constant, or already determined by fewer than `order` of its values.

    References
    ----------
    Brockwell and Davis, "Time Series: Theory and Methods", 2nd ed. (1991), theorem 8.1.1.

    Examples
    --------
    >>> series = dc.timeseries.simulate(dc.timeseries.ARIMA(ar=[0.6, -0.3], intercept=2.0), 20_000, rng=7)
    >>> fit = dc.timeseries.fit_ar(series, 2)
    >>> bool(np.all(abs(fit.coefficients - [0.6, -0.3]) < 5 * fit.standard_errors))
    True
    """
    p = _checks.count("order", order, least=1)
    name = _checks.choice("method", method, ("yule-walker", "least-squares"))
    values, known = _series.with_gaps("series", series, mask, least=p + 1 if name == "yule-walker" else 2 * p + 1)
    seen = values[known]
    if not len(seen):
        raise ValueError("mask must leave some of the series known, got none")
    half = float(seen.max() / 2 - seen.min() / 2)
    if half <= 2 * np.finfo(float).eps * np.abs(seen).max():
        raise ValueError(f"series must vary by more than rounding, got {len(seen)} times the value {seen[0]:g}")
    if not 1e-150 < half < 1e150:
        raise ValueError(f"series must vary by 1e-150 to 1e150 (its variance must be a number), got ±{half:g}")
    if name == "yule-walker":
        return _yule_walker(values, known, p)
    return _linalg.with_matrix(len(values) * p, lambda: _least_squares(values, known, p))


def _yule_walker(values: FloatArray, known: BoolArray, p: int) -> ARFit:
    """Fit by the Toeplitz system of the estimated autocovariances."""
    from scipy.linalg import solve_toeplitz, toeplitz

    n, mean = int(known.sum()), float(values[known].mean())
    gamma = _autocovariance(_centred(values, known), known, p)
    if n < len(values):
        try:
            np.linalg.cholesky(toeplitz(gamma))
        except np.linalg.LinAlgError:
            raise ValueError(
                f'method must be "least-squares" for a series with these gaps (the autocovariance of its known pairs '
                f"is that of no series), got {_checks.got('yule-walker')}"
            ) from None
    coefficients, variance = _solve(gamma)
    inverse = solve_toeplitz(gamma[:-1], np.eye(p))
    return ARFit(
        coefficients=coefficients,
        intercept=mean * (1.0 - float(coefficients.sum())),
        noise_variance=variance,
        standard_errors=np.sqrt(variance * np.diag(inverse) / n),
        intercept_error=float(np.sqrt(variance * (1.0 + mean**2 * inverse.sum()) / n)),
    )


def _least_squares(values: FloatArray, known: BoolArray, p: int) -> ARFit:
    """Fit by regression on the lagged values, centred so that a large mean costs no digits."""
    whole = np.lib.stride_tricks.sliding_window_view(known, p + 1).all(axis=1)
    n = int(whole.sum())
    if n <= p:
        raise ValueError(f"mask must leave more than {p} values that are known with the {p} before them, got {n}")
    lagged = np.stack([values[p - j : len(values) - j] for j in range(1, p + 1)], axis=1)[whole]
    now = values[p:][whole]
    means, mean = lagged.mean(axis=0), now.mean()
    left, sizes, right = np.linalg.svd(lagged - means, full_matrices=False)
    rounding = np.finfo(float).eps * max(n * sizes[0], 2 * np.linalg.norm(lagged))
    if sizes[-1] <= rounding:
        raise ValueError(f"order must be lower for this series (fewer values already determine the next), got {p}")
    root = right.T / sizes
    coefficients = root @ (left.T @ (now - mean))
    residuals = (now - mean) - (lagged - means) @ coefficients
    variance = float(residuals @ residuals) / n
    return ARFit(
        coefficients=coefficients,
        intercept=float(mean - means @ coefficients),
        noise_variance=variance,
        standard_errors=np.sqrt(variance * np.sum(root**2, axis=1)),
        intercept_error=float(np.sqrt(variance * (1.0 / n + np.sum((means @ root) ** 2)))),
    )


def _solve(gamma: FloatArray) -> tuple[FloatArray, float]:
    """Solve the Yule–Walker equations."""
    from scipy.linalg import LinAlgError, solve_toeplitz

    try:
        coefficients = solve_toeplitz(gamma[:-1], gamma[1:])
        error = float(gamma[0] - coefficients @ gamma[1:])
    except LinAlgError:
        error = -1.0
    if not error >= 0.0:
        raise ValueError(
            f"autocovariance must be that of a series with noise at this order, got order {len(gamma) - 1}"
        )
    return coefficients + 0.0, error  # no -0.0


def _centred(values: FloatArray, known: BoolArray) -> FloatArray:
    """Subtract the mean of the known values, and then what rounding left of it; the others become 0."""
    if not known.any():
        raise ValueError("mask must leave some of the series known, got none")
    centred = values - values[known].mean()
    return np.where(known, centred - centred[known].mean(), 0.0)


def _autocovariance(centred: FloatArray, known: BoolArray, lags: int) -> FloatArray:
    """Return the autocovariances of a centred series, 0 where it is not known."""
    n = len(centred)
    sums = np.array([centred[k:] @ centred[: n - k] for k in range(lags + 1)]) / n
    if known.all():
        return sums
    pairs = np.array([np.count_nonzero(known[k:] & known[: n - k]) for k in range(lags + 1)])
    if not pairs.all():
        raise ValueError(f"mask must leave a pair of known values at every lag, got none at lag {pairs.argmin()}")
    return np.asarray(sums * (np.arange(n, n - lags - 1, -1) / pairs))
