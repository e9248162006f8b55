"""Every row that a run draws, with the text it goes on from.

Promises: a row is kept exactly as a bank would keep it, under the same key, so that a
bank may be filled from it later; the order is that of the strategies' requests,
whatever order the rows arrived in. Not covered: what a strategy made of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from tts_lab.bank import Bank
from tts_lab.proposers import Samples
from tts_lab.traces import Problem, Propose, Strategy


class Row(NamedTuple):
    """A row drawn: `text` was written after the prompt and `prefix`."""

    problem: int
    prefix: str
    key: bytes
    row: int
    text: str
    tokens: int
    finished: bool
    logprob: float


class Tape:
    """Stands where a run expects a bank, and listens to its strategies.

    Parameters
    ----------
    bank : Bank, optional
        Asked for rows first, and given new ones.

    Examples
    --------
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.run import run
    >>> from tts_lab.traces import Trace
    >>> def two(problem):
    ...     [trace] = yield Propose([Trace(problem)], until="step")
    ...     yield Propose([trace])
    >>> tape = Tape()
    >>> _ = run(tape.of(two), [Problem("chains", "1+2\\n")], seed=0, bank=tape,
    ...         proposer=Scripted({"1+2\\n": ["1+2=3\\n"], "1+2\\n1+2=3\\n": ["#3"]}))
    >>> [(row.prefix, row.text) for row in tape.rows()]
    [('', '1+2=3\\n'), ('1+2=3\\n', '#3')]
    """

    def __init__(self, bank: Bank | None = None) -> None:
        self.bank = bank
        self.read_only = False
        self._begun = 0
        self._asked: dict[int, Propose] = {}  # of this round, by problem
        self._streams: dict[bytes, tuple[int, int, str]] = {}  # number, problem, prefix
        self._rows: list[tuple[int, Row]] = []

    def of(
        self, strategy: Callable[[Problem], Strategy]
    ) -> Callable[[Problem], Strategy]:
        """The strategy, listened to; a run calls it once for each problem in order."""

        def begin(problem: Problem) -> Strategy:
            index = self._begun
            self._begun += 1
            return self._listen(index, strategy(problem))

        return begin

    def _listen(self, index: int, inner: Strategy) -> Strategy:
        answer: Any = None
        while True:
            try:
                request = inner.send(answer)
            except StopIteration as stop:
                return stop.value
            if isinstance(request, Propose):
                self._asked[index] = request
            answer = yield request

    def get_many(
        self, keys: Sequence[bytes], rows: Sequence[range]
    ) -> Iterator[Samples]:
        """What the bank has; and note what each key stands for."""
        asked = [
            (index, parent.text)
            for index, request in sorted(self._asked.items())
            for parent in request.parents
            if not parent.finished
        ]
        self._asked.clear()
        for key, (problem, prefix) in zip(keys, asked, strict=True):
            self._streams.setdefault(key, (len(self._streams), problem, prefix))
        if self.bank is not None:
            for samples in self.bank.get_many(keys, rows):
                self._keep(keys, samples)
                yield samples

    def put_many(self, keys: Sequence[bytes], samples: Samples) -> None:
        """Keep rows, in the bank too."""
        if self.bank is not None and not self.bank.read_only:
            self.bank.put_many(keys, samples)
        self._keep(keys, samples)

    def _keep(self, keys: Sequence[bytes], samples: Samples) -> None:
        columns = (
            samples.job.tolist(), samples.row.tolist(), samples.text,
            samples.tokens.tolist(), samples.finished.tolist(),
            samples.logprob.tolist(),
        )  # fmt: skip
        for job, *rest in zip(*columns, strict=True):
            number, problem, prefix = self._streams[keys[job]]
            self._rows.append((number, Row(problem, prefix, keys[job], *rest)))

    def rows(self) -> list[Row]:
        """All rows: by problem, then by stream in the order asked, then by number."""
        order = sorted(self._rows, key=lambda one: (one[1].problem, one[0], one[1].row))
        return [row for _, row in order]
