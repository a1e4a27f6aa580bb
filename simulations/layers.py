"""Salt through sand, clay and sand: where the diffusivity jumps, the slope jumps, and the flux does not.
======================================================================================================

A pond of brine stands on wet ground: sand, a layer of clay with a wavy surface and a gap in it, and sand again, washed
from below by fresh ground water. In each the salt obeys

    du/dt = div(D grad u),

with a diffusivity D that is some twenty times smaller in clay than in sand. What leaves the sand must enter the clay:
the flux D du/dx is the same on both sides of the border, so that the slope du/dx is steep where D is small. In the end
nearly the whole drop in concentration lies across the clay, and most of the salt gets through by the gap.

The picture shows the ground in section with the pond above. The curves are the concentration along two plumb lines,
one through the clay and one through the gap; dashed is where they end up, which is not waited for but solved for. Each
frame is later than the last by the same factor, since every decade of time matters as much as any other.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "30", "--frames", "6"]

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(12), default=180, help="cells from top to bottom")
    cli.add_argument("--depth", type=sim.positive, default=3.0, help="depth of the ground in metres")
    cli.add_argument("--sand", type=sim.positive, default=6e-10, help="diffusivity of salt in wet sand, in m²/s")
    cli.add_argument("--clay", type=sim.positive, default=3e-11, help="diffusivity of salt in wet clay, in m²/s")
    sim.add_film(cli, frames=300)
    return cli


def ground(rows: int) -> tuple[Array, Array]:
    """Return where clay is, and over which columns the gap in it lies."""
    depth, along = (np.indices((rows, rows * 4 // 3)) + 0.5) / rows
    width = along.shape[1] / rows
    wave = 0.06 * np.sin(2 * np.pi * along / width * 2 + 0.6)
    gap = np.abs(along - 0.72 * width) < 0.045 * width
    return (depth > 0.36 + wave) & (depth < 0.62 + 0.6 * wave) & ~gap, gap[0]


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let brine soak into the ground."""
    clay, gap = ground(args.cells)
    rows, columns = clay.shape
    spacing = args.depth / rows
    ends = (dc.Dirichlet(1.0), dc.Dirichlet(0.0))
    eq = dc.DiffusionEquation(np.where(clay, args.clay, args.sand), spacing, (ends, "reflecting"))
    u, end = np.zeros((rows, columns)), eq.steady_state()
    last = 0.6 * args.depth**2 / args.clay
    times = np.concatenate([[0.0], np.geomspace(1e-5 * last, last, args.frames - 1)])
    plumb = (int(0.35 * columns), int(0.72 * columns))
    depth = (np.arange(rows) + 0.5) * spacing

    drawn = sim.figure(1280, 640)
    caption = sim.heading(drawn, "Brine on the ground: through sand, clay and sand")
    section = drawn.add_axes((0.02, 0.06, 0.48, 0.76))
    image = draw_section(section, u, clay, plumb, spacing)
    curves = draw_profiles(drawn.add_axes((0.66, 0.13, 0.32, 0.69)), clay, end, plumb, depth)

    def story() -> sim.Story:
        field = u
        for time, field in eq.frames(u, times):
            sim.repaint(image, field)
            for curve, column in zip(curves, plumb, strict=True):
                curve.set_data(field[:, column], depth)
            years = time / (365.25 * 86400)
            caption.set_text(f"after {years:,.0f} years" if years >= 2 else f"after {sim.clock(time)}")
            yield
        flux = eq.flux(end)[0]
        through = float(flux[rows // 2][gap].sum() / flux[rows // 2].sum())
        away = float(np.abs(field - end).max())
        balance = abs(float(flux[0].sum() - flux[-1].sum())) / float(flux[0].sum())
        told = (
            f"in the steady state as much enters as leaves (to {balance:.0e}); {through:.0%} goes by the gap, which is "
        )
        told += f"{gap.mean():.0%} of the width. The last frame is {away:.2g} away from it"
        return {"from_steady": away, "through_gap": through}, told

    return sim.Film(drawn, [image, *curves, caption], story(), still=0.66)


def draw_section(axes: Axes, u: Array, clay: Array, plumb: Sequence[int], spacing: float) -> AxesImage:
    """Draw the ground in section, with names and plumb lines."""
    image = sim.panel(axes, u, "", "concentration, share of the pond's", norm=Normalize(0, 1))
    rows, columns = u.shape
    axes.contour(clay, levels=[0.5], colors=["white"], linewidths=1.3)
    label = {"facecolor": "black", "alpha": 0.5, "linewidth": 0}
    for at, word in ((0.12, "sand"), (0.5, "clay"), (0.88, "sand")):
        axes.text(0.02 * columns, at * rows, word, color="white", size=11, va="center", bbox=label)
    for column, colour in zip(plumb, (sim.BLUE, sim.ORANGE), strict=True):
        axes.axvline(column, color=colour, linewidth=1.6, linestyle="--")
    axes.set_xlabel(f"{sim.length(columns * spacing)} wide, {sim.length(rows * spacing)} deep", color=sim.FAINT)
    return image


def draw_profiles(axes: Axes, clay: Array, end: Array, plumb: Sequence[int], depth: Array) -> list[Line2D]:
    """Draw the axes of the plumb lines with the steady state; return the curves."""
    axes.set(xlim=(-0.02, 1.02), ylim=(2 * depth[-1] - depth[-2], 0), xlabel="concentration", ylabel="depth (m)")
    inside = depth[clay[:, plumb[0]]]
    axes.axhspan(inside.min(), inside.max(), color=sim.BLUE, alpha=0.13, linewidth=0)
    curves = []
    for column, colour, name in zip(
        plumb, (sim.BLUE, sim.ORANGE), ("through the clay", "through the gap"), strict=True
    ):
        axes.plot(end[:, column], depth, "--", color=colour, linewidth=1)
        curves.append(axes.plot([], [], color=colour, label=name)[0])
    axes.legend(loc="lower right", title="dashed: the steady state")
    return curves


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
