"""Calls like one before: what follows from their shapes and options is not worked out again.

Most of a small call is Python, and so is a quarter of 7 x 7 taps at 256 x 256. Values are checked every time, and
calls with unusual ones are handled as new.
"""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.convolution import block_count, correlate_blocks
from diffuseconv._jit.separable import correlate_by_two, two_block_count
from diffuseconv._typing import Array, read_only
from diffuseconv.convolution.direct import Continuation, continued, fill_blocks
from diffuseconv.convolution.plan import Plan
from diffuseconv.convolution.separable import FEW, split

__all__ = ["key_of", "remember", "repeat"]

MOST = 256  # calls that are remembered
LARGEST = 1 << 22  # results, beyond which memory must be asked for and nothing is gained
FLOAT64, FLOATS = np.dtype(np.float64), (np.float32, np.float64)


class _Call(NamedTuple):
    """What follows from the shapes and options of a call."""

    flip: tuple[slice, ...]
    most: float  # square of the weights' norm, beyond which they are looked at one by one
    dtype: np.dtype[Any]
    lines: tuple[tuple[Array, Array], ...]
    before: int
    step: np.uintp
    field: tuple[int, ...]
    kernel: tuple[int, ...]
    sums: tuple[int, ...]
    products: tuple[int, int]  # of a kernel of any rank, and of its two factors
    blocks: tuple[int, int]
    shape: tuple[int, ...]
    direct: bool  # whether a kernel of any rank is summed directly
    factors: bool  # whether one of rank one is summed by factors


_calls: dict[Hashable, _Call] = {}


def key_of(field: object, kernel: object, *options: object) -> Hashable | None:
    """Return what a call is known by, None if it is not one to remember; the third option are the axes."""
    if type(field) is not np.ndarray or type(kernel) is not np.ndarray:
        return None
    for option in options:
        kind = type(option)  # of equal values too there may be some that are refused, as True is for 1
        if kind is tuple:
            kinds = {*map(type, option)}  # type: ignore[call-overload]
            if kinds != {int} and kinds != {str}:
                return None
        elif kind is not str and kind is not bool and option is not None:
            return None
    return (field.shape, field.dtype, kernel.shape, kernel.dtype, *options)


def repeat(key: Hashable, field: Any, kernel: Any) -> Array | None:
    """Return the sums of a call like one before, or None if there was none, or values need more checks."""
    call = _calls.get(key)
    if call is None:
        return None
    flags = field.flags
    if not (flags.c_contiguous and flags.aligned and kernel.flags.aligned and np.vdot(kernel, kernel) <= call.most):
        return None
    weights = np.ascontiguousarray(kernel[call.flip], call.dtype)
    factors = split(weights) if call.factors else None
    if factors is None and not call.direct:
        return None
    sums = np.empty(call.sums, call.dtype)
    loop: Any
    given: tuple[Any, ...]
    if factors is None:
        loop, which, stack = correlate_blocks, 0, read_only(field.reshape(call.field))
        given = (stack, read_only(weights.reshape(call.kernel)), call.lines, call.before, call.step, sums)
    else:
        loop, which, stack = correlate_by_two, 1, read_only(field.reshape(call.field[1:]))
        two = tuple(read_only(factor.view()) for factor in factors)
        given = (stack, two, call.lines[1:], call.before, sums.reshape(call.sums[2:]))
    finite = fill_blocks(lambda begin, end: loop(*given, begin, end), call.products[which], call.blocks[which])
    return sums.reshape(call.shape) if finite else None


def remember(key: Hashable, field: Array, kernel: Array, plan: Plan, flip: bool) -> None:
    """Keep what follows from the shapes and options of a call, if it is not large and summed in one piece."""
    dtype = FLOAT64 if field.dtype == np.uint8 else field.dtype
    whole, factors = plan.spatial == tuple(range(field.ndim)), plan.quickest == "separable"
    if factors and not (whole and kernel.ndim == 2 and max(kernel.shape) < FEW and field.dtype == dtype):
        return
    if not (factors or plan.quickest == "direct") or not (whole or plan.interleaved) or plan.constants:
        return
    places, direct = math.prod(plan.shape), plan.otherwise == "direct"
    if kernel.dtype not in FLOATS or dtype not in FLOATS or not (direct or factors) or places > LARGEST:
        return
    channels = 1 if whole else field.shape[-1]
    inner = field.shape if whole else (*field.shape[:-2], field.shape[-2] * channels)
    how = Continuation(inner, kernel.shape, plan.widths, plan.names, dtype, channels)
    if len(inner) > 3 or not how.is_short:  # the loops know three axes
        return
    lines, ends = continued(how)
    flat = (1,) * (3 - len(inner))
    sums = (1, 1, *flat, *ends)
    most = float(np.finfo(dtype).max) ** 2 if dtype.itemsize < kernel.itemsize else float(np.finfo(kernel.dtype).max)
    if len(_calls) >= MOST:
        _calls.clear()
    _calls[key] = _Call(
        flip=(slice(None, None, -1),) * kernel.ndim if flip else (),
        most=most,
        dtype=dtype,
        lines=tuple(lines),
        before=plan.widths[-1][0] * channels,
        step=np.uintp(channels),
        field=(1, *flat, *inner),
        kernel=(1, *flat, *kernel.shape),
        sums=sums,
        products=(places * kernel.size, places * sum(kernel.shape)),
        blocks=(block_count(sums), two_block_count(sums[2:])),
        shape=plan.shape,
        direct=direct and (factors or plan.quickest == "direct"),
        factors=factors,
    )
