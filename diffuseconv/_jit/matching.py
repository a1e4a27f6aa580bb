"""Sums over sliding windows, of which none is ever the difference of two sums, and windows one by one."""

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
    rows = sums.shape[1]
    upper, lower = np.empty((width, COLUMNS)), np.empty(COLUMNS)
    for layer in range(values.shape[0]):
        for low in range(first, last, COLUMNS):
            count = min(COLUMNS, last - low)
            for start in range(0, rows, width):
                for c in range(count):
                    upper[width - 1, c] = values[layer, start + width - 1, low + c]
                for k in range(width - 2, -1, -1):
                    for c in range(count):
                        upper[k, c] = upper[k + 1, c] + values[layer, start + k, low + c]
                for c in range(count):
                    sums[layer, start, low + c] = upper[0, c]
                    lower[c] = 0.0
                for k in range(1, min(width, rows - start)):
                    for c in range(count):
                        lower[c] += values[layer, start + width + k - 1, low + c]
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


@compiled(fastmath={"contract", "reassoc"})
def correlate_windows(image, template, places, eps, scores, first, last):
    """Correlate single windows of a 3-D image with a template of mean 0 and norm 1, in two passes each.

    Every window is scaled by its own power of two and centred by its own mean, so that only its own rounding counts.
    """
    layers, rows, columns = template.shape
    cells = layers * rows * columns
    for place in range(first, last):
        a, b, c = places[place]
        peak = 0.0
        total = 0.0
        for i in range(layers):
            for j in range(rows):
                for k in range(columns):
                    peak = max(peak, abs(image[a + i, b + j, c + k]))
        if peak == 0.0:
            scores[place] = 0.0
            continue
        scale = math.ldexp(1.0, -max(math.frexp(peak)[1], -1000))
        for i in range(layers):
            for j in range(rows):
                for k in range(columns):
                    total += image[a + i, b + j, c + k] * scale
        mean = total / cells
        rest = 0.0
        squares = 0.0
        product = 0.0
        for i in range(layers):
            for j in range(rows):
                for k in range(columns):
                    deviation = image[a + i, b + j, c + k] * scale - mean
                    rest += deviation
                    squares += deviation * deviation
                    product += template[i, j, k] * deviation
        contrast = math.sqrt(max(squares - rest * rest / cells, 0.0))
        if contrast <= 4 * eps * abs(mean) * math.sqrt(cells):
            scores[place] = 0.0
        else:
            scores[place] = product / contrast
