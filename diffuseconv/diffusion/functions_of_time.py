"""What functions of time do over a run: the range that walls impose, jumps, and the rounding of their times."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diffuseconv._typing import Array
from diffuseconv.diffusion import costs, numbers
from diffuseconv.diffusion.clock import INSIDE, Clock
from diffuseconv.diffusion.in_pieces import largest, pieces
from diffuseconv.diffusion.lattice import Lattice

__all__ = ["SAMPLES", "TINIEST", "clock_noise", "clock_of_run", "jump_between", "roughness", "wall_range"]

NOISY = 1e-4  # of a tolerance: more than this must not come from the rounding of times
TINIEST = 1e-290  # of a field's scale: its product with a tolerance is a number yet
GOLDEN = (math.sqrt(5) - 1) / 2
EIGHTH = (1, -8, 28, -56, 70, -56, 28, -8, 1)  # difference
SAMPLES = 16  # times at which walls are asked for the range that they impose
KINKED = SAMPLES // 4  # of them, near which functions may have kinks or jump
LOOKED_AT = 0.1  # of what a run may cost: all numbers of its clock are looked at for no more than that
MANY = 1e5  # numbers of the clock, between which a wave of few periods is a line to 1e-9 of what it does
COLUMNS = 64  # weighted sums of cells that are kept of each
STEEP = 4.0  # how much more a jump changes than the numbers of the clock on either side


def clock_of_run(
    problem: Lattice, clock: Clock, duration: float, u: Array, tolerance: float, events: tuple[bool, bool]
) -> tuple[Clock, list[tuple[float, float]], tuple[float, float]]:
    """Return the clock by which functions of time are followed to a tolerance, jumps seen beforehand, and the noise.

    The latter is how fast the rounding of times changes a field, and how far.
    """
    start, spread = clock.start, float(np.ptp(u))
    jumps: list[tuple[float, float]] = []
    noise = 0.0, 0.0
    rate, reach, effect = clock_noise(problem, clock, duration, u)
    between = reach > NOISY * tolerance * max(spread, effect, TINIEST)
    if reach < 1e-3 * max(spread, 1.0):  # more is no rounding
        noise = roughness(problem, clock, duration, u) if between else rate, reach
    if clock.numbers * costs.evaluation(problem) > LOOKED_AT * costs.longest_run(problem):
        return Clock(start, duration, (3 if clock.numbers < MANY else 1) if between else 0), jumps, noise
    most = math.ceil(min(INSIDE, clock.numbers / 4))
    ends = most if events[0] else 0, most if events[1] else 1  # what jumps at the very end is of no account
    clock = Clock(start, duration, 0, ends)
    if between:
        scale = max(spread, effect, wall_range(problem, clock, duration), TINIEST)
        clock, jumps = _few_numbers(problem, clock, duration, u, ends, tolerance * scale)
    return clock, jumps, noise


def wall_range(problem: Lattice, clock: Clock, duration: float, since: float = 0.0, samples: int = SAMPLES) -> float:
    """Return the range that walls which depend on time can impose on the cells next to them, at some times of a run.

    A cell that is empty at first, as its neighbours are, holds ``b (1 - exp(-kt)) / k`` in the end, `k` its outflow.
    """
    if not problem.moving_walls:
        return 0.0
    parts = pieces(problem.shape)
    least, most, b = np.full(problem.shape, math.inf), np.full(problem.shape, -math.inf), np.empty(problem.shape)
    for sample in range(samples + 1):
        time = clock.at(since + sample / samples * (duration - since))
        now = problem.at(time)
        b.fill(0.0)
        now.add_terms(time, b, b, 1.0, reaction=False)
        for low, high in parts:
            outflow = now.outflow_of(low, high)
            lasting = np.divide(-np.expm1(-outflow * duration), outflow, out=duration + 0 * outflow, where=outflow > 0)
            imposed = b[low:high] * lasting
            np.minimum(least[low:high], imposed, out=least[low:high])
            np.maximum(most[low:high], imposed, out=most[low:high])
    most -= least
    spread = float(most.max())
    return spread if math.isfinite(spread) else 0.0


def clock_noise(problem: Lattice, clock: Clock, duration: float, u: Array) -> tuple[float, float, float]:
    """Return by how much functions of time change from one number to the next, and what that and they do to a field."""
    most, reach, effect = 0.0, 0.0, 0.0
    parts = pieces(u.shape)
    for sample in range(SAMPLES):
        time = float(clock.at(sample / SAMPLES * duration))
        moved = _terms(problem, math.nextafter(time, math.inf), u)
        terms = _terms(problem, time, u)
        moved -= terms
        np.abs(moved, out=moved)
        np.abs(terms, out=terms)
        most = max(most, float(moved.max()))
        for low, high in parts:
            rate = problem.outflow_of(low, high) + 10 / duration
            moved[low:high] /= rate
            terms[low:high] /= rate
        reach, effect = float(np.maximum(reach, moved.max())), float(np.maximum(effect, terms.max()))  # NaN too
        del moved, terms  # lest the next ones take more memory
    return (most, reach, effect) if math.isfinite(reach) else (0.0, 0.0, 0.0)


def roughness(problem: Lattice, clock: Clock, duration: float, u: Array) -> float:
    """Return how far from smooth functions of time are over nine neighbouring numbers, as their own rounding makes.

    Eighth differences of smooth functions vanish; 1/56 of those of noise is twice the noise, as a rule. A kink is not
    in both of two neighbouring rows of numbers, and many are not at many times.
    """
    if clock.numbers < 2 * len(EIGHTH):
        return 0.0
    rough = []
    for sample in range(SAMPLES):
        time, seen = float(clock.at(sample / SAMPLES * duration)), []
        time = min(time, clock.high - 2 * len(EIGHTH) * math.ulp(clock.high))
        for _ in range(2):
            bent = np.zeros(problem.shape)
            for weight in EIGHTH:
                change = _terms(problem, time, u)
                change *= weight / 56
                bent += change
                time = math.nextafter(time, math.inf)
            seen.append(largest(bent))
        rough.append(min(seen))
    return sorted(rough)[-1 - KINKED]


def _few_numbers(
    problem: Lattice, clock: Clock, duration: float, u: Array, ends: tuple[int, int], allowed: float
) -> tuple[Clock, list[tuple[float, float]]]:
    """Return the clock of a run of few numbers, and the jumps that they tell; at the ends some may belong to others.

    Refuse a run where they do not tell whether a jump is among them that changes the field by more than is allowed.
    """
    start, end = clock.start, clock.start + duration
    times = numbers.between(start, end)
    rows = _columns(problem, times, u)
    low, high, off = numbers.margins(rows, ends)
    places, unseen = numbers.jumps_among(rows[low : len(rows) - high])
    if max(off, unseen) * math.ulp(end) > allowed:
        raise ValueError(
            f"duration must span more numbers of the clock where functions of time change so fast, got {len(times)} of "
            f"them from {start:.17g} to {end:.17g}, which do not tell jumps from waves: let the clock begin at 0 "
            f"(start=), pass jumps= or a Schedule, or raise tolerance="
        )
    return Clock(start, duration, 3, (low, high)), [(times[low + i], times[low + i + 1]) for i in places]


def jump_between(problem: Lattice, clock: Clock, low: float, high: float, u: Array) -> tuple[float, float] | None:
    """Return the times, next to each other or but one, between which a function of time jumps, None if none does."""

    def change(one: Array, other: Array) -> float:
        return largest(one, lambda here, there: np.abs(there - here), other)

    low, high = float(low), float(high)
    first, last = _terms(problem, low, u), _terms(problem, high, u)
    whole = change(first, last)
    if not (0 < whole < math.inf):
        return None
    rounds = 0
    while math.nextafter(low, high) < high:
        middle = low + (high - low) / 2
        between = _terms(problem, middle, u)
        before, after = change(first, between), change(between, last)
        if before >= after:
            high, last = middle, between
        else:
            low, first = middle, between
        rounds += 1
        if max(before, after) < whole * max(0.05, 2 ** (-rounds / 2)):
            return None  # smooth: the change shrinks with the interval
    times = numbers.around(low, high, clock.low, clock.high)
    if times.index(low) in numbers.jumps_among(_columns(problem, times, u))[0]:
        return low, high
    before, after = math.nextafter(low, -math.inf), math.nextafter(high, math.inf)
    for one, other in ((low, high), (low, after), (before, high)):  # at its own time a jump may have a value between
        if (low, high) != (one, other) and not clock.low <= one < other <= clock.high:
            continue
        ends = math.nextafter(one, -math.inf), one, other, math.nextafter(other, math.inf)
        ahead, first, last, behind = (_terms(problem, time, u) for time in ends)
        if change(first, last) >= STEEP * max(change(ahead, first), change(last, behind)):
            return one, other
    return None  # as rounding does, and what is smooth where numbers of the clock are few


def _columns(problem: Lattice, times: Sequence[float], u: Array) -> Array:
    """Return weighted sums over cells of what depends on time, at some times: weights lest what jumps cancels."""
    many, rows = u.size // COLUMNS, []
    weights = 1 - np.arange(many) * GOLDEN % 1 / 2
    for time in times:
        terms = _terms(problem, time, u).reshape(-1)
        rows.append(np.append(terms[: many * COLUMNS].reshape(COLUMNS, many) @ weights, terms[many * COLUMNS :]))
    return np.array(rows)


def _terms(problem: Lattice, time: float, u: Array) -> Array:
    """Return what depends on time."""
    total: Array = np.zeros(problem.shape) if problem.moving is None else problem.at(time).apply(u)
    problem.add_terms(time, u, total, 1.0)
    return total
