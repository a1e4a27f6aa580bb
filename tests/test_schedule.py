"""Tables of times: the entry that holds at a time, in later turns and late on a clock too."""

import itertools
import math

import numpy as np
import pytest
import scipy.integrate

import diffuseconv as dc
from diffuseconv.diffusion import clock, implicit, rkl2
from diffuseconv.diffusion.integrator import evaluate


@pytest.mark.parametrize("start", [0.0, 7.3, 1e6])
@pytest.mark.parametrize("period", [0.1, 0.3, 1 / 7])
def test_the_times_of_later_turns_are_those_of_the_table(start, period):
    """They are sums, off by rounding: the entry that begins there holds for the whole piece of a run."""
    table = dc.Schedule([start, start + period / 3], [0.0, 1.0], period=period)
    turns = start + period * np.arange(100)
    assert [table(time) for time in turns] == [0.0] * 100
    assert [table(time + period / 3) for time in turns] == [1.0] * 100
    filled = dc.DiffusionEquation(source=table).evolve(np.zeros(3), 100 * period, start=start)
    # each of 200 jumps is off by some roundings of the clock
    np.testing.assert_allclose(filled, 100 * period * 2 / 3, rtol=0, atol=200 * 8 * np.spacing(start + 100 * period))


FACES = np.stack([np.linspace(0.1, 0.5, 7), np.zeros(7), np.linspace(-0.3, 0.2, 7)])


@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((6,), {"velocity": dc.Schedule([0.0, 1.0, 2.5], [0.4, -0.2, 0.0])}),
        ((6,), {"velocity": dc.Schedule([0.0, 1.0, 2.5], FACES), "boundary": dc.Dirichlet(1.0)}),
        ((4, 5), {"velocity": (dc.Schedule([0.0, 1.2], [0.4, -0.2], period=2.0), 0.3), "boundary": "periodic"}),
        ((4, 5), {"velocity": dc.Schedule([0.0, 1.2], [[0.4, 0.0], [-0.2, 0.3]], period=2.0)}),
        ((6,), {"velocity": dc.Schedule([0.5, 1.0], [0.4, -0.2]), "source": dc.Schedule([0.0, 2.0], [0.0, 1.0])}),
    ],
    ids=["number", "faces", "periodic", "per axis", "with a source"],
)
def test_velocities_by_schedule(shape, options):
    """Against pieces of constant velocity one after the other, and against SciPy with the right-hand side."""
    u, methods = np.random.default_rng(0).random(shape), ("auto", "uniformization")
    eq = dc.DiffusionEquation(**options)
    pieces, times = dict.fromkeys(methods, u), [0.0, 0.5, 1.0, 1.2, 2.0, 2.5, 3.2, 4.0, 5.0]
    for begin, end in itertools.pairwise(times):
        now = {
            name: tuple(v(begin) if callable(v) else v for v in given) if isinstance(given, tuple) else given(begin)
            for name, given in options.items()
            if name != "boundary"
        }
        now["velocity"] = np.array(now["velocity"]).tolist() if np.shape(now["velocity"]) == (2,) else now["velocity"]
        still = dc.DiffusionEquation(**{**options, **now})
        pieces = {method: still.evolve(field, end - begin, method) for method, field in pieces.items()}
    rhs, run = eq.operator(shape).rhs, u.ravel()
    for begin, end in itertools.pairwise(times):
        inside = end - 1e-12 * (end - begin)  # the jump belongs to the next piece
        run = scipy.integrate.solve_ivp(
            lambda t, y, last=inside: rhs(min(t, last), y), (begin, end), run, rtol=1e-10, atol=1e-12
        ).y[:, -1]
    for method in methods:
        after = eq.evolve(u, 5.0, method)
        np.testing.assert_allclose(after, pieces[method], rtol=0, atol=1e-11)
        np.testing.assert_allclose(after.ravel(), run, rtol=0, atol=1e-8)


def test_limits_hold_for_every_velocity_of_a_schedule():
    table = dc.Schedule([0.0, 1.0], [0.0, 3.0])
    eq, fast = dc.DiffusionEquation(velocity=table), dc.DiffusionEquation(velocity=3.0)
    assert eq.cell_peclet((8,)) == fast.cell_peclet((8,)) == 3.0
    assert eq.stable_time_step((8,)) == fast.stable_time_step((8,))
    one, other = dc.Schedule([0, 3, 4], [1, 30, 1], period=5), dc.Schedule([0, 1, 2], [1, -40, 1], period=7)
    meeting = dc.DiffusionEquation(0.1, velocity=(one, other))  # both are at their worst from 8 to 9 alone
    assert meeting.stable_time_step((8, 8)) == dc.DiffusionEquation(0.1, velocity=(30.0, -40.0)).stable_time_step(
        (8, 8)
    )
    lifted = dc.DiffusionEquation(barriers=(dc.Barrier(np.ones(7, bool), lifted_at=1.0),))
    assert lifted.stable_time_step((8,)) == dc.DiffusionEquation().stable_time_step((8,)) == 0.5
    assert np.isinf(lifted.stable_time_step((8,), time=0.5))
    np.testing.assert_array_equal(
        eq.evolve(np.arange(8.0), 1.0, "explicit", 0.1),
        dc.DiffusionEquation().evolve(np.arange(8.0), 1.0, "explicit", 0.1),
    )


