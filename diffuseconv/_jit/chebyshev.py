"""Loops over cells for Chebyshev polynomials of a lattice: the recurrence and its weighted sums in one pass.

Fields lie flat: planes of rows of `stride` cells, of which the first MARGIN and the last are ghosts, with one plane of
zeros before the first and two after the last. ``g0`` holds the exchange rates of the face before each plane, ``g1`` of
the face before each row (one row more per plane), ``g2`` of the face before each cell. Unsigned indices spare a
wraparound test in the inner loops.
"""

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.halos import pack, unpack
from diffuseconv._jit.vector import BYTES, after_last, from_second, load, product_minus, store

MARGIN = np.uintp(8)
ONE = np.uintp(1)


@compiled
def recur_rows(u, a, b, g0, g2, before, first, second, after, size):
    """Write 2 a + (what flows in through four faces) - b over two rows of b, one in each of two planes.

    Fields `a` and `b` begin at these places of `u`, and rows at the others in both fields and in the rates.
    """
    lanes = np.uintp(BYTES // u.itemsize)
    x, y = load(u, a + first), load(u, a + second)
    slope_x, slope_y = after_last(load(u, a + first - lanes), x) - x, after_last(load(u, a + second - lanes), y) - y
    rate_x, rate_y = load(g2, first), load(g2, second)
    west_x, west_y = rate_x * slope_x, rate_y * slope_y
    for j in range(np.uintp(0), size, lanes):
        k = j + lanes
        next_x, next_y = load(u, a + first + k), load(u, a + second + k)
        next_slope_x, next_slope_y = after_last(x, next_x) - next_x, after_last(y, next_y) - next_y
        next_rate_x, next_rate_y = load(g2, first + k), load(g2, second + k)
        next_west_x, next_west_y = next_rate_x * next_slope_x, next_rate_y * next_slope_y
        fall, rate = x - y, load(g0, second + j)
        across_x = product_minus(load(g0, first + j), load(u, a + before + j) - x, rate * fall)
        across_y = product_minus(rate, fall, load(g0, after + j) * (y - load(u, a + after + j)))
        along_x = product_minus(rate_x, slope_x, from_second(west_x, next_west_x))
        along_y = product_minus(rate_y, slope_y, from_second(west_y, next_west_y))
        store(u, b + first + j, ((x + x) - load(u, b + first + j)) + (across_x + along_x))
        store(u, b + second + j, ((y + y) - load(u, b + second + j)) + (across_y + along_y))
        x, y, slope_x, slope_y = next_x, next_y, next_slope_x, next_slope_y
        rate_x, rate_y, west_x, west_y = next_rate_x, next_rate_y, next_west_x, next_west_y


@compiled(fastmath={"contract"})
def add_middle(u, a, b, g1, before, here, after, face, next_face, size):
    """Add to a row of b what flows in through the two faces of the middle axis."""
    for j in range(size):
        x = u[a + here + j]
        u[b + here + j] += g1[face + j] * (u[a + before + j] - x) + g1[next_face + j] * (u[a + after + j] - x)


@compiled(fastmath={"contract"})
def add_pair(totals, to, u, a, b, size, one, other):
    """Add one weight times a row of a and another times that of b."""
    for j in range(size):
        totals[to + j] += one * u[a + j] + other * u[b + j]


@compiled
def recur(
    u, g0, g1, g2, planes, rows, size, stride, wrap1, wrap2, weights, ends, k, steps, depth, own, kept, totals, at
):
    """Compute `steps` (even) terms from T_k and T_(k-1), the halves of `u`, and add them by pairs to the weighted sums.

    Term after term follows two planes behind each other in one pass, `depth` of them: the term after next overwrites
    the one before it in place, for nobody needs that row any more. `kept` planes from plane `own` on go to `totals`
    (sums, planes, rows, cells) from plane `at` on; ``ends[m]`` is the last term of sum m. All arrays are flat: a view
    of a row is counted in memory that threads share, and costs more than the row.
    """
    pitch, width, half = np.uintp(stride), np.uintp(size), np.uintp(u.size // 2)
    plane = np.uintp(rows) * pitch
    whole = totals.size // len(ends)
    pairs = (planes + 1) // 2
    taken = 0
    while taken < steps:
        levels = min(depth, steps - taken)
        for block in range(pairs + levels - 1):
            for level in range(max(0, block - pairs + 1), min(levels, block + 1)):
                p = 2 * (block - level)
                a = np.uintp(level % 2) * half
                b = half - a
                term = k + taken + level + 1
                for row in range(rows):
                    first = np.uintp(p + 1) * plane + np.uintp(row) * pitch + MARGIN
                    second = first + plane
                    recur_rows(u, a, b, g0, g2, first - plane, first, second, second + plane, width)
                    for side in range(2):
                        here = first + np.uintp(side) * plane
                        if g1.size > 0:
                            above = here - pitch if row > 0 else (here + plane - pitch if wrap1 else MARGIN)
                            below = here + pitch if row + 1 < rows else (here + pitch - plane if wrap1 else MARGIN)
                            face = here + np.uintp(p + side + 1) * pitch
                            add_middle(u, a, b, g1, above, here, below, face, face + pitch, width)
                        if wrap2:
                            u[b + here - ONE] = u[b + here + width - ONE]
                        u[b + here + width] = u[b + here] if wrap2 else 0.0
                    if p + 1 == planes:  # the row after the last is a ghost
                        for j in range(pitch):
                            u[b + second - MARGIN + j] = 0.0
                    if level % 2 == 1:
                        for inside in range(max(0, p - own), min(kept, p - own + 2)):
                            here = first + np.uintp(inside - (p - own)) * plane
                            to = np.uintp(((at + inside) * rows + row) * size)
                            for m in range(len(ends)):
                                if term <= ends[m]:
                                    one, other = weights[m, term - 1], weights[m, term]
                                    add_pair(totals, np.uintp(m * whole) + to, u, a + here, b + here, width, one, other)
        taken += levels


@compiled
def advance(s, k, given):
    """Add terms on strip `s`, the `k`-th time `batch` of them after term `begin`; it begins at plane ``starts[s]``."""
    (
        u, g0, g1, g2, rows, size, stride, wrap1, wrap2, weights, ends, depth, totals,
        starts, bounds, neighbours, packed, begin, steps, batch,
    ) = given  # fmt: skip
    plane, half, (low, high, planes), (above, below) = rows * stride, u.shape[1] // 2, bounds[s], neighbours[s]
    unpack(u[s], half, plane, high, packed[k % 2], above, below)
    done = k * batch
    recur(
        u[s], g0[s], g1[s], g2[s], planes, rows, size, stride, wrap1, wrap2, weights, ends,
        begin + done, min(batch, steps - done), depth, low - 1, high - low, totals, starts[s],
    )  # fmt: skip
    pack(u[s], half, plane, low, high, packed[(k + 1) % 2, s])
