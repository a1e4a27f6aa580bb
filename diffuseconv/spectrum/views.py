"""Pictures of a spectrum."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft
from diffuseconv._dispatch import for_arrays_of_any_kind
from diffuseconv._typing import Axes

__all__ = ["log_spectrum"]


@for_arrays_of_any_kind()
def log_spectrum(image: ArrayLike, *, axes: Axes = None) -> NDArray[Any]:
    r"""Return the log magnitude of every frequency, with frequency 0 in the centre.

    .. math:: \log(1 + |U[m]|), \qquad U[m] = \sum_j u[j]\, e^{-2\pi i\, m \cdot j / n}

    Parameters
    ----------
    image : array_like
        Real values. An edge that does not match the opposite one shows as a bright cross.
    axes : int or sequence of int, optional
        The spatial axes, all by default; a colour photograph uses ``axes=(0, 1)``.

    Returns
    -------
    ndarray
        Same shape and precision, all values >= 0; frequency 0 at cell ``shape // 2`` of each spatial axis.

    Raises
    ------
    TypeError, ValueError
        If `image` is not a finite real array or `axes` are not its axes.

    Examples
    --------
    A wave with 3 cycles across the image is a pair of dots, 3 cells left and right of the centre.

    >>> x = np.arange(16)
    >>> spectrum = dc.spectrum.log_spectrum(np.cos(2 * np.pi * 3 * x / 16))
    >>> np.flatnonzero(spectrum > 1) - 8
    array([-3,  3])
    """
    image = _checks.summable("image", _checks.array("image", image))
    over = _checks.axes(axes, image.ndim)
    return np.asarray(np.log1p(np.abs(_fft.fftshift(_fft.fftn(image, axes=over), axes=over))))
