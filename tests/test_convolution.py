"""Convolution against plain loops and SciPy: every method, mode, wall, dtype and layout."""

import functools
import itertools
import math

import naive
import numba
import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import strategies
from hypothesis import given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv._jit.convolution import BEYOND, Part, block_count, continue_rows
from diffuseconv.boundary import NAMES
from diffuseconv.convolution import direct, fourier, methods, pieces, separable
from diffuseconv.convolution.verbs import METHODS

NDIMAGE_MODES = {
    "reflecting": "reflect",
    "periodic": "wrap",
    "zero": "constant",
    "mirror": "mirror",
    "nearest": "nearest",
    dc.Constant(3.0): "constant",
}


def assert_agrees(ours, reference, u, k):
    """Compare to the documented agreement, relative to Young's bound of the result."""
    agreement = 1e-12 if ours.dtype == np.float64 else 2**-24 * (np.size(k) + 100)
    largest = np.abs(u).max()
    lost = np.finfo(ours.dtype).tiny * np.size(k) * (1 + largest)  # weights and products too small for the precision
    assert ours.shape == reference.shape
    np.testing.assert_allclose(ours, reference, rtol=0, atol=agreement * np.abs(k).sum() * largest + lost)


def outer(factors):
    return functools.reduce(np.multiply.outer, factors)


@given(st.data(), strategies.shapes((1, 3), most=6), st.booleans())
def test_every_method_is_the_double_loop(data, shape, flip):
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=5 if u.ndim == 3 else 9)))
    names = data.draw(strategies.boundaries(u.ndim))
    reference = naive.convolve(u, k, names, flip)
    verb = dc.convolve if flip else dc.correlate
    for method in ("auto", "direct", "fft"):
        assert_agrees(verb(u, k, boundary=names, method=method), reference, u, k)


@given(st.data(), strategies.shapes((1, 3), most=6), st.sampled_from(METHODS), strategies.DTYPES)
def test_pictures_continue_in_every_way_that_image_people_know(data, shape, method, dtype):
    u = data.draw(strategies.fields(shape, dtype))
    if method == "separable":
        k = outer([data.draw(strategies.kernels(strategies.shapes(1, most=7))) for _ in shape])
    else:
        k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=5 if u.ndim == 3 else 9)))
    names = data.draw(strategies.images(u.ndim))
    size = np.append(u.ravel(), 2.5)  # the constant is one of the values too
    assert_agrees(dc.convolve(u, k, boundary=names, method=method), naive.convolve(u, k, names), size, k)
    assert_agrees(dc.correlate(u, k, boundary=names, method=method), naive.convolve(u, k, names, False), size, k)
    (maps,) = dc.feature_maps(u, k[None], boundary=names, mode="same")
    assert_agrees(maps, naive.convolve(u, k, names), size, k)


@given(st.data(), strategies.shapes((1, 3), most=6), st.booleans())
def test_separable_is_the_double_loop(data, shape, flip):
    u = data.draw(strategies.fields(shape))
    k = outer([data.draw(strategies.kernels(strategies.shapes(1, most=7))) for _ in shape])
    names = data.draw(strategies.boundaries(u.ndim))
    verb = dc.convolve if flip else dc.correlate
    ours = verb(u, k, boundary=names, method="separable")
    assert_agrees(ours, naive.convolve(u, k, names, flip), u, k)


@given(st.data(), st.integers(1, 3), st.floats(0.01, 40.0), strategies.DTYPES)
def test_wide_heat_kernels_in_few_modes_are_the_double_loop(data, ndim, spread, dtype):
    u = data.draw(strategies.fields(strategies.shapes(1, most=16 if ndim == 1 else 6), dtype))
    p = dc.Propagator.heat(spread, 1.0, ndim=1)
    reference = naive.convolve(u, p.density, names := data.draw(strategies.boundaries(1)))
    line = dc.convolve(u, p, boundary=names, method="separable")
    assert_agrees(line, reference, u, p.density)
    many = np.ones((u.size, *range(2, ndim + 1))) * u.reshape(-1, *[1] * (ndim - 1))  # the same along all other axes
    rest = ("reflecting", "periodic")[: ndim - 1]
    cube = dc.convolve(many.astype(dtype), dc.Propagator.heat(spread, 1.0, ndim=ndim), boundary=names + rest)
    taps = np.tile(p.density / ndim, ndim)  # sums along each axis round as one along the first does
    assert_agrees(cube, np.broadcast_to(reference.reshape(-1, *[1] * (ndim - 1)), many.shape), u, taps)


