"""The limit of long times, against least squares on an operator written down cell by cell, and against waiting."""

import numpy as np
import pytest
import scipy.sparse.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st
from problems import equation, matrices

import diffuseconv as dc
from diffuseconv.diffusion import steady


@given(st.data(), strategies.problems(), st.sampled_from([steady.DIRECT, (0, 0, 0)]))
def test_it_is_the_limit(data, problem, direct):
    """Or there is none, and that is said: some closed part of the tank fills up or empties."""
    u = data.draw(strategies.fields(problem["shape"]))
    left, right = matrices(problem)
    rates, modes = np.linalg.eigh(left)
    slow = rates > -1e-9 * max(1.0, -rates.min())
    grows = np.abs(modes[:, slow].T @ right).max(initial=0.0)
    kept = modes[:, slow] @ (modes[:, slow].T @ u.ravel())
    settled = modes[:, ~slow] @ ((modes[:, ~slow].T @ right) / -rates[~slow])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steady, "DIRECT", direct)
        if grows > 1e-9 * max(1.0, np.abs(right).max()):
            with pytest.raises(ValueError, match=r"^steady_state needs sources and fluxes to balance"):
                equation(problem).steady_state(u)
            return
        if grows > 0:  # too little to tell from rounding
            return
        got = equation(problem).steady_state(u)
    stiffness = max(1.0, -rates.min()) / min(1.0, *-rates[~slow]) if (~slow).any() else 1.0
    scale = 1e-12 * stiffness * max(1.0, np.abs(kept).max(), np.abs(settled).max())
    np.testing.assert_allclose(got.ravel(), kept + settled, rtol=0, atol=scale)


def test_waiting_long_gives_the_same():
    rng = np.random.default_rng(0)
    shut = np.zeros((7, 9), dtype=bool)
    shut[3] = True
    tank = {
        "diffusivity": rng.uniform(0.1, 1, (8, 9)),
        "source": rng.random((8, 9)),
        "boundary": ("reflecting", dc.Dirichlet(2.0)),
    }
    door = dc.Barrier(shut, lifted_at=3.0)
    u = rng.random((8, 9))
    for barriers in (None, [shut, None], [door, None]):
        eq = dc.DiffusionEquation(**tank, barriers=barriers)
        np.testing.assert_allclose(eq.steady_state(u), eq.evolve(u, 5000.0), rtol=0, atol=1e-8)
        np.testing.assert_allclose(eq.steady_state(), eq.steady_state(u), rtol=0, atol=1e-12)
    closed = dc.DiffusionEquation(tank["diffusivity"], barriers=[shut, None])
    np.testing.assert_allclose(closed.steady_state(u)[:4], u[:4].mean(), rtol=1e-14)
    assert np.ptp(closed.steady_state(u)[4:]) == 0
    opened = dc.DiffusionEquation(tank["diffusivity"], barriers=[dc.Barrier(shut, 0.0, 2.0), None])
    np.testing.assert_allclose(opened.steady_state(u), u.mean(), rtol=1e-12)


def test_tensors_and_periodic_boxes():
    source = np.random.default_rng(0).random((6, 8))
    source -= source.mean()
    eq = dc.DiffusionEquation(np.array([[1.0, -0.4], [-0.4, 0.7]]), boundary="periodic", source=source)
    u = np.ones((6, 8), dtype=np.float32)
    got = eq.steady_state(u)
    assert got.dtype == np.float32
    assert np.abs(eq.operator(u.shape).rhs(0.0, eq.steady_state(np.ones((6, 8))).ravel())).max() <= 1e-13
    assert abs(got.mean() - 1) <= 1e-6


def test_layers_are_exact():
    """D = 1 | 0.1 | 1 between held walls, and with a flux into one side: straight in each layer."""
    n = 30
    d = np.repeat([1.0, 0.1, 1.0], n)
    x = (np.arange(3 * n) + 0.5) / n
    resistance = np.interp(x, [0, 1, 2, 3], [0, 1, 11, 12])
    held = dc.DiffusionEquation((d,), 1 / n, ((dc.Dirichlet(0.0), dc.Dirichlet(3.0)),))
    np.testing.assert_allclose(held.steady_state(), 3 / 12 * resistance, rtol=0, atol=1e-12)
    flux = dc.DiffusionEquation((d,), 1 / n, ((dc.Dirichlet(1.0), dc.Neumann(0.5)),))
    np.testing.assert_allclose(flux.steady_state(), 1 + 0.5 * resistance, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("eq", "u", "message"),
    [
        (
            dc.DiffusionEquation(source=1.0),
            np.ones((3, 3)),
            r"^steady_state needs sources and fluxes to balance .* got \+1 per",
        ),
        (
            dc.DiffusionEquation(boundary=dc.Neumann(1.0)),
            np.ones((3, 3)),
            r"^steady_state needs sources and fluxes to balance",
        ),
        (
            dc.DiffusionEquation(source=lambda t: t),
            np.ones((3, 3)),
            r"^steady_state needs walls, sources and velocities that",
        ),
        (dc.DiffusionEquation(), None, r"^u must be given for a steady state: no array"),
        (dc.DiffusionEquation(np.ones((4, 4))), None, r"^u must be given for a steady state: no wall lets salt leave"),
        (dc.DiffusionEquation(), [np.nan], r"^u must be finite"),
    ],
)
def test_no_limit_is_said_in_one_line(eq, u, message):
    with pytest.raises(ValueError, match=message) as raised:
        eq.steady_state(u)
    assert "\n" not in str(raised.value)


def test_conjugate_gradients_that_fail_say_so(monkeypatch):
    monkeypatch.setattr(steady, "DIRECT", (0, 0, 0))
    monkeypatch.setattr(scipy.sparse.linalg, "cg", lambda a, b, **options: (b, 7))
    with pytest.raises(RuntimeError, match=r"^conjugate gradients did not reach"):
        dc.DiffusionEquation(np.ones((5, 5)), boundary=dc.Dirichlet(1.0), source=np.ones((5, 5))).steady_state()
