"""What each name of a boundary means: one record of its images and its modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks, _other_names

__all__ = [
    "NAMES",
    "PAIRS",
    "RECORDS",
    "Boundary",
    "Constant",
    "Modes",
    "Name",
    "Names",
    "Walls",
    "checked_line",
    "checked_name",
    "copies",
    "images_per_axis",
    "per_axis",
    "record",
]

Index = NDArray[np.int64]


@dataclass(frozen=True)
class Modes:
    r"""The waves that fit between two walls: :math:`\cos` or :math:`\sin` of :math:`\pi w (2j + c) / P` at cell `j`.

    Parameters
    ----------
    period : callable
        `P`, in cells, for a line of so many cells.
    waves : callable
        The wave numbers `w` for a line of so many cells, in the order of the transform. Of two equal ones the first
        is a cosine and the second a sine.
    sine : bool
        Whether the modes are sines.
    offset : int
        `c`: 1 where the wall lies half a cell before the first cell's centre, 2 where it lies a whole cell before it.
    transform : (str, int) or None
        Name and type of the transform in `scipy.fft` (``("dft", 1)`` for all such axes at once); None for a product
        with the matrix of `basis`.
    orthogonal : bool
        Whether the modes are orthogonal in the plain sum over cells.
    """

    period: Callable[[int], int]
    waves: Callable[[int], Index]
    sine: bool = False
    offset: int = 0
    transform: tuple[str, int] | None = None
    orthogonal: bool = True


@dataclass(frozen=True)
class Boundary:
    """All that the name of a boundary means.

    Parameters
    ----------
    name : str
        What users call it.
    image : callable
        ``image(index, size) -> (source, sign)``: the cell that a cell beyond the edge repeats, and its sign, 0 where
        nothing is.
    period : callable or None
        Cells after which the continued field repeats, for a line of so many cells; None if it never does.
    ghost : float
        The first cell beyond the edge, over the edge cell (or, where the axis is joined, over the cell at the other
        end): an edge cell of diffusivity D loses ``(1 - ghost) D / spacing**2``. NaN if they are in no proportion.
    modes : Modes
        The eigenvectors of the nearest-neighbour Laplacian.
    joined : bool
        Whether the two ends of the axis are neighbours.
    physical : bool
        Whether it is a wall of a tank; all others only continue a field.
    beyond : float
        The value where nothing of the field is.
    """

    name: str
    image: Callable[[Index, int], tuple[Index, NDArray[np.int8]]]
    period: Callable[[int], int] | None
    ghost: float
    modes: Modes
    joined: bool = False
    physical: bool = True
    beyond: float = 0.0

    @property
    def sign(self) -> int:
        """The sign of the first image: 1, -1, or 0 if there is none."""
        return int(self.image(np.array([1]), 1)[1][0])


def checked_line(index: Any, size: int) -> tuple[Index, int]:
    """Return indices on a line of so many cells, and their number, checked."""
    index = _checks.plain("index", index, empty=True)
    if index.dtype.kind not in "iu":
        raise TypeError(f"index must hold whole numbers, got dtype {index.dtype}")
    if index.dtype == np.uint64 and index.max(initial=0) >= 2**63:
        raise ValueError(f"index must be less than 2**63, got {index.max()}")
    return np.asarray(index, dtype=np.int64), _checks.count("size", size, least=1, most=2**61)


def copies(index: Index, size: int, *, mirrored: bool, sign: int) -> tuple[Index, NDArray[np.int8]]:
    """Continue a line by copies of itself, every second one `mirrored` on the face and multiplied by `sign`."""
    index, size = checked_line(index, size)
    mirrored, sign = _checks.flag("mirrored", mirrored), _checks.count("sign", sign, least=-1, most=1)
    number, source = np.divmod(index, size)
    odd = number % 2 == 1
    return np.where(odd & mirrored, size - 1 - source, source), np.where(odd, sign, 1).astype(np.int8)


def _no_image(index: Index, size: int) -> tuple[Index, NDArray[np.int8]]:
    """Continue a line by nothing."""
    source = np.clip(index, 0, size - 1)
    return source, (source == index).astype(np.int8)


def _whole_sample_images(index: Index, size: int) -> tuple[Index, NDArray[np.int8]]:
    """Continue a line by mirror images about the centres of its edge cells."""
    source = index % _whole_sample_period(size)
    return np.where(source < size, source, _whole_sample_period(size) - source), np.ones(index.shape, np.int8)


def _nearest_cells(index: Index, size: int) -> tuple[Index, NDArray[np.int8]]:
    """Continue a line by its edge cells."""
    return np.clip(index, 0, size - 1), np.ones(index.shape, np.int8)


def _whole_sample_period(size: int) -> int:
    return max(2 * (size - 1), 1)


def _size(size: int) -> int:
    return size


def _double(size: int) -> int:
    return 2 * size


_COSINES = Modes(_double, np.arange, offset=1, transform=("dct", 2))

RECORDS = {
    boundary.name: boundary
    for boundary in (
        Boundary(
            "reflecting",
            partial(copies, mirrored=True, sign=1),
            _double,
            1.0,
            _COSINES,
        ),
        Boundary(
            "periodic",
            partial(copies, mirrored=False, sign=1),
            _size,
            1.0,
            Modes(_size, lambda n: np.minimum(np.arange(n), n - np.arange(n)), transform=("dft", 1)),
            joined=True,
        ),
        Boundary(
            "absorbing",
            partial(copies, mirrored=True, sign=-1),
            _double,
            -1.0,
            Modes(_double, lambda n: np.arange(1, n + 1), sine=True, offset=1, transform=("dst", 2)),
        ),
        Boundary(
            "zero",
            _no_image,
            None,
            0.0,
            Modes(lambda n: 2 * (n + 1), lambda n: np.arange(1, n + 1), sine=True, offset=2, transform=("dst", 1)),
        ),
        Boundary(
            "mirror",
            _whole_sample_images,
            _whole_sample_period,
            math.nan,
            Modes(_whole_sample_period, np.arange, transform=("dct", 1), orthogonal=False),
            physical=False,
        ),
        Boundary("nearest", _nearest_cells, None, 1.0, _COSINES, physical=False),
    )
}
NAMES = tuple(name for name, boundary in RECORDS.items() if boundary.physical)


def _four_times(size: int) -> int:
    return 4 * size


def _odd_numbers(size: int) -> Index:
    return 2 * np.arange(size) + 1


PAIRS = {  # modes of an axis whose low and high side differ
    ("absorbing", "reflecting"): Modes(_four_times, _odd_numbers, sine=True, offset=1, transform=("dst", 4)),
    ("reflecting", "absorbing"): Modes(_four_times, _odd_numbers, offset=1, transform=("dct", 4)),
}


@dataclass(frozen=True)
class Constant:
    """A boundary of images: one value stands in all cells beyond the edge, as in ``mode="constant"`` of SciPy.

    Parameters
    ----------
    value : number
        What stands there. ``Constant(0)`` is ``"zero"``.

    Raises
    ------
    TypeError, ValueError
        If the value is not a finite number.

    Examples
    --------
    >>> dc.convolve([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], boundary=dc.Constant(10.0))
    array([13.,  6., 15.])
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _checks.number("Constant value", self.value))


