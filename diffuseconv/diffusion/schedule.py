"""Values that change at known times: tables of walls and sources, whose jumps a run need not search for."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import frozen

__all__ = ["Schedule", "at_time", "events", "tables"]

MOST_EVENTS = 10**6
ROUNDINGS = 2  # of a time of the table in a later period: less than a run keeps away from its jumps


@dataclass(frozen=True, eq=False)
class Schedule:
    """A value that follows a table of times: a function of time whose jumps are known.

    Runs are cut at the times of the table; a piece on which everything is constant is then solved exactly.

    Parameters
    ----------
    times : array_like
        Increasing times.
    values : array_like
        One value per time along the first axis: numbers, or arrays over the face (walls), the field (sources) or the
        faces of an axis (velocities). Arrays may hold NaN where the equation's mask leaves cells out.
    kind : {"step", "linear"}, default "step"
        ``"step"`` keeps a value from its time until the next; ``"linear"`` interpolates. Without a `period` the value
        stays before the first time and after the last one.
    period : number, optional
        The table repeats after this time, longer than the table is, and did so before its first time; ``"linear"``
        interpolates between the last value and the first one too.

    Raises
    ------
    TypeError, ValueError
        If times do not increase, values do not match them, or the period is shorter than the table.

    Examples
    --------
    >>> day_and_night = dc.Schedule([0, 12], [30.0, 20.0], period=24)
    >>> [float(day_and_night(hour)) for hour in (6, 12, 23, 24)]
    [30.0, 20.0, 20.0, 30.0]
    >>> rod = dc.DiffusionEquation(boundary=((dc.Dirichlet(day_and_night), "reflecting"),))
    >>> rod.evolve(np.full(3, 20.0), 48.0).round(1)
    array([20.1, 20.4, 20.5])
    """

    times: ArrayLike
    values: ArrayLike
    kind: str = "step"
    period: float | None = None

    def __post_init__(self) -> None:
        times = _checks.array("Schedule times", self.times).astype(np.float64)
        values = _checks.array("Schedule values", self.values, finite=False).astype(np.float64)
        if times.ndim != 1 or (times[1:] <= times[:-1]).any():
            raise ValueError(f"Schedule times must be one increasing row of times, got {_checks.got(self.times)}")
        if values.ndim == 0 or len(values) != len(times):
            raise ValueError(
                f"Schedule values must have one entry for each of the {len(times)} times, got "
                f"{_checks.got(self.values)}"
            )
        on_land = np.isnan(values) if values.ndim > 1 else False  # where a mask leaves it out
        _checks.all_finite("Schedule values", np.where(on_land, 0.0, values))
        _checks.choice("Schedule kind", self.kind, ("step", "linear"))
        if self.period is not None:
            period = _checks.number("Schedule period", self.period, above=0)
            if period <= times[-1] - times[0]:
                raise ValueError(
                    f"Schedule period must be longer than the table, {times[-1] - times[0]:g}, got {period:g}"
                )
            object.__setattr__(self, "period", period)
        object.__setattr__(self, "times", frozen(times))
        object.__setattr__(self, "values", frozen(values))

    def __call__(self, time: float) -> Any:
        """Return the value at a time (at a jump the one that begins)."""
        times, values = np.asarray(self.times), np.asarray(self.values)
        time, index = self.place(_checks.number("time", time))
        if time < times[0]:
            return values[0]
        last = index == len(times) - 1
        if self.kind == "step" or (last and self.period is None):
            return values[index]
        end = times[0] + self.period if last and self.period is not None else times[(index + 1) % len(times)]
        share = (time - times[index]) / (end - times[index])
        return (1 - share) * values[index] + share * values[(index + 1) % len(times)]

    def place(self, time: float) -> tuple[float, int]:
        """Return a time, moved into the table where it repeats, and which entry is the last one not after it.

        Times that differ from that of a jump only by rounding are at it where it is a sum, in a later period.
        """
        times, rounding = np.asarray(self.times), 0.0
        if self.period is not None:
            rounding = ROUNDINGS * math.ulp(max(abs(time), abs(times[0]))) * (self.kind == "step")
            phase = (time - times[0]) % self.period
            time = times[0] + (0.0 if self.period - phase <= rounding else phase)
        return time, max(0, int(np.searchsorted(times, time + rounding, "right")) - 1)

    def jumps(self, start: float, end: float) -> list[float]:
        """Return the times of the table (and of its repetitions) between two times."""
        times = np.asarray(self.times)
        if self.period is None:
            return [float(time) for time in times if start < time < end]
        if end <= start:
            return []
        entries = ((end - start) / self.period + 1) * len(times)  # infinite where there are more than a number tells
        if entries > MOST_EVENTS:
            raise ValueError(
                f"duration must hold at most {MOST_EVENTS} entries of a Schedule (shorten it), "
                f"got {entries:.3g}, for it repeats every {self.period:g}"
            )
        first, last = (math.floor((at - float(times[0])) / self.period) for at in (start, end))
        periods = (float(first) + np.arange(last - first + 1))[:, None] * self.period
        return [float(time) for time in (periods + times).ravel() if start < time < end]


def tables(value: Any) -> list[Schedule]:
    """Return the schedules in a source, a velocity, a wall, or a nest of them."""
    if isinstance(value, Schedule):
        return [value]
    if isinstance(value, (list, tuple)):
        return [table for item in value for table in tables(item)]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return [table for field in dataclasses.fields(value) for table in tables(getattr(value, field.name))]
    return []


def events(value: Any, start: float, end: float) -> list[float]:
    """Return the times between two times at which any schedule in it jumps."""
    return [time for table in tables(value) for time in table.jumps(start, end)]


def at_time(value: Any, time: float) -> Any:
    """Return a source, a velocity or walls with each schedule of steps replaced by its value at a time."""
    if not tables(value):
        return value
    if isinstance(value, Schedule):
        return value(time) if value.kind == "step" else value
    if isinstance(value, (list, tuple)):
        return tuple(at_time(item, time) for item in value)
    fields = [field.name for field in dataclasses.fields(value)]
    return dataclasses.replace(value, **{name: at_time(getattr(value, name), time) for name in fields})
