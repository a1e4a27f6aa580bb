r"""Exact in time to a tolerance for any diffusivity, walls and barriers: Chebyshev polynomials of the lattice.

With :math:`\rho` a bound on the decay rates of `L`, :math:`A = 1 + 2L/\rho` has its eigenvalues in -1..1 and

.. math:: e^{tL} = \sum_k (2 - \delta_{k0})\, e^{-z} I_k(z)\, T_k(A), \qquad z = t\rho/2,

where applying `A` costs as much as an explicit step. The weights fall like :math:`e^{-k^2/2z}`, so that about
:math:`\sqrt{2 z \ln(1/\text{tolerance})}` terms do what takes `z` explicit steps. Constant sources and walls `b` bring
in :math:`t \varphi_1(tL)(Lu + b)`, the same integrated over time: its weights are
:math:`(2/\rho)(2 - \delta_{k0}) \int_0^z e^{-y} I_k(y) dy`, with the integral :math:`2 \sum_{m>k} (m-k) e^{-z} I_m(z)`.

With :math:`2 T_k = U_k - U_{k-2}` the same sum has weights :math:`c_k > 0` of polynomials of the second kind.
Clenshaw's recurrence :math:`b_k = c_k u + 2 A b_{k+1} - b_{k+2}` ends with the sum itself, :math:`b_0`, and holds two
fields and `u`. No :math:`b_k` is larger than the sum may be, as :math:`\sum_k (k+1) c_k = 1`; with weights of the
first kind they would grow to :math:`\sqrt z` times the field, and their rounding with them.

Rounding: a step of the recurrence commits at most 38 EPS of the largest value; :math:`|U_k| \le k + 1` carries it to
`k + 1` times that in the sum, and :math:`\sum_k (k+1) |b_k| \le (z + 2 \sqrt z + 2) |u| / 2`, so that the sum is off by
at most ``19 (z + 2 sqrt(z) + 2) sqrt(cells) EPS`` of the largest value (of `t` times the slope, with sources). Random
signs make it far less: about `z^(1/2)` EPS was seen, and up to `z^(3/4)/4` (with sources half of that) where cells that
are alike for hundreds around are rounded alike.

References
----------
.. [1] H. Tal-Ezer, "Polynomial approximation of functions of matrices and applications", J. Sci. Comput. 4 (1989) 25.
.. [2] L. Bergamaschi, M. Vianello, "Efficient computation of the exponential operator for large, sparse, symmetric
   matrices", Numer. Linear Algebra Appl. 7 (2000) 27.
.. [3] C. W. Clenshaw, "A note on the summation of Chebyshev series", Math. Tables Aids Comput. 9 (1955) 118.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.scheme import check_updates, copies, unsteady, unsymmetric
from diffuseconv.diffusion.sweeps import chebyshev_sum

__all__ = ["OPTIONS", "memory", "solve", "unsupported"]

OPTIONS = {"tolerance": 1e-10}  # of the field's range
LONGEST = 1e8  # in units of 2 / rate: beyond, a run is cut (Bessel functions of such arguments lose digits)
EPS = float(np.finfo(np.float64).eps)
SLAB = 1 << 16  # cells handled at once where only sums and largest values are needed


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    return unsteady(problem) or unsymmetric(problem)


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of two terms in float64, what sources add, and copies of rates."""
    added = 8.0 if problem.source is not None or problem.walls else 0.0
    return 16.0 + added + copies(problem, 8)


class _Expansion(NamedTuple):
    """What the polynomials act on from some time on: ``u(t) = base + sum of weights * T_k(A) vector``."""

    vector: Array
    base: Array | None  # None where the weights are those of exp itself
    largest: float  # bounds on the vector, less its mean level where that does no harm
    norm: float


