"""Checks of exercise 10: leave-one-out tasks, and where the loss is taken.

Promises: compares with the definitions of Akyurek et al. (2411.07279, sec. 3); rows are
short ones of any width, so that they can be read in a report. Not covered: views of a
task (`tts_lab.exercises.turning`), and whether a model learns from any of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from tts_lab.exercises.comparing import grade_equal
from tts_lab.exercises.grading import Answer, Case, Mistake
from tts_lab.exercises.report import Report

Row = tuple[int, ...]
Pair = tuple[Row, Row]
Tasks = list[tuple[list[Pair], Pair]]


def leave_one_out(answer: Answer, seed: int) -> Report:
    """Check `leave_one_out(demonstrations)`: each one in turn, shown the others."""
    rng = random.Random(seed)
    twice = "a demonstration may be there twice: leave out a place, not a value"
    few = "one demonstration leaves nothing to show: raise a ValueError"
    given: list[tuple[list[Pair], str]] = [
        ([((1, 0), (0, 1)), ((2, 0), (0, 2)), ((3, 0), (0, 3))], ""),
        ([((4,), (5,)), ((6,), (7,))], ""),
        ([((1,), (2,)), ((3,), (4,)), ((1,), (2,))], twice),
        (_drawn(rng, 4), ""),
        (_drawn(rng, 5), ""),
    ]
    cases = [
        Case({"demonstrations": pairs}, _left_out(pairs), hint) for pairs, hint in given
    ]
    cases += [
        Case({"demonstrations": pairs}, ValueError, few) for pairs in (given[1][0][:1],)
    ]
    return grade_equal("leave_one_out", answer, cases, mistakes=_TASKS)


def loss_mask(answer: Answer, seed: int) -> Report:
    """Check `loss_mask(prompt, trace)`: a 1 for each character that is learnt."""
    rng = random.Random(seed)
    alone = "without demonstrations only the answer is learnt"
    given: list[tuple[list[Pair], Pair, str]] = [
        ([((1, 2), (2, 1)), ((3, 0), (0, 3))], ((4, 5), (5, 4)), ""),
        ([((1, 0, 0), (0, 0, 1))], ((2, 0, 0), (0, 0, 2)),
         "the first output is never learnt, also when it is the only one"),
        ([], ((6, 7), (7, 6)), alone),
    ]  # fmt: skip
    for size, width in ((3, 2), (4, 4), (4, 3)):
        *pairs, asked = _drawn(rng, size, width)
        given.append((pairs, asked, ""))
    cases = []
    for pairs, (row, done), hint in given:
        prompt = "".join(f"{_text(a)}>{_text(b)}|" for a, b in pairs)
        whole = f"{prompt}{_text(row)}>\n", f"#{_text(done)}"
        expected = _mask(*whole)
        cases.append(Case({"prompt": whole[0], "trace": whole[1]}, expected, hint))
    return grade_equal("loss_mask", answer, cases, mistakes=_MASKS)


def _drawn(rng: random.Random, size: int, width: int = 2) -> list[Pair]:
    """Different pairs of random rows."""
    rows = rng.sample(range(10**width), 2 * size)
    cells = [tuple(map(int, f"{row:0{width}}")) for row in rows]
    return list(zip(cells[::2], cells[1::2], strict=True))


def _text(row: Row) -> str:
    return "".join(map(str, row))


def _left_out(pairs: Sequence[Pair]) -> Tasks:
    return [([*pairs[:i], *pairs[i + 1 :]], pair) for i, pair in enumerate(pairs)]


def _guarded(make: Callable[[list[Pair]], Any]) -> Callable[[list[Pair]], Any]:
    """A wrong answer that refuses what the right one refuses."""

    def imitate(pairs: list[Pair]) -> Any:
        if len(pairs) < 2:
            raise ValueError
        return make(pairs)

    return imitate


_TASKS = (
    *(
        Mistake(cause, _guarded(make))
        for cause, make in (
            (
                "the demonstration that is asked for is still among those shown: the "
                "model would only have to copy its answer",
                lambda pairs: [(list(pairs), pair) for pair in pairs],
            ),
            (
                "equal demonstrations are left out together: leave out a place, "
                "`[:i]` and `[i + 1:]`, not a value",
                lambda pairs: [
                    ([other for other in pairs if other != pair], pair)
                    for pair in pairs
                ],
            ),
            (
                "each task shows only the demonstrations before the one asked for: "
                "those behind it belong there too",
                lambda pairs: [(pairs[:i], pair) for i, pair in enumerate(pairs)],
            ),
            (
                "nothing is shown: this is the direct task, input and output alone",
                lambda pairs: [([], pair) for pair in pairs],
            ),
            (
                "only the last demonstration is left out: each one is, in turn",
                lambda pairs: _left_out(pairs)[-1:],
            ),
            (
                "only the last demonstration is left out: each one is, in turn, and a "
                "list of all such tasks is returned",
                lambda pairs: _left_out(pairs)[-1],
            ),
            (
                "the two are the wrong way round: first those shown, then the pair",
                lambda pairs: [(pair, shown) for shown, pair in _left_out(pairs)],
            ),
            (
                "the pair that was left out is missing: return (shown, pair)",
                lambda pairs: [shown for shown, _ in _left_out(pairs)],
            ),
            (
                "another demonstration is asked for than the one left out",
                lambda pairs: [
                    (shown, pairs[i - 1])
                    for i, (shown, _) in enumerate(_left_out(pairs))
                ],
            ),
            (
                "only the input of the pair is kept; what is learnt is its output",
                lambda pairs: [(shown, pair[0]) for shown, pair in _left_out(pairs)],
            ),
            (
                "the demonstrations shown are in another order than before",
                lambda pairs: [(shown[::-1], pair) for shown, pair in _left_out(pairs)],
            ),
            (
                "the tasks are in another order: the first one asks for the first "
                "demonstration",
                lambda pairs: _left_out(pairs)[::-1],
            ),
        )
    ),
    Mistake("one demonstration leaves nothing to show: raise a ValueError", _left_out),
)


def _mask(
    prompt: str,
    trace: str,
    *,
    first: int = 1,
    only: int | None = None,
    inputs: bool = False,
    marks: str = "",
    hash_: bool = True,
    answer: bool = True,
    end: bool = True,
) -> str:
    """The mask, or with another rule for what is learnt.

    `first` output that counts, from 0; `only` the one; `inputs` count as well, and the
    characters in `marks`; the answer, its `#` and the end of the text are left out.
    """
    parts, shown = prompt.split("|"), ""
    for number, part in enumerate(parts[:-1]):
        row, done = part.split(">")
        counts = number >= first if only is None else number == only
        shown += "01"[inputs] * len(row) + "01"[counts and ">" in marks]
        shown += "01"[counts] * len(done) + "01"[counts and "|" in marks]
    shown += "01"[inputs] * (len(parts[-1]) - 2) + "01"[">" in marks]
    shown += "01"["\n" in marks]
    last = "01"[answer and hash_] + "01"[answer] * (len(trace) - 1)
    return shown + last + "01"[end]


def _changed(**rule: Any) -> Callable[[str, str], str]:
    return lambda prompt, trace: _mask(prompt, trace, **rule)


def _shifted(prompt: str, trace: str) -> str:
    return _mask(prompt, trace)[1:] + "0"


_MASKS = (
    Mistake(
        "the first output counts as well, and nothing before it says what the rule is: "
        "begin with the second",
        _changed(first=0),
    ),
    Mistake(
        "the outputs of the demonstrations are left out: this is the ablation without "
        "demonstration loss",
        _changed(first=10**6),
    ),
    Mistake(
        "the inputs count as well: they are random rows that nobody could predict",
        _changed(inputs=True),
    ),
    Mistake(
        "inputs count, and the first output too: only outputs, from the second on",
        _changed(inputs=True, first=0),
    ),
    Mistake(
        "everything counts: only outputs do, from the second on, and the answer",
        lambda prompt, trace: "1" * (len(prompt) + len(trace) + 1),
    ),
    Mistake(
        "only the second output counts: all from the second on do", _changed(only=1)
    ),
    Mistake(
        "only the last output shown counts: all from the second on do",
        lambda prompt, trace: _mask(prompt, trace, first=max(1, prompt.count("|") - 1)),
    ),
    Mistake(
        "the first two outputs are left out; only the first one is", _changed(first=2)
    ),
    Mistake("the `|` behind an output is no cell of it", _changed(marks="|")),
    Mistake("the `>` before an output is no cell of it", _changed(marks=">")),
    Mistake("the marks `>` and `|` are no cells of an output", _changed(marks=">|")),
    Mistake(
        "the line break is the prompt's: it is given, not written", _changed(marks="\n")
    ),
    Mistake(
        "the `#` is left out: the model has to write it, so it is learnt",
        _changed(hash_=False),
    ),
    Mistake(
        "the end of the text is a token as well: one 1 more, behind the trace",
        lambda prompt, trace: _mask(prompt, trace)[:-1],
    ),
    Mistake(
        "the end of the text is learnt as well, or the model never stops",
        _changed(end=False),
    ),
    Mistake("the answer itself is left out", _changed(answer=False)),
    Mistake(
        "there is a mark for the prompt only; the answer is learnt as well",
        lambda prompt, trace: _mask(prompt, trace)[: len(prompt)],
    ),
    Mistake(
        "the marks stand one place too far left: mark the character itself, not the "
        "one that it is predicted from",
        _shifted,
    ),
    Mistake(
        "0 and 1 are the wrong way round: 1 is what the loss is taken of",
        lambda prompt, trace: _mask(prompt, trace).translate({48: 49, 49: 48}),
    ),
)
