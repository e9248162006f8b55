"""Checks of exercise 7's difficulty bins: equal ones, and absolute thresholds.

Promises: the truth is `tts_lab.difficulty`. Not covered: what the values are made of.
"""

from __future__ import annotations

import numpy as np

from tts_lab import difficulty
from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report


def quantile_bins(answer: Answer, seed: int) -> Report:
    """Check `quantile_bins(value, bins)`: bins of equal size, 0 the easiest."""
    ties = "of equal values the problem that comes first is in the easier bin"
    uneven = "7 problems in 3 bins are 3, 2 and 2: the first bins take one more"
    rng = np.random.default_rng(seed)
    given = [
        ([0.1, 0.9, 0.5, 0.7], 2, ""),
        ([0.3, 0.8, 0.1, 0.6, 0.9, 0.2], 3, ""),
        ([0.0, 0.01, 0.02, 0.9, 0.95, 1.0, 0.03, 0.04], 4, "bins hold equally many"),
        ([0.5, 0.0, 0.5, 0.5, 1.0, 0.5], 3, ties),
        ([0.0, 0.0, 0.0, 0.0], 2, ties),
        ([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 3, uneven),
        (rng.random(20).round(3).tolist(), 5, ""),
        (rng.binomial(4, 0.5, 15).tolist(), 5, ties),
    ]
    cases = [
        Case({"value": np.array(value, np.float64), "bins": bins},
             difficulty.quantiles(value, bins=bins).bin, hint)
        for value, bins, hint in given
    ]  # fmt: skip
    return grade("quantile_bins", answer, cases, mistakes=_QUANTILES)


def threshold_bins(answer: Answer, seed: int) -> Report:
    """Check `threshold_bins(value, at)`: bins by falling absolute thresholds."""
    on = "a value on a threshold is in the easier bin"
    rng = np.random.default_rng(seed)
    given = [
        ([0.9, 0.3, 0.02], [0.5, 0.1], ""),
        ([0.02, 0.9, 0.3, 0.7], [0.5, 0.1], ""),
        ([0.5, 0.1, 0.25], [0.5, 0.1], on),
        ([0.9, 0.8, 0.7], [0.5, 0.1], "a bin may stay empty"),
        ([0.9, 0.3], [0.5], "one threshold makes two bins"),
        (rng.random(12).round(2).tolist(), [0.75, 0.5, 0.25], ""),
    ]
    cases = [
        Case({"value": np.array(value), "at": np.array(at)},
             difficulty.thresholds(value, at=at).bin, hint)
        for value, at, hint in given
    ]  # fmt: skip
    return grade("threshold_bins", answer, cases, mistakes=_THRESHOLDS)


def _even(order: IntArray, bins: int) -> IntArray:
    """The bin of each problem, given the problems in order."""
    number = np.empty(len(order), np.int64)
    for i, part in enumerate(np.array_split(order, bins)):
        number[part] = i
    return number


def _right(value: FloatArray, bins: int) -> IntArray:
    return _even(np.argsort(-value, kind="stable"), bins)


def _wide(value: FloatArray, bins: int) -> IntArray:
    edges = np.linspace(value.min(), value.max(), bins + 1)[1:-1]
    return bins - 1 - np.digitize(value, edges)


def _cut(value: FloatArray, bins: int) -> IntArray:
    edges = np.quantile(value, np.arange(1, bins) / bins)
    return bins - 1 - np.digitize(value, edges)


def _places(value: FloatArray, bins: int) -> IntArray:
    """Of argsort itself, as if it were the rank."""
    return np.argsort(-value, kind="stable") * bins // len(value)


def _by_width(value: FloatArray, bins: int) -> IntArray:
    return np.minimum(((1 - value) * bins).astype(np.int64), bins - 1)


_QUANTILES = (
    Mistake(
        "the bins are the wrong way round: bin 0 is the easiest, the highest values",
        lambda value, bins: _even(np.argsort(value, kind="stable"), bins),
    ),
    Mistake(
        "the bins are the wrong way round: bin 0 is the easiest, the highest values",
        lambda value, bins: bins - 1 - _right(value, bins),
    ),
    Mistake(
        "`np.argsort` says which problem stands at each place, not at which place each "
        "problem stands: assign to `number[order[...]]`",
        _places,
    ),
    Mistake(
        "the bins are numbered in sorted order and handed back so; entry i belongs to "
        "problem i",
        lambda value, bins: np.sort(_right(value, bins)),
    ),
    Mistake(
        "the bins are equally wide in value; they are to hold equally many problems",
        _wide,
    ),
    Mistake(
        "the bins are equally wide in value; they are to hold equally many problems",
        _by_width,
    ),
    Mistake(
        "equal values all fall into one bin, so the bins are not equally full: sort "
        "the problems and cut the sorted list",
        _cut,
    ),
    Mistake(
        "the bins are numbered from 1", lambda value, bins: _right(value, bins) + 1
    ),
    Mistake(
        "equal values are in reversed order, as in a sorted list that is turned round: "
        "sort by the negative value, with kind='stable'",
        lambda value, bins: _even(np.argsort(value, kind="stable")[::-1], bins),
    ),
)

_THRESHOLDS = (
    Mistake(
        "a value on a threshold is in the harder bin; it belongs to the easier one",
        lambda value, at: (value[:, None] <= at).sum(axis=1),
    ),
    Mistake(
        "the bins are the wrong way round: bin 0 is the easiest, above the first "
        "threshold",
        lambda value, at: (value[:, None] >= at).sum(axis=1),
    ),
    Mistake(
        "the bins are numbered from 1",
        lambda value, at: (value[:, None] < at).sum(axis=1) + 1,
    ),
    Mistake(
        "these are bins of equal size; thresholds do not look at the other problems",
        lambda value, at: _right(value, len(at) + 1),
    ),
    Mistake(
        "only the first threshold is used",
        lambda value, at: (value < at[0]).astype(np.int64),
    ),
)
