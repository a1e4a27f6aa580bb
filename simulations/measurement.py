"""Convolution by measurement: each pixel collapses to one of the places that a blur allows, again and again.
==========================================================================================================

A blur says for every pixel where its light may have come from, each place with its own chance: the pixel is in all of
them at once. Measuring it draws one place at random. One measurement of a photograph looks as if seen through frosted
glass. The mean of n measurements tends to the convolution, which weighs all places at once, and its error falls as
σ/√n, where σ² = Σ p (u − mean)² is known exactly beforehand: a thousand times the draws for an error 32 times smaller.

The film shows the mean of 1, 2, 4, ... measurements beside the convolution, their difference, and the error's root
mean square on its way down the exact line. The kernel is the heat kernel of the given width; one draw moves the whole
colour of a pixel. Brightness runs from 0 (black) to 1 (white).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import _common as sim
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--frames", "8", "--size", "32", "--draws", "64"]
Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_image(cli)
    cli.add_argument("--size", type=sim.at_least(16), default=256, help="rows and columns of the photograph")
    cli.add_argument(
        "--width", type=sim.positive, default=4.0, help="standard deviation of a jump along an axis, in pixels"
    )
    cli.add_argument("--draws", type=sim.at_least(2, 10**12), default=2**14, help="measurements in all")
    sim.add_rng(cli)
    sim.add_film(cli, frames=330)
    return cli


def growing_mean(photo: Array, propagator: dc.Propagator, draws: Sequence[int], rng: int) -> Iterator[Array]:
    """Yield the mean of so many draws in all, each batch added to those before."""
    stream = np.random.default_rng(rng)
    mean, before = np.zeros(photo.shape), 0
    for total in draws:
        if total > before:
            batch = dc.measure(photo, propagator, total - before, rng=stream, axes=(0, 1))
            mean = mean + (batch - mean) * ((total - before) / total)
            before = total
        yield mean


def with_thousands(number: int) -> str:
    """Write a whole number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\N{THIN SPACE}")


class Comparison:
    """The mean so far, the convolution, their difference, and the curve of the error."""

    def __init__(self, drawn: Figure, exact: Array, deviation: float, draws: Sequence[int]) -> None:
        self.exact = exact
        boxes = [drawn.add_axes((x, 0.36, 0.2925, 0.51)) for x in (0.02, 0.3538, 0.6875)]
        titles = ("mean of the measurements", "convolution: all places at once", "difference, ten times enlarged")
        for axes, title in zip(boxes, titles, strict=True):
            sim.bare(axes, title, fontsize=13, pad=8)
        boxes[1].imshow(np.clip(exact, 0, 1))
        self.mean, self.difference = (box.imshow(np.zeros_like(exact)) for box in (boxes[0], boxes[2]))
        curve = drawn.add_axes((0.3838, 0.1, 0.5962, 0.22))
        curve.set(xscale="log", yscale="log", xlim=(0.8, draws[-1] * 1.25))
        law = deviation / np.sqrt(draws)
        curve.set_ylim(law[-1] / 1.5, law[0] * 2)
        curve.plot(draws, law, color=sim.ORANGE, linewidth=1.2, dashes=(5, 4), zorder=3, label="exact: σ/√n")
        curve.set(xlabel="measurements n", ylabel="error (rms)")
        curve.xaxis.set_major_formatter(FuncFormatter(lambda x, _: with_thousands(int(x)) if x >= 1 else ""))
        curve.grid(which="major")
        (self.path,) = curve.plot([], [], color=sim.BLUE, linewidth=3.2, label="measured")
        (self.dot,) = curve.plot([], [], "o", color=sim.BLUE, markersize=10)
        curve.legend(loc="upper right")
        self.count = drawn.text(0.02, 0.245, "", size=32, color=sim.ORANGE, va="center")
        self.words = drawn.text(0.02, 0.14, "", size=12, va="center", linespacing=1.6)
        self.moving = [self.mean, self.difference, self.path, self.dot, self.count, self.words]

    def show(self, mean: Array, draws: int) -> float:
        """Show the mean of so many draws; return its error."""
        error = float(np.sqrt(np.mean((mean - self.exact) ** 2)))
        self.mean.set_data(np.clip(mean, 0, 1))
        self.difference.set_data(np.clip(0.5 + 10 * (mean - self.exact) / 2, 0, 1))
        sim.extend_curves([self.path], draws, [error])
        self.dot.set_data([draws], [error])
        self.count.set_text(f"n = {with_thousands(draws)}")
        many = f"each pixel is the mean of {with_thousands(draws)} draws\nerror {error:.2g} of full brightness"
        self.words.set_text("each pixel shows one place, drawn at random" if draws == 1 else many)
        return error


def simulate(args: argparse.Namespace) -> sim.Film:
    """Measure ever more often."""
    photo = sim.photograph(args.image, (args.size, args.size), gray=False)
    propagator = dc.Propagator.heat(args.width**2 / 2, duration=1.0, tolerance=1e-4)
    exact = dc.convolve(photo, propagator, axes=(0, 1))
    deviation = float(np.sqrt(dc.measurement_variance(photo, propagator, axes=(0, 1)).mean()))
    single = args.frames // 8  # frames of one draw before the others join
    more = args.frames - single
    draws = [1] * single + [round(args.draws ** (frame / (more - 1))) for frame in range(more)]
    wanted = [1, *sorted({round(args.draws ** (part / 8)) for part in (2, 4, 8)} - {1})]
    kept: dict[int, Array] = {}
    drawn = sim.figure()
    drawn.text(0.02, 0.945, "Convolution by measurement", size=20, va="center")
    comparison = Comparison(drawn, exact, deviation, draws)

    def story() -> sim.Story:
        error = 0.0
        for total, mean in zip(draws, growing_mean(photo, propagator, draws, args.rng), strict=True):
            kept.update({count: mean for count in wanted if total >= count and count not in kept})
            error = comparison.show(mean, total)
            yield
        ratio = error * np.sqrt(args.draws) / deviation
        results = {"taps": propagator.density.size, "rms_error": error, "deviation_of_one_draw": deviation}
        return results, f"rms error {error:.3g} after {args.draws} draws, {ratio:.3f} of the exact σ/√n"

    return sim.Film(drawn, comparison.moving, story(), lambda: sheet(photo, exact, kept))


def sheet(photo: Array, exact: Array, means: dict[int, Array]) -> Figure:
    """Draw photograph, chosen means and convolution on one still picture."""
    drawn = sim.figure(1500, 1080)
    boxes = drawn.subplots(2, 3).ravel()
    drawn.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.94, wspace=0.05, hspace=0.1)
    pictures = {"the photograph": photo}
    for count, mean in means.items():
        pictures["one measurement" if count == 1 else f"mean of {with_thousands(count)} measurements"] = mean
    pictures["the convolution"] = exact
    for axes, (title, picture) in zip(boxes, pictures.items(), strict=False):
        sim.bare(axes, title, fontsize=15, pad=8)
        axes.imshow(np.clip(picture, 0, 1))
    for axes in boxes[len(pictures) :]:
        axes.set_visible(False)
    return drawn


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
