"""Reading an image out of a quantum computer: shot by shot, with error bars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from diffuseconv import _checks
from diffuseconv._typing import Array

__all__ = ["Readout", "read_out"]


@dataclass(frozen=True, eq=False)
class Readout:
    """An image read from measured shots; every pixel at once lies within its bounds with the given confidence.

    Attributes
    ----------
    magnitude : ndarray of float64
        Estimate of the absolute values: a measurement tells no sign.
    lower, upper : ndarray of float64
        Exact binomial (Clopper–Pearson) bounds, shared evenly among the pixels.
    shots, successes : int
        Runs of the circuit, and how many had the ancilla at 0.
    confidence : float
    """

    magnitude: Array
    lower: Array
    upper: Array
    shots: int
    successes: int
    confidence: float


def read_out(counts: ArrayLike, shots: int, scale: float, confidence: float = 0.95) -> Readout:
    r"""Return the image that shots have shown: :math:`|y_i| \approx \text{scale} \sqrt{n_i / N}`, with exact bounds.

    The error of a pixel is about :math:`\text{scale} / (2 \sqrt N)` wherever it is seen at all: two digits more of all
    pixels cost ten thousand times as many shots.

    Parameters
    ----------
    counts : array_like of int
        How often each pixel was found in shots whose ancilla was 0, such as ``sample_positions(done.state, shots)[0]``.
    shots : int
        How often the circuit was run in all, successes and failures.
    scale : number
        ``LCU.scale``.
    confidence : number, default 0.95
        That all pixels lie within their bounds at once.

    Returns
    -------
    Readout

    Raises
    ------
    TypeError, ValueError
        If counts are not whole and >= 0 or exceed the shots, or another argument is out of its range.

    References
    ----------
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404.

    Examples
    --------
    >>> done = dc.quantum.lcu_convolve([0.0, 0.0, 1.0, 0.0], [-1.0, 0.0, 1.0])
    >>> counts = dc.quantum.sample_positions(done.state, 10_000, rng=3)[0]
    >>> seen = dc.quantum.read_out(counts, 10_000, done.scale)
    >>> seen.magnitude.round(1), bool(np.all(seen.lower <= abs(done.image)))
    (array([0., 1., 0., 1.]), True)
    """
    from scipy.special import betainccinv, betaincinv

    found = _checks.plain("counts", counts)
    if found.dtype.kind not in "iu":
        raise TypeError(f"counts must hold whole numbers, got dtype {found.dtype}")
    if found.min() < 0:
        raise ValueError(f"counts must not be negative, got {_checks.got(found)}")
    total = _checks.count("shots", shots, least=1, most=2**62)
    successes = int(found.sum(dtype=object))
    if successes > total:
        raise ValueError(f"counts must sum to at most shots, {total}, got {successes}")
    factor = _checks.number("scale", scale, above=0.0)
    sure = _checks.probability("confidence", confidence)
    miss = (1 - sure) / found.size / 2
    n = found.astype(np.float64)
    low = np.where(n > 0, betaincinv(np.maximum(n, 1), total - n + 1, miss), 0.0)
    high = np.where(n < total, betainccinv(n + 1, np.maximum(total - n, 1), miss), 1.0)
    magnitude, lower, upper = (factor * np.sqrt(share) for share in (n / total, low, high))
    return Readout(magnitude, lower, upper, total, successes, sure)
