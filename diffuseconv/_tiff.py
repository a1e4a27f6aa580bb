"""TIFF of every depth: up to 8 bits through Pillow, the rest through tifffile.

imageio's tifffile plugin reads whole pages only, and does not tell what their samples mean.
"""

from __future__ import annotations

import io
import logging
import math
import operator
import struct
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import IO, Any

import numpy as np

from diffuseconv._samples import ROWS, Bands, Picture, RefusedError, Samples, limited, plausible, whole
from diffuseconv._stills import opened, orientation, pillow

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # a picture loads or raises: no third outcome

_GRAY_INVERTED, _RGB, _PALETTE, _CMYK = 0, 2, 3, 5  # TIFF 6.0, tag 262
_LZW, _PACKBITS = 5, 32773  # tag 259
_EXACT = (1, _LZW, 8, 32946, _PACKBITS)  # none, LZW, deflate, packbits: lossless
_WHOLE = (8, 16, 32, 64)  # bits of a sample that is made of whole bytes
_OPACITY = 2  # tag 338: not multiplied into the colours
_UNSIGNED, _SIGNED, _FLOAT = 1, 2, 3  # tag 339


@contextmanager
def tiff(file: IO[bytes], most: int, shape: tuple[int, int] | None) -> Iterator[Picture]:
    """Open the first page of a TIFF file of any depth."""
    import tifffile
    from PIL import UnidentifiedImageError

    with tifffile.TiffFile(file) as pages, ExitStack() as stack:
        page: Any = pages.pages.first
        rows, columns, bits = map(operator.index, (page.imagelength, page.imagewidth, page.bitspersample))
        kind, photometric = int(page.sampleformat), int(page.photometric)
        plausible(file, rows, columns, page.samplesperpixel * bits / 8)
        if kind == _SIGNED:
            rule = "must hold intensities, but signed integers have no agreed white"
            raise RefusedError(rule, f"of signed {bits}-bit integers")
        if shape is None:
            limited(rows, columns, most)
        palette = None
        if photometric == _PALETTE and page.colormap is None:
            raise ValueError("its palette is missing")
        if photometric == _PALETTE and (page.colormap & 255).any():  # else 8 bits, times 256
            palette = np.ascontiguousarray(page.colormap.T)
        # Pillow rounds inks and premultiplied colours to 8 bits once more, and mistakes planes and other samples
        extra = tuple(page.extrasamples)
        unfit = photometric == _CMYK or extra not in ((), (_OPACITY,)) or (page.planarconfig == 2 and bits == 8)
        # and does not know colours of less than 8 bits, nor big-endian BigTIFF
        unfit = unfit or (bits < 8 and page.samplesperpixel > 1) or (pages.is_bigtiff and pages.byteorder == ">")
        shallow = kind != _FLOAT and bits in (1, 2, 4, 8) and rows * columns <= most
        shallow = shallow and (photometric == _PALETTE or not (unfit and page.compression in _EXACT))
        if not shallow:
            yield _deep_tiff(page, most)
            return
        file.seek(0)
        try:
            opening = pillow(file, most) if palette is None else _by_palette(file, most, palette, extra == (_OPACITY,))
            picture = stack.enter_context(opening)
        except UnidentifiedImageError:
            raise _unknown(page) from None
        yield picture


@contextmanager
def _by_palette(file: IO[bytes], most: int, palette: Samples, opacity: bool) -> Iterator[Picture]:
    """Open a picture of numbers of colours, which Pillow would reduce to 8 bits."""
    with opened(file, most) as (image, _):
        samples = palette[image.read(index=0, mode="P")]
        if opacity:
            shares = image.read(index=0, mode="RGBA")[..., 3:] * np.uint16(257)  # white is 65535
            samples = np.concatenate([samples, shares], axis=-1)
        yield whole(samples, 65535.0, orientation(image))


def _unknown(page: Any) -> RefusedError:
    """Return what is said of a whole file whose kind of pixels is not read."""
    found = f"with {page.samplesperpixel} samples of {page.bitspersample} bits of kind {page.photometric!r}"
    return RefusedError("must be gray, RGB, CMYK or a palette of up to 256 colours", found)


def _deep_tiff(page: Any, most: int) -> Picture:
    """Return a page that tifffile decodes, some rows at a time unless its planes are separate."""
    rows, columns, bits = page.imagelength, page.imagewidth, page.bitspersample
    is_float, photometric, channels = int(page.sampleformat) == _FLOAT, int(page.photometric), page.samplesperpixel
    colours = {_GRAY_INVERTED: 1, 1: 1, _RGB: 3, _CMYK: 4}.get(photometric)
    if colours is None or channels < colours or page.imagedepth != 1:
        raise _unknown(page)
    known = page.dtype is not None and page.dtype.kind in "uf" and bits in _WHOLE
    if not (known or (bits < 16 and int(page.sampleformat) == _UNSIGNED)):
        rule = "must hold unsigned integers or floating-point numbers of 1 to 16, 32 or 64 bits a sample"
        raise RefusedError(rule, f"of {bits} bits and kind {page.sampleformat!r}")
    planes = page.planarconfig == 2 and channels > 1
    if bits not in _WHOLE and planes:
        raise RefusedError("must hold the colours of a pixel side by side", f"with planes of {bits} bits")
    if planes or bits not in _WHOLE or page.compression in (_LZW, _PACKBITS):
        limited(rows, columns, most)  # these are decoded as a whole
    count = math.prod(page.chunked)
    if min(len(page.dataoffsets), len(page.databytecounts)) < count or 0 in page.databytecounts[:count]:
        held = sum(size > 0 for size in page.databytecounts[:count])
        raise ValueError(f"it holds {held} of {count} strips or tiles")
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
        raise _packed_otherwise(page) from None


