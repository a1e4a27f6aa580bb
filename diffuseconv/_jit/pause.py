"""A short wait without the interpreter lock, for a thread whose neighbours are about to finish."""

import numpy as np

from diffuseconv._jit.compiled import compiled


@compiled
def pause(rounds):
    """Compute for about `rounds` nanoseconds (a chain of shifts, which no compiler shortens) and return the outcome."""
    x = np.uint64(rounds) | np.uint64(1)
    for _ in range(rounds):
        x ^= x << np.uint64(13)
        x ^= x >> np.uint64(7)
    return x
