"""The check of exercise 11's vote among the attempts of one thought.

Promises: compares with the rule as the exercise states it. Not covered: which rule is
best, which depends on how well a model checks itself.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report
from tts_lab.strategies.thinking import RIGHT, WRONG

Answers = Sequence[int | None]
Verdicts = Sequence[str | None]


def thought_vote(answer: Answer, seed: int) -> Report:
    """Check `thought_vote(answers, verdicts)`: the majority of what is not refused."""
    fallback = "when every attempt is refused, all of them vote"
    late = "of equally many votes the answer that was given last is taken"
    cut = "an attempt without an answer never votes; one without a verdict does"
    ok, no = RIGHT, WRONG
    given: list[tuple[list[int | None], list[str | None], str]] = [
        ([15, 14, 14], [no, ok, ok], ""),
        ([15, 15, 14], [no, no, ok], "an attempt that its check refuses does not vote"),
        ([15, 14, 15, 16], [ok, ok, ok, ok], "the last attempt is one of four"),
        ([15, 15, 14], [no, no, no], fallback),
        ([15, 14], [no, no], fallback),
        ([15, 14], [ok, ok], late),
        ([14, 15, 15, 14, 16], [ok, ok, ok, ok, no], late),
        ([15, 14, None], [ok, ok, None], cut),
        ([15, 14, 14], [ok, None, None], cut),
        ([None, None, 14], [None, None, no], cut),
        ([None], [None], "nobody answers: None"),
        ([], [], "no attempts: None, and no error"),
    ]
    rng = random.Random(seed)
    for size in (6, 9, 12):
        drawn: list[int | None] = [rng.choice([12, 34, 56, None]) for _ in range(size)]
        given.append((drawn, [rng.choice([ok, no, no, None]) for _ in drawn], ""))
    cases = [
        Case({"answers": answers, "verdicts": verdicts}, vote(answers, verdicts), hint)
        for answers, verdicts, hint in given
    ]
    return grade("thought_vote", answer, cases, mistakes=_VOTES)


def vote(
    answers: Answers,
    verdicts: Verdicts,
    *,
    checked: bool = True,
    fallback: bool = True,
    strict: bool = False,
    first: bool = False,
    empty: bool = False,
    refused: bool = False,
) -> int | None:
    """The vote, or with another rule.

    Attempts are not `checked`; no `fallback` to all; `strict`: only those called right;
    of equal answers the `first`; `empty` ones vote; the `refused` ones do.
    """
    every = [
        (-1 if one is None else one, verdict)
        for one, verdict in zip(answers, verdicts, strict=True)
        if one is not None or empty
    ]
    kept = [
        one
        for one, verdict in every
        if not checked
        or (verdict == WRONG if refused else verdict == RIGHT)
        or (verdict is None and not strict)
    ]
    if not kept and fallback:
        kept = [one for one, _ in every]
    if not kept:
        return None
    order = kept if first else kept[::-1]
    best = max(dict.fromkeys(order), key=kept.count)
    return None if best == -1 else best


def _last(answers: Answers, verdicts: Verdicts) -> int | None:
    return next((one for one in reversed(answers) if one is not None), None)


def _last_right(answers: Answers, verdicts: Verdicts) -> int | None:
    pairs = list(zip(answers, verdicts, strict=True))
    right = [one for one, verdict in pairs if one is not None and verdict == RIGHT]
    return right[-1] if right else _last(answers, verdicts)


def _first_right(answers: Answers, verdicts: Verdicts) -> int | None:
    pairs = list(zip(answers, verdicts, strict=True))
    right = [one for one, verdict in pairs if one is not None and verdict == RIGHT]
    return right[0] if right else vote(answers, verdicts)


_VOTES = (
    Mistake("this is the last attempt; all that are not refused vote", _last),
    Mistake(
        "the verdicts are not used: an attempt that its own check refuses does not "
        "vote",
        lambda answers, verdicts: vote(answers, verdicts, checked=False),
    ),
    Mistake(
        "of equally many votes the answer given first is taken; the last had more "
        "before it",
        lambda answers, verdicts: vote(answers, verdicts, first=True),
    ),
    Mistake(
        "the verdicts are not used, and of equal answers the first is taken",
        lambda answers, verdicts: vote(answers, verdicts, checked=False, first=True),
    ),
    Mistake(
        "when every attempt is refused nothing is answered here; then all of them vote",
        lambda answers, verdicts: vote(answers, verdicts, fallback=False),
    ),
    Mistake(
        "attempts without a verdict do not vote here; only refused ones do not",
        lambda answers, verdicts: vote(answers, verdicts, strict=True),
    ),
    Mistake(
        "attempts without an answer vote as if None were one, and can win",
        lambda answers, verdicts: vote(answers, verdicts, empty=True),
    ),
    Mistake(
        "the refused attempts vote and the others do not",
        lambda answers, verdicts: vote(answers, verdicts, refused=True, strict=True),
    ),
    Mistake(
        "this is the last attempt that its check calls right; all of them vote",
        _last_right,
    ),
    Mistake(
        "this is the first attempt that its check calls right, as if thinking ended "
        "there; all of them vote",
        _first_right,
    ),
)
