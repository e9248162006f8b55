"""The rungs: shape and training recipe of each policy of the ladder.

All rungs share tokenizer, data and data order; they differ in size alone. Each
keeps several pretraining checkpoints, so that a bigger model can be weighed against
a longer trained one. Two pairs stand 14x apart in parameters, as the models that
Snell et al. (2408.03314, sec. 7) exchange: 27k and 380k, 105k and 1.5m. Beside the
ladder stand specialists, trained the same way on a domain of their own, and revisers,
thinkers and improved rungs, which were tuned further.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

VOCABULARY_SIZE = 64
CONTEXT = 256
HEAD_DIM = 32
ROPE_THETA = 10_000.0
NORM_EPSILON = 1e-5


def _millions(*tokens: float) -> tuple[int, ...]:
    return tuple(int(t * 1_000_000) for t in tokens)


class Shape(Protocol):
    """What models and configs need to know of a rung, or of anything shaped so."""

    @property
    def hidden(self) -> int: ...
    @property
    def layers(self) -> int: ...
    @property
    def intermediate(self) -> int: ...
    @property
    def heads(self) -> int: ...
    @property
    def context(self) -> int: ...


@dataclass(frozen=True)
class Rung:
    """Shape of one Llama-architecture policy (tied embeddings, no biases)."""

    name: str
    hidden: int
    layers: int
    intermediate: int
    learning_rate: float
    checkpoints: tuple[int, ...]  # tokens seen at each; the last is the rung itself
    domains: tuple[str, ...] = ("chains", "countdown")  # trained on
    context: int = CONTEXT  # most tokens of prompt and trace

    @property
    def heads(self) -> int:
        return self.hidden // HEAD_DIM

    @property
    def parameters(self) -> int:
        """Weights, the tied embedding counted once.

        >>> RUNGS["105k"].parameters
        104768
        """
        block = 4 * self.hidden**2 + 3 * self.hidden * self.intermediate
        norms = 2 * self.hidden * self.layers + self.hidden
        return self.layers * block + norms + VOCABULARY_SIZE * self.hidden


RUNGS: dict[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung("27k", 32, 2, 88, 0.02, _millions(1.5, 3, 6, 12, 24)),
        Rung("105k", 64, 2, 176, 0.02, _millions(1.5, 3, 6, 12)),
        Rung("380k", 96, 3, 304, 0.02, _millions(1.5, 3, 6, 12)),
        Rung("812k", 128, 4, 352, 0.02, _millions(0.75, 1.5, 3, 6)),
        Rung("1.5m", 160, 5, 400, 0.02, _millions(1.5, 3, 6, 12)),
    )
}

#: policies of one domain: shaped and trained as rungs are, but no part of the ladder
SPECIALISTS: dict[str, Rung] = {
    rung.name: rung
    for rung in (
        Rung("programs-105k", 64, 2, 176, 0.02, _millions(12), ("programs",)),
        Rung("grids-812k", 128, 4, 352, 0.02, _millions(12), ("grids",)),
    )
}

#: rungs tuned on trajectories of attempts (`tts_lab.revise`), shaped as their base
REVISERS: dict[str, Rung] = {
    "reviser-380k": replace(
        RUNGS["380k"], name="reviser-380k", learning_rate=0.008,
        checkpoints=_millions(7.2),
    ),
}  # fmt: skip

#: rungs tuned on self-checking traces (`tts_lab.think`), with room for long ones
THINKERS: dict[str, Rung] = {
    "thinker-380k": replace(
        RUNGS["380k"], name="thinker-380k", learning_rate=0.01,
        checkpoints=_millions(8), context=1024,
    ),
}  # fmt: skip

#: rungs after one round of self-improvement (`tts_lab.improve`), shaped as their base
IMPROVED: dict[str, Rung] = {
    "improved-105k": replace(
        RUNGS["105k"], name="improved-105k", learning_rate=0.004,
        checkpoints=_millions(3),
    ),
}  # fmt: skip

#: all that `rung` knows
EVERY = RUNGS | SPECIALISTS | REVISERS | THINKERS | IMPROVED


def rung(name: str) -> Rung:
    """The rung or other policy of a name, or a ValueError that lists them.

    >>> rung("105k").hidden
    64
    """
    if name not in EVERY:
        raise ValueError(f"rung {name!r} is unknown; there are {list(EVERY)}")
    return EVERY[name]
