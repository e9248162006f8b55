"""A safe interpreter for whole-number expressions in `x`, such as `(x+2)*3-x%4`.

Promises: a text is read by the grammar below and by nothing else (never `eval`),
within fixed limits of length, nesting, digits and magnitude; whatever the text,
`parse` and `evaluate` end at once, with a result or an `ExpressionError`.

    sum     = product { ("+" | "-") product }
    product = factor { ("*" | "/" | "%") factor }
    factor  = digits | "x" | "(" sum ")" | "-" factor

`/` rounds down and `%` has the sign of its right side, as Python's `//` and `%` do.
"""

from __future__ import annotations

import re
from collections.abc import Callable

LENGTH = 60  # characters of an expression
DEPTH = 10  # parentheses and signs around one factor
DIGITS = 6  # of a number
MAGNITUDE = 10**9  # of every value on the way

#: an expression in reverse Polish order: numbers, "x", operators, "neg"
Program = tuple[int | str, ...]

_TOKEN = re.compile(r"[0-9]+|[-+*/%()x]")
_APPLY: dict[str, Callable[[int, int], int]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


class ExpressionError(ValueError):
    """A text that is no expression, or one that has no value; the message quotes it."""


def parse(text: str) -> Program:
    """Read an expression.

    Raises
    ------
    ExpressionError
        For a text outside the grammar or the limits.

    >>> parse("(x+2)*3")
    ('x', 2, '+', 3, '*')
    """
    return _Parser(text).program()


def evaluate(program: Program, x: int) -> int:
    """The value of an expression at `x`.

    Raises
    ------
    ExpressionError
        For a division by zero, or a value beyond a billion.

    >>> evaluate(parse("(x+2)*3-x%4"), 5)
    20
    """
    stack: list[int] = []
    for item in program:
        if isinstance(item, int):
            stack.append(item)
        elif item == "x":
            stack.append(x)
        elif item == "neg":
            stack.append(-stack.pop())
        else:
            right, left = stack.pop(), stack.pop()
            if right == 0 and item in "/%":
                raise ExpressionError(f"{left}{item}0 at x={x}: a division by zero")
            stack.append(_APPLY[item](left, right))
            if abs(stack[-1]) > MAGNITUDE:
                raise ExpressionError(
                    f"{left}{item}{right} at x={x} is beyond {MAGNITUDE:,}"
                )
    return stack.pop()


class _Parser:
    def __init__(self, text: str) -> None:
        if len(text) > LENGTH:
            raise ExpressionError(
                f"an expression of {len(text)} characters, {text[:20]!r}...; "
                f"accepted are {LENGTH}"
            )
        self.text = text
        self.tokens = _TOKEN.findall(text)
        if sum(map(len, self.tokens)) < len(text):
            odd = _TOKEN.sub("", text)[0]
            raise self.error(f"has {odd!r}; accepted are digits, x and + - * / % ( )")
        self.at = self.depth = 0
        self.made: list[int | str] = []

    def error(self, what: str) -> ExpressionError:
        return ExpressionError(f"{self.text!r} {what}")

    def program(self) -> Program:
        self.sum()
        if self.at < len(self.tokens):
            raise self.error(f"goes on with {self.tokens[self.at]!r} after its end")
        return tuple(self.made)

    def next(self, accepted: str) -> str | None:
        """The next token, taken, if it is one of the characters accepted."""
        if self.at < len(self.tokens) and self.tokens[self.at] in accepted:
            self.at += 1
            return str(self.tokens[self.at - 1])
        return None

    def sum(self) -> None:
        self.product()
        while operator := self.next("+-"):
            self.product()
            self.made.append(operator)

    def product(self) -> None:
        self.factor()
        while operator := self.next("*/%"):
            self.factor()
            self.made.append(operator)

    def factor(self) -> None:
        self.depth += 1
        if self.depth > DEPTH:
            raise self.error(f"is nested more than {DEPTH} deep")
        if self.next("("):
            self.sum()
            if not self.next(")"):
                raise self.error("lacks a closing parenthesis")
        elif self.next("-"):
            self.factor()
            self.made.append("neg")
        elif self.next("x"):
            self.made.append("x")
        elif self.at < len(self.tokens) and self.tokens[self.at].isdigit():
            if len(self.tokens[self.at]) > DIGITS:
                raise self.error(f"has a number of more than {DIGITS} digits")
            self.made.append(int(self.tokens[self.at]))
            self.at += 1
        else:
            found = self.tokens[self.at] if self.at < len(self.tokens) else "the end"
            raise self.error(f"has {found} where a number, x or ( is due")
        self.depth -= 1
