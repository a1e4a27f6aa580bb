"""Scaling by powers of two, which rounds nothing: for sums and products that would leave the range of numbers."""

from __future__ import annotations

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array


def largest(values: Array) -> float:
    """Return the largest size of any real number, without a copy of them.

    Examples
    --------
    >>> largest(np.array([3.0, -5.0]))
    5.0
    """
    return max(float(values.max()), -float(values.min()))


def exponent(values: Array) -> int:
    """Return the power of two that scales the largest part of any number into [1/2, 1); 0 for zeros.

    Examples
    --------
    >>> exponent(np.array([3.0, -5.0])), exponent(np.zeros(2))
    (3, 0)
    """
    parts = (values.real, values.imag) if np.iscomplexobj(values) else (values,)
    return int(np.frexp(max(map(largest, parts)))[1])


def scaled(values: Array) -> tuple[Array, int]:
    """Return real values times a power of two (exactly), of size 1 at most, and the power that is missing."""
    power = exponent(values)
    return np.ldexp(values, -power), power


def times_power(values: Array, power: int) -> Array:
    """Return values times ``2**power``, real or complex, rounded only where they leave the range of numbers."""
    with np.errstate(over="ignore"):
        if not np.iscomplexobj(values):
            return np.asarray(np.ldexp(values, power))
        result = np.empty_like(values)
        result.real, result.imag = np.ldexp(values.real, power), np.ldexp(values.imag, power)
    return result


def unscaled(name: str, values: Array, power: int, what: str) -> Array:
    """Return values times ``2**power``; refuse the argument that makes them overflow."""
    return finite(name, times_power(values, power), what)


def finite(name: str, results: Array, what: str) -> Array:
    """Return results; refuse the argument that makes them overflow."""
    if not _checks.is_finite(results):
        most = float(np.finfo(results.dtype).max)
        raise ValueError(f"{name} must leave {what} below {most:.3g} in magnitude (use other units), got some beyond")
    return results
