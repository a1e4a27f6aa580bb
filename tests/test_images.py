"""Photographs: every kind of pixel comes out as the intensity it means, upright, and broken files say so."""

import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from bitwise import luma, packed, png, png_header
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

import diffuseconv as dc
from diffuseconv import images

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
WORDS = RNG.integers(0, 65536, (6, 9), dtype=np.uint16)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".webp", ".bmp", ".PNG"])
def test_what_is_saved_is_loaded(tmp_path, suffix):
    path = tmp_path / ("picture" + suffix)
    dc.save_image(path, BYTES / 255)
    np.testing.assert_array_equal(dc.load_image(path), BYTES / 255)
    dc.save_image(path, COLOURS / 255)
    np.testing.assert_array_equal(dc.load_image(path, gray=False), COLOURS / 255)
    dc.save_image(path, COLOURS)
    np.testing.assert_array_equal(dc.load_image(path, gray=False), COLOURS / 255)
    np.testing.assert_allclose(dc.load_image(path), luma(COLOURS / 255), atol=1e-15)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_jpeg_is_close(tmp_path):
    rows, columns = np.mgrid[:32, :32] / 31
    picture = np.stack([rows, columns, 1 - rows * columns], axis=-1)
    for suffix in (".jpg", ".jpeg"):
        dc.save_image(tmp_path / ("p" + suffix), picture)
        assert np.abs(dc.load_image(tmp_path / ("p" + suffix), gray=False) - picture).max() < 0.05


def test_results_are_float64_in_range_and_ours(tmp_path):
    path = tmp_path / "p.png"
    dc.save_image(path, BYTES / 255)
    for gray, shape in ((True, (6, 9)), (False, (6, 9, 3))):
        loaded = dc.load_image(path, gray=gray)
        assert loaded.dtype == np.float64
        assert loaded.shape == shape
        loaded[0] = 0.5  # writable


def test_gray_pixels_keep_their_value_whatever_the_weights(tmp_path):
    path = tmp_path / "p.png"
    dc.save_image(path, np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2))
    np.testing.assert_array_equal(dc.load_image(path)[0], np.arange(256) / 255)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits(tmp_path, suffix):
    path = tmp_path / ("p" + suffix)
    Image.fromarray(WORDS).save(path)
    np.testing.assert_array_equal(dc.load_image(path), WORDS / 65535)
    np.testing.assert_array_equal(dc.load_image(path, gray=False), np.stack([WORDS / 65535] * 3, axis=-1))


def test_big_endian_sixteen_bits(tmp_path):
    path = tmp_path / "p.tif"
    Image.frombytes("I;16B", (9, 6), WORDS.astype(">u2").tobytes()).save(path)
    np.testing.assert_array_equal(dc.load_image(path), WORDS / 65535)


def test_sixteen_bit_ppm(tmp_path):
    (tmp_path / "p.pgm").write_bytes(b"P5 9 6 65535\n" + WORDS.astype(">u2").tobytes())
    np.testing.assert_array_equal(dc.load_image(tmp_path / "p.pgm"), WORDS / 65535)


def test_float_tiffs_are_taken_as_they_are(tmp_path):
    path = tmp_path / "p.tif"
    field = RNG.random((4, 5)).astype(np.float32)
    Image.fromarray(field).save(path)
    np.testing.assert_array_equal(dc.load_image(path), field)
    for bad in (2.0, -0.5, np.nan):
        Image.fromarray(np.full((4, 5), bad, np.float32)).save(path)
        with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
            dc.load_image(path)


def test_integers_without_a_white_are_refused(tmp_path):
    Image.fromarray(np.full((4, 5), 70000, np.int32)).save(tmp_path / "p.tif")
    with pytest.raises(ValueError, match="no agreed white"):
        dc.load_image(tmp_path / "p.tif")


def test_palettes_bitmaps_and_printers_inks(tmp_path):
    few = Image.fromarray(COLOURS).quantize(16)
    few.save(tmp_path / "p.png")
    expected = np.asarray(few.convert("RGB")) / 255
    np.testing.assert_array_equal(dc.load_image(tmp_path / "p.png", gray=False), expected)
    few.save(tmp_path / "p.gif")
    np.testing.assert_array_equal(dc.load_image(tmp_path / "p.gif", gray=False), expected)
    bits = BYTES > 127
    Image.fromarray(bits).save(tmp_path / "b.png")
    np.testing.assert_array_equal(dc.load_image(tmp_path / "b.png"), bits)
    inks = Image.new("CMYK", (3, 3), (0, 255, 255, 0))
    inks.save(tmp_path / "c.tif")
    np.testing.assert_allclose(dc.load_image(tmp_path / "c.tif", gray=False)[0, 0], [1, 0, 0])


