"""Propagator against plain loops: what a density is, softmax, moments; what is refused."""

import copy
import math
import pickle

import numpy as np
import pytest
import strategies
from hypothesis import example, given
from hypothesis import strategies as st

import diffuseconv as dc
from diffuseconv.propagator import Propagator, _product

EDGE = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])
EPS = np.finfo(float).eps


def displacements(p):
    """Every displacement and its probability, by a plain loop."""
    for index in np.ndindex(p.shape):
        yield np.array([i - n // 2 for i, n in zip(index, p.shape, strict=True)]), p.density[index]


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
        ([0.0, 1.5, -0.25, -0.25], "must not be negative anywhere, got -0.25 at index \\(2,\\)"),
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


def test_what_has_one_axis_is_its_own_factor():
    p = Propagator([0.25, 0.75])
    assert len(p.factors) == 1
    assert p.factors[0] is p.density
    assert Propagator([[0.25, 0.75]]).factors is None


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


def test_without_diffusion_no_duration_is_too_long():
    assert Propagator.heat(0.0, 1e308, spacing=1e-10, ndim=1).density.tolist() == [1.0]


def test_a_small_pickle_for_a_wide_kernel():
    p = Propagator.heat(1.0, 1e4, ndim=3)
    assert len(pickle.dumps(p)) < 10 * sum(p.shape) + 1000
    assert "density" not in vars(p)
    flat = _product([np.full(301, 1 / 301), np.full(201, 1 / 201)])
    assert len(pickle.dumps(flat)) < 10 * sum(flat.shape) + 1000
    assert pickle.loads(pickle.dumps(flat)) == flat


@given(strategies.densities(), strategies.densities())
def test_equal_when_the_densities_are(a, b):
    p, q = Propagator(a), Propagator(b)
    assert (p == q) == (a.shape == b.shape and bool((a == b).all()))
    assert p == Propagator(a)
    assert hash(p) == hash(Propagator(a))
    assert p != a.tolist()
    wider = Propagator(np.pad(a, [(1, 1)] * a.ndim))  # the same chance to stay
    assert p != wider
    assert wider != p


def test_a_heat_kernel_equals_its_density():
    p = Propagator.heat(1.0, 0.7, ndim=3)
    q = Propagator(p.density)
    assert p == q
    assert hash(p) == hash(q)
    assert q.factors is None
    assert q.fourier_numbers is None


def test_it_says_in_words_what_it_is():
    assert "mean move (-0.5), spread (0.5)" in repr(Propagator([0.5, 0.5]))
    assert repr(Propagator([0.25, 0.5, 0.25])) == (
        "<Propagator: 3 cells, mean move (0), spread (0.707), entropy 1.04 nats>"
    )
    lopsided = Propagator([0.1, 0.0, 0.0, 0.6, 0.3, 0.0, 0.0])
    assert 0 < abs(lopsided.mean[0]) < 1e-16  # 0 but for rounding
    assert "mean move (0)," in repr(lopsided)
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
    tiny = Propagator.softmax([5e-324, 0.0], 5e-324).density
    np.testing.assert_allclose(tiny[0] / tiny[1], math.e, rtol=8 * EPS)
    both = Propagator.softmax([-1.7e308, 1.7e308], 1.7e308).density
    np.testing.assert_allclose(both[1] / both[0], math.exp(2), rtol=8 * EPS)


@given(strategies.densities(), st.sampled_from([1e-300, 0.1, 1.0, 3.0, 1e300, 1.7e308]))
def test_normalized_divides_by_the_sum(density, size):
    p = Propagator.normalized(density / density.max() * size)
    np.testing.assert_allclose(p.density, density, rtol=20 * EPS)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Propagator.normalized([1, -1]), r"kernel must not be negative anywhere, got -1.0 at index \(1,\)"),
        (
            lambda: Propagator.normalized([0, 2, -1, -3]),
            r"kernel must not be negative anywhere, got -1.0 at index \(2,\)",
        ),
        (lambda: Propagator.normalized([0, 0]), "kernel must not be zero everywhere"),
        (lambda: Propagator.normalized([np.inf]), "kernel must be finite"),
        (lambda: Propagator.softmax([np.nan]), "kernel must be finite"),
        (lambda: Propagator.softmax([1.0], 0), "temperature must be greater than 0, got 0"),
        (lambda: Propagator.softmax([1.0], -1), "temperature must be greater than 0, got -1"),
        (lambda: Propagator.heat(-1, 1), "diffusivity\\[0\\] must be at least 0|diffusivity must be at least 0"),
        (lambda: Propagator.heat(1, -1), "duration must be at least 0, got -1"),
        (lambda: Propagator.heat(1, 1, 0), "spacing must be greater than 0, got 0"),
        (lambda: Propagator.heat(1, 1, ndim=4), "ndim must be at most 3, got 4"),
        (lambda: Propagator.heat(1, 1, ndim=0), "ndim must be at least 1, got 0"),
        (lambda: Propagator([[1.0]]).compose(Propagator([1.0])), "other must have 2 axes, .* got 1"),
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
        (
            lambda: Propagator.softmax(EDGE).steps_to_mix((10**6, 10**7)),
            "shape must need no more memory .*, got .* GiB",
        ),
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
    np.testing.assert_allclose(p.drift(duration), p.mean / duration, rtol=1e-14)


def test_entropy_at_its_ends():
    assert Propagator([0.0, 0.0, 1.0]).entropy == 0.0
    np.testing.assert_allclose(Propagator(np.full((4, 4), 1 / 16)).entropy, math.log(16), rtol=4 * EPS)
