"""Search against a verifier, step by step: beam search, lookahead, DVTS, REBASE.

Policies, the same for all four:

- `n` is the number of candidates a round may have and of traces that are returned at
  most. What a search costs is in the ledger: pruned candidates, lookahead rollouts and
  the verifier's reading included.
- A finished trace leaves the search at once, keeps its score, and frees its place.
  All finished traces are kept; the n best are returned, best first.
- Equal children of a round are one candidate: searching the same line twice finds
  nothing new. (Not in DVTS, whose subtrees must not know of each other.)
- Equal scores: first seen, first served.
- A search ends when n traces have finished, when nothing unfinished is left, or after
  `max_steps` rounds. Unfinished traces are never returned.

The verifier scores a trace so far; with a PRM that is its last step's score, unless
the verifier aggregates otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from typing import Any

from tts_lab.strategies.sampling import Scored
from tts_lab.traces import Problem, Propose, Trace, Verify

Search = Generator[Propose | Verify, Any, list[Scored]]
MAX_STEPS = 24


def beam_search(
    problem: Problem,
    *,
    n: int = 16,
    width: int = 4,
    max_steps: int = MAX_STEPS,
    temperature: float = 1.0,
    lookahead: int = 0,
) -> Search:
    """Keep the n/width best of n candidates each round, continue each width times.

    Parameters
    ----------
    problem : Problem
    n : int
        Candidates a round.
    width : int
        Continuations of each candidate kept ("M" in Snell et al.).
    max_steps : int
    temperature : float
    lookahead : int
        Score a candidate where it gets to after so many greedy steps more; every
        round then costs n (lookahead + 1) steps. See `lookahead_search`.

    Returns
    -------
    list of (Trace, float)
        At most n finished traces with the verifier's scores, best first.

    Raises
    ------
    ValueError
        If a number is less than 1 (lookahead: 0) or width is above n.

    References
    ----------
    Snell et al. (2408.03314) sec. 5.2, "beam search".
    """
    check(n, width, max_steps)
    if lookahead < 0:
        raise ValueError(f"lookahead must be 0 or more, got {lookahead!r}")
    finished: list[Scored] = []
    parents, samples = [Trace(problem)], n
    for _ in range(max_steps):
        children = yield Propose(parents, samples, "step", temperature)
        children = unique(children)
        scores = yield from _look_ahead(children, lookahead)
        ranked = _ranked(children, scores)
        finished += [pair for pair in ranked if pair[0].finished]
        going = [trace for trace, _ in ranked if not trace.finished]
        if not going or len(finished) >= n:
            break
        parents, samples = going[: n // width], width
    return best(finished, n)


def lookahead_search(
    problem: Problem,
    *,
    n: int = 16,
    width: int = 4,
    lookahead: int = 1,
    max_steps: int = MAX_STEPS,
    temperature: float = 1.0,
) -> Search:
    """Beam search that judges a candidate by where it leads.

    From every candidate `lookahead` greedy steps are written; the score at their end
    ranks the candidate. The rollouts are thrown away, and paid.

    Parameters, Returns and Raises as in `beam_search`.

    References
    ----------
    Snell et al. (2408.03314) sec. 5.2, "lookahead search".
    """
    return beam_search(
        problem,
        n=n,
        width=width,
        max_steps=max_steps,
        temperature=temperature,
        lookahead=lookahead,
    )


def dvts(
    problem: Problem,
    *,
    n: int = 16,
    width: int = 4,
    max_steps: int = MAX_STEPS,
    temperature: float = 1.0,
) -> Search:
    """Diverse verifier tree search: n/width independent subtrees, each greedy.

    Every round a subtree writes `width` candidates and goes on from its best one; it
    is done when that one is finished.

    Parameters, Returns and Raises as in `beam_search`.

    References
    ----------
    Beeching, Tunstall and Rush, "Scaling test-time compute with open models" (2024).
    """
    check(n, width, max_steps)
    finished: list[Scored] = []
    trees = [Trace(problem)] * (n // width)
    for _ in range(max_steps):
        children = yield Propose(trees, width, "step", temperature)
        scores = yield Verify(children)
        trees = []
        for first in range(0, len(children), width):
            part = slice(first, first + width)
            ranked = _ranked(children[part], scores[part])
            finished += [pair for pair in ranked if pair[0].finished]
            if not ranked[0][0].finished:
                trees.append(ranked[0][0])
        if not trees:
            break
    return best(finished, n)


def rebase(
    problem: Problem,
    *,
    n: int = 16,
    balance: float = 0.1,
    max_steps: int = MAX_STEPS,
    temperature: float = 1.0,
) -> Search:
    """Reward-balanced search: continue each candidate in proportion to its score.

    A round has as many candidates as traces are still wanted; they are shared among
    the unfinished ones by softmax(score / balance), rounded so that they add up.

    Parameters
    ----------
    problem : Problem
    n : int
    balance : float
        Temperature of the softmax: near 0 all goes to the best, large shares evenly.
    max_steps, temperature
        As in `beam_search`; so are Returns and Raises.

    References
    ----------
    Wu et al. (2408.00724) sec. 3.2, eq. 3.
    """
    check(n, 1, max_steps)
    if not balance > 0:
        raise ValueError(f"balance must be above 0, got {balance!r}")
    finished: list[Scored] = []
    parents = [Trace(problem)] * n
    for _ in range(max_steps):
        children = yield Propose(parents, 1, "step", temperature)
        children = unique(children)
        scores = yield Verify(children)
        ranked = _ranked(children, scores)
        finished += [pair for pair in ranked if pair[0].finished]
        going = [pair for pair in ranked if not pair[0].finished]
        wanted = n - len(finished)
        if not going or wanted < 1:
            break
        shares = _softmax([score / balance for _, score in going])
        parents = [
            trace
            for (trace, _), count in zip(going, _apportion(shares, wanted), strict=True)
            for _ in range(count)
        ]
    return best(finished, n)


def _look_ahead(
    children: Sequence[Trace], steps: int
) -> Generator[Propose | Verify, Any, list[float]]:
    """Scores of where the children get to in so many greedy steps."""
    ends = children
    for _ in range(steps):
        ends = yield Propose(ends, 1, "step", 0.0)
    scores: list[float] = yield Verify(ends)
    return scores


def _ranked(traces: Sequence[Trace], scores: Sequence[float]) -> list[Scored]:
    pairs = zip(traces, scores, strict=True)
    return sorted(pairs, key=lambda pair: -pair[1])  # stable: equal ones keep order


def best(finished: list[Scored], n: int) -> list[Scored]:
    return sorted(finished, key=lambda pair: -pair[1])[:n]


def unique(traces: Sequence[Trace]) -> list[Trace]:
    """One trace for each different text (and whether it is finished), in order."""
    return list({(trace.text, trace.finished): trace for trace in traces[::-1]}
                .values())[::-1]  # fmt: skip


def _apportion(shares: Sequence[float], total: int) -> list[int]:
    """Whole numbers in these proportions that add up: largest remainders first.

    >>> _apportion([0.62, 0.13, 0.125, 0.125], 4)
    [2, 1, 1, 0]
    """
    counts = [math.floor(share * total) for share in shares]
    remainders = [
        share * total - count for share, count in zip(shares, counts, strict=True)
    ]
    for i in sorted(range(len(shares)), key=lambda i: -remainders[i]):
        if sum(counts) == total:
            break
        counts[i] += 1
    return counts


def _softmax(values: Sequence[float]) -> list[float]:
    largest = max(values)
    powers = [math.exp(value - largest) for value in values]
    return [power / sum(powers) for power in powers]


def check(n: int, width: int, max_steps: int) -> None:
    for name, value in (("n", n), ("width", width), ("max_steps", max_steps)):
        if value < 1:
            raise ValueError(f"{name} must be 1 or more, got {value!r}")
    if width > n:
        raise ValueError(f"width={width!r} continuations do not fit into n={n!r}")
