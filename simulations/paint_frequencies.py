"""Painting in the frequency plane: a dot there is a wave through the image.

The plane of frequencies is a canvas of its own. One dot in it (and its mirror image at the opposite frequency, which
keeps the picture real) is one wave: the direction from the centre to the dot is the direction the wave runs in, and the
distance is the number of its crests across the image. Two dots are two waves added up. A whole line of dots, all with a
crest at the centre, add up to a ridge there and cancel everywhere else: a line becomes a line at right angles to it.

Painting is useful, too. Stripes over a photograph, from a bad scanner or a woven screen, are scattered over every
pixel; in the frequency plane they are two bright dots. Cover the dots with a mask, and the stripes are gone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    FLUX,
    INK,
    add_film,
    add_image,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    parser,
    photograph,
    repaint,
    write_record,
)
from matplotlib.patches import Circle

import diffuseconv as dc
from diffuseconv.spectrum import Dot, Line, Mask

SMALL = ["--cells", "48", "--frames", "10"]


def hidden(cells: int, frequency: tuple[int, int], radius: float) -> Any:
    """A mask that is 0 in a circle around a frequency and its opposite, and 1 elsewhere."""
    spot = dc.spectrum.radial_window((cells, cells), radius, edge=radius)
    return 1 - np.roll(spot, frequency, (0, 1)) - np.roll(spot, (-frequency[0], -frequency[1]), (0, 1))


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(32), default=256, help="side of the picture")
    add_image(cli)
    add_film(cli, frames=420)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "paint_frequencies")
        cells = args.cells
        portrait = photograph(args.image, (cells, cells))
        blank = np.zeros((cells, cells))
        far = min(24, cells // 5)
        spot = (cells // 12, cells // 8)
        stripes = Dot(spot, amplitude=0.25)
        striped = dc.spectrum.paint_spectrum(portrait, stripes)

        drawn = figure(1280, 720)
        drawn.suptitle("A dot in the frequency plane is a wave through the image", size=17, y=0.965)
        grid = drawn.add_gridspec(1, 2, left=0.05, right=0.95, top=0.87, bottom=0.12, wspace=0.08)
        plane_axes, image_axes = drawn.add_subplot(grid[0]), drawn.add_subplot(grid[1])
        view = slice(cells // 2 - cells // 4, cells // 2 + cells // 4 + 1)
        plane = plane_axes.imshow(blank[view, view], cmap=FLUX, vmin=0, vmax=1)
        image = image_axes.imshow(blank, cmap="gray", vmin=0, vmax=1)
        plane_axes.set(title="frequency plane (slow waves in the centre)", xticks=[], yticks=[])
        image_axes.set(title="image", xticks=[], yticks=[])
        for axes in (plane_axes, image_axes):
            axes.spines[:].set_visible(False)
        middle = view.stop - 1 - cells // 2
        places = [(middle + sign * spot[1], middle + sign * spot[0]) for sign in (1, -1)]
        rings = [plane_axes.add_patch(Circle(place, 5, fill=False, edgecolor=INK, linewidth=1.6)) for place in places]
        words = drawn.text(0.5, 0.055, "", ha="center", va="center", size=15)

        def show(picture: Any, caption: str, alone: bool = True) -> None:
            """Draw a picture and its frequency plane; strokes alone are swollen to be seen."""
            if alone:
                strength = np.abs(dc.spectrum.log_spectrum(picture))
                strength = dc.convolve(strength, dc.kernels.box(3) * 9, boundary="periodic")
                reach = float(np.abs(picture).max()) or 1.0
                repaint(image, 0.5 + 0.5 * picture / reach)
            else:
                strength = dc.spectrum.log_spectrum(picture)
                repaint(image, picture)
            top = np.log(cells**2 / 8)
            low = 0.0 if alone else 0.25 * top
            repaint(plane, np.clip((strength[view, view] - low) / (top - low), 0, 1))
            words.set_text(caption)
            for ring in rings:
                ring.set_visible(not alone)

        def acts() -> list[list[tuple[Any, str, bool]]]:
            """The story: lists of (edits, caption, on blank canvas)."""
            out = [(f, 0) for f in range(1, far + 1)]
            around = [
                (round(-far * np.sin(angle)), round(far * np.cos(angle))) for angle in np.linspace(0, np.pi, 3 * far)
            ]
            return [
                [
                    (Dot((0, c)), f"one dot: a wave with {c} crest{'s' * (c > 1)} across the image", True)
                    for c, _ in out
                ],
                [(Dot(f), "around the centre: the wave runs where the dot lies", True) for f in around],
                [
                    ([Dot((0, far // 2)), Dot((c, 0))], "two dots: two waves added up", True)
                    for c in range(1, far // 2 + 1)
                ],
                [
                    (Line((-c, -c), (c, c)), "a line of dots: a ridge across it, at right angles", True)
                    for c in range(1, 2 * far)
                ],
                [
                    (Dot(stripes.frequency, amplitude), "a photograph: paint two dots, and stripes cover it", False)
                    for amplitude in np.linspace(0, stripes.amplitude, 2 * far)
                ],
                [
                    ([stripes, Mask(hidden(cells, spot, radius))], "cover the dots: the stripes are gone", False)
                    for radius in np.linspace(0.5, cells / 40, 2 * far)
                ],
            ]

        story_of = acts()
        per_act = [args.frames * (act + 1) // len(story_of) - args.frames * act // len(story_of) for act in range(6)]

        def story() -> Iterator[None]:
            for scenes, frames in zip(story_of, per_act, strict=True):
                for frame in range(frames):
                    edits, caption, alone = scenes[min(len(scenes) - 1, int(1.25 * frame * len(scenes) / frames))]
                    show(dc.spectrum.paint_spectrum(blank if alone else portrait, edits), caption, alone)
                    yield

        dc.write_movie(files.film, animate(drawn, [plane, image, *rings, words], story()), fps=args.fps, progress=True)
        show(striped, "stripes over a photograph are two dots in its frequency plane", False)
        drawn.savefig(files.still)
        cleaned = dc.spectrum.paint_spectrum(striped, Mask(hidden(cells, spot, cells / 40)))
        before, after = (100 * float(np.sqrt(np.mean((u - portrait) ** 2))) for u in (striped, cleaned))
        write_record(files.record, {**vars(args), "frames": args.frames, "error_before": before, "error_after": after})
        print(f"stripes of {before:.0f} % of full brightness; {after:.1f} % is left after two dots are covered")
        print(f"{files.film} ({args.frames} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
