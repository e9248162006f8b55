"""A verifier that repeats what a published run recorded: scores, or what was right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tts_lab.select import Aggregation
from tts_lab.traces import Trace

if TYPE_CHECKING:
    from tts_lab.importers import Imported


class Recorded:
    """Scores of the traces that `tts_lab.importers.read` has read; it reads no tokens.

    Parameters
    ----------
    imported : Imported
    aggregation : str, optional
        Of the recorded scores of steps: "last", "min", "prod" or "mean". None: 1.0
        for what the file says is right, else 0.0.

    Raises
    ------
    ValueError
        If the run records no scores, or not what is right; later for a trace that is
        not of this run.
    """

    def __init__(
        self, imported: Imported, *, aggregation: Aggregation | None = None
    ) -> None:
        if aggregation is not None:
            scores = imported.aggregated(aggregation)
        elif imported.correct is not None:
            scores = [[float(right) for right in one] for one in imported.correct]
        else:
            raise ValueError(
                f"{imported.name!r} does not record what is right; use "
                "tts_lab.verifiers.exact.Exact, or aggregation= for its scores"
            )
        self.name = f"{imported.name}, {aggregation or 'correct'}"
        self._scores: dict[tuple[str, str], float] = {}
        for traces, some in zip(imported.traces, scores, strict=True):
            for trace, score in zip(traces, some, strict=True):
                self._scores.setdefault((trace.problem.prompt, trace.text), score)

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One recorded score per trace."""
        found = [self._scores.get((t.problem.prompt, t.text)) for t in traces]
        for trace, score in zip(traces, found, strict=True):
            if score is None:
                raise ValueError(
                    f"{self.name!r} has no score of the text {trace.text[:80]!r}"
                )
        return [score for score in found if score is not None]

    def tokens(self, trace: Trace) -> int:
        """Nothing: what the run's verifier read is not recorded."""
        return 0
