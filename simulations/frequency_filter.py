"""A circle in the frequency plane: what lies inside is kept, what lies outside is forgotten.

A picture is a sum of waves, slow ones in the centre of its spectrum and fast ones further out. Multiply the spectrum by
a disc, 1 inside and 0 outside, and go back: what returns is the picture without its fine detail. This is a convolution
too, with the disc as transfer function, and that is why convolution is called filtering.

It is also how pictures are compressed. The circle holds a small part of all the numbers, yet most of the picture,
because strong waves are slow ones. The curve shows the price: the error against the part that is kept.

A hard disc rings: beside every edge the picture shows faint echoes of it. `--edge` lets the disc fall off softly over
that many cycles. `--boundary reflecting` uses cosines, as JPEG does, so that an edge does not bleed into the opposite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from _common import (
    BLUE,
    FAINT,
    FLUX,
    INK,
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
from matplotlib.patches import Circle
from matplotlib.patheffects import withStroke

import diffuseconv as dc

SMALL = ["--cells", "48", "--frames", "6"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(16), default=256, help="side of the picture")
    cli.add_argument("--edge", type=float, default=0.0, help="width of the disc's soft edge, in cycles per image")
    cli.add_argument("--boundary", choices=("periodic", "reflecting"), default="periodic", help="the waves to use")
    add_image(cli)
    add_film(cli, frames=240)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "frequency_filter")
        cells = args.cells
        picture = photograph(args.image, (cells, cells))
        least = max(1.0, args.edge / 2)
        radii = np.geomspace(least, cells / 2, args.frames)
        results = [dc.spectrum.compression(picture, radius, boundary=args.boundary) for radius in radii]
        kept = 100 * np.array([result.kept_fraction for result in results])
        errors = 100 * np.array([result.relative_error for result in results])

        drawn = figure(1280, 720)
        drawn.suptitle("A circle in the frequency plane: inside is kept, outside is forgotten", size=17, y=0.97)
        grid = drawn.add_gridspec(
            2, 3, left=0.02, right=0.97, top=0.86, bottom=0.09, wspace=0.08, hspace=0.28, height_ratios=(1.9, 1)
        )
        plane = drawn.add_subplot(grid[0, 0])
        spectrum = dc.spectrum.log_spectrum(picture)
        plane.imshow(spectrum, cmap=FLUX, vmin=np.percentile(spectrum, 5), vmax=np.percentile(spectrum, 99.9))
        circle = Circle((cells // 2, cells // 2), 1, fill=False, edgecolor=INK, linewidth=2)
        circle.set_path_effects([withStroke(linewidth=5, foreground="black")])  # seen on the brightest spectrum too
        plane.add_patch(circle)
        plane.set(title="spectrum and circle")
        low_axes, high_axes = drawn.add_subplot(grid[0, 1]), drawn.add_subplot(grid[0, 2])
        low = low_axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
        high = high_axes.imshow(picture, cmap="PuOr_r", vmin=-0.3, vmax=0.3)
        low_axes.set(title="kept: what lies inside")
        high_axes.set(title="forgotten: what lies outside")
        for axes in (plane, low_axes, high_axes):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        curve = drawn.add_subplot(grid[1, :2])
        curve.set_position((0.08, 0.1, 0.56, 0.22))
        curve.semilogx(kept, errors, color=FAINT, linewidth=1.2)
        curve.set(xlabel="numbers kept (%)", ylabel="error (% of the picture)", ylim=(0, None))
        curve.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        curve.grid(visible=True)
        (passed,) = curve.plot([], [], color=BLUE)
        (now,) = curve.plot([], [], "o", color=ORANGE, markersize=9)
        words = drawn.text(0.70, 0.2, "", size=15, va="center", linespacing=1.7)

        def show(frame: int) -> None:
            """Draw the picture with one radius."""
            radius, result = float(radii[frame]), results[frame]
            circle.set_radius(radius)
            repaint(low, dc.spectrum.low_pass(picture, radius, edge=args.edge, boundary=args.boundary))
            repaint(high, dc.spectrum.high_pass(picture, radius, edge=args.edge, boundary=args.boundary))
            passed.set_data(kept[: frame + 1], errors[: frame + 1])
            now.set_data([kept[frame]], [errors[frame]])
            words.set_text(
                f"radius {radius:.1f} cycles per image\n{kept[frame]:.2g} % of the numbers kept\n"
                f"compressed {result.ratio:,.{0 if result.ratio > 100 else 1}f} : 1\nerror {errors[frame]:.1f} %"
            )

        def story() -> Iterator[None]:
            for frame in range(args.frames):
                show(frame)
                yield

        moving = [circle, low, high, passed, now, words]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        middle = int(np.argmin(np.abs(kept - 5)))
        show(middle)
        drawn.savefig(files.still)
        still = {"still_kept_percent": kept[middle], "still_error_percent": errors[middle]}
        write_record(files.record, {**vars(args), "frames": args.frames, **still})
        print(f"{kept[middle]:.2g} % of the numbers keep the picture to an error of {errors[middle]:.1f} % (hard disc)")
        print(f"{files.film} ({args.frames} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
