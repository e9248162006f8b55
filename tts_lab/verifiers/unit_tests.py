"""Unit tests as a verifier: what a program's shown examples say, and no more."""

from __future__ import annotations

from collections.abc import Sequence

from tts_lab import interrupt
from tts_lab.problems import programs
from tts_lab.traces import Trace


class UnitTests:
    """Scores a program 1.0 when it passes the shown examples, and 0.0 when not.

    It never rejects a right program. It accepts wrong ones that happen to agree with
    the shown examples, the more the fewer examples it uses (false positives: Brown et
    al. 2407.21787 sec. 6, Stroebl et al. 2411.17501).

    Parameters
    ----------
    first : int, optional
        Use only so many of the prompt's examples, from the first on; all by default.
        Of a prompt that shows fewer, all are used.
    share : bool
        Score the share of the examples that are passed instead.

    Raises
    ------
    ValueError
        If `first` is less than 1; when verifying, for a trace of another domain.

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("programs", "x:1>3,2>5,4>9\\n", 1)
    >>> traces = [Trace(problem, text, 6, True) for text in ("#2*x+1", "#x+2")]
    >>> UnitTests().verify(traces), UnitTests(first=1).verify(traces)
    ([1.0, 0.0], [1.0, 1.0])
    """

    def __init__(self, *, first: int | None = None, share: bool = False) -> None:
        if first is not None and first < 1:
            raise ValueError(f"first is {first!r}; accepted is 1 or more, or None")
        self.first, self.share = first, share
        used = "all" if first is None else f"first {first}"
        self.name = f"unit tests ({used}{', share passed' if share else ''})"

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace; 0.0 for what is cut off or is no expression."""
        return [self._score(trace) for trace in traces]

    def tokens(self, trace: Trace) -> int:
        """Nothing: tests are run, no model is asked."""
        return 0

    def _score(self, trace: Trace) -> float:
        interrupt.check()
        if trace.problem.domain != programs.NAME:
            raise ValueError(
                f"{trace.problem.id!r} has no unit tests; domain 'programs' has"
            )
        passed = programs.passed(trace.problem, trace.text)[: self.first]
        if not trace.finished:
            return 0.0
        return sum(passed) / len(passed) if self.share else float(all(passed))
