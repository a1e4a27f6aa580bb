"""The diffusion equation against its definition: the matrix of the lattice, built by plain loops."""

import dataclasses
import math

import naive
import numba
import numpy as np
import pytest
import scipy.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st
from problems import equation, exact, matrices

import diffuseconv as dc
from diffuseconv.diffusion import strips

EPS = np.finfo(np.float64).eps


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
    with pytest.raises(ValueError, match=r"at most the stability limit 0\.03125, got 0\.0313"):
        eq.evolve(np.ones((9, 9)), 1.0, "explicit", 0.0313)


@given(st.data(), strategies.problems())
def test_everything_at_once_agrees_with_plain_loops(data, problem):
    """Varied D with islands, walls per side, leaky barriers, mask and source: right-hand side, matrix, flux, budget."""
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
    budget = eq.mass_balance(u)
    cells = u.size * math.prod(spacing)  # the budget sums changes over cells, each with an error below atol
    assert abs(budget.change - (budget.inflow - budget.outflow + budget.source)) <= atol * cells * 3

    limit = eq.stable_time_step(shape)
    step = limit / 2 if math.isfinite(limit) else 0.1
    stepped = eq.evolve(u, step, "explicit", step)
    np.testing.assert_allclose(stepped, u + step * expected, rtol=0, atol=100 * EPS * peak(u) + 2 * step * atol)


@given(st.data(), strategies.problems())
def test_spectral_solves_constant_walls_and_sources(data, problem):
    """Held, flux and mixed walls on any side of a box of constant D, with a source: against dense eigenvectors."""
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


def test_walls_that_depend_on_time_and_place():
    """A wall that rises as t, along one half of a face: explicit Euler by hand."""
    u = np.zeros((3, 4))
    half = np.array([1.0, 1.0, 0.0, 0.0])
    eq = dc.DiffusionEquation(boundary=((dc.Dirichlet(lambda t: t * half), "reflecting"), "periodic"))
    expected = u
    for n in range(4):
        t = 0.1 * n
        change = np.zeros(u.shape)
        for column in range(4):
            left, right = naive.diffusion((3,), np.ones(3), (1.0,), (((1.0, 0.0, t * half[column]), (0.0, 1.0, 0.0)),))
            change[:, column] += left @ expected[:, column] + right
        for row in range(3):
            change[row] += naive.diffusion((4,), np.ones(4), (1.0,), ("periodic",))[0] @ expected[row]
        expected = expected + 0.1 * change
    np.testing.assert_allclose(eq.evolve(u, 0.4, "auto", 0.1), expected, rtol=0, atol=1e-15)
    later = dc.DiffusionEquation(boundary=((dc.Neumann(lambda t: t), "reflecting"),))
    np.testing.assert_allclose(later.evolve(np.zeros(2), 0.1, "explicit", 0.1, start=5.0), [0.5, 0.0], atol=1e-15)


def test_sources_of_time_and_field():
    u = np.array([1.0, 2.0])
    for source, change in (
        (lambda t: t, 3.0),
        (lambda t, u: -u * t, -3.0 * u),
        (2.0, 2.0),
        (np.array([1.0, -1.0]), [1, -1]),
    ):
        eq = dc.DiffusionEquation(0.0, source=source)
        np.testing.assert_allclose(eq.evolve(u, 0.5, "explicit", 0.5, start=3.0), u + 0.5 * np.array(change))


