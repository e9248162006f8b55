"""Countdown: reach the target by combining all the numbers, two at a time.

The domain stands in for code and proofs: an exact checker verifies a candidate,
and since every right answer states the same target, voting on the answer is
useless. Each step combines two numbers and lists what is left. A right trace of
`3 7 25>46` reads

    25-3=22|7 22
    ...

Rules: every number is used exactly once; results are positive whole numbers;
`/` divides without remainder. The checker parses (never `eval`) and checks each
step. `check_step` knows the exact truth: the step is legal, right, and the target
can still be reached afterwards, by an exhaustive memoised solver.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import lru_cache

from tts_lab.traces import Problem

NAME = "countdown"

#: level -> how many numbers a problem has
LEVELS: dict[int, int] = {1: 2, 2: 3, 3: 4, 4: 5, 5: 6}

#: the largest number drawn, and the largest value generated traces pass through
LARGEST_NUMBER = 99
LIMIT = 999

# six numbers at most: whether a target can be reached is found by trying everything
_PROMPT = re.compile(r"([1-9][0-9]{0,5}(?: [1-9][0-9]{0,5}){1,5})>([0-9]{1,9})\n?")
_STEP = re.compile(
    r"([0-9]{1,9})([-+*/])([0-9]{1,9})=([0-9]{1,12})\|([0-9]{1,12}(?: [0-9]{1,12})*)"
)
_ANSWER = re.compile(r"#([0-9]{1,12})")


def results(a: int, b: int) -> Iterator[tuple[int, str, int, int]]:
    """The legal operations on two numbers: (larger, operator, smaller, value).

    >>> list(results(3, 12))
    [(12, '+', 3, 15), (12, '*', 3, 36), (12, '-', 3, 9), (12, '/', 3, 4)]
    """
    if a < b:
        a, b = b, a
    yield a, "+", b, a + b
    yield a, "*", b, a * b
    if a > b:
        yield a, "-", b, a - b
    if a % b == 0:
        yield a, "/", b, a // b


def apply(left: int, operator: str, right: int) -> int | None:
    """The value of one operation, or None when the rules forbid it.

    >>> apply(12, "/", 5) is None, apply(3, "-", 12) is None, apply(12, "-", 3)
    (True, True, 9)
    """
    if operator == "+":
        return left + right
    if operator == "*":
        return left * right
    if operator == "-":
        return left - right if left > right else None
    if operator == "/":
        return left // right if right and left % right == 0 else None
    raise ValueError(f"operator {operator!r}: countdown uses one of + - * /")


def example(level: int, rng: random.Random) -> tuple[str, str]:
    """One training example: a prompt and the trace that made its target.

    The target is made by combining random pairs, so every problem can be solved.
    """
    while True:
        numbers = [rng.randint(1, LARGEST_NUMBER) for _ in range(LEVELS[level])]
        left = list(numbers)
        lines: list[str] = []
        while len(left) > 1:
            i, j = rng.sample(range(len(left)), 2)
            options = [
                option
                for option in results(left[i], left[j])
                if option[3] <= LIMIT and not (option[1] in "*/" and option[2] == 1)
            ]
            if not options:
                break
            a, operator, b, value = rng.choice(options)
            left = [x for k, x in enumerate(left) if k not in (i, j)] + [value]
            lines.append(f"{a}{operator}{b}={value}|{' '.join(map(str, left))}")
        if len(left) == 1:
            prompt = f"{' '.join(map(str, numbers))}>{left[0]}\n"
            return prompt, "\n".join([*lines, f"#{left[0]}"])


def draw(level: int, rng: random.Random) -> str:
    """The prompt of one random solvable problem."""
    return example(level, rng)[0]


def key(prompt: str) -> str:
    """What makes two problems the same problem: the numbers in any order, the target.

    >>> key("7 3>21") == key("3 7>21\\n")
    True
    """
    numbers, target = parse(prompt)
    return f"{' '.join(map(str, sorted(numbers)))}>{target}"


def parse(prompt: str) -> tuple[tuple[int, ...], int]:
    """Numbers and target.

    Raises
    ------
    ValueError
        When the prompt is no countdown problem; the message quotes it.

    >>> parse("3 7 25>46")
    ((3, 7, 25), 46)
    """
    match = _PROMPT.fullmatch(prompt)
    if not match:
        raise ValueError(
            f"{prompt!r} is not a countdown problem: 2 to 6 positive numbers, '>', "
            "target, such as '3 7 25>46'"
        )
    return tuple(int(x) for x in match[1].split()), int(match[2])


@lru_cache(maxsize=1 << 20)
def reachable(numbers: tuple[int, ...], target: int) -> bool:
    """Whether the target can be made from all the numbers (sorted tuple).

    Exhaustive over pairs and operations, memoised.

    >>> reachable((3, 7, 25), 46), reachable((2, 2), 5)
    (True, False)
    """
    if len(numbers) == 1:
        return numbers[0] == target
    if len(numbers) == 2:  # most calls: no need to remember them
        return any(value == target for *_, value in results(*numbers))
    seen = set()
    for i in range(len(numbers)):
        for j in range(i + 1, len(numbers)):
            rest = numbers[:i] + numbers[i + 1 : j] + numbers[j + 1 :]
            for _, _, _, value in results(numbers[i], numbers[j]):
                left = tuple(sorted((*rest, value)))
                if left not in seen:
                    seen.add(left)
                    if reachable(left, target):
                        return True
    return False


def solution(prompt: str) -> str:
    """One right trace, found by the solver.

    Raises
    ------
    ValueError
        When the problem has no solution.

    >>> print(solution("3 7>21"))
    7*3=21|21
    #21
    """
    numbers, target = parse(prompt)
    if not reachable(tuple(sorted(numbers)), target):
        raise ValueError(f"{prompt!r} has no solution")
    left = list(numbers)
    lines = []
    while len(left) > 1:
        text, left = next(
            (f"{a}{operator}{b}={value}|{' '.join(map(str, after))}", after)
            for i in range(len(left))
            for j in range(i + 1, len(left))
            for a, operator, b, value in results(left[i], left[j])
            for after in [[x for k, x in enumerate(left) if k not in (i, j)] + [value]]
            if reachable(tuple(sorted(after)), target)
        )
        lines.append(text)
    return "\n".join([*lines, f"#{target}"])


def after_step(numbers: tuple[int, ...], step: str) -> tuple[int, ...] | None:
    """What is left after a legal and right step; None when it is neither.

    >>> after_step((3, 7, 25), "25-3=22|7 22")
    (7, 22)
    >>> after_step((3, 7, 25), "25-3=21|7 21") is None
    True
    """
    match = _STEP.fullmatch(step)
    if not match:
        return None
    a, operator, b, value = int(match[1]), match[2], int(match[3]), int(match[4])
    if apply(a, operator, b) != value:
        return None
    left = list(numbers)
    for used in (a, b):
        if used not in left:
            return None
        left.remove(used)
    left.append(value)
    listed = tuple(int(x) for x in match[5].split())
    return listed if sorted(listed) == sorted(left) else None


def extract_answer(text: str) -> str | None:
    """The answer line's number; None when there is none.

    >>> extract_answer("7*3=21|21\\n#21")
    '21'
    """
    match = _ANSWER.fullmatch(text.rstrip("\n").rpartition("\n")[2])
    return None if match is None else str(int(match[1]))


def check(problem: Problem, text: str) -> bool:
    """Whether every step is legal and right and the answer line states the target.

    >>> check(Problem("countdown", "3 7>21\\n", 1), "7*3=21|21\\n#21")
    True
    >>> check(Problem("countdown", "3 7>22\\n", 1), "7*3=22|22\\n#22")
    False
    """
    head, _, answer = text.rstrip("\n").rpartition("\n")
    if answer != "#" + problem.prompt.strip().partition(">")[2]:
        return False  # most wrong traces end here, before any parsing
    numbers, target = parse(problem.prompt)
    steps = head.split("\n")
    left = numbers
    for step in steps:
        following = after_step(left, step)
        if following is None:
            return False
        left = following
    return left == (target,) and answer == f"#{target}"


def check_step(problem: Problem, steps: list[str], index: int) -> bool:
    """Whether step `index` is legal, right, and the target can still be reached.

    False as well when a step before it is illegal or wrong, for then what is left
    is undefined. The answer line is right when it follows a trace that reached the
    target.

    >>> problem = Problem("countdown", "3 7 25>46\\n", 2)
    >>> check_step(problem, ["25-3=22|7 22"], 0)
    False
    """
    numbers, target = parse(problem.prompt)
    left = numbers
    for step in steps[:index]:
        following = after_step(left, step)
        if following is None:
            return False
        left = following
    if len(left) == 1:
        return left == (target,) and steps[index] == f"#{target}"
    following = after_step(left, steps[index])
    return following is not None and reachable(tuple(sorted(following)), target)


def reference_answer(prompt: str) -> str:
    """The target: what a right trace's answer line states.

    >>> reference_answer("3 7>21")
    '21'
    """
    return str(parse(prompt)[1])


def render(problem: Problem, text: str) -> str:
    """The trace for people: each line with a mark for right or wrong.

    >>> print(render(Problem("countdown", "3 7>21\\n", 1), "7*3=21|21\\n#21"))
    make 21 from 3 7
      ✓ 7*3=21|21
      ✓ #21
    """
    numbers, target = parse(problem.prompt)
    text = text.rstrip("\n")
    steps = text.split("\n") if text else []
    lines = [
        f"  {'✓' if check_step(problem, steps, i) else '✗'} {step}"
        for i, step in enumerate(steps)
    ]
    return "\n".join([f"make {target} from {' '.join(map(str, numbers))}", *lines])
