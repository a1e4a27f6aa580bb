"""Sums over only the known cells: weights renormalised, so that each result is a mean of what it sees."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np

from diffuseconv._axes import on_axis
from diffuseconv._scaling import exponent, scaled
from diffuseconv._typing import Array
from diffuseconv.boundary import Name, extend, fold
from diffuseconv.convolution.direct import Widths, correlate_directly
from diffuseconv.convolution.separable import correlate_along_axes
from diffuseconv.convolution.sums import by_method, too_large

__all__ = ["mean_of_known"]

# Below this share of a kernel on known cells (by bytes of a value) the rounding of a transform, which is relative to
# the whole field, is no longer that of a mean: only those places are summed directly.
LEAST_SHARE = {4: 0.1, 8: 0.01}
TILE, BLOCK = 48, 256  # places a side that are summed directly at once, and that are looked through at once
HEADROOM = {4: 30, 8: 200}  # power of two of the largest value, so that products with faint weights stay normal

_INSIDE: Widths = ((0, 0),) * 32  # of fields that are continued already
_NOTHING = ("zero",) * 32
Place = tuple[slice, ...]


def mean_of_known(
    stack: Array, known: Array, parts: Sequence[Array], widths: Widths, names: Sequence[Name], method: str
) -> Array:
    r"""Compute :math:`\sum_j k_j \sum_{known} k_j u_{i+j} / \sum_{known} k_j`, NaN where nothing is known.

    Each result lies in the range of the known values that it sees, to rounding, times the sum of the weights.

    Parameters
    ----------
    stack : ndarray, shape (fields, *field)
        Values, finite where known.
    known : ndarray of bool
        Of the same shape.
    parts, widths, names, method
        As for `by_method`; all weights >= 0.
    """
    kind = stack.dtype.type
    kernels, powers = [], 0
    for part in parts:  # sums of weights near either end of the numbers stay in range, and products normal
        kernel, power = scaled(part)
        kernels.append(np.where(kernel < np.finfo(kind).tiny, kind(0), kernel))
        powers += power
    total = math.prod(float(kernel.sum(dtype=np.float64)) for kernel in kernels)
    share = _sum(_continued_share(known, widths, names, kind), kernels, _INSIDE[: len(names)], _NOTHING, method)
    values = np.where(known, stack, kind(0))
    headroom = HEADROOM[stack.itemsize] - exponent(values)
    np.ldexp(values, headroom, out=values)
    if method == "fft":  # which would hold the continued field in addition to this one
        values = extend(values, widths, names, range(1, stack.ndim))
        mean: Array = _sum(values, kernels, _INSIDE[: len(names)], _NOTHING, method)
    else:
        mean = _sum(values, kernels, widths, names, method)
    del values
    with np.errstate(divide="ignore", invalid="ignore"):
        mean /= share
    mean[share <= 0] = np.nan
    if method == "fft":
        doubtful = share < LEAST_SHARE[stack.itemsize] * total
        del share
        for field in range(len(stack)):
            each = mean[field], doubtful[field], stack[field], known[field]
            _repair(*each, headroom, kernels[0], widths, names)
    with np.errstate(over="ignore"):
        mean *= kind(total)
        np.ldexp(mean, powers - headroom, out=mean)
    if np.isinf(mean).any():
        raise too_large(mean.dtype)
    return mean


def _sum(stack: Array, parts: Sequence[Array], widths: Widths, names: Sequence[Name], method: str) -> Array:
    """Sum by a method whose error is that of each sum; of a transform it is that of the whole field."""
    names = names[: len(widths)]
    if method == "separable":
        return correlate_along_axes(stack, parts, widths, names)[0]
    return by_method(stack, parts, widths, names, method)[0]


def _continued_share(known: Array, widths: Widths, names: Sequence[Name], kind: type) -> Array:
    """Return 1 where the continued fields are known, else 0; where nothing of a field is, 0 is known to be."""
    return (~extend(~known, widths, names, range(1, known.ndim))).astype(kind)


def _repair(
    mean: Array,
    doubtful: Array,
    u: Array,
    known: Array,
    headroom: int,
    kernel: Array,
    widths: Widths,
    names: Sequence[Name],
) -> None:
    """Sum directly where the share is small, and keep every mean of one field in the range of what it sees."""
    taps = kernel.shape
    for block in _tiles(mean.shape, [max(BLOCK, 2 * n) for n in taps]):
        wide, seen = _continued(u, known, block, taps, widths, names)
        np.ldexp(wide, headroom, out=wide)
        within, unsure = mean[block], doubtful[block]
        for tile in _tiles(within.shape, [TILE] * u.ndim):
            if unsure[tile].any():
                window = tuple(slice(part.start, part.stop + n - 1) for part, n in zip(tile, taps, strict=True))
                if seen[window].any():
                    exact = _direct_mean(wide[window], seen[window], kernel)
                    within[tile] = np.where(unsure[tile], exact, within[tile])
                else:
                    within[tile] = np.nan
        for fill, nearest, bound in ((np.inf, np.fmin, np.maximum), (-np.inf, np.fmax, np.minimum)):
            bound(within, _extreme(np.where(seen, wide, wide.dtype.type(fill)), taps, nearest), out=within)


def _tiles(shape: Sequence[int], sides: Sequence[int]) -> Iterator[Place]:
    """Yield the tiles of an array."""
    starts = [range(0, size, side) for size, side in zip(shape, sides, strict=True)]
    for corner in itertools.product(*starts):
        yield tuple(slice(at, min(at + side, n)) for at, side, n in zip(corner, sides, shape, strict=True))


def _continued(
    u: Array, known: Array, block: Place, taps: Sequence[int], widths: Widths, names: Sequence[Name]
) -> tuple[Array, Array]:
    """Return the values that a block of results reads, and which of them are known."""
    folds = []
    for part, size, count, (before, _), name in zip(block, u.shape, taps, widths, names, strict=True):
        folds.append(fold(np.arange(part.start - before, part.stop - before + count - 1), size, name))
    places = np.ix_(*(source for source, _ in folds))
    seen = known[places]
    values = np.where(seen, u[places], u.dtype.type(0))
    for axis, (_, sign) in enumerate(folds):
        line = on_axis(sign, axis, u.ndim)
        values *= line.astype(u.dtype)
        seen |= line == 0
    return values, seen


def _direct_mean(wide: Array, seen: Array, kernel: Array) -> Array:
    """Return the means where the kernel fits, summed directly."""
    pair = np.stack([wide, seen.astype(wide.dtype)])
    ((sums, weights),), _ = correlate_directly(pair, kernel[None], ((0, 0),) * wide.ndim, ("zero",) * wide.ndim)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(weights > 0, sums / weights, wide.dtype.type(np.nan)))


def _extreme(values: Array, taps: Sequence[int], nearest: np.ufunc) -> Array:
    """Return the least or greatest value in every window of so many cells, in about log2(cells) passes an axis."""
    for axis, count in enumerate(taps):
        lines, reach = np.moveaxis(values, axis, 0), 1
        while reach < count:
            step = min(reach, count - reach)
            lines, reach = nearest(lines[step:], lines[:-step]), reach + step
        values = np.moveaxis(lines, 0, axis)
    return values
