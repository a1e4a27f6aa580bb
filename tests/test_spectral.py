"""Modes of boxes: different walls at both ends, a drift behind walls, and plans that are kept."""

import gc
import math
import pickle
import threading
import time
import weakref

import numpy as np
import pytest
import scipy.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import _checks
from diffuseconv._cached import already_kept
from diffuseconv.diffusion import late, modes, spectral

WALLS = ["reflecting", "absorbing", "zero", dc.Dirichlet(2.0), dc.Neumann(-0.5), dc.Robin(1.0, 0.5, 1.0)]


def exact(eq, u, duration):
    """Evolve a field by the exponential of the operator, bordered with what walls and sources add."""
    op = eq.operator(u.shape)
    border = np.zeros((u.size + 1, u.size + 1))
    border[:-1, :-1], border[:-1, -1] = op.matrix.toarray(), op.b()
    return (scipy.linalg.expm(duration * border) @ np.append(u.ravel(), 1.0))[:-1].reshape(u.shape)


@given(st.data(), strategies.shapes((1, 3), most=5), st.floats(-2, 3))
def test_any_two_walls_and_any_drift(data, shape, log_duration):
    """All walls at both sides, with and without a drift, decay and source: against the exponential of the matrix."""
    wall = st.sampled_from(WALLS)
    sides = st.just("periodic") | st.tuples(wall, wall)
    velocity = data.draw(st.none() | st.tuples(*[st.sampled_from([0.0, 0.3, -0.4])] * len(shape)))
    eq = dc.DiffusionEquation(
        tuple(data.draw(st.floats(0.5, 2)) for _ in shape),
        boundary=data.draw(st.tuples(*[sides] * len(shape))),
        velocity=velocity,
        decay=data.draw(st.none() | st.floats(0, 0.5)),
        source=data.draw(st.none() | st.floats(-1, 1)),
    )
    reason = spectral.unsupported(eq.lattice(shape))
    lone = 1 in shape and "lose salt evenly" in str(reason)  # a drift through both walls of one cell is no exchange
    assert reason is None or "carries salt in" in reason or lone
    u, duration = data.draw(strategies.fields(shape, size=10.0)), 10**log_duration
    if reason is None:
        expected = exact(eq, u, duration)
        scale = np.abs(u).max() + np.abs(expected).max() + 1
        rate = max(1.0, duration * eq.lattice(shape).largest_rate)  # digits that the exponential of the matrix loses
        after = eq.evolve(u, duration, "spectral")
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-13 * scale * max(10.0, rate))
        assert eq.evolve(u.astype(np.float32), duration, "spectral").dtype == np.float32


@pytest.mark.parametrize("low", [dc.Dirichlet(1.0), "reflecting", dc.Neumann(2.0)], ids=["held", "closed", "flux"])
@pytest.mark.parametrize("high", ["reflecting", dc.Dirichlet(3.0)], ids=["closed", "held"])
def test_long_lines_between_different_walls_are_quick_and_exact(low, high):
    """Ten thousand cells: against sparse solutions for short times, and the straight line that is left in the end."""
    n = 10_000
    eq = dc.DiffusionEquation(1.0, 1 / n, ((low, high),))
    u = np.random.default_rng(0).random(n)
    begun = time.perf_counter()
    fields = {t: eq.evolve(u, t, "spectral") for t in (1e-6, 1e-3, 0.3)}
    assert time.perf_counter() - begun < 10  # milliseconds; a dense matrix took minutes
    for t, field in fields.items():
        np.testing.assert_allclose(field, eq.evolve(u, t, "rational"), rtol=0, atol=1e-11)
    if "reflecting" not in (low, high) and isinstance(low, dc.Dirichlet):
        line = 1 + 2 * (np.arange(n) + 0.5) / n
        np.testing.assert_allclose(eq.evolve(u, 1e4, "spectral"), line, rtol=0, atol=n * 1e-15)


