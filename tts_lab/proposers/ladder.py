"""The built-in proposer: ladder models on the package's own engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event

import numpy as np

from tts_lab.ladder import tokenizer
from tts_lab.ladder.compiled import ensure
from tts_lab.ladder.engine import Engine
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.rows import Request, row_keys
from tts_lab.proposers import Job, Samples, Size


class Ladder:
    """A model of the ladder's family, ready to write.

    Parameters
    ----------
    model
        What `tts_lab.ladder.model_folder.read` gives.
    threads
        Cores to use; all by default.
    slots
        Rows each thread writes side by side; small enough that their key-value
        cache stays in the processor's cache.
    """

    def __init__(
        self, model: Model, *, threads: int | None = None, slots: int = 24
    ) -> None:
        ensure()
        self._engine = Engine(model, threads=threads, slots=slots)
        self.name = model.name
        self.fingerprint = model.fingerprint
        self.size = Size(model.parameters, model.layers, model.hidden)

    @property
    def context(self) -> int:
        """Most tokens of prompt and trace together, BOS included."""
        return self._engine.model.context

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """Tokens of a prompt and what was written after it, BOS included.

        >>> from tts_lab import ladder
        >>> ladder.load("105k").count_tokens("47+38\\n")
        7
        """
        return 1 + len(tokenizer.encode(prompt)) + len(tokenizer.encode(text))

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Yield every row of every job once, as rows finish.

        A trace that fills the context already is given nothing more: its rows are
        empty and unfinished.

        Raises
        ------
        ValueError
            When a prompt has characters the tokenizer lacks or leaves no room in
            the context, or a temperature, limit or delimiter is not accepted.
        """
        asked = [self._request(job) for job in jobs]
        full = [
            i for i, job in enumerate(jobs)
            if job.text and len(asked[i].prefix) >= self.context
        ]  # fmt: skip
        for i in full:
            yield _nothing(i, jobs[i])
        left_out = set(full)
        open_ = [i for i in range(len(jobs)) if i not in left_out]
        number = np.array(open_, np.int32)
        starts = np.array([jobs[i].rows.start for i in open_], np.int64)
        strides = np.array([jobs[i].rows.step for i in open_], np.int64)
        for written in self._engine.write([asked[i] for i in open_], cancel=cancel):
            owner = written.request
            yield Samples(
                job=number[owner],
                row=starts[owner] + strides[owner] * written.row,
                text=[tokenizer.decode(tokens) for tokens in written.tokens],
                tokens=written.count,
                finished=written.ended,
                logprob=written.logprob,
            )

    def _request(self, job: Job) -> Request:
        job.check()
        if job.delimiter != "\n":
            raise ValueError(
                f"delimiter {job.delimiter!r}: the ladder's steps are lines, so "
                "accepted is '\\n' only"
            )
        return Request(
            prefix=bytes([tokenizer.BOS]) + tokenizer.encode(job.prompt + job.text),
            keys=row_keys(job.stream, job.rows),
            temperature=job.temperature,
            max_tokens=self.context if job.max_tokens is None else job.max_tokens,
            until_step=job.until == "step",
        )


def _nothing(number: int, job: Job) -> Samples:
    """The rows of a job whose trace has no room left."""
    rows = np.array(job.rows, np.int64)
    return Samples(
        job=np.full(len(rows), number, np.int32),
        row=rows,
        text=[""] * len(rows),
        tokens=np.zeros(len(rows), np.int32),
        finished=np.zeros(len(rows), np.bool_),
        logprob=np.zeros(len(rows), np.float32),
    )
