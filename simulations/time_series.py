"""White noise becomes a series by one convolution, and noise again by another.
============================================================================

Above: white noise, one independent shock at each time. Its autocorrelation is zero at every lag: the past says nothing
about the future. The shaded shape is the kernel (the psi-weights of an autoregression) as it slides along: each value
of the series is the sum of the shocks under it, weighed by its height.

Middle: the series that comes out. It swings, its neighbours in time are alike, and so its past does tell about its
future: at the vertical line the past ends and the forecast begins, with an interval that should hold 95 % of the
values to come. The interval widens as more unseen shocks fall under the kernel, until it is as wide as the series.

Below: the series convolved with the short kernel [1, -phi_1, -phi_2, ...]. All autocorrelation is gone: what comes out
is the very noise that went in. So a series that was whitened cannot be predicted from its own past; prediction
needs the past as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--past", "40", "--future", "8", "--frames", "5"]
LAGS = 24
SETTLING = 1000  # steps from rest until the series has forgotten its start

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_film(cli, frames=360)
    sim.add_rng(cli, default=5)
    cli.add_argument(
        "--ar", type=float, nargs="+", default=[1.6, -0.8], help="coefficients phi_1 phi_2 ... (stationary)"
    )
    cli.add_argument("--deviation", type=sim.positive, default=1.0, help="standard deviation of the noise")
    cli.add_argument("--past", type=sim.at_least(30, 10**5), default=160, help="values that the forecast may use")
    cli.add_argument("--future", type=sim.at_least(2), default=40, help="values to forecast")
    return cli


@dataclass(frozen=True)
class Series:
    """White noise, the series that it becomes, the series whitened, and its forecast from the past alone."""

    model: dc.timeseries.ARIMA
    noise: Array
    values: Array
    whitened: Array
    ahead: dc.timeseries.Forecast


def make(args: argparse.Namespace) -> Series:
    """Make the noise and all that follows from it."""
    model = dc.timeseries.ARIMA(ar=args.ar, noise_variance=args.deviation**2)
    if not model.stationary:
        given = " ".join(f"{phi:g}" for phi in args.ar)
        raise sim.OptionError(f"--ar must give a stationary series (roots outside the unit circle), got {given}")
    p, count = len(args.ar), args.past + args.future
    noise = np.random.default_rng(args.rng).normal(0.0, args.deviation, SETTLING + count)
    series = dc.timeseries.arma_filter(model, noise)[SETTLING - p :]
    whitened = dc.convolve(series, dc.timeseries.whitening_kernel(args.ar), mode="valid")
    ahead = dc.timeseries.forecast(model, series[p : p + args.past], args.future)
    return Series(model, noise[SETTLING:], series[p:], whitened, ahead)


def stems(axes: Axes, colour: str, width: float) -> LineCollection:
    """Add upright bars, to be set later."""
    bars = LineCollection([], colors=colour, linewidths=width)
    axes.add_collection(bars)
    return bars


def raise_stems(bars: LineCollection, times: Array, values: Array) -> None:
    """Let the bars reach from 0 to the values."""
    bars.set_segments([((t, 0.0), (t, v)) for t, v in zip(times, values, strict=True)])


class Rows:
    """Three rows of a series and its autocorrelation."""

    def __init__(self, drawn: Figure, series: Series) -> None:
        self.series = series
        self.time, self.lags = np.arange(len(series.values), dtype=float), np.arange(1.0, LAGS + 1)
        self.past = len(series.values) - len(series.ahead.mean)
        self.kernel = dc.timeseries.impulse_response(series.model, len(series.values))
        ends = np.abs([series.ahead.lower, series.ahead.upper]).max()
        self.heights = [1.15 * np.abs(series.noise).max(), 1.25 * max(np.abs(series.values).max(), ends)]
        grid = drawn.subplots(3, 2, width_ratios=[3.2, 1], sharex="col", squeeze=False)
        drawn.subplots_adjust(left=0.07, right=0.98, top=0.94, bottom=0.085, hspace=0.33, wspace=0.13)
        self.draw_axes(grid)
        self.shocks, self.again = stems(grid[0, 0], sim.BLUE, 2.5), stems(grid[2, 0], sim.GREEN, 2.5)
        (self.line,) = grid[1, 0].plot([], [], color=sim.ORANGE)
        (self.window,) = grid[0, 0].fill([0, 0, 0], [0, 0, 0], color=sim.ORANGE, alpha=0.45, linewidth=0)
        future, ahead = np.arange(self.past, len(series.values)), series.ahead
        fan = grid[1, 0].fill_between(future, ahead.lower, ahead.upper, color=sim.INK, alpha=0.22, linewidth=0)
        (middle,) = grid[1, 0].plot(future, ahead.mean, color=sim.INK, linestyle="--", linewidth=1.3)
        note = grid[1, 0].text(self.past, -0.96 * self.heights[1], " forecast, 95 % interval", fontsize=9)
        self.forecast = [fan, middle, note]
        self.bars = [stems(grid[row, 1], colour, 5.0) for row, colour in enumerate((sim.BLUE, sim.ORANGE, sim.GREEN))]
        style: Any = {"linestyle": "--", "color": sim.FAINT, "linewidth": 1}
        self.bands = [grid[row, 1].plot([0, LAGS + 1], [1, 1], **style)[0] for row in range(3) for _ in (1, -1)]
        lines = [self.window, self.shocks, self.again, self.line]
        self.moving: list[Any] = [*lines, *self.forecast, *self.bars, *self.bands]

    def draw_axes(self, grid: Any) -> None:
        """Draw titles, axes and the line where the past ends."""
        kernel = dc.timeseries.whitening_kernel(self.series.model.ar)
        taps = ", ".join(f"{weight:g}".replace("-", "−") for weight in kernel)
        titles = [
            "white noise: independent shocks; shaded: the kernel that slides over them",
            "the series: noise ∗ kernel, and its forecast from the past alone",
            f"the series ∗ [{taps}]: white noise again, shock for shock",
        ]
        heights, units = [*self.heights, self.heights[0]], ("shock", "value", "shock")
        for (left, right), title, unit, height in zip(grid, titles, units, heights, strict=True):
            left.set(title=title, ylabel=unit, xlim=(-1, len(self.time)), ylim=(-height, height))
            left.axhline(0, color=sim.FAINT, linewidth=0.6)
            right.set(title="autocorrelation", xlim=(0, LAGS + 1), ylim=(-1.05, 1.05))
            right.axhline(0, color=sim.FAINT, linewidth=0.6)
        grid[2, 0].set_xlabel("time step")
        grid[2, 1].set_xlabel("lag; dashed: 95 % range of chance")
        grid[1, 0].axvline(self.past - 0.5, color=sim.FAINT, linewidth=1)

    def show(self, step: int) -> None:
        """Show the series up to a time step."""
        series, now = self.series, self.time[:step]
        raise_stems(self.shocks, now, series.noise[:step])
        raise_stems(self.again, now, series.whitened[:step])
        self.line.set_data(now, series.values[:step])
        shape = self.kernel[:step][::-1] / np.abs(self.kernel).max() * 0.8 * self.heights[0]
        self.window.set_xy(np.column_stack([[now[0], *now, now[-1]], [0.0, *shape, 0.0]]))
        for artist in self.forecast:
            artist.set_visible(bool(step >= self.past))
        for bars, values in zip(self.bars, (series.noise, series.values, series.whitened), strict=True):
            gamma = dc.timeseries.autocovariance(values[:step], LAGS)
            raise_stems(bars, self.lags, gamma[1:] / gamma[0])
        for number, band in enumerate(self.bands):
            band.set_ydata(np.full(2, (-1) ** number * 1.96 / step**0.5))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the series grow, shock by shock."""
    series = make(args)
    drawn = sim.figure(1280, 800)
    rows = Rows(drawn, series)

    def story() -> sim.Story:
        for step in np.linspace(LAGS + 2, len(series.values), args.frames).round().astype(int):
            rows.show(step)
            yield
        future, ahead = series.values[args.past :], series.ahead
        inside = int(np.sum((ahead.lower <= future) & (future <= ahead.upper)))
        fit = dc.timeseries.fit_ar(series.values[: args.past], len(args.ar), method="least-squares")
        found = ", ".join(f"{c:.2f} ± {e:.2f}" for c, e in zip(fit.coefficients, fit.standard_errors, strict=True))
        results = {"fitted": fit.coefficients, "standard_errors": fit.standard_errors, "inside_interval": inside}
        told = f"{inside} of {args.future} future values lie within the 95 % interval; "
        return results, f"{told}fitted from the past: phi = {found}"

    return sim.Film(drawn, rows.moving, story())


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
