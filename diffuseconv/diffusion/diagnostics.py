"""What a field does: salt and where it flows, entropy and energy."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

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
        What sources add.
    """

    change: float
    inflow: float
    outflow: float
    source: float


def total_mass(u: Array, cell: float, mask: Array | None = None) -> float:
    """Add up a field times the volume of a cell, without rounding until the end."""
    return math.fsum((u if mask is None else u[mask]).ravel()) * cell


def face_flux(lattice: Lattice, u: Array, time: float) -> tuple[Array, ...]:
    """Return for each axis the flux through its faces, positive along the axis, with one more face than cells."""
    fluxes = []
    for axis, (g, dx, periodic) in enumerate(zip(lattice.rates, lattice.spacing, lattice.periodic, strict=True)):
        n = lattice.shape[axis]
        beyond = np.zeros_like(np.take(u, [0], axis), dtype=np.float64)
        ends = (np.take(u, [n - 1], axis), np.take(u, [0], axis)) if periodic else (beyond, beyond)
        across = np.concatenate([ends[0], u, ends[1]], axis)
        flux = 0.0 - g * np.diff(across, axis=axis) * dx  # (0 - 0 has no sign)
        for wall in lattice.walls:
            if wall.axis == axis:
                face = (slice(None),) * axis + (slice(-1, None) if wall.high else slice(0, 1),)
                flux[face] += (-1 if wall.high else 1) * wall.at(time) * dx
        fluxes.append(flux)
    return tuple(fluxes)


def mass_balance(lattice: Lattice, u: Array, time: float) -> MassBalance:
    """Return the salt that comes and goes per time; `change` is summed over cells, the rest over walls and sources."""
    cell = math.prod(lattice.spacing)
    through = []
    for axis, (flux, periodic) in enumerate(zip(face_flux(lattice, u, time), lattice.periodic, strict=True)):
        if not periodic:
            area = cell / lattice.spacing[axis]
            low, high = np.take(flux, 0, axis), np.take(flux, -1, axis)
            through += [area * low.ravel(), -area * high.ravel()]
    walls = np.concatenate(through) if through else np.zeros(0)
    source = 0.0 if lattice.source is None else total_mass(lattice.source, cell)
    if lattice.reaction is not None:
        source += total_mass(np.broadcast_to(lattice.reaction(time, u), u.shape), cell)
    change = total_mass(lattice.rhs(time, u), cell)
    return MassBalance(change, math.fsum(walls[walls > 0]), math.fsum(-walls[walls < 0]), source)


def entropy(u: Array, mask: Array | None = None) -> float:
    r"""Return :math:`-\sum p \ln p` of the salt's distribution ``p = u / sum(u)`` over cells.

    Values below 0, which rounding and tolerances leave, count as 0 if they hold at most 1e-6 of the salt.
    """
    amounts = np.asarray(u if mask is None else u[mask], dtype=np.float64).ravel()
    negative, total = -amounts[amounts < 0].sum(), np.abs(amounts).sum()
    if total == 0 or negative > NEGLIGIBLE * total:
        raise ValueError(
            f"entropy needs a field that is >= 0 and not 0 everywhere, got values from {amounts.min(initial=0.0):g} to "
            f"{amounts.max(initial=0.0):g}"
        )
    amounts = amounts[amounts > 0]
    p = amounts / math.fsum(amounts)
    return -math.fsum(p * np.log(p))


def energy(u: Array, cell: float, mask: Array | None = None) -> float:
    """Return half the integral of the squared field."""
    values = np.asarray(u if mask is None else u[mask], dtype=np.float64)
    return 0.5 * math.fsum((values**2).ravel()) * cell
