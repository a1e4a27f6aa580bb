"""Strips of a lattice, one for each thread, with halos of their neighbours' planes that are refreshed now and then."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _threads
from diffuseconv._typing import Array

__all__ = ["Strips", "aligned", "cut"]


class Strips(NamedTuple):
    """How the planes of a lattice (its rows, in two dimensions) are shared out.

    Each strip is laid out with one plane for ghosts before its first, its halos included.
    """

    parts: list[tuple[int, int]]  # the planes that each strip owns
    bounds: NDArray[np.int64]  # for each: where its own planes begin and end, how many there are with the halos
    neighbours: NDArray[np.int64]  # for each: the strips before and after it, -1 at walls
    halo: int

    @property
    def tallest(self) -> int:
        """The most planes of any strip, halos included."""
        return int(self.bounds[:, 2].max())

    def split(self, values: Array, room: Array, margin: int) -> Array:
        """Put every strip's planes into ``room[strip, 1:, ..., margin:]``, and one plane of last faces if there is."""
        planes = self.parts[-1][1]
        seam = self.neighbours[0, 0] >= 0
        inner = [slice(0, n) for n in values.shape[1:-1]]
        for (first, _), (low, _, count), strip in zip(self.parts, self.bounds, room, strict=True):
            index = np.arange(first + 1 - low, first + 1 - low + count + (len(values) > planes))
            if seam:
                index %= planes
            strip[(slice(1, 1 + len(index)), *inner, slice(margin, margin + values.shape[-1]))] = values[index]
        return room

    def pack(self, fields: Sequence[Array], edges: Array) -> None:
        """Write every strip's outermost planes to ``edges[strip, side, field]``."""
        for s, (low, high, _) in enumerate(self.bounds):
            for f, field in enumerate(fields):
                edges[s, 0, f], edges[s, 1, f] = field[s, low : low + self.halo], field[s, high - self.halo : high]


def cut(planes: int, count: int, wrap: bool, halo: int, multiple: int = 1) -> Strips:
    """Share planes out to at most `count` strips.

    Halos have about as many planes as one would like, a `multiple` and no more than any strip owns; none is needed
    where there is one strip alone.
    """
    parts = _threads.slices(planes, count)
    last = len(parts) - 1
    smallest = min(stop - first for first, stop in parts)
    halo = min(max(halo, multiple), smallest) // multiple * multiple if last > 0 or wrap else 0
    bounds, neighbours = [], []
    for s, (first, stop) in enumerate(parts):
        before, after = s - 1 if s > 0 or not wrap else last, s + 1 if s < last else 0 if wrap else -1
        low = 1 + (halo if before >= 0 else 0)
        high = low + stop - first
        bounds.append((low, high, high - 1 + (halo if after >= 0 else 0)))
        neighbours.append((before, after))
    return Strips(parts, np.array(bounds), np.array(neighbours), halo)


def aligned(shape: tuple[int, ...], dtype: Any, skip: int = 0) -> Array:
    """Make zeros that begin `skip` bytes after the beginning of a page.

    Vectors that straddle two cache lines cost twice, and fields that begin at the same place in their pages compete for
    the same places in a cache.
    """
    count = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(count + 4096, np.uint8)
    start = (skip - room.ctypes.data) % 4096
    zeros: Array = room[start : start + count].view(dtype).reshape(shape)
    return zeros
