"""Time series: every kernel and filter against its recursion, and what is refused."""

import time
from fractions import Fraction

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from timeseries_checks import EPS, SERIES, rounding

from diffuseconv import timeseries as ts
from diffuseconv.timeseries import _stability

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


@given(st.floats(1e3, 1e300), st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_one_large_value_spoils_no_other_window(large, size, seed):
    """A transform's error is relative to the largest value of all; a window's own values bound it here."""
    rng = np.random.default_rng(seed)
    series, weights = rng.random(1200), rng.random(size)
    spoiled = series.copy()
    spoiled[600] = large
    clear = [t for t in range(1200 - size + 1) if not t <= 600 < t + size]
    np.testing.assert_array_equal(ts.moving_average(spoiled, weights)[clear], ts.moving_average(series, weights)[clear])
    share = weights / weights.sum()
    average = ts.moving_average(spoiled, share)[clear]
    assert average.min() >= series.min() * (1 - 4 * size * EPS)
    assert average.max() <= series.max() * (1 + 4 * size * EPS)
    ahead = ts.predict_ar(spoiled, weights)[clear]
    np.testing.assert_allclose(ahead, ts.moving_average(series, weights)[clear], rtol=4 * size * EPS)


def test_sums_that_overflow_on_the_way_are_right():
    np.testing.assert_array_equal(ts.moving_average([1e308, -1e308, 1e308], [1.5, 1.5, 1.5]), [1.5e308])
    np.testing.assert_array_equal(ts.moving_average([1e308, 1e308], [0.5, 0.5]), [1e308])
    np.testing.assert_allclose(ts.autocovariance([9e153, -9e153], 1), [8.1e307, -4.05e307], rtol=4 * EPS)
    _, h = ts.sum_density([1e200, 1e200], [1e-200], 2.0)
    np.testing.assert_allclose(h, [2.0, 2.0], rtol=4 * EPS)
    _, h = ts.convolve_irregular([0, 1], [1e200, 1e200], [0, 2], [1e100, 1e100])
    np.testing.assert_allclose(h, [0, 1e300, 1e300, 0], rtol=16 * EPS)


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


def exactly_stationary(coefficients):
    """Schur and Cohn in fractions, by the textbook's recursion."""
    row = [Fraction(1), *(-Fraction(c) for c in coefficients)]
    while len(row) > 1:
        k = row[-1]
        if abs(k) >= 1:
            return False
        row = [(a - k * b) / (1 - k * k) for a, b in zip(row[:-1], row[:0:-1], strict=True)]
    return True


@given(st.integers(0, 2**32 - 1), st.booleans())
def test_stationary_is_decided_exactly(seed, near):
    rng = np.random.default_rng(seed)
    if near:  # roots at and a hair beside the unit circle
        roots = rng.choice([0.5, 0.999, 1 - 1e-9, 1.0, 1 + 1e-12, -1.0], size=rng.integers(1, 5))
        ar = -np.poly(roots)[1:]
    else:
        ar = np.round(8 * rng.normal(size=rng.integers(1, 9)) * rng.choice([0.2, 0.5])) / 8
    truth = exactly_stationary(ar)
    assert ts.ARIMA(ar=ar).stationary == truth
    exact = [Fraction(value) for value in ar.tolist()]
    assert _stability._by_whole_numbers(exact) == truth
    for bits in (64, *_stability.BITS):
        assert _stability._by_fixed_point(exact, bits) in (None, truth)


def test_high_orders_are_decided_at_once():
    series = ts.simulate(ts.ARIMA(ar=[1.6, -0.8]), 20000, rng=1) + np.random.default_rng(0).normal(size=20000)
    start = time.process_time()
    assert ts.fit_ar(series, 150).model.stationary
    assert not ts.ARIMA(ar=[1 / 128] * 128).stationary
    assert time.process_time() - start < 3  # 9 s each in fractions


def test_very_high_orders_need_more_bits_and_no_whole_numbers(monkeypatch):
    """The bound on the error of 512 bits is too wide there; whole numbers took more than 20 minutes."""
    rng = np.random.default_rng(1)
    coefficients = []
    for order in range(400):  # from partial autocorrelations within (-1, 1), so it is stationary
        partial = rng.uniform(-0.9, 0.9) / (1 + 0.05 * order)
        mirrored = coefficients[::-1]
        coefficients = [c - partial * m for c, m in zip(coefficients, mirrored, strict=True)] + [partial]
    monkeypatch.setattr(_stability, "_by_whole_numbers", lambda _: pytest.fail("not needed"))
    assert ts.ARIMA(ar=coefficients).stationary


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
        (lambda: ts.moving_average([1e308, 1e308], [2, 2]), "series must leave weighted sums below 1.8e"),
        (lambda: ts.predict_ar([1e308, 1e308], [1.0], 1e308), "series must leave predictions below"),
        (lambda: ts.difference([1e308, -1e308]), "series must leave weighted sums below"),
        (lambda: ts.autocovariance([1e300, -1e300], 1), "series must leave its variance below"),
        (lambda: ts.impulse_response(ts.ARIMA(ar=[1e200, 1e200]), 5), "count must leave the weights below"),
        (lambda: ts.impulse_response(ts.ARIMA(), 10**15), "count must need no more memory"),
        (lambda: ts.simulate(ts.ARIMA(), 10**15), "count must need no more memory"),
        (lambda: ts.forecast(ts.ARIMA(), [1.0], 10**15), "steps must need no more memory"),
        (lambda: ts.arma_filter(ts.ARIMA(ar=[3.0]), np.ones(1000)), "noise must leave the series below"),
        (lambda: ts.innovations(ts.ARIMA(ar=[5.0]), [1e308, 1e308]), "series must leave the noise below"),
        (lambda: ts.simulate(ts.ARIMA(ma=[1e200]), 3), "ma must leave the variance of the series below"),
        (lambda: ts.forecast(ts.ARIMA(ar=[5.0]), [1.0, 2.0], 1000), "steps must leave the forecast below"),
        (lambda: ts.ARIMA(ar=[0.5], intercept=1e308).mean, "intercept must leave the mean below"),
        (lambda: ts.ARIMA(ar=[[1, 2], [3]]), "ar must be a flat sequence of numbers"),
        (lambda: ts.fit_ar([0.1 + 0.2, 0.3] * 20, 1), "series must vary by more than rounding"),
        (lambda: ts.fit_ar([0.1] * 20 + [5.0], 2, method="least-squares"), "order must be lower"),
        (lambda: ts.sum_density([1e200], [1e200]), "f must leave the density below"),
        (lambda: ts.convolve_irregular([0, 1], [1e200, 1], [0, 1], [1e200, 1]), "f must leave the integral below"),
        (lambda: ts.convolve_irregular([-1e308, 1e308], [1, 1], [0, 1], [1, 1]), "x must not exceed"),
        (lambda: ts.whiten([[5e-324], [0.0]]), "data must vary by more than 1e-300"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
