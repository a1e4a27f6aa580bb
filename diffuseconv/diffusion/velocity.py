r"""Drift: velocities on faces, and the rates of the hybrid scheme.

With the conductance :math:`g` of a face (per time), :math:`q = v / \Delta x` and `s` the share of the distance between
two centres that lies before the face (1/2 on uniform cells), salt moves at the rates

.. math:: a = \max(g + (1-s) q, q, 0), \qquad b = \max(g - s q, -q, 0)

along the axis and against it: central differences, second order, while both are positive (:math:`|v| \Delta x \le 2D`),
upwind differences beyond. Always :math:`a - b = q`, so that a lattice keeps :math:`\min(a, b)` and `q`.

References
----------
.. [1] D. B. Spalding, "A novel finite difference formulation for differential expressions involving both first and
   second derivatives", Int. J. Numer. Methods Eng. 4 (1972) 551.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array, frozen

__all__ = ["checked_velocity", "exchange_rate", "face_velocities", "functions", "mixed_velocities", "velocity_at"]


def checked_velocity(value: Any) -> Any:
    """Return a velocity, checked as far as possible without a field: a number, or a tuple of numbers and arrays.

    A function of time (such as a `Schedule`) may stand for all of it, or for an axis.
    """
    if callable(value):
        return value
    if not isinstance(value, (list, tuple)) and np.ndim(value) == 0:
        return _checks.number("velocity", value)
    if isinstance(value, np.ndarray) and value.ndim > 1:
        raise ValueError(
            f"velocity must be a number, or a sequence with one number or array over the faces per axis, got an array "
            f"of shape {value.shape}"
        )
    if isinstance(value, np.ndarray) and value.size > 3:
        return (frozen(_checks.array("velocity", value), np.float64),)  # over the faces of a line

    def check(name: str, item: Any) -> Any:
        if callable(item):
            return item
        if np.ndim(item) == 0:
            return _checks.number(name, item)
        return frozen(_checks.array(name, item, finite=False), np.float64)

    return _checks.per_axis("velocity", value, len(value), check)


def functions(value: Any) -> list[Any]:
    """Return the functions of time in a checked velocity."""
    return [item for item in (value if isinstance(value, tuple) else (value,)) if callable(item)]


def velocity_at(value: Any, time: float) -> Any:
    """Return a velocity as it is at a time, checked."""
    if not functions(value):
        return value
    now = checked_velocity(
        value(time) if callable(value) else tuple(item(time) if callable(item) else item for item in value)
    )
    if functions(now):
        raise TypeError(f"velocity must be numbers or arrays at time {time:g}, got {_checks.got(now)}")
    return now


def face_velocities(value: Any, shape: tuple[int, ...], periodic: tuple[bool, ...], radial: bool) -> list[Array | None]:
    """Return the velocity on the faces of each axis, as arrays that broadcast to them; None where nothing drifts."""
    ndim = len(shape)
    if isinstance(value, tuple) and ndim == 1 and len(value) != 1 and all(np.ndim(item) == 0 for item in value):
        value = (np.array(value),)
    found: list[Array | None] = []
    for axis, item in enumerate(_checks.per_axis("velocity", value, ndim, lambda name, item: item)):
        faces = tuple(n + (a == axis) for a, n in enumerate(shape))
        if np.ndim(item) == 0:
            if radial and axis == 0 and item != 0:
                raise ValueError(
                    f"velocity along a radius must be an array over its {faces[0]} faces (a constant one spreads from "
                    f"nowhere), got {item:g}"
                )
            found.append(np.full([n if a == axis else 1 for a, n in enumerate(faces)], float(item)) if item else None)
            continue
        if item.shape != faces:
            raise ValueError(
                f"velocity[{axis}] must be a number or an array over the faces, of shape {faces}, got {item.shape}"
            )
        if periodic[axis]:
            _checks.ends_agree(f"velocity[{axis}]", item, axis)
        found.append(item)
    return found


def mixed_velocities(one: list[Any], other: list[Any], share: float) -> list[Any]:
    """Return velocities on the faces of each axis between those of two times."""
    between: list[Any] = []
    for here, there in zip(one, other, strict=True):
        first, second = (0.0 if values is None else values for values in (here, there))
        between.append(None if here is None and there is None else first + share * (second - first))
    return between


def exchange_rate(conductance: Array, drift: Array, share: Any = 0.5) -> Array:
    """Return the smaller of both rates of a face: the larger one is by the drift's magnitude larger."""
    less: Any = np.where(drift > 0, share, share - 1)
    less = np.multiply(less, drift, out=less)
    rate = np.asarray(conductance - less)
    return np.asarray(np.maximum(rate, 0.0, out=rate))
