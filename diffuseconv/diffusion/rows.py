"""How fields, and values on the faces between their cells, lie in memory for compiled loops.

Rows begin where a vector register may begin: vectors that straddle two cache lines cost twice.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from diffuseconv._jit.faces import Faces
from diffuseconv._jit.vector import BYTES
from diffuseconv._typing import Array, loop_input

__all__ = ["aligned", "as_planes", "on_faces", "padded", "places"]

PAGE = 4096


def aligned(shape: tuple[int, ...], dtype: Any, skip: int = 0, more: int = 0) -> Array:
    """Make an array that begins `skip` bytes after the beginning of a page, with room for `more` bytes behind it.

    Fields that begin at the same place in their pages compete for the same places in a cache.
    """
    count = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(count + 2 * PAGE + more, np.uint8)
    start = (skip - room.ctypes.data) % PAGE
    empty: Array = room[start : start + count].view(dtype).reshape(shape)
    return empty


def padded(shape: tuple[int, ...], dtype: Any = np.float64) -> Array:
    """Make an array each row of which begins where a vector register may, if it is longer than one value."""
    if shape[-1] == 1:
        return np.empty(shape, dtype)
    lanes = BYTES // np.dtype(dtype).itemsize
    return aligned((*shape[:-1], -(-shape[-1] // lanes) * lanes), dtype)[..., : shape[-1]]


def as_planes(shape: tuple[Any, ...], single: Any) -> tuple[Any, Any, Any]:
    """Return what belongs to the axes of a line, plane or block for (planes, rows, cells).

    A plane consists of planes with a `single` row, a line is one of them.
    """
    return (shape[0] if len(shape) > 1 else single, shape[1] if len(shape) > 2 else single, shape[-1])


def places(ndim: int) -> tuple[int, ...]:
    """Return which of (planes, rows, cells) each axis is."""
    return ((2,), (0, 2), (0, 1, 2))[ndim - 1]


def on_faces(values: Array, shape: tuple[int, ...], axis: int, dtype: Any, scale: float) -> Any:
    """Return values times `scale` on the faces along an axis as compiled loops read them.

    Rows that are alike are there once; an array with a value for every face is not copied, unless scaled.
    """
    cells, own = list(as_planes(shape, 1)), [1, 1, 1]
    cells[places(len(shape))[axis]] += 1
    for place, n in zip(places(len(shape)), values.shape, strict=True):
        own[place] = n
    lines, size = values.reshape(own), cells[2]
    if own[2] < size and min(own[:2]) == 1:
        distinct, row = np.unique(lines, return_inverse=True)
        lines, rows = distinct[:, None], row.reshape(own[:2])
    else:
        lines, rows = lines.reshape(-1, own[2]), np.arange(own[0] * own[1]).reshape(own[:2])
    if own[2] < size or scale != 1 or lines.dtype != dtype or lines.strides[1] != lines.itemsize:
        lines, given = padded((len(lines), size), dtype), lines
        np.multiply(given, scale, out=lines, casting="same_kind")
    pitch = lines.strides[0] // lines.itemsize
    flat = np.lib.stride_tricks.as_strided(lines, (pitch * (len(lines) - 1) + size,), (lines.itemsize,))
    starts = (rows[:, 0], rows[0] - rows[0, 0]) if own[0] > 1 else (0 * rows[:, 0], rows[0])  # none is negative
    tables = (np.broadcast_to(pitch * start, n).astype(np.uintp) for start, n in zip(starts, cells[:2], strict=True))
    return Faces(loop_input(flat), *map(loop_input, tables))
