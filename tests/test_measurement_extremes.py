"""Measurement of values near the ends of the range of numbers: right or refused with the limit, never infinite."""

import numpy as np
import pytest

import diffuseconv as dc

LARGEST = np.finfo(np.float64).max


@pytest.mark.parametrize("draws", [1, 7, 10**4, 10**12, 10**18])
@pytest.mark.parametrize("value", [1e300, 1e308, LARGEST, -LARGEST])
def test_constant_fields_stay_constant_to_the_largest_number(draws, value):
    mean = dc.measure(np.full(4, value), [0.25, 0.5, 0.25], draws, rng=1)
    np.testing.assert_allclose(mean, value, rtol=1e-14)


@pytest.mark.parametrize("draws", [1, 10, 10**6])
def test_large_values_draw_as_small_ones_do(draws):
    """Scaling by a power of two changes no bit: the same key draws the same places."""
    field = np.random.default_rng(1).normal(size=(20, 30))
    for kernel in ([[0.25, 0.5, 0.25]], [[-0.25, 0.5, 0.25]]):
        small = dc.measure(field, kernel, draws, rng=2)
        np.testing.assert_allclose(
            dc.measure(field * 2.0**1020, kernel, draws, rng=2), small * 2.0**1020, rtol=1e-15 * np.log2(draws + 1)
        )
        weighted = dc.measure(field * 2.0**510, np.multiply(kernel, 2.0**510), draws, rng=2)
        np.testing.assert_allclose(weighted, small * 2.0**1020, rtol=1e-15 * np.log2(draws + 1))


def test_what_cannot_be_written_is_refused():
    with pytest.raises(ValueError, match=r"field must not exceed 1.8e\+298 in magnitude with this kernel, got 1e\+300"):
        dc.measure([1e300, 0.0], [1e10, 1.0], 3)
    with pytest.raises(ValueError, match=r"field must not exceed 1e\+37"):
        dc.measure(np.array([1e38, 0.0], np.float32), [30.0, 4.0], 3)
    assert np.isfinite(dc.measure(np.array([3e38, -3e38], np.float32), [0.5, 0.5], 10**6, rng=1)).all()
    for refused in (lambda u: dc.measurement_variance(u, [0.5, 0.5]), lambda u: dc.ensemble(u, [0.5, 0.5])):
        with pytest.raises(ValueError, match=r"field must not exceed .* squares overflow, got"):
            refused([1e200, 0.0])
    with pytest.raises(ValueError, match=r"field must not exceed 3.35e\+143 in magnitude, or squares overflow"):
        dc.measurement_variance([1e150, 0.0], [1e10, 1.0])  # what is drawn is 1e160
    with pytest.raises(ValueError, match=r"field must not exceed 1e\+130 in magnitude, or squares overflow"):
        dc.ensemble([1e135, 0.0], [1e10, 1.0])
    for most in (3.3e153, np.float32(4.6e18)):  # a quarter of the largest number's root
        drawn = dc.measurement_variance(np.array([most, -most]), [0.5, 0.5], boundary="periodic")
        np.testing.assert_allclose(drawn, most**2, rtol=8 * np.finfo(drawn.dtype).eps)
    with pytest.raises(ValueError, match=r"field must not exceed .* squares overflow"):
        dc.measurement_variance(np.array([1e30, 0.0], np.float32), [0.5, 0.5])


@pytest.mark.parametrize("power", [-660, 490])
def test_variance_does_not_depend_on_units(power):
    """Small values under large weights draw as others do, though the squares of either leave the range of numbers."""
    field, kernel = np.array([0.0, 3.0, -1.0, 7.0]), np.array([0.25, -0.5, 0.25])
    expected = dc.measurement_variance(field, kernel)
    scaled = dc.measurement_variance(np.ldexp(field, power), np.ldexp(kernel, -power))
    np.testing.assert_array_equal(scaled, expected)


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_draws_needed_do_not_depend_on_units(scale):
    field, kernel = np.array([0.0, 3.0, -1.0, 7.0]), [0.25, 0.5, 0.25]
    expected = dc.draws_needed(field, kernel, 0.01)
    assert dc.draws_needed(field * scale, kernel, 0.01 * scale) == pytest.approx(expected, rel=1e-9)
    assert dc.draws_needed(field, np.array(kernel) * scale, 0.01 * scale) == pytest.approx(expected, rel=1e-9)


def test_draws_needed_over_the_whole_range():
    with pytest.raises(ValueError, match=r"tolerance must be at least 3.77e\+292 for this field, got 1"):
        dc.draws_needed([-1.7e308, 1.7e308], [0.5, 0.5], 1.0)  # the range of values is no number


def test_measure_until_over_the_whole_range():
    done = dc.measure_until([-1e308, 1e308, 0.0], [0.25, 0.5, 0.25], 5e307, rng=1, max_draws=10**4)
    assert np.abs(done.mean / 1e308 - [-0.5, 0.25, 0.25]).max() < 0.5
    assert done.half_width.max() <= 5e307
    with pytest.raises(RuntimeError, match="max_draws must suffice") as caught:
        dc.measure_until([-1.7e308, 1.7e308], [0.5, 0.5], 1.0, rng=1, max_draws=10)
    assert "nan" not in str(caught.value)
