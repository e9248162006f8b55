"""Wrong answers to exercises, and what each must be told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tts_lab.exercises import CheckFailed, check

Answer = Callable[..., Any]


class WrongAnswers:
    """The wrong answers of one test module.

    `@wrong("pass_at_k", "words of the cause")` registers a function as an answer that
    the check must refuse, with these words in the likely cause.
    """

    def __init__(self) -> None:
        self.known: list[tuple[str, str, Answer]] = []

    def __call__(self, name: str, cause: str) -> Callable[[Answer], Answer]:
        def register(answer: Answer) -> Answer:
            self.known.append((name, cause, answer))
            return answer

        return register

    def cases(self) -> list[Any]:
        """One parameter set for each: name, cause, answer."""
        return [
            pytest.param(*known, id=f"{known[0]}-{known[2].__name__}")
            for known in self.known
        ]

    def number(self, name: str) -> int:
        return sum(known[0] == name for known in self.known)


def assert_told(name: str, cause: str, answer: Answer) -> None:
    """Check a wrong answer with the learner's inputs and with the grader's."""
    for seed in (0, 1):
        with pytest.raises(CheckFailed) as caught:
            check(name, answer, seed=seed)
        report = caught.value.report
        assert cause in report.likely_cause
        assert not report.passed
        assert report.on_input
        assert report.given
        assert report.expected


#: answers of no use: another type, empty, another signature, an error
JUNK = [lambda *given: "ab", lambda *given: {}, lambda one: 1, lambda *g: 1 // 0]


def mistakes(**known: Sequence[Any]) -> list[Any]:
    """One parameter set for each mistake that a check knows: its name, the mistake."""
    return [
        pytest.param(name, mistake, id=f"{name}-{number}")
        for name, some in known.items()
        for number, mistake in enumerate(some)
    ]


def assert_reported(name: str, junk: Answer) -> None:
    """Such an answer gets a report that shows it."""
    with pytest.raises(CheckFailed) as caught:
        check(name, junk)
    assert caught.value.report.given