@pytest.mark.parametrize("name", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize("size", [200, 201])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_few_modes_are_used_and_exact(name, size, dtype):
    factor = dc.Propagator.heat(200.0, 1.0, ndim=1).density.astype(dtype)
    width = (factor.size // 2,) * 2
    into, back = separable._surviving_modes(factor, size, width, name, 1000)
    assert into.shape[0] < size // 2
    u = np.random.default_rng(0).normal(size=size).astype(dtype)
    assert_agrees(back @ (into @ u), naive.convolve(u, factor, (name,)), u, factor)
    for power in (-20, 20):  # of the weights: what may be lost is relative to their sum
        scaled = separable._surviving_modes(np.ldexp(factor, power), size, width, name, 1000)
        np.testing.assert_array_equal(scaled[0], np.ldexp(into, power))
    for aside in (-1, 1):
        assert separable._surviving_modes(factor, size, (width[0] + aside, width[1] - aside), name, 1000) is None
    uneven = factor * np.linspace(0.5, 1.5, factor.size).astype(dtype)
    assert separable._surviving_modes(uneven, size, width, name, 1000) is None


@pytest.mark.parametrize("name", ["reflecting", "periodic", "absorbing"])
@pytest.mark.parametrize("size", [7, 8])
def test_few_modes_with_the_finest_one(name, size):
    """A kernel that passes the sawtooth, much wider than the field: even the mode of half the period is used."""
    factor = 0.5 + 0.5 * (-1.0) ** np.arange(101)
    into, back = separable._surviving_modes(factor, size, (50, 50), name, 1000)
    u = np.random.default_rng(0).normal(size=size)
    assert_agrees(back @ (into @ u), naive.convolve(u, factor, (name,)), u, factor)


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


def test_valid_ignores_the_boundary():
    rng = np.random.default_rng(2)
    u, k = rng.normal(size=(9, 8)), rng.normal(size=(3, 4))
    for name in NAMES:
        np.testing.assert_array_equal(dc.convolve(u, k, mode="valid", boundary=name), dc.convolve(u, k, mode="valid"))


@pytest.mark.parametrize("name", NDIMAGE_MODES)
@pytest.mark.parametrize("size", [(3, 3), (4, 4), (2, 7), (8, 5)])
def test_same_is_that_of_scipy_ndimage(name, size):
    rng = np.random.default_rng(1)
    u, k = rng.normal(size=(20, 17)), rng.normal(size=size)
    for verb in ("convolve", "correlate"):
        beyond = 0.0 if isinstance(name, str) else name.value
        reference = getattr(scipy.ndimage, verb)(u, k, mode=NDIMAGE_MODES[name], cval=beyond)
        for method in ("direct", "fft"):
            assert_agrees(getattr(dc, verb)(u, k, boundary=name, method=method), reference, np.append(u, 3.0), k)


@pytest.mark.parametrize("value", [0.0, -7.0])
def test_full_with_a_constant_is_that_of_scipy_signal(value):
    rng = np.random.default_rng(3)
    u, k = rng.normal(size=(6, 9)), rng.normal(size=(4, 3))
    reference = scipy.signal.convolve2d(u, k, "full", "fill", value)
    assert_agrees(dc.convolve(u, k, mode="full", boundary=dc.Constant(value)), reference, np.append(u, value), k)


@given(st.data(), strategies.shapes((1, 3), most=5), st.sampled_from(["field", "kernel", "both"]), st.booleans())
def test_complex_fields_and_kernels_are_the_double_loop(data, shape, which, flip):
    """Correlation conjugates the kernel, as numpy, scipy.signal and scipy.ndimage do: it is the adjoint."""
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=4)))
    if which != "kernel":
        u = u + 1j * data.draw(strategies.fields(shape))
    if which != "field":
        k = k + 1j * data.draw(strategies.kernels(k.shape))
    names = data.draw(strategies.images(u.ndim))
    for method in ("direct", "fft"):
        ours = (dc.convolve if flip else dc.correlate)(u, k, boundary=names, method=method)
        assert ours.dtype == np.complex128
        reference = naive.convolve(u, k if flip else k.conj(), names, flip)
        allowed = 4e-12 * np.abs(k).sum() * max(2.5, np.abs(u).max())  # four real sums
        np.testing.assert_allclose(ours, reference, rtol=0, atol=allowed)


