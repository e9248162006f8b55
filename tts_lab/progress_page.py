"""The progress page: every exercise with its checks, as text and as a table.

Promises: text and table say the same; each state is a word, and the bar is a picture
of the words beside it. Dates are those of the reader's clock.
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from tts_lab.course import EXERCISES, Exercise

_BAR = 20  # signs of the text's bar
_COLUMNS = 80
_SIZE = 100, 12  # of the picture, in pixels
_CELL = 'style="text-align:left;vertical-align:top;padding:0.3em 0.8em"'


class Mark(NamedTuple):
    """When a check was first tried, and when first passed; None when it was not."""

    tried_at: datetime | None
    passed_at: datetime | None

    @property
    def passed(self) -> bool:
        return self.passed_at is not None


@dataclass(frozen=True, repr=False)
class Page:
    """What was passed so far; it displays itself.

    Attributes
    ----------
    marks : mapping of str to Mark
        By check; a check that was not tried is not there.
    where : str
        The folder that they are kept in; empty where none are kept.

    Examples
    --------
    >>> from datetime import datetime
    >>> noon = datetime(2026, 11, 22, 12)
    >>> page = Page({"beam_search": Mark(noon, noon), "lookahead": Mark(noon, None)})
    >>> print(page.text().split("\\n\\n")[0])
    Progress · 1 of 50 checks passed
    next: lookahead (tried, not passed yet), exercise 5 · Search
          exercises/student/ex05_search.ipynb
    >>> page.state("beam_search"), page.state("tail")
    ('passed 2026-11-22', 'not yet')
    """

    marks: Mapping[str, Mark] = field(default_factory=dict)
    where: str = ""

    def passed(self, exercise: Exercise) -> int:
        """How many checks of an exercise were passed."""
        return sum(self._is_passed(check) for check in exercise.checks)

    def state(self, check: str) -> str:
        """`passed` with the day of the first pass, `tried`, or `not yet`."""
        if check not in self.marks:
            return "not yet"
        at = self.marks[check].passed_at
        return "tried" if at is None else f"passed {at.astimezone():%Y-%m-%d}"

    def next(self) -> str:
        """The check to go on with: in an exercise that was begun, if there is one."""
        exercise = self._next()
        if exercise is None:
            return (
                "all are passed: notebook 12 does this with a model of your own, "
                "notebook 13 has the verdicts"
            )
        waiting = [check for check in exercise.checks if not self._is_passed(check)]
        tried = [check for check in waiting if check in self.marks]
        check = (tried or waiting)[0]
        more = " (tried, not passed yet)" if tried else ""
        return f"{check}{more}, exercise {exercise.number} · {exercise.title}"

    def note(self) -> str:
        """Where the marks are kept, or why they are not."""
        if self.where:
            return f"kept on this machine alone, in {self.where}"
        return "nothing is kept: TTS_LAB_PROGRESS is off, or a grader is at work"

    def text(self) -> str:
        """The page as text of at most 80 columns, but for the folder's name."""
        lines = [self._title()]
        lines += textwrap.wrap(
            f"next: {self.next()}", _COLUMNS, subsequent_indent=" " * 6
        )
        exercise = self._next()
        if exercise is not None:
            lines.append(f"      {_notebook(exercise)}")
        for one in EXERCISES:
            done, of = self.passed(one), len(one.checks)
            full = _BAR * done // of
            lines += ["", f"{one.number} · {one.title}"]
            lines.append(f"  [{'#' * full:.<{_BAR}}] {done} of {of} checks passed")
            lines += [f"    {check:18} {self.state(check)}" for check in one.checks]
        return "\n".join([*lines, "", self.note()])

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        exercise = self._next()
        path = "" if exercise is None else f" · <code>{_notebook(exercise)}</code>"
        head = "".join(
            f'<th scope="col" {_CELL}>{name}</th>'
            for name in ("exercise", "checks passed", "each check")
        )
        return (
            f"<div><p><b>{html.escape(self._title())}</b><br>"
            f"Next: {html.escape(self.next())}{path}</p>"
            "<table><caption>Exercises and their checks</caption>"
            f"<thead><tr>{head}</tr></thead>"
            f"<tbody>{''.join(map(self._row, EXERCISES))}</tbody></table>"
            f"<p>{html.escape(self.note())}</p></div>"
        )

    def _row(self, exercise: Exercise) -> str:
        done, of = self.passed(exercise), len(exercise.checks)
        each = "<br>".join(
            f'<code>{check}</code>: <span style="white-space:nowrap">'
            f"{self.state(check)}</span>"
            for check in exercise.checks
        )
        return (
            f'<tr><th scope="row" {_CELL}>{exercise.number} · {exercise.title}</th>'
            f"<td {_CELL}>{_bar(done, of)}<br>{done} of {of}</td>"
            f"<td {_CELL}>{each}</td></tr>"
        )

    def _title(self) -> str:
        done = sum(map(self.passed, EXERCISES))
        of = sum(len(one.checks) for one in EXERCISES)
        return f"Progress · {done} of {of} checks passed"

    def _next(self) -> Exercise | None:
        left = [one for one in EXERCISES if self.passed(one) < len(one.checks)]
        begun = [one for one in left if any(c in self.marks for c in one.checks)]
        return next(iter(begun or left), None)

    def _is_passed(self, check: str) -> bool:
        return check in self.marks and self.marks[check].passed


def _notebook(exercise: Exercise) -> str:
    return f"exercises/student/{exercise.stem}.ipynb"


def _bar(done: int, of: int) -> str:
    """A picture of the words that follow it, so readers of the screen pass it over."""
    width, height = _SIZE
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'aria-hidden="true">'
        f'<rect x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" '
        'fill="none" stroke="currentColor"/>'
        f'<rect width="{width * done / of:g}" height="{height}" fill="#0072B2"/></svg>'
    )
