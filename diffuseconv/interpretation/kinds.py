"""One word for what a kernel is."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.interpretation.moments import Moments, weighted_sum
from diffuseconv.interpretation.response import alternations

__all__ = ["kind_of", "second_derivatives"]


def kind_of(
    kernel: FloatArray,
    found: Moments,
    order: int | None,
    diffusivity: FloatArray | None,
    height: float,
    frequency: FloatArray,
) -> str:
    """Return one word for what the kernel does."""
    origin = tuple(n // 2 for n in kernel.shape)
    taps = np.count_nonzero(kernel)
    if taps <= 1:
        if taps and not kernel[origin]:
            return "shift"
        return "zero" if taps == 0 else "identity"
    if diffusivity is None:
        return _derivative_kind(found, order)
    gain = found.moment((0,) * kernel.ndim)
    upright = kernel * math.copysign(1.0, gain)
    if upright.min() >= -found.slack * upright.max():
        return "diffusion"
    rest = upright.copy()
    rest[origin] = 0.0
    symmetric = not np.any(np.abs(found.antisymmetric) > found.slack * np.abs(kernel).max())
    if symmetric and rest.max() <= 0:
        return "sharpen"
    even_rest = found.symmetric.copy()
    even_rest[tuple(n // 2 for n in even_rest.shape)] = 0.0
    if not symmetric and np.abs(even_rest).max() <= found.slack * np.abs(kernel).max():
        return "emboss"
    if abs(gain) <= 0.1 * height and np.any(frequency) and _is_band(kernel, height, frequency):
        return "wave"
    spread = np.linalg.eigvalsh(diffusivity)
    if not spread.any():
        return "neutral"
    return "smoothing" if spread[0] >= 0 else "sharpen" if spread[-1] <= 0 else "mixed"


def _is_band(kernel: FloatArray, height: float, frequency: FloatArray) -> bool:
    """Return whether the finest waves of every axis are weak against the strongest one, or are it themselves."""
    if np.all(np.isin(np.abs(frequency), (0.0, 0.5))):
        return abs(float(kernel.sum())) <= 0.01 * height
    for corner in itertools.product((0, 1), repeat=kernel.ndim):
        if abs(weighted_sum(kernel, alternations(kernel.shape, corner))) > 0.1 * height:
            return False
    return True


def _derivative_kind(found: Moments, order: int | None) -> str:
    """Return the word for a kernel without gain."""
    if order is None:
        return "wave"
    if order != 2:
        return "slope" if order == 1 else "derivative"
    spread = np.linalg.eigvalsh(second_derivatives(found.coefficient, found.kernel.ndim))
    if np.all(spread < 0):
        return "edge detector"
    return "laplacian" if np.all(spread > 0) else "curvature"


def second_derivatives(coefficient: Any, ndim: int) -> FloatArray:
    """Arrange the coefficients of the second derivatives as a symmetric matrix: the sum of ``H[a, b] d_a d_b``."""
    unit = np.eye(ndim, dtype=int)
    matrix = np.array([[coefficient(tuple(row + column)) for column in unit] for row in unit])
    return np.where(unit == 1, matrix, matrix / 2)
