"""Compute-optimal test-time scaling: the best strategy for each difficulty, honestly.

For each bin of difficulty the option (a strategy with its hyper-parameters, a verifier,
a way to choose) that is best at a budget is picked on one half of the problems and
judged on the other, then the other way round (Snell et al. 2408.03314, sec. 3.2: two
folds; Liu et al. 2502.06703, sec. 3.1: the reward model is one of the choices).

Promises: no outcome of a problem has a say in the choice that is judged on it; options
are compared at their measured cost; intervals come from resampling problems, and the
choice is made anew in every resample. Not covered: running anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import (
    FloatArray,
    IntArray,
    bootstrap_weights,
    percentile_interval,
)
from tts_lab.difficulty import Difficulty

RESAMPLES = 500


@dataclass(frozen=True)
class Option:
    """One way to spend compute, as measured.

    Attributes
    ----------
    name : str
        Strategy, hyper-parameters, verifier and rule, in words.
    right : (P,) float array
        Per problem, how often its answer is right.
    cost : (P,) float array
        Per problem, in the unit of the budget.
    """

    name: str
    right: FloatArray
    cost: FloatArray

    @classmethod
    def of(cls, name: str, right: npt.ArrayLike, cost: npt.ArrayLike) -> Option:
        """From anything like arrays; one cost may stand for all problems.

        Raises
        ------
        ValueError
            If the shapes differ, or a cost is not above 0.
        """
        outcome = np.asarray(right, np.float64)
        paid = np.asarray(cost, np.float64)
        paid = np.broadcast_to(paid, outcome.shape) if paid.ndim == 0 else paid
        if outcome.ndim != 1 or paid.shape != outcome.shape:
            raise ValueError(f"{name}: right {outcome.shape}, cost {paid.shape}; "
                             "accepted is one of each per problem")  # fmt: skip
        if not (paid > 0).all():
            raise ValueError(f"{name}: cost {paid.min()}; accepted is above 0")
        return cls(name, outcome, paid)


@dataclass(frozen=True)
class Allocation:
    """What is chosen at a budget, and what it is worth on problems not chosen on.

    Attributes
    ----------
    budget : float
    choices : tuple of tuple of str
        For each fold and bin, the option chosen on the other fold.
    right, cost : (P,) float array
        Per problem, of the option chosen without it.
    accuracy, low, high : float
        With the 95% interval over problems.
    draws : (resamples,) float array
        Accuracy in each resample; the same resamples for every budget.
    """

    budget: float
    choices: tuple[tuple[str, ...], ...]
    right: FloatArray
    cost: FloatArray
    accuracy: float
    low: float
    high: float
    draws: FloatArray


def folds_of(difficulty: Difficulty, *, folds: int = 2, seed: int = 0) -> IntArray:
    """The fold of each problem: random, and even within each bin.

    >>> from tts_lab.difficulty import quantiles
    >>> sorted(folds_of(quantiles([0.9, 0.8, 0.2, 0.1], bins=2)).tolist())
    [0, 0, 1, 1]
    """
    if folds < 2:
        raise ValueError(f"folds is {folds!r}; accepted is 2 or more")
    rng = np.random.default_rng(seed)
    fold = np.empty(len(difficulty.bin), np.int64)
    for number in range(difficulty.bins):
        rows = rng.permutation(difficulty.rows(number))
        fold[rows] = np.arange(len(rows)) % folds
    return fold


def compute_optimal(
    options: Sequence[Option],
    difficulty: Difficulty,
    budgets: Sequence[float],
    *,
    folds: int = 2,
    estimate: float = 0.0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Allocation]:
    """The best option for each bin at each budget, judged where it was not chosen.

    Parameters
    ----------
    options : sequence of Option
        An option may be taken when its mean cost over the bin's choosing problems is
        within the budget. Of equally accurate ones the cheapest is taken. A bin
        without choosing problems takes the choice of all bins together.
    difficulty : Difficulty
    budgets : sequence of float
        Mean cost per problem.
    folds, seed : int
    estimate : float
        What finding out the difficulty costs per problem, taken off every budget;
        0 to leave it out, as Snell et al. do.
    resamples : int
        Of the bootstrap.

    Returns
    -------
    list of Allocation
        One per budget.

    Raises
    ------
    ValueError
        If there are no options, they do not fit the problems, or a budget (less the
        estimate) is below every option.

    Examples
    --------
    >>> from tts_lab.difficulty import quantiles
    >>> bins = quantiles([0.9] * 4 + [0.1] * 4, bins=2)
    >>> options = [Option.of("vote", [1, 1, 1, 1, 0, 0, 0, 0], 4),
    ...            Option.of("search", [0, 0, 0, 0, 1, 1, 1, 1], 4)]
    >>> [found] = compute_optimal(options, bins, [4])
    >>> found.choices, found.accuracy
    ((('vote', 'search'), ('vote', 'search')), 1.0)
    """
    problems = len(difficulty.bin)
    if not options:
        raise ValueError("there are no options to choose from")
    for option in options:
        if len(option.right) != problems:
            raise ValueError(
                f"{option.name}: {len(option.right)} outcomes for {problems} problems"
            )
    right = np.array([option.right for option in options])
    cost = np.array([option.cost for option in options])
    fold = folds_of(difficulty, folds=folds, seed=seed)
    parts = [
        (_train(difficulty, fold, f, b),
         np.flatnonzero((difficulty.bin == b) & (fold == f)))
        for f in range(folds)
        for b in range(difficulty.bins)
    ]  # fmt: skip
    found = []
    for budget in budgets:
        left = budget - estimate
        ones = np.ones((1, problems))
        chosen = _choose(right, cost, parts, left, ones)[:, 0]
        if (chosen < 0).any():
            raise ValueError(
                f"budget {budget:.4g}, {left:.4g} without the estimate: the cheapest "
                f"option costs {cost.mean(axis=1).min():.4g}"
            )
        mine, paid = np.empty(problems), np.empty(problems)
        for (_, test), option in zip(parts, chosen.tolist(), strict=True):
            mine[test], paid[test] = right[option, test], cost[option, test] + estimate
        draws = np.concatenate([
            _judge(right, parts, _choose(right, cost, parts, left, weights), weights)
            for weights in bootstrap_weights(problems, resamples=resamples, seed=seed)
        ])  # fmt: skip
        low, high = percentile_interval(draws, 0.95)
        names = [options[i].name for i in chosen.tolist()]
        choices = tuple(
            tuple(names[f * difficulty.bins : (f + 1) * difficulty.bins])
            for f in range(folds)
        )
        found.append(
            Allocation(float(budget), choices, mine, paid, float(mine.mean()),
                       float(low), float(high), draws)
        )  # fmt: skip
    return found


def best_of(
    options: Sequence[Option],
    budgets: Sequence[float],
    *,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[Allocation]:
    """A baseline: at each budget the dearest option that fits, for every problem.

    The options are one strategy at several budgets, such as best-of-n; there is
    nothing to choose, so no folds are needed.

    Raises
    ------
    ValueError
        If a budget is below every option.
    """
    found = []
    ranked = sorted(options, key=lambda option: float(option.cost.mean()))
    for budget in budgets:
        fitting = [one for one in ranked if one.cost.mean() <= budget * (1 + 1e-9)]
        if not fitting:
            raise ValueError(
                f"budget {budget:.4g}: the cheapest option costs "
                f"{ranked[0].cost.mean():.4g}"
            )
        one = fitting[-1]
        draws = np.concatenate([
            weights @ one.right / weights.sum(axis=1)
            for weights in bootstrap_weights(len(one.right), resamples=resamples,
                                             seed=seed)
        ])  # fmt: skip
        low, high = percentile_interval(draws, 0.95)
        found.append(
            Allocation(float(budget), ((one.name,),), one.right, one.cost,
                       float(one.right.mean()), float(low), float(high), draws)
        )  # fmt: skip
    return found


def efficiency(
    ours: Sequence[Allocation], baseline: Sequence[Allocation], budget: float
) -> tuple[float, float, float]:
    """By how much less compute reaches what the baseline has at a budget.

    The ratio of budgets at equal accuracy, the curves interpolated in the log of the
    budget and made not to fall; with its 95% interval over problems. When ours never
    gets there it is 0; when its smallest budget is enough already, the ratio to that
    one, a lower bound.

    Parameters
    ----------
    ours, baseline : sequence of Allocation
        With the same problems, resamples and seed.
    budget : float
        One of the baseline's.

    Raises
    ------
    ValueError
        If the baseline was not measured at the budget.
    """
    at = [i for i, one in enumerate(baseline) if one.budget == budget]
    if not at:
        there = [one.budget for one in baseline]
        raise ValueError(f"budget {budget!r}; the baseline has {there}")
    base, logs = baseline[at[0]], np.log([one.budget for one in ours])
    curve = np.array([one.accuracy for one in ours])
    value = _ratio(logs, curve, base.accuracy, budget)
    draws = np.array([one.draws for one in ours])
    ratios = [_ratio(logs, draws[:, i], base.draws[i], budget)
              for i in range(draws.shape[1])]  # fmt: skip
    low, high = percentile_interval(np.array(ratios), 0.95)
    return value, float(low), float(high)


def _train(difficulty: Difficulty, fold: IntArray, judged: int, bin: int) -> IntArray:
    """What to choose on: the bin's problems of other folds; of all bins if none is."""
    rows = np.flatnonzero((difficulty.bin == bin) & (fold != judged))
    return rows if len(rows) else np.flatnonzero(fold != judged)


