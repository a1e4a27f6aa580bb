"""The convolution theorem, kept and broken."""

import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from spectrum_checks import pairs

from diffuseconv import spectrum


@given(pairs())
def test_discrete_theorem_holds_with_padding(pair):
    u, k = pair
    theorem = spectrum.discrete_theorem(u, k)
    plain = naive.full(u, k)
    assert theorem.error <= 1e-12
    assert not theorem.wrapped.any()
    np.testing.assert_allclose(theorem.by_product, plain, rtol=0, atol=1e-12 * np.abs(k).sum() * np.abs(u).max())
    np.testing.assert_allclose(theorem.in_space, plain, rtol=0, atol=1e-12 * np.abs(k).sum() * np.abs(u).max())


@given(pairs(), st.data())
def test_without_padding_the_far_edge_runs_over(pair, data):
    u, k = pair
    least = [max(0, m - n) for n, m in zip(u.shape, k.shape, strict=True)]
    padding = data.draw(st.tuples(*[st.integers(p, p + 4) for p in least]))
    theorem = spectrum.discrete_theorem(u, k, padding)
    padded = theorem.by_product.shape
    cyclic = np.zeros(padded)
    plain = naive.full(u, k)
    for i in np.ndindex(plain.shape):
        cyclic[tuple(a % n for a, n in zip(i, padded, strict=True))] += plain[i]
    bound = 1e-12 * np.abs(k).sum() * np.abs(u).max()
    np.testing.assert_allclose(theorem.by_product, cyclic, rtol=0, atol=bound)
    differs = np.abs(theorem.by_product - theorem.in_space) > bound
    assert not (differs & ~theorem.wrapped).any()


def test_missing_padding_is_seen():
    u, k = np.random.default_rng(1).random((2, 20, 20))[0], np.ones((5, 5))
    assert spectrum.discrete_theorem(u, k).error < 1e-14
    misused = spectrum.discrete_theorem(u, k, padding=0)
    assert misused.error > 0.1
    assert misused.wrapped.sum() == 20**2 - 16**2


@given(st.floats(0.5, 2), st.floats(0.5, 2), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 10))
def test_continuous_theorem_of_two_bells(a, b, move, shift, constant):
    x = np.linspace(-10, 10, 401)  # exp(-pi (a 9)^2) < 1e-27: both functions vanish at both ends
    nu = np.linspace(-3, 3, 13)
    f, g = np.exp(-np.pi * (a * (x - move)) ** 2), np.exp(-np.pi * (b * (x - shift)) ** 2)
    theorem = spectrum.continuous_theorem(f, g, x, nu, constant=constant)
    assert theorem.error <= 1e-13
    width = 1 / math.hypot(1 / a, 1 / b)  # variances add
    bell = width / (a * b) * np.exp(-np.pi * (width * (theorem.positions - move - shift)) ** 2)
    np.testing.assert_allclose(theorem.convolution, bell, rtol=0, atol=1e-13)
    closed = constant * np.exp(-np.pi * nu**2 / width**2 - 2j * np.pi * nu * (move + shift)) / (a * b)
    # aliasing: the transform of the narrower bell at 1 / spacing - 3 = 17, exp(-pi (17 / 2)^2) < 1e-98
    np.testing.assert_allclose(theorem.of_convolution, closed, rtol=0, atol=1e-12 * constant)


def test_the_unitary_pair_has_the_constant_root_two_pi():
    x, omega = np.linspace(-12, 12, 481), np.linspace(-3, 3, 7)
    f, g = np.exp(-(x**2)), np.exp(-((x - 1) ** 2) / 2)
    unitary = 1 / np.sqrt(2 * np.pi)
    theorem = spectrum.continuous_theorem(f, g, x, omega / (2 * np.pi), constant=unitary)
    transforms = [spectrum.fourier_transform(u, x, omega / (2 * np.pi), constant=unitary) for u in (f, g)]
    # closed forms of the unitary transforms
    np.testing.assert_allclose(transforms[0], np.exp(-(omega**2) / 4) / np.sqrt(2), rtol=0, atol=1e-14)
    np.testing.assert_allclose(transforms[1], np.exp(-(omega**2) / 2 - 1j * omega), rtol=0, atol=1e-13)
    np.testing.assert_allclose(theorem.of_convolution, np.sqrt(2 * np.pi) * transforms[0] * transforms[1], atol=1e-13)


def test_continuous_theorem_fails_on_a_circle():
    x = np.linspace(0, 1, 101)
    f = np.exp(-50 * (x - 0.8) ** 2)
    nu = [0.0, 0.3, 1.7]
    assert spectrum.continuous_theorem(f, f, x, nu).error < 1e-3
    assert spectrum.continuous_theorem(f, f, x, nu, padding=0).error > 0.1


def test_quadrature_is_of_second_order_on_functions_that_are_cut_off():
    def errors(points):
        x, nu = np.linspace(0, 1, points), np.array([0.3, 1.1])
        closed = (1 - np.exp(-1 - 2j * np.pi * nu)) / (1 + 2j * np.pi * nu)
        f = np.exp(-x)
        theorem = spectrum.continuous_theorem(f, f, x, nu)
        sides = theorem.of_convolution, theorem.product, spectrum.fourier_transform(f, x, nu)
        pairs_of = zip(sides, (closed**2, closed**2, closed), strict=True)
        return np.array([np.abs(side - true).max() for side, true in pairs_of])

    ratio = errors(101) / errors(201)
    np.testing.assert_allclose(ratio, 4, rtol=0.02)


@given(strategies.fields(strategies.shapes(1, most=12)), st.floats(0.1, 10), strategies.numbers(10))
def test_transform_there_and_back(u, spacing, start):
    u = np.concatenate([[0.0], u, [0.0]])
    x = start + spacing * np.arange(u.size)
    # one period of frequencies: the trapezoid rule over it is the inverse of a sum of u.size waves
    nu = np.linspace(0, 1 / spacing, 2 * u.size + 1)
    back = spectrum.inverse_fourier_transform(spectrum.fourier_transform(u, x, nu, constant=3), nu, x, constant=3)
    phase = 2 * np.pi * np.abs(x).max() / spacing  # of the fastest wave: its rounding is amplified so much
    np.testing.assert_allclose(back, u, rtol=0, atol=1e-15 * (50 + 8 * phase) * (1 + np.abs(u).sum()))


def test_integrals_that_overflow_are_refused_without_a_warning():
    x, bell = np.linspace(-4.0, 4.0, 41), np.exp(-(np.linspace(-4.0, 4.0, 41) ** 2))
    for size in (1e155, 1e300):
        with pytest.raises(ValueError, match="f must leave the integrals below"):
            spectrum.continuous_theorem(bell, bell, x * size, [0.0, 1 / size])
    for call in (
        lambda: spectrum.continuous_theorem(bell, bell, x, [0.0, 1e308]),
        lambda: spectrum.fourier_transform(bell, x, [0.0, 1e308]),
    ):
        with pytest.raises(ValueError, match="frequencies times positions must be finite"):
            call()
