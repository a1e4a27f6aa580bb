"""Measurement converges: all of `measurement_checks`, on any input that hypothesis draws, and on planted faults."""

import functools
import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import measurement_checks as checks
import numpy as np
import pytest
import strategies
from hypothesis import given, settings
from hypothesis import strategies as st
from measurement_checks import ALARM, CHECKS, LOPSIDED, NINE, SCATTER_CHECKS, SUITE

import diffuseconv as dc
from diffuseconv import testing
from diffuseconv.measurement import sampling, scattering


@pytest.mark.parametrize("name", CHECKS)
def test_measure_passes(name):
    CHECKS[name](dc.measure, seed=20)


@pytest.mark.parametrize("name", SCATTER_CHECKS)
def test_scatter_passes(name):
    SCATTER_CHECKS[name](dc.scatter, seed=20)


@pytest.mark.parametrize("few", [0, 10**4])
def test_every_path_has_the_same_distribution(few, monkeypatch):
    """The table for any number of draws, or binomials for any number of draws: the same exact laws."""
    monkeypatch.setattr(sampling, "FEW", few)
    monkeypatch.setattr(scattering, "FEW", few)
    checks.counts_distribution(dc.measure, seed=1)
    checks.enumeration(dc.measure, seed=2)
    checks.frequencies(dc.measure, seed=3, plans=((1, 20_000), (30, 2_000)))
    checks.independence(dc.measure, seed=4)
    if few == 0:
        checks.grains_spread(dc.scatter, seed=5)


@given(data=st.data())
def test_unbiased_whatever_is_drawn(data):
    """Any shape, kernel (lopsided, sparse, wide, signed), field (constant, huge contrast, negative), wall and seed."""
    field = data.draw(strategies.fields(strategies.shapes(most=5), size=1e6))
    kernel = data.draw(strategies.kernels(strategies.shapes(field.ndim, most=6)))
    kernel.flat[0] += kernel.flat[0] == 0
    field[np.abs(field) < 1e-100], kernel[np.abs(kernel) < 1e-100] = 0, 0  # squares of less are lost to underflow
    names = data.draw(strategies.boundaries(field.ndim))
    draws = data.draw(st.sampled_from([1, 2, 17, 300, 10**5, 10**9, 10**12]))
    seed = data.draw(strategies.SEEDS)
    mean, variance = checks.convolution_and_variance(field, kernel, names)
    span = checks.span_of(field, kernel)
    testing.assert_converges(
        lambda n: dc.measure(field, kernel, n, rng=seed, boundary=names),
        mean,
        draws=draws,
        variance=variance,
        span=span,
        false_alarm=ALARM,
        rounding=1e-13 * span,
    )


# --- the guarantee of measure_until ----------------------------------------------------------------------------------


@given(data=st.data())
@settings(max_examples=20)
def test_measure_until_keeps_its_promise(data):
    field = data.draw(strategies.fields(strategies.shapes(most=5), size=10.0))
    kernel = data.draw(strategies.kernels(strategies.shapes(field.ndim, most=4), size=3.0))
    names = data.draw(strategies.boundaries(field.ndim))
    tolerance = data.draw(st.sampled_from([1.0, 0.1, 1e-4])) * max(checks.span_of(field, kernel), 1e-100)
    done = dc.measure_until(
        field, kernel, tolerance, confidence=1 - ALARM, rng=data.draw(strategies.SEEDS), boundary=names
    )
    mean, _ = checks.convolution_and_variance(field, kernel, names) if kernel.any() else (np.zeros(field.shape), None)
    off = np.abs(done.mean - mean)
    assert done.half_width.max() <= tolerance
    assert (off <= done.half_width + 1e-14 * checks.span_of(field, kernel)).all()
    assert done.confidence == 1 - ALARM


