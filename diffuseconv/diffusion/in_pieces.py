"""Sums and largest values of fields, formed in pieces: they need no memory for another field."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffuseconv import _threads
from diffuseconv._typing import Array

__all__ = ["add", "combine", "largest", "pieces"]

PIECE = 1 << 14  # cells handled at once where sums need as much memory again
BLOCK = 1 << 11  # cells of a product that BLAS leaves to one thread: others would spin on busy processors


def pieces(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the ends of the pieces of a field, whole planes each, in which sums are formed one after the other."""
    if math.prod(shape) < PIECE:
        return [(0, shape[0])]
    return _threads.slices(shape[0], 1 + math.prod(shape) // PIECE)


def add(total: Array, factor: complex, field: Array) -> None:
    """Add a number times a field (or what broadcasts to it) to another, a few planes at a time."""
    if total.size < PIECE:
        total += factor * field
        return
    whole = np.broadcast_to(field, total.shape)
    for low, high in pieces(total.shape):
        total[low:high] += (factor * whole[low:high]).astype(total.dtype, copy=False)


def combine(weights: Array, fields: Array, out: Array | None = None) -> Array:
    """Return sums of fields, weighted by each row of a matrix; a square one may write them over the fields."""
    combined = np.empty((len(weights), *fields.shape[1:])) if out is None else out
    left, right = combined.reshape(len(weights), -1), fields.reshape(len(fields), -1)
    for low, high in _threads.slices(right.shape[1], 1 + right.shape[1] // BLOCK):
        left[:, low:high] = weights @ right[:, low:high]
    return combined


def largest(u: Array, of: Callable[..., Array] = np.abs, *others: Array) -> float:
    """Return the largest value of a function of fields, looked at a few planes at a time."""
    parts = pieces(u.shape)
    if len(parts) == 1:
        return float(of(u, *others).max())
    return float(np.max([of(*(field[low:high] for field in (u, *others))).max() for low, high in parts]))  # NaN too
