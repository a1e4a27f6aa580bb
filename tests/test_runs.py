"""Runs on disk: they open, go on bitwise, survive being killed and a full disk, and never lose a number in silence."""

import errno
import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import salt_aquarium
from films import decoded

import diffuseconv as dc
from diffuseconv import _files, _run_store

zarr = pytest.importorskip("zarr")
xr = pytest.importorskip("xarray")
pytestmark = pytest.mark.io

PROPAGATOR = dc.Propagator.heat(0.5, 1.0, ndim=2, tolerance=1e-6)
GRAINS = np.random.default_rng(7).integers(0, 50, (6, 9))


def walk(time, counts, rng, last):
    """Grains that jump, one draw a frame."""
    while time <= last:
        yield time, counts
        time, counts = time + 1.0, dc.scatter(counts, PROPAGATOR, rng=rng)


def heat(time, u, last):
    """A field that spreads, each frame made from the one before."""
    equation = dc.DiffusionEquation(0.3)
    while time <= last:
        yield time, u
        time, u = time + 1.0, equation.evolve(u, 1.0, method="explicit")


def files(folder):
    """Every file of a store and its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_run_opens_with_names_units_parameters_and_versions(tmp_path):
    path = tmp_path / "run"
    frames = [(0.5 * n, np.full((2, 3), n / 7)) for n in range(4)]
    units = {"salt": "g/l", "time": "h", "x": "mm"}
    parameters = {"D": np.float64(0.3), "walls": ("a", np.arange(2))}
    dc.record(path, frames, name="salt", spacing=(1.0, 0.5), units=units, parameters=parameters)
    for run in (dc.open_run(path), xr.open_zarr(path, chunks=None)):
        assert run.salt.dims == ("time", "y", "x")
        np.testing.assert_array_equal(run.salt.values, [field for _, field in frames])
        assert run.time.values.tolist() == [0, 0.5, 1, 1.5]
        assert run.x.values.tolist() == [0.25, 0.75, 1.25]
        assert run.y.values.tolist() == [0.5, 1.5]
        assert (run.salt.attrs["units"], run.x.attrs["units"], run.y.attrs) == ("g/l", "mm", {})
        assert run.attrs["parameters"] == {"D": 0.3, "walls": ["a", [0, 1]]}
        assert run.attrs["versions"]["diffuseconv"] == dc.__version__
        assert run.attrs["frames"] == 4


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f4", "f8", "c16"])
@pytest.mark.parametrize("shape", [(5,), (2, 3), (2, 3, 4)])
def test_every_kind_of_number_comes_back_bit_by_bit(tmp_path, dtype, shape):
    """Zeros too, which are no holes, and NaN of floats, which a user may have put there."""
    fields = np.random.default_rng(0).integers(0, 2, (3, *shape)).astype(dtype)
    if np.dtype(dtype).kind in "fc":
        fields[1, ...] = np.nan
    dc.record(tmp_path / "run", fields)
    for run in (dc.open_run(tmp_path / "run"), xr.open_zarr(tmp_path / "run", chunks=None)):
        assert run.u.dtype == dtype
        assert run.u.values.tobytes() == fields.tobytes()
    assert run.u.dims == ("time", *("z", "y", "x")[-len(shape) :])
    assert dc.resume(tmp_path / "run").field.tobytes() == fields[-1].tobytes()


@pytest.mark.parametrize("kind", ["PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64"])
def test_random_walks_go_on_as_if_never_stopped(tmp_path, kind):
    """Frames, generator and the seeds of its children: the store is the same, byte by byte."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.spawn(3)
    dc.record(whole, walk(0.0, GRAINS, rng, 9), rng=rng)
    rng = np.random.Generator(getattr(np.random, kind)(5))
    rng.spawn(3)
    dc.record(parts, walk(0.0, GRAINS, rng, 2), rng=rng)
    for last in (2, 3, 7, 9):
        run = dc.resume(parts)
        run.record(walk(run.time, run.field, run.rng, last))
    assert files(parts) == files(whole)
    assert dc.resume(parts).rng.spawn(1)[0].random() == dc.resume(whole).rng.spawn(1)[0].random()
    assert dc.resume(whole).rng.bit_generator.seed_seq.n_children_spawned == 3


