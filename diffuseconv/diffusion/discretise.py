"""From the equation to its lattice: diffusivities at faces, walls, barriers, mask and sources on a field's shape."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from diffuseconv import _checks, _threads
from diffuseconv._typing import Array, read_only
from diffuseconv.boundary import Boundary
from diffuseconv.diffusion import walls
from diffuseconv.diffusion.barriers import Barrier
from diffuseconv.diffusion.clock import interpolated
from diffuseconv.diffusion.geometry import Grid, grid_of
from diffuseconv.diffusion.lattice import Lattice, WallTerm, pieces
from diffuseconv.diffusion.rows import padded
from diffuseconv.diffusion.tensor import as_tensor, diagonal_exchanges, split
from diffuseconv.diffusion.velocity import exchange_rate, face_velocities, functions, mixed_velocities, velocity_at

__all__ = [
    "arguments_of",
    "barriers_per_axis",
    "diffusivities",
    "discretise",
    "harmonic_mean",
    "mask_on",
    "per_cell",
]


def discretise(
    shape: tuple[int, ...],
    *,
    diffusivity: Any,
    spacing: Any,
    boundary: Any,
    barriers: Any = None,
    source: Any = None,
    mask: Any = None,
    velocity: Any = None,
    capacity: Any = None,
    decay: Any = None,
    coordinates: str = "cartesian",
    inner_radius: float = 0.0,
    source_slope: Any = None,
    time: float = 0.0,
) -> Lattice:
    """Build the lattice on a field of this shape from the equation's arguments, as they are from `time` on.

    It is valid until the next barrier lifts.
    """
    ndim = len(shape)
    grid = grid_of(shape, spacing, coordinates, inner_radius)
    sides = walls.sides(boundary, ndim)
    single = [n == 1 and _ghost(pair) != 1 for n, pair in zip(shape, sides, strict=True)]  # both ghosts are its own
    sides = tuple(
        (walls.ghost_wall(_ghost(pair)),) * 2 if one else pair for one, pair in zip(single, sides, strict=True)
    )
    periodic = tuple(isinstance(pair[0], Boundary) for pair in sides)
    if coordinates != "cartesian" and periodic[0]:
        raise ValueError(f"boundary along a radius must be 'reflecting' or a wall, got {_checks.got(boundary)}")
    wet = mask_on(mask, shape)
    shut = barriers_per_axis(barriers, shape)
    tensor = as_tensor(diffusivity, shape)
    given = diffusivities(diffusivity if tensor is None else tuple(np.diag(tensor)), shape, wet)

    def on_faces(axis: int) -> Array:
        return _on_faces(grid, axis, given[axis], periodic[axis], wet)

    axis_share, diagonal = [1.0] * ndim, None
    if tensor is not None:
        if any(shut):
            raise ValueError("barriers need a diffusivity without off-diagonal part, got a tensor")
        if any(ghost != 1 for ghost in map(_ghost, sides)):
            raise ValueError(
                f"boundary must not change the sign of what passes with a tensor diffusivity (take 'periodic' or a "
                f"wall), got {_checks.got(boundary)}"
            )
        if not grid.uniform:
            raise ValueError("diffusivity must not be a tensor on graded or round grids, got one")
        axis_share, exchanges = split(tensor, grid.spacing)
        diagonal = diagonal_exchanges(exchanges, shape, periodic, wet)
    capacity = per_cell("capacity", capacity, shape, wet, above=True)
    shared, weights = _weights(grid, capacity, shape)
    for axis in range(ndim):
        if periodic[axis] and _ghost(sides[axis]) != 1:
            if velocity is not None or not grid.uniform:
                raise ValueError(
                    f"boundary must not change the sign of what passes with a velocity or graded cells (take "
                    f"'periodic' or a wall), got {_checks.got(boundary)}"
                )
            rest = _ghost_exchange(axis, shape, on_faces(axis), grid.spacing[axis], wet, _ghost(sides[axis]))
            diagonal = rest if diagonal is None else diagonal + rest

    if diagonal is not None:
        diagonal.data /= shared

    kept = [on_faces(axis) for axis in range(ndim)] if functions(velocity) else None
    still: dict[tuple[int, bool], tuple[Array, WallTerm]] = {}

    def along(axis: int, carried: Array | None, terms: list[WallTerm]) -> tuple[Array, Array]:
        """Return the rates and the drift of one axis; what its walls add goes to the terms."""
        d = on_faces(axis) if kept is None else _copied(kept[axis])  # rates take its place

        def between(*given: Any, **options: Any) -> tuple[Array, Array]:
            rate, drift = _inner_rates(grid, axis, *given, **options)
            return (rate, drift) if shared == 1 else (rate / shared, drift / shared)

        within = d[_at(axis, slice(1, -1))]
        inner, drift = between(within, carried, shut[axis], wet, time, axis_share[axis])
        room = d if inner is within else None
        if periodic[axis]:
            share = axis_share[axis] * (shape[axis] > 1)
            seam, through = d[_at(axis, slice(0, 1))], _ends_of_faces(axis, carried)
            ends, through = between(seam, through, None, _ends(axis, wet), time, share, periodic=True)
            return _joined(axis, ends, inner, ends, room), _joined(axis, through, drift, through)
        losses = []
        for is_high, wall in zip((False, True), sides[axis], strict=True):
            found = still.get((axis, is_high))
            if found is None:
                found = _wall(wall, grid, axis, is_high, d, carried, shape, wet, shared)
            if kept is not None and getattr(wall, "closed", False):
                still[axis, is_high] = found  # whatever the velocity is, at later times too
            loss, term = found
            if callable(term.value) or np.any(term.value):
                terms.append(term)
            losses.append(loss)
        closed = np.zeros([1] * ndim)
        return _joined(axis, losses[0], inner, losses[1], room), _joined(axis, closed, drift, closed)

    def rates_at(now: float) -> dict[str, Any]:
        """Return rates, drift and walls with the velocity that there is now."""

        def on_faces_at(time: float) -> list[Array | None]:
            return face_velocities(velocity_at(velocity, time), shape, periodic, coordinates != "cartesian")

        drifts = [None] * ndim if velocity is None else interpolated(on_faces_at, now, mixed_velocities)
        terms: list[WallTerm] = []
        rates, flows = zip(*(along(axis, carried, terms) for axis, carried in enumerate(drifts)), strict=True)
        drifting = flows if any(np.any(flow) for flow in flows) else None
        return {"rates": rates, "drift": drifting, "walls": tuple(terms)}

    share = 1.0 if capacity is None else capacity
    constant, reaction = _source(source, shape, wet, share)
    slope = None if source_slope is None else _function("source_slope", source_slope, shape, wet, share)
    lattice = Lattice(
        shape,
        grid.spacing,
        periodic,
        **rates_at(time),
        source=constant,
        reaction=reaction,
        diagonal=diagonal,
        weights=weights,
        decay=_decay(grid, per_cell("decay", decay, shape, wet), shape, wet, shared),
        cell=grid.cell * shared,
        lengths=tuple(_flux_lengths(grid, axis) * shared for axis in range(ndim)),
        reaction_slope=slope,
    )
    for wall in lattice.moving_walls:
        wall.value(time)  # a bad value is refused before any work
    if not functions(velocity):
        return lattice
    return replace(lattice, moving=lambda now: replace(lattice, **rates_at(now)))


def per_cell(name: str, value: Any, shape: tuple[int, ...], mask: Array | None, above: bool = False) -> Any:
    """Return a number, or an array of the field's shape that is checked where the mask holds, or None."""
    if value is None or np.ndim(value) == 0:
        return value
    if value.shape != shape:
        raise ValueError(f"{name} must be a number or have the field's shape {shape}, got shape {value.shape}")
    if mask is None:
        _checks.all_finite(name, value)
        return value
    values = np.where(mask, value, 1.0 if above else 0.0)
    _checks.all_finite(name, values)
    return values