def test_measure_until_covers_as_often_as_it_says():
    """At confidence 1/2, where a bound that forgets its looks or its pixels is seen to fail: at most half may miss."""
    field = checks.picture((4, 4), 3)[:, :3].copy()
    field[field > 100] = 0
    exact, _ = checks.convolution_and_variance(field, LOPSIDED, ("zero",) * 2)
    missed = 0
    for seed in range(300):
        done = dc.measure_until(field, LOPSIDED, 20.0, confidence=0.5, rng=seed, boundary="zero")
        missed += (np.abs(done.mean - exact) > done.half_width).any()
    from scipy.stats import binom

    assert binom.sf(missed - 1, 300, 0.5) > ALARM


def test_measure_until_half_width_is_the_formula():
    """Against Maurer and Pontil's theorem 4 worked out from the same draws of a two-valued field of three channels."""
    field = np.repeat(np.arange(6) % 2.0, 3).reshape(6, 3)
    done = dc.measure_until(field, [0.5, 0.5], 0.05, rng=3, boundary="periodic", axes=0, max_draws=2**20)
    looks = 17  # 2⁴ to 2²⁰
    assert np.log2(done.draws) == int(np.log2(done.draws))
    level = np.log(4 * field.size * looks / 0.05)
    p = done.mean
    sample = p * (1 - p) * done.draws / (done.draws - 1)
    half = np.sqrt(2 * sample * level / done.draws) + 7 * level / (3 * (done.draws - 1))
    assert np.abs(done.half_width - half).max() < 1e-10
    assert (np.sqrt(0.5 * level / (done.draws / 2)) + 14 * level / (3 * done.draws)) > 0.05, (
        "it stopped no later than need be"
    )


def test_measure_until_kinds_of_field():
    constant = dc.measure_until(np.full((5, 4), 3.3), dc.Propagator(np.ones((3, 3)) / 9), 1e-9, rng=1)
    assert constant.draws == 16
    assert np.abs(constant.mean - 3.3).max() <= constant.half_width.max() <= 1e-15
    high = dc.measure_until(1e12 + np.arange(8.0), dc.Propagator([0.5, 0.5]), 0.5, rng=1)
    low = dc.measure_until(np.arange(8.0), dc.Propagator([0.5, 0.5]), 0.5, rng=1)
    assert high.draws == low.draws
    single = dc.measure_until(np.arange(8, dtype=np.float32), dc.Propagator([0.5, 0.5]), 0.5, rng=1)
    assert single.mean.dtype == np.float32
    assert single.half_width.dtype == np.float64
    colour = dc.measure_until(np.ones((4, 5, 3)) * np.arange(5)[:, None], np.ones((3, 3)) / 9, 0.1, rng=1, axes=(0, 1))
    assert colour.mean.shape == colour.half_width.shape == (4, 5, 3)
    assert (
        np.abs(
            colour.mean - dc.convolve(np.ones((4, 5, 3)) * np.arange(5)[:, None], np.ones((3, 3)) / 9, axes=(0, 1))
        ).max()
        < 0.1
    )
    with pytest.raises(RuntimeError, match=r"max_draws must suffice .* got a half-width of .* after 1000 draws"):
        dc.measure_until(np.arange(8.0), [0.5, 0.5], 1e-3, rng=1, max_draws=1000)
    for wrong, words in (({"tolerance": 0}, "tolerance must be"), ({"confidence": 1.0}, "confidence must be less")):
        with pytest.raises(ValueError, match=words):
            dc.measure_until(**{"field": [1.0, 2.0], "kernel": [1.0], "tolerance": 1.0, **wrong})