def test_a_quarter_wave_decays_by_its_own_rate():
    """The closed form of the lattice: sin((k + 1/2) pi (j + 1/2) / n)."""
    n, k, d, t = 12, 3, 0.7, 2.0
    angle = (k + 0.5) * np.pi / n
    wave = np.sin(angle * (np.arange(n) + 0.5))
    decayed = wave * math.exp(-4 * d * math.sin(angle / 2) ** 2 * t)
    for walls, u, expected in (
        (("absorbing", "reflecting"), wave, decayed),
        (("reflecting", "absorbing"), wave[::-1], decayed[::-1]),
    ):
        after = dc.DiffusionEquation(d, boundary=(walls,)).evolve(u, t, "spectral")
        np.testing.assert_allclose(after, expected, rtol=0, atol=1e-14)


def test_salt_settles_in_a_drift_between_closed_walls():
    """The limit of a closed line is e^(vx/D) in cells of equal ratios, its modes 2 sqrt(ab) cos(k pi/n) - a - b."""
    n, d, v = 30, 1.0, 0.4
    a, b = d + v / 2, d - v / 2
    eq = dc.DiffusionEquation(d, velocity=v)
    u = np.random.default_rng(0).random(n)
    limit = (a / b) ** np.arange(n)
    settled = eq.evolve(u, 1e5, "spectral")
    np.testing.assert_allclose(settled, limit / limit.sum() * u.sum(), rtol=0, atol=1e-11)
    assert eq.evolve(u, 3.0, "spectral").sum() == pytest.approx(u.sum(), rel=1e-12)
    (axis,) = modes.axes_of(eq.lattice((n,)))
    closed = np.sort(np.append(0.0, a + b - 2 * math.sqrt(a * b) * np.cos(np.arange(1, n) * np.pi / n)))
    np.testing.assert_allclose(modes.rates(axis), closed, rtol=0, atol=1e-14)


def test_drifts_whose_modes_are_ill_conditioned_are_left_to_uniformization():
    u = np.random.default_rng(0).random(200)
    for v, n in ((0.05, 200), (0.5, 20)):  # e^5, e^5
        eq = dc.DiffusionEquation(1.0, velocity=v)
        np.testing.assert_allclose(
            eq.evolve(u[:n], 9.0, "spectral"), eq.evolve(u[:n], 9.0, "uniformization"), rtol=0, atol=1e-11
        )
    for v in (0.5, 2.0, 5.0):
        eq = dc.DiffusionEquation(1.0, velocity=v)
        with pytest.raises(ValueError, match=r'well conditioned.*at most 1000.*"uniformization" solves') as refusal:
            eq.evolve(u, 9.0, "spectral")
        assert "\n" not in str(refusal.value)
        np.testing.assert_array_equal(eq.evolve(u, 9.0), eq.evolve(u, 9.0, "uniformization"))
    long = dc.DiffusionEquation(boundary=dc.Robin(1.0, 1.0))
    with pytest.raises(ValueError, match=r'at most 2048 cells.*got 2049 \("chebyshev" solves'):
        long.evolve(np.ones(2049), 1.0, "spectral")


def test_frames_are_those_of_single_runs():
    """Amplitudes are shared between times; with sources, early and late ones are found in different ways."""
    u = np.random.default_rng(0).random((40, 50))
    for options in ({}, {"source": 0.1}, {"boundary": ((dc.Dirichlet(1.0), "reflecting"), "periodic"), "decay": 0.01}):
        eq = dc.DiffusionEquation(**options)
        times = [0.0, 0.5, 20.0, 200.0, 200.0, 5000.0]
        for t, field in eq.frames(u, times, "spectral"):
            scale = 1 + np.abs(field).max()
            np.testing.assert_allclose(field, eq.evolve(u, t, "spectral"), rtol=0, atol=1e-14 * scale)
            fresh = dc.DiffusionEquation(**options).evolve(u, t, "chebyshev", tolerance=1e-14)
            np.testing.assert_allclose(field, fresh, rtol=0, atol=1e-11 * scale)


