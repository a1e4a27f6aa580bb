"""Threads for compiled loops: fixed blocks of work, handed to a pool that survives `fork`.

The loops release the interpreter lock (``nogil=True``), so plain Python threads run them side by side. Unlike
numba's own threading layers this is safe when two user threads call at once and after `os.fork`.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from typing import Any

import numba

_pools: dict[int, Executor] = {}
if hasattr(os, "register_at_fork"):  # a child inherits the pool's record but not its threads
    os.register_at_fork(after_in_child=_pools.clear)


def count() -> int:
    """How many threads to use: numba's setting (``NUMBA_NUM_THREADS`` or ``numba.set_num_threads``)."""
    return int(numba.get_num_threads())


def slices(length: int, parts: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into at most `parts` even pieces."""
    parts = max(1, min(parts, length))
    return [(length * i // parts, length * (i + 1) // parts) for i in range(parts)]


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
