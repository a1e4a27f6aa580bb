"""A picture and its spectrum: turn the one, and the other turns with it.

Every picture is a sum of waves. Its spectrum says how strong each wave is: slow waves (large shapes) in the centre,
fast ones (fine detail) further out, and each in the direction in which its brightness goes up and down. Stripes are a
single wave, so their spectrum is a pair of dots; a photograph fills the plane, brightest across its long edges.

Sliding a picture changes nothing in the strengths of its waves, but turning it turns them all. So the angle can be read
off the two spectra alone, though no pixel is where it was: `rotation_between` compares the rings of the spectra, and
`orientation` finds the strongest wave. Half a turn cannot be told from none, because a wave looks the same from behind.

The pictures are seen through a round window with soft edges: a spectrum takes a picture for a tile that repeats, and
where opposite edges do not match it would show them as a bright cross.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    FLUX,
    ORANGE,
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
from PIL import Image

import diffuseconv as dc

SMALL = ["--cells", "48", "--frames", "6"]


def turned(picture: Any, angle: float) -> Any:
    """Turn a picture about its centre, counter-clockwise, corners filled with its mean."""
    return np.asarray(Image.fromarray(picture).rotate(angle, Image.Resampling.BICUBIC, fillcolor=float(picture.mean())))


def striped(cells: int, waves: int, angle: float) -> Any:
    """Stripes whose brightness goes up and down in a direction, counter-clockwise from the right."""
    down, right = np.indices((cells, cells)) - cells // 2
    along = right * np.cos(np.deg2rad(angle)) - down * np.sin(np.deg2rad(angle))
    return 0.5 + 0.5 * np.cos(2 * np.pi * waves * along / cells)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(32), default=256, help="side of the pictures")
    cli.add_argument("--waves", type=at_least(2), default=12, help="waves across the striped picture")
    add_image(cli)
    add_film(cli, frames=240)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "fourier_views")
        cells = args.cells
        portrait = photograph(args.image, (cells, cells)).astype(np.float32)
        window = dc.spectrum.radial_window((cells, cells), cells / 4, edge=cells / 2)
        seen = dc.spectrum.radial_window((cells, cells), cells / 2 - 3, edge=4)

        def view(picture: Any) -> tuple[Any, Any]:
            """What is shown of a picture: itself in a round frame, and the inner half of its spectrum."""
            spectrum = dc.spectrum.log_spectrum((picture - picture.mean()) * window)
            inner = slice(cells // 4, cells - cells // 4)
            return picture * seen, spectrum[inner, inner]

        drawn = figure(1280, 720)
        drawn.suptitle("Turn a picture, and its spectrum turns with it", size=17, y=0.97)
        grid = drawn.add_gridspec(
            2, 3, left=0.02, right=0.97, top=0.87, bottom=0.09, wspace=0.12, hspace=0.16, width_ratios=(1, 1, 1.45)
        )
        images, needles = [], []
        for row, (picture, name) in enumerate(((striped(cells, args.waves, 0), "stripes"), (portrait, "photograph"))):
            for column, (field, what) in enumerate(zip(view(picture), (name, "its spectrum"), strict=True)):
                axes = drawn.add_subplot(grid[row, column])
                limits = (0.0, 1.0) if column == 0 else (float(np.median(field)), float(field.max()))
                shown = axes.imshow(field, cmap="gray" if column == 0 else FLUX, vmin=limits[0], vmax=limits[1])
                axes.set(title=what, xticks=[], yticks=[])
                axes.spines[:].set_visible(False)
                images.append(shown)
            (needle,) = axes.plot([], [], color=(ORANGE, BLUE)[row], linewidth=1.6, linestyle=(0, (5, 3)))
            needles.append(needle)
        graph = drawn.add_subplot(grid[:, 2])
        graph.set(
            xlim=(0, 180), ylim=(0, 180), xlabel="turned by (degrees)", ylabel="found from the spectrum (degrees)"
        )
        graph.set(xticks=range(0, 181, 30), yticks=range(0, 181, 30), aspect="equal")
        graph.grid(visible=True)
        graph.plot([0, 180], [0, 180], color=FAINT, linewidth=1)
        (of_stripes,) = graph.plot([], [], "o", color=ORANGE, markersize=7, label="stripes: orientation()")
        (of_portrait,) = graph.plot([], [], ".", color=BLUE, markersize=5, label="photograph: rotation_between()")
        graph.legend(loc="upper left")
        words = drawn.text(0.785, 0.855, "", ha="center", size=13)

        angles = np.linspace(0, 180, args.frames, endpoint=False)
        found: list[tuple[float, float]] = []
        half = cells // 4

        def show(angle: float) -> tuple[float, float]:
            """Draw both pictures turned by an angle; return what was found."""
            pictures = striped(cells, args.waves, angle), turned(portrait, angle)
            fields = [field for picture in pictures for field in view(picture)]
            for image, field in zip(images, fields, strict=True):
                repaint(image, field)
            angle_of = (
                dc.spectrum.orientation(pictures[0] * window),
                dc.spectrum.rotation_between(portrait, pictures[1]),
            )
            for needle, direction in zip(needles, angle_of, strict=True):
                right, down = half * np.cos(np.deg2rad(direction)), -half * np.sin(np.deg2rad(direction))
                needle.set_data([half - right, half + right], [half - down, half + down])
            words.set_text(f"turned by {angle:.1f}°   found {angle_of[0]:.2f}° and {angle_of[1]:.2f}°")
            return angle_of

        def story() -> Iterator[None]:
            for angle in angles:
                found.append(show(angle))
                upto = angles[: len(found)]
                of_stripes.set_data(upto[::8], [pair[0] for pair in found[::8]])
                of_portrait.set_data(upto, [pair[1] for pair in found])
                yield

        moving = [*images, *needles, of_stripes, of_portrait, words]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        show(37.0)
        drawn.savefig(files.still)
        error = np.abs((np.array(found) - angles[:, None] + 90) % 180 - 90).max(axis=0)
        errors = {"stripes_error": error[0], "photograph_error": error[1]}
        write_record(files.record, {**vars(args), "frames": len(found), **errors})
        print(f"largest error over half a turn: stripes {error[0]:.2g}°, photograph {error[1]:.2g}°")
        print(f"{files.film} ({len(found)} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
