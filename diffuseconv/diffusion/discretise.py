"""From the equation to its lattice: diffusivities at faces, walls, barriers, mask and sources on a field's shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion import walls
from diffuseconv.diffusion.barriers import Barrier
from diffuseconv.diffusion.lattice import Inlet, Lattice
from diffuseconv.diffusion.tensor import as_tensor, diagonal_exchanges, split

if TYPE_CHECKING:
    from diffuseconv.diffusion.equation import DiffusionEquation

__all__ = ["arguments_of", "barriers_per_axis", "diffusivities", "discretise", "harmonic_mean"]


def discretise(equation: DiffusionEquation, shape: tuple[int, ...], time: float = 0.0) -> Lattice:
    """Build the lattice of an equation on a field of this shape, as it is from `time` until the next barrier lifts."""
    ndim = len(shape)
    spacing = _checks.per_axis("spacing", equation.spacing, ndim, lambda name, value: _checks.number(name, value))
    sides = walls.sides(equation.boundary, ndim)
    mask = _mask(equation.mask, shape)
    barriers = barriers_per_axis(equation.barriers, shape)
    rates: list[Array] = []
    inlets: list[Inlet] = []
    source, reaction = _source(equation.source, shape, mask)
    tensor = as_tensor(equation.diffusivity, shape)
    whole = diffusivities(equation.diffusivity if tensor is None else tuple(np.diag(tensor)), shape)
    inner_part, diagonal = [1.0] * ndim, None
    if tensor is not None:
        if any(barriers):
            raise ValueError("barriers need a diffusivity without off-diagonal part, got a tensor")
        inner_part, exchanges = split(tensor, spacing)
        diagonal = diagonal_exchanges(exchanges, shape, tuple(pair[0] == "periodic" for pair in sides), mask)
    for axis, diffusivity in enumerate(whole):
        low, high = _at(axis, slice(0, 1)), _at(axis, slice(-1, None))
        inner = _inner_rates(axis, diffusivity, spacing[axis], barriers[axis], mask, time) * inner_part[axis]
        if sides[axis][0] == "periodic":
            seam = harmonic_mean(diffusivity[low], diffusivity[high]) * (shape[axis] > 1) / spacing[axis] ** 2
            seam = seam * inner_part[axis] * (1 if mask is None else mask[low] & mask[high])
            rates.append(_joined(axis, seam, inner, seam))
            continue
        losses = []
        for is_high, side, where in zip((False, True), sides[axis], (low, high), strict=True):
            face = shape[:axis] + shape[axis + 1 :]
            loss, weight = walls.exchange(side, np.squeeze(diffusivity[where], axis), spacing[axis], face)
            loss, weight = (np.expand_dims(part, axis) for part in (loss, weight))
            if mask is not None:
                loss, weight = loss * mask[where], weight * mask[where]
            losses.append(loss)
            brought = walls.brought(side, face, axis)
            if callable(brought):
                brought(time)  # a bad value is refused before any work
            if callable(brought) or np.any(brought):
                inlets.append(Inlet(axis, is_high, weight, brought))
        rates.append(_joined(axis, losses[0], inner, losses[1]))
    periodic = tuple(pair[0] == "periodic" for pair in sides)
    return Lattice(shape, spacing, periodic, tuple(rates), tuple(inlets), source, reaction, diagonal)


def diffusivities(value: Any, shape: tuple[int, ...]) -> list[Array]:
    """Return the diffusivity along each axis: of the field's shape, or with all axes but its own of length 1."""
    ndim = len(shape)
    if isinstance(value, tuple):
        items = _checks.per_axis("diffusivity", value, ndim, lambda name, item: item)
    elif np.ndim(value) == 0 or np.shape(value) == shape:
        items = (value,) * ndim
    elif np.shape(value) == (ndim,):
        items = tuple(value)
    else:
        raise ValueError(
            f"diffusivity must be a number, one for each of the {ndim} axes, a symmetric ({ndim}, {ndim}) "
            f"tensor or an array of the field's shape {shape}, got shape {np.shape(value)}"
        )
    taken = []
    for axis, item in enumerate(items):
        if np.min(item) < 0:
            raise ValueError(f"diffusivity must be at least 0, got {np.min(item):g}")
        if np.ndim(item) == 0:
            taken.append(np.full([n if a == axis else 1 for a, n in enumerate(shape)], float(item)))
        elif np.shape(item) == shape:
            taken.append(np.asarray(item, dtype=np.float64))
        else:
            raise ValueError(f"diffusivity must have the field's shape {shape}, got shape {np.shape(item)}")
    return taken


