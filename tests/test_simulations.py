"""Every script in simulations/ runs from the command line and leaves a film that plays, a still and a record."""

import importlib
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import _common
import numpy as np
import pytest
from films import decoded
from matplotlib.figure import Figure
from PIL import Image

import diffuseconv as dc

SIMULATIONS = Path(_common.__file__).parent
NAMES = sorted(path.stem for path in SIMULATIONS.glob("*.py") if not path.name.startswith("_"))


def run_small(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a script as a user would, with its own small options."""
    options = [*importlib.import_module(name).SMALL, "--output", str(folder)]
    command = [sys.executable, "-W", "error", str(SIMULATIONS / f"{name}.py"), *options]
    root = str(SIMULATIONS.parent)  # the package beside the scripts, installed or not
    paths = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=root, env=paths)


@pytest.fixture(scope="session")
def runs(request, tmp_path_factory):
    """The small run of each script that is tested, two at a time."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "runs" in item.fixturenames}
    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run_small, name, tmp_path_factory.mktemp(name)) for name in sorted(wanted)}


@pytest.mark.parametrize("name", NAMES)
def test_small_run_leaves_a_film_a_still_and_a_record(name, runs):
    done = runs[name].result()
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), "no closing line"
    folder = Path(done.args[-1])
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
        figure = _common.figure(320, 200)
        left, right = figure.subplots(1, 2)
        image = _common.panel(left, np.zeros((8, 8)), "salt", "kg", norm=_common.Normalize(0, 1))
        (line,) = right.plot([0, 1, 2], [0, 0, 0])
        right.set_ylim(0, 1)
        return figure, [image, line]

    def change(artists, step):
        _common.repaint(artists[0], np.full((8, 8), step / 3))
        artists[1].set_ydata([0, step / 4, step / 3])

    figure, artists = drawing()
    frames = list(_common.animate(figure, artists, (change(artists, step) for step in range(4))))
    assert [frame.shape for frame in frames] == [(200, 320, 3)] * 4
    for step in range(4):
        figure, artists = drawing()
        change(artists, step)
        figure.canvas.draw()
        whole = np.asarray(figure.canvas.buffer_rgba())[..., :3]
        # an axis drawn under an artist rather than over it may differ along its line, nowhere else
        assert np.mean((frames[step] != whole).any(axis=-1)) < 0.01


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.00 s"), (1e-3, "1000 µs"), (90, "90.0 s"), (5000, "83.3 min"), (7200, "2.00 h"), (4e6, "46.3 days")],
)
def test_clock_says_times_as_people_do(seconds, text):
    assert _common.clock(seconds) == text


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
