"""Accuracy of a selection rule at k samples, from one pool of n samples a problem.

For each k, random subsets of the pool stand for what k samples would have been
(Brown et al. 2407.21787 sec. 4.1 use 100 of them). All rules see the same subsets, so
their differences are paired; k = n is the pool itself. Policies for missing answers
and ties are those of `tts_lab.select`: ties go to what was drawn first.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray, IntArray, bootstrap_means, percentile_interval
from tts_lab.coverage import Curve
from tts_lab.select import canonical
from tts_lab.traces import Trace


@dataclass(frozen=True)
class Pool:
    """The samples of one problem, as numbers.

    Attributes
    ----------
    answer : (n,) int array
        Which answer a sample states, numbered as first seen; -1 for none.
    right : (n,) bool array
        Whether the sample is right.
    score : (n,) float array
        A verifier's; 0 where there is none.
    """

    answer: IntArray
    right: npt.NDArray[np.bool_]
    score: FloatArray

    @classmethod
    def of(
        cls,
        traces: Sequence[Trace],
        right: npt.ArrayLike,
        scores: npt.ArrayLike | None = None,
    ) -> Pool:
        """From traces, whether each is right, and what a verifier says.

        Raises
        ------
        ValueError
            If the lengths differ or a score is NaN.
        """
        truth = np.asarray(right).astype(np.bool_)
        values = np.zeros(len(traces)) if scores is None else np.asarray(scores, float)
        if not len(traces) == len(truth) == len(values):
            raise ValueError(
                f"{len(traces)} traces, {len(truth)} outcomes, {len(values)} scores"
            )
        if np.isnan(values).any():
            bad = int(np.argmax(np.isnan(values)))
            raise ValueError(f"the score of {traces[bad].text!r} is NaN")
        numbers: dict[str, int] = {}
        answers = [canonical(trace) for trace in traces]
        answer = [-1 if a is None else numbers.setdefault(a, len(numbers))
                  for a in answers]  # fmt: skip
        return cls(np.array(answer, np.int64), truth, values.astype(np.float64))


#: (subsets, k) indices into a pool -> whether each subset's choice is right
Rule = Callable[[Pool, IntArray], npt.NDArray[np.bool_]]


def coverage(pool: Pool, subsets: IntArray) -> npt.NDArray[np.bool_]:
    """With a perfect verifier: is any of them right?"""
    found: npt.NDArray[np.bool_] = np.any(pool.right[subsets], axis=1)
    return found


def majority(pool: Pool, subsets: IntArray) -> npt.NDArray[np.bool_]:
    """The most frequent answer's first trace."""
    return _vote(pool, subsets, np.ones(len(pool.answer)))


def weighted_vote(pool: Pool, subsets: IntArray) -> npt.NDArray[np.bool_]:
    """The answer whose traces' scores add up to most; its best trace."""
    return _vote(pool, subsets, pool.score, by_score=True)


def best_of_n(pool: Pool, subsets: IntArray) -> npt.NDArray[np.bool_]:
    """The trace with the highest score, of those that state an answer."""
    value = np.where(pool.answer >= 0, pool.score, -math.inf)[subsets]
    value[np.isneginf(value) & (pool.answer[subsets] >= 0)] = -1e300
    chosen = subsets[np.arange(len(subsets)), value.argmax(axis=1)]
    found: npt.NDArray[np.bool_] = pool.right[chosen] & (pool.answer[chosen] >= 0)
    return found


RULES: dict[str, Rule] = {
    "coverage": coverage,
    "majority": majority,
    "best-of-n": best_of_n,
    "weighted vote": weighted_vote,
}


def hierarchical_vote(pool: Pool, chains: IntArray) -> bool:
    """A weighted vote within each chain, then one among the chains' winners.

    Each winner votes with its own score (Snell et al. 2408.03314, sec. 6.2 and
    appendix: with a verifier first within, then across chains; a majority is taken over
    all attempts at once, since one chain has too few).

    Parameters
    ----------
    pool : Pool
        All attempts at one problem.
    chains : (chains, steps) int array
        Indices into the pool, a row per chain.

    Examples
    --------
    >>> pool = Pool(np.array([7, 8, 8, 7]), np.array([True, False, False, True]),
    ...             np.array([0.9, 0.1, 0.6, 0.5]))
    >>> hierarchical_vote(pool, np.array([[0, 1], [2, 3]]))
    True
    """
    winners = _winners(pool, chains, pool.score, by_score=True)
    winners = winners[winners >= 0]
    return len(winners) > 0 and bool(weighted_vote(pool, winners[None])[0])