def test_complex_numbers_agree_with_scipy_and_keep_their_precision():
    rng = np.random.default_rng(12)
    u = (rng.normal(size=(9, 8, 2)) @ [1, 1j]).astype(np.complex64)
    k = rng.normal(size=(3, 4, 2)) @ [1, 1j]
    for verb in ("convolve", "correlate"):
        reference = getattr(scipy.signal, verb)(u.astype(complex), k, mode="valid")  # of two it casts garbage
        ours = getattr(dc, verb)(u, k, mode="valid")
        assert ours.dtype == np.complex64
        np.testing.assert_allclose(ours, reference, rtol=0, atol=1e-5 * np.abs(k).sum() * np.abs(u).max())
    assert dc.convolve([1j, 2.0], [2.0]).tolist() == [2j, 4.0]
    assert dc.convolve([1.0, 2.0], [2j]).tolist() == [2j, 4j]
    out = np.empty((9, 8), np.complex64)
    assert dc.convolve(u, k, out=out) is out
    np.testing.assert_array_equal(out, dc.convolve(u, k))
    for field, kernel in ((u, k), (u.real, k), (u, k.real)):
        maps = dc.feature_maps(field, kernel[None], flip=False)
        np.testing.assert_array_equal(maps[0], dc.correlate(field, kernel, mode="valid"))


@given(st.data(), strategies.DTYPES)
def test_four_and_five_axes_are_the_double_loop(data, dtype):
    u = data.draw(strategies.fields(strategies.shapes((4, 5), most=2), dtype))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=3)))
    names = data.draw(strategies.images(u.ndim))
    size = np.append(u.ravel(), 2.5)
    for method in ("auto", "direct", "fft"):
        ours = dc.convolve(u, k, axes=range(u.ndim), boundary=names, method=method)
        assert_agrees(ours, naive.convolve(u, k, names), size, k)


def test_four_axes_separably_and_in_another_order():
    rng = np.random.default_rng(13)
    u, k = rng.normal(size=(4, 5, 6, 3, 2)), outer([rng.normal(size=3) for _ in range(4)])
    ours = dc.convolve(u, k, axes=(3, 2, 1, 0), method="separable")
    for colour in range(2):
        reference = scipy.ndimage.convolve(u[..., colour].transpose(3, 2, 1, 0), k).transpose(3, 2, 1, 0)
        assert_agrees(ours[..., colour], reference, u, k)


@given(st.data(), strategies.shapes((1, 3), most=14))
def test_transform_in_pieces_is_the_double_loop(data, shape):
    """Pieces so small that every axis is cut."""
    u = data.draw(strategies.fields(shape))
    k = data.draw(strategies.kernels(strategies.shapes(u.ndim, most=3)))
    names = data.draw(strategies.boundaries(u.ndim))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "PIECE", {1: 4, 2: 4, 3: 4})
        patch.setattr(pieces, "KERNELS_A_PIECE", 1.5)
        patch.setattr(fourier, "LIBRARY", 0)
        ours = dc.convolve(u, k, boundary=names, method="fft")
    assert_agrees(ours, naive.convolve(u, k, names), u, k)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("shape", [(1, 1, 2100), (3, 45, 530), (40, 3, 5)])
def test_blocks_and_tiles_of_every_fill(dtype, shape):
    """More than one block each way, heights beyond one call of the tile, columns that do not fill a tile."""
    rng = np.random.default_rng(3)
    u = rng.normal(size=shape).astype(dtype)
    for taps in ((1, 1, 9), (1, 9, 2), (2, 17, 1), (3, 1, 3)):
        k = rng.normal(size=taps)
        reference = scipy.ndimage.convolve(u.astype(float), k, mode="constant")
        assert_agrees(dc.convolve(u, k, boundary="zero", method="direct"), reference, u, k)


@given(st.data(), strategies.DTYPES)
def test_axes_layouts_and_types(data, dtype):
    """Any axes in any order, colours and batches, reversed and transposed views, small and big integers."""
    u = data.draw(strategies.fields(strategies.shapes(4, most=4), dtype))
    u = u[::-1, :, ::-1].transpose(data.draw(st.permutations(range(4))))
    axes = data.draw(st.permutations(range(4)))[: data.draw(st.integers(1, 3))]
    k = data.draw(strategies.kernels(strategies.shapes(len(axes), most=4))).astype(data.draw(strategies.DTYPES))
    names = data.draw(strategies.boundaries(len(axes)))
    before = u.copy()
    reference = np.zeros(u.shape)
    others = [a for a in range(4) if a not in axes]
    for place in itertools.product(*[range(u.shape[a]) for a in others]):
        index = [slice(None)] * 4
        for a, i in zip(others, place, strict=True):
            index[a] = i
        kept = sorted(axes)
        part = np.moveaxis(u[tuple(index)], [kept.index(a) for a in axes], range(len(axes)))
        convolved = naive.convolve(part, k, names)
        reference[tuple(index)] = np.moveaxis(convolved, range(len(axes)), [kept.index(a) for a in axes])
    for method in ("auto", "direct", "fft"):
        ours = dc.convolve(u, k, axes=[a - 4 for a in axes], boundary=names, method=method)
        assert ours.dtype == dtype
        assert ours.flags.c_contiguous
        assert_agrees(ours, reference, u, k)
    np.testing.assert_array_equal(u, before)


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int16, np.int64, np.uint64])
def test_whole_numbers_become_float64(kind):
    u = np.array([0, 1, 1, 0, 1]).astype(kind)
    ours = dc.convolve(u, [1, 2, 4])
    assert ours.dtype == np.float64
    np.testing.assert_array_equal(ours, naive.convolve(u.astype(float), np.array([1.0, 2, 4]), ("reflecting",)))


