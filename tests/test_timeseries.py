"""Time series: every kernel against its recursion, statsmodels and closed forms."""

import dataclasses
import itertools
import warnings

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from diffuseconv import timeseries as ts

EPS = np.finfo(float).eps
SERIES = st.integers(1, 40).flatmap(strategies.fields)


def rounding(model, series, noise):
    """Bound the rounding of either direction of the filter: each step's own, amplified by the responses."""
    n, d = len(series), model.differences
    forward = np.abs(ts.impulse_response(dataclasses.replace(model, ma=(), differences=0), n)).sum()
    back = np.abs(ts.impulse_response(ts.ARIMA(ar=[-t for t in model.ma]), n)).sum()
    taps = (1 + np.abs(model.ar).sum()) * (1 + np.abs(model.ma).sum()) * 2.0**d
    size = np.abs(series).max() + np.abs(noise).max() + abs(model.intercept)
    return 4 * EPS * (len(model.ar) + len(model.ma) + d + 3) * forward * back * taps * size * float(n) ** d


# --- kernels


@given(SERIES, st.data())
def test_moving_average_is_the_sum_over_the_window(series, data):
    size = data.draw(st.integers(1, len(series)))
    weights = data.draw(strategies.fields(size, size=10.0))
    expected = naive.full(series, weights)[size - 1 : len(series)]
    bound = 1e-12 * np.abs(weights).sum() * np.abs(series).max()
    np.testing.assert_allclose(ts.moving_average(series, weights), expected, rtol=0, atol=bound)


@given(SERIES, st.data())
def test_an_average_stays_within_the_data(series, data):
    weights = data.draw(strategies.densities((data.draw(st.integers(1, len(series))),)))
    average = ts.moving_average(series, weights)
    slack = 1e-12 * np.abs(series).max()
    assert average.min() >= series.min() - slack
    assert average.max() <= series.max() + slack


@given(SERIES, st.data())
def test_prediction_is_a_convolution_of_the_past_plus_intercept(series, data):
    p = data.draw(st.integers(1, len(series)))
    phi, intercept = data.draw(strategies.fields(p, size=10.0)), data.draw(strategies.numbers())
    expected = [intercept + sum(phi[j - 1] * series[t - j] for j in range(1, p + 1)) for t in range(p, len(series) + 1)]
    bound = 1e-12 * (np.abs(phi).sum() * np.abs(series).max() + abs(intercept))
    np.testing.assert_allclose(ts.predict_ar(series, phi, intercept), expected, rtol=0, atol=bound)


@given(SERIES, st.integers(0, 4))
def test_difference_is_repeated_subtraction(series, order):
    if order >= len(series):
        with pytest.raises(ValueError, match="series must have at least"):
            ts.difference(series, order)
        return
    bound = 1e-12 * 2.0**order * np.abs(series).max()
    np.testing.assert_allclose(ts.difference(series, order), naive.difference(series, order), rtol=0, atol=bound)


def test_difference_kernels():
    kernel = np.ones(1)
    for order in range(51):
        assert np.array_equal(ts.difference_kernel(order), kernel)
        assert np.array_equal(kernel, np.round(kernel))
        kernel = naive.full(kernel, np.array([1.0, -1.0]))
    assert np.array_equal(ts.difference(np.arange(20.0) ** 3, 4), np.zeros(16))


@given(strategies.autoregressions(), strategies.autoregressions(), st.integers(0, 2))
def test_impulse_response_is_the_recursion(ar, ma, d):
    model = ts.ARIMA(ar, ma, d)
    psi = ts.impulse_response(model, 30)
    expected = naive.arima(ar, ma, d, 0.0, np.eye(30)[0])
    np.testing.assert_allclose(psi, expected, rtol=0, atol=rounding(model, expected, np.ones(1)))


@given(strategies.autoregressions())
def test_whitening_undoes_the_impulse_response(ar):
    product = np.convolve(ts.impulse_response(ts.ARIMA(ar), 40), ts.whitening_kernel(ar))[:40]
    np.testing.assert_allclose(product, np.eye(40)[0], rtol=0, atol=rounding(ts.ARIMA(ar), np.ones(40), np.ones(1)))


