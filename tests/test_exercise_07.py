"""Exercise 7: wrong answers, and the cause that each is told."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from wrong import WrongAnswers, assert_told

from tts_lab.exercises import CheckFailed, check
from tts_lab.stopping import beta_stop
from tts_lab.subsets import Pool

wrong = WrongAnswers()
NAMES = ["quantile_bins", "threshold_bins", "choose_per_bin", "two_folds",
         "times_less", "stopping"]  # fmt: skip


# ---- right answers, written in other ways


def quantile_bins(value, bins):
    order = sorted(range(len(value)), key=lambda i: -value[i])
    size, more = divmod(len(value), bins)
    number, at = [0] * len(value), 0
    for b in range(bins):
        for i in order[at : at + size + (b < more)]:
            number[i] = b
        at += size + (b < more)
    return number


def threshold_bins(value, at):
    return [sum(v < limit for limit in at) for v in value]


def choose_per_bin(right, cost, bin, budget):
    chosen = []
    for b in range(max(bin) + 1):
        mine = bin == b
        fits = [
            (-right[o, mine].mean(), cost[o, mine].mean(), o)
            for o in range(len(right))
            if cost[o, mine].mean() <= budget + 1e-9
        ]
        chosen.append(min(fits)[2])
    return chosen


def two_folds(right, cost, bin, fold, budget):
    total = 0.0
    for f in (0, 1):
        here = fold == f
        options = choose_per_bin(right[:, ~here], cost[:, ~here], bin[~here], budget)
        total += sum(right[options[bin[p]], p] for p in np.flatnonzero(here))
    return total / len(bin)


def times_less(budgets, accuracy, goal, spent):
    best = np.maximum.accumulate(accuracy)
    if goal > best[-1]:
        return 0
    at = np.searchsorted(best, goal)
    if at == 0:
        return spent / budgets[0]
    x, y = np.log2(budgets[at - 1 : at + 1]), best[at - 1 : at + 1]
    return spent / 2 ** np.interp(goal, y, x)


def lead(answers, by=4):
    votes = [n for _, n in Counter(answers[answers >= 0].tolist()).most_common(2)]
    return sum(votes[:1]) - sum(votes[1:]) >= by


def settled(answers):
    """Adaptive-Consistency's rule, from the package."""
    pool = Pool(answers, answers == 0, np.zeros(len(answers)))
    return (answers >= 0).any() and beta_stop(pool) < len(answers)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("name", "answer"),
    [(name, globals()[name]) for name in NAMES[:-1]]
    + [("stopping", lead), ("stopping", lambda a: lead(a, 5)), ("stopping", settled)],
)
def test_other_ways_to_write_it_are_right(name, answer, seed):
    assert check(name, answer, seed=seed).passed


# ---- bins


def even(order, bins):
    number = np.empty(len(order), int)
    for b, part in enumerate(np.array_split(order, bins)):
        number[part] = b
    return number


@wrong("quantile_bins", "wrong way round")
def hardest_first(value, bins):
    return even(np.argsort(value, kind="stable"), bins)


@wrong("quantile_bins", "at which place each problem stands")
def argsort_as_rank(value, bins):
    order = np.argsort(-value, kind="stable")
    return order // (len(value) / bins)


@wrong("quantile_bins", "equally wide")
def by_width(value, bins):
    edges = np.linspace(value.min(), value.max(), bins + 1)
    return bins - 1 - np.clip(np.digitize(value, edges) - 1, 0, bins - 1)


@wrong("quantile_bins", "all fall into one bin")
def at_quantiles(value, bins):
    edges = np.quantile(value, np.linspace(0, 1, bins + 1)[1:-1])
    return bins - 1 - np.searchsorted(edges, value, side="right")


@wrong("quantile_bins", "numbered from 1")
def from_one(value, bins):
    return even(np.argsort(-value, kind="stable"), bins) + 1


@wrong("quantile_bins", "reversed order")
def turned_round(value, bins):
    return even(np.argsort(value, kind="stable")[::-1], bins)


@wrong("quantile_bins", "entry i belongs to problem i")
def as_sorted(value, bins):
    return np.sort(even(np.argsort(-value), bins))


@wrong("quantile_bins", "without `return`")
def no_bins(value, bins):
    even(np.argsort(-value), bins)


@wrong("threshold_bins", "belongs to the easier one")
def strict(value, at):
    return (value[:, None] <= at).sum(1)


