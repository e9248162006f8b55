"""One round's requests as one model call: jobs, their random streams, their rows.

For the driver (`tts_lab.driver`) alone. A `Slot` is a problem at work; a `Call` gathers
the parents that the slots' requests continue, lists the rows to sample, and refuses a
proposer's row that was not asked for or came before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab.proposers import Job, Samples
from tts_lab.traces import Problem, Propose, Strategy, Trace, Verify


@dataclass(slots=True)
class Slot:
    """One problem at work."""

    index: int
    problem: Problem
    generator: Strategy
    digest: Any  # blake2b of the seed and the problem; a request continues a copy
    prompt_tokens: int
    request: Propose | Verify | None = None
    answer: Any = None
    value: Any = None
    complete: bool = False
    rows: dict[bytes, int] = field(default_factory=dict)  # next row of each stream
    texts: list[str] = field(default_factory=list)  # written by the strategy, paid

    def take(self, parent: Trace, request: Propose) -> tuple[bytes, int]:
        """The request's digest (its stream and key) and its first row."""
        digest = self.digest.copy()
        options = f"{request.until} {request.temperature!r} {request.max_tokens}"
        feed(digest, parent.text, options)
        key = digest.digest()
        first = self.rows.get(key, 0)
        self.rows[key] = first + request.samples
        return key, first

    def unpaid(self, parent: Trace, prefix: int) -> int:
        """Tokens of the parent that no model wrote and that were not paid before."""
        given = prefix - self.prompt_tokens - parent.tokens
        if given <= 0 or any(parent.text.startswith(text) for text in self.texts):
            return 0
        self.texts.append(parent.text)
        return given

    def note(self, error: BaseException) -> None:
        error.add_note(
            f"in the strategy, at problem {self.index} ({self.problem.id!r})"
        )


class Call:
    """The unfinished parents of one round's requests, a job each, and their rows."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.parents: list[Trace] = []
        self.requests: list[Propose] = []
        self.keys: list[bytes] = []
        self.bank_keys: list[bytes] = []
        self._first: list[int] = []
        self._prefix: list[int] = []
        self._given: list[int] = []

    def add(self, slot: Slot, parent: Trace, request: Propose, prefix: int) -> None:
        key, first = slot.take(parent, request)
        self.slots.append(slot)
        self.parents.append(parent)
        self.requests.append(request)
        self.keys.append(key)
        self._first.append(first)
        self._prefix.append(prefix)
        self._given.append(slot.unpaid(parent, prefix))

    def freeze(self) -> None:
        self.problem = np.array([slot.index for slot in self.slots], np.int64)
        self.first = np.array(self._first, np.int64)
        self.prefix = np.array(self._prefix, np.int64)
        self.given = np.array(self._given, np.int64)
        count = np.array([request.samples for request in self.requests], np.int64)
        self.end = count.cumsum()
        self.begin = self.end - count
        self.shift = self.begin - self.first  # place of a row in `traces`, minus row
        self.wanted = [
            range(a, a + n) for a, n in zip(self._first, count.tolist(), strict=True)
        ]
        self.seen = np.zeros(int(count.sum()), np.bool_)
        self.stamp = np.zeros(len(self.seen), np.int64)
        self.traces: list[Any] = [None] * len(self.seen)

    def missing(self) -> list[Job]:
        """What the bank did not have: one job for each run of missing rows."""
        place = np.flatnonzero(~self.seen)
        parent = np.searchsorted(self.end, place, side="right")
        row = place - self.shift[parent]
        is_start = np.ones(len(place), np.bool_)
        is_start[1:] = (np.diff(parent) != 0) | (np.diff(row) != 1)
        self.parent_of_job = parent[is_start]
        self.job_start = row[is_start]
        self.job_stop = row[np.append(is_start[1:], True)[: len(row)]] + 1
        runs = map(range, self.job_start.tolist(), self.job_stop.tolist())
        return [
            self._job(parent, rows)
            for parent, rows in zip(self.parent_of_job.tolist(), runs, strict=True)
        ]

    def _job(self, parent: int, rows: range) -> Job:
        request = self.requests[parent]
        return Job(
            prompt=self.slots[parent].problem.prompt,
            text=self.parents[parent].text,
            stream=int.from_bytes(self.keys[parent][:8], "little"),
            rows=rows,
            until=request.until,
            temperature=request.temperature,
            max_tokens=request.max_tokens,
            delimiter=self.slots[parent].problem.delimiter,
        )

    def accept(self, chunk: Samples, name: str) -> tuple[Samples, NDArray[np.int64]]:
        """The chunk with parents for jobs, and the places of its rows in the call."""
        lengths = [len(column) for column in chunk]
        if len(set(lengths)) != 1:
            raise RuntimeError(
                f"proposer {name!r} gave columns of different lengths {lengths}"
            )
        job = np.asarray(chunk.job, np.int64)
        row = np.asarray(chunk.row, np.int64)

        def demand(right: NDArray[np.bool_], wrong: str) -> None:
            if not right.all():
                i = int(np.argmin(right))
                known = 0 <= job[i] < len(self.job_start)
                of = self.slots[self.parent_of_job[job[i]]].problem.id if known else ""
                raise RuntimeError(
                    f"proposer {name!r} gave row {row[i]} of job {job[i]} ({of!r}) "
                    f"{wrong}"
                )

        unasked = "which it was not asked for"
        demand((job >= 0) & (job < len(self.job_start)), unasked)
        start, stop = self.job_start[job], self.job_stop[job]
        demand((row >= start) & (row < stop), unasked)
        parent = self.parent_of_job[job]
        place = self.shift[parent] + row
        # of two equal places the later one's number stays, and the earlier one sees it
        number = np.arange(len(place))
        self.stamp[place] = number
        demand(~self.seen[place] & (self.stamp[place] == number), "twice")
        self.seen[place] = True
        # in the bank's types: a row must read the same now and from the bank
        samples = Samples(
            parent.astype(np.int32),
            row,
            list(chunk.text),
            np.asarray(chunk.tokens, np.int32),
            np.asarray(chunk.finished, np.bool_),
            np.asarray(chunk.logprob, np.float32),
        )
        return samples, place

    def first_missing(self) -> str:
        gap = int(np.argmin(self.seen))
        parent = int(np.searchsorted(self.end, gap, side="right"))
        row = gap - self.shift[parent]
        return (
            f"row {row} of problem {self.slots[parent].problem.id!r}; "
            f"{np.sum(~self.seen)} of {len(self.seen)} rows are missing"
        )


def feed(digest: Any, *texts: str) -> None:
    """Add texts to a hash, each with its length: no two lists feed the same bytes."""
    for text in texts:
        data = text.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little") + data)
