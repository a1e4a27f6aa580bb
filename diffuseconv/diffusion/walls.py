r"""What happens at each wall of the tank, as an exchange between the edge cell and the world outside.

Every wall changes the edge cell by ``gain - loss * u``: with cells of width :math:`\Delta x`, the wall lies half a cell
beyond the edge cell's centre, and eliminating the value on the wall gives, for :math:`a u + b D \partial_n u = c`,

.. math::
    \text{loss} = \frac{2D}{\Delta x^2} \frac{a}{a + 2bD/\Delta x}, \qquad
    \text{gain} = \frac{2D}{\Delta x^2} \frac{c}{a + 2bD/\Delta x}.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, boundary
from diffuseconv._typing import Array

__all__ = ["Dirichlet", "Neumann", "Robin", "brought", "exchange", "over_face", "sides"]

Value: TypeAlias = float | ArrayLike | Callable[[float], ArrayLike]


@dataclass(frozen=True, eq=False)
class Dirichlet:
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

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _value("Dirichlet value", self.value))


@dataclass(frozen=True, eq=False)
class Neumann:
    """A wall through which salt flows at a given rate (Neumann): ``D du/dn = value``, positive is inflow.

    Parameters
    ----------
    value : number, array over the face, or function of time
        Salt per area and time, n being the normal that points outwards.

    Raises
    ------
    TypeError, ValueError
        If the value is not a finite number, array of numbers or function.

    Examples
    --------
    >>> filled = dc.DiffusionEquation(boundary=((dc.Neumann(0.5), "reflecting"),))
    >>> round(float(filled.evolve(np.zeros(8), 4.0).sum()), 12)
    2.0
    """

    value: Value = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", _value("Neumann flux", self.value))


@dataclass(frozen=True, eq=False)
class Robin:
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
                raise TypeError(f"Robin {name} must be a number or array (only c may be a function of time)")
            object.__setattr__(self, name, _value(f"Robin {name}", getattr(self, name)))
        object.__setattr__(self, "c", _value("Robin c", self.c))
        a, b = np.broadcast_arrays(np.asarray(self.a), np.asarray(self.b))
        if (a * b < 0).any():
            raise ValueError(f"Robin needs a * b >= 0, got a = {_checks.got(self.a)} and b = {_checks.got(self.b)}")
        if ((a == 0) & (b == 0)).any():
            raise ValueError("Robin needs a or b to differ from 0 everywhere on the face")


Wall: TypeAlias = Dirichlet | Neumann | Robin
Side: TypeAlias = str | Dirichlet | Neumann | Robin


def _value(name: str, value: Any) -> Any:
    """Take a number, a frozen copy of an array, or a function of time."""
    if callable(value):
        return value
    if np.ndim(value) == 0:
        return _checks.number(name, value)
    taken = _checks.array(name, value).astype(np.float64)
    taken.flags.writeable = False
    return taken


def brought(side: Side, face: tuple[int, ...], axis: int) -> Any:
    """Return what a wall holds or brings, checked: an array to add along `axis`, or a function from time to one."""
    value: Any = 0.0 if isinstance(side, str) else side.c if isinstance(side, Robin) else side.value
    name = "boundary" if isinstance(side, str) else f"{type(side).__name__} value"
    if not callable(value):
        return np.expand_dims(over_face(name, value, face), axis)
    return lambda time: np.expand_dims(over_face(name, _value(f"{name} at time {time:g}", value(time)), face), axis)


def over_face(name: str, value: Any, face: tuple[int, ...]) -> Array:
    """Take a number or an array over the face as an array that broadcasts to the face."""
    if np.ndim(value) != 0 and np.shape(value) != face:
        raise ValueError(f"{name} must be a number or an array of the face's shape {face}, got shape {np.shape(value)}")
    return np.asarray(value, dtype=np.float64).reshape((1,) * len(face) if np.ndim(value) == 0 else face)


def _side(name: str, value: Any) -> Side:
    """Take a boundary's name or a wall."""
    if isinstance(value, (Dirichlet, Neumann, Robin)):
        return value
    if isinstance(value, str) and value in boundary.NAMES:
        return value
    raise ValueError(
        f"{name} must be one of {', '.join(map(repr, boundary.NAMES))}, a wall (Dirichlet, Neumann, Robin) or a "
        f"pair of them, got {_checks.got(value)}"
    )


def _pair(name: str, value: Any) -> tuple[Side, Side]:
    """Take what happens at both sides of one axis."""
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{name} must be one entry or a pair (low side, high side), got {len(value)} entries")
        low, high = (_side(f"{name}[{i}]", item) for i, item in enumerate(value))
    else:
        low = high = _side(name, value)
    if (low == "periodic") != (high == "periodic"):
        raise ValueError(f"{name} must be periodic on both sides or on neither, got {_checks.got(value)}")
    return low, high


def sides(value: Any, ndim: int | None = None) -> tuple[tuple[Side, Side], ...]:
    """Return the (low, high) sides of each axis, checked; without `ndim` only as far as possible without a field."""
    if isinstance(value, (list, tuple)):
        ndim = len(value) if ndim is None else ndim
    return _checks.per_axis("boundary", value, ndim or 1, _pair)


def exchange(side: Side, diffusivity: Array, spacing: float, face: tuple[int, ...]) -> tuple[Array, Array]:
    """Return (loss, gain per unit of the wall's value) of an edge cell with this diffusivity, per time."""
    conductance = 2 * diffusivity / spacing**2
    nothing = np.zeros_like(conductance)
    if side == "zero":  # the ghost cell, a whole cell away, is 0
        return conductance / 2, nothing
    if side == "absorbing" or isinstance(side, Dirichlet):
        return conductance, conductance
    if isinstance(side, Robin):
        a, b = over_face("Robin a", side.a, face), over_face("Robin b", side.b, face)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = conductance / (a + b * conductance * spacing)
            share = np.where(a == 0, 1 / (b * spacing), share)  # a = 0 is a flux, whatever D is
        return np.where(a == 0, 0.0, share * a), share
    return nothing, nothing + 1 / spacing
