"""From the equation to its lattice: diffusivities at faces, walls, barriers, mask and sources on a field's shape."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.boundary import Boundary
from diffuseconv.diffusion import walls
from diffuseconv.diffusion.barriers import Barrier
from diffuseconv.diffusion.lattice import Lattice, WallTerm
from diffuseconv.diffusion.tensor import as_tensor, diagonal_exchanges, split

__all__ = ["arguments_of", "barriers_per_axis", "diffusivities", "discretise", "harmonic_mean", "mask_on", "read_only"]


def discretise(
    shape: tuple[int, ...],
    *,
    diffusivity: Any,
    spacing: Any,
    boundary: Any,
    barriers: Any = None,
    source: Any = None,
    mask: Any = None,
    time: float = 0.0,
) -> Lattice:
    """Build the lattice on a field of this shape from the equation's arguments, as they are from `time` on.

    It is valid until the next barrier lifts.
    """
    ndim = len(shape)
    widths = _checks.per_axis("spacing", spacing, ndim, lambda name, value: _checks.number(name, value))
    sides = walls.sides(boundary, ndim)
    single = [n == 1 and _ghost(pair) != 1 for n, pair in zip(shape, sides, strict=True)]  # both ghosts are its own
    sides = tuple(
        (walls.ghost_wall(_ghost(pair)),) * 2 if one else pair for one, pair in zip(single, sides, strict=True)
    )
    periodic = tuple(isinstance(pair[0], Boundary) for pair in sides)
    wet = mask_on(mask, shape)
    shut = barriers_per_axis(barriers, shape)
    constant, reaction = _source(source, shape, wet)
    tensor = as_tensor(diffusivity, shape)
    cells = diffusivities(diffusivity if tensor is None else tuple(np.diag(tensor)), shape)
    axis_share, diagonal = [1.0] * ndim, None
    if tensor is not None:
        if any(shut):
            raise ValueError("barriers need a diffusivity without off-diagonal part, got a tensor")
        axis_share, exchanges = split(tensor, widths)
        if any(ghost != 1 for ghost in map(_ghost, sides)):
            raise ValueError("boundary must not change the sign of what passes with a tensor diffusivity")
        diagonal = diagonal_exchanges(exchanges, shape, periodic, wet)
    rates: list[Array] = []
    terms: list[WallTerm] = []
    for axis, d in enumerate(cells):
        inner = _inner_rates(axis, d, widths[axis], shut[axis], wet, time) * axis_share[axis]
        if periodic[axis]:
            low, high = _at(axis, slice(0, 1)), _at(axis, slice(-1, None))
            ends = harmonic_mean(d[low], d[high]) * (shape[axis] > 1) / widths[axis] ** 2
            ends = ends * axis_share[axis] * (1 if wet is None else wet[low] & wet[high])
            rates.append(_joined(axis, ends, inner, ends))
            if _ghost(sides[axis]) != 1:
                rest = _ends_in_proportion(axis, shape, d, widths[axis], wet, _ghost(sides[axis]))
                diagonal = rest if diagonal is None else diagonal + rest
            continue
        losses = []
        for is_high, wall in zip((False, True), sides[axis], strict=True):
            loss, term = _wall(wall, axis, is_high, d, widths[axis], shape, wet)
            if callable(term.value):
                term.value(time)  # a bad value is refused before any work
            if callable(term.value) or np.any(term.value):
                terms.append(term)
            losses.append(loss)
        rates.append(_joined(axis, losses[0], inner, losses[1]))
    return Lattice(shape, widths, periodic, tuple(rates), tuple(terms), constant, reaction, diagonal)


def _ghost(pair: tuple[Any, Any]) -> float:
    """Return the ghost cell over the cell at the other end; 1 where the axis is not joined."""
    return pair[0].ghost if isinstance(pair[0], Boundary) else 1.0


def _ends_in_proportion(
    axis: int, shape: tuple[int, ...], d: Array, spacing: float, mask: Array | None, ghost: float
) -> Any:
    """Return what a ghost cell of `ghost` times the cell at the other end adds to the `L` of a periodic axis."""
    import scipy.sparse

    low, high = _at(axis, slice(0, 1)), _at(axis, slice(-1, None))
    rate = harmonic_mean(d[low], d[high]) / spacing**2 * (1 if mask is None else mask[low] & mask[high])
    cells = np.arange(math.prod(shape)).reshape(shape)
    one, other = cells[low].ravel(), cells[high].ravel()
    values = np.tile((ghost - 1) * np.broadcast_to(rate, cells[low].shape).ravel(), 2)
    places = np.concatenate([one, other]), np.concatenate([other, one])
    return scipy.sparse.coo_array((values, places), shape=(cells.size, cells.size)).tocsr()


def _wall(
    wall: Any, axis: int, is_high: bool, d: Array, spacing: float, shape: tuple[int, ...], mask: Array | None
) -> tuple[Array, WallTerm]:
    """Return the loss of the cells along a wall, and what the wall adds to them."""
    where = _at(axis, slice(-1, None) if is_high else slice(0, 1))
    face = shape[:axis] + shape[axis + 1 :]
    wet = 1.0 if mask is None else mask[where]
    parts = walls.exchange(wall, np.squeeze(d[where], axis), spacing, face)
    loss, weight = (np.expand_dims(part, axis) * wet for part in parts)
    return loss, WallTerm(axis, is_high, weight, walls.wall_value(wall, face, axis))


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
    values = []
    for axis, item in enumerate(items):
        if np.min(item) < 0:
            raise ValueError(f"diffusivity must be at least 0, got {np.min(item):g}")
        if np.ndim(item) == 0:
            values.append(np.full([n if a == axis else 1 for a, n in enumerate(shape)], float(item)))
        elif np.shape(item) == shape:
            values.append(np.asarray(item, dtype=np.float64))
        else:
            raise ValueError(f"diffusivity must have the field's shape {shape}, got shape {np.shape(item)}")
    return values


def harmonic_mean(one: Array, other: Array) -> Array:
    """Return the diffusivity of the face between two half cells in series; 0 where either is 0."""
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
    """Return the index of a piece of one axis, all of the axes before it."""
    return (slice(None),) * axis + (piece,)


def _joined(axis: int, low: Array, inner: Array, high: Array) -> Array:
    """Concatenate wall and inner faces along an axis, broadcast across it."""
    across = np.broadcast_shapes(*(np.moveaxis(part, axis, 0).shape[1:] for part in (low, inner, high)))
    parts = [np.broadcast_to(np.moveaxis(part, axis, 0), (part.shape[axis], *across)) for part in (low, inner, high)]
    return np.moveaxis(np.concatenate(parts), 0, axis)


def _inner_rates(
    axis: int, diffusivity: Array, spacing: float, barrier: Barrier | None, mask: Array | None, time: float
) -> Array:
    """Return the exchange rates of the faces between the cells of one axis."""
    before, after = _at(axis, slice(None, -1)), _at(axis, slice(1, None))
    between = harmonic_mean(diffusivity[before], diffusivity[after])
    if barrier is not None and barrier.shut_at(time).any():
        between = barrier.face_diffusivity(between, spacing, time)
    if mask is not None:
        between = between * (mask[before] & mask[after])
    return between / spacing**2


def mask_on(mask: Any, shape: tuple[int, ...]) -> Array | None:
    """Return the mask, checked against the field's shape; None where it leaves nothing out."""
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must have the field's shape {shape}, got {mask.shape}")
    return None if mask is None or mask.all() else np.asarray(mask)


