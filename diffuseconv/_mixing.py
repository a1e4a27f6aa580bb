"""How fast a propagator mixes: the spectral gap of a step on a box, without cancellation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv._axes import on_axis
from diffuseconv._typing import FloatArray
from diffuseconv.boundary import RECORDS

SUM_ERROR = 1e-12  # how uneven a "mirror-symmetric" density may be; also how far from 1 its sum
_NEVER = 1e-30  # a spectral gap below this is rounding: the mode does not decay


def check_modes(factors: Sequence[FloatArray] | FloatArray, names: Sequence[str]) -> None:
    """Refuse walls that share no modes with a density, which is whole or one factor per axis."""
    for axis, name in enumerate(names):
        part, along = (factors, axis) if isinstance(factors, np.ndarray) else (factors[axis], 0)
        wall = RECORDS[name]
        if not wall.joined and not _is_mirrored(part, along):
            raise ValueError(
                f"boundary must be 'periodic' on axis {axis}, where flipping changes the propagator, got {name!r}"
            )
        reach = _reach(part, along)
        if wall.period is None and reach > 1:
            raise ValueError(
                f"boundary must not be {name!r} on axis {axis}, where the propagator moves further than one cell, "
                f"got one of up to {reach} cells"
            )


def spectral_gap(factors: Sequence[FloatArray] | FloatArray, shape: Sequence[int], names: Sequence[str]) -> float:
    """Compute 1 - |λ| of the slowest mode but the constant one (which decays too where salt can leave); inf if none."""
    if isinstance(factors, np.ndarray):
        return _gap(factors, shape, names)
    gaps = [_gap(factor, (n,), (name,)) for factor, n, name in zip(factors, shape, names, strict=True)]
    leaving = [gap for gap, name in zip(gaps, names, strict=True) if RECORDS[name].ghost != 1]
    if not leaving:
        return min(gaps)  # the slowest mode of a product varies along one axis only
    if max(leaving) >= 1:
        return 1.0
    return -math.expm1(sum(math.log1p(-gap) for gap in leaving))


def steps(gap: float, tolerance: float) -> float:
    """Count the steps after which (1 - gap)**n is at most `tolerance`: 0 without any mode, inf without decay."""
    if gap == math.inf:
        return 0
    if gap >= 1:
        return 1
    if gap < _NEVER:
        return math.inf
    return max(1, math.ceil(math.log(tolerance) / math.log1p(-gap) * (1 - 1e-13)))


def _is_mirrored(density: FloatArray, axis: int) -> bool:
    """Check whether flipping one axis leaves the density as it is, to the error allowed for its sum."""
    if density.shape[axis] % 2 == 0:
        density = np.pad(density, [(0, int(a == axis)) for a in range(density.ndim)])
    return float(np.abs(density - np.flip(density, axis)).sum()) <= SUM_ERROR


def _reach(density: FloatArray, axis: int) -> int:
    """Return the furthest move along an axis."""
    chances = density.any(axis=tuple(a for a in range(density.ndim) if a != axis))
    return int(np.abs(np.flatnonzero(chances) - chances.size // 2).max())


def _gap(density: FloatArray, shape: Sequence[int], names: Sequence[str]) -> float:
    """Compute 1 - |λ| of the slowest mode on a box (the constant one only if salt can leave); inf if none."""
    periods, modes = zip(*map(_modes, shape, names), strict=True)
    folded = np.zeros(periods)
    places = [(np.arange(n) - n // 2) % period for n, period in zip(density.shape, periods, strict=True)]
    np.add.at(folded, np.ix_(*places), density)
    size = np.abs(np.fft.fftn(folded)[np.ix_(*modes)])
    if all(RECORDS[name].ghost == 1 for name in names):
        size[(0,) * size.ndim] = -1.0
    if size.max() < 0:
        return math.inf
    slowest = np.argsort(size, axis=None)[-32:]  # all within rounding, in all practice
    gap = math.inf
    for index in zip(*np.unravel_index(slowest, size.shape), strict=True):
        if size[index] >= 0:
            gap = min(gap, _gap_of_mode(folded, [m[i] for m, i in zip(modes, index, strict=True)]))
    return gap


def _gap_of_mode(folded: FloatArray, mode: Sequence[int]) -> float:
    """Compute 1 - |λ| of one mode without cancellation: 2 Σ p sin²((φ - arg λ) / 2)."""
    phase: Any = 0.0
    for axis, (number, period) in enumerate(zip(mode, folded.shape, strict=True)):
        part = (int(number) * np.arange(period) % period) / period
        phase = phase + on_axis(part, axis, folded.ndim)
    direction = np.angle(np.sum(folded * np.exp(2j * np.pi * phase))) / (2 * np.pi)
    return float(2 * np.sum(folded * np.sin(np.pi * (phase - direction)) ** 2))


def _modes(size: int, name: str) -> tuple[int, NDArray[np.intp]]:
    """Return the period of a field continued beyond its walls, and which Fourier modes of that period fit the walls."""
    wall = RECORDS[name]
    period, waves = wall.modes.period(size), wall.modes.waves(size)
    return period, np.unique([waves, -waves % period]) if wall.joined else waves
