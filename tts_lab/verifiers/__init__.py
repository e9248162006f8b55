"""Verifiers: what tells right traces from wrong ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tts_lab.traces import Trace


class Verifier(Protocol):
    """What the driver needs of a verifier."""

    @property
    def name(self) -> str: ...

    def verify(self, traces: Sequence[Trace]) -> list[float]:
        """One score per trace, higher is better; a probability where it is one.

        What takes long should call `tts_lab.interrupt.check` now and then.
        """

    def tokens(self, trace: Trace) -> int:
        """Tokens the verifier's own model reads for this trace; 0 when it has none."""
