"""Spectra: views and transfer functions by plain loops, and what is refused."""

import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from spectrum_checks import pairs

from diffuseconv import boundary, spectrum

# --- views


@given(strategies.fields(strategies.shapes((1, 3), most=5)))
def test_log_spectrum_is_the_centred_transform_by_plain_loops(u):
    ours = np.expm1(spectrum.log_spectrum(u))
    plain = np.abs(naive.dft(u))
    for i in np.ndindex(u.shape):
        cell = tuple((a - n // 2) % n for a, n in zip(i, u.shape, strict=True))
        assert abs(ours[i] - plain[cell]) <= 4e-15 * (30 + plain.max() * 30 + np.abs(u).sum() * 30)


@given(strategies.fields(strategies.shapes((1, 2))))
def test_parseval(u):
    power = np.sum(np.expm1(spectrum.log_spectrum(u)) ** 2)
    assert power == pytest.approx(u.size * np.sum(u**2), rel=1e-12, abs=1e-12)


@given(strategies.fields(strategies.shapes(2)), st.integers(-20, 20), st.integers(-20, 20))
def test_magnitudes_do_not_see_a_shift(u, down, right):
    moved = np.roll(u, (down, right), (0, 1))
    scale = 1e-13 * (1 + np.abs(u).sum())
    np.testing.assert_allclose(spectrum.log_spectrum(moved), spectrum.log_spectrum(u), rtol=0, atol=scale)


def test_log_spectrum_of_colours_is_per_channel_and_keeps_precision():
    u = np.random.default_rng(0).random((7, 8, 3)).astype(np.float32)
    both = spectrum.log_spectrum(u, axes=(0, 1))
    assert both.dtype == np.float32
    for band in range(3):
        np.testing.assert_allclose(both[..., band], spectrum.log_spectrum(u[..., band]), rtol=1e-5)


# --- transfer functions


@given(pairs())
def test_convolution_multiplies_by_the_transfer_function(pair):
    u, k = pair
    factor = spectrum.transfer_function(k, u.shape)
    product = np.fft.ifftn(factor * np.fft.fftn(u))
    plain = naive.convolve(u, k, ("periodic",) * u.ndim)
    bound = 1e-12 * (1e-290 + np.abs(k).sum() * np.abs(u).max())
    np.testing.assert_allclose(product, plain, rtol=0, atol=bound)
    mirrored = np.fft.ifftn(factor.conj() * np.fft.fftn(u))
    np.testing.assert_allclose(mirrored, naive.convolve(u, k, ("periodic",) * u.ndim, flip=False), rtol=0, atol=bound)


@given(strategies.densities(), st.data())
def test_a_propagator_amplifies_nothing(p, data):
    shape = data.draw(strategies.shapes(p.ndim))
    factor = spectrum.transfer_function(p, shape)
    assert factor.ravel()[0] == pytest.approx(1, abs=1e-14)
    assert np.abs(factor).max() <= 1 + 1e-13


def test_one_explicit_step_has_the_lattice_eigenvalues():
    r = 0.2
    factor = spectrum.transfer_function([r, 1 - 2 * r, r], 12)
    np.testing.assert_allclose(factor, 1 - r * boundary.eigenvalues(12, "periodic"), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("kernel", "kind", "at_zero"),
    [
        ([1.0], "all pass", 1.0),
        ([0.0, 0.0, -3.0], "all pass", -3.0),
        ([0.25, 0.5, 0.25], "low pass", 1.0),
        ([1.0, 0.0, -1.0], "band pass", 0.0),
        ([1.0, -2.0, 1.0], "high pass", 0.0),
        ([0.5, 0.0, 0.5], "band stop", 1.0),
        ([1.0, -1.0], "high pass", 0.0),
        (np.ones((5, 5)) / 25, "low pass", 1.0),
        ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], "high pass", 0.0),
        (np.ones((3, 3, 3)), "low pass", 27.0),
    ],
)
def test_kinds_of_filters(kernel, kind, at_zero):
    found = spectrum.filter_kind(kernel)
    assert found.kind == kind
    assert found.gain_at_zero == pytest.approx(at_zero)
    assert found.band[0] <= found.peak_frequency <= found.band[1]
    assert str(found).startswith(kind + ": gain")
    assert "\n" not in str(found)


def test_half_power_frequency_of_a_binomial_kernel():
    """|H| = cos^2(pi f) is at half power where f = arccos(2^(-1/4)) / pi."""
    low, high = spectrum.filter_kind([0.25, 0.5, 0.25]).band
    assert low == 0
    assert high == pytest.approx(math.acos(2**-0.25) / math.pi, abs=1 / 1024)