def test_ensemble():
    field, kernel = checks.picture((9, 8), 1), np.array([[-1.0, 0.5, 0.25]])
    generator = np.random.default_rng(4)
    members = list(dc.ensemble(field, kernel, 2, members=50, rng=4))
    seen = np.array([member.measurement for member in members])
    assert [member.count for member in members] == list(range(1, 51))
    assert all(np.array_equal(one, dc.measure(field, kernel, 2, rng=generator)) for one in seen)
    assert np.isnan(members[0].variance).all()
    for n in (2, 10, 50):
        assert np.abs(members[n - 1].mean - seen[:n].mean(axis=0)).max() <= 1e-12 * np.abs(seen).max()
        assert np.abs(members[n - 1].variance - seen[:n].var(axis=0, ddof=1)).max() <= 1e-12 * np.abs(seen).max() ** 2
    endless = dc.ensemble(field, kernel, rng=1)
    assert next(endless).count == 1
    endless.close()
    with pytest.raises(ValueError, match="members must be at least 0"):
        dc.ensemble(field, kernel, members=-1)
    with pytest.raises(ValueError, match="kernel must have"):
        dc.ensemble(field, [1.0])


# --- planted faults --------------------------------------------------------------------------------------------------


def not_flipped(field, kernel, draws=1, **options):
    return dc.measure(field, np.flip(kernel), draws, **options)


def off_by_one(field, kernel, draws=1, **options):
    moved = np.zeros([n + 2 for n in kernel.shape])
    moved[tuple(slice(2, None) for _ in kernel.shape)] = kernel
    return dc.measure(field, moved, draws, **options)


def wrong_wall(field, kernel, draws=1, *, boundary="reflecting", **options):
    swap = {"reflecting": "periodic", "absorbing": "zero"}
    names = swap.get(boundary, boundary) if isinstance(boundary, str) else [swap.get(b, b) for b in boundary]
    return dc.measure(field, kernel, draws, boundary=names, **options)


def tilted(field, kernel, draws=1, **options):
    """Tilt the chances by 1 %."""
    tilt = kernel * (1 + 0.01 * (-1.0) ** np.arange(kernel.size).reshape(kernel.shape))
    return dc.measure(field, tilt * np.abs(kernel).sum() / np.abs(tilt).sum(), draws, **options)


def in_float16(field, kernel, draws=1, **options):
    rounded = kernel.astype(np.float16).astype(float)
    return dc.measure(field, dc.Propagator.normalized(rounded) if (kernel >= 0).all() else rounded, draws, **options)


def one_draw_for_all(field, kernel, draws=1, *, rng=None, **options):
    chosen = np.random.default_rng(rng).choice(kernel.size, draws, p=np.abs(kernel).ravel() / np.abs(kernel).sum())
    counts = np.bincount(chosen, minlength=kernel.size).reshape(kernel.shape) / draws
    return dc.convolve(field, counts * np.sign(kernel) * np.abs(kernel).sum(), **options)


def stream_reused(field, kernel, draws=1, *, rng=None, **options):
    """Two threads, one stream: the halves of a picture of single rows draw alike."""
    seed = int(np.random.default_rng(rng).integers(2**60))
    half = len(field) // 2
    halves = [dc.measure(part, kernel, draws, rng=seed, **options) for part in (field[:half], field[half:])]
    return np.concatenate(halves)


def eight_bit_modulo(field, kernel, draws=1, *, rng=None, **options):
    """Draw from nine equal taps with a byte modulo nine."""
    odds = np.bincount(np.arange(256) % kernel.size, minlength=kernel.size) / 256
    return dc.measure(
        field, odds.reshape(kernel.shape) if (kernel == kernel.flat[0]).all() else kernel, draws, rng=rng, **options
    )


def draws_forgotten(field, kernel, draws=1, **options):
    return dc.measure(field, kernel, 1, **options)


def colours_apart(field, kernel, draws=1, *, rng=None, axes=None, **options):
    if axes is None:
        return dc.measure(field, kernel, draws, rng=rng, **options)
    generator = np.random.default_rng(rng)
    return np.stack(
        [dc.measure(field[..., c], kernel, draws, rng=generator, **options) for c in range(field.shape[-1])], axis=-1
    )


def same_again(field, kernel, draws=1, *, rng=None, **options):
    """A generator that does not advance."""
    return dc.measure(field, kernel, draws, rng=rng if isinstance(rng, int) else 5, **options)


