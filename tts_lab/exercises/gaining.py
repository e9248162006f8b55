"""Checks of exercise 9's gain over chain of thought, and whether it shrinks with size.

Promises: compares with the definitions, Liu et al. (2502.06703, Table 5) for the gain,
pair by pair for the trend. Not covered: intervals.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.exercises.grading import Answer, Case, Mistake, close_or_nan, grade
from tts_lab.exercises.report import Report


def gain(answer: Answer, seed: int) -> Report:
    """Check `gain(cot, optimal)`: compute-optimal over chain of thought, less one."""
    rng = np.random.default_rng(seed)
    given = [
        (np.array([20.0, 50.0, 80.0]), np.array([50.0, 75.0, 88.0])),
        (np.array([0.5]), np.array([0.5])),
        (np.array([0.25, 0.5]), np.array([0.75, 0.4])),
    ]
    for size in (4, 6):
        cot = rng.uniform(10, 80, size)
        given.append((cot, cot + rng.uniform(0, 20, size)))
    cases = [
        Case({"cot": cot, "optimal": optimal}, optimal / cot - 1)
        for cot, optimal in given
    ]
    return grade("gain", answer, cases, mistakes=_GAINS)


def shrinks(answer: Answer, seed: int) -> Report:
    """Check `shrinks(sizes, gains)`: of how many pairs the larger model gains less."""
    nobody = "no two models differ in size, so there is no pair: `np.nan`"
    rng = np.random.default_rng(seed)
    given = [
        ([1, 3, 8, 14], [1.5, 0.9, 0.6, 0.2], ""),
        ([1, 3, 8, 14], [1.5, 0.4, 0.6, 0.2], ""),
        ([8, 1, 14, 3], [0.6, 1.5, 0.2, 0.9], "models may come in any order"),
        ([14, 1, 3, 8], [0.9, 0.8, 1.5, 0.4], "models may come in any order"),
        ([3, 3, 1, 8], [0.9, 0.3, 1.5, 0.2], "two models of one size are no pair"),
        ([1, 3, 8], [0.5, 0.5, 0.25], "an equal gain is not less"),
        ([1, 3], [0.1, 0.4], ""),
        ([3, 3], [0.9, 0.3], nobody),
        ([7], [0.5], nobody),
    ]
    for size in (5, 8):
        gains = rng.uniform(0, 1.5, size).round(3).tolist()
        given.append((rng.permutation(size).tolist(), gains, ""))
    cases = [
        Case({"sizes": np.array(sizes), "gains": np.array(gains)},
             _pairs(np.array(sizes), np.array(gains)), hint)
        for sizes, gains, hint in given
    ]  # fmt: skip
    return grade("shrinks", answer, cases, mistakes=_TRENDS, same=close_or_nan)


def _pairs(
    sizes: IntArray,
    gains: FloatArray,
    *,
    ties: bool = False,
    alike: bool = False,
    none: float = math.nan,
    of: int = 1,
) -> float:
    """Of the pairs of different size, the share in which the larger gains less."""
    found = []
    for i, j in itertools.combinations(range(len(sizes)), 2):
        small, large = (i, j) if sizes[i] < sizes[j] else (j, i)
        if sizes[i] != sizes[j] or alike:
            less = gains[large] < gains[small]
            found.append(less or (ties and gains[large] == gains[small]))
    return float(np.mean(found)) / of if found else none


def _neighbours(gains: FloatArray) -> float:
    return float(np.mean(np.diff(gains) < 0)) if len(gains) > 1 else math.nan


def _in_order(sizes: IntArray, gains: FloatArray) -> float:
    return _pairs(np.arange(len(gains)), gains)


_GAINS = (
    Mistake(
        "this is the difference in points; the gain is relative to chain of thought",
        lambda cot, optimal: optimal - cot,
    ),
    Mistake(
        "this is the ratio, 1 where nothing is gained; the gain is what it is above 1",
        lambda cot, optimal: optimal / cot,
    ),
    Mistake(
        "this is in percent; a gain of one half is written 0.5",
        lambda cot, optimal: 100 * (optimal / cot - 1),
    ),
    Mistake(
        "the difference is divided by the compute-optimal accuracy; what there was "
        "before is chain of thought",
        lambda cot, optimal: (optimal - cot) / optimal,
    ),
    Mistake(
        "this is the way back, what is lost without test-time compute",
        lambda cot, optimal: cot / optimal - 1,
    ),
    Mistake(
        "this is the share of the errors that is removed, another question: the gain "
        "is relative to the accuracy of chain of thought",
        lambda cot, optimal: (optimal - cot) / (100 - cot),
    ),
    Mistake(
        "the mean is taken over the models; each has its own gain",
        lambda cot, optimal: np.mean(optimal / cot - 1),
    ),
    Mistake(
        "this is the gain of the means; each model has its own gain",
        lambda cot, optimal: np.mean(optimal) / np.mean(cot) - 1,
    ),
    Mistake("this is the logarithm of the ratio; the gain is the ratio less one",
            lambda cot, optimal: np.log(optimal / cot)),
)  # fmt: skip

_TRENDS = (
    Mistake(
        "the sizes are not looked at: models may come in any order",
        lambda sizes, gains: _in_order(sizes, gains),
    ),
    Mistake(
        "only neighbours in the list are compared, and the sizes are not looked at: "
        "every pair of models counts",
        lambda sizes, gains: _neighbours(gains),
    ),
    Mistake(
        "only neighbours in size are compared; every pair of models counts",
        lambda sizes, gains: _neighbours(gains[np.argsort(sizes, kind="stable")]),
    ),
    Mistake(
        "the wrong way round: this is how often the larger model gains more",
        lambda sizes, gains: _pairs(sizes, -gains),
    ),
    Mistake(
        "an equal gain is counted as less: `<`, not `<=`",
        lambda sizes, gains: _pairs(sizes, gains, ties=True),
    ),
    Mistake(
        "two models of one size are compared; neither is the larger one",
        lambda sizes, gains: _pairs(sizes, gains, alike=True),
    ),
    Mistake(
        "every pair is counted twice below the line, (a, b) and (b, a), and once above",
        lambda sizes, gains: _pairs(sizes, gains, of=2),
    ),
    Mistake(
        "where there is no pair the share is unknown, `np.nan`, not 0",
        lambda sizes, gains: _pairs(sizes, gains, none=0.0),
    ),
    Mistake(
        "where there is no pair the share is unknown, `np.nan`, not 1",
        lambda sizes, gains: _pairs(sizes, gains, none=1.0),
    ),
    Mistake(
        "this is a correlation, from -1 to 1; wanted is a share of pairs",
        lambda sizes, gains: np.corrcoef(sizes, gains)[0, 1],
    ),
    Mistake(
        "this is a rank correlation, from -1 to 1; wanted is a share of pairs",
        lambda sizes, gains: 1 - 2 * _pairs(sizes, gains),
    ),
)
