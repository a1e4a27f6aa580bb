"""Fits and forecasts against closed forms, conditional distributions and statsmodels."""

import warnings

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from timeseries_checks import EPS, SERIES

from diffuseconv import timeseries as ts

# --- fitting


@given(strategies.autoregressions())
def test_best_predictor_recovers_an_autoregression(ar):
    p = len(ar) + 1
    gamma = naive.arma_covariance(ar, [], p + 1)
    coefficients, error = ts.levinson_durbin(gamma[0])
    condition = np.linalg.cond(gamma)
    np.testing.assert_allclose(coefficients, [*ar, 0.0], rtol=0, atol=1e4 * EPS * condition)
    np.testing.assert_allclose(error, 1.0, rtol=0, atol=1e4 * EPS * condition)


def test_fit_of_order_one_in_closed_form():
    series = np.array([1.0, 3.0, 2.0, 5.0, 4.0, 4.0])
    c = series - series.mean()
    fit = ts.fit_ar(series, 1)
    phi, gamma = (c[1:] @ c[:-1]) / (c @ c), (c @ c) / 6
    np.testing.assert_allclose(fit.coefficients, [phi], rtol=1e-14)
    np.testing.assert_allclose(fit.noise_variance, gamma * (1 - phi**2), rtol=1e-14)
    np.testing.assert_allclose(fit.standard_errors, [np.sqrt((1 - phi**2) / 6)], rtol=1e-14)
    np.testing.assert_allclose(fit.intercept, series.mean() * (1 - phi), rtol=1e-14)
    line = stats.linregress(series[:-1], series[1:])
    fit = ts.fit_ar(series, 1, method="least-squares")
    np.testing.assert_allclose([*fit.coefficients, fit.intercept], [line.slope, line.intercept], rtol=1e-13)
    # linregress divides by n - 2, the large-sample formula by n
    errors = np.array([line.stderr, line.intercept_stderr]) * np.sqrt(3 / 5)
    np.testing.assert_allclose([*fit.standard_errors, fit.intercept_error], errors, rtol=1e-13)


@given(st.integers(8, 40).flatmap(strategies.fields), st.integers(1, 3), st.floats(-1e6, 1e6))
def test_yule_walker_is_stationary_and_unmoved_by_a_shift(series, order, shift):
    if np.ptp(series) < 1:
        return
    fit, moved = ts.fit_ar(series, order), ts.fit_ar(series + shift, order)
    assert fit.model.stationary
    assert 0 <= fit.noise_variance <= series.var() * (1 + 1e-12)
    n = len(series)
    # the shift rounds each value by EPS * (|x| + |shift|)
    system = np.array([[ts.autocovariance(series, order)[abs(i - j)] for j in range(order)] for i in range(order)])
    change = 8 * n * EPS * (np.abs(series).max() + abs(shift)) * np.abs(series).max() / series.var()
    bound = 8 * np.linalg.cond(system) * (change + 100 * EPS)
    np.testing.assert_allclose(fit.coefficients, moved.coefficients, rtol=0, atol=bound)


def test_least_squares_finds_a_recursion_exactly():
    """A series without noise obeys its recursion: residuals vanish; one order more is not determined."""
    t = np.arange(60)
    series = 5 + np.cos(0.3 * t) * 1.01**t
    fit = ts.fit_ar(series, 2, method="least-squares")
    np.testing.assert_allclose(fit.coefficients, [2.02 * np.cos(0.3), -(1.01**2)], rtol=1e-11)
    assert not fit.model.stationary
    ahead = ts.forecast(fit.model, series, 10)
    t = np.arange(60, 70)
    np.testing.assert_allclose(ahead.mean, 5 + np.cos(0.3 * t) * 1.01**t, rtol=1e-10)
    with pytest.raises(ValueError, match="order must be lower"):
        ts.fit_ar(series, 4, method="least-squares")


# --- forecasts


@pytest.mark.parametrize("phi", [0.9, -0.5, 0.0])
def test_forecast_of_order_one_in_closed_form(phi):
    model = ts.ARIMA([phi], intercept=1.0, noise_variance=2.0)
    h = np.arange(1, 9)
    ahead = ts.forecast(model, [0.0, 4.0, 7.0], 8, confidence=0.9)
    mean = model.mean + phi**h * (7.0 - model.mean)
    variance = 2.0 * (1 - phi ** (2 * h)) / (1 - phi**2)
    np.testing.assert_allclose(ahead.mean, mean, rtol=1e-14)
    np.testing.assert_allclose(ahead.standard_error, np.sqrt(variance), rtol=1e-14)
    np.testing.assert_allclose(ahead.upper, stats.norm(mean, np.sqrt(variance)).ppf(0.95), rtol=1e-12)
    np.testing.assert_allclose(ahead.lower, stats.norm(mean, np.sqrt(variance)).ppf(0.05), rtol=1e-12)
    assert ahead.confidence == 0.9


