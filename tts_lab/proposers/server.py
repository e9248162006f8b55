"""The server proposer: any OpenAI-compatible endpoint, vLLM's best of all.

Promises: each row comes from the server once, with a seed of its own; a row that broke
off is asked for again and never counted; what had finished is yielded before an error
is raised, so that a run with a bank goes on from there. Plain sampling at the job's
temperature: the server's defaults for `top_p`, `top_k` and penalties are overridden.

vLLM counts tokens, takes many rows in one request (row i has the seed of the first
plus i) and says what ended a row. Of other servers that is not known, so each row is
a request of its own, with a seed of 31 bits, and a step's request is hung up on when
its delimiter has come. Not covered: servers with chat completions only.

`logprob` is as the server says: vLLM's are those at temperature 1 unless it was
started with `--logprobs-mode processed_logprobs`; without any it is 0.

Several servers of one model (replicas) are one proposer: rows and seeds do not depend
on which of them answers, so samples are the same and land in the same rows of a bank.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from hashlib import blake2b
from threading import Event
from typing import Any

import numpy as np

from tts_lab.formats import Format
from tts_lab.proposers import Job, Samples, Size, Writing, checkpoints, served_model
from tts_lab.proposers.choices import Ask, Row
from tts_lab.proposers.replicas import Replicas
from tts_lab.proposers.served_prompts import Prompts
from tts_lab.proposers.streams import Progress, write
from tts_lab.proposers.turns import Standing

ROWS_PER_REQUEST = 64
WATCH_SECONDS = 0.1
WATCHED, ALONE = 8, 32  # tokens of a row that vLLM sends at a time: each costs time


class Server:
    """A model behind an OpenAI-compatible completions API.

    Parameters
    ----------
    url : str or sequence of str
        `http://host:8000/v1`, also without `/v1`. Several, in a list or with commas
        between them, are replicas: requests go to the one with the fewest in flight,
        a dead one's to the others, and it is taken back when it answers again.
    model : str, optional
        Its name there; by default the only one.
    format : Format or str, optional
        How it is asked; by default its family's (see `tts_lab.formats.choose`).
    tokenizer : str or path, optional
        The model's rung, folder or hub id: prompts are then put in their format and
        counted here. Chat formats need it unless the server is vLLM.
    key_variable : str
        Name of the environment variable with the key. The key is read for each
        request and stored nowhere.
    concurrency : int
        Requests in flight at most, at each server.
    timeout : float
        Seconds without a byte from the server, after which a request has failed.
    attempts : int
        Failures in a row after which a request is given up; of several servers, at
        each of them.
    context : int, optional
        Most tokens of prompt and trace together, where the server does not say.
    size : Size, optional
        By default that of `tokenizer`, if it is a folder with the weights; else
        parameters, layers and hidden size are 0, which means unknown: so are FLOPs.

    Attributes
    ----------
    name, format, context, size, concurrency
    fingerprint : str
        Of model name, origin, context and format, whatever the URL. A server that
        changes its weights under the same name is not noticed.
    watch : callable, optional
        Called with a `Writing` about ten times a second.

    Raises
    ------
    EndpointError
        If no server can be reached, or one refuses.
    ValueError
        For a URL, model, format or tokenizer that is not accepted, and for servers of
        different models; the message says what is.
    ImportError
        Without httpx.

    Examples
    --------
    >>> Server([])
    Traceback (most recent call last):
    ...
    ValueError: [] names no server; accepted is one URL or more
    """

    def __init__(
        self,
        url: str | Sequence[str],
        *,
        model: str | None = None,
        format: Format | str | None = None,
        tokenizer: Any = None,
        key_variable: str = "OPENAI_API_KEY",
        concurrency: int = 16,
        timeout: float = 120.0,
        attempts: int = 6,
        context: int | None = None,
        size: Size | None = None,
    ) -> None:
        if concurrency < 1:
            raise ValueError(f"concurrency={concurrency!r}; accepted is 1 or more")
        self.endpoint = Replicas(
            url, key_variable=key_variable, timeout=timeout, attempts=attempts
        )
        card = self.endpoint.connect(model)
        self.name = str(card["id"])
        self.concurrency = concurrency
        self._vllm = card.get("owned_by") == "vllm"
        root = str(card.get("root") or self.name)
        self.context = served_model.context(
            card.get("max_model_len"), context, self.name
        )
        self._prompts = Prompts(
            self.endpoint,
            self.name,
            about=f"{self.name} ({root})" if root != self.name else root,
            format=format,
            tokenizer=tokenizer,
        )
        self.format = self._prompts.format
        self.size = size or served_model.size(tokenizer)
        parts = ("server", self.name, root, self.context, self.format, self._vllm)
        self.fingerprint = blake2b(repr(parts).encode(), digest_size=16).hexdigest()
        self.watch: Callable[[Writing], None] | None = None

    def __repr__(self) -> str:
        return f"Server({self.endpoint.root!r}, model={self.name!r})"

    @property
    def replicas(self) -> tuple[Standing, ...]:
        """How each server is doing: URL, state, requests, failures, last error."""
        return self.endpoint.standing()

    @property
    def status(self) -> str:
        """Which servers do not answer, in a line; empty while all do."""
        return self.endpoint.status()

    @property
    def notes(self) -> list[str]:
        """What a report should say of the servers: those that failed, and how."""
        return [
            f"{one.url}: {one.requests} requests answered, {one.failures} failed, "
            f"{one.state}; last: {one.last_error}"
            for one in self.replicas
            if one.failures
        ]

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """Tokens of a prompt in its format and what was written after it.

        A server that does not tokenise is asked for a completion of one token, to
        see what it counts, unless a tokenizer was given.
        """
        return self._prompts.count(prompt, text)

    def close(self) -> None:
        """Close the connections that are kept; asking again opens new ones."""
        self.endpoint.close()

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Yield every row of every job once, as rows finish.

        A trace that fills the context already is given nothing more: its rows are
        empty and unfinished.

        Raises
        ------
        ValueError
            When a prompt leaves no room in the context, or a temperature, limit or
            delimiter is not accepted.
        EndpointError
            When the server refused, or failed `attempts` times in a row; after all
            rows that finished were yielded.
        """
        asks: list[Ask] = []
        of = sum(len(job.rows) for job in jobs)
        full: list[Row] = []
        for number, job in enumerate(jobs):
            if cancel is not None and cancel.is_set():
                return
            limit = self._limit(job)
            if limit == 0:
                full += [Row(number, row, "", 0, False, 0.0) for row in job.rows]
            else:
                asks += self._asks(number, job, limit)
        if full:
            yield self._samples(jobs, full)
        progress, rows, told = Progress(), len(full), time.monotonic()
        written = write(
            self.endpoint,
            asks,
            concurrency=self.concurrency,
            progress=progress,
            cancel=cancel,
        )
        with closing(written):
            for some in written:
                rows += len(some)
                if some:
                    yield self._samples(jobs, some)
                now = time.monotonic()
                due = now - told >= WATCH_SECONDS or (some and rows == of)
                if self.watch is not None and due:
                    told = now
                    self.watch(Writing(rows, of, progress.tokens, progress.text))

    def _limit(self, job: Job) -> int:
        """Tokens that a row may have; 0 when its trace fills the context already."""
        job.check()
        tokens = self.count_tokens(job.prompt, job.text)
        room = self.context - tokens
        if room < 1 and not job.text:
            raise ValueError(
                f"a prompt of {tokens} tokens ({job.prompt[:60]!r}...): {self.name} "
                f"reads 1 to {self.context - 1}"
            )
        return max(0, room if job.max_tokens is None else min(room, job.max_tokens))

    def _asks(self, number: int, job: Job, limit: int) -> Iterator[Ask]:
        step = job.until == "step"
        common: dict[str, Any] = {
            "model": self.name,
            "prompt": self._prompts.sent(job.prompt, job.text),
            "max_tokens": limit,
            "temperature": job.temperature,
            "top_p": 1.0,
            "frequency_penalty": 0.0,
            "presence_penalty": 0.0,
            "stream": True,
            "stream_options": {"include_usage": True},
            "logprobs": 0 if self._vllm else 1,
        }
        if self._vllm:
            common |= {
                "top_k": 0,
                "min_p": 0.0,
                "repetition_penalty": 1.0,
                "return_token_ids": True,
                "stream_options": {
                    "include_usage": True,
                    "continuous_usage_stats": True,
                },
                "stream_interval": ALONE if self.watch is None else WATCHED,
            }
            if step:
                common |= {
                    "stop": [job.delimiter],
                    "include_stop_str_in_output": True,
                }

        def payload(first: int, count: int) -> dict[str, Any]:
            seed = checkpoints.seed_of(job.stream, first)
            return common | {
                "n": count,
                "seed": seed if self._vllm else served_model.small(seed),
            }

        # greedy rows are all alike, and vLLM refuses more than one of them
        alone = not self._vllm or job.temperature == 0 or job.rows.step != 1
        size = 1 if alone else ROWS_PER_REQUEST
        for first in range(0, len(job.rows), size):
            yield Ask(
                number,
                job.rows[first : first + size],
                payload,
                delimiter=job.delimiter if step else "",
                cut=step and not self._vllm,
            )

    def _samples(self, jobs: Sequence[Job], rows: Sequence[Row]) -> Samples:
        return Samples(
            job=np.array([row.job for row in rows], np.int32),
            row=np.array([row.row for row in rows], np.int64),
            text=[row.text for row in rows],
            tokens=np.array(
                [self._tokens(jobs[row.job], row) for row in rows], np.int32
            ),
            finished=np.array([row.finished for row in rows], np.bool_),
            logprob=np.array([row.logprob for row in rows], np.float32),
        )

    def _tokens(self, job: Job, row: Row) -> int:
        """What the server counted; else the tokens that the text adds, and its end."""
        if row.tokens is not None:
            return row.tokens
        before = self.count_tokens(job.prompt, job.text)
        both = self.count_tokens(job.prompt, job.text + row.text)
        return max(both - before, 0) + row.finished
