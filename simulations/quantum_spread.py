"""A wave and a drop of salt, set free in the same box with the same D: one races and interferes, one creeps.
==========================================================================================================

The Schrödinger equation of a free particle is the diffusion equation with an imaginary diffusivity, D = i hbar / 2m.
Above left is an electron (probability of finding it), above right is salt whose diffusivity has the same size,
hbar / 2m = 0.58 cm2/s; both start with the same density, before the same screen with two slits.

On the lattice both are made of the same modes. A mode of salt decays; what has decayed is forgotten, so salt only ever
evens out. A mode of a wave turns its phase and keeps its size, so waves from the two slits add up here and cancel
there: behind the screen there are stripes. Then somebody looks. Each electron is found in one place, at random, as
likely as the square of the wave (Born's rule); the stripes come back as many are looked at. So it is with grains of
salt, but without stripes.

Below is the same on a line, from a single cell: the walker who hops by chance and the walker who hops by amplitude. The
variance of the first is 2 D t, whatever the cells; that of the second 2 (D t / dx)^2: it grows as t squared, and the
narrower the cell dx it starts from, the faster, because a wave in one small cell holds all velocities up to the
lattice's largest. (A wave shorter than 8 cells is refused: the lattice would carry it too slowly.)
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

import diffuseconv as dc

SMALL = ["--rows", "32", "--frames", "8", "--electrons", "40", "--wavelength", "4"]
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

LEAST_CELLS = 8  # in a wavelength: there a lattice wave is 5 % slower than a free one

Array = NDArray[Any]


@dataclass(frozen=True)
class Box:
    """The box in cells: their width in m, their number, and the cells of the screen."""

    spacing: float
    shape: tuple[int, int]
    screen: NDArray[np.bool_]


def box(rows: int) -> Box:
    """Return the box and its screen with two slits."""
    cell = HEIGHT / rows
    shape = (rows, round(WIDTH / cell))
    y = (np.arange(rows) + 0.5) * cell
    slits = abs(abs(y - HEIGHT / 2) - GAP / 2) < SLIT / 2
    first, thick = int(SCREEN / cell), max(1, round(THICK / cell))
    screen = np.zeros(shape, bool)
    screen[~slits, first : first + thick] = True
    return Box(cell * NM, shape, screen)


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    sim.add_film(cli, frames=300)
    sim.add_rng(cli)
    cli.add_argument("--rows", type=sim.at_least(16), default=160, help="cells along the height of the box (16 nm)")
    cli.add_argument("--wavelength", type=sim.positive, default=1.0, help="of the electron, in nm (at least 8 cells)")
    cli.add_argument("--duration", type=sim.positive, default=22.0, help="until somebody looks, in fs")
    cli.add_argument(
        "--electrons", type=sim.at_least(1, 10**9), default=4000, help="how many are looked at, one after the other"
    )
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Set both free, then look where the electrons and the grains are."""
    inside, size = box(args.rows), HBAR / (2 * ELECTRON)
    least = LEAST_CELLS * inside.spacing / NM
    if args.wavelength < least * (1 - 1e-12):
        raise sim.OptionError(
            f"--wavelength must be at least 8 cells ({least:g} nm with --rows {args.rows}), got {args.wavelength:g}"
        )
    running = max(2, round(args.frames * (1 - LOOKING)))
    times = np.linspace(0.0, args.duration * FS, running)
    psi = dc.quantum.wave_packet(
        inside.shape,
        [place * NM for place in START],
        [wide * NM for wide in PACKET],
        (0.0, 2 * np.pi / (args.wavelength * NM)),
        spacing=inside.spacing,
    )
    waves = dc.quantum.frames(psi, times, ELECTRON, HBAR, WALL * inside.screen, spacing=inside.spacing)
    faces = [np.diff(inside.screen, axis=axis) for axis in (0, 1)]
    salts = dc.DiffusionEquation(size, inside.spacing, barriers=faces).frames(abs(psi) ** 2, times)

    drawn = sim.figure(1280, 800)
    drawn.text(0.03, 0.945, "A wave and a drop of salt, with the same |D|", fontsize=17, weight="bold")
    clock_text = drawn.text(0.965, 0.945, "", fontsize=14, ha="right")
    boxes = Boxes(drawn, inside, args.rng)
    line = Line(drawn, args.duration, size, inside.spacing)

    def story() -> sim.Story:
        wave, salt = psi, abs(psi) ** 2
        for (time, wave), (_, salt) in zip(waves, salts, strict=True):
            boxes.show(abs(wave) ** 2, salt)
            line.show(time)
            clock_text.set_text(f"{time / FS:.1f} fs")
            yield
        boxes.show(DIMMED * abs(wave) ** 2, DIMMED * salt)  # so that the finds stand out
        looking = args.frames - running
        for total in np.round(np.geomspace(1, args.electrons, looking)).astype(int) if looking else ():
            boxes.find(total, wave, np.sqrt(np.maximum(salt, 0)))
            yield
        ends = [float(variance[-1]) for variance in line.variances]
        told = f"after {args.duration:g} fs on a line, from a single cell of {inside.spacing / NM:g} nm: variance "
        told += f"{ends[0]:.4g} nm² of the wave (2 (D t / Δx)²), {ends[1]:.4g} nm² of the salt (2 D t)"
        return {"diffusivity": size, "wave_variance_nm2": ends[0], "salt_variance_nm2": ends[1]}, told

    return sim.Film(drawn, [*boxes.moving, clock_text, *line.moving], story())


