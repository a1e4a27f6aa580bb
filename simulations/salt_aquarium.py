"""Salt in an aquarium: lift the barriers between the cubes of an image and watch it mix.

A shallow tank of water is split by thin barriers into small cubes, each with its own concentration of salt. Seen from
above it is an image: a cube is a pixel, its salt the intensity. While the barriers stand nothing moves. When they are
lifted, every grain of salt goes its own random way, and all together obey the diffusion equation

    du/dt = div(D grad u),    flux = -D grad u,

with u the concentration (kg/m3) and D the diffusivity (m2/s). Where neighbours differ much the mixing is violent: the
flux is large; where they differ little it is slow. Detail of size L is gone after about L^2/D: single cubes of 1 mm in
minutes, the tank of 256 mm in months. So the film's clock runs geometrically, each frame later by the same factor.
Two numbers tell the story: the salt in the tank, which walls of glass keep constant to the last digit, and the
contrast (the standard deviation of the concentration), which only ever falls.

Scenes: a photograph; two halves with a wall between them that stays and has a hole; a checkerboard; random cubes; a
round drop of brine in fresh water.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _common import (
    BLUE,
    FAINT,
    FLUX,
    INK,
    ORANGE,
    SALT,
    Outputs,
    add_film,
    add_image,
    add_rng,
    animate,
    at_least,
    clock,
    figure,
    mark_times,
    one_line_errors,
    outputs,
    panel,
    parser,
    photograph,
    positive,
    repaint,
    watched,
    write_record,
)
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm, Normalize
from numpy.typing import NDArray

import diffuseconv as dc

Field = NDArray[np.float64]
Faces = list[NDArray[np.bool_]]
SMALL = ["--size", "24", "--frames", "8", "--scene", "halves"]
SCENES = ("photo", "halves", "checkerboard", "random", "drop")
BRINE = 35.0  # kg/m3 where the image is white: sea water
DECADES = 3.5  # of flux that colours tell apart
MOMENTS = 6  # in the still picture


@dataclass(frozen=True)
class Moment:
    """The tank at a time after the barriers are lifted; a negative time is before."""

    time: float
    salt: Field
    flux: Field


def main(argv: Sequence[str] | None = None) -> None:
    """Run the aquarium from the command line."""
    cli = options()
    args = cli.parse_args(argv)
    if args.image and args.scene != "photo":
        cli.error(f"--image belongs to --scene photo, got --scene {args.scene}")
    if args.duration is None:  # so many times the life of the slowest mode; a hole takes its time
        slowest = (args.size * args.spacing / np.pi) ** 2 / args.diffusivity
        args.duration = (16 if args.scene == "halves" else 4) * slowest
    with one_line_errors(cli):
        files = outputs(args.output, "salt_aquarium")
        start = scene(args.scene, args.size, args.image, args.rng)
        shown = film(args, start, files)
        still(args, shown, files)
        report(args, shown, files)


def options() -> argparse.ArgumentParser:
    """The options of this script."""
    cli = parser(__doc__)
    cli.add_argument("--scene", choices=SCENES, default="photo", help="what the tank holds at first")
    add_image(cli)
    cli.add_argument("--size", type=at_least(2), default=256, help="cubes along each side of the tank")
    cli.add_argument("--spacing", type=positive, default=1e-3, help="width of a cube in m")
    cli.add_argument("--diffusivity", type=positive, default=1.6e-9, help="of salt in water, in m2/s")
    cli.add_argument("--duration", type=positive, help="s after the barriers are lifted (default: until nearly mixed)")
    cli.add_argument("--boundary", choices=dc.boundary.NAMES, default="reflecting", help="sides; reflecting is glass")
    cli.add_argument("--method", default="auto", help="of solution: auto, spectral, explicit, chebyshev")
    add_film(cli)
    add_rng(cli)
    return cli


# --- the physics -----------------------------------------------------------------------------------------------------


def scene(name: str, size: int, image: Path | None, rng: int) -> Field:
    """The concentration before the barriers are lifted, in kg/m3."""
    row, column = np.indices((size, size)) - (size - 1) / 2
    if name == "photo":
        return BRINE * photograph(image, (size, size))
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
    """The faces between neighbouring cubes, all shut or all open, for each axis."""
    return [np.full((size - 1, size), shut), np.full((size, size - 1), shut)]


def wall_with_a_hole(size: int) -> Faces:
    """A wall down the middle, but for a hole of an eighth of its height."""
    wall = barriers(size, False)
    column, low, high = hole(size)
    wall[1][:low, column] = wall[1][high:, column] = True
    return wall


def hole(size: int) -> tuple[int, int, int]:
    """The column of cubes that the wall stands to the right of, and the rows that the hole is between."""
    half = max(1, size // 16)
    return (size - 1) // 2, size // 2 - half, size // 2 + half


def story(args: argparse.Namespace, start: Field) -> Iterator[Moment]:
    """Every frame: first the barriers stand, then they are gone."""
    water = {"diffusivity": args.diffusivity, "spacing": args.spacing}
    closed = barriers(args.size, True)
    standing = dc.DiffusionEquation(**water, barriers=closed)
    for time, salt in standing.frames(start, waiting_times(args) - waiting_times(args)[0]):
        yield Moment(time + waiting_times(args)[0], salt, flux_size(salt, args, closed, "reflecting"))
    left = wall_with_a_hole(args.size) if args.scene == "halves" else None
    free = dc.DiffusionEquation(**water, barriers=left, boundary=args.boundary)
    for time, salt in free.frames(start, mixing_times(args), method=args.method):
        yield Moment(time, salt, flux_size(salt, args, left, args.boundary))


def waiting_times(args: argparse.Namespace) -> Field:
    """Times of the frames before the barriers are lifted: an eighth of them, evenly spaced."""
    return np.linspace(-args.duration / 10, 0.0, max(1, args.frames // 8), endpoint=False)


def mixing_times(args: argparse.Namespace) -> Field:
    """Times of the frames after: each later by the same factor, so that quick and slow mixing are both seen."""
    return np.geomspace(args.duration, first_time(args), args.frames - len(waiting_times(args)))[::-1]


def first_time(args: argparse.Namespace) -> float:
    """A time so short that even single cubes have hardly begun to mix."""
    return float(min(args.spacing**2 / args.diffusivity / 10, args.duration / 100))


def flux_size(salt: Field, args: argparse.Namespace, shut: Faces | None, boundary: str) -> Field:
    """``|D grad u|`` in each cube in mg/(m2 s): the root mean square of its two faces, of each axis."""
    squares = np.zeros_like(salt)
    for axis in range(2):
        around = dc.boundary.extend(salt, [(1, 1)], [boundary], axes=[axis])
        through = np.moveaxis(1e6 * args.diffusivity * np.diff(around, axis=axis) / args.spacing, axis, 0)
        if shut is not None:
            through[1:-1][np.moveaxis(shut[axis], axis, 0)] = 0.0
        squares += np.moveaxis(through[1:] ** 2 + through[:-1] ** 2, 0, axis) / 2
    return np.sqrt(squares)


def grams(salt: Field, args: argparse.Namespace) -> float:
    """All the salt in the tank."""
    return float(salt.sum() * args.spacing**3 * 1e3)


# --- the pictures ----------------------------------------------------------------------------------------------------


def norms(args: argparse.Namespace, start: Field) -> tuple[Normalize, Normalize]:
    """What the colours mean: salt from 0 to the most there is; flux in powers of ten below the first moment's."""
    left = wall_with_a_hole(args.size) if args.scene == "halves" else None
    most = float(flux_size(start, args, left, args.boundary).max()) or 1.0
    return Normalize(0.0, float(start.max()) or 1.0), LogNorm(most / 10**DECADES, most, clip=True)


