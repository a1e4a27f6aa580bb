"""Exponential steps: their functions are exact, order 4, errors as estimated, and rounding that may grow is seen."""

import math

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import diffuseconv as dc
from diffuseconv.diffusion import control, exponential, implicit, switching
from diffuseconv.diffusion.clock import Clock
from diffuseconv.diffusion.integrator import Overflow


def test_functions_are_those_of_a_jordan_block():
    """The exponential of z before a chain of ones holds all functions in its first row."""
    z = -np.concatenate([[0.0], np.logspace(-8, 2, 41)])
    size = exponential.FUNCTIONS + 1
    found = exponential.phi(z)
    for times in (1, 2, 4):
        for place, number in enumerate(times * z):
            chain = np.diag(np.ones(size - 1), 1)
            chain[0, 0] = number
            expected = scipy.linalg.expm(chain)[0]
            # a number of z is off by half a unit; recurrences from 1 on lose a digit a function at most
            np.testing.assert_allclose([of[place] for of in found], expected, rtol=1e-12, atol=1e-16)
        found = exponential.doubled(found)


def tank(boundary="reflecting"):
    return dc.DiffusionEquation(0.02, spacing=1 / 16, boundary=boundary, source=lambda t, u: math.cos(t) * u - u**3)


def smooth(n=16):
    x = (np.arange(n) + 0.5) / n
    return 1 + 0.5 * np.outer(np.cos(np.pi * x), np.cos(2 * np.pi * x))


def reference(eq, u, duration):
    run = scipy.integrate.solve_ivp(
        eq.operator(u.shape).rhs, (0, duration), u.ravel(), method="DOP853", rtol=1e-13, atol=1e-14
    )
    return run.y[:, -1].reshape(u.shape)


def after(lattice, u, duration, steps):
    """Return the field after equal steps, and the errors that they estimate."""
    run, clock, length = exponential.Steps(lattice, 1e-6), Clock(0.0, duration), duration / steps
    run.accept(clock, 0.0, u)
    slope, errors = lattice.rhs(0.0, u), []
    for n in range(steps):
        u, slope, error = run.attempt(clock, n * length, u, slope, length, 1.0)
        run.accept(clock, (n + 1) * length, u)
        errors.append(error)
    return u, errors


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize("thin", [True, False])
def test_order_four_and_an_estimate_that_is_the_error(boundary, thin, monkeypatch):
    """Halving fixed steps divides the error by 16; that of one short step is estimated within a third."""
    monkeypatch.setattr(exponential.late, "SINGLE", 1 << 18 if thin else 0)
    eq, u = tank(boundary), smooth()
    lattice, exact = eq.lattice(u.shape), reference(eq, u, 2.0)
    errors = [np.abs(after(lattice, u, 2.0, steps)[0] - exact).max() for steps in (20, 40, 80)]
    # beside walls that hold a value order is lost: what cannot be there decays at the rate of a cell
    assert abs(math.log2(errors[-2] / errors[-1]) - 4) <= (0.7 if boundary == "absorbing" else 0.1)


SOURCES = {
    "proportional": lambda t, u: 3 * (1 - u),
    "logistic": lambda t, u: u * (1 - u),
    "bistable": lambda t, u: 5 * u * (1 - u) * (u - 0.4),
    "of time": lambda t, u: np.cos(3 * t) * np.ones_like(u),
    "of both": lambda t, u: np.cos(3 * t) * u,
    "mean": lambda t, u: 2 * (u.mean() - u),
    "neighbours": lambda t, u: 2 * (np.roll(u, 5) - u),
    "exponential": lambda t, u: np.exp(u),
}


@pytest.mark.parametrize("boundary", ["reflecting", "absorbing"])
@pytest.mark.parametrize("name", SOURCES)
def test_the_estimate_is_the_error(name, boundary):
    """As steps become short what is estimated of one is its error, or up to ten times as much.

    A step that forgets defects (sources of time) or the last stage (proportional ones) is off by its whole error.
    """
    u = 0.4 + 0.3 * np.cos(np.pi * (np.arange(32) + 0.5) / 32)
    eq = dc.DiffusionEquation(0.01, spacing=1 / 32, boundary=boundary, source=SOURCES[name])
    lattice = eq.lattice(u.shape)
    for length in (0.2, 0.05):
        found, (estimate,) = after(lattice, u, length, 1)
        error = np.abs(found - reference(eq, u, length)).max()
        assert 0.7 * error <= estimate <= (16 if length == 0.2 else 10) * error


