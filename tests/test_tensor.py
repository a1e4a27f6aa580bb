"""Tensor diffusivities: moments, symmetry, conservation."""

import numpy as np
import pytest
import scipy.linalg

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
