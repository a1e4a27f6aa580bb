r"""Exact in time to a tolerance for any diffusivity, walls and barriers: Chebyshev polynomials of the lattice.

With :math:`\rho` a bound on the decay rates of `L`, :math:`A = 1 + 2L/\rho` has its eigenvalues in -1..1 and

.. math:: e^{tL} = \sum_k (2 - \delta_{k0})\, e^{-z} I_k(z)\, T_k(A), \qquad z = t\rho/2,

in which :math:`T_{k+1}(A) u = 2 A T_k(A) u - T_{k-1}(A) u` costs as much as an explicit step. The weights fall like
:math:`e^{-k^2/2z}`, so that about :math:`\sqrt{2 z \ln(1/\text{tolerance})}` terms do what takes `z` explicit steps.
Constant sources and walls `b` bring in :math:`t \varphi_1(tL)(Lu + b)`, the same integrated over time: its weights are
:math:`(2/\rho)(2 - \delta_{k0}) \int_0^z e^{-y} I_k(y) dy`, with the integral :math:`2 \sum_{m>k} (m-k) e^{-z} I_m(z)`.

Rounding: a step of the recurrence commits at most 34 EPS of the largest value; :math:`|U_m| \le m + 1` carries it to
`k^2/2` times that in T_k, and :math:`\sum_k (2-\delta_{k0}) e^{-z} I_k(z) k^2 = z`, so that the sum is off by at most
``17 z sqrt(cells) EPS`` of the largest value (of `t` times the slope, with sources), and the sum of its terms by their
number times EPS. Random signs make it far less: about `sqrt(z)` EPS was seen without sources.

References
----------
.. [1] H. Tal-Ezer, "Polynomial approximation of functions of matrices and applications", J. Sci. Comput. 4 (1989) 25.
.. [2] L. Bergamaschi, M. Vianello, "Efficient computation of the exponential operator for large, sparse, symmetric
   matrices", Numer. Linear Algebra Appl. 7 (2000) 27.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import SLAB, Lattice
from diffuseconv.diffusion.scheme import check_updates, copied_rates, unsteady, unsymmetric
from diffuseconv.diffusion.sweeps import chebyshev_sums

__all__ = ["OPTIONS", "memory", "solve", "unsupported"]

OPTIONS = {"tolerance": 1e-10}  # of the field's range
LONGEST = 1e8  # in units of 2 / rate: beyond, a run is cut (Bessel functions of such arguments lose digits)
EPS = float(np.finfo(np.float64).eps)
MOST_SHARED = 3  # fields that share one recurrence: what bounds the memory
SUM_COST = 0.2  # cost of a weighted sum, where a term of the recurrence costs 1


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    return unsteady(problem) or unsymmetric(problem)


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of two terms and their sum in float64, what sources add, and copies of rates."""
    added = 8.0 if problem.source is not None or problem.walls else 0.0
    return 24.0 + added + copied_rates(problem, 8)


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
        z = (times[-1] - start) * problem.largest_rate / 2
        terms = math.sqrt(2 * z * max(1.0, -math.log(error)))
        check_updates(u.size, terms, "take larger cells, a shorter duration or steady_state")
    return _fields(problem, u, start, times, error)


def _fields(lattice: Lattice, u: Array, start: float, times: Sequence[float], error: float) -> Iterator[Array]:
    """Yield the field at each of the times."""
    field = u
    rate = _rate_bound(lattice, times[-1] - start if times else 0.0)
    if rate == 0:
        for time in times:
            yield (field if lattice.forcing is None else field + (time - start) * lattice.forcing).astype(u.dtype)
        return
    expansion = _expansion(lattice, field, rate)
    scale = max(expansion.largest, 0.0 if expansion.base is None else float(np.ptp(field)))
    isolated = None if _all_exchange(lattice) else ~_exchanging(lattice)
    isolated = isolated if isolated is not None and isolated.any() else None
    done, begin = 0, start
    while done < len(times):
        if times[done] == begin:
            yield field.astype(u.dtype)
            done += 1
            continue
        if begin > start:
            expansion = _expansion(lattice, field, rate)
            scale = max(scale, _furthest(field, u))
        allowed = error * scale / len(times) / _condition(lattice)
        stops = [min(time, begin + _reach(expansion, allowed) * 2 / rate) for time in times[done : done + MOST_SHARED]]
        weights = _shared(expansion, [(stop - begin) * rate / 2 for stop in stops], allowed)
        fields = _sums(lattice, rate, expansion, weights)
        if expansion.base is None and isolated is not None:
            np.copyto(fields, field, where=isolated)  # to the last bit
        begin = stops[len(weights) - 1]
        more = done + sum(stop == time for stop, time, _ in zip(stops, times[done:], weights, strict=False)) < len(
            times
        )
        for stop, evolved in zip(stops, fields, strict=False):
            if stop == times[done]:
                yield evolved.astype(u.dtype, copy=more)
                done += 1
        field = fields[-1].copy() if more else field
        del fields, evolved


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


