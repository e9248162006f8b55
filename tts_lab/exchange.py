"""Pretraining against inference: what a larger model's FLOPs buy at test time.

Snell et al. (2408.03314, sec. 7): X = 6 N D_pretrain to train a model of N parameters,
Y = 2 N D_inference to use it. A model M times larger costs M times both; the smaller
one may spend the difference on more tokens per problem. How many more depends on
R = D_inference / D_pretrain, how much a model is used for each token of its training.
Promises: closed forms only. Not covered: how accurate anything is; `compare` takes
measured accuracies and says who wins where.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import (
    FloatArray,
    IntArray,
    bootstrap_means,
    percentile_interval,
)

#: the ratios that Snell et al. report
RATIOS = (0.16, 0.79, 22.0)


def inference_flops(parameters: int, tokens: float) -> float:
    """FLOPs of generating tokens: 2 N D (Snell et al., sec. 7).

    >>> inference_flops(1_000, 50)
    100000.0
    """
    return 2.0 * parameters * tokens


def multiplier(m: float, r: float) -> float:
    """By how much a model may multiply its inference to match one M times larger.

    Parameters
    ----------
    m : float
        Parameters of the larger model by those of the smaller.
    r : float
        Inference tokens for each pretraining token.

    Returns
    -------
    float
        M + 3 (M - 1) / R.

    Raises
    ------
    ValueError
        If m is below 1 or r not above 0.

    References
    ----------
    Snell et al. (2408.03314) sec. 7.

    Examples
    --------
    >>> [round(multiplier(14, r)) for r in RATIOS]
    [258, 63, 16]
    """
    if not (m >= 1 and math.isfinite(m)):
        raise ValueError(f"m is {m!r}; accepted is 1 or more")
    if not r > 0:
        raise ValueError(f"r is {r!r}; accepted is a number above 0")
    return m + 3 * (m - 1) / r


def longer_training(m: float, r: float) -> float:
    """By how much the same model may multiply its training tokens instead.

    The FLOPs that a model M times larger costs more, spent on pretraining the smaller
    one longer, its inference as before: 6 N d D + 2 N r D = M (6 N D + 2 N r D).

    >>> round(longer_training(14, 0.16), 2)
    14.69
    """
    if not (m >= 1 and math.isfinite(m)):
        raise ValueError(f"m is {m!r}; accepted is 1 or more")
    if not r >= 0:
        raise ValueError(f"r is {r!r}; accepted is 0 or more")
    return m + (m - 1) * r / 3


def ratio_at(m: float, k: float) -> float:
    """The R at which k times the inference is a match for a model M times larger.

    `multiplier` the other way round: 3 (M - 1) / (k - M). With a smaller R the smaller
    model may spend more than that; k of M or less is a match at no R.

    Raises
    ------
    ValueError
        If m is not above 1, or k not above m.

    Examples
    --------
    >>> round(ratio_at(14, 256), 3), round(multiplier(14, ratio_at(14, 256)))
    (0.161, 256)
    """
    if not (m > 1 and math.isfinite(m)):
        raise ValueError(f"m is {m!r}; accepted is above 1")
    if not k > m:
        raise ValueError(f"k is {k!r}; accepted is above m = {m!r}")
    return 3 * (m - 1) / (k - m)


def instead_of_training(longer: float, r: float) -> float:
    """By how much a model may multiply its inference instead of training longer.

    The FLOPs of so many times the training tokens, spent on inference:
    6 N d D + 2 N r D = 6 N D + 2 N k r D.

    Parameters
    ----------
    longer : float
        d, training tokens by those of the model as it is.
    r : float
        Inference tokens for each pretraining token of the model as it is.

    Returns
    -------
    float
        k = 1 + 3 (d - 1) / r.

    Raises
    ------
    ValueError
        If longer is below 1 or r not above 0.

    >>> [round(instead_of_training(4, r), 1) for r in RATIOS]
    [57.2, 12.4, 1.4]
    """
    if not (longer >= 1 and math.isfinite(longer)):
        raise ValueError(f"longer is {longer!r}; accepted is 1 or more")
    if not r > 0:
        raise ValueError(f"r is {r!r}; accepted is a number above 0")
    return 1 + 3 * (longer - 1) / r


@dataclass(frozen=True)
class Price:
    """What an API asked, on a day, in US dollars per attempt at one issue.

    From Brown et al. (2407.21787 v3, Table 1): SWE-bench Lite with Moatless Tools.
    """

    model: str
    per_attempt: float
    attempts: int
    solved: float  # share of the issues
    day: date

    def total(self, issues: int = 300) -> float:
        """Dollars for all attempts at all issues."""
        return self.per_attempt * self.attempts * issues

    def per_solved(self) -> float:
        """Dollars for each issue that is solved in the end.

        >>> [round(price.per_solved(), 2) for price in PRICES]
        [0.12, 0.54, 0.64]
        """
        return self.per_attempt * self.attempts / self.solved


_JULY = date(2024, 7, 1)
PRICES = (
    Price("DeepSeek-Coder-V2-Instruct", 0.0072, 5, 0.2962, _JULY),
    Price("GPT-4o", 0.13, 1, 0.24, _JULY),
    Price("Claude 3.5 Sonnet", 0.17, 1, 0.267, _JULY),
)


def relative_cost(prices: Sequence[Price] = PRICES) -> dict[str, float]:
    """Total cost of each as a multiple of the cheapest.

    >>> {name: round(ratio, 1) for name, ratio in relative_cost().items()}
    {'DeepSeek-Coder-V2-Instruct': 1.0, 'GPT-4o': 3.6, 'Claude 3.5 Sonnet': 4.7}
    """
    cheapest = min(price.total() for price in prices)
    return {price.model: price.total() / cheapest for price in prices}


@dataclass(frozen=True)
class Exchange:
    """The smaller model with test-time compute less the larger one, in a bin.

    Attributes
    ----------
    ratio : float
        R.
    bin : int
    budget : float
        The inference of the smaller model, as a multiple of one greedy answer.
    small, large : float
        Accuracies.
    difference, low, high : float
        Small less large, with its 95% interval over problems.
    relative : float
        The difference as a share of the larger model's accuracy; NaN when that is 0.
    problems : int
    relative_low, relative_high : float
        Its 95% interval, both models resampled together; infinite where the larger
        model is right about nothing in a resample.
    """

    ratio: float
    bin: int
    budget: float
    small: float
    large: float
    difference: float
    low: float
    high: float
    problems: int
    relative_low: float = math.nan
    relative_high: float = math.nan

    @property
    def relative(self) -> float:
        return self.difference / self.large if self.large else math.nan


def compare(
    small: Mapping[float, npt.ArrayLike],
    large: npt.ArrayLike,
    bins: npt.ArrayLike,
    *,
    m: float,
    ratios: Sequence[float] = RATIOS,
    seed: int = 0,
) -> list[Exchange]:
    """Who wins at matched FLOPs, for each ratio and difficulty bin.

    Parameters
    ----------
    small : mapping of budget to (P,) array
        Per problem, how often the smaller model's answer is right at a budget, in
        multiples of the inference of one answer. Between two budgets it is
        interpolated in their log; beyond the last one the last is used (the curve is
        what was measured, and more compute is not assumed to help).
    large : (P,) array
        The larger model, greedy, one answer.
    bins : (P,) int array
    m : float
        Parameters of the larger by those of the smaller.
    ratios : sequence of float
    seed : int
        Of the bootstrap.

    Raises
    ------
    ValueError
        If lengths differ, there is no budget, or a budget is below 1.

    Examples
    --------
    >>> [found] = compare({1: [0, 0], 16: [1, 0]}, [0, 0], [0, 0], m=14, ratios=[22])
    >>> round(found.small, 1), round(found.budget, 1), round(found.difference, 1)
    (0.5, 15.8, 0.5)
    """
    truth, number = np.asarray(large, np.float64), np.asarray(bins, np.int64)
    if not small or min(small) < 1:
        raise ValueError(f"budgets are {sorted(small)}; accepted are some, 1 or more")
    table = {b: np.asarray(v, np.float64) for b, v in sorted(small.items())}
    for values in (*table.values(), number):
        if values.shape != truth.shape:
            raise ValueError(f"{values.shape} beside {truth.shape}: one per problem")
    return [
        _one(table, truth, np.flatnonzero(number == b), ratio, b, m, seed)
        for ratio in ratios
        for b in np.unique(number).tolist()
    ]


def at_budget(table: Mapping[float, FloatArray], budget: float) -> FloatArray:
    """Per problem, between the two budgets around it, by the log of the budget."""
    budgets = np.array(sorted(table))
    place = float(np.interp(np.log(budget), np.log(budgets), np.arange(len(budgets))))
    low = min(int(place), max(len(budgets) - 2, 0))
    first = table[float(budgets[low])]
    if len(budgets) == 1:
        return first
    share = place - low
    mixed: FloatArray = (1 - share) * first + share * table[float(budgets[low + 1])]
    return mixed


def _one(
    table: Mapping[float, FloatArray],
    large: FloatArray,
    rows: IntArray,
    ratio: float,
    number: int,
    m: float,
    seed: int,
) -> Exchange:
    budget = multiplier(m, ratio)
    mine, theirs = at_budget(table, budget)[rows], large[rows]
    gap = mine - theirs
    # the same seed draws the same problems for both
    draws = bootstrap_means(gap[:, None], seed=seed)[:, 0]
    greedy = bootstrap_means(theirs[:, None], seed=seed)[:, 0]
    low, high = percentile_interval(draws, 0.95)
    worth = np.where(draws == 0, 0.0, np.inf)  # 0 of 0 is no difference
    share = np.sort(np.divide(draws, greedy, out=worth, where=greedy > 0))
    tail = len(share) // 40
    return Exchange(
        ratio, number, budget, float(mine.mean()), float(theirs.mean()),
        float(gap.mean()), float(low), float(high), len(rows),
        float(share[tail]), float(share[-1 - tail]),
    )  # fmt: skip
