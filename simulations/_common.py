"""What the simulation scripts share: options, where results go, one look, quick drawing, the record of a run.

The convention of a script `simulations/x.py`, which `tests/test_simulations.py` checks for each of them:

- its docstring says what it shows and explains the physics; it is the text of ``--help``;
- ``SMALL: list[str]`` holds the options of a tiny run that takes about a second;
- ``main(argv: Sequence[str] | None = None) -> None`` does everything; the file ends in
  ``if __name__ == "__main__": main()``;
- a run writes a film, a still picture and a JSON record side by side (`outputs`); the record's ``"frames"`` is the
  number of frames in the film;
- it imports the public names of diffuseconv and this file (``from _common import ...``), and does no numerics.

A script's heart, in full::

    cli = parser(__doc__)
    args = cli.parse_args(argv)
    with one_line_errors(cli):
        files = outputs(args.output, "x")
        dc.write_movie(files.film, animate(figure, artists, updates), fps=args.fps, progress=True)
        figure.savefig(files.still)
        write_record(files.record, {**vars(args), "frames": count})
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import traceback
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from cycler import cycler
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

import diffuseconv as dc

T = TypeVar("T")
FOLDER = Path(__file__).resolve().parent.parent / "outputs"
FILMS = (".mp4", ".png", ".gif", ".webp")
SALT, FLUX = "viridis", "inferno"  # perceptually uniform, and unlike each other
INK, FAINT, GROUND = "#e8e6e3", "#8b9099", "#14171c"
BLUE, ORANGE, GREEN, RED = "#6cb4ee", "#ffa94d", "#7bd88f", "#ff6b6b"  # lines, in this order
LOOK: Any = {
    "figure.facecolor": GROUND,
    "savefig.facecolor": GROUND,
    "axes.facecolor": GROUND,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 12,
    "axes.labelsize": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, GREEN, RED]),
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "grid.color": "#2c313a",
    "image.cmap": SALT,
    "image.interpolation": "none",
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "path.simplify": True,
    "text.color": INK,
    "xtick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.color": FAINT,
    "ytick.labelcolor": INK,
}


# --- options ---------------------------------------------------------------------------------------------------------


class _Help(argparse.RawDescriptionHelpFormatter, argparse.ArgumentDefaultsHelpFormatter):
    """Keep the docstring's lines and tell the defaults, where there are any."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def parser(doc: str | None) -> argparse.ArgumentParser:
    """Start the options of a script: its docstring, and `--output`."""
    cli = argparse.ArgumentParser(description=doc, formatter_class=_Help)
    cli.add_argument(
        "--output",
        default=str(FOLDER.relative_to(Path.cwd()) if FOLDER.is_relative_to(Path.cwd()) else FOLDER),
        help=f"a folder, or the film's path ({', '.join(FILMS)}); still picture and JSON record lie beside the film",
    )
    return cli


def add_film(cli: argparse.ArgumentParser, frames: int = 240, fps: float = 24.0) -> None:
    """Add `--frames` and `--fps`."""
    cli.add_argument("--frames", type=at_least(2), default=frames, help="frames of the film")
    cli.add_argument("--fps", type=positive, default=fps, help="frames a second")


def add_rng(cli: argparse.ArgumentParser, default: int = 0) -> None:
    """Add `--rng`."""
    cli.add_argument("--rng", type=at_least(0), default=default, help="the number all random choices follow from")


def add_image(cli: argparse.ArgumentParser) -> None:
    """Add `--image`."""
    cli.add_argument("--image", type=Path, help="a photograph of your own; otherwise one that matplotlib ships")


def positive(text: str) -> float:
    """Take a finite number above zero."""
    value = float(text)
    if not 0 < value < np.inf:
        raise argparse.ArgumentTypeError(f"must be a number above 0, got {text}")
    return value


def at_least(least: int) -> Any:
    """Take whole numbers not below `least`."""

    def whole(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"must be at least {least}, got {text}")
        return value

    whole.__name__ = "whole number"  # argparse names it when the text is no number at all
    return whole


