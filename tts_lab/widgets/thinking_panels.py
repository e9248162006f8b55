"""A thought as attempts, and the live part's status, as HTML and as words.

Promises: what a model writes is escaped; right and wrong are told by words and marks,
not by colour alone. Not covered: style (`static/widgets.css`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from html import escape

from tts_lab import problems
from tts_lab.ledger import Ledger
from tts_lab.proposers import Size
from tts_lab.strategies.thinking import RIGHT, WAIT, Thinking, thoughts
from tts_lab.think.checks import sound
from tts_lab.traces import Problem
from tts_lab.widgets.panels import clock
from tts_lab.widgets.runner import Status, status_line
from tts_lab.widgets.thinking_budget import Reading, flops_words
from tts_lab.widgets.writing import Pen

_BETWEEN = f"\n{WAIT}"


@dataclass
class Live:
    """One thought while it is written.

    Attributes
    ----------
    problem : Problem
    caption : str
        Settings on one line.
    texts : list of str
        The trace whenever the model stopped; each begins with the one before it.
    tokens : int
        Generated so far.
    size : Size or None
        Of the model, once it is loaded.
    ledger : Ledger or None
    thinking : Thinking or None
        None before the end, and when it was cancelled.
    """

    problem: Problem
    caption: str
    texts: list[str] = field(default_factory=list)
    tokens: int = 0
    size: Size | None = None
    ledger: Ledger | None = None
    thinking: Thinking | None = None
    pen: Pen = field(default_factory=Pen)

    @property
    def text(self) -> str:
        """Everything that stands there, forced waits too."""
        return self.texts[-1] if self.texts else ""

    def attempts(self) -> list[Attempt]:
        """The attempts so far."""
        forced = [len(text) for text in self.texts[:-1]]
        return attempts(self.problem, self.text, forced)

    def cost(self) -> str:
        """FLOPs in words; empty before they are known."""
        if self.ledger is None or self.size is None:
            return ""
        if not self.size.parameters:
            return "FLOPs unknown"  # an endpoint need not tell its model's size
        return flops_words(self.ledger.flops_brown(self.size))


@dataclass(frozen=True)
class Attempt:
    """One attempt of a thought.

    Attributes
    ----------
    text : str
        Up to its answer line.
    check : str
        What the model wrote behind it.
    verdict : str or None
        "ok" or "x", the end of that check.
    whole : bool
        Whether it has an answer line.
    right : bool
        What the exact checker says.
    sound : int
        Lines before the first wrong one.
    wait : str
        What led to it: "", "wait" or "forced wait".
    """

    text: str
    check: str
    verdict: str | None
    whole: bool
    right: bool
    sound: int
    wait: str

    @property
    def lines(self) -> list[tuple[str, str]]:
        """Each line with its mark: right, the first wrong one, or none."""
        every = self.text.split("\n")
        last = len(every) if self.whole else len(every) - 1  # a cut line is not judged
        known = self.sound
        if self.whole and not self.right:
            known = min(known, last - 1)  # a countdown that misses its target
        marks = ["✓" if i < known else "✗" if i == known else " " for i in range(last)]
        return list(zip([*marks, *[" "] * (len(every) - last)], every, strict=True))

    def words(self) -> str:
        """Checker and verdict in a few words."""
        if not self.whole:
            return "– cut off"
        said = "✓ right" if self.right else "✗ wrong"
        if self.verdict is None:
            return f"{said}, no check of its own"
        mistaken = (self.verdict == RIGHT) != self.right
        return f"{said}, its own check says {self.verdict}" + (
            ": mistaken" if mistaken else ""
        )


def attempts(problem: Problem, text: str, forced: Iterable[int] = ()) -> list[Attempt]:
    """The attempts of a trace in order.

    Parameters
    ----------
    problem : Problem
    text : str
    forced : iterable of int
        Where in the text a wait was forced.

    Examples
    --------
    >>> problem, first = Problem("chains", "4+8\\n", 1), "4+8=13\\n#13\\n?12 x"
    >>> text = f"{first}\\nwait\\n4+8\\n4+8=12\\n#12\\n?12 ok"
    >>> for one in attempts(problem, text, [len(first)]):
    ...     print(one.wait or "first", "-", one.words())
    first - ✗ wrong, its own check says x
    forced wait - ✓ right, its own check says ok
    """
    places, place, found = set(forced), 0, []
    for number, part in enumerate(text.split(_BETWEEN)):
        body = part.removeprefix(problem.prompt) if number else part
        for one in thoughts(problem, body):
            whole = one.attempt.rpartition("\n")[2].startswith("#")
            right = whole and problems.domain(problem.domain).check(
                problem, one.attempt
            )
            known = one.attempt[: sound(problem, one.attempt)]
            wait = "forced wait" if place - len(_BETWEEN) in places else "wait"
            found.append(Attempt(
                one.attempt, body[len(one.attempt) :].strip("\n"), one.verdict, whole,
                right, len(known.rstrip("\n").split("\n")) if known else 0,
                wait if number else "",
            ))  # fmt: skip
        place += len(part) + len(_BETWEEN)
    return found


def counted(every: Sequence[Attempt]) -> int | None:
    """Which attempt is the answer: the last whole one."""
    whole = [i for i, one in enumerate(every) if one.whole]
    return whole[-1] if whole else None


def status_words(state: Status, live: Live | None, policy: str) -> str:
    """What is going on, in a sentence.

    >>> status_words(Status(), None, "thinker-380k")
    'Ready. Press Think: thinker-380k thinks about this problem, on this machine.'
    """
    if state.phase == "idle":
        return (
            f"Ready. Press Think: {policy} thinks about this problem, on this machine."
        )
    if state.phase == "failed":
        return f"{state.message.rstrip('.')}. {state.hint.replace('Run', 'Think')}"
    if state.phase == "stopping":
        return "Stopping …"
    tokens = live.tokens if live else 0
    spent = f"{tokens} token{'' if tokens == 1 else 's'}"
    if state.phase == "running":
        return (
            f"{state.message or 'starting'}" + (f", {spent}" if tokens else "") + " …"
        )
    if state.phase == "cancelled" or live is None or live.thinking is None:
        return f"Cancelled after {spent}; what was written is kept."
    every = live.attempts()
    answer = counted(every)
    verdict = "no whole attempt"
    if answer is not None:
        verdict = "right" if live.thinking.score >= 0.5 else "wrong"
        right = [i + 1 for i, one in enumerate(every) if one.right]
        if verdict == "wrong" and right:
            verdict = f"wrong, though attempt {right[-1]} was right"
    waits = len(live.thinking.ends)
    forced = f", {waits} forced wait{'' if waits == 1 else 's'}" if waits else ""
    cut = ", cut" if live.thinking.cut else ""
    return (
        f"Done in {clock(state.seconds)}: {verdict}. {spent}, {live.cost()}; "
        f"{len(every)} attempt{'' if len(every) == 1 else 's'}{forced}{cut}."
    )


def sentence(reading: Reading) -> str:
    """The reading below the chart; announced by screen readers when it changes."""
    first, _, rest = reading.words().partition(" right at ")
    return (
        f'<div class="tts-status" role="status"><b>{escape(first)} right</b> at '
        f"{escape(rest)}</div>"
    )


def status(state: Status, live: Live | None, policy: str) -> str:
    """The status line; announced by screen readers when it changes."""
    return status_line(state, status_words(state, live, policy), done="")


def thought(live: Live | None) -> str:
    """The attempts side by side, in the order they were written."""
    if live is None or not live.texts:
        return '<div class="tts-thought tts-under">The thought appears here.</div>'
    every = live.attempts()
    answer = counted(every)
    cards = []
    for i, one in enumerate(every):
        name = "tts-ok" if one.right else "tts-no" if one.whole else "tts-faint"
        mark, _, words = one.words().partition(" ")
        kind = " tts-answer" if i == answer else ""
        wait = f'<span class="tts-wait">{one.wait}</span> ' if one.wait else ""
        if one.wait == "forced wait":
            wait = wait.replace("tts-wait", "tts-wait tts-forced")
        last = "<b> · the answer</b>" if i == answer else ""
        lines = "\n".join(
            f'<span class="{_CLASSES[sign]}">{sign}</span> {escape(line)}'
            for sign, line in one.lines
        )
        check = f'\n<i class="tts-check">  {escape(one.check)}</i>' if one.check else ""
        cards.append(
            f'<li class="tts-attempt{kind}"><div>{wait}{i + 1}{last}</div>'
            f'<div><span class="{name}">{mark}</span> {escape(words)}</div>'
            f"<pre>{lines}{check}</pre></li>"
        )
    title = escape(" ".join(live.problem.prompt.split()))
    return (
        f'<div class="tts-under">{escape(live.caption)}: '
        f'<span class="tts-example">{title}</span></div>'
        '<ol class="tts-thought" tabindex="0" aria-label="Attempts">'
        f"{''.join(cards)}</ol>"
    )


def thought_words(live: Live) -> list[str]:
    """The same in rows."""
    every = live.attempts()
    answer, rows = counted(every), [" ".join(live.problem.prompt.split())]
    for i, one in enumerate(every):
        wait = f"{one.wait}: " if one.wait else ""
        last = " (the answer)" if i == answer else ""
        rows.append(f"{wait}attempt {i + 1}, {one.words()}{last}")
        rows += [f"  {sign} {line}" for sign, line in one.lines]
        rows += [f"    {one.check}"] if one.check else []
    return rows


_CLASSES = {"✓": "tts-ok", "✗": "tts-no", " ": ""}
