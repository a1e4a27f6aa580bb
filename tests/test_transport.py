"""Drift, capacity, decay, graded and round grids, against an operator written down cell by cell."""

import dataclasses
import math

import numba
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import strategies
import transport
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import diffuseconv as dc
from diffuseconv.diffusion import in_pieces, lattice, sweeps

EPS = np.finfo(float).eps


def wall_of(triple):
    """Return (a, b, c) as a wall, None as a closed one."""
    if triple is None:
        return "reflecting"
    a, b, c = triple
    return dc.Dirichlet(c / a) if b == 0 else dc.Neumann(c / b) if a == 0 else dc.Robin(a, b, c)


@st.composite
def flows(draw, most=4, closed=False):
    """Draw a problem as (arguments of the oracle, equation)."""
    shape = draw(strategies.shapes((1, 3), most))
    ndim = len(shape)
    positive = st.floats(0.1, 10)
    round_ = draw(st.sampled_from(["cartesian", "cartesian", "polar", "cylindrical", "spherical"]))
    if round_ != "cartesian" and ndim != (2 if round_ == "cylindrical" else 1):
        round_ = "cartesian"
    power = {"cartesian": 0, "polar": 1, "cylindrical": 1, "spherical": 2}[round_]
    radius = draw(st.sampled_from([0.0, 0.7])) if power else None
    graded = draw(st.booleans())
    entries = [
        draw(hnp.arrays(float, n, elements=st.floats(0.3, 3))) if graded else draw(st.floats(0.3, 3)) for n in shape
    ]
    widths = [np.broadcast_to(entry, n).astype(float) for entry, n in zip(entries, shape, strict=True)]
    amounts = positive if not closed else st.just(0.0) | positive
    faces_of = [tuple(n + (a == axis) for a, n in enumerate(shape)) for axis in range(ndim)]
    on_faces = draw(st.booleans())
    cells = (draw(hnp.arrays(float, shape, elements=amounts)),) * ndim
    d = tuple(draw(hnp.arrays(float, faces, elements=amounts)) for faces in faces_of) if on_faces else cells
    # a drift that stays below 2 D / dx at walls, where the oracle knows the central scheme alone
    speed = 0.06 if not closed else 5.0
    velocity = draw(
        st.none() | st.tuples(*[hnp.arrays(float, faces, elements=st.floats(-speed, speed)) for faces in faces_of])
    )
    wall = st.none() if closed else st.none() | st.sampled_from([(1.0, 0.0, 2.0), (0.0, 1.0, 0.5), (1.5, 0.7, -1.0)])
    walls = []
    for axis in range(ndim):
        joined = draw(st.booleans()) and not (power and axis == 0)
        walls.append("periodic" if joined else (draw(wall), draw(wall)))
        for values in (velocity, d if on_faces else None):
            if values is not None and joined:
                faces = np.moveaxis(values[axis], axis, 0)
                faces[-1] = faces[0]
    numbers = hnp.arrays(float, shape, elements=positive)
    capacity = draw(st.none() | positive | numbers)
    decay = None if closed else draw(st.none() | positive | numbers)
    mask = draw(st.none() | strategies.masks(shape))
    oracle = {
        "shape": shape,
        "diffusivity": d if on_faces else d[0],
        "widths": widths,
        "walls": walls,
        "velocity": velocity,
        "capacity": 1.0 if capacity is None else capacity,
        "decay": 0.0 if decay is None else decay,
        "mask": mask,
        "radius": radius,
        "power": power,
    }
    eq = dc.DiffusionEquation(
        d,
        tuple(entries),
        tuple(pair if pair == "periodic" else tuple(map(wall_of, pair)) for pair in walls),
        mask=mask,
        velocity=velocity,
        capacity=capacity,
        decay=decay,
        coordinates=round_,
        inner_radius=radius or 0.0,
    )
    return oracle, eq


