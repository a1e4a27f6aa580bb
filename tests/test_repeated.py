"""Calls like one before skip checks of shapes and options: the same bits, the same refusals."""

import itertools

import naive
import numpy as np
import pytest
import scipy.signal

import diffuseconv as dc
from diffuseconv.convolution import direct, repeated

RNG = np.random.default_rng(5)
GAUSSIAN, UNEVEN = np.outer([1.0, 2, 1], [1.0, 3, 1]) / 20, np.arange(12.0).reshape(3, 4) / 66
BOX = np.full((9, 8), 1 / 72)


def given(shape, dtype):
    """Return a field."""
    return (100 * RNG.random(shape)).astype(dtype)


@pytest.fixture(autouse=True)
def _forgotten(monkeypatch):
    """Begin with no call remembered."""
    monkeypatch.setattr(repeated, "_calls", {})


OPTIONS = [
    *({"boundary": name} for name in dc.boundary.RECORDS),
    {"boundary": ("periodic", "absorbing")},
    {"mode": "valid"},
    {"mode": "full", "boundary": "zero"},
    {"method": "direct"},
    {"method": "separable"},
]


@pytest.mark.parametrize("verb", [dc.convolve, dc.correlate])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_second_call_has_the_bits_of_the_first(verb, options):
    for dtype, kernel in itertools.product((np.float64, np.float32), (GAUSSIAN, UNEVEN, BOX)):
        if options.get("method") == "separable" and kernel is UNEVEN:
            continue
        u, k = given((21, 18), dtype), kernel.astype(dtype)
        first = verb(u, k, **options)
        assert repeated._calls
        second, other = verb(u, k, **options), verb(u[::-1].copy(), k[:, ::-1].copy(), **options)
        repeated._calls.clear()
        assert first.dtype == second.dtype
        assert first.tobytes() == second.tobytes()
        assert other.tobytes() == verb(u[::-1].copy(), k[:, ::-1].copy(), **options).tobytes()


LIKE = [((40,), GAUSSIAN[0], None), ((9, 10, 11), GAUSSIAN[None], None), ((9, 10, 3), UNEVEN, (0, 1))]


@pytest.mark.parametrize(("shape", "kernel", "axes"), [*LIKE, ((40, 3), GAUSSIAN[0], (0,))])
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8])
def test_lines_volumes_colours_and_bytes_too(shape, kernel, axes, dtype):
    u = given(shape, dtype)
    first, second = (dc.convolve(u, kernel, axes=axes, method="direct") for _ in range(2))
    assert repeated._calls
    assert first.tobytes() == second.tobytes()
    if axes is None and u.ndim == 1:
        np.testing.assert_allclose(second, naive.convolve(u, kernel, ("reflecting",)), rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.bool_, ">f8", ">f4", ">i2"])
@pytest.mark.parametrize("method", ["direct", "separable"])
def test_what_is_converted_first_is_converted_in_every_call(method, dtype):
    """Compiled loops know floats and bytes alone, and would read numbers of foreign bytes as others."""
    u = np.floor(given((20, 18), float)).astype(dtype)  # whole numbers are tiny when read backwards
    first, second = (dc.convolve(u, GAUSSIAN, method=method) for _ in range(2))
    plain = np.pad(u.astype(float), 1, "symmetric")
    expected = scipy.signal.convolve(plain, GAUSSIAN, "valid", "direct")
    np.testing.assert_allclose(first, expected, rtol=1e-6)
    assert first.tobytes() == second.tobytes()


