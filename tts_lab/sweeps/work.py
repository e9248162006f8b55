"""One unit of work of a sweep: models opened once, rows drawn, two tables made.

Promises: the tables of a unit are the same bytes whichever worker makes them, their
column `seconds` apart; a model that is not the one the sweep began with is an error.
Not covered: where units run and where tables go.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any, ClassVar, cast

from tts_lab.bank import Bank
from tts_lab.compare import WAYS, judged, started
from tts_lab.models import close, hidden, open_policy, open_verifier
from tts_lab.problems import domain
from tts_lab.proposers import Proposer
from tts_lab.race import chooser, finished
from tts_lab.run import Outcome, run
from tts_lab.sweeps.plan import Model
from tts_lab.sweeps.tape import Tape
from tts_lab.sweeps.units import Unit, with_delimiter
from tts_lab.traces import Problem
from tts_lab.verifiers import Verifier

Columns = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent, in the ledger's terms; FLOPs are 2N a token, 0 if N is unknown.

    >>> Cost(1, 2, 3.0).plus(Cost(1, 1, 1.0))
    Cost(samples=2, tokens=3, flops=4.0)
    """

    #: of the results, that it is summed from
    COLUMNS: ClassVar = ["samples", "generated_tokens", "verifier_tokens", "flops"]

    samples: int = 0
    tokens: int = 0
    flops: float = 0.0

    @classmethod
    def of(cls, results: Columns) -> Cost:
        """The sum over the rows of results."""
        samples, written, read, flops = (results[name] for name in cls.COLUMNS)
        known = (one or 0.0 for one in flops)
        return cls(sum(samples), sum(written) + sum(read), sum(known))

    def plus(self, other: Cost) -> Cost:
        """The sum."""
        return Cost(
            self.samples + other.samples,
            self.tokens + other.tokens,
            self.flops + other.flops,
        )


@dataclass(frozen=True)
class Made:
    """What a unit came to.

    Attributes
    ----------
    samples, results : dict of str to list
        Columns of its two tables: one row per sample drawn, one per problem.
    fingerprints : dict of str to str
        "policy" and "verifier".
    cost : Cost
    seconds : float
        Wall time.
    """

    samples: Columns
    results: Columns
    fingerprints: dict[str, str]
    cost: Cost
    seconds: float


@dataclass
class Worker:
    """Does units, one at a time; keeps the last policy and verifier open.

    Parameters
    ----------
    plan_hash : str
    fingerprints : mapping of str to str
        Of models by "policy/name" or "verifier/name": what units done before said.
    bank : path, optional
        Rows found there are not drawn again, new ones are stored.
    """

    plan_hash: str
    fingerprints: Mapping[str, str] = field(default_factory=dict)
    bank: str | None = None
    _open: dict[str, tuple[Model, Any]] = field(default_factory=dict)

    def do(self, unit: Unit, cancel: Flag | None = None) -> Made | None:
        """The unit's tables; None when it was cancelled.

        Raises
        ------
        ValueError
            If a model has changed since the sweep began, or as of `run`.
        """
        began = time.perf_counter()
        policy: Proposer = self._model("policy", unit.policy)
        verifier: Verifier = self._model("verifier", unit.verifier)
        marks = {
            "policy": fingerprint(policy, unit.policy),
            "verifier": fingerprint(verifier, unit.verifier),
        }
        self._same(unit, marks)
        way = WAYS[unit.strategy]
        delimiter = getattr(getattr(policy, "format", None), "delimiter", "\n\n")
        problems = [with_delimiter(problem, delimiter) for problem in unit.problems]
        bank = None if self.bank is None else Bank(self.bank)
        tape = Tape(bank)
        try:
            outcomes = run(
                tape.of(
                    started(
                        way.strategy, unit.budget, unit.temperature, unit.max_tokens
                    )
                ),
                problems,
                proposer=policy,
                verifier=verifier,
                seed=unit.seed,
                cancel=cancel,
                bank=cast(Bank, tape),
            )
        finally:
            if bank is not None:
                bank.close()
        if not all(one.complete for one in outcomes):
            return None
        check = _Check()
        results = _results(unit, outcomes, policy, verifier, check)
        samples = _samples(unit, outcomes, tape, check)
        cost = Cost.of(results)
        return Made(samples, results, marks, cost, time.perf_counter() - began)

    def close(self) -> None:
        """Give back what the models hold."""
        for _, model in self._open.values():
            close(model)
        self._open.clear()

    def _model(self, role: str, asked: Model) -> Any:
        known = self._open.pop(role, None)
        if known is not None and known[0] == asked:
            self._open[role] = known
            return known[1]
        if known is not None:
            close(known[1])
        if role == "policy":
            model: Any = open_policy(
                asked.spec, backend=asked.backend, format=asked.format,
                served=asked.served, tokenizer=asked.tokenizer,
            )  # fmt: skip
        else:
            model = open_verifier(
                asked.spec, backend=asked.backend, family=asked.family,
                served=asked.served, tokenizer=asked.tokenizer,
            )  # fmt: skip
        self._open[role] = (asked, model)
        return model

    def _same(self, unit: Unit, marks: Mapping[str, str]) -> None:
        for role, model in (("policy", unit.policy), ("verifier", unit.verifier)):
            before = self.fingerprints.get(f"{role}/{model.name}", marks[role])
            if before != marks[role]:
                raise ValueError(
                    f"{role} {model.name!r} has changed since the sweep began: its "
                    f"fingerprint is {marks[role]!r}, and was {before!r}; name another "
                    "--out"
                )