def solve(
    problem: Lattice,
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
) -> Iterator[Array]:
    """Return the field at each of the `times`, within `tolerance` times its range: see `scheme.Scheme`.

    The range is that of `u`, with 0 where walls lose salt, or the largest change that sources and walls bring if that
    is larger. The arithmetic is in float64 for float32 fields too.
    """
    error = OPTIONS["tolerance"] if tolerance is None else tolerance
    if times:
        z = times[-1] * problem.largest_rate / 2
        terms = math.sqrt(2 * z * max(1.0, -math.log(error)))
        check_updates(u.size, terms, "take larger cells, a shorter duration or steady_state")
    return _fields(problem, u, times, error)


def _fields(lattice: Lattice, u: Array, times: Sequence[float], error: float) -> Iterator[Array]:
    """Yield the field at each of the times."""
    field = u
    rate = _rate_bound(lattice, times[-1] if times else 0.0)
    if rate == 0 or (math.isinf(2 / rate) and rate * times[-1] < EPS):  # a subnormal rate, which nobody feels
        for time in times:
            yield (field if lattice.forcing is None else field + time * lattice.forcing).astype(u.dtype)
        return
    exchanging = _exchanging(lattice)
    expansion = _expansion(lattice, field, rate, exchanging)
    scale = expansion.largest
    if expansion.base is not None:  # in a short time less flows in than in the end
        scale = max(scale * min(1.0, times[-1] * rate / 2), float(np.ptp(field)))
    done, begin = 0, 0.0
    while done < len(times):
        if times[done] == begin or expansion.largest == 0:
            yield field.astype(u.dtype)
            done += 1
            continue
        allowed = error * scale / len(times) / _condition(lattice)
        stop = min(times[done], begin + _reach(expansion, allowed) * 2 / rate)
        weights = _second_kind(_weights(expansion, (stop - begin) * rate / 2, allowed))
        evolved = chebyshev_sum(lattice, rate, expansion.vector, weights)
        if expansion.base is not None:
            evolved += expansion.base
        elif exchanging is not None:
            np.copyto(evolved, field, where=~exchanging)  # to the last bit
        field, begin = evolved, stop
        del evolved, expansion
        if stop == times[done]:
            done += 1
            yield field.astype(u.dtype, copy=done < len(times))
        if done < len(times):
            expansion = _expansion(lattice, field, rate, exchanging)
            scale = max(scale, _furthest(field, u))


