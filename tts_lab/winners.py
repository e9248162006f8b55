"""Which kind of strategy wins in which bin, and how far ahead it is.

Promises: within a kind the option is chosen and judged on the same folds as in
`tts_lab.allocate.compute_optimal`, so a kind's accuracy in a bin is of problems that
had no say in it. Not covered: choosing among kinds (`tts_lab.allocate`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tts_lab.allocate import Allocation, Option, compute_optimal
from tts_lab.bootstrap import bootstrap_means, percentile_interval
from tts_lab.difficulty import Difficulty

_REVISIONS = re.compile(r"(\d+) x (\d+) revisions")


@dataclass(frozen=True)
class BinShare:
    """What a kind of strategy gets right in a bin at a budget.

    Attributes
    ----------
    value, low, high : float
        Accuracy with its 95% interval over the bin's problems, the choice kept; NaN
        where the kind has no option within the budget, or the bin no problems.
    cost : float
        Mean per problem, in the unit of the budget, the estimate included; NaN too.
    problems : int
    """

    value: float
    low: float
    high: float
    cost: float
    problems: int


def family(name: str) -> str:
    """The kind of strategy that an option's name tells.

    What stands before the first comma; of revisions, whether they are in one chain
    (sequential), in many of one attempt (parallel), or in between (mixed).

    >>> family("beam search, n = 16, weighted vote"), family("majority, n = 4")
    ('beam search', 'majority')
    >>> [family(f"{shape} revisions, majority") for shape in ("1 x 8", "8 x 1")]
    ['sequential', 'parallel']
    """
    found = _REVISIONS.match(name)
    if found is None:
        return name.partition(",")[0]
    chains, steps = map(int, found.groups())
    if chains == steps == 1:
        return "one attempt"
    return "parallel" if steps == 1 else "sequential" if chains == 1 else "mixed"


def chosen(allocation: Allocation) -> tuple[tuple[str, ...], ...]:
    """Of each bin, the options that the folds chose, each different one once.

    >>> found = Allocation(4, (("a", "b"), ("a", "c")), *[np.ones(2)] * 2, 1, 1, 1,
    ...                    np.ones(1))
    >>> chosen(found)
    (('a',), ('b', 'c'))
    """
    return tuple(
        tuple(dict.fromkeys(names)) for names in zip(*allocation.choices, strict=True)
    )


def kinds(allocation: Allocation) -> tuple[tuple[str, ...], ...]:
    """Of each bin, the kinds of strategy that the folds chose."""
    return tuple(
        tuple(dict.fromkeys(map(family, names))) for names in chosen(allocation)
    )


def by_bin(
    options: Sequence[Option],
    difficulty: Difficulty,
    budget: float,
    *,
    estimate: float = 0.0,
    folds: int = 2,
    seed: int = 0,
    resamples: int = 200,
    kind: Callable[[str], str] = family,
) -> dict[str, tuple[BinShare, ...]]:
    """The accuracy of each kind of strategy in each bin at a budget.

    Parameters
    ----------
    options : sequence of Option
    difficulty : Difficulty
    budget : float
        Mean cost per problem.
    estimate, folds, seed
        As in `tts_lab.allocate.compute_optimal`.
    resamples : int
        Of the interval.
    kind : callable
        From an option's name to the kind that it counts for.

    Returns
    -------
    dict of str to tuple of BinShare
        One for each bin, easiest first.

    Raises
    ------
    ValueError
        If the options do not fit the problems.

    Examples
    --------
    >>> from tts_lab.difficulty import quantiles
    >>> bins = quantiles([0.9] * 4 + [0.1] * 4, bins=2)
    >>> options = [Option.of("vote, n = 4", [1, 1, 1, 1, 0, 0, 0, 0], 4),
    ...            Option.of("beam search, n = 4", [0, 0, 0, 0, 1, 1, 1, 1], 4)]
    >>> found = by_bin(options, bins, 4)
    >>> {name: [share.value for share in shares] for name, shares in found.items()}
    {'vote': [1.0, 0.0], 'beam search': [0.0, 1.0]}
    """
    groups: dict[str, list[Option]] = {}
    for option in options:
        groups.setdefault(kind(option.name), []).append(option)
    problems = len(difficulty.bin)
    # taken only where nothing of the kind is within the budget
    nothing = Option.of("", np.full(problems, -1.0), 1e-12)
    found = {}
    for name, mine in groups.items():
        right, cost = np.full(problems, -1.0), np.full(problems, math.nan)
        if budget > estimate + 1e-9:
            [one] = compute_optimal(
                [nothing, *mine], difficulty, [budget], folds=folds,
                estimate=estimate, seed=seed, resamples=1,
            )  # fmt: skip
            right, cost = one.right, one.cost
        found[name] = tuple(
            _share(right[rows], cost[rows], resamples, seed)
            for rows in map(difficulty.rows, range(difficulty.bins))
        )
    return found


def _share(
    right: np.ndarray, cost: np.ndarray, resamples: int, seed: int
) -> BinShare:  # fmt: skip
    if not len(right) or (right < 0).any():
        return BinShare(math.nan, math.nan, math.nan, math.nan, len(right))
    draws = bootstrap_means(right[:, None], resamples=resamples, seed=seed)[:, 0]
    low, high = percentile_interval(draws, 0.95)
    return BinShare(
        float(right.mean()), float(low), float(high), float(cost.mean()), len(right)
    )
