"""The catalogue: sums, symmetries, closed forms, and what SciPy and scikit-image compute with the same names."""

import itertools
import math

import naive
import numpy as np
import pytest
import scipy.integrate
import scipy.ndimage
import scipy.stats
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

from diffuseconv import kernels

EPS = np.finfo(float).eps
CATALOGUE = {
    "identity": kernels.identity(),
    "box": kernels.box(),
    "gaussian": kernels.gaussian(),
    "lattice_gaussian": kernels.lattice_gaussian(),
    "disc": kernels.disc(),
    "motion_blur": kernels.motion_blur(angle=30),
    "integrated_gaussian": kernels.integrated_gaussian(),
    "gaussian_derivative": kernels.gaussian_derivative((0, 1)),
    "laplacian": kernels.laplacian(),
    "laplacian9": kernels.laplacian(9),
    "laplacian_of_gaussian": kernels.laplacian_of_gaussian(),
    "edge_detector": kernels.edge_detector(),
    "sharpen": kernels.sharpen(),
    "unsharp_mask": kernels.unsharp_mask(),
    "emboss": kernels.emboss(),
    "sobel": kernels.sobel(),
    "scharr": kernels.scharr(),
    "prewitt": kernels.prewitt(),
    "roberts": kernels.roberts(),
    "gabor": kernels.gabor(),
}
SUM_ONE = [
    *("identity", "box", "gaussian", "integrated_gaussian", "lattice_gaussian", "disc", "motion_blur"),
    *("sharpen", "unsharp_mask", "emboss"),
]
SUM_ZERO = [
    *("laplacian", "laplacian9", "laplacian_of_gaussian", "edge_detector"),
    *("gaussian_derivative", "sobel", "scharr", "prewitt", "roberts"),
]


