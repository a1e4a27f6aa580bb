"""The laws of the diffusion equation: a step is a convolution, n steps are a power, and what stays the same."""

import math

import naive
import numba
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.diffusion import spectral

EPS = np.finfo(np.float64).eps


def peak(u):
    return float(np.abs(u).max())


def stencil(r):
    """Write the density of one explicit step: r to each neighbour, the rest stays."""
    density = np.zeros((3,) * len(r))
    centre = (1,) * len(r)
    density[centre] = 1 - 2 * sum(r)
    for axis, share in enumerate(r):
        for side in (0, 2):
            density[tuple(side if a == axis else 1 for a in range(len(r)))] = share
    return density


def ndimage_step(u, density, name):
    """Convolve by scipy.ndimage; it has no odd reflection, so that one is laid on by hand."""
    if name == "absorbing":
        padded = u
        for axis in range(u.ndim):
            low, high = np.take(padded, [0], axis), np.take(padded, [-1], axis)
            padded = np.concatenate([-low, padded, -high], axis)
        return scipy.ndimage.convolve(padded, density)[(slice(1, -1),) * u.ndim]
    mode = {"reflecting": "reflect", "periodic": "wrap", "zero": "constant"}[name]
    return scipy.ndimage.convolve(u, density, mode=mode)


@given(st.data(), strategies.shapes((1, 3), most=7), strategies.BOUNDARIES, st.floats(0.05, 1))
def test_an_explicit_step_is_a_convolution(data, shape, name, share):
    u = data.draw(strategies.fields(shape))
    diffusivity = data.draw(st.tuples(*[st.floats(0.1, 10)] * u.ndim))
    eq = dc.DiffusionEquation(diffusivity, boundary=name)
    step = share * eq.stable_time_step(u.ndim)
    density = stencil([step * d for d in diffusivity])
    stepped = eq.evolve(u, step, "explicit", step)
    tolerance = 20 * EPS * peak(u)  # 2 * ndim + 2 roundings on either side
    np.testing.assert_allclose(stepped, ndimage_step(u, density, name), rtol=0, atol=tolerance)
    density[(1,) * u.ndim] += 1 - density.sum()
    ours = dc.convolve(u, dc.Propagator.normalized(density), boundary=name)
    np.testing.assert_allclose(stepped, ours, rtol=0, atol=tolerance)


@pytest.mark.parametrize("name", ["reflecting", "periodic", "absorbing", "zero"])
def test_ten_thousand_steps_are_a_power(name):
    """Against transforms and eigenvalues written out here."""
    u = np.random.default_rng(1).random((256, 256))
    n, k = 256, np.arange(256)
    angle = {
        "reflecting": np.pi * k / n,
        "periodic": 2 * np.pi * k / n,
        "absorbing": np.pi * (k + 1) / n,
        "zero": np.pi * (k + 1) / (n + 1),
    }[name]
    decay = 2 - 2 * np.cos(angle)
    factor = (1 - 0.125 * np.add.outer(decay, decay)) ** 10_000
    forward, back, kind = {
        "reflecting": (scipy.fft.dctn, scipy.fft.idctn, {"type": 2}),
        "periodic": (scipy.fft.fftn, scipy.fft.ifftn, {}),
        "absorbing": (scipy.fft.dstn, scipy.fft.idstn, {"type": 2}),
        "zero": (scipy.fft.dstn, scipy.fft.idstn, {"type": 1}),
    }[name]
    power = back(forward(u, **kind) * factor, **kind).real
    eq = dc.DiffusionEquation(boundary=name)
    stepped = eq.evolve(u, 1250.0, "explicit", time_step=0.125)
    np.testing.assert_allclose(stepped, power, rtol=0, atol=1e-12)
    np.testing.assert_allclose(eq.explicit_steps(u, 10_000, 0.125), power, rtol=0, atol=1e-12)
    if name in ("reflecting", "periodic"):
        salt = math.fsum(u.ravel())
        assert abs(math.fsum(stepped.ravel()) - salt) <= 1e-13 * salt


def test_at_the_limit_a_checkerboard_stands():
    """At r = 1/4 the mode (n-1, n-1) is multiplied by -cos(pi/n); at half of that only its smooth rest is left.

    Behind mirrors a checkerboard is not one mode: the others hold less than 1/n of it.
    """
    u = (-1.0) ** np.add.outer(np.arange(256), np.arange(256))
    eq = dc.DiffusionEquation()
    kept = peak(eq.explicit_steps(u, 10_000, eq.stable_time_step(2)))
    assert 0.7 < kept < 0.8
    assert peak(eq.explicit_steps(u, 10_000)) < 1 / 256


