"""Image and kernel as registers of qubits, taps as shifts, and the angles that prepare the weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._scaling import exponent, times_power
from diffuseconv._typing import Array
from diffuseconv.propagator import Propagator

MOST_AMPLITUDES = 1 << 26  # 1 GiB of complex numbers


@dataclass(frozen=True, eq=False)
class Plan:
    """The taps as a circuit applies them: weight, phase and cyclic displacement of each that is not zero.

    Weights are in units of ``2**power``, so that their sum neither over- nor underflows.
    """

    weights: Array
    power: int
    phases: Array
    moves: list[tuple[int, ...]]
    ancillas: int


def registers(image: ArrayLike, kernel: ArrayLike | Propagator) -> tuple[Array, Plan]:
    """Check image and kernel, and return the taps."""
    kernel = kernel.density if isinstance(kernel, Propagator) else kernel
    x, k = (
        _checks.wave(name, value) if np.iscomplexobj(value) else _checks.array(name, value)
        for name, value in (("image", _checks.plain("image", image)), ("kernel", _checks.plain("kernel", kernel)))
    )
    if not 1 <= x.ndim <= 3:
        raise ValueError(f"image must have 1, 2 or 3 dimensions, got {x.ndim}")
    if k.ndim != x.ndim:
        raise ValueError(f"kernel must have as many dimensions as the image, {x.ndim}, got {k.ndim}")
    if any(n & (n - 1) for n in x.shape):
        raise ValueError(f"image must have sides that are powers of two, got shape {x.shape}")
    for name, value in (("image", x), ("kernel", k)):
        if not value.any():
            raise ValueError(f"{name} must not be zero everywhere: it has no direction, got shape {value.shape}")
    taps = np.argwhere(k)
    power = exponent(k)
    values = times_power(k[k != 0].astype(np.result_type(k.dtype, np.float64)), -power)
    kept = values != 0  # (a tap of 2**-1074 times another is none)
    taps, values = taps[kept], values[kept]
    weights = np.abs(values)
    ancillas = (len(taps) - 1).bit_length()
    if x.size << ancillas > MOST_AMPLITUDES:
        raise ValueError(f"image and kernel must need at most 2**26 amplitudes, got {x.size} x {1 << ancillas}")
    origin = np.array(k.shape) // 2
    moves = [tuple(int(d) for d in (tap - origin) % x.shape) for tap in taps]
    return x, Plan(weights, power, values / weights, moves, ancillas)


def angles(plan: Plan) -> list[Array]:
    """Return the rotations that prepare the weights: for each ancilla, highest first, an angle for each value above it.

    An angle splits the weight under a node of the binary tree between its two halves (Möttönen et al. 2005).
    """
    leaves = np.zeros(1 << plan.ancillas)
    leaves[: len(plan.weights)] = plan.weights / plan.weights.max()
    levels = []
    for level in range(plan.ancillas):
        zero, one = leaves.reshape(1 << level, 2, -1).sum(axis=2).T
        levels.append(2 * np.arctan2(np.sqrt(one), np.sqrt(zero)))
    return levels


def increments(move: int, bits: int) -> list[int]:
    """Return the lowest qubit of each increment whose sum adds `move` to a register of so many bits."""
    return [bit for bit in range(bits) if move >> bit & 1]
