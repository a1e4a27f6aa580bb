"""Loops of measurement: draws from a table, sums of drawn values, moves of grains.

Each call of a loop has a `room` of its own, words that it uses meanwhile.
"""

import sys
from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit import binomial
from diffuseconv._jit.binomial import GROUP, binomials
from diffuseconv._jit.bits import bits_of, number_of
from diffuseconv._jit.borrowed import borrow, later, seen_as
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.random import LANES, STATES, fill, keep, of_block, resume, uniform, word

BLOCK = 2048  # pixels that share one set of random streams
ROOM = binomial.ROOM + 4 * GROUP  # words that a loop uses meanwhile
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
    size: Any  # of the alias table


class Chain(NamedTuple):
    """Many draws: the chance of each tap given that none before it was drawn, that of all later ones, its move."""

    chance: Any
    against: Any
    offset: Any


@compiled
def alias(chance, cut, other, low, high):
    """Fill Vose's alias table: entry k stands for itself below `cut[k]` and for `other[k]` above.

    `low` and `high` are used meanwhile.
    """
    size, chance, cut, other = chance.size, borrow(chance), borrow(cut), borrow(other)
    low, high = borrow(low), borrow(high)
    lows, highs, total = 0, 0, 0.0
    for k in range(size):
        total += chance[k]
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
    u *= table.size
    k = np.int64(u)
    return table.own[k] if u - k < table.cut[k] else table.other[k], state


@compiled
def extend(values, index, sign, layout, lead, source):
    """Continue every channel beyond its walls: `index` and `sign` tell, axis after axis, what each cell reads.

    Returned is the largest magnitude of all values: NaN if one is NaN, or else infinite if one is.
    """
    channels, cells, given, out = values.shape[0], values.shape[1], borrow(values), borrow(source)
    shape, wide = layout
    first, one = borrow(index), borrow(sign)
    second, third = later(first, np.uintp(wide[0])), later(first, np.uintp(wide[0] + wide[1]))
    two, three = later(one, np.uintp(wide[0])), later(one, np.uintp(wide[0] + wide[1]))
    largest, extended = np.int64(0), source.shape[1]
    for channel in range(channels):
        for a in range(wide[0]):
            for b in range(wide[1]):
                row = np.uintp(channel * cells + (first[a] * shape[1] + second[b]) * shape[2])
                to = np.uintp(channel * extended + (a * wide[1] + b) * wide[2])
                inside, factor = to + np.uintp(lead), np.float64(one[a] * two[b])
                for c in range(np.uintp(shape[2])):  # inside, along the last axis
                    value = np.float64(given[row + c] * factor)
                    out[inside + c] = value
                    largest = max(largest, bits_of(value) & _MAGNITUDE)  # in this order magnitudes have as bits
                for c in range(lead):
                    out[to + np.uintp(c)] = given[row + np.uintp(third[c])] * (factor * three[c])
                for c in range(lead + shape[2], wide[2]):
                    out[to + np.uintp(c)] = given[row + np.uintp(third[c])] * (factor * three[c])
    return number_of(largest)


@inner
def row_from(pixel, end, layout):
    """Find where a pixel (C order) is among the cells of the extended field, and where its row ends (or `end`)."""
    shape, wide = layout
    row, column = pixel // np.uintp(shape[2]), pixel % np.uintp(shape[2])
    plane, line = row // np.uintp(shape[1]), row % np.uintp(shape[1])
    stop = pixel + np.uintp(shape[2]) - column
    return (plane * np.uintp(wide[1]) + line) * np.uintp(wide[2]) + column, stop if stop < end else end


@compiled(inline="always")
def _fill_places(pixel, size, layout, places):
    """Find where so many pixels from this one on are among the cells of the extended field."""
    begin, end = pixel, pixel + size
    while pixel < end:
        place, stop = row_from(pixel, end, layout)
        for i in range(stop - pixel):
            places[pixel - begin + i] = place + i
        pixel = stop


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
def scale(totals, size, share):
    """Multiply by the first number of `share` and divide by the second."""
    factor, divisor = share
    if factor != 1:
        for i in range(size):
            totals[i] *= factor
    if divisor != 1:
        for i in range(size):
            totals[i] /= divisor


