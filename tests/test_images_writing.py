"""Pictures are written at full depth, whole or not at all, where links and modes say."""

import subprocess
import sys

import numpy as np
import pytest
import tifffile
from bitwise import words

import diffuseconv as dc

RNG = np.random.default_rng(5)
BYTES = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
COLOURS = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff"])
def test_sixteen_bits_are_kept(tmp_path, suffix):
    path = tmp_path / ("p" + suffix)
    every = np.arange(65536).reshape(256, 256)
    for field in (every / 65535, every.astype(np.uint16)):
        dc.save_image(path, field, bits=16)
        np.testing.assert_array_equal(dc.load_image(path), every / 65535)
    colours = words(16, 5, 7, 3)
    for field in (colours / 65535, colours.astype(np.uint16), colours.astype(">u2")):
        dc.save_image(path, field, bits=16, scale=2)
        doubled = np.kron(colours / 65535, np.ones((2, 2, 1)))
        np.testing.assert_array_equal(dc.load_image(path, gray=False), doubled)
    dc.save_image(path, COLOURS, bits=16)
    np.testing.assert_array_equal(dc.load_image(path, gray=False), COLOURS / 255)
    dc.save_image(path, [[-1.0, 1.0, 3.0]], bits=16)
    assert (dc.load_image(path) * 65535).tolist() == [[0, 32768, 65535]]


@pytest.mark.parametrize(("bits", "dtype"), [(32, np.float32), (64, np.float64)])
def test_floating_point_is_kept(tmp_path, bits, dtype):
    path = tmp_path / "p.tif"
    field = np.random.default_rng(0).uniform(-300, 300, (5, 6)).astype(dtype)
    dc.save_image(path, field, bits=bits)
    np.testing.assert_array_equal(tifffile.imread(path), field)
    dc.save_image(path, field, bits=bits, limits=(-300, 300))
    np.testing.assert_allclose(dc.load_image(path), (field + 300) / 600, atol=1e-7)
    dc.save_image(path, 1e300 * field.astype(float), bits=bits, limits=(0, 1e-300))  # beyond the range of numbers
    np.testing.assert_array_equal(tifffile.imread(path), field > 0)
    colours = np.random.default_rng(0).random((5, 6, 3)).astype(dtype)
    dc.save_image(path, colours, bits=bits)
    np.testing.assert_array_equal(dc.load_image(path, gray=False), colours)


@pytest.mark.parametrize(
    ("name", "field", "options", "error", "message"),
    [
        ("p.jpg", np.eye(2), {"bits": 16}, ValueError, r"bits must be one of 8 in \.jpg, got 16"),
        ("p.png", np.eye(2), {"bits": 32}, ValueError, r"bits must be one of 8, 16 in \.png"),
        ("p.tif", np.eye(2), {"bits": 12}, ValueError, "bits must be one of 8, 16, 32, 64"),
        ("p.tif", np.eye(2), {"bits": "deep"}, TypeError, "bits must be a whole number"),
        ("p.png", np.eye(2), {"bits": 16, "colormap": "viridis"}, ValueError, "bits must be 8 with a colour map"),
        ("p.png", np.zeros((2, 2, 3), np.uint16), {}, TypeError, "must be uint8 or float"),
        ("p.tif", np.full((2, 2), 1e300), {"bits": 32}, ValueError, "must not exceed 3.4e.38 with bits=32"),
        ("p.png", np.eye(2), {"limits": [1, [2, 3]]}, TypeError, r"limits\[1\] must be a real number"),
        ("p.png", np.eye(2), {"limits": np.array(3)}, ValueError, "limits must be a pair"),
        ("p.png", [[1], [1, 2]], {}, ValueError, "field must be a rectangular array"),
        ("p.jpg", np.zeros((4, 65501)), {}, ValueError, r"at most 65500 pixels a side in \.jpg, got 4 x 65501"),
        ("p.webp", np.zeros((4, 4)), {"scale": 5000}, ValueError, r"at most 16383 pixels a side in \.webp"),
        ("p.png", np.zeros((4, 4)), {"scale": 10**6}, ValueError, "with its scale, got 4000000 x 4000000"),
        ("p.png", np.ma.masked_equal(np.eye(2), 0), {}, TypeError, "got a masked array"),
        ("p.png", np.ma.masked_equal(np.ones((2, 2, 3)), 1), {}, TypeError, "got a masked array"),
        ("p\0.png", np.eye(2), {}, ValueError, "null character"),
        ("x" * 300 + ".png", np.eye(2), {}, OSError, "File name too long"),
    ],
)
def test_save_image_refuses_in_one_line(tmp_path, name, field, options, error, message):
    with pytest.raises(error, match=message) as caught:
        dc.save_image(f"{tmp_path}/{name}", field, **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


# --- where files go --------------------------------------------------------------------------------------------------


def test_links_modes_and_long_names_are_kept(tmp_path):
    real, link = tmp_path / "real" / "p.png", tmp_path / "link.png"
    real.parent.mkdir()
    link.symlink_to(real)
    dc.save_image(link, BYTES)  # a link to what is not there yet
    assert link.is_symlink()
    real.chmod(0o640)
    dc.save_image(link, np.eye(2))
    assert link.is_symlink()
    assert real.stat().st_mode & 0o777 == 0o640
    assert dc.load_image(real).shape == (2, 2)
    long = tmp_path / ("\u65e5" * 80 + ".png")
    dc.save_image(long, BYTES)
    np.testing.assert_array_equal(dc.load_image(long), BYTES / 255)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([long.name, "link.png", "real"])
    assert [entry.name for entry in real.parent.iterdir()] == ["p.png"]


KILLED = """
import os, signal, sys
import numpy as np, diffuseconv as dc
def frames():
    yield np.eye(8)
    os.kill(os.getpid(), signal.SIGKILL)
dc.write_movie(sys.argv[1] + "/film.mp4", frames())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and file locks")
def test_what_a_killed_process_left_is_deleted_by_the_next_write(tmp_path):
    from diffuseconv import _files

    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with _files.replacing(tmp_path / "busy.png") as busy:  # another writer, alive
        dc.save_image(tmp_path / "p.png", BYTES)
        assert sorted(tmp_path.iterdir()) == sorted([busy, tmp_path / "p.png"])
        busy.write_bytes(b"done")
    assert (tmp_path / "busy.png").read_bytes() == b"done"


def test_a_change_of_folder_meanwhile_does_no_harm(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)

    def frames():
        yield np.eye(8)
        monkeypatch.chdir(tmp_path / "elsewhere")
        yield np.eye(8)

    for suffix in (".mp4", ".png", ".gif", ".webp"):
        monkeypatch.chdir(tmp_path)
        dc.write_movie("12:30%d" + suffix, frames())
        assert (tmp_path / ("12:30%d" + suffix)).stat().st_size > 0
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other systems differ")
def test_a_full_disk_is_told_once(tmp_path):
    """Nothing is written beside the error, as imageio did where a file could not be closed."""
    program = (
        "import resource, signal, numpy as np, diffuseconv as dc\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: dc.save_image('p.png', np.random.default_rng(1).random((30, 30)))\n"
        "except OSError: print('told')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("told\n", "")
    assert not list(tmp_path.iterdir())
