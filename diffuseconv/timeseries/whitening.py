"""Whitening of data with several variables: centred, of unit variance, uncorrelated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks, _linalg
from diffuseconv._typing import FloatArray

__all__ = ["Whitened", "whiten"]


@dataclass(frozen=True)
class Whitened:
    """Whitened data and the map that made it.

    Attributes
    ----------
    data : array, shape (n, k)
        The whitened data: mean 0, covariance the identity (on the span of the data).
    mean : array, shape (m,)
        The mean that was subtracted.
    matrix : array, shape (m, k)
        ``data = (original - mean) @ matrix``.
    inverse : array, shape (k, m)
        ``original = data @ inverse + mean``.
    rank : int
        How many directions the data really varies in. Below m, variables depend on each other linearly.
    """

    data: FloatArray
    mean: FloatArray
    matrix: FloatArray
    inverse: FloatArray
    rank: int

    def apply(self, data: ArrayLike) -> FloatArray:
        """Whiten other data of shape (..., m) by the same map."""
        return np.asarray((_rows("data", data, len(self.mean)) - self.mean) @ self.matrix)

    def restore(self, data: ArrayLike | None = None) -> FloatArray:
        """Undo the whitening, of `data` of shape (..., k), by default of the whitened data itself."""
        white = self.data if data is None else _rows("data", data, len(self.inverse))
        return np.asarray(white @ self.inverse + self.mean)


def whiten(data: ArrayLike, method: str = "pca", *, tolerance: float | None = None) -> Whitened:
    r"""Whiten data: subtract the mean, rotate to the eigenvectors of the covariance, divide by the deviations.

    .. math:: \operatorname{Cov}[x] = V \Lambda V^\top, \qquad
              W_{pca} = V \Lambda^{-1/2}, \qquad W_{zca} = V \Lambda^{-1/2} V^\top

    ``"pca"`` gives coordinates along the eigenvectors, largest variance first, each vector's largest entry positive.
    ``"zca"`` rotates back afterwards: of all whitenings it changes the data least. The covariance has the
    divisor n - 1. It is never formed: the singular values of the centred data give the same with twice the digits.

    Directions in which the data does not vary beyond rounding are left out: ``"pca"`` then returns fewer columns,
    ``rank``, and ``"zca"`` as many as before but 0 along those directions (their covariance is the projector on
    the span of the data). `restore` is exact to rounding in both cases.

    Parameters
    ----------
    data : array, shape (n, m)
        n observations of m variables, in units that give them comparable sizes.
    method : {"pca", "zca"}
    tolerance : float in [0, 1), keyword only
        Directions whose deviation is at most `tolerance` times the largest are left out; at least, and by default,
        ``max(n, m)`` times the rounding unit. A larger one keeps noise from being blown up; `restore` then drops it.

    Returns
    -------
    Whitened

    Raises
    ------
    ValueError, TypeError
        If the data is not a finite table of at least 2 observations, or does not vary at all.

    References
    ----------
    Kessy, Lewin, Strimmer, "Optimal whitening and decorrelation", The American Statistician 72 (2018), table 1.

    Examples
    --------
    >>> table = np.random.default_rng(0).normal(size=(500, 2)) @ [[2.0, 1.0], [0.0, 0.1]] + 5.0
    >>> white = dc.timeseries.whiten(table)
    >>> np.allclose(np.cov(white.data.T), np.eye(2)), np.allclose(white.restore(), table)
    (True, True)
    """
    kind = _checks.choice("method", method, ("pca", "zca"))
    table = _checks.array("data", data).astype(np.float64)
    if table.ndim != 2 or len(table) < 2:
        raise ValueError(f"data must have 2 dimensions (at least 2 observations, variables), got shape {table.shape}")
    n, m = table.shape
    least = max(n, m) * np.finfo(float).eps
    if tolerance is not None:
        wanted = _checks.number("tolerance", tolerance, least=0.0)
        if wanted >= 1.0:
            raise ValueError(f"tolerance must be less than 1, got {wanted:g}")
        least = max(least, wanted)

    power = int(np.frexp(np.abs(table).max())[1])
    table = np.ldexp(table, -power)  # so that no square leaves the range of numbers; a power of two does not round
    mean = table.mean(axis=0)
    centred = table - mean
    rest = centred.mean(axis=0)  # what rounding left of a large mean
    mean, centred = mean + rest, centred - rest
    left, sizes, right = _linalg.svd(centred, full_matrices=False)
    # A large mean leaves rounding of this size along each direction: a constant column 0.1 must not seem to vary.
    blur = np.finfo(float).eps * n**0.5 * np.linalg.norm(right * mean, axis=1)
    rank = int(np.sum(sizes > np.maximum(least * sizes[0], blur)))
    if rank == 0:
        raise ValueError(f"data must vary, got {n} equal rows up to rounding")
    left, sizes, right = left[:, :rank], sizes[:rank] / (n - 1) ** 0.5, right[:rank]
    largest = np.argmax(np.abs(right), axis=1)
    signs = np.sign(right[np.arange(rank), largest])
    right = right * signs[:, None]
    # The decomposition blurs thin directions by the thick ones' rounding: make them centred and orthogonal once more.
    left = left - left.mean(axis=0)
    left = left @ np.linalg.inv(np.linalg.cholesky(left.T @ left)).T * signs

    white, matrix, inverse = left * (n - 1) ** 0.5, right.T / sizes, sizes[:, None] * right
    if kind == "zca":
        white, matrix, inverse = white @ right, matrix @ right, right.T @ inverse
    with np.errstate(over="ignore"):
        mean, matrix, inverse = np.ldexp(mean, power), np.ldexp(matrix, -power), np.ldexp(inverse, power)
    if not np.isfinite(matrix).all():
        raise ValueError(f"data must vary by more than 1e-300 (or use larger units), got {2.0**power:.3g} at most")
    return Whitened(white, mean, matrix, inverse, rank)


def _rows(name: str, value: ArrayLike, width: int) -> FloatArray:
    """Check data whose last axis must have this length."""
    table = _checks.array(name, value).astype(np.float64, copy=False)
    if table.ndim == 0 or table.shape[-1] != width:
        raise ValueError(f"{name} must have a last axis of length {width}, got shape {table.shape}")
    return table
