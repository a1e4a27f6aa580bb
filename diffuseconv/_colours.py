"""Numbers to colours: limits, 256 levels and a table of a colour map's colours."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks
from diffuseconv._foreign import import_whole

Bytes = NDArray[np.uint8]
ROUNDING = 1e-6  # how far beyond 0..1 a colour may lie
MOST_PIXELS = 2**28 - 2**20  # the encoders' library holds 2^31 bits of 8 a pixel, borders included


def table(colormap: object) -> Bytes:
    """Return the 256 RGB colours of a matplotlib colour map, named or passed as an object."""
    import_whole("matplotlib.colors")
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


def is_gray(colours: Bytes) -> bool:
    """Return whether a table runs evenly from black to white."""
    return bool((colours == np.arange(256)[:, None]).all())


def limits(value: Any) -> tuple[float, float]:
    """Check the values of the first and the last colour."""
    if not isinstance(value, (list, tuple, np.ndarray)) or getattr(value, "ndim", 1) != 1 or len(value) != 2:
        raise ValueError(f"limits must be a pair (low, high), got {_checks.got(value)}")
    low, high = _checks.number("limits[0]", value[0]), _checks.number("limits[1]", value[1])
    if not low < high:
        raise ValueError(f"limits must be a pair (low, high) with low < high, got {_checks.got((low, high))}")
    if not math.isfinite(high - low):
        raise ValueError(f"limits must differ by less than 1.8e+308 (scale the field), got {_checks.got((low, high))}")
    return low, high


def default_limits(field: NDArray[Any], gray: bool, bits: int = 8) -> tuple[float, float]:
    """Return the limits that the first frame sets: its range, or in gray those of the picture that it already is.

    A picture holds floating-point numbers in 0..1, or unsigned integers of at most `bits` bits.
    """
    source = field.dtype
    low, high = float(field.min()), float(field.max())
    if gray and source.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    if gray and source.kind == "u" and source.itemsize <= bits // 8:
        return 0.0, float(np.iinfo(source).max)
    if low == high:  # a constant field has the middle colour
        opening = 0.5 * max(abs(low), 1.0)
        return low - opening, low + opening
    return limits((low, high))


def levels(field: NDArray[Any], low: float, high: float, bits: int = 8) -> NDArray[Any]:
    """Map ``low .. high`` evenly to the levels of 8 or 16 bits; values beyond are clipped. A field k/255 becomes k."""
    count = 2**bits
    with np.errstate(over="ignore"):  # far beyond the limits: infinite, then clipped
        scaled = field.astype(np.float64)
        scaled -= low
        if high - low < 1e-300:  # the factor would be infinite
            scaled /= high - low
            scaled *= count
        else:
            scaled *= count / (high - low)
    numbers: NDArray[Any] = np.clip(scaled, 0.0, count - 1.0, out=scaled).astype(f"u{bits // 8}")
    return numbers


def rgb(name: str, picture: NDArray[Any], bits: int = 8) -> NDArray[Any]:
    """Return a colour picture of shape ``(rows, columns, 3)`` as unsigned integers of 8 or 16 bits."""
    unsigned = picture.dtype.kind == "u" and picture.dtype.itemsize <= bits // 8
    if unsigned and picture.dtype.itemsize == bits // 8:
        return _checks.in_native_order(picture)
    if unsigned:
        return picture.astype(np.uint16) * np.uint16(257)  # white is 65535
    if picture.dtype.kind != "f":
        kinds = "uint8" if bits == 8 else "uint8, uint16"
        raise TypeError(f"{name} in colour must be {kinds} or float in 0..1, got dtype {picture.dtype}")
    return levels(unit(name, picture), 0.0, 1.0, bits)


def unit(name: str, picture: NDArray[Any]) -> NDArray[Any]:
    """Check that a colour picture lies in 0..1."""
    checked = _checks.array(name, picture)
    low, high = float(checked.min()), float(checked.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        raise ValueError(f"{name} in colour must lie in 0..1 (or be uint8), got values from {low:g} to {high:g}")
    return checked


def frame(name: str, value: Any) -> NDArray[Any]:
    """Check a 2-D field (finite numbers, any real dtype) or a colour picture (any dtype)."""
    values = _checks.plain(name, value)
    if values.ndim == 3 and values.shape[-1] == 3:
        return values
    if values.ndim != 2:
        shape = "(rows, columns) or (rows, columns, 3)"
        raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    _checks.array(name, values)
    return values


def fits(name: str, shape: tuple[int, ...], scale: int, side: int, kind: str) -> None:
    """Refuse a picture with more pixels a side than its kind of file holds, before it is enlarged."""
    rows, columns = shape[0] * scale, shape[1] * scale
    if max(rows, columns) > side:
        raise ValueError(f"{name} must have at most {side} pixels a side in {kind}, got {rows} x {columns}")
    if rows * columns > MOST_PIXELS:
        raise ValueError(f"{name} must have at most {MOST_PIXELS} pixels with its scale, got {rows} x {columns}")


def enlarge(picture: NDArray[Any], scale: int) -> NDArray[Any]:
    """Make each pixel a square of `scale` by `scale` pixels."""
    return picture if scale == 1 else picture.repeat(scale, axis=0).repeat(scale, axis=1)
