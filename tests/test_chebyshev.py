"""The Chebyshev expansion against matrix exponentials of an operator written down cell by cell, and its tolerance."""

import numba
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import scipy.special
import strategies
from hypothesis import given
from hypothesis import strategies as st
from problems import equation, exact, matrices

import diffuseconv as dc
from diffuseconv.diffusion import chebyshev, sweeps

EPS = np.finfo(float).eps


def rounding(problem, u, duration, expected):
    """Bound the rounding of a run, as the module's notes derive it; the reference's own has the same form.

    What a time enters with is the field, or the slope at its start times the duration.
    """
    left, right = matrices(problem)
    slope = np.abs(left @ u.ravel() + right).max()
    z = duration * equation(problem).lattice(u.shape).largest_rate / 2
    size = np.abs(u).max() + np.abs(expected).max() + duration * slope
    return EPS * size * (100 + 10 * np.sqrt(z) + 19 * (z + 2 * np.sqrt(z) + 2) * np.sqrt(u.size))


def scale_of(problem, u):
    """What a tolerance is relative to: the field's range, the sea's 0 included, or what comes in during one step."""
    left, right = matrices(problem)
    rate = equation(problem).lattice(u.shape).largest_rate
    change = np.abs(left @ u.ravel() + right).max() * 2 / rate if rate > 0 else 0.0
    return max(np.ptp(u), np.abs(u).max(), change)


@given(st.data(), strategies.problems(), st.floats(0, 300))
def test_it_agrees_with_the_matrix(data, problem, z):
    u = data.draw(strategies.fields(problem["shape"]))
    lattice = equation(problem).lattice(u.shape)
    left, right = matrices(problem)
    got = lattice.apply(u).ravel() + (0.0 if lattice.forcing is None else lattice.forcing.ravel())
    scale = np.abs(u).max() * lattice.largest_rate + np.abs(right).max()
    np.testing.assert_allclose(got, left @ u.ravel() + right, rtol=0, atol=1e-14 * scale)
    times = np.array([0.0, 0.0, 0.1, 0.5, 0.5, 0.9, 1.0]) * z / max(lattice.largest_rate / 2, 0.01)
    frames = list(equation(problem).frames(u, times, "chebyshev", tolerance=1e-14))
    for time, (given_time, field) in zip(times, frames, strict=True):
        assert given_time == time
        expected = exact(problem, u, time)
        np.testing.assert_allclose(
            field, expected, rtol=0, atol=rounding(problem, u, time, expected) + 1e-14 * scale_of(problem, u)
        )


@given(st.data(), strategies.problems(), st.floats(1, 1000), st.sampled_from([1e-2, 1e-6, 1e-10]))
def test_the_error_is_below_the_tolerance(data, problem, z, tolerance):
    u = data.draw(strategies.fields(problem["shape"]))
    duration = z / max(equation(problem).lattice(u.shape).largest_rate / 2, 0.01)
    got = equation(problem).evolve(u, duration, "chebyshev", tolerance=tolerance)
    expected = exact(problem, u, duration)
    error = np.abs(got - expected).max()
    assert error <= tolerance * scale_of(problem, u) + rounding(problem, u, duration, expected)


@pytest.mark.parametrize("tolerance", [1e-8, 1e-12])
def test_rounding_stays_below_the_tolerance_in_runs_of_millions_of_steps(tolerance):
    """What flows in per step is lost in rounding if a long run is taken at once."""
    resistance = np.interp((np.arange(60) + 0.5) / 20, [0, 1, 2, 3], [0, 1, 11, 12])
    rod = dc.DiffusionEquation((np.repeat([1.0, 0.1, 1.0], 20),), 0.05, ((dc.Dirichlet(1.0), dc.Dirichlet(4.0)),))
    for _, field in rod.frames(np.zeros(60), [1e3, 1e4], tolerance=tolerance):
        assert np.abs(field - (1 + resistance / 4)).max() <= 4 * tolerance
    well = dc.DiffusionEquation(np.linspace(1, 2, 48).reshape(6, 8), source=3.0)
    [(_, filled)] = well.frames(np.zeros((6, 8)), [1e6], tolerance=tolerance)
    np.testing.assert_allclose(filled, 3e6, rtol=tolerance)


@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_rates_of_long_runs_are_bounded_more_closely(boundary, weighted):
    """Never below the spectral radius, beyond which polynomials grow without end."""
    rng = np.random.default_rng(4)
    capacity = np.exp(rng.normal(size=(9, 8))) if weighted else None
    eq = dc.DiffusionEquation(np.exp(3 * rng.normal(size=(9, 8))), boundary=boundary, capacity=capacity)
    lattice = eq.lattice((9, 8))
    radius = -scipy.linalg.eigvals(lattice.matrix().toarray()).real.min()
    bounds = [chebyshev._rate_bound(lattice, duration / lattice.largest_rate) for duration in (1, 1e3, 1e5)]
    assert radius <= bounds[2] < bounds[1] < bounds[0] == lattice.largest_rate


