"""Cross-correlation is convolution with the template upside down.
===============================================================

To find a small picture in a large one it is laid on every place, multiplied, and added up: cross-correlation.
Convolution does the same with the template turned by half a turn, since a kernel's weight says where light goes and not
where it comes from. So a convolution with a face finds nothing, and one with the face upside down finds it.

The film turns the template slowly from upright to upside down and convolves the picture with it. (Its mean is
subtracted first, so that bright places do not win for their brightness alone.) The bright spot appears at half a turn,
where the two verbs agree to rounding. On the right is the correlation with the upright face, for comparison.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.colors import Normalize
from PIL import Image

import diffuseconv as dc

SMALL = ["--cells", "48", "--frames", "6"]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(48), default=160, help="side of the picture")
    sim.add_image(cli)
    sim.add_film(cli, frames=120, fps=15)
    return cli


def turned(face: Any, angle: float) -> Any:
    """Return a template turned about its middle; a half turn is exact."""
    if angle % 180 == 0:
        return np.rot90(face, round(angle / 90))
    return np.asarray(Image.fromarray(face.astype(np.float32)).rotate(angle, Image.Resampling.BICUBIC))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Turn the template by half a turn."""
    cells = args.cells
    picture = sim.photograph(args.image, (cells, cells))
    face = picture[round(0.14 * cells) :, round(0.31 * cells) :][: 2 * (cells // 6) + 1, : 2 * (cells // 6) + 1]
    face = (face - face.mean()) / np.linalg.norm(face - face.mean())
    flat = picture - picture.mean()
    wanted = dc.correlate(flat, face)
    norm = Normalize(0, float(wanted.max()))
    drawn = sim.figure(1280, 520)
    caption = sim.heading(drawn, "Cross-correlation is convolution with the template upside down")
    boxes = [drawn.add_axes((0.01 + 0.23 * place, 0.08, 0.22, 0.64)) for place in range(4)]
    sim.panel(boxes[0], picture, "picture", None, "gray", Normalize(0, 1))
    template = sim.panel(boxes[1], face, "template", None, "gray", Normalize(float(face.min()), float(face.max())))
    result = sim.panel(boxes[2], wanted, "picture ∗ template", None, sim.FLUX, norm)
    sim.panel(boxes[3], wanted, "correlation, upright", "sum of products", sim.FLUX, norm)
    for box in boxes[2:]:
        box.plot(
            *np.unravel_index(int(wanted.argmax()), wanted.shape)[::-1],
            "o",
            mfc="none",
            color=sim.ORANGE,
            markersize=18,
        )

    def story() -> sim.Story:
        gap = 0.0
        for angle in 180 * np.minimum(1.0, 1.2 * np.arange(args.frames) / (args.frames - 1)):
            kernel = turned(face, angle)
            found = dc.convolve(flat, kernel)
            gap = float(np.abs(found - wanted).max())
            sim.repaint(template, kernel)
            sim.repaint(result, found)
            share = sim.figures(100 * gap / wanted.max())
            caption.set_text(f"turned by {angle:.0f}°: differs from correlation by {share} % of its largest value")
            yield
        return {
            "largest_difference": gap
        }, f"upside down the two differ by {gap / float(wanted.max()):.1g} of the largest value"

    return sim.Film(drawn, [template, result, caption], story())


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
