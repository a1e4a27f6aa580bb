"""Settings of the test suite: hypothesis profiles, numpy names for doctests, and what a second core does meanwhile."""

import gc
import importlib.util
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # a second thread would wait, spinning, for a core that is not idle

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
    max_examples=20,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("suite")


# programs that tests run find the package beside these, installed or not
os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])

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


def pytest_collection_modifyitems(items):
    """Put those tests last that wait for what an idle core runs meanwhile."""
    items.sort(key=lambda item: item.get_closest_marker("aside") is not None)


@pytest.fixture(scope="session")
def runs(request, tmp_path_factory):
    """Make the calls that tests are marked with, each with a folder of its own, on a core that tests leave idle.

    Before these it compiles loops: tests find those on disk that are done.
    """
    wanted = [item for item in request.session.items if item.get_closest_marker("aside")]
    ahead = [sys.executable, str(ROOT / "tests/compile_sweeps.py")]
    with ThreadPoolExecutor(1) as pool:
        compiling = subprocess.Popen(ahead) if len(request.session.items) >= MANY else None
        if compiling:
            pool.submit(compiling.wait)

        @cache
        def made(call, *given):
            call = partial(call, *given, tmp_path_factory.mktemp("aside"))
            return cache(call), pool.submit(call)

        calls = {}
        for item in wanted:
            if not any(mark.args[0] for mark in item.iter_markers("skipif")):
                mark = item.get_closest_marker("aside")
                calls[item.nodeid] = made(mark.kwargs["call"], *mark.args)
        yield calls
        if compiling:
            compiling.kill()
        pool.shutdown(cancel_futures=True)


@pytest.fixture
def done(request, runs):
    """Return what the call that this test is marked with has returned; one that has not begun is made here."""
    call, future = runs[request.node.nodeid]
    return call() if future.cancel() else future.result()


@pytest.fixture(autouse=True, scope="session")
def _begun_early(request):
    """Begin with the first test, though many come before those that ask for scripts."""
    if len(request.session.items) >= MANY:
        request.getfixturevalue("runs")
