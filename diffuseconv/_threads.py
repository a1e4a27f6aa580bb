"""Threads for compiled loops, safe when callers meet, after `fork`, in signal handlers and while the interpreter exits.

The loops release the interpreter lock (``nogil=True``), so plain Python threads run them in parallel. Idle workers
sleep on one queue. No call depends on a worker: the caller does all the work that no worker has begun. Every lock
belongs to one call, so that neither a signal handler nor a forked child can meet one that is never released.
"""

from __future__ import annotations

import _thread
import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import Any

import numba

from diffuseconv import _foreign
from diffuseconv._heap import keep_freed_memory
from diffuseconv._jit.rounds import NOTHING, OVER

SLEEP, LONGEST_SLEEP = 5e-5, 1e-3  # seconds before a thread that found nothing tries again

_tasks: SimpleQueue[_Task] = SimpleQueue()  # its `put` may interrupt itself, unlike that of `queue.Queue`
_workers: dict[int, object] = {}
_active: dict[_Task, Callable[[], None]] = {}  # what has been handed out, and how to stop it


class _Task:
    """One call that a worker may make, unless the caller withdraws it first."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call
        self.error: BaseException | None = None
        self.claimed, self.running = _thread.allocate_lock(), _thread.allocate_lock()
        self.running.acquire()

    def claim(self) -> bool:
        """Return whether the call was still unclaimed."""
        return self.claimed.acquire(blocking=False)

    def serve(self) -> None:
        """Make the call on behalf of the caller."""
        if not self.claim():
            return
        try:
            assert self.call is not None
            self.call()
        except BaseException as error:  # the caller raises it
            self.error = error
        finally:
            self.call = None
            self.running.release()


def count() -> int:
    """Return how many threads to use: numba's setting (``NUMBA_NUM_THREADS`` or ``numba.set_num_threads``)."""
    return int(numba.get_num_threads())


def slices(length: int, parts: int) -> list[tuple[int, int]]:
    """Cut ``range(length)`` into at most `parts` even pieces."""
    parts = max(1, min(parts, length))
    return [(length * i // parts, length * (i + 1) // parts) for i in range(parts)]


def run(work: Callable[..., Any], blocks: Iterable[tuple[Any, ...]]) -> None:
    """Call ``work(*block)`` for every block; the caller and workers each take the next one that is left."""
    left = deque(blocks)
    threads = len(left) if len(left) < 2 else min(count(), len(left))
    if threads < 2:  # nothing to share
        for block in left:
            work(*block)
        return

    def take() -> None:
        while True:
            try:
                block = left.popleft()
            except IndexError:
                return
            work(*block)

    _share(take, left.clear, threads)


def in_rounds(take: Callable[[int], int], stop: Callable[[], None], threads: int) -> None:
    """Call ``take(i)`` on threads i = 0, 1, ... until it returns `OVER`; where it found nothing to do they sleep.

    After an error, or Ctrl-C, `stop` must make every call return that.
    """
    numbers = itertools.count()

    def work() -> None:
        number, wait = next(numbers), SLEEP
        while (found := take(number)) != OVER:
            if found == NOTHING:
                time.sleep(wait)
                wait = min(2 * wait, LONGEST_SLEEP)
            else:
                wait = SLEEP

    _share(work, stop, min(count(), threads))


def _share(call: Callable[[], None], stop: Callable[[], None], threads: int) -> None:
    """Make a call here and on idle workers; return when every one that has begun is over, raise the first error.

    After an error `stop` ends the other calls early.
    """

    def guarded() -> None:
        try:
            call()
        except BaseException:
            stop()  # the others may wait for what will not come
            raise

    workers = 0 if _foreign.ending() else threads - 1
    tasks = [_Task(guarded) for _ in range(workers)]
    errors: list[BaseException] = []
    try:
        _start_workers(workers)
        for task in tasks:
            _active[task] = stop
            _tasks.put(task)
        guarded()
    except BaseException as error:
        errors.append(error)
    for task in tasks:  # nothing may still write to the caller's arrays when this returns
        if task.claim():
            task.call = None  # frees what it holds although it stays in the queue
            continue
        while task.call is not None:  # it is over once that is None: Ctrl-C may come with the lock already acquired
            try:
                task.running.acquire()
            except BaseException as error:  # Ctrl-C
                errors.append(error)
                stop()
        if task.error is not None:
            errors.append(task.error)
    for task in tasks:
        _active.pop(task, None)
    if errors:
        raise errors[0]


def _start_workers(workers: int) -> None:
    """Start workers until there are so many (a system that gives no more threads, or is shutting down, has fewer)."""
    for number in range(workers):
        mark = object()
        if number not in _workers and _workers.setdefault(number, mark) is mark:
            try:  # without the locks of `threading.Thread`, which a signal handler could find held
                _thread.start_new_thread(_serve, (_tasks,))
            except RuntimeError:
                del _workers[number]
                return


def _serve(tasks: SimpleQueue[_Task]) -> None:
    """Make one call after the other, for as long as the process lives."""
    while True:
        tasks.get().serve()


def _after_fork() -> None:
    """Forget workers, which a forked child does not inherit, and end the calls that they had begun with an error."""
    global _tasks
    _tasks = SimpleQueue()
    _workers.clear()
    for task, stop in list(_active.items()):
        if task.claimed.locked() and task.running.locked():
            task.error = RuntimeError("a process must not fork within a call that the child is to finish")
            stop()
            task.call = None
            task.running.release()
    _active.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)

keep_freed_memory()  # here, for whatever computes imports this file
