"""Which method is quickest: a cost model fitted to measurements."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["convolution_method"]


def convolution_method(
    field_shape: Sequence[int], kernel_shape: Sequence[int], dtype: str = "float64", *, rank_one: bool = False
) -> str:
    """Name the method that ``method="auto"`` takes: the quickest by a fixed cost model.

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

    Examples
    --------
    >>> convolution_method((256, 256), (3, 3)), convolution_method((1024, 1024), (201, 201))
    ('direct', 'fft')
    """
    pixels = math.prod(field_shape)
    padded = math.prod(n + k for n, k in zip(field_shape, kernel_shape, strict=True))
    cost = {"direct": math.prod(kernel_shape) * pixels, "fft": 15 * padded * math.log2(padded)}
    if rank_one and len(kernel_shape) > 1:
        cost["separable"] = (sum(kernel_shape) + 10) * pixels
    return min(cost, key=lambda name: cost[name])
