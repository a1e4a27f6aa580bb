"""Direct convolution: the sum over all taps, in compiled blocks."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _threads
from diffuseconv._checks import is_finite
from diffuseconv._jit import separable
from diffuseconv._jit.convolution import block_count, correlate_blocks
from diffuseconv._jit.machine import AVX512, MACHINE
from diffuseconv._jit.separable import two_block_count
from diffuseconv._typing import Array, loop_input
from diffuseconv.boundary import Name, extend, fold

__all__ = ["LONG", "Continuation", "Widths", "continued", "correlate_by_two", "correlate_directly", "fill_blocks"]

Widths = tuple[tuple[int, int], ...]
Lines = tuple[list[tuple[Array, Array]], tuple[int, ...]]
# products: 0.2 milliseconds of work, four times what a worker may take to wake
WORTH_THREADS = 5_000_000 if MACHINE is AVX512 else 2_500_000
PARTS = 4  # of the blocks, for each thread: the last one to finish keeps the others waiting for little
LONGEST = 1 << 30  # products between two chances for Ctrl-C
LONG = 1 << 14  # places of continued axes that are not remembered


class Continuation(NamedTuple):
    """How axes are continued beyond their walls, for taps of a dtype and so many channels along the last axis."""

    inner: tuple[int, ...]
    taps: tuple[int, ...]
    widths: Widths
    names: tuple[Name, ...]
    dtype: np.dtype[Any]
    channels: int = 1

    @property
    def is_short(self) -> bool:
        """Return whether the places are few enough to be remembered."""
        return max(self.inner) + self.channels * sum(map(sum, self.widths)) < LONG


def correlate_directly(
    stack: Array, bank: Array, widths: Sequence[tuple[int, int]], names: Sequence[Name], channels: int = 1
) -> tuple[Array, bool]:
    """Correlate every field of a stack with every kernel of a bank.

    Parameters
    ----------
    stack : ndarray, shape (fields, *field)
        The fields; bytes, or of the kernels' dtype.
    bank : ndarray, shape (kernels, *kernel)
        The kernels.
    widths : sequence of (before, after)
        How far each axis is continued beyond its walls.
    names : sequence of str
        The boundary of each axis.
    channels : int
        How many channels lie side by side along the last axis: each is correlated by itself.

    Returns
    -------
    ndarray, shape (kernels, fields, *places where the kernels fit)
        The sums.
    bool
        Whether all of them are finite.
    """
    if stack.ndim > 4:
        return _slice_by_slice(stack.astype(bank.dtype, copy=False), bank, widths, names)
    how = Continuation(stack.shape[1:], bank.shape[1:], tuple(widths), tuple(names), bank.dtype, channels)
    lines, places = continued(how)
    flat = (1,) * (4 - stack.ndim)
    fields = loop_input(stack).reshape(stack.shape[0], *flat, *stack.shape[1:])
    kernels = loop_input(bank).reshape(bank.shape[0], *flat, *bank.shape[1:])
    out = np.empty((len(bank), len(stack), *places), bank.dtype)
    sums = out.reshape(len(bank), len(stack), *flat, *places)
    products, blocks = len(stack) * math.prod(places) * bank.size, block_count(sums.shape)
    given = (fields, kernels, tuple(lines), widths[-1][0] * channels, np.uintp(channels), sums)
    return out, fill_blocks(lambda begin, end: correlate_blocks(*given, begin, end), products, blocks)


def correlate_by_two(
    stack: Array, factors: Sequence[Array], widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> tuple[Array, bool]:
    """Correlate every plane of a stack with the product of two factors; otherwise as `correlate_directly`."""
    down, across = factors
    taps = (down.size, across.size)
    how = Continuation(stack.shape[1:], taps, tuple(widths), tuple(names), stack.dtype)
    (_, *lines), places = continued(how)
    out = np.empty((len(stack), *places), stack.dtype)
    given = (loop_input(stack), (loop_input(down), loop_input(across)), tuple(lines), widths[-1][0], out)
    products, blocks = out.size * sum(taps), two_block_count(out.shape)
    return out, fill_blocks(lambda begin, end: separable.correlate_by_two(*given, begin, end), products, blocks)


def fill_blocks(fill: Callable[[int, int], float], products: int, blocks: int) -> bool:
    """Fill blocks of sums, in threads if there is much to do; return whether all sums are finite."""
    if products < WORTH_THREADS:
        return fill(0, blocks) == 0
    zeros: list[float] = []
    _threads.run(lambda begin, end: zeros.append(fill(begin, end)), _parts(products, blocks))
    return sum(zeros) == 0


def _parts(products: int, blocks: int) -> list[tuple[int, int]]:
    """Return which blocks are summed in one compiled call."""
    return _threads.slices(blocks, max(PARTS * _threads.count(), -(-products // LONGEST)))


@np.errstate(over="ignore", invalid="ignore")  # the result tells
def _slice_by_slice(
    stack: Array, bank: Array, widths: Sequence[tuple[int, int]], names: Sequence[Name]
) -> tuple[Array, bool]:
    """Sum over the taps of the first of more than three axes, each a correlation along the others."""
    wide, taps = extend(stack, widths[:1], names[:1], [1]), bank.shape[1]
    places = wide.shape[1] - taps + 1
    total: Any = 0
    for tap in range(taps):
        slices = wide[:, tap : tap + places].reshape(-1, *stack.shape[2:])
        total = total + correlate_directly(slices, bank[:, tap], widths[1:], names[1:])[0]
    return total.reshape(len(bank), len(stack), places, *total.shape[2:]), is_finite(total)


def continued(how: Continuation) -> Lines:
    """Return which cell, with which sign, stands at each place of three continued axes, and the shape of the sums.

    An axis of one cell comes before those of a plane or line.
    """
    return _remembered(how) if how.is_short else _continued(how)


def _continued(how: Continuation) -> Lines:
    """Return what `continued` does, worked out anew."""
    inner, taps, widths, names, dtype, channels = how
    lines = [(np.zeros(1, np.intp), np.ones(1, dtype))] * (3 - len(inner))
    places = []
    for axis, (size, count, (before, after), name) in enumerate(zip(inner, taps, widths, names, strict=True)):
        group = channels if axis == len(inner) - 1 else 1
        place = np.arange(-before, size // group + after)
        outside = (place < 0) | (place >= size // group)
        # Only these are folded: folding all places makes a small kernel on a million cells take 1.5 times as long.
        source, sign = place.copy(), np.ones(len(place))
        source[outside], sign[outside] = fold(place[outside], size // group, name)
        lines.append(((source[:, None] * group + np.arange(group)).ravel(), sign.repeat(group).astype(dtype)))
        places.append(len(lines[-1][0]) - (count - 1) * group)
    return lines, tuple(places)


_remembered = functools.lru_cache(maxsize=64)(_continued)
