"""How fast does it diffuse? Two photographs of a process tell, with an interval that keeps its promise.
=====================================================================================================

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

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import _common as sim
import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "32", "--trials", "6", "--frames", "5"]
TITLES = (
    "any propagator,\nnoise in the later picture",
    "heat kernel,\nnoise in the later picture",
    "heat kernel, noise in both,\nthe earlier one's ignored",
    "heat kernel, noise in both,\nits size used",
)

Array = NDArray[np.float64]


class Trial(NamedTuple):
    """One repetition: what the camera saw, the propagator found, and D with its interval by each of four methods."""

    before: Array
    after: Array
    density: Array
    found: Array  # (method, (D, lower, upper))


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_image(cli)
    cli.add_argument("--cells", type=sim.at_least(24), default=96, help="pixels along each side")
    cli.add_argument("--diffusivity", type=sim.positive, default=5e-10, help="true D in m²/s")
    cli.add_argument("--spacing", type=sim.positive, default=5e-5, help="width of a pixel in metres")
    cli.add_argument("--duration", type=sim.positive, default=1.5, help="time between the photographs in seconds")
    cli.add_argument("--before-noise", type=sim.positive, default=0.02, help="of the earlier picture; white is 1")
    cli.add_argument("--after-noise", type=sim.positive, default=0.01, help="of the later picture; white is 1")
    cli.add_argument("--reach", type=sim.at_least(1), default=3, help="cells that a grain may move along an axis")
    cli.add_argument("--trials", type=sim.at_least(2, 10**5), default=100, help="repetitions of the measurement")
    sim.add_rng(cli)
    sim.add_film(cli, frames=180)
    return cli


def measure(args: argparse.Namespace, clean: Array, later: Array, rng: np.random.Generator) -> Trial:
    """Photograph both states with fresh noise and measure D by four methods."""
    before = clean + rng.normal(0.0, args.before_noise, clean.shape)
    after = later + rng.normal(0.0, args.after_noise, clean.shape)
    free = dc.learning.fit_propagator(clean, after, (2 * args.reach + 1,) * 2)
    moment = free.diffusivity(args.duration, args.spacing)
    fits = [
        dc.learning.fit_diffusivity(first, after, args.duration, spacing=args.spacing, before_noise=told)
        for first, told in ((clean, 0.0), (before, 0.0), (before, args.before_noise))
    ]
    any_propagator = (moment.value[0, 0], moment.lower[0, 0], moment.upper[0, 0])
    found = [any_propagator, *((fit.diffusivity, fit.lower, fit.upper) for fit in fits)]
    return Trial(before, after, free.propagator.density, np.array(found))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Repeat the measurement, then show one trial after the other."""
    clean = sim.photograph(args.image, (args.cells, args.cells))
    later = dc.DiffusionEquation(args.diffusivity, args.spacing).evolve(clean, args.duration)
    streams = np.random.default_rng(args.rng).spawn(args.trials)
    trials = [measure(args, clean, later, rng) for rng in sim.watched(streams, args.trials)]
    found = np.array([trial.found for trial in trials])
    held = (found[..., 1] <= args.diffusivity) & (args.diffusivity <= found[..., 2])

    drawn = sim.figure(1280, 760)
    drawn.suptitle("The diffusivity from two photographs", size=17, y=0.962)
    pictures = Pictures(drawn, args, trials)
    intervals = Intervals(drawn, args.diffusivity, found, held)

    def story() -> sim.Story:
        for count in np.linspace(1, args.trials, args.frames).round().astype(int):
            pictures.show(trials[count - 1], count)
            intervals.show(count)
            yield
        hits, means = held.sum(axis=0), found[..., 0].mean(axis=0)
        names = [title.replace("\n", " ") for title in TITLES]
        results = {"held": dict(zip(names, hits, strict=True)), "mean": dict(zip(names, means, strict=True))}
        lines = [
            f"{name}: D = {mean:.4g} m²/s on average, {hit} of {args.trials} intervals hold {args.diffusivity:g}"
            for name, mean, hit in zip(names, means, hits, strict=True)
        ]
        return results, "\n".join(lines)

    return sim.Film(drawn, [*pictures.moving, *intervals.moving], story())


def power_of_ten(value: float) -> float:
    """Return the unit in which a diffusivity is between 1 and 10."""
    return float(10.0 ** np.floor(np.log10(value)))


def unit_name(unit: float) -> str:
    """Write a unit of diffusivity."""
    return f"{sim.figures(unit)} m²/s".replace("1 × ", "")


