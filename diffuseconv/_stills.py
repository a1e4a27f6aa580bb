"""Stills that are no TIFF: Pillow through imageio, 16-bit PNG through imageio's pyav plugin, netpbm through NumPy."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import numpy as np

from diffuseconv import _checks
from diffuseconv._samples import ROWS, Bands, Picture, RefusedError, Samples, limited, plausible, whole


@contextmanager
def opened(file: IO[bytes], most: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Check a picture's size by its header, then open it by imageio's pillow plugin."""
    import imageio.v3 as imageio
    from PIL import Image

    try:
        columns, rows = Image.open(file).size  # imageio tells the size only once a picture is decoded
    except Image.DecompressionBombError as error:
        limit = "25 megapixels" if most == 25_000_000 else "178956970 pixels, which is Pillow's own limit"
        raise RefusedError(f"must hold at most {limit}", f"({error})") from None
    limited(rows, columns, most)
    file.seek(0)
    with imageio.imopen(file, "r", plugin="pillow") as image:
        yield image, image.metadata(index=0, exclude_applied=False)


def orientation(image: Any) -> object:
    """Return how a decoded picture is still to be rotated: Pillow rotates TIFF itself, and forgets the tag then."""
    return image.metadata(index=0, exclude_applied=False).get("Orientation")


@contextmanager
def pillow(file: IO[bytes], most: int, _: object = None) -> Iterator[Picture]:
    """Open what Pillow decodes without loss of depth."""
    start = file.read(32)
    file.seek(0)
    with opened(file, most) as (image, details):
        mode, transparent = details["mode"], details.get("transparency")
        if mode in ("1", "L") and isinstance(transparent, int) and start.startswith(b"\x89PNG"):
            samples = image.read(index=0, mode="L")
            depth = start[24]
            level = min(transparent, 1) if depth == 1 else transparent
            opaque = samples != level * 255 // (2**depth - 1)  # Pillow scales only the samples
            samples = np.stack([samples, np.where(opaque, 255, 0).astype(np.uint8)], axis=-1)
        elif mode in ("P", "PA", "La", "RGBa") or transparent is not None:
            samples = image.read(index=0, mode="RGBA")
        elif mode in ("L", "LA", "RGB", "RGBA"):
            samples = image.read(index=0)
        elif mode in ("1", "CMYK", "YCbCr", "RGBX"):
            samples = image.read(index=0, mode="L" if mode == "1" else "RGB")
        else:
            raise RefusedError("must be gray, RGB, CMYK or a palette", f"with pixels of kind {mode}")
        yield whole(samples, 255.0, orientation(image))


@contextmanager
def deep_png(file: IO[bytes], most: int, _: object = None) -> Iterator[Picture]:
    """Open a PNG of 16 bits a sample, which Pillow reduces to 8 in colour."""
    import imageio.v3 as imageio

    with opened(file, most) as (image, details):
        samples = image.read(index=0)  # checks that the file is whole, too, which the next decoder does not
        turned = orientation(image)
        if samples.dtype != np.uint16 or "transparency" in details:  # reduced to 8 bits
            file.seek(0)
            with imageio.imopen(file, "r", plugin="pyav") as deep:
                samples = deep.read(index=0, format=None)  # with the opacity that a transparent colour means
    yield whole(samples, 65535.0, turned)


@contextmanager
def jpeg(file: IO[bytes], most: int, shape: tuple[int, int] | None) -> Iterator[Picture]:
    """Open a JPEG; one too large for its limit is decoded at 1/2, 1/4 or 1/8 of its size, not below `shape`."""
    from PIL.JpegImagePlugin import JpegImageFile  # imageio has no `draft`, and Image.open refuses 179 megapixels

    image = JpegImageFile(file)
    if shape is None or image.width * image.height <= most:
        file.seek(0)
        with pillow(file, most) as picture:
            yield picture
        return
    turned = image.getexif().get(0x0112, 1)
    rows, columns = shape if turned in range(5) else shape[::-1]
    image.draft(None, (columns, rows))
    samples = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    yield whole(samples, 255.0, turned)


@contextmanager
def netpbm(file: IO[bytes], most: int, shape: tuple[int, int] | None) -> Iterator[Picture]:
    """Open a PGM or PPM file, binary or plain, of any white up to 65535."""
    gap = rb"(?:\s|#[^\n]*\n)"
    header = re.match(rb"P([2356])" + 3 * (gap + rb"+(\d{1,9})") + rb"\s", file.read(65536))
    if header is None:
        raise ValueError("its header is not that of a PGM or PPM file")
    kind, (columns, rows, white) = header[1], map(int, header.groups()[1:])
    channels = 3 if kind in b"36" else 1
    if rows * columns == 0 or not 1 <= white <= 65535:
        raise ValueError(f"its header promises {columns} x {rows} pixels and a white of {white}")
    plausible(file, rows, columns, 1e-3)
    plain = kind in b"23"
    if shape is None or plain:
        limited(rows, columns, most)
    file.seek(header.end())
    read = _plain_rows if plain else _binary_rows
    yield Picture(rows, columns, float(white), read(file, (rows, columns, channels), white))


def _plain_rows(file: IO[bytes], shape: tuple[int, int, int], white: int) -> Bands:
    """Yield the samples of a plain file, all at once."""
    text = re.sub(rb"#[^\n]*", b"", file.read())
    word = re.search(rb"\S*[^\s\d]\S*", text)
    if word:  # older NumPy reads what stands before a word, and says nothing
        raise ValueError(f"a sample must be a whole number, got {_checks.got(word[0].decode(errors='replace'))}")
    samples = np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ", count=math.prod(shape))
    yield 0, _up_to(samples.reshape(shape), white)


def _binary_rows(file: IO[bytes], shape: tuple[int, int, int], white: int) -> Bands:
    """Yield the samples of a binary file, some rows at a time."""
    rows, columns, channels = shape
    dtype = np.dtype(">u2" if white > 255 else "u1")
    for first in range(0, rows, ROWS):
        size = (min(ROWS, rows - first), columns, channels)
        data = file.read(math.prod(size) * dtype.itemsize)
        yield first, _up_to(np.frombuffer(data, dtype).reshape(size), white)


def _up_to(samples: Samples, white: int) -> Samples:
    """Check that no sample is brighter than white."""
    if samples.max() > white or samples.min() < 0:
        raise ValueError(f"samples from {samples.min()} to {samples.max()} are beyond black or white, {white}")
    return samples
