"""Sides to look at a task from: invertible transformations of rows.

Reversing rows and permuting colours turn a task into another task whose answer is
turned the same way; turned back, it is an answer to the first (Akyurek et al.
2411.07279, sec. 3: the set of invertible transformations T).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tts_lab.problems.grids import Pair
from tts_lab.problems.transformations import COLOURS, Row

SAME = tuple(range(10))


@dataclass(frozen=True, slots=True)
class View:
    """One side: rows reversed or not, colours renamed, demonstrations in an order.

    Attributes
    ----------
    name : str
        The transformation that votes count together: "identity" or "reverse".
    reverse : bool
    colours : tuple of int
        Colour i becomes colours[i]; the background stays 0.
    order : tuple of int
        The demonstrations' new order; empty leaves it.
    """

    reverse: bool = False
    colours: tuple[int, ...] = SAME
    order: tuple[int, ...] = ()

    @property
    def name(self) -> str:
        return "reverse" if self.reverse else "identity"

    def row(self, row: Row) -> Row:
        """A row seen from here.

        >>> View(reverse=True, colours=(0, 2, 1, *range(3, 10))).row((1, 1, 2, 0))
        (0, 1, 2, 2)
        """
        seen = tuple(self.colours[cell] for cell in row)
        return seen[::-1] if self.reverse else seen

    def back(self, row: Row) -> Row:
        """The row that looks like this one from here: the inverse of `row`.

        >>> view = View(reverse=True, colours=(0, 2, 3, 1, *range(4, 10)))
        >>> view.back(view.row((1, 2, 3, 0)))
        (1, 2, 3, 0)
        """
        inverse = [0] * len(self.colours)
        for colour, seen in enumerate(self.colours):
            inverse[seen] = colour
        turned = row[::-1] if self.reverse else row
        return tuple(inverse[cell] for cell in turned)

    def task(self, demonstrations: Sequence[Pair], row: Row) -> tuple[list[Pair], Row]:
        """A task seen from here."""
        order = self.order or range(len(demonstrations))
        shown = [demonstrations[i] for i in order]
        return [(self.row(a), self.row(b)) for a, b in shown], self.row(row)


IDENTITY = View()


def permuted(view: View, demonstrations: int, rng: Random) -> View:
    """The view with colours renamed and demonstrations shuffled at random."""
    colours = (0, *rng.sample(COLOURS, len(COLOURS)))
    order = tuple(rng.sample(range(demonstrations), demonstrations))
    return View(view.reverse, colours, order)


def views(demonstrations: int, *, permutations: int = 2, seed: int = 0) -> list[View]:
    """The sides to look from: each transformation plain, and with permutations.

    Parameters
    ----------
    demonstrations : int
        How many the task has.
    permutations : int
        Of colours and demonstrations, for each transformation.
    seed : int

    Examples
    --------
    >>> [view.name for view in views(4, permutations=1)]
    ['identity', 'identity', 'reverse', 'reverse']
    """
    rng = Random(seed)
    found = []
    for side in (IDENTITY, View(reverse=True)):
        found.append(side)
        found += [permuted(side, demonstrations, rng) for _ in range(permutations)]
    return found
