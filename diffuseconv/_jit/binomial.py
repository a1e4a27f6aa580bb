"""Binomial counts, for many n of one chance at a time.

What one loop calls is inlined by numba: grains compile in four fifths of the time.
"""

import math

import numpy as np

from diffuseconv._jit.bits import bits_of, number_of
from diffuseconv._jit.borrowed import later, seen_as
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.random import LANES, fill, keep, resume, to_unit, uniform

GROUP = 256  # numbers of trials at most
ROOM = 8 * GROUP  # words that are used meanwhile

MANY = 40  # expected successes from which on rejection is quicker than inversion
MOST = 180  # successes where MANY are expected: more have a chance below 1e-49
SMALL = 10  # from here on Stirling's series of seven terms is good to rounding
_REST = np.array([
    -0.9189385332046728, 0.08106146679532726, 0.0413406959554093, 0.02767792568499834, 0.020790672103765093,
    0.016644691189821193, 0.013876128823070748, 0.01189670994589177, 0.010411265261972096, 0.009255462182712733,
])  # fmt: skip
_SQRT_HALF, _MANTISSA = np.float64(math.sqrt(0.5)).view(np.int64), np.int64(2**52 - 1)
_LN2 = math.log(2)
_SHARES = 1 / np.arange(1, MOST + 1)
REJECTED, UNDECIDED = math.inf, math.nan
FAR = 0.07  # distance of a uniform from its ends from which on candidates are often accepted at once
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42feep-1"), float.fromhex("0x1.a39ef35793c76p-33")
_ROUND = 1.5 * 2.0**52  # what is added to it is rounded to a whole number, which its last bits are


@inner(forceinline=True)
def _split(x):
    """Write x > 0 as y 2^e with y from sqrt(1/2) to sqrt(2)."""
    bits = bits_of(x) - _SQRT_HALF
    return number_of((bits & _MANTISSA) + _SQRT_HALF), np.float64(bits >> np.int64(52))


@inner(forceinline=True)
def _log_of_sum(f, e):
    """Return log((1 + f) 2^e) for -0.3 < f < 0.42, by the series of the inverse hyperbolic tangent."""
    s = f / (2 + f)
    z = s * s
    late = 1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z / 21)))
    series = 1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * late))))
    return e * _LN2 + (2 * s + 2 * s * z * series)


@inner(forceinline=True)
def log(x):
    """Return log x; where it is vectorised the library's is not."""
    y, e = _split(x)
    return _log_of_sum(y - 1, e)


@inner(forceinline=True)
def log1p(x):
    """Return log(1 + x)."""
    y, e = _split(1 + x)
    return _log_of_sum(x if e == 0 else y - 1, e)


@inner(forceinline=True)
def exp(x):
    """Return exp x for -700 < x <= 0."""
    rounded = x * (1 / _LN2) + _ROUND
    power = rounded - _ROUND
    r = x - power * _LN2_HIGH - power * _LN2_LOW
    late = 1 / 40320 + r * (1 / 362880 + r * (1 / 3628800 + r * (1 / 39916800 + r * (1 / 479001600 + r / 6227020800))))
    series = 1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040 + r * late)))))
    scale = (bits_of(rounded) + np.int64(1023)) << np.int64(52)
    return (1 + (r + r * r * series)) * number_of(scale)


@inner(forceinline=True)
def _series(x):
    """Return log(x!) - (x + 1/2) log x + x - log(2 pi)/2 for x >= SMALL."""
    r = 1 / x
    y = r * r
    late = 1 / 1680 - y * (1 / 1188 - y * (691 / 360360 - y / 156))
    return r * (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * late)))


@inner
def _rest(x):
    """Return the same for any x >= 0; log 0 counts as 0."""
    return _REST[np.uintp(x)] if x < SMALL else _series(x)


