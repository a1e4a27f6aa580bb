"""The propagator that maps some pictures to others: a kernel that is a probability density."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffuseconv import _checks, _linalg
from diffuseconv._typing import Axes, FloatArray
from diffuseconv.convolution import convolve, correlate
from diffuseconv.learning import _equations
from diffuseconv.learning._pairs import Pair, centred, noise_too_large, of_size_one, problem
from diffuseconv.learning.estimate import Estimate
from diffuseconv.propagator import Propagator

__all__ = ["PropagatorFit", "fit_propagator"]

_REFINEMENTS = 2  # as in `fit_kernel`


@dataclass(frozen=True)
class PropagatorFit:
    """A fitted propagator.

    Attributes
    ----------
    propagator : Propagator
        The density that explains the pictures best.
    weights : ndarray
        What fits best when only the sum is held at 1: its weights may be negative, but they are unbiased and, for
        normal noise, exactly normal. `drift` and `diffusivity` rest on them.
    covariance : ndarray, shape (taps, taps)
        Of the weights, in the order of ``weights.ravel()``.
    noise_variance : float
        Estimated variance of the noise in the later pictures; 0 where that in the earlier ones explains all of it.
    degrees_of_freedom : int
        Pixels less the weights that are free.

    Notes
    -----
    Why not the moments of the density? Where the truth is 0, noise can push a weight up but not below 0. Far taps,
    weighed by their distance squared, then add up to a diffusivity that is too large, by more than its error when the
    noise is strong or the kernel wide. Least squares without the sign has no such bias, and its intervals hold the
    truth as often as they say on the edge of what a density can be, too.
    """

    propagator: Propagator
    weights: FloatArray
    covariance: FloatArray
    noise_variance: float
    degrees_of_freedom: int

    def drift(self, duration: float, spacing: Any = 1.0, confidence: float = 0.95) -> Estimate:
        r"""Estimate the velocity of the process, axis by axis.

        .. math:: v_a = \Delta x_a \sum_d p_d\, d_a / t

        Parameters
        ----------
        duration : float
            Time between the pictures, greater than 0.
        spacing : float or one per axis
            Cell width, in length.
        confidence : float
            Between 0 and 1.

        Returns
        -------
        Estimate
            Shape ``(ndim,)``, in length/time. For normal noise in `after` the interval is exact.

        Examples
        --------
        >>> photo = np.random.default_rng(0).normal(size=(64, 64))
        >>> fit = dc.learning.fit_propagator(photo, np.roll(photo, 1, axis=0), 3, boundary="periodic", axes=0)
        >>> fit.drift(duration=0.5).value.round(9)
        array([2.])
        """
        time, widths = self._units(duration, spacing)
        level = _checks.probability("confidence", confidence)
        mean, spread, _ = self._moments()
        scale = widths / time
        return Estimate.student(
            mean * scale, np.sqrt(np.maximum(np.diag(spread), 0)) * scale, level, self.degrees_of_freedom
        )

    def diffusivity(self, duration: float, spacing: Any = 1.0, confidence: float = 0.95) -> Estimate:
        r"""Estimate the diffusivity tensor of the process.

        .. math:: D_{ab} = \Big(\sum_d p_d\, d_a d_b - m_a m_b\Big) \frac{\Delta x_a \Delta x_b}{2 t}, \qquad
                  m_a = \sum_d p_d\, d_a

        with the mean of :math:`\hat m_a \hat m_b - m_a m_b` subtracted, so that the estimate is unbiased.

        Parameters
        ----------
        duration, spacing, confidence
            As in `drift`.

        Returns
        -------
        Estimate
            Shape ``(ndim, ndim)``, in length²/time. The interval is linearised in the mean displacement (the delta
            method); what that leaves out is the variance of the mean displacement, in cells², against the interval's
            width. Where there is no diffusion the estimate falls below 0 as often as above.
        """
        time, widths = self._units(duration, spacing)
        level = _checks.probability("confidence", confidence)
        mean, spread, moves = self._moments()
        weights = self.weights.ravel()
        centred = moves - mean[:, None]
        products = centred[:, None] * centred[None, :]
        value = products @ weights + spread
        variance = np.einsum("abj,jk,abk->ab", products, self.covariance, products)
        variance += np.multiply.outer(np.diag(spread), np.diag(spread)) + spread**2
        scale = np.multiply.outer(widths, widths) / (2 * time)
        return Estimate.student(value * scale, np.sqrt(np.maximum(variance, 0)) * scale, level, self.degrees_of_freedom)

    def _moments(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the mean displacement, its covariance, and the displacement of each tap: shape (ndim, taps)."""
        shape = self.weights.shape
        moves = np.indices(shape, dtype=np.float64).reshape(len(shape), -1) - [[n // 2] for n in shape]
        return moves @ self.weights.ravel(), moves @ self.covariance @ moves.T, moves

    def _units(self, duration: float, spacing: Any) -> tuple[float, FloatArray]:
        """Return the checked duration and cell widths."""
        widths = _checks.spacing(spacing, self.weights.ndim)
        return _checks.number("duration", duration, above=0.0), np.array(widths)


def fit_propagator(
    before: Any,
    after: Any,
    shape: int | Sequence[int],
    *,
    before_noise: float = 0.0,
    boundary: str | Sequence[str] = "reflecting",
    axes: Axes = None,
) -> PropagatorFit:
    r"""Find the propagator of a process from photographs before and after it: where did the grains go?

    .. math:: \min_p \; \|v - A p\|^2 - \sigma^2\, p^\top \Gamma p
              \qquad \text{with} \quad p_d \ge 0, \quad \sum_d p_d = 1

    with `A` the shifted pictures as in `fit_kernel`. This is a convex problem with one solution, found exactly: the
    point of a simplex nearest to the least-squares solution, by non-negative least squares [1]_. (A softmax of free
    parameters describes the same densities but its zeros lie at infinity, where descent creeps.)

    Noise in `before` biases: it adds fine detail that was not there, so the pattern seems to have been
    smoothed more, or less, than it was, and the diffusivity comes out wrong, however many pixels there are. Given the
    noise's standard deviation :math:`\sigma`, its mean part :math:`\sigma^2 \Gamma` is subtracted from the sums of
    products [2]_: one for each pixel on the diagonal, and a few near walls that show a cell and its mirror image.

    Parameters
    ----------
    before, after : array_like, or list of ndarray
        A picture and what became of it, or several such pairs, as in `fit_kernel`.
    shape : int or sequence of int
        Of the density, 1 to 3 axes: as far as grains can go. Salt that went further is not in the model, and a
        density too small for it gives a biased diffusivity.
    before_noise : float
        Standard deviation of the noise in `before`, the same in every pixel and independent. 0 says there is none;
        if there is some, the result is biased and the intervals do not know it.
    boundary : str or sequence of str
        What happened at the walls, for all axes or one for each.
    axes : int or sequence of int, optional
        The spatial axes; any others (colours, batches) are more pictures with the same propagator. All by default.

    Returns
    -------
    PropagatorFit
        With ``.propagator``, and `.drift` and `.diffusivity` with their confidence intervals. The covariance is exact
        for independent noise of one variance in `after`. With `before_noise` it is that of corrected scores for normal
        noise, of relative error about kernel width over picture width (what walls mirror is counted as if inside).

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite or exceed 1e100, there are no more pixels than weights, the
        pictures vary in so few ways that other densities do as well, or no more than noise of the given size would.
    TypeError
        For complex numbers, text, or masked arrays.

    References
    ----------
    .. [1] C. L. Lawson, R. J. Hanson, "Solving Least Squares Problems" (1974), chapter 23.
    .. [2] W. A. Fuller, "Measurement Error Models" (1987), section 2.2.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> photo = rng.uniform(size=(128, 128))
    >>> later = dc.convolve(photo, dc.Propagator.heat(0.1, 2.0)) + rng.normal(0, 0.01, photo.shape)
    >>> fit = dc.learning.fit_propagator(photo, later, (7, 7))
    >>> d = fit.diffusivity(duration=2.0)
    >>> print(f"D = {d.value[0, 0]:.3f} ± {d.standard_error[0, 0]:.3f}")
    D = 0.100 ± 0.002
    """
    deviation = _checks.number("before_noise", before_noise, least=0.0, most=_checks.LONGEST)
    given, taps, names = problem(("before", "after"), before, after, shape, boundary, axes)
    pairs, noise, unit = of_size_one(given, deviation)
    size, pixels = math.prod(taps), sum(pair.after.size for pair in pairs)
    pairs, means = centred(pairs, names)  # a density keeps a mean as it is: no digits are lost to an offset
    pairs = [Pair(pair.before, pair.after - mean) for pair, mean in zip(pairs, means, strict=True)]
    raw = _equations.gram(pairs, taps, names)
    echo = noise * _equations.noise_gram(pairs, taps, names) if noise else np.zeros_like(raw)
    inverse = _inverse(raw, raw - echo, deviation)

    weights = np.full(size, 1 / size)
    for _ in range(1 + _REFINEMENTS):
        left = _equations.residuals(pairs, weights, taps, names)
        weights = weights + inverse @ (_equations.onto_shifts(pairs, left, taps, names) + echo @ weights)
    left = _equations.residuals(pairs, weights, taps, names)
    freedom = pixels - (size - 1)
    variance = max(0.0, sum(float(np.vdot(stack, stack)) for stack in left) - float(weights @ echo @ weights)) / freedom
    score = variance * raw
    if noise:
        score = score + _noise_score(pairs, weights.reshape(taps), names, noise)
    return PropagatorFit(
        propagator=Propagator(_nearest_density(raw - echo, weights).reshape(taps)),
        weights=weights.reshape(taps),
        covariance=inverse @ score @ inverse,
        noise_variance=variance * unit**2,
        degrees_of_freedom=freedom,
    )


def _inverse(raw: FloatArray, gram: FloatArray, noise: float) -> FloatArray:
    """Invert the sums of products among changes of the weights that keep their sum."""
    size = len(gram)
    basis = _linalg.qr(np.column_stack([np.ones(size), np.eye(size)[:, 1:]]))[0][:, 1:]
    values, vectors = _linalg.eigh(basis.T @ gram @ basis)
    rounding = size * float(np.finfo(float).eps) * float(np.trace(raw))
    if size > 1 and values[0] <= rounding:
        if noise and _linalg.eigvalsh(basis.T @ raw @ basis)[0] > rounding:
            raise noise_too_large(noise)
        raise ValueError(
            f"before must determine all {size} weights: pass richer pictures or a smaller shape, "
            f"got pictures that vary in {1 + int(np.sum(values > rounding))} ways"
        )
    vectors = basis @ vectors
    return np.asarray((vectors / values) @ vectors.T)


def _nearest_density(gram: FloatArray, weights: FloatArray) -> FloatArray:
    """Find the density p that has the least (p - weights)' gram (p - weights).

    With R'R = gram and a sum of 1 the distance is that of the point M p, M = R - R weights 1', from 0. Non-negative
    least squares of [M; 1] p = [0; 1] gives a multiple of that p: stretching it trades the two parts off alike for
    every direction.
    """
    from scipy.optimize import nnls

    size = len(weights)
    if weights.min() >= 0:
        return np.asarray(weights / weights.sum())
    scale = float(np.trace(gram)) / size
    root = _linalg.cholesky(gram / scale + 1.0).T  # the constant changes nothing where the sum is 1
    edges = root - np.multiply.outer(root @ weights, np.ones(size))
    density, _ = nnls(np.vstack([edges, np.ones(size)]), np.append(np.zeros(size), 1.0), maxiter=100 * size)
    return np.asarray(density / density.sum())


def _noise_score(pairs: Sequence[Pair], kernel: FloatArray, names: Sequence[str], noise: float) -> FloatArray:
    r"""Return the part of the covariance of A'(v - A p) that comes from noise in the earlier pictures.

    The noise enters twice: through the residual, filtered by p, and through the shifts. By Isserlis' theorem
    :math:`\sigma^2 \langle A^\top P P^\top A \rangle + \sigma^4 n\, (p * p)(d + e)`, for taps at `d` and `e`.
    """
    taps = kernel.shape
    axes = tuple(range(1, kernel.ndim + 1))
    filtered = [Pair(correlate(p.before, kernel, boundary=names, axes=axes), p.after) for p in pairs]
    twice = convolve(kernel, kernel, boundary="zero", mode="full")
    places = np.indices(taps).reshape(len(taps), -1)
    sums = tuple(place[:, None] + place for place in places)
    pixels = sum(pair.after.size for pair in pairs)
    return np.asarray(noise * _equations.gram(filtered, taps, names) + noise**2 * pixels * twice[sums])