@given(st.floats(0.01, 3e3))
def test_the_weights_integrate_those_of_the_exponential(z):
    flat = np.ones(3)
    bare = chebyshev._weights(chebyshev._Expansion(flat, None, 1.0, 1.0), z, 0.0)
    summed = chebyshev._weights(chebyshev._Expansion(flat, flat, 1.0, 1.0), z, 0.0)
    assert abs(bare.sum() - 1) <= 1e-14
    assert abs(summed.sum() - z) <= 1e-13 * z
    few = chebyshev._weights(chebyshev._Expansion(flat, None, 1.0, 1.0), z, 0.1)
    assert len(few) <= len(bare)
    assert abs(few.sum() - 1) <= 1e-14  # salt is kept whatever is left out
    whole = z * (scipy.special.ive(0, z) + scipy.special.ive(1, z))  # Abramowitz & Stegun 11.3.12
    assert abs(summed[0] - whole) <= 1e-13 * whole + 1e-14 * z  # the weights add up to z exactly
    for k in (1, 5):
        part = scipy.integrate.quad(lambda y: 2 * scipy.special.ive(k, y), 0, z, epsabs=0, epsrel=1e-9, limit=400)[0]  # noqa: B023
        assert abs(summed[k] - part) <= 1e-8 * part


def test_terms_grow_as_the_square_root_of_time():
    """412 terms reach 2e-6 and 708 reach 1e-13 where explicit steps of the default length number 16,000."""
    field = np.zeros((256, 256))
    field[0, 0] = 1.0
    problem = chebyshev._Expansion(field, None, 1.0, 1.0)
    assert len(chebyshev._weights(problem, 8000.0, 4e-6)) <= 460
    assert len(chebyshev._weights(problem, 8000.0, 2e-13)) <= 720
    counts = [len(chebyshev._weights(problem, z, 1e-10)) for z in (1e3, 4e3, 1.6e4, 6.4e4)]
    np.testing.assert_allclose(np.divide(counts[1:], counts[:-1]), 2, rtol=0.02)


def test_tensors_barriers_that_lift_and_far_times(monkeypatch):
    rng = np.random.default_rng(0)
    u = rng.random((6, 7))
    tensor = dc.DiffusionEquation(np.array([[1.0, 0.6], [0.6, 0.8]]), boundary="periodic")
    matrix = tensor.operator(u.shape).matrix.toarray()
    expected = (scipy.linalg.expm(5 * matrix) @ u.ravel()).reshape(u.shape)
    np.testing.assert_allclose(tensor.evolve(u, 5.0, tolerance=1e-14), expected, rtol=0, atol=1e-13)

    shut = np.zeros((5, 7), dtype=bool)
    shut[2] = True
    wall = dc.DiffusionEquation(rng.random((6, 7)), barriers=[shut, None])
    door = dc.DiffusionEquation(wall.diffusivity, barriers=[dc.Barrier(shut, lifted_at=2.0), None])
    opened = dc.DiffusionEquation(wall.diffusivity)
    expected = opened.evolve(wall.evolve(u, 2.0), 1.5)
    np.testing.assert_allclose(door.evolve(u, 3.5), expected, rtol=0, atol=1e-10)

    whole = list(door.frames(u, [3.0, 50.0, 51.0]))
    monkeypatch.setattr(chebyshev, "LONGEST", 1.0)
    for (_, one), (_, other) in zip(door.frames(u, [3.0, 50.0, 51.0]), whole, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-9)


@pytest.mark.parametrize("boundary", ["periodic", "absorbing"])
@pytest.mark.parametrize("shape", [(23, 5), (12, 4, 5), (64,)])
def test_threads_change_no_bit(boundary, shape, monkeypatch):
    rng = np.random.default_rng(3)
    u, diffusivity = rng.random(shape), rng.random(shape)
    eq = dc.DiffusionEquation(diffusivity, boundary=boundary)
    [alone] = [field for _, field in eq.frames(u, [40.0])]
    monkeypatch.setattr(sweeps, "SMALLEST_SHARE", 1)
    monkeypatch.setattr(sweeps, "EXCHANGE", 100)
    monkeypatch.setattr(numba, "get_num_threads", lambda: 5)
    assert np.array_equal(eq.evolve(u, 40.0), alone)