def test_whitening_is_exact_in_binary_fractions():
    ar = [0.5, -0.25, 0.125]
    product = np.convolve(ts.impulse_response(ts.ARIMA(ar), 15), ts.whitening_kernel(ar))[:15]
    assert np.array_equal(product, np.eye(15)[0])


@given(strategies.autoregressions(most=4))
def test_whitened_autocovariance_vanishes(ar):
    """Cov(k*x, k*x) at lag h = sum_ij k_i k_j gamma(h + i - j): noise variance at lag 0, zero beyond."""
    kernel, p = ts.whitening_kernel(ar), len(ar)
    gamma = naive.arma_covariance(ar, [], 2 * p + 6)
    white = [kernel @ gamma[: p + 1, h : h + p + 1] @ kernel for h in range(5)]
    bound = 1e4 * EPS * np.abs(kernel).sum() ** 2 * gamma[0, 0]  # 1500 terms in each gamma
    np.testing.assert_allclose(white, np.eye(5)[0], rtol=0, atol=bound)


def test_what_a_kernel_makes_of_white_noise_is_a_moving_average():
    """The autocovariance of k * noise is k correlated with itself: it ends where the kernel ends."""
    kernel = np.array([1.0, 0.5, -0.25])
    noise = np.zeros(41)
    noise[20] = 1.0
    response = ts.moving_average(noise, kernel)
    gamma = np.correlate(response, response, "full")[len(response) - 1 :]
    assert np.array_equal(gamma[:3], [1.3125, 0.375, -0.25])
    assert not gamma[3:].any()


@given(st.integers(1, 20), st.floats(1e-3, 1e3))
def test_white_noise_cannot_be_predicted(order, variance):
    coefficients, error = ts.levinson_durbin([variance] + [0.0] * order)
    assert not coefficients.any()
    assert error == variance


# --- the model


@given(strategies.autoregressions(), strategies.autoregressions(), st.integers(0, 2), strategies.numbers(10.0), SERIES)
def test_respond_is_the_recursion_and_innovations_undo_it(ar, ma, d, intercept, noise):
    model = ts.ARIMA(ar, [-t for t in ma], d, intercept)
    series = ts.arma_filter(model, noise)
    bound = rounding(model, series, noise)
    np.testing.assert_allclose(series, naive.arima(ar, model.ma, d, intercept, noise), rtol=0, atol=bound)
    np.testing.assert_allclose(ts.innovations(model, series), noise, rtol=0, atol=bound)


@given(strategies.autoregressions(), strategies.autoregressions(), st.integers(0, 2), SERIES)
def test_the_response_is_a_convolution_with_the_impulse_response(ar, ma, d, noise):
    model = ts.ARIMA(ar, ma, d)
    n = len(noise)
    expected = np.convolve(noise, ts.impulse_response(model, n))[:n]
    bound = 4 * n * rounding(model, expected, noise)
    np.testing.assert_allclose(ts.arma_filter(model, noise), expected, rtol=0, atol=bound)


@given(strategies.autoregressions(most=6))
def test_stationary_when_built_so(ar):
    assert ts.ARIMA(ar).stationary
    assert ts.ARIMA(ma=[-c for c in ar]).invertible


@given(st.lists(st.floats(0.05, 2.0).filter(lambda r: abs(r - 1) > 0.01), min_size=1, max_size=5), st.data())
def test_stationary_means_roots_inside(roots, data):
    signs = data.draw(st.lists(st.sampled_from([-1, 1]), min_size=len(roots), max_size=len(roots)))
    ar = -np.poly(np.array(roots) * signs)[1:]
    assert ts.ARIMA(ar).stationary == (max(roots) < 1)
    assert ts.ARIMA(ma=-ar).invertible == (max(roots) < 1)


