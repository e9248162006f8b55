"""Checks of exercise 11: Control, Scaling and Performance (Muennighoff et al.).

Promises: the truth is `tts_lab.think.metrics`, s1's sec. 3.2 (2501.19393). Not covered:
intervals.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np

from tts_lab.bootstrap import FloatArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report
from tts_lab.think import metrics

Three = Callable[[FloatArray, float, float], float]
Two = Callable[[FloatArray, FloatArray], float]


def control(answer: Answer, seed: int) -> Report:
    """Check `control(tokens, least, most)`: the share of runs within the limits."""
    rng = np.random.default_rng(seed)
    ends = "both limits are allowed lengths"
    given: list[tuple[list[float], float, float, str]] = [
        ([90, 100, 130], 80, 120, ""),
        ([80, 80, 120, 121, 79], 80, 120, ends),
        ([50, 50, 50, 90], 60, 100, ""),
        ([100, 200, 300, 400, 500], 150, 450, ""),
        ([100], 200, 300, ""),
    ]
    for size in (10, 25):
        drawn = rng.integers(1, 1000, size).astype(float)
        low, high = np.sort(drawn)[[2, -3]]
        given.append((drawn.tolist(), float(low), float(high), ""))
    cases = [
        Case({"tokens": np.array(tokens), "least": least, "most": most},
             metrics.control(tokens, least, most), hint)
        for tokens, least, most, hint in given
    ]  # fmt: skip
    return grade("control", answer, cases, mistakes=_CONTROLS)


def scaling(answer: Answer, seed: int) -> Report:
    """Check `scaling(tokens, accuracy)`: the mean slope over all pairs of lengths."""
    rng = np.random.default_rng(seed)
    given = [
        ([100.0, 200.0], [0.25, 0.5]),
        ([100.0, 200.0, 400.0], [0.2, 0.4, 0.4]),
        ([100.0, 200.0, 400.0, 500.0], [0.2, 0.6, 0.5, 0.4]),
        ([400.0, 100.0, 200.0], [0.4, 0.2, 0.4]),
    ]
    for size in (4, 6):
        tokens = np.sort(rng.choice(np.arange(10.0, 900.0), size, replace=False))
        given.append((tokens.tolist(), rng.uniform(0.1, 0.9, size).tolist()))
    cases = [
        Case({"tokens": np.array(x), "accuracy": np.array(y)}, metrics.scaling(x, y))
        for x, y in given
    ]
    return grade("scaling", answer, cases, mistakes=_SLOPES)


def performance(answer: Answer, seed: int) -> Report:
    """Check `performance(accuracy)`: the most that any length reaches."""
    rng = np.random.default_rng(seed)
    given = [[0.2, 0.4, 0.3], [0.5], [0.6, 0.5, 0.4], [0.1, 0.2, 0.7, 0.65]]
    given += [rng.permutation(np.linspace(0.1, 0.8, 7)).tolist() for _ in range(2)]
    cases = [
        Case({"accuracy": np.array(one)}, metrics.performance(one)) for one in given
    ]
    return grade("performance", answer, cases, mistakes=_BESTS)


_CONTROLS = tuple(
    Mistake(cause, imitate)
    for cause, imitate in (
        (
            "the limits themselves are left out: a length equal to one is as asked",
            lambda tokens, least, most: np.mean((tokens > least) & (tokens < most)),
        ),
        (
            "the lower limit is left out: a length equal to it is as asked",
            lambda tokens, least, most: np.mean((tokens > least) & (tokens <= most)),
        ),
        (
            "the upper limit is left out: a length equal to it is as asked",
            lambda tokens, least, most: np.mean((tokens >= least) & (tokens < most)),
        ),
        (
            "only the upper limit is looked at: too short is not as asked either",
            lambda tokens, least, most: np.mean(tokens <= most),
        ),
        (
            "only the lower limit is looked at: too long is not as asked either",
            lambda tokens, least, most: np.mean(tokens >= least),
        ),
        (
            "this is how often the length is not as asked",
            lambda tokens, least, most: np.mean((tokens < least) | (tokens > most)),
        ),
        (
            "this is a number of runs; wanted is their share",
            lambda tokens, least, most: np.sum((tokens >= least) & (tokens <= most)),
        ),
        (
            "this is in percent; wanted is a share, between 0 and 1",
            lambda tokens, least, most: (
                100 * np.mean((tokens >= least) & (tokens <= most))
            ),
        ),
        (
            "this asks whether the mean length is as asked; ask it of each run",
            lambda tokens, least, most: float(least <= np.mean(tokens) <= most),
        ),
    )
)


def _pairs(x: FloatArray, y: FloatArray) -> list[tuple[float, float]]:
    """Differences of tokens and of accuracy, the longer less the shorter."""
    order = np.argsort(x)
    x, y = x[order], y[order]
    return [
        (x[j] - x[i], y[j] - y[i]) for i, j in itertools.combinations(range(len(x)), 2)
    ]


def _neighbours(x: FloatArray, y: FloatArray) -> float:
    order = np.argsort(x)
    return float(np.mean(np.diff(y[order]) / np.diff(x[order])))


def _ends(x: FloatArray, y: FloatArray) -> float:
    first, last = x.argmin(), x.argmax()
    return float((y[last] - y[first]) / (x[last] - x[first]))


_SLOPES = tuple(
    Mistake(cause, imitate)
    for cause, imitate in (
        (
            "only neighbouring lengths are compared: every pair of them counts",
            _neighbours,
        ),
        (
            "only the shortest and the longest are compared: every pair of lengths "
            "counts",
            _ends,
        ),
        (
            "this is the slope of a least-squares line; wanted is the mean of the "
            "slopes of all pairs",
            lambda x, y: np.polyfit(x, y, 1)[0],
        ),
        (
            "the slopes are added up: wanted is their mean",
            lambda x, y: sum(b / a for a, b in _pairs(x, y)),
        ),
        (
            "the differences are added up and then divided; each pair has its own "
            "slope, and wanted is the mean of these",
            lambda x, y: (
                sum(b for _, b in _pairs(x, y)) / sum(a for a, _ in _pairs(x, y))
            ),
        ),
        (
            "the slope is upside down: accuracy for each token, not tokens for each "
            "accuracy",
            lambda x, y: np.mean([a / b if b else np.inf for a, b in _pairs(x, y)]),
        ),
        (
            "the sign is wrong: the longer one less the shorter one, in both",
            lambda x, y: -np.mean([b / a for a, b in _pairs(x, y)]),
        ),
        (
            "this is for each doubling of the tokens; s1 divides by tokens",
            lambda x, y: np.mean(
                [
                    (y[j] - y[i]) / np.log2(x[j] / x[i])
                    for i, j in itertools.combinations(range(len(x)), 2)
                ]
            ),
        ),
        (
            "the differences of accuracy are not divided by those of tokens",
            lambda x, y: np.mean([b for _, b in _pairs(x, y)]),
        ),
        (
            "the sum over all pairs is divided by the number of lengths; divide by the "
            "number of pairs",
            lambda x, y: sum(b / a for a, b in _pairs(x, y)) / len(x),
        ),
    )
)

_BESTS = (
    Mistake(
        "this is the accuracy at the last length; longer is not always better",
        lambda accuracy: accuracy[-1],
    ),
    Mistake("this is the mean; wanted is the most", lambda accuracy: accuracy.mean()),
    Mistake(
        "this is the position of the best; wanted is its accuracy",
        lambda accuracy: float(accuracy.argmax()),
    ),
    Mistake(
        "this is what the best gains over the first; wanted is its accuracy",
        lambda accuracy: accuracy.max() - accuracy[0],
    ),
    Mistake(
        "this is the range; wanted is the highest accuracy",
        lambda accuracy: accuracy.max() - accuracy.min(),
    ),
    Mistake("this is the lowest accuracy", lambda accuracy: accuracy.min()),
    Mistake(
        "the lengths with the best accuracy are not asked for: one number",
        lambda accuracy: np.sort(accuracy)[-2:].mean(),
    ),
)
