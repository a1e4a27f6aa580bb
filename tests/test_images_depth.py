"""Pictures of every depth and kind, from files made bit by bit, load as the intensities that they mean."""

import io
import struct

import numpy as np
import pytest
import tifffile
from bitwise import luma, packed, png, tiff, words
from PIL import Image

import diffuseconv as dc
from diffuseconv import images

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


def premultiplied(values, white):
    """Colours and opacity as fractions of white, the colours multiplied by it."""
    fractions = values / white
    return fractions[..., :-1] * fractions[..., -1:]


def loads_as(data, colours):
    """Both ways of reading give the expected colours (or the one channel thrice), to rounding."""
    if colours.shape[-1] == 1:
        np.testing.assert_allclose(dc.load_image(data), colours[..., 0], rtol=0, atol=1e-15)
        colours = np.repeat(colours, 3, axis=-1)
    np.testing.assert_allclose(dc.load_image(data, gray=False), colours, rtol=0, atol=1e-15)
    np.testing.assert_allclose(dc.load_image(data), luma(colours), rtol=0, atol=1e-15)


@pytest.mark.parametrize(
    ("kind", "channels", "bits"),
    [(0, 1, bits) for bits in (1, 2, 4, 8, 16)]  # gray
    + [(kind, channels, bits) for kind, channels in ((2, 3), (4, 2), (6, 4)) for bits in (8, 16)],
)
def test_png_of_every_depth(kind, channels, bits):
    values = words(bits, 5, 7, channels)
    data = png(7, 5, bits, kind, packed(values, bits))
    white = 2.0**bits - 1
    loads_as(data, premultiplied(values, white) if channels in (2, 4) else values / white)
    if channels in (1, 3):  # one colour is transparent
        hole = values[2, 3]
        data = png(7, 5, bits, kind, packed(values, bits), tRNS=struct.pack(f">{channels}H", *hole.tolist()))
        loads_as(data, values / white * (values != hole).any(axis=-1, keepdims=True))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_png_palettes(bits):
    values = words(bits, 5, 7)
    table, opacity = words(8, 2**bits, 3), words(8, 2**bits)
    plte, trns = table.astype("u1").tobytes(), opacity.astype("u1").tobytes()
    loads_as(png(7, 5, bits, 3, packed(values, bits), PLTE=plte), (table / 255)[values])
    data = png(7, 5, bits, 3, packed(values, bits), PLTE=plte, tRNS=trns)
    loads_as(data, (table / 255 * (opacity / 255)[:, None])[values])


def test_sixteen_bit_palette_of_a_tiff():
    values, table = words(4, 5, 7), words(16, 3, 16)
    data = tiff(packed(values, 4), 7, 4, 3, t320=table.ravel().tolist())
    loads_as(data, (table.T / 65535)[values])
    eight = words(8, 3, 16)
    loads_as(tiff(packed(values, 4), 7, 4, 3, t320=(256 * eight).ravel().tolist()), (eight.T / 255)[values])
    loads_as(tiff(packed(values, 4), 7, 4, 3, t320=(257 * eight).ravel().tolist()), (eight.T / 255)[values])


def native(values, dtype):
    return [row.astype(dtype).tobytes() for row in values]


def compressed(lines, compression):
    """Strips of five rows of bytes that Pillow compresses, and the tags that say so."""
    written = io.BytesIO()
    Image.fromarray(lines).save(written, "TIFF", compression=compression, tiffinfo={278: 5})
    written.seek(0)
    with tifffile.TiffFile(written) as file:
        page = file.pages.first
        assert page.samplesperpixel == 1
        strips = [written.getvalue()[a : a + n] for a, n in zip(page.dataoffsets, page.databytecounts, strict=True)]
        return strips, {"t259": int(page.compression), "t278": page.rowsperstrip}


