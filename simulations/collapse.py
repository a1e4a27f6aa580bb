"""Superposition and collapse: a pixel's nine possible positions, measured one pixel after another.
================================================================================================

A 3×3 kernel with weights nowhere negative that sum to 1 says where the value of a pixel may come from: until it is
looked at, the pixel is in nine positions at once, each with its own chance. Measuring it destroys the superposition:
one position is drawn, with its chance, and the pixel takes the value found there. The next pixel draws for itself, and
so the picture that comes out differs each time; only its mean over many measurements, the convolution, does not.

The film shows the nine chances around one pixel of a small picture, the collapse to one of them, and the measured
picture filling up: slowly at first, then faster. The bars count which of the nine was drawn, beside what their chances
let expect.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch, Rectangle
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--frames", "24", "--size", "6"]
SLOW = 20  # frames for the first pixel; later ones get ever fewer
CHANCES = np.array([[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]) / 16
MOVES = [np.array([row, column]) for row in (-1, 0, 1) for column in (-1, 0, 1)]
NAMES = ("up left", "up", "up right", "left", "stays", "right", "down left", "down", "down right")


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_image(cli)
    cli.add_argument("--size", type=sim.at_least(4), default=18, help="rows and columns of the picture")
    sim.add_rng(cli)
    sim.add_film(cli, frames=600)
    return cli


def schedule(pixels: int, frames: int) -> list[tuple[float, int]]:
    """Return for each frame how far the next pixel is and how many are done: ever faster, then a pause."""
    moving = max(1, round(0.9 * frames))
    power = max(1.0, np.log(pixels) / np.log(max(2.0, moving / SLOW)))
    ends = pixels * np.minimum((np.arange(frames) + 1) / moving, 1) ** power
    return [(float(end % 1), int(end + 1e-9)) for end in ends]


def outward(rows: int, columns: int) -> NDArray[np.int64]:
    """Return the order of the pixels: from the middle of the picture outwards."""
    row, column = np.indices((rows, columns))
    away = (row - rows // 2) ** 2 + (column - columns // 2) ** 2
    return np.lexsort([np.arctan2(row - rows // 2, column - columns // 2).ravel(), away.ravel()])


class Pictures:
    """The picture with nine squares and their chances, what was measured, and how often each place was drawn."""

    def __init__(self, drawn: Figure, photo: NDArray[np.float64], rng: int) -> None:
        rows, columns = self.shape = photo.shape[:2]
        places = np.arange(rows * columns).reshape(rows, columns)
        propagator = dc.Propagator(CHANCES)
        self.values = dc.measure(photo, propagator, rng=rng, axes=(0, 1))
        self.sources = dc.measure(places, propagator, rng=rng).astype(np.int64).ravel()  # the same draws, of places
        self.order = outward(rows, columns)
        given, found = (drawn.add_axes((x, 0.27, 0.3375, 0.6)) for x in (0.03, 0.4))
        sim.bare(given, "the picture: nine places at once", fontsize=15, pad=10)
        sim.bare(found, "measured: one place each", fontsize=15, pad=10)
        given.imshow(photo, alpha=0.9)
        self.result = found.imshow(np.zeros_like(photo))
        self.squares = [Rectangle((0, 0), 1, 1, edgecolor="white", linewidth=1) for _ in MOVES]
        for square in self.squares:
            given.add_patch(square)
        self.numbers = [given.text(0, 0, "", ha="center", va="center", size=8, color="white") for _ in MOVES]
        self.mark = Rectangle((0, 0), 1, 1, fill=False, edgecolor=sim.ORANGE, linewidth=2.5)
        found.add_patch(self.mark)
        self.beam = ConnectionPatch(
            (0, 0), (0, 0), "data", "data", axesA=given, axesB=found, color=sim.ORANGE, linewidth=2
        )
        drawn.add_artist(self.beam)
        self.bars = self.draw_bars(drawn.add_axes((0.83, 0.27, 0.15, 0.6)))
        self.title = drawn.text(0.03, 0.16, "", size=20, color=sim.ORANGE, va="center")
        self.words = drawn.text(0.03, 0.08, "", size=14, va="center")
        parts = [*self.squares, *self.numbers, self.mark, self.beam, *self.bars]
        self.moving: list[Any] = [self.result, *parts, self.title, self.words]

    @staticmethod
    def draw_bars(axes: Axes) -> Any:
        """Draw the axes of the shares; return the bars."""
        axes.set(xlim=(0, 0.42), ylim=(8.6, -0.6), yticks=range(9))
        axes.set_yticklabels(NAMES, fontsize=12)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel("share; |: chance")
        axes.set_title("which place was drawn", fontsize=15, pad=10, x=0.2)
        axes.plot(CHANCES.ravel(), range(9), "|", color=sim.ORANGE, markersize=20, markeredgewidth=2.5, zorder=3)
        return axes.barh(range(9), np.zeros(9), height=0.62, color=sim.BLUE)

    def show(self, done: int, part: float) -> None:
        """Show so many measured pixels, and the next one partly measured; early ones are shown in two halves."""
        pixels = self.order.size
        finished = done >= pixels
        collapsed = part > 0.5 or done > 30
        here = int(self.order[min(done, pixels - 1)])
        place, chosen = (np.array(divmod(int(at), self.shape[1])) for at in (here, self.sources[here]))
        seen = np.full((pixels, 3), 0.14)
        shown = self.order[: done + int(collapsed)]
        seen[shown] = self.values.reshape(pixels, 3)[shown]
        self.result.set_data(np.clip(seen, 0, 1).reshape(*self.shape, 3))
        self.show_squares(place, chosen, collapsed, finished)
        self.mark.set_xy((place[1] - 0.5, place[0] - 0.5))
        self.mark.set_visible(not finished)
        self.beam.xy1, self.beam.xy2 = tuple(chosen[::-1].astype(float)), tuple(place[::-1].astype(float))
        self.beam.set_visible(collapsed and not finished)
        self.count(shown)
        going_on = "Superposition: nine places, each with its chance. Collapse: one is drawn"
        self.title.set_text("Every pixel has collapsed" if finished else going_on)
        self.words.set_text(f"{done} of {pixels} pixels measured")

    def show_squares(self, place: Any, chosen: Any, collapsed: bool, finished: bool) -> None:
        """Draw the nine squares around a pixel: their chances, or which one was drawn."""
        for square, number, move, chance in zip(self.squares, self.numbers, MOVES, CHANCES.ravel(), strict=True):
            at = place + move
            inside = bool((at >= 0).all() and (at < self.shape).all()) and not finished
            drawn = collapsed and bool((at == chosen).all())
            square.set_xy((at[1] - 0.5, at[0] - 0.5))
            square.set_visible(inside)
            alpha = 0.9 if drawn else 0.1 if collapsed else 0.2 + 2.5 * chance
            square.set(facecolor=sim.ORANGE if drawn else sim.BLUE, alpha=alpha)
            number.set_position((at[1], at[0]))
            number.set_text("" if collapsed or not inside else f"1/{round(1 / chance)}")

    def count(self, shown: NDArray[np.int64]) -> None:
        """Set the bars to the shares of the moves drawn so far, at pixels that touch no wall."""
        here, there = (np.array(np.unravel_index(at, self.shape)) for at in (shown, self.sources[shown]))
        inner = ((here > 0) & (here < np.array(self.shape)[:, None] - 1)).all(axis=0)
        moves = (there - here)[:, inner]
        shares = np.bincount(3 * moves[0] + moves[1] + 4, minlength=9) / max(1, inner.sum())
        for bar, part in zip(self.bars, shares, strict=True):
            bar.set_width(min(float(part), 0.42))


def simulate(args: argparse.Namespace) -> sim.Film:
    """Measure a small picture pixel by pixel."""
    drawn = sim.figure()
    pictures = Pictures(drawn, sim.photograph(args.image, (args.size, args.size), gray=False), args.rng)
    plan = schedule(args.size**2, args.frames)

    def story() -> sim.Story:
        for part, done in plan:
            pictures.show(done, part)
            yield
        return {"chances": CHANCES}, f"{args.size**2} pixels collapsed, each to one of nine places"

    early = next((n for n, (part, done) in enumerate(plan) if done >= 20 and part > 0.5), len(plan) - 1)
    return sim.Film(drawn, pictures.moving, story(), still=early / max(1, len(plan) - 1))


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
