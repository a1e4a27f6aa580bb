"""Loops of measurement: draws from a table, sums of drawn values, moves of grains."""

import sys
from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.binomial import binomials
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.random import LANES, fill, go_back, keep, resume, uniform, word

BLOCK = 2048  # pixels that share one set of random streams
GROUP = 256  # pixels whose counts are drawn at once
WORD_DRAWS = 5  # table draws of 12 bits in a word of 64
TABLE = 4096
RESIDUAL = -1  # marks table entries whose draw goes on to the alias table
SWAP = np.uintp(0 if sys.byteorder == "little" else 3)  # a word's quarter with the lowest bits comes first or last
_INDEX, _BITS = np.uint64(TABLE - 1), np.uint64(12)
_MAGNITUDE = np.int64(2**63 - 1)  # all bits of a number but its sign


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


@inner
def residual(table, state):
    """Draw what the bits of a single draw cannot express."""
    u, state = uniform(state)
    u *= table.cut.size
    k = int(u)
    return table.own[k] if u - k < table.cut[k] else table.other[k], state


@compiled
def extend(values, index, sign, layout, lead, source):
    """Continue every channel beyond its walls: `index` and `sign` tell, axis after axis, what each cell reads.

    Returned is the largest magnitude of all values: NaN if one is NaN, or else infinite if one is.
    """
    shape, wide = layout
    first, second, third = index[: wide[0]], index[wide[0] : wide[0] + wide[1]], index[wide[0] + wide[1] :]
    one, two, three = sign[: wide[0]], sign[wide[0] : wide[0] + wide[1]], sign[wide[0] + wide[1] :]
    largest = np.int64(0)
    for channel in range(values.shape[0]):
        given, out = values[channel], source[channel]
        for a in range(wide[0]):
            for b in range(wide[1]):
                row = np.uintp((first[a] * shape[1] + second[b]) * shape[2])
                to, inside = np.uintp((a * wide[1] + b) * wide[2]), np.uintp((a * wide[1] + b) * wide[2] + lead)
                factor = np.float64(one[a] * two[b])
                for c in range(np.uintp(shape[2])):  # inside, along the last axis
                    value = np.float64(given[row + c] * factor)
                    out[inside + c] = value
                    largest = max(largest, value.view(np.int64) & _MAGNITUDE)  # in this order magnitudes have as bits
                for c in range(lead):
                    out[to + np.uintp(c)] = given[row + np.uintp(third[c])] * (factor * three[c])
                for c in range(lead + shape[2], wide[2]):
                    out[to + np.uintp(c)] = given[row + np.uintp(third[c])] * (factor * three[c])
    return np.int64(largest).view(np.float64)


