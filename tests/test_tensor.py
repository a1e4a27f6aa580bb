"""Tensor diffusivities: moments, symmetry, conservation."""

import numpy as np
import pytest
import scipy.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc


@pytest.mark.parametrize("boundary", ["periodic", "reflecting"])
@pytest.mark.parametrize(
    "tensor", [[[2.0, 0.7], [0.7, 1.0]], [[2.0, -0.7], [-0.7, 1.0]], [[3.0, 1.6], [1.6, 1.0]]], ids=["+", "-", "steep"]
)
def test_tensor_is_conservative_symmetric_and_has_the_right_moments(tensor, boundary):
    tensor = np.array(tensor)
    eq = dc.DiffusionEquation(tensor, 0.5, boundary)
    a = eq.operator((9, 9)).matrix.toarray()
    np.testing.assert_allclose(a, a.T, rtol=0, atol=0)
    np.testing.assert_allclose(a.sum(axis=0), 0, atol=1e-13)
    assert np.linalg.eigvalsh(a).max() <= 1e-13 * np.abs(a).max()
    assert -np.linalg.eigvalsh(a).min() <= eq.operator((9, 9)).lattice.largest_rate
    u = np.zeros((9, 9))
    u[4, 4] = 1
    change, x = (a @ u.ravel()).reshape(9, 9), 0.5 * (np.arange(9) - 4)
    second = [[(change * np.multiply.outer(x**2, x**0)).sum(), (change * np.multiply.outer(x, x)).sum()]]
    np.testing.assert_allclose(second, 2 * tensor[:1], rtol=1e-13)
    non_negative = abs(tensor[0, 1]) <= min(tensor[0, 0], tensor[1, 1])
    assert ((a - np.diag(np.diag(a))).min() >= 0) == non_negative
    after = eq.evolve(u, 0.5, "explicit")
    np.testing.assert_allclose(after, scipy.linalg.expm(0.5 * a).reshape(9, 9, 9, 9)[4, 4], atol=0.02)
    assert after.sum() == pytest.approx(1, abs=1e-13)
    if non_negative:
        assert after.min() >= 0
        if boundary == "periodic":
            moved = dc.convolve(u, eq.propagator(0.5), boundary="periodic")
            np.testing.assert_allclose(
                moved, (scipy.linalg.expm(0.5 * a) @ u.ravel()).reshape(9, 9), rtol=0, atol=1e-13
            )
    else:
        with pytest.raises(ValueError, match="is negative"):
            eq.propagator(0.5)


@pytest.mark.parametrize("boundary", ["periodic", "reflecting", ("reflecting", "periodic")])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("d", [[[2.0, 0.7], [0.7, 1.0]], [[2.0, -0.7], [-0.7, 1.0]], [[3.0, 1.6], [1.6, 1.0]]])
def test_every_exchange_of_a_tensor_written_down_cell_by_cell(d, masked, boundary):
    """As its module says: along the diagonal of the mixed part's sign, or half of it along each where that is large.

    Those, half of which takes, need all four cells of their block.
    """
    shape, spacing = (4, 5), (0.9, 1.1)
    wet = np.random.default_rng(3).random(shape) < 0.8 if masked else np.ones(shape, bool)
    names = boundary if isinstance(boundary, tuple) else (boundary,) * 2
    rates = np.array(d) / np.multiply.outer(spacing, spacing)
    mixed = rates[0, 1]
    if abs(mixed) <= min(rates[0, 0], rates[1, 1]):
        neighbours = {
            (1, 0): rates[0, 0] - abs(mixed),
            (0, 1): rates[1, 1] - abs(mixed),
            (1, int(np.sign(mixed))): abs(mixed),
        }
    else:
        neighbours = {(1, 0): rates[0, 0], (0, 1): rates[1, 1], (1, 1): mixed / 2, (1, -1): -mixed / 2}

    def is_wet(cell):
        return all(0 <= i < n for i, n in zip(cell, shape, strict=True)) and wet[tuple(cell)]

    expected = np.zeros((20, 20))
    for cell in np.argwhere(wet):
        for offset, rate in neighbours.items():
            for step in (np.array(offset), -np.array(offset)):
                there, across, down = (
                    [i % n if name == "periodic" else i for i, n, name in zip(cell + part, shape, names, strict=True)]
                    for part in (step, step * (0, 1), step * (1, 0))
                )
                whole = min(neighbours.values()) >= 0 or (is_wet(across) and is_wet(down))
                if whole and is_wet(there):
                    here = np.ravel_multi_index(cell, shape)
                    expected[here, np.ravel_multi_index(there, shape)] += rate
                    expected[here, here] -= rate
    eq = dc.DiffusionEquation(np.array(d), spacing, boundary, mask=wet if masked else None)
    np.testing.assert_allclose(eq.operator(shape).matrix.toarray(), expected, rtol=0, atol=1e-14 * abs(expected).max())


