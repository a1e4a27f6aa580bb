"""The verbs: what users call, with its checks, and how it is brought to the one form that the methods take."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._typing import Array
from diffuseconv.boundary import RECORDS, extend, per_axis
from diffuseconv.convolution.direct import correlate_directly
from diffuseconv.convolution.fourier import correlate_in_fourier_space
from diffuseconv.convolution.methods import quickest
from diffuseconv.convolution.separable import correlate_by_factors, split
from diffuseconv.propagator import Propagator

__all__ = ["convolve", "correlate", "feature_maps"]

Widths = tuple[tuple[int, int], ...]
METHODS = ("auto", "direct", "separable", "fft")
MODES = ("same", "valid", "full")
LEAST_SHARE = 0.01  # of a kernel on known cells, for which the rounding of transforms stays within the agreement


@for_arrays_of_any_kind()
def convolve(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    *,
    boundary: str | Sequence[str] = "reflecting",
    mode: str = "same",
    axes: int | Sequence[int] | None = None,
    method: str = "auto",
    mask: ArrayLike | None = None,
    out: Array | None = None,
) -> Array:
    r"""Convolve a field with a kernel.

    .. math:: v_i = \sum_j k_j \, u_{i - (j - o)}, \qquad o = \lfloor \mathrm{shape} / 2 \rfloor

    Tap `j` carries salt by the displacement `j - o`, for even sizes too.

    Parameters
    ----------
    field : array_like
        The field `u`. Its spatial axes are `axes`; any others (colours, batches) are convolved one by one.
    kernel : array_like or Propagator
        The weights `k`, with one dimension for each spatial axis.
    boundary : str or sequence of str
        What lies beyond the walls, for all spatial axes or one for each: ``"reflecting"``, ``"periodic"``,
        ``"absorbing"`` or ``"zero"``. A kernel wider than the field folds as often as needed.
    mode : {"same", "valid", "full"}
        ``"same"``: the field's shape. ``"valid"``: only pixels whose sum touches no wall (`boundary` is ignored; the
        kernel must fit inside the field). ``"full"``: all pixels that salt can reach, for ``boundary="zero"``.
    axes : int or sequence of int, optional
        The spatial axes, 1 to 3 of them; axis ``a`` of the kernel lies along ``axes[a]``. All by default.
    method : {"auto", "direct", "separable", "fft"}
        ``"direct"`` sums over all taps; ``"separable"`` along one axis after the other (kernels of rank one only);
        ``"fft"`` multiplies in Fourier space; ``"auto"`` takes the one that `convolution_method` names.
    mask : array_like of bool, optional
        True where the field is known, of the field's shape or of its spatial axes alone. The weights (all >= 0) of
        the known cells are scaled to the sum of all weights, so a mask that is True everywhere changes nothing;
        where no known cell is in reach the result is NaN. Values under False are ignored, NaN too. A cell beyond a
        wall is known where the cell that it mirrors or repeats is; beyond a ``"zero"`` wall all is known to be 0.
    out : ndarray, optional
        Where to write the result; may overlap `field`.

    Returns
    -------
    ndarray
        float32 for float32 fields, otherwise float64.

    Raises
    ------
    ValueError
        For NaN or infinity, shapes that do not fit, a negative weight with `mask`, a kernel that is not of rank one
        with ``method="separable"``, ``mode="full"`` with a boundary other than ``"zero"``.
    TypeError
        For complex numbers, text, or masked arrays.

    Notes
    -----
    In float64 all methods agree to ``1e-12 * abs(kernel).sum() * abs(field).max()``; in float32 to
    ``2**-24 * (kernel.size + 100)`` instead of ``1e-12``. Weights and products below the smallest normal number of the
    field's precision may vanish. The result is the same bits for any number of threads.

    Examples
    --------
    >>> convolve([0.0, 0.0, 1.0, 0.0], [0.25, 0.5, 0.25])
    array([0.  , 0.25, 0.5 , 0.25])
    >>> convolve([0.0, 0.0, 0.0, 1.0], [0.25, 0.5, 0.25])
    array([0.  , 0.  , 0.25, 0.75])
    """
    return _apply(field, kernel, boundary, mode, axes, method, mask, out, flip=True)


@for_arrays_of_any_kind()
def correlate(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    *,
    boundary: str | Sequence[str] = "reflecting",
    mode: str = "same",
    axes: int | Sequence[int] | None = None,
    method: str = "auto",
    mask: ArrayLike | None = None,
    out: Array | None = None,
) -> Array:
    r"""Correlate a field with a kernel: convolution without the flip.

    .. math:: v_i = \sum_j k_j \, u_{i + (j - o)}, \qquad o = \lfloor \mathrm{shape} / 2 \rfloor

    It is the adjoint of `convolve` on periodic and zero fields, and the same as `convolve` with the flipped kernel
    for odd sizes.

    Parameters
    ----------
    field, kernel, boundary, mode, axes, method, mask, out
        As in `convolve`.

    Returns
    -------
    ndarray
        float32 for float32 fields, otherwise float64.

    Raises
    ------
    ValueError, TypeError
        As in `convolve`.

    Examples
    --------
    >>> correlate([0.0, 1.0, 0.0, 0.0], [1.0, 2.0, 3.0])
    array([3., 2., 1., 0.])
    """
    return _apply(field, kernel, boundary, mode, axes, method, mask, out, flip=False)


@for_arrays_of_any_kind()
def feature_maps(
    field: ArrayLike,
    bank: ArrayLike,
    *,
    boundary: str | Sequence[str] = "reflecting",
    mode: str = "valid",
    axes: int | Sequence[int] | None = None,
    flip: bool = True,
) -> Array:
    """Convolve one field with every kernel of a bank, as a convolutional layer does.

    Parameters
    ----------
    field : array_like
        The field; a colour photograph has ``axes=(0, 1)`` and each channel gives its own maps (nothing is summed).
    bank : array_like
        Kernels of one shape: `n` of them along the first axis.
    boundary, mode, axes
        As in `convolve`, but ``"valid"`` by default.
    flip : bool
        False correlates instead, as deep-learning libraries do.

    Returns
    -------
    ndarray
        `n` maps along the first axis, each as `convolve` gives it.

    Raises
    ------
    ValueError, TypeError
        As in `convolve`.

    Examples
    --------
    >>> feature_maps(np.ones((256, 256)), np.ones((32, 16, 16))).shape
    (32, 241, 241)
    """
    u = _checks.array("field", field)
    spatial = _checks.axes(axes, u.ndim)
    names = per_axis(boundary, len(spatial))
    kernels = _in_range("bank", _checks.array("bank", bank), u.dtype)
    if kernels.ndim != len(spatial) + 1:
        raise ValueError(
            f"bank must have shape (n, *kernel), with one dimension for each of the {len(spatial)} spatial axes "
            f"(see axes=), got shape {kernels.shape} for a field of shape {u.shape}"
        )
    _checks.choice("mode", mode, MODES)
    inner = tuple(u.shape[axis] for axis in spatial)
    widths = _widths(inner, kernels.shape[1:], names, mode, flip)
    kernels = np.flip(kernels, tuple(range(1, kernels.ndim))) if flip else kernels
    kernels = np.ascontiguousarray(kernels, u.dtype)
    stack = _stack(u, spatial)
    if quickest(inner, kernels.shape[1:], u.dtype.type.__name__) == "direct":
        maps = correlate_directly(stack, kernels, widths, names)
    else:
        maps = correlate_in_fourier_space(stack, kernels, widths, names)
    shape = [len(maps), *u.shape]
    for axis, size in zip(spatial, maps.shape[2:], strict=True):
        shape[axis + 1] = size
    return _unstack(maps, shape, tuple(axis + 1 for axis in spatial))


def _apply(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    walls: str | Sequence[str],
    mode: str,
    axes: int | Sequence[int] | None,
    method: str,
    mask: ArrayLike | None,
    out: Array | None,
    flip: bool,
) -> Array:
    """Check everything, bring the call to its one form, sum, and put the axes back."""
    u = _checks.array("field", field, finite=mask is None)
    if not isinstance(kernel, Propagator):
        kernel = _in_range("kernel", _checks.array("kernel", kernel), u.dtype)
    options = (u.shape, kernel.shape, walls, mode, axes, method, u.dtype.type.__name__, flip)
    plain = axes is None and all(isinstance(word, str) for word in (walls, mode, method))  # to remember the plan by
    plan = _plan(*options) if plain else _plan.__wrapped__(*options)
    target: object = out
    if target is not None and not (
        isinstance(target, np.ndarray) and target.shape == plan.shape and target.dtype == u.dtype
    ):
        raise ValueError(f"out must be an array of shape {plan.shape} and dtype {u.dtype}, got {_checks.got(out)}")
    if out is not None and not out.flags.writeable:
        raise ValueError("out must be writable, got a read-only array")
    known = None
    if mask is not None:
        known = _known(mask, u.shape, plan.spatial)
        u = np.where(known, u, u.dtype.type(0))
        _checks.all_finite("field", u)
    parts, way = _parts(kernel, u.dtype, plan, method == "auto", flip)

    if known is None:
        sums = _sum(_stack(u, plan.spatial), parts, plan.widths, plan.names, way)
    else:
        if min(part.min() for part in parts) < 0 or not all(part.any() for part in parts):
            raise ValueError(f"kernel must be >= 0, and not 0 everywhere, with a mask, got {_checks.got(kernel)}")
        known = _stack(np.broadcast_to(known, u.shape), plan.spatial)
        sums = _sum_known(_stack(u, plan.spatial), known, parts, plan.widths, plan.names, way)
    sums = _unstack(sums, plan.shape, plan.spatial)
    if out is None:
        return sums
    out[...] = sums
    return out


class _Plan(NamedTuple):
    """What follows from the shapes and options of a call."""

    spatial: tuple[int, ...]
    names: tuple[str, ...]
    widths: Widths
    shape: tuple[int, ...]  # of the result
    quickest: str  # method for the kernel if it is of rank one, the same for any kernel if not automatic
    otherwise: str  # and if it is not


@functools.lru_cache(maxsize=256, typed=True)
def _plan(
    whole: tuple[int, ...],
    taps: tuple[int, ...],
    walls: str | Sequence[str],
    mode: str,
    axes: int | Sequence[int] | None,
    method: str,
    dtype: str,
    flip: bool,
) -> _Plan:
    """Check the options of a call and say what follows from them."""
    spatial = _checks.axes(axes, len(whole))
    names = per_axis(walls, len(spatial))
    _checks.choice("mode", mode, MODES)
    _checks.choice("method", method, METHODS)
    if len(taps) != len(spatial):
        raise ValueError(
            f"kernel must have one dimension for each of the {len(spatial)} spatial axes (see axes=), "
            f"got shape {taps} for a field of shape {whole}"
        )
    inner = tuple(whole[axis] for axis in spatial)
    widths = _widths(inner, taps, names, mode, flip)
    shape = list(whole)
    for axis, (before, after), count in zip(spatial, widths, taps, strict=True):
        shape[axis] += before + after - count + 1
    ways = (method, method)
    if method == "auto":
        ways = (quickest(inner, taps, dtype, rank_one=True), quickest(inner, taps, dtype))
    return _Plan(spatial, names, widths, tuple(shape), *ways)


def _parts(
    kernel: Array | Propagator, dtype: np.dtype[Any], plan: _Plan, automatic: bool, flip: bool
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


def _in_range(name: str, weights: Array, dtype: np.dtype[Any]) -> Array:
    """Refuse weights that the field's precision cannot hold."""
    if weights.dtype == dtype:
        return weights
    most, largest = float(np.finfo(dtype).max), max(float(weights.max()), -float(weights.min()))
    if largest > most:
        raise ValueError(f"{name} must not exceed {most:.3g} in magnitude for a {dtype} field, got {largest:.3g}")
    return weights


