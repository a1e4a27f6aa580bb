r"""The diffusion equation on Dask arrays: exactly, one axis after the other, or piece by piece with deep halos.

Where D is constant on a box the axes do not know of one another,

.. math:: e^{t (L_1 \oplus L_2)} = e^{t L_1} e^{t L_2},

so each is solved exactly in a pass of its own, with the field in one chunk along it. Elsewhere a polynomial of L of
degree K agrees with the exponential to a tolerance, and no cell beyond K neighbours enters it: a chunk with a halo of
K cells is then evolved by itself. Long runs are cut into segments, whose number makes the modelled work least.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

import dask.array as da
import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.boundary import record
from diffuseconv.diffusion import Barrier, DiffusionEquation, Schedule
from diffuseconv.interop._dask_halo import Halo, checked, one_thread

__all__ = ["evolved"]

TOLERANCE = 1e-10  # of the field's range, as for the Chebyshev scheme in memory
PLAIN = {"source": None, "barriers": None, "mask": None, "velocity": None, "capacity": None, "decay": None}
MOST_SEGMENTS = 4096
BLOCK = 1 << 24  # bytes of a chunk of whole lines


def evolved(eq: DiffusionEquation, field: da.Array, duration: Any, tolerance: Any) -> da.Array:
    """Return the field after a duration, lazily."""
    u = checked("u", field)
    if not 1 <= u.ndim <= 3:
        raise ValueError(f"u must have 1, 2 or 3 dimensions, got {u.ndim}")
    duration = _checks.number("duration", duration, least=0)
    tolerance = TOLERANCE if tolerance is None else _checks.number("tolerance", tolerance, above=0)
    unlike = [
        name for name, plain in (("velocity", None), ("capacity", None), ("decay", None)) if _given(eq, name, plain)
    ]
    if _given(eq, "coordinates", "cartesian"):
        unlike.append("coordinates")
    if callable(eq.source) or isinstance(eq.source, Schedule):
        unlike.append("source (one that depends on time)")
    if isinstance(eq.spacing, tuple) and any(np.ndim(width) for width in eq.spacing):
        unlike.append("spacing (graded)")
    if isinstance(eq.diffusivity, tuple) and any(np.ndim(item) for item in eq.diffusivity):
        unlike.append("diffusivity (an array for each axis)")
    if unlike:
        raise TypeError(f"evolve takes no dask arrays for an equation with {', '.join(unlike)}; compute u first")
    names = _names(eq.boundary, u.ndim)
    spacing = tuple(float(width) for width in np.broadcast_to(np.asarray(eq.spacing, float), u.ndim))
    constant = _constant(eq.diffusivity, u)
    if constant is not None and not any(_given(eq, name, plain) for name, plain in PLAIN.items()):
        for axis in range(u.ndim):
            line = DiffusionEquation((0.0, constant[axis]), (1.0, spacing[axis]), ("reflecting", names[axis]))
            u = _along(u, axis, line, duration)
        return u
    return _piecewise(eq, u, duration, tolerance, names, spacing)


def _given(eq: DiffusionEquation, name: str, plain: Any) -> bool:
    """Return whether an equation has something other than the plain value."""
    value = getattr(eq, name, plain)
    return value is not plain and not (isinstance(value, str) and value == plain)


def _names(boundary: Any, ndim: int) -> tuple[str, ...]:
    """Return the boundary of each axis, which must be a name."""
    names = tuple(boundary) if isinstance(boundary, (list, tuple)) else (boundary,) * ndim
    if len(names) != ndim or not all(isinstance(name, str) for name in names):
        raise TypeError(f"evolve of a dask array needs boundaries given by name, got {_checks.got(boundary)}")
    return names


def _constant(diffusivity: Any, u: da.Array) -> tuple[float, ...] | None:
    """Return the diffusivity of each axis where it is constant, None where it varies from cell to cell."""
    values: Any = np.asarray(diffusivity, dtype=object) if isinstance(diffusivity, tuple) else np.asarray(diffusivity)
    if values.ndim == 0:
        return (float(values),) * int(u.ndim)
    if values.shape == (u.ndim,) and u.ndim > 1 and all(np.ndim(value) == 0 for value in diffusivity):
        return tuple(float(value) for value in diffusivity)
    if values.shape == u.shape:
        return None
    raise TypeError(
        f"evolve of a dask array needs a diffusivity that is a number, one per axis or one per cell, "
        f"got shape {values.shape} for a field of shape {u.shape}"
    )


def _along(u: da.Array, axis: int, line: DiffusionEquation, duration: float) -> da.Array:
    """Solve one axis exactly."""
    chunks = {axis: -1, **{other: "auto" for other in range(u.ndim) if other != axis}}
    whole = u.rechunk(chunks, block_size_limit=BLOCK)
    solved = whole.map_blocks(_lines, axis=axis, eq=line, duration=duration, dtype=u.dtype)
    return solved.rechunk(u.chunks)


def _lines(block: Array, *, axis: int, eq: DiffusionEquation, duration: float) -> Array:
    """Evolve all lines of a block along an axis, independently of one another."""
    rows = np.moveaxis(block, axis, -1)
    with one_thread():
        solved = eq.evolve(np.ascontiguousarray(rows.reshape(-1, rows.shape[-1])), duration, "spectral")
    return np.ascontiguousarray(np.moveaxis(solved.reshape(rows.shape), -1, axis))


def _degree(z: float, tolerance: float) -> int:
    """Return the degree of the Chebyshev expansion of exp on [-2 z, 0] whose error is below a tolerance."""
    from scipy.special import ive

    most = 32 + math.ceil(2 * z + 40 * math.sqrt(z))
    weights = 2 * ive(np.arange(most), z)
    tail = np.cumsum(weights[::-1])[::-1]
    return int(np.argmax(2 * tail <= tolerance))


def _segments(chunks: Sequence[int], z: float, tolerance: float) -> tuple[int, int]:
    """Return how many segments cost least, halos counted, and the depth of the halo of each."""
    best = (math.inf, 1, 1)
    count = 1
    while count <= MOST_SEGMENTS:
        depth = max(1, _degree(z / count, tolerance / count))
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
) -> da.Array:
    """Evolve chunks with halos that are deep enough not to feel where they are cut."""
    largest = float(np.max(np.asarray(eq.diffusivity, float)))
    rho = sum(4 * largest / width**2 for width in spacing)
    if min(u.shape) < 2:
        raise ValueError(f"u must have 2 cells at least along each axis, got shape {u.shape}")
    chunks = [max(sizes) for sizes in u.chunks]
    count, depth = _segments(chunks, duration * rho / 2, tolerance)
    depth = min(depth, min(u.shape))
    parts: dict[str, da.Array] = {}
    if np.ndim(eq.diffusivity) == u.ndim and np.shape(eq.diffusivity) == u.shape:
        parts["diffusivity"] = da.from_array(np.asarray(eq.diffusivity), chunks=u.chunks)
    if eq.mask is not None:
        parts["mask"] = da.from_array(np.asarray(eq.mask), chunks=u.chunks)
    if np.ndim(eq.source) > 0:
        parts["source"] = da.from_array(np.asarray(eq.source), chunks=u.chunks)
    for axis, barrier in enumerate(eq.barriers or ()):
        if barrier is None:
            continue
        if not isinstance(barrier, Barrier) or barrier.lifted_at is not None or np.any(barrier.permeability):
            raise TypeError("evolve of a dask array takes barriers that are shut for good, got a Barrier")
        pad = [(0, 1) if a == axis else (0, 0) for a in range(u.ndim)]
        parts[f"barrier{axis}"] = da.from_array(np.pad(barrier.shut, pad), chunks=u.chunks)
    plain = dataclasses.replace(
        eq,
        diffusivity=1.0 if "diffusivity" in parts else eq.diffusivity,
        mask=None,
        barriers=None,
        source=None if "source" in parts else eq.source,
        boundary="reflecting",
        spacing=tuple(spacing),
    )
    axes = tuple(range(u.ndim))
    # periodic axes are continued by their other end, all others end at their wall
    halo = Halo.deep(u, depth, axes, tuple(record(name).joined for name in names))
    constant = {name: halo.blocks(halo.extended(part)) for name, part in parts.items()}
    for _ in range(count):
        u = da.map_blocks(
            _piece,
            halo.blocks(halo.extended(u)),
            *constant.values(),
            which=tuple(constant),
            eq=plain,
            names=tuple(names),
            depth=depth,
            duration=duration / count,
            tolerance=tolerance / count,
            blocks=tuple(len(sizes) for sizes in halo.chunks),
            chunks=halo.chunks,
            dtype=u.dtype,
            meta=np.empty((0,) * u.ndim, u.dtype),
        )
    return u


def _piece(
    block: Array,
    *parts: Array,
    which: Sequence[str],
    eq: DiffusionEquation,
    names: Sequence[str],
    depth: int,
    duration: float,
    tolerance: float,
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
    for axis, name in enumerate(names):
        first, last = block_id[axis] == 0, block_id[axis] == blocks[axis] - 1
        if record(name).joined:
            walls.append(("reflecting", "reflecting"))
            inside.append(slice(depth, -depth))
        else:
            walls.append((name if first else "reflecting", name if last else "reflecting"))
            inside.append(slice(None if first else depth, None if last else -depth))
    local = dataclasses.replace(eq, boundary=tuple(walls), **options)
    with one_thread():
        result = local.evolve(np.ascontiguousarray(block), duration, "chebyshev", tolerance=tolerance)
    return np.ascontiguousarray(result[tuple(inside)])
