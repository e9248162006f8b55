"""Public process reward models: the probability that each step of a solution is right.

One class for Math-Shepherd, RLHFlow, Skywork-o1-Open-PRM, Qwen2.5-Math-PRM, models
trained with TRL and the ladder's own, run by transformers, by vLLM in this process, or
by a vLLM server. Every step gets exactly one score, whatever stands in its text.

Not covered: training them, and outcome reward models that give one score a solution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from tts_lab.select import Aggregation, aggregate
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers import prm_folder
from tts_lab.verifiers.prm_families import Family
from tts_lab.verifiers.prm_pieces import Cutter, TooLong
from tts_lab.verifiers.prm_tokens import Reading, Tokens


class Backend(Protocol):
    """What runs a reward model."""

    def logits(self, readings: Sequence[Reading]) -> list[NDArray[np.float32]]:
        """Per reading the logits at its steps' ends, (steps, labels)."""

    def close(self) -> None:
        """Give back what it holds."""


class PublicPRM:
    """A process reward model of a public family; `tts_lab.verifiers.prm.PRM`'s methods.

    Parameters
    ----------
    model : str or path
        A Hugging Face folder or the id of a model of the hub, with safetensors. With a
        server's URL as backend only its configuration and tokenizer are read.
    family : str, optional
        One of `prm_families.FAMILIES`; by default what architecture and name say.
    backend : str
        "transformers", "vllm", or the URL of a vLLM server that was started with
        `server_arguments(model)`.
    aggregation : str, optional
        How `verify` makes one score of a trace's steps; by default as the family's
        authors do.
    device : str, optional
        For transformers: "cpu", "cuda", "cuda:1", "mps".
    dtype : str
        "auto" (as stored), "float32", "bfloat16" or "float16"; not for a server.
    batch : int
        Traces read side by side, or sent in one request.
    max_length : int, optional
        Most tokens of one reading; by default all that the model's positions, its
        engine or its server allow.
    too_long : str
        What becomes of a trace that has more. "error" refuses it. "truncate" reads
        it in pieces: the question with as many steps as fit, then the question with
        the later half of those and the steps that follow, and so on. A step is scored
        by the first piece that holds it, so late steps are judged without the earliest.
    check_delimiter : bool
        Whether traces whose step delimiter the family was not trained on are refused.
    revision : str, optional
        Of a hub model.
    served : str, optional
        The model's name on the server; by default the only one there.
    key_variable : str
        Name of the environment variable with the server's key.
    concurrency : int
        Requests at a time, to each server.
    timeout : float
        Seconds without an answer after which a request has failed.
    engine_options : mapping, optional
        Further arguments of `vllm.LLM`.

    Attributes
    ----------
    name : str
    size : Size
    family : Family
    aggregation : str
    max_length : int
    notes : list of str
        What a user should be told, as that the batch was halved.

    Raises
    ------
    ImportError
        If torch, transformers, vLLM or httpx is missing; the message has the pip line.
    ValueError
        If there is no such model, family, backend or aggregation, the family cannot be
        told, or the checkpoint holds no head of that family.
    """

    aggregations: tuple[str, ...] = get_args(Aggregation)

    def __init__(
        self,
        model: str | Path,
        *,
        family: str | None = None,
        backend: str = "transformers",
        aggregation: Aggregation | None = None,
        device: str | None = None,
        dtype: str = "auto",
        batch: int = 16,
        max_length: int | None = None,
        too_long: TooLong = "error",
        check_delimiter: bool = True,
        revision: str | None = None,
        served: str | None = None,
        key_variable: str = "OPENAI_API_KEY",
        concurrency: int = 4,
        timeout: float = 120.0,
        engine_options: Mapping[str, Any] | None = None,
    ) -> None:
        aggregate([0.5], aggregation or "last")
        remote = "://" in backend
        if not remote and backend not in ("transformers", "vllm"):
            raise ValueError(
                f"backend {backend!r} is unknown; accepted are 'transformers', 'vllm' "
                "and a server's URL such as http://host:8000"
            )
        if batch < 1:
            raise ValueError(f"batch {batch!r}: accepted is 1 or more")
        folder = prm_folder.locate(model, revision=revision, weights=not remote)
        self.name = folder.resolve().name if Path(model).is_dir() else str(model)
        self.family = prm_folder.family_of(
            folder, self.name, family, weights=not remote
        )
        self.size = prm_folder.size(folder, weights=not remote)
        self.aggregation: Aggregation = aggregation or self.family.aggregation
        self.max_length = prm_folder.limit(folder, max_length)
        self.check_delimiter = check_delimiter
        tokens = Tokens(folder)
        self.notes: list[str] = []
        self._backend: Backend
        if remote:
            from tts_lab.verifiers.prm_vllm import ServerBackend

            server = ServerBackend(
                backend, served=served, key_variable=key_variable, batch=batch,
                concurrency=concurrency, timeout=timeout,
            )  # fmt: skip
            self.max_length = min(self.max_length, server.limit or self.max_length)
            self._backend = server
        elif backend == "vllm":
            from tts_lab.verifiers.prm_vllm import VLLMBackend

            engine = VLLMBackend(
                folder, self.family, tokens, dtype=dtype,
                max_length=max_length, options=engine_options or {},
            )  # fmt: skip
            self.max_length = min(self.max_length, engine.limit)
            self._backend = engine
        else:
            from tts_lab.verifiers.prm_torch import TorchBackend

            run = TorchBackend(
                folder, self.family, tokens, device=device, dtype=dtype,
                batch=batch,
            )  # fmt: skip
            self.notes, self._backend = run.notes, run
        self._cutter = Cutter(
            partial(self.family.render, tokens), limit=self.max_length,
            too_long=too_long, name=self.name,
        )  # fmt: skip
        # of the traces scored last: a driver asks for each right afterwards
        self._counts: dict[Trace, int] = {}

    def steps(self, traces: Sequence[Trace]) -> list[NDArray[np.float32]]:
        """Per trace, a probability for each of its steps; none for an empty trace.

        Raises
        ------
        ValueError
            If a trace's steps end otherwise than the family's (`check_format`), it has
            characters the tokenizer lacks, or too many tokens.
        """
        if self.check_delimiter:
            for trace in traces:
                check_format(self, trace.problem)
        pieces = [self._cutter.cut(trace) for trace in traces]
        self._counts = dict(zip(traces, map(_tokens, pieces), strict=True))
        flat = [reading for some in pieces for reading, _ in some]
        logits = iter(self._backend.logits(flat) if flat else [])
        scores = []
        for trace, some in zip(traces, pieces, strict=True):
            parts = [np.zeros(0, np.float32)]
            parts += [probability(next(logits))[known:] for _, known in some]
            scores.append(np.concatenate(parts))
            assert len(scores[-1]) == len(trace.steps)
        return scores

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace: its steps' scores, aggregated; -inf without steps."""
        return [aggregate(scores, self.aggregation) for scores in self.steps(traces)]

    def tokens(self, trace: Trace) -> int:
        """All that is read, markers and template included; 0 for an empty trace."""
        known = self._counts.get(trace)
        return _tokens(self._cutter.cut(trace)) if known is None else known

    def close(self) -> None:
        """Give memory and connections back; nothing can be scored afterwards."""
        self._backend.close()