@wrong("threshold_bins", "wrong way round")
def easy_last(value, at):
    return [sum(v >= limit for limit in at) for v in value]


@wrong("threshold_bins", "numbered from 1")
def thresholds_from_one(value, at):
    return (value[:, None] < at).sum(1) + 1


@wrong("threshold_bins", "only the first threshold")
def only_first(value, at):
    return (value < at[0]).astype(int)


@wrong("threshold_bins", "these are bins of equal size")
def quantiles_again(value, at):
    return even(np.argsort(-value, kind="stable"), len(at) + 1)


# ---- choice


def chosen(right, cost, bin, budget, best=None, mean=np.mean, strict=False):
    """A choice per bin, with something changed."""
    found = []
    for b in range(bin.max() + 1):
        mine = right[:, bin == b], cost[:, bin == b]
        value = mine[0].mean(1) if best is None else best(*mine)
        paid = mean(mine[1], axis=1)
        fits = paid < budget if strict else paid <= budget + 1e-9
        found.append(np.where(fits, value - 1e-9 * paid, -1.0).argmax())
    return np.array(found)


@wrong("choose_per_bin", "the budget is not looked at")
def no_budget(right, cost, bin, budget):
    return chosen(right, cost, bin, 1e9)


@wrong("choose_per_bin", "it may cost just as much")
def below(right, cost, bin, budget):
    return chosen(right, cost, bin, budget, strict=True)


@wrong("choose_per_bin", "above the budget on a single problem")
def never_above(right, cost, bin, budget):
    return chosen(right, cost, bin, budget, mean=np.max)


@wrong("choose_per_bin", "averaged over all problems")
def cost_of_all(right, cost, bin, budget):
    whole = np.repeat(cost.mean(1)[:, None], cost.shape[1], axis=1)
    return chosen(right, whole, bin, budget)


@wrong("choose_per_bin", "the first is taken, not the cheapest")
def first_of_equals(right, cost, bin, budget):
    found = []
    for b in range(bin.max() + 1):
        fits = cost[:, bin == b].mean(1) <= budget + 1e-9
        found.append(np.where(fits, right[:, bin == b].mean(1), -1).argmax())
    return found


@wrong("choose_per_bin", "the same option")
def one_for_all(right, cost, bin, budget):
    [option] = chosen(right, cost, np.zeros_like(bin), budget)
    return np.full(bin.max() + 1, option)


@wrong("choose_per_bin", "the dearest option")
def dearest(right, cost, bin, budget):
    return chosen(right, cost, bin, budget, lambda right, cost: cost.mean(1))


@wrong("choose_per_bin", "the worst option")
def worst(right, cost, bin, budget):
    return chosen(right, cost, bin, budget, lambda right, cost: 1 - right.mean(1))


@wrong("choose_per_bin", "options that are too dear keep their number")
def place_among_fitting(right, cost, bin, budget):
    found = []
    for b in range(bin.max() + 1):
        fits = cost[:, bin == b].mean(1) <= budget + 1e-9
        found.append(right[fits][:, bin == b].mean(1).argmax())
    return found


def judged(right, cost, bin, fold, budget, choose=choose_per_bin, on=None):
    found = np.empty(len(bin))
    for f in (0, 1):
        mine = fold == f
        use = ~mine if on is None else on(mine)
        options = np.asarray(choose(right[:, use], cost[:, use], bin[use], budget))
        rows = np.flatnonzero(mine)
        found[rows] = right[options[bin[rows]], rows]
    return found


@wrong("two_folds", "lucky on just these problems")
def chosen_where_judged(*given):
    return judged(*given, on=lambda mine: mine).mean()


@wrong("two_folds", "chosen on all problems")
def chosen_on_all(*given):
    return judged(*given, on=np.ones_like).mean()


@wrong("two_folds", "only the first fold")
def first_fold(*given):
    return judged(*given)[given[3] == 0].mean()


@wrong("two_folds", "only the second fold")
def second_fold(*given):
    return judged(*given)[given[3] == 1].mean()


@wrong("two_folds", "not equally large")
def mean_of_means(*given):
    found = judged(*given)
    return np.mean([found[given[3] == f].mean() for f in (0, 1)])


@wrong("two_folds", "lucky on just these problems")
def accuracy_of_the_choice(*given):
    found = judged(*given, on=lambda mine: mine)
    return found[given[3] == 0].mean()


