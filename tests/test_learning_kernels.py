"""Kernels from pictures: the normal equations and `fit_kernel` against explicit least squares."""

import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st
from learning_pictures import EPS, FALSE_ALARM, PROBLEMS, made, noise_pictures, stacked
from scipy import stats

import diffuseconv as dc
from diffuseconv import learning
from diffuseconv.learning import _equations
from diffuseconv.learning._pairs import Pair

# --- the normal equations


@given(PROBLEMS, strategies.SEEDS)
def test_sums_of_products_are_those_of_the_explicit_matrix(problem, rng):
    taps, names = problem
    rng = np.random.default_rng(rng)
    u, v = rng.normal(size=(2, *rng.integers(1, 7, len(taps))))
    matrix = naive.design(u, taps, names)
    pairs = [Pair(u[None], v[None])]
    np.testing.assert_allclose(_equations.gram(pairs, taps, names), matrix.T @ matrix, rtol=0, atol=1e-12 * u.size)
    right = _equations.onto_shifts(pairs, [v[None]], taps, names)
    np.testing.assert_allclose(right, matrix.T @ v.ravel(), rtol=0, atol=1e-12 * u.size)


def test_blocks_of_rows_add_up(monkeypatch):
    u = np.random.default_rng(1).normal(size=(1, 40, 11))
    whole = _equations.gram([Pair(u, u)], (4, 3), ("zero", "periodic"))
    monkeypatch.setattr(_equations, "BLOCK", 200)
    np.testing.assert_allclose(_equations.gram([Pair(u, u)], (4, 3), ("zero", "periodic")), whole, rtol=0, atol=1e-12)


@given(PROBLEMS, st.data())
def test_noise_repeats_itself_beside_walls_as_counted(problem, data):
    """The mean of A'A for white noise is the sum over the cells of the products of what each of them contributes."""
    taps, names = problem
    shape = data.draw(strategies.shapes(len(taps), most=5))
    expected = np.zeros((math.prod(taps),) * 2)
    for cell in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[cell] = 1.0
        matrix = naive.design(unit, taps, names)
        expected += matrix.T @ matrix
    u = np.zeros((1, *shape))
    assert np.array_equal(_equations.noise_gram([Pair(u, u)], taps, names), expected)


# --- fit_kernel


@given(PROBLEMS, strategies.SEEDS, st.integers(1, 3), st.data())
def test_any_kernel_is_recovered_exactly(problem, rng, count, data):
    taps, names = problem
    kernel = data.draw(strategies.kernels(taps))
    _, pictures = noise_pictures(rng, taps, names, count)
    condition = np.linalg.cond(stacked(pictures, taps, names))
    assume(condition < 1e5)
    fit = learning.fit_kernel(pictures, made(pictures, kernel, names), taps, boundary=names)
    bound = 50 * math.prod(taps) * EPS * condition * np.abs(kernel).sum()
    np.testing.assert_allclose(fit.kernel, kernel, rtol=0, atol=bound)
    assert fit.noise_variance <= (bound * max(np.abs(u).max() for u in pictures) * math.prod(taps)) ** 2


@given(PROBLEMS, strategies.SEEDS, st.sampled_from([0.0, 0.1, 30.0]))
def test_fit_is_least_squares(problem, rng, ridge):
    taps, names = problem
    rng, pictures = noise_pictures(rng, taps, names, 2)
    targets = [rng.normal(size=u.shape) for u in pictures]
    fit = learning.fit_kernel(pictures, targets, taps, boundary=names, ridge=ridge)
    matrix, right = stacked(pictures, taps, names), np.concatenate([v.ravel() for v in targets])
    size = math.prod(taps)
    assume(np.linalg.cond(matrix) < 1e4)
    padded = np.vstack([matrix, ridge**0.5 * np.eye(size)])
    expected = np.linalg.lstsq(padded, np.append(right, np.zeros(size)), rcond=None)[0]
    np.testing.assert_allclose(fit.kernel.ravel(), expected, rtol=0, atol=1e-9)
    solve = np.linalg.inv(padded.T @ padded)
    share = solve @ matrix.T @ matrix  # has the traces of the hat matrix and its square
    freedom = len(right) - np.trace(2 * share - share @ share)
    variance = np.sum((right - matrix @ expected) ** 2) / freedom
    assert fit.degrees_of_freedom == pytest.approx(freedom, rel=1e-9)
    assert fit.noise_variance == pytest.approx(variance, rel=1e-9)
    covariance = variance * solve @ matrix.T @ matrix @ solve
    np.testing.assert_allclose(fit.covariance, covariance, rtol=0, atol=1e-9 * np.abs(covariance).max())
    np.testing.assert_allclose(fit.standard_errors.ravel() ** 2, np.diag(covariance), rtol=1e-8)


