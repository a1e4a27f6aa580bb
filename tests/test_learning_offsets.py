"""Fits of pictures with large offsets: no more is lost than the condition of the problem takes."""

import numpy as np
import pytest
from learning_pictures import EPS

import diffuseconv as dc
from diffuseconv import learning

RNG = np.random.default_rng(0)
PHOTOS = [RNG.random((40, 50)), RNG.random((30, 32))]


def condition(photos, boundary):
    columns = [
        np.stack([dc.convolve(u, tap.reshape(3, 3), boundary=boundary).ravel() for tap in np.eye(9)], axis=1)
        for u in photos
    ]
    return np.linalg.cond(np.concatenate(columns))


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "zero", ("reflecting", "absorbing")])
@pytest.mark.parametrize("offsets", [(1e4, 1e4), (1e6, -1e6), (2e6, 0.0)])
@pytest.mark.parametrize("kernel", [dc.kernels.sobel(), dc.kernels.gaussian(1.0, truncate=1.0)])
def test_a_kernel_is_found_under_any_offset(boundary, offsets, kernel):
    photos = [u + offset for u, offset in zip(PHOTOS, offsets, strict=True)]
    later = [dc.convolve(u, kernel, boundary=boundary) for u in photos]
    found = learning.fit_kernel(photos, later, (3, 3), boundary=boundary).kernel
    error = np.abs(found - kernel).max() / np.abs(kernel).max()
    assert error < 10 * EPS * condition(photos, boundary)


@pytest.mark.parametrize("boundary", ["reflecting", "periodic"])
@pytest.mark.parametrize("offset", [1e9, 1e12])
@pytest.mark.parametrize("kernel", [dc.kernels.sobel(), dc.kernels.gaussian(1.0, truncate=1.0)])
def test_walls_that_keep_a_constant_lose_no_digit_to_it(boundary, offset, kernel):
    photos = [PHOTOS[0] + offset, PHOTOS[1] - 1e3]
    later = [dc.convolve(u, kernel, boundary=boundary) for u in photos]
    found = learning.fit_kernel(photos, later, (3, 3), boundary=boundary).kernel
    np.testing.assert_allclose(found, kernel, rtol=0, atol=50 * EPS * offset)  # of the pictures themselves


def test_a_ridge_means_the_same_under_an_offset():
    u = PHOTOS[0] + 100.0
    v = dc.convolve(u, dc.kernels.sobel()) + RNG.normal(size=u.shape)
    columns = np.stack([dc.convolve(u, tap.reshape(3, 3)).ravel() for tap in np.eye(9)], axis=1)
    inverse = np.linalg.inv(columns.T @ columns + 5.0 * np.eye(9))
    fit = learning.fit_kernel(u, v, (3, 3), ridge=5.0)
    np.testing.assert_allclose(fit.kernel.ravel(), inverse @ columns.T @ v.ravel(), rtol=0, atol=1e-8)
    hat = columns @ inverse @ columns.T
    np.testing.assert_allclose(fit.degrees_of_freedom, u.size - np.trace(2 * hat - hat @ hat), rtol=1e-9)
    covariance = fit.noise_variance * inverse @ columns.T @ columns @ inverse
    np.testing.assert_allclose(fit.covariance, covariance, rtol=0, atol=1e-9 * np.abs(covariance).max())


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_a_density_is_found_under_any_offset(offset):
    u = PHOTOS[0] + offset
    density = dc.Propagator.normalized(dc.kernels.gaussian(1.0, truncate=1.0))
    fit = learning.fit_propagator(u, dc.convolve(u, density), (3, 3))
    np.testing.assert_allclose(fit.weights, density.density, rtol=0, atol=100 * EPS * offset)


@pytest.mark.parametrize("power", [-320, -60, 8, 60, 320])
def test_estimates_of_pictures_in_other_units_are_the_same(power):
    """A power of two rounds nothing: all digits agree, errors and intervals too, up to the limit of 1e100."""
    unit, photo = 2.0**power, PHOTOS[0]
    later = dc.DiffusionEquation(0.3).evolve(photo, 1.0) + 0.01 * np.random.default_rng(1).normal(size=photo.shape)
    for options in ({}, {"before_noise": 0.01}, {"lamp": "free"}, {"lamp": "free", "boundary": "absorbing"}):
        scaled = options | ({"before_noise": 0.01 * unit} if "before_noise" in options else {})
        here = learning.fit_diffusivity(photo, later, 1.0, **options)
        there = learning.fit_diffusivity(photo * unit, later * unit, 1.0, **scaled)
        for name in ("diffusivity", "standard_error", "lower", "upper", "gain"):
            assert getattr(there, name) == getattr(here, name) > 0
        assert there.offset == here.offset * unit
        assert there.noise_variance == here.noise_variance * unit**2 > 0
    for noise in (0.0, 0.01):
        here = learning.fit_propagator(photo, later, (3, 3), before_noise=noise)
        there = learning.fit_propagator(photo * unit, later * unit, (3, 3), before_noise=noise * unit)
        np.testing.assert_array_equal(there.weights, here.weights)
        np.testing.assert_array_equal(there.covariance, here.covariance)
        assert there.noise_variance == here.noise_variance * unit**2 > 0
    with pytest.raises(ValueError, match=r"^before_noise must leave some of the variation of the pictures, got "):
        learning.fit_propagator(photo * unit, later * unit, (3, 3), before_noise=2 * unit)
