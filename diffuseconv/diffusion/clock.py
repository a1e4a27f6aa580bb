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
    """A time, what its rounding has left out, and where its next number lies that is inside the segment."""

    rest, toward = 0.0, math.inf


class Clock:
    """Time as start plus elapsed, kept some rounding inside two ends: each side of a jump is its own.

    Times stay so many numbers `inside` the ends, at most a quarter of the duration. Its moments say what they leave out
    only if functions of time shall be followed `between` its numbers.
    """

    def __init__(
        self, start: float, duration: float, between: bool = False, inside: tuple[int, int] = (INSIDE, INSIDE)
    ) -> None:
        end = start + duration
        low, high = (min(count * max(math.ulp(start), math.ulp(end)), (end - start) / 4) for count in inside)
        self.numbers = (end - start) / math.ulp(end)
        self.start, self.low, self.high, self.between = start, start + low, end - high, between

    def at(self, elapsed: float) -> float:
        """Return the time after a duration."""
        total = self.start + elapsed
        moment, passed = Moment(min(max(total, self.low), self.high)), total - self.start
        if self.between:
            moment.rest = (total - moment) + ((self.start - (total - passed)) + (elapsed - passed))
            outwards = moment.rest > 0 if moment >= self.high else moment <= self.low and moment.rest < 0
            moment.toward = math.copysign(math.inf, -moment.rest if outwards else moment.rest)
        return moment


def interpolated(function: Callable[[float], Any], time: float, mixed: Callable[..., Any] | None = None) -> Any:
    """Return the value of a function at a time, between those at neighbouring numbers where it is no number itself.

    Values other than arrays are `mixed` by a function of both and of the second one's share.
    """
    if not isinstance(time, Moment) or time.rest == 0:
        return function(float(time))
    value, there = copy(function(float(time))), math.nextafter(time, time.toward)  # which may be written over
    share = time.rest / (there - time)
    return (mixed or _mixed)(value, function(there), share)


def _mixed(one: Array, other: Array, share: float) -> Array:
    """Return a value between those of two arrays."""
    between: Array = one + share * (other - one)
    return between