def test_diffusivity_over_the_faces():
    """It is taken as it is, not averaged; beside dry cells it may be NaN; a line's needs no tuple."""
    d = np.array([7.0, 2.0, np.nan, np.nan, 5.0])
    wet = np.array([True, True, False, True])
    tank = dc.DiffusionEquation(d, boundary=((dc.Dirichlet(1.0), "reflecting"),), mask=wet)
    rows = [[-2 * 7.0 - 2.0, 2.0, 0, 0], [2.0, -2.0, 0, 0], [0] * 4, [0] * 4]
    np.testing.assert_array_equal(tank.operator(4).matrix.toarray(), rows)
    np.testing.assert_array_equal(tank.operator(4).b(), [14.0, 0, 0, 0])
    both = (np.ones((4, 4)), np.ones((3, 5)))
    assert dc.DiffusionEquation(both, boundary="absorbing").steady_state().shape == (3, 4)
    # each axis by itself: cells along one, a number along the other
    mixed = dc.DiffusionEquation((np.full((3, 4), 2.0), 0.5)).operator((3, 4))
    plain = dc.DiffusionEquation((2.0, 0.5)).operator((3, 4))
    np.testing.assert_array_equal(mixed.matrix.toarray(), plain.matrix.toarray())


def test_every_scheme_takes_a_diffusivity_over_the_faces():
    rng = np.random.default_rng(3)
    u, d = rng.uniform(0, 1, (5, 6)), (rng.uniform(0.5, 2, (6, 6)), rng.uniform(0.5, 2, (5, 7)))
    walls = [((1.0, 0.0, 1.0), None)] * 2
    eq = dc.DiffusionEquation(d, boundary=[tuple(map(wall_of, pair)) for pair in walls])
    expected = transport.exact(*transport.matrices((5, 6), d, [np.ones(5), np.ones(6)], walls), u, 2.0)
    for method, error in [("chebyshev", 1e-10), ("rational", 1e-9), ("uniformization", 1e-12), ("auto", 1e-9)]:
        np.testing.assert_allclose(eq.evolve(u, 2.0, method), expected, rtol=0, atol=10 * error, err_msg=method)
    for method in ("rkl2", "implicit"):
        found = dataclasses.replace(eq, source=lambda t: 0.0).evolve(u, 2.0, method, tolerance=1e-6)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5, err_msg=method)


@pytest.mark.parametrize(
    ("diffusivity", "options", "message"),
    [
        (([1.0, 2.0, 3.0, np.inf, 1.0],), {}, "finite"),
        ((np.array([1.0, -2.0, 3.0, 1.0, 1.0]),), {}, "at least 0, got -2"),
        ((np.array([1.0, 2.0, 3.0, 1.0, 2.0]),), {"boundary": "periodic"}, "the same on the first and last face"),
        ((np.ones(6),), {}, r"shape \(4,\) or one over the faces, \(5,\), got shape \(6,\)"),
        ((np.array([1.0, np.nan, 3.0, 1.0, 1.0]),), {"mask": np.array([True, True, True, False])}, "finite"),
        ((np.array([1.0, 1.0, 3.0, 1.0, -1.0]),), {"mask": np.array([True, True, True, False])}, "at least 0, got -1"),
    ],
)
def test_refused_diffusivities_over_the_faces(diffusivity, options, message):
    with pytest.raises(ValueError, match=message):
        dc.DiffusionEquation(diffusivity, **options).evolve(np.ones(4), 1.0)


@given(st.data(), flows())
def test_every_scheme_agrees_with_plain_loops(data, flow):
    oracle, eq = flow
    shape = oracle["shape"]
    u = data.draw(strategies.fields(shape, size=10.0))
    left, right = transport.matrices(**oracle)
    op = eq.operator(shape)
    rate = max(1.0, np.abs(left).max())
    size = np.abs(u).max() + 1
    np.testing.assert_allclose(op.matrix.toarray(), left, rtol=0, atol=100 * EPS * rate)
    np.testing.assert_allclose(op @ u.ravel(), left @ u.ravel(), rtol=0, atol=200 * EPS * rate * size)
    np.testing.assert_allclose(op.adjoint() @ u.ravel(), left.T @ u.ravel(), rtol=0, atol=200 * EPS * rate * size)
    np.testing.assert_allclose(op.b(), right, rtol=0, atol=100 * EPS * max(1.0, np.abs(right).max()))
    duration = 3 / rate
    expected = transport.exact(left, right, u, duration)
    scale = size + np.abs(expected).max() + duration * np.abs(right).max()
    np.testing.assert_allclose(eq.evolve(u, duration, "uniformization"), expected, rtol=0, atol=1e-11 * scale)
    if oracle["velocity"] is None:
        np.testing.assert_allclose(eq.evolve(u, duration, "chebyshev"), expected, rtol=0, atol=1e-9 * scale)
    limit = eq.stable_time_step(shape)
    step = limit / 2 if math.isfinite(limit) else 0.1
    stepped = eq.evolve(u, step, "explicit", step)
    expected = u + step * (left @ u.ravel() + right).reshape(shape)
    np.testing.assert_allclose(stepped, expected, rtol=0, atol=300 * EPS * (size + step * np.abs(right).max()))


