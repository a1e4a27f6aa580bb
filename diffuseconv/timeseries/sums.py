"""Sums of independent random variables: their density is the convolution of the densities."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _threads
from diffuseconv._jit import timeseries as _jit
from diffuseconv._typing import FloatArray, loop_input
from diffuseconv.convolution import convolve
from diffuseconv.timeseries import _series

__all__ = ["convolve_irregular", "sum_density"]


def sum_density(
    f: ArrayLike, g: ArrayLike, spacing: float = 1.0, *, starts: Sequence[float] = (0.0, 0.0)
) -> tuple[FloatArray, FloatArray]:
    r"""Return the density of X + Y for independent X and Y whose densities are sampled on grids of one spacing.

    .. math:: h(z_k) = \int f(t)\, g(z_k - t)\, dt \approx \Delta x \sum_i f_i\, g_{k-i},
              \qquad z_k = x_0 + y_0 + k\, \Delta x

    The result is longer than either input and begins at the *sum of their starts*: two dice, each from 1 to 6, add up
    to 2 to 12. With ``spacing=1`` whole-number chances are exact. For continuous densities the sum is the rectangle
    rule. Its masses, means and variances (of ``spacing * f`` as point masses) add up as those of the variables do, to
    rounding: ``h.sum() * spacing`` is ``(f.sum() * spacing) * (g.sum() * spacing)``, so 1 stays 1. The sums are
    direct ones, not a Fourier transform: every value keeps its relative accuracy, however far out in the tail.

    Parameters
    ----------
    f, g : array, shapes (n,) and (m,), >= 0
        Densities in 1/length; the one of X at ``starts[0] + spacing * i``, the one of Y at ``starts[1] + spacing * i``.
    spacing : float, > 0
        Distance between samples, the same for both. For other grids see `convolve_irregular`.
    starts : pair of float, keyword only
        Where the first sample of each lies.

    Returns
    -------
    z : array, shape (n + m - 1,)
        Where the result's samples lie.
    h : array, shape (n + m - 1,), float64
        The density of the sum there.

    Raises
    ------
    ValueError, TypeError
        If a density is negative somewhere, has no mass, or is not finite and one-dimensional.

    References
    ----------
    Feller, "An Introduction to Probability Theory and Its Applications", vol. 2 (1971), section I.2.

    Examples
    --------
    >>> die = np.full(6, 1 / 6)
    >>> total, chance = dc.timeseries.sum_density(die, die, starts=(1, 1))
    >>> total[[0, 5, 10]], chance[[0, 5, 10]] * 36
    (array([ 2., 7., 12.]), array([1., 6., 1.]))
    """
    width = _checks.length("spacing", spacing)
    first = _series.series("starts", starts)
    if len(first) != 2:
        raise ValueError(f"starts must be one number for each of the 2 densities, got {len(first)}")
    density_f, density_g = _density("f", f), _density("g", g)
    long, short = (density_f, density_g) if len(density_f) >= len(density_g) else (density_g, density_f)
    powers = [int(np.frexp(values.max())[1]) for values in (long, short)]
    scaled = (np.ldexp(values, -power) for values, power in zip((long, short), powers, strict=True))
    density = convolve(*scaled, boundary="zero", mode="full", method="direct")
    fraction, power = np.frexp(width)
    with _series.quietly():
        density = _series.finite("f", np.ldexp(density * fraction, sum(powers) + int(power)), "the density")
        places = first[0] + first[1] + width * np.arange(len(density))
    return _series.finite("spacing", places, "the places"), density


def convolve_irregular(
    x: ArrayLike, f: ArrayLike, y: ArrayLike, g: ArrayLike, *, at: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    r"""Convolve two piecewise-linear functions on irregular grids, exactly.

    .. math:: h(z) = \int_{-\infty}^{\infty} f(t)\, g(z - t)\, dt

    f is linear between its knots ``x`` and 0 outside ``[x[0], x[-1]]`` (it jumps at an end where its value is
    not 0), g likewise. Then h is continuous, 0 outside ``[x[0] + y[0], x[-1] + y[-1]]``, and a cubic between
    neighbouring *sums of knots* ``x[i] + y[j]``. These sums are where the result's x-values lie: no grid of
    equal steps is needed, and none would do. Four values within a piece determine its cubic (see the example).

    Every value is a sum of exact integrals (Simpson's rule on pieces where the integrand is quadratic), right to
    rounding: the error is at most some 16 rounding units times ``(n + m) max|f| max|g|`` times the length of the
    result's support. Time grows as the number of values times n + m.

    Parameters
    ----------
    x : array, shape (n,), n >= 2
        Knots of f, strictly increasing.
    f : array, shape (n,)
        Values there.
    y, g : arrays, shape (m,), m >= 2
        The same for the other function.
    at : array, any shape, keyword only
        Where to evaluate h. By default at every knot sum, ascending, those that agree to rounding only once.

    Returns
    -------
    z : array
        Where the values lie: the knot sums, or `at`.
    h : array, same shape, float64
        The convolution there.

    Raises
    ------
    ValueError, TypeError
        If the knots do not increase, shapes differ, or anything is not finite.

    References
    ----------
    Stoer and Bulirsch, "Introduction to Numerical Analysis", 3rd ed. (2002), section 3.1 (exactness of Simpson's rule).

    Examples
    --------
    Two boxes of widths 1 and 2 give a trapezium:

    >>> dc.timeseries.convolve_irregular([0, 1], [1, 1], [0, 2], [1, 1])
    (array([0., 1., 2., 3.]), array([0., 1., 1., 0.]))

    The curve between knots, here as a SciPy interpolant of one piece:

    >>> from scipy.interpolate import BarycentricInterpolator
    >>> z = np.linspace(1.0, 2.0, 4)
    >>> piece = BarycentricInterpolator(*dc.timeseries.convolve_irregular([0, 1], [0, 1], [0, 2], [1, 1], at=z))
    >>> float(piece(1.5))
    0.5
    """
    knots_f, values_f, power_f = _piecewise("x", x, "f", f)
    knots_g, values_g, power_g = _piecewise("y", y, "g", g)
    wanted = None if at is None else _checks.array("at", at).astype(np.float64)

    # From here on both grids begin at 0: grids far from 0 (dates in seconds) keep their digits.
    local_f, local_g = knots_f - knots_f[0], knots_g - knots_g[0]
    if wanted is None:
        sums = np.add.outer(local_f, local_g).ravel()
        order = np.argsort(sums, kind="stable")
        local = sums[order]
        # Sums that differ by less than rounding (of the inputs and the sum) are one: 0.1 + 0.2 and 0.3 + 0.
        scale = max(np.abs(knots_f).max(), np.abs(knots_g).max())
        keep = np.diff(local, prepend=-np.inf) > 4 * np.finfo(float).eps * scale
        local = local[keep]
        wanted = np.add.outer(knots_f, knots_g).ravel()[order][keep]
    else:
        local = (wanted.ravel() - knots_f[0]) - knots_g[0]
    order = np.argsort(local, kind="stable")
    ascending = local[order]
    given = [loop_input(part) for part in (local_f, values_f, local_g, values_g, ascending)]
    found = np.empty(len(local))
    blocks = _threads.slices(len(local), 4 * _threads.count() if len(local) > 1000 else 1)
    _threads.run(
        lambda first, last: _jit.convolve_pieces(*given, found, first, last),
        blocks,
    )
    result = np.empty(len(local))
    with _series.quietly():
        result[order] = _series.finite("f", np.ldexp(found, power_f + power_g), "the integral")
    return wanted, result.reshape(wanted.shape)


def _density(name: str, value: ArrayLike) -> FloatArray:
    """Check a sampled density: >= 0 and not 0 everywhere."""
    density = _series.series(name, value)
    if density.min() < 0:
        raise ValueError(
            f"{name} must be a density (>= 0 everywhere), got {density.min():g} at index {density.argmin()}"
        )
    if density.max() == 0:
        raise ValueError(f"{name} must have mass, got 0 everywhere")
    return density


def _piecewise(knots_name: str, knots: ArrayLike, name: str, values: ArrayLike) -> tuple[FloatArray, FloatArray, int]:
    """Check a piecewise-linear function; return its knots, its values over a power of two, and the power."""
    places = _checks.summable(knots_name, _series.series(knots_name, knots, least=2))
    heights = _series.series(name, values)
    if len(heights) != len(places):
        raise ValueError(
            f"{name} must have one value for each of the {len(places)} knots {knots_name}, got {len(heights)}"
        )
    steps = np.diff(places)
    if steps.min() <= 0:
        i = int(np.argmin(steps > 0))
        raise ValueError(
            f"{knots_name} must increase strictly, got {places[i]:g} then {places[i + 1]:g} at index {i + 1}"
        )
    power = int(np.frexp(np.abs(heights).max())[1])
    return (
        places,
        np.ldexp(heights, -power),
        power,
    )  # a fresh array: one compiled loop serves views and read-only arrays too
