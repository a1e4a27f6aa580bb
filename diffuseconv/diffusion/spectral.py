r"""Exact in time: every cosine, Fourier or sine mode of the lattice decays by itself.

The modes are those of the *lattice* Laplacian, :math:`\lambda_k = \sum_a 4 D_a \sin^2(\theta_a/2) / \Delta x_a^2` for
the four named boundaries, so the answer is that of explicit Euler with infinitely many steps:
:math:`u_k(t) = e^{-\lambda_k t} u_k(0) + (1 - e^{-\lambda_k t}) b_k / \lambda_k`, where `b` is what constant walls and
sources bring in. After `n` steps of explicit Euler the factor is :math:`(1 - \Delta t \lambda_k)^n` instead.

Late, few modes are left, and two thin matrix products are cheaper than transforms. What constant walls and sources
bring in is then the limit of long times (and, in modes that do not decay, a growth at a constant rate), of which the
rest of the field decays by few modes too.

A constant drift shifts the phases of Fourier modes of a periodic axis, and behind walls it makes the modes of
`modes`. There rounding grows by a condition number, :math:`e^{|v| L/2D}` for each axis: more than
`MOST_CONDITION` in all is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _fft, _threads, boundary
from diffuseconv._axes import on_axis
from diffuseconv._cached import already_kept, cached_property, kept
from diffuseconv._typing import Array
from diffuseconv.diffusion.late import Late, along
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.modes import MOST_CELLS, MOST_CONDITION, Axis, axes_of, basis, rates
from diffuseconv.diffusion.scheme import unsteady

__all__ = [
    "OPTIONS",
    "Plan",
    "explicit_steps",
    "has_one_decay",
    "memory",
    "plan_of",
    "repeated",
    "solve",
    "unsupported",
]

OPTIONS: dict[str, float | None] = {}  # exact to rounding: nothing to choose
FORGOTTEN = 45.0  # modes that have decayed by exp(-45) = 3e-20 lie below the rounding of any field
SETTLED = 0.125  # of the slowest mode's decay: from then on the limit is no larger than a few times the field
EPS = float(np.finfo(np.float64).eps)
LARGE = 1 << 17  # cells from which a transform gains from more threads
SLAB = 1 << 13  # modes whose rates and factors are formed at once: larger arrays are new memory each time
MOST_KNOWN = 8  # durations of which is kept what late fields are found by


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can."""
    if problem.decay is not None and not has_one_decay(problem):
        low, high = problem.decay.min(), problem.decay.max()
        return f'needs the same decay everywhere, got {low:g} to {high:g} ("auto" solves this problem)'
    axes = axes_of(problem)
    if axes is None:
        return (
            "needs constant diffusivity and velocity, no barriers, no mask, and walls that lose salt evenly, got "
            'others ("auto" solves this problem)'
        )
    reason = unsteady(problem)
    if reason is not None:
        return reason
    other = "chebyshev" if problem.drift is None else "uniformization"
    if problem.growth > 0:
        return (
            f"needs walls through which no drift carries salt in unbounded, got growth by up to {problem.growth:.3g} "
            f'per time ("{other}" solves this problem)'
        )
    condition = math.prod(axis.condition for axis in axes)
    if condition > MOST_CONDITION:
        return (
            f"needs a drift whose modes are well conditioned, exp(|v| L / 2 D) of at most {MOST_CONDITION:g}, which is "
            f'{condition:.3g} here ("{other}" solves this problem)'
        )
    longest = max((axis.size for axis in axes if _has_matrix(axis, problem)), default=0)
    if longest > MOST_CELLS:
        return (
            f"needs axes of at most {MOST_CELLS} cells where walls leave no closed form of the modes, got {longest} "
            f'("{other}" solves this problem)'
        )
    return None


