"""A run from a field to later times: cut into segments at events, each solved by the scheme that suits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from diffuseconv import _checks, _scaling
from diffuseconv._typing import Array
from diffuseconv.diffusion import (
    chebyshev,
    control,
    explicit,
    implicit,
    long_drift,
    rational,
    rkl2,
    spectral,
    switching,
    uniformization,
)
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.reaction import check_slope
from diffuseconv.diffusion.scheme import Scheme
from diffuseconv.diffusion.units import in_units, power_of

__all__ = ["METHODS", "SCHEMES", "frames"]

SCHEMES: dict[str, Scheme] = {
    "spectral": spectral,
    "chebyshev": chebyshev,
    "rational": rational,
    "uniformization": uniformization,
    "rkl2": rkl2,
    "implicit": implicit,
    "explicit": explicit,
}  # in the order in which "auto" asks them
METHODS = ("auto", *SCHEMES)
SHARED = 64  # segments among which a tolerance is shared out: the errors of more partly cancel or die out
FULL = 4  # segments from which on each may cost a quarter of what a run may
CHECKED = 8  # segments whose options are checked before the run begins


class _Segment(NamedTuple):
    """A part of a run between two events."""

    start: float
    stops: list[float]  # how long after its start a field is asked for, and the next event comes
    asked: int  # how many of the stops are asked for


def frames(
    problem_at: Callable[[float], Lattice],
    events: Sequence[float],
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    durations: Sequence[float] | None = None,
    method: str = "auto",
    time_step: float | None = None,
    tolerance: float | None = None,
    max_step: float | None = None,
) -> Iterator[Array]:
    """Return an iterator of the field at each time, with all arguments checked at the call.

    Parameters
    ----------
    problem_at : callable
        The discretised problem that is valid from a time until the next event.
    events : sequence of number
        Increasing times at which the problem changes suddenly.
    u : ndarray
        The field at `start`: contiguous float32 or float64.
    start : number
        The time of `u`.
    times : sequence of number
        Times to yield, not decreasing, none before `start`.
    durations : sequence of number, optional
        How long after `start` the times are, where that is known better than by subtraction.
    method : str
        One of `METHODS`.
    time_step, tolerance, max_step : number, optional
        Options of the scheme. The tolerance holds for the whole run and is shared out among its segments.

    Raises
    ------
    ValueError
        If the method cannot solve the problem, or has no use for an option.
    """
    name = "explicit" if method == "auto" and time_step is not None else method
    _refuse_unused(name, time_step=time_step, tolerance=tolerance, max_step=max_step)
    elapsed = [time - start for time in times] if durations is None else list(durations)
    inside = sorted({event for event in events if elapsed and 0 < event - start < elapsed[-1]})
    begins = [0.0, *(event - start for event in inside)]
    segments = []
    for time, begin, end in zip([start, *inside], begins, [*begins[1:], math.inf], strict=True):
        asked = [duration - begin for duration in elapsed if begin < duration <= end or duration == begin == 0]
        stops = asked if end == math.inf or end - begin in asked else [*asked, end - begin]
        segments.append(_Segment(time, stops, len(asked)))
    given = {"time_step": time_step, "tolerance": tolerance, "max_step": max_step}

    def solve(segment: _Segment, u: Array) -> Iterator[Array]:
        problem = problem_at(segment.start)
        scheme = _choose(problem, name, segment, tolerance, u)
        several = len(segment.stops) > 1  # two frames, and what the next one begins with, which modes are already
        frames = several * (2 * u.itemsize + 8 * (scheme is not spectral))
        needed = scheme.memory(problem, u.itemsize) + frames
        _checks.fits_memory("u", needed * u.size, "take larger cells, fewer, or another method")
        options: dict[str, Any] = {"time_step": None, "tolerance": None}
        for option, default in scheme.OPTIONS.items():
            options[option] = default if given[option] is None else given[option]
        if options["tolerance"] is not None:
            options["tolerance"] /= min(len(segments), SHARED)
        if scheme.OPTIONS is control.OPTIONS:
            options["share"] = 1 / min(len(segments), FULL)
            options["chosen"] = name == "auto"
            options["events"] = segment is not segments[0], segment is not segments[-1]
        duration = segment.stops[-1] if segment.stops else 0.0
        begin, power = 0.0 if problem.steady else segment.start, power_of(problem, u, duration)
        if power == 0:
            return scheme.solve(problem, u, begin, segment.stops, **options)
        scaled = in_units(problem, power), _scaling.times_power(u, -power)
        fields = scheme.solve(*scaled, begin, segment.stops, **options)
        return (_scaling.times_power(field, power) for field in fields)

    _check_functions(problem_at(start), start, u, elapsed[-1] if elapsed else 0.0)
    fields, *_ = [solve(segment, u) for segment in segments[:CHECKED]]  # which checks their options, and runs nothing
    return _run(segments, solve, fields)


def _run(
    segments: list[_Segment],
    solve: Callable[[_Segment, Array], Iterator[Array]],
    fields: Iterator[Array],
) -> Iterator[Array]:
    """Solve the segments one after the other; `fields` are those of the first."""
    for segment, following in zip(segments, [*segments[1:], None], strict=True):
        last = len(segment.stops) - 1
        for index, field in enumerate(fields):
            if index == last and following is not None:
                u = field.copy() if index < segment.asked else field  # a yielded field belongs to the caller
            if index < segment.asked:
                yield field
        if following is not None:
            fields = solve(following, u)


def _check_functions(problem: Lattice, time: float, u: Array, duration: float) -> None:
    """Refuse, before any work, functions that return what cannot be used, or not the same twice."""

    def same(name: str, one: Array, other: Array) -> None:
        if not np.isfinite(one).all():
            raise ValueError(f"{name} must be finite, got {one[~np.isfinite(one)].flat[0]} at time {time:g}")
        if not np.array_equal(one, other):
            raise ValueError(
                f"{name} must return the same values for the same arguments, got others at time {time:g}: draw noise "
                f"beforehand, as the values of a Schedule, or add it between frames"
            )

    if problem.reaction is not None:
        u = u.astype(np.float64, copy=False)  # as steps have it, lest a reaction overflow here only
        same("source", np.array(problem.reaction(time, u)), problem.reaction(time, u))
    if problem.reaction_slope is not None:
        same("source_slope", np.array(problem.reaction_slope(time, u)), problem.reaction_slope(time, u))
        with np.errstate(all="ignore"):
            check_slope(problem, time, u, duration)
    for wall in problem.moving_walls:
        same("a wall", wall.at(time), wall.at(time))
    if problem.moving is not None:
        one, other = (problem.moving(time) for _ in range(2))
        same(
            "velocity",
            *(np.concatenate([g.ravel() for g in (*each.rates, *(each.drift or ()))]) for each in (one, other)),
        )


def _choose(problem: Lattice, method: str, segment: _Segment, tolerance: float | None, u: Array) -> Scheme:
    """Return the scheme of this name, or the cheapest that can solve the problem; refuse what it cannot.

    What factorises matrices is for where there is memory for it.
    """
    if method != "auto":
        reason = SCHEMES[method].unsupported(problem)
        if reason is not None:
            raise ValueError(f'method "{method}" {reason}')
        return SCHEMES[method]
    name = next(name for name, scheme in SCHEMES.items() if scheme.unsupported(problem) is None)
    duration = segment.stops[-1] if segment.stops else 0.0

    def fits(scheme: Scheme) -> bool:
        return _checks.has_memory(scheme.memory(problem, u.itemsize) * u.size)

    if name == "chebyshev" and rational.is_cheaper(problem, duration, len(segment.stops), tolerance) and fits(rational):
        return rational
    if name == "uniformization" and long_drift.is_cheaper(problem, duration, tolerance) and fits(long_drift):
        return long_drift
    if name == "rkl2" and fits(switching):
        return switching
    return SCHEMES[name]


def _refuse_unused(method: str, **options: float | None) -> None:
    """Refuse an option that the method does not use."""
    for option, value in options.items():
        if value is None or (method == "auto" and option != "time_step") or option in SCHEMES[method].OPTIONS:
            continue
        users = [name for name, scheme in SCHEMES.items() if option in scheme.OPTIONS]
        raise ValueError(
            f'{option} is used by method {" and ".join(map(repr, users))} only, got {value:g} with method "{method}": '
            f"leave it out"
        )
