"""The check of exercise 7's efficiency: compute at equal accuracy.

Promises: compares with what `tts_lab.allocate.efficiency` means by it, the curve
interpolated in the logarithm of the budget. Not covered: its interval.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tts_lab.bootstrap import FloatArray
from tts_lab.exercises.grading import Answer, Case, Mistake, grade
from tts_lab.exercises.report import Report


def times_less(answer: Answer, seed: int) -> Report:
    """Check `times_less(budgets, accuracy, goal, spent)`: compute at equal accuracy."""
    names = ("budgets", "accuracy", "goal", "spent")
    one, rise = np.array([1.0, 4, 16, 64]), np.array([0.25, 0.5, 0.625, 0.75])
    log = "between two budgets go by their logarithm: half way from 4 to 16 is 8"
    dip = "where the curve falls, what was reached before still counts"
    given: list[tuple[Any, ...]] = [
        (one, rise, 0.5, 16.0, ""),
        (one, rise, 0.75, 64.0, ""),
        (one, rise, 0.5625, 16.0, log),
        (one, rise, 0.375, 16.0, log),
        (one, rise, 0.875, 64.0, "the goal is never reached: 0"),
        (one, rise, 0.125, 16.0, "the smallest budget is good enough: take that one"),
        (one, rise, 0.25, 4.0, "the smallest budget is good enough: take that one"),
        (one, np.array([0.25, 0.5, 0.4375, 0.75]), 0.5, 16.0, dip),
        (one, np.array([0.25, 0.5, 0.4375, 0.75]), 0.625, 64.0, dip),
    ]
    rng = np.random.default_rng(seed)
    for size in (5, 7):
        budgets = 2.0 ** np.arange(size)
        curve = np.sort(rng.uniform(0.1, 0.9, size))
        goal = float(rng.uniform(curve[0], curve[-1]))
        given.append((budgets, curve, goal, float(2.0 ** rng.integers(size)), log))
    cases = [
        Case(dict(zip(names, four, strict=True)), _ratio(*four), hint)
        for *four, hint in given
    ]
    return grade("times_less", answer, cases, mistakes=_RATIOS)


def _ratio(
    budgets: FloatArray,
    accuracy: FloatArray,
    goal: float,
    spent: float,
    *,
    turn: Callable[[FloatArray], FloatArray] = np.log,
    back: Callable[[FloatArray], FloatArray] = np.exp,
    falls: bool = False,
) -> float:
    """What is spent by what is needed, the curve interpolated over the turned axis."""
    curve = accuracy if falls else np.maximum.accumulate(accuracy)
    if curve.max() < goal:
        return 0.0
    first = int(np.argmax(curve >= goal))
    if first == 0:
        return float(spent / budgets[0])
    axis = turn(budgets)
    share = (goal - curve[first - 1]) / (curve[first] - curve[first - 1])
    needed = axis[first - 1] + share * (axis[first] - axis[first - 1])
    return float(spent / back(needed))


def _same(values: FloatArray) -> FloatArray:
    return values


def _first(
    budgets: FloatArray, accuracy: FloatArray, goal: float, spent: float
) -> float:
    reached = accuracy >= goal
    return float(spent / budgets[reached.argmax()]) if reached.any() else 0.0


def _never(value: float) -> Answer:
    """Another value where the goal is never reached."""
    return lambda budgets, accuracy, goal, spent: (
        _ratio(budgets, accuracy, goal, spent) if accuracy.max() >= goal else value
    )


def _upside_down(
    budgets: FloatArray, accuracy: FloatArray, goal: float, spent: float
) -> float:
    found = _ratio(budgets, accuracy, goal, spent)
    return 1 / found if found else 0.0


def _last(
    budgets: FloatArray, accuracy: FloatArray, goal: float, spent: float
) -> float:
    """By numpy's interpolation, which goes flat beyond the ends."""
    return float(spent / np.exp(np.interp(goal, accuracy, np.log(budgets))))


_RATIOS = (
    Mistake(
        "between two budgets it goes straight; budgets are on a log axis, so go by "
        "their logarithm",
        lambda *given: _ratio(*given, turn=_same, back=_same),
    ),
    Mistake(
        "the first budget that reaches the goal is taken; the goal lies between it and "
        "the one before",
        _first,
    ),
    Mistake("the ratio is upside down: what is spent, by what is needed", _upside_down),
    Mistake(
        "beyond the curve's end it is as if the last budget reached the goal; where "
        "it is never reached, say 0",
        _last,
    ),
    Mistake("where the goal is never reached, say 0", _never(float("inf"))),
    Mistake("where the goal is never reached, say 0", _never(float("nan"))),
    Mistake(
        "this compares accuracy at equal compute; compute at equal accuracy was asked",
        lambda budgets, accuracy, goal, spent: float(
            np.interp(np.log(spent), np.log(budgets), accuracy) / goal
        ),
    ),
    Mistake(
        "this is the budget that is needed; divide what is spent by it",
        lambda budgets, accuracy, goal, spent: (
            spent / found
            if (found := _ratio(budgets, accuracy, goal, spent)) else 0.0
        ),
    ),
)  # fmt: skip
