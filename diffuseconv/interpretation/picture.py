"""A kernel drawn in characters."""

from __future__ import annotations

import math

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.interpretation.phrases import say

__all__ = ["draw"]

_WIDEST = 25  # cells of the picture in characters
_FAINT = 0.005  # of the largest weight: too little to draw


def draw(kernel: FloatArray) -> str:
    """Draw the kernel in characters; of a 3-D kernel the heaviest slice, of a large one sums over blocks."""
    flat, notes = np.atleast_2d(kernel), []
    if kernel.ndim == 3:
        at = int(np.abs(kernel).sum(axis=(1, 2)).argmax())
        flat, notes = kernel[at], [f"slice at z = {say(at - len(kernel) // 2)}"]
    drawn = np.abs(flat) > _FAINT * np.abs(flat).max()
    for axis, n in enumerate(flat.shape):  # cut the rim that is too faint to see, on both sides alike
        used = np.flatnonzero(drawn.any(axis=1 - axis)) - n // 2
        reach = max(1, int(np.abs(used).max())) if used.size else n
        flat = flat.take(np.arange(max(0, n // 2 - reach), min(n, n // 2 + reach + 1)), axis)
        drawn = np.abs(flat) > _FAINT * np.abs(flat).max()
    block = -(-max(flat.shape) // _WIDEST)
    if block > 1:
        # whole blocks around the origin's own, so that a symmetric kernel has a symmetric picture
        block += 1 - block % 2
        for axis, n in enumerate(flat.shape):
            whole = np.arange((n // 2 - block // 2) % block, n, block)
            flat = np.add.reduceat(flat, np.union1d(0, whole), axis)
        notes.append(f"sums over {block}×{block} cells")
    signed = flat.min() < 0 < flat.max()
    largest = np.abs(flat).max()
    wide = flat.shape[1] <= 11
    rows = [
        (" " if wide else "").join(_cell(float(value) / (largest or 1.0), signed, wide) for value in row).rstrip()
        for row in flat
    ]
    if largest and flat.max() <= 0:
        notes.append("all weights negative")
    return "\n".join([*rows, *(["(" + ", ".join(notes) + ")"] if notes else [])])


def _cell(value: float, signed: bool, wide: bool) -> str:
    """Draw one weight as a block as dark as it is large."""
    block = "·░▒▓█"[math.ceil(abs(value) * 4 - 1e-9) if abs(value) > _FAINT else 0]
    if block == "·":
        return "·".center(3 if signed and wide else 2)
    if signed:
        return ("−" if value < 0 else "+") + block * (2 if wide else 1)
    return 2 * block
