"""What `interpret` says of the whole catalogue, and that every number it gives is what convolution does."""

import copy
import functools
import itertools
import math
import pickle

import naive
import numpy as np
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st

import diffuseconv as dc

EPS = np.finfo(float).eps
K = dc.kernels
GAUSS = np.outer([1, 2, 1], [1, 2, 1])  # the smoothing kernel of many lectures, not normalised
WINDOW = math.exp(-2 * (0.56 * math.pi) ** 2)  # of even light that a Gabor kernel's default window lets through
HALF_CELL = np.array([-1, 9, 9, -1]) / 16  # cubic interpolation: moves by half a cell


@pytest.mark.parametrize(
    ("kernel", "kind", "order", "gain", "equation"),
    [
        (K.identity(), "identity", 0, 1, "∂u/∂t = 0"),
        (K.box(3), "diffusion", 0, 1, "∂u/∂t = 0.3333 ∇²u"),
        (K.box(4, ndim=1), "diffusion", 0, 1, "∂u/∂t = 0.5 ∂u/∂x + 0.625 ∂²u/∂x²"),
        (K.gaussian(2.0), "diffusion", 0, 1, "∂u/∂t = 2 ∇²u"),
        (K.gaussian((1.0, 2.0)), "diffusion", 0, 1, "∂u/∂t = 0.5 ∂²u/∂y² + 2 ∂²u/∂x²"),
        (K.lattice_gaussian(1.0, ndim=3), "diffusion", 0, 1, "∂u/∂t = 0.5 ∇²u"),
        (GAUSS, "diffusion", 0, 16, "∂u/∂t = 2.773 u + 0.25 ∇²u"),
        (K.disc(), "diffusion", 0, 1, "∂u/∂t = 0.559 ∇²u"),
        (K.motion_blur(9, 90), "diffusion", 0, 1, "∂u/∂t = 3.333 ∂²u/∂y²"),
        (K.laplacian(3), "laplacian", 2, 0, "∂u/∂t = ∂²u/∂x²"),
        (K.laplacian(5), "laplacian", 2, 0, "∂u/∂t = ∇²u"),
        (K.laplacian(7), "laplacian", 2, 0, "∂u/∂t = ∇²u"),
        (K.laplacian(9), "laplacian", 2, 0, "∂u/∂t = ∇²u"),
        (K.laplacian_of_gaussian(), "laplacian", 2, 0, "∂u/∂t = ∇²u"),
        (K.laplacian_of_gaussian(0.3), "laplacian", 2, 0, "∂u/∂t = ∇²u"),
        (K.edge_detector(), "edge detector", 2, 0, "∂u/∂t = −3 ∇²u"),
        (K.sharpen(), "sharpen", 0, 1, "∂u/∂t = −∇²u"),
        (K.sharpen(100), "sharpen", 0, 1, "∂u/∂t = −100 ∇²u"),
        (K.sharpen(0), "identity", 0, 1, "∂u/∂t = 0"),
        (K.unsharp_mask(2.0, 0.5), "sharpen", 0, 1, "∂u/∂t = −∇²u"),
        (K.emboss(), "emboss", 0, 1, "∂u/∂t = 6 ∂u/∂y + 6 ∂u/∂x"),
        (K.sobel(0), "slope", 1, 0, "∂u/∂t = 8 ∂u/∂y"),
        (K.sobel(1), "slope", 1, 0, "∂u/∂t = 8 ∂u/∂x"),
        (K.sobel(0, ndim=3), "slope", 1, 0, "∂u/∂t = 32 ∂u/∂z"),
        (-K.prewitt(1), "slope", 1, 0, "∂u/∂t = −6 ∂u/∂x"),
        (K.scharr(0), "slope", 1, 0, "∂u/∂t = 32 ∂u/∂y"),
        (K.roberts(0), "slope", 1, 0, "∂u/∂t = ∂u/∂y + ∂u/∂x"),
        (K.roberts(1), "slope", 1, 0, "∂u/∂t = ∂u/∂y − ∂u/∂x"),
        (K.gabor(), "wave", 0, WINDOW, None),
        (K.gabor(4.0, 30), "wave", 0, WINDOW, None),
        (K.gabor(2.0), "wave", 0, 2 * WINDOW, None),
        (np.zeros((3, 3)), "zero", None, 0, None),
        ([0.0, 0.0, 3.0], "shift", 0, 3, "∂u/∂t = 1.099 u − ∂u/∂x"),
        ([-2.0], "scale", 0, -2, "∂u/∂t = 0.6931 u"),
        (np.ones((3, 3)), "diffusion", 0, 9, "∂u/∂t = 2.197 u + 0.3333 ∇²u"),
        (-K.box(3), "diffusion", 0, -1, "∂u/∂t = 0.3333 ∇²u"),
        ([0.0, 0.7, 0.3], "diffusion", 0, 1, "∂u/∂t = −0.3 ∂u/∂x + 0.105 ∂²u/∂x²"),
        (np.outer([-1, 6, -1], [1, 2, 1]) / 16, "mixed", 0, 1, "∂u/∂t = −0.25 ∂²u/∂y² + 0.25 ∂²u/∂x²"),
        (np.array([-1, 4, 10, 4, -1]) / 16, "neutral", 0, 1, "∂u/∂t = −0.0625 ∂⁴u/∂x⁴"),
        (HALF_CELL, "neutral", 0, 1, "∂u/∂t = 0.5 ∂u/∂x − 0.02344 ∂⁴u/∂x⁴"),
        ([[1, -1], [-1, 1]], "curvature", 2, 0, "∂u/∂t = ∂²u/∂y∂x"),
        ([1, -3, 3, -1], "derivative", 3, 0, "∂u/∂t = ∂³u/∂x³"),
        ([-1, 6, 10, 6, -1], "smoothing", 0, 20, "∂u/∂t = 2.996 u + 0.1 ∂²u/∂x²"),
    ],
)
def test_what_it_says(kernel, kind, order, gain, equation):
    found = dc.interpret(kernel)
    assert (found.kind, found.order) == (kind, order)
    assert math.isclose(found.gain, gain, rel_tol=0.03 if kind == "wave" else 1e-12, abs_tol=0)
    assert found.formula == equation
    assert (found.drift is None) == (found.diffusivity is None) == (found.gain == 0)
    text = str(found)
    assert found.summary.split()[0] in text
    assert found.picture in text
    assert max(map(len, text.splitlines())) <= 100
    assert "nan" not in text
    assert kind != "diffusion" or "Blurs" in found.summary
    assert kind != "sharpen" or "backward" in found.summary
    assert repr(found).startswith("<Interpretation of a ")


