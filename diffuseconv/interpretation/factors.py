"""Kernels as products: one factor for each axis, or differences of a smoother."""

from __future__ import annotations

import numpy as np

from diffuseconv import _linalg
from diffuseconv._typing import FloatArray
from diffuseconv.interpretation.moments import ROUNDINGS, Moments

__all__ = ["is_separable", "smoother_of"]


def is_separable(kernel: FloatArray, eps: float) -> bool:
    """Return whether the kernel has rank 1 however it is unfolded into a matrix."""
    for axis in range(kernel.ndim - 1):
        matrix = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
        if not _has_rank_one(matrix, ROUNDINGS * max(matrix.shape) * eps):
            return False
    return True


def _has_rank_one(matrix: FloatArray, share: float) -> bool:
    """Return whether all singular values but the first are at most this share of it."""
    if not matrix.any():
        return True
    # what the row and the column through the largest value leave bounds the second one from both sides (Goreinov and
    # Tyrtyshnikov 2001), so that few matrices are decomposed, which takes half a minute at 3000 x 3000
    row, column = np.unravel_index(np.abs(matrix).argmax(), matrix.shape)
    left = matrix - np.multiply.outer(matrix[:, column] / matrix[row, column], matrix[row])
    size = float(np.linalg.norm(matrix))
    if np.linalg.norm(left) <= share / 2 * size:
        return True
    if np.abs(left).max() > 3 * share * size:
        return False
    strengths = _linalg.svd(matrix, compute_uv=False)
    return strengths.size == 1 or bool(strengths[1] <= share * strengths[0])


def smoother_of(kernel: FloatArray, found: Moments, order: int | None) -> FloatArray | None:
    """Divide out a difference for every derivative; return what is left if it is a density."""
    if not order:
        return None
    left = kernel
    for _ in range(order):
        for axis in range(kernel.ndim):
            sums, sizes = left.sum(axis), np.abs(left).sum(axis)
            if np.all(np.abs(sums) <= found.slack * sizes.max()):
                left = np.cumsum(left, axis).take(range(left.shape[axis] - 1), axis)
                break
        else:
            return None
    total = left.sum()
    density = left / total
    if density.min() < -found.slack * np.abs(density).sum():
        return None
    density = np.maximum(density, 0.0)
    return np.asarray(density / density.sum())
