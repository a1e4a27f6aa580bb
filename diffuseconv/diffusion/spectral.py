r"""Exact in time: every cosine, Fourier or sine mode of the lattice decays by itself.

The modes are those of the *lattice* Laplacian, :math:`\lambda_k = \sum_a 4 D_a \sin^2(\theta_a/2) / \Delta x_a^2` for
the four named boundaries, so the answer is that of explicit Euler with infinitely many steps:
:math:`u_k(t) = e^{-\lambda_k t} u_k(0) + (1 - e^{-\lambda_k t}) b_k / \lambda_k`, where `b` is what constant walls and
sources bring in. After `n` steps of explicit Euler the factor is :math:`(1 - \Delta t \lambda_k)^n` instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, reduce
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _threads, boundary
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["OPTIONS", "axes_of", "explicit_steps", "mixed", "solve", "unsupported"]

OPTIONS: dict[str, float | None] = {}  # exact to rounding: nothing to choose
FORGOTTEN = 45.0  # modes that have decayed by exp(-45) = 3e-20 lie below the rounding of any field
LARGE = 1 << 17  # cells from which a transform gains from more threads


class _Axis(NamedTuple):
    """One axis: its boundary's name (None if the walls are mixed), cells, face rate and the losses at both walls."""

    name: str | None
    size: int
    rate: float
    low: float
    high: float


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    if problem.decay is not None and problem.decay.size > 1:
        return "needs the same decay everywhere"
    if _circulant(problem):
        return None if problem.steady else "needs walls and sources that do not depend on time or on the field"
    if problem.uniform is None:
        return "needs constant diffusivity, no barriers, no mask, and walls that lose salt evenly"
    if not problem.steady:
        return "needs walls and sources that do not depend on time or on the field"
    return None


def solve(
    problem: Lattice,
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
) -> Iterator[Array]:
    """Yield the field at each of the `times`: see `scheme.Scheme`."""
    if problem.drift is not None:
        yield from _carried(problem, u, [time - start for time in times])
        return
    lattice, axes = problem, axes_of(problem)
    modes: list[Array] = []  # transformed once, when a first time needs all of them
    still = lattice.forcing is None and lattice.largest_rate == 0
    for time in times:
        duration = time - start

        def factor(rate: Array, duration: float = duration) -> tuple[Array, Array]:
            kept, gone = np.exp(-rate * duration), -np.expm1(-rate * duration)
            return kept, np.where(gone > 0, gone / np.where(rate > 0, rate, 1), duration)

        yield u.copy() if still or duration == 0 else _advance(lattice, axes, u, modes, factor, duration)


def explicit_steps(lattice: Lattice, u: Array, steps: int, time_step: float) -> Array:
    """Apply `steps` explicit steps at once: every mode is multiplied by the power of its factor."""
    if steps == 0:
        return u.copy()

    def factor(rate: Array) -> tuple[Array, Array]:
        lost = rate * time_step
        flips = lost > 1
        with np.errstate(divide="ignore"):  # a mode that vanishes in one step: log(0) = -inf, power 0
            log = steps * np.log1p(np.where(flips, lost - 2, -lost))
        sign = np.where(flips & (steps % 2 == 1), -1.0, 1.0)
        gone = np.where(sign < 0, 1 + np.exp(log), -np.expm1(log))
        return sign * np.exp(log), np.where(rate > 0, gone / np.where(rate > 0, rate, 1), steps * time_step)

    axes = axes_of(lattice)
    fastest = sum(float(_rates(axis).max()) for axis in axes) + _decay(lattice)
    truncate = steps * time_step if fastest * time_step <= 1 else 0.0  # (1 - x)^n <= exp(-n x) up to x = 1 only
    return _advance(lattice, axes, u, [], factor, truncate)


def _circulant(lattice: Lattice) -> bool:
    """Return whether a drift is the same everywhere on a periodic box, so that Fourier modes evolve by themselves."""
    if lattice.drift is None or lattice.weights is not None or lattice.diagonal is not None:
        return False
    constant = all((rates == rates.flat[0]).all() for rates in (*lattice.rates, *lattice.drift))
    return constant and all(lattice.periodic)


