"""What a picture file holds: its samples at full depth, band of rows by band of rows.

Pillow (through imageio) decodes what has 8 bits a sample or fewer; 16-bit PNG goes through imageio's pyav plugin, TIFF
of other depths through tifffile (imageio's plugin reads whole pages only and does not tell what the samples mean), and
netpbm files, which are little more than an array, through NumPy.
"""

from __future__ import annotations

import io
import logging
import math
import operator
import os
import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # a picture loads or raises: no third outcome

Samples = NDArray[Any]
Bands = Iterator[tuple[int, Samples]]  # the first row, and the samples of some rows: (rows, columns, channels)

KINDS = "PNG, JPEG, TIFF, WebP, BMP, GIF or PPM"
_MOST_SIDE = 1_000_000
_ROWS = 64  # converted at a time: ten times quicker than a whole big picture, in a third of the memory
_RED, _BLUE = 0.2126, 0.0722  # Rec. ITU-R BT.709, the primaries of sRGB; the rest is green's
_GRAY_INVERTED, _RGB, _PALETTE, _CMYK = 0, 2, 3, 5  # TIFF 6.0, tag 262
_LZW, _PACKBITS = 5, 32773  # tag 259
_EXACT = (1, _LZW, 8, 32946, _PACKBITS)  # none, LZW, deflate, packbits: lossless
_PREMULTIPLIED = 1  # tag 338
_OPACITY = 2  # tag 338: not multiplied into the colours
_SIGNED, _FLOAT = 2, 3  # tag 339


class RefusedError(ValueError):
    """A whole file that is refused: the rule, and what the file holds instead."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f"{rule}, got {found}")
        self.rule, self.found = rule, found


@dataclass(frozen=True)
class Picture:
    """A picture as stored: one to four channels, of which an even number ends in opacity."""

    rows: int
    columns: int
    white: float
    bands: Bands
    orientation: int = 1
    inverted: bool = False
    inks: bool = False

    def intensities(self, gray: bool) -> Bands:
        """Yield intensities 0..1 on a black ground, of shape (rows, columns) in gray or (rows, columns, 3)."""
        for first, samples in self.bands:
            for start in range(0, len(samples), _ROWS):
                values = samples[start : start + _ROWS].astype(np.float64)
                yield first + start, self._intensity(values, gray)

    def _intensity(self, values: NDArray[np.float64], gray: bool) -> NDArray[np.float64]:
        white = self.white
        if self.inks:
            values = (white - values[..., :3]) * ((white - values[..., 3:4]) / white)
        opacity = values[..., -1:] / white if values.shape[-1] in (2, 4) else None
        if opacity is not None:
            values = values[..., :-1]
        if self.inverted:
            values = white - values
        if opacity is not None:
            values = values * opacity
        if gray and values.shape[-1] == 3:
            red, green, blue = (values[..., channel] for channel in range(3))
            return (green + _RED * (red - green) + _BLUE * (blue - green)) / white  # so written, gray stays exact
        if gray:
            return values[..., 0] / white
        return np.broadcast_to(values, (*values.shape[:2], 3)) / white


def decoder(start: bytes) -> Callable[..., Any] | None:
    """Return the decoder for a file by its first bytes, or None."""
    if start[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return tiff
    if start[:1] == b"P" and start[1:2] in b"2356" and start[2:3] in b" \t\r\n#":
        return netpbm
    if start[:3] == b"\xff\xd8\xff":
        return jpeg
    if start[:8] == b"\x89PNG\r\n\x1a\n" and start[24:25] == b"\x10":
        return deep_png
    known = start[:8] == b"\x89PNG\r\n\x1a\n" or start[:2] == b"BM" or start[:6] in (b"GIF87a", b"GIF89a")
    known = known or (start[:4] == b"RIFF" and start[8:12] == b"WEBP") or start[:2] in (b"P1", b"P4")
    return pillow if known else None


def _limited(rows: int, columns: int, most: int) -> None:
    """Refuse a picture of more than `most` pixels, before it is decoded."""
    if rows * columns > most:
        limit = "25 megapixels" if most == 25_000_000 else f"{most} pixels"
        raise RefusedError(f"must hold at most {limit} (max_pixels= allows more)", f"of {columns} x {rows} pixels")


def _plausible(file: IO[bytes], rows: int, columns: int, pixel: float) -> None:
    """Refuse a header that promises more than its file can hold: `pixel` bytes a pixel, compressed at most 5000-fold.

    It would cost memory before the missing data are noticed.
    """
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(place)
    if not 0 < rows * columns * pixel <= 5000 * size:
        raise ValueError(f"{size} bytes cannot hold {columns} x {rows} pixels")
    if max(rows, columns) > _MOST_SIDE:
        raise RefusedError(f"must hold at most {_MOST_SIDE} pixels a side", f"of {columns} x {rows} pixels")


def _whole(samples: Samples, white: float, orientation: object) -> Picture:
    """Return a picture whose samples are all in memory."""
    rows, columns = samples.shape[:2]
    known = orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1
    return Picture(rows, columns, white, iter([(0, samples.reshape(rows, columns, -1))]), known)


@contextmanager
def _opened(file: IO[bytes], most: int) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Check a picture's size by its header, then open it by imageio's pillow plugin."""
    import imageio.v3 as imageio
    from PIL import Image

    try:
        columns, rows = Image.open(file).size  # imageio tells the size only once a picture is decoded
    except Image.DecompressionBombError as error:
        limit = "25 megapixels" if most == 25_000_000 else "178956970 pixels, which is Pillow's own limit"
        raise RefusedError(f"must hold at most {limit}", f"({error})") from None
    _limited(rows, columns, most)
    file.seek(0)
    with imageio.imopen(file, "r", plugin="pillow") as image:
        yield image, image.metadata(index=0, exclude_applied=False)


