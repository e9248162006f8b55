"""A proposer that replays recorded samples of a published run.

Row i of a problem is the i-th sample recorded, whatever the seed and the temperature
asked for: the samples have the temperature they were drawn with. Log-probabilities are
not recorded and 0. Not covered: steps and continuations, which no record holds, so
searches cannot be replayed; repeated sampling, votes and best-of-n can.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Event
from typing import TYPE_CHECKING

import numpy as np

from tts_lab.proposers import Job, Samples, Size

if TYPE_CHECKING:
    from tts_lab.importers import Imported

_ROWS_PER_CHUNK = 1024


class Recorded:
    """Replays what `tts_lab.importers.read` has read.

    Parameters
    ----------
    imported : Imported
    size : Size, optional
        Of the model that wrote the samples, which no format records. Without it, one
        parameter: FLOPs are then those for each parameter of the model.

    Raises
    ------
    ValueError
        When asked for a problem that is not recorded, more samples than recorded,
        steps, continuations, or fewer tokens than a sample has.

    Examples
    --------
    >>> from tts_lab.importers import Imported
    >>> from tts_lab.traces import Problem, Trace
    >>> problem = Problem("text", "6*7?", answer="42")
    >>> traces = [Trace(problem, "#### 42", 6, True), Trace(problem, "41", 3, True)]
    >>> run = Imported("mine", "1", [problem], [traces], None, None, [[6, 3]], False)
    >>> jobs = [Job("6*7?", "", stream=1, rows=range(2))]
    >>> [samples.text for samples in Recorded(run).propose(jobs)]
    [['#### 42', '41']]
    """

    def __init__(self, imported: Imported, *, size: Size | None = None) -> None:
        self.name = imported.name
        self.fingerprint = f"recorded:{imported.fingerprint}"
        self.size = size or Size(parameters=1, layers=0, hidden=0)
        self._traces = {
            problem.prompt: traces
            for problem, traces in zip(imported.problems, imported.traces, strict=True)
        }

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """An estimate for the prompt; of a recorded text what is recorded."""
        from tts_lab.importers import count_words

        if not text:
            return count_words(prompt)
        known = [t.tokens for t in self._traces.get(prompt, ()) if t.text == text]
        return count_words(prompt) + (known[0] if known else count_words(text))

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Every row of every job once, in order, in chunks."""
        for job in jobs:
            self._check(job)
        for index, job in enumerate(jobs):
            traces = self._traces[job.prompt]
            for start in range(job.rows.start, job.rows.stop, _ROWS_PER_CHUNK):
                if cancel is not None and cancel.is_set():
                    return
                rows = range(start, min(start + _ROWS_PER_CHUNK, job.rows.stop))
                some = traces[rows.start : rows.stop]
                yield Samples(
                    job=np.full(len(rows), index, np.int32),
                    row=np.array(rows, np.int64),
                    text=[trace.text for trace in some],
                    tokens=np.array([trace.tokens for trace in some], np.int32),
                    finished=np.ones(len(rows), np.bool_),
                    logprob=np.zeros(len(rows), np.float32),
                )

    def _check(self, job: Job) -> None:
        traces = self._traces.get(job.prompt)
        if traces is None:
            raise ValueError(
                f"{self.name!r} records no samples of {job.prompt[:80]!r}; it has "
                f"{len(self._traces)} other problems"
            )
        if job.until == "step" or job.text:
            what = "steps" if job.until == "step" else "continuations"
            raise ValueError(
                f"{self.name!r} is a recorded run: whole samples can be replayed, "
                f"{what} cannot (searches need a model)"
            )
        if job.rows.stop > len(traces):
            raise ValueError(
                f"{job.rows.stop} samples of {job.prompt[:80]!r} were asked for, and "
                f"{self.name!r} has recorded {len(traces)}"
            )
        if job.max_tokens is not None:
            some = traces[job.rows.start : job.rows.stop]
            longest = max((trace.tokens for trace in some), default=0)
            if longest > job.max_tokens:
                raise ValueError(
                    f"max_tokens={job.max_tokens}: a recorded sample has {longest} "
                    "tokens and cannot be cut; accepted is None or at least that"
                )
