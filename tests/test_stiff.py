"""Time integration of what is stiff, sudden or long: right, or one clear error; never for ever."""

import itertools
import math
import re
from fractions import Fraction

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
import strategies
from hypothesis import given, settings

import diffuseconv as dc
from diffuseconv import _checks
from diffuseconv.diffusion import (
    clock,
    control,
    costs,
    dormand_prince,
    explicit,
    functions_of_time,
    implicit,
    krylov,
    low_storage,
    rational,
    reaction,
    shifted,
    switching,
)
from diffuseconv.diffusion.integrator import Overflow

X = np.arange(50.0)
EPS = np.finfo(float).eps


def test_the_implicit_table_is_radau_of_order_nine():
    """Quadrature is exact to degree 8, stages are collocation, the last one is the step, and infinity is damped."""
    table = implicit.radau(5)
    c, b = table.nodes, table.matrix[-1]
    for k in range(1, 10):
        assert abs(b @ c ** (k - 1) - 1 / k) <= 1e-14
    for k in range(1, 6):
        np.testing.assert_allclose(table.matrix @ c ** (k - 1), c**k / k, rtol=0, atol=1e-14)
    assert c[-1] == 1
    weights = np.ones(len(table.poles)) * table.poles
    np.testing.assert_allclose((table.from_modes * weights @ table.to_modes).real, table.inverse, rtol=0, atol=1e-12)
    assert (table.poles.real > 0).all()  # no pole of the stability function on the left


def test_the_rational_function_is_the_best_one():
    """It differs from exp by 1.832e-14 at 30 alternating places of the negative axis; rounding here is some 3e-14."""
    x = -np.concatenate([[0.0], np.logspace(-6, 8, 3000)])
    r = rational.AT_INFINITY + sum(
        2 * (c / (x - p)).real for p, c in zip(rational.POLES, rational.RESIDUES, strict=True)
    )
    assert np.abs(r - np.exp(x)).max() <= 1.84e-14 + 112 * 2**-51


@pytest.mark.parametrize("shape", [(7,), (5, 6), (3, 4, 5)])
@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing", dc.Dirichlet(2.0)])
def test_rational_agrees_with_the_exponential(shape, boundary):
    rng = np.random.default_rng(1)
    u, diffusivity = rng.random(shape), 0.1 + rng.random(shape)
    eq = dc.DiffusionEquation((diffusivity,) * len(shape), boundary=boundary, source=rng.random(shape))
    op = eq.operator(shape)
    for duration in (1e-3, 0.7, 40.0):
        whole = np.zeros((u.size + 1, u.size + 1))
        whole[:-1, :-1], whole[:-1, -1] = op.matrix.toarray() * duration, op.b() * duration
        exact = (scipy.linalg.expm(whole) @ np.append(u.ravel(), 1.0))[:-1].reshape(shape)
        np.testing.assert_allclose(eq.evolve(u, duration, "rational"), exact, rtol=0, atol=3e-12 * np.abs(exact).max())


@pytest.mark.parametrize(("contrast", "duration"), [(1e6, 10.0), (2.0, 1e7), (1e6, 1e-3)])
def test_rational_at_high_contrast_and_long_times(contrast, duration):
    eq = dc.DiffusionEquation(np.where(X < 25, 1.0, contrast), 1 / 50)
    u = np.where(X < 13, 1.0, 0.0)
    values, modes = np.linalg.eigh(eq.operator((50,)).matrix.toarray())
    got = eq.evolve(u, duration, "rational")
    assert abs(got.sum() - 13) <= 1e-11
    if duration < 1:
        np.testing.assert_allclose(got, modes @ (np.exp(values * duration) * (modes.T @ u)), rtol=0, atol=1e-9)
    else:
        np.testing.assert_allclose(got, 13 / 50, rtol=0, atol=1e-11)


@pytest.mark.parametrize(("tolerance", "rationals"), [(None, True), (1e-10, True), (1e-12, False)])
def test_auto_takes_rational_functions_down_to_the_tolerance_that_they_meet(tolerance, rationals, monkeypatch):
    taken, solve = [], rational.solve
    monkeypatch.setattr(rational, "solve", lambda *args, **options: taken.append(1) or solve(*args, **options))
    eq, u = dc.DiffusionEquation(np.where(X < 25, 1.0, 1e3)), np.where(X < 13, 1.0, 0.0)
    assert abs(eq.evolve(u, 1e3, tolerance=tolerance).sum() - 13) <= 50 * (tolerance or 1e-10)
    assert (len(taken) > 0) == rationals


def test_implicit_steps_in_the_plane_with_iterated_systems(monkeypatch):
    """The same as with factorised ones; what flows is conserved to rounding; rates that differ much are factorised."""
    rng = np.random.default_rng(5)
    u, rough = rng.random((9, 8)), 1 + rng.random((9, 8))
    assert not shifted.converges_fast(dc.DiffusionEquation(rough).lattice(u.shape))
    monkeypatch.setattr(shifted, "ITERATED", 1)
    for source in (lambda t: math.sin(t) * np.sign(u - np.median(u)), lambda t, v: 30 * v * (1 - v)):
        eq = dc.DiffusionEquation((rough, 0.5 * rough), boundary=("reflecting", "periodic"), source=source)
        assert shifted.converges_fast(eq.lattice(u.shape))
        got = eq.evolve(u, 2.0, "implicit", tolerance=1e-6)
        with monkeypatch.context() as patch:
            patch.setattr(shifted, "ITERATED", 10**9)
            np.testing.assert_allclose(got, eq.evolve(u, 2.0, "implicit", tolerance=1e-6), rtol=0, atol=2e-6)
    kept = dc.DiffusionEquation(rough, source=lambda t: math.sin(t) * np.sign(u - np.median(u)))
    assert abs(kept.evolve(u, 20.0, "implicit").sum() - u.sum()) <= 1e-12 * u.sum()
    assert not shifted.converges_fast(dc.DiffusionEquation(np.where(rough > 1.5, 10, 1.0)).lattice(u.shape))


@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("shift", [1.0, 2.0 - 3.0j])
def test_iterated_systems_agree_with_factorised_ones(monkeypatch, periodic, shift):
    rng = np.random.default_rng(2)
    diffusivity, y = 0.2 + rng.random((6, 5, 7)), rng.random((6, 5, 7))
    eq = dc.DiffusionEquation(
        (diffusivity,) * 3, boundary=("periodic" if periodic else "absorbing", "reflecting", "zero")
    )
    problem = eq.lattice(y.shape)
    direct = shifted.solver(problem, shift, 3.0)(y)
    monkeypatch.setattr(shifted, "FACTORISED", (0, 0, 0))
    np.testing.assert_allclose(shifted.solver(problem, shift, 3.0)(y), direct, rtol=0, atol=1e-12)


@pytest.mark.parametrize("rate", [10, 30, 1e3, 1e6])
def test_stiff_relaxation(rate):
    u = np.exp(-((X - 25) ** 2) / 20)
    for method in ("auto", "implicit"):
        got = dc.DiffusionEquation(source=lambda t, v: rate * (1 - v)).evolve(u, 10.0, method)
        assert np.abs(got - 1).max() <= 1e-4
    decayed = dc.DiffusionEquation(source=lambda t, v: -rate * v).evolve(np.ones(10), 1.0)
    assert np.abs(decayed - math.exp(-rate)).max() <= 1e-4


def test_the_slope_of_a_source_may_be_given():
    """The closed form of u' = -k u^2 is u0 / (1 + k u0 t); a given slope serves as the difference quotient does."""
    u, k = np.linspace(0.5, 1.5, 6)[:, None] * np.ones(2), 1e4
    calls = []

    def slope(t, v):
        assert not v.flags.writeable
        calls.append(t)
        return -2 * k * v

    shared = {"diffusivity": 0.0, "capacity": 2.0, "source": lambda t, v: -2 * k * v**2}
    given = dc.DiffusionEquation(**shared, source_slope=lambda t, v: 2 * slope(t, v))
    plain = dc.DiffusionEquation(**shared)
    lattices = given.lattice(u.shape), plain.lattice(u.shape)
    slopes = [reaction.reaction_slope(lattice, 0.0, u) for lattice in lattices]
    np.testing.assert_allclose(slopes[0], -2 * k * u, rtol=1e-15)
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-7)
    exact = u / (1 + k * u)
    for method in ("implicit", "auto", "rkl2"):
        calls.clear()
        assert np.abs(given.evolve(u, 1.0, method) - exact).max() <= 1e-4
        assert calls
    calls.clear()
    assert np.abs(given.evolve(u, 1e-3, "explicit") - u / (1 + 1e-3 * k * u)).max() <= 0.2
    assert calls


