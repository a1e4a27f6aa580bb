"""Sums of displacements, by plain loops: compose, power, and the transform that takes over where they grow."""

import copy
import itertools
import math

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

from diffuseconv import _composition
from diffuseconv.propagator import Propagator, _product

EDGE = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
EPS = np.finfo(float).eps


def displacements(p):
    """Every displacement and its probability, by a plain loop."""
    for index in np.ndindex(p.shape):
        yield np.array([i - n // 2 for i, n in zip(index, p.shape, strict=True)]), p.density[index]


def about_origin(p, size):
    """The part of a density of that size about its origin."""
    return p.density[tuple(slice(n // 2 - m // 2, n // 2 - m // 2 + m) for n, m in zip(p.shape, size, strict=True))]


def as_dict(p):
    return {tuple(move.tolist()): chance for move, chance in displacements(p) if chance}


@given(st.data(), st.integers(1, 3))
def test_compose_adds_displacements(data, ndim):
    p, q = (Propagator(data.draw(strategies.densities(strategies.shapes(ndim, most=5)))) for _ in range(2))
    expected = {}
    for (a, pa), (b, qb) in itertools.product(as_dict(p).items(), as_dict(q).items()):
        total = tuple(x + y for x, y in zip(a, b, strict=True))
        expected[total] = expected.get(total, 0.0) + pa * qb
    both = p.compose(q)
    ours = as_dict(both)
    assert ours.keys() == expected.keys()
    for move, chance in expected.items():
        assert ours[move] == pytest.approx(chance, rel=1e-12)
    even = [n % 2 == m % 2 == 0 for n, m in zip(p.shape, q.shape, strict=True)]
    assert both.shape == tuple(n + m - 1 + e for n, m, e in zip(p.shape, q.shape, even, strict=True))


@given(st.data(), st.integers(1, 3), st.integers(0, 6))
def test_power_composes_n_times(data, ndim, n):
    p = Propagator(data.draw(strategies.densities(strategies.shapes(ndim, most=4))))
    expected = Propagator(np.ones((1,) * ndim))
    for _ in range(n):
        expected = expected.compose(p)
    ours = p.power(n)
    size = [min(a, b) for a, b in zip(ours.shape, expected.shape, strict=True)]  # the padding may differ
    assert np.count_nonzero(ours.density) == np.count_nonzero(expected.density)
    np.testing.assert_allclose(about_origin(ours, size), about_origin(expected, size), rtol=1e-12)
    assert np.count_nonzero(about_origin(ours, size)) == np.count_nonzero(ours.density)
    assert ours.shape == tuple(n * (m - m % 2) + m % 2 if n else 1 for m in p.shape)


@given(st.data(), st.integers(1, 3), st.integers(2, 9))
def test_transform_agrees_with_sums(data, ndim, n):
    p = Propagator(data.draw(strategies.densities(strategies.shapes(ndim, most=4))))
    q = Propagator(data.draw(strategies.densities(strategies.shapes(ndim, most=6))))
    direct = p.power(n), p.compose(q)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_composition, "DIRECT_PRODUCTS", 0)
        transformed = p.power(n), p.compose(q)
    for ours, theirs in zip(transformed, direct, strict=True):
        assert ours.shape == theirs.shape
        assert ours.density.min() >= 0
        assert not ours.density[theirs.density == 0].any(), "noise where no grain can be"
        lost = np.count_nonzero((ours.density == 0) & (theirs.density > 0))  # each at most 4 n EPS of the largest
        atol = (8 + 4 * lost) * n * EPS * theirs.density.max()
        np.testing.assert_allclose(ours.density, theirs.density, rtol=0, atol=atol)


def test_far_tails_keep_their_digits():
    n = 400
    p = Propagator([0.5, 0.0, 0.5]).power(n)
    binomial = [math.comb(n, k) / 2**n for k in range(n + 1)]
    np.testing.assert_allclose(p.density[::2], binomial, rtol=n * EPS)
    assert not p.density[1::2].any()
    corner = Propagator(np.full((3, 3), 1 / 9)).power(60).density[0, 0]
    np.testing.assert_allclose(corner, 9.0**-60, rtol=200 * EPS)


def test_powers_of_large_kernels_go_by_transform():
    p = Propagator(np.full(3, 1 / 3)).power(200_000)  # 4e10 products
    np.testing.assert_allclose(p.covariance, [[200_000 * 2 / 3]], rtol=1e-7)
    assert p.density.min() >= 0
    assert abs(p.density.sum() - 1) <= 1e-12


def test_heat_kernels_stay_heat_kernels():
    p, q = Propagator.heat([0.1, 0.2], 3.0), Propagator.heat([1.0, 0.0], 2.0)
    both = p.compose(q)
    np.testing.assert_allclose(both.fourier_numbers, [2.3, 0.6], rtol=4 * EPS)
    assert p.power(0).density.tolist() == [[1.0]]
    assert p.power(0).compose(p) == p
    np.testing.assert_allclose(p.power(0.25).fourier_numbers, [0.075, 0.15], rtol=4 * EPS)
    assert p.power(0.5).power(2) == p
    still, line = Propagator([0.5, 0.5]).power(0), Propagator.heat(1.0, 1.0, ndim=1)
    assert still == Propagator([1.0])
    assert still.compose(line) == line.compose(still) == line
    coarse = Propagator.heat(1.0, 1.0, tolerance=1e-3)
    assert coarse.power(1).shape == coarse.shape


def test_factors_survive_composition():
    p, q = Propagator.heat([0.3, 0.7], 1.0), Propagator.heat([2.0, 1.0], 1.0)
    heat_free = copy.copy(p)
    vars(heat_free).update(fourier_numbers=None, _hops=None)
    both = heat_free.compose(q)
    assert both.fourier_numbers is None
    assert len(both.factors) == 2
    plain = Propagator(p.density).compose(Propagator(q.density))
    np.testing.assert_allclose(both.density, plain.density, rtol=1e-12)
    mixed = Propagator(p.density).compose(q)
    assert mixed.factors is None
    np.testing.assert_allclose(mixed.density, plain.density, rtol=1e-12)
    wide = Propagator.softmax(EDGE).compose(Propagator.heat(1.0, 1000.0))
    np.testing.assert_allclose(
        wide.covariance, Propagator.softmax(EDGE).covariance + 2000 * np.eye(2), rtol=1e-11, atol=1e-9
    )


def test_powers_need_the_memory_of_their_factors_or_of_all_cells():
    flat = _product([np.full(301, 1 / 301)] * 3).power(50)
    assert flat.shape == (15_001,) * 3  # cells of a density that no memory holds
    np.testing.assert_allclose(flat.covariance, np.diag([50 * (301**2 - 1) / 12] * 3), rtol=1e-12)
    with pytest.raises(ValueError, match=r"n must need no more memory .* got "):
        Propagator(np.full((3, 3), 1 / 9)).power(10**7)
