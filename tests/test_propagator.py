"""Propagator against plain loops, exponentials of matrices, and constants worked out to 50 digits."""

import copy
import itertools
import math
import pickle

import naive
import numpy as np
import pytest
import scipy.linalg
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv import _composition
from diffuseconv.propagator import Propagator

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


# --- what a density is -----------------------------------------------------------------------------------------------


@given(strategies.densities())
def test_a_density_is_kept_as_it_is(density):
    p = Propagator(density)
    assert np.array_equal(p.density, density)
    assert p.shape == density.shape
    assert p.ndim == density.ndim
    assert p.density.dtype == np.float64
    assert not np.shares_memory(p.density, density)


@pytest.mark.parametrize(
    ("density", "words"),
    [
        ([0.5, 0.6], "must sum to 1 within 1e-12 .* got 1.1"),
        ([0.5, 0.5 + 1.1e-12], "must sum to 1"),
        ([1.5, -0.5], "must not be negative anywhere, got -0.5 at index \\(1,\\)"),
        ([1.0, -1e-300], "must not be negative"),
        ([np.nan, 1.0], "must be finite, got nan"),
        ([np.inf, 1.0], "must be finite"),
        ([], "must not be empty"),
        (1.0, "must have 1, 2 or 3 dimensions, got 0"),
        (np.ones((1, 1, 1, 1)), "must have 1, 2 or 3 dimensions, got 4"),
    ],
)
def test_no_density_no_propagator(density, words):
    with pytest.raises(ValueError, match=words) as error:
        Propagator(density)
    assert len(str(error.value).splitlines()) == 1
    assert "density" in str(error.value)


@pytest.mark.parametrize("density", [[1j], "one", [None], np.ma.masked_array([1.0])])
def test_a_density_is_made_of_real_numbers(density):
    with pytest.raises(TypeError, match="density"):
        Propagator(density)


def test_a_sum_within_rounding_is_taken():
    Propagator([0.5, 0.5 + 0.9e-12])
    Propagator(np.full(7, 1 / 7, dtype=np.float64))
    assert Propagator(np.array([0.5, 0.25, 0.25], dtype=np.float32)).density.dtype == np.float64
    assert not np.signbit(Propagator([1.0, -0.0]).density).any()


@pytest.mark.parametrize("p", [Propagator([0.25, 0.75]), Propagator.softmax(EDGE), Propagator.heat(1, 2, ndim=3)])
def test_it_never_changes(p):
    with pytest.raises(AttributeError, match="never changes"):
        p.density = np.ones(1)
    with pytest.raises(AttributeError, match="never changes"):
        p.anything = 1
    for array in (p.density, p.mean, p.covariance, *(p.factors or ())):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0


@pytest.mark.parametrize(
    "p", [Propagator([0.25, 0.75]), Propagator.softmax(EDGE), Propagator.heat(1, 2), Propagator([0.5, 0.5]).power(3)]
)
@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda p: pickle.loads(pickle.dumps(p))])
def test_copies_are_equal_and_as_frozen(p, again):
    q = again(p)
    assert q == p
    assert hash(q) == hash(p)
    assert q.fourier_numbers == p.fourier_numbers
    assert not q.density.flags.writeable
    assert all(not f.flags.writeable for f in q.factors or ())
    assert q.power(2) == p.power(2)


def test_a_propagator_goes_where_an_array_does():
    p = Propagator.heat(0.5, 1.0, ndim=1)
    assert np.asarray(p) is p.density
    assert np.array(p).flags.writeable
    assert np.asarray(p, np.float32).dtype == np.float32
    np.testing.assert_array_equal(dc.spectrum.transfer_function(p, 9), dc.spectrum.transfer_function(p.density, 9))
    assert dc.interpret(p).kind == "diffusion"
    assert dc.timeseries.sum_density(p, p)[1].sum() == pytest.approx(1, abs=1e-14)


def test_a_small_pickle_for_a_wide_kernel():
    p = Propagator.heat(1.0, 1e4, ndim=3)
    assert len(pickle.dumps(p)) < 10 * sum(p.shape) + 1000
    assert "density" not in vars(p)


@given(strategies.densities(), strategies.densities())
def test_equal_when_the_densities_are(a, b):
    p, q = Propagator(a), Propagator(b)
    assert (p == q) == (a.shape == b.shape and bool((a == b).all()))
    assert p == Propagator(a)
    assert hash(p) == hash(Propagator(a))
    assert p != a.tolist()


