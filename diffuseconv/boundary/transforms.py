"""The modes between two walls: eigenvectors of the nearest-neighbour Laplacian, and the transforms into them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeGuard

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks, _fft, _scaling
from diffuseconv.boundary.records import PAIRS, Modes, Walls, checked_name, record

__all__ = ["basis", "eigenvalues", "frequencies", "halved_axis", "inverse_transform", "transform"]


def _is_pair(walls: Any) -> TypeGuard[tuple[str, str]]:
    """Return whether this is one of the pairs of different walls."""
    return isinstance(walls, tuple) and all(isinstance(side, str) for side in walls) and walls in PAIRS


def _of(walls: Walls) -> Modes:
    """Return the modes between the walls of an axis."""
    return PAIRS[walls] if _is_pair(walls) else record(walls).modes  # type: ignore[arg-type]


def _modes(size: int, boundary: Walls) -> Modes:
    """Return the modes of a line of so many cells, checked."""
    _checks.fits_memory("size", 32.0 * _checks.count("size", size, least=1), "fewer cells")
    return _of(boundary)


def eigenvalues(size: int, boundary: Walls) -> NDArray[np.float64]:
    r"""Return the eigenvalues of minus the nearest-neighbour Laplacian on a line of cells one unit wide.

    .. math:: \lambda_k = 4 \sin^2(\theta_k / 2)

    with :math:`\theta_k = \pi k/n` (reflecting), :math:`2\pi k/n` (periodic), :math:`\pi (k+1)/n` (absorbing),
    :math:`\pi (k+1)/(n+1)` (zero) and :math:`\pi (k+1/2)/n` (absorbing on one side, reflecting on the other), in the
    order of `transform`.

    Parameters
    ----------
    size : int
        Number of cells `n`.
    boundary : str or (str, str)
        One of `NAMES`, or of `PAIRS`.

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
    modes = _modes(size, boundary)
    return np.asarray(4 * np.sin(np.pi * modes.waves(size) / modes.period(size)) ** 2)


def frequencies(size: int, boundary: Walls) -> NDArray[np.float64]:
    """Return the cycles that each mode makes on a line of so many cells, in the order of `transform`.

    Examples
    --------
    >>> frequencies(4, "periodic"), frequencies(4, "reflecting")
    (array([0., 1., 2., 1.]), array([0. , 0.5, 1. , 1.5]))
    """
    modes = _modes(size, boundary)
    return np.asarray(modes.waves(size) * size / modes.period(size))


