"""Searches that take minutes: made once by a recipe, shipped, redrawn in an instant.

`tts-lab measure-searches` makes them anew: every strategy at every budget on the first
problems of several levels of the frozen evaluation set, with a learned verifier. What
is kept of each problem is whether the chosen answer was right, and the tokens.
Not covered: choosing a strategy per difficulty.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tts_lab import ladder, problems, strategies
from tts_lab.bootstrap import bootstrap_means, percentile_interval
from tts_lab.exchange import at_budget
from tts_lab.problems import domain as module_of
from tts_lab.race import Cost, Rule, chooser, finished, options
from tts_lab.run import run
from tts_lab.traces import Problem, Strategy
from tts_lab.verifiers import library
from tts_lab.verifiers.exact import Exact

SHIPPED = Path(__file__).parent / "data" / "searches.json"
POLICY, VERIFIER, SEED = "105k", "prm-a", 20_240_803
LEVELS = {"chains": (4, 5, 6, 7, 8), "countdown": (2, 3, 4, 5)}
PER_LEVEL = {"chains": 20, "countdown": 25}  # 100 problems each
BUDGETS = (4, 16, 64, 256)
ORACLE_SAMPLES = 256
RULES: tuple[Rule, ...] = ("best-of-n", "weighted vote", "majority")
STRATEGIES: dict[str, Callable[..., Strategy]] = {
    "best-of-n": strategies.repeated_sampling,
    "beam search": strategies.beam_search,
    "lookahead 1": partial(strategies.beam_search, lookahead=1),
    "lookahead 3": partial(strategies.beam_search, lookahead=3),
    "DVTS": strategies.dvts,
    "REBASE": strategies.rebase,
    "MCTS": strategies.mcts,
}
#: at most so much of the others, some of which cost several times as much
LARGEST = {name: 64 for name in STRATEGIES if name not in ("best-of-n", "beam search")}
ORACLE = "one sample"


@dataclass(frozen=True)
class Searched:
    """One strategy at one n on the problems of a domain.

    Attributes
    ----------
    right : dict of rule to tuple of float
        Per problem, whether the answer that the rule chose was right. For "one
        sample": the share of `n` samples that were.
    generated, read : tuple of int
        Per problem, tokens written and tokens the verifier read.
    flops : float
        Per problem on average, Brown's formula, the verifier counted in.
    """

    domain: str
    strategy: str
    n: int
    policy: str
    verifier: str
    seed: int
    right: dict[str, tuple[float, ...]]
    generated: tuple[int, ...]
    read: tuple[int, ...]
    flops: float

    @property
    def problems(self) -> int:
        return len(self.generated)

    def cost(self, of: Cost) -> float:
        """Per problem: n for "samples", tokens written and read, or FLOPs."""
        if of == "samples":
            return float(self.n)
        if of == "tokens":
            return (sum(self.generated) + sum(self.read)) / self.problems
        return self.flops

    def accuracy(self) -> tuple[float, float, float]:
        """Share of problems answered right by best-of-n, with its 95% interval."""
        return mean_of(self.right["best-of-n"])


def mean_of(values: npt.ArrayLike) -> tuple[float, float, float]:
    """A mean over problems with its 95% bootstrap interval.

    >>> mean_of([1.0, 1.0, 1.0])
    (1.0, 1.0, 1.0)
    """
    table = np.asarray(values, np.float64)[:, None]
    low, high = percentile_interval(bootstrap_means(table)[:, 0], 0.95)
    return float(table.mean()), float(low), float(high)


def evaluated(domain: str) -> list[Problem]:
    """The problems of the shipped searches, level after level."""
    return [
        problem
        for level in LEVELS[domain]
        for problem in problems.evaluation_set(domain, level, PER_LEVEL[domain])
    ]


def shipped(domain: str, strategy: str, n: int) -> Searched:
    """A search that comes with the package.

    Raises
    ------
    ValueError
        When there is none; the message lists what there is.
    """
    stored = _read(SHIPPED)
    key = (domain, strategy, n)
    if key not in stored:
        raise ValueError(f"no search {key!r}; there are {sorted(stored)}")
    return stored[key]


def at_flops(
    domain: str, strategy: str, flops: float, rule: str = "best-of-n"
) -> npt.NDArray[np.float64]:
    """Per problem, how often a strategy is right at a budget of FLOPs per problem.

    Between two of the shipped budgets it is interpolated in the log of FLOPs.

    Raises
    ------
    ValueError
        When the budget is outside of what was measured; the message says what was.
    """
    made = [s for (d, name, _), s in _read(SHIPPED).items()
            if (d, name) == (domain, strategy)]  # fmt: skip
    made.sort(key=lambda one: one.flops)
    if not made or not made[0].flops <= flops <= made[-1].flops:
        span = f"{made[0].flops:.3g} to {made[-1].flops:.3g}" if made else "none"
        raise ValueError(
            f"{strategy!r} on {domain} at {flops:.3g} FLOPs: measured are {span}"
        )
    return at_budget({one.flops: np.array(one.right[rule]) for one in made}, flops)


def quantile_bins(domain: str, bins: int) -> list[npt.NDArray[np.int64]]:
    """The problems from the easiest to the hardest, in equal parts.

    By the share of `ORACLE_SAMPLES` samples that are right, drawn apart from the
    searches (Snell et al. 2408.03314, sec. 3.2, oracle difficulty).
    """
    share = np.array(shipped(domain, ORACLE, ORACLE_SAMPLES).right["exact"])
    order = np.argsort(-share, kind="stable")
    return [np.sort(part) for part in np.array_split(order, bins)]


def search(
    domain: str,
    strategy: str,
    n: int,
    some: Sequence[Problem],
    *,
    policy: str = POLICY,
    verifier: str = VERIFIER,
    seed: int = SEED,
) -> Searched:
    """Run one now."""
    proposer, judge = ladder.load(policy), library.load(verifier)
    make = STRATEGIES[strategy]
    outcomes = run(
        partial(make, **options(make, n)),
        some,
        proposer=proposer,
        verifier=judge,
        seed=seed,
    )
    size = getattr(judge, "size", None)
    right: dict[str, tuple[float, ...]] = {}
    for rule in RULES:
        choose = chooser(rule)
        chosen = [choose(*finished(outcome.value)) for outcome in outcomes]
        right[rule] = tuple(
            float(c is not None and bool(module_of(domain).check(p, c.trace.text)))
            for p, c in zip(some, chosen, strict=True)
        )
    ledgers = [outcome.ledger for outcome in outcomes]
    return Searched(
        domain, strategy, n, policy, verifier, seed, right,
        tuple(ledger.generated_tokens for ledger in ledgers),
        tuple(ledger.verifier_tokens for ledger in ledgers),
        sum(ledger.flops_brown(proposer.size, verifier_size=size)
            for ledger in ledgers) / len(some),
    )  # fmt: skip


def oracle(domain: str, some: Sequence[Problem], *, policy: str = POLICY) -> Searched:
    """How often one sample is right, of samples drawn for nothing else."""
    proposer = ladder.load(policy)
    outcomes = run(
        partial(strategies.count_correct, n=ORACLE_SAMPLES), some,
        proposer=proposer, verifier=Exact(), seed=SEED + 1,
    )  # fmt: skip
    ledgers = [outcome.ledger for outcome in outcomes]
    return Searched(
        domain, ORACLE, ORACLE_SAMPLES, policy, "exact", SEED + 1,
        {"exact": tuple(o.value.correct / ORACLE_SAMPLES for o in outcomes)},
        tuple(ledger.generated_tokens for ledger in ledgers),
        tuple(0 for _ in ledgers),
        sum(ledger.flops_brown(proposer.size) for ledger in ledgers) / len(some),
    )  # fmt: skip


def measure(path: Path = SHIPPED, *, say: Callable[[str], object] = print) -> None:
    """Make the shipped searches; those that the file has already are kept."""
    stored = dict(_read(path)) if path.exists() else {}
    for domain in LEVELS:
        some = evaluated(domain)
        wanted = [(ORACLE, ORACLE_SAMPLES)] + [
            (name, n)
            for n in BUDGETS
            for name in STRATEGIES
            if n <= LARGEST.get(name, n)
        ]
        for name, n in wanted:
            if (domain, name, n) in stored:
                continue
            if name == ORACLE:
                made = oracle(domain, some)
            else:
                made = search(domain, name, n, some)
            stored[domain, name, n] = made
            _write(path, stored)
            share = np.mean(next(iter(made.right.values())))
            say(f"{domain} {name} {n}: {share:.3f}, {made.flops:.2g} FLOPs a problem")


def _write(path: Path, stored: Mapping[Any, Searched]) -> None:
    lines = []
    for made in stored.values():
        record = asdict(made)
        record["right"] = {
            rule: [round(v, 6) if v % 1 else int(v) for v in values]
            for rule, values in made.right.items()
        }
        lines.append(json.dumps(record, separators=(",", ":")))
    partial_path = path.with_name(path.name + ".partial")
    partial_path.write_text("[\n" + ",\n".join(lines) + "\n]\n")
    partial_path.replace(path)
    _read.cache_clear()


@cache
def _read(path: Path) -> dict[tuple[str, str, int], Searched]:
    found = {}
    for record in json.loads(path.read_text()):
        record["right"] = {rule: tuple(v) for rule, v in record["right"].items()}
        record |= {key: tuple(record[key]) for key in ("generated", "read")}
        made = Searched(**record)
        found[made.domain, made.strategy, made.n] = made
    return found