@pytest.mark.parametrize("factor", [256, 257])
@pytest.mark.parametrize(("kind", "counts"), [(2, True), (0, False)])
def test_opacity_beside_a_palette(factor, kind, counts):
    """Of a palette of 8 bits, times 256, as of one of 16; a channel of another kind is no opacity."""
    table, pairs = words(8, 3, 256), words(8, 4, 5, 2)
    data = tiff(native(pairs, "u1"), 5, 8, 3, 2, t320=(factor * table).ravel().tolist(), t338=kind)
    colours = (table.T / 255)[pairs[..., 0]]
    loads_as(data, colours * (pairs[..., 1:] / 255) if counts else colours)


@pytest.mark.parametrize("bits", [*range(1, 17), 32])
@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("order", ["<", ">"])
def test_gray_tiff_of_every_depth(bits, photometric, order):
    values = words(bits, 5, 7, 1)
    rows = native(values, f"{order}u{bits // 8}") if bits in (16, 32) else packed(values, bits)
    white = 2.0**bits - 1
    loads_as(tiff(rows, 7, bits, photometric, order=order), (values if photometric else white - values) / white)


@pytest.mark.parametrize("bits", [1, 4, 5, 10, 12, 14])
@pytest.mark.parametrize("order", ["<", ">"])
def test_colours_of_no_whole_bytes(bits, order):
    """Samples follow each other without gaps within a row, the highest bit first, whatever the order of bytes."""
    white = 2.0**bits - 1
    values = words(bits, 5, 7, 3)
    loads_as(tiff(packed(values, bits), 7, bits, 2, 3, order=order), values / white)
    four = words(bits, 5, 7, 4)
    loads_as(tiff(packed(four, bits), 7, bits, 2, 4, t338=2, order=order), premultiplied(four, white))
    from_the_lowest = [bytes(int(f"{byte:08b}"[::-1], 2) for byte in row) for row in packed(values, bits)]
    loads_as(tiff(from_the_lowest, 7, bits, 2, 3, t266=2, order=order), values / white)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
def test_compressed_samples_of_twelve_bits(compression):
    values = words(12, 32, 41, 1)
    lines = np.array([list(row) for row in packed(values, 12)], np.uint8)
    strips, tags = compressed(lines, compression)
    loads_as(tiff(strips, 41, 12, 1, height=32, **tags), values / 4095)
    predicted = tiff(strips, 41, 12, 1, height=32, **tags, t317=2)
    with pytest.raises(ValueError, match=r"must not be predicted with such samples, got .* of 12 bits"):
        dc.load_image(predicted)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_big_tiff_of_other_processors(compression):
    """Pillow knows the little-endian kind alone."""
    for values in (words(8, 5, 7, 3).astype("u1"), words(8, 5, 7).astype("u1")):
        written = io.BytesIO()
        photometric = "rgb" if values.ndim == 3 else "minisblack"
        options = {"bigtiff": True, "byteorder": ">", "compression": compression}
        tifffile.imwrite(written, values, photometric=photometric, **options)
        loads_as(written.getvalue(), np.atleast_3d(values) / 255)


@pytest.mark.parametrize("bits", [8, 16, 32])
def test_colour_tiff_of_every_depth(bits):
    values = words(bits, 5, 8, 3)
    dtype, white = f"<u{bits // 8}", 2.0**bits - 1
    loads_as(tiff(native(values, dtype), 8, bits, 2, 3), values / white)
    four = words(bits, 5, 8, 4)
    loads_as(tiff(native(four, dtype), 8, bits, 2, 4, t338=2), premultiplied(four, white))
    loads_as(tiff(native(four, dtype), 8, bits, 2, 4, t338=1), four[..., :3] / white)
    loads_as(tiff(native(four, dtype), 8, bits, 2, 4, t338=0), four[..., :3] / white)
    inks = (1 - four[..., :3] / white) * (1 - four[..., 3:] / white)
    loads_as(tiff(native(four, dtype), 8, bits, 5, 4), inks)