def _rate_bound(lattice: Lattice, duration: float) -> float:
    r"""Bound the decay rates, closer than `largest_rate` where the diffusivity is rough and the run is long.

    The spectral radius of `L` is at most that of :math:`|L|`, which has no negative entry, and so at most the largest
    entry of :math:`|L|x / x` for any positive `x` (Collatz and Wielandt); `x` is improved by power iteration.
    """
    rate = lattice.largest_rate
    rounds = min(5, int(math.sqrt(duration * rate) / 20))
    if rounds == 0 or lattice.uniform is not None or lattice.diagonal is not None:
        return rate
    x = np.ones(lattice.shape)
    parts = _threads.slices(lattice.shape[0], 1 + x.size // SLAB)
    for _ in range(rounds + 1):
        grown, fastest = lattice.apply(x), 0.0
        for low, high in parts:  # plane by plane, lest this need more memory than the run
            grown[low:high] += 2 * lattice.outflow_of(low, high) * x[low:high]
            fastest = max(fastest, float((grown[low:high] / x[low:high]).max()))
        rate = min(rate, fastest * (1 + 1e-12))
        grown /= rate
        x *= 1e-3  # stays positive
        x += grown
    return rate


def _condition(lattice: Lattice) -> float:
    """Return how much larger a cell's value may be than the norm weighted with the cells' weights tells."""
    return 1.0 if lattice.weights is None else math.sqrt(float(lattice.weights.max() / lattice.weights.min()))


def _expansion(lattice: Lattice, u: Array, rate: float, exchanging: NDArray[np.bool_] | None) -> _Expansion:
    """Return the vector that the polynomials act on, and how large it is."""
    if lattice.source is not None or lattice.walls:
        change = lattice.rhs(0.0, u.astype(np.float64, copy=False))  # what walls add takes no field of its own
        change *= 2 / rate
        return _Expansion(change, u, *_sizes(change, 0.0))
    moving = u if exchanging is None else u[exchanging]
    loses = lattice.decay is not None or _walls_lose(lattice)
    # a constant stays as it is where nothing is lost
    level = 0.0 if loses else (float(moving.max()) + float(moving.min())) / 2
    return _Expansion(u, None, *_sizes(moving, level))


def _sizes(vector: Array, level: float) -> tuple[float, float]:
    """Return the largest magnitude and the Euclidean norm less a level, scaled so that no square overflows."""
    largest = max(float(vector.max()) - level, level - float(vector.min()))
    # no BLAS: its threads would spin for some milliseconds on the processors that the recurrence needs
    parts = np.array_split(vector.reshape(-1), 1 + vector.size // SLAB)
    squares = sum(float(np.square((part - level) / (largest or 1.0)).sum(dtype=np.float64)) for part in parts)
    return largest, largest * math.sqrt(squares)


def _furthest(one: Array, other: Array) -> float:
    """Return the largest difference between two fields."""
    parts = (np.array_split(field.reshape(-1), 1 + one.size // SLAB) for field in (one, other))
    return max(float(np.abs(here - there).max()) for here, there in zip(*parts, strict=True))


def _reach(expansion: _Expansion, allowed: float) -> float:
    """Return the largest `z` to take at once: the rounding of what flows in, seen to be z^(7/4)/8 EPS, is allowed.

    What flows in evens out, so that later pieces are longer. Without inflow longer pieces are no worse than short ones.
    """
    if expansion.base is None:
        return LONGEST
    return min(LONGEST, max(16.0, math.pow(8 * allowed / expansion.largest / EPS, 4 / 7)))


def _walls_lose(lattice: Lattice) -> bool:
    """Return whether a wall takes anything."""
    return any(
        bool(g[(slice(None),) * axis + (end,)].any())
        for axis, (g, periodic) in enumerate(zip(lattice.rates, lattice.periodic, strict=True))
        for end in (0, -1)
        if not periodic
    )


def _exchanging(lattice: Lattice) -> NDArray[np.bool_] | None:
    """Return which cells exchange anything, None where all do."""
    if lattice.uniform is not None and max(lattice.uniform) > 0:
        return None
    exchanging = lattice.exchanging()
    return None if exchanging.all() else exchanging


def _weights(expansion: _Expansion, z: float, allowed: float) -> Array:
    """Return the weights for `z` (half the rate times the time): as many as keep the error allowed.

    What is left out is bounded cell by cell: a row of T_k has a Euclidean norm of at most 1 and reaches k cells far, so
    that ``|T_k v|`` is at most ``sqrt(cells in reach) * max |v|``, and at most the Euclidean norm of `v`. Their sum
    goes to the first weight, which conserves salt and at most doubles the error.
    """
    from scipy.special import ive

    weights: Array = ive(np.arange(2 * math.ceil(5 * math.sqrt(z)) + 40), z)  # exp(-50) is left out
    whole = 1.0
    if expansion.base is not None:
        beyond = weights[::-1].cumsum()[::-1] - weights
        weights, whole = 2 * beyond[::-1].cumsum()[::-1], z
    weights[1:] *= 2
    reach = np.minimum(expansion.vector.size, (2.0 * np.arange(len(weights)) + 1) ** expansion.vector.ndim)
    left_out = 2 * (weights * np.minimum(np.sqrt(reach) * expansion.largest, expansion.norm))[::-1].cumsum()[::-1]
    kept = weights[: max(1, int(np.searchsorted(-left_out, -allowed)))]
    kept[0] += whole - kept.sum()
    return kept


def _second_kind(weights: Array) -> Array:
    """Return the weights of ``U_k = 2 T_k + U_(k-2)`` in the sum that those of ``T_k`` make: the same polynomial.

    A difference is rounded once, so that ``sum (k + 1) c_k``, which tells how much salt there is, stays right.
    """
    doubled = weights.copy()
    doubled[0] *= 2
    doubled[:-2] -= weights[2:]
    return doubled / 2
