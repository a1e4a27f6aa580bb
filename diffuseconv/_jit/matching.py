"""Sums over sliding windows, of which none is ever the difference of two sums, scores, and windows one by one."""

import math

import numpy as np

from diffuseconv._jit.compiled import compiled

COLUMNS = 64  # handled as one block: its suffixes stay in the second-level cache


@compiled
def sum_columns(values, width, sums, first, last):
    """Add `width` neighbours along the middle axis of (layers, rows, columns), for columns first to last.

    Blocks of `width` rows are summed from their ends towards their starts and the next block from its start, so that
    any window is one sum of the two: three additions for each row whatever the width (van Herk 1992).
    """
    zero, one, width, rows = np.uintp(0), np.uintp(1), np.uintp(width), np.uintp(sums.shape[1])
    upper, lower = np.empty((width, np.uintp(COLUMNS))), np.empty(COLUMNS)
    for layer in range(np.uintp(values.shape[0])):
        for low in range(np.uintp(first), np.uintp(last), np.uintp(COLUMNS)):
            columns = range(min(np.uintp(COLUMNS), np.uintp(last) - low))
            for start in range(zero, rows, width):
                for c in columns:
                    upper[width - one, c] = values[layer, start + width - one, low + c]
                for k in range(one, width):
                    above = width - one - k
                    for c in columns:
                        upper[above, c] = upper[above + one, c] + values[layer, start + above, low + c]
                for c in columns:
                    sums[layer, start, low + c] = upper[zero, c]
                    lower[c] = 0.0
                for k in range(one, min(width, rows - start)):
                    for c in columns:
                        lower[c] += values[layer, start + width + k - one, low + c]
                        sums[layer, start + k, low + c] = upper[k, c] + lower[c]


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
