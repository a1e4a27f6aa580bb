"""Settings of the documentation site: ``nox -s docs`` builds it."""

import importlib
import importlib.metadata
import os
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path.insert(0, os.fspath(HERE.parent))
os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:1] + os.environ.get("PYTHONPATH", "").split(os.pathsep))  # kernels

project = "diffuseconv"
author = "The diffuseconv developers"
copyright = "the diffuseconv developers"
try:
    release = importlib.metadata.version("diffuseconv")
except importlib.metadata.PackageNotFoundError:
    release = "unreleased"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
]
myst_enable_extensions = ["dollarmath"]
nb_execution_mode = "force"  # the tutorial shows what today's package does
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
myst_heading_anchors = 2
autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
exclude_patterns = ["_build", "jupyter_execute"]
html_theme = "pydata_sphinx_theme"
html_title = "diffuseconv"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 3,
}
suppress_warnings = ["myst.header"]  # the README's pages begin where their own first heading is


def reference() -> str:
    """Return the page that lists every public name."""
    import diffuseconv

    engines = [importlib.import_module(f"diffuseconv.interop.{name}") for name in ("dask", "xarray", "torch")]
    public = {name: getattr(diffuseconv, name) for name in diffuseconv.__all__ if not name.startswith("_")}
    rooms = [value for value in public.values() if isinstance(value, ModuleType) and value.__all__]
    verbs = [name for name, value in public.items() if not isinstance(value, ModuleType)]
    lines = ["# Reference", "", "Every public name."]
    for module, names in [(diffuseconv, verbs), *((room, room.__all__) for room in (*rooms, *engines))]:
        first = (module.__doc__ or "").strip().splitlines()[0]
        lines += ["", f"## {module.__name__}", "", first, "", "```{eval-rst}", f".. currentmodule:: {module.__name__}"]
        lines += ["", ".. autosummary::", "   :toctree: generated", "", *(f"   {name}" for name in names), "```"]
    return "\n".join(lines) + "\n"


(HERE / "reference.md").write_text(reference(), encoding="utf-8")
