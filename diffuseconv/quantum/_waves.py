"""Checks that every function of waves shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import Array


def wave(psi: ArrayLike) -> Array:
    """Check a wave of one, two or three dimensions, real or complex; return it as complex numbers."""
    checked = _checks.wave("psi", psi)
    if not 1 <= checked.ndim <= 3:
        raise ValueError(f"psi must have 1, 2 or 3 dimensions, got {checked.ndim}")
    return checked


def exponent(values: Array) -> int:
    """Return the power of two that brings the largest part of any number into [1/2, 1); 0 for zeros."""
    parts = (values.real, values.imag) if np.iscomplexobj(values) else (values,)
    return int(np.frexp(max(np.abs(part).max() for part in parts))[1])


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
    result = times_power(values, power)
    if not np.isfinite(result).all():
        most = float(np.finfo(result.dtype).max)
        raise ValueError(f"{name} must leave {what} below {most:.3g} (normalise it), got some beyond it")
    return result


def largest(wave: Array) -> float:
    """Return the largest size of an amplitude; refuse a wave that is nowhere."""
    most = float(max(np.abs(wave.real).max(), np.abs(wave.imag).max()))
    if most == 0:
        raise ValueError("psi must not be zero everywhere, got a wave without length")
    return most