def draw_wall(axes: Axes, args: argparse.Namespace) -> LineCollection:
    """Draw the wall that stays, if there is one."""
    column, low, high = hole(args.size)
    wall = axes.vlines([column + 0.5] * 2, [-0.5, high - 0.5], [low - 0.5, args.size - 0.5], colors=INK, linewidths=3)
    wall.set_visible(args.scene == "halves")
    return wall


def draw_barriers(axes: Axes, size: int, width: float = 0.8) -> tuple[LineCollection, str]:
    """Draw the barriers that will be lifted, at most 32 a side, and say how many that is."""
    every = 2 ** max(0, int(np.ceil(np.log2(size / 32))))
    ends = (-0.5, size - 0.5)
    upright = np.array([[(place - 0.5, end) for end in ends] for place in range(every, size, every)]).reshape(-1, 2, 2)
    grid = LineCollection([*upright, *upright[..., ::-1]], colors=INK, linewidths=width)
    axes.add_collection(grid)
    return grid, "barriers" if every == 1 else f"barriers (one in {every} is drawn)"


def film(args: argparse.Namespace, start: Field, files: Outputs) -> list[Moment]:
    """Write the film; give the moments that the still picture shows, the first and the last among them."""
    drawn = figure()
    drawn.text(0.035, 0.945, "Salt aquarium", fontsize=17, weight="bold")
    drawn.text(0.252, 0.947, f"{args.size} × {args.size} cubes of {length(args.spacing)}", color=FAINT, fontsize=11)
    clock_text = drawn.text(0.965, 0.945, "", fontsize=14, ha="right")
    salt_norm, flux_norm = norms(args, start)
    salt_axes, flux_axes = (drawn.add_axes((x, 0.335, 0.36, 0.54)) for x in (0.035, 0.53))
    salt_image = panel(salt_axes, start, "salt", "concentration (kg/m³)", SALT, salt_norm)
    calm = np.full_like(start, flux_norm.vmin)
    flux_image = panel(
        flux_axes, calm, "flux |D∇u|: how violently it mixes", "mg of salt per m² and s", FLUX, flux_norm
    )
    grid, note = draw_barriers(salt_axes, args.size)
    label = salt_axes.text(0.0, -0.045, note, transform=salt_axes.transAxes, color=FAINT, fontsize=9, va="top")
    walls = [draw_wall(axes, args) for axes in (salt_axes, flux_axes)]

    before, after = waiting_times(args), mixing_times(args)
    curves = drawn.add_axes((0.075, 0.095, 0.66, 0.175))
    first = first_time(args)
    left = first * (first / args.duration) ** 0.12  # the time axis starts with room for the wait
    wait = np.geomspace(left, first, len(before), endpoint=False)
    place = np.concatenate([wait, after])  # where each frame lies on the time axis
    curves.axvspan(left, first, color="#20252d", lw=0)
    curves.text(wait[len(wait) // 2], 8, "barriers\nstand", color=FAINT, fontsize=8, ha="center")
    curves.set(xlim=(left, args.duration), ylim=(-4, 112), yticks=[0, 50, 100], ylabel="% of the start")
    curves.grid(axis="y")
    mark_times(curves, first, args.duration)
    curves.set_xlabel("time since the barriers were lifted")
    (salt_line,) = curves.plot([], [], color=ORANGE)
    (contrast_line,) = curves.plot([], [], color=BLUE)
    drawn.text(0.765, 0.243, "salt in the tank", color=ORANGE, fontsize=10)
    salt_text = drawn.text(0.765, 0.197, "", color=ORANGE, fontsize=14)
    drawn.text(0.765, 0.142, "contrast (standard deviation)", color=BLUE, fontsize=10)
    contrast_text = drawn.text(0.765, 0.096, "", color=BLUE, fontsize=14)

    kept: list[Moment] = []
    keep = moments_to_keep(args)
    totals, contrasts = np.empty(args.frames), np.empty(args.frames)

    def updates() -> Iterator[None]:
        for number, now in enumerate(watched(story(args, start), args.frames)):
            kept.extend([now] * keep.count(number))
            totals[number], contrasts[number] = grams(now.salt, args), now.salt.std()
            repaint(salt_image, now.salt)
            repaint(flux_image, now.flux)
            shown = slice(number + 1)
            salt_line.set_data(place[shown], 100 * totals[shown] / (totals[0] or 1.0))
            contrast_line.set_data(place[shown], 100 * contrasts[shown] / (contrasts[0] or 1.0))
            salt_text.set_text(f"{totals[number]:.6g} g")
            contrast_text.set_text(f"{contrasts[number]:.3g} kg/m³")
            standing = max(len(before) - number, 0) / len(before)  # 1 at first, 0 when lifted
            for artist in (grid, label):
                artist.set(alpha=min(3 * standing, 1.0), visible=standing > 0)
            after_lifting = f"{clock(now.time)} after lifting the barriers"
            clock_text.set_text(after_lifting if now.time > 0 else "the barriers stand: nothing moves")
            yield

    pictures = [salt_image, flux_image, grid, label, *walls]
    artists = [*pictures, salt_line, contrast_line, salt_text, contrast_text, clock_text]
    dc.write_movie(files.film, animate(drawn, artists, updates()), fps=args.fps)
    return kept


def moments_to_keep(args: argparse.Namespace) -> list[int]:
    """Frames for the still picture: the first, one where mixing has just begun, the last, and evenly between."""
    after = mixing_times(args)
    wanted = np.geomspace(2 * first_time(args), args.duration, MOMENTS - 1)
    nearest = np.abs(np.log(after[:, None] / wanted)).argmin(axis=0)
    return [0, *(len(waiting_times(args)) + nearest).tolist()]


def still(args: argparse.Namespace, shown: list[Moment], files: Outputs) -> None:
    """Draw six moments, salt above flux."""
    drawn = figure(1500, 600)
    salt_norm, flux_norm = norms(args, shown[0].salt)
    drawn.text(0.022, 0.93, "Salt aquarium", fontsize=18, weight="bold")
    says = "Lift the barriers between the cubes: where neighbours differ much salt flows violently, until all is even"
    drawn.text(0.165, 0.932, says, color=FAINT, fontsize=12)
    rows = [("salt", "kg/m³", SALT, salt_norm), ("flux", "mg/(m² s)", FLUX, flux_norm)]
    for column, now in enumerate(shown):
        for row, (name, unit, colours, norm) in enumerate(rows):
            axes = drawn.add_axes((0.022 + 0.155 * column, 0.465 - 0.41 * row, 0.148, 0.37))
            bar = f"{name} ({unit})" if column == MOMENTS - 1 else None
            panel(axes, np.maximum(getattr(now, name), norm.vmin or 0.0), "", bar, colours, norm)
            draw_wall(axes, args)
            if row == 0:
                axes.set_title(f"after {clock(now.time)}" if now.time > 0 else "barriers standing")
            if row == 0 and now.time <= 0:
                draw_barriers(axes, args.size, 0.4)
    drawn.savefig(files.still)


def length(metres: float) -> str:
    """A length as people say it."""
    unit, name = next(((u, n) for u, n in [(1.0, "m"), (1e-3, "mm"), (1e-6, "µm")] if metres >= u), (1e-9, "nm"))
    return f"{metres / unit:.3g} {name}"


def report(args: argparse.Namespace, shown: list[Moment], files: Outputs) -> None:
    """Write the record and two closing lines."""
    first, last = shown[0].salt, shown[-1].salt
    results = {
        "salt_before_g": grams(first, args),
        "salt_after_g": grams(last, args),
        "contrast_before": first.std(),
        "contrast_after": last.std(),
    }
    write_record(files.record, {**vars(args), **results})
    before, after = results["salt_before_g"], results["salt_after_g"]
    change = f"{abs(after - before) / (before or 1.0):.1e}"
    fall = f"contrast {first.std():.3g} -> {last.std():.3g} kg/m3"
    print(f"salt {before:.9g} g before, {after:.9g} g after {clock(args.duration)} (relative change {change}); {fall}")
    print(f"film {files.film}, still {files.still}, record {files.record}")


if __name__ == "__main__":
    main()
