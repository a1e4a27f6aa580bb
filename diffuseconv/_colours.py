"""Numbers to colours: limits, 256 levels and a table of a colour map's colours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks

Bytes = NDArray[np.uint8]
ROUNDING = 1e-6  # how far beyond 0..1 a colour may lie


def table(colormap: object) -> Bytes:
    """The 256 RGB colours of a matplotlib colour map, given by name or as an object."""
    import matplotlib
    from matplotlib.colors import Colormap

    if isinstance(colormap, str):
        if colormap not in matplotlib.colormaps:
            raise ValueError(f"colormap must name a matplotlib colour map, got {colormap!r}")
        colormap = matplotlib.colormaps[colormap]
    if not isinstance(colormap, Colormap):
        raise TypeError(f"colormap must be a name or a matplotlib Colormap, got {_checks.got(colormap)}")
    colours = colormap(np.linspace(0.0, 1.0, 256))[:, :3]
    return np.rint(255.0 * colours).astype(np.uint8)  # matplotlib's own bytes are cut off, not rounded


def limits(value: Any) -> tuple[float, float]:
    """Take the values of the first and the last colour."""
    if not isinstance(value, (list, tuple, np.ndarray)) or np.shape(value) != (2,):
        raise ValueError(f"limits must be a pair (low, high), got {_checks.got(value)}")
    low, high = _checks.number("limits[0]", value[0]), _checks.number("limits[1]", value[1])
    if not low < high or not math.isfinite(high - low):
        raise ValueError(f"limits must be a pair (low, high) with low < high, got {_checks.got((low, high))}")
    return low, high


def range_of(field: NDArray[Any]) -> tuple[float, float]:
    """The limits that a field sets by itself: its range, opened a little where the field is constant."""
    low, high = float(field.min()), float(field.max())
    if low == high:
        opening = 0.5 * max(abs(low), 1.0)
        return low - opening, low + opening
    return limits((low, high))


def levels(field: NDArray[Any], low: float, high: float) -> Bytes:
    """Map ``low .. high`` evenly to the levels 0..255; values beyond are clipped. A field k/255 gives back k."""
    scaled = field.astype(np.float64)
    scaled -= low
    scaled *= 256.0 / (high - low)
    return np.clip(scaled, 0.0, 255.0, out=scaled).astype(np.uint8)


def rgb(name: str, picture: NDArray[Any]) -> Bytes:
    """Take a colour picture of shape ``(rows, columns, 3)``, uint8 or float in 0..1, as uint8."""
    if picture.dtype == np.uint8:
        return picture
    if picture.dtype.kind != "f":
        raise TypeError(f"{name} in colour must be uint8 or float in 0..1, got dtype {picture.dtype}")
    taken = _checks.array(name, picture)
    low, high = float(taken.min()), float(taken.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ValueError(f"{name} in colour must lie in 0..1 (or be uint8), got values from {low:g} to {high:g}")
    return levels(taken, 0.0, 1.0)


def frame(name: str, value: Any) -> NDArray[Any]:
    """Take a 2-D field (as finite floats), or a colour picture (as uint8)."""
    taken = np.asarray(value)
    if taken.ndim == 3 and taken.shape[-1] == 3 and taken.size:
        return rgb(name, taken)
    if taken.ndim != 2:
        shape = "(rows, columns) or (rows, columns, 3)"
        raise ValueError(f"{name} must have shape {shape}, got {taken.shape}")
    return _checks.array(name, value)


def enlarge(picture: Bytes, scale: int) -> Bytes:
    """Make each pixel a square of `scale` by `scale` pixels."""
    return picture if scale == 1 else picture.repeat(scale, axis=0).repeat(scale, axis=1)
