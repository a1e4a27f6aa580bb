"""Photographs whose colours are interleaved in memory, without copying the colours into planes."""

from __future__ import annotations

from diffuseconv._typing import Array
from diffuseconv.convolution.direct import correlate_directly
from diffuseconv.convolution.plan import Plan

__all__ = ["correlate_interleaved"]


def correlate_interleaved(u: Array, kernel: Array, plan: Plan) -> tuple[Array, bool]:
    """Correlate all channels at once: they and the last spatial axis are one axis, on which taps have their stride."""
    stack = u.reshape(1, *u.shape[:-2], -1)
    sums, finite = correlate_directly(stack, kernel[None], plan.widths, plan.names, u.shape[-1])
    return sums.reshape(plan.shape), finite
