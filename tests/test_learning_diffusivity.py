"""Diffusivities from pictures: `fit_diffusivity` against the solver, intervals by exact tails."""

import math

import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from learning_pictures import FALSE_ALARM, PROBLEMS, coverage, noisy_pair, photo
from scipy import fft, stats

import diffuseconv as dc
from diffuseconv import learning


@given(PROBLEMS, strategies.SEEDS, st.floats(1e-3, 30.0), st.floats(1e-6, 1e6), st.floats(1e-3, 1e3))
def test_any_diffusivity_is_recovered_exactly(problem, rng, spread, unit, duration):
    names = problem[1]
    rng = np.random.default_rng(rng)
    u = rng.normal(size=(8, 7, 6)[: len(names)])
    spacing = unit * rng.uniform(0.7, 1.4, len(names))
    truth = spread * unit**2 / duration
    later = dc.DiffusionEquation(truth, tuple(spacing), boundary=names).evolve(u, duration, method="spectral")
    fit = learning.fit_diffusivity(u, later, duration, spacing=tuple(spacing), boundary=names)
    slow = np.ptp(later) / np.ptp(u)
    assume(slow > 1e-3)
    assert fit.diffusivity == pytest.approx(truth, rel=1e-10 / slow**2)
    assert fit.lower <= fit.diffusivity <= fit.upper


@pytest.mark.parametrize("names", [("reflecting", "zero"), ("periodic", "absorbing"), ("periodic", "periodic")])
@pytest.mark.parametrize(("truth", "noise"), [(0.4, 0.0), (0.4, 2.0), (0.0, 0.0), (0.0, 2.0)])
def test_diffusion_lies_in_its_interval(names, truth, noise):
    u = photo((24, 20))
    clean = dc.DiffusionEquation(truth, boundary=names).evolve(u, 1.0) if truth else u

    def trial(rng, told=noise):
        fit = learning.fit_diffusivity(*noisy_pair(rng, u, clean, noise), 1.0, boundary=names, before_noise=told)
        return fit.lower <= truth <= fit.upper

    def one_sided(rng):
        fit = learning.fit_diffusivity(*noisy_pair(rng, u, clean, noise), 1.0, boundary=names, before_noise=noise)
        return fit.lower <= truth

    if truth:
        right, hits = coverage(trial, 200, 13)
        assert right, hits
    else:  # the part below 0 is cut off, so only the lower end can miss, half as often
        hits = sum(one_sided(rng) for rng in np.random.default_rng(13).spawn(200))
        law = stats.binom(200, 0.975)
        assert min(law.cdf(hits), law.sf(hits - 1)) > FALSE_ALARM / 2, hits
    if noise:
        right, hits = coverage(lambda rng: trial(rng, 0.0), 200, 13)
        assert not right, hits


@pytest.mark.parametrize("told", [0.0, 0.1])
def test_noise_of_the_later_picture_is_told_from_that_of_the_earlier(told):
    """A mode's residual has the variance a + f² b; their squares sum to a form that strays as in the test on maps."""
    truth, trials, x = 0.4, 200, math.log(2 / FALSE_ALARM)
    u = photo((24, 20))
    clean = dc.DiffusionEquation(truth).evolve(u, 1.0)
    rates = np.add.outer(dc.boundary.eigenvalues(24, "reflecting"), dc.boundary.eigenvalues(20, "reflecting"))
    variances = 0.1**2 + told**2 * np.exp(-2 * truth * rates)
    pairs = [noisy_pair(rng, u, clean, told) for rng in np.random.default_rng(21).spawn(trials)]
    fits = [learning.fit_diffusivity(*pair, 1.0, before_noise=told) for pair in pairs]
    away = 2 * (trials * np.sum(variances**2) * x) ** 0.5 + 2 * variances.max() * x
    away += variances.max() * trials * 4  # what fitting one number takes from each sum: about one variance
    mean = np.mean([fit.noise_variance for fit in fits])
    assert abs(mean - 0.1**2) < away / trials / u.size < 0.1 * 0.1**2


def test_the_standard_error_counts_the_square_of_the_noise():
    """Of equal pictures the residuals are 0: each score has the variance r² (P b + b²), its slope is r² (P - b)."""
    b, u = 0.5, np.random.default_rng(3).normal(size=(16, 12))
    power = fft.dctn(u, norm="ortho") ** 2
    rates = np.add.outer(*(4 * np.sin(np.pi * np.arange(n) / (2 * n)) ** 2 for n in u.shape))
    expected = math.sqrt(np.sum(rates**2 * (power * b + b**2))) / np.sum(rates**2 * (power - b))
    fit = learning.fit_diffusivity(u, u, 1.0, before_noise=b**0.5)
    assert fit.standard_error == pytest.approx(expected, rel=1e-12)


def test_the_two_fits_agree_on_one_process():
    u = photo((64, 64))
    later = dc.DiffusionEquation(0.2).evolve(u, 1.0) + np.random.default_rng(14).normal(0, 0.02, u.shape)
    free = learning.fit_propagator(u, later, (11, 11)).diffusivity(1.0)
    heat = learning.fit_diffusivity(u, later, 1.0)
    assert abs(free.value[0, 0] - heat.diffusivity) < 7.2 * math.hypot(free.standard_error[0, 0], heat.standard_error)
    assert heat.standard_error < free.standard_error[0, 0] / 5


def test_no_diffusivity_near_by_fits_better():
    """Least squares: on noisy pictures the squares of what is left grow to both sides."""
    rng = np.random.default_rng(4)
    before = rng.normal(size=(12, 10))
    after = dc.DiffusionEquation(0.3).evolve(before, 2.0) + rng.normal(0.0, 0.1, before.shape)
    found = dc.learning.fit_diffusivity(before, after, duration=2.0).diffusivity

    def squares(diffusivity):
        return np.sum((dc.DiffusionEquation(diffusivity).evolve(before, 2.0, "spectral") - after) ** 2)

    assert squares(found) < min(squares(found * 0.999), squares(found * 1.001))