@pytest.mark.parametrize(
    ("source", "duration"),
    [
        (lambda t, v: -(10 ** (3 * t - 2)) * (v - math.sin(t)), 3.0),  # a rate that rises to 1e7
        (lambda t, v: v * (1 - v), 1e5),  # a front that comes to rest
    ],
)
def test_auto_changes_over_within_a_run(monkeypatch, source, duration):
    seen, accept = [], switching.Steps.accept

    def spied(self, clock, elapsed, u):
        accept(self, clock, elapsed, u)
        seen.append(type(self.now).__module__.rpartition(".")[2])

    monkeypatch.setattr(switching.Steps, "accept", spied)
    steps = {dormand_prince.Steps: 1, implicit.Steps: 10**6}  # begin with explicit ones whatever they cost
    monkeypatch.setattr(switching, "STEPS", dict.fromkeys(switching.STEPS, 1000) | steps)
    eq, u = dc.DiffusionEquation(source=source), np.exp(-((X / 5) ** 2))
    got = eq.evolve(u, duration)
    assert seen[0] != "implicit"
    assert "implicit" in seen
    assert sum(one != other for one, other in itertools.pairwise(seen)) <= 5
    assert np.abs(got - eq.evolve(u, duration, "implicit", tolerance=1e-7)).max() <= 1e-4


def test_what_a_slope_must_be():
    u, source = np.ones(4), lambda t, v: -v
    with pytest.raises(TypeError, match=r"^source_slope must be a function"):
        dc.DiffusionEquation(source=source, source_slope=-1.0)
    for other in (1.0, None, lambda t: 1.0):
        with pytest.raises(ValueError, match=r"^source_slope belongs to a source\(t, u\)"):
            dc.DiffusionEquation(source=other, source_slope=lambda t, v: -1.0)
    for wrong, message in (
        (lambda t, v: v[:2], "must return a number or"),
        (lambda t, v: np.nan * v, "must be finite"),
    ):
        with pytest.raises(ValueError, match=rf"^source_slope {message}"):
            dc.DiffusionEquation(source=source, source_slope=wrong).evolve(u, 1.0)


def test_fast_fisher_and_allen_cahn():
    u = 0.5 * np.exp(-((X - 25) ** 2) / 2000)
    assert np.abs(dc.DiffusionEquation(source=lambda t, v: 100 * v * (1 - v)).evolve(u, 10.0) - 1).max() <= 1e-4
    assert (
        np.abs(dc.DiffusionEquation(source=lambda t, v: 100 * (v - v**3)).evolve(X * 0 + 0.5, 10.0) - 1).max() <= 1e-4
    )


@pytest.mark.parametrize("method", ["rkl2", "implicit"])
@pytest.mark.parametrize("jump", [lambda t: float(t >= 5), lambda t: float(t > 5)])
def test_jumps_are_found_on_either_side(method, jump):
    eq = dc.DiffusionEquation(source=jump)
    assert abs(eq.evolve(np.zeros(8), 10.0, method).mean() - 5) <= 1e-12
    assert abs(eq.evolve(np.zeros(8), 5.0, method, start=5.0).mean() - 5) <= 1e-12
    assert abs(eq.evolve(np.zeros(8), 10.0, method, jumps=[5.0]).mean() - 5) <= 1e-12
    *_, (_, field) = eq.frames(np.zeros(8), [5.0, 10.0], method)
    assert abs(field.mean() - 5) <= 1e-12


def test_a_schedule_is_solved_piece_by_piece():
    table = dc.Schedule([0, 12], [30.0, 20.0], period=24)
    wall = dc.DiffusionEquation(0.3, boundary=((dc.Dirichlet(table), "reflecting"),))
    by_hand = u = np.full(9, 20.0)
    for piece, value in enumerate((30.0, 20.0, 30.0, 20.0, 30.0)):
        constant = dc.DiffusionEquation(0.3, boundary=((dc.Dirichlet(value), "reflecting"),))
        by_hand = constant.evolve(by_hand, 12.0 if piece < 4 else 5.0)
    np.testing.assert_allclose(wall.evolve(u, 53.0, "spectral"), by_hand, rtol=0, atol=1e-12)
    ramp = dc.DiffusionEquation(source=dc.Schedule([1, 3], [0.0, 2.0], "linear"))
    assert abs(ramp.evolve(np.zeros(5), 4.0).mean() - 4.0) <= 1e-3 * 4


@pytest.mark.parametrize("method", ["auto", "rkl2", "implicit"])
@pytest.mark.parametrize("width", [5.0, 1.0, 0.1, 0.01])
def test_short_pulses_are_seen_with_a_longest_step(method, width):
    """A step no longer than a pulse has an end within it; all that a pulse of 1 brings is a field of 1, of range 1."""
    begin, duration = 7.3 * width, 20.0 * width
    eq = dc.DiffusionEquation(source=lambda t: float(begin <= t < begin + width) / width)
    got = eq.evolve(np.zeros(6), duration, method, max_step=0.9 * width, tolerance=1e-4)
    assert np.abs(got - 1).max() <= 1e-4


def test_times_late_on_a_clock():
    eq = dc.DiffusionEquation(boundary=((dc.Dirichlet(lambda t: math.sin(2 * math.pi * t)), "reflecting"),))
    early, late = (eq.evolve(np.zeros(9), 2.3, start=start, tolerance=1e-6) for start in (0.0, 1.7e9))
    np.testing.assert_allclose(late, early, rtol=0, atol=1e-4)
    u = np.array([1.0, 0.0, 0.0])
    np.testing.assert_array_equal(
        dc.DiffusionEquation().evolve(u, 1.0, start=1e16), dc.DiffusionEquation().evolve(u, 1.0)
    )
    tiny = dc.DiffusionEquation(1e6).evolve(u, 1e-6, start=1.7e9)
    np.testing.assert_array_equal(tiny, dc.DiffusionEquation(1e6).evolve(u, 1e-6))


@pytest.mark.parametrize("moved", ["source", "wall", "velocity", "velocities"])
def test_functions_of_time_late_on_a_clock_are_followed_between_its_numbers(moved):
    """At 1.7e9 s numbers are 2.4e-7 s apart. The fields at 0 s are the reference, of the same tolerance."""

    def wave(t):
        return math.sin(2 * math.pi * (t % 1.0))  # exact: 1.7e9 is a whole number of periods

    given = {
        "source": {"source": wave},
        "wall": {"boundary": ((dc.Dirichlet(wave), "reflecting"),)},
        "velocity": {"velocity": lambda t: 2 * wave(t), "boundary": "periodic"},
        "velocities": {"velocity": lambda t: (2 * wave(t) * np.ones(10) if wave(t) > 0 else 0.0,)},
    }
    eq, u = dc.DiffusionEquation(**given[moved]), (X[:9] == 3) * 9.0 * ("velocit" in moved)
    early, late = (eq.evolve(u, 2.3, "implicit", start=start, tolerance=1e-9) for start in (0.0, 1.7e9))
    np.testing.assert_allclose(late, early, rtol=0, atol=2e-9 * max(1.0, np.ptp(u)))
    if moved == "source":
        np.testing.assert_allclose(late, (1 - math.cos(0.6 * math.pi)) / (2 * math.pi), rtol=0, atol=1e-9)


@pytest.mark.parametrize("method", ["auto", "rkl2"])
@pytest.mark.parametrize("sample", [5, 7, 11])
def test_a_kink_late_on_a_clock_is_no_rounding(method, sample):
    """In a run of 4096 numbers of the clock, at a time at which rounding is looked for."""
    start = 2.0**31
    duration = 4096 * math.ulp(start)
    kink = start + sample / 16 * duration
    whole = ((kink - start) ** 2 + (start + duration - kink) ** 2) / 2
    eq = dc.DiffusionEquation(source=lambda t: abs(t - kink) / whole)
    assert np.abs(eq.evolve(np.zeros(3), duration, method, start=start, tolerance=1e-6) - 1).max() <= 1e-6


