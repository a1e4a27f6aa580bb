"""A picture and its spectrum: turn the one, and the other turns with it.
======================================================================

Every picture is a sum of waves. Its spectrum says how strong each wave is: slow waves (large shapes) in the centre,
fast ones (fine detail) further out, and each in the direction in which its brightness goes up and down. Stripes are a
single wave, so their spectrum is a pair of dots; a photograph fills the plane, brightest across its long edges.

Sliding a picture changes nothing in the strengths of its waves, but turning it turns them all. So the angle can be read
off the two spectra alone, though no pixel is where it was: `rotation_between` compares the rings of the spectra, and
`orientation` finds the strongest wave. Half a turn cannot be told from none, because a wave looks the same from behind.

The pictures are seen through a round window with soft edges: a spectrum takes a picture for a tile that repeats, and
where opposite edges do not match it would show them as a bright cross.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from PIL import Image

import diffuseconv as dc

SMALL = ["--cells", "48", "--frames", "6"]
EVERY = 6  # frames from one measurement of the angle to the next

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(32), default=192, help="side of the pictures")
    cli.add_argument("--waves", type=sim.at_least(2), default=12, help="waves across the striped picture")
    sim.add_image(cli)
    sim.add_film(cli, frames=240)
    return cli


def turned(picture: Array, angle: float) -> Array:
    """Return a picture turned about its centre, counter-clockwise, corners filled with its mean."""
    image = Image.fromarray(picture).rotate(angle, Image.Resampling.BICUBIC, fillcolor=float(picture.mean()))
    return np.asarray(image)


def striped(cells: int, waves: int, angle: float) -> Array:
    """Return stripes whose brightness goes up and down in a direction, counter-clockwise from the right."""
    down, right = np.indices((cells, cells)) - cells // 2
    along = right * np.cos(np.deg2rad(angle)) - down * np.sin(np.deg2rad(angle))
    return np.asarray(0.5 + 0.5 * np.cos(2 * np.pi * waves * along / cells))


class Views:
    """Two pictures, their spectra, and a needle on each spectrum."""

    def __init__(self, drawn: Figure, pictures: Sequence[Array]) -> None:
        cells = len(pictures[0])
        self.window = dc.spectrum.radial_window((cells, cells), cells / 4, edge=cells / 2)
        self.frame = dc.spectrum.radial_window((cells, cells), cells / 2 - 3, edge=4)
        self.half = cells // 4
        self.images, self.needles = [], []
        grid = drawn.add_gridspec(2, 2, left=0.02, right=0.5, top=0.82, bottom=0.04, wspace=0.05, hspace=0.14)
        for row, (picture, name) in enumerate(zip(pictures, ("stripes", "photograph"), strict=True)):
            seen, spectrum = self.view(picture)
            norm = Normalize(float(np.median(spectrum)), float(spectrum.max()))
            self.images.append(sim.panel(drawn.add_subplot(grid[row, 0]), seen, name, None, "gray", Normalize(0, 1)))
            self.images.append(
                sim.panel(drawn.add_subplot(grid[row, 1]), spectrum, "its spectrum", None, sim.FLUX, norm)
            )
            line: Any = {"color": (sim.ORANGE, sim.BLUE)[row], "linewidth": 1.6, "linestyle": (0, (5, 3))}
            self.needles.append(self.images[-1].axes.plot([], [], **line)[0])
        self.moving = [*self.images, *self.needles]

    def view(self, picture: Array) -> tuple[Array, Array]:
        """Return what is shown of a picture: itself in a round frame, and the inner half of its spectrum."""
        spectrum = dc.spectrum.log_spectrum((picture - picture.mean()) * self.window)
        inner = slice(self.half, len(picture) - self.half)
        return picture * self.frame, spectrum[inner, inner]

    def show(self, pictures: Sequence[Array]) -> None:
        """Show two pictures and their spectra."""
        fields = [field for picture in pictures for field in self.view(picture)]
        for image, field in zip(self.images, fields, strict=True):
            sim.repaint(image, field)

    def point(self, directions: Sequence[float]) -> None:
        """Let each needle point in a direction, in degrees."""
        for needle, direction in zip(self.needles, directions, strict=True):
            right, down = self.half * np.cos(np.deg2rad(direction)), -self.half * np.sin(np.deg2rad(direction))
            needle.set_data([self.half - right, self.half + right], [self.half - down, self.half + down])


def simulate(args: argparse.Namespace) -> sim.Film:
    """Turn both pictures by half a turn, and find the angle in their spectra."""
    portrait = sim.photograph(args.image, (args.cells, args.cells)).astype(np.float32)
    drawn = sim.figure()
    caption = sim.heading(drawn, "Turn a picture, and its spectrum turns with it")
    views = Views(drawn, (striped(args.cells, args.waves, 0), portrait))
    dots = draw_graph(drawn.add_axes((0.59, 0.11, 0.38, 0.68)))

    def story() -> sim.Story:
        angles, found = [], []
        for frame, angle in enumerate(np.linspace(0, 180, args.frames, endpoint=False)):
            pictures = striped(args.cells, args.waves, angle), turned(portrait, angle)
            views.show(pictures)
            if frame % EVERY == 0:
                angles.append(angle)
                stripes = dc.spectrum.orientation(pictures[0] * views.window)
                found.append((stripes, dc.spectrum.rotation_between(portrait, pictures[1])))
                found[-1] = tuple((one - angle + 90) % 180 - 90 + angle for one in found[-1])  # known up to half a turn
                views.point(found[-1])
                sim.extend_curves(dots, angle, found[-1])
            told = f"at {angles[-1]:.1f}° found {found[-1][0]:z.2f}° and {found[-1][1]:z.2f}°"
            caption.set_text(f"turned by {angle:.1f}°; {told}")
            yield
        error = np.abs(np.array(found) - np.array(angles)[:, None]).max(axis=0)
        told = f"largest error over half a turn: stripes {error[0]:.2g}°, photograph {error[1]:.2g}°"
        return {"stripes_error": error[0], "photograph_error": error[1]}, told

    return sim.Film(drawn, [*views.moving, *dots, caption], story(), still=0.8)


def draw_graph(graph: Axes) -> list[Line2D]:
    """Draw the axes of the angles; return the dots."""
    graph.set(xlim=(0, 180), ylim=(0, 180), xlabel="turned by (degrees)", ylabel="found from the spectrum (degrees)")
    graph.set(xticks=range(0, 181, 30), yticks=range(0, 181, 30), aspect="equal")
    graph.grid(visible=True)
    graph.plot([0, 180], [0, 180], color=sim.FAINT, linewidth=1)
    (of_stripes,) = graph.plot([], [], "o", color=sim.ORANGE, mfc="none", markersize=8, label="stripes: orientation()")
    (of_portrait,) = graph.plot([], [], ".", color=sim.BLUE, markersize=6, label="photograph: rotation_between()")
    graph.legend(loc="upper left")
    return [of_stripes, of_portrait]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
