"""Exercise 8: wrong answers, and the cause that each is told."""

from __future__ import annotations

import math

import numpy as np
import pytest
from wrong import WrongAnswers, assert_told

from tts_lab import exchange
from tts_lab.exercises import CheckFailed, check

wrong = WrongAnswers()


@wrong("matched_inference", "only inference is compared")
def inference_alone(m, r):
    if r <= 0:
        raise ValueError
    return m


@wrong("matched_inference", "answer costs M times as much too")
def savings_alone(m, r):
    if r <= 0:
        raise ValueError
    return 1 if m == 1 else 3 * (m - 1) / r


@wrong("matched_inference", "it saves only")
def free_pretraining(m, r):
    if r <= 0:
        raise ValueError
    return (6 * m + 2 * m * r) / (2 * r)


@wrong("matched_inference", "R is used upside down")
def upside_down(m, r):
    if r <= 0:
        raise ValueError
    return (6 * (m - 1) * r + 2 * m) / 2


@wrong("matched_inference", "three times as much")
def one_price(m, r):
    if r <= 0:
        raise ValueError
    return m + (m - 1) / r


@wrong("matched_inference", "not by the 2 N of a generated token")
def half_price(m, r):
    if r <= 0:
        raise ValueError
    return (6 * (m - 1) + m * r) / r


@wrong("matched_inference", "have changed places")
def swapped(m, r):
    if r <= 0:
        raise ValueError
    return (2 * (m - 1) + 6 * m * r) / (6 * r)


@wrong("matched_inference", "how much longer the smaller model could be trained")
def training(m, r):
    return exchange.longer_training(m, r)


@wrong("matched_inference", "an R of 0 has no match")
def unguarded(m, r):
    return m + 3 * (m - 1) / r


@wrong("same_cost", "upside down")
def tokens_the_other_way(m, k):
    if k <= m:
        raise ValueError
    return (k - m) / (3 * m - 3)


@wrong("same_cost", "the larger model answers as well")
def larger_for_free(m, k):
    if k <= m:
        raise ValueError
    return 6 * (m - 1) / (2 * k)


@wrong("same_cost", "the 3 is missing")
def without_three(m, k):
    if k <= m:
        raise ValueError
    return (m - 1) / (k - m)


@wrong("same_cost", "the smaller model is pretrained too")
def without_own_pretraining(m, k):
    if k <= m:
        raise ValueError
    return 6 * m / (2 * k - 2 * m)


@wrong("same_cost", "the other way round")
def the_multiplier(m, k):
    if k <= m:
        raise ValueError
    return exchange.multiplier(m, k)


@wrong("same_cost", "a negative one is no ratio")
def negative(m, k):
    return 3 * (m - 1) / (k - m) if k != m else math.inf


@wrong("same_cost", "cheaper at every R")
def divides(m, k):
    return 3 * (m - 1) / (k - m)


def judged(at, spread, finish=lambda row: row):
    """An answer with its own ways; each may be wrong."""

    def answer(budgets, small, large, bins, matched):
        mine = at(budgets, small, matched)
        rows = []
        for number in sorted(set(bins.tolist())):
            a, b = mine[bins == number], large[bins == number]
            gap, half = np.mean(a - b), spread(a, b)
            rows.append(finish([gap, gap - half, gap + half]))
        return np.array(rows)

    return answer


def by_log(budgets, small, matched):
    x = np.log2(budgets)
    return np.array([np.interp(np.log2(matched), x, row) for row in small])


def by_budget(budgets, small, matched):
    return np.array([np.interp(matched, budgets, row) for row in small])


def below(budgets, small, matched):
    return small[:, np.flatnonzero(budgets <= matched)[-1]]


def nearest(budgets, small, matched):
    return small[:, np.argmin(abs(budgets - matched))]


def last(budgets, small, matched):
    return small[:, -1]


def continued(budgets, small, matched):
    if matched <= budgets[-1]:
        return by_log(budgets, small, matched)
    x = np.log(budgets)
    share = (np.log(matched) - x[-2]) / (x[-1] - x[-2])
    return small[:, -2] + share * (small[:, -1] - small[:, -2])


