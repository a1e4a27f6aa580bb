"""Whether a linear recursion dies out: the criterion of Schur and Cohn, decided exactly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

BITS = tuple(2**n for n in range(9, 14))  # of the fixed-point numbers that decide all but ties, tried in turn


def decays(coefficients: Sequence[float]) -> bool:
    """Return whether ``x[t] = sum_j coefficients[j - 1] x[t - j]`` dies out, for the floats passed in: exactly.

    Schur and Cohn: every partial autocorrelation lies within (-1, 1). Near a double root rounding would decide, for
    floats lose half of their digits there, and so do root finders: fixed-point numbers with an error bound decide, or
    whole numbers where the bound is too wide.
    """
    if math.fsum(map(abs, coefficients)) < 0.999:  # sure, and quick
        return True
    exact = [Fraction(value) for value in coefficients]
    if sum(exact) >= 1 or sum(value * (-1) ** j for j, value in enumerate(exact, 1)) >= 1:  # A(1) <= 0 or A(-1) <= 0
        return False
    for bits in BITS:
        certain = _by_fixed_point(exact, bits)
        if certain is not None:
            return certain
    return _by_whole_numbers(exact)


def _by_fixed_point(coefficients: Sequence[Fraction], bits: int) -> bool | None:
    """Step down through the orders with a bound on the error; return None where it cannot decide."""
    one = 1 << bits
    row = [-math.floor(value * one) for value in coefficients]  # monic: the leading 1 is not stored
    error = 2  # of every entry, in units of 1 / one
    while row:
        last = row.pop()
        if abs(last) + error >= one:
            return False if abs(last) - error >= one else None
        largest = max(map(abs, row), default=0)
        rest = one - (last * last >> bits)
        rest_error = (2 * abs(last) * error + error * error >> bits) + 2
        low = rest - rest_error
        if low <= 0:
            return None
        row = [((a << bits) - last * b) // rest for a, b in zip(row, reversed(row), strict=True)]
        quotient = max(map(abs, row), default=0)
        error = ((one + abs(last) + largest + error) * error + quotient * rest_error) // low + 3
        if error > one:
            return None
    return True


def _by_whole_numbers(coefficients: Sequence[Fraction]) -> bool:
    """Step down through the orders in whole numbers, common factors divided out (Bareiss, Math. Comp. 22 (1968))."""
    scale = math.lcm(*(value.denominator for value in coefficients))
    row, factor, order = [scale, *(-int(value * scale) for value in coefficients)], 1, len(coefficients)
    while len(row) > 1:
        first, last = row[0], row[-1]
        if abs(last) >= abs(first):
            return False
        row = [(first * a - last * b) // factor for a, b in zip(row[:-1], row[:0:-1], strict=True)]
        factor = first if len(row) < order else 1
    return True
