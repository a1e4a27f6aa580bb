"""What this machine can do at most: multiply-adds a second in float64, and bytes a second from memory."""

import os
import platform

import llvmlite.binding
import numba
import numpy as np

from ._timing import once


@numba.njit(parallel=True, fastmath=True)
def _triad(a, b, c):
    for i in numba.prange(a.size):
        a[i] = b[i] + 2.0 * c[i]


@numba.njit(parallel=True, fastmath={"contract"})
def _horner(x, out, repeats):
    for part in numba.prange(x.shape[0]):
        for _ in range(repeats):
            for i in range(x.shape[1]):
                value = x[part, i]
                power = value
                for _ in range(32):
                    power = power * value + 0.5
                out[part, i] = power


def multiply_adds_per_second(rounds: int = 7) -> float:
    """Measure polynomials of degree 32 on data in the first cache, and a matrix product: the best round of either."""
    x = np.full((numba.get_num_threads(), 1024), 0.25)
    out, repeats = np.empty_like(x), 500
    _horner(x, out, repeats)
    horner = 32 * repeats * x.size / min(once(lambda: _horner(x, out, repeats)) for _ in range(rounds))
    n = 1024
    a, b, c = np.ones((n, n)), np.ones((n, n)), np.empty((n, n))
    np.dot(a, b, c)
    return max(horner, n**3 / min(once(lambda: np.dot(a, b, c)) for _ in range(rounds)))


def bytes_per_second(rounds: int = 7) -> float:
    """Measure a = b + 2 c on arrays larger than any cache: 24 bytes an element."""
    a, b, c = np.zeros((3, 1 << 24))
    _triad(a, b, c)
    return 24 * a.size / min(once(lambda: _triad(a, b, c)) for _ in range(rounds))


def machine() -> dict[str, object]:
    """Return the processor, the number of threads and both limits."""
    return {
        "processor": llvmlite.binding.get_host_cpu_name(),
        "vector_bits": 512 if llvmlite.binding.get_host_cpu_features().get("avx512f") else None,
        "system": platform.system(),
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "multiply_adds_per_second": multiply_adds_per_second(),
        "bytes_per_second": bytes_per_second(),
    }
