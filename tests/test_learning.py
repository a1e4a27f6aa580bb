"""Learning: fits against explicit least squares, intervals by exact tails, gradients against finite differences."""

import itertools
import math

import naive
import numpy as np
import pytest
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

import diffuseconv as dc
from diffuseconv import learning
from diffuseconv.learning import _equations
from diffuseconv.learning._pairs import Pair

EPS = np.finfo(float).eps
FALSE_ALARM = 1e-12


def scene(rng, taps, boundary, pictures=1, least=4):
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
    _, pictures = scene(rng, taps, names, count)
    condition = np.linalg.cond(stacked(pictures, taps, names))
    assume(condition < 1e5)
    fit = learning.fit_kernel(pictures, made(pictures, kernel, names), taps, boundary=names)
    bound = 50 * math.prod(taps) * EPS * condition * np.abs(kernel).sum()
    np.testing.assert_allclose(fit.kernel, kernel, rtol=0, atol=bound)
    assert fit.noise_variance <= (bound * max(np.abs(u).max() for u in pictures) * math.prod(taps)) ** 2


@given(PROBLEMS, strategies.SEEDS, st.sampled_from([0.0, 0.1, 30.0]))
def test_fit_is_least_squares(problem, rng, ridge):
    taps, names = problem
    rng, pictures = scene(rng, taps, names, 2)
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
            assert np.abs(learning.fit_kernel(u, later, taps).kernel - kernel).max() > 100 * bound


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


# --- fit_propagator


@given(PROBLEMS, strategies.SEEDS, st.data())
def test_any_density_is_recovered_exactly(problem, rng, data):
    taps, names = problem
    density = data.draw(strategies.densities(taps))
    _, pictures = scene(rng, taps, names, 2)
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
    rng, pictures = scene(rng, taps, names)
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
    rng, (u,) = scene(rng, taps, names)
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


def coverage(trial, trials, rng):
    """Repeat a trial that says whether an interval held the truth; whether it did as often as 95 % says."""
    hits = sum(trial(rng) for rng in np.random.default_rng(rng).spawn(trials))
    law = stats.binom(trials, 0.95)
    return min(law.cdf(hits), law.sf(hits - 1)) > FALSE_ALARM / 2, hits


SPREADING = dc.Propagator.normalized(np.multiply.outer([1, 4, 8, 4, 1], [1, 4, 8, 4, 1]))
PHOTO = dc.kernels.gaussian(0.6)  # makes noise as smooth as photographs are


def photo(shape, rng=10):
    return 30 * dc.convolve(np.random.default_rng(rng).normal(size=shape), PHOTO, boundary="periodic")


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


def noisy_pair(rng, u, later, noise):
    return u + rng.normal(0, noise, u.shape), later + rng.normal(0, 0.1, u.shape)


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


# --- fit_diffusivity


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


def test_the_two_fits_agree_on_one_process():
    u = photo((64, 64))
    later = dc.DiffusionEquation(0.2).evolve(u, 1.0) + np.random.default_rng(14).normal(0, 0.02, u.shape)
    free = learning.fit_propagator(u, later, (11, 11)).diffusivity(1.0)
    heat = learning.fit_diffusivity(u, later, 1.0)
    assert abs(free.value[0, 0] - heat.diffusivity) < 7.2 * math.hypot(free.standard_error[0, 0], heat.standard_error)
    assert heat.standard_error < free.standard_error[0, 0] / 5


# --- train_bank


@given(PROBLEMS, strategies.SEEDS, st.integers(1, 3))
def test_gradient_is_that_of_finite_differences(problem, rng, count):
    """The loss is quadratic: central differences are exact but for rounding."""
    taps, names = problem
    rng = np.random.default_rng(rng)
    shape = tuple(rng.integers(1, 7, len(taps)))
    u, v, bank = rng.normal(size=shape), rng.normal(size=(count, *shape)), rng.normal(size=(count, *taps))

    def loss(bank):
        maps = [naive.convolve(u, kernel, names) for kernel in bank]
        return sum(np.mean((m - w) ** 2) for m, w in zip(maps, v, strict=True))

    found, gradient = learning.bank_gradient(u, v, bank, boundary=names)
    assert found == pytest.approx(loss(bank), rel=1e-12)
    for place in itertools.islice(np.ndindex(bank.shape), 6):
        step = np.zeros_like(bank)
        step[place] = 0.5
        assert gradient[place] == pytest.approx(
            loss(bank + step) - loss(bank - step), abs=1e-11 * (1 + found) * bank.size
        )


