"""Series with gaps, and series filtered piece by piece."""

import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import strategies
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from timeseries_checks import EPS, SERIES, rounding

from diffuseconv import timeseries as ts


@st.composite
def series_with_gaps(draw, least=2):
    """Draw a series and where it is known; NaN or a number stands in its gaps."""
    n = draw(st.integers(least, 20))
    known = draw(hnp.arrays(bool, n))
    return np.where(known, draw(strategies.fields(n, size=10.0)), draw(st.sampled_from([np.nan, 1e9]))), known


@given(series_with_gaps(), st.data())
def test_a_moving_average_is_the_mean_of_the_known_values(gappy, data):
    series, known = gappy
    taps = data.draw(hnp.arrays(float, st.integers(1, len(series)), elements=st.floats(0.125, 1.0)))
    found = ts.moving_average(series, taps, mask=known)
    for i in range(len(series) - len(taps) + 1):
        seen = [(w, series[i + len(taps) - 1 - j]) for j, w in enumerate(taps) if known[i + len(taps) - 1 - j]]
        if not seen:
            assert np.isnan(found[i])
            continue
        expected = sum(w * x for w, x in seen) / sum(w for w, _ in seen) * taps.sum()
        assert abs(found[i] - expected) <= 1e-12 * taps.sum() * (1 + max(abs(x) for _, x in seen))


@given(series_with_gaps(), st.integers(0, 4))
def test_autocovariance_of_the_known_pairs(gappy, lags):
    series, known = gappy
    n, lags = len(series), min(lags, len(series) - 1)
    mean = sum(series[known]) / max(known.sum(), 1)
    pairs = [[(t, t - k) for t in range(k, n) if known[t] and known[t - k]] for k in range(lags + 1)]
    if not all(pairs):
        with pytest.raises(ValueError, match="mask must leave"):
            ts.autocovariance(series, lags, mask=known)
        return
    expected = [
        (n - k) / n * sum((series[t] - mean) * (series[s] - mean) for t, s in some) / len(some)
        for k, some in enumerate(pairs)
    ]
    found = ts.autocovariance(series, lags, mask=known)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12 * (1 + np.abs(series[known]).max() ** 2))


@given(strategies.fields(12, size=10.0))
def test_a_mask_without_gaps_changes_nothing(series):
    known = np.ones(12, bool)
    np.testing.assert_array_equal(ts.autocovariance(series, 5, mask=known), ts.autocovariance(series, 5))
    if np.ptp(series) > 1e-3:
        plain, masked = ts.fit_ar(series, 1), ts.fit_ar(series, 1, mask=known)
        np.testing.assert_array_equal(masked.coefficients, plain.coefficients)
        np.testing.assert_array_equal(masked.standard_errors, plain.standard_errors)


def test_yule_walker_with_gaps_solves_the_equations_of_the_known_pairs():
    series = ts.simulate(ts.ARIMA([0.6, -0.3], intercept=2.0), 400, rng=3)
    known = np.random.default_rng(4).random(400) > 0.2
    fit = ts.fit_ar(np.where(known, series, np.nan), 2, mask=known)
    gamma = ts.autocovariance(series, 2, mask=known)
    phi = np.linalg.solve(scipy.linalg.toeplitz(gamma[:2]), gamma[1:])
    np.testing.assert_allclose(fit.coefficients, phi, rtol=1e-12)
    np.testing.assert_allclose(fit.intercept, series[known].mean() * (1 - phi.sum()), rtol=1e-12)
    inverse = np.linalg.inv(scipy.linalg.toeplitz(gamma[:2]))
    np.testing.assert_allclose(fit.noise_variance, gamma[0] - phi @ gamma[1:], rtol=1e-12)
    errors = np.sqrt(fit.noise_variance * np.diag(inverse) / known.sum())
    np.testing.assert_allclose(fit.standard_errors, errors, rtol=1e-12)


def test_least_squares_finds_a_recursion_through_gaps():
    """A sum of two waves and a constant obeys a recursion of order 4 exactly, wherever five values in a row are known.

    The noise is rounding, 1e-16 of the values, and the regression's condition number is below 1e3.
    """
    t = np.arange(200)
    series = 3.0 + np.cos(0.7 * t) + 0.5 * np.sin(1.9 * t)
    known = np.random.default_rng(8).random(200) > 0.15
    fit = ts.fit_ar(np.where(known, series, np.nan), 4, method="least-squares", mask=known)
    polynomial = np.convolve([1, -2 * np.cos(0.7), 1], [1, -2 * np.cos(1.9), 1])
    np.testing.assert_allclose(fit.coefficients, -polynomial[1:], rtol=0, atol=1e-11)
    np.testing.assert_allclose(fit.intercept, 3.0 * polynomial.sum(), rtol=0, atol=1e-11)


