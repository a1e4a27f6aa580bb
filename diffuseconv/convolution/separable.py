"""Separable convolution: kernels that are a product of one factor per axis go along one axis after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diffuseconv import _fft
from diffuseconv._checks import is_finite
from diffuseconv._jit.product import distance_from_product
from diffuseconv._typing import Array, loop_input
from diffuseconv.boundary import Name, basis, record
from diffuseconv.convolution.direct import correlate_by_two, correlate_directly

__all__ = ["correlate_along_axes", "correlate_by_factors", "split"]

FEW = 64  # taps that are summed in less time than it takes to find the modes
ROUNDINGS = 8  # a kernel is a product, or a factor symmetric, if it differs from one by so many roundings of its sum
EPS = {4: 2.0**-23, 8: 2.0**-52}  # of one rounding, by bytes
LOST = {4: 1e-6, 8: 1e-13}  # share of ``abs(kernel).sum() * abs(field).max()`` that dropped modes may carry, by bytes


def split(weights: Array) -> list[Array] | None:
    """Split a kernel of rank one into its factors, one for each axis; None if it is not of rank one to rounding."""
    shape, factors = weights.shape, []
    while weights.ndim > 1:
        table = loop_input(weights).reshape(len(weights), -1)
        row, column, distance = distance_from_product(table)
        peak = table[row, column]
        if peak == 0:
            return [np.zeros(n, weights.dtype) for n in shape]
        if not distance <= ROUNDINGS * EPS[weights.itemsize]:
            return None
        factors.append(table[:, column] / peak)
        weights = table[row].reshape(weights.shape[1:])
    return [*factors, weights]


def correlate_by_factors(
    stack: Array, factors: Sequence[Array], widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> tuple[Array, bool]:
    """Correlate every field of a stack, fields first, with the product of one factor for each axis.

    Where few modes of an axis outlive the kernel, the field is expanded in only those: two thin matrix products
    instead of a sum over all taps. The sums of all axes commute, so the modes are summed up again at the end.
    """
    expansions, summed = [], []
    for axis, (factor, width, name) in enumerate(zip(factors, widths, names, strict=True), start=1):
        others = stack.size // stack.shape[axis]
        modes = None if factor.size < FEW else _surviving_modes(factor, stack.shape[axis], width, name, others)
        if modes is None:
            summed.append((axis, factor, width, name))
        else:
            stack = _multiply(modes[0], stack, axis)
            expansions.append((modes[1], axis))
    stack, finite = _correlate_lines(stack, summed)
    if not expansions:
        return stack, finite
    for synthesis, axis in expansions:
        stack = _multiply(synthesis, stack, axis)
    return stack, is_finite(stack)


def correlate_along_axes(
    stack: Array, factors: Sequence[Array], widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> tuple[Array, bool]:
    """Correlate like `correlate_by_factors`, but only by sums over taps, whose errors are those of each sum."""
    return _correlate_lines(stack, list(zip(range(1, stack.ndim), factors, widths, names, strict=True)))


def _correlate_lines(stack: Array, lines: list[tuple[int, Array, tuple[int, int], Name]]) -> tuple[Array, bool]:
    """Correlate along some axes: along the last two at once, along others in planes with all later ones."""
    finite, at_once = True, [axis for axis, *_ in lines[-2:]] == [stack.ndim - 2, stack.ndim - 1]
    for axis, factor, width, name in lines[:-2] if at_once else lines:
        before, after = stack.shape[:axis], stack.shape[axis + 1 :]
        planes = stack.reshape(math.prod(before), stack.shape[axis], math.prod(after))
        if after:
            sums, finite = correlate_directly(planes, factor[None, :, None], (width, (0, 0)), (name, "zero"))
        else:
            rows = planes[None, ..., 0]
            sums, finite = correlate_directly(rows, factor[None, None, :], ((0, 0), width), ("zero", name))
        stack = sums.reshape(*before, -1, *after)
    if at_once:
        _, factors, widths, names = zip(*lines[-2:], strict=True)
        sums, finite = correlate_by_two(stack.reshape(-1, *stack.shape[-2:]), factors, widths, names)
        stack = sums.reshape(*stack.shape[:-2], *sums.shape[1:])
    return stack, finite


@np.errstate(over="ignore", invalid="ignore")  # the result tells
def _multiply(matrix: Array, stack: Array, axis: int) -> Array:
    """Apply a matrix along one axis."""
    if axis == stack.ndim - 1:
        return stack @ matrix.T
    before, after = stack.shape[:axis], stack.shape[axis + 1 :]
    planes = stack.reshape(math.prod(before), stack.shape[axis], math.prod(after))  # no mode may be left
    return (matrix @ planes).reshape(*before, len(matrix), *after)


@np.errstate(over="ignore")  # a sum of weights beyond the numbers says nothing of what is lost
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
    uneven = np.abs(factor - factor[::-1]).sum() > ROUNDINGS * EPS[factor.itemsize] * total
    if wall.period is None or not wall.modes.orthogonal or width != (taps // 2, taps // 2) or uneven:
        return None
    if not 0 < total < math.inf:
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
