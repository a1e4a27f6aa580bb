"""A patch over three colour channels: one kernel with three layers, one number.
=============================================================================

A colour photograph is three pictures: red, green and blue. Convolution may treat each alone, with one kernel, which
gives three feature maps and a colour picture again. In a neural network a kernel has a layer for each channel: at each
place the patch holds 3 x 3 x 3 = 27 numbers, each is multiplied by its weight, and all are added to one. So a kernel
may ask for what no channel knows: here for edges between red and blue.

The film slides over the photograph. The feature map of all 27 products fills up beside the three maps of its layers,
whose sum it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import matplotlib
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle

import diffuseconv as dc

SMALL = ["--cells", "12", "--frames", "6"]
LAYERS = np.stack([dc.kernels.sobel(1), 0 * dc.kernels.sobel(1), -dc.kernels.sobel(1)], axis=-1)
NAMES = ("red layer", "green layer", "blue layer")


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(6), default=40, help="side of the photograph")
    sim.add_image(cli)
    sim.add_film(cli, frames=160, fps=16)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Slide the patch over all rows."""
    photo = sim.photograph(args.image, (args.cells, args.cells), gray=False)
    whole = dc.convolve(photo, np.flip(LAYERS, axis=-1), mode="valid")[..., 0]  # convolution flips every axis
    parts = [dc.convolve(photo[..., channel], LAYERS[..., channel], mode="valid") for channel in range(3)]
    norm = Normalize(-float(np.abs(whole).max()), float(np.abs(whole).max()))
    drawn = sim.figure()
    caption = sim.heading(drawn, "A patch over three channels: 27 products, one number")
    left, right = drawn.add_axes((0.03, 0.36, 0.44, 0.46)), drawn.add_axes((0.5, 0.36, 0.44, 0.46))
    sim.bare(left, "photograph")
    left.imshow(photo)
    patch = Rectangle((-0.5, -0.5), 3, 3, fill=False, edgecolor=sim.ORANGE, linewidth=2.5)
    left.add_patch(patch)
    colours = matplotlib.colormaps[sim.SIGNED].with_extremes(bad=sim.EMPTY)  # what is still to come
    target = sim.panel(right, whole, "feature map of all three layers", "sum of 27 products", colours, norm)
    boxes = [drawn.add_axes((0.12 + 0.27 * place, 0.03, 0.2, 0.25)) for place in range(3)]
    images = [
        sim.panel(box, part, name, None, colours, norm) for box, part, name in zip(boxes, parts, NAMES, strict=True)
    ]

    def story() -> sim.Story:
        for count in np.linspace(1, whole.size, args.frames).astype(int):
            row, column = divmod(int(count) - 1, whole.shape[1])
            patch.set_xy((column - 0.5, row - 0.5))
            for image, field in zip((target, *images), (whole, *parts), strict=True):
                shown = np.full(whole.size, np.nan)
                shown[:count] = field.ravel()[:count]
                sim.repaint(image, shown.reshape(whole.shape))
            terms = " + ".join(f"{part[row, column]:z.2f}" for part in parts)
            caption.set_text(f"{terms} = {whole[row, column]:z.2f}".replace("+ -", "− ").replace("-", "−"))
            yield
        gap = float(np.abs(whole - sum(parts)).max())
        return {"largest_gap": gap}, f"the map of all layers is the sum of its layers' maps to {gap:.0e}"

    return sim.Film(drawn, [patch, target, *images, caption], story(), still=0.8)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
