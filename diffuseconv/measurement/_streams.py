"""Random streams: nine for each fixed block of pixels, whichever thread happens to work on it."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks, _threads
from diffuseconv._jit import binomial as _binomial
from diffuseconv._jit import measurement as _loops
from diffuseconv._jit import random as _random

BLOCK = _loops.BLOCK  # pixels that share streams
_WORTH = 300_000  # nanoseconds of work for which a second thread is worth waking
_OF_WORDS = (np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64)  # what they give has 64 bits
COUNT = 30  # nanoseconds that a binomial count takes
LONGEST = 250_000_000  # nanoseconds of work between two chances for Ctrl-C


def key(rng: object) -> NDArray[np.uint64]:
    """Draw the 256 bits that fix a whole run; a passed `Generator` advances by four words."""
    if isinstance(rng, np.random.Generator):
        if type(rng) is np.random.Generator and type(rng.bit_generator) in _OF_WORDS:
            return rng.bit_generator.random_raw(4)  # the same words, in a part of the time
        return rng.integers(0, 2**64, size=4, dtype=np.uint64)
    if type(rng) is int and 0 <= rng < 2**64:
        return _of_seed(rng).copy()
    return np.asarray(_checks.seeds(rng).generate_state(4, np.uint64), np.uint64)


@functools.lru_cache(maxsize=64)
def _of_seed(seed: int) -> NDArray[np.uint64]:
    """Return the key of a seed, which takes a quarter as long as one draw for each of 256 x 256 pixels."""
    return np.asarray(np.random.SeedSequence(seed).generate_state(4, np.uint64), np.uint64)


def blocks(pixels: int) -> int:
    """Return how many blocks this many pixels fill."""
    return -(-pixels // BLOCK)


def after(key: NDArray[np.uint64], blocks: int) -> NDArray[np.uint64]:
    """Return the key whose streams begin where those of `key` have served so many blocks."""
    steps = 4 * _random.STREAMS * blocks * int(_random.INCREMENT) % 2**64
    return key + np.uint64(steps)


def start(key: NDArray[np.uint64], pixels: int) -> NDArray[np.uint64]:
    """Return the streams of this many pixels, for loops that may stop within a block and be called again."""
    states = np.empty((blocks(pixels), 4, _random.STREAMS), np.uint64)
    _random.begin(key, states)
    return states


def portions(draws: int, cost: int) -> list[tuple[int, int]]:
    """Cut draws into portions of whole words that do not take too long for one block, at so many nanoseconds each."""
    size = _loops.WORD_DRAWS
    words = _threads.slices(-(-draws // size), -(-BLOCK * draws * cost // LONGEST))
    return [(size * first, min(size * last, draws)) for first, last in words]


def draw_cost(taps: int) -> int:
    """Return the nanoseconds of a single draw: tables of many taps leave the caches."""
    return 1 if taps < 1000 else 10 + taps // 20_000


def within_group(count: int, cost: int) -> list[tuple[int, int]]:
    """Cut what each pixel of a group does so often into ranges that do not take too long, at so many nanoseconds each.

    Only where `within_blocks`, at the same cost in all, gives single groups are there several.
    """
    return _threads.slices(count, -(-_binomial.GROUP * count * cost // LONGEST))


def rest(streams: NDArray[np.uint64], parts: Sequence[object]) -> NDArray[np.int64]:
    """Return where a group of each block keeps what is left of it, if it comes in several parts."""
    return np.empty((len(streams) if len(parts) > 1 else 0, _binomial.GROUP), np.int64)


def within_blocks(cost: int) -> list[tuple[int, int]]:
    """Cut every block into ranges of whole groups that do not take too long, at so many nanoseconds a pixel."""
    groups = _threads.slices(BLOCK // _binomial.GROUP, -(-BLOCK * cost // LONGEST))
    return [(_binomial.GROUP * first, _binomial.GROUP * last) for first, last in groups]


def with_room(loop: Callable[..., Any], *given: Any) -> None:
    """Call a loop with words of its own to work in."""
    loop(np.empty(_loops.ROOM, np.uint64), *given)


def run(loop: Callable[..., Any], given: Sequence[Any], pixels: int, cost: int) -> None:
    """Call a loop on ranges of blocks, at so many nanoseconds a pixel: side by side, none too long."""
    worth = -(-pixels * cost // _WORTH)
    threads = 1 if worth < 2 else min(_threads.count(), worth)  # asking numba how many there are takes a while
    ranges = _threads.slices(blocks(pixels), max(threads, -(-pixels * cost // LONGEST)))
    _threads.run(functools.partial(with_room, loop, *given), ranges)
