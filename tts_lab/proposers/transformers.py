"""The transformers proposer: any causal language model on CPU, CUDA or MPS.

Promises what the built-in engine promises, and on a rung writes the same samples but
for rounding. Plain sampling at the job's temperature: a model's own `top_p`, `top_k`
and penalties are left aside, so that log-probabilities and coverage mean what they
say. Not covered: models with recurrent states or an encoder, several GPUs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from tts_lab import formats
from tts_lab.formats import Format
from tts_lab.proposers import Job, Samples, Writing, checkpoints
from tts_lab.proposers.texts import Texts

if TYPE_CHECKING:
    from tts_lab.proposers.torch_rows import Prefix, Row

DTYPES = ("auto", "float32", "bfloat16", "float16")
SECONDS_BETWEEN_WATCHES = 0.1
SECONDS_BETWEEN_CHUNKS = 0.02  # of rows that finish one by one


class Transformers:
    """A Hugging Face model, ready to write.

    Parameters
    ----------
    model : str or path
        A rung, the path of a Hugging Face folder, or the id of a model of the hub.
    format : Format or str, optional
        How it is asked; by default its family's (see `tts_lab.formats.choose`).
    device : str, optional
        "cpu", "cuda", "cuda:1", "mps"; by default CUDA, then MPS, then the CPU.
    dtype : str
        "auto" (as stored), "float32", "bfloat16" or "float16".
    batch : int, optional
        Rows that are written side by side; halved when the device's memory runs out.
        By default 64, and up to 1024 for models whose caches are small.
    revision : str, optional
        Of a hub model.

    Attributes
    ----------
    name, fingerprint, size, format, device, dtype
    context : int
        Most tokens of prompt and trace together.
    batch : int
        As it is now.
    notes : list of str
        What a user should be told, as that the batch was halved.
    watch : callable, optional
        Called with a `Writing` about ten times a second.

    Raises
    ------
    ImportError
        If torch or transformers is missing.
    ValueError
        If there is no such model, device or format, or the model cannot be used here.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        format: Format | str | None = None,
        device: str | None = None,
        dtype: str = "auto",
        batch: int | None = None,
        revision: str | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise ValueError(f"dtype {dtype!r}: accepted are {', '.join(DTYPES)}")
        if batch is not None and batch < 1:
            raise ValueError(f"batch {batch!r}: accepted is 1 or more")
        try:
            from tts_lab.proposers import torch_models, torch_writer
            from tts_lab.proposers.torch_cache import Prefixes
            from tts_lab.proposers.torch_rows import Reader
        except ImportError as error:
            raise ImportError(
                f"proposer {str(model)!r} needs torch and transformers ({error}): "
                'pip install "tts-lab[hf]"'
            ) from error
        self._models, self._write_rows = torch_models, torch_writer.write
        self.device = torch_models.choose_device(device)
        folder = checkpoints.locate(model, revision=revision)
        self.name = folder.resolve().name if Path(model).is_dir() else str(model)
        self.size = checkpoints.size_of(folder)
        loaded = torch_models.load(folder, device=self.device, dtype=dtype)
        self.context = loaded.context
        self.dtype = str(loaded.model.dtype).removeprefix("torch.")
        has_template = bool(getattr(loaded.tokenizer, "chat_template", None))
        self.format = formats.choose(format, str(model), has_template=has_template)
        self.fingerprint = checkpoints.fingerprint(
            folder, "transformers", self.format, self.dtype
        )
        self._texts = Texts(loaded.tokenizer, self.format)
        self._prefixes = Prefixes(torch_models.prefix_bytes(self.device))
        self._reader: Reader | None = Reader(
            loaded.model,
            layers=loaded.layers,
            ends=loaded.ends,
            prefixes=self._prefixes,
        )
        self._threads = partial(
            torch_models.threads_for, self.size.parameters, self.device
        )
        self.batch = batch or torch_models.rows_that_fit(loaded)
        self.notes: list[str] = []
        self.watch: Callable[[Writing], None] | None = None

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """Tokens of a prompt in its format and what was written after it."""
        return len(self._texts.encode(prompt, text))

    def close(self) -> None:
        """Give the model's memory back; nothing can be written afterwards."""
        self._reader = None
        self._prefixes.clear()
        self._models.give_back(self.device)

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Yield every row of every job once, as rows finish.

        A trace that fills the context already is given nothing more: its rows are
        empty and unfinished. When the device's memory runs out, the batch is halved,
        `notes` says so, and unfinished rows are written again, from the same random
        numbers.

        Raises
        ------
        ValueError
            When a prompt has characters the tokenizer lacks or leaves no room in the
            context, or a temperature, limit or delimiter is not accepted.
        RuntimeError
            When the memory does not suffice for a single row, or after `close`.
        """
        out = _Out(self, jobs)
        prefixes = [self._prefix(i, job) for i, job in enumerate(jobs)]
        for prefix in prefixes:
            if prefix.limit < 1 and prefix.rows:
                out.add(prefix.begin(len(prefix.rows)))
                yield out.take()
        while any(prefix.waiting for prefix in prefixes):
            used = min(self.batch, sum(prefix.waiting for prefix in prefixes))
            try:
                yield from self._write(prefixes, out, cancel)
                return
            except Exception as error:
                if not self._models.is_out_of_memory(error):
                    raise
            # not inside `except`, where the error still holds on to the memory
            for prefix in prefixes:
                prefix.rewind()
            self._halve(used)

    def _write(
        self, prefixes: Sequence[Prefix], out: _Out, cancel: Event | None
    ) -> Iterator[Samples]:
        if self._reader is None:
            raise RuntimeError(f"{self.name!r} is closed; load it again to write")

        def stopped() -> bool:
            return cancel is not None and cancel.is_set()

        steps = self._write_rows(
            self._reader, prefixes, batch=self.batch, stopped=stopped, stops=out.stops
        )
        while True:
            with self._threads():
                done, active = next(steps, (None, ()))
            if done is None:
                break
            out.add(done)
            out.show(active)
            if out.due():
                yield out.take()
        if out.ready:
            yield out.take()

    def _halve(self, used: int) -> None:
        self._prefixes.clear()
        self._models.give_back(self.device)
        if used == 1:
            raise RuntimeError(
                f"the memory of {self.device!r} does not suffice for one row of "
                f"{self.name!r} ({self.size.parameters:,} parameters in {self.dtype}); "
                'what helps: dtype="bfloat16", fewer max_tokens, a smaller model, '
                'device="cpu", or ending other programs on the device'
            )
        self.batch = min(self.batch, used // 2)
        self.notes.append(
            f"the memory of {self.device!r} ran out with {used} rows side by side; "
            f"now there are {self.batch}"
        )

    def _prefix(self, number: int, job: Job) -> Prefix:
        from tts_lab.proposers.torch_rows import Prefix

        job.check()
        ids = self._texts.encode(job.prompt, job.text)
        room = self.context - len(ids)
        if room < 1 and not job.text:
            raise ValueError(
                f"a prompt of {len(ids)} tokens ({job.prompt[:60]!r}...): {self.name} "
                f"reads 1 to {self.context - 1}"
            )
        return Prefix(
            job=number,
            ids=ids,
            stream=job.stream,
            rows=job.rows,
            temperature=job.temperature,
            limit=room if job.max_tokens is None else min(room, job.max_tokens),
            keep=job.until == "step",
        )


class _Out:
    """Finished rows on their way out, and what `watch` is told."""

    def __init__(self, proposer: Transformers, jobs: Sequence[Job]) -> None:
        self.proposer, self.jobs = proposer, jobs
        self.texts = proposer._texts
        self.of = sum(len(job.rows) for job in jobs)
        self.ready: list[Row] = []
        self.rows = self.tokens = 0  # of finished rows
        self.given = self.shown = time.perf_counter()

    def stops(self, row: Row) -> bool:
        """Whether the last token of a row completes its step."""
        job = self.jobs[row.prefix.job]
        if job.until != "step":
            return False
        if not self.texts.may_end(row.tokens[-1], job.delimiter):
            return False
        return job.delimiter in self.texts.decode(row.prefix.ids, row.tokens)

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            del row.prefix.open[row.number]
            self.tokens += len(row.tokens)
        self.rows += len(rows)
        self.ready += rows

    def due(self) -> bool:
        return bool(self.ready) and (
            time.perf_counter() - self.given > SECONDS_BETWEEN_CHUNKS
        )

    def take(self) -> Samples:
        rows, self.ready = self.ready, []
        self.given = time.perf_counter()
        return Samples(
            job=np.array([row.prefix.job for row in rows], np.int32),
            row=np.array([row.number for row in rows], np.int64),
            text=[self.text(row) for row in rows],
            tokens=np.array([len(row.tokens) for row in rows], np.int32),
            finished=np.array([row.ended for row in rows], np.bool_),
            logprob=np.array([row.logprob for row in rows], np.float32),
        )

    def text(self, row: Row) -> str:
        job = self.jobs[row.prefix.job]
        tokens = row.tokens[:-1] if row.ended else row.tokens
        step = job.delimiter if job.until == "step" else None
        return self.texts.written(row.prefix.ids, tokens, delimiter=step)

    def show(self, active: Sequence[Row]) -> None:
        watch = self.proposer.watch
        if watch is None:
            return
        now = time.perf_counter()
        if now - self.shown < SECONDS_BETWEEN_WATCHES:
            return
        self.shown = now
        tokens = self.tokens + sum(len(row.tokens) for row in active)
        text = self.text(active[0]) if active else ""
        watch(Writing(self.rows, self.of, tokens, text))