@given(strategies.kernels(), st.floats(0.01, 100))
def test_the_kind_does_not_depend_on_the_gain(kernel, gain):
    assume(np.abs(kernel).max() > 1e-3)
    plain, louder = spectrum.filter_kind(kernel), spectrum.filter_kind(-gain * kernel)
    assert louder.peak_gain == pytest.approx(gain * plain.peak_gain, rel=1e-12)


# --- bad input


U = np.arange(12.0).reshape(3, 4)
X = [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum.log_spectrum(U, axes=2), "axes must be at most 1, got 2"),
        (lambda: spectrum.log_spectrum([np.nan]), "image must be finite"),
        (lambda: spectrum.log_spectrum(np.full(9, 1e308)), "image must not exceed .* or sums overflow, got 1e.308"),
        (lambda: spectrum.low_pass(np.full((9, 9), 1e308), 1), "image must not exceed .* or sums overflow"),
        (lambda: spectrum.paint_spectrum(np.full(9, 1e38, np.float32), []), "image must not exceed"),
        (lambda: spectrum.derivative(np.full(9, -1e308)), "field must not exceed"),
        (lambda: spectrum.low_pass(U, -1), "radius must be at least 0, got -1"),
        (lambda: spectrum.low_pass(U, 1, edge=3), "edge must be at most twice radius"),
        (lambda: spectrum.low_pass(U, 1, boundary="wrap"), "boundary must be one of"),
        (lambda: spectrum.band_pass(U, (3, 2)), "radius must be a pair .* inner <= outer, got"),
        (lambda: spectrum.band_pass(U, 3), "radius must be a pair"),
        (lambda: spectrum.radial_window((2, 0), 3), r"shape\[1\] must be at least 1, got 0"),
        (lambda: spectrum.radial_window((2,) * 4, 3), "shape must have 1, 2 or 3 axes"),
        (lambda: spectrum.orientation(np.ones((20, 20))), "image must not be constant"),
        (lambda: spectrum.orientation(np.ones((20, 20, 3))), "image must be two-dimensional"),
        (lambda: spectrum.rotation_between(np.eye(20), np.eye(9)), "rotated must have at least 16 cells a side"),
        (lambda: spectrum.derivative(U, -1), "order must be at least 0, got -1"),
        (lambda: spectrum.derivative(U, 1, 2), "axis must be at most 1, got 2"),
        (lambda: spectrum.derivative(U, spacing=0), "spacing must be greater than 0, got 0"),
        (lambda: spectrum.derivative(U, boundary="zero"), "boundary must be one of 'periodic', 'refl"),
        (lambda: spectrum.derivative(U, 2000), "order must leave .* representable in float64, got 2000"),
        (lambda: spectrum.derivative(U.astype(np.float32), 90, 1), "representable in float32, got 90"),
        (lambda: spectrum.discrete_theorem(U, [1.0]), "kernel must have as many dimensions"),
        (lambda: spectrum.discrete_theorem(X, np.ones(9), 0), "padding must make the field at least as large"),
        (lambda: spectrum.discrete_theorem(X, X, -1), "must be at least 0, got -1"),
        (lambda: spectrum.fourier_transform(X, [0, 1, 3], [0]), "evenly spaced, got"),
        (lambda: spectrum.fourier_transform([1, 2], X, [0]), "one value for each of the 3 sample points, got 2"),
        (lambda: spectrum.fourier_transform(X, X, [0], constant=0), "constant must be greater than 0, got 0"),
        (lambda: spectrum.fourier_transform(X, X, [[0]]), "frequencies must be one-dimensional"),
        (lambda: spectrum.transfer_function(U, 4), "shape must have as many axes as kernel"),
        (lambda: spectrum.filter_kind([0, 0]), "kernel must not be 0 everywhere"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 3))), r"frequency\[1\] must be from -2 to 2"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 1, 2))), "one for each of the 2 axes"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Mask(np.ones(3))), "weights must have the image's shape"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 1), np.inf)), "amplitude must be finite"),
    ],
)
def test_bad_values_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum.paint_spectrum(U, 3), "edits must be a Dot, Line or Mask, or a list of them, got 3"),
        (lambda: spectrum.paint_spectrum(U, [(1, 2)]), "must be a Dot, Line or Mask, got"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 1.5))), "must be a whole number, got 1.5"),
        (lambda: spectrum.log_spectrum([1j]), "image must hold"),
        (lambda: spectrum.derivative(U, 1.5), "order must be a whole number"),
    ],
)
def test_wrong_types_are_refused_in_one_line(call, message):
    with pytest.raises(TypeError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
