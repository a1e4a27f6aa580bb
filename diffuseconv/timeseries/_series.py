"""Checks that every time-series function shares."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._scaling import finite as finite
from diffuseconv._typing import BoolArray, FloatArray


def series(name: str, value: ArrayLike, least: int = 1) -> FloatArray:
    """Check one finite series of at least `least` values; return it as float64."""
    values = _checks.array(name, value)
    if values.ndim != 1:
        raise ValueError(f"{name} must have 1 dimension, got {values.ndim}")
    if len(values) < least:
        raise ValueError(f"{name} must have at least {least} values here, got {len(values)}")
    return values.astype(np.float64, copy=False)


def with_gaps(name: str, value: ArrayLike, mask: ArrayLike | None, least: int = 1) -> tuple[FloatArray, BoolArray]:
    """Check a series that is known where the mask is True; return it with 0 in its gaps, and where it is known."""
    if mask is None:
        try:
            values = series(name, value, least)
        except ValueError as refusal:
            hint = " (leave gaps out with mask=)" if f"{name} must be finite" in str(refusal) else ""
            raise ValueError(f"{refusal}{hint}") from None
        return values, np.ones(len(values), bool)
    known = _checks.plain("mask", mask)
    given = _checks.array(name, value, finite=False)
    if known.dtype != bool:
        raise TypeError(f"mask must be boolean (True where the series is known), got dtype {known.dtype}")
    if given.ndim != 1 or known.shape != given.shape:
        raise ValueError(f"mask must have the shape {given.shape} of a series, got {known.shape}")
    return series(name, np.where(known, given, given.dtype.type(0)), least), known


def quietly() -> AbstractContextManager[Any]:
    """Silence warnings of overflow, where `finite` checks the results."""
    return np.errstate(over="ignore", invalid="ignore")


def coefficients(name: str, value: Any) -> tuple[float, ...]:
    """Check a sequence of numbers, perhaps empty."""
    try:
        ndim = np.ndim(value)
    except ValueError:
        raise ValueError(f"{name} must be a flat sequence of numbers, got {_checks.got(value)}") from None
    if ndim == 1 and len(value) == 0:
        return ()
    return tuple(float(item) for item in series(name, value))
