"""Frequency filters: low, high and band pass, and compression."""

import naive
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import strategies
from hypothesis import given
from hypothesis import strategies as st
from spectrum_checks import PORTRAIT, rounding

import diffuseconv as dc
from diffuseconv import spectrum


@st.composite
def circles(draw):
    radius = draw(st.floats(0, 10))
    return radius, draw(st.just(0.0) | st.floats(0, 2 * radius))


@given(st.data(), strategies.fields(strategies.shapes((1, 3), most=9)), circles())
def test_low_and_high_pass_add_up(data, u, circle):
    names = data.draw(strategies.boundaries(u.ndim))
    radius, edge = circle
    low = spectrum.low_pass(u, radius, edge=edge, boundary=names)
    high = spectrum.high_pass(u, radius, edge=edge, boundary=names)
    np.testing.assert_allclose(low + high, u, rtol=0, atol=rounding(u))
    wider = radius + data.draw(st.floats(0, 5))
    band = spectrum.band_pass(u, (radius, wider), edge=edge, boundary=names)
    beyond = spectrum.high_pass(u, wider, edge=edge, boundary=names)
    np.testing.assert_allclose(low + band + beyond, u, rtol=0, atol=rounding(u))


@pytest.mark.parametrize("radius", [0.0, 0.5, 2.49, 2.5, 7.25])
def test_behind_mirrors_the_circle_counts_half_waves(radius):
    u = np.random.default_rng(4).normal(size=(20, 17))
    down, right = np.ogrid[:20, :17]
    kept = scipy.fft.idctn(scipy.fft.dctn(u) * (down**2 + right**2 <= (2 * radius) ** 2))
    np.testing.assert_allclose(spectrum.low_pass(u, radius, boundary="reflecting"), kept, rtol=0, atol=1e-13)
    share = np.count_nonzero(down**2 + right**2 <= (2 * radius) ** 2) / u.size
    assert spectrum.compression(u, radius, boundary="reflecting").kept_fraction == share


