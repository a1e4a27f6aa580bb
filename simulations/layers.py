"""Salt through sand, clay and sand: where the diffusivity jumps, the slope jumps, and the flux does not.

A pond of brine stands on wet ground: sand, a layer of clay with a wavy surface and a gap in it, and sand again, washed
from below by fresh ground water. In each the salt obeys

    du/dt = div(D grad u),

with a diffusivity D that is some twenty times smaller in clay than in sand. What leaves the sand must enter the clay:
the flux D du/dx is the same on both sides of the border, so that the slope du/dx is steep where D is small. In the end
nearly the whole drop in concentration lies across the clay, and most of the salt gets through by the gap.

The picture shows the ground in section with the pond above. The curves are the concentration along two plumb lines,
one through the clay and one through the gap; dashed is where they end up, which is not waited for but solved for. Each
frame is later than the last by the same factor, since every decade of time matters as much as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GROUND,
    INK,
    ORANGE,
    add_film,
    animate,
    at_least,
    clock,
    figure,
    one_line_errors,
    outputs,
    panel,
    parser,
    positive,
    repaint,
    write_record,
)
from matplotlib.colors import Normalize

import diffuseconv as dc

SMALL = ["--cells", "30", "--frames", "6"]


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(12), default=180, help="cells from top to bottom")
    cli.add_argument("--depth", type=positive, default=3.0, help="depth of the ground in metres")
    cli.add_argument("--sand", type=positive, default=6e-10, help="diffusivity of salt in wet sand, in m²/s")
    cli.add_argument("--clay", type=positive, default=3e-11, help="diffusivity of salt in wet clay, in m²/s")
    add_film(cli, frames=300)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "layers")
        rows, columns = args.cells, args.cells * 4 // 3
        spacing = args.depth / rows
        depth, along = (np.indices((rows, columns)) + 0.5) * spacing
        width = columns * spacing
        wave = 0.06 * args.depth * np.sin(2 * np.pi * along / width * 2 + 0.6)
        gap = np.abs(along - 0.72 * width) < 0.045 * width
        clay = (depth > 0.36 * args.depth + wave) & (depth < 0.62 * args.depth + 0.6 * wave) & ~gap
        eq = dc.DiffusionEquation(
            np.where(clay, args.clay, args.sand), spacing, ((dc.Dirichlet(1.0), dc.Dirichlet(0.0)), "reflecting")
        )
        u = np.zeros((rows, columns))
        end = eq.steady_state()
        last = 0.6 * args.depth**2 / args.clay
        times = np.concatenate([[0.0], np.geomspace(1e-5 * last, last, args.frames - 1)])
        plumb = (int(0.35 * columns), int(0.72 * columns))

        drawn = figure(1280, 640)
        left, right = drawn.subplots(1, 2, width_ratios=[1.5, 1])
        drawn.subplots_adjust(left=0.02, right=0.97, top=0.84, bottom=0.12, wspace=0.3)
        drawn.suptitle("Brine on the ground: through sand, clay and sand", size=17, y=0.975)
        caption = drawn.text(0.5, 0.895, "", ha="center", size=13, color=FAINT)
        image = panel(left, u, "", "concentration, share of the pond's", norm=Normalize(0, 1))
        border = left.contour(clay, levels=[0.5], colors=[INK], linewidths=1.3)
        label = {"facecolor": GROUND, "alpha": 0.6, "linewidth": 0}
        words = [
            left.text(0.02 * columns, at * rows, word, color=INK, size=11, va="center", bbox=label)
            for at, word in ((0.12, "sand"), (0.5, "clay"), (0.88, "sand"))
        ]
        threads = []
        right.set(xlim=(-0.02, 1.02), ylim=(args.depth, 0), xlabel="concentration", ylabel="depth (m)")
        curves = []
        inside = clay[:, plumb[0]]
        right.axhspan(depth[inside, 0].min(), depth[inside, 0].max(), color=BLUE, alpha=0.13, linewidth=0)
        for column, colour, name in zip(plumb, (BLUE, ORANGE), ("through the clay", "through the gap"), strict=True):
            threads.append(left.axvline(column, color=colour, linewidth=1.2, linestyle="--"))
            right.plot(end[:, column], depth[:, 0], "--", color=colour, linewidth=1)
            curves.append(right.plot([], [], color=colour, label=name)[0])
        right.legend(loc="lower right", title="dashed: the steady state")

        count, field = 0, u

        def story() -> Iterator[None]:
            nonlocal count, field
            for time, field in eq.frames(u, times):
                count += 1
                repaint(image, field)
                for curve, column in zip(curves, plumb, strict=True):
                    curve.set_data(field[:, column], depth[:, 0])
                years = time / (365.25 * 86400)
                caption.set_text(f"after {years:,.0f} years" if years >= 2 else f"after {clock(time)}")
                yield

        moving: list[Any] = [image, border, *words, *threads, *curves, caption]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        flux = eq.flux(end)[0]
        middle = flux[rows // 2]
        through = float(middle[gap[0]].sum() / middle.sum())
        away = float(np.abs(field - end).max())
        write_record(files.record, {**vars(args), "frames": count, "from_steady": away, "through_gap": through})
        balance = abs(float(flux[0].sum() - flux[-1].sum())) / float(flux[0].sum())
        print(f"in the steady state as much enters as leaves (to {balance:.0e}); {through:.0%} goes by the gap,")
        print(f"which is {gap.mean():.0%} of the width. The last frame is {away:.2g} away from it")
        print(f"{files.film} ({count} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
