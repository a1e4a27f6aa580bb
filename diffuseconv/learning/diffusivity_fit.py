"""The diffusivity between two photographs, if all that happened is diffusion."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks
from diffuseconv import boundary as walls
from diffuseconv._axes import on_axis
from diffuseconv._typing import Axes, FloatArray
from diffuseconv.learning._lamp import LampFit, fit_with_lamp, require_steady
from diffuseconv.learning._pairs import keep_constants, noise_too_large, of_size_one, pairs
from diffuseconv.learning.estimate import Estimate

__all__ = ["DiffusivityFit", "fit_diffusivity"]

_TRIALS = 80  # of D t on a logarithmic scale, to find every valley of the loss
_GONE = 40.0  # exp(-40) of a mode is below the rounding of a picture


@dataclass(frozen=True)
class DiffusivityFit:
    """A fitted diffusivity.

    Attributes
    ----------
    diffusivity : float
        D, in length²/time.
    standard_error : float
        Its standard deviation over repeated noise.
    lower, upper : float
        The interval that holds the truth with probability `confidence`; never below 0.
    confidence : float
        As asked for.
    noise_variance : float
        Estimated variance of the noise in the later pictures; 0 where that in the earlier ones explains all of it.
    gain, offset : float
        Of the light in the later pictures, where ``lamp="free"`` fits them.
    """

    diffusivity: float
    standard_error: float
    lower: float
    upper: float
    confidence: float
    noise_variance: float
    gain: float = 1.0
    offset: float = 0.0


class _Modes(NamedTuple):
    """The eigenmodes of all pictures in one row: how fast each decays, its power before, and what stayed of it."""

    rates: FloatArray
    power: FloatArray
    product: FloatArray
    after: FloatArray


def fit_diffusivity(
    before: Any,
    after: Any,
    duration: float,
    *,
    spacing: float | Sequence[float] = 1.0,
    before_noise: float = 0.0,
    boundary: str | Sequence[str] = "reflecting",
    axes: Axes = None,
    confidence: float = 0.95,
    lamp: str = "steady",
) -> DiffusivityFit:
    r"""Measure the diffusivity from photographs before and after a time, if nothing but diffusion went on.

    .. math:: \min_D \sum_k \big(\hat v_k - e^{-\lambda_k D t}\, \hat u_k\big)^2
              - \sigma^2 e^{-2 \lambda_k D t}

    over the eigenmodes of the lattice Laplacian with these walls: least squares with the very solution that
    ``DiffusionEquation(D).evolve`` gives, for any D and any duration. One number is asked of all pixels, so its
    interval is far narrower than that of `fit_propagator`, which supposes nothing and finds drift and direction too.

    Noise in `before` decays like salt and makes D too large, however many pixels there are. Given its standard
    deviation :math:`\sigma` the bias is subtracted (the last term).

    Parameters
    ----------
    before, after : array_like, or list of ndarray
        A picture and what became of it, or several such pairs, as in `fit_kernel`.
    duration : float
        t, the time between them, greater than 0.
    spacing : float or one per axis
        Cell width, in length.
    before_noise : float
        Standard deviation of the noise in `before`, the same in every pixel and independent. 0 says there is none;
        if there is some, the result is biased and the interval does not know it.
    boundary : str or sequence of str
        As in `DiffusionEquation`, for all axes or one for each.
    axes : int or sequence of int, optional
        The spatial axes; any others (colours, batches) are more pictures with the same D. All by default.
    confidence : float
        Between 0 and 1.
    lamp : {'steady', 'free'}
        ``"free"`` fits :math:`g\,e^{-\lambda_k D t}\,\hat u_k + o\,\hat 1_k` with the gain `g` and offset `o` of the
        light as well: a lamp that is 10 % dimmer fades every pattern by 10 %, as diffusion fades fine ones, and with
        ``"steady"`` it would pass for diffusion. Behind walls that keep the mean a change beyond 5 standard deviations
        is refused; behind others, and where the mean is near 0, it cannot be seen.

    Returns
    -------
    DiffusivityFit
        Intervals are those of the linearised problem (their error falls with the number of pixels) for independent
        normal noise of one variance in `after`. Where least squares would have D < 0, D is 0, and the interval that of
        the unconstrained estimate from 0 upwards.

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite or exceed 1e100, nothing varies before (beyond noise of the given
        size), or nothing of it is left after.
    TypeError
        For complex numbers, text, or masked arrays.

    References
    ----------
    .. [1] G. A. F. Seber, C. J. Wild, "Nonlinear Regression" (1989), section 2.1; chapter 10 for noise in both.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> photo = rng.uniform(size=(128, 128))
    >>> later = dc.DiffusionEquation(1e-9, spacing=1e-5).evolve(photo, 0.2) + rng.normal(0, 0.01, photo.shape)
    >>> fit = dc.learning.fit_diffusivity(photo, later, duration=0.2, spacing=1e-5)
    >>> print(f"D = {fit.diffusivity:.3g} ± {fit.standard_error:.1g} m²/s")
    D = 9.97e-10 ± 3e-12 m²/s
    """
    time = _checks.number("duration", duration, above=0.0, least=1e-150)
    deviation = _checks.number("before_noise", before_noise, least=0.0, most=_checks.LONGEST)
    level = _checks.probability("confidence", confidence)
    light = _checks.choice("lamp", lamp, ("steady", "free"))
    given, noise, unit = of_size_one(pairs(("before", "after"), before, after, None, axes), deviation)
    ndim = given[0].before.ndim - 1
    names = walls.per_axis(boundary, ndim)
    widths = _checks.spacing(spacing, ndim)
    relative = [width / min(widths) for width in widths]
    rows = [_modes(u, v, relative, names) for pair in given for u, v in zip(pair.before, pair.after, strict=True)]
    modes = _Modes(*(np.concatenate(column) for column in zip(*rows, strict=True)))

    if light == "steady":
        spread, error, variance = _solve(modes, noise, deviation)
        if keep_constants(names):
            means = np.array([sum(float(part[i].sum()) for part in given) for i in range(2)]) / modes.rates.size
            require_steady(means, modes.power, modes.rates, modes.rates.size, variance, unit)
        fit = LampFit(spread, error, variance, 1.0, 0.0)
    else:
        first = _all_modes([pair.before for pair in given], names)
        second = _all_modes([pair.after for pair in given], names)
        ones = _all_modes([np.ones_like(pair.before) for pair in given], names)
        fit = fit_with_lamp(first, second, ones, modes.rates, noise)
    scale = min(widths) ** 2 / time  # D t was sought in units of the squared smallest cell
    free = modes.rates.size - (1 if light == "steady" else 3)
    found = Estimate.student(fit.spread * scale, fit.error * scale, level, free)
    return DiffusivityFit(
        diffusivity=max(0.0, float(found.value)),
        standard_error=float(found.standard_error),
        lower=max(0.0, float(found.lower)),
        upper=max(0.0, float(found.upper)),
        confidence=level,
        noise_variance=fit.variance * unit**2,
        gain=fit.gain,
        offset=fit.offset * unit,
    )


def _modes(u: FloatArray, v: FloatArray, widths: Sequence[float], names: Sequence[str]) -> _Modes:
    """Expand both pictures in eigenmodes of length 1."""
    rates: Any = 0.0
    for axis, (size, width, name) in enumerate(zip(u.shape, widths, names, strict=True)):
        along = walls.eigenvalues(size, name) / width**2
        rates = rates + on_axis(along, axis, u.ndim)
    first, second = _expand(u, names), _expand(v, names)
    power, product = np.abs(first) ** 2, (first.conj() * second).real
    return _Modes(rates.ravel(), power.ravel(), product.ravel(), (np.abs(second) ** 2).ravel())


def _expand(u: FloatArray, names: Sequence[str]) -> NDArray[Any]:
    """Expand in orthonormal eigenmodes, so that sums of squares, and white noise, stay what they are."""
    return walls.transform(u.astype(np.complex128), names, norm="ortho")


def _all_modes(stacks: Sequence[FloatArray], names: Sequence[str]) -> NDArray[Any]:
    """Expand all pictures, in one row."""
    return np.concatenate([_expand(u, names).ravel() for stack in stacks for u in stack])


def _solve(modes: _Modes, noise: float, deviation: float) -> tuple[float, float, float]:
    """Return the best D t (perhaps below 0, by the tangent at 0), its standard error, and the variance of the noise."""
    from scipy.optimize import brentq

    signal, rates = modes.power - noise, modes.rates

    def loss(spread: float) -> float:
        """Return the part of the sum of squares that depends on D t."""
        kept = np.exp(-rates * spread)
        return float(kept @ (kept * signal - 2 * modes.product))

    def slope(spread: float) -> float:
        """Return half of how fast the loss falls."""
        kept = np.exp(-rates * spread)
        return float((rates * kept) @ (kept * signal - modes.product))

    def curvature(spread: float) -> float:
        """Return half of the loss's second derivative, but for terms that average to 0 (Gauss-Newton)."""
        return float((rates * np.exp(-rates * spread)) ** 2 @ signal)

    moving = rates > 0
    blur = np.finfo(float).eps ** 2 * rates.size * modes.power.sum()
    if not modes.power[moving].sum() > blur:
        raise ValueError("before must vary, got pictures without any pattern")
    trials = [0.0, *np.geomspace(1e-6 / rates.max(), _GONE / rates[moving].min(), _TRIALS).tolist()]
    falls = [slope(trial) > 0 for trial in trials]
    valleys = [] if falls[0] else [0.0]  # the loss rises from 0 on
    for i in range(_TRIALS):
        if falls[i] and not falls[i + 1]:
            valleys.append(float(brentq(slope, trials[i], trials[i + 1], xtol=1e-14 * trials[i + 1])))
    if not valleys:
        raise ValueError("after must keep some pattern of before, got pictures mixed completely or unlike each other")
    spread = min(valleys, key=loss)
    kept, hessian = np.exp(-rates * spread), curvature(spread)
    if hessian <= 0:
        raise noise_too_large(deviation)
    if spread == 0:
        spread = slope(0.0) / hessian

    squares = float(np.sum(modes.after - 2 * kept * modes.product + kept**2 * modes.power))
    variance = max(0.0, squares - noise * float(kept @ kept)) / (rates.size - 1)
    doubt = modes.power * (variance + noise * kept**2) + (noise * kept) ** 2
    error = math.sqrt(float((rates * kept) ** 2 @ doubt)) / hessian
    return spread, error, variance
