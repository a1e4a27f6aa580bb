"""What may be drawn: the taps of a kernel with their chances, and the values that they read."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, boundary
from diffuseconv._jit import measurement as _loops
from diffuseconv._jit import thresholds as _thresholds
from diffuseconv._typing import Array, loop_input
from diffuseconv.propagator import Propagator

Walls: TypeAlias = boundary.Name | Sequence[boundary.Name]


@dataclass(frozen=True)
class Taps:
    """The nonzero taps of a kernel, the most likely first."""

    shape: tuple[int, ...]  # of the kernel
    index: tuple[NDArray[np.int64], ...]  # position in the kernel, one array per axis
    chance: NDArray[np.float64]  # |k| / ||k||_1
    negative: NDArray[np.bool_]
    norm: float  # ||k||_1, or exactly 1 for a propagator

    def chain(self, offset: Array) -> _loops.Chain:
        """Return the chance of each tap, and of any later one, given that none of the earlier was drawn."""
        tail = np.cumsum(self.chance[::-1])[::-1]
        return _loops.Chain(self.chance / tail, np.append(tail[1:], 0.0) / tail, offset)


def taps_of(kernel: ArrayLike | Propagator, ndim: int, name: str = "kernel") -> Taps:
    """Return the taps of a propagator or of any signed array of weights."""
    return _taps(_weights(kernel, ndim, name), isinstance(kernel, Propagator))


def _weights(kernel: ArrayLike | Propagator, ndim: int, name: str, *, finite: bool = True) -> NDArray[np.float64]:
    """Return the weights of a kernel, checked."""
    given = kernel.density if isinstance(kernel, Propagator) else _checks.array(name, kernel, finite=finite)
    if given.ndim != ndim:
        raise ValueError(f"{name} must have {ndim} dimensions, one for each spatial axis, got {given.ndim}")
    return given.astype(np.float64, copy=False)


def _taps(weights: NDArray[np.float64], is_density: bool) -> Taps:
    """Select the weights that are not zero, and sort them."""
    index = np.nonzero(weights)
    if index[0].size == 0:  # every draw weighs nothing
        return Taps(weights.shape, tuple(np.zeros(1, np.int64) for _ in index), np.ones(1), np.zeros(1, bool), 0.0)
    size = np.abs(weights[index])
    order = np.argsort(-size, kind="stable")
    largest = size[order[0]]
    chance = size[order] / largest
    total = chance[::-1].sum()
    norm = 1.0 if is_density else float(largest) * float(total)
    if not math.isfinite(norm):
        raise ValueError(f"kernel must have a finite sum of magnitudes, got {norm}")
    chance /= total
    kept = chance > 0  # a tap so faint that its chance is below 1e-308 is never drawn
    order = order[kept]
    return Taps(weights.shape, tuple(i[order] for i in index), chance[kept], weights[index][order] < 0, norm)


def table(chance: NDArray[np.float64], offset: Array) -> _loops.Table:
    """Tabulate moves so that entries and residual have, in sum, exactly the given chances."""
    scaled = chance * _loops.TABLE
    whole = np.floor(scaled)
    entry = np.full(_loops.TABLE, _loops.RESIDUAL, offset.dtype)
    filled = np.repeat(offset, whole.astype(np.int64))[: _loops.TABLE]
    entry[: filled.size] = filled
    return _loops.Table(entry, *_residual(scaled - whole, offset))


def thresholds(chance: NDArray[np.float64], offset: Array) -> _thresholds.Thresholds:
    """Add up chances so that what lies between two sums and the residual have, in sum, exactly the given chances."""
    scaled = chance * _thresholds.STEPS
    whole = np.floor(scaled)
    missing = (0, _thresholds.TAPS - chance.size)
    most = np.pad(np.cumsum(whole) - 1 - _thresholds.STEPS // 2, missing, "edge").astype(np.int16)
    return _thresholds.Thresholds(most, np.pad(offset, missing, "edge"), *_residual(scaled - whole, offset))


def _residual(chance: NDArray[np.float64], offset: Array) -> tuple[NDArray[np.float64], Array, Array, int]:
    """Return an alias table of moves: the chance of an entry's own move, that move, the other one, and its size."""
    kept = chance > 0
    if not kept.any():
        return np.ones(1), offset[:1], offset[:1], 1
    own = offset[kept]
    cut, (other, low, high) = np.empty(own.size), np.empty((3, own.size), np.int64)
    _loops.alias(chance[kept], cut, other, low, high)
    return cut, own, own[other], own.size


