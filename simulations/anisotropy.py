"""A drop of dye on wood becomes an ellipse: the grain leads it.
=============================================================

Wood is a bundle of fibres. Water and what is dissolved in it moves along them several times more easily than across,
so that the flux does not point straight down the slope of the concentration:

    du/dt = div(D grad u),    flux = -D grad u,

with D a symmetric matrix (a tensor) whose axes are those of the grain: here D_along in the direction of the fibres and
D_across at right angles to it. Each grain of dye still wanders at random, only with longer steps along the fibres. The
covariance of the cloud grows as 2 D t, as a matrix: a round drop turns into an ellipse with axes in the ratio of
sqrt(D_along / D_across), in the direction of the grain and not of the picture's edges or of the cells of the grid.

On the left is the same drop on paper, which is the same in all directions, with as large a mean diffusivity. The
colours are logarithmic and mean the same in every frame. The dots of the curves are measured from the cloud; the lines
are the law.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "24", "--frames", "5"]
FAINTEST = 1e-3  # of the first concentration: the dark end of the colours


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(12), default=240, help="cells along each side")
    cli.add_argument("--side", type=sim.positive, default=0.06, help="side of the board in metres")
    cli.add_argument("--along", type=sim.positive, default=1.6e-9, help="diffusivity along the grain, in m²/s")
    cli.add_argument("--across", type=sim.positive, default=0.2e-9, help="diffusivity across the grain, in m²/s")
    cli.add_argument("--angle", type=float, default=30.0, help="direction of the grain in degrees, from the horizontal")
    sim.add_film(cli, frames=240)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the same drop spread on paper and on wood."""
    n, spacing = args.cells, args.side / args.cells
    grain, normal = directions(args.angle)
    tensor = args.along * np.outer(grain, grain) + args.across * np.outer(normal, normal)
    wood = dc.DiffusionEquation((tensor + tensor.T) / 2, spacing)
    paper = dc.DiffusionEquation((args.along + args.across) / 2, spacing)
    x = np.moveaxis(np.indices((n, n)) + 0.5, 0, -1) * spacing - args.side / 2
    radius = 0.025 * args.side
    u = np.exp(-(x**2).sum(axis=-1) / (2 * radius**2))
    duration = (0.13 * args.side) ** 2 / (2 * args.along)
    times = np.linspace(0, duration, args.frames)

    drawn = sim.figure(1280, 560)
    caption = sim.heading(drawn, "A drop on paper and on wood")
    boxes = [drawn.add_axes((x, 0.1, 0.3, 0.62)) for x in (0.0, 0.275)]
    clouds = [
        Cloud(axes, u, spacing, title, "share of the first concentration" if axes is boxes[1] else None)
        for axes, title in zip(boxes, ("paper: a circle", "wood: an ellipse along the grain"), strict=True)
    ]
    draw_fibres(boxes[1], n, grain, normal)
    dots, length = draw_law(drawn.add_axes((0.71, 0.13, 0.27, 0.59)), args, radius, duration)

    def story() -> sim.Story:
        variances = []
        for (time, on_paper), (_, on_wood) in zip(paper.frames(u, times), wood.frames(u, times), strict=True):
            for cloud, field in zip(clouds, (on_paper, on_wood), strict=True):
                cloud.show(field, covariance(field, x))
            spread = covariance(on_wood, x)
            variances.append([float(grain @ spread @ grain), float(normal @ spread @ normal)])
            sim.extend_curves(dots, time / length, 1e3 * np.sqrt(variances[-1]))
            caption.set_text(f"{sim.clock(time)}; dashed: the ellipse of two standard deviations")
            yield
        found = [(last - first) / (2 * duration) for first, last in zip(variances[0], variances[-1], strict=True)]
        told = f"measured from the cloud: D along the grain {found[0]:.4g} m²/s (set: {args.along:g}), "
        told += f"across {found[1]:.4g} m²/s (set: {args.across:g}), after {sim.clock(duration)}"
        return {"measured_diffusivities": found}, told

    return sim.Film(drawn, [*clouds[0].moving, *clouds[1].moving, *dots, caption], story())


def directions(angle: float) -> NDArray[np.float64]:
    """Return the unit vectors along and across the grain as (down, right); up is negative."""
    turned = np.deg2rad(angle)
    return np.array([[-np.sin(turned), np.cos(turned)], [np.cos(turned), np.sin(turned)]])


def covariance(u: Any, x: Any) -> Any:
    """Return the covariance matrix of the places `x` of grains whose concentration is `u`."""
    away = x - np.average(x, axis=(0, 1), weights=np.stack([u, u], axis=-1))
    return np.einsum("ij,ija,ijb->ab", u, away, away) / u.sum()


class Cloud:
    """A drop seen from above, and its ellipse."""

    def __init__(self, axes: Axes, u: Any, spacing: float, title: str, unit: str | None) -> None:
        n = len(u)
        self.spacing = spacing
        self.image = sim.panel(axes, np.maximum(u, FAINTEST), title, unit, norm=LogNorm(FAINTEST, 1))
        axes.set(xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
        self.ring = Ellipse((n / 2 - 0.5, n / 2 - 0.5), 1, 1, fill=False, color="white", linewidth=1.5, linestyle="--")
        axes.add_patch(self.ring)
        sim.scale_bar(axes, spacing)
        self.moving = [self.image, self.ring]

    def show(self, u: Any, spread: Any) -> None:
        """Show the cloud and two standard deviations of it."""
        sim.repaint(self.image, np.maximum(u, FAINTEST))
        sizes, axes = np.linalg.eigh(spread)
        across, along = 4 * np.sqrt(sizes) / self.spacing
        self.ring.set(width=along, height=across, angle=float(np.rad2deg(np.arctan2(axes[0, 1], axes[1, 1]))))


def draw_fibres(axes: Axes, n: int, grain: Any, normal: Any) -> None:
    """Draw thin lines along the grain."""
    for offset in np.linspace(-n, n, 41):
        middle = np.array([n / 2, n / 2]) + offset * normal
        ends = np.array([middle - 2 * n * grain, middle + 2 * n * grain])
        axes.plot(ends[:, 1], ends[:, 0], color="white", alpha=0.15, linewidth=1)


def draw_law(plot: Axes, args: argparse.Namespace, radius: float, duration: float) -> tuple[list[Line2D], float]:
    """Draw how wide the cloud must be; return the dots of what is measured, and the unit of time in seconds."""
    length, unit = sim.time_unit(duration)
    plot.set(title="width of the cloud (standard deviation)", xlabel=f"time ({unit})", ylabel="mm")
    times, dots = np.linspace(0, duration, 100), []
    for d, colour, name in ((args.along, sim.ORANGE, "along the grain"), (args.across, sim.BLUE, "across it")):
        plot.plot(times / length, 1e3 * np.sqrt(radius**2 + 2 * d * times), color=colour, linewidth=1, label=name)
        dots.append(plot.plot([], [], "o", color=colour, markersize=3)[0])
    plot.set(xlim=(0, duration / length * 1.02))
    plot.set_ylim(0)
    plot.legend(loc="upper left", title="lines: the law; dots: measured")
    return dots, length


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
