"""Stacks of fields: arrays of which only some axes are spatial, such as colour photographs and batches."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array, Axes

__all__ = ["split"]


def split(u: Any, axes: Axes) -> tuple[list[Any], Callable[[list[Array]], Array]]:
    """Return the fields of a stack, and the function that stacks as many results again."""
    if axes is None:
        return [u], lambda results: results[0]
    values = _checks.array("u", u, finite=False)
    spatial = _checks.axes(axes, values.ndim)
    moved = np.moveaxis(values, spatial, range(-len(spatial), 0))
    lead, shape = moved.shape[: -len(spatial)], moved.shape[-len(spatial) :]
    fields = list(np.reshape(moved, (math.prod(lead), *shape)))

    def restore(results: list[Array]) -> Array:
        whole = np.stack(results).reshape(*lead, *shape)
        return np.ascontiguousarray(np.moveaxis(whole, range(-len(spatial), 0), spatial))

    return fields, restore
