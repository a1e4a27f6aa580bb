"""Propagators from pictures: `fit_propagator` against explicit least squares, intervals by exact tails."""

import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from learning_pictures import EPS, FALSE_ALARM, PROBLEMS, coverage, made, noise_pictures, noisy_pair, photo, stacked
from scipy import optimize, stats

import diffuseconv as dc
from diffuseconv import learning
from diffuseconv.learning import _equations
from diffuseconv.learning._pairs import Pair


@given(PROBLEMS, strategies.SEEDS, st.data())
def test_any_density_is_recovered_exactly(problem, rng, data):
    taps, names = problem
    density = data.draw(strategies.densities(taps))
    _, pictures = noise_pictures(rng, taps, names, 2)
    condition = np.linalg.cond(stacked(pictures, taps, names))
    assume(condition < 1e3)
    fit = learning.fit_propagator(pictures, made(pictures, density, names), taps, boundary=names)
    bound = 1000 * density.size * EPS * condition
    np.testing.assert_allclose(fit.propagator.density, density, rtol=0, atol=bound)
    truth = dc.Propagator(density)
    reach = sum(n**2 for n in taps) * bound * density.size
    np.testing.assert_allclose(fit.drift(1.0).value, truth.drift(1.0), rtol=0, atol=reach)
    np.testing.assert_allclose(fit.diffusivity(1.0).value, truth.diffusivity(1.0), rtol=0, atol=4 * reach)


@given(PROBLEMS, strategies.SEEDS)
def test_the_density_is_the_best_of_all(problem, rng):
    """The conditions of Karush, Kuhn and Tucker: one slope wherever there is weight, and none lower elsewhere."""
    taps, names = problem
    rng, pictures = noise_pictures(rng, taps, names)
    (u,), v = pictures, rng.normal(size=pictures[0].shape)
    matrix = naive.design(u, taps, names)
    assume(np.linalg.cond(matrix) < 1e3)
    density = learning.fit_propagator(u, v, taps, boundary=names).propagator.density.ravel()
    slope = matrix.T @ (matrix @ density - v.ravel())
    blur = 1e-9 * np.abs(matrix.T @ matrix).max()
    lowest = density @ slope
    assert np.all(slope >= lowest - blur)
    np.testing.assert_allclose(slope[density > 1e-9], lowest, rtol=0, atol=blur)


def test_softmax_descent_comes_to_the_same_density():
    """Another way to the same minimum: free parameters, their softmax, the gradient p * (g - p.g), and scipy."""
    rng = np.random.default_rng(8)
    u = rng.normal(size=(20, 20))
    v = dc.convolve(u, dc.Propagator.heat(0.2, 1.0)) + rng.normal(0, 0.5, u.shape)
    matrix, right = naive.design(u, (5, 5), ("reflecting",) * 2), v.ravel()

    def loss(free):
        p = np.exp(free - free.max())
        p /= p.sum()
        left = matrix @ p - right
        slope = matrix.T @ left
        return left @ left / 2, p * (slope - p @ slope)

    found = optimize.minimize(loss, np.zeros(25), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-16})
    p = learning.fit_propagator(u, v, (5, 5)).propagator.density.ravel()
    left = matrix @ p - right
    above = found.fun - left @ left / 2
    assert np.any(p == 0)
    assert above >= -1e-12 * found.fun
    # the loss rises by at least half the least curvature times the squared distance from its minimum
    distance = (2 * above / np.linalg.eigvalsh(matrix.T @ matrix)[0]) ** 0.5
    softmax = np.exp(found.x - found.x.max()) / np.exp(found.x - found.x.max()).sum()
    assert np.linalg.norm(softmax - p) <= distance * (1 + 1e-6) + 1e-9
    assert distance < 0.01


def test_drift_and_diffusivity_are_moments_in_units():
    rng = np.random.default_rng(9)
    u = rng.normal(size=(30, 31))
    p = dc.Propagator(np.array([[0.0, 0.1, 0.0], [0.2, 0.3, 0.4], [0.0, 0.0, 0.0]]))
    fit = learning.fit_propagator(u, dc.convolve(u, p), (3, 3))
    np.testing.assert_allclose(fit.drift(2.0, (0.1, 0.3)).value, p.drift(2.0, (0.1, 0.3)), atol=1e-12)
    np.testing.assert_allclose(fit.diffusivity(2.0, (0.1, 0.3)).value, p.diffusivity(2.0, (0.1, 0.3)), atol=1e-12)


