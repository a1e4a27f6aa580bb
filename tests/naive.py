"""Oracles: the definitions as plain loops, slow and obvious, sharing no code with the package."""

import itertools
import math
from fractions import Fraction

import numpy as np


def value(u, index, boundary):
    """Look one cell up, `boundary` (one name per axis) deciding what lies beyond the edges; the last axis is first."""
    sign, inside = 1, []
    for i, n, name in reversed(list(zip(index, u.shape, boundary, strict=True))):
        while not 0 <= i < n:
            if name == "zero":
                return 0.0
            if not isinstance(name, str):  # a constant
                return sign * name.value
            if name in ("periodic", "antiperiodic"):
                i += n if i < 0 else -n
                if name == "antiperiodic":
                    sign = -sign
            elif name == "nearest":
                i = min(max(i, 0), n - 1)
            elif name == "mirror":
                i = 0 if n == 1 else -i if i < 0 else 2 * n - 2 - i
            else:
                i = -1 - i if i < 0 else 2 * n - 1 - i
                if name == "absorbing":
                    sign = -sign
        inside.append(i)
    return sign * u[tuple(reversed(inside))]


def convolve(u, k, boundary, flip=True):
    """Sum k[j] u[i - (j - o)] over all taps j with o = shape // 2 (correlate: + instead of -)."""
    out = np.zeros(u.shape, np.result_type(u, k, float))
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


def difference(x, order):
    """Compute each value minus the one before, `order` times."""
    x = [float(v) for v in x]
    for _ in range(order):
        x = [b - a for a, b in itertools.pairwise(x)]
    return np.array(x)


def arima(ar, ma, differences, intercept, noise):
    """Run the recursion w[t] = intercept + sum ar w + noise[t] + sum ma noise from 0, sum `differences` times."""
    w = []
    for t in range(len(noise)):
        total = intercept + noise[t]
        for j, phi in enumerate(ar, start=1):
            total += phi * w[t - j] if t >= j else 0.0
        for j, theta in enumerate(ma, start=1):
            total += theta * noise[t - j] if t >= j else 0.0
        w.append(total)
    for _ in range(differences):
        w = list(itertools.accumulate(w))
    return np.array(w)


def psi_weights(ar, ma, count):
    """Solve psi[j] = ma[j] + sum ar[i] psi[j - i] one by one."""
    return arima(ar, ma, 0, 0.0, [1.0] + [0.0] * (count - 1))


def arma_covariance(ar, ma, count, terms=1500):
    """Covariance matrix of `count` successive values of an ARMA series (noise of variance 1), from its psi-weights."""
    psi = psi_weights(ar, ma, terms)
    gamma = [float(psi[k:] @ psi[: terms - k]) for k in range(count)]
    return np.array([[gamma[abs(i - j)] for j in range(count)] for i in range(count)])


def arima_forecast(ar, ma, differences, mean, series, steps):
    """Condition the joint normal distribution of past and future: mean and variance (noise of variance 1)."""
    w = difference(series, differences)
    n = len(w)
    joint = arma_covariance(ar, ma, n + steps)
    gain = np.linalg.solve(joint[:n, :n], joint[:n, n:]).T
    ahead = mean + gain @ (w - mean)
    covariance = joint[n:, n:] - gain @ joint[:n, n:]
    total = np.eye(steps)
    for order in reversed(range(differences)):
        ahead = difference(series, order)[-1] + np.array(list(itertools.accumulate(ahead)))
        total = np.tril(np.ones((steps, steps))) @ total
    return ahead, np.diag(total @ covariance @ total.T)


def piecewise_linear_convolution(x, f, y, g, at):
    """Convolve piecewise-linear functions in exact fractions, as a sum of (z - x[i] - y[j])_+^p / p!."""

    def powers(knots, values):
        """Write the function as a sum of weight * (t - knot)_+^p / p! with p = 0 (jumps) or 1 (changes of slope)."""
        knots, values = [Fraction(v) for v in knots], [Fraction(v) for v in values]
        slopes = [(d - c) / (b - a) for (a, c), (b, d) in itertools.pairwise(zip(knots, values, strict=True))]
        yield from ((0, knots[0], values[0]), (0, knots[-1], -values[-1]))
        for knot, before, after in zip(knots, [0, *slopes], [*slopes, 0], strict=True):
            yield 1, knot, after - before

    total = []
    for z in map(Fraction, at):
        h = Fraction(0)
        for (p, a, v), (q, b, w) in itertools.product(powers(x, f), powers(y, g)):
            if z > a + b:
                h += v * w * (z - a - b) ** (p + q + 1) / math.factorial(p + q + 1)
        total.append(float(h))
    return np.array(total)


