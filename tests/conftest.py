"""What a core that tests leave idle does while they run: it compiles loops, and runs each script."""

import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent
SIMULATIONS = ROOT / "simulations"
MANY = 1000  # tests that are chosen, by which this pays


def environment():
    """Return variables by which programs find the package beside the tests, installed or not."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def run_small(name, folder):
    """Run a script as a user would, with its own small options."""
    options = [*importlib.import_module(name).SMALL, "--output", str(folder)]
    command = [sys.executable, "-W", "error", str(SIMULATIONS / f"{name}.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment())


@pytest.fixture(scope="session")
def compiling(request):
    """Compile loops in another process; tests find those on disk that are done."""
    if len(request.session.items) < MANY:
        yield None
        return
    with subprocess.Popen([sys.executable, str(TESTS / "compile_sweeps.py")], env=environment()) as process:
        yield process
        process.kill()


@pytest.fixture(scope="session")
def runs(request, compiling, tmp_path_factory):
    """The small run of each script that is tested, after all is compiled, one at a time."""
    wanted = {item.callspec.params["name"] for item in request.session.items if "runs" in item.fixturenames}
    with ThreadPoolExecutor(1) as pool:
        if compiling:
            pool.submit(compiling.wait)
        yield {name: pool.submit(run_small, name, tmp_path_factory.mktemp(name)) for name in sorted(wanted)}
        pool.shutdown(cancel_futures=True)


@pytest.fixture(autouse=True, scope="session")
def _begun_early(request):
    """Begin both with the first test, though others come long before those that ask for them."""
    if len(request.session.items) >= MANY:
        request.getfixturevalue("runs")
