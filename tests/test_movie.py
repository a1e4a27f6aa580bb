"""Films: every frame arrives, in the right colours and at the right time; no failure leaves half a film."""

import errno
import itertools
import os
import subprocess
import sys
from fractions import Fraction

import av
import films
import imageio.v3 as imageio
import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import diffuseconv as dc
from diffuseconv import _colours, movie

SUFFIXES = [".mp4", ".png", ".gif", ".webp"]
LOSSLESS = [".png", ".gif", ".webp"]


def viridis(field, low, high):
    """The colours that matplotlib gives, rounded to bytes."""
    norm = matplotlib.colors.Normalize(low, high, clip=True)
    return np.rint(255 * matplotlib.colormaps["viridis"](norm(field))[..., :3])


def decoded(path) -> list[np.ndarray]:
    """The frames of a film as RGB, by Pillow where it can (another decoder than the one that wrote the film)."""
    if path.suffix == ".mp4":
        return films.decoded(path)
    frames = []
    with Image.open(path) as film:
        for number in range(film.n_frames):
            film.seek(number)
            frames.append(np.asarray(film.convert("RGB")))
    return frames


def smooth(shape, count):
    """Smooth fields, each different: a blob that moves."""
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    return [np.exp(-(((rows - 3 - n) / 9) ** 2) - ((columns - 5) / 7) ** 2) for n in range(count)]


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_fields_take_exactly_the_colours_that_matplotlib_gives(tmp_path, suffix):
    path = tmp_path / ("film" + suffix)
    fields = [np.random.default_rng(n).random((9, 14)) for n in range(5)]
    dc.write_movie(path, iter(fields), limits=(0.25, 0.75))
    frames = decoded(path)
    assert len(frames) == 5
    for frame, field in zip(frames, fields, strict=True):
        np.testing.assert_array_equal(frame, viridis(field, 0.25, 0.75))


def test_mp4_colours_are_right_to_a_few_levels(tmp_path):
    """Even squares of 16 pixels leave nothing to the encoder but rounding; red must not come out as orange."""
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [253, 231, 36]], np.uint8)
    picture = colours.reshape(2, 3, 3)
    path = tmp_path / "film.mp4"
    dc.write_movie(path, [picture, picture[::-1]], scale=32)
    frames = decoded(path)
    for frame, expected in zip(frames, [picture, picture[::-1]], strict=True):
        np.testing.assert_allclose(frame[16::32, 16::32].astype(float), expected, atol=6)


def test_mp4_plays_in_a_browser(tmp_path):
    """H.264, 4:2:0, the index before the data, colours declared."""
    path = tmp_path / "film.mp4"
    dc.write_movie(path, smooth((32, 32), 5), fps=12.5)
    data = path.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")
    with av.open(str(path)) as film:
        video = film.streams.video[0]
        assert video.codec_context.name == "h264"
        assert video.pix_fmt == "yuv420p"
        assert video.average_rate == Fraction(25, 2)
        context = video.codec_context
        assert (context.colorspace, context.color_primaries, context.color_trc) == (1, 1, 1)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (16, 17)])
def test_odd_sizes(tmp_path, suffix, shape):
    path = tmp_path / ("film" + suffix)
    dc.write_movie(path, smooth(shape, 3))
    frames = decoded(path)
    assert len(frames) == 3
    rows, columns = shape
    if suffix == ".mp4":
        rows, columns = rows + rows % 2, columns + columns % 2
        for frame in frames:  # what was added repeats what was there, as far as the encoder is exact
            near = frame[: shape[0], : shape[1]].astype(float)
            padded = np.pad(near, ((0, shape[0] % 2), (0, shape[1] % 2), (0, 0)), mode="edge")
            np.testing.assert_allclose(frame, padded, atol=12)
    assert frames[0].shape == (rows, columns, 3)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_scale_makes_squares(tmp_path, suffix):
    path = tmp_path / ("film" + suffix)
    fields = smooth((4, 5), 2)
    dc.write_movie(path, fields, scale=3)
    once = viridis(fields[0], fields[0].min(), fields[0].max())
    np.testing.assert_array_equal(decoded(path)[0], np.kron(once, np.ones((3, 3, 1))))


