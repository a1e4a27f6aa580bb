"""Sums and largest values of fields, formed in pieces: they need no memory for another field."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffuseconv import _threads
from diffuseconv._jit import sums as _loops
from diffuseconv._typing import Array, loop_input

__all__ = ["add", "combine", "largest", "pieces"]

PIECE = 1 << 14  # cells handled at once where sums need as much memory again
LARGE = 1 << 10  # cells from which a compiled loop is quicker


def pieces(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the ends of the pieces of a field, whole planes each, in which sums are formed one after the other."""
    if math.prod(shape) < PIECE:
        return [(0, shape[0])]
    return _threads.slices(shape[0], 1 + math.prod(shape) // PIECE)


def add(total: Array, factor: complex, field: Array) -> None:
    """Add a number times a field (or what broadcasts to it) to another, a few planes at a time."""
    if total.size < LARGE:
        total += factor * field
        return
    alike = field.shape == total.shape and field.dtype == total.dtype == np.float64
    if alike and field.flags.c_contiguous and total.flags.c_contiguous and isinstance(factor, float):
        _loops.add_product(total.reshape(-1), factor, loop_input(field).reshape(-1))  # a third of the time
        return
    whole = np.broadcast_to(field, total.shape)
    for low, high in pieces(total.shape):
        total[low:high] += (factor * whole[low:high]).astype(total.dtype, copy=False)


def combine(weights: Array, fields: Array, out: Array | None = None) -> Array:
    """Return sums of fields, weighted by each row of a matrix; a square one may write them over the fields."""
    combined = np.empty((len(weights), *fields.shape[1:])) if out is None else out
    given = loop_input(weights).reshape(-1), loop_input(fields).reshape(-1)
    _loops.combine(*given, len(fields), fields[0].size, combined.reshape(-1))  # BLAS: 1.3 to 4 times as long
    return combined


def largest(u: Array, of: Callable[..., Array] = np.abs, *others: Array) -> float:
    """Return the largest value of a function of fields, looked at a few planes at a time."""
    parts = pieces(u.shape)
    if len(parts) == 1:
        return float(of(u, *others).max())
    return float(np.max([of(*(field[low:high] for field in (u, *others))).max() for low, high in parts]))  # NaN too
