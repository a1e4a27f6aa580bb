"""White noise becomes a series by one convolution, and noise again by another.

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

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    add_film,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    parser,
    positive,
    write_record,
)
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--past", "40", "--future", "8", "--frames", "5"]
LAGS = 24
SETTLING = 1000  # steps from rest until the series has forgotten its start

Array = NDArray[np.float64]


def stems(axes: Axes, colour: str, width: float) -> LineCollection:
    """Add upright bars, to be set later."""
    bars = LineCollection([], colors=colour, linewidths=width)
    axes.add_collection(bars)
    return bars


def raise_stems(bars: LineCollection, times: Array, values: Array) -> None:
    """Let the bars reach from 0 to the values."""
    bars.set_segments([((t, 0.0), (t, v)) for t, v in zip(times, values, strict=True)])


def main(argv: Sequence[str] | None = None) -> None:
    """Run the simulation and write its film, still picture and record."""
    cli = parser(__doc__)
    add_film(cli, frames=360)
    add_rng(cli, default=5)
    cli.add_argument(
        "--ar", type=float, nargs="+", default=[1.6, -0.8], help="coefficients phi_1 phi_2 ... (stationary)"
    )
    cli.add_argument("--deviation", type=positive, default=1.0, help="standard deviation of the noise")
    cli.add_argument("--past", type=at_least(30), default=160, help="values that the forecast may use")
    cli.add_argument("--future", type=at_least(2), default=40, help="values to forecast")
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "time_series")
        model = dc.timeseries.ARIMA(ar=args.ar, noise_variance=args.deviation**2)
        if not model.stationary:
            raise ValueError(f"--ar must give a stationary series (roots outside the unit circle), got {args.ar}")
        p, past, count = len(args.ar), args.past, args.past + args.future
        noise = np.random.default_rng(args.rng).normal(0.0, args.deviation, SETTLING + count)
        series = dc.timeseries.arma_filter(model, noise)[SETTLING - p :]
        whitened = dc.convolve(series, dc.timeseries.whitening_kernel(args.ar), mode="valid")
        noise, series = noise[SETTLING:], series[p:]
        ahead = dc.timeseries.forecast(model, series[:past], args.future)
        fit = dc.timeseries.fit_ar(series[:past], p, method="least-squares")
        inside = int(np.sum((ahead.lower <= series[past:]) & (series[past:] <= ahead.upper)))

        drawn, artists, updates = stage(model, noise, series, whitened, ahead, args.frames)
        dc.write_movie(files.film, animate(drawn, artists, updates), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        found = ", ".join(f"{c:.2f} ± {e:.2f}" for c, e in zip(fit.coefficients, fit.standard_errors, strict=True))
        results = {"fitted": fit.coefficients, "standard_errors": fit.standard_errors, "inside_interval": inside}
        write_record(files.record, {**vars(args), **results})
    print(f"{inside} of {args.future} future values lie within the 95 % interval; fitted from the past: phi = {found}")
    print(f"wrote {files.film}")


def stage(
    model: dc.timeseries.ARIMA,
    noise: Array,
    series: Array,
    whitened: Array,
    ahead: dc.timeseries.Forecast,
    frames: int,
) -> tuple[Any, list[Any], Iterator[None]]:
    """Draw the three rows, and say what moves and how."""
    count, past = len(series), len(series) - len(ahead.mean)
    time, lags = np.arange(count, dtype=float), np.arange(1.0, LAGS + 1)
    kernel = dc.timeseries.impulse_response(model, count)
    taps = ", ".join(f"{w:g}".replace("-", "−") for w in dc.timeseries.whitening_kernel(model.ar))
    drawn = figure(1280, 800)
    grid = drawn.subplots(3, 2, width_ratios=[3.2, 1], sharex="col", squeeze=False)
    drawn.subplots_adjust(left=0.06, right=0.98, top=0.94, bottom=0.075, hspace=0.33, wspace=0.12)
    titles = [
        "white noise: independent shocks; shaded: the kernel that slides over them",
        "the series: noise ∗ kernel, and its forecast from the past alone",
        f"the series ∗ [{taps}]: white noise again, shock for shock",
    ]
    units = ["shock", "value", "shock"]
    heights = [1.15 * np.abs(noise).max(), 1.25 * max(np.abs(series).max(), np.abs([ahead.lower, ahead.upper]).max())]
    for (left, right), title, unit, height in zip(grid, titles, units, [*heights, heights[0]], strict=True):
        left.set(title=title, ylabel=unit, xlim=(-1, count), ylim=(-height, height))
        left.axhline(0, color=FAINT, linewidth=0.6)
        right.set(title="autocorrelation", xlim=(0, LAGS + 1), ylim=(-1.05, 1.05))
        right.axhline(0, color=FAINT, linewidth=0.6)
    grid[2, 0].set_xlabel("time step")
    grid[2, 1].set_xlabel("lag; dashed: 95 % range of chance")
    grid[1, 0].axvline(past - 0.5, color=FAINT, linewidth=1)

    shocks, again = stems(grid[0, 0], BLUE, 2.5), stems(grid[2, 0], GREEN, 2.5)
    (line,) = grid[1, 0].plot([], [], color=ORANGE)
    (window,) = grid[0, 0].fill([0, 0, 0], [0, 0, 0], color=ORANGE, alpha=0.45, linewidth=0)
    future = np.arange(past, count)
    fan = grid[1, 0].fill_between(future, ahead.lower, ahead.upper, color=INK, alpha=0.22, linewidth=0)
    (middle,) = grid[1, 0].plot(future, ahead.mean, color=INK, linestyle="--", linewidth=1.3)
    note = grid[1, 0].text(past, -0.96 * heights[1], " forecast, 95 % interval", color=INK, fontsize=9)
    bars = [stems(grid[row, 1], colour, 5.0) for row, colour in enumerate((BLUE, ORANGE, GREEN))]
    bands = [grid[row, 1].plot([0, LAGS + 1], [s, s], "--", color=FAINT, lw=1)[0] for row in range(3) for s in (1, -1)]

    def updates() -> Iterator[None]:
        for step in np.linspace(LAGS + 2, count, frames).round().astype(int):
            now = time[:step]
            raise_stems(shocks, now, noise[:step])
            raise_stems(again, now, whitened[:step])
            line.set_data(now, series[:step])
            shape = kernel[:step][::-1] / np.abs(kernel).max() * 0.8 * heights[0]
            window.set_xy(np.column_stack([[now[0], *now, now[-1]], [0.0, *shape, 0.0]]))
            for artist in (fan, middle, note):
                artist.set_visible(bool(step >= past))
            for drawn_bars, values in zip(bars, (noise, series, whitened), strict=True):
                gamma = dc.timeseries.autocovariance(values[:step], LAGS)
                raise_stems(drawn_bars, lags, gamma[1:] / gamma[0])
            for number, band in enumerate(bands):
                band.set_ydata(np.full(2, (-1) ** number * 1.96 / step**0.5))
            yield

    artists = [window, shocks, again, line, fan, middle, note, *bars, *bands]
    return drawn, artists, updates()


if __name__ == "__main__":
    main()
