"""Photographs in and out: pixel intensity 0..1 is concentration of salt."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _colours, _files, _samples, _stills, _tiff

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

__all__ = ["load_image", "resize", "save_image"]

_MOST_PIXELS = 25_000_000
_KINDS = "PNG, JPEG, TIFF, WebP, BMP, GIF or PPM"
_ORIENTED: tuple[
    Callable[[NDArray[Any]], NDArray[Any]], ...
] = (  # EXIF 2.3, tag 274: from the stored picture to the upright one
    lambda stored: stored,
    lambda stored: stored[:, ::-1],
    lambda stored: stored[::-1, ::-1],
    lambda stored: stored[::-1],
    lambda stored: stored.swapaxes(0, 1),
    lambda stored: stored.swapaxes(0, 1)[:, ::-1],
    lambda stored: stored.swapaxes(0, 1)[::-1, ::-1],
    lambda stored: stored.swapaxes(0, 1)[::-1],
)
_WRITABLE: dict[str, dict[str, Any]] = {
    ".png": {},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".tif": {},
    ".tiff": {},
    ".webp": {"lossless": True},
    ".bmp": {},
}
_BITS = {".png": (8, 16), ".tif": (8, 16, 32, 64), ".tiff": (8, 16, 32, 64)}
_SIDES = {".jpg": 65500, ".jpeg": 65500, ".webp": 16383}


def load_image(
    path: str | os.PathLike[str] | bytes | IO[bytes],
    *,
    shape: tuple[int, int] | None = None,
    gray: bool = True,
    max_pixels: int = _MOST_PIXELS,
) -> NDArray[np.float64]:
    """Read a photograph as intensities between 0 and 1.

    In gray, ``Y' = 0.2126 R' + 0.7152 G' + 0.0722 B'`` (Rec. 709 luma of the stored, gamma-encoded values).

    Parameters
    ----------
    path : str, path-like, bytes or binary file
        A PNG, JPEG, TIFF, WebP, BMP, GIF or PPM file, its contents, or a file opened to read bytes. Of an animation
        or a TIFF of several pages the first.
    shape : (rows, columns), optional
        Resize to this shape, see `resize`; the picture is stretched where the proportions differ.
    gray : bool, optional
        Whether to return gray intensities rather than colours.
    max_pixels : int, optional
        Refuse pictures of more pixels, before anything is decoded. Where `shape` asks for a smaller picture, JPEG,
        TIFF and binary PPM files of any size are welcome: they are read at reduced size (JPEG, by factors of two) or
        strip by strip.

    Returns
    -------
    ndarray of float64
        Shape ``(rows, columns)``, or ``(rows, columns, 3)`` in colour. Samples of n bits are divided by ``2**n - 1``,
        at full depth, so that black is 0 and white is 1.

    Raises
    ------
    OSError
        If there is no such file or it may not be read.
    ValueError
        If it is not a picture, is truncated or damaged, has more than `max_pixels`, or no known white (signed
        integers; floating-point numbers beyond 0..1).
    TypeError
        If `path` is none of the above.

    Notes
    -----
    The camera's orientation (EXIF) is applied. What is transparent holds no salt: colours are multiplied by their
    opacity, as on a black ground. Colour profiles are ignored.

    References
    ----------
    .. [1] Recommendation ITU-R BT.709-6 (2015), item 3.2.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from diffuseconv import load_image, save_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "ramp.png")
    ...     save_image(file, [[0.0, 0.2], [0.4, 1.0]])
    ...     print(load_image(file))
    [[0.  0.2]
     [0.4 1. ]]
    """
    gray = _checks.flag("gray", gray)
    wanted = None if shape is None else _shape(shape)
    most = _checks.count("max_pixels", max_pixels, least=1)
    with _reading(path) as (file, name), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a picture loads or raises: no third outcome
        start = file.read(32)
        file.seek(0)
        decoder = _decoder(start)
        if decoder is None:
            raise ValueError(f"path must be a picture ({_KINDS}), got {name}")
        try:
            with decoder(file, most, wanted) as picture:
                return _upright(picture, wanted, gray)
        except _samples.RefusedError as error:
            raise ValueError(f"path {error.rule}, got {name} {error.found}") from None
        except Exception as error:  # a decoder may raise anything on a broken file
            reason = " ".join(str(error).split())
            raise ValueError(f"path must be a whole picture, got {name}: {reason}") from error


def resize(field: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Resample a picture without aliasing.

    Lanczos' kernel ``sinc(x) sinc(x/3)``, ``|x| < 3``, widened by the factor of reduction when the picture is made
    smaller, so that detail finer than a new pixel averages out.

    Parameters
    ----------
    field : array_like
        Shape ``(rows, columns)``, or ``(rows, columns, channels)``; computed in float64.
    shape : (rows, columns)
        The new shape.

    Returns
    -------
    ndarray of float64
        Clipped into the range of `field`, beyond which the kernel overshoots at sharp edges.

    Raises
    ------
    ValueError, TypeError
        If `field` is not a finite picture or `shape` is not a pair of whole numbers.

    Examples
    --------
    >>> from diffuseconv.images import resize
    >>> resize(np.eye(2), (1, 1))
    array([[0.5]])
    """
    values = _checks.array("field", field)
    if values.ndim not in (2, 3):
        raise ValueError(f"field must have 2 dimensions (or 3, the last for colour), got {values.ndim}")
    new = _shape(shape)
    if values.shape[:2] == new:
        return values.astype(np.float64)
    unit = 2.0**1000 if float(np.abs(values).max()) > 1e300 else 1.0  # sums of numbers near the largest would overflow
    bands = ((row, values[row : row + _samples.ROWS] / unit) for row in range(0, len(values), _samples.ROWS))
    return unit * _resampled(bands, values.shape[:2], new)


