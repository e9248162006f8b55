"""Verifiers and what is said of them, against values worked out by hand."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_lab import ladder, problems
from tts_lab.ladder import model_folder, reference, tokenizer
from tts_lab.ladder.reader import Reader
from tts_lab.prm import labels, spans
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.likelihood import Implicit, Likelihood
from tts_lab.verifiers.metrics import (
    auc,
    auc_across,
    auc_within,
    calibration,
    step_accuracy,
)
from tts_lab.verifiers.noisy import Noisy

CHAIN = Problem("chains", "47+38*6\n", 2)
RIGHT = Trace(CHAIN, "47+38=85\n85*6=510\n#510", 23, True)
WRONG = Trace(CHAIN, "47+38=85\n85*6=520\n#520", 23, True)
CUT = Trace(CHAIN, "47+38=85\n85*", 12)
EMPTY = Trace(CHAIN)


@pytest.fixture(scope="module")
def sampled():
    """Traces of a small rung with their truth and problem number."""
    some = problems.sample("chains", 5, 12, split="validation", seed=7)
    strategy = partial(repeated_sampling, n=24)
    outcomes = run(
        strategy, some, proposer=ladder.load("105k"), verifier=Exact(), seed=7
    )
    traces = [trace for outcome in outcomes for trace, _ in outcome.value]
    right = np.array([score for outcome in outcomes for _, score in outcome.value]) == 1
    return traces, right, np.repeat(np.arange(12), 24)


# Where steps are


def test_steps_end_where_their_line_feed_or_the_end_of_text_is():
    encoded = spans.encode(RIGHT)
    assert [encoded[i] for i in spans.step_ends(RIGHT)] == [3, 3, tokenizer.EOS]
    assert len(encoded) == spans.step_ends(RIGHT)[-1] + 1
    cut = spans.encode(CUT)
    assert spans.step_ends(CUT).tolist() == [len("47+38*6\n47+38=85\n"), len(cut) - 1]
    assert spans.step_ends(EMPTY).tolist() == []
    whole = Trace(CHAIN, "47+38=85\n", 9)
    assert spans.encode(whole)[spans.step_ends(whole)[0]] == 3


# Reading


def test_states_are_those_of_the_reference():
    model = model_folder.read(ladder.path("27k"))
    texts = [spans.encode(trace) for trace in (RIGHT, CUT, EMPTY)]
    read = Reader(model).logprobs(texts)
    for text, found in zip(texts, read, strict=True):
        for k in range(1, len(text)):
            tokens = np.frombuffer(text[:k], np.uint8).astype(np.int64)
            logits = reference.logits(model, tokens)[-1].astype(np.float64)
            expected = logits[text[k]] - np.log(np.exp(logits).sum())
            assert found[k - 1] == pytest.approx(expected, abs=1e-4)


def test_reading_does_not_depend_on_company_or_threads(sampled):
    traces, _, _ = sampled
    model = model_folder.read(ladder.path("105k"))
    texts = [spans.encode(trace) for trace in traces]
    together = Reader(model, threads=2).logprobs(texts)
    single = Reader(model, threads=1)
    for i in (0, 17, 100, 287):
        [alone] = single.logprobs([texts[i]])
        np.testing.assert_allclose(alone, together[i], atol=1e-6)


def test_the_likelihood_of_a_sample_is_what_the_policy_gave_it(sampled):
    traces, _, _ = sampled
    scores = Likelihood("105k").verify(traces)
    np.testing.assert_allclose(np.log(scores), [t.logprob for t in traces], atol=1e-3)


def test_siblings_share_what_they_begin_with(monkeypatch):
    """The same numbers, from fewer tokens."""
    start = "47+38*6\n47+38=85\n"
    ends = ["85*6=510\n", "85*6=510\n#510", "85*6=5", "8", "85*6=500\n#500"]
    alone = Reader(model_folder.read(ladder.path("105k")), threads=1)
    together = Reader(alone.model, threads=1)
    whole = [*(start + end for end in ends), "1+1\n"]
    texts = [bytes([tokenizer.BOS]) + tokenizer.encode(text) for text in whole]
    expected = [alone.logprobs([text])[0] for text in texts]
    read = []
    original = together._read

    def count(texts, cache, starts, known, states, cancel):
        read.append(int(starts[-1] - known.sum()))
        original(texts, cache, starts, known, states, cancel)

    monkeypatch.setattr(together, "_read", count)
    found = together.logprobs(texts)
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert sum(read) < 0.75 * sum(map(len, texts))


@pytest.mark.parametrize(
    ("texts", "message"),
    [([b""], "a text of 0 tokens"), ([b"\x05" * 300], "a text of 300 tokens.*1 to")],
)
def test_what_is_too_long_or_empty_is_refused(texts, message):
    with pytest.raises(ValueError, match=message):
        Reader(model_folder.read(ladder.path("27k"))).read(texts, lambda i, s: None)


def test_nothing_to_read():
    assert Reader(model_folder.read(ladder.path("27k"))).logprobs([]) == []


# Verifiers without training


def test_likelihood_is_a_probability_per_step():
    verifier = Likelihood("380k")
    [right, wrong, cut, empty] = verifier.steps([RIGHT, WRONG, CUT, EMPTY])
    assert [len(one) for one in (right, wrong, cut, empty)] == [3, 3, 2, 0]
    assert right[0] == pytest.approx(wrong[0], rel=1e-4)  # the same line
    assert right[1] > 10 * wrong[1]
    assert ((right > 0) & (right <= 1)).all()
    assert verifier.verify([RIGHT])[0] == pytest.approx(right.prod(), rel=1e-6)
    assert Likelihood("380k", aggregation="min").verify([RIGHT])[0] == right.min()
    assert verifier.verify([EMPTY]) == [-np.inf]
    assert verifier.tokens(RIGHT) == 1 + 8 + 23


def test_a_larger_rung_tells_right_from_wrong_within_problems(sampled):
    traces, right, problem = sampled
    small = auc_within(Likelihood("105k").verify(traces), right, problem).value
    large = auc_within(Likelihood("380k").verify(traces), right, problem).value
    assert large > 0.9 > small


def test_the_implicit_prm_is_the_difference_of_two_likelihoods():
    better, worse = (Likelihood(name).steps([RIGHT])[0] for name in ("380k", "27k"))
    implicit = Implicit("380k", "27k", beta=0.5)
    [steps] = implicit.steps([RIGHT])
    np.testing.assert_allclose(steps, 0.5 * np.log(better / worse), rtol=1e-6)
    [score] = implicit.verify([RIGHT])
    assert score == pytest.approx(1 / (1 + np.exp(-steps.sum())))
    assert implicit.size.parameters == 380_064 + 27_296


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Likelihood("2m"), "'2m' is neither a rung nor a folder"),
        (lambda: Likelihood("27k", aggregation="max"), "aggregation is 'max'"),
        (lambda: Implicit("27k", "27k", beta=0), "beta is 0"),
        (lambda: Implicit("27k", "27k", aggregation="prod"), "aggregation is 'prod'"),
        (lambda: Noisy(false_positives=1.5), "false_positives is 1.5"),
        (lambda: Noisy(false_negatives=-0.1), "false_negatives is -0.1"),
    ],
)
def test_bad_options_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_noisy_errs_at_its_rates_and_always_the_same_way():
    wrong = [Trace(CHAIN, f"#{i}", 4, True) for i in range(1000, 5000)]
    right = [Trace(CHAIN, f"{'0' * i}\n#510", 9, True) for i in range(1, 2000)]
    verifier = Noisy(false_positives=0.2, false_negatives=0.1)
    assert np.mean(verifier.verify(wrong)) == pytest.approx(0.2, abs=0.02)
    assert np.mean(verifier.verify(right)) == pytest.approx(0.9, abs=0.02)
    assert verifier.verify(wrong) == verifier.verify(wrong)
    other = Noisy(false_positives=0.2, false_negatives=0.1, seed=1)
    assert other.verify(wrong) != verifier.verify(wrong)
    assert Noisy().verify([RIGHT, WRONG, CUT]) == Exact().verify([RIGHT, WRONG, CUT])


# Labels


def test_exact_labels_stop_at_the_first_wrong_step():
    found = labels.exact([RIGHT, WRONG, CUT, EMPTY])
    assert [one.tolist() for one in found] == [[1, 1, 1], [1, 0, 0], [1, 0], []]


def test_outcome_labels_are_the_end_everywhere():
    found = labels.outcome([RIGHT, WRONG, CUT])
    assert [one.tolist() for one in found] == [[1, 1, 1], [0, 0, 0], [0, 0]]


def test_monte_carlo_labels_count_what_ends_right():
    first = "47+38*6\n47+38=85\n"
    table = {
        first: ["85*6=510\n#510", "85*6=510\n#510", "85*6=5\n#5", "85*6=7\n#7"],
        first + "85*6=510\n": ["#510"],
        first + "85*6=520\n": ["#520", "#510"],  # a lucky end counts as right
    }
    proposer = Scripted(table)
    strategy = partial(labels.monte_carlo, traces=[RIGHT, WRONG, CUT], rollouts=4)
    [outcome] = run(strategy, [CHAIN], proposer=proposer, verifier=Exact(), seed=0)
    assert [one.tolist() for one in outcome.value] == [
        [0.5, 1.0, 1.0],
        [0.5, 0.5, 0.0],
        [0.5, 0.0],  # a line that is cut off is never completed
    ]
    assert proposer.rows == 3 * 4  # equal prefixes share their rollouts


def test_monte_carlo_wants_rollouts():
    strategy = partial(labels.monte_carlo, traces=[RIGHT], rollouts=0)
    with pytest.raises(ValueError, match="rollouts must be 1 or more, got 0"):
        run(strategy, [CHAIN], proposer=Scripted({}), verifier=Exact(), seed=0)


# Metrics


@given(
    st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=40),
)
def test_auc_is_the_share_of_pairs_in_order(pairs):
    scores = np.array([score for score, _ in pairs])
    right = np.array([outcome for _, outcome in pairs])
    found = auc(scores, right)
    if right.all() or not right.any():
        assert np.isnan(found)
    else:
        gap = scores[right][:, None] - scores[~right]
        assert found == pytest.approx(((gap > 0) + (gap == 0) / 2).mean())


def test_knowing_the_hard_problems_is_no_help_within():
    """The trap that the project met: across problems fine, within a coin toss."""
    rng = np.random.default_rng(0)
    problem = np.repeat(np.arange(200), 20)
    ease = rng.beta(0.5, 0.5, 200)[problem]
    right = rng.random(4000) < ease
    knows_problems = np.round(ease, 2)
    assert auc_across(knows_problems, right, problem).value > 0.8
    assert auc_within(knows_problems, right, problem).value == 0.5


def test_the_interval_of_the_pooled_auc_holds_its_value():
    rng = np.random.default_rng(1)
    problem = np.repeat(np.arange(60), 30)
    right = rng.random(1800) < 0.4
    scores = rng.normal(size=1800) + right
    found = auc_across(scores, right, problem)
    assert found.low < found.value < found.high
    assert found.value == pytest.approx(0.76, abs=0.03)  # Phi(1 / sqrt 2)
    tied = auc_across(np.round(scores), right, problem)
    assert tied.low < tied.value < tied.high


def test_calibration():
    found = calibration([0.05, 0.15, 0.15, 0.95, 1.0], [0, 0, 1, 1, 1])
    assert found.count.tolist() == [1, 2, 0, 0, 0, 0, 0, 0, 0, 2]
    assert found.right[[0, 1, 9]].tolist() == [0.0, 0.5, 1.0]
    assert found.error == pytest.approx((0.05 + 2 * 0.35 + 2 * 0.025) / 5)
    with pytest.raises(ValueError, match="calibration is for probabilities"):
        calibration([-3.0, 0.5], [0, 1])


def test_step_accuracy():
    assert step_accuracy([RIGHT, WRONG], [[0.9, 0.4, 0.9], [0.6, 0.1, 0.7]]) == 4 / 6


@pytest.mark.parametrize(
    ("scores", "right", "message"),
    [
        ([1.0], [True, False], "1 scores but 2"),
        ([np.nan, 1], [True, False], "0 is NaN"),
    ],
)
def test_auc_refuses_what_does_not_fit(scores, right, message):
    with pytest.raises(ValueError, match=message):
        auc(scores, right)


def test_auc_within_needs_a_problem_with_both():
    with pytest.raises(ValueError, match="no problem has both"):
        auc_within([0.1, 0.2], [True, True], [0, 0])
