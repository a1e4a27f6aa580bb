"""A drop of dye on wood becomes an ellipse: the grain leads it.

Wood is a bundle of fibres. Water and what is dissolved in it moves along them several times more easily than across,
so that the flux does not point straight down the slope of the concentration:

    du/dt = div(D grad u),    flux = -D grad u,

with D a symmetric matrix (a tensor) whose axes are those of the grain: here D_along in the direction of the fibres and
D_across at right angles to it. Each grain of dye still wanders at random, only with longer steps along the fibres. The
covariance of the cloud grows as 2 D t, as a matrix: a round drop turns into an ellipse with axes in the ratio of
sqrt(D_along / D_across), in the direction of the grain and not of the picture's edges or of the cells of the grid.

On the left is the same drop on paper, which is the same in all directions, with as large a mean diffusivity. The dots
of the curves are measured from the cloud; the lines are the law.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    INK,
    ORANGE,
    add_film,
    animate,
    at_least,
    clock,
    figure,
    one_line_errors,
    outputs,
    parser,
    positive,
    repaint,
    time_unit,
    write_record,
)
from matplotlib.colors import Normalize
from matplotlib.patches import Ellipse

import diffuseconv as dc

SMALL = ["--cells", "24", "--frames", "5"]


def spread(u: Any, x: Any) -> Any:
    """Measure the covariance of a cloud."""
    weight = u / u.sum()
    offset = x - np.einsum("...,...i", weight, x)
    return np.einsum("ij,ijk,ijl->kl", weight, offset, offset)


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(12), default=240, help="cells along each side")
    cli.add_argument("--side", type=positive, default=0.06, help="side of the board in metres")
    cli.add_argument("--along", type=positive, default=1.6e-9, help="diffusivity along the grain, in m²/s")
    cli.add_argument("--across", type=positive, default=0.2e-9, help="diffusivity across the grain, in m²/s")
    cli.add_argument("--angle", type=float, default=30.0, help="direction of the grain in degrees, from the horizontal")
    add_film(cli, frames=240)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "anisotropy")
        n, spacing = args.cells, args.side / args.cells
        angle = np.deg2rad(args.angle)
        grain = np.array([-np.sin(angle), np.cos(angle)])  # (down, right): up is negative
        normal = np.array([grain[1], -grain[0]])
        tensor = args.along * np.outer(grain, grain) + args.across * np.outer(normal, normal)
        tensor = (tensor + tensor.T) / 2
        mean = (args.along + args.across) / 2
        wood, paper = dc.DiffusionEquation(tensor, spacing), dc.DiffusionEquation(mean, spacing)
        x = np.moveaxis(np.indices((n, n)) + 0.5, 0, -1) * spacing - args.side / 2
        radius = 0.025 * args.side
        u = np.exp(-(x**2).sum(axis=-1) / (2 * radius**2))
        duration = (0.13 * args.side) ** 2 / (2 * args.along)
        times = np.linspace(0, duration, args.frames)

        drawn = figure(1280, 560)
        axes = drawn.subplots(1, 3, width_ratios=[1, 1, 1])
        drawn.subplots_adjust(left=0.02, right=0.985, top=0.8, bottom=0.12, wspace=0.13)
        drawn.suptitle("A drop on paper and on wood", size=17, y=0.975)
        caption = drawn.text(0.5, 0.885, "", ha="center", size=13, color=FAINT)
        images, rings = [], []
        for side, title in zip(axes, ("paper: a circle", "wood: an ellipse along the grain"), strict=False):
            image = side.imshow(u**0.5, norm=Normalize(0, 1))
            side.set(title=title, xticks=[], yticks=[], xlim=(-0.5, n - 0.5), ylim=(n - 0.5, -0.5))
            ring = Ellipse((n / 2 - 0.5, n / 2 - 0.5), 1, 1, fill=False, color=ORANGE, linewidth=1.5, linestyle="--")
            side.add_patch(ring)
            images.append(image)
            rings.append(ring)
        fibres = []
        for offset in np.linspace(-n, n, 41):
            middle = np.array([n / 2, n / 2]) + offset * normal
            ends = np.array([middle - 2 * n * grain, middle + 2 * n * grain])
            fibres += axes[1].plot(ends[:, 1], ends[:, 0], color=INK, alpha=0.13, linewidth=1)
        length, unit = time_unit(duration)
        plot = axes[2]
        plot.set(title="width of the cloud (standard deviation)", xlabel=f"time ({unit})", ylabel="mm")
        lines, curves = np.linspace(0, duration, 100), []
        for d, colour, name in ((args.along, ORANGE, "along the grain"), (args.across, BLUE, "across it")):
            plot.plot(lines / length, 1e3 * np.sqrt(radius**2 + 2 * d * lines), color=colour, linewidth=1, label=name)
            curves.append(plot.plot([], [], "o", color=colour, markersize=3)[0])
        plot.set(xlim=(0, duration / length * 1.02))
        plot.set_ylim(0)
        plot.legend(loc="upper left")

        seen: list[tuple[float, float, float]] = []

        def story() -> Iterator[None]:
            for (time, on_paper), (_, on_wood) in zip(paper.frames(u, times), wood.frames(u, times), strict=True):
                for image, ring, field in zip(images, rings, (on_paper, on_wood), strict=True):
                    repaint(image, np.sqrt(np.clip(field / field.max(), 0, 1)))
                    sizes, directions = np.linalg.eigh(spread(field, x))
                    ring.set(
                        width=4 * np.sqrt(sizes[1]) / spacing,
                        height=4 * np.sqrt(sizes[0]) / spacing,
                        angle=float(np.rad2deg(np.arctan2(directions[0, 1], directions[1, 1]))),
                    )
                covariance = spread(on_wood, x)
                seen.append((time, float(grain @ covariance @ grain), float(normal @ covariance @ normal)))
                moments = np.array(seen).T
                for curve, values in zip(curves, moments[1:], strict=True):
                    curve.set_data(moments[0] / length, 1e3 * np.sqrt(values))
                caption.set_text(
                    f"{clock(time)}; colour: square root of concentration; dashed: two standard deviations"
                )
                yield

        moving: list[Any] = [*images, *fibres, *rings, *curves, caption]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        (start, *first), (end, *last) = seen[0], seen[-1]
        found = [(b - a) / (2 * (end - start)) for a, b in zip(first, last, strict=True)]
        write_record(files.record, {**vars(args), "frames": len(seen), "measured_diffusivities": found})
        print(f"measured from the cloud: D along the grain {found[0]:.4g} m²/s (set: {args.along:g}),")
        print(f"across {found[1]:.4g} m²/s (set: {args.across:g}), after {clock(duration)}")
        print(f"{files.film} ({len(seen)} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
