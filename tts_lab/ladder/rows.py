"""Rows: what the engine is asked to write, as arrays for the kernels, and back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab.ladder import tokenizer
from tts_lab.ladder.arrays import Rows


@dataclass(frozen=True)
class Request:
    """Rows to write after one prefix (token ids, BOS included)."""

    prefix: bytes
    keys: NDArray[np.uint64]  # (rows,) one random stream each
    temperature: float
    max_tokens: int
    until_step: bool = False


@dataclass(frozen=True)
class Written:
    """Finished rows: parallel sequences."""

    request: NDArray[np.int32]  # (rows,) index of the request
    row: NDArray[np.int64]  # (rows,) index in the request's keys
    tokens: list[bytes]  # without the end-of-text token
    count: NDArray[np.int32]  # with it
    ended: NDArray[np.bool_]  # by the end-of-text token
    logprob: NDArray[np.float32]


def row_keys(stream: int, rows: range) -> NDArray[np.uint64]:
    """Random streams of a job's rows; see `reference.row_key`."""
    numbers = np.arange(rows.start, rows.stop, rows.step, dtype=np.uint64)
    base = _mix(np.array([stream], np.uint64))
    return _mix(base + (numbers + np.uint64(1)) * np.uint64(0xD1B54A32D192ED03))


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@dataclass(frozen=True)
class Unit:
    """What one thread writes in one go: parts of requests."""

    parts: list[tuple[int, int, int]]  # request, first row, one past the last
    rows: int


def of_unit(
    requests: Sequence[Request], unit: Unit, context: int
) -> tuple[Rows, NDArray[np.int32], NDArray[np.int64]]:
    """The rows of a unit, and of each its request and its number there."""
    counts = [last - first for _, first, last in unit.parts]

    def spread(values: Sequence[object], dtype: type) -> NDArray[Any]:
        return np.repeat(np.array(values, dtype), counts)

    chosen = [requests[i] for i, _, _ in unit.parts]
    limits = [min(r.max_tokens, context - len(r.prefix)) for r in chosen]
    rows = Rows(
        key=np.concatenate(
            [requests[i].keys[first:last] for i, first, last in unit.parts]
        ),
        prefix=spread(range(len(chosen)), np.int64),
        temperature=spread([r.temperature for r in chosen], np.float32),
        limit=spread(limits, np.int64),
        until_step=spread([r.until_step for r in chosen], np.bool_),
        text=np.zeros((unit.rows, max(limits)), np.uint8),
        length=np.zeros(unit.rows, np.int64),
        logprob=np.zeros(unit.rows, np.float64),
        reason=np.zeros(unit.rows, np.uint8),
        finished=np.zeros(unit.rows, np.int64),
    )
    owner = spread([i for i, _, _ in unit.parts], np.int32)
    number = np.concatenate([np.arange(a, b) for _, a, b in unit.parts])
    return rows, owner, number


def stop_table(stops: Sequence[str]) -> NDArray[np.int64]:
    """Stop texts as rows of token ids with their length in front."""
    encoded = [tokenizer.encode(stop) for stop in stops]
    if not all(encoded):
        raise ValueError(f"stops are {list(stops)!r}; an empty text cannot stop a row")
    table = np.zeros((len(encoded), 1 + max(map(len, encoded))), np.int64)
    for i, tokens in enumerate(encoded):
        table[i, 0] = len(tokens)
        table[i, 1 : 1 + len(tokens)] = list(tokens)
    return table


def collect(
    rows: Rows,
    done: NDArray[np.int64],
    owner: NDArray[np.int32],
    number: NDArray[np.int64],
) -> Written:
    lengths, ended = rows.length[done], rows.reason[done] == 1
    kept = lengths - ended
    return Written(
        request=owner[done],
        row=number[done],
        tokens=[
            rows.text[r, :n].tobytes()
            for r, n in zip(done.tolist(), kept.tolist(), strict=True)
        ],
        count=lengths.astype(np.int32),
        ended=ended,
        logprob=rows.logprob[done].astype(np.float32),
    )
