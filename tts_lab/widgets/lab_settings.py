"""What the strategy lab can be set to, checked when it is made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import get_args

from tts_lab import problems, select, strategies
from tts_lab.problems import grids
from tts_lab.race import Rule
from tts_lab.traces import Problem, Strategy
from tts_lab.widgets.controls import MAX_SEED
from tts_lab.widgets.parts import within

MAX_N = 256

#: what the lab offers; each is called with the problem, n, and width if it takes one
STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "best-of-n": strategies.repeated_sampling,
    "beam search": strategies.beam_search,
    "lookahead": strategies.lookahead_search,
    "DVTS": strategies.dvts,
    "REBASE": strategies.rebase,
    "MCTS": strategies.mcts,
}
RULES: tuple[str, ...] = get_args(Rule)
OWN = "own"  # aggregation: as the verifier was made
AGGREGATIONS = (OWN, *get_args(select.Aggregation))


@dataclass(frozen=True)
class Settings:
    """One run of the strategy lab.

    Parameters
    ----------
    policy, verifier, strategy : str
    domain : str
    level, number : int
        Problem `number` (from 1) of the level's evaluation set.
    typed : str
        A problem of one's own instead, of grids with its answer; empty for none.
    n, width : int
    aggregation : str
        Of a verifier's step scores; "own" leaves it as the verifier was made.
    rule : str
        How the answer is chosen in the end.
    seed : int
    given : tuple of Problem
        Instead of a domain and level; then `number` counts in them.

    Raises
    ------
    ValueError
        For a value out of range; the message quotes it and lists what is accepted.

    Examples
    --------
    >>> Settings(n=16, width=32)
    Traceback (most recent call last):
        ...
    ValueError: width=32; accepted is 1 to 16 (n)
    """

    policy: str = "105k"
    verifier: str = "likelihood-380k"
    strategy: str = "beam search"
    domain: str = "countdown"
    level: int = 3
    number: int = 1
    typed: str = ""
    n: int = 16
    width: int = 4
    aggregation: str = OWN
    rule: str = "best-of-n"
    seed: int = 0
    given: tuple[Problem, ...] = ()

    def __post_init__(self) -> None:
        within("n", self.n, 1, MAX_N)
        if not 1 <= self.width <= self.n:
            raise ValueError(f"width={self.width!r}; accepted is 1 to {self.n} (n)")
        _among("rule", self.rule, RULES)
        _among("aggregation", self.aggregation, AGGREGATIONS)
        within("seed", self.seed, 0, MAX_SEED)
        self.problem()

    def problem(self) -> Problem:
        """The typed problem, or the one of that number."""
        if self.given:
            within("number", self.number, 1, len(self.given))
            return self.given[self.number - 1]
        if self.typed.strip():
            prompt = self.typed.strip()
            if self.domain == grids.NAME:  # no checker knows the answer of a prompt
                return grids.problem(prompt)
            problems.domain(self.domain).parse(prompt)
            return Problem(self.domain, prompt + "\n")
        every = problems.evaluation_set(self.domain, self.level)
        within("number", self.number, 1, len(every))
        return every[self.number - 1]

    def caption(self) -> str:
        """All of it on one line."""
        where = "your problem" if self.typed.strip() else f"problem {self.number}"
        where = f"{self.domain} level {self.level}, {where}"
        if self.given:
            where = f"problem {self.number} of {len(self.given)} given"
        return (
            f"{self.policy} · {self.verifier} · {self.strategy}, n {self.n}, width "
            f"{self.width} · {where} · "
            f"aggregation {self.aggregation}, {self.rule} · seed {self.seed}"
        )


def prepared(
    strategy: Callable[..., Strategy], settings: Settings
) -> Callable[[Problem], Strategy]:
    """A strategy with n and width filled in, as far as it takes them."""
    takes = inspect.signature(strategy).parameters
    anything = any(p.kind is p.VAR_KEYWORD for p in takes.values())
    offered: Mapping[str, int] = {"n": settings.n, "width": settings.width}
    options = {k: v for k, v in offered.items() if anything or k in takes}
    return partial(strategy, **options)


def _among(name: str, value: str, accepted: tuple[str, ...]) -> None:
    if value not in accepted:
        raise ValueError(f"{name}={value!r}; accepted are {list(accepted)}")
