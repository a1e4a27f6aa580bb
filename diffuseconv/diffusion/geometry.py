r"""Cells and faces: widths, volumes and areas on uniform, graded and round grids.

The volume of a cell is the product of one measure per axis, and the area of a face is the product of the measures of
the other axes and of its own factor: widths and 1 on Cartesian axes, :math:`\pi(r_+^2 - r_-^2)` and :math:`2\pi r` on a
polar radius, :math:`\frac43\pi(r_+^3 - r_-^3)` and :math:`4\pi r^2` on a spherical one.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _checks
from diffuseconv._axes import on_axis
from diffuseconv._typing import Array, frozen

__all__ = ["COORDINATES", "LONGEST", "Grid", "checked_spacing", "grid_of"]

COORDINATES = {"cartesian": (1, 2, 3), "polar": (1,), "cylindrical": (2,), "spherical": (1,)}  # and how many axes
SHORTEST, LONGEST = 1e-75, 1e75  # lengths: a rate up to 1e150 per time is left


class Grid(NamedTuple):
    """The geometry of the cells of a field.

    `cell` is the volume of a cell on a uniform Cartesian grid, the mean volume on others.
    """

    widths: tuple[Array, ...]  # of the cells along each axis
    measures: tuple[Array, ...]
    factors: tuple[Array, ...]  # of the faces along each axis
    uniform: bool  # whether all cells are alike
    cell: float

    @property
    def spacing(self) -> tuple[float, ...]:
        """The mean width of a cell on each axis."""
        return tuple(float(w[0]) if (w == w[0]).all() else float(w.mean()) for w in self.widths)

    def along(self, axis: int, values: Any) -> Array:
        """Return values along an axis as an array that broadcasts to the field."""
        return on_axis(np.asarray(values, dtype=np.float64), axis, len(self.widths))

    def volumes(self) -> Array:
        """Return the volume of each cell."""
        return reduce(np.multiply, (self.along(axis, m) for axis, m in enumerate(self.measures)))

    def areas(self, axis: int) -> Array:
        """Return the area of each face along an axis."""
        parts = [self.factors[a] if a == axis else m for a, m in enumerate(self.measures)]
        return reduce(np.multiply, (self.along(a, part) for a, part in enumerate(parts)))

    def per_cell(self, axis: int, faces: slice, lengths: Array) -> Any:
        """Return areas of faces times lengths, in units of `cell`: 1 where all cells are alike."""
        if self.uniform:
            return 1.0
        pieces = self.areas(axis)[(slice(None),) * axis + (faces,)]
        return pieces * self.along(axis, lengths) / self.cell


def checked_spacing(value: Any) -> Any:
    """Return one width for all axes, or a tuple with a width or a read-only array of widths per axis, checked."""

    def check(name: str, item: Any) -> Any:
        if np.ndim(item) == 0:
            return _checks.length(name, item, SHORTEST, LONGEST)
        widths = _checks.array(name, item).astype(np.float64)
        if widths.ndim != 1:
            raise ValueError(f"{name} must be a number or a line of cell widths, got shape {widths.shape}")
        if (widths <= 0).any():
            raise ValueError(f"{name} must be greater than 0 in every cell, got {widths.min():g}")
        for extreme in (widths.min(), widths.max()):
            _checks.length(name, extreme, SHORTEST, LONGEST)
        return frozen(widths)

    if not isinstance(value, (list, tuple)) and np.ndim(value) == 0:
        return check("spacing", value)
    if isinstance(value, np.ndarray) and value.size > 3:
        return (check("spacing", value),)  # widths of the cells of a line
    return _checks.per_axis("spacing", value, len(value), check)


def grid_of(shape: tuple[int, ...], spacing: Any, coordinates: str, inner_radius: float) -> Grid:
    """Return the geometry of a field of this shape."""
    ndim = len(shape)
    if ndim not in COORDINATES[coordinates]:
        raise ValueError(f"coordinates={coordinates!r} needs a field of {COORDINATES[coordinates][0]} axes, got {ndim}")
    entries = _checks.per_axis("spacing", spacing, ndim, lambda name, value: value)
    widths = tuple(
        _widths(f"spacing[{axis}]", entry, n) for axis, (entry, n) in enumerate(zip(entries, shape, strict=True))
    )
    measures, factors = list(widths), [np.ones(n + 1) for n in shape]
    if coordinates != "cartesian":
        edges = inner_radius + np.concatenate([[0.0], np.cumsum(widths[0])])
        power = 2 if coordinates == "spherical" else 1
        full_angle = 4 * math.pi if coordinates == "spherical" else 2 * math.pi
        factors[0] = full_angle * edges**power
        inner, outer = edges[:-1], edges[1:]
        middle = (inner + outer) / 2 if power == 1 else (inner * inner + inner * outer + outer * outer) / 3
        measures[0] = full_angle * middle * widths[0]
    uniform = coordinates == "cartesian" and all((w == w[0]).all() for w in widths)
    cell = math.prod(float(w[0]) for w in widths) if uniform else math.prod(float(m.mean()) for m in measures)
    return Grid(widths, tuple(measures), tuple(factors), uniform, cell)


def _widths(name: str, value: Any, cells: int) -> Array:
    """Return the widths of the cells along one axis."""
    if np.ndim(value) and len(value) != cells:
        raise ValueError(f"{name} must hold one width for each of the {cells} cells of its axis, got {len(value)}")
    return np.broadcast_to(np.asarray(value, dtype=np.float64), (cells,))
