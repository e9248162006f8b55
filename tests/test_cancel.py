"""Cancel is looked at between any two blocks of work; nothing here is timed."""

from __future__ import annotations

import threading
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from tiny_policy import tiny_policy

from tts_lab import interrupt, ladder, problems
from tts_lab.ladder import engine, reader
from tts_lab.ladder.reader import Reader
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.strategies import count_correct
from tts_lab.traces import Problem, Propose, Trace, Verify
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.likelihood import Likelihood
from tts_lab.verifiers.unit_tests import UnitTests
from tts_lab.widgets import Runner

SECONDS = 60
SOME = problems.evaluation_set("chains", 2, 8)


class Counted:
    """A function that sets a flag in its n-th call, and counts the calls after it."""

    def __init__(self, inner: Any, cancel: threading.Event, at: int) -> None:
        self.inner, self.cancel, self.at = inner, cancel, at
        self.calls = self.after = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.after += self.cancel.is_set()
        self.calls += 1
        if self.calls == self.at:
            self.cancel.set()
        return self.inner(*args, **kwargs)


@pytest.fixture
def cancel() -> threading.Event:
    return threading.Event()


@pytest.mark.parametrize("name", ["advance", "prefill"])
@pytest.mark.parametrize("threads", [1, 2])
def test_no_block_of_the_engine_begins_after_a_cancel(
    monkeypatch: pytest.MonkeyPatch, cancel: threading.Event, name: str, threads: int
):
    block = Counted(getattr(engine, name), cancel, 2)
    monkeypatch.setattr(engine, name, block)
    outcomes = run(
        partial(count_correct, n=200), problems.evaluation_set("chains", 2, 50),
        proposer=ladder.load("27k", threads=threads), verifier=Exact(), seed=0,
        cancel=cancel,
    )  # fmt: skip
    assert cancel.is_set()
    assert block.after <= threads - 1  # one may be on its way
    assert not all(outcome.complete for outcome in outcomes)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_verifiers_reading_is_broken_off(
    monkeypatch: pytest.MonkeyPatch, cancel: threading.Event, threads: int
):
    block = Counted(reader.prefill, cancel, 3)
    monkeypatch.setattr(reader, "prefill", block)
    right = [
        Trace(one, problems.domain("chains").solution(one.prompt), 20, True)
        for one in problems.evaluation_set("chains", 8, 200)
    ]

    def strategy(problem: Problem) -> Any:
        yield Verify([trace for trace in right if trace.problem == problem])

    [*outcomes] = run(
        strategy, [trace.problem for trace in right], seed=0, cancel=cancel,
        proposer=Scripted({}), verifier=Likelihood("27k", threads=threads),
    )  # fmt: skip
    assert block.calls >= 3
    assert block.after <= threads - 1
    assert not any(outcome.complete for outcome in outcomes)


def test_what_was_broken_off_reads_the_same_afterwards(
    monkeypatch: pytest.MonkeyPatch, cancel: threading.Event
):
    model = tiny_policy(layers=2)
    texts = [bytes([1, *range(3, 3 + n % 40), 2]) for n in range(1, 200)]
    expected = Reader(model, threads=2).logprobs(texts)
    one = Reader(model, threads=2)
    with monkeypatch.context() as patched:
        patched.setattr(reader, "prefill", Counted(reader.prefill, cancel, 2))
        with interrupt.interruptible(cancel), pytest.raises(interrupt.Interrupted):
            one.logprobs(texts)
    for a, b in zip(one.logprobs(texts), expected, strict=True):
        assert a.tolist() == b.tolist()


@pytest.mark.parametrize("verifier", [Exact(), UnitTests()])
def test_a_checker_is_broken_off_between_two_traces(
    monkeypatch: pytest.MonkeyPatch, cancel: threading.Event, verifier: Any
):
    traces = [
        Trace(one, problems.domain("programs").solution(one.prompt), 5, True)
        for one in problems.evaluation_set("programs", 1, 20)
    ]
    assert verifier.verify(traces) == [1.0] * 20
    looked = Counted(interrupt.check, cancel, 5)
    module = __import__(type(verifier).__module__, fromlist=["interrupt"])
    monkeypatch.setattr(module, "interrupt", SimpleNamespace(check=looked))
    with interrupt.interruptible(cancel), pytest.raises(interrupt.Interrupted):
        verifier.verify(traces)
    assert looked.calls == 5


def test_other_threads_are_not_broken_off(cancel: threading.Event):
    cancel.set()
    caught = []

    def elsewhere() -> None:
        try:
            interrupt.check()
        except interrupt.Interrupted as error:
            caught.append(error)

    with interrupt.interruptible(cancel):
        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()
    interrupt.check()
    assert not caught


