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


def largest(wave: Array) -> float:
    """Return the largest size of an amplitude; refuse a wave that is nowhere."""
    most = float(max(np.abs(wave.real).max(), np.abs(wave.imag).max()))
    if most == 0:
        raise ValueError("psi must not be zero everywhere, got a wave without length")
    return most
