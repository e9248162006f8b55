"""Exercise 6: wrong revisions, and the cause that each is told."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest
from wrong import WrongAnswers, assert_told

from tts_lab.exercises import CheckFailed, check
from tts_lab.exercises.attempts import shown
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.strategies.revision import WINDOW, context, revise
from tts_lab.traces import Problem, Propose, Trace, Verify
from tts_lab.verifiers.exact import Exact

wrong = WrongAnswers()


def revising(
    problem, *, n, chains, see=lambda own, all_: own[-4:], whole=False, each=None
):
    """A right strategy, or with another rule for what an attempt sees."""
    written = [[] for _ in range(chains)]
    found = []
    while len(found) < n:
        going = written if whole else written[: n - len(found)]
        starts = [
            shown(problem, [t.text for t in see(own, found)]) if own else ""
            for own in going
        ]
        traces = yield Propose([Trace(problem, start) for start in starts])
        for own, start, trace in zip(going, starts, traces, strict=True):
            own.append(replace(trace, text=trace.text.removeprefix(start)))
        found += [own[-1] for own in going]
    scores = yield Verify(found)
    pairs = list(zip(found, scores, strict=True))
    return each(pairs, chains) if each else pairs


def seeing(rule):
    return partial(revising, see=lambda own, all_: rule(own))


def returning(change):
    return partial(revising, each=change)


def test_the_packages_revision_is_right():
    def mine(problem, *, n, chains):
        return (yield from revise(problem, n=n, chains=chains))

    assert check("revision", mine).passed
    assert check("revision", revising, seed=5).passed


def test_scores_may_be_asked_for_in_every_round():
    def by_round(problem, *, n, chains):
        own = {number: [] for number in range(chains)}
        found = []
        for _ in range(-(-n // chains)):
            going = list(own)[: n - len(found)]
            starts = [shown(problem, own[i][-4:]) for i in going]
            traces = yield Propose([Trace(problem, start) for start in starts])
            attempts = [
                Trace(problem, t.text[len(s) :], t.tokens, t.finished, t.logprob)
                for t, s in zip(traces, starts, strict=True)
            ]
            scores = yield Verify(attempts)
            for i, attempt, score in zip(going, attempts, scores, strict=True):
                own[i].append(attempt.text)
                found.append([attempt, score])
        return tuple(found)

    assert check("revision", by_round).passed


def test_shown_is_what_the_package_shows():
    problem = Problem("chains", "47+38*2\n")
    rng = random.Random(0)
    for _ in range(200):
        size = rng.randrange(WINDOW + 1)
        attempts = ["#" + "1" * rng.randrange(1, 70) for _ in range(size)]
        assert shown(problem, attempts) == context(problem.prompt, attempts)


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (partial(revising, see=lambda own, all_: all_[-4:]), "know nothing of each"),
        (partial(revising, see=lambda own, all_: all_), "know nothing of each other"),
        (seeing(lambda own: own), "the last 4 of the chain"),
        (seeing(lambda own: own[:4]), "these are the first 4"),
        (seeing(lambda own: own[-1:]), "only the last 1 is seen"),
        (seeing(lambda own: own[-3:]), "only the last 3 is seen"),
        (seeing(lambda own: own[-4:][::-1]), "`shown` takes the oldest first"),
        (seeing(lambda own: own[-5:-1] or own), "the newest attempt is not seen"),
        (seeing(lambda own: [t for t in own if t.finished][-4:]), "cut off is left"),
        (seeing(lambda own: []), "begins at the bare problem"),
        (partial(revising, whole=True), "the last round is a whole one"),
    ],
)
def test_what_an_attempt_sees(answer, cause):
    assert_told("revision", cause, answer)


def lasts(pairs, chains):
    return pairs[-chains:]


def of_each(pairs, chains):
    return [own[-1] for own in (pairs[i::chains] for i in range(chains)) if own]


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lasts, "only the last attempts are returned"),
        (of_each, "only the last attempts are returned"),
        (lambda pairs, chains: pairs[-1:], "only the last attempts are returned"),
        (lambda pairs, chains: [max(pairs, key=lambda p: p[1])], "one attempt is"),
        (lambda pairs, chains: [p for p in pairs if p[1] > 0.3], "some attempts are"),
        (
            lambda pairs, chains: [p for i in range(chains) for p in pairs[i::chains]],
            "chain after chain",
        ),
        (lambda pairs, chains: [pairs[i::chains] for i in range(chains)], "each chain"),
        (lambda pairs, chains: pairs[::-1], "Nothing is sorted"),
        (lambda pairs, chains: [t for t, _ in pairs], "without their scores"),
        (lambda pairs, chains: [s for _, s in pairs], "without their attempts"),
        (lambda pairs, chains: [p[::-1] for p in pairs], "the wrong way round"),
        (lambda pairs, chains: [(t.text, s) for t, s in pairs], "the trace is wanted"),
        (lambda pairs, chains: iter(pairs), "read once only"),
        (lambda pairs, chains: None, "without `return`"),
        (
            lambda pairs, chains: [
                (t, s)
                for (t, _), (_, s) in zip(pairs, pairs[1:] + pairs[:1], strict=True)
            ],
            "`zip` the two",
        ),
    ],
)
def test_a_wrong_result_is_told_its_cause(change, cause):
    assert_told("revision", cause, returning(change))


@wrong("revision", "Take what the attempt saw off its front")
def context_stays(problem, *, n, chains):
    texts = []
    for _ in range(n):
        start = shown(problem, texts[-4:])
        [trace] = yield Propose([Trace(problem, start)])
        texts.append(trace.text)


@wrong("revision", "what the attempt saw is still in front")
def context_is_scored(problem, *, n, chains):
    written = [[] for _ in range(chains)]
    found = []
    while len(found) < n:
        going = written[: n - len(found)]
        starts = [shown(problem, one[-4:]) for one in going]
        traces = yield Propose([Trace(problem, start) for start in starts])
        for own, start, trace in zip(going, starts, traces, strict=True):
            own.append(trace.text.removeprefix(start))
        found += traces
    yield Verify(found)


@wrong("revision", "an unfinished trace is never chosen")
def forgets_the_end(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    yield Verify([Trace(problem, trace.text) for trace in traces])


@wrong("revision", "hands a finished parent back")
def goes_on_from_finished(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    while True:
        traces = yield Propose(traces)


@wrong("revision", "`shown` does it")
def own_words(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    yield Propose([Trace(problem, t.text + "\nTry again: ") for t in traces])


@wrong("revision", "Trace(problem, ")
def texts_as_parents(problem, *, n, chains):
    yield Propose([shown(problem, [])] * chains)


@wrong("revision", "more attempts begin at the bare problem")
def side_by_side(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], n)
    scores = yield Verify(traces)
    return list(zip(traces, scores, strict=True))


@wrong("revision", "`chains` is ignored")
def one_chain(problem, *, n, chains):
    return (yield from revising(problem, n=n, chains=1))


@wrong("revision", "it counts those of all")
def n_in_each(problem, *, n, chains):
    return (yield from revising(problem, n=n * chains, chains=chains))


@wrong("revision", "drops the rest")
def rest_is_lost(problem, *, n, chains):
    return (yield from revising(problem, n=n // chains * chains, chains=chains))


@wrong("revision", "the first attempts are not counted")
def starts_are_free(problem, *, n, chains):
    return (yield from revising(problem, n=n + chains, chains=chains))


@wrong("revision", "nothing is revised")
def only_starts(problem, *, n, chains):
    return (yield from revising(problem, n=chains, chains=chains))


@wrong("revision", "no attempt ends a chain")
def stops_at_a_good_one(problem, *, n, chains):
    return (yield from revising(problem, n=min(n, 2 * chains), chains=chains))


@wrong("revision", "must get smaller")
def for_ever(problem, *, n, chains):
    return (yield from revising(problem, n=10**6, chains=chains))


@wrong("revision", "must end by itself")
def stuck(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    while traces:
        traces = traces[:]


@wrong("revision", "into one `Propose`")
def one_by_one(problem, *, n, chains):
    own = {}
    for i in range(n):
        texts = own.setdefault(i % chains, [])
        start = shown(problem, [t.text for t in texts[-4:]])
        [trace] = yield Propose([Trace(problem, start)])
        texts.append(replace(trace, text=trace.text.removeprefix(start)))
    found = [own[i % chains][i // chains] for i in range(n)]
    scores = yield Verify(found)
    return list(zip(found, scores, strict=True))


@wrong("revision", "`samples` stays at 1")
def twice_in_a_round(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    yield Propose([Trace(problem, shown(problem, [t.text])) for t in traces], 2)


@wrong("revision", "the first ones one more")
def last_chain_goes_on(problem, *, n, chains):
    def mine():
        texts = [[] for _ in range(chains)]
        found = []
        while len(found) < n:
            going = texts[-(n - len(found)) :]
            starts = [shown(problem, one[-4:]) for one in going]
            traces = yield Propose([Trace(problem, start) for start in starts])
            for own, start, trace in zip(going, starts, traces, strict=True):
                found.append(replace(trace, text=trace.text.removeprefix(start)))
                own.append(found[-1].text)
        scores = yield Verify(found)
        return list(zip(found, scores, strict=True))

    return (yield from mine())


@wrong("revision", "leave both as they are")
def greedy(problem, *, n, chains):
    yield Propose([Trace(problem)], chains, temperature=0.0)


@wrong("revision", "end before you ask again")
def asks_for_nothing(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    yield Propose(traces[:0])


@wrong("revision", "scores are never asked for")
def unscored(problem, *, n, chains):
    found = yield from unread(problem, n, chains)
    return [(attempt, 0.0) for attempt in found]


@wrong("revision", "only the last attempts are scored")
def last_scored(problem, *, n, chains):
    found = yield from unread(problem, n, chains)
    scores = yield Verify(found[-chains:])
    return list(zip(found[-chains:], scores, strict=True))


@wrong("revision", "reading costs")
def scored_again(problem, *, n, chains):
    found = yield from unread(problem, n, chains)
    for end in range(chains, n + 1, chains):
        yield Verify(found[:end])


def unread(problem, n, chains):
    """All attempts, and no score."""
    generator = revising(problem, n=n, chains=chains)
    request = next(generator)
    while isinstance(request, Propose):
        request = generator.send((yield request))
    return list(request.traces)


@wrong("revision", "no `yield` in the function")
def no_generator(problem, *, n, chains):
    return []


@wrong("revision", "called as `my_revise(problem, n=..., chains=...)`")
def other_arguments(problem, number):
    yield Propose([Trace(problem)], number)


@wrong("revision", "handed over by `return`")
def yields_its_result(problem, *, n, chains):
    traces = yield Propose([Trace(problem)], chains)
    yield [(trace, 0.0) for trace in traces]


@wrong("revision", "a `yield` is missing")
def no_yield(problem, *, n, chains):
    yield Verify(Propose([Trace(problem)], chains))


def test_an_error_inside_is_reported_with_its_line():
    def fails(problem, *, n, chains):
        traces = yield Propose([Trace(problem)], chains)
        return traces[99]

    with pytest.raises(CheckFailed, match="raised IndexError") as caught:
        check("revision", fails)
    assert "return traces[99]" in caught.value.report.given


@pytest.mark.parametrize("request_", ["text", None, 3, Propose])
def test_what_is_no_request_is_refused(request_):
    def asks(problem, *, n, chains):
        yield request_

    with pytest.raises(CheckFailed, match="something else than a request"):
        check("revision", asks)


@pytest.mark.parametrize("junk", ["ab", {}, 7, [1], [None], [()], [(1, 2, 3)], []])
def test_a_result_that_is_no_list_of_pairs_has_a_report(junk):
    with pytest.raises(CheckFailed, match="wrong result"):
        check("revision", returning(lambda pairs, chains: junk))


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


def test_what_is_driven_here_runs_with_a_model_as_well():
    def counting(prompt, text, row, stream):
        return f"#{text.count('?')}"

    [outcome] = run(
        partial(revising, n=7, chains=2), [Problem("chains", "1+1\n", 1)],
        proposer=Scripted(counting), verifier=Exact(), seed=0,
    )  # fmt: skip
    said = [trace.text for trace, _ in outcome.value]
    assert said == ["#0", "#0", "#1", "#1", "#2", "#2", "#3"]