@inner(forceinline=True)
def _candidate(n, p, q, u):
    """Compute a candidate from a uniform (Hoermann's BTRS): the whole part of the mean n p, and the move from there.

    Returned are also what is left of the mean, and on what the chance to be accepted depends: the spread, how far the
    uniform is from its ends, and the coefficients of the hat.
    """
    mean = n * p
    whole = np.floor(mean)
    spread = math.sqrt(mean * q)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    u -= 0.5
    room = 0.5 - abs(u)
    part = mean - whole
    return whole, np.floor((2 * a / room + b) * u + part + 0.5), part, spread, room, a, b


@inner(forceinline=True)
def _evaluate(n, p, q, u, v):
    """Evaluate a candidate by a second uniform.

    Returned are the whole part of the mean, the moves from there to the candidate and to the mode, and the log of
    the candidate's chance less what is needed to accept it, but for the rests of Stirling's formula.
    """
    whole, move, part, spread, room, a, b = _candidate(n, p, q, u)
    mode = np.floor(part + p)
    k, m = whole + move, whole + mode
    share, share_rest = 1 / (n * p), 1 / (n * q)  # divisions are what this takes time for
    gain = m * log1p((mode - part) * share) + (n - m) * log1p((part - mode) * share_rest)
    gain -= k * log1p((move - part) * share) + (n - k) * log1p((part - move) * share_rest)
    above, below = v * (2.83 * b + 5.1) * spread * room * room, b * (a + b * room * room)
    gain -= log(above * above * (max(k, 1) * max(n - k, 1)) / (below * below * (m * (n - m)))) / 2
    return whole, move, mode, gain


@inner
def _candidates(trials, rare, often, words, size, moves):
    """Compute a candidate for each number of trials: the moves, or that one is undecided.

    Three in four are decided without their chances: none that far from the ends is accepted more rarely.
    """
    for i in range(size):
        _, move, _, _, room, _, b = _candidate(trials[i], rare, often, to_unit(words[i]))
        sure = (room >= FAR) & (to_unit(words[size + i]) * b <= 0.92 * b - 4.2)
        moves[i] = move if sure else UNDECIDED


@compiled(inline="always")
def _check(trials, rare, often, u, v, size, moves):
    """Check candidates by their chances: the moves, or that one is rejected, or still undecided."""
    for i in range(size):
        n = trials[i]
        whole, move, mode, gain = _evaluate(n, rare, often, u[i], v[i])
        k, m = whole + move, whole + mode
        gain += _series(m) + _series(n - m) - _series(k) - _series(n - k)
        decided = min(min(k, n - k), min(m, n - m)) >= SMALL
        moves[i] = (move if gain >= 0 else REJECTED) if decided else UNDECIDED


@compiled(inline="always")
def _add_up(trials, ratio, log_rest, words, size, uniforms, chances, counts):
    """Count successes by adding chances up from zero, for all at once (inversion): p/q and log q are given."""
    for i in range(size):
        uniforms[i], chances[i], counts[i] = to_unit(words[i]), exp(trials[i] * log_rest), 0
    k, going = 0.0, True
    while going and k < MOST:
        going, factor = False, ratio * _SHARES[np.uintp(k)]
        for i in range(size):
            left, chance, n = uniforms[i], chances[i], trials[i]
            on = (left > chance) & (k < n)
            uniforms[i], chances[i] = left - chance if on else -1.0, chance * (factor * (n - k))
            counts[i] += 1.0 if on else 0.0
            going |= on
        k += 1


@inner
def _one(n, p, q, u, v, state):
    """Count successes from these uniforms or, if they are rejected, from others."""
    while True:
        whole, move, mode, gain = _evaluate(np.float64(n), p, q, u, v)
        if -whole <= move <= n - whole:
            k, m = np.int64(whole) + np.int64(move), np.int64(whole) + np.int64(mode)
            if gain + _rest(m) + _rest(n - m) - _rest(k) - _rest(n - k) >= 0:
                return k, state
        u, state = uniform(state)
        v, state = uniform(state)


