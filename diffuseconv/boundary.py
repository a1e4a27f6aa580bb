"""What happens at a wall: one record per boundary, and the folding, transforms and modes that follow from it.

=============== ========================== ================================= =========
name            meaning for salt           values beyond the edge            transform
=============== ========================== ================================= =========
``reflecting``  glass wall, no flux        ``d c b a | a b c d | d c b a``   DCT-II
``periodic``    leaves here, enters there  ``a b c d | a b c d | a b c d``   DFT
``absorbing``   held at 0 on the wall      ``-d -c -b -a | a b c d | -d -c`` DST-II
``zero``        nothing outside            ``0 0 0 0 | a b c d | 0 0 0 0``   DST-I
``mirror``      none: continues pictures   ``d c b | a b c d | c b a``       DCT-I
``nearest``     none: continues pictures   ``a a a a | a b c d | d d d d``   DCT-II
`Constant` (v)  none: continues pictures   ``v v v v | a b c d | v v v v``   none
=============== ========================== ================================= =========

The transform is the one whose modes are eigenvectors of the nearest-neighbour Laplacian with that wall. Nothing outside
this file compares names: to add a boundary is to add a record to `RECORDS`. Where the two ends of an axis differ, the
modes of the pair (low side, high side) stand in `PAIRS`: a quarter of a wave, DST-IV or DCT-IV, between a wall that is
held at 0 and a closed one.

The last three are for the verbs that read a field beyond its edge (`convolve`, `correlate`, `feature_maps`, `measure`,
`measurement_variance`). They are no walls of a tank, and all other verbs refuse them by name:

- A mirror through the centre of the edge cell halves that cell: the steps of a symmetric propagator conserve the sum
  with half the edge cells, not the sum, and an even field does not stay even under `scatter`.
- The neighbour of the edge cell that ``"nearest"`` invents is the one of ``"reflecting"``, so to the diffusion equation
  both are the same wall. Longer moves have no common modes: two steps are not one step of the composed propagator.
- A constant concentration beyond the edge is a wall `Dirichlet` to the diffusion equation.

In two and more dimensions the corners follow axis by axis, in the order of the axes, from what is there already.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks, _fft, _other_names, _scaling

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
    "basis",
    "copies",
    "eigenvalues",
    "extend",
    "fold",
    "frequencies",
    "halved_axis",
    "images_per_axis",
    "inverse_transform",
    "per_axis",
    "record",
    "transform",
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


def _line(index: Any, size: int) -> tuple[Index, int]:
    """Return indices on a line of so many cells, and their number, checked."""
    index = _checks.plain("index", index, empty=True)
    if index.dtype.kind not in "iu":
        raise TypeError(f"index must hold whole numbers, got dtype {index.dtype}")
    if index.dtype == np.uint64 and index.max(initial=0) >= 2**63:
        raise ValueError(f"index must be less than 2**63, got {index.max()}")
    return np.asarray(index, dtype=np.int64), _checks.count("size", size, least=1, most=2**61)


def copies(index: Index, size: int, *, mirrored: bool, sign: int) -> tuple[Index, NDArray[np.int8]]:
    """Continue a line by copies of itself, every second one `mirrored` on the face and multiplied by `sign`."""
    index, size = _line(index, size)
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
    boundary = _image("boundary", boundary)
    if isinstance(boundary, str):
        return RECORDS[boundary]
    return replace(RECORDS["zero"], name=repr(boundary), physical=False, beyond=boundary.value)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names))


def _image(name: str, value: Any) -> Name:
    """Return one name in `RECORDS` or a constant, checked."""
    if isinstance(value, Constant) or (isinstance(value, str) and value in RECORDS):
        checked: Name = value
        return checked
    rule = f"{name} must be one of {_listed(RECORDS)} or Constant(value)"
    raise ValueError(f"{rule}, got {_checks.got(value)}{_other_names.hint(value, RECORDS)}")


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
    return _checks.per_axis("boundary", boundary, _checks.count("ndim", ndim, most=64), _image)


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
    return record(boundary).image(*_line(index, size))


def _walls(name: str, field: Any, boundary: Any) -> tuple[Walls, ...]:
    """Return the walls of each of the leading axes of a field, checked."""
    if _checks.plain(name, field).dtype.kind not in "iufc":
        raise TypeError(f"{name} must hold numbers, got dtype {np.asarray(field).dtype}")
    if not isinstance(boundary, (list, tuple)) or not 1 <= len(boundary) <= np.ndim(field):
        raise ValueError(f"boundary must be a sequence with one name for each axis, got {_checks.got(boundary)}")
    return tuple(
        walls if _is_pair(walls) else _image(f"boundary[{axis}]", walls) for axis, walls in enumerate(boundary)
    )


def _threads(workers: Any) -> int | None:
    """Return a number of threads, checked; None for the default of `scipy.fft`."""
    return None if workers is None else _checks.count("workers", workers, least=1, most=1 << 16)


def _sides(field: NDArray[Any], widths: Any, boundary: Any, axes: Any) -> list[tuple[int, tuple[int, int], Name]]:
    """Return axis, cells to add before and after, and boundary of each axis to extend, checked."""
    if field.dtype.kind not in "biufc":
        raise TypeError(f"field must hold numbers or booleans, got dtype {field.dtype}")
    which = tuple(range(field.ndim)) if axes is None else _checks.axes(axes, field.ndim, most=field.ndim)
    for name, given in (("widths", widths), ("boundary", boundary)):
        if not isinstance(given, (list, tuple)) or len(given) != len(which):
            raise ValueError(f"{name} must hold one entry for each of the {len(which)} axes, got {_checks.got(given)}")
    sides = [_checks.per_axis(f"widths[{i}]", pair, 2, _checks.count) for i, pair in enumerate(widths)]
    cells = {axis: float(before + after) for axis, (before, after) in zip(which, sides, strict=True)}
    total = math.prod(size + cells.get(axis, 0.0) for axis, size in enumerate(field.shape))
    _checks.fits_memory("widths", total * field.itemsize, "fewer cells beyond the edge")
    names = [_image(f"boundary[{i}]", name) for i, name in enumerate(boundary)]
    return [(axis, (pair[0], pair[1]), name) for axis, pair, name in zip(which, sides, names, strict=True)]


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
    which = _sides(field, widths, boundary, axes)
    shape, inside = list(field.shape), [slice(None)] * field.ndim
    for axis, (before, after), _ in which:
        shape[axis] += before + after
        inside[axis] = slice(before, before + field.shape[axis])
    extended = np.empty(shape, field.dtype)
    extended[tuple(inside)] = field
    for axis, (before, after), name in which:  # edges, from all that is already there
        size = field.shape[axis]
        there = extended[tuple(inside)]
        for start, stop in ((-before, 0), (size, size + after)):
            source, sign = fold(np.arange(start, stop), size, name)
            edge = there[(slice(None),) * axis + (source,)]  # (take would first copy all that is there)
            turned, beyond = ((slice(None),) * axis + (sign == value,) for value in (-1, 0))
            if (sign < 0).any():
                edge[turned] = _negative(edge[turned], name)
            if (sign == 0).any():  # put, not multiplied: NaN may stand there
                edge[beyond] = _constant(name, field.dtype)
            inside[axis] = slice(before + start, before + stop)
            extended[tuple(inside)] = edge
        inside[axis] = slice(None)
    return extended


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