def test_unit_roots_are_not_stationary():
    for ar in ([1.0], [-1.0], [2.0, -1.0], [0.0, 0.0, 1.0], [0.5, 0.5]):
        assert not ts.ARIMA(ar).stationary
        assert not ts.ARIMA(ma=[-c for c in ar]).invertible
        for call in (lambda m: ts.simulate(m, 5, rng=1), lambda m: m.mean):
            with pytest.raises(ValueError, match="model must be stationary"):
                call(ts.ARIMA(ar))
        with pytest.raises(ValueError, match="model must be invertible"):
            ts.innovations(ts.ARIMA(ma=[-c for c in ar]), [1.0, 2.0])
    double = -np.poly([0.999999] * 2)[1:]
    assert ts.ARIMA(double).stationary


def first_values(draw, model, count=300, length=3):
    """Sum the squared, decorrelated values of many series: chi-squared if they are stationary from the start."""
    covariance = model.noise_variance * naive.arma_covariance(model.ar, model.ma, length)
    series = np.array([draw() for _ in range(count)]) - model.mean
    return np.sum(series @ np.linalg.inv(covariance) * series), stats.chi2(count * length)


@pytest.mark.parametrize(("ar", "ma"), [([0.95], []), ([], [0.9, 0.4]), ([0.5, -0.8], [0.5]), ([], [])])
def test_simulate_is_stationary_from_its_first_value(ar, ma):
    """False alarms: 2e-12 each (exact chi-squared tails); a start from rest is caught."""
    model = ts.ARIMA(ar, ma, intercept=3.0, noise_variance=4.0)
    rng = np.random.default_rng(20)
    value, law = first_values(lambda: ts.simulate(model, 3, rng=rng), model)
    assert law.ppf(1e-12) < value < law.isf(1e-12)
    if ar == [0.95]:
        value, law = first_values(lambda: model.mean + ts.arma_filter(ts.ARIMA(ar), rng.normal(size=3) * 2.0), model)
        assert value < law.ppf(1e-12)


@given(strategies.autoregressions(), strategies.autoregressions(), st.integers(0, 2), strategies.SEEDS)
def test_simulate_repeats_and_sums(ar, ma, d, rng):
    series = ts.simulate(ts.ARIMA(ar, ma, d, 1.0), 20, rng=rng)
    assert np.array_equal(series, ts.simulate(ts.ARIMA(ar, ma, d, 1.0), 20, rng=rng))
    flat = ts.simulate(ts.ARIMA(ar, ma, 0, 1.0), 20, rng=rng)
    for _ in range(d):
        flat = np.cumsum(flat)
    assert np.array_equal(series, flat)
    generator = np.random.default_rng(rng)
    assert not np.array_equal(
        ts.simulate(ts.ARIMA(ar), 20, rng=generator), ts.simulate(ts.ARIMA(ar), 20, rng=generator)
    )


def test_stationary_by_a_hair():
    """The sum of the coefficients rounds to 1, yet the model is stationary: decided, and divided, without rounding."""
    model = ts.ARIMA([1.0, -1e-20], intercept=1.0)
    assert model.stationary
    assert model.mean == 1e20
    assert not ts.ARIMA([1.0, 1e-20]).stationary


def test_a_model_without_noise_is_its_mean():
    assert np.array_equal(ts.simulate(ts.ARIMA([0.5], intercept=1.0, noise_variance=0.0), 4, rng=1), np.full(4, 2.0))


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


# --- whitening


TABLES = st.tuples(st.integers(2, 12), st.integers(1, 5)).flatmap(strategies.fields)


@given(TABLES, st.sampled_from(["pca", "zca"]))
def test_whitening_holds_for_any_table(table, method):
    if np.ptp(table, axis=0).max() <= 1e-12 * np.abs(table).max():  # equal rows up to rounding, or nearly so
        table[1:] = table[0]
        with pytest.raises(ValueError, match="data must vary"):
            ts.whiten(table, method)
        return
    white = ts.whiten(table, method)
    n, m = table.shape
    size = np.abs(table).max()
    assert 1 <= white.rank <= min(n - 1, m)
    assert white.data.shape == (n, white.rank if method == "pca" else m)
    np.testing.assert_allclose(white.data.mean(axis=0), 0, atol=1e-13)
    covariance = white.data.T @ white.data / (n - 1)
    if method == "pca":
        np.testing.assert_allclose(covariance, np.eye(white.rank), atol=1e-13)
    else:
        np.testing.assert_allclose(covariance @ covariance, covariance, atol=1e-12)
        np.testing.assert_allclose(np.trace(covariance), white.rank, atol=1e-12)
    np.testing.assert_allclose(white.restore(), table, rtol=0, atol=1e-13 * n * size)
    assert not np.shares_memory(white.data, table)


