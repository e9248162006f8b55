"""What is to be seen of one adaptation, frame by frame; without torch.

A `Plan` says what is done, a `Frame` how far it has come. `tts_lab.ttt.watch` makes
frames while it trains, `replay` makes them of the last one again. Promises: the same
plan has the same task, training examples and views; a frame comes back from JSON as it
was. Not covered: training (`adapt`), what is drawn (`tts_lab.figures.grids`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from tts_lab.problems import grids
from tts_lab.problems.transformations import Row
from tts_lab.traces import Problem
from tts_lab.ttt.examples import Piece, pieces
from tts_lab.ttt.views import IDENTITY, View, views
from tts_lab.ttt.vote import Ballot, ballot

BATCH = 8  # examples a step
GUESSES = 8  # answers asked for while it trains, beside the first
MAX_EPOCHS, MAX_RANK, MAX_RATE, MAX_NUMBER = 20, 64, 0.1, 2**31 - 1


@dataclass(frozen=True)
class Plan:
    """What one adaptation does.

    Parameters
    ----------
    family : str
        See `tts_lab.problems.transformations`.
    number : int
        Which task of the family; also the seed of everything drawn.
    epochs : int
        How often the training examples are read.
    learning_rate : float
    rank : int
        Of the adapter; its alpha is twice that.
    size : int
        Training examples.
    permutations : int
        Of colours and demonstrations, for each transformation, in answering.
    leave_out, transformations, demonstration_loss : bool
        As in `examples.training_set`.
    vote : bool
        False answers once, from the side the task stands on.

    Raises
    ------
    ValueError
        For a value out of range; the message quotes it and says what is accepted.

    Examples
    --------
    >>> Plan("rotate", epochs=3).steps
    48
    >>> Plan("rotate", rank=0)
    Traceback (most recent call last):
        ...
    ValueError: rank=0; accepted is 1 to 64
    """

    family: str = "rotate"
    number: int = 0
    epochs: int = 2
    learning_rate: float = 1e-2
    rank: int = 16
    size: int = 128
    permutations: int = 4
    leave_out: bool = True
    transformations: bool = True
    demonstration_loss: bool = True
    vote: bool = True

    def __post_init__(self) -> None:
        _within("number", self.number, 0, MAX_NUMBER)
        _within("epochs", self.epochs, 1, MAX_EPOCHS)
        _within("rank", self.rank, 1, MAX_RANK)
        _within("size", self.size, 4, 1024)
        _within("permutations", self.permutations, 0, 32)
        if not 0 < self.learning_rate <= MAX_RATE:
            raise ValueError(
                f"learning_rate={self.learning_rate!r}; accepted is more than 0 to "
                f"{MAX_RATE}"
            )
        self.problem()

    def problem(self) -> Problem:
        """The task."""
        return _problem(self.family, self.number)

    @property
    def steps(self) -> int:
        """Steps of training."""
        return math.ceil(self.size * self.epochs / BATCH)

    @property
    def every(self) -> int:
        """Steps from one guess to the next."""
        return math.ceil(self.steps / GUESSES)

    def pieces(self) -> list[Piece]:
        """The training examples."""
        demonstrations, _ = grids.parse(self.problem().prompt)
        return pieces(
            demonstrations, size=self.size, leave_out=self.leave_out,
            transformations=self.transformations, seed=self.number,
        )  # fmt: skip

    def sides(self) -> list[View]:
        """The views that are answered from in the end."""
        if not self.vote:
            return [IDENTITY]
        demonstrations = self.problem().prompt.count("|")
        return views(demonstrations, permutations=self.permutations, seed=self.number)

    def caption(self) -> str:
        """All of it on one line."""
        left = [
            name
            for name, kept in (
                ("leave-one-out", self.leave_out),
                ("transformations", self.transformations),
                ("demonstration loss", self.demonstration_loss),
                ("voting", self.vote),
            )
            if not kept
        ]
        return (
            f"{self.family}, task {self.number} · {self.size} examples × {self.epochs} "
            f"epochs · learning rate {self.learning_rate:g} · rank {self.rank}"
            f"{' · without ' + ', '.join(left) if left else ''}"
        )


@dataclass(frozen=True)
class Guess:
    """The greedy answer after so many steps; None for text that is no row."""

    step: int
    row: Row | None


@dataclass(frozen=True)
class Frame:
    """How far an adaptation has come.

    Attributes
    ----------
    plan : Plan
    policy : str
    parameters : int
        Of the policy, without the adapter.
    losses : tuple of float
        Per step, nats per token of an output.
    read : tuple of int
        Tokens read in training, per step.
    guesses : tuple of Guess
        The first is the policy's own. They cost nothing here: without a watcher there
        are none.
    answers : tuple of (Row or None)
        One for each of `plan.sides()`, turned back; empty before the end.
    prompt_tokens, generated_tokens : int
        Of those answers.
    training_seconds, answering_seconds : float
    """

    plan: Plan
    policy: str
    parameters: int
    losses: tuple[float, ...] = ()
    read: tuple[int, ...] = ()
    guesses: tuple[Guess, ...] = ()
    answers: tuple[Row | None, ...] = ()
    prompt_tokens: int = 0
    generated_tokens: int = 0
    training_seconds: float = 0.0
    answering_seconds: float = 0.0

    @property
    def complete(self) -> bool:
        """Whether it has been answered from all sides."""
        return bool(self.answers)

    @property
    def truth(self) -> Row:
        """The right answer."""
        answer = self.plan.problem().answer
        assert answer is not None
        return tuple(map(int, answer))

    @property
    def training_flops(self) -> float:
        """6 N for each token read in training (Snell et al. 2408.03314, sec. 7)."""
        return 6.0 * self.parameters * sum(self.read)

    @property
    def answering_flops(self) -> float:
        """2 N for each token of the answers and their prompts."""
        return 2.0 * self.parameters * (self.prompt_tokens + self.generated_tokens)

    def votes(self) -> Ballot[Row]:
        """Both stages of the vote; empty before there are answers."""
        sides = self.plan.sides()[: len(self.answers)]
        names = [view.name for view in sides]
        return ballot(list(zip(names, self.answers, strict=True)))

    def place(self) -> int | None:
        """1 or 2 when that answer is right, 0 when none is, None before the vote."""
        if not self.complete:
            return None
        answers = self.votes().answers
        return answers.index(self.truth) + 1 if self.truth in answers else 0

    def json(self) -> dict[str, Any]:
        """The frame as plain values."""
        return {
            "plan": asdict(self.plan),
            "policy": self.policy,
            "parameters": self.parameters,
            "losses": [round(loss, 5) for loss in self.losses],
            "read": list(self.read),
            "guesses": [[one.step, _text(one.row)] for one in self.guesses],
            "answers": [_text(row) for row in self.answers],
            "prompt_tokens": self.prompt_tokens,
            "generated_tokens": self.generated_tokens,
            "training_seconds": round(self.training_seconds, 3),
            "answering_seconds": round(self.answering_seconds, 3),
        }


def from_json(value: Mapping[str, Any]) -> Frame:
    """The frame that `Frame.json` gave.

    >>> one = Frame(Plan("rotate"), "tiny", 10, (1.5,), (80,), (Guess(0, None),))
    >>> from_json(one.json()) == one
    True
    """
    return Frame(
        **dict(value)
        | {
            "plan": Plan(**value["plan"]),
            "losses": tuple(value["losses"]),
            "read": tuple(value["read"]),
            "guesses": tuple(Guess(n, _row(text)) for n, text in value["guesses"]),
            "answers": tuple(map(_row, value["answers"])),
        }
    )


def replay(last: Frame) -> Iterator[Frame]:
    """The frames that led to one, first to last.

    >>> one = Frame(Plan("rotate"), "tiny", 10, (1.5, 1.2), (80, 80), (Guess(2, None),))
    >>> [(len(f.losses), len(f.guesses)) for f in replay(one)]
    [(0, 0), (1, 0), (2, 1)]
    """
    steps = len(last.losses)
    for step in range(steps + 1):
        yield replace(
            last,
            losses=last.losses[:step],
            read=last.read[:step],
            guesses=tuple(one for one in last.guesses if one.step <= step),
            answers=(),
            prompt_tokens=0,
            generated_tokens=0,
            training_seconds=last.training_seconds * step / max(steps, 1),
            answering_seconds=0.0,
        )
    if last.complete:
        yield last


@lru_cache(64)
def _problem(family: str, number: int) -> Problem:
    return grids.of_family(family, 1, seed=number)[0]


def _within(name: str, value: int, low: int, high: int) -> None:
    if isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{name}={value!r}; accepted is {low} to {high:,}")


def _text(row: Row | None) -> str | None:
    return None if row is None else "".join(map(str, row))


def _row(text: str | None) -> Row | None:
    return None if text is None else tuple(map(int, text))
