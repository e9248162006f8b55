"""What a slow model is writing just now, for widgets.

Promises: the proposer's `watch` is None again afterwards; what the model wrote is
escaped. Not covered: proposers that write a call in a blink, which have no `watch`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from time import perf_counter
from typing import Any

from tts_lab.figures.budget import plain
from tts_lab.proposers import Writing

LOOK_BACK = 3.0  # seconds that the speed is of
TAIL = 160  # characters of the row that is shown


class Pen:
    """Follows what a proposer writes.

    Attributes
    ----------
    last : Writing or None
        None when nothing is being written.

    Examples
    --------
    >>> pen = Pen()
    >>> pen(Writing(12, 64, 1234, "Let x be"))
    >>> pen.words()
    'writing: 12 of 64 rows, 1,234 tokens'
    """

    def __init__(self) -> None:
        self.last: Writing | None = None
        self._proposer: Any = None
        self._before = 0
        self._told: list[str] = []
        self._recent: deque[tuple[float, int]] = deque()

    def __call__(self, writing: Writing) -> None:
        """What the proposer calls, in the thread that asks for rows."""
        now, last = perf_counter(), self.last
        if last is None or writing.tokens < last.tokens or writing.of != last.of:
            self._recent.clear()  # another call
        self._recent.append((now, writing.tokens))
        while len(self._recent) > 2 and self._recent[1][0] < now - LOOK_BACK:
            self._recent.popleft()
        self.last = None if writing.rows >= writing.of else writing

    def begin(self, proposer: Any) -> None:
        """Take down what the proposer has said before; what comes is of this run."""
        self._proposer = proposer
        self._before = len(getattr(proposer, "notes", ()))

    def end(self) -> None:
        """Nothing is written any more; the notes stay, the proposer may go."""
        self._told, self._proposer, self.last = self.notes, None, None

    @property
    def notes(self) -> list[str]:
        """What the proposer wants to be told, as that it had to halve its batch."""
        said: list[str] = list(getattr(self._proposer, "notes", ()))
        return said[self._before :] if self._proposer is not None else self._told

    def rate(self) -> float:
        """Tokens per second over the last seconds; 0 before there are two looks."""
        recent = list(self._recent)
        if len(recent) < 2 or recent[-1][0] <= recent[0][0]:
            return 0.0
        (then, before), (now, tokens) = recent[0], recent[-1]
        return (tokens - before) / (now - then)

    def words(self) -> str:
        """How far it is; empty when nothing is being written."""
        one, rate = self.last, self.rate()
        if one is None:
            return ""
        speed = f", {plain(float(f'{rate:.2g}'))} tokens/s" if rate > 0 else ""
        return (
            f"writing: {plain(one.rows)} of {plain(one.of)} rows, {plain(one.tokens)} "
            f"tokens{speed}"
        )

    def html(self) -> str:
        """The words, and the end of an unfinished row; notes before them."""
        one = self.last
        notes = "".join(
            f'<div class="tts-under">{escape(note)}</div>' for note in self.notes
        )
        if one is None:
            return notes
        tail = " ".join(one.text[-TAIL:].split())
        more = "… " if len(one.text) > TAIL else ""
        return (
            f'{notes}<div class="tts-writing">{self.words()}<br>'
            f'<span class="tts-example">{more}{escape(tail)}</span></div>'
        )


@contextmanager
def watched(proposer: Any, pen: Pen) -> Iterator[None]:
    """Let a pen follow a proposer, if it can be watched."""
    pen.begin(proposer)
    seen = hasattr(proposer, "watch")
    if seen:
        proposer.watch = pen
    try:
        yield
    finally:
        if seen:
            proposer.watch = None
        pen.end()