@given(PROBLEMS, strategies.SEEDS)
def test_the_backward_pass_is_the_adjoint(problem, rng):
    """<k * u, e> = <k, gradient for e>: convolution and correlation, the one the adjoint of the other."""
    taps, names = problem
    rng = np.random.default_rng(rng)
    shape = tuple(rng.integers(1, 8, len(taps)))
    u, e, kernel = rng.normal(size=shape), rng.normal(size=shape), rng.normal(size=taps)
    _, gradient = learning.bank_gradient(u, -e[None], np.zeros((1, *taps)), boundary=names)
    left, right = np.vdot(naive.convolve(u, kernel, names), e), np.vdot(kernel, gradient[0]) * u.size / 2
    assert left == pytest.approx(right, abs=1e-11 * u.size * kernel.size)


@pytest.mark.parametrize("names", ["reflecting", "periodic", "absorbing", "zero"])
def test_sobel_is_learned_again(names):
    """Stated precision: 1e-6 of the largest weight after 2000 steps on a picture as smooth as photographs."""
    u = photo((64, 64))
    bank = np.stack([dc.kernels.sobel(0), dc.kernels.sobel(1)])
    edges = dc.feature_maps(u, bank, mode="same", boundary=names)
    states = list(learning.train_bank(u, edges, (3, 3), boundary=names, rng=15, patch=16, momentum=0.95))
    assert [state.step for state in states] == list(range(2001))
    assert np.abs(states[-1].bank - bank).max() < 1e-6 * bank.max()
    assert states[-1].loss < 1e-9 * states[0].loss


def test_the_same_rng_takes_the_same_steps():
    u, rng = photo((20, 20)), np.random.default_rng(16)
    edges = dc.feature_maps(u, dc.kernels.sobel(0)[None], mode="same")
    runs = [list(learning.train_bank(u, edges, (3, 3), steps=5, rng=r)) for r in (3, 3, 4, rng, rng)]
    banks = [[state.bank for state in run] for run in runs]
    assert np.array_equal(banks[0], banks[1])
    assert not np.array_equal(banks[0], banks[2])
    assert not np.array_equal(banks[3], banks[4])
    assert not np.array_equal(banks[0][0], banks[0][1])


@given(strategies.SEEDS, st.integers(-20, 20), st.integers(-20, 20))
@settings(max_examples=10)
def test_training_does_not_depend_on_units(rng, up, down):
    u = np.random.default_rng(rng).normal(size=(9, 9))
    v, start = np.random.default_rng(rng + 1).normal(size=(2, 2, 9, 9))
    first, second = (
        [
            s.bank
            for s in learning.train_bank(
                u * a, v * b, (2, 2), steps=4, rng=1, patch=4, initial=start[:, :2, :2] * b / a
            )
        ]
        for a, b in ((1.0, 1.0), (2.0**up, 2.0**down))
    )
    np.testing.assert_allclose(np.array(second) * 2.0 ** (up - down), first, rtol=0, atol=1e-12)


def test_patches_come_from_every_place_of_every_picture():
    """One-pixel patches of pictures whose pixels say where they are; each of the 10 places has the same chance."""
    pictures = [np.arange(1.0, 5.0).reshape(2, 2), np.arange(5.0, 11.0).reshape(2, 3)]
    targets = [np.zeros((1, *u.shape)) for u in pictures]
    steps = learning.train_bank(
        pictures, targets, (1, 1), steps=3999, patch=1, rate=1e-9, initial=np.ones((1, 1, 1)), rng=17
    )
    seen = np.rint(np.sqrt([state.loss for state in steps])).astype(int)
    dc.testing.assert_frequencies(np.bincount(seen, minlength=11)[1:], np.full(10, 0.1), draws=4000)


def test_a_step_is_the_gradient_over_the_energy_with_momentum():
    rng = np.random.default_rng(22)
    u, v, bank = rng.normal(size=(6, 5)), rng.normal(size=(2, 6, 5)), rng.normal(size=(2, 3, 2))
    states = list(learning.train_bank(u, v, (3, 2), steps=3, rate=0.7, momentum=0.6, initial=bank, boundary="zero"))
    step = np.zeros_like(bank)
    for state in states:
        loss, gradient = learning.bank_gradient(u, v, bank, boundary="zero")
        np.testing.assert_allclose(state.bank, bank, rtol=0, atol=1e-13)
        assert state.loss == pytest.approx(loss, rel=1e-12)
        step = 0.6 * step - 0.7 * u.size / 2 * gradient / (bank[0].size * np.sum(u**2))
        bank = bank + step