def paired(a, b):
    return 1.96 * np.std(a - b, ddof=1) / len(a) ** 0.5


WAYS = [
    ("interpolate in its log", by_budget, paired, lambda row: row),
    ("next smaller measured budget", below, paired, lambda row: row),
    ("nearest measured budget", nearest, paired, lambda row: row),
    ("R no longer matters", last, paired, lambda row: row),
    ("the curve is continued", continued, paired, lambda row: row),
    (
        "problem by problem",
        by_log,
        lambda a, b: 1.96 * np.sqrt((a.var(ddof=1) + b.var(ddof=1)) / len(a)),
        lambda row: row,
    ),
    (
        "`ddof=1`",
        by_log,
        lambda a, b: 1.96 * np.std(a - b) / len(a) ** 0.5,
        lambda row: row,
    ),
    (
        "spread of single problems",
        by_log,
        lambda a, b: 1.96 * np.std(a - b, ddof=1),
        lambda row: row,
    ),
    ("68%", by_log, lambda a, b: paired(a, b) / 1.96, lambda row: row),
    (
        "of the smaller model alone",
        by_log,
        lambda a, b: 1.96 * np.std(a, ddof=1) / len(a) ** 0.5,
        lambda row: row,
    ),
    (
        "the larger model less the smaller",
        by_log,
        paired,
        lambda row: [-row[0], -row[2], -row[1]],
    ),
    ("(difference, high, low)", by_log, paired, lambda row: [row[0], row[2], row[1]]),
    ("in percent", by_log, paired, lambda row: [100 * value for value in row]),
]


@pytest.mark.parametrize(
    ("cause", "at", "spread", "finish"), WAYS, ids=[way[0] for way in WAYS]
)
def test_a_wrong_way_to_judge_is_told(cause, at, spread, finish):
    assert_told("who_wins", cause, judged(at, spread, finish))


def test_the_same_without_a_fault_is_right():
    assert check("who_wins", judged(by_log, paired)).passed


@wrong("who_wins", "every row is of all problems")
def all_together(budgets, small, large, bins, matched):
    mine = by_log(budgets, small, matched)
    gap, half = np.mean(mine - large), paired(mine, large)
    return np.array([[gap, gap - half, gap + half] for _ in np.unique(bins)])


@wrong("who_wins", "each bin on its own")
def one_row(budgets, small, large, bins, matched):
    return all_together(budgets, small, large, 0 * bins, matched)


@wrong("cost_per_solved", "divide by the share that is")
def per_issue(price, attempts, solved):
    return math.inf if solved == 0 else price * attempts


@wrong("cost_per_solved", "one attempt is paid for")
def one_attempt(price, attempts, solved):
    return price / solved if solved else math.inf


@wrong("cost_per_solved", "makes a worse model cheaper")
def multiplied(price, attempts, solved):
    return price * attempts * solved


@wrong("cost_per_solved", "more of them cost more")
def spread_over_attempts(price, attempts, solved):
    return price / attempts / solved if solved else math.inf


@wrong("cost_per_solved", "how many issues a dollar solves")
def issues_per_dollar(price, attempts, solved):
    return solved / (price * attempts)


@wrong("cost_per_solved", "no money is enough")
def divides_by_nothing(price, attempts, solved):
    return price * attempts / solved


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "answer"),
    [("matched_inference", exchange.multiplier), ("same_cost", exchange.ratio_at)],
)
def test_the_packages_own_is_right(name, answer):
    assert check(name, answer).passed


def test_the_prices_of_the_paper_are_right():
    def by_table(price, attempts, solved):
        if not solved:
            return math.inf
        day = exchange.PRICES[0].day
        return exchange.Price("any", price, attempts, solved, day).per_solved()

    assert check("cost_per_solved", by_table).passed


@pytest.mark.parametrize("junk", [None, 7, "ab", np.zeros((9, 9)), [[1, 2], [3]]])
def test_a_result_of_another_form_has_a_report(junk):
    with pytest.raises(CheckFailed, match=r"wrong (shape|type)"):
        check("who_wins", lambda *_: junk)
