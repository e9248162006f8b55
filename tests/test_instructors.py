"""The page for instructors says what the notebooks and the checks say."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import nbformat
import pytest

from tts_lab.course import EXERCISES
from tts_lab.exercises import names

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "instructors.md").read_text(encoding="utf-8")
CHECK = re.compile(r'check\("(\w+)", \w+\)')


def cells(path):
    return nbformat.read(path, as_version=4).cells


def minutes(path):
    return int(re.search(r"\*\*Minutes:\*\* (\d+)", cells(path)[0].source)[1])


def table(heading):
    """The rows of the first table below a heading, as tuples of their cells."""
    below = PAGE.split(f"# {heading}\n")[1]
    rows = re.search(r"(?:^\|.*\n)+", below, re.M)[0].splitlines()
    split = [tuple(cell.strip() for cell in row.strip("|").split("|")) for row in rows]
    assert {len(row) for row in split} == {len(split[0])}
    return split[2:]


NOTEBOOKS = {path.stem: minutes(path) for path in ROOT.glob("notebooks/*.ipynb")}
SOURCES = [
    ROOT / "exercises" / "source" / e.stem / f"{e.stem}.ipynb" for e in EXERCISES
]


def points(source):
    """Points of each check, and of the question."""
    checks, question = {}, 0
    for cell in cells(source):
        graded = cell.metadata.get("nbgrader", {})
        if graded.get("grade") and cell.cell_type == "code":
            [name] = set(CHECK.findall(cell.source))
            checks[name] = graded["points"]
        elif graded.get("grade"):
            question += graded["points"]
    return checks, question


def test_the_notebooks_and_their_minutes():
    assert [(row[0], int(row[1])) for row in table("The notebooks")] == [
        (f"`{name}`", NOTEBOOKS[name]) for name in sorted(NOTEBOOKS)
    ]
    assert f"Together {sum(NOTEBOOKS.values())} minutes." in PAGE


def test_the_exercises_with_their_minutes_and_points():
    expected, machine, person = [], 0, 0
    for exercise, source in zip(EXERCISES, SOURCES, strict=True):
        checks, question = points(source)
        head = " ".join(cells(source)[0].source.split())
        after = re.search(r"Comes after:\*\* notebook (\d+)", head)
        title = f"{exercise.number} · {exercise.title}"
        of = f"{sum(checks.values())} + {question}"
        expected.append((title, str(minutes(source)), of, after[1]))
        machine, person = machine + sum(checks.values()), person + question
    assert table("The exercises") == expected
    total = sum(map(minutes, SOURCES))
    assert f"Together {total} minutes and {machine} + {person} points." in PAGE


@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda one: one.stem)
def test_every_check_with_its_points_and_a_mistake_that_is_known(exercise):
    source = SOURCES[exercise.number]
    rows = table(f"Exercise {exercise.number} · {exercise.title}")
    checks, _ = points(source)
    assert [(row[0], int(row[1])) for row in rows] == [
        (f"`{name}`", of) for name, of in checks.items()
    ]
    for row in rows:
        assert re.fullmatch(r'".+"', row[3])
        assert [words for words in spoken() if row[3].strip('"') in words], row


@cache
def spoken():
    """Every text in the code of the checks."""
    return [
        node.value
        for path in (ROOT / "tts_lab" / "exercises").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]


def test_the_schedules_add_up():
    assert sum(int(row[0]) for row in table("A workshop of 90 minutes")) == 90
    weeks = table("A course of six weeks")
    in_class = {name[:2]: of for name, of in NOTEBOOKS.items()}
    at_home = {
        str(e.number): minutes(s) for e, s in zip(EXERCISES, SOURCES, strict=True)
    }
    assert ", ".join(row[1] for row in weeks).split(", ") == sorted(in_class)
    assert ", ".join(row[2] for row in weeks).split(", ") == list(at_home)
    for _, notebooks, exercises, here, there in weeks:
        assert int(here) == sum(in_class[number] for number in notebooks.split(", "))
        assert int(there) == sum(at_home[number] for number in exercises.split(", "))


def test_files_commands_and_options_that_are_named_are_there():
    for path in re.findall(r"`((?:exercises|tests|tts_lab)/[\w./]+)`", PAGE):
        if "NN" not in path:
            assert (ROOT / path).exists(), path
    timeout = re.search(r"c\.Execute\.timeout = (\d+)", config())[1]
    assert f"stopped after {timeout} s" in PAGE
    assert "class Survive" in config()
    helped = subprocess.run(
        [sys.executable, "-m", "nbgrader", "--help"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    used = set(re.findall(r"^nbgrader (\w+)", PAGE, re.M))
    assert used >= {"generate_assignment", "release_assignment", "autograde"}
    assert [one for one in used if not re.search(rf"^{one}$", helped, re.M)] == []


def config():
    return (ROOT / "exercises" / "nbgrader_config.py").read_text(encoding="utf-8")


def test_no_check_is_missing():
    below = PAGE.split("## What each part tests")[1]
    listed = re.findall(r"^\| `(\w+)` \| \d \|", below, re.M)
    assert listed == names()