@given(strategies.fields(strategies.shapes((1, 2), most=7)), st.floats(0, 8))
def test_the_disc_is_the_texts_disc(u, radius):
    """Transform by plain loops, multiply the centred picture, and sum the waves up again."""
    kept = np.linalg.norm(naive.centred_frequencies(u.shape), axis=-1) <= radius
    np.testing.assert_array_equal(spectrum.radial_window(u.shape, radius), kept)
    weights = np.roll(kept, [-(n // 2) for n in u.shape], range(u.ndim))
    back = naive.dft((naive.dft(u) * weights).conj()).conj() / u.size
    bound = 2e-14 * (1 + np.abs(u).sum())
    assert np.abs(back.imag).max() <= bound
    np.testing.assert_allclose(spectrum.low_pass(u, radius), back.real, rtol=0, atol=bound)


@given(st.data(), strategies.fields(strategies.shapes((1, 2), most=9)), st.floats(0, 6))
def test_a_hard_pass_twice_is_once(data, u, radius):
    names = data.draw(strategies.boundaries(u.ndim))
    once = spectrum.low_pass(u, radius, boundary=names)
    np.testing.assert_allclose(spectrum.low_pass(once, radius, boundary=names), once, rtol=0, atol=rounding(u))


@pytest.mark.parametrize(("name", "before"), [("absorbing", 0.5), ("zero", 1.0)])
def test_sines_between_walls_are_kept_whole_or_not_at_all(name, before):
    """Walls lie half a cell beyond the centres of the edge cells, or a whole one."""
    n = 24
    long = n - 1 + 2 * before  # cells from wall to wall
    for halves in range(1, n + 1):
        wave = np.sin(np.pi * halves * (np.arange(n) + before) / long)
        cycles = halves / 2 * n / long
        kept = dc.spectrum.low_pass(wave, cycles + 0.01, boundary=name)
        np.testing.assert_allclose(kept, wave, rtol=0, atol=1e-14)
        dropped = dc.spectrum.low_pass(wave, cycles - 0.01, boundary=name)
        np.testing.assert_allclose(dropped, 0, rtol=0, atol=1e-14)


def test_soft_edge_falls_from_one_to_zero_and_keeps_the_mean():
    weights = spectrum.radial_window(65, 10, edge=6)
    middle, line = weights[32], weights[32:]
    assert middle == 1
    assert (np.diff(line) <= 0).all()
    np.testing.assert_array_equal(line[:8], 1)  # up to radius - edge / 2
    np.testing.assert_array_equal(line[13:], 0)
    assert line[10] == pytest.approx(0.5, abs=1e-15)


def test_a_wide_edge_does_not_ring():
    step = np.repeat([0.0, 1.0, 0.0], 64)
    hard, soft = spectrum.low_pass(step, 12), spectrum.low_pass(step, 12, edge=24)
    assert hard.max() > 1.08  # Gibbs: 9 % of the jump, whatever the radius
    assert soft.max() < 1.01


def test_periodic_waves_bleed_and_cosines_do_not():
    ramp = np.linspace(0, 1, 100)
    assert abs(spectrum.low_pass(ramp, 5)[0] - ramp[0]) > 0.3
    assert abs(spectrum.low_pass(ramp, 5, boundary="reflecting")[0] - ramp[0]) < 0.03


@given(strategies.fields(st.just((6, 5, 3))), st.floats(0, 4), strategies.BOUNDARIES)
def test_axes_of_colours(u, radius, name):
    both = spectrum.low_pass(u, radius, boundary=name, axes=(0, 1))
    turned = spectrum.low_pass(np.moveaxis(u, 2, 0), radius, boundary=name, axes=(1, 2))
    np.testing.assert_array_equal(np.moveaxis(turned, 0, 2), both)
    for band in range(3):
        alone = spectrum.low_pass(np.ascontiguousarray(u[..., band]), radius, boundary=name)
        np.testing.assert_allclose(both[..., band], alone, rtol=0, atol=rounding(u))


@given(st.data(), strategies.fields(strategies.shapes((1, 2), most=9)), st.floats(0, 6))
def test_compression_counts_and_obeys_parseval(data, u, radius):
    names = data.draw(st.sampled_from(["periodic", "reflecting"]))
    result = spectrum.compression(u, radius, boundary=names)
    np.testing.assert_array_equal(result.image, spectrum.low_pass(u, radius, boundary=names))
    assert result.ratio == pytest.approx(1 / result.kept_fraction)
    assert result.error == pytest.approx(np.sqrt(np.mean((u - result.image) ** 2)), rel=1e-9, abs=1e-150)
    if names == "periodic":
        kept = np.linalg.norm(naive.centred_frequencies(u.shape), axis=-1) <= radius
        assert result.kept_fraction == kept.mean()
        lost = np.abs(np.fft.fftshift(np.fft.fftn(u)))[~kept]
        assert result.error == pytest.approx(np.sqrt(np.sum(lost**2)) / u.size, rel=1e-9, abs=1e-150 + rounding(u))
    assert spectrum.compression(u, 1e9, boundary=names).kept_fraction == 1


def test_cosines_lose_less_where_opposite_edges_differ():
    slope = dc.load_image(PORTRAIT, shape=(96, 96)) + np.linspace(0, 1, 96)
    periodic, cosines = (spectrum.compression(slope, 12, boundary=name) for name in ("periodic", "reflecting"))
    assert cosines.error < 0.9 * periodic.error
    # the circle's area over the square's, as the text reckons; the rim is cut along cells
    assert periodic.kept_fraction == pytest.approx(np.pi * 12**2 / 96**2, rel=0.05)
    assert cosines.kept_fraction == pytest.approx(np.pi * 12**2 / 96**2, rel=0.1)


def test_passes_keep_precision_and_leave_the_image_alone():
    u = np.random.default_rng(2).random((8, 9)).astype(np.float32)
    before = u.copy()
    for result in (
        spectrum.low_pass(u, 3),
        spectrum.high_pass(u, 3, edge=2),
        spectrum.band_pass(u, (1, 3)),
        spectrum.paint_spectrum(u, spectrum.Mask(spectrum.radial_window(u.shape, 3))),
        spectrum.derivative(u),
        spectrum.derivative(u, boundary="reflecting"),
    ):
        assert result.dtype == np.float32
        assert result.flags.writeable
    np.testing.assert_array_equal(u, before)
