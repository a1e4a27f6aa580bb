"""Measurement of position: Born's rule as an exact multinomial draw."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks
from diffuseconv._scaling import exponent, times_power
from diffuseconv.quantum._waves import largest

__all__ = ["sample_positions"]


def sample_positions(psi: ArrayLike, shots: int = 1, *, rng: object = None) -> NDArray[np.int64]:
    r"""Measure the position in so many equal copies of a state: count how often each cell was the one found.

    .. math:: P(i) = \frac{|\psi_i|^2}{\sum_j |\psi_j|^2}

    (Born's rule), independently in each copy: the counts are one exact draw from a multinomial distribution. A state
    is a direction, so `psi` need not be normalised: the probabilities are, to ``psi.size * 2.2e-16``. Cells where psi
    is zero are never found.

    Parameters
    ----------
    psi : array_like
        Amplitudes, complex or real, of any number of dimensions.
    shots : int, default 1
        How many copies are measured.
    rng : int, Generator, SeedSequence or None, keyword only
        Source of chance.

    Returns
    -------
    ndarray of int64
        Counts, of psi's shape, with sum `shots`.

    Raises
    ------
    TypeError, ValueError
        If `psi` is not finite or zero everywhere, or `shots` is not a whole number from 0 to 2**62.

    References
    ----------
    M. Born, Z. Phys. 37 (1926) 863.

    Examples
    --------
    >>> dc.quantum.sample_positions([0.0, 1.0j, 0.0])
    array([0, 1, 0])
    >>> int(dc.quantum.sample_positions(np.ones((4, 4)), 100, rng=1).sum())
    100
    """
    wave = _checks.wave("psi", psi)
    n = _checks.count("shots", shots, most=2**62)
    chance = _checks.generator(rng)
    largest(wave)  # (refuses zeros)
    unit = times_power(wave.astype(np.complex128).ravel(), -exponent(wave))
    squares = unit.real**2 + unit.imag**2
    # likeliest last: what numpy's chain of binomials has left over keeps its digits, and no empty cell can receive it
    order = np.argsort(squares, kind="stable")
    ascending = squares[order]
    counts = np.empty(wave.size, np.int64)
    counts[order] = chance.multinomial(n, ascending / ascending.sum())
    return counts.reshape(wave.shape)