def test_the_estimate_is_exactly_the_error_of_a_quartic_in_time():
    """A quadratic stands for it, and its defects at four times tell the rest; but for rounding of either run."""
    u, x = np.zeros(16), (np.arange(16) + 0.5) / 16
    eq = dc.DiffusionEquation(0.02, spacing=1 / 16, source=lambda t, u: (t**4 - t**3) * np.cos(3 * np.pi * x) + t**3)
    found, (estimate,) = after(eq.lattice(u.shape), u, 1.5, 1)
    error = np.abs(found - reference(eq, u, 1.5)).max()
    assert abs(estimate - error) <= 1e-12 < 1e-4 <= error


@pytest.mark.parametrize("rate", [1.0, -1.0])
def test_the_estimate_is_in_the_limit_the_error_of_a_proportional_reaction(rate):
    """Off by a share of the step, which two steps tell, and by its square."""
    lattice, u = dc.DiffusionEquation(source=lambda t, u: rate * u).lattice((4,)), np.ones(4)
    shares = []
    for length in (0.1, 0.05):
        found, (estimate,) = after(lattice, u, length, 1)
        shares.append(estimate / np.abs(found - math.exp(rate * length)).max())
    assert abs(2 * shares[1] - shares[0] - 1) <= 0.1**2


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing"])
def test_the_estimate_is_the_error_by_transforms(boundary, monkeypatch):
    """They write over what they transform."""
    monkeypatch.setattr(exponential.late, "SINGLE", 0)
    eq, u = tank(boundary), smooth(64)
    found, (estimate,) = after(eq.lattice(u.shape), u, 0.05, 1)
    error = np.abs(found - reference(eq, u, 0.05)).max()
    assert 0.7 * error <= estimate <= 10 * error


def counted(source):
    """Return the source and a list that grows with its calls."""
    calls = []

    def call(t, u):
        calls.append(t)
        return source(t, u)

    return call, calls


def test_fine_cells_do_not_shorten_steps():
    """Explicit steps of order 5 would need 4000 of them, six calls each; stabilised ones some 2000 calls."""
    source, calls = counted(lambda t, u: u * (1 - u) * (u - 0.4))
    u = smooth(64) / 2
    eq = dc.DiffusionEquation(1.0, spacing=1 / 64, source=source)
    found = eq.evolve(u, 1.0, tolerance=1e-6)
    assert len(calls) < 500
    exact = eq.evolve(u, 1.0, "implicit", tolerance=1e-9)
    assert np.abs(found - exact).max() <= 1e-6 * np.ptp(u)


def test_rounding_does_not_grow_where_a_front_has_not_come():
    """After 60 times of growth 1e-16 would be 1e10: far from the drop nothing is, as along explicit steps."""
    x = np.arange(300.0)
    eq = dc.DiffusionEquation(1.0, source=lambda t, u: 4 * u * (1 - u))
    drop = np.exp(-((x / 3) ** 2) / 2) * (x < 20)
    late = eq.evolve(drop, 15.0, tolerance=1e-3)
    steps = exponential.Steps(eq.lattice(x.shape), 1e-3)
    steps.accept(Clock(0.0, 15.0), 0.0, drop)
    assert steps.longest == 0
    # no front of u_t = u_xx + r u (1 - u) is ahead of exp(r t - x^2 / 4 t) by its linear equation; on cells it is
    # exp(r t) times the lattice's heat kernel, below (e t / x)^x for x > 2 t
    assert 0 <= late[250:].max() <= math.exp(4 * 15) * (2 * math.e * 15 / 230) ** 230 + 1e-300


def overflow(*_):
    raise Overflow


def test_a_run_that_may_drown_goes_on_with_other_steps():
    u = np.exp(-((np.arange(200.0) / 4) ** 2))
    eq = dc.DiffusionEquation(1.0, source=lambda t, u: u * (1 - u) if t >= 1 else 0 * u)
    steps = switching.Steps(eq.lattice(u.shape), 3.0, 1e-4)
    steps.accept(Clock(0.0, 3.0), 0.0, u)
    one = next(kind for kind in steps.kinds if isinstance(kind, exponential.Steps))
    assert one.longest > 0
    steps.change(one, 0.1)
    one.steps = 0
    steps.accept(Clock(0.0, 3.0), 1.5, u)
    assert steps.now is steps.kinds[0]


