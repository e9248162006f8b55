"""Rows of coloured cells: four demonstrations of a transformation, one row to do.

The domain stands in for ARC, in one dimension: `0340>0034|...|0120>` asks for `#0012`.
The rule is never stated. Level 1 has the families that pretraining reads; level 2
families that it never does; level 3 compositions of two seen ones that it never does
(see `tts_lab.problems.transformations`). The right row cannot be worked out from the
prompt by a checker, so a problem carries its answer.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

from tts_lab.problems.transformations import (
    COMPOSITIONS,
    HELD_OUT,
    SEEN,
    WIDTH,
    Family,
    Row,
)
from tts_lab.traces import Problem

NAME = "grids"
DEMONSTRATIONS = 4

#: the families of each level
LEVELS: dict[int, dict[str, Family]] = {1: SEEN, 2: HELD_OUT, 3: COMPOSITIONS}

Pair = tuple[Row, Row]

_ROW = f"[0-9]{{{WIDTH}}}"
_PROMPT = re.compile(rf"((?:{_ROW}>{_ROW}\|)+)({_ROW})>\n?")
_ANSWER = re.compile(rf"#({_ROW})")


def parse(prompt: str) -> tuple[list[Pair], Row]:
    """The demonstrations and the row to do.

    Raises
    ------
    ValueError
        When the prompt is none of this domain; the message quotes it.

    >>> demonstrations, row = parse(f"{'12' + 14 * '0'}>{14 * '0' + '12'}|{16 * '3'}>")
    >>> len(demonstrations), demonstrations[0][1][-2:], row[:3]
    (1, (1, 2), (3, 3, 3))
    """
    match = _PROMPT.fullmatch(prompt)
    if match is None:
        raise ValueError(
            f"{prompt!r} is no grid task: demonstrations in>out| and a row in>, each "
            f"row {WIDTH} digits"
        )
    pairs = [pair.split(">") for pair in match[1].rstrip("|").split("|")]
    return [(_row(a), _row(b)) for a, b in pairs], _row(match[2])


def prompt_of(demonstrations: Sequence[Pair], row: Row) -> str:
    """The prompt of demonstrations and a row; `parse` reads it back."""
    shown = "".join(f"{_text(a)}>{_text(b)}|" for a, b in demonstrations)
    return f"{shown}{_text(row)}>\n"


def trace_of(row: Row) -> str:
    """The trace that answers with a row.

    >>> trace_of((1,) * 16)
    '#1111111111111111'
    """
    return f"#{_text(row)}"


def solved(problem: Problem) -> str:
    """A task written with its answer, `in>out|...|in>out`; `problem` reads it back.

    Raises
    ------
    ValueError
        If the problem carries no answer.
    """
    return problem.prompt.rstrip("\n") + _answer(problem)


def problem(text: str, level: int | None = None) -> Problem:
    """The problem of a task written with its answer, the last pair being asked for.

    Raises
    ------
    ValueError
        When the text is no such task; the message quotes it.

    >>> pair = f"{'12' + 14 * '0'}>{14 * '0' + '12'}"
    >>> made = problem(f"{pair}|{pair}|{pair}")
    >>> made.prompt == f"{pair}|{pair}|{pair[:17]}\\n", made.answer
    (True, '0000000000000012')
    """
    text = text.strip()
    prompt, answer = text[:-WIDTH] + "\n", text[-WIDTH:]
    if not (_PROMPT.fullmatch(prompt) and re.fullmatch(_ROW, answer)):
        raise ValueError(
            f"{text!r} is no grid task with its answer: pairs in>out|...|in>out, the "
            f"last one asked for, each row {WIDTH} digits"
        )
    return Problem(NAME, prompt, level, answer)


def key(prompt: str) -> str:
    """What makes two tasks the same: their rows, demonstrations in any order."""
    demonstrations, row = parse(prompt)
    pairs = sorted(f"{_text(a)}>{_text(b)}" for a, b in demonstrations)
    return "|".join([*pairs, _text(row)])


def task(family: Family, rng: Random) -> tuple[list[Pair], Pair]:
    """Demonstrations of one task of a family, and the pair to do; all different."""
    while True:
        parameters = family.parameters(rng)
        pairs: dict[Row, Row] = {}
        for _ in range(100):
            row = family.draw(rng, *parameters)
            done = family.apply(row, *parameters)
            if row != done and any(done):
                pairs[row] = done
            if len(pairs) > DEMONSTRATIONS:
                every = list(pairs.items())
                return every[:-1], every[-1]


def example(level: int, rng: Random) -> tuple[str, str]:
    """A prompt of the level, each family equally likely, and its right trace."""
    family = rng.choice(list(LEVELS[level].values()))
    demonstrations, (row, done) = task(family, rng)
    return prompt_of(demonstrations, row), trace_of(done)


def draw(level: int, rng: Random) -> str:
    """The prompt of one random task; its answer is lost, see `example`."""
    return example(level, rng)[0]


def of_family(name: str, n: int, *, seed: int, split: str = "test") -> list[Problem]:
    """`n` different problems of one family and split, answers with them.

    Raises
    ------
    ValueError
        For an unknown family or split; the message lists all.

    >>> [problem.level for problem in of_family("rotate", 2, seed=0)]
    [2, 2]
    """
    from tts_lab.problems import SPLITS, split_of

    every = {key: (level, f) for level, fs in LEVELS.items() for key, f in fs.items()}
    if name not in every:
        raise ValueError(f"family {name!r} is unknown; there are {list(every)}")
    if split not in SPLITS:
        raise ValueError(f"split {split!r} is unknown; there are {sorted(SPLITS)}")
    level, family = every[name]
    rng = Random(f"{name}:{seed}")
    found: dict[str, Problem] = {}
    while len(found) < n:
        demonstrations, (row, done) = task(family, rng)
        prompt = prompt_of(demonstrations, row)
        if split_of(NAME, prompt) == split:
            found.setdefault(key(prompt), Problem(NAME, prompt, level, _text(done)))
    return list(found.values())


def taught(prompt: str, trace: str) -> str:
    """What a policy is trained on: `1` for outputs from the second on, else `0`.

    The first output cannot be known from anything before it (Akyurek et al.
    2411.07279, sec. 3: the loss of demonstrations starts at the second).

    >>> row = "1" * 16
    >>> marks = taught(f"{row}>{row}|{row}>{row}|{row}>\\n", f"#{row}")
    >>> marks.count("1"), marks[:34].count("1"), marks[51:67]
    (34, 0, '1111111111111111')
    """
    demonstrations = prompt.count("|")
    first = "0" * (2 * WIDTH + 2)
    other = "0" * (WIDTH + 1) + "1" * WIDTH + "0"
    shown = first + other * (demonstrations - 1)
    return shown + "0" * (len(prompt) - len(shown)) + "1" * (len(trace) + 1)


def extract_answer(text: str) -> str | None:
    """The row of the answer line; None when there is none.

    >>> extract_answer("#0123456789012345"), extract_answer("#012")
    ('0123456789012345', None)
    """
    match = _ANSWER.fullmatch(text.rstrip("\n").rpartition("\n")[2])
    return match[1] if match else None


def check(problem: Problem, text: str) -> bool:
    """Whether the answer is the problem's row.

    Raises
    ------
    ValueError
        If the problem carries no answer.
    """
    return extract_answer(text) == _answer(problem)


def check_step(problem: Problem, steps: list[str], index: int) -> bool:
    """Whether the step is the right answer line: the only kind of step."""
    return check(problem, steps[index])


def render(problem: Problem, text: str) -> str:
    """The task for people, one demonstration a line, `.` for background."""
    demonstrations, row = parse(problem.prompt)
    lines = [f"  {_drawn(a)} -> {_drawn(b)}" for a, b in demonstrations]
    answer = extract_answer(text)
    done = _drawn(_row(answer)) if answer else text.strip() or "?"
    mark = ""
    if problem.answer is not None:
        mark = "✓ " if answer == problem.answer else "✗ "
    return "\n".join(["rows of cells", *lines, f"  {mark}{_drawn(row)} -> {done}"])


def _answer(problem: Problem) -> str:
    if problem.answer is None:
        raise ValueError(
            f"{problem.id!r} carries no answer, and none can be worked out from it"
        )
    return problem.answer


def _row(text: str) -> Row:
    return tuple(map(int, text))


def _text(row: Row) -> str:
    return "".join(map(str, row))


def _drawn(row: Row) -> str:
    return "".join(str(cell or ".") for cell in row)
