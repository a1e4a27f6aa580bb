"""Turns: threads that work on neighbouring strips, each no more than one lap ahead of those beside it."""

import numpy as np
from numba import njit

from diffuseconv._jit.atomic import claim, publish, published

NOTHING, FINISHED = -1, -2
PATIENCE = 1 << 14  # looks at what other threads do before giving way to them


@njit(cache=True, nogil=True, error_model="numpy")
def take_turn(progress, taken, beside, laps, prefer):
    """Claim a strip whose neighbours have come as far as itself, NOTHING if there is none, FINISHED after all laps.

    ``beside[s]`` names the neighbours of strip `s` (or -1), ``progress[s]`` counts its laps and ``taken[s]`` tells that
    a thread is at it; any number of threads may look, beginning at the strip that they `prefer`.
    """
    answer = FINISHED
    for turn in range(len(beside)):
        s = (prefer + turn) % len(beside)
        lap = published(progress, s)
        if lap == laps:
            continue
        answer = NOTHING
        one, other = beside[s]
        if (one >= 0 and published(progress, one) < lap) or (other >= 0 and published(progress, other) < lap):
            continue
        if claim(taken, s):
            if published(progress, s) == lap:
                return s
            publish(taken, s, 0)  # another thread was quicker
    return answer


@njit(cache=True, nogil=True, error_model="numpy")
def end_turn(progress, taken, s):
    """Let others see what was written, and take the strip."""
    publish(progress, s, progress[s] + 1)
    publish(taken, s, 0)


@njit(cache=True, nogil=True, error_model="numpy")
def copy_cells(source, begin, target, to, count):
    """Copy `count` cells from ``source[begin:]`` to ``target[to:]``."""
    first, into = np.uintp(begin), np.uintp(to)
    for j in range(np.uintp(count)):
        target[into + j] = source[first + j]
