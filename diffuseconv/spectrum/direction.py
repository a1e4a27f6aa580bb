"""Directions read off a spectrum: the orientation of a pattern, and the rotation between two pictures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft

__all__ = ["orientation", "rotation_between"]

_LEAST = 16  # cells; below that no ring of frequencies is worth the name
_ANGLES = 720  # to compare two spectra at; the peak is then refined between them
_RING = (2.0, 0.35)  # from 2 cycles per window (the mean lies within) to 0.35 cycles per cell (resampling blurs beyond)


def orientation(image: ArrayLike) -> float:
    r"""Estimate the dominant orientation of an image: the direction of its strongest wave, in degrees.

    The strongest frequency of the tapered image is read off its spectrum and then refined to the maximum of

    .. math:: P(f) = \langle u^2 \rangle_w - \min_{a, b, c}
              \left\langle (u - a - b \cos 2\pi f x - c \sin 2\pi f x)^2 \right\rangle_w

    the spectrum by weighted least squares with a free mean. For a single wave its maximum lies at the true frequency
    exactly: no leakage from the mean, the opposite frequency or the edges shifts it, on any rectangle, at any frequency
    from one wave across the shorter side to half a cycle per cell. (A Hann window `w` keeps the cross-shaped leakage of
    unlike edges away from the first guess.) With white noise of standard deviation `s` on a wave of amplitude `A` the
    error is about :math:`\tfrac{s}{A} \tfrac{85°}{m \sqrt{N}}` for `m` waves across `N` cells.

    Parameters
    ----------
    image : array_like
        Two-dimensional, real, at least 2 cells a side, not constant.

    Returns
    -------
    float
        Angle in [0, 180) of the direction in which the intensity changes most, counter-clockwise on a screen from the
        direction of increasing column. Upright stripes have 0, and level ones 90: stripes themselves run at right
        angles to it.

    Raises
    ------
    TypeError, ValueError
        If `image` is not a finite, real, two-dimensional array that changes somewhere.

    References
    ----------
    .. [1] M. Zechmeister and M. Kürster, "The generalised Lomb-Scargle periodogram", Astronomy & Astrophysics 496
       (2009) 577-584, eq. 5 (one dimension).

    Examples
    --------
    >>> row, column = np.mgrid[:48, :64]
    >>> angle = np.deg2rad(30)
    >>> stripes = np.cos(0.7 * (np.cos(angle) * column - np.sin(angle) * row))
    >>> round(dc.spectrum.orientation(stripes), 3)
    30.0
    """
    import scipy.optimize

    u = _picture("image", image, 2)
    windows = [np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 2 for n in u.shape]
    windows = [window / window.sum() for window in windows]
    weights = np.outer(*windows)
    tapered = weights * (u - (weights * u).sum())
    padded = [_fft.next_fast_len(2 * n, real=True) for n in u.shape]
    strength = np.abs(_fft.rfft2(tapered, padded))
    row, column = np.unravel_index(strength.argmax(), strength.shape)
    guess = np.array([_fft.fftfreq(padded[0])[row], column / padded[1]])
    cell = 1 / np.array(u.shape)

    def unexplained(shift: NDArray[np.float64]) -> float:
        return -_least_squares_power(guess + shift * cell, tapered, windows)

    corners = np.array([(0.0, 0.0), (0.5, 0.0), (0.0, 0.5)])
    shift = scipy.optimize.fmin(unexplained, corners[0], initial_simplex=corners, xtol=1e-5, ftol=np.inf, disp=False)
    frequency = guess + shift * cell
    frequency -= np.rint(frequency)  # beyond half a cycle per cell lies the alias of a wave on the other side
    return float(np.rad2deg(np.arctan2(-frequency[0], frequency[1])) % 180) % 180


def rotation_between(image: ArrayLike, rotated: ArrayLike) -> float:
    r"""Estimate by how many degrees a picture was rotated, from the magnitudes of two spectra.

    Rotating a picture rotates its spectrum; shifting it leaves the magnitudes unchanged. The same round window with a
    soft edge is laid over the middle of both pictures, so that no frame or corner counts, and the square roots of the
    two magnitudes are compared ring by ring:

    .. math:: c(\alpha) = \sum_r r \sum_\theta A_1(r, \theta)\, A_2(r, \theta + \alpha), \qquad
              A = |U|^{1/2} - \text{its mean over the ring}

    for all angles at once by the convolution theorem. The highest point, refined by a parabola, is the angle: within
    0.1° for photographs of 100 cells a side and more, if the same subject lies around the middle at the
    same scale.

    Parameters
    ----------
    image, rotated : array_like
        Two-dimensional, real, at least 16 cells a side, not constant. The shapes may differ; what both share around
        their centres is compared.

    Returns
    -------
    float
        Angle in [0, 180), counter-clockwise on a screen (as in `scipy.ndimage.rotate` and Pillow). Magnitudes do
        not tell it from that angle plus 180; a pattern with a symmetry of its own is ambiguous by that symmetry too.

    Raises
    ------
    TypeError, ValueError
        If an image is not a finite, real, two-dimensional array that changes somewhere.

    References
    ----------
    .. [1] B. S. Reddy and B. N. Chatterji, "An FFT-based technique for translation, rotation, and scale-invariant image
       registration", IEEE Transactions on Image Processing 5 (1996) 1266-1271.

    Examples
    --------
    >>> picture = np.random.default_rng(0).random((64, 80))
    >>> dc.spectrum.rotation_between(picture, np.rot90(picture))
    90.0
    """
    pictures = [_picture("image", image, _LEAST), _picture("rotated", rotated, _LEAST)]
    side = min(n for picture in pictures for n in picture.shape)
    radii = np.arange(_RING[0], _RING[1] * side)
    rings = [_fft.rfft(_rings(picture, side, radii), axis=1) for picture in pictures]
    for name, ring in zip(("image", "rotated"), rings, strict=True):
        if not ring.any():
            raise ValueError(f"{name} must vary around its middle, by 2 waves and more across {side} cells: got none")
    likeness = _fft.irfft((radii[:, None] * rings[1] * rings[0].conj()).sum(axis=0), _ANGLES)
    best = int(likeness.argmax())
    before, at, after = likeness[[best - 1, best, (best + 1) % _ANGLES]]
    curvature = before - 2 * at + after
    offset = (before - after) / (2 * curvature) if curvature < 0 else 0.0
    return float((best + offset) * 180 / _ANGLES % 180) % 180


def _picture(name: str, value: ArrayLike, least: int) -> NDArray[np.float64]:
    """Check a two-dimensional image that varies; return it scaled so that nothing overflows."""
    checked = _checks.field(name, value)
    if checked.ndim != 2:
        raise ValueError(f"{name} must be two-dimensional (average the colours first), got shape {checked.shape}")
    if min(checked.shape) < least:
        raise ValueError(f"{name} must have at least {least} cells a side, got shape {checked.shape}")
    scaled = checked / max(np.abs(checked).max(), np.finfo(np.float64).tiny)
    if not np.ptp(scaled):
        raise ValueError(f"{name} must not be constant (it has no direction), got {checked.flat[0]:g} everywhere")
    return np.asarray(scaled, np.float64)


def _least_squares_power(
    frequency: NDArray[np.float64], tapered: NDArray[np.float64], windows: list[NDArray[np.float64]]
) -> float:
    """Return the variance that one wave of this frequency explains, in a window and with a free mean."""
    waves = [np.exp(-2j * np.pi * f * np.arange(n)) for f, n in zip(frequency, tapered.shape, strict=True)]
    moment = waves[0] @ tapered @ waves[1]
    once = (windows[0] @ waves[0]) * (windows[1] @ waves[1])
    twice = (windows[0] @ waves[0] ** 2) * (windows[1] @ waves[1] ** 2)
    cosine, sine = once.real, -once.imag
    cross = -twice.imag / 2 - cosine * sine
    square = [[0.5 + twice.real / 2 - cosine**2, cross], [cross, 0.5 - twice.real / 2 - sine**2]]
    overlap = np.array([moment.real, -moment.imag])
    return float(overlap @ np.linalg.pinv(square, rcond=1e-9, hermitian=True) @ overlap)


def _rings(picture: NDArray[np.float64], side: int, radii: NDArray[np.float64]) -> NDArray[Any]:
    """Return square roots of the spectrum's magnitudes on rings around frequency 0, less their mean on each ring."""
    import scipy.ndimage

    corner = [(n - side) // 2 for n in picture.shape]
    middle = [(n - 1) / 2 - first for n, first in zip(picture.shape, corner, strict=True)]
    part = picture[corner[0] : corner[0] + side, corner[1] : corner[1] + side]
    distance = np.hypot(np.arange(side)[:, None] - middle[0], np.arange(side) - middle[1])
    window = np.where(2 * distance < side, np.cos(np.pi * distance / side) ** 2, 0.0)
    tapered = window * (part - (window * part).sum() / window.sum())
    size = _fft.next_fast_len(2 * side, real=True)
    root = np.sqrt(np.abs(_fft.fftshift(_fft.fft2(tapered, (size, size)))))
    angle = np.pi * np.arange(_ANGLES) / _ANGLES
    reach = radii[:, None] * size / side
    places = [size // 2 - reach * np.sin(angle), size // 2 + reach * np.cos(angle)]
    rings = scipy.ndimage.map_coordinates(root, places, order=1)
    rounding = np.sqrt(8 * np.finfo(np.float64).eps * np.abs(window * part).sum())  # (roots, as of the spectrum)
    if np.ptp(rings, axis=1).max() <= 2 * rounding:
        return np.zeros_like(rings)
    return np.asarray(rings - rings.mean(axis=1, keepdims=True))
