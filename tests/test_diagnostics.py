"""Mass, entropy and energy."""

import math

import numpy as np
import pytest

import diffuseconv as dc


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


def test_entropy_takes_what_a_run_returns_and_no_more():
    u = np.zeros(200)
    u[100] = 1.0
    for eq in (dc.DiffusionEquation(), dc.DiffusionEquation((np.ones(200),), barriers=[np.arange(199) == 50])):
        for time in (0.1, 1.0, 100.0):
            v = eq.evolve(u, time)
            p = v[v > 0] / v.sum()
            assert abs(eq.entropy(v) + (p * np.log(p)).sum()) <= 1e-6 * np.log(200)
    with pytest.raises(ValueError, match="entropy needs a field that is >= 0"):
        dc.DiffusionEquation().entropy([1.0, -0.01])
    with pytest.raises(ValueError, match="entropy needs a field that is >= 0"):
        dc.DiffusionEquation().entropy(np.zeros(3))


def test_totals_need_no_lattice(monkeypatch):
    monkeypatch.setattr(dc.DiffusionEquation, "lattice", None)
    eq = dc.DiffusionEquation(spacing=0.5, boundary=dc.Dirichlet(1.0))
    assert (eq.total_mass(np.ones(4)), eq.energy(np.ones(4))) == (2.0, 1.0)
    assert round(eq.entropy(np.ones(4)), 12) == round(math.log(4), 12)


@pytest.mark.parametrize("order", "<>=")
def test_the_byte_order_of_a_dtype_may_be_named(order):
    u = np.random.default_rng(0).random((3, 4))
    assert dc.DiffusionEquation().total_mass(u.astype(u.dtype.newbyteorder(order))) == math.fsum(u.ravel().tolist())


@pytest.mark.parametrize("coordinates", ["polar", "spherical"])
@pytest.mark.parametrize("spacing", [0.01, 30.0])
def test_the_flux_along_a_radius_is_that_of_its_slope(coordinates, spacing):
    """Per area, however small or large the face is; none through the wall and through the centre."""
    eq = dc.DiffusionEquation(2.0, spacing, coordinates=coordinates)
    (flux,) = eq.flux(3 * spacing * (np.arange(5) + 0.5))
    np.testing.assert_allclose(flux, [0, -6, -6, -6, -6, 0], rtol=1e-13)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("capacity", [None, 3.0, "varying"])
def test_totals_of_graded_cells_are_sums_over_them(masked, capacity):
    """Each cell counts its volume times its capacity, if it is wet."""
    rng = np.random.default_rng(5)
    u, widths = rng.random((3, 4)) + 1, (np.array([0.5, 1.0, 2.0]), 0.7)
    held = 1 + rng.random((3, 4)) if capacity == "varying" else capacity
    mask = rng.random((3, 4)) < 0.7 if masked else None
    eq = dc.DiffusionEquation(0.5, widths, capacity=held, mask=mask, decay=0.2, source=lambda t, v: t - v)
    volume = np.multiply.outer(widths[0], [0.7] * 4) * (1.0 if held is None else held)
    wet = volume * (1.0 if mask is None else mask)
    p = wet * u / (wet * u).sum()
    relative = volume / (wet.sum() / np.count_nonzero(wet))
    assert eq.total_mass(u) == pytest.approx((wet * u).sum(), rel=1e-14)
    assert eq.energy(u) == pytest.approx(0.5 * (wet * u**2).sum(), rel=1e-14)
    expected = -sum(a * math.log(a / b) for a, b in zip(p[p > 0], relative[p > 0], strict=True))
    assert eq.entropy(u) == pytest.approx(expected, rel=1e-13)
    balance = eq.mass_balance(u, 2.0)
    plain = wet / (1.0 if held is None else held)
    assert balance.source == pytest.approx((plain * (2.0 - u - 0.2 * u)).sum(), rel=1e-13)
    assert balance.change == pytest.approx(balance.source, rel=1e-13)
    assert (balance.inflow, balance.outflow) == (0.0, 0.0)


@pytest.mark.parametrize("dtype", ["f8", "f4", ">f8"])
def test_fields_of_packed_records(dtype):
    """Their numbers lie between other bytes, not at multiples of their own size."""
    records = np.zeros((5, 6), [("flag", "u1"), ("salt", dtype)])
    records["salt"] = np.random.default_rng(3).random((5, 6))
    assert not records["salt"].flags.aligned
    tank, whole = dc.DiffusionEquation(), records["salt"].astype(float)
    assert tank.total_mass(records["salt"]) == tank.total_mass(whole)
    assert tank.entropy(records["salt"]) == tank.entropy(whole)
    assert tank.energy(records["salt"]) == tank.energy(whole)
