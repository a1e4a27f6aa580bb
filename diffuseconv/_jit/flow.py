"""Loops over cells whose faces carry different rates in both directions (drift), or whose sizes differ.

All arrays are flat. Of each axis (planes, rows, cells) `down` holds the rates of the faces before each cell in the
direction of the axis, `up` those against it, with one face more than cells; those of the first are empty where a field
has no planes. What one cell gives through a face is, to the last bit, what the other gets. Unsigned indices spare a
wraparound test in the inner loops.
"""

import numpy as np

from diffuseconv._jit.compiled import compiled

ONE = np.uintp(1)


@compiled
def flow_in(
    below, before, u, here, above, after, first, last, size, down, up, face, down2, up2, row, beyond, keep, out
):  # fmt: skip
    """Write keep * u + what flows into a row through four faces of each of its cells.

    Rows of neighbours begin at ``below[before]`` and ``above[after]``, and `first` and `last` stand beyond its ends.
    """
    end = size - ONE
    for j in range(ONE, end):
        x, k = u[here + j], face + j
        along = (down2[k] * u[here + j - ONE] - up2[k] * x) - (down2[k + ONE] * x - up2[k + ONE] * u[here + j + ONE])
        out[here + j] = keep * x + (
            along
            + (
                (down[row + j] * below[before + j] - up[row + j] * x)
                - (down[beyond + j] * x - up[beyond + j] * above[after + j])
            )
        )
    for side in range(2):
        j = np.uintp(side) * end
        x, k = u[here + j], face + j
        west = u[here + j - ONE] if j > 0 else first
        east = u[here + j + ONE] if j < end else last
        along = (down2[k] * west - up2[k] * x) - (down2[k + ONE] * x - up2[k + ONE] * east)
        out[here + j] = keep * x + (
            along
            + (
                (down[row + j] * below[before + j] - up[row + j] * x)
                - (down[beyond + j] * x - up[beyond + j] * above[after + j])
            )
        )


@compiled
def flow_across(below, before, u, here, above, after, size, down, up, face, beyond, out):
    """Add what flows into a row from those at ``below[before]`` and ``above[after]``."""
    for j in range(size):
        x = u[here + j]
        out[here + j] += (down[face + j] * below[before + j] - up[face + j] * x) - (
            down[beyond + j] * x - up[beyond + j] * above[after + j]
        )


@compiled
def close_row(u, here, size, loss, weight, keep, out):
    """Turn a row of what flows in into ``keep * u + weight * (it - loss * u)``; an empty loss is 0, a weight 1."""
    if loss.size > 0:
        for j in range(here, here + size):
            out[j] -= loss[j] * u[j]
    if weight.size > 0:
        for j in range(here, here + size):
            out[j] = keep * u[j] + weight[j] * out[j]


@compiled
def flow(u, blank, down, up, shape, wrap, loss, weight, keep, low, high, out):
    """Write ``keep * u + weight * (what flows in - loss * u)`` for the rows from `low` to `high` of all planes.

    Beyond walls lies a row of zeros, `blank`. An empty `loss` is 0 and an empty `weight` is 1.
    """
    planes, rows, size = np.uintp(shape[0]), np.uintp(shape[1]), np.uintp(shape[2])
    nothing, block = np.uintp(0), rows * size
    kept = keep if weight.size == 0 else blank[0]
    for index in range(np.uintp(low), np.uintp(high)):
        here, plane, k = index * size, index // rows, index % rows
        first = u[here + size - ONE] if wrap[2] else blank[0]
        last = u[here] if wrap[2] else blank[0]
        before = here - size if k > 0 else here + block - size
        after = here + size if k + ONE < rows else here + size - block
        below, before = (u, before) if k > 0 or wrap[1] else (blank, nothing)
        above, after = (u, after) if k + ONE < rows or wrap[1] else (blank, nothing)
        row = here + plane * size
        flow_in(
            below, before, u, here, above, after, first, last, size,
            down[1], up[1], here + index, down[2], up[2], row, row + size, kept, out,
        )  # fmt: skip
        if down[0].size > 0:
            before = here - block if plane > 0 else here + (planes - ONE) * block
            after = here + block if plane + ONE < planes else k * size
            below, before = (u, before) if plane > 0 or wrap[0] else (blank, nothing)
            above, after = (u, after) if plane + ONE < planes or wrap[0] else (blank, nothing)
            flow_across(below, before, u, here, above, after, size, down[0], up[0], here, here + block, out)
        close_row(u, here, size, loss, weight, keep, out)
