"""Frames to a film: one frame after the other, none of them kept.

Films are encoded through PyAV's own API: imageio's pyav plugin sets a codec and a rate, but not what these need. For
MP4 that is the index at the front (``movflags``), ``crf``, ``preset`` and the colour tags of BT.709; for APNG and GIF
the loop count (``plays``, ``loop``) and the palette of a frame; for WebP ``loop`` and ``lossless``.
"""

from __future__ import annotations

import base64
import html
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from diffuseconv import _checks, _colours, _files, _frames

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

__all__ = ["Movie", "write_movie"]

_SHOWN = 2**25  # bytes of a film that a notebook carries within itself

_BT709 = 1  # the code of Rec. ITU-R BT.709 in the tables of ITU-T H.273, for primaries, transfer and matrix alike


@dataclass(frozen=True)
class _Format:
    """How one kind of film is written: pixels of a field (a palette where there is one), pixels of a colour picture."""

    container: str
    codec: str
    field_pixels: str
    colour_pixels: str
    container_options: dict[str, str]
    codec_options: dict[str, str]
    side: int  # the most pixels a side
    slowest: float  # frames a second
    fastest: float


_FORMATS = {
    # faststart: the index comes first, so that a browser plays while it loads
    ".mp4": _Format(
        "mp4",
        "libx264",
        "yuv420p",
        "yuv420p",
        {"movflags": "+faststart"},
        {"crf": "16", "preset": "veryfast"},
        side=16384,
        slowest=1e-4,
        fastest=1000,
    ),
    # the highest level saves 5 % of the size for three to four times the time
    ".png": _Format(
        "apng",
        "apng",
        "pal8",
        "rgb24",
        {"plays": "0"},
        {"pred": "mixed", "compression_level": "1"},
        side=65535,
        slowest=1e-4,  # a frame lasts at most 65535 s
        fastest=1000,
    ),
    # times are whole hundredths of a second: two bytes of them, and browsers slow down what claims a single one
    ".gif": _Format("gif", "gif", "pal8", "pal8", {"loop": "0"}, {}, side=65535, slowest=0.002, fastest=50),
    ".webp": _Format(
        "webp",
        "libwebp_anim",
        "bgra",
        "bgra",
        {"loop": "0"},
        {"lossless": "1", "compression_level": "2"},
        side=16383,
        slowest=1e-4,  # three bytes of milliseconds
        fastest=1000,
    ),
}


@dataclass(frozen=True)
class Movie:
    """A film that was written; a notebook plays it.

    Attributes
    ----------
    path : Path
        The film.
    frames : int
        How many frames were written.
    fps : float
        Frames a second.
    """

    path: Path
    frames: int
    fps: float

    def _repr_html_(self) -> str:
        """Return the film itself, or where it is if it is large or gone."""
        name = html.escape(str(self.path))
        if not self.path.is_file() or self.path.stat().st_size > _SHOWN:
            return f"<p>{self.frames} frames in <code>{name}</code></p>"
        data = base64.b64encode(self.path.read_bytes()).decode()
        if self.path.suffix.lower() == ".mp4":
            return f'<video controls loop muted src="data:video/mp4;base64,{data}" title="{name}"></video>'
        return f'<img src="data:image/{self.path.suffix[1:].lower()};base64,{data}" alt="{name}">'


def write_movie(
    path: str | os.PathLike[str],
    frames: Iterable[Any],
    *,
    fps: float = 30,
    colormap: str | Colormap = "viridis",
    limits: tuple[float, float] | None = None,
    scale: int = 1,
    progress: bool = False,
) -> Movie:
    """Write a film, frame by frame as they come.

    A frame is a field, or a colour picture. A field's value `u` takes the colour number
    ``floor(256 (u - low) / (high - low))``, clipped into 0..255, of the colour map.

    Parameters
    ----------
    path : str or path-like
        The suffix picks the kind of film:

        ========= ================== =======================================================================
        ``.mp4``  H.264, 8-bit 4:2:0 Small, plays in a browser; colours nearly exact. An odd number of rows or
                                     columns is made even by repeating the last one.
        ``.png``  APNG               Lossless.
        ``.gif``  GIF                Fields lossless; colour pictures reduced to 256 colours a frame. Times are
                                     rounded to hundredths of a second, at most 50 frames a second.
        ``.webp`` WebP               Lossless. Equal frames in a row become one longer frame. The encoder keeps
                                     the compressed film, at most 3 bytes a pixel and frame, until the end.
        ========= ================== =======================================================================

        All but WebP need no more memory for a long film than for a short one.
    frames : iterable
        Each is a real field of shape ``(rows, columns)``, or a colour picture of shape ``(rows, columns, 3)`` that is
        uint8 or float in 0..1, or a pair ``(time, frame)`` as `DiffusionEquation.frames` yields. All of one shape.
    fps : float, optional
        Frames a second, from 0.0001 to 1000 (GIF: 0.002 to 50).
    colormap : str or matplotlib Colormap, optional
        The colours of a field; perceptually uniform by default.
    limits : (low, high), optional
        Values of the first and the last colour of a field, the same for all frames, so that equal colours mean equal
        values; values beyond are clipped. By default the range of the first frame; in gray, a first frame that is a
        picture keeps its intensities: numbers in 0..1 (white is 1) and uint8 (white is 255). `save_image` has the same
        rule.
    scale : int, optional
        Each cell becomes a square of this many pixels. MP4 holds 16384 pixels a side, WebP 16383, the others 65535,
        and every film 267 million pixels a frame.
    progress : bool, optional
        Show a progress bar, on a terminal or in a notebook.

    Returns
    -------
    Movie
        Where it is, and its number of frames; a notebook plays it.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, a frame is not finite or not of the first one's shape, or there are no frames.
    OSError
        If the film cannot be written, as on a full disk.

    Notes
    -----
    The film is written under a temporary name in the same folder and renamed at the end: whatever goes wrong (Ctrl-C
    too), no half film is left and a film of that name that was there before is still there. What a killed process left
    behind is deleted by the next write into that folder. Symbolic links are followed and file modes kept.

    PyAV encodes, for imageio's plugin does not set ``movflags``, ``crf`` and colour tags (MP4), ``loop`` (GIF, WebP),
    ``plays`` (APNG), ``lossless`` (WebP), nor the palette of a frame.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from diffuseconv import write_movie
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     film = pathlib.Path(folder, "film.mp4")
    ...     movie = write_movie(film, (np.full((32, 32), 1 / n) for n in range(1, 5)), limits=(0, 1))
    ...     print(movie.frames, film.stat().st_size > 0)
    4 True
    """
    target = _files.target("path", path, tuple(_FORMATS))
    suffix = target.suffix.lower()
    form = _FORMATS[suffix]
    rate = Fraction(_checks.number("fps", fps, above=0)).limit_denominator(100_000)
    if suffix == ".gif" and fps > form.fastest:
        raise ValueError(f"fps must be at most {form.fastest:g} in a GIF, got {fps:g}")
    if not form.slowest <= fps <= form.fastest:
        raise ValueError(f"fps must be between {form.slowest:g} and {form.fastest:g} in {suffix}, got {fps:g}")
    table = _colours.table(colormap)
    fixed = None if limits is None else _colours.limits(limits)
    scale = _checks.count("scale", scale, least=1)
    _checks.iterable("frames", frames, "arrays")
    progress = _checks.flag("progress", progress)
    gray = _colours.is_gray(table)
    with _files.replacing(target) as temporary:
        pictures = _pictures(_frames.with_progress(frames, progress, "film"), fixed, gray, scale, form.side, suffix)
        count = _encode(temporary, pictures, form, rate, table)
    return Movie(Path(path), count, float(fps))


