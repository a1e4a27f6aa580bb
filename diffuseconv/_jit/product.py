"""How far a table of weights is from the product of one of its rows and one of its columns."""

from __future__ import annotations

from diffuseconv._jit.compiled import compiled


@compiled
def distance_from_product(table):
    """Return the place of the largest weight, and how far the table is from the product of the row and column there.

    The distance is the sum of what they differ by, over that of the weights.
    """
    rows, columns = table.shape
    row = column = 0
    for y in range(rows):
        for x in range(columns):
            if abs(table[y, x]) > abs(table[row, column]):
                row, column = y, x
    peak, difference, total = table[row, column], 0.0, 0.0
    for y in range(rows):
        share = table[y, column] / peak
        for x in range(columns):
            scaled = table[y, x] / peak
            difference += abs(scaled - share * (table[row, x] / peak))
            total += abs(scaled)
    return row, column, difference / total
