"""Sums over sliding windows, of which none is ever the difference of two sums, scores, and windows one by one."""

import math

import numpy as np

from diffuseconv._jit.borrowed import borrow
from diffuseconv._jit.box import sum_down
from diffuseconv._jit.compiled import compiled
from diffuseconv._jit.vector import lanes_of


@compiled
def sum_columns(values, width, sums, first, last):
    """Add `width` neighbours along the middle axis of (layers, rows, columns), for columns first to last.

    Columns that fill no vector are summed in scratch.
    """
    layers, rows, columns = sums.shape
    tall, lanes, pitch = rows + width - 1, np.intp(lanes_of(sums)), np.uintp(columns)
    full = (last - first) // lanes * lanes
    rest = last - first - full
    count, ends = np.uintp(width), np.empty(min(width, rows) * lanes)
    one = ends.dtype.type(1)
    block, strip = np.zeros(tall * lanes), np.empty(rows * lanes)
    for layer in range(layers):
        here, there = values[layer].reshape(-1)[first:], sums[layer].reshape(-1)[first:]
        sum_down(borrow(here), pitch, one, count, borrow(there), np.uintp(rows), np.uintp(full), borrow(ends))
        if rest > 0:
            for y in range(tall):
                for x in range(rest):
                    block[y * lanes + x] = values[layer, y, first + full + x]
            rest_of_rows = borrow(block), np.uintp(lanes), one, count, borrow(strip)
            sum_down(*rest_of_rows, np.uintp(rows), np.uintp(lanes), borrow(ends))
            for y in range(rows):
                for x in range(rest):
                    sums[layer, y, first + full + x] = strip[y * lanes + x]
    return ends[0] + block[0] + strip[0]  # they must last until here: those who borrow them are not counted


@compiled
def sum_rows(values, width, sums, first, last):
    """Add `width` neighbours along the last axis of (rows, columns), as `sum_columns` does, for rows first to last."""
    columns = sums.shape[1]
    upper = np.empty(width)
    for row in range(first, last):
        for start in range(0, columns, width):
            total = 0.0
            for k in range(width - 1, -1, -1):
                total += values[row, start + k]
                upper[k] = total
            sums[row, start] = total
            total = 0.0
            for k in range(1, min(width, columns - start)):
                total += values[row, start + width + k - 1]
                sums[row, start + k] = upper[k] + total


@compiled
def normalise(sums, squares, scores, doubtful, cells, middle, bounds):
    """Divide the sums of products of windows by their contrast, mark where rounding may count; return whether it may.

    `sums` are those of values less the `middle`. The bounds are the least contrast, its least share of the squares and
    what is added to that, and the contrast of a window that is flat, over its mean.
    """
    least, share, smallest, flat = bounds
    doubts = 0
    for i in range(scores.size):
        spread = max(squares[i] - sums[i] * sums[i] / cells, 0.0)
        contrast = math.sqrt(spread)
        doubt = (contrast < least) | (contrast * contrast <= share * squares[i] + smallest)
        doubtful[i] = doubt
        doubts += doubt
        score = min(max(scores[i] / contrast, -1.0), 1.0)  # the bound holds exactly but for rounding
        scores[i] = 0.0 if contrast <= flat * abs(sums[i] / cells + middle) else score
    return doubts > 0


@compiled(fastmath={"contract", "reassoc", "nnan", "nsz"})  # all is finite: the largest is found in vectors
def correlate_windows(image, template, places, eps, scores, first, last):
    """Correlate single windows of a 3-D image with a template of mean 0 and norm 1, in two passes each.

    Every window is scaled by its own power of two and centred by its own mean, so that only its own rounding counts.
    """
    layers, rows, columns = np.uintp(template.shape[0]), np.uintp(template.shape[1]), np.uintp(template.shape[2])
    weights, cells = template.reshape(-1), np.uintp(template.size)
    window = np.empty(cells)  # in one line: each sum is then added up from its vectors once, not in every row
    for place in range(first, last):
        a, b, c = np.uintp(places[place, 0]), np.uintp(places[place, 1]), np.uintp(places[place, 2])
        for i in range(layers):
            for j in range(rows):
                line = (i * rows + j) * columns
                for k in range(columns):
                    window[line + k] = image[a + i, b + j, c + k]
        peak, total = 0.0, 0.0
        for i in range(cells):
            peak = max(peak, abs(window[i]))
        if peak == 0.0:
            scores[place] = 0.0
            continue
        scale = math.ldexp(1.0, -max(math.frexp(peak)[1], -1000))
        for i in range(cells):
            total += window[i] * scale
        mean = total / cells
        rest, squares, product = 0.0, 0.0, 0.0
        for i in range(cells):
            deviation = window[i] * scale - mean
            rest += deviation
            squares += deviation * deviation
            product += weights[i] * deviation
        contrast = math.sqrt(max(squares - rest * rest / cells, 0.0))
        if contrast <= 4 * eps * abs(mean) * math.sqrt(cells):
            scores[place] = 0.0
        else:
            scores[place] = min(max(product / contrast, -1.0), 1.0)