@given(st.data(), flows())
def test_fluxes_and_the_balance_add_up(data, flow):
    """What flows through the faces is what cells gain, and mass is the true integral."""
    oracle, eq = flow
    shape = oracle["shape"]
    u = data.draw(strategies.fields(shape, size=10.0))
    left, right = transport.matrices(**oracle)
    turn = {0: 1.0, 1: 2 * math.pi, 2: 4 * math.pi}[oracle["power"]]
    volume = turn * transport.volumes(shape, oracle["widths"], oracle["radius"], oracle["power"]) * oracle["capacity"]
    wet = True if oracle["mask"] is None else oracle["mask"]
    rate = max(1.0, np.abs(left).max()) * (1 + np.abs(u).max()) * volume.sum()
    assert abs(eq.total_mass(u) - (volume * wet * u).sum()) <= 100 * EPS * volume.sum() * (1 + np.abs(u).max())
    balance = eq.mass_balance(u)
    change = (volume * (left @ u.ravel() + right).reshape(shape)).sum()
    assert abs(balance.change - change) <= 1000 * EPS * rate
    assert abs(balance.change - (balance.inflow - balance.outflow + balance.source)) <= 1000 * EPS * rate


@given(st.data(), flows(closed=True), st.floats(0, 30), st.sampled_from(["uniformization", "explicit"]))
def test_closed_tanks_keep_their_salt_and_nothing_turns_negative(data, flow, z, method):
    oracle, eq = flow
    shape = oracle["shape"]
    u = data.draw(strategies.fields(shape, size=10.0)).clip(0)
    limit = eq.stable_time_step(shape)
    duration = z * (limit if math.isfinite(limit) else 0.1)
    after = eq.evolve(u, duration, method)
    before, mass = eq.total_mass(u), eq.total_mass(after)
    assert abs(mass - before) <= 1e-13 * max(before, 1e-300) * (1 + z)
    assert after.min() >= 0
    parts = eq.evolve(eq.evolve(u, duration / 3, "uniformization"), duration / 3 * 2, "uniformization")
    whole = eq.evolve(u, duration, "uniformization")
    np.testing.assert_allclose(parts, whole, rtol=0, atol=1e-10 * max(1.0, np.abs(whole).max()))


@given(st.data(), flows(), st.floats(0, 30))
def test_threads_change_no_bit(data, flow, z):
    """However few cells each thread gets, and however many are looked at together for the largest rate."""
    oracle, eq = flow
    u = data.draw(strategies.fields(oracle["shape"], size=10.0))
    limit = eq.stable_time_step(u.shape)
    methods = ["uniformization", "explicit"] + ["chebyshev"] * (oracle["velocity"] is None)
    duration = z * (limit if math.isfinite(limit) else 0.1)
    alone = [eq.evolve(u, duration, method) for method in methods]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweeps, "SMALLEST_SHARE", 1)
        patch.setattr(lattice, "WORTH_THREADS", 1)
        patch.setattr(lattice, "POOLED", 1)
        patch.setattr(in_pieces, "PIECE", 1)
        patch.setattr(numba, "get_num_threads", lambda: 3)
        eq = dataclasses.replace(eq)  # nothing is kept of the run before
        for method, expected in zip(methods, alone, strict=True):
            np.testing.assert_array_equal(eq.evolve(u, duration, method), expected)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(35,), (7, 21), (4, 3, 19)])
