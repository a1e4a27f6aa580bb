"""Sums over equal taps against their plain twin, to the rounding of so many additions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv._jit.box import sum_across, sum_down
from diffuseconv._jit.convolution import Target
from diffuseconv._jit.machine import MACHINE

INDEX = np.uintp


def plain_sums(values, weight, count, axis):
    """Return weight times the sums of so many neighbours, in float64, one neighbour after the other."""
    size = values.shape[axis] - count + 1
    return weight * sum(np.take(values, range(i, i + size), axis).astype(np.float64) for i in range(count))


def uneven(rng, shape, dtype):
    """Return numbers of both signs and many sizes, of which small ones come after large ones."""
    return (rng.choice([-1.0, 1.0], shape) * rng.random(shape) ** 12).astype(dtype)


def assert_right(sums, values, weight, count, axis):
    """Each product of a weight, which rounds, with a sum of `count` numbers, which rounds once an addition.

    Products below the smallest normal number round to a multiple of the smallest one there is; sums there are exact.
    """
    exact, size = plain_sums(values, weight, count, axis), plain_sums(np.abs(values), weight, count, axis)
    limits = np.finfo(sums.dtype)
    assert np.all(np.abs(sums - exact) <= (count + 1) * limits.eps * size + limits.smallest_subnormal)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(st.integers(1, 40), st.integers(1, 50), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_sums_down_columns(dtype, count, high, wide, seed):
    """Rows beyond the last that sums reach, which are NaN here, do not count."""
    rng, lanes = np.random.default_rng(seed), MACHINE.bytes // np.dtype(dtype).itemsize
    values, weight = uneven(rng, (high + count - 1, wide), dtype), dtype(rng.random())
    pitch = -(-wide // lanes) * lanes
    block = np.full((high + count, pitch), np.nan, dtype)
    block[:-1, :wide] = values
    strip, ends = np.full((high, pitch), np.nan, dtype), np.empty(count * lanes, dtype)
    sums = strip.ravel(), INDEX(high), INDEX(wide), ends
    sum_down(block.ravel(), INDEX(pitch), weight, INDEX(count), *sums)
    assert_right(strip[:, :wide], values, weight, count, axis=0)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@given(st.integers(1, 40), st.integers(1, 8), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_sums_across_rows(dtype, count, high, wide, seed):
    """Sums go to their target alone, and tell whether they are finite."""
    rng, lanes = np.random.default_rng(seed), MACHINE.bytes // np.dtype(dtype).itemsize
    values, weight = uneven(rng, (high, wide + count - 1), dtype), dtype(rng.random())
    pitch = wide + count + 2 * lanes
    strip = np.zeros((high + 1, pitch), dtype)
    strip[:-1, : values.shape[1]] = values
    work, out = np.empty_like(strip), np.full((high + 2, wide + 3), 7, dtype)
    target = Target(INDEX(wide + 4), INDEX(wide + 3), INDEX(high), INDEX(wide))
    rows = strip.ravel(), INDEX(0), INDEX(pitch)
    arguments = *rows, weight, INDEX(count), work.ravel(), out.ravel(), target
    assert sum_across(*arguments) == 0
    assert_right(out[1:-1, 1:-2], values, weight, count, axis=1)
    out[1:-1, 1:-2] = 7
    assert (out == 7).all()
    strip[high - 1, wide // 2] = np.inf
    assert np.isnan(sum_across(*arguments))