def fingerprint(model: Any, asked: Model) -> str:
    """A model's own; without one, its name."""
    for one in (model, getattr(model, "model", None)):
        if known := getattr(one, "fingerprint", None):
            return str(known)
    return hidden(str(getattr(model, "name", asked.spec)))


class _Check:
    """Whether a text is right, asked of the problem's domain once for each text."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], bool] = {}

    def __call__(self, problem: Problem, text: str) -> bool:
        key = (problem.prompt, text)
        if key not in self._known:
            right = domain(problem.domain).check(problem, text)
            self._known[key] = bool(right)
        return self._known[key]


def _results(
    unit: Unit,
    outcomes: list[Outcome],
    policy: Proposer,
    verifier: Verifier,
    check: _Check,
) -> Columns:
    """One row per problem: what was chosen, whether it is right, what it cost."""
    rule = WAYS[unit.strategy].rule or unit.rule
    sizes = (policy.size, getattr(verifier, "size", None))
    found = judged(unit.strategy, unit.budget, rule, outcomes, *sizes, check)
    choices = [chooser(rule)(*finished(one.value)) for one in outcomes]
    known = all(size is None or size.parameters > 0 for size in sizes)
    flops = found.costs("flops").tolist() if known else [None] * len(outcomes)
    books = found.ledgers
    return {
        "problem": [unit.first + i for i in range(len(outcomes))],
        "domain": [one.problem.domain for one in outcomes],
        "level": [one.problem.level for one in outcomes],
        "prompt": [one.problem.prompt for one in outcomes],
        "answer": [None if choice is None else choice.answer for choice in choices],
        "right": found.right.tolist(),
        "covered": found.coverage.tolist(),
        "passed": found.passed.tolist(),
        "samples": [book.calls for book in books],
        "prompt_tokens": [book.prompt_tokens for book in books],
        "generated_tokens": [book.generated_tokens for book in books],
        "verifier_tokens": [book.verifier_tokens for book in books],
        "flops": flops,
        "seconds": [book.seconds for book in books],
    }


def _samples(unit: Unit, outcomes: list[Outcome], tape: Tape, check: _Check) -> Columns:
    """One row per sample drawn, with the score of what the strategy returned."""
    scores = [
        {(trace.text, trace.finished): float(score) for trace, score in one.value}
        for one in outcomes
    ]
    rows = tape.rows()
    whole = [row.prefix + row.text for row in rows]
    return {
        "problem": [unit.first + row.problem for row in rows],
        "key": [row.key for row in rows],
        "row": [row.row for row in rows],
        "prefix": [row.prefix for row in rows],
        "text": [row.text for row in rows],
        "tokens": [row.tokens for row in rows],
        "finished": [row.finished for row in rows],
        "logprob": [row.logprob for row in rows],
        "score": [
            scores[row.problem].get((text, row.finished))
            for row, text in zip(rows, whole, strict=True)
        ],
        "right": [
            check(outcomes[row.problem].problem, text) if row.finished else None
            for row, text in zip(rows, whole, strict=True)
        ],
    }
