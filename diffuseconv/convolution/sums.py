"""The sums of a call by one of the three methods, in the range of numbers or refused."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._scaling import scaled
from diffuseconv._typing import Array
from diffuseconv.boundary import Name
from diffuseconv.convolution.direct import Widths, correlate_directly
from diffuseconv.convolution.fourier import correlate_in_fourier_space
from diffuseconv.convolution.separable import correlate_by_factors

__all__ = ["Sums", "by_method", "checked", "in_range_or_scaled", "too_large"]

Sums = tuple[Array, bool]  # and whether all of them are finite


def checked(sums: Array) -> Sums:
    """Return sums, and whether all of them are finite."""
    return sums, _checks.is_finite(sums)


def by_method(stack: Array, parts: Sequence[Array], widths: Widths, names: Sequence[Name], method: str) -> Sums:
    """Correlate each field of a stack with a kernel (or the product of its factors) where it fits its continuation."""
    if method == "separable":
        return correlate_by_factors(stack, parts, widths, names)
    if method == "direct":
        sums, finite = correlate_directly(stack, parts[0][None], widths, names)
        return sums[0], finite
    return checked(correlate_in_fourier_space(stack, parts[0][None], widths, names)[0])


def in_range_or_scaled(
    compute: Callable[[Array, Sequence[Array]], Sums],
    u: Array,
    parts: Sequence[Array],
    field: Array,
    may_mask: bool = True,
) -> Array:
    """Return sums linear in both arguments of `compute`, which warns of nothing; of scaled values where they overflow.

    The result tells, for what overflows in between stays infinite or becomes NaN. So does what is not finite in the
    `field` that `u` was made from, as every cell is read with some weight, be it 0: no pass over the field is needed.
    """
    sums, finite = compute(u, parts)
    if finite:
        return sums
    with np.errstate(over="ignore", invalid="ignore"):
        may_mask = may_mask and min(float(part.min()) for part in parts) >= 0
        way_out = "leave holes out with mask=np.isfinite(field)" if may_mask else "fill holes first"
        _checks.all_finite("field", field, f": {way_out}")
        small, power = scaled(u.astype(parts[0].dtype, copy=False))
        pairs = [scaled(part) for part in parts]
        sums, _ = compute(small, [part for part, _ in pairs])
        np.ldexp(sums, power + sum(extra for _, extra in pairs), out=sums)
    if not _checks.is_finite(sums):
        raise too_large(sums.dtype)
    return sums


def too_large(dtype: np.dtype[Any]) -> ValueError:
    """Return the refusal of results beyond the range of numbers."""
    most = float(np.finfo(dtype).max)
    return ValueError(f"field and kernel must give results up to {most:.3g} in magnitude (scale them), got larger ones")
