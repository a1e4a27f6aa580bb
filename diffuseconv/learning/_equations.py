r"""The normal equations of a convolution: convolution as a map that is linear in the kernel.

Convolution is linear in the kernel too, ``v = A k``, where column `j` of `A` is the picture, continued beyond its walls
and shifted by the displacement of tap `j`. The matrix itself would be `taps` times as large as the pictures; what least
squares needs are only the sums of products :math:`A^\top A` and :math:`A^\top v`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.boundary import extend, fold
from diffuseconv.convolution import convolve, correlate
from diffuseconv.convolution.plan import reach
from diffuseconv.learning._pairs import Pair

BLOCK = 1 << 21  # shifted values held at a time: 16 MiB


def continued(picture: FloatArray, taps: Sequence[int], names: Sequence[str]) -> FloatArray:
    """Continue a picture as far beyond its walls as convolution with so many taps reaches."""
    return extend(picture, [reach(n, flip=True) for n in taps], names)


def gram(pairs: Sequence[Pair], taps: tuple[int, ...], names: Sequence[str]) -> FloatArray:
    """Sum the products of all pairs of shifts of the pictures: A^T A, shape (taps, taps)."""
    total = sum(_products(continued(u, taps, names), taps) for pair in pairs for u in pair.before)
    return np.asarray(total)[::-1, ::-1]  # convolution flips


def onto_shifts(
    pairs: Sequence[Pair], values: Sequence[FloatArray], taps: tuple[int, ...], names: Sequence[str]
) -> FloatArray:
    """Sum the products of all shifts of the pictures with one field for each: A^T values."""
    total = np.zeros(taps)
    for pair, stack in zip(pairs, values, strict=True):
        for u, v in zip(pair.before, stack, strict=True):
            total += correlate(continued(u, taps, names), v, mode="valid")
    return total.ravel()[::-1]


def residuals(
    pairs: Sequence[Pair], weights: FloatArray, taps: tuple[int, ...], names: Sequence[str]
) -> list[FloatArray]:
    """Return what a kernel leaves unexplained: after - A k."""
    kernel, axes = weights.reshape(taps), tuple(range(1, len(taps) + 1))
    return [pair.after - convolve(pair.before, kernel, boundary=names, axes=axes) for pair in pairs]


def noise_gram(pairs: Sequence[Pair], taps: tuple[int, ...], names: Sequence[str]) -> FloatArray:
    r"""Return the mean of A^T A for pictures of white noise of variance 1.

    Two shifts of the noise have products with a mean other than 0 where they show the same cell: everywhere if they
    are the same shift, and near the walls, where one shows the other's mirror image, with the product of their
    signs. A cell is the same if it is on each axis, so the count is a Kronecker product of counts along the axes.
    """
    total = np.zeros((math.prod(taps),) * 2)
    for pair in pairs:
        count = np.ones((1, 1))
        for size, n, name in zip(pair.before.shape[1:], taps, names, strict=True):
            source, sign = fold(np.arange(size)[:, None] - (np.arange(n) - n // 2), size, name)
            same = source[:, :, None] == source[:, None, :]
            along = np.einsum("ijk,ij,ik->jk", same, sign.astype(float), sign.astype(float))
            count = np.kron(count, along)
        total += len(pair.before) * count
    return total


def _products(extended: FloatArray, taps: Sequence[int]) -> FloatArray:
    """Sum the products of all pairs of windows of a continued picture.

    Along the first axis the sum for two offsets depends only on their distance, but for the rows at both ends: one
    large matrix product for each distance, and small ones for the ends.
    """
    if len(taps) == 1:
        return _products(extended[:, None], (taps[0], 1))
    first, rest = taps[0], tuple(taps[1:])
    others: Any = tuple(range(1, extended.ndim))  # the stubs of NumPy 2.4 know one axis only
    windows = np.lib.stride_tricks.sliding_window_view(extended, rest, axis=others)
    width, rows = math.prod(rest), len(extended) - first + 1
    places = windows[0].size // width

    def lines(start: int, stop: int) -> FloatArray:
        """Copy the windows of some rows: (rows, places in a row, width)."""
        return np.ascontiguousarray(windows[start:stop]).reshape(stop - start, places, width)

    def product(left: FloatArray, right: FloatArray) -> FloatArray:
        return left.reshape(-1, width).T @ right.reshape(-1, width)

    sums = np.zeros((first, width, first, width))
    step = max(first, BLOCK // windows[0].size)
    for start in range(0, rows, step):
        stop = min(start + step, rows)
        block = lines(start, stop + first - 1)
        for lag in range(first):
            sums[0, :, lag] += product(block[: stop - start], block[lag : lag + stop - start])
    left, right = lines(0, first - 1), lines(rows, rows + first - 1)
    for lag in range(first):
        for m in range(1, first - lag):
            k = m - 1 + lag
            sums[m, :, m + lag] = sums[m - 1, :, k] + product(right[m - 1], right[k]) - product(left[m - 1], left[k])
    for m in range(first):
        for k in range(m):
            sums[m, :, k] = sums[k, :, m].T
    return sums.reshape(first * width, first * width)
