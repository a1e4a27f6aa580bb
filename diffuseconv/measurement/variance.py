"""The exact spread of measurements, and how many draws a tolerance needs."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._jit import measurement as _loops
from diffuseconv.measurement import _streams
from diffuseconv.measurement._taps import Prepared, Walls, prepare
from diffuseconv.propagator import Propagator

__all__ = ["draws_needed", "measurement_variance", "single"]

MOST_PRECISE = 2**53  # a finer share of the values' range lies below their rounding


@for_arrays_of_any_kind()
def measurement_variance(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    draws: int = 1,
    *,
    boundary: Walls = "reflecting",
    axes: object = None,
) -> NDArray[Any]:
    r"""Compute the exact variance of ``measure(field, kernel, draws)``, pixel by pixel.

    .. math:: \operatorname{Var} M_i = \frac1n \sum_j P(j) \left(w_j u_{i - (j - o)} - E M_i\right)^2

    that is :math:`(p * u^2 - (p * u)^2)/n` for a propagator, but never negative and, in float64, unmoved by a constant
    added to the field.

    Parameters
    ----------
    field, kernel, draws, boundary, axes
        As for `measure`. Behind an absorbing wall a drawn value has a sign, which its square forgets.

    Returns
    -------
    ndarray
        Shape of `field`, in its units squared; float32 for float32, else float64.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Notes
    -----
    The cost is that of summing over all taps twice.

    Examples
    --------
    >>> dc.measurement_variance([0.0, 0.0, 4.0, 0.0], [0.25, 0.5, 0.25])
    array([0., 3., 4., 3.])
    """
    draws = _checks.count("draws", draws, least=1)
    prepared = prepare(field, kernel, boundary, axes)
    most = math.sqrt(float(np.finfo(prepared.dtype).max)) / 4 / max(prepared.plan.taps.norm, 1.0)
    if prepared.largest > most:
        raise ValueError(
            f"field must not exceed {most:.3g} in magnitude, or squares overflow, got {prepared.largest:.3g}"
        )
    return prepared.finish(single(prepared) / draws)


def draws_needed(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    tolerance: float,
    confidence: float = 0.95,
    *,
    boundary: Walls = "reflecting",
    axes: object = None,
) -> int:
    r"""Return how many draws put every pixel at once within `tolerance` of the convolution, with a confidence.

    The smallest n that Bernstein's or Hoeffding's inequality guarantees at all N pixels at once,

    .. math:: n = \ln\frac{2N}{1 - c} \max_i \min\left(
              \frac{2 \sigma_i^2}{\epsilon^2} + \frac{2 b}{3 \epsilon}, \frac{b^2}{2 \epsilon^2} \right)

    with the exact variances :math:`\sigma_i^2` and the range b of all values that can be drawn.

    Parameters
    ----------
    field, kernel, boundary, axes
        As for `measure`.
    tolerance : float
        :math:`\epsilon`, greater than 0, in the units of the result.
    confidence : float
        c, between 0 and 1.

    Returns
    -------
    int
        At least 1.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] S. Boucheron, G. Lugosi, P. Massart, "Concentration Inequalities" (Oxford, 2013), eq. 2.10 and theorem 2.8.

    Examples
    --------
    >>> dc.draws_needed([0.0, 0.0, 4.0, 0.0], [0.25, 0.5, 0.25], tolerance=0.1)
    4061
    """
    tolerance = _checks.number("tolerance", tolerance, above=0.0)
    confidence = _checks.probability("confidence", confidence)
    prepared = prepare(field, kernel, boundary, axes)
    half = float(prepared.source.max()) / 2 - float(prepared.source.min()) / 2
    span = 2 * Fraction(half) * Fraction(prepared.plan.taps.norm)  # in fractions nothing over- or underflows
    if span <= tolerance:
        return 1
    if span / Fraction(tolerance) > MOST_PRECISE:
        least = span / MOST_PRECISE
        raise ValueError(f"tolerance must be at least {float(least):.3g} for this field, got {tolerance:g}")
    level = math.log(2 * prepared.pixels * len(prepared.source) / (1 - confidence))
    relative = float(span / Fraction(tolerance))
    np.ldexp(prepared.source, -math.frexp(half)[1], out=prepared.source)
    share = float(_of_values(prepared).max()) / math.ldexp(half, 1 - math.frexp(half)[1]) ** 2  # of the range, squared
    bernstein = 2 * share * relative**2 + 2 * relative / 3
    return max(1, math.ceil(level * min(bernstein, relative**2 / 2)))


def single(prepared: Prepared) -> NDArray[np.float64]:
    """Return the variance of one draw, for each channel and pixel; the values are scaled in place."""
    largest = max(float(prepared.source.max()), -float(prepared.source.min()))
    power = math.frexp(largest)[1]  # or squares of small values under large weights would vanish
    np.ldexp(prepared.source, -power, out=prepared.source)
    return _of_values(prepared) * math.ldexp(prepared.plan.taps.norm, power) ** 2


def _of_values(prepared: Prepared) -> NDArray[np.float64]:
    """Return the variance of the values that one draw reads, before they are weighted."""
    variances = np.zeros((len(prepared.source), prepared.pixels))
    plan = prepared.plan
    law = prepared.source, plan.layout, plan.taps.chance, plan.offset, variances
    cost = 2 * plan.offset.size * len(variances)  # nanoseconds
    for low, high in _streams.within_blocks(cost):
        _streams.run(_loops.spread, (*law, (low, high)), prepared.pixels, cost * (high - low) // _streams.BLOCK)
    return variances
