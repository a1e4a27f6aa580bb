"""Measure until the mean is close enough, without knowing what it should be."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _notebook
from diffuseconv.measurement import _streams
from diffuseconv.measurement._taps import Walls, prepare
from diffuseconv.measurement.sampling import FEW, MOST_DRAWS, sums
from diffuseconv.propagator import Propagator

__all__ = ["Measured", "measure_until"]

FIRST_CHECK = 16


@dataclass(frozen=True)
class Measured:
    """A mean of measurements with its guarantee: see `measure_until`."""

    mean: NDArray[Any]
    half_width: NDArray[np.float64]  # how far each pixel may be off
    draws: int
    confidence: float  # that all pixels at once are within their half-widths

    def _repr_html_(self) -> str:
        """Return the mean as a picture with its guarantee, for notebooks."""
        rows = {
            "draws": self.draws,
            "largest half-width": float(np.max(self.half_width, initial=0.0)),
            "confidence": self.confidence,
        }
        return _notebook.card("Mean of measurements", rows, self._repr_png_())

    def _repr_png_(self) -> bytes | None:
        """Return the mean as a picture, None where it has more than three axes."""
        return _notebook.png(self.mean) if 1 <= self.mean.ndim <= 3 and self.mean.size else None


def measure_until(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    tolerance: float,
    *,
    confidence: float = 0.95,
    rng: object = None,
    boundary: Walls = "reflecting",
    axes: object = None,
    max_draws: int = 10**12,
) -> Measured:
    r"""Measure in growing batches until every pixel at once is within `tolerance` of the convolution.

    The convolution is never computed. After n draws with mean :math:`M_i` and sample variance :math:`V_i` a pixel is
    within

    .. math:: h_i = \sqrt{\frac{2 V_i \ell}{n}} + \frac{7 b \ell}{3 (n - 1)}, \qquad
              \ell = \ln \frac{4 N J}{1 - c}

    of its expectation by the empirical Bernstein inequality [1]_, for all N pixels and all J checks (at n = 16, 32, 64
    and so on) at once but for the probability 1 - c; b is the range of all values that can be drawn. Since the bound
    holds at every check, one may stop at the first that is small enough [2]_.

    Parameters
    ----------
    field, kernel, rng, boundary, axes
        As for `measure`.
    tolerance : float
        Greater than 0, in the units of the result.
    confidence : float
        c, between 0 and 1.
    max_draws : int
        Where to give up, 2 to 10**18. Cost grows with the checks, of which there are about 36 up to 10**12 draws.

    Returns
    -------
    Measured
        ``mean`` (shape of `field`; float32 for float32, else float64), ``half_width`` (float64, at most `tolerance`;
        it covers the rounding of the mean too), ``draws`` and ``confidence``.

    Raises
    ------
    RuntimeError
        If `max_draws` do not suffice.
    TypeError, ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] A. Maurer, M. Pontil, "Empirical Bernstein bounds and sample variance penalization", COLT 2009, theorem 4.
    .. [2] V. Mnih, C. Szepesvari, J.-Y. Audibert, "Empirical Bernstein stopping", ICML 2008.

    Examples
    --------
    >>> photo, blur = np.arange(64.0).reshape(8, 8), np.full((3, 3), 1 / 9)
    >>> done = dc.measure_until(photo, blur, tolerance=0.5, rng=1)
    >>> bool(np.abs(done.mean - dc.convolve(photo, blur)).max() < 0.5), done.draws
    (True, 16384)
    """
    tolerance = _checks.number("tolerance", tolerance, above=0.0)
    confidence = _checks.probability("confidence", confidence)
    max_draws = _checks.count("max_draws", max_draws, least=2, most=MOST_DRAWS)
    prepared = prepare(field, kernel, boundary, axes)
    chance = _checks.generator(rng)

    values = prepared.source * prepared.plan.taps.norm
    low, high = float(values.min()), float(values.max())
    half_span, middle = high / 2 - low / 2, low / 2 + high / 2
    values -= middle
    values /= half_span or 1.0
    values /= 2
    both = prepared._replace(source=np.concatenate([values, values**2]))  # one draw adds to the sum and to its square
    totals = np.zeros((len(both.source), prepared.pixels))
    channels = len(values)

    checks = list(_checkpoints(max_draws))
    level = math.log(4 * channels * prepared.pixels * len(checks) / (1 - confidence))
    rounding = 2.0**-53 * (FEW * prepared.plan.offset.size + len(checks) + 8)  # of sums of terms between -1/2 and 1/2
    drawn = 0
    for check in checks:
        totals += sums(both, check - drawn, _streams.key(chance))
        drawn = check
        average, squares = totals[:channels] / drawn, totals[channels:] / drawn
        variance = np.maximum(squares - average**2, 0.0) * (drawn / (drawn - 1)) + rounding
        half = np.sqrt(2 * variance * level / drawn) + 7 * level / (3 * (drawn - 1))
        exact = middle + half_span * (2 * average)
        mean = prepared.finish(exact)
        with np.errstate(over="ignore"):  # a range may be twice the largest number
            half = half_span * (2 * (np.minimum(half, 1.0) + rounding)) + 2.0**-52 * abs(middle)
        half += np.abs(exact.astype(prepared.dtype) - exact)
        if half.max() <= tolerance:
            return Measured(mean, prepared._replace(dtype=np.float64).finish(half), drawn, confidence)
    raise RuntimeError(
        f"max_draws must suffice for the tolerance of {tolerance:g}, "
        f"got a half-width of {half.max():.3g} after {drawn} draws"
    )


def _checkpoints(most: int) -> Iterator[int]:
    """Yield the numbers of draws at which to check: doubling ones, and the last."""
    check = FIRST_CHECK
    while check < most:
        yield check
        check *= 2
    yield most