def test_what_is_transparent_holds_no_salt(tmp_path):
    opacity = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
    path = tmp_path / "p.png"
    Image.fromarray(np.dstack([COLOURS, opacity])).save(path)
    expected = COLOURS / 255 * (opacity / 255)[..., None]
    np.testing.assert_allclose(dc.load_image(path, gray=False), expected, atol=1e-15)
    np.testing.assert_allclose(dc.load_image(path), luma(expected), atol=1e-15)
    Image.merge("LA", [Image.fromarray(BYTES), Image.fromarray(opacity)]).save(path)
    np.testing.assert_allclose(dc.load_image(path), BYTES / 255 * (opacity / 255), atol=1e-15)
    few = Image.fromarray(COLOURS).quantize(8)
    few.save(path, transparency=0)
    seen = np.asarray(few) != 0
    expected = np.asarray(few.convert("RGB")) / 255 * seen[..., None]
    np.testing.assert_allclose(dc.load_image(path, gray=False), expected)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])  # TIFF: Pillow turns it as it decodes
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_cameras_orientation_is_applied(tmp_path, orientation, suffix):
    path = tmp_path / f"p.{suffix}"
    stored = Image.fromarray(BYTES)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(path, exif=exif, lossless=True)
    # EXIF 2.3, tag 274: where the stored first row and first column lie in the upright picture
    upright = {
        1: BYTES,
        2: BYTES[:, ::-1],
        3: BYTES[::-1, ::-1],
        4: BYTES[::-1],
        5: BYTES.T,
        6: np.rot90(BYTES, -1),
        7: BYTES[::-1, ::-1].T,
        8: np.rot90(BYTES, 1),
    }[orientation]
    np.testing.assert_array_equal(dc.load_image(path), upright / 255)


