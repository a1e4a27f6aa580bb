"""The salt aquarium: every option, run small, tells the truth in its film, its still and its record."""

import json

import numpy as np
import pytest
import salt_aquarium
from _common import PRESETS
from films import decoded
from PIL import Image

import diffuseconv as dc

TINY = ["--size", "12", "--frames", "9"]


def run(tmp_path, *options):
    """Run in-process; return the record and the film's frames."""
    salt_aquarium.main([*TINY, "--output", str(tmp_path), *options])
    record = json.loads((tmp_path / "salt_aquarium.json").read_text())
    return record, decoded(tmp_path / "salt_aquarium.mp4")


def arguments(*options):
    """The options as the script's own functions take them."""
    args = salt_aquarium.options().parse_args([*TINY, *options])
    args.duration = args.duration or 1e5
    return args


RUNS = {
    "photo": "--diffusivity 2e-9 --spacing 0.01 --duration 3e6 --fps 5",
    "halves": "--method chebyshev",
    "checkerboard": "--method explicit --boundary absorbing",
    "random": "--boundary periodic --rng 3 --frames 6",
    "drop": "--method spectral --boundary zero --size 13",
}


@pytest.mark.parametrize("start", salt_aquarium.STARTS)
def test_starts_and_options(tmp_path, capsys, start):
    """A run of each start, and among them all other options: the record says what was asked for and what came of it."""
    options = ["--start", start, *RUNS[start].split()]
    record, frames = run(tmp_path, *options)
    for name, value in zip(options[::2], options[1::2], strict=True):
        found = record[name.removeprefix("--")]
        assert found == value if isinstance(found, str) else found == float(value)
    assert len(frames) == record["frames"] == (6 if start == "random" else 9)
    assert len({frame.tobytes() for frame in frames}) >= len(frames) - 3
    kept = record["salt_after_g"] == pytest.approx(record["salt_before_g"], rel=1e-12)
    assert kept == (record["boundary"] in ("reflecting", "periodic"))
    assert record["contrast_after"] < 0.2 * record["contrast_before"]
    closing = capsys.readouterr().out.splitlines()
    assert len(closing) == 2
    assert "before" in closing[0]
    for ending in ("mp4", "png", "json"):
        path = tmp_path / f"salt_aquarium.{ending}"
        assert path.exists()
        assert str(path) in closing[1]


