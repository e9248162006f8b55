"""How an answer is graded: call it on known inputs, compare, name the likely cause.

Promises: inputs are tried in order and the first that fails is reported; at each the
type and shape are looked at before the values; a wrong answer whose values are those
of a known mistake is told the cause. A mistake is recognised by imitation: it is
itself a function, and its results are compared with the learner's. NotImplementedError
passes through, so an empty stub never looks like a wrong answer.

Not covered: an answer that never returns, and randomness that an answer takes from
elsewhere than its arguments.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tts_lab.exercises.report import Report
from tts_lab.exercises.words import show, show_error

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Answer = Callable[..., Any]
Same = Callable[[Any, Any], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """One input, with what a right answer does there.

    Attributes
    ----------
    given : mapping
        Arguments by name, in order; they are passed by position.
    expected : object
        A bool, an int, None, a pair of numbers or an array; or an exception class,
        when the right answer is to raise it.
    hint : str
        The likely cause where no known mistake fits.
    """

    given: Mapping[str, Any]
    expected: Any
    hint: str = ""

    def __str__(self) -> str:
        return ", ".join(f"{name}={show(value)}" for name, value in self.given.items())


@dataclass(frozen=True, slots=True)
class Mistake:
    """A known wrong answer: what went wrong, and a function that does it."""

    cause: str
    imitate: Answer


Draw = Callable[[Answer, Case], "Figure | None"]


@dataclass(frozen=True, slots=True)
class Result:
    """What a call came to: a value or an error."""

    value: Any = None
    error: Exception | None = None


def close(given: Any, expected: Any) -> bool:
    """Whether two numbers or arrays agree to 1e-6 relative and 1e-9 absolute."""
    return bool(np.allclose(given, expected, rtol=1e-6, atol=1e-9))


def close_or_nan(given: Any, expected: Any) -> bool:
    """Close, and NaN where NaN is right."""
    values = np.asarray(given, np.float64)
    return bool(np.allclose(values, expected, rtol=1e-6, atol=1e-9, equal_nan=True))


def within(tolerance: float) -> Same:
    """Whether two numbers or arrays agree to an absolute tolerance."""
    return lambda given, expected: bool(
        np.allclose(given, expected, rtol=0, atol=tolerance)
    )


def grade(
    name: str,
    answer: Answer,
    cases: Sequence[Case],
    *,
    mistakes: Sequence[Mistake] = (),
    same: Same = close,
    draw: Draw | None = None,
) -> Report:
    """Try an answer on every case.

    Parameters
    ----------
    name : str
    answer : callable
        Called with copies of each case's arguments, by position.
    cases : sequence of Case
    mistakes : sequence of Mistake
        In order of preference where two explain equally much.
    same : callable
        (given, expected) -> whether they agree, called once the shapes are right.
    draw : callable, optional
        (answer, case) -> figure, with the case that failed or else the first; what it
        raises costs the figure only.

    Returns
    -------
    Report

    Examples
    --------
    >>> cases = [Case({"x": 2}, 4), Case({"x": 3}, 9)]
    >>> doubled = Mistake("doubles instead of squaring", lambda x: 2 * x)
    >>> grade("square", lambda x: x + x, cases, mistakes=[doubled])
    not yet: square · wrong value
      on input     x=3
      given        6
      expected     9
      likely cause doubles instead of squaring
    """
    for case in cases:
        result = call(answer, case)
        fault = find_fault(result, case, same)
        if fault is not None:
            message, cause = fault
            known = _recognise(answer, cases, case, mistakes, same)
            return Report(
                name,
                False,
                message,
                on_input=str(case),
                given=_given(result, answer),
                expected=_wanted(case.expected),
                likely_cause=known or cause or case.hint,
                figure=_drawn(draw, answer, case),
            )
    tried = f"right on all {len(cases)} inputs"
    return Report(name, True, tried, figure=_drawn(draw, answer, cases[0]))


def call(answer: Answer, case: Case) -> Result:
    """Call an answer on copies of a case's arguments, warnings kept quiet."""
    arguments = [copy.deepcopy(value) for value in case.given.values()]
    with _quiet():
        try:
            return Result(answer(*arguments))
        except NotImplementedError:
            raise
        except Exception as error:
            return Result(error=error)


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings: they show in the values, and graders fail what is on stderr."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def find_fault(result: Result, case: Case, same: Same) -> tuple[str, str] | None:
    """What is wrong with a result and a generic cause; None when it is right."""
    expected, error = case.expected, result.error
    wants_error = isinstance(expected, type) and issubclass(expected, Exception)
    if wants_error and error is None:
        return f"no {expected.__name__} was raised", ""
    if wants_error:
        right = isinstance(error, expected)
        return None if right else (f"raised {type(error).__name__}", "")
    if error is not None:
        return f"raised {type(error).__name__}", ""
    fault = _form_fault(result.value, expected)
    if fault is not None:
        return fault
    if expected is None or result.value is None:
        return None if expected is result.value else ("wrong value", "")
    values = np.asarray(result.value, dtype=np.float64)
    if np.isnan(values).any() and not np.isnan(expected).any():
        return "the answer holds nan", ""
    return None if same(result.value, expected) else ("wrong value", "")


