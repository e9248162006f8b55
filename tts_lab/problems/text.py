"""Problems in words with a known answer: GSM8K, MATH, AIME, or your own file.

A problem is a question (`prompt`) with its right `answer`; an answer is read from a
trace's last LaTeX box or from behind its last `####`.
"""

from __future__ import annotations

from tts_lab.traces import Problem

NAME = "text"
LEVELS: tuple[int, ...] = ()


def check(problem: Problem, text: str) -> bool:
    """Whether the trace states the problem's answer."""
    answer = extract_answer(text)
    return answer is not None and answer == problem.answer


def extract_answer(text: str) -> str | None:
    """What stands behind the last `####`."""
    _head, mark, tail = text.rpartition("####")
    return tail.strip() or None if mark else None
