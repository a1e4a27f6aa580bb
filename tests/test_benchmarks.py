"""The benchmark command runs, checks its contenders equal, and writes valid JSON; no time is asserted."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_quick_convolution_writes_json(tmp_path):
    target = tmp_path / "figures.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--only", "convolution", "--json", str(target)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)
    report = json.loads(target.read_text())
    assert report["machine"]["bytes_per_second"] > 0
    assert [row["subject"] for row in report["rows"]] == ["convolution"] * 2
    assert all(row["seconds"]["diffuseconv"] > 0 and row["difference"] for row in report["rows"])