def moves(kernel):
    """Return the displacement of every tap along every axis."""
    return np.indices(kernel.shape) - np.reshape([n // 2 for n in kernel.shape], (-1,) + (1,) * kernel.ndim)


def moment(kernel, *axes):
    """Sum the kernel times the displacements along `axes`."""
    return np.sum(kernel * np.prod([moves(kernel)[a] for a in axes], axis=0))


def ndimage(u, kernel):
    """Convolve by SciPy, far-away values zero."""
    return scipy.ndimage.convolve(u, kernel, mode="constant")


def test_the_whole_catalogue_is_tested():
    assert {name.removesuffix("9") for name in CATALOGUE} == set(kernels.__all__)
    assert {*SUM_ONE, *SUM_ZERO, "gabor"} == set(CATALOGUE)


@pytest.mark.parametrize("name", CATALOGUE)
def test_fresh_float64_arrays_that_sum_to_one_or_zero(name):
    kernel = CATALOGUE[name]
    assert kernel.dtype == np.float64
    assert kernel.flags.writeable
    assert kernel.flags.c_contiguous
    again = getattr(kernels, name.removesuffix("9"))
    assert again() is not again()
    if name != "gabor":
        # np.sum adds at most len terms; each weight is a few roundings from its true value
        assert abs(kernel.sum() - (name in SUM_ONE)) <= 8 * EPS * np.abs(kernel).sum()


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("make", [kernels.sobel, kernels.scharr, kernels.prewitt])
def test_slopes_of_a_ramp_are_positive_and_normalised_as_stated(make, ndim):
    per_cell = 2 * {"sobel": 4, "scharr": 16, "prewitt": 3}[make.__name__] ** (ndim - 1)
    for axis, along in itertools.product(range(-ndim, ndim), range(ndim)):
        ramp = np.indices((5,) * ndim)[along].astype(float)
        slope = naive.convolve(ramp, make(axis, ndim), ("zero",) * ndim)[(2,) * ndim]
        assert slope == (per_cell if axis % ndim == along else 0)


@pytest.mark.parametrize(("name", "make"), [("sobel", kernels.sobel), ("prewitt", kernels.prewitt)])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scipy_has_the_same_slopes(name, make, axis):
    u = np.random.default_rng(1).normal(size=(9, 8))
    expected = getattr(scipy.ndimage, name)(u, axis=axis)
    assert np.allclose(scipy.ndimage.convolve(u, make(axis)), expected, rtol=0, atol=64 * EPS * np.abs(u).max())


def test_roberts_takes_the_stated_differences():
    u = np.random.default_rng(2).normal(size=(5, 6))
    falling = naive.convolve(u, kernels.roberts(0), ("zero", "zero"))
    rising = naive.convolve(u, kernels.roberts(1), ("zero", "zero"))
    assert np.array_equal(falling[:-1, :-1], u[1:, 1:] - u[:-1, :-1])
    assert np.array_equal(rising[:-1, :-1], u[1:, :-1] - u[:-1, 1:])


@pytest.mark.parametrize("points", [3, 5, 7, 9])
def test_laplacian_of_a_polynomial(points):
    kernel = kernels.laplacian(points)
    ndim = kernel.ndim
    assert np.count_nonzero(kernel) == points
    for a, b in itertools.product(range(ndim), repeat=2):
        assert abs(moment(kernel, a)) <= 32 * EPS
        assert math.isclose(moment(kernel, a, b), 2 * (a == b), abs_tol=32 * EPS)
    if points == 9:  # the error term is isotropic: fourth moments in the ratio 3 to 1
        assert math.isclose(moment(kernel, 0, 0, 0, 0), 3 * moment(kernel, 0, 0, 1, 1), rel_tol=32 * EPS)
    else:
        u = np.random.default_rng(3).normal(size=(5,) * ndim)
        expected = naive.laplacian(u, (1.0,) * ndim, ("zero",) * ndim)
        assert np.allclose(ndimage(u, kernel), expected, rtol=0, atol=256 * EPS * np.abs(u).max())


def test_sharpen_is_a_diffusion_step_backward():
    assert np.array_equal(kernels.sharpen(), [[0, -1, 0], [-1, 5, -1], [0, -1, 0]])
    assert np.array_equal(kernels.sharpen(0.25), kernels.identity() - 0.25 * kernels.laplacian())


@given(sigma=st.floats(1.0, 5.0), ndim=st.integers(1, 3))
def test_gaussian_has_variance_sigma_squared(sigma, ndim):
    sigma = min(sigma, 2.0) if ndim == 3 else sigma
    kernel = kernels.gaussian(sigma, ndim)
    assert kernel.shape == (2 * int(8 * sigma + 0.5) + 1,) * ndim
    # Poisson summation: the first alias of (1 - s²w²) exp(-s²w²/2) at w = 2π, twice, and less again after it
    alias = 2 * (1 + (2 * np.pi * sigma) ** 2) * np.exp(-2 * (np.pi * sigma) ** 2)
    tail = 2e-13  # of the second moment, beyond 7.5 standard deviations
    assert abs(moment(kernel, 0, 0) / sigma**2 - 1) <= 1.1 * alias + tail + 64 * EPS


@pytest.mark.parametrize("truncate", [3.0, 4.0, 8.0])
@pytest.mark.parametrize("sigma", [0.4, 1.0, (0.7, 2.3), (0.0, 1.5)])
def test_gaussian_is_scipys(sigma, truncate):
    u = np.random.default_rng(4).normal(size=(40, 41))
    expected = scipy.ndimage.gaussian_filter(u, sigma, mode="constant", truncate=truncate)
    found = ndimage(u, kernels.gaussian(sigma, truncate=truncate))
    assert np.allclose(found, expected, rtol=0, atol=1e-12 * np.abs(u).max())


@given(sigma=st.floats(0.0, 6.0))
def test_lattice_gaussian_has_variance_sigma_squared_at_any_sigma(sigma):
    kernel = kernels.lattice_gaussian(sigma, ndim=1)
    assert np.all(kernel >= 0)
    assert np.array_equal(kernel, kernel[::-1])
    assert abs(kernel.sum() - 1) <= 4 * EPS
    # cutting 1e-15 of the chance at distance r moves the variance by about r² 1e-15, once more for the tail's own reach
    cut = 4e-15 * (kernel.size // 2 + 2) ** 2
    assert abs(moment(kernel, 0, 0) - sigma**2) <= cut + 64 * EPS * sigma**2
    assert abs(moment(kernel, 0, 0, 0, 0) - (3 * sigma**4 + sigma**2)) <= cut * (kernel.size // 2 + 2) ** 2


@given(s=st.floats(0.01, 4.0), t=st.floats(0.01, 4.0))
def test_lattice_gaussians_compose(s, t):
    both = np.convolve(kernels.lattice_gaussian(s, ndim=1), kernels.lattice_gaussian(t, ndim=1))
    once = kernels.lattice_gaussian(math.hypot(s, t), ndim=1, tolerance=1e-17)
    width = max(both.size, once.size)
    both, once = (np.pad(k, (width - k.size) // 2) for k in (both, once))
    assert np.abs(both - once).sum() <= 1e-14 + 64 * EPS


def test_lattice_gaussian_is_a_random_walk():
    """Between jumps grains wait exponential times: the chances solve p' = L p, summed here as a plain Taylor series."""
    variance, reach = 0.5, 40
    term = np.eye(1, 2 * reach + 1, reach)[0]
    total = term.copy()
    for n in range(1, 60):
        term = np.convolve(term, [0.5, -1.0, 0.5], "same") * variance / n
        total += term
    kernel = kernels.lattice_gaussian(math.sqrt(variance), ndim=1)
    radius = kernel.size // 2
    assert np.allclose(kernel, total[reach - radius : reach + radius + 1], rtol=0, atol=1e-15)


def test_lattice_gaussian_per_axis():
    kernel = kernels.lattice_gaussian((0.5, 0.0, 2.0), ndim=3)
    factors = [kernels.lattice_gaussian(s, ndim=1) for s in (0.5, 0.0, 2.0)]
    assert kernel.shape[1] == 1
    assert np.array_equal(kernel, np.einsum("i,j,k", *factors))


@given(size=st.integers(1, 9), ndim=st.integers(1, 3))
def test_box_and_identity(size, ndim):
    box, one = kernels.box(size, ndim), kernels.identity(size, ndim)
    assert box.shape == one.shape == (size,) * ndim
    assert np.ptp(box) == 0
    assert one[(size // 2,) * ndim] == one.sum() == np.abs(one).sum() == 1
    assert math.isclose(moment(box, 0), 0 if size % 2 else -0.5, abs_tol=64 * EPS * size)
    variance = moment(box, 0, 0) - moment(box, 0) ** 2
    assert math.isclose(variance, (size**2 - 1) / 12, rel_tol=256 * EPS)


def test_box_per_axis():
    assert kernels.box((2, 5)).shape == (2, 5)
    assert kernels.box(4, ndim=1).shape == (4,)


@given(radius=st.floats(0.01, 12.0))
@example(radius=1.5309409602069581)  # r² by power and by product differ in their last digit
def test_disc_covers_the_area_of_a_disc(radius):
    kernel = kernels.disc(radius)
    n = len(kernel)
    assert kernel.shape == (n, n)
    assert np.all(kernel >= 0)
    for turned in (kernel[::-1], kernel[:, ::-1], kernel.T):
        assert np.array_equal(kernel, turned)
    assert abs(kernel.sum() - 1) <= 64 * EPS
    distance = np.hypot(*moves(kernel))
    inside = np.hypot(*(np.abs(moves(kernel)) + 0.5)) <= radius
    area = math.pi * radius**2
    assert np.allclose(kernel[inside], 1 / area, rtol=0, atol=64 * EPS)
    assert not kernel[distance >= radius + math.sqrt(0.5)].any()
    assert kernel.max() <= 1 / area + 64 * EPS


def test_a_disc_within_one_cell():
    for radius in (0.5, 1e-200, 5e-324):
        np.testing.assert_array_equal(kernels.disc(radius), [[1.0]])


@pytest.mark.parametrize("radius", [0.3, 0.6, 1.0, 1.7, 2.5, math.sqrt(2.5)])
def test_disc_is_the_exact_coverage(radius):
    """The area of each cell inside the circle, by quadrature of the roof's height over pieces without a kink."""
    kernel = kernels.disc(radius)
    for (i, j), weight in np.ndenumerate(kernel):
        y, x = (abs(m) for m in moves(kernel)[:, i, j])

        def height(s, y=y):
            roof = math.sqrt(max(radius**2 - s**2, 0.0))
            return max(0.0, min(roof, y + 0.5) - max(-roof, y - 0.5))

        kinks = sorted({math.sqrt(radius**2 - c**2) for c in (y - 0.5, y + 0.5) if abs(c) < radius} | {radius})
        stops = [x - 0.5, *(k for s in kinks for k in (-s, s) if abs(k - x) < 0.5), x + 0.5]
        stops.sort()
        parts = [
            scipy.integrate.quad(height, a, b, epsabs=1e-13)[0] for a, b in itertools.pairwise(stops) if b - a > 1e-12
        ]
        assert math.isclose(weight, sum(parts) / (math.pi * radius**2), abs_tol=1e-11)


@given(length=st.floats(0.01, 40.0), angle=st.floats(-720.0, 720.0))
def test_motion_blur_is_a_stroke(length, angle):
    kernel = kernels.motion_blur(length, angle)
    assert np.all(kernel >= 0)
    assert abs(kernel.sum() - 1) <= 16 * EPS
    assert np.array_equal(kernel, kernel[::-1, ::-1])
    # each bit of stroke moves to its cell's centre, at most half a cell along either axis
    y, x = -math.sin(math.radians(angle)), math.cos(math.radians(angle))
    spread = length / math.sqrt(12)
    for axis, part in enumerate((y, x)):
        assert abs(math.sqrt(moment(kernel, axis, axis)) - abs(part) * spread) <= 0.5
    assert kernel.max() <= math.sqrt(2) / length * (1 + 64 * EPS) or kernel.size == 1


@pytest.mark.parametrize("length", [2.0, 3.0, 4.5, 7.0, 10.3])
@pytest.mark.parametrize("angle", [0, 17, 30, 45, 61.5, 90, 135, 180, -20])
def test_motion_blur_counts_the_length_in_every_cell(length, angle):
    kernel = kernels.motion_blur(length, angle)
    n = 200_000
    t = ((np.arange(n) + 0.5) / n - 0.5) * length
    y, x = -t * math.sin(math.radians(angle)), t * math.cos(math.radians(angle))
    counted = np.zeros(kernel.shape)
    reach = [m // 2 for m in kernel.shape]
    cells = [np.clip(np.rint(v).astype(int), -r, r) + r for v, r in zip((y, x), reach, strict=True)]
    np.add.at(counted, tuple(cells), 1 / n)
    assert np.abs(counted - kernel).max() <= 2 / n  # a piece's two ends lie each within one sample


def test_motion_blur_along_the_axes_is_a_box():
    assert np.array_equal(kernels.motion_blur(5, 0), kernels.box((1, 5)))
    assert np.array_equal(kernels.motion_blur(5, 90), kernels.box((5, 1)))
    assert np.array_equal(kernels.motion_blur(5, 270), kernels.box((5, 1)))
    diagonal = kernels.motion_blur(3 * math.sqrt(2), 45)
    assert np.allclose(diagonal, np.eye(3)[::-1] / 3, rtol=0, atol=8 * EPS)


@given(sigma=st.floats(0.05, 4.0), ndim=st.integers(1, 3))
def test_laplacian_of_gaussian_is_a_laplacian(sigma, ndim):
    sigma = min(sigma, 2.0) if ndim == 3 else sigma
    kernel = kernels.laplacian_of_gaussian(sigma, ndim)
    rounding = 64 * EPS * np.abs(kernel).sum()
    assert abs(kernel.sum()) <= rounding
    for a, b in itertools.combinations_with_replacement(range(ndim), 2):
        weight = np.abs(kernel * moves(kernel)[a] * moves(kernel)[b]).sum()
        assert abs(moment(kernel, a, b) - 2 * (a == b)) <= 64 * EPS * weight
    assert kernel[tuple(n // 2 for n in kernel.shape)] < 0


@pytest.mark.parametrize("sigma", [1.5, 2.0, 3.3])
def test_laplacian_of_gaussian_is_scipys_where_that_is_exact(sigma):
    u = np.random.default_rng(5).normal(size=(30, 31))
    expected = scipy.ndimage.gaussian_laplace(u, sigma, mode="constant", truncate=8.0)
    found = ndimage(u, kernels.laplacian_of_gaussian(sigma))
    assert np.allclose(found, expected, rtol=0, atol=1e-12 * np.abs(u).max())


@pytest.mark.parametrize("angle", [30.0 + 360 * 10**13, 720.0 * 2**60])
def test_angles_go_round_exactly(angle):
    for make in (kernels.emboss, lambda angle: kernels.motion_blur(9, angle), lambda phase: kernels.gabor(phase=phase)):
        assert np.array_equal(make(angle), make(math.remainder(angle, 360)))


@given(angle=st.integers(-8, 8))
def test_emboss_by_quarters_is_exact(angle):
    kernel = kernels.emboss(45 + 90 * angle)
    assert np.array_equal(np.sort(kernel, axis=None), [-2, -1, -1, 0, 0, 1, 1, 1, 2])
    assert np.array_equal(kernel, np.rot90([[0, 1, 2], [-1, 1, 1], [-2, -1, 0]], angle))


@given(angle=st.floats(-360, 360), slope=st.floats(-180, 180))
def test_emboss_lights_the_slopes_that_face_the_lamp(angle, slope):
    lamp, uphill = np.radians([angle, slope])
    y, x = np.indices((3, 3)) - 1
    u = x * np.cos(uphill) - y * np.sin(uphill)
    lit = naive.convolve(u, kernels.emboss(angle), ("zero", "zero"))[1, 1]
    assert math.isclose(lit, -6 * math.sqrt(2) * np.cos(lamp - uphill), abs_tol=1e-12)


@given(sigma=st.floats(0.1, 5.0), amount=st.floats(0.0, 5.0))
def test_unsharp_mask_adds_what_a_blur_takes(sigma, amount):
    blur = kernels.gaussian(sigma)
    one = kernels.identity(len(blur))
    assert np.allclose(
        kernels.unsharp_mask(sigma, amount), one + amount * (one - blur), rtol=0, atol=8 * EPS * (1 + amount)
    )


@given(wavelength=st.floats(2.0, 12.0), angle=st.floats(-180, 180), phase=st.floats(-360, 360))
def test_gabor_sum_and_symmetry(wavelength, angle, phase):
    sigma = 0.56 * wavelength
    kernel = kernels.gabor(wavelength, angle, phase=phase)
    assert np.allclose(kernel[::-1, ::-1], kernels.gabor(wavelength, angle, phase=-phase), rtol=0, atol=16 * EPS)
    # the closed form lacks what lies beyond 4 standard deviations, less half a cell: twice erfc of that, on both axes
    cut = 4 * math.erfc((4 - 0.5 / sigma) / math.sqrt(2))
    expected = math.cos(math.radians(phase)) * math.exp(-2 * (math.pi * sigma / wavelength) ** 2)
    aliases = 8 * math.exp(-2 * (math.pi * sigma) ** 2 * (1 - 1 / wavelength) ** 2)
    assert abs(kernel.sum() - expected) <= cut + aliases


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_gabor_turns_by_quarters(angle):
    turned = np.rot90(kernels.gabor(5.0, 0, phase=90, aspect=0.5), angle // 90)
    assert np.allclose(kernels.gabor(5.0, angle, phase=90, aspect=0.5), turned, rtol=0, atol=16 * EPS)


@pytest.mark.peer
def test_scikit_image_has_the_same_kernels():
    filters = pytest.importorskip("skimage.filters")
    u = np.random.default_rng(6).normal(size=(20, 21))
    theirs = {"sobel": 4, "scharr": 16, "prewitt": 3}  # scikit-image gives the slope per two cells
    for (name, scale), axis in itertools.product(theirs.items(), (0, 1)):
        ours = scipy.ndimage.convolve(u, getattr(kernels, name)(axis)) / scale
        assert np.allclose(ours, getattr(filters, name)(u, axis=axis, mode="reflect"), rtol=0, atol=1e-14), name
    for diagonal, name in enumerate(("roberts_pos_diag", "roberts_neg_diag")):
        ours = scipy.ndimage.convolve(u, kernels.roberts(diagonal))
        assert np.allclose(ours, getattr(filters, name)(u), rtol=0, atol=1e-14), name
    angle, wavelength, sigma = 30, 5.0, 2.0
    theirs = filters.gabor_kernel(
        1 / wavelength, theta=np.radians(-angle), sigma_x=sigma, sigma_y=sigma, n_stds=5, offset=0.4
    ).real
    ours = kernels.gabor(wavelength, angle, sigma=sigma, phase=math.degrees(0.4), truncate=5.0)
    rim = [(a - b) // 2 for a, b in zip(ours.shape, theirs.shape, strict=True)]
    inner = ours[rim[0] : len(ours) - rim[0], rim[1] : len(ours) - rim[1]]
    assert np.allclose(inner, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: kernels.identity(0), "size must be at least 1, got 0"),
        (lambda: kernels.identity(3, ndim=4), "ndim must be at most 3, got 4"),
        (lambda: kernels.box(2.5), "size must be a whole number, got 2.5"),
        (lambda: kernels.box((3, 3, 3)), "size must be one value or one for each of the 2 axes"),
        (lambda: kernels.gaussian(-1), "sigma must be at least 0, got -1"),
        (lambda: kernels.gaussian(math.nan), "sigma must be finite"),
        (lambda: kernels.gaussian(1, truncate=0), "truncate must be greater than 0"),
        (lambda: kernels.lattice_gaussian((1, -2)), r"sigma\[1\] must be at least 0"),
        (lambda: kernels.lattice_gaussian(1, tolerance=0), "tolerance must be greater than 0"),
        (lambda: kernels.lattice_gaussian(1, tolerance=1), "tolerance must be less than 1"),
        (lambda: kernels.disc(0), "radius must be greater than 0"),
        (lambda: kernels.disc("2"), "radius must be a real number"),
        (lambda: kernels.motion_blur(0), "length must be greater than 0"),
        (lambda: kernels.motion_blur(3, math.inf), "angle must be finite"),
        (lambda: kernels.laplacian(4), "points must be 3, 5, 7 or 9, got 4"),
        (lambda: kernels.laplacian_of_gaussian(0.01), "sigma must be at least 0.05"),
        (lambda: kernels.sharpen(-1), "amount must be at least 0"),
        (lambda: kernels.unsharp_mask(0), "sigma must be greater than 0"),
        (lambda: kernels.unsharp_mask(1, -1), "amount must be at least 0"),
        (lambda: kernels.emboss(None), "angle must be a real number"),
        (lambda: kernels.sobel(2), "axis must be at most 1, got 2"),
        (lambda: kernels.prewitt(-3), "axis must be at least -2, got -3"),
        (lambda: kernels.scharr(True), "axis must be a whole number"),
        (lambda: kernels.roberts(2), "diagonal must be at most 1"),
        (lambda: kernels.gabor(1.5), "wavelength must be at least 2"),
        (lambda: kernels.gabor(aspect=0), "aspect must be greater than 0"),
        (lambda: kernels.gabor(sigma=-1), "sigma must be greater than 0"),
    ],
)
def test_bad_input_is_refused_in_one_line(call, message):
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


@given(kernel=strategies.kernels(shape=strategies.shapes(2, most=4)))
def test_the_stated_convention_is_scipys(kernel):
    u = np.random.default_rng(7).normal(size=(9, 9))
    ours = naive.convolve(u, kernel, ("zero", "zero"))
    assert np.allclose(ours, ndimage(u, kernel), rtol=0, atol=64 * EPS * (1 + np.abs(kernel).sum()) * np.abs(u).max())


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda: kernels.gabor(1e6), "sigma"),
        (lambda: kernels.gabor(4.0, aspect=1e-310), "aspect"),
        (lambda: kernels.gabor(4.0, truncate=1e300), "truncate"),
        (lambda: kernels.gaussian(truncate=1e30), "truncate"),
        (lambda: kernels.laplacian_of_gaussian(truncate=1e30), "truncate"),
        (lambda: kernels.disc(1e7), "radius"),
        (lambda: kernels.disc(1e300), "radius"),
        (lambda: kernels.motion_blur(1e9, 45), "length"),
        (lambda: kernels.gaussian(1e300), "sigma"),
        (lambda: kernels.lattice_gaussian(1e150), "sigma"),
        (lambda: kernels.lattice_gaussian(3e4), "sigma"),  # whose reach is 8.5 sigma: 1.9 TiB
        (lambda: kernels.laplacian_of_gaussian(1e7), "sigma"),
        (lambda: kernels.unsharp_mask(1e7), "sigma"),
        (lambda: kernels.identity(10**6, 3), "size"),
        (lambda: kernels.box(10**15), "size"),
    ],
)
def test_what_no_memory_holds_is_refused(call, name):
    with pytest.raises(ValueError, match=f"^{name} must need no more memory than .* got .* GiB$"):
        call()


def test_windows_of_any_width_are_finite():
    """Squares of widths under- and overflow where the widths themselves do not."""
    for make in (
        lambda: kernels.gabor(2.0, sigma=1e-200),
        lambda: kernels.gaussian(1e-200),
        lambda: kernels.unsharp_mask(1e-200),
        lambda: kernels.disc(1e-300),
        lambda: kernels.motion_blur(5e-324, 45),
    ):
        np.testing.assert_array_equal(make(), [[1.0]])
    narrow = kernels.gabor(4.0, sigma=1e-3, truncate=5e3)
    assert narrow.sum() == narrow[5, 5] == 1.0
    assert np.isfinite(kernels.gabor(2.0, aspect=1e300)).all()
    with pytest.raises(ValueError, match="amount must be at most"):
        kernels.sharpen(1e308)


@pytest.mark.parametrize("orders", [0, 1, 2, 3, (0, 1), (2, 1), (1, 3)])
@pytest.mark.parametrize("sigma", [1.0, 2.5, (1.0, 3.0)])
def test_gaussian_derivatives_are_scipys(orders, sigma):
    u = np.random.default_rng(0).random((30, 40))
    kernel = kernels.gaussian_derivative(orders, sigma, truncate=4.0)
    theirs = scipy.ndimage.gaussian_filter(u, sigma, orders, mode="constant", truncate=4.0)
    ours = scipy.ndimage.convolve(u, kernel, mode="constant")
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-13)


def test_gaussian_derivatives_differentiate_polynomials():
    x = np.arange(-60.0, 61)
    for order, slope in ((1, 3 * x**2 + 3 * 4.0), (2, 6 * x), (3, 6 + 0 * x)):  # of x**3 blurred: x**3 + 3 sigma**2 x
        kernel = kernels.gaussian_derivative(order, 2.0, ndim=1)
        np.testing.assert_allclose(np.convolve(x**3, kernel, "valid"), slope[16:-16], rtol=1e-9, atol=1e-6)


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0, 3.0])
def test_an_integrated_gaussian_is_the_integral(sigma):
    kernel = kernels.integrated_gaussian(sigma, ndim=1)
    move = np.arange(kernel.size) - kernel.size // 2
    law = scipy.stats.norm(scale=sigma)
    truth = [scipy.integrate.quad(law.pdf, d - 0.5, d + 0.5, epsabs=1e-15)[0] for d in move]
    np.testing.assert_allclose(kernel, truth, rtol=0, atol=1e-13)
    np.testing.assert_array_equal(kernel, kernel[::-1])
    assert abs(kernel.sum() - 1) < 1e-15
    if sigma >= 1:
        assert abs(kernel @ move**2 - sigma**2 - 1 / 12) < 1e-6
    np.testing.assert_array_equal(kernels.integrated_gaussian((sigma, 0.0)), kernel[:, None])


@pytest.mark.parametrize("sigma", [1e6, 1e12, 1e300])
def test_integrated_gaussian_cut_off_near_its_middle_is_level(sigma):
    """Up to (1.5 / sigma)**2; differences of the distribution function kept fewer digits, or none."""
    weights = kernels.integrated_gaussian(sigma, ndim=1, truncate=1 / sigma)
    np.testing.assert_allclose(weights, 1 / 3, rtol=3e-12)
