"""The verbs: what users call, with its checks, and how it is reduced to the one form that the methods take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._typing import Array, Axes
from diffuseconv.boundary import Names
from diffuseconv.convolution.direct import correlate_directly
from diffuseconv.convolution.fourier import correlate_in_fourier_space
from diffuseconv.convolution.interleaved import correlate_interleaved
from diffuseconv.convolution.masked import mean_of_known
from diffuseconv.convolution.plan import (
    METHODS,
    continued_by_constants,
    factors_and_method,
    in_range,
    known_cells,
    plan,
    remembered_plan,
    stacked,
    unstacked,
    without_constants,
)
from diffuseconv.convolution.repeated import key_of, remember, repeat
from diffuseconv.convolution.sums import Sums, by_method, checked, in_range_or_scaled
from diffuseconv.propagator import Propagator

__all__ = ["METHODS", "convolve", "correlate", "feature_maps"]

UINT8, FLOAT64 = np.dtype(np.uint8), np.dtype(np.float64)


@for_arrays_of_any_kind()
def convolve(
    field: ArrayLike, kernel: ArrayLike | Propagator, *, boundary: Names = "reflecting", mode: str = "same",
    axes: Axes = None, method: str = "auto", mask: ArrayLike | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    r"""Convolve a field with a kernel.

    .. math:: v_i = \sum_j k_j \, u_{i - (j - o)}, \qquad o = \lfloor \mathrm{shape} / 2 \rfloor

    Tap `j` carries salt by the displacement `j - o`, for even sizes too.

    Parameters
    ----------
    field : array_like
        The field `u`, real or complex. Its spatial axes are `axes`; any others (colours, batches) are convolved one
        by one.
    kernel : array_like or Propagator
        The weights `k`, real or complex, with one dimension for each spatial axis.
    boundary : str, Constant, or sequence of them
        What lies beyond the walls, for all spatial axes or one for each: ``"reflecting"``, ``"periodic"``,
        ``"absorbing"``, ``"zero"``, ``"mirror"``, ``"nearest"`` or ``Constant(value)`` (see `diffuseconv.boundary`).
        A kernel wider than the field folds as often as needed.
    mode : {"same", "valid", "full"}
        ``"same"``: the field's shape. ``"valid"``: only pixels whose sum touches no wall (`boundary` is ignored; the
        kernel must fit inside the field). ``"full"``: all pixels that salt can reach, for ``boundary="zero"`` or a
        constant.
    axes : int or sequence of int, optional
        The spatial axes; axis ``a`` of the kernel lies along ``axes[a]``. By default all of up to three; more than
        three must be named.
    method : {"auto", "direct", "separable", "fft"}
        ``"direct"`` sums over all taps; ``"separable"`` along one axis after the other (kernels of rank one only);
        ``"fft"`` multiplies in Fourier space; ``"auto"`` is the one that `convolution_method` names.
    mask : array_like of bool, optional
        True where the field is known, of the field's shape or of only its spatial axes, as they follow in the field.
        The weights (all >= 0) of the known cells are scaled to the sum of all weights, so a mask that is True
        everywhere changes nothing but the rounding; where no known cell is in reach the result is NaN. Values under
        False are ignored, NaN too. A cell beyond a wall is known where the cell that it mirrors or repeats is; beyond a
        ``"zero"`` wall, or a constant, all is known.
    out : ndarray, optional
        Where to write the result; may overlap `field`.

    Returns
    -------
    ndarray
        float32 for float32 fields, otherwise float64; complex64 and complex128 if the field or kernel is complex.

    Raises
    ------
    ValueError
        For NaN or infinity, shapes that do not fit, a negative weight with `mask`, a kernel that is not of rank one
        with ``method="separable"``, ``mode="full"`` with a boundary of which something lies beyond, results beyond the
        range of numbers, and what takes more memory than is free or more than 1e14 products.
    TypeError
        For text, masked arrays, and other precisions than single and double.

    Notes
    -----
    In float64 all methods agree to ``1e-12 * abs(kernel).sum() * abs(field).max()``; in float32 to
    ``2**-24 * (kernel.size + 100)`` instead of ``1e-12``. Weights and products below the smallest normal number of the
    field's precision may vanish. The result is the same bits for any number of threads.

    Where intermediate sums overflow and the result does not, field and kernel are scaled by powers of two.

    With a mask every result, over the sum of all weights, lies to rounding in the range of the known values under the
    kernel (``"fft"``: in its box), however small their share of the weights: where it is small, ``"fft"`` sums
    directly. Four fields of memory are enough, plus the scratch of a transform.

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
    field: ArrayLike, kernel: ArrayLike | Propagator, *, boundary: Names = "reflecting", mode: str = "same",
    axes: Axes = None, method: str = "auto", mask: ArrayLike | None = None, out: Array | None = None,
) -> Array:  # fmt: skip
    r"""Correlate a field with a kernel: convolution without the flip.

    .. math:: v_i = \sum_j k_j \, u_{i + (j - o)}, \qquad o = \lfloor \mathrm{shape} / 2 \rfloor

    It is the adjoint of `convolve` on periodic and zero fields (a complex kernel is conjugated), and for odd sizes the
    same as `convolve` with the flipped kernel.

    Parameters
    ----------
    field, kernel, boundary, mode, axes, method, mask, out
        As in `convolve`.

    Returns
    -------
    ndarray
        float32 for float32 fields, otherwise float64; complex64 and complex128 if the field or kernel is complex.

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
    boundary: Names = "reflecting",
    mode: str = "valid",
    axes: Axes = None,
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
    flip = _checks.flag("flip", flip)
    if _is_complex("field", field) or _is_complex("bank", bank):
        return _complex(
            lambda u, kernels, walls: feature_maps(u, kernels, boundary=walls, mode=mode, axes=axes, flip=flip),
            field,
            bank,
            boundary,
            conjugate=not flip,
        )
    u = given = _checks.array("field", field, finite=False)
    kernels = in_range("bank", _checks.array("bank", bank), u.dtype)
    what = "bank must have shape (n, *kernel), with one dimension of kernel for each of the {} spatial axes (see axes=)"
    what += ", got kernels of shape {}"
    taps, dtype = kernels.shape[1:], u.dtype.type.__name__
    rule = plan(u.shape, taps, boundary, mode, axes, "auto", dtype, flip, what, len(kernels))
    kernels = np.flip(kernels, tuple(range(1, kernels.ndim))) if flip else kernels
    kernels = np.ascontiguousarray(kernels, u.dtype)
    shape = [len(kernels), *rule.shape]
    u, _, rule = continued_by_constants(u, None, rule)
    stack, widths, names = stacked(u, rule.spatial), rule.widths, rule.names

    def correlated(u: Array, banks: Sequence[Array]) -> Sums:
        """Correlate with the bank."""
        if rule.otherwise == "direct":
            return correlate_directly(u, banks[0], widths, names)
        return checked(correlate_in_fourier_space(u, banks[0], widths, names))

    maps = in_range_or_scaled(correlated, stack, [kernels], given, may_mask=False)
    return unstacked(maps, shape, tuple(axis + 1 for axis in rule.spatial))


def _apply(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    walls: Names,
    mode: str,
    axes: Axes,
    method: str,
    mask: ArrayLike | None,
    out: Array | None,
    flip: bool,
) -> Array:
    """Check everything, reduce the call to its one form, sum, and put the axes back."""
    key = key_of(field, kernel, walls, mode, axes, method, flip) if mask is None and out is None else None
    again = None if key is None else repeat(key, field, kernel)
    if again is not None:
        return again
    if _is_complex("field", field) or _is_complex("kernel", kernel):
        sums = _complex(
            lambda u, k, walls: _apply(u, k, walls, mode, axes, method, mask, None, flip),
            field,
            kernel,
            walls,
            conjugate=not flip,
        )
        if out is not None:
            _check_out(out, sums.shape, sums.dtype)
        return _written(sums, out)
    bytes_alone = isinstance(field, np.ndarray) and field.dtype == UINT8  # direct sums convert them block by block
    u = _checks.plain("field", field) if bytes_alone else _checks.array("field", field, finite=False)
    given, dtype = u, FLOAT64 if bytes_alone else u.dtype
    as_given: tuple[Any, Any] = field, kernel  # what is converted first is not to remember
    if not isinstance(kernel, Propagator):
        kernel = in_range("kernel", _checks.array("kernel", kernel), dtype)
    options = (u.shape, kernel.shape, walls, mode, axes, method, dtype.type.__name__, flip)
    plain = axes is None and {type(walls), type(mode), type(method)} == {str}  # to remember the plan by
    rule = remembered_plan(*options) if plain else plan(*options)
    if out is not None:
        _check_out(out, rule.shape, dtype)
    known = None if mask is None else known_cells(mask, u.shape, rule.spatial)
    if known is not None and not (np.isfinite(u) | ~known).all():
        _checks.all_finite("field", np.where(known, u, u.dtype.type(0)))  # refuses what stands under True
    parts, name = factors_and_method(kernel, dtype, rule, method == "auto", flip)
    if name != "direct" or known is not None or rule.constants:
        u = u.astype(dtype, copy=False)
    shape = rule.shape
    if key is not None:
        remember(key, *as_given, rule, flip)
    if known is not None:
        if min(part.min() for part in parts) < 0 or not all(part.any() for part in parts):
            raise ValueError(f"kernel must be >= 0, and not 0 everywhere, with a mask, got {_checks.got(kernel)}")
        known = np.broadcast_to(known, u.shape)
    u, known, rule = continued_by_constants(u, known, rule)
    if known is None and name == "direct" and rule.interleaved:
        sums = in_range_or_scaled(lambda u, parts: correlate_interleaved(u, parts[0], rule), u, parts, given)
        return _written(sums, out)
    stack, widths, names = stacked(u, rule.spatial), rule.widths, rule.names
    if known is None:
        sums = in_range_or_scaled(lambda u, parts: by_method(u, parts, widths, names, name), stack, parts, given)
    else:
        sums = mean_of_known(stack, stacked(known, rule.spatial), parts, widths, names, name)
    sums = unstacked(sums, shape, rule.spatial)
    return _written(sums, out)


def _check_out(out: Any, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    """Refuse what sums of this shape and dtype cannot be written to."""
    plain = isinstance(out, np.ndarray) and not isinstance(out, np.ma.MaskedArray)
    if not plain or out.shape != shape or out.dtype != dtype:
        found = f"shape {out.shape} and dtype {out.dtype}" if plain else f"something of type {type(out).__name__}"
        raise ValueError(f"out must be an array of shape {shape} and dtype {dtype}, got {found}")
    if not out.flags.writeable:
        raise ValueError("out must be writable, got a read-only array")
    if _overlaps(out):
        raise ValueError(f"out must have memory of its own for each cell, got strides {out.strides} bytes")


def _overlaps(array: Array) -> bool:
    """Return whether cells may share memory: where a step along an axis is shorter than all that lies within it."""
    extent = array.itemsize
    for stride, size in sorted((abs(stride), n) for stride, n in zip(array.strides, array.shape, strict=True) if n > 1):
        if stride < extent:
            return True
        extent += stride * (size - 1)
    return False


def _written(sums: Array, out: Array | None) -> Array:
    """Return `out` with the sums written to it, or the sums where there is none."""
    if out is None:
        return sums
    out[...] = sums
    return out


def _is_complex(name: str, value: object) -> bool:
    """Return whether an argument holds complex numbers."""
    dtype = getattr(value, "dtype", None)
    if dtype is None and isinstance(value, (list, tuple)):
        return np.iscomplexobj(_checks.plain(name, value))
    return getattr(dtype, "kind", "") == "c"


def _complex(apply: Callable[[Any, Any, Any], Array], field: Any, kernel: Any, walls: Names, conjugate: bool) -> Array:
    """Combine the results of the real and imaginary parts; a correlation conjugates the kernel."""
    u = _checks.plain("field", field)
    for name, values in (("field", u), ("kernel", kernel)):
        if _is_complex(name, values) and np.asarray(values).dtype.itemsize not in (8, 16):
            raise TypeError(f"{name} must hold complex64 or complex128, got dtype {np.asarray(values).dtype}")
    k = np.asarray(kernel) if _is_complex("kernel", kernel) else kernel
    beyond = (
        without_constants(walls) if isinstance(walls, (list, tuple)) else without_constants((walls,))[0]
    )  # constants are real
    parts = [(u.real, walls), (u.imag, beyond)] if np.iscomplexobj(u) else [(u, walls)]

    def convolved(kernel: Any) -> Array:
        """Convolve both parts of the field with a real kernel."""
        sums = [apply(part, kernel, around) for part, around in parts]
        return sums[0] + 1j * sums[1] if len(sums) == 2 else sums[0]

    if not _is_complex("kernel", k):
        return convolved(k)
    sign = -1j if conjugate else 1j
    total: Array = convolved(k.real) + sign * convolved(k.imag)
    return total