@given(PROBLEMS, strategies.SEEDS, st.sampled_from([0.0, 0.3]))
def test_propagator_is_least_squares_with_a_sum_of_one(problem, rng, noise):
    """Against the equations with a multiplier for the sum, solved as a whole, with the mean of the noise taken off."""
    taps, names = problem
    rng, (u,) = noise_pictures(rng, taps, names)
    v, size = rng.normal(size=u.shape), math.prod(taps)
    matrix = naive.design(u, taps, names)
    echo = noise**2 * _equations.noise_gram([Pair(u[None], u[None])], taps, names)
    square = np.block([[matrix.T @ matrix - echo, np.ones((size, 1))], [np.ones((1, size)), np.zeros((1, 1))]])
    assume(np.linalg.eigvalsh(matrix.T @ matrix - echo)[0] > 1e-3 * u.size and np.linalg.cond(square) < 1e5)
    solve = np.linalg.inv(square)
    expected = (solve @ np.append(matrix.T @ v.ravel(), 1.0))[:size]
    fit = learning.fit_propagator(u, v, taps, boundary=names, before_noise=noise)
    np.testing.assert_allclose(fit.weights.ravel(), expected, rtol=0, atol=1e-9)
    left = np.sum((v.ravel() - matrix @ expected) ** 2) - expected @ echo @ expected
    assert fit.noise_variance == pytest.approx(max(0.0, left) / (u.size - size + 1), rel=1e-8)
    if not noise:
        covariance = fit.noise_variance * solve[:size, :size]
        np.testing.assert_allclose(
            fit.covariance, covariance, rtol=0, atol=1e-9 * fit.noise_variance * np.abs(solve).max()
        )
    moves = np.array([[j - n // 2 for j, n in zip(tap, taps, strict=True)] for tap in np.ndindex(taps)], dtype=float)
    mean, spread = expected @ moves, moves.T @ fit.covariance @ moves
    found = fit.diffusivity(0.5).value  # D t = half of the second moment, less the squared mean, less what that adds
    second = np.einsum("j,ja,jb->ab", expected, moves, moves)
    np.testing.assert_allclose(found, second - np.multiply.outer(mean, mean) + spread, rtol=0, atol=1e-7)
    np.testing.assert_allclose(fit.drift(0.5).standard_error, 2 * np.diag(spread) ** 0.5, rtol=1e-6, atol=1e-9)


def test_intervals_are_students():
    value, error = np.array([1.0, -2.0]), np.array([0.5, 2.0])
    for confidence, freedom in ((0.95, 3.0), (0.5, 1e4)):
        found = learning.Estimate.student(value, error, confidence, freedom)
        lower, upper = stats.t.interval(confidence, freedom, value, error)
        np.testing.assert_allclose(found.lower, lower, rtol=1e-10)
        np.testing.assert_allclose(found.upper, upper, rtol=1e-10)


SPREADING = dc.Propagator.normalized(np.multiply.outer([1, 4, 8, 4, 1], [1, 4, 8, 4, 1]))


@pytest.mark.parametrize(
    ("density", "names"),
    [
        (SPREADING, ("reflecting", "periodic")),
        (dc.Propagator(np.array([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])), ("zero", "reflecting")),
        (dc.Propagator(np.array([[0.0, 0.5, 0.0], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])), ("absorbing", "reflecting")),
    ],
)
def test_diffusivity_lies_in_its_interval(density, names):
    """Also on the edge of what a density can be (no diffusion at all), where a density's own moments would not."""
    u = photo((24, 24))
    clean = dc.convolve(u, density, boundary=names)
    drift, truth = density.drift(0.5), density.diffusivity(0.5)

    def fit(rng):
        return learning.fit_propagator(u, clean + rng.normal(0, 0.3, u.shape), density.shape, boundary=names)

    def within(estimate, truth):
        return (estimate.lower <= truth) & (truth <= estimate.upper)

    fits = [fit(rng) for rng in np.random.default_rng(11).spawn(200)]
    inside = [[*within(f.drift(0.5), drift), *within(f.diffusivity(0.5), truth)[np.triu_indices(2)]] for f in fits]
    law = stats.binom(200, 0.95)
    for hits in np.sum(inside, axis=0):
        assert min(law.cdf(hits), law.sf(hits - 1)) > FALSE_ALARM / 2, hits
    if density.density.max() == 1:  # the moments of the constrained fit cannot fall below, and stray above
        own = [f.propagator.diffusivity(0.5)[0, 0] for f in fits]
        assert min(own) >= 0
        assert np.mean(own) > 0.3 * np.std([f.diffusivity(0.5).value[0, 0] for f in fits])


@pytest.mark.parametrize("names", [("reflecting", "zero"), ("periodic", "absorbing")])
def test_noise_before_biases_and_is_corrected_by_its_size(names):
    density = SPREADING
    u, noise = photo((40, 40)), 2.0
    clean, truth = dc.convolve(u, density, boundary=names), density.diffusivity(1.0)[0, 0]

    def trial(rng, told):
        first, second = noisy_pair(rng, u, clean, noise)
        found = learning.fit_propagator(first, second, density.shape, boundary=names, before_noise=told).diffusivity(
            1.0
        )
        return found.lower[0, 0] <= truth <= found.upper[0, 0]

    right, hits = coverage(lambda rng: trial(rng, noise), 150, 12)
    assert right, hits
    right, hits = coverage(lambda rng: trial(rng, 0.0), 150, 12)
    assert not right, hits
