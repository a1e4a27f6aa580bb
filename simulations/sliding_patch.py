"""How a picture is convolved: a 3×3 patch slides over it, and a feature map fills up number by number.
====================================================================================================

At each place nine pixels lie under the patch. Each is multiplied by the weight that lies on it, the nine products are
added, and the sum is divided by 9, the number of weights: that is one pixel of the feature map. Then the patch moves on
by one pixel. The feature map is two pixels smaller than the picture each way, since the patch stays inside (the mode
"valid"), and no wall matters.

Dividing by 9 keeps the picture as bright as it was if the weights add up to 9, as nine ones do (`--kernel box`): each
pixel of the map is then the mean of a patch. The weights of the edge detector add up to 0: where the picture is even
nothing is left, and only differences between neighbours shine.

Convolution lays the kernel on the picture turned by 180°, because a weight says where salt goes, and the patch asks
where it came from. Kernels that look the same when turned do not show it; `--kernel emboss` does.
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
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "5", "--frames", "12", "--slow", "1"]
HEART = """
..........
.##....##.
#++#..####
#+########
##########
.########.
..######..
...####...
....##....
..........
"""
KERNELS = {
    "edge_detector": dc.kernels.edge_detector(),
    "box": 9 * dc.kernels.box(3),
    "sharpen": dc.kernels.sharpen(),
    "emboss": dc.kernels.emboss(),
    "sobel": dc.kernels.sobel(),
}

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--kernel", choices=KERNELS, default="edge_detector", help="the nine weights")
    cli.add_argument("--cells", type=int, choices=range(4, 15), metavar="4..14", default=12, help="side of the picture")
    cli.add_argument("--slow", type=sim.at_least(0), default=1, help="how many places are shown step by step at first")
    sim.add_image(cli)
    sim.add_film(cli, frames=400)
    return cli


def picture(cells: int, path: Any) -> Array:
    """Return the picture as whole numbers from 0 to 255."""
    if path is not None:
        return np.rint(255 * sim.photograph(path, (cells, cells)))
    level = {".": 40.0, "#": 200.0, "+": 250.0}
    heart = np.array([[level[mark] for mark in line] for line in HEART.split()])
    before = max(0, cells - 10) // 2
    return np.pad(heart, [(before, max(0, cells - 10) - before)] * 2, constant_values=level["."])[:cells, :cells]


class Table:
    """Numbers on coloured squares; all change with `show`."""

    def __init__(
        self, axes: Axes, title: str, shape: tuple[int, int], limits: tuple[float, float], colours: str
    ) -> None:
        self.axes = axes
        self.image = sim.panel(axes, np.zeros(shape), title, None, colours, Normalize(*limits))
        for line, most in ((axes.axhline, shape[0]), (axes.axvline, shape[1])):
            for between in range(1, most):
                line(between - 0.5, color=sim.GROUND, linewidth=0.8)
        self.texts = sim.label_squares(axes, shape, min(13.0, 62 / max(shape) + 3))
        self.moving = [self.image, *self.texts]

    def show(self, values: Array) -> None:
        """Show an array; NaN leaves a square empty."""
        sim.write_numbers(self.image, self.texts, values, ".0f")

    def frame(self, size: int, colour: str) -> Rectangle:
        """Add the outline of a square of cells."""
        outline = Rectangle((-0.5, -0.5), size, size, fill=False, edgecolor=colour, linewidth=3.5, zorder=3)
        self.axes.add_patch(outline)
        return outline


class Tables:
    """The picture under the patch, the kernel, the nine products and the feature map."""

    def __init__(self, drawn: Figure, pixels: Array, kernel: Array) -> None:
        self.pixels, self.turned = pixels, np.flip(kernel)
        self.whole = dc.convolve(pixels, kernel / 9, mode="valid")
        grid = drawn.add_gridspec(
            6, 3, width_ratios=(10, 5.6, 8.4), left=0.02, right=0.98, top=0.84, bottom=0.12, wspace=0.12, hspace=0.6
        )
        cells, size = len(pixels), len(self.whole)
        furthest = float(np.abs(self.whole).max()) or 1.0
        signed = bool(self.whole.min() < -1e-9)
        limits, shades = ((-furthest, furthest), "PuOr_r") if signed else ((0.0, 255.0), "gray")
        weight = float(np.abs(kernel).max())
        most = weight * float(pixels.max())
        same = "" if np.array_equal(self.turned, kernel) else ", turned by 180°"
        title = f"picture, {cells} × {cells} pixels"
        source = Table(drawn.add_subplot(grid[:, 0]), title, pixels.shape, (0, 255), "gray")
        weights = Table(drawn.add_subplot(grid[:3, 1]), f"kernel{same}", (3, 3), (-weight, weight), "PuOr_r")
        name = "products: pixel × weight"
        self.products = Table(drawn.add_subplot(grid[3:, 1]), name, (3, 3), (-most, most), "PuOr_r")
        title = f"feature map, {size} × {size}"
        self.target = Table(drawn.add_subplot(grid[:, 2]), title, self.whole.shape, limits, shades)
        self.frame, self.spot = source.frame(3, sim.ORANGE), self.target.frame(1, sim.GREEN)
        for sign, axes, x, colour in (
            ("×", weights.axes, -0.16, sim.ORANGE),
            ("=", self.products.axes, -0.16, sim.ORANGE),
            ("Σ\n÷ 9", self.products.axes, 1.14, sim.GREEN),
        ):
            axes.text(x, 0.5, sign, transform=axes.transAxes, size=20, color=colour, ha="center", va="center")
        self.products.axes.set_xlabel(f"the weights add up to {kernel.sum():g}", color=sim.FAINT, size=11, labelpad=8)
        self.sentence = drawn.text(0.5, 0.04, "", ha="center", va="center", size=15, color=sim.BLUE)
        source.show(pixels)
        weights.show(self.turned)
        self.moving = [*self.target.moving, *self.products.moving, self.frame, self.spot, self.sentence]

    def show(self, number: int, step: int) -> None:
        """Show one place: step 0 the patch, 1 and the products, 2 and the sum, 3 and the pixel of the map."""
        row, column = divmod(number, self.whole.shape[1])
        done = np.full(self.whole.shape, np.nan)
        done.ravel()[: number + (step == 3)] = self.whole.ravel()[: number + (step == 3)]
        self.target.show(done)
        patch = self.pixels[row : row + 3, column : column + 3]
        for outline in (self.frame, self.spot):
            outline.set_xy((column - 0.5, row - 0.5))
        self.spot.set_visible(step == 3)
        self.products.show(patch * self.turned if step >= 1 else np.full((3, 3), np.nan))
        added = float((patch * self.turned).sum())
        said = f"the sum of the nine products is {added:z.0f}"
        said += f";   {added:z.0f} / 9 = {self.whole[row, column]:z.1f}" if step == 3 else ""
        said = said.replace("-", "−")
        self.sentence.set_text(("nine pixels lie under the patch", "nine products", said, said)[step])


def plan(places: int, slow: int, frames: int) -> list[tuple[int, int]]:
    """Return for each frame the place and the step: the first places slowly, the rest ever on, then a pause."""
    slow = min(slow, places)
    each = max(4, frames // (2 * max(1, slow)))
    first = [(place, 4 * frame // each) for place in range(slow) for frame in range(each)][: frames - 1]
    rest = max(1, (frames - len(first)) * 9 // 10)
    last = [(min(places - 1, slow + frame * (places - slow) // rest), 3) for frame in range(rest)]
    return [*first, *last, *[(places - 1, 3)] * max(0, frames - len(first) - rest)]


def simulate(args: argparse.Namespace) -> sim.Film:
    """Slide the patch over the picture."""
    kernel = KERNELS[args.kernel]
    drawn = sim.figure(1280, 640)
    drawn.suptitle("Convolution: multiply, add, divide by nine, move on", size=16, y=0.962)
    tables = Tables(drawn, picture(args.cells, args.image), kernel)
    frames = plan(tables.whole.size, args.slow, args.frames)
    late = tables.whole.size // 2 + int(np.argmax(np.abs(tables.whole.ravel()[tables.whole.size // 2 :])))
    shown = next((number for number, (place, _) in enumerate(frames) if place >= late), len(frames) - 1)

    def story() -> sim.Story:
        for place, step in frames:
            tables.show(place, step)
            yield
        total, whole = kernel.sum(), tables.whole
        kept = "the mean brightness is kept" if total == 9 else f"brightness is multiplied by {total / 9:g}"
        told = f"{args.kernel}: weights add up to {total:g}, so {kept}; map from {whole.min():.1f} to {whole.max():.1f}"
        return {}, told

    return sim.Film(drawn, tables.moving, story(), still=shown / max(1, len(frames) - 1))


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
