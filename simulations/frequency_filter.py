"""A circle in the frequency plane: what lies inside is kept, what lies outside is forgotten.
==========================================================================================

A picture is a sum of waves, slow ones in the centre of its spectrum and fast ones further out. Multiply the spectrum by
a disc, 1 inside and 0 outside, and go back: what returns is the picture without its fine detail. This is a convolution
too, with the disc as transfer function, and that is why convolution is called filtering.

It is also how pictures are compressed. The circle holds a small part of all the numbers, yet most of the picture,
because strong waves are slow ones. The curve shows the price: the error against the part that is kept.

A hard disc rings: beside every edge the picture shows faint echoes of it. `--edge` lets the disc fall off softly over
that many cycles. `--boundary reflecting` uses cosines, as JPEG does, so that an edge does not bleed into the opposite.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NamedTuple

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "48", "--frames", "6"]

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(16), default=256, help="side of the picture")
    cli.add_argument("--edge", type=float, default=0.0, help="width of the disc's soft edge, in cycles per image")
    cli.add_argument("--boundary", choices=("periodic", "reflecting"), default="periodic", help="the waves to use")
    sim.add_image(cli)
    sim.add_film(cli, frames=240)
    return cli


class Disc(NamedTuple):
    """What a disc of one radius leaves of the picture, and the price."""

    radius: float
    low: Array
    high: Array
    kept: float  # % of the numbers that are not multiplied by 0
    error: float  # root mean square of what is forgotten, % of that of the picture


def apply(picture: Array, radius: float, edge: float, boundary: str) -> Disc:
    """Keep what lies inside a circle; a soft edge still keeps the numbers within half its width outside."""
    low = dc.spectrum.low_pass(picture, radius, edge=edge, boundary=boundary)
    high = dc.spectrum.high_pass(picture, radius, edge=edge, boundary=boundary)
    rim = np.nextafter(radius + edge / 2, 0) if edge else radius  # on a soft rim itself the weight is 0
    kept = dc.spectrum.compression(picture, float(rim), boundary=boundary).kept_fraction
    return Disc(radius, low, high, 100 * kept, 100 * float(np.linalg.norm(high) / np.linalg.norm(picture)))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let the circle grow."""
    if not 0 <= args.edge <= args.cells:
        raise sim.OptionError(f"--edge must be from 0 to --cells ({args.cells}), got {args.edge:g}")
    cells = args.cells
    picture = sim.photograph(args.image, (cells, cells))
    radii = np.geomspace(max(1.0, args.edge / 2), cells / 2, args.frames)
    discs = [apply(picture, float(radius), args.edge, args.boundary) for radius in radii]

    drawn = sim.figure()
    drawn.suptitle("A circle in the frequency plane: inside is kept, outside is forgotten", size=17, y=0.962)
    grid = drawn.add_gridspec(1, 3, left=0.02, right=0.98, top=0.85, bottom=0.38, wspace=0.05)
    circle = draw_plane(drawn.add_subplot(grid[0]), dc.spectrum.log_spectrum(picture))
    low = sim.panel(drawn.add_subplot(grid[1]), picture, "kept: what lies inside", None, "gray", Normalize(0, 1))
    high = sim.panel(
        drawn.add_subplot(grid[2]), picture, "forgotten: what lies outside", None, "PuOr_r", Normalize(-0.3, 0.3)
    )
    price = drawn.add_axes((0.08, 0.11, 0.56, 0.22))
    curve = draw_price(price, discs)
    (now,) = price.plot([], [], "o", color=sim.ORANGE, markersize=9)
    words = drawn.text(0.70, 0.2, "", size=14, va="center", linespacing=1.6)
    middle = int(np.argmin([abs(disc.kept - 5) for disc in discs]))

    def story() -> sim.Story:
        for disc in discs:
            circle.set_radius(disc.radius)
            sim.repaint(low, disc.low)
            sim.repaint(high, disc.high)
            sim.extend_curves([curve], disc.kept, [disc.error])
            now.set_data([disc.kept], [disc.error])
            words.set_text(in_words(disc, args.edge))
            yield
        disc = discs[middle]
        kind = f"soft edge of {args.edge:g} cycles" if args.edge else "hard disc"
        told = f"{sim.figures(disc.kept)} % of the numbers keep the picture to an error of {disc.error:.1f} % ({kind})"
        return {"still_kept_percent": disc.kept, "still_error_percent": disc.error}, told

    return sim.Film(drawn, [circle, low, high, curve, now, words], story(), still=middle / max(1, len(discs) - 1))


def draw_plane(axes: Axes, spectrum: Array) -> Circle:
    """Draw the spectrum and a circle around its middle."""
    norm = Normalize(float(np.percentile(spectrum, 5)), float(np.percentile(spectrum, 99.9)))
    sim.panel(axes, spectrum, "spectrum and circle", None, sim.FLUX, norm)
    circle = Circle((len(spectrum) // 2, len(spectrum) // 2), 1, fill=False, edgecolor="white", linewidth=2)
    circle.set_path_effects([withStroke(linewidth=5, foreground="black")])  # seen on the brightest spectrum too
    axes.add_patch(circle)
    return circle


def draw_price(axes: Axes, discs: Sequence[Disc]) -> Line2D:
    """Draw the whole curve of the error faintly; return the one that grows over it."""
    axes.semilogx([disc.kept for disc in discs], [disc.error for disc in discs], color=sim.FAINT, linewidth=1.2)
    axes.set(xlabel="numbers kept (%)", ylabel="error (% of the picture)", ylim=(0, None))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.grid(visible=True)
    return axes.plot([], [], color=sim.BLUE)[0]


def in_words(disc: Disc, edge: float) -> str:
    """Describe what one disc does."""
    ratio = 100 / disc.kept
    soft = f", soft over {edge:g}" if edge else ""
    return (
        f"radius {disc.radius:.1f} cycles per image{soft}\n{sim.figures(disc.kept)} % of the numbers kept\n"
        f"compressed {ratio:,.{0 if ratio > 100 else 1}f} : 1\nerror {disc.error:.1f} %"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