@pytest.mark.parametrize(("dtype", "bits"), [("<f2", 16), ("<f4", 32), ("<f8", 64)])
def test_floating_point_tiff(dtype, bits):
    values = np.random.default_rng(bits).random((5, 8, 3)).astype(dtype)
    loads_as(tiff(native(values, dtype), 8, bits, 2, 3, t339=[3, 3, 3]), values.astype(float))
    gray = values[..., :1]
    loads_as(tiff(native(gray, dtype), 8, bits, 1, t339=3), gray.astype(float))
    loads_as(tiff(native(gray, dtype), 8, bits, 0, t339=3), 1 - gray.astype(float))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (tiff([b"\xff\x00\x01\x7f"], 4, 8, 1, t339=2), "signed integers have no agreed white, got .* signed 8-bit"),
        (tiff([b"\0\0d\0"], 2, 16, 1, t339=2), "signed integers have no agreed white, got .* signed 16-bit"),
        (tiff([struct.pack("<2f", 0, 255)], 2, 32, 1, t339=3), r"must lie in 0\.\.1 .* with values from 0 to 255"),
        (tiff([struct.pack("<2f", 0, np.nan)], 2, 32, 1, t339=3), r"must lie in 0\.\.1"),
        (tiff([bytes(6)], 2, 24, 1), "must hold unsigned integers .* 1 to 16, 32 or 64 .* of 24 bits"),
        (tiff([bytes(8)], 1, 64, 1, t339=6), "must hold unsigned integers or floating-point .* and kind .*COMPLEX"),
        (tiff([bytes(6)], 1, 12, 2, 3, t284=2), "must hold the colours of a pixel side by side, got .* of 12 bits"),
        (tiff([bytes(6)], 4, 12, 1, t259=7), "must be compressed by LZW, deflate or packbits .* got .*JPEG"),
        (tiff([bytes(6)], 1, 16, 8, 3), "must be gray, RGB, CMYK or a palette"),
        (tiff([bytes(6)], 6, 8, 32803), "must be gray, RGB, CMYK or a palette .* of kind .*CFA"),
        (tiff([bytes(6)], 6, 8, 3), "must be a whole picture, got .*: its palette is missing"),
        (tiff([bytes(6)], 3, 16, 1)[:-30], "must be a whole picture"),
        (tiff([bytes(6)], 3, 16, 1, t279=0), "must be a whole picture"),
        (tiff([bytes(6)], 30000, 16, 1), "must be a whole picture"),
        (b"P5 2 2 255\n\x01\x02\x03", "must be a whole picture"),
        (b"P5 2 2 100\n\x01\x02\x03\x65", "must be a whole picture.*from 1 to 101 are beyond black or white, 100"),
        (b"P2 2 2 100\n1 2 3 x", "must be a whole picture"),
        (b"P5 0 2 100\n", "must be a whole picture.*header"),
        (b"P5 2 2 65536\n", "must be a whole picture.*header"),
    ],
)
def test_whole_files_that_are_refused_say_why(data, message):
    with pytest.raises(ValueError, match=f"path {message}" if message.startswith("must") else message) as caught:
        dc.load_image(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("white", [1, 100, 255, 256, 1000, 65535])
def test_netpbm_of_any_white(white):
    values = np.random.default_rng(white).integers(0, white, (70, 4, 3), endpoint=True)
    dtype = ">u2" if white > 255 else "u1"
    head = b"# made here\n4 # columns\n70 %d\n" % white
    plain = " ".join(map(str, values.ravel())).encode()
    gray = " ".join(map(str, values[..., 0].ravel())).encode()
    for data in (b"P6" + head + values.astype(dtype).tobytes(), b"P3" + head + plain):
        loads_as(data, values / white)
    for data in (b"P5" + head + values[..., 0].astype(dtype).tobytes(), b"P2" + head + gray):
        loads_as(data, values[..., :1] / white)


def test_webp_and_jpeg_have_eight_bits(tmp_path):
    """Lossless WebP gives back what was written; of a JPEG's coefficients Pillow's decoder is the judge."""
    four = words(8, 6, 9, 4).astype("u1")
    Image.fromarray(four).save(tmp_path / "p.webp", lossless=True, exact=True)
    loads_as(tmp_path / "p.webp", premultiplied(four, 255))
    for picture in (BYTES, COLOURS):
        Image.fromarray(picture).save(tmp_path / "p.jpg")
        with Image.open(tmp_path / "p.jpg") as stored:
            loads_as(tmp_path / "p.jpg", np.atleast_3d(np.asarray(stored)) / 255)


def test_netpbm_bitmaps_are_dark_where_set():
    assert dc.load_image(b"P1\n3 1\n1 0 1\n").tolist() == [[0, 1, 0]]
    assert dc.load_image(b"P4 3 1\n\xa0").tolist() == [[0, 1, 0]]


@pytest.mark.parametrize("options", [{}, {"tile": (16, 32)}, {"rowsperstrip": 3}, {"planarconfig": "separate"}])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_layouts(tmp_path, options, compression):
    values = words(16, 3, 37, 45) if "planarconfig" in options else words(16, 37, 45, 3)
    path = tmp_path / "p.tif"
    tifffile.imwrite(path, values.astype("u2"), photometric="rgb", compression=compression, **options)
    loads_as(path, (np.moveaxis(values, 0, -1) if "planarconfig" in options else values) / 65535)
    loads_as(path.read_bytes(), (np.moveaxis(values, 0, -1) if "planarconfig" in options else values) / 65535)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("planes", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("photometric", "extra"),
    [
        ("minisblack", ["unassalpha"]),
        ("minisblack", ["unspecified"]),
        ("rgb", ["unassalpha"]),
        ("rgb", ["assocalpha"]),
        ("rgb", ["unspecified"]),
        ("rgb", ["unassalpha", "unspecified"]),
    ],
)
def test_tiff_channels_beyond_the_colours(bits, planes, compression, photometric, extra):
    """Only opacity counts, and only where it is not in the colours yet; 8 bits are read as 16 are."""
    colours = 3 if photometric == "rgb" else 1
    values = words(bits, 5, 7, colours + len(extra))
    written = io.BytesIO()
    stored = (np.moveaxis(values, -1, 0) if planes == "separate" else values).astype(f"u{bits // 8}")
    options = {"planarconfig": planes, "extrasamples": extra, "compression": compression}
    tifffile.imwrite(written, stored, photometric=photometric, **options)
    shares = values / (2**bits - 1)
    opacity = shares[..., colours : colours + 1] if extra[0] == "unassalpha" else 1.0
    loads_as(written.getvalue(), shares[..., :colours] * opacity)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate"])
@pytest.mark.parametrize(("predictor", "order"), [(1, "<"), (2, "<"), (1, ">")])
def test_compressed_colours_of_sixteen_bits(compression, predictor, order):
    """Pillow compresses bytes; their tags then say what they mean. Sums modulo 2^16 undo the predictor."""
    values = words(16, 32, 40, 3).astype("u2")
    differences = np.diff(values, axis=1, prepend=np.zeros((32, 1, 3), "u2")) if predictor == 2 else values
    lines = np.ascontiguousarray(differences.astype(order + "u2")).view("u1").reshape(32, -1)
    strips, tags = compressed(lines, compression)
    loads_as(tiff(strips, 40, 16, 2, 3, height=32, order=order, **tags, t317=predictor), values / 65535)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_a_deep_tiff_and_resizing_commute(orientation):
    values = words(16, 12, 16, 1)
    upright = dc.load_image(tiff(native(values, "<u2"), 16, 16, 1, t274=orientation))
    small = dc.load_image(tiff(native(values, "<u2"), 16, 16, 1, t274=orientation), shape=(5, 3))
    np.testing.assert_allclose(small, images.resize(upright, (5, 3)), atol=1e-14)


def test_bytes_and_file_objects(tmp_path):
    path = tmp_path / "p.png"
    dc.save_image(path, BYTES)
    data = path.read_bytes()
    for source in (data, bytearray(data), memoryview(data), io.BytesIO(data), path, str(path)):
        np.testing.assert_array_equal(dc.load_image(source), BYTES / 255)
    with path.open("rb") as file:
        np.testing.assert_array_equal(dc.load_image(file), BYTES / 255)
        assert not file.closed


@pytest.mark.parametrize("source", [7, None, io.StringIO("text"), 2.5, [b"x"]])
def test_what_is_no_source_says_so(source):
    with pytest.raises(TypeError, match="path must be a path, bytes or a file opened to read bytes"):
        dc.load_image(source)