def test_plans_live_as_long_as_their_equation():
    eq = dc.DiffusionEquation(boundary=[["absorbing", "reflecting"], "periodic"], source=lambda t: t)
    assert eq.boundary == (("absorbing", "reflecting"), "periodic")  # what a plan rests on cannot change
    eq = dc.DiffusionEquation()
    u = np.random.default_rng(0).random((20, 30))
    first = eq.evolve(u, 50.0, "spectral")
    np.testing.assert_array_equal(eq.evolve(u, 50.0, "spectral"), first)
    np.testing.assert_array_equal(eq.evolve(u.T, 50.0, "spectral").shape, (30, 20))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(eq)).evolve(u, 50.0, "spectral"), first)
    gone = weakref.ref(eq)
    del eq
    gc.collect()
    assert gone() is None


def test_threads_share_a_plan():
    u = np.random.default_rng(0).random((30, 40))
    eq, times = dc.DiffusionEquation(1 + 0.0 * u[0, 0], source=0.1), [0.1, 3.0, 100.0, 3000.0]
    varying = dc.DiffusionEquation(1 + u)
    expected = [dc.DiffusionEquation(source=0.1).evolve(u, t, "spectral") for t in times]
    steps = [dc.DiffusionEquation(1 + u).evolve(u, t, "uniformization") for t in times[:2]]
    wrong = []

    def work(turn):
        for i in range(40):
            t = (i + turn) % 4
            if not np.array_equal(eq.evolve(u, times[t], "spectral"), expected[t]):
                wrong.append(t)
            if not np.array_equal(varying.evolve(u, times[t % 2], "uniformization"), steps[t % 2]):
                wrong.append(t)

    threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"), [(256, 256, 16), (1000, 300, 7), (3, 900, 301), (3, 2, 1), (70, 90, 301)]
)
def test_thin_products_are_products(rows, inner, columns, dtype):
    """No tile is lost, whether the last one is whole, overlaps or is wider than the matrix."""
    rng = np.random.default_rng(0)
    left, right = rng.normal(size=(rows, inner)).astype(dtype), rng.normal(size=(inner, columns)).astype(dtype)
    found = late.product(left[:, ::-1], right[::-1])
    bound = 2 * inner * np.finfo(dtype).eps * (np.abs(left) @ np.abs(right))
    assert found.dtype == dtype
    assert found.flags.c_contiguous
    assert (np.abs(found - left @ right) <= bound).all()


def refuse(*arguments):
    """Stand for what solves a problem anew."""
    raise AssertionError("solved anew")


LATE = [
    ((200, 150), {}),
    ((200, 150), {"boundary": ("periodic", ("absorbing", "reflecting"))}),
    ((200, 150), {"source": 0.1}),
    ((200, 150), {"boundary": (dc.Robin(1.0, 2.0, 3.0), dc.Dirichlet(2.0)), "decay": 1e-3}),
    ((300, 20), {}),
    ((9,), {"source": 0.1}),
    ((12, 13, 14), {"diffusivity": (1.0, 2.0, 0.5)}),
]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(("shape", "options"), LATE, ids=str)
def test_late_fields_like_ones_before_are_not_planned_again(shape, options, dtype, monkeypatch):
    rng, eq = np.random.default_rng(0), dc.DiffusionEquation(**options)
    u, v = (rng.random(shape).astype(dtype) for _ in range(2))
    first, anew = eq.evolve(u, 900.0), dc.DiffusionEquation(**options).evolve(v, 900.0, "spectral")
    other = dc.DiffusionEquation(**options).evolve(v, 901.0, "chebyshev", tolerance=1e-14)
    with monkeypatch.context() as patched:
        patched.setattr(dc.DiffusionEquation, "_frames", refuse)
        for duration in (900.0, 900, np.float64(900.0)):
            second = eq.evolve(u, duration, "spectral")
            assert second.dtype == dtype
            assert second.tobytes() == first.tobytes()
        second[:] = 7.0  # a new array each time
        u[:] = v  # in place: values are read in every call
        assert eq.evolve(u, 900.0).tobytes() == anew.tobytes()
        others = (u, 901.0), (u.astype(">f8"), 900.0), (u, 900.0, "chebyshev"), (u[..., 1:], 900.0)
        for arguments in others:
            with pytest.raises(AssertionError):
                eq.evolve(*arguments)
    scale = 1e-9 if dtype == np.float64 else 1e-4
    np.testing.assert_allclose(eq.evolve(u, 901.0), other, rtol=0, atol=scale * np.abs(other).max())


