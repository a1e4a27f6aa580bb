r"""The diffusion equation on Dask arrays: exactly, one axis after the other, or piece by piece with deep halos.

Where D and the velocity are constant on a box the axes do not know of one another,

.. math:: e^{t (L_1 \oplus L_2)} = e^{t L_1} e^{t L_2},

so each is solved exactly in a pass of its own, with the field in one chunk along it. Where the heat kernel is much
narrower than a chunk the field stays as it is cut: a chunk with a halo as deep as the kernel is evolved by itself, and
what the halo leaves out is below rounding. Elsewhere a polynomial of L of degree K agrees with the exponential to a
tolerance, and no cell beyond K neighbours enters it, so that a halo of K cells does. Long runs are cut into segments,
whose number makes the modelled work least.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np

from diffuseconv import _checks, _fft
from diffuseconv._typing import Array
from diffuseconv.boundary import per_axis, record
from diffuseconv.diffusion import DiffusionEquation, Schedule
from diffuseconv.diffusion.barriers import barriers_per_axis
from diffuseconv.interop._dask_halo import Halo, checked, one_thread
from diffuseconv.propagator import Propagator

__all__ = ["evolved"]

TOLERANCE = 1e-10  # of the field's range, as for the Chebyshev scheme in memory
PER_CELL = ("diffusivity", "source", "mask", "capacity", "decay")  # what a chunk has its own part of
MOST_SEGMENTS = 4096
BLOCK = 1 << 24  # bytes of a chunk of whole lines


def evolved(eq: DiffusionEquation, field: da.Array, duration: Any, tolerance: Any) -> da.Array:
    """Return the field after a duration, lazily."""
    u = checked("u", field)
    if not 1 <= u.ndim <= 3:
        raise ValueError(f"u must have 1, 2 or 3 dimensions, got {u.ndim}")
    duration = _checks.number("duration", duration, least=0)
    if tolerance is not None:
        tolerance = _checks.number("tolerance", tolerance, above=0)
    unlike = []
    if eq.coordinates != "cartesian":
        unlike.append("coordinates")
    if callable(eq.source) or isinstance(eq.source, Schedule):
        unlike.append("source (one that depends on time)")
    if isinstance(eq.spacing, tuple) and any(np.ndim(width) for width in eq.spacing):
        unlike.append("spacing (graded)")
    if isinstance(eq.diffusivity, tuple) and any(np.ndim(item) for item in eq.diffusivity):
        unlike.append("diffusivity (an array for each axis)")
    if not _numbers(eq.velocity):
        unlike.append("velocity (other than a number, or one per axis)")
    if unlike:
        raise TypeError(f"evolve takes no dask arrays for an equation with {', '.join(unlike)}; compute u first")
    names = _names(eq.boundary, u.ndim)
    spacing = _checks.per_axis("spacing", eq.spacing, u.ndim, _checks.number)
    constant = _constant(eq.diffusivity, u)
    varied = [name for name in PER_CELL if np.ndim(getattr(eq, name)) > 0 and (name != "diffusivity" or not constant)]
    varied += [name for name in ("source", "barriers") if getattr(eq, name) is not None and name not in varied]
    if constant and not varied:
        return _by_axes(eq, u, duration, tolerance, list(zip(constant, spacing, names, strict=True)))
    if eq.velocity is not None:
        raise TypeError(f"evolve takes no dask arrays for a velocity with {', '.join(varied)}; compute u first")
    return _piecewise(eq, u, duration, TOLERANCE if tolerance is None else tolerance, names, spacing, varied)


def _numbers(velocity: Any) -> bool:
    """Return whether a velocity is constant: nothing, a number, or numbers."""
    items = velocity if isinstance(velocity, tuple) else (velocity,)
    return velocity is None or all(isinstance(item, (int, float)) for item in items)


def _names(boundary: Any, ndim: int) -> tuple[str, ...]:
    """Return the boundary of each axis, which must be a name."""
    if not all(isinstance(name, str) for name in (boundary if isinstance(boundary, (list, tuple)) else [boundary])):
        raise TypeError(f"evolve of a dask array needs boundaries given by name, got {_checks.got(boundary)}")
    return per_axis(boundary, ndim)


def _constant(diffusivity: Any, u: da.Array) -> tuple[float, ...] | None:
    """Return the diffusivity of each axis where it is constant, None where it varies from cell to cell."""
    values = np.asarray(diffusivity)
    if values.ndim == 0:
        return (float(values),) * int(u.ndim)
    if values.shape == (u.ndim,):
        return tuple(float(value) for value in values)
    if values.shape == u.shape:
        return None
    raise TypeError(
        f"evolve of a dask array needs a diffusivity that is a number, one per axis or one per cell, "
        f"got shape {values.shape} for a field of shape {u.shape}"
    )


def _by_axes(
    eq: DiffusionEquation, u: da.Array, duration: float, tolerance: Any, axes: Sequence[tuple[float, float, str]]
) -> da.Array:
    """Solve one axis after the other, exactly or, where a drift against walls leaves no modes, to its tolerance."""
    drifts = _checks.per_axis("velocity", eq.velocity or 0.0, u.ndim, _checks.number)
    share = None if tolerance is None else tolerance / u.ndim
    passed = duration / (1.0 if eq.capacity is None else float(eq.capacity))
    depths = [
        None if drift else _depth(sizes, diffusivity * passed / width**2, np.finfo(u.dtype).eps / 2)
        for sizes, drift, (diffusivity, width, _) in zip(u.chunks, drifts, axes, strict=True)
    ]
    decay = eq.decay
    if any(depths):
        joint = dataclasses.replace(
            eq,
            diffusivity=tuple(0.0 if d is None else item[0] for d, item in zip(depths, axes, strict=True)),
            velocity=None,
        )
        names = [name for _, _, name in axes]
        halo = Halo.deep(u, [depth or 0 for depth in depths], [record(name).joined for name in names])
        u, decay = _advanced(u, joint, duration, names, halo, {}, "spectral").rechunk(u.chunks), None
    for axis, (diffusivity, width, name) in enumerate(axes):
        if any(depths) and depths[axis] is not None:
            continue
        line = DiffusionEquation(
            (0.0, diffusivity),
            (1.0, width),
            ("reflecting", name),
            velocity=(0.0, drifts[axis]) if drifts[axis] else None,
            capacity=eq.capacity,
            decay=decay,
        )
        decay = None
        lines = u.rechunk({a: -1 if a == axis else "auto" for a in range(u.ndim)}, block_size_limit=BLOCK)
        solved = lines.map_blocks(_lines, axis=axis, eq=line, duration=duration, tolerance=share, dtype=u.dtype)
        u = solved.rechunk(u.chunks)
    return u


def _depth(sizes: Sequence[int], number: float, rounding: float) -> int | None:
    """Return the halo beyond which less than rounding of a heat kernel lies, None where whole lines cost less.

    A grain feels a wall at the end of the halo once it has come that far, at most twice as likely as to end beyond
    it (reflection principle). A halo on either side at most doubles the work; one that is up to a quarter deeper
    than needed may give a length of many small factors, whose transforms are quicker.
    """
    if len(sizes) == 1:
        return 0
    if 2 * number > max(sizes) ** 2:
        return None
    least = Propagator.heat(number, 1.0, ndim=1, tolerance=rounding).shape[0] // 2
    wide = {depth: max(sizes) + 2 * depth for depth in range(least, least + least // 4 + 1)}
    depth = next((depth for depth, size in wide.items() if _fft.next_fast_len(size, real=True) == size), least)
    return depth if 2 * depth <= max(sizes) else None


def _lines(block: Array, *, axis: int, eq: DiffusionEquation, duration: float, tolerance: float | None) -> Array:
    """Evolve all lines of a block along an axis, independently of one another."""
    rows = np.moveaxis(block, axis, -1)
    with one_thread():
        solved = eq.evolve(np.ascontiguousarray(rows.reshape(-1, rows.shape[-1])), duration, tolerance=tolerance)
    return np.ascontiguousarray(np.moveaxis(solved.reshape(rows.shape), -1, axis))


def _wet(values: Any, mask: Any) -> Array:
    """Return the values that are not outside a mask."""
    array = np.asarray(values, np.float64)
    return array if mask is None or array.shape != mask.shape else np.asarray(array[mask])


def _degree(z: float, tolerance: float, ndim: int) -> int:
    """Return the degree from which the Chebyshev expansion of exp on [-2 z, 0] changes no cell by the tolerance.

    A row of the k-th polynomial has a Euclidean norm of at most 1 and reaches k cells far along each axis.
    """
    from scipy.special import ive

    order = np.arange(32 + math.ceil(40 * math.sqrt(z)))  # beyond lies less than the rounding of all before
    weights = 2 * ive(order, z) * (2.0 * order + 1) ** (ndim / 2)
    return int(np.count_nonzero(weights[::-1].cumsum() > tolerance))


def _segments(chunks: Sequence[float], z: float, tolerance: float) -> tuple[int, int]:
    """Return how many segments cost least, halos counted, and the depth of the halo of each."""
    best = (math.inf, 1, 1)
    count = 1
    while count <= MOST_SEGMENTS:
        depth = max(1, _degree(z / count, tolerance / count, len(chunks)))
        work = count * depth * math.prod(1 + 2 * depth / chunk for chunk in chunks)
        best = min(best, (work, count, depth))
        count *= 2
    return best[1], best[2]


def _piecewise(
    eq: DiffusionEquation,
    u: da.Array,
    duration: float,
    tolerance: float,
    names: Sequence[str],
    spacing: Sequence[float],
    varied: Sequence[str],
) -> da.Array:
    """Evolve chunks with halos that are deep enough not to feel where they are cut."""
    capacity = _wet(1.0 if eq.capacity is None else eq.capacity, eq.mask)
    largest = _wet(eq.diffusivity, eq.mask).max(initial=0.0)
    decay = _wet(0.0 if eq.decay is None else eq.decay, eq.mask).max(initial=0.0)
    rho = float(sum(4 * largest / width**2 for width in spacing) + decay) / float(capacity.min(initial=math.inf))
    asked = u.chunks
    chunks = [math.inf if len(sizes) == 1 else max(sizes) for sizes in asked]  # a whole axis needs no halo
    # Half of the tolerance is for the pieces, half for what halos leave out, twice. A cell's value may
    # be larger than the norm weighted with capacities tells.
    reached = tolerance / 4 * math.sqrt(float(capacity.min(initial=math.inf) / capacity.max(initial=1.0)))
    count, depth = _segments(chunks, duration * rho / 2, reached)
    u = u.rechunk({axis: -1 for axis, size in enumerate(u.shape) if depth >= size})
    depths = [0 if len(sizes) == 1 else depth for sizes in u.chunks]
    parts: dict[str, da.Array] = {}
    for name in varied:
        if name in PER_CELL and np.ndim(getattr(eq, name)) > 0:
            if np.shape(getattr(eq, name)) != u.shape:
                raise ValueError(f"{name} must have the field's shape {u.shape}, got {np.shape(getattr(eq, name))}")
            parts[name] = da.from_array(np.asarray(getattr(eq, name)), chunks=u.chunks)
    for axis, barrier in enumerate(barriers_per_axis(eq.barriers, u.shape)):
        if barrier is None:
            continue
        if barrier.lifted_at is not None or np.any(barrier.permeability):
            raise TypeError(
                f"evolve of a dask array takes barriers that are shut for good, got barriers[{axis}] which is lifted "
                "or permeable; compute u first"
            )
        pad = [(0, 1) if a == axis else (0, 0) for a in range(u.ndim)]
        parts[f"barrier{axis}"] = da.from_array(np.pad(barrier.shut, pad), chunks=u.chunks)
    given: dict[str, Any] = dict.fromkeys(parts.keys() & set(PER_CELL)) | (
        {"diffusivity": 1.0} if "diffusivity" in parts else {}
    )
    plain = dataclasses.replace(eq, barriers=None, boundary="reflecting", spacing=tuple(spacing), **given)
    # periodic axes are continued by their other end, all others end at their wall
    halo = Halo.deep(u, depths, [record(name).joined for name in names])
    constant = {name: halo.blocks(halo.extended(part)) for name, part in parts.items()}
    for _ in range(count):
        u = _advanced(u, plain, duration / count, names, halo, constant, "chebyshev", tolerance / 2 / count)
    return u.rechunk(asked)


def _advanced(
    u: da.Array,
    eq: DiffusionEquation,
    duration: float,
    names: Sequence[str],
    halo: Halo,
    parts: dict[str, da.Array],
    method: str,
    tolerance: float | None = None,
) -> da.Array:
    """Evolve each chunk with its halo by itself."""
    return da.map_blocks(
        _piece,
        halo.blocks(halo.extended(u)),
        *parts.values(),
        which=tuple(parts),
        eq=eq,
        names=tuple(names),
        depth=tuple(halo.depth[axis][0] for axis in halo.axes),
        duration=duration,
        method=method,
        tolerance=tolerance,
        blocks=tuple(len(sizes) for sizes in halo.chunks),
        chunks=halo.chunks,
        dtype=u.dtype,
        meta=np.empty((0,) * u.ndim, u.dtype),
    )


def _piece(
    block: Array,
    *parts: Array,
    which: Sequence[str],
    eq: DiffusionEquation,
    names: Sequence[str],
    depth: Sequence[int],
    duration: float,
    method: str,
    tolerance: float | None,
    blocks: Sequence[int],
    block_id: Any,
) -> Array:
    """Evolve a chunk with its halo, and cut the halo off."""
    options: dict[str, Any] = {}
    barriers: list[Any] = [None] * block.ndim
    for name, part in zip(which, parts, strict=True):
        if name.startswith("barrier"):
            axis = int(name.removeprefix("barrier"))
            barriers[axis] = np.take(part, range(part.shape[axis] - 1), axis)
        else:
            options[name] = np.asarray(part)
    if any(barrier is not None for barrier in barriers):
        options["barriers"] = barriers
    walls, inside = [], []
    for axis, (name, wide) in enumerate(zip(names, depth, strict=True)):
        joined = record(name).joined
        walls.append("reflecting" if joined and wide else name)  # what stands where a halo is cut is not felt
        before = wide if joined or block_id[axis] > 0 else 0
        after = wide if joined or block_id[axis] < blocks[axis] - 1 else 0
        inside.append(slice(before, block.shape[axis] - after))
    local = dataclasses.replace(eq, boundary=tuple(walls), **options)
    with one_thread():
        result = local.evolve(np.ascontiguousarray(block), duration, method, tolerance=tolerance)
    return np.ascontiguousarray(result[tuple(inside)])
