"""Which method is quickest: a cost model fitted to measurements, for each class of machines."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from diffuseconv import _checks
from diffuseconv._jit.machine import MACHINE
from diffuseconv.convolution.pieces import cut, pieces

__all__ = ["convolution_method", "quickest"]

# Nanoseconds in float64 on two threads (see benchmarks/convolution.py); only their ratios matter.
CALL = {"direct": 40_000, "separable": 50_000, "fft": 600_000}  # whatever the size: most of it Python
PIXEL, TAP, TAP_ON_A_LINE = 0.4, 0.0215, 0.15  # on a line no value serves several rows of sums
PASS, FAR_PASS, TAP_OF_A_PASS = 0.25, 1.2, 0.037  # along the last two axes, which go at once, and along any other
WAVE, FAR_WAVE, NEAR = 0.22, 0.44, 500_000  # for each cell and power of two of a transform; of more cells than NEAR
PLANE, AROUND, PLANE_WAVE = 200_000, 2.4, 0.28  # planes cut in pieces: a call, a pixel, a cell and power of two
BANK, KERNEL = 0.5, 10_000  # where kernels share the field's transforms: their part of what waves cost, and for each
LANES = 8  # of a vector, or fewer, or more: how planes are cut depends little on it
FEW = 49  # taps whose sums in planes are quicker than any transform
# What a product costs elsewhere in a sum over many axes, in one over one axis, a transform, and one of a piece of a
# plane, as multiples. AVX2 is fitted to a Zen 3, 32 x 32 to 2048 x 2048 cells and 5 x 5 to 129 x 129 taps: of 212
# choices all but four took at most 1.3 times as long as the best; pieces of planes to a Xeon that was told to be one.
# NEON, unmeasured, counts as AVX2. Plain loops took 11 and 2.5 times as long as AVX-512's on one Xeon. A machine's
# class never changes, nor does its choice.
COST = {
    "AVX-512": (1.0, 1.0, 1.0, 1.0), "AVX2": (1.4, 1.2, 1.7, 1.0),
    "NEON": (1.4, 1.2, 1.7, 1.0), "plain": (8.0, 3.0, 1.0, 2.2),
}  # fmt: skip
SINGLE = {"direct": 0.5, "separable": 0.5, "fft": 0.6}  # the cost of float32, as a share


def convolution_method(
    field_shape: Sequence[int], kernel_shape: Sequence[int], dtype: DTypeLike = "float64", *, rank_one: bool = False
) -> str:
    """Return the method that ``method="auto"`` uses: the quickest by a cost model, fixed for a class of machines.

    Parameters
    ----------
    field_shape, kernel_shape : sequence of int
        Shapes along the spatial axes.
    dtype : {"float64", "float32"}
        Of the field.
    rank_one : bool
        Whether the kernel is a product of one factor per axis.

    Returns
    -------
    str
        ``"direct"``, ``"separable"`` or ``"fft"``.

    Raises
    ------
    TypeError, ValueError
        If a shape is not one of 1 to 3 axes, their numbers differ, or the dtype is neither.

    Examples
    --------
    >>> convolution_method((256, 256), (3, 3)), convolution_method((1024, 1024), (201, 201))
    ('direct', 'fft')
    """
    field_shape, kernel_shape = _checks.shape("field_shape", field_shape), _checks.shape("kernel_shape", kernel_shape)
    if len(field_shape) != len(kernel_shape):
        raise ValueError(f"kernel_shape must have as many axes as field_shape, got {kernel_shape} for {field_shape}")
    try:
        name: object = np.dtype(dtype).name
    except Exception:  # a tensor's differs from that of words
        name = dtype
    checked = _checks.choice("dtype", name, ("float64", "float32"))
    return quickest(field_shape, kernel_shape, checked, _checks.flag("rank_one", rank_one))


@functools.lru_cache(maxsize=256)
def quickest(
    field_shape: tuple[int, ...],
    kernel_shape: tuple[int, ...],
    dtype: str,
    rank_one: bool = False,
    machine: str = MACHINE.name,
    kernels: int = 1,
) -> str:
    """Return the method of least modelled cost on a class of machines: `convolution_method` without checks."""
    tap, tap_of_a_pass, wave, plane_wave = COST[machine]
    pixels, taps, ndim = math.prod(field_shape), math.prod(kernel_shape), len(kernel_shape)
    in_planes = cut((*field_shape,), (*kernel_shape,), LANES) if ndim == 2 and taps > FEW else None
    cost = {"direct": pixels * (PIXEL + taps * (TAP * tap if ndim > 1 else TAP_ON_A_LINE * tap_of_a_pass))}
    if in_planes is None:
        cost["fft"] = _by_library(field_shape, kernel_shape) * wave
    else:
        waves = in_planes.cells * math.log2(math.prod(in_planes.shape))
        shared, each = (1.0, 0) if kernels == 1 else (BANK, KERNEL)
        cost["fft"] = pixels * AROUND / kernels + waves * PLANE_WAVE * plane_wave * shared + each
    if rank_one and ndim > 1:
        products = sum(kernel_shape) * TAP_OF_A_PASS * tap_of_a_pass
        cost["separable"] = pixels * (2 * PASS + (ndim - 2) * FAR_PASS + products)
    if dtype == "float32":
        cost = {name: SINGLE[name] * value for name, value in cost.items()}
    call = CALL if in_planes is None else CALL | {"fft": PLANE}
    return min(cost, key=lambda name: call[name] / kernels + cost[name])


def _by_library(field_shape: tuple[int, ...], kernel_shape: tuple[int, ...]) -> float:
    """Return the cost of transforms of a library, in pieces."""
    ndim, axes = len(kernel_shape), zip(field_shape, kernel_shape, strict=True)
    lengths = [pieces(*axis, ndim, number == ndim - 1) for number, axis in enumerate(axes)]
    cells = math.prod(step + k - 1 for (_, step), k in zip(lengths, kernel_shape, strict=True))
    transforms = 1 + 2 * math.prod(count for count, _ in lengths)
    return transforms * cells * math.log2(cells + 1) * (WAVE if cells < NEAR else FAR_WAVE)
