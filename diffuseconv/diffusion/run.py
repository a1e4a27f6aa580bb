"""A run from a field to later times: cut into segments at events, each solved by the scheme that suits it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from diffuseconv._typing import Array
from diffuseconv.diffusion import chebyshev, explicit, rkl2, spectral, uniformization
from diffuseconv.diffusion.lattice import Lattice
from diffuseconv.diffusion.scheme import Scheme

__all__ = ["METHODS", "SCHEMES", "frames"]

SCHEMES: dict[str, Scheme] = {
    "spectral": spectral,
    "chebyshev": chebyshev,
    "uniformization": uniformization,
    "rkl2": rkl2,
    "explicit": explicit,
}  # in the order in which "auto" asks them
METHODS = ("auto", *SCHEMES)


class _Segment(NamedTuple):
    """A part of a run between two events."""

    scheme: Scheme
    problem: Lattice
    start: float
    stops: list[float]  # the times asked for, and the next event
    asked: int  # how many of the stops are times asked for
    options: dict[str, float | None]

    def solve(self, u: Array) -> Iterator[Array]:
        """Return the fields at the stops, from the field at the start; options are checked at the call."""
        return self.scheme.solve(self.problem, u, self.start, self.stops, **self.options)


def frames(
    problem_at: Callable[[float], Lattice],
    events: Sequence[float],
    u: Array,
    start: float,
    times: Sequence[float],
    *,
    method: str = "auto",
    time_step: float | None = None,
    tolerance: float | None = None,
) -> Iterator[tuple[float, Array]]:
    """Return an iterator of (time, field), with all arguments checked at the call.

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
    method : str
        One of `METHODS`.
    time_step, tolerance : number, optional
        Options of the scheme. The tolerance holds for the whole run and is shared out among its segments.

    Raises
    ------
    ValueError
        If the method cannot solve the problem, or has no use for an option.
    """
    name = "explicit" if method == "auto" and time_step is not None else method
    _refuse_unused(name, time_step=time_step, tolerance=tolerance)
    inside = [event for event in events if times and start < event < times[-1]]
    segments = []
    for begin, end in zip([start, *inside], [*inside, math.inf], strict=True):
        problem = problem_at(begin)
        scheme = _choose(problem, name)
        asked = [time for time in times if begin < time <= end or time == begin == start]
        stops = asked if end == math.inf or end in asked else [*asked, end]
        options: dict[str, float | None] = {"time_step": None, "tolerance": None}
        for option, default in scheme.OPTIONS.items():
            given = {"time_step": time_step, "tolerance": tolerance}[option]
            options[option] = default if given is None else given
        if options["tolerance"] is not None:
            options["tolerance"] /= 1 + len(inside)
        segments.append(_Segment(scheme, problem, begin, stops, len(asked), options))
    if segments and segments[0].problem.reaction is not None:
        segments[0].problem.reaction(start, u)  # a bad source is refused before any work
    for segment in segments:
        segment.solve(u)  # checks the options; nothing runs before the first next()
    return _run(segments, u)


def _run(segments: list[_Segment], u: Array) -> Iterator[tuple[float, Array]]:
    """Solve the segments one after the other."""
    for segment in segments:
        last = len(segment.stops) - 1
        for index, (time, field) in enumerate(zip(segment.stops, segment.solve(u), strict=True)):
            if index == last:
                u = field.copy()  # the yielded field belongs to the caller
            if index < segment.asked:
                yield time, field


def _choose(problem: Lattice, method: str) -> Scheme:
    """Return the scheme of this name, or the first that can solve the problem; refuse what it cannot."""
    if method == "auto":
        return next(scheme for scheme in SCHEMES.values() if scheme.unsupported(problem) is None)
    reason = SCHEMES[method].unsupported(problem)
    if reason is not None:
        raise ValueError(f'method "{method}" {reason}')
    return SCHEMES[method]


def _refuse_unused(method: str, **options: float | None) -> None:
    """Refuse an option that the method does not use."""
    for option, value in options.items():
        if value is None or (method == "auto" and option == "tolerance") or option in SCHEMES[method].OPTIONS:
            continue
        users = [name for name, scheme in SCHEMES.items() if option in scheme.OPTIONS]
        raise ValueError(
            f'{option} is used by method {" and ".join(map(repr, users))} only, got {value:g} with method "{method}": '
            f"leave it out"
        )
