"""Convection against diffusion: milk in a drop of coffee, left alone, stirred, and both at once.
==============================================================================================

Both are propagators; they differ in their moments. Waiting moves a grain nowhere on average and spreads it: mean 0,
covariance 2Dt (the heat kernel). A spoon carries all grains of a streamline the same way: its propagator is a single
displacement, mean vt, covariance and entropy 0. Together they are the equation with a drift,

    du/dt = div(D grad u - v u),

which the solver takes with the spoon's velocity `v`. The spoon, a needle here, drags the coffee to and fro along wavy
streams, first up and down, then from side to side, each time with other waves (Pierrehumbert's alternating sine flow).
The drop has no walls: what leaves on one side comes back on the other.

What is followed is what dissolves in milk, its sugar (D = 5e-10 m²/s). The particles that make it white are some
hundred times slower (casein micelles, 4e-12 m²/s): their threads grow ten times finer before diffusion ends them.

What to look for:

- stirring alone mixes nothing. It draws the milk out into ever finer threads, but each drop of fluid stays as white or
  as brown as it was: the variance of the concentration does not change by one part in 10¹⁵ (this panel moves whole
  cells: each stream is convolved with the shift that is its own drift kernel, for a solver with D = 0 would smear it);
- diffusion alone mixes, but needs L² / 4π²D: eight minutes for three millimetres, half a day for a cup;
- together they are quick: three minutes leave what seventeen leave alone. A few strokes halve the width of the
  threads, and a thread of width w is gone after about w² / D. Stirring makes distances small, diffusion does the rest.

How far the third panel can be trusted is told by the cell Péclet number v Δx / D, which is printed. Up to 2 the
solver is of second order, and the spreading is that of the sugar; beyond (a larger drop, a quicker spoon, fewer cells)
it takes upwind differences and spreads like v Δx / 2 instead: then the picture shows the grid and not the coffee.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "32", "--frames", "16", "--strokes", "4"]
COFFEE = LinearSegmentedColormap.from_list("coffee", ["#160a04", "#5b3418", "#ab7a4a", "#e6cba6", "#fffaf0"])
NAMES = ("left alone: diffusion", "stirred, no diffusion", "stirred, with diffusion")
COLOURS = (sim.BLUE, sim.ORANGE, sim.GREEN)

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(8), default=256, help="cells along each side")
    cli.add_argument("--side", type=sim.positive, default=3e-3, help="side of the drop in metres")
    cli.add_argument("--diffusivity", type=sim.positive, default=5e-10, help="of milk sugar in water at 25 °C, in m²/s")
    cli.add_argument("--strokes", type=sim.at_least(1), default=16, help="strokes of the spoon, half of them each way")
    cli.add_argument("--stroke-time", type=sim.positive, default=12.0, help="duration of a stroke in seconds")
    sim.add_rng(cli)
    sim.add_film(cli, frames=193)
    return cli


def shift(cells: int) -> dc.Propagator:
    """Return the drift kernel of a stream: everything moves by so many cells, nothing spreads."""
    density = np.zeros(2 * abs(cells) + 1)
    density[abs(cells) + cells] = 1.0
    return dc.Propagator(density)


def move(milk: Array, shifts: Array, axis: int) -> Array:
    """Move each line along `axis` by its own shift."""
    lines = np.moveaxis(milk, axis, 1)
    moved = lines.copy()
    for cells in np.unique(shifts):
        stream = shifts == cells
        moved[stream] = dc.convolve(lines[stream], shift(int(cells)), boundary="periodic", axes=1)
    return np.moveaxis(moved, 1, axis)


def streams(args: argparse.Namespace) -> Array:
    """Return the speed of every stream in each stroke."""
    phases = np.random.default_rng(args.rng).uniform(0, 2 * np.pi, (args.strokes, 1))
    lanes = 2 * np.pi * (np.arange(args.cells) + 0.5) / args.cells
    return np.asarray(fastest(args) * np.sin(lanes + phases))


def stirred_equation(args: argparse.Namespace, speeds: Array, axis: int) -> dc.DiffusionEquation:
    """Return the equation of one stroke: diffusion, and a drift along one axis that varies across it."""
    faces = np.ones(args.cells + 1)
    along = np.outer(faces, speeds) if axis == 0 else np.outer(speeds, faces)
    velocity = (along, 0.0) if axis == 0 else (0.0, along)
    return dc.DiffusionEquation(args.diffusivity, args.side / args.cells, "periodic", velocity=velocity)


def stirred(args: argparse.Namespace, poured: Array) -> Iterator[tuple[Array, Array, Array]]:
    """Yield the three drops at each frame: left alone, stirred, and both."""
    spacing, speeds, last = args.side / args.cells, streams(args), args.frames - 1
    waiting = dc.DiffusionEquation(args.diffusivity, spacing, "periodic")
    still, threads, both = poured, poured, poured
    yield still, threads, both
    for frame in range(1, args.frames):
        ends = [args.strokes * at / last for at in (frame - 1, frame)]
        for stroke in range(int(ends[0]), min(int(np.ceil(ends[1])), args.strokes)):
            begun, done = (args.stroke_time * float(np.clip(end - stroke, 0, 1)) for end in ends)
            travelled = [np.rint(speeds[stroke] * time / spacing) for time in (begun, done)]
            threads = move(threads, travelled[1] - travelled[0], stroke % 2)
            both = stirred_equation(args, speeds[stroke], stroke % 2).evolve(both, done - begun)
        still = waiting.evolve(still, frame_time(args))
        yield still, threads, both


def frame_time(args: argparse.Namespace) -> float:
    """Return the seconds from one frame to the next."""
    return float(args.strokes * args.stroke_time / (args.frames - 1))


def fastest(args: argparse.Namespace) -> float:
    """Return the speed of the fastest stream: a third of the drop in one stroke."""
    return float(args.side / 3 / args.stroke_time)


def simulate(args: argparse.Namespace) -> sim.Film:
    """Pour milk into three drops of coffee, and stir two of them."""
    n, step = args.cells, frame_time(args)
    peclet = stirred_equation(args, streams(args)[0], 0).cell_peclet((n, n))
    scheme = "second order" if peclet <= 2 else "upwind: the grid spreads more than the sugar"
    y, x = (np.mgrid[:n, :n] + 0.5) / n
    poured = np.where(np.hypot(x - 0.5, y - 0.42) < 0.2, 1.0, 0.0)
    variance = float(poured.var())
    waiting = dc.DiffusionEquation(args.diffusivity, args.side / n, "periodic")
    # diffusion alone, for as long as it needs: any duration in one step
    long = np.geomspace(step, 0.5 * args.side**2 / args.diffusivity, 60)
    waited = [float(waiting.evolve(poured, time).var()) / variance for time in long]

    drawn = sim.figure()
    caption = sim.heading(drawn, "Milk sugar in coffee: convection, diffusion, and both")
    cups = []
    for place, (name, colour) in enumerate(zip(NAMES, COLOURS, strict=True)):
        axes = drawn.add_axes((0.03 + 0.31 * place, 0.37, 0.3, 0.44))
        cups.append(sim.panel(axes, poured, "", "share of the milk's" if place == 2 else None, COFFEE, Normalize(0, 1)))
        axes.set_title(name, color=colour)
        sim.scale_bar(axes, args.side / n)
    lines = draw_contrast(drawn.add_axes((0.075, 0.09, 0.5, 0.24)), long, waited)
    drawn.text(0.64, 0.33, moments(args), va="top", family="monospace", size=10)

    def story() -> sim.Story:
        left = [1.0, 1.0, 1.0]
        for frame, now in enumerate(stirred(args, poured)):
            left = [float(cup.var()) / variance for cup in now]
            for image, cup in zip(cups, now, strict=True):
                sim.repaint(image, cup)
            if frame:
                sim.extend_curves(lines, frame * step, left)
            stroke = min(args.strokes, frame * args.strokes // (args.frames - 1) + 1)
            caption.set_text(
                f"{sim.clock(frame * step)} after pouring, stroke {stroke} of {args.strokes} "
                f"(cell Péclet number {peclet:.2f}: {scheme})"
            )
            yield
        end = dict(zip(("diffusion", "stirring", "both"), left, strict=True))
        reached = next((float(t) for t, rest in zip(long, waited, strict=True) if rest <= left[2]), float("inf"))
        needed = sim.clock(reached) if np.isfinite(reached) else f"more than {sim.clock(float(long[-1]))}"
        told = f"after {sim.clock(args.strokes * args.stroke_time)}: "
        told += ", ".join(f"{name} leaves {rest:.4g}" for name, rest in end.items())
        told += f"\ndiffusion alone would need {needed} for what both together reach"
        told += f"\ncell Péclet number {peclet:.3g}: {scheme}"
        return {"contrast": end, "diffusion_alone": reached, "cell_peclet": peclet}, told

    return sim.Film(drawn, [*cups, *lines, caption], story(), still=0.5)


def draw_contrast(plot: Axes, long: Array, waited: Sequence[float]) -> list[Line2D]:
    """Draw the contrast that waiting leaves; return the curves of the three cups."""
    plot.loglog(long, waited, "--", color=sim.BLUE, linewidth=1.2, alpha=0.8, label="left alone for longer")
    plot.set(xlabel="time (s)", ylabel="contrast left (variance)", ylim=(1e-4, 2), xlim=(long[0], long[-1]))
    for seconds, word in ((60, "a minute"), (3600, "an hour"), (86400, "a day")):
        if long[0] < seconds < long[-1]:
            plot.axvline(seconds, color=sim.GRID, linewidth=1)
            plot.text(seconds * 1.08, 1.5e-4, word, color=sim.FAINT, size=9)
    lines = [plot.plot([], [], color=c, label=name)[0] for c, name in zip(COLOURS, NAMES, strict=True)]
    plot.legend(loc="lower left", fontsize=9, bbox_to_anchor=(0.0, 0.1))
    return lines


def moments(args: argparse.Namespace) -> str:
    """Describe what waiting and the fastest stream do to a grain in one stroke."""
    spacing, time = args.side / args.cells, args.stroke_time
    cells = round(fastest(args) * time / spacing)
    kinds = (
        ("waiting: the heat kernel", dc.Propagator.heat(args.diffusivity, time, spacing, 1)),
        ("spoon: the drift kernel", shift(cells)),
        ("both: Skellam's kernel", dc.Propagator.heat(args.diffusivity, time, spacing, 1, velocity=fastest(args))),
    )
    lines = [f"what a stroke of {time:g} s does to a grain"]
    for name, p in kinds:
        deviation = np.sqrt(p.covariance[0, 0]) * spacing * 1e3
        lines += [name, f"  moved by {abs(p.mean[0]) * spacing * 1e3:.2f} mm, spread {deviation:.2f} mm"]
        lines += [f"  entropy {p.entropy:.2f} nats"]
    return "\n".join([*lines, f"a cell is {spacing * 1e3:.3f} mm wide"])


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
