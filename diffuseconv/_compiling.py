"""Say once, to someone who waits at a terminal, that loops are being compiled."""

from __future__ import annotations

import sys
from typing import Any

from numba.core import event

NOTICE = "diffuseconv compiles its loops, once: some seconds. `python -m diffuseconv warm` does it ahead."


class _Notice(event.Listener):
    """Prints the notice when the first loop of ours is compiled, then listens no more."""

    announced = False

    def on_start(self, event: Any) -> None:
        module = getattr(event.data["dispatcher"].py_func, "__module__", None) or ""
        if not self.announced and module.startswith("diffuseconv.") and sys.stderr is not None and sys.stderr.isatty():
            self.announced = True
            print(NOTICE, file=sys.stderr)

    def on_end(self, event: Any) -> None:
        """Do nothing: a loop is ready when its call returns."""


event.register("numba:compile", _Notice())
