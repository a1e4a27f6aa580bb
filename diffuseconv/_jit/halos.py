"""Packing of a strip's outermost planes for its neighbours, and unpacking of theirs into its halos."""

import numpy as np

from diffuseconv._jit.compiled import compiled


@compiled
def copy_cells(source, begin, target, to, count):
    """Copy `count` cells from ``source[begin:]`` to ``target[to:]``."""
    first, into = np.uintp(begin), np.uintp(to)
    for j in range(np.uintp(count)):
        target[into + j] = source[first + j]


@compiled
def unpack(u, distance, plane, high, packed, before, after):
    """Copy what the strips `before` and `after` (or -1) packed to the halos of fields `distance` cells apart."""
    for f in range(packed.shape[2]):
        if before >= 0:
            copy_cells(packed[before, 1, f], 0, u, f * distance + plane, packed.shape[3])
        if after >= 0:
            copy_cells(packed[after, 0, f], 0, u, f * distance + high * plane, packed.shape[3])


@compiled
def pack(u, distance, plane, low, high, packed):
    """Copy the outermost planes of a strip's fields, `distance` cells apart, to where its neighbours read them."""
    halo = packed.shape[2]
    for f in range(packed.shape[1]):
        copy_cells(u, f * distance + low * plane, packed[0, f], 0, halo)
        copy_cells(u, f * distance + high * plane - halo, packed[1, f], 0, halo)
