"""The right-hand side as a linear operator, for integrators of other libraries."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
import scipy.sparse.linalg
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["Operator"]


class Operator(scipy.sparse.linalg.LinearOperator):  # type: ignore[misc,unused-ignore]
    r"""The discretised equation :math:`du/dt = L u + b(t)` on raveled (C order) fields.

    It *is* the `scipy.sparse.linalg.LinearOperator` of `L` (without forming a matrix). Made by
    `DiffusionEquation.operator`.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array
        `L` as a sparse array; symmetric without drift where all cells have the same volume and capacity.
    lift_times : list of float
        Times at which barriers lift; `L` is the one of the time asked for, `rhs` follows them, and velocities too.

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

    def __init__(
        self,
        lattice_at: Callable[[float], Lattice],
        state_at: Callable[[float], Hashable],
        lift_times: Sequence[float],
        time: float,
    ) -> None:
        self.lattice = lattice_at(time)
        self.lift_times = list(lift_times)
        self._lattices = {state_at(time): self.lattice}
        self._lattice_at, self._state_at = lattice_at, state_at
        self.matrix = self.lattice.matrix()
        super().__init__(np.dtype(np.float64), self.matrix.shape)  # type: ignore[call-arg,unused-ignore]

    def _matvec(self, u: Array) -> Array:
        if np.iscomplexobj(u):
            whole: Array = self._matvec(u.real) + 1j * self._matvec(u.imag)
            return whole
        field = np.ascontiguousarray(u, dtype=np.float64).reshape(self.lattice.shape)
        return self.lattice.apply(field).reshape(-1)

    def _adjoint(self) -> Any:
        if self.lattice.symmetric and self.lattice.weights is None:
            return self
        return scipy.sparse.linalg.aslinearoperator(self.matrix.T.tocsr())

    def b(self, time: float = 0.0) -> Array:
        """Return what walls and constant sources add per volume and time at a time, raveled: a new array."""
        forcing = self._valid_at(time).b(time)
        return np.zeros(self.shape[0]) if forcing is None else forcing.flatten()  # the problem's own stays as it is

    def rhs(self, time: float, u: ArrayLike) -> Array:
        """Return the whole right-hand side for `scipy.integrate.solve_ivp`: of `u`'s shape, raveled or not.

        Raveled fields may also be the columns of a matrix, as ``vectorized=True`` passes them.
        """
        given = _checks.array("u", u, finite=False)
        lattice = self._valid_at(time)
        if given.ndim == 2 and given.shape != lattice.shape and len(given) == self.shape[0]:
            return np.stack([self.rhs(time, column) for column in given.T], axis=1)
        if given.shape not in (lattice.shape, self.shape[:1]):
            raise ValueError(
                f"u must have shape {lattice.shape}, or be raveled or columns of raveled ones, got shape {given.shape}"
            )
        field = np.ascontiguousarray(given, dtype=np.float64).reshape(lattice.shape)
        return lattice.rhs(time, field).reshape(given.shape)

    def _valid_at(self, time: float) -> Lattice:
        """Return the lattice that is valid at a time."""
        state = self._state_at(time)
        if state not in self._lattices:
            self._lattices[state] = self._lattice_at(time)
        return self._lattices[state]
