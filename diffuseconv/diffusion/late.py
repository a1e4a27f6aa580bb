"""Late fields of constant coefficients: of few modes, by two thin matrix products for each axis."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array, loop_input, read_only

__all__ = ["Late", "along", "product"]

SINGLE = 1 << 18  # multiplications of a product up to which BLAS keeps to one thread; others spin while they wait
SHARED = 1 << 26  # of one that gains from more threads however busy they are


class Late(NamedTuple):
    """What fields of a shape and dtype are found by after a duration: modes, and what is left of them."""

    modes: tuple[Array, ...]  # of each axis, in rows
    duals: tuple[Array, ...]  # what amplitudes are the product with, in columns
    left: Array  # shares of the amplitudes
    gained: Array | None  # what modes that do not decay gain
    steady: Array | None  # what walls and sources lead to
    needed: float  # bytes that a run may ask for
    tiles: tuple[Array, ...] = ()  # of a plane: what the field is multiplied by, in whole tiles

    def of(self, u: Array) -> Array:
        """Return the field at the end."""
        amplitudes = self._after(self._amplitudes(u if self.steady is None else u - self.steady))
        evolved = self._field(amplitudes)
        if self.steady is not None:
            evolved += self.steady
        return evolved

    def repeat(self, u: Array) -> Array | None:
        """Return the field at the end, None where values, or the memory that is free, need another look."""
        if not (u.flags.c_contiguous and _checks.has_memory(self.needed) and _checks.norm(u) < math.inf):
            return None
        if self.steady is None:
            return self.of(u)  # modes are orthonormal: its norm is no larger
        with np.errstate(over="ignore", invalid="ignore"):
            evolved = self.of(u)
        return evolved if _checks.is_finite(evolved) else None

    def in_tiles(self) -> Late:
        """Return it with matrices of whole tiles, where these are quicker."""
        cells = [modes.shape[1] for modes in self.modes]
        if self.left.ndim != 2 or not SINGLE < math.prod(cells) * self.left.shape[1] <= SHARED:
            return self
        from diffuseconv._jit.matrix import HIGH, width_of  # numba is not loaded for less

        (high, wide), (rows, columns), tile = self.left.shape, cells, width_of(self.left.itemsize)
        if rows < HIGH or columns < tile:
            return self
        high, wide = max(high, HIGH), max(wide, tile)
        # the modes are orthonormal: those of the first axis are their own duals, which lie as they are read here
        whole = (
            _padded(self.duals[1], (columns, wide)),
            _padded(self.modes[0], (high, rows)),
            _padded(self.duals[0], (rows, high)),
            _padded(self.modes[1], (wide, columns)),
        )
        return self._replace(
            left=_padded(self.left, (high, wide)),
            gained=None if self.gained is None else _padded(self.gained, (high, wide)),
            tiles=tuple(map(loop_input, whole)),
        )

    def _amplitudes(self, field: Array) -> Array:
        """Return those of a field, which is given up as soon as it can be."""
        if not self.tiles:
            for axis in reversed(range(field.ndim)):
                field = along(field, axis, self.duals[axis])
            return field
        from diffuseconv._jit.matrix import multiply

        across, down, _, _ = self.tiles
        lines, amplitudes = np.empty((len(field), across.shape[1]), field.dtype), np.empty_like(self.left)
        multiply(loop_input(field), across, lines)
        del field
        multiply(down, read_only(lines), amplitudes)
        return amplitudes

    def _field(self, amplitudes: Array) -> Array:
        """Return the field of amplitudes."""
        if not self.tiles:
            for axis, modes in enumerate(self.modes):
                amplitudes = along(amplitudes, axis, modes)
            return amplitudes
        from diffuseconv._jit.matrix import multiply

        _, _, up, out = self.tiles
        lines, field = np.empty((len(up), out.shape[0]), out.dtype), np.empty((len(up), out.shape[1]), out.dtype)
        multiply(up, read_only(amplitudes), lines)
        multiply(read_only(lines), out, field)
        return field

    def _after(self, amplitudes: Array) -> Array:
        """Return what amplitudes have become, in place."""
        amplitudes *= self.left
        if self.gained is not None:
            amplitudes += self.gained
        return amplitudes


def _padded(values: Array, shape: tuple[int, int]) -> Array:
    """Return an array with zeros up to a shape."""
    more = [(0, wanted - there) for wanted, there in zip(shape, values.shape, strict=True)]
    return values if values.shape == shape else np.pad(values, more)


def along(field: Array, axis: int, matrix: Array) -> Array:
    """Multiply one axis by a matrix, given as (what it has, what it gets)."""
    lead, n, after = field.shape[:axis], field.shape[axis], field.shape[axis + 1 :]
    if not after:
        return product(field.reshape(-1, n), matrix).reshape(*lead, -1)
    if math.prod(lead) == 1:
        return product(matrix.T, field.reshape(n, -1)).reshape(*lead, -1, *after)
    stack = field.reshape(-1, n, math.prod(after))
    return np.asarray(np.matmul(matrix.T, stack)).reshape(*lead, -1, *after)


def product(left: Array, right: Array) -> Array:
    """Multiply matrices, on one thread unless it is much work.

    Threads of BLAS wait awake: where another program has a processor, a thin product takes a hundred times as long.
    """
    (rows, inner), columns = left.shape, right.shape[1]
    if not SINGLE < rows * inner * columns <= SHARED:
        return left @ right
    from diffuseconv._jit.matrix import HIGH, multiply, width_of  # numba is not loaded for less

    high, wide = max(rows, HIGH), max(columns, width_of(left.itemsize))
    left, right = _padded(left, (high, inner)), _padded(right, (inner, wide))
    out = np.empty((high, wide), left.dtype)
    multiply(loop_input(left), loop_input(right), out)
    return np.ascontiguousarray(out[:rows, :columns])
