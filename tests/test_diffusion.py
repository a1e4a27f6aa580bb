"""The diffusion equation against its definition: the matrix of the lattice, built by plain loops."""

import dataclasses
import math

import naive
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st
from problems import equation, exact, matrices

import diffuseconv as dc
from diffuseconv.diffusion.faces import harmonic_mean

EPS = np.finfo(np.float64).eps


STILL = np.ones((4, 4))


def matrix(shape, diffusivity, spacing, boundary):
    """Write the lattice operator as a dense matrix, one unit vector at a time."""
    scaled = [s / math.sqrt(d) for s, d in zip(spacing, diffusivity, strict=True)]
    units = np.eye(math.prod(shape)).reshape(-1, *shape)
    return np.array([naive.laplacian(unit, scaled, boundary).ravel() for unit in units]).T


def peak(u):
    return max(1.0, float(np.abs(u).max()))


@given(st.data(), strategies.shapes((1, 3), most=5))
def test_every_scheme_agrees_with_the_matrix(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(strategies.boundaries(u.ndim))
    diffusivity = data.draw(st.tuples(*[st.floats(0.1, 10)] * u.ndim))
    spacing = data.draw(st.tuples(*[st.floats(0.3, 3)] * u.ndim))
    eq = dc.DiffusionEquation(diffusivity, spacing, names)
    lattice = eq.lattice(shape)
    a = matrix(shape, diffusivity, spacing, names)
    scale = peak(u) * max(1.0, lattice.largest_rate)
    np.testing.assert_allclose(lattice.apply(u).ravel(), a @ u.ravel(), rtol=0, atol=1e-14 * scale)
    assert -np.linalg.eigvalsh(a).min() <= lattice.largest_rate * (1 + 1e-12)

    duration = data.draw(st.floats(0, 10)) / max(1.0, lattice.largest_rate)
    exact = (scipy.linalg.expm(duration * a) @ u.ravel()).reshape(shape)
    np.testing.assert_allclose(eq.evolve(u, duration, "spectral"), exact, rtol=0, atol=1e-13 * peak(u))

    limit = eq.stable_time_step(shape)
    steps, share = data.draw(st.integers(0, 9)), data.draw(st.sampled_from([1, 0.9, 0.5]))
    if math.isfinite(limit):
        power = np.linalg.matrix_power(np.eye(u.size) + share * limit * a, steps)
        stepped = eq.evolve(u, steps * share * limit, "explicit", share * limit)
        np.testing.assert_allclose(stepped.ravel(), power @ u.ravel(), rtol=0, atol=1e-13 * peak(u))
        np.testing.assert_allclose(eq.explicit_steps(u, steps, share * limit), stepped, rtol=0, atol=1e-13 * peak(u))


def test_a_step_above_the_limit_is_refused():
    eq = dc.DiffusionEquation(2.0, 0.5)
    assert eq.stable_time_step(2) == eq.stable_time_step((9, 9)) == 0.03125
    with pytest.raises(ValueError, match=r"at most the stability limit 0\.03125 .*, got 0\.0313"):
        eq.evolve(np.ones((9, 9)), 1.0, "explicit", 0.0313)


@given(st.data(), strategies.problems())
def test_everything_at_once_agrees_with_plain_loops(data, problem):
    """Varied D with islands, walls per side, leaky barriers, mask and source: change, matrix, flux, balance."""
    shape, spacing = problem["shape"], problem["spacing"]
    u = data.draw(strategies.fields(shape, size=10.0))
    eq = equation(problem)
    left, right = matrices(problem)
    expected = (left @ u.ravel() + right).reshape(shape)
    lattice, op = eq.lattice(shape), eq.operator(shape)
    atol = 100 * EPS * (peak(u) * max(1.0, lattice.largest_rate) + peak(right))
    np.testing.assert_allclose(lattice.rhs(0.0, u), expected, rtol=0, atol=atol)
    np.testing.assert_allclose(op.matrix.toarray(), left, rtol=0, atol=100 * EPS * max(1.0, lattice.largest_rate))
    np.testing.assert_allclose(op.b(), right, rtol=0, atol=atol)
    np.testing.assert_allclose(op.rhs(0.0, u.ravel()), expected.ravel(), rtol=0, atol=atol)
    np.testing.assert_allclose(op.matvec(u.ravel()), left @ u.ravel(), rtol=0, atol=atol)

    fluxes = eq.flux(u)
    made = 0.0 if problem["source"] is None else problem["source"] * (True if eq.mask is None else eq.mask)
    divergence = sum(np.diff(f, axis=axis) / spacing[axis] for axis, f in enumerate(fluxes))
    np.testing.assert_allclose(made - divergence, expected, rtol=0, atol=atol)
    balance = eq.mass_balance(u)
    cells = u.size * math.prod(spacing)  # the balance sums changes over cells, each with an error below atol
    assert abs(balance.change - (balance.inflow - balance.outflow + balance.source)) <= atol * cells * 3

    limit = eq.stable_time_step(shape)
    step = limit / 2 if math.isfinite(limit) else 0.1
    stepped = eq.evolve(u, step, "explicit", step)
    np.testing.assert_allclose(stepped, u + step * expected, rtol=0, atol=100 * EPS * peak(u) + 2 * step * atol)


@given(st.data(), strategies.problems())
def test_spectral_solves_constant_walls_and_sources(data, problem):
    """All kinds of walls around a box of constant D, with a source: against dense eigenvectors."""
    rate = data.draw(st.floats(0.1, 3))
    problem |= {"diffusivity": np.full(problem["shape"], rate), "barriers": None, "mask": None}
    u = data.draw(strategies.fields(problem["shape"], size=10.0))
    eq = dataclasses.replace(equation(problem), diffusivity=rate)
    for duration in (0.01, 1.0, 30.0):
        expected = exact(problem, u, duration)
        tolerance = 1e-12 * (1 + peak(u) + duration * peak(matrices(problem)[1]) + peak(expected))
        np.testing.assert_allclose(eq.evolve(u, duration, "spectral"), expected, rtol=0, atol=tolerance)
    step = eq.stable_time_step(u.shape) / 3
    if math.isfinite(step):
        stepped = u
        for _ in range(5):
            stepped = eq.evolve(stepped, step, "explicit", step)
        tolerance = 1e-12 * (1 + peak(u) + step * peak(matrices(problem)[1]))
        np.testing.assert_allclose(eq.explicit_steps(u, 5, step), stepped, rtol=0, atol=tolerance)


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing", "zero"])
def test_few_modes_left_are_all_that_is_needed(boundary):
    """Long times go through thin matrices: against the transforms of scipy, for odd and even sizes."""
    rng = np.random.default_rng(2)
    for shape in ((64, 81), (200,), (31, 40, 24)):
        u = rng.random(shape)
        for duration in (30.0, 300.0):
            eq = dc.DiffusionEquation(boundary=boundary)
            names = (boundary,) * u.ndim
            rates = dc.boundary.eigenvalues(shape[-1], boundary)
            for n in shape[-2::-1]:
                rates = np.add.outer(dc.boundary.eigenvalues(n, boundary), rates)
            modes = dc.boundary.transform(u, names)
            exact = dc.boundary.inverse_transform(
                modes * np.exp(-duration * rates[..., : modes.shape[-1]]), shape, names
            )
            np.testing.assert_allclose(eq.evolve(u, duration), exact, rtol=0, atol=1e-14)


def test_a_number_of_dimensions_stands_for_the_shape_that_arrays_tell():
    shut = np.zeros((3, 4), dtype=bool)
    for options in ({"diffusivity": 2 * STILL}, {"barriers": [shut, None]}, {"mask": STILL > 0}):
        eq = dc.DiffusionEquation(**options)
        assert eq.stable_time_step(2) == eq.stable_time_step(STILL.shape)
    assert dc.DiffusionEquation(diffusivity=[1.0, 3.0]).stable_time_step(2) == 1 / 8


def test_the_operator_takes_lines_by_length_and_complex_fields():
    operator = dc.DiffusionEquation().operator(3)
    assert operator.shape == (3, 3)
    np.testing.assert_array_equal(operator @ np.array([1 + 2j, 0, 0]), [-1 - 2j, 1 + 2j, 0])


@pytest.mark.parametrize("options", [{"boundary": dc.Dirichlet(3.0)}, {"source": 1.0}, {"source": np.ones(4)}])
def test_what_is_written_to_an_operator_changes_no_equation(options):
    """Both ask for the same problem, which is kept."""
    eq, u = dc.DiffusionEquation(**options), np.arange(4.0)
    before = [eq.flux(u)[0], eq.evolve(u, 1.0), eq.mass_balance(u)]
    operator = eq.operator(4)
    operator.b()[...] = operator.matrix.data[...] = 77.0
    assert str([eq.flux(u)[0], eq.evolve(u, 1.0), eq.mass_balance(u)]) == str(before)
    assert 77.0 not in operator.b()


def test_the_right_hand_side_of_columns_is_that_of_each():
    eq = dc.DiffusionEquation(boundary=dc.Dirichlet(lambda t: t), source=lambda t, u: t * u**2)
    op = eq.operator((2, 3))
    columns = np.random.default_rng(1).normal(size=(6, 4))
    expected = np.stack([op.rhs(2.0, column) for column in columns.T], axis=1)
    np.testing.assert_array_equal(op.rhs(2.0, columns), expected)
    for one in (columns[:, :1], np.asfortranarray(columns)):
        np.testing.assert_array_equal(op.rhs(2.0, one), expected[:, : one.shape[1]])
    start = columns[:, 0]
    runs = [
        scipy.integrate.solve_ivp(op.rhs, (0, 0.5), start, "BDF", vectorized=vectorized) for vectorized in (False, True)
    ]
    np.testing.assert_allclose(runs[0].y, runs[1].y, rtol=1e-9)


@pytest.mark.parametrize("share", [0.5, np.linspace(0.1, 0.9, 299)[:, None]])
def test_half_cells_in_series(share):
    """``1/(s/a + (1 - s)/b)``, in pieces on all threads; 0 beside a 0 as in each, a itself between equal ones."""
    d = np.random.default_rng(0).uniform(0.1, 10, (300, 120))
    d[::7, ::3] = 0.0
    d[100:104] = 0.3
    one, other = d[:-1], d[1:]
    found = harmonic_mean(one, other, share)
    with np.errstate(divide="ignore"):
        np.testing.assert_allclose(found, 1 / (share / one + (1 - share) / other), rtol=8 * EPS, atol=0)
    assert (found[100:103] == 0.3).all()
    assert (found[(one == 0) | (other == 0)] == 0).all()
    tiny = np.array([5e-324, 0.0, 5e-324, 1e308, 0.0])
    assert np.array_equal(harmonic_mean(tiny[:-1], tiny[1:]), [0.0, 0.0, 1e-323, 0.0])


def test_a_problem_is_discretised_once_while_it_stays_the_same():
    """Barriers that lift make another; what moves, or follows a schedule, is looked at anew."""
    barrier = dc.Barrier(np.array([False, True]), lifted_at=2.0)
    eq = dc.DiffusionEquation(barriers=(barrier,), boundary=dc.Dirichlet(lambda t: t))
    assert eq.lattice(3, 0.0) is eq.lattice((3,), 1.0) is not eq.lattice(3, 2.0)
    wind = dc.DiffusionEquation(velocity=lambda t: t, boundary="periodic")
    for time in (0.0, 1.0, 3.0):
        assert eq.flux(np.zeros(3), time)[0].tolist() == [2 * time, 0.0, 0.0, -2 * time]
        assert wind.flux(np.ones(3), time)[0].tolist() == [time] * 4
