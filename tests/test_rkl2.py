"""Runge-Kutta-Legendre steps: order 2, stable, an honest error, for walls and sources that depend on time or field."""

import math

import numpy as np
import pytest
import scipy.integrate

import diffuseconv as dc
from diffuseconv.diffusion import costs, rkl2
from diffuseconv.diffusion.clock import Clock


def tank(n=12):
    rng = np.random.default_rng(0)
    return dc.DiffusionEquation(
        0.5 + rng.random((n, n)),
        boundary=(
            dc.Dirichlet(lambda t: math.sin(t)),
            (dc.Robin(1.0, 2.0, lambda t: math.cos(2 * t)), dc.Neumann(0.3)),
        ),
        source=lambda t, u: math.cos(t) - u**3,
    )


def smooth(n=12):
    x = (np.arange(n) + 0.5) / n
    return np.outer(np.sin(np.pi * x), np.cos(np.pi * x))


def reference(eq, u, duration):
    run = scipy.integrate.solve_ivp(
        eq.operator(u.shape).rhs, (0, duration), u.ravel(), method="DOP853", rtol=1e-12, atol=1e-13
    )
    return run.y[:, -1].reshape(u.shape)


def test_order_two_for_any_number_of_stages():
    """Halving a fixed step quarters the error, once steps resolve what happens."""
    eq, u = tank(), smooth()
    lattice, exact = eq.lattice(u.shape), reference(eq, u, 4.0)
    errors = []
    for steps in (64, 128, 256):
        here = u
        for n in range(steps):
            now, length = 4.0 * n / steps, 4.0 / steps
            here, _ = rkl2.step(
                lattice, here, lattice.rhs(now, here), Clock(0.0, 4.0), now, length, lattice.largest_rate
            )
        errors.append(np.abs(here - exact).max())
    orders = np.log2(np.divide(errors[:-1], errors[1:]))
    assert abs(orders[-1] - 2) <= 0.05


@pytest.mark.parametrize("stages", [3, 5, 9, 31, 99])
def test_the_stability_polynomial_is_legendre(stages):
    """One step of u' = -lambda u multiplies by 1 - b + b P_s(1 + w z), at most 1 up to the end of the reach."""
    lattice = dc.DiffusionEquation(1.0, boundary=dc.Dirichlet(lambda t: 0.0)).lattice((1,))  # u' = -4 u
    rate, reach = 4.0, rkl2._reach(stages)
    b = (stages**2 + stages - 2) / (2 * stages * (stages + 1))
    legendre = np.polynomial.Legendre.basis(stages)
    assert lattice.stable_time_step == 2 / rate
    for share in (0.3, 0.7, 1.0):
        step = share * reach * 2 / rate
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(rkl2, "_stages", lambda ratio: stages)
            got, error_share = rkl2.step(lattice, np.ones(1), np.array([-rate]), Clock(0.0, step), 0.0, step, rate)
        assert abs(got[0] - (1 - b + b * legendre(1 - rate * step / reach))) <= 1e-12 * stages**2
        assert abs(got[0]) <= 1
    third = b * reach**-3 * legendre.deriv(3)(1.0) / 6
    assert abs(error_share - abs((1 / 6 - third) / (third - 1 / 4))) <= 1e-9


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4, 1e-6])
def test_the_error_is_below_the_tolerance(tolerance):
    eq, u = tank(), smooth()
    for time, field in eq.frames(u, [0.5, 3.0], "rkl2", tolerance=tolerance):
        exact = reference(eq, u, time)
        scale = max(np.ptp(u), np.ptp(exact), np.abs(exact - u).max())
        error = np.abs(field - exact).max()
        assert error <= tolerance * scale
    assert error >= 1e-4 * tolerance  # no work beyond what was asked for


def test_long_steps_are_stable_and_conserve():
    """Walls that move slowly: hundreds of stable steps at once; a source that takes from one half what it gives."""
    u = np.random.default_rng(1).random((16, 16)).astype(np.float32)
    split = np.where(np.arange(16) < 8, 1.0, -1.0)[:, None] * np.ones(16)
    eq = dc.DiffusionEquation(source=lambda t: split * math.sin(t / 1000))
    evolved = eq.evolve(u, 4000.0, "rkl2", tolerance=1e-3)
    assert evolved.dtype == np.float32
    assert abs(evolved.mean(dtype=float) - u.mean(dtype=float)) <= 2**-23 * np.abs(evolved).max()
    settled = dc.DiffusionEquation(source=split * math.sin(4.0)).steady_state(u)
    assert np.abs(evolved - settled).max() <= 0.05 * np.ptp(settled)