def test_fields_go_on_as_if_never_stopped(tmp_path):
    start = np.random.default_rng(3).random((8, 8))
    dc.record(tmp_path / "whole", heat(0.0, start, 6))
    dc.record(tmp_path / "parts", heat(0.0, start, 3))
    run = dc.resume(tmp_path / "parts")
    assert (run.frames, run.time, run.rng) == (4, 3.0, None)
    run.record(heat(run.time, run.field, 6))
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


@pytest.mark.parametrize("method", ["spectral", "explicit", "chebyshev"])
def test_the_same_frames_from_the_start_go_on_too(tmp_path, method):
    start, times = np.random.default_rng(3).random((8, 8)), np.linspace(0, 2, 7)

    def frames():
        return dc.DiffusionEquation(0.3).frames(start, times, method=method)

    dc.record(tmp_path / "whole", frames())
    dc.record(tmp_path / "parts", itertools.islice(frames(), 4))
    dc.resume(tmp_path / "parts").record(frames())
    assert files(tmp_path / "parts") == files(tmp_path / "whole")


def test_an_exception_keeps_what_was_recorded(tmp_path):
    def frames():
        yield from heat(0.0, np.eye(4), 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        dc.record(tmp_path / "run", frames())
    assert dc.resume(tmp_path / "run").time == 2
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]
    with pytest.raises(ZeroDivisionError):
        dc.record(tmp_path / "other", (1 / (1 - n) * np.eye(2) for n in itertools.count(1)))
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


KILLED = """
import os, random, signal, sys, time
import numpy as np
from diffuseconv import runs
import zarr, xarray

def walk(time, counts, rng):
    while True:
        yield time, counts
        with open(note, "w") as file:  # the next frame is asked for: this one must be on disk
            file.write(str(time))
        time, counts = time + 1.0, counts + rng.integers(0, 9, counts.shape)

def go():
    if os.path.exists(run):
        last = runs.resume(run)
        last.record(walk(last.time, last.field, last.rng))
    else:
        rng = np.random.default_rng(1)
        runs.record(run, walk(0.0, np.zeros((20, 20), int), rng), rng=rng)

folder, moments = sys.argv[1], int(sys.argv[2])
random.seed(3)
note, run = folder + "/note", folder + "/run"
asked = -1.0

def reached():
    return float(open(note).read() or -1) if os.path.exists(note) else -1.0  # "" where it was killed between

for moment in range(moments):
    child = os.fork()
    if child == 0:
        try:
            go()
        finally:
            os._exit(1)
    wanted, patience = asked + random.randint(0, 3), time.monotonic() + 20
    while reached() < wanted and time.monotonic() < patience:
        time.sleep(0.001)
    time.sleep(random.uniform(0.0, 0.02))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    asked = max(asked, reached())
    child = os.fork()  # zarr's threads must not be there when the next child is made
    if child == 0:
        good = 1
        try:
            if os.path.exists(run):
                times = runs.open_run(run).load().time.values
                good = 0 if times[-1] >= asked and (times == np.arange(len(times))).all() else 1
            else:
                good = 0 if asked < 0 else 1
        finally:
            os._exit(good)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, moment
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_random_moments_it_loses_nothing_that_was_recorded(tmp_path):
    """One run, killed and gone on with at 8 random moments; in the end it is the run that was never stopped."""
    moments = os.environ.get("DIFFUSECONV_KILLS", "8")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), moments],
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    run = dc.open_run(tmp_path / "run").load()
    rng, counts = np.random.default_rng(1), np.zeros((20, 20), int)
    for field in run.u.values:
        np.testing.assert_array_equal(field, counts)
        counts = counts + rng.integers(0, 9, counts.shape)
    assert len(run.time) > 3
    dc.resume(tmp_path / "run").record([])  # clears what the killed left
    assert {entry.name for entry in tmp_path.iterdir()} - {"note", "run"} == set()
    leftovers = [p for p in (tmp_path / "run").rglob("*") if p.suffix == ".partial"]
    assert leftovers == []


FULL_DISK = """
import resource, sys
import numpy as np
from diffuseconv import runs
def frames():
    rng = np.random.default_rng(0)
    for n in range(12):
        if n == int(sys.argv[2]):
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
        yield rng.random((40, 40))
import zarr, xarray
try:
    runs.record(sys.argv[1], frames())