def basis(size: int, boundary: Walls, count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the slowest modes of a line in orthonormal rows, and which of the modes of `transform` they are.

    Parameters
    ----------
    size : int
        Number of cells.
    boundary : str or (str, str)
        A name in `RECORDS`, or one of `PAIRS`.
    count : int
        Number of modes, at most `size`.

    Returns
    -------
    rows : ndarray of float64, shape (count, size)
        The modes, the slowest first.
    order : ndarray of int, shape (count,)
        Their places in the order of `eigenvalues`.

    Examples
    --------
    >>> rows, order = basis(3, "reflecting", 2)
    >>> bool(np.allclose(rows @ rows.T, np.eye(2), atol=1e-15)), order
    (True, array([0, 1]))
    """
    modes = _modes(size, boundary)
    count = _checks.count("count", count, most=size)
    _checks.fits_memory("count", 32.0 * count * size, "fewer modes")
    waves, circle = modes.waves(size), 2 * modes.period(size)
    order = np.argsort(waves, kind="stable")[:count]
    slow = waves[order]
    sine = np.append(False, slow[1:] == slow[:-1]) | modes.sine
    # whole parts of a circle keep the angles exact, however large they are
    angles = 2 * np.pi / circle * np.arange(circle)
    table = np.stack([np.cos(angles), np.sin(angles)])
    rows = table[sine[:, None].astype(int), np.multiply.outer(slow, 2 * np.arange(size) + modes.offset) % circle]
    return rows / np.sqrt((rows * rows).sum(axis=1, keepdims=True)), order


def halved_axis(boundary: Sequence[Walls]) -> int | None:
    """Return the axis of which `transform` keeps the first ``n // 2 + 1`` modes if the field is real, or None."""
    if not isinstance(boundary, (list, tuple)):
        raise TypeError(f"boundary must be a sequence with one name for each axis, got {_checks.got(boundary)}")
    return max((axis for axis, name in enumerate(boundary) if _kind(name) == "dft"), default=None)


def _kind(boundary: Walls) -> str | None:
    """Return the name of a boundary's transform."""
    named = _of(boundary).transform
    return None if named is None else named[0]


def _along(field: NDArray[Any], axis: int, boundary: Walls, inverse: bool, **options: Any) -> NDArray[Any]:
    """Transform one axis that is not part of the DFT."""
    named = _of(boundary).transform
    if named is not None:
        kind, number = named
        if kind == "dct" and number == 1 and field.shape[axis] == 1:  # scipy.fft has none of one cell
            return field
        apply = getattr(_fft, "i" + kind if inverse else kind)
        return np.asarray(apply(field, type=number, axis=axis, **options))
    size = field.shape[axis]
    rows, order = basis(size, boundary, size)
    matrix = rows[np.argsort(order)].astype(field.real.dtype)
    return np.moveaxis(np.tensordot(matrix.T if inverse else matrix, field, (1, axis)), 0, axis)


def _walls(name: str, field: Any, boundary: Any) -> tuple[Walls, ...]:
    """Return the walls of each of the leading axes of a field, checked."""
    if _checks.plain(name, field).dtype.kind not in "iufc":
        raise TypeError(f"{name} must hold numbers, got dtype {np.asarray(field).dtype}")
    if not isinstance(boundary, (list, tuple)) or not 1 <= len(boundary) <= np.ndim(field):
        raise ValueError(f"boundary must be a sequence with one name for each axis, got {_checks.got(boundary)}")
    return tuple(
        walls if _is_pair(walls) else checked_name(f"boundary[{axis}]", walls) for axis, walls in enumerate(boundary)
    )


def _threads(workers: Any) -> int | None:
    """Return a number of threads, checked; None for the default of `scipy.fft`."""
    return None if workers is None else _checks.count("workers", workers, least=1, most=1 << 16)


def transform(
    field: NDArray[Any],
    boundary: Sequence[Walls],
    workers: int | None = None,
    norm: str | None = None,
    *,
    overwrite: bool = False,
) -> NDArray[Any]:
    """Expand a field in the eigenmodes of the Laplacian with these walls.

    Cosine or sine transforms along walled axes, then a DFT over all periodic axes. For a real field the last of them
    is only ``n // 2 + 1`` long (see `halved_axis`).

    Parameters
    ----------
    field : ndarray of float or complex
        1 to 3 dimensions.
    boundary : sequence of str or (str, str)
        One name, or one of `PAIRS`, for each axis.
    workers : int, optional
        Threads for `scipy.fft`.
    norm : {None, "ortho"}
        ``"ortho"`` for modes of length 1.
    overwrite : bool, default False
        Whether the field may be overwritten, which saves an array of its size.

    Returns
    -------
    ndarray
        Mode amplitudes; complex if an axis is periodic or the field is. The dtype keeps the precision of `field`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what is described above.
    """
    boundary = _walls("field", field, boundary)
    if norm is not None:
        _checks.choice("norm (if not None)", norm, ("ortho",))
    given, overwrite = np.asarray(field), _checks.flag("overwrite", overwrite)
    expanded = partial(_expand, boundary=boundary, workers=_threads(workers), norm=norm)
    if overwrite:
        return expanded(given, overwrite=True)
    return _in_range("field", given, expanded, "its modes")


def _expand(given: NDArray[Any], boundary: Sequence[Walls], *, overwrite: bool = False, **options: Any) -> NDArray[Any]:
    """Return the amplitudes of a field's modes."""
    modes = given
    for axis, name in enumerate(boundary):
        if _kind(name) != "dft":
            modes = _along(modes, axis, name, inverse=False, overwrite_x=overwrite or modes is not given, **options)
    joint = [axis for axis, name in enumerate(boundary) if _kind(name) == "dft"]
    if not joint:
        return modes
    forward: Any = _fft.fftn if np.iscomplexobj(modes) else _fft.rfftn
    return np.asarray(forward(modes, axes=joint, overwrite_x=overwrite or modes is not given, **options))


def _in_range(name: str, given: NDArray[Any], apply: Callable[[NDArray[Any]], NDArray[Any]], what: str) -> NDArray[Any]:
    """Apply a linear transform, to numbers of size 1 at most if it overflows; refuse what the result cannot hold."""
    with np.errstate(over="ignore", invalid="ignore"):
        result = apply(given)
        if _checks.is_finite(result) or not _checks.is_finite(given):
            return result
        power = _scaling.exponent(given)
        return _scaling.unscaled(name, apply(_scaling.times_power(given, -power)), power, what)


def _shape_of(modes: NDArray[Any], shape: Any, transformed: int, halved: int | None) -> tuple[int, ...]:
    """Return the shape of the field that these modes make up (at least along the transformed axes), checked."""
    given = len(shape) if isinstance(shape, (list, tuple)) and len(shape) > transformed else transformed
    sides = _checks.per_axis("shape", shape, given, lambda name, n: _checks.count(name, n, least=1))
    kept = tuple(n // 2 + 1 if axis == halved else n for axis, n in enumerate(sides))
    if kept != modes.shape[:given]:
        raise ValueError(f"shape must be that of a field of {kept} modes, got {sides} for modes of shape {modes.shape}")
    return sides


def inverse_transform(
    modes: NDArray[Any],
    shape: Sequence[int],
    boundary: Sequence[Walls],
    workers: int | None = None,
    *,
    real: bool = True,
    overwrite: bool = False,
) -> NDArray[Any]:
    """Sum up the eigenmodes: the inverse of `transform` without `norm`.

    Parameters
    ----------
    modes : ndarray
        As from `transform`.
    shape : sequence of int
        The field's shape, at least along the axes of `boundary`: real fields have fewer modes than cells along one.
    boundary : sequence of str or (str, str)
        One name, or one of `PAIRS`, for each axis.
    workers : int, optional
        Threads for `scipy.fft`.
    real : bool, default True
        Whether the field is real.
    overwrite : bool, default False
        Whether the modes may be overwritten, which saves an array of their size.

    Returns
    -------
    ndarray
        The field, in the precision of `modes`.

    Raises
    ------
    TypeError, ValueError
        If an argument is not what is described above, or `shape` does not belong to these modes.
    """
    boundary, workers = _walls("modes", modes, boundary), _threads(workers)
    given, real, overwrite = np.asarray(modes), _checks.flag("real", real), _checks.flag("overwrite", overwrite)
    joint = [axis for axis, name in enumerate(boundary) if _kind(name) == "dft"]
    shape = _shape_of(given, shape, len(boundary), joint[-1] if joint and real else None)
    summed = partial(_sum_up, shape=shape, boundary=boundary, workers=workers, real=real)
    if overwrite:
        return summed(given, overwrite=True)
    return _in_range("modes", given, summed, "the field")


def _sum_up(
    given: NDArray[Any],
    shape: tuple[int, ...],
    boundary: Sequence[Walls],
    workers: int | None,
    real: bool,
    *,
    overwrite: bool = False,
) -> NDArray[Any]:
    """Return the field that modes make up."""
    field = given
    joint = [axis for axis, name in enumerate(boundary) if _kind(name) == "dft"]
    others = joint[:-1] if real else joint  # one by one: `scipy.fft.irfftn` would hold another array of this size
    if others:
        field = _fft.ifftn(field, axes=others, workers=workers, overwrite_x=overwrite)
    if joint and real:
        field = _fft.irfft(field, shape[joint[-1]], axis=joint[-1], workers=workers)
    for axis, name in enumerate(boundary):
        if _kind(name) != "dft":
            spare = overwrite or field is not given
            field = _along(field, axis, name, inverse=True, workers=workers, overwrite_x=spare)
    return field
