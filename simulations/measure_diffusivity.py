"""How fast does it diffuse? Two photographs of a process tell, with an interval that keeps its promise.

A pattern of dye is photographed, diffuses for a while, and is photographed again. The later picture is the earlier one,
convolved with a propagator: the chances of a grain to move so many cells. Least squares over all pixels gives it back,
and half of its variance over the time is the diffusivity D. Each camera frame has noise, so each measurement differs.
Here it is repeated many times. Every upright line is one measurement's 95 % interval, blue if it holds the true D and
red if it does not.

Left: nothing is supposed but that grains move, each weight of the propagator is free. Right of it: only heat kernels
are admitted, so all pixels vote on one number, and the intervals are far narrower (the scale is stretched for them).

Noise in the *later* picture only widens the interval. Noise in the *earlier* one biases: it looks like fine detail that
has vanished since, as if by diffusion, and D comes out too large, no matter how many pixels there are. If the size of
the noise is known (photograph something even), what it adds on average can be taken off, and the interval holds again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from _common import (
    BLUE,
    INK,
    RED,
    add_film,
    add_image,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    panel,
    parser,
    photograph,
    positive,
    repaint,
    watched,
    write_record,
)
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "32", "--trials", "6", "--frames", "5"]
TITLES = (
    "any propagator,\nnoise in the later picture",
    "heat kernel,\nnoise in the later picture",
    "heat kernel, noise in both,\nthe earlier one's ignored",
    "heat kernel, noise in both,\nits size taken into account",
)

Array = NDArray[np.float64]


class Trial(NamedTuple):
    """One repetition: what the camera saw, the propagator found, and D with its interval in each of the four ways."""

    before: Array
    after: Array
    density: Array
    found: Array  # (way, (D, lower, upper))


def measure(
    clean: Array, later: Array, noise: tuple[float, float], units: tuple[float, float], reach: int, rng: Any
) -> Trial:
    """Photograph both states with fresh noise and measure D in four ways."""
    before = clean + rng.normal(0.0, noise[0], clean.shape)
    after = later + rng.normal(0.0, noise[1], clean.shape)
    side = 2 * reach + 1
    free = dc.learning.fit_propagator(clean, after, (side, side))
    duration, spacing = units
    moment = free.diffusivity(duration, spacing)
    fits = [
        dc.learning.fit_diffusivity(first, after, duration, spacing=spacing, before_noise=told)
        for first, told in ((clean, 0.0), (before, 0.0), (before, noise[0]))
    ]
    any_way = (moment.value[0, 0], moment.lower[0, 0], moment.upper[0, 0])
    return Trial(
        before,
        after,
        free.propagator.density,
        np.array([any_way, *((fit.diffusivity, fit.lower, fit.upper) for fit in fits)]),
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    add_image(cli)
    cli.add_argument("--cells", type=at_least(24), default=128, help="pixels along each side")
    cli.add_argument("--diffusivity", type=positive, default=5e-10, help="true D in m²/s")
    cli.add_argument("--spacing", type=positive, default=5e-5, help="width of a pixel in metres")
    cli.add_argument("--duration", type=positive, default=1.5, help="time between the photographs in seconds")
    cli.add_argument("--before-noise", type=positive, default=0.02, help="of the earlier picture; white is 1")
    cli.add_argument("--after-noise", type=positive, default=0.01, help="of the later picture; white is 1")
    cli.add_argument("--reach", type=at_least(1), default=4, help="cells that a grain may move along an axis")
    cli.add_argument("--trials", type=at_least(2), default=120, help="repetitions of the measurement")
    add_rng(cli)
    add_film(cli, frames=240)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "measure_diffusivity")
        clean = photograph(args.image, (args.cells, args.cells))
        later = dc.DiffusionEquation(args.diffusivity, args.spacing).evolve(clean, args.duration)
        noise = (args.before_noise, args.after_noise)
        streams = np.random.default_rng(args.rng).spawn(args.trials)
        trials = [
            measure(clean, later, noise, (args.duration, args.spacing), args.reach, rng)
            for rng in watched(streams, args.trials)
        ]
        found = np.array([trial.found for trial in trials])
        held = (found[..., 1] <= args.diffusivity) & (args.diffusivity <= found[..., 2])

        drawn, artists, updates = stage(args, trials, found, held)
        dc.write_movie(files.film, animate(drawn, artists, updates), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        names = [title.replace("\n", " ") for title in TITLES]
        mean = dict(zip(names, found[..., 0].mean(axis=0), strict=True))
        results = {"held": dict(zip(names, held.sum(axis=0), strict=True)), "mean": mean}
        write_record(files.record, {**vars(args), **results})
    for name, hits in zip(names, held.sum(axis=0), strict=True):
        print(
            f"{name}: D = {mean[name]:.4g} m²/s on average, {hits} of {args.trials} intervals hold {args.diffusivity:g}"
        )
    print(f"wrote {files.film}")


def stage(
    args: Any, trials: Sequence[Trial], found: Array, held: NDArray[np.bool_]
) -> tuple[Any, list[Any], Iterator[None]]:
    """Draw the pictures above and the intervals below, and say what moves."""
    drawn = figure(1280, 760)
    drawn.suptitle("The diffusivity from two photographs", size=17, y=0.975)
    above = drawn.add_gridspec(
        1, 4, width_ratios=(1, 1, 1, 1.15), left=0.03, right=0.985, top=0.875, bottom=0.515, wspace=0.16
    )
    below = drawn.add_gridspec(1, 4, left=0.06, right=0.985, top=0.39, bottom=0.075, wspace=0.15)
    gray = Normalize(0, 1)
    first, second = (
        panel(drawn.add_subplot(above[0, column]), picture, title, None, "gray", gray)
        for column, (picture, title) in enumerate(
            ((trials[0].before, "before, with noise"), (trials[0].after, f"{args.duration:g} s later, with noise"))
        )
    )
    strongest = max(float(trial.density.max()) for trial in trials)
    chances = Normalize(0, strongest)
    reach = args.spacing * 1e6 * (args.reach + 0.5)
    box = drawn.add_subplot(above[0, 2])
    density = panel(box, trials[0].density, "the propagator found", "chance to move there", norm=chances)
    density.set_extent((-reach, reach, reach, -reach))
    box.set(xticks=[-reach, 0, reach], xlabel="move in µm")
    box.set_xticklabels([f"{-reach:.0f}", "0", f"{reach:.0f}"])
    words = drawn.add_subplot(above[0, 3])
    words.set_axis_off()
    told = words.text(0.27, 0.97, "", va="top", size=10, family="monospace", linespacing=1.5, transform=words.transAxes)

    unit = 10.0 ** np.floor(np.log10(args.diffusivity))
    ranges = [span(found[:, :1, 1:] / unit), *[span(found[:, 1:, 1:] / unit)] * 3]
    artists: list[Any] = [first, second, density, told]
    columns, counts = [], []
    for column, (title, limits) in enumerate(zip(TITLES, ranges, strict=True)):
        axes = drawn.add_subplot(below[0, column])
        axes.set(xlim=(0, len(trials) + 1), ylim=limits, title=title, xlabel="measurement")
        axes.axhline(args.diffusivity / unit, color=INK, linewidth=1, linestyle="--")
        if column == 0:
            axes.set_ylabel(f"D in {unit:.0e} m²/s; dashed: the truth".replace("e-0", "e-"))
            axes.axhspan(*ranges[1], color=INK, alpha=0.1, linewidth=0)
            axes.set_xlabel("measurement; shaded: the range to the right")
        if column > 1:
            axes.tick_params(labelleft=False)
        lines = LineCollection([], linewidths=min(3.0, 160 / len(trials)))
        axes.add_collection(lines)
        columns.append(lines)
        counts.append(axes.text(0.03, 0.98, "", va="top", size=11, transform=axes.transAxes))
    artists += [*columns, *counts]

    def updates() -> Iterator[None]:
        for step in np.linspace(1, len(trials), args.frames).round().astype(int):
            trial, now = trials[step - 1], np.arange(1, step + 1)
            for image, picture in ((first, trial.before), (second, trial.after), (density, trial.density)):
                repaint(image, picture)
            told.set_text(sentence(args, trial, step, unit))
            for way, (lines, count) in enumerate(zip(columns, counts, strict=True)):
                ends = found[:step, way, 1:] / unit
                lines.set_segments([((n, a), (n, b)) for n, (a, b) in zip(now, ends, strict=True)])
                lines.set_color([BLUE if hit else RED for hit in held[:step, way]])
                hits = int(held[:step, way].sum())
                count.set_text(f"{hits} of {step} hold the truth")
                count.set_color(BLUE if hits >= 0.8 * step else RED)
            yield

    return drawn, artists, updates()


def span(ends: Array) -> tuple[float, float]:
    """Return the range of a plot that holds all intervals, with room above for a line of text."""
    low, high = float(ends.min()), float(ends.max())
    return low - 0.06 * (high - low), high + 0.2 * (high - low)


def sentence(args: Any, trial: Trial, step: int, unit: float) -> str:
    """Say what one measurement found."""
    lines = [f"measurement {step} of {args.trials}", "", f"{'true D':<16}{args.diffusivity / unit:.3f}", ""]
    names = ("any propagator", "heat kernel", "noise ignored", "noise corrected")
    for name, (value, lower, upper) in zip(names, trial.found / unit, strict=True):
        lines.append(f"{name:<16}{value:.3f} ± {(upper - lower) / 2:.3f}")
    lines += ["", f"in {unit:.0e} m²/s,\n± half of the 95 % interval".replace("e-0", "e-")]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
