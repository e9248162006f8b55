"""What is kept of the checks, that it cannot get in their way, and how it is shown."""

from __future__ import annotations

import io
import signal
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser

import nbformat
import pytest
from test_exercises import SOURCES, checked

from tts_lab import progress
from tts_lab.cli import main
from tts_lab.course import EXERCISES
from tts_lab.exercises import CheckFailed, check, names
from tts_lab.progress_page import Mark, Page
from tts_lab.strategies import beam_search

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
DONE, TRIED = Mark(NOON, NOON), Mark(NOON, None)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder for the marks; it is not there yet."""
    folder = tmp_path / "own" / "progress"
    monkeypatch.setenv("TTS_LAB_PROGRESS", str(folder))
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    return folder


def right():
    return check("beam_search", beam_search)


def wrong():
    with pytest.raises(CheckFailed) as caught:
        check("lookahead", lambda problem, *, n, width, max_steps, lookahead: None)
    return caught.value.report


def test_the_exercises_are_those_of_the_notebooks():
    assert [one.stem for one in EXERCISES] == [source.stem for source in SOURCES]
    for one, source in zip(EXERCISES, SOURCES, strict=True):
        assert one.checks == tuple(checked(source))
        first = nbformat.read(source, as_version=4).cells[0].source.split("\n")[0]
        assert first == f"# Exercise {one.number} · {one.title}"
    assert [check for one in EXERCISES for check in one.checks] == names()


def test_what_was_passed_and_what_was_tried_is_kept(own):
    assert right().progress == (
        "1 of 2 checks of exercise 5 passed; all of them: tts-lab progress"
    )
    assert wrong().progress == ""
    marks = progress.show().marks
    assert marks["beam_search"].passed
    assert marks["lookahead"].tried_at is not None
    assert not marks["lookahead"].passed
    assert list(marks) == ["beam_search", "lookahead"]


def test_a_passed_check_says_so_in_a_last_line(own):
    report = right()
    assert repr(report).splitlines()[-1].strip() == report.progress
    assert f"<div>{report.progress}</div></div>" in report._repr_html_()


def test_a_stub_was_not_tried(own):
    def stub(problem, *, n, width, max_steps):
        raise NotImplementedError()

    with pytest.raises(NotImplementedError):
        check("beam_search", stub)
    assert progress.show().marks == {}


def test_the_first_time_stays_and_a_failure_takes_nothing_back(own):
    right()
    for word in ("tried", "passed"):
        (own / f"beam_search.{word}").write_text("2026-01-02T03:04:05+00:00\n")
    right()
    with pytest.raises(CheckFailed):
        check("beam_search", "no function")
    first = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert progress.show().marks == {"beam_search": Mark(first, first)}


def test_marks_of_other_versions_and_damaged_ones_are_no_error(own):
    right()
    (own / "renamed_since.passed").write_text("2026-01-02T03:04:05+00:00\n")
    (own / "notes.txt").write_text("mine")
    for text in (b"", b"\xff\xfe", b"yesterday"):
        (own / "tail.passed").write_bytes(text)
        assert list(progress.show().marks) == ["tail", "beam_search"]
        assert progress.show().marks["tail"].passed_at.year >= 2026


def test_where_nothing_can_be_written_a_check_says_so_and_passes(own):
    own.parent.mkdir()
    own.write_text("a file in place of the folder")
    assert right().passed
    assert right().progress.startswith("this progress could not be kept: ")
    assert wrong().progress == ""
    assert progress.show().marks == {}


def test_without_a_home_a_check_passes(monkeypatch):
    def homeless(name):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("TTS_LAB_PROGRESS")
    monkeypatch.setattr(progress, "user_data_path", homeless)
    assert "Could not determine home" in right().progress


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TTS_LAB_PROGRESS", "off"),
        ("NBGRADER_EXECUTION", "autograde"),
        ("NBGRADER_EXECUTION", "validate"),
    ],
)
def test_graders_and_those_who_want_none_keep_nothing(own, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    assert right().progress == ""
    assert not own.exists()
    assert progress.show().note().startswith("nothing is kept")
    assert progress.reset() == 0


WRITE_ALL = """
import random, sys
from tts_lab import progress
from tts_lab.exercises import names
mine = names()
random.Random(int(sys.argv[1])).shuffle(mine)
for name in mine:
    assert progress.keep(name, passed=True).endswith("tts-lab progress")