@pytest.mark.parametrize(
    "walls", ["periodic", (None, None), ((1.0, 0.0, 2.0), (1.5, 0.7, -1.0)), ((0.0, 1.0, 0.5), (1.0, 0.0, 0.0))]
)
@pytest.mark.parametrize("drifting", [True, False])
def test_sweeps_of_any_tiles_agree_with_plain_loops(drifting, walls, shape, dtype, monkeypatch):
    """Rows of whole vectors and a rest; faces that go either way, cells that differ, decay and are dry in places.

    A step and a term of Poisson's add at most 20 roundings of the largest value, all of positive weights; a term of
    Chebyshev's recurrence is bounded as its file says. Tiles, bands and blocks change no bit.
    """
    rng = np.random.default_rng(len(shape))
    ndim, closed = len(shape), walls in ("periodic", (None, None))
    faces_of = [tuple(n + (a == axis) for a, n in enumerate(shape)) for axis in range(ndim)]
    velocity = tuple(rng.uniform(-3, 3, faces) for faces in faces_of) if drifting else None
    for axis in range(ndim) if drifting else ():
        faces = np.moveaxis(velocity[axis], axis, 0)
        faces[0], faces[-1] = (faces[0], faces[0]) if walls == "periodic" else (0.06, -0.06)  # where walls are central
    oracle = {
        "shape": shape,
        "diffusivity": rng.uniform(0.5, 2, shape),
        "widths": [np.ones(n) for n in shape],
        "walls": [walls] * ndim,
        "velocity": velocity,
        "capacity": rng.uniform(0.5, 2, shape),
        "decay": 0.0 if closed else rng.uniform(0, 0.2, shape),
        "mask": rng.random(shape) > 0.1,
    }
    pair = walls if walls == "periodic" else tuple(map(wall_of, walls))
    given = {name: oracle[name] for name in ("velocity", "capacity", "decay", "mask")}
    eq = dc.DiffusionEquation(oracle["diffusivity"], boundary=(pair,) * ndim, **given)
    left, right = transport.matrices(**oracle)
    u = rng.random(shape).astype(dtype)
    step, steps = eq.stable_time_step(shape) / 2, 13
    methods = ["explicit", "uniformization" if drifting else "chebyshev"]
    whole = [eq.evolve(u, steps * step, method) for method in methods]
    expected = u.ravel().astype(float)
    for _ in range(steps):
        expected = expected + step * (left @ expected + right)
    size, eps = max(1.0, np.abs(expected).max(), steps * step * np.abs(right).max()), np.finfo(dtype).eps
    np.testing.assert_allclose(whole[0].ravel(), expected, rtol=0, atol=20 * steps * eps * size)
    expected = transport.exact(left, right, u.astype(float), steps * step)
    np.testing.assert_allclose(whole[1], expected, rtol=0, atol=2e-10 * size + eps * size)
    if closed:
        for method, after in zip(methods, whole, strict=True):
            rounding = np.finfo(dtype if method == "explicit" else float).eps
            assert after.min() >= (0 if method != "chebyshev" else -1e-10)
            balance = eq.total_mass(after.astype(float)) - eq.total_mass(u.astype(float))
            assert abs(balance) <= (20 * steps * rounding + eps) * eq.total_mass(u.astype(float))
    for room, name, value in (
        (sweeps, "SMALLEST_SHARE", 1),
        (sweeps, "EXCHANGE", 50),
        (sweeps, "CACHE", 1 << 9),
        (sweeps, "DEPTH", 3),
        (sweeps, "BLOCK", 50),
        (sweeps, "CHECK_INTERVAL", 1),
        (numba, "get_num_threads", lambda: 3),
    ):
        monkeypatch.setattr(room, name, value)
    for method, before in zip(methods, whole, strict=True):
        np.testing.assert_array_equal(eq.evolve(u, steps * step, method), before)


