"""A sweep's units of work: what one worker does at a time, and what it is called.

Promises: a unit's id is a function of what it computes (models, strategy, budget, seed,
options and problems), so the same unit has the same id in every run, and units that
differ have different ones. Not covered: what the models' names stand for; see
`tts_lab.sweeps.work`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import blake2b
from typing import Any

from tts_lab.sweeps.plan import MAX_UNITS, Model, Plan
from tts_lab.traces import Problem


@dataclass(frozen=True, slots=True)
class Unit:
    """One point of the grid on one chunk of problems.

    Attributes
    ----------
    policy, verifier : Model
    strategy : str
    budget, seed : int
    rule : str
    temperature : float
    max_tokens : int or None
    first : int
        Number, among the plan's problems, of the first of the chunk.
    problems : tuple of Problem
    content : str
        A hash of the problems.
    """

    policy: Model
    verifier: Model
    strategy: str
    budget: int
    seed: int
    rule: str
    temperature: float
    max_tokens: int | None
    first: int
    problems: tuple[Problem, ...]
    content: str

    @property
    def id(self) -> str:
        """Such as 000025-1f0c93a2b4d5e6f7: the first problem's number, and a hash."""
        content = [
            _public(self.policy), _public(self.verifier), self.strategy, self.budget,
            self.seed, self.rule, self.temperature, self.max_tokens, self.first,
            self.content,
        ]  # fmt: skip
        return f"{self.first:06d}-{_hash(content, 8)}"

    @property
    def folder(self) -> str:
        """Its partition, in Hive's form."""
        return (
            f"policy={self.policy.name}/verifier={self.verifier.name}/"
            f"strategy={self.strategy}/budget={self.budget}/seed={self.seed}"
        )

    @property
    def weight(self) -> int:
        """Its share of the work, for estimates of the time left."""
        return self.budget * len(self.problems)


def units(plan: Plan, problems: Sequence[Problem]) -> list[Unit]:
    """All units of a plan, those of one policy and verifier together.

    Raises
    ------
    ValueError
        If there are more than a million.

    Examples
    --------
    >>> from tts_lab.sweeps.plan import parse
    >>> plan = parse({"policies": ["105k"], "verifiers": ["exact"], "budgets": [1, 4],
    ...     "strategies": ["best_of_n"], "problems": ["chains:1:3"], "chunk": 2})
    >>> [(one.folder[-17:], len(one.problems))
    ...  for one in units(plan, read_problems(plan))]
    [('n/budget=1/seed=0', 2), ('n/budget=1/seed=0', 1),
     ('n/budget=4/seed=0', 2), ('n/budget=4/seed=0', 1)]
    """
    chunks = -(-len(problems) // plan.chunk)
    points = (
        len(plan.policies) * len(plan.verifiers) * len(plan.strategies)
        * len(plan.budgets) * len(plan.seeds)
    )  # fmt: skip
    if points * chunks > MAX_UNITS:
        raise ValueError(
            f"{points:,} combinations of {chunks:,} chunks of {plan.chunk:,} problems "
            f"are more than {MAX_UNITS:,} units of work; a larger chunk makes fewer"
        )
    return list(_every(plan, problems))


def _every(plan: Plan, problems: Sequence[Problem]) -> Iterator[Unit]:
    starts = range(0, len(problems), plan.chunk)
    chunks = [(a, tuple(problems[a : a + plan.chunk])) for a in starts]
    parts = [(a, some, _hash([_content(one) for one in some], 16))
             for a, some in chunks]  # fmt: skip
    for policy in plan.policies:
        for verifier in plan.verifiers:
            for strategy in plan.strategies:
                for budget in plan.budgets:
                    for seed in plan.seeds:
                        for first, some, content in parts:
                            yield Unit(
                                policy, verifier, strategy, budget, seed, plan.rule,
                                plan.temperature, plan.max_tokens, first, some, content,
                            )  # fmt: skip


def read_problems(plan: Plan) -> list[Problem]:
    """The problems that a plan names, in its order, each once.

    Their random streams are the same whatever chunk they are in, which a problem that
    is listed twice would break.

    Raises
    ------
    ValueError
        As of `tts_lab.cli_compare.read_problems`.
    """
    from tts_lab.cli_compare import read_problems

    found: dict[tuple[str, str], Problem] = {}
    for spec in plan.problems:
        for problem in read_problems(spec):
            found.setdefault((problem.id, problem.prompt), problem)
    return list(found.values())


def plan_hash(plan: Plan, problems: Sequence[Problem]) -> str:
    """Of the plan and of the problems' texts, as a file may change its content."""
    return _hash([plan.public(), [_content(problem) for problem in problems]], 16)


def with_delimiter(problem: Problem, delimiter: str) -> Problem:
    """A problem in words as a policy's format writes it; others keep their steps."""
    return (
        replace(problem, delimiter=delimiter) if problem.domain == "text" else problem
    )


@cache
def _public(model: Model) -> dict[str, str]:
    return model.public()


def _content(problem: Problem) -> list[Any]:
    return [problem.domain, problem.prompt, problem.level, problem.answer]


def _hash(content: object, size: int) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True)
    return blake2b(text.encode(), digest_size=size).hexdigest()
