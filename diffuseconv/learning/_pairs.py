"""Pairs of pictures, checked, and the shape of what is to be learned from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _checks, _scaling
from diffuseconv import boundary as walls
from diffuseconv._typing import FloatArray

LARGEST = 1e100  # of values: their products, summed over a picture, stay finite
SMALLEST = 1e-100  # of a picture's largest value, where its squares are divided by: they keep all their digits


class Pair(NamedTuple):
    """Pictures that a process met, and what it made of them: spatial axes last, all others in one."""

    before: FloatArray
    after: FloatArray


def pictures(name: str, value: Any) -> list[FloatArray]:
    """Check one picture, or a list or tuple of arrays as several; return them as float64."""
    several = isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(v, np.ndarray) for v in value)
    items = [(f"{name}[{i}]", item) for i, item in enumerate(value)] if several else [(name, value)]
    checked = []
    for label, item in items:
        checked.append(bounded(label, _checks.array(label, item).astype(np.float64, copy=False)))
    return checked


def bounded(name: str, values: FloatArray) -> FloatArray:
    """Refuse values so large that sums of their squares may overflow."""
    largest = _scaling.largest(values)
    if largest > LARGEST:
        raise ValueError(f"{name} must not exceed {LARGEST:g} in magnitude, got {largest:g}")
    return values


def seen(name: str, given: Sequence[FloatArray]) -> None:
    """Refuse pictures so small that their squares underflow, but for those that are 0 everywhere."""
    largest = max(map(_scaling.largest, given))
    if 0 < largest < SMALLEST:
        raise ValueError(f"{name} must reach {SMALLEST:g} in magnitude (use smaller units), got at most {largest:g}")


def pairs(names: tuple[str, str], before: Any, after: Any, ndim: int | None, axes: Any) -> list[Pair]:
    """Check as many pictures before as after, alike in shape, all with `ndim` spatial axes (None: all they have)."""
    first, second = pictures(names[0], before), pictures(names[1], after)
    if len(first) != len(second):
        raise ValueError(f"{names[1]} must be as many pictures as {names[0]}, got {len(second)} for {len(first)}")
    checked = []
    for u, v in zip(first, second, strict=True):
        if u.shape != v.shape:
            raise ValueError(f"{names[1]} must have the shape of {names[0]}, got {v.shape} for {u.shape}")
        spatial = _checks.axes(axes, u.ndim)
        if len(spatial) != (ndim or len(spatial)):
            raise ValueError(
                f"{names[0]} must have one spatial axis for each of the {ndim} axes of the kernel (see axes=), "
                f"got {len(spatial)} of shape {u.shape}"
            )
        ndim = len(spatial)
        checked.append(Pair(stack(u, spatial), stack(v, spatial)))
    return checked


def of_size_one(given: Sequence[Pair], deviation: float) -> tuple[list[Pair], float, float]:
    """Return the pairs over a power of two, the variance of noise of this deviation over its square, and that power.

    Fourth powers of the pictures then stay in the range of numbers, and a constant is a column of their size.
    """
    power = max(_scaling.exponent(picture) for pair in given for picture in pair)
    unit = math.ldexp(1.0, power)
    if deviation > unit:
        raise noise_too_large(deviation)
    scaled = [Pair(*(np.ldexp(picture, -power) for picture in pair)) for pair in given]
    return scaled, (deviation / unit) ** 2, unit


def noise_too_large(deviation: float) -> ValueError:
    """Return the refusal of pictures that are no more than noise."""
    return ValueError(f"before_noise must leave some of the variation of the pictures, got {deviation:g}")


def stack(u: FloatArray, spatial: Sequence[int]) -> FloatArray:
    """Move the spatial axes last and merge all others into one."""
    order = [axis for axis in range(u.ndim) if axis not in spatial] + list(spatial)
    return u.transpose(order).reshape(-1, *(u.shape[axis] for axis in spatial))


def keep_constants(names: Sequence[str]) -> bool:
    """Return whether a constant goes on beyond these walls as itself."""
    return bool(np.all(walls.extend(np.ones((1,) * len(names)), [(1, 1)] * len(names), names) == 1))


def centred(given: Sequence[Pair], names: Sequence[str]) -> tuple[list[Pair], list[FloatArray]]:
    """Return the pairs with the mean of each earlier picture subtracted from it, and these means.

    Behind walls that do not continue a constant as itself nothing is subtracted, and the means are 0.
    """
    keeps = keep_constants(names)
    within = tuple(range(1, len(names) + 1))
    means = [keeps * pair.before.mean(axis=within, keepdims=True) for pair in given]
    return [Pair(pair.before - mean, pair.after) for pair, mean in zip(given, means, strict=True)], means


def problem(
    names: tuple[str, str], before: Any, after: Any, shape: Any, boundary: str | Sequence[str], axes: Any
) -> tuple[list[Pair], tuple[int, ...], tuple[str, ...]]:
    """Check what every fit of a kernel shares: the pairs, the kernel's shape, the boundary of each axis."""
    taps = _checks.shape("shape", shape)
    walled = walls.per_axis(boundary, len(taps))
    found = pairs(names, before, after, len(taps), axes)
    pixels = sum(pair.after.size for pair in found)
    if pixels <= math.prod(taps):
        raise ValueError(f"{names[1]} must have more pixels than shape has weights, got {pixels} for {math.prod(taps)}")
    return found, taps, walled