def test_smooth_pictures_lose_no_more_than_their_condition(monkeypatch):
    """Refinement: the error is that of the matrix's condition number, not of its square."""
    names = ("reflecting",) * 2
    for sigma, taps in ((3.0, (3, 3)), (2.0, (5, 5)), (3.0, (5, 5))):
        u = dc.convolve(np.random.default_rng(3).normal(size=(24, 24)), dc.kernels.gaussian(sigma))
        kernel = np.random.default_rng(4).normal(size=taps)
        later = naive.convolve(u, kernel, names)
        bound = 4 * EPS * np.linalg.cond(naive.design(u, taps, names))
        assert np.abs(learning.fit_kernel(u, later, taps).kernel - kernel).max() < bound < 1e-8
        with monkeypatch.context() as planted:
            planted.setattr("diffuseconv.learning.kernel_fit._REFINEMENTS", 0)
            assert np.abs(learning.fit_kernel(u, later, taps).kernel - kernel).max() > bound


@given(strategies.SEEDS, st.integers(-30, 30), st.integers(-30, 30))
def test_fit_scales_with_the_pictures(rng, up, down):
    rng = np.random.default_rng(rng)
    u, v = rng.normal(size=(2, 9, 8))
    fit, scaled = (learning.fit_kernel(u * a, v * b, (2, 3)) for a, b in ((1, 1), (2.0**up, 2.0**down)))
    np.testing.assert_allclose(scaled.kernel * 2.0 ** (up - down), fit.kernel, rtol=0, atol=1e-13)
    np.testing.assert_allclose(scaled.standard_errors * 2.0 ** (up - down), fit.standard_errors, rtol=1e-11)


def test_colours_and_batches_share_one_kernel():
    rng = np.random.default_rng(5)
    photo = rng.normal(size=(14, 12, 3))
    kernel = rng.normal(size=(3, 2))
    later = dc.convolve(photo, kernel, axes=(0, 1)) + rng.normal(size=photo.shape)
    fit = learning.fit_kernel(photo, later, (3, 2), axes=(0, 1))
    channels = [[np.array(picture[..., c]) for c in range(3)] for picture in (photo, later)]
    np.testing.assert_allclose(fit.kernel, learning.fit_kernel(*channels, (3, 2)).kernel, rtol=0, atol=1e-12)
    turned = learning.fit_kernel(photo, later, (2, 3), axes=(1, 0))
    np.testing.assert_allclose(turned.kernel, fit.kernel.T, rtol=0, atol=1e-12)
    single = learning.fit_kernel(photo.astype(np.float32), later.astype(np.float32), (3, 2), axes=(0, 1))
    np.testing.assert_allclose(single.kernel, fit.kernel, rtol=0, atol=1e-5)


TRIALS = 400


def held(values):
    """How often a p-value that should be uniform says "within 95 %"; refuse counts that chance does not give."""
    values = np.asarray(values)
    count = int(np.sum((values > 0.025) & (values < 0.975)))
    law = stats.binom(len(values), 0.95)
    return min(law.cdf(count), law.sf(count - 1)) > FALSE_ALARM / 2


def test_standard_errors_and_intervals_tell_the_truth():
    """False alarm 1e-12 for each assertion, by exact laws: F for all weights together, t for each one."""
    rng = np.random.default_rng(6)
    names, taps = ("reflecting", "absorbing"), (2, 3)
    u = dc.convolve(rng.normal(size=(8, 9)), dc.kernels.gaussian(0.6))
    kernel = rng.normal(size=taps)
    clean = naive.convolve(u, kernel, names)
    fits = [learning.fit_kernel(u, clean + rng.normal(0, 0.3, u.shape), taps, boundary=names) for _ in range(TRIALS)]
    freedom = u.size - 6
    away = np.array([(fit.kernel - kernel).ravel() for fit in fits])
    together = [d @ np.linalg.solve(fit.covariance, d) / 6 for d, fit in zip(away, fits, strict=True)]
    assert held(stats.f(6, freedom).cdf(together))
    for tap in range(6):
        assert held(
            stats.t(freedom).cdf([d[tap] / f.standard_errors.ravel()[tap] for d, f in zip(away, fits, strict=True)])
        )
    variances = np.sum([fit.noise_variance for fit in fits]) * freedom / 0.3**2
    law = stats.chi2(freedom * TRIALS)
    assert law.ppf(FALSE_ALARM / 2) < variances < law.isf(FALSE_ALARM / 2)
    inside = [(fit.interval().lower <= kernel) & (kernel <= fit.interval().upper) for fit in fits]
    for tap, hits in enumerate(np.sum(inside, axis=0).ravel()):
        law = stats.binom(TRIALS, 0.95)
        assert min(law.cdf(hits), law.sf(hits - 1)) > FALSE_ALARM / 2, tap
    # planted: errors that are a third too small are caught
    assert not held(stats.f(6, freedom).cdf(np.array(together) * 2.25))
