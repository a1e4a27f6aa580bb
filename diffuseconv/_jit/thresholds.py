"""Loops of measurement for few taps: draws are compared with sums of chances and counted, many pixels in a vector."""

from typing import Any, NamedTuple

import numpy as np

from diffuseconv._jit.compiled import compiled, inner
from diffuseconv._jit.measurement import BLOCK, SWAP, place_of, residual, scale
from diffuseconv._jit.random import fill, keep, resume

TAPS = 9  # so many are compared with, whether they are there or not
DRAWS = 5, 2**15 - 1  # fewer are quicker one by one, more do not fit into counts of 16 bits
STEPS = 2**16
PART = 512  # pixels whose draws are counted at once
UNROLLED = 5  # draws of a pixel


class Thresholds(NamedTuple):
    """Single draws of 16 bits: one of the first k + 1 taps is drawn up to `most[k]`; beyond the last it is residual."""

    most: Any
    offset: Any
    cut: Any
    own: Any
    other: Any


@inner(forceinline=True)
def _up_to(draw, most):
    """Return 1 where a tap is drawn, or one before it."""
    return np.int16(draw <= most)


@inner
def _count(draws, step, most, counts):
    """Add to the counts how often each tap is drawn, or one before it, in so many draws of all pixels."""
    one, two, three, four = np.uintp(PART), np.uintp(2 * PART), np.uintp(3 * PART), np.uintp(4 * PART)
    for k in range(TAPS):
        row, c = counts[k + 1], most[k]
        if step == UNROLLED:
            for i in range(one):
                few = _up_to(draws[i ^ SWAP], c) + _up_to(draws[(i + one) ^ SWAP], c)
                few += _up_to(draws[(i + two) ^ SWAP], c) + _up_to(draws[(i + three) ^ SWAP], c)
                row[i] += few + _up_to(draws[(i + four) ^ SWAP], c)
        else:
            for i in range(one):
                row[i] += _up_to(draws[i ^ SWAP], c)


@inner
def _weigh(values, place, offset, counts, shift, totals):
    """Add up what pixels of a row read, as often as counts say, three taps at a time."""
    for k in range(0, TAPS, 3):
        none, one, two, three = counts[k], counts[k + 1], counts[k + 2], counts[k + 3]
        a, b, c = place + np.uintp(offset[k]), place + np.uintp(offset[k + 1]), place + np.uintp(offset[k + 2])
        for i in range(np.uintp(totals.size)):
            at = shift + i
            low, middle, high = np.int16(one[at] - none[at]), np.int16(two[at] - one[at]), np.int16(three[at] - two[at])
            few = low * values[a + i] + middle * values[b + i] + high * values[c + i]
            totals[i] = few if k == 0 else totals[i] + few


@compiled
def sum_counted(source, layout, thresholds, share, draws, states, sums, first, last):
    """Sum some draws for each pixel: they are counted first; see `sum_few` for `share`."""
    words, columns = np.empty(PART // 4 * UNROLLED, np.uint64), layout.shape[2]
    digits, counts = words.view(np.int16), np.zeros((TAPS + 1, PART), np.int16)
    for block in range(first, last):
        for low in range(block * BLOCK, min((block + 1) * BLOCK, sums.shape[1]), PART):
            end, left = min(low + PART, sums.shape[1]), draws
            counts[1:] = 0
            while left > 0:
                step = UNROLLED if left >= UNROLLED else 1
                fill(words, PART // 4 * step, states[block])
                _count(digits, step, thresholds.most, counts)
                left -= step
            for channel in range(source.shape[0]):
                pixel = low
                while pixel < end:  # one row, or what there is of it
                    stop = min(end, (pixel // columns + 1) * columns)
                    place, totals = np.uintp(place_of(pixel, layout)), sums[channel, pixel:stop]
                    _weigh(source[channel], place, thresholds.offset, counts, np.uintp(pixel - low), totals)
                    pixel = stop
            least = np.int16(draws)
            for i in range(np.uintp(end - low)):
                least = min(least, counts[TAPS, i])
            if least < draws:
                state = resume(states[block])
                for i in range(end - low):
                    for _ in range(draws - counts[TAPS, i]):
                        move, state = residual(thresholds, state)
                        for channel in range(source.shape[0]):
                            sums[channel, low + i] += source[channel, place_of(low + i, layout) + move]
                keep(states[block], state)
            for channel in range(source.shape[0]):
                scale(sums[channel, low:end], share)
