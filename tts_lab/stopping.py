"""When to stop sampling: as many samples for a problem as it turns out to need.

Fixed budgets give easy problems samples they do not need. Two rules that look at what
was drawn so far, and at no answer key: the *beta* rule stops when the leading answer's
majority is settled, the *score* rule when a verifier is sure enough. Promises: a rule
sees samples in the order drawn and never the ones behind its stop. Not covered:
sampling; the rules are played on pools that were drawn before (`tts_lab.subsets.Pool`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import betaincc

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.subsets import Pool

#: a pool to how many of its samples are drawn
Stop = Callable[[Pool], int]


def beta_stop(pool: Pool, *, sure: float = 0.95, least: int = 2) -> int:
    """Stop when the first answer is ahead of the second with probability `sure`.

    With v and w votes for the two most frequent answers, the chance that the first is
    the more frequent of the two is that of Beta(v + 1, w + 1) above one half (Aggarwal
    et al. 2305.11860, "Adaptive-Consistency", sec. 3.2). Samples without an answer do
    not vote.

    Parameters
    ----------
    pool : Pool
        The samples in the order drawn.
    sure : float
        0.5 to 1.
    least : int
        Samples before the first look.

    Returns
    -------
    int
        Samples drawn; all of the pool when it is never sure.

    Raises
    ------
    ValueError
        If `sure` or `least` is out of range.

    Examples
    --------
    >>> pool = Pool(np.array([7, 7, 7, 7, 8]), np.zeros(5, bool), np.zeros(5))
    >>> beta_stop(pool), beta_stop(pool, sure=0.99)
    (4, 5)
    """
    if not 0.5 <= sure <= 1:
        raise ValueError(f"sure is {sure!r}; accepted is 0.5 to 1")
    if least < 1:
        raise ValueError(f"least is {least!r}; accepted is 1 or more")
    votes: dict[int, int] = {}
    for i, answer in enumerate(pool.answer.tolist(), 1):
        if answer >= 0:
            votes[answer] = votes.get(answer, 0) + 1
        if i < least or not votes:
            continue
        first, second = sorted([*votes.values(), 0], reverse=True)[:2]
        if betaincc(first + 1, second + 1, 0.5) >= sure:
            return i
    return len(pool.answer)


def score_stop(pool: Pool, *, sure: float = 0.9) -> int:
    """Stop at the first sample with an answer that the verifier scores so high.

    >>> pool = Pool(np.array([7, 8]), np.zeros(2, bool), np.array([0.2, 0.95]))
    >>> score_stop(pool), score_stop(pool, sure=0.1)
    (2, 1)
    """
    passes = (pool.score >= sure) & (pool.answer >= 0)
    return int(np.argmax(passes)) + 1 if passes.any() else len(pool.answer)


@dataclass(frozen=True)
class Stopped:
    """A rule played on many problems.

    Attributes
    ----------
    right : (P,) float array
        How often the chosen answer is right, over the orders tried.
    drawn : (P,) float array
        Samples drawn, on average over the orders.
    """

    right: FloatArray
    drawn: FloatArray


def play(
    pools: Sequence[Pool],
    stop: Stop,
    choose: Callable[[Pool, IntArray], npt.NDArray[np.bool_]],
    *,
    orders: int = 20,
    seed: int = 0,
) -> Stopped:
    """Play a rule on pools, each in several random orders.

    Parameters
    ----------
    pools : sequence of Pool
    stop : callable
        Such as `beta_stop`, with `functools.partial` for its options.
    choose : callable
        One of `tts_lab.subsets.RULES`.
    orders, seed : int

    Raises
    ------
    ValueError
        If there are no pools, or a rule draws more than there is or nothing.

    Examples
    --------
    >>> from tts_lab.subsets import majority
    >>> pool = Pool(np.array([7] * 9), np.ones(9, bool), np.zeros(9))
    >>> found = play([pool], beta_stop, majority)
    >>> found.right.tolist(), found.drawn.tolist()
    ([1.0], [4.0])
    """
    if not pools:
        raise ValueError("pools must hold at least one problem, got none")
    rng = np.random.default_rng(seed)
    right, drawn = np.zeros(len(pools)), np.zeros(len(pools))
    for p, pool in enumerate(pools):
        size = len(pool.answer)
        for _ in range(orders):
            order = rng.permutation(size)
            shown = Pool(pool.answer[order], pool.right[order], pool.score[order])
            count = stop(shown)
            if not 1 <= count <= size:
                raise ValueError(f"the rule stops after {count!r} of {size} samples")
            right[p] += choose(shown, np.arange(count)[None])[0]
            drawn[p] += count
    return Stopped(right / orders, drawn / orders)
