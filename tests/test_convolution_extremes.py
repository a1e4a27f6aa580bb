"""Convolution near both ends of the range of numbers: scaled inside or refused, never infinite or NaN in silence."""

import tracemalloc

import naive
import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.convolution import fourier, plan
from diffuseconv.convolution.verbs import METHODS

LARGEST = {np.float64: 1.7e308, np.float32: 3e38}


@given(st.data(), st.sampled_from(METHODS), strategies.DTYPES, st.booleans())
def test_fields_near_overflow(data, method, dtype, signed):
    """Partial sums overflow, the result does not."""
    shape = data.draw(strategies.shapes((1, 2), most=8))
    u = data.draw(strategies.fields(shape, size=1.0))
    factors = [data.draw(strategies.densities(strategies.shapes(1, most=5))) for _ in shape]
    if signed:  # large partial sums that cancel
        factors[0] = np.concatenate([3 * factors[0], -3 * factors[0], [0.25]])
    k = factors[0] if len(shape) == 1 else np.multiply.outer(*factors)
    names = data.draw(strategies.boundaries(len(shape)))
    reference = naive.convolve(u, k, names)
    size = LARGEST[dtype] / max(1.0, np.abs(reference).max() * (1 + 1e-4))
    ours = dc.convolve((u * size).astype(dtype), k, boundary=names, method=method)
    agreement = 1e-12 if dtype == np.float64 else 2**-24 * (k.size + 100)
    allowed = 2 * agreement * np.abs(k).sum() * max(1.0, np.abs(u).max())
    np.testing.assert_allclose(ours / dtype(size), reference, rtol=0, atol=allowed)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", LARGEST)
def test_results_beyond_the_numbers_are_refused_in_one_line(method, dtype):
    u, k = np.full((9, 9), LARGEST[dtype], dtype), np.full((3, 3), 0.5)
    with pytest.raises(ValueError, match="field and kernel must give results up to") as refusal:
        dc.convolve(u, k, method=method)
    assert "\n" not in str(refusal.value)
    with pytest.raises(ValueError, match="field and kernel must give results up to"):
        dc.convolve(u, k, method=method, mask=u > 0)
    with pytest.raises(ValueError, match="field and kernel must give results up to"):
        dc.convolve(np.full((9, 9), 200, np.uint8), np.full((3, 3), 1e307), method=method)
    np.testing.assert_allclose(dc.convolve(u, k / 4.5, method=method), u, rtol=1e-5)
    np.testing.assert_allclose(dc.convolve(u, k / 4.5, method=method, mask=np.eye(9, dtype=bool) < 1), u, rtol=1e-5)


@pytest.mark.parametrize("dtype", LARGEST)
def test_feature_maps_and_few_modes_near_overflow(dtype):
    u = np.full((64, 64), LARGEST[dtype] / 2, dtype)
    for bank in (np.full((2, 3, 3), 1 / 9), np.full((2, 40, 40), 1 / 1600)):
        rounding = 2.0**-24 * (bank[0].size + 100)  # what is promised in float32
        np.testing.assert_allclose(dc.feature_maps(u, bank, mode="same"), np.stack([u, u]), rtol=rounding)
    wide = dc.Propagator.heat(200.0, 1.0)  # few modes outlive it
    np.testing.assert_allclose(dc.convolve(u, wide, method="separable"), u, rtol=1e-5)
    with pytest.raises(ValueError, match="must give results up to"):
        dc.feature_maps(u, np.ones((1, 3, 3)))


@pytest.mark.parametrize("dtype", LARGEST)
def test_weights_whose_sum_is_beyond_the_numbers_lose_no_modes(dtype):
    """Where each weight and each result is a number, but not the sum of the weights' magnitudes."""
    power = np.finfo(dtype).maxexp - 2
    u = np.random.default_rng(3).random((40, 90)).astype(dtype)
    wave = np.outer([0.5, 1.0, 0.25], np.cos(np.arange(-32, 33))).astype(dtype)
    plain = dc.convolve(u, wave, method="direct")
    large = dc.convolve(np.ldexp(u, -power), np.ldexp(wave, power), method="separable")
    rounding = 2.0**-24 * (wave.size + 100) if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(large, plain, rtol=0, atol=rounding * np.abs(wave).sum())


