"""The interpretation of a kernel: the record, and how it is made."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _notebook
from diffuseconv._typing import FloatArray, read_only
from diffuseconv.interpretation.equations import equation_of
from diffuseconv.interpretation.factors import is_separable, smoother_of
from diffuseconv.interpretation.kinds import kind_of
from diffuseconv.interpretation.moments import Moments, Powers, of_order, principal_axes
from diffuseconv.interpretation.picture import draw
from diffuseconv.interpretation.response import highest_response
from diffuseconv.interpretation.words import (
    gain_words,
    motion_words,
    repeat_words,
    softmax_words,
    summary_of,
    wave_words,
)
from diffuseconv.propagator import Propagator

if TYPE_CHECKING:
    from diffuseconv.diffusion import DiffusionEquation

__all__ = ["Interpretation", "interpret"]


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
        ``"smoothing"`` (signed, spreads), ``"sharpen"`` (diffusion backward), ``"emboss"`` (identity plus a slope),
        ``"mixed"`` (forward along one axis, backward along another), ``"neutral"`` (neither spreads nor sharpens);
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
    formula : str or None
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

    kernel: FloatArray
    kind: str
    summary: str
    gain: float
    order: int | None
    coefficients: Mapping[Powers, float]
    drift: FloatArray | None
    diffusivity: FloatArray | None
    principal_diffusivities: FloatArray | None
    principal_axes: FloatArray | None
    formula: str | None
    smoother: FloatArray | None
    propagator: Propagator
    amplification: float
    frequency: FloatArray
    bounded: bool
    separable: bool
    picture: str
    _details: tuple[str, ...]

    def equation(
        self, spacing: float | Sequence[float] = 1.0, duration: float = 1.0, *, boundary: Any = "reflecting"
    ) -> DiffusionEquation:
        r"""Return the diffusion equation that convolution with the kernel is one step of, for cells and time of a size.

        .. math:: v_a = E[d_a] \Delta x_a / t, \qquad D_{ab} = \mathrm{Cov}[d_a, d_b] \Delta x_a \Delta x_b / (2t)

        and a decay of :math:`-\ln(g)/t` for a gain `g` below 1. Its `propagator` over `duration` has the kernel's own
        mean and covariance wherever the cell Péclet number is at most 2.

        Parameters
        ----------
        spacing : number or one per axis
            Width of a cell.
        duration : number
            The time of one use of the kernel, > 0.
        boundary : str, wall or sequence
            As for `DiffusionEquation`.

        Returns
        -------
        DiffusionEquation

        Raises
        ------
        ValueError
            If there is none: the gain is not in (0, 1], or diffusion runs backward along some direction.

        Examples
        --------
        >>> eq = dc.interpret([0.2, 0.5, 0.3]).equation(spacing=0.1, duration=2.0)
        >>> eq.propagator(2.0).mean.round(12)
        array([0.1])
        """
        from diffuseconv.diffusion import DiffusionEquation

        duration = _checks.number("duration", duration, above=0)
        widths = np.array(_checks.spacing(spacing, self.kernel.ndim))
        whole = 16 * self.kernel.size * np.finfo(np.float64).eps
        if self.diffusivity is None or self.drift is None or not 0 < self.gain <= 1 + whole:
            raise ValueError(f"equation needs a kernel whose sum lies in (0, 1], got {self.gain:g} ({self.kind})")
        tensor = self.diffusivity * np.multiply.outer(widths, widths) / duration
        velocity = self.drift * widths / duration
        if np.linalg.eigvalsh(tensor).min() < -whole * np.abs(tensor).max(initial=0.0):
            raise ValueError(f"equation needs a kernel that spreads in every direction, got another ({self.kind})")
        crossed = (np.abs(tensor - np.diag(np.diag(tensor))) > whole * np.abs(tensor).max(initial=0.0)).any()
        return DiffusionEquation(
            tensor if crossed else tuple(np.maximum(np.diag(tensor), 0.0).tolist()),
            tuple(widths.tolist()),
            boundary,
            velocity=tuple(velocity.tolist()) if velocity.any() else None,
            decay=-math.log(self.gain) / duration if self.gain < 1 - whole else None,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return what pickles and deep copies hold: a view of a mapping is neither pickled nor copied."""
        return vars(self) | {"coefficients": dict(self.coefficients)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what a pickle or a copy holds."""
        vars(self).update(state, coefficients=MappingProxyType(state["coefficients"]))

    def __str__(self) -> str:
        """Return the picture and the paragraph."""
        return self.picture + "\n\n" + textwrap.fill(" ".join((self.summary, *self._details)), 96)

    def __repr__(self) -> str:
        """Return the short form."""
        shape = "×".join(map(str, self.kernel.shape))
        return f"<Interpretation of a {shape} kernel: {self.summary}>"

    def _repr_html_(self) -> str:
        """Return the kernel as a picture and the paragraph, for notebooks."""
        return _notebook.card(self.summary, {}, self._repr_png_(), " ".join(self._details))

    def _repr_png_(self) -> bytes:
        """Return the kernel as a picture, red above 0 and blue below."""
        return _notebook.png(self.kernel)


def interpret(kernel: ArrayLike | Propagator) -> Interpretation:
    r"""Interpret a kernel: blur, drift, sharpening or edge detection, and the equation behind it.

    A kernel with gain `g` (its sum), mean displacement `v` and covariance `2D` of the displacement is one step, of
    duration 1 on cells of width 1, of

    .. math:: u_t = \ln(g)\, u - v \cdot \nabla u + \nabla \cdot (D \nabla u)

    up to third derivatives. If the gain is 0 the kernel is a derivative, of the lowest order whose moments do not
    vanish. A moment counts as 0 where it is not above :math:`(16 + \sum_a n_a)\,\epsilon \sum_d |k_d|\,|d|^\alpha`:
    what 16 roundings of each weight and the rounding of the sum itself can make. Odd moments come from the
    antisymmetric part of the kernel only, and even ones from the symmetric part, so that a symmetric kernel has no
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
    attains ``sum |k|``. Otherwise ``|K|`` is sampled on a grid of 2 to 8 points for each cell of the kernel along
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
    values = read_only(np.array(given, dtype=np.float64))
    largest = float(np.abs(values).max())
    if largest > np.finfo(np.float64).max / values.size:
        raise ValueError(f"kernel must have weights whose sum is a finite number, got {largest:g} among them")
    scale = math.frexp(largest)[1] if largest else 0
    weights = np.ldexp(values, -scale)  # so that sums of huge weights stay finite; powers of two do not round
    found = Moments(weights, eps)

    order = found.lowest_order()
    coefficients = {
        powers: math.ldexp(found.coefficient(powers), scale)
        for n in sorted({0, 1, 2} | ({order} if order is not None else set()))
        for powers in of_order(n, values.ndim)
    }
    gain = coefficients[(0,) * values.ndim]
    drift, diffusivity = found.drift_and_diffusivity()
    height, frequency, many = highest_response(weights)
    smoother = smoother_of(weights, found, order)
    unit = abs(abs(gain) - 1) <= found.slack * math.ldexp(float(np.abs(weights).sum()), scale)
    kind = kind_of(weights, found, order, diffusivity, height, frequency)
    if kind == "identity" and not (unit and gain > 0):
        kind = "scale"
    equation = equation_of(kind, gain, drift, diffusivity, coefficients, order, found, unit)
    spread = principal = None
    if diffusivity is not None:
        spread, principal = principal_axes(diffusivity)
    amplification = math.ldexp(height, scale)
    bounded = amplification <= 1 + found.slack * math.ldexp(float(np.abs(weights).sum()), scale)
    separable = is_separable(weights, eps)
    propagator = Propagator.softmax(values)
    details = [
        *gain_words(kind, gain, unit),
        *motion_words(kind, drift, spread, principal, equation, smoother),
        *wave_words(kind, frequency, many),
        repeat_words(amplification, bounded, gain),
        softmax_words(propagator),
        *(["It is a product of one factor per axis (separable)."] if separable and values.ndim > 1 else []),
    ]
    return Interpretation(
        kernel=values,
        kind=kind,
        summary=summary_of(kind, gain, drift, diffusivity, coefficients, order, frequency, smoother, many),
        gain=gain,
        order=order,
        coefficients=MappingProxyType(coefficients),
        drift=drift,
        diffusivity=diffusivity,
        principal_diffusivities=spread,
        principal_axes=principal,
        formula=equation,
        smoother=smoother,
        propagator=propagator,
        amplification=amplification,
        frequency=frequency,
        bounded=bounded,
        separable=separable,
        picture=draw(weights),
        _details=tuple(details),
    )
