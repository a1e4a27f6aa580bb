"""Convolution of planes in pieces, by loops of our own: against double loops, SciPy, and transforms of the library."""

import math

import numpy as np
import pytest
import scipy.fft
import scipy.signal
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv._jit import fourier as loops
from diffuseconv._jit.machine import MACHINE
from diffuseconv.convolution import fourier, pieces, planes

ROOTS = 5  # units in the last place by which a product with a rounded root of unity, and a sum of four, may be off


def rounding(u, kernel, cut):
    """Bound the rounding of a convolution by transforms (N. J. Higham, section 24.1), of the largest value of a field.

    The error of a transform, in the norm of squares, is at most that of a pass times the passes; there are three
    transforms of rows and columns each. The norms of a piece and of a kernel bound all values of their convolution.
    """
    passes = 3 * sum(math.ceil(math.log(size, 3)) for size in cut.shape) + MACHINE.bytes // u.itemsize
    piece = math.sqrt(2 * math.prod(cut.shape)) * float(np.abs(u).max())
    return ROOTS * passes * np.finfo(u.dtype).eps * piece * float(np.sqrt((kernel.astype(float) ** 2).sum()))


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(st.data())
def test_pieces_of_every_size_are_the_double_loop(dtype, data):
    """Rows and columns of all radices, pieces that the results do not fill, odd numbers of pieces, banks."""
    lanes = MACHINE.bytes // np.dtype(dtype).itemsize
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    rows = data.draw(st.sampled_from([1, 3, 4, 9, 12, 16, 27, 36, 48]))
    columns = lanes * data.draw(st.sampled_from([1, 3, 4, 9, 12]))
    taps = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    results = tuple(data.draw(st.integers(1, n - k + 1)) for n, k in zip((rows, columns), taps, strict=True))
    shape = tuple(data.draw(st.integers(1, 3 * n)) for n in results)
    stack = rng.normal(size=(data.draw(st.integers(1, 3)), *(n + k - 1 for n, k in zip(shape, taps, strict=True))))
    stack, bank = stack.astype(dtype), rng.normal(size=(data.draw(st.integers(1, 2)), *taps)).astype(dtype)
    cut = pieces.Cut((rows, columns), results, 0)
    ours = planes.correlate_planes(stack, bank, cut)
    assert ours.dtype == dtype
    for kernel, sums in zip(bank.astype(float), ours, strict=True):
        for field, found in zip(stack.astype(float), sums, strict=True):
            windows = np.lib.stride_tricks.sliding_window_view(field, taps)
            expected = np.einsum("yxij,ij->yx", windows, kernel)
            np.testing.assert_allclose(found, expected, rtol=0, atol=rounding(stack, kernel, cut))


def test_columns_are_transformed_as_by_the_library():
    """All waves of columns of every radix, in the order of reversed digits."""
    rng, lanes = np.random.default_rng(2), MACHINE.bytes // 8
    for size in (9, 16, 36, 144):
        passes = planes._passes(size, 1, "float64")
        plane = loops.Plane(*map(np.uintp, (size, lanes, lanes)))
        given_fields, waves = rng.normal(size=(2, size, lanes)), np.empty((2, size * lanes))
        windows = planes._windows([(0, 0, 0), (1, 0, 0)], given_fields.shape, (size, lanes))
        field = given_fields.reshape(-1)
        field.flags.writeable = False
        loops.columns_to_waves(field, windows, *waves, plane, passes)
        order = np.zeros(1, int)
        for radix in passes.radices.astype(int)[::-1]:
            order = np.concatenate([first + radix * order for first in range(radix)])
        expected = scipy.fft.fft(given_fields[0] + 1j * given_fields[1], axis=0)[order]
        found = (waves[0] + 1j * waves[1]).reshape(size, lanes)
        bound = ROOTS * 4 * np.finfo(float).eps * np.sqrt((np.abs(expected) ** 2).sum())
        np.testing.assert_allclose(found, expected, rtol=0, atol=bound)


@given(st.data())
def test_pieces_and_one_transform_of_the_library_agree(data):
    """Any boundaries and kernels up to the size of the field, by both."""
    u = data.draw(strategies.fields(strategies.shapes(2, most=40)))
    k = data.draw(strategies.kernels(tuple(data.draw(st.integers(1, n)) for n in u.shape)))
    names = data.draw(strategies.boundaries(2))
    results = []
    for library in (0, math.inf):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(fourier, "LIBRARY", library)
            results.append(dc.convolve(u, k, boundary=names, method="fft"))
    largest = float(np.abs(u).max())
    cut = pieces.Cut((1536, 1536), (1, 1), 0)
    bound = 2 * rounding(np.full(1, largest), k, cut)
    np.testing.assert_allclose(*results, rtol=0, atol=bound)


def test_cuts_hold_all_results_and_fit():
    """Of any field and kernel: pieces are as wide as the kernel needs, and no kernel that is too wide has any."""
    rng = np.random.default_rng(5)
    for _ in range(200):
        shape, taps = tuple(rng.integers(1, 3000, 2).tolist()), tuple(rng.integers(1, 1600, 2).tolist())
        for lanes in (2, 4, 8, 16):
            cut = pieces.cut(shape, taps, lanes)
            widest = [
                max(least * 3**a * 4**b for a in range(8) for b in range(8) if least * 3**a * 4**b <= pieces.LARGEST)
                for least in (1, lanes)
            ]
            assert (cut is None) == any(k > most for k, most in zip(taps, widest, strict=True))
            if cut is not None:
                for size, k, result in zip(cut.shape, taps, cut.results, strict=True):
                    assert size >= k + result - 1


def test_wide_kernels_on_large_planes_against_scipy():
    """A photograph in colour, in many pieces."""
    rng = np.random.default_rng(8)
    photo, k = rng.random((500, 430, 3)), rng.normal(size=(61, 90))
    ours = dc.convolve(photo, k, axes=(0, 1), boundary="zero", method="fft")
    for colour in range(3):
        expected = scipy.signal.oaconvolve(photo[..., colour], k, mode="full")[30:530, 45:475]
        bound = rounding(photo, k, pieces.Cut((1536, 1536), (1, 1), 0))
        np.testing.assert_allclose(ours[..., colour], expected, rtol=0, atol=bound)