def _weights(grid: Grid, capacity: Any, shape: tuple[int, ...]) -> tuple[float, Array | None]:
    """Return the capacity that all cells share, and the weight of each cell beyond it (None where all are alike)."""
    varies = np.ndim(capacity) > 0
    shared = 1.0 if capacity is None or varies else float(capacity)
    if grid.uniform and not varies:
        return shared, None
    weights = np.ones(shape) if grid.uniform else np.broadcast_to(grid.volumes() / grid.cell, shape)
    return shared, weights * capacity if varies else np.array(weights)


def _decay(grid: Grid, decay: Any, shape: tuple[int, ...], mask: Array | None, shared: float) -> Array | None:
    """Return what decays of each cell, per time and unit of `cell`; None for nothing."""
    if decay is None or not np.any(decay):
        return None
    rate = np.asarray(decay, dtype=np.float64).reshape([1] * len(shape) if np.ndim(decay) == 0 else shape) / shared
    if mask is not None:
        rate = rate * mask
    return rate if grid.uniform else rate * (grid.volumes() / grid.cell)


def _ghost(pair: tuple[Any, Any]) -> float:
    """Return the ghost cell over the cell at the other end; 1 where the axis is not joined."""
    return pair[0].ghost if isinstance(pair[0], Boundary) else 1.0