@pytest.mark.parametrize("method", ["rkl2", "implicit"])
def test_no_time_is_lost_at_a_jump_late_on_a_clock(method):
    """Numbers are 2.4e-7 s apart; what is before the jump is followed to the number at which it is."""
    eq = dc.DiffusionEquation(source=lambda t: 5.0 if t < 1.7e9 + 0.5 else -5.0)
    assert np.abs(eq.evolve(np.zeros(3), 1.0, method, start=1.7e9, tolerance=1e-9)).max() <= 1e-9


@pytest.mark.parametrize("method", ["auto", "rkl2", "implicit"])
@pytest.mark.parametrize("start", [1e5, 1.7e9])
@pytest.mark.parametrize("half", [0.0, 0.5, 1.0])
def test_a_jump_may_have_a_value_of_its_own(method, start, half):
    """Into an empty tank, at a number of the clock; what that is off by, a number's time, is all that is allowed."""
    eq = dc.DiffusionEquation(source=lambda t: np.heaviside(t - (start + 5), half))
    error = np.abs(eq.evolve(np.zeros(3), 10.0, method, start=start) - 5)
    assert error.max() <= 5 * 1e-4 + math.ulp(start)


@pytest.mark.parametrize("method", ["auto", "rkl2", "implicit"])
@pytest.mark.parametrize("source", [lambda t: math.nan if t > 0.5 else 1.0, lambda t, u: math.inf if t > 0.5 else -u])
def test_sources_that_cease_to_be_numbers_are_named(method, source):
    with pytest.raises(ValueError, match=r"time 0\.4999.*walls or source are not finite from then on"):
        dc.DiffusionEquation(source=source).evolve(np.ones(3), 1.0, method)


@pytest.mark.parametrize("source", [lambda t: math.nan if t > 0.5 else 1.0, lambda t, u: math.inf if t > 0.5 else -u])
def test_explicit_steps_name_what_is_no_number(source):
    with pytest.raises(ValueError, match=r"source, walls and field must stay finite .*, got (nan|inf) at time 1$"):
        dc.DiffusionEquation(source=source).evolve(np.ones(3), 1.0, "explicit")


def test_functions_that_return_nothing_are_named():
    with pytest.raises(TypeError, match=r"^source's result must hold .*, got None$"):
        dc.DiffusionEquation(source=lambda t: None).evolve(np.ones(3), 1.0)


@pytest.mark.parametrize("method", ["rkl2", "implicit"])
@pytest.mark.parametrize("numbers", [400, 4000])
def test_jumps_in_runs_of_few_numbers_of_the_clock(method, numbers):
    """They are where the new value begins, not half a number before; a smooth wave beside them is no jump."""
    start, number = 1e10, math.ulp(1e10)
    place, turn = 0.4 * numbers, 2 * math.pi / numbers

    def source(t):
        gone = (t - start) / number  # exact
        return ((2.0 if gone >= place else -1.0) + 0.5 * math.sin(turn * gone)) / (numbers * number)

    got = dc.DiffusionEquation(source=source).evolve(np.zeros(3), numbers * number, method, start=start, tolerance=1e-6)
    np.testing.assert_allclose(got, 0.8, rtol=0, atol=1e-6)  # trapezia of a whole period of a sine vanish


