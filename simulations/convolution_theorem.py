"""The convolution theorem: slide and add, or multiply two spectra. Both give the same, if there is room.
======================================================================================================

Convolution in space costs one product for every pair of cell and weight. The theorem says that it is one product for
each wave,

    F(u * k) = F(u) F(k),

because every wave passes a kernel unchanged but for a factor. With a fast transform that is far quicker for wide
kernels. But a finite transform lives on a ring: what runs over the far edge comes in again at the near one. Zeros
appended to the field give it room; a kernel of n cells needs n - 1 of them. The film starts with none and appends ever
more. Red: cells that hold what ran over. Below, the same in two dimensions, with a photograph and a long blur.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.colors import Normalize

import diffuseconv as dc

SMALL = ["--cells", "32", "--frames", "6"]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(32), default=128, help="side of the photograph")
    cli.add_argument("--samples", type=sim.at_least(16), default=40, help="length of the series")
    sim.add_image(cli)
    sim.add_film(cli, frames=144, fps=12)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Append ever more zeros."""
    series = np.where(np.arange(args.samples) > 0.6 * args.samples, 1.0, 0.3)
    kernel = np.linspace(1, 0.1, 13) / np.linspace(1, 0.1, 13).sum()
    photo = sim.photograph(args.image, (args.cells, args.cells))
    blur = dc.kernels.motion_blur(args.cells // 4, 20.0)
    drawn = sim.figure()
    caption = sim.heading(drawn, "The convolution theorem: multiply the spectra, but leave room at the edge")
    top = drawn.add_axes((0.06, 0.52, 0.9, 0.28))
    whole = args.samples + len(kernel) - 1
    top.set(xlim=(-1, whole), ylim=(0, 1.25), xlabel="cell", ylabel="value")
    (direct,) = top.plot([], [], "o", mfc="none", color=sim.BLUE, markersize=9, label="summed in space")
    (product,) = top.plot([], [], ".", color=sim.GREEN, label="product of spectra")
    (wrong,) = top.plot([], [], "x", color=sim.RED, markersize=9, label="ran over the edge")
    top.legend(loc="lower left", bbox_to_anchor=(0, 0.98), ncols=3)
    titles = ("in space", "product of spectra", "difference")
    norms = (Normalize(0, 1), Normalize(0, 1), Normalize(-0.5, 0.5))
    boxes = [drawn.add_axes((0.03 + 0.3 * place, 0.06, 0.28, 0.34)) for place in range(3)]
    size = tuple(n + m - 1 for n, m in zip(photo.shape, blur.shape, strict=True))
    images = [
        sim.panel(box, np.zeros(size), title, "grey level, white is 1" if box is boxes[2] else None, colours, norm)
        for box, title, colours, norm in zip(boxes, titles, ("gray", "gray", "PuOr_r"), norms, strict=True)
    ]
    boxes[0].set_xlabel("zeros appended on the right and below", color=sim.FAINT)

    def story() -> sim.Story:
        errors = []
        for share in np.minimum(1.0, 1.2 * np.arange(args.frames) / (args.frames - 1)):
            zeros = round(share * (len(kernel) - 1))
            line = dc.spectrum.discrete_theorem(series, kernel, zeros)
            places = np.arange(len(line.by_product))
            direct.set_data(places, line.in_space)
            product.set_data(places, line.by_product)
            wrong.set_data(places[line.wrapped], line.by_product[line.wrapped])
            plane = dc.spectrum.discrete_theorem(photo, blur, [round(share * (m - 1)) for m in blur.shape])
            room = [(0, n - m) for n, m in zip(size, plane.in_space.shape, strict=True)]
            both = [np.pad(field, room) for field in (plane.in_space, plane.by_product)]
            for image, field in zip(images, (*both, both[1] - both[0]), strict=True):
                sim.repaint(image, field)
            errors.append((line.error, plane.error))
            needed = f"{zeros} of {len(kernel) - 1} zeros"
            caption.set_text(
                f"{needed} appended: largest difference {line.error:.1g} (series), {plane.error:.1g} (picture)"
            )
            yield
        told = "without zeros the two differ by {:.2g} and {:.2g}, with enough by ".format(*errors[0])
        return {"without_zeros": errors[0], "with_zeros": errors[-1]}, told + "{:.1g} and {:.1g}".format(*errors[-1])

    return sim.Film(drawn, [direct, product, wrong, *images, caption], story(), still=0.25)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