def _tokens(pieces: Sequence[tuple[Reading, int]]) -> int:
    return sum(len(reading.ids) for reading, _ in pieces)


def probability(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """That a step is right, of its logits (steps, labels): one label, or bad and good.

    >>> probability(np.array([[0.0, 0.0], [-1.0, 1.0]])).round(3)
    array([0.5  , 0.881], dtype=float32)
    """
    wide = logits.astype(np.float64)
    if wide.shape[1] not in (1, 2):
        raise ValueError(f"{wide.shape[1]} labels a step; accepted are 1 or 2")
    margin = wide[:, -1] - (wide[:, 0] if wide.shape[1] == 2 else 0.0)
    return (1 / (1 + np.exp(-np.clip(margin, -500, 500)))).astype(np.float32)


def check_format(prm: PublicPRM | Family, problem: Problem) -> None:
    """That a problem's traces have steps as the reward model was trained on.

    Raises
    ------
    ValueError
        If they end otherwise; the message says with which delimiter to load problems.

    >>> from tts_lab.verifiers.prm_families import FAMILIES
    >>> check_format(FAMILIES["skywork"], Problem("text", "1+1?"))
    >>> check_format(FAMILIES["rlhflow-deepseek"], Problem("text", "1+1?"))
    Traceback (most recent call last):
    ...
    ValueError: steps of 'text:1+1?' end with '\\n', and rlhflow-deepseek reward \
models were trained on steps that end with '\\n\\n'; load the problems with \
tts_lab.problems.sources.load(..., delimiter='\\n\\n') and a policy that writes such \
steps, or take a reward model of another family
    """
    family = prm if isinstance(prm, Family) else prm.family
    if problem.delimiter in family.accepts:
        return
    wanted = " or ".join(map(repr, family.accepts))
    raise ValueError(
        f"steps of {problem.id!r} end with {problem.delimiter!r}, and {family.name} "
        f"reward models were trained on steps that end with {wanted}; load the "
        "problems with tts_lab.problems.sources.load(..., "
        f"delimiter={family.accepts[0]!r}) and a policy that writes such steps, or "
        "take a reward model of another family"
    )


def server_arguments(
    model: str | Path, *, family: str | None = None, revision: str | None = None
) -> list[str]:
    """What vLLM's server must be started with to score a model's steps.

    As in `vllm serve MODEL` and these; `PublicPRM(model, backend=url)` then asks it.

    Raises
    ------
    ValueError
        As `PublicPRM`, and for a family that vLLM has no model for.
    """
    from tts_lab.verifiers import prm_vllm

    folder = prm_folder.locate(model, revision=revision, weights=False)
    weights = any(folder.glob("*.safetensors"))
    found = prm_folder.family_of(folder, str(model), family, weights=weights)
    return prm_vllm.server_arguments(found, Tokens(folder), str(model))
