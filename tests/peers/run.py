"""Run the test suites that other libraries ship, with our functions in place of theirs.

``python tests/peers/run.py [--control] [SUITE ...]`` prints for each suite how many of its tests call a function that
is replaced (applicable), how many of them pass and fail, and how many ask for what ours does not express (they are not
counted as applicable). With ``--control`` every result is multiplied by 1.001 first: the tests must notice.

A suite is a file ``suite_NAME.py`` beside this one: `TESTS`, the modules of tests in the installed library, and
`FUNCTIONS`, our replacement for each function or method by its full name. A replacement has the peer's arguments.
Where ours refuses, the peer is asked: if it refuses too, its error is raised; if not, the test is one that ours cannot
express.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import importlib
import importlib.metadata
import io
import os
import pathlib
import pkgutil
import tempfile
import threading
from collections import Counter

import numpy as np
import pytest

HERE = pathlib.Path(__file__).parent
SUITES = sorted(path.stem.removeprefix("suite_") for path in HERE.glob("suite_*.py"))
CONTROL = 1.001


class Replacements:
    """A plugin of pytest: puts functions in place of others, and counts what becomes of the tests that call them."""

    def __init__(self, functions, factor=1.0):
        self.factor = factor
        self.counts = Counter()
        self.failed = []
        self.called = self.inexpressible = False
        self.here = threading.local()
        self.by_original = {}
        self.undo = contextlib.ExitStack()
        for name, ours in functions.items():
            owner, attribute = pkgutil.resolve_name(name.rpartition(".")[0]), name.rpartition(".")[2]
            theirs = getattr(owner, attribute)
            self.by_original[theirs] = self.replacement(ours, theirs)
            if isinstance(owner, type):  # a method, which its class looks up
                setattr(owner, attribute, self.by_original[theirs])
                self.undo.callback(setattr, owner, attribute, theirs)

    def replacement(self, ours, theirs):
        """Return our function, which counts its calls and asks theirs where ours refuses."""

        @functools.wraps(theirs)
        def replaced(*args, **kwargs):
            if getattr(self.here, "inside", False):  # ours may call the peer itself
                return theirs(*args, **kwargs)
            self.here.inside = True
            try:
                result = self.times_factor(ours(*args, **kwargs))
            except (ValueError, TypeError, NotImplementedError):
                result = theirs(*args, **kwargs)  # may refuse too
                self.inexpressible = True
            finally:
                self.here.inside = False
            self.called = True
            return result

        return replaced

    def times_factor(self, result):
        if self.factor == 1:
            return result
        return tuple(map(self.times_factor, result)) if isinstance(result, tuple) else result * self.factor

    def swapped(self, value):
        try:
            return self.by_original.get(value, value)
        except TypeError:  # not hashable
            return value

    def pytest_collection_modifyitems(self, items):
        """Replace the functions in the modules of the tests, in the modules these import, and among parameters."""
        modules = {item.module for item in items}
        for module in list(modules):
            modules |= {value for value in vars(module).values() if type(value) is type(pytest)}
        for module in modules:
            for name, value in list(vars(module).items()):
                if self.swapped(value) is not value:
                    setattr(module, name, self.swapped(value))
                    self.undo.callback(setattr, module, name, value)
        for item in items:
            parameters = getattr(getattr(item, "callspec", None), "params", {})
            for name, value in parameters.items():
                parameters[name] = self.swapped(value)

    def pytest_unconfigure(self):
        self.undo.close()

    def pytest_runtest_setup(self, item):
        self.called = self.inexpressible = False

    def pytest_runtest_logreport(self, report):
        if report.when != "call" or not self.called or report.skipped:
            return
        outcome = "not expressible" if self.inexpressible else report.outcome
        self.counts[outcome] += 1
        if outcome == "failed":
            self.failed.append(report.nodeid)


def run(suite, factor=1.0, more=()):
    """Run one suite, with more options of pytest; return the counts, the tests that failed, and the peer's version."""
    adapters = importlib.import_module(f"suite_{suite}")
    plugin = Replacements(adapters.FUNCTIONS, factor)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()) as said:
        settings = pathlib.Path(folder) / "pytest.ini"
        settings.write_text("[pytest]\n")
        options = ["-q", "-p", "no:cacheprovider", "-c", str(settings), "--rootdir", folder, "--pyargs", *more]
        code = pytest.main([*options, *adapters.TESTS], plugins=[plugin])
    if code > pytest.ExitCode.TESTS_FAILED or not plugin.counts:
        raise SystemExit(f"{suite}: its tests did not run\n{said.getvalue()[-2000:]}")
    library = getattr(adapters, "LIBRARY", adapters.TESTS[0].partition(".")[0])
    return plugin.counts, plugin.failed, f"{library} {importlib.metadata.version(library)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("suites", nargs="*", default=SUITES, metavar="SUITE", help=", ".join(SUITES))
    parser.add_argument("--control", action="store_true", help=f"multiply every result by {CONTROL}")
    parser.add_argument("--list", action="store_true", help="name the tests that fail")
    parser.add_argument("-k", default="", metavar="WORDS", help="only these tests, as in pytest")
    options = parser.parse_args()
    os.environ.setdefault("MPLBACKEND", "Agg")
    np.random.seed(0)  # noqa: NPY002 - some suites draw from the global generator
    print("| suite | applicable | passed | failed | not expressible |\n|---|---|---|---|---|")
    for suite in options.suites:
        if suite not in SUITES:
            raise SystemExit(f"SUITE must be one of {', '.join(SUITES)}, got {suite!r}")
        try:
            importlib.import_module(f"suite_{suite}")
        except ModuleNotFoundError as missing:
            print(f"| {suite} | {missing.name} is not installed | | | |", flush=True)
            continue
        counts, failed, version = run(suite, CONTROL if options.control else 1.0, ["-k", options.k])
        passed, wrong = counts["passed"], counts["failed"]
        print(
            f"| {suite}, {version} | {passed + wrong} | {passed} | {wrong} | {counts['not expressible']} |", flush=True
        )
        if options.list:
            print(*failed, sep="\n", flush=True)


if __name__ == "__main__":
    main()