@given(st.data(), flows(most=4))
def test_the_limit_is_where_a_long_run_ends(data, flow):
    oracle, eq = flow
    u = data.draw(strategies.fields(oracle["shape"], size=10.0))
    left, right = transport.matrices(**oracle)
    slowest = np.linalg.eigvals(left).real
    slowest = -slowest[slowest < -1e-9 * np.abs(left).max()].max(initial=-np.inf)
    try:
        found = eq.steady_state(u)
    except ValueError:
        return
    if not math.isfinite(slowest):
        return
    waited = transport.exact(left, right, u, 45 / slowest)
    condition = max(1.0, np.abs(left).max() / slowest)
    np.testing.assert_allclose(found, waited, rtol=0, atol=1e-11 * condition * max(1.0, np.abs(waited).max()))


# --- closed forms -----------------------------------------------------------------------------------------------------


def test_mean_and_covariance_are_exact_up_to_the_limit():
    """On a periodic line that nothing goes round: mean vt and variance 2Dt, whatever the grid."""
    n, dx, d, v, t = 101, 0.5, 0.8, 2.5, 3.0
    u = np.zeros(n)
    u[20] = 1.0
    eq = dc.DiffusionEquation(d, dx, "periodic", velocity=v)
    assert eq.cell_peclet(n) <= 2
    for method in ("uniformization", "auto"):
        after = eq.evolve(u, t, method)
        x = dx * (np.arange(n) - 20)
        mean = (after * x).sum()
        assert abs(mean - v * t) <= 1e-9
        assert abs((after * (x - mean) ** 2).sum() - 2 * d * t) <= 1e-9


def test_a_joint_of_two_materials():
    """K = 1, rho c = 1 and k = 10, rho c = 10, ends at 100 and 0: the joint lies at 9.09 (100/11)."""
    n = 50
    k = np.repeat([1.0, 10.0], n)
    rod = dc.DiffusionEquation((k,), 1 / n, ((dc.Dirichlet(100.0), dc.Dirichlet(0.0)),), capacity=k)
    for u in (rod.steady_state(np.zeros(2 * n)), rod.evolve(np.zeros(2 * n), 30.0)):
        assert abs((u[n - 1] + 10 * u[n]) / 11 - 100 / 11) <= 1e-6
    # before the ends are felt the joint of two half-spaces lies at the mean weighted with effusivity: 1 and 10
    u = dc.DiffusionEquation((k,), 1 / n, capacity=k).evolve(np.repeat([100.0, 0.0], n), 0.01)
    assert abs((u[n - 1] + 10 * u[n]) / 11 - 100 / 11) <= 0.02


def test_decay_is_exact():
    u = np.random.default_rng(0).random((6, 7))
    for decay in (0.3, np.full(u.shape, 0.3)):
        eq = dc.DiffusionEquation(1 + u, decay=decay, capacity=2.0, boundary="periodic")
        still = dc.DiffusionEquation((1 + u) / 2, boundary="periodic")
        np.testing.assert_allclose(eq.evolve(u, 4.0), still.evolve(u, 4.0) * math.exp(-0.6), rtol=0, atol=1e-9)
    eq = dc.DiffusionEquation(decay=0.3)
    np.testing.assert_allclose(
        eq.evolve(u, 4.0, "spectral"), dc.DiffusionEquation().evolve(u, 4.0) * math.exp(-1.2), rtol=0, atol=1e-14
    )
    step = 0.1
    stepped = eq.evolve(u, 1.0, "explicit", step)
    np.testing.assert_allclose(eq.explicit_steps(u, 10, step), stepped, rtol=0, atol=1e-14)
    for none in (5e-324, 1e-320):  # numbers of few digits, over which nothing may be divided
        for velocity in (0.0, 0.5):
            eq = dc.DiffusionEquation(decay=none, source=1.0, velocity=velocity, boundary="periodic")
            filled = [eq.evolve(np.zeros(3), math.sqrt(10)), eq.evolve(np.zeros(3), math.sqrt(10), "spectral")]
            filled += [] if velocity else [eq.explicit_steps(np.zeros(3), 10, math.sqrt(0.1))]
            np.testing.assert_allclose(filled, math.sqrt(10), rtol=1e-14)


def test_volumes_are_the_true_integrals():
    assert dc.DiffusionEquation(coordinates="polar", spacing=0.1).total_mass(np.ones(10)) == pytest.approx(math.pi)
    ball = dc.DiffusionEquation(coordinates="spherical", spacing=0.1, inner_radius=1.0)
    assert ball.total_mass(np.ones(10)) == pytest.approx(4 / 3 * math.pi * 7)
    can = dc.DiffusionEquation(coordinates="cylindrical", spacing=(0.1, 0.5))
    assert can.total_mass(np.ones((10, 6))) == pytest.approx(3 * math.pi)