except OSError as error:
    print(error.errno)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file size are POSIX")
@pytest.mark.parametrize(("frame", "limit"), [(0, 0), (0, 1000), (3, 100), (5, 2000), (5, 0)])
def test_a_full_disk_raises_and_leaves_whole_frames_only(tmp_path, frame, limit):
    """A limit on file size stands in for a full disk."""
    command = [sys.executable, "-W", "ignore", "-c", FULL_DISK, str(tmp_path / "run"), str(frame), str(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.stdout.split() == [str(errno.EFBIG)], done.stderr
    assert [entry.name for entry in tmp_path.iterdir()] == (["run"] if frame else [])
    if frame:
        wanted = np.random.default_rng(0).random((12, 40, 40))[:frame]
        np.testing.assert_array_equal(dc.open_run(tmp_path / "run").u.values, wanted)


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "one bit", "longer"])
@pytest.mark.parametrize("chunk", ["u/c/1/0/0", "time/c/1", "x/c/0"])
def test_damaged_chunks_are_reported(tmp_path, damage, chunk):
    dc.record(tmp_path / "run", np.zeros((3, 4, 5)))
    path = tmp_path / "run" / chunk
    data = bytearray(path.read_bytes())
    if damage == "missing":
        path.unlink()
    else:
        data[len(data) // 2] ^= 8
        path.write_bytes({"empty": b"", "cut": data[:-3], "one bit": data, "longer": data + b"\0"}[damage])
    with pytest.raises(
        OSError, match=f"chunk {chunk} of the run .* is {'missing' if damage == 'missing' else 'damaged'}"
    ):
        dc.open_run(tmp_path / "run").load()


def test_resume_reports_a_damaged_last_frame(tmp_path):
    dc.record(tmp_path / "run", np.zeros((3, 4, 5)))
    (tmp_path / "run/u/c/2/0/0").unlink()
    with pytest.raises(OSError, match=r"chunk u/c/2/0/0 .* is missing"):
        dc.resume(tmp_path / "run")


@pytest.mark.skipif(_files.fcntl is None, reason="needs POSIX locks")
def test_a_second_writer_is_refused(tmp_path):
    def busy():
        for time, field in heat(5.0, np.eye(4), 6):
            with pytest.raises(OSError, match="path must"):
                dc.record(tmp_path / "run", heat(0.0, np.eye(4), 3))
            if (tmp_path / "run").exists():
                with pytest.raises(BlockingIOError, match="path must not be written by two at once"):
                    dc.resume(tmp_path / "run")
                with pytest.raises(BlockingIOError, match="path must not be written by two at once"):
                    early.record([])
                dc.open_run(tmp_path / "run").load()  # readers are welcome
            yield time, field

    dc.record(tmp_path / "other", heat(0.0, np.eye(4), 3))
    early = dc.resume(tmp_path / "other")
    dc.record(tmp_path / "run", heat(0.0, np.eye(4), 3))
    early, run = dc.resume(tmp_path / "run"), dc.resume(tmp_path / "run")
    run.record(busy())
    with pytest.raises(ValueError, match="path must be as it was when resumed, with 4 frames, got 6"):
        early.record([])
    (tmp_path / "run").rename(tmp_path / "moved")
    dc.record(tmp_path / "run", busy())


@pytest.mark.parametrize(
    ("frames", "options", "error", "message"),
    [
        ([], {}, ValueError, "frames must hold at least one frame, got none"),
        (3, {}, TypeError, "frames must be an iterable"),
        ([np.ma.masked_equal(np.eye(2), 0)], {}, TypeError, "got a masked array"),
        ([np.array(["a"])], {}, TypeError, "must be an array of numbers"),
        ([np.array([None])], {}, TypeError, "must be an array of numbers"),
        ([3.0], {}, TypeError, "must be an array of numbers"),
        ([(np.nan, np.eye(2))], {}, ValueError, r"time of frames\[0\] must be finite"),
        ([np.eye(2)], {"name": "time"}, ValueError, "name must be an identifier"),
        ([np.eye(2)], {"name": "x"}, ValueError, r"name must be none of the axes' names, y, x \(see dims=\), got 'x'"),
        ([np.eye(2)], {"name": "a/b"}, ValueError, "name must be an identifier"),
        ([np.eye(2)], {"dims": ("y",)}, ValueError, "dims must name the 2 axes"),
        ([np.eye(2)], {"dims": ("u", "x")}, ValueError, "dims must name the 2 axes"),
        ([np.eye(2)], {"dims": ("../y", "x")}, ValueError, "dims must be a sequence of identifiers"),
        ([np.eye(2)], {"dims": 3}, ValueError, "dims must be a sequence of identifiers"),
        ([np.eye(2)], {"dims": "yx"}, ValueError, "dims must be a sequence of identifiers"),
        ([np.eye(2, dtype=np.longdouble)], {}, TypeError, "must be an array of numbers"),
        ([[[1], [1, 2]]], {}, ValueError, "must be a rectangular array"),
        ([np.eye(2)], {"spacing": 0}, ValueError, "spacing must be greater than 0"),
        ([np.eye(2)], {"units": {"w": "m"}}, ValueError, "units must be of 'u', 'time', 'z', 'y', 'x', got 'w'"),
        ([np.eye(2)], {"units": {"z": "m"}}, ValueError, "units must be of 'u', 'time', 'y', 'x', got 'z'"),
        ([np.eye(2)], {"spacing": (1, 2, 3)}, ValueError, "spacing must be one value or one for each of the 2 axes"),
        ([np.eye(2)], {"units": {"x": 3}}, TypeError, "units must be a mapping"),
        ([np.eye(2)], {"parameters": {"f": print}}, TypeError, "parameters must hold finite numbers"),
        ([np.eye(2)], {"parameters": {"f": np.inf}}, TypeError, "parameters must hold finite numbers"),
        ([np.eye(2)], {"parameters": 3}, TypeError, "parameters must be a mapping"),
        ([np.eye(2)], {"rng": 3}, TypeError, "rng must be the numpy Generator"),
        ([np.eye(2)], {"progress": 3}, TypeError, "progress must be True or False"),
    ],
)
def test_record_refuses_in_one_line_and_leaves_nothing(tmp_path, frames, options, error, message):
    with pytest.raises(error, match=message) as caught:
        dc.record(tmp_path / "run", frames, **options)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("second", "message"),
    [
        ((1.0, np.ones((2, 3))), "frames must all have shape"),
        ((1.0, np.ones((2, 2), np.float32)), "frames must all have shape .* float64, got"),
        ((0.0, np.ones((2, 2))), "frames must have increasing times, got 0.0 after 0.0"),
    ],
)
def test_a_frame_unlike_the_first_is_refused_and_what_was_before_stays(tmp_path, second, message):
    with pytest.raises(ValueError, match=message):
        dc.record(tmp_path / "run", [(0.0, np.eye(2)), second])
    run = dc.resume(tmp_path / "run")
    assert run.frames == 1
    with pytest.raises(ValueError, match="frames must hold the run's last field at its time"):
        run.record([(0.0, np.ones((2, 2)))])
    run.record([(0.0, np.eye(2)), (2.0, np.ones((2, 2)))])
    assert dc.resume(tmp_path / "run").frames == 2


