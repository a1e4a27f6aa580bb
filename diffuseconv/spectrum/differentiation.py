"""Differentiation is a product in the frequency plane, as convolution is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _fft, _scaling
from diffuseconv import boundary as _boundary
from diffuseconv._axes import on_axis

__all__ = ["derivative"]

_POWERS_OF_I = (1, 1j, -1, -1j)


def derivative(
    field: ArrayLike, order: int = 1, axis: int = 0, spacing: float = 1.0, *, boundary: str = "periodic"
) -> NDArray[Any]:
    r"""Differentiate a field by multiplying its Fourier transform by powers of :math:`ik`.

    .. math:: \widehat{\partial^p u}(k) = (i k)^p\, \hat u(k), \qquad k = 2\pi m / (n \Delta x)

    Exact for every mode that the grid can hold, so the error of a smooth field falls faster than any power of
    :math:`\Delta x`. Rounding is amplified by at most :math:`(\pi/\Delta x)^p`. With an even number of cells the
    sawtooth ``+ - + -`` has no defined direction of travel; its odd derivatives are zero on the grid, and so is what is
    returned for it.

    Parameters
    ----------
    field : array_like
        Values at the cell centres.
    order : int
        How often to differentiate; 0 returns a copy.
    axis : int
        Along which axis.
    spacing : float
        Cell width, in length.
    boundary : {'periodic', 'reflecting', 'absorbing'}
        How the field goes on beyond its walls. ``"reflecting"`` continues it evenly (a cosine series), right where the
        slope vanishes on the wall; ``"absorbing"`` oddly (a sine series), right where the value does. A field that does
        not fit its wall has a jump or a kink there, and the result rings (Gibbs): a jump in the p-th derivative of the
        continued field leaves an error of order one at the wall that fades like the inverse distance from it.
        ``"zero"`` is refused: a field that is cut off has no derivative at the cut.

    Returns
    -------
    ndarray
        Same shape and precision as `field`, in field units per length**order.

    Raises
    ------
    TypeError, ValueError
        If an argument is out of its range.

    References
    ----------
    .. [1] L. N. Trefethen, *Spectral Methods in MATLAB* (2000), chapter 3.

    Examples
    --------
    >>> x = 2 * np.pi * np.arange(16) / 16
    >>> slope = dc.spectrum.derivative(np.sin(3 * x), spacing=x[1])
    >>> bool(np.allclose(slope, 3 * np.cos(3 * x), atol=1e-13))
    True
    """
    field = _checks.summable("field", _checks.field("field", field))
    order = _checks.count("order", order)
    axis = _checks.count("axis", axis, least=-field.ndim, most=field.ndim - 1) % field.ndim
    spacing = _checks.length("spacing", spacing)
    boundary = _checks.choice("boundary", boundary, _repeating())
    if order == 0:
        return field.copy()
    cells = field.shape[axis]
    period = _boundary.RECORDS[boundary].period
    if period is not None and period(cells) > cells:  # one whole period of the even or odd continuation
        field = _boundary.extend(field, [(0, period(cells) - cells)], [boundary], [axis])
    factor = _factor(field.shape[axis], order, spacing, field.dtype)
    if not np.isfinite(factor).all():
        raise ValueError(f"order must leave (pi / spacing)**order representable in {field.dtype}, got {order}")
    factor = on_axis(factor, axis, field.ndim)
    power = _scaling.exponent(field)
    with np.errstate(over="ignore", invalid="ignore"):
        modes = _fft.rfft(np.ldexp(field, -power), axis=axis) * factor
        slope = _fft.irfft(modes, n=field.shape[axis], axis=axis)
    slope = _scaling.unscaled("field", slope, power, "its derivative")
    return np.ascontiguousarray(slope[(slice(None),) * axis + (slice(cells),)])


def _repeating() -> list[str]:
    """Return the boundaries that continue a field for ever, the default first."""
    walls = [wall for wall in _boundary.RECORDS.values() if wall.period and wall.physical]
    return [wall.name for wall in sorted(walls, key=lambda wall: not wall.joined)]


def _factor(size: int, order: int, spacing: float, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the multiplier (ik)**order of every mode of a real transform."""
    with np.errstate(over="ignore", invalid="ignore"):
        wave_number = 2 * np.pi * np.arange(size // 2 + 1) / (size * spacing)
        # odd orders make the sawtooth imaginary, which the real inverse transform drops
        factor = _POWERS_OF_I[order % 4] * wave_number**order
        return factor.astype(np.result_type(dtype, np.complex64))
