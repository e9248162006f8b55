"""Exercise 3: wrong answers, and the cause that each is told."""

from __future__ import annotations

from collections import Counter, defaultdict

import numpy as np
import pytest
from wrong import WrongAnswers, assert_told

from tts_lab.exercises import check

wrong = WrongAnswers()


def summed(answers, scores):
    totals = defaultdict(float)
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            totals[answer] += score
    return totals


@wrong("weighted_vote", "this is the majority")
def majority(answers, scores):
    counts = Counter(answer for answer in answers if answer is not None)
    return counts.most_common(1)[0][0] if counts else None


@wrong("weighted_vote", "this is best-of-n")
def best_of_n(answers, scores):
    pairs = [(s, a) for a, s in zip(answers, scores, strict=True) if a is not None]
    return max(pairs, key=lambda pair: pair[0])[1] if pairs else None


@wrong("weighted_vote", "vote as if None were an answer")
def none_votes(answers, scores):
    totals = defaultdict(float)
    for answer, score in zip(answers, scores, strict=True):
        totals[answer] += score
    return max(totals, key=totals.get, default=None)


@wrong("weighted_vote", "averaged")
def averaged(answers, scores):
    groups = defaultdict(list)
    for answer, score in zip(answers, scores, strict=True):
        if answer is not None:
            groups[answer].append(score)
    return max(groups, key=lambda a: np.mean(groups[a]), default=None)


@wrong("weighted_vote", "the last seen is taken")
def last_of_equals(answers, scores):
    totals = summed(answers, scores)
    most = max(totals.values(), default=0)
    return next((a for a in reversed(totals) if totals[a] == most), None)


@wrong("weighted_vote", "the smallest sum")
def smallest(answers, scores):
    totals = summed(answers, scores)
    return min(totals, key=totals.get, default=None)


@wrong("weighted_vote", "nothing is chosen")
def unguarded(answers, scores):
    totals = summed(answers, scores)
    return max(totals, key=totals.get) if answers else max(totals)


@wrong("precision", "the rates are mixed up")
def mixed_up(p, false_positives, false_negatives):
    passed = p * (1 - false_positives) + (1 - p) * false_negatives
    return p * (1 - false_positives) / passed if passed else 0.0


@wrong("precision", "divide by the share that passes")
def joint(p, false_positives, false_negatives):
    return p * (1 - false_negatives)


@wrong("precision", "this is the share that passes")
def passing(p, false_positives, false_negatives):
    return p * (1 - false_negatives) + (1 - p) * false_positives


@wrong("precision", "of all traces")
def of_all(p, false_positives, false_negatives):
    passed = p * (1 - false_negatives) + false_positives
    return p * (1 - false_negatives) / passed if passed else 0.0


@wrong("precision", "the share of wrong traces that are refused")
def specificity(p, false_positives, false_negatives):
    return 1 - false_positives


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize("name", ["weighted_vote", "precision"])
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


def test_another_way_to_write_it_is_right():
    def by_numpy(answers, scores):
        named = np.array([-1 if a is None else a for a in answers], int)
        found = [a for a in dict.fromkeys(answers) if a is not None]
        if not found:
            return None
        sums = [np.asarray(scores)[named == a].sum() for a in found]
        return found[int(np.argmax(sums))]

    assert check("weighted_vote", by_numpy).passed