@inner
def _padded(size):
    """Return the size of whole vectors."""
    return (size + np.uintp(LANES - 1)) // np.uintp(LANES) * np.uintp(LANES)


@inner
def _laid_out(room):
    """Return what is used meanwhile: two words, four numbers and two places for each number of trials."""
    words, numbers = room, seen_as(later(room, np.uintp(2 * GROUP)), np.float64)
    places = seen_as(later(room, np.uintp(6 * GROUP)), np.int64)
    second, third, fourth = np.uintp(GROUP), np.uintp(2 * GROUP), np.uintp(3 * GROUP)
    u, v, moves, trials = numbers, later(numbers, second), later(numbers, third), later(numbers, fourth)
    return words, u, v, moves, trials, places, later(places, second)


@compiled(inline="always")
def _count_few(left, size, rare, often, states, room, counts):
    """Count successes where fewer than MANY are expected."""
    (words, u, v, moves, trials, lanes, _), few = _laid_out(room), np.uintp(0)
    for i in range(np.uintp(size)):
        trials[few], lanes[few] = left[i], i
        few += np.uintp(left[i] * rare < MANY)
    if few == 0:
        return
    padded = _padded(few)
    for j in range(few, padded):
        trials[j] = 0
    fill(words, padded, states)
    _add_up(trials, rare / often, math.log1p(-rare), words, padded, u, v, moves)
    for j in range(few):
        counts[lanes[j]] = np.int64(moves[j])


@compiled(inline="always")
def _count_many(left, size, rare, often, states, room, counts):
    """Count successes where MANY or more are expected."""
    (words, u, v, moves, trials, lanes, doubts), tried = _laid_out(room), np.uintp(0)
    for i in range(np.uintp(size)):
        trials[tried], lanes[tried] = left[i], i
        tried += np.uintp(left[i] * rare >= MANY)
    state = resume(states)
    while tried > 0:
        padded = _padded(tried)
        fill(words, np.uintp(2) * padded, states)
        _candidates(trials, rare, often, words, padded, moves)
        doubtful = np.uintp(0)
        for j in range(tried):
            move, doubts[doubtful] = moves[j], j
            counts[lanes[j]] = np.int64(np.floor(trials[j] * rare)) + np.int64(move)  # whole beyond 2^53 too
            doubtful += np.uintp(move != move)
        for j in range(doubtful):
            at = np.uintp(doubts[j])
            trials[j], lanes[j], u[j], v[j] = trials[at], lanes[at], to_unit(words[at]), to_unit(words[padded + at])
        _check(trials, rare, often, u, v, _padded(doubtful), moves)
        tried = np.uintp(0)
        for j in range(doubtful):
            i, n, move = lanes[j], trials[j], moves[j]
            if abs(move) < REJECTED:
                counts[i] = np.int64(np.floor(n * rare)) + np.int64(move)
            elif move != REJECTED:
                counts[i], state = _one(left[i], rare, often, u[j], v[j], state)
            trials[tried], lanes[tried] = n, i
            tried += np.uintp(move == REJECTED)
    keep(states, state)


@inner
def binomials(left, size, p, q, states, room, counts):
    """Count successes among ``left[i]`` trials of chance p = 1 - q each, for i < size, and subtract them.

    `room` is used meanwhile. Returned is whether any trials are left.
    """
    rare, often = min(p, q), max(p, q)
    least = most = left[0]
    for i in range(np.uintp(size)):
        least, most = min(least, left[i]), max(most, left[i])
    some = rare > 0 and most > 0  # otherwise no word is used, as if the chain had ended before
    if some and least * rare < MANY:
        _count_few(left, size, rare, often, states, room, counts)
    if some and most * rare >= MANY:
        _count_many(left, size, rare, often, states, room, counts)
    more = False
    for i in range(np.uintp(size)):
        if not some:
            counts[i] = 0
        if p > q:
            counts[i] = left[i] - counts[i]
        left[i] -= counts[i]
        more |= left[i] > 0
    return more
