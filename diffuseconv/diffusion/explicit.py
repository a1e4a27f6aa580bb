r"""Forward Euler in time: :math:`u_{n+1} = u_n + \Delta t (L u_n + b(t_n))`, first order in time, second in space."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion import costs
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import fastest_decay
from diffuseconv.diffusion.scheme import check_updates, copies
from diffuseconv.diffusion.sweeps import explicit_steps

__all__ = ["OPTIONS", "checked_step", "memory", "solve", "unsupported", "whole_steps"]

OPTIONS = {"time_step": None}

PROBED, MOST_PROBED = 16, 64  # steps between two estimates of how fast the reaction damps; most where that is `SLOW`
SLOW = 0.1  # as a share of what the step leaves room for
LONGEST = 2.0  # times what a run of controlled error may cost: what it costs, and asks for, to be refused
FIRST = 4  # estimates at once when a run begins: the power method starts from noise
ROUNDING = 1e-12  # a step may exceed the limit, or a duration a whole number of steps, by this relative amount


def unsupported(problem: Lattice) -> str | None:
    """Return why the scheme cannot solve a problem, None if it can: it always can."""
    return None


def memory(problem: Lattice, itemsize: int) -> float:
    """Return the bytes a cell of two levels and copies of rates, or of one, a reaction's slope and what it returns."""
    if problem.steady:
        return 2 * itemsize + copies(problem, itemsize)
    return itemsize + 24 + (0.0 if itemsize == 8 else copies(problem, itemsize))


def checked_step(lattice: Lattice, time_step: float | None) -> float:
    """Return the step, checked against the stability limit: half of it when none is given.

    At half the limit every eigenvalue of a step lies in 0..1 and every weight is >= 0, next to Dirichlet walls too.
    """
    limit = lattice.stable_time_step
    if time_step is None:
        return limit / 2
    if time_step > limit * (1 + ROUNDING):
        raise ValueError(
            f"time_step must be at most the stability limit {limit:.12g} (leave it out for half of that), "
            f"got {time_step:.12g}"
        )
    return time_step


def whole_steps(duration: float, time_step: float) -> tuple[int, float]:
    """Return the fewest equal steps that are not longer than `time_step`."""
    steps = max(1, math.ceil(duration / time_step * (1 - ROUNDING)))
    return steps, duration / steps


def solve(
    problem: Lattice,
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    time_step: float | None = None,
    tolerance: float | None = None,
) -> Iterator[Array]:
    """Return the field at each of the `times` by steps of at most `time_step`: see `scheme.Scheme`."""
    step = checked_step(problem.at(start), time_step)
    if times:
        check_updates(u.size, times[-1] / step, 'take method="auto", larger cells or a shorter duration')
    return _fields(problem, u, start, times, step, time_step is not None)


def _fields(
    problem: Lattice, u: Array, start: float, times: Sequence[float], time_step: float, given: bool
) -> Iterator[Array]:
    """Yield the field at each of the times."""
    elapsed, own, last, direction, probed = 0.0, False, len(times) - 1, None, PROBED
    most, spent = LONGEST * costs.longest_run(problem), 0.0
    with np.errstate(all="ignore"):
        for _ in range(FIRST):
            _, direction = fastest_decay(problem, start, u, direction)
    for index, time in enumerate(times):
        while time > elapsed:
            now = start + elapsed
            still = problem.reaction is None and problem.moving is None
            step = time_step
            if not still:
                allowed = _allowed_step(problem, now, u, min(time_step, time - elapsed), given, direction)
                step, direction = allowed.step, allowed.direction
                probed = min(2 * probed, MOST_PROBED) if allowed.slow else PROBED
            steps, exact = whole_steps(time - elapsed, step)
            batch = steps if still else min(probed if problem.moving is None else 1, steps)
            if not (still or given):
                cost = costs.evaluation(problem)
                if spent > most and steps * cost > most:
                    raise ValueError(
                        f"duration must take fewer explicit steps, got some {steps:.0e} more at time {now:.6g}, which "
                        f'source or velocity ask for: leave them to method "auto", or give a time_step'
                    )
                spent += batch * cost
            u, own = _advance(problem, u, now, batch, exact), True
            elapsed = time if batch == steps else elapsed + batch * exact
            if PROBED < batch == steps and not still:  # what may have come since the last estimate
                _allowed_step(problem, start + elapsed, u, exact, given, direction)
        if not problem.steady:
            _check_numbers(u, start + elapsed)
        yield u if own and index == last else u.copy()


class _Allowed(NamedTuple):
    """A step, whether the reaction damps slowly for the room that it leaves, and what the reaction damps fastest."""

    step: float
    slow: bool
    direction: Array | None


def _allowed_step(
    problem: Lattice, time: float, u: Array, step: float, given: bool, direction: Array | None
) -> _Allowed:
    """Return a step that drift and reaction allow, probed here; a longer one that was given is refused."""
    with np.errstate(all="ignore"):
        decay, direction = fastest_decay(problem, time, u, direction)
    rate = max(problem.at(moment).largest_rate for moment in (time, time + step))
    limit = 2 / max(rate + decay, 1e-300)
    if given and step > limit * (1 + ROUNDING):
        raise ValueError(
            f"time_step must be at most {limit:.6g} at time {time:g}, where salt moves at rates up to {rate / 2:.6g} "
            f"and the source damps at rates up to {decay:.6g}, got {step:.6g}: shorten it, or leave "
            f'it to method "auto"'
        )
    _check_numbers(u, time)
    step = min(step, limit if given else limit / 2)
    return _Allowed(step, direction is None and decay <= SLOW * (2 / step - rate), direction)


def _check_numbers(u: Array, time: float) -> None:
    """Refuse a field that a source, a wall or steps without control of their error have made infinite or NaN."""
    if not _checks.is_finite(u):
        raise ValueError(
            f'source, walls and field must stay finite (method "auto" controls the field\'s error), '
            f"got {u[~np.isfinite(u)][0]} at time {time:g}"
        )


def _advance(lattice: Lattice, u: Array, start: float, steps: int, step: float) -> Array:
    """Apply explicit steps: many per pass over memory where the right-hand side allows it."""
    if lattice.steady:
        return explicit_steps(lattice, u, steps, step)
    here, there = u.copy(), np.empty_like(u)
    for n in range(steps):
        time = start + n * step
        lattice.advance(time, here, there, keep=1.0, scale=step)
        here, there = there, here
    return here
