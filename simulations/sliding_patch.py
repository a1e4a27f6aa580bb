"""How a picture is convolved: a 3×3 patch slides over it, and a feature map fills up number by number.

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

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GREEN,
    GROUND,
    INK,
    ORANGE,
    add_film,
    add_image,
    animate,
    figure,
    one_line_errors,
    outputs,
    parser,
    photograph,
    write_record,
)
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

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


class Table:
    """Numbers on coloured squares; all change with `show`."""

    def __init__(
        self, axes: Axes, title: str, shape: tuple[int, int], limits: tuple[float, float], colours: str
    ) -> None:
        rows, columns = shape
        self.image = axes.imshow(np.zeros(shape), cmap=colours, vmin=limits[0], vmax=limits[1])
        axes.set(title=title, xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        for line, most in ((axes.axhline, rows), (axes.axvline, columns)):
            for between in range(1, most):
                line(between - 0.5, color=GROUND, linewidth=0.8)
        axes.set_facecolor("#20242b")
        size = min(13.0, 62 / max(shape) + 3)
        places = [(row, column) for row in range(rows) for column in range(columns)]
        self.texts = [axes.text(c, r, "", ha="center", va="center", size=size) for r, c in places]
        self.artists = [self.image, *self.texts]

    def show(self, values: Any) -> None:
        """Show an array; NaN leaves a square empty."""
        colours = self.image.to_rgba(np.nan_to_num(values), bytes=True, norm=True)
        colours[np.isnan(values)] = (32, 36, 43, 255)
        self.image.set_data(colours)
        bright = colours[..., :3].mean(axis=-1).ravel() > 120
        for text, value, on_bright in zip(self.texts, values.ravel(), bright, strict=True):
            text.set(text="" if np.isnan(value) else f"{round(value):d}", color="black" if on_bright else INK)


def picture(cells: int, path: Any) -> Any:
    """The picture as whole numbers from 0 to 255."""
    if path is not None:
        return np.rint(255 * photograph(path, (cells, cells)))
    level = {".": 40.0, "#": 200.0, "+": 250.0}
    heart = np.array([[level[mark] for mark in line] for line in HEART.split()])
    before = max(0, cells - 10) // 2
    return np.pad(heart, [(before, max(0, cells - 10) - before)] * 2, constant_values=level["."])[:cells, :cells]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--kernel", choices=KERNELS, default="edge_detector", help="the nine weights")
    cli.add_argument("--cells", type=int, choices=range(4, 15), metavar="4..14", default=12, help="side of the picture")
    cli.add_argument("--slow", type=int, default=4, help="how many places are shown step by step before it speeds up")
    add_image(cli)
    add_film(cli, frames=360)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "sliding_patch")
        kernel = KERNELS[args.kernel]
        pixels = picture(args.cells, args.image)
        whole = dc.convolve(pixels, kernel / 9, mode="valid")
        turned = np.flip(kernel)

        drawn = figure(1280, 640)
        grid = drawn.add_gridspec(
            6, 3, width_ratios=(10, 5.6, 8.4), left=0.02, right=0.98, top=0.85, bottom=0.12, wspace=0.1, hspace=0.5
        )
        drawn.suptitle("Convolution: multiply, add, divide by nine, move on", size=16, y=0.975)
        size = whole.shape[0]
        reach = float(np.abs(whole).max()) or 1.0
        signed = bool(whole.min() < -1e-9)
        limits = (-reach, reach) if signed else (0.0, 255.0)
        shades = "gray" if not signed else "PuOr_r"
        source = Table(
            drawn.add_subplot(grid[:, 0]), f"picture, {args.cells}×{args.cells} pixels", pixels.shape, (0, 255), "gray"
        )
        weight = np.abs(turned).max()
        same = "" if np.array_equal(turned, kernel) else ", turned by 180°"
        weights = Table(drawn.add_subplot(grid[:3, 1]), f"kernel{same}", (3, 3), (-weight, weight), "PuOr_r")
        most = float(np.abs(turned).max() * pixels.max())
        products = Table(drawn.add_subplot(grid[3:, 1]), "products: pixel × weight", (3, 3), (-most, most), "PuOr_r")
        target = Table(drawn.add_subplot(grid[:, 2]), f"feature map, {size}×{size}", whole.shape, limits, shades)
        frame = Rectangle((-0.5, -0.5), 3, 3, fill=False, edgecolor=ORANGE, linewidth=3.5, zorder=3)
        source.image.axes.add_patch(frame)
        spot = Rectangle((-0.5, -0.5), 1, 1, fill=False, edgecolor=GREEN, linewidth=3.5, zorder=3)
        target.image.axes.add_patch(spot)
        for name, axes, colour in (("×", weights.image.axes, ORANGE), ("=", products.image.axes, ORANGE)):
            axes.text(-0.16, 0.5, name, transform=axes.transAxes, size=26, color=colour, ha="center", va="center")
        sentence = drawn.text(0.5, 0.032, "", ha="center", va="center", size=15, color=BLUE)
        total = kernel.sum()
        products.image.axes.text(
            1.14, 0.5, "Σ\n÷ 9", transform=products.image.axes.transAxes, size=16, color=GREEN, ha="center", va="center"
        )
        products.image.axes.set_xlabel(f"the weights add up to {total:g}", color=FAINT, size=11, labelpad=8)
        source.show(pixels)
        weights.show(turned)

        places = [(row, column) for row in range(size) for column in range(size)]
        slow = places[: args.slow]
        per_slow = max(4, args.frames // (2 * max(1, len(slow)) + 2))
        rest = max(1, (args.frames - per_slow * len(slow)) * 9 // 10)

        def at(place: tuple[int, int], stage: int) -> None:
            """Draw one place: 0 the patch, 1 and the products, 2 and the sum, 3 and the pixel of the map."""
            row, column = place
            done = np.full(whole.shape, np.nan)
            count = row * size + column + (stage == 3)
            done.ravel()[:count] = whole.ravel()[:count]
            target.show(done)
            patch = pixels[row : row + 3, column : column + 3]
            frame.set_xy((column - 0.5, row - 0.5))
            spot.set_xy((column - 0.5, row - 0.5))
            spot.set_visible(stage == 3)
            products.show(patch * turned if stage >= 1 else np.full((3, 3), np.nan))
            added = float((patch * turned).sum())
            said = f"the sum of the nine products is {added:.0f}"
            said += f";   {added:.0f} / 9 = {whole[row, column]:z.1f}" if stage == 3 else ""
            sentence.set_text(("nine pixels lie under the patch", "nine products", said, said)[stage])

        def story() -> Iterator[None]:
            for row, column in slow:
                for moment in range(per_slow):
                    at((row, column), 4 * moment // per_slow)
                    yield
            for moment in range(rest):
                at(places[min(len(places) - 1, len(slow) + moment * (len(places) - len(slow)) // rest)], 3)
                yield
            at(places[-1], 3)
            for _ in range(max(1, args.frames - per_slow * len(slow) - rest)):
                yield

        moving = [*target.artists, *products.artists, frame, spot, sentence]
        count = 0

        def counted() -> Iterator[None]:
            nonlocal count
            for _ in story():
                count += 1
                yield

        dc.write_movie(files.film, animate(drawn, moving, counted()), fps=args.fps, progress=True)
        later = whole.ravel()[len(places) // 2 :]
        at(places[len(places) // 2 + int(np.argmax(np.abs(later)))], 3)
        drawn.savefig(files.still)
        write_record(files.record, {**vars(args), "frames": count})
        kept = "the mean brightness is kept" if total == 9 else f"brightness is multiplied by {total / 9:g}"
        print(f"{args.kernel}: weights add up to {total:g}, so {kept}; map from {whole.min():.1f} to {whole.max():.1f}")
        print(f"{files.film} ({count} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
