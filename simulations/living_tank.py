"""A tank that lives: salt is fed in one place, leaves through another, and in between a balance sets in.

Two feeders (orange rings) dissolve salt into a tank with stones in it. All walls are glass but for a gate on the right,
behind which lies so much fresh water that the concentration there is held at zero:

    du/dt = div(D grad u) + source,    u = 0 on the gate,    no flux through glass and stone.

At first nearly everything that is fed stays. The more salt there is, the steeper it falls towards the gate and the more
flows out, until as much leaves as comes in. From then on nothing changes although everything moves: a steady state.
Where it lies does not depend on the start, so it can be solved for at once, without waiting:

    div(D grad u) + source = 0.

The lower picture is the distance that is left from there, the curves are the salt budget: what is fed, what leaves, and
what the tank holds. It closes at every moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    FLUX,
    GREEN,
    ORANGE,
    SALT,
    add_film,
    add_rng,
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
    time_unit,
    write_record,
)
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Circle

import diffuseconv as dc

SMALL = ["--cells", "20", "--frames", "5"]
LEAST = 1e-4  # of the largest concentration: the dark end of the colours of the distance


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--cells", type=at_least(12), default=120, help="cells from top to bottom; twice as many across")
    cli.add_argument("--height", type=positive, default=0.1, help="of the tank in metres")
    cli.add_argument("--diffusivity", type=positive, default=1.6e-9, help="of the salt, in m²/s")
    cli.add_argument("--fed", type=positive, default=1e-8, help="salt fed per time, in kg/s per metre of depth")
    cli.add_argument("--stones", type=at_least(0), default=16, help="stones in the tank")
    add_rng(cli, default=4)
    add_film(cli, frames=240)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "living_tank")
        rows, columns = args.cells, 2 * args.cells
        spacing = args.height / rows
        rng = np.random.default_rng(args.rng)
        y, x = (np.indices((rows, columns)) + 0.5) / rows  # in heights of the tank
        feeders = [(0.3, 0.3), (0.75, 0.55)]
        fed = np.zeros((rows, columns))
        for row, column in feeders:
            fed[np.hypot(y - row, x - column) < 0.06] = 1.0
        water = np.ones((rows, columns), dtype=bool)
        for _ in range(args.stones):
            row, column, size = rng.uniform(0, 1), rng.uniform(0.15, 1.85), rng.uniform(0.04, 0.11)
            if all(np.hypot(row - r, column - c) > 0.16 + size for r, c in feeders):
                water &= np.hypot(y - row, x - column) > size
        source = fed * args.fed / (fed.sum() * spacing**2)
        gate = np.abs(y[:, -1] - 0.5) < 0.25
        # glass is a wall that only lets a flux of 0 through; the gate is one on which u is 0: a u + b D du/dn = 0
        side = dc.Robin(gate.astype(float), 1.0 - gate, 0.0)
        eq = dc.DiffusionEquation(
            args.diffusivity, spacing, ("reflecting", ("reflecting", side)), source=source, mask=water
        )
        u = np.zeros((rows, columns))
        end = eq.steady_state(u)
        held = eq.total_mass(end)
        duration = 7 * held / args.fed  # the salt in the tank is renewed once in held / fed
        times = duration * np.linspace(0, 1, args.frames) ** 2

        drawn = figure(1280, 720)
        grid = drawn.add_gridspec(
            2, 2, left=0.02, right=0.97, top=0.85, bottom=0.09, wspace=0.3, hspace=0.24, width_ratios=[1.35, 1]
        )
        drawn.suptitle("A living tank: fed, drained, and in the end in balance", size=17, y=0.975)
        caption = drawn.text(0.5, 0.9, "", ha="center", size=13, color=FAINT)
        dry = np.ma.masked_where(water, np.ones_like(u))
        fixed: list[Any] = []
        images = []
        shades = ((0, SALT, "the salt", "kg/m³"), (1, FLUX, "distance from the steady state (logarithmic)", "kg/m³"))
        for row, colours, title, unit in shades:
            axes = drawn.add_subplot(grid[row, 0])
            most = float(end.max())
            norm = LogNorm(LEAST * most, most) if row else Normalize(0, most)
            images.append(panel(axes, end if row else u, title, unit, colours, norm))
            fixed.append(axes.imshow(dry, cmap="gray", norm=Normalize(0, 3)))
            fixed += axes.plot([columns - 0.2] * 2, [rows * 0.25, rows * 0.75], color=GREEN, linewidth=5, clip_on=False)
            if row == 0:
                for place in feeders:
                    ring = Circle(
                        (place[1] * rows, place[0] * rows), 0.07 * rows, fill=False, color=ORANGE, linewidth=1.5
                    )
                    fixed.append(axes.add_patch(ring))
        length, name = time_unit(duration)
        plots = [drawn.add_subplot(grid[row, 1]) for row in (0, 1)]
        plots[0].set(ylabel="kg in the tank, per metre of depth", ylim=(0, 1.1 * held), xlim=(0, duration / length))
        plots[0].axhline(held, color=FAINT, linestyle="--", linewidth=1)
        plots[0].text(0, 1.02 * held, " steady state, solved for", color=FAINT, size=9)
        plots[1].set(xlabel=f"time ({name})", ylabel="kg/s, per metre of depth", ylim=(0, 1.15 * args.fed))
        plots[1].set(xlim=(0, duration / length))
        plots[1].axhline(args.fed, color=ORANGE, label="fed")
        salt = plots[0].plot([], [], color=BLUE)[0]
        out = plots[1].plot([], [], color=GREEN, label="leaves through the gate")[0]
        plots[1].legend(loc="lower right")

        seen: list[tuple[float, float, float]] = []
        away = 0.0

        def story() -> Iterator[None]:
            nonlocal away
            for time, field in eq.frames(u, times):
                leaves = float(eq.flux(field)[1][:, -1].sum()) * spacing
                seen.append((time / length, eq.total_mass(field), leaves))
                away = float(np.abs(field - end).max() / end.max())
                repaint(images[0], field)
                repaint(images[1], np.maximum(np.abs(field - end), LEAST * end.max()))
                moments = np.array(seen).T
                salt.set_data(moments[0], moments[1])
                out.set_data(moments[0], moments[2])
                caption.set_text(f"{clock(time)}: {leaves / args.fed:.0%} of what is fed leaves again")
                yield

        moving = [*images, *fixed, salt, out, caption]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        write_record(files.record, {**vars(args), "frames": len(seen), "from_steady": away, "steady_salt": held})
        print(f"after {clock(duration)} the tank holds {seen[-1][1]:.4g} kg/m, in the steady state {held:.4g};")
        print(
            f"{seen[-1][2] / args.fed:.2%} of what is fed leaves, and no cell is further than {away:.1e} from the end"
        )
        print(f"{files.film} ({len(seen)} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
