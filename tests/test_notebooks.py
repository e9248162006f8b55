"""What is stored in the notebooks; whether they still run is nbval's part.

nbval passes a notebook without outputs whatever it prints, so this guard comes first.
Solutions are held to the same rules as the course; of the exercises that learners
fill in only those rules are checked that hold before anything has run.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
FIRST = tuple(f"{number:02}" for number in range(14))
COLUMNS = 80
SETUP = "setup()  # tts_lab is missing? See docs/front_ends.md"
MACHINE_PATH = re.compile(r"/(home|root|work|tmp|Users)/")


def found(folder: str) -> list[Path]:
    return sorted(
        path
        for path in (ROOT / folder).rglob("*.ipynb")
        if ".ipynb_checkpoints" not in path.parts
    )


def is_solution(path: Path) -> bool:
    return "solution" in path.relative_to(ROOT).as_posix()


ALL = [*found("notebooks"), *found("exercises")]
EXECUTED = [*found("notebooks"), *filter(is_solution, found("exercises"))]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell for cell in cells if cell.cell_type == "code" and cell.source.strip()]


@pytest.mark.parametrize("number", FIRST)
def test_the_course_begins_with(number):
    assert [path for path in found("notebooks") if path.name.startswith(number)]


@pytest.mark.parametrize("path", ALL, ids=name)
def test_format(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize("path", ALL, ids=name)
def test_code_fits_the_page(path):
    lines = [line for cell in code_cells(path) for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > COLUMNS] == []


@pytest.mark.parametrize("path", ALL, ids=name)
def test_no_path_of_a_machine_is_stored(path):
    stored = json.dumps(json.loads(path.read_text(encoding="utf-8")), indent=0)
    lines = (line for line in stored.splitlines() if '"image/png"' not in line)
    assert [line for line in lines if MACHINE_PATH.search(line)] == []


@pytest.mark.parametrize("path", ALL, ids=name)
def test_its_first_cell_has_the_set_up_line(path):
    lines = code_cells(path)[0].source.splitlines()
    assert SETUP in lines
    imported = lines.index("from tts_lab.notebook import setup")
    assert imported < lines.index(SETUP)


@pytest.mark.parametrize("path", EXECUTED, ids=name)
def test_it_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code_cells(path)]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize("path", EXECUTED, ids=name)
def test_outputs_are_stored_and_none_is_an_error(path):
    outputs = [output for cell in code_cells(path) for output in cell.outputs]
    assert outputs
    assert [output for output in outputs if output.output_type == "error"] == []
    assert [output for output in outputs if output.get("name") == "stderr"] == []


@pytest.mark.parametrize("path", EXECUTED, ids=name)
def test_checked_cells_have_something_to_check(path):
    tags = "nbval-check-output"
    checked = [
        cell for cell in code_cells(path) if tags in cell.metadata.get("tags", [])
    ]
    assert checked
    assert [cell.source for cell in checked if not cell.outputs] == []


@pytest.mark.parametrize("number", FIRST[:12])
def test_each_notebook_sends_the_reader_to_its_exercise(number):
    [path] = [p for p in found("notebooks") if p.name.startswith(number)]
    [exercise] = (ROOT / "exercises" / "student").glob(f"ex{number}_*.ipynb")
    cells = nbformat.read(path, as_version=4).cells
    words = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    assert f"(../exercises/student/{exercise.name})" in words
