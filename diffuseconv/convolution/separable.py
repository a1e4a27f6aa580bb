"""Separable convolution: kernels that are a product of one factor per axis go along one axis after the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from diffuseconv import _fft
from diffuseconv._typing import Array
from diffuseconv.boundary import Name, basis, record
from diffuseconv.convolution.direct import correlate_directly

__all__ = ["correlate_along_axes", "correlate_by_factors", "split"]

ROUNDINGS = 8  # a kernel is a product, or a factor symmetric, if it differs from one by so many roundings of its sum
LOST = {4: 1e-6, 8: 1e-13}  # share of ``abs(kernel).sum() * abs(field).max()`` that dropped modes may carry, by bytes


def split(weights: Array) -> list[Array] | None:
    """Split a kernel of rank one into its factors, one for each axis; None if it is not of rank one to rounding."""
    peak = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    if weights[peak] == 0:
        return [np.zeros(n, weights.dtype) for n in weights.shape]
    scaled = weights / weights[peak]
    factors = [scaled[(*peak[:axis], slice(None), *peak[axis + 1 :])] for axis in range(weights.ndim)]
    product = factors[0]
    for factor in factors[1:]:
        product = np.multiply.outer(product, factor)
    if np.abs(scaled - product).sum() > ROUNDINGS * np.finfo(weights.dtype).eps * np.abs(scaled).sum():
        return None
    factors[-1] = factors[-1] * weights[peak]
    return factors


def correlate_by_factors(
    stack: Array, factors: Sequence[Array], widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> Array:
    """Correlate every field of a stack, fields first, with the product of one factor for each axis.

    Where few modes of an axis outlive the kernel, the field is expanded in those alone: two thin matrix products
    instead of a sum over all taps. The sums of all axes commute, so the modes are summed up again at the end.
    """
    expansions = []
    for axis, (factor, width, name) in enumerate(zip(factors, widths, names, strict=True), start=1):
        modes = _surviving_modes(factor, stack.shape[axis], width, name, stack.size // stack.shape[axis])
        if modes is None:
            stack = _correlate_lines(stack, factor, axis, width, name)
        else:
            stack = _multiply(modes[0], stack, axis)
            expansions.append((modes[1], axis))
    for synthesis, axis in expansions:
        stack = _multiply(synthesis, stack, axis)
    return stack


def correlate_along_axes(
    stack: Array, factors: Sequence[Array], widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> Array:
    """Correlate like `correlate_by_factors` by sums over taps alone, whose errors are those of each sum."""
    for axis, (factor, width, name) in enumerate(zip(factors, widths, names, strict=True), start=1):
        stack = _correlate_lines(stack, factor, axis, width, name)
    return stack


def _correlate_lines(stack: Array, factor: Array, axis: int, width: tuple[int, int], name: Name) -> Array:
    """Correlate along one axis, in planes that hold this axis and all later or all earlier ones."""
    before, after = stack.shape[:axis], stack.shape[axis + 1 :]
    size = stack.shape[axis]
    if after:
        planes = np.ascontiguousarray(stack).reshape(int(np.prod(before)), size, int(np.prod(after)))
        sums = correlate_directly(planes, factor[None, :, None], (width, (0, 0)), (name, "zero"))
    else:
        planes = np.ascontiguousarray(stack).reshape(1, int(np.prod(before)), size)
        sums = correlate_directly(planes, factor[None, None, :], ((0, 0), width), ("zero", name))
    return sums.reshape(*before, -1, *after)


def _multiply(matrix: Array, stack: Array, axis: int) -> Array:
    """Apply a matrix along one axis."""
    if axis == stack.ndim - 1:
        return stack @ matrix.T
    before, after = stack.shape[:axis], stack.shape[axis + 1 :]
    planes = stack.reshape(int(np.prod(before)), stack.shape[axis], int(np.prod(after)))  # no mode may be left
    return (matrix @ planes).reshape(*before, len(matrix), *after)


def _surviving_modes(
    factor: Array, size: int, width: tuple[int, int], name: Name, lines: int
) -> tuple[Array, Array] | None:
    r"""Return the matrices into and out of the modes that a factor does not damp to rounding, if that saves time.

    A symmetric factor multiplies mode :math:`\theta` (a cosine or sine, see `boundary`) by
    :math:`\hat k(\theta) = \sum_d k_d \cos(d\theta)`. Of the others each pixel loses at most
    ``2 abs(k_hat) abs(field).max()``.
    """
    wall, taps = record(name), factor.size
    total = float(np.abs(factor).sum())
    uneven = np.abs(factor - factor[::-1]).sum() > ROUNDINGS * np.finfo(factor.dtype).eps * total
    if wall.period is None or not wall.modes.orthogonal or width != (taps // 2, taps // 2) or uneven or total == 0:
        return None
    period = wall.period(size)
    folded = np.bincount(np.arange(-(taps // 2), taps // 2 + 1) % period, factor, period)
    transfer = _fft.rfft(folded).real  # of the waves 0 .. period // 2
    lost = 2 * np.cumsum(np.abs(transfer[::-1]))[::-1]
    alive = int(np.count_nonzero(lost > LOST[factor.itemsize] * total))
    waves = wall.modes.waves(size)
    modes = int(np.count_nonzero(waves < max(alive, 2)))  # at least one: wave 1 is the first behind absorbing walls
    if 2 * modes * (lines + 100) > taps * lines:  # 100: what a value of a cosine costs, in products
        return None
    rows, order = basis(size, name, modes)
    analysis = rows * transfer[waves[order]][:, None]
    return np.ascontiguousarray(analysis, factor.dtype), np.ascontiguousarray(rows.T, factor.dtype)
