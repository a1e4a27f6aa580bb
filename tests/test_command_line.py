"""The command line: pictures and films come out, units are understood, errors are one line."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest

import diffuseconv as dc
from diffuseconv.__main__ import main


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "photo.png"
    dc.save_image(path, np.random.default_rng(1).random((20, 30)))
    return str(path)


def test_diffuse(photo, tmp_path, capsys):
    out = str(tmp_path / "out.png")
    options = ["--duration", "2h", "--spacing", "1mm", "--diffusivity", "1.6e-3mm2/s"]
    assert main(["diffuse", photo, "-o", out, *options]) == 0
    assert "4.8 pixels" in capsys.readouterr().out
    expected = dc.DiffusionEquation(1.6e-9, 1e-3).evolve(dc.load_image(photo), 7200.0)
    assert np.abs(dc.load_image(out) - expected).max() <= 1 / 256  # a level of eight bits
    assert main(["diffuse", photo, "--colour", "-o", out, *options]) == 0
    assert main(["diffuse", photo, "-o", str(tmp_path / "out.gif"), "--frames", "3", *options]) == 0
    assert (tmp_path / "out.gif").stat().st_size > 0


def test_convolve_and_measure(photo, tmp_path, capsys, monkeypatch):
    out = str(tmp_path / "out.png")
    assert main(["convolve", photo, "--kernel", "box:5", "-o", out]) == 0
    expected = dc.convolve(dc.load_image(photo), dc.kernels.box(5))
    assert np.abs(dc.load_image(out) - expected).max() <= 1 / 256
    assert main(["convolve", photo, "--kernel", "sharpen", "-o", out]) == 0
    assert "Sharpens" in capsys.readouterr().out
    assert main(["measure", photo, "--kernel", "gaussian:1.5", "--draws", "16", "--rng", "1", "-o", out]) == 0
    assert "error" in capsys.readouterr().out
    monkeypatch.chdir(tmp_path)
    assert main(["measure", photo, "--kernel", "box:9", "--draws", "16"]) == 0
    assert dc.load_image("photo_measure.png").shape == (20, 30)


def test_interpret_info_and_warm(tmp_path, capsys):
    np.savetxt(tmp_path / "kernel.txt", dc.kernels.laplacian())
    assert main(["interpret", str(tmp_path / "kernel.txt")]) == 0
    assert capsys.readouterr().out == str(dc.interpret(dc.kernels.laplacian())) + "\n"
    assert main(["info"]) == 0
    assert "numba" in capsys.readouterr().out
    assert main(["warm"]) == 0


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["convolve", "none.png", "--kernel", "box", "-o", "o.png"], "none.png"),
        (["interpret", "nothing"], "kernel must be one of"),
        (["interpret", "box:x"], "kernel must be NAME"),
        (["interpret", "box:3:2:1"], "kernel must have no more numbers behind 'box' than that takes, got 'box:3:2:1'"),
        (["interpret", "box:4.5"], "size must be a whole number"),
        (
            ["interpret", "ragged.txt"],
            "kernel must be rows of as many numbers each, got something else in 'ragged.txt'",
        ),
        (["interpret", "words.txt"], "kernel must be rows"),
        (["interpret", "empty.txt"], "kernel must be rows"),
        (["interpret", "latin.txt"], "kernel must be rows"),
        (["diffuse", "p.png", "--duration=-5s", "-o", "o.png"], "duration must be at least 0, got -5"),
        (["diffuse", "none.png", "--duration=5s", "-o", "o.avi"], ".bmp, .mp4, .gif, got 'o.avi'"),
        (["convolve", "p.png", "--kernel", "box", "-o", ""], "output must end in one of .png"),
        (["convolve", "none.png", "--kernel", "box", "-o", "o.mp4"], "output must end in one of .png"),
        (["measure", "none.png", "--kernel", "box", "-o", "none/o.png"], "output must lie in a folder that exists"),
        (["explore", "--port", "70000", "--no-browser"], "port must be at most 65535, got 70000"),
    ],
)
def test_errors_are_one_line(argv, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, text in {"ragged": "1 2\n3\n", "words": "1 two\n", "empty": "# nothing\n"}.items():
        (tmp_path / f"{name}.txt").write_text(text)
    (tmp_path / "latin.txt").write_bytes("1 2 # für".encode("latin-1"))
    dc.save_image("p.png", np.zeros((3, 4)))
    assert main(argv) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_a_reader_that_has_seen_enough_is_no_error():
    """As in ``diffuseconv interpret sharpen | head -1``."""
    command = [sys.executable, "-m", "diffuseconv", "interpret", "sharpen"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, timeout=60)
    os.close(write)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("text", ["2 weeks", "h", "1e", "two", ""])
def test_units_that_are_not_known(text, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["diffuse", "p.png", "-o", "o.png", f"--duration={text}"])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "must be a number with a unit" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("command", ["", "diffuse", "convolve", "measure", "interpret", "explore", "info", "warm"])
def test_help_explains(command, capsys):
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"] if command else ["--help"])
    assert stopped.value.code == 0
    assert len(capsys.readouterr().out) > 120


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_letters_that_an_encoding_lacks_fail_no_command(encoding, monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    assert main(["interpret", "laplacian"]) == 0
    assert b"\\u2588" in written.getvalue()


def test_a_closed_output_and_no_docstrings_fail_no_command(monkeypatch, capsys):
    """Python opens no stdout where a shell has closed it, and drops docstrings under -OO."""
    with monkeypatch.context() as patch:
        patch.setattr("diffuseconv.__main__.interpret.__doc__", None)
        patch.setattr(sys, "stdout", None)
        assert main(["interpret", "box"]) == 0
    assert capsys.readouterr() == ("", "")
