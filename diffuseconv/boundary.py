"""What happens at a wall: folding, signs, transforms and lattice eigenvalues for every boundary.

=============== ========================== ================================= =========
name            meaning for salt           values beyond the edge            transform
=============== ========================== ================================= =========
``reflecting``  glass wall, no flux        ``d c b a | a b c d | d c b a``   DCT-II
``periodic``    leaves here, enters there  ``a b c d | a b c d | a b c d``   DFT
``absorbing``   held at 0 on the wall      ``-d -c -b -a | a b c d | -d -c`` DST-II
``zero``        nothing outside            ``0 0 0 0 | a b c d | 0 0 0 0``   DST-I
=============== ========================== ================================= =========

The transform is the one whose modes are eigenvectors of the nearest-neighbour Laplacian with that wall.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks

__all__ = ["NAMES", "eigenvalues", "extend", "fold", "inverse_transform", "per_axis", "transform"]

NAMES = ("reflecting", "periodic", "absorbing", "zero")
_COSINE_OR_SINE = {"reflecting": ("dct", 2), "absorbing": ("dst", 2), "zero": ("dst", 1)}


def per_axis(boundary: str | Sequence[str], ndim: int) -> tuple[str, ...]:
    """Return the boundary of each axis, checked.

    Parameters
    ----------
    boundary : str or sequence of str
        One of `NAMES` for all axes, or one for each axis.
    ndim : int
        Number of axes.

    Returns
    -------
    tuple of str
        `ndim` names.

    Raises
    ------
    ValueError
        If a name is unknown or their number is not `ndim`.

    Examples
    --------
    >>> per_axis("periodic", 2)
    ('periodic', 'periodic')
    """
    return _checks.per_axis("boundary", boundary, ndim, lambda name, value: _checks.choice(name, value, NAMES))


def fold(index: Any, size: int, boundary: str) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Bring indices beyond an edge back into the field, as often as needed.

    A field value at index `i` of the unbounded line is ``sign * field[source]``.

    Parameters
    ----------
    index : array_like of int
        Positions on the unbounded line.
    size : int
        Number of cells, at least 1.
    boundary : str
        One of `NAMES`.

    Returns
    -------
    source : ndarray of int64
        Index in ``0 .. size - 1``.
    sign : ndarray of int8
        1, or -1 in odd images of an absorbing wall, or 0 beyond a zero wall.

    Examples
    --------
    >>> fold([-2, -1, 0, 1, 2, 3, 4], 3, "absorbing")
    (array([1, 0, 0, 1, 2, 2, 1]), array([-1, -1,  1,  1,  1, -1, -1], dtype=int8))
    """
    index = np.asarray(index, dtype=np.int64)
    sign = np.ones(index.shape, dtype=np.int8)
    if boundary == "periodic":
        return index % size, sign
    if boundary == "zero":
        sign[(index < 0) | (index >= size)] = 0
        return np.clip(index, 0, size - 1), sign
    source = index % (2 * size)
    mirrored = source >= size
    source = np.where(mirrored, 2 * size - 1 - source, source)
    if boundary == "absorbing":
        sign[mirrored] = -1
    return source, sign


def extend(
    field: NDArray[Any],
    widths: Sequence[tuple[int, int]],
    boundary: Sequence[str],
    axes: Sequence[int] | None = None,
) -> NDArray[Any]:
    """Continue a field beyond its walls by any number of cells.

    Parameters
    ----------
    field : ndarray
        Any shape.
    widths : sequence of (before, after)
        Cells to add on both sides of each axis in `axes`.
    boundary : sequence of str
        The boundary of each axis in `axes`.
    axes : sequence of int, optional
        Which axes to extend; all by default.

    Returns
    -------
    ndarray
        A new array of the same dtype.

    Examples
    --------
    >>> extend(np.array([1.0, 2.0, 3.0]), [(2, 1)], ["reflecting"])
    array([2., 1., 1., 2., 3., 3.])
    """
    which = list(zip(axes or range(field.ndim), widths, boundary, strict=True))
    shape, inside = list(field.shape), [slice(None)] * field.ndim
    for axis, (before, after), _ in which:
        shape[axis] += before + after
        inside[axis] = slice(before, before + field.shape[axis])
    extended = np.empty(shape, field.dtype)
    extended[tuple(inside)] = field
    for axis, (before, after), name in which:  # the edges alone, from all that is already there
        size = field.shape[axis]
        there = extended[tuple(inside)]
        for start, stop in ((-before, 0), (size, size + after)):
            source, sign = fold(np.arange(start, stop), size, name)
            edge = there[(slice(None),) * axis + (source,)]  # (take would first copy all that is there)
            if name in ("absorbing", "zero"):
                edge *= sign.astype(field.dtype).reshape([-1 if a == axis else 1 for a in range(field.ndim)])
            inside[axis] = slice(before + start, before + stop)
            extended[tuple(inside)] = edge
        inside[axis] = slice(None)
    return extended


