"""Strategies and tolerances that the tests of time series share."""

import dataclasses

import numpy as np
import strategies
from hypothesis import strategies as st

from diffuseconv import timeseries as ts

EPS = np.finfo(float).eps
SERIES = st.integers(1, 40).flatmap(strategies.fields)


def rounding(model, series, noise):
    """Bound the rounding of either direction of the filter: each step's own, amplified by the responses."""
    n, d = len(series), model.differences
    forward = np.abs(ts.impulse_response(dataclasses.replace(model, ma=(), differences=0), n)).sum()
    back = np.abs(ts.impulse_response(ts.ARIMA(ar=[-t for t in model.ma]), n)).sum()
    taps = (1 + np.abs(model.ar).sum()) * (1 + np.abs(model.ma).sum()) * 2.0**d
    size = np.abs(series).max() + np.abs(noise).max() + abs(model.intercept)
    return 4 * EPS * (len(model.ar) + len(model.ma) + d + 3) * forward * back * taps * size * float(n) ** d
