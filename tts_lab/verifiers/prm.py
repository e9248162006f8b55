"""Learned verifiers of the ladder: a score for every step, on the built-in engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tts_lab.ladder import model_folder
from tts_lab.ladder.reader import Reader
from tts_lab.prm import spans
from tts_lab.proposers import Size
from tts_lab.select import Aggregation, aggregate
from tts_lab.traces import Trace


class PRM:
    """A process reward model: the probability that a trace is right up to each step.

    Parameters
    ----------
    folder : path
        A `LlamaForTokenClassification` folder with one label, as
        `tts_lab.prm.train.save` writes it; transformers loads it too.
    aggregation : str
        How `verify` makes one score of a trace's steps: "last", "min", "prod" or
        "mean". These models score everything up to the step, so the last one is the
        trace's.
    threads : int, optional
        Cores to use; all by default.

    Raises
    ------
    ModelError
        If the folder holds no such model.
    ValueError
        For another aggregation.
    """

    aggregations: tuple[str, ...] = get_args(Aggregation)

    def __init__(
        self,
        folder: str | Path,
        *,
        aggregation: Aggregation = "last",
        threads: int | None = None,
    ) -> None:
        aggregate([0.5], aggregation)
        model = model_folder.read(folder, model_folder.VERIFIER)
        self.name = model.name
        self.size = Size(model.parameters, model.layers, model.hidden)
        self.aggregation = aggregation
        self._reader = Reader(model, threads=threads)
        self._head = model.weights["score.weight"][0]
        self._bias = float(model.weights["score.bias"][0])

    def steps(self, traces: Sequence[Trace]) -> list[NDArray[np.float32]]:
        """Per trace, a probability for each of its steps; none for an empty trace."""
        ends = [spans.step_ends(trace) for trace in traces]

        def use(i: int, states: NDArray[np.float32]) -> NDArray[np.float32]:
            logits = states[ends[i]] @ self._head + self._bias
            probabilities: NDArray[np.float32] = 1 / (1 + np.exp(-logits))
            return probabilities

        return self._reader.read([spans.encode(trace) for trace in traces], use)

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace: its steps' scores, aggregated."""
        return [aggregate(scores, self.aggregation) for scores in self.steps(traces)]

    def tokens(self, trace: Trace) -> int:
        """All that is read: prompt and trace."""
        return len(spans.encode(trace))