def test_the_whole_catalogue_is_interpreted():
    kinds = {name: dc.interpret(getattr(K, name)()).kind for name in K.__all__}
    assert {name for name, kind in kinds.items() if kind == "diffusion"} == {
        *("box", "disc", "gaussian", "integrated_gaussian", "lattice_gaussian", "motion_blur")
    }
    assert kinds["gabor"] == "wave"
    assert set(kinds.values()) == {
        *("identity", "diffusion", "laplacian", "edge detector", "sharpen", "emboss", "slope", "wave", "curvature")
    }


@pytest.mark.parametrize(
    ("kernel", "words"),
    [
        (GAUSS, "Blurs: one step of diffusion."),
        (K.motion_blur(9, 30), "diffusion, fastest at 29.9°."),
        (K.motion_blur(9, 0), "Blurs along one line: one step of diffusion in a single direction, along x."),
        (K.sobel(1), "8 ∂/∂x of a smoother"),
        *[
            (make, words)
            for make in (K.sobel(0), K.sobel(1), K.scharr(), K.prewitt(0), K.roberts(0), K.roberts(1), K.sobel(0, 3))
            for words in ("Finds edges", "a gradient")
        ],
        (K.sobel(1), "a smoother picture (first blurred over 3×2 cells)"),
        (K.sharpen(1e-9), "blows up: one wave grows by the factor 1 + 8.0e−09 each time"),
        (K.sharpen(), "blows up: one wave grows 9-fold each time"),
        (K.edge_detector(), "minus a Laplacian, −3 ∇²"),
        (K.edge_detector(), "stays put with chance 0.999"),
        (K.sharpen(), "grows 9-fold"),
        (K.sharpen(), "the finest checkerboard"),
        (K.emboss(), "rises to the lower right is lit"),
        (K.emboss(0), "rises to the left is lit"),
        (K.roberts(1), "slopes to the lower left"),
        (K.gabor(6, 30), "waves about 6 cells long, running at 30°"),
        (K.gabor(5, 90), "running along y"),
        (np.eye(1, 5, 0), "by 2 cells to the left"),
        (np.eye(5, 1, 0), "by 2 cells upwards"),
        (HALF_CELL, "by 0.5 cells to the left"),
        (-K.box(3), "inverted from bright to dark"),
        (K.box(3), "separable"),
    ],
)
def test_words(kernel, words):
    assert words in " ".join(str(dc.interpret(kernel)).split())


