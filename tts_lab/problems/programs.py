"""Programs from examples: `x:1>3,2>5,4>9` asks for `#x+x+1`, or whatever fits.

The domain stands in for code with unit tests. The prompt shows a few inputs with
their outputs; the answer line is an expression in `x`. Whether it is right is decided
on all inputs from 0 to 23, most of which are hidden: an expression may pass every
test that is shown and still be wrong, as patches do (Brown et al. 2407.21787 sec. 6).

The true function is drawn from those that fit the shown examples (all functions of up
to three operators, see `functions`), by a hash of the prompt: each level is equally
probable, and so is each function of it. Prompt and truth are thus distributed as if
the function had been drawn first and its examples after; a prompt of one's own has a
truth too. The level is that of the true function, and the prompt does not tell it.
"""

from __future__ import annotations

import random
import re
from functools import lru_cache
from hashlib import blake2b

import numpy as np

from tts_lab.problems import expressions
from tts_lab.problems.functions import INPUTS, SHOWABLE, functions, row
from tts_lab.traces import Problem

NAME = "programs"

#: level -> fewest operators that make the true function
LEVELS: dict[int, int] = {1: 1, 2: 2, 3: 3}

#: examples that a generated prompt shows
SHOWN = 3

_PROMPT = re.compile(
    r"x:((?:0|[1-9][0-9]?)>-?[0-9]{1,6}(?:,(?:0|[1-9][0-9]?)>-?[0-9]{1,6}){0,7})\n?"
)


def parse(prompt: str) -> dict[int, int]:
    """The shown examples: input -> output, in the prompt's order.

    Raises
    ------
    ValueError
        When the prompt shows no examples of this domain; the message quotes it.

    >>> parse("x:1>3,2>5,4>9")
    {1: 3, 2: 5, 4: 9}
    """
    match = _PROMPT.fullmatch(prompt)
    pairs = [pair.split(">") for pair in match[1].split(",")] if match else []
    shown = {int(x): int(y) for x, y in pairs}
    if not shown or len(shown) < len(pairs) or max(shown) >= INPUTS:
        raise ValueError(
            f"{prompt!r} is not a program's examples: 1 to 8 different inputs from 0 "
            f"to {INPUTS - 1} with their outputs, such as 'x:1>3,2>5,4>9'"
        )
    return shown


def key(prompt: str) -> str:
    """What makes two problems the same problem: the examples in any order.

    >>> key("x:2>5,1>3") == key("x:1>3,2>5\\n")
    True
    """
    return ",".join(f"{x}>{y}" for x, y in sorted(parse(prompt).items()))


@lru_cache(maxsize=1 << 16)
def _truth(shown: str) -> int:
    """The number of the true function of a key."""
    known = functions()
    numbers = known.through(parse(f"x:{shown}"))
    if not len(numbers):
        raise ValueError(
            f"'x:{shown}' fits no function of up to {max(LEVELS)} operators"
        )
    ends = known.weight[numbers].cumsum()
    digest = blake2b(shown.encode(), digest_size=16, person=b"programs").digest()
    drawn = int.from_bytes(digest, "little") % int(ends[-1])
    return int(numbers[np.searchsorted(ends, drawn, side="right")])


def example(level: int, rng: random.Random) -> tuple[str, str]:
    """One training example: a prompt whose true function is of the level, and it."""
    known = functions()
    while True:
        made = rng.choice(known.of_level(rng.choice(list(LEVELS))))
        shown = sorted(rng.sample(range(SHOWABLE), SHOWN))
        text = ",".join(f"{x}>{known.values[made, x]}" for x in shown)
        true = _truth.__wrapped__(text)
        if known.level[true] == level:
            return f"x:{text}\n", f"#{known.texts[true]}"


def draw(level: int, rng: random.Random) -> str:
    """The prompt of one random problem."""
    return example(level, rng)[0]


def solution(prompt: str) -> str:
    """The answer line with the true function.

    Raises
    ------
    ValueError
        When the examples fit no function of the domain.

    >>> solution("x:1>3,2>5,4>9")
    '#x+x+1'
    """
    return f"#{reference_answer(prompt)}"


