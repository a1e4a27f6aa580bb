r"""Jumps of functions of time among neighbouring numbers of a clock, told from waves.

Fifth differences of what is smooth next to vanish; those of a jump are :math:`(1, -4, 6, -4, 1)` times its height, so
that no jump in a row is higher than the largest of them. Where a row is the least smooth it is parted, and the change
there is compared with what polynomials through both parts expect: more than both is a jump, between them a kink.
"""

from __future__ import annotations

import math

import numpy as np

from diffuseconv._typing import Array

__all__ = ["around", "between", "jumps_among", "margins"]

ORDER = 5  # of differences
NEAR = 10  # numbers on either side by which the parts of a row are judged
CUBIC = 1 / 16  # of third differences: so high a jump does as much as what cubics through four numbers leave out
STEEP = 8.0  # how much smoother they must be, and how much more a jump changes than the slope does
EPS = float(np.finfo(np.float64).eps)


def between(low: float, high: float) -> list[float]:
    """Return all numbers from one to another."""
    found = [low]
    while found[-1] < high:
        found.append(math.nextafter(found[-1], math.inf))
    return found


def around(low: float, high: float, least: float, most: float) -> list[float]:
    """Return the numbers near two neighbouring ones, none beyond the ends."""
    for _ in range(NEAR):
        low, high = max(math.nextafter(low, -math.inf), least), min(math.nextafter(high, math.inf), most)
    return between(low, high)


def jumps_among(rows: Array) -> tuple[list[int], float]:
    """Return after which of the numbers (first axis) any of the columns jumps, and how high jumps may be unseen.

    What interpolation between numbers leaves out counts as a jump that does as much: cubics leave
    :math:`11/720` of fourth differences for a number's time, which add up to no more than twice as much of third ones,
    and at a kink a twelfth of what it bends.
    """
    bends = np.abs(np.diff(rows, min(ORDER, len(rows) - 1), axis=0))
    doubt = float(bends.max()) if len(rows) > 1 else 0.0
    left = max(doubt, CUBIC * float(np.abs(np.diff(rows, 3, axis=0)).max())) if len(rows) > 3 else doubt
    if len(rows) <= 2 * ORDER + 2 or doubt <= 64 * EPS * float(np.abs(rows).max()):
        return [], left
    at, column = divmod(int(bends.argmax()), bends.shape[1])
    row, places = rows[:, column], [at + shift for shift in (2, 1, 3) if ORDER <= at + shift < len(rows) - ORDER - 1]
    rests = [max(_unsmooth(row[: i + 1][-NEAR:]), _unsmooth(row[i + 1 :][:NEAR])) for i in places]
    if not places or STEEP * min(rests) > doubt:
        return [], left
    i = places[int(np.argmin(rests))]
    before, after = _expected(row[: i + 1]), -_expected(row[i + 1 :][::-1])
    height, bend = abs(row[i + 1] - row[i] - (before + after) / 2), abs(after - before) / 2
    kink = height <= bend + 16 * min(rests)
    if not kink and height < STEEP * bend:
        return [], left
    (early, one), (late, other) = jumps_among(rows[: i + 1]), jumps_among(rows[i + 1 :])
    return [*early, *([] if kink else [i]), *[i + 1 + j for j in late]], max(one, other, bend / 12 if kink else 0.0)


def margins(rows: Array, most: tuple[int, int]) -> tuple[int, int, float]:
    """Return how many numbers at each end do not go on smoothly, and how high a jump does what lines there may."""
    out: list[int] = []
    rounding, off = 64 * EPS * float(np.abs(rows).max()), 0.0
    if len(rows) < sum(most) + 3:
        straight = len(rows) > 2 and np.abs(np.diff(rows, 2, axis=0)).max() <= rounding
        return 0, 0, 0.0 if straight else float(np.abs(np.diff(rows, axis=0)).max(initial=0.0))
    for count, side in zip(most, (rows[: len(rows) - most[1]], rows[most[0] :][::-1]), strict=True):
        inner = STEEP * max(_unsmooth(side[count:][:NEAR]), rounding)
        out.append(next(n for n in range(count + 1) if n == count or _unsmooth(side[n : count + ORDER]) <= inner))
        off = max(off, out[-1] ** 3 * float(np.abs(np.diff(side[out[-1] : count + 3], 2, axis=0)).max()))
    return out[0], out[1], off


def _unsmooth(rows: Array) -> float:
    """Return the largest of the highest differences."""
    return float(np.abs(np.diff(rows, min(ORDER, len(rows) - 1), axis=0)).max()) if len(rows) > 1 else 0.0


def _expected(row: Array) -> float:
    """Return the change beyond the last value of a row."""
    d = np.diff(row[-ORDER:])
    return float(4 * d[-1] - 6 * d[-2] + 4 * d[-3] - d[-4])
