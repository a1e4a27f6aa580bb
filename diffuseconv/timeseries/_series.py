"""Checks that every time-series function shares."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import FloatArray


def series(name: str, value: ArrayLike, least: int = 1) -> FloatArray:
    """Check one finite series of at least `least` values; return it as float64."""
    values = _checks.array(name, value)
    if values.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension, got {values.ndim}")
    if len(values) < least:
        raise ValueError(f"{name} must have at least {least} values here, got {len(values)}")
    return values.astype(np.float64, copy=False)


def coefficients(name: str, value: Any) -> tuple[float, ...]:
    """Check a sequence of numbers, perhaps empty."""
    if np.ndim(value) == 1 and len(value) == 0:
        return ()
    return tuple(float(item) for item in series(name, value))
