"""Direct convolution: the sum over all taps, in compiled blocks."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._jit.convolution import BLOCK_COLUMNS, BLOCK_ROWS, correlate_blocks
from diffuseconv.boundary import fold

__all__ = ["correlate_directly"]

Array = NDArray[Any]
WORTH_THREADS = 6_000_000  # products: 0.2 milliseconds of work, well above what it costs to wake a second thread


def correlate_directly(
    stack: Array, bank: Array, widths: Sequence[tuple[int, int]], names: Sequence[str], out: Array | None = None
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
    out : ndarray, optional
        Where to write, contiguous.

    Returns
    -------
    ndarray, shape (kernels, fields, *places where the kernels fit)
        The sums.
    """
    flat = (1,) * (4 - stack.ndim)
    fields = np.ascontiguousarray(stack).reshape(stack.shape[0], *flat, *stack.shape[1:])
    kernels = np.ascontiguousarray(bank).reshape(bank.shape[0], *flat, *bank.shape[1:])
    lines = [_continued(1, 0, 0, "zero", stack.dtype)] * len(flat)
    shape = [len(bank), len(stack), *flat]
    for size, taps, (before, after), name in zip(stack.shape[1:], bank.shape[1:], widths, names, strict=True):
        lines.append(_continued(size, before, after, name, stack.dtype))
        shape.append(size + before + after - taps + 1)
    if out is None:
        out = np.empty(shape, stack.dtype)
    sums = out.reshape(shape)
    given = (fields, kernels, *lines, widths[-1][0], sums)
    blocks = shape[1] * shape[2] * -(-shape[3] // BLOCK_ROWS) * -(-shape[4] // BLOCK_COLUMNS)
    if math.prod(shape[1:]) * bank.size < WORTH_THREADS:
        correlate_blocks(*given, 0, blocks)
    else:
        _threads.run(correlate_blocks, [(*given, *part) for part in _threads.slices(blocks, 4 * _threads.count())])
    return sums.reshape(shape[:2] + shape[2 + len(flat) :])


@functools.lru_cache(maxsize=64)
def _continued(size: int, before: int, after: int, name: str, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Say which cell, with which sign, stands at each place of a continued axis."""
    source, sign = fold(np.arange(-before, size + after), size, name)
    return source, sign.astype(dtype)
