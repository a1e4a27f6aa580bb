"""What this machine can do at most: multiply-adds a second in float64, and bytes a second from memory."""

import os
import platform

import llvmlite.binding
import numba
import numpy as np

from diffuseconv._jit.machine import MACHINE
from diffuseconv._jit.vector import BYTES, plus_product, spread, store

from ._timing import once


@numba.njit(parallel=True, fastmath=True)
def _triad(a, b, c):
    for i in numba.prange(a.size):
        a[i] = b[i] + 2.0 * c[i]


@numba.njit
def _add_products(x, rounds):
    """Add products to twelve vectors: as many as keep every multiply-adder busy, and as few as 16 registers hold."""
    factor, other = spread(x[0]), spread(x[1])
    a = b = c = d = e = f = g = h = i = j = k = m = factor
    for _ in range(rounds):
        a, b, c = plus_product(a, factor, other), plus_product(b, factor, other), plus_product(c, factor, other)
        d, e, f = plus_product(d, factor, other), plus_product(e, factor, other), plus_product(f, factor, other)
        g, h, i = plus_product(g, factor, other), plus_product(h, factor, other), plus_product(i, factor, other)
        j, k, m = plus_product(j, factor, other), plus_product(k, factor, other), plus_product(m, factor, other)
    store(x, np.uintp(0), a + b + c + d + e + f + g + h + i + j + k + m)


@numba.njit(parallel=True)
def _add_products_on_all_threads(x, rounds):
    for part in numba.prange(x.shape[0]):
        _add_products(x[part], rounds)


def multiply_adds_per_second(rounds: int = 9) -> float:
    """Measure products added to vectors in registers, and a matrix product: the best round of either."""
    x, repeats, lanes = np.ones((numba.get_num_threads(), 1024)), 1_000_000, BYTES // 8
    _add_products_on_all_threads(x, 1)
    vectors = 12 * lanes * repeats * len(x)
    registers = vectors / min(once(lambda: _add_products_on_all_threads(x, repeats)) for _ in range(rounds))
    n = 1024
    a, b, c = np.ones((n, n)), np.ones((n, n)), np.empty((n, n))
    np.dot(a, b, c)
    return max(registers, n**3 / min(once(lambda: np.dot(a, b, c)) for _ in range(rounds)))


def bytes_per_second(rounds: int = 7) -> float:
    """Measure a = b + 2 c on arrays larger than any cache: 24 bytes an element."""
    a, b, c = np.zeros((3, 1 << 24))
    _triad(a, b, c)
    return 24 * a.size / min(once(lambda: _triad(a, b, c)) for _ in range(rounds))


def machine() -> dict[str, object]:
    """Return the processor, the number of threads and both limits."""
    return {
        "processor": llvmlite.binding.get_host_cpu_name(),
        "compiled_for": MACHINE.name,
        "system": platform.system(),
        "cores": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "multiply_adds_per_second": multiply_adds_per_second(),
        "bytes_per_second": bytes_per_second(),
    }