def hybrid(v, diffusivity, dx):
    """Return du/dt on a circle as a NumPy user writes it: the flow through each face at the rates of the scheme."""

    def rhs(t, u):
        q, g = v(t) / dx, diffusivity / dx**2
        flow = max(g + q / 2, q, 0) * u - max(g - q / 2, -q, 0) * np.roll(u, -1)
        return np.roll(flow, 1) - flow

    return rhs


CIRCLE = (np.arange(40) + 0.5) / 40
RAMP = dc.Schedule([0.0, 0.5, 1.0], [0.0, 1.0, -0.4], "linear", period=1.2)


@pytest.mark.parametrize(
    ("v", "jumps"), [(lambda t: 0.5 * math.sin(3 * t) + 0.2, ()), (RAMP, (0.5, 1.0, 1.2, 1.7))], ids=["sine", "ramp"]
)
def test_a_drift_that_changes_all_the_time(v, jumps):
    """Against SciPy with the right-hand side written with NumPy; what flows round is conserved to rounding."""
    u, eq = np.exp(-(((CIRCLE - 0.4) / 0.1) ** 2)), dc.DiffusionEquation(0.02, 1 / 40, "periodic", velocity=v)
    rhs, exact, begin = hybrid(v, 0.02, 1 / 40), u, 0.0
    np.testing.assert_allclose(eq.operator(40).rhs(0.7, u), rhs(0.7, u), rtol=0, atol=1e-12 * np.abs(rhs(0.7, u)).max())
    for end in (*jumps, 2.0):
        exact = scipy.integrate.solve_ivp(rhs, (begin, end), exact, "Radau", rtol=1e-10, atol=1e-12).y[:, -1]
        begin = end
    for method, tolerance in (("auto", 1e-6), ("implicit", 1e-8), ("rkl2", 1e-3)):
        got = eq.evolve(u, 2.0, method, tolerance=tolerance)
        assert np.abs(got - exact).max() <= tolerance * np.ptp(u), method
        assert abs(got.sum() - u.sum()) <= 1e-12 * u.sum(), method
    *_, (_, last) = eq.frames(u, [0.3, 1.1, 2.0], tolerance=1e-6)
    assert np.abs(last - exact).max() <= 1e-6 * np.ptp(u)


def steps_of(scheme, eq, u, duration, count):
    """Return the field after so many steps of one length, whatever their error."""
    problem, now, length, here = eq.lattice(u.shape), clock.Clock(0.0, duration), duration / count, u
    steps = scheme.Steps(problem, duration)
    for n in range(count):
        slope = evaluate(problem, now.at(n * length), here)
        steps.accept(now, n * length, here)
        here = steps.attempt(now, n * length, here, slope, length, 1e-13).field
    return here


@pytest.mark.parametrize(("scheme", "counts", "order"), [(rkl2, (64, 128), 2), (implicit, (8, 12), 9)])
def test_the_order_of_each_scheme_with_a_drift_that_changes(scheme, counts, order):
    """A plane wave is an eigenvector of every L(t), so that the exact solution is a quadrature in closed form."""
    k, diffusivity, n = 2 * np.pi, 0.05, 40  # cells that keep the scheme central: L(t) = D A + v(t) B
    u = np.cos(k * CIRCLE)
    eq = dc.DiffusionEquation(diffusivity, 1 / n, "periodic", velocity=lambda t: 0.6 * math.cos(4 * t))
    assert eq.cell_peclet(n, time=0.0) < 2
    decay, turn = 2 * diffusivity * n**2 * (1 - math.cos(k / n)), n * math.sin(k / n)
    exact = math.exp(-decay) * np.cos(k * CIRCLE - turn * 0.6 * math.sin(4.0) / 4)
    errors = [np.abs(steps_of(scheme, eq, u, 1.0, count) - exact).max() for count in counts]
    assert errors[0] > 1e-11  # rounding does not hide the order
    assert math.log(errors[0] / errors[1]) / math.log(counts[1] / counts[0]) >= order - 0.05


