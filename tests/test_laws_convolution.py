"""The laws of convolution, each on its exact domain.

Bounds: a sum of n products is off by at most (n + 2) roundings of the sum of their sizes, so two routes to one number
of size ``b`` differ by far less than ``1e-12 b`` for the sizes drawn here.
"""

import numpy as np
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc

EITHER = st.sampled_from(["periodic", "zero"])


def norm(k):
    return np.abs(k).sum()


def assert_same(ours, theirs, size):
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-12 * size)


@given(st.data(), strategies.shapes((1, 3), most=6), st.floats(-5, 5))
def test_linear_in_field_and_kernel(data, shape, a):
    u, v = data.draw(strategies.fields(shape)), data.draw(strategies.fields(shape))
    taps = data.draw(strategies.shapes(len(shape), most=5))
    k, m = data.draw(strategies.kernels(taps)), data.draw(strategies.kernels(taps))
    names = data.draw(strategies.boundaries(len(shape)))
    size = (norm(k) + norm(m)) * (np.abs(u).max() + np.abs(v).max()) * (1 + abs(a))

    def convolved(u, k):
        return dc.convolve(u, k, boundary=names)

    assert_same(convolved(u + a * v, k), convolved(u, k) + a * convolved(v, k), size)
    assert_same(convolved(u, k + a * m), convolved(u, k) + a * convolved(u, m), size)


@given(st.data(), strategies.shapes((1, 3), most=6))
def test_kernels_commute_on_periodic_fields(data, shape):
    u = data.draw(strategies.fields(shape))
    k, m = (data.draw(strategies.kernels(strategies.shapes(u.ndim, most=5))) for _ in range(2))

    def convolved(u, k):
        return dc.convolve(u, k, boundary="periodic")

    assert_same(convolved(convolved(u, k), m), convolved(convolved(u, m), k), norm(k) * norm(m) * np.abs(u).max())


@given(st.data(), strategies.shapes((1, 3), most=5))
def test_full_convolution_is_commutative_and_associative(data, shape):
    u = data.draw(strategies.kernels(shape))
    k, m = (data.draw(strategies.kernels(strategies.shapes(u.ndim, most=4))) for _ in range(2))

    def full(u, k):
        return dc.convolve(u, k, mode="full", boundary="zero")

    assert_same(full(u, k), full(k, u), norm(k) * norm(u))
    assert_same(full(full(u, k), m), full(u, full(k, m)), norm(u) * norm(k) * norm(m))


@given(st.data(), strategies.shapes((1, 3), most=7))
def test_commutes_with_shifts_on_periodic_fields(data, shape):
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=5)))
    shift = data.draw(st.tuples(*[st.integers(-9, 9)] * u.ndim))
    axes = tuple(range(u.ndim))
    moved = dc.convolve(np.roll(u, shift, axes), k, boundary="periodic")
    assert_same(moved, np.roll(dc.convolve(u, k, boundary="periodic"), shift, axes), norm(k) * np.abs(u).max())


@given(st.data(), strategies.shapes((1, 3), most=6))
def test_youngs_inequality(data, shape):
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=6)))
    names = data.draw(strategies.boundaries(u.ndim))
    assert np.abs(dc.convolve(u, k, boundary=names)).max() <= norm(k) * np.abs(u).max() * (1 + 1e-12)
    for name in ("periodic", "zero"):
        assert norm(dc.convolve(u, k, boundary=name)) <= norm(k) * norm(u) * (1 + 1e-12)


@given(st.data(), strategies.shapes((1, 3), most=6))
def test_densities_conserve_mass(data, shape):
    u = data.draw(strategies.fields(shape))
    p = data.draw(strategies.densities(strategies.shapes(u.ndim, most=6)))
    assert_same(dc.convolve(u, p, boundary="periodic").sum(), u.sum(), norm(u))
    symmetric = p
    for axis in range(p.ndim):
        symmetric = (symmetric + np.flip(symmetric, axis)) / 2
    if all(n % 2 for n in p.shape):
        assert_same(dc.convolve(u, symmetric, boundary="reflecting").sum(), u.sum(), norm(u))


@given(st.data(), strategies.shapes((1, 2), most=8))
def test_two_steps_are_one_step_of_the_composed_propagator(data, shape):
    u = data.draw(strategies.fields(shape))
    p, q = (data.draw(strategies.densities(strategies.shapes(u.ndim, most=5))) for _ in range(2))
    both = dc.Propagator(p).compose(dc.Propagator(q))
    twice = dc.convolve(dc.convolve(u, p, boundary="periodic"), q, boundary="periodic")
    assert_same(twice, dc.convolve(u, both, boundary="periodic"), np.abs(u).max())


@given(st.data(), strategies.shapes((1, 2), most=8), st.sampled_from(["reflecting", "absorbing"]))
def test_two_steps_are_one_behind_walls_for_symmetric_kernels(data, shape, name):
    u = data.draw(strategies.fields(shape))
    pair = []
    for _ in range(2):
        odd = data.draw(st.tuples(*[st.sampled_from([1, 3, 5])] * u.ndim))
        p = data.draw(strategies.densities(odd))
        for axis in range(p.ndim):
            p = (p + np.flip(p, axis)) / 2
        pair.append(p)
    both = dc.Propagator(pair[0]).compose(dc.Propagator(pair[1]))
    twice = dc.convolve(dc.convolve(u, pair[0], boundary=name), pair[1], boundary=name)
    assert_same(twice, dc.convolve(u, both, boundary=name), np.abs(u).max())


@given(st.data(), strategies.shapes((1, 3), most=6), EITHER)
def test_correlation_is_the_adjoint(data, shape, name):
    u, v = data.draw(strategies.fields(shape)), data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=6)))
    left = (dc.convolve(u, k, boundary=name) * v).sum()
    right = (u * dc.correlate(v, k, boundary=name)).sum()
    assert_same(left, right, norm(k) * norm(u) * np.abs(v).max())


@given(st.data(), strategies.shapes((1, 3), most=7))
def test_convolution_theorem(data, shape):
    """On a periodic field each Fourier mode is multiplied by the transform of the kernel."""
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=6)))
    placed = np.zeros(shape)
    for j in np.ndindex(k.shape):
        placed[tuple((a - n // 2) % m for a, n, m in zip(j, k.shape, shape, strict=True))] += k[j]
    modes = np.fft.fftn(dc.convolve(u, k, boundary="periodic"))
    assert_same(modes, np.fft.fftn(u) * np.fft.fftn(placed), norm(k) * norm(u))


@given(st.data(), strategies.shapes((1, 3), most=6))
def test_correlation_is_convolution_with_the_flipped_kernel_of_odd_size(data, shape):
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(st.tuples(*[st.sampled_from([1, 3, 5])] * u.ndim)))
    names = data.draw(strategies.boundaries(u.ndim))
    ours = dc.correlate(u, k, boundary=names)
    assert_same(ours, dc.convolve(u, np.flip(k), boundary=names), norm(k) * np.abs(u).max())


@given(st.data(), strategies.shapes((1, 2), most=9), st.sampled_from(["reflecting", "periodic", "absorbing"]))
def test_maximum_principle_of_densities(data, shape, name):
    u = data.draw(strategies.fields(shape))
    p = data.draw(strategies.densities(strategies.shapes(u.ndim, most=6)))
    spread = dc.convolve(u, p, boundary=name)
    if name == "absorbing":
        assert np.abs(spread).max() <= np.abs(u).max() * (1 + 1e-12)
    else:
        slack = 1e-12 * np.abs(u).max()
        assert u.min() - slack <= spread.min()
        assert spread.max() <= u.max() + slack
