"""Direct convolution: the sum over all taps, in compiled blocks."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffuseconv import _threads
from diffuseconv._jit.convolution import SPARE, correlate_blocks, correlate_together, floor_of
from diffuseconv._typing import Array
from diffuseconv.boundary import Name, extend, fold

__all__ = ["correlate_directly"]

Widths = tuple[tuple[int, int], ...]
WORTH_THREADS = 1_500_000  # products: 50 microseconds of work, which is what a helper may take to wake
AT_ONCE = 8_000_000_000  # products: a few tenths of a second, for an interrupt waits for a compiled call to end
LONG = 1 << 14  # cells of an axis whose places are not remembered


def correlate_directly(
    stack: Array, bank: Array, widths: Sequence[tuple[int, int]], names: Sequence[Name], channels: int = 1
) -> Array:
    """Correlate every field of a stack with every kernel of a bank.

    Parameters
    ----------
    stack : ndarray, shape (fields, *field)
        The fields.
    bank : ndarray, shape (kernels, *kernel)
        The kernels, of the same dtype.
    widths : sequence of (before, after)
        How far each axis is continued beyond its walls.
    names : sequence of str
        The boundary of each axis.
    channels : int
        How many channels lie side by side along the last axis: what is continued there are groups of so many values.

    Returns
    -------
    ndarray, shape (kernels, fields, *places where the kernels fit)
        The sums.
    """
    if stack.ndim > 4:
        return _slice_by_slice(stack, bank, widths, names)
    remembered = _continued if max(stack.shape[1:]) < LONG else _continued.__wrapped__
    lines, places = remembered(stack.shape[1:], bank.shape[1:], tuple(widths), tuple(names), stack.dtype, channels)
    flat = (1,) * (4 - stack.ndim)
    fields = np.ascontiguousarray(stack).reshape(stack.shape[0], *flat, *stack.shape[1:])
    kernels = np.ascontiguousarray(bank).reshape(bank.shape[0], *flat, *bank.shape[1:])
    out = np.empty((len(bank), len(stack), *places), stack.dtype)
    before = widths[-1][0] * channels
    for number, field, rows in _batches(out.shape, bank[0].size):
        first, last, _ = rows.indices(places[0])
        window = slice(first, last + bank.shape[1] - 1)
        source, sign = lines[4 - stack.ndim]
        slab = [*lines[: 4 - stack.ndim], (source[window], sign[window]), *lines[5 - stack.ndim :]]
        sums = out[number, field, rows]
        sums = sums.reshape(*sums.shape[:2], *flat, *sums.shape[2:])
        _sum(fields[field], kernels[number], slab, before, sums)
    return out


def _batches(shape: tuple[int, ...], taps: int) -> list[tuple[slice, slice, slice]]:
    """Return which kernels, fields and rows are summed in one compiled call; their sums are contiguous."""
    kernels, fields, rows = shape[:3]
    products = math.prod(shape[2:]) * taps
    whole = slice(None)
    if kernels * fields * products <= AT_ONCE or len(shape) < 4:
        return [(whole, whole, whole)]
    several = max(1, AT_ONCE // products)
    if fields == 1:
        groups = [(slice(k, k + several), whole) for k in range(0, kernels, several)]
    else:
        groups = [(slice(k, k + 1), slice(f, f + several)) for k in range(kernels) for f in range(0, fields, several)]
    count = min(rows, -(-products // AT_ONCE))
    slabs = [slice(rows * part // count, rows * (part + 1) // count) for part in range(count)]
    return [(*group, slab) for group in groups for slab in slabs]


def _sum(fields: Array, kernels: Array, lines: list[tuple[Array, Array]], before: int, sums: Array) -> None:
    """Run the compiled loop for arrays of all dimensions, on as many threads as pay."""
    serial = sums[0].size * kernels.size < WORTH_THREADS
    block = kernels.shape[1] * floor_of(sums.shape[4], *kernels.shape[2:])
    scratch = np.empty((1 if serial else _threads.count(), SPARE + block), fields.dtype)
    given = (fields, kernels, *lines, before, sums, scratch, np.zeros(2, np.int64))
    if serial:
        correlate_blocks(*given)
    else:
        _threads.together(correlate_together, correlate_blocks, *given)


def _slice_by_slice(stack: Array, bank: Array, widths: Sequence[tuple[int, int]], names: Sequence[Name]) -> Array:
    """Sum over the taps of the first of more than three axes, each a correlation along the others."""
    wide, taps = extend(stack, widths[:1], names[:1], [1]), bank.shape[1]
    places = wide.shape[1] - taps + 1
    total: Any = 0
    for tap in range(taps):
        slices = wide[:, tap : tap + places].reshape(-1, *stack.shape[2:])
        total = total + correlate_directly(slices, bank[:, tap], widths[1:], names[1:])
    return np.asarray(total).reshape(len(bank), len(stack), places, *total.shape[2:])


@functools.lru_cache(maxsize=64)
def _continued(
    inner: tuple[int, ...],
    taps: tuple[int, ...],
    widths: Widths,
    names: tuple[Name, ...],
    dtype: np.dtype[Any],
    channels: int,
) -> tuple[list[tuple[Array, Array]], tuple[int, ...]]:
    """Return which cell, with which sign, stands at each place of three continued axes, and the shape of the sums.

    An axis of one cell comes before those of a plane or line.
    """
    lines = [(np.zeros(1, np.intp), np.ones(1, dtype))] * (3 - len(inner))
    places = []
    for axis, (size, count, (before, after), name) in enumerate(zip(inner, taps, widths, names, strict=True)):
        group = channels if axis == len(inner) - 1 else 1
        source, sign = fold(np.arange(-before, size // group + after), size // group, name)
        lines.append(((source[:, None] * group + np.arange(group)).ravel(), sign.repeat(group).astype(dtype)))
        places.append(len(lines[-1][0]) - count + 1)
    return lines, tuple(places)
