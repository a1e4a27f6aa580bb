"""Convolution as diffusion, from the command line.

A kernel says where a grain of salt may go. Convolve, and you see the sum over all grains; measure, and each pixel
reads one random source; let a photograph diffuse for a physical time, and its brightness spreads as salt would.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import inspect
import io
import os
import platform
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

import diffuseconv as dc
from diffuseconv import _checks, _files, _units

FILMS = (".mp4", ".gif", ".webp")
PICTURES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
ROUNDING = 1e-12


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one line on stderr that says what is wrong."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # of letters that its encoding lacks
    cli = _parser()
    args = cli.parse_args(argv)
    try:
        if "output" in args:
            given = f"{Path(args.photo).stem}_{args.command}.png" if args.output is None else args.output
            kinds = dict.fromkeys(PICTURES + (FILMS if args.command == "diffuse" else ()))
            args.output = str(_files.target("output", given, tuple(kinds)))
        args.run(args)
        print(end="", flush=True)  # of nothing where stdout is closed
    except BrokenPipeError:  # whoever read what is printed has seen enough, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError, OSError, MemoryError) as error:
        print(f"diffuseconv {args.command}: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"diffuseconv {args.command}: stopped", file=sys.stderr)
        return 130
    return 0


def diffuse(args: argparse.Namespace) -> None:
    """Diffuse a photograph for a physical time: a picture of the end, or a film of the evolution.

    Every pixel is a cube of water `spacing` wide, its brightness the salt in it; glass walls stand around the
    picture. After a time t a point has become a bell of standard deviation sqrt(2 D t). Solved exactly in time.
    """
    eq = dc.DiffusionEquation(args.diffusivity, args.spacing, args.boundary)
    photo = _photo(args)
    if Path(args.output).suffix.lower() in FILMS:
        times = np.linspace(0.0, args.duration, _checks.count("frames", args.frames, least=1))
        channels = [(field for _, field in eq.frames(c, times)) for c in _channels(photo)]
        frames = (_joined(list(fields)) for fields in zip(*channels, strict=True))
        dc.write_movie(args.output, frames, fps=args.fps, colormap="gray", limits=(0.0, 1.0), progress=True)
    else:
        evolved = [eq.evolve(channel, args.duration) for channel in _channels(photo)]
        dc.save_image(args.output, _joined(evolved), limits=(0.0, 1.0))
    width = np.sqrt(2 * args.diffusivity * args.duration)
    print(
        f"{args.output}: a point spreads to a standard deviation of {width:.4g} m ({width / args.spacing:.4g} pixels)"
    )


def convolve(args: argparse.Namespace) -> None:
    """Convolve a photograph with a kernel of the catalogue, or with one from a text file."""
    kernel = _kernel(args.kernel)
    result = dc.convolve(_photo(args), kernel, boundary=args.boundary, axes=(0, 1))
    _save(args.output, result)
    print(f"{args.output}: {dc.interpret(kernel).summary}")


def measure(args: argparse.Namespace) -> None:
    """Measure a photograph: each pixel draws sources with the kernel's chances and averages what it reads.

    The average of very many such pictures is the convolution; the error falls as one over the root of the draws.
    """
    kernel = _kernel(args.kernel)
    photo = _photo(args)
    result = dc.measure(photo, kernel, args.draws, rng=args.rng, boundary=args.boundary, axes=(0, 1))
    _save(args.output, result)
    variance = dc.measurement_variance(photo, kernel, args.draws, boundary=args.boundary, axes=(0, 1))
    print(f"{args.output}: root mean square error {float(np.sqrt(variance.mean())):.3g} of the brightness scale")


def interpret(args: argparse.Namespace) -> None:
    """Describe in words what a kernel does: where salt goes, how fast, and which equation it is one step of."""
    print(dc.interpret(_kernel(args.kernel)))


def explore(args: argparse.Namespace) -> None:
    """Open a page on which one paints salt and walls, lifts them, and sees what kernels do.

    The page is served on this machine's loopback address only; photographs that one loads stay here.
    """
    from diffuseconv.explorer import explore as serve

    serve(args.port, browser=not args.no_browser)


def info(args: argparse.Namespace) -> None:
    """Print versions, threads, the compile cache and the processor."""
    import llvmlite.binding as llvm
    import numba

    from diffuseconv._jit.kept import folders
    from diffuseconv._jit.machine import MACHINE

    rows = {
        "diffuseconv": dc.__version__,
        "Python": platform.python_version(),
        **{name: importlib.metadata.version(name) for name in ("numpy", "scipy", "numba", "matplotlib", "imageio")},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": llvm.get_host_cpu_name(),
        "vectors": f"{MACHINE.registers or 'unknown number'} of {MACHINE.bytes} bytes ({MACHINE.name})",
        "processors": os.cpu_count(),
        "threads": numba.get_num_threads(),
        "cost model": f"of {MACHINE.name} machines (which method of convolution is quickest)",
        "compiled loops": " or ".join(map(str, folders())),
    }
    for name, value in rows.items():
        print(f"{name:>14}  {value}")


def warm(args: argparse.Namespace) -> None:
    """Compile the loops that first calls need, so that later programs start at once."""
    from tqdm.auto import tqdm

    work: list[tuple[str, Callable[[Any], Any]]] = [
        ("convolve, direct", lambda dtype: dc.convolve(np.zeros((64, 64), dtype), np.ones((3, 3)))),
        ("convolve, separable", lambda dtype: dc.convolve(np.zeros((64, 64), dtype), np.ones((31, 31)))),
        ("convolve, Fourier", lambda dtype: dc.convolve(np.zeros((64, 64), dtype), np.eye(63), method="fft")),
        ("evolve", lambda dtype: dc.DiffusionEquation().evolve(np.zeros((64, 64), dtype), 1.0)),
        (
            "evolve, D per cell",
            lambda dtype: dc.DiffusionEquation(np.ones((64, 64))).evolve(np.eye(64, dtype=dtype), 9),
        ),
        ("explicit", lambda dtype: dc.DiffusionEquation().evolve(np.eye(64, dtype=dtype), 9.0, "explicit")),
        ("measure", lambda dtype: dc.measure(np.zeros((64, 64), dtype), np.ones((3, 3)) / 9, rng=1)),
        ("measure, many", lambda dtype: dc.measure(np.zeros((64, 64), dtype), np.ones((3, 3)) / 9, 10**6, rng=1)),
        ("scatter", lambda dtype: dc.scatter(np.ones((64, 64), int), np.ones((3, 3)) / 9, rng=1)),
    ]
    calls = [(name, call, dtype) for name, call in work for dtype in (np.float64, np.float32)]
    bar = tqdm(calls, unit="loop", disable=sys.stderr is None or None)
    for name, call, dtype in bar:
        bar.set_description(f"{name}, {np.dtype(dtype).name}")
        call(dtype)


def _parser() -> argparse.ArgumentParser:
    """Build the command line."""
    cli = _Parser(
        prog="diffuseconv",
        description=__doc__,
        formatter_class=_Text,
        epilog="Exit status: 0; 2 after one line on stderr that says what is wrong; 130 when stopped by Ctrl-C.",
    )
    cli.add_argument("--version", action="version", version=f"diffuseconv {dc.__version__}")
    commands = cli.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        text = inspect.getdoc(run) or ""
        sub = commands.add_parser(
            run.__name__, help=text.partition("\n")[0].rstrip("."), description=text, formatter_class=_Text
        )
        sub.set_defaults(run=run)
        return sub

    def photograph(sub: argparse.ArgumentParser, output: str, *more: str) -> None:
        sub.add_argument("photo", metavar="PHOTO", help="a photograph: PNG, JPEG, TIFF, WebP ...")
        sub.add_argument(
            "-o", "--output", metavar="FILE", help=f"{output} (default: PHOTO_COMMAND.png, in this folder)"
        )
        sub.add_argument(
            "--shape", type=int, nargs=2, metavar=("ROWS", "COLUMNS"), help="resize it to this shape first"
        )
        sub.add_argument("--colour", action="store_true", help="keep the colours (brightness only otherwise)")
        names = ("reflecting", "periodic", "absorbing", "zero", *more)
        sub.add_argument(
            "--boundary",
            default=names[0],
            choices=names,
            metavar="NAME",
            help=f"{', '.join(names)} (default: the first)",
        )

    sub = command(diffuse)
    photograph(sub, "a picture, or a film (.mp4, .gif, .webp) of the whole time")
    sub.add_argument("--duration", type=_read(_units.time), required=True, metavar="TIME", help="such as 90s, 2h, 3d")
    sub.add_argument(
        "--spacing", type=_read(_units.length), default=1e-3, metavar="LENGTH", help="width of a pixel (default: 1mm)"
    )
    sub.add_argument(
        "--diffusivity",
        type=_read(_units.diffusivity),
        default=1.6e-9,
        metavar="D",
        help="in m2/s, or with a unit such as mm2/s (default: 1.6e-9 m2/s, table salt in water)",
    )
    sub.add_argument("--frames", type=int, default=120, help="frames of a film (default: 120)")
    sub.add_argument("--fps", type=float, default=30.0, help="frames a second (default: 30)")
    kernel = "a name of the catalogue, with numbers behind colons (sharpen, box:9, gaussian:2.5), or a text file"
    sub = command(convolve)
    photograph(sub, "the picture to write", "mirror", "nearest")
    sub.add_argument("--kernel", required=True, help=kernel)
    sub = command(measure)
    photograph(sub, "the picture to write", "mirror", "nearest")
    sub.add_argument("--kernel", required=True, help=kernel)
    sub.add_argument("--draws", type=int, default=1, help="draws of each pixel (default: 1)")
    sub.add_argument("--rng", type=int, help="a whole number that makes the chance repeatable")
    sub = command(interpret)
    sub.add_argument("kernel", metavar="KERNEL", help=kernel)
    sub = command(explore)
    sub.add_argument("--port", type=int, default=0, help="port on the loopback address (default: a free one)")
    sub.add_argument("--no-browser", action="store_true", help="only print the address")
    command(info)
    command(warm)
    return cli


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, without the usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (--help tells more)\n")


class _Text(argparse.RawDescriptionHelpFormatter):
    """Keeps the paragraphs of descriptions."""


def _read(convert: Callable[[str], float]) -> Callable[[str], float]:
    """Return a reader whose errors argparse prints whole."""

    def read(text: str) -> float:
        try:
            return convert(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return read


def _photo(args: argparse.Namespace) -> Any:
    """Load the photograph."""
    return dc.load_image(args.photo, shape=tuple(args.shape) if args.shape else None, gray=not args.colour)


def _channels(photo: Any) -> list[Any]:
    """Return the colours one by one."""
    return [photo] if photo.ndim == 2 else list(np.moveaxis(photo, -1, 0))


def _joined(channels: list[Any]) -> Any:
    """Return colours as one picture again."""
    return channels[0] if len(channels) == 1 else np.clip(np.stack(channels, axis=-1), 0.0, 1.0)


def _save(path: str, result: Any) -> None:
    """Write a result; what lies outside of 0 to 1 is stretched into it, and that is said."""
    low, high = float(result.min()), float(result.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        print(f"values from {low:.3g} to {high:.3g} are shown from black to white")
        result = (result - low) / (high - low)
    dc.save_image(path, np.clip(result, 0.0, 1.0), limits=(0.0, 1.0))


def _kernel(text: str) -> Any:
    """Return the kernel that a text names: one of the catalogue, or a file of numbers."""
    name, *numbers = text.split(":")
    if name in dc.kernels.__all__:
        try:
            values = [int(n) if n.lstrip("-").isdigit() else float(n) for n in numbers]
        except ValueError:
            raise ValueError(f"kernel must be NAME:NUMBER:..., got {text!r}") from None
        make = getattr(dc.kernels, name)
        if not _checks.takes(make, len(values)):
            raise ValueError(f"kernel must have no more numbers behind {name!r} than that takes, got {text!r}")
        return make(*values)
    if Path(text).is_file():
        return _typed(Path(text))
    names = ", ".join(dc.kernels.__all__)
    raise ValueError(f"kernel must be one of {names} (with numbers behind colons) or a text file, got {text!r}")


def _typed(path: Path) -> Any:
    """Return the kernel in a text file: rows of numbers, with spaces or commas between them."""
    try:
        text = path.read_text(encoding="utf-8").splitlines()
        rows = [line.partition("#")[0].replace(",", " ").split() for line in text]
        kernel = np.array([[float(number) for number in row] for row in rows if row])
    except ValueError:  # a word, or rows of different lengths; text that is not UTF-8 is one too
        kernel = np.zeros(0)
    if kernel.size == 0:
        raise ValueError(f"kernel must be rows of as many numbers each, got something else in {str(path)!r}")
    return kernel


if __name__ == "__main__":
    sys.exit(main())
