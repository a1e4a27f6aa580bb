"""Dask: lazy arrays in, lazy arrays out; each task works on one chunk and the halo around it.

The field is continued beyond its walls once, as a whole; after that every chunk with its halo is an ordinary field, on
which the verb runs in mode "valid". So walls of all kinds and kernels wider than a chunk need nothing of their own.
Shapes and options are checked at the call, values when they are computed. A task uses one thread.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import dask.array as da
import numpy as np
from dask.delayed import delayed
from numpy.typing import NDArray

from diffuseconv import _checks, convolution
from diffuseconv import boundary as walls
from diffuseconv._typing import Array
from diffuseconv.convolution.plan import reach
from diffuseconv.convolution.separable import split
from diffuseconv.diffusion import DiffusionEquation
from diffuseconv.interop._dask_evolve import evolved
from diffuseconv.interop._dask_halo import Halo, check_chunks, checked, one_thread
from diffuseconv.measurement import _streams, sampling, scattering, variance
from diffuseconv.measurement._taps import prepare, taps_of
from diffuseconv.propagator import Propagator

__all__ = ["convolve", "correlate", "evolve", "feature_maps", "measure", "measurement_variance", "scatter"]

Grains: TypeAlias = NDArray[np.int64]


def convolve(field: da.Array, kernel: Any, **options: Any) -> da.Array:
    """Return `diffuseconv.convolve` of a Dask array, lazily; the options are the same but for `out`."""
    return _sums("convolve", field, kernel, **options)


def correlate(field: da.Array, kernel: Any, **options: Any) -> da.Array:
    """Return `diffuseconv.correlate` of a Dask array, lazily; the options are the same but for `out`."""
    return _sums("correlate", field, kernel, **options)


def feature_maps(
    field: da.Array,
    bank: Any,
    *,
    boundary: Any = "reflecting",
    mode: str = "valid",
    axes: Any = None,
    flip: bool = True,
) -> da.Array:
    """Return `diffuseconv.feature_maps` of a Dask array, lazily: all maps of a chunk in one task."""
    u = checked("field", field)
    kernels = _checks.array("bank", bank)
    spatial = _checks.axes(axes, u.ndim)
    _same_dimensions("bank", kernels.ndim - 1, spatial)
    halo = Halo.around(u, kernels.shape[1:], spatial, boundary, mode, _checks.flag("flip", flip))
    return da.map_blocks(
        _maps,
        halo.blocks(halo.extended(u)),
        bank=kernels,
        axes=spatial,
        flip=flip,
        chunks=((len(kernels),), *halo.chunks),
        new_axis=0,
        dtype=u.dtype,
        meta=np.empty((0,) * (u.ndim + 1), u.dtype),
    )


def evolve(
    eq: DiffusionEquation,
    u: da.Array,
    duration: float,
    method: str = "auto",
    time_step: None = None,
    *,
    start: float = 0.0,
    tolerance: float | None = None,
    **options: Any,
) -> da.Array:
    """Return `DiffusionEquation.evolve` of a Dask array, lazily.

    Exact for a diffusivity, velocity, capacity and decay that are constant on a box; to the tolerance (1e-10 of the
    field's range) for those but the velocity given per cell, shut barriers, masks and sources constant in time.
    """
    _checks.choice("method", method, ("auto",))
    unused = {"time_step": time_step, "start": start or None, **options}
    for name, value in unused.items():
        if value is not None and np.size(value) > 0:
            raise ValueError(f"{name} must be left out for a dask array, got {_checks.got(value)}")
    return evolved(eq, u, duration, tolerance)


def measure(
    field: da.Array,
    kernel: Any,
    draws: int = 1,
    *,
    rng: object = None,
    boundary: Any = "reflecting",
    axes: Any = None,
) -> da.Array:
    """Return `diffuseconv.measure` of a Dask array, lazily: the same bits as in memory, whatever the chunks.

    Random streams belong to blocks of 2048 pixels, so the field is cut into slabs of whole blocks along its first
    spatial axis. A passed `Generator` advances at the call.
    """
    draws = _checks.count("draws", draws, least=1, most=sampling.MOST_DRAWS)
    key = _streams.key(rng)
    return _drawn(field, kernel, boundary, axes, _measured, draws=draws, key=key)


def measurement_variance(
    field: da.Array, kernel: Any, draws: int = 1, *, boundary: Any = "reflecting", axes: Any = None
) -> da.Array:
    """Return `diffuseconv.measurement_variance` of a Dask array, lazily."""
    draws = _checks.count("draws", draws, least=1)
    return _drawn(field, kernel, boundary, axes, _spread, draws=draws, key=np.zeros(4, np.uint64))


def scatter(counts: da.Array, propagator: Any, *, rng: object = None, boundary: Any = "reflecting") -> da.Array:
    """Return `diffuseconv.scatter` of a Dask array, lazily: the same bits as in memory, no grain lost or made.

    Each slab scatters into cells beyond its ends, which are added to its neighbours. The sum of the counts is checked
    slab by slab.
    """
    check_chunks("counts", counts)
    if counts.dtype.kind not in "iub":
        raise TypeError(f"counts must hold whole numbers, got dtype {counts.dtype}")
    if not 1 <= counts.ndim <= 3:
        raise ValueError(f"counts must have 1, 2 or 3 dimensions, got shape {counts.shape}")
    names = scattering.boundaries(boundary, counts.ndim)
    chance = _checks.generator(rng)
    grains = counts
    for taps in scattering.moves(propagator, counts.ndim):
        grains = _moved(grains, taps, names, _streams.key(chance))
    return grains


def _sums(
    verb: str,
    field: da.Array,
    kernel: Any,
    *,
    boundary: Any = "reflecting",
    mode: str = "same",
    axes: Any = None,
    method: str = "auto",
    mask: Any = None,
    out: Any = None,
) -> da.Array:
    """Convolve or correlate."""
    if out is not None:
        raise ValueError(f"out must be None for a Dask array, whose result is lazy, got {_checks.got(out)}")
    u = checked("field", field)
    spatial = _checks.axes(axes, u.ndim)
    weights = kernel if isinstance(kernel, Propagator) else _checks.array("kernel", kernel)
    _same_dimensions("kernel", len(weights.shape), spatial)
    inner = tuple(u.shape[axis] for axis in spatial)
    halo = Halo.around(u, weights.shape, spatial, boundary, mode, verb == "convolve")
    if method == "auto":  # as for the whole field, so that the results are those of the whole field
        method = _method(weights, inner, u.dtype)
    arrays = [halo.blocks(halo.extended(u))]
    if mask is not None:
        known = _known(mask, u, spatial)
        arrays.append(halo.blocks(halo.extended(known)))
    options = {"kernel": weights, "axes": spatial, "method": method, "verb": verb}
    meta = np.empty((0,) * u.ndim, u.dtype)
    return da.map_blocks(_valid, *arrays, **options, chunks=halo.chunks, dtype=u.dtype, meta=meta)


def _valid(block: Array, known: Array | None = None, *, verb: str, kernel: Any, axes: Any, method: str) -> Array:
    """Sum over the kernel where it fits in a block."""
    with one_thread():
        result: Array = getattr(convolution, verb)(
            block, kernel, mode="valid", boundary="zero", axes=axes, method=method, mask=known
        )
    return result


def _maps(block: Array, *, bank: Array, axes: Any, flip: bool) -> Array:
    """Return the feature maps of a block."""
    with one_thread():
        return convolution.feature_maps(block, bank, mode="valid", axes=axes, flip=flip)


def _same_dimensions(name: str, ndim: int, axes: Sequence[int]) -> None:
    """Refuse kernels that have not one dimension for each spatial axis."""
    if ndim != len(axes):
        raise ValueError(f"{name} must have one dimension for each of the {len(axes)} spatial axes, got {ndim}")


def _method(kernel: Any, inner: Sequence[int], dtype: Any) -> str:
    """Return the method that `diffuseconv.convolve` takes for the whole field."""
    if isinstance(kernel, Propagator):
        rank_one = kernel.factors is not None or split(kernel.density) is not None
    else:
        rank_one = split(np.ascontiguousarray(kernel, np.float64)) is not None
    return convolution.convolution_method(inner, kernel.shape, np.dtype(dtype).name, rank_one=rank_one)


def _known(mask: Any, u: da.Array, axes: Sequence[int]) -> da.Array:
    """Return a mask as a Dask array of the field's shape."""
    known = mask if isinstance(mask, da.Array) else da.from_array(np.asarray(mask))
    if known.dtype != np.bool_:
        raise TypeError(f"mask must hold booleans (True where the field is known), got dtype {known.dtype}")
    if known.shape == tuple(u.shape[axis] for axis in sorted(axes)):
        known = known.reshape([size if axis in axes else 1 for axis, size in enumerate(u.shape)])
    elif known.shape != u.shape:
        raise ValueError(f"mask must have the field's shape {u.shape}, got shape {known.shape}")
    return da.broadcast_to(known, u.shape).rechunk(u.chunks)


def _slabs(size: int, rest: int, chunk: int, least: int) -> tuple[int, ...]:
    """Cut an axis into slabs of about `chunk` cells, `least` at least, that begin with a whole block of streams."""
    multiple = _streams.BLOCK // math.gcd(_streams.BLOCK, rest)
    rows = -(-max(chunk, least) // multiple) * multiple
    cut = [min(rows, size - first) for first in range(0, size, rows)]
    if len(cut) > 1 and cut[-1] < least:
        last = cut.pop()
        cut[-1] += last
    return tuple(cut)


def _drawn(field: da.Array, kernel: Any, boundary: Any, axes: Any, work: Any, **options: Any) -> da.Array:
    """Apply `work` to slabs of the field that begin with a whole block of streams."""
    u = checked("field", field)
    spatial = _checks.axes(axes, u.ndim)
    taps = taps_of(kernel, len(spatial))
    inner = [u.shape[axis] for axis in spatial]
    rest = math.prod(inner[1:])
    halo = Halo.around(u, taps.shape, spatial, boundary, "same", flip=True)
    start = list(u.chunks)
    for axis in spatial:
        start[axis] = (u.shape[axis],)
    start[spatial[0]] = slabs = _slabs(inner[0], rest, max(u.chunks[spatial[0]]), taps.shape[0] + 1)
    halo = dataclasses.replace(halo, start=tuple(start), chunks=tuple(start))
    firsts = [int(row) * rest // _streams.BLOCK for row in np.cumsum((0, *slabs[:-1]))]
    return da.map_blocks(
        work,
        halo.blocks(halo.extended(u)),
        kernel=kernel,
        axes=spatial,
        sizes=taps.shape,
        firsts=firsts,
        **options,
        chunks=halo.chunks,
        dtype=u.dtype,
        meta=np.empty((0,) * u.ndim, u.dtype),
    )


def _prepared(block: Array, kernel: Any, axes: tuple[int, ...], sizes: Sequence[int]) -> Any:
    """Return a block that is already continued beyond its edges, prepared for drawing."""
    inside = [slice(None)] * block.ndim
    for axis, k in zip(axes, sizes, strict=True):
        before, after = reach(k, flip=True)
        inside[axis] = slice(before, block.shape[axis] - after)
    _checks.all_finite("field", block)
    prepared = prepare(block[tuple(inside)], kernel, "zero", axes)
    cells = math.prod(prepared.plan.layout.wide)
    values = np.moveaxis(block, axes, range(-len(axes), 0)).reshape(-1, cells)
    prepared.source[:, :cells] = values
    if prepared.source.shape[1] > cells:
        np.negative(values, out=prepared.source[:, cells:])
    return prepared


def _measured(
    block: Array, *, kernel: Any, axes: Any, sizes: Any, firsts: Any, draws: int, key: Any, block_id: Any
) -> Any:
    """Measure a slab."""
    with one_thread():
        prepared = _prepared(block, kernel, axes, sizes)
        return sampling.average(prepared, draws, _streams.after(key, firsts[block_id[axes[0]]]))


def _spread(block: Array, *, kernel: Any, axes: Any, sizes: Any, firsts: Any, draws: int, key: Any) -> Any:
    """Return the variance of measurements of a slab."""
    with one_thread():
        prepared = _prepared(block, kernel, axes, sizes)
        return prepared.finish(variance.single(prepared) / draws)


def _moved(grains: da.Array, taps: Any, names: Sequence[Any], key: NDArray[np.uint64]) -> da.Array:
    """Apply one move to all grains."""
    size, reach = grains.shape[0], taps.shape[0]
    rest = math.prod(grains.shape[1:])
    before, after = reach // 2, reach - 1 - reach // 2
    slabs = _slabs(size, rest, max(grains.chunks[0]), reach)
    grains = grains.rechunk((slabs, *((n,) for n in grains.shape[1:])))
    starts = [int(row) for row in np.cumsum((0, *slabs))]
    blocks = grains.to_delayed().reshape(-1)
    wide = [
        delayed(_landed)(block, taps, names, _streams.after(key, start * rest // _streams.BLOCK))
        for block, start in zip(blocks, starts, strict=False)
    ]
    index = np.arange(-before, size + after)
    source, kept = walls.fold(index, size, names[0])
    parts = []
    for s, (first, last) in enumerate(itertools.pairwise(starts)):
        here = []
        for t in {s - 1, s, s + 1, 0, len(slabs) - 1} & set(range(len(slabs))):
            rows = slice(starts[t], starts[t] + slabs[t] + reach - 1)  # of index: where this slab's grains may land
            inside = (source[rows] >= first) & (source[rows] < last) & (kept[rows] != 0)
            if inside.any():
                here.append((wide[t], np.flatnonzero(inside), source[rows][inside] - first))
        part = delayed(_added)(here, last - first)
        parts.append(da.from_delayed(part, (last - first, *grains.shape[1:]), np.int64))
    return da.concatenate(parts, axis=0)


def _landed(block: Grains, taps: Any, names: Sequence[Any], key: NDArray[np.uint64]) -> Grains:
    """Scatter the grains of a slab, walls but those of the first axis included."""
    with one_thread():
        return scattering.land(scattering.checked_counts(block), taps, names, key, range(1, block.ndim))


def _added(parts: Sequence[tuple[Grains, NDArray[np.int64], NDArray[np.int64]]], rows: int) -> Grains:
    """Add the grains that landed in a slab, from itself and from its neighbours."""
    total = np.zeros((rows, *parts[0][0].shape[1:]), np.int64)
    for wide, landed, target in parts:
        np.add.at(total, target, wide[landed])
    return total
