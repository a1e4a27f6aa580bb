"""Random weights turn into an edge detector: feature learning, seen from the inside.

Nobody tells the kernels what an edge is. They are given a photograph and the edges that somebody found in it, and start
from random weights. At each step they look at one small random patch, convolve it, and compare with the edges wanted
there. The error, correlated with the patch (that is what "backward pass" means: correlation is the adjoint of
convolution), says how each weight should have been different, and the weights move a little that way.

Above: the kernels as they form, each scaled to its largest weight. Middle: the feature maps they give. Below: what is
wanted. On the right the loss falls: first what is smooth is learned, last the finest detail, of which a photograph
shows least. The dots compare the correlation between any two feature maps with that between the wanted ones: maps of
one photograph go together as far as their kernels overlap, here the diagonal one with the first two. Least
squares on the whole photograph at once (`fit_kernel`) gives the same kernels in one go.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    add_film,
    add_image,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    panel,
    parser,
    photograph,
    repaint,
    watched,
    write_record,
)
from matplotlib.colors import Normalize
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "40", "--steps", "60", "--frames", "6"]
SIGNED = "RdBu_r"  # blue below 0, white at 0, red above
SIDE = 5
NAMES = ("left against right", "above against below", "along the diagonal", "all around")

Array = NDArray[np.float64]


def wanted_bank() -> Array:
    """Return the kernels that made the edges, with a rim of zeros that is to be learned too."""
    across, down = dc.kernels.sobel(1), dc.kernels.sobel(0)
    kernels = (across, down, across + down, dc.kernels.edge_detector())
    return np.stack([np.pad(kernel, (SIDE - 3) // 2) for kernel in kernels])


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    add_image(cli)
    cli.add_argument("--cells", type=at_least(16), default=256, help="pixels along each side of the photograph")
    cli.add_argument("--steps", type=at_least(10), default=6000, help="of gradient descent, one patch each")
    cli.add_argument("--patch", type=at_least(4), default=32, help="pixels along each side of a patch")
    add_rng(cli)
    add_film(cli, frames=300)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "feature_learning")
        photo = photograph(args.image, (args.cells, args.cells))
        truth = wanted_bank()
        edges = dc.feature_maps(photo, truth, mode="same")
        training = dc.learning.train_bank(photo, edges, (SIDE, SIDE), steps=args.steps, patch=args.patch, rng=args.rng)
        states = list(watched(training, args.steps + 1))
        drawn, artists, updates = stage(photo, edges, truth, states, args.frames)
        dc.write_movie(files.film, animate(drawn, artists, updates), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        last = np.abs(states[-1].bank - truth).max() / np.abs(truth).max()
        direct = [dc.learning.fit_kernel(photo, map_, (SIDE, SIDE)).kernel for map_ in edges]
        once = np.abs(np.array(direct) - truth).max() / np.abs(truth).max()
        write_record(files.record, {**vars(args), "bank": states[-1].bank, "error": last, "least_squares_error": once})
    print(f"after {args.steps} steps the weights are within {last:.1e} of the largest; least squares: {once:.0e}")
    print(f"wrote {files.film}")


def stage(
    photo: Array, edges: Array, truth: Array, states: Sequence[dc.learning.TrainingState], frames: int
) -> tuple[Any, list[Any], Iterator[None]]:
    """Draw kernels, maps and curves, and say what moves."""
    drawn = figure(1400, 760)
    drawn.suptitle("Random weights turn into an edge detector", size=17, y=0.975)
    caption = drawn.text(0.5, 0.91, "", ha="center", size=13, color=FAINT)
    panel(drawn.add_axes((0.012, 0.3, 0.16, 0.3)), photo, "the photograph", None, "gray")
    grid = drawn.add_gridspec(3, len(truth), left=0.195, right=0.7, top=0.845, bottom=0.025, hspace=0.06, wspace=0.05)
    kernels, maps = [], []
    for column, name in enumerate(NAMES):
        norm = Normalize(*(float(np.quantile(np.abs(edges[column]), 0.99)) * np.array([-1, 1])))
        boxes = [drawn.add_subplot(grid[row, column]) for row in range(3)]
        kernels.append(panel(boxes[0], truth[column], name, None, SIGNED, Normalize(-1, 1)))
        maps.append(panel(boxes[1], edges[column], "", None, SIGNED, norm))
        panel(boxes[2], edges[column], "", None, SIGNED, norm)
        if column == 0:
            for box, text in zip(boxes, ("kernels now", "feature maps now", "edges wanted"), strict=True):
                box.set_ylabel(text, fontsize=12)

    steps = np.array([state.step for state in states])
    loss = np.array([state.loss for state in states])
    error = np.array([np.abs(state.bank - truth).max() for state in states]) / np.abs(truth).max()
    right = drawn.add_gridspec(
        2, 1, left=0.765, right=0.985, top=0.845, bottom=0.07, hspace=0.36, height_ratios=(1.25, 1)
    )
    plot = drawn.add_subplot(right[0, 0])
    plot.set(xscale="log", yscale="log", xlim=(1, steps[-1] + 1), xlabel="step", title="how wrong it still is")
    shown_loss = loss[loss > 0]
    plot.set_ylim(min(shown_loss.min(), error.min()) / 2, 3 * max(loss.max(), error.max()))
    (falling,) = plot.plot([], [], color=BLUE, linewidth=0.9, label="mean squared error on a patch")
    (nearing,) = plot.plot([], [], color=ORANGE, label="largest error of a weight")
    plot.legend(loc="lower left", fontsize=9)
    pairs = drawn.add_subplot(right[1, 0])
    pairs.set(xlim=(-1.05, 1.05), ylim=(-1.05, 1.05), title="correlation between two feature maps")
    pairs.set(xlabel="of the wanted ones", ylabel="of those now")
    pairs.plot([-1, 1], [-1, 1], color=FAINT, linewidth=1)
    upper = np.triu_indices(len(truth), 1)
    goal = dc.learning.feature_correlation(edges)[upper]
    (dots,) = pairs.plot([], [], "o", color=GREEN, markersize=8)

    def updates() -> Iterator[None]:
        for step in np.geomspace(10, len(states) + 9, frames).round().astype(int) - 9:
            state = states[step - 1]
            now = dc.feature_maps(photo, state.bank, mode="same")
            for image, kernel in zip(kernels, state.bank, strict=True):
                repaint(image, kernel / np.abs(kernel).max())
            for image, map_ in zip(maps, now, strict=True):
                repaint(image, map_)
            falling.set_data(1 + steps[:step], loss[:step])
            nearing.set_data(1 + steps[:step], error[:step])
            dots.set_data(goal, dc.learning.feature_correlation(now)[upper])
            caption.set_text(
                f"step {state.step} of {steps[-1]}: largest error of a weight {100 * error[step - 1]:.2g} %"
            )
            yield

    return drawn, [*kernels, *maps, falling, nearing, dots, caption], updates()


if __name__ == "__main__":
    main()
