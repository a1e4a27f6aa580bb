"""The differential equation that convolution with a kernel is one step of, written out."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.interpretation.kinds import second_derivatives
from diffuseconv.interpretation.moments import Moments, Powers, of_order
from diffuseconv.interpretation.phrases import add_up, alike, axis_names

__all__ = ["equation_of", "second_terms"]


def equation_of(
    kind: str,
    gain: float,
    drift: FloatArray | None,
    diffusivity: FloatArray | None,
    coefficients: Mapping[Powers, float],
    order: int | None,
    found: Moments,
    unit: bool,
) -> str | None:
    """Write the differential equation."""
    if kind in ("zero", "wave"):
        return None
    parts: list[tuple[float, str]] = []
    if drift is None or diffusivity is None:
        assert order is not None
        ndim = len(next(iter(coefficients)))
        if order == 2:
            parts = second_terms(second_derivatives(coefficients.__getitem__, ndim))
        else:
            parts = [(coefficients[powers], _derivative(powers)) for powers in of_order(order, ndim)]
    else:
        growth = 0.0 if unit else math.log(abs(gain))
        units = np.eye(drift.size, dtype=int)
        parts = [(growth, "u"), *((-float(v), _derivative(tuple(row))) for v, row in zip(drift, units, strict=True))]
        if kind != "emboss":  # there only the first order means anything
            parts += second_terms(diffusivity)
        if kind == "neutral":
            parts += [(value, _derivative(powers)) for powers, value in found.beyond_diffusion().items()]
    return "∂u/∂t = " + add_up(parts)


def _derivative(powers: Powers) -> str:
    """Write a derivative of u."""
    superscript = str.maketrans("23456", "²³⁴⁵⁶")
    order = sum(powers)
    power = "" if order == 1 else str(order).translate(superscript)
    below = "".join(
        "∂" + name + ("" if n == 1 else str(n).translate(superscript))
        for name, n in zip(axis_names(len(powers)), powers, strict=True)
        if n
    )
    return f"∂{power}u/{below}"


def second_terms(matrix: FloatArray) -> list[tuple[float, str]]:
    """Write the second derivatives, as one Laplacian where they are one."""
    ndim = len(matrix)
    if not np.any(matrix - np.diag(np.diag(matrix))) and ndim > 1 and alike(np.diag(matrix)):
        return [(float(matrix[0, 0]), "∇²u")]
    unit = np.eye(ndim, dtype=int)
    return [
        (float(matrix[a, b]) * (1 if a == b else 2), _derivative(tuple(unit[a] + unit[b])))
        for a, b in itertools.combinations_with_replacement(range(ndim), 2)
    ]