def _form_fault(value: Any, expected: Any) -> tuple[str, str] | None:
    """What is wrong with the type or shape of a value, and a generic cause."""
    kind = type(value).__name__
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if isinstance(expected, bool):
        if isinstance(value, bool | np.bool_):
            return None
        return _wrong_type(value, "True or False", "")
    if expected is None or isinstance(expected, int):
        if value is None or whole:
            return None
        return f"wrong type: {kind} instead of a whole number or None", ""
    wanted = "2 numbers" if isinstance(expected, tuple) else "an array of numbers"
    try:
        shape = np.asarray(value, dtype=np.float64).shape
    except (TypeError, ValueError):
        return _wrong_type(value, wanted, "")
    if value is None:
        return _wrong_type(value, wanted, "")
    if shape != np.shape(expected):
        return f"wrong shape: {shape} instead of {np.shape(expected)}", ""
    return None


def _wrong_type(value: Any, wanted: str, cause: str) -> tuple[str, str]:
    if value is None:
        cause = "nothing is returned: the function ends without `return`"
    return f"wrong type: {type(value).__name__} instead of {wanted}", cause


def _recognise(
    answer: Answer,
    cases: Sequence[Case],
    first: Case,
    mistakes: Sequence[Mistake],
    same: Same,
) -> str:
    """The cause of the mistake that is most like the answer on all cases.

    It has to be alike on the case that failed first; if answers are True and False,
    which agree too easily, on every case. To the last digit counts double, for where
    `same` is generous two mistakes may look the same.
    """
    everywhere = isinstance(first.expected, bool)
    results = [call(answer, case) for case in cases]
    best, cause = 0, ""
    for mistake in mistakes:
        likeness = 0
        for case, result in zip(cases, results, strict=True):
            known = call(mistake.imitate, case)
            alike = _alike(result, known, same) + _alike(result, known, close)
            if not alike and (everywhere or case is first):
                break
            likeness += alike
        else:
            if likeness > best:
                best, cause = likeness, mistake.cause
    return cause


def _alike(given: Result, known: Result, same: Same) -> bool:
    if given.error is not None or known.error is not None:
        return type(given.error) is type(known.error)
    if given.value is None or known.value is None:
        return given.value is known.value
    try:
        if np.shape(given.value) != np.shape(known.value):
            return False
        both_nan = bool(np.all(np.isnan(given.value) & np.isnan(known.value)))
        return both_nan or same(given.value, known.value)
    except (TypeError, ValueError):
        return False


def _given(result: Result, answer: Answer) -> str:
    if result.error is not None:
        return show_error(result.error, answer)
    return show(result.value)


def _wanted(expected: Any) -> str:
    return (
        f"raises {expected.__name__}" if isinstance(expected, type) else show(expected)
    )


def _drawn(draw: Draw | None, answer: Answer, case: Case) -> Figure | None:
    if draw is None:
        return None
    try:
        with _quiet():
            return draw(answer, case)
    except Exception:  # an answer that cannot be drawn still has its report
        return None