FAULTS = [
    (not_flipped, "unbiased"),
    (not_flipped, "frequencies"),
    (off_by_one, "unbiased"),
    (wrong_wall, "unbiased"),
    (tilted, "unbiased"),
    (tilted, "frequencies"),
    (in_float16, "frequencies"),
    (one_draw_for_all, "independence"),
    (one_draw_for_all, "counts_distribution"),
    (stream_reused, "independence"),
    (eight_bit_modulo, "frequencies"),
    (draws_forgotten, "counts_distribution"),
    (draws_forgotten, "enumeration"),
    (draws_forgotten, "slope"),
    (draws_forgotten, "variance"),
    (colours_apart, "colours"),
    (same_again, "independence"),
]


@pytest.mark.parametrize(("fault", "check"), FAULTS, ids=lambda part: getattr(part, "__name__", part))
def test_planted_fault_is_caught(fault, check):
    with pytest.raises(AssertionError):
        CHECKS[check](fault, seed=1)


@pytest.mark.parametrize("factor", [0.95, 1.05])
def test_variance_off_by_five_percent_is_caught(factor):
    def wrong(*args, **options):
        return factor * dc.measurement_variance(*args, **options)

    with pytest.raises(AssertionError, match="is not within"):
        checks.variance(dc.measure, seed=1, measurement_variance=wrong)


