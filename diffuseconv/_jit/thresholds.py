"""Loops of measurement for few taps: draws are compared with sums of chances and counted, many pixels in a vector."""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.borrowed import borrow, later, seen_as
from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.measurement import BLOCK, SWAP, residual, row_from, scale
from diffuseconv._jit.random import fill, keep, of_block, resume

TAPS = 9  # so many are compared with, whether they are there or not
DRAWS = 5, 2**15 - 1  # fewer are quicker one by one, more do not fit into counts of 16 bits
STEPS = 2**16
PART = 512  # pixels whose draws are counted at once
UNROLLED = 5  # draws of a pixel
COUNTS = PART // 4 * UNROLLED  # words before those of the counts


class Thresholds(NamedTuple):
    """Single draws of 16 bits: one of the first k + 1 taps is drawn up to `most[k]`; beyond the last it is residual."""

    most: Any
    offset: Any
    cut: Any
    own: Any
    other: Any
    size: Any  # of the alias table


@inner(forceinline=True)
def _up_to(draw, most):
    """Return 1 where a tap is drawn, or one before it."""
    return np.int16(draw <= most)


@inner
def _count(draws, step, most, counts):
    """Add to the counts how often each tap is drawn, or one before it, in so many draws of all pixels."""
    one, two, three, four = np.uintp(PART), np.uintp(2 * PART), np.uintp(3 * PART), np.uintp(4 * PART)
    for k in range(TAPS):
        row, c = later(counts, np.uintp((k + 1) * PART)), most[k]
        if step == UNROLLED:
            for i in range(one):
                few = _up_to(draws[i ^ SWAP], c) + _up_to(draws[(i + one) ^ SWAP], c)
                few += _up_to(draws[(i + two) ^ SWAP], c) + _up_to(draws[(i + three) ^ SWAP], c)
                row[i] += few + _up_to(draws[(i + four) ^ SWAP], c)
        else:
            for i in range(one):
                row[i] += _up_to(draws[i ^ SWAP], c)


@inner
def _weigh(values, offset, counts, totals, size):
    """Add up what pixels of a row read, as often as counts say, three taps at a time."""
    for k in range(0, TAPS, 3):
        none = later(counts, np.uintp(k * PART))
        one, two, three = later(none, np.uintp(PART)), later(none, np.uintp(2 * PART)), later(none, np.uintp(3 * PART))
        a, b, c = np.uintp(offset[k]), np.uintp(offset[k + 1]), np.uintp(offset[k + 2])
        for i in range(size):
            low, middle, high = np.int16(one[i] - none[i]), np.int16(two[i] - one[i]), np.int16(three[i] - two[i])
            few = low * values[a + i] + middle * values[b + i] + high * values[c + i]
            totals[i] = few if k == 0 else totals[i] + few


@compiled
def sum_counted(room, source, layout, thresholds, share, draws, states, sums, first, last):
    """Sum some draws for each pixel: they are counted first; see `sum_few` for `share`."""
    channels, cells, pixels = source.shape[0], np.uintp(source.shape[1]), np.uintp(sums.shape[1])
    source, thresholds, states, sums, words = (
        borrow(source),
        borrow(thresholds),
        borrow(states),
        borrow(sums),
        borrow(room),
    )
    digits, counts = seen_as(words, np.int16), seen_as(later(words, np.uintp(COUNTS)), np.int16)
    every = later(counts, np.uintp(TAPS * PART))  # how many draws were of a tap
    for block in range(first, last):
        streams, end_of_block = of_block(states, block), min(np.uintp((block + 1) * BLOCK), pixels)
        for low in range(np.uintp(block * BLOCK), end_of_block, np.uintp(PART)):
            end, left = min(low + np.uintp(PART), pixels), draws
            for i in range(np.uintp((TAPS + 1) * PART)):
                counts[i] = 0
            while left > 0:
                step = UNROLLED if left >= UNROLLED else 1
                fill(words, np.uintp(PART // 4 * step), streams)
                _count(digits, step, thresholds.most, counts)
                left -= step
            least = np.int16(draws)
            for i in range(end - low):
                least = min(least, every[i])
            state, pixel = resume(streams), low
            while pixel < end:
                place, stop = row_from(pixel, end, layout)
                here = later(counts, pixel - low)
                for channel in range(channels):
                    values = later(source, np.uintp(channel) * cells + place)
                    totals = later(sums, np.uintp(channel) * pixels + pixel)
                    _weigh(values, thresholds.offset, here, totals, stop - pixel)
                if least < draws:
                    missing = later(every, pixel - low)
                    for i in range(stop - pixel):
                        for _ in range(draws - missing[i]):
                            move, state = residual(thresholds, state)
                            for channel in range(channels):
                                value = source[np.uintp(channel) * cells + place + i + np.uintp(move)]
                                sums[np.uintp(channel) * pixels + pixel + i] += value
                pixel = stop
            keep(streams, state)
            for channel in range(channels):
                scale(later(sums, np.uintp(channel) * pixels + low), end - low, share)
