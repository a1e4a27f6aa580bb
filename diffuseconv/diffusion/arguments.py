"""The arguments of an equation, checked as far as possible without a field."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array, frozen, read_only
from diffuseconv.diffusion.tensor import checked_tensor

__all__ = [
    "FASTEST",
    "arguments_of",
    "check_source_slope",
    "checked_diffusivity",
    "checked_mask",
    "checked_values",
    "checked_weight",
]

FASTEST = 1e150  # rate per time, or capacity: products of two such stay in the range of numbers


def checked_mask(value: Any) -> Array:
    """Return a mask, frozen."""
    mask = _checks.plain("mask", value)
    if mask.dtype != bool:
        raise TypeError(f"mask must be boolean (True where there is water), got dtype {mask.dtype}")
    return frozen(mask)


def checked_values(name: str, value: Any, mask: Array | None = None) -> Any:
    """Return a number, or a read-only copy of an array, checked; what the mask leaves out may be anything."""
    if _checks.ndim(name, value) == 0:
        return _checks.number(name, value)
    values = _checks.array(name, value, finite=False)
    if mask is not None and mask.shape == values.shape:
        values = read_only(np.where(mask, values, 0.0))
    values = frozen(values, np.float64)
    _checks.all_finite(name, values)
    return values


def checked_diffusivity(name: str, value: Any, mask: Array | None) -> Any:
    """Return a diffusivity, checked: a number, an array, or a tuple with one of them per axis."""
    if isinstance(value, (list, tuple)) and any(isinstance(item, np.ndarray) and item.ndim for item in value):
        return tuple(checked_diffusivity(f"{name}[{axis}]", item, mask) for axis, item in enumerate(value))
    if mask is not None and _checks.ndim(name, value) and _is_over_faces(np.shape(value), mask.shape):
        values = frozen(_checks.array(name, value, finite=False), np.float64)  # NaN next to dry cells may be
        least = np.nanmin(values, initial=0.0)
        if least >= 0:
            return values
        if values.shape not in ((2, 2), (3, 3)):
            raise ValueError(f"{name} must be at least 0, got {least:g}")
    values = checked_values(name, value, mask)
    if np.shape(values) in ((2, 2), (3, 3)) and np.min(values) < 0:
        return frozen(checked_tensor(values))  # negative numbers can only be those of a tensor
    if np.min(values) < 0:
        raise ValueError(f"{name} must be at least 0, got {np.min(values):g}")
    return values


def _is_over_faces(shape: tuple[int, ...], cells: tuple[int, ...]) -> bool:
    """Return whether a shape is that of the faces along one axis of a field."""
    more = [n - size for n, size in zip(shape, cells, strict=False)]
    return len(shape) == len(cells) and sorted(more) == [0] * (len(cells) - 1) + [1]


def checked_weight(name: str, value: Any, mask: Array | None, above: bool) -> Any:
    """Return a capacity (above 0) or a decay (at least 0), checked."""
    if _checks.ndim(name, value) == 0:
        return _checks.number(name, value, above=0 if above else -math.inf, least=0, most=FASTEST)
    values = checked_values(name, value, mask)
    inside = values if mask is None or mask.shape != values.shape else values[mask]
    least = float(np.min(inside, initial=np.inf))
    if least < 0 or (above and least == 0):
        raise ValueError(f"{name} must be {'greater than' if above else 'at least'} 0, got {least:g}")
    if (largest := float(np.max(inside, initial=0.0))) > FASTEST:
        raise ValueError(f"{name} must be at most {FASTEST:g} (use other units), got {largest:g}")
    return values


def check_source_slope(slope: Any, source: Any) -> None:
    """Refuse what is no function of time and field, or belongs to no such source."""
    if not callable(slope):
        raise TypeError(f"source_slope must be a function of (time, field), got {_checks.got(slope)}")
    if not callable(source) or arguments_of(source) != 2:
        raise ValueError(f"source_slope belongs to a source(t, u), got source {_checks.got(source)}: leave it out")
    arguments_of(slope, "source_slope")


def arguments_of(source: Callable[..., Any], name: str = "source") -> int:
    """Return the number of arguments of a source: 1 for ``source(t)``, 2 for ``source(t, u)``."""
    try:
        signature = inspect.signature(source)
    except ValueError:  # built in C, without a signature
        return 1
    for arguments in (2, 1) if _is_variadic(signature) else (1, 2):
        if _checks.takes(source, arguments):
            return arguments
    raise TypeError(f"{name} must be a function of (time) or of (time, field), got one of {signature}")


def _is_variadic(signature: inspect.Signature) -> bool:
    """Return whether a function takes any number of arguments: such a one gets the field too."""
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in signature.parameters.values())
