r"""Walls: what happens on the outermost faces of the box.

Every wall is a triple (a, b, c) of :math:`a u + b D \partial_n u = c` at a distance :math:`d` beyond the centre of the
edge cell (half a cell: the face), `n` pointing outwards. Eliminating the value there changes the edge cell by
``gain - loss * u`` per time:

.. math::
    \text{loss} = \frac{1}{\Delta x} \frac{a}{a d / D + b}, \qquad
    \text{gain} = \frac{1}{\Delta x} \frac{c}{a d / D + b}.

A new kind of wall is a class with `a`, `b`, `c` and `distance`, and nothing else.

With a drift of velocity `v` the flow outwards is :math:`v u_f - D (u_w - u)/d`, with the value :math:`u_f` on the face
between those of the cell and of the wall: what the drift carries through an open wall leaves, or enters. Only
``"reflecting"`` stops it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _other_names, boundary
from diffuseconv._typing import Array, frozen
from diffuseconv.diffusion.clock import interpolated

__all__ = [
    "Dirichlet",
    "Neumann",
    "Robin",
    "Wall",
    "are_named",
    "exchange",
    "ghost_wall",
    "over_face",
    "sides",
    "wall_value",
]

Value: TypeAlias = float | ArrayLike | Callable[[float], ArrayLike]
ON_THE_FACE = 0.5  # cells beyond the centre of the edge cell


class Wall(Protocol):
    """A wall: ``a u + b D du/dn = c`` at `distance` cells beyond the centre of the edge cell."""

    @property
    def a(self) -> Any: ...
    @property
    def b(self) -> Any: ...
    @property
    def c(self) -> Any: ...
    @property
    def distance(self) -> float: ...


def _value(name: str, value: Any) -> Any:
    """Return a number, a frozen copy of an array, or a function of time, checked."""
    if callable(value):
        if not _checks.takes(value, 1):
            raise TypeError(f"{name} must be a number, an array or a function of (time), got {_checks.got(value)}")
        return value
    if _checks.ndim(name, value) == 0:
        return _checks.number(name, value)
    values = frozen(_checks.array(name, value, finite=False), np.float64)
    infinite = np.isinf(values)
    if infinite.any():  # NaN may stand where the mask leaves the cell out
        raise ValueError(f"{name} must be finite, got {values[infinite][0]}")
    return values


class _OnTheFace:
    """A wall on the outermost faces, whose fields are numbers, arrays over the face or functions of time."""

    distance: ClassVar[float] = ON_THE_FACE

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            checked = _value(f"{type(self).__name__} {field.name}", getattr(self, field.name))
            object.__setattr__(self, field.name, checked)


@dataclass(frozen=True, eq=False)
class Dirichlet(_OnTheFace):
    """A wall on which the concentration is held (Dirichlet): ``u = value`` on the face, second order.

    Parameters
    ----------
    value : number, array over the face, or function of time
        Concentration on the wall, half a cell beyond the centre of the last cell.

    Raises
    ------
    TypeError, ValueError
        If the value is not a finite number, array of numbers or function.

    Examples
    --------
    >>> rod = dc.DiffusionEquation(boundary=((dc.Dirichlet(0.0), dc.Dirichlet(1.0)),))
    >>> rod.evolve(np.zeros(4), 1000.0).round(3)
    array([0.125, 0.375, 0.625, 0.875])
    """

    value: Value = 0.0
    a: ClassVar[float] = 1.0
    b: ClassVar[float] = 0.0
    c: ClassVar[Any] = property(attrgetter("value"))


@dataclass(frozen=True, eq=False)
class Neumann(_OnTheFace):
    """A wall through which salt flows at a given rate (Neumann): ``D du/dn = flux``, positive is inflow.

    Parameters
    ----------
    flux : number, array over the face, or function of time
        Salt per area and time, n being the normal that points outwards.

    Raises
    ------
    TypeError, ValueError
        If the flux is not a finite number, array of numbers or function.

    Examples
    --------
    >>> filled = dc.DiffusionEquation(boundary=((dc.Neumann(0.5), "reflecting"),))
    >>> round(float(filled.evolve(np.zeros(8), 4.0).sum()), 12)
    2.0
    """

    flux: Value = 0.0
    a: ClassVar[float] = 0.0
    b: ClassVar[float] = 1.0
    c: ClassVar[Any] = property(attrgetter("flux"))


@dataclass(frozen=True, eq=False)
class Robin(_OnTheFace):
    """A wall that lets salt through in proportion (Robin): ``a u + b D du/dn = c`` on the face.

    Parameters
    ----------
    a, b : number or array over the face
        Weights of concentration and outward flux; ``a b >= 0`` (else the wall feeds itself) and not both 0.
    c : number, array over the face, or function of time
        Right-hand side.

    Raises
    ------
    TypeError, ValueError
        If `a` and `b` have opposite signs or are both 0, or a value is not finite.

    Examples
    --------
    >>> leaky = dc.DiffusionEquation(boundary=dc.Robin(1.0, 2.0, 0.0))
    >>> bool(leaky.evolve(np.ones(8), 4.0).sum() < 8)
    True
    """

    a: float | ArrayLike
    b: float | ArrayLike
    c: Value = 0.0

    def __post_init__(self) -> None:
        for name in ("a", "b"):
            if callable(getattr(self, name)):
                raise TypeError(
                    f"Robin {name} must be a number or array (only c may be a function of time), "
                    f"got {_checks.got(getattr(self, name))}"
                )
        super().__post_init__()
        a, b = np.broadcast_arrays(np.asarray(self.a), np.asarray(self.b))
        if (np.sign(a) * np.sign(b) < 0).any():
            raise ValueError(f"Robin needs a * b >= 0, got a = {_checks.got(self.a)} and b = {_checks.got(self.b)}")
        if ((a == 0) & (b == 0)).any():
            raise ValueError(
                f"Robin needs a or b to differ from 0 everywhere on the face, got a = {_checks.got(self.a)} and "
                f"b = {_checks.got(self.b)}"
            )


@dataclass(frozen=True)
class _Ghost:
    """A concentration of 0 at a distance (in cells) beyond the edge cell: a ghost cell in proportion to it."""

    distance: float
    a: ClassVar[float] = 1.0
    b: ClassVar[float] = 0.0
    c: ClassVar[float] = 0.0


@dataclass(frozen=True)
class _Closed(_OnTheFace):
    """A wall that lets nothing through, drift or not: the one that ``"reflecting"`` names."""

    a: ClassVar[float] = 0.0
    b: ClassVar[float] = 1.0
    c: ClassVar[float] = 0.0
    closed: ClassVar[bool] = True


Side: TypeAlias = Wall | boundary.Boundary  # a record only where the axis is joined


def ghost_wall(ghost: float) -> Wall:
    """Return the wall beyond which the ghost cell is `ghost` times the edge cell: where the line through both is 0."""
    return _Closed() if ghost == 1 else _Ghost(1 / (1 - ghost))


def exchange(wall: Wall, diffusivity: Array, spacing: Any, face: tuple[int, ...], outward: Any) -> tuple[Array, Array]:
    """Return (loss, gain per unit of `c`) of the edge cells with this diffusivity, per time.

    `outward` is the velocity through the wall, n-wards: what it carries is added, by the hybrid scheme.
    """
    a, b = (over_face(f"{type(wall).__name__} {name}", getattr(wall, name), face) for name in ("a", "b"))
    unit = np.maximum(np.abs(a), np.abs(b))  # numbers of any size: only their ratio matters
    a, b = a / unit, b / unit
    rate = diffusivity / wall.distance / spacing**2  # of the piece between the centre and the wall
    q, share = (0.0 if getattr(wall, "closed", False) else outward) / spacing, ON_THE_FACE / wall.distance
    back = np.maximum(rate - share * q, np.maximum(-q, 0.0))  # the flow outwards is (back + q) u - back (u on the wall)
    with np.errstate(divide="ignore", invalid="ignore"):
        conductance = back / (a + b * rate * spacing)
        # a strong drift takes the value upwind of the face: the cell's own, or (a given slope) the one beyond the wall
        steep = np.where((q != 0) & (q <= rate) & (rate > 0), 1 - share * q / rate, 1.0)
        steep = np.where((q < -rate) & (rate > 0), -2 * share * q / rate, steep)
        gain = np.where(a == 0, steep / (b * spacing), conductance)  # a = 0 is a flux, whatever D is
        loss = np.where(b == 0, back + q, q + conductance * a)
    return np.where(a == 0, q + np.zeros_like(rate), loss), np.where((a != 0) & (back == 0), 0.0, gain) / unit


def wall_value(wall: Wall, face: tuple[int, ...], axis: int, wet: Any = True) -> Any:
    """Return the right-hand side of a wall, checked: an array to add along `axis`, or a function from time to one.

    Values count where the cells along the wall are `wet`.
    """
    kind, value = type(wall).__name__, wall.c
    name = f"{kind} {({'Neumann': 'flux', 'Robin': 'c'}).get(kind, 'value')}"

    def expanded(name: str, value: Any) -> Array:
        values = np.expand_dims(over_face(name, value, face), axis)
        if values.size > 1 or wet is not True:
            values = np.where(wet, values, 0.0)
        _checks.all_finite(name, values)
        return values

    if not callable(value):
        return expanded(name, value)

    single = (1,) * (len(face) + 1)

    def at(time: float) -> Array:
        found = value(time)
        if wet is True and isinstance(found, float) and math.isfinite(found):  # as most do, in a fraction of the time
            return np.full(single, found)
        return expanded(f"{name} at time {time:g}", _value(f"{name} at time {time:g}", found))

    return lambda time: interpolated(at, time)


def over_face(name: str, value: Any, face: tuple[int, ...]) -> Array:
    """Return a number or an array over the face as an array that broadcasts to the face."""
    if np.ndim(value) != 0 and np.shape(value) != face:
        raise ValueError(f"{name} must be a number or an array of the face's shape {face}, got shape {np.shape(value)}")
    return np.asarray(value, dtype=np.float64).reshape((1,) * len(face) if np.ndim(value) == 0 else face)


def sides(value: Any, ndim: int | None = None) -> tuple[tuple[Side, Side], ...]:
    """Return the (low, high) walls of each axis, checked; without `ndim` only as far as possible without a field.

    Named boundaries become the walls they stand for, or their records where they join the axis.
    """
    if isinstance(value, (list, tuple)):
        if ndim == 1 and len(value) == 2 and not any(isinstance(item, (list, tuple)) for item in value):
            raise ValueError(
                f"boundary of one axis must be one entry, or a pair in a tuple: write boundary=((low, high),), "
                f"got {_checks.got(value)}"
            )
        ndim = len(value) if ndim is None else ndim
    return _checks.per_axis("boundary", value, ndim or 1, _pair)


def are_named(value: Any) -> bool:
    """Return whether a boundary is given only by names."""
    return all(map(are_named, value)) if isinstance(value, (list, tuple)) else isinstance(value, str)


def _pair(name: str, value: Any) -> tuple[Side, Side]:
    """Return the walls at both sides of one axis."""
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{name} must be one entry or a pair (low side, high side), got {len(value)} entries")
        low, high = (_side(f"{name}[{i}]", item) for i, item in enumerate(value))
    else:
        low = high = _side(name, value)
    joined = [side for side in (low, high) if isinstance(side, boundary.Boundary)]
    if joined and low != high:
        raise ValueError(f"{name} must be {joined[0].name} on both sides or on neither, got {_checks.got(value)}")
    return low, high


def _side(name: str, value: Any) -> Side:
    """Return a wall, or the one that a boundary's name stands for."""
    record = boundary.RECORDS.get(value) if isinstance(value, str) else None
    if record is not None and record.physical:
        return record if record.joined else ghost_wall(record.ghost)
    if not isinstance(value, (str, type)) and all(hasattr(value, part) for part in ("a", "b", "c", "distance")):
        wall: Wall = value
        return wall
    hint = (isinstance(value, str) and _HINTS.get(value.lower())) or _other_names.hint(value, boundary.NAMES)
    if isinstance(value, boundary.Constant):
        hint = f"; write Dirichlet({value.value:g})"
    if isinstance(value, type) and value in (Dirichlet, Neumann, Robin):
        hint = f"; make one, such as {value.__name__}(1.0)" if value is not Robin else "; make one: Robin(a, b, c)"
    raise ValueError(
        f"{name} must be one of {', '.join(map(repr, boundary.NAMES))}, a wall (Dirichlet, Neumann, Robin) or a "
        f"pair of them, got {_checks.got(value)}{hint}"
    )


_HINTS = {
    "dirichlet": "; write Dirichlet(value), or 'absorbing' for value 0",
    "neumann": "; write Neumann(flux), or 'reflecting' for flux 0",
    "robin": "; write Robin(a, b, c)",
    "mirror": "; 'reflecting' mirrors about the face (scipy.ndimage's \"reflect\")",
    "nearest": "; write 'reflecting', which is the same to a cell's nearest neighbours",
}