def test_linear_steady_states_are_exact_on_any_grid():
    widths = np.random.default_rng(0).uniform(0.1, 1, 30)
    x = widths.cumsum() - widths / 2
    rod = dc.DiffusionEquation(1.0, widths, ((dc.Dirichlet(0.0), dc.Dirichlet(widths.sum())),))
    np.testing.assert_allclose(rod.steady_state(np.zeros(30)), x, rtol=0, atol=1e-11)


def test_a_random_walk_with_drift_agrees_with_the_solver():
    """Law 2: the mean of many walks is the push-forward, here of single steps of the equation's own stencil."""
    rates = dc.DiffusionEquation(0.2, boundary="periodic", velocity=0.3)
    step = dc.Propagator([0.2 - 0.15, 1 - 0.4, 0.2 + 0.15])
    u = np.zeros(24)
    u[3] = 1.0
    np.testing.assert_allclose(
        rates.evolve(u, 7.0, "explicit", 1.0), dc.convolve(u, step.power(7), boundary="periodic"), rtol=0, atol=1e-14
    )
    counts = np.zeros(24, dtype=np.int64)
    counts[3] = 40_000
    *_, walked = dc.random_walk(counts, step, 7, rng=1, boundary="periodic")
    walked = walked / 40_000
    expected = rates.evolve(u, 7.0, "explicit", 1.0)
    # 24 cells at 6 standard deviations: a false alarm has a chance below 1e-7
    assert (np.abs(walked - expected) <= 6 * np.sqrt(expected * (1 - expected) / 40_000) + 1e-4).all()


def test_the_propagator_of_a_drift_is_the_solver():
    eq = dc.DiffusionEquation((0.5, 0.7), 1.0, "periodic", velocity=(0.3, -0.6), capacity=2.0)
    u = np.random.default_rng(0).random((40, 50))
    moved = dc.convolve(u, eq.propagator(3.0), boundary="periodic")
    np.testing.assert_allclose(moved, eq.evolve(u, 3.0), rtol=0, atol=1e-11)
    for options in ({"decay": 1.0}, {"coordinates": "polar"}, {"velocity": (np.ones((5, 4)), 0.0)}):
        with pytest.raises(ValueError, match="for a propagator"):
            dc.DiffusionEquation(**options).propagator(1.0)


@pytest.mark.parametrize("shape", [(7,), (8,), (5, 8), (6, 7), (4, 5, 6), (1, 4), (2, 3)])
@pytest.mark.parametrize(("source", "decay"), [(None, None), (0.3, None), ("varying", 0.2)])
def test_constant_drift_on_periodic_boxes_is_spectral(shape, source, decay):
    rng = np.random.default_rng(0)
    u, varying = rng.random(shape), rng.random(shape)
    velocity = tuple(rng.normal(size=len(shape)).tolist())
    source = varying if source == "varying" else source
    eq = dc.DiffusionEquation(0.5, 0.8, "periodic", velocity=velocity, source=source, decay=decay, capacity=1.5)
    frames = list(eq.frames(u, [0.0, 1.0, 3.0], "spectral"))
    np.testing.assert_array_equal(frames[0][1], u)
    for time, field in frames[1:]:
        exact = eq.evolve(u, time, "uniformization", tolerance=1e-14)
        np.testing.assert_allclose(field, exact, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match=r"^velocity must be None in explicit_steps.*, got "):
        eq.explicit_steps(u, 2)