@contextmanager
def pillow(file: IO[bytes], most: int, _: object = None, *, white: float = 0.0) -> Iterator[Picture]:
    """Open what Pillow decodes without loss of depth; `white` is that of its 16-bit mode."""
    start = file.read(32)
    file.seek(0)
    with _opened(file, most) as (image, details):
        mode, transparent = details["mode"], details.get("transparency")
        if mode.startswith("I;16") and white:
            samples = image.read(index=0)
            if samples.max() > white:
                raise ValueError("a sample is beyond white")
            yield _whole(samples, white, details.get("Orientation"))
            return
        if mode in ("1", "L") and isinstance(transparent, int) and start.startswith(b"\x89PNG"):
            samples = image.read(index=0, mode="L")
            depth = start[24]
            level = min(transparent, 1) if depth == 1 else transparent
            opaque = samples != level * 255 // (2**depth - 1)  # Pillow scales the samples alone
            samples = np.stack([samples, np.where(opaque, 255, 0).astype(np.uint8)], axis=-1)
        elif mode in ("P", "PA", "La", "RGBa") or transparent is not None:
            samples = image.read(index=0, mode="RGBA")
        elif mode in ("L", "LA", "RGB", "RGBA"):
            samples = image.read(index=0)
        elif mode in ("1", "CMYK", "YCbCr", "RGBX"):
            samples = image.read(index=0, mode="L" if mode == "1" else "RGB")
        else:
            raise RefusedError("must be gray, RGB, CMYK or a palette", f"with pixels of kind {mode}")
        yield _whole(samples, 255.0, details.get("Orientation"))


@contextmanager
def deep_png(file: IO[bytes], most: int, _: object = None) -> Iterator[Picture]:
    """Open a PNG of 16 bits a sample, which Pillow reduces to 8 in colour."""
    import imageio.v3 as imageio

    with _opened(file, most) as (image, details):
        image.read(index=0)  # Pillow checks that the file is whole; the next decoder does not
        file.seek(0)
        with imageio.imopen(file, "r", plugin="pyav") as deep:
            samples = deep.read(index=0, format=None)  # as stored, with the opacity that a transparent colour means
    yield _whole(samples, 65535.0, details.get("Orientation"))


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
    orientation = image.getexif().get(0x0112, 1)
    rows, columns = shape if orientation in range(5) else shape[::-1]
    image.draft(None, (columns, rows))
    samples = np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB"))
    yield _whole(samples, 255.0, orientation)


@contextmanager
def netpbm(file: IO[bytes], most: int, shape: tuple[int, int] | None) -> Iterator[Picture]:
    """Open a PGM or PPM file, binary or plain, of any white up to 65535."""
    gap = rb"(?:\s|#[^\n]*\n)"
    header = re.match(rb"P([2356])" + 3 * (gap + rb"+(\d{1,9})") + rb"\s", file.read(65536))
    if header is None:
        raise ValueError("its header is broken")
    kind, (columns, rows, white) = header[1], map(int, header.groups()[1:])
    channels = 3 if kind in b"36" else 1
    if rows * columns == 0 or not 1 <= white <= 65535:
        raise ValueError("its header is broken")
    _plausible(file, rows, columns, 1e-3)
    plain = kind in b"23"
    if shape is None or plain:
        _limited(rows, columns, most)
    file.seek(header.end())
    read = _plain_rows if plain else _binary_rows
    yield Picture(rows, columns, float(white), read(file, (rows, columns, channels), white))


