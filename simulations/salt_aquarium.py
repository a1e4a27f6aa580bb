"""Salt in an aquarium: lift the barriers between the cubes of an image and watch it mix.
======================================================================================

A shallow tank of water is split by thin barriers into small cubes, each with its own concentration of salt. Seen from
above it is an image: a cube is a pixel, its salt the intensity. While the barriers stand nothing moves. When they are
lifted, every grain of salt goes its own random way, and all together obey the diffusion equation

    du/dt = div(D grad u),    flux = -D grad u,

with u the concentration (kg/m3) and D the diffusivity (m2/s). Where neighbours differ much the mixing is violent: the
flux is large; where they differ little it is slow. Detail of size L is gone after about L^2/D: single cubes of 1 mm in
minutes, the tank of 256 mm in months. So the film's clock runs geometrically, each frame later by the same factor.
Two numbers tell the story: the salt in the tank, which walls of glass keep constant to the last digit, and the
contrast (the standard deviation of the concentration), which only ever falls.

The tank holds at first (`--start`): a photograph; two halves with a wall between them that stays and has a hole; a
checkerboard; random cubes; or a round drop of brine in fresh water.

With `--record RUN` every frame is kept on disk before the next is made, and the film is drawn from there; after a
power cut `--resume RUN` goes on from the last frame, bitwise as if there had been none (extra `io`).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import _common as sim
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

import diffuseconv as dc

Field = NDArray[np.float64]
Faces = list[NDArray[np.bool_]]
SMALL = ["--size", "24", "--frames", "8", "--start", "halves"]
STARTS = ("photo", "halves", "checkerboard", "random", "drop")
BRINE = 35.0  # kg/m3 where the image is white: sea water
DECADES = 3.5  # of flux that colours tell apart
MOMENTS = 6  # in the still picture


@dataclass(frozen=True)
class Moment:
    """The tank at a time after the barriers are lifted; a negative time is before."""

    time: float
    salt: Field
    flux: Field  # its size in each cube, mg/(m2 s)
    grams: float


def main(argv: Sequence[str] | None = None) -> None:
    """Run the aquarium from the command line."""
    sim.run(options(), argv, simulate)


def options() -> argparse.ArgumentParser:
    """Return the options of this script."""
    cli = sim.parser(__doc__)
    cli.add_argument("--start", choices=STARTS, default="photo", help="what the tank holds at first")
    sim.add_image(cli)
    cli.add_argument("--size", type=sim.at_least(2), default=256, help="cubes along each side of the tank")
    cli.add_argument("--spacing", type=sim.positive, default=1e-3, help="width of a cube in m")
    cli.add_argument("--diffusivity", type=sim.positive, default=1.6e-9, help="of salt in water, in m2/s")
    cli.add_argument(
        "--duration", type=sim.positive, help="s after the barriers are lifted (default: until nearly mixed)"
    )
    cli.add_argument("--boundary", choices=dc.boundary.NAMES, default="reflecting", help="sides; reflecting is glass")
    cli.add_argument(
        "--method", default="auto", help="of solution: auto, spectral, explicit, chebyshev, rational, uniformization"
    )
    kept = cli.add_mutually_exclusive_group()
    kept.add_argument("--record", type=Path, metavar="RUN", help="a folder to be made, where every frame is kept")
    kept.add_argument("--resume", type=Path, metavar="RUN", help="go on with such a run, and with its options")
    sim.add_film(cli)
    sim.add_rng(cli)
    return cli


def simulate(args: argparse.Namespace) -> sim.Film:
    """Draw the tank, its flux and two curves, and let the barriers be lifted."""
    if args.resume:
        restore(args)
    complete(args)
    drawn = sim.figure(960, 640)
    start = initial_field(args.start, args.size, args.image, args.rng)
    if args.record or args.resume:
        keep_run(args, start)
    shades = norms(start, free_tank(args))
    tank = Tank(drawn, args, start, shades)
    curves = Curves(drawn, args)
    drawn.text(0.035, 0.945, "Salt aquarium", fontsize=17, weight="bold")
    drawn.text(
        0.965, 0.895, f"{args.size} × {args.size} cubes of {sim.length(args.spacing)}", color=sim.FAINT, ha="right"
    )
    clock_text = drawn.text(0.965, 0.945, "", fontsize=14, ha="right")
    kept: list[Moment] = []

    def story() -> sim.Story:
        keep = moments_to_keep(args)
        for number, now in enumerate(history(args, start)):
            kept.extend([now] * keep.count(number))
            tank.show(now)
            curves.show(now)
            after_lifting = f"{sim.clock(now.time)} after lifting the barriers"
            clock_text.set_text(after_lifting if now.time > 0 else "the barriers stand: nothing moves")
            yield
        return summary(kept[0], kept[-1])

    moving = [*tank.moving, *curves.moving, clock_text]
    return sim.Film(drawn, moving, story(), lambda: still(args, kept, shades))


def complete(args: argparse.Namespace) -> None:
    """Check which options exclude each other, and set the duration that was not given."""
    if args.image and args.start != "photo":
        raise sim.OptionError(f"--image belongs to --start photo, got --start {args.start}")
    if args.duration is None:  # so many times the life of the slowest mode; a hole slows it down
        slowest = (args.size * args.spacing / np.pi) ** 2 / args.diffusivity
        args.duration = (16 if args.start == "halves" else 4) * slowest


# --- the run on disk -------------------------------------------------------------------------------------------------


def restore(args: argparse.Namespace) -> None:
    """Set the options to those of the run that goes on."""
    options = dc.resume(args.resume).parameters
    vars(args).update({name: options[name] for name in options if name not in ("output", "preset", "record", "resume")})


def keep_run(args: argparse.Namespace, start: Field) -> None:
    """Record the whole story, or the rest of it."""
    times = np.concatenate([waiting_times(args), mixing_times(args)])
    if args.resume:
        last = dc.resume(args.resume)
        last.record(steps(args, last.field, times[last.frames - 1 :]))
    else:
        units = {"salt": "kg/m3", "time": "s", "y": "m", "x": "m"}
        frames = steps(args, start, times)
        dc.record(args.record, frames, name="salt", spacing=args.spacing, units=units, parameters=vars(args))


def steps(args: argparse.Namespace, salt: Field, times: Field) -> Iterator[tuple[float, Field]]:
    """Yield the tank at each time, made only from the time before."""
    free = free_tank(args)
    yield float(times[0]), salt
    for before, after in pairwise(times.tolist()):
        if after > 0:
            salt = free.evolve(salt, after - max(before, 0.0), method=args.method)
        yield after, salt


# --- the physics -----------------------------------------------------------------------------------------------------


def initial_field(name: str, size: int, image: Path | None, rng: int) -> Field:
    """Return the concentration before the barriers are lifted, in kg/m3."""
    row, column = np.indices((size, size)) - (size - 1) / 2
    if name == "photo":
        return BRINE * sim.photograph(image, (size, size))
    if name == "random":
        return BRINE * np.random.default_rng(rng).random((size, size))
    if name == "halves":
        full = column < 0
    elif name == "checkerboard":
        full = (np.indices((size, size)) // max(1, size // 8)).sum(axis=0) % 2 == 1
    else:
        full = row**2 + column**2 <= (size / 5) ** 2
    return np.where(full, BRINE, 0.0)


def barriers(size: int, shut: bool) -> Faces:
    """Return the faces between neighbouring cubes, all shut or all open, for each axis."""
    return [np.full((size - 1, size), shut), np.full((size, size - 1), shut)]


def wall_with_a_hole(size: int) -> Faces:
    """Return a wall down the middle, but for a hole of an eighth of its height."""
    wall = barriers(size, False)
    column, low, high = hole(size)
    wall[1][:low, column] = wall[1][high:, column] = True
    return wall


def hole(size: int) -> tuple[int, int, int]:
    """Return the column of cubes that the wall stands to the right of, and the rows that the hole is between."""
    half = max(1, size // 16)
    return (size - 1) // 2, size // 2 - half, size // 2 + half


def standing_tank(args: argparse.Namespace) -> dc.DiffusionEquation:
    """Return the tank while all barriers stand."""
    return dc.DiffusionEquation(args.diffusivity, args.spacing, barriers=barriers(args.size, True))


def free_tank(args: argparse.Namespace) -> dc.DiffusionEquation:
    """Return the tank after the barriers are lifted."""
    left = wall_with_a_hole(args.size) if args.start == "halves" else None
    return dc.DiffusionEquation(args.diffusivity, args.spacing, barriers=left, boundary=args.boundary)


def history(args: argparse.Namespace, start: Field) -> Iterator[Moment]:
    """Yield every frame: first the barriers stand, then they are gone."""
    waiting = waiting_times(args)
    standing, free = standing_tank(args), free_tank(args)
    if args.record or args.resume:
        run = dc.open_run(args.record or args.resume)
        for time, salt in zip(run.time.values.tolist(), run.salt, strict=True):
            yield moment(time, salt.values, standing if time < 0 else free, args.spacing)
        return
    for time, salt in standing.frames(start, waiting - waiting[0]):
        yield moment(time + waiting[0], salt, standing, args.spacing)
    for time, salt in free.frames(start, mixing_times(args), method=args.method):
        yield moment(time, salt, free, args.spacing)


def moment(time: float, salt: Field, eq: dc.DiffusionEquation, depth: float) -> Moment:
    """Return what is shown of the tank at one time; its total mass is that of a layer of 1 m."""
    return Moment(time, salt, flux_size(eq, salt), 1e3 * depth * eq.total_mass(salt))


def waiting_times(args: argparse.Namespace) -> Field:
    """Return the times of the frames before the barriers are lifted: a fifth of them, evenly spaced."""
    return np.linspace(-args.duration / 10, 0.0, max(1, args.frames // 5), endpoint=False)


def mixing_times(args: argparse.Namespace) -> Field:
    """Return the times of the frames after, each later by the same factor: quick and slow mixing are both seen."""
    return np.geomspace(args.duration, first_time(args), args.frames - len(waiting_times(args)))[::-1]


def first_time(args: argparse.Namespace) -> float:
    """Return a time so short that even single cubes have hardly begun to mix."""
    return float(min(args.spacing**2 / args.diffusivity / 10, args.duration / 100))


def flux_size(eq: dc.DiffusionEquation, salt: Field) -> Field:
    """Return ``|D grad u|`` in each cube in mg/(m2 s): the root mean square over its two faces, of each axis."""
    down, right = eq.flux(salt)
    squares = down[1:] ** 2 + down[:-1] ** 2 + right[:, 1:] ** 2 + right[:, :-1] ** 2
    return np.asarray(1e6 * np.sqrt(squares / 2))


# --- the pictures ----------------------------------------------------------------------------------------------------


def norms(start: Field, free: dc.DiffusionEquation) -> tuple[Normalize, Normalize]:
    """Return what the colours mean: salt from 0 to the most there is; flux in powers of ten below the first."""
    most = float(flux_size(free, start).max()) or 1.0
    return Normalize(0.0, float(start.max()) or 1.0), LogNorm(most / 10**DECADES, most, clip=True)


def draw_wall(axes: Axes, args: argparse.Namespace) -> LineCollection:
    """Draw the wall that stays, if there is one."""
    column, low, high = hole(args.size)
    ends = [low - 0.5, args.size - 0.5]
    wall = axes.vlines([column + 0.5] * 2, [-0.5, high - 0.5], ends, colors="white", linewidths=3)
    wall.set_visible(args.start == "halves")
    return wall


def draw_barriers(axes: Axes, size: int, width: float = 0.8) -> tuple[LineCollection, str]:
    """Draw the barriers that will be lifted, at most 32 a side, and return how many that is in words."""
    every = 2 ** max(0, int(np.ceil(np.log2(size / 32))))
    ends = (-0.5, size - 0.5)
    upright = np.array([[(place - 0.5, end) for end in ends] for place in range(every, size, every)]).reshape(-1, 2, 2)
    grid = LineCollection([*upright, *upright[..., ::-1]], colors="white", linewidths=width)
    axes.add_collection(grid)
    return grid, "barriers" if every == 1 else f"barriers (one in {every} is drawn)"


class Tank:
    """The salt and its flux, and the barriers, which fade."""

    def __init__(
        self, drawn: Figure, args: argparse.Namespace, start: Field, shades: tuple[Normalize, Normalize]
    ) -> None:
        salt_axes, flux_axes = (drawn.add_axes((x, 0.335, 0.36, 0.505)) for x in (0.02, 0.51))
        self.salt = sim.panel(salt_axes, start, "salt", "concentration (kg/m³)", sim.SALT, shades[0])
        calm = np.full_like(start, float(shades[1].vmin or 0))
        self.flux = sim.panel(flux_axes, calm, "flux |D∇u|: how violently it mixes", "mg/(m² s)", sim.FLUX, shades[1])
        self.grid, note = draw_barriers(salt_axes, args.size)
        self.label = salt_axes.text(
            0.0, -0.035, note, transform=salt_axes.transAxes, color=sim.FAINT, fontsize=9, va="top"
        )
        self.wait = float(waiting_times(args)[0])
        self.moving = [self.salt, self.flux, self.grid, self.label]
        for axes in (salt_axes, flux_axes):
            draw_wall(axes, args)

    def show(self, now: Moment) -> None:
        """Show a moment."""
        sim.repaint(self.salt, now.salt)
        sim.repaint(self.flux, now.flux)
        standing = max(0.0, now.time / self.wait)  # 1 at first, 0 when lifted
        for artist in (self.grid, self.label):
            artist.set(alpha=min(3 * standing, 1.0), visible=standing > 0)


class Curves:
    """Salt in the tank and contrast over time, as shares of the start."""

    def __init__(self, drawn: Figure, args: argparse.Namespace) -> None:
        axes = drawn.add_axes((0.085, 0.1, 0.62, 0.175))
        first, count = first_time(args), len(waiting_times(args))
        left = first * (first / args.duration) ** 0.12  # the time axis starts with room for the wait
        wait = np.geomspace(left, first, count, endpoint=False)
        self.places = iter([*wait, *mixing_times(args)])  # where each frame lies on the time axis
        axes.axvspan(left, first, color=sim.EMPTY, lw=0)
        axes.text(float(wait[count // 2]), 8, "barriers\nstand", color=sim.FAINT, fontsize=8, ha="center")
        axes.set(xlim=(left, args.duration), ylim=(-4, 112), yticks=[0, 50, 100], ylabel="% of the start")
        axes.grid(axis="y")
        sim.mark_times(axes, first, args.duration)
        axes.set_xlabel("time since the barriers were lifted")
        self.lines: list[Line2D] = [axes.plot([], [], color=colour)[0] for colour in (sim.ORANGE, sim.BLUE)]
        self.numbers = []
        for y, colour, name in (
            (0.25, sim.ORANGE, "salt in the tank"),
            (0.142, sim.BLUE, "contrast (standard deviation)"),
        ):
            drawn.text(0.735, y, name, color=colour, fontsize=10)
            self.numbers.append(drawn.text(0.735, y - 0.046, "", color=colour, fontsize=14))
        self.first: Moment | None = None
        self.moving = [*self.lines, *self.numbers]

    def show(self, now: Moment) -> None:
        """Let the curves grow."""
        self.first = self.first or now
        whole, contrast = self.first.grams or 1.0, float(self.first.salt.std()) or 1.0
        sim.extend_curves(
            self.lines, next(self.places), [100 * now.grams / whole, 100 * float(now.salt.std()) / contrast]
        )
        self.numbers[0].set_text(f"{now.grams:.6g} g")
        self.numbers[1].set_text(f"{now.salt.std():.3g} kg/m³")


def moments_to_keep(args: argparse.Namespace) -> list[int]:
    """Return the frames of the still picture: the first, one where mixing has begun, the last, and evenly between."""
    after = mixing_times(args)
    wanted = np.geomspace(2 * first_time(args), args.duration, MOMENTS - 1)
    nearest = np.abs(np.log(after[:, None] / wanted)).argmin(axis=0)
    return [0, *(len(waiting_times(args)) + nearest).tolist()]


def still(args: argparse.Namespace, shown: list[Moment], shades: tuple[Normalize, Normalize]) -> Figure:
    """Draw six moments, salt above flux."""
    drawn = sim.figure(1500, 600)
    drawn.text(0.022, 0.945, "Salt aquarium", fontsize=18, weight="bold")
    says = "Lift the barriers between the cubes: where neighbours differ much salt flows violently, until all is even"
    drawn.text(0.938, 0.947, says, color=sim.FAINT, fontsize=11, ha="right")
    rows = [("salt", "kg/m³", sim.SALT, shades[0]), ("flux", "mg/(m² s)", sim.FLUX, shades[1])]
    for column, now in enumerate(shown):
        for row, (name, unit, colours, norm) in enumerate(rows):
            axes = drawn.add_axes((0.022 + 0.155 * column, 0.465 - 0.41 * row, 0.148, 0.37))
            bar = f"{name} ({unit})" if column == MOMENTS - 1 else None
            sim.panel(axes, np.maximum(getattr(now, name), norm.vmin or 0.0), "", bar, colours, norm)
            draw_wall(axes, args)
            if row == 0:
                axes.set_title(f"after {sim.clock(now.time)}" if now.time > 0 else "barriers standing")
            if row == 0 and now.time <= 0:
                draw_barriers(axes, args.size, 0.4)
    return drawn


def summary(first: Moment, last: Moment) -> tuple[dict[str, float], str]:
    """Return what the record tells, and a closing line."""
    results = {
        "salt_before_g": first.grams,
        "salt_after_g": last.grams,
        "contrast_before": first.salt.std(),
        "contrast_after": last.salt.std(),
    }
    change = f"{abs(last.grams - first.grams) / (first.grams or 1.0):.1e}"
    fall = f"contrast {first.salt.std():.3g} -> {last.salt.std():.3g} kg/m3"
    kept = (
        f"salt {first.grams:.9g} g before, {last.grams:.9g} g after {sim.clock(last.time)} (relative change {change})"
    )
    return results, f"{kept}; {fall}"


if __name__ == "__main__":
    main()
