"""Fields beyond their walls: indices folded back, and fields continued by any number of cells."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks
from diffuseconv.boundary.records import Name, checked_line, checked_name, record

__all__ = ["extend", "extended", "fold"]

LONG = 1 << 14  # cells of an edge that is not remembered


def fold(index: Any, size: int, boundary: Name) -> tuple[NDArray[np.int64], NDArray[np.int8]]:
    """Fold indices beyond an edge back into the field, as often as needed.

    A field value at index `i` of the unbounded line is ``sign * field[source]``.

    Parameters
    ----------
    index : array_like of int
        Positions on the unbounded line.
    size : int
        Number of cells, at least 1.
    boundary : str or Constant
        A name in `RECORDS`, or a constant.

    Returns
    -------
    source : ndarray of int64
        Index in ``0 .. size - 1``.
    sign : ndarray of int8
        1, or -1 in odd images of an absorbing wall, or 0 where nothing of the field is.

    Examples
    --------
    >>> fold([-2, -1, 0, 1, 2, 3, 4], 3, "absorbing")
    (array([1, 0, 0, 1, 2, 2, 1]), array([-1, -1,  1,  1,  1, -1, -1], dtype=int8))
    """
    return record(boundary).image(*checked_line(index, size))


def _checked(
    field: NDArray[Any], widths: Any, boundary: Any, axes: Any
) -> tuple[list[tuple[int, int]], list[Name], tuple[int, ...]]:
    """Return cells to add before and after, and boundary, of each axis to extend, and these axes, checked."""
    if field.dtype.kind not in "biufc":
        raise TypeError(f"field must hold numbers or booleans, got dtype {field.dtype}")
    which = tuple(range(field.ndim)) if axes is None else _checks.axes(axes, field.ndim, most=field.ndim)
    for name, given in (("widths", widths), ("boundary", boundary)):
        if not isinstance(given, (list, tuple)) or len(given) != len(which):
            raise ValueError(f"{name} must hold one entry for each of the {len(which)} axes, got {_checks.got(given)}")
    pairs = [_checks.per_axis(f"widths[{i}]", pair, 2, _checks.count) for i, pair in enumerate(widths)]
    cells = {axis: float(before + after) for axis, (before, after) in zip(which, pairs, strict=True)}
    total = math.prod(size + cells.get(axis, 0.0) for axis, size in enumerate(field.shape))
    _checks.fits_memory("widths", total * field.itemsize, "fewer cells beyond the edge")
    names = [checked_name(f"boundary[{i}]", name) for i, name in enumerate(boundary)]
    return [(before, after) for before, after in pairs], names, which


def _negative(cells: NDArray[Any], name: Name) -> NDArray[Any]:
    """Return minus the values of cells, which booleans have none of; refuse it in whole numbers that cannot hold it."""
    whole = cells.dtype.kind in "iu"
    if (
        whole
        and cells.size
        and (cells.max() > 0 if cells.dtype.kind == "u" else cells.min() == np.iinfo(cells.dtype).min)
    ):
        raise ValueError(
            f"field must be of a dtype that holds minus its values beyond {name!r} (convert it to floating-point "
            f"numbers), got {cells.dtype}"
        )
    return cells if cells.dtype.kind == "b" else np.negative(cells)


def _constant(name: Name, dtype: np.dtype[Any]) -> Any:
    """Return what stands beyond a wall without images; refuse what a dtype cannot hold."""
    value = record(name).beyond
    with np.errstate(all="ignore"):
        held = np.float64(value).astype(dtype)
    if not (np.isfinite(held) if dtype.kind in "fc" else held == value):
        raise ValueError(f"boundary must be a constant that the field's dtype {dtype} holds, got {value:g}")
    return held


def extend(
    field: NDArray[Any],
    widths: Sequence[tuple[int, int]],
    boundary: Sequence[Name],
    axes: Sequence[int] | None = None,
) -> NDArray[Any]:
    """Continue a field beyond its walls by any number of cells.

    Parameters
    ----------
    field : ndarray
        Any shape.
    widths : sequence of (before, after)
        Cells to add on both sides of each axis in `axes`.
    boundary : sequence of str or Constant
        The boundary of each axis in `axes`.
    axes : sequence of int, optional
        Which axes to extend; all by default.

    Returns
    -------
    ndarray
        A new array of the same dtype; of booleans, images are copies beyond ``"absorbing"`` too.

    Raises
    ------
    TypeError, ValueError
        If an argument does not fit, or whole numbers cannot hold what stands beyond a wall.

    Examples
    --------
    >>> extend(np.array([1.0, 2.0, 3.0]), [(2, 1)], ["reflecting"])
    array([2., 1., 1., 2., 3., 3.])
    """
    field = _checks.plain("field", field, empty=True)
    return extended(field, *_checked(field, widths, boundary, axes))


def extended(
    field: NDArray[Any], widths: Sequence[tuple[int, int]], names: Sequence[Name], axes: Sequence[int]
) -> NDArray[Any]:
    """Do what `extend` does, where all arguments are known to fit: most of the time of small fields goes to checks."""
    sides = list(zip(axes, widths, names, strict=True))
    shape, inside = list(field.shape), [slice(None)] * field.ndim
    for axis, (before, after), _ in sides:
        shape[axis] += before + after
        inside[axis] = slice(before, before + field.shape[axis])
    wide = np.empty(shape, field.dtype)
    wide[tuple(inside)] = field
    for axis, (before, after), name in sides:  # edges, from all that is already there
        size = field.shape[axis]
        there = wide[tuple(inside)]
        for start, stop in ((-before, 0), (size, size + after)):
            if start == stop:
                continue
            remembered = _edge if stop - start < LONG else _edge.__wrapped__
            source, turned, beyond = remembered(start, stop, size, name)
            before_it: tuple[Any, ...] = (slice(None),) * axis
            edge = there[(*before_it, source)]  # (take would first copy all that is there)
            if turned is not None:
                edge[(*before_it, turned)] = _negative(edge[(*before_it, turned)], name)
            if beyond is not None:  # put, not multiplied: NaN may stand there
                edge[(*before_it, beyond)] = _constant(name, field.dtype)
            inside[axis] = slice(before + start, before + stop)
            wide[tuple(inside)] = edge
        inside[axis] = slice(None)
    return wide


@functools.lru_cache(maxsize=64)
def _edge(
    start: int, stop: int, size: int, name: Name
) -> tuple[NDArray[np.int64] | slice, NDArray[np.bool_] | None, NDArray[np.bool_] | None]:
    """Return which cell stands at each place of an edge, and at which places it is turned, or nothing stands.

    Cells in a row are a slice, which is copied in a third of the time; it is a view, so nothing may be put there.
    """
    source, sign = fold(np.arange(start, stop), size, name)
    turned, beyond = sign < 0, sign == 0
    if (sign > 0).all():
        for step in (1, -1):
            if (np.diff(source) == step).all():
                last = int(source[-1]) + step
                return slice(int(source[0]), last if last >= 0 else None, step), None, None
    return source, turned if turned.any() else None, beyond if beyond.any() else None
