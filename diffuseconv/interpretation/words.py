"""The effect of a kernel, in sentences."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.interpretation.equations import second_terms
from diffuseconv.interpretation.kinds import second_derivatives
from diffuseconv.interpretation.moments import Powers, principal_axes
from diffuseconv.interpretation.phrases import add_up, alike, axis_names, cells, line_of, say, towards, wavelength
from diffuseconv.propagator import Propagator

__all__ = ["gain_words", "motion_words", "repeat_words", "softmax_words", "summary_of", "wave_words"]


def summary_of(
    kind: str,
    gain: float,
    drift: FloatArray | None,
    diffusivity: FloatArray | None,
    coefficients: Mapping[Powers, float],
    order: int | None,
    frequency: FloatArray,
    smoother: FloatArray | None,
    many: bool,
) -> str:
    """Return one sentence: what the kernel does."""
    ndim = frequency.size
    if kind == "shift":
        assert drift is not None
        return f"Moves the whole picture by {cells(math.hypot(*drift))} {towards(drift)}, unblurred."
    if kind == "diffusion":
        assert drift is not None
        assert diffusivity is not None
        spread, axes = principal_axes(diffusivity)
        carry = f" and carries everything {towards(drift)}" if drift.any() else ""
        if spread[0] > 0 and ndim > 1 and spread[-1] <= 1e-3 * spread[0]:
            return f"Blurs along one line{carry}: one step of diffusion in a single direction, {line_of(axes[:, 0])}."
        even = "" if ndim == 1 or alike(spread) else f", fastest {line_of(axes[:, 0])}"
        return f"Blurs{carry}: one step of diffusion{even}."
    if kind == "emboss":
        slope = -np.asarray(drift) * math.copysign(1.0, gain)
        return f"Embosses: the identity plus a slope, so that what rises {towards(slope)} is lit."
    if kind == "slope":
        slope = np.array([coefficients[tuple(row)] for row in np.eye(ndim, dtype=int)])
        only = np.flatnonzero(slope)
        blurred = ""
        if smoother is not None and smoother.size > 1:
            blurred = f" of a smoother picture (first blurred over {'×'.join(map(str, smoother.shape))} cells)"
        if only.size == 1:
            name = axis_names(ndim)[only[0]]
            what = add_up([(float(slope[only[0]]), f"∂/∂{name}")])
            return f"Finds edges across {name} as slopes: a gradient, {what}{blurred}."
        times = say(math.hypot(*slope))
        return f"Finds edges as slopes {towards(slope)}: a gradient, the first derivative {times} times{blurred}."
    if kind in ("edge detector", "laplacian", "curvature"):
        second = add_up(
            [(f, s.replace("u", "")) for f, s in second_terms(second_derivatives(coefficients.__getitem__, ndim))]
        )
        sense = {
            "edge detector": "Finds edges and spots: minus a Laplacian",
            "laplacian": "Finds edges and hollows: a Laplacian",
            "curvature": "Finds bends: a second derivative",
        }
        return f"{sense[kind]}, {second}."
    if kind == "neutral" and drift is not None and drift.any():
        return f"Moves everything by {cells(math.hypot(*drift))} {towards(drift)}, changing only fine detail."
    plain = {
        "identity": "Changes nothing: every grain stays where it is.",
        "scale": f"Multiplies everything by {say(gain)}.",
        "zero": "Wipes everything out: no grain arrives anywhere.",
        "sharpen": "Sharpens: the identity minus diffusion, which is diffusion run backward.",
        "smoothing": "Smooths, with some overshoot at edges: diffusion forward, but not all weights have one sign.",
        "mixed": "Blurs along one direction and sharpens along another.",
        "neutral": "Keeps smooth parts as they are and changes only fine detail.",
        "derivative": f"Takes a derivative of order {order}.",
    }
    if kind in plain:
        return plain[kind]
    along = "" if many or ndim == 1 or not frequency.any() else f", running {line_of(frequency)}"
    return f"Answers to waves about {wavelength(frequency)} cells long{along}."


def gain_words(kind: str, gain: float, unit: bool) -> list[str]:
    """Describe what becomes of even light."""
    if kind in ("zero", "identity", "scale"):
        return []
    if gain == 0:
        return ["Its weights sum to 0: even parts become black, only changes remain."]
    if unit and gain > 0:
        return ["Its weights sum to 1: the brightness of even parts is kept."]
    if kind == "diffusion" and gain > 0:
        return [f"Its weights sum to {say(gain)}: even light is multiplied; divided by it they are a propagator."]
    sign = " and inverted from bright to dark" if gain < 0 else ""
    return [f"Its weights sum to {say(gain)}: even light is multiplied by {say(abs(gain))}{sign}."]


def motion_words(
    kind: str,
    drift: FloatArray | None,
    spread: FloatArray | None,
    principal: FloatArray | None,
    equation: str | None,
    smoother: FloatArray | None,
) -> list[str]:
    """Describe where the grains go."""
    if equation is None or kind in ("identity", "scale", "shift"):
        return []
    words = []
    if drift is None:
        words.append(f"Added to the picture it is one step of {equation}.")
        if kind == "edge detector":
            words.append("Adding it sharpens (diffusion backward), subtracting a little blurs (diffusion forward).")
        if kind == "laplacian":
            words.append("Adding a little blurs (diffusion forward), subtracting it sharpens (diffusion backward).")
        if smoother is not None and smoother.size > 1:
            shape = "×".join(map(str, smoother.shape))
            words.append(f"It is a difference of neighbouring cells after a blur by {shape} cells.")
        return words
    assert spread is not None
    assert principal is not None
    if kind == "emboss":
        return [f"To first order it is one step of {equation}."]
    if drift.any():
        words.append(f"It carries everything by {cells(math.hypot(*drift))} {towards(drift)}.")
    if kind == "neutral":
        words.append("It does not spread grains: D = 0.")
    elif drift.size == 1 or alike(spread):
        words.append(f"D = {say(float(spread[0]))} cells² per step.")
    else:
        sizes = ", ".join(f"{say(float(d))} {line_of(principal[:, i])}" for i, d in enumerate(spread))
        words.append(f"D in cells² per step: {sizes}.")
    if spread[-1] >= 0 and kind == "diffusion":
        words.append(f"A grain spreads by {cells(math.sqrt(2 * float(spread[0])))} (standard deviation).")
    return [*words, f"It is one step of {equation}."]


def wave_words(kind: str, frequency: FloatArray, many: bool) -> list[str]:
    """Describe which waves pass best, where it is not even light."""
    if kind in ("zero", "identity", "scale", "shift", "diffusion", "wave") or not frequency.any():
        return []
    if frequency.size > 1 and np.all(np.abs(frequency) == 0.5):
        return ["It answers most to the finest checkerboard."]
    along = ", among others" if many else "" if frequency.size == 1 else f", running {line_of(frequency)}"
    return [f"It answers most to waves {wavelength(frequency)} cells long{along}."]


def repeat_words(amplification: float, bounded: bool, gain: float) -> str:
    """Describe what repeated use does."""
    if bounded:
        return f"Used again and again it stays bounded: no wave grows (largest factor {say(amplification)})."
    what = "even light" if amplification <= abs(gain) * (1 + 1e-12) else "one wave"
    size = say(amplification)
    growth = f"{size}-fold" if size != "1" else f"by the factor 1 + {amplification - 1:.1e}".replace("-", "−")
    return f"Used again and again it blows up: {what} grows {growth} each time."


def softmax_words(propagator: Propagator) -> str:
    """Describe the softmax propagator."""
    stay = float(propagator.density[tuple(n // 2 for n in propagator.shape)])
    spread = math.sqrt(float(np.trace(propagator.covariance)))
    moved = propagator.mean if np.abs(propagator.mean).max() > 1e-9 else np.zeros(propagator.ndim)
    carried = f", is carried {cells(math.hypot(*moved))} {towards(moved)}" if moved.any() else ""
    return (
        f"Its softmax is a propagator in which a grain stays put with chance {say(stay)}{carried}, spreads by "
        f"{cells(spread)}, and has an entropy of {say(max(0.0, propagator.entropy))} nats "
        f"(as free as a choice among {math.exp(propagator.entropy):.3g} cells)."
    )
