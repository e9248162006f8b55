"""Which strategy pays for a policy, a verifier and some problems: side by side.

Promises: every strategy sees the same problems, models and seed; its answer is judged
by the problem's own checker; cost is counted per problem, the verifier's reading and
pruned branches included (majority reads nothing); with a bank, what was sampled is
kept and a comparison that broke off goes on from there. Not covered: writing it down
(`tts_lab.comparison_report`).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tts_lab import strategies
from tts_lab.allocate import Option
from tts_lab.bank import Bank
from tts_lab.bootstrap import FloatArray, bootstrap_means, percentile_interval
from tts_lab.difficulty import Difficulty, quantiles
from tts_lab.ledger import Ledger
from tts_lab.problems import domain
from tts_lab.proposers import Proposer, Size
from tts_lab.race import Cost, Rule, chooser, finished, options
from tts_lab.run import Outcome, run
from tts_lab.traces import Done, Event, Problem, Propose, Sampled, Strategy
from tts_lab.verifiers import Verifier

Share = tuple[float, float, float]
BoolArray = NDArray[np.bool_]
BASELINE = "best_of_n"


class Way(NamedTuple):
    """A strategy and how its answer is chosen; rule None is the comparison's."""

    strategy: Callable[..., Strategy]
    rule: Rule | None = None


#: what can be compared, by the names the command line takes
WAYS: dict[str, Way] = {
    "best_of_n": Way(strategies.repeated_sampling, "best-of-n"),
    "weighted": Way(strategies.repeated_sampling, "weighted vote"),
    "majority": Way(strategies.repeated_sampling, "majority"),
    "beam": Way(strategies.beam_search),
    "dvts": Way(strategies.dvts),
    "lookahead": Way(strategies.lookahead_search),
    "rebase": Way(strategies.rebase),
    "mcts": Way(strategies.mcts),
}


@dataclass(frozen=True)
class Result:
    """One strategy at one n.

    Attributes
    ----------
    strategy : str
    n : int
    right : (P,) bool array
    coverage : (P,) bool array
        Whether any finished trace of the strategy is right.
    passed : (P,) float array
        Share of its finished traces that are right.
    ledgers : tuple of Ledger
        One per problem.
    policy_size : Size
    verifier_size : Size or None
    """

    strategy: str
    n: int
    right: BoolArray
    coverage: BoolArray
    passed: FloatArray
    ledgers: tuple[Ledger, ...]
    policy_size: Size
    verifier_size: Size | None

    @property
    def problems(self) -> int:
        """How many there are."""
        return len(self.right)

    def accuracy(self) -> Share:
        """Share of right answers with its 95% interval over problems."""
        return interval(self.right)

    def costs(self, of: Cost) -> FloatArray:
        """(P,) samples, tokens written and read, or FLOPs (2N a token)."""
        each = {
            "samples": lambda one: one.calls,
            "tokens": lambda one: one.generated_tokens + one.verifier_tokens,
            "flops": lambda one: one.flops_snell(
                self.policy_size, verifier_size=self.verifier_size
            ),
        }
        if of not in each:
            raise ValueError(f"cost {of!r}; accepted are {list(get_args(Cost))}")
        return np.array([each[of](one) for one in self.ledgers], np.float64)

    def cost(self, of: Cost) -> float:
        """The mean of `costs`."""
        return float(self.costs(of).mean())