def test_a_heat_kernel_equals_its_density():
    p = Propagator.heat(1.0, 0.7, ndim=3)
    q = Propagator(p.density)
    assert p == q
    assert hash(p) == hash(q)
    assert q.factors is None
    assert q.fourier_numbers is None


def test_it_says_in_words_what_it_is():
    assert repr(Propagator([0.25, 0.5, 0.25])) == (
        "<Propagator: 3 cells, mean move (0), spread (0.707), entropy 1.04 nats>"
    )
    assert repr(Propagator.heat(1, 2)).startswith("<Propagator.heat: 47 × 47 cells, mean move (0, 0), spread (2, 2)")


# --- softmax and normalized ------------------------------------------------------------------------------------------


def test_softmax_of_the_edge_detector():
    p = Propagator.softmax(EDGE).density
    centre = 1 / (1 + 8 * math.exp(-9))
    np.testing.assert_allclose(p[1, 1], centre, rtol=4 * EPS)
    np.testing.assert_allclose(np.delete(p.ravel(), 4), centre * math.exp(-9), rtol=4 * EPS)
    assert f"{p[1, 1]:.4f}" == "0.9990"
    assert {f"{value:.4f}" for value in np.delete(p.ravel(), 4)} == {"0.0001"}


@given(strategies.kernels(size=30.0), st.floats(0.1, 100.0))
def test_softmax_is_its_formula(kernel, temperature):
    ours = Propagator.softmax(kernel, temperature).density
    raised = [math.exp((k - kernel.max()) / temperature) for k in kernel.ravel()]
    expected = np.array(raised).reshape(kernel.shape) / math.fsum(raised)
    np.testing.assert_allclose(ours, expected, rtol=1e-12)  # exp turns an exponent's rounding (600 eps) into a factor


@given(strategies.kernels(size=1.0), st.sampled_from([1e-300, 1.0, 1e300, 1.7e308]), st.floats(5e-324, 1.7e308))
@example(np.array([-1.0, 1.0]), 1.7e308, 1.7e308)
@example(np.array([-1.0, 1.0]), 1.7e308, 5e-324)
def test_softmax_never_overflows(kernel, size, temperature):
    p = Propagator.softmax(kernel * size, temperature).density
    assert p.max() == p[np.unravel_index(np.argmax(kernel), kernel.shape)]
    order = np.argsort(kernel, axis=None)
    assert (np.diff(p.ravel()[order]) >= 0).all()


def test_softmax_between_cold_and_hot():
    kernel = np.array([3.0, 1.0, 3.0, -1e300])
    assert Propagator.softmax(kernel, 1e-300).density.tolist() == [0.5, 0.0, 0.5, 0.0]
    assert Propagator.softmax([1e300, -1e300]).density.tolist() == [1.0, 0.0]
    assert Propagator.softmax(EDGE, 1e300) == Propagator(np.full((3, 3), 1 / 9))
    both = Propagator.softmax([-1.7e308, 1.7e308], 1.7e308).density
    np.testing.assert_allclose(both[1] / both[0], math.exp(2), rtol=8 * EPS)