@given(strategies.SEEDS, st.integers(1, 6))
def test_whitening_of_well_conditioned_data(seed, m):
    rng = np.random.default_rng(seed)
    table = rng.uniform(-1, 1, (50, m)) @ (np.eye(m) + 0.1 * rng.uniform(-1, 1, (m, m))) + 10
    pca, zca = ts.whiten(table), ts.whiten(table, "zca")
    covariance = np.cov(table.T).reshape(m, m)
    for white in (pca, zca):
        np.testing.assert_allclose(white.matrix.T @ covariance @ white.matrix, np.eye(m), atol=1e-11)
        np.testing.assert_allclose(white.apply(table), white.data, atol=1e-11)
        np.testing.assert_allclose(white.restore(white.data[0]), table[0], atol=1e-12)
        np.testing.assert_allclose(white.matrix @ white.inverse, np.eye(m), atol=1e-12)
    np.testing.assert_allclose(zca.matrix, zca.matrix.T, atol=1e-13)
    assert np.linalg.eigvalsh(zca.matrix).min() > 0
    spread = np.linalg.norm(pca.inverse, axis=1)
    assert np.all(np.diff(spread) <= 1e-12)


@pytest.mark.parametrize("size", [2.0**-1000, 2.0**1000])
def test_whitening_does_not_depend_on_the_unit(size):
    table = np.random.default_rng(3).normal(size=(50, 3)) + 2
    for method in ("pca", "zca"):
        plain, white = ts.whiten(table, method), ts.whiten(size * table, method)
        np.testing.assert_array_equal(white.data, plain.data)
        np.testing.assert_array_equal(white.mean, size * plain.mean)
        np.testing.assert_allclose(white.restore() / size, table, rtol=0, atol=1e-13)
        np.testing.assert_allclose(white.apply(size * table), plain.data, rtol=0, atol=1e-12)


def test_whitening_of_dependent_and_constant_variables():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 100))
    table = np.stack([a, b, a - 2 * b, np.full(100, 0.1)], axis=1)
    for method in ("pca", "zca"):
        white = ts.whiten(table, method)
        assert white.rank == 2
        np.testing.assert_allclose(white.restore(), table, atol=1e-13)
    with pytest.raises(ValueError, match="data must vary"):
        ts.whiten(np.full((7, 3), 0.1))


def test_whitening_does_not_take_the_rounding_of_a_large_mean_for_variation():
    one = 1e9 + np.random.default_rng(5).normal(size=100)
    assert ts.whiten(np.stack([one, 0.1 * one], axis=1)).rank == 1  # the product is rounded at 1e-8 of its spread
    assert ts.whiten(np.stack([one, 0.1 * one + 1e-4 * np.arange(100)], axis=1)).rank == 2


