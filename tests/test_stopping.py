"""Stopping rules on pools whose answer is known."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from scipy.stats import beta

from tts_lab.stopping import beta_stop, play, score_stop
from tts_lab.subsets import Pool, best_of_n, majority


def pool(answers, right=None, scores=None) -> Pool:
    n = len(answers)
    truth = np.zeros(n, bool) if right is None else np.array(right, bool)
    return Pool(
        np.array(answers), truth, np.zeros(n) if scores is None else np.array(scores)
    )


@pytest.mark.parametrize("sure", [0.6, 0.8, 0.95, 0.99])
def test_the_beta_rule_is_the_posterior_of_the_two_leading_answers(sure):
    rng = np.random.default_rng(1)
    for _ in range(20):
        answers = rng.choice([0, 1, 2], 40, p=[0.5, 0.3, 0.2])
        stop = beta_stop(pool(answers), sure=sure)
        for k in range(2, stop + 1):
            first, second = np.sort(np.bincount(answers[:k], minlength=3))[::-1][:2]
            settled = 1 - beta.cdf(0.5, first + 1, second + 1) >= sure
            assert settled == (k == stop) or (k == stop == 40)


def test_samples_without_an_answer_do_not_vote():
    assert beta_stop(pool([-1, -1, -1, -1, -1])) == 5
    assert beta_stop(pool([-1, 7, -1, 7, 7, 7])) == 6


def test_the_score_rule_stops_at_the_first_sure_answer():
    scores = [0.95, 0.2, 0.97, 0.99]
    assert score_stop(pool([-1, 3, 3, 3], scores=scores)) == 3
    assert score_stop(pool([1, 3, 3, 3], scores=scores)) == 1
    assert score_stop(pool([1, 3, 3, 3], scores=scores), sure=0.999) == 4


def test_easy_problems_take_few_samples_and_hard_ones_many():
    rng = np.random.default_rng(0)
    easy = [pool(np.where(rng.random(64) < 0.9, 1, 2), [1] * 64) for _ in range(20)]
    hard = [pool(rng.integers(0, 4, 64)) for _ in range(20)]
    found = play(easy + hard, beta_stop, majority)
    assert found.drawn[:20].mean() < 8 < 20 < found.drawn[20:].mean()
    assert found.right[:20].mean() == 1


def test_a_rule_never_sees_what_comes_behind_its_stop():
    seen = []

    def nosy(shown):
        seen.append(shown.answer.copy())
        return 3

    one = pool([1, 2, 3, 4, 5, 6], [1, 0, 0, 0, 0, 0], [0.9, 0.1, 0.1, 0.1, 0.1, 0.1])
    found = play([one], nosy, best_of_n, orders=200)
    share = np.mean([1 in order[:3] for order in seen])
    assert found.right[0] == pytest.approx(share)
    assert found.drawn.tolist() == pytest.approx([3.0])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: beta_stop(pool([1]), sure=0.2), r"sure is 0\.2; accepted is 0\.5 to"),
        (lambda: beta_stop(pool([1]), least=0), "least is 0; accepted is 1 or more"),
        (lambda: play([], beta_stop, majority), "at least one problem, got none"),
        (lambda: play([pool([1])], lambda p: 2, majority), "stops after 2 of 1 sampl"),
        (lambda: play([pool([1])], partial(len), majority), "has no len"),
    ],
)
def test_what_cannot_be_played_is_quoted(act, message):
    with pytest.raises((ValueError, TypeError), match=message):
        act()
