"""The explorer's texts as HTML: status, numbers, samples.

Promises: whatever a model or a problem says is escaped; right and wrong are told by
words and marks, not by colour alone. Not covered: style (`static/widgets.css`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from html import escape

import numpy as np

from tts_lab import problems as domains
from tts_lab.figures.budget import plain
from tts_lab.traces import Problem, Trace
from tts_lab.widgets.chart import short
from tts_lab.widgets.runner import Status, busy
from tts_lab.widgets.tally import Example, Tally

MAX_CHARACTERS = 4000  # of one sample's text


def status_words(status: Status, tally: Tally | None = None) -> str:
    """What is going on, in a sentence.

    >>> status_words(Status())
    'Ready. Press Run: the model starts to write on this machine.'
    """
    n = 0 if tally is None else tally.n
    counted = f"{plain(n)} samples of each problem"
    if status.phase == "idle":
        return "Ready. Press Run: the model starts to write on this machine."
    if status.phase == "running":
        return f"{status.message or 'starting'} …"
    if status.phase == "stopping":
        return "Stopping …"
    if status.phase == "failed":
        return f"{status.message.rstrip('.')}. {status.hint}"
    if status.phase == "cancelled":
        return f"Cancelled after {counted}; what was measured is kept.{_result(tally)}"
    return f"Done in {clock(status.seconds)}: {counted}.{_result(tally)}"


def status(state: Status, tally: Tally | None = None) -> str:
    """The status line; announced by screen readers when it changes."""
    mark, word, name = {
        "done": ("✓", "", "tts-done"),
        "failed": ("⚠", "This did not work.", "tts-failed"),
    }.get(state.phase, ("", "", ""))
    lead = f"<b>{mark} {word}</b> " if mark else ""
    words = escape(status_words(state, tally))
    return (
        f'<div class="tts-status {name}" role="status"{busy(state)}>{lead}{words}</div>'
    )


def tiles(tally: Tally | None, state: Status) -> str:
    """The numbers that run: samples, problems solved, tokens, time."""
    if tally is None:
        empty = ("samples", "solved at least once", "speed", "written", "time")
        values = [(name, "–", "") for name in empty]
    else:
        wanted = tally.target * len(tally.problems)
        solved = int(np.count_nonzero(tally.counts()[1]))
        seconds = tally.seconds if state.active else state.seconds
        left = ""
        if state.active and 0 < tally.rows < wanted:
            rest = seconds * (wanted - tally.rows) / tally.rows
            left = f"about {clock(rest)} left"
        values = [
            ("samples", plain(tally.rows), f"of {plain(wanted)}"),
            ("solved at least once", plain(solved), f"of {plain(len(tally.problems))}"),
            ("speed", plain(rounded(tally.rate())), "tokens/s"),
            ("written", plain(tally.tokens), "tokens"),
            ("time", clock(seconds), left),
        ]
    boxes = "".join(
        f"<div><span>{name}</span><br><b>{value}</b> {unit}</div>"
        for name, value, unit in values
    )
    return f'<div class="tts-tiles">{boxes}</div>'


def no_texts() -> str:
    """Where the samples will stand."""
    return (
        '<div class="tts-samples"><p class="tts-note">Right and wrong samples of a '
        "problem appear here.</p></div>"
    )


def texts(problem: Problem, example: Example) -> str:
    """The latest right and the latest wrong sample of a problem, step by step."""
    n, right = example.n, example.correct
    parts = [f'<p class="tts-note">{_code(short(problem, 120))}</p>']
    for trace, count, mark, word, name in (
        (example.right, right, "✓", "right", "tts-ok"),
        (example.wrong, n - right, "✗", "wrong", "tts-no"),
    ):
        parts.append(
            f'<h4><span class="{name}">{mark}</span> {word}: {plain(count)} of '
            f"{plain(n)} samples</h4>"
        )
        parts.append(
            '<p class="tts-note">none so far</p>' if trace is None else _steps(trace)
        )
    return f'<div class="tts-samples">{"".join(parts)}</div>'


def unknown_size() -> str:
    """Why tokens stand where FLOPs were asked for."""
    return (
        '<div class="tts-under">Tokens, not FLOPs: an endpoint did not tell how many '
        "parameters its model has.</div>"
    )


def prompt(problem: Problem, lead: str = "First problem") -> str:
    """A problem as an example of its kind."""
    return f'{lead}: <span class="tts-example">{escape(short(problem))}</span>'


def status_problem(error: Exception) -> str:
    """What is wrong with a problem that was typed in."""
    return f'<span class="tts-no">⚠ {escape(str(error))}</span>'


def choices(problems: Sequence[Problem]) -> tuple[tuple[str, int], ...]:
    """The problems as options of a dropdown; numbers keep equal ones apart."""
    return tuple((f"{i + 1}: {short(p)}", i) for i, p in enumerate(problems))


def clock(seconds: float) -> str:
    """Seconds as people say them.

    >>> clock(0.4), clock(42), clock(75), clock(3700)
    ('0.4 s', '42 s', '1:15 min', '1:01 h')
    """
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"


def rounded(value: float) -> float:
    """Three digits are all that a speed is good for.

    >>> rounded(81_234.5)
    81200.0
    """
    return float(f"{value:.3g}")


def _result(tally: Tally | None) -> str:
    if tally is None or tally.n == 0:
        return ""
    curve = tally.curve()
    mean, low, high = (100 * end[-1] for end in (curve.mean, curve.low, curve.high))
    return (
        f" Coverage {mean:.1f}% [{low:.1f}%, {high:.1f}%]; with one sample of each "
        f"{100 * curve.mean[0]:.1f}%."
    )


def _steps(trace: Trace) -> str:
    """A trace as its domain renders it, with a mark for each step."""
    text = trace.text[:MAX_CHARACTERS]
    module = domains.DOMAINS.get(trace.problem.domain)
    lines = text.split("\n")
    if module is not None:
        with suppress(ValueError):  # a prompt that its domain cannot read
            lines = module.render(trace.problem, text).split("\n")[1:]
    marked = []
    for line in (line.removeprefix("  ") for line in lines):
        name = {"✓": "tts-ok", "✗": "tts-no"}.get(line[:1])
        first = f'<span class="{name}">{line[:1]}</span>' if name else escape(line[:1])
        marked.append(first + escape(line[1:]))
    if not trace.finished:
        marked.append("<i>cut off</i>")
    return f"<pre>{chr(10).join(marked)}</pre>"


def _code(text: str) -> str:
    return f'<span class="tts-example">{escape(text)}</span>'
