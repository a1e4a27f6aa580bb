"""Densities of sums of displacements: added directly as far as that takes a second, beyond it by transform."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diffuseconv import _fft
from diffuseconv._typing import FloatArray

DIRECT_PRODUCTS = 1e9  # densities are combined directly up to here (about a second), beyond it by transform
AT_ONCE = 100_000_000  # products between two chances for Ctrl-C
POWERS_AT_ONCE = 1 << 20  # of complex numbers, likewise


def add(p: FloatArray, q: FloatArray) -> FloatArray:
    """Return the density of the sum of two displacements, with the origins' sum as its origin."""
    if p.size < q.size:
        p, q = q, p
    if np.count_nonzero(q) * p.size > DIRECT_PRODUCTS:
        return _by_transform([p, q])
    out = np.zeros([n + m - 1 for n, m in zip(p.shape, q.shape, strict=True)])
    if p.ndim == 1:
        step = max(1, AT_ONCE // p.size)
        for first in range(0, q.size, step):
            part = np.convolve(p, q[first : first + step])
            out[first : first + part.size] += part
        return out
    for tap in np.argwhere(q):  # one shifted copy of the larger for each tap of the smaller
        out[tuple(slice(t, t + n) for t, n in zip(tap.tolist(), p.shape, strict=True))] += q[tuple(tap)] * p
    return out


def power(density: FloatArray, n: int) -> FloatArray:
    """Return the density of the sum of `n` displacements, with `n` times the origin as its origin."""
    sizes = [n * (length - 1) + 1 for length in density.shape]
    taps = sizes[0] / n if density.ndim == 1 else np.count_nonzero(density)
    if n * taps * math.prod(sizes) > (density.ndim + 1) * DIRECT_PRODUCTS:
        return _by_transform([density], n)
    out = density
    if density.ndim == 1:
        for bit in bin(n)[3:]:  # by squaring, from the leading bit down
            out = add(out, out)
            out = add(out, density) if bit == "1" else out
    else:
        for _ in range(n - 1):  # fewer products than squaring: `density` has few taps
            out = add(out, density)
    return out


def _by_transform(parts: Sequence[FloatArray], n: int = 1) -> FloatArray:
    """Return the same by the convolution theorem, all `parts` `n` times; what is below its rounding noise becomes 0."""
    sizes = [
        1 + n * sum(length - 1 for length in lengths) for lengths in zip(*(part.shape for part in parts), strict=True)
    ]
    fast = [_fft.next_fast_len(size, real=True) for size in sizes]
    modes = np.asarray(math.prod(_fft.rfftn(part, fast) for part in parts))
    for first in range(0, modes.size, POWERS_AT_ONCE):
        modes.reshape(-1)[first : first + POWERS_AT_ONCE] **= n
    out = _fft.irfftn(modes, fast)[tuple(map(slice, sizes))]
    return np.where(out > 4 * n * np.finfo(float).eps * out.max(), out, 0.0)


def centred(density: FloatArray, origin: Sequence[int]) -> FloatArray:
    """Pad the far side so that the origin is at ``shape // 2``, and divide by the sum."""
    sizes = [max(n, 2 * o) for n, o in zip(density.shape, origin, strict=True)]
    return _unit(np.pad(density, [(0, size - n) for size, n in zip(sizes, density.shape, strict=True)]))


def _unit(density: FloatArray) -> FloatArray:
    """Divide a density by its sum."""
    return np.asarray(density / density.sum())
