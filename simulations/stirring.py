"""Convection against diffusion: milk in coffee, left alone, stirred, and both at once.

Both are propagators; they differ in their moments. Waiting moves a grain nowhere on average and spreads it: mean 0,
covariance 2Dt (the heat kernel). A spoon carries all grains of a streamline the same way: its propagator is a single
displacement, mean vt, covariance and entropy 0. The spoon here drags the coffee to and fro along wavy streams, first
from side to side, then up and down, each time with other waves (Pierrehumbert's alternating sine flow): every row, then
every column, is convolved with the shift that is its own drift kernel. The cup has no walls: what leaves on one side
comes back on the other.

What to look for:

- stirring alone mixes nothing. It draws the milk out into ever finer threads, but each drop of fluid stays as white or
  as brown as it was: the variance of the concentration does not change by one part in 10¹⁵;
- diffusion alone mixes, but takes L² / 4π²D: six hours for a cup three centimetres wide;
- together they are quick: a minute. A few strokes halve the width of the threads, and a thread of width w is gone after
  about w² / D. Stirring makes the distances small, and diffusion does the rest.

No thread is thinner than a cell, so make `--cells` large enough that diffusion spreads a grain by a cell or so in a
stroke (the two columns of numbers tell): then the third curve is that of the coffee and not of the grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GREEN,
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
from matplotlib.colors import LinearSegmentedColormap, Normalize

import diffuseconv as dc

SMALL = ["--cells", "32", "--frames", "16", "--strokes", "4"]
COFFEE = LinearSegmentedColormap.from_list("coffee", ["#160a04", "#5b3418", "#ab7a4a", "#e6cba6", "#fffaf0"])


def shift(cells: int) -> dc.Propagator:
    """The drift kernel of a stream: everything moves by so many cells, nothing spreads."""
    density = np.zeros(2 * abs(cells) + 1)
    density[abs(cells) + cells] = 1.0
    return dc.Propagator(density)


def stir(milk: Any, shifts: Any, axis: int) -> Any:
    """Move each line along `axis` by its own shift."""
    lines = np.moveaxis(milk, axis, 1)
    moved = lines.copy()
    for cells in np.unique(shifts):
        stream = shifts == cells
        moved[stream] = dc.convolve(lines[stream], shift(int(cells)), boundary="periodic", axes=1)
    return np.moveaxis(moved, 1, axis)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(8), default=384, help="cells along each side")
    cli.add_argument("--side", type=positive, default=0.03, help="side of the cup in metres")
    cli.add_argument("--diffusivity", type=positive, default=1e-9, help="of milk in coffee, in m²/s")
    cli.add_argument("--strokes", type=at_least(1), default=28, help="strokes of the spoon, half of them each way")
    cli.add_argument("--stroke-time", type=positive, default=4.0, help="duration of a stroke in seconds")
    add_rng(cli)
    add_film(cli, frames=360)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "stirring")
        n, spacing = args.cells, args.side / args.cells
        rng = np.random.default_rng(args.rng)
        y, x = (np.mgrid[:n, :n] + 0.5) / n
        poured = np.where(np.hypot(x - 0.5, y - 0.42) < 0.2, 1.0, 0.0)
        variance = float(poured.var())
        per_frame = args.strokes * args.stroke_time / (args.frames - 1)  # seconds
        heat = dc.Propagator.heat(args.diffusivity, per_frame, spacing)
        waiting = dc.DiffusionEquation(args.diffusivity, spacing, "periodic")
        phases = rng.uniform(0, 2 * np.pi, args.strokes)
        strongest = 0.35 * n  # cells that the fastest stream moves in one stroke

        # diffusion alone, for as long as it takes: any duration in one step
        long = np.geomspace(per_frame, 0.5 * args.side**2 / args.diffusivity, 60)
        alone = [float(waiting.evolve(poured, t).var()) / variance for t in long]
        total = args.strokes * args.stroke_time

        drawn = figure(1280, 720)
        grid = drawn.add_gridspec(
            2, 3, height_ratios=(1.9, 1), left=0.065, right=0.985, top=0.855, bottom=0.085, hspace=0.16, wspace=0.03
        )
        drawn.suptitle("Milk in coffee: convection, diffusion, and both", size=17, y=0.975)
        caption = drawn.text(0.5, 0.915, "", ha="center", size=13, color=FAINT)
        names = ("left alone: diffusion", "stirred, no diffusion", "stirred, with diffusion")
        colours = (BLUE, ORANGE, GREEN)
        cups = []
        for column, (name, colour) in enumerate(zip(names, colours, strict=True)):
            axes = drawn.add_subplot(grid[0, column])
            cups.append(axes.imshow(poured, cmap=COFFEE, norm=Normalize(0, 1)))
            axes.set(xticks=[], yticks=[])
            axes.set_title(name, color=colour)
            axes.spines[:].set_visible(False)
        plot = drawn.add_subplot(grid[1, :2])
        plot.loglog(long, alone, "--", color=BLUE, linewidth=1.2, alpha=0.8, label="left alone for hours")
        plot.set(xlabel="time (s)", ylabel="contrast left (variance)", ylim=(1e-4, 2), xlim=(per_frame, long[-1]))
        for seconds, word in ((60, "a minute"), (3600, "an hour"), (86400, "a day")):
            if per_frame < seconds < long[-1]:
                plot.axvline(seconds, color="#2c313a", linewidth=1)
                plot.text(seconds * 1.08, 1.5e-4, word, color=FAINT, size=9)
        lines = [plot.plot([], [], color=c, label=name)[0] for c, name in zip(colours, names, strict=True)]
        plot.legend(loc="lower left", fontsize=9, bbox_to_anchor=(0.0, 0.1))
        words = drawn.add_subplot(grid[1, 2])
        words.set_axis_off()
        wait = dc.Propagator.heat(args.diffusivity, args.stroke_time, spacing)
        spoon = shift(int(strongest))
        words.text(
            0.05,
            0.97,
            f"what a stroke of {args.stroke_time:g} s does to a grain\n"
            f"waiting: the heat kernel\n"
            f"  mean      {abs(wait.mean[0]) * spacing * 1e3:6.2f} mm\n"
            f"  spread    {np.sqrt(wait.covariance[0, 0]) * spacing * 1e3:6.2f} mm\n"
            f"  entropy   {wait.entropy:6.2f} nats\n"
            f"spoon: the drift kernel (fastest stream)\n"
            f"  mean      {spoon.mean[0] * spacing * 1e3:6.2f} mm\n"
            f"  spread    {np.sqrt(spoon.covariance[0, 0]) * spacing * 1e3:6.2f} mm\n"
            f"  entropy   {spoon.entropy:6.2f} nats\n"
            f"a cell is {spacing * 1e3:.2f} mm wide",
            va="top",
            family="monospace",
            size=11,
            transform=words.transAxes,
        )

        seen: list[tuple[float, float, float, float]] = []

        def story() -> Iterator[None]:
            still, threads, both = poured, poured, poured
            lane = 2 * np.pi * (np.arange(n) + 0.5) / n
            for frame in range(args.frames):
                time = frame * per_frame
                if frame:
                    before, now = (args.strokes * f / (args.frames - 1) for f in (frame - 1, frame))
                    for stroke in range(int(before), min(int(np.ceil(now)), args.strokes)):
                        travelled = [
                            np.rint(strongest * np.sin(lane + phases[stroke]) * np.clip(part - stroke, 0, 1))
                            for part in (before, now)
                        ]
                        threads, both = (
                            stir(cup, travelled[1] - travelled[0], 1 - stroke % 2) for cup in (threads, both)
                        )
                    still, both = (dc.convolve(cup, heat, boundary="periodic") for cup in (still, both))
                seen.append((time, *(float(cup.var()) / variance for cup in (still, threads, both))))
                for image, cup in zip(cups, (still, threads, both), strict=True):
                    repaint(image, cup)
                history = np.array(seen[1:]).T if frame else np.zeros((4, 0))
                for line, values in zip(lines, history[1:], strict=True):
                    line.set_data(history[0], values)
                stroke = min(args.strokes, frame * args.strokes // (args.frames - 1) + 1)
                caption.set_text(f"{clock(time)} after pouring, stroke {stroke} of {args.strokes}")
                yield

        moving = [*cups, *lines, caption]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        end = dict(zip(("diffusion", "stirring", "both"), seen[-1][1:], strict=True))
        reached = next((float(t) for t, left in zip(long, alone, strict=True) if left <= end["both"]), float("inf"))
        write_record(files.record, {**vars(args), "frames": len(seen), "contrast": end, "diffusion_alone": reached})
        print(f"after {clock(total)}: " + ", ".join(f"{name} leaves {left:.4g}" for name, left in end.items()))
        needed = clock(reached) if np.isfinite(reached) else f"more than {clock(float(long[-1]))}"
        print(f"diffusion alone would need {needed} for what both together reach")
        print(f"{files.film} ({len(seen)} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
