"""Student and solution notebooks: made from the sources, and as nbgrader makes them."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parent.parent / "exercises"
SOURCES = sorted(FOLDER.glob("source/*/*.ipynb"))
MARKERS = re.compile(r"### (BEGIN|END)")


@pytest.fixture(scope="session")
def build():
    """The module `exercises/build.py`, which is in no package."""
    spec = importlib.util.spec_from_file_location("build", FOLDER / "build.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read(path):
    return nbformat.read(path, as_version=4)


def name(path):
    return path.stem


def solution_lines(source):
    """Every line between the markers, in any cell of a source."""
    lines, inside = [], False
    for line in "\n".join(cell.source for cell in source.cells).split("\n"):
        if MARKERS.search(line):
            inside = "BEGIN" in line
        elif inside and line.strip():
            lines.append(line.strip())
    return lines


def test_sources_are_where_nbgrader_looks(build):
    assert build.sources() == SOURCES
    assert len(SOURCES) >= 3
    assert all(path.parent.name == path.stem for path in SOURCES)


def test_what_is_stored_is_up_to_date(build):
    """`python exercises/build.py` brings it up to date; outputs do not matter."""
    stale = [
        path for path, made in build.versions() if not build.is_current(path, made)
    ]
    assert stale == []


def test_every_version_has_a_source():
    made = {
        path.stem
        for kind in ("student", "solutions")
        for path in FOLDER.glob(f"{kind}/*")
    }
    assert made == {path.stem for path in SOURCES}


def test_building_is_deterministic_and_keeps_outputs(build, tmp_path):
    for source in SOURCES:
        copy = tmp_path / "source" / source.stem / source.name
        copy.parent.mkdir(parents=True)
        copy.write_bytes(source.read_bytes())
    written = build.build(tmp_path)
    assert len(written) == 2 * len(SOURCES)
    before = {path: path.read_bytes() for path in written}
    executed = read(written[1])
    code = [cell for cell in executed.cells if cell.cell_type == "code"]
    code[0].execution_count = 1
    build.write(executed, written[1])
    assert build.build(tmp_path) == []
    assert read(written[1]).cells != nbformat.reads(before[written[1]], 4).cells
    written[1].unlink()
    assert build.build(tmp_path) == [written[1]]
    assert {path: path.read_bytes() for path in written} == before


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_the_student_version_gives_nothing_away(build, source):
    made = build.student(read(source))
    text = [line.strip() for cell in made.cells for line in cell.source.split("\n")]
    assert set(solution_lines(read(source))) & set(text) == set()
    assert not [line for line in text if MARKERS.search(line)]
    assert [cell for cell in made.cells if cell.get("outputs")] == []
    stubs = [cell for cell in made.cells if "NotImplementedError()" in cell.source]
    assert len([cell for cell in stubs if cell.cell_type == "code"]) >= 2


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_the_solution_version_is_complete(build, source):
    made = build.solution(read(source))
    text = "\n".join(cell.source for cell in made.cells)
    assert not MARKERS.search(text)
    assert "NotImplementedError()\n" not in text
    for line in solution_lines(read(source)):
        assert line in text


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_the_metadata_is_nbgraders(source):
    seen = set()
    for cell in read(source).cells:
        if "nbgrader" not in cell.metadata:
            continue
        data = cell.metadata.nbgrader
        assert data.schema_version == 3
        assert {type(data[key]) for key in ("grade", "solution", "locked", "task")} == {
            bool
        }
        assert re.fullmatch(r"[\w-]+", data.grade_id)
        assert data.grade_id not in seen
        seen.add(data.grade_id)
        assert ("points" in data) == data.grade
        if cell.cell_type == "markdown":
            assert data.grade == data.solution
        elif data.grade:
            assert data.locked
            assert 'check("' in cell.source


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("### BEGIN SOLUTION\nx = 1", "is not ended"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION", "begins inside another"),
        ("### BEGIN SOLUTION\n### END SOLUTION", "not marked for nbgrader"),
        ("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", "not marked for nbgrader"),
    ],
)
def test_markers_that_do_not_fit_are_refused(build, text, complaint):
    cell = nbformat.v4.new_code_cell(text)
    with pytest.raises(ValueError, match=complaint):
        build.student(nbformat.v4.new_notebook(cells=[cell]))


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_nbgrader_would_release_the_same(build, source):
    from nbgrader import preprocessors
    from nbgrader.nbgraderformat import MetadataValidator

    notebook = read(source)
    MetadataValidator().validate_nb(notebook)
    expected, resources = read(source), {}
    for step in ("LockCells", "ClearSolutions", "ClearOutput", "ClearHiddenTests"):
        expected, resources = getattr(preprocessors, step)().preprocess(
            expected, resources
        )
    assert build.student(notebook) == build._bare(expected)
    MetadataValidator().validate_nb(build.student(notebook))


def test_a_failed_run_leaves_the_notebook_as_it_was(build, tmp_path):
    from nbclient.exceptions import CellExecutionError

    path = tmp_path / "failing.ipynb"
    cells = [nbformat.v4.new_code_cell("1 / 0", id="only")]
    build.write(nbformat.v4.new_notebook(cells=cells), path)
    before = path.read_bytes()
    with pytest.raises(CellExecutionError):
        build.execute(path)
    assert path.read_bytes() == before
    assert [*tmp_path.iterdir()] == [path]


def test_a_rendered_notebook_says_nothing_of_whose_progress_it_was(
    build, tmp_path, monkeypatch
):
    monkeypatch.setenv("TTS_LAB_PROGRESS", str(tmp_path / "own"))
    path = tmp_path / "one.ipynb"
    source = 'import os\n\nos.environ["TTS_LAB_PROGRESS"]'
    cells = [nbformat.v4.new_code_cell(source, id="only")]
    build.write(nbformat.v4.new_notebook(cells=cells), path)
    build.execute(path)
    assert read(path).cells[0].outputs[0].data["text/plain"] == "'off'"
