"""Picture files made bit by bit from their specifications, as oracles for every depth."""

import struct
import zlib

import numpy as np


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    """Each row of unsigned integers as bits, the most significant first, filled up to whole bytes."""
    rows = values.reshape(len(values), -1).astype(np.uint64)
    places = np.arange(bits - 1, -1, -1, dtype=np.uint64)
    digits = (rows[..., None] >> places & np.uint64(1)).astype(np.uint8).reshape(len(rows), -1)
    return [row.tobytes() for row in np.packbits(digits, axis=1)]


def png(width: int, height: int, depth: int, kind: int, rows: list[bytes], **chunks: bytes) -> bytes:
    """A PNG file (ISO/IEC 15948) without filters; `chunks` (PLTE, tRNS) go before the data."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    more = b"".join(chunk(name.encode(), data) for name, data in chunks.items())
    data = zlib.compress(b"".join(b"\0" + row for row in rows))
    return b"\x89PNG\r\n\x1a\n" + header + more + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def png_header(width: int, height: int) -> bytes:
    """The first bytes of a picture of any size, and nothing more."""
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return start + struct.pack(">I", 10) + b"IDAT" + bytes(10)


def tiff(
    strips: list[bytes],
    width: int,
    bits: int,
    photometric: int,
    channels: int = 1,
    *,
    height: int | None = None,
    order: str = "<",
    **tags: object,
) -> bytes:
    """A TIFF 6.0 file of strips, each of one row unless tag 278 says otherwise; `tags` are other numbers, as t339=2."""
    places = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    entries: dict[int, object] = {
        256: width,
        257: height or len(strips),
        258: [bits] * channels,
        259: 1,
        262: photometric,
        273: places,
        277: channels,
        278: 1,
        279: [len(strip) for strip in strips],
        **{int(name[1:]): value for name, value in tags.items()},
    }
    data = b"".join(strips)
    data += b"\0" * (len(data) % 2)
    heap, table = b"", b""
    end = 8 + len(data) + 2 + 12 * len(entries) + 4
    for tag, value in sorted(entries.items()):
        values = value if isinstance(value, list) else [value]
        long = tag in (256, 257, 273, 278, 279)
        body = struct.pack(order + ("I" if long else "H") * len(values), *values)
        if len(body) > 4:
            body, heap = struct.pack(order + "I", end + len(heap)), heap + body
        table += struct.pack(order + "HHI", tag, 4 if long else 3, len(values)) + body.ljust(4, b"\0")
    directory = struct.pack(order + "H", len(entries)) + table + struct.pack(order + "I", 0)
    start = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8 + len(data))
    return start + data + directory + heap


def luma(colours):
    """Rec. 709 luma, channel by channel."""
    red, green, blue = np.moveaxis(np.asarray(colours, dtype=float), -1, 0)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def words(bits, *shape):
    """Unsigned integers of so many bits."""
    return np.random.default_rng(bits).integers(0, 2**bits, shape, dtype=np.uint64)
