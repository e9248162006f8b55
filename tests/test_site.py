"""What stands in the repository for those who only read: links, pictures, sizes.

The pages themselves are built and looked through by `make docs`. These tests need
none of its packages.
"""

from __future__ import annotations

import ast
import io
import re
from base64 import b64decode
from pathlib import Path
from runpy import run_path

import nbformat
import pytest
from PIL import Image

from tts_lab import widgets

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 500_000  # bytes of a file that a code host still shows
LINK = re.compile(
    r"!?\[[^\]]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|(?:src|href)=\"([^\"]+)\""
)
CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)
SHOWS_WIDGET = re.compile(rf"\b({'|'.join(widgets.__all__)})\(")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*/*.ipynb"))
PAGES = [
    *sorted(ROOT.glob("*.md")),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "benchmarks").glob("*.md")),
    *NOTEBOOKS,
    *EXERCISES,
]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def words(path: Path) -> str:
    """The Markdown of a file or of a notebook's cells, without code."""
    if path.suffix == ".ipynb":
        cells = nbformat.read(path, as_version=4).cells
        text = "\n\n".join(c.source for c in cells if c.cell_type == "markdown")
    else:
        text = path.read_text(encoding="utf-8")
    return CODE.sub("", text)


def anchors(path: Path) -> set[str]:
    """The anchors that a code host gives the headings of a file."""
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
    }


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_relative_links_lead_somewhere(path):
    wrong = []
    for found in LINK.findall(words(path)):
        address = "".join(found)
        if re.match(r"[a-z]+:", address):
            continue
        file, _, anchor = address.partition("#")
        target = path.parent / file if file else path
        if not target.exists() or (
            anchor and target.suffix == ".md" and anchor not in anchors(target)
        ):
            wrong.append(address)
    assert wrong == []


@pytest.mark.parametrize("path", [p for p in PAGES if p.suffix == ".md"], ids=name)
def test_a_blank_line_stands_before_every_heading(path):
    text = re.sub(r"```.*?```", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert re.findall(r"[^\n]\n(#+ .+)", text) == []


def imported(path: Path) -> set[str]:
    """The modules of `tts_lab` that a notebook imports from."""
    cells = nbformat.read(path, as_version=4).cells
    code = [ast.parse(cell.source) for cell in cells if cell.cell_type == "code"]
    found = set()
    for node in (node for tree in code for node in ast.walk(tree)):
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("tts_lab"):
            folder = ROOT / str(node.module).replace(".", "/")
            for name in node.names:
                below = folder / name.name
                is_module = below.is_dir() or below.with_suffix(".py").exists()
                found.add(f"{node.module}.{name.name}" if is_module else node.module)
    return found


def test_the_reference_has_every_module_that_notebooks_import():
    pages = (ROOT / "docs" / "api").glob("*.md")
    text = "\n".join(path.read_text(encoding="utf-8") for path in pages)
    described = set(re.findall(r"^\.\. automodule:: (.+)$", text, re.MULTILINE))
    used = set().union(*map(imported, [*NOTEBOOKS, *EXERCISES]))
    assert len(used) > 30
    assert sorted(used - described) == [], "name it in a page of docs/api"


def widget_cells(path: Path) -> list[nbformat.NotebookNode]:
    """The cells that make a widget and show it."""
    return [
        cell
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code" and SHOWS_WIDGET.search(cell.source)
    ]


def test_the_course_shows_its_widgets():
    shown = {
        found
        for path in NOTEBOOKS
        for cell in widget_cells(path)
        for found in SHOWS_WIDGET.findall(cell.source)
    }
    assert len(shown) >= 8


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_a_picture_and_words_stand_in_the_place_of_every_widget(path):
    for cell in widget_cells(path):
        assert cell.outputs, cell.source
        shown = cell.outputs[-1].data
        assert not [kind for kind in shown if "widget" in kind]
        with Image.open(io.BytesIO(b64decode(shown["image/png"]))) as picture:
            width, height = picture.size
            assert width >= 600 and height >= 150, (picture.size, cell.source)
            assert len(picture.convert("RGB").getcolors(1 << 24) or []) > 8
        assert len(shown["text/plain"]) > 20


@pytest.mark.parametrize("path", [*NOTEBOOKS, *EXERCISES], ids=name)
def test_what_a_code_host_shows_of_a_notebook(path):
    """It drops widgets and scripts, and shows no notebook that is too large."""
    assert path.stat().st_size < LIMIT
    cells = nbformat.read(path, as_version=4).cells
    for cell in cells:
        for output in cell.get("outputs", []):
            for kind, value in output.get("data", {}).items():
                assert "widget" not in kind and "javascript" not in kind
                if kind == "text/html":
                    assert "<script" not in value


def test_the_pictures_of_widgets_say_what_they_are():
    pictures = sorted((ROOT / "docs" / "widgets").glob("*.png"))
    assert pictures
    for path in pictures:
        with Image.open(path) as picture:
            assert picture.text["Description"].startswith("A picture of the widget")


PAGE = """<!doctype html><html><head>{head}</head>
<body><h1 id="top">one</h1><img src="{image}" alt="{alt}"><a href="{link}">x</a></body>
"""
GOOD = {
    "head": "<style>p {background: url(one.png)}</style>"
    '<img alt="x" srcset="one.png, one.png?a,b 1.5x, data:image/png;base64,AA== 2x">',
    "image": "one.png",
    "alt": "a dot",
    "link": "two.html#top",
}
ELSEWHERE = "https://example.org/"
BAD = {
    "no such file": {"link": "three.html"},
    "no such anchor": {"link": "two.html#bottom"},
    "has no words": {"alt": ""},
    "one.html: loads https": {
        "head": '<script src="https://example.org/a.js"></script>'
    },
    "two.html: loads //": {
        "head": '<link rel="stylesheet" href="//example.org/a.css">'
    },
    "loads https://example.org/imported": {
        "head": f"<style>@import '{ELSEWHERE}imported';</style>"
    },
    "loads https://example.org/url": {
        "head": f"<style>@import URL({ELSEWHERE}url);</style>"
    },
    "loads https://example.org/font": {
        "head": f"<style>a {{}} @font-face {{src: url( '{ELSEWHERE}font')}}</style>"
    },
    "loads https://example.org/inline": {
        "head": f'<p style="background: url({ELSEWHERE}inline)">'
    },
    "loads https://example.org/large?a,b": {
        "head": f'<source srcset="one.png 1x, {ELSEWHERE}large?a,b 2x">'
    },
    "loads https://example.org/last": {
        "head": f'<link rel="preload" imagesrcset="one.png, {ELSEWHERE}last">'
    },
    "loads https://example.org/poster": {
        "head": f'<video poster="{ELSEWHERE}poster"></video>'
    },
    "loads https://example.org/embedded": {
        "head": f'<embed src="{ELSEWHERE}embedded">'
    },
    "style.css: loads https": {},
    "above 500,000": {},
}


@pytest.fixture(scope="module")
def check():
    """The module that `make docs` runs over what it built."""
    return run_path(str(ROOT / "docs" / "site" / "check.py"))["problems"]


def write_pages(folder: Path, **changed: str) -> None:
    Image.new("RGB", (2, 2)).save(folder / "one.png")
    (folder / "style.css").write_text("p {background: url(one.png)}")
    for page in ("one.html", "two.html"):
        (folder / page).write_text(PAGE.format(**(GOOD | changed)))


def test_sound_pages_pass(tmp_path, check):
    write_pages(tmp_path)
    assert check(tmp_path) == ([], 2, 0)


def test_links_to_other_sites_are_counted(tmp_path, check):
    write_pages(tmp_path, link="https://example.org/")
    assert check(tmp_path) == ([], 0, 2)


@pytest.mark.parametrize("why", BAD)
def test_a_fault_of_the_pages_is_found(tmp_path, check, why):
    write_pages(tmp_path, **BAD[why])
    if "style.css" in why:
        (tmp_path / "style.css").write_text('@import "https://example.org/a.css";')
    if "above" in why:
        (tmp_path / "searchindex.js").write_bytes(b"x" * (LIMIT + 1))
    found, _, _ = check(tmp_path)
    assert found
    assert [line for line in found if why in line]