def test_tables_late_on_a_clock():
    """Lines of a table meet at its times, not some numbers before: the same at 0, exactly, and at 1e10."""
    times = 1e10 + np.array([0.0, 7.5e-4, 1.75e-3])  # in numbers of that clock, 1.9e-6 apart
    fields = [
        dc.DiffusionEquation(
            10.0, boundary=((dc.Dirichlet(dc.Schedule(start + (times - 1e10), [0.0, 2.0, -1.0], "linear")), "zero"),)
        ).evolve(np.zeros(8), 2e-3, start=start, tolerance=1e-6)
        for start in (0.0, 1e10)
    ]
    np.testing.assert_allclose(*fields, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", ["rkl2", "implicit"])
def test_a_wall_of_cells_that_hardly_exchange_is_no_scale(method):
    """The flux that comes in for a second makes no range as large as it would in the end, by which errors count."""
    eq = dc.DiffusionEquation(1e-4, boundary=((dc.Neumann(lambda t: math.sin(2 * math.pi * t)), "reflecting"),))
    gained = eq.evolve(np.linspace(0, 1, 12), 0.9, method, tolerance=1e-6).sum() - 6
    assert abs(gained - (1 - math.cos(1.8 * math.pi)) / (2 * math.pi)) <= 1e-6


@pytest.mark.parametrize("start", [0.0, 1.7e9])
def test_early_on_a_clock_functions_are_called_at_its_numbers_alone(monkeypatch, start):
    """A field that is 0 at first is no reason to follow them between: what they do to it is its scale."""
    seen, run = [], control._Run.__init__
    monkeypatch.setattr(control._Run, "__init__", lambda *given: seen.append(given[3].degree > 0) or run(*given))
    dc.DiffusionEquation(boundary=dc.Dirichlet(math.sin)).evolve(np.zeros(5), 1.0, start=start, tolerance=1e-6)
    dc.DiffusionEquation(source=math.sin).evolve(np.zeros(5), 1.0, start=start, tolerance=1e-6)
    assert seen == [start > 0] * 2


def test_rounding_of_times_is_shared_out_over_a_run():
    """A wave whose argument is itself rounded, to 1e-6 at 1.7e9: a run has no more error than if all roundings agreed.

    Its angle is off by up to 4e-7 (of a float's pi) plus 1e-6 (of the product), and the field by as much times the
    duration; steps may add as much again, four times.
    """
    eq, calls = dc.DiffusionEquation(source=lambda t: calls.append(t) or math.sin(2 * math.pi * t)), []
    got = eq.evolve(np.zeros(3), 10.3, start=1.7e9, tolerance=1e-9)
    exact = (1 - math.cos(0.6 * math.pi)) / (2 * math.pi)
    assert np.abs(got - exact).max() <= 5 * 1.4e-6 * 10.3
    assert len(calls) <= 10**4


def test_a_source_may_return_the_same_array_again():
    """As one does that writes where it has written before: what is kept of its results are copies."""
    u, place = 0.5 * np.exp(-((X - 25) ** 2) / 2000), np.empty(50)

    def logistic(t, v):
        np.multiply(v, 1 - v, out=place)
        return place

    for method in ("rkl2", "implicit", "auto"):
        given, fresh = (
            dc.DiffusionEquation(source=source).evolve(u, 2.0, method)
            for source in (logistic, lambda t, v: v * (1 - v))
        )
        np.testing.assert_array_equal(given, fresh)


def test_steps_conserve_mass():
    u = np.random.default_rng(3).random((9, 8))
    split = np.where(np.arange(9) < 4.5, 1.0, -1.0)[:, None] * np.ones(8)
    split[4] = 0
    for method in ("implicit", "rkl2"):
        got = dc.DiffusionEquation(source=lambda t: split * math.sin(t)).evolve(u, 30.0, method)
        assert abs(got.sum() - u.sum()) <= 1e-12 * np.abs(got).sum()


def test_explicit_steps_know_the_reaction():
    eq = dc.DiffusionEquation(source=lambda t, u: -1e4 * u)
    assert np.abs(eq.evolve(np.ones(10), 0.1, "explicit")).max() <= 1e-9
    with pytest.raises(ValueError, match=r"^time_step must be at most 0.0001999"):
        eq.evolve(np.ones(10), 1.0, "explicit", time_step=0.25)


def test_auto_is_no_advice_for_those_who_take_it():
    """What does not end because errors of the first field grow, or because steps are many: by name and by itself."""
    problem = dc.DiffusionEquation(source=lambda t, u: u * (1 - u)).lattice((3,))
    for chosen, others in ((False, ' or method "auto"'), (True, "")):
        side = clock.Clock(0.0, 9.0)
        steps = implicit.Steps(problem, 9.0)
        run = control._Run(problem, np.zeros(3), side, 9.0, steps, 1e-4, math.inf, (0.0, 0.0), chosen=chosen)
        run.elapsed = 5.0
        assert run.endless("never").endswith(f"a rate of 1): a smaller tolerance{others} may keep them small")


@pytest.mark.parametrize(("method", "advice"), [("rkl2", ', fewer perhaps with method "auto"'), ("auto", "")])
def test_steps_that_are_many_are_not_said_to_become_shorter(method, advice, monkeypatch):
    """A swing of 1e13 periods; "auto" takes the same steps where there is no memory for others."""
    monkeypatch.setattr(_checks, "SMALL", 0)
    monkeypatch.setattr(_checks, "free_memory", lambda: 40 * 50)
    monkeypatch.setattr(costs, "longest_run", lambda problem: 0.3)
    eq = dc.DiffusionEquation(1e-3, source=lambda t, u: math.sin(t) - u)
    with pytest.raises(ValueError, match=rf": some \de\+1\d more steps would be needed{advice}\. Pass"):
        eq.evolve((X == 25) * 0.5, 6e13, method)


def test_what_cannot_go_on_says_so():
    with pytest.raises(ValueError, match=r"^evolve cannot go on at time (0\.99|1\.00)"):
        dc.DiffusionEquation(source=lambda t, u: u**2).evolve(np.ones(4), 2.0)
    eq = dc.DiffusionEquation(1e-6, source=lambda t, u: 1e-5 * u * (1 - u))  # from below 0 it runs away at log(11)/rate
    with pytest.raises(ValueError, match="steps become ever shorter, as where a field runs away"):
        eq.evolve(np.full(4, -0.1), 1e9, "rkl2", tolerance=1e-3)
    eq = dc.DiffusionEquation(source=lambda t, u: 100 * u * (1 - u))
    with pytest.raises(ValueError, match=r"near an unstable value of the source \(they grow at a rate of 100\)"):
        eq.evolve(np.full(4, -1e-9), 5.0, "implicit")  # as rounding leaves cells that were 0
    noise = np.random.default_rng(0)
    with pytest.raises(ValueError, match=r"^source must return the same values"):
        dc.DiffusionEquation(source=lambda t, u: noise.normal(size=u.shape)).evolve(np.ones(4), 2.0)

    def own(t, u):
        if t > 0.5:
            raise RuntimeError("mine")
        return -u

    with pytest.raises(RuntimeError, match="mine"):
        dc.DiffusionEquation(source=own).evolve(np.ones(4), 2.0)


def test_what_is_slow_is_refused_when_it_has_cost_too_much_and_asks_for_as_much_again(monkeypatch):
    """A swing has one pace and is refused; a front is slow, and then at rest."""
    calls, u = [], (X == 25) * 0.5
    front = dc.DiffusionEquation(source=lambda t, u: calls.append(t) or 100 * u * (1 - u))
    assert np.abs(front.evolve(u, 1e5, tolerance=1e-6) - 1).max() <= 1e-6
    assert len(calls) <= 10**4
    swing = dc.DiffusionEquation(source=lambda t, u: calls.append(t) or math.sin(t) - u)
    for most in (0.8, 1.6):  # seconds by the model, 8e-5 an evaluation
        calls.clear()
        monkeypatch.setattr(costs, "longest_run", lambda problem, most=most: most)
        with pytest.raises(ValueError, match=r'time [\d.]+, .*: some \de\+0\d more steps would .* method "auto"'):
            swing.evolve(u, 1e4, "rkl2", tolerance=1e-4)
        assert 1 <= len(calls) * 8e-5 / most <= 1.5
    assert np.isfinite(swing.evolve(u, 5.0, "rkl2", tolerance=1e-4)).all()


def test_a_front_is_followed_by_explicit_steps_of_order_five():
    """From spots in an empty tank: where the front has not come nothing may be seen that would grow."""
    eq, u = dc.DiffusionEquation(source=lambda t, v: 100 * v * (1 - v)), (X == 25) * 0.5
    run = scipy.integrate.solve_ivp(eq.operator((50,)).rhs, (0, 0.5), u, "DOP853", rtol=1e-12, atol=1e-30)
    assert 2 < run.y[:, -1].sum() < 40
    for tolerance in (1e-4, 1e-6):
        assert np.abs(eq.evolve(u, 0.5, tolerance=tolerance) - run.y[:, -1]).max() <= tolerance


@pytest.mark.parametrize(("scheme", "order"), [(dormand_prince.Steps, 5), (low_storage.Steps, 4)])
def test_explicit_steps_of_higher_order(scheme, order):
    eq, u = dc.DiffusionEquation(0.1, source=lambda t, v: math.cos(3 * t) * v), 0.6 + 0.4 * np.sin(X[:9])
    lattice, errors = eq.lattice(u.shape), []
    steps, side = scheme(lattice, 2.0), clock.Clock(0.0, 2.0)
    exact = scipy.integrate.solve_ivp(eq.operator(u.shape).rhs, (0, 2), u, "DOP853", rtol=1e-13, atol=1e-14).y[:, -1]
    for count in (32, 64, 128):
        here, slope, estimates = u, lattice.rhs(0.0, u), []
        for n in range(count):
            here, slope, estimate = steps.attempt(side, 2 * n / count, here, slope, 2 / count, 1.0)
            estimates.append(estimate)
        np.testing.assert_allclose(slope, lattice.rhs(2.0, here), rtol=0, atol=1e-12)
        errors.append((np.abs(here - exact).max(), max(estimates)))
    assert sum(estimates) >= errors[-1][0]
    orders = np.log2(np.divide(errors[:-1], errors[1:]))[-1]
    np.testing.assert_allclose(orders, [order, order], rtol=0, atol=0.1)  # of a run, and of a step's estimate
    drifting = dc.DiffusionEquation(boundary="periodic", velocity=0.5).lattice((9,))
    longest = scheme(drifting, 1.0).longest
    assert longest * drifting.largest_rate <= scheme.reach
    assert longest * drifting.drift_rate <= scheme.drift_reach


@pytest.mark.parametrize("scheme", [dormand_prince, low_storage])
def test_explicit_steps_are_stable_as_far_as_they_reach(scheme):
    """On the parabolas of drifts, as what they make of one mode tells."""
    x = np.linspace(0, scheme.Steps.reach, 301)
    z = -x + 1j * np.linspace(0, 1, 21)[:, None] * np.sqrt(scheme.Steps.drift_reach * x)
    if scheme is dormand_prince:
        grown = [1 + 0 * z]
        for row in scheme.STAGES:
            grown.append(1 + z * sum(a * k for a, k in zip(row, grown, strict=True)))
        end = grown[-1]
    else:
        end, change = 1 + 0 * z, 0 * z
        for held, share in zip(scheme.HELD, scheme.SHARES, strict=True):
            change = held * change + z * end
            end = end + share * change
    assert np.abs(end).max() <= 1 + 1e-12


@pytest.mark.parametrize("scheme", [dormand_prince.Steps, low_storage.Steps])
def test_explicit_steps_look_at_times_how_fast_a_reaction_is(scheme):
    """Whatever decays at a rate of its own, but for the rounding of a difference quotient, within eight steps."""
    problem = dc.DiffusionEquation(0.1, source=lambda t, v: -(50 if t < 1 else 200) * v).lattice((9,))
    steps, side = scheme(problem, 10.0), clock.Clock(0.0, 10.0)
    for accepted in range(dormand_prince.PROBED + 1):
        steps.accept(side, 2.0 if accepted else 0.0, np.ones(9))
        if accepted in (0, dormand_prince.PROBED):
            decay = 200 if accepted else 50
            assert steps.longest == pytest.approx(scheme.reach / (problem.largest_rate + decay), rel=8 * EPS**0.5)


def test_weights_of_low_storage():
    """Conditions of order 4, and how far the weights of the estimate miss them: one slope is the sum of two changes."""
    stages, stage, change = [np.zeros(6)], np.zeros(6), np.zeros(6)
    for n, (held, share) in enumerate(zip(low_storage.HELD, low_storage.SHARES, strict=True)):
        change = held * change + np.eye(6)[n]
        stage = stage + share * change
        stages.append(stage)
    a, b = np.array(stages), stage
    difference = np.append(low_storage.DIFFERENCE, low_storage.LAST)
    e = difference.copy()
    for n in range(4, 0, -1):
        e[n - 1] = difference[n - 1] + low_storage.HELD[n] * e[n]
    c = a.sum(axis=1)
    np.testing.assert_allclose(c, [*low_storage.NODES, 1.0], rtol=0, atol=1e-13)
    moments = [np.ones(6), c, c**2, a @ c, c**3, a @ a @ c]
    exact = [1, 1 / 2, 1 / 3, 1 / 6, 1 / 4, 1 / 24]
    np.testing.assert_allclose([b @ m for m in moments], exact, rtol=0, atol=1e-12)
    np.testing.assert_allclose([e @ m for m in moments], [0, 0, 0, 0, 1 / 500, 1 / 500], rtol=0, atol=1e-13)


def test_a_thermostat_is_followed():
    """A sensor far from the heater swings; one in the heated cell itself switches without end, and that is said."""
    heated = (np.arange(12) < 3) * 1.0
    far = dc.DiffusionEquation(source=lambda t, u: 5.0 * (u[-1] < 20) * heated - 0.1 * (u - 15))
    coarse, fine = (far.evolve(np.full(12, 18.0), 40.0, tolerance=tolerance) for tolerance in (1e-4, 1e-6))
    assert np.abs(coarse - fine).max() <= 1e-2 * np.ptp(fine)
    with pytest.raises(ValueError, match=r"^evolve cannot go on at time 0\.5.*give switches a finite width$"):
        dc.DiffusionEquation(source=lambda t, u: 5.0 * (u < 20) - 1.0).evolve(np.full(5, 18.0), 10.0, tolerance=1e-3)


COUPLED = {  # how each cell's rate follows all cells, and a constant
    "mean": (np.full((8, 8), 1 / 8) - np.eye(8), 0.0),
    "mirror": (np.eye(8)[::-1] - np.eye(8), 0.0),
    "target of the mean": (np.full((8, 8), -1 / 8), 1.0),
    "target of both": (np.full((8, 8), 1 / 16) - np.eye(8), 1.0),
    "neighbour": (np.roll(np.eye(8), 1, axis=0) - np.eye(8), 0.0),
}


@pytest.mark.parametrize("kind", COUPLED)
@pytest.mark.parametrize("method", ["auto", "implicit", "rkl2"])
def test_sources_that_couple_all_cells(kind, method):
    """The exact solution of du/dt = (L + K M) u + K c; slopes along each cell's own value tell nothing of M."""
    rate, u, calls = (1e6 if method != "rkl2" else 1e4), np.cos(X[:8] + 0.3), []
    matrix, constant = COUPLED[kind]
    if (kind, method) == ("neighbour", "rkl2"):
        return  # waves around a ring are not for stages of real decay rates
    eq = dc.DiffusionEquation(source=lambda t, v: calls.append(t) or rate * (matrix @ v + constant))
    whole = np.zeros((9, 9))
    whole[:8, :8], whole[:8, 8] = eq.operator((8,)).matrix.toarray() + rate * matrix, rate * constant
    exact = (scipy.linalg.expm(whole) @ np.append(u, 1.0))[:8]
    got = eq.evolve(u, 1.0, method, tolerance=1e-5)
    assert np.abs(got - exact).max() <= 10 * 1e-5 * max(np.ptp(u), np.abs(exact - u).max())
    assert len(calls) <= (10_000 if method == "rkl2" else 3000)


@pytest.mark.parametrize("rate", [1.0, 30.0, 1e3])
@pytest.mark.parametrize("kind", COUPLED)
def test_explicit_steps_hold_what_sources_damp_that_couple_cells(kind, rate):
    """After a time t = nh a mode of rate m is off by at most ``n (hm)^2 / 2 exp(-hm (n - 1)) <= 2h / (et)``, hm <= 1.

    So are those around a ring, of which ``|m|^2`` is 2 `rate` times the real part. Here h is at most 1/4.
    """
    matrix, constant = COUPLED[kind]
    u = np.cos(X[:8] + 0.3)
    eq = dc.DiffusionEquation(source=lambda t, v: rate * (matrix @ v + constant))
    got = eq.evolve(u, 1.0, "explicit")
    whole = np.zeros((9, 9))
    whole[:8, :8], whole[:8, 8] = eq.operator((8,)).matrix.toarray() + rate * matrix, rate * constant
    exact = (scipy.linalg.expm(whole) @ np.append(u, 1.0))[:8]
    size = max(np.linalg.norm(u), np.linalg.norm(exact - u))
    assert np.linalg.norm(got - exact) <= 2 / math.e * 0.25 * size
    with pytest.raises(ValueError, match=r"^time_step must be at most .* and the source damps at rates up to"):
        eq.evolve(u, 1.0, "explicit", time_step=min(0.5, 3 / rate))


@pytest.mark.parametrize("duration", [0.95, 1.0, 2.0])
def test_explicit_steps_look_again_at_a_source_that_was_slow(duration):
    """Estimates of a slow reaction lie 64 steps apart, and at the end of a run: decay that sets in late is seen."""
    eq = dc.DiffusionEquation(1e-3, source=lambda t, u: -(1e-3 if t < 0.9 else 1e3) * u)
    with pytest.raises(ValueError, match=r"^time_step must be at most .* got 0\.01"):
        eq.evolve(np.ones(8), duration, "explicit", time_step=0.01)


def test_explicit_steps_that_a_source_makes_too_many_are_refused(monkeypatch):
    """When they have cost so much and ask for as much again; those that were asked for are taken."""
    calls, most = [], 0.05
    monkeypatch.setattr(costs, "longest_run", lambda problem: most / explicit.LONGEST)
    eq = dc.DiffusionEquation(source=lambda t, v: calls.append(t) or -1e4 * (v - v.mean()))
    cost = costs.evaluation(eq.lattice((8,)))
    with pytest.raises(ValueError, match=r"^duration must take fewer explicit steps, got some .* more at time 0\."):
        eq.evolve(X[:8], 1.0, "explicit")
    assert most / cost <= len(calls) <= 2 * most / cost
    assert np.ptp(eq.evolve(X[:8], 0.02, "explicit")) <= 1e-6
    assert np.ptp(eq.evolve(X[:8], 0.1, "explicit", time_step=5e-5)) <= 1e-6


def test_products_of_neighbours_are_solved_by_the_whole_jacobian():
    eq = dc.DiffusionEquation(source=lambda t, v: 1e4 * (1 - v * np.roll(v, 1)))
    u = 1 + 0.5 * np.sin(X[:9])
    (exact,) = reference(eq, u, 0.0, [0.1], [])
    for method in ("auto", "implicit"):
        assert np.abs(eq.evolve(u, 0.1, method, tolerance=1e-6) - exact).max() <= 1e-5


def test_what_a_reaction_follows():
    """The whole Jacobian of a cubic; what follows its own cell alone couples none; the spectral radius is met."""
    u, rng = np.linspace(-1.0, 2.0, 6), np.random.default_rng(5)
    matrix = rng.normal(size=(6, 6))
    problem = dc.DiffusionEquation(source=lambda t, v: matrix @ v**3).lattice(u.shape)
    quotient = 1e2 * EPS**0.5  # the second derivative times the shift, and the rounding of values of up to 20
    np.testing.assert_allclose(reaction.jacobian(problem, 0.0, u), 3 * matrix * u**2, rtol=0, atol=quotient)
    assert all(reaction.couples(problem, 0.0, u, bit) for bit in range(3))
    alone = dc.DiffusionEquation(source=lambda t, v: -(v**3)).lattice(u.shape)
    assert not any(reaction.couples(alone, 0.0, u, bit) for bit in range(3))
    assert reaction.fastest_decay(alone, 0.0, u, None) == (pytest.approx(12, rel=1e-6), None)
    mean, seen = dc.DiffusionEquation(source=lambda t, v: 7 * (v.mean() - v)).lattice(u.shape), None
    for _ in range(3):
        rate, seen = reaction.fastest_decay(mean, 0.0, u, seen)
    assert rate == pytest.approx(1.2 * 7, rel=1e-6)


@pytest.mark.parametrize(("factor", "refused"), [(100.0, True), (-1.0, True), (0.01, True), (5.0, False), (0.2, False)])
def test_slopes_that_are_false_by_far_are_refused(factor, refused):
    u = np.linspace(0.0, 2.0, 5)
    eq = dc.DiffusionEquation(source=lambda t, v: -3 * v**2, source_slope=lambda t, v: -6 * factor * v)
    assert np.isfinite(eq.evolve(u, 1e-4)).all()  # in which nothing changes by much
    if not refused:
        plain = dc.DiffusionEquation(source=eq.source)
        assert np.abs(eq.evolve(u, 1.0, "implicit") - plain.evolve(u, 1.0)).max() <= 10 * 1e-4 * 2
        return
    for method in ("auto", "implicit", "explicit"):
        with pytest.raises(ValueError, match=r"^source_slope must be the derivative of source .* within a factor of"):
            eq.evolve(u, 1.0, method)


def test_an_iterator_at_its_end_is_named():
    def source(t, u):
        return next(iter([1.0] if t < 0.5 else []))

    for named in ({"source": source}, {"boundary": dc.Dirichlet(lambda t: source(t, None))}):
        with pytest.raises(ValueError, match=r"^functions of time must return a value .* StopIteration at time 0\.5"):
            list(dc.DiffusionEquation(**named).frames(np.ones(3), [0.4, 1.0]))


@pytest.mark.parametrize("given", [False, True])
@pytest.mark.parametrize("cell", [0, 5, 11])
@pytest.mark.parametrize("few", [0, 100])
def test_newton_knows_what_follows_a_sensor(few, cell, given, monkeypatch):
    """By products with the Jacobian or as a whole; with it Newton's iteration converges as without a sensor."""
    heated, calls = (np.arange(12) < 4) * 30.0, []
    monkeypatch.setattr(implicit, "FEW_CELLS", few)

    def source(t, u):
        calls.append(t)
        return heated * (1 - np.tanh(20 * (u[cell] - 0.4))) - u**3

    def slope(t, u):
        own = -3 * u**2
        own[cell] -= heated[cell] * 20 / np.cosh(20 * (u[cell] - 0.4)) ** 2
        return own

    eq = dc.DiffusionEquation(source=source, source_slope=slope if given else None)
    u = np.linspace(0.6, 0.38, 12)
    (tight,) = reference(eq, u, 0.0, [3.0], [])
    calls.clear()
    got = eq.evolve(u, 3.0, "implicit", tolerance=1e-6)
    assert np.abs(got - tight).max() <= 1e-6 * np.abs(got - u).max()
    assert len(calls) <= 5000


def reference(eq, u, start, times, cuts):
    """Return the fields at some elapsed times by SciPy's Radau at tolerances far below those tested, cut at jumps."""
    rhs, here, found = eq.operator(u.shape).rhs, u, []
    for begin, end in itertools.pairwise(sorted({0.0, *cuts, *times})):
        inside = end - 1e-9 * (end - begin)  # a jump belongs to the next piece
        run = scipy.integrate.solve_ivp(
            lambda t, y, last=inside: rhs(start + min(t, last), y), (begin, end), here, "Radau", rtol=1e-8, atol=1e-10
        )
        assert run.success, run.message
        here = run.y[:, -1]
        found += [here] if end in times else []
    return found


@settings(max_examples=15, deadline=None)
@given(strategies.switched())
def test_random_problems_agree_with_a_tight_reference(drawn):
    """Or one clear error; the reference itself would take minutes on what is left out: that evolve ends is shown."""
    eq, u, duration, start, cuts, rate = drawn
    try:
        got = eq.evolve(u, duration, start=start)
    except ValueError as error:
        if re.fullmatch("evolve cannot go on .*|duration must span more numbers .*", str(error)):
            return
        raise
    if duration * max(rate, 1.0) > 1e3:
        return
    (exact,) = reference(eq, u, start, [duration], cuts)
    assert np.abs(got - exact).max() <= 10 * 1e-4 * max(np.ptp(u), np.ptp(exact), np.abs(exact - u).max())


def test_control_keeps_to_its_side_of_a_segment():
    side = clock.Clock(5.0, 5.0)
    assert 5.0 < side.at(0.0) < 5.0 + 1e-12
    assert 10.0 - 1e-12 < side.at(5.0) < 10.0
    assert clock.Clock(1e16, 1.0).at(0.5) == 1e16


def test_the_rounding_of_functions_late_on_a_clock_is_that_of_neighbouring_numbers():
    """What alternates from one to the next is bent by 128/56 of its height, what is linear or has a kink not at all."""
    start, duration, height, u = 2.0**30, 4.0, 2.0**-14, np.zeros(3)
    tick, now = math.ulp(start), clock.Clock(start, duration)
    kink = start + duration / 2 + 2 * tick  # within the first of two rows of numbers that are looked at

    def alternating(t):
        return height * ((t - start) / tick % 2) * (t > start + duration / 2)  # late in the run alone

    def many_jumps(t):
        return 4 * height + ((t - start) / tick // 5 % 2) * (t < start + 0.2 * duration)

    sources = {
        alternating: (pytest.approx(128 / 56 * height, rel=1e-12), height, 0.0),
        many_jumps: (pytest.approx(0.0, abs=64 * EPS), 1.0, 4 * height + 1.0),
        lambda t: t - start: (pytest.approx(0.0, abs=64 * EPS * duration), tick, 15 / 16 * duration),
        lambda t: abs(t - kink): (pytest.approx(0.0, abs=64 * EPS * duration), tick, kink - now.at(0.0)),
    }
    for source, (bent, moved, most) in sources.items():
        problem = dc.DiffusionEquation(source=source).lattice(u.shape)
        assert functions_of_time.roughness(problem, now, duration, u) == bent
        # as far as a cell that loses least, 1 to its one neighbour, may be moved in a tenth of the run
        rate = 1 + 10 / duration
        assert functions_of_time.clock_noise(problem, now, duration, u) == (moved, moved / rate, most / rate)


def at_rest(duration=1.0, start=0.0):
    """A run of three cells that has not begun."""
    problem = dc.DiffusionEquation(source=lambda t: t).lattice((3,))
    steps = implicit.Steps(problem, duration)
    return control._Run(problem, np.zeros(3), clock.Clock(start, duration), duration, steps, 1e-4, math.inf, (0.0, 0.0))


@pytest.mark.parametrize("damping", [0.0, 3.0])
def test_shares_of_all_steps_are_three_eighths_and_a_step_may_take_a_part_of_another(damping, monkeypatch):
    """One quarter even in time, or as errors die out; an eighth even in the logarithm of time; an eighth free."""
    monkeypatch.setattr(implicit.Steps, "damping", damping)
    run, eighth = at_rest(duration=2.0), 1e-4 * 5.0 / 8
    lengths = np.array([1e-9, 0.3, 0.1, 0.9, 0.2, 0.5 - 1e-9])
    begins = np.append(0.0, np.cumsum(lengths)[:-1])
    even = np.maximum(lengths / 2, 1 - np.exp(-damping * lengths))
    left = np.exp(-damping * (2.0 - begins - lengths))  # of each step's error at the end
    assert even @ left <= 1 + 1e-15
    early = np.diff(np.log(np.append(begins, 2.0) / 2 + 1e-9)) / np.log(1 + 1e9)
    assert early.sum() == pytest.approx(1, rel=1e-14)
    for begin, length, one, other in zip(begins, lengths, even, early, strict=True):
        run.elapsed = begin
        share = eighth * (2 * one + other)
        assert run.shared(length, 5.0) == pytest.approx(share, rel=1e-9)
        for spent, more in ((0.0, 1 / 32), (eighth / 2, 1 / 64), (eighth, 0.0), (2 * eighth, 0.0)):
            run.spent = spent
            assert run.allowed(length, 5.0) == pytest.approx(share + eighth * more, rel=1e-9)


def test_the_time_elapsed_is_summed_without_loss():
    """But for the rounding of each step's own length: plain sums are off by a hundred times as much."""
    run, exact = at_rest(duration=1e3), Fraction(0)
    for length in (100.0, *[0.1] * 1000):
        run.move(length, None)
        exact += Fraction(length)
    assert abs(Fraction(run.elapsed) + Fraction(run.carry) - exact) <= 2**-52 * exact
    run.move(0.5, 501.0)
    assert (run.elapsed, run.carry) == (501.0, 0.0)


@pytest.mark.parametrize("elapsed", [0.3, 1 / 3, 0.7, 3.999])
def test_late_on_a_clock_what_rounding_leaves_out_is_kept(elapsed):
    """A moment and its rest are the true time; a linear function is seen there, not where the clock's numbers are."""
    start = 2.0**31
    moment = clock.Clock(start, 4.0, 1).at(elapsed)
    assert abs(Fraction(moment) + Fraction(moment.rest) - Fraction(start) - Fraction(elapsed)) <= Fraction(2) ** -80
    assert abs(moment.rest) <= math.ulp(start) / 2
    assert [math.copysign(1.0, number - moment) * moment.rest >= 0 for number in moment.through] == [True]
    seen = clock.interpolated(lambda t: np.array([t - start, 1.0]), moment)
    np.testing.assert_allclose(seen, [elapsed, 1.0], rtol=0, atol=4 * EPS)
    plain = clock.Clock(start, 4.0).at(elapsed)
    assert (plain, plain.rest) == (moment, 0.0)
    assert clock.interpolated(lambda t: t, plain) == moment


@pytest.mark.parametrize("step", [0.5, 2.0, 3.0, 5.0, 12.0])
def test_a_step_over_which_something_doubles_is_refused(step):
    """The first stage's system, of a reaction that grows in one half, must give ones at most twice themselves."""
    slope = np.array([1.0, 1.0, 0.0, -2.0, -1.0])
    eq = dc.DiffusionEquation(0.5, boundary=("absorbing",), source=lambda t, v: slope * v)
    problem = eq.lattice((5,))
    steps = implicit.Steps(problem, 10.0)
    pole = float(steps.table.poles[0].real)
    matrix = problem.matrix().toarray() + np.diag(slope)
    response = pole * np.linalg.solve(pole * np.eye(5) - step * matrix, np.ones(5))
    if step * slope.max() > pole / 2 and not (response.min() > 0 and response.max() <= 2):
        with pytest.raises(Overflow):
            steps.check_growth(slope, step)
    else:
        steps.check_growth(slope, step)


@pytest.mark.parametrize("cells", [1, 2, 4])
def test_acceleration_is_exact_for_as_many_cells_as_differences(cells):
    """Iterations x -> M x + b of n cells have come to rest after n + 1 of Anderson's, whatever M is."""
    rng = np.random.default_rng(3)
    matrix, b, x = 3 * rng.normal(size=(cells, cells)), rng.normal(size=cells), np.zeros((1, cells))  # one stage
    moves, history, update = [], [], x
    for _ in range(cells + 1):
        moves.append(x @ matrix.T + b - x)
        if len(moves) > 1:
            history.append((update, moves[-1] - moves[-2]))
        update = np.empty_like(x)
        implicit._step_on(x, moves[-1], history, update, 1.0)
    rest = np.linalg.solve(np.eye(cells) - matrix, b)
    lost = np.linalg.cond(np.diff(np.concatenate(moves), axis=0)) * np.linalg.cond(np.eye(cells) - matrix)  # digits
    assert np.abs(x - rest).max() <= 8 * cells * EPS * lost * max(np.abs(x).max(), np.abs(moves).max())


@pytest.mark.parametrize("kind", [float, complex])
def test_krylov_spaces_solve_what_factors_do_not_know(kind):
    """A matrix of rank r beside what is factorised takes r + 1 products, one of full rank as many as cells."""
    rng, counts = np.random.default_rng(2), []
    for rank in (1, 2, 8):
        matrix = rng.random((8, 8)).astype(kind) + 8 * np.eye(8)
        other, y = rng.normal(size=(8, rank)) @ rng.normal(size=(rank, 8)), rng.random((2, 4)).astype(kind)
        if kind is complex:
            matrix, y = matrix + 3j * np.eye(8), y * (1 - 2j)

        def product(x, other=other):
            assert not np.iscomplexobj(x)
            return (other @ x.ravel()).reshape(x.shape)

        def direct(right, matrix=matrix):
            return np.linalg.solve(matrix, right.ravel()).reshape(right.shape)

        got = krylov.solver(direct, product, counts.append)(y)
        exact = np.linalg.solve(matrix - other, y.ravel()).reshape(y.shape)
        left = np.linalg.cond(np.eye(8) - np.linalg.solve(matrix, other)) * krylov.ACCURATE
        assert np.linalg.norm(got - exact) <= left * np.linalg.norm(exact)
        assert counts.pop() <= min(rank + 1, 8)
    assert not krylov.solver(direct, product, counts.append)(0 * y).any()


def test_krylov_spaces_grow_where_there_is_memory(monkeypatch):
    """On a ring of twenty cells a shift takes as many products; fields that are large have room for eight."""
    counts, y = [], (np.arange(20) == 0) * 1.0
    solve = krylov.solver(np.copy, lambda x: x - np.roll(x, 1), counts.append)
    np.testing.assert_allclose(solve(y), np.roll(y, -1), rtol=0, atol=krylov.ACCURATE)
    monkeypatch.setattr(krylov, "LARGE", 20)
    with pytest.raises(np.linalg.LinAlgError, match="do not converge"):
        solve(y)
    assert counts == [20, 8]


def test_krylov_spaces_hold_what_leaves_the_least(monkeypatch):
    """Of all polynomials of a degree; products end where that is as little as is aimed at, or enough for Newton."""
    values, y, counts = np.linspace(0.3, 1.7, 40), np.ones(40), []

    def left(products):
        space = values[:, None] * np.polynomial.chebyshev.chebvander((values - 1) / 0.7, products - 1)
        return np.linalg.norm(y - space @ np.linalg.lstsq(space, y, rcond=None)[0])

    solve = krylov.solver(np.copy, lambda x: x - values * x, counts.append)
    found = np.linalg.norm(values * solve(y) - y)
    least = next(k for k in range(1, 40) if left(k) <= krylov.ACCURATE * np.linalg.norm(y))
    assert found == pytest.approx(left(least), rel=1e-6)
    monkeypatch.setattr(krylov, "LARGE", 40)
    assert np.linalg.norm(values * solve(y) - y) == pytest.approx(left(8), rel=1e-6)
    assert counts == [least, 8]


def test_products_that_do_not_converge_are_refused():
    """A shift along a ring leaves the right-hand side of one cell orthogonal to all that 60 products reach."""
    solve = krylov.solver(lambda y: y, lambda x: x - np.roll(x, 1), lambda count: None)
    with pytest.raises(np.linalg.LinAlgError, match="do not converge"):
        solve((np.arange(100) == 0) * 1.0)


def test_products_with_a_jacobian_are_those_with_the_whole():
    u, x, rng = np.linspace(-1.0, 2.0, 6), np.linspace(3.0, -1.0, 6), np.random.default_rng(5)
    matrix = rng.normal(size=(6, 6))
    problem = dc.DiffusionEquation(source=lambda t, v: matrix @ v**3).lattice(u.shape)
    product = reaction.directional(problem, 0.0, u, np.arange(6.0))
    quotient = 1e3 * EPS**0.5  # the second derivative times the shift, and the rounding of values of up to 20
    np.testing.assert_allclose(product(x), 3 * matrix @ (u**2 * x) - np.arange(6) * x, rtol=0, atol=quotient)
    assert not product(0 * x).any()


@pytest.mark.parametrize("shape", [(700,), (60, 60)])
@pytest.mark.parametrize("kind", ["mean", "mirror", "sensor"])
def test_sources_that_couple_many_cells(kind, shape):
    """What is damped at a rate of 1e6 is gone at once; on what is left the source is the same everywhere.

    In the plane systems are iterated.
    """
    rate, calls, u = 1e6, [], np.cos(0.01 * np.arange(math.prod(shape)) + 0.3).reshape(shape)
    target = {"mean": lambda v: v.mean() - v, "mirror": lambda v: v[::-1, ...] - v, "sensor": lambda v: 1 - v.flat[5]}
    eq = dc.DiffusionEquation(source=lambda t, v: calls.append(t) or rate * target[kind](v))
    plain = dc.DiffusionEquation()
    exact = {
        "mean": lambda: np.full(shape, u.mean()),
        "mirror": lambda: plain.evolve((u + u[::-1]) / 2, 1.0),
        "sensor": lambda: plain.evolve(u, 1.0) + (1 - plain.evolve(u, 1.0).flat[5]),
    }[kind]()
    got = eq.evolve(u, 1.0, "implicit", tolerance=1e-5)
    assert np.abs(got - exact).max() <= 10 * 1e-5 * max(np.ptp(u), np.abs(exact - u).max())
    assert len(calls) <= 10_000


@pytest.mark.parametrize(("rejected", "looks"), [(0.1, 10), (0.3, 4)])
def test_where_many_steps_are_rejected_what_is_slow_is_refused_sooner(rejected, looks):
    """When it has cost what it may, and asks for as much again; a quarter of that where switches chatter."""
    run = at_rest()
    run.most, run.integrator.cost, found = 10.0, lambda step: 1 / control.SOME, []

    def go_on():
        while len(found) < 20 * control.SOME:
            found.append(run.elapsed)
            run.elapsed += 1e-3 / control.SOME
            run.rejected = math.floor(rejected * run.steps) + 1
            run.keep_pace(1e-3)

    with pytest.raises(ValueError, match="more steps would be needed"):
        go_on()
    assert looks + 1 <= len(found) / control.SOME <= looks + control.CONSECUTIVE


def test_steps_that_shrink_towards_a_jump_are_no_reason_to_give_up():
    """An approach takes some tens of trial steps: after a first look at the pace three see them, hundreds apart."""
    run = at_rest()
    run.elapsed = 0.5
    for _ in range(4 * control.SOME - 1):
        run.elapsed += 1e-15
        run.keep_pace(1e-15)
    with pytest.raises(ValueError, match="steps become ever shorter"):
        run.keep_pace(1e-15)


def test_errors_die_out_no_faster_than_walls_less_the_reaction_let_them():
    """Half the slowest mode's rate, 2 - 2 cos(pi/n), less the logarithmic norm of a reaction that follows a sensor.

    Where only products with the Jacobian are known nothing is sure.
    """
    n, own, sensor = 6, 0.02, -0.03
    for alone in (True, False):
        eq = dc.DiffusionEquation(
            boundary="absorbing", source=lambda t, v, all=alone: own * v + (0.0 if all else sensor * v[2])
        )
        problem, u = eq.lattice((n,)), np.ones(n)
        steps = implicit.Steps(problem, 10.0)
        steps.slope = reaction.reaction_slope(problem, 0.0, u)
        if not alone:
            steps.coupled, steps.coupling = True, reaction.jacobian(problem, 0.0, u)
        growth = own if alone else own - sensor  # in the maximum norm, of all cells but the sensor
        assert steps.damping == pytest.approx(1 - math.cos(math.pi / n) - growth, abs=1e-8)  # of difference quotients
    steps.coupling = None
    assert steps.damping == 0


def test_the_range_that_walls_impose_is_what_they_can_bring_about_in_the_time():
    """A lone cell comes nearer to what its one open wall is held at, at a rate of 2 D."""
    rising = dc.DiffusionEquation(0.1, boundary=((dc.Dirichlet(lambda t: 3 * t), "reflecting"),)).lattice((1,))
    assert functions_of_time.wall_range(rising, clock.Clock(1.0, 2.0), 2.0) == pytest.approx(
        -6 * math.expm1(-0.4), rel=1e-14
    )
    still = dc.DiffusionEquation(0.1, boundary=((dc.Dirichlet(3.0), "reflecting"),)).lattice((1,))
    assert functions_of_time.wall_range(still, clock.Clock(1.0, 2.0), 2.0) == 0.0


@pytest.mark.parametrize(
    "options",
    [
        {"velocity": 0.1},
        {"capacity": 1 + np.eye(5)},
        {"decay": 0.1},
        {"diffusivity": np.array([[1.0, 0.3], [0.3, 1.0]])},
    ],
    ids=list,
)
def test_only_exchanges_between_neighbours_are_iterated(options, monkeypatch):
    """What preconditions iterations knows nothing else."""
    monkeypatch.setattr(shifted, "ITERATED", 1)
    assert shifted.converges_fast(dc.DiffusionEquation().lattice((5, 5)))
    assert not shifted.converges_fast(dc.DiffusionEquation(**options).lattice((5, 5)))


@pytest.mark.parametrize("method", ["auto", "implicit"])
@pytest.mark.parametrize(("width", "tolerance"), [(1e-2, 1e-3), (1e-2, 1e-6), (1e-4, 1e-4), (1e-4, 1e-6)])
def test_a_thermostat_that_is_overcome_lets_go(method, width, tolerance):
    """Held at 1 until t = 5, when the loss exceeds the heater; then u falls by t/5 - 1. Range 2.5.

    The heater is off where u > 1 + width/2 and saturated where u < 1 - width/2, whence it lets go.
    """
    eq = dc.DiffusionEquation(0.1, source=lambda t, u: np.clip((1 - u) / width + 0.5, 0, 1) - t / 5)
    end = eq.evolve(np.where(np.arange(20) < 10, 1.0, 0.8), 10.0, method, tolerance=tolerance)
    assert abs(end[0] - (1 - width / 2 - 2.5)) <= 10 * tolerance * 2.5 + width * width


@pytest.mark.parametrize("method", ["auto", "implicit"])
@pytest.mark.parametrize("rate", [1.0, 100.0, 1e4])
def test_cells_on_the_threshold_of_a_switch_leave_it(method, rate):
    """At the threshold, on the side where nothing holds them; an empty tank too."""
    u = np.repeat([0.0, 1.0], 4)
    falls = dc.DiffusionEquation(0.0, source=lambda t, u: -0.5 - rate * (u > 1))
    np.testing.assert_allclose(falls.evolve(u, 1.0, method), u - 0.5, rtol=0, atol=10 * 1e-4)
    grows = dc.DiffusionEquation(source=lambda t, u: 2 - 0.5 * (u > 0))
    np.testing.assert_allclose(grows.evolve(np.zeros(8), 1.0, method), 1.5, rtol=0, atol=10 * 1e-4 * 1.5)


@pytest.mark.parametrize("method", ["auto", "rkl2", "implicit"])
def test_a_frame_does_not_depend_on_what_comes_later(method):
    """A wall that will be a million times as high at the end: the tolerance is of the range until the frame."""
    eq = dc.DiffusionEquation(boundary=((dc.Dirichlet(lambda t: 1e6 * (t / 100) ** 8), "reflecting"),))
    u = np.sin(np.arange(20.0))
    (_, first), *_ = eq.frames(u, [1.0, 100.0], method)
    exact = dc.DiffusionEquation(boundary=((dc.Dirichlet(0.0), "reflecting"),)).evolve(
        u, 1.0
    )  # the wall is below 1e-10
    np.testing.assert_allclose(first, exact, rtol=0, atol=10 * 1e-4 * np.ptp(u))


def test_steps_that_are_sure_to_be_too_many_are_refused_at_once():
    """Two million steps of at most 5e-6: known from the begin."""
    eq = dc.DiffusionEquation(0.0, source=lambda t: 1e5 * (3.3 <= t < 3.3 + 1e-5))
    with pytest.raises(ValueError, match=r"at time 0\.0.* more steps would be needed, fewer with a longer max_step\. "):
        eq.evolve(np.zeros(4), 10.0, max_step=5e-6)


def test_a_reaction_that_only_single_precision_cannot_hold():
    """Steps are in float64: u' = -u^2 / 1e15, whose square of 3e15 times 1e10 is beyond float32."""
    u = np.array([1e15, 2e15, 3e15], np.float32)
    eq = dc.DiffusionEquation(0.0, source=lambda t, u: -1e10 * u * np.abs(u) / 1e25)
    np.testing.assert_allclose(eq.evolve(u, 1.0), u / (1 + u.astype(float) / 1e15), rtol=1e-5)
