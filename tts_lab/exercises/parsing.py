"""The check of exercise 11: a self-checking trace, read as attempts and verdicts.

Promises: compares with `tts_lab.strategies.thinking.thoughts`. Not covered: whether an
attempt is right, and whether its check is.
"""

from __future__ import annotations

import random
from typing import Any

from tts_lab.exercises.comparing import grade_equal
from tts_lab.exercises.grading import Answer, Case, Mistake
from tts_lab.exercises.report import Report
from tts_lab.strategies.thinking import RIGHT, WAIT, WRONG, thoughts
from tts_lab.traces import Problem

Thought = tuple[str, str | None]


def read_thoughts(answer: Answer, seed: int) -> Report:
    """Check `read_thoughts(prompt, text)`: pairs (attempt, verdict)."""
    cut = "cut off before its check has a verdict: None"
    word = "the verdict is the last word of the line with the question mark"
    late = "nothing stands behind the last wait: that is no attempt"
    short, long = "4+8\n", "47+38*6\n"
    wrong, right = "4+8=13\n#13", "4+8=12\n#12"
    half = "47+38=85\n85*6=500\n#500"
    given = [
        (short, f"{right}\n?12 ok", ""),
        (short, f"{wrong}\n?12 x\nwait\n{short}{right}\n?12 ok", ""),
        (long, f"{half}\n?85 510 x\nwait\n{long}47+38=85\n85*6=510\n#510\n?85 510 ok",
         ""),
        (short, f"{right}\n?12 ok\nwait\n{short}{wrong}\n?12 ok",
         "a check may be wrong, and a wait may be forced: read what stands there"),
        (short, wrong, cut),
        (short, f"{wrong}\n?12 x\nwait\n{short}4+8=1", cut),
        (long, f"{half}\n?85 5", cut),
        (short, f"{wrong}\n?x", word),
        (short, f"{wrong}\n?12 x\nwait\n", late),
        (short, f"{wrong}\n?12 x\nwai", word),
        ("3 7 25>46\n", "25-3=22|7 22\n#22\n?22 x\nwait\n3 7 25>46\n25+21=46\n#46\n?x",
         word),
        (short, "", "nothing was written: an empty list"),
    ]  # fmt: skip
    rng = random.Random(seed)
    for size in (3, 4, 5):
        given.append((short, _drawn(rng, short, size), ""))
    cases = [
        Case({"prompt": prompt, "text": text}, _right(prompt, text), hint)
        for prompt, text, hint in given
    ]
    return grade_equal("read_thoughts", answer, cases, mistakes=_READINGS)


def _drawn(rng: random.Random, prompt: str, size: int) -> str:
    """A trace of so many attempts, sometimes cut off at its end."""
    parts = []
    for number in range(size):
        value = rng.randrange(10, 30)
        verdict = rng.choice((RIGHT, WRONG))
        again = prompt if number else ""
        parts.append(f"{again}4+8={value}\n#{value}\n?12 {verdict}")
    text = f"\n{WAIT}".join(parts)
    return text[: -rng.choice((3, 10))] if rng.random() < 0.5 else text


def _right(prompt: str, text: str) -> list[Thought]:
    every = thoughts(Problem("chains", prompt), text)
    return [(one.attempt, one.verdict) for one in every]


def read(
    prompt: str,
    text: str,
    *,
    again: bool = False,
    checked: bool = False,
    split: str = f"\n{WAIT}",
    none: str | None = None,
    line: bool = False,
    whole: bool = False,
    empty: bool = False,
    unanswered: bool = True,
) -> list[Thought]:
    """The attempts, or with another rule.

    The problem stays in front when it is stated `again`; the attempt is left with the
    line that `checked` it; it is `split` elsewhere; a verdict that is missing is
    `none`; the verdict is the whole `line`; only `whole` ones are kept, or `empty`
    ones too, or none `unanswered`.
    """
    found: list[Thought] = []
    for number, part in enumerate(text.split(split)):
        body = part if again or not number else part.removeprefix(prompt)
        lines = body.split("\n")
        place = next((i for i, x in enumerate(lines) if x.startswith("?")), None)
        said = None if place is None else lines[place]
        verdict = None if said is None else said.split(" ")[-1].lstrip("?")
        verdict = verdict if verdict in (RIGHT, WRONG) else none
        kept = place if not checked or place is None else place + 1
        attempt = "\n".join(lines[:kept]).rstrip("\n")
        if whole and verdict is None:
            continue
        if not unanswered and "#" not in attempt:
            continue
        if attempt or verdict not in (None, none) or empty:
            found.append((attempt, said if line else verdict))
    return found


def _ruled(**rule: Any) -> Answer:
    return lambda prompt, text: read(prompt, text, **rule)


_READINGS = (
    Mistake(
        "behind a wait the problem is stated again: it is no part of the attempt, take "
        "it off its front",
        _ruled(again=True),
    ),
    Mistake(
        "the line with the question mark is the check; the attempt ends before it",
        _ruled(checked=True),
    ),
    Mistake(
        "the whole check is given as the verdict; it is its last word, ok or x",
        _ruled(line=True),
    ),
    Mistake(
        "an attempt that was cut off counts as wrong here; nothing is known of it, its "
        "verdict is None",
        _ruled(none=WRONG),
    ),
    Mistake(
        "an attempt that was cut off counts as right here; nothing is known of it, its "
        "verdict is None",
        _ruled(none=RIGHT),
    ),
    Mistake(
        "attempts without a verdict are dropped; they are read too, with None",
        _ruled(whole=True),
    ),
    Mistake(
        "attempts without an answer line are dropped; they are read too",
        _ruled(unanswered=False),
    ),
    Mistake(
        "an empty attempt is returned, where nothing was written",
        _ruled(empty=True),
    ),
    Mistake(
        "only the last attempt is returned: all are, in order",
        lambda prompt, text: read(prompt, text)[-1:],
    ),
    Mistake(
        "only the first attempt is returned: all are, in order",
        lambda prompt, text: read(prompt, text)[:1],
    ),
    Mistake(
        "the pairs are the wrong way round: (attempt, verdict)",
        lambda prompt, text: [(b, a) for a, b in read(prompt, text)],
    ),
    Mistake(
        "the verdicts alone are returned: pairs (attempt, verdict)",
        lambda prompt, text: [verdict for _, verdict in read(prompt, text)],
    ),
    Mistake(
        "the attempts alone are returned: pairs (attempt, verdict)",
        lambda prompt, text: [attempt for attempt, _ in read(prompt, text)],
    ),
    Mistake(
        "the verdict is True or False here; it is the word that stands there, or None",
        lambda prompt, text: [(a, v and v == RIGHT) for a, v in read(prompt, text)],
    ),
    Mistake(
        "line breaks are left around the attempts: the trace is split at the word "
        "alone. Split it at the whole line",
        lambda prompt, text: [
            (part.partition("?")[0], verdict)
            for part, (_, verdict) in zip(
                text.split("wait"), read(prompt, text), strict=False
            )
        ],
    ),
)
