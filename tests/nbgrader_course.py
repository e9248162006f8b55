"""A course of its own in a temporary folder, driven by nbgrader's commands.

Every command is a process of its own, as an instructor would type it in `exercises/`.
Jupyter's folders, the home and the exchange are in the temporary folder too.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
from browser import jupyter_environment

EXERCISES = Path(__file__).resolve().parent.parent / "exercises"
PATIENCE = 600  # seconds for a command


def assignments() -> list[str]:
    """The exercises, as nbgrader names them, in the order of the course."""
    return [path.parent.name for path in sorted(EXERCISES.glob("source/*/*.ipynb"))]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def solved(assignment: str, made: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A released notebook with the solutions filled in; nothing else is changed."""
    source = read(EXERCISES / "source" / assignment / f"{assignment}.ipynb")
    solutions = {
        cell.metadata.nbgrader.grade_id: cell.source
        for cell in source.cells
        if cell.metadata.get("nbgrader", {}).get("solution")
    }
    return answered(made, solutions)


def answered(
    made: nbformat.NotebookNode, answers: dict[str, str]
) -> nbformat.NotebookNode:
    """A notebook with some cells replaced, by their grade_id."""
    made = nbformat.from_dict(made)
    cells = {
        cell.metadata.nbgrader.grade_id: cell
        for cell in made.cells
        if "nbgrader" in cell.metadata
    }
    for name, answer in answers.items():
        cells[name].source = answer
    return made


class Course:
    """A copy of `exercises/source` with its configuration, and an empty gradebook."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "course"
        self.exchange = folder / "exchange"
        self.progress = folder / "progress"
        self.root.mkdir()
        shutil.copytree(EXERCISES / "source", self.root / "source")
        shutil.copy(EXERCISES / "nbgrader_config.py", self.root)
        self.environment = {
            **os.environ,
            **jupyter_environment(folder / "jupyter"),
            # nbgrader calls `alembic` by name for the gradebook.
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TTS_LAB_PROGRESS": str(self.progress),
        }

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """`nbgrader ...` in the course's folder; what it writes is in `stdout`."""
        done = subprocess.run(
            [sys.executable, "-m", "nbgrader", *arguments],
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stdout
        return done

    def released(self, assignment: str) -> nbformat.NotebookNode:
        return read(self.root / "release" / assignment / f"{assignment}.ipynb")

    def submit(
        self, student: str, assignment: str, notebook: nbformat.NotebookNode
    ) -> None:
        """Put a notebook where `nbgrader collect` puts what came in."""
        folder = self.root / "submitted" / student / assignment
        folder.mkdir(parents=True)
        nbformat.write(notebook, folder / f"{assignment}.ipynb")

    def graded(self, student: str, assignment: str) -> nbformat.NotebookNode:
        folder = self.root / "autograded" / student / assignment
        return read(folder / f"{assignment}.ipynb")

    def points(self, student: str, assignment: str) -> dict[str, float | None]:
        """Points of every graded cell in the gradebook; None awaits a person."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root}/gradebook.db", "tts_lab") as gradebook:
            notebook = gradebook.find_submission_notebook(
                assignment, assignment, student
            )
            return {grade.name: grade.auto_score for grade in notebook.grades}

    def possible(self, assignment: str) -> dict[str, float]:
        """The most that each graded cell can have, in the gradebook."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{self.root}/gradebook.db", "tts_lab") as gradebook:
            cells = gradebook.find_notebook(assignment, assignment).grade_cells
            return {cell.name: cell.max_score for cell in cells}