@pytest.mark.parametrize(("cost", "leaves"), [(1.0, True), (1e-9, False)])
def test_steps_that_do_not_converge_are_left_to_what_is_cheaper(cost, leaves, monkeypatch):
    u = np.cos(np.arange(9.0))
    steps = switching.Steps(dc.DiffusionEquation(source=lambda t, u: -u).lattice(u.shape), 3.0, 1e-4)
    steps.accept(Clock(0.0, 3.0), 0.0, u)
    for kind in steps.kinds:
        monkeypatch.setattr(type(kind), "cost", lambda self, step: cost if self is one else 1e-3)
    explicit, _, *others = steps.kinds
    assert [type(one) for one in others] == [exponential.Steps, implicit.Steps]
    for one in others:
        steps.change(one, 0.1)
        monkeypatch.setattr(type(one), "attempt", overflow)
        with pytest.raises(Overflow):
            steps.attempt(Clock(0.0, 3.0), 0.0, u, u, 0.1, 1.0)
        assert steps.now is (explicit if leaves else one)


@pytest.mark.parametrize("before", [0.1, -0.1])
@pytest.mark.parametrize("jumps", [(), (1.0,)])
def test_late_growth_meets_no_rounding(before, jumps):
    u = np.exp(-((np.arange(200.0) / 4) ** 2))
    eq = dc.DiffusionEquation(1.0, source=lambda t, u: (40.0 if t >= 1 else before) * u * (1 - u))
    assert 0 <= eq.evolve(u, 3.0, tolerance=1e-4, jumps=jumps)[-1] <= 1e-12


def test_what_a_look_at_a_reaction_tells():
    """The steepest slopes either way, within a difference quotient's rounding; of cells that follow others one bound.

    The mean of nine less each damps by 2, of which a cell's own share is 16/9; steps of the power method add a fifth.
    """
    slopes, u = np.linspace(-2, 3, 9), np.cos(np.arange(9.0))

    def look(source):
        steps = exponential.Steps(dc.DiffusionEquation(0.1, source=source).lattice((9,)), 1e-3)
        steps.accept(Clock(0.0, 1.0), 0.0, u)
        return steps

    alone, coupled = look(lambda t, u: slopes * u), look(lambda t, u: 2 * (u.mean() - u))
    np.testing.assert_allclose([alone.decay, alone.growth, alone.longest], [2, 3, exponential.REACH / 2], rtol=1e-6)
    assert 16 / 9 * (1 - 1e-6) <= coupled.decay == coupled.growth <= 2.4 * (1 + 1e-6)


def test_what_else_is_left_to_other_steps():
    """Diffusivities per cell and drifts have no such modes, and what walls bring in costs the order."""
    for boundary in ("reflecting", "periodic", dc.Neumann(0.3)):
        plain = dc.DiffusionEquation(1.0, boundary=boundary, source=lambda t, u: -u)
        assert exponential.supported(plain.lattice((8, 8)))
    for options in (
        {"diffusivity": (np.linspace(1, 2, 8),)},
        {"diffusivity": 1.0, "velocity": 1.0},
        {"diffusivity": 1.0, "velocity": lambda t: 0.0 * t},  # as it is at the begin
        {"diffusivity": 1.0, "boundary": "absorbing"},
        {"diffusivity": 1.0, "boundary": dc.Robin(1.0, 2.0, 0.0)},
        {"diffusivity": 1.0, "boundary": dc.Neumann(math.sin)},
        {"diffusivity": 1.0, "mask": np.arange(8) > 2},
        {"diffusivity": 1.0, "decay": np.arange(8.0)},
    ):
        assert not exponential.supported(dc.DiffusionEquation(source=lambda t, u: -u, **options).lattice((8,)))


def test_steps_conserve_what_nothing_adds():
    """Between closed walls a reaction that only moves salt leaves its sum as it is, to the rounding of the steps."""
    u = smooth(32)
    eq = dc.DiffusionEquation(1.0, spacing=1 / 32, source=lambda t, u: 3 * (np.roll(u, 1, 0) - u) * u.mean())
    (found,) = control.integrate(
        lambda problem, duration: exponential.Steps(problem, 1e-6), eq.lattice(u.shape), u, 0.0, [0.5]
    )
    assert abs(found.sum() - u.sum()) <= 100 * 8 * np.finfo(float).eps * u.sum()
