"""Array types that the annotations share, and one way to make a read-only copy."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.int64]
BoolArray: TypeAlias = NDArray[np.bool_]


def frozen(values: Array) -> Array:
    """Return a read-only copy of an array."""
    copy = values.copy()
    copy.flags.writeable = False
    return copy
