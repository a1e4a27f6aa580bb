"""Interleaved timing: every contender runs once per round, so that a busy moment hits them all, and ratios are fair."""

import statistics
import time
from collections.abc import Callable


def interleaved(contenders: dict[str, Callable[[], object]], rounds: int = 5) -> dict[str, float]:
    """Give the median seconds of each contender; one untimed call each comes first (compilation, caches)."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds + 1):
        for name, work in contenders.items():
            begin = time.perf_counter()
            work()
            if number > 0:
                times[name].append(time.perf_counter() - begin)
    return {name: statistics.median(measured) for name, measured in times.items()}


def table(title: str, seconds: dict[str, float], reference: str, note: str = "") -> None:
    """Print times, and how many times quicker than the reference each contender is."""
    print(f"\n{title}")
    for name, took in sorted(seconds.items(), key=lambda item: item[1]):
        print(f"  {name:<44} {1e3 * took:12.3f} ms  {seconds[reference] / took:9.2f} x")
    print(f"  (x: times quicker than {reference}){' ' + note if note else ''}")
