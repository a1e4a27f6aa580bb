"""Oracle of the equation with drift, capacity and decay on any grid: cell by cell, face by face, in plain loops."""

import math

import numpy as np
import scipy.linalg


def matrices(
    shape, diffusivity, widths, walls, velocity=None, capacity=1.0, decay=0.0, mask=None, radius=None, power=0
):
    """Return (L, b) of C u_t = div(D grad u - v u) - decay u; walls are (a, b, c), None for closed, or "periodic".

    With `radius` (inner) the first axis is round: areas grow as r^power. A tuple of diffusivities holds those of faces.
    """
    ndim, size = len(shape), math.prod(shape)
    number = np.arange(size).reshape(shape)
    on_faces = isinstance(diffusivity, tuple)
    left, right = np.zeros((size, size)), np.zeros(size)
    edges = [
        np.concatenate([[radius if a == 0 and radius is not None else 0.0], w]).cumsum() for a, w in enumerate(widths)
    ]

    def measure(axis, i):
        low, high = edges[axis][i], edges[axis][i + 1]
        return (high ** (power + 1) - low ** (power + 1)) / (power + 1) if axis == 0 and power else high - low

    for i in np.ndindex(shape):
        if mask is not None and not mask[i]:
            continue
        c = np.broadcast_to(capacity, shape)[i]
        left[number[i], number[i]] -= np.broadcast_to(decay, shape)[i] / c
        for axis in range(ndim):
            for side in (-1, 1):
                n, w = shape[axis], widths[axis]
                face = i[axis] + (side > 0)
                area = edges[axis][face] ** power if axis == 0 and power else 1.0
                over = area / measure(axis, i[axis]) / c
                at = tuple(face if a == axis else k for a, k in enumerate(i))
                out = 0.0 if velocity is None else side * velocity[axis][at]
                j = list(i)
                j[axis] += side
                if not 0 <= j[axis] < n and walls[axis] != "periodic":
                    wall = walls[axis][side > 0]
                    if wall is None:
                        continue
                    a, b, value = wall
                    k = (diffusivity[axis][at] if on_faces else diffusivity[i]) / (w[i[axis]] / 2)
                    # u on the wall: (value + b k u) / (a + b k); flow outwards: out * wall - k (wall - u)
                    left[number[i], number[i]] -= over * k * (a + out * b) / (a + b * k)
                    right[number[i]] -= over * (out - k) * value / (a + b * k)
                    continue
                j[axis] %= n
                j = tuple(j)
                if j == i:
                    continue  # what flows from a cell into itself, which would leave its rounding
                if mask is not None and not mask[j]:
                    continue
                here, there = w[i[axis]] / 2, w[j[axis]] / 2
                k = 0.0
                if on_faces:
                    k = diffusivity[axis][at] / (here + there)
                elif diffusivity[i] * diffusivity[j] > 0:
                    k = 1 / (here / diffusivity[i] + there / diffusivity[j])
                share = here / (here + there)
                leave = max(k + (1 - share) * out, out, 0.0)
                enter = max(k - share * out, -out, 0.0)
                left[number[i], number[i]] -= over * leave
                left[number[i], number[j]] += over * enter
    return left, right


def volumes(shape, widths, radius=None, power=0):
    """Return the volume of each cell, up to the factor 2 pi or 4 pi."""
    out = np.ones(shape)
    for axis, w in enumerate(widths):
        edges = np.concatenate([[0.0 if radius is None or axis else radius], w]).cumsum()
        p = power if axis == 0 else 0
        measure = np.diff(edges ** (p + 1)) / (p + 1)
        out = out * measure.reshape([-1 if a == axis else 1 for a in range(len(shape))])
    return out


def exact(left, right, u, duration):
    """Evolve a field by the exponential of the matrix, bordered with what walls add."""
    n = u.size
    border = np.zeros((n + 1, n + 1))
    border[:n, :n], border[:n, n] = left, right
    return (scipy.linalg.expm(duration * border) @ np.append(u.ravel(), 1.0))[:n].reshape(u.shape)
