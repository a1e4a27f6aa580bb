"""What the simulation scripts share: options, where results go, one style, drawing, the record of a run.

The convention of a script `simulations/x.py`, which `tests/test_simulations.py` checks for each of them:

- its docstring, under a title, says what it shows and explains the physics: the text of ``--help`` and of its page in
  the gallery, where `docs/films.py` gives it a place;
- ``SMALL: list[str]`` holds the options of a tiny run that lasts about a second;
- ``main(argv: Sequence[str] | None = None) -> None`` does everything; the file ends in
  ``if __name__ == "__main__": main()``;
- a run writes a film, a still picture and a JSON record side by side (`outputs`); the record's ``"frames"`` is the
  number of frames in the film;
- it imports the public names of diffuseconv and this file (``import _common as sim``), does no numerics of its own, and
  no function is longer than 60 lines.

A script's heart, in full::

    def simulate(args: argparse.Namespace) -> sim.Film:
        drawn = sim.figure()
        (line,) = drawn.subplots().plot([], [])

        def story() -> sim.Story:
            for time, field in dc.DiffusionEquation().frames(start, times):
                sim.extend_curves([line], time, [field.std()])
                yield
            return {"contrast": field.std()}, "what was found, for the terminal"

        return sim.Film(drawn, [line], story())


    def main(argv: Sequence[str] | None = None) -> None:
        sim.run(options(), argv, simulate)
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import sys
import traceback
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import Colormap, LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

import diffuseconv as dc

T = TypeVar("T")
Results = tuple[dict[str, Any], str]  # for the record, and closing words for the terminal
Story = Generator[None, None, Results]  # changes the artists before each frame; returns what was found
FOLDER = Path(__file__).resolve().parent.parent / "outputs"
FILMS = (".mp4", ".png", ".gif", ".webp")
SALT, FLUX, SIGNED = "viridis", "inferno", "RdBu_r"  # perceptually uniform; SIGNED is white at 0
# Places in the style's cycle of colours, which Matplotlib looks up when it draws: a script names what it means, and
# the preset says what that looks like.
BLUE, ORANGE, GREEN, RED, INK, FAINT, GROUND, GRID, EMPTY = (f"C{place}" for place in range(9))
PRESETS = {
    "screen": ("#6cb4ee", "#ffa94d", "#7bd88f", "#ff6b6b", "#e8e6e3", "#9aa0a8", "#14171c", "#2c313a", "#20242b"),
    "slide": ("#1f6fb2", "#c85a00", "#1f8a3b", "#c9252d", "#16191d", "#5d646d", "#ffffff", "#dadde2", "#eceef1"),
}
PIXELS_PER_INCH = {
    "screen": 100,
    "slide": 116,
}  # a picture has a fixed number of pixels: more to an inch is larger type


def style(preset: str) -> None:
    """Apply the colours and the size of type of a preset to all figures that follow."""
    colours = PRESETS[preset]
    ink, faint, ground, grid = colours[4:8]
    look: Any = {
        "figure.facecolor": ground,
        "savefig.facecolor": ground,
        "figure.dpi": PIXELS_PER_INCH[preset],
        "axes.facecolor": ground,
        "axes.edgecolor": faint,
        "axes.labelcolor": ink,
        "axes.titlecolor": ink,
        "axes.titlesize": 12,
        "axes.labelsize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.prop_cycle": cycler(color=colours),
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "grid.color": grid,
        "image.cmap": SALT,
        "image.interpolation": "none",
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "path.simplify": True,
        "text.color": ink,
        "xtick.color": faint,
        "xtick.labelcolor": ink,
        "ytick.color": faint,
        "ytick.labelcolor": ink,
    }
    matplotlib.rcParams.update(look)


style("screen")


# --- a run -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Film:
    """A figure, the artists that change, and the story that changes them.

    `still` is the share of the film after which its frame becomes the still picture, or a function that draws another
    figure once the story is over.
    """

    figure: Figure
    moving: Sequence[Artist]
    story: Story
    still: float | Callable[[], Figure] = 1.0


class OptionError(ValueError):
    """Options that exclude each other; `run` reports it as one line."""


def run(
    cli: argparse.ArgumentParser, argv: Sequence[str] | None, simulate: Callable[[argparse.Namespace], Film]
) -> None:
    """Read the options, write the film, its still and its record, and print what was found."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of letters that its encoding lacks
    args = cli.parse_args(argv)
    style(args.preset)
    with one_line_errors(cli):
        film = simulate(args)
        script = getattr(sys.modules[simulate.__module__], "__file__", None) or "film"
        files = outputs(args.output, Path(script).stem)
        number, closing = 0, ""
        found: dict[str, Any] = {}
        shown = np.zeros((1, 1, 3), np.uint8)
        wanted = film.still if isinstance(film.still, float) else 1.0

        def told() -> Iterator[None]:
            nonlocal found, closing
            found, closing = yield from film.story

        def pictures() -> Iterator[NDArray[np.uint8]]:
            nonlocal number, shown
            for picture in animate(film.figure, film.moving, told()):
                if number <= round(wanted * (args.frames - 1)):
                    shown = picture
                number += 1
                yield picture

        dc.write_movie(files.film, pictures(), fps=args.fps, progress=True)
        if callable(film.still):
            film.still().savefig(files.still)
        else:
            dc.save_image(files.still, shown)
        write_record(files.record, {**vars(args), "frames": number, **found})
        try:
            print(f"{closing}\n{files.film} ({number} frames), {files.still}, {files.record}", flush=True)
        except BrokenPipeError:  # whoever read what is printed has seen enough, as `head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def watched(steps: Iterable[T], total: int) -> Iterator[T]:
    """Show a progress bar, on a terminal or in a notebook, while the steps are worked on."""
    from tqdm import TqdmExperimentalWarning

    with warnings.catch_warnings():  # `tqdm.auto` tells that its notebook bar is new
        warnings.simplefilter("ignore", TqdmExperimentalWarning)
        from tqdm.auto import tqdm
    yield from tqdm(steps, total=total, unit="step", disable=sys.stderr is None or None)