def test_whitening_of_nearly_dependent_variables():
    """Spreads 1 and 1e-11 around a mean of 1000 are still told apart, whitened to rounding and restored."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 1000))
    table = np.stack([a, a + 1e-9 * b], axis=1) + 1000
    white = ts.whiten(table)
    assert white.rank == 2
    np.testing.assert_allclose(np.cov(white.data.T), np.eye(2), atol=1e-13)
    np.testing.assert_allclose(white.restore(), table, atol=1e-11)
    assert ts.whiten(np.column_stack([a, b, a + b]), tolerance=0).rank == 2
    blunt = ts.whiten(table, tolerance=1e-6)
    assert blunt.rank == 1
    assert np.abs(blunt.restore() - table).max() < 1e-8


# --- sums of random variables


@given(st.data(), st.floats(0.01, 100.0))
def test_sum_density_keeps_mass_mean_and_variance(data, spacing):
    f, g = (data.draw(strategies.densities((data.draw(st.integers(1, 12)),))) / spacing for _ in range(2))
    starts = data.draw(strategies.fields((2,)))
    z, h = ts.sum_density(f, g, spacing, starts=starts)
    assert z.shape == h.shape == (len(f) + len(g) - 1,)
    assert h.min() >= 0
    moments = []
    for x, density in (
        (starts[0] + spacing * np.arange(len(f)), f),
        (starts[1] + spacing * np.arange(len(g)), g),
        (z, h),
    ):
        mean = np.sum(x * density) * spacing
        moments.append((np.sum(density) * spacing, mean, np.sum((x - mean) ** 2 * density) * spacing))
    size = np.abs(starts).max() + 30 * spacing
    np.testing.assert_allclose(moments[2][0], 1, rtol=100 * EPS)
    np.testing.assert_allclose(moments[2][1], moments[0][1] + moments[1][1], rtol=0, atol=100 * EPS * size)
    np.testing.assert_allclose(moments[2][2], moments[0][2] + moments[1][2], rtol=0, atol=1000 * EPS * size**2)
    np.testing.assert_allclose(h, naive.full(f, g) * spacing, rtol=100 * EPS, atol=0)


def test_sum_of_two_uniforms_is_a_triangle():
    f = np.full(100, 1.0)
    z, h = ts.sum_density(f, f, 0.01, starts=(0.005, 0.005))
    np.testing.assert_allclose(h, np.minimum(z, 2 - z), rtol=0, atol=1e-14)


def test_far_tails_keep_their_digits():
    x = np.arange(-200, 201) * 0.1
    f = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
    z, h = ts.sum_density(f, f, 0.1, starts=(x[0], x[0]))
    inside = np.abs(z) <= 20  # further out, half of the pairs lie beyond the grid
    np.testing.assert_allclose(h[inside], np.exp(-(z[inside] ** 2) / 4) / np.sqrt(4 * np.pi), rtol=1e-12)
    assert h[inside].min() < 1e-43


def tolerance(x, f, y, g):
    """Bound the rounding: the docstring's, and that of z itself (h changes at most by variation times shift)."""
    length = np.ptp(x) + np.ptp(y)
    shift = 2 * EPS * (np.abs(x).max() + np.abs(y).max())
    return np.abs(f).max() * np.abs(g).max() * (len(x) + len(y)) * (16 * EPS * length + 2 * shift)


@given(strategies.polylines(), strategies.polylines())
def test_irregular_convolution_is_exact_at_every_knot_sum(first, second):
    z, h = ts.convolve_irregular(*first, *second)
    sums = np.sort(np.add.outer(first[0], second[0]).ravel())
    nearest = np.abs(sums[:, None] - z).min(axis=1)
    assert nearest.max() <= 8 * EPS * (np.abs(first[0]).max() + np.abs(second[0]).max()), "a knot sum is missing"
    assert np.all(np.diff(z) > 0)
    expected = naive.piecewise_linear_convolution(*first, *second, z)
    np.testing.assert_allclose(h, expected, rtol=0, atol=tolerance(*first, *second))


@given(strategies.polylines(), strategies.polylines(), st.data())
def test_irregular_convolution_is_exact_between_and_symmetric(first, second, data):
    low, high = first[0][0] + second[0][0], first[0][-1] + second[0][-1]
    at = low + (high - low) * data.draw(strategies.fields((3, 2), size=1.5))
    z, h = ts.convolve_irregular(*first, *second, at=at)
    assert np.array_equal(z, at)
    assert h.shape == at.shape
    bound = tolerance(*first, *second)
    expected = naive.piecewise_linear_convolution(*first, *second, at.ravel()).reshape(at.shape)
    np.testing.assert_allclose(h, expected, rtol=0, atol=bound + 4 * EPS * np.abs(at).max() * bound / EPS)
    np.testing.assert_allclose(h, ts.convolve_irregular(*second, *first, at=at)[1], rtol=0, atol=2 * bound)


