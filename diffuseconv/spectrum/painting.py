"""Painting in the frequency plane: a dot there is a wave through the image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft, _scaling

__all__ = ["Dot", "Line", "Mask", "paint_spectrum"]


@dataclass(frozen=True)
class Dot:
    r"""A dot in the frequency plane: adds one wave to the image.

    .. math:: u(x) \mathrel{+}= A \cos(2\pi\, f \cdot (x - o)/n + \varphi), \qquad o = \lfloor n/2 \rfloor

    Attributes
    ----------
    frequency : sequence of int
        Cell of the plane counted from its centre, one number per axis: cycles per image along that axis.
    amplitude : float
        `A`, in the units of the image.
    phase : float
        In degrees; 0 puts a crest on the central cell.
    """

    frequency: Sequence[int]
    amplitude: float = 1.0
    phase: float = 0.0


@dataclass(frozen=True)
class Line:
    """A line of dots between two cells of the frequency plane: adds a bundle of waves.

    A line through the centre gives a ridge across the image, at right angles to it.

    Attributes
    ----------
    start, stop : sequence of int
        Its two ends, as in `Dot`. Of two opposite cells on the line, which are one wave, the one met first counts.
    amplitude, phase : float
        Of every wave, as in `Dot`.
    """

    start: Sequence[int]
    stop: Sequence[int]
    amplitude: float = 1.0
    phase: float = 0.0


@dataclass(frozen=True, eq=False)
class Mask:
    """A picture laid over the centred frequency plane: multiplies every frequency by its weight.

    Attributes
    ----------
    weights : array_like
        Real, of the image's shape, frequency 0 at ``shape // 2``. A frequency and its opposite are one wave and get
        the mean of their two weights; that is what the real part of the painted image amounts to.
    """

    weights: ArrayLike


Edit = Dot | Line | Mask


def paint_spectrum(image: ArrayLike, edits: Edit | Sequence[Edit]) -> NDArray[Any]:
    """Change an image by painting in its frequency plane.

    Every stroke is painted a second time at the opposite frequency (complex conjugated), so the image stays real. The
    strokes are applied in the order given.

    Parameters
    ----------
    image : array_like
        Real values, 1 to 3 dimensions; start from zeros to see only the strokes.
    edits : Dot, Line, Mask or sequence of them
        The strokes.

    Returns
    -------
    ndarray
        Real, same shape and precision as `image`.

    Raises
    ------
    TypeError, ValueError
        If a stroke is none of the three, lies outside the plane or has the wrong shape.

    Examples
    --------
    >>> dc.spectrum.paint_spectrum(np.zeros(8), dc.spectrum.Dot((2,))).round(12) + 0.0
    array([ 1.,  0., -1.,  0.,  1.,  0., -1.,  0.])
    """
    values = _checks.summable("image", _checks.field("image", image))
    strokes = [edits] if isinstance(edits, Edit) else edits
    if not isinstance(strokes, (list, tuple)):
        raise TypeError(f"edits must be a Dot, Line or Mask, or a list of them, got {_checks.got(edits)}")
    power = _scaling.exponent(values)
    plane = _fft.fftn(_scaling.times_power(values, -power))
    for number, edit in enumerate(strokes):
        name = f"edits[{number}]"
        if isinstance(edit, Mask):
            weights, more = _weights(name, edit, values.shape)
            plane *= _fft.ifftshift(weights).astype(values.dtype)
            power += more
        elif isinstance(edit, Dot):
            power = _add(plane, power, name, [_cell(f"{name}.frequency", edit.frequency, values.shape)], edit)
        elif isinstance(edit, Line):
            start, stop = (_cell(f"{name}.{end}", getattr(edit, end), values.shape) for end in ("start", "stop"))
            power = _add(plane, power, name, _between(start, stop, values.shape), edit)
        else:
            raise TypeError(f"{name} must be a Dot, Line or Mask, got {_checks.got(edit)}")
    return np.ascontiguousarray(_scaling.unscaled("edits", _fft.ifftn(plane).real, power, "the image"))


def _cell(name: str, value: object, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Check a cell of the frequency plane, counted from its centre."""
    cell = _checks.per_axis(name, value, len(shape), lambda part, item: _checks.count(part, item, least=-(2**31)))
    for axis, (f, n) in enumerate(zip(cell, shape, strict=True)):
        if not -(n // 2) <= f <= n // 2:
            raise ValueError(f"{name}[{axis}] must be from {-(n // 2)} to {n // 2} cycles per image, got {f}")
    return cell


def _between(start: tuple[int, ...], stop: tuple[int, ...], shape: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Return the cells on a straight line, both ends included; of opposites the one met first."""
    steps = max(abs(b - a) for a, b in zip(start, stop, strict=True))
    exact = np.linspace(start, stop, steps + 1)
    nearest = np.copysign(np.floor(np.abs(exact) + 0.5), exact).astype(np.int64)  # halves away from 0: symmetric
    cells, painted = [], set()
    for cell, opposite in zip(nearest % shape, -nearest % shape, strict=True):
        if tuple(cell) not in painted:
            cells.append(tuple(cell.tolist()))
            painted |= {tuple(cell), tuple(opposite)}
    return cells


def _add(plane: NDArray[Any], power: int, name: str, cells: list[tuple[int, ...]], stroke: Dot | Line) -> int:
    """Add a wave at every cell, half of it at the opposite one; return the power of two that the plane is scaled by."""
    amplitude, more = math.frexp(_checks.number(f"{name}.amplitude", stroke.amplitude))
    if amplitude and more > power:  # the scale is that of the strongest
        plane[...] = _scaling.times_power(plane, power - more)
        power = more
    amplitude = math.ldexp(amplitude, more - power)
    phase = np.deg2rad(_checks.number(f"{name}.phase", stroke.phase))
    for cell in cells:
        cycles = sum(f * (n // 2) / n for f, n in zip(cell, plane.shape, strict=True))
        half = 0.5 * amplitude * plane.size * np.exp(1j * (phase - 2 * np.pi * cycles))
        plane[tuple(f % n for f, n in zip(cell, plane.shape, strict=True))] += half
        plane[tuple(-f % n for f, n in zip(cell, plane.shape, strict=True))] += half.conjugate()
    return power


def _weights(name: str, mask: Mask, shape: tuple[int, ...]) -> tuple[NDArray[Any], int]:
    """Return the weights of a mask over a power of two, averaged with those of the opposite frequencies; the power."""
    weights = _checks.array(f"{name}.weights", mask.weights)
    if weights.shape != shape:
        raise ValueError(f"{name}.weights must have the image's shape {shape}, got {weights.shape}")
    opposite = np.ix_(*((2 * (n // 2) - np.arange(n)) % n for n in shape))
    power = _scaling.exponent(weights)
    scaled = np.ldexp(weights, -power)
    return np.asarray((scaled + scaled[opposite]) / 2), power