def save_image(
    path: str | os.PathLike[str],
    field: ArrayLike,
    *,
    colormap: str | Colormap = "gray",
    limits: tuple[float, float] | None = None,
    scale: int = 1,
    bits: int = 8,
) -> None:
    """Write a field or a colour picture as an image file.

    A field's value `u` takes the colour number ``floor(256 (u - low) / (high - low))``, clipped into 0..255, of the
    colour map (with 16 bits, 65536 and 65535). With the defaults a picture that `load_image` read is written back as
    it was.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.png``, ``.tif``, ``.tiff``, ``.webp``, ``.bmp`` (lossless), ``.jpg`` or ``.jpeg``.
    field : array_like
        A field of shape ``(rows, columns)``, or a colour picture ``(rows, columns, 3)`` of uint8 (uint16 with more
        `bits`) or float in 0..1.
    colormap : str or matplotlib Colormap, optional
        The colours of a field.
    limits : (low, high), optional
        Values of the first and the last colour of a field; values beyond are clipped. By default the field's range;
        in gray, a field that is a picture keeps its intensities: numbers in 0..1 (white is 1) and unsigned integers
        of at most `bits` bits (white is the largest). `write_movie` has the same rule, for its first frame.
    scale : int, optional
        Each cell becomes a square of this many pixels. JPEG holds 65500 pixels a side, WebP 16383.
    bits : {8, 16, 32, 64}, optional
        Bits a sample. PNG and TIFF hold 16; TIFF holds floating-point numbers of 32 or 64 too, which are the field's
        own unless `limits` maps them to 0..1. More than 8 need a field in gray or a colour picture.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above, the field is not finite, masked, or too large for the kind of file.
    OSError
        If the file cannot be written; no half file is left.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from diffuseconv import save_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image(pathlib.Path(folder, "waves.png"), np.sin(np.ones((9, 1)) * np.arange(9.0)), limits=(-1, 1))
    """
    target = _files.target("path", path, tuple(_WRITABLE))
    suffix = target.suffix.lower()
    table = _colours.table(colormap)
    fixed = None if limits is None else _colours.limits(limits)
    scale = _checks.count("scale", scale, least=1)
    gray = _colours.is_gray(table)
    allowed = _BITS.get(suffix, (8,))
    if _checks.count("bits", bits) not in allowed:
        raise ValueError(f"bits must be one of {', '.join(map(str, allowed))} in {suffix}, got {bits}")
    values = _colours.frame("field", field)
    if bits > 8 and values.ndim == 2 and not gray:
        raise ValueError(f"bits must be 8 with a colour map, which has 256 colours, got {bits}")
    _colours.fits("field", values.shape, scale, _SIDES.get(suffix, 2**31 - 1), suffix)
    if bits > 16:
        picture = _floating(values, fixed, bits)
    elif values.ndim == 2:
        picture = _colours.levels(values, *(fixed or _colours.default_limits(values, gray, bits)), bits)
        picture = picture if gray else table[picture]
    else:
        picture = _colours.rgb("field", values, bits)
    with _files.replacing(target) as temporary:
        _write(temporary, suffix, _colours.enlarge(picture, scale), bits)