def test_default_limits_are_the_first_frames_range_and_later_values_are_clipped(tmp_path):
    path = tmp_path / "film.png"
    dc.write_movie(path, [[[0.0, 1.0]], [[-5.0, 0.5]], [[2.0, 1.0]]], colormap="gray")
    assert [frame[0, :, 0].tolist() for frame in decoded(path)] == [[0, 255], [0, 128], [255, 255]]


def test_a_constant_first_frame_is_mid_colour(tmp_path):
    path = tmp_path / "film.png"
    for value in (0.0, 0.3, -1e20, np.float32(7)):
        dc.write_movie(path, [np.full((2, 2), value)])
        middle = np.rint(255 * np.array(matplotlib.colormaps["viridis"](128)[:3])).tolist()
        assert np.unique(decoded(path)[0].reshape(-1, 3), axis=0).tolist() == [middle]


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_colour_pictures_arrive_bit_by_bit(tmp_path, suffix):
    path = tmp_path / ("film" + suffix)
    pictures = np.random.default_rng(1).integers(0, 256, (4, 6, 7, 3), dtype=np.uint8)
    dc.write_movie(path, pictures)
    np.testing.assert_array_equal(decoded(path), pictures)
    dc.write_movie(path, (picture / 255 for picture in pictures))
    np.testing.assert_array_equal(decoded(path), pictures)


def test_gif_reduces_colours_a_little(tmp_path):
    path = tmp_path / "film.gif"
    picture = np.stack(np.meshgrid(np.arange(0, 256, 8), np.arange(0, 256, 8), [60])[:2], axis=-1)[:, :, 0]
    picture = np.concatenate([picture, np.full((32, 32, 1), 60)], axis=-1).astype(np.uint8)
    dc.write_movie(path, [picture, picture[::-1]])
    for frame, expected in zip(decoded(path), [picture, picture[::-1]], strict=True):
        assert np.abs(frame.astype(float) - expected).mean() < 8


def test_pairs_of_time_and_field_are_frames_too(tmp_path):
    plain, timed = tmp_path / "plain.png", tmp_path / "timed.png"
    fields = smooth((6, 6), 3)
    dc.write_movie(plain, fields)
    dc.write_movie(timed, ((0.1 * n, field) for n, field in enumerate(fields)))
    assert plain.read_bytes() == timed.read_bytes()


@pytest.mark.parametrize("field", [np.array([[0, 7], [3, 1]]), np.array([[True, False]]), np.eye(3, dtype=np.float32)])
def test_whole_numbers_and_single_precision(tmp_path, field):
    path = tmp_path / "film.png"
    dc.write_movie(path, [field], colormap="gray")
    scaled = (field - field.min().astype(float)) / (field.max() - field.min().astype(float))
    np.testing.assert_array_equal(decoded(path)[0][..., 0], np.minimum(np.floor(256 * scaled), 255))


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("fps", [0.5, 24000 / 1001, 30])
def test_frames_come_at_their_times(tmp_path, suffix, fps):
    path = tmp_path / ("film" + suffix)
    fields = smooth((16, 16), 8)
    dc.write_movie(path, fields, fps=fps)
    if suffix == ".webp":
        times = [0.0]
        with Image.open(path) as film:
            for number in range(film.n_frames - 1):
                film.seek(number)
                film.load()
                times.append(times[-1] + film.info["duration"] / 1000)
    else:
        with av.open(str(path)) as film:
            times = [frame.time for frame in film.decode(video=0)]
    tick = {".mp4": 1e-6, ".png": 1e-4, ".gif": 0.01, ".webp": 0.001}[suffix]
    np.testing.assert_allclose(times, np.arange(8) / fps, atol=tick)


@pytest.mark.parametrize(("suffix", "fps"), [(".mp4", 1e-4), (".png", 1e-4), (".gif", 0.002), (".webp", 1e-4)])
def test_slow_films_last_as_long_as_they_should(tmp_path, suffix, fps):
    path = tmp_path / ("film" + suffix)
    for rate in (fps, 0.01):
        dc.write_movie(path, smooth((16, 16), 4), fps=rate)
        if suffix == ".mp4":
            with av.open(str(path)) as film:
                length = film.duration / 1e6
        else:
            with Image.open(path) as film:
                length = 0.0
                for number in range(film.n_frames):
                    film.seek(number)
                    film.load()
                    length += film.info["duration"] / 1000
        np.testing.assert_allclose(length, 4 / rate, rtol=1e-6)
    with pytest.raises(ValueError, match=f"fps must be between {fps:g} and .* in {suffix}"):
        dc.write_movie(path, smooth((16, 16), 4), fps=0.99 * fps)


