"""The check of exercise 10's two-stage vote (Akyurek et al. 2411.07279, sec. 4).

Promises: compares with `tts_lab.ttt.vote.two_stage`; answers are short rows. Not
covered: where they come from.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence

from tts_lab.exercises.comparing import grade_equal
from tts_lab.exercises.grading import Answer, Case, Mistake
from tts_lab.exercises.report import Report
from tts_lab.ttt import vote

Row = tuple[int, ...]
Found = Sequence[tuple[str, Row | None]]

A, B, C, D, E, F = ((n,) for n in range(1, 7))
I, R = "identity", "reverse"  # noqa: E741


def two_stage(answer: Answer, seed: int) -> Report:
    """Check `two_stage(found)`: the two rows that the votes elect, best first."""
    empty = "an answer that is None never votes"
    tie = "equal sums go to the row that the identity found more often"
    seen = "where the identity does not decide either, the row seen first is ahead"
    second = "each elected row brings all its votes of that transformation along"
    third = "only three rows of each transformation are elected"
    given: list[tuple[list[tuple[str, Row | None]], str]] = [
        ([(I, A), (I, A), (R, B), (R, A)], ""),
        ([(I, A), (R, B), (R, B), (I, B), (R, C)], second),
        ([(I, A), (I, None), (I, None), (R, None), (R, B), (R, B)], empty),
        ([(R, B), (R, C), (I, A), (I, C)], ""),
        ([(R, B), (R, B), (I, A), (I, A)], tie),
        ([(R, B), (I, A)], tie),
        ([(R, A), (R, B)], seen),
        ([(R, C), (I, D), (R, D), (I, C)], seen),
        ([(I, A), (I, B), (I, C), (I, D), (R, D), (R, E), (R, F)], third),
        ([(I, A), (I, A), (I, B), (I, B), (I, C), (I, C), (I, D),
          (R, D), (R, D)], third),
        ([(I, A), (I, A), (I, A), (R, B), (R, B), (I, B), (R, C)], ""),
        ([(I, A)], "with one row there is one answer"),
        ([(I, None), (R, None)], "where nobody answers the list is empty"),
        ([], "no answers: an empty list, and no error"),
    ]  # fmt: skip
    rng = random.Random(seed)
    for size in (8, 12, 12):
        rows = [None, A, A, B, C, D, E]
        given.append(
            ([(rng.choice((I, R)), rng.choice(rows)) for _ in range(size)], "")
        )
    cases = [
        Case({"found": found}, vote.two_stage(found), hint) for found, hint in given
    ]
    return grade_equal("two_stage", answer, cases, mistakes=_VOTES)


def elected(
    found: Found,
    *,
    per: int | None = vote.PER_VIEW,
    answers: int | None = vote.ANSWERS,
    weighed: bool = True,
    empty: bool = False,
    identity: bool = True,
    last: bool = False,
    least: bool = False,
) -> list[Row | None]:
    """The two-stage vote, or with another rule.

    `per` rows of each transformation, so many `answers`, `weighed` by their votes;
    `empty` answers vote; ties do not favour the `identity`, or the row seen `last`.
    """
    each: dict[str, Counter[Row | None]] = {}
    for name, row in found:
        if row is not None or empty:
            each.setdefault(name, Counter())[row] += 1
    sums: Counter[Row | None] = Counter()
    for votes in each.values():
        for row, number in votes.most_common(per):
            sums[row] += number if weighed else 1
    plain = each.get(I, Counter())
    places = {row: i for i, (_, row) in reversed([*enumerate(found)])}
    if last:
        places = {row: -i for i, (_, row) in enumerate(found)}
    sign = 1 if least else -1
    ranked = sorted(
        sums,
        key=lambda row: (sign * sums[row], -plain[row] * identity, places[row]),
    )
    return ranked[:answers]


def _ruled(**rule: bool | int | None) -> Callable[[Found], list[Row | None]]:
    return lambda found: elected(found, **rule)  # type: ignore[arg-type]


def _only(name: str) -> Callable[[Found], list[Row | None]]:
    return lambda found: elected([one for one in found if one[0] == name])


def _winners(found: Found) -> list[Row | None]:
    """The winner of each transformation."""
    names = dict.fromkeys(name for name, _ in found)
    parts = [elected([one for one in found if one[0] == name]) for name in names]
    return list(dict.fromkeys(part[0] for part in parts if part))[: vote.ANSWERS]


_VOTES = (
    Mistake(
        "the answers that are None vote as if None were a row, and can win",
        _ruled(empty=True),
    ),
    Mistake(
        "the first stage is missing: all answers are in one vote. First the three most "
        "frequent rows of each transformation are elected",
        _ruled(per=None),
    ),
    Mistake(
        "in the second stage every elected row counts once; it brings along the votes "
        "it had",
        _ruled(weighed=False),
    ),
    Mistake(
        "ties go to the row that was seen first; before that, to the one that the "
        "identity found more often",
        _ruled(identity=False),
    ),
    Mistake("of equal rows the last seen is ahead, not the first", _ruled(last=True)),
    Mistake(
        "of equal rows the last seen is ahead; before, the identity decides, and then "
        "the first seen",
        _ruled(last=True, identity=False),
    ),
    Mistake(
        "each transformation elects one row; it elects its three most frequent",
        _ruled(per=1),
    ),
    Mistake(
        "each transformation elects two rows; it elects its three most frequent",
        _ruled(per=2),
    ),
    Mistake("one answer is returned: two count, best first", _ruled(answers=1)),
    Mistake("three answers are returned: two count", _ruled(answers=3)),
    Mistake(
        "all rows are returned, sorted: the two best of them count",
        _ruled(answers=None),
    ),
    Mistake("the rarest rows win", _ruled(least=True)),
    Mistake("only the answers of the identity vote", _only(I)),
    Mistake(
        "the answers are the winners of each transformation; after the first stage "
        "there is a vote among all that were elected",
        _winners,
    ),
    Mistake(
        "the result is the worse one first: best first",
        lambda found: elected(found)[::-1],
    ),
    Mistake(
        "the row itself is returned; wanted is a list of two rows",
        lambda found: (elected(found) or [None])[0],
    ),
)
