"""From the equation to its lattice: diffusivities at faces, walls, barriers, mask and sources on a field's shape."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array, read_only
from diffuseconv.boundary import Boundary
from diffuseconv.diffusion import faces, walls
from diffuseconv.diffusion.arguments import arguments_of
from diffuseconv.diffusion.barriers import Barrier, barriers_per_axis
from diffuseconv.diffusion.clock import interpolated
from diffuseconv.diffusion.geometry import Grid, grid_of
from diffuseconv.diffusion.lattice import Lattice, WallTerm
from diffuseconv.diffusion.masks import mask_on, masked, per_cell
from diffuseconv.diffusion.tensor import as_tensor, diagonal_exchanges, split
from diffuseconv.diffusion.velocity import face_velocities, functions, mixed_velocities, velocity_at

__all__ = ["discretise"]


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
    grid = grid_of(shape, spacing, coordinates, inner_radius)
    sides = _sides(boundary, shape)
    periodic = tuple(isinstance(pair[0], Boundary) for pair in sides)
    if coordinates != "cartesian" and periodic[0]:
        raise ValueError(f"boundary along a radius must be 'reflecting' or a wall, got {_checks.got(boundary)}")
    wet = mask_on(mask, shape)
    shut = barriers_per_axis(barriers, shape)
    tensor = as_tensor(diffusivity, shape)
    given = faces.diffusivities(diffusivity if tensor is None else tuple(np.diag(tensor)), shape, wet)
    capacity = per_cell("capacity", capacity, shape, wet, above=True)
    shared, weights = _weights(grid, capacity, shape)
    box = _Box(shape, grid, sides, periodic, wet, shut, given, shared)
    shares, diagonal = _beyond_faces(box, tensor, velocity is not None, boundary)
    rates_at = _rates_of(box, shares, velocity, coordinates != "cartesian", time)
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
        lengths=tuple(_flux_lengths(grid, axis) * shared for axis in range(len(shape))),
        reaction_slope=slope,
    )
    for wall in lattice.moving_walls:
        wall.value(time)  # a bad value is refused before any work
    if not functions(velocity):
        return lattice
    return replace(lattice, moving=lambda now: replace(lattice, **rates_at(now)))


class _Box(NamedTuple):
    """The cells of a field and what bounds them, which all parts of a lattice are built from."""

    shape: tuple[int, ...]
    grid: Grid
    sides: tuple[tuple[Any, Any], ...]  # walls of each axis, or records where its ends are joined
    periodic: tuple[bool, ...]
    mask: Array | None
    barriers: tuple[Barrier | None, ...]
    diffusivities: list[Array]  # along each axis
    capacity: float  # that all cells share

    def on_faces(self, axis: int) -> Array:
        """Return the diffusivity on the faces along an axis, a new array."""
        return faces.diffusivity_on(self.grid, axis, self.diffusivities[axis], self.periodic[axis], self.mask)


def _sides(boundary: Any, shape: tuple[int, ...]) -> tuple[tuple[Any, Any], ...]:
    """Return the walls of each axis; a lone cell between joined ends is its own ghost, which a wall says too."""
    sides = walls.sides(boundary, len(shape))
    lone = [n == 1 and _ghost(pair) != 1 for n, pair in zip(shape, sides, strict=True)]
    return tuple((walls.ghost_wall(_ghost(pair)),) * 2 if one else pair for one, pair in zip(lone, sides, strict=True))


def _beyond_faces(box: _Box, tensor: Array | None, drifts: bool, boundary: Any) -> tuple[list[float], Any]:
    """Return the share of each axis in its diffusivity, and exchanges other than through faces, None for none.

    These are a tensor's, with diagonal neighbours, and those of joined ends that change the sign of what passes.
    """
    ndim, uniform = len(box.shape), box.grid.uniform
    shares, diagonal = [1.0] * ndim, None
    if tensor is not None:
        if any(box.barriers):
            raise ValueError("barriers need a diffusivity without off-diagonal part, got a tensor")
        if any(ghost != 1 for ghost in map(_ghost, box.sides)):
            raise ValueError(
                f"boundary must not change the sign of what passes with a tensor diffusivity (take 'periodic' or a "
                f"wall), got {_checks.got(boundary)}"
            )
        if not uniform:
            raise ValueError("diffusivity must not be a tensor on graded or round grids, got one")
        shares, exchanges = split(tensor, box.grid.spacing)
        diagonal = diagonal_exchanges(exchanges, box.shape, box.periodic, box.mask)
    for axis in range(ndim):
        ghost = _ghost(box.sides[axis])
        if not box.periodic[axis] or ghost == 1:
            continue
        if drifts or not uniform:
            raise ValueError(
                f"boundary must not change the sign of what passes with a velocity or graded cells (take "
                f"'periodic' or a wall), got {_checks.got(boundary)}"
            )
        rest = _ghost_exchange(axis, box.shape, box.on_faces(axis), box.grid.spacing[axis], box.mask, ghost)
        diagonal = rest if diagonal is None else diagonal + rest
    if diagonal is not None:
        diagonal.data /= box.capacity
    return shares, diagonal


def _rates_of(
    box: _Box, shares: list[float], velocity: Any, radial: bool, time: float
) -> Callable[[float], dict[str, Any]]:
    """Return a function of time: rates, drift and walls with the velocity of that time, and the barriers of `time`."""
    ndim, moves = len(box.shape), bool(functions(velocity))
    kept = [box.on_faces(axis) for axis in range(ndim)] if moves else None
    closed: dict[tuple[int, bool], tuple[Array, WallTerm]] = {}  # walls that no velocity changes, if there are several

    def on_faces_at(time: float) -> list[Array | None]:
        return face_velocities(velocity_at(velocity, time), box.shape, box.periodic, radial)

    def rates_at(now: float) -> dict[str, Any]:
        drifts = [None] * ndim if velocity is None else interpolated(on_faces_at, now, mixed_velocities)
        rates, flows = [], []
        terms: list[WallTerm] = []
        for axis, carried in enumerate(drifts):
            d = box.on_faces(axis) if kept is None else faces.copied(kept[axis])  # rates take its place
            rate, flow, added = _along(box, axis, d, carried, shares[axis], time, closed if moves else None)
            rates.append(rate)
            flows.append(flow)
            terms += added
        drifting = tuple(flows) if any(np.any(flow) for flow in flows) else None
        return {"rates": tuple(rates), "drift": drifting, "walls": tuple(terms)}

    return rates_at


def _along(
    box: _Box,
    axis: int,
    d: Array,
    carried: Array | None,
    share: float,
    time: float,
    closed: dict[tuple[int, bool], tuple[Array, WallTerm]] | None,
) -> tuple[Array, Array, list[WallTerm]]:
    """Return the rates and the drift of one axis, and what its walls add; `d` is the diffusivity on its faces."""
    grid, wet = box.grid, box.mask

    def between(*given: Any, **options: Any) -> tuple[Array, Array]:
        rate, drift = faces.rates_between(grid, axis, *given, **options)
        return (rate, drift) if box.capacity == 1 else (rate / box.capacity, drift / box.capacity)

    within = d[faces.at(axis, slice(1, -1))]
    inner, drift = between(within, carried, box.barriers[axis], wet, time, share)
    room = d if inner is within else None
    if box.periodic[axis]:
        seam, through = d[faces.at(axis, slice(0, 1))], faces.first_face(axis, carried)
        crossed = share * (box.shape[axis] > 1)
        ends, through = between(seam, through, None, faces.both_ends(axis, wet), time, crossed, periodic=True)
        return faces.joined(axis, ends, inner, ends, room), faces.joined(axis, through, drift, through), []
    losses, terms = [], []
    for is_high, wall in zip((False, True), box.sides[axis], strict=True):
        found = None if closed is None else closed.get((axis, is_high))
        if found is None:
            found = _wall(wall, grid, axis, is_high, d, carried, box.shape, wet, box.capacity)
        if closed is not None and getattr(wall, "closed", False):
            closed[axis, is_high] = found
        loss, term = found
        if callable(term.value) or np.any(term.value):
            terms.append(term)
        losses.append(loss)
    still = np.zeros([1] * len(box.shape))
    return faces.joined(axis, losses[0], inner, losses[1], room), faces.joined(axis, still, drift, still), terms


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

    low, high = faces.at(axis, slice(0, 1)), faces.at(axis, slice(-1, None))
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
    where = faces.at(axis, end)
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
        areas = areas[faces.at(axis, slice(0, 1))]
    return np.divide(grid.cell, areas, out=np.zeros_like(areas), where=areas > 0)


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
    values = masked("source", np.full(shape, source) if np.ndim(source) == 0 else source, mask)
    return values if faces.is_one(capacity) else values / capacity, None


def _function(
    name: str, given: Callable[..., Any], shape: tuple[int, ...], mask: Array | None, capacity: Any
) -> Callable[[float, Array], Array]:
    """Return a function of time and field over the capacity, its results checked and 0 where the mask is False.

    What it returns may be the user's own array: it must not be written to, and may change with the next call.
    """
    takes_field, plain = arguments_of(given, name) == 2, faces.is_one(capacity)

    def at(time: float, u: Array) -> Array:
        values = given(time, read_only(u.view())) if takes_field else given(time)
        result = _checks.array(f"{name}'s result", values, finite=False)  # a trial step may lead anywhere
        if result.shape not in ((), shape):
            raise ValueError(f"{name} must return a number or an array of shape {shape}, got shape {result.shape}")
        inside = result if mask is None else np.where(mask, result, 0.0)
        return np.asarray(inside if plain else inside / capacity)

    return lambda time, u: interpolated(lambda now: at(now, u), time)