@given(strategies.autoregressions(), strategies.autoregressions(), st.integers(0, 2), strategies.numbers(10.0), SERIES)
def test_pieces_make_the_whole(ar, ma, d, intercept, noise):
    """Filtered in two pieces from rest a series is that of one call, and the state is SciPy's."""
    model = ts.ARIMA(ar, ma, d, intercept)
    state = np.zeros(max(len(ar) + d, len(ma)))
    cut = len(noise) // 2
    pieces = []
    for piece in (noise[:cut], noise[cut:]):
        if len(piece):
            found, state = ts.arma_filter(model, piece, zi=state)
            pieces.append(found)
    whole = ts.arma_filter(model, noise)
    bound = len(noise) * rounding(model, whole, noise)
    np.testing.assert_allclose(np.concatenate(pieces), whole, rtol=0, atol=bound)
    if intercept == 0:
        denominator = np.convolve(ts.whitening_kernel(ar), ts.difference_kernel(d))
        _, last = scipy.signal.lfilter([1.0, *ma], denominator, noise, zi=np.zeros(len(state)))
        np.testing.assert_allclose(state, last, rtol=0, atol=8 * bound)


def test_a_state_is_that_of_lfilter():
    model = ts.ARIMA([0.5, 0.25], [2.0, 0.0, 1.0])
    zi, noise = np.array([1.0, -2.0, 0.5]), np.array([1.0, 0.0, 4.0, -1.0])
    expected = scipy.signal.lfilter([1, 2, 0, 1], [1, -0.5, -0.25], noise, zi=zi)
    for found, right in zip(ts.arma_filter(model, noise, zi=zi), expected, strict=True):
        np.testing.assert_allclose(found, right, rtol=0, atol=40 * EPS)
    series, state = ts.arma_filter(ts.ARIMA(intercept=1.0), noise, zi=[])
    np.testing.assert_array_equal(series, noise + 1)
    assert state.shape == (0,)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ts.moving_average([1.0, np.nan], [1.0]), r"series must be finite, .* \(leave gaps out with mask=\)"),
        (lambda: ts.moving_average([1.0, 2.0], [1.0], mask=[True]), "mask must have the shape"),
        (lambda: ts.moving_average([1.0, 2.0], [1.0], mask=[1, 0]), "mask must be boolean"),
        (lambda: ts.moving_average([1.0, 2.0], [-1.0], mask=[True, False]), "weights must be >= 0"),
        (lambda: ts.moving_average([1.0, np.inf], [1.0], mask=[True, True]), "series must be finite"),
        (lambda: ts.autocovariance([1.0, 2.0], 0, mask=[False, False]), "mask must leave some of the series known"),
        (lambda: ts.autocovariance([1.0, 2.0, 1.0], 1, mask=[True, False, True]), "got none at lag 1"),
        (lambda: ts.fit_ar(np.arange(9.0), 1, mask=np.arange(9) % 2 == 0), "got none at lag 1"),
        (
            lambda: ts.fit_ar(np.arange(9.0), 1, method="least-squares", mask=np.arange(9) % 2 == 0),
            "mask must leave more than 1 values that are known with the 1 before them, got 0",
        ),
        (lambda: ts.fit_ar(np.arange(9.0), 1, mask=np.zeros(9, bool)), "mask must leave some of the series known"),
        (
            lambda: ts.fit_ar([5.0, -5.0, 9.0, 0.0, 9.0, 0.0], 1, mask=np.array([1, 1, 0, 1, 0, 1], bool)),
            'method must be "least-squares"',
        ),
        (lambda: ts.arma_filter(ts.ARIMA([0.5]), [1.0], zi=[0.0, 0.0]), r"zi must have shape \(1,\)"),
        (lambda: ts.arma_filter(ts.ARIMA(), [1.0], zi=[0.0]), r"zi must have shape \(0,\)"),
        (lambda: ts.arma_filter(ts.ARIMA([0.5]), [1.0], zi=[np.nan]), "zi must be finite"),
    ],
)
def test_bad_gaps_and_states_are_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)
