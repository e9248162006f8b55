"""The exact checker of each problem's domain, as a verifier that costs no tokens."""

from __future__ import annotations

from collections.abc import Sequence

from tts_lab import interrupt, problems
from tts_lab.traces import Trace


class Exact:
    """Scores 1.0 for a right trace and 0.0 for a wrong or unfinished one.

    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "47+38\\n", 1)
    >>> Exact().verify([Trace(problem, "47+38=85\\n#85", 13, True)])
    [1.0]
    """

    name = "exact"

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace: 1.0 right, 0.0 wrong or cut off."""
        scores = []
        for t in traces:
            interrupt.check()
            right = t.finished and problems.domain(t.problem.domain).check(
                t.problem, t.text
            )
            scores.append(float(right))
        return scores

    def tokens(self, trace: Trace) -> int:
        """Nothing: a checker is no model."""
        return 0
