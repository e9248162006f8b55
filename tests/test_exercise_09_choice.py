"""Exercise 9: wrong choices and gains, and the cause that each is told."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import numpy as np
import pytest
from wrong import JUNK, WrongAnswers, assert_reported, assert_told, mistakes

from tts_lab.allocate import Option, compute_optimal, folds_of
from tts_lab.difficulty import quantiles
from tts_lab.exercises import check, gaining, reward_aware

wrong = WrongAnswers()


def chosen(right, fold, rule, *, same=False):
    """By the option that a rule finds, problem by problem."""
    outcomes = []
    for problem, one in enumerate(fold):
        there = [i for i, f in enumerate(fold) if (f == one) == same]
        verifier, strategy = rule(right[:, :, there])
        outcomes.append(right[verifier, strategy, problem])
    return outcomes


def the_best(right):
    pairs = [(v, s) for v in range(right.shape[0]) for s in range(right.shape[1])]
    return max(pairs, key=lambda pair: right[pair].mean())


@wrong("reward_aware", "judged on the fold that it was chosen on")
def on_its_own_fold(right, fold):
    return np.mean(chosen(right, fold, the_best, same=True))


@wrong("reward_aware", "chosen on all problems")
def on_all(right, fold):
    return right[the_best(right)].mean()


@wrong("reward_aware", "needs to know the outcome")
def oracle(right, fold):
    return right.reshape(-1, len(fold)).max(axis=0).mean()


@wrong("reward_aware", "only the first fold is judged")
def one_fold(right, fold):
    return right[the_best(right[:, :, fold == 1])][fold == 0].mean()


@wrong("reward_aware", "the mean is over problems")
def mean_of_folds(right, fold):
    outcomes = np.array(chosen(right, fold, the_best))
    return (outcomes[fold == 0].mean() + outcomes[fold == 1].mean()) / 2


@wrong("reward_aware", "so choose the pair")
def one_after_the_other(right, fold):
    def rule(there):
        verifier = there.mean(axis=2).mean(axis=1).argmax()
        return verifier, there.mean(axis=2).mean(axis=0).argmax()

    return np.mean(chosen(right, fold, rule))


@wrong("reward_aware", "with the first verifier alone")
def first_verifier(right, fold):
    return np.mean(chosen(right[:1], fold, the_best))


@wrong("reward_aware", "and judged by it")
def mean_verifier(right, fold):
    return np.mean(chosen(right.mean(axis=0)[None], fold, the_best))


@wrong("reward_aware", "nothing is chosen")
def everything(right, fold):
    return right.mean()


def test_the_choice_is_that_of_the_library():
    rng = np.random.default_rng(4)
    for _ in range(20):
        right = rng.binomial(4, rng.uniform(0.2, 0.7, (2, 3, 1)), (2, 3, 30)) / 4
        bins = quantiles(rng.random(30), bins=1)
        fold = folds_of(bins, seed=7)
        options = [
            Option.of(f"{v}{s}", right[v, s], 1) for v in range(2) for s in range(3)
        ]
        [found] = compute_optimal(options, bins, [1], seed=7, resamples=2)
        mine = np.mean(chosen(right, fold, the_best))
        judged = reward_aware._judged(right, fold, reward_aware._best)
        assert mine == pytest.approx(judged)
        assert found.accuracy == pytest.approx(judged)


def test_judging_where_it_was_chosen_finds_what_is_not_there():
    rng = np.random.default_rng(0)
    pleased, honest = [], []
    for _ in range(200):
        right = (rng.random((2, 3, 20)) < 0.5).astype(float)
        fold = np.arange(20) % 2
        honest.append(np.mean(chosen(right, fold, the_best)))
        pleased.append(on_its_own_fold(right, fold))
    assert abs(np.mean(honest) - 0.5) < 0.03
    assert np.mean(pleased) > 0.65


@wrong("gain", "the difference in points")
def points(cot, optimal):
    return optimal - cot


@wrong("gain", "what it is above 1")
def ratio(cot, optimal):
    return optimal / cot


@wrong("gain", "in percent")
def percent(cot, optimal):
    return 100 * (optimal - cot) / cot


@wrong("gain", "divided by the compute-optimal")
def of_the_end(cot, optimal):
    return 1 - cot / optimal


@wrong("gain", "the way back")
def back(cot, optimal):
    return (cot - optimal) / optimal


@wrong("gain", "the share of the errors")
def errors_removed(cot, optimal):
    return (optimal - cot) / (100 - cot)


@wrong("gain", "each has its own gain")
def averaged(cot, optimal):
    return np.mean((optimal - cot) / cot)


def trend(sizes, gains, *, less=lambda large, small: large < small):
    found = [
        bool(less(gains[i], gains[j]))
        for i, j in permutations(range(len(sizes)), 2)
        if sizes[i] > sizes[j]
    ]
    return sum(found) / len(found) if found else math.nan


@wrong("shrinks", "the sizes are not looked at")
def in_the_order_given(sizes, gains):
    return trend(range(len(gains)), gains)


@wrong("shrinks", "only neighbours in size")
def neighbours(sizes, gains):
    order = sorted(range(len(sizes)), key=lambda i: sizes[i])
    steps = np.diff(np.asarray(gains)[order])
    return float((steps < 0).mean()) if len(steps) else math.nan


@wrong("shrinks", "gains more")
def grows(sizes, gains):
    return trend(sizes, gains, less=lambda large, small: large > small)


@wrong("shrinks", "an equal gain is counted as less")
def not_more(sizes, gains):
    return trend(sizes, gains, less=lambda large, small: large <= small)


@wrong("shrinks", "counted twice below the line")
def of_ordered_pairs(sizes, gains):
    return trend(sizes, gains) / 2


@wrong("shrinks", "`np.nan`, not 0")
def nothing_is_zero(sizes, gains):
    return float(np.nan_to_num(trend(sizes, gains)))


@wrong("shrinks", "this is a correlation")
def correlation(sizes, gains):
    return np.corrcoef(sizes, gains)[0, 1]


@wrong("shrinks", "so there is no pair")
def no_pairs(sizes, gains):
    found = [
        gains[i] < gains[j] if sizes[i] > sizes[j] else gains[j] < gains[i]
        for i, j in combinations(range(len(sizes)), 2)
        if sizes[i] != sizes[j]
    ]
    return sum(found) / len(found)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "mistake"),
    mistakes(
        reward_aware=reward_aware._CHOICES, gain=gaining._GAINS, shrinks=gaining._TRENDS
    ),
)
def test_each_known_mistake_is_told_apart(name, mistake):
    assert_told(name, mistake.cause, mistake.imitate)


@pytest.mark.parametrize("name", ["reward_aware", "gain", "shrinks"])
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", ["reward_aware", "gain", "shrinks"])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_gets_a_report(name, junk):
    assert_reported(name, junk)


@pytest.mark.parametrize("name", ["reward_aware", "gain", "shrinks"])
def test_nothing_returned_is_told(name):
    assert_told(name, "without `return`", lambda *given: None)


def test_other_ways_to_write_them_are_right():
    assert check(
        "reward_aware", lambda right, fold: np.mean(chosen(right, fold, the_best))
    ).passed
    assert check("gain", lambda cot, best: (best - cot) / cot).passed
    assert check("shrinks", trend).passed
