"""What a field does: salt and where it flows, entropy and energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from diffuseconv import _notebook
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["MassBalance", "energy", "entropy", "face_flux", "mass_balance", "total_mass"]

NEGLIGIBLE = 1e-6  # share of the salt below 0 that an entropy leaves out


@dataclass(frozen=True)
class MassBalance:
    """Salt per time at one moment: `change` = `inflow` - `outflow` + `source`.

    Attributes
    ----------
    change : float
        Rate at which the salt in the tank grows.
    inflow, outflow : float
        What comes in and goes out through the walls, both >= 0.
    source : float
        What sources add, less what decays.
    """

    change: float
    inflow: float
    outflow: float
    source: float

    def _repr_html_(self) -> str:
        """Return the balance as a table, for notebooks."""
        rows = {"inflow": self.inflow, "outflow": -self.outflow, "source": self.source, "change": self.change}
        return _notebook.card("Salt per time", rows)


def total_mass(u: Array, cell: float | Array, mask: Array | None = None) -> float:
    """Return the sum of a field times the weight of each cell, rounded once where all cells are alike."""
    if isinstance(cell, np.ndarray):
        with np.errstate(over="ignore"):
            u, cell = np.asarray(u * cell, dtype=np.float64), 1.0
    return _finite(_sum((u if mask is None else u[mask]).ravel()) * cell)


def _sum(values: Array) -> float:
    """Return the sum, rounded once; not finite where it overflows."""
    try:
        return math.fsum(values.data)  # Python's floats, in half the time of NumPy's
    except (OverflowError, ValueError):
        return math.inf


def _finite(total: float) -> float:
    """Return a sum over the field, or refuse it."""
    if not math.isfinite(total):
        raise ValueError(f"u must leave sums over its cells below 1.8e+308 (use other units), got {total:g}")
    return total


def face_flux(lattice: Lattice, u: Array, time: float) -> tuple[Array, ...]:
    """Return for each axis the flux through its faces, positive along the axis, with one more face than cells."""
    return tuple(
        np.asarray(flow * length) for flow, length in zip(_flows(lattice, u, time), lattice.lengths, strict=True)
    )


def _flows(lattice: Lattice, u: Array, time: float) -> list[Array]:
    """Return for each axis the flow through its faces, per time and `cell`."""
    flows = []
    for axis, (g, periodic) in enumerate(zip(lattice.rates, lattice.periodic, strict=True)):
        n = lattice.shape[axis]
        beyond = np.zeros_like(np.take(u, [0], axis), dtype=np.float64)
        ends = (np.take(u, [n - 1], axis), np.take(u, [0], axis)) if periodic else (beyond, beyond)
        across = np.concatenate([ends[0], u, ends[1]], axis)
        flow = 0.0 - g * np.diff(across, axis=axis)  # (0 - 0 has no sign)
        if lattice.drift is not None:
            before, after = np.take(across, range(n + 1), axis), np.take(across, range(1, n + 2), axis)
            q = lattice.drift[axis]
            flow += np.maximum(q, 0) * before + np.minimum(q, 0) * after
        for wall in lattice.walls:
            if wall.axis == axis:
                flow[wall.where] += (-1 if wall.high else 1) * wall.at(time)
        flows.append(flow)
    return flows


def mass_balance(lattice: Lattice, u: Array, time: float) -> MassBalance:
    """Return the salt that comes and goes per time; `change` is summed over cells, the rest over walls and sources."""
    cell = lattice.cell if lattice.weights is None else lattice.cell * lattice.weights
    through = []
    for axis, (flow, periodic) in enumerate(zip(_flows(lattice, u, time), lattice.periodic, strict=True)):
        if not periodic:
            through += [lattice.cell * np.take(flow, 0, axis).ravel(), -lattice.cell * np.take(flow, -1, axis).ravel()]
    walls = np.concatenate(through) if through else np.zeros(0)
    added = [] if lattice.source is None else [lattice.source * cell]
    if lattice.reaction is not None:
        added.append(np.broadcast_to(lattice.reaction(time, u), u.shape) * cell)
    if lattice.decay is not None:
        added.append(-lattice.cell * lattice.decay * u)
    source = _sum(np.concatenate([np.ravel(part) for part in added])) if added else 0.0
    change = total_mass(lattice.rhs(time, u), cell)
    return MassBalance(change, *map(_finite, (_sum(walls[walls > 0]), _sum(-walls[walls < 0]), source)))


def entropy(u: Array, cell: float | Array = 1.0, mask: Array | None = None) -> float:
    r"""Return :math:`-\sum p \ln (p/w)` of the salt's distribution over cells, `w` their weights over the mean weight.

    Values below 0, which rounding and tolerances leave, count as 0 if they hold at most 1e-6 of the salt.
    """
    weights = np.broadcast_to(np.asarray(cell, dtype=np.float64), u.shape)
    values, weights = (u.ravel(), weights.ravel()) if mask is None else (u[mask], weights[mask])
    values = np.asarray(values, dtype=np.float64)
    negative, total = -values[values < 0].sum(), np.abs(values).sum()
    if total == 0 or negative > NEGLIGIBLE * total:
        raise ValueError(
            f"entropy needs a field that is >= 0 and not 0 everywhere, got values from {values.min(initial=0.0):g} to "
            f"{values.max(initial=0.0):g}"
        )
    present = values > 0
    relative = weights / weights.mean()
    amounts = values[present] * relative[present]
    p = amounts / math.fsum(amounts)
    return -math.fsum(p * np.log(p / relative[present]))


def energy(u: Array, cell: float | Array, mask: Array | None = None) -> float:
    """Return half the integral of the squared field, weighted with the capacity."""
    with np.errstate(over="ignore"):
        squares = np.asarray(u, dtype=np.float64) ** 2
    return 0.5 * total_mass(squares, cell, mask)