def _floating(values: NDArray[Any], limits: tuple[float, float] | None, bits: int) -> NDArray[Any]:
    """Return numbers as float32 or float64: a field's own, or mapped to 0..1 by limits; a colour picture's in 0..1."""
    if values.ndim == 3 and values.dtype.kind == "u":
        numbers = _colours.rgb("field", values, 16) / 65535.0
    elif values.ndim == 3:
        numbers = np.clip(_colours.unit("field", values), 0.0, 1.0)
    elif limits is None:
        numbers = values
    else:
        low, high = limits
        with np.errstate(over="ignore"):  # far beyond the limits: infinite, then clipped
            numbers = np.clip((values.astype(np.float64) - low) / (high - low), 0.0, 1.0)
    dtype = np.dtype(f"f{bits // 8}")
    largest, most = float(np.abs(numbers).max()), float(np.finfo(dtype).max)
    if largest > most:
        raise ValueError(f"field must not exceed {most:.3g} with bits={bits}, got {largest:.3g}")
    return numbers.astype(dtype)


def _write(path: Path, suffix: str, picture: NDArray[Any], bits: int) -> None:
    """Write samples as they are."""
    import imageio.v3 as imageio

    if bits == 8 or (suffix == ".png" and picture.ndim == 2):
        options: dict[str, Any] = {"plugin": "pillow", "extension": suffix, "is_batch": False, **_WRITABLE[suffix]}
        path.write_bytes(imageio.imwrite("<bytes>", picture, **options))  # imageio prints what a full disk does to it
    elif suffix != ".png":
        photometric = "minisblack" if picture.ndim == 2 else "rgb"
        imageio.imwrite(path, picture, plugin="tifffile", is_batch=False, photometric=photometric)
    else:  # Pillow writes 16 bits in gray only
        options = {"codec": "png", "in_pixel_format": "rgb48le", "out_pixel_format": "rgb48be"}
        with imageio.imopen(path, "w", plugin="pyav", container="image2pipe") as file:
            file.write(np.ascontiguousarray(picture, "<u2"), is_batch=False, **options)


def _shape(value: Any) -> tuple[int, int]:
    """Check the rows and columns of a picture."""
    if not isinstance(value, (tuple, list, np.ndarray)) or getattr(value, "ndim", 1) == 0 or len(value) != 2:
        raise ValueError(f"shape must be a pair (rows, columns), got {_checks.got(value)}")
    rows, columns = (_checks.count(f"shape[{axis}]", size, least=1) for axis, size in enumerate(value))
    if rows * columns > _MOST_PIXELS:
        raise ValueError(f"shape must hold at most 25 megapixels, got {rows} x {columns}")
    return rows, columns


