"""Difficulty, compute-optimal choice, exchange: populations with known answers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_lab import exchange
from tts_lab.allocate import Option, best_of, compute_optimal, efficiency, folds_of
from tts_lab.difficulty import quantiles, stability, thresholds

RNG = np.random.default_rng(0)
PROBLEMS, BINS, SAMPLES = 600, 3, 4
EASE = np.repeat([0.9, 0.5, 0.1], PROBLEMS // BINS)
DIFFICULTY = quantiles(EASE, bins=BINS)
#: accuracy of each strategy in each bin: vote is best on easy, search in the middle
TRUTH = {"vote": (0.9, 0.3, 0.05), "search": (0.6, 0.7, 0.1), "revise": (0.5, 0.4, 0.4)}


def population(seed: int = 0, budgets=(4, 16)) -> list[Option]:
    """Options whose best one per bin is known; more budget adds 0.05."""
    rng = np.random.default_rng(seed)
    found = []
    for name, shares in TRUTH.items():
        for i, budget in enumerate(budgets):
            chance = np.array(shares)[DIFFICULTY.bin] + 0.05 * i
            right = rng.random(PROBLEMS) < chance
            found.append(Option.of(f"{name} {budget}", right, budget))
    return found


# ---- difficulty


@given(st.lists(st.floats(0, 1), min_size=5, max_size=60), st.integers(1, 5))
def test_quantile_bins_are_even_and_ordered(values, bins):
    found = quantiles(values, bins=bins)
    sizes = [len(found.rows(b)) for b in range(bins)]
    assert sum(sizes) == len(values) and max(sizes) - min(sizes) <= 1
    table = np.array(values)
    for b in range(bins - 1):
        assert table[found.rows(b)].min() >= table[found.rows(b + 1)].max()


def test_thresholds_are_absolute():
    found = thresholds([0.5, 0.499, 0.1, 0.099, 1.0, 0.0])
    assert found.bin.tolist() == [0, 1, 1, 2, 0, 2]
    assert thresholds([0.7, 0.9]).bins == 3  # empty bins stay bins
    with pytest.raises(ValueError, match=r"at is \[0.1, 0.5\]; accepted are falling"):
        thresholds([0.5], at=(0.1, 0.5))


def test_bad_difficulty_is_quoted():
    with pytest.raises(ValueError, match="bins is 3; accepted is 1 to 2 problems"):
        quantiles([0.1, 0.2], bins=3)
    with pytest.raises(ValueError, match="value 1 is NaN"):
        quantiles([0.1, math.nan], bins=1)
    with pytest.raises(ValueError, match=r"samples \[9\]; accepted are 1 to 2"):
        stability([[0, 1], [1, 1]], [9], bins=2)


def test_bins_settle_with_more_samples():
    table = RNG.random((200, 256)) < RNG.random(200)[:, None]
    found = stability(table, [1, 16, 256])
    assert found[0] < found[1] < found[2] == pytest.approx(1)


# ---- choice


def test_the_best_option_of_each_bin_is_found():
    [small, large] = compute_optimal(population(), DIFFICULTY, [4, 16])
    assert small.choices == (("vote 4", "search 4", "revise 4"),) * 2
    assert large.choices == (("vote 16", "search 16", "revise 16"),) * 2
    assert small.accuracy == pytest.approx(np.mean([0.9, 0.7, 0.4]), abs=0.04)
    assert small.low < small.accuracy < small.high
    assert (small.cost == 4).all() and (large.cost == 16).all()


def test_nothing_of_the_judging_fold_gets_into_the_choice():
    options = population()
    fold = folds_of(DIFFICULTY)
    before = compute_optimal(options, DIFFICULTY, [16], resamples=10)[0]
    for judged in (0, 1):
        rng = np.random.default_rng(judged)
        shuffled = []
        for option in options:
            right = option.right.copy()
            rows = np.flatnonzero(fold == judged)
            right[rows] = rng.permutation(right[rows])
            shuffled.append(Option.of(option.name, right, option.cost))
        after = compute_optimal(shuffled, DIFFICULTY, [16], resamples=10)[0]
        assert after.choices[judged] == before.choices[judged]
        assert after.accuracy != before.accuracy  # but what it is judged on changed


def test_choosing_among_equals_gains_nothing_on_other_problems():
    """Best-of-many on the same problems would: the folds are there for that."""
    rng = np.random.default_rng(5)
    options = [Option.of(str(i), rng.random(PROBLEMS) < 0.5, 1) for i in range(60)]
    [found] = compute_optimal(options, DIFFICULTY, [1], resamples=50)
    on_all = max(option.right.mean() for option in options)
    assert on_all > 0.54
    assert abs(found.accuracy - 0.5) < 0.04


def test_an_option_beyond_the_budget_is_not_taken_and_the_estimate_is_charged():
    options = population()
    [free] = compute_optimal(options, DIFFICULTY, [16], resamples=10)
    [charged] = compute_optimal(options, DIFFICULTY, [16], estimate=8, resamples=10)
    assert all(name.endswith(" 16") for fold in free.choices for name in fold)
    assert all(name.endswith(" 4") for fold in charged.choices for name in fold)
    assert (charged.cost == 12).all()
    with pytest.raises(ValueError, match=r"budget 10, 2 without the estimate: the"):
        compute_optimal(options, DIFFICULTY, [10], estimate=8)


def test_of_equally_good_options_the_cheapest_is_taken():
    right = (RNG.random(PROBLEMS) < 0.5).astype(float)
    options = [Option.of("dear", right, 9), Option.of("cheap", right, 2)]
    [found] = compute_optimal(options, DIFFICULTY, [10], resamples=10)
    assert set(sum(found.choices, ())) == {"cheap"}


def test_folds_are_even_in_every_bin():
    fold = folds_of(DIFFICULTY, folds=2, seed=3)
    for b in range(BINS):
        assert np.bincount(fold[DIFFICULTY.rows(b)]).tolist() == [100, 100]


def test_efficiency_is_the_ratio_of_budgets_at_equal_accuracy():
    budgets = [1, 4, 16, 64]
    ours = [Option.of(f"a {b}", np.full(PROBLEMS, v), b)
            for b, v in zip(budgets, (0.2, 0.4, 0.6, 0.8), strict=True)]  # fmt: skip
    theirs = [Option.of(f"b {b}", np.full(PROBLEMS, v), b)
              for b, v in zip(budgets, (0.1, 0.2, 0.4, 0.6), strict=True)]  # fmt: skip
    mine, base = best_of(ours, budgets), best_of(theirs, budgets)
    for budget in (4, 16, 64):
        assert efficiency(mine, base, budget) == pytest.approx((4, 4, 4))
    assert efficiency(base, mine, 64)[0] == 0  # it never gets there
    assert efficiency(mine, base, 1)[0] == 1  # a lower bound: the smallest is enough
    middle = [Option.of("c 16", np.full(PROBLEMS, 0.5), 16)]
    assert efficiency(mine, best_of(middle, [16]), 16)[0] == pytest.approx(2)
    with pytest.raises(ValueError, match="budget 5; the baseline has"):
        efficiency(mine, base, 5)


def test_the_choice_is_more_efficient_where_it_should_be():
    options = population(budgets=(1, 4, 16))
    ours = compute_optimal(options, DIFFICULTY, [1, 4, 16], resamples=100)
    votes = [option for option in options if option.name.startswith("vote")]
    value, low, high = efficiency(ours, best_of(votes, [1, 4, 16], resamples=100), 16)
    assert low <= value <= high
    assert value == 16  # the smallest budget is better than the largest vote


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Option.of("x", [1, 0], [1, 2, 3]), r"right \(2,\), cost \(3,\)"),
        (lambda: Option.of("x", [1, 0], 0), "cost 0.0; accepted is above 0"),
        (lambda: compute_optimal([], DIFFICULTY, [1]), "no options"),
        (lambda: compute_optimal([Option.of("x", [1], 1)], DIFFICULTY, [1]),
         "x: 1 outcomes for 600 problems"),
        (lambda: compute_optimal(population(), DIFFICULTY, [1]), "cheapest option"),
        (lambda: best_of(population(), [1]), "the cheapest option costs 4"),
        (lambda: folds_of(DIFFICULTY, folds=1), "folds is 1; accepted is 2 or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_allocated_is_quoted(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- exchange


@pytest.mark.parametrize(
    ("r", "expected"), [(0.16, 257.75), (0.79, 63.367), (22, 15.773)]
)
def test_the_multipliers_are_the_published_ones(r, expected):
    assert exchange.multiplier(14, r) == pytest.approx(expected, abs=1e-3)


@given(st.floats(1, 1e3), st.floats(1e-3, 1e3))
def test_matched_means_equal_flops(m, r):
    """Both sides of the exchange add up to the same, from 6ND and 2ND."""
    n, pretrain = 1_000.0, 50_000.0
    infer = r * pretrain
    large = 6 * m * n * pretrain + exchange.inference_flops(1, m * n * infer)
    k = exchange.multiplier(m, r)
    assert 6 * n * pretrain + 2 * n * k * infer == pytest.approx(large)
    d = exchange.longer_training(m, r)
    assert 6 * n * d * pretrain + 2 * n * infer == pytest.approx(large)


def test_the_published_costs_come_out():
    """Brown et al. 2407.21787 v3, Table 1: dollars for 300 issues."""
    totals = [round(price.total(), 1) for price in exchange.PRICES]
    assert totals == [10.8, 39.0, 51.0]
    assert [round(v, 1) for v in exchange.relative_cost().values()] == [1.0, 3.6, 4.7]


@pytest.mark.parametrize(
    ("parameters", "tokens", "published"),
    [(3e9, 9e12, 1.62e23), (405e9, 15e12, 3.65e25), (7e9, 18e12, 7.56e23)],
)
def test_pretraining_flops_are_those_of_the_published_table(
    parameters, tokens, published
):
    """Liu et al., total-FLOPs table: 6ND of their models."""
    from tts_lab.ledger import pretraining_flops

    found = pretraining_flops(int(parameters), int(tokens))
    assert found == pytest.approx(published, rel=0.005)


def test_who_wins_depends_on_bin_and_ratio():
    bins = np.repeat([0, 1], 50)
    easy = bins == 0
    small = {
        1: np.where(easy, 0.5, 0.0),
        16: np.where(easy, 0.8, 0.05),
        256: np.where(easy, 1.0, 0.1),
    }
    large = np.where(easy, 0.9, 0.5)
    found = exchange.compare(small, large, bins, m=14)
    by = {(one.ratio, one.bin): one for one in found}
    assert by[0.16, 0].difference == pytest.approx(0.1, abs=1e-6)  # beyond: the last
    assert by[22, 0].difference < 0
    assert by[0.16, 1].difference == pytest.approx(-0.4, abs=1e-6)
    assert by[0.16, 0].relative == pytest.approx(0.1 / 0.9, abs=1e-6)
    assert all(one.low <= one.difference <= one.high for one in found)
    assert math.isnan(exchange.compare({1: [0]}, [0], [0], m=2)[0].relative)


def test_what_cannot_be_exchanged_is_quoted():
    with pytest.raises(ValueError, match=r"m is 0\.5; accepted is 1 or more"):
        exchange.multiplier(0.5, 1)
    with pytest.raises(ValueError, match="r is 0; accepted is a number above 0"):
        exchange.multiplier(14, 0)
    with pytest.raises(ValueError, match=r"budgets are \[0.5\]; accepted are some"):
        exchange.compare({0.5: [1]}, [1], [0], m=14)
    with pytest.raises(ValueError, match="one per problem"):
        exchange.compare({1: [1, 0]}, [1], [0], m=14)


def test_a_bin_with_one_problem_takes_the_choice_of_all():
    """It has nothing of its own to choose on; and it stays within the budget."""
    bins = thresholds([0.9] + [0.05] * 9, at=(0.5, 0.1))
    options = [Option.of("dear", [1] * 10, 9), Option.of("weak", [0] * 10, 1),
               Option.of("good", [1] * 10, 2)]  # fmt: skip
    [found] = compute_optimal(options, bins, [4], resamples=50)
    assert {names[0] for names in found.choices} == {"good"}
    assert (found.cost == 2).all() and found.accuracy == found.low == 1