@wrong("two_folds", "needs to know the outcome")
def best_of_each(right, cost, bin, fold, budget):
    return np.where(cost <= budget, right, 0).max(0).mean()


@wrong("two_folds", "for all bins together")
def without_bins(*given):
    return judged(*given, choose=one_for_all).mean()


@wrong("two_folds", "the budget is not looked at")
def folds_without_budget(*given):
    return judged(*given, choose=no_budget).mean()


@wrong("two_folds", "their mean was asked")
def outcomes(*given):
    return judged(*given)


# ---- efficiency


@wrong("times_less", "go by their logarithm")
def straight(budgets, accuracy, goal, spent):
    best = np.maximum.accumulate(accuracy)
    if goal > best[-1]:
        return 0
    at = max(np.searchsorted(best, goal), 1)
    needed = np.interp(goal, best[at - 1 : at + 1], budgets[at - 1 : at + 1])
    return spent / needed


@wrong("times_less", "the one before")
def steps(budgets, accuracy, goal, spent):
    there = budgets[accuracy >= goal]
    return spent / there[0] if len(there) else 0


@wrong("times_less", "upside down")
def upside_down(*given):
    found = times_less(*given)
    return 1 / found if found else 0


@wrong("times_less", "beyond the curve's end")
def flat_end(budgets, accuracy, goal, spent):
    return spent / np.exp(np.interp(goal, accuracy, np.log(budgets)))


@wrong("times_less", "say 0")
def infinite(budgets, accuracy, goal, spent):
    return times_less(budgets, accuracy, goal, spent) or np.inf


@wrong("times_less", "the budget that is needed")
def needed_budget(budgets, accuracy, goal, spent):
    found = times_less(budgets, accuracy, goal, spent)
    return spent / found if found else 0


@wrong("times_less", "accuracy at equal compute")
def gain(budgets, accuracy, goal, spent):
    return np.interp(np.log(spent), np.log(budgets), accuracy) / goal


# ---- stopping


@wrong("stopping", "that is a fixed n")
def fixed(answers):
    votes = Counter(answers[answers >= 0].tolist())
    return len(answers) >= 12 and len(votes) > 0


@wrong("stopping", "does not vote")
def counts_nobody(answers):
    return max(Counter(answers.tolist()).values()) >= 8


@wrong("stopping", "what more could come")
def never(answers):
    return False


@wrong("stopping", "nothing is decided")
def any_three_equal(answers):
    votes = Counter(answers[answers >= 0].tolist())
    return max(votes.values(), default=0) >= 3


@wrong("stopping", "content too soon")
def two_ahead(answers):
    return lead(answers, 2)


@wrong("stopping", "right, but late")
def nearly_unanimous(answers):
    votes = Counter(answers[answers >= 0].tolist())
    return len(answers) >= 8 and max(votes.values(), default=0) >= 0.95 * len(answers)


@wrong("stopping", "can make them equal")
def any_majority(answers):
    votes = Counter(answers[answers >= 0].tolist())
    return len(answers) >= 3 and max(votes.values(), default=0) > len(answers) / 2


@wrong("stopping", "without `return`")
def nothing(answers):
    lead(answers)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_least_five_wrong_answers(name):
    assert wrong.number(name) >= 5


def test_judging_where_one_chose_is_told_as_just_that():
    """The classic mistake; what it would look like is not given away."""
    with pytest.raises(CheckFailed) as caught:
        check("two_folds", chosen_where_judged)
    report = caught.value.report
    assert float(report.given) > float(report.expected)
    assert "Choose on one fold, judge on the other" in report.likely_cause


def test_a_rule_sees_no_more_than_was_drawn():
    seen = []

    def spying(answers):
        seen.append(len(answers))
        return lead(answers)

    assert check("stopping", spying).passed
    assert max(seen) < 32  # the last sample is drawn without asking
    assert min(seen) == 1


@pytest.mark.parametrize("junk", ["yes", 1, None, np.array([True])])
def test_a_rule_that_does_not_answer_is_told(junk):
    with pytest.raises(CheckFailed, match="instead of True or False"):
        check("stopping", lambda answers: junk)


def test_an_error_in_a_rule_is_reported_with_its_line():
    def fails(answers):
        first, second = Counter(answers.tolist()).most_common(2)
        return first[1] - second[1] >= 4

    with pytest.raises(CheckFailed, match="raised ValueError") as caught:
        check("stopping", fails)
    assert "most_common(2)" in caught.value.report.given
