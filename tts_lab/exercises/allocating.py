"""Checks of exercise 7's choice: an option for each bin, judged on another fold.

Promises: compares with what `tts_lab.allocate` means by compute-optimal (Snell et al.
2408.03314, sec. 3.2). Not covered: intervals, and the cost of finding out the
difficulty.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report

#: (O, P) outcomes and costs, (P,) bins, budget -> (B,) options
Choose = Callable[[FloatArray, FloatArray, IntArray, float], IntArray]


def choose_per_bin(answer: Answer, seed: int) -> Report:
    """Check `choose_per_bin(right, cost, bin, budget)`: an option for each bin."""
    right = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [1, 1, 1, 1.0]])
    cost = np.array([[4.0] * 4, [4.0] * 4, [16.0] * 4])
    # dear on average over all problems, and within the budget in bin 0
    uneven = np.array([[1.0] * 4, [2, 2, 12, 12], [1, 1, 1, 1]])
    mixed = np.array([[0.5] * 4, [1.0] * 4, [0.25] * 4])
    bins, names = np.array([0, 0, 1, 1]), ("right", "cost", "bin", "budget")
    tie = "of equally accurate options the one that is cheapest in the bin is taken"
    within = "an option may cost as much as the budget, on average over the bin"
    given: list[tuple[Any, ...]] = [
        (right, cost, bins, 8.0, "nothing above the budget may be chosen"),
        (right, cost, bins, 16.0, within),
        (right, cost, bins, 4.0, within),
        (mixed, uneven, bins, 4.0, "what an option costs depends on the bin"),
        (mixed, np.array([[1.0] * 4, [2, 6, 2, 6], [1] * 4]), bins, 4.0, within),
        (np.array([[0.5] * 4, [0.5] * 4, [0.25] * 4]),
         np.array([[8.0] * 4, [2.0] * 4, [1.0] * 4]), bins, 8.0, tie),
    ]  # fmt: skip
    rng = np.random.default_rng(seed)
    for problems in (12, 18):
        given.append(
            (*_random(rng, problems, options=6), float(rng.integers(6, 13)), "")
        )
    cases = [
        Case(dict(zip(names, four, strict=True)), _chosen(*four), hint)
        for *four, hint in given
    ]
    return grade("choose_per_bin", answer, cases, mistakes=_CHOICES)


def two_folds(answer: Answer, seed: int) -> Report:
    """Check `two_folds(right, cost, bin, fold, budget)`: accuracy, judged elsewhere."""
    names = ("right", "cost", "bin", "fold", "budget")
    # what is best on one fold is worst on the other
    trap = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0.25] * 4])
    even = np.array([0, 0, 1, 1])
    given: list[tuple[Any, ...]] = [
        (trap, np.full((3, 4), 4.0), np.zeros(4, np.int64), even, 4.0,
         "what was chosen on one fold is right there and nowhere else"),
        (np.repeat(trap, 2, axis=1), np.full((3, 8), 4.0), np.tile([0, 1], 4),
         np.repeat(even, 2), 4.0, "every bin is chosen for by itself"),
    ]  # fmt: skip
    rng = np.random.default_rng(seed)
    for problems in (14, 21, 25):
        right, cost, bins = _random(rng, problems, options=8)
        fold = (np.arange(problems) % 5 < 2).astype(np.int64)
        hint = "every problem counts once, by the option that was chosen without it"
        given.append((right, cost, bins, fold, 8.0, hint))
    cases = [
        Case(dict(zip(names, five, strict=True)), _judged(*five), hint)
        for *five, hint in given
    ]
    return grade("two_folds", answer, cases, mistakes=_FOLDS)


def _random(
    rng: np.random.Generator, problems: int, *, options: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    bins = np.sort(np.arange(problems) % 3)
    level = rng.uniform(0.2, 0.8, (options, 3))[:, bins]
    right = rng.binomial(4, level) / 4
    cost = rng.integers(1, 17, (options, 1)) * rng.uniform(0.75, 1.25, bins.shape)
    right[0], cost[0] = 0.125, 1.0  # always within the budget
    return right, cost, bins


def _chosen(
    right: FloatArray, cost: FloatArray, bin: IntArray, budget: float
) -> IntArray:
    return np.array([
        _best(right[:, bin == b], cost[:, bin == b], budget)
        for b in range(int(bin.max()) + 1)
    ])  # fmt: skip


def _best(
    right: FloatArray,
    cost: FloatArray,
    budget: float,
    *,
    fits: Callable[[FloatArray, float], FloatArray] = lambda paid, budget: (
        paid.mean(axis=1) <= budget + 1e-9
    ),
    cheapest: bool = True,
    sign: int = 1,
) -> int:
    """The option with the highest mean among those that fit, the cheapest of equals."""
    paid = cost.mean(axis=1)
    value = sign * right.mean(axis=1) - 1e-9 * paid / paid.max() * cheapest
    return int(np.where(fits(cost, budget), value, -np.inf).argmax())


def _with(**options: Any) -> Choose:
    """The choice with one thing changed."""
    return lambda right, cost, bin, budget: np.array([
        _best(right[:, bin == b], cost[:, bin == b], budget, **options)
        for b in range(int(bin.max()) + 1)
    ])  # fmt: skip


def _everywhere(
    right: FloatArray, cost: FloatArray, bin: IntArray, budget: float
) -> IntArray:
    return np.full(int(bin.max()) + 1, _best(right, cost, budget))


def _mean_cost(
    right: FloatArray, cost: FloatArray, bin: IntArray, budget: float
) -> IntArray:
    whole = np.broadcast_to(cost.mean(axis=1, keepdims=True), cost.shape)
    return _chosen(right, whole, bin, budget)


def _dearest(
    right: FloatArray, cost: FloatArray, bin: IntArray, budget: float
) -> IntArray:
    return _chosen(cost, cost, bin, budget)


def _place(
    right: FloatArray, cost: FloatArray, bin: IntArray, budget: float
) -> IntArray:
    """The place among the options that fit, not among all."""
    found = []
    for b in range(int(bin.max()) + 1):
        paid = cost[:, bin == b].mean(axis=1)
        fitting = np.flatnonzero(paid <= budget + 1e-9)
        found.append(int(right[fitting][:, bin == b].mean(axis=1).argmax()))
    return np.array(found)


_CHOICES = (
    Mistake("the budget is not looked at", lambda *given: _without_budget(*given)),
    Mistake(
        "only what costs less than the budget is taken; it may cost just as much",
        _with(fits=lambda cost, budget: cost.mean(axis=1) < budget),
    ),
    Mistake(
        "an option is left out if it is above the budget on a single problem; the "
        "budget is for the mean over the bin",
        _with(fits=lambda cost, budget: cost.max(axis=1) <= budget),
    ),
    Mistake(
        "the cost is averaged over all problems; an option is paid for in the bin "
        "that uses it",
        _mean_cost,
    ),
    Mistake(
        "of equally accurate options the first is taken, not the cheapest",
        _with(cheapest=False),
    ),
    Mistake("the same option is chosen for every bin", _everywhere),
    Mistake("the dearest option that fits is taken, whatever it gets right", _dearest),
    Mistake("the worst option is taken", _with(sign=-1)),
    Mistake(
        "this is the place among the options that fit, not among all: options that "
        "are too dear keep their number",
        _place,
    ),
)


def _outcomes(
    right: FloatArray,
    cost: FloatArray,
    bin: IntArray,
    fold: IntArray,
    budget: float,
    choose: Choose = _chosen,
    *,
    same: bool = False,
) -> FloatArray:
    """Of every problem, by the option chosen on the other fold, or on its own."""
    found = np.empty(right.shape[1])
    for one in (0, 1):
        mine = fold == one
        on = mine if same else ~mine
        options = choose(right[:, on], cost[:, on], bin[on], budget)
        rows = np.flatnonzero(mine)
        found[rows] = right[options[bin[rows]], rows]
    return found


def _judged(
    right: FloatArray, cost: FloatArray, bin: IntArray, fold: IntArray, budget: float
) -> float:
    return float(_outcomes(right, cost, bin, fold, budget).mean())


def _of_fold(which: int | None, *, same: bool = False) -> Answer:
    """The accuracy on one fold only, or the mean of both folds' accuracies."""

    def judged(*given: Any) -> float:
        found, fold = _outcomes(*given, same=same), given[3]
        both = [float(found[fold == one].mean()) for one in (0, 1)]
        return sum(both) / 2 if which is None else both[which]

    return judged


