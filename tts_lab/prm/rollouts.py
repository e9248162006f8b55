"""Traces to train a verifier on: many samples of one policy, on training problems."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tts_lab import problems
from tts_lab.ladder.data import MIXTURE
from tts_lab.proposers import Proposer
from tts_lab.run import run
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Event, Problem, Sampled, Trace
from tts_lab.verifiers.exact import Exact


def draw(
    n_problems: int, *, split: str = "train", seed: int, levels: int = 1
) -> list[Problem]:
    """Problems of all levels that policies are trained on, as often as there.

    `levels` leaves out those below it.
    """
    kinds = {kind: w for kind, w in MIXTURE.items() if kind[1] >= levels}
    total = sum(kinds.values())
    return [
        problem
        for (name, level), weight in kinds.items()
        for problem in problems.sample(
            name, level, max(1, round(n_problems * weight / total)),
            split=split, seed=seed,
        )
    ]  # fmt: skip


def traces(
    policy: Proposer,
    some: list[Problem],
    *,
    samples: int,
    seed: int,
    on_progress: Callable[[int], None] = lambda done: None,
) -> tuple[list[list[Trace]], float]:
    """The different traces among `samples` of each problem, in the order drawn.

    Beside them what they cost, in FLOPs by Brown's formula.
    """
    done = 0

    def count(event: Event) -> None:
        nonlocal done
        if isinstance(event, Sampled):
            done += len(event.traces)
            on_progress(done)

    outcomes = run(
        partial(repeated_sampling, n=samples),
        some,
        proposer=policy,
        verifier=Exact(),
        seed=seed,
        on_event=count,
    )
    different = [
        list({trace.text: trace for trace, _ in outcome.value}.values())
        for outcome in outcomes
    ]
    cost = sum(outcome.ledger.flops_brown(policy.size) for outcome in outcomes)
    return different, cost
