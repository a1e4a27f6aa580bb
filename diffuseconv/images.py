"""Photographs in and out: pixel intensity 0..1 is concentration of salt."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffuseconv import _checks, _colours, _files

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from PIL.Image import Image

__all__ = ["load_image", "resize", "save_image"]

_MOST_PIXELS = 25_000_000
_ROWS = 64  # converted at a time: ten times quicker than a whole big picture, in a third of the memory
_RED, _BLUE = 0.2126, 0.0722  # Rec. ITU-R BT.709, the primaries of sRGB; the rest is green's
_READABLE = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")
_WRITABLE: dict[str, dict[str, Any]] = {
    ".png": {},
    ".jpg": {"quality": 95, "subsampling": 0},
    ".jpeg": {"quality": 95, "subsampling": 0},
    ".tif": {},
    ".tiff": {},
    ".webp": {"lossless": True},
    ".bmp": {},
}


def load_image(
    path: str | os.PathLike[str], *, shape: tuple[int, int] | None = None, gray: bool = True
) -> NDArray[np.float64]:
    """Read a photograph as intensities between 0 and 1.

    In gray, ``Y' = 0.2126 R' + 0.7152 G' + 0.0722 B'`` (Rec. 709 luma of the stored, gamma-encoded values).

    Parameters
    ----------
    path : str or path-like
        A PNG, JPEG, TIFF, WebP, BMP, GIF or PPM file of at most 25 megapixels, which is read off its header before
        anything is decoded. Of an animation the first frame.
    shape : (rows, columns), optional
        Resize to this shape, see `resize`; the picture is stretched where the proportions differ.
    gray : bool, optional
        Whether to return gray intensities rather than colours.

    Returns
    -------
    ndarray of float64
        Shape ``(rows, columns)``, or ``(rows, columns, 3)`` in colour. 8 and 16 bits a channel are divided by 255 and
        65535, so that black is 0 and white is 1.

    Raises
    ------
    OSError
        If there is no such file or it may not be read.
    ValueError
        If it is not a picture, is truncated, has more than 25 megapixels or no known white.

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
    wanted = None if shape is None else _shape(shape)
    with warnings.catch_warnings():  # a picture loads or raises: no third outcome
        warnings.simplefilter("ignore")
        samples, white = _decode(path)
    intensity = np.empty(samples.shape[:2] if gray else (*samples.shape[:2], 3))
    for start in range(0, len(samples), _ROWS):
        rows = slice(start, start + _ROWS)
        intensity[rows] = _intensity(samples[rows].astype(np.float64), white, gray)
    return intensity if wanted is None else np.clip(resize(intensity, wanted), 0.0, 1.0)


