"""Two ways to forget: a disc in the plane of all frequencies, and cosines in blocks of 8 × 8 pixels, as JPEG does.
================================================================================================================

A disc keeps the slow waves of the whole picture. It is a convolution: its kernel, shown on the left, has rings, and so
has the picture beside every edge. JPEG cuts the picture into blocks and keeps slow cosines of each. That is not a
convolution, since what becomes of a pixel depends on where in its block it lies, and what shows are not rings but the
blocks. An edge spoils only its own block, though, and each block may be packed on its own.

The film forgets ever more, with as many numbers kept by both; the curves compare the errors. (A real JPEG file also
rounds the numbers, more coarsely the faster the wave, and packs them.)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--blocks", "6", "--frames", "6"]
BLOCK = 8

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--blocks", type=sim.at_least(4), default=28, help="blocks along each side of the picture")
    sim.add_image(cli)
    sim.add_film(cli, frames=96, fps=12)
    return cli


def blockwise(picture: Array, radius: float) -> dc.spectrum.Compression:
    """Keep the slow cosines of each block, those up to `radius` cycles per block."""
    side = len(picture) // BLOCK
    blocks = picture.reshape(side, BLOCK, side, BLOCK)
    return dc.spectrum.compression(blocks, radius, boundary="reflecting", axes=(1, 3))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Forget ever more, by both methods."""
    cells = args.blocks * BLOCK
    picture = sim.photograph(args.image, (cells, cells))
    spot = np.zeros((cells, cells))
    spot[cells // 2, cells // 2] = 1.0
    view = slice(cells // 2 - cells // 8, cells // 2 + cells // 8 + 1)
    drawn = sim.figure()
    caption = sim.heading(drawn, "Forget fast waves: of the whole picture, or block by block")
    titles = ("the disc as a kernel", "disc: waves of the whole picture", "cosines in blocks of 8 × 8")
    boxes = [drawn.add_axes((0.02 + 0.325 * place, 0.36, 0.31, 0.46)) for place in range(3)]
    kernel = sim.panel(boxes[0], spot[view, view], titles[0], None, "RdBu_r", Normalize(-1, 1))
    images = [
        sim.panel(box, picture, title, None, "gray", Normalize(0, 1))
        for box, title in zip(boxes[1:], titles[1:], strict=True)
    ]
    plot = drawn.add_axes((0.08, 0.1, 0.88, 0.19))
    plot.set(xscale="log", xlim=(100, 1), ylim=(0, 45), xlabel="numbers kept (%)", ylabel="error (%)")
    plot.xaxis.set_major_formatter("{x:g}")
    plot.grid(visible=True)
    names = ((sim.BLUE, "disc"), (sim.ORANGE, "blocks"))
    curves = [plot.plot([], [], color=colour, label=name)[0] for colour, name in names]
    plot.legend(loc="upper left")

    def story() -> sim.Story:
        pairs = []
        for radius in np.linspace(0.75 * BLOCK, 0.4, args.frames):
            blocks = blockwise(picture, radius)
            # a disc with as many numbers: its area is that share of the plane
            disc = dc.spectrum.compression(picture, cells * np.sqrt(blocks.kept_fraction / np.pi))
            low = dc.spectrum.low_pass(spot, cells * np.sqrt(blocks.kept_fraction / np.pi))
            sim.repaint(kernel, low[view, view] / low.max())
            for image, field in zip(images, (disc.image, blocks.image.reshape(cells, cells)), strict=True):
                sim.repaint(image, np.clip(field, 0, 1))
            pairs.append([100 * found.relative_error for found in (disc, blocks)])
            sim.extend_curves(curves, 100 * blocks.kept_fraction, pairs[-1])
            kept = f"{sim.figures(100 * blocks.kept_fraction)} % of the numbers kept"
            caption.set_text("{}: error {:.1f} % with the disc, {:.1f} % in blocks".format(kept, *pairs[-1]))
            yield
        middle = pairs[round(0.88 * (len(pairs) - 1))]
        told = "on the still picture the disc leaves an error of {:.1f} %, the blocks {:.1f} %".format(*middle)
        return {"still_errors_percent": middle}, told

    return sim.Film(drawn, [kernel, *images, *curves, caption], story(), still=0.88)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
