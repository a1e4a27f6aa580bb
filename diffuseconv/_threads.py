"""Threads for compiled loops, safe when two user threads call at once and after `fork`.

The loops release the interpreter lock (``nogil=True``), so plain Python threads run them side by side. `run` hands out
blocks through a pool, which takes 0.1 milliseconds; `together` finds a crew that waits inside compiled code.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from threading import Thread
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from diffuseconv._jit import crew as _crew

_pools: dict[int, Executor] = {}
_crew_words: list[NDArray[np.int64]] = []  # one crew, once it is needed
_helpers: list[Thread] = []
if hasattr(os, "register_at_fork"):  # a child inherits the records of threads but not the threads
    for record in (_pools, _crew_words, _helpers):
        os.register_at_fork(after_in_child=record.clear)


def count() -> int:
    """How many threads to use: numba's setting (``NUMBA_NUM_THREADS`` or ``numba.set_num_threads``)."""
    return int(numba.get_num_threads())


def slices(length: int, parts: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into at most `parts` even pieces."""
    parts = max(1, min(parts, length))
    return [(length * i // parts, length * (i + 1) // parts) for i in range(parts)]


def together(shared: Callable[..., Any], alone: Callable[..., Any], *given: Any) -> None:
    """Call ``alone(*given)`` on all threads: a loop that takes what is left to do, so that many may run it at once.

    ``shared(crew, seats, *given)`` is the same loop with a crew, which Linux has semaphores for.
    """
    helpers = count() - 1
    if helpers == 0:
        alone(*given)
    elif sys.platform == "linux":
        shared(_gathered(helpers), helpers, *given)
    else:
        run(alone, [given] * (helpers + 1))


def _gathered(helpers: int) -> NDArray[np.int64]:
    """Return the crew, with so many helpers at least (a system that gives no threads or semaphores has fewer)."""
    if not _crew_words:
        words = _empty()
        words[_crew.DISMISSED] = not _crew.found(words)
        _crew_words.append(words)
    words = _crew_words[0]
    while len(_helpers) < helpers:
        helper = Thread(target=_crew.serve, args=(words,), name=f"diffuseconv-crew-{len(_helpers)}", daemon=True)
        _helpers.append(helper)
        with contextlib.suppress(RuntimeError):
            helper.start()
    return words


def _empty() -> NDArray[np.int64]:
    """Make the words of a crew, on cache lines of their own."""
    room = np.zeros(_crew.WORDS + 8, np.int64)
    skip = -room.ctypes.data // 8 % 8
    words = room[skip : skip + _crew.WORDS]
    words[_crew.LAYOUT] = _crew.VERSION
    return words


def run(work: Callable[..., Any], blocks: Iterable[tuple[Any, ...]]) -> None:
    """Call ``work(*block)`` for every block; this thread and the pool's each take the next one that is left."""
    left = deque(blocks)

    def take() -> None:
        while True:
            try:
                block = left.popleft()
            except IndexError:
                return
            work(*block)

    threads = min(count(), len(left))
    if threads <= 1:
        return take()
    size = count() - 1
    pool = _pools.get(size)
    if pool is None:
        pool = _pools.setdefault(size, ThreadPoolExecutor(size, thread_name_prefix="diffuseconv"))
    helpers = [pool.submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:  # nothing may still write to the caller's arrays when this returns or an error travels up
        left.clear()
        started = [helper for helper in helpers if not helper.cancel()]
        wait(started)
    for helper in started:
        helper.result()
    return None
