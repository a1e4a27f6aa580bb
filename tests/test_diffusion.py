"""The diffusion equation against its definition: the matrix of the lattice, built by plain loops."""

import math

import naive
import numpy as np
import pytest
import scipy.linalg
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc


def matrix(shape, diffusivity, spacing, boundary):
    """Write the lattice operator as a dense matrix, one unit vector at a time."""
    scaled = [s / math.sqrt(d) for s, d in zip(spacing, diffusivity, strict=True)]
    units = np.eye(math.prod(shape)).reshape(-1, *shape)
    return np.array([naive.laplacian(unit, scaled, boundary).ravel() for unit in units]).T


def peak(u):
    return max(1.0, float(np.abs(u).max()))


@given(st.data(), strategies.shapes((1, 3), most=5))
def test_every_scheme_agrees_with_the_matrix(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(strategies.boundaries(u.ndim))
    diffusivity = data.draw(st.tuples(*[st.floats(0.1, 10)] * u.ndim))
    spacing = data.draw(st.tuples(*[st.floats(0.3, 3)] * u.ndim))
    eq = dc.DiffusionEquation(diffusivity, spacing, names)
    lattice = eq.lattice(shape)
    a = matrix(shape, diffusivity, spacing, names)
    scale = peak(u) * max(1.0, lattice.largest_rate)
    np.testing.assert_allclose(lattice.apply(u).ravel(), a @ u.ravel(), rtol=0, atol=1e-14 * scale)
    assert -np.linalg.eigvalsh(a).min() <= lattice.largest_rate * (1 + 1e-12)

    duration = data.draw(st.floats(0, 10)) / max(1.0, lattice.largest_rate)
    exact = (scipy.linalg.expm(duration * a) @ u.ravel()).reshape(shape)
    np.testing.assert_allclose(eq.evolve(u, duration, "spectral"), exact, rtol=0, atol=1e-13 * peak(u))

    limit = eq.stable_time_step(shape)
    steps, share = data.draw(st.integers(0, 9)), data.draw(st.sampled_from([1, 0.9, 0.5]))
    if math.isfinite(limit):
        power = np.linalg.matrix_power(np.eye(u.size) + share * limit * a, steps)
        stepped = eq.evolve(u, steps * share * limit, "explicit", share * limit)
        np.testing.assert_allclose(stepped.ravel(), power @ u.ravel(), rtol=0, atol=1e-13 * peak(u))
        np.testing.assert_allclose(eq.leap(u, steps, share * limit), stepped, rtol=0, atol=1e-13 * peak(u))


def test_a_step_above_the_limit_is_refused():
    eq = dc.DiffusionEquation(2.0, 0.5)
    assert eq.stable_time_step(2) == eq.stable_time_step((9, 9)) == 0.03125
    with pytest.raises(ValueError, match=r"at most the stability limit 0\.03125, got 0\.0313"):
        eq.evolve(np.ones((9, 9)), 1.0, "explicit", 0.0313)