def _expansion(lattice: Lattice, u: Array, rate: float) -> _Expansion:
    """Return the vector that the polynomials act on, and how large it is."""
    if lattice.forcing is not None:
        change = lattice.apply(u.astype(np.float64, copy=False))
        change += lattice.forcing
        change *= 2 / rate
        return _Expansion(change, u, *_sizes(change, 0.0))
    exchanging = u if _all_exchange(lattice) else u[_exchanging(lattice)]
    loses = lattice.decay is not None or _walls_lose(lattice)
    level = (
        0.0 if loses else (float(exchanging.max()) + float(exchanging.min())) / 2
    )  # a constant stays as it is where nothing is lost
    return _Expansion(u, None, *_sizes(exchanging, level))


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
    """Return the largest `z` to take at once: so far the rounding of what flows in, seen to be z^1.5 EPS, is allowed.

    What flows in evens out, so that later pieces are longer. Without inflow rounding does not grow.
    """
    if expansion.base is None or expansion.largest == 0:
        return LONGEST
    return min(LONGEST, max(16.0, math.pow(allowed / expansion.largest / EPS, 2 / 3)))


def _walls_lose(lattice: Lattice) -> bool:
    """Return whether a wall takes anything."""
    return any(
        bool(g[(slice(None),) * axis + (end,)].any())
        for axis, (g, periodic) in enumerate(zip(lattice.rates, lattice.periodic, strict=True))
        for end in (0, -1)
        if not periodic
    )


def _all_exchange(lattice: Lattice) -> bool:
    """Return whether it is plain that every cell exchanges something: constant rates, of which one is above 0."""
    return lattice.uniform is not None and max(lattice.uniform) > 0


def _exchanging(lattice: Lattice) -> NDArray[np.bool_]:
    """Return which cells exchange anything."""
    exchanging: NDArray[np.bool_] = np.broadcast_to(lattice.outflow() > 0, lattice.shape)
    return (
        exchanging
        if lattice.diagonal is None
        else exchanging | (lattice.diagonal.diagonal() != 0).reshape(lattice.shape)
    )


def _weights(expansion: _Expansion, z: float, allowed: float) -> Array:
    """Return the weights for `z` (half the rate times the time): an even number of them, which keeps the error allowed.

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
    count = max(4, int(np.searchsorted(-left_out, -allowed)))
    kept = weights[: count + count % 2]
    kept[0] += whole - kept.sum()
    return kept


def _shared(expansion: _Expansion, ahead: Sequence[float], allowed: float) -> list[Array]:
    """Return the weights of as many of the growing `ahead` as had better share a recurrence than start anew."""
    shared = [_weights(expansion, ahead[0], allowed)]
    for before, z in itertools.pairwise(ahead):
        weights = _weights(expansion, z, allowed)
        anew = len(_weights(expansion, z - before, allowed)) if z > before else 0
        if len(weights) - len(shared[-1]) + SUM_COST * len(weights) > (1 + SUM_COST) * anew:
            break
        shared.append(weights)
    return shared


def _sums(lattice: Lattice, rate: float, expansion: _Expansion, weights: list[Array]) -> Array:
    """Run the recurrence once; return all weighted sums along a new first axis."""
    vector = expansion.vector
    ends = np.array([len(w) - 1 for w in weights])
    table = np.zeros((len(weights), ends.max() + 1))
    for row, w in zip(table, weights, strict=True):
        row[: len(w)] = w
    totals = chebyshev_sums(lattice, rate, vector, table, ends)
    if expansion.base is not None:
        totals += expansion.base
    return totals
