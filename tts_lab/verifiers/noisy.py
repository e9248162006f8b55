"""The exact checker, made wrong on purpose: how good must a verifier be?"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b

from tts_lab.traces import Trace
from tts_lab.verifiers.exact import Exact


class Noisy:
    """Calls right traces wrong and wrong traces right, at rates you dial.

    The same trace is always judged the same way, so asking again does not help: that
    is how a verifier errs that has a blind spot.

    Parameters
    ----------
    false_positives : float
        Share of wrong traces that are called right, 0 to 1.
    false_negatives : float
        Share of right traces that are called wrong, 0 to 1.
    seed : int
        Another seed, other mistakes.

    Raises
    ------
    ValueError
        For a rate out of range.

    Examples
    --------
    >>> from tts_lab.traces import Problem
    >>> problem = Problem("chains", "47+38\\n", 1)
    >>> wrong = [Trace(problem, f"47+38={i}\\n#{i}", 13, True) for i in range(500, 999)]
    >>> sum(Noisy(false_positives=0.1).verify(wrong))
    51.0
    """

    def __init__(
        self,
        *,
        false_positives: float = 0.0,
        false_negatives: float = 0.0,
        seed: int = 0,
    ) -> None:
        for name, rate in (
            ("false_positives", false_positives),
            ("false_negatives", false_negatives),
        ):
            if not 0 <= rate <= 1:
                raise ValueError(f"{name} is {rate!r}; accepted is 0 to 1")
        self.false_positives, self.false_negatives = false_positives, false_negatives
        self.seed = seed
        self.name = f"noisy (FP {false_positives:g}, FN {false_negatives:g})"

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace, 1.0 or 0.0."""
        return [
            1 - truth if self._draw(trace) < self._rate(truth) else truth
            for trace, truth in zip(traces, Exact().verify(traces), strict=True)
        ]

    def tokens(self, trace: Trace) -> int:
        """Nothing: no model is asked."""
        return 0

    def _rate(self, truth: float) -> float:
        return self.false_negatives if truth else self.false_positives

    def _draw(self, trace: Trace) -> float:
        """A number in [0, 1) that depends on the seed and the trace alone."""
        text = f"{self.seed}\0{trace.problem.id}\0{trace.text}\0{trace.finished}"
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8)
        return int.from_bytes(digest.digest(), "little") / 2**64
