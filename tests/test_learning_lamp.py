"""A lamp that changed between two photographs: refused, or fitted; and the error of a fit with noise in both."""

import numpy as np
import pytest
from learning_pictures import FALSE_ALARM, coverage, photo

import diffuseconv as dc
from diffuseconv import learning

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("names", ["reflecting", "periodic"])
@pytest.mark.parametrize(("gain", "offset"), [(0.9, 0.0), (1.1, 0.0), (1.0, 0.2), (0.8, 0.1)])
@pytest.mark.parametrize("light", [RNG.random((64, 64)), 100 + photo((48, 48))])
def test_a_lamp_that_changed_is_refused_or_fitted(names, gain, offset, light):
    offset *= light.mean()
    noise = np.random.default_rng(1).normal(0, 0.01 * light.std(), light.shape)
    later = gain * dc.DiffusionEquation(0.1, boundary=names).evolve(light, 1.0) + offset + noise
    if gain != 1 or offset:
        with pytest.raises(ValueError, match="after must be lit as before was, or pass lamp='free'"):
            learning.fit_diffusivity(light, later, 1.0, boundary=names)
    fit = learning.fit_diffusivity(light, later, 1.0, boundary=names, lamp="free", confidence=1 - 1e-9)
    assert fit.lower <= 0.1 <= fit.upper
    assert fit.upper - fit.lower < 0.02
    assert abs(fit.gain - gain) < 0.01 * gain


@pytest.mark.parametrize("names", ["reflecting", "absorbing", ("zero", "periodic")])
def test_without_noise_all_three_are_found(names):
    u = RNG.random((24, 20)) + 1
    later = 0.9 * dc.DiffusionEquation(0.3, boundary=names).evolve(u, 2.0) + 0.25
    fit = learning.fit_diffusivity(u, later, 2.0, boundary=names, lamp="free")
    np.testing.assert_allclose([fit.diffusivity, fit.gain, fit.offset], [0.3, 0.9, 0.25], rtol=1e-7)


@pytest.mark.parametrize("noise", [0.0, 2.0])
def test_the_interval_holds_the_truth(noise):
    u = photo((24, 20))
    clean = 0.7 * dc.DiffusionEquation(0.4).evolve(u, 1.0) + 3

    def trial(rng):
        pair = u + rng.normal(0, noise, u.shape), clean + rng.normal(0, 0.1, u.shape)
        fit = learning.fit_diffusivity(*pair, 1.0, before_noise=noise, lamp="free")
        return fit.lower <= 0.4 <= fit.upper

    right, hits = coverage(trial, 200, 13)
    assert right, (hits, FALSE_ALARM)


def test_one_wave_cannot_tell_a_lamp_from_diffusion():
    wave = np.cos(np.pi * (np.arange(32) + 0.5) / 8)
    with pytest.raises(ValueError, match="before must have patterns of several sizes"):
        learning.fit_diffusivity(wave, 0.9 * wave, 1.0, lamp="free")


def test_the_standard_error_counts_the_noise_of_both_pictures():
    """Per mode the score's variance is a u² + a b + f² u² b + 2 f² b², for noise of variance b before and a after.

    Leaving one term out changes the error by 8 % and more here; over 256² modes it strays by less than 2 %.
    """
    a, b, truth, n = 0.5, 1.0, 0.2, 256
    rng = np.random.default_rng(3)
    u = rng.normal(size=(n, n))
    later = dc.DiffusionEquation(truth).evolve(u, 1.0) + rng.normal(0, a**0.5, u.shape)
    fit = learning.fit_diffusivity(u + rng.normal(0, b**0.5, u.shape), later, 1.0, before_noise=b**0.5)
    line = dc.boundary.eigenvalues(n, "reflecting")
    rates = np.add.outer(line, line)
    f = np.exp(-rates * truth)
    variance = a + a * b + f**2 * b + 2 * f**2 * b**2
    error = np.sqrt(np.sum((rates * f) ** 2 * variance)) / np.sum((rates * f) ** 2)
    assert abs(fit.standard_error / error - 1) < 0.035
