"""Exercise 4: wrong answers, and the cause that each is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from wrong import WrongAnswers, assert_told

from tts_lab.exercises import CheckFailed, check
from tts_lab.verifiers import metrics

wrong = WrongAnswers()


def share(ends):
    return np.mean(ends) if len(ends) else math.nan


def some(ends):
    return float(any(ends)) if len(ends) else math.nan


def labels(ends, right, hard):
    return [(some if hard else share)(one) for one in ends[1:]] + [float(right)]


@wrong("step_labels", "these began before it")
def begins_before(ends, right, hard):
    return [(some if hard else share)(one) for one in ends[:-1]] + [float(right)]


@wrong("step_labels", "off by one")
def all_completed(ends, right, hard):
    return [(some if hard else share)(one) for one in ends]


@wrong("step_labels", "outcome label")
def outcome(ends, right, hard):
    return np.full(len(ends), right)


@wrong("step_labels", "`hard` is ignored: these are the soft")
def always_soft(ends, right, hard):
    return labels(ends, right, False)


@wrong("step_labels", "`hard` is ignored: these are the hard")
def always_hard(ends, right, hard):
    return labels(ends, right, True)


@wrong("step_labels", "wrong way round")
def swapped(ends, right, hard):
    return labels(ends, right, not hard)


@wrong("step_labels", "divide the count")
def counts(ends, right, hard):
    if hard:
        return labels(ends, right, True)
    return [sum(one) if one else math.nan for one in ends[1:]] + [right]


@wrong("step_labels", "a majority is too much")
def majority(ends, right, hard):
    found = labels(ends, right, False)
    return [float(x > 0.5) if x == x else x for x in found] if hard else found


@wrong("step_labels", "a majority is too much")
def half(ends, right, hard):
    found = labels(ends, right, False)
    return [float(x >= 0.5) if x == x else x for x in found] if hard else found


@wrong("step_labels", "not only if all are")
def every(ends, right, hard):
    if not hard:
        return labels(ends, right, hard)
    return [float(all(x)) if x else math.nan for x in ends[1:]] + [float(right)]


@wrong("step_labels", "the share that is wrong")
def failures(ends, right, hard):
    return [1 - x for x in labels(ends, right, hard)[:-1]] + [float(right)]


@wrong("step_labels", "nobody has looked")
def unknown_is_wrong(ends, right, hard):
    return np.nan_to_num(labels(ends, right, hard))


@wrong("step_labels", "nobody has looked")
def unknown_is_wrong_if_hard(ends, right, hard):
    if not hard:
        return labels(ends, right, False)
    return [float(any(one)) for one in ends[1:]] + [right]


@wrong("step_labels", "and no error")
def divides_by_zero(ends, right, hard):
    return [
        float(any(x)) if hard else sum(x) / len(x) for x in ends[1:]
    ] + [float(right)]  # fmt: skip


@wrong("step_labels", "which may rise again")
def chained(ends, right, hard):
    found = labels(ends, right, hard)
    return [min(found[: i + 1]) for i in range(len(found))]


@wrong("step_labels", "label of the answer is missing")
def no_answer(ends, right, hard):
    return labels(ends, right, hard)[:-1]


@wrong("step_labels", "one label too many")
def the_prompt_too(ends, right, hard):
    return [(some if hard else share)(one) for one in ends] + [float(right)]


def grouped(scores, right, problem):
    for one in np.unique(problem):
        yield scores[problem == one], right[problem == one]


@wrong("auc_within", "this is the AUC across")
def across(scores, right, problem):
    return metrics.auc(scores, right)


def by_pairs(scores, right, problem, tie, *, empty=None):
    found = []
    for values, truth in grouped(scores, right, problem):
        pairs = [
            1.0 if a > b else tie if a == b else 0.0
            for a in values[truth]
            for b in values[~truth]
        ]
        if pairs:
            found.append(np.mean(pairs))
        elif empty is not None:
            found.append(empty)
    return np.mean(found) if found else math.nan


@wrong("auc_within", "not nothing")
def ties_lose(scores, right, problem):
    return by_pairs(scores, right, problem, 0.0)


@wrong("auc_within", "not a whole win")
def ties_win(scores, right, problem):
    return by_pairs(scores, right, problem, 1.0)


@wrong("auc_within", "the wrong way round")
def upside_down(scores, right, problem):
    return by_pairs(-scores, right, problem, 0.5)


@wrong("auc_within", "thrown into one pot")
def pooled(scores, right, problem):
    won = total = 0.0
    for values, truth in grouped(scores, right, problem):
        gaps = np.subtract.outer(values[truth], values[~truth])
        won += ((np.sign(gaps) + 1) / 2).sum()
        total += gaps.size
    return won / total if total else math.nan


@wrong("auc_within", "counts as 0")
def none_is_zero(scores, right, problem):
    return by_pairs(scores, right, problem, 0.5, empty=0.0)


@wrong("auc_within", "counts as one half")
def none_is_half(scores, right, problem):
    return by_pairs(scores, right, problem, 0.5, empty=0.5)


@wrong("auc_within", "has no threshold")
def accuracy(scores, right, problem):
    return np.mean((scores > 0.5) == right)


@wrong("auc_within", "nothing to average")
def unguarded(scores, right, problem):
    found = [
        metrics.auc(values, truth)
        for values, truth in grouped(scores, right, problem)
        if truth.any() and not truth.all()
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize("name", ["step_labels", "auc_within"])
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", ["step_labels", "auc_within"])
@pytest.mark.parametrize(
    ("junk", "message"),
    [
        (lambda *given: None, "nothing is returned"),
        (lambda *given: "ab", "wrong type: str"),
        (lambda *given: {}, "wrong type: dict"),
        (lambda *given: np.zeros((2, 3)), "wrong shape"),
        (lambda *given: 1 // 0, "ZeroDivisionError"),
        (lambda ends: [0.5], "TypeError"),
    ],
)
def test_junk_gets_a_clear_report(name, junk, message):
    with pytest.raises(CheckFailed, match=message):
        check(name, junk)


def test_other_ways_to_write_them_are_right():
    def from_the_back(ends, right, hard):
        found = [right]
        for one in reversed(ends[1:]):
            values = np.array(one, float)
            known = values.max() if hard and one else values.sum() / max(1, len(one))
            found.insert(0, known if one else None)
        return tuple(found)

    def by_the_library(scores, right, problem):
        try:
            return metrics.auc_within(scores, right, problem, resamples=10).value
        except ValueError:
            return math.nan

    assert check("step_labels", from_the_back).passed
    assert check("auc_within", by_the_library).passed
    assert check("auc_within", lambda *a: by_pairs(*a, 0.5)).passed
