"""Painting in the frequency plane: a dot there is a wave through the image.
=========================================================================

The plane of frequencies is a canvas of its own. One dot in it (and its mirror image at the opposite frequency, which
keeps the picture real) is one wave: the direction from the centre to the dot is the direction the wave runs in, and the
distance is the number of its crests across the image. Two dots are two waves added up. A whole line of dots, all with a
crest at the centre, add up to a ridge there and cancel everywhere else: a line becomes a line at right angles to it.

Painting is useful, too. Stripes over a photograph, from a bad scanner or a woven screen, are scattered over every
pixel; in the frequency plane they are two bright dots. Cover the dots with a mask, and the stripes are gone.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NamedTuple

import _common as sim
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Circle

import diffuseconv as dc

SMALL = ["--cells", "48", "--frames", "10"]


class Step(NamedTuple):
    """What is painted in one frame."""

    edits: Any
    caption: str
    on_photograph: bool = False


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(32), default=256, help="side of the picture")
    sim.add_image(cli)
    sim.add_film(cli, frames=420)
    return cli


def hidden(cells: int, frequency: Sequence[int], radius: float) -> dc.spectrum.Mask:
    """Return a mask that is 0 in a circle around a frequency and its opposite, and 1 elsewhere."""
    spot = dc.spectrum.radial_window((cells, cells), radius, edge=radius)
    opposite = (-frequency[0], -frequency[1])
    return dc.spectrum.Mask(1 - np.roll(spot, tuple(frequency), (0, 1)) - np.roll(spot, opposite, (0, 1)))


def chapters(cells: int, stripes: dc.spectrum.Dot) -> list[list[Step]]:
    """Return what is painted, in six parts."""
    far = min(24, cells // 5)
    dot, line = dc.spectrum.Dot, dc.spectrum.Line
    around = [(round(-far * np.sin(angle)), round(far * np.cos(angle))) for angle in np.linspace(0, np.pi, 3 * far)]
    strengths = np.linspace(0, stripes.amplitude, 2 * far)
    radii = np.linspace(0.5, cells / 40, 2 * far)
    crests = "one dot: a wave with {} crest{} across the image"
    return [
        [Step(dot((0, c)), crests.format(c, "s" * (c > 1))) for c in range(1, far + 1)],
        [Step(dot(f), "around the centre: the wave runs where the dot lies") for f in around],
        [Step([dot((0, far // 2)), dot((c, 0))], "two dots: two waves added up") for c in range(1, far // 2 + 1)],
        [Step(line((-c, -c), (c, c)), "a line of dots: a ridge across it, at right angles") for c in range(1, 2 * far)],
        [
            Step(dot(stripes.frequency, strength), "a photograph: paint two dots, and stripes cover it", True)
            for strength in strengths
        ],
        [
            Step([stripes, hidden(cells, stripes.frequency, radius)], "cover the dots: the stripes are gone", True)
            for radius in radii
        ],
    ]


class Canvas:
    """The frequency plane and the image."""

    def __init__(self, drawn: Figure, cells: int, spot: Sequence[int]) -> None:
        self.cells, quarter = cells, cells // 4
        self.view = slice(cells // 2 - quarter, cells // 2 + quarter + 1)
        blank = np.zeros((cells, cells))
        plane, image = (drawn.add_axes((x, 0.12, 0.42, 0.74)) for x in (0.06, 0.52))
        title = "frequency plane (slow waves in the centre)"
        self.plane = sim.panel(plane, blank[self.view, self.view], title, None, sim.FLUX, Normalize(0, 1))
        self.image = sim.panel(image, blank, "image", None, "gray", Normalize(0, 1))
        places = [(quarter + sign * spot[1], quarter + sign * spot[0]) for sign in (1, -1)]
        self.rings = [
            plane.add_patch(Circle(place, 5, fill=False, edgecolor="white", linewidth=1.6)) for place in places
        ]
        self.words = drawn.text(0.5, 0.06, "", ha="center", va="center", size=15)
        self.moving = [self.plane, self.image, *self.rings, self.words]

    def show(self, picture: Any, step: Step) -> None:
        """Draw a picture and its frequency plane; strokes on an empty canvas are swollen to be seen."""
        strength = dc.spectrum.log_spectrum(picture)
        if step.on_photograph:
            sim.repaint(self.image, picture)
        else:
            strength = dc.convolve(np.abs(strength), dc.kernels.box(3) * 9, boundary="periodic")
            reach = float(np.abs(picture).max()) or 1.0
            sim.repaint(self.image, 0.5 + 0.5 * picture / reach)
        top = np.log(self.cells**2 / 8)
        low = 0.25 * top if step.on_photograph else 0.0
        sim.repaint(self.plane, np.clip((strength[self.view, self.view] - low) / (top - low), 0, 1))
        self.words.set_text(step.caption)
        for ring in self.rings:
            ring.set_visible(step.on_photograph)


def simulate(args: argparse.Namespace) -> sim.Film:
    """Paint in six parts of equal length; each rests on its last step for a while."""
    cells = args.cells
    portrait, blank = sim.photograph(args.image, (cells, cells)), np.zeros((cells, cells))
    stripes = dc.spectrum.Dot((cells // 12, cells // 8), amplitude=0.25)
    drawn = sim.figure()
    drawn.suptitle("A dot in the frequency plane is a wave through the image", size=17, y=0.962)
    canvas = Canvas(drawn, cells, stripes.frequency)

    def story() -> sim.Story:
        parts = chapters(cells, stripes)
        for number, steps in enumerate(parts):
            frames = args.frames * (number + 1) // len(parts) - args.frames * number // len(parts)
            for frame in range(frames):
                step = steps[min(len(steps) - 1, int(1.25 * frame * len(steps) / frames))]
                base = portrait if step.on_photograph else blank
                canvas.show(dc.spectrum.paint_spectrum(base, step.edits), step)
                yield
        striped = dc.spectrum.paint_spectrum(portrait, stripes)
        cleaned = dc.spectrum.paint_spectrum(striped, hidden(cells, stripes.frequency, cells / 40))
        before, after = (100 * float(np.sqrt(np.mean((u - portrait) ** 2))) for u in (striped, cleaned))
        told = f"stripes of {before:.0f} % of full brightness; {after:.1f} % is left after two dots are covered"
        return {"error_before": before, "error_after": after}, told

    return sim.Film(drawn, canvas.moving, story(), still=0.82)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