"""


def test_kernels_that_write_at_once_lose_nothing(own):
    command = [sys.executable, "-c", WRITE_ALL]
    writers = [subprocess.Popen([*command, str(seed)]) for seed in range(3)]
    assert [writer.wait() for writer in writers] == [0, 0, 0]
    assert list(progress.show().marks) == names()
    assert all(mark.passed for mark in progress.show().marks.values())
    assert [*own.glob("*.part")] == []


KILLED = """
import os, pathlib, signal
from tts_lab import progress
progress.keep("tail", passed=True)
pathlib.Path.replace = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
progress.keep("coverage", passed=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX only")
def test_a_kernel_killed_while_it_writes_leaves_what_was_there(own):
    assert subprocess.run([sys.executable, "-c", KILLED]).returncode == -signal.SIGKILL
    assert list(progress.show().marks) == ["tail"]
    assert len([*own.glob("*.part")]) == 1
    progress.keep("coverage", passed=True)
    assert list(progress.show().marks) == ["coverage", "tail"]
    progress.reset()
    assert not own.exists()


def test_reset_forgets_the_marks_and_leaves_other_files(own):
    right()
    wrong()
    (own / "renamed_since.passed").write_text("2026-01-02T03:04:05+00:00\n")
    theirs = {
        *("film.mkv.part", "film.part", "my film.passed", "tail.passed.bak"),
        *("tail.passed.part", "tail.tried.0123.part", ".passed", "notes.txt"),
    }
    for name in theirs:
        (own / name).write_text("mine")
    assert progress.reset() == 3
    assert {path.name for path in own.iterdir()} == theirs
    assert progress.reset() == 0


def marks(*exercises, mark=DONE):
    return {name: mark for one in exercises for name in one.checks}


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({}, "answer_line, exercise 0 · First samples"),
        (marks(EXERCISES[0]), "pass_at_k, exercise 1 · Repeated sampling"),
        ({"tail": DONE}, "fit_power_law, exercise 2 · Coverage laws"),
        (
            {"precision": TRIED},
            "precision (tried, not passed yet), exercise 3 · Choosing an answer",
        ),
    ],
)
def test_what_is_next(seen, words):
    assert Page(seen).next() == words
    assert f"next: {words}" in Page(seen).text()


def test_at_the_end_there_is_no_check_left():
    page = Page(marks(*EXERCISES))
    assert "notebook 12" in page.next()
    assert page.text().startswith("Progress · 50 of 50 checks passed\n")
    assert "student" not in page.text()


class Table(HTMLParser):
    """The cells of a page's table, and what is outside of it; closed in order."""

    def __init__(self, page):
        super().__init__()
        self.open, self.rows, self.scopes, self.pictures = [], [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self.scopes += [given.get("scope")] * (tag == "th")
        elif tag == "svg":
            self.pictures.append(given)
        if tag not in ("br", "rect"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag != "rect":
            assert self.open.pop() == tag

    def handle_data(self, text):
        if {"td", "th"} & set(self.open):
            self.rows[-1][-1] += text


def test_the_table_says_in_words_what_the_text_says():
    page = Page({"beam_search": DONE, "lookahead": TRIED}, "here")
    table = Table(page._repr_html_())
    head, *rows = table.rows
    assert head == ["exercise", "checks passed", "each check"]
    assert table.scopes == ["col"] * 3 + ["row"] * len(EXERCISES)
    assert "<caption>" in page._repr_html_()
    day = f"{NOON.astimezone():%Y-%m-%d}"
    assert rows[5] == [
        "5 · Search",
        "1 of 2",
        f"beam_search: passed {day}lookahead: tried",
    ]
    for one, row in zip(EXERCISES, rows, strict=True):
        assert row[0] == f"{one.number} · {one.title}"
        assert f"{row[1]} checks passed" in page.text()
        for name in one.checks:
            assert f"{name}: {page.state(name)}" in row[2]
            assert f"    {name:18} {page.state(name)}" in page.text()
    assert [picture["aria-hidden"] for picture in table.pictures] == ["true"] * 12


def test_the_text_fits_a_terminal():
    whole = marks(*EXERCISES)
    one_left = (Page(whole | {name: TRIED}) for name in names())
    for page in (Page(marks(*EXERCISES, mark=TRIED), "here"), Page(whole), *one_left):
        assert max(map(len, page.text().splitlines())) <= 80
        assert f"next: {page.next()}" in page.text().replace("\n      ", " ")
    assert "[####################] 3 of 3" in Page(marks(EXERCISES[1])).text()
    assert "[..........]" not in page.text()


def test_the_command_prints_the_page(own, capsys):
    right()
    assert main(["progress"]) == 0
    assert capsys.readouterr().out == progress.show().text() + "\n"


@pytest.mark.parametrize(
    ("arguments", "answer", "status", "words", "left"),
    [
        (["--reset"], "n\n", 0, "nothing was forgotten", 1),
        (["--reset"], "\n", 0, "nothing was forgotten", 1),
        (["--reset"], "y\n", 0, "forgot 1 check", 0),
        (["--reset"], "", 2, "--yes", 1),
        (["--reset", "--yes"], "", 0, "forgot 1 check", 0),
        (["--yes"], "y\n", 2, "--yes goes with --reset", 1),
    ],
)
def test_the_command_asks_before_it_forgets(
    own, capsys, monkeypatch, arguments, answer, status, words, left
):
    right()
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    assert main(["progress", *arguments]) == status
    assert words in "".join(capsys.readouterr())
    assert len(progress.show().marks) == left


def test_the_command_says_why_there_is_nothing_to_forget(capsys, monkeypatch):
    monkeypatch.setenv("TTS_LAB_PROGRESS", "off")
    assert main(["progress", "--reset", "--yes"]) == 2
    assert "TTS_LAB_PROGRESS" in capsys.readouterr().err