@pytest.mark.parametrize(
    ("film", "frames", "picture"),
    [
        ("tank.gif", 2, [0.2, 0.6]),
        ("tank.png", 3, [0.3]),
        ("tank.webp", 2, [0.0]),  # a tank without contrast, or without any salt, is shown too
        ("new/tank.mp4", 3, [0.5]),
    ],
)
def test_a_photograph_of_ones_own_in_a_film_that_output_names(tmp_path, film, frames, picture):
    """Of any number of frames; an even tank has none that differ."""
    dc.save_image(tmp_path / "mine.png", np.tile(picture, (8, 8 // len(picture))))
    path = tmp_path / film
    own = ["--image", str(tmp_path / "mine.png"), "--frames", str(frames)]
    salt_aquarium.main([*TINY, *own, "--output", str(path)])
    record = json.loads(path.with_suffix(".json").read_text())
    assert record["image"] == str(tmp_path / "mine.png")
    grams = np.mean(picture) * 35 * 144 * 1e-9 * 1e3
    assert record["salt_before_g"] == pytest.approx(grams, rel=0.05)
    assert record["frames"] == frames
    if path.suffix != ".webp":
        assert len(decoded(path)) == frames
    still = path.with_name("tank_still.png" if path.suffix == ".png" else "tank.png")
    with Image.open(still) as shown:
        assert shown.size == (1500, 600)


def test_a_record_is_enough_to_repeat_the_run(tmp_path):
    record, frames = run(tmp_path, "--start", "random", "--rng", "11", "--duration", "5000", "--frames", "4")
    names = [action.dest for action in salt_aquarium.options()._actions if action.dest != "help"]
    again = [part for name in names if record[name] is not None for part in (f"--{name}", str(record[name]))]
    salt_aquarium.main([*again, "--output", str(tmp_path / "again")])
    second = json.loads((tmp_path / "again" / "salt_aquarium.json").read_text())
    assert {**second, "output": record["output"]} == record
    np.testing.assert_array_equal(decoded(tmp_path / "again" / "salt_aquarium.mp4"), frames)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "sea"], "invalid choice"),
        (["--size", "1"], "must be at least 2, got 1"),
        (["--diffusivity", "-1"], "must be a number above 0"),
        (["--duration", "nan"], "must be a number above 0"),
        (["--frames", "1"], "must be at least 2, got 1"),
        (["--boundary", "glass"], "invalid choice"),
        (["--method", "magic"], "method must be one of"),
        (["--image", "no such file.png"], "no such file.png"),
        (["--image", "x.png", "--start", "drop"], "--image belongs to --start photo"),
        (["--start", "halves", "--method", "spectral"], "spectral"),
    ],
)
def test_nonsense_is_refused_in_one_line(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as ended:
        salt_aquarium.main([*TINY, "--output", str(tmp_path), *options])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


# --- the physics -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", salt_aquarium.STARTS)
def test_nothing_moves_while_the_barriers_stand(start):
    args = arguments("--start", start, "--frames", "40")
    field = salt_aquarium.initial_field(start, args.size, None, 0)
    story = list(salt_aquarium.history(args, field))
    standing = [moment for moment in story if moment.time <= 0]
    assert len(standing) == 8
    for moment in standing:
        np.testing.assert_array_equal(moment.salt, field)
        assert not moment.flux.any()
    assert len(story) == 40
    times = [moment.time for moment in story]
    assert (np.diff(times) > 0).all()
    assert times[-1] == args.duration


def test_times_grow_geometrically_and_meet_the_end():
    args = arguments("--duration", "1e6", "--frames", "80")
    times = salt_aquarium.mixing_times(args)
    assert len(times) == 64
    np.testing.assert_allclose(times[1:] / times[:-1], (times[-1] / times[0]) ** (1 / 63), rtol=1e-12)
    assert times[-1] == 1e6
    assert times[0] < 0.2 * args.spacing**2 / args.diffusivity


def test_the_hole_is_the_only_way():
    """Behind the wall salt arrives through the hole alone: with the hole's rows shut too, none would."""
    args = arguments("--start", "halves", "--size", "32", "--duration", "2000")
    start = salt_aquarium.initial_field("halves", 32, None, 0)
    wall = salt_aquarium.wall_with_a_hole(32)
    assert wall[1].sum() == 32 - 4
    assert not wall[0].any()
    *_, last = salt_aquarium.history(args, start)
    right = last.salt[:, 16:]
    assert right.sum() > 0
    assert set(np.argsort(right[:, 0])[-4:]) == {14, 15, 16, 17}
    half = (last.salt[:, :16].sum() + right.sum()) / start.sum()
    assert half == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize("boundary", dc.boundary.NAMES)
def test_flux_against_plain_loops(boundary):
    rng = np.random.default_rng(4)
    salt = rng.random((5, 4))
    shut = [rng.random((4, 4)) < 0.3, rng.random((5, 3)) < 0.3]
    eq = dc.DiffusionEquation(2.0, 0.5, boundary=boundary, barriers=shut)

    def face(axis, i, j):
        """The flux from cell (i, j) to the next one up this axis, by the table of boundaries."""
        here, there = (i, j), (i + (axis == 0), j + (axis == 1))
        size = salt.shape[axis]
        at = here[axis]
        if 0 <= at < size - 1:
            return 0.0 if shut[axis][here] else -1e6 * 2.0 * (salt[there] - salt[here]) / 0.5
        inside = there if at < 0 else here
        beyond = {
            "reflecting": salt[inside],
            "absorbing": -salt[inside],
            "zero": 0.0,
            "periodic": salt[(size - 1, j) if axis == 0 else (i, size - 1)]
            if at < 0
            else salt[(0, j) if axis == 0 else (i, 0)],
        }[boundary]
        sign = 1 if at < 0 else -1
        return -1e6 * 2.0 * sign * (salt[inside] - beyond) / 0.5

    expected = np.zeros_like(salt)
    for i in range(5):
        for j in range(4):
            squares = face(0, i, j) ** 2 + face(0, i - 1, j) ** 2 + face(1, i, j) ** 2 + face(1, i, j - 1) ** 2
            expected[i, j] = np.sqrt(squares / 2)
    np.testing.assert_allclose(salt_aquarium.flux_size(eq, salt), expected, rtol=1e-12)


def test_starts_are_what_they_say():
    size = 16
    fields = {name: salt_aquarium.initial_field(name, size, None, 5) for name in salt_aquarium.STARTS}
    for field in fields.values():
        assert field.shape == (size, size)
        assert field.min() >= 0
        assert 0 < field.max() <= salt_aquarium.BRINE
    assert fields["halves"].mean() == fields["checkerboard"].mean() == salt_aquarium.BRINE / 2
    assert (fields["checkerboard"][:2, :2] == 0).all()
    assert (fields["checkerboard"][:2, 2:4] == salt_aquarium.BRINE).all()
    drop = fields["drop"]
    np.testing.assert_array_equal(drop, drop[::-1])
    np.testing.assert_array_equal(drop, drop.T)
    assert drop[0, 0] == 0
    np.testing.assert_array_equal(fields["random"], salt_aquarium.initial_field("random", size, None, 5))
    assert (fields["random"] != salt_aquarium.initial_field("random", size, None, 6)).any()


# --- the film --------------------------------------------------------------------------------------------------------


def bright(frame: np.ndarray, region: tuple[slice, slice]) -> float:
    """How much of a region differs from the ground."""
    ground = np.array([int(PRESETS["screen"][6][i : i + 2], 16) for i in (1, 3, 5)])
    return float((np.abs(frame[region].astype(int) - ground).max(axis=-1) > 40).mean())


def test_the_film_draws_wall_grid_and_curves(tmp_path):
    """The wall is bright where it stands and not at its hole; the grid goes; the curves grow."""
    salt_aquarium.main(["--size", "32", "--frames", "24", "--start", "halves", "--output", str(tmp_path)])
    frames = decoded(tmp_path / "salt_aquarium.mp4")
    first, middle, last = frames[0].astype(int), frames[12].astype(int), frames[-1].astype(int)
    rows, wall = 103 + np.arange(322), 30 + 162  # the salt panel and its middle
    on_wall, in_hole = rows[20:100], rows[149:174]
    for frame in (middle, last):
        assert frame[on_wall, wall].min(axis=-1).mean() > 180
        assert frame[in_hole, wall].min(axis=-1).mean() < 180
    right_half = (slice(90, 150), slice(240, 370))
    assert first[right_half].min(axis=-1).std() > 3 * max(middle[right_half].min(axis=-1).std(), 1)
    curves = (slice(470, 575), slice(145, 700))
    amounts = [bright(frame, curves) for frame in frames]
    assert amounts[-1] > amounts[12] > amounts[2]