class Boxes:
    """The electron and the salt before the same screen, and where they were found."""

    def __init__(self, drawn: Figure, inside: Box, rng: int) -> None:
        self.cell, self.rng = inside.spacing / NM, np.random.default_rng(rng)
        norm = PowerNorm(0.5, 0.0, BRIGHT, clip=True)
        left, right = (drawn.add_axes((x, 0.405, 0.43, 0.505)) for x in (0.02, 0.465))
        nothing = np.zeros(inside.shape)
        self.images = [
            sim.panel(left, nothing, "electron: Schrödinger equation, D = iħ/2m", None, norm=norm),
            sim.panel(right, nothing, "salt: diffusion equation, D = ħ/2m", "probability per nm²", norm=norm),
        ]
        self.dots = [draw_screen(axes, inside) for axes in (left, right)]
        self.note = left.text(1.0, -0.03, "", transform=left.transAxes, fontsize=11, ha="right", va="top")
        self.found = [np.empty((0, 2)), np.empty((0, 2))]
        self.moving = [*self.images, *self.dots, self.note]

    def show(self, *densities: Array) -> None:
        """Show the probabilities of each cell as densities."""
        for image, density in zip(self.images, densities, strict=True):
            sim.repaint(image, density / self.cell**2)

    def find(self, total: int, *amplitudes: Array) -> None:
        """Look at so many in all, each of which is in one place."""
        for side, psi in enumerate(amplitudes):
            counts = dc.quantum.sample_positions(psi, total - len(self.found[side]), rng=self.rng)
            cells = np.repeat(np.argwhere(counts), counts[counts > 0], axis=0)
            self.found[side] = np.vstack([self.found[side], cells + self.rng.random(cells.shape) - 0.5])
            self.dots[side].set_data(self.found[side][:, 1], self.found[side][:, 0])
        self.note.set_text(f"{total} looked at: each was in one place")


def draw_screen(axes: Axes, inside: Box) -> Line2D:
    """Draw the screen and a scale over the picture; return the dots of what is found, none yet."""
    column = np.flatnonzero(inside.screen.any(axis=0))
    cuts = np.flatnonzero(np.diff(np.concatenate([[False], inside.screen[:, column[0]], [False]])))
    wide = column[-1] - column[0] + 1
    for low, high in cuts.reshape(-1, 2):
        axes.add_patch(
            Rectangle((column[0] - 0.5, low - 0.5), wide, high - low, color=sim.FAINT, linewidth=0, zorder=3)
        )
    sim.scale_bar(axes, inside.spacing)
    (dots,) = axes.plot([], [], ".", color="white", markersize=3.0, markeredgewidth=0, zorder=4)
    return dots


class Line:
    """The walkers on a line, from a single cell, and their variances."""

    def __init__(self, drawn: Figure, duration: float, size: float, spacing: float) -> None:
        rate, stencil = 2 * size / spacing**2, [0.5, 0.0, 0.5]  # hops per second
        half = int(1.15 * rate * duration * FS) + 24
        x = np.arange(-half, half + 1) * spacing / NM
        start = np.eye(1, 2 * half + 1, half)[0]
        self.density: list[Callable[[float], Array]] = [
            lambda time: dc.quantum.quantum_walk(start, stencil, time, rate) * NM / spacing,
            lambda time: dc.quantum.classical_walk(start, stencil, time, rate) * NM / spacing,
        ]
        axes = drawn.add_axes((0.07, 0.085, 0.43, 0.225))
        axes.set(
            title=f"on a line, from a single cell of {spacing / NM:g} nm", xlabel="distance in nm", ylabel="per nm"
        )
        axes.set(xlim=(x[0], x[-1]), ylim=(0, 1.6 * self.density[1](duration * FS).max()))
        self.lines = [axes.plot(x, 0 * x, color=colour, linewidth=1.2)[0] for colour in (sim.BLUE, sim.ORANGE)]
        self.when = np.geomspace(duration / 300, duration, 200)
        self.variances = [
            np.array([density(time * FS) @ x**2 for time in self.when]) * spacing / NM for density in self.density
        ]
        plot = drawn.add_axes((0.60, 0.085, 0.29, 0.225))
        plot.set(title="variance in nm² (of the wave: ∝ 1/cell²)", xlabel="fs", xscale="log", yscale="log")
        plot.set(xlim=(self.when[0], duration), ylim=(self.variances[1][0] / 3, self.variances[0][-1] * 2))
        plot.grid(axis="y")
        self.curves = []
        for colour, name, variance in zip(
            (sim.BLUE, sim.ORANGE), ("wave: ∝ t²", "salt: ∝ t"), self.variances, strict=True
        ):
            plot.plot(self.when, variance, color=colour, linewidth=0.8, alpha=0.4)
            self.curves.append(plot.plot([], [], color=colour, linewidth=2.4)[0])
            plot.text(self.when[-1] * 1.06, variance[-1], name, color=colour, fontsize=11, va="center")
        self.moving = [*self.lines, *self.curves]

    def show(self, time: float) -> None:
        """Show both walkers at a time."""
        past = self.when <= time / FS
        for line, density, curve, variance in zip(self.lines, self.density, self.curves, self.variances, strict=True):
            line.set_ydata(density(time))
            curve.set_data(self.when[past], variance[past])


def main(argv: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    sim.run(options(), argv, simulate)


if __name__ == "__main__":
    main()
