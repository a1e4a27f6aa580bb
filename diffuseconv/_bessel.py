"""The lattice heat kernel on a line: modified Bessel functions, with all their digits at any time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from diffuseconv._typing import FloatArray


def walk(z: float, tolerance: float) -> FloatArray:
    """exp(-z) I_d(z) for all moves d up to where no more than `tolerance` of the sum and of the variance lies beyond.

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


def _values(z: float, orders: NDArray[np.intp]) -> FloatArray:
    """exp(-z) I_d(z) for ascending orders."""
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
