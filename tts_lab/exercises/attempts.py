"""Attempts of a chain of revisions: what the next one sees, and what it should not.

Promises: `shown` writes what a policy that learned to revise expects; `cause` says why
an attempt sees the wrong ones. Not covered: who asks (`tts_lab.exercises.talking`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tts_lab.strategies.revision import WINDOW, context
from tts_lab.traces import Problem


def shown(problem: Problem, attempts: Sequence[str]) -> str:
    """What an attempt sees behind the problem: those before it, then the problem again.

    Parameters
    ----------
    problem : Problem
    attempts : sequence of str
        The texts that are to be seen, oldest first. The oldest are left out when they
        do not all fit into a rung's context.

    Returns
    -------
    str
        Empty for a first attempt.

    Examples
    --------
    >>> shown(Problem("chains", "47+38\\n"), ["#9", "47+38=84\\n#84"])
    '47+38=84\\n#84\\n?\\n#9\\n?\\n47+38\\n'
    >>> shown(Problem("chains", "47+38\\n"), [])
    ''
    """
    return context(problem.prompt, attempts, window=max(len(attempts), 1))


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One attempt: the number of its chain, its place there, and its own text."""

    chain: int
    place: int
    text: str
    tokens: int
    finished: bool

    def __str__(self) -> str:
        return name(self.chain, self.place)

    @property
    def score(self) -> float:
        """A known score, the same for every verifier."""
        return float(int(self.text.rpartition("#")[2]) * 3 % 10) / 10


def name(chain: int, place: int) -> str:
    """Chains have letters, and their attempts numbers from 1.

    >>> name(1, 0)
    'B1'
    """
    return f"{chr(ord('A') + chain % 26)}{place + 1}"


def names(attempts: Sequence[Attempt]) -> str:
    """
    >>> names([])
    'nothing'
    """
    return ", ".join(map(str, attempts)) or "nothing"


def cause(seen: Sequence[Attempt], own: Sequence[Attempt]) -> str:
    """Why these were seen, and not the last ones of the chain `own`."""
    seen, own = list(seen), list(own)
    chains = {attempt.chain for attempt in seen}
    right = own[-WINDOW:]
    if len(chains) > 1:
        return (
            "attempts of other chains are seen: chains know nothing of each other, so "
            "keep one list for each"
        )
    if len(own) > 1 and seen in (right[::-1], own[::-1]):
        return (
            "the attempts are handed over newest first; `shown` takes the oldest first"
        )
    if len(seen) > WINDOW:
        return (
            f"{len(seen)} attempts are seen; the model has learnt from {WINDOW} at "
            f"most: the last {WINDOW} of the chain"
        )
    if len(own) > WINDOW and seen == own[:WINDOW]:
        return f"these are the first {WINDOW} of the chain; the last are wanted"
    if seen == [attempt for attempt in right if attempt.finished]:
        return "an attempt that was cut off is left out; the next one sees it as it is"
    if seen == right[-len(seen) :]:
        return (
            f"only the last {len(seen)} is seen; an attempt sees up to {WINDOW}, all "
            "there are in a younger chain"
        )
    if seen == right[:-1]:
        return "the newest attempt is not seen: add it to its chain before you ask on"
    return f"an attempt sees the last {WINDOW} of its own chain, in the order written"