def test_it_keeps_what_does_not_move_and_the_dtype():
    diffusivity = np.ones((6, 6))
    diffusivity[2:4, 2:4] = 0
    u = np.random.default_rng(1).random((6, 6)).astype(np.float32)
    eq = dc.DiffusionEquation(diffusivity)
    evolved = eq.evolve(u, 100.0, "chebyshev")
    assert evolved.dtype == np.float32
    assert np.array_equal(evolved[2:4, 2:4], u[2:4, 2:4])
    assert abs(float(evolved.sum(dtype=np.float64) - u.sum(dtype=np.float64))) <= 36 * 2**-24
    first, second = (field for _, field in eq.frames(u, [1.0, 1.0]))
    first[:] = 0
    assert second.any()
    still = dc.DiffusionEquation(0.0, source=2.0).evolve(u, 3.0, "chebyshev")
    np.testing.assert_allclose(still, u + np.float32(6), rtol=1e-7)


@pytest.mark.parametrize(
    "eq",
    [dc.DiffusionEquation(source=lambda t: t), dc.DiffusionEquation(boundary=dc.Dirichlet(lambda t: t))],
)
def test_what_depends_on_time_is_refused(eq):
    with pytest.raises(ValueError, match=r'^method "chebyshev" needs walls and sources that do not depend on time'):
        eq.evolve(np.ones((3, 3)), 1.0, "chebyshev")
    with pytest.raises(ValueError, match=r"^tolerance must be greater than 0, got 0$"):
        eq.evolve(np.ones((3, 3)), 1.0, tolerance=0.0)


@pytest.mark.parametrize("coordinates", ["cartesian", "spherical"])
def test_what_all_frames_may_leave_out_is_the_tolerance(monkeypatch, coordinates):
    """Later frames start where earlier ones ended; a cell of small volume may be off by more than the norm tells."""
    given, weights = [], chebyshev._weights

    def recorded(expansion, z, allowed):
        given.append(allowed)
        return weights(expansion, z, allowed)

    monkeypatch.setattr(chebyshev, "_weights", recorded)
    eq, u = dc.DiffusionEquation(spacing=0.5, coordinates=coordinates), np.linspace(-1.0, 3.0, 8)
    assert len(list(eq.frames(u, [0.1, 1.0, 10.0, 100.0, 1000.0], "chebyshev", tolerance=1e-6))) == 5
    volumes = eq.lattice(u.shape).weights
    worst = 1.0 if volumes is None else np.sqrt(volumes.max() / volumes.min())
    assert (volumes is None) == (coordinates == "cartesian")
    assert len(given) > 1
    used = np.array(given) * 5 * worst / 1e-6  # of the field's range, which is 4; at first of its half
    assert (used > 1.99).all()
    assert (used < 4.01).all()


@pytest.mark.parametrize(("shape", "terms"), [((2,), 6), ((31, 31), 10)])
def test_the_field_that_suffers_most_from_the_first_term_left_out(shape, terms):
    """Its sums are those of all negative entries of a row of T_k: in a plane far more than the field's largest value.

    The term that is left out goes to the first weight besides, which doubles what a small field is off.
    """
    eq, weight = dc.DiffusionEquation(boundary="absorbing"), 2 * scipy.special.ive(terms, 1.0)
    rate = eq.lattice(shape).largest_rate
    lines = [np.diag([-3.0, *[-2.0] * (n - 2), -3.0]) + np.eye(n, k=1) + np.eye(n, k=-1) for n in shape]

    def along(axis, matrix, u):
        return np.moveaxis(np.tensordot(matrix, u, (1, axis)), 0, axis)

    def step(u):
        return u + 2 / rate * sum(along(axis, line, u) for axis, line in enumerate(lines))

    unit = np.zeros(shape)
    unit[tuple(n // 2 for n in shape)] = 1.0
    before, row = unit, step(unit)
    for _ in range(terms - 1):
        before, row = row, 2 * step(row) - before
    u = (row < unit).astype(float)
    expected = u
    for axis, line in enumerate(lines):
        expected = along(axis, scipy.linalg.expm(2 / rate * line), expected)
    for share in (1.5, 1.7, 2.0, 2.5, 3.0):  # of the term
        got = eq.evolve(u, 2 / rate, "chebyshev", tolerance=share * weight)
        assert np.abs(got - expected).max() <= share * weight + 1e-13


def test_a_rate_that_is_no_normal_number_is_not_felt():
    eq, u = dc.DiffusionEquation(0.0, decay=1e-310, source=1.0), np.arange(4.0)
    np.testing.assert_array_equal(eq.evolve(u, 1.0, "chebyshev"), u + 1)