def _vote(
    pool: Pool, subsets: IntArray, weight: FloatArray, *, by_score: bool = False
) -> npt.NDArray[np.bool_]:
    chosen = _winners(pool, subsets, weight, by_score=by_score)
    found: npt.NDArray[np.bool_] = (chosen >= 0) & pool.right[chosen]
    return found


def _winners(
    pool: Pool, subsets: IntArray, weight: FloatArray, *, by_score: bool
) -> IntArray:
    """The sample that stands for the winning answer of each subset, -1 for none."""
    count = int(pool.answer.max(initial=-1)) + 1
    if count == 0:
        return np.full(len(subsets), -1)
    answers = pool.answer[subsets]
    rows, columns = np.nonzero(answers >= 0)
    total = np.full((len(subsets), count), -1.0)  # answers that were not drawn
    place = (rows, answers[rows, columns])
    total[place] = 0.0
    np.add.at(total, place, weight[subsets[rows, columns]])
    best = total == total.max(axis=1, keepdims=True)
    # first drawn among the tied: the first column whose answer is a best one
    tied = (answers >= 0) & np.take_along_axis(best, np.maximum(answers, 0), axis=1)
    first = tied.argmax(axis=1)
    winner = answers[np.arange(len(subsets)), first]
    if by_score:
        mine = (answers == winner[:, None]) & (answers >= 0)
        value = np.where(mine, pool.score[subsets], -math.inf)
        first = value.argmax(axis=1)
    chosen = subsets[np.arange(len(subsets)), first]
    found: IntArray = np.where(tied.any(axis=1), chosen, -1)
    return found


def accuracy(
    pools: Sequence[Pool],
    rule: str | Rule,
    k: Sequence[int],
    *,
    subsets: int = 100,
    seed: int = 0,
    level: float = 0.95,
) -> Curve:
    """The share of problems that a rule gets right with k samples of each.

    Parameters
    ----------
    pools : sequence of Pool
        One per problem.
    rule : str or callable
        "coverage", "majority", "best-of-n", "weighted vote", or one's own.
    k : sequence of int
        Samples, at most those of the smallest pool.
    subsets : int
        Random subsets for each k and problem.
    seed : int
        The same seed, the same subsets for every rule.
    level : float
        Of the interval over problems.

    Returns
    -------
    Curve

    Raises
    ------
    ValueError
        For an unknown rule, no pools, or a k out of range.

    Examples
    --------
    >>> pool = Pool(np.array([0, 1, 1, -1]), np.array([True, False, False, False]),
    ...             np.array([0.9, 0.5, 0.5, 1.0]))
    >>> [float(accuracy([pool], rule, [4]).mean[0]) for rule in RULES]
    [1.0, 0.0, 1.0, 0.0]
    """
    chosen = RULES.get(rule) if isinstance(rule, str) else rule
    if chosen is None:
        raise ValueError(f"rule {rule!r} is unknown; there are {list(RULES)}")
    if not pools:
        raise ValueError("pools must hold at least one problem, got none")
    smallest = min(len(pool.answer) for pool in pools)
    ks = np.asarray(k, np.int64)
    if ks.ndim != 1 or not len(ks) or ks.min() < 1 or ks.max() > smallest:
        raise ValueError(
            f"k is {list(k)}; accepted are numbers from 1 to {smallest}, the size of "
            "the smallest pool"
        )
    if subsets < 1:
        raise ValueError(f"subsets is {subsets!r}; accepted is 1 or more")
    table = np.empty((len(pools), len(ks)))
    for p, pool in enumerate(pools):
        for j, size in enumerate(ks.tolist()):
            rng = np.random.default_rng([seed, p, size])
            drawn = _draw(len(pool.answer), size, subsets, rng)
            table[p, j] = chosen(pool, drawn).mean()
    low, high = percentile_interval(bootstrap_means(table), level)
    return Curve(ks, table.mean(axis=0), low, high, len(pools), smallest, level, table)


def _draw(n: int, k: int, subsets: int, rng: np.random.Generator) -> IntArray:
    """Subsets without replacement, each in the order of the pool: (subsets, k)."""
    if k == n:
        return np.arange(n)[None]
    keys = rng.random((subsets, n))
    return np.sort(np.argpartition(keys, k, axis=1)[:, :k], axis=1)