def reference_answer(prompt: str) -> str:
    """The true function, in the text that stands for it.

    >>> reference_answer("x:0>0,1>1,8>3")
    'x%5'
    """
    return functions().texts[_truth(key(prompt))]


@lru_cache(maxsize=1 << 16)
def outputs(answer: str) -> tuple[int | None, ...]:
    """An expression's values at 0 to 23; None where it has none.

    Raises
    ------
    expressions.ExpressionError
        For a text that is no expression.

    >>> outputs("6/x")[:4]
    (None, 6, 3, 2)
    """
    program = expressions.parse(answer)
    values: list[int | None] = []
    for x in range(INPUTS):
        try:
            values.append(expressions.evaluate(program, x))
        except expressions.ExpressionError:
            values.append(None)
    return tuple(values)


def _answered(text: str) -> str | None:
    """The expression on the last line, as written; None when there is none."""
    line = text.rstrip("\n").rpartition("\n")[2]
    if not line.startswith("#"):
        return None
    try:
        outputs(line[1:])
    except expressions.ExpressionError:
        return None
    return line[1:]


def extract_answer(text: str) -> str | None:
    """The expression of the answer line; None when there is none.

    Votes are on functions: what equals a function of the domain on all inputs is
    given in the text that stands for it.

    >>> extract_answer("#(1+x)*2"), extract_answer("#x+"), extract_answer("x+1")
    ('x+x+2', None, None)
    """
    answer = _answered(text)
    if answer is None:
        return None
    values = outputs(answer)
    known = functions()
    if any(v is None or abs(v) > np.iinfo(np.int16).max for v in values):
        return answer
    number = known.number.get(row(np.array(values, np.int64)))
    return answer if number is None else known.texts[number]


def passed(problem: Problem, text: str) -> list[bool]:
    """Per shown example, in the prompt's order, whether the answer passes it.

    >>> passed(Problem("programs", "x:1>3,2>5,4>9\\n"), "#x+2")
    [True, False, False]
    """
    shown = parse(problem.prompt)
    answer = _answered(text)
    if answer is None:
        return [False] * len(shown)
    values = outputs(answer)
    return [values[x] == y for x, y in shown.items()]


def check(problem: Problem, text: str) -> bool:
    """Whether the answer agrees with the true function on all inputs, shown or not.

    >>> problem = Problem("programs", "x:0>0,1>1,3>3\\n", 1)
    >>> passed(problem, "#x%5"), check(problem, "#x%5"), solution(problem.prompt)
    ([True, True, True], False, '#x%4')
    """
    if not all(passed(problem, text)):
        return False
    answer = _answered(text)
    return answer is not None and list(outputs(answer)) == _true_values(problem.prompt)


def _true_values(prompt: str) -> list[int]:
    try:
        number = _truth(key(prompt))
    except ValueError:
        return []
    values: list[int] = functions().values[number].tolist()
    return values


def check_step(problem: Problem, steps: list[str], index: int) -> bool:
    """Whether the step is an answer line that is right: the only kind of step.

    >>> check_step(Problem("programs", "x:1>3,2>5,4>9\\n"), ["#2*x+1"], 0)
    True
    """
    return check(problem, steps[index]) and "\n" not in steps[index]


def render(problem: Problem, text: str) -> str:
    """The trace for people: each line with a mark, and the tests that it passes.

    >>> print(render(Problem("programs", "x:1>3,2>5,4>9\\n"), "#x+2"))
    x:1>3,2>5,4>9
      ✗ #x+2 (shown 1 of 3, hidden 0 of 21)
    """
    true, shown = _true_values(problem.prompt), parse(problem.prompt)
    text = text.rstrip("\n")
    steps = text.split("\n") if text else []
    lines = []
    for i, step in enumerate(steps):
        line = f"  {'✓' if check_step(problem, steps, i) else '✗'} {step}"
        answer = _answered(step)
        if answer is not None and true:
            agree = [x for x, v in enumerate(outputs(answer)) if v == true[x]]
            seen = len(set(agree) & set(shown))
            line += (
                f" (shown {seen} of {len(shown)}, hidden {len(agree) - seen} of "
                f"{INPUTS - len(shown)})"
            )
        lines.append(line)
    return "\n".join([problem.prompt.strip(), *lines])