def test_strategies_are_not_advanced_after_a_cancel(cancel: threading.Event):
    advanced = []

    def strategy(problem: Problem) -> Any:
        yield Propose([Trace(problem)], 2)
        advanced.append(problem.id)  # as a search that makes much of its answer
        cancel.set()

    def right(prompt: str, text: str, row: int, stream: int) -> str:
        return problems.domain("chains").solution(prompt)

    outcomes = run(strategy, SOME, proposer=Scripted(right), seed=0, cancel=cancel)
    assert len(advanced) == 1
    assert [outcome.complete for outcome in outcomes] == [True] + [False] * 7


def test_what_was_scored_before_a_cancel_is_in_the_books(cancel: threading.Event):
    class Twice(Exact):
        def tokens(self, trace: Trace) -> int:
            cancel.set()
            return 7

    def strategy(problem: Problem) -> Any:
        yield Verify([Trace(problem, "#1", 2, True)])

    outcomes = run(
        strategy, SOME, proposer=Scripted({}), verifier=Twice(), seed=0, cancel=cancel
    )
    assert [one.ledger.verifier_tokens for one in outcomes] == [7] * 8


@pytest.mark.hf
def test_an_adaptation_asks_nothing_after_a_cancel(
    monkeypatch: pytest.MonkeyPatch, cancel: threading.Event
):
    from tts_lab.ttt.frames import Plan
    from tts_lab.ttt.watch import base, watch

    model = base(tiny_policy())
    plan = Plan("rotate", epochs=1, permutations=4, size=16)
    whole = Counted(engine.advance, threading.Event(), 0)
    with monkeypatch.context() as patched:
        patched.setattr(engine, "advance", whole)
        every = list(watch(model, plan, threads=1))
    for at in range(1, whole.calls + 1):
        cancel.clear()
        block = Counted(engine.advance, cancel, at)
        with monkeypatch.context() as patched:
            patched.setattr(engine, "advance", block)
            frames = list(watch(model, plan, threads=1, cancel=cancel))
        assert block.after == 0
        assert not frames[-1].complete
        guesses = every[-1].guesses[: len(frames[-1].guesses)]
        assert frames[-1].guesses == guesses


# the runner


def test_status_and_result_are_of_the_last_start():
    runner, gate = Runner(interval=0.01), threading.Event()
    begun, seen = threading.Event(), []
    runner.start(lambda task: 1)
    assert runner.wait(SECONDS)
    assert runner.result == 1

    def first(task: Any) -> int:
        begun.set()
        gate.wait(SECONDS)
        return 2

    def look(status: Any) -> None:
        if not status.active:  # the end of the first, while the second waits
            seen.append(runner.status.phase)

    runner.start(first, look)
    assert runner.result is None
    assert begun.wait(SECONDS)
    runner.start(lambda task: 3)
    assert runner.status.phase == "running"
    gate.set()
    assert runner.wait(SECONDS)
    assert seen == ["running"]
    assert (runner.status.phase, runner.result) == ("done", 3)


def test_a_cancelled_start_leaves_no_earlier_result():
    runner, gate = Runner(interval=0.01), threading.Event()
    begun = threading.Event()
    runner.start(lambda task: begun.set() or gate.wait(SECONDS))
    assert begun.wait(SECONDS)
    runner.start(lambda task: "never")
    runner.cancel()
    gate.set()
    assert runner.wait(SECONDS)
    assert (runner.status.phase, runner.result) == ("cancelled", None)


def test_many_starts_have_two_threads_and_show_the_last():
    runner, gate, shown = Runner(interval=0.01), threading.Event(), set()
    begun, before = threading.Event(), threading.active_count()
    runner.start(lambda task: begun.set() or gate.wait(SECONDS))
    assert begun.wait(SECONDS)
    for number in range(200):
        runner.start(lambda task: None, lambda status, n=number: shown.add(n))
    assert threading.active_count() <= before + 2
    gate.set()
    assert runner.wait(SECONDS)
    assert shown == {199}


def test_a_run_can_be_started_from_an_update():
    runner, seen = Runner(interval=0.01), []

    def again(status: Any) -> None:
        if status.phase == "done" and not seen:
            seen.append("first")
            runner.start(lambda task: 2, lambda s: seen.append(s.phase))

    runner.start(lambda task: 1, again)
    assert runner.wait(SECONDS)
    assert (seen[0], seen[-1], runner.result) == ("first", "done", 2)
