"""Selection curves against `tts_lab.select` itself and against exact values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tts_lab import select
from tts_lab.coverage import pass_at_k
from tts_lab.subsets import RULES, Pool, accuracy
from tts_lab.traces import Problem, Trace

PROBLEM = Problem("chains", "3+4\n", 1)  # 7 is right


def traces_of(answers):
    return [
        Trace(PROBLEM, f"{i}\n" + ("" if a is None else f"#{a}"), 5, True)
        for i, a in enumerate(answers)
    ]


@settings(max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([None, 7, 8, 9, 70]),
            st.sampled_from([0.0, 0.25, 0.5, 0.5, 1.0]),
        ),
        min_size=1,
        max_size=12,
    )
)
def test_the_whole_pool_is_chosen_from_as_select_does(samples):
    traces = traces_of([answer for answer, _ in samples])
    scores = [score for _, score in samples]
    right = [answer == 7 for answer, _ in samples]
    pool = Pool.of(traces, right, scores)
    for rule, choice in {
        "majority": select.majority(traces),
        "best-of-n": select.best_of_n(traces, scores),
        "weighted vote": select.weighted_vote(traces, scores),
    }.items():
        found = accuracy([pool], rule, [len(traces)]).mean[0]
        assert found == (choice is not None and choice.answer == "7"), rule
    assert accuracy([pool], "coverage", [len(traces)]).mean[0] == any(right)


def test_subsets_estimate_coverage_without_bias():
    right = np.arange(40) < 3
    pool = Pool(np.arange(40), right, np.zeros(40))
    found = accuracy([pool] * 20, "coverage", [1, 5, 20], subsets=400)
    np.testing.assert_allclose(found.mean, pass_at_k(40, 3, [1, 5, 20]), atol=0.02)


def test_best_of_n_of_a_perfect_score_is_coverage():
    rng = np.random.default_rng(0)
    pools = []
    for _ in range(15):
        right = rng.random(30) < 0.1
        pools.append(Pool(np.arange(30), right, right + 0.1 * rng.random(30)))
    best = accuracy(pools, "best-of-n", [1, 4, 30])
    cover = accuracy(pools, "coverage", [1, 4, 30])
    assert best.mean.tolist() == cover.mean.tolist()
    assert best.per_problem.tolist() == cover.per_problem.tolist()


def test_majority_of_a_known_population():
    # 5 of 9 say 7: three drawn have a majority for 7 unless two or more say 8
    pool = Pool(np.array([0] * 5 + [1] * 4), np.arange(9) < 5, np.zeros(9))
    found = accuracy([pool], "majority", [3], subsets=20_000).mean[0]
    # hypergeometric: P(at least 2 of 3 from the 5)
    assert found == pytest.approx((10 * 4 + 10) / 84, abs=0.01)


def test_rules_of_one_s_own():
    pool = Pool(np.array([0, 1]), np.array([True, False]), np.zeros(2))
    first = accuracy([pool], lambda pool, drawn: pool.right[drawn[:, 0]], [2])
    assert first.mean.tolist() == [1.0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rule": "luck"}, "rule 'luck' is unknown.*majority"),
        ({"pools": []}, "at least one problem"),
        ({"k": [0]}, r"k is \[0\]; accepted are numbers from 1 to 2"),
        ({"k": [3]}, r"k is \[3\]"),
        ({"k": []}, r"k is \[\]"),
        ({"subsets": 0}, "subsets is 0"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    pool = Pool(np.array([0, 1]), np.array([True, False]), np.zeros(2))
    whole = {"pools": [pool], "rule": "majority", "k": [1]} | arguments
    with pytest.raises(ValueError, match=message):
        accuracy(whole.pop("pools"), whole.pop("rule"), whole.pop("k"), **whole)


def test_a_pool_refuses_what_does_not_fit():
    traces = traces_of([7, 8])
    with pytest.raises(ValueError, match="2 traces, 1 outcomes, 2 scores"):
        Pool.of(traces, [True])
    with pytest.raises(ValueError, match=r"the score of '1\\n#8' is NaN"):
        Pool.of(traces, [True, False], [0.5, np.nan])


def test_all_rules_have_names():
    assert list(RULES) == ["coverage", "majority", "best-of-n", "weighted vote"]