def test_softmax_of_the_edge_detector_has_the_known_numbers():
    density = dc.interpret(K.edge_detector()).propagator.density
    assert f"{density[1, 1]:.4f} {density[0, 0]:.4f}" == "0.9990 0.0001"


@given(kernel=strategies.kernels(shape=strategies.shapes(most=5)))
def test_coefficients_are_what_convolution_makes_of_polynomials(kernel):
    """Convolved at 0 with the monomial whose one derivative there is 1, a kernel gives that coefficient."""
    found = dc.interpret(kernel)
    grid = np.indices((11,) * kernel.ndim) - 5.0
    for powers in itertools.product(range(3), repeat=kernel.ndim):
        if sum(powers) > 2:
            continue
        monomial = np.prod([x**n / math.factorial(n) for x, n in zip(grid, powers, strict=True)], axis=0)
        value = 0.0
        for tap in np.ndindex(kernel.shape):  # the definition of convolution, at the cell 0 alone
            move = [j - n // 2 for j, n in zip(tap, kernel.shape, strict=True)]
            value += kernel[tap] * monomial[tuple(5 - d for d in move)]
        weight = (np.abs(kernel).sum() + 1) * 3 ** sum(powers)
        assert abs(found.coefficients[powers] - value) <= 64 * EPS * weight
    assert found.gain == found.coefficients[(0,) * kernel.ndim]


@given(density=strategies.densities(shape=strategies.shapes(most=5)))
def test_drift_and_diffusivity_are_the_propagators(density):
    found, p = dc.interpret(density), dc.Propagator.normalized(density)
    assert found.kind in ("diffusion", "identity", "shift")
    assert np.allclose(found.drift, p.mean, rtol=0, atol=256 * EPS)
    assert np.allclose(found.diffusivity, p.diffusivity(duration=1.0), rtol=0, atol=1024 * EPS)
    assert np.all(np.diff(found.principal_diffusivities) <= 0)
    rebuilt = found.principal_axes @ np.diag(found.principal_diffusivities) @ found.principal_axes.T
    assert np.allclose(rebuilt, found.diffusivity, rtol=0, atol=256 * EPS * max(1, np.abs(rebuilt).max()))
    assert found.amplification == pytest.approx(1, abs=64 * EPS)
    assert found.bounded


@given(kernel=strategies.kernels(shape=strategies.shapes(most=5)), seed=strategies.SEEDS)
def test_no_wave_is_amplified_more_and_one_is(kernel, seed):
    found = dc.interpret(kernel)
    moves = np.indices(kernel.shape).reshape(kernel.ndim, -1) - np.reshape([n // 2 for n in kernel.shape], (-1, 1))

    def response(frequency):
        return np.abs(np.exp(-2j * np.pi * frequency @ moves) @ kernel.ravel())

    rounding = 64 * EPS * np.abs(kernel).sum()
    dense = np.abs(np.fft.fftn(kernel, [{1: 4096, 2: 256, 3: 48}[kernel.ndim]] * kernel.ndim, axes=range(kernel.ndim)))
    assert dense.max() <= found.amplification + rounding
    near = found.frequency + np.random.default_rng(seed).normal(size=(200, kernel.ndim)) * 1e-3
    assert response(near).max() <= found.amplification + rounding
    assert abs(response(found.frequency[None])[0] - found.amplification) <= rounding
    assert np.all(np.abs(found.frequency) <= 0.5)


@pytest.mark.parametrize(
    ("kernel", "amplification", "bounded"),
    [
        (K.sharpen(), 9, False),
        (K.edge_detector(), 12, False),
        (K.laplacian(5), 8, False),
        (K.laplacian(9), 16 / 3, False),
        (K.sobel(0), 8, False),
        (K.box(5), 1, True),
        (K.unsharp_mask(3.0), 2, False),
        (HALF_CELL, 1, True),
        (dc.kernels.identity() + 0.25 * K.laplacian(), 1, True),
        (dc.kernels.identity() + 0.2501 * K.laplacian(), 1.0008, False),
    ],
)
def test_amplification_in_closed_form(kernel, amplification, bounded):
    found = dc.interpret(kernel)
    assert math.isclose(found.amplification, amplification, rel_tol=1e-12)
    assert found.bounded == bounded


def test_two_peaks_about_to_merge_at_a_saddle():
    kernel = np.array(
        [[-0.10126852, 0.21772329, 1.46700981, -2.71482098], [0.26489543, 0.89526061, -1.73266095, 0.636]]
    )
    dense = np.abs(np.fft.fft2(kernel, (1024, 1024))).max()
    assert dense <= dc.interpret(kernel).amplification <= dense * (1 + 1e-6)


def test_amplification_between_grid_points():
    """Along the diagonal, where it is largest, K of the embossing kernel is 1 + i (4 sin t + 4 sin 2t)."""
    t = np.linspace(0, np.pi, 200_001)
    found = dc.interpret(K.emboss())
    assert math.isclose(found.amplification, np.sqrt(1 + (4 * np.sin(t) + 4 * np.sin(2 * t)) ** 2).max(), rel_tol=1e-9)
    assert not found.bounded


@given(shape=strategies.shapes(most=5), data=st.data())
def test_separable_means_rank_one(shape, data):
    factors = [data.draw(strategies.fields((n,), size=10.0)) for n in shape]
    kernel = np.einsum(",".join("abc"[: len(shape)]), *factors)
    assume(np.all(np.abs(kernel[kernel != 0]) > 1e-200))
    assert dc.interpret(kernel).separable


def test_sums_of_products_are_not_separable():
    assert not dc.interpret(K.laplacian(5)).separable
    assert not dc.interpret(K.laplacian(7)).separable
    assert not dc.interpret(np.stack([K.sobel(0), K.sobel(1)])).separable


@pytest.mark.parametrize("size", [2, 3, 40])
def test_separable_to_the_rounding_that_is_allowed(size):
    """Whatever the largest weight's row and column leave, the second singular value alone decides."""
    rng = np.random.default_rng(size)
    left, _, right = np.linalg.svd(rng.normal(size=(size, size + 1)), full_matrices=False)
    allowed = 16 * (size + 1) * np.finfo(float).eps
    for part in (0.1, 0.3, 0.7, 1.5, 3.0, 30.0):
        strengths = np.zeros(size)
        strengths[:2] = 1.0, part * allowed
        kernel = left * strengths @ right
        strong = np.linalg.svd(kernel, compute_uv=False)
        assert dc.interpret(kernel).separable == (strong[1] <= allowed * strong[0])


@pytest.mark.parametrize("make", [K.sobel, K.prewitt, K.scharr])
@pytest.mark.parametrize(("axis", "ndim"), [(0, 1), (0, 2), (1, 2), (2, 3)])
def test_the_smoother_of_a_slope(make, axis, ndim):
    kernel = make(axis, ndim)
    found = dc.interpret(kernel)
    assert found.smoother.shape == tuple(2 if a == axis else 3 for a in range(ndim))
    assert np.all(found.smoother >= 0)
    scale = sum(v for powers, v in found.coefficients.items() if sum(powers) == 1)
    difference = np.reshape([1.0, -1.0], [2 if a == axis else 1 for a in range(ndim)])
    assert np.allclose(naive.full(scale * found.smoother, difference), kernel, rtol=0, atol=64 * EPS)


def test_smoothers_of_other_kernels():
    assert np.array_equal(dc.interpret([1, -2, 1]).smoother, [1])
    assert np.array_equal(dc.interpret([[1, -1], [-1, 1]]).smoother, [[1]])
    almost = np.convolve([1.0, 2.0, 1.0, -1e-9], [1.0, -1.0])  # a negative weight is none of a density, however small
    for kernel in (K.edge_detector(), K.roberts(), K.box(), K.sharpen(), K.gabor(phase=90), almost):
        assert dc.interpret(kernel).smoother is None


FACTS = ("kind", "order", "bounded", "separable")


@pytest.mark.parametrize("name", K.__all__)
def test_roundings_change_nothing_that_is_said(name):
    """Nudging every weight by one unit in the last place leaves the words; so does a rounding to float32."""
    kernel = getattr(K, name)()
    found = dc.interpret(kernel)
    rng = np.random.default_rng(11)
    nudged = dc.interpret(np.nextafter(kernel, kernel + rng.choice([-1, 1], kernel.shape)) * (kernel != 0))
    single = dc.interpret(kernel.astype(np.float32))
    for other in (nudged, single):
        # nudging breaks exact symmetry, which may show as a drift of rounding size: that must count as none
        assert [getattr(other, fact) for fact in FACTS] == [getattr(found, fact) for fact in FACTS]
        assert other.formula == found.formula


@pytest.mark.parametrize("power", [-900, -30, 1, 30, 900])
@pytest.mark.parametrize("name", ["edge_detector", "sobel", "gaussian", "gabor", "emboss", "laplacian"])
def test_size_of_the_weights_does_not_matter(name, power):
    kernel = getattr(K, name)()
    found, scaled = dc.interpret(kernel), dc.interpret(np.ldexp(kernel, power))
    assert scaled.kind == found.kind
    assert scaled.order == found.order
    assert scaled.gain == math.ldexp(found.gain, power)
    assert scaled.amplification == math.ldexp(found.amplification, power)
    assert scaled.picture == found.picture
    if found.drift is not None:
        assert np.array_equal(scaled.drift, found.drift)
        assert np.array_equal(scaled.diffusivity, found.diffusivity)


@given(kernel=strategies.kernels(shape=strategies.shapes(most=7)))
def test_anything_is_interpreted(kernel):
    found = dc.interpret(kernel)
    assert str(found)
    assert found.amplification <= np.abs(kernel).sum() * (1 + 64 * EPS)
    assert found.amplification >= abs(found.gain) * (1 - 64 * EPS) - 64 * EPS * np.abs(kernel).sum()
    assert found.kernel is not kernel
    assert not found.kernel.flags.writeable


@given(size=st.integers(3, 9).filter(lambda n: n % 2), shift=st.integers(-1, 1))
def test_moving_a_kernel_changes_its_drift_alone(size, shift):
    kernel = np.zeros(size + 4)
    kernel[2 + shift : 2 + shift + size] = K.gaussian(size / 4, ndim=1, truncate=4.0)[:size].sum() * K.box(size, 1)
    moved, still = dc.interpret(kernel), dc.interpret(np.roll(kernel, -shift))
    assert math.isclose(moved.drift[0] - still.drift[0], shift, abs_tol=64 * EPS * size)
    assert math.isclose(moved.diffusivity[0, 0], still.diffusivity[0, 0], rel_tol=256 * EPS)


def test_propagators_are_taken_too():
    p = dc.Propagator.heat(0.5, 1.0, ndim=2)
    found = dc.interpret(p)
    assert np.allclose(found.diffusivity, 0.5 * np.eye(2), rtol=0, atol=1e-12)
    assert found.formula == "∂u/∂t = 0.5 ∇²u"


def test_repeated_use_stays_bounded_as_said():
    """The growth of white noise on a torus after 64 uses, kernel by kernel."""
    u = np.random.default_rng(12).normal(size=(12, 12))
    for kernel in (K.box(3), K.emboss(), K.sharpen(), K.gabor(), HALF_CELL[None], K.identity() + 0.3 * K.laplacian()):
        used = u
        for _ in range(64):
            used = dc.convolve(used, kernel, boundary="periodic")
        assert (np.linalg.norm(used) <= np.linalg.norm(u)) == dc.interpret(kernel).bounded


@pytest.mark.parametrize(
    ("kernel", "rows"),
    [
        (K.laplacian(), [" ·  +░░  ·", "+░░ −██ +░░", " ·  +░░  ·"]),
        (K.box((2, 3)), ["██ ██ ██"] * 2),
        ([0, 1, 3], ["·  ▒▒ ██"]),
        (-K.box(1), ["██", "(all weights negative)"]),
        (K.sobel(0, 3), ["░░ ▒▒ ░░", "▒▒ ██ ▒▒", "░░ ▒▒ ░░", "(slice at z = −1)"]),
        (np.zeros((1, 2)), ["· ·"]),
    ],
)
def test_pictures(kernel, rows):
    assert [line.rstrip() for line in dc.interpret(kernel).picture.splitlines()] == [
        row if row.startswith("(") or row != "· ·" else "·  ·" for row in rows
    ]


def test_large_kernels_have_small_symmetric_pictures():
    rows = dc.interpret(K.gaussian(20.0)).picture.splitlines()
    assert rows[-1].startswith("(sums over ")
    cells = [row.ljust(max(map(len, rows[:-1]))) for row in rows[:-1]]
    assert len(cells) <= 26
    assert cells == cells[::-1]


def test_a_long_line_is_drawn_in_little_memory():
    kernel = K.box(200_001, ndim=1)  # blocks as wide as tall took 13 GB
    assert dc.interpret(kernel).picture.splitlines() == ["██" * 25, "(sums over 8001×8001 cells)"]


@pytest.mark.parametrize(
    ("kernel", "error", "message"),
    [
        ([1.0, math.nan], ValueError, "kernel must be finite"),
        (np.ones((2, 2, 2, 2)), ValueError, "kernel must have 1, 2 or 3 dimensions, got 4"),
        ([], ValueError, "kernel must not be empty"),
        ([1j], TypeError, "kernel must hold"),
        (np.full((3, 3), 1e308), ValueError, "kernel must have weights whose sum is a finite number, got 1e.308"),
        ("sobel", TypeError, "kernel must hold"),
    ],
)
def test_bad_kernels_are_refused(kernel, error, message):
    with pytest.raises(error, match=message):
        dc.interpret(kernel)


@given(st.data(), st.integers(1, 3))
def test_the_circle_closes(data, ndim):
    """Kernel, equation, propagator: the kernel's own mean and covariance, to rounding."""
    factors = []
    for _ in range(ndim):
        drift, spread = data.draw(st.floats(-0.4, 0.4)), data.draw(st.floats(0.2, 0.4))
        variance = drift**2 + 2 * spread  # of the raw second moment: weights at -1, 0 and 1
        factors.append([(variance - drift) / 2, 1 - variance, (variance + drift) / 2])
    kernel = functools.reduce(np.multiply.outer, map(np.array, factors))
    p = dc.Propagator.normalized(np.abs(kernel))
    spacing, duration = data.draw(st.floats(0.1, 10)), data.draw(st.floats(0.1, 10))
    moved = dc.interpret(p).equation(spacing, duration).propagator(duration)
    slow = np.abs(p.mean) <= np.diag(p.covariance)  # cell Peclet numbers up to 2: beyond, upwind differences spread
    if slow.all():
        np.testing.assert_allclose(moved.mean, p.mean, rtol=0, atol=1e-12)
        np.testing.assert_allclose(moved.covariance, p.covariance, rtol=0, atol=1e-11)


def test_equations_of_kernels_without_one_are_refused():
    for kernel in ([-1.0, 3.0, -1.0], [1.0, -1.0], [1.0, 2.0, 1.0]):
        with pytest.raises(ValueError, match=r"^equation needs a kernel"):
            dc.interpret(kernel).equation()
    fading = dc.interpret([0.1, 0.7, 0.1]).equation(1.0, 2.0)
    assert abs(fading.evolve(np.ones(9), 2.0) - 0.9).max() <= 1e-9
    askew = np.array([[0.2, 0.05, 0.0], [0.05, 0.4, 0.05], [0.0, 0.05, 0.2]])
    step = dc.interpret(askew).equation()
    np.testing.assert_allclose(step.propagator(1.0).covariance, dc.Propagator(askew).covariance, rtol=0, atol=1e-12)


def test_copies_and_pickles_are_the_same():
    found = dc.interpret(dc.kernels.sobel())
    for again in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert str(again) == str(found)
        assert again.coefficients == found.coefficients
        with pytest.raises(TypeError, match="does not support item assignment"):
            again.coefficients[0, 0] = 1.0
