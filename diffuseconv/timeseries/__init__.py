"""Time series seen as convolution: moving averages, ARIMA models as kernels, whitening, sums of random variables."""

from diffuseconv.timeseries.filtering import arma_filter, innovations, simulate
from diffuseconv.timeseries.fitting import ARFit, autocovariance, fit_ar, levinson_durbin
from diffuseconv.timeseries.forecasting import Forecast, forecast
from diffuseconv.timeseries.model import ARIMA
from diffuseconv.timeseries.series_kernels import (
    difference,
    difference_kernel,
    impulse_response,
    moving_average,
    predict_ar,
    whitening_kernel,
)
from diffuseconv.timeseries.sums import convolve_irregular, sum_density
from diffuseconv.timeseries.whitening import Whitened, whiten

__all__ = [
    "ARIMA",
    "ARFit",
    "Forecast",
    "Whitened",
    "arma_filter",
    "autocovariance",
    "convolve_irregular",
    "difference",
    "difference_kernel",
    "fit_ar",
    "forecast",
    "impulse_response",
    "innovations",
    "levinson_durbin",
    "moving_average",
    "predict_ar",
    "simulate",
    "sum_density",
    "whiten",
    "whitening_kernel",
]