@pytest.mark.parametrize("check", SCATTER_CHECKS)
def test_planted_scatter_faults_are_caught(check):
    """Grains of a cell that jump together, a cell's chances tilted by 1 %, halves of a field with one stream."""

    def together(counts, propagator, *, rng=None, **options):
        unit = counts.max()
        return unit * dc.scatter(counts // unit, propagator, rng=rng, **options)

    def tilted_grains(counts, propagator, **options):
        return dc.scatter(counts, NINE[::-1] if len(propagator) == 9 else propagator, **options)

    def halves(counts, propagator, *, rng=None, **options):
        half = len(counts) // 2
        return np.concatenate(
            [dc.scatter(part, propagator, rng=rng, **options) for part in (counts[:half], counts[half:])]
        )

    fault = {"grains_spread": tilted_grains, "grains_fluctuate": together, "grains_independent": halves}[check]
    with pytest.raises(AssertionError):
        SCATTER_CHECKS[check](fault, seed=1)


# --- the assertions themselves ---------------------------------------------------------------------------------------


def test_budget_of_false_alarms():
    """The suite's assertions at ALARM each, for all examples and parameters, stay below SUITE."""
    uses = sum(len(re.findall(r"\bALARM\b", path.read_text())) for path in Path(__file__).parent.glob("*.py"))
    loops_and_examples = 1000  # no use sits in more than a thousand loops, examples and parameters together
    assert uses * loops_and_examples * ALARM < SUITE


def test_bernstein_is_the_inequality():
    for variance, span, alarm in [(1.0, 1.0, 1e-3), (100.0, 0.1, 1e-12), (0.0, 2.0, 0.5)]:
        t = testing.bernstein(variance, span, alarm)
        assert 2 * np.exp(-(t**2) / (2 * variance + 2 * span * t / 3)) == pytest.approx(alarm, rel=1e-9)


def test_bernstein_holds_for_coins():
    """Against the exact binomial tail: never exceeded more often than it says."""
    from scipy.stats import binom

    for n in (1, 10, 1000):
        for p in (0.5, 0.01):
            for alarm in (0.3, 1e-2, 1e-6):
                t = testing.bernstein(n * p * (1 - p), max(p, 1 - p), alarm)
                outside = binom.cdf(np.ceil(n * p - t) - 1, n, p) + binom.sf(np.floor(n * p + t), n, p)
                assert outside <= alarm * (1 + 1e-9)


def test_frequencies_of_very_many_draws():
    """Chernoff's bound meets the exact tail where both are known, and is never below it."""
    from scipy.stats import binom

    counts, chances = np.array([0, 300, 500, 700, 999, 1000]), np.array([0.001, 0.3, 0.45, 0.72, 0.99, 1.0])
    scaled = testing._binomial_tail(counts * 10**15, 10**18, chances)
    assert scaled[[1, 5]] == pytest.approx(1.0)
    assert (scaled[[0, 2, 3, 4]] == 0).all()
    for count in (480_000_000, 499_960_000, 500_000_000, 500_100_000):
        exact = min(binom.cdf(count, 10**9, 0.5), binom.sf(count - 1, 10**9, 0.5))
        bound = testing._binomial_tail(np.array(count * 1.0000000001), 10**9 + 1, np.array(0.5))
        assert bound * 1.01 >= exact
        assert bound < 1e-200 or exact > bound / 100


def test_mean_square_bounds_hold_for_coins():
    """Exact chances for single tosses squared would always be 1; use means of two, 0 or ±1 with chance a half."""
    from scipy.stats import binom

    for size in (10, 1000):
        for alarm in (0.1, 1e-6):
            inside = []
            for ones in range(size + 1):  # how many of the deviations are not zero
                values = np.zeros(size)
                values[:ones] = 1.0
                try:
                    testing.assert_mean_square(values, 0.5, proxy=0.5, fourth=0.5, false_alarm=alarm)
                    inside.append(ones)
                except AssertionError:
                    pass
            assert 1 - sum(binom.pmf(inside, size, 0.5)) <= alarm


def test_assertions_say_what_they_saw():
    with pytest.raises(AssertionError, match=r"1 at \(0,\) is not within .* of 9 .*false alarm below 1e-12"):
        testing.assert_sum([1.0], [9.0], variance=0.01, span=0.1)
    with pytest.raises(AssertionError, match=r"outcome \(1,\) came up 90 times in 100 draws"):
        testing.assert_frequencies([50, 90], [0.5, 0.5], draws=100)
    with pytest.raises(AssertionError, match="the sampler gives shape"):
        testing.assert_converges(lambda n: np.zeros(3), np.zeros(2), draws=1, variance=1, span=1)
    with pytest.raises(AssertionError, match="the mean square of 3 deviations"):
        testing.assert_mean_square([100.0, 0, 0], 1.0, proxy=1.0, fourth=3.0)
    with pytest.raises(AssertionError):
        testing.assert_sum([np.nan], [0.0], variance=1.0, span=1.0)
    for false_alarm, rule in ((1.5, "less than 1"), (10**400, "in the range of floating-point numbers")):
        with pytest.raises(ValueError, match=f"false_alarm must be {rule}"):
            testing.assert_converges(
                lambda n: np.zeros(2), np.zeros(2), draws=1, variance=1, span=1, false_alarm=false_alarm
            )
    with pytest.raises(ValueError, match="false_alarm must be less than 1"):
        testing.assert_sum(0, 0, variance=1, span=1, false_alarm=1.0)


@pytest.mark.parametrize(("draws", "chance"), [(10, 1e-4), (10**10, 1e-12)])
@pytest.mark.parametrize("count", [-1, 1])
def test_impossible_counts_never_pass(draws, chance, count):
    with pytest.raises(AssertionError, match="counts must lie between 0 and"):
        testing.assert_frequencies([count if count < 0 else draws + 1], [chance], draws=draws)


def test_counts_are_whole_numbers():
    """Means of counts would pass for counts; whole ones of any type do."""
    with pytest.raises(ValueError, match=r"counts must be whole numbers .*got 2.5"):
        testing.assert_frequencies([5, 2.5], [0.5, 0.5], draws=10)
    for whole in (np.float32(5), np.True_, 5, [5.0, 4.0]):
        testing.assert_frequencies(whole, 0.5, draws=10)


def test_assertions_refuse_what_they_cannot_judge():
    """One line that names the argument: shapes that do not fit, nothing at all, numbers beyond the range."""
    for refused, words in (
        (
            lambda: testing.bernstein([1.0, 2.0], [1.0, 2.0, 3.0], 0.1),
            "variance and span must have shapes that broadcast",
        ),
        (lambda: testing.bernstein(-1.0, 1.0, 0.1), "variance must be at least 0, got -1"),
        (lambda: testing.bernstein(np.inf, 1.0, 0.1), r"variance must not exceed 1e\+100"),
        (lambda: testing.assert_sum([], [], variance=1, span=1), "total must not be empty"),
        (lambda: testing.assert_frequencies([], [], draws=3), "counts must not be empty"),
        (lambda: testing.assert_frequencies([1], [1.5], draws=3), "chances must lie between 0 and 1"),
        (lambda: testing.assert_frequencies([1], [0.5], draws=10**400), "draws must be at most"),
        (lambda: testing.assert_variance([1, 2], [1, 2, 3], 1, span=1), "must have shapes that broadcast"),
        (lambda: testing.assert_mean_square([], 1, proxy=1, fourth=1), "deviations must not be empty"),
        (lambda: testing.assert_independent([1, 2], [1, 2, 3], variance=1, span=1), "must have shapes that broadcast"),
    ):
        with pytest.raises(ValueError, match=words) as caught:
            refused()
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scale", [2.0**-300, 2.0**-480, 5e-324])
def test_numbers_whose_squares_underflow_are_judged_all_the_same(scale):
    """A power of two changes no verdict, and draws that differ never pass as having no variance."""
    rng = np.random.default_rng(1)
    first, second = rng.random((2, 1000))
    if scale > 1e-200:
        plain = testing.assert_variance(first, second, 1 / 12, span=1.0)
        scaled = testing.assert_variance(scale * first, scale * second, scale**2 / 12, span=scale)
        assert scaled.deviation == pytest.approx(plain.deviation, rel=1e-6)
        assert scaled.smallest_fault == pytest.approx(plain.smallest_fault, rel=1e-6)
    with pytest.raises(AssertionError, match="is not within 0 of 0"):
        testing.assert_variance([scale], [0.0], 0.0, span=0.0)
    with pytest.raises(AssertionError, match="is not within 0 of 0"):
        testing.assert_independent([scale], [scale], variance=0.0, span=0.0)


def test_verdicts_on_subnormal_bounds_are_finite():
    tiny = 5e-324
    assert testing.assert_mean_square([0.0, tiny], tiny, proxy=1.0, fourth=tiny).smallest_fault == np.finfo(float).max
    assert testing.assert_frequencies([0], [1e-310], draws=10**10).deviation <= 1
    with pytest.raises(AssertionError, match="only with probability 0 "):
        testing.assert_frequencies([10], [1.0], draws=10**18)
    with pytest.raises(AssertionError, match="only with probability 0 "):
        testing.assert_frequencies([10**10], [1e-310], draws=10**10)


@pytest.mark.parametrize("kind", [np.float16, np.float32, Decimal, Fraction])
def test_bounds_of_any_kind_of_number_are_that_number(kind):
    z = np.random.default_rng(1).normal(size=1000)
    found = testing.assert_mean_square(z, kind(1), proxy=kind(1), fourth=kind(3))
    assert found == testing.assert_mean_square(z, 1.0, proxy=1.0, fourth=3.0)
    call = functools.partial(testing.assert_converges, lambda _: np.full(3, 0.5), np.full(3, 0.5), draws=100)
    assert call(variance=0.25, span=1.0, rounding=kind(1)) == call(variance=0.25, span=1.0, rounding=1.0)


@pytest.mark.parametrize("rounding", [range(3), [0.1], None, "a", np.zeros(3)])
def test_the_rounding_of_a_sampler_is_one_number(rounding):
    with pytest.raises(TypeError, match="rounding must be a real number"):
        testing.assert_converges(lambda _: np.zeros(3), np.zeros(3), draws=9, variance=1, span=1, rounding=rounding)
