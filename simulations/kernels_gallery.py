"""A gallery of convolution kernels: each one at work on a colour photograph, with what it does in words.
======================================================================================================

A kernel is a small table of weights that says where the light of a pixel may go. Weights that are nowhere negative and
sum to 1 are chances: every grain of light jumps by a random displacement, which is diffusion, and the picture blurs.
The mean displacement is a drift, half the variance is the diffusivity. Weights of both signs run diffusion backward
(sharpening) or, when they sum to 0, take derivatives: slopes for one difference, edges for two.

The film shows the photograph, the kernel and the result side by side, one kernel after the other, with the kernel's
interpretation worked out from its moments. The still picture is the contact sheet of all. Where the weights sum to 1
the result has the brightness of the photograph (beyond black and white it is clipped); where they do not, 0 is shown as
mid-grey and the strongest half per cent is clipped.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import _common as sim
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--frames", "20", "--size", "48"]
CATALOGUE: list[tuple[str, tuple[float, ...]]] = [
    ("identity", ()),
    ("box", (9,)),
    ("gaussian", (3,)),
    ("integrated_gaussian", (1,)),
    ("lattice_gaussian", (1,)),
    ("disc", (6.5,)),
    ("motion_blur", (25, 30)),
    ("sharpen", ()),
    ("unsharp_mask", (3, 1.5)),
    ("emboss", ()),
    ("sobel", (1,)),
    ("sobel", (0,)),
    ("scharr", (1,)),
    ("prewitt", (0,)),
    ("roberts", (0,)),
    ("laplacian", (5,)),
    ("laplacian", (9,)),
    ("edge_detector", ()),
    ("laplacian_of_gaussian", (2,)),
    ("gaussian_derivative", (1, 3)),
    ("gabor", (8, 45)),
]


@dataclass(frozen=True)
class Exhibit:
    """A kernel, what it makes of the photograph as colours, and what it does in words."""

    name: str
    kernel: NDArray[np.float64]
    result: NDArray[np.float64]
    summary: str
    equation: str  # what the kernel, or adding what it makes to the picture, is one step of
    brightness: str


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_image(cli)
    cli.add_argument("--size", type=sim.at_least(16), default=300, help="rows and columns of the photograph")
    sim.add_film(cli, frames=28 * len(CATALOGUE), fps=10)
    return cli


def exhibit(photo: NDArray[np.float64], name: str, values: tuple[float, ...]) -> Exhibit:
    """Use one kernel of the catalogue on the photograph."""
    kernel = getattr(dc.kernels, name)(*values)
    found = dc.interpret(kernel)
    seen = dc.convolve(photo, kernel, axes=(0, 1))
    keeps_light = abs(found.gain - 1) < 1e-9
    if not keeps_light:
        strongest = float(np.quantile(np.abs(seen), 0.995))
        seen = 0.5 + 0.5 * seen / max(strongest, 1 / 255)  # what is below one step of grey is not stretched to see it
    told = ", ".join(f"{value:g}" for value in values)
    size = " × ".join(map(str, kernel.shape))
    shown = "brightness is kept" if keeps_light else "mid-grey is 0"
    step = "one step of" if found.gain else "added to the picture, one step of"
    equation = f"{step} {found.formula}" if found.formula else ""
    brightness = f"{size} weights that sum to {found.gain:.3g}: {shown}"
    return Exhibit(f"{name}({told})", kernel, np.clip(seen, 0, 1), found.summary, equation, brightness)


def square(kernel: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a kernel as a square around its origin, from -1 to 1, without the rim that is too faint to see."""
    strong = np.argwhere(np.abs(kernel) > 0.004 * np.abs(kernel).max()) - np.array(kernel.shape) // 2
    reach = max(1, int(np.abs(strong).max()))
    shown = np.zeros((2 * reach + 1,) * 2)
    for tap in np.ndindex(kernel.shape):
        place = [i - n // 2 + reach for i, n in zip(tap, kernel.shape, strict=True)]
        if all(0 <= i <= 2 * reach for i in place):
            shown[tuple(place)] = kernel[tap]
    shown /= np.abs(shown).max()
    return shown


class Wall:
    """The photograph, a kernel and the result side by side, and the kernel's interpretation below."""

    def __init__(self, drawn: Figure, photo: NDArray[np.float64]) -> None:
        self.photo = photo
        boxes = [drawn.add_axes((x, 0.3, width, 0.58)) for x, width in ((0.02, 0.34), (0.41, 0.18), (0.64, 0.34))]
        for axes, title in zip(boxes, ("photograph", "kernel", "result"), strict=True):
            sim.bare(axes, title, fontsize=14, pad=8, color=sim.FAINT)
        boxes[0].imshow(photo)
        self.table = boxes[1].imshow(np.zeros((3, 3)), cmap=sim.SIGNED, vmin=-1, vmax=1, extent=(-1.5, 1.5, 1.5, -1.5))
        self.numbers = [
            boxes[1].text(x, y, "", ha="center", va="center", size=13) for y in (-1, 0, 1) for x in (-1, 0, 1)
        ]
        self.result = boxes[2].imshow(photo)
        self.edge = boxes[2].axvline(-0.5, color=sim.ORANGE, linewidth=1.5)
        centred: Any = {"ha": "center", "va": "center"}
        self.name = drawn.text(0.5, 0.225, "", size=20, family="monospace", color=sim.ORANGE, **centred)
        self.words = drawn.text(0.5, 0.15, "", size=16, **centred)
        self.facts = drawn.text(0.5, 0.065, "", size=12, color=sim.FAINT, **centred)
        moving = [self.table, *self.numbers, self.result, self.edge, self.name, self.words, self.facts]
        self.moving: list[Any] = moving

    def hang(self, shown: Exhibit) -> None:
        """Show another kernel."""
        self.name.set_text(shown.name)
        self.words.set_text("\n".join(textwrap.wrap(shown.summary, 96)))
        self.facts.set_text(f"{shown.brightness}\n{shown.equation}")
        self.edge.set_visible(True)
        self.table.set_data(square(shown.kernel))
        label(self.numbers, shown.kernel)

    def sweep(self, shown: Exhibit, share: float) -> None:
        """Draw the result over the photograph from left to right."""
        columns = self.photo.shape[1]
        swept = min(columns, round(columns * share))
        self.result.set_data(np.concatenate([shown.result[:, :swept], self.photo[:, swept:]], axis=1))
        self.edge.set_xdata([swept - 0.5] * 2)
        self.edge.set_visible(swept < columns)


def simulate(args: argparse.Namespace) -> sim.Film:
    """Show the kernels one after the other; each result is drawn over the photograph from left to right."""
    photo = sim.photograph(args.image, (args.size, args.size), gray=False)
    exhibits = [exhibit(photo, name, values) for name, values in CATALOGUE]
    drawn = sim.figure()
    wall = Wall(drawn, photo)

    def story() -> sim.Story:
        starts = [-(-number * args.frames // len(exhibits)) for number in range(len(exhibits) + 1)]
        for shown, first, last in zip(exhibits, starts, starts[1:], strict=False):
            wall.hang(shown)
            for share in np.arange(1, last - first + 1) / max(1, 0.3 * (last - first)):
                if share < 1 or wall.edge.get_visible():  # once it is all there nothing is drawn again
                    wall.sweep(shown, share)
                yield
        names = [shown.name for shown in exhibits]
        return {"kernels": names}, f"{len(exhibits)} kernels on one photograph"

    return sim.Film(drawn, wall.moving, story(), lambda: contact_sheet(photo, exhibits))


def label(numbers: Sequence[Any], kernel: NDArray[np.float64]) -> None:
    """Write the weights of a kernel of up to 3 by 3 into its cells."""
    small = max(kernel.shape) <= 3
    place = [[i - n // 2 + 1 for i in range(n)] for n in kernel.shape]
    for text in numbers:
        text.set_text("")
    if small:
        strength = np.abs(kernel) / np.abs(kernel).max()
        for tap in np.ndindex(kernel.shape):
            text = numbers[3 * place[0][tap[0]] + place[1][tap[1]]]
            text.set_text(f"{kernel[tap]:.3g}".replace("-", "−"))
            text.set_color("white" if strength[tap] > 0.6 else "black")


def contact_sheet(photo: NDArray[np.float64], exhibits: Sequence[Exhibit]) -> Figure:
    """Draw all results on one sheet, each with its kernel in the corner."""
    columns = 5
    rows = -(-(len(exhibits) + 1) // columns)
    wide = 100 / matplotlib.rcParams["figure.dpi"]  # larger type leaves room for fewer letters, and needs more lines
    height = round(400 / wide) * rows + 60
    sheet = sim.figure(1600, height)
    sheet.suptitle("What a kernel does to a photograph", size=22, y=1 - 22 / height)
    boxes = sheet.subplots(rows, columns, squeeze=False).ravel()
    sheet.subplots_adjust(left=0.015, right=0.985, bottom=85 / height, top=1 - 85 / height, wspace=0.06, hspace=0.38)
    for axes in boxes:
        axes.set_visible(False)
    given = Exhibit("the photograph", np.zeros((1, 1)), photo, "All that follows is made from this.", "", "")
    for axes, shown in zip(boxes, [given, *exhibits], strict=False):
        axes.set_visible(True)
        axes.imshow(shown.result)
        sim.bare(axes, shown.name, color=sim.ORANGE, family="monospace", fontsize=12, pad=6)
        text = textwrap.wrap(shown.summary, round(43 * wide))
        axes.text(0, -0.03, "\n".join(text), transform=axes.transAxes, va="top", size=9)
        equation = "\n".join(textwrap.wrap(shown.equation, round(53 * wide)))
        below = -0.035 - 0.06 / wide * len(text)
        axes.text(0, below, equation, transform=axes.transAxes, va="top", size=7.5, color=sim.FAINT)
        if shown is not given:
            corner = axes.inset_axes((0.74, 0.02, 0.24, 0.24))
            corner.imshow(square(shown.kernel), cmap=sim.SIGNED, vmin=-1, vmax=1)
            corner.set(xticks=[], yticks=[])
            corner.spines[:].set(visible=True, color=sim.FAINT)
    return sheet


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