METHODS = st.sampled_from(["explicit", "auto"])


def error_of(eq, shape, method, dtype=np.float64):
    """Relative error to allow for: rounding, unless "auto" picks the scheme that is exact to 1e-10 of the range."""
    exact = method == "explicit" or spectral.unsupported(eq.lattice(shape)) is None
    return 200 * np.finfo(dtype).eps + (0.0 if exact else 2e-10)


@given(st.data(), strategies.tanks(leaky=False), METHODS, st.floats(0, 20))
def test_salt_is_conserved(data, tank, method, duration):
    shape, options = tank
    u = data.draw(strategies.fields(shape))
    eq = dc.DiffusionEquation(**options)
    lattice = eq.lattice(shape)
    duration /= max(1.0, lattice.largest_rate)
    after = eq.evolve(u, duration, method)
    assert abs(math.fsum(after.ravel()) - math.fsum(u.ravel())) <= 1e-13 * max(1, np.abs(u).sum())


@given(st.data(), strategies.tanks(), METHODS, st.floats(0, 20), strategies.DTYPES)
def test_no_new_extrema_and_contraction(data, tank, method, duration, dtype):
    """Beside held walls too, at the default step; two solutions never move apart."""
    shape, options = tank
    u, v = data.draw(strategies.fields(shape, dtype)), data.draw(strategies.fields(shape, dtype))
    eq = dc.DiffusionEquation(**options)
    duration /= max(1.0, eq.lattice(shape).largest_rate)
    after, other = eq.evolve(u, duration, method), eq.evolve(v, duration, method)
    assert after.dtype == dtype
    rounding = error_of(eq, shape, method, dtype) * max(1, peak(u), peak(v))
    assert after.max() <= max(0, u.max()) + rounding
    assert after.min() >= min(0, u.min()) - rounding
    for p in (1, 2, np.inf):
        before = np.linalg.norm((u.astype(float) - v).ravel(), p)
        assert np.linalg.norm((after.astype(float) - other).ravel(), p) <= before + rounding * u.size


@given(st.data(), strategies.tanks(), METHODS, strategies.numbers(3.0))
def test_linearity(data, tank, method, factor):
    shape, options = tank
    u, v = data.draw(strategies.fields(shape)), data.draw(strategies.fields(shape))
    eq = dc.DiffusionEquation(**options)
    duration = 3 / max(1.0, eq.lattice(shape).largest_rate)
    together = eq.evolve(u + factor * v, duration, method)
    apart = eq.evolve(u, duration, method) + factor * eq.evolve(v, duration, method)
    tolerance = 2 * error_of(eq, shape, method) * (1 + peak(u) + 4 * peak(v))
    np.testing.assert_allclose(together, apart, rtol=0, atol=tolerance)


@given(st.data(), strategies.shapes((1, 3), most=7), METHODS)
def test_flips_and_swaps_of_axes_commute_with_evolution(data, shape, method):
    u = data.draw(strategies.fields(shape))
    names = data.draw(strategies.boundaries(u.ndim))
    eq = dc.DiffusionEquation(boundary=names)
    after = eq.evolve(u, 0.7, method)
    tolerance = 100 * EPS * max(1, peak(u))
    axis = data.draw(st.integers(0, u.ndim - 1))
    np.testing.assert_allclose(eq.evolve(np.flip(u, axis), 0.7, method), np.flip(after, axis), rtol=0, atol=tolerance)
    turned = dc.DiffusionEquation(boundary=names[::-1]).evolve(u.T, 0.7, method)
    np.testing.assert_allclose(turned, after.T, rtol=0, atol=tolerance)


