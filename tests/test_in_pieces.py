"""Weighted sums of fields against NumPy's."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv.diffusion import in_pieces

EPS = np.finfo(np.float64).eps


@given(st.data(), st.integers(1, 6), st.integers(1, 8), strategies.shapes((1, 3), most=7))
def test_sums_are_those_of_a_matrix(data, rows, count, shape):
    """A sum of n products is off by at most n roundings of the sum of their sizes; a square one may be in place."""
    weights = data.draw(strategies.fields((rows, count), size=10.0))
    given_fields = data.draw(strategies.fields((count, *shape), size=10.0))
    expected = np.tensordot(weights, given_fields, 1)
    bound = 2 * count * EPS * np.tensordot(np.abs(weights), np.abs(given_fields), 1)
    found = in_pieces.combine(weights, given_fields)
    assert (np.abs(found - expected) <= bound).all()
    if rows == count:
        in_pieces.combine(weights, given_fields, given_fields)
        np.testing.assert_array_equal(given_fields, found)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 100), (41, 51), (200, 201)])
def test_a_multiple_is_added_as_numpy_does(shape, dtype):
    rng = np.random.default_rng(0)
    total, field = rng.random(shape), rng.random(shape).astype(dtype)
    for each in (field, field[:1], field[::-1], np.broadcast_to(field[0, 0], shape)):
        expected = total + 0.3 * each
        in_pieces.add(total, 0.3, each)
        np.testing.assert_array_equal(total, expected)