@pytest.mark.parametrize("size", [1e300, 1e-300, 1e-160, 1e160])
@pytest.mark.parametrize("method", ["direct", "fft", "separable"])
def test_huge_and_tiny_values_keep_the_agreement(size, method):
    rng = np.random.default_rng(4)
    u, k = size * rng.normal(size=(12, 9)), np.outer(rng.normal(size=3), rng.normal(size=5))
    assert_agrees(dc.convolve(u, k, method=method), naive.convolve(u, k, ("reflecting",) * 2), u, k)


@pytest.mark.parametrize("method", ["direct", "fft", "separable"])
def test_huge_float32_values_do_not_overflow(method):
    u, k = np.full((300, 200), 1e38, np.float32), np.full((3, 3), 1 / 9)
    assert_agrees(dc.convolve(u, k, method=method), u, u.astype(float), k)


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
    if method == "separable":
        k = outer([data.draw(strategies.densities(strategies.shapes(1, most=3))) for _ in shape])
    else:
        k = data.draw(strategies.densities(strategies.shapes(u.ndim, most=4)))
    k = k * data.draw(st.sampled_from([1.0, 9.0]))
    names = data.draw(strategies.boundaries(u.ndim))
    holed = np.where(known, u, np.nan)
    ours = dc.convolve(holed, k, boundary=names, mask=known, method=method)
    # the oracle subtracts shares near 1, which costs it the digits of the smallest share, at least (1e-3 / 5)^3
    np.testing.assert_allclose(ours, naive_masked(u, known, k, names), rtol=0, atol=1e-5 * k.sum() * np.abs(u).max())
    everywhere = dc.convolve(u, k, boundary=names, mask=np.ones(shape, bool), method=method)
    np.testing.assert_allclose(everywhere, naive.convolve(u, k, names), rtol=0, atol=2e-12 * k.sum() * np.abs(u).max())


def test_mask_of_a_colour_photograph_and_its_modes():
    rng = np.random.default_rng(5)
    photo, known = rng.random((7, 8, 3)), rng.random((7, 8)) > 0.3
    k = rng.random((3, 3))
    ours = dc.convolve(np.where(known[..., None], photo, np.inf), k, axes=(0, 1), mask=known)
    for colour in range(3):
        np.testing.assert_array_equal(ours[..., colour], dc.convolve(photo[..., colour], k, mask=known))
    whole = np.ones((7, 8), bool)
    for mode in ("full", "valid"):
        ours = dc.convolve(photo[..., 0], k, mode=mode, boundary="zero", mask=whole)
        np.testing.assert_allclose(ours, scipy.signal.convolve(photo[..., 0], k, mode), rtol=1e-13)


@pytest.mark.parametrize("method", METHODS)
def test_known_cells_in_the_far_tail_alone_are_still_weighted_right(method):
    k = np.exp(-0.5 * np.arange(-8, 9) ** 2)
    u, known = np.zeros(40), np.zeros(40, bool)
    u[20], known[20] = 3.0, True
    ours = dc.convolve(u, k / k.sum(), mask=known, method=method)
    np.testing.assert_allclose(ours[12:29], 3.0, rtol=1e-12)
    assert np.isnan(ours[:12]).all()
    assert np.isnan(ours[29:]).all()


def test_out_may_be_the_field_itself():
    rng = np.random.default_rng(6)
    for method in ("direct", "separable", "fft"):
        u = rng.normal(size=(30, 31))
        k = np.outer([1.0, 2, 3], [3.0, 1])
        expected = dc.convolve(u, k, method=method)
        shifted = np.zeros((31, 31))
        shifted[:-1] = u
        assert dc.convolve(shifted[:-1], k, method=method, out=shifted[1:]) is not None
        np.testing.assert_array_equal(shifted[1:], expected)
        assert dc.convolve(u, k, method=method, out=u) is u
        np.testing.assert_array_equal(u, expected)


