"""Whitening: identity covariance for any table."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv import timeseries as ts

TABLES = st.tuples(st.integers(2, 12), st.integers(1, 5)).flatmap(strategies.fields)


@given(TABLES, st.sampled_from(["pca", "zca"]))
def test_whitening_holds_for_any_table(table, method):
    if np.ptp(table, axis=0).max() <= 1e-12 * np.abs(table).max():  # equal rows up to rounding, or nearly so
        table[1:] = table[0]
        with pytest.raises(ValueError, match="data must vary"):
            ts.whiten(table, method)
        return
    white = ts.whiten(table, method)
    n, m = table.shape
    size = np.abs(table).max()
    assert 1 <= white.rank <= min(n - 1, m)
    assert white.data.shape == (n, white.rank if method == "pca" else m)
    np.testing.assert_allclose(white.data.mean(axis=0), 0, atol=1e-13)
    covariance = white.data.T @ white.data / (n - 1)
    if method == "pca":
        np.testing.assert_allclose(covariance, np.eye(white.rank), atol=1e-13)
    else:
        np.testing.assert_allclose(covariance @ covariance, covariance, atol=1e-12)
        np.testing.assert_allclose(np.trace(covariance), white.rank, atol=1e-12)
    np.testing.assert_allclose(white.restore(), table, rtol=0, atol=1e-13 * n * size)
    assert not np.shares_memory(white.data, table)


@given(strategies.SEEDS, st.integers(1, 6))
def test_whitening_of_well_conditioned_data(seed, m):
    rng = np.random.default_rng(seed)
    table = rng.uniform(-1, 1, (50, m)) @ (np.eye(m) + 0.1 * rng.uniform(-1, 1, (m, m))) + 10
    pca, zca = ts.whiten(table), ts.whiten(table, "zca")
    covariance = np.cov(table.T).reshape(m, m)
    for white in (pca, zca):
        np.testing.assert_allclose(white.matrix.T @ covariance @ white.matrix, np.eye(m), atol=1e-11)
        np.testing.assert_allclose(white.apply(table), white.data, atol=1e-11)
        np.testing.assert_allclose(white.restore(white.data[0]), table[0], atol=1e-12)
        np.testing.assert_allclose(white.matrix @ white.inverse, np.eye(m), atol=1e-12)
    np.testing.assert_allclose(zca.matrix, zca.matrix.T, atol=1e-13)
    assert np.linalg.eigvalsh(zca.matrix).min() > 0
    spread = np.linalg.norm(pca.inverse, axis=1)
    assert np.all(np.diff(spread) <= 1e-12)


@pytest.mark.parametrize("size", [2.0**-1000, 2.0**1000])
def test_whitening_does_not_depend_on_the_unit(size):
    table = np.random.default_rng(3).normal(size=(50, 3)) + 2
    for method in ("pca", "zca"):
        plain, white = ts.whiten(table, method), ts.whiten(size * table, method)
        np.testing.assert_array_equal(white.data, plain.data)
        np.testing.assert_array_equal(white.mean, size * plain.mean)
        np.testing.assert_allclose(white.restore() / size, table, rtol=0, atol=1e-13)
        np.testing.assert_allclose(white.apply(size * table), plain.data, rtol=0, atol=1e-12)


def test_whitening_of_dependent_and_constant_variables():
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 100))
    table = np.stack([a, b, a - 2 * b, np.full(100, 0.1)], axis=1)
    for method in ("pca", "zca"):
        white = ts.whiten(table, method)
        assert white.rank == 2
        np.testing.assert_allclose(white.restore(), table, atol=1e-13)
    with pytest.raises(ValueError, match="data must vary"):
        ts.whiten(np.full((7, 3), 0.1))


def test_whitening_does_not_take_the_rounding_of_a_large_mean_for_variation():
    one = 1e9 + np.random.default_rng(5).normal(size=100)
    assert ts.whiten(np.stack([one, 0.1 * one], axis=1)).rank == 1  # the product is rounded at 1e-8 of its spread
    assert ts.whiten(np.stack([one, 0.1 * one + 1e-4 * np.arange(100)], axis=1)).rank == 2


def test_whitening_of_nearly_dependent_variables():
    """Spreads 1 and 1e-11 around a mean of 1000 are still told apart, whitened to rounding and restored."""
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 1000))
    table = np.stack([a, a + 1e-9 * b], axis=1) + 1000
    white = ts.whiten(table)
    assert white.rank == 2
    np.testing.assert_allclose(np.cov(white.data.T), np.eye(2), atol=1e-13)
    np.testing.assert_allclose(white.restore(), table, atol=1e-11)
    assert ts.whiten(np.column_stack([a, b, a + b]), tolerance=0).rank == 2
    blunt = ts.whiten(table, tolerance=1e-6)
    assert blunt.rank == 1
    assert np.abs(blunt.restore() - table).max() < 1e-8
