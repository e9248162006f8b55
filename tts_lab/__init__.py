"""Test-time scaling of language models, measured live on real small transformers."""

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from tts_lab.sweeps import sweep as sweep


def __getattr__(name: str) -> Any:
    """`tts_lab.sweep`, imported when it is first asked for."""
    if name == "sweep":
        from tts_lab.sweeps import sweep

        return sweep
    raise AttributeError(f"module 'tts_lab' has no attribute {name!r}")
