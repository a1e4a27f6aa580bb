"""Random streams: one for each fixed block of pixels, whichever thread happens to work on it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks, _threads
from diffuseconv._jit import measurement as _loops

BLOCK = _loops.BLOCK  # pixels that share one stream
_WORTH = 300_000  # nanoseconds of work for which a second thread is worth waking
LONGEST = 250_000_000  # nanoseconds of work between two chances for Ctrl-C


def key(rng: object) -> NDArray[np.uint64]:
    """Draw the 256 bits that fix a whole run; a passed `Generator` advances by four words."""
    if isinstance(rng, np.random.Generator):
        return rng.integers(0, 2**64, size=4, dtype=np.uint64)
    return np.asarray(_checks.seeds(rng).generate_state(4, np.uint64), np.uint64)


def blocks(pixels: int) -> int:
    """Return how many streams serve this many pixels."""
    return -(-pixels // _loops.BLOCK)


def after(key: NDArray[np.uint64], blocks: int) -> NDArray[np.uint64]:
    """Return the key whose streams begin where those of `key` have served so many blocks."""
    steps = 4 * blocks * int(_loops.INCREMENT) % 2**64
    return key + np.uint64(steps)


def start(key: NDArray[np.uint64], pixels: int) -> NDArray[np.uint64]:
    """Return the streams of this many pixels, for loops that may stop within a block and be called again."""
    streams = np.empty((blocks(pixels), 6), np.uint64)
    _loops.begin(key, streams)
    return streams


def portions(draws: int, cost: int) -> list[tuple[int, int]]:
    """Cut draws into portions that do not take too long for one block, at so many nanoseconds a pixel each."""
    return _threads.slices(draws, -(-BLOCK * draws * cost // LONGEST))


def within_blocks(cost: int) -> list[tuple[int, int]]:
    """Cut every block into ranges of pixels that do not take too long, at so many nanoseconds a pixel."""
    return _threads.slices(BLOCK, -(-BLOCK * cost // LONGEST))


def run(work: Callable[[int, int], Any], pixels: int, cost: int) -> None:
    """Call ``work(first, last)`` on ranges of blocks, at so many nanoseconds a pixel: side by side, none too long."""
    threads = min(_threads.count(), -(-pixels * cost // _WORTH))
    _threads.run(work, _threads.slices(blocks(pixels), max(threads, -(-pixels * cost // LONGEST))))
