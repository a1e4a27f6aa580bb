r"""A constant tensor of diffusivities: exchanges with diagonal neighbours.

With :math:`R_{ab} = D_{ab} / (\Delta x_a \Delta x_b)`, an exchange at rate :math:`|R_{ab}|` along the diagonal of the
sign of :math:`R_{ab}` is :math:`|R_{ab}| (\pm\partial_a + \partial_b)^2` to second order. Where
:math:`R_{aa} \ge \sum_{b \ne a} |R_{ab}|` (on square cells in the plane: :math:`|D_{12}| \le \min(D_{11}, D_{22})`) the
rest of :math:`R_{aa}` is left for the axes, every rate is >= 0 and the maximum principle holds. Elsewhere the mixed
derivative is central: half of :math:`R_{ab}` along one diagonal, minus half along the other.

Exchanges that would cross a wall are dropped: nothing is lost and `L` stays symmetric, but the flow along the wall
loses one side of its mixed part, which makes the scheme first order behind walls. It is second order on periodic boxes.

A central mixed derivative takes salt along one diagonal, for which only the faces around make up. With X and Y, the
differences along both axes summed over two opposite faces of a block of four cells, :math:`-u^T L u` holds
:math:`R_{ab} XY/2` for the diagonals of the block and at least :math:`R_{aa} X^2/4 + R_{bb} Y^2/4` for half of its
faces: no mode grows if all four cells are wet. In space the same is true of cubes of eight cells, to each of which
belongs half of a block, and of those with a single wet block, as at a wall. Behind a mask only these exchange along
diagonals.

References
----------
.. [1] J. Weickert, "Anisotropic Diffusion in Image Processing", Teubner (1998), section 3.4.
"""

from __future__ import annotations

import math
from functools import reduce
from itertools import combinations
from typing import Any, TypeAlias

import numpy as np

from diffuseconv import _checks
from diffuseconv._typing import Array
from diffuseconv.diffusion.faces import at

__all__ = ["as_tensor", "checked_tensor", "diagonal_exchanges", "split"]

SYMMETRIC = 1e-12  # the largest asymmetry of a tensor that counts as rounding, relative to its largest entry
Exchange: TypeAlias = tuple[tuple[int, ...], float]  # (offset of the neighbour, rate)


def as_tensor(diffusivity: Any, shape: tuple[int, ...]) -> Array | None:
    """Return the tensor, checked, if that is what the diffusivity is on a field of this shape; None if not."""
    ndim = len(shape)
    if not isinstance(diffusivity, np.ndarray) or diffusivity.shape != (ndim, ndim) or ndim == 1:
        return None
    if diffusivity.shape != shape:
        return checked_tensor(diffusivity)
    if _is_tensor(diffusivity):
        raise ValueError(
            f"diffusivity of shape {shape} is ambiguous on a field of that shape: write (d,) * {ndim} for one value "
            f"per cell; a tensor needs a larger field, got {_checks.got(diffusivity.tolist())}"
        )
    return None


def _is_tensor(values: Array) -> bool:
    """Return whether an array is symmetric, but for rounding, and positive definite."""
    if not (np.abs(values - values.T) <= SYMMETRIC * np.abs(values).max()).all() or values.diagonal().min() <= 0:
        return False
    scale = np.sqrt(values.diagonal())  # lest rounding hides slow axes
    alike = values / scale / scale[:, None]
    return bool(np.linalg.eigvalsh((alike + alike.T) / 2).min() > 0)


def checked_tensor(tensor: Array) -> Array:
    """Return a tensor without the asymmetry that rounding leaves; refuse other ones, and what is not positive."""
    if not (np.abs(tensor - tensor.T) <= SYMMETRIC * np.abs(tensor).max()).all():
        raise ValueError(f"diffusivity must be a symmetric tensor, got {_checks.got(tensor.tolist())}")
    if not _is_tensor(tensor):
        raise ValueError(f"diffusivity must be positive definite, got {_checks.got(tensor.tolist())}")
    return np.asarray((tensor + tensor.T) / 2)


