"""What flows through the lab: problems, traces, steps, requests and events.

Everything here is a frozen dataclass without behaviour beyond reading itself. A
strategy imports this module and nothing else of the package.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Until = Literal["end", "step"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a domain; the prompt is what the model is given.

    `answer` is the right one where no checker can work it out from the prompt; models
    never see it. `delimiter` ends a step of the problem's traces: a line break here,
    a blank line for most chat models (see `tts_lab.formats`).

    >>> Problem("chains", "47+38\\n", 1).id
    'chains:47+38'
    """

    domain: str
    prompt: str
    level: int | None = None
    answer: str | None = None
    delimiter: str = "\n"

    @property
    def id(self) -> str:
        return f"{self.domain}:{self.prompt.strip()}"


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a trace, by default a line; the answer line is a step too."""

    index: int
    text: str


@dataclass(frozen=True, slots=True)
class Trace:
    """What a model has written after a problem's prompt so far.

    `tokens` counts generated tokens, the end-of-text token included; `logprob` is
    the sum of their log-probabilities (nats) at the temperature they were drawn
    with; `finished` says that the model ended the trace itself.

    >>> trace = Trace(Problem("chains", "47+38\\n", 1), "47+38=85\\n#85", 13, True)
    >>> [step.text for step in trace.steps]
    ['47+38=85', '#85']
    """

    problem: Problem
    text: str = ""
    tokens: int = 0
    finished: bool = False
    logprob: float = 0.0

    @property
    def steps(self) -> tuple[Step, ...]:
        """The complete and incomplete steps written so far; no empty last step."""
        end = self.problem.delimiter
        parts = self.text.removesuffix(end).split(end) if self.text else []
        if end != "\n":  # chat models leave more blank lines than one
            parts = [part.strip("\n") for part in parts if part.strip()]
        return tuple(Step(i, part) for i, part in enumerate(parts))


@dataclass(frozen=True, slots=True)
class Propose:
    """Ask the policy to go on from each parent, `samples` times each.

    Answered with a flat list of `len(parents) * samples` traces, the children of
    the first parent first. Asking again for the same parent gives new samples.
    `until="step"` stops each child after its next step (see `Problem.delimiter`).
    """

    parents: Sequence[Trace]
    samples: int = 1
    until: Until = "end"
    temperature: float = 1.0
    max_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Verify:
    """Ask the verifier for one score (float) per trace, in order."""

    traces: Sequence[Trace]


#: what a strategy is: called with a problem, yields requests, returns its result
Strategy = Generator[Propose | Verify, Any, Any]


@dataclass(frozen=True, slots=True)
class Sampled:
    """Event: traces of problem number `index` are ready.

    `tokens` were generated for them; those `from_bank` cost no model call.
    """

    index: int
    traces: Sequence[Trace]
    from_bank: bool = False
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Scored:
    """Event: the verifier read `tokens` to score traces of problem number `index`."""

    index: int
    traces: Sequence[Trace]
    scores: Sequence[float]
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Done:
    """Event: the strategy of problem number `index` returned `value`."""

    index: int
    value: Any


Event = Sampled | Scored | Done
