"""The heat kernel of an equation whose salt moves alike everywhere and always, or why it has none."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion import schedule, walls
from diffuseconv.diffusion.tensor import checked_tensor, split
from diffuseconv.propagator import Propagator

__all__ = ["heat_kernel"]


def heat_kernel(
    duration: float,
    ndim: int | None,
    *,
    diffusivity: Any,
    spacing: Any,
    boundary: Any,
    velocity: Any,
    capacity: Any,
    coordinates: str,
    **others: Any,
) -> Propagator:
    """Return the propagator that takes a duration at once, from an equation's checked arguments.

    All `others` must be None: with barriers, sources, masks or decay no one propagator does it.
    """
    if coordinates != "cartesian":
        raise ValueError(f"coordinates must be 'cartesian' for a propagator, got {coordinates!r}")
    for name, value in others.items():
        if value is not None:
            raise ValueError(f"{name} must be None for a propagator, got {_checks.got(value)}")
    tensor = isinstance(diffusivity, np.ndarray) and diffusivity.shape in ((2, 2), (3, 3))
    uneven = map(np.ndim, diffusivity) if isinstance(diffusivity, tuple) else [np.ndim(diffusivity) > 1]
    if any(uneven) and not tensor:
        raise ValueError("diffusivity must be one number, or one for each axis, for a propagator, got an array")
    if not walls.are_named(boundary):
        raise ValueError(f"boundary must be given by name for a propagator, got {_checks.got(boundary)}")
    capacity = 1.0 if capacity is None else capacity
    moving = 0.0 if velocity is None else velocity
    for name, value in (("spacing", spacing), ("velocity", moving), ("capacity", capacity)):
        if schedule.tables(value) or (any(map(np.ndim, value)) if isinstance(value, tuple) else np.ndim(value) > 0):
            raise ValueError(
                f"{name} must be the same everywhere and always for a propagator, got {_checks.got(value)}"
            )
    drift = np.divide(moving, capacity)
    drift = drift if drift.ndim else float(drift)
    if ndim is None:
        entries = (diffusivity, spacing, boundary, velocity)
        ndim = max((len(entry) for entry in entries if isinstance(entry, (tuple, list, np.ndarray))), default=2)
    if tensor:
        return _heat_of_tensor(diffusivity / capacity, duration, np.broadcast_to(spacing, len(diffusivity)), drift)
    rate = np.divide(diffusivity, capacity)
    return Propagator.heat(rate if rate.ndim else float(rate), duration, spacing, ndim, velocity=drift)


def _heat_of_tensor(tensor: Array, duration: float, spacing: Any, velocity: Any) -> Propagator:
    """Compose the heat kernel of a tensor, with a drift: along each axis and along each diagonal, which all commute."""
    tensor = checked_tensor(tensor)
    ndim = len(spacing)
    left, exchanges = split(tensor, tuple(spacing))
    if any(rate < 0 for _, rate in exchanges):
        raise ValueError(
            f"propagator of the tensor {_checks.got(tensor.tolist())} cannot be given: it is negative, for an "
            f"off-diagonal rate exceeds a diagonal one"
        )
    p = Propagator.heat(np.diag(tensor) * np.maximum(left, 0), duration, spacing, ndim, velocity=velocity)
    for offset, rate in exchanges:
        along = Propagator.heat(rate, duration, 1.0, 1).density
        diagonal = np.zeros([along.size if step else 1 for step in offset])
        j = np.arange(along.size)
        diagonal[tuple(j[::step] if step else 0 for step in offset)] = along
        p = p.compose(Propagator.normalized(diagonal))
    return p
