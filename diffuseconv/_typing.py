"""Types that the annotations share, and the functions that make arrays read-only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import DTypeLike, NDArray

Array: TypeAlias = NDArray[Any]
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]
Axes: TypeAlias = int | Sequence[int] | None  # the spatial axes of an array


def frozen(values: Array, dtype: DTypeLike | None = None) -> Array:
    """Return a read-only copy of an array, or the array itself where nothing can write to it."""
    if values.flags.c_contiguous and values.flags.aligned and dtype in (None, values.dtype) and _is_frozen(values):
        return values
    return read_only(np.array(values, dtype, order="C"))


def _is_frozen(values: Any) -> bool:
    """Return whether an array, and all that it is a view of, are read-only arrays."""
    while type(values) is np.ndarray and not values.flags.writeable:
        values = values.base
    return values is None


def read_only(values: Array) -> Array:
    """Return an array that no one else writes to, made read-only."""
    values.flags.writeable = False
    return values


def loop_input(values: Array) -> Array:
    """Return an array as compiled loops read it, aligned, in C order and read-only: each compiles only for such."""
    if not (values.flags.c_contiguous and values.flags.aligned):
        values = np.require(values, requirements=["C", "A"])
    return read_only(values.view())
