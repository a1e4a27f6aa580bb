"""Binomial counts, for many n of one chance at a time."""

import math

import numpy as np

from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.random import LANES, fill, keep, resume, uniform

MANY = 20  # expected successes from which on rejection is quicker than inversion
MOST = 120  # successes where MANY are expected: more have a chance below 1e-49
SMALL = 10  # from here on Stirling's series of seven terms is good to rounding
_REST = np.array([
    -0.9189385332046728, 0.08106146679532726, 0.0413406959554093, 0.02767792568499834, 0.020790672103765093,
    0.016644691189821193, 0.013876128823070748, 0.01189670994589177, 0.010411265261972096, 0.009255462182712733,
])  # fmt: skip
_SQRT_HALF, _MANTISSA = np.float64(math.sqrt(0.5)).view(np.int64), np.int64(2**52 - 1)
_LN2 = math.log(2)
_SHARES = 1 / np.arange(1, MOST + 1)
REJECTED, UNDECIDED = math.inf, math.nan


@compiled(forceinline=True)
def _split(x):
    """Write x > 0 as y 2^e with y from sqrt(1/2) to sqrt(2)."""
    bits = np.float64(x).view(np.int64) - _SQRT_HALF
    return np.int64((bits & _MANTISSA) + _SQRT_HALF).view(np.float64), np.float64(bits >> np.int64(52))


@compiled(forceinline=True)
def _log_of_sum(f, e):
    """Return log((1 + f) 2^e) for -0.3 < f < 0.42, by the series of the inverse hyperbolic tangent."""
    s = f / (2 + f)
    z = s * s
    late = 1 / 13 + z * (1 / 15 + z * (1 / 17 + z * (1 / 19 + z / 21)))
    series = 1 / 3 + z * (1 / 5 + z * (1 / 7 + z * (1 / 9 + z * (1 / 11 + z * late))))
    return e * _LN2 + (2 * s + 2 * s * z * series)


@compiled(forceinline=True)
def log(x):
    """Return log x; where it is vectorised the library's is not."""
    y, e = _split(x)
    return _log_of_sum(y - 1, e)


@compiled(forceinline=True)
def log1p(x):
    """Return log(1 + x)."""
    y, e = _split(1 + x)
    return _log_of_sum(x if e == 0 else y - 1, e)


@compiled(forceinline=True)
def _series(x):
    """Return log(x!) - (x + 1/2) log x + x - log(2 pi)/2 for x >= SMALL."""
    r = 1 / x
    y = r * r
    late = 1 / 1680 - y * (1 / 1188 - y * (691 / 360360 - y / 156))
    return r * (1 / 12 - y * (1 / 360 - y * (1 / 1260 - y * late)))


@compiled
def _rest(x):
    """Return the same for any x >= 0; log 0 counts as 0."""
    return _REST[int(x)] if x < SMALL else _series(x)


@compiled(forceinline=True)
def _attempt(n, p, q, u, v):
    """Try a count from two uniforms (Hoermann's BTRS).

    Returned are the whole part of the mean n p, the moves from there to the count and to the mode, and the log of its
    chance less what is needed to accept it, but for the rests of Stirling's formula.
    """
    mean, mean_rest = n * p, n * q
    whole = np.floor(mean)
    part = mean - whole
    spread = math.sqrt(mean * q)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    u -= 0.5
    room = 0.5 - abs(u)
    move, mode = np.floor((2 * a / room + b) * u + part + 0.5), np.floor(part + p)
    k, m = whole + move, whole + mode
    share, share_rest = 1 / mean, 1 / mean_rest  # divisions are what this takes time for
    gain = m * log1p((mode - part) * share) + (n - m) * log1p((part - mode) * share_rest)
    gain -= k * log1p((move - part) * share) + (n - k) * log1p((part - move) * share_rest)
    above, below = v * (2.83 * b + 5.1) * spread * room * room, b * (a + b * room * room)
    gain -= log(above * above * (max(k, 1) * max(n - k, 1)) / (below * below * (m * (n - m)))) / 2
    return whole, move, mode, gain


@compiled
def _attempts(trials, rare, often, uniforms, size, moves):
    """Try a count for each number of trials: the moves, or that one was rejected, or is left undecided."""
    for i in range(size):
        n = trials[i]
        whole, move, mode, gain = _attempt(n, rare, often, uniforms[i], uniforms[size + i])
        k, m = whole + move, whole + mode
        gain += _series(m) + _series(n - m) - _series(k) - _series(n - k)
        decided = min(min(k, n - k), min(m, n - m)) >= SMALL
        moves[i] = (move if gain >= 0 else REJECTED) if decided else UNDECIDED


@compiled
def _few(n, ratio, log_rest, state):
    """Count successes when few are expected, by adding chances up from zero (inversion): p/q and log q are given."""
    left, state = uniform(state)
    chance = math.exp(n * log_rest)
    k, most = np.uintp(0), np.uintp(min(n, MOST))
    while left > chance and k < most:
        left -= chance
        chance *= ratio * np.float64(n - np.int64(k)) * _SHARES[k]
        k += np.uintp(1)
    return np.int64(k), state


@compiled
def _many(n, p, q, u, v, state):
    """Count successes when MANY or more are expected, from these uniforms or, if they are rejected, from others."""
    while True:
        whole, move, mode, gain = _attempt(np.float64(n), p, q, u, v)
        if -whole <= move <= n - whole:
            k, m = np.int64(whole) + np.int64(move), np.int64(whole) + np.int64(mode)
            if gain + _rest(m) + _rest(n - m) - _rest(k) - _rest(n - k) >= 0:
                return k, state
        u, state = uniform(state)
        v, state = uniform(state)


@compiled
def binomials(left, size, p, q, states, room, counts):
    """Count successes among ``left[i]`` trials of chance p = 1 - q each, for i < size, and subtract them.

    `room` is used meanwhile. Returned is whether any trials are left.
    """
    words, uniforms, moves, trials, lanes = room
    rare, often = min(p, q), max(p, q)
    ratio, log_rest = rare / often, math.log1p(-rare)
    state, tried = resume(states), np.uintp(0)
    for i in range(np.uintp(size)):
        n = left[i]
        if n * rare >= MANY:
            trials[tried], lanes[tried] = n, i
            tried += np.uintp(1)
        elif n > 0 and rare > 0:
            counts[i], state = _few(n, ratio, log_rest, state)
        else:
            counts[i] = 0
    while tried > 0:
        padded = (tried + np.uintp(LANES - 1)) // np.uintp(LANES) * np.uintp(LANES)
        fill(words, np.uintp(2) * padded, states)
        for i in range(np.uintp(2) * padded):
            uniforms[i] = (np.float64(words[i] >> np.uint64(12)) + 0.5) * 2.0**-52
        _attempts(trials, rare, often, uniforms, padded, moves)
        rejected = np.uintp(0)
        for j in range(tried):
            i, move = lanes[j], moves[j]
            n = left[i]
            if move == REJECTED:
                trials[rejected], lanes[rejected] = n, i
                rejected += np.uintp(1)
            elif abs(move) < REJECTED:
                counts[i] = np.int64(np.floor(n * rare)) + np.int64(move)  # whole numbers beyond 2^53 stay whole
            else:
                counts[i], state = _many(n, rare, often, uniforms[j], uniforms[padded + j], state)
        tried = rejected
    keep(states, state)
    some = False
    for i in range(np.uintp(size)):
        if p > q:
            counts[i] = left[i] - counts[i]
        left[i] -= counts[i]
        some |= left[i] > 0
    return some