def dft(u):
    """Sum u[j] exp(-2 pi i m.j / n) for every m."""
    out = np.zeros(u.shape, complex)
    for m in np.ndindex(u.shape):
        for j in np.ndindex(u.shape):
            cycles = sum(a * b / n for a, b, n in zip(m, j, u.shape, strict=True))
            out[m] += u[j] * np.exp(-2j * np.pi * cycles)
    return out


def centred_frequencies(shape):
    """Whole cycles per image at every cell of a centred plane."""
    out = np.zeros((*shape, len(shape)))
    for i in np.ndindex(tuple(shape)):
        out[i] = [a - n // 2 for a, n in zip(i, shape, strict=True)]
    return out


def score(u, t, boundary=None):
    """Correlation coefficient of a template with every window: whole ones, or one for each cell behind `boundary`."""
    widths = t.shape
    shape = u.shape if boundary else tuple(n - m + 1 for n, m in zip(u.shape, widths, strict=True))
    out = np.zeros(shape)
    for i in np.ndindex(shape):
        window = np.zeros(widths)
        for j in np.ndindex(widths):
            if boundary:
                window[j] = value(u, [a + b - m // 2 for a, b, m in zip(i, j, widths, strict=True)], boundary)
            else:
                window[j] = u[tuple(a + b for a, b in zip(i, j, strict=True))]
        if window.min() < window.max():
            left, right = t - t.mean(), window - window.mean()
            out[i] = (left * right).sum() / math.sqrt((left**2).sum() * (right**2).sum())
    return out


def diffusion(shape, diffusivity, spacing, walls, barriers=None, permeability=0.0, mask=None, source=None):
    """Write the diffusion equation as du/dt = L u + b, cell by cell and face by face.

    `walls` holds for each axis "periodic" or a pair of (a, b, c) with a u + b D du/dn = c on the face.
    """
    size = math.prod(shape)
    number = np.arange(size).reshape(shape)
    left, right = np.zeros((size, size)), np.zeros(size)
    for i in np.ndindex(shape):
        if mask is not None and not mask[i]:
            continue
        right[number[i]] += 0.0 if source is None else source[i]
        for axis, up in itertools.product(range(len(shape)), (False, True)):
            dx, d = spacing[axis], diffusivity[i]
            j = list(i)
            j[axis] += 1 if up else -1
            if not 0 <= j[axis] < shape[axis]:
                if walls[axis] == "periodic":
                    j[axis] %= shape[axis]
                else:
                    a, b, c = walls[axis][up]
                    if a == 0 or d > 0:
                        resistance = b if a == 0 else a * dx / (2 * d) + b
                        left[number[i], number[i]] -= a / resistance / dx
                        right[number[i]] += c / resistance / dx
                    continue
            inner = abs(j[axis] - i[axis]) == 1 and j[axis] == i[axis] + (1 if up else -1)
            j = tuple(j)
            other = diffusivity[j]
            if d == 0 or other == 0 or (mask is not None and not mask[j]):
                continue
            resistance = dx / 2 / d + dx / 2 / other
            if inner and barriers is not None and barriers[axis][min(i, j)]:
                if permeability == 0:
                    continue
                resistance += 1 / permeability
            left[number[i], number[j]] += 1 / resistance / dx
            left[number[i], number[i]] -= 1 / resistance / dx
    return left, right


def matrix(apply, shape):
    """Write a linear map of real fields as a matrix, one unit field after the other."""
    columns = []
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        columns.append(apply(unit).ravel())
    return np.array(columns).T


def coined_walk(state, coin, steps):
    """Toss and move every amplitude of a walker on a ring by itself."""
    for _ in range(steps):
        moved = np.zeros(state.shape, complex)
        for side, cell in np.ndindex(state.shape):
            for face, move in ((0, -1), (1, 1)):
                moved[face, (cell + move) % state.shape[1]] += coin[face][side] * state[side, cell]
        state = moved
    return state


def design(u, taps, boundary):
    """Write the matrix that takes the weights of a kernel to its convolution with u: u[i - (j - o)] at (i, j)."""
    out = np.zeros((u.size, math.prod(taps)))
    for row, i in enumerate(np.ndindex(u.shape)):
        for column, j in enumerate(np.ndindex(tuple(taps))):
            out[row, column] = value(u, [a - b + n // 2 for a, b, n in zip(i, j, taps, strict=True)], boundary)
    return out


def correlation(maps):
    """Pearson's correlation of every two maps, one pair at a time."""
    out = np.eye(len(maps))
    for a, b in itertools.permutations(range(len(maps)), 2):
        x, y = maps[a] - np.mean(maps[a]), maps[b] - np.mean(maps[b])
        size = math.sqrt(np.sum(x * x) * np.sum(y * y))
        out[a, b] = np.sum(x * y) / size if size > 0 else 0.0
    return out
