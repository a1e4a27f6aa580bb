"""A drop of salt, grain by grain: from a dance of dots to the smooth heat kernel.

Every grain jumps by itself, to a neighbouring cell or further, with the chances of one heat kernel a step. Nobody can
say where a single grain goes: it walks at random. But n grains fluctuate around their mean only by 1/√n of it: a
hundred make a ragged cloud, ten thousand a rough hill, and a hundred million, still a speck too small to see, follow
the solution of the diffusion equation to a hundredth of a per cent. That is why a law as sharp as Fick's can come out
of nothing but chance. No grain is lost and none is made: the walls of the tank are glass.

The film shows the same moment for each number of grains: above, the share of the grains in each cell (a single grain
leaves the track of its last steps); below, the share in each column of cells (blue) beside the exact mean (orange).
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
    add_rng,
    animate,
    at_least,
    clock,
    figure,
    one_line_errors,
    outputs,
    parser,
    positive,
    repaint,
    write_record,
)
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--frames", "6", "--size", "21", "--grains", "1", "100", "10000", "100000000"]
TRACK = 80  # steps of a single grain that stay visible
POWERS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def tanks(grains: Sequence[int], size: int) -> list[NDArray[np.int64]]:
    """Put so many grains into the middle cell of as many tanks."""
    made = []
    for number in grains:
        tank = np.zeros((size, size), np.int64)
        tank[size // 2, size // 2] = number
        made.append(tank)
    return made


def say(number: int) -> str:
    """Write a number of grains."""
    exponent = len(str(number)) - 1
    if number == 1:
        return "1 grain"
    return (
        f"10{str(exponent).translate(POWERS)} grains" if number == 10**exponent and exponent > 2 else f"{number} grains"
    )


def stage(drawing: Figure, grains: Sequence[int], size: int) -> list[dict[str, Any]]:
    """Lay out a column for each number of grains."""
    width = 0.94 / len(grains)
    parts = []
    for column, number in enumerate(grains):
        left = 0.045 + column * width
        tank = drawing.add_axes((left, 0.41, width * 0.9, width * 0.9 * 16 / 9))
        tank.set(xticks=[], yticks=[])
        tank.spines[:].set(visible=True, color=FAINT)
        tank.set_title(say(number), color=INK, fontsize=16, pad=10)
        cut = drawing.add_axes((left, 0.12, width * 0.9, 0.22))
        cut.set(xlim=(0, size - 1), ylim=(0, 1.6), yticks=[], xticks=[])
        cut.spines["left"].set_visible(False)
        (seen,) = cut.plot([], [], color=BLUE, linewidth=1.2, drawstyle="steps-mid")
        (mean,) = cut.plot([], [], color=ORANGE, linewidth=1.8)
        words = cut.text(0.5, -0.13, "", transform=cut.transAxes, ha="center", va="top", size=11, color=FAINT)
        image = tank.imshow(np.zeros((size, size)), norm=PowerNorm(0.6, 0, 1), interpolation="none")
        (track,) = tank.plot([], [], color=INK, linewidth=0.8, alpha=0.6)
        parts.append({"image": image, "track": track, "seen": seen, "mean": mean, "words": words})
    return parts


def update(part: dict[str, Any], tank: NDArray[np.int64], mean: NDArray[np.float64]) -> None:
    """Show one tank beside its mean."""
    total = tank.sum()
    repaint(part["image"], np.clip(tank / total / mean.max(), 0, 1))
    if total == 1:
        row, column = np.argwhere(tank)[0]
        xs, ys = part["track"].get_data()
        part["track"].set_data([*xs, column][-TRACK:], [*ys, row][-TRACK:])
    cells, columns = np.arange(len(tank)), mean.sum(axis=0)
    top = columns.max()
    part["seen"].set_data(cells, tank.sum(axis=0) / total / top)
    part["mean"].set_data(cells, columns / top)
    fluctuation = 100 / np.sqrt(total * top)
    part["words"].set_text(f"fluctuation {fluctuation:.2g} % of a column" if total > 1 else "a random walk")


def main(argv: Sequence[str] | None = None) -> None:
    """Make the film, the still and the record."""
    cli = parser(__doc__)
    numbers = [1, 100, 10**4, 10**8]
    cli.add_argument("--grains", type=at_least(1), nargs="+", default=numbers, help="grains in each tank, up to 1e18")
    cli.add_argument("--size", type=at_least(5), default=61, help="cells along each side of a tank")
    cli.add_argument("--spacing", type=positive, default=1e-4, help="width of a cell in metres")
    cli.add_argument("--diffusivity", type=positive, default=1.5e-9, help="of table salt in water, m²/s")
    cli.add_argument("--step", type=positive, default=2.0, help="seconds between frames")
    add_rng(cli)
    add_film(cli, frames=360)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "drop")
        jump = dc.Propagator.heat(args.diffusivity, args.step, args.spacing)
        start = tanks(args.grains, args.size)
        chance = np.random.default_rng(args.rng)
        walks = [dc.random_walk(tank, jump, args.frames - 1, rng=chance) for tank in start]
        drawing = figure(1280, 720)
        drawing.text(0.045, 0.94, "A drop of salt, grain by grain", size=20, color=INK, va="center")
        time = drawing.text(0.985, 0.94, "", size=16, color=ORANGE, va="center", ha="right")
        parts = stage(drawing, args.grains, args.size)
        last = list(start)

        def updates() -> Iterator[None]:
            mean = start[0] / start[0].sum()
            for frame in range(args.frames):
                if frame > 0:
                    mean = dc.convolve(mean, jump)
                    last[:] = [next(walk) for walk in walks]
                time.set_text(f"after {clock(frame * args.step)}")
                for part, tank in zip(parts, last, strict=True):
                    update(part, tank, mean)
                yield

        artists = [time, *(artist for part in parts for artist in part.values())]
        dc.write_movie(files.film, animate(drawing, artists, updates()), fps=args.fps, progress=True)
        drawing.savefig(files.still)
        write_record(files.record, {**vars(args), "grains_at_the_end": [tank.sum() for tank in last]})
    kept = all(tank.sum() == number for tank, number in zip(last, args.grains, strict=True))
    print(f"{'no grain lost' if kept else 'grains were lost'} in {args.frames - 1} steps: {files.film}")


if __name__ == "__main__":
    main()
