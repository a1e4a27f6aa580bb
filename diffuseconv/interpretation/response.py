"""The transfer function's peak: the wave that a kernel magnifies most, and by how much."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from functools import reduce
from typing import Any

import numpy as np

from diffuseconv._typing import FloatArray
from diffuseconv.interpretation.moments import displacements

__all__ = ["alternations", "highest_response"]

_GRID = 2**22  # most frequencies to sample before the search is refined


def highest_response(kernel: FloatArray) -> tuple[float, FloatArray, bool]:
    """Find the largest ``|K|``, a frequency that has it, and whether other directions have it too."""
    flat = [axis for axis, n in enumerate(kernel.shape) if n == 1]
    if flat and kernel.size > 1:  # nothing changes along such an axis
        height, frequency, many = highest_response(np.squeeze(kernel))
        return height, np.insert(frequency, np.array(flat) - np.arange(len(flat)), 0.0), many
    ndim = kernel.ndim
    total = float(np.abs(kernel).sum())
    corners = [
        corner
        for corner in itertools.product(*[(0, 1) if n > 1 else (0,) for n in kernel.shape])
        if _one_sign(kernel * reduce(np.multiply.outer, alternations(kernel.shape, corner)))
    ]
    if corners:  # this wave meets every weight with the same sign: no other can do better
        return total, np.array(corners[0]) / 2, len(corners) > 1
    finest = next((f for f in (8, 4) if math.prod(f * n for n in kernel.shape) <= _GRID), 2)
    grid = [finest * n for n in kernel.shape]
    response = np.abs(np.fft.rfftn(kernel, grid, axes=range(ndim)))
    unseen = math.prod(math.cos(math.pi * (n // 2) / m) for n, m in zip(kernel.shape, grid, strict=True))
    wave = [
        np.fft.rfftfreq(m) if axis == ndim - 1 else np.fft.fftfreq(m)  # one half tells the other
        for axis, m in enumerate(grid)
    ]
    peak = response >= unseen * response.max()
    for axis, step in itertools.product(range(ndim), (-1, 1)):
        neighbour = np.roll(response, step, axis)
        if axis == ndim - 1:  # only half of this axis is there: its ends have one neighbour
            neighbour[..., 0 if step == 1 else -1] = 0.0
        peak &= response >= neighbour
    places = np.argwhere(peak)[np.argsort(-response[peak], kind="stable")][:16]
    width = np.array([1 / m for m in grid])
    refined = [_maximise(kernel, np.array([w[i] for w, i in zip(wave, place, strict=True)]), width) for place in places]
    best, where = max(refined, key=lambda item: item[0])
    level = [f for height, f in refined if height >= best * (1 - 1e-9)]
    many = any(min(_distance(f, where), _distance(-f, where)) > 1e-3 for f in level)
    return best, where, many


def alternations(shape: Sequence[int], corner: Sequence[int]) -> list[FloatArray]:
    """Return, for each axis, the wave that is 1 everywhere or changes sign from cell to cell."""
    return [np.where(displacements(n) % 2, 1.0 - 2 * c, 1.0) for n, c in zip(shape, corner, strict=True)]


def _one_sign(kernel: FloatArray) -> bool:
    return bool(np.all(kernel >= 0) or np.all(kernel <= 0))


def _distance(f: FloatArray, g: FloatArray) -> float:
    """Return the distance of two frequencies; whole numbers do not count."""
    difference = f - g
    return float(np.abs(difference - np.rint(difference)).max())


def _maximise(kernel: FloatArray, start: FloatArray, width: FloatArray) -> tuple[float, FloatArray]:
    """Maximise ``|K|`` near a frequency; `width` is the scale of the search on each axis."""
    from scipy.optimize import minimize

    moves = [-2j * np.pi * w * displacements(n) for n, w in zip(kernel.shape, width, strict=True)]
    unit = np.eye(kernel.ndim, dtype=int)

    def derivatives(x: Any) -> tuple[float, Any, Any]:
        """Return ``-|K|**2``, its gradient and its Hessian."""
        k: Any = kernel
        for move, offset in zip(moves, start / width + x, strict=True):
            wave = np.exp(move * offset)
            k = np.tensordot(k, np.stack([wave, move * wave, move**2 * wave], axis=1), axes=(0, 0))
        value = k[(0,) * kernel.ndim]
        first = np.array([k[tuple(a)] for a in unit])
        second = np.array([[k[tuple(a + b)] for b in unit] for a in unit])
        hessian = np.multiply.outer(first.conj(), first) + value.conj() * second
        return -(abs(value) ** 2), -2 * (value.conj() * first).real, -2 * hessian.real

    given = -derivatives(np.zeros(kernel.ndim))[0]
    options = {"gtol": 1e-9, "maxiter": 100, "initial_trust_radius": 0.5, "max_trust_radius": 2.0}
    found = minimize(  # type: ignore[call-overload]
        lambda x: derivatives(x)[0] / given,
        np.array([0.13, 0.11, 0.07])[: kernel.ndim],  # off the symmetric points, which may be saddles
        jac=lambda x: derivatives(x)[1] / given,
        hess=lambda x: derivatives(x)[2] / given,
        method="trust-exact",
        options=options,
    )
    if -found.fun <= 1 + 1e-13:  # on a flat top stay at the round frequency
        return math.sqrt(given), (start + 0.5) % 1.0 - 0.5
    return math.sqrt(-found.fun * given), (start + width * found.x + 0.5) % 1.0 - 0.5