def _choose(
    right: FloatArray,
    cost: FloatArray,
    parts: Sequence[tuple[IntArray, IntArray]],
    budget: float,
    weights: npt.NDArray[np.floating],
) -> IntArray:
    """The best fitting option of each part in each resample; -1 where none fits."""
    chosen = np.empty((len(parts), len(weights)), np.int64)
    for i, (train, _) in enumerate(parts):
        share = weights[:, train].astype(np.float64)
        share[share.sum(axis=1) == 0] = 1  # none was drawn: as if all were
        total = np.maximum(share.sum(axis=1, keepdims=True), 1e-12)
        accuracy = share @ right[:, train].T / total
        paid = share @ cost[:, train].T / total
        fits = paid <= budget * (1 + 1e-9)
        cheaper = -1e-9 * paid / paid.max(axis=1, keepdims=True).clip(1e-300)
        value = np.where(fits, accuracy + cheaper, -np.inf)
        chosen[i] = np.where(fits.any(axis=1), value.argmax(axis=1), -1)
    return chosen


def _judge(
    right: FloatArray,
    parts: Sequence[tuple[IntArray, IntArray]],
    chosen: IntArray,
    weights: npt.NDArray[np.floating],
) -> FloatArray:
    """Accuracy in each resample, on the problems the choice was not made on."""
    total = np.zeros(len(weights))
    for i, (_, test) in enumerate(parts):
        outcome = right[np.ix_(np.arange(len(right)), test)][chosen[i]]
        outcome[chosen[i] < 0] = 0.0
        total += (weights[:, test] * outcome).sum(axis=1)
    judged: FloatArray = total / weights.sum(axis=1)
    return judged


def _ratio(logs: FloatArray, curve: FloatArray, goal: float, budget: float) -> float:
    rising = np.maximum.accumulate(curve)
    if rising[-1] < goal:
        return 0.0
    first = int(np.argmax(rising >= goal))
    if first == 0:
        return float(budget / np.exp(logs[0]))
    low, high = rising[first - 1], rising[first]
    share = (goal - low) / (high - low)
    needed = logs[first - 1] + share * (logs[first] - logs[first - 1])
    return float(budget / np.exp(needed))