def test_barriers_are_lifted_exactly_when_asked():
    """In the middle of a step, at a frame, and never; the two halves are solved one after the other."""
    u = np.array([1.0, 1.0, 0.0, 0.0])
    shut = np.array([False, True, False])
    free, closed = dc.DiffusionEquation(), dc.DiffusionEquation(barriers=[shut])
    eq = dc.DiffusionEquation(barriers=[dc.Barrier(shut, lifted_at=1.3)])
    frames = dict(eq.frames(u, [0.0, 1.3, 1.3, 2.0, 4.0]))
    np.testing.assert_array_equal(frames[0.0], u)
    later = free.evolve(u, 2.7)
    np.testing.assert_allclose(frames[1.3], u, rtol=0, atol=1e-9)
    np.testing.assert_allclose(frames[4.0], later, rtol=0, atol=1e-9)
    np.testing.assert_allclose(eq.evolve(u, 3.0, start=1.0), later, rtol=0, atol=1e-9)
    for method in ("explicit", "chebyshev"):
        np.testing.assert_allclose(eq.evolve(u, 0.3, method, start=1.0), closed.evolve(u, 5.0), rtol=0, atol=1e-9)
    np.testing.assert_array_equal(eq.operator((4,)).rhs(2.0, u), free.operator((4,)).rhs(0.0, u))
    one_each = dc.Barrier(np.ones(3, dtype=bool), lifted_at=[1.0, 9.0, 2.0])
    seen = dc.DiffusionEquation(barriers=[one_each]).evolve(np.array([1.0, 0.0, 4.0, 0.0]), 8.0)
    first, last = 0.5 * math.exp(-2 * 7), 2 * math.exp(-2 * 6)  # differences between two cells fall by exp(-2t)
    np.testing.assert_allclose(seen, [0.5 + first, 0.5 - first, 2 + last, 2 - last], rtol=0, atol=1e-9)


def test_frames_are_fresh_exact_and_checked_at_the_call():
    u = np.random.default_rng(0).random((12, 9))
    kept = u.copy()
    eq = dc.DiffusionEquation(barriers=[np.zeros((11, 9), dtype=bool), None])
    for method in ("spectral", "explicit", "auto"):
        plain = dc.DiffusionEquation() if method == "spectral" else eq
        frames = plain.frames(u, (t for t in (0.0, 0.1, 1.7, 1.7)), method)
        seen = []
        for time, field in frames:
            seen.append((time, field.copy()))
            field[:] = np.nan  # what a caller does with a frame is its own business
        assert [time for time, _ in seen] == [0.0, 0.1, 1.7, 1.7]
        np.testing.assert_array_equal(seen[0][1], u)
        np.testing.assert_allclose(seen[2][1], dc.DiffusionEquation().evolve(u, 1.7), rtol=0, atol=0.01)
        np.testing.assert_array_equal(seen[2][1], seen[3][1])
    np.testing.assert_array_equal(u, kept)
    assert list(eq.frames(u, [])) == []
    with pytest.raises(ValueError, match="times must not decrease"):
        eq.frames(u, [1.0, 0.5])


def test_progress_counts_frames(capsys):
    frames = list(dc.DiffusionEquation().frames(np.ones(4), [1.0, 2.0], progress=True))
    assert len(frames) == 2
    assert capsys.readouterr().err == ""  # not a terminal


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("options", [{}, {"diffusivity": (1.0, 2.0)}, {"boundary": dc.Dirichlet(1.0)}, {"source": 1.0}])
def test_precision_is_kept_and_input_untouched(dtype, options):
    u = np.random.default_rng(0).random((16, 24)).astype(dtype)[::2, ::-1]
    kept = u.copy()
    eq = dc.DiffusionEquation(**options)
    for method in ("spectral", "explicit"):
        after = eq.evolve(u, 0.5, method)
        assert after.dtype == dtype
        exact = eq.evolve(u.astype(np.float64), 0.5, method)
        np.testing.assert_allclose(after, exact, rtol=0, atol=100 * np.finfo(dtype).eps)
        assert eq.evolve(u, 0.0, method) is not u
    np.testing.assert_array_equal(u, kept)
    assert eq.evolve(np.ones((3, 3), dtype=int), 0.5).dtype == np.float64