@pytest.mark.parametrize(("suffix", "side"), [(".mp4", 16384), (".png", 65535), (".gif", 65535), (".webp", 16383)])
def test_the_largest_side_is_written_and_one_more_refused(tmp_path, suffix, side):
    path = tmp_path / ("film" + suffix)
    dc.write_movie(path, [np.linspace(0, 1, side)[None]])
    assert decoded(path)[0].shape[1] == side
    path.unlink()
    for wide, scale in ((side + 1, 1), (side // 2 + 1, 2)):
        with pytest.raises(ValueError, match=rf"frames\[0\] must have at most {side} pixels a side in {suffix}"):
            dc.write_movie(path, [np.zeros((1, wide))], scale=scale)
    with pytest.raises(ValueError, match="pixels with its scale"):
        dc.write_movie(path, [np.zeros((4, 4))], scale=4095)
    assert not list(tmp_path.iterdir())


def test_masked_frames_are_refused(tmp_path):
    for frame in (np.ma.masked_equal(np.eye(3), 0), np.ma.masked_equal(np.ones((3, 3, 3)), 1)):
        with pytest.raises(TypeError, match=r"frames\[0\] must be a plain array .*, got a masked array"):
            dc.write_movie(tmp_path / "film.mp4", [frame])
    assert not list(tmp_path.iterdir())


def test_frames_are_taken_one_by_one(tmp_path):
    """When frame n is asked for, frame n - 2 is gone: nothing holds on to frames."""
    import weakref

    seen = []

    def frames():
        for n in range(20):
            field = np.full((8, 8), n / 20)
            seen.append(weakref.ref(field))
            alive = sum(ref() is not None for ref in seen)
            assert alive <= 2, f"{alive} frames alive at frame {n}"
            yield field
            del field

    for suffix in SUFFIXES:
        seen.clear()
        dc.write_movie(tmp_path / ("film" + suffix), frames())


def test_path_and_input_are_left_as_they_were(tmp_path):
    field = smooth((6, 6), 1)[0]
    field.setflags(write=False)
    dc.write_movie(str(tmp_path / "FILM.PNG"), [field, field])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["FILM.PNG"]
    assert (tmp_path / "FILM.PNG").stat().st_mode & 0o777 == 0o666 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- what goes wrong -------------------------------------------------------------------------------------------------

NAN, WIDE = np.full((4, 4), np.nan), np.zeros((4, 6))
GOOD = np.zeros((4, 4))


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([], r"frames must hold at least one frame, got none"),
        ([GOOD, NAN], r"frames\[1\] must be finite, got nan at index \(0, 0\)"),
        ([GOOD, np.full((4, 4), -np.inf)], r"frames\[1\] must be finite"),
        ([GOOD, WIDE], r"frames must all have the shape of the first, \(4, 4\), got \(4, 6\) at 1"),
        ([GOOD, np.zeros((4, 4, 3))], r"frames must all have the shape of the first"),
        ([np.zeros(4)], r"frames\[0\] must have shape \(rows, columns\) or \(rows, columns, 3\), got \(4,\)"),
        (np.zeros((4, 4)), r"frames\[0\] must have shape"),
        ([np.zeros((4, 4, 4))], r"frames\[0\] must have shape"),
        ([np.full((4, 4, 3), 200.0)], r"frames\[0\] in colour must lie in 0..1"),
        ([np.zeros((0, 4))], r"frames\[0\] must not be empty"),
        ([np.array([[-1.7e308, 1.7e308]])], r"limits must differ by less than"),
    ],
)
def test_bad_frames_are_refused_and_leave_nothing(tmp_path, frames, message):
    for suffix in SUFFIXES:
        with pytest.raises(ValueError, match=message):
            dc.write_movie(tmp_path / ("film" + suffix), frames)
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("frames", [3, [np.zeros((4, 4), complex)], [np.zeros((4, 4, 3), int)], [[["a", "b"]]], [None]])
def test_frames_of_a_wrong_kind(tmp_path, frames):
    with pytest.raises((TypeError, ValueError), match="frames"):
        dc.write_movie(tmp_path / "film.mp4", frames)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"fps": 0}, ValueError, "fps must be greater than 0, got 0"),
        ({"fps": np.nan}, ValueError, "fps must be finite"),
        ({"fps": "fast"}, TypeError, "fps must be a real number"),
        ({"fps": 1e9}, ValueError, "fps must be between"),
        ({"fps": 1e-9}, ValueError, "fps must be between"),
        ({"colormap": "no such map"}, ValueError, "colormap must name a matplotlib colour map, got 'no such map'"),
        ({"colormap": 3}, TypeError, "colormap must be a name or a matplotlib Colormap, got 3"),
        ({"limits": (1, 1)}, ValueError, "low < high"),
        ({"limits": (2, 1)}, ValueError, "low < high"),
        ({"limits": (-1e308, 1e308)}, ValueError, "differ by less"),
        ({"limits": (0, np.inf)}, ValueError, r"limits\[1\] must be finite"),
        ({"limits": 3}, ValueError, r"limits must be a pair"),
        ({"limits": (1, 2, 3)}, ValueError, r"limits must be a pair"),
        ({"limits": [1, [2, 3]]}, TypeError, r"limits\[1\] must be a real number"),
        ({"progress": "yes"}, TypeError, "progress must be True or False"),
        ({"scale": 0}, ValueError, "scale must be at least 1, got 0"),
        ({"scale": 1.5}, TypeError, "scale must be a whole number"),
    ],
)
def test_options_are_checked_before_any_frame_is_made(tmp_path, options, error, message):
    def untouched():
        pytest.fail("a frame was asked for")
        yield

    with pytest.raises(error, match=message) as caught:
        dc.write_movie(tmp_path / "film.mp4", untouched(), **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_paths_are_checked_before_any_frame_is_made(tmp_path):
    (tmp_path / "folder.mp4").mkdir()
    cases = [
        ("film.avi", ValueError, r"path must end in one of \.mp4, \.png, \.gif, \.webp"),
        ("film", ValueError, "path must end in"),
        ("missing/film.mp4", FileNotFoundError, "path must lie in a folder that exists"),
        ("folder.mp4", IsADirectoryError, "path must be a file"),
    ]
    for name, error, message in cases:
        with pytest.raises(error, match=message):
            dc.write_movie(tmp_path / name, iter([None]))
    for path in (3, b"film.mp4", None):
        with pytest.raises(TypeError, match="path must be a path"):
            dc.write_movie(path, iter([None]))


def test_gif_refuses_more_frames_a_second_than_it_can_tell(tmp_path):
    dc.write_movie(tmp_path / "film.gif", smooth((8, 8), 2), fps=50)
    with pytest.raises(ValueError, match="fps must be at most 50 in a GIF, got 60"):
        dc.write_movie(tmp_path / "film.gif", smooth((8, 8), 2), fps=60)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("failure", [KeyboardInterrupt, RuntimeError, GeneratorExit])
@pytest.mark.parametrize("after", [0, 30])
def test_a_failure_leaves_no_half_film_and_the_old_one_whole(tmp_path, suffix, failure, after):
    path = tmp_path / ("film" + suffix)
    path.write_bytes(b"the film of yesterday")

    def frames():
        yield from itertools.islice(smooth((32, 32), 30), after)
        raise failure("stop")

    with pytest.raises(failure):
        dc.write_movie(path, frames())
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"the film of yesterday"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_bad_codec_raises_and_leaves_nothing(tmp_path, monkeypatch, suffix):
    import dataclasses

    broken = dataclasses.replace(movie._FORMATS[suffix], codec="no such codec")
    monkeypatch.setitem(movie._FORMATS, suffix, broken)
    with pytest.raises(ValueError, match="no such codec"):
        dc.write_movie(tmp_path / ("film" + suffix), smooth((8, 8), 2))
    assert not list(tmp_path.iterdir())


FULL_DISK = """
import resource, sys
import numpy as np, diffuseconv as dc
for limit in (0, 100, 4_000, 60_000):
    for suffix in (".mp4", ".png", ".gif", ".webp"):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
        rng = np.random.default_rng(0)
        try:
            dc.write_movie(sys.argv[1] + "/film" + suffix, (rng.random((64, 64)) for _ in range(60)))
        except OSError as error:
            print(suffix, limit, error.errno)
        else:
            print(suffix, limit, "no error")
"""


def fill_the_disk(folder):
    """Return what writing of films says, and what it leaves; a limit on file size stands in for a full disk."""
    command = [sys.executable, "-c", FULL_DISK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=True)
    return [line.split() for line in done.stdout.splitlines()], list(folder.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
@pytest.mark.aside(call=fill_the_disk)
def test_a_full_disk_raises_and_leaves_nothing(done):
    """At the header, in the middle and near the end."""
    reports, left = done
    assert len(reports) == 16
    assert {report[2] for report in reports} == {str(errno.EFBIG)}, reports
    assert not left


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a folder that nobody can write to")
def test_a_folder_that_cannot_be_written_to_is_found_out_before_any_frame_is_made():
    def untouched():
        pytest.fail("a frame was asked for")
        yield

    with pytest.raises(OSError, match="film"):
        dc.write_movie("/proc/self/film.mp4", untouched())


# --- colours ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=20), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_levels_are_monotone_clipped_and_matplotlibs(values, low, span):
    field = np.sort(np.array(values))[None]
    found = _colours.levels(field, low, low + span)
    assert (np.diff(found.astype(int)) >= 0).all()
    assert (found[field <= low] == 0).all()
    assert (found[field >= low + span] == 255).all()
    position = (field - low) * 256.0 / (low + span - low)
    off = np.abs(found - np.clip(np.floor(position), 0, 255))
    assert off.max() <= 1  # one level apart at most, where rounding decides
    assert (off[np.abs(position - np.rint(position)) > 1e-6 * np.maximum(1, np.abs(position))] == 0).all()


@pytest.mark.parametrize(("low", "high"), [(0.0, 1e-320), (-1e308, 7e307), (0.0, 1.0), (1e300, 1e308)])
def test_levels_at_both_ends_of_the_numbers(low, high):
    field = np.array([[-1.7e308, low, low + 0.5 * (high - low), high, 1.7e308]])
    assert _colours.levels(field, low, high).tolist() == [[0, 0, 128, 255, 255]]


def test_bytes_survive_the_way_to_floats_and_back():
    every = np.arange(256, dtype=np.uint8)[None]
    np.testing.assert_array_equal(_colours.levels(every / 255, 0, 1), every)
    np.testing.assert_array_equal(_colours.levels(every.astype(np.float32) / np.float32(255), 0, 1), every)


@settings(max_examples=10)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
def test_enlarge_is_a_kronecker_product(rows, columns, scale):
    picture = np.random.default_rng(rows).integers(0, 256, (rows, columns), dtype=np.uint8)
    np.testing.assert_array_equal(
        _colours.enlarge(picture, scale), np.kron(picture, np.ones((scale, scale), dtype=np.uint8))
    )


def test_progress_shows_nothing_off_a_terminal(tmp_path, capsys):
    dc.write_movie(tmp_path / "film.png", smooth((8, 8), 3), progress=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_other_peoples_reader_counts_every_frame(suffix, tmp_path):
    film = tmp_path / f"film{suffix}"
    dc.write_movie(film, (np.full((32, 48), level) for level in (0.0, 0.5, 1.0)), limits=(0, 1))
    plugin = "pyav" if suffix == ".mp4" else "pillow"
    assert imageio.imread(film, index=None if suffix == ".mp4" else ..., plugin=plugin).shape[:3] == (3, 32, 48)


def test_progress_is_left_out_where_there_is_no_stderr(tmp_path, monkeypatch):
    """As in programs without a console."""
    monkeypatch.setattr(sys, "stderr", None)
    film = dc.write_movie(tmp_path / "film.gif", np.zeros((2, 8, 8)), limits=(0, 1), progress=True)
    assert film.frames == 2
    assert len(list(dc.DiffusionEquation().frames(np.ones(3), [0.0, 1.0], progress=True))) == 2