def _plain_rows(file: IO[bytes], shape: tuple[int, int, int], white: int) -> Bands:
    """Yield the samples of a plain file, all at once."""
    text = re.sub(rb"#[^\n]*", b"", file.read())
    samples = np.fromstring(text.decode("ascii"), dtype=np.int64, sep=" ", count=math.prod(shape))
    yield 0, _up_to(samples.reshape(shape), white)


def _binary_rows(file: IO[bytes], shape: tuple[int, int, int], white: int) -> Bands:
    """Yield the samples of a binary file, some rows at a time."""
    rows, columns, channels = shape
    dtype = np.dtype(">u2" if white > 255 else "u1")
    for first in range(0, rows, _ROWS):
        size = (min(_ROWS, rows - first), columns, channels)
        data = file.read(math.prod(size) * dtype.itemsize)
        yield first, _up_to(np.frombuffer(data, dtype).reshape(size), white)


def _up_to(samples: Samples, white: int) -> Samples:
    """Check that no sample is brighter than white."""
    if samples.max() > white or samples.min() < 0:
        raise ValueError("a sample is beyond white")
    return samples


@contextmanager
def tiff(file: IO[bytes], most: int, shape: tuple[int, int] | None) -> Iterator[Picture]:
    """Open the first page of a TIFF file of any depth."""
    import tifffile

    with tifffile.TiffFile(file) as opened:
        page: Any = opened.pages.first
        rows, columns, bits = map(operator.index, (page.imagelength, page.imagewidth, page.bitspersample))
        kind, photometric = int(page.sampleformat), int(page.photometric)
        _plausible(file, rows, columns, page.samplesperpixel * bits / 8)
        if kind == _SIGNED:
            rule = "must hold intensities, but signed integers have no agreed white"
            raise RefusedError(rule, f"of signed {bits}-bit integers")
        if shape is None:
            _limited(rows, columns, most)
        palette = None
        if photometric == _PALETTE and (page.colormap & 255).any():  # else 8 bits, times 256
            palette = np.ascontiguousarray(page.colormap.T)
        # Pillow rounds inks and premultiplied colours to 8 bits once more
        rounded = photometric == _CMYK or tuple(page.extrasamples[:1]) == (_PREMULTIPLIED,)
        twelve = bits == 12 and page.samplesperpixel == 1 and photometric == 1
        shallow = kind != _FLOAT and (bits <= 8 or twelve) and rows * columns <= most
        shallow = shallow and not (rounded and page.compression in _EXACT)
        if not shallow:
            yield _deep_tiff(page, most)
            return
        file.seek(0)
        if palette is None:
            with pillow(file, most, white=4095.0 if twelve else 0.0) as picture:
                yield picture
        else:
            with _opened(file, most) as (image, details):
                indices = image.read(index=0, mode="P")
            yield _whole(palette[indices], 65535.0, details.get("Orientation"))


def _deep_tiff(page: Any, most: int) -> Picture:
    """Return a page that tifffile decodes, some rows at a time unless its planes are separate."""
    rows, columns, bits = page.imagelength, page.imagewidth, page.bitspersample
    is_float, photometric, channels = int(page.sampleformat) == _FLOAT, int(page.photometric), page.samplesperpixel
    colours = {_GRAY_INVERTED: 1, 1: 1, _RGB: 3, _CMYK: 4}.get(photometric)
    if colours is None or channels < colours or page.imagedepth != 1:
        raise RefusedError("must be gray, RGB, CMYK or a palette", f"with pixels of kind {page.photometric!r}")
    if page.dtype is None or page.dtype.kind not in "uf" or bits not in (8, 16, 32, 64):
        raise RefusedError("must hold 1, 2, 4, 8, 12 (gray), 16, 32 or 64 bits a sample", f"of {bits} bits")
    if (page.planarconfig == 2 and channels > 1) or page.compression in (_LZW, _PACKBITS):
        _limited(rows, columns, most)  # these are decoded as a whole
    count = math.prod(page.chunked)
    if min(len(page.dataoffsets), len(page.databytecounts)) < count or 0 in page.databytecounts[:count]:
        raise ValueError("a strip or tile is missing")
    opacity = colours < 4 and tuple(page.extrasamples[:1]) == (_OPACITY,)  # premultiplied: already on black
    return Picture(
        rows,
        columns,
        1.0 if is_float else 2.0**bits - 1,
        _tiff_bands(page, colours + opacity, is_float),
        page.tags.valueof(274, default=1),
        inverted=photometric == _GRAY_INVERTED,
        inks=photometric == _CMYK,
    )


