"""Pictures, problems and tolerances that the tests of learning share."""

import naive
import numpy as np
import strategies
from hypothesis import strategies as st
from scipy import stats

import diffuseconv as dc

EPS = np.finfo(float).eps
FALSE_ALARM = 1e-12


def noise_pictures(rng, taps, boundary, pictures=1, least=4):
    """White pictures of several sizes: as well conditioned as pictures can be."""
    rng = np.random.default_rng(rng)
    shapes = [tuple(least + 2 * n + int(rng.integers(4)) for n in taps) for _ in range(pictures)]
    return rng, [rng.normal(size=shape) for shape in shapes]


def made(pictures, kernel, boundary):
    return [naive.convolve(u, kernel, boundary) for u in pictures]


def stacked(pictures, taps, boundary):
    return np.vstack([naive.design(u, taps, boundary) for u in pictures])


PROBLEMS = st.integers(1, 3).flatmap(
    lambda ndim: st.tuples(strategies.shapes(ndim, most=[7, 3, 2][ndim - 1]), strategies.boundaries(ndim))
)

PHOTO = dc.kernels.gaussian(0.6)  # makes noise as smooth as photographs are


def coverage(trial, trials, rng):
    """Repeat a trial that says whether an interval held the truth; whether it did as often as 95 % says."""
    hits = sum(trial(rng) for rng in np.random.default_rng(rng).spawn(trials))
    law = stats.binom(trials, 0.95)
    return min(law.cdf(hits), law.sf(hits - 1)) > FALSE_ALARM / 2, hits


def photo(shape, rng=10):
    return 30 * dc.convolve(np.random.default_rng(rng).normal(size=shape), PHOTO, boundary="periodic")


def noisy_pair(rng, u, later, noise):
    return u + rng.normal(0, noise, u.shape), later + rng.normal(0, 0.1, u.shape)
