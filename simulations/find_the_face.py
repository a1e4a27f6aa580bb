"""Find a face in a picture: cross-correlation, the convolution with the flipped template.

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

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GREEN,
    ORANGE,
    SALT,
    add_film,
    add_image,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    parser,
    photograph,
    positive,
    repaint,
    write_record,
)
from matplotlib.patches import Rectangle

import diffuseconv as dc

SMALL = ["--cells", "64", "--frames", "8"]
WALLS = ("zero", "reflecting", "periodic")


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(48), default=192, help="height of the picture in pixels")
    cli.add_argument("--noise", type=positive, default=0.4, help="largest standard deviation of the noise (white is 1)")
    cli.add_argument(
        "--face",
        type=float,
        nargs=4,
        default=(0.14, 0.31, 0.52, 0.66),
        metavar=("TOP", "LEFT", "BOTTOM", "RIGHT"),
        help="where the face is, as fractions of the picture",
    )
    add_image(cli)
    add_rng(cli)
    add_film(cli, frames=360)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "find_the_face")
        rng = np.random.default_rng(args.rng)
        rows, columns = args.cells, args.cells * 5 // 6
        picture = photograph(args.image, (rows, columns))
        top, left, bottom, right = (round(f * n) for f, n in zip(args.face, (rows, columns) * 2, strict=True))
        face = picture[top:bottom, left:right].copy()
        alone = np.concatenate([picture, np.full_like(picture, 0.5)], axis=1)
        family = np.concatenate([picture, 0.25 + 0.4 * picture], axis=1)  # the second portrait is duller
        noise = rng.normal(size=alone.shape)

        drawn = figure(1280, 800)
        drawn.suptitle(
            "Find the face: lay it on every place of the picture, and score how well it fits", size=16, y=0.972
        )
        grid = drawn.add_gridspec(
            2, 12, left=0.03, right=0.97, top=0.87, bottom=0.08, wspace=0.5, hspace=0.22, height_ratios=(1.25, 1)
        )
        cut = drawn.add_subplot(grid[0, :2])
        cut.imshow(face, cmap="gray", vmin=0, vmax=1)
        cut.set_title("the face")
        scene_axes, score_axes = drawn.add_subplot(grid[0, 2:7]), drawn.add_subplot(grid[0, 7:])
        scene = scene_axes.imshow(alone, cmap="gray", vmin=0, vmax=1)
        scores = score_axes.imshow(alone, cmap=SALT, vmin=-0.3, vmax=1)
        scene_axes.set_title("the picture, and where it was found")
        score_axes.set_title("score, walls reflecting")
        bar = drawn.colorbar(scores, ax=score_axes, fraction=0.03, pad=0.02, ticks=[0, 0.5, 1])
        bar.outline.set_visible(False)
        ghosts = []
        meaning = {"zero": "black", "reflecting": "a mirror", "periodic": "the other side"}
        for place, name in enumerate(WALLS):
            axes = drawn.add_subplot(grid[1, 4 * place : 4 * place + 4])
            axes.set_title(f'"{name}": beyond the edge is {meaning[name]}', size=11)
            ghosts.append(axes.imshow(alone, cmap=SALT, vmin=-0.3, vmax=1))
        for axes in [image.axes for image in (scene, scores, *ghosts)] + [cut]:
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        tall, wide = face.shape
        boxes = [Rectangle((0, 0), wide, tall, fill=False, linewidth=2.5, edgecolor=c) for c in (ORANGE, GREEN)]
        for box in boxes:
            scene_axes.add_patch(box)
        marks = [image.axes.plot([], [], "o", mfc="none", mec=ORANGE, ms=16, mew=2)[0] for image in ghosts]
        notes = [
            image.axes.text(0.5, -0.09, "", transform=image.axes.transAxes, ha="center", size=11) for image in ghosts
        ]
        words = drawn.text(0.03, 0.905, "", size=14, color=BLUE)
        cut.set_xlabel(f"{face.shape[0]}×{face.shape[1]} pixels", color=FAINT)

        def show(view: Any, copies: int, caption: str) -> list[Any]:
            """Draw a picture, where the face was found in it, and its scores behind three walls."""
            repaint(scene, view)
            found = dc.matching.find(view, face, copies, mode="same", minimum=0.25)
            for box in boxes:
                box.set_visible(False)
            for box, match in zip(boxes, found, strict=False):
                box.set_xy((match.corner[1] - 0.5, match.corner[0] - 0.5))
                box.set_visible(True)
            repaint(scores, dc.matching.score(view, face, mode="same"))
            for image, mark, note, name in zip(ghosts, marks, notes, WALLS, strict=True):
                repaint(image, dc.matching.score(view, face, mode="same", boundary=name))
                best = dc.matching.find(view, face, copies, mode="same", boundary=name, minimum=0.25)
                mark.set_data([match.position[1] for match in best], [match.position[0] for match in best])
                note.set_text(
                    "found: " + ", ".join(f"{match.score:.2f}" for match in best) if best else "nothing found"
                )
            best_score = f"best score {found[0].score:.2f}" if found else "nothing found"
            words.set_text(f"{caption}:  {best_score}")
            return found

        acts = [args.frames * (act + 1) // 3 - args.frames * act // 3 for act in range(3)]
        way = (left + right) // 2  # until half of the face is out

        def story() -> Iterator[None]:
            for frame in range(acts[0]):
                strength = args.noise * min(1.0, 1.2 * frame / max(1, acts[0] - 1))
                show(alone + strength * noise, 1, f"noise with a standard deviation of {strength:.2f}")
                yield
            for frame in range(acts[1]):
                share = min(1.0, 1.2 * frame / max(1, acts[1] - 1))
                show((1 - share) * alone + share * family, 2, "a second portrait, duller")
                yield
            for frame in range(acts[2]):
                steps = round(way * min(1.0, 1.2 * frame / max(1, acts[2] - 1)))
                show(np.roll(family, -steps, axis=1), 2, "the picture slides, and its frame cuts the face in two")
                yield

        moving = [scene, scores, *ghosts, *boxes, *marks, *notes, words]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        found = show(np.roll(family, -way, axis=1), 2, "the frame cuts one face in two; the other is whole, but duller")
        drawn.savefig(files.still)
        noisy = dc.matching.find(alone + args.noise * noise, face)[0]
        apart = float(np.hypot(noisy.corner[0] - top, noisy.corner[1] - left))
        record = {"frames": args.frames, "score_in_noise": noisy.score, "pixels_off_in_noise": apart}
        write_record(files.record, {**vars(args), **record, "scores_in_still": [match.score for match in found]})
        print(f"noise {args.noise:g}: found {apart:.2f} pixels from its place, score {noisy.score:.2f}")
        print(f"{files.film} ({args.frames} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
