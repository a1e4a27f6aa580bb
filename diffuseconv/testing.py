"""Assertions about random results that state how often they fail by mistake, and what they catch.

Every bound is a theorem for finite samples: no normal approximation, no tuned tolerance. A false alarm, a failure
although nothing is wrong, has at most the probability `false_alarm`. With 10**-12 for each of a hundred assertions on
ten thousand fresh seeds, one false alarm is expected in a million such runs, so a failure is a fault.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import Array

__all__ = [
    "Verdict",
    "assert_converges",
    "assert_frequencies",
    "assert_independent",
    "assert_mean_square",
    "assert_sum",
    "assert_variance",
    "bernstein",
]

_MOST = float(np.finfo(np.float64).max)
LARGEST = 1e100  # of numbers that are squared, multiplied and summed
_LARGE = math.frexp(LARGEST)[1]


@dataclass(frozen=True)
class Verdict:
    """What a passed assertion has shown."""

    deviation: float  # the largest seen, in units of the allowed one: at most 1
    smallest_fault: float  # a bias beyond this passes with at most the probability `false_alarm`
    false_alarm: float


def bernstein(variance: ArrayLike, span: ArrayLike, false_alarm: float) -> Array:
    r"""Bound how far a sum of independent bounded terms strays from its mean, but for a stated probability.

    .. math:: P(|S - E S| \ge t) \le 2 \exp\!\left(-\frac{t^2}{2 V + 2 b t / 3}\right)

    solved for t with the right side set to `false_alarm`.

    Parameters
    ----------
    variance : array_like
        V, the variance of the sum: the sum of the terms' variances, or anything above it.
    span : array_like
        b, which no term ever exceeds in distance from its own mean.
    false_alarm : float
        Between 0 and 1.

    Returns
    -------
    ndarray of float64
        t, of the broadcast shape.

    References
    ----------
    .. [1] S. Boucheron, G. Lugosi, P. Massart, "Concentration Inequalities" (Oxford, 2013), eq. 2.10.

    Examples
    --------
    >>> bernstein(variance=25.0, span=1.0, false_alarm=1e-12).round(1)
    np.float64(48.2)
    """
    level = math.log(2) - math.log(_checks.probability("false_alarm", false_alarm))
    variance, span = _fitting(variance=variance, span=span)
    slack = _not_negative("span", span) * level / 3
    return np.asarray(slack + np.hypot(slack, np.sqrt(2 * level) * np.sqrt(_not_negative("variance", variance))))[()]


def assert_sum(
    total: ArrayLike,
    expectation: ArrayLike,
    *,
    variance: ArrayLike,
    span: ArrayLike,
    false_alarm: float = 1e-12,
    rounding: ArrayLike = 0.0,
) -> Verdict:
    """Assert that sums of independent bounded terms lie where Bernstein's inequality allows, all elements at once.

    Parameters
    ----------
    total, expectation : array_like
        The sums seen, and their means.
    variance, span : array_like
        As for `bernstein`.
    false_alarm : float
        For all elements at once; each has its share (union bound), whether or not they depend on each other.
    rounding : array_like
        What the arithmetic of `total` may add to the deviation.

    Returns
    -------
    Verdict
        What was shown.

    Raises
    ------
    AssertionError
        If an element strays too far.

    Examples
    --------
    >>> heads = np.random.default_rng(1).integers(0, 2, 1000).sum()
    >>> verdict = assert_sum(heads, 500, variance=250, span=0.5)
    >>> f"a coin with {500 + verdict.smallest_fault:.0f} heads expected would not have passed"
    'a coin with 748 heads expected would not have passed'
    """
    total, expectation, *_ = _fitting(
        total=total, expectation=expectation, variance=variance, span=span, rounding=rounding
    )
    shape = np.broadcast(total, expectation).shape
    if np.broadcast_shapes(shape, *map(np.shape, (variance, span, rounding))) != shape:
        given = [np.shape(values) for values in (variance, span, rounding)]
        raise ValueError(
            f"variance, span and rounding must be numbers or have the shape of the sums, {shape}, got {given}"
        )
    _checks.all_finite("expectation", np.atleast_1d(expectation))
    share = _checks.probability("false_alarm", false_alarm) / max(1, math.prod(shape))
    allowed = np.broadcast_to(bernstein(variance, span, share) + _not_negative("rounding", np.asarray(rounding)), shape)
    deviation = np.abs(total - expectation)
    if not (deviation <= allowed).all():
        worst = np.unravel_index(np.argmax(np.where(deviation <= allowed, -1.0, deviation)), deviation.shape)
        raise AssertionError(
            f"{np.broadcast_to(total, deviation.shape)[worst]:.9g} at {tuple(map(int, worst))} is not within "
            f"{allowed[worst]:.3g} of {np.broadcast_to(expectation, deviation.shape)[worst]:.9g} "
            f"({(~(deviation <= allowed)).sum()} of {deviation.size} elements stray; false alarm below {false_alarm:g})"
        )
    with np.errstate(invalid="ignore"):
        ratio = np.where(allowed > 0, deviation / np.where(allowed > 0, allowed, 1), 0.0)
    return Verdict(float(ratio.max(initial=0)), float(2 * allowed.max(initial=0)), false_alarm)


def assert_converges(
    sampler: Callable[[int], ArrayLike],
    expectation: ArrayLike,
    *,
    draws: int,
    variance: ArrayLike,
    span: ArrayLike,
    false_alarm: float = 1e-12,
    independent: bool = True,
    rounding: float = 0.0,
) -> Verdict:
    """Assert that a mean of draws is unbiased: each element, and the sum over all of them.

    Parameters
    ----------
    sampler : callable
        Gives the mean of so many independent draws, element by element.
    expectation : array_like
        What it should tend to.
    draws : int
        How many draws to ask for. The smallest bias that is caught falls as one over their square root.
    variance : array_like
        Variance of a single draw of each element.
    span : array_like
        The range of a single draw, largest minus smallest possible value.
    false_alarm : float
        Half for the elements, half for their sum.
    independent : bool
        Whether elements are independent of each other; if not, the sum is not looked at.
    rounding : float
        What the arithmetic of the sampler may add to an element's deviation.

    Returns
    -------
    Verdict
        For single elements.

    Raises
    ------
    AssertionError
        If the means stray further than chance allows.

    Examples
    --------
    >>> photo, blur = np.arange(25.0).reshape(5, 5), np.full((3, 3), 1 / 9)
    >>> verdict = assert_converges(
    ...     lambda draws: dc.measure(photo, blur, draws, rng=1),
    ...     dc.convolve(photo, blur),
    ...     draws=10**6,
    ...     variance=dc.measurement_variance(photo, blur),
    ...     span=24.0,
    ... )
    >>> verdict.smallest_fault < 0.1
    True
    """
    draws, independent = _checks.count("draws", draws, least=1), _checks.flag("independent", independent)
    share = _checks.probability("false_alarm", false_alarm) / 2
    expectation = _numbers("expectation", expectation)
    if not callable(sampler):
        raise TypeError(f"sampler must be a function of the number of draws, got {_checks.got(sampler)}")
    mean = _numbers("sampler's result", sampler(draws))
    if mean.shape != expectation.shape:
        raise AssertionError(f"the sampler gives shape {mean.shape}, the expectation has {expectation.shape}")
    _, variance, span = _fitting(expectation=expectation, variance=variance, span=span)
    rounding = float(_numbers("rounding", _checks.number("rounding", rounding, least=0.0)))
    whole = {"variance": variance / draws, "span": span / draws}
    verdict = assert_sum(mean, expectation, **whole, false_alarm=share, rounding=rounding)
    if independent:
        assert_sum(
            mean.sum(),
            expectation.sum(),
            variance=np.broadcast_to(whole["variance"], mean.shape).sum(),
            span=whole["span"].max(),
            false_alarm=share,
            rounding=rounding * mean.size + 1e-15 * np.abs(expectation).sum(),
        )
    return verdict


def assert_frequencies(counts: ArrayLike, chances: ArrayLike, *, draws: int, false_alarm: float = 1e-12) -> Verdict:
    """Assert that outcomes were drawn with the given chances, from exact tails of the binomial distribution.

    Beyond a thousand million draws, where SciPy's tails lose their digits, Chernoff's bound takes their place.

    Parameters
    ----------
    counts : array_like of int
        How often each outcome came up among independent draws.
    chances : array_like
        The chance of each outcome.
    draws : int
        The number of draws, the same for each element.
    false_alarm : float
        For all elements at once (union bound).

    Returns
    -------
    Verdict
        `smallest_fault` is in units of a chance.

    Raises
    ------
    AssertionError
        If a count is too rare to be chance.
    ValueError
        If a count is no whole number, or a chance not between 0 and 1.

    Examples
    --------
    >>> rolls = np.bincount(np.random.default_rng(1).integers(0, 6, 10**6))
    >>> assert_frequencies(rolls, np.full(6, 1 / 6), draws=10**6).smallest_fault < 0.006
    True
    """
    draws = _checks.count("draws", draws, least=1)
    _fitting(counts=counts, chances=chances)
    counts, chances = np.broadcast_arrays(_checks.plain("counts", counts), _numbers("chances", chances))
    broken = counts[counts % 1 != 0]
    if broken.size:
        raise ValueError(f"counts must be whole numbers (how often each outcome came up), got {broken[0]:g}")
    if not ((chances >= 0) & (chances <= 1)).all():
        raise ValueError(f"chances must lie between 0 and 1, got {chances.min():g} to {chances.max():g}")
    if counts.min() < 0 or counts.max() > draws:
        raise AssertionError(f"counts must lie between 0 and {draws} draws, got {counts.min()} to {counts.max()}")
    share = _checks.probability("false_alarm", false_alarm) / (2 * counts.size)
    tail = _binomial_tail(counts, draws, chances)
    if not (tail >= share).all():
        worst = np.unravel_index(np.argmin(np.where(tail >= share, 1.0, tail)), tail.shape)
        raise AssertionError(
            f"outcome {tuple(map(int, worst))} came up {counts[worst]} times in {draws} draws of chance "
            f"{chances[worst]:.6g}: as far off or further only with probability {tail[worst]:.3g} "
            f"(false alarm below {false_alarm:g})"
        )
    reach = bernstein(draws * chances * (1 - chances), 1.0, share)
    return Verdict(float((np.abs(counts - draws * chances) / reach).max()), float(2 * reach.max() / draws), false_alarm)


def assert_variance(
    first: ArrayLike, second: ArrayLike, variance: ArrayLike, *, span: ArrayLike, false_alarm: float = 1e-12
) -> Verdict:
    r"""Assert the variance of single draws from two independent sets of them, without knowing their mean.

    Half the squared difference of two draws has the variance as its mean, lies between 0 and :math:`b^2/2` and so
    has itself at most the variance :math:`\sigma^2 (b^2/2 - \sigma^2)`.

    Parameters
    ----------
    first, second : array_like
        Draws of the same variables, independent of each other.
    variance : array_like
        The variance of each.
    span : array_like
        The range b of each.
    false_alarm : float
        For the sum over all elements.

    Returns
    -------
    Verdict
        `smallest_fault` is relative: 0.05 means that a variance off by 5 % does not pass.

    Raises
    ------
    AssertionError
        If the variance is too large or too small.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> verdict = assert_variance(rng.random(10**6), rng.random(10**6), 1 / 12, span=1.0)
    >>> verdict.smallest_fault < 0.04
    True
    """
    first, second, variance, span = _fitting(first=first, second=second, variance=variance, span=span)
    difference = first - second
    power, _ = _raised(difference, difference, variance, span**2)
    half = np.ldexp(difference, power) ** 2 / 2
    variance = np.broadcast_to(np.ldexp(_not_negative("variance", variance), 2 * power), half.shape)
    span = np.ldexp(span, power)
    most = np.broadcast_to(span**2 / 2, half.shape)
    whole = float(variance.sum())
    spread = float((variance * np.maximum(most - variance, 0)).sum())
    verdict = assert_sum(half.sum(), whole, variance=spread, span=most.max(), false_alarm=false_alarm)
    return Verdict(verdict.deviation, _times(verdict.smallest_fault, whole), false_alarm)


def assert_mean_square(
    deviations: ArrayLike, variance: float, *, proxy: float, fourth: float, false_alarm: float = 1e-12
) -> Verdict:
    r"""Assert how large deviations are on average, for sub-Gaussian ones: how a spread falls with the number of draws.

    A mean of n draws is bounded by the range b of one draw, and so by far more than its own spread; but it is
    sub-Gaussian with the proxy :math:`b^2/4n`. For N independent deviations the sum of squares then stays below
    :math:`N p (1 + \epsilon)` but for :math:`\exp(-N (\epsilon - \ln(1 + \epsilon)) / 2)` (Chernoff), and above
    :math:`N \sigma^2 - t` but for :math:`\exp(-t^2 / 2 N m_4)`.

    Parameters
    ----------
    deviations : array_like
        Independent distances from the mean.
    variance : float
        Their variance.
    proxy : float
        A p with :math:`E e^{sZ} \le e^{s^2 p / 2}` for all s; never below the variance. Where the two are the same, as
        for fair coins, the check is sharp on both sides.
    fourth : float
        A bound on their fourth moment.
    false_alarm : float
        Half for each side.

    Returns
    -------
    Verdict
        `smallest_fault` is relative to `variance`.

    Raises
    ------
    AssertionError
        If the mean square is too large or too small.

    References
    ----------
    .. [1] S. Boucheron, G. Lugosi, P. Massart, "Concentration Inequalities" (Oxford, 2013), sections 2.3 and 2.7.

    Examples
    --------
    >>> heads = np.random.default_rng(1).binomial(10**6, 0.5, size=10**5)
    >>> verdict = assert_mean_square((heads - 5e5) / 500, 1.0, proxy=1.0, fourth=3.0)
    >>> verdict.smallest_fault < 0.1
    True
    """
    from scipy.optimize import brentq

    variance, proxy, fourth = (
        float(_numbers(name, _checks.number(name, value, above=0.0)))
        for name, value in (("variance", variance), ("proxy", proxy), ("fourth", fourth))
    )
    squares = _numbers("deviations", deviations) ** 2
    size = squares.size
    level = math.log(2) - math.log(_checks.probability("false_alarm", false_alarm))
    excess = float(brentq(lambda e: size * (e - math.log1p(e)) / 2 - level, 0.0, 2 * level / size + 4 * level + 4))
    most = proxy * (1 + excess)
    least = variance - math.sqrt(2 * fourth * level / size)
    seen = float(squares.mean())
    if not least <= seen <= most:
        raise AssertionError(
            f"the mean square of {size} deviations is {seen:.6g}, not between {least:.6g} and {most:.6g} as for a "
            f"variance of {variance:.6g} (false alarm below {false_alarm:g})"
        )
    allowed = max(most - variance, variance - least)
    return Verdict(abs(seen - variance) / allowed, _times(2 * allowed, variance), false_alarm)


def assert_independent(
    first: ArrayLike, second: ArrayLike, *, variance: ArrayLike, span: ArrayLike, false_alarm: float = 1e-12
) -> Verdict:
    """Assert that paired draws are uncorrelated: the products of their distances from the mean sum to nothing.

    Parameters
    ----------
    first, second : array_like
        Distances from the mean. Pairs must be independent of each other: no draw may appear in two pairs.
    variance : array_like
        The product of the two variances, for each pair.
    span : array_like
        A bound on the product's magnitude.
    false_alarm : float
        For the sum over all pairs.

    Returns
    -------
    Verdict
        `smallest_fault` is the correlation that does not pass.

    Raises
    ------
    AssertionError
        If the draws are correlated, positively or negatively, more than chance allows.

    Examples
    --------
    >>> x, y = np.random.default_rng(1).uniform(-1, 1, (2, 10**6))
    >>> assert_independent(x, y, variance=1 / 9, span=1.0).smallest_fault < 0.02
    True
    """
    first, second, variance, span = _fitting(first=first, second=second, variance=variance, span=span)
    powers = _raised(first, second, np.sqrt(_not_negative("variance", variance)), span)
    products = np.ldexp(first, powers[0]) * np.ldexp(second, powers[1])
    variance = np.broadcast_to(np.ldexp(variance, 2 * sum(powers)), products.shape)
    span = np.ldexp(span, sum(powers))
    whole = float(np.sqrt(variance).sum())
    verdict = assert_sum(products.sum(), 0.0, variance=variance.sum(), span=span.max(), false_alarm=false_alarm)
    return Verdict(verdict.deviation, _times(verdict.smallest_fault, whole), false_alarm)


def _times(fault: float, size: float) -> float:
    """Return how many times as large as `size` a fault is, the largest number at most; 0 where there is no size."""
    return min(fault / size, _MOST) if size > 0 else 0.0


def _raised(first: Array, second: Array, *bounds: Array) -> tuple[int, int]:
    """Return powers of two for factors so small that squares of their products underflow; 0 otherwise."""
    powers = -_exponent(first), -_exponent(second)
    small = sum(powers) > _LARGE and all(_exponent(bound) + sum(powers) < _LARGE for bound in bounds if bound.any())
    return powers if small else (0, 0)


def _exponent(values: Array) -> int:
    """Return the exponent of two of the largest magnitude."""
    return math.frexp(float(np.abs(values).max()))[1]


def _numbers(name: str, value: ArrayLike) -> Array:
    """Return real numbers as float64, with finite sums of squares; NaN is for the assertion to find."""
    numbers = _checks.array(name, value, finite=False).astype(np.float64)
    if (np.abs(numbers) > LARGEST).any():
        raise ValueError(f"{name} must not exceed {LARGEST:g} in magnitude, got {_checks.got(np.abs(numbers).max())}")
    return numbers


def _fitting(**named: ArrayLike) -> list[Array]:
    """Return arrays whose shapes broadcast, under their names."""
    arrays = {name: _numbers(name, value) for name, value in named.items()}
    try:
        np.broadcast_shapes(*(array.shape for array in arrays.values()))
    except ValueError:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"{' and '.join(named)} must have shapes that broadcast, got {shapes}") from None
    return list(arrays.values())


def _not_negative(name: str, values: Array) -> Array:
    """Refuse numbers below 0, NaN and infinity."""
    _checks.all_finite(name, np.atleast_1d(values))
    if values.min() < 0:
        raise ValueError(f"{name} must be at least 0, got {values.min():g}")
    return values


def _binomial_tail(counts: Array, draws: int, chances: Array) -> Array:
    """Return the chance of a binomial count as far out as this one on its side of the mean."""
    if draws <= 10**9:
        from scipy.stats import binom

        return np.asarray(np.minimum(binom.cdf(counts, draws, chances), binom.sf(counts - 1, draws, chances)))
    mean, rest = draws * chances, draws * (1 - chances)
    excess = counts - mean
    divergence = _relative_entropy(counts, mean, excess) + _relative_entropy(draws - counts, rest, -excess)
    return np.asarray(np.exp(-np.maximum(divergence, 0.0)))


def _relative_entropy(count: Array, mean: Array, excess: Array) -> Array:
    """Return ``count * log(count / mean)`` for an `excess` over the mean, which tells more digits where it is small."""
    with np.errstate(divide="ignore", over="ignore", invalid="ignore"):
        near = np.abs(excess) < mean / 2
        logarithm = np.where(near, np.log1p(np.where(near, excess / mean, 0.0)), np.log(count) - np.log(mean))
        return np.asarray(np.where(count > 0, count * logarithm, 0.0))
