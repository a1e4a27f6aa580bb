"""A tank that lives: salt is fed in one place, leaves through another, and in between a balance sets in.
======================================================================================================

Two feeders (orange rings) dissolve salt into a tank with stones in it. All walls are glass but for a gate on the right,
behind which lies so much fresh water that the concentration there is held at zero:

    du/dt = div(D grad u) + source,    u = 0 on the gate,    no flux through glass and stone.

At first nearly everything that is fed stays. The more salt there is, the steeper it falls towards the gate and the more
flows out, until as much leaves as comes in. From then on nothing changes although everything moves: a steady state.
Where it lies does not depend on the start, so it can be solved for at once, without waiting:

    div(D grad u) + source = 0.

The lower picture is the distance that is left from there, the curves are the mass balance: what is fed, what leaves,
and what the tank holds. It closes at every moment.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "20", "--frames", "5"]
LEAST = 1e-4  # of the largest concentration: the dark end of the colours of the distance
FEEDERS = ((0.3, 0.3), (0.75, 0.55))  # down and right, in heights of the tank

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument(
        "--cells", type=sim.at_least(12), default=120, help="cells from top to bottom; twice as many across"
    )
    cli.add_argument("--height", type=sim.positive, default=0.1, help="of the tank in metres")
    cli.add_argument("--diffusivity", type=sim.positive, default=1.6e-9, help="of the salt, in m²/s")
    cli.add_argument("--fed", type=sim.positive, default=1e-8, help="salt fed per time, in kg/s per metre of depth")
    cli.add_argument("--stones", type=sim.at_least(0), default=16, help="stones in the tank")
    sim.add_rng(cli, default=4)
    sim.add_film(cli, frames=240)
    return cli


def tank(args: argparse.Namespace) -> tuple[dc.DiffusionEquation, Array]:
    """Return the tank with its feeders, stones and gate, and where water is."""
    rows, columns = args.cells, 2 * args.cells
    spacing = args.height / rows
    rng = np.random.default_rng(args.rng)
    y, x = (np.indices((rows, columns)) + 0.5) / rows  # in heights of the tank
    fed = np.zeros((rows, columns))
    for row, column in FEEDERS:
        fed[np.hypot(y - row, x - column) < 0.06] = 1.0
    water = np.ones((rows, columns), dtype=bool)
    for _ in range(args.stones):
        row, column, size = rng.uniform(0, 1), rng.uniform(0.15, 1.85), rng.uniform(0.04, 0.11)
        if all(np.hypot(row - r, column - c) > 0.16 + size for r, c in FEEDERS):
            water &= np.hypot(y - row, x - column) > size
    gate = np.abs(y[:, -1] - 0.5) < 0.25
    # glass is a wall that only lets a flux of 0 through; the gate is one on which u is 0: a u + b D du/dn = 0
    walls = ("reflecting", ("reflecting", dc.Robin(gate.astype(float), 1.0 - gate, 0.0)))
    source = fed * args.fed / (fed.sum() * spacing**2)
    return dc.DiffusionEquation(args.diffusivity, spacing, walls, source=source, mask=water), water


def simulate(args: argparse.Namespace) -> sim.Film:
    """Feed the tank until it is in balance."""
    eq, water = tank(args)
    spacing = args.height / args.cells
    u = np.zeros(water.shape)
    end = eq.steady_state(u)
    held = eq.total_mass(end)
    duration = 7 * held / args.fed  # the salt in the tank is renewed once in held / fed
    most = float(end.max())

    drawn = sim.figure()
    caption = sim.heading(drawn, "A living tank: fed, drained, and in the end in balance")
    salt_axes, away_axes = (drawn.add_axes((0.02, y, 0.44, 0.35)) for y in (0.485, 0.04))
    salt = sim.panel(salt_axes, u, "the salt", "kg/m³", sim.SALT, Normalize(0, most))
    title = "distance from the steady state (logarithmic)"
    away = sim.panel(away_axes, np.maximum(end, LEAST * most), title, "kg/m³", sim.FLUX, LogNorm(LEAST * most, most))
    for axes in (salt_axes, away_axes):
        draw_stones(axes, water)
    for row, column in FEEDERS:
        place = (column * args.cells, row * args.cells)
        salt_axes.add_patch(Circle(place, 0.07 * args.cells, fill=False, color=sim.ORANGE, linewidth=1.5))
    salt_axes.set_xlabel(f"{sim.length(2 * args.height)} wide; orange: fed here; green: the gate", color=sim.FAINT)
    curves, unit = draw_balance(drawn, args.fed, held, duration)

    def story() -> sim.Story:
        inside, leaves, distance = 0.0, 0.0, 0.0
        for time, field in eq.frames(u, duration * np.linspace(0, 1, args.frames) ** 2):
            leaves = float(eq.flux(field)[1][:, -1].sum()) * spacing
            inside, distance = eq.total_mass(field), float(np.abs(field - end).max())
            sim.repaint(salt, field)
            sim.repaint(away, np.maximum(np.abs(field - end), LEAST * most))
            sim.extend_curves(curves, time / unit, (inside, leaves / args.fed))
            caption.set_text(f"{sim.clock(time)}: {leaves / args.fed:.0%} of what is fed leaves again")
            yield
        told = f"after {sim.clock(duration)} the tank holds {inside:.4g} kg/m, in the steady state {held:.4g}; "
        told += f"{leaves / args.fed:.2%} of what is fed leaves; cells are at most {distance / most:.1e} from the end"
        return {"from_steady": distance / most, "steady_salt": held}, told

    return sim.Film(drawn, [salt, away, *curves, caption], story(), still=0.6)


def draw_stones(axes: Axes, water: Array) -> None:
    """Draw the stones, and the gate on the right."""
    rows, columns = water.shape
    dry = np.ma.masked_where(water, np.ones(water.shape))
    axes.imshow(dry, cmap="gray", norm=Normalize(0, 3), zorder=1)
    axes.plot([columns - 0.2] * 2, [rows * 0.25, rows * 0.75], color=sim.GREEN, linewidth=5, clip_on=False)


def draw_balance(drawn: Figure, fed: float, held: float, duration: float) -> tuple[list[Line2D], float]:
    """Draw the axes of the mass balance; return the curves of what is held and what leaves, and the unit of time."""
    unit, name = sim.time_unit(duration)
    inside, through = (drawn.add_axes((0.66, y, 0.32, 0.29)) for y in (0.52, 0.1))
    inside.set(title="in the tank", ylabel="kg per m of depth", ylim=(0, 1.1 * held), xlim=(0, duration / unit))
    inside.axhline(held, color=sim.FAINT, linestyle="--", linewidth=1)
    inside.text(0, 1.02 * held, " steady state, solved for", color=sim.FAINT, size=9)
    through.set(xlabel=f"time ({name})", title="through feeders and gate", ylabel="share of what is fed")
    through.set(xlim=(0, duration / unit), ylim=(0, 1.15))
    through.axhline(1, color=sim.ORANGE, label=f"fed: {sim.figures(fed, 3)} kg/s per m of depth")
    (salt,) = inside.plot([], [], color=sim.BLUE)
    (out,) = through.plot([], [], color=sim.GREEN, label="leaves through the gate")
    through.legend(loc="lower right")
    return [salt, out], unit


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
