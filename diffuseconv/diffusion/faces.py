"""Faces between cells: their diffusivity, and the rates at which cells exchange through them."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffuseconv import _checks, _threads
from diffuseconv._typing import Array
from diffuseconv.diffusion.barriers import Barrier
from diffuseconv.diffusion.geometry import Grid
from diffuseconv.diffusion.in_pieces import pieces
from diffuseconv.diffusion.masks import masked, per_cell
from diffuseconv.diffusion.rows import padded
from diffuseconv.diffusion.velocity import exchange_rate

__all__ = [
    "at",
    "both_ends",
    "copied",
    "diffusivities",
    "diffusivity_on",
    "first_face",
    "harmonic_mean",
    "is_one",
    "joined",
    "rates_between",
]


def diffusivities(value: Any, shape: tuple[int, ...], mask: Array | None = None) -> list[Array]:
    """Return the diffusivity along each axis: in cells or on faces, or with all axes but its own of length 1."""
    ndim = len(shape)
    if isinstance(value, tuple):
        items = _checks.per_axis("diffusivity", value, ndim, lambda name, item: item)
    elif np.ndim(value) == 0 or np.shape(value) == shape:
        items = (value,) * ndim
    elif np.shape(value) == (ndim,):
        items = tuple(value)
    elif ndim == 1:
        items = (value,)
    else:
        raise ValueError(
            f"diffusivity must be a number, one for each of the {ndim} axes (or an array over the faces of each), a "
            f"symmetric ({ndim}, {ndim}) tensor or an array of the field's shape {shape}, got shape {np.shape(value)}"
        )
    values = []
    for axis, item in enumerate(items):
        over_faces = tuple(n + (a == axis) for a, n in enumerate(shape))
        if np.shape(item) == shape:
            item = per_cell("diffusivity", np.asarray(item), shape, mask)
        if np.min(item) < 0:
            raise ValueError(f"diffusivity must be at least 0, got {np.min(item):g}")
        if np.ndim(item) == 0:
            values.append(np.full([n if a == axis else 1 for a, n in enumerate(shape)], float(item)))
        elif np.shape(item) in (shape, over_faces):
            values.append(np.asarray(item, dtype=np.float64))
        else:
            raise ValueError(
                f"diffusivity along axis {axis} must be a number, or have the field's shape {shape} or one over the "
                f"faces, {over_faces}, got shape {np.shape(item)}"
            )
    return values


def diffusivity_on(grid: Grid, axis: int, d: Array, periodic: bool, mask: Array | None) -> Array:
    """Return the diffusivity on all faces along an axis, a new array; a wall has that of the adjacent half cell."""
    first, last = at(axis, slice(0, 1)), at(axis, slice(-1, None))
    low, high, widths = d[first], d[last], grid.widths[axis]
    if d.shape[axis] == len(widths) + 1:  # given on faces
        if periodic:
            _checks.ends_agree(f"diffusivity[{axis}]", d, axis)
        return copied(masked("diffusivity", d, _wet_sides(axis, mask, periodic)))

    def between(one: Array, other: Array, before: Array, after: Array, out: Array | None = None) -> Array:
        return harmonic_mean(one, other, 0.5 if grid.uniform else grid.along(axis, before / (before + after)), out)

    faces = padded(tuple(n + (a == axis) for a, n in enumerate(d.shape)))
    before, after, inner = (at(axis, piece) for piece in (slice(None, -1), slice(1, None), slice(1, -1)))
    between(d[before], d[after], widths[:-1], widths[1:], faces[inner])
    if periodic:
        low = high = between(high, low, widths[-1:], widths[:1])
    faces[first], faces[last] = low, high
    return faces


def copied(values: Array) -> Array:
    """Return a copy each row of which begins where a vector register may."""
    copy = padded(values.shape)
    copy[...] = values
    return copy


def _wet_sides(axis: int, mask: Array | None, periodic: bool) -> Array | None:
    """Return True for each face with no adjacent dry cell; None where all are such."""
    if mask is None:
        return None
    low, high = mask[at(axis, slice(0, 1))], mask[at(axis, slice(-1, None))]
    if periodic:
        low = high = low & high
    inner = mask[at(axis, slice(None, -1))] & mask[at(axis, slice(1, None))]
    return np.concatenate([low, inner, high], axis)


def harmonic_mean(one: Array, other: Array, share: Any = 0.5, out: Array | None = None) -> Array:
    """Return the diffusivity of the face between two half cells in series; 0 where either is 0.

    `share` is the part of the distance between their centres that lies in the first.
    """
    means = np.empty(np.broadcast_shapes(one.shape, other.shape, np.shape(share))) if out is None else out

    def of(low: int, high: int) -> None:
        here, there, part, mean = (
            values if np.ndim(values) == 0 or len(values) == 1 else values[low:high]
            for values in (one, other, share, means)
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            np.multiply(part, there, out=mean)
            mean += (1 - part) * here
            np.divide(there, mean, out=mean)
            mean *= here
        np.copyto(mean, 0.0, where=np.isnan(mean))
        np.copyto(mean, here, where=here == there)

    _threads.run(of, pieces(means.shape))
    return means


def at(axis: int, piece: slice) -> tuple[slice, ...]:
    """Return the index of a piece of one axis, all of the axes before it."""
    return (slice(None),) * axis + (piece,)


def joined(axis: int, low: Array, inner: Array, high: Array, room: Array | None = None) -> Array:
    """Return wall and inner faces along an axis in one array, broadcast across it: `room`, if that holds the latter."""
    if all(n == 1 for part in (low, inner, high) for n in part.shape[:axis] + part.shape[axis + 1 :]):
        return np.concatenate((low, inner, high), axis)
    across = np.broadcast_shapes(*(np.moveaxis(part, axis, 0).shape[1:] for part in (low, inner, high)))
    shape = (*across[:axis], 2 + inner.shape[axis], *across[axis:])
    joined = padded(shape) if room is None or room.shape != shape else room
    if joined is not room:
        joined[at(axis, slice(1, -1))] = inner
    joined[at(axis, slice(0, 1))], joined[at(axis, slice(-1, None))] = low, high
    return joined


def rates_between(
    grid: Grid,
    axis: int,
    between: Array,
    velocity: Array | None,
    barrier: Barrier | None,
    mask: Array | None,
    time: float,
    axis_share: float,
    periodic: bool = False,
) -> tuple[Array, Array]:
    """Return the exchange rates of the faces `between` (their diffusivity) the cells of one axis, and their drift.

    Rates take the place of diffusivities where nothing else changes them.
    With `periodic`, the face between the last cell and the first, which stand in the arrays in this order.
    """
    before, after = at(axis, slice(None, -1)), at(axis, slice(1, None))
    widths = grid.widths[axis]
    faces = slice(1, -1)
    if periodic:
        widths, faces = widths[[-1, 0]], slice(0, 1)
    distances = (widths[:-1] + widths[1:]) / 2
    share: Any = 0.5
    distance: Any = float(widths[0])
    if not grid.uniform:
        share, distance = grid.along(axis, widths[:-1] / 2 / distances), grid.along(axis, distances)
    open_faces: Any = 1.0
    if barrier is not None and barrier.shut_at(time).any():
        between = barrier.face_diffusivity(between, distance, time)
        open_faces = ~(barrier.shut_at(time) & (np.asarray(barrier.permeability) == 0))
    if mask is not None:
        wet = mask[before] & mask[after]
        between, open_faces = between * wet, open_faces * wet
    area = grid.per_cell(axis, faces, distances)
    rate = _times(np.divide(between, distance**2, out=between), area, axis_share)
    if velocity is None:
        return rate, np.zeros([n if a == axis else 1 for a, n in enumerate(np.shape(rate))])
    carried = velocity if periodic else velocity[at(axis, faces)]
    if not np.isfinite(carried).all():
        carried = np.where(np.isfinite(carried) | (open_faces > 0), carried, 0.0)
        _checks.all_finite("velocity", carried)
    drift = _times(carried / distance, area, open_faces, axis_share != 0)
    return exchange_rate(rate, drift, share), drift


def _times(values: Array, *factors: Any) -> Array:
    """Return values times factors, without a copy for each that is 1."""
    for factor in factors:
        values = values if is_one(factor) else values * factor
    return values


def is_one(factor: Any) -> bool:
    """Return whether a factor is the number 1, and nothing need be copied for it."""
    return bool(np.ndim(factor) == 0 and factor == 1)


def both_ends(axis: int, values: Any) -> Any:
    """Return the last and the first entry along an axis; None for None."""
    return None if values is None else np.take(values, [-1, 0], axis)


def first_face(axis: int, values: Array | None) -> Array | None:
    """Return the first face along an axis; None for None."""
    return None if values is None else values[at(axis, slice(0, 1))]
