"""Measure: each pixel draws source pixels with the kernel's chances and averages what it reads."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._jit import measurement as _loops
from diffuseconv._jit import thresholds as _thresholds
from diffuseconv.measurement import _streams
from diffuseconv.measurement._taps import Prepared, Walls, prepare
from diffuseconv.propagator import Propagator

__all__ = ["average", "measure", "sums"]

MOST_DRAWS = 10**18
LARGE = 1e300  # sums of values up to here are not watched
WHOLE = 1.0, 1.0  # a sum as it is
FEW = 40  # single draws cost as much as a binomial for every tap at about this many draws per tap


@for_arrays_of_any_kind()
def measure(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    draws: int = 1,
    *,
    rng: object = None,
    boundary: Walls = "reflecting",
    axes: object = None,
) -> NDArray[Any]:
    r"""Draw one of the places that the kernel allows for each pixel, `draws` times, and average.

    .. math:: M_i = \frac1n \sum_{t=1}^{n} w_{J_{it}}\, u_{i - (J_{it} - o)}, \qquad P(J = j) = |k_j| / \|k\|_1

    with :math:`w_j = \|k\|_1 \operatorname{sign} k_j`, which is 1 for a propagator. The mean of :math:`M` is
    ``convolve(field, kernel)`` and its variance is `measurement_variance`.

    Parameters
    ----------
    field : array_like
        Up to three spatial axes, any units.
    kernel : Propagator or array_like
        A propagator, or any signed array; its origin is at ``shape // 2``.
    draws : int
        Independent draws for every pixel, 1 to 10**18. Beyond a few dozen per tap the cost no longer grows.
    rng : int, numpy.random.Generator, numpy.random.SeedSequence or None
        Source of chance. The same value gives the same bits with any number of threads; a `Generator` advances.
    boundary : str, Constant, or sequence of them
        What lies beyond the walls; see `diffuseconv.boundary`. An absorbing wall gives a drawn value a sign.
    axes : int or sequence of int, optional
        The spatial axes. Along all other axes, the colours of a photograph say, one draw moves all values of a pixel.

    Returns
    -------
    ndarray
        Shape of `field`; float32 for float32, else float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    Draws are independent between pixels and between draws. Each block of 2048 pixels (C order of the spatial axes,
    in the order of `axes`) has nine xoshiro256++ streams [1]_, 9b to 9b + 8 for block b. Word j of the state of
    stream s is output 4s + j of SplitMix64 begun at word j of a key of four 64-bit words: what a `Generator` gives
    next, or for all else the state that its `SeedSequence` generates. The first eight, in turn, give the words that
    all pixels need, a multiple of eight at a time; the last one gives those that are needed now and then.

    Few draws, up to 40 per tap: 12 random bits index a table of 4096 entries and what these cannot express goes to an
    alias table [2]_, so that the mixture has the chances of the kernel: in total variation each draw is exact to
    ``taps * 2**-51``. Five draws of a pixel share a word, lowest bits first; then, for each draw that is left over, a
    word's quarters serve four pixels. Five draws or more of up to nine taps: 16 bits are compared with sums of the
    chances, 512 pixels at a time, for each draw a word's quarters serving four pixels; the rest is as before.
    Many draws: the counts of draws per tap are one multinomial, drawn as a chain of binomials, 256 pixels at a time, by
    inversion or transformed rejection [3]_ in 52-bit uniforms: each is exact to ``2**-48 * (1 + s)``, s its standard
    deviation.

    References
    ----------
    .. [1] D. Blackman, S. Vigna, "Scrambled linear pseudorandom number generators", ACM TOMS 47 (2021) 36.
    .. [2] M. D. Vose, "A linear algorithm for generating random numbers with a given distribution",
       IEEE Trans. Softw. Eng. 17 (1991) 972-975.
    .. [3] W. Hoermann, "The generation of binomial random variates", J. Stat. Comput. Simul. 46 (1993) 101-110,
       algorithm BTRS; chances as in C. Loader, "Fast and accurate computation of binomial probabilities" (2000).

    Examples
    --------
    >>> photo = np.arange(5.0)
    >>> dc.measure(photo, [0.0, 0.0, 1.0], rng=1)
    array([0., 0., 1., 2., 3.])
    >>> mean = dc.measure(photo, [0.25, 0.5, 0.25], draws=10**12, rng=1)
    >>> bool(np.abs(mean - [0.25, 1, 2, 3, 3.75]).max() < 1e-5)
    True
    """
    draws = _checks.count("draws", draws, least=1, most=MOST_DRAWS)
    prepared = prepare(field, kernel, boundary, axes)
    return average(prepared, draws, _streams.key(rng))


def average(prepared: Prepared, draws: int, key: NDArray[np.uint64]) -> NDArray[Any]:
    """Average `draws` drawn values for every pixel, in the shape of the field."""
    norm = prepared.plan.taps.norm
    if prepared.largest * draws * max(norm, 1.0) > LARGE:
        return prepared.finish(_average_of_large(prepared, draws, key))
    return prepared.finish(sums(prepared, draws, key, (norm, float(draws))))


def _average_of_large(prepared: Prepared, draws: int, key: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Average drawn values whose sum would overflow: the field is scaled by a power of two meanwhile."""
    scale = 2.0 ** -(draws.bit_length() + 1)
    most = prepared.largest * scale  # rounding may carry no mean beyond it
    mean = np.clip(sums(prepared._replace(source=prepared.source * scale), draws, key) / draws, -most, most)
    with np.errstate(over="ignore"):  # as it may in the last place of the largest number of all
        mean *= prepared.plan.taps.norm
        return np.clip(mean / scale, -np.finfo(np.float64).max, np.finfo(np.float64).max)


def sums(
    prepared: Prepared, draws: int, key: NDArray[np.uint64], share: tuple[float, float] = WHOLE
) -> NDArray[np.float64]:
    """Sum `draws` drawn values for every channel and pixel, by the quickest of three methods; the choice is fixed.

    Sums are multiplied by the first number of `share` and divided by the second.
    """
    plan, pixels, taps = prepared.plan, prepared.pixels, prepared.plan.offset.size
    totals = np.empty((prepared.source.shape[0], pixels))
    fixed, streams = (prepared.source, plan.layout), _streams.start(key, pixels)
    least, most = _thresholds.DRAWS
    if plan.thresholds is not None and least <= draws <= min(FEW * taps, most):
        compared = (*fixed, plan.thresholds, share, draws, streams, totals)
        _streams.run(_thresholds.sum_counted, compared, pixels, draws + len(totals))
    elif draws <= FEW * taps:
        cost = _streams.draw_cost(taps) + len(totals)
        for low, high in _streams.portions(draws, cost):
            some = share if high == draws else WHOLE
            few = (*fixed, plan.table, some, (low, high), streams, totals)
            _streams.run(_loops.sum_few, few, pixels, cost * (high - low))
    else:
        chain, cost = plan.taps.chain(plan.offset), _streams.COUNT + len(totals)
        parts = _streams.within_group(taps, cost)
        rest = _streams.rest(streams, parts)
        for low, high in _streams.within_blocks(cost * taps):
            for part in parts:
                many = (*fixed, chain, draws, streams, rest, part, (low, high), totals)
                spent = cost * (part[1] - part[0]) * (high - low) // _streams.BLOCK
                _streams.run(_loops.sum_many, many, pixels, spent)
        if share != WHOLE:
            totals *= share[0]
            totals /= share[1]
    return totals