def test_stacks_are_solved_field_by_field():
    photo = np.random.default_rng(0).random((8, 9, 3)).astype(np.float32)
    eq = dc.DiffusionEquation((1.0, 2.0), boundary=("reflecting", "periodic"))
    evolved, stepped = eq.evolve(photo, 2.0, axes=(0, 1)), eq.explicit_steps(photo, 3, axes=(0, 1))
    frames = list(eq.frames(photo.transpose(2, 1, 0), [0.0, 2.0], axes=(2, 1)))
    assert evolved.dtype == np.float32
    for colour in range(3):
        np.testing.assert_array_equal(evolved[..., colour], eq.evolve(photo[..., colour], 2.0))
        np.testing.assert_array_equal(stepped[..., colour], eq.explicit_steps(photo[..., colour], 3))
        np.testing.assert_array_equal(frames[1][1][colour].T, evolved[..., colour])
    with pytest.raises(ValueError, match="axes= must name the spatial ones"):
        eq.evolve(np.ones((2, 2, 2, 2)), 1.0)


def weighed(method):
    """Return the arguments of a problem with capacity and decay for a method: in layers where it can."""
    layers = np.repeat([1.0, 3.0, 0.5], 3)[:, None] * np.ones(7)
    arguments = {"diffusivity": (layers, 0.2 * layers), "capacity": 2 - layers / 2, "decay": layers / 10}
    if method == "spectral":
        arguments = {"diffusivity": 0.7, "capacity": 2.0, "decay": 0.1}
    if method in ("uniformization", "explicit", "rkl2", "implicit"):
        arguments["velocity"] = (0.3 * np.ones((10, 7)), -0.2 * np.ones((9, 8)))
    if method in ("rkl2", "implicit"):
        arguments["source"] = lambda t: np.cos(t)
    return arguments | {"boundary": ((dc.Dirichlet(2.0), dc.Robin(1.0, 0.5, 0.3)), "reflecting")}


METHODS = {"explicit": 2e-3, "spectral": 1e-12, "chebyshev": 1e-9, "rational": 1e-9, "uniformization": 1e-11} | {
    "rkl2": 1e-3,
    "implicit": 2e-5,
}


@pytest.mark.parametrize("method", METHODS)
def test_capacity_and_decay_in_every_scheme_field_by_field_of_a_stack(method):
    """Against SciPy's integrator on the operator, which is checked cell by cell elsewhere."""
    eq = dc.DiffusionEquation(**weighed(method))
    stack = np.random.default_rng(0).random((7, 2, 9))
    options = {"tolerance": 1e-4 if method == "rkl2" else 1e-6} if method in ("rkl2", "implicit") else {}
    if method == "explicit":
        options = {"time_step": eq.stable_time_step((9, 7)) / 200}
    evolved = eq.evolve(stack, 1.5, method, axes=(2, 0), **options)
    *_, (time, last) = eq.frames(stack, [0.5, 1.5], method, axes=(2, 0), **options)
    assert time == 1.5
    op = eq.operator((9, 7))
    for k in range(2):
        u = stack[:, k].T
        run = scipy.integrate.solve_ivp(op.rhs, (0, 1.5), u.ravel(), "DOP853", rtol=1e-12, atol=1e-12)
        exact = run.y[:, -1].reshape(9, 7)
        for field in (evolved, last):
            np.testing.assert_allclose(field[:, k].T, exact, rtol=0, atol=METHODS[method])


# --- what is not finite, and what is refused --------------------------------------------------------------------------


def test_what_the_mask_leaves_out_may_be_anything_and_comes_back():
    rng = np.random.default_rng(0)
    mask = np.ones((6, 7), dtype=bool)
    mask[:2] = mask[4, 3] = False
    u, holes = rng.random((6, 7)), np.where(mask, 0, np.nan)
    clean = {
        "diffusivity": (1 + rng.random((6, 7)),) * 2,
        "source": rng.random((6, 7)),
        "capacity": 1 + rng.random((6, 7)),
        "decay": rng.random((6, 7)),
    }
    holed = {k: tuple(v + holes for v in vs) if isinstance(vs, tuple) else vs + holes for k, vs in clean.items()}
    walls = ("reflecting", (dc.Dirichlet(np.arange(6.0)), "reflecting"))
    holed_walls = ("reflecting", (dc.Dirichlet(np.where(mask[:, 0], np.arange(6.0), np.nan)), "reflecting"))
    one = dc.DiffusionEquation(**clean, mask=mask, boundary=walls)
    same = dc.DiffusionEquation(**holed, mask=mask, boundary=holed_walls)
    for method in ("chebyshev", "explicit", "uniformization"):
        after = same.evolve(u + holes, 2.0, method)
        assert np.isnan(after[~mask]).all()
        np.testing.assert_array_equal(after[mask], one.evolve(u, 2.0, method)[mask])
    np.testing.assert_array_equal(same.steady_state(u + holes)[mask], one.steady_state(u)[mask])
    assert same.total_mass(u + holes) == one.total_mass(u)
    with pytest.raises(ValueError, match="u must be finite"):
        same.evolve(np.full((6, 7), np.nan), 1.0)


