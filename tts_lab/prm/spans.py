"""Where the steps of a trace lie among the tokens that a verifier reads.

The ladder's tokens are characters, so step `i` is the characters of its line and the
line feed (or end of text) behind it; its score is read at that last token.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from tts_lab import interrupt
from tts_lab.ladder import tokenizer
from tts_lab.traces import Trace


def encode(trace: Trace) -> bytes:
    """BOS, prompt, trace, and end of text if it is finished.

    Raises
    ------
    ValueError
        When the text has characters that the tokenizer lacks.
    """
    end = bytes([tokenizer.EOS]) if trace.finished else b""
    text = trace.problem.prompt + trace.text
    return bytes([tokenizer.BOS]) + tokenizer.encode(text) + end


def encode_all(traces: Iterable[Trace]) -> list[bytes]:
    """Each of them; can be broken off in between, see `tts_lab.interrupt`."""
    found = []
    for trace in traces:
        interrupt.check()
        found.append(encode(trace))
    return found


def step_ends(trace: Trace) -> NDArray[np.int64]:
    """The position of each step's last token in `encode(trace)`.

    >>> from tts_lab.traces import Problem
    >>> trace = Trace(Problem("chains", "47+38\\n", 1), "47+38=85\\n#85", 13, True)
    >>> step_ends(trace)
    array([15, 19])
    >>> encode(trace)[15] == tokenizer.encode("\\n")[0], encode(trace)[19]
    (True, 2)
    """
    before = len(trace.problem.prompt)  # BOS stands at 0
    lengths = np.array([len(step.text) + 1 for step in trace.steps], np.int64)
    ends = before + lengths.cumsum()
    if len(ends) and not trace.finished and not trace.text.endswith("\n"):
        ends[-1] -= 1  # cut off within the line: the last token there is
    return ends