@dataclass(frozen=True)
class Plan:
    """What a measurement needs in addition to the values of the field."""

    taps: Taps
    table: _loops.Table
    thresholds: _thresholds.Thresholds | None  # where there are few taps
    offset: Array  # what to add to a pixel's place to read each tap
    layout: _loops.Layout  # the spatial axes, filled up with ones in front
    lead: int  # cells that are added before the last axis
    index: NDArray[np.int64]  # what each extended cell reads, axis after axis
    sign: NDArray[np.int8]
    signed: bool  # whether any tap is negative


class Prepared(NamedTuple):
    """A field made ready for drawing: its values continued beyond the walls, and the plan of what to read."""

    plan: Plan
    source: NDArray[np.float64]  # (channels, cells): the extended field, then its negative if any tap is negative
    result: tuple[int, ...]  # shape of the results, channels first
    axes: tuple[int, ...]
    dtype: Any
    largest: float  # magnitude of the field's values

    @property
    def pixels(self) -> int:
        """How many pixels draw."""
        return math.prod(self.plan.layout.shape)

    def finish(self, values: NDArray[np.float64]) -> Array:
        """Reshape (channels, pixels) to the shape and dtype of the field."""
        shaped = values.reshape(self.result).astype(self.dtype, copy=False)
        return np.moveaxis(shaped, range(-len(self.axes), 0), self.axes) if self.axes else shaped


def three(shape: Sequence[int]) -> tuple[int, int, int]:
    """Fill a shape up to three axes."""
    one, two, last = (1,) * (3 - len(shape)) + tuple(shape)
    return one, two, last


def offsets(index: Sequence[Array], wide: Sequence[int], copies: Array | int = 0) -> Array:
    """Flatten positions of taps to steps in the extended field, small integers if they fit."""
    flat = np.ravel_multi_index(tuple(index), tuple(wide)) + np.asarray(copies) * math.prod(wide)
    return np.asarray(flat, np.int32 if 2 * math.prod(wide) < 2**31 else np.int64)


