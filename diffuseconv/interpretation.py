"""What a kernel does, read off its moments: the differential equation that convolution with it is one step of."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks
from diffuseconv.propagator import Propagator

__all__ = ["Interpretation", "interpret"]

Array = NDArray[np.float64]
Powers = tuple[int, ...]

_ROUNDINGS = 16  # roundings that may have made a weight what it is
_HIGHEST_ORDER = 6
_GRID = 2**22  # most frequencies to look at before the search is refined
_WIDEST = 25  # cells of the picture in characters
_FAINT = 0.005  # of the largest weight: too little to draw


@dataclass(frozen=True, eq=False, repr=False)
class Interpretation:
    r"""What convolution with a kernel does; `print` it for a paragraph and a picture.

    Lengths are in cells and times in steps (one use of the kernel). Derivatives come from

    .. math:: k * u = \sum_\alpha c_\alpha \partial^\alpha u, \qquad
        c_\alpha = \frac{(-1)^{|\alpha|}}{\alpha!} \sum_d k_d\, d^\alpha

    Attributes
    ----------
    kernel : ndarray of float64
        The kernel itself.
    kind : str
        ``"zero"``, ``"identity"``, ``"scale"``, ``"shift"``; ``"diffusion"`` (weights of one sign: a blur),
        ``"smoothing"`` (signed, spreads), ``"sharpen"`` (diffusion backward), ``"relief"`` (identity plus a slope),
        ``"mixed"`` (forward along one axis, backward along another), ``"neutral"`` (spreads in neither way);
        ``"slope"``, ``"edge detector"`` (minus a Laplacian), ``"laplacian"``, ``"curvature"`` (another second
        derivative), ``"derivative"`` (order 3 and above); ``"wave"`` (answers to one wavelength).
    summary : str
        One sentence.
    gain : float
        The sum: by how much even light is multiplied.
    order : int or None
        Order of the lowest derivative that does not vanish: 0 where the gain is not 0, 1 for a slope, 2 for a
        Laplacian; None if there is none up to 6.
    coefficients : mapping of tuple of int to float
        :math:`c_\alpha` of the orders 0, 1, 2 and `order`; the key (1, 0) is the first derivative along axis 0.
    drift : ndarray, shape (ndim,), or None
        Mean displacement; None where the gain is 0.
    diffusivity : ndarray, shape (ndim, ndim), or None
        Half the covariance of the displacement, negative where diffusion runs backward; None where the gain is 0.
    principal_diffusivities, principal_axes : ndarray, or None
        Its eigenvalues, largest first, and the directions as columns.
    equation : str or None
        The equation that convolution with the kernel is one step of, up to the gain's sign; where the gain is 0,
        the one that *adding* the convolved picture is one step of. None for waves and zero.
    smoother : ndarray or None
        For a derivative ``k = c * difference * s``: the density `s`, what is left after one difference
        ``u[i + 1] - u[i]`` for every derivative along an axis. None where the kernel has no such factor.
    propagator : Propagator
        The softmax of the kernel, with its mean, covariance and entropy.
    amplification : float
        Largest factor by which a wave is multiplied, ``max |K|`` of the transfer function
        ``K(theta) = sum_d k[d] exp(-1j * theta @ d)``.
    frequency : ndarray, shape (ndim,)
        Where that is, in cycles per cell (one of several places if there are several).
    bounded : bool
        Whether repeated use keeps every field bounded (in the root mean square, on a periodic or unbounded field):
        ``amplification <= 1`` to rounding.
    separable : bool
        Whether the kernel is a product of one factor for each axis.
    picture : str
        The kernel in characters: darker blocks for larger weights, with signs where both occur.
    """

    kernel: Array
    kind: str
    summary: str
    gain: float
    order: int | None
    coefficients: Mapping[Powers, float]
    drift: Array | None
    diffusivity: Array | None
    principal_diffusivities: Array | None
    principal_axes: Array | None
    equation: str | None
    smoother: Array | None
    propagator: Propagator
    amplification: float
    frequency: Array
    bounded: bool
    separable: bool
    picture: str
    _details: tuple[str, ...]

    def __str__(self) -> str:
        """Give the picture and the paragraph."""
        return self.picture + "\n\n" + textwrap.fill(" ".join((self.summary, *self._details)), 96)

    def __repr__(self) -> str:
        """Give the short form."""
        shape = "×".join(map(str, self.kernel.shape))
        return f"<Interpretation of a {shape} kernel: {self.summary}>"


def interpret(kernel: ArrayLike | Propagator) -> Interpretation:
    r"""Say what a kernel does: blur, carry, sharpen, find edges, and the equation behind it.

    A kernel with gain `g` (its sum), mean displacement `v` and covariance `2D` of the displacement is one step, of
    duration 1 on cells of width 1, of

    .. math:: u_t = \ln(g)\, u - v \cdot \nabla u + \nabla \cdot (D \nabla u)

    up to third derivatives. If the gain is 0 the kernel is a derivative, of the lowest order whose moments do not
    vanish. A moment counts as 0 where it is not above :math:`(16 + \sum_a n_a)\,\epsilon \sum_d |k_d|\,|d|^\alpha`:
    what 16 roundings of each weight and the rounding of the sum itself can make. Odd moments come from the
    antisymmetric part of the kernel alone and even ones from the symmetric part, so that a symmetric kernel has no
    drift at all.

    Parameters
    ----------
    kernel : array_like or Propagator
        Finite weights, 1 to 3 dimensions, the origin at ``shape // 2``.

    Returns
    -------
    Interpretation
        A record that prints as plain words.

    Raises
    ------
    TypeError, ValueError
        If the kernel is not an array of finite real numbers with 1 to 3 dimensions.

    Notes
    -----
    `amplification` is exact where no weight is negative (it is the sum) and wherever a wave of the two-cell period
    attains ``sum |k|``. Otherwise ``|K|`` is looked at on a grid of 2 to 8 points for each cell of the kernel along
    each axis. The grid cannot miss more than the factor :math:`\prod_a 1/\cos(\pi m_a / M_a)`, `M` points for
    half-width `m` (Ehlich and Zeller); its peaks within that factor of the highest, up to 16, are climbed to the top
    by Newton steps in a trust region, to about 1e-12.

    References
    ----------
    .. [1] A. Einstein, "Über die von der molekularkinetischen Theorie der Wärme geforderte Bewegung von in ruhenden
       Flüssigkeiten suspendierten Teilchen", Ann. Phys. 17 (1905) 549-560: diffusivity from the spread of one step.
    .. [2] H. Ehlich and K. Zeller, "Schwankung von Polynomen zwischen Gitterpunkten", Math. Z. 86 (1964) 41-44.

    Examples
    --------
    >>> print(dc.interpret(dc.kernels.sharpen()).summary)
    Sharpens: the identity minus diffusion, which is diffusion run backward.
    >>> dc.interpret([1, 2, 1]).diffusivity
    array([[0.25]])
    """
    given = kernel.density if isinstance(kernel, Propagator) else _checks.field("kernel", kernel)
    eps = float(np.finfo(given.dtype).eps)
    taken = np.array(given, dtype=np.float64)
    taken.setflags(write=False)
    largest = float(np.abs(taken).max())
    if largest > np.finfo(np.float64).max / taken.size:
        raise ValueError(f"kernel must have weights whose sum is a finite number, got {largest:g} among them")
    scale = math.frexp(largest)[1] if largest else 0
    weights = np.ldexp(taken, -scale)  # so that sums of huge weights stay finite; powers of two do not round
    found = _Moments(weights, eps)

    order = found.lowest_order()
    coefficients = {
        powers: math.ldexp(found.coefficient(powers), scale)
        for n in sorted({0, 1, 2} | ({order} if order is not None else set()))
        for powers in _of_order(n, taken.ndim)
    }
    gain = coefficients[(0,) * taken.ndim]
    drift, diffusivity = found.drift_and_diffusivity()
    height, frequency, many = _highest_response(weights)
    smoother = _smoother(weights, found, order)
    unit = abs(abs(gain) - 1) <= found.slack * math.ldexp(float(np.abs(weights).sum()), scale)
    kind = _kind(weights, found, order, diffusivity, height, frequency)
    if kind == "identity" and not (unit and gain > 0):
        kind = "scale"
    equation = _equation(kind, gain, drift, diffusivity, coefficients, order, found, unit)
    spread = principal = None
    if diffusivity is not None:
        spread, principal = _principal(diffusivity)
    amplification = math.ldexp(height, scale)
    bounded = amplification <= 1 + found.slack * math.ldexp(float(np.abs(weights).sum()), scale)
    separable = _separable(weights, eps)
    propagator = Propagator.softmax(taken)
    details = [
        *_gain_words(kind, gain, unit),
        *_motion_words(kind, drift, spread, principal, equation, smoother),
        *_wave_words(kind, frequency, many),
        _repeat_words(amplification, bounded, gain),
        _softmax_words(propagator),
        *(["It is a product of one factor per axis (separable)."] if separable and taken.ndim > 1 else []),
    ]
    return Interpretation(
        kernel=taken,
        kind=kind,
        summary=_summary(kind, gain, drift, diffusivity, coefficients, order, weights, frequency, smoother, many),
        gain=gain,
        order=order,
        coefficients=MappingProxyType(coefficients),
        drift=drift,
        diffusivity=diffusivity,
        principal_diffusivities=spread,
        principal_axes=principal,
        equation=equation,
        smoother=smoother,
        propagator=propagator,
        amplification=amplification,
        frequency=frequency,
        bounded=bounded,
        separable=separable,
        picture=_picture(weights),
        _details=tuple(details),
    )


# --- moments ---------------------------------------------------------------------------------------------------------


def _moves(size: int) -> Array:
    """Give the displacements along an axis of this size."""
    return np.arange(size, dtype=np.float64) - size // 2


def _of_order(n: int, ndim: int) -> list[Powers]:
    """List the derivatives of total order `n`."""
    return [powers for powers in itertools.product(range(n, -1, -1), repeat=ndim) if sum(powers) == n]


def _weighted_sum(kernel: Array, factors: Sequence[Array]) -> float:
    """Sum the kernel times one factor per axis."""
    total: Any = kernel
    for factor in reversed(factors):
        total = total @ factor
    return float(total)


class _Moments:
    """The moments of one kernel, each 0 where rounding alone could have made it."""

    def __init__(self, kernel: Array, eps: float) -> None:
        self.kernel = np.pad(kernel, [(0, 1 - n % 2) for n in kernel.shape])  # odd sizes: flipping keeps the origin
        flipped = np.flip(self.kernel)
        self.symmetric, self.antisymmetric = (self.kernel + flipped) / 2, (self.kernel - flipped) / 2
        self.slack = (_ROUNDINGS + sum(kernel.shape)) * eps
        self.moves = [_moves(n) for n in self.kernel.shape]

    def moment(self, powers: Powers) -> float:
        """Sum ``k[d] * d**powers``."""
        part = self.antisymmetric if sum(powers) % 2 else self.symmetric
        factors = [move**n for move, n in zip(self.moves, powers, strict=True)]
        value = _weighted_sum(part, factors)
        return value if abs(value) > self.slack * self._size(factors) else 0.0

    def _size(self, factors: Sequence[Array]) -> float:
        return _weighted_sum(np.abs(self.kernel), [np.abs(factor) for factor in factors])

    def coefficient(self, powers: Powers) -> float:
        """Give the factor of a derivative."""
        value = self.moment(powers) / math.prod(map(math.factorial, powers))
        return -value if value and sum(powers) % 2 else value

    def lowest_order(self) -> int | None:
        """Find the lowest order with a moment that does not vanish."""
        for n in range(_HIGHEST_ORDER + 1):
            if any(self.moment(powers) for powers in _of_order(n, self.kernel.ndim)):
                return n
        return None

    def central(self, powers: Powers, mean: Array) -> float:
        """Sum ``k[d] * (d - mean)**powers``."""
        factors = [(move - centre) ** n for move, centre, n in zip(self.moves, mean, powers, strict=True)]
        value = _weighted_sum(self.kernel, factors)
        return value if abs(value) > self.slack * self._size(factors) else 0.0

    def mean(self) -> Array:
        """Give the mean displacement, weighted by the kernel, whose gain is not 0."""
        ndim = self.kernel.ndim
        return np.array([self.moment(tuple(row)) for row in np.eye(ndim, dtype=int)]) / self.moment((0,) * ndim)

    def drift_and_diffusivity(self) -> tuple[Array | None, Array | None]:
        """Give the mean and half the covariance of the displacement, weighted by the kernel; None for gain 0."""
        unit = np.eye(self.kernel.ndim, dtype=int)
        gain = self.moment((0,) * self.kernel.ndim)
        if gain == 0:
            return None, None
        mean = self.mean()
        return mean, np.array([[self.central(tuple(a + b), mean) for b in unit] for a in unit]) / (2 * gain)

    def beyond_diffusion(self) -> dict[Powers, float]:
        """Give the lowest derivatives that act where nothing spreads: their factors in the differential equation."""
        mean, ndim = self.mean(), self.kernel.ndim
        gain = self.moment((0,) * ndim)
        for n in range(3, _HIGHEST_ORDER):  # so far these moments are the cumulants
            sums = {powers: self.central(powers, mean) for powers in _of_order(n, ndim)}
            if any(sums.values()):
                return {p: (-1) ** n * v / gain / math.prod(map(math.factorial, p)) for p, v in sums.items()}
        return {}


def _principal(diffusivity: Array) -> tuple[Array, Array]:
    """Give the eigenvalues, largest first, and the directions as columns."""
    values, axes = np.linalg.eigh(diffusivity)
    return values[::-1], axes[:, ::-1]


# --- transfer function and factors -----------------------------------------------------------------------------------


def _highest_response(kernel: Array) -> tuple[float, Array, bool]:
    """Find the largest ``|K|``, a frequency that has it, and whether other directions have it too."""
    flat = [axis for axis, n in enumerate(kernel.shape) if n == 1]
    if flat and kernel.size > 1:  # nothing changes along such an axis
        height, frequency, many = _highest_response(np.squeeze(kernel))
        return height, np.insert(frequency, np.array(flat) - np.arange(len(flat)), 0.0), many
    ndim = kernel.ndim
    total = float(np.abs(kernel).sum())
    corners = [
        corner
        for corner in itertools.product(*[(0, 1) if n > 1 else (0,) for n in kernel.shape])
        if _one_sign(kernel * reduce(np.multiply.outer, _alternations(kernel.shape, corner)))
    ]
    if corners:  # this wave meets every weight with the same sign: no other can do better
        return total, np.array(corners[0]) / 2, len(corners) > 1
    finest = next((f for f in (8, 4) if math.prod(f * n for n in kernel.shape) <= _GRID), 2)
    grid = [finest * n for n in kernel.shape]
    response = np.abs(np.fft.rfftn(kernel, grid, axes=range(ndim)))
    unseen = math.prod(math.cos(math.pi * (n // 2) / m) for n, m in zip(kernel.shape, grid, strict=True))
    wave = [
        np.fft.rfftfreq(m) if axis == ndim - 1 else np.fft.fftfreq(m)  # one half tells the other
        for axis, m in enumerate(grid)
    ]
    peak = response >= unseen * response.max()
    for axis, step in itertools.product(range(ndim), (-1, 1)):
        beside = np.roll(response, step, axis)
        if axis == ndim - 1:  # only half of this axis is there: its ends have one neighbour
            beside[..., 0 if step == 1 else -1] = 0.0
        peak &= response >= beside
    places = np.argwhere(peak)[np.argsort(-response[peak], kind="stable")][:16]
    width = np.array([1 / m for m in grid])
    refined = [_climb(kernel, np.array([w[i] for w, i in zip(wave, place, strict=True)]), width) for place in places]
    best, where = max(refined, key=lambda item: item[0])
    level = [f for height, f in refined if height >= best * (1 - 1e-9)]
    many = any(min(_apart(f, where), _apart(-f, where)) > 1e-3 for f in level)
    return best, where, many


def _alternations(shape: Sequence[int], corner: Sequence[int]) -> list[Array]:
    """Give, for each axis, the wave that is 1 everywhere or changes sign from cell to cell."""
    return [np.where(_moves(n) % 2, 1.0 - 2 * c, 1.0) for n, c in zip(shape, corner, strict=True)]


def _one_sign(kernel: Array) -> bool:
    return bool(np.all(kernel >= 0) or np.all(kernel <= 0))


def _apart(f: Array, g: Array) -> float:
    """Measure how far apart two frequencies are; whole numbers do not count."""
    difference = f - g
    return float(np.abs(difference - np.rint(difference)).max())


def _climb(kernel: Array, start: Array, width: Array) -> tuple[float, Array]:
    """Climb from a frequency to the top of ``|K|`` near it; `width` is the scale of the search on each axis."""
    from scipy.optimize import minimize

    moves = [-2j * np.pi * w * _moves(n) for n, w in zip(kernel.shape, width, strict=True)]
    unit = np.eye(kernel.ndim, dtype=int)

    def derivatives(x: Any) -> tuple[float, Any, Any]:
        """Give ``-|K|**2``, its gradient and its Hessian."""
        k: Any = kernel
        for move, offset in zip(moves, start / width + x, strict=True):
            wave = np.exp(move * offset)
            k = np.tensordot(k, np.stack([wave, move * wave, move**2 * wave], axis=1), axes=(0, 0))
        value = k[(0,) * kernel.ndim]
        first = np.array([k[tuple(a)] for a in unit])
        second = np.array([[k[tuple(a + b)] for b in unit] for a in unit])
        hessian = np.multiply.outer(first.conj(), first) + value.conj() * second
        return -(abs(value) ** 2), -2 * (value.conj() * first).real, -2 * hessian.real

    given = -derivatives(np.zeros(kernel.ndim))[0]
    options = {"gtol": 1e-9, "maxiter": 100, "initial_trust_radius": 0.5, "max_trust_radius": 2.0}
    climbed = minimize(  # type: ignore[call-overload]
        lambda x: derivatives(x)[0] / given,
        np.array([0.13, 0.11, 0.07])[: kernel.ndim],  # off the symmetric points, which may be saddles
        jac=lambda x: derivatives(x)[1] / given,
        hess=lambda x: derivatives(x)[2] / given,
        method="trust-exact",
        options=options,
    )
    if -climbed.fun <= 1 + 1e-13:  # on a flat top stay at the round frequency
        return math.sqrt(given), (start + 0.5) % 1.0 - 0.5
    return math.sqrt(-climbed.fun * given), (start + width * climbed.x + 0.5) % 1.0 - 0.5


def _separable(kernel: Array, eps: float) -> bool:
    """Tell whether the kernel has rank 1 however it is unfolded into a matrix."""
    for axis in range(kernel.ndim - 1):
        matrix = np.moveaxis(kernel, axis, 0).reshape(kernel.shape[axis], -1)
        strengths = np.linalg.svd(matrix, compute_uv=False)
        if strengths.size > 1 and strengths[1] > _ROUNDINGS * max(matrix.shape) * eps * strengths[0]:
            return False
    return True


def _smoother(kernel: Array, found: _Moments, order: int | None) -> Array | None:
    """Take out a difference for every derivative; give what is left if it is a density."""
    if not order:
        return None
    left = kernel
    for _ in range(order):
        for axis in range(kernel.ndim):
            sums, sizes = left.sum(axis), np.abs(left).sum(axis)
            if np.all(np.abs(sums) <= found.slack * sizes.max()):
                left = np.cumsum(left, axis).take(range(left.shape[axis] - 1), axis)
                break
        else:
            return None
    total = left.sum()
    density = left / total
    if density.min() < -found.slack * np.abs(density).sum():
        return None
    density = np.maximum(density, 0.0)
    return np.asarray(density / density.sum())


# --- what it is ------------------------------------------------------------------------------------------------------


def _kind(
    kernel: Array, found: _Moments, order: int | None, diffusivity: Array | None, height: float, frequency: Array
) -> str:
    """Give one word for what the kernel does."""
    origin = tuple(n // 2 for n in kernel.shape)
    taps = np.count_nonzero(kernel)
    if taps <= 1:
        if taps and not kernel[origin]:
            return "shift"
        return "zero" if taps == 0 else "identity"
    if diffusivity is None:
        return _derivative_kind(found, order)
    gain = found.moment((0,) * kernel.ndim)
    upright = kernel * math.copysign(1.0, gain)
    if upright.min() >= -found.slack * upright.max():
        return "diffusion"
    rest = upright.copy()
    rest[origin] = 0.0
    symmetric = not np.any(np.abs(found.antisymmetric) > found.slack * np.abs(kernel).max())
    if symmetric and rest.max() <= 0:
        return "sharpen"
    even_rest = found.symmetric.copy()
    even_rest[tuple(n // 2 for n in even_rest.shape)] = 0.0
    if not symmetric and np.abs(even_rest).max() <= found.slack * np.abs(kernel).max():
        return "relief"
    if abs(gain) <= 0.1 * height and np.any(frequency) and _is_band(kernel, height, frequency):
        return "wave"
    spread = np.linalg.eigvalsh(diffusivity)
    if not spread.any():
        return "neutral"
    return "smoothing" if spread[0] >= 0 else "sharpen" if spread[-1] <= 0 else "mixed"


def _is_band(kernel: Array, height: float, frequency: Array) -> bool:
    """Tell whether the finest waves of every axis are weak beside the strongest one, or are it themselves."""
    if np.all(np.isin(np.abs(frequency), (0.0, 0.5))):
        return abs(float(kernel.sum())) <= 0.01 * height
    for corner in itertools.product((0, 1), repeat=kernel.ndim):
        if abs(_weighted_sum(kernel, _alternations(kernel.shape, corner))) > 0.1 * height:
            return False
    return True


def _derivative_kind(found: _Moments, order: int | None) -> str:
    """Give the word for a kernel without gain."""
    if order is None:
        return "wave"
    if order != 2:
        return "slope" if order == 1 else "derivative"
    spread = np.linalg.eigvalsh(_second(found.coefficient, found.kernel.ndim))
    if np.all(spread < 0):
        return "edge detector"
    return "laplacian" if np.all(spread > 0) else "curvature"


def _second(coefficient: Any, ndim: int) -> Array:
    """Arrange the coefficients of the second derivatives as a symmetric matrix: the sum of ``H[a, b] d_a d_b``."""
    unit = np.eye(ndim, dtype=int)
    matrix = np.array([[coefficient(tuple(row + column)) for column in unit] for row in unit])
    return np.where(unit == 1, matrix, matrix / 2)


# --- words -----------------------------------------------------------------------------------------------------------


def _say(value: float) -> str:
    """Write a number with up to four digits."""
    return f"{value:.4g}".replace("-", "−")


def _cells(value: float) -> str:
    """Write a length."""
    text = _say(value)
    return f"{text} cell" if text == "1" else f"{text} cells"


def _names(ndim: int) -> str:
    return {1: "x", 2: "yx", 3: "zyx"}[ndim]


def _where(vector: Array) -> str:
    """Name a direction: an angle on the screen in 2-D, components otherwise."""
    if vector.size == 2:
        angle = math.degrees(math.atan2(-vector[0], vector[1])) % 360
        words = {0: "to the right", 45: "to the upper right", 90: "upwards", 135: "to the upper left"}
        words |= {180: "to the left", 225: "to the lower left", 270: "downwards", 315: "to the lower right"}
        nearest = round(angle / 45) * 45
        return words[nearest % 360] if abs(angle - nearest) < 0.05 else f"at {_say(round(angle, 1))}°"
    if vector.size == 1:
        return "to the right" if vector[0] > 0 else "to the left"
    length = math.hypot(*vector)
    parts = [(v / length, n) for n, v in zip(_names(vector.size), vector, strict=True) if abs(v) > 1e-9 * length]
    return "along " + _terms(parts).replace(" ", "")


def _line(vector: Array) -> str:
    """Name a direction that has no sense, such as that of a wave."""
    if vector.size == 2:
        angle = math.degrees(math.atan2(-vector[0], vector[1])) % 180
        angle = 0.0 if angle > 179.95 else angle
        words = {0: "along x", 90: "along y"}
        nearest = round(angle / 90) * 90
        return words[nearest] if abs(angle - nearest) < 0.05 else f"at {_say(round(angle, 1))}°"
    return _where(vector * math.copysign(1.0, vector[int(np.abs(vector).argmax())]))


def _terms(parts: Sequence[tuple[float, str]]) -> str:
    """Write a sum of factors times symbols."""
    text = ""
    for factor, symbol in parts:
        if factor:
            sign = ("−" if factor < 0 else "") if not text else (" − " if factor < 0 else " + ")
            size = _say(abs(factor))
            text += sign + (symbol if size == "1" else f"{size} {symbol}")
    return text or "0"


def _derivative(powers: Powers) -> str:
    """Write a derivative of u."""
    superscript = str.maketrans("23456", "²³⁴⁵⁶")
    order = sum(powers)
    power = "" if order == 1 else str(order).translate(superscript)
    below = "".join(
        "∂" + name + ("" if n == 1 else str(n).translate(superscript))
        for name, n in zip(_names(len(powers)), powers, strict=True)
        if n
    )
    return f"∂{power}u/{below}"


def _same(values: Array) -> bool:
    """Tell whether numbers agree to far more than is printed."""
    return bool(np.ptp(values) <= 1e-9 * np.abs(values).max())


def _second_terms(matrix: Array) -> list[tuple[float, str]]:
    """Write the second derivatives, as one Laplacian where they are one."""
    ndim = len(matrix)
    if not np.any(matrix - np.diag(np.diag(matrix))) and ndim > 1 and _same(np.diag(matrix)):
        return [(float(matrix[0, 0]), "∇²u")]
    unit = np.eye(ndim, dtype=int)
    return [
        (float(matrix[a, b]) * (1 if a == b else 2), _derivative(tuple(unit[a] + unit[b])))
        for a, b in itertools.combinations_with_replacement(range(ndim), 2)
    ]


def _equation(
    kind: str,
    gain: float,
    drift: Array | None,
    diffusivity: Array | None,
    coefficients: Mapping[Powers, float],
    order: int | None,
    found: _Moments,
    unit: bool,
) -> str | None:
    """Write the differential equation."""
    if kind in ("zero", "wave"):
        return None
    parts: list[tuple[float, str]] = []
    if drift is None or diffusivity is None:
        assert order is not None
        ndim = len(next(iter(coefficients)))
        if order == 2:
            parts = _second_terms(_second(coefficients.__getitem__, ndim))
        else:
            parts = [(coefficients[powers], _derivative(powers)) for powers in _of_order(order, ndim)]
    else:
        growth = 0.0 if unit else math.log(abs(gain))
        units = np.eye(drift.size, dtype=int)
        parts = [(growth, "u"), *((-float(v), _derivative(tuple(row))) for v, row in zip(drift, units, strict=True))]
        if kind != "relief":  # there only the first order means anything
            parts += _second_terms(diffusivity)
        if kind == "neutral":
            parts += [(value, _derivative(powers)) for powers, value in found.beyond_diffusion().items()]
    return "∂u/∂t = " + _terms(parts)


def _summary(
    kind: str,
    gain: float,
    drift: Array | None,
    diffusivity: Array | None,
    coefficients: Mapping[Powers, float],
    order: int | None,
    kernel: Array,
    frequency: Array,
    smoother: Array | None,
    many: bool,
) -> str:
    """Say in one sentence what the kernel does."""
    ndim = kernel.ndim
    if kind == "shift":
        assert drift is not None
        return f"Moves the whole picture by {_cells(math.hypot(*drift))} {_where(drift)}, unblurred."
    if kind == "diffusion":
        assert drift is not None
        assert diffusivity is not None
        spread, axes = _principal(diffusivity)
        carry = f" and carries everything {_where(drift)}" if drift.any() else ""
        if spread[0] > 0 and ndim > 1 and spread[-1] <= 1e-3 * spread[0]:
            return f"Blurs along one line{carry}: one step of diffusion in a single direction, {_line(axes[:, 0])}."
        even = "" if ndim == 1 or _same(spread) else f", fastest {_line(axes[:, 0])}"
        return f"Blurs{carry}: one step of diffusion{even}."
    if kind == "relief":
        slope = -np.asarray(drift) * math.copysign(1.0, gain)
        return f"Embosses: the identity plus a slope, so that what rises {_where(slope)} is lit."
    if kind == "slope":
        slope = np.array([coefficients[tuple(row)] for row in np.eye(ndim, dtype=int)])
        only = np.flatnonzero(slope)
        if only.size == 1:
            what = _terms([(float(slope[only[0]]), f"∂/∂{_names(ndim)[only[0]]}")])
            blurred = " of a smoother" if smoother is not None and smoother.size > 1 else ""
            return f"Finds slopes: {what}{blurred}."
        return f"Finds slopes {_where(slope)}: a first derivative, {_say(math.hypot(*slope))} times."
    if kind in ("edge detector", "laplacian", "curvature"):
        second = _terms([(f, s.replace("u", "")) for f, s in _second_terms(_second(coefficients.__getitem__, ndim))])
        sense = {
            "edge detector": "Finds edges and spots: minus a Laplacian",
            "laplacian": "Finds edges and hollows: a Laplacian",
            "curvature": "Finds bends: a second derivative",
        }
        return f"{sense[kind]}, {second}."
    if kind == "neutral" and drift is not None and drift.any():
        return f"Moves everything by {_cells(math.hypot(*drift))} {_where(drift)}, changing only fine detail."
    plain = {
        "identity": "Changes nothing: every grain stays where it is.",
        "scale": f"Multiplies everything by {_say(gain)}.",
        "zero": "Wipes everything out: no grain arrives anywhere.",
        "sharpen": "Sharpens: the identity minus diffusion, which is diffusion run backward.",
        "smoothing": "Smooths, with some overshoot at edges: diffusion forward, but not all weights have one sign.",
        "mixed": "Blurs along one direction and sharpens along another.",
        "neutral": "Keeps smooth parts as they are and changes only fine detail.",
        "derivative": f"Takes a derivative of order {order}.",
    }
    if kind in plain:
        return plain[kind]
    along = "" if many or ndim == 1 or not frequency.any() else f", running {_line(frequency)}"
    return f"Answers to waves about {_length(frequency)} cells long{along}."


def _length(frequency: Array) -> str:
    """Write a wavelength in cells."""
    return f"{1 / math.hypot(*frequency):.3g}"


def _gain_words(kind: str, gain: float, unit: bool) -> list[str]:
    """Say what becomes of even light."""
    if kind in ("zero", "identity", "scale"):
        return []
    if gain == 0:
        return ["Its weights sum to 0: even parts become black, only changes remain."]
    if unit and gain > 0:
        return ["Its weights sum to 1: the brightness of even parts is kept."]
    if kind == "diffusion" and gain > 0:
        return [f"Its weights sum to {_say(gain)}: even light is multiplied; divided by it they are a propagator."]
    turned = " and turned from bright to dark" if gain < 0 else ""
    return [f"Its weights sum to {_say(gain)}: even light is multiplied by {_say(abs(gain))}{turned}."]


def _motion_words(
    kind: str,
    drift: Array | None,
    spread: Array | None,
    principal: Array | None,
    equation: str | None,
    smoother: Array | None,
) -> list[str]:
    """Say where the grains go."""
    if equation is None or kind in ("identity", "scale", "shift"):
        return []
    words = []
    if drift is None:
        words.append(f"Added to the picture it is one step of {equation}.")
        if kind == "edge detector":
            words.append("Adding it sharpens (diffusion backward), subtracting a little blurs (diffusion forward).")
        if kind == "laplacian":
            words.append("Adding a little blurs (diffusion forward), subtracting it sharpens (diffusion backward).")
        if smoother is not None and smoother.size > 1:
            shape = "×".join(map(str, smoother.shape))
            words.append(f"It is a difference of neighbouring cells after a blur by {shape} cells.")
        return words
    assert spread is not None
    assert principal is not None
    if kind == "relief":
        return [f"To first order it is one step of {equation}."]
    if drift.any():
        words.append(f"It carries everything by {_cells(math.hypot(*drift))} {_where(drift)}.")
    if kind == "neutral":
        words.append("It does not spread grains: D = 0.")
    elif drift.size == 1 or _same(spread):
        words.append(f"D = {_say(float(spread[0]))} cells² per step.")
    else:
        sizes = ", ".join(f"{_say(float(d))} {_line(principal[:, i])}" for i, d in enumerate(spread))
        words.append(f"D in cells² per step: {sizes}.")
    if spread[-1] >= 0 and kind == "diffusion":
        words.append(f"A grain spreads by {_cells(math.sqrt(2 * float(spread[0])))} (standard deviation).")
    return [*words, f"It is one step of {equation}."]


def _wave_words(kind: str, frequency: Array, many: bool) -> list[str]:
    """Say which waves pass best, where it is not even light."""
    if kind in ("zero", "identity", "scale", "shift", "diffusion", "wave") or not frequency.any():
        return []
    if frequency.size > 1 and np.all(np.abs(frequency) == 0.5):
        return ["It answers most to the finest checkerboard."]
    along = ", among others" if many else "" if frequency.size == 1 else f", running {_line(frequency)}"
    return [f"It answers most to waves {_length(frequency)} cells long{along}."]


def _repeat_words(amplification: float, bounded: bool, gain: float) -> str:
    """Say what repeated use does."""
    if bounded:
        return f"Used again and again it stays bounded: no wave grows (largest factor {_say(amplification)})."
    what = "even light" if amplification <= abs(gain) * (1 + 1e-12) else "one wave"
    return f"Used again and again it blows up: {what} grows {_say(amplification)}-fold each time."


def _softmax_words(propagator: Propagator) -> str:
    """Describe the softmax propagator."""
    stay = float(propagator.density[tuple(n // 2 for n in propagator.shape)])
    spread = math.sqrt(float(np.trace(propagator.covariance)))
    moved = propagator.mean if np.abs(propagator.mean).max() > 1e-9 else np.zeros(propagator.ndim)
    carried = f", is carried {_cells(math.hypot(*moved))} {_where(moved)}" if moved.any() else ""
    return (
        f"Its softmax is a propagator in which a grain stays put with chance {_say(stay)}{carried}, spreads by "
        f"{_cells(spread)}, and has an entropy of {_say(max(0.0, propagator.entropy))} nats "
        f"(as free as a choice among {math.exp(propagator.entropy):.3g} cells)."
    )


def _picture(kernel: Array) -> str:
    """Draw the kernel in characters; of a 3-D kernel the heaviest slice, of a large one sums over blocks."""
    flat, notes = np.atleast_2d(kernel), []
    if kernel.ndim == 3:
        at = int(np.abs(kernel).sum(axis=(1, 2)).argmax())
        flat, notes = kernel[at], [f"slice at z = {_say(at - len(kernel) // 2)}"]
    drawn = np.abs(flat) > _FAINT * np.abs(flat).max()
    for axis, n in enumerate(flat.shape):  # cut the rim that is too faint to see, on both sides alike
        used = np.flatnonzero(drawn.any(axis=1 - axis)) - n // 2
        reach = max(1, int(np.abs(used).max())) if used.size else n
        flat = flat.take(np.arange(max(0, n // 2 - reach), min(n, n // 2 + reach + 1)), axis)
        drawn = np.abs(flat) > _FAINT * np.abs(flat).max()
    block = -(-max(flat.shape) // _WIDEST)
    if block > 1:
        # whole blocks around the origin's own, so that a symmetric kernel has a symmetric picture
        block += 1 - block % 2
        for axis, n in enumerate(flat.shape):
            before = -(n // 2 - block // 2) % block
            flat = np.pad(flat, [(before, -(n + before) % block) if a == axis else (0, 0) for a in range(2)])
        flat = flat.reshape(flat.shape[0] // block, block, -1, block).sum(axis=(1, 3))
        notes.append(f"sums over {block}×{block} cells")
    signed = flat.min() < 0 < flat.max()
    largest = np.abs(flat).max()
    wide = flat.shape[1] <= 11
    rows = [
        (" " if wide else "").join(_cell(float(value) / (largest or 1.0), signed, wide) for value in row).rstrip()
        for row in flat
    ]
    if largest and flat.max() <= 0:
        notes.append("all weights negative")
    return "\n".join([*rows, *(["(" + ", ".join(notes) + ")"] if notes else [])])


def _cell(value: float, signed: bool, wide: bool) -> str:
    """Draw one weight as a block as dark as it is large."""
    block = "·░▒▓█"[math.ceil(abs(value) * 4 - 1e-9) if abs(value) > _FAINT else 0]
    if block == "·":
        return "·".center(3 if signed and wide else 2)
    if signed:
        return ("−" if value < 0 else "+") + block * (2 if wide else 1)
    return 2 * block
