"""Checks of exercise 11: accuracy for each doubling of tokens, and where it bends.

Promises: the truth is `tts_lab.think.metrics`. Not covered: intervals, and whether a
curve bends at all: one that does not gets a bend too.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tts_lab.bootstrap import FloatArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report
from tts_lab.think import metrics


def log_slope(answer: Answer, seed: int) -> Report:
    """Check `log_slope(tokens, accuracy)`: least squares over log2 of the tokens."""
    rng = np.random.default_rng(seed)
    given = [
        ([1.0, 2.0, 4.0], [0.1, 0.3, 0.5]),
        ([100.0, 200.0, 400.0, 800.0], [0.2, 0.5, 0.6, 0.62]),
        ([30.0, 50.0, 500.0], [0.5, 0.4, 0.3]),
        ([400.0, 100.0, 1600.0], [0.3, 0.1, 0.4]),
    ]
    for size in (5, 7):
        tokens = np.sort(rng.choice(np.arange(10.0, 900.0), size, replace=False))
        given.append((tokens.tolist(), rng.uniform(0.1, 0.9, size).tolist()))
    cases = [
        Case({"tokens": np.array(x), "accuracy": np.array(y)}, metrics.log_slope(x, y))
        for x, y in given
    ]
    return grade("log_slope", answer, cases, mistakes=_SLOPES)


def bend(answer: Answer, seed: int) -> Report:
    """Check `bend(tokens, accuracy)`: (tokens, slope before, slope after)."""
    rng = np.random.default_rng(seed)
    corner = "the two lines meet in one of the inner points, at its tokens"
    given: list[tuple[list[float], list[float], str]] = [
        ([1.0, 2.0, 4.0, 8.0, 16.0], [0.1, 0.3, 0.5, 0.5, 0.5], corner),
        ([50.0, 100.0, 200.0, 400.0, 800.0], [0.2, 0.4, 0.48, 0.56, 0.64], corner),
        ([64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0],
         [0.1, 0.22, 0.28, 0.46, 0.4, 0.42], ""),
    ]  # fmt: skip
    for size in (6, 7):
        tokens = 40 * 2.0 ** np.cumsum(rng.uniform(0.5, 1.5, size))
        knot = int(rng.integers(2, size - 2))
        logs = np.log2(tokens / tokens[knot])
        curve = 0.5 + 0.12 * np.minimum(logs, 0) + 0.02 * np.maximum(logs, 0)
        noisy = curve + rng.normal(0, 0.01, size)
        given.append((tokens.round(1).tolist(), noisy.round(4).tolist(), ""))
    cases = [
        Case({"tokens": np.array(x), "accuracy": np.array(y)},
             np.array(metrics.bend(x, y)), hint)
        for x, y, hint in given
    ]  # fmt: skip
    return grade("bend", answer, cases, mistakes=_BENDS)


_SLOPES = tuple(
    Mistake(cause, imitate)
    for cause, imitate in (
        (
            "this is for each factor of e, the natural logarithm; a doubling is one "
            "unit of log2",
            lambda x, y: np.polyfit(np.log(x), y, 1)[0],
        ),
        (
            "this is for each factor of ten; a doubling is one unit of log2",
            lambda x, y: np.polyfit(np.log10(x), y, 1)[0],
        ),
        (
            "this is the slope for each token: take the logarithm of the tokens first",
            lambda x, y: np.polyfit(x, y, 1)[0],
        ),
        (
            "the logarithm of the accuracy is taken too; only the tokens have one",
            lambda x, y: np.polyfit(np.log2(x), np.log2(y), 1)[0],
        ),
        (
            "only the first and the last point are used; least squares uses all",
            lambda x, y: (y[-1] - y[0]) / np.log2(x[-1] / x[0]),
        ),
        (
            "this is the mean of the slopes between neighbours; least squares fits one "
            "line to all points",
            lambda x, y: np.mean(np.diff(y) / np.diff(np.log2(x))),
        ),
        (
            "x and y have changed places: accuracy is fitted by tokens",
            lambda x, y: np.polyfit(y, np.log2(x), 1)[0],
        ),
        (
            "this is the intercept of the line; `polyfit` gives the slope first",
            lambda x, y: np.polyfit(np.log2(x), y, 1)[1],
        ),
        (
            "the line is forced through accuracy 0 at one token; it has an intercept",
            lambda x, y: np.sum(np.log2(x) * y) / np.sum(np.log2(x) ** 2),
        ),
        (
            "this is a correlation; wanted is a slope",
            lambda x, y: np.corrcoef(np.log2(x), y)[0, 1],
        ),
        (
            "slope and intercept are returned: the slope alone",
            lambda x, y: np.polyfit(np.log2(x), y, 1),
        ),
    )
)


_SCALES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "log2": np.log2, "log": np.log, "log10": np.log10, "linear": np.array,
}  # fmt: skip


def bent(
    x: FloatArray,
    y: FloatArray,
    *,
    scale: str = "log2",
    ends: bool = False,
    best: bool = True,
    meet: bool = True,
) -> tuple[float, float, float]:
    """The bend, or with another rule.

    On another `scale`; also at the `ends`; the best knot, or the worst; the lines
    `meet`, or are two of their own, both of which have the knot.
    """
    logs = _SCALES[scale](x)
    found = []
    for place in range(len(x)) if ends else range(1, len(x) - 1):
        knot = logs[place]
        if meet:
            columns = np.stack(
                [
                    np.ones(len(x)),
                    np.minimum(logs - knot, 0),
                    np.maximum(logs - knot, 0),
                ],
                1,
            )
            fit = np.linalg.lstsq(columns, y, rcond=None)[0]
            error, before, after = np.sum((columns @ fit - y) ** 2), fit[1], fit[2]
        else:
            parts = (slice(None, place + 1), slice(place, None))
            lines = [np.polyfit(logs[part], y[part], 1) for part in parts]
            error = sum(
                np.sum((np.polyval(line, logs[part]) - y[part]) ** 2)
                for line, part in zip(lines, parts, strict=True)
            )
            before, after = lines[0][0], lines[1][0]
        found.append((float(error), float(x[place]), float(before), float(after)))
    chosen = (min if best else max)(found, key=lambda one: round(one[0], 15))
    return chosen[1:]


def _sharpest(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """The inner point where the slopes of the neighbours differ most."""
    slopes = np.diff(y) / np.diff(np.log2(x))
    place = int(np.abs(np.diff(slopes)).argmax()) + 1
    return float(x[place]), float(slopes[place - 1]), float(slopes[place])


def _highest(x: FloatArray, y: FloatArray) -> tuple[float, float, float]:
    """The inner point with the highest accuracy, and the slopes around it."""
    place = 1 + int(y[1:-1].argmax())
    slopes = [
        float(np.polyfit(np.log2(x[part]), y[part], 1)[0])
        for part in (slice(None, place + 1), slice(place, None))
    ]
    return float(x[place]), slopes[0], slopes[1]


_BENDS = tuple(
    Mistake(cause, imitate)
    for cause, imitate in (
        (
            "the two lines do not meet: they are fitted apart. Fit both at once, with "
            "one value at the bend",
            lambda x, y: bent(x, y, meet=False),
        ),
        (
            "the third number is the change of slope; wanted is the slope behind the "
            "bend",
            lambda x, y: (*bent(x, y)[:2], bent(x, y)[2] - bent(x, y)[1]),
        ),
        (
            "the bend is given in log2; wanted are tokens",
            lambda x, y: (float(np.log2(bent(x, y)[0])), *bent(x, y)[1:]),
        ),
        (
            "the slopes are for each factor of e; a doubling is one unit of log2",
            lambda x, y: bent(x, y, scale="log"),
        ),
        (
            "the slopes are for each factor of ten; a doubling is one unit of log2",
            lambda x, y: bent(x, y, scale="log10"),
        ),
        (
            "the lines are fitted over the tokens themselves; over their logarithm "
            "they are lines",
            lambda x, y: bent(x, y, scale="linear"),
        ),
        (
            "the worst bend is taken: the one with the least squared error",
            lambda x, y: bent(x, y, best=False),
        ),
        (
            "this is where the slopes of neighbours differ most, which noise decides: "
            "fit two lines to all points",
            _sharpest,
        ),
        (
            "this is the highest point; a curve may bend and go on rising",
            _highest,
        ),
        (
            "the two slopes are the wrong way round: before, then after",
            lambda x, y: (bent(x, y)[0], bent(x, y)[2], bent(x, y)[1]),
        ),
        (
            "the position of the bend is given; wanted are its tokens",
            lambda x, y: (
                float(np.flatnonzero(x == bent(x, y)[0])[0]),
                *bent(x, y)[1:],
            ),
        ),
        (
            "only the tokens of the bend are returned: three numbers",
            lambda x, y: bent(x, y)[0],
        ),
    )
)