def _pictures(
    frames: Iterable[Any], limits: tuple[float, float] | None, gray: bool, scale: int, side: int, suffix: str
) -> Iterator[NDArray[np.uint8]]:
    """Yield fields as levels 0..255 and colour pictures as bytes, each checked as it comes."""
    shape = None
    for number, item in enumerate(frames):
        name = f"frames[{number}]"
        values = _colours.frame(name, item[1] if _frames.is_timed(item) else item)
        if shape is None:
            shape = values.shape
            _colours.fits(name, shape, scale, side, suffix)
        if values.shape != shape:
            raise ValueError(f"frames must all have the shape of the first, {shape}, got {values.shape} at {number}")
        if values.ndim == 2:
            limits = limits or _colours.default_limits(values, gray)
            picture = _colours.levels(values, *limits)
        else:
            picture = _colours.rgb(name, values)
        yield _colours.enlarge(picture, scale)
    if shape is None:
        raise ValueError("frames must hold at least one frame, got none")


def _encode(
    path: Path, pictures: Iterator[NDArray[np.uint8]], form: _Format, rate: Fraction, table: NDArray[np.uint8]
) -> int:
    """Send each picture through the encoder as it comes, and return how many there were."""
    import av

    number = -1
    with av.open(os.fspath(path), "w", format=form.container, options=form.container_options) as film:
        stream = film.add_stream(form.codec, rate=rate, options=form.codec_options)
        for number, picture in enumerate(pictures):
            frame = _frame(picture, form.field_pixels if picture.ndim == 2 else form.colour_pixels, table)
            if number == 0:
                stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, frame.format.name
                if stream.pix_fmt == "yuv420p":
                    context = stream.codec_context
                    context.color_primaries = context.color_trc = context.colorspace = _BT709
                    context.color_range = 1  # 16..235, as every player expects
                    context.thread_type = "FRAME"  # the encoder works while the next frame is drawn
            frame.pts, frame.time_base = number, 1 / rate
            film.mux(stream.encode(frame))
        film.mux(stream.encode(None))
    return number + 1


def _frame(picture: NDArray[np.uint8], pixels: str, table: NDArray[np.uint8]) -> Any:
    """Make the encoder's frame of levels or colours."""
    import av

    if pixels == "pal8":
        levels, colours = (picture, table) if picture.ndim == 2 else _reduced(picture)
        palette = np.full((256, 4), 255, dtype=np.uint8)
        palette[:, 1:] = colours  # after the opacity
        return av.VideoFrame.from_ndarray((np.ascontiguousarray(levels), palette), format="pal8")
    colours = table[picture] if picture.ndim == 2 else picture
    if pixels != "yuv420p":
        return _from_rgb(colours).reformat(format=pixels)
    rows, columns = colours.shape[:2]
    if rows % 2 or columns % 2:  # colour is stored at half the resolution
        colours = np.pad(colours, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
    return _from_rgb(colours).reformat(format=pixels, dst_colorspace="ITU709")


def _from_rgb(colours: NDArray[np.uint8]) -> Any:
    """Pass colours to the encoder's library."""
    import av

    return av.VideoFrame.from_ndarray(np.ascontiguousarray(colours), format="rgb24")


def _reduced(picture: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Reduce a colour picture to the 256 colours that suit it, without dithering."""
    from PIL import Image

    few = Image.fromarray(picture).quantize(256, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    colours = np.zeros((256, 3), dtype=np.uint8)
    found = np.asarray(few.getpalette(), dtype=np.uint8).reshape(-1, 3)
    colours[: len(found)] = found
    return np.asarray(few), colours
