"""Choosing one answer among many traces: majority, best-of-n, weighted vote.

Policies, the same everywhere:

- A trace that is unfinished or states no answer never votes and is never chosen; when
  no trace has an answer, the choice is None.
- Answers are compared in canonical form, so `#007` and `#7` are one answer.
- Ties go to the answer (or trace) seen first; with `ties="random"` to one of them at
  random, by `seed`.
- A trace without steps has no score: it aggregates to minus infinity, below all.
- A NaN is an error that names the trace. Weights of a vote must not be negative.

Not covered: where scores come from (`tts_lab.verifiers`) and whether the chosen
answer is right (`tts_lab.problems`).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from tts_lab import problems
from tts_lab.traces import Trace

Aggregation = Literal["last", "min", "prod", "mean"]
Ties = Literal["first", "random"]


@dataclass(frozen=True, slots=True)
class Choice:
    """What was chosen, and why.

    Attributes
    ----------
    answer : str
        In canonical form.
    trace : Trace
        The trace that stands for it: of its voters the one with the highest score,
        for a majority the first.
    weights : dict
        What every answer got: votes, summed scores, or its highest score.
    """

    answer: str
    trace: Trace
    weights: Mapping[str, float]


def aggregate(scores: ArrayLike, how: Aggregation = "last") -> float:
    """One score of a trace's step scores.

    Parameters
    ----------
    scores : array_like, (steps,)
    how : str
        "last", "min", "prod" or "mean" (Snell et al. 2408.03314 appendix E take the
        last, Lightman et al. 2305.20050 the product, Wang et al. 2312.08935 the
        minimum).

    Raises
    ------
    ValueError
        For another name.

    Examples
    --------
    >>> [aggregate([0.5, 0.25, 0.75], how) for how in ("last", "min", "prod", "mean")]
    [0.75, 0.25, 0.09375, 0.5]
    >>> aggregate([])
    -inf
    """
    if how not in get_args(Aggregation):
        raise ValueError(
            f"aggregation is {how!r}; accepted are {list(get_args(Aggregation))}"
        )
    values = np.asarray(scores, np.float64)
    if not values.size:
        return -math.inf
    if how == "last":
        return float(values[-1])
    reduced: dict[str, Callable[[], np.float64]] = {
        "min": values.min,
        "prod": values.prod,
        "mean": values.mean,
    }
    return float(reduced[how]())


def canonical(trace: Trace) -> str | None:
    """The answer a finished trace states, in the form answers are compared in.

    >>> from tts_lab.traces import Problem
    >>> canonical(Trace(Problem("chains", "3+4\\n", 1), "3+4=7\\n#007", 11, True))
    '7'
    >>> canonical(Trace(Problem("chains", "3+4\\n", 1), "3+4=7\\n#007", 10)) is None
    True
    """
    if not trace.finished:
        return None
    answer: str | None = problems.domain(trace.problem.domain).extract_answer(
        trace.text
    )
    return answer or None


def majority(
    traces: Sequence[Trace], *, ties: Ties = "first", seed: int = 0
) -> Choice | None:
    """The answer that most traces state (self-consistency, Wang et al. 2203.11171).

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "3+4\\n", 1)
    >>> texts = ["3+4=8\\n#8", "3+4=7\\n#7", "3+4=7\\n#07", "3+4=7"]
    >>> choice = majority([Trace(problem, text, 9, True) for text in texts])
    >>> choice.answer, choice.weights
    ('7', {'8': 1.0, '7': 2.0})
    """
    votes = [1.0] * len(traces)
    return _vote(traces, votes, ties, seed)


def best_of_n(
    traces: Sequence[Trace],
    scores: Sequence[float],
    *,
    ties: Ties = "first",
    seed: int = 0,
) -> Choice | None:
    """The answer of the trace with the highest score ("PRM-Max" in Liu et al.).

    Raises
    ------
    ValueError
        If the lengths differ or a score is NaN.

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "3+4\\n", 1)
    >>> traces = [Trace(problem, t, 9, True) for t in ("3+4=8\\n#8", "3+4=7\\n#7")]
    >>> best_of_n(traces, [0.25, 0.5]).answer
    '7'
    """
    voters = _voters(traces, scores, ties)
    if not voters:
        return None
    weights = {a: max(scores[i] for i in of) for a, of in voters.items()}
    highest = max(weights.values())
    best = sorted(i for of in voters.values() for i in of if scores[i] == highest)
    chosen = best[0] if ties == "first" else random.Random(seed).choice(best)
    return Choice(str(canonical(traces[chosen])), traces[chosen], weights)


def weighted_vote(
    traces: Sequence[Trace],
    scores: Sequence[float],
    *,
    ties: Ties = "first",
    seed: int = 0,
) -> Choice | None:
    """The answer whose traces' scores add up to most.

    "Best-of-n weighted" in Snell et al. (2408.03314, sec. 5.1, after Li et al.
    2206.02336), "PRM-Vote" in Liu et al. (2502.06703).

    Raises
    ------
    ValueError
        If the lengths differ, or a score is NaN or negative.

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "3+4\\n", 1)
    >>> texts = ["3+4=8\\n#8", "3+4=7\\n#7", "3+4=7\\n#7"]
    >>> traces = [Trace(problem, text, 9, True) for text in texts]
    >>> weighted_vote(traces, [0.75, 0.5, 0.5]).weights
    {'8': 0.75, '7': 1.0}
    """
    for trace, score in zip(traces, scores, strict=False):
        if score < 0 and canonical(trace) is not None:
            raise ValueError(
                f"the score of {trace.text!r} is {score!r}: a weighted vote adds "
                "scores, so they must not be negative (exponentiate "
                "log-probabilities)"
            )
    return _vote(traces, scores, ties, seed)


def hierarchical_vote(
    chains: Sequence[Sequence[tuple[Trace, float]]],
) -> Choice | None:
    """A weighted vote within each chain of revisions, then one among the winners.

    Each winner votes with its own score (Snell et al. 2408.03314, sec. 6.2). Every
    attempt of a chain may win, the last one is not preferred.

    Parameters
    ----------
    chains : sequence of sequences of (Trace, float)
        As `tts_lab.strategies.revision.by_chain` gives them.

    Raises
    ------
    ValueError
        If a score is NaN or negative.

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "3+4\\n", 1)
    >>> right, wrong = (Trace(problem, t, 9, True) for t in ("#7", "#8"))
    >>> chains = [[(right, 0.9), (wrong, 0.1)], [(wrong, 0.6), (right, 0.5)]]
    >>> hierarchical_vote(chains).weights
    {'7': 0.9, '8': 0.6}
    """
    winners = []
    for chain in chains:
        choice = weighted_vote([trace for trace, _ in chain], [s for _, s in chain])
        if choice is not None:
            mine = [s for trace, s in chain if trace is choice.trace]
            winners.append((choice.trace, mine[0]))
    return weighted_vote([trace for trace, _ in winners], [s for _, s in winners])


def _voters(
    traces: Sequence[Trace], scores: Sequence[float], ties: str
) -> dict[str, list[int]]:
    """Which traces state each answer, answers in the order first seen."""
    if ties not in get_args(Ties):
        raise ValueError(f"ties is {ties!r}; accepted are {list(get_args(Ties))}")
    if len(traces) != len(scores):
        raise ValueError(f"{len(traces)} traces but {len(scores)} scores")
    voters: dict[str, list[int]] = {}
    for i, (trace, score) in enumerate(zip(traces, scores, strict=True)):
        if math.isnan(score):
            raise ValueError(f"the score of trace {i} ({trace.text!r}) is NaN")
        answer = canonical(trace)
        if answer is not None:
            voters.setdefault(answer, []).append(i)
    return voters


def _vote(
    traces: Sequence[Trace], scores: Sequence[float], ties: Ties, seed: int
) -> Choice | None:
    voters = _voters(traces, scores, ties)
    if not voters:
        return None
    weights = {a: math.fsum(scores[i] for i in of) for a, of in voters.items()}
    most = max(weights.values())
    best = [answer for answer, weight in weights.items() if weight == most]
    answer = best[0] if ties == "first" else random.Random(seed).choice(best)
    chosen = max(voters[answer], key=lambda i: scores[i])  # the first of equal ones
    return Choice(answer, traces[chosen], weights)
