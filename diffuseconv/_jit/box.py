"""Sums over equal taps by additions only: their number grows with the logarithm of that of the taps, or not at all.

Running sums, which add one value and subtract another, would lose the digits of small values after large ones.
"""

from __future__ import annotations

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.finite import zeros_of
from diffuseconv._jit.vector import lanes_of, load, spread, store


@compiled
def sum_down(block, pitch, weight, count, strip, high, wide, ends):
    """Fill ``strip[y pitch + x]`` with the sums of ``weight block[(y + i) pitch + x]`` over `count` numbers i.

    Rows are cut into pieces as long as the taps are many. A sum is one from its row to the end of a piece (kept in
    `ends`) and one from the beginning of the next piece on (van Herk 1992; Gil and Werman 1993): three additions for
    each row whatever the taps. Columns are read and written in whole vectors, rows no further than sums reach.
    """
    lanes, none, one = lanes_of(block), np.uintp(0), np.uintp(1)
    tap, zero = spread(weight), spread(block.dtype.type(0))
    for x in range(none, wide, lanes):
        for top in range(none, high, count):
            some = min(count, high - top)
            total = zero
            for y in range(some, count):
                total = total + load(block, (top + y) * pitch + x)
            for y in range(one, some + one):
                total = total + load(block, (top + some - y) * pitch + x)
                store(ends, (some - y) * lanes, total)
            store(strip, top * pitch + x, tap * total)
            total = zero
            for y in range(one, some):
                total = total + load(block, (top + count + y - one) * pitch + x)
                store(strip, (top + y) * pitch + x, tap * (load(ends, y * lanes) + total))


@compiled
def sum_across(strip, start, pitch, weight, count, work, out, target):
    """Fill a target in `out` with the sums of ``weight strip[start + y pitch + x + i]`` over `count` numbers i.

    Sums of n values become ones of 2 n, or 2 n + 1, by the binary digits of the number of taps. Return 0 if all sums
    are finite, otherwise NaN.
    """
    lanes, one = lanes_of(strip), np.uintp(1)
    n, digit, source, begin, zeros = one, one, strip, start, strip.dtype.type(0)
    while digit <= count >> one:
        digit <<= one
    while digit > one:
        digit >>= one
        odd = count & digit
        more = n + n
        for y in range(target.high):
            row = y * pitch
            for x in range(row, row + target.wide + count - more, lanes):
                total = load(source, begin + x) + load(source, begin + x + n)
                if odd:
                    total = total + load(strip, start + x + more)
                store(work, x, total)
        n, source, begin = more + one if odd else more, work, np.uintp(0)
    for y in range(target.high):
        row, line = y * pitch, target.corner + y * target.stride
        for x in range(target.wide):
            out[line + x] = weight * source[begin + row + x]
        zeros += zeros_of(out, line, target.wide)
    return zeros