def has_one_decay(problem: Lattice) -> bool:
    """Return whether all cells decay at the same rate, which is then that of all modes."""
    return problem.decay is None or problem.decay.size == 1


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of transforms, what sources add, and matrices of modes as they are found.

    A matrix is held in float64 and transposed or in the field's dtype; without a drift two differences of it come on
    top, for one axis at a time.
    """
    forced = problem.source is not None or bool(problem.walls)
    squares = [axis.size**2 for axis in axes_of(problem) or () if _has_matrix(axis, problem)]
    if not squares:
        return 2 * itemsize + 10.0 * forced
    drifts = problem.drift is not None
    matrices = ((24 if drifts else 16) * sum(squares) + (24 if drifts else 8) * max(squares)) / math.prod(problem.shape)
    return 3 * itemsize + (8.0 + itemsize) * forced + matrices


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
        yield from _carried(problem, axes_of(problem) or (), u, times)
        return
    plan = plan_of(problem)
    still = problem.forcing is None and problem.largest_rate == 0
    if len(times) == 1 and times[0] > 0 and not still:
        once = plan.once(u.dtype, times[0], memory(problem, u.itemsize) * u.size)
        if once is not None:
            yield once.of(u)
            return
    found = _Amplitudes(u)
    for number, duration in enumerate(times, start=1):
        last = number == len(times)
        yield u.copy() if still or duration == 0 else _advance(plan, found, _exponential(duration), last)


def repeated(problem: Lattice, u: Array, duration: float) -> Array | None:
    """Return the field after a duration that fields like it were solved for before, None if it must be solved anew."""
    plan = already_kept(problem, "spectral")
    late = None if plan is None else already_kept(plan, (u.dtype, duration))
    return None if late is None else late.repeat(u)


def explicit_steps(lattice: Lattice, u: Array, steps: int, time_step: float) -> Array:
    """Apply `steps` explicit steps at once: every mode is multiplied by the power of its factor."""
    return u.copy() if steps == 0 else _advance(plan_of(lattice), _Amplitudes(u), _power(steps, time_step), True)


class _Step(NamedTuple):
    """What becomes of a mode of a decay rate."""

    duration: float
    kept: Callable[[Array], Array]  # the share of it that is left
    gathered: Callable[[Array], Array]  # what is there, over what comes in per time
    additive: bool = False  # whether the share of a sum of rates is the product of their shares
    monotonic_to: float = math.inf  # the largest rate up to which no more is left than after exact decay


def _exponential(duration: float) -> _Step:
    """Return the exact decay."""

    def gathered(rate: Array) -> Array:
        gone = -np.expm1(-rate * duration)
        return np.where(gone > EPS, gone / np.where(gone > EPS, rate, 1), duration)  # a rate may be subnormal

    return _Step(duration, lambda rate: np.exp(-rate * duration), gathered, additive=True)


def _power(steps: int, time_step: float) -> _Step:
    """Return the decay by explicit steps: (1 - x)^n <= exp(-n x) up to x = 1."""

    def powers(rate: Array) -> tuple[Array, Array]:
        lost = rate * time_step
        flips = lost > 1
        with np.errstate(divide="ignore"):  # a mode that vanishes in one step: log(0) = -inf, power 0
            log = steps * np.log1p(np.where(flips, lost - 2, -lost))
        return log, np.where(flips & (steps % 2 == 1), -1.0, 1.0)

    def kept(rate: Array) -> Array:
        log, sign = powers(rate)
        return sign * np.exp(log)

    def gathered(rate: Array) -> Array:
        log, sign = powers(rate)
        gone = np.where(sign < 0, 1 + np.exp(log), -np.expm1(log))
        return np.where(gone > EPS, gone / np.where(gone > EPS, rate, 1), steps * time_step)

    return _Step(steps * time_step, kept, gathered, monotonic_to=1 / time_step)


@dataclass(frozen=True, eq=False)
class Plan:
    """All that does not depend on the field, computed when it is first needed."""

    shape: tuple[int, ...]
    axes: tuple[Axis, ...]
    decay: float
    forcing: Array | None

    @cached_property
    def growing(self) -> tuple[Array, ...]:
        """The decay rates of the modes of each axis, the slowest first."""
        return tuple(np.sort(rates(axis)) for axis in self.axes)

    @cached_property
    def fastest(self) -> float:
        """The largest decay rate."""
        return sum(float(rate[-1]) for rate in self.growing) + self.decay

    @cached_property
    def slowest(self) -> float:
        """The smallest decay rate that is not 0; 0 if there is none."""
        first = sum(float(rate[0]) for rate in self.growing) + self.decay
        if first > 0:
            return first
        return min((float(rate[rate > 0][0]) for rate in self.growing if rate[-1] > 0), default=0.0)

    @cached_property
    def transformable(self) -> bool:
        """Whether the modes of all axes have transforms."""
        return all(axis.walls is not None for axis in self.axes)

    @cached_property
    def mode_rates(self) -> list[Array]:
        """The decay rates along each axis, in the order of `analyse`."""
        if not self.transformable:
            return [basis(axis, axis.size).rates for axis in self.axes]
        halved = boundary.halved_axis(self._walls)  # a transform of real numbers keeps half of its last axis
        return [rates(axis)[: axis.size // 2 + 1 if a == halved else None] for a, axis in enumerate(self.axes)]

    @cached_property
    def _walls(self) -> tuple[Any, ...]:
        return tuple(axis.walls for axis in self.axes)

    def analyse(self, field: Array, overwrite: bool = False) -> Array:
        """Return the amplitudes of all modes."""
        if not self.transformable:
            return self.project(field, self.shape)
        return boundary.transform(field, self._walls, self._workers, overwrite=overwrite)

    def synthesise(self, amplitudes: Array) -> Array:
        """Return the field of the amplitudes of all modes, which may be overwritten."""
        if not self.transformable:
            return self.expand(amplitudes)
        return boundary.inverse_transform(amplitudes, self.shape, self._walls, self._workers, overwrite=True)

    @property
    def _workers(self) -> int | None:
        return _threads.count() if math.prod(self.shape) >= LARGE else None

    def each_mode(self, change: Callable[[Array, slice], None]) -> None:
        """Call ``change(rates, slab)`` with the decay rates of all modes, by slabs along the first axis."""
        _by_slabs(self.mode_rates, self.decay, change)

    def project(self, field: Array, counts: Sequence[int]) -> Array:
        """Return the amplitudes of the slowest modes, so many along each axis."""
        for axis in reversed(range(field.ndim)):
            field = along(field, axis, self._matrices(axis, counts[axis], field.dtype)[1])
        return field

    def expand(self, amplitudes: Array) -> Array:
        """Return the field of the amplitudes of the slowest modes."""
        for axis, count in enumerate(amplitudes.shape):
            amplitudes = along(amplitudes, axis, self._matrices(axis, count, amplitudes.dtype)[0])
        return amplitudes

    def _matrices(self, axis: int, count: int, dtype: Any) -> tuple[Array, Array]:
        """Return the slowest modes of an axis in rows, and what amplitudes are the product with, in columns."""
        cached = self._bases.get((axis, dtype))
        if cached is None or len(cached[0]) < count:
            found = basis(self.axes[axis], count)
            cached = found.modes.astype(dtype, "C", copy=False), found.duals.T.astype(dtype, "C", copy=False)
            self._bases[axis, dtype] = cached
        return cached[0][:count], cached[1][:, :count]

    @cached_property
    def _bases(self) -> dict[Any, tuple[Array, Array]]:
        return {}

    def steady(self, dtype: Any) -> Array:
        """Return what constant walls and sources lead to, but for modes that do not decay."""
        cached: Array | None = self._steady.get(dtype)
        if cached is None:
            forced = self.analyse(np.zeros(self.shape) if self.forcing is None else self.forcing)

            def change(rates: Array, slab: slice) -> None:
                forced[slab] /= np.where(rates > 0, rates, 1)
                forced[slab][rates <= 0] = 0

            self.each_mode(change)
            cached = self._steady[dtype] = self.synthesise(forced).astype(dtype, copy=False)
        return cached

    @cached_property
    def _steady(self) -> dict[Any, Array]:
        return {}

    @cached_property
    def growth(self) -> Array:
        """What the modes that do not decay gain per time: they are the slowest of each axis."""
        still = [0 if self.decay else int(rate.searchsorted(0, "right")) for rate in self.growing]
        if self.forcing is None or not all(still):
            return np.zeros((0,) * len(self.shape))
        return self.project(self.forcing, still)

    def alive(self, step: _Step) -> tuple[int, ...]:
        """Return how many of the slowest modes of each axis are left after a step."""
        if self.fastest > step.monotonic_to:
            return self.shape
        most = FORGOTTEN / step.duration
        return tuple(max(1, int(rate.searchsorted(most, "right"))) for rate in self.growing)

    def settles(self, duration: float) -> bool:
        """Return whether the limit may stand for what constant walls and sources bring in."""
        return duration * self.slowest >= SETTLED

    def late(self, step: _Step) -> tuple[int, ...] | None:
        """Return how many modes of each axis are left after a step, None where transforms are cheaper than products."""
        if self.forcing is not None and not self.settles(step.duration):
            return None
        counts, size, ndim = self.alive(step), math.prod(self.shape), len(self.shape)
        thin = sum(count * (3 * n + 0.07 * size) for count, n in zip(counts, self.shape, strict=True))
        cheaper = thin < 5 * ndim * size or not self.transformable  # nanoseconds, as measured
        return counts if counts != self.shape and cheaper else None

    def left(self, step: _Step, counts: tuple[int, ...], dtype: Any) -> Array:
        """Return the shares that are left of the slowest modes."""
        rates = [rate[:count] for rate, count in zip(self.growing, counts, strict=True)]
        return step.kept(reduce(np.add.outer, rates) + self.decay).astype(dtype)

    def once(self, dtype: Any, duration: float, needed: float) -> Late | None:
        """Return what fields are found by after a duration, kept for the next one; None where transforms find them."""
        found: Late | None = already_kept(self, (dtype, duration))
        if found is not None:
            return found
        step = _exponential(duration)
        counts = self.late(step)
        if counts is None:
            return None
        left, gained = self.left(step, counts, dtype), None
        if self.growth.size:
            gained = np.zeros_like(left)
            gained[tuple(map(slice, self.growth.shape))] = duration * self.growth
        modes, duals = zip(*(self._matrices(axis, count, dtype) for axis, count in enumerate(counts)), strict=True)
        steady = None if self.forcing is None else self.steady(dtype)
        late = Late(modes, duals, left, gained, steady, needed)
        return kept(self, (dtype, duration), late.in_tiles, MOST_KNOWN)


class _Amplitudes:
    """The amplitudes of a field, computed when they are needed, for one time or many."""

    def __init__(self, field: Array) -> None:
        self.field = field
        self._all: Array | None = None
        self._slow: Array | None = None

    def all(self, plan: Plan, last: bool) -> Array:
        """Return those of all modes, to be overwritten; no copy is kept of the last."""
        found = plan.analyse(self.field) if self._all is None else self._all
        self._all = None if last else found.copy()
        return found

    def slow(self, plan: Plan, counts: tuple[int, ...], less: Array | None) -> Array:
        """Return those of the slowest modes, of the field `less` its limit."""
        if self._slow is None or any(map(int.__lt__, self._slow.shape, counts)):
            self._slow = plan.project(self.field if less is None else self.field - less, counts)
        return self._slow[tuple(map(slice, counts))]


def plan_of(problem: Lattice) -> Plan:
    """Return the plan of a problem whose axes have modes, made once."""
    return kept(
        problem, "spectral", lambda: Plan(problem.shape, axes_of(problem) or (), _decay(problem), problem.forcing)
    )


def _has_matrix(axis: Axis, problem: Lattice) -> bool:
    """Return whether the modes of an axis take a dense matrix."""
    return not axis.periodic and (axis.walls is None or problem.drift is not None)


def _decay(lattice: Lattice) -> float:
    """Return the rate at which all modes decay in addition to their own."""
    return 0.0 if lattice.decay is None else float(lattice.decay.max())


def _by_slabs(parts: Sequence[Array], more: float, change: Callable[[Array, slice], None]) -> None:
    """Call ``change(rates, slab)`` with sums of the rates along each axis, by slabs along the first one."""
    first, *rest = parts
    across = reduce(np.add.outer, rest, np.array(more))
    for low, high in _threads.slices(len(first), 1 + len(first) * across.size // SLAB):
        change(np.add.outer(first[low:high], across), slice(low, high))


def _advance(plan: Plan, found: _Amplitudes, step: _Step, last: bool) -> Array:
    """Multiply each mode by its factor, through whichever of thin matrices and transforms is cheaper."""
    u, counts = found.field, plan.late(step)
    if counts is not None:
        return _late(plan, found, step, counts)
    amplitudes = found.all(plan, last)
    if step.additive:
        _multiply(amplitudes, [step.kept(rate + plan.decay * (axis == 0)) for axis, rate in enumerate(plan.mode_rates)])
    if not step.additive or plan.forcing is not None:
        forced = None if plan.forcing is None else plan.analyse(plan.forcing.astype(u.dtype), overwrite=True)

        def change(rates: Array, slab: slice) -> None:
            if not step.additive:
                amplitudes[slab] *= step.kept(rates).astype(u.dtype)
            if forced is not None:
                amplitudes[slab] += forced[slab] * step.gathered(rates).astype(u.dtype)

        plan.each_mode(change)
    return plan.synthesise(amplitudes).astype(u.dtype, copy=False)


def _late(plan: Plan, found: _Amplitudes, step: _Step, counts: tuple[int, ...]) -> Array:
    """Return the field of the slowest modes, on top of what constant walls and sources lead to."""
    dtype = found.field.dtype
    steady = None if plan.forcing is None else plan.steady(dtype)
    amplitudes = found.slow(plan, counts, steady) * plan.left(step, counts, dtype)
    if steady is not None:
        amplitudes[tuple(map(slice, plan.growth.shape))] += step.duration * plan.growth
    field = plan.expand(amplitudes)
    if steady is not None:
        field += steady
    return field


def _carried(lattice: Lattice, axes: tuple[Axis, ...], u: Array, durations: Sequence[float]) -> Iterator[Array]:
    r"""Yield the field after each duration with a constant drift.

    A wave of the angle :math:`\theta` along a periodic axis with rates `a` onward and `b` back grows at the rate
    :math:`-(a+b)(1 - \cos\theta) - i (a-b) \sin\theta`.
    """
    joint = [axis for axis, given in enumerate(axes) if given.periodic]
    walled = {axis: basis(given, given.size) for axis, given in enumerate(axes) if not given.periodic}
    growths = [
        _waves(given, axis == joint[-1]) if axis in joint else -walled[axis].rates for axis, given in enumerate(axes)
    ]
    workers = _threads.count() if u.size >= LARGE else None
    kind = np.float64 if walled else u.dtype  # the condition number takes digits

    def analyse(field: Array) -> Array:
        field = field.astype(kind, copy=False)
        for axis, found in walled.items():
            field = along(field, axis, np.ascontiguousarray(found.duals.T))
        return np.asarray(_fft.rfftn(field, axes=joint, workers=workers)) if joint else field

    def synthesise(amplitudes: Array) -> Array:
        if joint:
            *others, last = joint
            if others:
                amplitudes = _fft.ifftn(amplitudes, axes=others, workers=workers, overwrite_x=True)
            amplitudes = _fft.irfft(amplitudes, u.shape[last], axis=last, workers=workers)
        for axis, found in walled.items():
            amplitudes = along(amplitudes, axis, np.ascontiguousarray(found.modes))
        return amplitudes.astype(u.dtype, copy=False)

    modes: Array | None = None
    for number, duration in enumerate(durations, start=1):
        if duration == 0:
            yield u.copy()
            continue
        evolved = analyse(u) if modes is None else modes
        modes = None if number == len(durations) else evolved.copy()
        yield synthesise(_grown(evolved, growths, _decay(lattice), duration, lattice.forcing, analyse))


def _grown(
    modes: Array,
    growths: Sequence[Array],
    decay: float,
    duration: float,
    forcing: Array | None,
    analyse: Callable[[Array], Array],
) -> Array:
    """Multiply modes by their growth at the sum of rates along each axis, less a decay, and add what comes in."""
    _multiply(modes, [np.exp((growth - decay * (axis == 0)) * duration) for axis, growth in enumerate(growths)])
    if forcing is not None:
        forced = analyse(forcing)

        def gather(rates: Array, slab: slice) -> None:
            moving = np.abs(rates * duration) > EPS
            gathered = np.where(moving, np.expm1(rates * duration) / np.where(moving, rates, 1), duration)
            modes[slab] += forced[slab] * gathered

        _by_slabs(growths, -decay, gather)
    return modes


def _waves(axis: Axis, halved: bool) -> Array:
    """Return the growth rates of Fourier modes, of the halved axis of a real field or of another one."""
    n = axis.size
    cycles = np.arange(n // 2 + 1) if halved else (np.arange(n) + n // 2) % n - n // 2
    half = np.pi * cycles / n
    sine = np.where(2 * abs(cycles) == n, 0.0, np.sin(2 * half))
    return np.asarray(-2 * (axis.onward + axis.back) * np.sin(half) ** 2 - 1j * (axis.onward - axis.back) * sine)


def _multiply(modes: Array, factors: Sequence[Array]) -> None:
    """Multiply modes by a factor along each axis, in place."""
    for axis, factor in enumerate(factors):
        kind = modes.dtype if np.iscomplexobj(factor) else modes.real.dtype
        modes *= on_axis(factor, axis, modes.ndim).astype(kind)