def test_irregular_convolution_against_quadrature():
    rng = np.random.default_rng(8)
    x, y = np.sort(rng.uniform(0, 5, 9)), np.sort(rng.uniform(-3, 4, 7))
    f, g = rng.normal(size=9), rng.normal(size=7)
    z, h = ts.convolve_irregular(x, f, y, g)
    for k in range(1, len(z) - 1, 6):
        inner = np.sort([*x, *(z[k] - y)])
        value = sum(
            integrate.fixed_quad(lambda t, k=k: np.interp(t, x, f, 0, 0) * np.interp(z[k] - t, y, g, 0, 0), a, b, n=2)[
                0
            ]
            for a, b in itertools.pairwise(inner)
        )
        assert abs(h[k] - value) < 1e-13


def test_two_hats_give_the_cubic_b_spline():
    z, h = ts.convolve_irregular([-1, 0, 1], [0, 1, 0], [-1, 0, 1], [0, 1, 0])
    assert np.array_equal(z, [-2, -1, 0, 1, 2])
    np.testing.assert_allclose(h, np.array([0, 1, 4, 1, 0]) / 6, rtol=EPS)


def test_coinciding_knot_sums_are_taken_once():
    x = np.arange(11) * 0.1
    z, h = ts.convolve_irregular(x, np.ones(11), x, np.ones(11))
    assert len(z) == 21
    np.testing.assert_allclose(h, np.minimum(z, 2 - z), rtol=0, atol=1e-15)


def test_grids_far_from_zero_keep_their_digits():
    """Seconds since 1970: the offset costs nothing."""
    x, f = np.array([0.0, 0.25, 1.0]), np.array([1.0, 3.0, 2.0])
    here = ts.convolve_irregular(x, f, x, f)[1]
    far, there = ts.convolve_irregular(x + 2.0**30, f, x + 2.0**30, f)
    assert np.array_equal(there, here)
    assert far[0] == 2.0**31


def test_rounding_never_leads_off_the_grid(monkeypatch):
    """By rounding z - (z - y[-1]) may exceed y[-1]; plain Python loops check every index."""
    from diffuseconv._jit import timeseries as jit

    monkeypatch.setattr(jit, "convolve_pieces", jit.convolve_pieces.py_func)
    for seed in range(40):
        gaps = np.random.default_rng(seed).uniform(0, 1, (2, 4)) ** 8 + 1e-9
        x, y = np.cumsum(gaps, axis=1)
        box = np.ones(4)
        h = ts.convolve_irregular(x, box, y, box)[1]
        assert h.min() >= 0
        assert h.max() <= min(np.ptp(x), np.ptp(y)) + tolerance(x, box, y, box)


def test_irregular_convolution_in_threads_and_as_python(monkeypatch):
    from diffuseconv._jit import timeseries as jit

    rng = np.random.default_rng(1)
    x, y = np.cumsum(rng.uniform(0.1, 1, (2, 40)), axis=1)
    f, g = rng.normal(size=(2, 40))
    many = ts.convolve_irregular(x, f, y, g)
    few = ts.convolve_irregular(x, f, y, g, at=many[0][:50])
    assert np.abs(few[1] - many[1][:50]).max() < 1e-13 * np.abs(many[1]).max()
    monkeypatch.setattr(jit, "convolve_pieces", jit.convolve_pieces.py_func)
    plain = ts.convolve_irregular(x, f, y, g, at=many[0][:50])
    assert np.abs(plain[1] - few[1]).max() < 1e-13 * np.abs(many[1]).max()


