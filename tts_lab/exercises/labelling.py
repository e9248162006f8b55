"""Checks of exercise 4: Monte-Carlo step labels, and the AUC within a problem.

Promises: `step_labels` compares with the definition, written out here; `auc_within`
with pairs that are counted one by one. Not covered: traces and models (how completions
ended is given as True and False).
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tts_lab.bootstrap import FloatArray
from tts_lab.exercises.grading import Answer, Case, Mistake, close_or_nan, grade
from tts_lab.exercises.report import Report

Ends = Sequence[Sequence[bool]]
Label = Callable[[Sequence[bool]], float]


def step_labels(answer: Answer, seed: int) -> Report:
    """Check `step_labels(ends, right, hard)`: one label for each step."""
    yes, no = True, False
    nobody = "a step that nobody completed is unknown: `np.nan`, and no error"
    answered = (
        "the last step is the answer: nothing follows it, so its label is 1.0 if "
        "`right`, else 0.0"
    )
    four = [[yes, no, yes, no], [yes, no, no, no], [no, no, no, no]]
    mixed = [[yes, yes, yes], [no, yes, yes], [yes, no, yes, no], [no, no]]
    given: list[tuple[Ends, bool, bool, str]] = [
        (four, no, False, ""),
        (four, no, True, ""),
        (mixed, yes, False, ""),
        (mixed, yes, True, ""),
        ([[no, no], [no, no], [no, yes]], yes, False, "each step has its own label"),
        ([[yes, no]], no, False, answered),
        ([[yes, no]], yes, True, answered),
        ([[yes, no], [], [no, yes]], yes, False, nobody),
        ([[yes, no], [], [no, yes]], no, True, nobody),
    ]
    rng = random.Random(seed)
    for hard in (False, True):
        drawn = [[rng.random() < 0.3 for _ in range(5)] for _ in range(6)]
        given.append((drawn, rng.random() < 0.5, hard, ""))
    cases = [
        Case({"ends": ends, "right": right, "hard": hard},
             np.array(_labels(ends, right, hard)), hint)
        for ends, right, hard, hint in given
    ]  # fmt: skip
    return grade("step_labels", answer, cases, mistakes=_LABELS, same=close_or_nan)


def auc_within(answer: Answer, seed: int) -> Report:
    """Check `auc_within(scores, right, problem)`: the mean AUC of the problems."""
    one_kind = (
        "a problem whose traces are all right or all wrong has no pair to compare, "
        "and is left out"
    )
    given: list[tuple[list[float], list[bool], list[int], str]] = [
        ([0.9, 0.1, 0.4], [True, False, False], [0, 0, 0], ""),
        ([0.75, 0.5, 0.25, 0.625], [True, False, True, False], [0, 0, 0, 0], ""),
        ([0.5, 0.5, 0.25, 0.25], [True, False, True, False], [7, 7, 7, 7],
         "a tie counts one half"),
        ([0.9, 0.8, 0.2, 0.1], [False, True, True, False], [0, 0, 1, 1],
         "compare only traces of the same problem"),
        ([0.5, 0.1, 0.2, 0.3, 0.4, 0.6], [True, False, True, False, False, False],
         [0, 0, 1, 1, 1, 1], "the mean is over problems: each counts the same"),
        ([0.5, 0.1, 0.9, 0.8], [True, False, True, True], [0, 0, 1, 1], one_kind),
        ([0.5, 0.1, 0.3, 0.2], [False, True, False, False], [0, 0, 1, 1], one_kind),
        ([0.9, 0.4, 0.1, 0.6], [True, True, False, False], [0, 1, 0, 1],
         "the traces of a problem need not stand together"),
        ([0.5, 0.25], [True, True], [0, 0],
         "when no problem has both kinds there is nothing to average: `np.nan`"),
    ]  # fmt: skip
    rng = random.Random(seed)
    for size in (20, 40):
        drawn = [rng.randrange(8) / 8 for _ in range(size)]
        given.append((drawn, [rng.random() < 0.4 for _ in drawn],
                      [rng.randrange(5) for _ in drawn], ""))  # fmt: skip
    cases = [
        Case(
            {
                "scores": np.array(scores),
                "right": np.array(right),
                "problem": np.array(problem),
            },
            np.float64(_within(np.array(scores), np.array(right), np.array(problem))),
            hint,
        )
        for scores, right, problem, hint in given
    ]
    return grade("auc_within", answer, cases, mistakes=_AUCS, same=close_or_nan)


def _share(ends: Sequence[bool]) -> float:
    return sum(ends) / len(ends) if ends else math.nan


def _any(ends: Sequence[bool]) -> float:
    return float(any(ends)) if ends else math.nan


def _labels(
    ends: Ends, right: bool, hard: bool, *, soft: Label = _share, firm: Label = _any
) -> list[float]:
    """Of the definition, or with another rule in the place of one of the two."""
    rule = firm if hard else soft
    return [rule(one) for one in ends[1:]] + [float(right)]


def _with(soft: Label = _share, firm: Label = _any) -> Answer:
    return lambda ends, right, hard: _labels(ends, right, hard, soft=soft, firm=firm)


def _known(rule: Label, otherwise: float = math.nan) -> Label:
    """A rule where there are completions."""
    return lambda ends: float(rule(ends)) if ends else otherwise


def _chained(ends: Ends, right: bool, hard: bool) -> list[float]:
    return np.minimum.accumulate(_labels(ends, right, hard)).tolist()  # type: ignore[no-any-return]


_LABELS = (
    Mistake(
        "off by one: `ends[j]` go on after the first j steps, so the completions that "
        "hold step i (from 0) are `ends[i + 1]`; these began before it",
        lambda ends, right, hard: _labels([[], *ends[:-1]], right, hard),
    ),
    Mistake(
        "off by one: the last label comes from completions that begin before the "
        "answer; the answer itself is checked, not completed",
        lambda ends, right, hard: [(_any if hard else _share)(one) for one in ends],
    ),
    Mistake(
        "this is an outcome label: every step gets that of the finished trace",
        lambda ends, right, hard: [float(right)] * len(ends),
    ),
    Mistake(
        "`hard` is ignored: these are the soft labels",
        lambda ends, right, hard: _labels(ends, right, False),
    ),
    Mistake(
        "`hard` is ignored: these are the hard labels",
        lambda ends, right, hard: _labels(ends, right, True),
    ),
    Mistake(
        "soft and hard are the wrong way round",
        lambda ends, right, hard: _labels(ends, right, not hard),
    ),
    Mistake(
        "the soft label is a share: divide the count by the number of completions",
        _with(soft=_known(sum)),
    ),
    Mistake(
        "a majority is too much to ask: the hard label is 1 if any completion is right",
        _with(firm=_known(lambda ends: sum(ends) > len(ends) / 2)),
    ),
    Mistake(
        "a majority is too much to ask: the hard label is 1 if any completion is right",
        _with(firm=_known(lambda ends: sum(ends) >= len(ends) / 2)),
    ),
    Mistake(
        "the hard label is 1 if any completion is right, not only if all are",
        _with(firm=_known(all)),
    ),
    Mistake(
        "the label is the share that is right, and this is the share that is wrong",
        _with(soft=lambda ends: 1 - _share(ends), firm=lambda ends: 1 - _any(ends)),
    ),
    Mistake(
        "a label is taken over from the steps before; each step has its own, which may "
        "rise again",
        _chained,
    ),
    Mistake(
        "a step that nobody completed is called wrong: nobody has looked, so it is "
        "unknown, `np.nan`. `any([])` is False",
        _with(_known(_share, 0.0), _known(_any, 0.0)),
    ),
    Mistake(
        "a step that nobody completed is called wrong: nobody has looked, so it is "
        "unknown, `np.nan`. `any([])` is False",
        _with(firm=_known(_any, 0.0)),
    ),
    Mistake(
        "the label of the answer is missing: the last step counts too, 1.0 if `right`",
        lambda ends, right, hard: _labels(ends, right, hard)[:-1],
    ),
    Mistake(
        "one label too many: `ends[0]` begin at the problem, before any step",
        lambda ends, right, hard: (
            [(_any if hard else _share)(one) for one in ends] + [float(right)]
        ),
    ),
)


def _pairs(scores: FloatArray, right: npt.NDArray[np.bool_], tie: float) -> FloatArray:
    """Each right trace against each wrong one: 1 above, 0 below."""
    gaps = np.subtract.outer(scores[right], scores[~right]).ravel()
    return np.where(gaps == 0, tie, gaps > 0).astype(np.float64)


def _within(
    scores: FloatArray,
    right: npt.NDArray[np.bool_],
    problem: npt.NDArray[np.int64],
    *,
    tie: float = 0.5,
    none: float = math.nan,
    pooled: bool = False,
) -> float:
    parts = [_pairs(scores[problem == one], right[problem == one], tie)
             for one in np.unique(problem)]  # fmt: skip
    if pooled:
        every = np.concatenate(parts)
        return float(every.mean()) if len(every) else math.nan
    means = np.array([part.mean() if len(part) else none for part in parts])
    return float(np.nanmean(means)) if not np.isnan(means).all() else math.nan


def _but(**options: Any) -> Answer:
    return lambda scores, right, problem: _within(scores, right, problem, **options)


_AUCS = (
    Mistake(
        "this is the AUC across: right traces of one problem are compared with wrong "
        "ones of another, which no choice ever does",
        lambda scores, right, problem: _within(scores, right, 0 * problem),
    ),
    Mistake("a tie counts one half, not nothing: use 0.5 where the scores are equal",
            _but(tie=0.0)),
    Mistake("a tie counts one half, not a whole win: use 0.5 where the scores are "
            "equal", _but(tie=1.0)),
    Mistake(
        "the wrong way round: this is how often a wrong trace scores above a right one",
        lambda scores, right, problem: _within(-scores, right, problem),
    ),
    Mistake(
        "all pairs are thrown into one pot, so a problem with many pairs counts for "
        "more: take the mean of each problem, then that of the problems",
        _but(pooled=True),
    ),
    Mistake(
        "a problem with one kind of trace counts as 0; it has no pair to compare: "
        "leave it out",
        _but(none=0.0),
    ),
    Mistake(
        "a problem with one kind of trace counts as one half; it has no pair to "
        "compare: leave it out",
        _but(none=0.5),
    ),
    Mistake(
        "a problem with one kind of trace counts as 1; it has no pair to compare: "
        "leave it out",
        _but(none=1.0),
    ),
    Mistake(
        "this is the share of traces on the right side of 0.5; the AUC has no "
        "threshold, it compares pairs",
        lambda scores, right, problem: ((scores > 0.5) == right).mean(),
    ),
)  # fmt: skip
