"""The kernel that maps some pictures to others, by least squares."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffuseconv import _checks, _linalg
from diffuseconv._typing import Axes, FloatArray
from diffuseconv.learning import _equations
from diffuseconv.learning._pairs import Pair, centred, problem, seen
from diffuseconv.learning.estimate import Estimate

__all__ = ["KernelFit", "fit_kernel"]

_REFINEMENTS = 12  # at the most: each multiplies the error by about eps * condition**2 of the balanced equations


@dataclass(frozen=True)
class KernelFit:
    """A fitted kernel.

    Attributes
    ----------
    kernel : ndarray
        The weights; `convolve` with them comes as near to the outputs as any of this shape.
    standard_errors : ndarray, of the kernel's shape
        Standard deviation of each weight over repeated noise in the outputs.
    covariance : ndarray, shape (taps, taps)
        Of all weights, in the order of ``kernel.ravel()``.
    noise_variance : float
        Estimated variance of the noise in the outputs: what the kernel leaves unexplained.
    degrees_of_freedom : float
        Pixels less the weights that were fitted.
    """

    kernel: FloatArray
    standard_errors: FloatArray
    covariance: FloatArray
    noise_variance: float
    degrees_of_freedom: float

    def interval(self, confidence: float = 0.95) -> Estimate:
        """Return the weights with intervals that hold each with this confidence (Student's t; exact without ridge)."""
        level = _checks.probability("confidence", confidence)
        return Estimate.student(self.kernel, self.standard_errors, level, self.degrees_of_freedom)


def fit_kernel(
    inputs: Any,
    outputs: Any,
    shape: int | Sequence[int],
    *,
    ridge: float = 0.0,
    boundary: str | Sequence[str] = "reflecting",
    axes: Axes = None,
) -> KernelFit:
    r"""Find the kernel that convolves the inputs into the outputs, by least squares.

    .. math:: \min_k \sum_i \big(v_i - (k * u)_i\big)^2 + \lambda \sum_j k_j^2, \qquad
              (A^\top A + \lambda)\, k = A^\top v

    where the columns of `A` are the inputs, continued beyond their walls, shifted by each tap. `A` is never formed:
    the sums of products are added up picture by picture, and the solution is refined with residuals that come from
    the convolution itself. Without noise the relative error is a few times ``eps * cond(A)``, not its square.

    Parameters
    ----------
    inputs, outputs : array_like, or list of ndarray
        A picture and what became of it; or lists of arrays, any number of such pairs (of any sizes) that share one
        kernel. Used in float64.
    shape : int or sequence of int
        Of the kernel, 1 to 3 axes, odd or even; tap `j` is the displacement ``j - shape // 2`` as everywhere.
    ridge : float
        :math:`\lambda \ge 0`, in units of the inputs squared, summed over pixels. It draws the weights towards 0
        (a bias that the standard errors do not contain) and makes them unique where the inputs do not.
    boundary : str or sequence of str
        What lay beyond the walls when the outputs were made: ``"reflecting"``, ``"periodic"``, ``"absorbing"`` or
        ``"zero"``, for all axes or one for each.
    axes : int or sequence of int, optional
        The spatial axes; any others (colours, batches) are more pictures with the same kernel. All by default.

    Returns
    -------
    KernelFit
        With :math:`\operatorname{Cov} k = s^2 H A^\top A H`, :math:`H = (A^\top A + \lambda)^{-1}`, and the residual
        sum of squares divided by the pixels less :math:`\operatorname{tr}(2 A H A^\top - (A H A^\top)^2)` as
        :math:`s^2`. Right for independent noise of one variance in the outputs and none in the inputs (noise there
        shrinks the weights; `fit_propagator` corrects for it).

    Raises
    ------
    ValueError
        If shapes do not fit, values are not finite or exceed 1e100, no input reaches 1e-100, there are no more pixels
        than weights, or the inputs vary in so few ways that other kernels do as well.
    TypeError
        For complex numbers, text, or masked arrays.

    References
    ----------
    .. [1] Å. Björck, "Stability analysis of the method of seminormal equations for linear least squares problems",
       Linear Algebra Appl. 88/89 (1987) 31-48.
    .. [2] T. Hastie, R. Tibshirani, "Generalized Additive Models" (1990), section 3.5: degrees of freedom.

    Examples
    --------
    >>> photo = np.random.default_rng(0).normal(size=(40, 60))
    >>> fit = dc.learning.fit_kernel(photo, dc.convolve(photo, dc.kernels.sobel(1)), (3, 3))
    >>> fit.kernel.round(10) + 0.0
    array([[ 1.,  0., -1.],
           [ 2.,  0., -2.],
           [ 1.,  0., -1.]])
    """
    amount = _checks.number("ridge", ridge, least=0.0)
    pairs, taps, names = problem(("inputs", "outputs"), inputs, outputs, shape, boundary, axes)
    seen("inputs", [pair.before for pair in pairs])
    size, pixels = math.prod(taps), sum(pair.after.size for pair in pairs)
    pairs, means = centred(pairs, names)
    sums, basis = _balanced(pairs, means, taps, names)
    penalty = amount * basis.T @ basis
    values, vectors = _linalg.eigh(sums + penalty)
    rounding = size * float(np.finfo(float).eps) * float(values[-1])
    if values[0] <= rounding:
        rank = int(np.sum(_linalg.eigvalsh(sums) > rounding))
        raise ValueError(
            f"inputs must determine all {size} weights: pass richer pictures, a smaller shape or ridge > 0, "
            f"got pictures that vary in {rank} ways"
        )
    inverse = (vectors / values) @ vectors.T
    weights, last = np.zeros(size), math.inf
    for _ in range(1 + _REFINEMENTS):
        left = _left(pairs, means, weights, taps, names)
        slope = basis.T @ (_equations.onto_shifts(pairs, left, taps, names) - amount * weights)
        # the means multiply only the sum of the weights, not the rounding of the differences' columns
        slope[0] += basis[:, 0].sum() * sum(float(np.sum(m * stack)) for m, stack in zip(means, left, strict=True))
        step = basis @ (inverse @ slope)
        change = float(np.abs(step).max())
        if change > last / 2:  # rounding is reached
            break
        weights, last = weights + step, change
    left = _left(pairs, means, weights, taps, names)
    share = inverse @ sums  # how much of each combination is fitted, the rest held back by the ridge
    freedom = pixels - (float(np.trace(2 * share - share @ share)) if amount else size)
    variance = sum(float(np.vdot(stack, stack)) for stack in left) / freedom
    covariance = variance * basis @ (share @ inverse) @ basis.T
    errors = np.sqrt(np.maximum(np.diag(covariance), 0)).reshape(taps)
    return KernelFit(weights.reshape(taps), errors, covariance, variance, freedom)


def _left(
    pairs: Sequence[Pair],
    means: Sequence[FloatArray],
    weights: FloatArray,
    taps: tuple[int, ...],
    names: Sequence[str],
) -> list[FloatArray]:
    """Return what the weights leave unexplained; a mean is multiplied by their sum."""
    total = weights.sum()
    rest = [Pair(pair.before, pair.after - mean * total) for pair, mean in zip(pairs, means, strict=True)]
    return _equations.residuals(rest, weights, taps, names)


def _balanced(
    pairs: Sequence[Pair], means: Sequence[FloatArray], taps: tuple[int, ...], names: Sequence[str]
) -> tuple[FloatArray, FloatArray]:
    """Return B' A' A B and a basis B of the weights: their sum, scaled down as the means are large, and differences.

    The means multiply only the sum of the weights. Formed in this basis, products of the differences never see them,
    so that a large offset costs no digits.
    """
    size = math.prod(taps)
    basis = _linalg.qr(np.column_stack([np.ones(size), np.eye(size)[:, 1:]]))[0]
    basis[:, 0] = size**-0.5
    products = basis.T @ _equations.gram(pairs, taps, names) @ basis
    fields = [np.broadcast_to(mean, pair.after.shape) for pair, mean in zip(pairs, means, strict=True)]
    cross = size**0.5 * (basis.T @ _equations.onto_shifts(pairs, fields, taps, names))
    products[0] += cross
    products[:, 0] += cross
    products[0, 0] += size * sum(float(np.vdot(field, field)) for field in fields)
    others = float(np.trace(products[1:, 1:])) / max(1, size - 1)
    if 0 < others < products[0, 0]:
        scale = (others / products[0, 0]) ** 0.5
        basis[:, 0] *= scale
        products[0] *= scale
        products[:, 0] *= scale
    return products, basis