@inner
def place_of(pixel, layout):
    """Find the index of a pixel (C order) among the cells of the extended field."""
    shape, wide = layout
    row, column = pixel // shape[2], pixel % shape[2]
    return ((row // shape[1]) * wide[1] + row % shape[1]) * wide[2] + column


@inner
def _fill_places(pixel, size, layout, places):
    """Find where so many pixels from this one on are among the cells of the extended field."""
    columns = layout.shape[2]
    place, column = place_of(pixel, layout), pixel % columns
    for i in range(size):
        places[i] = place
        place, column = place + 1, column + 1
        if column == columns:
            place, column = place_of(pixel + i + 1, layout), 0


@inner(forceinline=True)
def _drawn(bits, table, state):
    """Draw a move: 12 bits index the table, and its residual is left to the alias table."""
    move = table.entry[np.uint64(bits) & _INDEX]
    return (move, state) if move != RESIDUAL else residual(table, state)


@inner(forceinline=True)
def _add_one(values, place, totals, pixel, count, quarters, first, table, state, fresh):
    """Add one drawn value to each total, or begin afresh with it."""
    for i in range(count):
        move, state = _drawn(quarters[(first + i) ^ SWAP], table, state)
        before = 0.0 if fresh else totals[pixel + i]
        totals[pixel + i] = before + values[place + i + np.uintp(move)]
    return state


@inner(forceinline=True)
def _add_word(values, place, totals, pixel, count, words, first, table, state, fresh):
    """Add to each total, or begin it with, as many drawn values as a word gives."""
    for i in range(count):
        bits, here = words[first + i], place + i
        a, state = _drawn(bits, table, state)
        b, state = _drawn(bits >> _BITS, table, state)
        c, state = _drawn(bits >> (np.uint64(2) * _BITS), table, state)
        d, state = _drawn(bits >> (np.uint64(3) * _BITS), table, state)
        e, state = _drawn(bits >> (np.uint64(4) * _BITS), table, state)
        few = values[here + np.uintp(a)] + values[here + np.uintp(b)] + values[here + np.uintp(c)]
        before = 0.0 if fresh else totals[pixel + i]
        totals[pixel + i] = before + (few + values[here + np.uintp(d)] + values[here + np.uintp(e)])
    return state


@inner
def scale(totals, share):
    """Multiply by the first number of `share` and divide by the second."""
    factor, divisor = share
    if factor != 1:
        for i in range(np.uintp(totals.size)):
            totals[i] *= factor
    if divisor != 1:
        for i in range(np.uintp(totals.size)):
            totals[i] /= divisor


@compiled
def sum_few(source, layout, table, share, draws, states, sums, first, last):
    """Sum single `draws` (low, high), the first of which begins sums: every channel of a pixel draws the same places.

    As many draws of a pixel as a word gives are read at once; for each that is left over, four pixels share a word.
    In the end sums are multiplied by the first number of `share` and divided by the second, while a cache holds them.
    """
    words, columns = np.empty(BLOCK, np.uint64), layout.shape[2]
    quarters = words.view(np.uint16)
    for block in range(first, last):
        low, end = block * BLOCK, min((block + 1) * BLOCK, sums.shape[1])
        streams, begun = states[block], states[block].copy()
        for channel in range(source.shape[0]):
            values, totals = source[channel], sums[channel]
            go_back(streams, begun)
            left, fresh = draws[1] - draws[0], draws[0] == 0
            while left > 0:
                whole = left >= WORD_DRAWS
                left -= WORD_DRAWS if whole else 1
                size = end - low if whole else (end - low + 3) // 4
                fill(words, (size + LANES - 1) // LANES * LANES, streams)
                state, pixel = resume(streams), low
                while pixel < end:  # one row, or what the block holds of it
                    stop = min(end, (pixel // columns + 1) * columns)
                    place, at = np.uintp(place_of(pixel, layout)), np.uintp(pixel)
                    shift, count = np.uintp(pixel - low), np.uintp(stop - pixel)
                    if whole:
                        state = _add_word(values, place, totals, at, count, words, shift, table, state, fresh)
                    else:
                        state = _add_one(values, place, totals, at, count, quarters, shift, table, state, fresh)
                    pixel = stop
                keep(streams, state)
                fresh = False
            scale(totals[low:end], share)


@inner
def _room():
    """Return what `binomials` uses for a group."""
    lanes, doubts = np.empty(GROUP, np.int64), np.empty(GROUP, np.int64)
    u, v, moves, trials = np.ones(GROUP), np.ones(GROUP), np.ones(GROUP), np.ones(GROUP)
    return np.empty(2 * GROUP, np.uint64), u, v, moves, trials, lanes, doubts


@compiled
def sum_many(source, layout, chain, draws, states, rest, taps, pixels, sums, first, last):
    """Sum many draws for these `pixels` (low, high) of blocks: how many fell on each tap is a chain of binomials.

    Of one group, `taps` (low, high) may come in several calls; the draws of each block that are left are then kept in
    `rest`, which is empty otherwise.
    """
    (low, high), room, here = pixels, _room(), np.empty(GROUP, np.int64)
    counts, places = np.empty(GROUP, np.int64), np.empty(GROUP, np.int64)
    for block in range(first, last):
        left = rest[block] if len(rest) > 0 else here
        for pixel in range(block * BLOCK + low, min(block * BLOCK + high, sums.shape[1]), GROUP):
            size = min(GROUP, sums.shape[1] - pixel)
            _fill_places(pixel, size, layout, places)
            if taps[0] == 0:
                left[:size] = draws
                sums[:, pixel : pixel + size] = 0
            for tap in range(taps[0], taps[1]):
                more = binomials(left, size, chain.chance[tap], chain.against[tap], states[block], room, counts)
                for channel in range(source.shape[0]):
                    values, total = source[channel, chain.offset[tap] :], sums[channel, pixel:]
                    for i in range(np.uintp(size)):
                        total[i] += counts[i] * values[np.uintp(places[i])]
                if not more:
                    break


@compiled
def spread(source, layout, chance, offset, variance, pixels, first, last):
    """Add up the variance of one draw, from differences to the first tap's value so that no constant matters.

    This is done for these `pixels` (low, high) of blocks.
    """
    means, columns = np.empty(BLOCK), layout.shape[2]
    for channel in range(source.shape[0]):
        values, total = source[channel], variance[channel]
        for block in range(first, last):
            pixel, end = block * BLOCK + pixels[0], min(block * BLOCK + pixels[1], total.size)
            while pixel < end:
                stop = min(end, (pixel // columns + 1) * columns)
                count = np.uintp(stop - pixel)
                at, place = np.uintp(pixel), np.uintp(place_of(pixel, layout))
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
def move_grains(grains, layout, law, states, rest, part, cells, target, first, last):
    """Move grains of these `cells` (low, high) of blocks.

    By the `law` (table, chain, few) they move one by one where a cell holds at most `few`, else all at once. A group
    may be moved in several calls: by a `part`, some (low, high) of the grains that move one by one, a multiple of what
    a word gives, and then some taps for the others; those of each block that are left are then kept in `rest`, which is
    empty otherwise.
    """
    (table, chain, few), (low, high), room, here = law, cells, _room(), np.empty(GROUP, np.int64)
    (singles, taps), counts, places = part, np.empty(GROUP, np.int64), np.empty(GROUP, np.int64)
    for block in range(first, last):
        left = rest[block] if len(rest) > 0 else here
        for begin in range(block * BLOCK + low, min(block * BLOCK + high, grains.size), GROUP):
            size = min(GROUP, grains.size - begin)
            _fill_places(begin, size, layout, places)
            _move_one_by_one(grains[begin : begin + size], few, singles, table, states[block], target, places)
            many = np.int64(0)  # a number of one type: a literal 0 would have all below compiled twice
            for i in range(size):
                if grains[begin + i] > few:
                    if taps[0] == 0:
                        left[many] = grains[begin + i]
                    places[many] = places[i]
                    many += 1
            tap, more = taps[0], many > 0
            while more and tap < taps[1]:
                more = binomials(left, many, chain.chance[tap], chain.against[tap], states[block], room, counts)
                for i in range(many):
                    target[places[i] + chain.offset[tap]] += counts[i]
                tap += 1


@inner
def _move_one_by_one(grains, few, part, table, states, target, places):
    """Move some (low, high) of the grains in cells that hold at most `few`."""
    state, bits, unused, before = resume(states), np.uint64(0), 0, 0
    for i in range(np.uintp(grains.size)):
        if grains[i] <= few:
            place = np.uintp(places[i])
            for _ in range(max(part[0] - before, 0), min(part[1] - before, grains[i])):
                if unused == 0:
                    bits, state = word(state)
                    unused = WORD_DRAWS
                move, state = _drawn(bits, table, state)
                bits >>= _BITS
                unused -= 1
                target[place + np.uintp(move)] += 1
            before += grains[i]
    keep(states, state)