def resize(field: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    """Resample a picture without aliasing.

    Lanczos' kernel ``sinc(x) sinc(x/3)``, ``|x| < 3``, widened by the factor of reduction when the picture is made
    smaller, so that detail finer than a new pixel averages out.

    Parameters
    ----------
    field : array_like
        Shape ``(rows, columns)``, or ``(rows, columns, channels)``; computed in float32.
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
    from PIL import Image

    taken = _checks.array("field", field)
    if taken.ndim not in (2, 3):
        raise ValueError(f"field must have 2 dimensions (or 3, the last for colour), got {taken.ndim}")
    rows, columns = _shape(shape)
    if taken.ndim == 3:
        return np.stack([resize(taken[..., channel], shape) for channel in range(taken.shape[2])], axis=-1)
    if taken.shape == (rows, columns):
        return taken.astype(np.float64)
    picture = Image.fromarray(taken.astype(np.float32))
    resized = np.asarray(picture.resize((columns, rows), Image.Resampling.LANCZOS), dtype=np.float64)
    return np.clip(resized, taken.min(), taken.max())


def save_image(
    path: str | os.PathLike[str],
    field: ArrayLike,
    *,
    colormap: str | Colormap = "gray",
    limits: tuple[float, float] | None = (0.0, 1.0),
    scale: int = 1,
) -> None:
    """Write a field or a colour picture as an image file.

    A field's value `u` takes the colour number ``floor(256 (u - low) / (high - low))``, clipped into 0..255, of the
    colour map. With the defaults an 8-bit picture that `load_image` read is written back as it was.

    Parameters
    ----------
    path : str or path-like
        Ends in ``.png``, ``.tif``, ``.tiff``, ``.webp``, ``.bmp`` (lossless), ``.jpg`` or ``.jpeg``.
    field : array_like
        A field of shape ``(rows, columns)``, or a colour picture ``(rows, columns, 3)`` of uint8 or float in 0..1.
    colormap : str or matplotlib Colormap, optional
        The colours of a field.
    limits : (low, high) or None, optional
        Values of the first and the last colour of a field; None means the field's own range.
    scale : int, optional
        Each cell becomes a square of this many pixels.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as above or the field is not finite.
    OSError
        If the file cannot be written; no half file is left.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from diffuseconv import save_image
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_image(pathlib.Path(folder, "waves.png"), np.sin(np.ones((9, 1)) * np.arange(9.0)), limits=(-1, 1))
    """
    from PIL import Image

    target = _files.target("path", path, tuple(_WRITABLE))
    table = _colours.table(colormap)
    fixed = None if limits is None else _colours.limits(limits)
    scale = _checks.count("scale", scale, least=1)
    picture = _colours.frame("field", field)
    if picture.ndim == 2:
        levels = _colours.levels(picture, *(fixed or _colours.range_of(picture)))
        is_gray = bool((table == np.arange(256)[:, None]).all())
        picture = levels if is_gray else table[levels]
    with _files.replacing(target) as temporary:
        Image.fromarray(_colours.enlarge(picture, scale)).save(temporary, **_WRITABLE[target.suffix.lower()])


def _shape(value: Any) -> tuple[int, int]:
    """Take the rows and columns of a picture."""
    if not isinstance(value, (tuple, list, np.ndarray)) or len(value) != 2:
        raise ValueError(f"shape must be a pair (rows, columns), got {_checks.got(value)}")
    rows, columns = (_checks.count(f"shape[{axis}]", size, least=1) for axis, size in enumerate(value))
    if rows * columns > _MOST_PIXELS:
        raise ValueError(f"shape must hold at most 25 megapixels, got {rows} x {columns}")
    return rows, columns


def _decode(path: str | os.PathLike[str]) -> tuple[NDArray[Any], float]:
    """Read the samples of a picture, upright, of shape (rows, columns, channels), and the value of white."""
    import PIL.Image
    from PIL import ImageOps

    with Path(path).open("rb") as file:
        try:
            image = PIL.Image.open(file, formats=_READABLE)
        except PIL.Image.DecompressionBombError as error:
            raise ValueError(f"path must hold at most 25 megapixels, got {str(path)!r}: {error}") from None
        except Exception as error:  # a decoder may fail in any way on a broken file
            kinds = ", ".join(_READABLE)
            raise ValueError(f"path must be a picture ({kinds}), got {str(path)!r}") from error
        if image.width * image.height > _MOST_PIXELS:
            size = f"{image.width} x {image.height}"
            raise ValueError(f"path must hold at most 25 megapixels, got {str(path)!r} of {size} pixels")
        try:
            image.load()
            samples, white = _samples(ImageOps.exif_transpose(image), image.format)
        except Exception as error:
            raise ValueError(f"path must be a whole picture, got {str(path)!r}: {error}") from error
    return samples.reshape(*samples.shape[:2], -1), white


def _samples(image: Image, format: str | None) -> tuple[NDArray[Any], float]:
    """Return the samples, one to four a pixel (an even number if the last is opacity), and the value of white."""
    if image.mode == "F":
        samples = np.asarray(image)
        if not (samples.min() >= 0 and samples.max() <= 1):  # NaN too
            raise ValueError("floating-point intensities must lie in 0..1")
        return samples, 1.0
    if image.mode.startswith("I"):
        if image.mode == "I" and format not in ("PNG", "PPM"):  # those hold 16 bits in Pillow's 32
            raise ValueError("32-bit integers have no agreed white")
        return np.asarray(image), 65535.0
    if image.mode == "P" or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "LA", "RGB", "RGBA"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    return np.asarray(image), 255.0


def _intensity(samples: NDArray[np.float64], white: float, gray: bool) -> NDArray[np.float64]:
    """Turn samples into intensities 0..1: on a black ground, in gray if asked."""
    if samples.shape[-1] in (2, 4):
        samples = samples[..., :-1] * (samples[..., -1:] / white)
    if not gray:
        return samples / white  # one channel fills three
    if samples.shape[-1] == 3:
        red, green, blue = (samples[..., channel] for channel in range(3))
        luma = green + _RED * (red - green) + _BLUE * (blue - green)  # so written, gray stays itself exactly
        return luma / white
    return samples[..., 0] / white
