r"""The lattice Hamiltonian over the reduced Planck constant: hopping between neighbours, and a potential.

:math:`\frac{H}{\hbar}\psi_i = \sum_{\text{neighbours } j} r (\psi_i - \psi_j) + \frac{V_i}{\hbar} \psi_i` with
:math:`r = \hbar / (2 m \Delta x^2)`: minus the Laplacian of the diffusion equation, as a rate per time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, boundary
from diffuseconv._axes import on_axis
from diffuseconv._cached import cached_property
from diffuseconv._typing import Array


@dataclass(frozen=True, eq=False)
class Hamiltonian:
    """The Hamiltonian of a box of this shape.

    Parameters
    ----------
    names : tuple of str
        The boundary of each axis.
    rates : tuple of float
        ``hbar / (2 mass spacing**2)`` of each axis.
    potential : ndarray of float64 or None
        Potential energy over hbar.
    """

    shape: tuple[int, ...]
    names: tuple[str, ...]
    rates: tuple[float, ...]
    potential: Array | None

    @cached_property
    def kinetic(self) -> tuple[Array, ...]:
        """Kinetic energies over hbar of the modes of each axis, in the order of `boundary.transform`."""
        parts = zip(self.shape, self.names, self.rates, strict=True)
        return tuple(rate * boundary.eigenvalues(n, name) for n, name, rate in parts)

    @cached_property
    def range(self) -> tuple[float, float]:
        """Between which two values every energy over hbar lies."""
        low, high = (0.0, 0.0) if self.potential is None else (self.potential.min(), self.potential.max())
        return float(low), float(high) + sum(float(values.max()) for values in self.kinetic)

    @cached_property
    def diagonal(self) -> Array:
        """The diagonal of H over hbar; broadcasts to the field."""
        total = np.zeros((1,) * len(self.shape)) if self.potential is None else self.potential
        for axis, (n, name, rate) in enumerate(zip(self.shape, self.names, self.rates, strict=True)):
            line = np.full(n, 2 * rate)
            wall = boundary.RECORDS[name]
            if not wall.joined:
                line[0] -= wall.ghost * rate
                line[-1] -= wall.ghost * rate
            total = total + on_axis(line, axis, len(self.shape))
        return np.asarray(total)

    def apply(self, psi: Array, scale: float = 1.0, shift: float = 0.0) -> Array:
        """Return ``scale (H/hbar - shift) psi``."""
        out: Array = ((self.diagonal - shift) * scale).astype(psi.real.dtype) * psi
        for axis, (name, rate) in enumerate(zip(self.names, self.rates, strict=True)):
            into, of = np.moveaxis(out, axis, 0), np.moveaxis(psi, axis, 0)
            hop = rate * scale
            into[1:] -= hop * of[:-1]
            into[:-1] -= hop * of[1:]
            wall = boundary.RECORDS[name]
            if wall.joined:
                into[0] -= wall.ghost * hop * of[-1]
                into[-1] -= wall.ghost * hop * of[0]
        return out

    def phases(self, duration: float, kind: Any) -> list[Array]:
        """Return the phase factors of the modes of each axis over this time; each broadcasts to the field."""
        factors = []
        for axis, values in enumerate(self.kinetic):
            line = np.exp(-1j * duration * values).astype(kind)
            factors.append(on_axis(line, axis, len(self.shape)))
        return factors


def hamiltonian(
    shape: tuple[int, ...], mass: float, hbar: float, potential: ArrayLike | None, spacing: Any, walls: Any
) -> Hamiltonian:
    """Check the physics of a box of this shape."""
    ndim = len(shape)
    m, h = _checks.number("mass", mass, above=0), _checks.number("hbar", hbar, above=0)
    widths = _checks.spacing(spacing, ndim)
    names = boundary.per_axis(walls, ndim)
    rates = tuple(h / m / 2 / width / width for width in widths)
    if not math.isfinite(8 * sum(rates)):
        raise ValueError(f"hbar / (2 mass spacing**2) summed over axes must be finite, got {sum(rates):g}")
    if potential is None:
        return Hamiltonian(shape, names, rates, None)
    energy = _checks.array("potential", potential).astype(np.float64, copy=False)
    if energy.shape != shape:
        raise ValueError(f"potential must have the shape of psi, {shape}, got {energy.shape}")
    with np.errstate(over="ignore"):
        over = energy / h
    if not math.isfinite(4 * float(np.abs(over).max()) + 8 * sum(rates)):
        raise ValueError(f"potential / hbar must be finite, got a potential of {np.abs(energy).max():g}")
    return Hamiltonian(shape, names, rates, over)
