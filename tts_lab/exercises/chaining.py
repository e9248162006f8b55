"""The check of exercise 6's choice: a vote within each chain, then among the chains.

Promises: compares with exact sums, in the policies of `tts_lab.select`, whose
`hierarchical_vote` chooses the same (a test compares). Not covered: traces and models
(answers are given as numbers).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report

Answers = Sequence[int | None]
Scores = Sequence[float]

#: an answer and its weight
Vote = tuple[int, float]
Within = Callable[[Answers, Scores], Vote | None]


def chain_vote(answer: Answer, seed: int) -> Report:
    """Check `chain_vote(answers, scores)`: one list of each for every chain."""
    cut = "an attempt without an answer (None) never votes, whatever its score"
    nobody = "a chain in which nobody answers has no winner, and the others decide"
    first = "equal sums go to the answer that was seen first"
    given: list[tuple[list[list[int | None]], list[list[float]], str]] = [
        ([[15, 14, 14]], [[0.75, 0.5, 0.375]], ""),
        ([[15, 14], [14, 15], [14, 12]],
         [[0.875, 0.125], [0.375, 0.25], [0.375, 0.125]], ""),
        ([[14, 14, 14, 15], [15, 16], [15, 12]],
         [[0.25, 0.25, 0.25, 0.5], [0.375, 0.25], [0.25, 0.125]], ""),
        ([[15, 14], [15, 14], [15, 14]],
         [[0.625, 0.5], [0.25, 0.75], [0.25, 0.75]], ""),
        ([[15, 15, 14], [14, 15]], [[0.25, 0.25, 0.375], [0.5, 0.25]], ""),
        ([[15], [14], [14]], [[0.75], [0.125], [0.25]], ""),
        ([[15], [14], [14]], [[0.5], [0.375], [0.375]], ""),
        ([[12, 14, 16, 14], [15, 12]],
         [[0.5, 0.375, 0.125, 0.25], [0.4375, 0.25]], ""),
        ([[14, 14, 15], [16]], [[0.75, 0.25, 0.125], [0.625]], ""),
        ([[None, None, 14], [15, 15]], [[0.75, 0.75, 0.25], [0.125, 0.0]], cut),
        ([[None, None], [15, None]], [[0.75, 0.5], [0.125, 0.5]], nobody),
        ([[], [15]], [[], [0.5]], nobody),
        ([[None], [None, None]], [[0.5], [0.5, 0.75]], "nobody answers: None"),
        ([], [], "no chains: None, and no error"),
        ([[15, 14, 14, 15]], [[0.25, 0.5, 0.25, 0.5]], first),
        ([[15], [14]], [[0.5], [0.5]], first),
        ([[14, 15], [15, 14]], [[0.0, 0.0], [0.0, 0.0]], first),
    ]  # fmt: skip
    rng = random.Random(seed)
    for chains, steps in ((3, 4), (4, 8), (2, 6), (8, 4)):
        drawn = [[rng.choice([None, 12, 34, 56]) for _ in range(steps)] for _ in
                 range(chains)]  # fmt: skip
        values = [[rng.randrange(64) / 64 for _ in one] for one in drawn]
        given.append((drawn, values, ""))
    cases = [
        Case({"answers": answers, "scores": scores}, voted(answers, scores), hint)
        for answers, scores, hint in given
    ]
    return grade("chain_vote", answer, cases, mistakes=_VOTES)


def voted(answers: Sequence[Answers], scores: Sequence[Scores]) -> int | None:
    """The answer of the hierarchical vote.

    >>> voted([[7, 8], [8, 7]], [[0.9, 0.1], [0.6, 0.5]])
    7
    """
    return _across(answers, scores, _winner)


def _across(
    answers: Sequence[Answers],
    scores: Sequence[Scores],
    within: Within,
    *,
    weigh: bool = True,
) -> int | None:
    """A vote among the winners, by a rule that finds them."""
    pairs = zip(answers, scores, strict=True)
    winners = [one for one in (within(a, s) for a, s in pairs) if one is not None]
    totals = _totals([a for a, _ in winners], [w if weigh else 1.0 for _, w in winners])
    return max(totals, key=totals.__getitem__, default=None)


def _totals(answers: Answers, scores: Scores) -> dict[int, float]:
    totals: dict[int, float] = {}
    for one, score in zip(answers, scores, strict=True):
        if one is not None:
            totals[one] = totals.get(one, 0.0) + score
    return totals


def _winner(answers: Answers, scores: Scores) -> Vote | None:
    """By a weighted vote; it has the score of its best attempt."""
    totals = _totals(answers, scores)
    if not totals:
        return None
    best = max(totals, key=totals.__getitem__)
    return best, max(s for a, s in zip(answers, scores, strict=True) if a == best)


def _summed(answers: Answers, scores: Scores) -> Vote | None:
    totals = _totals(answers, scores)
    best = max(totals, key=totals.__getitem__, default=None)
    return None if best is None else (best, totals[best])


def _averaged(answers: Answers, scores: Scores) -> Vote | None:
    won = _summed(answers, scores)
    return None if won is None else (won[0], won[1] / list(answers).count(won[0]))


def _counted(answers: Answers, scores: Scores) -> Vote | None:
    counts = _totals(answers, [1.0] * len(scores))
    best = max(counts, key=counts.__getitem__, default=None)
    if best is None:
        return None
    return best, max(s for a, s in zip(answers, scores, strict=True) if a == best)


def _highest(answers: Answers, scores: Scores) -> Vote | None:
    pairs = [(a, s) for a, s in zip(answers, scores, strict=True) if a is not None]
    return max(pairs, key=lambda pair: pair[1], default=None)


def _last(answers: Answers, scores: Scores) -> Vote | None:
    pairs = [(a, s) for a, s in zip(answers, scores, strict=True) if a is not None]
    return pairs[-1] if pairs else None


def _first_attempt(answers: Answers, scores: Scores) -> Vote | None:
    pairs = [(a, s) for a, s in zip(answers, scores, strict=True) if a is not None]
    return pairs[0] if pairs else None


def _with_missing(answers: Answers, scores: Scores) -> Vote | None:
    return _winner([-1 if one is None else one for one in answers], scores)


def _last_tie(answers: Answers, scores: Scores) -> Vote | None:
    return _winner(list(answers)[::-1], list(scores)[::-1])


def _flat(lists: Sequence[Sequence[Any]]) -> list[Any]:
    return [one for chain in lists for one in chain]


def _missing_wins(answers: Sequence[Answers], scores: Sequence[Scores]) -> int | None:
    found = _across(answers, scores, _with_missing)
    return None if found == -1 else found


def _with(within: Within, *, weigh: bool = True) -> Answer:
    return lambda answers, scores: _across(answers, scores, within, weigh=weigh)


_VOTES = (
    Mistake(
        "the last attempt of each chain is taken. Revision spoils right attempts too: "
        "every attempt of a chain may win",
        _with(_last),
    ),
    Mistake(
        "the last attempt of each chain is taken, and each chain counts once. Revision "
        "spoils right attempts too: every attempt of a chain may win, by its score",
        _with(_last, weigh=False),
    ),
    Mistake(
        "the very last attempt is taken. Revision spoils right attempts too: every "
        "attempt of every chain may win",
        lambda answers, scores: (_flat(answers) or [None])[-1],
    ),
    Mistake(
        "the first attempt of each chain is taken, as if nothing had been revised",
        _with(_first_attempt),
    ),
    Mistake(
        "all attempts are thrown into one pot: this is the plain weighted vote. First "
        "find a winner in each chain, then let only the winners vote",
        lambda answers, scores: voted([_flat(answers)], [_flat(scores)]),
    ),
    Mistake(
        "a chain's winner votes with the sum of its attempts' scores, so a long chain "
        "that repeats itself outvotes others; it votes with the score of its best "
        "attempt",
        _with(_summed),
    ),
    Mistake(
        "a chain's winner votes with the mean of its attempts' scores; it votes with "
        "the score of its best attempt",
        _with(_averaged),
    ),
    Mistake(
        "the winners count once each: that is a majority of chains. Each votes with "
        "its score",
        _with(_winner, weigh=False),
    ),
    Mistake(
        "in a chain the single highest score wins; there too the scores of each answer "
        "are added up",
        _with(_highest),
    ),
    Mistake(
        "in a chain the most frequent answer wins, and the scores are not used; there "
        "too they are added up",
        _with(_counted),
    ),
    Mistake(
        "this is the majority of all attempts; the scores are not used",
        lambda answers, scores: voted(
            [_flat(answers)], [[1.0] * len(_flat(answers))]
        ),
    ),
    Mistake(
        "this is best-of-n: the highest score of all attempts wins, whatever else the "
        "chains say",
        lambda answers, scores: (
            _highest(_flat(answers), _flat(scores)) or (None, 0.0)
        )[0],
    ),
    Mistake(
        "the winner with the highest score is taken; the winners' scores are added up "
        "for each answer, as within a chain",
        lambda answers, scores: max(
            (one for one in map(_winner, answers, scores) if one is not None),
            key=lambda vote: vote[1], default=(None, 0.0),
        )[0],
    ),
    Mistake(
        "attempts without an answer vote as if None were an answer, and can win",
        _missing_wins,
    ),
    Mistake("of equal sums the last seen is taken, not the first", _with(_last_tie)),
)  # fmt: skip