def test_values_are_looked_at_in_every_call():
    u, k = given((16, 16), np.float32), GAUSSIAN
    dc.convolve(u, k)
    holed, endless, wide = u.copy(), k.copy(), k.copy()
    holed[3, 4], endless[0, 1], wide[0, 1] = np.nan, np.inf, 1e300
    with pytest.raises(ValueError, match=r"field must be finite, got nan at index \(3, 4\)"):
        dc.convolve(holed, k)
    with pytest.raises(ValueError, match="kernel must be finite"):
        dc.convolve(u, endless)
    with pytest.raises(ValueError, match="kernel must not exceed"):
        dc.convolve(u, wide)
    large = np.full_like(u, 3e38)
    np.testing.assert_allclose(
        dc.convolve(large, np.diag([1.5, 1.5, -2.0])), large, rtol=1e-6
    )  # sums in between overflow
    with pytest.raises(ValueError, match="must give results up to"):
        dc.convolve(large, np.ones((3, 3)))
    with pytest.raises(ValueError, match="kernel must be of rank one"):
        [dc.convolve(u, kernel, method="separable") for kernel in (GAUSSIAN, UNEVEN[:, :3])]


def test_what_equals_a_remembered_option_and_is_refused_stays_refused():
    u = given((8, 8), np.float64)
    dc.convolve(u, GAUSSIAN, axes=(0, 1))
    with pytest.raises(TypeError, match="axes"):
        dc.convolve(u, GAUSSIAN, axes=(False, True))
    with pytest.raises(ValueError, match="boundary"):
        dc.convolve(u, GAUSSIAN, boundary="periodical")


def test_views_and_foreign_bytes_give_the_same():
    u = given((24, 20), np.float64)
    expected = dc.convolve(u, GAUSSIAN)
    room = np.zeros(u.nbytes + 1, np.uint8)[1:].view(u.dtype).reshape(u.shape)
    room[...] = u
    for view in (np.asfortranarray(u), np.repeat(u, 2, axis=0)[::2], room, u.astype(">f8")):
        assert dc.convolve(view, GAUSSIAN).tobytes() == expected.tobytes()
    kept = np.broadcast_to(GAUSSIAN[:, :1], (3, 3)) / 1.0
    assert dc.correlate(u, kept).tobytes() == dc.correlate(u, kept).tobytes()
    assert u.flags.writeable
    assert kept.flags.writeable


def test_no_more_calls_are_kept_than_that(monkeypatch):
    monkeypatch.setattr(repeated, "MOST", 3)
    kept = []
    for n in range(5, 15):
        dc.convolve(given((n, 5), np.float64), GAUSSIAN)
        kept.append(len(repeated._calls))
    assert set(kept) == {1, 2, 3}


@pytest.mark.parametrize("options", [{"mode": "full", "boundary": "zero"}, {}])
def test_nothing_is_kept_of_kernels_far_wider_than_the_field(options):
    """Where each of their taps reads took 16 bytes a tap in each of 64 calls, and in 256 more."""
    before = direct._remembered.cache_info().currsize
    for taps in (direct.LONG, direct.LONG + 1):
        dc.convolve(np.ones(3), np.ones(taps), method="direct", **options)
        dc.convolve(np.ones((3, 500)), np.ones(taps // 500), axes=0, method="direct", **options)
    assert not repeated._calls
    assert direct._remembered.cache_info().currsize == before


@pytest.mark.parametrize(("shape", "axes"), [((4, 3, 5, 2), (0, 1, 2, 3)), ((3, 2, 4, 2, 3), (0, 1, 2, 3))])
@pytest.mark.parametrize("method", ["auto", "direct"])
def test_small_fields_of_more_than_three_axes(shape, axes, method):
    """The loops of remembered calls know three; other calls take four and more, with colours behind them too."""
    u, k = RNG.random(shape), RNG.random((2, 1, 3, 2))
    names = ("reflecting", "periodic", "zero", "absorbing")
    for _ in range(2):
        sums = dc.convolve(u, k, boundary=names, axes=axes, method=method)
        for colour in range(shape[4] if len(shape) > 4 else 1):
            part = (..., colour) if len(shape) > 4 else ...
            # both add up to 12 products below 1
            np.testing.assert_allclose(sums[part], naive.convolve(u[part], k, names), rtol=0, atol=1e-13)