def test_a_words_picture_is_turned_upright_too(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(WORDS).save(tmp_path / "p.png", exif=exif)
    np.testing.assert_array_equal(dc.load_image(tmp_path / "p.png"), np.rot90(WORDS, -1) / 65535)


# --- size ------------------------------------------------------------------------------------------------------------


def test_resizing_does_not_alias(tmp_path):
    """A checkerboard of single pixels, made smaller, is gray: taking every n-th pixel would leave it black or white."""
    path = tmp_path / "p.png"
    board = (np.indices((96, 96)).sum(axis=0) % 2).astype(float)
    dc.save_image(path, board)
    for shape in ((32, 32), (24, 48), (31, 17)):
        small = dc.load_image(path, shape=shape)
        assert small.shape == shape
        assert np.abs(small - 0.5).max() < 0.05


def lanczos(size: int, new: int) -> np.ndarray:
    """The weights of Lanczos' kernel for one axis, from its formula, as a matrix (new, size)."""
    scale = max(size / new, 1.0)
    weights = np.zeros((new, size))
    for row in range(new):
        centre = (row + 0.5) * size / new
        distance = (np.arange(size) + 0.5 - centre) / scale
        kernel = np.sinc(distance) * np.sinc(distance / 3) * (np.abs(distance) < 3)
        weights[row] = kernel / kernel.sum()
    return weights


@settings(max_examples=25)
@given(st.tuples(*[st.integers(1, 30)] * 4), st.integers(0, 2**32))
def test_resize_is_lanczos_kernel_on_each_axis(sizes, entropy):
    """Sums of at most 180 products in another order: agreement to rounding."""
    rows, columns, new_rows, new_columns = sizes
    field = np.random.default_rng(entropy).random((rows, columns))
    exact = lanczos(rows, new_rows) @ field @ lanczos(columns, new_columns).T
    resized = images.resize(field, (new_rows, new_columns))
    np.testing.assert_allclose(resized, np.clip(exact, field.min(), field.max()), atol=1e-13)


def test_resize_keeps_colours_apart():
    resized = images.resize(COLOURS / 255, (3, 4))
    for channel in range(3):
        np.testing.assert_array_equal(resized[..., channel], images.resize(COLOURS[..., channel] / 255, (3, 4)))
    same = images.resize(COLOURS, (6, 9))
    np.testing.assert_array_equal(same, COLOURS)


def test_gray_and_resize_commute_to_rounding(tmp_path):
    path = tmp_path / "p.png"
    dc.save_image(path, COLOURS)
    colour = dc.load_image(path, shape=(12, 5), gray=False)
    assert colour.shape == (12, 5, 3)
    inside = (colour.min(axis=-1) > 0.02) & (colour.max(axis=-1) < 0.98)  # nothing was clipped there
    assert inside.any()
    np.testing.assert_allclose(dc.load_image(path, shape=(12, 5))[inside], luma(colour)[inside], atol=1e-13)


def test_enlarging_stays_in_range(tmp_path):
    path = tmp_path / "p.png"
    dc.save_image(path, np.array([[0.0, 1.0], [1.0, 0.0]]))
    big = dc.load_image(path, shape=(17, 19))
    assert big.shape == (17, 19)
    assert big.min() == 0
    assert big.max() == 1


@pytest.mark.parametrize("size", [(5001, 5000), (10_000, 10_000), (30_000, 30_000), (10**6, 10**6)])
def test_big_pictures_are_refused_by_their_header(tmp_path, size):
    """Pillow warns above 89 megapixels and gives up above 179; neither leaks. There is nothing here to decode."""
    path = tmp_path / "big.png"
    path.write_bytes(png_header(*size))
    with pytest.raises(ValueError, match="path must hold at most 25 megapixels") as caught:
        dc.load_image(path, shape=(8, 8))
    assert "\n" not in str(caught.value)


def test_just_25_megapixels_are_welcome(tmp_path):
    path = tmp_path / "p.png"
    Image.new("1", (5000, 5000), 1).save(path)
    assert dc.load_image(path, shape=(2, 2)).tolist() == [[1, 1], [1, 1]]


# --- what goes wrong -------------------------------------------------------------------------------------------------


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.png"):
        dc.load_image(tmp_path / "none.png")
    with pytest.raises(IsADirectoryError):
        dc.load_image(tmp_path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\x89PNG\r\n\x1a\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"GIF89a", bytes(99)],
    ids=range(6),
)
def test_what_is_no_picture_says_so(tmp_path, content):
    path = tmp_path / "p.png"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"path must be a (whole )?picture.*p\.png") as caught:
        dc.load_image(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp", ".gif"])
def test_truncated_files_say_so(tmp_path, suffix):
    """Cut anywhere, a file raises ValueError in one line: nothing else, and never half a picture without a word."""
    whole = tmp_path / ("whole" + suffix)
    Image.fromarray(RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(whole)
    data = whole.read_bytes()
    path = tmp_path / ("cut" + suffix)
    for share in (0.02, 0.1, 0.3, 0.5, 0.9):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(ValueError, match="path must be a") as caught:
            dc.load_image(path)
        assert "\n" not in str(caught.value)


DEEP = RNG.integers(0, 65536, (12, 12, 3), dtype=np.uint16)


def deep(kind):
    """A picture of 16 bits a sample."""
    if kind == "deep PNG":
        return png(12, 12, 16, 2, packed(DEEP, 16))
    if kind == "PPM":
        return b"P6 12 12 65535\n" + DEEP.astype(">u2").tobytes()
    written = io.BytesIO()
    tifffile.imwrite(written, DEEP, photometric="rgb", rowsperstrip=5, compression="zlib" if "zip" in kind else None)
    return written.getvalue()


@settings(max_examples=100)
@given(
    st.sampled_from(["PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "deep PNG", "PPM", "deep TIFF", "zipped TIFF"]),
    st.integers(0, 2**32),
    st.integers(1, 8),
)
def test_damaged_files_load_or_raise_one_kind_of_error(tmp_path_factory, kind, entropy, damages):
    """Bytes overwritten at random: a picture in range, or ValueError; no warning, no other error."""
    rng = np.random.default_rng(entropy)
    path = tmp_path_factory.getbasetemp() / "damaged"
    if kind in ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF"):
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(path, format=kind)
        data = bytearray(path.read_bytes())
    else:
        data = bytearray(deep(kind))
    for position in rng.integers(0, len(data), damages):
        data[position] = rng.integers(0, 256)
    path.write_bytes(data)
    try:
        loaded = dc.load_image(path)
    except ValueError as error:
        assert str(error).startswith("path must")  # noqa: PT017, either outcome is right
    else:
        assert loaded.min() >= 0
        assert loaded.max() <= 1


@pytest.mark.parametrize(
    ("shape", "error", "message"),
    [
        (3, ValueError, r"shape must be a pair \(rows, columns\), got 3"),
        (np.array(3), ValueError, "shape must be a pair"),
        ((2, [3]), TypeError, r"shape\[1\] must be a whole number"),
        ((3,), ValueError, "shape must be a pair"),
        ((3, 4, 5), ValueError, "shape must be a pair"),
        ((0, 4), ValueError, r"shape\[0\] must be at least 1, got 0"),
        ((3, 4.5), TypeError, r"shape\[1\] must be a whole number"),
        ((5001, 5000), ValueError, "shape must hold at most 25 megapixels, got 5001 x 5000"),
    ],
)
def test_bad_shapes(shape, error, message):
    with pytest.raises(error, match=message):
        dc.load_image("no such file", shape=shape)
    with pytest.raises(error, match=message):
        images.resize(np.eye(3), shape)


def test_bad_fields():
    with pytest.raises(ValueError, match="field must have 2 dimensions"):
        images.resize(np.zeros(3), (1, 1))
    with pytest.raises(ValueError, match="field must be finite"):
        images.resize([[np.nan]], (1, 1))


@pytest.mark.parametrize(
    ("field", "options", "error", "message"),
    [
        (np.zeros(3), {}, ValueError, "field must have shape"),
        (np.zeros((3, 3, 4)), {}, ValueError, "field must have shape"),
        (np.full((2, 2), np.nan), {}, ValueError, "field must be finite"),
        (np.full((2, 2, 3), 255.0), {}, ValueError, r"field in colour must lie in 0..1"),
        (np.zeros((2, 2, 3), np.int64), {}, TypeError, "field in colour must be uint8 or float"),
        (np.eye(2), {"colormap": "none such"}, ValueError, "colormap must name"),
        (np.eye(2), {"limits": (1, 0)}, ValueError, "limits must be a pair"),
        (np.eye(2), {"scale": -1}, ValueError, "scale must be at least 1"),
    ],
)
def test_save_image_refuses(tmp_path, field, options, error, message):
    with pytest.raises(error, match=message):
        dc.save_image(tmp_path / "p.png", field, **options)
    assert not list(tmp_path.iterdir())


def test_save_image_checks_its_path(tmp_path):
    with pytest.raises(ValueError, match="path must end in one of"):
        dc.save_image(tmp_path / "p.mp4", np.eye(2))
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists"):
        dc.save_image(tmp_path / "none" / "p.png", np.eye(2))


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
def test_a_full_disk_keeps_the_old_picture(tmp_path):
    code = """
import resource, sys
import numpy as np, diffuseconv as dc
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
try:
    dc.save_image(sys.argv[1], np.random.default_rng(0).random((99, 99)))
except OSError:
    print("raised")
"""
    path = tmp_path / "p.png"
    path.write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == "raised\n"
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_save_image_colours_limits_and_scale(tmp_path):
    import matplotlib

    path = tmp_path / "p.png"
    field = np.array([[-1.0, 0.0, 3.0]])
    dc.save_image(path, field, colormap="inferno", limits=None, scale=2)
    expected = np.rint(255 * matplotlib.colormaps["inferno"]((field + 1) / 4)[..., :3])
    with Image.open(path) as picture:
        np.testing.assert_array_equal(np.asarray(picture), np.kron(expected, np.ones((2, 2, 1))))
    dc.save_image(path, field, limits=(0, 1))
    with Image.open(path) as picture:
        assert picture.mode == "L"
        assert np.asarray(picture).tolist() == [[0, 0, 255]]


@pytest.mark.parametrize(
    ("field", "wanted"),
    [
        (np.arange(256).reshape(16, 16), np.arange(256)),  # integers are a field: their range
        (np.arange(100, 356, dtype=np.uint16).reshape(16, 16), np.arange(256)),
        (np.array([[100, 150, 200]], np.uint8), [100, 150, 200]),  # bytes are a picture
        (np.array([[0.2, 0.6]]), [51, 153]),  # as are numbers in 0..1
        (np.array([[0.2, 1.2]]), [0, 255]),
        (np.array([[True, False]]), [255, 0]),
        (np.full((1, 2), 7.0), [128, 128]),
        (np.full((1, 2), 0.4), [102, 102]),
    ],
)
def test_one_rule_for_limits_in_stills_and_films(tmp_path, field, wanted):
    dc.save_image(tmp_path / "still.png", field)
    dc.write_movie(tmp_path / "film.png", [field], colormap="gray")
    for name in ("still.png", "film.png"):
        with Image.open(tmp_path / name) as picture:
            assert np.asarray(picture.convert("L")).ravel().tolist() == list(wanted), name
    dc.save_image(tmp_path / "still.png", field, colormap="viridis")
    dc.write_movie(tmp_path / "film.png", [field])
    with Image.open(tmp_path / "still.png") as still, Image.open(tmp_path / "film.png") as film:
        np.testing.assert_array_equal(np.asarray(still), np.asarray(film.convert("RGB")))


def test_luma_agrees_with_pillows_upright_matplotlib_portrait():
    """The portrait that the simulations use: a colour JPEG, near Rec. 601's luma but not the same."""
    import matplotlib

    path = matplotlib.get_data_path() + "/sample_data/grace_hopper.jpg"
    with Image.open(path) as picture:
        colours = np.asarray(ImageOps.exif_transpose(picture).convert("RGB")) / 255
    np.testing.assert_allclose(dc.load_image(path), luma(colours), atol=1e-14)


# --- large pictures --------------------------------------------------------------------------------------------------


def test_large_pictures_load_smaller_or_by_leave(tmp_path):
    """26 megapixels: JPEG at reduced size, TIFF by tiles and strips, PPM by rows, all near the same small picture."""
    rows, columns = 5000, 5200
    y, x = np.ogrid[:rows, :columns]
    gray = (127.5 + 80 * np.sin(y / 700) + 40 * np.cos(x / 400)).astype(np.uint8)
    exact = 127.5 + 80 * np.sin((np.arange(25)[:, None] * 200 + 99.5) / 700)
    exact = (exact + 40 * np.cos((np.arange(26) * 200 + 99.5) / 400)) / 255
    Image.fromarray(gray).save(tmp_path / "p.jpg", quality=95)
    tifffile.imwrite(tmp_path / "tiles.tif", gray, tile=(512, 512), compression="zlib", compressionargs={"level": 1})
    tifffile.imwrite(tmp_path / "strips.tif", gray, rowsperstrip=100, compression="zlib", compressionargs={"level": 1})
    tifffile.imwrite(tmp_path / "plain.tif", gray)
    (tmp_path / "p.pgm").write_bytes(b"P5 5200 5000 255\n" + gray.tobytes())
    for name in ("p.jpg", "tiles.tif", "strips.tif", "plain.tif", "p.pgm"):
        path = tmp_path / name
        small = dc.load_image(path, shape=(25, 26))
        # bytes are rounded down: 1/255 at most below; curvature over a new pixel: 200^2/24 * (80/700^2 + 40/400^2)
        assert np.abs(small - exact)[1:-1, 1:-1].max() < (1 + 3 * 0.7) / 255, name
        with pytest.raises(ValueError, match=r"path must hold at most 25 megapixels .*max_pixels= allows more"):
            dc.load_image(path)
    whole = dc.load_image(tmp_path / "plain.tif", max_pixels=26_000_000)
    np.testing.assert_array_equal(whole[::100], gray[::100] / 255)


def test_max_pixels_refuses_small_pictures_too(tmp_path):
    dc.save_image(tmp_path / "p.png", BYTES)
    assert dc.load_image(tmp_path / "p.png", max_pixels=54).shape == (6, 9)
    with pytest.raises(ValueError, match=r"path must hold at most 53 pixels .* of 9 x 6 pixels"):
        dc.load_image(tmp_path / "p.png", max_pixels=53)
    with pytest.raises(ValueError, match="max_pixels must be at least 1"):
        dc.load_image(tmp_path / "p.png", max_pixels=0)


@pytest.mark.parametrize("size", [1e-300, 1e-45, 1e40, 1.7e308])
def test_resize_keeps_numbers_beyond_single_precision(size):
    field = np.random.default_rng(0).uniform(-1, 1, (9, 8))
    wanted = size * images.resize(field, (4, 11))
    np.testing.assert_allclose(images.resize(size * field, (4, 11)), wanted, rtol=1e-12, atol=1e-14 * size)


def test_resize_takes_single_precision():
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    np.testing.assert_array_equal(images.resize(field, (2, 5)), images.resize(field.astype(float), (2, 5)))
