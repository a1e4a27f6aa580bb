"""Many explicit steps on a line or plane: strips of rows, one for each thread, that seldom exchange their edges."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._jit import diffusion as _loops
from diffuseconv.diffusion.lattice import SMALLEST_SHARE, Lattice

__all__ = ["march"]

Array: TypeAlias = NDArray[Any]
MARGIN = int(_loops.MARGIN)
BATCH = 1 << 28  # cell updates between two chances for Ctrl-C
EXCHANGE = 1 << 16  # cell updates in twice the time that an exchange of edges takes (measured at 256 x 256)
CACHE = 1 << 20  # bytes of a strip above which more steps per pass pay
FEW, MANY = 2, 8  # steps per pass


def march(lattice: Lattice, u: Array, steps: int, step: float) -> Array:
    """Take explicit steps on a lattice of one or two dimensions that does not depend on time."""
    if u.ndim == 1:
        return march(_as_plane(lattice), u[None], steps, step).reshape(-1)
    rows, size = u.shape
    number, wrap = u.dtype.type, lattice.periodic
    parts = _threads.slices(rows, min(_threads.count(), u.size // SMALLEST_SHARE))
    halo = 0
    if len(parts) > 1 or wrap[0]:
        # it spares an exchange per step: the best number of rows weighs spoiled ones against exchanging
        halo = min(max(8, math.isqrt(EXCHANGE // size)), *(stop - first for first, stop in parts), rows)
    bounds = np.array([_bounds(s, parts, halo, wrap[0]) for s in range(len(parts))])
    most = FEW if u.nbytes < CACHE * len(parts) else MANY
    ring = int(bounds[:, 2].max()) + 3  # where the rows of the steps between begin

    def laid_out(values: Array, more: int = 0) -> Array:
        """Lay the rows of every strip and its halo out, with margins, one row for ghosts before and two after them."""
        room = _aligned((len(parts), ring + more), size, u.dtype)
        for (first, _), (low, _, inside, *_), strip in zip(parts, bounds, room, strict=True):
            index = np.arange(first + 1 - low, min(first + 1 - low + inside + 1, len(values) + wrap[0] * rows))
            strip[1 : 1 + len(index), MARGIN : MARGIN + values.shape[1]] = values[index % len(values)]
        return room

    field, none = laid_out(u, 6 * most), np.empty((len(parts), 0), u.dtype)
    pitch = field.shape[2]
    faces, ghosts, uniform = [none, none], np.zeros(4), lattice.uniform
    if uniform is None:
        faces = [laid_out(g[:rows] if wrap[0] else g).reshape(len(parts), -1) for g in lattice.faces(u.dtype, step)]
    else:
        ends = [g.reshape(-1)[end] for g in lattice.rates for end in (0, -1)]
        twice = np.repeat(uniform, 2)
        ghosts = 1 - np.divide(ends, twice, out=np.zeros(4), where=twice > 0)
    given = (
        field.reshape(len(parts), -1),
        ring,
        np.uintp(size),
        np.uintp(pitch),
        *faces,
        *(number(step * rate) for rate in uniform or (0.0, 0.0)),
        number(2),
        none if lattice.forcing is None else laid_out(step * lattice.forcing).reshape(len(parts), -1),
        wrap[1],
        ghosts.astype(u.dtype),
        most,
        bounds,
    )
    edges = _aligned((2, len(parts), 2, halo), size, u.dtype)
    while steps > 0:
        for s, (low, high, *_) in enumerate(bounds):
            edges[0, s] = field[s, low : low + halo], field[s, high - halo : high]
        taken = min(steps, max(1, BATCH // u.size))
        progress, held = np.zeros((2, len(parts)), np.int64)
        marching = (*given, edges.reshape(2, len(parts), 2, -1), taken, halo or taken, progress, held)

        def march_until_done(prefer: int, marching: tuple[Any, ...] = marching) -> None:
            while not _loops.march_strips(*marching, prefer):
                time.sleep(1e-5)  # others are busy with all that is left: give way to them

        _threads.run(march_until_done, [(s,) for s in range(len(parts))])
        steps -= taken
    inner = slice(MARGIN, MARGIN + size)
    return np.concatenate([field[s, low:high, inner] for s, (low, high, *_) in enumerate(bounds)])


def _bounds(s: int, parts: list[tuple[int, int]], halo: int, wrap: bool) -> tuple[int, int, int, int, int]:
    """Give a strip's first own row and the one after its last, its rows with halos, and the strips above and below."""
    above = s - 1 if s > 0 else (len(parts) - 1 if wrap else -1)
    below = s + 1 if s + 1 < len(parts) else (0 if wrap else -1)
    low = 1 + (halo if above >= 0 else 0)
    high = low + parts[s][1] - parts[s][0]
    return low, high, high - 1 + (halo if below >= 0 else 0), above, below


def _as_plane(lattice: Lattice) -> Lattice:
    """Take a line as a plane of one row with nothing flowing across."""
    return dataclasses.replace(
        lattice,
        shape=(1, *lattice.shape),
        spacing=(1.0, *lattice.spacing),
        periodic=(False, *lattice.periodic),
        rates=(np.zeros((2, 1)), lattice.rates[0][None]),
        walls=(),
        source=None if lattice.forcing is None else lattice.forcing[None],
    )


def _aligned(shape: tuple[int, ...], size: int, dtype: Any) -> Array:
    """Make zeroed rows with margins that begin on cache lines (vectors that straddle two lines cost twice)."""
    shape = (*shape, -(-size // MARGIN) * MARGIN + 2 * MARGIN)
    bytes_ = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(bytes_ + 64, np.uint8)
    skip = -room.ctypes.data % 64
    aligned: Array = room[skip : skip + bytes_].view(dtype).reshape(shape)
    return aligned
