"""A measured quantity with its interval."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffuseconv._typing import FloatArray

__all__ = ["Estimate"]


@dataclass(frozen=True)
class Estimate:
    """An estimate and the interval that holds the truth with the given confidence, element by element.

    Attributes
    ----------
    value, standard_error, lower, upper : ndarray
        All of one shape.
    confidence : float
        How often, over repeated noise, the interval holds the truth.
    """

    value: FloatArray
    standard_error: FloatArray
    lower: FloatArray
    upper: FloatArray
    confidence: float

    @classmethod
    def student(cls, value: Any, error: Any, confidence: float, freedom: float) -> Estimate:
        """Return Student's interval around a normal estimate whose noise variance was estimated too.

        Parameters
        ----------
        value, error : array_like
            The estimate and its standard error.
        confidence : float
            Between 0 and 1.
        freedom : float
            Degrees of freedom of the noise variance.

        Returns
        -------
        Estimate

        Examples
        --------
        >>> print(Estimate.student(5.0, 0.1, 0.95, freedom=1e6).upper.round(3))
        5.196
        """
        from scipy.special import stdtrit

        reach = float(stdtrit(freedom, (1 + confidence) / 2)) * np.asarray(error)
        middle = np.asarray(value)
        return cls(middle, np.asarray(error), middle - reach, middle + reach, confidence)
