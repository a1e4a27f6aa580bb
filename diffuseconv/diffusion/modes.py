r"""The modes of one axis: sines, cosines and waves in closed form, or eigenvectors of its tridiagonal matrix.

Cells that exchange at the rate `a` along the axis and `b` against it, and lose :math:`\kappa` at the walls, have a
matrix that :math:`S = \operatorname{diag}((a/b)^{j/2})` makes symmetric. With its orthonormal eigenvectors
:math:`\phi`, the modes are :math:`S \phi`, the amplitudes are the products with :math:`S^{-1} \phi`, and the decay
rates are :math:`\sum_j (\sqrt{a} \phi_j - \sqrt{b} \phi_{j+1})^2 + \kappa_0 \phi_0^2 + \kappa_n \phi_n^2`: a sum of
squares, which keeps the digits of slow modes. Rounding grows by the condition number of `S`, :math:`e^{|v| L/2D}` for
a velocity `v` and a length `L`.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from diffuseconv import boundary
from diffuseconv._cached import kept
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["MOST_CELLS", "MOST_CONDITION", "Axis", "Basis", "axes_of", "basis", "rates"]

MOST_CELLS = 2048  # of an axis whose modes have no closed form: they take the square of it in time and memory
MOST_CONDITION = 1e3  # of the product of all `S`: what rounding may grow by


class Axis(NamedTuple):
    """One axis: its walls (None if its modes have no closed form), cells, rates and losses at its ends."""

    walls: boundary.Walls | None
    size: int
    onward: float
    back: float
    low: float
    high: float
    periodic: bool

    @property
    def condition(self) -> float:
        """The condition number of what makes the matrix of the axis symmetric; infinite if nothing does."""
        if self.onward == self.back or self.periodic or self.size == 1:
            return 1.0
        if self.onward == 0 or self.back == 0:
            return math.inf
        exponent = (self.size - 1) / 2 * abs(math.log(self.onward / self.back))
        return math.exp(min(exponent, 700.0))


class Basis(NamedTuple):
    """The slowest modes of an axis, in rows, what an amplitude is the product with, and how fast they decay."""

    modes: Array
    duals: Array
    rates: Array


def axes_of(problem: Lattice) -> tuple[Axis, ...] | None:
    """Return the axes of a box on which D and velocity are constant, None if it is not one; recognised once."""
    return kept(problem, "axes", lambda: _axes(problem))


def _axes(problem: Lattice) -> tuple[Axis, ...] | None:
    """Return the axes of a box, recognised now."""
    if problem.diagonal is not None or problem.weights is not None:
        return None
    if problem.drift is None and problem.uniform is None:
        return None
    axes = []
    for axis, (n, periodic) in enumerate(zip(problem.shape, problem.periodic, strict=True)):
        profiles = [_profile(rates, axis) for rates in (*problem.directed(axis), problem.rates[axis])]
        if any(profile is None for profile in profiles):
            return None
        down, up, g = (profile for profile in profiles if profile is not None)
        inner = slice(None) if periodic else slice(1, -1)
        if any((rates[inner] != rates[inner][:1]).any() for rates in (down, up)):
            return None
        low, high = (0.0, 0.0) if periodic else (float(g[0]), float(g[-1]))
        onward, back = (float(rates[inner][0]) if n > 1 else max(low, high) for rates in (down, up))
        walls = _recognised(onward, low, high, periodic) if onward == back else None
        axes.append(Axis(walls, n, onward, back, low, high, periodic))
    return tuple(axes)


def _profile(rates: Array, axis: int) -> Array | None:
    """Return the rates of the faces along an axis, None if they vary across it."""
    if rates.size == rates.shape[axis]:
        return rates.reshape(-1)
    across = np.moveaxis(rates, axis, 0).reshape(rates.shape[axis], -1)
    return None if (across != across[:, :1]).any() else across[:, 0]


def _recognised(rate: float, low: float, high: float, periodic: bool) -> boundary.Walls | None:
    """Return the walls of which the modes are known, by what they lose."""
    loses = {
        name: rate * (1 - record.ghost)
        for name, record in boundary.RECORDS.items()
        if record.physical and record.joined == periodic
    }
    for name, loss in loses.items():  # the first one if the rate is 0
        if low == high == loss:
            return name
    for pair in boundary.PAIRS:
        if not periodic and (low, high) == tuple(loses[name] for name in pair):
            return pair
    return None


def rates(axis: Axis) -> Array:
    """Return the decay rates of the modes of an axis, in the order of the transform, or growing if it has none."""
    if axis.walls is None:
        return _computed(axis).rates
    return axis.onward * boundary.eigenvalues(axis.size, axis.walls)


def basis(axis: Axis, count: int) -> Basis:
    """Return the `count` slowest modes of an axis that has real ones."""
    if axis.walls is None:
        return Basis(*(values[:count] for values in _computed(axis)))
    modes, order = boundary.basis(axis.size, axis.walls, count)
    return Basis(modes, modes, rates(axis)[order])


@lru_cache(maxsize=3)
def _computed(axis: Axis) -> Basis:
    """Return the modes of an axis between any two walls."""
    import scipy.linalg

    n = axis.size
    if n == 1:
        return Basis(np.ones((1, 1)), np.ones((1, 1)), np.array([axis.low + axis.high]))
    unit = math.ldexp(1.0, math.frexp(axis.onward + axis.back)[1])  # LAPACK takes squares, which may underflow
    a, b, low, high = (rate / unit for rate in (axis.onward, axis.back, axis.low, axis.high))
    diagonal = np.full(n, a + b)
    diagonal[0] += low - b
    diagonal[-1] += high - a
    vectors = scipy.linalg.eigh_tridiagonal(diagonal, np.full(n - 1, -math.sqrt(a * b)))[1].T
    decay = ((math.sqrt(a) * vectors[:, :-1] - math.sqrt(b) * vectors[:, 1:]) ** 2).sum(axis=1)
    decay += low * vectors[:, 0] ** 2 + high * vectors[:, -1] ** 2
    decay *= unit
    if a == b:
        return Basis(vectors, vectors, decay)
    weights = (a / b) ** ((np.arange(n) - (n - 1) / 2) / 2)
    return Basis(vectors * weights, vectors / weights, decay)
