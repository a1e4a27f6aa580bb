r"""Systems whose reaction couples cells: GMRES, which needs but products with its Jacobian, by differences.

With `A` the matrix that slopes along each cell's own value give and `B` what they leave out, :math:`(A - B) x = y` is
solved as :math:`(1 - A^{-1} B) x = A^{-1} y`: a mean, a mirror image or a sensor take two or three products each.

References
----------
.. [1] D. A. Knoll, D. E. Keyes, "Jacobian-free Newton-Krylov methods", J. Comput. Phys. 193 (2004) 357, section 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from diffuseconv import _threads
from diffuseconv._typing import Array
from diffuseconv.diffusion.shifted import Solver, norm

__all__ = ["most_products", "solver"]

SINGLE = 1 << 11  # entries of a basis up to which a product takes one thread: others spin for long on busy processors
LARGE = 1 << 16  # cells from which memory for directions counts
ACCURATE, ROUGH = 1e-5, 0.1  # of the right-hand side: what is aimed at, and what is good enough for Newton's iteration


def most_products(size: int) -> int:
    """Return how many products a solution may take, each of which holds a complex field."""
    return 60 if size < LARGE else 8


def solver(direct: Solver, product: Callable[[Array], Array], count: Callable[[int], None]) -> Solver:
    """Return the solver of a matrix less another one, of which the first is solved directly, the other multiplies.

    `count` is told how many products a solution took.
    """

    def multiply(x: Array) -> Array:
        if not np.iscomplexobj(x):
            return x - direct(product(x))
        image = np.empty(x.shape, complex)
        image.real, image.imag = product(x.real), product(x.imag)
        return x - direct(image)

    def solve(y: Array) -> Array:
        right = direct(y)
        size = norm(right)
        if not 0 < size < math.inf:
            return right
        most = most_products(right.size)
        basis: Array = np.empty((4, right.size), right.dtype)
        basis[0] = right.reshape(-1) / size
        hessenberg: Array = np.zeros((most + 1, most), right.dtype)
        null = np.ones(1, right.dtype)  # of the Hessenberg matrix from the left: along it lies what is left
        for k in range(most):
            image = multiply(basis[k].reshape(right.shape)).reshape(-1)
            for _ in range(2):  # once more, for what rounding leaves
                hessenberg[: k + 1, k] += _take_off(basis[: k + 1], image)
            hessenberg[k + 1, k] = rest = norm(image)
            if not rest > 0:
                break
            null = np.append(null, -(null @ hessenberg[: k + 1, k]) / rest)
            if size / np.linalg.norm(null) <= ACCURATE * size:
                break
            if k + 1 == len(basis):
                basis = np.concatenate([basis, np.empty_like(basis)])
            np.divide(image, rest, out=basis[k + 1])
        count(k + 1)
        if rest > 0 and not ROUGH * np.linalg.norm(null) >= 1:
            raise np.linalg.LinAlgError("products with the Jacobian do not converge")
        target = np.zeros(k + 2)
        target[0] = size
        shares = np.linalg.lstsq(hessenberg[: k + 2, : k + 1], target, rcond=None)[0]
        solution = right.reshape(-1)
        for low, high in _parts(basis[: k + 1]):
            solution[low:high] = shares @ basis[: k + 1, low:high]
        return solution.reshape(right.shape)

    return solve


def _parts(basis: Array) -> list[tuple[int, int]]:
    """Return the ends of parts of fields whose products BLAS leaves to one thread."""
    return _threads.slices(basis.shape[1], 1 + basis.size // SINGLE)


def _take_off(basis: Array, x: Array) -> Array:
    """Make a field orthogonal to others, and return its inner products with them."""
    parts = _parts(basis)
    shares = np.zeros(len(basis), basis.dtype)
    for low, high in parts:
        shares += basis[:, low:high].conj() @ x[low:high]
    for low, high in parts:
        x[low:high] -= shares @ basis[:, low:high]
    return shares