@given(
    strategies.autoregressions(),
    strategies.autoregressions(),
    st.integers(0, 2),
    strategies.numbers(3.0),
    st.integers(3, 15).flatmap(lambda n: strategies.fields(n, size=10.0)),
)
def test_forecast_is_the_conditional_distribution(ar, ma, d, intercept, series):
    """Against the joint normal distribution conditioned densely: exact on short series too, where MA doubt remains."""
    model = ts.ARIMA(ar, [-t for t in ma], d, intercept)
    ahead = ts.forecast(model, series, 5)
    mean, variance = naive.arima_forecast(ar, model.ma, d, model.mean, series, 5)
    scale = np.abs(series).max() + abs(model.mean) + 1
    condition = np.linalg.cond(naive.arma_covariance(ar, model.ma, len(series) - d))
    bound = 1e4 * EPS * condition * 15.0**d  # the oracle's psi sums have 1500 terms
    np.testing.assert_allclose(ahead.mean, mean, rtol=0, atol=bound * scale)
    np.testing.assert_allclose(ahead.standard_error**2, variance, rtol=bound)


@given(SERIES.filter(lambda s: len(s) > 3), strategies.fields((3,), size=2.0), strategies.numbers())
def test_a_pure_autoregression_is_forecast_by_its_own_recursion(series, phi, intercept):
    """Stationary or not, each forecast is `predict_ar` of what went before."""
    values = list(series)
    for _ in range(4):
        values.append(intercept + sum(phi[j] * values[-1 - j] for j in range(3)))
    ahead = ts.forecast(ts.ARIMA(phi, intercept=intercept), series, 4)
    size = (1 + np.abs(phi).sum()) ** 4 * (np.abs(values).max() + abs(intercept))
    np.testing.assert_allclose(ahead.mean, values[-4:], rtol=0, atol=100 * EPS * size)
    np.testing.assert_allclose(ahead.mean[0], ts.predict_ar(series, phi, intercept)[-1], rtol=0, atol=100 * EPS * size)


# --- statsmodels


MODELS = [
    ts.ARIMA([0.7], noise_variance=2.0),
    ts.ARIMA(ma=[0.6, -0.3]),
    ts.ARIMA([0.5, -0.3], [0.4], noise_variance=0.5),
    ts.ARIMA([1.2, -0.5, 0.1], [0.8, 0.2, 0.1, 0.05]),
    ts.ARIMA([0.95], [-0.5], differences=1, noise_variance=3.0),
    ts.ARIMA([0.4, 0.2], [0.7], differences=2),
]


@pytest.mark.peer
@pytest.mark.parametrize("model", MODELS, ids=str)
def test_statsmodels_agrees(model):
    process = pytest.importorskip("statsmodels.tsa.arima_process")
    sarimax = pytest.importorskip("statsmodels.tsa.statespace.sarimax")
    ar, ma, d = [1, *(-np.array(model.ar))], [1, *model.ma], model.differences
    noise = np.random.default_rng(5).normal(size=120)
    sample = process.arma_generate_sample(ar, ma, 120, distrvs=lambda size: noise)
    for _ in range(d):
        sample = np.cumsum(sample)
    series = ts.arma_filter(model, noise)
    np.testing.assert_allclose(series, sample, rtol=0, atol=1e-8)
    psi = process.arma2ma(np.convolve(ar, ts.difference_kernel(d)), ma, 30)
    np.testing.assert_allclose(ts.impulse_response(model, 30), psi, rtol=0, atol=1e-8)

    peer = sarimax.SARIMAX(series, order=(len(model.ar), d, len(model.ma)), use_exact_diffuse=True)
    # the filter must run to its end: by default the peer stops updating once converged to 1e-19
    peer.ssm.tolerance = 0
    result = peer.smooth([*model.ar, *model.ma, model.noise_variance]).get_forecast(12)
    ahead = ts.forecast(model, series, 12)
    scale = max(1.0, np.abs(series).max())
    np.testing.assert_allclose(ahead.mean, result.predicted_mean, rtol=0, atol=1e-8 * scale)
    np.testing.assert_allclose(ahead.standard_error, result.se_mean, rtol=1e-8)
    np.testing.assert_allclose(np.stack([ahead.lower, ahead.upper], 1), result.conf_int(), rtol=0, atol=1e-8 * scale)


@pytest.mark.peer
def test_statsmodels_fits_the_same():
    linear = pytest.importorskip("statsmodels.regression.linear_model")
    ar_model = pytest.importorskip("statsmodels.tsa.ar_model")
    series = ts.simulate(ts.ARIMA([0.6, -0.3, 0.2], intercept=4.0), 300, rng=3)
    fit = ts.fit_ar(series, 3)
    rho, sigma = linear.yule_walker(series, 3, method="mle", result_object=False)
    np.testing.assert_allclose(fit.coefficients, rho, rtol=1e-8)
    np.testing.assert_allclose(fit.noise_variance, sigma**2, rtol=1e-8)
    fit = ts.fit_ar(series, 3, method="least-squares")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = ar_model.AutoReg(series, 3).fit()
    np.testing.assert_allclose([fit.intercept, *fit.coefficients], peer.params, rtol=1e-8)
    np.testing.assert_allclose([fit.intercept_error, *fit.standard_errors], peer.bse, rtol=1e-8)
    np.testing.assert_allclose(fit.noise_variance, peer.sigma2, rtol=1e-8)
