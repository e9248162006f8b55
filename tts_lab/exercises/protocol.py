"""The check of repeated sampling as a generator: a talk with it, without a model.

Promises: the generator is driven as `tts_lab.run.run` would drive it, with numbered
traces and known scores as answers, and the first rule that it breaks is reported.
Not covered: speed, temperature and max_tokens, which a learner may leave alone.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from tts_lab.exercises.report import Report
from tts_lab.exercises.words import show, show_error
from tts_lab.traces import Problem, Propose, Trace, Verify

NAME = "repeated_sampling"
PROBLEM = Problem("chains", "47+38\n", 1)

#: n and batch of each talk: whole batches, a partial one, a batch beyond n, ones
TALKS = ((8, 4), (10, 4), (1, 4), (3, 8), (5, 1))

Answer = Callable[..., Any]


@dataclass(eq=False)
class Broken(Exception):
    """A rule that the generator broke: what it did, what was expected, and why."""

    message: str
    given: str
    expected: str
    cause: str = ""


@dataclass(slots=True)
class Talk:
    """What was asked and answered so far."""

    n: int
    batch: int
    traces: list[Trace] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)
    scored: list[Trace] = field(default_factory=list)

    def __str__(self) -> str:
        return f"n={self.n}, batch={self.batch}"

    def answer(self, request: Any) -> list[Any]:
        """Numbered traces for Propose, known scores for Verify."""
        if isinstance(request, Propose):
            return self._propose(request)
        if isinstance(request, Verify):
            return self._verify(request)
        raise Broken(
            "something else than a request was yielded",
            f"yields {show(request)}",
            "yields Propose or Verify",
            "`yield` hands requests to the driver; results are handed over by "
            "`return`, once, at the end",
        )

    def _propose(self, request: Propose) -> list[Trace]:
        parents = listed(request.parents, "Propose([Trace(problem)])")
        if parents != [Trace(PROBLEM)] or request.until != "end":
            texts = [getattr(parent, "text", parent) for parent in parents]
            raise Broken(
                "the wrong thing was asked for",
                f"parents with the texts {show(texts)}, until={request.until!r}",
                "one parent, Trace(problem), whose text is '', until='end'",
                "samples are independent: each begins at the empty `Trace(problem)` "
                "and runs to its end",
            )
        if not isinstance(request.samples, int) or request.samples < 1:
            raise Broken(
                "a batch of no size was asked for",
                f"Propose(..., samples={request.samples!r})",
                f"batches {_sizes(self.n, self.batch)}",
                "samples is a whole number of at least 1; after the last whole batch "
                "nothing may be left, so ask only if the rest is more than 0",
            )
        self.batches.append(request.samples)
        if len(self.traces) + request.samples > 10 * self.n + self.batch:
            raise Broken(
                "it does not stop asking",
                f"batches {show(self.batches)}",
                f"batches {_sizes(self.n, self.batch)}",
                "what is left to sample must get smaller by the batch each time",
            )
        first = len(self.traces)
        new = [
            Trace(PROBLEM, f"47+38=85\n#{i}", 12, True)
            for i in range(first, first + request.samples)
        ]
        self.traces += new
        return new

    def _verify(self, request: Verify) -> list[float]:
        if isinstance(request.traces, Propose):
            raise Broken(
                "Verify got a request instead of traces",
                "Verify(Propose(...))",
                "Verify(traces)",
                "a `yield` is missing: `traces = yield Propose(...)` is what gets the "
                "traces",
            )
        traces = listed(request.traces, "Verify(traces)")
        if not self.traces:
            raise Broken(
                "scores were asked for before any trace was there",
                f"the first request is Verify of {len(traces)} traces",
                "the first request is Propose",
                "first `Propose`, then `Verify` what came back",
            )
        if any(trace not in self.traces for trace in traces):
            raise Broken(
                "Verify got something else than the traces that came back",
                f"Verify({show(traces[:1])}...)",
                "Verify(traces), with the answer to Propose",
            )
        self.scored += traces
        return [score(trace) for trace in traces]


def listed(value: Any, right: str) -> list[Any]:
    if isinstance(value, Trace):
        raise Broken(
            "a single trace was given where a list belongs",
            right.replace("[", "").replace("]", "").replace("traces", "trace"),
            right,
            "requests take lists, also of one trace, and are answered with lists",
        )
    return list(value)


def score(trace: Trace) -> float:
    """The score of a numbered trace: every third is right."""
    return float(int(trace.text.rpartition("#")[2]) % 3 == 0)


def repeated_sampling(answer: Answer, seed: int) -> Report:
    """Check `repeated_sampling(problem, *, n, batch)`, a generator."""
    extra = (2 * seed + 7, 3)  # another partial batch for every seed
    for n, batch in (*TALKS, extra):
        talk = Talk(n, batch)
        try:
            _hold(answer, talk)
        except Broken as broken:
            return Report(
                NAME,
                False,
                broken.message,
                on_input=str(talk),
                given=broken.given,
                expected=broken.expected,
                likely_cause=broken.cause,
            )
    return Report(NAME, True, f"right in all {len(TALKS) + 1} talks")


def _hold(answer: Answer, talk: Talk) -> None:
    """Drive the generator to its end and look at what it asked and returned."""
    generator: Any = None
    reply: Any = None
    try:
        generator = answer(PROBLEM, n=talk.n, batch=talk.batch)
        if not isinstance(generator, Generator):
            raise Broken(
                "no generator was made",
                f"returns {show(generator)}",
                "a generator",
                "there is no `yield` in the function: a strategy never calls a model, "
                "it asks by `traces = yield Propose(...)`",
            )
        while True:
            request = generator.send(reply)
            reply = talk.answer(request)
    except StopIteration as stop:
        value = stop.value
    except (NotImplementedError, Broken):
        raise
    except Exception as error:
        raise _raised(error, answer, talk) from error
    _judge_batches(talk)
    _judge_value(value, talk)


def _raised(error: Exception, answer: Answer, talk: Talk) -> Broken:
    signature = isinstance(error, TypeError) and "argument" in str(error)
    cause = "call it as `repeated_sampling(problem, *, n, batch)`" if signature else ""
    return Broken(
        f"raised {type(error).__name__}",
        show_error(error, answer),
        f"batches {_sizes(talk.n, talk.batch)} and a list of (trace, score)",
        cause,
    )


def _judge_batches(talk: Talk) -> None:
    n, batch, total = talk.n, talk.batch, sum(talk.batches)
    whole, rest = divmod(n, batch)
    wanted = _sizes(n, batch)
    cause = ""
    if total != n:
        if total == whole * batch and rest:
            cause = (
                "the last, partial batch is lost: `n // batch` drops the rest, so "
                "ask for `n % batch` more"
            )
        elif total == (whole + 1) * batch and rest:
            cause = "the last batch is a full one although fewer samples are left"
        elif total == n * batch:
            cause = "n is taken for the number of batches; it is the number of samples"
        elif len(talk.batches) == 1:
            cause = "n is ignored: one request is made, whatever n is"
    elif max(talk.batches) > batch:
        cause = "`batch` is ignored: all n are asked for at once"
    elif len(talk.batches) > whole + (rest > 0):
        cause = (
            "more requests than needed: each is a call of the model, ask for `batch`"
        )
    if total != n or cause:
        given = f"batches {show(talk.batches)}, {total} samples"
        expected = f"batches {wanted}, {n} samples"
        message = "wrong batches" if total == n else "wrong number of samples"
        raise Broken(message, given, expected, cause)
    if len(talk.scored) != n:
        cause = "only one batch is scored: `Verify` belongs inside the loop"
        if not talk.scored:
            cause = "scores are never asked for: `scores = yield Verify(traces)`"
        raise Broken(
            "wrong number of scores",
            f"{len(talk.scored)} traces verified",
            f"{n} traces verified, each once",
            cause,
        )


def _judge_value(value: Any, talk: Talk) -> None:
    right = [(trace, score(trace)) for trace in talk.traces]
    same = (
        isinstance(value, list)
        and [tuple(pair) if isinstance(pair, list | tuple) else pair for pair in value]
        == right
    )
    if same:
        return
    raise Broken(
        "wrong result",
        f"returns {_sketch(value)}",
        f"returns a list of {talk.n} pairs (trace, score), in the order drawn",
        _cause_of_value(value, talk, right),
    )


def _cause_of_value(value: Any, talk: Talk, right: list[tuple[Trace, float]]) -> str:
    if value is None:
        return "nothing is returned: the generator ends without `return`"
    if isinstance(value, zip):
        return "`zip(...)` can be read once only: make it a list"
    if not isinstance(value, list):
        return ""
    scores = [score for _, score in right]
    if value == talk.traces:
        return "the traces are returned without their scores: pair them by `zip`"
    if value == scores:
        return "the scores are returned without their traces: pair them by `zip`"
    if value == [(score, trace) for trace, score in right]:
        return "the pairs are the wrong way round: (trace, score)"
    if value == [pair for pair in right if pair[1]]:
        return "wrong samples are left out; pass@k needs to know how many there were"
    last = talk.batches[-1]
    if value == right[-last:]:
        return (
            "only the last batch is returned: each batch overwrites the one before; "
            "collect with `+=` or `extend`"
        )
    if len(value) == len(talk.batches) != talk.n:
        return "one item per batch: `append` makes a list of lists, `+=` joins them"
    return ""


def _sizes(n: int, batch: int) -> str:
    whole, rest = divmod(n, batch)
    return show([batch] * whole + [rest] * (rest > 0))


def _sketch(value: Any) -> str:
    """A result, with types in place of long contents."""
    if not isinstance(value, list):
        return show(value) if value is None else type(value).__name__
    size = f"a list of {len(value)} items"
    if not value:
        return size
    parts = value[0] if isinstance(value[0], tuple) else [value[0]]
    return f"{size}, first {' and '.join(type(part).__name__ for part in parts)}"