@compiled
def sum_few(room, source, layout, table, share, draws, states, sums, first, last):
    """Sum single `draws` (low, high), the first of which begins sums: every channel of a pixel draws the same places.

    As many draws of a pixel as a word gives are read at once; for each that is left over, four pixels share a word.
    In the end sums are multiplied by the first number of `share` and divided by the second, while a cache holds them.
    """
    channels, cells, pixels = source.shape[0], np.uintp(source.shape[1]), np.uintp(sums.shape[1])
    source, table, states, sums, words = borrow(source), borrow(table), borrow(states), borrow(sums), borrow(room)
    quarters, begun = seen_as(words, np.uint16), later(words, np.uintp(BLOCK))
    for block in range(first, last):
        low, streams = np.uintp(block * BLOCK), of_block(states, block)
        end = min(low + np.uintp(BLOCK), pixels)
        for i in range(STATES):
            begun[i] = streams[i]
        for channel in range(channels):
            values, totals = later(source, np.uintp(channel) * cells), later(sums, np.uintp(channel) * pixels)
            for i in range(STATES):
                streams[i] = begun[i]
            left, fresh = draws[1] - draws[0], draws[0] == 0
            while left > 0:
                whole = left >= WORD_DRAWS
                left -= WORD_DRAWS if whole else 1
                size = end - low if whole else (end - low + np.uintp(3)) // np.uintp(4)
                fill(words, (size + np.uintp(LANES - 1)) // np.uintp(LANES) * np.uintp(LANES), streams)
                state, pixel = resume(streams), low
                while pixel < end:
                    place, stop = row_from(pixel, end, layout)
                    shift, count = pixel - low, stop - pixel
                    if whole:
                        state = _add_word(values, place, totals, pixel, count, words, shift, table, state, fresh)
                    else:
                        state = _add_one(values, place, totals, pixel, count, quarters, shift, table, state, fresh)
                    pixel = stop
                keep(streams, state)
                fresh = False
            scale(later(totals, low), end - low, share)


@inner
def _places_of_group(room):
    """Return where loops keep counts and places, and those grains that are left, of a group."""
    counts = seen_as(later(room, np.uintp(binomial.ROOM)), np.int64)
    return counts, later(counts, np.uintp(GROUP)), later(counts, np.uintp(2 * GROUP))


@compiled
def sum_many(room, source, layout, chain, draws, states, rest, taps, part, sums, first, last):
    """Sum many draws for a `part` (low, high) of blocks: how many fell on each tap is a chain of binomials.

    Of one group, `taps` (low, high) may come in several calls; the draws of each block that are left are then kept in
    `rest`, which is empty otherwise.
    """
    channels, cells, pixels = source.shape[0], np.uintp(source.shape[1]), np.uintp(sums.shape[1])
    several, room = len(rest) > 0, borrow(room)
    source, chain, states, rest, sums = borrow(source), borrow(chain), borrow(states), borrow(rest), borrow(sums)
    counts, places, here = _places_of_group(room)
    for block in range(first, last):
        streams, left = of_block(states, block), later(rest, np.uintp(block * GROUP)) if several else here
        end = min(np.uintp(block * BLOCK + part[1]), pixels)
        for pixel in range(np.uintp(block * BLOCK + part[0]), end, np.uintp(GROUP)):
            size = min(np.uintp(GROUP), pixels - pixel)
            _fill_places(pixel, size, layout, places)
            if taps[0] == 0:
                for i in range(size):
                    left[i] = draws
                for channel in range(channels):
                    for i in range(size):
                        sums[np.uintp(channel) * pixels + pixel + i] = 0
            for tap in range(taps[0], taps[1]):
                more = binomials(left, size, chain.chance[tap], chain.against[tap], streams, room, counts)
                for channel in range(channels):
                    values = later(source, np.uintp(channel) * cells + np.uintp(chain.offset[tap]))
                    total = later(sums, np.uintp(channel) * pixels + pixel)
                    for i in range(size):
                        total[i] += counts[i] * values[places[i]]
                if not more:
                    break


@compiled
def spread(room, source, layout, chance, offset, variance, part, first, last):
    """Add up the variance of one draw, from differences to the first tap's value so that no constant matters.

    This is done for these pixels, a `part` (low, high) of blocks.
    """
    channels, cells, pixels = source.shape[0], np.uintp(source.shape[1]), np.uintp(variance.shape[1])
    taps, means = offset.size, seen_as(borrow(room), np.float64)
    source, chance, offset, variance = borrow(source), borrow(chance), borrow(offset), borrow(variance)
    for channel in range(channels):
        values, total = later(source, np.uintp(channel) * cells), later(variance, np.uintp(channel) * pixels)
        for block in range(first, last):
            pixel, end = np.uintp(block * BLOCK + part[0]), min(np.uintp(block * BLOCK + part[1]), pixels)
            while pixel < end:
                place, stop = row_from(pixel, end, layout)
                count, origin = stop - pixel, place + np.uintp(offset[0])
                for i in range(count):
                    means[i] = 0
                for tap in range(taps):
                    there, p = place + np.uintp(offset[tap]), chance[tap]
                    for i in range(count):
                        means[i] += p * (values[there + i] - values[origin + i])
                for tap in range(taps):
                    there, p = place + np.uintp(offset[tap]), chance[tap]
                    for i in range(count):
                        total[pixel + i] += p * (values[there + i] - values[origin + i] - means[i]) ** 2
                pixel = stop


@compiled
def move_grains(room, grains, layout, law, states, rest, part, cells, target, first, last):
    """Move grains of these `cells` (low, high) of blocks.

    By the `law` (table, chain, few) they move one by one where a cell holds at most `few`, else all at once. A group
    may be moved in several calls: by a `part`, some (low, high) of the grains that move one by one, a multiple of what
    a word gives, and then some taps for the others; those of each block that are left are then kept in `rest`, which is
    empty otherwise.
    """
    all_cells, several, room = np.uintp(grains.size), len(rest) > 0, borrow(room)
    (table, chain, few), (singles, taps), (low, high) = borrow(law), part, cells
    grains, states, rest, target = borrow(grains), borrow(states), borrow(rest), borrow(target)
    counts, places, here = _places_of_group(room)
    for block in range(first, last):
        streams, left = of_block(states, block), later(rest, np.uintp(block * GROUP)) if several else here
        end = min(np.uintp(block * BLOCK + high), all_cells)
        for begin in range(np.uintp(block * BLOCK + low), end, np.uintp(GROUP)):
            size, some = min(np.uintp(GROUP), all_cells - begin), later(grains, begin)
            _fill_places(begin, size, layout, places)
            _move_one_by_one(some, size, few, singles, table, streams, target, places)
            many = np.uintp(0)
            for i in range(size):
                if some[i] > few:
                    if taps[0] == 0:
                        left[many] = some[i]
                    places[many] = places[i]
                    many += np.uintp(1)
            tap, more = taps[0], many > 0
            while more and tap < taps[1]:
                more = binomials(left, many, chain.chance[tap], chain.against[tap], streams, room, counts)
                there = later(target, np.uintp(chain.offset[tap]))
                for i in range(many):
                    there[places[i]] += counts[i]
                tap += 1


@compiled(inline="always")
def _move_one_by_one(grains, size, few, part, table, states, target, places):
    """Move some (low, high) of the grains in cells that hold at most `few`."""
    state, bits, unused, before = resume(states), np.uint64(0), 0, 0
    for i in range(size):
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