@given(st.data())
def test_no_mode_of_a_tensor_grows_whatever_is_masked(data):
    """However nearly singular it is: eigenvalues above 0 were seen where blocks of four cells are partly dry."""
    ndim = data.draw(st.integers(2, 3))
    shape = data.draw(strategies.shapes(ndim, most=5 if ndim == 2 else 4).filter(lambda shape: shape != (ndim,) * ndim))
    tensor = data.draw(strategies.tensors(ndim))
    mask, boundary = data.draw(strategies.masks(shape)), data.draw(strategies.boundaries(ndim))
    spacing = data.draw(st.tuples(*[st.floats(0.3, 3.0)] * ndim))
    a = dc.DiffusionEquation(tensor, spacing, boundary, mask=mask).operator(shape).matrix.toarray()
    np.testing.assert_allclose(a, a.T, rtol=0, atol=1e-15 * abs(a).max())
    assert np.linalg.eigvalsh(a).max() <= len(a) * 2**-52 * abs(a).max() * 10  # backward stable to some n EPS


def test_no_mode_of_a_tensor_grows_on_sheets_that_cross():
    """Where whole blocks of four cells are enough, whatever their cubes, one grows here at 8e-4 of the largest rate."""
    _, b, c = np.indices((8, 8, 8))
    eq = dc.DiffusionEquation(np.ones((3, 3)) + 0.01 * np.eye(3), mask=(b % 2 == 0) | (c % 2 == 0))
    a = eq.operator((8, 8, 8)).matrix.toarray()
    assert np.linalg.eigvalsh(a).max() <= 1e-12 * abs(a).max()


@pytest.mark.parametrize("shape", [(5, 4), (3, 4, 5), (4, 1, 3)])
def test_a_dry_frame_around_a_tank_is_a_wall(shape):
    """Also for tensors whose mixed part is taken along one diagonal; and a mask without dry cells is none."""
    ndim, wide = len(shape), tuple(n + 2 for n in shape)
    tensor = np.array([[3.0, 1.6, -0.9], [1.6, 1.0, -0.45], [-0.9, -0.45, 0.6]])[:ndim, :ndim]
    spacing, mask = (0.9, 1.1, 1.3)[:ndim], np.zeros(wide, bool)
    mask[(slice(1, -1),) * ndim] = True
    tank = dc.DiffusionEquation(tensor, spacing).operator(shape).matrix.toarray()
    within = np.flatnonzero(mask)
    framed = dc.DiffusionEquation(tensor, spacing, "periodic", mask=mask).operator(wide).matrix.toarray()
    np.testing.assert_allclose(framed[np.ix_(within, within)], tank, rtol=0, atol=1e-15 * abs(tank).max())
    wet = dc.DiffusionEquation(tensor, spacing, "periodic", mask=np.ones(wide, bool)).operator(wide).matrix.toarray()
    open_ = dc.DiffusionEquation(tensor, spacing, "periodic").operator(wide).matrix.toarray()
    np.testing.assert_allclose(wet, open_, rtol=0, atol=1e-15 * abs(open_).max())