def _ghost_exchange(
    axis: int, shape: tuple[int, ...], d: Array, spacing: float, mask: Array | None, ghost: float
) -> Any:
    """Return what a ghost cell of `ghost` times the cell at the other end adds to the `L` of a periodic axis."""
    import scipy.sparse

    low, high = _at(axis, slice(0, 1)), _at(axis, slice(-1, None))
    rate = d[low] / spacing**2 * (1 if mask is None else mask[low] & mask[high])
    cells = np.arange(math.prod(shape)).reshape(shape)
    one, other = cells[low].ravel(), cells[high].ravel()
    values = np.tile((ghost - 1) * np.broadcast_to(rate, cells[low].shape).ravel(), 2)
    places = np.concatenate([one, other]), np.concatenate([other, one])
    return scipy.sparse.coo_array((values, places), shape=(cells.size, cells.size)).tocsr()


def _wall(
    wall: Any,
    grid: Grid,
    axis: int,
    is_high: bool,
    d: Array,
    velocity: Array | None,
    shape: tuple[int, ...],
    mask: Array | None,
    shared: float,
) -> tuple[Array, WallTerm]:
    """Return the loss of the cells along a wall, and what the wall adds to them."""
    end = slice(-1, None) if is_high else slice(0, 1)
    where = _at(axis, end)
    face = shape[:axis] + shape[axis + 1 :]
    wet: Any = True if mask is None else mask[where]
    outward: Any = 0.0 if velocity is None else np.squeeze(velocity[where], axis) * (1 if is_high else -1)
    width = float(grid.widths[axis][end][0])
    area = grid.per_cell(axis, end, grid.widths[axis][end])
    if not np.all(np.isfinite(outward)):
        outward = np.where(np.isfinite(outward) | np.squeeze(wet, axis), outward, 0.0)
        _checks.all_finite("velocity", outward)
    parts = walls.exchange(wall, np.squeeze(d[where], axis), width, face, outward)
    loss, weight = (np.expand_dims(part, axis) * wet * area / shared for part in parts)
    return loss, WallTerm(axis, is_high, weight, walls.wall_value(wall, face, axis, wet))


def _flux_lengths(grid: Grid, axis: int) -> Any:
    """Return volume over area: what makes a flux of a rate times a value."""
    if grid.uniform:
        return grid.spacing[axis]
    areas = grid.areas(axis)
    if (grid.factors[axis] == 1).all():  # the same all along the axis
        areas = areas[_at(axis, slice(0, 1))]
    return np.divide(grid.cell, areas, out=np.zeros_like(areas), where=areas > 0)


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


def _on_faces(grid: Grid, axis: int, d: Array, periodic: bool, mask: Array | None) -> Array:
    """Return the diffusivity on all faces along an axis, a new array; a wall has that of the adjacent half cell."""
    low, high = d[_at(axis, slice(0, 1))], d[_at(axis, slice(-1, None))]
    widths = grid.widths[axis]
    if d.shape[axis] == len(widths) + 1:  # given on faces
        if periodic:
            _checks.ends_agree(f"diffusivity[{axis}]", d, axis)
        return _copied(_masked("diffusivity", d, _wet_sides(axis, mask, periodic)))

    def between(one: Array, other: Array, before: Array, after: Array, out: Array | None = None) -> Array:
        return harmonic_mean(one, other, 0.5 if grid.uniform else grid.along(axis, before / (before + after)), out)

    faces = padded(tuple(n + (a == axis) for a, n in enumerate(d.shape)))
    before, after, inner = (_at(axis, piece) for piece in (slice(None, -1), slice(1, None), slice(1, -1)))
    between(d[before], d[after], widths[:-1], widths[1:], faces[inner])
    if periodic:
        low = high = between(high, low, widths[-1:], widths[:1])
    faces[_at(axis, slice(0, 1))], faces[_at(axis, slice(-1, None))] = low, high
    return faces


def _copied(values: Array) -> Array:
    """Return a copy each row of which begins where a vector register may."""
    copy = padded(values.shape)
    copy[...] = values
    return copy


def _wet_sides(axis: int, mask: Array | None, periodic: bool) -> Array | None:
    """Return True for each face with no adjacent dry cell; None where all are such."""
    if mask is None:
        return None
    low, high = mask[_at(axis, slice(0, 1))], mask[_at(axis, slice(-1, None))]
    if periodic:
        low = high = low & high
    inner = mask[_at(axis, slice(None, -1))] & mask[_at(axis, slice(1, None))]
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


