"""Turns: threads that work on neighbouring strips, each no more than one lap ahead of those beside it.

Strip `s` has ``bounds[s]`` (its first plane, the one after its last, how many there are with its halos) and the strips
``beside[s]`` (or -1), which left their outermost planes in ``edges[k % 2]`` before its lap `k`.
"""

import numpy as np
from numba import njit

from diffuseconv._jit.atomic import add, claim, publish, published
from diffuseconv._jit.crew import give_way, shared

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


@njit(cache=True, nogil=True, error_model="numpy")
def fetch_halos(u, apart, plane, high, edges, above, below):
    """Copy what the strips `above` and `below` left to the halos of a strip's fields, which lie `apart`."""
    for f in range(edges.shape[2]):
        if above >= 0:
            copy_cells(edges[above, 1, f], 0, u, f * apart + plane, edges.shape[3])
        if below >= 0:
            copy_cells(edges[below, 0, f], 0, u, f * apart + high * plane, edges.shape[3])


@njit(cache=True, nogil=True, error_model="numpy")
def leave_edges(u, apart, plane, low, high, edges):
    """Copy the outermost planes of a strip's fields, which lie `apart`, to where its neighbours look for them."""
    halo = edges.shape[2]
    for f in range(edges.shape[1]):
        copy_cells(u, f * apart + low * plane, edges[0, f], 0, halo)
        copy_cells(u, f * apart + high * plane - halo, edges[1, f], 0, halo)


def marching(lap):
    """Make compiled ``march(beside, laps, progress, taken, entered, given)``, and how a crew shares it.

    It calls ``lap(s, k, given)`` for strips whose turn it is, beside other threads that do the same, and says whether
    all is done; if not, other threads hold what is left and there was nothing to do for some time.
    """

    @njit(nogil=True)
    def march(beside, laps, progress, taken, entered, given):
        prefer, patience = add(entered, 0, 1), PATIENCE
        while patience > 0:
            s = take_turn(progress, taken, beside, laps, prefer)
            if s == FINISHED:
                return True
            if s == NOTHING:
                patience -= 1
                continue
            lap(s, progress[s], given)
            end_turn(progress, taken, s)
            patience = PATIENCE
        return False

    @njit(nogil=True)
    def march_on(beside, laps, progress, taken, entered, given):
        while not march(beside, laps, progress, taken, entered, given):
            give_way()

    return march, shared(march_on)
