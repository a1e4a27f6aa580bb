"""The shape of the package: one-way imports, whole `__all__`, a quick start, no host or path in the text."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import diffuseconv

PACKAGE = Path(diffuseconv.__file__).parent
# A module may import from its own layer's list of lower layers only (and from within its own room).
LAYERS = [
    {"_bessel", "_checks", "_colours", "_dispatch", "_files", "_threads", "_typing", "_units", "_jit", "boundary"},
    {"kernels"},
    {"propagator"},
    {"convolution", "diffusion", "measurement", "interpretation", "testing", "images", "movie", "runs"},
    {"spectrum", "matching", "timeseries", "learning", "quantum"},
    {"interop"},
    {"explorer", "__main__", "cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
ARRAYS_ONLY = {"images", "movie", "runs"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "diffuseconv":
            parts = node.module.split(".")
            rooms |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        elif isinstance(node, ast.Import):
            rooms |= {a.name.split(".")[1] for a in node.names if a.name.startswith("diffuseconv.")}
    return rooms


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = room_of(path)
    if room == "__init__":
        return
    assert room in LEVEL, f"{room} has no place in the layers"
    for other in imported_rooms(path) - {room}:
        assert other in LEVEL, f"{room} imports {other}, which has no place in the layers"
        assert LEVEL[other] < LEVEL[room] or (LEVEL[other] == LEVEL[room] == 0), f"{room} must not import {other}"
        if room in ARRAYS_ONLY:
            assert other in {"_checks", "_colours", "_files", "_typing"}, f"{room} knows arrays only, not {other}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_all_is_whole(path):
    name = ".".join(("diffuseconv", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    if ".interop." in name:
        pytest.importorskip(name.rpartition(".")[2])
    module = importlib.import_module(name)
    if any(part.startswith("_") for part in name.split(".")):
        return
    if name.endswith("__main__"):
        return
    listed = module.__all__
    assert len(set(listed)) == len(listed)
    public = {
        key
        for key, value in vars(module).items()
        if not key.startswith("_") and getattr(value, "__module__", None) == name
    }
    assert public <= set(listed), "public but not in __all__"
    for key in listed:
        assert hasattr(module, key)


def test_import_is_light():
    heavy = [
        "matplotlib",
        "imageio",
        "av",
        "PIL",
        "tqdm",
        "scipy.signal",
        "scipy.ndimage",
        "scipy.stats",
        "scipy.sparse",
    ]
    code = f"import sys, diffuseconv; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_numba_parallel_layer():
    """Threads come from `_threads`; numba's own layers are unsafe under fork or concurrent callers."""
    for path in MODULES:
        assert "parallel=True" not in path.read_text(), path