@given(strategies.densities(), st.sampled_from([1e-300, 0.1, 1.0, 3.0, 1e300, 1.7e308]))
def test_normalized_divides_by_the_sum(density, size):
    p = Propagator.normalized(density / density.max() * size)
    np.testing.assert_allclose(p.density, density, rtol=20 * EPS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Propagator.normalized([1, -1]), "kernel must not be negative anywhere, got -1.0 at index"),
        (lambda: Propagator.normalized([0, 0]), "kernel must not be zero everywhere"),
        (lambda: Propagator.normalized([np.inf]), "kernel must be finite"),
        (lambda: Propagator.softmax([np.nan]), "kernel must be finite"),
        (lambda: Propagator.softmax([1.0], 0), "temperature must be greater than 0, got 0"),
        (lambda: Propagator.softmax([1.0], -1), "temperature must be greater than 0, got -1"),
        (lambda: Propagator.heat(-1, 1), "diffusivity\\[0\\] must be at least 0|diffusivity must be at least 0"),
        (lambda: Propagator.heat(1, -1), "duration must be at least 0, got -1"),
        (lambda: Propagator.heat(1, 1, 0), "spacing must be greater than 0, got 0"),
        (lambda: Propagator.heat(1, 1, ndim=4), "ndim must be at most 3, got 4"),
        (lambda: Propagator.heat(1, 1, tolerance=0), "tolerance must be greater than 0"),
        (lambda: Propagator.heat(1, 1, tolerance=1), "tolerance must be less than 1, got 1"),
        (lambda: Propagator.heat([1, 2, 3], 1), "diffusivity must be one value or one for each of the 2 axes"),
        (lambda: Propagator.heat(1e12, 1), "at most 1e\\+11 .*, got 1e\\+12"),
        (lambda: Propagator.heat(1e300, 1e300), "at most 1e\\+11 .*, got inf"),
        (lambda: Propagator([1.0]).drift(0), "duration must be greater than 0, got 0"),
        (lambda: Propagator([1.0]).diffusivity(1, [1, 1]), "spacing must be one value or one for each of the 1 axes"),
        (lambda: Propagator([1.0]).compose(Propagator([[1.0]])), "other must have 1 axes, .* got 2"),
        (lambda: Propagator([0.5, 0.5]).power(-1), "n must be at least 0, got -1"),
        (lambda: Propagator.heat(1, 1).power(-0.5), "n must be at least 0, got -0.5"),
        (lambda: Propagator([1.0]).steps_to_mix(0), "shape must be at least 1, got 0"),
        (lambda: Propagator([1.0]).steps_to_mix(4, "mirror"), "boundary must be one of"),
        (lambda: Propagator([1.0]).steps_to_mix(4, tolerance=1.0), "tolerance must be less than 1"),
        (lambda: Propagator([0.5, 0.5]).steps_to_mix(4), "boundary must be 'periodic' on axis 0"),
        (lambda: Propagator(np.ones(5) / 5).steps_to_mix(4, "zero"), "moves further than one cell"),
    ],
)
def test_errors_name_argument_rule_and_value(make, words):
    with pytest.raises(ValueError, match=words) as error:
        make()
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (
            lambda: Propagator([0.5, 0.5]).power(0.5),
            "n must be a whole number .only heat kernels take fractions., got 0.5",
        ),
        (lambda: Propagator.softmax(EDGE).power(2.0), "n must be a whole number"),
        (lambda: Propagator(Propagator.heat(1, 1).density).power(0.5), "only heat kernels"),
        (lambda: Propagator.heat(1, 1).power("2"), "n must be a real number"),
        (lambda: Propagator([1.0]).compose([1.0]), "other must be a Propagator"),
        (lambda: Propagator.heat(np.eye(2), 1), "diffusivity must be a real number"),
        (lambda: Propagator.heat(1, True), "duration must be a real number"),
    ],
)
def test_wrong_types(make, words):
    with pytest.raises(TypeError, match=words):
        make()


# --- heat ------------------------------------------------------------------------------------------------------------

# exp(-2r) I_d(2r) to 20 digits, from its series and, for r = 1e8, from its integral, both worked out to 60 digits.
CONSTANTS = [
    (0.001, 0, 0.99800299666958123457),
    (0.001, 2, 4.990011656673537904e-7),
    (0.5, 0, 0.4657596075936404365),
    (0.5, 5, 0.000099865714112086907179),
    (10.0, 7, 0.02589401260650557372),
    (400.0, 0, 0.014106945005869183979),
    (400.0, 60, 0.0014863388346360527224),
    (600.0, 0, 0.01151767184432443098),
    (600.0, 100, 0.00017868879940604120977),
    (1e8, 0, 0.000028209479195018738883),
    (1e8, 10000, 0.000021969564474530367978),
    (1e8, 60000, 3.4813264575042091087e-9),
]