def _tiff_bands(page: Any, channels: int, is_float: bool) -> Bands:
    """Yield the first channels of a page, strip by strip or one row of tiles after the other."""
    try:
        for first, samples in _tiff_segments(page):
            used = samples[..., :channels]
            if is_float and not (used.min() >= 0 and used.max() <= 1):  # NaN too
                rule = "must lie in 0..1 where it holds floating-point numbers"
                raise RefusedError(rule, f"with values from {used.min():g} to {used.max():g}")
            yield first, used
    except (KeyError, ValueError, NotImplementedError) as error:
        if "imagecodecs" not in str(error):
            raise
        rule = "must be compressed by LZW, deflate or packbits (others need the package imagecodecs)"
        raise RefusedError(rule, f"compressed by {page.compression!r}") from None


def _tiff_segments(page: Any) -> Bands:
    """Yield bands of rows of all channels."""
    rows, columns, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.planarconfig == 2 and channels > 1:
        yield 0, np.moveaxis(page.asarray(maxworkers=1).reshape(channels, rows, columns), 0, -1)
        return
    if page.is_memmappable:
        samples = page.asarray(out="memmap").reshape(rows, columns, channels)
        yield from ((first, samples[first : first + _ROWS]) for first in range(0, rows, _ROWS))
        return
    if page.compression in (_LZW, _PACKBITS):
        yield 0, _unpacked(page)
        return
    band: Any = None
    start = 0
    for data, (_, _, first, left, _), _ in page.segments(maxworkers=1):
        if data is None:
            raise ValueError("a strip or tile is missing")
        part = data[0, : rows - first, : columns - left]
        if left == 0:
            if band is not None:
                yield start, band
            band, start = np.empty((len(part), columns, channels), data.dtype), first
        band[:, left : left + part.shape[1]] = part
    if band is not None:
        yield start, band


def _unpacked(page: Any) -> Samples:
    """Return a page that libtiff decompresses, as bytes of gray, for which Pillow has no kind of pixel otherwise."""
    from PIL import Image

    width = page.samplesperpixel * page.dtype.itemsize  # bytes a pixel
    tags = {256: page.imagewidth * width, 257: page.imagelength, 258: 8, 259: int(page.compression), 262: 1, 277: 1}
    if page.is_tiled:
        tags |= {322: page.tilewidth * width, 323: page.tilelength}
    else:
        tags |= {278: page.rowsperstrip}
    count = math.prod(page.chunked)
    sizes = list(page.databytecounts[:count])
    places = [8 + sum(sizes[:number]) for number in range(count)]
    entries: dict[int, list[int]] = {tag: [value] for tag, value in tags.items()}
    entries |= {324: places, 325: sizes} if page.is_tiled else {273: places, 279: sizes}
    file = page.parent.filehandle
    data = b"".join(_bytes_at(file, place, size) for place, size in zip(page.dataoffsets, sizes, strict=False))
    with Image.open(io.BytesIO(_tiff_file(data, entries)), formats=["TIFF"]) as image:
        packed = np.asarray(image)
    stored = page.dtype.newbyteorder(page.parent.byteorder)
    samples: Samples = packed.view(stored).reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
    if page.predictor == 1:
        return samples
    if page.predictor != 2 or page.dtype.kind != "u":
        raise RefusedError("must be predicted horizontally or not at all", f"with predictor {page.predictor!r}")
    samples = samples.astype(page.dtype)
    across = page.tilewidth if page.is_tiled else page.imagewidth
    for left in range(0, page.imagewidth, across):
        part = samples[:, left : left + across]
        np.cumsum(part, axis=1, dtype=page.dtype, out=part)  # modulo 2**bits, as it was differenced
    return samples


def _bytes_at(file: Any, place: int, size: int) -> bytes:
    """Read some bytes of a file, all of them."""
    file.seek(place)
    data: bytes = file.read(size)
    if len(data) != size:
        raise ValueError("the file is truncated")
    return data


def _tiff_file(data: bytes, entries: dict[int, list[int]]) -> bytes:
    """Return a little-endian TIFF file: its data after the header, then its tags, all of four bytes."""
    data += b"\0" * (len(data) % 2)
    end = 8 + len(data) + 2 + 12 * len(entries) + 4
    table, heap = b"", b""
    for tag, values in sorted(entries.items()):
        body = struct.pack(f"<{len(values)}I", *values)
        if len(body) > 4:
            body, heap = struct.pack("<I", end + len(heap)), heap + body
        table += struct.pack("<HHI", tag, 4, len(values)) + body
    start = b"II*\0" + struct.pack("<I", 8 + len(data))
    return start + data + struct.pack("<H", len(entries)) + table + bytes(4) + heap
