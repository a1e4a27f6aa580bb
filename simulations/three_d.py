"""A cube of dye in a tank of water, behind a glass plate with a hole.

Diffusion in three dimensions is diffusion in one, three times over: without obstacles the cloud of a cube is a product
of three profiles. A plate of glass across the tank with a round hole in it ends that: the dye must find the hole, and
on the other side spreads from it as from a small source, in ever larger half spheres:

    du/dt = div(D grad u),    no flux through glass.

On the left the tank is drawn as a box. Each of its three visible faces shows the cloud as seen through it: the mean of
the concentration along the line of sight (an X-ray picture). On the right are three cuts, through the middle of the
hole. The colours show the square root of the concentration, so that thin clouds are seen too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    SALT,
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
from matplotlib.colors import PowerNorm
from matplotlib.transforms import Affine2D

import diffuseconv as dc

SMALL = ["--cells", "12", "--frames", "5"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(8), default=64, help="cells along each edge of the tank")
    cli.add_argument("--edge", type=positive, default=0.02, help="edge of the tank in metres")
    cli.add_argument("--diffusivity", type=positive, default=1.6e-9, help="of the dye, in m²/s")
    cli.add_argument("--hole", type=positive, default=0.12, help="radius of the hole, as a share of the edge")
    add_film(cli, frames=240)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "three_d")
        n, spacing = args.cells, args.edge / args.cells
        middle = (np.arange(n) + 0.5) / n
        plate = np.zeros((n, n, n - 1), dtype=bool)  # faces between cells along the last axis, to the right
        plate[:, :, n // 2] = np.hypot(*np.meshgrid(middle - 0.5, middle - 0.5, indexing="ij")) > args.hole
        eq = dc.DiffusionEquation(args.diffusivity, spacing, barriers=[None, None, plate])
        u = np.zeros((n, n, n))
        dyed = slice(round(0.35 * n), round(0.65 * n))
        u[dyed, dyed, round(0.1 * n) : round(0.4 * n)] = 1.0
        duration = 0.6 * args.edge**2 / args.diffusivity
        times = duration * np.linspace(0, 1, args.frames) ** 3

        drawn = figure(1280, 720)
        grid = drawn.add_gridspec(
            2, 3, left=0.01, right=0.96, top=0.86, bottom=0.08, wspace=0.16, hspace=0.22, width_ratios=[2.1, 1, 1]
        )
        drawn.suptitle("A cube of dye behind a plate with a hole", size=17, y=0.975)
        caption = drawn.text(0.5, 0.905, "", ha="center", size=13, color=FAINT)
        box = drawn.add_subplot(grid[:, 0])
        # a point (down, back, right) of the box is drawn at right * (c, s) + back * (-c, s) - down * (0, 1)
        c, s = np.cos(np.pi / 6), np.sin(np.pi / 6)
        box.set(xlim=(-1, 1), ylim=(-1.12, 1.12), aspect="equal")
        box.set_axis_off()
        box.set_title("the tank, looked through: mean along the line of sight")
        thin = PowerNorm(0.5, 0, 0.3)  # a mean along the whole line of sight is at most that
        faces = []
        for across, down in (((c, s), (-c, s)), ((c, s), (0, -1)), ((c, -s), (0, -1))):
            corner = (0.0, -0.0) if down[1] > 0 else (-c, s) if across[1] < 0 else (0.0, 0.0)
            place = Affine2D().from_values(across[0], across[1], down[0], down[1], *corner)
            image = box.imshow(np.zeros((n, n)), cmap=SALT, norm=thin, extent=(0, 1, 1, 0), interpolation="bilinear")
            image.set_transform(place + box.transData)
            faces.append(image)
        box.set(xlim=(-1, 1), ylim=(-1.12, 1.12))
        edges = [box.plot([0, x], [0, y], color=INK, linewidth=1)[0] for x, y in ((c, s), (-c, s), (0, -1))]
        rim = [(c, s), (0, 2 * s), (-c, s), (-c, s - 1), (0, -1), (c, s - 1), (c, s)]
        edges += box.plot(*zip(*rim, strict=True), color=INK, linewidth=1)
        half = (n // 2 + 1) / n
        trace = [(half * c - c, half * s + s), (half * c, half * s), (half * c, half * s - 1)]
        edges += box.plot(*zip(*trace, strict=True), color=FAINT, linewidth=1, linestyle="--")

        shades = PowerNorm(0.5, 0, 1)
        cuts, fixed = [], []
        titles = ("cut from above", "cut from the front", "cut in the plate")
        for number, title in enumerate(titles):
            side = drawn.add_subplot(grid[number // 2, 1 + number % 2])
            cuts.append(side.imshow(np.zeros((n, n)), norm=shades))
            side.set(title=title, xticks=[], yticks=[])
            side.spines[:].set_visible(False)
            if number < 2:
                for low, high in ((0, 0.5 - args.hole), (0.5 + args.hole, 1)):
                    span = [low * n - 0.5, high * n - 0.5]
                    fixed += side.plot([n // 2 + 0.5] * 2, span, color=INK, linewidth=2)
        bar = drawn.colorbar(cuts[0], ax=box, location="bottom", shrink=0.5, pad=0.01, aspect=30)
        bar.set_label("concentration in the cuts")
        bar.outline.set_visible(False)
        plot = drawn.add_subplot(grid[1, 2])
        length, unit = time_unit(duration)
        plot.set(xlim=(0, duration / length), ylim=(-0.02, 1.02), xlabel=f"time ({unit})", title="share of the dye")
        curves = [
            plot.plot([], [], color=colour, label=label)[0]
            for colour, label in ((BLUE, "before the plate"), (GREEN, "behind it"))
        ]
        plot.legend(loc="center right")

        whole = float(u.sum())
        seen: list[tuple[float, float, float]] = []

        def story() -> Iterator[None]:
            at = n // 2
            for time, field in eq.frames(u, times):
                behind = float(field[:, :, at + 1 :].sum()) / whole
                seen.append((time / length, float(field[:, :, : at + 1].sum()) / whole, behind))
                # top: back by right; front: down by right; left: down by back, whose back edge is drawn first
                seen_through = (field.mean(axis=0), field.mean(axis=1), field.mean(axis=2)[:, ::-1])
                for image, view in zip(faces, seen_through, strict=True):
                    image.set_data(view)
                for image, cut in zip(cuts, (field[at], field[:, at], field[:, :, at]), strict=True):
                    repaint(image, np.clip(cut, 0, 1))
                moments = np.array(seen).T
                for curve, values in zip(curves, moments[1:], strict=True):
                    curve.set_data(moments[0], values)
                caption.set_text(f"{clock(time)}: {behind:.1%} of the dye is behind the plate")
                yield

        moving: list[Any] = [*faces, *edges, *cuts, *fixed, *curves, caption]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        lost = abs(sum(seen[-1][1:]) - 1)
        write_record(files.record, {**vars(args), "frames": len(seen), "behind": seen[-1][2], "lost": lost})
        print(f"after {clock(duration)} {seen[-1][2]:.1%} of the dye is behind the plate; lost on the way: {lost:.0e}")
        print(f"{files.film} ({len(seen)} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
