"""Find things of the same shape: by pixels, by outlines, and by the softmax of an edge detector.
==============================================================================================

A shop wants to show its customers what looks alike. Colour and print do not matter, the shape does. The catalogue here
is a row of small symbols that every copy of Matplotlib has in its font. Each query is one of them in another cloth: its
brightness, its ground, the slope of the light and the noise are random, and half of the time it is dark on bright.

The same search is done three times: for the catalogue's entry with the highest correlation with the query. By *pixels*,
dark on bright is the opposite of bright on dark, and the answer is wrong about half of the time. By *outlines*, the
length of the gradient (two Sobel kernels on the slightly blurred picture), the two are the same, and nearly all answers
are right. By the *softmax* of the edge detector the answers are those by pixels: its density keeps 0.999 of each pixel
where it is, so that it is nearly the identity. A softmax does not explain why an edge detector finds edges; that its
weights sum to 0 does.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import _common as sim
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--queries", "3", "--frames", "6"]
SYMBOLS = "☂☎✂✈♞♣♥☀⚓✿☁♻"
CELLS = 48

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--queries", type=sim.at_least(1), default=60, help="things that are looked for")
    sim.add_rng(cli, default=3)
    sim.add_film(cli, frames=240, fps=12)
    return cli


def catalogue() -> list[Array]:
    """Return the symbols as pictures: 1 inside, 0 outside."""
    pictures = []
    for symbol in SYMBOLS:
        drawn = sim.figure(CELLS, CELLS)
        drawn.set_facecolor("white")
        drawn.text(0.5, 0.46, symbol, size=26 * 100 / drawn.dpi, color="black", ha="center", va="center")
        drawn.canvas.draw()
        pictures.append(1 - np.asarray(drawn.canvas.buffer_rgba())[..., 0] / 255.0)  # type: ignore[attr-defined]
    return pictures


def dressed(shape: Array, rng: np.random.Generator) -> Array:
    """Return a shape in a cloth of its own, on a ground of its own, in uneven light."""
    y, x = np.mgrid[-1 : 1 : CELLS * 1j, -1 : 1 : CELLS * 1j]
    ground, cloth = rng.permutation([rng.uniform(0, 0.35), rng.uniform(0.65, 1)])
    light = 1 + rng.uniform(-0.2, 0.2) * x + rng.uniform(-0.2, 0.2) * y
    return np.asarray((ground + (cloth - ground) * shape) * light + rng.normal(0, 0.04, shape.shape))


def outline(picture: Array) -> Array:
    """Return how steep the slightly blurred picture is."""
    smooth = dc.convolve(picture, dc.Propagator.heat(1.0, 0.7))
    return np.asarray(np.hypot(*(dc.convolve(smooth, dc.kernels.sobel(axis)) for axis in range(2))))


def softened(picture: Array) -> Array:
    """Return the picture convolved with the softmax of the edge detector."""
    return np.asarray(dc.convolve(picture, dc.Propagator.softmax(dc.kernels.edge_detector())))


FEATURES: dict[str, Callable[[Array], Array]] = {
    "pixels": lambda picture: picture,
    "outlines": outline,
    "softmax of the edge detector": softened,
}


def simulate(args: argparse.Namespace) -> sim.Film:
    """Dress one symbol after the other, and look for it."""
    rng = np.random.default_rng(args.rng)
    shapes = catalogue()
    shelves = {name: [feature(shape) for shape in shapes] for name, feature in FEATURES.items()}
    drawn = sim.figure()
    caption = sim.heading(drawn, "What in the catalogue has this shape?")
    query = sim.panel(drawn.add_axes((0.03, 0.43, 0.21, 0.37)), shapes[0], "query", None, "gray", Normalize(0, 1))
    edges = sim.panel(drawn.add_axes((0.06, 0.08, 0.15, 0.27)), shapes[0], "its outline", None, "gray", Normalize(0, 4))
    marks, scores = [], []
    for row, (name, shelf) in enumerate(shelves.items()):
        axes = drawn.add_axes((0.28, 0.63 - 0.23 * row, 0.69, 0.103))
        axes.imshow(np.hstack(shelf), cmap="gray")
        sim.bare(axes, "")
        marks.append(axes.add_patch(Rectangle((0, 0), CELLS, CELLS - 1, fill=False, linewidth=3, clip_on=False)))
        scores.append(axes.set_title(f"by {name}", loc="left", pad=5))

    def story() -> sim.Story:
        right = dict.fromkeys(shelves, 0)
        shown = 0
        answers = np.arange(args.queries) % len(shapes)
        for frame in range(args.frames):
            while shown < min(args.queries, 1 + frame * args.queries // args.frames):
                picture = dressed(shapes[answers[shown]], rng)
                sim.repaint(query, picture)
                sim.repaint(edges, outline(picture))
                shown += 1
                for name, mark, score in zip(shelves, marks, scores, strict=True):
                    looked = FEATURES[name](picture)
                    alike = [dc.matching.score(looked, item).item() for item in shelves[name]]
                    best = int(np.argmax(alike))
                    right[name] += best == answers[shown - 1]
                    mark.set(x=best * CELLS, edgecolor=sim.GREEN if best == answers[shown - 1] else sim.RED)
                    score.set_text(f"by {name}: {right[name]} of {shown} right")
                caption.set_text(f"query {shown} of {args.queries}")
            yield
        found = {name: hits / shown for name, hits in right.items()}
        return {"right": found}, ", ".join(f"{share:.0%} right by {name}" for name, share in found.items())

    drawn.text(0.625, 0.09, "green: the right one; red: another", color=sim.FAINT, ha="center")
    return sim.Film(drawn, [query, edges, *marks, *scores, caption], story(), still=0.908)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