# --- options ---------------------------------------------------------------------------------------------------------


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep the docstring's lines and tell the defaults, where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Start the options of a script: its docstring, `--output` and `--preset`."""
    cli = argparse.ArgumentParser(description=doc, formatter_class=_Help)
    cli.add_argument(
        "--output",
        default=str(FOLDER.relative_to(Path.cwd()) if FOLDER.is_relative_to(Path.cwd()) else FOLDER),
        help=f"a folder, or the film's path ({', '.join(FILMS)}); still picture and JSON record go to the same folder",
    )
    cli.add_argument("--preset", choices=PRESETS, default="screen", help="slide: light ground and larger type")
    return cli


def add_film(cli: argparse.ArgumentParser, frames: int = 240, fps: float = 24.0) -> None:
    """Add `--frames` and `--fps`."""
    cli.add_argument("--frames", type=at_least(2, 10**6), default=frames, help="frames of the film")
    cli.add_argument("--fps", type=positive, default=fps, help="frames a second")


def add_rng(cli: argparse.ArgumentParser, default: int = 0) -> None:
    """Add `--rng`."""
    cli.add_argument(
        "--rng", type=at_least(0, 2**128), default=default, help="the number all random choices follow from"
    )


def add_image(cli: argparse.ArgumentParser) -> None:
    """Add `--image`."""
    cli.add_argument("--image", type=Path, help="a photograph of your own; otherwise one that matplotlib ships")


def positive(text: str) -> float:
    """Return a finite number above zero."""
    value = float(text)
    if not 0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return value


def share(text: str) -> float:
    """Return a number between zero and one, neither of them."""
    value = float(text)
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"must be a number between 0 and 1, got {text}")
    return value


