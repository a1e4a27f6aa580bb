"""The correlation of feature maps."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import FloatArray
from diffuseconv.learning._pairs import LARGEST

__all__ = ["feature_correlation"]


def feature_correlation(maps: ArrayLike) -> FloatArray:
    r"""Return the correlation between feature maps, over all pixels.

    .. math:: c_{ab} = \frac{\sum_i (v_{ai} - \bar v_a)(v_{bi} - \bar v_b)}
                            {\sqrt{\sum_i (v_{ai} - \bar v_a)^2 \sum_i (v_{bi} - \bar v_b)^2}}

    Convolution induces correlation: maps of one picture, even of white noise, correlate as far as their kernels
    overlap. On white noise (periodic, so that no wall repeats it) the expected covariance of two maps is the inner
    product of their kernels, and their correlation

    .. math:: c_{ab} \to \frac{\sum_j k_{aj} k_{bj}}{\|k_a\| \|k_b\|};

    with one kernel shifted by `d` it is the kernels' cross-correlation at `d`. A picture that is not white adds its
    own correlation between neighbours.

    Parameters
    ----------
    maps : array_like, shape (n, ...)
        The maps along the first axis, as `feature_maps` returns them.

    Returns
    -------
    ndarray of float64, shape (n, n)
        Symmetric, 1 on the diagonal, never beyond -1 and 1. A constant map (to four roundings of its values)
        has correlation 0 with all others.

    Raises
    ------
    ValueError, TypeError
        If the maps are not finite real numbers, have no pixels, or exceed 1e100.

    Examples
    --------
    >>> photo = np.random.default_rng(0).normal(size=(200, 200))
    >>> bank = [dc.kernels.sobel(0), dc.kernels.sobel(1), dc.kernels.sobel(0) + dc.kernels.sobel(1)]
    >>> maps = dc.feature_maps(photo, np.array(bank))
    >>> dc.learning.feature_correlation(maps).round(1) + 0.0
    array([[1. , 0. , 0.7],
           [0. , 1. , 0.7],
           [0.7, 0.7, 1. ]])
    """
    checked = _checks.array("maps", maps)
    if checked.ndim < 2:
        raise ValueError(f"maps must have shape (n, ...) with pixels in each, got shape {checked.shape}")
    values = checked.reshape(len(checked), -1).astype(np.float64)
    sizes = np.abs(values).max(axis=1)
    if sizes.max() > LARGEST:
        raise ValueError(f"maps must not exceed {LARGEST:g} in magnitude, got {sizes.max():g}")
    blur = 4 * np.finfo(checked.dtype).eps * sizes
    constant = np.ptp(values, axis=1) <= blur
    values /= np.where(sizes > 0, sizes, 1)[:, None]
    values -= values.mean(axis=1, keepdims=True)
    values -= values.mean(axis=1, keepdims=True)  # what rounding left of a large mean
    values[constant] = 0.0
    values /= np.where(constant, 1, np.linalg.norm(values, axis=1))[:, None]
    correlation = np.clip(values @ values.T, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return correlation
