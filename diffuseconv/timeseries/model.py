"""The ARIMA model: its parameters, and the conditions on them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from diffuseconv import _checks
from diffuseconv._cached import cached_property
from diffuseconv.timeseries import _series
from diffuseconv.timeseries._stability import decays

__all__ = ["ARIMA", "require_invertible", "require_model", "require_stationary"]


@dataclass(frozen=True)
class ARIMA:
    r"""An autoregressive integrated moving-average model.

    .. math:: w_t = c + \sum_{j=1}^{p} \varphi_j w_{t-j} + \varepsilon_t + \sum_{j=1}^{q} \theta_j \varepsilon_{t-j},
              \qquad w = (1 - B)^d x, \quad \varepsilon_t \sim N(0, \sigma^2)

    AR(p), MA(q), ARMA(p, q) and the random walk (``ARIMA(differences=1)``) are special cases.

    Parameters
    ----------
    ar : sequence of float
        :math:`\varphi_1, \dots, \varphi_p`: positive means that neighbours in time are alike.
    ma : sequence of float
        :math:`\theta_1, \dots, \theta_q`; the kernel on the noise is ``[1, *ma]``.
    differences : int, 0 to 50
        :math:`d`.
    intercept : float
        :math:`c`. The mean of :math:`w` is ``intercept / (1 - sum(ar))``.
    noise_variance : float, >= 0
        :math:`\sigma^2`.

    Raises
    ------
    ValueError, TypeError
        If a parameter is not finite, not of the shape above, or out of its range.

    Examples
    --------
    >>> model = dc.timeseries.ARIMA(ar=[0.5, 0.3], intercept=1.0)
    >>> model.stationary, round(model.mean, 12)
    (True, 5.0)
    """

    ar: Sequence[float] = ()
    ma: Sequence[float] = ()
    differences: int = 0
    intercept: float = 0.0
    noise_variance: float = 1.0

    def __post_init__(self) -> None:
        """Check every parameter once."""
        keep = object.__setattr__
        keep(self, "ar", _series.coefficients("ar", self.ar))
        keep(self, "ma", _series.coefficients("ma", self.ma))
        keep(self, "differences", _checks.count("differences", self.differences, most=50))
        keep(self, "intercept", _checks.number("intercept", self.intercept))
        keep(self, "noise_variance", _checks.number("noise_variance", self.noise_variance, least=0.0))

    @cached_property
    def stationary(self) -> bool:
        """Whether w has a stationary distribution: all roots of the AR polynomial lie outside the unit circle."""
        return decays(self.ar)

    @cached_property
    def invertible(self) -> bool:
        """Whether the noise follows from past values: all roots of the MA polynomial lie outside the unit circle."""
        return decays([-theta for theta in self.ma])

    @property
    def mean(self) -> float:
        """Mean of the (differenced) stationary series w."""
        require_stationary(self)
        mean = self.intercept / math.fsum([1.0, *(-phi for phi in self.ar)])
        if math.isinf(mean):
            raise ValueError(f"intercept must leave the mean below 1.8e+308 in magnitude, got {self.intercept:g}")
        return mean


def require_model(model: object) -> None:
    """Refuse what is not a model."""
    if not isinstance(model, ARIMA):
        raise TypeError(f"model must be an ARIMA (a fit holds one: fit.model), got {_checks.got(model)}")


def require_stationary(model: ARIMA) -> None:
    """Refuse a model whose AR part has a root on or inside the unit circle."""
    if not model.stationary:
        raise ValueError(f"model must be stationary here (put unit roots into differences=), got ar={list(model.ar)}")


def require_invertible(model: ARIMA) -> None:
    """Refuse a model whose MA part has a root on or inside the unit circle."""
    if not model.invertible:
        raise ValueError(f"model must be invertible here (MA roots outside |z| = 1), got ma={list(model.ma)}")