Name: TypeAlias = str | Constant
Names: TypeAlias = Name | Sequence[Name]  # for all axes, or one for each
Walls: TypeAlias = Name | tuple[str, str]  # of an axis: one for both sides, or one of `PAIRS`


def record(boundary: Name) -> Boundary:
    """Return the record of a boundary.

    Examples
    --------
    >>> record("absorbing").sign, record(Constant(2.0)).beyond
    (-1, 2.0)
    """
    boundary = checked_name("boundary", boundary)
    if isinstance(boundary, str):
        return RECORDS[boundary]
    return replace(RECORDS["zero"], name=repr(boundary), physical=False, beyond=boundary.value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def checked_name(name: str, value: Any) -> Name:
    """Return one name in `RECORDS` or a constant, checked."""
    if isinstance(value, Constant) or (isinstance(value, str) and value in RECORDS):
        checked: Name = value
        return checked
    rule = f"{name} must be one of {_listed(RECORDS)} or Constant(value)"
    raise ValueError(f"{rule}, got {_checks.got(value)}{_other_names.hint(value, RECORDS)}")


def images_per_axis(boundary: Names, ndim: int) -> tuple[Name, ...]:
    """Return what continues each axis, checked, for verbs that only read a field beyond its edge.

    Parameters
    ----------
    boundary : str, Constant, or sequence of them
        A name in `RECORDS` or a constant for all axes, or one for each axis.
    ndim : int
        Number of axes.

    Returns
    -------
    tuple of str or Constant
        `ndim` entries.

    Raises
    ------
    ValueError
        If a name is unknown or their number is not `ndim`.

    Examples
    --------
    >>> images_per_axis(("mirror", Constant(1.0)), 2)
    ('mirror', Constant(value=1.0))
    """
    return _checks.per_axis("boundary", boundary, _checks.count("ndim", ndim, most=64), checked_name)


def per_axis(boundary: str | Sequence[str], ndim: int) -> tuple[str, ...]:
    """Return the boundary of each axis, checked, for verbs that need a wall of a tank or its modes.

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
    walls = [name for name, wall in RECORDS.items() if wall.physical]

    def check(name: str, value: Any) -> str:
        if isinstance(value, str) and value in walls:
            return value
        picture = isinstance(value, Constant) or (isinstance(value, str) and value in RECORDS)
        why = " (which only continues images, for convolve, correlate, feature_maps and measure)" if picture else ""
        raise ValueError(
            f"{name} must be one of {_listed(walls)}, got {_checks.got(value)}{why or _other_names.hint(value, walls)}"
        )

    return _checks.per_axis("boundary", boundary, _checks.count("ndim", ndim, most=64), check)
