r"""The discretised problem: cells that exchange salt through their faces, :math:`du/dt = L u + b(t)`.

.. math::
    W_i (Lu)_i = \sum_{\text{faces } f \text{ of } i} \left[ g_f (u_{\text{across } f} - u_i) \pm
        q_f u_{\text{upwind of } f} \right] - k_i u_i

with a rate :math:`g_f \ge 0` and a drift :math:`q_f` (per time) on every face, the weight :math:`W_i` of each cell (its
volume times its capacity) and its decay :math:`k_i`. What leaves one cell enters the next. Without drift `L` is
self-adjoint in the product weighted with `W`. Beyond a wall the cell across holds 0; what the wall itself adds
stands in :math:`b(t)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffuseconv import _threads
from diffuseconv._cached import cached_property, kept
from diffuseconv._jit import diffusion as _loops
from diffuseconv._jit.faces import Faces
from diffuseconv._typing import Array, loop_input
from diffuseconv.diffusion.in_pieces import add, pieces
from diffuseconv.diffusion.rows import as_planes, on_faces, places

__all__ = ["Lattice", "WallTerm"]

POOLED = 1 << 18  # cells from which a loop that does several passes gains from the pool of threads
MOMENTS = 8  # of a problem whose drift depends on time, that are kept
WORTH_THREADS = 1 << 17  # cells per thread below which handing out one application costs more than it saves


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
    reaction_slope : callable or None
        ``reaction_slope(t, u)``, how the reaction of each cell changes with that cell's own value, where it is given.
    diagonal : scipy.sparse array or None
        What a tensor adds to `L`: symmetric exchanges with diagonal neighbours, rows summing to 0, on raveled fields.
    drift : tuple of ndarray or None
        Signed rates at which the faces carry the cell upwind of them, laid out as `rates` (the walls' entries are 0:
        what a drift carries through a wall is part of its loss); None where nothing drifts.
    weights : ndarray or None
        Volume times capacity of each cell in units of `cell`, None where all are 1. It divides rates, drift, decay and
        what walls add; `source` and `reaction` are already changes of `u`.
    decay : ndarray or None
        Rates at which cells lose what they hold, before division by the weights; broadcasts to the field.
    cell : float
        Volume times capacity of a cell of weight 1.
    lengths : tuple
        For each axis `cell` over the area of its faces: what makes a flux per area of a rate times a value.
    moving : callable or None
        ``moving(t)``, the problem as it is at a time, where the drift (and with it rates and walls) depends on time.
    """

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    periodic: tuple[bool, ...]
    rates: tuple[Array, ...]
    walls: tuple[WallTerm, ...] = ()
    source: Array | None = None
    reaction: Callable[[float, Array], Array] | None = None
    diagonal: Any = None
    drift: tuple[Array, ...] | None = None
    weights: Array | None = None
    decay: Array | None = None
    cell: float = 1.0
    lengths: tuple[Any, ...] = ()
    moving: Callable[[float], Lattice] | None = None
    reaction_slope: Callable[[float, Array], Array] | None = None

    @property
    def symmetric(self) -> bool:
        """Whether `L` is self-adjoint (in the product with the weights)."""
        return self.drift is None

    @cached_property
    def positive(self) -> bool:
        """Whether no cell takes from another in proportion to its own salt, as those of some tensors do."""
        if self.diagonal is None:
            return True
        below = np.count_nonzero(self.diagonal.data < 0)
        return bool(below == np.count_nonzero(self.diagonal.diagonal() < 0))

    @property
    def plain(self) -> bool:
        """Whether there are symmetric exchanges with direct neighbours and nothing else."""
        return self.drift is None and self.weights is None and self.decay is None and self.diagonal is None

    @property
    def moving_walls(self) -> tuple[WallTerm, ...]:
        """The walls that depend on time."""
        return tuple(wall for wall in self.walls if callable(wall.value))

    @property
    def steady(self) -> bool:
        """Whether nothing on the right-hand side depends on time or, beyond `L`, on the field."""
        return self.moving is None and not self.moving_walls and self.reaction is None

    @cached_property
    def forcing(self) -> Array | None:
        """The constant part of `b`, per volume and time, of the field's shape; None for nothing."""
        constant = [wall for wall in self.walls if not callable(wall.value)]
        if self.source is None and not constant:
            return None
        if not constant:
            return self.source
        total = np.zeros(self.shape) if self.source is None else self.source.copy()
        for wall in constant:
            total[wall.where] += self.from_wall(wall, 0.0)
        return total

    def from_wall(self, wall: WallTerm, time: float) -> Array:
        """Return what a wall adds to `b` at a time, as an array that broadcasts to the cells along it."""
        return wall.at(time) if self.weights is None else wall.at(time) / self.weights[wall.where]

    @cached_property
    def uniform(self) -> tuple[float, ...] | None:
        """The rate of each axis, equal on all faces but the walls'; None if it varies, or cells drift or differ."""
        if self.diagonal is not None or self.drift is not None or self.weights is not None:
            return None
        found = []
        for n, g, periodic in zip(self.shape, self.rates, self.periodic, strict=True):
            inner = g.reshape(-1)[0 if periodic else 1 : -1]  # the periodic face is one like the others
            if g.size != n + 1 or (inner != inner[:1]).any():
                return None
            if n == 1 and g.min() < 0:  # no rate of a lone cell stands for a drift in through its wall
                return None
            if n > 1 and inner[0] == 0 and g.any():  # walls that lose salt next to shut faces: no ghost expresses it
                return None
            found.append(float(inner[0]) if n > 1 else float(g.max()))
        return tuple(found)

    def outflow(self, wall_share: float = 1.0) -> Array:
        """Return the sum of the rates at which each cell loses along the axes; broadcasts to the field.

        Walls and decay, from which nothing comes back, count `wall_share`.
        """
        return self.outflow_of(0, self.shape[0], wall_share)

    def outflow_of(self, low: int, high: int, wall_share: float = 1.0) -> Array:
        """Return the outflow of only the planes `low` to ``high - 1``."""
        total = np.zeros((1,) * len(self.shape)) if self.decay is None else wall_share * _some(self.decay, low, high)
        for axis in range(len(self.shape)):
            both = self._outflow_along(axis, low, high, wall_share)
            whole = np.broadcast_shapes(total.shape, both.shape)
            total = np.add(total, both, out=both if both.shape == whole else None)
        return total if self.weights is None else total / _some(self.weights, low, high)

    def _outflow_along(self, axis: int, low: int, high: int, wall_share: float) -> Array:
        """Return the sum of the rates at which each cell of some planes loses along an axis, before division."""
        faces, periodic = high + (axis == 0), self.periodic[axis]
        given = self.rates[axis], None if self.drift is None else self.drift[axis]
        down, up = _directed(*(None if values is None else _some(values, low, faces) for values in given))
        across: tuple[Any, ...] = (slice(None),) * axis
        before, after = up[(*across, slice(None, -1))], down[(*across, slice(1, None))]
        both: Array = before + after
        if not periodic and (axis or low == 0):
            both[(*across, 0)] -= (1 - wall_share) * before[(*across, 0)]
        if not periodic and (axis or high == self.shape[0]):
            both[(*across, -1)] -= (1 - wall_share) * after[(*across, -1)]
        return both

    def _largest_outflow(self, wall_share: float) -> float:
        """Return the largest outflow: of rates that change along their own axes only the sum of each axis's largest."""
        axes = range(len(self.shape))
        own = all(
            part[axis].size == self.shape[axis] + 1 for part in (self.rates, self.drift or self.rates) for axis in axes
        )
        if own and self.decay is None and self.weights is None:
            return sum(float(self._outflow_along(axis, 0, self.shape[0], wall_share).max()) for axis in axes)
        return self.most(lambda low, high: self.outflow_of(low, high, wall_share))

    def losses(self) -> Array:
        """Return the rates at which cells lose to walls and by decay, each as it is, in the field's shape.

        Next to fast exchanges the difference of two outflows would lose them to rounding.
        """
        return self.losses_of(0, self.shape[0])

    def losses_of(self, low: int, high: int) -> Array:
        """Return the losses of only the planes `low` to ``high - 1``."""
        total = np.zeros((high - low, *self.shape[1:]))
        if self.decay is not None:
            total += self.decay if len(self.decay) == 1 else self.decay[low:high]
        for axis, (g, periodic) in enumerate(zip(self.rates, self.periodic, strict=True)):
            if periodic:
                continue
            across: tuple[Any, ...] = (slice(None),) * axis
            for end, reached in ((0, axis > 0 or low == 0), (-1, axis > 0 or high == self.shape[0])):
                if reached:
                    loss = g[(*across, end)]
                    total[(*across, end)] += loss[low:high] if axis > 0 and len(loss) > 1 else loss
        if self.weights is not None:
            total /= self.weights[low:high]
        return total

    @property
    def loses(self) -> bool:
        """Whether any cell loses, or gains, anything through walls or by decay."""
        return self.most(lambda low, high: self.losses_of(low, high) != 0) > 0

    def exchanging(self) -> Array:
        """Return which cells exchange or lose anything."""
        exchanging: Array = np.broadcast_to(self.outflow() > 0, self.shape)
        if self.diagonal is not None:
            exchanging = exchanging | (self.diagonal.diagonal() != 0).reshape(self.shape)
        return exchanging

    def most(self, of: Callable[[int, int], Array]) -> float:
        """Return the largest value of a function of some planes (`low` to ``high - 1``), called for a few at a time."""
        found: list[float] = []
        _threads.run(lambda low, high: found.append(float(of(low, high).max())), pieces(self.shape))
        return max(found)

    def directed(self, axis: int) -> tuple[Array, Array]:
        """Return the rates of the faces of one axis along it and against it."""
        return _directed(self.rates[axis], None if self.drift is None else self.drift[axis])

    @cached_property
    def growth(self) -> float:
        """A bound on the rate at which mass grows: where a drift carries in through a wall what the cell there holds.

        Such a wall (of given flux, say) is a negative loss; 0 everywhere else.
        """
        if self.decay is None and all(g.min() >= 0 for g in self.rates) and self.drift is None:
            return 0.0  # without the memory that outflows take
        return max(0.0, self.most(lambda low, high: -self.losses_of(low, high)))

    @cached_property
    def largest_rate(self) -> float:
        r"""A bound on the spectral radius of `L`: twice the largest outflow, walls and decay counted half.

        :math:`-u^T W L u = \sum g (u_i - u_j)^2 + \sum_{walls} \kappa u_i^2 \le
        2 \sum_i u_i^2 (\sum g + \sum \kappa/2)`. With a drift walls and decay count in full (Gershgorin), and the step
        ``2 / largest_rate`` keeps every weight of an explicit step >= 0. Where a drift carries in more than leaves, the
        `growth` counts too.
        """
        share = 0.5 if self.symmetric else 1.0
        if self.diagonal is None:
            return max(2 * self._largest_outflow(share), self.growth)
        own, across = self.diagonal.diagonal(), math.prod(self.shape[1:])

        def outflow(low: int, high: int) -> Array:
            rows = slice(low * across, high * across)
            exchanged = abs(self.diagonal[rows]).sum(axis=1) - abs(own[rows])  # of either sign, in full
            if self.weights is not None:
                exchanged /= self.weights[low:high].reshape(-1)
            total: Array = self.outflow_of(low, high, share) + exchanged.reshape(-1, *self.shape[1:])
            return total

        return max(2 * self.most(outflow), self.growth)

    @cached_property
    def drift_rate(self) -> float:
        r"""A bound on the squared imaginary part of any eigenvalue over its real part, per time; 0 without drift.

        Face by face :math:`|\Im u^* W L u|^2 \le |\Re u^* W L u| \, |u|^2 \max_i \sum_f q_f^2/(g_f + |q_f|/2)/W_i`: for
        constant coefficients :math:`\sum_a v_a^2/D_a`. What is explicit in time has to keep this times its step small.
        """
        if self.drift is None:
            return 0.0
        total = np.zeros((1,) * len(self.shape))
        for axis, (g, q) in enumerate(zip(self.rates, self.drift, strict=True)):
            share = np.divide(q * q, g + abs(q) / 2, out=np.zeros(np.broadcast_shapes(g.shape, q.shape)), where=q != 0)
            share = np.moveaxis(share, axis, 0)
            total = total + np.moveaxis((share[:-1] + share[1:]) / 2, 0, axis)
        return float((total if self.weights is None else total / self.weights).max())

    @property
    def stable_time_step(self) -> float:
        """The largest stable explicit step, ``2 / largest_rate``; infinite where nothing flows."""
        return math.inf if self.largest_rate == 0 else 2 / self.largest_rate

    def apply(
        self, u: Array, out: Array | None = None, keep: float = 0.0, scale: float = 1.0, held: float = 0.0
    ) -> Array:
        """Return ``held * out + keep * u + scale * L u`` (a new array unless `out` is given) for a contiguous field."""
        out, held = (np.empty_like(u), 0.0) if out is None else (out, held)
        own = u.dtype == np.float64  # other rates are copies that the scale keeps in their range
        rates, number = self._loop_rates(u.dtype, 1.0 if own else scale), u.dtype.type
        factors = _loops.Factors(number(keep), number(scale if own else 1.0), number(held))
        given, target, rows = (loop_input(u).reshape(-1), rates, factors), out.reshape(-1), math.prod(rates.shape[:2])
        parts = _threads.slices(rows, min(_threads.count(), u.size // WORTH_THREADS))
        _threads.run(_loops.flow, [(*given, low, high, target) for low, high in parts])
        if self.diagonal is not None:
            extra = (self.diagonal @ u.reshape(-1)).reshape(u.shape)
            if self.weights is not None:
                extra /= self.weights
            add(out, scale, extra)
        return out

    def faces(self, dtype: Any, scale: float) -> tuple[list[Any], list[Any]]:
        """Return exchanges and drifts times `scale` as compiled loops read them, kept for the next call."""
        known: Any = self._faces.get((dtype, scale))  # of which other threads may make others
        if known is None:
            self._faces.clear()  # before there are others
            exchanges, drifts = (
                [on_faces(values, self.shape, axis, dtype, scale) for axis, values in enumerate(given)]
                for given in (self.rates, self.drift or ())
            )
            known = self._faces[dtype, scale] = exchanges, drifts
        return known[0], known[1]

    def _loop_rates(self, dtype: Any, scale: float) -> Any:
        """Return the rates times `scale` as compiled loops read them, kept for the next call; without copies if 1."""
        known: Any = self._full.get((dtype, scale))
        if known is not None:
            return known
        none = loop_input(np.empty(0, dtype))
        nothing = Faces(none, *(loop_input(np.empty(0, np.uintp)),) * 2)
        axes = [_loops.Axis(nothing, nothing)] * 3
        exchanges, drifts = self.faces(dtype, scale)
        for axis, place in enumerate(places(len(self.shape))):
            drifting = self.drift is not None and self.drift[axis].any()
            axes[place] = _loops.Axis(exchanges[axis], drifts[axis] if drifting else nothing)

        def full(values: Any) -> Array:
            return loop_input(np.broadcast_to(np.asarray(values, dtype=dtype), self.shape)).reshape(-1)

        shape, periodic = as_planes(self.shape, 1), as_planes(self.periodic, False)
        loss = none if self.decay is None else full(self.decay if scale == 1 else self.decay * scale)
        shares = none if self.weights is None else full(1 / self.weights)
        self._full.clear()
        rates = self._full[dtype, scale] = _loops.Rates(
            shape, periodic, tuple(axes), loss, shares, loop_input(np.zeros(shape[2], dtype))
        )
        return rates

    @cached_property
    def _faces(self) -> dict[Any, Any]:
        return {}

    @cached_property
    def _full(self) -> dict[Any, Any]:
        return {}

    def matrix(self) -> Any:
        """Return `L` as a `scipy.sparse.csr_array` that acts on raveled (C order) fields, its diagonal in full."""
        flows = self.flow_matrix()
        if self.weights is not None:
            flows.data *= np.repeat(1 / self.weights.ravel(), np.diff(flows.indptr))
        return flows

    def flow_matrix(self) -> Any:
        """Return `W L`, whose columns sum to minus the losses; symmetric without drift."""
        import scipy.sparse

        size = math.prod(self.shape)
        cells: Any = np.arange(size, dtype=np.int32 if size < 1 << 31 else np.int64).reshape(self.shape)
        leaves = self.outflow() if self.weights is None else self.outflow() * self.weights
        rows, columns, values = [cells.ravel()], [cells.ravel()], [-np.broadcast_to(leaves, self.shape).ravel()]
        for axis, periodic in enumerate(self.periodic):
            n = self.shape[axis]
            faces = tuple(m + (a == axis) for a, m in enumerate(self.shape))
            first, second = np.take(cells, range(n - 1), axis), np.take(cells, range(1, n), axis)
            if periodic:
                first = np.append(first, np.take(cells, [n - 1], axis), axis)
                second = np.append(second, np.take(cells, [0], axis), axis)
            for rates, here, there in zip(self.directed(axis), (first, second), (second, first), strict=True):
                full = np.broadcast_to(rates, faces)
                inner = np.take(full, range(1, n), axis)
                inner = np.append(inner, np.take(full, [0], axis), axis) if periodic else inner
                rows.append(there.ravel())
                columns.append(here.ravel())
                values.append(inner.ravel())
        if self.diagonal is not None:
            added = self.diagonal.tocoo()
            for entries, more in zip((rows, columns, values), (added.row, added.col, added.data), strict=True):
                entries.append(more)
        joined = []
        for entries in (values, rows, columns):  # each freed before the next is joined
            joined.append(np.concatenate(entries))
            entries.clear()
        return scipy.sparse.coo_array((joined[0], (joined[1], joined[2])), shape=(size, size)).tocsr()

    def at(self, time: float) -> Lattice:
        """Return the problem as it is at a time; the last few are kept, as stages ask for them again."""
        moving = self.moving
        if moving is None:
            return self
        moment = time, getattr(time, "rest", 0.0)
        return kept(self, moment, lambda: moving(time), MOMENTS if math.prod(self.shape) < POOLED else 1)

    def b(self, time: float) -> Array | None:
        """Return the inhomogeneous term at a time (float64, of the field's shape), None for nothing."""
        if self.moving is not None:
            return self.at(time).b(time)
        if not self.moving_walls:
            return self.forcing
        total = np.zeros(self.shape) if self.forcing is None else self.forcing.copy()
        for wall in self.moving_walls:
            total[wall.where] += self.from_wall(wall, time)
        return total

    def rhs(self, time: float, u: Array, out: Array | None = None) -> Array:
        """Return the whole right-hand side ``L u + b(t) + reaction(t, u)``, a new array unless `out` is given."""
        return self.advance(time, u, out)

    def advance(
        self,
        time: float,
        u: Array,
        out: Array | None = None,
        keep: float = 0.0,
        scale: float = 1.0,
        held: float = 0.0,
    ) -> Array:
        """Return ``held * out + keep * u + scale * (L u + b(t) + reaction(t, u))``, as `apply` without more memory."""
        out = self.at(time).apply(u, out, keep, scale, held)
        self.add_terms(time, u, out, scale)
        return out

    def add_terms(self, time: float, u: Array, total: Array, scale: float, reaction: bool = True) -> None:
        """Add ``scale * (b(t) + reaction(t, u))`` to a field, or without the reaction."""
        now = self.at(time)
        if now.source is not None:
            add(total, scale, now.source)
        for wall in now.walls:
            total[wall.where] += (scale * now.from_wall(wall, time)).astype(total.dtype, copy=False)
        if self.reaction is not None and reaction:
            add(total, scale, self.reaction(time, u))


def _some(values: Array, low: int, high: int) -> Array:
    """Return what belongs to some planes of an array that may have one for all."""
    return values if len(values) == 1 else values[low:high]


def _directed(g: Any, q: Any) -> tuple[Array, Array]:
    """Return the rates of faces along their axis and against it, of an exchange and a drift."""
    return (g, g) if q is None or not q.any() else (g + np.maximum(q, 0.0), g + np.maximum(-q, 0.0))