def at_least(least: int, most: int = 2048) -> Any:
    """Return the type of whole numbers from `least` to `most`."""

    def whole(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text}")
        if value > most:
            raise argparse.ArgumentTypeError(f"must be at most {most}, got {text}")
        return value

    whole.__name__ = "whole number"  # argparse names it when the text is no number at all
    return whole


@contextmanager
def one_line_errors(cli: argparse.ArgumentParser) -> Generator[None]:
    """End in one line when the package refuses an argument or a file fails; faults of a script keep their traceback."""
    try:
        yield
    except (OSError, OptionError) as error:
        cli.error(str(error))
    except OverflowError:
        cli.error("options must leave all numbers below 1.8e+308, got larger ones: take less extreme values")
    except (ValueError, TypeError, ImportError) as error:  # (an extra that is not installed)
        *_, deepest = traceback.extract_tb(error.__traceback__)
        if not Path(deepest.filename).is_relative_to(Path(dc.__file__).parent):
            raise
        cli.error(str(error))


# --- files -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outputs:
    """The three files of a run."""

    film: Path
    still: Path
    record: Path


def outputs(output: str | os.PathLike[str], stem: str, suffix: str = ".mp4") -> Outputs:
    """Return where the results of a run go, and make the folder.

    `output` is a folder, or the path of the film if it ends in a film's suffix. With a ``.png`` film (APNG) the still
    picture is called ``..._still.png``.
    """
    path = Path(output)
    is_film = path.suffix.lower() in FILMS and not path.is_dir()
    film = path if is_film else path / (stem + suffix)
    film.parent.mkdir(parents=True, exist_ok=True)
    ending = "_still.png" if film.suffix.lower() == ".png" else ".png"
    return Outputs(film, film.with_name(film.stem + ending), film.with_suffix(".json"))