@pytest.mark.parametrize(("r", "move", "value"), CONSTANTS)
def test_heat_has_the_right_digits(r, move, value):
    (factor,) = Propagator.heat(r, 1.0, ndim=1).factors
    np.testing.assert_allclose([factor[factor.size // 2 + move], factor[factor.size // 2 - move]], value, rtol=1e-13)


@pytest.mark.parametrize("r", [1e-3, 0.1, 0.7, 5.0, 40.0])
def test_heat_is_the_exponential_of_the_laplacian(r):
    n = 161  # a ring so wide that nothing has come round: at r = 40 the far side holds 1e-16 of the salt
    laplacian = scipy.linalg.circulant([-2, 1, *[0] * (n - 3), 1])
    expected = np.roll(scipy.linalg.expm(r * laplacian)[:, 0], n // 2)
    (factor,) = Propagator.heat(r, 1.0, ndim=1).factors
    pad = (n - factor.size) // 2
    ours = factor[-pad : factor.size + pad] if pad < 0 else np.pad(factor, pad)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=3e-15)


@given(st.floats(-3, 5))
def test_heat_obeys_the_recurrence_of_bessel_functions(exponent):
    """I_(d-1) - I_(d+1) = (2d/z) I_d with z = 2r, at every d: it couples all values and fixes them up to a factor."""
    r = 10.0**exponent
    (p,) = Propagator.heat(r, 1.0, ndim=1).factors
    d = np.arange(p.size) - p.size // 2
    left, right = p[:-2] - p[2:], (d / r * p)[1:-1]
    inner = np.abs(d[1:-1]) < p.size // 2 - 1
    np.testing.assert_allclose(left[inner], right[inner], rtol=0, atol=1e-13 * p.max())


@given(st.floats(-300, 8), st.floats(-15, -2))
def test_heat_at_any_time(exponent, digits):
    duration, tolerance = 10.0**exponent, 10.0**digits
    p = Propagator.heat(1.0, duration, ndim=1, tolerance=tolerance)
    (factor,) = p.factors
    assert factor.size % 2 == 1
    assert factor.min() > 0
    assert np.array_equal(factor, factor[::-1])
    assert abs(math.fsum(factor) - 1) <= 1e-14
    assert p.mean[0] == 0
    np.testing.assert_allclose(p.diffusivity(duration), [[1.0]], rtol=2 * tolerance + 1e-13)


@given(st.floats(-2, 4), st.sampled_from([1e-15, 1e-9, 1e-3, 0.5, 0.9]))
def test_heat_is_cut_where_the_rest_is_below_the_tolerance(exponent, tolerance):
    r = 10.0**exponent
    wide, cut = (Propagator.heat(r, 1.0, ndim=1, tolerance=e).factors[0] for e in (tolerance / 1e9, tolerance))
    beyond = wide[: (wide.size - cut.size) // 2].sum() * 2
    assert beyond <= tolerance
    further = wide[: (wide.size - cut.size) // 2 + 2]  # with one cell less on each side some of the rule would break
    moves = np.arange(wide.size // 2, wide.size // 2 - further.size, -1.0)
    assert 2 * (further * moves**2).sum() > tolerance * 2 * r or 2 * further.sum() > tolerance


def test_the_tolerance_is_for_all_axes_together():
    solid, line = Propagator.heat(2.0, 1.0, ndim=3, tolerance=3e-8), Propagator.heat(2.0, 1.0, ndim=1, tolerance=1e-8)
    assert all(np.array_equal(factor, line.density) for factor in solid.factors)
    assert line.shape != Propagator.heat(2.0, 1.0, ndim=1, tolerance=3e-8).shape
    assert line.compose(Propagator.heat(1.0, 1.0, ndim=1)) == Propagator.heat(3.0, 1.0, ndim=1), "the finer one rules"
    assert Propagator.heat(1.0, 1.0, ndim=1).compose(line) == Propagator.heat(3.0, 1.0, ndim=1)
    assert line.compose(line) == Propagator.heat(4.0, 1.0, ndim=1, tolerance=1e-8)


@pytest.mark.parametrize("z", [999.0, 1000.0, 1001.0, 3000.0, 30_000.0])
def test_heat_keeps_its_digits_out_to_the_far_tail(z):
    """Against ratios I_(d+1) / I_d, summed up as a continued fraction from far out: every term is positive."""
    density = Propagator.heat(z / 2, 1.0, ndim=1).density
    half = density[density.size // 2 :]
    ratios, ratio = [], 0.0
    for move in range(half.size + 400, 0, -1):
        ratio = 1 / (2 * move / z + ratio)
        ratios.append(ratio)
    line = np.cumprod([1.0, *ratios[::-1]])[: half.size]
    line /= line[0] + 2 * line[1:].sum()
    # three roundings for each ratio in a product, and the 1e-13 of the docstring
    np.testing.assert_allclose(half, line, rtol=1e-13 + 3 * 2**-53 * half.size, atol=0)


def test_heat_has_units():
    per_axis = Propagator.heat([1e-9, 4e-9], 100.0, spacing=[1e-3, 2e-3])
    np.testing.assert_allclose(per_axis.fourier_numbers, [0.1, 0.1], rtol=4 * EPS)
    np.testing.assert_allclose(per_axis.diffusivity(100.0, [1e-3, 2e-3]), np.diag([1e-9, 4e-9]), rtol=1e-12, atol=1e-24)
    still = Propagator.heat([0.0, 1.0], 2.0)
    assert still.shape[0] == 1
    assert still.shape[1] > 1
    assert Propagator.heat(1.0, 0.0, ndim=3) == Propagator(np.ones((1, 1, 1)))


def test_heat_in_three_dimensions_stays_small():
    p = Propagator.heat(1.0, 1e6, ndim=3)
    np.testing.assert_allclose(p.covariance, np.diag([2e6] * 3), rtol=1e-12)
    np.testing.assert_allclose(p.entropy, 1.5 * math.log(2 * math.pi * math.e * 2e6), rtol=1e-6)  # a Gaussian's
    assert p.mean.tolist() == [0.0, 0.0, 0.0]
    assert np.prod([float(n) for n in p.shape]) > 1e12  # cells that `density` would have
    assert "density" not in vars(p)


@given(strategies.shapes((2, 3)))
def test_factors_multiply_to_the_density(shape):
    p = Propagator.heat(list(range(1, len(shape) + 1)), 0.1, ndim=len(shape))
    for index in itertools.islice(np.ndindex(p.shape), 0, None, 97):
        assert p.density[index] == pytest.approx(
            math.prod(f[i] for f, i in zip(p.factors, index, strict=True)), rel=1e-15
        )


# --- moments ---------------------------------------------------------------------------------------------------------


@given(strategies.densities())
def test_moments_are_plain_sums(density):
    p = Propagator(density)
    mean = sum(chance * move for move, chance in displacements(p))
    covariance = sum(chance * np.multiply.outer(move - mean, move - mean) for move, chance in displacements(p))
    entropy = -math.fsum(chance * math.log(chance) for _, chance in displacements(p) if chance)
    np.testing.assert_allclose(p.mean, mean, rtol=0, atol=1e-14)
    np.testing.assert_allclose(p.covariance, covariance, rtol=0, atol=1e-13)
    np.testing.assert_allclose(p.entropy, entropy, rtol=0, atol=1e-14)
    assert p.mean.shape == (p.ndim,)
    assert p.covariance.shape == (p.ndim, p.ndim)


@given(strategies.densities(), st.floats(0.1, 10), st.floats(0.1, 10))
def test_drift_and_diffusivity_have_units(density, duration, spacing):
    p = Propagator(density)
    widths = [spacing * (axis + 1) for axis in range(p.ndim)]
    np.testing.assert_allclose(p.drift(duration, widths), p.mean * widths / duration, rtol=1e-14)
    np.testing.assert_allclose(
        p.diffusivity(duration, widths),
        p.covariance * np.outer(widths, widths) / (2 * duration),
        rtol=1e-14,
        atol=1e-300,
    )
    np.testing.assert_allclose(p.diffusivity(duration), p.diffusivity(duration, 1.0), rtol=0)


def test_entropy_at_its_ends():
    assert Propagator([0.0, 0.0, 1.0]).entropy == 0.0
    np.testing.assert_allclose(Propagator(np.full((4, 4), 1 / 16)).entropy, math.log(16), rtol=4 * EPS)


# --- compose and power -----------------------------------------------------------------------------------------------


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
    assert Propagator([0.5, 0.5]).power(0) == Propagator([1.0])
    coarse = Propagator.heat(1.0, 1.0, tolerance=1e-3)
    assert coarse.power(1).shape == coarse.shape


def test_factors_survive_composition():
    p, q = Propagator.heat([0.3, 0.7], 1.0), Propagator.heat([2.0, 1.0], 1.0)
    heat_free = copy.copy(p)
    vars(heat_free)["fourier_numbers"] = None
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


# --- mixing ----------------------------------------------------------------------------------------------------------


def contraction(p, shape, names):
    """The least that one step shrinks the distance from what stays, by singular values of the matrix."""
    cells = math.prod(shape)
    matrix = np.empty((cells, cells))
    for i in range(cells):
        unit = np.zeros(cells)
        unit[i] = 1.0
        matrix[:, i] = naive.convolve(unit.reshape(shape), p.density, names).ravel()
    if not set(names) & {"absorbing", "zero"}:
        matrix -= 1 / cells  # the mean stays
    return np.linalg.norm(matrix, 2)


@given(st.data(), strategies.shapes((1, 2), most=6), st.floats(-9, -0.1))
def test_steps_to_mix_follow_from_the_matrix(data, shape, digits):
    names = data.draw(strategies.boundaries(len(shape)))
    density = data.draw(strategies.mirrored_densities(len(shape), 3 if "zero" in names else 5))
    p, tolerance = Propagator(density), 10.0**digits
    steps = p.steps_to_mix(shape, names, tolerance)
    largest = contraction(p, shape, names)
    if largest > 1 - 1e-13:
        assert steps == math.inf
    elif math.prod(shape) == 1 and not set(names) & {"absorbing", "zero"}:
        assert steps == 0
    else:  # rounding of the matrix may move the count by one only where the bound is met to 1e-9
        assert largest**steps <= tolerance * (1 + 1e-9)
        assert steps == 1 or largest ** (steps - 1) > tolerance * (1 - 1e-9)


@given(st.data(), strategies.shapes((1, 2), most=6))
def test_any_kernel_mixes_on_a_ring(data, shape):
    p = Propagator(data.draw(strategies.densities(strategies.shapes(len(shape), most=5))))
    steps = p.steps_to_mix(shape, "periodic", 0.01)
    largest = contraction(p, shape, ("periodic",) * len(shape))
    if largest > 1 - 1e-13:
        assert steps == math.inf
    elif math.prod(shape) > 1:
        assert largest**steps <= 0.01 * (1 + 1e-9)
        assert steps == 1 or largest ** (steps - 1) > 0.01 * (1 - 1e-9)


def test_what_never_mixes():
    hop = Propagator([0.5, 0.0, 0.5])
    assert hop.steps_to_mix(10, "periodic") == math.inf
    assert hop.steps_to_mix(11, "periodic") < math.inf
    assert Propagator([0.0, 0.0, 1.0]).steps_to_mix(7, "periodic") == math.inf
    assert Propagator([[1.0]]).steps_to_mix((3, 4)) == math.inf
    assert Propagator.heat([1.0, 0.0], 1.0).steps_to_mix((3, 4)) == math.inf
    assert Propagator.heat([1.0, 0.0], 1.0).steps_to_mix((3, 1)) < math.inf
    assert Propagator([1.0]).steps_to_mix(1) == 0
    assert Propagator(np.ones(5) / 5).steps_to_mix(5, "periodic") == 1


def test_slow_gaps_keep_their_digits():
    """A gap of 1e-12 is lost if it is worked out as 1 - λ."""
    r = 1e-9
    steps = Propagator.heat(r, 1.0).steps_to_mix((100, 70), tolerance=1e-3)
    exact = math.log(1e3) / (r * 4 * math.sin(math.pi / 200) ** 2)
    assert steps == pytest.approx(exact, rel=1e-9)
    still = Propagator([1e-9, 1 - 2e-9, 1e-9]).steps_to_mix(100)
    assert still == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("names", [("absorbing", "absorbing"), ("absorbing", "periodic"), ("reflecting", "absorbing")])
def test_heat_leaves_through_every_absorbing_wall(names):
    r, shape = (0.3, 1.7), (9, 14)
    slowest = sum(
        rate * 4 * math.sin(math.pi / (2 * n)) ** 2
        for rate, n, name in zip(r, shape, names, strict=True)
        if name == "absorbing"
    )
    steps = Propagator.heat(r, 1.0).steps_to_mix(shape, names, 1e-6)
    assert steps == math.ceil(math.log(1e6) / slowest)


def test_steps_really_mix():
    p = Propagator.softmax([[0.0, 1.0, 0.0], [1.0, 2.0, 1.0], [0.0, 1.0, 0.0]])
    steps = p.steps_to_mix((12, 9), tolerance=0.05)
    u = np.cos(np.pi * (np.arange(12)[:, None] + 0.5) / 12) * np.ones(9)  # the slowest mode
    at = [u]
    for _ in range(steps):
        at.append(dc.convolve(at[-1], p))
    assert np.std(at[-1]) <= 0.05 * np.std(u)
    assert np.std(at[-2]) > 0.05 * np.std(u)