def test_propagators_are_kernels():
    u = np.random.default_rng(7).normal(size=(40, 30))
    heat = dc.Propagator.heat((1.0, 2.0), 1.0, ndim=2)
    for method in METHODS:
        assert_agrees(dc.convolve(u, heat, method=method), dc.convolve(u, heat.density), u, heat.density)
    blown = dc.Propagator.heat(1.0, 2.0, velocity=(0.7, -0.2))  # its factors are not their own mirror images
    for verb in (dc.convolve, dc.correlate):
        assert_agrees(verb(u, blown, method="separable"), verb(u, blown.density, method="direct"), u, blown.density)
    soft = dc.Propagator.softmax(np.arange(9.0).reshape(3, 3))
    np.testing.assert_array_equal(dc.correlate(u, soft), dc.correlate(u, soft.density))


@given(st.data(), st.booleans(), st.sampled_from(["same", "valid", "full"]))
def test_feature_maps_are_one_convolution_each(data, flip, mode):
    u = data.draw(strategies.fields(strategies.shapes(3, most=8)))
    size = [data.draw(st.integers(1, min(u.shape[a], 4))) for a in (2, 0)]
    bank = data.draw(strategies.kernels((data.draw(st.integers(1, 3)), *size)))
    names = "zero" if mode == "full" else data.draw(strategies.boundaries(2))
    maps = dc.feature_maps(u, bank, axes=(2, 0), mode=mode, boundary=names, flip=flip)
    verb = dc.convolve if flip else dc.correlate
    for ours, k in zip(maps, bank, strict=True):
        assert_agrees(ours, verb(u, k, axes=(2, 0), mode=mode, boundary=names), u, k)


def test_feature_maps_of_wide_kernels_and_photographs():
    rng = np.random.default_rng(8)
    photo, bank = rng.random((160, 170, 3)).astype(np.float32), rng.random((2, 70, 71)).astype(np.float32)
    assert dc.convolution_method((160, 170), (70, 71), "float32") == "fft"
    maps = dc.feature_maps(photo, bank, axes=(0, 1), flip=False)
    assert maps.shape == (2, 91, 100, 3)
    assert maps.dtype == np.float32
    for number, colour in itertools.product(range(2), range(3)):
        reference = scipy.signal.correlate(photo[..., colour].astype(float), bank[number], "valid")
        assert_agrees(maps[number, ..., colour], reference, photo, bank[number])


@pytest.mark.peer
def test_feature_maps_are_those_of_torch():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(9)
    u, bank = rng.random((50, 41)), rng.random((5, 6, 7))
    theirs = torch.nn.functional.conv2d(torch.from_numpy(u)[None, None], torch.from_numpy(bank)[:, None])[0].numpy()
    np.testing.assert_allclose(dc.feature_maps(u, bank, flip=False), theirs, rtol=1e-12)


def test_any_number_of_threads_gives_the_same_bits():
    rng = np.random.default_rng(10)
    u, k = rng.normal(size=(700, 650)), rng.normal(size=(9, 9))
    f = rng.normal(size=9)
    cases = [(k, "direct"), (k, "fft"), (np.outer(f, f), "separable")]
    threads = numba.get_num_threads()
    results = []
    try:
        for count in {1, threads}:
            numba.set_num_threads(count)
            results.append([dc.convolve(u, k, method=method) for k, method in cases])
    finally:
        numba.set_num_threads(threads)
    for one, many in zip(results[0], results[-1], strict=True):
        np.testing.assert_array_equal(one, many)


@pytest.mark.parametrize(
    "fault",
    [
        lambda u, k: dc.correlate(u, k),  # the flip forgotten
        lambda u, k: np.roll(dc.convolve(u, k), 1, axis=0),  # the origin one off
        lambda u, k: dc.convolve(u, k, boundary="zero"),  # another wall
        lambda u, k: dc.convolve(u, k, boundary=("reflecting", "absorbing")),
        lambda u, k: dc.convolve(u, k + 1e-11 * np.eye(3, 4)),  # weights slightly wrong
    ],
)
def test_planted_faults_are_caught(fault):
    rng = np.random.default_rng(12)
    u, k = rng.normal(size=(8, 9)), rng.normal(size=(3, 4))
    reference = naive.convolve(u, k, ("reflecting",) * 2)
    assert_agrees(dc.convolve(u, k), reference, u, k)
    with pytest.raises(AssertionError):
        assert_agrees(fault(u, k), reference, u, k)


