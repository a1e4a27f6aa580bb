"""The decorator of all loops: compiled for the machine when first called, and kept on disk."""

from __future__ import annotations

import functools
import os

import numpy as np
from numba import config, njit
from numba.core.compiler_lock import global_compiler_lock

from diffuseconv._jit.kept import Kept

__all__ = ["compiled", "inner"]


def compiled(function=None, /, **options):
    """Compile a loop over arrays, which other threads may run at the same time; options are those of `numba.njit`."""
    if function is None:
        return functools.partial(compiled, **options)
    if config.DISABLE_JIT:
        return _interpreted(function)
    loop = njit(nogil=True, error_model="numpy", no_cfunc_wrapper=True, **options)(function)
    # The one private attribute of numba in the package: its own cache cannot be told where to lie, refuses to work
    # where nothing is writable, trusts damaged files, and knows one source file of several.
    loop._cache = Kept(function)
    return loop


def inner(function=None, /, **options):
    """Compile a loop that only loops call: what Python would call it by takes a quarter of the time to compile."""
    return compiled(function, no_cpython_wrapper=True, **options)


def _interpreted(function):
    """Return the loop as Python runs it; as in compiled loops numbers wrap around, or become infinite, in silence."""

    @functools.wraps(function)
    def run(*arguments):
        with np.errstate(all="ignore"):
            return function(*arguments)

    return run


# A child must not inherit numba's lock from a thread that the fork leaves behind: fork when no thread compiles.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=global_compiler_lock.acquire,
        after_in_parent=global_compiler_lock.release,
        after_in_child=global_compiler_lock.release,
    )
