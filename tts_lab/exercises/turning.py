"""Checks of exercise 10: a row and a task seen from another side, and the way back.

Promises: compares with `tts_lab.ttt.views`. Not covered: which views to take.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from tts_lab.exercises.comparing import grade_equal
from tts_lab.exercises.grading import Answer, Case, Mistake
from tts_lab.exercises.report import Report
from tts_lab.ttt.views import SAME, View

Row = tuple[int, ...]
Pair = tuple[Row, Row]
Palette = tuple[int, ...]

#: colour 1 becomes 2, 2 becomes 3, 3 becomes 1: its own inverse it is not
ROUND = (0, 2, 3, 1, *range(4, 10))


def turned(answer: Answer, seed: int) -> Report:
    """Check `turned(row, reverse, colours)`: a row seen from another side."""
    cases = [
        Case(given, View(given["reverse"], given["colours"]).row(given["row"]))
        for given in _rows(seed)
    ]
    return grade_equal("turned", answer, cases, mistakes=_THERE)


def turned_back(answer: Answer, seed: int) -> Report:
    """Check `turned_back(row, reverse, colours)`: the inverse of `turned`."""
    cases = [
        Case(given, View(given["reverse"], given["colours"]).back(given["row"]))
        for given in _rows(seed)
    ]
    return grade_equal("turned_back", answer, cases, mistakes=_BACK)


def turned_task(answer: Answer, seed: int) -> Report:
    """Check `turned_task(demonstrations, row, reverse, colours, order)`."""
    rng = random.Random(seed)
    pairs: list[Pair] = [((1, 0, 0), (0, 0, 1)), ((2, 2, 0), (0, 2, 2)),
                         ((3, 0, 3), (3, 0, 3))]  # fmt: skip
    given: list[tuple[list[Pair], Row, bool, Palette, Palette]] = [
        (pairs, (1, 2, 0), True, SAME, (0, 1, 2)),
        (pairs, (1, 2, 0), False, ROUND, (0, 1, 2)),
        (pairs, (1, 2, 0), False, SAME, (1, 2, 0)),
        (pairs, (1, 2, 0), True, ROUND, (2, 0, 1)),
    ]
    for size in (3, 4):
        drawn = [(_row(rng, 4), _row(rng, 4)) for _ in range(size)]
        order = tuple(rng.sample(range(size), size))
        given.append((drawn, _row(rng, 4), True, _palette(rng), order))
    names = ("demonstrations", "row", "reverse", "colours", "order")
    cases = [
        Case(dict(zip(names, one, strict=True)),
             View(*one[2:]).task(one[0], one[1]))
        for one in given
    ]  # fmt: skip
    return grade_equal("turned_task", answer, cases, mistakes=_WHOLE)


def _rows(seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    given: list[tuple[Row, bool, Palette]] = [
        ((1, 2, 0, 0), True, SAME),
        ((1, 2, 0, 0), False, ROUND),
        ((1, 2, 3, 0), True, ROUND),
        ((4, 4, 0, 9), False, SAME),
    ]
    for _ in range(4):
        given.append((_row(rng, 5), rng.random() < 0.7, _palette(rng)))
    return [
        {"row": row, "reverse": back, "colours": colours}
        for row, back, colours in given
    ]


def _row(rng: random.Random, width: int) -> Row:
    """Different colours, one cell of background among them."""
    cells = [0, *rng.sample(range(1, 10), width - 1)]
    return tuple(rng.sample(cells, width))


def _palette(rng: random.Random) -> Palette:
    return (0, *rng.sample(range(1, 10), 9))


def _there(row: Row, reverse: bool, colours: Palette) -> Row:
    return View(reverse, colours).row(row)


def _there_and_back(row: Row, reverse: bool, colours: Palette) -> Row:
    return View(reverse, colours).back(row)


_IGNORED = (
    Mistake(
        "`reverse` is ignored: the colours are right, the order is as it was",
        lambda row, reverse, colours: _there(row, False, colours),
    ),
    Mistake(
        "the row is always reversed, also where `reverse` is False",
        lambda row, reverse, colours: _there(row, True, colours),
    ),
)

_THERE = (
    *_IGNORED,
    Mistake(
        "`colours` is ignored: the order is right, the cells are as they were",
        lambda row, reverse, colours: _there(row, reverse, SAME),
    ),
    Mistake(
        "the colours are looked up the wrong way round: colour i becomes colours[i]; "
        "this is the way back",
        lambda row, reverse, colours: _there_and_back(row, reverse, colours),
    ),
    Mistake(
        "the palette is reversed, not the row",
        lambda row, reverse, colours: tuple(
            (colours[::-1] if reverse else colours)[cell] for cell in row
        ),
    ),
    Mistake(
        "where the row is reversed its colours stay: both are done",
        lambda row, reverse, colours: (
            row[::-1] if reverse else _there(row, False, colours)
        ),
    ),
    Mistake(
        "the colours are exchanged twice",
        lambda row, reverse, colours: _there(
            _there(row, False, colours), reverse, colours
        ),
    ),
    Mistake("the row is as it was", lambda row, reverse, colours: row),
)

_BACK = (
    Mistake(
        "this turns once more and not back: only a swap of two colours is its own "
        "inverse. Which colour i has colours[i] equal to the cell?",
        _there,
    ),
    Mistake(
        "the colours are not turned back",
        lambda row, reverse, colours: _there(row, reverse, SAME),
    ),
    Mistake(
        "the order is not turned back",
        lambda row, reverse, colours: _there_and_back(row, False, colours),
    ),
    Mistake(
        "the row is always reversed, also where `reverse` is False",
        lambda row, reverse, colours: _there_and_back(row, True, colours),
    ),
    Mistake(
        "the palette read backwards is not its inverse: `inverse[colours[i]] = i`",
        lambda row, reverse, colours: _there(row, reverse, colours[::-1]),
    ),
    Mistake(
        "the row is as it was: neither order nor colours are turned back",
        lambda row, reverse, colours: row,
    ),
)


def _task(
    demonstrations: Sequence[Pair],
    row: Row,
    reverse: bool,
    colours: Palette,
    order: Palette,
    *,
    outputs: bool = True,
    inputs: bool = True,
    asked: bool = True,
    ordered: str = "as asked",
    rows: bool = True,
) -> tuple[list[Pair], Row]:
    """The task, or with a part of it forgotten."""
    view = View(reverse if rows else False, colours)
    places = list(order)
    if ordered == "not":
        places = list(range(len(order)))
    if ordered == "inverse":
        places = [order.index(i) for i in range(len(order))]
    if ordered == "backwards":
        places = list(order)[::-1] if reverse else list(order)
    shown = [
        (view.row(a) if inputs else a, view.row(b) if outputs else b)
        for a, b in (demonstrations[i] for i in places)
    ]
    return shown, view.row(row) if asked else row


def _without(**left: Any) -> Answer:
    return lambda *given: _task(*given, **left)


_WHOLE = (
    Mistake(
        "the outputs are not turned: the rule between input and output is another one "
        "then",
        _without(outputs=False),
    ),
    Mistake("the inputs are not turned", _without(inputs=False)),
    Mistake(
        "the row that is asked for is not turned: it would be another task",
        _without(asked=False),
    ),
    Mistake(
        "`order` is ignored: the demonstrations stand as they stood",
        _without(ordered="not"),
    ),
    Mistake(
        "`order` is used the wrong way round: the first demonstration shown is number "
        "order[0]",
        _without(ordered="inverse"),
    ),
    Mistake(
        "the list of demonstrations is reversed; the rows are, each of them",
        _without(ordered="backwards"),
    ),
    Mistake(
        "the list of demonstrations is reversed; the rows are, each of them",
        _without(ordered="backwards", rows=False),
    ),
    Mistake("the rows are not reversed, only coloured", _without(rows=False)),
    Mistake(
        "the row that is asked for is missing: return (demonstrations, row)",
        lambda *given: _task(*given)[0],
    ),
    Mistake(
        "the two are the wrong way round: (demonstrations, row)",
        lambda *given: _task(*given)[::-1],
    ),
    Mistake(
        "inputs and outputs are exchanged: reversing a row does not turn the rule "
        "round",
        lambda *given: ([(b, a) for a, b in _task(*given)[0]], _task(*given)[1]),
    ),
)