def test_values_of_late_fields_are_checked_every_time(monkeypatch):
    eq, u = dc.DiffusionEquation(), np.random.default_rng(0).random((200, 150))
    after = eq.evolve(u, 900.0)
    for value, words in ((np.nan, "finite, got nan at index .3, 4.:"), (-np.inf, "finite"), (-1e308, "not exceed")):
        u[3, 4] = value
        with pytest.raises(ValueError, match=f"^u must (be )?{words}"):
            eq.evolve(u, 900.0)
    u = np.random.default_rng(0).random((200, 150))
    np.testing.assert_allclose(eq.evolve(u * 2.0**900, 900.0), after * 2.0**900, rtol=1e-13)  # whose squares overflow
    held = dc.DiffusionEquation(boundary=dc.Dirichlet(1.5e308))
    for _ in range(2):
        with pytest.raises(ValueError, match="must leave a field below"):
            held.evolve(u, 900.0)
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(_checks, "free_memory", lambda: 16 * u.size)
    assert eq.evolve(u, 900.0).tobytes() == after.tobytes()
    monkeypatch.setattr(_checks, "free_memory", lambda: 16 * u.size - 1)
    with pytest.raises(ValueError, match=r"^u must need no more memory"):
        eq.evolve(u, 900.0)


def test_options_of_late_fields_are_checked_every_time():
    eq, u = dc.DiffusionEquation(), np.random.default_rng(0).random((20, 15))
    after = eq.evolve(u, 1.0, "spectral"), eq.evolve(u, 400.0)
    eq.evolve(u, 1.0), eq.evolve(np.eye(2), 1.0)
    for wrong in (
        {"duration": True},
        {"duration": "400"},
        {"duration": 400.0, "start": math.nan},
        {"duration": 400.0, "start": False},
        {"duration": 400.0, "jumps": 3},
        {"duration": 400.0, "axes": 5},
        {"duration": 400.0, "time_step": 0.0},
        {"duration": 400.0, "method": "spectral", "tolerance": 1e-3},
        {"duration": 400.0, "method": ["spectral"]},
    ):
        with pytest.raises((TypeError, ValueError), match=r"^(duration|start|jumps|axes|time_step|tolerance|method) "):
            eq.evolve(u, **wrong)
    with pytest.raises(TypeError, match="masked"):
        eq.evolve(np.ma.masked_less(u, 0.5), 400.0)
    for t in range(400, 430):
        eq.evolve(u, t, jumps=[3.0])
    kept = spectral.plan_of(already_kept(eq, (u.shape, 0)))
    assert kept is spectral.plan_of(eq.lattice(u.shape))
    assert len(vars(kept)["_kept"]) <= spectral.MOST_KNOWN
    np.testing.assert_array_equal(eq.evolve(u, 1.0), after[0])
    np.testing.assert_array_equal(eq.evolve(u, 400.0), after[1])


def test_late_fields_follow_what_changes():
    """Barriers that lift, schedules and masks are looked at in every call."""
    u = np.random.default_rng(0).random(40)
    shut = np.arange(39) == 20
    for options in (
        {"barriers": [dc.Barrier(shut, lifted_at=200.0)]},
        {"source": dc.Schedule([0.0, 200.0], [0.0, 1.0], "step")},
        {"mask": np.arange(40) > 3},
    ):
        eq = dc.DiffusionEquation(**options)
        for t in (100.0, 400.0, 400.0):
            np.testing.assert_array_equal(eq.evolve(u, t), dc.DiffusionEquation(**options).evolve(u, t))
            np.testing.assert_array_equal(
                eq.evolve(u, t, start=150.0), dc.DiffusionEquation(**options).evolve(u, t, start=150.0)
            )
