"""Random weights turn into an edge detector: feature learning, seen from the inside.
==================================================================================

Nobody tells the kernels what an edge is. They are given a photograph and the edges that somebody found in it, and start
from random weights. At each step they see one small random patch, convolve it, and compare with the edges wanted
there. The error, correlated with the patch (that is what "backward pass" means: correlation is the adjoint of
convolution), says how each weight should have been different, and the weights move a little that way.

Above: the kernels as they form, each scaled to its largest weight. Middle: the feature maps they give. Below: what is
wanted. On the right the loss falls: first what is smooth is learned, last the finest detail, of which a photograph
shows least. The dots compare the correlation between any two feature maps with that between the wanted ones: maps of
one photograph go together as far as their kernels overlap, here the diagonal one with the first two. Least
squares on the whole photograph (`fit_kernel`) gives the same kernels at once.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "40", "--steps", "60", "--frames", "6"]
SIDE = 5
NAMES = ("left against right", "above against below", "along the diagonal", "all around")

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_image(cli)
    cli.add_argument("--cells", type=sim.at_least(16), default=256, help="pixels along each side of the photograph")
    cli.add_argument("--steps", type=sim.at_least(10, 10**7), default=6000, help="of gradient descent, one patch each")
    cli.add_argument("--patch", type=sim.at_least(4), default=32, help="pixels along each side of a patch")
    sim.add_rng(cli)
    sim.add_film(cli, frames=300)
    return cli


def wanted_bank() -> Array:
    """Return the kernels that made the edges, with a rim of zeros that is to be learned too."""
    across, down = dc.kernels.sobel(1), dc.kernels.sobel(0)
    kernels = (across, down, across + down, dc.kernels.edge_detector())
    return np.stack([np.pad(kernel, (SIDE - 3) // 2) for kernel in kernels])


def simulate(args: argparse.Namespace) -> sim.Film:
    """Train the kernels, then show how they formed."""
    photo, truth = sim.photograph(args.image, (args.cells, args.cells)), wanted_bank()
    edges = dc.feature_maps(photo, truth, mode="same")
    training = dc.learning.train_bank(photo, edges, (SIDE, SIDE), steps=args.steps, patch=args.patch, rng=args.rng)
    states = list(sim.watched(training, args.steps + 1))
    error = np.array([np.abs(state.bank - truth).max() for state in states]) / np.abs(truth).max()

    drawn = sim.figure(1400, 760)
    caption = sim.heading(drawn, "Random weights turn into an edge detector")
    sim.panel(drawn.add_axes((0.012, 0.3, 0.16, 0.3)), photo, "the photograph", None, "gray")
    kernels, maps = draw_bank(drawn, truth, edges)
    right = drawn.add_gridspec(
        2, 1, left=0.765, right=0.985, top=0.82, bottom=0.075, hspace=0.36, height_ratios=(1.25, 1)
    )
    curves = draw_errors(drawn.add_subplot(right[0, 0]), states, error)
    goal, dots = draw_correlations(drawn.add_subplot(right[1, 0]), edges)

    def story() -> sim.Story:
        for count in np.geomspace(10, len(states) + 9, args.frames).round().astype(int) - 9:
            state = states[count - 1]
            now = dc.feature_maps(photo, state.bank, mode="same")
            for image, kernel in zip(kernels, state.bank, strict=True):
                sim.repaint(image, kernel / np.abs(kernel).max())
            for image, map_ in zip(maps, now, strict=True):
                sim.repaint(image, map_)
            for curve, values in zip(curves, ([one.loss for one in states[:count]], error[:count]), strict=True):
                curve.set_data(1 + np.arange(count), values)
            dots.set_data(goal, pairs(now))
            told = f"largest error of a weight {sim.figures(100 * error[count - 1])} %"
            caption.set_text(f"step {state.step} of {states[-1].step}: {told}")
            yield
        direct = [dc.learning.fit_kernel(photo, map_, (SIDE, SIDE)).kernel for map_ in edges]
        once = np.abs(np.array(direct) - truth).max() / np.abs(truth).max()
        told = (
            f"after {args.steps} steps the weights are within {error[-1]:.1e} of the largest; least squares: {once:.0e}"
        )
        return {"bank": states[-1].bank, "error": error[-1], "least_squares_error": once}, told

    return sim.Film(drawn, [*kernels, *maps, *curves, dots, caption], story())


def pairs(maps: Array) -> Array:
    """Return the correlation between any two of the maps."""
    return dc.learning.feature_correlation(maps)[np.triu_indices(len(maps), 1)]


def draw_bank(drawn: Figure, truth: Array, edges: Array) -> tuple[list[AxesImage], list[AxesImage]]:
    """Draw a column for each kernel: itself, its map, and the edges wanted; return the first two."""
    grid = drawn.add_gridspec(3, len(truth), left=0.195, right=0.7, top=0.82, bottom=0.025, hspace=0.06, wspace=0.05)
    kernels, maps = [], []
    for column, name in enumerate(NAMES):
        norm = Normalize(*(float(np.quantile(np.abs(edges[column]), 0.99)) * np.array([-1, 1])))
        boxes = [drawn.add_subplot(grid[row, column]) for row in range(3)]
        kernels.append(sim.panel(boxes[0], truth[column], name, None, sim.SIGNED, Normalize(-1, 1)))
        maps.append(sim.panel(boxes[1], edges[column], "", None, sim.SIGNED, norm))
        sim.panel(boxes[2], edges[column], "", None, sim.SIGNED, norm)
        if column == 0:
            for box, text in zip(boxes, ("kernels now", "feature maps now", "edges wanted"), strict=True):
                box.set_ylabel(text, fontsize=12)
    return kernels, maps


def draw_errors(plot: Axes, states: Sequence[dc.learning.TrainingState], error: Array) -> list[Line2D]:
    """Draw the axes of the errors; return the curves of the loss and of the weights."""
    loss = np.array([state.loss for state in states])
    plot.set(xscale="log", yscale="log", xlim=(1, len(states)), xlabel="step", title="how wrong it still is")
    plot.set_ylim(min(loss[loss > 0].min(), error.min()) / 2, 3 * max(loss.max(), error.max()))
    (falling,) = plot.plot([], [], color=sim.BLUE, linewidth=0.9, label="mean squared error on a patch")
    (nearing,) = plot.plot([], [], color=sim.ORANGE, label="largest error of a weight")
    plot.legend(loc="lower left", fontsize=9)
    return [falling, nearing]


def draw_correlations(plot: Axes, edges: Array) -> tuple[Array, Line2D]:
    """Draw the axes of the correlations; return the wanted ones, and the dots."""
    plot.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), title="correlation between two feature maps")
    plot.set(xlabel="of the wanted ones", ylabel="of those now")
    plot.plot([-1, 1], [-1, 1], color=sim.FAINT, linewidth=1)
    return pairs(edges), plot.plot([], [], "o", color=sim.GREEN, markersize=8)[0]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
