"""Find a face in a picture: cross-correlation, the convolution with the flipped template.
=======================================================================================

The face is cut out of the portrait and laid on the picture at every place. The score is the correlation coefficient of
the two: 1 where they agree but for brightness and contrast, 0 where they have nothing in common, -1 on a negative. The
bright spot of the score map is where the face is.

Three trials follow. Noise: it pulls the score down everywhere, yet the spot stays where it is, because errors of
thousands of pixels cancel in the sum. Two copies: two spots, as bright although one portrait is duller.

And the edge: the picture slides until its frame cuts the face in two. What lies beyond the edge must be made up, and
each way has its ghosts. Zeros lay a black frame around the picture, which may look like something dark in the template.
Mirrors complete half a face by its mirror image, which for a face is almost right. And the circle, which is what a
Fourier transform without padding computes, joins the two halves at opposite edges to a perfect face that is nowhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import _common as sim
import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--cells", "64", "--frames", "8"]
WALLS = {"zero": "black", "reflecting": "a mirror", "periodic": "the other side"}

Array = NDArray[np.float64]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--cells", type=sim.at_least(48), default=144, help="height of the picture in pixels")
    cli.add_argument(
        "--noise", type=sim.positive, default=0.4, help="largest standard deviation of the noise (white is 1)"
    )
    cli.add_argument(
        "--face",
        type=float,
        nargs=4,
        default=(0.14, 0.31, 0.52, 0.66),
        metavar=("TOP", "LEFT", "BOTTOM", "RIGHT"),
        help="where the face is, as fractions of the picture",
    )
    sim.add_image(cli)
    sim.add_rng(cli)
    sim.add_film(cli, frames=270)
    return cli


def corners(face: Sequence[float], shape: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return the rows and columns between which the face is: top, left, bottom, right."""
    top, left, bottom, right = face
    if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
        given = " ".join(f"{part:g}" for part in face)
        raise sim.OptionError(
            f"--face must be TOP LEFT BOTTOM RIGHT with 0 <= TOP < BOTTOM <= 1 and so for the columns, got {given}"
        )
    rows = [round(part * n) for part, n in zip(face, shape * 2, strict=True)]
    if rows[2] - rows[0] < 3 or rows[3] - rows[1] < 3:
        raise sim.OptionError(
            f"--face must be at least 3 pixels each way, got {rows[2] - rows[0]} by {rows[3] - rows[1]}"
        )
    return rows[0], rows[1], rows[2], rows[3]


