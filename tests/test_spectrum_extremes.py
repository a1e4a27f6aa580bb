"""Spectra at both ends of the numbers, and filters of one mode at a time behind every wall."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv import boundary, spectrum

POWERS = (-900, 1000)
U = np.random.default_rng(0).random((12, 16))


@given(st.sampled_from(boundary.NAMES), st.integers(1, 9), st.data())
def test_a_mode_passes_where_its_frequency_is_within_the_circle(name, size, data):
    """The frequency is told by the Laplacian: 2 - 2 cos(theta) is its eigenvalue, theta size / 2 pi the cycles."""
    number = data.draw(st.integers(0, size - 1))
    theta = 2 * np.arcsin(np.sqrt(boundary.eigenvalues(size, name)[number]) / 2)
    cycles = theta * size / (2 * np.pi)
    amplitudes = boundary.transform(np.zeros(size), [name])
    number = min(number, len(amplitudes) - 1) if name == "periodic" else number
    cycles = min(number, size - number) if name == "periodic" else cycles
    amplitudes[number] = 1.0
    mode = boundary.inverse_transform(amplitudes, (size,), [name])
    inside, outside = cycles + 1e-9, max(0.0, cycles - 1e-9)
    np.testing.assert_allclose(spectrum.low_pass(mode, inside, boundary=name), mode, atol=1e-13 * np.abs(mode).max())
    if cycles:
        low = spectrum.low_pass(mode, outside, boundary=name)
        np.testing.assert_allclose(low, 0, atol=1e-13 * np.abs(mode).max())


@pytest.mark.parametrize("name", boundary.NAMES)
def test_frequencies_of_two_axes_add_in_squares(name):
    a, b = boundary.frequencies(12, name), boundary.frequencies(16, name)
    for i, j in ((2, 5), (3, 1)):
        amplitudes = boundary.transform(np.zeros((12, 16)), [name, name])
        amplitudes[i, j] = 1.0
        mode = boundary.inverse_transform(amplitudes, (12, 16), [name, name])
        radius = np.hypot(a[i], b[j])
        size = 1e-13 * np.abs(mode).max()
        kept = spectrum.low_pass(mode, radius * (1 + 1e-9), boundary=name)
        np.testing.assert_allclose(kept, mode, atol=size)
        np.testing.assert_allclose(spectrum.low_pass(mode, radius * (1 - 1e-9), boundary=name), 0, atol=size)


@pytest.mark.parametrize("power", POWERS)
@pytest.mark.parametrize(
    "of",
    [
        *(lambda u, name=name: spectrum.low_pass(u, 3, boundary=name) for name in boundary.NAMES),
        *(lambda u, name=name: spectrum.compression(u, 3, boundary=name).image for name in boundary.NAMES),
        lambda u: spectrum.transfer_function(u, (9, 9)).real,
        lambda u: np.array([spectrum.filter_kind(u).peak_gain, spectrum.filter_kind(u).gain_at_zero]),
        lambda u: spectrum.derivative(u),
        lambda u: spectrum.discrete_theorem(u, [[0.5, 0.25]]).by_product,
        lambda u: spectrum.discrete_theorem([[0.5, 0.25]], u).in_space,
        lambda u: spectrum.paint_spectrum(u, spectrum.Dot((1, 2), u.max())),
        lambda u: spectrum.paint_spectrum(U, spectrum.Mask(u)),
    ],
)
def test_results_scale_with_the_input(of, power):
    np.testing.assert_allclose(of(U * 2.0**power) / 2.0**power, of(U), rtol=1e-12, atol=1e-13)


def test_volumes_behind_sine_walls_stay_finite():
    """Three sine transforms multiply a sum by 8."""
    largest = np.finfo(float).max / 4 / 64
    result = spectrum.compression(np.full((4, 4, 4), largest), 9, boundary="absorbing")
    np.testing.assert_allclose(result.image, largest, rtol=1e-12)
    assert result.relative_error < 1e-12


def test_kinds_do_not_depend_on_the_size():
    for size in (5e-324, 1e-200, 1e200):
        assert spectrum.filter_kind(np.array([1, 2, 1]) * size).kind == "low pass"
        assert spectrum.filter_kind(np.array([-1, 2, -1]) * size).kind == "high pass"


def flat_inside(radius, shape=(64, 64)):
    picture = np.random.default_rng(1).random(shape)
    y, x = (np.arange(n) - (n - 1) / 2 for n in shape)
    picture[np.hypot(y[:, None], x) < radius] = 0.3
    return picture


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum.rotation_between(flat_inside(33), U.repeat(2, 0).repeat(2, 1)), "image must vary around"),
        (lambda: spectrum.rotation_between(np.pad(np.ones((1, 1)), 16), flat_inside(33)), "rotated must vary around"),
        (lambda: spectrum.rotation_between(np.pad(np.ones((1, 1)), (0, 63)), np.eye(64)), "image must vary around"),
        (lambda: spectrum.filter_kind([1e308] * 3), "kernel must leave its gain below"),
        (lambda: spectrum.transfer_function([1e308] * 3, 4), "kernel must leave the transfer function below"),
        (lambda: spectrum.transfer_function([1.0], 10**15), "shape must need no more memory"),
        (lambda: spectrum.radial_window(10**15, 3), "shape must need no more memory"),
        (lambda: spectrum.discrete_theorem([1.0], [1.0], 10**14), "padding must need no more memory"),
        (lambda: spectrum.discrete_theorem([1e200], [1e200]), "field must leave the convolution below"),
        (lambda: spectrum.fourier_transform([1.0, 1], [0, 1e200], [1e200]), "frequencies times positions"),
        (lambda: spectrum.fourier_transform([1.0, 1], [-1e308, 1e308], [0.0]), "sample points must not exceed"),
        (lambda: spectrum.inverse_fourier_transform([[1, 2], [3]], [0, 1], [0.0]), "transform must be a rect"),
        (lambda: spectrum.paint_spectrum(np.zeros(8), [spectrum.Dot((1,), 1e308)] * 9), "edits must leave the image"),
        (lambda: spectrum.derivative([1e300, -1e300, 1e300], spacing=1e-10), "field must leave its derivative"),
    ],
)
def test_what_has_no_answer_is_refused(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
