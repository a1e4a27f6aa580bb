"""Loops for explicit steps on strips of a plane.

Rows lie in a flat array, `stride` apart, with MARGIN cells on both sides for ghosts. Several steps are taken in one
pass down the rows: step k + 1 works two rows behind step k, whose rows stay in a small ring, so that a row is fetched
once for all of them. Rates of faces are laid out like the rows; those at ``g0[row]`` belong to the faces before a row.
Unsigned indices spare a wraparound test in the inner loops.
"""

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.halos import copy_cells, pack, unpack
from diffuseconv._jit.vector import BYTES, after_last, from_second, load, plus_product, product_minus, spread, store

MARGIN = np.uintp(16)
ONE = np.uintp(1)


@compiled
def two_rows(u, before, first, second, after, to, size, stride, r0, r1, two):
    """Step rows `first` and `second`, to row `to` and the next; taken together they share loads."""
    lanes = np.uintp(BYTES // u.itemsize)
    minus, rate0, rate1 = spread(-two), spread(r0), spread(r1)
    left, right = load(u, first - lanes), load(u, second - lanes)
    x, y = load(u, first), load(u, second)
    for j in range(np.uintp(0), size, lanes):
        next_x, next_y = load(u, first + lanes + j), load(u, second + lanes + j)
        across_x = plus_product(load(u, before + j) + y, minus, x)
        across_y = plus_product(x + load(u, after + j), minus, y)
        along_x = plus_product(after_last(left, x) + from_second(x, next_x), minus, x)
        along_y = plus_product(after_last(right, y) + from_second(y, next_y), minus, y)
        store(u, to + j, plus_product(plus_product(x, rate0, across_x), rate1, along_x))
        store(u, to + stride + j, plus_product(plus_product(y, rate0, across_y), rate1, along_y))
        left, right = x, y
        x, y = next_x, next_y


@compiled
def two_varied_rows(u, before, first, second, after, to, size, stride, g0, g1, face):
    """Step two rows with rates of their own on every face, which begin at `face`."""
    lanes = np.uintp(BYTES // u.itemsize)
    next_face = face + stride
    last_face = next_face + stride
    x, y = load(u, first), load(u, second)
    slope_x = after_last(load(u, first - lanes), x) - x
    slope_y = after_last(load(u, second - lanes), y) - y
    rate_x, rate_y = load(g1, face), load(g1, next_face)
    west_x, west_y = rate_x * slope_x, rate_y * slope_y
    for j in range(np.uintp(0), size, lanes):
        k = j + lanes
        next_x, next_y = load(u, first + k), load(u, second + k)
        next_slope_x, next_slope_y = after_last(x, next_x) - next_x, after_last(y, next_y) - next_y
        next_rate_x, next_rate_y = load(g1, face + k), load(g1, next_face + k)
        next_west_x, next_west_y = next_rate_x * next_slope_x, next_rate_y * next_slope_y
        fall = x - y
        rate = load(g0, next_face + j)
        across_x = product_minus(load(g0, face + j), load(u, before + j) - x, rate * fall)
        across_y = product_minus(rate, fall, load(g0, last_face + j) * (y - load(u, after + j)))
        along_x = product_minus(rate_x, slope_x, from_second(west_x, next_west_x))
        along_y = product_minus(rate_y, slope_y, from_second(west_y, next_west_y))
        store(u, to + j, x + (across_x + along_x))
        store(u, to + stride + j, y + (across_y + along_y))
        x, y, slope_x, slope_y = next_x, next_y, next_slope_x, next_slope_y
        rate_x, rate_y, west_x, west_y = next_rate_x, next_rate_y, next_west_x, next_west_y


@compiled
def close_row(u, row, size, wrap, left, right):
    """Set the ghosts at both ends of a row: the other end on a periodic axis, else a multiple of the edge cell."""
    last = row + size - ONE
    u[row - ONE] = u[last] if wrap else left * u[row]
    u[row + size] = u[row] if wrap else right * u[last]


@compiled
def copy_row(u, source, target, stride, factor):
    """Write `factor` times one row to another."""
    for j in range(stride):
        u[target + j] = factor * u[source + j]


@compiled
def steps_2d(
    u, ring, rows, size, stride, g0, g1, r0, r1, two, added, wrap, ghosts, top, bottom, low, high, steps, most
):
    """Apply explicit steps in place, `most` (at least 2) per pass; exact in rows `low` to `high` - 1.

    `u` holds one ghost row before its rows and two after, and from row `ring` on `most` times six rows. Rates are `g0`
    and `g1` on every face, or if those are empty `r0` and `r1` everywhere; `added` is empty or what comes in per step.
    `ghosts` are the factors (top, bottom, left, right) that turn an edge cell into the ghost beyond it. Where there is
    no wall at the `top` or `bottom`, the rows beyond `low` and `high` are a halo of which every step spoils one.
    """
    for i in range(1, rows + 1):
        close_row(u, np.uintp(i) * stride + MARGIN, size, wrap, ghosts[2], ghosts[3])
    lap = np.uintp(6) * stride
    todo = steps
    while todo > 0:
        levels = min(most, todo)
        if todo - levels == 1:
            levels += 1
        begin = 1 if top else max(1, low - todo)
        end = rows + 1 if bottom else min(rows + 1, high + todo)
        pairs = (end - begin + 1) // 2
        for block in range(pairs + levels - 1):
            for level in range(max(0, block - pairs + 1), min(levels, block + 1)):
                pair = block - level
                row = np.uintp(begin + 2 * pair) * stride + MARGIN
                level_ring = np.uintp(ring) * stride + np.uintp(level) * lap + MARGIN
                slot = level_ring + np.uintp(2 * (pair % 3)) * stride
                if level == 0:
                    first, before, after = row, row - stride, row + stride + stride
                else:
                    first = slot - lap
                    before = level_ring - lap + np.uintp(2 * ((pair + 2) % 3) + 1) * stride
                    after = level_ring - lap + np.uintp(2 * ((pair + 1) % 3)) * stride
                second = first + stride
                if pair == 0 and top:
                    copy_row(u, first - MARGIN, before - MARGIN, stride, ghosts[0])
                if pair == pairs - 1 and bottom:
                    odd = (end - begin) % 2 == 1
                    edge, beyond = (first, second) if odd else (second, after)
                    copy_row(u, edge - MARGIN, beyond - MARGIN, stride, ghosts[1])
                to = row if level == levels - 1 and levels > 1 else slot
                if g0.size == 0:
                    two_rows(u, before, first, second, after, to, size, stride, r0, r1, two)
                else:
                    two_varied_rows(u, before, first, second, after, to, size, stride, g0, g1, row)
                if added.size > 0:
                    for j in range(size):
                        u[to + j] += added[row + j]
                        u[to + stride + j] += added[row + stride + j]
                close_row(u, to, size, wrap, ghosts[2], ghosts[3])
                close_row(u, to + stride, size, wrap, ghosts[2], ghosts[3])
                if levels == 1:  # a single step waits in the ring until nobody needs the old rows
                    for waiting in range(max(0, pair - 1), pair + 1 if pair == pairs - 1 else pair):
                        place = np.uintp(begin + 2 * waiting) * stride + MARGIN
                        kept = level_ring + np.uintp(2 * (waiting % 3)) * stride
                        copy_cells(u, kept - MARGIN, u, place - MARGIN, stride + stride)
        todo -= levels


@compiled
def advance(s, k, given):
    """Apply the `k`-th `batch` of explicit steps on strip `s`."""
    u, ring, size, stride, g0, g1, r0, r1, two, added, wrap, ghosts, most, bounds, neighbours, packed, steps, batch = (
        given
    )
    pitch, (low, high, rows), (above, below) = np.int64(stride), bounds[s], neighbours[s]
    unpack(u[s], 0, pitch, high, packed[k % 2], above, below)
    steps_2d(
        u[s], ring, rows, size, stride, g0[s], g1[s], r0, r1, two, added[s], wrap, ghosts,
        above < 0, below < 0, low, high, min(batch, steps - k * batch), most,
    )  # fmt: skip
    pack(u[s], 0, pitch, low, high, packed[(k + 1) % 2, s])
