"""Convolution by measurement: each pixel collapses to one of the places that a blur allows, again and again.

A blur says for every pixel where its light may have come from, each place with its own chance: the pixel is in all of
them at once. Measuring it draws one place at random. One measurement of a photograph looks as if seen through frosted
glass. The mean of n measurements tends to the convolution, which weighs all places at once, and its error falls as
σ/√n, where σ² = Σ p (u − mean)² is known exactly beforehand: a thousand times the draws for an error 32 times smaller.

The film shows the mean of 1, 2, 4, ... measurements beside the convolution, their difference, and the error's root
mean square on its way down the exact line. The kernel is the heat kernel of the given width; one draw moves the whole
colour of a pixel. Brightness runs from 0 (black) to 1 (white).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    add_film,
    add_image,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    parser,
    photograph,
    positive,
    write_record,
)
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--frames", "8", "--size", "32", "--draws", "64"]
Array = NDArray[np.float64]


def growing_mean(photo: Array, propagator: dc.Propagator, draws: Sequence[int], rng: int) -> Iterator[Array]:
    """Yield the mean of so many draws in all, each batch added to those before."""
    chance = np.random.default_rng(rng)
    mean, before = np.zeros(photo.shape), 0
    for total in draws:
        if total > before:
            batch = dc.measure(photo, propagator, total - before, rng=chance, axes=(0, 1))
            mean = mean + (batch - mean) * ((total - before) / total)
            before = total
        yield mean


def superscript(number: int) -> str:
    """Write a whole number with thin spaces between its thousands."""
    return f"{number:,}".replace(",", "\N{THIN SPACE}")


def bare(axes: Axes, title: str) -> None:
    """Leave out the ticks."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(title, color=INK, fontsize=13, pad=8)


def stage(drawing: Figure, exact: Array, spread: float, draws: Sequence[int]) -> dict[str, Any]:
    """Lay out three pictures and the curve of the error."""
    boxes = [drawing.add_axes((x, 0.36, 0.2925, 0.52)) for x in (0.02, 0.3538, 0.6875)]
    titles = ("mean of the measurements", "convolution: all places at once", "difference, ten times enlarged")
    for axes, title in zip(boxes, titles, strict=True):
        bare(axes, title)
    boxes[1].imshow(np.clip(exact, 0, 1))
    curve = drawing.add_axes((0.3838, 0.09, 0.5962, 0.22))
    curve.set(xscale="log", yscale="log", xlim=(0.8, draws[-1] * 1.25))
    exact_line = spread / np.sqrt(draws)
    curve.plot(draws, exact_line, color=ORANGE, linewidth=1.2, dashes=(5, 4), zorder=3, label="exact: σ/√n")
    curve.set_xlabel("measurements n", color=FAINT)
    curve.set_ylabel("error (rms)", color=FAINT)
    curve.xaxis.set_major_formatter(FuncFormatter(lambda x, _: superscript(int(x)) if x >= 1 else ""))
    curve.grid(which="major")
    (path,) = curve.plot([], [], color=BLUE, linewidth=3.2, label="measured")
    (dot,) = curve.plot([], [], "o", color=BLUE, markersize=10)
    curve.legend(loc="upper right")
    return {
        "mean": boxes[0].imshow(np.zeros_like(exact)),
        "difference": boxes[2].imshow(np.zeros_like(exact)),
        "path": path,
        "dot": dot,
        "count": drawing.text(0.02, 0.245, "", size=34, color=ORANGE, va="center"),
        "words": drawing.text(0.02, 0.15, "", size=12, color=INK, va="center", linespacing=1.6),
    }


def update(parts: dict[str, Any], mean: Array, exact: Array, draws: Sequence[int], errors: Sequence[float]) -> None:
    """Show the state after so many draws."""
    shown = draws[len(errors) - 1]
    parts["mean"].set_data(np.clip(mean, 0, 1))
    parts["difference"].set_data(np.clip(0.5 + 10 * (mean - exact) / 2, 0, 1))
    parts["path"].set_data(draws[: len(errors)], errors)
    parts["dot"].set_data([shown], [errors[-1]])
    parts["count"].set_text(f"n = {superscript(shown)}")
    parts["words"].set_text(
        "each pixel took one place at random"
        if shown == 1
        else f"each pixel is the mean of {superscript(shown)} draws\nerror {errors[-1]:.2g} of full brightness"
    )


def sheet(photo: Array, exact: Array, means: dict[int, Array]) -> Figure:
    """Draw photograph, chosen means and convolution on one still picture."""
    drawn = figure(1500, 1080)
    boxes = drawn.subplots(2, 3).ravel()
    drawn.subplots_adjust(left=0.02, right=0.98, bottom=0.02, top=0.94, wspace=0.05, hspace=0.1)
    pictures = {"the photograph": photo}
    for count, mean in means.items():
        pictures["one measurement" if count == 1 else f"mean of {superscript(count)} measurements"] = mean
    pictures["the convolution"] = exact
    for axes, (title, picture) in zip(boxes, pictures.items(), strict=False):
        bare(axes, title)
        axes.imshow(np.clip(picture, 0, 1))
    for axes in boxes[len(pictures) :]:
        axes.set_visible(False)
    return drawn


def main(argv: Sequence[str] | None = None) -> None:
    """Make the film, the still and the record."""
    cli = parser(__doc__)
    add_image(cli)
    cli.add_argument("--size", type=at_least(16), default=320, help="rows and columns of the photograph")
    cli.add_argument(
        "--width", type=positive, default=4.0, help="standard deviation of a jump along an axis, in pixels"
    )
    cli.add_argument("--draws", type=at_least(2), default=2**16, help="measurements in all")
    add_rng(cli)
    add_film(cli, frames=330)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "measurement")
        photo = photograph(args.image, (args.size, args.size), gray=False)
        propagator = dc.Propagator.heat(args.width**2 / 2, duration=1.0, tolerance=1e-4)
        exact = dc.convolve(photo, propagator, axes=(0, 1))
        spread = float(np.sqrt(dc.measurement_variance(photo, propagator, axes=(0, 1)).mean()))
        draws = [round(args.draws ** (frame / (args.frames - 1))) for frame in range(args.frames)]
        wanted = [1, *sorted({round(args.draws ** (part / 8)) for part in (2, 4, 8)} - {1})]
        errors: list[float] = []
        kept: dict[int, Array] = {}
        drawing = figure(1280, 720)
        drawing.text(0.02, 0.962, "Convolution by measurement", size=20, color=INK, va="center")
        parts = stage(drawing, exact, spread, draws)

        def updates() -> Iterator[None]:
            for number, mean in enumerate(growing_mean(photo, propagator, draws, args.rng)):
                errors.append(float(np.sqrt(np.mean((mean - exact) ** 2))))
                for count in wanted:
                    if draws[number] >= count and count not in kept:
                        kept[count] = mean
                update(parts, mean, exact, draws, errors)
                yield

        dc.write_movie(files.film, animate(drawing, list(parts.values()), updates()), fps=args.fps, progress=True)
        sheet(photo, exact, kept).savefig(files.still)
        write_record(
            files.record,
            {**vars(args), "taps": propagator.density.size, "rms_error": errors[-1], "spread_of_one_draw": spread},
        )
    ratio = errors[-1] * np.sqrt(args.draws) / spread
    print(f"rms error {errors[-1]:.3g} after {args.draws} draws, {ratio:.3f} of the exact σ/√n: {files.film}")


if __name__ == "__main__":
    main()
