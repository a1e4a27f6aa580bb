"""Sums of random variables: regular and irregular grids against exact integrals."""

import itertools

import naive
import numpy as np
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate
from timeseries_checks import EPS

from diffuseconv import timeseries as ts


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
