"""The laws of propagators, each with its exact domain."""

import itertools

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.propagator import Propagator

MIRRORS = st.sampled_from(["reflecting", "periodic", "absorbing"])


def pair(data, ndim, most=5):
    shapes = strategies.shapes(ndim, most=most)
    return [Propagator(data.draw(strategies.densities(shapes))) for _ in range(2)]


# --- semigroup -------------------------------------------------------------------------------------------------------


@given(st.floats(-3, 3), st.floats(-3, 3))
def test_heat_is_a_semigroup(first, second):
    """K(s) * K(t) = K(s + t), by adding products of the two arrays themselves."""
    s, t = 10.0**first, 10.0**second
    (a,), (b,), (c,) = (Propagator.heat(1.0, time, ndim=1).factors for time in (s, t, s + t))
    both = np.convolve(a, b)
    width = max(both.size, c.size)
    both, c = (np.pad(k, (width - k.size) // 2) for k in (both, c))
    np.testing.assert_allclose(both, c, rtol=0, atol=1e-14)
    assert Propagator.heat(1.0, s).compose(Propagator.heat(1.0, t)) == Propagator.heat(1.0, s + t)


@given(st.floats(-3, 3), st.floats(0.01, 5))
def test_fractional_powers_of_heat(exponent, n):
    t = 10.0**exponent
    ours, theirs = Propagator.heat(1.0, t, ndim=1).power(n), Propagator.heat(1.0, t * n, ndim=1)
    assert ours.shape == theirs.shape
    np.testing.assert_allclose(ours.density, theirs.density, rtol=1e-12)


def test_a_sampled_gaussian_is_not_a_semigroup():
    """The law is worth having: sampling a Gaussian breaks it by one part in ten, at small times."""

    def sampled(t):
        return Propagator.normalized(np.exp(-(np.arange(-20, 21) ** 2) / (4 * t)))

    wrong = sampled(0.1).compose(sampled(0.1)).density[20:61] - sampled(0.2).density
    assert np.abs(wrong).max() > 0.01


# --- moments ---------------------------------------------------------------------------------------------------------


@given(st.data(), st.integers(1, 3))
def test_means_and_covariances_add(data, ndim):
    p, q = pair(data, ndim)
    both = p.compose(q)
    np.testing.assert_allclose(both.mean, p.mean + q.mean, rtol=0, atol=1e-13)
    np.testing.assert_allclose(both.covariance, p.covariance + q.covariance, rtol=0, atol=1e-12)


@given(st.data(), st.integers(1, 2), st.integers(0, 12))
def test_moments_grow_with_the_power(data, ndim, n):
    p, _ = pair(data, ndim, 4)
    np.testing.assert_allclose(p.power(n).mean, n * p.mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(p.power(n).covariance, n * p.covariance, rtol=0, atol=1e-11)
    assert abs(p.power(n).density.sum() - 1) <= 1e-12


@given(st.floats(-6, 4), st.floats(-6, 3), st.floats(-3, 3))
def test_a_heat_kernel_tells_its_diffusivity(time, number, width):
    """Law 8, with units: D = Cov Δx² / 2t."""
    duration, spacing = 10.0**time, 10.0**width
    diffusivity = 10.0**number * spacing**2 / duration
    p = Propagator.heat(diffusivity, duration, spacing)
    np.testing.assert_allclose(p.diffusivity(duration, spacing), np.diag([diffusivity] * 2), rtol=1e-12)
    assert not p.drift(duration, spacing).any()


@given(st.data(), st.integers(1, 3))
def test_entropy_does_not_fall_and_adds_at_most(data, ndim):
    p, q = pair(data, ndim)
    both = p.compose(q).entropy
    assert max(p.entropy, q.entropy) - 1e-13 <= both <= p.entropy + q.entropy + 1e-13


@given(st.data(), st.integers(1, 3))
def test_compose_commutes_and_associates(data, ndim):
    p, q = pair(data, ndim, 4)
    r = Propagator(data.draw(strategies.densities(strategies.shapes(ndim, most=3))))
    np.testing.assert_allclose(p.compose(q).density, q.compose(p).density, rtol=1e-13)
    left, right = p.compose(q).compose(r).density, p.compose(q.compose(r)).density
    np.testing.assert_allclose(left, right, rtol=1e-13, atol=0)


# --- with convolve ---------------------------------------------------------------------------------------------------


@given(st.data(), strategies.shapes((1, 3), most=8))
def test_two_steps_are_one_on_a_ring(data, shape):
    u = data.draw(strategies.fields(shape))
    p, q = pair(data, u.ndim, 6 if u.ndim < 3 else 4)
    twice = dc.convolve(dc.convolve(u, p, boundary="periodic"), q, boundary="periodic")
    once = dc.convolve(u, p.compose(q), boundary="periodic")
    np.testing.assert_allclose(twice, once, rtol=0, atol=1e-12 * np.abs(u).max())


@given(st.data(), strategies.shapes((1, 3), most=8))
def test_two_steps_are_one_behind_walls_for_mirrored_kernels(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(st.tuples(*[MIRRORS] * u.ndim))
    p, q = (Propagator(data.draw(strategies.mirrored_densities(u.ndim))) for _ in range(2))
    twice = dc.convolve(dc.convolve(u, p, boundary=names), q, boundary=names)
    once = dc.convolve(u, p.compose(q), boundary=names)
    np.testing.assert_allclose(twice, once, rtol=0, atol=1e-12 * np.abs(u).max())


@pytest.mark.parametrize(("boundary", "density"), [("reflecting", [0.0, 0.0, 1.0]), ("zero", [0.5, 0.0, 0.5])])
def test_outside_its_domain_the_law_fails(boundary, density):
    """A one-sided kernel at a mirror, any kernel at an open edge: two steps are not one."""
    u, p = np.array([1.0, 2.0, 4.0, 8.0]), Propagator(density)
    twice = dc.convolve(dc.convolve(u, p, boundary=boundary), p, boundary=boundary)
    assert np.abs(twice - dc.convolve(u, p.compose(p), boundary=boundary)).max() > 0.1


def test_mirrored_means_each_axis_alone():
    """p(1, 1) = p(-1, -1) = 1/2 is its own mirror image through the origin, and yet two steps are not one."""
    u, p = np.arange(9.0).reshape(3, 3) ** 2, Propagator([[0.5, 0, 0], [0, 0, 0], [0, 0, 0.5]])
    twice = dc.convolve(dc.convolve(u, p), p)
    assert np.abs(twice - dc.convolve(u, p.compose(p))).max() > 0.1


@given(st.data(), strategies.shapes((1, 3), most=8))
def test_salt_is_neither_made_nor_lost(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(st.tuples(*[st.sampled_from(["reflecting", "periodic"])] * u.ndim))
    p = Propagator(data.draw(strategies.mirrored_densities(u.ndim)))
    total = dc.convolve(u, p, boundary=names).sum()
    np.testing.assert_allclose(total, u.sum(), rtol=0, atol=1e-12 * np.abs(u).sum() + 1e-300)


@given(st.data(), strategies.shapes((1, 3), most=8))
def test_the_maximum_principle(data, shape):
    u = data.draw(strategies.fields(shape))
    names = data.draw(st.tuples(*[st.sampled_from(["reflecting", "periodic"])] * u.ndim))
    p, _ = pair(data, u.ndim)
    after = dc.convolve(u, p, boundary=names)
    slack = 1e-12 * np.abs(u).max()
    assert u.min() - slack <= after.min() <= after.max() <= u.max() + slack


# --- with the diffusion equation -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_an_unstable_step_cannot_be_built(ndim):
    """An explicit step has r at 2 ndim neighbours and 1 - 2 ndim r in the centre: a density up to r = 1/(2 ndim)."""

    def stencil(r):
        k = np.zeros((3,) * ndim)
        for axis, side in itertools.product(range(ndim), (0, 2)):
            k[tuple(side if a == axis else 1 for a in range(ndim))] = r
        k[(1,) * ndim] = 1 - 2 * ndim * r
        return k

    limit = 1 / (2 * ndim)
    at_limit = Propagator(np.maximum(stencil(limit), 0.0))  # 1 - 6 (1/6) need not be 0 to the last bit
    np.testing.assert_allclose(at_limit.diffusivity(1.0), limit * np.eye(ndim), atol=1e-15)
    with pytest.raises(ValueError, match="negative"):
        Propagator(stencil(limit * (1 + 1e-9)))


@given(st.integers(1, 40))
def test_stencil_powers_are_powers_of_modes(n):
    """λⁿ with λ = 1 - 4r sin²(πk/2N) behind mirrors, on each mode."""
    r, size, k = 0.25, 9, 3
    p = Propagator([r, 1 - 2 * r, r]).power(n)
    mode = np.cos(np.pi * k * (np.arange(size) + 0.5) / size)
    factor = 1 - 4 * r * np.sin(np.pi * k / (2 * size)) ** 2
    np.testing.assert_allclose(dc.convolve(mode, p), factor**n * mode, rtol=0, atol=1e-13)


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize("duration", [1e-3, 0.5, 20.0, 3000.0])
def test_heat_damps_modes_exactly(boundary, duration):
    """On a box a heat kernel multiplies each mode by exp(-D t λ / Δx²), even where it is wider than the box."""
    spacing, diffusivity = 0.5, 0.3
    shape = (12, 10)
    p = Propagator.heat(diffusivity, duration, spacing)
    u = np.random.default_rng(1).normal(size=shape)
    rates = np.add.outer(*(dc.boundary.eigenvalues(n, boundary) for n in shape)) / spacing**2
    names = (boundary, boundary)
    modes = dc.boundary.transform(u, names)
    damped = modes * np.exp(-diffusivity * duration * rates[:, : modes.shape[1]])
    expected = dc.boundary.inverse_transform(damped, shape, names)
    np.testing.assert_allclose(dc.convolve(u, p, boundary=boundary), expected, rtol=0, atol=1e-12 * np.abs(u).max())


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", "absorbing", ("periodic", "reflecting")])
@pytest.mark.parametrize("duration", [0.0, 1e-3, 2.0, 500.0])
def test_one_convolution_is_the_whole_evolution(boundary, duration):
    eq = dc.DiffusionEquation([0.3, 0.7], spacing=[1.0, 0.5], boundary=boundary)
    u = np.random.default_rng(2).normal(size=(14, 9))
    p = eq.propagator(duration)
    assert p == Propagator.heat([0.3, 0.7], duration, [1.0, 0.5])
    ours = dc.convolve(u, p, boundary=boundary)
    np.testing.assert_allclose(ours, eq.evolve(u, duration), rtol=0, atol=1e-12 * np.abs(u).max())


@pytest.mark.parametrize("ndim", [1, 3])
def test_open_sea_far_away(ndim):
    """Where no salt has reached the wall, the sea beyond makes no difference."""
    eq = dc.DiffusionEquation(0.5, boundary="zero")
    u = np.zeros((41,) * ndim)
    u[(20,) * ndim] = 7.0
    ours = dc.convolve(u, eq.propagator(2.0, ndim), boundary="zero")
    np.testing.assert_allclose(ours, eq.evolve(u, 2.0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": 1.0}, "source must be None"),
        ({"barriers": [np.zeros(3, dtype=bool)]}, "barriers must be None"),
        ({"mask": np.ones(4, dtype=bool)}, "mask must be None"),
        ({"diffusivity": np.ones((4, 4))}, "diffusivity must be one number, or one for each axis"),
        ({"diffusivity": (np.ones((4, 4)), 1.0)}, "diffusivity must be one number, or one for each axis"),
        ({"boundary": dc.Dirichlet(1.0)}, "boundary must be given by name"),
        ({"boundary": (("reflecting", dc.Neumann(1.0)),)}, "boundary must be given by name"),
    ],
)
def test_no_propagator_for_uneven_tanks(options, words):
    with pytest.raises(ValueError, match=words):
        dc.DiffusionEquation(**options).propagator(1.0)


def test_the_axes_of_a_propagator():
    assert dc.DiffusionEquation().propagator(1.0).ndim == 2
    assert dc.DiffusionEquation().propagator(1.0, ndim=1).ndim == 1
    assert dc.DiffusionEquation(boundary=("reflecting",)).propagator(1.0).ndim == 1
    assert dc.DiffusionEquation(spacing=(1.0, 2.0, 3.0)).propagator(1.0).ndim == 3
