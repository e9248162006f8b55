"""Play a search on a scripted tree, and put down what it asked for in words.

Promises: the driver is `tts_lab.run.run`; the policy and the verifier follow a script,
so the best trace is known; a search that never ends is stopped, whether it asks for
ever or works for ever between two requests. Requests of one kind in a row are one
entry, and its traces are sorted, so another order or other batches are no mistake.
Not covered: what a loop in compiled code does.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from tts_lab.exercises.words import show
from tts_lab.proposers import Job, Samples
from tts_lab.proposers.scripted import Scripted
from tts_lab.run import run
from tts_lab.traces import Problem, Trace, Verify
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier

PROBLEM = Problem("chains", "1+1\n", 1)
REQUESTS = 60  # more than any right search makes on these trees
LINES = 100_000  # lines of Python between two requests

Search = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Tree:
    """What is written and what it scores.

    Row 0 of a request writes the line "a", row 1 "b" and so on; at temperature 0 it is
    always "a". A trace with `depth` lines, or one of `ends`, gets its answer "#" and
    the number of the row.

    Attributes
    ----------
    scores : mapping
        By the letters of a trace; an answer gets a hundredth more for each row. What
        is not listed has a random score, below 0.1 if anything is listed.
    """

    scores: Mapping[str, float]
    depth: int
    ends: Sequence[str] = ()
    seed: int = 0

    def __str__(self) -> str:
        listed = [f"{name} {score:g}" for name, score in self.scores.items()]
        scores = ", ".join(listed) or f"random, number {self.seed}"
        early = f" or after {', '.join(self.ends)}" if self.ends else ""
        return f"answers after {self.depth} lines{early}; scores {scores}"

    def score(self, trace: Trace) -> float:
        name = label(trace)
        letters, _, row = name.partition("#")
        if name in self.scores:
            return self.scores[name]
        if letters in self.scores:
            return round(self.scores[letters] + 0.01 * int(row or 0), 3)
        chance = random.Random(f"{self.seed} {name}").random()
        return round(chance / 10 if self.scores else chance, 3)

    def line(self, text: str, row: int) -> str:
        """What follows a text, to the end of the line or of the trace."""
        letters = text.replace("\n", "")
        if len(letters) >= self.depth or letters in self.ends:
            return f"#{row}"
        rest = chr(ord("a") + row % 26) + "\n"
        return rest + self.line(text + rest, 0)


@dataclass(slots=True)
class Played:
    """What became of a search.

    Attributes
    ----------
    log : list of str
        What it wrote, scored and returned.
    ending : str
        "returned", "raised", "refused", "endless", "stuck" or "no generator".
    value : object
        What was returned, or the error.
    requests : int
    """

    log: list[str] = field(default_factory=list)
    ending: str = "returned"
    value: Any = None
    requests: int = 0
    _kind: str = ""
    _names: list[str] = field(default_factory=list)
    _round: int = 0

    def put(self, kind: str, names: Sequence[str]) -> None:
        """Add to the log; the same kind again goes on with its last entry."""
        if not names:
            return
        if kind == self._kind:
            self.log.pop()
        else:
            self._round += kind.startswith("writes") or not self._round
            self._kind, self._names = kind, []
        self._names += names
        self.log.append(f"round {self._round} {kind} {', '.join(sorted(self._names))}")


class Stuck(BaseException):
    """Too many lines were run without a request."""


class _Policy(Scripted):
    """The script of a tree; greedy rows are all alike."""

    def __init__(self, tree: Tree) -> None:
        self._greedy: set[int] = set()
        super().__init__(
            lambda prompt, text, row, stream: tree.line(
                text, 0 if stream in self._greedy else row
            )
        )

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        self._greedy |= {job.stream for job in jobs if job.temperature == 0}
        return super().propose(jobs, cancel=cancel)


def label(trace: Trace) -> str:
    """The lines of a trace on one line: "ba", or with its answer "ba#0"."""
    return trace.text.replace("\n", "")


def play(search: Search, tree: Tree, options: Mapping[str, int]) -> Played:
    """Run a search on a tree.

    Raises
    ------
    NotImplementedError
        From a stub.
    """
    played = Played()
    generator = _begin(search, options, played)
    if generator is None:
        return played

    def watched(problem: Problem) -> Generator[Any, Any, None]:
        reply: Any = None
        while _advance(generator, reply, played):
            request = played.value
            reply = yield request
            _note(request, reply, played)

    try:
        [outcome] = run(
            watched,
            [PROBLEM],
            proposer=_Policy(tree),
            verifier=ScriptedVerifier(tree.score),
            seed=0,
        )
    except NotImplementedError:
        raise
    except Exception as error:  # the driver does not take the request
        played.ending, played.value = "refused", error
        return played
    if played.ending == "returned":
        played.log.append(f"returns {_result(played.value)}")
        cost = outcome.ledger
        played.log.append(f"pays {cost.calls} lines and {cost.verifier_calls} scores")
    return played


def _begin(
    search: Search, options: Mapping[str, int], played: Played
) -> Generator[Any, Any, Any] | None:
    try:
        with lines_at_most(LINES):
            made = search(PROBLEM, **options)
    except NotImplementedError:
        raise
    except Exception as error:
        played.ending, played.value = "raised", error
    except Stuck:
        played.ending = "stuck"
    else:
        if isinstance(made, Generator):
            return made
        played.ending, played.value = "no generator", made
    return None


def _advance(generator: Generator[Any, Any, Any], reply: Any, played: Played) -> bool:
    """Let the search go on to its next request; False at its end."""
    try:
        with lines_at_most(LINES):
            played.value = generator.send(reply)
    except StopIteration as stop:
        played.value = stop.value
        return False
    except NotImplementedError:
        raise
    except Exception as error:
        played.ending, played.value = "raised", error
        return False
    except Stuck:
        played.ending = "stuck"
        return False
    played.requests += 1
    if played.requests > REQUESTS:
        played.ending = "endless"
        return False
    return True


def _note(request: Any, reply: Any, played: Played) -> None:
    if isinstance(request, Verify):
        pairs = zip(request.traces, reply, strict=True)
        played.put("scores", [f"{label(trace)} {score:g}" for trace, score in pairs])
        return
    parents = [one for one in request.parents for _ in range(request.samples)]
    if request.temperature == 0:
        # a finished one stays as it is, at no cost
        pairs = zip(parents, reply, strict=True)
        played.put(
            "looks ahead to",
            [label(trace) for parent, trace in pairs if not parent.finished],
        )
    else:
        kind = "writes" if request.until == "step" else "writes to the end"
        played.put(kind, [label(trace) for trace in reply])


def _result(value: Any) -> str:
    """Pairs as the log has them, anything else by its type."""
    if not isinstance(value, list | tuple):
        return show(value) if value is None else f"a {type(value).__name__}"
    parts = []
    for pair in value:
        try:
            trace, score = pair
            parts.append(f"{label(trace)} {float(score):g}")
        except (TypeError, ValueError, AttributeError):
            return f"a list of {type(pair).__name__}, {len(value)} of them"
    return ", ".join(parts) or "an empty list"


@contextmanager
def lines_at_most(limit: int) -> Iterator[None]:
    """Raise `Stuck` in the code inside once it has run so many lines of Python."""
    left = limit
    before = sys.gettrace()

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal left
        left -= 1
        if left < 0:
            raise Stuck
        return trace

    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
