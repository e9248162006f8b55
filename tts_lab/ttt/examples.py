"""What an adapter is trained on: leave-one-out tasks of the demonstrations.

Each demonstration in turn is the row to do, the others stay demonstrations (Akyurek et
al. 2411.07279, sec. 3, "leave-one-out tasks"); every such task is seen from several
sides. The alternative of the paper's ablation, direct input and output without other
demonstrations, is `direct`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from tts_lab.ladder import tokenizer
from tts_lab.problems import grids
from tts_lab.problems.grids import Pair
from tts_lab.ttt.views import IDENTITY, View, permuted


@dataclass(frozen=True)
class Examples:
    """Training examples as padded arrays; -1 in `targets` takes no loss.

    Attributes
    ----------
    inputs, targets : (examples, length) int arrays
    lengths : (examples,) int array
        Tokens of each, from the first to the one that ends it, without padding.
    """

    inputs: NDArray[np.int64]
    targets: NDArray[np.int64]
    lengths: NDArray[np.int64]

    @property
    def tokens(self) -> int:
        """Of all examples."""
        return int(self.lengths.sum())

    def __len__(self) -> int:
        return len(self.inputs)


@dataclass(frozen=True, slots=True)
class Piece:
    """A training example as rows of cells.

    Attributes
    ----------
    number : int
        The demonstration that is to be done, from 0.
    view : View
        The side it is seen from; its order is one of `others`.
    others : tuple of int
        The demonstrations that are shown, in the order before the view.
    shown : tuple of pairs of rows
        They, as seen from there.
    pair : pair of rows
        The row to do and its answer, as seen from there.
    """

    number: int
    view: View
    others: tuple[int, ...]
    shown: tuple[Pair, ...]
    pair: Pair


def leave_one_out(demonstrations: Sequence[Pair]) -> list[tuple[list[Pair], Pair]]:
    """Each demonstration as a task, shown the others.

    >>> [len(shown) for shown, pair in leave_one_out([((0,), (1,)), ((2,), (3,))])]
    [1, 1]
    """
    every = list(demonstrations)
    return [(every[:i] + every[i + 1 :], pair) for i, pair in enumerate(every)]


def direct(demonstrations: Sequence[Pair]) -> list[tuple[list[Pair], Pair]]:
    """Each demonstration as a task of its own, shown nothing."""
    return [([], pair) for pair in demonstrations]


def training_set(
    demonstrations: Sequence[Pair],
    *,
    size: int,
    leave_out: bool = True,
    transformations: bool = True,
    demonstration_loss: bool = True,
    seed: int = 0,
) -> Examples:
    """Training examples of one task.

    Parameters
    ----------
    demonstrations : sequence of pairs of rows
    size : int
        Examples; the tasks take turns, each time seen from another side.
    leave_out : bool
        False trains on inputs and outputs alone.
    transformations : bool
        False leaves rows and colours as they are and permutes demonstrations only.
    demonstration_loss : bool
        False takes the loss of the last output only.
    seed : int

    Raises
    ------
    ValueError
        If there are fewer than two demonstrations to leave one out of.
    """
    chosen = pieces(
        demonstrations, size=size, leave_out=leave_out,
        transformations=transformations, seed=seed,
    )  # fmt: skip
    marked = []
    for piece in chosen:
        row, done = piece.pair
        prompt = grids.prompt_of(piece.shown, row)
        marked.append(_marked(prompt, grids.trace_of(done), demonstration_loss))
    return _padded(marked)


def pieces(
    demonstrations: Sequence[Pair],
    *,
    size: int,
    leave_out: bool = True,
    transformations: bool = True,
    seed: int = 0,
) -> list[Piece]:
    """The examples of `training_set` with the same options, before they are tokens."""
    if leave_out and len(demonstrations) < 2:
        raise ValueError(
            f"{len(demonstrations)} demonstrations; leaving one out takes 2 or more"
        )
    if size < 1:
        raise ValueError(f"size is {size!r}; accepted is 1 or more")
    rng = Random(seed)
    tasks = leave_one_out(demonstrations) if leave_out else direct(demonstrations)
    found = []
    for turn in range(size):
        number = turn % len(tasks)
        shown, (row, done) = tasks[number]
        view = _view(rng, len(shown), transformations, first=turn < len(tasks))
        seen, asked = view.task(shown, row)
        others = tuple(i for i in range(len(tasks)) if leave_out and i != number)
        pair = (asked, view.row(done))
        found.append(Piece(number, view, others, tuple(seen), pair))
    return found


def _view(rng: Random, shown: int, transformations: bool, *, first: bool) -> View:
    if first:
        return IDENTITY
    if transformations:
        return permuted(View(reverse=rng.random() < 0.5), shown, rng)
    return View(order=tuple(rng.sample(range(shown), shown)))


def _marked(prompt: str, trace: str, demonstration_loss: bool) -> tuple[bytes, str]:
    """Token ids, and a mark for each token that the loss is taken of."""
    if "|" in prompt and demonstration_loss:
        marks = grids.taught(prompt, trace)
    else:
        marks = "0" * len(prompt) + "1" * (len(trace) + 1)
    tokens = bytes([tokenizer.BOS]) + tokenizer.encode(prompt + trace)
    return tokens + bytes([tokenizer.EOS]), "0" + marks


def _padded(pieces: Sequence[tuple[bytes, str]]) -> Examples:
    longest = max(len(tokens) for tokens, _ in pieces)
    inputs = np.zeros((len(pieces), longest - 1), np.int64)
    targets = np.full((len(pieces), longest - 1), -1, np.int64)
    for i, (tokens, marks) in enumerate(pieces):
        ids = np.frombuffer(tokens, np.uint8).astype(np.int64)
        taught = np.frombuffer(marks.encode(), np.uint8) == ord("1")
        inputs[i, : len(ids) - 1] = ids[:-1]
        targets[i, : len(ids) - 1] = np.where(taught[1:], ids[1:], -1)
    lengths = np.array([len(tokens) for tokens, _ in pieces], np.int64)
    return Examples(inputs, targets, lengths)


def joined(sets: Sequence[Examples]) -> Examples:
    """The examples of several tasks as one set.

    Raises
    ------
    ValueError
        For no tasks.
    """
    if not sets:
        raise ValueError("no tasks to join; accepted is 1 or more")
    longest = max(one.inputs.shape[1] for one in sets)

    def stacked(name: str, fill: int) -> NDArray[np.int64]:
        parts = [getattr(one, name) for one in sets]
        return np.concatenate([
            np.pad(part, ((0, 0), (0, longest - part.shape[1])), constant_values=fill)
            for part in parts
        ])  # fmt: skip

    lengths = np.concatenate([one.lengths for one in sets])
    return Examples(stacked("inputs", 0), stacked("targets", -1), lengths)