def _joined(axis: int, low: Array, inner: Array, high: Array, room: Array | None = None) -> Array:
    """Return wall and inner faces along an axis in one array, broadcast across it: `room`, if that holds the latter."""
    if all(n == 1 for part in (low, inner, high) for n in part.shape[:axis] + part.shape[axis + 1 :]):
        return np.concatenate((low, inner, high), axis)
    across = np.broadcast_shapes(*(np.moveaxis(part, axis, 0).shape[1:] for part in (low, inner, high)))
    shape = (*across[:axis], 2 + inner.shape[axis], *across[axis:])
    joined = padded(shape) if room is None or room.shape != shape else room
    if joined is not room:
        joined[_at(axis, slice(1, -1))] = inner
    joined[_at(axis, slice(0, 1))], joined[_at(axis, slice(-1, None))] = low, high
    return joined


def _inner_rates(
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
    before, after = _at(axis, slice(None, -1)), _at(axis, slice(1, None))
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
    carried = velocity if periodic else velocity[_at(axis, faces)]
    if not np.isfinite(carried).all():
        carried = np.where(np.isfinite(carried) | (open_faces > 0), carried, 0.0)
        _checks.all_finite("velocity", carried)
    drift = _times(carried / distance, area, open_faces, axis_share != 0)
    return exchange_rate(rate, drift, share), drift


def _times(values: Array, *factors: Any) -> Array:
    """Return values times factors, without a copy for each that is 1."""
    for factor in factors:
        values = values if _is_one(factor) else values * factor
    return values


def _is_one(factor: Any) -> bool:
    """Return whether a factor is the number 1, and nothing need be copied for it."""
    return bool(np.ndim(factor) == 0 and factor == 1)


def _ends(axis: int, values: Any) -> Any:
    """Return the last and the first entry along an axis; None for None."""
    return None if values is None else np.take(values, [-1, 0], axis)


def _ends_of_faces(axis: int, values: Array | None) -> Array | None:
    """Return the first face along an axis; None for None."""
    return None if values is None else values[_at(axis, slice(0, 1))]


def mask_on(mask: Any, shape: tuple[int, ...]) -> Array | None:
    """Return the mask, checked against the field's shape; None where it leaves nothing out."""
    if mask is not None and mask.shape != shape:
        raise ValueError(f"mask must have the field's shape {shape}, got {mask.shape}")
    return None if mask is None or mask.all() else np.asarray(mask)


def _source(
    source: Any, shape: tuple[int, ...], mask: Array | None, capacity: Any
) -> tuple[Array | None, Callable[[float, Array], Array] | None]:
    """Return a source over the capacity as (constant array, function of time and field), one of which is None."""
    if source is None:
        return None, None
    if callable(source):
        return None, _function("source", source, shape, mask, capacity)
    if np.ndim(source) != 0 and np.shape(source) != shape:
        raise ValueError(f"source must be a number or have the field's shape {shape}, got shape {np.shape(source)}")
    values = _masked("source", np.full(shape, source) if np.ndim(source) == 0 else source, mask)
    return values if _is_one(capacity) else values / capacity, None


def _function(
    name: str, given: Callable[..., Any], shape: tuple[int, ...], mask: Array | None, capacity: Any
) -> Callable[[float, Array], Array]:
    """Return a function of time and field over the capacity, its results checked and 0 where the mask is False.

    What it returns may be the user's own array: it must not be written to, and may change with the next call.
    """
    takes_field, plain = arguments_of(given, name) == 2, _is_one(capacity)

    def at(time: float, u: Array) -> Array:
        values = given(time, read_only(u.view())) if takes_field else given(time)
        result = _checks.array(f"{name}'s result", values, finite=False)  # a trial step may lead anywhere
        if result.shape not in ((), shape):
            raise ValueError(f"{name} must return a number or an array of shape {shape}, got shape {result.shape}")
        inside = result if mask is None else np.where(mask, result, 0.0)
        return np.asarray(inside if plain else inside / capacity)

    return lambda time, u: interpolated(lambda now: at(now, u), time)


def _masked(name: str, values: Array, mask: Array | None) -> Array:
    """Return values that are 0 where the mask is False, checked elsewhere."""
    if mask is None:
        _checks.all_finite(name, values)
        return values
    inside = np.where(mask, values, 0.0)
    _checks.all_finite(name, inside)
    return inside


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
