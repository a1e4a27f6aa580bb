"""Exact integrals of products of piecewise-linear functions."""

import numpy as np

from diffuseconv._jit.compiled import compiled


@compiled
def convolve_pieces(x, f, y, g, at, out, first, last):
    """Integrate ``f(t) g(at - t)`` from knot to knot; ``at[first:last]`` must ascend.

    Between knots of either the product is quadratic in t, for which Simpson's rule is exact.
    """
    low = 0
    for k in range(first, last):
        z = at[k]
        # The overlap of [x[0], x[-1]] with [z - y[-1], z - y[0]]; `low` only moves up as z grows.
        begin, end = max(x[0], z - y[-1]), min(x[-1], z - y[0])
        total = 0.0
        if begin < end:
            while low < len(x) - 2 and x[low + 1] <= begin:
                low += 1
            i = low
            # The piece of g that holds z - begin: the last j with y[j] < z - begin (by rounding that may exceed y[-1]).
            j = min(max(np.searchsorted(y, z - begin) - 1, 0), len(y) - 2)
            t = begin
            while t < end:
                in_f, in_g = x[i + 1], z - y[j]
                t_next = min(in_f, in_g, end)
                slope_f = (f[i + 1] - f[i]) / (x[i + 1] - x[i])
                slope_g = (g[j + 1] - g[j]) / (y[j + 1] - y[j])
                width = max(t_next - t, 0.0)
                f_begin = f[i] + slope_f * (t - x[i])
                f_end = f_begin + slope_f * width
                g_begin = g[j] + slope_g * (z - t - y[j])
                g_end = g_begin - slope_g * width
                middle = (f_begin + f_end) * (g_begin + g_end)
                total += width * (f_begin * g_begin + middle + f_end * g_end)
                if in_f <= t_next:
                    i += 1
                if in_g <= t_next:
                    j -= 1
                t = t_next
                if i > len(x) - 2 or j < 0:
                    break
        out[k] = total / 6.0
