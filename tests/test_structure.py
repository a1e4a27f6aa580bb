"""The shape of the package: one-way imports, whole `__all__`, a quick start, no host or path in the text."""

import ast
import importlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest

import diffuseconv

PACKAGE = Path(diffuseconv.__file__).parent
# A module may import from its own layer's list of lower layers only (and from within its own room).
LAYERS = [
    {"boundary"} | {path.stem for path in PACKAGE.glob("_[a-z]*")},  # every private module
    {"kernels"},
    {"propagator"},
    {"convolution", "diffusion", "measurement", "testing", "images", "movie", "runs"},
    {"interpretation", "spectrum", "matching", "timeseries", "learning", "quantum"},
    {"interop"},
    {"explorer"},
    {"__main__"},
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
            assert other in {
                "_checks",
                "_colours",
                "_files",
                "_foreign",
                "_frames",
                "_memory",
                "_notebook",
                "_rng_state",
                "_run_store",
                "_samples",
                "_stills",
                "_tiff",
                "_typing",
            }, f"{room} knows arrays only, not {other}"


def name_of(path: Path) -> str:
    """Return the dotted name of a module below the package."""
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path: Path, names: set[str]) -> set[str]:
    """Return the modules of the package that a file imports anywhere, for annotations and inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "diffuseconv":
            base = node.module.removeprefix("diffuseconv").removeprefix(".")
            members = {f"{base}.{alias.name}".removeprefix(".") for alias in node.names} & names
            found |= members or {base} & names
        elif isinstance(node, ast.Import):
            found |= {a.name.removeprefix("diffuseconv.") for a in node.names} & names
    return found


def test_no_modules_import_each_other_in_a_circle():
    """Neither between rooms nor within one."""
    names = {name_of(path) for path in MODULES} - {"__init__"}
    graph = {name_of(path): imported_modules(path, names) for path in MODULES}
    circles = []
    for name in names:
        reached, ahead = set(), list(graph[name])
        while ahead:
            here = ahead.pop()
            if here not in reached:
                reached.add(here)
                ahead += graph[here]
        if name in reached:
            circles.append({other for other in reached if name in graph[other]} | {name})
    assert circles == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_all_is_whole(path):
    name = ".".join(("diffuseconv", *path.relative_to(PACKAGE).with_suffix("").parts)).removesuffix(".__init__")
    if ".interop." in name:
        pytest.importorskip(name.rpartition(".")[2].removeprefix("_").partition("_")[0])
    if name.endswith(".widget"):
        pytest.importorskip("anywidget")
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


# What docstrings of functions open with. A new verb is welcome here if a numericist would use it.
VERBS = """
    Add Answer Append Apply Arrange Assert Average Begin Bound Build Call Change Check Classify Combine Compare
    Compile Compose Compress Compute Concatenate Continue Convolve Copy Correlate Count Create Cut Define Delete
    Describe Difference Differentiate Diffuse Divide Do Draw Empty Estimate Evaluate Evolve Expand Factorise Fill Find
    Fit Flatten Fold Forecast Forget Go Hold Import Integrate Interpret Invert Keep Learn List Load Look Make Map
    Maximise Measure Minimise Move Multiply Name Note Open Pad Pair Pass Pickle Plan Predict Prepare Print Raise Read
    Record Recover Reduce Refine Refuse Resample Reshape Return Rotate Run Sample Scale Scatter Score Scramble Select
    Send Set Silence Solve Split Spread Start Step Store Subtract Sum Sweep Tabulate Take Transform Try Turn Undo Whiten
    Write Yield
"""


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_docstrings_open_with_a_verb(path):
    """Those of functions, private ones too; properties are described as what they are."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text is not None and not any("property" in ast.unparse(d) for d in node.decorator_list):
                assert text.split()[0].rstrip(".:,") in VERBS.split(), f"{node.name}: {text.splitlines()[0]}"


SECTIONS = {"Parameters", "Attributes", "Returns", "Yields", "Raises", "See Also", "Notes", "References", "Examples"}


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_sections_of_docstrings_are_those_of_numpydoc(path):
    """Others are not rendered as sections, and no tool says so."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (ast.get_docstring(node) or "").splitlines()
            for title, rule in itertools.pairwise(lines):
                if rule and not rule.strip("-"):
                    assert title in SECTIONS, title
                    assert len(title) == len(rule), title


# Words that once stood for ghost cells, strides, threads and locks here. They mean nothing to a numericist, whatever
# they mean in English, so text that needs one says it otherwise. A title that has one is a quotation.
PRIVATE = """
    alone apart beside besides brings brought crew give_way hold_back leave_edges looks march obstacle publish rouse
    scene seats taken together turns way
"""
TITLES = ("Pattern Classification and Scene Analysis",)


def test_text_has_no_private_words():
    """Neither names nor prose nor messages of the package and its benchmarks, the explorer's page among them."""
    private = re.compile(rf"\b({'|'.join(PRIVATE.split())})\b", re.IGNORECASE)
    folders = (PACKAGE, PACKAGE.parent / "benchmarks")
    texts = [
        path for folder in folders for suffix in ("py", "js", "html", "css") for path in folder.rglob(f"*.{suffix}")
    ]
    assert len(texts) > 100
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{number}: {line.strip()}"
        for path in texts
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if private.search(line) and not any(title in line for title in TITLES)
    ]
    assert not found, "\n".join(found)


def modules_after(code: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_import_is_light():
    """Beyond Python's own modules, importing the package loads itself alone; numba comes with the first verb."""
    ours = modules_after("import diffuseconv") - modules_after("import __future__, importlib, typing")
    assert ours == {"diffuseconv"}
    light = modules_after("import diffuseconv as dc; dc.kernels.sobel(0); dc.boundary; dir(dc); dc.__version__")
    assert not {"numba", "scipy"} & light
    heavy = {"matplotlib", "imageio", "av", "PIL", "tqdm", "scipy.signal", "scipy.ndimage", "scipy.stats"}
    assert not (heavy | {"scipy.sparse"}) & modules_after(
        "import diffuseconv as dc; [getattr(dc, n) for n in dc.__all__]"
    )


def test_no_numba_parallel_layer():
    """Threads come from `_threads`; numba's own layers are unsafe under fork or concurrent callers."""
    for path in MODULES:
        assert "parallel=True" not in path.read_text(), path


def test_transforms_are_called_in_one_place():
    """`_fft` makes them safe against Ctrl-C and at the interpreter's end."""
    assert [path.name for path in MODULES if "import scipy.fft" in path.read_text()] == ["_fft.py"]


def test_names_load_when_first_used():
    """The names for type checkers are the names that load, each from the module that defines it."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    static = {alias.name: node.module for node in block.body for alias in node.names}
    assert set(static) == set(diffuseconv.__all__) - {"__version__"}
    assert dir(diffuseconv) == sorted(set(dir(diffuseconv)) | set(diffuseconv.__all__))
    for name, module in static.items():
        home = f"{module}.{name}" if module == "diffuseconv" else module
        value = getattr(diffuseconv, name)
        assert value is (sys.modules[home] if module == "diffuseconv" else getattr(sys.modules[home], name))
    with pytest.raises(AttributeError, match="module 'diffuseconv' has no attribute 'nothing'"):
        diffuseconv.nothing  # noqa: B018
