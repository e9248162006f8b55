"""Programs judged without the package's code: strings are cut where they bind least."""

from __future__ import annotations

from fractions import Fraction
from math import floor

from tts_lab.problems import programs


def value(text: str, x: int) -> int:
    """What an expression is at x; ValueError or ZeroDivisionError if nothing.

    >>> value("(x+2)*3-x%4", 5)
    20
    """
    if len(text) > 60 or not set(text) <= set("0123456789+-*/%()x"):
        raise ValueError(text)
    for operators in ("+-", "*/%"):
        depth = 0
        for at in range(len(text) - 1, 0, -1):
            depth += (text[at] == ")") - (text[at] == "(")
            after = text[at - 1] not in "+-*/%("  # a sign has no left side
            if depth == 0 and text[at] in operators and after:
                return limited(value(text[:at], x), text[at], value(text[at + 1 :], x))
    if text[:1] == "-":
        return -value(text[1:], x)
    if text[:1] == "(" and text[-1:] == ")":
        return value(text[1:-1], x)
    if text == "x":
        return x
    if not text or len(text) > 6 or not set(text) <= set("0123456789"):
        raise ValueError(text)
    return int(text)


def limited(a: int, operator: str, b: int) -> int:
    quotient = floor(Fraction(a, b)) if operator in "/%" else 0
    found = {"+": a + b, "-": a - b, "*": a * b, "/": quotient}.get(
        operator, a - quotient * b
    )
    if abs(found) > 10**9:
        raise ValueError(found)
    return found


def right(prompt: str, text: str) -> bool:
    """Whether the last line's expression is the reference's function on 0 to 23."""
    last = text.rstrip("\n").split("\n")[-1]
    true = programs.reference_answer(prompt)
    try:
        return last[:1] == "#" and all(
            value(last[1:], x) == value(true, x) for x in range(24)
        )
    except (ValueError, ZeroDivisionError):
        return False
