"""Many explicit steps on a line or plane: strips of rows, one for each thread, that seldom exchange their edges."""

from __future__ import annotations

import dataclasses
import math
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
WAIT = 1 << 20  # cell updates whose time balances waiting for other threads (measured at 256 x 256)
CACHE = 1 << 20  # bytes of a strip above which more steps per pass pay
FEW, MANY = 2, 8  # steps per pass


def march(lattice: Lattice, u: Array, steps: int, step: float) -> Array:
    """Take explicit steps on a lattice of one or two dimensions that does not depend on time."""
    if u.ndim == 1:
        return march(_as_plane(lattice), u[None], steps, step).reshape(-1)
    rows = len(u)
    parts = _threads.slices(rows, min(_threads.count(), u.size // SMALLEST_SHARE))
    shared = len(parts) > 1 or lattice.periodic[0]
    # a halo of rows spares an exchange per step: the best number weighs spoiled rows against waiting
    batch = max(8, min(math.isqrt(WAIT // u.shape[1]), rows // (2 * len(parts)))) if shared else max(1, BATCH // u.size)
    strips = [_strip(lattice, u, step, low, high, batch if shared else 0) for low, high in parts]
    here, there = u.copy(), np.empty_like(u)
    while steps > 0:
        taken = min(batch, steps)
        _threads.run(_loops.advance_strip, [(here, there, taken, *strip) for strip in strips])
        here, there = there, here
        steps -= taken
    return here


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


def _strip(lattice: Lattice, u: Array, step: float, low: int, high: int, halo: int) -> tuple[Any, ...]:
    """Lay rows `low` to `high` of a plane and a halo of neighbours out as the compiled loop wants them."""
    rows, size = u.shape
    wrap = lattice.periodic[0]
    first = low - halo if wrap else max(0, low - halo)
    last = high + halo if wrap else min(rows, high + halo)
    inside = np.arange(first, last) % rows
    number = u.dtype.type

    def laid_out(values: Array) -> Array:
        """Put rows into a flat array with margins, one spare row before and two after them."""
        flat = _aligned((len(values) + 3, size), u.dtype)
        flat[1 : len(values) + 1, MARGIN : MARGIN + values.shape[1]] = values
        return flat.reshape(-1)

    uniform, ghosts, none = lattice.uniform, np.zeros(4), np.empty(0, u.dtype)
    faces = (none, none)
    if uniform is None:
        g0, g1 = lattice.faces(u.dtype, step)
        across = np.arange(first, last + 1)
        faces = (laid_out(g0[across % rows if wrap else across]), laid_out(g1[inside]))
    else:
        ends = [g.reshape(-1)[end] for g in lattice.rates for end in (0, -1)]
        twice = np.repeat(uniform, 2)
        ghosts = 1 - np.divide(ends, twice, out=np.zeros(4), where=twice > 0)
    most = FEW if u[low:high].nbytes < CACHE else MANY
    ring = _aligned((6 * most, size), u.dtype)
    return (
        inside,
        1 + low - first,
        1 + high - first,
        laid_out(u[inside]),
        ring.reshape(most, -1),
        np.uintp(size),
        np.uintp(ring.shape[1]),
        *faces,
        *(number(step * rate) for rate in uniform or (0.0, 0.0)),
        number(2),
        none if lattice.forcing is None else laid_out((step * lattice.forcing)[inside]),
        lattice.periodic[1],
        ghosts.astype(u.dtype),
        (low == 0 and not wrap, high == rows and not wrap),
        most,
    )


def _aligned(shape: tuple[int, int], dtype: Any) -> Array:
    """Make zeroed rows with margins that begin on cache lines (vectors that straddle two lines cost twice)."""
    rows, size = shape
    stride = -(-size // MARGIN) * MARGIN + 2 * MARGIN
    room = np.zeros(rows * stride * np.dtype(dtype).itemsize + 64, np.uint8)
    skip = -room.ctypes.data % 64
    aligned: Array = room[skip : skip + room.size - 64].view(dtype).reshape(rows, stride)
    return aligned
