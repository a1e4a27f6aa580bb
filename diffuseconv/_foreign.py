"""Calls into compiled code of other libraries: Ctrl-C need not wait for them, and the interpreter does not end in them.

Up to Python 3.13 the interpreter, as it ends, ends every daemon thread that comes back from compiled code. C++ code
(SciPy's transforms) and SuperLU cannot be ended so: the process aborts. So the end waits for the calls of daemon
threads that have begun, and those that have not wait for the end. What SuperLU has made is dropped before: SciPy leaves
an error behind where the thread that made it goes first.
"""

from __future__ import annotations

import _thread
import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any, Generic, TypeVar

__all__ = ["Made", "ending", "import_whole", "interruptible", "unbroken"]

_T = TypeVar("_T")
_inside: set[object] = set()  # one mark for each call of another thread than the main one
_unused: set[threading.Event] = set()  # one for each thread that waits to drop what it has made
_ended: list[bool] = []  # not empty once the interpreter ends


def ending() -> bool:
    """Return whether the interpreter is about to end: daemon threads, workers among them, begin nothing more."""
    return bool(_ended)


def unbroken(work: Callable[[], _T]) -> _T:
    """Call a function that the interpreter must not end within."""
    if _in_main_thread():
        return work()
    mark = object()
    _inside.add(mark)
    try:
        while ending() and threading.current_thread().daemon:
            _inside.discard(mark)
            time.sleep(1)
        return work()
    finally:
        _inside.discard(mark)


def interruptible(work: Callable[[], _T]) -> _T:
    """Run a function that releases the interpreter's lock in a thread of its own, so that Ctrl-C is answered at once.

    What has been interrupted runs on behind, and its result is dropped; the interpreter's end waits for it.
    """
    if ending() or not _in_main_thread():  # Ctrl-C reaches only the main thread
        return work()
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(unbroken(work))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    try:
        thread.start()
    except RuntimeError:  # the system, or an interpreter that shuts down, gives no more threads
        return work()
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise errors[0]
    result: _T = results[0]
    return result


class Made(Generic[_T]):
    """What a function makes, answering Ctrl-C as `interruptible` does, and dropped in the thread that made it.

    SciPy's SuperLU frees memory in no other thread. What is `brief` needs no other: on busy processors a thread may
    take longer to begin than the work.
    """

    def __init__(self, work: Callable[[], _T], *, brief: bool = False) -> None:
        made: list[_T] = []
        self._made = made  # only that thread empties it
        if brief or ending() or not _in_main_thread():
            made.append(work())
            return
        done, unused = threading.Event(), threading.Event()
        errors: list[BaseException] = []

        def make() -> None:
            made.append(work())
            _unused.add(unused)

        def run() -> None:
            try:
                unbroken(make)
            except BaseException as error:
                errors.append(error)
            done.set()
            unused.wait()
            made.clear()
            _unused.discard(unused)

        try:
            threading.Thread(target=run, daemon=True).start()
        except RuntimeError:  # as in `interruptible`
            made.append(work())
            return
        weakref.finalize(self, unused.set).atexit = False
        while not done.wait(0.2):
            pass
        if errors:
            unused.set()
            raise errors.pop()  # (no name of this frame may hold it, or both stay until they are searched for)

    @property
    def value(self) -> _T:
        """What was made."""
        if not self._made:
            raise RuntimeError("the interpreter ends: what another thread had made is gone")
        return self._made[0]


def import_whole(name: str) -> ModuleType:
    """Import a module that Ctrl-C must not break off: what it left of some could not be imported again."""
    return interruptible(lambda: import_module(name))


def _in_main_thread() -> bool:
    return threading.main_thread().ident == _thread.get_ident()


def _wait_for_calls() -> None:
    _ended.append(True)
    while _inside or _unused:
        for unused in list(_unused):
            unused.set()
        time.sleep(0.001)


atexit.register(_wait_for_calls)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_inside.clear)  # a forked child has no other threads
    os.register_at_fork(after_in_child=_unused.clear)
