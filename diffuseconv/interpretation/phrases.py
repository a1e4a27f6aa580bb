"""Numbers, lengths and directions in words."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from diffuseconv._typing import FloatArray

__all__ = ["add_up", "alike", "axis_names", "cells", "line_of", "say", "towards", "wavelength"]


def say(value: float) -> str:
    """Write a number with up to four digits."""
    return f"{value:.4g}".replace("-", "−")


def cells(value: float) -> str:
    """Write a length."""
    text = say(value)
    return f"{text} cell" if text == "1" else f"{text} cells"


def axis_names(ndim: int) -> str:
    return {1: "x", 2: "yx", 3: "zyx"}[ndim]


def towards(vector: FloatArray) -> str:
    """Name a direction: an angle on the screen in 2-D, components otherwise."""
    if vector.size == 2:
        angle = math.degrees(math.atan2(-vector[0], vector[1])) % 360
        words = {0: "to the right", 45: "to the upper right", 90: "upwards", 135: "to the upper left"}
        words |= {180: "to the left", 225: "to the lower left", 270: "downwards", 315: "to the lower right"}
        nearest = round(angle / 45) * 45
        return words[nearest % 360] if abs(angle - nearest) < 0.05 else f"at {say(round(angle, 1))}°"
    if vector.size == 1:
        return "to the right" if vector[0] > 0 else "to the left"
    length = math.hypot(*vector)
    parts = [(v / length, n) for n, v in zip(axis_names(vector.size), vector, strict=True) if abs(v) > 1e-9 * length]
    return "along " + add_up(parts).replace(" ", "")


def line_of(vector: FloatArray) -> str:
    """Name a direction that has no sense, such as that of a wave."""
    if vector.size == 2:
        angle = math.degrees(math.atan2(-vector[0], vector[1])) % 180
        angle = 0.0 if angle > 179.95 else angle
        words = {0: "along x", 90: "along y"}
        nearest = round(angle / 90) * 90
        return words[nearest] if abs(angle - nearest) < 0.05 else f"at {say(round(angle, 1))}°"
    return towards(vector * math.copysign(1.0, vector[int(np.abs(vector).argmax())]))


def add_up(parts: Sequence[tuple[float, str]]) -> str:
    """Write a sum of factors times symbols."""
    text = ""
    for factor, symbol in parts:
        if factor:
            sign = ("−" if factor < 0 else "") if not text else (" − " if factor < 0 else " + ")
            size = say(abs(factor))
            text += sign + (symbol if size == "1" else f"{size} {symbol}")
    return text or "0"


def wavelength(frequency: FloatArray) -> str:
    """Write a wavelength in cells."""
    return f"{1 / math.hypot(*frequency):.3g}"


def alike(values: FloatArray) -> bool:
    """Return whether numbers agree to far more than is printed."""
    return bool(np.ptp(values) <= 1e-9 * np.abs(values).max())
