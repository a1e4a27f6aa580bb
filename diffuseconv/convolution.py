"""Convolution: where all grains go at once.

Every call is brought to one form: the field, continued beyond its walls, correlated with a kernel at all places
where the kernel fits. `convolve` flips the kernel for it, the modes differ in how far the field is continued.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _threads
from diffuseconv._jit.convolution import BLOCK_COLUMNS, BLOCK_ROWS, correlate_blocks
from diffuseconv.boundary import extend, fold, per_axis

__all__ = ["convolution_method", "convolve", "correlate", "feature_maps"]

Array = NDArray[Any]
Widths = tuple[tuple[int, int], ...]
METHODS = ("auto", "direct", "separable", "fft")
MODES = ("same", "valid", "full")
WORTH_THREADS = 2_000_000  # products: some 100 microseconds of work, above what a second thread costs to start


def convolve(
    field: ArrayLike,
    kernel: ArrayLike,
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
    In float64 all methods agree to ``1e-12 * abs(kernel).sum() * abs(field).max()``; in float32 to ``1e-5`` of it.

    Examples
    --------
    >>> convolve([0.0, 0.0, 1.0, 0.0], [0.25, 0.5, 0.25])
    array([0.  , 0.25, 0.5 , 0.25])
    >>> convolve([0.0, 0.0, 0.0, 1.0], [0.25, 0.5, 0.25])
    array([0.  , 0.  , 0.25, 0.75])
    """
    return _apply(field, kernel, boundary, mode, axes, method, mask, out, flip=True)


