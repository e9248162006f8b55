"""The check of who wins at matched FLOPs, from tables of accuracies.

Promises: the interval of a bin is that of the mean of paired differences, so that
nothing about it is random. Not covered: where the accuracies come from.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray, IntArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report

Spread = Callable[[FloatArray, FloatArray], float]
At = Callable[[FloatArray, FloatArray, float], FloatArray]


def who_wins(answer: Answer, seed: int) -> Report:
    """Check `who_wins(budgets, small, large, bins, matched)`: one row per bin."""
    budgets = np.array([1.0, 4.0, 16.0])
    small = np.array([[0.0, 0.5, 1.0], [0.25, 0.5, 0.75], [0.0, 0.0, 0.5],
                      [0.5, 1.0, 1.0]])  # fmt: skip
    large = np.array([1.0, 0.0, 0.0, 1.0])
    one, two = np.zeros(4, np.int64), np.array([0, 1, 1, 0])
    rng = np.random.default_rng(seed)
    between = "8 is half way from 4 to 16 where compute is multiplied: use the logs"
    last = "beyond the last budget nothing was measured: use the last column as it is"
    cases = [
        _table(budgets, small, large, one, 4.0),
        _table(budgets, small, large, two, 4.0, "each bin on its own, easiest first"),
        _table(budgets, small, large, one, 8.0, between),
        _table(budgets, small, large, two, 1000.0, last),
        *(_drawn(rng, problems, matched)
          for problems, matched in ((12, 2.0), (40, 100.0), (41, 257.75))),
    ]  # fmt: skip
    return grade("who_wins", answer, cases, mistakes=_WINNERS)


def _table(
    budgets: FloatArray,
    small: FloatArray,
    large: FloatArray,
    bins: IntArray,
    matched: float,
    hint: str = "",
) -> Case:
    given = {"budgets": budgets, "small": small, "large": large, "bins": bins,
             "matched": matched}  # fmt: skip
    return Case(given, _judged()(**given), hint)


def _drawn(rng: np.random.Generator, problems: int, matched: float) -> Case:
    budgets: FloatArray = np.exp2(np.arange(9, dtype=np.float64))
    skill = np.sort(rng.beta(0.5, 1.0, problems))[::-1]
    small = 1 - (1 - skill[:, None]) ** budgets**0.5
    large = (rng.random(problems) < skill**0.3).astype(np.float64)
    bins = np.minimum(np.arange(problems) * 3 // problems, 2)
    return _table(budgets, small, large, bins, matched)


def _by_log(budgets: FloatArray, small: FloatArray, matched: float) -> FloatArray:
    return _interpolated(np.log(budgets), small, float(np.log(matched)))


def _interpolated(x: FloatArray, small: FloatArray, at: float) -> FloatArray:
    return np.array([np.interp(at, x, row) for row in small])


def _column(choose: Callable[[FloatArray, float], int]) -> At:
    def at(budgets: FloatArray, small: FloatArray, matched: float) -> FloatArray:
        found: FloatArray = small[:, choose(budgets, matched)]
        return found

    return at


def _extrapolated(budgets: FloatArray, small: FloatArray, matched: float) -> FloatArray:
    if matched <= budgets[-1]:
        return _by_log(budgets, small, matched)
    x = np.log(budgets)
    slope = (small[:, -1] - small[:, -2]) / (x[-1] - x[-2])
    found: FloatArray = small[:, -1] + slope * (np.log(matched) - x[-1])
    return found


def _error(values: FloatArray, ddof: int = 1) -> float:
    """The standard error of a mean."""
    return float(values.std(ddof=ddof) / np.sqrt(len(values)))


def _judged(
    *,
    at: At = _by_log,
    spread: Spread = lambda mine, theirs: 1.96 * _error(mine - theirs),
    finish: Callable[[FloatArray, FloatArray], FloatArray] = lambda row, theirs: row,
    binned: bool = True,
) -> Callable[..., npt.NDArray[np.float64]]:
    """Who wins in each bin, right by default."""

    def judge(
        budgets: FloatArray,
        small: FloatArray,
        large: FloatArray,
        bins: IntArray,
        matched: float,
    ) -> FloatArray:
        mine, rows = at(budgets, small, matched), []
        for number in np.unique(bins):
            one = bins == number if binned else np.full(len(bins), True)
            gap = float((mine[one] - large[one]).mean())
            half = spread(mine[one], large[one])
            row = np.array([gap, gap - half, gap + half])
            rows.append(finish(row, large[one]))
        return np.array(rows)

    return judge


_WINNERS = tuple(
    Mistake(cause, imitate)
    for cause, imitate in (
        (
            "between two budgets it is interpolated in the budget; compute multiplies, "
            "so interpolate in its log",
            _judged(at=_interpolated),
        ),
        (
            "the next smaller measured budget is used; interpolate between the two "
            "around the matched one",
            _judged(at=_column(lambda b, k: int(np.searchsorted(b, k, "right")) - 1)),
        ),
        (
            "the nearest measured budget is used; interpolate between the two around "
            "the matched one",
            _judged(at=_column(lambda b, k: int(np.abs(b - k).argmin()))),
        ),
        (
            "the last budget is used, whatever was matched: R no longer matters",
            _judged(at=_column(lambda b, k: -1)),
        ),
        (
            "beyond the last budget the curve is continued; nothing was measured "
            "there, and more compute is not assumed to help",
            _judged(at=_extrapolated),
        ),
        (
            "the interval is for two unrelated sets of problems; both models answered "
            "the same ones, so take the differences first, problem by problem",
            _judged(spread=lambda a, b: 1.96 * math.hypot(_error(a), _error(b))),
        ),
        (
            "the variance is divided by n; estimated from n values it is divided by "
            "n - 1, which is `ddof=1`",
            _judged(spread=lambda a, b: 1.96 * _error(a - b, 0)),
        ),
        (
            "this is the spread of single problems; the mean of n of them is known "
            "better, by the root of n",
            _judged(spread=lambda a, b: 1.96 * float((a - b).std(ddof=1))),
        ),
        (
            "the interval is one standard error wide on each side: 68%. For 95% it is "
            "1.96 of them",
            _judged(spread=lambda a, b: _error(a - b)),
        ),
        (
            "the interval is of the smaller model alone; the larger one's answers vary "
            "from problem to problem as well",
            _judged(spread=lambda a, b: 1.96 * _error(a)),
        ),
        (
            "this is the larger model less the smaller",
            _judged(finish=lambda row, _: -row[[0, 2, 1]]),
        ),
        (
            "the row is (difference, high, low); wanted is (difference, low, high)",
            _judged(finish=lambda row, _: row[[0, 2, 1]]),
        ),
        (
            "this is in percent; a difference of 7 points is written 0.07",
            _judged(finish=lambda row, _: 100 * row),
        ),
        (
            "the difference is divided by the larger model's accuracy; wanted is the "
            "difference itself",
            _judged(finish=lambda row, b: row / b.mean() if b.any() else row),
        ),
        (
            "the bins are not used: every row is of all problems",
            _judged(binned=False),
        ),
    )
)
