"""Frequencies: the convolution theorem kept and broken, circles, directions, derivatives, painting, transfer."""

import math
from pathlib import Path

import matplotlib
import naive
import numpy as np
import pytest
import scipy.fft
import scipy.ndimage
import strategies
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import boundary, spectrum

PORTRAIT = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")


def rounding(u):
    """Bound of the error of a transform there and back (Higham 2002, theorem 24.2, with room for any radix)."""
    return 16 * np.finfo(u.dtype).eps * (1 + math.log2(u.size)) * np.abs(u).sum() + 1e-300


def turn_between(found, true):
    """Distance of two directions, in degrees."""
    return abs((found - true + 90) % 180 - 90)


# --- views -----------------------------------------------------------------------------------------------------------


@given(strategies.fields(strategies.shapes((1, 3), most=5)))
def test_log_spectrum_is_the_centred_transform_by_plain_loops(u):
    ours = np.expm1(spectrum.log_spectrum(u))
    plain = np.abs(naive.dft(u))
    for i in np.ndindex(u.shape):
        cell = tuple((a - n // 2) % n for a, n in zip(i, u.shape, strict=True))
        assert abs(ours[i] - plain[cell]) <= 4e-15 * (30 + plain.max() * 30 + np.abs(u).sum() * 30)


@given(strategies.fields(strategies.shapes((1, 2))))
def test_parseval(u):
    power = np.sum(np.expm1(spectrum.log_spectrum(u)) ** 2)
    assert power == pytest.approx(u.size * np.sum(u**2), rel=1e-12, abs=1e-12)


@given(strategies.fields(strategies.shapes(2)), st.integers(-20, 20), st.integers(-20, 20))
def test_magnitudes_do_not_see_a_shift(u, down, right):
    moved = np.roll(u, (down, right), (0, 1))
    scale = 1e-13 * (1 + np.abs(u).sum())
    np.testing.assert_allclose(spectrum.log_spectrum(moved), spectrum.log_spectrum(u), rtol=0, atol=scale)


def test_log_spectrum_of_colours_is_per_channel_and_keeps_precision():
    u = np.random.default_rng(0).random((7, 8, 3)).astype(np.float32)
    both = spectrum.log_spectrum(u, axes=(0, 1))
    assert both.dtype == np.float32
    for band in range(3):
        np.testing.assert_allclose(both[..., band], spectrum.log_spectrum(u[..., band]), rtol=1e-5)


# --- the convolution theorem -----------------------------------------------------------------------------------------


@st.composite
def pairs(draw):
    ndim = draw(st.integers(1, 3))
    u = draw(strategies.fields(strategies.shapes(ndim, most=6)))
    k = draw(strategies.kernels(strategies.shapes(ndim, most=4)))
    assume(not 0 < np.abs(u).max() * np.abs(k).max() < 1e-280)  # products of subnormal size lose digits by design
    return u, k


@given(pairs())
def test_discrete_theorem_holds_with_padding(pair):
    u, k = pair
    theorem = spectrum.discrete_theorem(u, k)
    plain = naive.full(u, k)
    assert theorem.error <= 1e-12
    assert not theorem.wrapped.any()
    np.testing.assert_allclose(theorem.by_product, plain, rtol=0, atol=1e-12 * np.abs(k).sum() * np.abs(u).max())
    np.testing.assert_allclose(theorem.in_space, plain, rtol=0, atol=1e-12 * np.abs(k).sum() * np.abs(u).max())


@given(pairs(), st.data())
def test_without_padding_the_far_edge_runs_over(pair, data):
    u, k = pair
    least = [max(0, m - n) for n, m in zip(u.shape, k.shape, strict=True)]
    padding = data.draw(st.tuples(*[st.integers(p, p + 4) for p in least]))
    theorem = spectrum.discrete_theorem(u, k, padding)
    padded = theorem.by_product.shape
    cyclic = np.zeros(padded)
    plain = naive.full(u, k)
    for i in np.ndindex(plain.shape):
        cyclic[tuple(a % n for a, n in zip(i, padded, strict=True))] += plain[i]
    bound = 1e-12 * np.abs(k).sum() * np.abs(u).max()
    np.testing.assert_allclose(theorem.by_product, cyclic, rtol=0, atol=bound)
    differs = np.abs(theorem.by_product - theorem.in_space) > bound
    assert not (differs & ~theorem.wrapped).any()


def test_missing_padding_is_seen():
    u, k = np.random.default_rng(1).random((2, 20, 20))[0], np.ones((5, 5))
    assert spectrum.discrete_theorem(u, k).error < 1e-14
    misused = spectrum.discrete_theorem(u, k, padding=0)
    assert misused.error > 0.1
    assert misused.wrapped.sum() == 20**2 - 16**2


@given(st.floats(0.5, 2), st.floats(0.5, 2), st.floats(-1, 1), st.floats(-1, 1), st.floats(0.1, 10))
def test_continuous_theorem_of_two_bells(a, b, move, shift, constant):
    x = np.linspace(-10, 10, 401)  # exp(-pi (a 9)^2) < 1e-27: both functions vanish at both ends
    nu = np.linspace(-3, 3, 13)
    f, g = np.exp(-np.pi * (a * (x - move)) ** 2), np.exp(-np.pi * (b * (x - shift)) ** 2)
    theorem = spectrum.continuous_theorem(f, g, x, nu, constant=constant)
    assert theorem.error <= 1e-13
    width = 1 / math.hypot(1 / a, 1 / b)  # variances add
    bell = width / (a * b) * np.exp(-np.pi * (width * (theorem.positions - move - shift)) ** 2)
    np.testing.assert_allclose(theorem.convolution, bell, rtol=0, atol=1e-13)
    closed = constant * np.exp(-np.pi * nu**2 / width**2 - 2j * np.pi * nu * (move + shift)) / (a * b)
    # aliasing: the transform of the narrower bell at 1 / spacing - 3 = 17, exp(-pi (17 / 2)^2) < 1e-98
    np.testing.assert_allclose(theorem.of_convolution, closed, rtol=0, atol=1e-12 * constant)


def test_the_unitary_pair_has_the_constant_root_two_pi():
    x, omega = np.linspace(-12, 12, 481), np.linspace(-3, 3, 7)
    f, g = np.exp(-(x**2)), np.exp(-((x - 1) ** 2) / 2)
    unitary = 1 / np.sqrt(2 * np.pi)
    theorem = spectrum.continuous_theorem(f, g, x, omega / (2 * np.pi), constant=unitary)
    transforms = [spectrum.fourier_transform(u, x, omega / (2 * np.pi), constant=unitary) for u in (f, g)]
    # closed forms of the unitary transforms
    np.testing.assert_allclose(transforms[0], np.exp(-(omega**2) / 4) / np.sqrt(2), rtol=0, atol=1e-14)
    np.testing.assert_allclose(transforms[1], np.exp(-(omega**2) / 2 - 1j * omega), rtol=0, atol=1e-13)
    np.testing.assert_allclose(theorem.of_convolution, np.sqrt(2 * np.pi) * transforms[0] * transforms[1], atol=1e-13)


def test_continuous_theorem_fails_on_a_circle():
    x = np.linspace(0, 1, 101)
    f = np.exp(-50 * (x - 0.8) ** 2)
    nu = [0.0, 0.3, 1.7]
    assert spectrum.continuous_theorem(f, f, x, nu).error < 1e-3
    assert spectrum.continuous_theorem(f, f, x, nu, padding=0).error > 0.1


def test_quadrature_is_of_second_order_on_functions_that_are_cut_off():
    def errors(points):
        x, nu = np.linspace(0, 1, points), np.array([0.3, 1.1])
        closed = (1 - np.exp(-1 - 2j * np.pi * nu)) / (1 + 2j * np.pi * nu)
        f = np.exp(-x)
        theorem = spectrum.continuous_theorem(f, f, x, nu)
        sides = theorem.of_convolution, theorem.product, spectrum.fourier_transform(f, x, nu)
        pairs_of = zip(sides, (closed**2, closed**2, closed), strict=True)
        return np.array([np.abs(side - true).max() for side, true in pairs_of])

    ratio = errors(101) / errors(201)
    np.testing.assert_allclose(ratio, 4, rtol=0.02)


@given(strategies.fields(strategies.shapes(1, most=12)), st.floats(0.1, 10), strategies.numbers(10))
def test_transform_there_and_back(u, spacing, start):
    u = np.concatenate([[0.0], u, [0.0]])
    x = start + spacing * np.arange(u.size)
    # one period of frequencies: the trapezoid rule over it is the inverse of a sum of u.size waves
    nu = np.linspace(0, 1 / spacing, 2 * u.size + 1)
    back = spectrum.inverse_fourier_transform(spectrum.fourier_transform(u, x, nu, constant=3), nu, x, constant=3)
    phase = 2 * np.pi * np.abs(x).max() / spacing  # of the fastest wave: its rounding is amplified so much
    np.testing.assert_allclose(back, u, rtol=0, atol=1e-15 * (50 + 8 * phase) * (1 + np.abs(u).sum()))


# --- circles ---------------------------------------------------------------------------------------------------------


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


# --- directions ------------------------------------------------------------------------------------------------------


@given(strategies.stripes())
@settings(max_examples=60)
def test_orientation_of_any_stripes(drawn):
    image, angle = drawn
    assert turn_between(spectrum.orientation(image), angle) <= 0.01


@pytest.mark.parametrize("angle", [0.0, 17.3, 45.0, 90.0, 133.7, 179.8])
@pytest.mark.parametrize("shape", [(64, 64), (50, 120)])
def test_orientation_of_square_waves_in_noise_on_a_slope(angle, shape):
    rng = np.random.default_rng(3)
    down, right = np.mgrid[: shape[0], : shape[1]]
    along = np.cos(np.deg2rad(angle)) * right - np.sin(np.deg2rad(angle)) * down
    image = np.sign(np.cos(0.83 * along + 0.4)) + 0.3 * rng.normal(size=shape) + 0.01 * right
    assert turn_between(spectrum.orientation(image), angle) <= 0.5


def test_orientation_turns_with_the_image():
    stripes = np.tile(np.cos(0.5 * np.arange(80)), (80, 1))
    assert spectrum.orientation(stripes) == pytest.approx(0, abs=1e-3)
    assert spectrum.orientation(np.rot90(stripes)) == pytest.approx(90, abs=1e-3)
    turned = scipy.ndimage.rotate(stripes, 30, reshape=False, mode="reflect")
    assert turn_between(spectrum.orientation(turned), 30) < 0.5


@pytest.fixture(scope="module")
def portrait():
    return dc.load_image(PORTRAIT, shape=(150, 128))


@pytest.mark.parametrize("reshape", [False, True])
@pytest.mark.parametrize("mode", ["constant", "reflect"])
@pytest.mark.parametrize("angle", [37, 37.125])  # the second between the angles that are compared
def test_a_portrait_turned_by_37_degrees(portrait, reshape, mode, angle):
    turned = scipy.ndimage.rotate(portrait, angle, reshape=reshape, mode=mode)
    assert turn_between(spectrum.rotation_between(portrait, turned), angle) < 0.1


@given(st.floats(0, 360), st.floats(0.1, 10), strategies.numbers(10), st.integers(-3, 3))
@settings(max_examples=15)
def test_a_portrait_turned_by_any_angle(portrait, angle, gain, offset, crop):
    turned = scipy.ndimage.rotate(gain * portrait + offset, angle, reshape=False, order=1, cval=gain * 0.5 + offset)
    if crop:
        turned = turned[abs(crop) : -abs(crop), abs(crop) : -abs(crop)]
    assert turn_between(spectrum.rotation_between(portrait, turned), angle) < 0.5


def test_rotation_in_noise_and_against_itself(portrait):
    rng = np.random.default_rng(4)
    turned = scipy.ndimage.rotate(portrait, 37, reshape=False)
    noisy = [u + 0.5 * portrait.std() * rng.normal(size=u.shape) for u in (portrait, turned)]
    assert turn_between(spectrum.rotation_between(*noisy), 37) < 0.5
    assert turn_between(spectrum.rotation_between(portrait, portrait), 0) < 1e-9
    assert turn_between(spectrum.rotation_between(portrait, np.rot90(portrait)), 90) < 1e-9


# --- derivatives -----------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.data(), st.integers(0, 5), st.floats(0.1, 10))
def test_derivative_of_modes_is_exact(size, data, order, spacing):
    name = data.draw(st.sampled_from(["periodic", "reflecting", "absorbing"]))
    x = spacing * (np.arange(size) + 0.5)
    length = spacing * size
    if name == "periodic":
        k = 2 * np.pi * data.draw(st.integers(0, (size - 1) // 2)) / length
        phase = data.draw(st.floats(0, 6))
    else:
        k = np.pi * data.draw(st.integers(0, size - 1)) / length
        phase = 0 if name == "reflecting" else -np.pi / 2
    slope = spectrum.derivative(np.cos(k * x + phase), order, spacing=spacing, boundary=name)
    closed = k**order * np.cos(k * x + phase + order * np.pi / 2)
    # rounding of the mode itself, amplified by the fastest wave of the grid
    np.testing.assert_allclose(slope, closed, rtol=0, atol=3e-14 * math.sqrt(size) * max(1, np.pi / spacing) ** order)


@given(st.integers(1, 6), st.integers(1, 3), st.integers(0, 2))
def test_derivative_along_an_axis_is_that_of_every_line(order, size, axis):
    u = np.random.default_rng(size).random((size, 4, 5))
    slope = spectrum.derivative(u, order, axis, 0.5)
    lines = np.apply_along_axis(lambda line: spectrum.derivative(line, order, spacing=0.5), axis, u)
    np.testing.assert_allclose(slope, lines, rtol=0, atol=1e-13 * (2 * np.pi) ** order)
    np.testing.assert_array_equal(spectrum.derivative(u, order, axis - 3, 0.5), slope)


def test_derivative_of_a_smooth_field_beats_any_order():
    def error(size):
        x = 2 * np.pi * np.arange(size) / size
        return np.abs(spectrum.derivative(np.exp(np.sin(x)), spacing=x[1]) - np.cos(x) * np.exp(np.sin(x))).max()

    assert error(8) / error(16) > 2**6
    assert error(16) / error(32) > 2**20
    assert error(32) < 1e-12


def test_sawtooth_has_no_odd_derivative_but_an_even_one():
    saw = np.array([1.0, -1.0] * 4)
    np.testing.assert_allclose(spectrum.derivative(saw), 0, atol=1e-15)
    np.testing.assert_allclose(spectrum.derivative(saw, 2), -(np.pi**2) * saw, rtol=1e-14)


def test_walls_decide_whether_a_ramp_rings():
    ramp = np.arange(200.0)
    inner = slice(50, 150)
    assert np.abs(spectrum.derivative(ramp) - 1).max() > 50  # the jump from 199 to 0 is differentiated
    mirrored = spectrum.derivative(ramp, boundary="reflecting")
    assert np.abs(mirrored - 1)[inner].max() < 0.02
    assert np.abs(mirrored - 1)[[0, -1]].min() > 0.3  # a kink on the wall


@given(strategies.fields(strategies.shapes((1, 3), most=6)))
def test_derivative_of_order_zero_is_a_copy(u):
    same = spectrum.derivative(u, 0)
    np.testing.assert_array_equal(same, u)
    assert same is not u


# --- painting --------------------------------------------------------------------------------------------------------


def wave(shape, frequency, amplitude, phase):
    """What a dot is said to add."""
    place = naive.centred_frequencies(shape)
    cycles = sum(f * place[..., axis] / n for axis, (f, n) in enumerate(zip(frequency, shape, strict=True)))
    return amplitude * np.cos(2 * np.pi * cycles + np.deg2rad(phase))


@given(st.data(), strategies.fields(strategies.shapes((1, 3), most=8), size=10), st.floats(-5, 5), st.floats(-360, 360))
def test_a_dot_is_a_wave_through_the_image(data, u, amplitude, phase):
    frequency = data.draw(st.tuples(*[st.integers(-(n // 2), n // 2) for n in u.shape]))
    painted = spectrum.paint_spectrum(u, spectrum.Dot(frequency, amplitude, phase))
    added = wave(u.shape, frequency, amplitude, phase)
    np.testing.assert_allclose(painted, u + added, rtol=0, atol=1e-12 * (1 + abs(amplitude) + np.abs(u).sum()))


@given(st.data(), strategies.shapes((1, 2), most=9), st.floats(-360, 360))
def test_a_line_is_its_dots_each_wave_once(data, shape, phase):
    cells = st.tuples(*[st.integers(-(n // 2), n // 2) for n in shape])
    start, stop = data.draw(cells), data.draw(cells)
    steps = max(abs(b - a) for a, b in zip(start, stop, strict=True))
    expected, met = np.zeros(shape), set()
    for step in range(steps + 1):
        exact = [a + (b - a) * step / max(steps, 1) for a, b in zip(start, stop, strict=True)]
        cell = [int(math.copysign(math.floor(abs(e) + 0.5), e)) for e in exact]
        if tuple(c % n for c, n in zip(cell, shape, strict=True)) not in met:
            expected += wave(shape, cell, 2.0, phase)
            met |= {tuple(sign * c % n for c, n in zip(cell, shape, strict=True)) for sign in (1, -1)}
    painted = spectrum.paint_spectrum(np.zeros(shape), spectrum.Line(start, stop, 2.0, phase))
    np.testing.assert_allclose(painted, expected, rtol=0, atol=1e-13 * (1 + len(met)))


def test_a_line_through_the_centre_is_a_ridge_across_it():
    """All level frequencies together: one bright column, at the centre."""
    painted = spectrum.paint_spectrum(np.zeros((9, 15)), spectrum.Line((0, -7), (0, 7), 1.0))
    ridge = np.zeros((9, 15))
    ridge[:, 7] = 15
    # 1 + 2 (cos + ...) is the ridge; each pair of opposites adds one cosine
    np.testing.assert_allclose(2 * painted - 1, ridge, rtol=0, atol=1e-13)


@given(st.data(), strategies.fields(strategies.shapes((1, 3), most=6)))
def test_a_mask_counts_a_frequency_and_its_opposite_as_one(data, u):
    weights = data.draw(strategies.fields(st.just(u.shape), size=2))
    painted = spectrum.paint_spectrum(u, spectrum.Mask(weights))
    plane = np.fft.fftshift(np.fft.fftn(u)) * weights
    one_sided = np.fft.ifftn(np.fft.ifftshift(plane))
    np.testing.assert_allclose(painted, one_sided.real, rtol=0, atol=3 * rounding(u))


@given(strategies.fields(strategies.shapes((1, 2), most=9)), st.floats(0, 5))
def test_a_disc_as_mask_is_the_low_pass(u, radius):
    painted = spectrum.paint_spectrum(u, [spectrum.Mask(spectrum.radial_window(u.shape, radius))])
    np.testing.assert_allclose(painted, spectrum.low_pass(u, radius), rtol=0, atol=rounding(u))


def test_strokes_are_applied_in_order():
    dot, dark = spectrum.Dot((0, 2)), spectrum.Mask(np.zeros((8, 8)))
    assert np.abs(spectrum.paint_spectrum(np.ones((8, 8)), [dot, dark])).max() == 0
    lit = spectrum.paint_spectrum(np.ones((8, 8)), [dark, dot])
    np.testing.assert_allclose(lit, wave((8, 8), (0, 2), 1, 0), rtol=0, atol=1e-14)
    np.testing.assert_allclose(spectrum.paint_spectrum(np.ones((3, 3)), []), 1, rtol=1e-15)


# --- transfer functions ----------------------------------------------------------------------------------------------


@given(pairs())
def test_convolution_multiplies_by_the_transfer_function(pair):
    u, k = pair
    factor = spectrum.transfer_function(k, u.shape)
    product = np.fft.ifftn(factor * np.fft.fftn(u))
    plain = naive.convolve(u, k, ("periodic",) * u.ndim)
    bound = 1e-12 * (1e-290 + np.abs(k).sum() * np.abs(u).max())
    np.testing.assert_allclose(product, plain, rtol=0, atol=bound)
    mirrored = np.fft.ifftn(factor.conj() * np.fft.fftn(u))
    np.testing.assert_allclose(mirrored, naive.convolve(u, k, ("periodic",) * u.ndim, flip=False), rtol=0, atol=bound)


@given(strategies.densities(), st.data())
def test_a_propagator_amplifies_nothing(p, data):
    shape = data.draw(strategies.shapes(p.ndim))
    factor = spectrum.transfer_function(p, shape)
    assert factor.ravel()[0] == pytest.approx(1, abs=1e-14)
    assert np.abs(factor).max() <= 1 + 1e-13


def test_one_explicit_step_has_the_lattice_eigenvalues():
    r = 0.2
    factor = spectrum.transfer_function([r, 1 - 2 * r, r], 12)
    np.testing.assert_allclose(factor, 1 - r * boundary.eigenvalues(12, "periodic"), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("kernel", "kind", "at_zero"),
    [
        ([1.0], "all pass", 1.0),
        ([0.0, 0.0, -3.0], "all pass", -3.0),
        ([0.25, 0.5, 0.25], "low pass", 1.0),
        ([1.0, 0.0, -1.0], "band pass", 0.0),
        ([1.0, -2.0, 1.0], "high pass", 0.0),
        ([0.5, 0.0, 0.5], "band stop", 1.0),
        ([1.0, -1.0], "high pass", 0.0),
        (np.ones((5, 5)) / 25, "low pass", 1.0),
        ([[0, 1, 0], [1, -4, 1], [0, 1, 0]], "high pass", 0.0),
        (np.ones((3, 3, 3)), "low pass", 27.0),
    ],
)
def test_kinds_of_filters(kernel, kind, at_zero):
    found = spectrum.filter_kind(kernel)
    assert found.kind == kind
    assert found.gain_at_zero == pytest.approx(at_zero)
    assert found.band[0] <= found.peak_frequency <= found.band[1]
    assert str(found).startswith(kind + ": gain")
    assert "\n" not in str(found)


def test_half_power_frequency_of_a_binomial_kernel():
    """|H| = cos^2(pi f) is at half power where f = arccos(2^(-1/4)) / pi."""
    low, high = spectrum.filter_kind([0.25, 0.5, 0.25]).band
    assert low == 0
    assert high == pytest.approx(math.acos(2**-0.25) / math.pi, abs=1 / 1024)


@given(strategies.kernels(), st.floats(0.01, 100))
def test_the_kind_does_not_depend_on_the_gain(kernel, gain):
    assume(np.abs(kernel).max() > 1e-3)
    plain, louder = spectrum.filter_kind(kernel), spectrum.filter_kind(-gain * kernel)
    assert louder.peak_gain == pytest.approx(gain * plain.peak_gain, rel=1e-12)


# --- bad input -------------------------------------------------------------------------------------------------------

U = np.arange(12.0).reshape(3, 4)
X = [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum.log_spectrum(U, axes=2), "axes must be at most 1, got 2"),
        (lambda: spectrum.log_spectrum([np.nan]), "image must be finite"),
        (lambda: spectrum.log_spectrum(np.full(9, 1e308)), "image must not exceed .* or sums overflow, got 1e.308"),
        (lambda: spectrum.low_pass(np.full((9, 9), 1e308), 1), "image must not exceed .* or sums overflow"),
        (lambda: spectrum.paint_spectrum(np.full(9, 1e38, np.float32), []), "image must not exceed"),
        (lambda: spectrum.derivative(np.full(9, -1e308)), "field must not exceed"),
        (lambda: spectrum.low_pass(U, -1), "radius must be at least 0, got -1"),
        (lambda: spectrum.low_pass(U, 1, edge=3), "edge must be at most twice radius"),
        (lambda: spectrum.low_pass(U, 1, boundary="wrap"), "boundary must be one of"),
        (lambda: spectrum.band_pass(U, (3, 2)), "radius must be a pair .* inner <= outer, got"),
        (lambda: spectrum.band_pass(U, 3), "radius must be a pair"),
        (lambda: spectrum.radial_window((2, 0), 3), r"shape\[1\] must be at least 1, got 0"),
        (lambda: spectrum.radial_window((2,) * 4, 3), "shape must have 1, 2 or 3 axes"),
        (lambda: spectrum.orientation(np.ones((20, 20))), "image must not be constant"),
        (lambda: spectrum.orientation(np.ones((20, 20, 3))), "image must be two-dimensional"),
        (lambda: spectrum.rotation_between(np.eye(20), np.eye(9)), "turned must have at least 16 cells a side"),
        (lambda: spectrum.derivative(U, -1), "order must be at least 0, got -1"),
        (lambda: spectrum.derivative(U, 1, 2), "axis must be at most 1, got 2"),
        (lambda: spectrum.derivative(U, spacing=0), "spacing must be greater than 0, got 0"),
        (lambda: spectrum.derivative(U, boundary="zero"), "boundary must be one of 'periodic', 'refl"),
        (lambda: spectrum.derivative(U, 2000), "order must leave .* representable in float64, got 2000"),
        (lambda: spectrum.derivative(U.astype(np.float32), 90, 1), "representable in float32, got 90"),
        (lambda: spectrum.discrete_theorem(U, [1.0]), "kernel must have as many dimensions"),
        (lambda: spectrum.discrete_theorem(X, np.ones(9), 0), "padding must make the field at least as large"),
        (lambda: spectrum.discrete_theorem(X, X, -1), "must be at least 0, got -1"),
        (lambda: spectrum.fourier_transform(X, [0, 1, 3], [0]), "evenly spaced, got"),
        (lambda: spectrum.fourier_transform([1, 2], X, [0]), "one value for each of the 3 sample points, got 2"),
        (lambda: spectrum.fourier_transform(X, X, [0], constant=0), "constant must be greater than 0, got 0"),
        (lambda: spectrum.fourier_transform(X, X, [[0]]), "frequencies must be one-dimensional"),
        (lambda: spectrum.transfer_function(U, 4), "shape must have as many axes as kernel"),
        (lambda: spectrum.filter_kind([0, 0]), "kernel must not be 0 everywhere"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 3))), r"frequency\[1\] must be from -2 to 2"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 1, 2))), "one for each of the 2 axes"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Mask(np.ones(3))), "weights must have the image's shape"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 1), np.inf)), "amplitude must be finite"),
    ],
)
def test_bad_values_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: spectrum.paint_spectrum(U, 3), "edits must be a Dot, Line or Mask, or a list of them, got 3"),
        (lambda: spectrum.paint_spectrum(U, [(1, 2)]), "must be a Dot, Line or Mask, got"),
        (lambda: spectrum.paint_spectrum(U, spectrum.Dot((0, 1.5))), "must be a whole number, got 1.5"),
        (lambda: spectrum.log_spectrum([1j]), "image must hold"),
        (lambda: spectrum.derivative(U, 1.5), "order must be a whole number"),
    ],
)
def test_wrong_types_are_refused_in_one_line(call, message):
    with pytest.raises(TypeError, match=message) as refusal:
        call()
    assert "\n" not in str(refusal.value)
