"""How answers that are lists, rows or texts are graded: they are equal or they are not.

Promises: as `tts_lab.exercises.grading`, whose cases and mistakes it takes; lists,
tuples and arrays are the same thing. Not covered: answers that are measured, which are
equal up to rounding (`grading.grade`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tts_lab.exercises.grading import Answer, Case, Mistake, Result, call
from tts_lab.exercises.report import Report
from tts_lab.exercises.words import show, show_error


def plain(value: Any) -> Any:
    """A value with lists in place of tuples and arrays, all the way down.

    >>> plain([(np.int64(1), "ab"), np.array([2, 3])])
    [[1, 'ab'], [2, 3]]
    """
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    return value


def grade_equal(
    name: str, answer: Answer, cases: Sequence[Case], *, mistakes: Sequence[Mistake]
) -> Report:
    """Try an answer on every case; right is what is equal.

    Parameters
    ----------
    name : str
    answer : callable
        Called with copies of each case's arguments, by position.
    cases : sequence of Case
        An exception class is expected to be raised.
    mistakes : sequence of Mistake
        In order of preference where two explain equally much.

    Returns
    -------
    Report

    Examples
    --------
    >>> cases = [Case({"row": (1, 1)}, (1, 1)), Case({"row": (1, 2)}, (2, 1))]
    >>> same = Mistake("the row is as it was", lambda row: row)
    >>> grade_equal("turned", lambda row: list(row), cases, mistakes=[same])
    not yet: turned · wrong value
      on input     row=(1, 2)
      given        [1, 2]
      expected     (2, 1)
      likely cause the row is as it was
    """
    for case in cases:
        result = call(answer, case)
        fault = _fault(result, case.expected)
        if fault is None:
            continue
        message, cause = fault
        known = _recognise(answer, cases, case, mistakes)
        return Report(
            name,
            False,
            message,
            on_input=str(case),
            given=show(result.value)
            if result.error is None
            else show_error(result.error, answer),
            expected=f"raises {case.expected.__name__}"
            if isinstance(case.expected, type)
            else show(case.expected),
            likely_cause=known or cause or case.hint,
        )
    return Report(name, True, f"right on all {len(cases)} inputs")


def _fault(result: Result, expected: Any) -> tuple[str, str] | None:
    """What is wrong and a generic cause; None when it is right."""
    value, error = result.value, result.error
    if isinstance(expected, type):
        if error is None:
            return f"no {expected.__name__} was raised", ""
        if isinstance(error, expected):
            return None
    if error is not None:
        return f"raised {type(error).__name__}", ""
    if plain(value) == plain(expected):
        return None
    if value is None and expected is not None:
        cause = "nothing is returned: the function ends without `return`"
        return "wrong type: NoneType", cause
    if isinstance(value, Iterator):
        cause = "what is returned can be read once only: make it a list"
        return f"wrong type: {type(value).__name__} instead of a list", cause
    given, wanted = plain(value), plain(expected)
    if isinstance(given, list) != isinstance(wanted, list) or isinstance(
        given, str
    ) != isinstance(wanted, str):
        kind = type(value).__name__
        return f"wrong type: {kind} instead of {type(expected).__name__}", ""
    if isinstance(wanted, list | str) and len(given) != len(wanted):
        return f"wrong length: {len(given)} instead of {len(wanted)}", ""
    return "wrong value", ""


def _recognise(
    answer: Answer, cases: Sequence[Case], first: Case, mistakes: Sequence[Mistake]
) -> str:
    """The cause of the mistake that does the same there, and on the most cases."""
    best, cause = 0, ""
    for mistake in mistakes:
        if not _same(answer, mistake, first):
            continue
        likeness = sum(_same(answer, mistake, case) for case in cases)
        if likeness > best:
            best, cause = likeness, mistake.cause
    return cause


def _same(answer: Answer, mistake: Mistake, case: Case) -> bool:
    given, known = call(answer, case), call(mistake.imitate, case)
    if given.error is not None or known.error is not None:
        return type(given.error) is type(known.error)
    return type(plain(given.value)) is type(plain(known.value)) and bool(
        plain(given.value) == plain(known.value)
    )