def write_record(path: Path, parameters: dict[str, Any]) -> None:
    """Write all that is needed to repeat a run as JSON: its parameters (rng among them) and the versions."""
    versions = {"python": platform.python_version(), "diffuseconv": dc.__version__}
    for package in ("numpy", "scipy", "numba", "matplotlib", "imageio", "av"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    text = json.dumps({**parameters, "versions": versions}, indent=2, default=_plain)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Convert paths and numpy's numbers and arrays into what JSON knows."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


def photograph(
    path: str | os.PathLike[str] | None = None, shape: tuple[int, int] = (256, 256), gray: bool = True
) -> NDArray[np.float64]:
    """Return a photograph (by default a portrait of Grace Hopper, 1984), cut evenly to the proportions of `shape`."""
    if path is None:
        path = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    picture = dc.load_image(path, gray=gray)
    rows, columns = picture.shape[:2]
    tall, wide = min(rows, columns * shape[0] // shape[1]) or 1, min(columns, rows * shape[1] // shape[0]) or 1
    top, left = (rows - tall) // 2, (columns - wide) // 2
    return dc.images.resize(picture[top : top + tall, left : left + wide], shape)


# --- drawing ---------------------------------------------------------------------------------------------------------


def figure(width: int = 1280, height: int = 720) -> Figure:
    """Make an empty figure of so many pixels (a film's sides must be even)."""
    dpi = matplotlib.rcParams["figure.dpi"]
    drawn = Figure(figsize=(width / dpi, height / dpi))
    FigureCanvasAgg(drawn)
    return drawn


def heading(figure: Figure, title: str, size: float = 17) -> Text:
    """Write the title of a film at its top; return an empty line below it, for what changes."""
    figure.suptitle(title, size=size, y=0.962, va="top")
    return figure.text(0.5, 0.885, "", ha="center", va="center", size=13, color=FAINT)


def bare(axes: Axes, title: str = "", **style: Any) -> None:
    """Leave out ticks and frame, as for a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.set_title(title, **style)


def panel(
    axes: Axes,
    field: NDArray[Any],
    title: str,
    unit: str | None,
    colours: str | Colormap = SALT,
    norm: Normalize | None = None,
) -> AxesImage:
    """Show a field as a picture, with a colour bar if a unit is given; `repaint` changes it."""
    image = axes.imshow(field, cmap=colours, norm=norm)
    if unit is not None:
        colour_bar(image, unit)
    bare(axes, title)
    repaint(image, field)
    return image


def colour_bar(image: AxesImage, unit: str) -> None:
    """Draw what the colours of a picture mean to the right of it."""
    bar = image.figure.colorbar(image, cax=image.axes.inset_axes((1.03, 0.0, 0.035, 1.0)))
    bar.set_label(unit)
    bar.outline.set_visible(False)
    if isinstance(image.norm, LogNorm):
        bar.ax.yaxis.set_major_formatter("{x:g}")


def scale_bar(axes: Axes, spacing: float, colour: str = "white") -> list[Artist]:
    """Draw a round length of up to a quarter of a picture into its lower left corner."""
    left, right = sorted(axes.get_xlim())
    bottom, top = axes.get_ylim()
    aim = (right - left) * spacing / 4
    metres = max(step * 10.0**power for power in range(-12, 6) for step in (1, 2, 5) if step * 10.0**power <= aim)
    start, height = left + 0.05 * (right - left), bottom + 0.05 * (top - bottom)
    look: Any = {"color": colour, "zorder": 6, "path_effects": [withStroke(linewidth=3.5, foreground="black")]}
    (line,) = axes.plot([start, start + metres / spacing], [height] * 2, linewidth=2.5, **look)
    place = (start + metres / spacing / 2, height + 0.025 * (top - bottom))
    text = axes.text(*place, length(metres), size=10, ha="center", va="bottom", **look)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    return [line, text]


def repaint(image: AxesImage, field: NDArray[Any]) -> None:
    """Show another field, as colours worked out at once: three times quicker to draw than numbers."""
    image.set_data(image.to_rgba(field, bytes=True, norm=True))


def extend_curves(lines: Sequence[Line2D], x: float, values: Iterable[float]) -> None:
    """Let each curve grow by a point."""
    for line, value in zip(lines, values, strict=True):
        line.set_data(np.append(line.get_xdata(), x), np.append(line.get_ydata(), value))


def label_squares(axes: Axes, shape: tuple[int, int], size: float) -> list[Text]:
    """Put an empty text on every cell of a small picture, row by row; `write_numbers` fills them."""
    return [axes.text(column, row, "", ha="center", va="center", size=size) for row, column in np.ndindex(shape)]


def write_numbers(image: AxesImage, texts: Sequence[Text], values: NDArray[Any], form: str = "g") -> None:
    """Show an array as coloured squares with its numbers on them; NaN leaves a square empty."""
    empty = np.isnan(values)
    colours = image.to_rgba(np.where(empty, 0.0, values), bytes=True, norm=True)
    colours[empty] = image.to_rgba(np.ones((1, 1, 3)) * matplotlib.colors.to_rgb(EMPTY), bytes=True)[0, 0]
    image.set_data(colours)
    bright = colours[..., :3].mean(axis=-1).ravel() > 120
    for text, value, on_bright in zip(texts, values.ravel(), bright, strict=True):
        written = "" if np.isnan(value) else f"{value:z{form}}".replace("-", "−")
        text.set(text=written, color="black" if on_bright else "white")


def animate(figure: Figure, artists: Sequence[Artist], updates: Iterable[Any]) -> Iterator[NDArray[np.uint8]]:
    """Draw frames: the figure once, then only `artists` and what lies over them, each time that `updates` moves on.

    `updates` is a generator that changes the artists (``repaint``, ``set_data``, ``set_text``) and then yields; what it
    yields is ignored. All else stays as first drawn. Yields pictures ``(rows, columns, 3)`` of uint8, to the last bit
    those that drawing everything anew would give, where nothing sticks out of its axes into others; the same one again
    where nothing has changed.
    """
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()  # places titles and labels
    redrawn = _redrawn(figure, set(artists), canvas.get_renderer())
    for artist in redrawn:
        artist.set_animated(True)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    renderer = canvas.get_renderer()
    picture = None
    try:
        for _ in updates:
            if picture is None or any(artist.stale for artist in redrawn):
                canvas.restore_region(ground)
                for artist in redrawn:
                    artist.draw(renderer)
                    artist.stale = False  # hidden ones and empty texts do not say so themselves
                picture = np.ascontiguousarray(np.asarray(canvas.buffer_rgba())[..., :3])
            yield picture
    finally:
        for artist in redrawn:
            artist.set_animated(False)


def _redrawn(parent: Any, moving: set[Artist], renderer: Any) -> list[Artist]:
    """List in drawing order the moving artists below a figure or axes, and the still ones that are drawn over them.

    A moving artist may reach all of its axes. What lies outside of those (another panel, a colour bar) is not redrawn.
    """
    found: list[Artist] = []
    reached: list[Bbox] = []
    switched_off = isinstance(parent, Axes) and not parent.axison
    hidden = {*parent.spines.values(), parent.xaxis, parent.yaxis} if switched_off else set()
    for child in sorted(parent.get_children(), key=lambda artist: artist.get_zorder()):
        if child is parent.patch or child in hidden or not (child.get_visible() or child in moving):
            continue
        extent = child.bbox if isinstance(child, Axes) else child.get_tightbbox(renderer)
        covered = extent is not None and any(box.overlaps(extent) for box in reached)
        if child in moving or covered:
            redrawn = [child]
        else:
            redrawn = _redrawn(child, moving, renderer) if isinstance(child, Axes) else []
        if redrawn:
            found += redrawn
            reached.append(child.bbox if isinstance(child, Axes) else parent.bbox)
    return found


def figures(value: float, digits: int = 2) -> str:
    """Return a number with so many significant digits, as people write it: ``100``, ``0.03`` or ``3 × 10⁻¹²``."""
    text = f"{value:.{digits}g}"
    mantissa, _, exponent = text.partition("e")
    if exponent.startswith("-"):
        return f"{mantissa} × 10{str(int(exponent)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{float(text):.0f}" if exponent else text


def mark_times(axes: Axes, first: float, last: float) -> None:
    """Make the horizontal axis logarithmic in time, in units that people use."""
    axes.set_xscale("log")
    names = {1: "1 s", 10: "10 s", 60: "1 min", 600: "10 min", 3600: "1 h", 36e3: "10 h", 86400 * 3: "3 days"}
    names |= {86400 * 30: "30 days", 86400 * 365: "1 year", 86400 * 3650: "10 years", 86400 * 36500: "100 years"}
    inside = {time: name for time, name in names.items() if first <= time <= last}
    if len(inside) < 3:
        inside = {time: clock(time) for time in np.geomspace(first, last, 4)}
    axes.set_xticks(list(inside), list(inside.values()))
    axes.minorticks_off()


def time_unit(longest: float) -> tuple[float, str]:
    """Return the unit in which times up to `longest` seconds read best: its length in seconds and its name."""
    units = [(86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]
    return next((unit for unit in units if longest >= 2 * unit[0]), units[-1])


def clock(seconds: float) -> str:
    """Return a time as people say it, such as ``3.20 h``."""
    length, name = time_unit(seconds) if seconds > 0 else (1.0, "s")
    value = seconds / length
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {name}"


def length(metres: float) -> str:
    """Return a length as people say it, such as ``5 mm``."""
    units = [(1.0, "m"), (1e-2, "cm"), (1e-3, "mm"), (1e-6, "µm")]
    unit, name = next((unit for unit in units if metres >= unit[0] * 0.999), (1e-9, "nm"))
    return f"{metres / unit:.3g} {name}"
