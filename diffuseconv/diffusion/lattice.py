r"""The discretised tank: cells that exchange salt through their faces, :math:`du/dt = L u + b(t)`.

:math:`(Lu)_i = \sum_{\text{faces } f \text{ of } i} g_f (u_{\text{across } f} - u_i)` with a rate :math:`g_f \ge 0`
(per time) on every face. A rate belongs to the face, not to a cell, so what leaves one cell enters the next and `L` is
symmetric. Beyond a wall the cell across holds 0; what the wall itself adds stands in :math:`b(t)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffuseconv import _threads
from diffuseconv._cached import cached_property
from diffuseconv._jit import diffusion as _loops
from diffuseconv._typing import Array

__all__ = ["Lattice", "WallTerm", "apply_faces", "as_planes"]

SMALLEST_SHARE = 1 << 15  # cells per thread below which handing out work costs more than it saves


@dataclass(frozen=True, eq=False)
class WallTerm:
    """The inhomogeneous term of one wall, per volume and time: ``weight`` times a value or a function of time."""

    axis: int
    high: bool
    weight: Array
    value: Any

    @property
    def where(self) -> tuple[slice, ...]:
        """The cells along this wall."""
        return (slice(None),) * self.axis + (slice(-1, None) if self.high else slice(0, 1),)

    def at(self, time: float) -> Array:
        """Return the term at a time, as an array that broadcasts to the cells along the wall."""
        term: Array = self.weight * (self.value(time) if callable(self.value) else self.value)
        return term


@dataclass(frozen=True, eq=False)
class Lattice:
    """The discretised problem on a field of one shape, between two events (such as the lifting of a barrier).

    Parameters
    ----------
    shape, spacing : tuple
        Cells and their width on each axis.
    periodic : tuple of bool
        Whether each axis closes on itself.
    rates : tuple of ndarray of float64
        Exchange rates of the faces, per time: for each axis an array with one entry more than cells along that axis,
        entry `i` lying before cell `i`. It has 1 entry along other axes where nothing changes. The outermost entries
        are the walls' losses, or twice the one face between the last cell and the first on a periodic axis.
    walls : tuple of WallTerm
        What the walls add to `b`.
    source : ndarray of float64 or None
        Constant source, of the field's shape.
    reaction : callable or None
        ``reaction(t, u)``, a source that depends on time or on the field, of the field's shape.
    diagonal : scipy.sparse array or None
        What a tensor adds to `L`: symmetric exchanges with diagonal neighbours, rows summing to 0, on raveled fields.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    periodic: tuple[bool, ...]
    rates: tuple[Array, ...]
    walls: tuple[WallTerm, ...] = ()
    source: Array | None = None
    reaction: Callable[[float, Array], Array] | None = None
    diagonal: Any = None

    @property
    def moving_walls(self) -> tuple[WallTerm, ...]:
        """The walls that depend on time."""
        return tuple(wall for wall in self.walls if callable(wall.value))

    @property
    def steady(self) -> bool:
        """Whether nothing on the right-hand side depends on time or, beyond `L`, on the field."""
        return not self.moving_walls and self.reaction is None

    @cached_property
    def forcing(self) -> Array | None:
        """The constant part of `b`, per volume and time, of the field's shape; None for nothing."""
        constant = [wall for wall in self.walls if not callable(wall.value)]
        if self.source is None and not constant:
            return None
        total = np.zeros(self.shape) if self.source is None else self.source.copy()
        for wall in constant:
            total[wall.where] += wall.at(0.0)
        return total

    @cached_property
    def uniform(self) -> tuple[float, ...] | None:
        """The rate of each axis where it is the same on all faces but the walls' (else None)."""
        if self.diagonal is not None:
            return None
        found = []
        for n, g, periodic in zip(self.shape, self.rates, self.periodic, strict=True):
            inner = g.reshape(-1)[0 if periodic else 1 : -1]  # the periodic face is one like the others
            if g.size != n + 1 or (inner != inner[:1]).any():
                return None
            if n > 1 and inner[0] == 0 and g.any():  # walls that lose salt beside shut faces: no ghost expresses it
                return None
            found.append(float(inner[0]) if n > 1 else float(g.max()))
        return tuple(found)

    def outflow(self, wall_share: float = 1.0) -> Array:
        """Sum the rates of each cell's faces along the axes, walls counting `wall_share`; broadcasts to the field."""
        if wall_share in self._outflows:
            return self._outflows[wall_share]
        total = np.zeros((1,) * len(self.shape))
        for axis, (g, periodic) in enumerate(zip(self.rates, self.periodic, strict=True)):
            g = np.moveaxis(g, axis, 0)
            if not periodic and wall_share != 1:
                g = g.copy()
                g[[0, -1]] *= wall_share
            total = total + np.moveaxis(g[:-1] + g[1:], 0, axis)
        self._outflows[wall_share] = total
        return total

    @cached_property
    def _outflows(self) -> dict[float, Array]:
        return {}

    @cached_property
    def largest_rate(self) -> float:
        r"""A bound on the spectral radius of `L`: twice the largest outflow, walls counted half.

        :math:`-u^T L u = \sum g (u_i - u_j)^2 + \sum_{walls} \kappa u_i^2 \le 2 \sum_i u_i^2 (\sum g + \sum \kappa/2)`.
        """
        total = self.outflow(wall_share=0.5)
        if self.diagonal is not None:  # exchanges of either sign count in full
            signed = self.diagonal.diagonal()
            total = total + (abs(self.diagonal).sum(axis=1) - abs(signed)).reshape(self.shape)
        return 2 * float(total.max())

    @property
    def stable_time_step(self) -> float:
        """The largest stable explicit step, ``2 / largest_rate``; infinite where nothing flows."""
        return math.inf if self.largest_rate == 0 else 2 / self.largest_rate

    def faces(self, dtype: Any = np.float64, scale: float = 1.0) -> tuple[Array, ...]:
        """Return `rates` times `scale` as full contiguous arrays of this dtype (as compiled loops want them)."""
        full = []
        for axis, g in enumerate(self.rates):
            shape = tuple(n + (a == axis) for a, n in enumerate(self.shape))
            full.append(np.ascontiguousarray(np.broadcast_to((g * scale).astype(dtype), shape)))
        return tuple(full)

    @cached_property
    def _full(self) -> dict[Any, tuple[Array, ...]]:
        return {}

    def apply(self, u: Array, out: Array | None = None) -> Array:
        """Return ``L u`` (a new array unless `out` is given) for a contiguous float32 or float64 field."""
        if u.dtype not in self._full:
            self._full[u.dtype] = self.faces(u.dtype)
        out = np.empty_like(u) if out is None else out
        apply_faces(u, self._full[u.dtype], self.periodic, 0.0, out)
        if self.diagonal is not None:
            out += (self.diagonal @ u.reshape(-1)).reshape(u.shape).astype(u.dtype, copy=False)
        return out

    def matrix(self) -> Any:
        """Return `L` as a `scipy.sparse.csr_array` that acts on raveled (C order) fields."""
        import scipy.sparse

        cells = np.arange(math.prod(self.shape)).reshape(self.shape)
        rows, columns, values = [cells.ravel()], [cells.ravel()], [-np.broadcast_to(self.outflow(), self.shape).ravel()]
        for axis, (g, periodic) in enumerate(zip(self.faces(), self.periodic, strict=True)):
            n = self.shape[axis]
            first, second = np.take(cells, range(n - 1), axis), np.take(cells, range(1, n), axis)
            rate = np.take(g, range(1, n), axis)
            if periodic:
                first = np.append(first, np.take(cells, [n - 1], axis), axis)
                second = np.append(second, np.take(cells, [0], axis), axis)
                rate = np.append(rate, np.take(g, [0], axis), axis)
            for one, other in ((first, second), (second, first)):
                rows.append(one.ravel())
                columns.append(other.ravel())
                values.append(rate.ravel())
        size = cells.size
        entries = (np.concatenate(values), (np.concatenate(rows), np.concatenate(columns)))
        whole = scipy.sparse.coo_array(entries, shape=(size, size)).tocsr()
        return whole if self.diagonal is None else (whole + self.diagonal).tocsr()

    def b(self, time: float) -> Array | None:
        """Return the inhomogeneous term at a time (float64, of the field's shape), None for nothing."""
        if not self.moving_walls:
            return self.forcing
        total = np.zeros(self.shape) if self.forcing is None else self.forcing.copy()
        for wall in self.moving_walls:
            total[wall.where] += wall.at(time)
        return total

    def rhs(self, time: float, u: Array) -> Array:
        """Return the whole right-hand side ``L u + b(t) + reaction(t, u)`` as a new array of `u`'s dtype."""
        change = self.apply(u)
        forcing = self.b(time)
        if forcing is not None:
            change += forcing.astype(u.dtype, copy=False)
        if self.reaction is not None:
            change += self.reaction(time, u)
        return change


