"""The pages of the documentation run: the tutorial with its own assertions, the how-to's as they are printed."""

import ast
import re
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = sorted((DOCS / "tutorial").glob("[0-9]*.md"))


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
