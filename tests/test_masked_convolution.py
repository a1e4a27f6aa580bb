"""Convolution with holes: every result is a mean of the known values that it sees, by every method."""

import tracemalloc

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.convolution import masked
from diffuseconv.convolution.verbs import METHODS


def assert_in_range_of_what_it_sees(ours, u, known, k, names, size):
    """Check each result against the least and greatest known value under its kernel (scaled to a sum of 1).

    A sum of n terms of one sign has n roundings, its share as many, so their quotient is within 2 n + 8 of the range.
    """
    eps = np.finfo(ours.dtype).eps
    reach = [n // 2 for n in k.shape]
    for i in np.ndindex(u.shape):
        seen = []
        for j in zip(*np.nonzero(k), strict=True):
            place = [a - (b - o) for a, b, o in zip(i, j, reach, strict=True)]
            if naive.value(known.astype(float), place, names) != 0:
                seen.append(naive.value(u, place, names))
        if not seen:
            assert np.isnan(ours[i])
            continue
        slack = (2 * k.size + 8) * eps * max(map(abs, seen))
        assert min(seen) - slack <= ours[i] / size <= max(seen) + slack


@given(st.data(), st.sampled_from(METHODS), strategies.DTYPES, st.sampled_from([1.0, 1e-20, 1e10]))
def test_results_lie_in_the_range_of_what_they_see(data, method, dtype, size):
    shape = data.draw(strategies.shapes((1, 2), most=7))
    u = data.draw(strategies.fields(shape, dtype))
    u = np.where(data.draw(strategies.masks(shape)), u, u * dtype(1e12))  # small values beside large ones
    known = data.draw(strategies.masks(shape))
    factors = [data.draw(strategies.densities(strategies.shapes(1, most=6))) for _ in shape]
    if method == "fft":  # after a transform it is the range within the kernel's box, zeros too
        factors = [np.maximum(factor, 1e-3) / np.maximum(factor, 1e-3).sum() for factor in factors]
    k = factors[0] if len(shape) == 1 else np.multiply.outer(*factors)
    names = tuple(data.draw(st.sampled_from(["reflecting", "periodic", "mirror", "nearest"])) for _ in shape)
    ours = dc.convolve(np.where(known, u, np.nan), k * size, boundary=names, mask=known, method=method)
    assert_in_range_of_what_it_sees(ours, u, known, k, names, size)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("method", METHODS)
def test_deep_in_a_hole_the_mean_is_still_one(dtype, method):
    """Half of the picture is missing; the other half is large far from the edge and near 280 beside it."""
    n, rng = 256, np.random.default_rng(1)
    u = (280 + 10 * rng.random((n, n))).astype(dtype)
    u[:, : n // 4] = 1e6
    known = np.zeros((n, n), bool)
    known[:, : n // 2] = True
    k = dc.kernels.gaussian(8)
    half = k.shape[1] // 2
    ours = dc.convolve(np.where(known, u, np.nan), k, mask=known, method=method)
    assert np.isnan(ours[:, n // 2 + half :]).all()
    beside = ours[:, n // 4 + half : n // 2 + half]  # sees the near part alone
    reference = np.empty_like(beside, dtype=np.float64)
    line = k.sum(axis=0)
    for column in range(reference.shape[1]):
        at = n // 4 + half + column
        weights = np.array([line[at - j + half] if abs(at - j) <= half else 0.0 for j in range(n // 2)])
        rows = dc.convolve((u[:, : n // 2].astype(float) @ weights)[:, None], k.sum(axis=1)[:, None])
        reference[:, column] = rows[:, 0] / weights.sum()
    assert beside.min() >= 280 * (1 - 2 * k.size * np.finfo(dtype).eps)
    assert beside.max() <= 290 * (1 + 2 * k.size * np.finfo(dtype).eps)
    share = 1e-12 if dtype == np.float64 else 2**-24 * (k.size + 100)
    least = masked.LEAST_SHARE[np.dtype(dtype).itemsize] if method == "fft" else 1.0
    np.testing.assert_allclose(beside, reference, rtol=0, atol=2 * share * (1e6 if method == "fft" else 290) / least)


def test_one_known_cell_of_one_value():
    one = np.full((128, 128), np.nan)
    one[0, 0] = 1.0
    for method in METHODS:
        blurred = dc.convolve(one, dc.kernels.gaussian(12), mask=np.isfinite(one), method=method)
        np.testing.assert_allclose(blurred[np.isfinite(blurred)], 1.0, rtol=1e-14)
        assert np.isfinite(blurred[:40, :40]).all()
        assert np.isnan(blurred[-1, -1])


def test_a_hole_wider_than_the_kernel_is_summed_directly_at_its_edge_alone(monkeypatch):
    n, counted = 512, []
    known = np.ones((n, n), bool)
    known[:, n // 2 :] = False
    u = np.random.default_rng(2).random((n, n))
    k = np.random.default_rng(3).random((41, 41))
    direct = masked._direct_mean

    def count(wide, seen, kernel):
        counted.append((wide.shape[0] - 40) * (wide.shape[1] - 40))
        return direct(wide, seen, kernel)

    monkeypatch.setattr(masked, "_direct_mean", count)
    ours = dc.convolve(u, k, mask=known, method="fft")
    assert 0 < sum(counted) <= 3 * masked.TILE * n  # of 262,144: the tiles along the edge of the hole
    reference = dc.convolve(u, k, mask=known, method="direct")
    np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-12 * k.sum() / masked.LEAST_SHARE[8])


@pytest.mark.parametrize("method", ["direct", "separable", "fft"])
def test_memory_of_a_masked_convolution(method):
    u = np.random.default_rng(4).random((1500, 1500))
    known = u > 0.3
    u[~known] = np.nan
    k = np.outer([1.0, 2.0, 3.0, 2.0, 1.0], [1.0, 2.0, 1.0])
    dc.convolve(u[:50, :50], k, mask=known[:50, :50], method=method)
    tracemalloc.start()
    dc.convolve(u, k, mask=known, method=method)
    peak = tracemalloc.get_traced_memory()[1] / u.nbytes
    tracemalloc.stop()
    assert peak <= 4.3  # four fields, and what is of the size of a block


def test_what_stands_under_true_must_be_finite():
    u = np.array([[1.0, np.nan], [np.inf, 2.0]])
    assert (dc.convolve(u, np.ones((1, 1)), mask=np.isfinite(u))[[0, 1], [0, 1]] == [1, 2]).all()
    with pytest.raises(ValueError, match=r"field must be finite, got nan at index \(0, 1\)"):
        dc.convolve(u, np.ones((1, 1)), mask=np.ones((2, 2), bool))
    with pytest.raises(ValueError, match="leave holes out with mask="):
        dc.convolve(u, np.ones((1, 1)))


def test_cells_beyond_a_constant_are_known():
    u, known = np.array([5.0, 1.0, 1.0]), np.array([True, False, False])
    ours = dc.convolve(u, [1.0, 1.0, 1.0], boundary=dc.Constant(2.0), mask=known)
    np.testing.assert_allclose(ours, [3 * (2 + 5) / 2, 15, 6], rtol=1e-15)


def test_complex_fields_with_holes():
    rng = np.random.default_rng(5)
    u, known = rng.normal(size=(8, 9, 2)) @ [1, 1j], rng.random((8, 9)) > 0.3
    k = rng.random((3, 3))
    ours = dc.convolve(np.where(known, u, np.nan), k, mask=known)
    np.testing.assert_array_equal(ours.real, dc.convolve(u.real, k, mask=known))
    np.testing.assert_array_equal(ours.imag, dc.convolve(u.imag, k, mask=known))


@pytest.mark.parametrize("boundary", ["zero", dc.Constant(2.0)])
def test_small_shares_beside_a_wall_beyond_which_all_is_known(boundary):
    """Only the far tail of the kernel reaches beyond the wall, and there all is known to be 0 (or 2)."""
    u, known = np.full((40, 9), np.nan), np.zeros((40, 9), bool)
    u[0], known[0] = 5.0, True
    k = np.exp(-0.5 * np.arange(-12.0, 13) ** 2)[:, None]
    ours, exact = (dc.convolve(u, k, boundary=boundary, mask=known, method=method) for method in ("fft", "direct"))
    np.testing.assert_allclose(ours, exact, rtol=1e-12)
    assert np.nanmin(ours) < 4.9 * k.sum()  # zeros (or twos) take part
