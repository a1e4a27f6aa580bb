"""The convolution theorem, both sides of it: continuous on a line, discrete in one to three dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft, _scaling
from diffuseconv.convolution import convolve

__all__ = [
    "ContinuousTheorem",
    "DiscreteTheorem",
    "continuous_theorem",
    "discrete_theorem",
    "fourier_transform",
    "inverse_fourier_transform",
]

_BLOCK = 1 << 20  # phases held in memory at a time


@dataclass(frozen=True)
class DiscreteTheorem:
    """Both sides of the discrete convolution theorem.

    Attributes
    ----------
    in_space : ndarray
        The convolution summed in space, on the padded grid (cut where the padding is too small to hold it).
    by_product : ndarray
        The same cells by multiplying transforms.
    error : float
        Largest difference between the two, over ``sum |k| * max |u|``: rounding if the padding is enough.
    wrapped : ndarray of bool
        Cells that also hold what wrapped around, because the padding is too small.
    """

    in_space: NDArray[Any]
    by_product: NDArray[Any]
    error: float
    wrapped: NDArray[np.bool_]


@dataclass(frozen=True)
class ContinuousTheorem:
    """Both sides of the continuous convolution theorem.

    Attributes
    ----------
    positions, convolution : ndarray
        ``f * g`` by quadrature, where it was computed.
    frequencies : ndarray
        In cycles per length.
    of_convolution : ndarray of complex
        Left side, the transform of ``f * g``.
    product : ndarray of complex
        Right side, the product of the transforms divided by the constant.
    error : float
        Largest difference between the two, over ``constant * integral |f| * integral |g|``, the largest value that
        either side can have.
    """

    positions: NDArray[np.float64]
    convolution: NDArray[np.float64]
    frequencies: NDArray[np.float64]
    of_convolution: NDArray[np.complex128]
    product: NDArray[np.complex128]
    error: float


def discrete_theorem(
    field: ArrayLike, kernel: ArrayLike, padding: int | Sequence[int] | None = None
) -> DiscreteTheorem:
    r"""Convolve in space and by a product of transforms, and compare.

    .. math:: u * k = \mathcal F^{-1}\left( \mathcal F u \cdot \mathcal F k \right)

    The constant is 1 because only the inverse carries :math:`1/N`; with the unitary transform
    :math:`\mathcal F / \sqrt N` it would be :math:`\sqrt N`. The product always gives the *cyclic* convolution. It is
    the convolution of two finite arrays only if zeros are appended, at least ``kernel.shape - 1`` on each axis;
    with fewer, the far edge wraps around onto the near one.

    Parameters
    ----------
    field : array_like
        1 to 3 dimensions.
    kernel : array_like
        As many dimensions as `field`.
    padding : int or sequence of int, optional
        Zeros appended on each axis; enough by default. Try 0 to see the theorem misused.

    Returns
    -------
    DiscreteTheorem
        Both sides, their difference and where the result is wrapped.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or the padded field is smaller than the kernel.

    Examples
    --------
    >>> u, k = [1.0, 2.0, 3.0, 4.0], [1.0, 1.0]
    >>> theorem = dc.spectrum.discrete_theorem(u, k)
    >>> theorem.in_space, theorem.error < 1e-15
    (array([1., 3., 5., 7., 4.]), True)
    >>> misused = dc.spectrum.discrete_theorem(u, k, padding=0)
    >>> misused.in_space, misused.by_product.round(12), misused.wrapped
    (array([1., 3., 5., 7.]), array([5., 3., 5., 7.]), array([ True, False, False, False]))
    """
    u, k = _checks.field("field", field), _checks.field("kernel", kernel)
    if u.ndim != k.ndim:
        raise ValueError(f"kernel must have as many dimensions as field ({u.ndim}), got {k.ndim}")
    if padding is None:
        padding = [n - 1 for n in k.shape]
    zeros = _checks.per_axis("padding", padding, u.ndim, lambda name, value: _checks.count(name, value))
    padded = tuple(n + p for n, p in zip(u.shape, zeros, strict=True))
    if any(n < m for n, m in zip(padded, k.shape, strict=True)):
        raise ValueError(f"padding must make the field at least as large as the kernel, got {padded} for {k.shape}")
    _checks.fits_memory("padding", 60.0 * math.prod(padded), "take fewer zeros")
    power_u, power_k = _scaling.exponent(u), _scaling.exponent(k)
    u, k, power = np.ldexp(u, -power_u), np.ldexp(k, -power_k), power_u + power_k
    product = _fft.rfftn(u, padded) * _fft.rfftn(k, padded)
    by_product = np.asarray(_fft.irfftn(product, padded))
    whole = convolve(u, k, mode="full", boundary="zero", method="direct")
    in_space = np.zeros(padded, whole.dtype)
    common = tuple(slice(min(a, b)) for a, b in zip(padded, whole.shape, strict=True))
    in_space[common] = whole[common]
    wrapped = np.zeros(padded, np.bool_)
    for axis, (n, m) in enumerate(zip(padded, whole.shape, strict=True)):
        wrapped[(slice(None),) * axis + (slice(max(0, m - n)),)] = True
    error = _relative(in_space - by_product, np.abs(k).sum() * np.abs(u).max())
    in_space, by_product = (
        _scaling.unscaled("field", side, power, "the convolution") for side in (in_space, by_product)
    )
    return DiscreteTheorem(in_space, by_product, error, wrapped)


def fourier_transform(
    values: ArrayLike, positions: ArrayLike, frequencies: ArrayLike, *, constant: float = 1.0
) -> NDArray[np.complex128]:
    r"""Transform a function of a continuous variable, known at evenly spaced points.

    .. math:: F(\nu) = c \int f(x)\, e^{-2\pi i \nu x}\, dx, \qquad
              f(x) = \frac1c \int F(\nu)\, e^{2\pi i \nu x}\, d\nu

    with :math:`c = 1` by default. In the angular frequency :math:`\omega = 2\pi\nu` the unitary pair has
    :math:`c = 1/\sqrt{2\pi}`.

    The integral is the trapezoid rule over the given points. Its error has two parts: what lies outside the points, and
    inside :math:`O(\Delta x^2)`. If `f` and its derivatives vanish at both ends the second part is only aliasing,
    :math:`\sum_{m \ne 0} F(\nu + m/\Delta x)`, which for smooth functions is below any power of :math:`\Delta x`.

    Parameters
    ----------
    values : array_like
        Samples of `f`, real.
    positions : array_like
        Their places, evenly spaced and increasing, at least 2.
    frequencies : array_like
        Any frequencies, in cycles per length, one-dimensional.
    constant : float
        The constant `c`, greater than 0.

    Returns
    -------
    ndarray of complex
        `F` at the frequencies.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    The Gaussian :math:`e^{-\pi x^2}` is its own transform.

    >>> x = np.linspace(-6, 6, 121)
    >>> nu = np.array([0.0, 0.5, 1.0])
    >>> F = dc.spectrum.fourier_transform(np.exp(-np.pi * x**2), x, nu)
    >>> bool(np.allclose(F, np.exp(-np.pi * nu**2), rtol=0, atol=1e-15))
    True
    """
    f, x = _samples("values", values, positions)
    nu = _line("frequencies", frequencies)
    factor = _checks.number("constant", constant, above=0)
    with np.errstate(over="ignore", invalid="ignore"):
        return _scaling.finite("values", factor * _integral(f, x, nu, -1), "the integral")


def inverse_fourier_transform(
    transform: ArrayLike, frequencies: ArrayLike, positions: ArrayLike, *, constant: float = 1.0
) -> NDArray[np.complex128]:
    r"""Invert `fourier_transform`: sum its waves.

    .. math:: f(x) = \frac1c \int F(\nu)\, e^{2\pi i \nu x}\, d\nu

    Parameters
    ----------
    transform : array_like of complex
        Samples of `F`.
    frequencies : array_like
        Their places, evenly spaced and increasing, in cycles per length. The trapezoid rule repeats the
        result with period ``1 / spacing`` of the frequencies.
    positions : array_like
        Any positions, one-dimensional.
    constant : float
        The constant `c`, greater than 0.

    Returns
    -------
    ndarray of complex
        `f` at the positions.

    Examples
    --------
    >>> nu = np.linspace(-6, 6, 121)
    >>> f = dc.spectrum.inverse_fourier_transform(np.exp(-np.pi * nu**2), nu, [0.0, 1.0])
    >>> bool(np.allclose(f, [1, np.exp(-np.pi)], rtol=0, atol=1e-15))
    True
    """
    values = _checks.wave("transform", transform)
    real, nu = _samples("transform", values.real, frequencies)
    imaginary, nu = _samples("transform", values.imag, frequencies)
    x = _line("positions", positions)
    factor = _checks.number("constant", constant, above=0)
    with np.errstate(over="ignore", invalid="ignore"):
        return _scaling.finite("transform", _integral(real + 1j * imaginary, nu, x, 1) / factor, "the integral")


def continuous_theorem(
    f: ArrayLike,
    g: ArrayLike,
    positions: ArrayLike,
    frequencies: ArrayLike,
    *,
    constant: float = 1.0,
    padding: int | None = None,
) -> ContinuousTheorem:
    r"""Transform a convolution, and multiply the transforms: the same, up to a constant.

    .. math:: (f * g)(x) = \int f(y)\, g(x - y)\, dy, \qquad
              \mathcal F\{f * g\}(\nu) = \frac1c\, \mathcal F\{f\}(\nu)\, \mathcal F\{g\}(\nu)

    for the transform pair of `fourier_transform`. With :math:`c = 1` there is no constant; with the unitary pair in
    angular frequency, :math:`c = 1/\sqrt{2\pi}`, it is :math:`\sqrt{2\pi}`.

    All three integrals are trapezoid rules over the given points: the two sides differ by :math:`O(\Delta x^2)`, and
    only by rounding if both functions vanish at both ends.

    Parameters
    ----------
    f, g : array_like
        Samples of two real functions at `positions`, 0 elsewhere.
    positions : array_like
        Evenly spaced and increasing, `n` of them.
    frequencies : array_like
        Any frequencies, in cycles per length, one-dimensional.
    constant : float
        The constant `c` of the transform pair, greater than 0.
    padding : int, optional
        Points by which the line of ``f * g`` is longer than `positions`; ``n - 1`` by default, which holds all of it.
        With fewer, the line is wrapped to that period: its end is added to its beginning and the theorem fails.

    Returns
    -------
    ContinuousTheorem
        Both sides and their difference.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    Examples
    --------
    >>> x = np.linspace(-4, 6, 201)
    >>> f, g = np.exp(-np.pi * x**2), np.exp(-np.pi * (x - 2) ** 2)
    >>> nu = np.linspace(-2, 2, 9)
    >>> dc.spectrum.continuous_theorem(f, g, x, nu).error < 1e-15
    True
    >>> dc.spectrum.continuous_theorem(f, g, x, nu, constant=1 / np.sqrt(2 * np.pi)).error < 1e-15
    True
    """
    left, x = _samples("f", f, positions)
    right, _ = _samples("g", g, positions)
    nu = _line("frequencies", frequencies)
    constant = _checks.number("constant", constant, above=0)
    length = x.size + (x.size - 1 if padding is None else _checks.count("padding", padding))
    _checks.fits_memory("padding", 80.0 * length, "take fewer points")
    powers = [_scaling.exponent(side) for side in (left, right)]
    left, right = (np.ldexp(side, -power) for side, power in zip((left, right), powers, strict=True))
    spacing = (x[-1] - x[0]) / (x.size - 1)
    convolved = _wrapped(spacing * _trapezoid_convolution(left, right), length)
    where = 2 * x[0] + spacing * np.arange(length)
    with np.errstate(over="ignore", invalid="ignore"):  # integrals that overflow are refused below
        of_convolution = constant * _integral(convolved, where, nu, -1)
        product = constant * _integral(left, x, nu, -1) * _integral(right, x, nu, -1)
        largest = constant * spacing * spacing * np.abs(left).sum() * np.abs(right).sum()
        error, power = _relative(of_convolution - product, largest), sum(powers)
    convolved, of_convolution, product = (
        _scaling.unscaled("f", side, power, "the integrals") for side in (convolved, of_convolution, product)
    )
    return ContinuousTheorem(where, convolved, nu, of_convolution, product, error)


def _trapezoid_convolution(f: NDArray[np.float64], g: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum f[j] g[m - j] with half weights at both ends of the overlap."""
    whole = convolve(f, g, mode="full", boundary="zero")
    whole[: f.size] -= (f[0] * g + f * g[0]) / 2
    whole[f.size :] -= (f[1:] * g[-1] + f[-1] * g[1:]) / 2
    return whole


