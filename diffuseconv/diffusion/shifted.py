r"""Solutions of shifted systems :math:`(\sigma - \lambda (L + \mathrm{diag}(s)))\,x = y`, real or complex.

On a line the matrix is tridiagonal; else it is factorised (sparse LU with a fill-reducing order), and large blocks are
solved by conjugate gradients, preconditioned with the constant-coefficient problem of the mean rates, which transforms
solve exactly. For complex shifts these are conjugate orthogonal conjugate gradients: the matrix is symmetric.

References
----------
.. [1] H. A. van der Vorst, J. B. M. Melissen, "A Petrov-Galerkin type method for solving Ax = b, where A is symmetric
   complex", IEEE Trans. Magn. 26 (1990) 706.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any, TypeAlias

import numpy as np

from diffuseconv import boundary
from diffuseconv._cached import kept
from diffuseconv._foreign import Made
from diffuseconv._typing import Array
from diffuseconv.diffusion.in_pieces import add, largest, pieces
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["Solver", "converges_fast", "coupled", "factorises", "iterated", "norm", "solver"]

Solver: TypeAlias = Callable[[Array], Array]

FACTORISED = (10**7, 1 << 20, 20_000)  # cells, in 1, 2 and 3 dimensions, up to which a factorisation is the quicker
ITERATED, ALIKE = 3000, 4.0  # cells in the plane from which, and rates' ratio up to which, iterations are quicker
BRIEF = 2000  # cells: in some milliseconds, as long as starting a thread takes on busy processors
RESIDUAL = 1e-15  # of conjugate gradients, relative to the right-hand side
MOST_ITERATIONS = 1000
WELL_SCALED, MOST_REFINEMENTS = 100.0, 4
WELL_REFINED = 1e-6  # the largest last correction, relative: the one after it would be rounding
EPS = float(np.finfo(np.float64).eps)


def factorises(problem: Lattice) -> bool:
    """Return whether systems are factorised, not iterated."""
    return math.prod(problem.shape) <= FACTORISED[len(problem.shape) - 1]


def converges_fast(problem: Lattice) -> bool:
    """Return whether iterations are quicker than a factorisation in the plane: where rates hardly differ."""
    if len(problem.shape) != 2 or not problem.plain or problem.moving is not None or min(problem.shape) < 2:
        return False
    if math.prod(problem.shape) < ITERATED:
        return False
    inner = [np.moveaxis(g, axis, 0)[1:-1] for axis, g in enumerate(problem.rates)]
    return all(g.max() <= ALIKE * g.min() for g in inner)


def solver(problem: Lattice, shift: complex, scale: float, slope: Array | None = None) -> Solver:
    """Return a function from a field ``y`` to the ``x`` with ``(shift - scale (L + diag(slope))) x = y``."""
    if len(problem.shape) == 1 and not problem.periodic[0] and problem.diagonal is None:
        direct = _tridiagonal(problem, shift, scale, slope)
    elif factorises(problem) or not problem.plain:
        direct = _factorised(problem, shift, scale, slope)
    else:
        return iterated(problem, shift, scale, slope)
    return direct if abs(scale) * problem.largest_rate < WELL_SCALED else _refined(problem, shift, scale, slope, direct)


def coupled(problem: Lattice, shift: complex, scale: float, slopes: Any) -> Solver:
    """Return the solver of ``shift - scale (L + slopes)``, `slopes` being a whole matrix, dense or sparse."""
    from scipy.linalg import lu_factor, lu_solve

    if not isinstance(slopes, np.ndarray):
        return _sparse(problem.matrix() + slopes, shift, scale)
    matrix = np.multiply(
        problem.matrix().toarray() + slopes, -scale, dtype=complex if np.iscomplexobj(shift) else float
    )
    matrix[np.diag_indices_from(matrix)] += shift
    if not np.isfinite(matrix).all():
        raise np.linalg.LinAlgError("matrix is not finite")
    factors = lu_factor(matrix, overwrite_a=True, check_finite=False)

    def solve(y: Array) -> Array:
        x: Array = lu_solve(factors, y.reshape(-1), check_finite=False).reshape(y.shape)
        return x

    return solve


def _sparse(rates: Any, shift: complex, scale: float) -> Solver:
    """Return the solver of ``shift - scale rates``, a sparse matrix of any kind, with pivoting."""
    import scipy.sparse
    from scipy.sparse.linalg import splu

    kind = np.dtype(complex if np.iscomplexobj(shift) else float)
    matrix: Any = scipy.sparse.diags_array(np.full(rates.shape[0], shift, kind)) - scale * rates
    if not np.isfinite(matrix.data).all():
        raise np.linalg.LinAlgError("matrix is not finite")
    try:
        factors = Made(lambda: splu(matrix.tocsc()), brief=rates.shape[0] < BRIEF)
    except RuntimeError:
        raise np.linalg.LinAlgError("singular matrix") from None
    return lambda y: factors.value.solve(y.reshape(-1).astype(kind, copy=False)).reshape(y.shape)


def _refined(problem: Lattice, shift: complex, scale: float, slope: Array | None, direct: Solver) -> Solver:
    """Refine direct solutions: residuals of differences between cells keep the digits that a matrix of sums loses."""

    def solve(y: Array) -> Array:
        x = direct(y)
        past = math.inf
        for _ in range(MOST_REFINEMENTS):
            correction = direct(_rest(problem, shift, scale, slope, x, y))
            size = float(np.abs(correction).max())
            if not size < past / 2:
                break
            x += correction
            past = size
            if size <= EPS * float(np.abs(x).max()):
                break
        if not past <= WELL_REFINED * float(np.abs(x).max()):
            raise np.linalg.LinAlgError("rates too fast for the digits of a factorisation")
        return x

    return solve


def _image(problem: Lattice, shift: complex, scale: float, slope: Array | None, x: Array) -> Array:
    """Return the product with the matrix."""
    if np.iscomplexobj(x):
        moved = np.empty(x.shape, x.dtype)
        moved.real = problem.apply(np.ascontiguousarray(x.real))
        moved.imag = problem.apply(np.ascontiguousarray(x.imag))
    else:
        moved = problem.apply(np.ascontiguousarray(x))
    for low, high in pieces(x.shape):
        part, here = moved[low:high], x[low:high]
        if slope is not None:
            part += slope[low:high] * here
        part *= -scale
        part += shift * here
    return moved


def _rest(problem: Lattice, shift: complex, scale: float, slope: Array | None, x: Array, y: Array) -> Array:
    """Return what the product with the matrix lacks to a right-hand side."""
    image = _image(problem, shift, scale, slope, x)
    return np.subtract(y, image, out=image)


def _tridiagonal(problem: Lattice, shift: complex, scale: float, slope: Array | None) -> Solver:
    """Factorise the matrix of a line."""
    from scipy.linalg import get_lapack_funcs

    onward, back = (faces[1:-1] for faces in problem.directed(0))
    if problem.weights is not None:
        onward, back = onward / problem.weights[1:], back / problem.weights[:-1]
    kind = np.dtype(complex if np.iscomplexobj(shift) else float)
    diagonal: Any = np.full(problem.shape, shift, kind)
    diagonal += scale * problem.outflow()
    if slope is not None:
        diagonal -= scale * slope
    if diagonal.size < 3:  # LAPACK's wrapper wants a second superdiagonal
        dense = np.diag(diagonal) - scale * (np.diag(onward, -1) + np.diag(back, 1))
        return lambda y: np.linalg.solve(dense, y)
    functions: Any = get_lapack_funcs(("gttrf", "gttrs"), dtype=kind)
    factorise, substitute = functions
    bands = (np.multiply(onward, -scale, dtype=kind), diagonal, np.multiply(back, -scale, dtype=kind))
    made: Any = factorise(*bands, overwrite_dl=True, overwrite_d=True, overwrite_du=True)
    *factors, info = made
    if info > 0:
        raise np.linalg.LinAlgError("singular matrix")

    def solve(y: Array) -> Array:
        solution: Array = substitute(*factors, y.astype(kind), overwrite_b=True)[0]
        return solution

    return solve


def _factorised(problem: Lattice, shift: complex, scale: float, slope: Array | None) -> Solver:
    """Factorise a sparse matrix; symmetric or diagonally dominant ones need no pivoting."""
    from scipy.sparse.linalg import splu

    kind = np.dtype(complex if np.iscomplexobj(shift) else float)

    def factorise() -> Any:
        if math.prod(problem.shape) < BRIEF:  # next to which making the matrix anew takes as long
            matrix = kept(problem, "columns", lambda: problem.matrix().tocsc()).copy()
        else:
            matrix = problem.matrix().tocsc()
        matrix.data = np.multiply(matrix.data, -scale, dtype=kind)
        matrix.setdiag(matrix.diagonal() + (shift if slope is None else shift - scale * slope.reshape(-1)))
        return splu(matrix, "MMD_AT_PLUS_A", diag_pivot_thresh=1e-3, options={"SymmetricMode": True})

    try:
        factors = Made(factorise, brief=math.prod(problem.shape) < BRIEF)
    except RuntimeError:
        raise np.linalg.LinAlgError("singular matrix") from None
    return lambda y: factors.value.solve(y.reshape(-1).astype(kind, copy=False)).reshape(y.shape)


def iterated(problem: Lattice, shift: complex, scale: float, slope: Array | None, accuracy: float = RESIDUAL) -> Solver:
    """Solve by (conjugate orthogonal) conjugate gradients."""
    precondition = _mean_problem(problem, shift, scale, 0.0 if slope is None else float(slope.mean()))

    def solve(y: Array) -> Array:
        limit, best = accuracy * norm(y), np.inf
        x = precondition(y)
        residual = _rest(problem, shift, scale, slope, x, y)
        direction = precondition(residual)
        product = _dot(residual, direction)
        for _ in range(MOST_ITERATIONS):
            size = norm(residual)
            if size <= limit or 0.5 * best < size <= 1e3 * limit:  # or rounding lets it fall no further
                return x
            best = min(best, size)
            image = _image(problem, shift, scale, slope, direction)
            length = product / _dot(direction, image)
            add(x, length, direction)
            add(residual, -length, image)
            del image
            preconditioned = precondition(residual)
            product, past = _dot(residual, preconditioned), product
            direction *= product / past if past != 0 else 0.0
            direction += preconditioned
            del preconditioned
        raise np.linalg.LinAlgError("conjugate gradients do not converge")

    return solve


def _dot(x: Array, y: Array) -> Any:
    """Return the sum of products, unconjugated, without BLAS: its threads would spin for milliseconds if disturbed."""
    return sum((x[low:high] * y[low:high]).sum() for low, high in pieces(x.shape))


def norm(x: Array) -> float:
    """Return the Euclidean norm, also where squares leave the range of numbers."""

    def squares(scale: float) -> float:
        parts = (x[low:high] if scale == 1 else scale * x[low:high] for low, high in pieces(x.shape))
        return sum(float((part * part.conj()).real.sum()) for part in parts)

    total = squares(1.0)
    if 1e-270 < total < math.inf:
        return math.sqrt(total)
    size = largest(x)
    return size * math.sqrt(squares(1 / size)) if 1e-300 < size < math.inf else size


def _mean_problem(problem: Lattice, shift: complex, scale: float, slope: float) -> Solver:
    """Return the solution of the problem with the mean rate on every face of an axis, through transforms."""
    names, rates = [], []
    for axis, (n, g, periodic) in enumerate(zip(problem.shape, problem.rates, problem.periodic, strict=True)):
        faces = np.moveaxis(g, axis, 0)
        loses = not periodic and bool(faces[[0, -1]].any())
        names.append("periodic" if periodic else "absorbing" if loses else "reflecting")
        mean = float(faces[1:-1].mean()) if n > 1 else 0.0
        rates.append(mean * boundary.eigenvalues(n, names[-1]))
    halved = boundary.halved_axis(names)
    if halved is not None:  # a transform of real numbers keeps half of its last axis
        rates[halved] = rates[halved][: problem.shape[halved] // 2 + 1]
    first, *others = rates
    middle, imaginary = np.real(shift) - scale * slope, float(np.imag(shift))

    def divide(real: Array, unreal: Array | None = None) -> None:
        """Divide the amplitudes of both parts of a field by those of the operator."""
        for low, high in pieces(real.shape):
            divisor, x = middle + scale * reduce(np.add.outer, [first[low:high], *others]), real[low:high]
            if unreal is None:
                x /= divisor
                continue
            y, size = unreal[low:high], divisor * divisor + imaginary * imaginary
            x[...], y[...] = (x * divisor + y * imaginary) / size, (y * divisor - x * imaginary) / size

    def forward(y: Array) -> Array:
        amplitudes: Array = boundary.transform(np.ascontiguousarray(y), names, None)
        return amplitudes

    def backward(amplitudes: Array) -> Array:
        field: Array = boundary.inverse_transform(amplitudes, problem.shape, names, None)
        return field

    def solve(y: Array) -> Array:
        real = forward(y.real)
        if not np.iscomplexobj(shift):
            divide(real)
            return backward(real)
        unreal, solved = forward(y.imag), np.empty(problem.shape, complex)
        divide(real, unreal)
        solved.real = backward(real)
        del real
        solved.imag = backward(unreal)
        return solved

    return solve
