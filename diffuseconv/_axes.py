"""Lines of values among the axes of a field."""

from __future__ import annotations

from diffuseconv._typing import Array

__all__ = ["on_axis"]


def on_axis(line: Array, axis: int, ndim: int) -> Array:
    """Return a line of values as an array that broadcasts to fields of so many axes, along one of them."""
    return line.reshape([-1 if other == axis else 1 for other in range(ndim)])
