"""The pages of the documentation run: the tutorial with its own assertions, the how-to's as they are printed."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pytest

import diffuseconv as dc

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted((DOCS / "tutorial").glob("[0-9]*.md"))
ROOT = DOCS.parent
PROSE = [page for page in (*DOCS.rglob("*.md"), *ROOT.glob("*.md")) if "_build" not in page.parts]


@pytest.mark.parametrize("page", PROSE, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_prose_wraps_at_100(page):
    """But for tables, code, pictures and addresses, which cannot."""
    fenced = False
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        fenced ^= line.startswith("```")
        if not fenced and not line.startswith(("|", "![", "[")) and "http" not in line:
            assert len(line) <= 100, f"line {number} has {len(line)} characters"


def test_links_of_the_readme_lead_somewhere_on_a_package_index():
    """There, where no file stands beside it; here to files that are there."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\((?!http)([^)#]*)", text):
        assert (ROOT / link).exists(), link
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["metadata"]
    for change in settings["hooks"]["fancy-pypi-readme"]["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    assert re.findall(r"\]\((?!https://)[^)]*", text) == []


def blocks(page: Path, kind: str) -> list[ast.Module]:
    """Return the code blocks of a page whose opening fence has a kind, with the page's own line numbers."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in re.finditer(rf"^```{re.escape(kind)}[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        module = ast.parse(match[1], str(page))
        ast.increment_lineno(module, text[: match.start(1)].count("\n"))
        found.append(module)
    return found


@pytest.fixture
def plain(monkeypatch):
    """Pictures without a screen, and the tutorial's own helpers, forgotten afterwards."""
    monkeypatch.setattr(plt, "show", lambda: None)
    monkeypatch.syspath_prepend(DOCS / "tutorial")
    with plt.rc_context({"figure.max_open_warning": 0}):
        plt.switch_backend("agg")
        yield
        plt.close("all")
    sys.modules.pop("pictures", None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_of_the_tutorial_runs(page, plain):
    code = blocks(page, "{code-cell}")
    assert any(isinstance(node, ast.Assert) for module in code for node in ast.walk(module)), "claims nothing"
    names: dict[str, object] = {"__name__": "__main__"}
    for module in code:
        exec(compile(module, str(page), "exec"), names)


def test_a_page_of_the_tutorial_ends_with_what_holds():
    assert len(PAGES) == 10
    for page in PAGES:
        last = page.read_text(encoding="utf-8").split("\n## ")[-1]
        assert last.startswith("What is said, and what holds\n"), page.name
        assert f"\n{page.stem}\n" in (DOCS / "tutorial/index.md").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with a photograph."""
    y, x = np.mgrid[:48, :64] / 48
    dc.save_image(tmp_path / "photo.jpg", 0.5 + 0.4 * np.sin(9 * x + 3 * y**2) * np.cos(7 * y))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_how_to_runs(folder, capsys):
    names: dict[str, object] = {}
    for module in blocks(DOCS / "howto.md", "python"):
        exec(compile(module, "howto.md", "exec"), names)
    assert {"later.png", "film.mp4"} <= {path.name for path in folder.iterdir()}


@pytest.mark.io
def test_a_run_is_saved_and_resumed_as_said(folder):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    names: dict[str, object] = {"np": np, "dc": dc}
    (module,) = blocks(DOCS / "howto.md", "{code-block} python\n:class: io")
    exec(compile(module, "howto.md", "exec"), names)
