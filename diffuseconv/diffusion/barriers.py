"""Barriers between cells: shut faces, permeable faces, faces that open at a given time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array, frozen

__all__ = ["Barrier", "barriers_per_axis", "checked_barriers"]


@dataclass(frozen=True, eq=False)
class Barrier:
    r"""Shut faces along one axis, permeable or not, that may be lifted at some time.

    The conductance of a face with permeability `P` (length/time) between cells of diffusivity `D` is
    :math:`1 / (\Delta x / D + 1/P)`, so the answer does not change with the grid.

    Parameters
    ----------
    shut : array of bool
        True where the face between cell `i` and `i + 1` carries the barrier; the field's shape, minus 1 on that axis.
    permeability : number or array, default 0
        Length per time, >= 0; an array has the shape of `shut`. 0 lets nothing through.
    lifted_at : number or array, optional
        Time from which on the barrier is gone, before the start of a run too; an array has the shape of `shut`. By
        default it stays.

    Raises
    ------
    TypeError, ValueError
        If `shut` is not boolean, a permeability is negative, or a number is not finite.

    Examples
    --------
    >>> door = dc.Barrier(np.array([True]), lifted_at=5.0)
    >>> tank = dc.DiffusionEquation(barriers=[door])
    >>> [[round(float(v), 3) for v in u] for _, u in tank.frames(np.array([1.0, 0.0]), [5.0, 50.0])]
    [[1.0, 0.0], [0.5, 0.5]]
    """

    shut: Any
    permeability: Any = 0.0
    lifted_at: Any = None

    def __post_init__(self) -> None:
        shut = _shut_faces("shut", self.shut)
        object.__setattr__(self, "shut", frozen(shut))
        object.__setattr__(self, "permeability", _per_face("permeability", self.permeability, shut.shape, least=0.0))
        if self.lifted_at is not None:
            object.__setattr__(self, "lifted_at", _per_face("lifted_at", self.lifted_at, shut.shape))

    @property
    def lift_times(self) -> set[float]:
        """The times at which faces open."""
        return set() if self.lifted_at is None else {float(time) for time in np.ravel(self.lifted_at)}

    def shut_at(self, time: float) -> Array:
        """Return which faces are shut from `time` on."""
        return np.asarray(self.shut if self.lifted_at is None else self.shut & (np.asarray(self.lifted_at) > time))

    def face_diffusivity(self, diffusivity: Array, spacing: float, time: float) -> Array:
        """Return the diffusivity of each face with this barrier in it, from its diffusivity without."""
        conductance = np.asarray(self.permeability) * spacing
        with np.errstate(divide="ignore", invalid="ignore"):
            in_series = np.where(
                diffusivity * conductance > 0, diffusivity * conductance / (diffusivity + conductance), 0.0
            )
        return np.where(self.shut_at(time), in_series, diffusivity)


def _shut_faces(name: str, value: Any) -> Array:
    """Return which faces are shut, checked."""
    shut = _checks.plain(name, value, empty=True)  # between the cells of an axis of one there is no face
    if shut.dtype != bool:
        raise TypeError(f"{name} must be boolean (True where a face is shut), got dtype {shut.dtype}")
    return shut


def _per_face(name: str, value: Any, shape: tuple[int, ...], least: float = -math.inf) -> Any:
    """Return a number of at least `least` or a frozen array of them over the faces, checked."""
    if _checks.ndim(name, value) == 0:
        return _checks.number(name, value, least=least)
    if np.shape(value) == shape and 0 in shape:  # an axis of one cell has no face within
        return frozen(np.zeros(shape))
    values = _checks.array(name, value).astype(np.float64)
    if values.shape != shape:
        raise ValueError(f"{name} must be a number or an array of shape {shape}, got shape {values.shape}")
    if (values < least).any():
        raise ValueError(f"{name} must be at least {least:g}, got {values.min():g}")
    return frozen(values)


def checked_barriers(value: Any) -> tuple[Barrier | None, ...]:
    """Return one barrier or None for each axis, checked."""
    if not isinstance(value, (list, tuple)):
        raise TypeError(
            "barriers must be a sequence with one boolean array, Barrier or None per axis, such as [barrier, None] in "
            f"the plane, got {_checks.got(value)}"
        )
    return tuple(
        item if item is None or isinstance(item, Barrier) else Barrier(_shut_faces(f"barriers[{axis}]", item))
        for axis, item in enumerate(value)
    )


def barriers_per_axis(value: Any, shape: tuple[int, ...]) -> tuple[Barrier | None, ...]:
    """Return the barrier on each axis, checked against the field's shape."""
    if value is None:
        return (None,) * len(shape)
    if len(value) != len(shape):
        raise ValueError(f"barriers must hold one array for each of the {len(shape)} axes, got {len(value)}")
    for axis, barrier in enumerate(value):
        expected = tuple(n - (a == axis) for a, n in enumerate(shape))
        if barrier is not None and barrier.shut.shape != expected:
            raise ValueError(f"barriers[{axis}] must have shape {expected}, got {barrier.shut.shape}")
    return tuple(value)
