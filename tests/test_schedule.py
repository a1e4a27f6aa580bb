"""Tables of times: the entry that holds at a time, in later turns and late on a clock too."""

import itertools

import numpy as np
import pytest
import scipy.integrate

import diffuseconv as dc


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


@pytest.mark.parametrize("method", ["auto", "uniformization"])
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
def test_velocities_by_schedule(shape, options, method):
    """Against pieces of constant velocity one after the other, and against SciPy with the right-hand side."""
    u = np.random.default_rng(0).random(shape)
    eq = dc.DiffusionEquation(**options)
    after = eq.evolve(u, 5.0, method)
    pieces, times = u, [0.0, 0.5, 1.0, 1.2, 2.0, 2.5, 3.2, 4.0, 5.0]
    for begin, end in itertools.pairwise(times):
        now = {
            name: tuple(v(begin) if callable(v) else v for v in given) if isinstance(given, tuple) else given(begin)
            for name, given in options.items()
            if name != "boundary"
        }
        now["velocity"] = np.array(now["velocity"]).tolist() if np.shape(now["velocity"]) == (2,) else now["velocity"]
        pieces = dc.DiffusionEquation(**{**options, **now}).evolve(pieces, end - begin, method)
    np.testing.assert_allclose(after, pieces, rtol=0, atol=1e-11)
    rhs, run = eq.operator(shape).rhs, u.ravel()
    for begin, end in itertools.pairwise(times):
        inside = end - 1e-12 * (end - begin)  # the jump belongs to the next piece
        run = scipy.integrate.solve_ivp(
            lambda t, y, last=inside: rhs(min(t, last), y), (begin, end), run, rtol=1e-10, atol=1e-12
        ).y[:, -1]
    np.testing.assert_allclose(after.ravel(), run, rtol=0, atol=1e-8)


def test_limits_hold_for_every_velocity_of_a_schedule():
    table = dc.Schedule([0.0, 1.0], [0.0, 3.0])
    eq, fast = dc.DiffusionEquation(velocity=table), dc.DiffusionEquation(velocity=3.0)
    assert eq.cell_peclet((8,)) == fast.cell_peclet((8,)) == 3.0
    assert eq.stable_time_step((8,)) == fast.stable_time_step((8,))
    np.testing.assert_array_equal(
        eq.evolve(np.arange(8.0), 1.0, "explicit", 0.1),
        dc.DiffusionEquation().evolve(np.arange(8.0), 1.0, "explicit", 0.1),
    )


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda t: t, TypeError, "velocity that depends on time must be a Schedule of kind 'step'"),
        ((0.0, np.sin), TypeError, r"velocity\[1\] that depends on time must be a Schedule"),
        (dc.Schedule([0.0, 1.0], [0.0, 1.0], "linear"), TypeError, "must be a Schedule of kind 'step'"),
    ],
)
def test_velocities_that_drift_with_time_are_refused(given, error, words):
    with pytest.raises(error, match=words) as refusal:
        dc.DiffusionEquation(velocity=given)
    assert "\n" not in str(refusal.value)


def test_what_needs_one_velocity_refuses_a_schedule():
    eq = dc.DiffusionEquation(velocity=dc.Schedule([0.0, 1.0], [0.0, 1.0]))
    u = np.ones((3, 4))
    for verb in (lambda: eq.steady_state(u), lambda: eq.propagator(1.0), lambda: eq.explicit_steps(u, 3)):
        with pytest.raises(ValueError, match=r"depend|always|drift") as refusal:
            verb()
        assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match=r"shape"):
        dc.DiffusionEquation(velocity=dc.Schedule([0.0, 1.0], np.ones((2, 4)))).evolve(np.ones(5), 1.0)
