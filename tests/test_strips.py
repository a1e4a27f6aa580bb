"""Explicit steps in strips, on any number of threads, against the matrix."""

import dataclasses
import math

import numba
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from problems import equation, matrices

from diffuseconv.diffusion import strips

EPS = np.finfo(np.float64).eps


def peak(u):
    return max(1.0, float(np.abs(u).max()))


@given(st.data(), strategies.problems((1, 2), most=9), st.booleans())
def test_strips_in_any_number_agree_with_the_matrix(data, problem, constant):
    """Halos of any depth, few and many steps per pass, walls and seams: the same bits for any number of threads.

    A step adds at most 16 roundings of the largest value, and none grows: its weights are >= 0 and sum to 1.
    """
    shape = problem["shape"]
    if constant:
        rate = data.draw(st.floats(0.1, 3))
        problem |= {"diffusivity": np.full(shape, rate), "barriers": None, "mask": None}
    eq = equation(problem)
    if constant:
        eq = dataclasses.replace(eq, diffusivity=rate)
    u = data.draw(strategies.fields(shape, size=10.0))
    steps, threads = data.draw(st.integers(1, 40)), data.draw(st.integers(1, 5))
    limit = eq.stable_time_step(shape)
    step = limit / 2 if math.isfinite(limit) else 0.1
    left, right = matrices(problem)
    expected, largest = u.ravel(), peak(u)
    for _ in range(steps):
        expected = expected + step * (left @ expected + right)
        largest = max(largest, peak(expected), step * peak(right))
    with pytest.MonkeyPatch.context() as patched:
        ends = []
        for count, exchange, cache in ((1, 1 << 16, 1 << 20), (threads, data.draw(st.integers(1, 999)), 1)):
            patched.setattr(numba, "get_num_threads", lambda count=count: count)
            patched.setattr(strips, "SMALLEST_SHARE", 1)
            patched.setattr(strips, "EXCHANGE", exchange)
            patched.setattr(strips, "CACHE", cache)
            ends.append(strips.march(eq.lattice(shape), u, steps, step))
    np.testing.assert_allclose(ends[0].ravel(), expected, rtol=0, atol=16 * EPS * steps * largest)
    assert np.array_equal(*ends)
