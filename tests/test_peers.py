"""The command that runs peers' own suites with our functions: one small suite, and the control that must fail."""

import pathlib
import re
import subprocess
import sys

import pytest

RUN = pathlib.Path(__file__).parent / "peers" / "run.py"


def counts(*options):
    """Return (applicable, passed, failed, not expressible) of NumPy's suite."""
    said = subprocess.run([sys.executable, str(RUN), "numpy", *options], capture_output=True, text=True, check=True)
    return [int(cell) for cell in re.findall(r"\| (\d+)(?= \|)", said.stdout)]


@pytest.mark.peer
def test_numpys_own_tests_pass_with_our_functions():
    """Only the layout in memory of `pad` differs (ours is always that of C), and one test in a thousand is too many."""
    pytest.importorskip("astropy")  # with the other peers: half a minute
    ours = "(arraypad or Convolve or Correlate) and not memory_layout"
    applicable, passed, failed, _ = counts("-k", ours)
    assert applicable > 100
    assert passed == applicable
    assert failed == 0
    _, _, failed, _ = counts("--control", "-k", ours)
    assert failed > 100
