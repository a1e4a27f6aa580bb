"""A river carries dye past an island.
===================================

A pipe lets dye into a river above an island. Two things happen to it: the current carries it, and the small eddies of
the river spread it,

    du/dt = div(D grad u - v u) + source,

with an eddy diffusivity D that is a hundred million times that of a molecule. How they compare over a length L is told
by the Péclet number v L / D: over a cell of the grid it is below 2 here, and the solver is of second order; over the
length of the river it is large, so the dye makes a long thin plume and hardly any of it gets upstream.

The current itself is found with the same solver. Slow water between banks flows down the slope of a potential, and
what flows into a cell must flow out of it: div(grad potential) = 0, with nothing through the banks and the island. That
is the steady state of a diffusion equation between two held ends, and its flux through the faces between cells is the
velocity: free of divergence cell by cell, and zero on the shore. (Real rivers shed eddies behind an island; this
water, like that between two glass plates, does not.)

The lower end is open: what reaches it leaves. What to look for: the plume splits where the water does and closes behind
the island, where the paths of the water meet again; dye crosses those paths by diffusion alone; and in the end as much
leaves per second as the pipe brings.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, to_rgb
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "16", "--frames", "6"]
LEAST = 1e-2  # of the largest concentration: the dark end of the colours

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(8), default=120, help="cells from bank to bank")
    cli.add_argument(
        "--width", type=sim.positive, default=30.0, help="of the river in metres; it is three times as long"
    )
    cli.add_argument("--speed", type=sim.positive, default=0.3, help="of the water far from the island, in m/s")
    cli.add_argument("--diffusivity", type=sim.positive, default=0.08, help="of the eddies, in m²/s")
    cli.add_argument("--dye", type=sim.positive, default=0.01, help="what the pipe brings, in kg/s per metre of depth")
    sim.add_film(cli, frames=240)
    return cli


def river(args: argparse.Namespace) -> tuple[Array, Array, NDArray[np.bool_]]:
    """Return the distance of each cell from the upper end and from the middle line, and which cells hold water."""
    n = args.cells
    down, across = (np.arange(3 * n) + 0.5) / n, (np.arange(n) + 0.5) / n - 0.5
    return down, across, np.hypot(across[:, None], (down - 1.1) / 1.4) > 0.17


def current(args: argparse.Namespace, water: NDArray[np.bool_]) -> tuple[Array, ...]:
    """Return the velocity through the faces of each axis: the flux of a potential that is held at both ends."""
    ends = (dc.Dirichlet(3 * args.width * args.speed), dc.Dirichlet(0.0))
    slope = dc.DiffusionEquation(1.0, args.width / args.cells, boundary=("reflecting", ends), mask=water)
    return slope.flux(slope.steady_state(np.zeros(water.shape)))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let dye into the river and follow it to the open end."""
    down, across, water = river(args)
    spacing, velocity = args.width / args.cells, current(args, water)
    pipe = (np.hypot(across[:, None] - 0.02, down - 0.4) < 0.035).astype(float)
    eq = dc.DiffusionEquation(
        args.diffusivity,
        spacing,
        boundary=("reflecting", (dc.Dirichlet(0.0), dc.Neumann(0.0))),
        mask=water,
        velocity=velocity,
        source=pipe * args.dye / (pipe.sum() * spacing**2),
    )
    args.duration = 5 * args.width / args.speed
    final = eq.steady_state(np.zeros(water.shape))
    highest = float(final[water].max())

    drawn = sim.figure()
    caption = sim.heading(drawn, "Dye in a river: the current carries it, eddies spread it")
    axes = drawn.add_axes((0.03, 0.36, 0.86, 0.47))
    colours = colormaps[sim.SALT].with_extremes(bad=to_rgb(sim.EMPTY))
    norm = LogNorm(LEAST * highest, highest)
    image = sim.panel(axes, np.where(water, LEAST * highest, np.nan), "", "dye, kg/m³", colours, norm)
    draw_streams(axes, velocity, water)
    sim.scale_bar(axes, spacing)
    lines = draw_balance(drawn.add_axes((0.07, 0.09, 0.82, 0.2)), args)

    def story() -> sim.Story:
        out, held, missing = 0.0, 0.0, 1.0
        for time, u in eq.frames(np.zeros(water.shape), np.linspace(0, args.duration, args.frames)):
            out, held = eq.mass_balance(u).outflow, eq.total_mass(u)
            missing = float(np.abs(u - final)[water].max()) / highest
            sim.repaint(image, np.where(water, np.clip(u, LEAST * highest, highest), np.nan))
            sim.extend_curves(lines, time, (out / args.dye, held / (args.dye * args.duration)))
            caption.set_text(
                f"{sim.clock(time)} after the pipe was opened: {out / args.dye:.1%} of what comes in leaves"
            )
            yield
        peclet = eq.cell_peclet(water.shape)
        leak = float(np.abs(sum(np.diff(v, axis=axis) for axis, v in enumerate(velocity)))[water].max()) / args.speed
        told = f"after {sim.clock(args.duration)} the river holds {held:.3f} kg per metre of depth, "
        told += f"{out / args.dye:.2%} of what comes in leaves, and the field is within {missing:.1e} of its "
        told += f"steady state; largest cell Péclet number {peclet:.2f}, divergence of the current {leak:.0e}"
        found = {"outflow": out / args.dye, "held": held, "from_steady_state": missing}
        return {"duration": args.duration, **found, "cell_peclet": peclet, "divergence": leak}, told

    return sim.Film(drawn, [image, *lines, caption], story())


def draw_streams(axes: Axes, velocity: tuple[Array, ...], water: NDArray[np.bool_]) -> None:
    """Draw the paths of the water, and keep the picture's limits."""
    rows, columns = water.shape
    across, along = (velocity[0][1:] + velocity[0][:-1]) / 2, (velocity[1][:, 1:] + velocity[1][:, :-1]) / 2
    seeds = np.stack([np.ones(14), np.linspace(0.04, 0.96, 14) * (rows - 1)], axis=-1)
    where = (np.arange(columns), np.arange(rows))
    axes.streamplot(
        *where, along, across, start_points=seeds, color="white", linewidth=0.4, arrowsize=0.7, density=4, maxlength=9
    )
    axes.set(xlim=(-0.5, columns - 0.5), ylim=(rows - 0.5, -0.5))


def draw_balance(axes: Axes, args: argparse.Namespace) -> list[Line2D]:
    """Draw the axes of the balance; return the curves."""
    axes.set(xlim=(0, args.duration), ylim=(-0.02, 1.08), xlabel="time (s)", ylabel="share")
    axes.axhline(1, color=sim.GRID, linewidth=1)
    passage = 2.6 * args.width / args.speed
    axes.axvline(passage, color=sim.GRID, linewidth=1)
    axes.text(passage, 0.05, " from the pipe to the end, at the river's speed", color=sim.FAINT, size=9)
    names = (
        (sim.ORANGE, "leaves per second, of what the pipe brings"),
        (sim.BLUE, "still in the river, of what it brings in all"),
    )
    lines = [axes.plot([], [], color=colour, label=name)[0] for colour, name in names]
    axes.legend(loc="upper left", fontsize=9)
    return lines


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
