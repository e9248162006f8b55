"""A race: several strategies over the same problems, at several budgets.

Promises: all strategies see the same problems, policy, verifier and seed; an answer is
chosen by the same rule from what each returned and judged by the exact checker; every
token is counted, the verifier's too. Not covered: drawing it, and choosing a strategy
per difficulty.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any, Literal

import numpy as np

from tts_lab import select
from tts_lab.bootstrap import bootstrap_means, percentile_interval
from tts_lab.problems import domain
from tts_lab.proposers import Proposer, Size
from tts_lab.run import run
from tts_lab.traces import Done, Event, Problem, Sampled, Scored, Strategy, Trace
from tts_lab.verifiers import Verifier

Cost = Literal["samples", "tokens", "flops"]
Rule = Literal["best-of-n", "weighted vote", "majority"]


@dataclass
class Point:
    """One strategy at one n, as far as it has come.

    Attributes
    ----------
    strategy : str
    n : int
    problems : int
        To be solved.
    right : dict of int to bool
        By number of the problem, of those that are done.
    samples, tokens, read : int
        Of all problems: rows, tokens written, tokens the verifier read.
    """

    strategy: str
    n: int
    problems: int
    policy_size: Size
    verifier_size: Size | None
    right: dict[int, bool] = field(default_factory=dict)
    samples: int = 0
    tokens: int = 0
    read: int = 0

    @property
    def done(self) -> bool:
        """Whether every problem is."""
        return len(self.right) == self.problems

    def accuracy(self) -> tuple[float, float, float]:
        """Share of right answers with its 95% interval over the problems done."""
        values = np.array(list(self.right.values()), np.float64)
        if not len(values):
            return math.nan, math.nan, math.nan
        draws = bootstrap_means(values[:, None], resamples=1000)[:, 0]
        low, high = percentile_interval(draws, 0.95)
        return float(values.mean()), float(low), float(high)

    def cost(self, of: Cost) -> float:
        """Per problem: samples, tokens written and read, or FLOPs (2N a token).

        While the point is not done, all its tokens over the problems that are begun.
        """
        if of == "samples":
            total: float = self.samples
        elif of == "tokens":
            total = self.tokens + self.read
        else:
            total = 2.0 * self.policy_size.parameters * self.tokens
            if self.verifier_size is not None:
                total += 2.0 * self.verifier_size.parameters * self.read
        return total / self.problems


def race(
    strategies: Mapping[str, Callable[..., Strategy]],
    problems: Sequence[Problem],
    *,
    proposer: Proposer,
    verifier: Verifier,
    n: Sequence[int] = (4, 16, 64),
    rule: Rule = "best-of-n",
    seed: int = 0,
    on_point: Callable[[Point], object] = lambda point: None,
    cancel: Flag | None = None,
) -> list[Point]:
    """Run every strategy at every n over the same problems.

    Parameters
    ----------
    strategies : mapping of str to callable
        (problem, n) to a strategy that returns finished traces with scores. One with
        a default `width` above n gets n.
    problems : sequence of Problem
    proposer, verifier
        As in `tts_lab.run.run`.
    n : sequence of int
        Budgets, smallest first.
    rule : str
        How one answer is chosen of what a strategy returns.
    seed : int
    on_point : callable
        Called with the point that has changed, as problems are done.
    cancel : threading.Event, optional

    Returns
    -------
    list of Point
        In the order run: all strategies at the first n, then at the next. The last
        one is unfinished when the race was cancelled.

    Raises
    ------
    ValueError
        If there is nothing to race, or for another rule.

    Examples
    --------
    >>> from tts_lab.proposers.scripted import Scripted
    >>> from tts_lab.strategies import repeated_sampling
    >>> from tts_lab.verifiers.exact import Exact
    >>> proposer = Scripted({"47+38\\n": ["47+38=84\\n#84", "47+38=85\\n#85"]})
    >>> points = race({"best-of-n": repeated_sampling}, [Problem("chains", "47+38\\n")],
    ...               proposer=proposer, verifier=Exact(), n=[1, 2])
    >>> [(point.n, point.accuracy()[0], point.samples) for point in points]
    [(1, 0.0, 1), (2, 1.0, 2)]
    """
    if not (strategies and problems and len(n)):
        raise ValueError(
            f"{len(strategies)} strategies, {len(problems)} problems, {len(n)} values "
            "of n: a race needs one of each at least"
        )
    choose = chooser(rule)
    points: list[Point] = []
    for budget in n:
        for name, strategy in strategies.items():
            if cancel is not None and cancel.is_set():
                return points
            point = Point(
                name, budget, len(problems), proposer.size,
                getattr(verifier, "size", None),
            )  # fmt: skip
            points.append(point)

            def on_event(event: Event, point: Point = point) -> None:
                if isinstance(event, Sampled):
                    point.samples += len(event.traces)
                    point.tokens += event.tokens
                elif isinstance(event, Scored):
                    point.read += event.tokens
                elif isinstance(event, Done):
                    problem = problems[event.index]
                    choice = choose(*finished(event.value))
                    point.right[event.index] = choice is not None and bool(
                        domain(problem.domain).check(problem, choice.trace.text)
                    )
                    on_point(point)

            def begin(
                problem: Problem, strategy: Any = strategy, budget: int = budget
            ) -> Strategy:
                made: Strategy = strategy(problem, **options(strategy, budget))
                return made

            run(
                begin, problems, proposer=proposer, verifier=verifier, seed=seed,
                on_event=on_event, cancel=cancel,
            )  # fmt: skip
            on_point(point)
    return points


def options(strategy: Callable[..., Strategy], n: int) -> dict[str, int]:
    """`n`, and a `width` that fits into it if the strategy takes one."""
    width = inspect.signature(strategy).parameters.get("width")
    if width is None or not isinstance(width.default, int):
        return {"n": n}
    return {"n": n, "width": min(width.default, n)}


def chooser(
    rule: str,
) -> Callable[[Sequence[Trace], Sequence[float]], select.Choice | None]:
    """The function of a rule's name."""
    rules: dict[str, Callable[..., select.Choice | None]] = {
        "best-of-n": select.best_of_n,
        "weighted vote": select.weighted_vote,
        "majority": lambda traces, scores: select.majority(traces),
    }
    if rule not in rules:
        raise ValueError(f"rule={rule!r}; accepted are {list(rules)}")
    return rules[rule]


def finished(value: Any) -> tuple[list[Trace], list[float]]:
    """The finished traces and scores that a strategy returned.

    Raises
    ------
    ValueError
        If it is something else than a list of (trace, score).
    """
    try:
        pairs = [(trace, float(score)) for trace, score in value if trace.finished]
    except (TypeError, ValueError, AttributeError):
        raise ValueError(
            f"the strategy returned {repr(value)[:80]}; to be chosen from, it must "
            "return a list of (trace, score)"
        ) from None
    return [trace for trace, _ in pairs], [score for _, score in pairs]