@contextmanager
def one_line_errors(cli: argparse.ArgumentParser) -> Generator[None]:
    """End in one line when the package refuses an argument or a file fails; faults of a script keep their traceback."""
    try:
        yield
    except OSError as error:
        cli.error(str(error))
    except ValueError as error:
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
    """Say where the results of a run go, and make the folder.

    `output` is a folder, or the path of the film if it ends in a film's suffix. Beside a ``.png`` film (APNG) the still
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
    packages = ("numpy", "scipy", "numba", "matplotlib", "av")
    versions = {"python": platform.python_version(), "diffuseconv": dc.__version__}
    versions |= {package: version(package) for package in packages}
    text = json.dumps({**parameters, "versions": versions}, indent=2, default=_plain)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text + "\n", encoding="utf-8")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _plain(value: Any) -> Any:
    """Turn paths and numpy's numbers and arrays into what JSON knows."""
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else str(value)


def photograph(
    path: str | os.PathLike[str] | None = None, shape: tuple[int, int] = (256, 256), gray: bool = True
) -> NDArray[np.float64]:
    """Read a photograph (by default a portrait of Grace Hopper, 1984), cut evenly to the proportions of `shape`."""
    if path is None:
        path = Path(matplotlib.get_data_path(), "sample_data", "grace_hopper.jpg")
    picture = dc.load_image(path, gray=gray)
    rows, columns = picture.shape[:2]
    tall, wide = min(rows, columns * shape[0] // shape[1]) or 1, min(columns, rows * shape[1] // shape[0]) or 1
    top, left = (rows - tall) // 2, (columns - wide) // 2
    return dc.images.resize(picture[top : top + tall, left : left + wide], shape)


# --- drawing ---------------------------------------------------------------------------------------------------------


def figure(width: int = 960, height: int = 640) -> Figure:
    """Make an empty figure of so many pixels, in the common look (a film's sides must be even)."""
    matplotlib.rcParams.update(LOOK)
    drawn = Figure(figsize=(width / 100, height / 100), dpi=100)
    FigureCanvasAgg(drawn)
    return drawn


def panel(
    axes: Axes, field: NDArray[Any], title: str, unit: str | None, colours: str = SALT, norm: Normalize | None = None
) -> AxesImage:
    """Show a field as a picture, with a colour bar if a unit is given; `repaint` changes it."""
    image = axes.imshow(field, cmap=colours, norm=norm)
    if unit is not None:
        bar = image.figure.colorbar(image, cax=axes.inset_axes((1.03, 0.0, 0.035, 1.0)))
        bar.set_label(unit)
        bar.outline.set_visible(False)
        if isinstance(norm, LogNorm):
            bar.ax.yaxis.set_major_formatter("{x:g}")
    axes.set(title=title, xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    repaint(image, field)
    return image


def repaint(image: AxesImage, field: NDArray[Any]) -> None:
    """Show another field, as colours worked out at once: three times quicker to draw than numbers."""
    image.set_data(image.to_rgba(field, bytes=True, norm=True))


def watched(steps: Iterable[T], total: int) -> Iterator[T]:
    """Show a progress bar on a terminal while the steps are taken."""
    from tqdm import tqdm

    yield from tqdm(steps, total=total, unit="frame", disable=None)


def animate(figure: Figure, artists: Sequence[Artist], updates: Iterable[Any]) -> Iterator[NDArray[np.uint8]]:
    """Draw frames: the figure once, then only `artists`, each time that `updates` has moved on.

    `updates` is a generator that changes the artists (``repaint``, ``set_data``, ``set_text``) and then yields; what it
    yields is ignored. All else stays as first drawn. Yields pictures ``(rows, columns, 3)`` of uint8.
    """
    for artist in artists:
        artist.set_animated(True)
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    ground = canvas.copy_from_bbox(figure.bbox)
    renderer = canvas.get_renderer()
    ordered = sorted(artists, key=lambda artist: artist.get_zorder())
    for _ in updates:
        canvas.restore_region(ground)
        for artist in ordered:
            artist.draw(renderer)
        drawn = np.asarray(canvas.buffer_rgba())
        yield np.stack([drawn[..., band] for band in range(3)], axis=-1)
    for artist in artists:
        artist.set_animated(False)


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
    """The unit in which times up to `longest` seconds read best: its length in seconds and its name."""
    units = [(86400.0, "days"), (3600.0, "h"), (60.0, "min"), (1.0, "s"), (1e-3, "ms"), (1e-6, "µs")]
    return next((unit for unit in units if longest >= 2 * unit[0]), units[-1])


def clock(seconds: float) -> str:
    """A time as people say it, such as ``3.20 h``."""
    length, name = time_unit(seconds) if seconds > 0 else (1.0, "s")
    value = seconds / length
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {name}"
