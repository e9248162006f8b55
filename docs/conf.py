"""How the pages of the course are built; `make docs` runs it.

The pages are the notebooks as they are stored (nothing is executed), README, the
Markdown files of this folder and the docstrings. The root of the repository is the
source folder, so links between these files work here as they do on a code host.
Nothing is fetched, neither while building nor by the pages when they are read.
"""

from __future__ import annotations

import re
import sys
from contextlib import nullcontext, suppress
from importlib import import_module
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from sphinx.ext.autodoc.mock import mock

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "site"))

import tts_lab  # noqa: E402

project = "tts_lab"
author = copyright = "the authors of tts_lab"
version = release = tts_lab.__version__
language = "en"

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "numpydoc",
    "mathml",
    "twins",
]
root_doc = "README"
include_patterns = [
    "README.md",
    "LOG.md",
    "benchmarks/RESULTS.md",
    "docs/*.md",
    "docs/api/*.md",
    "exercises/student/*.ipynb",
    "notebooks/*.ipynb",
    "tts_lab/prm/heads/README.md",
]
# Folders that Sphinx need not walk through.
exclude_patterns = [".*", "**/.*", "artifacts", "docs/_build", "runs", "tests"]
nitpicky = True
# Names of other projects and of parameters have no page here.
nitpick_ignore_regex = [("py:.*", r"(?s)(?!tts_lab\.).*")]

# Notebooks and Markdown
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
myst_enable_extensions = ["dollarmath"]
myst_dmath_allow_digits = False
myst_dmath_allow_space = False
myst_heading_anchors = 3
myst_update_mathjax = False

# Docstrings; single backticks name an object where there is one
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_mock_imports = ["peft", "torch", "transformers"]
autodoc_default_options = {"members": True, "exclude-members": "Lock, Question, set"}
autodoc_typehints = "none"  # types stand in the docstrings, with shapes
numpydoc_show_class_members = False
add_module_names = False
toc_object_entries = False

# SciPy asks torch about every array, and a stand-in for torch cannot answer: what can
# be imported is, before there is one.
for page in HERE.glob("api/*.md"):
    for name in re.findall("automodule:: (.+)", page.read_text(encoding="utf-8")):
        with suppress(ImportError):
            import_module(name)

# Pages
html_theme = "furo"
html_title = "tts_lab"
html_math_renderer = "mathml"
html_static_path = ["site/static"]
html_extra_path = ["site/index.html"]
html_css_files = ["course.css"]
html_copy_source = False
html_show_search_summary = False  # it would be fetched, which file:// forbids
html_show_sphinx = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#005a8c"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0"},
}

GUIDES = (
    "instructors",
    "front_ends",
    "servers",
    "sweeps",
    "reliability",
    "accessibility",
    "troubleshooting",
)


def contents() -> str:
    """The menu: the course, its exercises, guides that are there, and the rest."""
    parts = {
        "The course": ["notebooks/*"],
        "Exercises": ["exercises/student/*"],
        "Results": [
            "docs/scoreboard",
            "tts_lab/prm/heads/README",
            "benchmarks/RESULTS",
            "LOG",
        ],
        "Guides": [
            f"docs/{path.stem}"
            for path in sorted(
                (HERE / f"{name}.md" for name in others()),
                key=lambda path: GUIDES.index(path.stem) if path.stem in GUIDES else 99,
            )
        ],
        "Reference": ["docs/api/*"],
    }
    return "\n".join(
        "\n".join(
            ["```{toctree}", ":hidden:", ":glob:", f":caption: {name}", *pages, "```"]
        )
        for name, pages in parts.items()
        if pages
    )


def others() -> list[str]:
    """The Markdown files of this folder that have no fixed place in the menu."""
    return [path.stem for path in HERE.glob("*.md") if path.stem != "scoreboard"]


def add_contents(app: Any, docname: str, source: list[str]) -> None:
    """README, without what only a builder of pages understands, gets the menu."""
    if docname == root_doc:
        source[0] += f"\n{contents()}\n"


def without_page(app: Any, env: Any, node: Any, shown: Any) -> Any:
    """A name of `tts_lab` that exists but has no page is text, not an error."""
    target = node.get("reftarget", "")
    if not target.startswith("tts_lab."):
        return None
    for way in (nullcontext(), mock(autodoc_mock_imports)):
        with way, suppress(AttributeError, ImportError):
            resolve_name(target)
            return shown
    return None


def setup(app: Any) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", add_contents)
    app.connect("missing-reference", without_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
