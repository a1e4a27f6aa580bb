"""A wave and a drop of salt, set free in the same box with the same |D|: one races and interferes, one creeps.

The Schrödinger equation of a free particle is the diffusion equation with an imaginary diffusivity, D = i hbar / 2m.
Above left is an electron (probability of finding it), above right is salt whose diffusivity has the same size,
hbar / 2m = 0.58 cm2/s; both start with the same density, before the same screen with two slits.

On the lattice both are made of the same modes. A mode of salt decays; what has decayed is forgotten, so salt only ever
evens out. A mode of a wave turns its phase and keeps its size, so waves from the two slits add up here and cancel
there: behind the screen there are stripes. Then somebody looks. Each electron is found in one place, at random, as
likely as the square of the wave (Born's rule); the stripes come back as many are looked at. So it is with grains of
salt, but without stripes.

Below is the same on a line, from a single cell: the walker who hops by chance and the walker who hops by amplitude. The
variance of the first grows as t, that of the second as t squared.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from _common import (
    BLUE,
    FAINT,
    GROUND,
    INK,
    ORANGE,
    add_film,
    add_rng,
    animate,
    at_least,
    figure,
    one_line_errors,
    outputs,
    panel,
    parser,
    positive,
    repaint,
    write_record,
)
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--rows", "32", "--frames", "8", "--electrons", "40"]
HBAR, ELECTRON = 1.054571817e-34, 9.1093837e-31  # J s, kg
VOLT = 1.602176634e-19  # J
NM, FS = 1e-9, 1e-15
HEIGHT, WIDTH, SCREEN = 16.0, 24.0, 9.0  # of the box, and where the screen stands, in nm
START, PACKET = (8.0, 4.6), (2.6, 1.3)  # centre and standard deviation of the packet (y, x), in nm
THICK, SLIT, GAP = 0.2, 0.9, 3.0  # of the screen; width of a slit; distance between the two; in nm
WALL = 25 * VOLT  # height of the screen: many times the electron's energy
BRIGHT = 0.02  # probability per nm2 of the brightest colour
DIMMED = 0.15  # brightness of the waves behind what is found
LOOKING = 0.4  # share of the film in which electrons are looked at

Array = NDArray[Any]


@dataclass(frozen=True)
class Box:
    """The box in cells: their width in m, their number, and the cells of the screen."""

    spacing: float
    shape: tuple[int, int]
    screen: NDArray[np.bool_]


def box(rows: int) -> Box:
    """Put the screen with two slits into the box."""
    cell = HEIGHT / rows
    shape = (rows, round(WIDTH / cell))
    y = (np.arange(rows) + 0.5) * cell
    slits = abs(abs(y - HEIGHT / 2) - GAP / 2) < SLIT / 2
    first, thick = int(SCREEN / cell), max(1, round(THICK / cell))
    screen = np.zeros(shape, bool)
    screen[~slits, first : first + thick] = True
    return Box(cell * NM, shape, screen)


def main(argv: Sequence[str] | None = None) -> None:
    """Run the simulation and write its film, still picture and record."""
    cli = parser(__doc__)
    add_film(cli, frames=300)
    add_rng(cli)
    cli.add_argument("--rows", type=at_least(16), default=160, help="cells along the height of the box (16 nm)")
    cli.add_argument("--wavelength", type=positive, default=1.0, help="of the electron, in nm (at least 8 cells)")
    cli.add_argument("--duration", type=positive, default=22.0, help="until somebody looks, in fs")
    cli.add_argument("--electrons", type=at_least(1), default=4000, help="how many are looked at, one after the other")
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "quantum_spread")
        drawn, artists, updates, result = stage(args)
        dc.write_movie(files.film, animate(drawn, artists, updates), fps=args.fps, progress=True)
        drawn.savefig(files.still)
        write_record(files.record, {**vars(args), **result})
    wave, salt = (result[key] for key in ("wave_variance_nm2", "salt_variance_nm2"))
    print(f"after {args.duration:g} fs on a line: variance {wave:.4g} nm² of the wave, {salt:.4g} nm² of the salt")
    print(f"wrote {files.film}")


def stage(args: argparse.Namespace) -> tuple[Figure, list[Any], Iterator[None], dict[str, Any]]:
    """Draw what stands still, and say what moves and how."""
    scene, size = box(args.rows), HBAR / (2 * ELECTRON)
    running = max(2, round(args.frames * (1 - LOOKING)))
    times = np.linspace(0.0, args.duration * FS, running)
    psi = dc.quantum.wave_packet(
        scene.shape,
        [place * NM for place in START],
        [wide * NM for wide in PACKET],
        (0.0, 2 * np.pi / (args.wavelength * NM)),
        spacing=scene.spacing,
    )
    density = (scene.spacing / NM) ** -2 * abs(psi) ** 2

    drawn = figure(1280, 800)
    drawn.text(0.03, 0.953, "A wave and a drop of salt, with the same |D|", fontsize=17, weight="bold")
    clock = drawn.text(0.965, 0.953, "", fontsize=14, ha="right")
    norm = PowerNorm(0.5, 0.0, BRIGHT, clip=True)
    left, right = (drawn.add_axes((x, 0.405, 0.43, 0.505)) for x in (0.03, 0.475))
    shown = [
        panel(left, density, "electron: Schrödinger equation, D = iħ/2m", None, norm=norm),
        panel(right, density, "salt: diffusion equation, D = ħ/2m", "probability per nm²", norm=norm),
    ]
    dots, still = zip(*[looks(axes, scene) for axes in (left, right)], strict=True)
    note = left.text(1.0, -0.03, "", transform=left.transAxes, color=INK, fontsize=11, ha="right", va="top")
    line, curves, walkers, growth, ends = walks(drawn, args.duration, size, scene.spacing)

    waves = dc.quantum.frames(psi, times, ELECTRON, HBAR, WALL * scene.screen, spacing=scene.spacing)
    faces = [np.diff(scene.screen, axis=axis) for axis in (0, 1)]
    salts = dc.DiffusionEquation(size, scene.spacing, barriers=faces).frames(abs(psi) ** 2, times)
    chance = np.random.default_rng(args.rng)

    def updates() -> Iterator[None]:
        for (time, wave), (_, salt) in zip(waves, salts, strict=True):
            fields = [abs(wave) ** 2, salt]
            for image, field in zip(shown, fields, strict=True):
                repaint(image, field / (scene.spacing / NM) ** 2)
            clock.set_text(f"{time / FS:.1f} fs")
            for walker, rows in zip(line, walkers, strict=True):
                walker.set_ydata(rows(time))
            for curve, (when, variance) in zip(curves, growth, strict=True):
                past = when <= time / FS
                curve.set_data(when[past], variance[past])
            yield
        for image, field in zip(shown, fields, strict=True):  # dim, so that the finds stand out
            repaint(image, DIMMED * field / (scene.spacing / NM) ** 2)
        found = [np.empty((0, 2)), np.empty((0, 2))]
        looking = args.frames - running
        totals: Any = np.round(np.geomspace(1, args.electrons, looking)).astype(int) if looking else []
        for total in totals:
            for side, amplitudes in enumerate((wave, np.sqrt(np.maximum(salt, 0)))):
                counts = dc.quantum.sample_positions(amplitudes, total - len(found[side]), rng=chance)
                cells = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0)
                found[side] = np.vstack([found[side], cells + chance.random(cells.shape) - 0.5])
                dots[side].set_data(found[side][:, 1], found[side][:, 0])
            note.set_text(f"{total} looked at: each was in one place")
            yield

    artists = [*shown, *dots, *still[0], *still[1], note, clock, *line, *curves]
    result = {
        "diffusivity": size,
        **{f"{name}_variance_nm2": end for name, end in zip(("wave", "salt"), ends, strict=True)},
    }
    return drawn, artists, updates(), result


def looks(axes: Axes, scene: Box) -> tuple[Any, list[Any]]:
    """Draw dots, none yet, and what lies over the picture all the time: the screen and a scale."""
    cell = scene.spacing / NM
    column = np.flatnonzero(scene.screen.any(axis=0))
    cuts = np.flatnonzero(np.diff(np.concatenate([[False], scene.screen[:, column[0]], [False]])))
    wide = column[-1] - column[0] + 1
    lines: list[Any] = [
        axes.add_patch(Rectangle((column[0] - 0.5, low - 0.5), wide, high - low, color=FAINT, linewidth=0, zorder=3))
        for low, high in cuts.reshape(-1, 2)
    ]
    bar, height = np.array([0.8, 4.8]) / cell, 0.955 * scene.shape[0]
    lines += axes.plot(bar, [height] * 2, color=INK, linewidth=2)
    shade = {"facecolor": GROUND, "alpha": 0.7, "linewidth": 0, "pad": 2}
    middle = (bar.mean(), height - 0.025 * scene.shape[0])
    lines.append(axes.text(*middle, "4 nm", color=INK, fontsize=9, ha="center", bbox=shade, zorder=5))
    (dots,) = axes.plot([], [], ".", color=INK, markersize=3.0, markeredgewidth=0, zorder=4)
    return dots, lines


def walks(drawn: Figure, duration: float, size: float, spacing: float) -> tuple[list[Any], ...]:
    """Draw the walkers on a line; give their lines, the curves of variance, and what both will show."""
    rate = 2 * size / spacing**2  # hops per second
    half = int(1.15 * rate * duration * FS) + 24
    x = np.arange(-half, half + 1) * spacing / NM
    start = np.eye(1, 2 * half + 1, half)[0]
    stencil = [0.5, 0.0, 0.5]
    moves: list[Callable[[float], Array]] = [
        lambda time: dc.quantum.quantum_walk(start, stencil, time, rate) * NM / spacing,
        lambda time: dc.quantum.classical_walk(start, stencil, time, rate) * NM / spacing,
    ]
    axes = drawn.add_axes((0.07, 0.085, 0.44, 0.235))
    axes.set(title="on a line, from a single cell: where it is found", xlabel="distance in nm", ylabel="per nm")
    top = 1.6 * moves[1](duration * FS).max()
    axes.set(xlim=(x[0], x[-1]), ylim=(0, top))
    colours, names = (BLUE, ORANGE), ("wave: ∝ t²", "salt: ∝ t")
    line = [axes.plot(x, 0 * x, color=colour, linewidth=1.2)[0] for colour in colours]
    when = np.geomspace(duration / 300, duration, 200)
    plot = drawn.add_axes((0.60, 0.085, 0.30, 0.235))
    growth = [(when, np.array([move(time * FS) @ x**2 for time in when]) * spacing / NM) for move in moves]
    lowest = growth[1][1][0] / 3
    plot.set(title="variance in nm²", xlabel="fs", xscale="log", yscale="log", xlim=(when[0], when[-1]))
    plot.set_ylim(lowest, growth[0][1][-1] * 2)
    plot.grid(axis="y")
    curves = []
    for colour, name, (_, variance) in zip(colours, names, growth, strict=True):
        plot.plot(when, variance, color=colour, linewidth=0.8, alpha=0.4)
        curves.append(plot.plot([], [], color=colour, linewidth=2.4)[0])
        plot.text(when[-1] * 1.06, variance[-1], name, color=colour, fontsize=11, va="center")
    return line, curves, moves, growth, [float(variance[-1]) for _, variance in growth]


if __name__ == "__main__":
    main()
