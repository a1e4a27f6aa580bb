"""Oracles: the definitions as plain loops, slow and obvious, sharing no code with the package."""

import itertools

import numpy as np


def value(u, index, boundary):
    """Look one cell up, `boundary` (one name per axis) deciding what lies beyond the edges."""
    sign, inside = 1, []
    for i, n, name in zip(index, u.shape, boundary, strict=True):
        while not 0 <= i < n:
            if name == "zero":
                return 0.0
            if name == "periodic":
                i += n if i < 0 else -n
            else:
                i = -1 - i if i < 0 else 2 * n - 1 - i
                if name == "absorbing":
                    sign = -sign
        inside.append(i)
    return sign * u[tuple(inside)]


def convolve(u, k, boundary, flip=True):
    """Sum k[j] u[i - (j - o)] over all taps j with o = shape // 2 (correlate: + instead of -)."""
    out = np.zeros(u.shape)
    origin = [n // 2 for n in k.shape]
    for i in np.ndindex(u.shape):
        total = 0.0
        for j in np.ndindex(k.shape):
            move = [a - o for a, o in zip(j, origin, strict=True)]
            source = [a - d if flip else a + d for a, d in zip(i, move, strict=True)]
            total += k[j] * value(u, source, boundary)
        out[i] = total
    return out


def full(u, k):
    """Sum u[i] k[j] into out[i + j]: the convolution of two finite sequences."""
    out = np.zeros([a + b - 1 for a, b in zip(u.shape, k.shape, strict=True)])
    for i in np.ndindex(u.shape):
        for j in np.ndindex(k.shape):
            out[tuple(a + b for a, b in zip(i, j, strict=True))] += u[i] * k[j]
    return out


def laplacian(u, spacing, boundary):
    """Second differences from every cell to its neighbours, over the squared spacing."""
    out = np.zeros(u.shape)
    for i in np.ndindex(u.shape):
        for axis, side in itertools.product(range(u.ndim), (-1, 1)):
            neighbour = list(i)
            neighbour[axis] += side
            out[i] += (value(u, neighbour, boundary) - u[i]) / spacing[axis] ** 2
    return out
