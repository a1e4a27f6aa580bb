"""A cube of dye in a tank of water, behind a glass plate with a hole.
===================================================================

Diffusion in three dimensions is diffusion in one, three times over: without obstacles the cloud of a cube is a product
of three profiles. A plate of glass across the tank with a round hole in it ends that: the dye must find the hole, and
on the other side spreads from it as from a small source, in ever larger half spheres:

    du/dt = div(D grad u),    no flux through glass.

On the left the tank is drawn as a box. Each of its three visible faces shows the cloud as seen through it: the mean of
the concentration along the line of sight (an X-ray picture). On the right are three cuts, through the middle of the
hole. The colours show the square root of the concentration, so that thin clouds are seen too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "12", "--frames", "5"]
C, HALF = np.cos(np.pi / 6), 0.5  # a point (down, back, right) of the box is drawn at right * (C, HALF) + back *
# (-C, HALF) - down * (0, 1)

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(8), default=64, help="cells along each edge of the tank")
    cli.add_argument("--edge", type=sim.positive, default=0.02, help="edge of the tank in metres")
    cli.add_argument("--diffusivity", type=sim.positive, default=1.6e-9, help="of the dye, in m²/s")
    cli.add_argument("--hole", type=sim.share, default=0.12, help="radius of the hole, as a share of the edge")
    sim.add_film(cli, frames=240)
    return cli


def tank(args: argparse.Namespace) -> tuple[dc.DiffusionEquation, Array]:
    """Return the tank with its plate, and the cube of dye."""
    n = args.cells
    middle = (np.arange(n) + 0.5) / n - 0.5
    plate = np.zeros((n, n, n - 1), dtype=bool)  # faces between cells along the last axis, to the right
    plate[:, :, n // 2] = np.hypot(*np.meshgrid(middle, middle, indexing="ij")) > args.hole
    u, dyed = np.zeros((n, n, n)), slice(round(0.35 * n), round(0.65 * n))
    u[dyed, dyed, round(0.1 * n) : round(0.4 * n)] = 1.0
    return dc.DiffusionEquation(args.diffusivity, args.edge / n, barriers=[None, None, plate]), u


def draw_box(axes: Axes, n: int) -> list[AxesImage]:
    """Draw the tank as a box; return the pictures on its three faces: above, in front, and on the left."""
    axes.set_axis_off()
    axes.set_title("the tank, looked through: mean along the line of sight")
    faces = []
    for across, down in (((C, HALF), (-C, HALF)), ((C, HALF), (0, -1)), ((C, -HALF), (0, -1))):
        corner = (-C, HALF) if across[1] < 0 else (0.0, 0.0)
        place = Affine2D().from_values(across[0], across[1], down[0], down[1], *corner)
        style: Any = {"extent": (0, 1, 1, 0), "interpolation": "bilinear"}
        image = axes.imshow(np.zeros((n, n)), cmap=sim.SALT, norm=PowerNorm(0.5, 0, 0.3), **style)
        image.set_transform(place + axes.transData)
        faces.append(image)
    axes.set(xlim=(-1, 1), ylim=(-1.12, 1.12), aspect="equal")
    rim = [(C, HALF), (0, 2 * HALF), (-C, HALF), (-C, HALF - 1), (0, -1), (C, HALF - 1), (C, HALF)]
    for line in ([(0, 0), (C, HALF)], [(0, 0), (-C, HALF)], [(0, 0), (0, -1)], rim):
        axes.plot(*zip(*line, strict=True), color="white", linewidth=1)
    at = (n // 2 + 1) / n
    trace = [(at * C - C, at * HALF + HALF), (at * C, at * HALF), (at * C, at * HALF - 1)]
    axes.plot(*zip(*trace, strict=True), color=sim.ORANGE, linewidth=1.5, linestyle="--")
    axes.text(at * C, at * HALF - 1.04, "plate", color=sim.ORANGE, va="top", ha="center")
    return faces


def draw_cuts(drawn: Figure, args: argparse.Namespace) -> list[AxesImage]:
    """Draw three cuts through the middle of the hole, with the plate and a scale."""
    n, cuts = args.cells, []
    places = ((0.52, 0.5), (0.74, 0.5), (0.52, 0.08))
    for number, title in enumerate(("cut from above", "cut from the front", "cut in the plate")):
        axes = drawn.add_axes((*places[number], 0.19, 0.32))
        unit = "share of the cube's" if number == 1 else None
        cuts.append(sim.panel(axes, np.zeros((n, n)), title, unit, norm=PowerNorm(0.5, 0, 1)))
        sim.scale_bar(axes, args.edge / n)
        if number < 2:
            for low, high in ((0, 0.5 - args.hole), (0.5 + args.hole, 1)):
                axes.plot([n // 2 + 0.5] * 2, [low * n - 0.5, high * n - 0.5], color=sim.ORANGE, linewidth=2)
    return cuts


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the dye find the hole."""
    eq, u = tank(args)
    n, at, whole = args.cells, args.cells // 2, eq.total_mass(u)
    duration = 0.6 * args.edge**2 / args.diffusivity
    drawn = sim.figure()
    caption = sim.heading(drawn, "A cube of dye behind a plate with a hole")
    box = drawn.add_axes((0.0, 0.1, 0.5, 0.72))
    faces = draw_box(box, n)
    bar = drawn.colorbar(
        faces[0],
        cax=drawn.add_axes((0.12, 0.085, 0.26, 0.02)),
        orientation="horizontal",
        ticks=[0, 0.05, 0.1, 0.2, 0.3],
    )
    bar.set_label(f"mean concentration, share of the cube's; each edge is {sim.length(args.edge)}")
    cuts = draw_cuts(drawn, args)
    unit, name = sim.time_unit(duration)
    plot = drawn.add_axes((0.765, 0.12, 0.215, 0.24))
    plot.set(xlim=(0, duration / unit), ylim=(-0.02, 1.02), xlabel=f"time ({name})")
    names = ((sim.BLUE, "before the plate"), (sim.GREEN, "behind"))
    curves = [plot.plot([], [], color=colour, label=label)[0] for colour, label in names]
    plot.legend(loc="lower left", bbox_to_anchor=(-0.05, 1.0), ncols=2, fontsize=9, columnspacing=1)
    plot.set_ylabel("share of the dye")

    def story() -> sim.Story:
        behind = before = 0.0
        for time, field in eq.frames(u, duration * np.linspace(0, 1, args.frames) ** 3):
            far = np.zeros_like(field)
            far[:, :, at + 1 :] = field[:, :, at + 1 :]
            behind, before = eq.total_mass(far) / whole, eq.total_mass(field - far) / whole
            # above: back by right; in front: down by right; left: down by back, whose back edge is drawn first
            for image, view in zip(faces, (field.mean(0), field.mean(1), field.mean(2)[:, ::-1]), strict=True):
                image.set_data(view)
            for image, cut in zip(cuts, (field[at], field[:, at], field[:, :, at]), strict=True):
                sim.repaint(image, np.clip(cut, 0, 1))
            sim.extend_curves(curves, time / unit, (before, behind))
            caption.set_text(f"{sim.clock(time)}: {behind:.1%} of the dye is behind the plate")
            yield
        lost = abs(before + behind - 1)
        told = f"after {sim.clock(duration)} {behind:.1%} of the dye is behind the plate; lost on the way: {lost:.0e}"
        return {"behind": behind, "lost": lost}, told

    return sim.Film(drawn, [*faces, *cuts, *curves, caption], story(), still=0.3)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
