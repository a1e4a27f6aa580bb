"""Settings of the test suite: hypothesis profiles, and numpy names for doctests."""

import gc
import importlib.util
import signal

import hypothesis
import numpy as np
import pytest

import diffuseconv

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