def _wrapped(values: NDArray[np.float64], length: int) -> NDArray[np.float64]:
    """Add up a line modulo `length` (aliasing); a shorter line is padded with zeros."""
    periods = -(-values.size // length)
    return np.asarray(np.pad(values, (0, periods * length - values.size)).reshape(periods, length).sum(axis=0))


def _integral(
    values: NDArray[Any], points: NDArray[np.float64], targets: NDArray[np.float64], sign: int
) -> NDArray[np.complex128]:
    """Integrate values * exp(sign * 2 pi i * point * target) over the points by the trapezoid rule."""
    weighted = values * ((points[-1] - points[0]) / (points.size - 1))
    weighted[[0, -1]] /= 2
    result = np.empty(targets.size, np.complex128)
    rows = max(1, _BLOCK // points.size)
    for first in range(0, targets.size, rows):
        cycles = np.outer(targets[first : first + rows], points)
        if not np.isfinite(cycles).all():
            raise ValueError(f"frequencies times positions must be finite, got frequencies up to {targets.max():g}")
        result[first : first + rows] = np.exp(sign * 2j * np.pi * (cycles - np.rint(cycles))) @ weighted
    return result


def _line(name: str, value: ArrayLike) -> NDArray[np.float64]:
    """Check numbers along a line; return them as float64."""
    values = _checks.array(name, value)
    if values.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got shape {values.shape}")
    return values.astype(np.float64)


def _samples(name: str, value: ArrayLike, points: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Check samples and the evenly spaced points that they belong to."""
    values, where = _line(name, value), _line("positions" if name != "transform" else "frequencies", points)
    if np.abs(where).max() > 4e307:
        raise ValueError(f"sample points must not exceed 4e+307 in magnitude, got {np.abs(where).max():g}")
    steps = np.diff(where)
    if where.size < 2 or steps.min() <= 0 or np.ptp(steps) > 1e-9 * steps.max() + 8 * np.spacing(np.abs(where).max()):
        raise ValueError(f"sample points must be at least 2, increasing and evenly spaced, got {_checks.got(where)}")
    if values.size != where.size:
        raise ValueError(f"{name} must have one value for each of the {where.size} sample points, got {values.size}")
    return values, where


def _relative(difference: NDArray[Any], scale: float) -> float:
    """Return the largest difference over a scale; 0 where both are 0."""
    largest = float(np.abs(difference).max())
    return largest / float(scale) if largest else 0.0
