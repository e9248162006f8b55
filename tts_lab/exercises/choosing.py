"""Checks of exercise 3: the weighted vote, and what a noisy verifier passes.

Promises: `weighted_vote` compares with exact sums; `precision` with the formula of
conditional probability. Not covered: traces and models (answers are given as numbers).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tts_lab.exercises.grading import Case, Mistake, grade
from tts_lab.exercises.report import Report

Answers = Sequence[int | None]
Vote = Callable[[Answers, Sequence[float]], int | None]


def weighted_vote(answer: Vote, seed: int) -> Report:
    """Check `weighted_vote(answers, scores)`: the answer with the largest sum."""
    missing = "a sample without an answer (None) never votes, whatever its score"
    first = "equal sums go to the answer that was seen first"
    plain: list[tuple[Answers, list[float], str]] = [
        ([15, 14, 14], [0.75, 0.5, 0.5], ""),
        ([15, 14, 15, 16], [0.25, 0.75, 0.25, 0.5], ""),
        ([15, 14], [0.5, 0.25], ""),
        ([15, 15, 14], [0.875, 0.125, 0.625], ""),
        ([15, 15, 15, 14], [0.125, 0.125, 0.125, 0.5], ""),
        ([None, None, 14], [0.75, 0.75, 0.25], missing),
        ([None, None], [0.75, 0.5], "when nobody answers, nothing is chosen: None"),
        ([], [], "no samples: None, and no error"),
        ([15, 14, 14, 15], [0.25, 0.5, 0.25, 0.5], first),
        ([9, 10], [0.5, 0.5], first),
        ([14, 15], [0.0, 0.0], first),
    ]
    rng = random.Random(seed)
    for size in (6, 20):
        drawn = [rng.choice([None, 12, 34, 56, 78]) for _ in range(size)]
        plain.append((drawn, [rng.randrange(64) / 64 for _ in drawn], ""))
    cases = [
        Case({"answers": list(given), "scores": scores}, _right(given, scores), hint)
        for given, scores, hint in plain
    ]
    return grade("weighted_vote", answer, cases, mistakes=_VOTES)


def precision(answer: Callable[[float, float, float], float], seed: int) -> Report:
    """Check `precision(p, false_positives, false_negatives)`."""
    given = [
        (0.5, 0.0, 0.0, ""),
        (0.5, 0.5, 0.0, ""),
        (0.02, 0.02, 0.0, "of 98 wrong traces in 100, two in a hundred pass as well"),
        (0.5, 0.5, 0.5, ""),
        (0.25, 0.125, 0.5, ""),
        (0.125, 0.0, 0.5, "without false positives, all that passes is right"),
        (1.0, 0.25, 0.25, "no trace is wrong, so none passes wrongly"),
        (0.0, 0.25, 0.0, "no trace is right, so nothing that passes is"),
    ]
    rng = random.Random(seed)
    given += [(rng.random(), rng.random(), 0.9 * rng.random(), "") for _ in range(4)]
    cases = [
        Case(
            {"p": p, "false_positives": fp, "false_negatives": fn},
            _passes_right(p, fp, fn), hint,
        )
        for p, fp, fn, hint in given
    ]  # fmt: skip
    return grade("precision", answer, cases, mistakes=_PRECISIONS)


def _right(answers: Answers, scores: Sequence[float]) -> int | None:
    return _best(answers, scores, lambda total, score: total + score)


def _best(
    answers: Answers,
    scores: Sequence[float],
    combine: Callable[[float, float], float],
    start: float = 0.0,
) -> int | None:
    totals: dict[int, float] = {}
    for one, score in zip(answers, scores, strict=True):
        if one is not None:
            totals[one] = combine(totals.get(one, start), score)
    return max(totals, key=totals.__getitem__, default=None)


def _with_missing(answers: Answers, scores: Sequence[float]) -> int | None:
    named = [-1 if one is None else one for one in answers]
    found = _right(named, scores)
    return None if found == -1 else found


def _mean(answers: Answers, scores: Sequence[float]) -> int | None:
    counts = {one: answers.count(one) for one in answers if one is not None}
    even = [s / counts[a] if a in counts else 0.0
            for a, s in zip(answers, scores, strict=True)]  # fmt: skip
    return _right(answers, even)


def _last_tie(answers: Answers, scores: Sequence[float]) -> int | None:
    totals: dict[int, float] = {}
    for one, score in zip(answers, scores, strict=True):
        if one is not None:
            totals[one] = totals.get(one, 0.0) + score
    most = max(totals.values(), default=0.0)
    best = [one for one, total in totals.items() if total == most]
    return best[-1] if best else None


_VOTES = (
    Mistake(
        "this is the majority: every trace counts once, and the scores are not used",
        lambda answers, scores: _right(answers, [1.0] * len(scores)),
    ),
    Mistake(
        "this is best-of-n: the highest single score wins. Add up the scores of each "
        "answer",
        lambda answers, scores: _best(answers, scores, max),
    ),
    Mistake(
        "the samples without an answer vote as if None were an answer, and can win",
        _with_missing,
    ),
    Mistake(
        "the scores of an answer are averaged; added up, many fair traces beat one "
        "good one",
        _mean,
    ),
    Mistake("of equal sums the last seen is taken, not the first", _last_tie),
    Mistake(
        "the smallest sum is taken",
        lambda answers, scores: _right(answers, [-score for score in scores]),
    ),
)


def _passes_right(p: float, fp: float, fn: float) -> float:
    right, wrong = p * (1 - fn), (1 - p) * fp
    return right / (right + wrong) if right + wrong else 0.0


_PRECISIONS = (
    Mistake(
        "the rates are mixed up: right traces are lost by false negatives, wrong ones "
        "pass by false positives",
        lambda p, fp, fn: _passes_right(p, fn, fp),
    ),
    Mistake(
        "this is the share of all traces that are right and pass; divide by the share "
        "that passes",
        lambda p, fp, fn: p * (1 - fn),
    ),
    Mistake(
        "this is the share that passes; of it, the share that is right was asked",
        lambda p, fp, fn: p * (1 - fn) + (1 - p) * fp,
    ),
    Mistake(
        "the false positives are taken of all traces; they come from the wrong ones "
        "only, a share of 1 - p",
        lambda p, fp, fn: p * (1 - fn) / (p * (1 - fn) + fp) if p or fp else 0.0,
    ),
    Mistake(
        "this is 1 - false_positives, the share of wrong traces that are refused; how "
        "many traces are right matters too",
        lambda p, fp, fn: 1 - fp,
    ),
)
