"""Many sweeps of one stencil over a field, on any number of threads: explicit steps and Chebyshev polynomials.

The field is cut into strips of planes. Every thread takes many sweeps over a strip, whose ends move inwards by a plane
a sweep; then the seams between two strips, which grow by as much, are filled in. So threads meet twice in many sweeps,
and nothing is computed twice or copied.
"""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._jit import stencil as _loops
from diffuseconv._jit.vector import BYTES
from diffuseconv._typing import Array
from diffuseconv.diffusion.lattice import SMALLEST_SHARE, Lattice, as_planes

__all__ = ["chebyshev_sums", "explicit_steps"]

BATCH = 1 << 28  # cell updates between two chances for Ctrl-C
EXCHANGE = 1 << 17  # cell updates in twice the time that it takes threads to meet (measured at 256 x 256)
DEPTH = 8  # sweeps per pass through memory
VECTOR = BYTES
BLOCK = 1 << 11  # cells that are swept at once, beside which a call costs little
CACHE = 1 << 19  # bytes that a pass may keep at hand
LARGEST = 1e290  # of a rate times a value, beyond which rates are scaled first


def explicit_steps(lattice: Lattice, u: Array, steps: int, step: float) -> Array:
    """Return the field after explicit steps on a plain lattice that does not depend on time."""
    even, odd = _pair(u)
    _sweep(lattice, even, odd, step, steps, lattice.forcing)
    return odd if steps % 2 else even


