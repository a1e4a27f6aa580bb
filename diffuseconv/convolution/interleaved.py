"""Photographs whose colours are interleaved in memory, without copying the colours into planes."""

from __future__ import annotations

from collections.abc import Sequence

from diffuseconv._typing import Array
from diffuseconv.convolution.direct import correlate_directly
from diffuseconv.convolution.plan import Plan

__all__ = ["correlate_interleaved", "is_interleaved"]


def is_interleaved(shape: Sequence[int], plan: Plan) -> bool:
    """Return whether up to three spatial axes come first, and one of channels last."""
    return len(plan.spatial) <= 3 and plan.spatial == tuple(range(len(shape) - 1))


def correlate_interleaved(u: Array, kernel: Array, plan: Plan) -> tuple[Array, bool]:
    """Correlate all channels at once: they and the last spatial axis are one axis, on which taps have their stride."""
    stack = u.reshape(1, *u.shape[:-2], -1)
    sums, finite = correlate_directly(stack, kernel[None], plan.widths, plan.names, u.shape[-1])
    return sums.reshape(plan.shape), finite
