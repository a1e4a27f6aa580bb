"""Values of cells, and the mask that tells which cells are there."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array

__all__ = ["mask_on", "masked", "per_cell"]


def mask_on(mask: Any, shape: tuple[int, ...]) -> Array | None:
    """Return the mask, checked against the field's shape; None where it leaves nothing out."""
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must have the field's shape {shape}, got {mask.shape}")
    return None if mask is None or mask.all() else np.asarray(mask)


def masked(name: str, values: Array, mask: Array | None, dry: float = 0.0) -> Array:
    """Return values that are `dry` where the mask is False, checked elsewhere."""
    if mask is None:
        _checks.all_finite(name, values)
        return values
    inside = np.where(mask, values, dry)
    _checks.all_finite(name, inside)
    return inside


def per_cell(name: str, value: Any, shape: tuple[int, ...], mask: Array | None, above: bool = False) -> Any:
    """Return a number, or an array of the field's shape that is checked where the mask holds, or None."""
    if value is None or np.ndim(value) == 0:
        return value
    if value.shape != shape:
        raise ValueError(f"{name} must be a number or have the field's shape {shape}, got shape {value.shape}")
    return masked(name, value, mask, 1.0 if above else 0.0)
