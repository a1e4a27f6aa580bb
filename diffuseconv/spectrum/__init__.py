r"""Frequencies: filters, orientation and rotation, differentiation and the convolution theorem in the Fourier domain.

Conventions, the same everywhere in this room:

* The transform of an array is :math:`U[m] = \sum_j u[j]\, e^{-2\pi i\, m \cdot j / n}`; its inverse carries the
  :math:`1/N`. The convolution theorem then needs no constant: :math:`\widehat{u * k} = \hat u\,\hat k`.
* A frequency is counted in **cycles per image** along each axis. That is the number of cells from the centre of the
  centred transform, so a circle of radius `r` is a circle in the picture of the spectrum. On an image that is not
  square, the same cycles per image are different cycles per cell along its two sides.
* Pictures of the frequency plane are **centred**: frequency 0 lies at cell ``shape // 2``, as the origin of a kernel
  does. Only `transfer_function` is in the order of `numpy.fft`, ready to be multiplied.
* Angles are in degrees, counter-clockwise as seen on a screen (row 0 on top) from the direction of increasing column.
  They are known modulo 180 only: a real image has the same magnitudes at a frequency and at its opposite.
"""

from diffuseconv.spectrum.differentiation import derivative
from diffuseconv.spectrum.direction import orientation, rotation_between
from diffuseconv.spectrum.frequency_filters import (
    Compression,
    band_pass,
    compression,
    high_pass,
    low_pass,
    radial_window,
)
from diffuseconv.spectrum.painting import Dot, Line, Mask, paint_spectrum
from diffuseconv.spectrum.theorem import (
    ContinuousTheorem,
    DiscreteTheorem,
    continuous_theorem,
    discrete_theorem,
    fourier_transform,
    inverse_fourier_transform,
)
from diffuseconv.spectrum.transfer import FilterKind, filter_kind, transfer_function
from diffuseconv.spectrum.views import log_spectrum

__all__ = [
    "Compression",
    "ContinuousTheorem",
    "DiscreteTheorem",
    "Dot",
    "FilterKind",
    "Line",
    "Mask",
    "band_pass",
    "compression",
    "continuous_theorem",
    "derivative",
    "discrete_theorem",
    "filter_kind",
    "fourier_transform",
    "high_pass",
    "inverse_fourier_transform",
    "log_spectrum",
    "low_pass",
    "orientation",
    "paint_spectrum",
    "radial_window",
    "rotation_between",
    "transfer_function",
]