def test_a_tensor_with_a_negative_part_on_a_masked_row_of_two_cells():
    """Its shape is that of faces, too, whose diffusivity no negative number can be."""
    tensor = np.array([[0.8, -0.3], [-0.3, 0.2]])
    u = dc.DiffusionEquation(tensor, mask=np.ones((1, 2), bool)).evolve([[1.0, 0.0]], 0.5)
    np.testing.assert_allclose(u, dc.DiffusionEquation(tensor).evolve([[1.0, 0.0]], 0.5), rtol=0, atol=1e-9)


def test_tensor_in_three_dimensions_and_behind_a_mask():
    tensor = np.array([[2, 0.5, 0.3], [0.5, 1, -0.2], [0.3, -0.2, 1.5]])
    mask = np.random.default_rng(0).random((4, 3, 5)) < 0.8
    eq = dc.DiffusionEquation(tensor, (1, 1.2, 0.9), ("reflecting", "periodic", "reflecting"), mask=mask)
    a = eq.operator(mask.shape).matrix.toarray()
    np.testing.assert_allclose(a, a.T, rtol=0, atol=1e-15)
    np.testing.assert_allclose(a.sum(axis=0), 0, atol=1e-14)
    assert not a[~mask.ravel()].any()
    u = np.random.default_rng(1).random(mask.shape)
    np.testing.assert_allclose(eq.operator(mask.shape) @ u.ravel(), a @ u.ravel(), rtol=0, atol=1e-13)


@pytest.mark.parametrize("velocity", [None, (0.5, -0.3), (7.0, 0.2)], ids=["still", "slow", "upwind"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_the_propagator_of_a_tensor_with_a_drift_is_the_exponential_of_its_rates(velocity, ndim):
    """Its transform is exp(t sum of rates (exp(-ikd) - 1)) over the displacements d of one step."""
    tensor = np.array([[1.0, 0.3, -0.1], [0.3, 0.8, 0.15], [-0.1, 0.15, 0.7]])[:ndim, :ndim]
    spacing, duration = np.array([1.0, 0.9, 1.1])[:ndim], 1.5
    v = None if velocity is None else (*velocity, 0.4)[:ndim]
    eq = dc.DiffusionEquation(tensor, tuple(spacing), "periodic", velocity=v)
    pair = tensor / np.multiply.outer(spacing, spacing)
    left = 2 * np.diag(pair) - abs(pair).sum(axis=1)  # what exchanges along diagonals leave for each axis
    half = np.zeros(ndim) if v is None else np.array(v) / (2 * spacing)
    size = 64 if ndim == 2 else 32
    k = np.meshgrid(*[2 * np.pi * np.fft.fftfreq(size)] * ndim, indexing="ij")
    symbol = sum(
        np.maximum(left[a] + half[a], max(2 * half[a], 0)) * np.expm1(-1j * k[a])
        + np.maximum(left[a] - half[a], max(-2 * half[a], 0)) * np.expm1(1j * k[a])
        for a in range(ndim)
    )
    for a in range(ndim):
        for b in range(a):
            symbol = symbol + 2 * abs(pair[a, b]) * (np.cos(k[a] + np.sign(pair[a, b]) * k[b]) - 1)
    u = np.random.default_rng(0).random((size,) * ndim)
    p = eq.propagator(duration)
    exact = np.fft.ifftn(np.fft.fftn(u) * np.exp(duration * symbol)).real
    np.testing.assert_allclose(dc.convolve(u, p, boundary="periodic"), exact, rtol=0, atol=1e-12)
    if velocity != (7.0, 0.2):
        np.testing.assert_allclose(p.mean, (0 if v is None else np.array(v)) * duration / spacing, rtol=0, atol=1e-12)
        np.testing.assert_allclose(p.covariance, 2 * duration * pair, rtol=0, atol=1e-11)