def prepare(field: ArrayLike, kernel: ArrayLike | Propagator, walls: Walls, axes: object) -> Prepared:
    """Check the arguments that every measurement shares, and prepare the field for drawing."""
    key = _key_of(field, kernel, walls) if axes is None else None
    again = None if key is None else _prepared_again(key, field)
    if again is not None:
        return again
    values = _checks.array("field", field, finite=False)
    spatial = _checks.axes(axes, values.ndim)
    ndim = len(spatial)
    names = boundary.images_per_axis(walls, ndim)
    weights = _weights(kernel, ndim, "kernel", finite=False)
    if spatial == tuple(range(values.ndim - ndim, values.ndim)):
        planes, spatial = values, ()
    else:
        planes = np.moveaxis(values, spatial, range(-ndim, 0))
    known = weights.tobytes(), weights.shape, isinstance(kernel, Propagator), planes.shape[-ndim:], names
    plan = _cached_plan(*known) if weights.size <= _LARGEST_KEPT else _plan(*known)
    channels, cells = math.prod(planes.shape[:-ndim]), math.prod(plan.layout.wide)
    signed = plan.signed
    needed = 8.0 * channels * cells * (1 + signed) + 12.0 * values.size  # sums and results on top
    _checks.fits_memory("field", needed, "cut it into pieces")
    source = np.empty((channels, cells * (1 + signed)))
    flat = loop_input(planes).reshape(channels, -1)
    largest = _loops.extend(flat, plan.index, plan.sign, plan.layout, plan.lead, source)
    constants = [abs(name.value) for name in names if isinstance(name, boundary.Constant)]
    if constants:
        leads = [(n - 1 - n // 2, n // 2) for n in weights.shape]
        axes_last = range(planes.ndim - ndim, planes.ndim)
        source[:, :cells] = boundary.extend(planes.astype(np.float64), leads, names, axes_last).reshape(channels, -1)
    if not math.isfinite(largest):
        _checks.all_finite("field", values)
    largest = max([largest, *constants])
    most = float(np.finfo(values.dtype).max) / max(plan.taps.norm, 1.0)
    if largest > most:
        raise ValueError(f"field must not exceed {most:.3g} in magnitude with this kernel, got {largest:.3g}")
    if signed:
        np.negative(source[:, :cells], out=source[:, cells:])
    elif key is not None and values is field:
        if len(_known) >= MOST_KNOWN:
            _known.clear()
        _known[key] = plan, most, needed
    return Prepared(plan, source, planes.shape, spatial, values.dtype, largest)


def _key_of(field: object, kernel: object, walls: object) -> Hashable | None:
    """Return what the arguments are known by whose values need no other checks, None if they need them."""
    weights, density = kernel, False
    if type(kernel) is Propagator and kernel.factors is None:  # others have a density that may be large
        weights, density = kernel.density, True
    if type(field) is not np.ndarray or type(weights) is not np.ndarray or type(walls) is not str:
        return None
    if weights.size > _LARGEST_KEPT:
        return None
    return field.shape, field.dtype, weights.shape, weights.dtype, weights.tobytes(), walls, density


def _prepared_again(key: Hashable, field: Any) -> Prepared | None:
    """Prepare a field like one before; None if there was none, or its values or what memory is free need more."""
    known = _known.get(key)
    if known is None or not (field.flags.c_contiguous and _checks.has_memory(known[2])):
        return None
    plan, most, _ = known
    source = np.empty((1, math.prod(plan.layout.wide)))
    flat = loop_input(field).reshape(1, -1)
    largest = _loops.extend(flat, plan.index, plan.sign, plan.layout, plan.lead, source)
    return Prepared(plan, source, field.shape, (), field.dtype, largest) if largest <= most else None


def _plan(
    data: bytes, size: tuple[int, ...], is_density: bool, shape: tuple[int, ...], names: tuple[boundary.Name, ...]
) -> Plan:
    """Plan a measurement of a field of this shape with the kernel of these bytes."""
    weights = np.frombuffer(data).reshape(size)
    _checks.all_finite("kernel", weights)  # once, where a kernel is new
    taps = _taps(weights, is_density)
    wide = tuple(cells + n - 1 for cells, n in zip(shape, size, strict=True))
    # tap j reads pixel i - (j - o), which is i + (n - 1 - j) once n - 1 - o cells are added in front
    flipped = [n - 1 - i for n, i in zip(size, taps.index, strict=True)]
    offset = offsets(flipped, wide, taps.negative.astype(np.int64))
    leads = [n - 1 - n // 2 for n in size]
    folds = [
        boundary.fold(np.arange(long) - lead, cells, name)
        for long, lead, cells, name in zip(wide, leads, shape, names, strict=True)
    ]
    missing = (np.zeros(3 - len(size), np.int64), np.ones(3 - len(size), np.int8))  # axes in front, of one cell each
    index, sign = (np.concatenate(parts) for parts in zip(missing, *folds, strict=True))
    layout = _loops.Layout(three(shape), three(wide))
    few = thresholds(taps.chance, offset) if offset.size <= _thresholds.TAPS else None
    signed = bool(taps.negative.any())
    return Plan(taps, table(taps.chance, offset), few, offset, layout, leads[-1], index, sign, signed)


MOST_KNOWN = 64  # arguments that are remembered
_known: dict[Hashable, tuple[Plan, float, float]] = {}  # what follows from them: largest value, and bytes needed
_LARGEST_KEPT = 4096  # weights of a kernel whose plan is kept
_cached_plan = lru_cache(maxsize=16)(_plan)  # planning costs as much as one draw for each of 256 x 256 pixels