def test_a_black_patch_teaches_nothing():
    *_, last = learning.train_bank(np.zeros((4, 4)), np.ones((1, 4, 4)), (2, 2), steps=3, initial=np.ones((1, 2, 2)))
    assert np.array_equal(last.bank, np.ones((1, 2, 2)))


# --- feature_correlation


@given(strategies.levels(strategies.shapes((2, 3), most=6)))
def test_correlation_is_pearsons(maps):
    found = learning.feature_correlation(maps)
    np.testing.assert_allclose(found, naive.correlation(maps), rtol=0, atol=1e-12)
    assert np.array_equal(found, found.T)
    assert np.array_equal(np.diag(found), np.ones(len(maps)))
    assert np.abs(found).max() <= 1
    np.testing.assert_allclose(learning.feature_correlation(3.0 - 7.0 * maps), found, rtol=0, atol=1e-12)


def test_convolution_induces_correlation():
    """On white noise two maps have the inner product of their kernels as expected covariance: over all signs, exactly.

    For normal noise the covariance is a quadratic form with a matrix M of so many shifts, which strays further than
    2 |M|_F sqrt(x) + 2 |M| x to a side with at most the chance exp(-x) (Boucheron, Lugosi, Massart, example 2.12).
    """
    bank = np.random.default_rng(18).normal(size=(3, 2, 2))
    inner = np.einsum("aij,bij->ab", bank, bank)
    mean = np.zeros((3, 3))
    for signs in itertools.product((-1.0, 1.0), repeat=9):
        maps = dc.feature_maps(np.reshape(signs, (3, 3)), bank, mode="same", boundary="periodic").reshape(3, -1)
        mean += maps @ maps.T / 9 / 2**9
    np.testing.assert_allclose(mean, inner, rtol=0, atol=1e-12)

    side, x = 512, math.log(2 * 9 / FALSE_ALARM)
    noise = np.random.default_rng(19).normal(size=(side, side))
    found = learning.feature_correlation(dc.feature_maps(noise, bank, mode="same", boundary="periodic"))
    sizes = np.sqrt(np.diag(inner))
    away = np.zeros((3, 3))
    for a, b in np.ndindex(3, 3):
        shifts = naive.full(bank[a], np.flip(bank[b]))
        away[a, b] = 2 * np.linalg.norm(shifts) * x**0.5 / side + 2 * np.abs(shifts).sum() * x / side**2
        away[a, b] += abs(bank[a].sum() * bank[b].sum()) * 2 * x / side**2  # the squared mean, taken off
    share = (away / np.multiply.outer(sizes, sizes)).max()
    bound = 2 * share / (1 - share)
    assert bound < 0.1
    np.testing.assert_allclose(found, inner / np.multiply.outer(sizes, sizes), rtol=0, atol=bound)
    assert np.abs(found[np.triu_indices(3, 1)]).max() > 2 * bound  # so unrelated maps would not pass


def test_constant_maps_go_with_nothing():
    maps = np.stack([np.full((4, 4), 0.1), np.arange(16.0).reshape(4, 4), 1e16 + np.zeros((4, 4)), np.zeros((4, 4))])
    assert np.array_equal(learning.feature_correlation(maps), np.eye(4))
    blurred = dc.feature_maps(np.full((9, 9), 0.1), np.stack([dc.kernels.box(3), dc.kernels.sobel(0)]))
    assert np.array_equal(learning.feature_correlation(blurred), np.eye(2))


# --- what is refused

FIELD = np.random.default_rng(20).normal(size=(8, 8))
WHITE = {"fit_kernel": ("inputs", "outputs"), "fit_propagator": ("before", "after")}