@contextmanager
def _reading(source: Any) -> Generator[tuple[IO[bytes], str]]:
    """Yield a file that can be read anywhere, and its name in messages."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        yield io.BytesIO(source), f"{len(source)} bytes"
        return
    if isinstance(source, (str, os.PathLike)) and not isinstance(os.fspath(source), bytes):
        if "\0" in str(source):
            raise ValueError(f"path must not hold a null character, got {str(source)!r}")
        with Path(source).open("rb") as file:
            yield file, repr(str(source))
        return
    data = source.read() if hasattr(source, "read") else None
    if not isinstance(data, bytes):
        rule = "path must be a path, bytes or a file opened to read bytes"
        raise TypeError(f"{rule}, got {_checks.got(source)}")
    yield io.BytesIO(data), f"a file of {len(data)} bytes"


def _decoder(start: bytes) -> Callable[..., Any] | None:
    """Return the decoder for a file by its first bytes, or None."""
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return _tiff.tiff
    if start[:1] == b"P" and start[1:2] in b"2356" and start[2:3] in b" \t\r\n#":
        return _stills.netpbm
    if start[:3] == b"\xff\xd8\xff":
        return _stills.jpeg
    if start[:8] == b"\x89PNG\r\n\x1a\n" and start[24:25] == b"\x10":
        return _stills.deep_png
    known = start[:8] == b"\x89PNG\r\n\x1a\n" or start[:2] == b"BM" or start[:6] in (b"GIF87a", b"GIF89a")
    known = known or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[:2] in (b"P1", b"P4")
    return _stills.pillow if known else None


def _upright(picture: _samples.Picture, shape: tuple[int, int] | None, gray: bool) -> NDArray[np.float64]:
    """Return the intensities of a picture, turned as the camera says, of a shape if asked."""
    upright = _ORIENTED[picture.orientation - 1 if picture.orientation in range(1, 9) else 0]
    bands = picture.intensities(gray)
    stored = (picture.rows, picture.columns)
    if shape is not None:
        new = shape if picture.orientation not in range(5, 9) else shape[::-1]
        if new != stored:
            return np.ascontiguousarray(upright(_resampled(bands, stored, new)))
    result = np.full(stored if gray else (*stored, 3), np.nan)
    filled = 0
    for first, band in bands:
        result[first : first + len(band)] = band
        filled += len(band)
    if filled != picture.rows:
        raise ValueError(f"it holds {filled} of {picture.rows} rows")
    return np.ascontiguousarray(upright(result))


def _resampled(
    bands: Iterable[tuple[int, NDArray[Any]]], shape: tuple[int, int], new: tuple[int, int]
) -> NDArray[np.float64]:
    """Resample a picture that comes as bands of rows, each with its first row's number; clip into its range."""
    down, across = _lanczos(shape[0], new[0]), _lanczos(shape[1], new[1])
    result: NDArray[np.float64] | None = None
    lowest, highest = np.array(np.inf), np.array(-np.inf)
    for first, band in bands:
        lowest, highest = np.minimum(lowest, band.min(axis=(0, 1))), np.maximum(highest, band.max(axis=(0, 1)))
        lines = np.moveaxis(band, 1, 0)  # columns first
        narrow = np.moveaxis((across @ lines.reshape(shape[1], -1)).reshape(new[1], *lines.shape[1:]), 0, 1)
        if result is None:
            result = np.zeros((new[0], *narrow.shape[1:]))
        weights = down[:, first : first + len(band)].tocsr()
        reached = np.flatnonzero(np.diff(weights.indptr))
        low, high = reached[0], reached[-1] + 1
        part = weights[low:high] @ narrow.reshape(len(band), -1)
        result[low:high] += part.reshape(high - low, *narrow.shape[1:])
    assert result is not None
    return np.clip(result, lowest, highest, out=result)


def _lanczos(size: int, new: int) -> Any:
    """Return the weights of Lanczos' kernel along one axis, a sparse matrix of shape (new, size)."""
    from scipy.sparse import csr_array

    widening = max(size / new, 1.0)
    centres = (np.arange(new) + 0.5) * size / new
    reach = 3.0 * widening
    taps = np.floor(centres - reach)[:, None] + np.arange(int(2 * reach) + 2)
    distance = (taps + 0.5 - centres[:, None]) / widening
    weights = np.sinc(distance) * np.sinc(distance / 3)
    weights[(np.abs(distance) >= 3) | (taps < 0) | (taps >= size)] = 0.0
    weights /= weights.sum(axis=1, keepdims=True)
    rows, places = np.nonzero(weights)
    columns = taps[rows, places].astype(np.intp)
    return csr_array((weights[rows, places], (rows, columns)), shape=(new, size)).tocsc()
