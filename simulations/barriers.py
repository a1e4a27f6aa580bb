"""A maze of glass walls, and a door in it that opens after a while.
=================================================================

A drop of brine sits in the first room of a maze. Salt gets through not by searching but by forgetting: every grain
wanders at random, and all together they obey the diffusion equation

    du/dt = div(D grad u),

in which the glass faces simply carry no flux. So the concentration falls with the length of the path *through* the
maze, not with the distance as the crow flies: two rooms side by side may differ by a factor of a thousand if the path
between them is long. On the path from the first room to the last there is a door (orange). While it is shut no salt
gets past it: the salt behind the door is zero to the last digit. When it opens, the wave goes on, and after a very
long time every room holds the same. The colours are logarithmic: each step of the bar is a factor of ten.

Nothing is lost: the salt in front of the door and behind it always adds up to what was put in.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--rooms", "4", "--room-cells", "3", "--frames", "6"]
LEAST = 1e-4  # of the first concentration: the dark end of the colours

Room = tuple[int, int]
Pane = list[tuple[float, float]]


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--rooms", type=sim.at_least(2), default=10, help="rooms along each side of the maze")
    cli.add_argument("--room-cells", type=sim.at_least(2), default=16, help="cells along each side of a room")
    cli.add_argument("--side", type=sim.positive, default=0.2, help="side of the tank in metres")
    cli.add_argument("--diffusivity", type=sim.positive, default=1.6e-9, help="of the salt, in m²/s")
    cli.add_argument("--opens", type=sim.share, default=0.35, help="when the door opens, as a share of the run")
    cli.add_argument("--duration", type=sim.positive, help="of the run in seconds; by default what the path needs")
    sim.add_rng(cli, default=11)
    sim.add_film(cli, frames=300)
    return cli


def dig(rooms: int, rng: np.random.Generator) -> dict[Room, Room]:
    """Dig a maze by walking at random and backing out of dead ends; return for each room where it was entered from."""
    entered: dict[Room, Room] = {(0, 0): (0, 0)}
    path = [(0, 0)]
    while path:
        row, column = path[-1]
        neighbours = [(row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)]
        fresh = [(r, c) for r, c in neighbours if 0 <= r < rooms and 0 <= c < rooms and (r, c) not in entered]
        if fresh:
            chosen = fresh[int(rng.integers(len(fresh)))]
            entered[chosen] = path[-1]
            path.append(chosen)
        else:
            path.pop()
    return entered


@dataclass(frozen=True)
class Maze:
    """Rooms, and a door halfway between the first and the last of them."""

    rooms: int
    size: int  # cells along each side of a room
    entered: dict[Room, Room]

    @property
    def path(self) -> list[Room]:
        """The rooms on the path from the first to the last."""
        rooms = [(self.rooms - 1, self.rooms - 1)]
        while rooms[-1] != (0, 0):
            rooms.append(self.entered[rooms[-1]])
        return rooms[::-1]

    @property
    def door(self) -> tuple[Room, Room]:
        """The rooms before and behind the door."""
        path = self.path
        return path[len(path) // 2 - 1], path[len(path) // 2]

    @property
    def behind(self) -> NDArray[np.bool_]:
        """Which rooms lie behind the door."""
        behind = np.zeros((self.rooms, self.rooms), dtype=bool)
        for room in self.entered:
            step = room
            while step != (0, 0) and (self.entered[step], step) != self.door:
                step = self.entered[step]
            behind[room] = step != (0, 0)
        return behind

    def shut_faces(self) -> Iterator[tuple[int, tuple[slice, slice], Pane, bool]]:
        """Yield each wall between two rooms: its axis, its faces, the line to draw, and whether it is the door."""
        passages = {frozenset(pair) for pair in self.entered.items()}
        size = self.size
        for row, column in np.ndindex(self.rooms, self.rooms):
            for axis, other in enumerate(((row + 1, column), (row, column + 1))):
                is_door = set(self.door) == {(row, column), other}
                if max(other) >= self.rooms or (frozenset(((row, column), other)) in passages and not is_door):
                    continue
                faces = [slice(row * size, (row + 1) * size), slice(column * size, (column + 1) * size)]
                faces[axis] = slice(other[axis] * size - 1, other[axis] * size)
                corner = ((column + 1) * size - 0.5, (row + 1) * size - 0.5)
                along = (column * size - 0.5, corner[1]) if axis == 0 else (corner[0], row * size - 0.5)
                yield axis, (faces[0], faces[1]), [along, corner], is_door


def glass(maze: Maze, opens: float, end: float) -> tuple[list[dc.Barrier], list[Pane], list[Pane]]:
    """Return the walls as barriers (all lifted after the end, the door before), and the lines of walls and door."""
    n = maze.rooms * maze.size
    shut = [np.zeros((n - 1, n), dtype=bool), np.zeros((n, n - 1), dtype=bool)]
    lifted = [np.full(part.shape, 10 * end) for part in shut]
    lines: tuple[list[Pane], list[Pane]] = ([], [])
    for axis, faces, line, is_door in maze.shut_faces():
        shut[axis][faces] = True
        lines[is_door].append(line)
        if is_door:
            lifted[axis][faces] = opens
    corners = [(-0.5, -0.5), (n - 0.5, -0.5), (n - 0.5, n - 0.5), (-0.5, n - 0.5), (-0.5, -0.5)]
    return (
        [dc.Barrier(faces, lifted_at=when) for faces, when in zip(shut, lifted, strict=True)],
        [
            *lines[0],
            corners,
        ],
        lines[1],
    )


def simulate(args: argparse.Namespace) -> sim.Film:
    """Let salt find its way through the maze."""
    maze = Maze(args.rooms, args.room_cells, dig(args.rooms, np.random.default_rng(args.rng)))
    n = args.rooms * args.room_cells
    metres = len(maze.path) * args.side / args.rooms
    args.duration = args.duration or 0.5 * metres**2 / args.diffusivity
    opens = args.opens * args.duration
    walls, panes, doors = glass(maze, opens, args.duration)
    eq = dc.DiffusionEquation(args.diffusivity, args.side / n, barriers=walls)
    u = np.zeros((n, n))
    u[: maze.size, : maze.size] = 1.0
    whole, beyond = eq.total_mass(u), np.kron(maze.behind, np.ones((maze.size, maze.size)))

    drawn = sim.figure()
    caption = sim.heading(drawn, "Salt in a maze of glass: what counts is the path, not the distance")
    left, right = drawn.add_axes((0.02, 0.06, 0.44, 0.78)), drawn.add_axes((0.62, 0.12, 0.36, 0.6))
    image = sim.panel(left, np.maximum(u, LEAST), "", "concentration, kg/m³", norm=LogNorm(LEAST, 1))
    left.add_collection(LineCollection(panes, colors="white", linewidths=1.6))
    gate = left.add_collection(LineCollection(doors, colors=sim.ORANGE, linewidths=5))
    left.set_xlabel(f"{sim.length(args.side)} wide; the dark end: less than a ten-thousandth", color=sim.FAINT)
    last = (maze.rooms - 0.5) * maze.size
    left.text(last, last, "last\nroom", ha="center", va="center", size=8, color="white")
    curves, unit = draw_shares(right, args.duration, opens, float(maze.behind.mean()))

    def story() -> sim.Story:
        before, behind, front = 0.0, 0.0, 1.0
        for time, field in eq.frames(u, frame_times(args.frames, opens, args.duration)):
            behind, front = eq.total_mass(field * beyond) / whole, eq.total_mass(field * (1 - beyond)) / whole
            before = behind if time <= opens else before
            sim.repaint(image, np.clip(field, LEAST, 1))
            gate.set(linewidth=5 if time < opens else 1.5, linestyle="-" if time < opens else ":")
            sim.extend_curves(curves, time / unit, (front, behind))
            caption.set_text(f"{sim.clock(time)}: the door is {'shut' if time < opens else 'open'}")
            yield
        lost, end = abs(front + behind - 1), float(maze.behind.mean())
        told = (
            f"the path to the last room is {metres:.2f} m; behind the door {before:.3g} of the salt before it opens, "
        )
        told += f"{behind:.3f} after {sim.clock(args.duration)} and {end:.3f} in the end; lost: {lost:.1e}"
        return {"opens_at": opens, "behind": behind, "behind_in_the_end": end, "lost": lost}, told

    return sim.Film(drawn, [image, gate, *curves, caption], story(), still=0.68)


def frame_times(frames: int, opens: float, end: float) -> NDArray[np.float64]:
    """Return the times of the frames: fresh salt is quick, so more of them at the start and when the door opens."""
    first = frames // 2
    before = opens * np.linspace(0, 1, first, endpoint=False) ** 2
    return np.append(before, opens + (end - opens) * np.linspace(0, 1, frames - first) ** 2)


def draw_shares(axes: Axes, duration: float, opens: float, final: float) -> tuple[list[Line2D], float]:
    """Draw the axes of the shares of the salt; return the curves and the unit of time in seconds."""
    unit, name = sim.time_unit(duration)
    axes.set(xlim=(0, duration / unit), ylim=(-0.02, 1.02), xlabel=f"time ({name})", ylabel="share of the salt")
    axes.axvline(opens / unit, color=sim.ORANGE, linewidth=1)
    axes.text(opens / unit, 1.0, "  the door opens", color=sim.ORANGE, va="top", size=9)
    axes.axhline(final, color=sim.FAINT, linewidth=0.8, linestyle=":")
    axes.text(duration / unit, final, "behind the door, in the end", color=sim.FAINT, va="bottom", ha="right", size=8)
    names = ((sim.BLUE, "in front of the door"), (sim.GREEN, "behind the door"))
    curves = [axes.plot([], [], color=colour, label=label)[0] for colour, label in names]
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.01), ncols=2)
    return curves, unit


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