@given(st.data(), strategies.tanks(), st.integers(0, 9), st.integers(0, 9))
def test_splitting_a_run_changes_nothing(data, tank, first, second):
    shape, options = tank
    u = data.draw(strategies.fields(shape))
    eq = dc.DiffusionEquation(**options)
    step = min(1.0, eq.stable_time_step(shape) / 2)
    tolerance = 200 * EPS * max(1, peak(u))
    stepped = eq.evolve(eq.evolve(u, first * step, "explicit", step), second * step, "explicit", step)
    whole = eq.evolve(u, (first + second) * step, "explicit", step)
    np.testing.assert_allclose(stepped, whole, rtol=0, atol=tolerance)
    if not options["barriers"] and np.ndim(options["diffusivity"]) < 2 and options["mask"] is None:
        free = dc.DiffusionEquation(spacing=options["spacing"], boundary=options["boundary"])
        split = free.evolve(free.evolve(u, 0.3, "spectral"), 0.4, "spectral")
        np.testing.assert_allclose(split, free.evolve(u, 0.7, "spectral"), rtol=0, atol=tolerance)


@given(st.data(), strategies.shapes((1, 3), most=6), st.booleans())
def test_barriers_and_islands_let_nothing_through(data, shape, by_diffusivity):
    """A shut plane of faces, or a layer of cells with D = 0, parts the salt on both sides."""
    axis = data.draw(st.integers(0, len(shape) - 1))
    u = data.draw(strategies.fields(shape, size=10.0))
    n = shape[axis]
    cut = data.draw(st.integers(0, n - 1))
    options = {}
    if by_diffusivity:
        diffusivity = np.ones(shape)
        np.moveaxis(diffusivity, axis, 0)[cut] = 0
        options["diffusivity"] = diffusivity
    else:
        shut = np.zeros(tuple(m - (a == axis) for a, m in enumerate(shape)), dtype=bool)
        np.moveaxis(shut, axis, 0)[cut : cut + 1] = True
        options["barriers"] = [shut if a == axis else None for a in range(len(shape))]
    eq = dc.DiffusionEquation(**options)
    after = np.moveaxis(eq.evolve(u, 5.0, "explicit"), axis, 0)
    before = np.moveaxis(u, axis, 0)
    skip = 0 if by_diffusivity else 1
    for part in (slice(0, cut + skip), slice(cut + 1, n)):
        assert abs(math.fsum(after[part].ravel()) - math.fsum(before[part].ravel())) <= 1e-13 * max(1, np.abs(u).sum())
    if by_diffusivity:
        np.testing.assert_array_equal(after[cut], before[cut])


@given(st.data(), strategies.tanks((1, 2)))
def test_the_operator_is_symmetric_and_never_feeds(data, tank):
    """Against plain loops over cells and their faces in test_diffusion; here: symmetric, rates >= 0, rows <= 0."""
    shape, options = tank
    lattice = dc.DiffusionEquation(**options).lattice(shape)
    matrix = lattice.matrix().toarray()
    np.testing.assert_array_equal(matrix, matrix.T)
    scale = max(1e-300, lattice.largest_rate)
    assert (matrix - np.diag(np.diag(matrix))).min() >= 0
    assert matrix.sum(axis=1).max() <= 10 * EPS * scale
    assert -np.linalg.eigvalsh(matrix).min() <= scale * (1 + 1e-12)
    if options["mask"] is not None:
        assert not matrix[~options["mask"].ravel()].any()


@pytest.mark.parametrize("boundary", ["reflecting", "periodic", ("absorbing", "periodic"), dc.Dirichlet(1.0)])
@pytest.mark.parametrize("varied", [False, True])
def test_the_number_of_threads_changes_no_bit(boundary, varied):
    rng = np.random.default_rng(3)
    u = rng.random((300, 260))
    eq = dc.DiffusionEquation(rng.random(u.shape) + 0.5 if varied else 1.0, boundary=boundary)
    step = eq.stable_time_step(u.shape) / 2
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = eq.evolve(u, 77 * step, "explicit")
        numba.set_num_threads(threads)
        np.testing.assert_array_equal(eq.evolve(u, 77 * step, "explicit"), alone)
    finally:
        numba.set_num_threads(threads)


def test_naive_laplacian_is_what_a_lattice_applies():
    """The plain loops of the oracle, once on a field wide enough for the strips of the compiled loop."""
    u = np.random.default_rng(5).random((19, 23))
    for names in (("reflecting", "absorbing"), ("periodic", "zero")):
        eq = dc.DiffusionEquation(boundary=names, spacing=(1.0, 0.5))
        stepped = u
        for _ in range(3):
            stepped = stepped + 0.01 * naive.laplacian(stepped, (1.0, 0.5), names)
        np.testing.assert_allclose(eq.evolve(u, 0.03, "explicit", 0.01), stepped, rtol=0, atol=1e-14)
