"""Every script in simulations/ runs from the command line and leaves a film that plays, a still and a record."""

import ast
import importlib
import importlib.util
import io
import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import _common
import numpy as np
import pytest
from films import decoded
from matplotlib.figure import Figure
from PIL import Image

import diffuseconv as dc

SIMULATIONS = Path(_common.__file__).parent
TOGETHER = 6
NAMES = sorted(path.stem for path in SIMULATIONS.glob("*.py") if not path.name.startswith("_"))


def lacking(name):
    """Return the libraries that a script needs and that are not installed."""
    needs = getattr(importlib.import_module(name), "NEEDS", ())
    return [library for library in needs if importlib.util.find_spec(library) is None]


def run_small(names, folder):
    """Run scripts as a user would, with their own small options; return what each said, its fault and its folder."""
    orders = [
        [f"{SIMULATIONS / name}.py", *importlib.import_module(name).SMALL, "--output", str(folder / name)]
        for name in names
    ]
    strict = [sys.executable, "-W", "error", "-W", "default::DeprecationWarning"]
    done = subprocess.run(
        [*strict, str(Path(__file__).with_name("run_scripts.py"))],
        input=json.dumps(orders), cwd=SIMULATIONS.parent, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {name: (*report, folder / name) for name, report in zip(names, json.loads(done.stdout), strict=True)}


def all_scripts():
    """Return every script, some of them in one process; those with `NEEDS` run where what they need is installed."""
    able = [name for name in NAMES if not lacking(name)]
    groups = [tuple(able[first : first + TOGETHER]) for first in range(0, len(able), TOGETHER)]
    shared = {name: group for group in groups for name in group}
    for name in NAMES:
        absent = lacking(name)
        marks = [pytest.mark.engine] if hasattr(importlib.import_module(name), "NEEDS") else []
        marks += [pytest.mark.skipif(bool(absent), reason=f"needs {absent}")] if absent else []
        yield pytest.param(name, marks=[*marks, pytest.mark.aside(shared.get(name), call=run_small)])


@pytest.mark.parametrize("name", list(all_scripts()))
def test_small_run_leaves_a_film_a_still_and_a_record(name, done):
    said, fault, folder = done[name]
    assert not fault, fault
    assert said.strip(), "no closing line"
    records = list(folder.rglob("*.json"))
    assert records, "no record"
    for path in records:
        record = json.loads(path.read_text())
        assert {"python", "diffuseconv", "numpy"} <= set(record["versions"])
        films = [path.with_suffix(suffix) for suffix in _common.FILMS if path.with_suffix(suffix).exists()]
        film = next(film for film in films if film.suffix != ".png" or len(films) == 1)
        frames = decoded(film)
        assert len(frames) == record["frames"]
        assert any((frame != frames[0]).any() for frame in frames[1:])
        still = path.with_suffix(".png") if film.suffix != ".png" else path.with_name(path.stem + "_still.png")
        with Image.open(still) as picture:
            assert np.ptp(np.asarray(picture.convert("L"))) > 0
    leftovers = [path for path in folder.rglob("*") if path.name.startswith(".")]
    assert not leftovers


@pytest.mark.parametrize("name", NAMES)
def test_help_explains_the_physics(name, capsys):
    script = importlib.import_module(name)
    with pytest.raises(SystemExit) as ended:
        script.main(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "--output" in text
    first_line = script.__doc__.strip().splitlines()[0]
    assert first_line in text
    assert len(script.__doc__.split()) >= 40, "too short to explain anything"


@pytest.mark.parametrize("name", NAMES)
def test_scripts_are_thin(name):
    """Public names alone, short functions, and none of a script's own tail for film, still and record."""
    tree = ast.parse((SIMULATIONS / f"{name}.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 60, f"{node.name} is longer than 60 lines"
        if isinstance(node, ast.ImportFrom):
            assert node.module.split(".")[0] != "diffuseconv", "use the public names: dc.<room>.<name>"
        if isinstance(node, ast.Attribute):
            assert not node.attr.startswith("_") or node.attr.startswith("__"), f"{node.attr} is private"
            assert node.attr not in {"write_movie", "save_image"}, "leave files to `run`"


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_that_cannot_be_made_is_one_line(name, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(name).main([*importlib.import_module(name).SMALL, "--output", str(tmp_path / "file/x")])
    assert ended.value.code == 2
    assert "error: " in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("barriers", "--opens 2", "--opens: must be a number between 0 and 1, got 2"),
        ("time_series", "--ar 1.2", "--ar must give a stationary series"),
        ("find_the_face", "--face 0.9 0.1 0.2 0.5", "--face must be TOP LEFT BOTTOM RIGHT"),
        ("find_the_face", "--face 0.1 0.1 nan 0.5", "--face must be TOP LEFT BOTTOM RIGHT"),
        ("find_the_face", "--face 0.1 0.1 0.11 0.11", "--face must be at least 3 pixels"),
        ("frequency_filter", "--edge -1", "--edge must be from 0"),
        ("quantum_spread", "--wavelength 0.1", "--wavelength must be at least 8 cells"),
        ("quantum_convolution", "--size 12", "must"),
        ("drop", "--grains 0", "must be at least 1, got 0"),
        ("barriers", "--rooms 1000000000", "--rooms: must be at most 2048, got 1000000000"),
        ("barriers", "--side 1e300", "options must leave all numbers below"),
        ("measure_diffusivity", "--trials 99999999999999999999", "--trials: must be at most 100000"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(name, options, message, tmp_path, capsys):
    script = importlib.import_module(name)
    with pytest.raises(SystemExit) as ended:
        script.main([*script.SMALL, *options.split(), "--output", str(tmp_path)])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.iterdir())


def test_a_slide_has_a_light_ground(tmp_path):
    script = importlib.import_module("layers")
    try:
        script.main([*script.SMALL, "--preset", "slide", "--output", str(tmp_path)])
    finally:
        _common.style("screen")
    assert np.asarray(Image.open(tmp_path / "layers.png").convert("L"))[:5].min() > 250


def test_fluctuation_of_a_count_is_that_of_a_binomial():
    from drop import fluctuation
    from scipy.stats import binom

    assert fluctuation(100, 1.0) == 0  # all grains are still in one cell
    for grains, chance in ((1, 0.3), (100, 0.0145), (10**8, 0.02)):
        assert fluctuation(grains, chance) == pytest.approx(binom.std(grains, chance) / binom.mean(grains, chance))


def test_a_soft_disc_is_counted_as_it_was_applied():
    from frequency_filter import apply

    picture = np.random.default_rng(3).random((32, 32))
    for edge in (0.0, 6.0):
        disc = apply(picture, 8.0, edge, "periodic")
        weights = dc.spectrum.radial_window((32, 32), 8.0, edge=edge)
        assert disc.kept == 100 * np.count_nonzero(weights) / 32**2
        np.testing.assert_allclose(disc.low + disc.high, picture, atol=1e-13)


# --- what the scripts share ------------------------------------------------------------------------------------------


def test_outputs_takes_a_folder_or_a_film(tmp_path):
    in_folder = _common.outputs(tmp_path / "new", "tank")
    assert in_folder == _common.Outputs(*(tmp_path / "new" / f"tank.{end}" for end in ("mp4", "png", "json")))
    assert (tmp_path / "new").is_dir()
    as_film = _common.outputs(tmp_path / "a.b" / "x.GIF", "tank")
    assert (as_film.film.name, as_film.still.name, as_film.record.name) == ("x.GIF", "x.png", "x.json")
    lossless = _common.outputs(tmp_path / "x.png", "tank")
    assert (lossless.film.name, lossless.still.name) == ("x.png", "x_still.png")


def test_record_is_whole_json_that_names_versions(tmp_path):
    path = tmp_path / "run.json"
    _common.write_record(path, {"output": tmp_path, "size": np.int64(3), "limits": np.array([0.0, 1.0]), "rng": 7})
    record = json.loads(path.read_text())
    assert record["size"] == 3
    assert record["limits"] == [0, 1]
    assert record["rng"] == 7
    assert record["output"] == str(tmp_path)
    assert {"python", "diffuseconv", "numpy", "scipy", "numba"} <= set(record["versions"])
    assert list(tmp_path.iterdir()) == [path]


def test_photograph_keeps_proportions_and_range():
    square = _common.photograph(shape=(64, 64))
    assert square.shape == (64, 64)
    assert square.min() >= 0
    assert square.max() <= 1
    assert np.std(square) > 0.1
    assert _common.photograph(shape=(20, 30), gray=False).shape == (20, 30, 3)


def test_animate_draws_what_a_full_drawing_would():
    """Redrawing only the artists gives, to the last bit, the picture that drawing everything anew gives."""

    def drawing() -> tuple[Figure, list]:
        figure = _common.figure(400, 200)
        left, right = figure.add_axes((0.05, 0.2, 0.3, 0.6)), figure.add_axes((0.65, 0.2, 0.3, 0.6))
        image = _common.panel(left, np.zeros((8, 8)), "salt", "kg", norm=_common.Normalize(0, 1))
        (line,) = right.plot([0, 1, 2], [0, 0, 0])
        right.set_ylim(0, 1)
        right.grid(visible=True)
        right.legend([line], ["salt"], loc="center")
        note = left.text(1, 1, "over", color="white")
        note.set_zorder(4)
        return figure, [image, line, note]

    def change(artists, step):
        image, line, note = artists
        _common.repaint(image, np.full((8, 8), step / 3))
        line.set_ydata([0, step / 4, step / 3])
        line.set_visible(step != 2)
        note.set_text("over" if step != 3 else "")

    def told(artists):
        shown = None
        for step in steps:
            if step != shown:
                change(artists, step)
            shown = step
            yield

    steps = (0, 0, 1, 2, 2, 3, 3, 0)
    figure, artists = drawing()
    frames = list(_common.animate(figure, artists, told(artists)))
    assert [frame.shape for frame in frames] == [(200, 400, 3)] * len(steps)
    assert [one is other for one, other in pairwise(frames)] == [one == other for one, other in pairwise(steps)]
    for step, frame in zip(steps, frames, strict=True):
        figure, artists = drawing()
        change(artists, step)
        figure.canvas.draw()
        whole = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        np.testing.assert_array_equal(frame, whole)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 s"), (1e-3, "1000 µs"), (90, "90.0 s"), (5000, "83.3 min"), (7200, "2.00 h"), (4e6, "46.3 days")],
)
def test_clock_says_times_as_people_do(seconds, text):
    assert _common.clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (99.7, 2, "100"),
        (1234, 3, "1230"),
        (0.031, 2, "0.031"),
        (0, 2, "0"),
        (1e-10, 2, "1 × 10⁻¹⁰"),
        (2.9e-12, 1, "3 × 10⁻¹²"),
    ],
)
def test_figures_are_written_as_people_do(value, digits, text):
    assert _common.figures(value, digits) == text


def test_parser_refuses_nonsense_in_one_line(capsys):
    cli = _common.parser("What it shows.")
    _common.add_film(cli)
    _common.add_rng(cli)
    for argv in (["--frames", "1"], ["--fps", "0"], ["--fps", "x"], ["--frames", "2.5"], ["--rng", "-1"]):
        with pytest.raises(SystemExit) as ended:
            cli.parse_args(argv)
        assert ended.value.code == 2
        assert argv[0] in capsys.readouterr().err.splitlines()[-1]


def test_what_the_package_refuses_is_one_line(capsys, tmp_path):
    cli = _common.parser("What it shows.")
    for refused in (lambda: dc.load_image("none.png"), lambda: dc.write_movie(tmp_path / "x.mp4", [], fps=0)):
        with pytest.raises(SystemExit) as ended, _common.one_line_errors(cli):
            refused()
        assert ended.value.code == 2
        assert capsys.readouterr().err.splitlines()[-1].startswith(f"{cli.prog}: error: ")


def test_a_fault_of_the_script_keeps_its_traceback():
    with pytest.raises(ValueError, match="zero-size"), _common.one_line_errors(_common.parser("")):
        np.max([])


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_letters_that_an_encoding_lacks_fail_no_help(encoding, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding))
    for name in NAMES:
        with pytest.raises(SystemExit) as ended:
            importlib.import_module(name).main(["--help"])
        assert ended.value.code == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no such file")
def test_closing_words_that_no_one_reads_are_no_fault_and_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    script = importlib.import_module("layers")
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        script.main([*script.SMALL, "--output", str(tmp_path)])
    with Path("/dev/full").open("w") as full, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended:
            script.main([*script.SMALL, "--output", str(tmp_path)])
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())  # what is left in its buffer
    assert ended.value.code == 2
    assert "No space left" in capsys.readouterr().err.splitlines()[-1]


def test_an_extra_that_is_not_installed_is_told_in_one_line(tmp_path, monkeypatch, capsys):
    script = importlib.import_module("salt_aquarium")
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(SystemExit) as ended:
        script.main([*script.SMALL, "--record", str(tmp_path / "run"), "--output", str(tmp_path)])
    assert ended.value.code == 2
    assert "pip install 'diffuseconv[io]'" in capsys.readouterr().err.splitlines()[-1]
