"""Many explicit steps on a line or plane: strips of rows, one for each thread, that seldom exchange their edges."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from diffuseconv import _threads
from diffuseconv._jit import explicit as _loops
from diffuseconv._typing import Array
from diffuseconv.diffusion import halos
from diffuseconv.diffusion.lattice import SMALLEST_SHARE, Lattice

__all__ = ["march"]

MARGIN = int(_loops.MARGIN)
BATCH = 1 << 28  # cell updates between two chances for Ctrl-C
EXCHANGE = 1 << 17  # cell updates in twice the time that an exchange of edges takes (measured at 256 x 256)
CACHE = 1 << 20  # bytes of a strip above which more steps per pass pay
FEW, MANY = 2, 8  # steps per pass


def march(lattice: Lattice, u: Array, steps: int, step: float) -> Array:
    """Apply explicit steps on a lattice of one or two dimensions that does not depend on time."""
    if u.ndim == 1:
        return march(_as_plane(lattice), u[None], steps, step).reshape(-1)
    rows, size = u.shape
    number, wrap = u.dtype.type, lattice.periodic
    # a halo spares an exchange per step: the best number of rows weighs spoiled ones against exchanging
    halo = max(8, math.isqrt(EXCHANGE // size))
    strips = halos.cut(rows, min(_threads.count(), u.size // SMALLEST_SHARE), wrap[0], halo)
    count = len(strips.parts)
    most = FEW if u.nbytes < CACHE * count else MANY
    ring = strips.tallest + 3  # where the rows of the steps between begin
    stride = -(-size // MARGIN) * MARGIN + 2 * MARGIN

    def laid_out(values: Array | None, skip: int, more: int = 0) -> Array:
        """Lay rows out with margins, one row for ghosts before and two after them; nothing remains of nothing."""
        if values is None:
            return np.empty((count, 0), u.dtype)
        room = halos.aligned((count, ring + more, stride), u.dtype, skip)
        return strips.split(values.astype(u.dtype, copy=False), room, MARGIN).reshape(count, -1)

    uniform, ghosts = lattice.uniform, np.zeros(4)
    faces = lattice.faces(u.dtype, step) if uniform is None else (None, None)
    if uniform is not None:
        ends = [g.reshape(-1)[end] for g in lattice.rates for end in (0, -1)]
        twice = np.repeat(uniform, 2)
        ghosts = 1 - np.divide(ends, twice, out=np.zeros(4), where=twice > 0)
    field = laid_out(u, 0, 6 * most)
    given = (
        field,
        ring,
        np.uintp(size),
        np.uintp(stride),
        laid_out(faces[0], 1024),
        laid_out(faces[1], 2048),
        *(number(step * rate) for rate in uniform or (0.0, 0.0)),
        number(2),
        laid_out(None if lattice.forcing is None else step * lattice.forcing, 3072),
        wrap[1],
        ghosts.astype(u.dtype),
        most,
        strips.bounds,
        strips.neighbours,
    )
    cells = field.reshape(count, -1, stride)
    packed = np.empty((2, count, 2, 1, strips.halo, stride), u.dtype)
    strips.pack([cells], packed[0])
    batch = strips.halo or max(1, BATCH // u.size)
    given = (*given, packed.reshape(2, count, 2, 1, strips.halo * stride), steps, batch)
    _threads.sweep(lambda s, k: _loops.advance(s, k, given), strips.neighbours.tolist(), -(-steps // batch))
    inner = slice(MARGIN, MARGIN + size)
    return np.concatenate([c[low:high, inner] for c, (low, high, _) in zip(cells, strips.bounds, strict=True)])


def _as_plane(lattice: Lattice) -> Lattice:
    """Return a line as a plane of one row with nothing flowing across."""
    return dataclasses.replace(
        lattice,
        shape=(1, *lattice.shape),
        spacing=(1.0, *lattice.spacing),
        periodic=(False, *lattice.periodic),
        rates=(np.zeros((2, 1)), lattice.rates[0][None]),
        walls=(),
        source=None if lattice.forcing is None else lattice.forcing[None],
    )