def test_walls_faces_and_weights_with_a_drift_that_changes():
    """In the plane, through open walls, over a mask, with capacity: as a constant drift, where it is one."""
    rng = np.random.default_rng(1)
    across, along = rng.standard_normal((5, 6)), rng.standard_normal((4, 7))
    shared = {
        "boundary": (dc.Dirichlet(1.0), (dc.Robin(1.0, 0.5, 0.2), dc.Neumann(0.3))),
        "capacity": 0.5 + rng.random((4, 6)),
        "mask": rng.random((4, 6)) < 0.8,
    }
    u = rng.random((4, 6))
    faces = np.stack([across, across])
    moving = dc.DiffusionEquation(velocity=(dc.Schedule([0, 1], faces, "linear"), lambda t: along), **shared)
    still = dc.DiffusionEquation(velocity=(across, along), **shared)
    exact = still.evolve(u, 0.7)
    for method in ("rkl2", "implicit"):
        assert np.abs(moving.evolve(u, 0.7, method) - exact).max() <= 1e-4
    np.testing.assert_allclose(
        moving.evolve(u, 0.7, "explicit", 1e-2), still.evolve(u, 0.7, "explicit", 1e-2), rtol=0, atol=1e-12
    )
    assert moving.mass_balance(u, 0.3).change == pytest.approx(still.mass_balance(u).change, abs=1e-12)
    for one, other in zip(moving.flux(u, 0.3), still.flux(u), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-13)


def test_flux_and_limits_follow_the_clock():
    eq, u = dc.DiffusionEquation(velocity=lambda t: 4 * t, boundary=dc.Dirichlet(1.0)), np.ones(4)
    for time in (0.0, 0.5, 2.0):
        now = dc.DiffusionEquation(velocity=4 * time, boundary=dc.Dirichlet(1.0))
        np.testing.assert_array_equal(eq.flux(u, time)[0], now.flux(u)[0])
        np.testing.assert_array_equal(eq.operator(4).rhs(time, u), now.operator(4).rhs(0.0, u))
        np.testing.assert_array_equal(eq.operator(4, time).matrix.toarray(), now.operator(4).matrix.toarray())
        assert eq.stable_time_step((4,), time) == now.stable_time_step((4,))
        assert eq.cell_peclet(4, time) == now.cell_peclet(4)
    assert eq.lattice(4).drift is None  # by default at time 0
    assert eq.operator(4).lattice.drift is None
    np.testing.assert_array_equal(eq.flux(u)[0], eq.flux(u, 0.0)[0])
    assert eq.mass_balance(u) == eq.mass_balance(u, 0.0) != eq.mass_balance(u, 0.5)
    for verb in (eq.cell_peclet, eq.stable_time_step):
        with pytest.raises(ValueError, match=r"^time must be given for a velocity that is a function"):
            verb((4,))
    ramp = dc.DiffusionEquation(velocity=dc.Schedule([0, 1, 2], [0.0, 3.0, 1.0], "linear"))
    assert ramp.cell_peclet(8) == 3.0
    with pytest.raises(ValueError, match=r"^time_step must be at most .* at time"):
        eq.evolve(u, 2.0, "explicit", eq.stable_time_step((4,), 0.0))


@pytest.mark.parametrize(("method", "tolerance"), [("auto", 1e-4), ("implicit", 1e-4), ("rkl2", 1e-3)])
def test_a_drift_may_jump(method, tolerance):
    """A jump that is known, or found, is passed on either side."""
    u, v = np.exp(-(((CIRCLE - 0.4) / 0.1) ** 2)), lambda t: 0.5 if t < 0.7 else -0.3
    eq = dc.DiffusionEquation(0.02, 1 / 40, "periodic", velocity=v)
    exact = dc.DiffusionEquation(0.02, 1 / 40, "periodic", velocity=dc.Schedule([0.0, 0.7], [0.5, -0.3])).evolve(u, 1.5)
    for jumps in ([0.7], ()):
        assert np.abs(eq.evolve(u, 1.5, method, jumps=jumps, tolerance=tolerance) - exact).max() <= tolerance