def test_what_is_no_run_says_so(tmp_path):
    for verb in (dc.open_run, dc.resume):
        with pytest.raises(FileNotFoundError, match="path must be a run"):
            verb(tmp_path / "none")
        with pytest.raises(ValueError, match="path must be a run that record wrote"):
            verb(tmp_path)
        with pytest.raises(TypeError, match="path must be a path, got 7"):
            verb(7)
    with pytest.raises(FileNotFoundError, match="path must lie in a folder that exists"):
        dc.record(tmp_path / "none" / "run", [np.eye(2)])
    dc.record(tmp_path / "run", [np.eye(2)])
    with pytest.raises(FileExistsError, match="path must be new"):
        dc.record(tmp_path / "run", [np.eye(2)])
    root = tmp_path / "run" / "zarr.json"
    whole = root.read_text()
    for text in ("", "{", "[]", whole[:-9], whole.replace('"frames": 1', '"frames": 2')):
        root.write_text(text)
        with pytest.raises(ValueError, match="path must be a run that record wrote"):
            dc.open_run(tmp_path / "run")


def test_nothing_is_unpickled_and_no_class_is_named_by_a_file(tmp_path):
    rng = np.random.default_rng(0)
    dc.record(tmp_path / "run", [np.eye(2)], rng=rng)
    root = tmp_path / "run" / "zarr.json"
    metadata = json.loads(root.read_text())
    metadata["attributes"]["rng"]["state"]["bit_generator"] = "default_rng"
    root.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match="must name a bit generator"):
        dc.resume(tmp_path / "run")
    for damaged in ("x", {}, [1], {"state": {"bit_generator": "PCG64"}, "seeds": None}):
        metadata["attributes"]["rng"] = damaged
        root.write_text(json.dumps(metadata))
        with pytest.raises(ValueError, match="must hold the state of a random generator"):
            dc.resume(tmp_path / "run")
    metadata["attributes"]["rng"] = None
    metadata["consolidated_metadata"]["metadata"]["u"]["data_type"] = {"name": "object", "configuration": {}}
    root.write_text(json.dumps(metadata))
    with pytest.raises(ValueError, match="object"):
        dc.open_run(tmp_path / "run").load()