@pytest.mark.parametrize("boundary", ["periodic", "reflecting"])
@pytest.mark.parametrize(
    "tensor", [[[2.0, 0.7], [0.7, 1.0]], [[2.0, -0.7], [-0.7, 1.0]], [[3.0, 1.6], [1.6, 1.0]]], ids=["+", "-", "steep"]
)
def test_tensor_is_conservative_symmetric_and_has_the_right_moments(tensor, boundary):
    tensor = np.array(tensor)
    eq = dc.DiffusionEquation(tensor, 0.5, boundary)
    a = eq.operator((9, 9)).matrix.toarray()
    np.testing.assert_allclose(a, a.T, rtol=0, atol=0)
    np.testing.assert_allclose(a.sum(axis=0), 0, atol=1e-13)
    assert np.linalg.eigvalsh(a).max() <= 1e-13 * np.abs(a).max()
    assert -np.linalg.eigvalsh(a).min() <= eq.operator((9, 9)).lattice.largest_rate
    u = np.zeros((9, 9))
    u[4, 4] = 1
    change, x = (a @ u.ravel()).reshape(9, 9), 0.5 * (np.arange(9) - 4)
    second = [[(change * np.multiply.outer(x**2, x**0)).sum(), (change * np.multiply.outer(x, x)).sum()]]
    np.testing.assert_allclose(second, 2 * tensor[:1], rtol=1e-13)
    non_negative = abs(tensor[0, 1]) <= min(tensor[0, 0], tensor[1, 1])
    assert ((a - np.diag(np.diag(a))).min() >= 0) == non_negative
    after = eq.evolve(u, 0.5, "explicit")
    np.testing.assert_allclose(after, scipy.linalg.expm(0.5 * a).reshape(9, 9, 9, 9)[4, 4], atol=0.02)
    assert after.sum() == pytest.approx(1, abs=1e-13)
    if non_negative:
        assert after.min() >= 0
        if boundary == "periodic":
            moved = dc.convolve(u, eq.propagator(0.5), boundary="periodic")
            np.testing.assert_allclose(
                moved, (scipy.linalg.expm(0.5 * a) @ u.ravel()).reshape(9, 9), rtol=0, atol=1e-13
            )
    else:
        with pytest.raises(ValueError, match="is negative"):
            eq.propagator(0.5)


def test_tensor_in_three_dimensions_and_behind_a_mask():
    tensor = np.array([[2, 0.5, 0.3], [0.5, 1, -0.2], [0.3, -0.2, 1.5]])
    mask = np.random.default_rng(0).random((4, 3, 5)) < 0.8
    eq = dc.DiffusionEquation(tensor, (1, 1.2, 0.9), ("reflecting", "periodic", "reflecting"), mask=mask)
    a = eq.operator(mask.shape).matrix.toarray()
    np.testing.assert_allclose(a, a.T, rtol=0, atol=1e-15)
    np.testing.assert_allclose(a.sum(axis=0), 0, atol=1e-14)
    assert not a[~mask.ravel()].any()
    u = np.random.default_rng(1).random(mask.shape)
    np.testing.assert_allclose(eq.operator(mask.shape) @ u.ravel(), a @ u.ravel(), rtol=0, atol=1e-13)


def test_diagnostics():
    u = np.full((10, 10), 0.1)
    mask = np.ones((10, 10), dtype=bool)
    mask[:5] = False
    assert dc.DiffusionEquation(spacing=0.5).total_mass(u) == 2.5  # numpy's own sum gives 2.5000000000000004
    assert dc.DiffusionEquation(spacing=0.5, mask=mask).total_mass(u) == 1.25
    eq = dc.DiffusionEquation(spacing=0.5)
    fields = [field for _, field in eq.frames(np.random.default_rng(0).random((10, 10)), np.linspace(0, 1, 9))]
    entropies, energies = [eq.entropy(f) for f in fields], [eq.energy(f) for f in fields]
    assert (np.diff(entropies) > 0).all()
    assert (np.diff(energies) < 0).all()
    assert entropies[-1] <= math.log(100)


@given(st.data(), strategies.problems((1, 2), most=9), st.booleans())
def test_strips_in_any_number_agree_with_the_matrix(data, problem, constant):
    """Halos of any depth, few and many steps per pass, walls and seams: the same bits for any number of threads.

    A step adds at most 16 roundings of the largest value, and none grows: its weights are >= 0 and sum to 1.
    """
    shape = problem["shape"]
    if constant:
        rate = data.draw(st.floats(0.1, 3))
        problem |= {"diffusivity": np.full(shape, rate), "barriers": None, "mask": None}
    eq = equation(problem)
    if constant:
        eq = dataclasses.replace(eq, diffusivity=rate)
    u = data.draw(strategies.fields(shape, size=10.0))
    steps, threads = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    limit = eq.stable_time_step(shape)
    step = limit / 2 if math.isfinite(limit) else 0.1
    left, right = matrices(problem)
    expected, largest = u.ravel(), peak(u)
    for _ in range(steps):
        expected = expected + step * (left @ expected + right)
        largest = max(largest, peak(expected), step * peak(right))
    with pytest.MonkeyPatch.context() as patched:
        ends = []
        for count, exchange, cache in ((1, 1 << 16, 1 << 20), (threads, data.draw(st.integers(1, 999)), 1)):
            patched.setattr(numba, "get_num_threads", lambda count=count: count)
            patched.setattr(strips, "SMALLEST_SHARE", 1)
            patched.setattr(strips, "EXCHANGE", exchange)
            patched.setattr(strips, "CACHE", cache)
            ends.append(strips.march(eq.lattice(shape), u, steps, step))
    np.testing.assert_allclose(ends[0].ravel(), expected, rtol=0, atol=16 * EPS * steps * largest)
    assert np.array_equal(*ends)