@pytest.mark.parametrize("name", WHITE)
@pytest.mark.parametrize(
    ("first", "second", "shape", "options", "message"),
    [
        (FIELD, FIELD[:4], (3, 3), {}, "{1} must have the shape of {0}, got (4, 8) for (8, 8)"),
        ([FIELD, FIELD], [FIELD], (3, 3), {}, "{1} must be as many pictures as {0}, got 1 for 2"),
        (FIELD, FIELD * np.nan, (3, 3), {}, "{1} must be finite, got nan at index (0, 0)"),
        ([FIELD, FIELD * 1e101], [FIELD, FIELD], (3, 3), {}, "{0}[1] must not exceed 1e+100 in magnitude"),
        (FIELD, FIELD, (9, 9), {}, "{1} must have more pixels than shape has weights, got 64 for 81"),
        (FIELD, FIELD, 3, {}, "{0} must have one spatial axis for each of the 1 axes of the kernel (see axes=), got 2"),
        (FIELD, FIELD, (3, 0), {}, "shape[1] must be at least 1, got 0"),
        (FIELD, FIELD, (3, 3), {"boundary": "open"}, "boundary must be one of"),
        (0 * FIELD + 1, FIELD, (3, 3), {}, "{0} must determine all 9 weights"),
    ],
)
def test_bad_pairs_are_refused_in_one_line(name, first, second, shape, options, message):
    with pytest.raises(ValueError) as caught:
        getattr(learning, name)(first, second, shape, **options)
    text = str(caught.value)
    assert text.startswith(message.format(*WHITE[name])), text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: learning.fit_kernel(FIELD, FIELD, 3, axes=0, ridge=-1), "ridge must be at least 0, got -1"),
        (lambda: learning.fit_propagator(FIELD, FIELD, (3, 3), before_noise=-1.0), "before_noise must be at least 0"),
        (lambda: learning.fit_propagator(FIELD, FIELD, (3, 3), before_noise=9.0), "before_noise must leave some"),
        (lambda: learning.fit_propagator(FIELD, FIELD, (3, 3)).drift(0.0), "duration must be greater than 0, got 0"),
        (
            lambda: learning.fit_propagator(FIELD, FIELD, (3, 3)).drift(1, confidence=1),
            "confidence must be less than 1",
        ),
        (lambda: learning.fit_diffusivity(FIELD, FIELD, 0), "duration must be greater than 0, got 0"),
        (lambda: learning.fit_diffusivity(FIELD, FIELD, 1, before_noise=9.0), "before_noise must leave some"),
        (
            lambda: learning.fit_diffusivity(0 * FIELD + 2, FIELD, 1),
            "before must vary, got pictures without any pattern",
        ),
        (lambda: learning.fit_diffusivity(FIELD, -FIELD, 1), "after must keep some pattern of before"),
        (lambda: learning.fit_diffusivity(FIELD, FIELD, 1, spacing=(1, 0)), "spacing[1] must be greater than 0, got 0"),
        (lambda: learning.train_bank(FIELD, FIELD, (3, 3)), "targets must have shape (n, *picture)"),
        (lambda: learning.train_bank(FIELD, FIELD[None], 3), "inputs must have the 1 axes of shape, got shape (8, 8)"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), rate=2), "rate must be less than 2, got 2"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), momentum=1), "momentum must be less than 1, got 1"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), steps=-1), "steps must be at least 0, got -1"),
        (lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), rng=-1), "rng must not be negative, got -1"),
        (
            lambda: learning.train_bank(FIELD, FIELD[None], (3, 3), initial=FIELD),
            "initial must have the shape (1, 3, 3)",
        ),
        (lambda: learning.bank_gradient(FIELD, FIELD[None], FIELD), "bank must have shape (n, *kernel) with 2 kernel"),
        (lambda: learning.bank_gradient(FIELD, FIELD[None], FIELD[None] * np.inf), "bank must be finite"),
        (
            lambda: learning.feature_correlation([1.0, 2.0]),
            "maps must have shape (n, ...) with pixels in each, got shape",
        ),
    ],
)
def test_bad_arguments_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


def test_too_few_pictures_are_named_by_how_they_vary():
    with pytest.raises(
        ValueError, match="pass richer pictures, a smaller shape or ridge > 0, got pictures that vary in 1 ways"
    ):
        learning.fit_kernel(np.ones((8, 8)), FIELD, (3, 3))
    fit = learning.fit_kernel(np.ones((8, 8)), np.full((8, 8), 2.0), (3, 3), ridge=1e-6)
    np.testing.assert_allclose(fit.kernel, 2 / 9, rtol=1e-6)
