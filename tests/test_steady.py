"""The limit of long times, against least squares on an operator written down cell by cell, and against waiting."""

from fractions import Fraction

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
        (dc.DiffusionEquation(source=1.7e308), np.ones((3, 3)), r"^steady_state needs sources .* got \+1\.7e\+308 per"),
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


def exactly(matrix, losses, right):
    """Return the solution of ``(losses - matrix) x = right`` in fractions, of rates between cells."""
    n = len(right)
    rows = [[-Fraction(float(rate)) for rate in row] for row in matrix]
    for i, row in enumerate(rows):
        row[i] = Fraction(float(losses[i])) - sum(row[:i]) - sum(row[i + 1 :])
        row.append(Fraction(float(right[i])))
    for i in range(n):
        pivot = next(k for k in range(i, n) if rows[k][i])
        rows[i], rows[pivot] = rows[pivot], [entry / rows[pivot][i] for entry in rows[pivot]]
        if pivot != i:
            rows[pivot], rows[i] = rows[i], rows[pivot]
            rows[i] = [entry / rows[i][i] for entry in rows[i]]
        for k in range(n):
            if k != i and rows[k][i]:
                rows[k] = [one - rows[k][i] * other for one, other in zip(rows[k], rows[i], strict=True)]
    return np.array([float(row[-1]) for row in rows])


@pytest.mark.parametrize("unit", [1e-25, 1.0, 1e25])
@pytest.mark.parametrize("d", [[[2.0, 0.7], [0.7, 1.0]], [[3.0, 1.6], [1.6, 1.0]], [[1.0, 0.0], [0.0, 1e-14]]])
def test_any_unit_of_length_and_of_values(d, unit):
    """Rates of 1e50, values of 1e-300, walls that are slow next to other faces: none is lost in a product or a sum."""
    for value in (1e-300, 1.0, 1e250):
        eq = dc.DiffusionEquation(np.array(d), unit, ("reflecting", (dc.Dirichlet(value), dc.Dirichlet(3 * value))))
        lattice = eq.lattice((3, 3))
        wall = float(lattice.rates[1].reshape(-1)[0])
        right = np.tile([wall, 0.0, 3 * wall], 3)
        expected = value * exactly(lattice.matrix().toarray(), np.tile([wall, 0.0, wall], 3), right)
        got = eq.steady_state(np.ones((3, 3)))
        np.testing.assert_allclose(got.ravel(), expected, rtol=1e-11)


@pytest.mark.parametrize("decay", [1e-40, 1e-19, 1e-3, 1e30])
def test_what_is_slow_beside_exchanges_counts_as_much(decay):
    """However slow, decay empties a tank in the end; a source that it holds is found, or refused where digits end."""
    u = np.arange(6.0).reshape(2, 3)
    assert not dc.DiffusionEquation(1e9, decay=decay).steady_state(u).any()
    eq = dc.DiffusionEquation(1e9, decay=decay, source=np.array([[1.0, 0, 0], [0, 0, 5.0]]))
    if decay < 1e-18:
        with pytest.raises(ValueError, match=r"^steady_state needs rates whose ratios"):
            eq.steady_state(u)
        return
    level = eq.steady_state(u)
    assert level.sum() * decay == pytest.approx(6.0, rel=1e-9)


def test_exchanges_that_cancel_are_refused_where_rounding_decides():
    """Rates along both axes 1e69 apart, and a mixed part between: of the slow ones no digit is left in a sum."""
    tensor = np.array([[1.2e-3, -1.15e-4], [-1.15e-4, 5.4e-4]])
    for sides in (("reflecting", dc.Dirichlet(1.0)), (dc.Dirichlet(2.0), dc.Dirichlet(1.0))):
        eq = dc.DiffusionEquation(tensor, (27439.0, 1e-30), (sides, "reflecting"))
        with pytest.raises(ValueError, match=r"^steady_state needs rates whose ratios"):
            eq.steady_state(np.ones((4, 3)))


def test_closed_and_open_parts_of_very_different_values():
    shut = np.array([[False, True, False]])
    ends = dc.Dirichlet(1e-200), "reflecting"
    eq = dc.DiffusionEquation(1.0, boundary=("reflecting", ends), barriers=(np.zeros((0, 4), bool), shut))
    got = eq.steady_state([[7.0, 8.0, 1e200, 3e200]])
    np.testing.assert_allclose(got, [[1e-200, 1e-200, 2e200, 2e200]], rtol=1e-13)


def test_a_barrier_across_an_axis_of_one_cell_has_no_face_to_open_or_to_let_through():
    none = np.zeros((0, 4))
    barrier = dc.Barrier(none.astype(bool), permeability=none, lifted_at=none)
    eq = dc.DiffusionEquation(1.0, barriers=(barrier, None))
    np.testing.assert_allclose(eq.steady_state([[1.0, 2.0, 4.0, 5.0]]), 3.0, rtol=1e-14)
