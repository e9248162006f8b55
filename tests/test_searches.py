"""Shipped searches: what they hold, how they are read, and that they can be made."""

from __future__ import annotations

import numpy as np
import pytest

from tts_lab import figures, problems, searches

BOTH = tuple(searches.LEVELS)


def expected() -> set[tuple[str, str, int]]:
    found = {(d, searches.ORACLE, searches.ORACLE_SAMPLES) for d in BOTH}
    return found | {
        (domain, name, n)
        for domain in BOTH
        for name in searches.STRATEGIES
        for n in searches.BUDGETS
        if n <= searches.LARGEST.get(name, n)
    }


def test_every_strategy_is_shipped_at_every_budget():
    for key in expected():
        made = searches.shipped(*key)
        assert made.problems == len(searches.evaluated(made.domain)) == 100
        assert (made.policy, made.flops > 0) == (searches.POLICY, True)
        for values in made.right.values():
            assert len(values) == 100
            assert 0 <= min(values) <= max(values) <= 1
        if made.strategy != searches.ORACLE:
            assert made.verifier == searches.VERIFIER
            assert set(made.right) == set(searches.RULES)
            assert min(made.read) > 0


def test_unknown_searches_are_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"no search \('chains', 'luck', 4\); there"):
        searches.shipped("chains", "luck", 4)
    with pytest.raises(ValueError, match=r"at 1 FLOPs: measured are \d"):
        searches.at_flops("chains", "beam search", 1.0)
    with pytest.raises(ValueError, match="measured are none"):
        searches.at_flops("chains", "luck", 1e9)


def test_accuracy_between_two_budgets_is_interpolated_in_log_flops():
    small, large = (searches.shipped("chains", "beam search", n) for n in (16, 64))
    for made in (small, large):
        found = searches.at_flops("chains", "beam search", made.flops)
        np.testing.assert_allclose(found, made.right["best-of-n"], atol=1e-9)
    middle = searches.at_flops(
        "chains", "beam search", (small.flops * large.flops) ** 0.5
    )
    both = np.array([small.right["best-of-n"], large.right["best-of-n"]])
    np.testing.assert_allclose(middle, both.mean(axis=0), atol=1e-9)


def test_bins_hold_each_problem_once_and_get_harder():
    for domain in BOTH:
        bins = searches.quantile_bins(domain, 5)
        assert sorted(np.concatenate(bins).tolist()) == list(range(100))
        oracle = searches.shipped(domain, searches.ORACLE, searches.ORACLE_SAMPLES)
        share = [np.array(oracle.right["exact"])[rows].mean() for rows in bins]
        assert share == sorted(share, reverse=True)


def test_costs_are_those_of_the_whole_run():
    made = searches.shipped("countdown", "beam search", 16)
    assert made.cost("samples") == 16
    assert made.cost("flops") == made.flops
    assert made.cost("tokens") == (sum(made.generated) + sum(made.read)) / 100
    mean, low, high = made.accuracy()
    assert low <= mean <= high
    assert mean == np.mean(made.right["best-of-n"])


def test_a_search_made_now_is_the_same_each_time_and_like_the_shipped_ones(tmp_path):
    some = problems.evaluation_set("chains", 2, 4)
    made = searches.search("chains", "beam search", 4, some, verifier="exact")
    again = searches.search("chains", "beam search", 4, some, verifier="exact")
    assert made == again
    assert made.problems == 4
    drawn = searches.oracle("chains", some, policy="27k")
    assert drawn.strategy == searches.ORACLE
    assert drawn.read == (0, 0, 0, 0)
    path = tmp_path / "searches.json"
    searches._write(path, {1: made, 2: drawn})
    stored = searches._read(path)
    assert stored["chains", "beam search", 4] == made
    assert list(stored) == [("chains", "beam search", 4), ("chains", "one sample", 256)]


def test_a_race_is_drawn_with_intervals_and_said_in_rows():
    points = [searches.shipped("chains", "beam search", n) for n in searches.BUDGETS]
    figure = figures.race(points)
    assert figure.axes[0].get_xlabel() == "billion FLOPs per problem, verifier included"
    assert len(figure.axes[0].containers) == 1
    assert len(figure.rows) == 2 + len(points) + 1
    assert "100 problems; n = 4, 16, 64, 256" in figure.rows[-1]
    with pytest.raises(ValueError, match="cost='money'; accepted are"):
        figures.race(points, cost="money")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no points to draw"):
        figures.race([])


def test_bins_are_drawn_one_bar_for_each():
    shares = {"a": [(0.5, 0.4, 0.6), (0.2, 0.1, 0.3)], "b": [(0.9, 0.8, 1.0)] * 2}
    figure = figures.bins(shares, ["easy", "hard"], title="Two bins")
    heights = [bar.get_height() for bar in figure.axes[0].patches]
    assert heights == [0.5, 0.2, 0.9, 0.9]
    assert len({bar.get_hatch() for bar in figure.axes[0].patches}) == 2
    assert "  hard: 0.200 [0.100, 0.300]" in figure.rows
    with pytest.raises(ValueError, match="'a' has 2 shares for 1 bins"):
        figures.bins({"a": shares["a"]}, ["easy"], title="")
