"""Exercise 5: wrong searches, and the cause that each is told."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import nbformat
import pytest
from wrong import WrongAnswers, assert_told

from tts_lab.exercises import CheckFailed, check
from tts_lab.exercises.faults import AHEAD, BEAM, faulty
from tts_lab.exercises.playing import Tree, play
from tts_lab.strategies import beam_search, lookahead_search
from tts_lab.traces import Propose, Trace, Verify

wrong = WrongAnswers()

KNOWN = [
    *[("beam_search", fault, cause) for fault, cause in BEAM.items()],
    *[("lookahead", fault, cause) for fault, cause in AHEAD.items()],
]


def by_score(pairs):
    return sorted(pairs, key=lambda pair: -pair[1])


@pytest.mark.parametrize(("name", "fault", "cause"), KNOWN)
def test_each_known_fault_is_recognised(name, fault, cause):
    assert_told(name, cause, partial(faulty, fault=fault))


@pytest.mark.parametrize("name", ["beam_search", "lookahead"])
def test_without_a_fault_it_is_right(name):
    assert check(name, faulty).passed
    assert check(name, beam_search).passed


def test_the_packages_lookahead_is_right():
    assert check("lookahead", lookahead_search).passed


def test_the_bug_of_the_exercise_is_told():
    folder = Path(__file__).resolve().parent.parent / "exercises" / "source"
    notebook = nbformat.read(folder / "ex05_search" / "ex05_search.ipynb", 4)
    [bug] = [cell.source for cell in notebook.cells if cell.get("id") == "bug"]
    namespace = {"Propose": Propose, "Trace": Trace, "Verify": Verify}
    exec(bug, namespace)
    assert_told("lookahead", AHEAD["ignored"], namespace["colleagues"])


@wrong("beam_search", "it is the other way round")
def width_kept(problem, *, n=8, width=4, max_steps=24):
    finished, beam, each = [], [Trace(problem)], n
    for _ in range(max_steps):
        children = yield Propose(beam, each, until="step")
        scores = yield Verify(children)
        pairs = by_score(zip(children, scores, strict=True))
        finished += [pair for pair in pairs if pair[0].finished]
        beam = [trace for trace, _ in pairs if not trace.finished][:width]
        each = n // width
        if not beam or len(finished) >= n:
            break
    return by_score(finished)[:n]


@wrong("beam_search", "the parents are scored")
def scores_of_parents(problem, *, n=8, width=4, max_steps=24):
    finished, beam, each = [], [Trace(problem)], n
    for _ in range(max_steps):
        scores = yield Verify(beam)
        children = yield Propose(beam, each, until="step")
        scores = [score for score in scores for _ in range(each)]
        pairs = by_score(zip(children, scores, strict=True))
        finished += [pair for pair in pairs if pair[0].finished]
        beam = [trace for trace, _ in pairs if not trace.finished][: n // width]
        each = width
        if not beam or len(finished) >= n:
            break
    return by_score(finished)[:n]


@wrong("beam_search", "must end by itself")
def never_yields_again(problem, *, n, width, max_steps):
    children = yield Propose([Trace(problem)], n, "step")
    while children:
        children = children[:]


@wrong("beam_search", "count the rounds")
def for_ever(problem, *, n, width, max_steps):
    traces = [Trace(problem)]
    while True:
        traces = yield Propose(traces, 1, "step")


@wrong("beam_search", "the parents never change")
def always_the_root(problem, *, n, width, max_steps):
    found = []
    for _ in range(max_steps):
        children = yield Propose([Trace(problem)], n, "step")
        scores = yield Verify(children)
        found += by_score(zip(children, scores, strict=True))
    return [pair for pair in found if pair[0].finished]


@wrong("beam_search", "not one at a time")
def one_parent_at_a_time(problem, *, n, width, max_steps):
    beam, each = [Trace(problem)], n
    for _ in range(max_steps):
        pairs = []
        for parent in beam:
            children = yield Propose([parent], each, "step")
            scores = yield Verify(children)
            pairs += zip(children, scores, strict=True)
        beam = [trace for trace, _ in by_score(pairs)][: n // width]
        each = width


@wrong("beam_search", 'until="step"')
def to_the_end(problem, *, n, width, max_steps):
    traces = yield Propose([Trace(problem)], n)
    scores = yield Verify(traces)
    return by_score(zip(traces, scores, strict=True))


@wrong("beam_search", "temperature 0 writes the same line")
def greedy(problem, *, n, width, max_steps):
    children = yield Propose([Trace(problem)], n, "step", 0.0)
    yield Verify(children)


@wrong("beam_search", "a `yield` is missing")
def no_yield(problem, *, n, width, max_steps):
    yield Verify(Propose([Trace(problem)], n, "step"))


@wrong("beam_search", "requests take the traces alone")
def pairs_as_parents(problem, *, n, width, max_steps):
    children = yield Propose([Trace(problem)], n, "step")
    scores = yield Verify(children)
    yield Propose(by_score(zip(children, scores, strict=True)), width, "step")


@wrong("beam_search", "handed over by `return`")
def yields_its_result(problem, *, n, width, max_steps):
    children = yield Propose([Trace(problem)], n, "step")
    scores = yield Verify(children)
    yield list(zip(children, scores, strict=True))


@wrong("beam_search", "end the search before you ask again")
def asks_of_nobody(problem, *, n, width, max_steps):
    beam, each = [Trace(problem)], n
    while True:
        children = yield Propose(beam, each, "step")
        scores = yield Verify(children)
        pairs = by_score(zip(children, scores, strict=True))
        beam = [trace for trace, _ in pairs if not trace.finished][: n // width]
        each = width


@wrong("beam_search", "called with (problem, *, n, width, max_steps)")
def other_arguments(problem, size):
    yield Propose([Trace(problem)], size, "step")


@wrong("beam_search", "no `yield` in the function")
def no_generator(problem, *, n, width, max_steps):
    return []


def results_of(change):
    """A right beam search, with its result changed."""

    def search(problem, **options):
        found = yield from beam_search(problem, **options)
        return change(found)

    return search


@pytest.mark.parametrize(("name", "cause", "answer"), wrong.cases())
def test_a_wrong_answer_is_told_its_cause(name, cause, answer):
    assert_told(name, cause, answer)


@pytest.mark.parametrize("name", ["beam_search", "lookahead"])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda found: None, "without `return`"),
        (iter, "read once only"),
        (lambda found: [trace for trace, _ in found], "without their scores"),
        (lambda found: [pair[::-1] for pair in found], "the wrong way round"),
        (lambda found: [score for _, score in found], "pairs"),
        (lambda found: found[:1], "fewer are returned"),
    ],
)
def test_a_wrong_result_is_told_its_cause(name, change, cause):
    assert_told(name, cause, results_of(change))


@pytest.mark.parametrize("name", ["beam_search", "lookahead"])
@pytest.mark.parametrize("junk", ["ab", {}, 7, [1], [None], [()], [(1, 2, 3)]])
def test_a_result_that_is_no_list_of_pairs_has_a_report(name, junk):
    with pytest.raises(CheckFailed, match="the wrong result"):
        check(name, results_of(lambda found: junk))


@pytest.mark.parametrize("name", ["beam_search", "lookahead"])
def test_an_error_inside_is_reported_with_its_line(name):
    def fails(problem, **options):
        children = yield Propose([Trace(problem)], options["n"], "step")
        return children[99]

    with pytest.raises(CheckFailed, match="raised IndexError") as caught:
        check(name, fails)
    assert "return children[99]" in caught.value.report.given


@pytest.mark.parametrize("request_", ["text", None, 3, Propose, Verify([None])])
def test_what_is_no_request_is_refused(request_):
    def asks(problem, **options):
        yield request_

    with pytest.raises(CheckFailed, match="the driver refuses a request"):
        check("beam_search", asks)


def test_one_request_for_each_parent_is_too_many():
    def one_by_one(problem, *, n, width, max_steps):
        finished, beam, each = [], [Trace(problem)], n
        for _ in range(max_steps):
            children, pairs = [], []
            for parent in beam:
                children += yield Propose([parent], each, "step")
            for child in children:
                [score] = yield Verify([child])
                pairs.append((child, score))
            pairs = by_score(pairs)
            finished += [pair for pair in pairs if pair[0].finished]
            beam = [trace for trace, _ in pairs if not trace.finished][: n // width]
            each = width
            if not beam or len(finished) >= n:
                break
        return by_score(finished)[:n]

    with pytest.raises(CheckFailed, match="too many requests") as caught:
        check("beam_search", one_by_one)
    assert "each request is a call of the model" in caught.value.report.likely_cause


def test_finished_ones_may_be_scored_apart():
    def apart(problem, *, n, width, max_steps):
        finished, beam, each = [], [Trace(problem)], n
        for _ in range(max_steps):
            children = yield Propose(beam, each, "step")
            done = [child for child in children if child.finished]
            open_ = [child for child in children if not child.finished]
            if done:
                finished += zip(done, (yield Verify(done)), strict=True)
            if not open_:
                break
            scores = yield Verify(open_)
            if len(finished) >= n:
                break
            beam = [t for t, _ in by_score(zip(open_, scores, strict=True))]
            beam, each = beam[: n // width], width
        return tuple(by_score(finished)[:n])

    assert check("beam_search", apart).passed


def test_a_round_of_lookahead_costs_n_times_k_plus_1():
    options = {"n": 4, "width": 2, "lookahead": 3, "max_steps": 5}
    played = play(lookahead_search, Tree({}, 99), options)
    assert played.log[-1] == f"pays {5 * 4 * (3 + 1)} lines and {5 * 4} scores"


def test_only_lookahead_finds_the_optimum():
    near = Tree({"a": 0.9, "b": 0.1, "aa": 0.2, "ba": 0.8}, 3)
    options = {"n": 2, "width": 2, "max_steps": 24}
    best = [
        play(lookahead_search, near, options | {"lookahead": k}).value[0][0].text[0]
        for k in (0, 1)
    ]
    assert best == ["a", "b"]


def test_a_tracer_that_was_there_is_there_again():
    def tracer(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        play(beam_search, Tree({}, 2), {"n": 2, "width": 1})
        assert sys.gettrace() is tracer
    finally:
        sys.settrace(before)