def test_method_is_a_function_of_shapes_and_type():
    assert dc.convolution_method((256, 256), (3, 3)) == "direct"
    assert dc.convolution_method((1024, 1024), (101, 101)) == "fft"
    assert dc.convolution_method((1024, 1024), (101, 101), rank_one=True) == "separable"
    assert dc.convolution_method((1024, 1024), (101, 101), "float32") == "fft"
    assert dc.convolution_method((1000,), (5,), rank_one=True) == "direct"
    assert methods.quickest((1024, 1024), (19, 19), "float64", False, "AVX-512") == "direct"
    assert methods.quickest((1024, 1024), (19, 19), "float64", False, "plain") == "fft"
    for machine in methods.COST:  # the choice follows from a class of machines alone; none sums wide kernels directly
        assert methods.quickest((64, 64), (3, 3), "float32", False, machine) == "direct"
        assert methods.quickest((1024, 1024), (101, 101), "float64", False, machine) == "fft"
        assert methods.quickest((32, 32), (21, 21), "float64", False, machine) == "direct"
        assert methods.quickest((241, 241), (20, 20), "float64", False, machine, kernels=32) == "fft"
    assert methods.quickest((241, 241), (16, 16), "float64", False, "AVX-512") == "direct"  # each plane for one kernel
    assert methods.quickest((241, 241), (16, 16), "float64", False, "AVX-512", kernels=32) == "fft"
    assert methods.quickest((45, 45), (20, 20), "float64", False, "AVX-512", kernels=32) == "direct"
    assert dc.convolution_method(1000, 5, np.float32) == "direct"


def test_arguments_in_other_dress():
    """Arrays, lists and propagators where others would do."""
    rng = np.random.default_rng(13)
    u, p = rng.random((5, 6, 3)), dc.Propagator.heat(0.3, 1.0)
    plain = dc.convolve(u, p, axes=(0, 1))
    np.testing.assert_array_equal(dc.convolve(u, p, axes=np.array([0, 1])), plain)
    maps = dc.feature_maps(u, [p, p], axes=[-3, -2], mode="same")
    np.testing.assert_allclose(maps, [plain, plain], rtol=0, atol=1e-12)  # as all methods agree
    np.testing.assert_array_equal(dc.convolve(u.tolist(), p, axes=(0, 1)), plain)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (37, 75), (99, 98)])
def test_one_bad_value_in_a_large_field_is_found_even_under_weights_of_zero(dtype, bad, place):
    u = np.full((100, 99), np.finfo(dtype).max, dtype)  # whose sum overflows, yet all are finite
    np.testing.assert_array_equal(dc.convolve(u, np.zeros((3, 3))), np.zeros((100, 99)))
    u[place] = bad
    with pytest.raises(ValueError, match=f"field must be finite, got {bad} at index \\({place[0]}, {place[1]}\\)"):
        dc.convolve(u, np.zeros((3, 3)))


