"""The functions of `numpy.linalg` for matrices that may be large; Ctrl-C does not wait for them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from diffuseconv._foreign import interruptible

LONG = 1 << 18  # values of a matrix whose decomposition takes some tenths of a second


def __getattr__(name: str) -> Any:
    function = getattr(np.linalg, name)

    @functools.wraps(function)
    def call(a: Any, **options: Any) -> Any:
        work = functools.partial(function, a, **options)
        return interruptible(work) if a.size >= LONG else work()

    globals()[name] = call
    return call
