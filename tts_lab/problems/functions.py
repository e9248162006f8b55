"""All different functions of `x` that up to three operators make of it and 1 to 5.

`/` and `%` divide by constants only, and no constant is made of others. Two expressions
are the same function when they agree on every input, 0 to 23; one short text stands for
it. The level of a function is the fewest operators that make it. They are found by
combining smaller functions (bottom-up enumeration with observational equivalence, as
program synthesis calls it), once per process.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

INPUTS = 24  # a function is its values at 0 to 23
SHOWABLE = 12  # examples show inputs 0 to 11 only
LARGEST_SHOWN = 150  # no value there is larger, nor below its negative
LARGEST = 9_999  # the same for all inputs
LEVELS = (1, 2, 3)

_CONSTANTS = range(1, 6)
_RANK = {"+": 0, "-": 0, "*": 1, "/": 1, "%": 1}  # which binds more tightly

IntArray = NDArray[np.int64]


@dataclass(frozen=True)
class Functions:
    """Functions of one number; those of a level follow each other, level 1 first.

    Attributes
    ----------
    values : (N, 24) int array
    level : (N,) int array
    weight : (N,) int array
        In proportion to the probability of a function when each level has the same,
        and so has each function of it: whole numbers, the same on every machine.
    texts : list of str
    number : dict
        A row of `values` as bytes (see `row`) -> its number.
    """

    values: IntArray
    level: IntArray
    weight: IntArray
    texts: list[str]
    number: dict[bytes, int]

    def of_level(self, level: int) -> range:
        """The numbers of a level's functions."""
        first, last = np.searchsorted(self.level, [level, level + 1])
        return range(int(first), int(last))

    def through(self, points: dict[int, int]) -> IntArray:
        """The numbers, ascending, of the functions with these values at these inputs.

        >>> [functions().texts[i] for i in functions().through({1: 3, 2: 5, 11: 23})]
        ['x+x+1']
        """
        parts = [self._with_value(x, y) for x, y in points.items()]
        found = min(parts, key=len)
        for x, y in points.items():
            found = found[self.values[found, x] == y]
        return found

    def _with_value(self, x: int, y: int) -> IntArray:
        order, ordered = _sorted(x)
        first, last = np.searchsorted(ordered, [y, y + 1])
        return order[first:last]


@cache
def _sorted(x: int) -> tuple[IntArray, IntArray]:
    values = functions().values[:, x]
    order = np.argsort(values, kind="stable")
    return order, values[order]


@dataclass(frozen=True)
class _Some:
    """Expressions of one size: values, length of text, rank of the last operator."""

    values: IntArray
    length: IntArray
    rank: IntArray
    texts: list[str]


def row(values: IntArray) -> bytes:
    """What `Functions.number` is asked with: values at 0 to 23, within the limits."""
    return values.astype(np.int16).tobytes()


@cache
def functions() -> Functions:
    """The functions of all levels.

    >>> [len(functions().of_level(level)) for level in LEVELS]
    [28, 452, 5769]
    >>> [functions().texts[i] for i in (0, 100, 5_000)]
    ['x+x', 'x-x*4', '(2-x)%4-3']
    """
    constants = [np.full(INPUTS, c, np.int64) for c in _CONSTANTS]
    leaves = np.stack([np.arange(INPUTS, dtype=np.int64), *constants])
    ones = np.ones(len(leaves), np.int64)
    found = [_Some(leaves, ones, 2 * ones, ["x", *map(str, _CONSTANTS)])]
    seen = {row(values) for values in leaves}
    for level in LEVELS:
        found.append(_combine(found, level, seen))
    made = found[1:]
    values = np.concatenate([some.values for some in made])
    sizes = [len(some.texts) for some in made]
    return Functions(
        values,
        np.repeat(LEVELS, sizes),
        np.repeat([math.prod(sizes) // size for size in sizes], sizes),
        [text for some in made for text in some.texts],
        {row(one): i for i, one in enumerate(values)},
    )


def _combine(sizes: list[_Some], level: int, seen: set[bytes]) -> _Some:
    """What operators make of two smaller ones and fewer do not; short texts first."""
    values, length, rank, parts = [], [], [], []
    for i in range(level):
        left, right = sizes[i], sizes[level - 1 - i]
        a, b = np.indices((len(left.texts), len(right.texts))).reshape(2, -1)
        for operator, binds in _RANK.items():
            found, fits = _apply(operator, left.values[a], right.values[b])
            pairs = np.stack([a[fits], b[fits]], 1)
            around = 2 * (left.rank[a] < binds) + 2 * (right.rank[b] <= binds)
            values.append(found)
            length.append((left.length[a] + right.length[b] + 1 + around)[fits])
            rank.append(np.full(len(found), binds))
            parts += [(operator, i, *pair) for pair in pairs.tolist()]
    every, lengths, ranks = map(np.concatenate, (values, length, rank))
    kept, texts = [], []
    for k in np.argsort(lengths, kind="stable").tolist():
        key = row(every[k])
        if key not in seen:
            seen.add(key)
            kept.append(k)
            operator, i, one, other = parts[k]
            left, right = sizes[i], sizes[level - 1 - i]
            texts.append(
                _wrapped(left, one, left.rank[one] < _RANK[operator])
                + operator
                + _wrapped(right, other, right.rank[other] <= _RANK[operator])
            )
    return _Some(every[kept], lengths[kept], ranks[kept], texts)


def _wrapped(some: _Some, index: int, parentheses: bool) -> str:
    return f"({some.texts[index]})" if parentheses else some.texts[index]


def _apply(operator: str, a: IntArray, b: IntArray) -> tuple[IntArray, IntArray]:
    """Values of the functions within the limits that are no constant, and which."""
    fits = np.ones(len(a), np.bool_)
    if operator in "/%":  # by a constant only, and by more than 0
        fits = (b == b[:, :1]).all(axis=1) & (b[:, 0] > 0)
        b = np.where(fits[:, None], b, 1)
    made = {"+": np.add, "-": np.subtract, "*": np.multiply,
            "/": np.floor_divide, "%": np.remainder}[operator](a, b)  # fmt: skip
    fits &= np.abs(made).max(axis=1) <= LARGEST
    fits &= np.abs(made[:, :SHOWABLE]).max(axis=1) <= LARGEST_SHOWN
    fits &= (made != made[:, :1]).any(axis=1)
    return made[fits], np.flatnonzero(fits)