def chebyshev_sums(lattice: Lattice, rate: float, u: Array, weights: Array, ends: NDArray[np.int64]) -> Array:
    """Return ``sum_k weights[m, k] T_k(A) u`` with ``A = 1 + 2 L / rate`` for each `m`, up to ``k = ends[m]``, odd.

    A first sweep gives T_1, the others ``T_(k+1) = 2 A T_k - T_(k-1)``, which overwrites ``T_(k-1)``.
    """
    zeroth, first = _pair(u)
    _sweep(lattice, zeroth, first, 2 / rate, 1)
    totals = np.empty((len(ends), *u.shape))
    for low, high in _threads.slices(u.size, 1 + u.size // BLOCK):  # by blocks, lest products need as much memory again
        pair = zeroth.reshape(-1)[low:high], first.reshape(-1)[low:high]
        totals.reshape(len(ends), -1)[:, low:high] = weights[:, :1] * pair[0] + weights[:, 1:2] * pair[1]
    terms = _loops.Terms(True, weights, ends, totals.reshape(-1))
    _sweep(lattice, first, zeroth, 4 / rate, int(ends.max()) - 1, terms=terms)
    return totals


def _pair(u: Array) -> tuple[Array, Array]:
    """Return a copy of a field and room for another, laid out for sweeps."""
    even, odd = _aligned(u.shape, u.dtype), _aligned(u.shape, u.dtype, 1024)
    even[...] = u
    return even, odd


def _sweep(
    lattice: Lattice,
    even: Array,
    odd: Array,
    scale: float,
    sweeps: int,
    forcing: Array | None = None,
    terms: Any = None,
) -> None:
    """Sweep from `even` to `odd`, back, and so on.

    A sweep adds ``scale * (L u + forcing)`` to `u`, or as a recurrence computes a term of `terms` and adds it to sums.
    """
    planes, rows, size = as_planes(lattice.shape, 1)
    periodic = as_planes(lattice.periodic, False)
    losses = _losses(lattice, even.dtype, scale)
    faces, rates = _rates(lattice, even, scale)
    rates = rates._replace(lossy=any(loss.size for loss in losses))
    if terms is None:
        terms = _loops.Terms(False, np.empty((0, 0)), np.empty(0, np.int64), np.empty(0))
    tiles, neighbours, most = _tiles(planes, min(_threads.count(), even.size // SMALLEST_SHARE), periodic[0])
    batch = min(
        most, max(2, BATCH // even.size) if len(tiles) == 1 else max(DEPTH, math.isqrt(EXCHANGE // (rows * size)))
    )
    batch = max(1, batch if batch < 2 else batch // 2 * 2)
    lanes = VECTOR // even.itemsize
    work = (
        (even.reshape(-1), odd.reshape(-1)),
        faces,
        _loops.Grid(
            np.uintp(planes),
            np.uintp(rows),
            np.uintp(size),
            max(1, BLOCK // (rows * size)),
            periodic,
            np.uintp(size // lanes),
            np.uintp(lanes),
            even.ndim == 3,
        ),
        rates,
        losses,
        _loops.Forcing(scale, np.empty(0) if forcing is None else forcing.reshape(-1)),
        terms,
        tiles,
        _bands(rows, size * even.itemsize * (2 if rates.uniform else 2 + even.ndim), periodic[1]),
        sweeps,
        batch,
        DEPTH,
    )
    _threads.sweep(lambda part, k: _loops.advance(part, k, work), neighbours, 2 * -(-sweeps // batch))


def _rates(lattice: Lattice, u: Array, scale: float) -> Any:
    """Return the rates of faces: the lattice's own arrays where that does no harm, or else scaled copies."""
    number = u.dtype.type
    if lattice.uniform is not None:
        constant = as_planes(tuple(number(scale * rate) for rate in lattice.uniform), number(0))
        constant = constant if u.ndim > 1 else (number(0), *constant[1:])
        return (np.empty(0, u.dtype),) * 3, _loops.Rates(True, constant, number(1), False)
    full = []
    for axis, g in enumerate(lattice.rates):
        shape = tuple(n + (a == axis) for a, n in enumerate(lattice.shape))
        full.append(np.broadcast_to(g, shape))
    direct = all(g.dtype == u.dtype and g.flags.c_contiguous for g in full)
    if direct and lattice.largest_rate * max(u.max(), -u.min()) < LARGEST:
        flat = [g.reshape(-1) for g in full]
    else:
        flat, scale = [np.multiply(g, scale, dtype=u.dtype, casting="same_kind").reshape(-1) for g in full], 1.0
    none = np.zeros(2 * u.size if u.ndim == 1 else 0, u.dtype)
    faces = (none, none, flat[0]) if u.ndim == 1 else (flat[0], none if u.ndim == 2 else flat[1], flat[-1])
    return faces, _loops.Rates(False, (number(0),) * 3, number(scale), False)


def _losses(lattice: Lattice, dtype: Any, scale: float) -> tuple[Array, ...]:
    """Return what walls take of a cell in one sweep, for both ends of the planes, rows and cells; empty for nothing."""
    none = np.empty(0, dtype)
    losses = []
    for axis, (g, periodic) in enumerate(zip(lattice.rates, lattice.periodic, strict=True)):
        wall = tuple(1 if a == axis else n for a, n in enumerate(lattice.shape))
        for end in (slice(0, 1), slice(-1, None)):
            loss = np.broadcast_to(scale * g[(slice(None),) * axis + (end,)], wall)
            losses.append(loss.astype(dtype).reshape(-1) if loss.any() and not periodic else none)
    missing = [none] * (2 * (3 - len(lattice.shape)))
    return tuple(missing + losses if len(lattice.shape) != 2 else [*losses[:2], *missing, *losses[2:]])


def _tiles(planes: int, count: int, periodic: bool) -> tuple[NDArray[np.int64], list[tuple[int, int]], int]:
    """Return strips with seams between them, the neighbours of each, and the most sweeps that strips have room for."""
    tiles, most = [], sys.maxsize
    for low, high in _threads.slices(planes, min(count, planes // 2)):
        moves = int(low > 0 or periodic), -int(high < planes or periodic)
        tiles.append((low, moves[0], high, moves[1]))
        if moves[0] - moves[1] > 0:
            most = min(most, (high - low) // (moves[0] - moves[1]) + 1)
        if moves[1] < 0:
            tiles.append((high, -1, high, 1))
    last = len(tiles) - 1
    neighbours = [(s - 1, s + 1 if s < last else -1) for s in range(last + 1)]
    if periodic:
        neighbours[0], neighbours[last] = (last, *neighbours[0][1:]), (*neighbours[last][:1], 0)
    return np.array(tiles), neighbours, most


def _bands(rows: int, row_bytes: int, periodic: bool) -> NDArray[np.int64]:
    """Return bands of rows that fit a cache in all sweeps of a pass."""
    parts = _threads.slices(rows, min(rows * row_bytes * DEPTH // CACHE, rows // (2 * DEPTH)))
    if len(parts) == 1:
        return np.array([(0, 0, rows, 0)])
    bands = [
        (low, int(periodic) if low == 0 else -1, high, -1 if high < rows or periodic else 0) for low, high in parts
    ]
    return np.array(bands + [(rows, -1, rows, 1)] * periodic)


def _aligned(shape: tuple[int, ...], dtype: Any, skip: int = 0) -> Array:
    """Make an array that begins `skip` bytes after the beginning of a page.

    Vectors that straddle two cache lines cost twice, and fields that begin at the same place in their pages compete for
    the same places in a cache.
    """
    count = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.empty(count + 8192, np.uint8)
    start = (skip - room.ctypes.data) % 4096
    empty: Array = room[start : start + count].view(dtype).reshape(shape)
    return empty
