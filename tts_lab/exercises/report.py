"""What a check has to say: a report for a notebook, a terminal or a grader.

Promises: the same words everywhere, as text or as HTML with the figure below; no
word needs colour to be understood. Jupyter is only used where it is running anyway;
importing this module imports neither it nor matplotlib.
"""

from __future__ import annotations

import html
import sys
from base64 import b64encode
from dataclasses import dataclass, field
from io import BytesIO
from textwrap import wrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH = 78  # columns of the text version


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The outcome of one check; it displays itself.

    Attributes
    ----------
    name : str
        The check, e.g. "pass_at_k".
    passed : bool
    message : str
        One line: what is the matter, or what was tried.
    on_input, given, expected : str
        The first input that failed, the learner's answer and the right one; empty
        when the check was passed.
    likely_cause : str
        What usually goes wrong in this way; empty when it is not known.
    figure : matplotlib.figure.Figure or None
        The learner's curve beside the right one.
    progress : str
        A last line: how much of the exercise is done; often empty.

    Examples
    --------
    >>> Report("pass_at_k", False, "wrong value", "n=4, c=[1], k=2", "[0.4]", "[0.5]")
    not yet: pass_at_k · wrong value
      on input     n=4, c=[1], k=2
      given        [0.4]
      expected     [0.5]
    """

    name: str
    passed: bool
    message: str
    on_input: str = ""
    given: str = ""
    expected: str = ""
    likely_cause: str = ""
    figure: Figure | None = field(default=None)
    progress: str = ""

    @property
    def title(self) -> str:
        return f"{'passed' if self.passed else 'not yet'}: {self.name}"

    def rows(self) -> list[tuple[str, str]]:
        """Label and content of every part that has something to say."""
        rows = [
            ("on input", self.on_input),
            ("given", self.given),
            ("expected", self.expected),
            ("likely cause", self.likely_cause),
        ]
        return [(label, content) for label, content in rows if content]

    def __repr__(self) -> str:
        lines = [f"{self.title} · {self.message}"]
        for label, content in self.rows():
            parts = wrap(content, _WIDTH - 15, break_long_words=False) or [content]
            lines += [f"  {label:<13}{parts[0]}"]
            lines += [f"{'':<15}{part}" for part in parts[1:]]
        if self.progress:
            lines.append(f"  {self.progress}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        colour = "#009E73" if self.passed else "#D55E00"
        left = 'style="text-align:left;vertical-align:top;font-weight:normal'
        cells = "".join(
            f'<tr><th scope="row" {left};white-space:nowrap">{label}</th>'
            f'<td {left}">{_marked(label, content)}</td></tr>'
            for label, content in self.rows()
        )
        table = f"<table>{cells}</table>" if cells else ""
        last = f"<div>{html.escape(self.progress)}</div>" if self.progress else ""
        body = (
            f"<b>{html.escape(self.title)}</b> · {html.escape(self.message)}{table}"
            f"{last}</div>"
        )
        # what a learner's code gives is no formula
        plain = 'class="mathjax_ignore" ' if {"$", "\\"} & set(body) else ""
        return (
            f'<div {plain}style="border-left:4px solid {colour};padding-left:0.8em">'
            f"{body}"
        )

    def _ipython_display_(self) -> None:
        from IPython.display import display

        show = {"text/html": self._repr_html_(), "text/plain": repr(self)}
        display(show, raw=True)
        if self.figure is not None:
            words = f"Figure: your {self.name} beside the right one"
            show = {
                "image/png": b64encode(_png(self.figure)).decode("ascii"),
                "text/plain": words,
            }
            display(show, raw=True, metadata={"image/png": {"alt": words}})


class CheckFailed(AssertionError):
    """A check was not passed; `report` says why.

    In a notebook the report is displayed in full and the error takes one line; in a
    terminal or a log the error's text is the report.
    """

    def __init__(self, report: Report) -> None:
        super().__init__(repr(report))
        self.report = report

    def _render_traceback_(self) -> list[str]:
        """What Jupyter shows in place of the traceback, which is no help here."""
        return [f"CheckFailed: {self.report.name} is not passed yet (see the report)"]


def show_in_notebook(report: Report) -> None:
    """Display a report where a Jupyter kernel or IPython is running."""
    ipython = sys.modules.get("IPython")
    if ipython is not None and ipython.get_ipython() is not None:
        report._ipython_display_()


def _marked(label: str, content: str) -> str:
    escaped = html.escape(content)
    if label == "likely cause":  # prose, with code between backticks
        parts = escaped.split("`")
        return "".join(
            f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts)
        )
    return f"<code>{escaped}</code>"


def _png(figure: Figure) -> bytes:
    stream = BytesIO()
    # without the version of matplotlib: the same picture is the same file
    figure.savefig(stream, format="png", dpi=100, metadata={"Software": None})
    return stream.getvalue()