@dataclass(frozen=True)
class Comparison:
    """What `compare` measured.

    Attributes
    ----------
    problems : tuple of Problem
    results : tuple of Result
        In the order run: all strategies at the first n, then at the next.
    policy, verifier : str
        Names.
    seed : int
    complete : bool
        False when it was cancelled; then results may be missing.
    """

    problems: tuple[Problem, ...]
    results: tuple[Result, ...]
    policy: str
    verifier: str
    seed: int
    complete: bool

    @property
    def cost(self) -> Cost:
        """FLOPs, or tokens where a model's number of parameters is not known."""
        sizes = [
            size
            for one in self.results
            for size in (one.policy_size, one.verifier_size)
            if size is not None
        ]
        return "flops" if all(size.parameters > 0 for size in sizes) else "tokens"

    def of(self, strategy: str) -> list[Result]:
        """The results of a strategy, smallest n first."""
        return [one for one in self.results if one.strategy == strategy]

    def difference(self, result: Result, baseline: str = BASELINE) -> Share | None:
        """Accuracy less the baseline's at the same n, paired by problem, with 95%.

        None when the baseline was not run at that n.
        """
        base = [one for one in self.of(baseline) if one.n == result.n]
        if not base:
            return None
        return interval(result.right.astype(float) - base[0].right)

    def options(self, cost: Cost) -> list[Option]:
        """The results as options to allocate compute among."""
        return [
            Option.of(
                f"{one.strategy}, n = {one.n}", one.right, one.costs(cost).clip(1e-9)
            )
            for one in self.results
        ]

    def difficulty(self, bins: int) -> Difficulty:
        """Bins by the share of right samples in the largest independent sample.

        Oracle bins: they use the answers. Made from the baseline's largest n, so they
        also saw what is judged with them; a comparison of bins only reads easier.

        Raises
        ------
        ValueError
            If no strategy drew independent samples.
        """
        drawn = [
            one
            for one in self.results
            if WAYS.get(one.strategy, Way(strategies.mcts)).strategy
            is strategies.repeated_sampling
        ]
        if not drawn:
            raise ValueError(
                "no strategy drew independent samples; difficulty needs one of "
                f"{[n for n, w in WAYS.items() if w.rule is not None]}"
            )
        largest = max(drawn, key=lambda one: one.n)
        return quantiles(largest.passed, bins=bins, samples=largest.n)


def compare(
    ways: Sequence[str] | Mapping[str, Way],
    problems: Sequence[Problem],
    *,
    proposer: Proposer,
    verifier: Verifier,
    n: Sequence[int] = (4, 16, 64),
    rule: Rule = "weighted vote",
    temperature: float = 1.0,
    max_tokens: int | None = None,
    seed: int = 0,
    bank: Bank | None = None,
    on_progress: Callable[[str, int, int, int], object] = lambda *told: None,
    cancel: Flag | None = None,
) -> Comparison:
    """Run every strategy at every n over the same problems.

    Parameters
    ----------
    ways : sequence of str, or mapping of str to Way
        Names of `WAYS`, or your own.
    problems : sequence of Problem
    proposer, verifier
        As in `tts_lab.run.run`.
    n : sequence of int
        Budgets: samples, or candidates a round.
    rule : str
        How a search's answer is chosen from what it returned.
    temperature : float
        Of strategies that take one.
    max_tokens : int, optional
        Most tokens of one request: a whole trace, or a step of a search. Without it
        the model's context is the limit.
    seed : int
    bank : Bank, optional
        Where rows are looked up and kept.
    on_progress : callable
        Called with strategy, n, problems done, rows drawn.
    cancel : threading.Event, optional

    Raises
    ------
    ValueError
        For an unknown strategy, no problems, or an n below 1.

    Examples
    --------
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.verifiers.exact import Exact
    >>> proposer = Scripted({"47+38\\n": ["47+38=84\\n#84", "47+38=85\\n#85"]})
    >>> found = compare(["best_of_n", "majority"], [Problem("chains", "47+38\\n")],
    ...                 proposer=proposer, verifier=Exact(), n=[2])
    >>> [(one.strategy, one.accuracy()[0], one.cost("samples"))
    ...  for one in found.results]
    [('best_of_n', 1.0, 2.0), ('majority', 0.0, 2.0)]
    """
    chosen = _ways(ways)
    budgets = list(dict.fromkeys(n))
    if not problems:
        raise ValueError("problems must hold at least one problem, got none")
    if not budgets or min(budgets) < 1:
        raise ValueError(f"n={list(n)!r}; accepted are whole numbers of 1 or more")
    chooser(rule)
    results: list[Result] = []
    complete = True
    for budget in budgets:
        drawn: dict[Callable[..., Strategy], list[Outcome]] = {}
        for name, way in chosen.items():
            if way.strategy not in drawn and complete:
                told = _Progress(name, budget, on_progress)
                drawn[way.strategy] = run(
                    started(way.strategy, budget, temperature, max_tokens),
                    problems,
                    proposer=proposer,
                    verifier=verifier,
                    seed=seed,
                    on_event=told,
                    cancel=cancel,
                    bank=bank,
                )
            outcomes = drawn.get(way.strategy, [])
            if not outcomes or not all(one.complete for one in outcomes):
                complete = False
                continue
            results.append(
                judged(
                    name, budget, way.rule or rule, outcomes, proposer.size,
                    getattr(verifier, "size", None),
                )
            )  # fmt: skip
    return Comparison(
        tuple(problems), tuple(results), proposer.name, verifier.name, seed, complete
    )


