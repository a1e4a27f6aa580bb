"""Derivatives by wave numbers, and painting in the frequency plane."""

import math

import naive
import numpy as np
import strategies
from hypothesis import given
from hypothesis import strategies as st
from spectrum_checks import rounding

from diffuseconv import spectrum

# --- derivatives


@given(st.integers(1, 40), st.data(), st.integers(0, 5), st.floats(0.1, 10))
def test_derivative_of_modes_is_exact(size, data, order, spacing):
    name = data.draw(st.sampled_from(["periodic", "reflecting", "absorbing"]))
    x = spacing * (np.arange(size) + 0.5)
    length = spacing * size
    if name == "periodic":
        k = 2 * np.pi * data.draw(st.integers(0, (size - 1) // 2)) / length
        phase = data.draw(st.floats(0, 6))
    else:
        k = np.pi * data.draw(st.integers(0, size - 1)) / length
        phase = 0 if name == "reflecting" else -np.pi / 2
    slope = spectrum.derivative(np.cos(k * x + phase), order, spacing=spacing, boundary=name)
    closed = k**order * np.cos(k * x + phase + order * np.pi / 2)
    # rounding of the mode itself, amplified by the fastest wave of the grid
    np.testing.assert_allclose(slope, closed, rtol=0, atol=3e-14 * math.sqrt(size) * max(1, np.pi / spacing) ** order)


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 2))
def test_derivative_along_an_axis_is_that_of_every_line(order, size, axis):
    u = np.random.default_rng(size).random((size, 4, 5))
    slope = spectrum.derivative(u, order, axis, 0.5)
    lines = np.apply_along_axis(lambda line: spectrum.derivative(line, order, spacing=0.5), axis, u)
    np.testing.assert_allclose(slope, lines, rtol=0, atol=1e-13 * (2 * np.pi) ** order)
    np.testing.assert_array_equal(spectrum.derivative(u, order, axis - 3, 0.5), slope)


def test_derivative_of_a_smooth_field_beats_any_order():
    def error(size):
        x = 2 * np.pi * np.arange(size) / size
        return np.abs(spectrum.derivative(np.exp(np.sin(x)), spacing=x[1]) - np.cos(x) * np.exp(np.sin(x))).max()

    assert error(8) / error(16) > 2**6
    assert error(16) / error(32) > 2**20
    assert error(32) < 1e-12


def test_sawtooth_has_no_odd_derivative_but_an_even_one():
    saw = np.array([1.0, -1.0] * 4)
    np.testing.assert_allclose(spectrum.derivative(saw), 0, atol=1e-15)
    np.testing.assert_allclose(spectrum.derivative(saw, 2), -(np.pi**2) * saw, rtol=1e-14)


def test_walls_decide_whether_a_ramp_rings():
    ramp = np.arange(200.0)
    inner = slice(50, 150)
    assert np.abs(spectrum.derivative(ramp) - 1).max() > 50  # the jump from 199 to 0 is differentiated
    mirrored = spectrum.derivative(ramp, boundary="reflecting")
    assert np.abs(mirrored - 1)[inner].max() < 0.02
    assert np.abs(mirrored - 1)[[0, -1]].min() > 0.3  # a kink on the wall


@given(strategies.fields(strategies.shapes((1, 3), most=6)))
def test_derivative_of_order_zero_is_a_copy(u):
    same = spectrum.derivative(u, 0)
    np.testing.assert_array_equal(same, u)
    assert same is not u


# --- painting


def wave(shape, frequency, amplitude, phase):
    """What a dot is said to add."""
    place = naive.centred_frequencies(shape)
    cycles = sum(f * place[..., axis] / n for axis, (f, n) in enumerate(zip(frequency, shape, strict=True)))
    return amplitude * np.cos(2 * np.pi * cycles + np.deg2rad(phase))


@given(st.data(), strategies.fields(strategies.shapes((1, 3), most=8), size=10), st.floats(-5, 5), st.floats(-360, 360))
def test_a_dot_is_a_wave_through_the_image(data, u, amplitude, phase):
    frequency = data.draw(st.tuples(*[st.integers(-(n // 2), n // 2) for n in u.shape]))
    painted = spectrum.paint_spectrum(u, spectrum.Dot(frequency, amplitude, phase))
    added = wave(u.shape, frequency, amplitude, phase)
    np.testing.assert_allclose(painted, u + added, rtol=0, atol=1e-12 * (1 + abs(amplitude) + np.abs(u).sum()))


@given(st.data(), strategies.shapes((1, 2), most=9), st.floats(-360, 360))
def test_a_line_is_its_dots_each_wave_once(data, shape, phase):
    cells = st.tuples(*[st.integers(-(n // 2), n // 2) for n in shape])
    start, stop = data.draw(cells), data.draw(cells)
    steps = max(abs(b - a) for a, b in zip(start, stop, strict=True))
    expected, met = np.zeros(shape), set()
    for step in range(steps + 1):
        exact = [a + (b - a) * step / max(steps, 1) for a, b in zip(start, stop, strict=True)]
        cell = [int(math.copysign(math.floor(abs(e) + 0.5), e)) for e in exact]
        if tuple(c % n for c, n in zip(cell, shape, strict=True)) not in met:
            expected += wave(shape, cell, 2.0, phase)
            met |= {tuple(sign * c % n for c, n in zip(cell, shape, strict=True)) for sign in (1, -1)}
    painted = spectrum.paint_spectrum(np.zeros(shape), spectrum.Line(start, stop, 2.0, phase))
    np.testing.assert_allclose(painted, expected, rtol=0, atol=1e-13 * (1 + len(met)))


def test_a_line_through_the_centre_is_a_ridge_across_it():
    """All level frequencies together: one bright column, at the centre."""
    painted = spectrum.paint_spectrum(np.zeros((9, 15)), spectrum.Line((0, -7), (0, 7), 1.0))
    ridge = np.zeros((9, 15))
    ridge[:, 7] = 15
    # 1 + 2 (cos + ...) is the ridge; each pair of opposites adds one cosine
    np.testing.assert_allclose(2 * painted - 1, ridge, rtol=0, atol=1e-13)


@given(st.data(), strategies.fields(strategies.shapes((1, 3), most=6)))
def test_a_mask_counts_a_frequency_and_its_opposite_as_one(data, u):
    weights = data.draw(strategies.fields(st.just(u.shape), size=2))
    painted = spectrum.paint_spectrum(u, spectrum.Mask(weights))
    plane = np.fft.fftshift(np.fft.fftn(u)) * weights
    one_sided = np.fft.ifftn(np.fft.ifftshift(plane))
    np.testing.assert_allclose(painted, one_sided.real, rtol=0, atol=3 * rounding(u))


@given(strategies.fields(strategies.shapes((1, 2), most=9)), st.floats(0, 5))
def test_a_disc_as_mask_is_the_low_pass(u, radius):
    painted = spectrum.paint_spectrum(u, [spectrum.Mask(spectrum.radial_window(u.shape, radius))])
    np.testing.assert_allclose(painted, spectrum.low_pass(u, radius), rtol=0, atol=rounding(u))


def test_strokes_are_applied_in_order():
    dot, dark = spectrum.Dot((0, 2)), spectrum.Mask(np.zeros((8, 8)))
    assert np.abs(spectrum.paint_spectrum(np.ones((8, 8)), [dot, dark])).max() == 0
    lit = spectrum.paint_spectrum(np.ones((8, 8)), [dark, dot])
    np.testing.assert_allclose(lit, wave((8, 8), (0, 2), 1, 0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(spectrum.paint_spectrum(np.ones((3, 3)), []), 1, rtol=1e-15)
