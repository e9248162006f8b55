"""Solutions that are longer than a reward model reads: an error, or piece by piece."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

from tts_lab.traces import Trace
from tts_lab.verifiers.prm_families import Solution
from tts_lab.verifiers.prm_tokens import Reading

TooLong = Literal["error", "truncate"]


class Cutter:
    """Cuts traces into readings that fit.

    Parameters
    ----------
    render : callable
        A solution in, a reading out.
    limit : int
        Most tokens of a reading.
    too_long : str
        "error", or "truncate": the question with as many steps as fit, then the
        question with the later half of those and the steps that follow, and so on.
    name : str
        The model's, for errors.

    Raises
    ------
    ValueError
        For another `too_long`.
    """

    def __init__(
        self,
        render: Callable[[Solution], Reading],
        *,
        limit: int,
        too_long: TooLong,
        name: str,
    ) -> None:
        if too_long not in get_args(TooLong):
            raise ValueError(
                f"too_long is {too_long!r}; accepted are {list(get_args(TooLong))}"
            )
        self._render, self._limit = render, limit
        self._too_long, self._name = too_long, name

    def cut(self, trace: Trace) -> list[tuple[Reading, int]]:
        """Readings, each with how many of its steps an earlier one has scored.

        Raises
        ------
        ValueError
            If the trace is too long and that is an error, or if one of its steps does
            not fit beside its question.
        """
        count = len(trace.steps)
        pieces: list[tuple[Reading, int]] = []
        first = scored = 0
        while scored < count:
            whole = self._read(trace, first, count)
            if len(whole.ids) <= self._limit:
                return [*pieces, (whole, scored - first)]
            if self._too_long == "error":
                raise ValueError(
                    f"a trace of {len(whole.ids)} tokens, {_quoted(trace)}: "
                    f"{self._name!r} reads at most {self._limit}; accepted are shorter "
                    'traces (max_tokens), or too_long="truncate"'
                )
            last = self._last(trace, first, scored)
            if last == scored:  # no room for another step beside those before it
                if first == scored:
                    raise ValueError(
                        f"step {scored + 1} of {_quoted(trace)} does not fit beside "
                        f"its question: {self._name!r} reads at most {self._limit} "
                        "tokens"
                    )
                first += 1
                continue
            pieces.append((self._read(trace, first, last), scored - first))
            first, scored = (first + last + 1) // 2, last
        return pieces

    def _last(self, trace: Trace, first: int, scored: int) -> int:
        """The end of the longest reading from `first` on; `scored` if it has no new."""
        low, high = scored, len(trace.steps) - 1
        while low < high:
            middle = (low + high + 1) // 2
            if len(self._read(trace, first, middle).ids) <= self._limit:
                low = middle
            else:
                high = middle - 1
        return low

    def _read(self, trace: Trace, first: int, last: int) -> Reading:
        steps = trace.steps
        whole = last == len(steps)
        solution = Solution(
            trace.problem.prompt,
            [step.text for step in steps[first:last]],
            closed=not whole or trace.text.endswith(trace.problem.delimiter),
            finished=whole and trace.finished,
        )
        reading = self._render(solution)
        # one score a step is what everything that follows relies on
        assert len(reading.at) == last - first
        return reading


def _quoted(trace: Trace) -> str:
    text = trace.text if len(trace.text) <= 60 else trace.text[:57] + "..."
    return f"{text!r} (problem {trace.problem.id[:60]!r})"