@pytest.mark.parametrize("power", [-600, -20, 0, 20, 600])
@pytest.mark.parametrize("which", ["field", "kernel", "both"])
def test_the_powers_taken_out_before_a_transform_come_back(power, which):
    """Values whose products of transforms would leave the range are scaled by powers of two, exactly."""
    rng = np.random.default_rng(1)
    u, k = rng.normal(size=(12, 9)), rng.normal(size=(4, 3))
    plain = dc.convolve(u, k, method="fft")
    a = power if which != "kernel" else 0
    b = power if which != "field" else 0
    if which == "both":
        b = -power + 40
    scaled = dc.convolve(np.ldexp(u, a), np.ldexp(k, b), method="fft")
    np.testing.assert_allclose(np.ldexp(scaled, -a - b), plain, rtol=0, atol=1e-13 * np.abs(k).sum() * np.abs(u).max())


def test_single_precision_is_scaled_where_its_squares_overflow():
    for value in (1e20, -1e20):
        assert fourier._scaled(np.array([0, value], np.float32))[1] == 67  # 2^66 < 1e20 < 2^67
    u = np.full((8, 8), 1e20, np.float32)
    for weight in (1e17, 1e-30):
        k = np.full((3, 3), weight)
        np.testing.assert_allclose(dc.convolve(u, k, method="fft"), 9e20 * weight, rtol=1e-5)


def test_what_no_memory_holds_is_refused_before_it_is_asked_for():
    u, k = np.zeros((1_000_000, 1)), np.zeros((1, 1_000_000))
    tracemalloc.start()
    with pytest.raises(ValueError, match="field must need no more memory"):
        dc.convolve(u, k, mode="full", boundary="zero")
    assert tracemalloc.get_traced_memory()[1] < 1 << 26
    tracemalloc.stop()


def test_what_would_take_hours_is_refused():
    zeros = np.broadcast_to(np.float32(0), (20_000, 20_000))
    with pytest.raises(ValueError, match=r"method must not be 'direct' for 1.6e\+17 products"):
        plan.plan(zeros.shape, zeros.shape, "zero", "same", None, "direct", "float32", True)


def test_holes_without_a_mask_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"field must be finite, got nan at index \(1,\): leave holes out with mask="):
        dc.convolve([0.0, np.nan], [1.0])
    with pytest.raises(ValueError, match=r"axes must name 1, 2 or 3 .* such as \(0, 1\)"):
        dc.convolve(np.ones((2, 2, 2, 2)), np.ones((1, 1)))


@given(
    st.data(), st.sampled_from(METHODS), st.sampled_from(["same", "valid", "full"]), st.sampled_from([np.nan, np.inf])
)
def test_one_bad_value_is_named_by_every_method_under_any_weights(data, method, mode, bad):
    """Whether the field is finite is seen from the result: every cell is read, be it with weight 0."""
    shape = data.draw(strategies.shapes((1, 3), most=6))
    u = np.zeros(shape)
    place = tuple(data.draw(st.integers(0, n - 1)) for n in shape)
    u[place] = bad
    taps = tuple(data.draw(st.integers(1, n)) for n in shape)
    k = np.zeros(taps)
    k[tuple(data.draw(st.integers(0, n - 1)) for n in taps)] = data.draw(st.sampled_from([0.0, 1.0]))
    names = ("zero",) * u.ndim if mode == "full" else data.draw(strategies.images(u.ndim))
    there = rf"field must be finite, got {bad} at index \({', '.join(map(str, place))}{',' if u.ndim == 1 else ''}\)"
    with pytest.raises(ValueError, match=there):
        dc.convolve(u, k, boundary=names, mode=mode, method=method)
    with pytest.raises(ValueError, match=there):
        dc.feature_maps(u, k[None], boundary=names, mode=mode)


def test_one_bad_value_is_named_in_photographs_and_behind_few_modes():
    photo = np.zeros((9, 8, 3))
    photo[4, 5, 2] = np.inf
    for method in METHODS:
        with pytest.raises(ValueError, match=r"field must be finite, got inf at index \(4, 5, 2\)"):
            dc.convolve(photo, np.zeros((3, 3)), axes=(0, 1), method=method)
    u = np.zeros((64, 64))
    u[3, 60] = np.nan
    with pytest.raises(ValueError, match=r"field must be finite, got nan at index \(3, 60\)"):
        dc.convolve(u, dc.Propagator.heat(200.0, 1.0), method="separable")