def test_auto_controls_the_error_even_of_a_short_run():
    u = np.full((4, 4), 3.0)
    decaying = dc.DiffusionEquation(source=lambda t, u: -u)
    assert np.abs(decaying.evolve(u, 1.0) - 3 * math.exp(-1)).max() <= 1e-4 * 3
    step = decaying.stable_time_step(u.shape) / 2
    np.testing.assert_allclose(decaying.evolve(u, 1.0, time_step=step), 3 * (1 - step) ** round(1 / step), rtol=1e-14)


def test_steady_problems_are_sent_to_chebyshev():
    with pytest.raises(ValueError, match=r'^method "rkl2" is for walls, sources and velocities that depend'):
        dc.DiffusionEquation().evolve(np.ones((3, 3)), 1.0, "rkl2")


@pytest.mark.parametrize("capacity", [None, 2.0, 2 * np.ones((5, 6))])
def test_the_drift_of_constant_coefficients_is_bounded_by_the_sum_of_squares(capacity):
    """The squared imaginary over the real part of a wave's rate is sum v^2/D at most, by Cauchy's inequality."""
    d, v, spacing = (1.0, 0.5), (0.3, -0.4), (1.0, 0.5)
    eq = dc.DiffusionEquation(d, spacing, "periodic", velocity=v, capacity=capacity)
    expected = (0.09 / 1.0 + 0.16 / 0.5) / (1 if capacity is None else 2)
    assert eq.lattice((5, 6)).drift_rate == pytest.approx(expected, rel=1e-14)
    assert dc.DiffusionEquation().lattice((5, 6)).drift_rate == 0.0


@pytest.mark.parametrize("velocity", [0.1, lambda t: 0.1], ids=["constant", "function"])
def test_a_drift_gets_the_stages_that_keep_its_parabola_stable(velocity, monkeypatch):
    taken, coefficients = [], rkl2._coefficients
    monkeypatch.setattr(rkl2, "_coefficients", lambda stages: taken.append(stages) or coefficients(stages))
    lattice, u = dc.DiffusionEquation(boundary="periodic", velocity=velocity).lattice((9,)), np.ones(9)
    for ratio in (0.1, 3.0, 100.0):
        step = ratio * 2 / lattice.largest_rate
        rkl2.step(lattice, u, 0 * u, Clock(0.0, step), 0.0, step, lattice.largest_rate)
        assert taken[-1] >= 5
        assert rkl2._reach(taken[-1]) * rkl2.DRIFT_REACH >= ratio * (1 - 1e-12)


@pytest.mark.parametrize(
    ("rate", "integral"),
    [
        (lambda t: math.exp(7 * t), lambda t: math.expm1(7 * t) / 7),
        (lambda t: 0.1 + 1e4 * (t >= 0.5), lambda t: 0.1 * t + 1e4 * max(0.0, t - 0.5)),
        (lambda t: 1e4 * math.exp(-9 * t), lambda t: -1e4 * math.expm1(-9 * t) / 9),
    ],
    ids=["slowly", "at once", "fades"],
)
def test_a_reaction_is_looked_at_as_often_as_it_becomes_stiff_and_no_more(rate, integral, monkeypatch):
    looks, steps = [], []
    look, step = rkl2.fastest_decay, rkl2.step
    monkeypatch.setattr(rkl2, "fastest_decay", lambda *given: looks.append(given[1]) or look(*given))
    monkeypatch.setattr(rkl2, "step", lambda *given: steps.append(given[4]) or step(*given))
    eq = dc.DiffusionEquation(1e-3, source=lambda t, u: rate(t) * (3 - u))
    for duration in (0.52, 1.0):
        got = eq.evolve(np.ones(3), duration, "rkl2", tolerance=1e-4)
        np.testing.assert_allclose(got, 3 - 2 * math.exp(-integral(duration)), rtol=0, atol=2e-4)
    assert len(looks) < len(steps) / 3


@pytest.mark.parametrize("velocity", [None, 0.3])
@pytest.mark.parametrize("step", [0.1, 4.0, 60.0])
def test_a_step_costs_as_many_evaluations_as_it_takes(velocity, step, monkeypatch):
    """One for each stage, of which the first is that of the step before and the last the next one's."""
    problem = dc.DiffusionEquation(velocity=velocity, source=lambda t, u: 0 * u).lattice((9,))
    steps, side, u, calls = rkl2.Steps(problem, 100.0), Clock(0.0, 100.0), np.ones(9), []
    advance = type(problem).advance
    monkeypatch.setattr(type(problem), "advance", lambda *given: calls.append(1) or advance(*given))
    steps.attempt(side, 0.0, u, problem.rhs(0.0, u), step, 1.0)
    assert steps.cost(step) == pytest.approx((len(calls) - 1) * costs.evaluation(problem))