def interval(values: Any) -> Share:
    """The mean over problems, and its 95% bootstrap interval.

    >>> interval([1, 1, 1])
    (1.0, 1.0, 1.0)
    """
    each = np.asarray(values, np.float64)
    draws = bootstrap_means(each[:, None])[:, 0]
    low, high = percentile_interval(draws, 0.95)
    return float(each.mean()), float(low), float(high)


class _Progress:
    """Counts what the driver's events say."""

    def __init__(
        self, name: str, n: int, tell: Callable[[str, int, int, int], object]
    ) -> None:
        self.name, self.n, self.tell = name, n, tell
        self.done = self.rows = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Sampled):
            self.rows += len(event.traces)
        elif isinstance(event, Done):
            self.done += 1
        else:
            return
        self.tell(self.name, self.n, self.done, self.rows)


def _ways(ways: Sequence[str] | Mapping[str, Way]) -> dict[str, Way]:
    if isinstance(ways, Mapping):
        return dict(ways)
    unknown = [name for name in ways if name not in WAYS]
    if unknown or not ways:
        raise ValueError(f"strategies {list(ways)!r}; accepted are {list(WAYS)}")
    return {name: WAYS[name] for name in ways}


def started(
    strategy: Callable[..., Strategy],
    n: int,
    temperature: float,
    max_tokens: int | None,
) -> Callable[[Problem], Strategy]:
    """The strategy with its options, and its requests within the limit of tokens."""
    given: dict[str, Any] = dict(options(strategy, n))
    if "temperature" in inspect.signature(strategy).parameters:
        given["temperature"] = temperature

    def begin(problem: Problem) -> Strategy:
        inner = strategy(problem, **given)
        answer = None
        while True:
            try:
                request = inner.send(answer)
            except StopIteration as stop:
                return stop.value
            if isinstance(request, Propose) and request.max_tokens is None:
                request = replace(request, max_tokens=max_tokens)
            answer = yield request

    return begin


def judged(
    name: str,
    n: int,
    rule: str,
    outcomes: Sequence[Outcome],
    policy: Size,
    verifier: Size | None,
    check: Callable[[Problem, str], bool] | None = None,
) -> Result:
    """What came of a strategy at one n; `check` is by default that of the domain."""
    choose = chooser(rule)
    ledgers = [one.ledger for one in outcomes]
    if rule == "majority":  # it needs no scores
        ledgers = [replace(one, verifier_tokens=0, verifier_calls=0) for one in ledgers]
    right, any_right, share = [], [], []
    for one in outcomes:
        traces, scores = finished(one.value)
        judge = check or domain(one.problem.domain).check
        good = [bool(judge(one.problem, trace.text)) for trace in traces]
        choice = choose(traces, scores)
        right.append(choice is not None and bool(judge(one.problem, choice.trace.text)))
        any_right.append(any(good))
        share.append(sum(good) / max(n, len(good)))
    return Result(
        name, n, np.array(right), np.array(any_right), np.array(share),
        tuple(ledgers), policy, verifier,
    )  # fmt: skip