def split(tensor: Array, spacing: tuple[float, ...]) -> tuple[list[float], list[Exchange]]:
    """Split a tensor into the part of each diagonal element left for its axis, and exchanges with diagonal cells."""
    ndim = len(spacing)
    rates = tensor / np.multiply.outer(spacing, spacing)
    off = np.abs(rates).sum(axis=1) - np.diag(rates)
    dominated = bool((off <= np.diag(rates)).all())
    exchanges: list[Exchange] = []
    for a, b in combinations(range(ndim), 2):
        rate = float(rates[a, b])
        if rate == 0:
            continue
        for sign in (1, -1):
            offset = tuple(1 if axis == a else sign if axis == b else 0 for axis in range(ndim))
            if not dominated:
                exchanges.append((offset, sign * rate / 2))
            elif sign * rate > 0:
                exchanges.append((offset, abs(rate)))
    left = 1 - off / np.diag(rates) if dominated else np.ones(ndim)
    return left.tolist(), exchanges


def diagonal_exchanges(
    exchanges: list[Exchange], shape: tuple[int, ...], periodic: tuple[bool, ...], mask: Array | None
) -> Any:
    """Build the sparse matrix of exchanges with diagonal neighbours; None where there are none."""
    import scipy.sparse

    if not exchanges:
        return None
    size = math.prod(shape)
    kind = np.int32 if size * (2 * len(exchanges) + 1) < 1 << 31 else np.int64
    wet = np.True_ if mask is None else mask
    shares = None if mask is None or min(rate for _, rate in exchanges) >= 0 else _shares(mask, periodic)
    entries = 2 * len(exchanges) + 1  # of each cell, its own the last; what a wall shuts is dropped in the end
    columns, values = np.empty((*shape, entries), kind), np.zeros((*shape, entries))
    columns[..., -1] = np.arange(size, dtype=kind).reshape(shape)
    sides = [(tuple(sign * step for step in offset), rate) for offset, rate in exchanges for sign in (1, -1)]
    for place, (offset, rate) in enumerate(sides):
        moved = [np.arange(n) + step for n, step in zip(shape, offset, strict=True)]
        there = np.ix_(*(m % n for m, n in zip(moved, shape, strict=True)))
        columns[..., place] = columns[(*there, -1)]
        if shares is not None:
            near = zip(offset, shape, strict=True)
            block = tuple(slice(int(step > 0), n + int(step > 0)) if step else slice(None) for step, n in near)
            values[..., place] = rate * shares[tuple(np.flatnonzero(offset).tolist())][block]
        else:
            inside = [wraps | ((m >= 0) & (m < n)) for m, n, wraps in zip(moved, shape, periodic, strict=True)]
            open_ = reduce(np.logical_and, np.meshgrid(*inside, indexing="ij", sparse=True)) & wet
            np.copyto(values[..., place], rate, where=open_ if mask is None else open_ & mask[there])
        values[..., -1] -= values[..., place]
    rows = np.arange(0, size * entries + 1, entries, dtype=kind)
    matrix = scipy.sparse.csr_array((values.reshape(-1), columns.reshape(-1), rows), shape=(size, size))
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    return matrix


def _shares(mask: Array, periodic: tuple[bool, ...]) -> dict[tuple[int, ...], Array]:
    """Return for each two axes the share of their mixed part that each block of four cells exchanges.

    Entry `i` along both axes is that of the block between cells `i` - 1 and `i`.
    """
    wet = mask
    for axis, closed in enumerate(periodic):
        wet = np.pad(wet, [(int(a == axis),) * 2 for a in range(mask.ndim)], mode="wrap" if closed else "constant")
    blocks: dict[tuple[int, ...], Array] = {
        pair: reduce(_of_two, pair, wet) for pair in combinations(range(mask.ndim), 2)
    }
    if mask.ndim == 2:
        return blocks
    lower, upper = slice(None, -1), slice(1, None)
    sides = [block[at(_third(pair), end)] for pair, block in blocks.items() for end in (lower, upper)]
    fit = reduce(_of_two, range(3), wet) | (np.sum(sides, axis=0) == 1)  # cubes of which all blocks are wet, or one
    shares: dict[tuple[int, ...], Array] = {}
    for pair, block in blocks.items():
        before, after, inner = (at(_third(pair), part) for part in (lower, upper, slice(1, -1)))
        shares[pair] = block[inner] * ((fit[before] + fit[after].astype(np.float64)) / 2)
    return shares


def _of_two(wet: Array, axis: int) -> Array:
    """Return whether both of two neighbours along an axis are wet."""
    both: Array = wet[at(axis, slice(None, -1))] & wet[at(axis, slice(1, None))]
    return both


def _third(pair: tuple[int, ...]) -> int:
    """Return the axis that is not one of two."""
    return 3 - sum(pair)
