"""Loops of measurement: random words, binomial counts, draws from a table, sums of drawn values, moves of grains."""

import math
from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.compiled import compiled

BLOCK = 2048  # pixels that share one random stream
WORD_DRAWS = 5  # table draws of 12 bits in a word of 64
TABLE = 4096
RESIDUAL = -1  # marks table entries whose draw goes on to the alias table
_INDEX = np.uint64(TABLE - 1)
INCREMENT = np.uint64(0x9E3779B97F4A7C15)
# log(x!) - x log x + x for the x where Stirling's series is not yet good to rounding
_SMALL = np.array([math.lgamma(x + 1) - x * math.log(max(x, 1)) + x for x in range(1024)])


class Layout(NamedTuple):
    """The shape of a field as a block, and that of the same extended beyond its walls."""

    shape: tuple[int, int, int]
    wide: tuple[int, int, int]


class Table(NamedTuple):
    """Single draws: an entry holds a move, or sends the draw on to an alias table of what is left over."""

    entry: Any
    cut: Any
    own: Any
    other: Any


class Chain(NamedTuple):
    """Many draws: the chance of each tap given that none before it was drawn, that of all later ones, its move."""

    chance: Any
    against: Any
    offset: Any


@compiled
def split_mix(counter):
    """Scramble a counter (SplitMix64)."""
    z = (counter ^ (counter >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@compiled
def start(key, block):
    """Begin the stream of a block: word j is output 4 block + j of SplitMix64 begun at key[j]."""
    at = np.uint64(4 * block)
    return (
        split_mix(key[0] + INCREMENT * (at + np.uint64(1))),
        split_mix(key[1] + INCREMENT * (at + np.uint64(2))),
        split_mix(key[2] + INCREMENT * (at + np.uint64(3))),
        split_mix(key[3] + INCREMENT * (at + np.uint64(4))),
    )


@compiled
def begin(key, streams):
    """Begin the streams of all blocks; a row holds the state, then left-over bits and how many draws they give."""
    for block in range(streams.shape[0]):
        keep(streams, block, start(key, block), np.uint64(0), 0)


@compiled
def resume(streams, block):
    """Return the state of a stream where it was left."""
    row = streams[block]
    return row[0], row[1], row[2], row[3]


@compiled
def keep(streams, block, state, bits, unused):
    """Keep the state of a stream for the next call."""
    row = streams[block]
    row[0], row[1], row[2], row[3] = state
    row[4], row[5] = bits, np.uint64(unused)


@compiled
def word(state):
    """Draw 64 random bits (xoshiro256++); states are tuples, which stay in registers where arrays do not."""
    a, b, c, d = state
    total = a + d
    bits = ((total << np.uint64(23)) | (total >> np.uint64(41))) + a
    shifted = b << np.uint64(17)
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << np.uint64(45)) | (d >> np.uint64(19))
    return bits, (a, b, c, d)


@compiled
def uniform(state):
    """Draw an odd multiple of 2^-53 between 0 and 1: never an end, and symmetric about 1/2."""
    bits, state = word(state)
    return (np.float64(bits >> np.uint64(12)) + 0.5) * 2.0**-52, state


@compiled
def _stirling(k):
    """Return log(k!) - k log k + k."""
    if k < _SMALL.size:
        return _SMALL[k]
    x = float(k)
    y = 1.0 / (x * x)
    return 0.5 * math.log(2 * math.pi * x) + (1 / 12 - y * (1 / 360 - y / 1260)) / x


@compiled
def _log_chance(k, rest, excess, mean, mean_rest):
    """Return log of the binomial chance of k = mean + excess, less a constant of (n, p), to rounding of the excess."""
    total = -_stirling(k) - _stirling(rest)
    if k > 0:
        total -= k * math.log1p(excess / mean)
    if rest > 0:
        total -= rest * math.log1p(-excess / mean_rest)
    return total


@compiled
def _binomial_few(n, p, q, state):
    """Count successes when few are expected, by adding chances up from zero (inversion)."""
    left, state = uniform(state)
    chance = math.exp(n * math.log1p(-p))
    ratio = p / q
    k = 0
    most = min(n, 120)  # beyond it lies less than 1e-80 for a mean below 10
    while left > chance and k < most:
        left -= chance
        chance *= ratio * (n - k) / (k + 1)
        k += 1
    return np.int64(k), state


@compiled
def _binomial_many(n, p, q, state):
    """Count successes when ten or more are expected (Hoermann's BTRS), as a move from the whole part of the mean."""
    mean, mean_rest = n * p, n * q
    whole = np.floor(mean)
    part = mean - whole
    spread = math.sqrt(mean * q)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    while True:
        u, state = uniform(state)
        v, state = uniform(state)
        u -= 0.5
        room = 0.5 - abs(u)
        move = np.floor((2 * a / room + b) * u + part + 0.5)
        if not -whole <= move <= n - whole:
            continue
        k = np.int64(whole) + np.int64(move)  # whole numbers beyond 2^53 stay whole
        if room >= 0.07 and v <= 0.92 - 4.2 / b:
            return k, state
        alpha = (2.83 + 5.1 / b) * spread
        mode = np.floor(part + p)
        at_mode = np.int64(whole) + np.int64(mode)
        gain = _log_chance(k, n - k, move - part, mean, mean_rest)
        gain -= _log_chance(at_mode, n - at_mode, mode - part, mean, mean_rest)
        if math.log(v * alpha / (a / (room * room) + b)) <= gain:
            return k, state


@compiled
def binomial(n, p, q, state):
    """Count successes among n trials of chance p = 1 - q."""
    rare = min(p, q)
    if n == 0 or rare == 0:
        k = np.int64(0)
    elif n * rare < 10:
        k, state = _binomial_few(n, rare, max(p, q), state)
    else:
        k, state = _binomial_many(n, rare, max(p, q), state)
    return k if p <= q else n - k, state


@compiled
def alias(chance, cut, other):
    """Fill Vose's alias table: entry k stands for itself below `cut[k]` and for `other[k]` above."""
    size = chance.size
    low, high = np.empty(size, np.int64), np.empty(size, np.int64)
    lows = highs = 0
    total = chance.sum()
    for k in range(size):
        cut[k] = chance[k] * size / total
        other[k] = k
        if cut[k] < 1:
            low[lows] = k
            lows += 1
        else:
            high[highs] = k
            highs += 1
    while lows > 0 and highs > 0:
        lows -= 1
        k, large = low[lows], high[highs - 1]
        other[k] = large
        cut[large] -= 1 - cut[k]
        if cut[large] < 1:
            highs -= 1
            low[lows] = large
            lows += 1
    for i in range(lows):  # left over only by rounding
        cut[low[i]] = 1
    for i in range(highs):
        cut[high[i]] = 1


@compiled
def _rest(table, state):
    """Draw what 12 bits cannot express."""
    u, state = uniform(state)
    u *= table.cut.size
    k = int(u)
    return table.own[k] if u - k < table.cut[k] else table.other[k], state


@compiled
def _fill(moves, count, table, state):
    """Draw `count` moves: 12 bits index the table, and its residual is left to the alias table."""
    for i in range(np.uintp(0), np.uintp(count), np.uintp(WORD_DRAWS)):
        bits, state = word(state)
        for j in range(np.uintp(WORD_DRAWS)):
            move = table.entry[bits & _INDEX]
            bits >>= np.uint64(12)
            if move == RESIDUAL:
                move, state = _rest(table, state)
            moves[i + j] = move
    return state


@compiled
def extend(values, index, sign, layout, lead, source):
    """Continue every channel beyond its walls: `index` and `sign` tell, axis after axis, what each cell reads."""
    shape, wide = layout
    first, second, third = index[: wide[0]], index[wide[0] : wide[0] + wide[1]], index[wide[0] + wide[1] :]
    one, two, three = sign[: wide[0]], sign[wide[0] : wide[0] + wide[1]], sign[wide[0] + wide[1] :]
    for channel in range(values.shape[0]):
        for a in range(wide[0]):
            for b in range(wide[1]):
                row = values[channel, (first[a] * shape[1] + second[b]) * shape[2] :]
                out = source[channel, (a * wide[1] + b) * wide[2] :]
                factor = np.float64(one[a] * two[b])
                for c in range(lead):
                    out[c] = row[third[c]] * (factor * three[c])
                for c in range(np.uintp(shape[2])):  # inside, along the last axis
                    out[np.uintp(lead) + c] = row[c] * factor
                for c in range(lead + shape[2], wide[2]):
                    out[c] = row[third[c]] * (factor * three[c])


@compiled
def _place(pixel, layout):
    """Find the index of a pixel (C order) among the cells of the extended field."""
    shape, wide = layout
    row, column = pixel // shape[2], pixel % shape[2]
    return ((row // shape[1]) * wide[1] + row % shape[1]) * wide[2] + column


@compiled
def sum_few(source, layout, table, draws, streams, sums, first, last):
    """Sum so many more single draws: every channel of a pixel reads the same drawn place."""
    moves, columns = np.empty(BLOCK + WORD_DRAWS, table.entry.dtype), layout.shape[2]
    for block in range(first, last):
        state = resume(streams, block)
        low, end = block * BLOCK, min((block + 1) * BLOCK, sums.shape[1])
        for _ in range(draws):
            state = _fill(moves, end - low, table, state)
            pixel = low
            while pixel < end:  # one row, or what the block holds of it
                stop = min(end, (pixel // columns + 1) * columns)
                place, shift = np.uintp(_place(pixel, layout)), np.uintp(pixel - low)
                for channel in range(source.shape[0]):
                    values, total = source[channel], sums[channel]
                    for i in range(np.uintp(stop - pixel)):
                        total[np.uintp(pixel) + i] += values[place + i + np.uintp(moves[shift + i])]
                pixel = stop
        keep(streams, block, state, np.uint64(0), 0)


@compiled
def sum_many(source, layout, chain, draws, streams, pixels, sums, first, last):
    """Sum many draws for these `pixels` (low, high) of blocks: how many fell on each tap is a chain of binomials."""
    low, high = pixels
    for block in range(first, last):
        state = resume(streams, block)
        for pixel in range(block * BLOCK + low, min(block * BLOCK + high, sums.shape[1])):
            place = _place(pixel, layout)
            left = draws
            for tap in range(chain.offset.size):
                drawn, state = binomial(left, chain.chance[tap], chain.against[tap], state)
                if drawn == 0:
                    continue
                for channel in range(source.shape[0]):
                    sums[channel, pixel] += drawn * source[channel, place + chain.offset[tap]]
                left -= drawn
                if left == 0:
                    break
        keep(streams, block, state, np.uint64(0), 0)


@compiled
def spread(source, layout, chance, offset, variance, first, last):
    """Add up the variance of one draw, from differences to the first tap's value so that no constant matters."""
    means, columns = np.empty(BLOCK), layout.shape[2]
    for channel in range(source.shape[0]):
        values, total = source[channel], variance[channel]
        for block in range(first, last):
            pixel, end = block * BLOCK, min((block + 1) * BLOCK, total.size)
            while pixel < end:
                stop = min(end, (pixel // columns + 1) * columns)
                count = np.uintp(stop - pixel)
                at, place = np.uintp(pixel), np.uintp(_place(pixel, layout))
                origin = place + np.uintp(offset[0])
                for i in range(count):
                    means[i] = 0
                for tap in range(offset.size):
                    there, p = place + np.uintp(offset[tap]), chance[tap]
                    for i in range(count):
                        means[i] += p * (values[there + i] - values[origin + i])
                for tap in range(offset.size):
                    there, p = place + np.uintp(offset[tap]), chance[tap]
                    for i in range(count):
                        total[at + i] += p * (values[there + i] - values[origin + i] - means[i]) ** 2
                pixel = stop


@compiled
def move_grains(grains, layout, law, streams, cells, target, first, last):
    """Move grains of these `cells` (low, high) of blocks.

    By the `law` (table, chain, few) they move one by one where a cell holds at most `few`, else all at once.
    """
    (table, chain, few), (low, high) = law, cells
    for block in range(first, last):
        state, bits, unused = resume(streams, block), streams[block, 4], np.int64(streams[block, 5])
        for cell in range(block * BLOCK + low, min(block * BLOCK + high, grains.size)):
            left = grains[cell]
            if left == 0:
                continue
            place = _place(cell, layout)
            if left <= few:
                for _ in range(left):
                    if unused == 0:
                        bits, state = word(state)
                        unused = np.int64(WORD_DRAWS)
                    move = table.entry[bits & _INDEX]
                    bits >>= np.uint64(12)
                    unused -= 1
                    if move == RESIDUAL:
                        move, state = _rest(table, state)
                    target[np.uintp(place) + np.uintp(move)] += 1
                continue
            for tap in range(chain.offset.size):
                moved, state = binomial(left, chain.chance[tap], chain.against[tap], state)
                target[place + chain.offset[tap]] += moved
                left -= moved
                if left == 0:
                    break
        keep(streams, block, state, bits, unused)
