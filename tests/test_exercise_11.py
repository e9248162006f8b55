"""Exercise 11: wrong readings, thoughts, measures and votes, and what each is told."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from wrong import JUNK, WrongAnswers, assert_reported, assert_told, mistakes

from tts_lab.exercises import (
    CheckFailed,
    bending,
    check,
    measuring,
    parsing,
    rethinking,
)
from tts_lab.problems import chains
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.strategies.thinking import answer as ending
from tts_lab.strategies.thinking import think, thoughts
from tts_lab.think import metrics
from tts_lab.traces import Problem, Propose, Trace, Verify
from tts_lab.verifiers.exact import Exact

NAMES = ("read_thoughts", "control", "scaling", "performance", "log_slope", "bend",
         "thought_vote")  # fmt: skip

wrong = WrongAnswers()


def reading(prompt, text):
    every = thoughts(Problem("chains", prompt), text)
    return [(one.attempt, one.verdict) for one in every]


@wrong("read_thoughts", "the problem is stated again")
def problem_in_front(prompt, text):
    return parsing.read(prompt, text, again=True)


@wrong("read_thoughts", "the attempt ends before it")
def with_check(prompt, text):
    return parsing.read(prompt, text, checked=True)


@wrong("read_thoughts", "are dropped; they are read too, with None")
def only_judged(prompt, text):
    return [pair for pair in reading(prompt, text) if pair[1]]


@wrong("read_thoughts", "an empty attempt is returned")
def empty_ones(prompt, text):
    pairs = reading(prompt, text)
    return [*pairs, ("", None)] if text.endswith("wait\n") else pairs


@wrong("read_thoughts", "without `return`")
def nothing(prompt, text):
    reading(prompt, text)


@wrong("control", "the limits themselves are left out")
def exclusive(tokens, least, most):
    return sum(least < one < most for one in tokens) / len(tokens)


@wrong("control", "only the upper limit")
def no_lower(tokens, least, most):
    return np.mean(tokens <= most)


@wrong("control", "this is a number of runs")
def counted(tokens, least, most):
    return int(np.sum((tokens >= least) & (tokens <= most)))


@wrong("control", "ask it of each run")
def of_the_mean(tokens, least, most):
    return float(least <= tokens.mean() <= most)


@wrong("scaling", "only neighbouring lengths")
def neighbours(tokens, accuracy):
    order = np.argsort(tokens)
    return np.mean(np.diff(accuracy[order]) / np.diff(tokens[order]))


@wrong("scaling", "only the shortest and the longest")
def ends(tokens, accuracy):
    low, high = tokens.argmin(), tokens.argmax()
    return (accuracy[high] - accuracy[low]) / (tokens[high] - tokens[low])


@wrong("scaling", "least-squares line")
def fitted(tokens, accuracy):
    return np.polyfit(tokens, accuracy, 1)[0]


@wrong("scaling", "for each doubling")
def doubled(tokens, accuracy):
    logs = np.log2(tokens)
    i, j = np.triu_indices(len(logs), 1)
    return np.mean((accuracy[j] - accuracy[i]) / (logs[j] - logs[i]))


@wrong("performance", "longer is not always better")
def final(accuracy):
    return accuracy[-1]


@wrong("performance", "this is the mean")
def mean(accuracy):
    return np.mean(accuracy)


@wrong("performance", "wanted is its accuracy")
def position(accuracy):
    return int(np.argmax(accuracy))


@wrong("performance", "gains over the first")
def gained(accuracy):
    return accuracy.max() - accuracy[0]


@wrong("log_slope", "for each factor of e")
def natural(tokens, accuracy):
    return np.polyfit(np.log(tokens), accuracy, 1)[0]


@wrong("log_slope", "the slope for each token")
def per_token(tokens, accuracy):
    return np.polyfit(tokens, accuracy, 1)[0]


@wrong("log_slope", "only the first and the last point")
def two_points(tokens, accuracy):
    return (accuracy[-1] - accuracy[0]) / np.log2(tokens[-1] / tokens[0])


@wrong("log_slope", "it has an intercept")
def through_zero(tokens, accuracy):
    logs = np.log2(tokens)
    return np.linalg.lstsq(logs[:, None], accuracy, rcond=None)[0][0]


@wrong("bend", "the two lines do not meet")
def apart(tokens, accuracy):
    return bending.bent(tokens, accuracy, meet=False)


@wrong("bend", "the change of slope")
def change(tokens, accuracy):
    place, before, after = metrics.bend(tokens, accuracy)
    return place, before, after - before


@wrong("bend", "wanted are tokens")
def in_logs(tokens, accuracy):
    place, *slopes = metrics.bend(tokens, accuracy)
    return np.log2(place), *slopes


@wrong("bend", "the two slopes are the wrong way round")
def after_before(tokens, accuracy):
    place, before, after = metrics.bend(tokens, accuracy)
    return place, after, before


@wrong("thought_vote", "this is the last attempt;")
def last(answers, verdicts):
    return next((one for one in answers[::-1] if one is not None), None)


@wrong("thought_vote", "the verdicts are not used")
def majority(answers, verdicts):
    return rethinking.vote(answers, verdicts, checked=False)


@wrong("thought_vote", "nothing is answered here")
def no_fallback(answers, verdicts):
    return rethinking.vote(answers, verdicts, fallback=False)


@wrong("thought_vote", "attempts without a verdict do not vote")
def only_ok(answers, verdicts):
    return rethinking.vote(answers, verdicts, strict=True)


@wrong("thought_vote", "the answer given first")
def first(answers, verdicts):
    return rethinking.vote(answers, verdicts, first=True)


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize(
    ("name", "mistake"),
    mistakes(
        read_thoughts=parsing._READINGS,
        control=measuring._CONTROLS,
        scaling=measuring._SLOPES,
        performance=measuring._BESTS,
        log_slope=bending._SLOPES,
        bend=bending._BENDS,
        thought_vote=rethinking._VOTES,
    ),
)
def test_each_known_mistake_is_told_apart(name, mistake):
    assert_told(name, mistake.cause, mistake.imitate)


@pytest.mark.parametrize("name", NAMES)
def test_there_are_at_least_four_wrong_answers(name):
    assert wrong.number(name) >= 4


@pytest.mark.parametrize("name", [*NAMES, "budget_forcing"])
@pytest.mark.parametrize("junk", JUNK)
def test_junk_gets_a_report(name, junk):
    assert_reported(name, junk)


def test_the_packages_own_functions_are_right():
    assert check("read_thoughts", reading).passed
    assert check("control", metrics.control).passed
    assert check("scaling", metrics.scaling).passed
    assert check("performance", metrics.performance).passed
    assert check("log_slope", metrics.log_slope).passed
    assert check("bend", metrics.bend).passed
    assert check("bend", bending.bent).passed
    assert check("thought_vote", rethinking.vote).passed


def thinking(
    problem,
    *,
    most,
    waits,
    wait="\nwait\n",
    limit=lambda most, now: most - now.tokens,
    go_on=lambda now, most, waits, done: (
        now.finished and done < waits and now.tokens < most
    ),
    parent=lambda problem, text, now: Trace(problem, text, now.tokens),
    read=ending,
    shown=lambda problem, text, now: Trace(problem, text, now.tokens, now.finished),
    give=lambda trace, score: (trace, score),
    temperature=1.0,
    samples=1,
):
    """Budget forcing as the exercise asks for it, or with a rule changed."""
    now, done = Trace(problem), 0
    while True:
        [now] = yield Propose(
            [now], samples, temperature=temperature, max_tokens=limit(most, now)
        )
        if not go_on(now, most, waits, done):
            break
        now = parent(problem, now.text + wait, now)
        done += 1
    answered = shown(problem, read(problem, now.text), now)
    [score] = yield Verify([answered])
    return give(answered, score)


def packaged(problem, *, most, waits):
    found = yield from think(problem, most=most, waits=waits)
    return found.answer, found.score


def test_the_packages_thinking_is_right():
    assert check("budget_forcing", packaged).passed
    assert check("budget_forcing", thinking, seed=5).passed


def changed(**rule):
    return partial(thinking, **rule)


def always(now, most, waits, done):
    return True


FORCINGS = [
    (changed(wait=""), "the wait is missing"),
    (changed(wait="wait\n"), "a line break is missing"),
    (changed(wait="\nwait"), "the line break behind the wait is missing"),
    (changed(wait="\nwait\n4+8\n"), "only the wait is forced"),
    (changed(limit=lambda most, now: most), "for all the thinking"),
    (changed(limit=lambda most, now: None), "the limit is ignored"),
    (changed(limit=lambda most, now: most - len(now.text)), "something else"),
    (
        changed(go_on=lambda now, most, waits, done: done < waits),
        "the limit is reached",
    ),
    (
        changed(
            go_on=lambda now, most, waits, done: done < waits and now.tokens < most
        ),
        "it was cut off",
    ),
    (
        changed(go_on=lambda now, most, waits, done: now.finished and done <= waits),
        "with waits=0 no end is suppressed",
    ),
    (
        changed(
            go_on=lambda now, most, waits, done: (
                now.finished and waits and done <= waits and now.tokens < most
            )
        ),
        "once too often",
    ),
    (changed(go_on=lambda *given: False), "the end is not suppressed"),
    (
        changed(
            go_on=lambda now, most, waits, done: (
                now.finished and done < waits - 1 and now.tokens < most
            )
        ),
        "the end is not suppressed",
    ),
    (changed(go_on=always), "with waits=0 no end is suppressed"),
    (
        changed(parent=lambda problem, text, now: Trace(problem, text)),
        "the tokens written so far are lost",
    ),
    (
        changed(parent=lambda problem, text, now: Trace(problem, text, now.tokens + 6)),
        "the forced wait is counted",
    ),
    (
        changed(
            parent=lambda problem, text, now: Trace(problem, text, now.tokens, True)
        ),
        "which has not ended",
    ),
    (
        changed(parent=lambda problem, text, now: Trace(problem, "", now.tokens)),
        "thinking begins anew",
    ),
    (
        changed(
            parent=lambda problem, text, now: Trace(problem, "\nwait\n", now.tokens)
        ),
        "what was thought is lost",
    ),
    (
        changed(
            parent=lambda problem, text, now: Trace(
                problem, text.partition("?")[0] + "wait\n", now.tokens
            )
        ),
        "the last check is cut away",
    ),
    (changed(read=lambda problem, text: text), "only its last whole attempt counts"),
    (
        changed(read=lambda problem, text: thoughts(problem, text)[0].attempt),
        "an earlier attempt is verified",
    ),
    (
        changed(read=lambda problem, text: thoughts(problem, text)[-1].attempt),
        "the last whole one counts",
    ),
    (
        changed(shown=lambda problem, text, now: Trace(problem, text)),
        "those of all the thinking",
    ),
    (
        changed(shown=lambda problem, text, now: Trace(problem, text, now.tokens)),
        "hand on `now.finished`",
    ),
    (changed(give=lambda trace, score: trace), "the score is missing"),
    (changed(give=lambda trace, score: (score, trace)), "the wrong way round"),
    (changed(give=lambda trace, score: None), "without `return`"),
    (changed(temperature=0.0), "are alike"),
    (changed(samples=2), "one thought is thought"),
]


@pytest.mark.parametrize(("answer", "cause"), FORCINGS)
def test_a_wrong_thinking_is_told_its_cause(answer, cause):
    assert_told("budget_forcing", cause, answer)


def never_verifies(problem, *, most, waits):
    [now] = yield Propose([Trace(problem)], max_tokens=most)
    return now, 1.0


def verifies_the_request(problem, *, most, waits):
    now = Propose([Trace(problem)], max_tokens=most)
    yield now
    yield Verify(now)


def never_yields(problem, *, most, waits):
    return Trace(problem), 0.0


def yields_the_result(problem, *, most, waits):
    yield Trace(problem), 0.0


def takes_no_limit(problem, *, waits):
    yield Propose([Trace(problem)])


def works_for_ever(problem, *, most, waits):
    while waits == 0:
        pass
    yield Propose([Trace(problem)])


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (never_yields, "there is no `yield`"),
        (never_verifies, "what counts is one attempt"),
        (yields_the_result, "handed over by `return`"),
        (takes_no_limit, "my_think(problem, most="),
        (works_for_ever, "must end by itself"),
    ],
)
def test_what_is_no_strategy(answer, cause):
    assert_told("budget_forcing", cause, answer)


def test_a_forgotten_yield_is_told():
    with pytest.raises(CheckFailed, match=r"a `yield` is missing|thinking ends"):
        check("budget_forcing", verifies_the_request)


def test_forced_waits_are_run_by_the_driver_as_the_check_runs_them():
    problem = Problem("chains", "4+8\n", 1)
    first = "4+8=13\n#13\n?13 ok"
    table = {"4+8\n": [first], f"4+8\n{first}\nwait\n": ["4+8\n4+8=12\n#12\n?12 ok"]}
    for waits, text in ((0, "4+8=13\n#13"), (1, "4+8=12\n#12")):
        found = [
            run(partial(one, most=200, waits=waits), [problem],
                proposer=Scripted(table), verifier=Exact(), seed=0)[0].value
            for one in (thinking, packaged)
        ]  # fmt: skip
        for trace, score in found:
            assert (trace.text, trace.finished) == (text, True)
            assert trace.tokens == found[0][0].tokens
            assert score == float(chains.check(problem, text))