def test_functions_that_are_no_velocity_are_refused():
    rng = np.random.default_rng(0)
    for given, error, words in (
        (lambda t, u: u, TypeError, r"^velocity must be a function of time only"),
        ((0.0, lambda t, u: u), TypeError, r"^velocity must be a function of time only"),
        (lambda t: rng.random(), ValueError, r"^velocity must return the same values"),
        (lambda t: np.ones((3, 3)), ValueError, r"^velocity must be a number, or a sequence"),
        (lambda t: np.ones(9), ValueError, r"^velocity"),
        (lambda t: "fast", TypeError, r"^velocity"),
        (lambda t: math.sin, TypeError, r"^velocity must be numbers or arrays at time 0"),
        (lambda t: math.inf, ValueError, r"^velocity must be finite"),
    ):
        with pytest.raises(error, match=words) as refusal:
            dc.DiffusionEquation(velocity=given).frames(np.ones((4, 5)), [1.0])
        assert "\n" not in str(refusal.value)
    for method in ("spectral", "chebyshev", "rational", "uniformization"):
        with pytest.raises(ValueError, match=r"needs a velocity that does not depend on time.*\(.auto. solves"):
            dc.DiffusionEquation(velocity=math.sin).evolve(np.ones(4), 1.0, method)


def test_an_array_that_a_velocity_reuses_is_copied():
    faces = np.empty(5)

    def v(t):
        faces[:] = math.sin(t)
        return faces

    u = np.arange(4.0)
    np.testing.assert_array_equal(
        dc.DiffusionEquation(velocity=v).evolve(u, 1.0),
        dc.DiffusionEquation(velocity=lambda t: np.full(5, math.sin(t))).evolve(u, 1.0),
    )


def test_tables_of_any_numbers_are_taken_or_refused():
    """Turns may be more than a number tells, or begin later than whole numbers go; widths may overflow."""
    for duration in (1.0, 1e300):
        eq = dc.DiffusionEquation(source=dc.Schedule([0.0], [1.0], period=1e-300))
        with pytest.raises(
            ValueError, match=r"at most 1000000 entries of a Schedule \(shorten it\), got (1e\+300|inf), "
        ):
            eq.evolve(np.zeros(3), duration)
    late = 2.0**74  # the next numbers of the clock are 2**22 later each
    jumps = dc.Schedule([0.0], [1.0], period=1024.0).jumps(late, late + 2**24)
    assert set(jumps) == {late + turn * 2**22 for turn in (1, 2, 3)}
    assert dc.Schedule([-1e308, 1e308], [1.0, 2.0])(0.0) == 1.0


def test_a_table_is_no_longer_than_its_period():
    for period in (2.5, 3.0):
        with pytest.raises(ValueError, match=f"period must be longer than the table, 3, got {period:g}"):
            dc.Schedule([1.0, 2.0, 4.0], [0.0, 1.0, 2.0], period=period)
    assert dc.Schedule([1.0, 2.0, 4.0], [0.0, 1.0, 2.0], period=3.5)(4.6) == 0.0


def test_what_needs_one_velocity_refuses_a_schedule():
    eq = dc.DiffusionEquation(velocity=dc.Schedule([0.0, 1.0], [0.0, 1.0]))
    u = np.ones((3, 4))
    for verb in (lambda: eq.steady_state(u), lambda: eq.propagator(1.0), lambda: eq.explicit_steps(u, 3)):
        with pytest.raises(ValueError, match=r"depend|always|velocity must be None") as refusal:
            verb()
        assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=r"shape"):
        dc.DiffusionEquation(velocity=dc.Schedule([0.0, 1.0], np.ones((2, 4)))).evolve(np.ones(5), 1.0)


@pytest.mark.parametrize("kind", ["step", "linear"])
def test_tables_may_hold_nan_on_land(kind):
    """As arrays and functions may, in sources and walls; not without a mask, and no infinity."""
    rng = np.random.default_rng(0)
    wet = rng.random((6, 7)) < 0.7
    u, rates = np.where(wet, rng.random((6, 7)), np.nan), np.stack([np.ones((6, 7)), np.full((6, 7), 2.0)])

    def ends(table):
        source = dc.DiffusionEquation(source=dc.Schedule([0.0, 1.0], table, kind), mask=wet)
        wall = dc.Dirichlet(dc.Schedule([0.0, 1.0], table[:, :, 0], kind))
        walls = dc.DiffusionEquation(boundary=("reflecting", (wall, "reflecting")), mask=wet)
        return [eq.evolve(u, 2.0) for eq in (source, walls)]

    for found, expected in zip(ends(np.where(wet, rates, np.nan)), ends(rates), strict=True):
        np.testing.assert_array_equal(found, expected)
    with pytest.raises(ValueError, match="source must be finite, got nan"):
        dc.DiffusionEquation(source=dc.Schedule([0.0, 1.0], np.where(wet, rates, np.nan), kind)).evolve(rates[0], 2.0)
    with pytest.raises(ValueError, match="Schedule values must be finite, got inf"):
        dc.Schedule([0.0, 1.0], np.full((2, 3), np.inf), kind)
