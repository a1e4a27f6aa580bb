"""Many measurements of one field, one at a time, with their running mean and variance."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks
from diffuseconv.measurement import _streams
from diffuseconv.measurement._taps import Walls, prepare
from diffuseconv.measurement.sampling import MOST_DRAWS, average
from diffuseconv.propagator import Propagator

__all__ = ["Member", "ensemble"]

MOST_SQUARED = 1e140  # sums of squares of as many values as anyone will draw stay finite


@dataclass(frozen=True)
class Member:
    """One measurement of an ensemble, and what all so far amount to."""

    measurement: NDArray[Any]
    count: int  # of measurements so far
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]  # sample variance of one measurement; NaN while there is only one


def ensemble(
    field: ArrayLike,
    kernel: ArrayLike | Propagator,
    draws: int = 1,
    *,
    members: int | None = None,
    rng: object = None,
    boundary: Walls = "reflecting",
    axes: object = None,
) -> Iterator[Member]:
    """Measure again and again: yield independent measurements with their running mean and variance.

    Nothing but the running mean and variance is kept between members (Welford's recurrence [1]_), so memory does not
    grow. Leave the loop whenever you like.

    Parameters
    ----------
    field, kernel, draws, rng, boundary, axes
        As for `measure`. With the same `Generator` the members are those of successive calls of `measure`.
    members : int, optional
        How many to yield; endlessly by default.

    Yields
    ------
    Member
        ``measurement`` of the field's precision, ``count``, ``mean`` and ``variance`` in float64: fresh arrays, keeping
        them is safe.

    Raises
    ------
    TypeError, ValueError
        At the call, if an argument is out of its range.

    References
    ----------
    .. [1] B. P. Welford, "Note on a method for calculating corrected sums of squares and products",
       Technometrics 4 (1962) 419-420.

    Examples
    --------
    >>> for member in dc.ensemble(np.arange(9.0), [0.25, 0.5, 0.25], rng=1):
    ...     if member.count > 2 and np.sqrt(member.variance / member.count).max() < 0.05:
    ...         break
    >>> member.count > 100, bool(np.abs(member.mean - dc.convolve(np.arange(9.0), [0.25, 0.5, 0.25])).max() < 0.5)
    (True, True)
    """
    draws = _checks.count("draws", draws, least=1, most=MOST_DRAWS)
    prepared = prepare(field, kernel, boundary, axes)
    most = MOST_SQUARED / max(prepared.plan.taps.norm, 1.0)
    if prepared.largest > most:
        raise ValueError(
            f"field must not exceed {most:.3g} in magnitude, or squares overflow, got {prepared.largest:.3g}"
        )
    number = itertools.count(1) if members is None else range(1, _checks.count("members", members) + 1)
    chance = _checks.generator(rng)

    def along() -> Iterator[Member]:
        mean, squares = np.zeros(np.shape(field)), np.zeros(np.shape(field))
        for count in number:
            measurement = average(prepared, draws, _streams.key(chance))
            step = measurement - mean
            mean = mean + step / count
            squares += step * (measurement - mean)
            variance = squares / (count - 1) if count > 1 else np.full(mean.shape, np.nan)
            yield Member(measurement, count, mean.copy(), variance)

    return along()
