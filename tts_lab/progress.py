"""Which checks were passed, kept on this machine for this user alone.

Promises: what is kept is the name of a check and two times, when it was first tried
and when it was first passed; nothing about persons or answers. A mark is one small
file that is written whole or not at all, and stays as it is once it is there, so
kernels that write at once and a process killed at any moment lose nothing. Keeping
never makes a check fail: where nothing can be written the report says so in a line. A
grader keeps nothing. Marks of checks that there are no more are ignored.

Not covered: several users who share one user account.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from uuid import uuid4

from platformdirs import user_data_path

from tts_lab.course import EXERCISES, exercise_of
from tts_lab.progress_page import Mark, Page

__all__ = ["Mark", "Page", "folder", "keep", "reset", "show"]

#: "off" keeps nothing; anything else is the folder to keep the marks in
VARIABLE = "TTS_LAB_PROGRESS"
#: set by nbgrader while it grades or validates
GRADER = "NBGRADER_EXECUTION"

Word = Literal["tried", "passed"]
WORDS: tuple[Word, ...] = ("tried", "passed")
#: the names that `_mark` gives its files, of checks of other versions too
_OURS = re.compile(r"(\w+)\.(tried|passed)(\.[0-9a-f]{32}\.part)?")


def folder() -> Path | None:
    """Where the marks are kept; None where none are to be kept.

    The environment variable `TTS_LAB_PROGRESS` names another folder, or says `off`.

    Raises
    ------
    OSError
        If this user has no home.
    """
    wanted = os.environ.get(VARIABLE, "")
    if GRADER in os.environ or wanted == "off":
        return None
    if wanted:
        return Path(wanted)
    try:
        return user_data_path("tts-lab") / "progress"
    except RuntimeError as error:  # pathlib's, where no home can be found
        raise OSError(str(error)) from error


def keep(check: str, *, passed: bool) -> str:
    """Keep that a check was tried, or passed; returns what there is to say of it.

    Parameters
    ----------
    check : str
    passed : bool

    Returns
    -------
    str
        One line for the report of a passed check: how much of its exercise is done,
        or why nothing could be kept. Empty where nothing is to be kept, for a check
        of no exercise, and for one not passed.

    Examples
    --------
    >>> keep("no such check", passed=True)
    ''
    """
    exercise = exercise_of(check)
    if exercise is None:
        return ""
    try:
        where = folder()
        if where is None:
            return ""
        _mark(where, check, "tried")
        if not passed:
            return ""
        _mark(where, check, "passed")
        marks = _read(where)
    except OSError as error:
        why = error.strerror or str(error)
        return f"this progress could not be kept: {why}" if passed else ""
    done = sum(name in marks and marks[name].passed for name in exercise.checks)
    return (
        f"{done} of {len(exercise.checks)} checks of exercise {exercise.number} "
        "passed; all of them: tts-lab progress"
    )


def show() -> Page:
    """The progress page: displays itself in a notebook, prints as text.

    Examples
    --------
    >>> import tts_lab.progress
    >>> page = tts_lab.progress.show()
    >>> page.text().splitlines()[0].endswith("of 50 checks passed")
    True

    Raises
    ------
    OSError
        If the folder is there and cannot be read.
    """
    where = folder()
    return Page() if where is None else Page(_read(where), str(where))


def reset() -> int:
    """Forget every mark; returns how many checks they were of.

    Raises
    ------
    OSError
        If a mark cannot be removed.
    """
    where = folder()
    if where is None or not where.is_dir():
        return 0
    names = set()
    for path in where.iterdir():
        if ours := _OURS.fullmatch(path.name):
            path.unlink(missing_ok=True)
            names.add(ours[1])
    with suppress(OSError):  # not empty: somebody else's files stay
        where.rmdir()
    return len(names)


def _mark(where: Path, check: str, word: Word) -> None:
    """Write a mark unless it is there; the first one stays."""
    path = where / f"{check}.{word}"
    if path.exists():
        return
    where.mkdir(parents=True, exist_ok=True)
    part = where / f"{check}.{word}.{uuid4().hex}.part"
    try:
        part.write_text(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S+00:00}\n")
        part.replace(path)
    except OSError:
        if not path.exists():  # else another kernel was faster, and has it open
            raise
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _read(where: Path) -> dict[str, Mark]:
    if not where.is_dir():
        return {}
    marks = {}
    for exercise in EXERCISES:
        for check in exercise.checks:
            tried, passed = (_time(where / f"{check}.{word}") for word in WORDS)
            if tried or passed:
                marks[check] = Mark(tried or passed, passed)
    return marks


def _time(path: Path) -> datetime | None:
    """The time in a mark; of a file that was damaged, when it was last changed."""
    try:
        return datetime.fromisoformat(path.read_text().strip()).astimezone(UTC)
    except FileNotFoundError:
        return None
    except (ValueError, OverflowError):
        return datetime.fromtimestamp(path.stat().st_mtime, UTC)
