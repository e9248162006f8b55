"""Learned verifiers of the ladder: a score for every step, on the built-in engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tts_lab.ladder import model_folder
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.reader import Reader
from tts_lab.prm import spans, train
from tts_lab.prm.dataset import step_states
from tts_lab.prm.head import Head
from tts_lab.prm.recipes import RECIPES
from tts_lab.proposers import Size
from tts_lab.select import Aggregation, aggregate
from tts_lab.traces import Trace


class PRM:
    """A process reward model: the probability that a trace is right up to each step.

    Parameters
    ----------
    model : str, path or Model
        A shipped one by name (see `tts_lab.prm.recipes`), one fresh from
        `tts_lab.prm.train.whole`, or a `LlamaForTokenClassification` folder with one
        label; `tts_lab.prm.train.export` writes such, and transformers loads them too.
    aggregation : str
        How `verify` makes one score of a trace's steps: "last", "min", "prod" or
        "mean". These models score everything up to the step, so the last one is the
        trace's.
    threads : int, optional
        Cores to use; all by default.

    Raises
    ------
    ModelError
        If a folder holds no such model.
    ValueError
        For another aggregation.

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "47+38*6\\n", 2)
    >>> wrong = Trace(problem, "47+38=85\\n85*6=520\\n#520", 23, True)
    >>> PRM("prm-b").steps([wrong])[0] > 0.5
    array([ True, False, False])
    """

    aggregations: tuple[str, ...] = get_args(Aggregation)

    def __init__(
        self,
        model: str | Path | Model,
        *,
        aggregation: Aggregation = "last",
        threads: int | None = None,
    ) -> None:
        aggregate([0.5], aggregation)
        if isinstance(model, str) and model in RECIPES:
            model = train.whole(train.shipped(model))
        elif not isinstance(model, Model):
            model = model_folder.read(model, model_folder.VERIFIER)
        self.name = model.name
        self.size = Size(model.parameters, model.layers, model.hidden)
        self.aggregation = aggregation
        self._reader = Reader(model, threads=threads)
        weights = model.weights
        self._head = Head(weights["score.weight"][0], float(weights["score.bias"][0]))

    def steps(self, traces: Sequence[Trace]) -> list[NDArray[np.float32]]:
        """Per trace, a probability for each of its steps; none for an empty trace."""
        states = step_states(self._reader, traces)
        return [self._head.probability(one) for one in states]

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace: its steps' scores, aggregated."""
        return [aggregate(scores, self.aggregation) for scores in self.steps(traces)]

    def tokens(self, trace: Trace) -> int:
        """All that is read: prompt and trace."""
        return len(spans.encode(trace))