def _source(
    source: Any, shape: tuple[int, ...], mask: Array | None
) -> tuple[Array | None, Callable[[float, Array], Array] | None]:
    """Return a source as (constant array, function of time and field), one of which is None."""
    inside: Any = 1.0 if mask is None else mask
    if source is None:
        return None, None
    if callable(source):
        takes_field = arguments_of(source) == 2

        def reaction(time: float, u: Array) -> Array:
            result = _checks.array("source's result", source(time, read_only(u)) if takes_field else source(time))
            if result.shape not in ((), shape):
                raise ValueError(f"source must return a number or an array of shape {shape}, got shape {result.shape}")
            return np.asarray(result * inside)

        return None, reaction
    if np.ndim(source) != 0 and np.shape(source) != shape:
        raise ValueError(f"source must be a number or have the field's shape {shape}, got shape {np.shape(source)}")
    return np.full(shape, source, dtype=np.float64) * inside, None


def read_only(values: Array) -> Array:
    """Return a view that functions given by users cannot write to."""
    view = values.view()
    view.flags.writeable = False
    return view


def arguments_of(source: Callable[..., Any]) -> int:
    """Return the number of arguments of a source: 1 for ``source(t)``, 2 for ``source(t, u)``."""
    try:
        signature = inspect.signature(source)
    except ValueError:  # built in C, without a signature
        return 1
    for arguments in (2, 1) if _is_variadic(signature) else (1, 2):
        with suppress(TypeError):
            signature.bind(*[0.0] * arguments)
            return arguments
    raise TypeError(f"source must be a function of (time) or of (time, field), got one of {signature}")


def _is_variadic(signature: inspect.Signature) -> bool:
    """Return whether a function takes any number of arguments: such a one gets the field too."""
    return any(parameter.kind is parameter.VAR_POSITIONAL for parameter in signature.parameters.values())
