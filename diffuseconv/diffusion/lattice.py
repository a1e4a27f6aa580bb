r"""The discretised tank: cells that exchange salt through their faces, :math:`du/dt = L u + b(t)`.

:math:`(Lu)_i = \sum_{\text{faces } f \text{ of } i} g_f (u_{\text{across } f} - u_i)` with a rate :math:`g_f \ge 0`
(per time) on every face. A rate belongs to the face, not to a cell, so what leaves one cell enters the next and `L` is
symmetric. Beyond a wall the "cell across" holds 0 and what the wall itself brings in stands in :math:`b(t)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._jit import diffusion as _loops

__all__ = ["Inlet", "Lattice", "inflow"]

Array: TypeAlias = NDArray[Any]
SMALLEST_SHARE = 1 << 15  # cells per thread below which handing out work costs more than it saves


@dataclass(frozen=True, eq=False)
class Inlet:
    """A wall whose value depends on time: adds ``weight * value(t)`` to the cells at `where`."""

    where: tuple[slice, ...]
    weight: Array
    value: Callable[[float], Any]


@dataclass(frozen=True, eq=False)
class Lattice:
    """The discretised problem on a field of one shape, between two events in time (such as the lifting of a barrier).

    Parameters
    ----------
    shape, spacing : tuple
        Cells and their width on each axis.
    periodic : tuple of bool
        Whether each axis closes on itself.
    rates : tuple of ndarray of float64
        Exchange rates of the faces, per time: for each axis an array with one entry more than cells along that axis,
        entry `i` lying before cell `i`. It has 1 entry along other axes where nothing changes. The outermost entries
        are the walls' losses, or twice the one seam of a periodic axis.
    forcing : ndarray of float64 or None
        What constant walls and sources bring in, salt per volume and time, of the field's shape; None for nothing.
    inlets : tuple of Inlet
        Walls that depend on time.
    reaction : callable or None
        ``reaction(t, u)``, a source that depends on time or on the field, of the field's shape.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    periodic: tuple[bool, ...]
    rates: tuple[Array, ...]
    forcing: Array | None = None
    inlets: tuple[Inlet, ...] = ()
    reaction: Callable[[float, Array], Array] | None = None

    @property
    def steady(self) -> bool:
        """Whether nothing on the right-hand side depends on time or, beyond `L`, on the field."""
        return not self.inlets and self.reaction is None

    @cached_property
    def uniform(self) -> tuple[float, ...] | None:
        """The rate of each axis where it is the same on all faces but the walls' (else None)."""
        found = []
        for axis, (n, g) in enumerate(zip(self.shape, self.rates, strict=True)):
            inner = g.reshape(-1)[1:-1] if g.size == n + 1 else np.take(g, range(1, n), axis).reshape(-1)
            if g.size != n + 1 or (inner != inner[:1]).any():
                return None
            found.append(float(inner[0]) if n > 1 else float(g.max()))
        return tuple(found)

    def outflow(self, wall_share: float = 1.0) -> Array:
        """Sum the rates of each cell's faces, walls counting `wall_share`, as an array that broadcasts to the field."""
        total = np.zeros((1,) * len(self.shape))
        for axis, (g, periodic) in enumerate(zip(self.rates, self.periodic, strict=True)):
            if not periodic:
                g = g.copy()
                np.moveaxis(g, axis, 0)[[0, -1]] *= wall_share
            n = self.shape[axis]
            total = total + (np.take(g, range(n), axis) + np.take(g, range(1, n + 1), axis))
        return total

    @cached_property
    def largest_rate(self) -> float:
        r"""A bound on the spectral radius of `L`: twice the largest outflow, walls counted half.

        :math:`-u^T L u = \sum g (u_i - u_j)^2 + \sum_{walls} \kappa u_i^2 \le 2 \sum_i u_i^2 (\sum g + \sum \kappa/2)`.
        """
        return 2 * float(self.outflow(wall_share=0.5).max())

    @property
    def stable_time_step(self) -> float:
        """The largest stable explicit step, ``2 / largest_rate``; infinite where nothing flows."""
        return math.inf if self.largest_rate == 0 else 2 / self.largest_rate

    def faces(self, dtype: Any = np.float64, scale: float = 1.0) -> tuple[Array, ...]:
        """Give `rates` times `scale` as full contiguous arrays of this dtype (as compiled loops want them)."""
        full = []
        for axis, g in enumerate(self.rates):
            shape = tuple(n + (a == axis) for a, n in enumerate(self.shape))
            full.append(np.ascontiguousarray(np.broadcast_to((g * scale).astype(dtype), shape)))
        return tuple(full)

    @cached_property
    def _full(self) -> dict[Any, tuple[Array, ...]]:
        return {}

    def apply(self, u: Array, out: Array | None = None) -> Array:
        """Give ``L u`` (a new array unless `out` is given) for a contiguous float32 or float64 field."""
        if u.dtype not in self._full:
            self._full[u.dtype] = self.faces(u.dtype)
        out = np.empty_like(u) if out is None else out
        inflow(u, self._full[u.dtype], self.periodic, 0.0, out)
        return out

    def b(self, time: float) -> Array | None:
        """Give what walls and constant sources bring in at a time (float64, of the field's shape), None for nothing."""
        if not self.inlets:
            return self.forcing
        total = np.zeros(self.shape) if self.forcing is None else self.forcing.copy()
        for inlet in self.inlets:
            total[inlet.where] += inlet.weight * inlet.value(time)
        return total

    def rhs(self, time: float, u: Array) -> Array:
        """Give the whole right-hand side ``L u + b(t) + reaction(t, u)`` as a new array of `u`'s dtype."""
        change = self.apply(u)
        brought = self.b(time)
        if brought is not None:
            change += brought.astype(u.dtype, copy=False)
        if self.reaction is not None:
            change += self.reaction(time, u)
        return change


def inflow(u: Array, faces: tuple[Array, ...], periodic: tuple[bool, ...], keep: float, out: Array) -> None:
    """Write ``keep * u`` plus what flows in through full `faces`, on as many threads as pay."""
    keep = u.dtype.type(keep)
    if u.ndim == 1:
        none = np.zeros((2, u.size), u.dtype)
        u, out, faces, periodic = u[None], out[None], (none, faces[0][None]), (False, periodic[0])
    zeros = np.zeros(u.shape[-1], u.dtype)
    loop = _loops.inflow_2d if u.ndim == 2 else _loops.inflow_3d
    parts = _threads.slices(len(u), min(_threads.count(), u.size // SMALLEST_SHARE))
    _threads.run(loop, [(u, *faces, *periodic, keep, zeros, first, stop, out) for first, stop in parts])
