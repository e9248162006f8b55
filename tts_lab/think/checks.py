"""The exact check of an attempt, as training data writes it.

It works every step out again, as far as the first that is wrong, and ends in `ok` or
`x`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tts_lab.problems import chains, countdown
from tts_lab.strategies.thinking import RIGHT, WAIT, WRONG
from tts_lab.traces import Problem

_EQUATION = re.compile(r"([0-9]{1,12})([-+*/])([0-9]{1,12})=(-?[0-9]{1,12})")


def check_line(problem: Problem, attempt: str) -> str:
    """The check of an attempt, made with the exact rules: what training data says.

    Examples
    --------
    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> check_line(problem, "47+38=85\\n85*6=500\\n#500")
    '?85 510 x'
    >>> check_line(problem, "47+38=85\\n85*6=510\\n#510")
    '?85 510 ok'
    >>> check_line(Problem("countdown", "3 7 25>46\\n", 2), "25-3=22|7 22\\n#22")
    '?22 x'
    """
    module = {chains.NAME: chains, countdown.NAME: countdown}[problem.domain]
    verdict = RIGHT if module.check(problem, attempt) else WRONG
    return f"?{' '.join([*_worked_out(problem, attempt)[0], verdict])}"


def sound(problem: Problem, attempt: str) -> int:
    """Characters of an attempt up to its first wrong line: what is worth learning.

    A countdown that misses the target but says so is sound to its end.

    Examples
    --------
    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> text = "47+38=85\\n85*6=500\\n#500"
    >>> text[: sound(problem, text)]
    '47+38=85\\n'
    >>> sound(Problem("countdown", "3 7>46\\n", 1), "7*3=21|21\\n#21")
    13
    """
    values, right = _worked_out(problem, attempt)
    *steps, last = attempt.split("\n")
    if right == len(steps) and values and last == f"#{values[-1]}":
        return len(attempt)
    return sum(len(step) + 1 for step in steps[:right])


def _worked_out(problem: Problem, attempt: str) -> tuple[list[str], int]:
    """The steps' values as far as the first wrong one's, and how many are right."""
    steps = attempt.split("\n")[:-1]
    values: list[str] = []
    for index, step in enumerate(steps):
        value = _recomputed(problem, steps[: index + 1])
        if value is None:
            return values, index
        values.append(value)
        if step.partition("=")[2].partition("|")[0] != value:
            return values, index
    return values, len(steps)


def _recomputed(problem: Problem, steps: Sequence[str]) -> str | None:
    """What the last step's operation gives; None where it is not allowed.

    The steps before it are right.
    """
    match = _EQUATION.match(steps[-1])
    if match is None:
        return None
    left, operator, right = int(match[1]), match[2], int(match[3])
    if problem.domain == chains.NAME:
        right_steps = chains.solution(problem.prompt).split("\n")[:-1]
        if len(steps) > len(right_steps):
            return None
        expected = right_steps[len(steps) - 1]
        same = expected.partition("=")[0] == f"{left}{operator}{right}"
        return expected.partition("=")[2] if same else None
    value = countdown.apply(left, operator, right)
    if value is None:
        return None
    numbers: tuple[int, ...] | None = countdown.parse(problem.prompt)[0]
    for step in steps[:-1]:
        numbers = None if numbers is None else countdown.after_step(numbers, step)
    if numbers is None:
        return None
    _, bar, rest = steps[-1].partition("|")
    corrected = f"{left}{operator}{right}={value}{bar}{rest}"
    written = match[4]
    if written != str(value):  # its list names the written value, not the right one
        listed = rest.rsplit(" ", 1)
        corrected = (
            f"{left}{operator}{right}={value}|{' '.join([*listed[:-1], str(value)])}"
        )
    return None if countdown.after_step(numbers, corrected) is None else str(value)


def written(problem: Problem, attempts: Sequence[str]) -> str:
    """The trace of these attempts, each checked, the problem stated between them.

    >>> print(written(Problem("chains", "4+8\\n", 1), ["4+8=13\\n#13", "4+8=12\\n#12"]))
    4+8=13
    #13
    ?12 x
    wait
    4+8
    4+8=12
    #12
    ?12 ok
    """
    checked = [f"{text}\n{check_line(problem, text)}" for text in attempts]
    return f"\n{WAIT}{problem.prompt}".join(checked)
