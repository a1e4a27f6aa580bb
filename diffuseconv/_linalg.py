"""The functions of `numpy.linalg` for matrices that may be large; Ctrl-C does not wait for them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from diffuseconv._foreign import interruptible

LONG = 1 << 18  # values of a matrix whose decomposition takes some tenths of a second

_T = TypeVar("_T")


def with_matrix(size: int, work: Callable[[], _T]) -> _T:
    """Call a function that works on a matrix of so many values."""
    return interruptible(work) if size >= LONG else work()


def __getattr__(name: str) -> Any:
    function = getattr(np.linalg, name)

    @functools.wraps(function)
    def call(a: Any, **options: Any) -> Any:
        return with_matrix(a.size, functools.partial(function, a, **options))

    globals()[name] = call
    return call
