"""Rows that are asked for, and what becomes of them while they are streamed.

An event that came twice adds nothing and one that is missing is an error, where the
server counts: vLLM tells with each event how many tokens its row has by then. Others
tell it at the end: rows with more tokens than that are refused. Not covered: servers
that do not count; of them nothing is known.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tts_lab.proposers.endpoint_limits import LONGEST_ROW

_STOPPED = ("stop", "eos_token", "stop_sequence")
_CUT = ("length", "content_filter")


@dataclass(frozen=True, slots=True)
class Ask:
    """Consecutive rows to ask for in one request.

    Attributes
    ----------
    job : int
    rows : sequence of int
        With more than one row, choice i of a request is row `first + i`.
    payload : callable
        (first row, number of rows) -> the JSON to post.
    delimiter : str
        What ends a step; empty if rows go to their end.
    cut : bool
        End a row here at its delimiter, for servers that do not say what stopped it.
    """

    job: int
    rows: Sequence[int]
    payload: Callable[[int, int], dict[str, Any]]
    delimiter: str = ""
    cut: bool = False


class Row(NamedTuple):
    """A finished row; `tokens` is None if the server did not count them."""

    job: int
    row: int
    text: str
    tokens: int | None
    finished: bool
    logprob: float


@dataclass(slots=True)
class Choice:
    """One row while it is streamed.

    Attributes
    ----------
    over : bool
        The server, or the delimiter, ended it.
    sure : bool
        All its tokens are here, by the server's own count of them.
    """

    text: str = ""
    logprob: float = 0.0
    token_ids: int = 0
    logprobs: int = 0
    seen: int = 0  # what it added to the progress
    over: bool = False
    finished: bool = False
    sure: bool = False

    def take(self, piece: dict[str, Any], ask: Ask, counted: int | None) -> None:
        """Add what came with an event, by which the row has so many tokens.

        Raises
        ------
        ValueError
            If tokens are missing before it, the row is too long, or it ends in a way
            that is not known.
        """
        ids = len(piece.get("token_ids") or ())
        if self.over or (ids and counted is not None and counted <= self.token_ids):
            return  # it came before
        if ids and counted is not None and counted != self.token_ids + ids:
            raise ValueError(
                f"{self.token_ids + ids} tokens came, the server counts {counted}"
            )
        self.text += piece.get("text") or ""
        if len(self.text) > LONGEST_ROW:
            raise ValueError(f"a sample of more than {LONGEST_ROW:,} characters")
        self.token_ids += ids
        self.sure = counted is not None and counted == self.token_ids
        for one in (piece.get("logprobs") or {}).get("token_logprobs") or ():
            self.logprobs += 1
            if one is not None and math.isfinite(one):
                self.logprob += one
        reason, end = piece.get("finish_reason"), ask.delimiter
        if ask.cut and end in self.text:
            self.text = self.text[: self.text.index(end) + len(end)]
            self.over = True
        elif reason in _STOPPED:
            by = piece.get("stop_reason", piece.get("matched_stop"))
            at_end = bool(end) and not ask.cut and (
                by == end or (by is None and self.text.endswith(end))
            )  # fmt: skip
            if at_end and not self.text.endswith(end):
                self.text += end
            self.over, self.finished = True, not at_end
        elif reason in _CUT:
            self.over = True
        elif reason is not None:
            raise ValueError(f"finish_reason {reason!r}")

    def row(self, ask: Ask, number: int, counted: int | None) -> Row:
        tokens = self.token_ids or counted or self.logprobs or None
        return Row(ask.job, number, self.text, tokens, self.finished, self.logprob)


def check(choices: Sequence[Choice], counted: int | None) -> None:
    """Compare what came with the server's count at the end of a stream.

    Raises
    ------
    ValueError
        If tokens came twice, or not at all.

    >>> check([Choice(logprobs=3)], 3)
    >>> check([Choice(logprobs=4)], 3)
    Traceback (most recent call last):
    ...
    ValueError: 4 tokens came, the server counts 3
    """
    if counted is None:
        return
    came = sum(one.token_ids for one in choices)
    # log-probabilities may be fewer: not every server gives one to the row's end
    wrong = came != counted if came else choices[0].logprobs > counted
    if wrong:
        raise ValueError(
            f"{came or choices[0].logprobs} tokens came, the server counts {counted}"
        )
