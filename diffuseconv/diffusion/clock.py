"""Times late on a clock: what a number rounds off, and functions of time between its numbers."""

from __future__ import annotations

import math
from collections.abc import Callable
from copy import copy
from typing import Any

from diffuseconv._typing import Array

__all__ = ["INSIDE", "Clock", "Moment", "interpolated"]

INSIDE = 4  # units in the last place that times stay away from the ends of a segment


class Moment(float):
    """A time, what its rounding has left out, and other numbers near it through which functions are followed."""

    rest = 0.0
    through: tuple[float, ...] = ()


class Clock:
    """Time as start plus elapsed, kept some rounding inside two ends: each side of a jump is its own.

    Times stay so many numbers `inside` the ends, at most a quarter of the duration. Its moments say what they leave out
    only if functions of time shall be followed between its numbers, by polynomials of a `degree` of 1 or 3.
    """

    def __init__(
        self, start: float, duration: float, degree: int = 0, inside: tuple[int, int] = (INSIDE, INSIDE)
    ) -> None:
        end = start + duration
        low, high = (min(count * max(math.ulp(start), math.ulp(end)), (end - start) / 4) for count in inside)
        self.numbers = (end - start) / math.ulp(end)
        self.start, self.low, self.high, self.degree = start, start + low, end - high, degree

    def at(self, elapsed: float) -> float:
        """Return the time after a duration."""
        total = self.start + elapsed
        moment, passed = Moment(min(max(total, self.low), self.high)), total - self.start
        if self.degree:
            moment.rest = (total - moment) + ((self.start - (total - passed)) + (elapsed - passed))
            moment.through = self._around(moment, moment.rest)
        return moment

    def _around(self, time: float, rest: float) -> tuple[float, ...]:
        """Return other numbers near a time, on both sides of what it leaves out as far as they lie inside the ends."""
        outwards = rest > 0 if time >= self.high else time <= self.low and rest < 0
        toward = math.copysign(math.inf, -rest if outwards else rest)
        there = math.nextafter(time, toward)
        if outwards or self.degree < 3:
            return (there,)
        behind, beyond = math.nextafter(time, -toward), math.nextafter(there, toward)
        pairs = (behind, beyond), (beyond, math.nextafter(beyond, toward)), (behind, math.nextafter(behind, -toward))
        inside = (pair for pair in pairs if all(self.low <= number <= self.high for number in pair))
        return there, *next(inside, ())


def interpolated(function: Callable[[float], Any], time: float, mixed: Callable[..., Any] | None = None) -> Any:
    """Return the value of a function at a time, by a polynomial through neighbouring numbers where it is none itself.

    Values other than arrays are `mixed` by a function of both and of the second one's share.
    """
    try:
        if not isinstance(time, Moment) or time.rest == 0:
            return function(float(time))
        times = (float(time), *time.through)
        values = [copy(function(number)) for number in times]  # each of which the next call may write over
    except StopIteration as error:  # which would end the frames that ask for it
        raise ValueError(
            f"functions of time must return a value at any time, got StopIteration at time {time:g}: begin iterators "
            f"anew in each call"
        ) from error
    for width in range(1, len(values)):  # Neville's scheme
        for i, (first, last) in enumerate(zip(times, times[width:], strict=False)):
            share = (time.rest - (first - time)) / (last - first)
            values[i] = (mixed or _mixed)(values[i], values[i + 1], share)
    return values[0]


def _mixed(one: Array, other: Array, share: float) -> Array:
    """Return a value between those of two arrays."""
    between: Array = one + share * (other - one)
    return between
