"""Time series seen as convolution: moving averages, ARIMA models as kernels, whitening, sums of random variables."""

from diffuseconv.timeseries.fitting import ARFit, autocovariance, best_predictor, fit_ar
from diffuseconv.timeseries.forecasting import Forecast, forecast
from diffuseconv.timeseries.model import ARIMA, innovations, respond, simulate
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
    "autocovariance",
    "best_predictor",
    "convolve_irregular",
    "difference",
    "difference_kernel",
    "fit_ar",
    "forecast",
    "impulse_response",
    "innovations",
    "moving_average",
    "predict_ar",
    "respond",
    "simulate",
    "sum_density",
    "whiten",
    "whitening_kernel",
]
