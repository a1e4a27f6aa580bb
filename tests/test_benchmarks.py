"""The benchmark command runs, checks its contenders equal, and writes valid JSON; no time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def quick_convolution(folder):
    """Return the report of the convolution's quick figures."""
    target = folder / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "convolution", "--json", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)
    return json.loads(target.read_text())


@pytest.mark.aside(call=quick_convolution)
def test_quick_convolution_writes_json(done):
    assert done["machine"]["bytes_per_second"] > 0
    assert [row["subject"] for row in done["rows"]] == ["convolution"] * 2
    assert all(row["seconds"]["diffuseconv"] > 0 and row["difference"] for row in done["rows"])


def test_figures_are_refused_a_folder_before_anything_is_measured(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, timeout=120, capture_output=True, text=True)
    assert done.returncode == 2
    assert "argument --json: must be a file that can be written" in done.stderr