def _packed_otherwise(page: Any) -> RefusedError:
    """Return what is said of a whole file whose compression is not read."""
    rule = "must be compressed by LZW, deflate or packbits (others need the package imagecodecs)"
    return RefusedError(rule, f"compressed by {page.compression!r}")


def _tiff_segments(page: Any) -> Bands:
    """Yield bands of rows of all channels."""
    rows, columns, channels = page.imagelength, page.imagewidth, page.samplesperpixel
    if page.planarconfig == 2 and channels > 1:
        yield 0, np.moveaxis(page.asarray(maxworkers=1).reshape(channels, rows, columns), 0, -1)
        return
    if page.bitspersample not in _WHOLE:
        packed = _unpacked(page)
        for first in range(0, rows, ROWS):
            yield first, _from_bits(packed[first : first + ROWS], columns, channels, page.bitspersample)
        return
    if page.is_memmappable:
        samples = page.asarray(out="memmap").reshape(rows, columns, channels)
        yield from ((first, samples[first : first + ROWS]) for first in range(0, rows, ROWS))
        return
    if page.compression in (_LZW, _PACKBITS):
        yield 0, _from_bytes(page)
        return
    band: Any = None
    start = 0
    for data, (_, _, first, left, _), _ in page.segments(maxworkers=1):
        if data is None:
            raise ValueError(f"the strip or tile at row {first} is missing")
        part = data[0, : rows - first, : columns - left]
        if left == 0:
            if band is not None:
                yield start, band
            band, start = np.empty((len(part), columns, channels), data.dtype), first
        band[:, left : left + part.shape[1]] = part
    if band is not None:
        yield start, band


def _from_bits(packed: Samples, columns: int, channels: int, bits: int) -> Samples:
    """Return samples of fewer than 16 bits that follow each other without gaps within a row, the highest bit first."""
    digits = np.unpackbits(packed, axis=1)[:, : columns * channels * bits]
    padded = np.zeros((len(packed), columns, channels, 16), np.uint8)
    padded[..., 16 - bits :] = digits.reshape(len(packed), columns, channels, bits)
    return np.packbits(padded, axis=-1).view(">u2")[..., 0]


def _from_bytes(page: Any) -> Samples:
    """Return samples of whole bytes of a page that libtiff decompresses."""
    stored = page.dtype.newbyteorder(page.parent.byteorder)
    samples: Samples = _unpacked(page).view(stored).reshape(page.imagelength, page.imagewidth, page.samplesperpixel)
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


def _unpacked(page: Any) -> Samples:
    """Return the bytes of a page's rows, which Pillow decompresses as if they were pixels of gray."""
    from PIL import Image

    if page.compression not in _EXACT:
        raise _packed_otherwise(page)
    if page.bitspersample not in _WHOLE and page.predictor != 1:
        raise RefusedError("must not be predicted with such samples", f"of {page.bitspersample} bits")

    bits: int = page.samplesperpixel * page.bitspersample

    def size(pixels: int) -> int:
        return math.ceil(pixels * bits / 8)  # of a row, in bytes

    tags = {256: size(page.imagewidth), 257: page.imagelength, 258: 8, 259: int(page.compression), 262: 1, 277: 1}
    tags[266] = int(page.fillorder)
    if page.is_tiled:
        tags |= {322: size(page.tilewidth), 323: page.tilelength}
    else:
        tags |= {278: page.rowsperstrip}
    count = math.prod(page.chunked)
    sizes = list(page.databytecounts[:count])
    places = [8 + sum(sizes[:number]) for number in range(count)]
    entries: dict[int, list[int]] = {tag: [value] for tag, value in tags.items()}
    entries |= {324: places, 325: sizes} if page.is_tiled else {273: places, 279: sizes}
    file = page.parent.filehandle
    data = b"".join(_bytes_at(file, place, length) for place, length in zip(page.dataoffsets, sizes, strict=False))
    with Image.open(io.BytesIO(_tiff_file(data, entries)), formats=["TIFF"]) as image:
        return np.asarray(image)


def _bytes_at(file: Any, place: int, size: int) -> bytes:
    """Read some bytes of a file, all of them."""
    file.seek(place)
    data: bytes = file.read(size)
    if len(data) != size:
        raise ValueError(f"the file ends at byte {place + len(data)}, before a part of {size} bytes")
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
