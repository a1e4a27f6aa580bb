"""Settings of the documentation site: ``nox -s docs`` builds it."""

import importlib
import importlib.metadata
import os
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent
sys.path[:0] = [os.fspath(HERE.parent), os.fspath(HERE)]
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
    "mathml",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
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
sphinx_gallery_conf = {  # functions by name, so that the settings can be stored
    "examples_dirs": "../simulations",
    "gallery_dirs": "gallery",
    "filename_pattern": "",  # every script runs
    "ignore_pattern": "(^|/)_",  # what the scripts share
    "within_subsection_order": "films.place",
    "reset_argv": "films.options",
    "image_scrapers": "films.shown",
    "doc_module": "diffuseconv",
    "thumbnail_size": (600, 338),
    "notebook_extensions": set(),  # the scripts share a file, so that none is a notebook by itself
    "download_all_examples": False,
    "abort_on_example_error": True,
}
html_theme = "pydata_sphinx_theme"
html_title = "diffuseconv"
html_static_path = ["_static"]
html_css_files = ["site.css"]
alone = {page.stem for page in HERE.glob("*.md")} - {"reference"}  # pages with none below them: the left side is empty
html_sidebars: dict[str, list[str]] = {page: [] for page in sorted(alone)}
html_theme_options = {
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "header_links_before_dropdown": 3,
}
suppress_warnings = ["myst.header"]  # the README's pages begin where their own first heading is


def reference() -> str:
    """Return the page that lists every public name, once: what a room lends to the top level stands there."""
    import diffuseconv

    engines = [importlib.import_module(f"diffuseconv.interop.{name}") for name in ("dask", "xarray", "torch")]
    public = {name: getattr(diffuseconv, name) for name in diffuseconv.__all__ if not name.startswith("_")}
    rooms = [value for value in public.values() if isinstance(value, ModuleType) and value.__all__]
    verbs = [name for name, value in public.items() if not isinstance(value, ModuleType)]
    lines = ["# Reference", "", "Every public name."]
    own = [(room, [x for x in room.__all__ if getattr(room, x) is not public.get(x)]) for room in (*rooms, *engines)]
    for module, names in [(diffuseconv, verbs), *own]:
        first = (module.__doc__ or "").strip().splitlines()[0]
        lines += ["", f"## {module.__name__}", "", first, "", "```{eval-rst}", f".. currentmodule:: {module.__name__}"]
        lines += ["", ".. autosummary::", "   :toctree: generated", "", *(f"   {name}" for name in names), "```"]
    return "\n".join(lines) + "\n"


(HERE / "reference.md").write_text(reference(), encoding="utf-8")
