"""Say once, to someone who waits at a terminal, that loops are being compiled; let Ctrl-C end it."""

from __future__ import annotations

import sys
from typing import Any

from numba.core import event

NOTICE = "diffuseconv compiles its loops, once: some seconds. `python -m diffuseconv warm` does it ahead."


class _Notice(event.Listener):
    """Prints the notice when the first loop of ours is compiled, and restores interrupts that the compiler has lost."""

    announced = False

    def on_start(self, event: Any) -> None:
        if not self.announced and _is_ours(event) and sys.stderr is not None and sys.stderr.isatty():
            self.announced = True
            print(NOTICE, file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Raise KeyboardInterrupt anew where the error that ends a compilation came up in the handling of one."""
        error = sys.exc_info()[1]
        if isinstance(error, Exception) and _is_ours(event) and _follows_interrupt(error):
            raise KeyboardInterrupt


def _is_ours(event: Any) -> bool:
    """Return whether a loop of this package is compiled."""
    return (getattr(event.data["dispatcher"].py_func, "__module__", None) or "").startswith("diffuseconv.")


def _follows_interrupt(error: BaseException | None) -> bool:
    """Return whether an interrupt is among the errors that led to this one."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


event.register("numba:compile", _Notice())