def _carried(lattice: Lattice, u: Array, durations: Sequence[float]) -> Iterator[Array]:
    r"""Yield the field after each duration on a periodic box with a constant drift.

    A wave of the angle :math:`\theta` along an axis with rates `a` onward and `b` back grows at the rate
    :math:`-(a+b)(1 - \cos\theta) - i (a-b) \sin\theta`.
    """
    import scipy.fft

    growth: Any = -_decay(lattice)
    for axis, n in enumerate(lattice.shape):
        onward, back = (float(rates.flat[0]) for rates in lattice.directed(axis))
        cycles = np.arange(n // 2 + 1) if axis == u.ndim - 1 else (np.arange(n) + n // 2) % n - n // 2
        half = np.pi * cycles / n
        sine = np.where(2 * abs(cycles) == n, 0.0, np.sin(2 * half))
        rate = -2 * (onward + back) * np.sin(half) ** 2 - 1j * (onward - back) * sine
        growth = growth + rate.reshape([-1 if a == axis else 1 for a in range(u.ndim)])
    workers = _threads.count() if u.size >= LARGE else None
    modes = scipy.fft.rfftn(u, workers=workers)
    added = None if lattice.forcing is None else scipy.fft.rfftn(lattice.forcing, workers=workers)
    for duration in durations:
        evolved = modes * np.exp(growth * duration)
        if added is not None:
            moving = growth != 0
            evolved += added * np.where(moving, np.expm1(growth * duration) / np.where(moving, growth, 1), duration)
        field = scipy.fft.irfftn(evolved, s=u.shape, workers=workers)
        yield u.copy() if duration == 0 else field.astype(u.dtype, copy=False)


def _decay(lattice: Lattice) -> float:
    """Return the rate at which all modes decay besides their own."""
    return 0.0 if lattice.decay is None else float(lattice.decay.max())


def axes_of(lattice: Lattice) -> list[_Axis]:
    """Return the axes, the boundary of each recognised by what its walls lose."""
    axes = []
    walls = [record for record in reversed(boundary.RECORDS.values()) if record.physical]
    for n, rate, g, periodic in zip(lattice.shape, lattice.uniform or (), lattice.rates, lattice.periodic, strict=True):
        low, high = (0.0, 0.0) if periodic else (float(g.reshape(-1)[0]), float(g.reshape(-1)[-1]))
        fitting = [record.name for record in walls if record.joined == periodic]
        named = {rate * (1 - boundary.RECORDS[name].ghost): name for name in fitting}  # the first one if rate is 0
        axes.append(_Axis(named.get(low) if low == high else None, n, rate, low, high))
    return axes


def _rates(axis: _Axis) -> Array:
    """Return the decay rates of the modes of one axis, in the order of the transform, or growing if there is none."""
    if axis.name is None:
        return mixed(axis)[1]
    return axis.rate * boundary.eigenvalues(axis.size, axis.name)


@lru_cache(maxsize=3)
def mixed(axis: _Axis) -> tuple[Array, Array]:
    """Return (modes, rates) of an axis with any two walls: eigenvectors of its tridiagonal matrix, in rows."""
    import scipy.linalg

    if axis.size == 1:
        return np.ones((1, 1)), np.array([axis.low + axis.high])
    diagonal = np.full(axis.size, 2 * axis.rate)
    diagonal[0] += axis.low - axis.rate
    diagonal[-1] += axis.high - axis.rate
    modes = scipy.linalg.eigh_tridiagonal(diagonal, np.full(axis.size - 1, -axis.rate))[1].T
    # the quotient of differences keeps the digits of slow modes that the eigenvalues themselves lose
    rates = axis.rate * (np.diff(modes) ** 2).sum(axis=1)
    return modes, rates + axis.low * modes[:, 0] ** 2 + axis.high * modes[:, -1] ** 2


def _slow(axis: _Axis, count: int) -> tuple[Array, Array]:
    """Return the `count` slowest modes of one axis in orthonormal rows, and their decay rates."""
    if axis.name is None:
        modes, rates = mixed(axis)
        return modes[:count], rates[:count]
    modes, order = boundary.basis(axis.size, axis.name, count)
    return modes, _rates(axis)[order]


def _advance(
    lattice: Lattice,
    axes: list[_Axis],
    u: Array,
    modes: list[Array],
    factor: Callable[[Array], tuple[Array, Array]],
    duration: float,
) -> Array:
    """Multiply each mode by its factor, through whichever of thin matrices and transforms is cheaper."""
    counts = [axis.size for axis in axes]
    if lattice.forcing is None:  # after this duration only the slow modes are left
        counts = [max(1, int((_rates(axis) * duration <= FORGOTTEN).sum())) for axis in axes]
    thin = sum(count * (3 * axis.size + 0.07 * u.size) for count, axis in zip(counts, axes, strict=True))
    if any(axis.name is None for axis in axes) or thin < 5 * u.ndim * u.size:  # nanoseconds, as measured
        bases, rates = zip(*[_slow(axis, count) for axis, count in zip(axes, counts, strict=True)], strict=True)
        bases = tuple(basis.astype(u.dtype) for basis in bases)

        def analyse(field: Array) -> Array:
            return _project(field, bases)

        def synthesise(amplitudes: Array) -> Array:
            return _project(amplitudes, tuple(basis.T for basis in bases))

    else:
        names = [axis.name or "" for axis in axes]
        workers = _threads.count() if u.size >= LARGE else None
        rates = tuple(_rates(axis) for axis in axes)
        halved = boundary.halved_axis(names)
        if halved is not None:  # a transform of real numbers keeps half of its last axis
            rates = (*rates[:halved], rates[halved][: u.shape[halved] // 2 + 1], *rates[halved + 1 :])

        def analyse(field: Array) -> Array:
            return boundary.transform(field, names, workers)

        def synthesise(amplitudes: Array) -> Array:
            return boundary.inverse_transform(amplitudes, u.shape, names, workers)

    full = counts == [axis.size for axis in axes]
    amplitudes = modes[0] if full and modes else analyse(u)
    if full and not modes:
        modes.append(amplitudes)
    kept, gathered = factor(reduce(np.add.outer, rates) + _decay(lattice))
    amplitudes = amplitudes * kept.astype(u.dtype)
    if lattice.forcing is not None:
        amplitudes += analyse(lattice.forcing.astype(u.dtype)) * gathered.astype(u.dtype)
    return synthesise(amplitudes).astype(u.dtype, copy=False)


def _project(field: Array, bases: tuple[Array, ...]) -> Array:
    """Multiply every axis by its matrix, the last axis first; each product lies in memory as the next one wants it."""
    field = field @ bases[-1].T
    for axis in reversed(range(len(bases) - 1)):
        after = field.shape[axis + 1 :]
        stacked = field.reshape(-1, field.shape[axis], math.prod(after))
        field = (bases[axis] @ stacked).reshape(*field.shape[:axis], -1, *after)
    return field
