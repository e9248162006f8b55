"""What a strategy may ask and a verifier may answer, checked at the driver's door."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tts_lab.traces import Problem, Propose, Trace, Verify
from tts_lab.verifiers import Verifier

MAX_SAMPLES = 10_000_000


def checked(request: object, problem: Problem, verifier: Verifier | None) -> Any:
    """A copy of the request in plain types, or an error that quotes what is wrong."""
    if isinstance(request, Verify):
        traces = list(request.traces)
        for trace in traces:
            if type(trace) is not Trace:
                raise TypeError(f"Verify takes traces, got {short(trace)}")
        if verifier is None:
            raise ValueError("the strategy asks for scores: pass verifier= to run")
        return Verify(traces)
    if not isinstance(request, Propose):
        raise TypeError(
            f"the strategy yielded {short(request)}; it may yield Propose and Verify"
        )
    parents = list(request.parents)
    for parent in parents:
        if type(parent) is not Trace:
            raise TypeError(f"Propose takes traces as parents, got {short(parent)}")
        if parent.problem is not problem and parent.problem != problem:
            raise ValueError(
                f"a parent belongs to problem {parent.problem.id!r}, but this strategy "
                f"works on {problem.id!r}"
            )
    if not parents:
        raise ValueError("parents must hold at least one trace, got none")
    samples, temperature = request.samples, request.temperature
    if not _is_count(samples) or samples * len(parents) > MAX_SAMPLES:
        raise ValueError(
            f"samples must be an int from 1 to {MAX_SAMPLES} (for all parents "
            f"together), got {samples!r} for each of {len(parents)}"
        )
    if request.until not in ("end", "step"):
        raise ValueError(f"until must be 'end' or 'step', got {request.until!r}")
    if not (_is_number(temperature) and 0 <= temperature < math.inf):
        raise ValueError(f"temperature must be a number >= 0, got {temperature!r}")
    limit = request.max_tokens
    if limit is not None and not _is_count(limit):
        raise ValueError(f"max_tokens must be None or an int >= 1, got {limit!r}")
    # + 0.0 turns -0.0 into 0.0: one temperature, one stream
    return Propose(
        parents,
        int(samples),
        request.until,
        float(temperature) + 0.0,
        None if limit is None else int(limit),
    )


def checked_scores(verifier: Verifier, traces: list[Trace]) -> list[float]:
    scores = np.asarray(verifier.verify(traces), np.float64)
    if scores.shape != (len(traces),):
        raise ValueError(
            f"verifier {verifier.name!r} gave scores of shape {scores.shape} for "
            f"{len(traces)} traces; it must give one number per trace"
        )
    if np.isnan(scores).any():
        trace = traces[int(np.argmax(np.isnan(scores)))]
        raise ValueError(
            f"verifier {verifier.name!r} gave NaN for the trace {short(trace.text)} "
            f"of problem {trace.problem.id!r}"
        )
    checked: list[float] = scores.tolist()
    return checked


def _is_count(value: object) -> bool:
    return isinstance(value, int | np.integer) and bool(value >= 1)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating)


def short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
