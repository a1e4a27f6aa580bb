"""A maze of glass walls, and a door in it that opens after a while.

A drop of brine sits in the first room of a maze. Salt finds its way not by searching but by forgetting: every grain
wanders at random, and all together they obey the diffusion equation

    du/dt = div(D grad u),

in which the glass faces simply carry no flux. So the concentration falls with the length of the way *through* the
maze, whatever the crow says: two rooms side by side may differ by a factor of a thousand if the path between them is
long. On the way from the first room to the last there is a door (orange). While it is shut no salt gets past it: the
salt behind the door is zero to the last digit. When it opens, the wave goes on, and after a very long time every room
holds the same. The colours are logarithmic: each step of the bar is a factor of ten.

Nothing is lost: the salt in front of the door and behind it always adds up to what was put in.
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
    ORANGE,
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
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm

import diffuseconv as dc

SMALL = ["--rooms", "4", "--room-cells", "3", "--frames", "6"]
LEAST = 1e-4  # of the first concentration: the dark end of the colours

Room = tuple[int, int]


def dig(rooms: int, rng: np.random.Generator) -> dict[Room, Room]:
    """Dig a maze by walking at random and backing out of dead ends; give for each room the one it was entered from."""
    entered: dict[Room, Room] = {(0, 0): (0, 0)}
    path = [(0, 0)]
    while path:
        row, column = path[-1]
        beside = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        fresh = [(r, c) for r, c in beside if 0 <= r < rooms and 0 <= c < rooms and (r, c) not in entered]
        if fresh:
            chosen = fresh[int(rng.integers(len(fresh)))]
            entered[chosen] = path[-1]
            path.append(chosen)
        else:
            path.pop()
    return entered


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    cli = parser(__doc__)
    cli.add_argument("--rooms", type=at_least(2), default=10, help="rooms along each side of the maze")
    cli.add_argument("--room-cells", type=at_least(2), default=16, help="cells along each side of a room")
    cli.add_argument("--side", type=positive, default=0.2, help="side of the tank in metres")
    cli.add_argument("--diffusivity", type=positive, default=1.6e-9, help="of the salt, in m²/s")
    cli.add_argument("--opens", type=positive, default=0.35, help="when the door opens, as a share of the run")
    cli.add_argument("--duration", type=positive, help="of the run in seconds; by default what the path needs")
    add_rng(cli, default=11)
    add_film(cli, frames=300)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        if args.opens >= 1:
            raise ValueError(f"--opens must be below 1, got {args.opens:g}")
        files = outputs(args.output, "barriers")
        rooms, size = args.rooms, args.room_cells
        n, spacing = rooms * size, args.side / (rooms * size)
        entered = dig(rooms, np.random.default_rng(args.rng))
        way = [(rooms - 1, rooms - 1)]
        while way[-1] != (0, 0):
            way.append(entered[way[-1]])
        way.reverse()
        metres = len(way) * args.side / rooms
        duration = args.duration or 0.5 * metres**2 / args.diffusivity
        opens = args.opens * duration
        here = len(way) // 2
        door = (way[here - 1], way[here])

        # glass between all rooms that were not joined; and the door, which is lifted
        passages = {frozenset(pair) for pair in entered.items()}
        shut = [np.zeros((n - 1, n), dtype=bool), np.zeros((n, n - 1), dtype=bool)]
        lifted = [np.full(part.shape, 10 * duration) for part in shut]
        glass: list[Any] = []
        doors: list[Any] = []
        for row, column in np.ndindex(rooms, rooms):
            for axis, other in enumerate(((row + 1, column), (row, column + 1))):
                is_door = set(door) == {(row, column), other}
                if max(other) >= rooms or (frozenset(((row, column), other)) in passages and not is_door):
                    continue
                along = [slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size)]
                along[axis] = slice(other[axis] * size - 1, other[axis] * size)
                shut[axis][tuple(along)] = True
                ends = [(column * size - 0.5, row * size - 0.5), ((column + 1) * size - 0.5, (row + 1) * size - 0.5)]
                line = [(ends[0][0], ends[1][1]), ends[1]] if axis == 0 else [(ends[1][0], ends[0][1]), ends[1]]
                (doors if is_door else glass).append(line)
                if is_door:
                    lifted[axis][tuple(along)] = opens
        walls = [dc.Barrier(faces, lifted_at=when) for faces, when in zip(shut, lifted, strict=True)]
        eq = dc.DiffusionEquation(args.diffusivity, spacing, barriers=walls)
        u = np.zeros((n, n))
        u[:size, :size] = 1.0
        behind = np.zeros((rooms, rooms), dtype=bool)
        for room in entered:
            step = room
            while step != (0, 0) and not (step == door[1] and entered[step] == door[0]):
                step = entered[step]
            behind[room] = step != (0, 0)
        beyond = np.kron(behind, np.ones((size, size), dtype=bool))
        first = args.frames // 2  # fresh salt is quick: more frames at the start, and again when the door opens
        times = np.append(
            opens * np.linspace(0, 1, first, endpoint=False) ** 2,
            opens + (duration - opens) * np.linspace(0, 1, args.frames - first) ** 2,
        )

        drawn = figure(1280, 720)
        left, right = drawn.subplots(1, 2, width_ratios=[1.45, 1])
        drawn.subplots_adjust(left=0.02, right=0.97, top=0.86, bottom=0.11, wspace=0.22)
        drawn.suptitle("Salt in a maze of glass: the way counts, not the distance", size=17, y=0.975)
        caption = drawn.text(0.5, 0.905, "", ha="center", size=13, color=FAINT)
        image = panel(left, np.maximum(u, LEAST), "", "concentration, kg/m³", norm=LogNorm(LEAST, 1))
        frame = [[(-0.5, -0.5), (n - 0.5, -0.5)], [(n - 0.5, -0.5), (n - 0.5, n - 0.5)]]
        frame += [[(n - 0.5, n - 0.5), (-0.5, n - 0.5)], [(-0.5, n - 0.5), (-0.5, -0.5)]]
        panes = LineCollection(glass + frame, colors=INK, linewidths=1.6)
        gate = LineCollection(doors, colors=ORANGE, linewidths=5)
        left.add_collection(panes)
        left.add_collection(gate)
        last = left.text((rooms - 0.5) * size, (rooms - 0.5) * size, "last\nroom", ha="center", va="center", size=8)
        unit, name = time_unit(duration)
        right.set(xlim=(0, duration / unit), ylim=(-0.02, 1.02), xlabel=f"time ({name})", ylabel="share of the salt")
        right.axvline(opens / unit, color=ORANGE, linewidth=1)
        right.text(opens / unit, 1.0, " the door opens", color=ORANGE, va="top", size=9)
        right.axhline(float(behind.mean()), color=FAINT, linewidth=0.8, linestyle=":")
        right.text(0, float(behind.mean()), " behind the door, in the end", color=FAINT, va="bottom", size=8)
        curves = [
            right.plot([], [], color=colour, label=label)[0]
            for colour, label in ((BLUE, "in front of the door"), (GREEN, "behind the door"))
        ]
        right.legend(loc="center right")

        seen: list[tuple[float, float, float]] = []

        def story() -> Iterator[None]:
            for time, field in eq.frames(u, times):
                salt = float(field[beyond].sum()) / size**2
                seen.append((time / unit, float(field[~beyond].sum()) / size**2, salt))
                repaint(image, np.clip(field, LEAST, 1))
                gate.set(linewidth=5 if time < opens else 1.5, linestyle="-" if time < opens else ":")
                for curve, values in zip(curves, np.array(seen).T[1:], strict=True):
                    curve.set_data([moment for moment, *_ in seen], values)
                caption.set_text(f"{clock(time)}: the door is {'shut' if time < opens else 'open'}")
                yield

        moving: list[Any] = [image, panes, gate, last, *curves, caption]
        dc.write_movie(files.film, animate(drawn, moving, story()), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        lost = abs(seen[-1][1] + seen[-1][2] - 1)
        results = {"frames": len(seen), "opens": opens, "behind": seen[-1][2], "behind_in_the_end": behind.mean()}
        write_record(files.record, {**vars(args), **results, "duration": duration, "lost": lost})
        before = max((salt for moment, _, salt in seen if moment * unit <= opens), default=0.0)
        print(f"the way to the last room is {metres:.2f} m; behind the door {before:.3g} of the salt before it opens,")
        print(
            f"{seen[-1][2]:.3f} after {clock(duration)} and {behind.mean():.3f} in the end; lost on the way: {lost:.1e}"
        )
        print(f"{files.film} ({len(seen)} frames), {files.still}, {files.record}")


if __name__ == "__main__":
    main()
