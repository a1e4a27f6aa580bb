"""Interleaved timing: every contender runs once per round, so that a busy moment hits them all, and ratios are fair."""

import statistics
import time
from collections.abc import Callable

TURN = 2e-3  # seconds: shorter calls are repeated that long in each round
PAUSE = 1e-3  # seconds between turns: the idle threads of some libraries spin for a while


def interleaved(contenders: dict[str, Callable[[], object]], rounds: int = 5, turn: float = TURN) -> dict[str, float]:
    """Return the median seconds of each contender's calls.

    Untimed ones come first (compilation), and one more in every turn, unless a turn is a single cold call (`turn` 0).
    """
    repeats = {}
    for name, work in contenders.items():
        work()
        begin = time.perf_counter()
        work()
        repeats[name] = max(1, round(turn / (time.perf_counter() - begin)))
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            if turn > 0:
                time.sleep(PAUSE)
                work()
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                work()
            times[name].append((time.perf_counter() - begin) / repeats[name])
    return {name: statistics.median(measured) for name, measured in times.items()}


def table(title: str, seconds: dict[str, float], reference: str, note: str = "") -> None:
    """Print times, and how many times quicker than the reference each contender is."""
    print(f"\n{title}")
    for name, took in sorted(seconds.items(), key=lambda item: item[1]):
        print(f"  {name:<44} {1e3 * took:12.3f} ms  {seconds[reference] / took:9.2f} x")
    print(f"  (x: times quicker than {reference}){' ' + note if note else ''}")
