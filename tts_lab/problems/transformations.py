"""What is done to a row of 16 cells: the families of the grids domain.

A cell is a colour, 0 (background) to 9. A family draws parameters for a task, rows that
it says something about, and transforms a row. `SEEN` families are what pretraining
reads; `HELD_OUT` ones and `COMPOSITIONS` of two seen ones it never does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from random import Random
from typing import Any

WIDTH = 16
COLOURS = range(1, 10)

Row = tuple[int, ...]
Parameters = tuple[Any, ...]


@dataclass(frozen=True)
class Family:
    """A kind of transformation.

    Attributes
    ----------
    name : str
    apply : callable
        ``(row, *parameters) -> row``.
    draw : callable
        ``(rng, *parameters)`` -> a row that the family changes.
    parameters : callable
        rng -> the parameters of a task, shared by its demonstrations.
    """

    name: str
    apply: Callable[..., Row]
    draw: Callable[..., Row]
    parameters: Callable[[Random], Parameters] = lambda rng: ()


# Rows to draw


def _placed(rng: Random, cells: Sequence[int], low: int = 0, high: int = WIDTH) -> Row:
    """The cells somewhere between two places, background around them."""
    start = rng.randint(low, high - len(cells))
    return (0,) * start + tuple(cells) + (0,) * (WIDTH - start - len(cells))


def _object(rng: Random, low: int, high: int, *, colours: int = 9) -> list[int]:
    """So many cells, no background among them."""
    palette = rng.sample(COLOURS, colours)
    return [rng.choice(palette) for _ in range(rng.randint(low, high))]


def _uneven(rng: Random, low: int, high: int) -> list[int]:
    """An object that is not the same from both ends."""
    while (cells := _object(rng, low, high)) == cells[::-1]:
        pass
    return cells


def _blocks(rng: Random, lengths: Sequence[int]) -> Row:
    """Blocks of one colour each, in this order, with gaps of 1 or more."""
    spare = WIDTH - sum(lengths) - (len(lengths) - 1)
    cuts = sorted(rng.randint(0, spare) for _ in lengths)
    row: list[int] = []
    for number, (cut, length) in enumerate(zip(cuts, lengths, strict=True)):
        row += [0] * (cut + number + sum(lengths[:number]) - len(row))
        row += [rng.choice(COLOURS)] * length
    return tuple(row + [0] * (WIDTH - len(row)))


def _sprinkled(rng: Random, low: int, high: int) -> Row:
    """So many single cells of random colours, anywhere."""
    places = rng.sample(range(WIDTH), rng.randint(low, high))
    return tuple(rng.choice(COLOURS) if i in places else 0 for i in range(WIDTH))


def _with(rng: Random, needed: Sequence[int]) -> Row:
    """An object of 4 to 9 cells that has one of these colours."""
    while not set(cells := _object(rng, 4, 9, colours=4)) & set(needed):
        pass
    return _placed(rng, cells)


# What is done to them


def _span(row: Row) -> tuple[int, int]:
    """Where what is not background begins and ends."""
    filled = [i for i, cell in enumerate(row) if cell]
    return (filled[0], filled[-1] + 1) if filled else (0, 0)


def _move(row: Row, by: int) -> Row:
    return tuple(row[i - by] if 0 <= i - by < WIDTH else 0 for i in range(WIDTH))


def _slide(row: Row, right: bool) -> Row:
    first, last = _span(row)
    return _move(row, WIDTH - last if right else -first)


def _flip(row: Row) -> Row:
    return row[::-1]


def _flip_object(row: Row) -> Row:
    first, last = _span(row)
    return row[:first] + row[first:last][::-1] + row[last:]


def _fill(row: Row, colour: int) -> Row:
    first, last = _span(row)
    return tuple(
        colour if first < i < last - 1 and not cell else cell
        for i, cell in enumerate(row)
    )


def _recolour(row: Row, old: int, new: int) -> Row:
    return tuple(new if cell == old else cell for cell in row)


def _swap(row: Row, one: int, other: int) -> Row:
    return tuple({one: other, other: one}.get(cell, cell) for cell in row)


def _runs(row: Row) -> list[tuple[int, int]]:
    """Begin and end of each block: neighbours that are not background."""
    found, i = [], 0
    for filled, cells in groupby(row, bool):
        length = len(list(cells))
        if filled:
            found.append((i, i + length))
        i += length
    return found


def _keeping(row: Row, runs: Sequence[tuple[int, int]]) -> Row:
    keep = {i for first, last in runs for i in range(first, last)}
    return tuple(cell if i in keep else 0 for i, cell in enumerate(row))


def _denoise(row: Row) -> Row:
    return _keeping(row, [run for run in _runs(row) if run[1] - run[0] > 1])


def _hollow(row: Row) -> Row:
    ends = [(i, i + 1) for first, last in _runs(row) for i in (first, last - 1)]
    return _keeping(row, ends)


def _mirror(row: Row) -> Row:
    return tuple(a or b for a, b in zip(row, row[::-1], strict=True))


def _scale(row: Row) -> Row:
    first, last = _span(row)
    twice = [cell for cell in row[first:last] for _ in range(2)]
    return (row[:first] + tuple(twice) + (0,) * WIDTH)[:WIDTH]


def _sort(row: Row) -> Row:
    first, last = _span(row)
    return row[:first] + tuple(sorted(row[first:last])) + row[last:]


def _gravity(row: Row, right: bool) -> Row:
    cells = tuple(cell for cell in row if cell)
    rest = (0,) * (WIDTH - len(cells))
    return rest + cells if right else cells + rest


def _extend(row: Row, right: bool) -> Row:
    found, last = [], 0
    for cell in row if right else row[::-1]:
        last = cell or last
        found.append(last)
    return tuple(found if right else found[::-1])


def _largest(row: Row) -> Row:
    return _keeping(row, sorted(_runs(row), key=lambda run: run[0] - run[1])[:1])


def _only(row: Row, colour: int) -> Row:
    return tuple(cell if cell == colour else 0 for cell in row)


def _outline(row: Row, colour: int) -> Row:
    def near(i: int) -> bool:
        return any(0 <= j < WIDTH and row[j] for j in (i - 1, i + 1))

    return tuple(colour if not cell and near(i) else cell for i, cell in enumerate(row))


def _tile(row: Row) -> Row:
    _, last = _span(row)
    return tuple(row[i % last] for i in range(WIDTH)) if last else row


def _rotate(row: Row, by: int) -> Row:
    return tuple(row[(i - by) % WIDTH] for i in range(WIDTH))


def _erode(row: Row) -> Row:
    return _keeping(row, [(first + 1, last - 1) for first, last in _runs(row)])


def _smallest(row: Row) -> Row:
    return _keeping(row, sorted(_runs(row), key=lambda run: run[1] - run[0])[:1])


def _lead(row: Row) -> Row:
    """Every block takes the colour of its first cell."""
    heads = {i: row[first] for first, last in _runs(row) for i in range(first, last)}
    return tuple(heads.get(i, 0) for i in range(WIDTH))


def _count(row: Row, colour: int) -> Row:
    number = len(_runs(row))
    return (colour,) * number + (0,) * (WIDTH - number)


def _echo(row: Row, gap: int) -> Row:
    first, last = _span(row)
    copied = _move(row, last - first + gap)
    return tuple(a or b for a, b in zip(row, copied, strict=True))


# Parameters


def _colour(rng: Random) -> Parameters:
    return (rng.choice(COLOURS),)


def _two_colours(rng: Random) -> Parameters:
    return tuple(rng.sample(COLOURS, 2))


def _side(rng: Random) -> Parameters:
    return (rng.random() < 0.5,)


def _step(rng: Random) -> Parameters:
    return (rng.choice([-4, -3, -2, -1, 1, 2, 3, 4]),)


def _three_blocks(rng: Random, *_: object) -> Row:
    return _blocks(rng, rng.sample([1, 2, 3, 4, 5], 3))


def _two_markers(rng: Random, colour: int) -> Row:
    ends = rng.choice([c for c in COLOURS if c != colour])
    return _placed(rng, [ends, *[0] * rng.randint(2, 8), ends])


def _noisy_blocks(rng: Random) -> Row:
    return _blocks(
        rng, rng.choice([[1, 4, 1], [3, 1, 1], [1, 1, 5], [1, 3, 3], [2, 1]])
    )


def _mixed_blocks(rng: Random) -> Row:
    row = _blocks(rng, rng.sample([2, 3, 4], 2))
    return tuple(cell and rng.choice(COLOURS) for cell in row)


SEEN: dict[str, Family] = {
    one.name: one
    for one in (
        Family("move", _move, lambda rng, by: _placed(
            rng, _object(rng, 2, 6), max(0, -by), WIDTH - max(0, by)), _step),
        Family("slide", _slide, lambda rng, _: _placed(
            rng, _object(rng, 2, 6), 1, WIDTH - 1), _side),
        Family("flip", _flip, lambda rng: _placed(rng, _uneven(rng, 3, 7))),
        Family("flip object", _flip_object, lambda rng: _placed(
            rng, _uneven(rng, 3, 7))),
        Family("fill", _fill, _two_markers, _colour),
        Family("recolour", _recolour, lambda rng, old, _: _with(rng, [old]),
               _two_colours),
        Family("swap", _swap, lambda rng, a, b: _with(rng, [a, b]), _two_colours),
        Family("denoise", _denoise, _noisy_blocks),
        Family("hollow", _hollow, lambda rng: _blocks(
            rng, rng.choice([[4], [5], [3, 4], [6], [3, 3]]))),
        Family("mirror", _mirror, lambda rng: _placed(
            rng, _object(rng, 2, 6), 0, WIDTH // 2)),
        Family("scale", _scale, lambda rng: _placed(
            rng, _uneven(rng, 2, 5), 0, WIDTH // 2 + 2)),
        Family("sort", _sort, lambda rng: _placed(rng, _uneven(rng, 3, 6))),
        Family("gravity", _gravity, lambda rng, _: _sprinkled(rng, 3, 7), _side),
        Family("extend", _extend, lambda rng, _: _sprinkled(rng, 2, 3), _side),
        Family("keep largest", _largest, _three_blocks),
        Family("keep colour", _only, lambda rng, c: _with(rng, [c]), _colour),
        Family("outline", _outline, lambda rng, _: _blocks(
            rng, rng.choice([[3], [4], [2, 2], [2, 3]])), _colour),
        Family("tile", _tile, lambda rng: (
            (tuple(_uneven(rng, 2, 4)) + (0,) * WIDTH)[:WIDTH])),
    )
}  # fmt: skip

HELD_OUT: dict[str, Family] = {
    one.name: one
    for one in (
        Family("rotate", _rotate, lambda rng, _: _sprinkled(rng, 6, 10),
               lambda rng: (rng.choice([-3, -2, 2, 3]),)),
        Family("erode", _erode, lambda rng: _blocks(
            rng, rng.choice([[4], [5], [3, 4], [6], [3, 5]]))),
        Family("keep smallest", _smallest, _three_blocks),
        Family("lead", _lead, _mixed_blocks),
        Family("count", _count, lambda rng, _: _blocks(
            rng, [rng.randint(1, 2) for _ in range(rng.randint(2, 5))]), _colour),
        Family("echo", _echo, lambda rng, _: _placed(
            rng, _object(rng, 2, 4), 0, 7), lambda rng: (rng.choice([1, 2]),)),
    )
}  # fmt: skip


def _then(first: str, second: str) -> Family:
    """One seen family after another; rows and parameters of both."""
    a, b = SEEN[first], SEEN[second]

    def parameters(rng: Random) -> Parameters:
        return (a.parameters(rng), b.parameters(rng))

    def apply(row: Row, p: Parameters, q: Parameters) -> Row:
        return b.apply(a.apply(row, *p), *q)

    def draw(rng: Random, p: Parameters, q: Parameters) -> Row:
        # a row on which each of the two does something the other does not undo
        while True:
            row = a.draw(rng, *p)
            after = a.apply(row, *p)
            both = b.apply(after, *q)
            if len({row, after, both, b.apply(row, *q)}) == 4:
                return row

    return Family(f"{first}, {second}", apply, draw, parameters)


COMPOSITIONS: dict[str, Family] = {
    one.name: one
    for one in (
        _then("recolour", "flip"),
        _then("swap", "move"),
        _then("hollow", "move"),
        _then("sort", "slide"),
        _then("mirror", "outline"),
        _then("keep largest", "slide"),
    )
}
