"""Two-stage voting over answers from several sides (Akyurek et al. 2411.07279, sec. 4).

First each transformation's answers elect their three most frequent; then all elected
ones bring their votes together, and the two most frequent are the answers (pass@2).
Ties favour what the identity found, then what was seen first. An answer is anything
that can be hashed: a row of cells here, a text in `tts_lab.ttt.hugging_face`.

The authors' program (ekinakyurek/marc, `arclib/voting.py`) differs: there each
transformation gives its elected ones one vote each, and so do all answers together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

IDENTITY = "identity"
PER_VIEW = 3
ANSWERS = 2

Answer = TypeVar("Answer", bound=Hashable)


@dataclass(frozen=True)
class Ballot(Generic[Answer]):
    """Both stages of a vote.

    Attributes
    ----------
    each : dict of transformation to dict of answer to int
        The first stage: votes of each transformation's answers, most first.
    elected : dict of answer to int
        The second: votes that the elected ones bring along, the winner first.
    """

    each: dict[str, dict[Answer, int]]
    elected: dict[Answer, int]

    @property
    def answers(self) -> list[Answer]:
        """The two that count, best first."""
        return list(self.elected)[:ANSWERS]


def two_stage(found: Sequence[tuple[str, Answer | None]]) -> list[Answer]:
    """The two answers, best first.

    Parameters
    ----------
    found : sequence of (transformation, answer or None)
        Answers, turned back; None for a trace without an answer, which never votes.
        One transformation is called "identity".

    Examples
    --------
    >>> two_stage([("identity", (1,)), ("reverse", (2,)), ("reverse", (2,)),
    ...            ("identity", (2,)), ("reverse", None)])
    [(2,), (1,)]
    """
    return ballot(found).answers


def ballot(found: Sequence[tuple[str, Answer | None]]) -> Ballot[Answer]:
    """The votes of `two_stage`.

    >>> ballot([("identity", (1,)), ("reverse", (1,)), ("reverse", (2,))]).elected
    {(1,): 2, (2,): 1}
    """
    each: dict[str, Counter[Answer]] = {}
    for name, answer in found:
        if answer is not None:
            each.setdefault(name, Counter())[answer] += 1
    elected: Counter[Answer] = Counter()
    for votes in each.values():
        elected.update(dict(votes.most_common(PER_VIEW)))
    plain = each.get(IDENTITY, Counter())
    order = [answer for _, answer in found]
    ranked = sorted(elected, key=lambda a: (-elected[a], -plain[a], order.index(a)))
    return Ballot(
        {name: dict(votes.most_common()) for name, votes in each.items()},
        {answer: elected[answer] for answer in ranked},
    )
