"""Exercise 9: wrong bills and crossings, and the cause that each is told."""

from __future__ import annotations

import numpy as np
import pytest
from wrong import JUNK, WrongAnswers, assert_reported, assert_told, mistakes

from tts_lab.exchange import inference_flops
from tts_lab.exercises import check, spending
from tts_lab.ledger import pretraining_flops

wrong = WrongAnswers()


def bill(parameters, trained, problems, n, tokens, reader):
    written = problems * n * tokens
    return (
        pretraining_flops(parameters, trained),
        inference_flops(parameters, written) + inference_flops(reader, written),
    )


@wrong("total_flops", "the factors are the wrong way round")
def factors_swapped(parameters, trained, problems, n, tokens, reader):
    training, inference = bill(parameters, trained, problems, n, tokens, reader)
    return training / 3, 3 * inference


@wrong("total_flops", "no backward pass")
def trained_all_the_time(parameters, trained, problems, n, tokens, reader):
    training, inference = bill(parameters, trained, problems, n, tokens, reader)
    return training, 3 * inference


@wrong("total_flops", "twice as dear")
def forward_only(parameters, trained, problems, n, tokens, reader):
    training, inference = bill(parameters, trained, problems, n, tokens, reader)
    return training / 3, inference


@wrong("total_flops", "the verifier is left out")
def no_verifier(parameters, trained, problems, n, tokens, reader):
    return bill(parameters, trained, problems, n, tokens, 0)


@wrong("total_flops", "one sample of each problem")
def reads_once(parameters, trained, problems, n, tokens, reader):
    training, inference = bill(parameters, trained, problems, n, tokens, 0)
    return training, inference + 2 * reader * problems * tokens


@wrong("total_flops", "with the policy's parameters")
def reads_with_the_policy(parameters, trained, problems, n, tokens, reader):
    return bill(parameters, trained, problems, n, tokens, parameters)


@wrong("total_flops", "so their FLOPs add up")
def multiplied(parameters, trained, problems, n, tokens, reader):
    written = problems * n * tokens
    return 6 * parameters * trained, 2 * parameters * (reader or 1) * written


@wrong("total_flops", "only its reading is asked for")
def trains_the_verifier(parameters, trained, problems, n, tokens, reader):
    return bill(parameters + reader, trained, problems, n, tokens, 0)


@wrong("total_flops", "n is forgotten")
def one_sample(parameters, trained, problems, n, tokens, reader):
    return bill(parameters, trained, problems, 1, tokens, reader)


@wrong("total_flops", "inference for one problem")
def one_problem(parameters, trained, problems, n, tokens, reader):
    return bill(parameters, trained, 1, n, tokens, reader)


@wrong("total_flops", "both")
def added_up(parameters, trained, problems, n, tokens, reader):
    return sum(bill(parameters, trained, problems, n, tokens, reader))


@wrong("total_flops", "first training, then inference")
def parts_swapped(parameters, trained, problems, n, tokens, reader):
    return bill(parameters, trained, problems, n, tokens, reader)[::-1]


def first(ns, above):
    return next((int(n) for n, yes in zip(ns, above, strict=True) if yes), None)


@wrong("smallest_n", "by luck")
def by_the_mean(ns, mean, low, large):
    return first(ns, mean > large)


@wrong("smallest_n", "equal is counted as passed")
def equal_passes(ns, mean, low, large):
    return first(ns, low >= large)


@wrong("smallest_n", "this is the position")
def position(ns, mean, low, large):
    return first(range(len(ns)), low > large)


@wrong("smallest_n", "wanted is the smallest")
def largest(ns, mean, low, large):
    return first(ns[::-1], low[::-1] > large)


@wrong("smallest_n", "a smaller one may pass already")
def best(ns, mean, low, large):
    return int(ns[low.argmax()]) if low.max() > large else None


@wrong("smallest_n", "stays above")
def for_good(ns, mean, low, large):
    return first(ns, [low[i:].min() > large for i in range(len(ns))])


@wrong("smallest_n", "`argmax` finds position 0")
def unguarded(ns, mean, low, large):
    return int(ns[(low > large).argmax()])


@wrong("smallest_n", "ends in an error")
def no_none(ns, mean, low, large):
    return int(ns[np.flatnonzero(low > large)[0]])


@wrong("smallest_n", "on the wrong side")
def upper_end(ns, mean, low, large):
    return first(ns, mean + (mean - low) > large)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "mistake"),
    mistakes(total_flops=spending._FLOPS, smallest_n=spending._PASSES),
)
def test_each_known_mistake_is_told_apart(name, mistake):
    assert_told(name, mistake.cause, mistake.imitate)


@pytest.mark.parametrize("name", ["total_flops", "smallest_n"])
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", ["total_flops", "smallest_n"])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_gets_a_report(name, junk):
    assert_reported(name, junk)


def test_other_ways_to_write_them_are_right():
    assert check("total_flops", bill).passed
    assert check("smallest_n", lambda ns, mean, low, v: first(ns, low > v)).passed
