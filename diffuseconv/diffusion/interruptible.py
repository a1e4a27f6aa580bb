"""Long calls into compiled libraries that Ctrl-C need not wait for."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

__all__ = ["interruptible"]

_T = TypeVar("_T")


def interruptible(work: Callable[[], _T]) -> _T:
    """Run a function that releases the interpreter's lock in a thread of its own, so that Ctrl-C is answered at once.

    What has been interrupted runs on behind, and its result is dropped.
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    results: list[Any] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if errors:
        raise errors[0]
    result: _T = results[0]
    return result
