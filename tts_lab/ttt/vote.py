"""Two-stage voting over answers from several sides (Akyurek et al. 2411.07279, sec. 4).

First each transformation's answers elect their three most frequent; then all elected
ones vote, and the two most frequent are the answers (pass@2). Ties favour what the
identity found, then what was seen first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from tts_lab.problems.transformations import Row

PER_VIEW = 3
ANSWERS = 2


@dataclass(frozen=True)
class Ballot:
    """Both stages of a vote.

    Attributes
    ----------
    each : dict of transformation to dict of row to int
        The first stage: votes of each transformation's answers, most first.
    elected : dict of row to int
        The second: votes that the elected ones bring along, the winner first.
    """

    each: dict[str, dict[Row, int]]
    elected: dict[Row, int]

    @property
    def answers(self) -> list[Row]:
        """The two that count, best first."""
        return list(self.elected)[:ANSWERS]


def two_stage(found: Sequence[tuple[str, Row | None]]) -> list[Row]:
    """The two answers, best first.

    Parameters
    ----------
    found : sequence of (transformation, row or None)
        Answers, turned back; None for a trace without an answer, which never votes.

    Examples
    --------
    >>> two_stage([("identity", (1,)), ("reverse", (2,)), ("reverse", (2,)),
    ...            ("identity", (2,)), ("reverse", None)])
    [(2,), (1,)]
    """
    return ballot(found).answers


def ballot(found: Sequence[tuple[str, Row | None]]) -> Ballot:
    """The votes of `two_stage`.

    >>> ballot([("identity", (1,)), ("reverse", (1,)), ("reverse", (2,))]).elected
    {(1,): 2, (2,): 1}
    """
    each: dict[str, Counter[Row]] = {}
    for name, row in found:
        if row is not None:
            each.setdefault(name, Counter())[row] += 1
    elected: Counter[Row] = Counter()
    for votes in each.values():
        elected.update(dict(votes.most_common(PER_VIEW)))
    plain = each.get("identity", Counter())
    first = {row: -i for i, (_, row) in enumerate(reversed(found)) if row is not None}
    ranked = sorted(elected, key=lambda row: (-elected[row], -plain[row], first[row]))
    return Ballot(
        {name: dict(votes.most_common()) for name, votes in each.items()},
        {row: elected[row] for row in ranked},
    )


def flat(found: Sequence[tuple[str, Row | None]]) -> list[Row]:
    """All answers in one vote, the two most frequent; for comparison."""
    votes = Counter(row for _, row in found if row is not None)
    return [row for row, _ in votes.most_common(ANSWERS)]
