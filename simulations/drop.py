"""A drop of salt, grain by grain: from a dance of dots to the smooth heat kernel.
===============================================================================

Every grain jumps by itself, to a neighbouring cell or further, with the chances of one heat kernel a step. Nobody can
say where a single grain goes: it walks at random. But where a grain is with chance p, n of them are n p on average and
fluctuate only by √((1−p)/(n p)) of that: a hundred make a ragged cloud, ten thousand a rough hill, and a hundred
million, still a speck too small to see, follow the solution of the diffusion equation to 0.06 per cent in a column of
cells and to 0.4 per cent in a single cell, after twelve minutes. That is why a law as sharp as Fick's can come out of
nothing but chance. No grain is lost and none is made: the walls of the tank are glass.

The film shows the same moment for each number of grains: above, the share of the grains in each cell (a single grain
leaves the track of its last steps); below, the share in each column of cells (blue) beside the exact mean (orange).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--frames", "6", "--size", "21", "--grains", "1", "100", "10000", "100000000"]
TRACK = 80  # steps of a single grain that stay visible
POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    numbers = [1, 100, 10**4, 10**8]
    cli.add_argument(
        "--grains", type=sim.at_least(1, 10**18), nargs="+", default=numbers, help="grains in each tank, up to 1e18"
    )
    cli.add_argument("--size", type=sim.at_least(5), default=61, help="cells along each side of a tank")
    cli.add_argument("--spacing", type=sim.positive, default=1e-4, help="width of a cell in metres")
    cli.add_argument("--diffusivity", type=sim.positive, default=1.6e-9, help="of table salt in water, m²/s")
    cli.add_argument("--step", type=sim.positive, default=2.0, help="seconds between frames")
    sim.add_rng(cli)
    sim.add_film(cli, frames=360)
    return cli


def in_words(number: int) -> str:
    """Write a number of grains."""
    exponent = len(str(number)) - 1
    if number == 1:
        return "1 grain"
    if number == 10**exponent and exponent > 2:
        return f"10{str(exponent).translate(POWERS)} grains"
    return f"{number} grains"


def fluctuation(grains: int, chance: float) -> float:
    """Return the standard deviation of a count over its mean: each of the grains is there with the same chance.

    The count is binomial, so that this is sqrt((1 - p) / (n p)): 0 while all grains are in one place.
    """
    return float(np.sqrt((1 - chance) / (grains * chance)))


class Tank:
    """One tank from above, and below it the shares of its columns beside their mean."""

    def __init__(self, drawn: Figure, place: tuple[float, float, float], grains: int, size: int) -> None:
        left, width, scale = place
        self.start = np.zeros((size, size), np.int64)
        self.start[size // 2, size // 2] = grains
        tank = drawn.add_axes((left, 0.8 - 16 / 9 * width, width, 16 / 9 * width))
        tank.set(xticks=[], yticks=[])
        tank.spines[:].set(visible=True, color=sim.FAINT)
        tank.set_title(in_words(grains), fontsize=max(9, 16 * scale), pad=8)
        self.axes = tank
        self.image = tank.imshow(np.zeros((size, size)), norm=PowerNorm(0.6, 0, 1))
        (self.track,) = tank.plot([], [], color="white", linewidth=0.8, alpha=0.6)
        cut = drawn.add_axes((left, 0.13, width, 0.2))
        cut.set(xlim=(0, size - 1), ylim=(0, 1.6), yticks=[], xticks=[])
        cut.spines["left"].set_visible(False)
        (self.seen,) = cut.plot([], [], color=sim.BLUE, linewidth=1.2, drawstyle="steps-mid")
        (self.mean,) = cut.plot([], [], color=sim.ORANGE, linewidth=1.8)
        size_of_type = max(7.5, 11 * scale)
        self.words = cut.text(0.5, -0.08, "", transform=cut.transAxes, ha="center", va="top", size=size_of_type)
        self.moving = [self.image, self.track, self.seen, self.mean, self.words]

    def show(self, counts: NDArray[np.int64], mean: NDArray[np.float64]) -> None:
        """Show the grains beside the mean; `mean` is the chance of each cell."""
        grains = int(counts.sum())
        sim.repaint(self.image, np.clip(counts / grains / mean.max(), 0, 1))
        if grains == 1:
            row, column = np.argwhere(counts)[0]
            xs, ys = (np.asarray(part) for part in self.track.get_data())
            self.track.set_data([*xs, column][-TRACK:], [*ys, row][-TRACK:])
        cells, columns = np.arange(len(counts)), mean.sum(axis=0)
        top = float(columns.max())
        self.seen.set_data(cells, counts.sum(axis=0) / grains / top)
        self.mean.set_data(cells, columns / top)
        relative = [100 * fluctuation(grains, min(1.0, float(chance))) for chance in (top, mean.max())]
        random = "fluctuation\n{:g} % of a column,\n{:g} % of a cell".format(
            *(float(f"{part:.2g}") for part in relative)
        )
        self.words.set_text("a random walk" if grains == 1 else random)


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the grains of every tank jump, each by itself."""
    jump = dc.Propagator.heat(args.diffusivity, args.step, args.spacing)
    drawn = sim.figure()
    drawn.text(0.045, 0.93, "A drop of salt, grain by grain", size=20, va="center")
    time = drawn.text(0.955, 0.93, "", size=16, color=sim.ORANGE, va="center", ha="right")
    pitch = 0.93 / len(args.grains)
    width = min(0.9 * pitch, 0.225)
    scale = min(1.0, pitch / 0.2)
    places = [(0.035 + (number + 0.5) * pitch - width / 2, width, scale) for number in range(len(args.grains))]
    tanks = [Tank(drawn, place, grains, args.size) for place, grains in zip(places, args.grains, strict=True)]
    sim.scale_bar(tanks[0].axes, args.spacing)
    rng = np.random.default_rng(args.rng)
    walks = [dc.random_walk(tank.start, jump, args.frames - 1, rng=rng) for tank in tanks]

    def story() -> sim.Story:
        counts = [tank.start for tank in tanks]
        mean = counts[0] / counts[0].sum()
        for frame in range(args.frames):
            if frame > 0:
                mean = dc.convolve(mean, jump)
                counts = [next(walk) for walk in walks]
            time.set_text(f"after {sim.clock(frame * args.step)}")
            for tank, now in zip(tanks, counts, strict=True):
                tank.show(now, mean)
            yield
        left = [int(now.sum()) for now in counts]
        lost = "no grain lost" if left == args.grains else "grains were lost"
        return {"grains_at_the_end": left}, f"{lost} in {args.frames - 1} steps"

    return sim.Film(drawn, [time, *(artist for tank in tanks for artist in tank.moving)], story())


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
