"""Labelled steps as arrays: what a head is fitted to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from tts_lab import ladder
from tts_lab.ladder.reader import Reader
from tts_lab.prm import labels, rollouts, spans
from tts_lab.prm.recipes import Recipe
from tts_lab.run import run
from tts_lab.traces import Event, Sampled, Trace
from tts_lab.verifiers.exact import Exact

PROBLEMS_AT_ONCE = 500  # their rollouts are in memory together
Progress = Callable[[str, int], None]


def quiet(what: str, done: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Labelled:
    """Traces with a label for each step, and what they cost."""

    traces: list[Trace]
    labels: labels.Labels
    flops: float  # of sampling and completing, by Brown's formula

    @property
    def accuracy(self) -> float:
        """The share of steps whose label is on the right side of the exact truth.

        A Monte-Carlo label counts as "right" when any completion was (the hard label).
        """
        truth = np.concatenate(labels.exact(self.traces)) > 0.5
        return float(((np.concatenate(self.labels) > 0) == truth).mean())


def label(
    recipe: Recipe, grouped: list[list[Trace]], progress: Progress = quiet
) -> tuple[labels.Labels, float]:
    """The labels of all traces by the recipe's kind, and their FLOPs."""
    flat = [trace for group in grouped for trace in group]
    if recipe.labels == "exact":
        return labels.exact(flat), 0.0
    if recipe.labels == "outcome":
        return labels.outcome(flat), 0.0
    of_problem = {group[0].problem.id: group for group in grouped}
    done = 0

    def count(event: Event) -> None:
        nonlocal done
        if isinstance(event, Sampled):
            done += len(event.traces)
            progress("rollouts", done)

    policy = ladder.load(recipe.policy)
    found: labels.Labels = []
    flops = 0.0
    for first in range(0, len(grouped), PROBLEMS_AT_ONCE):
        outcomes = run(
            lambda problem: labels.monte_carlo(
                problem, traces=of_problem[problem.id], rollouts=recipe.rollouts
            ),
            [g[0].problem for g in grouped[first : first + PROBLEMS_AT_ONCE]],
            proposer=policy,
            verifier=Exact(),
            seed=recipe.seed + 1,
            on_event=count,
        )
        found += [one for outcome in outcomes for one in outcome.value]
        flops += sum(outcome.ledger.flops_brown(policy.size) for outcome in outcomes)
    if recipe.labels == "hard":
        found = [(one > 0).astype(np.float32) for one in found]
    return found, flops


def make(recipe: Recipe, progress: Progress = quiet) -> Labelled:
    """Sample the recipe's traces and label them.

    Parameters
    ----------
    recipe : Recipe
    progress : callable
        Called with what is being made and how many of it there are.
    """
    policy = ladder.load(recipe.policy)
    grouped, flops = rollouts.traces(
        policy,
        rollouts.draw(recipe.problems, seed=recipe.seed),
        samples=recipe.samples,
        seed=recipe.seed,
        on_progress=partial(progress, "traces"),
    )
    found, more = label(recipe, grouped, progress)
    flat = [trace for group in grouped for trace in group]
    return Labelled(flat, found, flops + more)


def step_states(reader: Reader, traces: Sequence[Trace]) -> list[NDArray[np.float32]]:
    """Per trace, the last state at the end of each step: (steps, hidden)."""
    ends = [spans.step_ends(trace) for trace in traces]

    def pick(i: int, states: NDArray[np.float32]) -> NDArray[np.float32]:
        picked: NDArray[np.float32] = states[ends[i]]
        return picked

    return reader.read(spans.encode_all(traces), pick)
