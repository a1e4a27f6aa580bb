"""Interleaved timing: every contender runs once per round, so that a busy moment hits them all, and ratios are fair."""

import statistics
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

TURN = 1e-2  # seconds: shorter calls are repeated that long in each round
PAUSE = 1e-2  # seconds before each turn: the idle threads of some libraries spin for 5 ms
LONG = 0.1  # seconds of a call that needs no other one before it to be warm
REST = 0.02  # seconds before a cold call: threads fall asleep

Call = Callable[[], object]


@dataclass(frozen=True)
class Case:
    """One comparison; the first contender is ours.

    `checks` maps a contender to a call with the same result and the largest relative difference that rounding allows;
    cells within `margin` of an edge are not compared. `scale` multiplies the times of contenders that do a part of the
    work. `multiply_adds` and `bytes_moved` count the work of one call of ours, zero where no such limit makes sense.
    """

    title: str
    contenders: dict[str, Call]
    checks: dict[str, tuple[Call, float]] = field(default_factory=dict)
    margin: int = 0
    scale: dict[str, float] = field(default_factory=dict)
    multiply_adds: float = 0.0
    bytes_moved: float = 0.0
    single: bool = False
    note: str = ""


@dataclass(frozen=True)
class Growth:
    """The cost of calls against one quantity, whose exponent is fitted by least squares on logarithms."""

    title: str
    values: Sequence[float]
    call: Callable[[float], Call]


def check(case: Case) -> dict[str, float]:
    """Return the relative difference of each checked contender, and refuse one beyond its tolerance."""
    inner = np.s_[..., case.margin : -case.margin or None, case.margin : -case.margin or None]
    differences = {}
    for name, (reference, tolerance) in case.checks.items():
        result, expected = (np.squeeze(np.asarray(call()))[inner] for call in (case.contenders[name], reference))
        if result.shape != expected.shape:
            raise ArithmeticError(f"{case.title}: {name} has shape {result.shape} instead of {expected.shape}")
        difference = float(np.abs(result - expected).max() / np.abs(expected).max())
        if not difference <= tolerance:
            raise ArithmeticError(f"{case.title}: {name} differs by {difference:.1e}, more than {tolerance:.1e}")
        differences[name] = difference
    return differences


def once(call: Call) -> float:
    """Return the seconds of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def interleaved(contenders: dict[str, Call], rounds: int) -> dict[str, float]:
    """Return the median seconds of each contender's warm calls; two untimed ones come first, one more in each turn."""
    seconds = {}
    for name, call in contenders.items():
        call()
        seconds[name] = once(call)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, call in contenders.items():
            time.sleep(PAUSE)
            if seconds[name] < LONG:
                call()
            repeats = max(1, round(TURN / seconds[name]))
            begin = time.perf_counter()
            for _ in range(repeats):
                call()
            times[name].append((time.perf_counter() - begin) / repeats)
    return {name: statistics.median(measured) for name, measured in times.items()}


def cold(contenders: dict[str, Call], rounds: int) -> dict[str, float]:
    """Return the median seconds of compiled calls that come out of the blue: caches overwritten, threads asleep."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    other = np.zeros(1 << 22)  # 32 MiB
    for _ in range(rounds):
        for name, call in contenders.items():
            other += 1
            time.sleep(REST)
            times[name].append(once(call))
    return {name: statistics.median(measured) for name, measured in times.items()}


def peak_memory(call: Call) -> int:
    """Return the most bytes that NumPy and Python hold at once during a call, beyond what was there before."""
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def exponent(values: Sequence[float], seconds: Sequence[float]) -> float:
    """Return the slope of log(seconds) against log(values)."""
    return float(np.polyfit(np.log(values), np.log(seconds), 1)[0])