def test_large_frames_are_split(tmp_path, monkeypatch):
    monkeypatch.setattr(_run_store, "_LARGEST_CHUNK", 100)
    fields = np.random.default_rng(0).random((2, 7, 6))
    dc.record(tmp_path / "run", fields)
    assert len(list((tmp_path / "run/u/c/0").iterdir())) == 4
    np.testing.assert_array_equal(dc.open_run(tmp_path / "run").u.values, fields)


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    dc.record(tmp_path / "run", [np.eye(2)])
    monkeypatch.setitem(sys.modules, "zarr", None)
    for verb in (lambda: dc.record(tmp_path / "new", [np.eye(2)]), lambda: dc.open_run(tmp_path / "run")):
        with pytest.raises(ImportError, match=r"runs on disk need zarr and xarray: pip install 'diffuseconv\[io\]'"):
            verb()
    with pytest.raises(ImportError, match="runs on disk need zarr"):
        dc.resume(tmp_path / "run")
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_the_salt_aquarium_goes_on_bitwise(tmp_path, monkeypatch):
    """Stopped after three frames and resumed: the frames of a run that was never stopped, and a film of all."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    salt_aquarium.main([*salt_aquarium.SMALL, "--output", str(tmp_path / "a"), "--record", str(whole)])
    steps = salt_aquarium.steps

    def stopped(*args):
        yield from itertools.islice(steps(*args), 3)
        raise KeyboardInterrupt

    monkeypatch.setattr(salt_aquarium, "steps", stopped)
    with pytest.raises(KeyboardInterrupt):
        salt_aquarium.main([*salt_aquarium.SMALL, "--output", str(tmp_path / "b"), "--record", str(parts)])
    assert dc.resume(parts).frames == 3
    monkeypatch.setattr(salt_aquarium, "steps", steps)
    salt_aquarium.main(["--resume", str(parts), "--output", str(tmp_path / "b")])
    expected, found = dc.open_run(whole).load(), dc.open_run(parts).load()
    assert len(found.time) == 8
    assert found.salt.values.tobytes() == expected.salt.values.tobytes()
    assert len(decoded(tmp_path / "b" / "salt_aquarium.mp4")) == 8
    assert (tmp_path / "b" / "salt_aquarium.mp4").read_bytes() == (tmp_path / "a" / "salt_aquarium.mp4").read_bytes()


@pytest.mark.parametrize("dtype", [">f8", ">i4", ">c16", "<u2"])
def test_frames_of_any_byte_order_are_recorded(tmp_path, dtype):
    frames = [np.arange(6.0).reshape(2, 3).astype(dtype) + n for n in range(3)]
    dc.record(tmp_path / "run", frames[:2])
    run = dc.resume(tmp_path / "run")
    run.record(frames[2:])
    found = dc.open_run(tmp_path / "run").u.values
    assert np.array_equal(found, frames)
    assert found.dtype.isnative


def test_parameters_that_json_cannot_hold_are_refused_in_one_line(tmp_path):
    deep = []
    for _ in range(100_000):
        deep = [deep]
    for value in (np.longdouble(1), np.ones(2, np.longdouble), np.clongdouble(1), deep):
        with pytest.raises(TypeError, match=r"^parameters must hold finite numbers, strings, lists and mappings only"):
            dc.record(tmp_path / "run", [np.ones(2)], parameters={"a": value})
