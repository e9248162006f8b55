"""Verifiers that need no training: what a language model thinks of a trace."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tts_lab import interrupt, ladder
from tts_lab.ladder import model_folder
from tts_lab.ladder.reader import Reader
from tts_lab.prm import spans
from tts_lab.proposers import Size
from tts_lab.select import Aggregation, aggregate
from tts_lab.traces import Trace

Steps = list[NDArray[np.float64]]


def _step_logprobs(reader: Reader, traces: Sequence[Trace]) -> Steps:
    """Log-probability (nats) of each step given all before it."""
    found: Steps = []
    read = reader.logprobs(spans.encode_all(traces))
    for trace, logprobs in zip(traces, read, strict=True):
        interrupt.check()
        # entry k is token k + 1: the trace's first is entry len(prompt)
        begins = np.array([len(trace.problem.prompt), *spans.step_ends(trace)])
        sums = np.concatenate([[0.0], logprobs.astype(np.float64).cumsum()])
        found.append(np.diff(sums[begins]))
    return found


class Likelihood:
    """How probable a language model finds each step: a larger rung judges a smaller.

    Scores are probabilities, so they can be compared within a problem and added in a
    vote; with "prod", the score is the probability of the whole trace so far.

    Parameters
    ----------
    model : str or path
        A rung (see `ladder.names`) or a folder of the ladder's family.
    aggregation : str
        "prod" (the trace's probability), "min" (its least probable step), "mean" or
        "last".
    threads : int, optional

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> right = Trace(problem, "47+38=85\\n85*6=510\\n#510", 23, True)
    >>> wrong = Trace(problem, "47+38=85\\n85*6=520\\n#520", 23, True)
    >>> high, low = Likelihood("380k").verify([right, wrong])
    >>> high > low
    True
    """

    aggregations: tuple[str, ...] = get_args(Aggregation)

    def __init__(
        self,
        model: str | Path,
        *,
        aggregation: Aggregation = "prod",
        threads: int | None = None,
    ) -> None:
        aggregate([0.5], aggregation)
        read = model_folder.read(ladder.folder(model))
        self.name = f"likelihood of {read.name}"
        self.size = Size(read.parameters, read.layers, read.hidden)
        self.aggregation = aggregation
        self._reader = Reader(read, threads=threads)

    def steps(self, traces: Sequence[Trace]) -> Steps:
        """Per trace, the probability of each of its steps."""
        return [np.exp(steps) for steps in _step_logprobs(self._reader, traces)]

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace: its steps' probabilities, aggregated."""
        return [aggregate(steps, self.aggregation) for steps in self.steps(traces)]

    def tokens(self, trace: Trace) -> int:
        """All that is read: prompt and trace."""
        return len(spans.encode(trace))


class Implicit:
    """An implicit PRM: what a model finds more probable than its reference does.

    The reward of a step is beta times the sum of log(p_model / p_reference) over its
    tokens (Yuan et al. 2412.01981, eq. 5; Cui et al. 2502.01456). `verify` gives the
    logistic function of the aggregate, 0 to 1.

    Parameters
    ----------
    model, reference : str or path
        The better and the worse language model: rungs, checkpoints' folders, or a
        tuned model and what it was tuned from.
    beta : float
        Scale of the rewards.
    aggregation : str
        "min" or "mean" of the steps' rewards, "last", or "sum" (the outcome reward).
    threads : int, optional

    Raises
    ------
    ValueError
        For another aggregation, or beta not above 0.
    """

    aggregations: tuple[str, ...] = ("sum", "min", "mean", "last")

    def __init__(
        self,
        model: str | Path,
        reference: str | Path,
        *,
        beta: float = 1.0,
        aggregation: str = "sum",
        threads: int | None = None,
    ) -> None:
        if aggregation not in self.aggregations:
            raise ValueError(
                f"aggregation is {aggregation!r}; accepted are "
                f"{list(self.aggregations)}"
            )
        if not beta > 0:
            raise ValueError(f"beta is {beta!r}; accepted is a number above 0")
        folders = [ladder.folder(one) for one in (model, reference)]
        better, worse = (model_folder.read(folder) for folder in folders)
        self.name = f"implicit PRM, {better.name} / {worse.name}"
        self.size = Size(
            better.parameters + worse.parameters, better.layers, better.hidden
        )
        self.beta, self.aggregation = beta, aggregation
        self._readers = [Reader(one, threads=threads) for one in (better, worse)]

    def steps(self, traces: Sequence[Trace]) -> Steps:
        """Per trace, the reward of each of its steps, in nats times beta."""
        better, worse = (_step_logprobs(one, traces) for one in self._readers)
        return [self.beta * (a - b) for a, b in zip(better, worse, strict=True)]

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace, 0 to 1."""
        scores = []
        for steps in self.steps(traces):
            if self.aggregation == "sum":
                value = float(steps.sum())
            else:
                value = aggregate(steps, self.aggregation)  # type: ignore[arg-type]
            scores.append(float(1 / (1 + np.exp(-np.clip(value, -500, 500)))))
        return scores

    def tokens(self, trace: Trace) -> int:
        """Prompt and trace; both models read them, and `size` counts both."""
        return len(spans.encode(trace))