def _known(mask: ArrayLike, shape: Sequence[int], spatial: Sequence[int]) -> Array:
    """Check a mask and give it as many dimensions as the field."""
    known = np.asarray(mask)
    if known.dtype != np.bool_:
        raise TypeError(f"mask must hold booleans (True where the field is known), got dtype {known.dtype}")
    if known.shape == tuple(shape[axis] for axis in sorted(spatial)):
        return known.reshape([size if axis in spatial else 1 for axis, size in enumerate(shape)])
    if known.shape != tuple(shape):
        raise ValueError(f"mask must have the field's shape {tuple(shape)}, got shape {known.shape}")
    return known


def _widths(inner: Sequence[int], taps: Sequence[int], names: Sequence[str], mode: str, flip: bool) -> Widths:
    """Say how far the field is continued before and after each axis, so that the result is the mode's."""
    if mode == "valid":
        if any(k > n for n, k in zip(inner, taps, strict=True)):
            raise ValueError(f"kernel must fit inside the field with mode='valid', got {tuple(taps)} in {tuple(inner)}")
        return ((0, 0),) * len(taps)
    if mode == "full":
        if any(RECORDS[name].sign != 0 for name in names):
            raise ValueError(f"boundary must be 'zero' with mode='full', got {', '.join(map(repr, names))}")
        return tuple((k - 1, k - 1) for k in taps)
    return tuple((k - 1 - k // 2, k // 2) if flip else (k // 2, k - 1 - k // 2) for k in taps)


def _stack(u: Array, spatial: tuple[int, ...]) -> Array:
    """Bring the spatial axes last and all others into one."""
    if spatial == tuple(range(u.ndim)):  # nothing to move
        return u[None]
    order = [axis for axis in range(u.ndim) if axis not in spatial] + list(spatial)
    return u.transpose(order).reshape(-1, *(u.shape[axis] for axis in spatial))


def _unstack(stack: Array, shape: Sequence[int], spatial: tuple[int, ...]) -> Array:
    """Put the axes back where they were, in a contiguous array of this shape."""
    if spatial == tuple(range(len(shape))):
        return np.ascontiguousarray(stack.reshape(shape))
    order = [axis for axis in range(len(shape)) if axis not in spatial] + list(spatial)
    back = [order.index(axis) for axis in range(len(shape))]
    return np.ascontiguousarray(stack.reshape([shape[axis] for axis in order]).transpose(back))


def _sum(stack: Array, parts: list[Array], widths: Widths, names: Sequence[str], method: str) -> Array:
    """Correlate each field of a stack with a kernel (or the product of its factors) where it fits its continuation."""
    if method == "separable":
        return correlate_by_factors(stack, parts, widths, names)
    way = correlate_directly if method == "direct" else correlate_in_fourier_space
    (sums,) = way(stack, parts[0][None], widths, names)
    return np.asarray(sums)


def _sum_known(
    stack: Array, known: Array, parts: list[Array], widths: Widths, names: Sequence[str], method: str
) -> Array:
    """Correlate a stack with holes (0 there), over the share of the kernel that lies on known cells."""
    share = known.astype(stack.dtype)
    for axis, (width, name) in enumerate(zip(widths, names, strict=True), start=1):
        if RECORDS[name].sign == 0:  # all beyond such a wall is known to be 0
            share = np.pad(share, [width if a == axis else (0, 0) for a in range(share.ndim)], constant_values=1)
        else:
            share = np.abs(extend(share, [width], [name], [axis]))
    total = math.prod(float(part.sum()) for part in parts)
    share = _sum(share, parts, ((0, 0),) * len(names), ("zero",) * len(names), method) / total
    if method == "fft" and share.min() < LEAST_SHARE:
        return _sum_known(stack, known, parts, widths, names, "direct")
    mean = np.full(share.shape, np.nan, share.dtype)
    return np.divide(_sum(stack, parts, widths, names, method), share, out=mean, where=share > 0)
