"""The right-hand side as a linear operator, for research code that brings its own integrator."""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse.linalg
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

if TYPE_CHECKING:
    from diffuseconv.diffusion.equation import DiffusionEquation

__all__ = ["Operator"]


class Operator(scipy.sparse.linalg.LinearOperator):  # type: ignore[misc,unused-ignore]
    r"""The discretised equation :math:`du/dt = L u + b(t)` on raveled (C order) fields.

    It *is* the `scipy.sparse.linalg.LinearOperator` of `L` (without forming a matrix). Made by
    `DiffusionEquation.operator`.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array
        `L` as a sparse array; symmetric.
    lift_times : list of float
        Times at which barriers lift; `L` is the one of the time asked for, `rhs` follows them.

    Examples
    --------
    >>> import scipy.integrate
    >>> op = dc.DiffusionEquation().operator((2, 2))
    >>> op.matrix.toarray()[0]
    array([-2.,  1.,  1.,  0.])
    >>> run = scipy.integrate.solve_ivp(op.rhs, (0, 20), np.array([1.0, 0, 0, 0]), rtol=1e-9, atol=1e-9)
    >>> run.y[:, -1].round(6)
    array([0.25, 0.25, 0.25, 0.25])
    """

    def __init__(self, equation: DiffusionEquation, shape: tuple[int, ...], time: float) -> None:
        self.lattice: Lattice = equation.lattice(shape, time)
        self.lift_times = equation.lift_times
        self._stages = {bisect_right(self.lift_times, time): self.lattice}
        self._equation = equation
        self.matrix = self.lattice.matrix()
        super().__init__(np.dtype(np.float64), self.matrix.shape)  # type: ignore[call-arg,unused-ignore]

    def _matvec(self, u: Array) -> Array:
        if np.iscomplexobj(u):
            whole: Array = self._matvec(u.real) + 1j * self._matvec(u.imag)
            return whole
        field = np.ascontiguousarray(u, dtype=np.float64).reshape(self.lattice.shape)
        return self.lattice.apply(field).reshape(-1)

    def _adjoint(self) -> Operator:
        return self

    def b(self, time: float = 0.0) -> Array:
        """Return what walls and constant sources bring in at a time, raveled."""
        brought = self._at(time).b(time)
        return np.zeros(self.shape[0]) if brought is None else brought.reshape(-1)

    def rhs(self, time: float, u: ArrayLike) -> Array:
        """Return the whole right-hand side for `scipy.integrate.solve_ivp`: of `u`'s shape, raveled or not."""
        given = _checks.array("u", u, finite=False)
        lattice = self._at(time)
        if given.shape not in (lattice.shape, self.shape[:1]):
            raise ValueError(f"u must have shape {lattice.shape} or be raveled, got shape {given.shape}")
        field = np.ascontiguousarray(given, dtype=np.float64).reshape(lattice.shape)
        return lattice.rhs(time, field).reshape(given.shape)

    def _at(self, time: float) -> Lattice:
        """Return the lattice between the lifts of barriers around a time."""
        stage = bisect_right(self.lift_times, time)
        if stage not in self._stages:
            self._stages[stage] = self._equation.lattice(self.lattice.shape, time)
        return self._stages[stage]
