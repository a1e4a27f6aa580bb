"""Chunks that overlap: a field continued beyond its walls as a whole, then cut with the halo that each piece needs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dask.array as da
import numba
import numpy as np
from dask.array.overlap import ensure_minimum_chunksize, overlap

from diffuseconv import boundary as walls
from diffuseconv._axes import on_axis
from diffuseconv._typing import Array
from diffuseconv.convolution.plan import checked_widths, reach

__all__ = ["Halo", "check_chunks", "checked", "one_thread"]


@dataclass(frozen=True)
class Halo:
    """How a field is continued and cut, so that each piece knows all that its pixels depend on."""

    axes: tuple[int, ...]
    names: tuple[Any, ...]  # boundary of each axis
    extension: tuple[tuple[int, int], ...]  # cells added beyond the walls of each axis
    depth: dict[int, tuple[int, int]]  # cells that a pixel depends on, before and after it
    start: tuple[tuple[int, ...], ...]  # chunks of the field, none smaller than the halo
    chunks: tuple[tuple[int, ...], ...]  # of the result

    @classmethod
    def around(
        cls, u: da.Array, sizes: Sequence[int], axes: tuple[int, ...], boundary: Any, mode: str, flip: bool
    ) -> Halo:
        """Return the halo of a kernel of these sizes in a mode."""
        names = walls.images_per_axis(boundary, len(axes))
        extension = checked_widths([u.shape[axis] for axis in axes], sizes, names, mode, flip)
        widths = [reach(k, flip) for k in sizes]
        start, chunks = list(u.chunks), list(u.chunks)
        for axis, (low, high), (before, after) in zip(axes, widths, extension, strict=True):
            least = min(low + high + 1, u.shape[axis])
            start[axis] = ensure_minimum_chunksize(least, u.chunks[axis])
            cut = [*start[axis]]
            cut[0] += before - low
            cut[-1] += after - high
            chunks[axis] = tuple(cut)
        depth = dict(zip(axes, widths, strict=True))
        return cls(axes, names, extension, depth, tuple(start), tuple(chunks))

    @classmethod
    def deep(cls, u: da.Array, depths: Sequence[int], joined: Sequence[bool]) -> Halo:
        """Return the halos of these depths, across the ends of the axes that are joined."""
        axes = tuple(range(u.ndim))
        start = tuple(
            ensure_minimum_chunksize(min(depth, size), chunks) if depth else chunks
            for depth, size, chunks in zip(depths, u.shape, u.chunks, strict=True)
        )
        extension = tuple((depth, depth) if join else (0, 0) for depth, join in zip(depths, joined, strict=True))
        both = {axis: (depth, depth) for axis, depth in enumerate(depths)}
        return cls(axes, ("periodic",) * len(axes), extension, both, start, start)

    def extended(self, u: da.Array) -> da.Array:
        """Return the field continued beyond its walls; the first and last chunks hold what is added."""
        u = u.rechunk(self.start)
        for axis, name, (before, after) in zip(self.axes, self.names, self.extension, strict=True):
            size, inner = u.shape[axis], u.chunks[axis]
            low = [_beyond(u, axis, np.arange(-before, 0), name)] if before else []
            high = [_beyond(u, axis, np.arange(size, size + after), name)] if after else []
            joined = da.concatenate([*low, u, *high], axis=axis)
            cut = [*inner]
            cut[0] += before
            cut[-1] += after
            u = joined.rechunk({axis: tuple(cut)})
        return u

    def blocks(self, extended: da.Array) -> da.Array:
        """Return the extended field with its chunks overlapping."""
        return overlap(extended, depth=self.depth, boundary=dict.fromkeys(self.depth, "none"))


def checked(name: str, u: da.Array) -> da.Array:
    """Return a Dask array as float32 or float64, its shape and the kind of its chunks checked."""
    check_chunks(name, u)
    if u.dtype.kind in "iub":
        return u.astype(np.float64)
    native = u.dtype.newbyteorder("=")
    if native not in (np.dtype(np.float32), np.dtype(np.float64)):
        raise TypeError(f"{name} must hold float32, float64, integers or booleans, got dtype {u.dtype}")
    return u.astype(native)


def check_chunks(name: str, u: da.Array) -> None:
    """Refuse Dask arrays of unknown shape, empty ones, and those whose chunks are no plain NumPy arrays."""
    if any(np.isnan(size) for size in u.shape):
        raise ValueError(f"{name} must have a known shape (see compute_chunk_sizes), got {u.shape}")
    if u.size == 0:
        raise ValueError(f"{name} must not be empty, got shape {u.shape}")
    if type(u._meta) is not np.ndarray:
        kind = type(u._meta)
        raise TypeError(
            f"{name} must have NumPy arrays as chunks, got {kind.__module__.split('.')[0]}'s {kind.__name__}"
        )


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Keep the loops of this task to its own thread."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        yield
    finally:
        numba.set_num_threads(threads)


def _beyond(u: da.Array, axis: int, index: Array, name: Any) -> da.Array:
    """Return the field at indices beyond a wall; where nothing of it is a mask is True, for all is known there."""
    source, sign = walls.fold(index, u.shape[axis], name)
    if not sign.any():
        shape = tuple(len(index) if a == axis else size for a, size in enumerate(u.shape))
        return da.full(shape, True if u.dtype == np.bool_ else walls.record(name).beyond, dtype=u.dtype)
    images = da.take(u, source, axis=axis)
    if (sign == 1).all():
        return images
    return images * on_axis(sign.astype(u.dtype), axis, u.ndim)
