"""Proposers: the models that write traces.

A proposer answers jobs with finished rows, in whatever order they finish. It knows
nothing of strategies, budgets or banks; the driver in `tts_lab.run` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from threading import Event
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from tts_lab.traces import Until


@dataclass(frozen=True, slots=True)
class Job:
    """Rows to write after one prefix.

    Row `rows[i]` is drawn from its own random stream, a function of `stream` (an
    unsigned 64-bit integer) and the row number alone: not of the other rows, jobs
    or threads. `text` is what has been written after the prompt already. With
    `until="step"` a row ends after the first `delimiter` that it writes.
    """

    prompt: str
    text: str
    stream: int
    rows: range
    until: Until = "end"
    temperature: float = 1.0
    max_tokens: int | None = None
    delimiter: str = "\n"

    def check(self) -> None:
        """Refuse what no model can be asked for.

        Raises
        ------
        ValueError
            For a temperature, limit or delimiter out of range.

        >>> Job("47+38\\n", "", 0, range(1), temperature=-1.0).check()
        Traceback (most recent call last):
        ...
        ValueError: temperature -1.0: accepted is 0 (greedy) or more
        """
        if not (math.isfinite(self.temperature) and self.temperature >= 0):
            raise ValueError(
                f"temperature {self.temperature!r}: accepted is 0 (greedy) or more"
            )
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens {self.max_tokens!r}: accepted is 1 or more")
        if not self.delimiter:
            raise ValueError("delimiter '': accepted is a text of a character or more")


class Samples(NamedTuple):
    """Finished rows: parallel sequences, one entry per row."""

    job: NDArray[np.int32]  # index into the jobs given
    row: NDArray[np.int64]  # row number, one of the job's rows
    text: list[str]  # what was written after the job's text
    tokens: NDArray[np.int32]  # tokens written, the end-of-text token included
    finished: NDArray[np.bool_]  # ended by itself (not by max_tokens or a step)
    logprob: NDArray[np.float32]  # sum over those tokens, nats


@dataclass(frozen=True, slots=True)
class Size:
    """What FLOPs formulas need of a model."""

    parameters: int
    layers: int
    hidden: int


@dataclass(frozen=True, slots=True)
class Writing:
    """How far a `propose` call is, for who watches it.

    Slow proposers have an attribute `watch`, None or a function that is called with
    this about ten times a second, in the thread that asks for rows.
    """

    rows: int  # finished
    of: int
    tokens: int  # written so far, those of unfinished rows included
    text: str  # what one unfinished row has written so far


class Proposer(Protocol):
    """What the driver needs of a model."""

    @property
    def name(self) -> str: ...

    @property
    def fingerprint(self) -> str:
        """Changes whenever the model's samples might: a hash of its weights."""

    @property
    def size(self) -> Size: ...

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """Tokens of a prompt and what was written after it.

        Special tokens in front and those of a chat template are included.
        """

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Yield every row of every job once; stop early, without error, on cancel."""