class Search:
    """The picture with what was found in it, and the scores behind three walls."""

    def __init__(self, drawn: Figure, face: Array, picture: Array, caption: Text) -> None:
        self.face, self.caption = face, caption
        cut = drawn.add_axes((0.03, 0.5, 0.15, 0.3))
        sim.panel(cut, face, "the face", None, "gray", Normalize(0, 1))
        cut.set_xlabel(f"{face.shape[0]} × {face.shape[1]} pixels", color=sim.FAINT)
        seen = drawn.add_axes((0.22, 0.45, 0.4, 0.36))
        self.picture = sim.panel(seen, picture, "the picture, and where it was found", None, "gray", Normalize(0, 1))
        tall, wide = face.shape
        outline: Any = {"fill": False, "linewidth": 2.5}
        self.boxes = [Rectangle((0, 0), wide, tall, edgecolor=colour, **outline) for colour in (sim.ORANGE, sim.GREEN)]
        for box in self.boxes:
            seen.add_patch(box)
        self.scores, self.marks, self.notes = [], [], []
        for place, (name, meaning) in enumerate(WALLS.items()):
            axes = drawn.add_axes((0.02 + 0.305 * place, 0.09, 0.285, 0.27))
            unit = "score" if place == 2 else None
            title = f'score, "{name}":\nbeyond the edge is {meaning}'
            self.scores.append(sim.panel(axes, picture, "", unit, sim.SALT, Normalize(-0.3, 1)))
            axes.set_title(title, size=11)
            self.marks.append(axes.plot([], [], "o", mfc="none", mec=sim.ORANGE, ms=16, mew=2)[0])
            self.notes.append(axes.text(0.5, -0.06, "", transform=axes.transAxes, ha="center", va="top", size=11))
        drawn.text(0.66, 0.67, HOW, size=12, color=sim.FAINT, va="center", linespacing=1.6)
        self.moving = [self.picture, *self.scores, *self.boxes, *self.marks, *self.notes, caption]

    def show(self, view: Array, copies: int, caption: str) -> list[dc.matching.Match]:
        """Draw a picture, where the face was found in it, and its scores behind three walls."""
        sim.repaint(self.picture, view)
        best: list[dc.matching.Match] = []
        for image, mark, note, name in zip(self.scores, self.marks, self.notes, WALLS, strict=True):
            sim.repaint(image, dc.matching.score(view, self.face, mode="same", boundary=name))
            found = dc.matching.find(view, self.face, copies, mode="same", boundary=name, minimum=0.25)
            best = found if name == "reflecting" else best
            mark.set_data([match.position[1] for match in found], [match.position[0] for match in found])
            scores = ", ".join(f"{match.score:.2f}" for match in found)
            note.set_text(f"found: {scores}" if found else "nothing found")
        for number, box in enumerate(self.boxes):
            box.set_visible(number < len(best))
            if number < len(best):
                box.set_xy((best[number].corner[1] - 0.5, best[number].corner[0] - 0.5))
        self.caption.set_text(f"{caption}:  " + (f"best score {best[0].score:.2f}" if best else "nothing found"))
        return best


HOW = """Score: correlation of the face
with what lies under it,
1 for a copy, 0 for nothing alike.
Boxes: the best places behind mirrors.
Rings: the best places behind each wall."""


def simulate(args: argparse.Namespace) -> sim.Film:
    """Search in noise, for two copies, and across the edge."""
    shape = args.cells, args.cells * 5 // 6
    top, left, bottom, right = corners(args.face, shape)
    picture = sim.photograph(args.image, shape)
    face = picture[top:bottom, left:right].copy()
    single = np.concatenate([picture, np.full_like(picture, 0.5)], axis=1)
    both = np.concatenate([picture, 0.25 + 0.4 * picture], axis=1)  # the second portrait is duller
    noise = np.random.default_rng(args.rng).normal(size=single.shape)
    drawn = sim.figure(1280, 800)
    search = Search(
        drawn, face, single, sim.heading(drawn, "Find the face: lay it on every place, and score how well it fits")
    )
    far = (left + right) // 2  # until half of the face is out
    parts = [args.frames * (part + 1) // 3 - args.frames * part // 3 for part in range(3)]

    def story() -> sim.Story:
        for strength in args.noise * progress(parts[0]):
            search.show(single + strength * noise, 1, f"noise with a standard deviation of {strength:.2f}")
            yield
        for blend in progress(parts[1]):
            search.show((1 - blend) * single + blend * both, 2, "a second portrait, duller")
            yield
        found: list[dc.matching.Match] = []
        for gone in progress(parts[2]):
            moved = np.roll(both, -round(far * gone), axis=1)
            found = search.show(moved, 2, "the picture slides, and its frame cuts the face in two")
            yield
        noisy = dc.matching.find(single + args.noise * noise, face)[0]
        away = float(np.hypot(noisy.corner[0] - top, noisy.corner[1] - left))
        record = {"score_in_noise": noisy.score, "pixels_off_in_noise": away}
        told = f"noise {args.noise:g}: found {away:.2f} pixels from its place, score {noisy.score:.2f}"
        return {**record, "scores_in_still": [match.score for match in found]}, told

    return sim.Film(drawn, search.moving, story())


def progress(frames: int) -> Array:
    """Return shares that rise to 1 and stay there for the last sixth of the frames."""
    return np.minimum(1.0, 1.2 * np.arange(frames) / max(1, frames - 1))


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