def correlate(
    field: ArrayLike,
    kernel: ArrayLike,
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
    kernels = _checks.array("bank", bank)
    if kernels.ndim < 2:
        raise ValueError(f"bank must have shape (n, *kernel), got shape {kernels.shape}")
    maps = [_apply(field, kernel, boundary, mode, axes, "auto", None, None, flip) for kernel in kernels]
    return np.stack(maps)


def convolution_method(field_shape: Sequence[int], kernel_shape: Sequence[int], rank_one: bool = False) -> str:
    """Name the method that ``method="auto"`` takes.

    Parameters
    ----------
    field_shape, kernel_shape : sequence of int
        Shapes along the spatial axes.
    rank_one : bool
        Whether the kernel is a product of one factor per axis.

    Returns
    -------
    str
        ``"direct"``, ``"separable"`` or ``"fft"``.

    Examples
    --------
    >>> convolution_method((256, 256), (3, 3)), convolution_method((1024, 1024), (201, 201))
    ('direct', 'fft')
    """
    pixels = math.prod(field_shape)
    padded = math.prod(n + k for n, k in zip(field_shape, kernel_shape, strict=True))
    cost = {"direct": math.prod(kernel_shape) * pixels, "fft": 15 * padded * math.log2(padded)}
    if rank_one and len(kernel_shape) > 1:
        cost["separable"] = (sum(kernel_shape) + 10) * pixels
    return min(cost, key=lambda name: cost[name])


def _apply(
    field: ArrayLike,
    kernel: ArrayLike,
    walls: str | Sequence[str],
    mode: str,
    axes: int | Sequence[int] | None,
    method: str,
    mask: ArrayLike | None,
    out: Array | None,
    flip: bool,
) -> Array:
    """Check everything, bring the call to its one form, compute, and put the axes back."""
    u = _checks.array("field", field, finite=mask is None)
    spatial = _checks.axes(axes, u.ndim)
    names = per_axis(walls, len(spatial))
    _checks.choice("mode", mode, MODES)
    _checks.choice("method", method, METHODS)
    weights = _weights(kernel, u, spatial, flip)
    inner = tuple(u.shape[axis] for axis in spatial)
    widths = _widths(inner, weights.shape, names, mode, flip)
    factors = None
    if method == "separable" or (method == "auto" and convolution_method(inner, weights.shape, True) == "separable"):
        factors = _factors(weights)
    if method == "auto":
        method = convolution_method(inner, weights.shape, factors is not None)
    elif method == "separable" and factors is None:
        raise ValueError(f"kernel must be of rank one with method='separable', got {_checks.got(weights)}")
    known = None if mask is None else _known(mask, u, spatial, weights)
    if known is not None:
        u = np.where(known, u, u.dtype.type(0))
        _checks.all_finite("field", u)
    shape = list(u.shape)
    for axis, (before, after), taps in zip(spatial, widths, weights.shape, strict=True):
        shape[axis] += before + after - taps + 1
    if out is not None and (not isinstance(out, np.ndarray) or out.shape != tuple(shape) or out.dtype != u.dtype):
        raise ValueError(f"out must be an array of shape {tuple(shape)} and dtype {u.dtype}, got {_checks.got(out)}")

    order = [axis for axis in range(u.ndim) if axis not in spatial] + list(spatial)
    stack = u.transpose(order).reshape(-1, *inner)
    if known is None:
        result = _correlate(stack, weights, factors, widths, names, method)
    else:
        known = np.broadcast_to(known, u.shape).transpose(order).reshape(stack.shape)
        result = _correlate_known(stack, known, weights, factors, widths, names, method)
    result = result.reshape([shape[axis] for axis in order]).transpose(np.argsort(order))
    if out is None:
        return np.ascontiguousarray(result)
    out[...] = result
    return out


def _weights(kernel: ArrayLike, u: Array, spatial: Sequence[int], flip: bool) -> Array:
    """Check the kernel, flip it for convolution, and take it in the field's precision."""
    weights = _checks.array("kernel", getattr(kernel, "density", kernel))
    if weights.ndim != len(spatial):
        raise ValueError(
            f"kernel must have one dimension for each of the {len(spatial)} spatial axes (see axes=), "
            f"got shape {weights.shape} for a field of shape {u.shape}"
        )
    return np.ascontiguousarray(np.flip(weights) if flip else weights, dtype=u.dtype)


def _known(mask: ArrayLike, u: Array, spatial: Sequence[int], weights: Array) -> Array:
    """Check a mask and give it as many dimensions as the field."""
    known = np.asarray(mask)
    if known.dtype != np.bool_:
        raise TypeError(f"mask must hold booleans (True where the field is known), got dtype {known.dtype}")
    if known.shape == tuple(u.shape[axis] for axis in sorted(spatial)):
        known = known.reshape([u.shape[axis] if axis in spatial else 1 for axis in range(u.ndim)])
    elif known.shape != u.shape:
        raise ValueError(f"mask must have the field's shape {u.shape}, got shape {known.shape}")
    if weights.min() < 0 or not weights.any():
        raise ValueError(f"kernel must be >= 0, and not 0 everywhere, with a mask, got {_checks.got(weights)}")
    return known


def _widths(inner: Sequence[int], taps: Sequence[int], names: Sequence[str], mode: str, flip: bool) -> Widths:
    """Say how far the field is continued before and after each axis, so that the result is the mode's."""
    if mode == "valid":
        if any(k > n for n, k in zip(inner, taps, strict=True)):
            raise ValueError(f"kernel must fit inside the field with mode='valid', got {tuple(taps)} in {tuple(inner)}")
        return ((0, 0),) * len(taps)
    if mode == "full":
        if any(name != "zero" for name in names):
            raise ValueError(f"boundary must be 'zero' with mode='full', got {', '.join(map(repr, names))}")
        return tuple((k - 1, k - 1) for k in taps)
    return tuple((k - 1 - k // 2, k // 2) if flip else (k // 2, k - 1 - k // 2) for k in taps)


def _factors(weights: Array) -> list[Array] | None:
    """Split a kernel of rank one into its factors, one for each axis; None if it is not of rank one to rounding."""
    peak = np.unravel_index(np.argmax(np.abs(weights)), weights.shape)
    if weights[peak] == 0:
        return [np.zeros(n, dtype=weights.dtype) for n in weights.shape]
    scaled = weights / weights[peak]
    factors = [scaled[(*peak[:axis], slice(None), *peak[axis + 1 :])] for axis in range(weights.ndim)]
    product = factors[0]
    for factor in factors[1:]:
        product = np.multiply.outer(product, factor)
    if np.abs(scaled - product).sum() > 8 * np.finfo(weights.dtype).eps * np.abs(scaled).sum():
        return None
    factors[-1] = factors[-1] * weights[peak]
    return factors


def _correlate(
    stack: Array, weights: Array, factors: list[Array] | None, widths: Widths, names: Sequence[str], method: str
) -> Array:
    """Correlate each field of a stack with the weights at all places where they fit its continuation."""
    if method == "fft":
        return _by_fft(stack, weights, widths, names)
    if method == "direct" or factors is None:
        return _directly(stack, weights, widths, names)
    for axis, factor in enumerate(factors):
        alone = [width if a == axis else (0, 0) for a, width in enumerate(widths)]
        line = factor.reshape([-1 if a == axis else 1 for a in range(len(factors))])
        stack = _directly(stack, line, tuple(alone), names)
    return stack


def _correlate_known(
    stack: Array,
    known: Array,
    weights: Array,
    factors: list[Array] | None,
    widths: Widths,
    names: Sequence[str],
    method: str,
) -> Array:
    """Correlate a stack with holes (0 there): each sum over ``sum of all weights / sum of weights on known cells``."""
    share = known.astype(stack.dtype)
    for axis, (width, name) in enumerate(zip(widths, names, strict=True), start=1):
        if name == "zero":  # all beyond such a wall is known to be 0
            share = np.pad(share, [width if a == axis else (0, 0) for a in range(share.ndim)], constant_values=1)
        else:
            share = extend(share, [width], ["reflecting" if name == "absorbing" else name], [axis])
    fits = ((0, 0),) * len(names)
    total = weights.sum()
    share = _correlate(share, weights, factors, fits, names, method) / total
    if method == "fft" and share.min() < 0.01:  # rounding of the transforms would show: take sums of what is >= 0
        return _correlate_known(stack, known, weights, factors, widths, names, "separable")
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(share > 0, _correlate(stack, weights, factors, widths, names, method) / share, np.nan)


def _directly(stack: Array, weights: Array, widths: Widths, names: Sequence[str]) -> Array:
    """Sum over all taps, in compiled blocks."""
    missing = 3 - weights.ndim
    fields = np.ascontiguousarray(stack).reshape(stack.shape[:1] + (1,) * missing + stack.shape[1:])
    weights = np.ascontiguousarray(weights).reshape((1,) * missing + weights.shape)
    widths, names = ((0, 0),) * missing + widths, ("zero",) * missing + tuple(names)
    lines, shape = [], [len(stack)]
    for size, taps, (before, after), name in zip(fields.shape[1:], weights.shape, widths, names, strict=True):
        lines.append(_continued(size, before, after, name, stack.dtype))
        shape.append(size + before + after - taps + 1)
    out = np.empty(shape, dtype=stack.dtype)
    blocks = shape[0] * shape[1] * -(-shape[2] // BLOCK_ROWS) * -(-shape[3] // BLOCK_COLUMNS)
    parts = 1 if weights.size * out.size < WORTH_THREADS else _threads.count()
    pieces = _threads.slices(blocks, parts)
    _threads.run(
        correlate_blocks, [(fields, weights, *lines, widths[-1][0], out, first, last) for first, last in pieces]
    )
    return out.reshape(out.shape[:1] + out.shape[1 + missing :])


@functools.lru_cache(maxsize=64)
def _continued(size: int, before: int, after: int, name: str, dtype: np.dtype[Any]) -> tuple[Array, Array]:
    """Say which cell, with which sign, stands at each place of a continued axis."""
    source, sign = fold(np.arange(-before, size + after), size, name)
    return source, sign.astype(dtype)


def _by_fft(stack: Array, weights: Array, widths: Widths, names: Sequence[str]) -> Array:
    """Multiply in Fourier space, on a box where nothing wraps around that should not."""
    import scipy.fft

    largest = np.abs(stack).max(), np.abs(weights).max()
    field_power, kernel_power = (int(np.frexp(value)[1]) for value in largest)  # powers of two: exact scaling
    stack, weights = np.ldexp(stack, -field_power), np.ldexp(weights, -kernel_power)
    sizes: list[int] = []
    reach: list[tuple[int, int]] = []
    taps: list[Array] = []
    inner = stack.shape[1:]
    for n, k, (before, after), name in zip(inner, weights.shape, widths, names, strict=True):
        size = scipy.fft.next_fast_len(n + (max(before, after) if name == "zero" else before + after), real=True)
        period = {"zero": size, "periodic": n}.get(name, 2 * n)
        beyond = (0, 0) if name == "zero" else (before, after)
        if before + after and period < size:  # the continued field repeats: fold the kernel into one period instead
            size, beyond = period, (0, period - n)
        sizes.append(size)
        reach.append(beyond)
        taps.append((np.arange(k) - before + beyond[0]) % size)
    axes = tuple(range(1, stack.ndim))
    box = np.zeros(sizes, dtype=stack.dtype)
    np.add.at(box, np.ix_(*taps), weights)
    workers = _threads.count()
    transfer = scipy.fft.rfftn(box, workers=workers).conj()
    modes = scipy.fft.rfftn(extend(stack, reach, names, axes), s=sizes, axes=axes, workers=workers)
    modes *= transfer
    result = scipy.fft.irfftn(modes, s=sizes, axes=axes, overwrite_x=True, workers=workers)
    lengths = zip(inner, widths, weights.shape, strict=True)
    inside = tuple(slice(n + before + after - k + 1) for n, (before, after), k in lengths)
    with np.errstate(over="ignore"):
        return np.asarray(np.ldexp(result[(slice(None), *inside)], field_power + kernel_power))
