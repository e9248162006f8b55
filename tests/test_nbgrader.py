"""nbgrader's own commands on the exercises: generate, release, autograde, points.

TTS_LAB_GRADE_ALL=1 autogrades all twelve exercises, four submissions of each (half an
hour and more); without it one exercise is graded, and one that breaks the kernel.
"""

from __future__ import annotations

import os

import pytest
from nbgrader_course import EXERCISES, Course, answered, assignments, read, solved

ONE, BROKEN = "ex00_first_samples", "ex01_repeated_sampling"
GRADED = assignments() if os.environ.get("TTS_LAB_GRADE_ALL") else [ONE]
#: a result that no check takes for the right one
WRONG = ("raise NotImplementedError()", 'return "wrong"')
ENDLESS = """
def pass_at_k(n, c, k):
    while True:
        pass
"""
CRASHING = """
import os

def coverage(n, c, ks):
    os._exit(1)
"""


@pytest.fixture(scope="module")
def course(tmp_path_factory):
    """All exercises released, as the page for instructors says."""
    made = Course(tmp_path_factory.mktemp("nbgrader"))
    made.run("generate_assignment", "--assignment=*")
    return made


def graded_cells(notebook):
    return {
        cell.metadata.nbgrader.grade_id: cell
        for cell in notebook.cells
        if cell.metadata.get("nbgrader", {}).get("grade")
    }


def last_part(notebook):
    """The grade_id of the last cell to be filled in with code, and of its check."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    marked = [cell.metadata.nbgrader for cell in code if "nbgrader" in cell.metadata]
    solutions = [data.grade_id for data in marked if data.solution]
    checks = [data.grade_id for data in marked if data.grade]
    return solutions[-1], checks[-1]


def stub(notebook, part):
    """The source of the cell to be filled in that has this grade_id."""
    found = [cell for cell in notebook.cells if "nbgrader" in cell.metadata]
    [cell] = [cell for cell in found if cell.metadata.nbgrader.grade_id == part]
    return cell.source


@pytest.mark.parametrize("assignment", assignments())
def test_it_generates_what_learners_have(course, assignment):
    made = course.released(assignment)
    stored = read(EXERCISES / "student" / f"{assignment}.ipynb")
    assert [cell.source for cell in made.cells] == [
        cell.source for cell in stored.cells
    ]
    source = read(EXERCISES / "source" / assignment / f"{assignment}.ipynb")
    assert course.possible(assignment) == {
        name: cell.metadata.nbgrader.points
        for name, cell in graded_cells(source).items()
    }


@pytest.mark.skipif(os.name != "posix", reason="nbgrader's exchange needs POSIX")
def test_it_is_released_to_an_exchange(course):
    course.run("release_assignment", ONE, f"--Exchange.root={course.exchange}")
    outbound = course.exchange / "tts_lab" / "outbound" / ONE / f"{ONE}.ipynb"
    assert read(outbound) == course.released(ONE)


@pytest.mark.parametrize("assignment", GRADED)
def test_right_wrong_and_empty_submissions_get_their_points(course, assignment):
    """`checkout` was filled in without what `nbgrader generate_assignment` adds."""
    empty = course.released(assignment)
    right = solved(assignment, empty)
    part, check = last_part(empty)
    wrong = answered(right, {part: stub(empty, part).replace(*WRONG)})
    stored = read(EXERCISES / "student" / f"{assignment}.ipynb")
    course.submit("right", assignment, right)
    course.submit("wrong", assignment, wrong)
    course.submit("empty", assignment, empty)
    course.submit("checkout", assignment, solved(assignment, stored))
    course.run("autograde", f"--assignment={assignment}")
    possible = course.possible(assignment)
    full = possible | {"question": None}  # a person reads it
    assert course.points("right", assignment) == full
    assert course.points("checkout", assignment) == full
    assert course.points("wrong", assignment) == full | {check: 0}
    assert course.points("empty", assignment) == dict.fromkeys(possible, 0)


def test_a_loop_and_a_crash_cost_their_own_points_only(course):
    made = solved(BROKEN, course.released(BROKEN))
    broken = answered(made, {"estimator": ENDLESS, "coverage": CRASHING})
    broken.cells = [
        cell
        for cell in broken.cells
        if cell.cell_type == "markdown" or "nbgrader" in cell.metadata
    ]
    course.submit("broken", BROKEN, broken)
    course.run("autograde", f"--assignment={BROKEN}", "--Execute.timeout=20")
    points = course.points("broken", BROKEN)
    assert points == {
        "check-estimator": 0,
        "check-coverage": 0,
        "check-crossing": course.possible(BROKEN)["check-crossing"],
        "question": None,
    }
    names = [
        output.ename
        for cell in course.graded("broken", BROKEN).cells
        for output in cell.get("outputs", [])
        if output.output_type == "error"
    ]
    assert names == ["CellTimeoutError", "DeadKernelError"]


def test_grading_leaves_no_trace_in_the_progress_of_who_grades(course):
    """Submissions were graded above, by checks that passed and checks that did not."""
    assert (course.root / "autograded" / "right").is_dir()
    assert not course.progress.exists()