def eigenvalues(size: int, boundary: str) -> NDArray[np.float64]:
    r"""Eigenvalues of minus the nearest-neighbour Laplacian on a line of cells one unit wide.

    .. math:: \lambda_k = 4 \sin^2(\theta_k / 2)

    with :math:`\theta_k = \pi k/n` (reflecting), :math:`2\pi k/n` (periodic), :math:`\pi (k+1)/n` (absorbing) and
    :math:`\pi (k+1)/(n+1)` (zero), in the order of `transform`.

    Parameters
    ----------
    size : int
        Number of cells `n`.
    boundary : str
        One of `NAMES`.

    Returns
    -------
    ndarray of float64
        `size` values between 0 and 4. Divide by the squared spacing for other units.

    References
    ----------
    .. [1] G. Strang, "The discrete cosine transform", SIAM Review 41 (1999) 135-147.

    Examples
    --------
    >>> eigenvalues(4, "periodic")
    array([0., 2., 4., 2.])
    """
    k = np.arange(size)
    if boundary == "periodic":
        half_angle = np.pi * np.minimum(k, size - k) / size
    elif boundary == "reflecting":
        half_angle = np.pi * k / (2 * size)
    elif boundary == "absorbing":
        half_angle = np.pi * (k + 1) / (2 * size)
    else:
        half_angle = np.pi * (k + 1) / (2 * (size + 1))
    return np.asarray(4 * np.sin(half_angle) ** 2)


def transform(field: NDArray[Any], boundary: Sequence[str], workers: int | None = None) -> NDArray[Any]:
    """Expand a field in the eigenmodes of the Laplacian with these walls.

    Cosine or sine transforms along walled axes, then a DFT over all periodic axes. For a real field the last of them
    is only ``n // 2 + 1`` long.

    Parameters
    ----------
    field : ndarray of float or complex
        1 to 3 dimensions.
    boundary : sequence of str
        One name for each axis.
    workers : int, optional
        Threads for `scipy.fft`.

    Returns
    -------
    ndarray
        Mode amplitudes; complex if an axis is periodic or the field is. The dtype keeps the precision of `field`.
    """
    import scipy.fft

    modes = field
    for axis, name in enumerate(boundary):
        if name != "periodic":
            kind, number = _COSINE_OR_SINE[name]
            modes = getattr(scipy.fft, kind)(modes, type=number, axis=axis, workers=workers)
    periodic = [axis for axis, name in enumerate(boundary) if name == "periodic"]
    if not periodic:
        return modes
    if np.iscomplexobj(modes):
        return scipy.fft.fftn(modes, axes=periodic, workers=workers)
    return scipy.fft.rfftn(modes, axes=periodic, workers=workers)


def inverse_transform(
    modes: NDArray[Any],
    shape: Sequence[int],
    boundary: Sequence[str],
    workers: int | None = None,
    *,
    real: bool = True,
) -> NDArray[Any]:
    """Sum the eigenmodes up again: the inverse of `transform` for a field of this shape, `real` or complex."""
    import scipy.fft

    field = modes
    periodic = [axis for axis, name in enumerate(boundary) if name == "periodic"]
    if periodic and not real:
        field = scipy.fft.ifftn(field, axes=periodic, workers=workers)
    elif periodic:
        sizes = [shape[axis] for axis in periodic]
        field = scipy.fft.irfftn(field, s=sizes, axes=periodic, workers=workers)
    for axis, name in enumerate(boundary):
        if name != "periodic":
            kind, number = _COSINE_OR_SINE[name]
            field = getattr(scipy.fft, "i" + kind)(field, type=number, axis=axis, workers=workers)
    return field