U, K = np.ones((4, 5)), np.ones((3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: dc.convolve([[1.0, np.nan]], K), ValueError, r"field must be finite, got nan at index \(0, 1\)"),
        (lambda: dc.convolve(U, [[np.inf]]), ValueError, "kernel must be finite"),
        (lambda: dc.convolve(U, K.astype(str)), TypeError, "kernel must hold"),
        (lambda: dc.convolve(U.astype(object), K), TypeError, "field must hold"),
        (lambda: dc.convolve(U.astype(np.clongdouble), K), TypeError, "field must hold complex64 or complex128"),
        (lambda: dc.convolve(U, K.astype(np.clongdouble)), TypeError, "kernel must hold complex64 or complex128"),
        (lambda: dc.convolve([["a"]], K), TypeError, "field must hold"),
        (lambda: dc.convolve([[1.0], [2.0, 3.0]], K), ValueError, "field must be a rectangular array"),
        (lambda: dc.convolve(U[:0], K), ValueError, "field must not be empty"),
        (lambda: dc.convolve(U, K[:0]), ValueError, "kernel must not be empty"),
        (lambda: dc.convolve(np.ma.masked_array(U), K), TypeError, "field must be a plain array"),
        (lambda: dc.convolve(3.0, K), ValueError, "axes must name spatial axes of an array of at least 1 dimension"),
        (lambda: dc.convolve(np.ones(3), []), ValueError, "kernel must not be empty"),
        (lambda: dc.convolve(np.ones(3), [[1.0], [2.0, 3.0]]), ValueError, "kernel must be a rectangular array"),
        (lambda: dc.convolve(np.ones(3), [1.0], out=np.ma.masked_equal(np.ones(3), 0)), ValueError, "MaskedArray"),
        (
            lambda: dc.convolve(np.ones(3), [1.0], out=np.lib.stride_tricks.as_strided(np.ones(3), (3,), (4,))),
            ValueError,
            "out must have memory of its own for each cell",
        ),
        (lambda: dc.convolve(np.ones((2, 2, 2, 2)), K), ValueError, "axes must name 1, 2 or 3"),
        (lambda: dc.convolve(np.ones((4, 5, 3)), K), ValueError, "kernel must have one dimension for each of the 3"),
        (lambda: dc.convolve(U, K, axes=(0, 2)), ValueError, "axes must be at most 1, got 2"),
        (lambda: dc.convolve(U, K, axes=(0, 0)), ValueError, "axes must not repeat"),
        (
            lambda: dc.convolve(U, K, boundary="reflect"),
            ValueError,
            "boundary must be one of .* write 'reflecting' or 'mirror'",
        ),
        (lambda: dc.convolve(U, K, boundary=("zero",)), ValueError, "boundary must be one value or one for each"),
        (lambda: dc.convolve(U, K, mode="half"), ValueError, "mode must be one of 'same', 'valid', 'full', got 'half'"),
        (lambda: dc.convolve(U, K, mode=["same"]), ValueError, r"mode must be one of .*, got \['same'\]"),
        (lambda: dc.convolve(U, K, method=["fft"]), ValueError, r"method must be one of .*, got \['fft'\]"),
        (lambda: dc.convolve(U, K, method="fast"), ValueError, "method must be one of 'auto'"),
        (lambda: dc.convolve(U, K, mode="full"), ValueError, "boundary must be 'zero' with mode='full', got 'refl"),
        (
            lambda: dc.convolve(U, K, mode="full", boundary=("zero", "absorbing")),
            ValueError,
            "boundary must be 'zero' with mode='full', got 'zero', 'absorbing'",
        ),
        (lambda: dc.convolve(U, np.ones((5, 3)), mode="valid"), ValueError, "kernel must fit inside the field"),
        (lambda: dc.convolve(U, np.eye(3), method="separable"), ValueError, "kernel must be of rank one"),
        (lambda: dc.convolve(U, K, mask=U), TypeError, "mask must hold booleans"),
        (lambda: dc.convolve(U, K, mask=U[1:] > 0), ValueError, r"mask must have the field's shape \(4, 5\)"),
        (lambda: dc.convolve(U, -K, mask=U > 0), ValueError, "kernel must be >= 0"),
        (lambda: dc.convolve(U, 0 * K, mask=U > 0), ValueError, "kernel must be >= 0, and not 0 everywhere"),
        (lambda: dc.convolve(U * np.nan, K, mask=U > 0), ValueError, "field must be finite"),
        (lambda: dc.convolve(U, K, out=np.ones((4, 4))), ValueError, r"out must be an array of shape \(4, 5\)"),
        (lambda: dc.convolve(U, K, out=np.ones((4, 5), np.float32)), ValueError, "and dtype float64"),
        (lambda: dc.convolve(U, K, out=[[0.0] * 5] * 4), ValueError, "out must be an array"),
        (lambda: dc.convolve(U, K, out=np.broadcast_to(0.0, (4, 5))), ValueError, "out must be writable"),
        (lambda: dc.convolve(np.float32(U), 1e39 * K), ValueError, "kernel must not exceed 3.4e.38 .* float32 field"),
        (lambda: dc.feature_maps(np.float32(U), -1e39 * K[None]), ValueError, "bank must not exceed 3.4e.38"),
        (lambda: dc.convolution_method((4, 4), (3,)), ValueError, "kernel_shape must have as many axes"),
        (lambda: dc.convolution_method((4,) * 4, (3,) * 4), ValueError, "field_shape must have 1, 2 or 3 axes"),
        (lambda: dc.convolution_method((4, 0), (3, 3)), ValueError, r"field_shape\[1\] must be at least 1"),
        (lambda: dc.convolution_method((4, 4), (3, 3), int), ValueError, "dtype must be one of 'float64', 'float32'"),
        (lambda: dc.feature_maps(U, K), ValueError, r"bank must have shape \(n, \*kernel\)"),
        (lambda: dc.feature_maps(U, K[None], mode="full"), ValueError, "boundary must be 'zero'"),
        (lambda: dc.feature_maps(U, np.ones((1, 5, 5))), ValueError, "kernel must fit inside the field"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, error, message):
    with pytest.raises(error, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@given(st.data(), st.sampled_from([np.uint8, np.float32, np.float64]), st.integers(1, 4), st.booleans())
def test_small_kernels_on_interleaved_colours(data, kind, channels, flip):
    """Photographs and colour lines whose channels are not pulled apart."""
    shape = (*data.draw(strategies.shapes((1, 2), most=9)), channels)
    photo = data.draw(strategies.fields(shape, size=200.0))
    photo = photo.astype(kind) if kind != np.uint8 else np.abs(photo).astype(kind)
    spatial = tuple(range(photo.ndim - 1))
    k = data.draw(strategies.kernels(strategies.shapes(len(spatial), most=4)))
    names = data.draw(strategies.images(len(spatial)))
    verb = dc.convolve if flip else dc.correlate
    out = np.empty(shape, np.float32 if kind == np.float32 else np.float64)
    ours = verb(photo, k, axes=spatial, boundary=names, method="direct", out=out)
    assert ours is out
    for channel in range(channels):
        one = photo[..., channel].astype(ours.dtype)
        assert_agrees(ours[..., channel], naive.convolve(one, k, names, flip), np.append(photo, 2.5), k)


@pytest.mark.parametrize("shape", [(100, 600), (33, 257), (3, 40, 300)])
def test_products_of_two_factors_have_the_same_bits_in_any_parts(monkeypatch, shape):
    """Blocks are cut by the field's shape alone, whoever sums them."""
    u, factors = np.random.default_rng(1).random(shape), [np.arange(1.0, n) for n in (4, 8, 10)[: len(shape)]]
    k = functools.reduce(np.multiply.outer, factors)
    whole = dc.convolve(u, k, method="separable")
    monkeypatch.setattr(direct, "WORTH_THREADS", 0)
    monkeypatch.setattr(direct, "LONGEST", 1 << 10)
    np.testing.assert_array_equal(dc.convolve(u, k, method="separable"), whole)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("taps", [(9, 8), (8, 31), (1, 64), (71, 2), (64, 300), (130, 15)])
def test_sums_over_equal_taps_are_exact_where_numbers_are_whole(dtype, taps):
    """In whatever order they are added, in blocks cut short, and by kernels wider than those and the field."""
    u = np.random.default_rng(1).integers(-9, 10, (101, 290)).astype(dtype)
    for across in (np.ones(taps[1]), 2.0 ** -np.arange(taps[1] % 9 + 1)):
        counts = taps[0], len(across)
        wide = np.pad(u, [(n - 1 - n // 2, n // 2) for n in counts], "symmetric")
        rows = np.lib.stride_tricks.sliding_window_view(wide, counts[0], 0).sum(-1)
        expected = np.lib.stride_tricks.sliding_window_view(rows, counts[1], 1) @ across[::-1].astype(dtype)
        kernel = np.outer(np.ones(counts[0]), across)
        np.testing.assert_array_equal(dc.convolve(u, kernel, method="separable"), expected)


@given(st.data(), st.integers(1, 2000))
def test_long_sums_come_in_batches_with_the_same_bits(data, at_once):
    """So that an interrupt waits for a fraction of a second."""
    shape = data.draw(strategies.shapes((2, 4), most=6))
    u = data.draw(strategies.fields(shape))
    axes = tuple(range(u.ndim - min(3, u.ndim), u.ndim)) if data.draw(st.booleans()) else (u.ndim - 1, 0)
    bank = data.draw(strategies.kernels((data.draw(st.integers(1, 4)), *[3, 2, 4][: len(axes)])))
    names = data.draw(strategies.boundaries(len(axes)))
    whole = dc.feature_maps(u, bank, axes=axes, boundary=names, mode="same")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "WORTH_THREADS", 0)
        patch.setattr(direct, "LONGEST", at_once)
        np.testing.assert_array_equal(dc.feature_maps(u, bank, axes=axes, boundary=names, mode="same"), whole)


def test_no_batch_takes_longer_than_half_a_second():
    for shape, taps in (((1, 1, 4096, 4096), 61 * 61), ((1, 3, 4096, 4096), 61 * 61), ((64, 1, 2048, 2048), 255)):
        products, blocks = math.prod(shape) * taps, block_count((*shape[:2], 1, *shape[2:]))
        parts = direct._parts(products, blocks)
        assert [n for part in parts for n in range(*part)] == list(range(blocks))
        most = max(end - begin for begin, end in parts)
        assert products / blocks * most <= 8e9  # products: a few tenths of a second


def test_tiles_read_no_memory_that_is_not_set():
    """Beyond the rows of a block, and below them, stand zeros: other memory may hold subnormal numbers, which cost."""
    cells, pitch, below, block = np.ones(12), 9, 2, np.full(4 * 9 + 2 * 9 + BEYOND + 5, np.nan)
    lines = [(np.arange(n), np.ones(n)) for n in (4, 6)]
    part = Part(plane=0, size=4, sign=1.0, top=0, tall=3, before=0, first=0, count=4, below=below)
    continue_rows.py_func(cells, lines[0], lines[1], part, block, np.uintp(9), np.uintp(pitch))
    read = block[9 : 9 + (3 + below) * pitch + BEYOND]
    assert read[: 3 * pitch].reshape(3, pitch).tolist() == [[1] * 4 + [0] * 5] * 3
    assert not read[3 * pitch :].any()
    assert np.isnan(block[[*range(9), -1]]).all()
