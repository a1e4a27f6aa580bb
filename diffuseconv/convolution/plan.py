"""What follows from the shapes and options of a call: its checks, and the one form that the methods know."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._scaling import largest
from diffuseconv._typing import Array, Axes
from diffuseconv.boundary import Constant, Name, Names, extend, images_per_axis, record
from diffuseconv.convolution.direct import Widths
from diffuseconv.convolution.methods import quickest
from diffuseconv.convolution.separable import split
from diffuseconv.propagator import Propagator

__all__ = [
    "METHODS",
    "MODES",
    "Plan",
    "checked_widths",
    "continued_by_constants",
    "factors_and_method",
    "in_range",
    "known_cells",
    "plan",
    "reach",
    "remembered_plan",
    "spatial_axes",
    "stacked",
    "unstacked",
    "width",
    "without_constants",
]

METHODS = ("auto", "direct", "separable", "fft")
MODES = ("same", "valid", "full")
MOST_PRODUCTS = 1e14  # of a direct sum: about an hour


class Plan(NamedTuple):
    """What follows from the shapes and options of a call."""

    spatial: tuple[int, ...]
    names: tuple[Name, ...]
    widths: Widths
    shape: tuple[int, ...]  # of the result
    quickest: str  # method for the kernel if it is of rank one, the same for any kernel if not automatic
    otherwise: str  # and if it is not
    constants: tuple[float, ...]  # beyond boundaries that hold one
    interleaved: bool  # whether up to three spatial axes come first, and one of channels last


def plan(
    whole: tuple[int, ...],
    taps: tuple[int, ...],
    walls: Names,
    mode: str,
    axes: Axes,
    method: str,
    dtype: str,
    flip: bool,
    kernel: str = "kernel must have one dimension for each of the {} spatial axes (see axes=), got shape {}",
    kernels: int = 1,
) -> Plan:
    """Check the options of a call and return what follows from them."""
    spatial = spatial_axes(axes, len(whole))
    names = images_per_axis(walls, len(spatial))
    _checks.choice("method", method, METHODS)
    if len(taps) != len(spatial):
        raise ValueError(f"{kernel.format(len(spatial), taps)} for a field of shape {whole}")
    inner = tuple(whole[axis] for axis in spatial)
    widths = checked_widths(inner, taps, names, mode, flip)
    shape, wide = list(whole), list(whole)
    for axis, (before, after), count in zip(spatial, widths, taps, strict=True):
        wide[axis] += before + after
        shape[axis] = wide[axis] - count + 1
    methods = (method, method)
    if method == "auto":
        results = inner if kernels < 2 else tuple(shape[axis] for axis in spatial)
        quick = functools.partial(quickest, results, taps, dtype, kernels=kernels)
        methods = quick(rank_one=True), quick()
    _checks.fits_memory("field", 2.0 * math.prod(wide) * np.dtype(dtype).itemsize, "cut it into pieces")
    products = math.prod(shape) * math.prod(taps)
    if method == "direct" and products > MOST_PRODUCTS:
        raise ValueError(f"method must not be 'direct' for {products:.2g} products (take 'auto'), got 'direct'")
    constants = tuple(name.value for name in names if isinstance(name, Constant))
    interleaved = len(spatial) <= 3 and spatial == tuple(range(len(whole) - 1))
    return Plan(spatial, names, widths, tuple(shape), *methods, constants, interleaved)


remembered_plan = functools.lru_cache(maxsize=256, typed=True)(plan)


def spatial_axes(axes: Axes, ndim: int) -> tuple[int, ...]:
    """Return the spatial axes; those of a field of more than three must be named."""
    if axes is None and ndim > 3:
        raise ValueError(f"axes must name 1, 2 or 3 (or more) of the {ndim} axes as spatial, such as (0, 1), got None")
    return _checks.axes(axes, ndim, most=ndim)


def reach(taps: int, flip: bool) -> tuple[int, int]:
    """Return how many cells before and after its own a sum over so many taps reads: the origin is at ``taps // 2``."""
    return (taps - 1 - taps // 2, taps // 2) if flip else (taps // 2, taps - 1 - taps // 2)


def width(taps: int, mode: str, flip: bool) -> tuple[int, int]:
    """Return how far an axis is continued before and after, so that the result is the mode's."""
    return {"same": reach(taps, flip), "valid": (0, 0), "full": (taps - 1, taps - 1)}[mode]


def checked_widths(inner: Sequence[int], taps: Sequence[int], names: Sequence[Name], mode: str, flip: bool) -> Widths:
    """Return how far each axis is continued, where the mode suits the kernel and the boundaries."""
    _checks.choice("mode", mode, MODES)
    if mode == "valid" and any(k > n for n, k in zip(inner, taps, strict=True)):
        raise ValueError(f"kernel must fit inside the field with mode='valid', got {tuple(taps)} in {tuple(inner)}")
    if mode == "full" and any(record(name).sign != 0 for name in names):
        listed = ", ".join(map(repr, names))
        raise ValueError(f"boundary must be 'zero' with mode='full', got {listed} (a Constant(value) will do too)")
    return tuple(width(count, mode, flip) for count in taps)


def factors_and_method(
    kernel: Array | Propagator, dtype: np.dtype[Any], plan: Plan, automatic: bool, flip: bool
) -> tuple[list[Array], str]:
    """Return the kernel (flipped for convolution, in the field's precision) or its factors, and the method to use."""
    method = plan.quickest
    if isinstance(kernel, Propagator) and kernel.factors is not None and method == "separable":
        return [np.ascontiguousarray(factor[::-1] if flip else factor, dtype) for factor in kernel.factors], method
    weights = kernel.density if isinstance(kernel, Propagator) else kernel
    weights = np.ascontiguousarray(weights[(slice(None, None, -1),) * weights.ndim] if flip else weights, dtype)
    if method != "separable":
        return [weights], method
    factors = split(weights)
    if factors is not None:
        return factors, method
    if not automatic:
        raise ValueError(f"kernel must be of rank one with method='separable', got {_checks.got(kernel)}")
    return [weights], plan.otherwise


def in_range(name: str, weights: Array, dtype: np.dtype[Any]) -> Array:
    """Refuse weights that the field's precision cannot hold."""
    if weights.dtype == dtype:
        return weights
    most = float(np.finfo(dtype).max)
    if np.vdot(weights, weights) <= most * most:  # takes a quarter of the time of the next line
        return weights
    if largest(weights) > most:
        raise ValueError(
            f"{name} must not exceed {most:.3g} in magnitude for a {dtype} field, got {largest(weights):.3g}"
        )
    return weights


def known_cells(mask: ArrayLike, shape: Sequence[int], spatial: Sequence[int]) -> Array:
    """Return a mask, checked, with as many dimensions as the field."""
    known = _checks.plain("mask", mask)
    if known.dtype != np.bool_:
        raise TypeError(f"mask must hold booleans (True where the field is known), got dtype {known.dtype}")
    if known.shape == tuple(shape[axis] for axis in sorted(spatial)):
        return known.reshape([size if axis in spatial else 1 for axis, size in enumerate(shape)])
    if known.shape != tuple(shape):
        raise ValueError(f"mask must have the field's shape {tuple(shape)}, got shape {known.shape}")
    return known


def continued_by_constants(u: Array, known: Array | None, plan: Plan) -> tuple[Array, Array | None, Plan]:
    """Continue a field, and what is known of it, beyond boundaries that hold a constant; the methods know none."""
    if not plan.constants:
        return u, known, plan
    in_range("Constant value", np.array(plan.constants), u.dtype)
    with np.errstate(invalid="ignore"):  # of fields that are not finite, which the result will tell
        wide = extend(u, plan.widths, plan.names, plan.spatial)
    if known is not None:
        known = ~extend(~known, plan.widths, without_constants(plan.names), plan.spatial)
    count = len(plan.spatial)
    return wide, known, plan._replace(widths=((0, 0),) * count, names=("zero",) * count)


def without_constants(walls: Sequence[Any]) -> tuple[Any, ...]:
    """Return boundaries with zeros in the place of constants."""
    return tuple("zero" if isinstance(wall, Constant) else wall for wall in walls)


def stacked(u: Array, spatial: tuple[int, ...]) -> Array:
    """Return the spatial axes last and all others as one."""
    if spatial == tuple(range(u.ndim)):  # nothing to move
        return u[None]
    order = [axis for axis in range(u.ndim) if axis not in spatial] + list(spatial)
    return u.transpose(order).reshape(-1, *(u.shape[axis] for axis in spatial))


def unstacked(stack: Array, shape: Sequence[int], spatial: tuple[int, ...]) -> Array:
    """Return the axes where they were, in a contiguous array of this shape."""
    if spatial == tuple(range(len(shape))):
        return np.ascontiguousarray(stack.reshape(shape))
    order = [axis for axis in range(len(shape)) if axis not in spatial] + list(spatial)
    back = [order.index(axis) for axis in range(len(shape))]
    return np.ascontiguousarray(stack.reshape([shape[axis] for axis in order]).transpose(back))
