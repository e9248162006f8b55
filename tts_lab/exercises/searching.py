"""Checks of exercise 5: beam search, and lookahead whose rollouts count.

Promises: the truth is what the package's own search does on scripted trees; a wrong
search is compared with known faults, which are searches too, and told the cause of the
one that did the same. Not covered: equal lines (no two lines of a tree are equal),
speed and temperature.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tts_lab.exercises.faults import AHEAD, BEAM, faulty
from tts_lab.exercises.playing import REQUESTS, Played, Search, Tree, play
from tts_lab.exercises.report import Report
from tts_lab.exercises.words import show, show_error
from tts_lab.strategies import beam_search as right_search
from tts_lab.traces import Propose, Trace, Verify


@dataclass(frozen=True, slots=True)
class Round:
    """A tree and the options to search it with."""

    tree: Tree
    options: Mapping[str, int]

    def __str__(self) -> str:
        options = ", ".join(f"{name}={value}" for name, value in self.options.items())
        return f"{options}; {self.tree}"


def beam_search(answer: Search, seed: int) -> Report:
    """Check `my_beam_search(problem, *, n, width, max_steps)`, a generator."""
    first = {"a": 0.1, "b": 0.9, "c": 0.5, "d": 0.3}
    second = {"ba": 0.2, "bb": 0.4, "ca": 0.7, "cb": 0.6}
    # "a" looks good and ends badly
    early = {"a": 0.4, "b": 0.2, "c": 0.6, "ca": 0.5, "cb": 0.55, "caa": 0.8,
             "cab": 0.7, "a#0": 0.02, "a#1": 0.03}  # fmt: skip
    cases = [
        _round(Tree(first | second, 2), n=6, width=3),
        _round(Tree(first | second, 2), n=8, width=4),
        _round(Tree(early, 3, ends=["a"]), n=4, width=2),
        _round(Tree(early, 3, ends=["a", "ca"]), n=4, width=2),
        _round(Tree(first, 2), n=5, width=2),
        _round(Tree(first, 2), n=3, width=3),
        _round(Tree({}, 99, seed=1), n=4, width=2, max_steps=4),
        _round(Tree({}, 3, ends=["b", "c", "ab"], seed=10 + seed), n=6, width=2),
        _round(Tree({}, 3, ends=["a", "bb"], seed=20 + seed), n=8, width=2),
    ]
    return _grade("beam_search", answer, cases, BEAM)


def lookahead(answer: Search, seed: int) -> Report:
    """Check `lookahead(problem, *, n, width, lookahead, max_steps)`, a generator."""
    near = {"a": 0.9, "b": 0.1, "aa": 0.2, "ba": 0.8}
    far = {"a": 0.9, "b": 0.5, "c": 0.1, "aa": 0.8, "ba": 0.9, "ca": 0.2,
           "aaa": 0.1, "baa": 0.2, "caa": 0.9}  # fmt: skip
    cases = [
        _round(Tree(near, 3), n=2, width=2, lookahead=1),
        _round(Tree(far, 4), n=3, width=3, lookahead=2),
        _round(Tree(near, 3), n=4, width=2, lookahead=0),
        _round(Tree(near, 2, ends=["b"]), n=4, width=2, lookahead=3),
        _round(Tree({}, 99, seed=2), n=4, width=2, lookahead=2, max_steps=3),
        _round(Tree({}, 3, ends=["b"], seed=30 + seed), n=4, width=2, lookahead=1),
        _round(Tree({}, 4, ends=["aa"], seed=40 + seed), n=6, width=3, lookahead=2),
    ]
    return _grade("lookahead", answer, cases, AHEAD)


def _round(tree: Tree, *, max_steps: int = 24, **options: int) -> Round:
    return Round(tree, options | {"max_steps": max_steps})


def _grade(
    name: str, answer: Search, cases: Sequence[Round], known: Mapping[str, str]
) -> Report:
    for case in cases:
        right = play(right_search, case.tree, case.options)
        yours = play(answer, case.tree, case.options)
        if yours.log == right.log and yours.requests <= 2 * right.requests:
            continue
        message, given, expected = _difference(yours, right, answer)
        cause = _like(answer, case, cases, known) if yours.log != right.log else ""
        return Report(
            name,
            False,
            message,
            on_input=str(case),
            given=given,
            expected=expected,
            likely_cause=cause or _cause(yours, right, case),
        )
    return Report(name, True, f"the right tree, cost and result on {len(cases)} trees")


def _difference(yours: Played, right: Played, answer: Search) -> tuple[str, str, str]:
    """Message, given and expected, where the two first differ."""
    if yours.ending == "no generator":
        return "no generator was made", f"returns {show(yours.value)}", "a generator"
    place = 0
    while (
        place < min(len(yours.log), len(right.log))
        and yours.log[place] == right.log[place]
    ):
        place += 1
    last = len(right.log) - 1
    expected = right.log[min(place, last)]
    if yours.ending == "raised":
        kind = type(yours.value).__name__
        return f"raised {kind}", show_error(yours.value, answer), expected
    if yours.ending == "refused":
        return "the driver refuses a request", str(yours.value), expected
    if yours.ending == "stuck":
        return "it works for ever and asks for nothing", "no request", expected
    given = yours.log[place] if place < len(yours.log) else ""
    given = given if len(given) <= 160 else f"{given[:157]}..."
    if yours.ending == "endless":
        given = given or f"{REQUESTS} requests and no end"
        return f"it does not stop: {REQUESTS} requests were made", given, expected
    if yours.log == right.log:
        given, expected = (f"{one.requests} requests" for one in (yours, right))
        return "the right tree in too many requests", given, expected
    kind = next(k for k in _MESSAGES if f"{k} " in expected)
    return _MESSAGES[kind], given, expected


_MESSAGES = {
    "returns": "the wrong result",
    "pays": "the wrong price",
    "writes": "the wrong lines are written",
    "looks ahead to": "the wrong rollouts",
    "scores": "the wrong traces are scored",
}


def _like(
    answer: Search, first: Round, cases: Sequence[Round], known: Mapping[str, str]
) -> str:
    """The cause of the fault that does the same, on the most of the trees."""

    def logs(search: Search, case: Round) -> tuple[str, list[str]]:
        played = play(search, case.tree, case.options)
        return played.ending, played.log

    here = logs(answer, first)
    alike = [
        fault for fault in known if logs(partial(faulty, fault=fault), first) == here
    ]
    if len(alike) > 1:
        yours = [logs(answer, case) for case in cases]

        def agreement(fault: str) -> int:
            search = partial(faulty, fault=fault)
            theirs = (logs(search, case) for case in cases)
            return sum(a == b for a, b in zip(yours, theirs, strict=True))

        alike.sort(key=agreement, reverse=True)  # stable: the first of equal ones
    return known[alike[0]] if alike else ""


def _cause(yours: Played, right: Played, case: Round) -> str:
    """What is likely where no known fault does the same."""
    text = str(yours.value)
    options = ", ".join(case.options)
    if yours.ending == "no generator":
        return (
            "there is no `yield` in the function: a strategy never calls a model, it "
            "asks by `children = yield Propose(...)`"
        )
    if yours.ending == "stuck":
        return "a loop that never yields must end by itself: what changes in it?"
    if yours.ending == "raised":
        signature = isinstance(yours.value, TypeError) and "argument" in text
        if signature and not yours.log:
            return f"the function is called with (problem, *, {options})"
        return ""
    if yours.ending == "refused":
        return _refusal(text)
    if any("to the end" in line for line in yours.log):
        return 'a step is one line: ask with `until="step"`'
    if yours.log == right.log:
        return (
            "put all parents in one `Propose` and all traces in one `Verify`: each "
            "request is a call of the model"
        )
    if "lookahead" not in options and any("looks ahead" in x for x in yours.log):
        return "temperature 0 writes the same line each time; leave it at 1"
    if yours.log and " scores " in yours.log[0]:
        return BEAM["scores parents"]
    if _asks_in_parts(yours.log, right.log):
        return "give all the parents that are kept to one `Propose`, not one at a time"
    if _only_first_lines(yours.log):
        return "every round begins at the problem again: the parents never change"
    if yours.ending == "endless":
        return "count the rounds: `for _ in range(max_steps)`"
    return _of_result(yours.value, expected=right.value)


def _only_first_lines(log: Sequence[str]) -> bool:
    written = [line.partition(" writes ")[2] for line in log if " writes " in line]
    names = [name for line in written for name in line.split(", ")]
    return len(written) > 1 and all(len(name) == 1 for name in names)


def _asks_in_parts(log: Sequence[str], right: Sequence[str]) -> bool:
    """Whether the first lines that differ are some of the right ones, and not all."""
    for one, other in zip(log, right, strict=False):
        if one != other:
            given, expected = (x.partition(" writes ")[2].split(", ") for x in
                               (one, other))  # fmt: skip
            return set(given) < set(expected)
    return False


def _refusal(text: str) -> str:
    if "at least one trace, got none" in text:
        return "nothing unfinished is left: end the search before you ask again"
    if "Verify takes traces, got Propose" in text or "'Propose' object" in text:
        return "a `yield` is missing: `children = yield Propose(...)`"
    if "takes traces" in text and "(Trace(" in text:
        return "pairs (trace, score) are passed on; requests take the traces alone"
    if "it may yield" in text:
        return (
            "`yield` hands requests to the driver; the result is handed over by "
            "`return`, once, at the end"
        )
    if "samples must be" in text:
        return "samples is a whole number of at least 1: divide by `//`"
    return ""


def _of_result(value: Any, *, expected: Sequence[Any]) -> str:
    if value is None:
        return "nothing is returned: the generator ends without `return`"
    if isinstance(value, Iterator):
        return "the result can be read once only: make it a list"
    if not isinstance(value, list | tuple) or not value:
        return ""
    if isinstance(value[0], Trace):
        return "the traces are returned without their scores"
    if isinstance(value[0], Propose | Verify | float):
        return "return pairs (trace, score)"
    pair = value[0] if isinstance(value[0], tuple | list) else ()
    if len(pair) == 2 and isinstance(pair[1], Trace):
        return "the pairs are the wrong way round: (trace, score)"
    if len(value) < len(expected):
        return "fewer are returned than have finished: all of them count, up to n"
    return ""
