"""Tasks of the grids domain, and which families explain them."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from tts_lab.problems import grids
from tts_lab.problems.transformations import COMPOSITIONS, HELD_OUT, SEEN, WIDTH, Row
from tts_lab.traces import Problem

FAMILIES = SEEN | HELD_OUT | COMPOSITIONS
NOVEL = HELD_OUT | COMPOSITIONS


def cells(text: str) -> Row:
    """A row as people write it: `.` for background, the rest of it left out."""
    return tuple(int(c) for c in text.replace(".", "0").ljust(WIDTH, "0"))


def pairs_of(problem: Problem) -> list[grids.Pair]:
    demonstrations, row = grids.parse(problem.prompt)
    return [*demonstrations, (row, cells(problem.answer or ""))]


COLOURS = [(c,) for c in range(1, 10)]
SIDES = [(True,), (False,)]
TWO = list(permutations(range(1, 10), 2))
#: all that a family could be given, beyond what it draws
PARAMETERS: dict[str, list[tuple[Any, ...]]] = {
    "move": [(by,) for by in range(-WIDTH, WIDTH + 1)],
    "slide": SIDES, "gravity": SIDES, "extend": SIDES,
    "recolour": TWO, "swap": TWO,
    "fill": COLOURS, "keep colour": COLOURS, "outline": COLOURS, "count": COLOURS,
    "rotate": [(by,) for by in range(-WIDTH, WIDTH)],
    "echo": [(gap,) for gap in range(WIDTH)],
}  # fmt: skip


def explanations(name: str, pairs: list[grids.Pair]) -> list[tuple[Any, ...]]:
    """The parameters with which a family does all this; each one has been tried."""
    if name in COMPOSITIONS:
        one, other = (PARAMETERS.get(part, [()]) for part in name.split(", "))
        tried: list[tuple[Any, ...]] = [(p, q) for p in one for q in other]
    else:
        tried = PARAMETERS.get(name, [()])
    does = FAMILIES[name].apply
    return [p for p in tried if all(does(a, *p) == b for a, b in pairs)]