def test_tensors_off_by_rounding_and_ambiguous_arrays():
    angle = 0.3
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    tensor = turn @ np.diag([1.0, 0.3]) @ turn.T
    tensor[0, 1] *= 1 + 2e-16
    dc.DiffusionEquation(tensor).evolve(np.ones((4, 5)), 1.0)
    with pytest.raises(ValueError, match=r"ambiguous on a field of that shape: write \(d,\) \* 2"):
        dc.DiffusionEquation(np.array([[1.0, 0.9], [0.9, 1.0]])).evolve(np.ones((2, 2)), 1.0)
    cells = np.array([[1.0, 0.9], [0.9, 1.0]])
    dc.DiffusionEquation((cells, cells)).evolve(np.ones((2, 2)), 1.0)
    dc.DiffusionEquation(np.array([[1.0, 0.9], [0.2, 1.0]])).evolve(np.ones((2, 2)), 1.0)  # no tensor is askew


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"velocity": (1.0, 2.0, 3.0)}, "velocity must be one value or one for each of the 2 axes"),
        ({"velocity": (np.ones((4, 4)), 0.0)}, r"velocity\[0\] must be a number or an array over the faces"),
        ({"velocity": np.nan}, "velocity must be finite"),
        ({"velocity": (np.full((5, 4), np.inf), 0.0)}, "velocity must be finite"),
        ({"velocity": (np.arange(20.0).reshape(5, 4), 0.0), "boundary": "periodic"}, "same on the first and last face"),
        ({"velocity": np.ones((4, 4))}, "velocity must be a number, or a sequence"),
        ({"capacity": 0.0}, "capacity must be greater than 0"),
        ({"capacity": np.zeros((4, 4))}, "capacity must be greater than 0"),
        ({"capacity": np.ones(4)}, "capacity must be a number or have the field's shape"),
        ({"decay": -1.0}, "decay must be at least 0"),
        ({"decay": np.ones(3)}, "decay must be a number or have the field's shape"),
        ({"spacing": (1.0, np.array([1.0, 0.0, 1.0, 1.0]))}, r"spacing\[1\] must be greater than 0 in every cell"),
        ({"spacing": (1.0, np.ones(3))}, r"spacing\[1\] must hold one width for each of the 4 cells"),
        ({"spacing": (1.0, np.arange(1.0, 5.0)), "diffusivity": np.array([[2.0, 1], [1, 2]])}, "must not be a tensor"),
        ({"coordinates": "toroidal"}, "coordinates must be one of"),
        ({"coordinates": "spherical"}, "needs a field of 1 axes, got 2"),
        (
            {"coordinates": "cylindrical", "boundary": "periodic"},
            "along a radius must be 'reflecting' or a wall, got 'periodic'",
        ),
        ({"coordinates": "cylindrical", "inner_radius": -1.0}, "inner_radius must be at least 0"),
        ({"coordinates": "cylindrical", "velocity": (1.0, 0.0)}, "velocity along a radius must be an array"),
        ({"coordinates": "cylindrical", "diffusivity": np.array([[2.0, 1], [1, 2]])}, "must not be a tensor"),
        ({"inner_radius": 1.0}, "inner_radius belongs to round coordinates"),
    ],
)
def test_bad_problems_are_refused_in_one_line(options, words):
    with pytest.raises(ValueError, match=words) as refusal:
        dc.DiffusionEquation(**options).evolve(np.ones((4, 4)), 1.0)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("diffusivity", [0.0, 5e-324])
def test_drift_with_next_to_no_diffusion_has_an_infinite_peclet_number(diffusivity):
    assert dc.DiffusionEquation(diffusivity, velocity=0.1).cell_peclet(4) == math.inf