def harmonic_mean(one: Array, other: Array) -> Array:
    """Diffusivity of the face between two half cells in series; 0 where either is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = one * (2 * other / (one + other))
    return np.where(one == other, one, np.where(one * other > 0, mean, 0.0))


def barriers_per_axis(value: Any, shape: tuple[int, ...]) -> tuple[Barrier | None, ...]:
    """Return the barrier on each axis, checked against the field's shape."""
    if value is None:
        return (None,) * len(shape)
    if len(value) != len(shape):
        raise ValueError(f"barriers must hold one array for each of the {len(shape)} axes, got {len(value)}")
    for axis, barrier in enumerate(value):
        expected = tuple(n - (a == axis) for a, n in enumerate(shape))
        if barrier is not None and barrier.shut.shape != expected:
            raise ValueError(f"barriers[{axis}] must have shape {expected}, got {barrier.shut.shape}")
    return tuple(value)


def _at(axis: int, piece: slice) -> tuple[slice, ...]:
    """Index a piece of one axis and all of those before it."""
    return (slice(None),) * axis + (piece,)


def _joined(axis: int, low: Array, inner: Array, high: Array) -> Array:
    """Put wall and inner faces in a row, each as large as the largest of them needs to be."""
    across = np.broadcast_shapes(*(np.moveaxis(part, axis, 0).shape[1:] for part in (low, inner, high)))
    parts = [np.broadcast_to(np.moveaxis(part, axis, 0), (part.shape[axis], *across)) for part in (low, inner, high)]
    return np.moveaxis(np.concatenate(parts), 0, axis)


def _inner_rates(
    axis: int, diffusivity: Array, spacing: float, barrier: Barrier | None, mask: Array | None, time: float
) -> Array:
    """Return the exchange rates of the faces between the cells of one axis."""
    before, after = _at(axis, slice(None, -1)), _at(axis, slice(1, None))
    between = harmonic_mean(diffusivity[before], diffusivity[after])
    if barrier is not None and barrier.standing(time).any():
        between = barrier.hold_back(between, spacing, time)
    if mask is not None:
        between = between * (mask[before] & mask[after])
    return between / spacing**2


def _mask(mask: Any, shape: tuple[int, ...]) -> Array | None:
    """Check the mask against the field's shape."""
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must have the field's shape {shape}, got {mask.shape}")
    return None if mask is None or mask.all() else np.asarray(mask)


def _source(
    source: Any, shape: tuple[int, ...], mask: Array | None
) -> tuple[Array | None, Callable[[float, Array], Array] | None]:
    """Split a source into (constant array, function of time and field)."""
    inside: Any = 1.0 if mask is None else mask
    if source is None:
        return None, None
    if callable(source):
        takes_field = arguments_of(source) == 2

        def reaction(time: float, u: Array) -> Array:
            made = _checks.array("source's result", source(time, u) if takes_field else source(time))
            if made.shape not in ((), shape):
                raise ValueError(f"source must return a number or an array of shape {shape}, got shape {made.shape}")
            return np.asarray(made * inside)

        return None, reaction
    if np.ndim(source) != 0 and np.shape(source) != shape:
        raise ValueError(f"source must be a number or have the field's shape {shape}, got shape {np.shape(source)}")
    return np.full(shape, source, dtype=np.float64) * inside, None


def arguments_of(source: Callable[..., Any]) -> int:
    """Count the arguments of a source: 1 for ``source(t)``, 2 for ``source(t, u)``."""
    try:
        signature = inspect.signature(source)
    except ValueError:  # built in C, without a signature
        return 1
    for arguments in (1, 2):
        with suppress(TypeError):
            signature.bind(*[0.0] * arguments)
            return arguments
    raise TypeError(f"source must be a function of (time) or of (time, field), got one of {signature}")
