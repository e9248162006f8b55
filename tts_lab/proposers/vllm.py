"""The vLLM proposer: an engine in this process, driven step by step.

Promises: rows are a function of stream and row number (but for rounding, which may
differ with what is written beside them); no two rows share a seed; prompts and the
beginnings of siblings are read once (prefix caching); rows come as they finish, and a
cancelled call leaves an engine that is ready for the next. Plain sampling at the job's
temperature: a model's own `top_p`, `top_k` and penalties are left aside. Several
threads may ask at once; their rows are written side by side. Not covered: engines on
other machines (`tts_lab.proposers.server`).

vLLM draws on a processor from generators that keep 32 bits of a seed, so rows of two
streams can meet there, once in some billions of pairs; on a GPU they keep all 64.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np

from tts_lab import formats
from tts_lab.formats import Format
from tts_lab.proposers import Job, Samples, Writing, checkpoints, vllm_engine
from tts_lab.proposers.texts import Texts
from tts_lab.proposers.vllm_shared import Shared

SECONDS_BETWEEN_WATCHES = 0.1
SECONDS_BETWEEN_CHUNKS = 0.02  # of rows that finish one by one
#: tokens of a row that vLLM hands over at once, of those that do not end it
TOKENS_AT_ONCE = 8
#: vLLM's limits of temperature: below the first it takes the likeliest token
GREEDY, HOTTEST = 1e-5, 2.0


class VLLM:
    """A Hugging Face model on vLLM's engine, ready to write.

    Parameters
    ----------
    model : str or path
        A rung, the path of a Hugging Face folder, or the id of a model of the hub.
    format : Format or str, optional
        How it is asked; by default its family's (see `tts_lab.formats.choose`).
    dtype : str
        As vLLM's: "auto", "float32", "bfloat16" or "float16". See
        `tts_lab.proposers.vllm_engine.start` for "auto".
    revision : str, optional
        Of a hub model.
    engine_options : mapping, optional
        Further arguments of `vllm.LLM`, as {"tensor_parallel_size": 2,
        "max_model_len": 8192, "gpu_memory_utilization": 0.5}.

    Attributes
    ----------
    name, fingerprint, size, format
    context : int
        Most tokens of prompt and trace together.
    cached_tokens : int
        Tokens in front of rows that prefix caching has saved so far.
    watch : callable, optional
        Called with a `Writing` about ten times a second.

    Raises
    ------
    ImportError
        If vLLM is missing; the message has the pip lines.
    ValueError
        If there is no such model or format, or vLLM cannot start with it.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        format: Format | str | None = None,
        dtype: str = "auto",
        revision: str | None = None,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        vllm = vllm_engine.prepare(str(model))
        from transformers import AutoTokenizer

        folder = checkpoints.locate(model, revision=revision)
        self.name = folder.resolve().name if Path(model).is_dir() else str(model)
        self.size = checkpoints.size_of(folder)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        has_template = bool(getattr(tokenizer, "chat_template", None))
        self.format = formats.choose(format, str(model), has_template=has_template)
        self._texts = Texts(tokenizer, self.format)
        # Log-probabilities at the temperature; vLLM's own choice is at 1.
        options = {
            "enable_prefix_caching": True,
            "logprobs_mode": "processed_logprobs",
            "stream_interval": TOKENS_AT_ONCE,
        } | dict(engine_options or {})
        llm = vllm_engine.start(folder, dtype=dtype, options=options)
        config = llm.llm_engine.vllm_config
        self._engine = Shared(llm, self.name)
        self.context: int = config.model_config.max_model_len
        self._side_by_side = 2 * config.scheduler_config.max_num_seqs
        self.fingerprint = checkpoints.fingerprint(
            folder,
            *("vllm", vllm.__version__, config.device_config.device_type),
            *(self.format, str(config.model_config.dtype), self.context),
            sorted((engine_options or {}).items(), key=repr),
        )
        self.cached_tokens = 0
        self.watch: Callable[[Writing], None] | None = None

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """Tokens of a prompt in its format and what was written after it."""
        return len(self._texts.encode(prompt, text))

    def close(self) -> None:
        """Give the model's memory back; nothing can be written afterwards."""
        self._engine.close()

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Yield every row of every job once, as rows finish.

        A trace that fills the context already is given nothing more: its rows are
        empty and unfinished. A row that stops after a step may end with a token that
        holds more than the delimiter: its text ends with the delimiter all the same.

        Raises
        ------
        ValueError
            When a prompt has characters the tokenizer lacks or leaves no room in the
            context, or a temperature, limit or delimiter is not accepted.
        RuntimeError
            After `close`, or when vLLM gives a row up.
        """
        prefixes = [self._prefix(job) for job in jobs]
        call = _Call(self, jobs, prefixes)
        try:
            while call.waiting or call.open:
                if cancel is not None and cancel.is_set():
                    break
                call.ask()
                call.receive()
                call.show()
                if call.due():
                    yield call.take()
        finally:
            self._engine.abort(call.open)
        if call.ready:
            yield call.take()

    def _prefix(self, job: Job) -> list[int]:
        job.check()
        if job.temperature > HOTTEST:
            raise ValueError(
                f"temperature {job.temperature!r}: accepted by vLLM is 0 (greedy) to "
                f"{HOTTEST:g}"
            )
        ids = self._texts.encode(job.prompt, job.text)
        if len(ids) >= self.context and not job.text:
            raise ValueError(
                f"a prompt of {len(ids)} tokens ({job.prompt[:60]!r}...): {self.name} "
                f"reads 1 to {self.context - 1}"
            )
        return list(ids)


@dataclass
class _Row:
    """One row as it is written."""

    job: int
    number: int
    tokens: list[int] = field(default_factory=list)
    logprob: float = 0.0
    finished: bool = False


class _Call:
    """One call of `propose`: what it waits for, and what is ready."""

    def __init__(
        self, proposer: VLLM, jobs: Sequence[Job], prefixes: list[list[int]]
    ) -> None:
        self.proposer, self.jobs, self.prefixes = proposer, jobs, prefixes
        self.of = sum(len(job.rows) for job in jobs)
        self.waiting: deque[tuple[int, range]] = deque()  # jobs and rows not asked for
        self.open: dict[str, dict[int, _Row]] = {}  # request -> its unfinished rows
        self.inbox: deque[Any] = deque()
        self.ready: list[_Row] = []
        self.rows = self.tokens = self.active = 0
        self.given = self.shown = time.perf_counter()
        for number, job in enumerate(jobs):
            if len(prefixes[number]) >= proposer.context:
                self.ready += [_Row(number, row) for row in job.rows]
            elif len(job.rows):
                self.waiting.append((number, job.rows))
        self.rows = len(self.ready)

    def ask(self) -> None:
        """Fill the engine up; more than twice what it writes at once need not wait."""
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        while self.waiting and self.active < self.proposer._side_by_side:
            number, rows = self.waiting.popleft()
            job, ids = self.jobs[number], self.prefixes[number]
            # Seeds of one request are consecutive; greedy rows have one each.
            together = rows.step == 1 and job.temperature >= GREEDY
            most = self.proposer._side_by_side - self.active if together else 1
            now, later = rows[:most], rows[most:]
            if later:
                self.waiting.appendleft((number, later))
            room = self.proposer.context - len(ids)
            stop = job.until == "step"
            params = SamplingParams(
                output_kind=RequestOutputKind.DELTA,
                logprobs=0,  # of the tokens drawn only
                n=len(now),
                seed=checkpoints.seed_of(job.stream, now[0]),
                temperature=job.temperature,
                max_tokens=min(room, job.max_tokens or room),
                stop=[job.delimiter] if stop else None,
                include_stop_str_in_output=stop,
                detokenize=stop,
            )
            name = self.proposer._engine.add(ids, params, self.inbox)
            self.open[name] = {i: _Row(number, row) for i, row in enumerate(now)}
            self.active += len(now)

    def receive(self) -> None:
        """One step of the engine, and what came of it."""
        self.proposer._engine.step(self.inbox)
        while self.inbox:
            answer = self.inbox.popleft()
            rows = self.open[answer.request_id]
            for output in answer.outputs:
                row = rows[output.index]
                if not row.tokens:
                    self.proposer.cached_tokens += answer.num_cached_tokens or 0
                row.tokens.extend(output.token_ids)
                self.tokens += len(output.token_ids)
                if output.finish_reason is None:
                    continue
                self.finish(row, output)
                del rows[output.index]
            if not rows:
                del self.open[answer.request_id]

    def finish(self, row: _Row, output: Any) -> None:
        if output.finish_reason not in ("stop", "length"):
            raise RuntimeError(
                f"vLLM gave up row {row.number} of stream "
                f"{self.jobs[row.job].stream} ({output.finish_reason!r})"
            )
        # a text as reason is the delimiter; a token or nothing is an end of text
        ended = output.finish_reason == "stop"
        row.finished = ended and not isinstance(output.stop_reason, str)
        row.logprob = output.cumulative_logprob or 0.0
        self.ready.append(row)
        self.rows += 1
        self.active -= 1

    def due(self) -> bool:
        return bool(self.ready) and (
            time.perf_counter() - self.given > SECONDS_BETWEEN_CHUNKS
        )

    def take(self) -> Samples:
        rows, self.ready = self.ready, []
        self.given = time.perf_counter()
        return Samples(
            job=np.array([row.job for row in rows], np.int32),
            row=np.array([row.number for row in rows], np.int64),
            text=[self.text(row) for row in rows],
            tokens=np.array([len(row.tokens) for row in rows], np.int32),
            finished=np.array([row.finished for row in rows], np.bool_),
            logprob=np.array([row.logprob for row in rows], np.float32),
        )

    def text(self, row: _Row) -> str:
        job = self.jobs[row.job]
        return self.proposer._texts.written(
            self.prefixes[row.job],
            row.tokens[:-1] if row.finished else row.tokens,
            delimiter=job.delimiter if job.until == "step" else None,
        )

    def show(self) -> None:
        watch = self.proposer.watch
        now = time.perf_counter()
        if watch is None or now - self.shown < SECONDS_BETWEEN_WATCHES:
            return
        self.shown = now
        first = next(
            (row for rows in self.open.values() for row in rows.values()), None
        )
        text = self.text(first) if first is not None else ""
        watch(Writing(self.rows, self.of, self.tokens, text))
