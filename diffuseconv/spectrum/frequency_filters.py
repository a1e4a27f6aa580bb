"""Low, high and band pass by circles in the frequency plane, and the compression they allow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft, _scaling
from diffuseconv import boundary as _boundary
from diffuseconv._axes import on_axis
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._typing import Axes

__all__ = ["Compression", "band_pass", "circle", "compression", "high_pass", "low_pass", "radial_window", "ring"]

Boundary = str | Sequence[str]


@for_arrays_of_any_kind()
def low_pass(
    image: ArrayLike, radius: float, *, edge: float = 0.0, boundary: Boundary = "periodic", axes: Axes = None
) -> NDArray[Any]:
    r"""Keep the frequencies inside a circle: what is left is coarse.

    .. math:: \hat v(m) = w(|m|)\, \hat u(m), \qquad
              w(f) = \tfrac12 - \tfrac12 \cos \pi \min(1, \max(0, (r + \tfrac{e}{2} - f)/e))

    and, without an edge (:math:`e = 0`), the disc :math:`w = 1` where :math:`f \le r`, else 0.

    Parameters
    ----------
    image : array_like
        Real values.
    radius : float
        Radius `r` of the circle, in cycles per image.
    edge : float
        Width `e` over which the weight falls from 1 to 0, half of it inside `radius`, at most ``2 * radius``. A hard
        disc rings near every sharp edge of the image; a wide one does not.
    boundary : str or sequence of str
        The waves to use. ``"periodic"``: the Fourier transform of the text, where an edge bleeds into the opposite one.
        ``"reflecting"``: cosines, as JPEG has them, where it does not; cosine number k has k/2 cycles per image.
    axes : int or sequence of int, optional
        The spatial axes, all by default; a colour photograph uses ``axes=(0, 1)``.

    Returns
    -------
    ndarray
        Real, same shape and precision as `image`. ``low_pass + high_pass`` is the image.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> x = 2 * np.pi * np.arange(32) / 32
    >>> both = np.cos(2 * x) + np.cos(9 * x)
    >>> bool(np.allclose(dc.spectrum.low_pass(both, 5), np.cos(2 * x)))
    True
    """
    image, over, names = _arguments(image, boundary, axes)
    radius, edge = circle(radius, edge)
    return _weigh(image, over, names, lambda frequency: _taper(frequency, radius, edge))


@for_arrays_of_any_kind()
def high_pass(
    image: ArrayLike, radius: float, *, edge: float = 0.0, boundary: Boundary = "periodic", axes: Axes = None
) -> NDArray[Any]:
    r"""Keep the frequencies outside a circle: what is left is edges and texture, with mean 0.

    .. math:: \hat v(m) = (1 - w(|m|))\, \hat u(m)

    with the weight `w`, the parameters and the errors of `low_pass`.

    Returns
    -------
    ndarray
        Real, same shape and precision as `image`.

    Examples
    --------
    >>> x = 2 * np.pi * np.arange(32) / 32
    >>> both = np.cos(2 * x) + np.cos(9 * x)
    >>> bool(np.allclose(dc.spectrum.high_pass(both, 5), np.cos(9 * x)))
    True
    """
    image, over, names = _arguments(image, boundary, axes)
    radius, edge = circle(radius, edge)
    return _weigh(image, over, names, lambda frequency: 1 - _taper(frequency, radius, edge))


@for_arrays_of_any_kind()
def band_pass(
    image: ArrayLike,
    radius: tuple[float, float],
    *,
    edge: float = 0.0,
    boundary: Boundary = "periodic",
    axes: Axes = None,
) -> NDArray[Any]:
    r"""Keep the frequencies of a ring: outside one circle and inside a larger one.

    .. math:: \hat v(m) = (w_\text{outer}(|m|) - w_\text{inner}(|m|))\, \hat u(m)

    so ``low_pass(inner) + band_pass((inner, outer)) + high_pass(outer)`` is the image. Weight `w`, parameters and
    errors are those of `low_pass`.

    Parameters
    ----------
    image : array_like
        Real values.
    radius : (float, float)
        Inner and outer radius, in cycles per image; frequencies ``inner < f <= outer`` are kept.
    edge, boundary, axes
        See `low_pass`.

    Returns
    -------
    ndarray
        Real, same shape and precision as `image`.

    Examples
    --------
    >>> x = 2 * np.pi * np.arange(32) / 32
    >>> both = np.cos(2 * x) + np.cos(9 * x)
    >>> bool(np.allclose(dc.spectrum.band_pass(both, (5, 12)), np.cos(9 * x)))
    True
    """
    image, over, names = _arguments(image, boundary, axes)
    inner, outer, edge = ring(radius, edge)
    return _weigh(image, over, names, lambda f: _taper(f, outer, edge) - _taper(f, inner, edge))


def radial_window(shape: int | Sequence[int], radius: float, *, edge: float = 0.0) -> NDArray[np.float64]:
    """Return the weights of `low_pass` on the centred frequency plane.

    Parameters
    ----------
    shape : int or sequence of int
        Shape of the plane, 1 to 3 axes.
    radius, edge : float
        See `low_pass`.

    Returns
    -------
    ndarray of float64
        Weights between 0 and 1; frequency 0 at cell ``shape // 2``.

    Examples
    --------
    >>> dc.spectrum.radial_window((5, 5), 1)
    array([[0., 0., 0., 0., 0.],
           [0., 0., 1., 0., 0.],
           [0., 1., 1., 1., 0.],
           [0., 0., 1., 0., 0.],
           [0., 0., 0., 0., 0.]])
    """
    sizes = _checks.shape("shape", shape)
    _checks.fits_memory("shape", 32.0 * math.prod(sizes), "take fewer cells")
    radius, edge = circle(radius, edge)
    return np.asarray(_fft.fftshift(_taper(_frequency(sizes, ["periodic"] * len(sizes)), radius, edge)))


@dataclass(frozen=True)
class Compression:
    """Compression by keeping a circle of frequencies: its ratio and its error.

    Attributes
    ----------
    kept_fraction : float
        Coefficients kept, as a fraction of all: the area of the circle over that of the plane.
    ratio : float
        Compression ratio, all coefficients to those kept (black area to circle is one less); infinite if none is kept.
    error : float
        Root-mean-square difference to the original, in the image's units.
    relative_error : float
        `error` over the root mean square of the image; 0 for an image that is 0.
    image : ndarray
        What the kept coefficients give back.
    """

    kept_fraction: float
    ratio: float
    error: float
    relative_error: float
    image: NDArray[Any] = field(repr=False, compare=False)


def compression(image: ArrayLike, radius: float, *, boundary: Boundary = "periodic", axes: Axes = None) -> Compression:
    """Compress an image by dropping all frequencies outside a circle.

    The error is what `high_pass` returns; by Parseval it is the energy of the dropped coefficients. Counted are
    coefficients, not bits: real formats also round and pack them.

    Parameters
    ----------
    image : array_like
        Real values.
    radius : float
        Radius of the circle, in cycles per image.
    boundary, axes
        See `low_pass`; ``"reflecting"`` makes a smaller error where opposite edges of the image differ.

    Returns
    -------
    Compression
        Fraction kept, ratio, error and the image that is left.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> u = np.cos(2 * np.pi * np.arange(64) / 64)
    >>> result = dc.spectrum.compression(u, 3.5)
    >>> result.kept_fraction, round(result.ratio, 2), result.error < 1e-15
    (0.109375, 9.14, True)
    """
    image, over, names = _arguments(image, boundary, axes)
    radius, _ = circle(radius, 0.0)
    kept = _weigh(image, over, names, lambda frequency: _taper(frequency, radius, 0.0))
    every = _frequency([image.shape[axis] for axis in over], names)
    count = int(np.count_nonzero(every <= radius))
    size, error = _root_mean_square(image), _root_mean_square(kept - image)
    ratio = every.size / count if count else math.inf
    return Compression(count / every.size, ratio, error, error / size if size else 0.0, kept)


def _root_mean_square(values: NDArray[Any]) -> float:
    """Return the root mean square, scaled first: squares of the very large or small would over- or underflow."""
    largest = float(np.abs(values).max())
    return largest * float(np.sqrt(np.mean(np.square(values / largest, dtype=np.float64)))) if largest else 0.0


def _arguments(image: ArrayLike, boundary: Boundary, axes: Axes) -> tuple[NDArray[Any], tuple[int, ...], Sequence[str]]:
    """Check the arguments that all filters share."""
    checked = _checks.summable("image", _checks.array("image", image))
    over = _checks.axes(axes, checked.ndim)
    return checked, over, _boundary.per_axis(boundary, len(over))


def circle(radius: object, edge: object, name: str = "radius") -> tuple[float, float]:
    """Check a circle and its soft edge."""
    inner, width = _checks.number(name, radius, least=0), _checks.number("edge", edge, least=0)
    if width > 2 * inner:
        raise ValueError(f"edge must be at most twice {name} (the mean is kept whole), got {width:g} for {inner:g}")
    return inner, width


def ring(radius: Any, edge: object) -> tuple[float, float, float]:
    """Check two circles, the inner one first, and their soft edge."""
    if _checks.ndim("radius", radius) != 1 or len(radius) != 2:
        raise ValueError(f"radius must be a pair (inner, outer), got {_checks.got(radius)}")
    inner, width = circle(radius[0], edge, "radius[0]")
    outer, width = circle(radius[1], edge, "radius[1]")
    if inner > outer:
        raise ValueError(f"radius must be a pair (inner, outer) with inner <= outer, got {_checks.got(radius)}")
    return inner, outer, width


def _taper(frequency: NDArray[Any], radius: float, edge: float) -> NDArray[np.float64]:
    """Return weights that fall from 1 inside a circle to 0 outside."""
    if edge == 0:
        return (frequency <= radius).astype(np.float64)
    rise = np.clip(radius + edge / 2 - frequency, 0, edge) / edge
    return np.asarray(np.sin(np.pi / 2 * rise) ** 2)


def _frequency(shape: Sequence[int], names: Sequence[str], half: int | None = None) -> NDArray[np.float64]:
    """Return every mode's frequency in cycles per image; `half` is the axis that a real transform halves."""
    squared: Any = 0.0
    for axis, (size, name) in enumerate(zip(shape, names, strict=True)):
        line = _boundary.frequencies(size, name)[: size // 2 + 1 if axis == half else size]
        squared = squared + on_axis(line * line, axis, len(shape))
    return np.asarray(np.sqrt(squared))


def _weigh(image: NDArray[Any], over: Sequence[int], names: Sequence[str], weight: Any) -> NDArray[Any]:
    """Multiply every mode by a weight that depends only on its frequency."""
    front = np.moveaxis(image, over, range(len(over)))
    shape = front.shape[: len(over)]
    half = _boundary.halved_axis(names)
    weights = weight(_frequency(shape, names, half)).astype(image.dtype)
    power = _scaling.exponent(front)  # (sine and cosine transforms double every sum)
    modes = _boundary.transform(_scaling.times_power(front, -power), names)
    modes = modes * weights.reshape(weights.shape + (1,) * (image.ndim - len(over)))
    result = _scaling.unscaled("image", _boundary.inverse_transform(modes, shape, names), power, "the filtered image")
    return np.ascontiguousarray(np.moveaxis(result, range(len(over)), over))
