"""Settings of the test suite: hypothesis profiles, numpy names for doctests, and what a second core does meanwhile."""

import gc
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import hypothesis
import numpy as np
import pytest

import diffuseconv

ROOT = Path(__file__).parent
MANY = 1000  # tests that are chosen, by which work ahead pays

# each file of interop belongs to an engine that need not be there
collect_ignore = [
    f"diffuseconv/interop/{file}.py"
    for file in ("dask", "_dask_halo", "_dask_evolve", "xarray", "torch")
    if importlib.util.find_spec(file.strip("_").partition("_")[0]) is None
]

collect_ignore_glob = ["tests/peers/*"]  # they belong to other libraries: python tests/peers/run.py

if importlib.util.find_spec("anywidget") is None:
    collect_ignore.append("diffuseconv/explorer/widget.py")

hypothesis.settings.register_profile(
    "suite",
    deadline=None,
    max_examples=30,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as a shell leaves it in what runs in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True, scope="module")
def _old_objects():
    """Spare each collection of garbage the look through all that files of tests before have left."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _doctest_names(doctest_namespace):
    doctest_namespace["np"] = np
    doctest_namespace["dc"] = diffuseconv


def environment():
    """Return variables by which programs find the package beside the tests, installed or not."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}


def run_small(name, folder):
    """Run a script as a user would, with its own small options."""
    options = [*importlib.import_module(name).SMALL, "--output", str(folder)]
    command = [sys.executable, "-W", "error", str(ROOT / f"simulations/{name}.py"), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT, env=environment())


@pytest.fixture(scope="session")
def runs(request, tmp_path_factory):
    """Run each script that is tested, one at a time, on a core that tests leave idle.

    Before these it compiles loops: tests find those on disk that are done.
    """
    wanted = {item.callspec.params["name"] for item in request.session.items if "runs" in item.fixturenames}
    ahead = [sys.executable, str(ROOT / "tests/compile_sweeps.py")]
    with ThreadPoolExecutor(1) as pool:
        compiling = subprocess.Popen(ahead, env=environment()) if len(request.session.items) >= MANY else None
        if compiling:
            pool.submit(compiling.wait)
        yield {name: pool.submit(run_small, name, tmp_path_factory.mktemp(name)) for name in sorted(wanted)}
        if compiling:
            compiling.kill()
        pool.shutdown(cancel_futures=True)


@pytest.fixture(autouse=True, scope="session")
def _begun_early(request):
    """Begin with the first test, though many come before those that ask for scripts."""
    if len(request.session.items) >= MANY:
        request.getfixturevalue("runs")