@pytest.mark.parametrize("shape", [(6,), (1, 6), (6, 1), (2,)])
@pytest.mark.parametrize("leaky", [False, True])
def test_the_seam_of_a_ring_has_its_own_rate(shape, leaky):
    """Leaky walls between all cells but the last and the first, or a diffusivity of 1, 2, 2, ..., 1."""
    diffusivity = np.ones(shape)
    if not leaky:
        diffusivity.reshape(-1)[1:-1] = 2
    shut = [np.full(tuple(n - (a == axis) for a, n in enumerate(shape)), True) for axis in range(len(shape))]
    left, _ = naive.diffusion(
        shape, diffusivity, (1.0,) * len(shape), ("periodic",) * len(shape), shut if leaky else None, 0.1
    )
    u = np.arange(1.0, math.prod(shape) + 1).reshape(shape) ** 2
    expected = (scipy.linalg.expm(left) @ u.ravel()).reshape(shape)
    eq = dc.DiffusionEquation(
        1.0 if leaky else (diffusivity,) * len(shape) if len(shape) == 1 else diffusivity,
        boundary="periodic",
        barriers=[dc.Barrier(each, 0.1) for each in shut] if leaky else None,
    )
    for method in ("auto", "chebyshev"):
        np.testing.assert_allclose(eq.evolve(u, 1.0, method), expected, rtol=0, atol=1e-8)
    steps = (np.linalg.matrix_power(np.eye(u.size) + left / 64, 64) @ u.ravel()).reshape(shape)
    np.testing.assert_allclose(eq.evolve(u, 1.0, "explicit", 1 / 64), steps, rtol=0, atol=1e-11)


def test_what_is_not_finite_stays_on_its_side_of_a_wall():
    for shape in ((6, 5), (6, 5, 4), (6,)):
        u = np.zeros(shape)
        u[-1] = np.inf
        change = (
            dc.DiffusionEquation(0.5 + np.zeros(shape) if len(shape) > 1 else 0.5).operator(shape).rhs(0.0, u.ravel())
        )
        assert (change.reshape(shape)[:4] == 0).all()