# --- bad input


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ts.moving_average([1.0, np.nan], [1.0]), "series must be finite"),
        (lambda: ts.moving_average([1.0], [0.5, 0.5]), "series must have at least 2 values"),
        (lambda: ts.moving_average([[1.0]], [1.0]), "series must have 1 dimension"),
        (lambda: ts.moving_average([1.0], []), "weights must not be empty"),
        (lambda: ts.predict_ar([1.0], [0.5], intercept=np.inf), "intercept must be finite"),
        (lambda: ts.difference_kernel(-1), "order must be at least 0"),
        (lambda: ts.difference_kernel(51), "order must be at most 50"),
        (lambda: ts.impulse_response(ts.ARIMA(), 0), "count must be at least 1"),
        (lambda: ts.ARIMA(ar=[np.inf]), "ar must be finite"),
        (lambda: ts.ARIMA(ma=0.5), "ma must have 1 dimension"),
        (lambda: ts.ARIMA(noise_variance=-1), "noise_variance must be at least 0"),
        (lambda: ts.ARIMA(differences=1.5), "differences must be a whole number"),
        (lambda: ts.simulate(ts.ARIMA(), 5, rng="x"), "rng must be"),
        (lambda: ts.autocovariance([1.0, 2.0], 2), "lags must be at most 1"),
        (lambda: ts.levinson_durbin([0.0, 0.0]), "autocovariance must begin with a variance"),
        (lambda: ts.levinson_durbin([1.0, 2.0]), "autocovariance must be that of a series with noise"),
        (lambda: ts.levinson_durbin([1.0, 1.0, 1.0]), "autocovariance must be that of a series with noise"),
        (lambda: ts.fit_ar([2.0] * 9, 2), "series must vary"),
        (lambda: ts.fit_ar([1.0, 2.0], 2), "series must have at least 3 values"),
        (lambda: ts.fit_ar([1.0, 2.0, 3.0], 1, method="burg"), "method must be one of 'yule-walker', 'least-squares'"),
        (lambda: ts.fit_ar([-1e200, 1e200, 0.0], 1), "series must vary by 1e-150 to 1e150"),
        (lambda: ts.fit_ar([0.0, 1e-200, 0.0], 1), "series must vary by 1e-150 to 1e150"),
        (lambda: ts.forecast(ts.fit_ar([1.0, 2.0, 1.0, 3.0], 1), [1.0], 1), "model must be an ARIMA .*fit.model"),
        (lambda: ts.simulate([0.5], 9), "model must be an ARIMA"),
        (lambda: ts.arma_filter(None, [1.0]), "model must be an ARIMA"),
        (lambda: ts.innovations(0.5, [1.0]), "model must be an ARIMA"),
        (lambda: ts.impulse_response((0.5,), 9), "model must be an ARIMA"),
        (lambda: ts.forecast(ts.ARIMA(), [1.0], 0), "steps must be at least 1"),
        (lambda: ts.forecast(ts.ARIMA(), [1.0], 1, confidence=1.0), "confidence must be less than 1"),
        (lambda: ts.forecast(ts.ARIMA(ma=[2.0]), [1.0], 1), "model must be invertible"),
        (lambda: ts.forecast(ts.ARIMA([1.0], [0.5]), [1.0], 1), "model must be stationary"),
        (lambda: ts.forecast(ts.ARIMA([1.0, 1.0], differences=1), [1.0, 2.0], 1), "series must have at least 3 values"),
        (lambda: ts.forecast(ts.ARIMA(differences=2), [1.0, 2.0], 1), "series must have at least 3 values"),
        (lambda: ts.whiten([1.0, 2.0]), "data must have 2 dimensions"),
        (lambda: ts.whiten([[1.0, 2.0]]), "at least 2 observations"),
        (lambda: ts.whiten([[1.0], [2.0]], "cholesky"), "method must be one of 'pca', 'zca'"),
        (lambda: ts.whiten([[1.0], [2.0]], tolerance=1), "tolerance must be less than 1"),
        (lambda: ts.whiten([[1.0], [2.0]]).apply([[1.0, 2.0]]), "data must have a last axis of length 1"),
        (lambda: ts.sum_density([0.5, -0.1], [1.0]), r"f must be a density .*got -0.1 at index 1"),
        (lambda: ts.sum_density([1.0], [0.0, 0.0]), "g must have mass"),
        (lambda: ts.sum_density([1.0], [1.0], 0.0), "spacing must be greater than 0"),
        (lambda: ts.sum_density([1.0], [1.0], starts=(1,)), "starts must be one number for each"),
        (
            lambda: ts.convolve_irregular([0, 0], [1, 1], [0, 1], [1, 1]),
            "x must increase strictly, got 0 then 0 at index 1",
        ),
        (lambda: ts.convolve_irregular([0, 1], [1, 1], [0, 1], [1]), "g must have one value for each of the 2 knots y"),
        (lambda: ts.convolve_irregular([0], [1], [0, 1], [1, 1]), "x must have at least 2 values"),
        (lambda: ts.convolve_irregular([0, 1], [1, np.nan], [0, 1], [1, 1]), "f must be finite"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