def as_planes(shape: tuple[Any, ...], single: Any) -> tuple[Any, Any, Any]:
    """Return what belongs to the axes of a line, plane or block for (planes, rows, cells).

    A plane consists of planes with a `single` row, a line is one of them.
    """
    return (shape[0] if len(shape) > 1 else single, shape[1] if len(shape) > 2 else single, shape[-1])


def apply_faces(u: Array, faces: tuple[Array, ...], periodic: tuple[bool, ...], keep: float, out: Array) -> None:
    """Write ``keep * u`` plus the exchange through full `faces` to `out`, on as many threads as pay."""
    number, none = u.dtype.type, np.empty(0, u.dtype)
    if u.ndim == 1:
        faces = (np.zeros(2 * u.size, u.dtype), *faces)
    g0, *g1, g2 = (g.reshape(-1) for g in faces)
    given = (
        u.reshape(-1),
        g0,
        g1[0] if g1 else none,
        g2,
        *as_planes(u.shape, 1),
        *as_planes(periodic, False),
        number(keep),
        number(0),
    )
    parts = min(2 * u.size // SMALLEST_SHARE, given[4])
    work = (*given, out.reshape(-1), max(1, parts), np.zeros(1, np.int64))
    if parts > 1:
        _threads.together(_loops.inflow_together, _loops.inflow, *work)
    else:
        _loops.inflow(*work)
