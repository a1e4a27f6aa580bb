"""Salt from a rod and from a ball, on round grids, beside the closed forms.
=========================================================================

A rod of salt water stands in a wide tank; a second, short one lies free in it; a ball of salt water floats in a third.
What is round in the problem need not be computed: the long rod's field depends on the radius alone (polar), that of
the short one on radius and height (cylindrical), the ball's on the radius (spherical). The equation keeps its form,

    du/dt = div(D grad u),

but a ring at radius r has the volume 2 pi r dr and a shell 4 pi r² dr. So the same salt thins out faster the more
directions it has to go: the middle of the ball pales first, then the short rod, then the long one.

The closed form is the same for all: the concentration at distance r is the chance that a grain that starts there and
wanders for the time t (a Gaussian of variance 2Dt along each axis) ends inside the body where the salt was. For a
plate, a rod and a ball of half width a that is the noncentral chi-squared distribution with 1, 2 and 3 degrees of
freedom, at a² / 2Dt, with r² / 2Dt for its noncentrality; for the short rod it is the product of the first two.

What to look for: the dots (closed forms) lie on the curves (solver), and the salt's amount does not change by one part
in 10¹². The error that is left is that of the cells: half as wide, a quarter of it.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from scipy.stats import ncx2

import diffuseconv as dc

SMALL = ["--cells", "4", "--frames", "5"]
WIDE = 7  # radii from the middle to the wall, which no salt reaches
SEEN = 3  # radii in the pictures
TALL = 1  # half the height of the short rod, in radii
COLOURS = (sim.BLUE, sim.GREEN, sim.ORANGE)

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument(
        "--cells", type=sim.at_least(2), default=24, help="cells along the radius of the rods and of the ball"
    )
    cli.add_argument("--radius", type=sim.positive, default=5e-3, help="of the rods and of the ball, in metres")
    cli.add_argument("--diffusivity", type=sim.positive, default=1.6e-9, help="of the salt, in m²/s")
    sim.add_film(cli, frames=240)
    return cli


@dataclass(frozen=True)
class Body:
    """A body of salt: its equation, its first field, the closed form at a time, and how to look at it."""

    name: str
    eq: dc.DiffusionEquation
    salt: Array
    exact: Callable[[float], Array]
    picture: Callable[[Array], Array]


def bodies(args: argparse.Namespace) -> list[Body]:
    """State the three problems."""
    a, d, width = args.radius, args.diffusivity, args.radius / args.cells
    r = (np.arange(WIDE * args.cells) + 0.5) * width
    z = (np.arange(2 * WIDE * args.cells) + 0.5) * width - WIDE * a
    seen = (np.arange(2 * SEEN * args.cells) + 0.5) * width - SEEN * a
    distance = np.hypot(seen[:, None], seen)

    def inside(half: float, dimensions: int, away: Array, time: float) -> Array:
        """Return the chance that a grain ends inside a plate, rod or ball; at time 0 it is where it was."""
        if time == 0:
            return (np.abs(away) < half).astype(float)
        return np.asarray(ncx2.cdf(half**2 / (2 * d * time), dimensions, away**2 / (2 * d * time)))

    def long_rod(time: float) -> Array:
        return inside(a, 2, r, time)

    def short_rod(time: float) -> Array:
        return long_rod(time)[:, None] * inside(TALL * a, 1, z, time)

    def ball(time: float) -> Array:
        return inside(a, 3, r, time)

    def cut(u: Array) -> Array:
        return np.asarray(np.interp(distance, r, u))

    def side(u: Array) -> Array:
        half = u[: SEEN * args.cells, (WIDE - SEEN) * args.cells : (WIDE + SEEN) * args.cells].T
        return np.hstack([half[:, ::-1], half])

    stated = (
        ("long rod, from above", "polar", long_rod, cut),
        ("short rod, from the side", "cylindrical", short_rod, side),
        ("ball, cut through", "spherical", ball, cut),
    )
    return [
        Body(f"{name} ({kind})", dc.DiffusionEquation(d, width, coordinates=kind), exact(0.0), exact, picture)
        for name, kind, exact, picture in stated
    ]


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the three bodies of salt spread."""
    stated = bodies(args)
    args.duration = 0.5 * args.radius**2 / args.diffusivity
    drawn = sim.figure()
    caption = sim.heading(drawn, "Salt from a rod and from a ball: the more directions, the sooner it is gone")
    images = []
    for place, body in enumerate(stated):
        axes = drawn.add_axes((0.04 + 0.3 * place, 0.4, 0.28, 0.43))
        unit = "concentration, kg/m³" if place == 2 else None
        images.append(sim.panel(axes, body.picture(body.salt), body.name, unit, norm=Normalize(0, 1)))
        axes.title.set(color=COLOURS[place])
    curves, dots = draw_profiles(drawn.add_axes((0.06, 0.09, 0.4, 0.25)), args)
    errors = draw_errors(drawn.add_axes((0.57, 0.09, 0.38, 0.25)), args.duration)
    r = (np.arange(WIDE * args.cells) + 0.5) / args.cells
    sparse = slice(args.cells // 4, None, max(1, args.cells // 4))

    def story() -> sim.Story:
        times = args.duration * np.linspace(0, 1, args.frames) ** 2
        largest, lost = [0.0] * 3, [0.0] * 3
        for found in zip(*(body.eq.frames(body.salt, times) for body in stated), strict=True):
            time = found[0][0]
            for n, (body, (_, u)) in enumerate(zip(stated, found, strict=True)):
                exact = body.exact(time)
                largest[n] = float(np.abs(u - exact).max())
                lost[n] = abs(body.eq.total_mass(u) / body.eq.total_mass(body.salt) - 1)
                sim.repaint(images[n], body.picture(u))
                middle = (u, exact) if u.ndim == 1 else (u[:, u.shape[1] // 2], exact[:, u.shape[1] // 2])
                curves[n].set_data(r, middle[0])
                dots[n].set_data(r[sparse], middle[1][sparse])
            if time:
                sim.extend_curves(errors, time / args.duration, largest)
            caption.set_text(
                f"{sim.clock(time)} after the walls of the {sim.length(2 * args.radius)} wide bodies were pulled"
            )
            yield
        told = "".join(
            f"{body.name}: largest error {error:.1e}, salt lost {share:.0e}\n"
            for body, error, share in zip(stated, largest, lost, strict=True)
        )
        return {"duration": args.duration, "largest_error": largest, "lost": lost}, told.rstrip()

    return sim.Film(drawn, [*images, *curves, *dots, *errors, caption], story(), still=0.55)


def draw_profiles(axes: Axes, args: argparse.Namespace) -> tuple[list[Line2D], list[Line2D]]:
    """Draw the axes of the concentration along the radius; return the solver's curves and the closed forms' dots."""
    axes.set(
        xlim=(0, SEEN), ylim=(-0.02, 1.05), ylabel="kg/m³", xlabel=f"radius, in units of {sim.length(args.radius)}"
    )
    curves = [axes.plot([], [], color=colour)[0] for colour in COLOURS]
    dots = [axes.plot([], [], "o", color=colour, markersize=4)[0] for colour in COLOURS]
    axes.text(0.98, 0.95, "curves: solver\ndots: closed form", transform=axes.transAxes, ha="right", va="top")
    return curves, dots


def draw_errors(axes: Axes, duration: float) -> list[Line2D]:
    """Draw the axes of the largest error; return the curves."""
    axes.set(xlim=(0, 1), ylim=(5e-5, 0.5), yscale="log", ylabel="largest error, kg/m³")
    axes.set_xlabel(f"time, in units of {sim.clock(duration)}", color=sim.FAINT)
    return [axes.plot([], [], color=colour)[0] for colour in COLOURS]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
