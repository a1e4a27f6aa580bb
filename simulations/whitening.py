"""White noise from pictures: centre them, turn to the eigenvectors, and give every direction the same spread.
===========================================================================================================

The colours of a photograph's pixels lie along a line: where it is bright, red, green and blue are all large. Such data
is far from white noise, whose variables are uncorrelated, of mean 0 and variance 1. Three steps make it so. Subtract
the mean. Turn the axes to the eigenvectors of the covariance: then nothing is correlated any more. Divide each by its
standard deviation: then all directions are alike. The covariance becomes the identity, to rounding.

The film goes through the steps one after the other. The table is the covariance of what is shown; the picture has the
whitened colours, turned back to where they came from ("zca": of all whitenings it changes the colours least).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.colors import Normalize

import diffuseconv as dc

SMALL = ["--cells", "16", "--frames", "8"]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(8), default=96, help="side of the photograph")
    sim.add_image(cli)
    sim.add_film(cli, frames=144, fps=12)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Whiten the colours of a photograph in three steps."""
    photo = sim.photograph(args.image, (args.cells, args.cells), gray=False)
    pixels = photo.reshape(-1, 3)
    white = dc.timeseries.whiten(pixels)
    likest = dc.timeseries.whiten(pixels, method="zca").data.reshape(photo.shape)
    deviations = 1 / np.linalg.norm(white.matrix, axis=0)
    steps = [
        ("as they are", 4 * pixels),
        ("minus the mean", 4 * (pixels - white.mean)),
        ("turned to the eigenvectors", 4 * white.data * deviations),
        ("divided by their deviations: white", white.data),
    ]
    drawn = sim.figure(1280, 600)
    caption = sim.heading(drawn, "Whitening: from the colours of a photograph to white noise")
    boxes = [
        drawn.add_axes((x, 0.12, width, 0.62)) for x, width in ((0.02, 0.21), (0.28, 0.27), (0.6, 0.17), (0.8, 0.19))
    ]
    sim.bare(boxes[0], "the photograph")
    boxes[0].imshow(photo)
    (dots,) = boxes[1].plot([], [], ".", color=sim.BLUE, markersize=2, alpha=0.5)
    boxes[1].set(xlim=(-4, 4.5), ylim=(-4, 4.5), aspect="equal", title="pixels: first variable, second variable")
    boxes[1].axhline(0, color=sim.ORANGE, linewidth=0.6)
    boxes[1].axvline(0, color=sim.ORANGE, linewidth=0.6)
    table = sim.panel(boxes[2], np.zeros((3, 3)), "covariance", None, sim.SIGNED, Normalize(-2, 2))
    numbers = sim.label_squares(boxes[2], (3, 3), 12)
    sim.bare(boxes[3], "whitened colours")
    result = boxes[3].imshow(np.zeros_like(photo))

    def story() -> sim.Story:
        covariance = np.eye(3)
        for frame in range(args.frames):
            at = min(len(steps) - 1e-3, 1.1 * frame * len(steps) / (args.frames - 1))
            number, part = int(at), min(1.0, 2 * (at % 1))
            before = steps[max(0, number - 1)][1]
            now = before + part * (steps[number][1] - before)
            covariance = np.cov(now.T)
            dots.set_data(now[:, 0], now[:, 1])
            sim.write_numbers(table, numbers, covariance, ".2f")
            blend = min(1.0, max(0.0, at - 2))
            result.set_data(np.clip((1 - blend) * photo + blend * (0.5 + likest / 6), 0, 1))
            scale = " (units of a quarter of white)" if number < 3 else ""
            caption.set_text(steps[number][0] + scale)
            yield
        gap = float(np.abs(np.cov(white.data.T) - np.eye(3)).max())
        return {"covariance_gap": gap}, f"covariance of the whitened colours: the identity to {gap:.0e}"

    return sim.Film(drawn, [dots, table, *numbers, result, caption], story(), still=1.0)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
