"""A kernel as a filter: by how much it multiplies every frequency."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft, _scaling
from diffuseconv._axes import on_axis

__all__ = ["FilterKind", "filter_kind", "transfer_function"]

_CELLS = {1: 1024, 2: 128, 3: 32}  # frequencies per axis that filter_kind samples
_HALF_POWER = np.sqrt(0.5)


def transfer_function(kernel: ArrayLike, shape: int | Sequence[int]) -> NDArray[np.complex128]:
    r"""Return the factor by which a kernel multiplies every frequency.

    .. math:: H[m] = \sum_j k[j]\, e^{-2\pi i\, m \cdot (j - o) / n}, \qquad o = \lfloor \text{kernel shape}/2 \rfloor

    so that on a periodic field ``convolve`` is ``ifftn(H * fftn(u))`` and ``correlate`` the same with ``conj(H)``. A
    kernel that is symmetric about its origin has a real `H`: it moves nothing sideways. ``H`` of a propagator is the
    characteristic function of its displacements: 1 at frequency 0, and nowhere larger in magnitude.

    Parameters
    ----------
    kernel : array_like
        Weights, 1 to 3 dimensions, origin at ``shape // 2``. It may be wider than the field; it wraps around.
    shape : int or sequence of int
        Shape of the field.

    Returns
    -------
    ndarray of complex128
        Of that shape, in the order of `numpy.fft.fftn`: frequency 0 comes first. apply ``fftshift`` to display it.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range, or `shape` and `kernel` differ in dimension.

    Examples
    --------
    >>> dc.spectrum.transfer_function([0.25, 0.5, 0.25], 4).real
    array([1. , 0.5, 0. , 0.5])
    """
    kernel = _checks.field("kernel", kernel)
    sizes = _checks.shape("shape", shape)
    if len(sizes) != kernel.ndim:
        raise ValueError(f"shape must have as many axes as kernel ({kernel.ndim}), got {len(sizes)}")
    _checks.fits_memory("shape", 40.0 * math.prod(sizes), "take fewer cells")
    wrapped = np.zeros(sizes)
    places = [(np.arange(width) - width // 2) % size for width, size in zip(kernel.shape, sizes, strict=True)]
    power = _scaling.exponent(kernel)
    np.add.at(wrapped, np.ix_(*places), np.ldexp(kernel.astype(np.float64), -power))
    return _scaling.unscaled("kernel", _fft.fftn(wrapped), power, "the transfer function")


@dataclass(frozen=True)
class FilterKind:
    """What a kernel does to frequencies.

    Attributes
    ----------
    kind : str
        ``"low pass"``, ``"high pass"``, ``"band pass"``, ``"band stop"`` or ``"all pass"``.
    gain_at_zero : float
        What happens to the mean: the sum of the kernel.
    peak_gain : float
        Largest gain, averaged (root mean square) over directions.
    peak_frequency : float
        Where that is, in cycles per cell.
    band : (float, float)
        The frequencies around the peak that pass with at least half its power, in cycles per cell (0 to 0.5).
    """

    kind: str
    gain_at_zero: float
    peak_gain: float
    peak_frequency: float
    band: tuple[float, float]

    def __str__(self) -> str:
        """Return it in one line."""
        low, high = self.band
        return (
            f"{self.kind}: gain {self.gain_at_zero:.3g} for the mean, at most {self.peak_gain:.3g} "
            f"at {self.peak_frequency:.3g} cycles per cell, at least half that power from {low:.3g} to {high:.3g}"
        )


def filter_kind(kernel: ArrayLike) -> FilterKind:
    r"""Classify a kernel by the frequencies it passes: low, high or between.

    The gain :math:`|H|` of `transfer_function` is averaged (root mean square) over rings of equal frequency up to 0.5
    cycles per cell. A frequency *passes* if its power is at least half of the largest (-3 dB). The kernel is a low pass
    if frequency 0 passes and 0.5 does not, a high pass in the opposite case, a band pass if neither passes, and
    if both do an all pass, unless something between is stopped.

    Parameters
    ----------
    kernel : array_like
        Weights, 1 to 3 dimensions, not all 0.

    Returns
    -------
    FilterKind
        A record that prints as one line.

    Raises
    ------
    TypeError, ValueError
        If `kernel` is not a finite real array or is 0 everywhere.

    Examples
    --------
    >>> dc.spectrum.filter_kind([0.25, 0.5, 0.25]).kind
    'low pass'
    >>> print(dc.spectrum.filter_kind([-0.25, 0.5, -0.25]))
    high pass: gain 0 for the mean, at most 1 at 0.5 cycles per cell, at least half that power from 0.318 to 0.5
    """
    kernel = _checks.field("kernel", kernel)
    if not kernel.any():
        raise ValueError("kernel must not be 0 everywhere, got only zeros")
    cells = _CELLS[kernel.ndim]
    power = _scaling.exponent(kernel)
    scaled = np.ldexp(kernel.astype(np.float64), -power)
    profile = _over_rings(np.abs(transfer_function(scaled, (cells,) * kernel.ndim)))
    passed = profile >= _HALF_POWER * profile.max() * (1 - 1e-12)
    peak = int(profile.argmax())
    if passed[0] and passed[-1]:
        kind = "all pass" if passed.all() else "band stop"
    elif passed[0] or passed[-1]:
        kind = "low pass" if passed[0] else "high pass"
    else:
        kind = "band pass"
    stopped = np.flatnonzero(~passed)
    low = stopped[stopped < peak].max(initial=-1) + 1
    high = stopped[stopped > peak].min(initial=profile.size) - 1
    gains = _scaling.unscaled("kernel", np.array([scaled.sum(), profile[peak]]), power, "its gain")
    band = (float(low / cells), float(high / cells))
    return FilterKind(kind, float(gains[0]), float(gains[1]), peak / cells, band)


def _over_rings(gain: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the root mean square of a gain over directions, for every whole frequency up to half the cells."""
    cells, squared = gain.shape[0], np.zeros((1,) * gain.ndim)
    line = np.minimum(np.arange(cells), cells - np.arange(cells)) ** 2
    for axis in range(gain.ndim):
        squared = squared + on_axis(line, axis, gain.ndim)
    ring = np.rint(np.sqrt(squared)).astype(np.int64).ravel()
    power = np.bincount(ring, gain.ravel() ** 2) / np.bincount(ring)
    return np.asarray(np.sqrt(power[: cells // 2 + 1]))