class Pictures:
    """The two photographs, the propagator found, and what was found in words."""

    def __init__(self, drawn: Figure, args: argparse.Namespace, trials: Sequence[Trial]) -> None:
        self.args = args
        first, gray = trials[0], Normalize(0, 1)
        boxes = [drawn.add_axes((x, 0.53, 0.2, 0.31)) for x in (0.02, 0.24, 0.48)]
        before = sim.panel(boxes[0], first.before, "before, with noise", None, "gray", gray)
        after = sim.panel(boxes[1], first.after, f"{args.duration:g} s later, with noise", None, "gray", gray)
        sim.scale_bar(boxes[0], args.spacing)
        chances = Normalize(0, max(float(trial.density.max()) for trial in trials))
        density = sim.panel(boxes[2], first.density, "the propagator found", "chance to move there", norm=chances)
        reach = args.spacing * 1e6 * (args.reach + 0.5)
        density.set_extent((-reach, reach, reach, -reach))
        boxes[2].set(xticks=[-reach, 0, reach], xlabel="move in µm")
        boxes[2].set_xticklabels([f"{-reach:.0f}".replace("-", "−"), "0", f"{reach:.0f}"])
        self.images = [before, after, density]
        self.told = drawn.text(0.765, 0.85, "", va="top", size=10, family="monospace", linespacing=1.5)
        self.moving = [*self.images, self.told]

    def show(self, trial: Trial, count: int) -> None:
        """Show one trial."""
        for image, picture in zip(self.images, (trial.before, trial.after, trial.density), strict=True):
            sim.repaint(image, picture)
        unit = power_of_ten(self.args.diffusivity)
        true = f"{'true D':<16}{self.args.diffusivity / unit:.3f}"
        lines = [f"measurement {count} of {self.args.trials}", "", true, ""]
        names = ("any propagator", "heat kernel", "noise ignored", "noise corrected")
        for name, (value, lower, upper) in zip(names, trial.found / unit, strict=True):
            lines.append(f"{name:<16}{value:.3f} ± {(upper - lower) / 2:.3f}")
        lines += ["", f"in {unit_name(unit)},\n± half of the 95 % interval"]
        self.told.set_text("\n".join(lines))


class Intervals:
    """All intervals so far, one column of axes for each method."""

    def __init__(self, drawn: Figure, truth: float, found: Array, held: NDArray[np.bool_]) -> None:
        unit, count = power_of_ten(truth), len(found)
        self.ends, self.held = found[..., 1:] / unit, held
        ranges = [span(self.ends[:, :1]), *[span(self.ends[:, 1:])] * 3]
        grid = drawn.add_gridspec(1, 4, left=0.075, right=0.985, top=0.375, bottom=0.08, wspace=0.15)
        self.columns: list[LineCollection] = []
        self.counts = []
        for column, (title, limits) in enumerate(zip(TITLES, ranges, strict=True)):
            axes = drawn.add_subplot(grid[0, column])
            axes.set(xlim=(0, count + 1), ylim=limits, xlabel="measurement")
            axes.set_title(title, fontsize=11)
            axes.axhline(truth / unit, color=sim.INK, linewidth=1, linestyle="--")
            if column == 0:
                axes.set_ylabel(f"D in {unit_name(unit)}\ndashed: the truth")
                axes.axhspan(*ranges[1], color=sim.INK, alpha=0.1, linewidth=0)
                axes.set_xlabel("shaded: the range to the right")
            if column > 1:
                axes.tick_params(labelleft=False)
            self.columns.append(LineCollection([], linewidths=min(3.0, 160 / count)))
            axes.add_collection(self.columns[-1])
            self.counts.append(axes.text(0.03, 0.98, "", va="top", size=11, transform=axes.transAxes))
        self.moving = [*self.columns, *self.counts]

    def show(self, count: int) -> None:
        """Show the first intervals."""
        for method, (lines, text) in enumerate(zip(self.columns, self.counts, strict=True)):
            ends, held = self.ends[:count, method], self.held[:count, method]
            lines.set_segments([((n, a), (n, b)) for n, (a, b) in enumerate(ends, 1)])
            lines.set_color([sim.BLUE if hit else sim.RED for hit in held])
            text.set_text(f"{held.sum()} of {count} hold the truth")
            text.set_color(sim.BLUE if held.sum() >= 0.8 * count else sim.RED)


def span(ends: Array) -> tuple[float, float]:
    """Return the range of a plot that holds all intervals, with room above for a line of text."""
    low, high = float(ends.min()), float(ends.max())
    return low - 0.06 * (high - low), high + 0.2 * (high - low)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
