"""A proposer that follows a script: for exact tests of strategies and of the driver.

Promises: what a row says depends on the script alone, so the best answer that a
search can find is known beforehand; calls and rows are counted; one character is one
token, as in the ladder. There is no model behind it: temperature changes nothing, and
log-probabilities are -1 nat per token.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from struct import pack
from threading import Event

import numpy as np

from tts_lab.proposers import Job, Samples, Size

#: (prompt, text so far, row, stream) -> everything that follows, to the end
Script = Callable[[str, str, int, int], str]


def random_script(prompt: str, text: str, row: int, stream: int) -> str:
    """Zero to two lines with a number, then one of ten answers, `#0` to `#9`.

    A function of `stream` and `row` alone, as the rows of a real model are.

    >>> random_script("", "", row=0, stream=1), random_script("", "", row=1, stream=1)
    ('#6', '177\\n211\\n#3')
    """
    digest = blake2b(pack("<Qq", stream, row), digest_size=8).digest()
    lines = [f"{number}\n" for number in digest[1 : 1 + digest[0] % 3]]
    return "".join(lines) + f"#{digest[7] % 10}"


class Scripted:
    """Writes what a function or a table says.

    Parameters
    ----------
    script : function or mapping
        `script(prompt, text, row, stream)` returns all that follows the text; with
        `until="step"` only its first step is written. A mapping has, for each prompt
        (and text, joined), a sequence of continuations: row i gets number i, and
        from the start again when there are no more.
    name : str
        Also the fingerprint, so give scripts that share a bank different names.
    rows_per_chunk : int
    seconds_per_chunk : float
        How long to pretend to work before each chunk; cut short by `cancel`.
    size : Size, optional
        What it pretends to be; default 1000 parameters, 2 layers, hidden 8.

    Attributes
    ----------
    calls, rows : int
        How often `propose` was called, and rows written in all.

    Examples
    --------
    >>> proposer = Scripted({"47+38\\n": ["47+38=85\\n#85", "47+38=84\\n#84"]})
    >>> jobs = [Job("47+38\\n", "", stream=1, rows=range(3))]
    >>> [samples.text for samples in proposer.propose(jobs)]
    [['47+38=85\\n#85', '47+38=84\\n#84', '47+38=85\\n#85']]
    >>> proposer.calls, proposer.rows
    (1, 3)
    """

    def __init__(
        self,
        script: Script | Mapping[str, Sequence[str]],
        *,
        name: str = "scripted",
        rows_per_chunk: int = 64,
        seconds_per_chunk: float = 0.0,
        size: Size | None = None,
    ) -> None:
        if rows_per_chunk < 1:
            raise ValueError(f"rows_per_chunk must be 1 or more, got {rows_per_chunk}")
        self._script = script if callable(script) else _read_table(script)
        self._rows_per_chunk = rows_per_chunk
        self._seconds_per_chunk = seconds_per_chunk
        self.name = name
        self.size = size or Size(parameters=1000, layers=2, hidden=8)
        self.calls = 0
        self.rows = 0

    @property
    def fingerprint(self) -> str:
        """The name: a script cannot be hashed."""
        return f"scripted:{self.name}"

    def count_tokens(self, prompt: str, text: str = "") -> int:
        """One token per character and one in front, as in the ladder."""
        return len(prompt) + len(text) + 1

    def propose(
        self, jobs: Sequence[Job], *, cancel: Event | None = None
    ) -> Iterator[Samples]:
        """Every row of every job once, in order, in chunks."""
        self.calls += 1
        rows = [(index, row) for index, job in enumerate(jobs) for row in job.rows]
        pause = time.sleep if cancel is None else cancel.wait
        for start in range(0, len(rows), self._rows_per_chunk):
            if self._seconds_per_chunk:
                pause(self._seconds_per_chunk)
            if cancel is not None and cancel.is_set():
                return
            chunk = rows[start : start + self._rows_per_chunk]
            written = [self._write(jobs[index], row) for index, row in chunk]
            self.rows += len(chunk)
            text, finished = zip(*written, strict=True)
            ended = np.array(finished, np.bool_)
            tokens = np.array([len(one) for one in text], np.int32) + ended
            yield Samples(
                job=np.array([index for index, _ in chunk], np.int32),
                row=np.array([row for _, row in chunk], np.int64),
                text=list(text),
                tokens=tokens.astype(np.int32),
                finished=ended,
                logprob=-tokens.astype(np.float32),
            )

    def _write(self, job: Job, row: int) -> tuple[str, bool]:
        text, finished = self._script(job.prompt, job.text, row, job.stream), True
        if job.until == "step" and job.delimiter in text:
            end = text.index(job.delimiter) + len(job.delimiter)
            text, finished = text[:end], False
        # the end-of-text token counts: it has to fit as well
        if job.max_tokens is not None and len(text) + finished > job.max_tokens:
            text, finished = text[: job.max_tokens], False
        return text, finished


def _read_table(table: Mapping[str, Sequence[str]]) -> Script:
    def script(prompt: str, text: str, row: int, stream: int) -> str:
        if prompt + text not in table:
            raise ValueError(
                f"the script has nothing after {prompt + text!r}; it has "
                f"{list(table)[:10]}"
            )
        continuations = table[prompt + text]
        return continuations[row % len(continuations)]

    return script
