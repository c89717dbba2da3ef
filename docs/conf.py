"""Configuration of Sphinx."""

from __future__ import annotations

import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("MPLBACKEND", "agg")

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

import external_links
from numpydoc.xref import DEFAULT_LINKS
from sphinx.errors import ExtensionError
from sphinx_gallery.sorting import FileNameSortKey

import skdeepfake

project = "skdeepfake"
author = "the skdeepfake developers"
copyright = "the skdeepfake developers"
version = release = skdeepfake.__version__

extensions = [
    "external_links",
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "examples", "auto_examples/**/*.ipynb"]
templates_path = ["_templates"]
html_static_path = ["_static"]

# -- Markdown ----------------------------------------------------------------

myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# -- the API -----------------------------------------------------------------

# One page per module, and one page per name in its __all__.
autosummary_generate = True
autosummary_ignore_module_all = False
autosummary_imported_members = True
# On case-insensitive file systems, the default name clashes with metrics.Coverage.
autosummary_filename_map = {
    "skdeepfake.metrics.coverage": "skdeepfake.metrics.coverage_"
}
autodoc_typehints = "none"  # the numpydoc sections contain the types
python_maximum_signature_line_length = 72  # one parameter per line if longer
python_trailing_comma_in_multi_line_signatures = False
numpydoc_show_class_members = False
numpydoc_xref_param_type = True
numpydoc_xref_ignore = "all"  # only the aliases below become links
numpydoc_xref_aliases = {name: f":obj:`{name}`" for name in external_links.TYPES}
DEFAULT_LINKS.clear()  # the default links require intersphinx
add_module_names = False
toc_object_entries_show_parents = "hide"  # "fit()" instead of "CNNDetector.fit()"

# -- the gallery -------------------------------------------------------------

# Examples to run: "all", "none", or a number that selects one of them.
_examples = sorted(Path(__file__).parent.glob("examples/plot_*.py"))
_chosen = os.environ.get("SKDEEPFAKE_GALLERY", "all")
if _chosen.isdigit():
    _examples = [_examples[int(_chosen) % len(_examples)]]

sphinx_gallery_conf = {
    "examples_dirs": "examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": "|".join(re.escape(path.name) for path in _examples),
    "within_subsection_order": FileNameSortKey,
    "abort_on_example_error": False,  # run all examples before the build fails
    "show_memory": False,
    "parallel": 2,
    "download_all_examples": False,
    "remove_config_comments": True,
    "doc_module": ("skdeepfake",),
    "backreferences_dir": "auto_examples/backreferences",
    "inspect_global_variables": False,
    "write_computation_times": False,  # this page would load styles from other hosts
    "run_stale_examples": os.environ.get("CI") is not None,
    "plot_gallery": _chosen != "none",
}
suppress_warnings = ["config.cache"]  # sphinx_gallery_conf contains classes

# -- pages -------------------------------------------------------------------

html_theme = "pydata_sphinx_theme"
html_title = f"skdeepfake {version}"
html_show_sourcelink = False
html_css_files = ["site.css"]
html_theme_options = {
    "logo": {"text": "skdeepfake"},
    "show_prev_next": True,
    "navbar_align": "left",
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": [], "install": [], "glossary": [], "limits": []}


def is_foreign(
    app: Any, what: str, name: str, member: Any, skip: bool, options: Any
) -> bool | None:
    """Skip members that a class inherits from Keras and scikit-learn.

    The docstrings of these members refer to pages of other sites.
    """
    member = getattr(member, "fget", member)
    module = getattr(member, "__module__", None)
    return True if module and not module.startswith("skdeepfake") else None


def check_reference(app: Any, error: Exception | None) -> None:
    """Raise an error if a public name has no page."""
    if error is not None:
        return
    written = app.env.get_domain("py").objects
    modules = [f"skdeepfake.{name}" for name in skdeepfake._MODULES]
    public = [f"{name}.{n}" for name in modules for n in import_module(name).__all__]
    missing = [name for name in [*modules, *public] if name not in written]
    if missing:
        raise ExtensionError(f"missing in the API reference: {', '.join(missing)}")


def list_names(app: Any, docname: str, source: list[str]) -> None:
    """Append the public names of all modules to the index of the API reference."""
    if docname != "reference/index":
        return
    for module in re.findall(r"^   (\w+)$", source[0], re.M):
        names = import_module(f"skdeepfake.{module}").__all__
        rows = "".join(f"   {module}.{name}\n" for name in names)
        source[0] += (
            f"\n## {module}\n\n```{{eval-rst}}\n.. currentmodule:: skdeepfake\n\n"
            f".. autosummary::\n   :nosignatures:\n\n{rows}```\n"
        )


def setup(app: Any) -> None:
    """Register the hooks."""
    app.connect("source-read", list_names)
    app.connect("autodoc-skip-member", is_foreign)
    app.connect("build-finished", check_reference)