STILL = np.ones((4, 4))


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"diffusivity": -1.0}, ValueError, "diffusivity must be at least 0"),
        ({"diffusivity": "fast"}, TypeError, "diffusivity must"),
        ({"diffusivity": [[1.0, 2.0], [2.0, 1.0]]}, ValueError, "positive definite"),
        ({"diffusivity": [[1.0, 0.2], [0.3, 1.0]]}, ValueError, "symmetric tensor"),
        ({"diffusivity": [[1.0, -2.0], [-2.0, 1.0]]}, ValueError, "positive definite"),
        ({"diffusivity": np.ones((3, 4))}, ValueError, "diffusivity must be a number, one for each of the 2 axes"),
        ({"diffusivity": (np.ones((4, 4)), np.ones(4))}, ValueError, "field's shape"),
        ({"diffusivity": (1.0, 2.0, 3.0)}, ValueError, "diffusivity must be a number, one for each of the 2 axes"),
        ({"diffusivity": (np.ones((4, 4)), -1.0)}, ValueError, "at least 0"),
        ({"diffusivity": np.full((4, 4), np.nan)}, ValueError, "diffusivity must be finite"),
        ({"spacing": 0.0}, ValueError, "spacing must be greater than 0"),
        ({"spacing": (1.0, 1.0, 1.0)}, ValueError, "spacing must be one value or one for each of the 2 axes"),
        ({"boundary": "mirror"}, ValueError, "boundary must be one of"),
        ({"boundary": ("reflecting",)}, ValueError, "boundary must be one value or one for each of the 2 axes"),
        (
            {"boundary": ("reflecting", ("periodic", dc.Dirichlet(1)))},
            ValueError,
            "periodic on both sides",
        ),
        ({"boundary": ("reflecting", ("zero",) * 3)}, ValueError, "one entry or a pair"),
        ({"boundary": dc.Dirichlet(np.ones(3))}, ValueError, "face's shape"),
        ({"boundary": dc.Dirichlet(lambda t: np.nan)}, ValueError, "must be finite"),
        ({"boundary": dc.Robin(np.ones(3), 1.0)}, ValueError, "face's shape"),
        ({"barriers": np.zeros((3, 4), dtype=bool)}, TypeError, "barriers must be a sequence"),
        ({"barriers": [np.zeros((3, 4))]}, TypeError, "barriers must be boolean"),
        ({"barriers": [np.zeros((3, 4), dtype=bool)]}, ValueError, "barriers must hold one array for each of the 2"),
        ({"barriers": [np.zeros((4, 4), dtype=bool), None]}, ValueError, "must have shape"),
        (
            {"diffusivity": [[2.0, 1.0], [1.0, 2.0]], "barriers": [np.ones((3, 4), dtype=bool), None]},
            ValueError,
            "tensor",
        ),
        ({"source": np.ones(3)}, ValueError, "source must be a number or have the field's shape"),
        ({"source": np.inf}, ValueError, "source must be finite"),
        ({"source": lambda t: np.ones(3)}, ValueError, "source must return"),
        ({"mask": np.ones((4, 4))}, TypeError, "mask must be boolean"),
        ({"mask": np.ones((3, 4), dtype=bool)}, ValueError, "mask must have the field's shape"),
    ],
)
def test_bad_problems_are_refused_in_one_line(options, error, words):
    with pytest.raises(error, match=words) as refusal:
        dc.DiffusionEquation(**options).evolve(STILL, 1.0, "explicit")
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("options", "arguments", "words"),
    [
        ({}, {"u": STILL * np.nan}, "u must be finite"),
        ({}, {"u": np.ones((2, 2, 2, 2))}, "u must have 1, 2 or 3 dimensions"),
        ({}, {"duration": -1.0}, "duration must be at least 0"),
        ({}, {"method": "magic"}, "method must be one of"),
        ({}, {"method": "explicit", "time_step": 0.26}, "time_step must be at most the stability limit"),
        ({}, {"time_step": 0.0}, "time_step must be greater than 0"),
        ({}, {"method": "spectral", "time_step": 0.1}, "time_step is used by method .explicit. only"),
        ({"diffusivity": STILL}, {"method": "spectral"}, "needs constant diffusivity"),
        ({"barriers": [np.ones((3, 4), dtype=bool), None]}, {"method": "spectral"}, "no barriers"),
        ({"source": lambda t: t}, {"method": "spectral"}, "do not depend on time"),
        ({"boundary": dc.Dirichlet(lambda t: t)}, {"method": "spectral"}, "do not depend on time"),
    ],
)
def test_bad_runs_are_refused_before_any_work(options, arguments, words):
    eq = dc.DiffusionEquation(**options)
    with pytest.raises(ValueError, match=words) as refusal:
        eq.evolve(**{"u": STILL, "duration": 1.0, **arguments})
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: dc.Robin(1.0, -1.0), ValueError, r"a \* b >= 0"),
        (lambda: dc.Robin(0.0, 0.0), ValueError, "a or b to differ from 0"),
        (lambda: dc.Robin(lambda t: t, 1.0), TypeError, "Robin a must be a number or array"),
        (lambda: dc.Dirichlet("warm"), TypeError, "Dirichlet value must"),
        (lambda: dc.Neumann(np.inf), ValueError, "Neumann flux must be finite"),
        (lambda: dc.Barrier(np.zeros(3)), TypeError, "boolean"),
        (lambda: dc.Barrier(np.zeros(3, bool), permeability=-1), ValueError, "permeability must be at least 0"),
        (lambda: dc.Barrier(np.zeros(3, bool), permeability=np.ones(2)), ValueError, "permeability must be a number"),
        (lambda: dc.Barrier(np.zeros(3, bool), lifted_at=-np.ones(3)), ValueError, "lifted_at must be at least 0"),
        (lambda: dc.DiffusionEquation().stable_time_step(4), ValueError, "ndim_or_shape must be at most 3"),
        (lambda: dc.DiffusionEquation().stable_time_step(()), ValueError, "shape must have 1, 2 or 3 axes"),
        (lambda: dc.DiffusionEquation(STILL).explicit_steps(STILL, 3), ValueError, "explicit_steps needs const"),
        (lambda: dc.DiffusionEquation().frames(STILL, 3.0), TypeError, "times must be an iterable of numbers, got 3.0"),
        (lambda: dc.DiffusionEquation(source=lambda: 1.0), TypeError, r"source must be a function of \(time\)"),
        (lambda: dc.DiffusionEquation(source=lambda a, b, c: 1.0), TypeError, "source must be a function of"),
        (lambda: dc.DiffusionEquation(source=lambda t: np.nan).frames(STILL, [1.0]), ValueError, "must be finite"),
        (lambda: dc.DiffusionEquation(source=lambda t, u: u[0]).frames(STILL, []), ValueError, "source must return"),
        (lambda: dc.DiffusionEquation().operator("ab"), TypeError, "must be a whole number"),
        (lambda: dc.DiffusionEquation().operator(3).rhs(0.0, np.ones(4)), ValueError, "u must have shape"),
        (lambda: dc.DiffusionEquation().explicit_steps(STILL, -3), ValueError, "steps must be at least 0"),
        (lambda: dc.DiffusionEquation().entropy(-STILL), ValueError, "entropy needs a field that is >= 0"),
        (lambda: dc.DiffusionEquation([[2.0, 1.0], [1.0, 2.0]]).flux(STILL), ValueError, "flux needs"),
    ],
)
def test_bad_parts_are_refused(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_nothing_moves_where_nothing_can():
    eq = dc.DiffusionEquation(0.0)
    assert eq.stable_time_step((3, 3)) == math.inf
    u = np.random.default_rng(0).random((5, 6))
    for method in ("explicit", "spectral", "chebyshev", "auto"):
        np.testing.assert_array_equal(eq.evolve(u, 5.0, method), u)
    np.testing.assert_allclose(eq.explicit_steps(u, 5), u, rtol=0, atol=1e-15)


def test_a_number_of_dimensions_stands_for_the_shape_that_arrays_tell():
    shut = np.zeros((3, 4), dtype=bool)
    for options in ({"diffusivity": 2 * STILL}, {"barriers": [shut, None]}, {"mask": STILL > 0}):
        eq = dc.DiffusionEquation(**options)
        assert eq.stable_time_step(2) == eq.stable_time_step(STILL.shape)
    assert dc.DiffusionEquation(diffusivity=[1.0, 3.0]).stable_time_step(2) == 1 / 8


def test_single_precision_stays_and_huge_values_do_not_overflow():
    u = np.random.default_rng(0).random((4, 4))
    assert [flux.dtype for flux in dc.DiffusionEquation().flux(u.astype(np.float32))] == [np.float32] * 2
    for method, diffusivity in (("explicit", 1.0), ("spectral", 1.0), ("chebyshev", 1 + u)):
        eq = dc.DiffusionEquation(diffusivity)
        np.testing.assert_allclose(eq.evolve(2.0**1000 * u, 1.0, method) / 2.0**1000, eq.evolve(u, 1.0, method), 1e-12)


def test_the_operator_takes_lines_by_length_and_complex_fields():
    operator = dc.DiffusionEquation().operator(3)
    assert operator.shape == (3, 3)
    np.testing.assert_array_equal(operator @ np.array([1 + 2j, 0, 0]), [-1 - 2j, 1 + 2j, 0])


def test_arguments_are_copied():
    diffusivity = np.ones((4, 4))
    eq = dc.DiffusionEquation(diffusivity)
    diffusivity[:] = -1
    assert eq.evolve(STILL, 1.0).max() == 1
