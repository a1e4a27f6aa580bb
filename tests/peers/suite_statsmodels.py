"""Time series, by the tests of `statsmodels`."""

import numpy as np
from scipy.signal import lfiltic
from statsmodels.tsa.stattools._stattools import LevinsonDurbinResult

from diffuseconv import timeseries as ts

TESTS = [
    "statsmodels.tsa.tests.test_stattools",
    "statsmodels.tsa.tests.test_arima_process",
    "statsmodels.tsa.tests.test_tsa_tools",
    "statsmodels.tsa.filters.tests.test_filters",
    "statsmodels.regression.tests.test_regression",
]


def acovf(x, adjusted=False, demean=True, fft=True, missing="none", nlag=None):
    x = np.asarray(x, float)
    if not demean or x.ndim != 1:
        raise NotImplementedError("about 0")
    known = np.isfinite(x)
    if not known.all() and missing == "drop":
        x, known = x[known], known[known]
    elif not known.all() and (missing != "conservative" or not adjusted):
        raise NotImplementedError("another divisor")
    lags = len(x) - 1 if nlag is None else nlag
    gamma = ts.autocovariance(x, lags, mask=known)
    return gamma * (len(x) / (len(x) - np.arange(lags + 1))) if adjusted else gamma


def levinson_durbin(s, nlags=10, isacov=False):
    gamma = np.asarray(s, float) if isacov else ts.autocovariance(s, nlags)
    order = nlags
    sigma, phi = np.zeros(order + 1), np.zeros((order + 1, order + 1))
    pacf = np.ones(order + 1)
    for p in range(1, order + 1):
        phi[1 : p + 1, p], sigma[p] = ts.levinson_durbin(gamma[: p + 1])
        pacf[p] = phi[p, p]
    return LevinsonDurbinResult(sigma[-1], phi[1:, -1], pacf, sigma, phi)


def yule_walker(x, order=1, method="adjusted", df=None, inv=False, demean=True, *, result_object=None):
    x = np.asarray(x, float)
    if df is not None or inv or not demean or result_object is not False or x.ndim != 1 or len(x) <= order:
        raise NotImplementedError("another estimate")
    if method == "mle":
        fit = ts.fit_ar(x, order)
        return fit.coefficients, np.sqrt(fit.noise_variance)
    rho, error = ts.levinson_durbin(acovf(x, adjusted=True, nlag=order))
    return rho, np.sqrt(error)


def arma_impulse_response(ar, ma, leads=100):
    ar, ma = np.atleast_1d(ar), np.atleast_1d(ma)
    if ar[0] != 1 or ma[0] != 1:
        raise NotImplementedError("a gain")
    return ts.impulse_response(ts.ARIMA(-ar[1:], ma[1:]), leads)


def arma2ma(ar, ma, lags=100):
    return arma_impulse_response(ar, ma, lags)


def arma2ar(ar, ma, lags=100):
    return arma_impulse_response(ma, ar, lags)


def _plain(x):
    if type(x).__module__.startswith("pandas") or np.ndim(x) != 1:
        raise NotImplementedError("a table")
    return np.asarray(x, float)


def recursive_filter(x, ar_coeff, init=None):
    x, ar = _plain(x), np.atleast_1d(ar_coeff)
    model = ts.ARIMA(ar=ar)
    if init is None:
        return ts.arma_filter(model, x)
    return ts.arma_filter(model, x, zi=lfiltic([1], [1, *-ar], np.asarray(init, float)))[0]


def convolution_filter(x, filt, nsides=2):
    x, taps = _plain(x), _plain(filt)
    inner = ts.moving_average(x, taps)
    rest = len(x) - len(inner)
    before = rest // 2 if nsides == 2 else rest
    return np.pad(inner, (before, rest - before), constant_values=np.nan)


FUNCTIONS = {
    "statsmodels.tsa.stattools.acovf": acovf,
    "statsmodels.tsa.stattools.levinson_durbin": levinson_durbin,
    "statsmodels.regression.linear_model.yule_walker": yule_walker,
    "statsmodels.tsa.arima_process.arma_impulse_response": arma_impulse_response,
    "statsmodels.tsa.arima_process.arma2ma": arma2ma,
    "statsmodels.tsa.arima_process.arma2ar": arma2ar,
    "statsmodels.tsa.filters.filtertools.recursive_filter": recursive_filter,
    "statsmodels.tsa.filters.filtertools.convolution_filter": convolution_filter,
}
