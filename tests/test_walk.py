"""A newcomer's walk: calls pass through the files that docs/design.md lists, in that order, and not back."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest

import diffuseconv as dc

PACKAGE = Path(dc.__file__).parent
DESIGN = Path(__file__).resolve().parent.parent / "docs" / "design.md"
# Data and ingredients, which several files on the way ask.
READ_BY_MANY = {
    "diffusion/lattice.py",
    "diffusion/discretise.py",
    "diffusion/faces.py",
    "diffusion/geometry.py",
    "diffusion/land.py",
    "diffusion/masks.py",
    "diffusion/walls.py",
    "diffusion/schedule.py",
    "diffusion/scheme.py",
    "diffusion/stacks.py",
    "diffusion/tensor.py",
    "diffusion/velocity.py",
}
# A run asks the equation for the lattice of each segment, and sums are computed anew, from scaled values, on overflow.
ASKED_BACK = {("diffusion/run.py", "diffusion/equation.py"), ("convolution/sums.py", "convolution/verbs.py")}


def listed(heading: str) -> list[list[str]]:
    """Return the files of each numbered list below a heading."""
    section = re.split(r"^## ", DESIGN.read_text(), flags=re.MULTILINE)
    (text,) = [part for part in section if part.startswith(heading)]
    lists: list[list[str]] = []
    for number, file in re.findall(r"^(\d+)\. `([\w/]+\.py)`", text, flags=re.MULTILINE):
        if number == "1":
            lists.append([])
        lists[-1].append(file)
    return lists


def visited(call) -> tuple[list[str], set[tuple[str, str]]]:
    """Return the files that a call enters, in order, and which of them calls which; private helpers are passed over."""
    call()  # imports and compiles
    files: list[str] = []
    calls = set()

    def file_of(frame) -> str | None:
        path = Path(frame.f_code.co_filename)
        if not path.is_relative_to(PACKAGE):
            return None
        name = path.relative_to(PACKAGE).as_posix()
        return None if name.startswith("_") and not name.startswith("_jit/") else name

    def watch(frame, event, _):
        file = file_of(frame) if event == "call" else None
        if file is None:
            return
        if file not in files:
            files.append(file)
        caller = frame.f_back
        while caller is not None and file_of(caller) is None:
            caller = caller.f_back
        if caller is not None and file_of(caller) != file:
            calls.add((file_of(caller), file))

    sys.setprofile(watch)
    try:
        call()
    finally:
        sys.setprofile(None)
    return files, calls


FIELD = np.random.default_rng(0).random((64, 64))
WALKS = {  # of calls that are not remembered, as one without `out` would be
    "convolve": ("A walk through `convolve`", [0], lambda: dc.convolve(FIELD, np.ones((7, 7)), out=FIELD.copy())),
    "evolve": ("A walk through `evolve`", [0], lambda: dc.DiffusionEquation().evolve(FIELD, 10.0)),
    "explicit": (
        "A walk through `evolve`",
        [0, 1],
        lambda: dc.DiffusionEquation().evolve(FIELD, 10.0, method="explicit"),
    ),
}


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_visits_what_is_listed_and_does_not_go_back(name):
    heading, parts, call = WALKS[name]
    lists = listed(heading)
    wanted = lists[0] if parts == [0] else lists[0][:4] + lists[1]
    files, calls = visited(call)
    ordered = [file for file in wanted if file in files and file not in READ_BY_MANY]
    assert [file for file in files if file in ordered] == ordered
    missed = [file for file in wanted if file not in files]
    assert not [file for file in missed if not file.startswith("_jit/")]  # compiled loops are seen by nobody
    for caller, file in calls - ASKED_BACK:
        if caller in wanted and file in wanted and file not in READ_BY_MANY:
            assert wanted.index(caller) < wanted.index(file), f"{caller} calls {file}"
