"""The lattice heat kernel on a line: modified Bessel functions, with all their digits at any time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from diffuseconv._typing import FloatArray


def symmetric(z: float, tolerance: float) -> FloatArray:
    """Return exp(-z) I_d(z) for all moves d up to where no more than `tolerance` of sum and variance lies beyond.

    This is where a grain is that hops left and right at random moments, `z` times on average; its variance is `z`.
    """
    if z == 0:
        return np.ones(1)
    # Chernoff: beyond d lies at most 2 exp(d²/(w + z) - d asinh(d/z)), w = hypot(d, z); double d until that is nothing
    end, nothing = 2, math.log(tolerance) - 20
    while (move := float(end)) * (move / (math.hypot(move, z) + z)) - move * math.asinh(move / z) > nothing:
        end *= 2
    half = _values(z, np.arange(end + 1))
    moves = np.arange(end + 1.0)
    beyond = 2 * np.cumsum(half[::-1])[::-1]  # salt at d or further, either side
    variance_beyond = 2 * np.cumsum((half * moves**2)[::-1])[::-1]
    keep = int(np.argmax((beyond <= tolerance) & (variance_beyond <= tolerance * z))) or end + 1
    half = half[:keep]
    whole = np.concatenate((half[:0:-1], half))
    return np.asarray(whole / whole.sum())


def skellam(onward: float, back: float, tolerance: float) -> FloatArray:
    r"""Return the chances of all moves of a grain that hops on average `onward` times forward, `back` times back.

    :math:`p_d = e^{-(a+b)} (a/b)^{d/2} I_d(2\sqrt{ab})`, the origin at ``size // 2``. Ratios of neighbours come from
    :math:`a p_{d-1} = d p_d + b p_{d+1}`, backwards from far out, where rounding dies away; their products start at the
    mean, and the sum is 1.
    """
    if onward == back:
        return symmetric(2 * onward, tolerance)
    if onward < back:
        return skellam(back, onward, tolerance)[::-1]
    logs = -math.log(tolerance) + 20
    reach = math.ceil(math.sqrt(2 * (onward + back) * logs) + logs) + 2
    middle = round(onward - back)
    low, high = middle - reach if back else max(0, middle - reach), middle + reach
    ratios = np.empty(high - low)  # p[d + 1] / p[d] for d from low to high - 1
    ratios[max(0, -low) :] = _ratios(onward, back, high)[max(0, low) :]
    if low < 0:
        with np.errstate(over="ignore", divide="ignore"):
            ratios[:-low] = 1 / _ratios(back, onward, -low)[::-1]
    up = np.cumprod(ratios[middle - low :])
    down = np.cumprod(1 / ratios[: middle - low][::-1])[::-1]
    chances = np.concatenate([down, [1.0], up])
    chances /= chances.sum()
    moves = np.arange(low, high + 1.0)
    spread = chances * (moves - (onward - back)) ** 2
    far = tolerance * (onward + back)
    keep = [
        (np.cumsum(part) <= tolerance / 2) & (np.cumsum(moved) <= far / 2)
        for part, moved in ((chances, spread), (chances[::-1], spread[::-1]))
    ]
    first, last = int(np.argmin(keep[0])), len(chances) - int(np.argmin(keep[1]))
    size = max(abs(low + first), abs(low + last - 1))
    whole = np.zeros(2 * size + 1)
    whole[low + first + size : low + last + size] = chances[first:last]
    return np.asarray(whole / whole.sum())


def _ratios(onward: float, back: float, count: int) -> FloatArray:
    """Return p[d + 1] / p[d] for d from 0 to `count` - 1, by the recurrence from further out."""
    start = count + 64
    ratios = np.empty(count)
    ratio = onward / (start / 2 + math.sqrt(start * start / 4 + onward * back))
    for d in range(start, 0, -1):
        ratio = onward / (d + back * ratio)
        if d <= count:
            ratios[d - 1] = ratio
    return ratios


def _values(z: float, orders: NDArray[np.intp]) -> FloatArray:
    """Return exp(-z) I_d(z) for ascending orders."""
    if z < 1000:
        from scipy.special import ive

        return np.asarray(ive(orders, z))
    d = orders.astype(np.float64)
    w = np.hypot(d, z)
    q = (d / w) ** 2
    series = (
        1
        + (3 - 5 * q) / (24 * w)
        + (81 + q * (-462 + q * 385)) / (1152 * w**2)
        + (30375 + q * (-369603 + q * (765765 - q * 425425))) / (414720 * w**3)
        + (4465125 + q * (-94121676 + q * (349922430 + q * (-446185740 + q * 185910725)))) / (39813120 * w**4)
    )
    return np.asarray(np.exp(d * (d / (w + z)) - d * np.arcsinh(d / z)) / np.sqrt(2 * np.pi * w) * series)
