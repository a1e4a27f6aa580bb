"""Convolution against plain loops and SciPy: every method, mode, wall, dtype and layout."""

import naive
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.convolution.verbs import METHODS

NDIMAGE_MODES = {"reflecting": "reflect", "periodic": "wrap", "zero": "constant"}
AGREEMENT = {np.dtype(np.float64): 1e-12, np.dtype(np.float32): 1e-5}


def scale(u, k):
    """Bound of the result: Young's inequality."""
    return np.abs(k).sum() * np.abs(u).max()


def assert_agrees(ours, reference, u, k):
    assert ours.shape == reference.shape
    np.testing.assert_allclose(ours, reference, rtol=0, atol=AGREEMENT[ours.dtype] * scale(u, k))


def methods_for(k):
    return [name for name in METHODS if name != "separable"] if rank(k) > 1 else METHODS


def rank(k):
    """1 for products of one factor per axis, by the singular values of every flattening."""
    flat = [np.linalg.matrix_rank(np.moveaxis(k, axis, 0).reshape(k.shape[axis], -1)) for axis in range(k.ndim)]
    return max(flat)


@given(st.data(), strategies.shapes((1, 3), most=6), st.booleans())
def test_every_method_is_the_double_loop(data, shape, flip):
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=5 if u.ndim == 3 else 9)))
    names = data.draw(strategies.boundaries(u.ndim))
    reference = naive.convolve(u, k, names, flip)
    verb = dc.convolve if flip else dc.correlate
    for method in ("auto", "direct", "fft"):
        assert_agrees(verb(u, k, boundary=names, method=method), reference, u, k)


@given(st.data(), strategies.shapes((1, 3), most=6))
def test_separable_is_the_double_loop(data, shape):
    u = data.draw(strategies.fields(shape))
    factors = [data.draw(strategies.kernels(strategies.shapes(1, most=7))) for _ in shape]
    k = factors[0]
    for factor in factors[1:]:
        k = np.multiply.outer(k, factor)
    names = data.draw(strategies.boundaries(u.ndim))
    ours = dc.convolve(u, k, boundary=names, method="separable")
    assert_agrees(ours, naive.convolve(u, k, names), u, k)


@given(st.data(), strategies.shapes((1, 3), most=7))
def test_full_and_valid_are_those_of_scipy_signal(data, shape):
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=5)))
    fits = all(a <= b for a, b in zip(k.shape, u.shape, strict=True))
    for mode in ("full", "valid") if fits else ("full",):
        for verb in ("convolve", "correlate"):
            reference = getattr(scipy.signal, verb)(u, k, mode=mode, method="direct")
            for method in ("direct", "fft"):
                ours = getattr(dc, verb)(u, k, mode=mode, boundary="zero", method=method)
                assert_agrees(ours, reference, u, k)


@pytest.mark.parametrize("name", NDIMAGE_MODES)
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (2, 7), (8, 5)])
def test_same_is_that_of_scipy_ndimage(name, size):
    rng = np.random.default_rng(1)
    u, k = rng.normal(size=(20, 17)), rng.normal(size=size)
    for verb in ("convolve", "correlate"):
        reference = getattr(scipy.ndimage, verb)(u, k, mode=NDIMAGE_MODES[name])
        for method in ("direct", "fft"):
            assert_agrees(getattr(dc, verb)(u, k, boundary=name, method=method), reference, u, k)


def naive_masked(u, known, k, names):
    """Sum the known cells in reach, with weights scaled to the sum of all; beyond a zero wall all is known."""
    even = ["reflecting" if name == "absorbing" else name for name in names]
    share = k.sum() - naive.convolve((~known).astype(float), k, even)
    sums = naive.convolve(np.where(known, u, 0), k, names)
    nothing = naive.convolve((~known).astype(float), (k > 0).astype(float), even) == (k > 0).sum()
    return np.where(nothing, np.nan, sums * k.sum() / np.where(nothing, 1, share))


@given(st.data(), strategies.shapes((1, 3), most=5), st.sampled_from(METHODS))
def test_mask_renormalises_over_what_is_known(data, shape, method):
    u = data.draw(strategies.fields(shape))
    known = data.draw(strategies.masks(shape))
    k = (
        np.ones((1,) * u.ndim)
        if method == "separable"
        else data.draw(strategies.densities(strategies.shapes(u.ndim, most=4)))
    )
    names = data.draw(strategies.boundaries(u.ndim))
    holed = np.where(known, u, np.nan)
    ours = dc.convolve(holed, k, boundary=names, mask=known, method=method)
    # the oracle subtracts shares near 1, which costs it the digits of the smallest weight (1e-3 of at most 64)
    np.testing.assert_allclose(ours, naive_masked(u, known, k, names), rtol=0, atol=1e-10 * np.abs(u).max())
