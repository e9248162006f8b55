"""Choosing an answer: every rule with values worked out by hand."""

from __future__ import annotations

import math

import pytest

from tts_lab.select import aggregate, best_of_n, canonical, majority, weighted_vote
from tts_lab.traces import Problem, Trace

PROBLEM = Problem("chains", "3+4*2\n", 2)


def trace(answer: str | None, *, finished: bool = True, mark: str = "") -> Trace:
    last = "" if answer is None else f"#{answer}"
    return Trace(PROBLEM, f"3+4=7{mark}\n7*2=14\n{last}", 20, finished)


#: answers and scores: 14 twice, 15 three times, 16 once, one without an answer
TRACES = [
    trace("15"),
    trace("14", mark="a"),
    trace(None),
    trace("15", mark="b"),
    trace("16"),
    trace("014", mark="c"),
    trace("15", mark="d"),
]
SCORES = [0.25, 0.75, 1.0, 0.125, 0.875, 0.5, 0.125]


@pytest.mark.parametrize(
    ("how", "value"),
    [("last", 0.5), ("min", 0.25), ("prod", 0.0625), ("mean", 0.41666666666666669)],
)
def test_aggregation(how, value):
    assert aggregate([0.5, 0.25, 0.5], how) == value
    assert aggregate([0.25], how) == 0.25


@pytest.mark.parametrize("how", ["last", "min", "prod", "mean"])
def test_no_steps_rank_below_everything(how):
    assert aggregate([], how) == -math.inf


def test_another_aggregation_is_refused():
    with pytest.raises(ValueError, match=r"aggregation is 'max'.*'last', 'min'"):
        aggregate([1.0], "max")


def test_majority():
    choice = majority(TRACES)
    assert choice.answer == "15"
    assert choice.weights == {"15": 3.0, "14": 2.0, "16": 1.0}
    assert choice.trace is TRACES[0]


def test_best_of_n():
    choice = best_of_n(TRACES, SCORES)
    assert choice.answer == "16"
    assert choice.weights == {"15": 0.25, "14": 0.75, "16": 0.875}
    assert choice.trace is TRACES[4]


def test_weighted_vote():
    choice = weighted_vote(TRACES, SCORES)
    assert choice.answer == "14"
    assert choice.weights == {"15": 0.5, "14": 1.25, "16": 0.875}
    assert choice.trace is TRACES[1]


def test_the_three_rules_differ_on_purpose():
    """15 has the votes, 16 the best trace, 14 the weight: no rule contains another."""
    chosen = [majority(TRACES), best_of_n(TRACES, SCORES),
              weighted_vote(TRACES, SCORES)]  # fmt: skip
    assert [choice.answer for choice in chosen] == ["15", "16", "14"]


def test_missing_answers_never_vote():
    silent = [trace(None), trace(None), trace(None)]
    assert majority([*silent, trace("14")]).answer == "14"
    assert majority(silent) is None
    assert best_of_n(silent, [0.9, 0.8, 0.7]) is None
    assert weighted_vote([*silent, trace("14")], [9, 9, 9, 0.0]).answer == "14"
    assert majority([]) is None


def test_unfinished_traces_have_no_answer():
    cut = trace("99", finished=False)
    assert canonical(cut) is None
    assert majority([cut, cut, trace("14")]).weights == {"14": 1.0}
    assert best_of_n([cut, trace("14")], [1.0, 0.1]).answer == "14"


def test_answers_are_compared_by_value():
    assert majority([trace("14"), trace("15"), trace("0014")]).weights == {
        "14": 2.0,
        "15": 1.0,
    }


def test_ties_go_to_the_first_seen():
    tied = [trace("15"), trace("14"), trace("14", mark="a"), trace("15", mark="b")]
    assert majority(tied).answer == "15"
    assert best_of_n(tied, [0.5] * 4).trace is tied[0]
    assert weighted_vote(tied, [0.25, 0.5, 0.0, 0.25]).answer == "15"


def test_ties_at_random_are_seeded_and_fair():
    tied = [trace("15"), trace("14")]
    once = [majority(tied, ties="random", seed=seed).answer for seed in range(400)]
    again = [majority(tied, ties="random", seed=seed).answer for seed in range(400)]
    assert once == again
    assert 150 < once.count("15") < 250
    untied = [*tied, trace("14", mark="a")]
    assert {majority(untied, ties="random", seed=s).answer for s in range(50)} == {"14"}


def test_minus_infinity_is_a_score_of_the_last_resort():
    assert best_of_n([trace("15"), trace("14")], [-math.inf, -5.0]).answer == "14"
    assert best_of_n([trace("15")], [-math.inf]).answer == "15"


@pytest.mark.parametrize("rule", [best_of_n, weighted_vote])
def test_nan_names_the_trace(rule):
    with pytest.raises(ValueError, match=r"trace 1 \('3\+4=7.*#14'\) is NaN"):
        rule([trace("15"), trace("14")], [0.5, math.nan])


def test_a_vote_refuses_negative_weights():
    with pytest.raises(ValueError, match=r"#14.* is -0.5.*must not be negative"):
        weighted_vote([trace("15"), trace("14")], [0.5, -0.5])


@pytest.mark.parametrize("rule", [best_of_n, weighted_vote])
def test_lengths_must_agree(rule):
    with pytest.raises(ValueError, match="2 traces but 1 scores"):
        rule([trace("15"), trace("14")], [0.5])


def test_ties_are_first_or_random():
    with pytest.raises(ValueError, match=r"ties is 'last'.*'first', 'random'"):
        majority([trace("15")], ties="last")
