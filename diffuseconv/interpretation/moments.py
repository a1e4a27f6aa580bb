"""Moments of a kernel: the mean displacement of grains, its covariance, and higher ones."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffuseconv._typing import FloatArray

__all__ = [
    "ROUNDINGS",
    "Moments",
    "Powers",
    "displacements",
    "of_order",
    "principal_axes",
    "weighted_sum",
]

Powers = tuple[int, ...]
ROUNDINGS = 16  # that may have made a weight what it is
_HIGHEST_ORDER = 6


def displacements(size: int) -> FloatArray:
    """Return the displacements along an axis of this size."""
    return np.arange(size, dtype=np.float64) - size // 2


def of_order(n: int, ndim: int) -> list[Powers]:
    """List the derivatives of total order `n`."""
    return [powers for powers in itertools.product(range(n, -1, -1), repeat=ndim) if sum(powers) == n]


def weighted_sum(kernel: FloatArray, factors: Sequence[FloatArray]) -> float:
    """Sum the kernel times one factor per axis."""
    total: Any = kernel
    for factor in reversed(factors):
        total = total @ factor
    return float(total)


class Moments:
    """The moments of one kernel, each 0 where it is within rounding."""

    def __init__(self, kernel: FloatArray, eps: float) -> None:
        self.kernel = np.pad(kernel, [(0, 1 - n % 2) for n in kernel.shape])  # odd sizes: flipping keeps the origin
        flipped = np.flip(self.kernel)
        self.symmetric, self.antisymmetric = (self.kernel + flipped) / 2, (self.kernel - flipped) / 2
        self.slack = (ROUNDINGS + sum(kernel.shape)) * eps
        self.moves = [displacements(n) for n in self.kernel.shape]

    def moment(self, powers: Powers) -> float:
        """Sum ``k[d] * d**powers``."""
        part = self.antisymmetric if sum(powers) % 2 else self.symmetric
        factors = [move**n for move, n in zip(self.moves, powers, strict=True)]
        value = weighted_sum(part, factors)
        return value if abs(value) > self.slack * self._size(factors) else 0.0

    def _size(self, factors: Sequence[FloatArray]) -> float:
        return weighted_sum(np.abs(self.kernel), [np.abs(factor) for factor in factors])

    def coefficient(self, powers: Powers) -> float:
        """Return the factor of a derivative."""
        value = self.moment(powers) / math.prod(map(math.factorial, powers))
        return -value if value and sum(powers) % 2 else value

    def lowest_order(self) -> int | None:
        """Find the lowest order with a moment that does not vanish."""
        for n in range(_HIGHEST_ORDER + 1):
            if any(self.moment(powers) for powers in of_order(n, self.kernel.ndim)):
                return n
        return None

    def central(self, powers: Powers, mean: FloatArray) -> float:
        """Sum ``k[d] * (d - mean)**powers``."""
        factors = [(move - centre) ** n for move, centre, n in zip(self.moves, mean, powers, strict=True)]
        value = weighted_sum(self.kernel, factors)
        return value if abs(value) > self.slack * self._size(factors) else 0.0

    def mean(self) -> FloatArray:
        """Return the mean displacement, weighted by the kernel, whose gain is not 0."""
        ndim = self.kernel.ndim
        return np.array([self.moment(tuple(row)) for row in np.eye(ndim, dtype=int)]) / self.moment((0,) * ndim)

    def drift_and_diffusivity(self) -> tuple[FloatArray | None, FloatArray | None]:
        """Return the mean and half the covariance of the displacement, weighted by the kernel; None for gain 0."""
        unit = np.eye(self.kernel.ndim, dtype=int)
        gain = self.moment((0,) * self.kernel.ndim)
        if gain == 0:
            return None, None
        mean = self.mean()
        return mean, np.array([[self.central(tuple(a + b), mean) for b in unit] for a in unit]) / (2 * gain)

    def beyond_diffusion(self) -> dict[Powers, float]:
        """Return the lowest derivatives that act where nothing spreads: their factors in the differential equation."""
        mean, ndim = self.mean(), self.kernel.ndim
        gain = self.moment((0,) * ndim)
        for n in range(3, _HIGHEST_ORDER):  # so far these moments are the cumulants
            sums = {powers: self.central(powers, mean) for powers in of_order(n, ndim)}
            if any(sums.values()):
                return {p: (-1) ** n * v / gain / math.prod(map(math.factorial, p)) for p, v in sums.items()}
        return {}


def principal_axes(diffusivity: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the eigenvalues, largest first, and the directions as columns."""
    values, axes = np.linalg.eigh(diffusivity)
    return values[::-1], axes[:, ::-1]
