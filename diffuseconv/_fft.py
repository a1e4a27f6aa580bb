"""The functions of `scipy.fft`, imported when first used; Ctrl-C and the interpreter's end are safe within them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from diffuseconv._foreign import interruptible, unbroken

LONG = 1 << 22  # values of an array whose transform Ctrl-C should not wait for


def __getattr__(name: str) -> Any:
    import scipy.fft

    function = getattr(scipy.fft, name)

    @functools.wraps(function)
    def call(x: Any, *args: Any, **options: Any) -> Any:
        work = functools.partial(unbroken, functools.partial(function, x, *args, **options))
        lengths = options.get("s", options.get("n", args[0] if args else None))  # what it is padded to, if anything
        values = max(np.size(x), 1 if lengths is None else int(np.prod(lengths)))
        return interruptible(work) if values >= LONG else work()

    globals()[name] = call
    return call