def _by(choose: Choose, *, same: bool = False) -> Answer:
    return lambda right, cost, bin, fold, budget: _outcomes(
        right, cost, bin, fold, budget, choose, same=same
    ).mean()


def _without_budget(
    right: FloatArray, cost: FloatArray, bin: IntArray, budget: float
) -> IntArray:
    return _chosen(right, cost, bin, np.inf)


def _on_all(
    right: FloatArray, cost: FloatArray, bin: IntArray, fold: IntArray, budget: float
) -> float:
    options = _chosen(right, cost, bin, budget)
    return float(right[options[bin], np.arange(len(bin))].mean())


_LUCK = (
    "there an option also looks good because it was lucky on just these problems. "
    "Choose on one fold, judge on the other"
)
_ITSELF = f"it is judged on the problems that it was chosen on: {_LUCK}"
_EACH = (
    "the best option of every single problem is taken: that needs to know the outcome. "
    "One option is chosen for a whole bin"
)
_FOLDS = (
    Mistake(_ITSELF, _by(_chosen, same=True)),
    Mistake(
        f"it is chosen on all problems and judged on the same ones: {_LUCK}",
        _on_all,
    ),
    Mistake(
        "only the first fold is judged; then the other way round, so that every "
        "problem counts",
        _of_fold(0),
    ),
    Mistake(
        "only the second fold is judged; then the other way round, so that every "
        "problem counts",
        _of_fold(1),
    ),
    Mistake(_ITSELF, _of_fold(0, same=True)),
    Mistake(_ITSELF, _of_fold(1, same=True)),
    Mistake(
        "the means of the two folds are averaged, but they are not equally large: the "
        "mean is over problems",
        _of_fold(None),
    ),
    Mistake(
        _EACH,
        lambda right, cost, bin, fold, budget: (
            np.where(cost <= budget, right, 0).max(axis=0).mean()
        ),
    ),
    Mistake(_EACH, lambda right, *rest: right.max(axis=0).mean()),
    Mistake("one option is chosen for all bins together", _by(_everywhere)),
    Mistake("the budget is not looked at", _by(_without_budget)),
    Mistake("these are the outcomes of the problems; their mean was asked", _outcomes),
)
