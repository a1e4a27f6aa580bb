"""In what pieces a field is transformed: those that nearly stay in a fast cache overlap more and go quicker."""

from __future__ import annotations

import functools
import itertools
import math
from typing import NamedTuple

__all__ = ["Cut", "cut", "pieces"]

PIECE = {1: 32768, 2: 320, 3: 64}  # cells a side of the smallest pieces for the transforms of a library
SMALL_PIECE = 16  # a side of more than three
KERNELS_A_PIECE = 3  # pieces as long as three kernels: longer ones overlap less, shorter ones transform quicker
LARGEST = 1536  # cells a side of a piece: longer columns leave the cache
A_PIECE = 100_000  # what handing out one costs, in the same measure as waves
AT_ONCE = 4  # pieces on two threads; fixed, for what is computed must not depend on threads


class Cut(NamedTuple):
    """How a plane is cut: the shape of a piece as transformed, and of its results."""

    shape: tuple[int, int]
    results: tuple[int, int]
    cells: int  # in all transforms


@functools.lru_cache(maxsize=256)
def cut(shape: tuple[int, int], taps: tuple[int, int], lanes: int, planes: int = 1) -> Cut | None:
    """Return how to cut planes with so many results, at the least cost; None if the kernel is too wide.

    Rows are transformed until as many cells are left as a vector has lanes.

    Examples
    --------
    >>> cut((1024, 1024), (63, 63), 8)
    Cut(shape=(324, 648), results=(256, 512), cells=1889568)
    """
    choices = []
    for length, width, least in zip(shape, taps, (1, lanes), strict=True):
        sizes = sorted(least * 3**a * 4**b for a in range(7) for b in range(6))
        fitting = [size for size in sizes if width <= size <= LARGEST]
        counts = {-(-length // (size - width + 1)): size for size in reversed(fitting)}  # the smallest for each
        choices.append(counts.items())
    best, least_cost = None, math.inf
    for (high, rows), (wide, columns) in itertools.product(*choices):
        cells = rows * columns * (AT_ONCE * math.ceil(high * wide * planes / AT_ONCE) + 1)  # one is the kernel's
        cost = cells * (6 + math.log2(rows * columns) + A_PIECE / (rows * columns))  # copies cost as much as six waves
        if cost < least_cost:
            best, least_cost = Cut((rows, columns), (-(-shape[0] // high), -(-shape[1] // wide)), cells), cost
    return best


def pieces(length: int, taps: int, ndim: int, last: bool = False) -> tuple[int, int]:
    """Return in how many pieces to transform an axis with so many results, and how many results each piece gives.

    The last of several axes, along which a transform runs through memory, may have longer pieces.

    Examples
    --------
    >>> pieces(1024, 63, 2), pieces(1024, 63, 2, last=True)
    ((4, 256), (2, 512))
    """
    shortest = PIECE.get(ndim, SMALL_PIECE)
    for least in (2 * shortest, shortest) if last and ndim > 1 else (shortest,):
        piece = max(least, KERNELS_A_PIECE * taps)
        if 4 * piece < 3 * (length + taps):
            count = round(length / (piece - taps + 1))
            return count, -(-length // count)
    return 1, length
