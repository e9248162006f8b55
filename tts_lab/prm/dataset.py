"""Labelled traces as arrays: what the recipe trains on, made once and kept.

Every token of a step carries the step's label: dense targets teach the comparison
sooner than step ends alone, which count three times as much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tts_lab import ladder
from tts_lab.prm import labels, rollouts, spans
from tts_lab.prm.recipes import Recipe
from tts_lab.run import run
from tts_lab.traces import Event, Sampled, Trace
from tts_lab.verifiers.exact import Exact

PROBLEMS_AT_ONCE = 500  # their rollouts are in memory together
INSIDE = 1 / 3  # weight of a token within a step; its last one weighs 1


@dataclass(frozen=True)
class Dataset:
    """Traces as flat arrays."""

    tokens: NDArray[np.uint8]
    starts: NDArray[np.int64]  # (traces + 1,)
    label: NDArray[np.float32]  # of each token; -1 where there is none
    last: NDArray[np.bool_]  # whether a token ends a step

    def __len__(self) -> int:
        return len(self.starts) - 1


def label(
    recipe: Recipe,
    grouped: list[list[Trace]],
    on_progress: Callable[[str, int], None] = lambda what, done: None,
) -> labels.Labels:
    """The labels of all traces, by the recipe's kind."""
    flat = [trace for group in grouped for trace in group]
    if recipe.labels == "exact":
        return labels.exact(flat)
    if recipe.labels == "outcome":
        return labels.outcome(flat)
    of_problem = {group[0].problem.id: group for group in grouped}
    done = 0

    def count(event: Event) -> None:
        nonlocal done
        if isinstance(event, Sampled):
            done += len(event.traces)
            on_progress("rollouts", done)

    policy, found = ladder.load(recipe.policy), []
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
        found += [label for outcome in outcomes for label in outcome.value]
    return found


def make(
    recipe: Recipe, on_progress: Callable[[str, int], None] = lambda what, done: None
) -> Dataset:
    """Sample the recipe's traces and label them."""
    grouped = rollouts.traces(
        ladder.load(recipe.policy),
        rollouts.draw(recipe.problems, seed=recipe.seed),
        samples=recipe.samples,
        seed=recipe.seed,
        on_progress=partial(on_progress, "traces"),
    )
    flat = [trace for group in grouped for trace in group]
    pieces, targets, lasts = [], [], []
    for trace, values in zip(flat, label(recipe, grouped, on_progress), strict=True):
        piece, ends = spans.encode(trace), spans.step_ends(trace)
        target = np.full(len(piece), -1, np.float32)
        last = np.zeros(len(piece), np.bool_)
        begin = 1 + len(trace.problem.prompt)
        for value, end in zip(values, ends, strict=True):
            target[begin : end + 1] = value
            begin = int(end) + 1
        last[ends] = True
        pieces.append(piece)
        targets.append(target)
        lasts.append(last)
    return Dataset(
        np.frombuffer(b"".join(pieces), np.uint8),
        np.cumsum([0] + [len(piece) for piece in pieces]),
        np.concatenate(targets),
        np.concatenate(lasts),
    )


def cached(
    recipe: Recipe,
    folder: Path,
    on_progress: Callable[[str, int], None] = lambda what, done: None,
) -> Dataset:
    """The same, kept in `folder` for the next run."""
    path = folder / f"{recipe.name}-{recipe.seed}-{recipe.problems}.npz"
    if not path.exists():
        made = make(recipe, on_progress)
        folder.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial.npz")
        np.savez(partial_path, **vars(made))
        partial_path.replace(path)
    with np.load(path) as stored:
        return Dataset(**{name: stored[name] for name in stored.files})


@dataclass(frozen=True)
class Group:
    """Some traces of one batch, padded to their own longest."""

    tokens: NDArray[np.int64]  # (traces, length)
    label: NDArray[np.float32]
    weight: NDArray[np.float32]  # 0 where there is no label


def batches(
    data: Dataset, traces: int, *, seed: int, first: int = 0, groups: int = 4
) -> Iterator[list[Group]]:
    """Endless batches from number `first` on; every epoch in another order."""
    per_epoch = len(data) // traces
    if not per_epoch:
        raise ValueError(f"{len(data)} traces do not fill a batch of {traces}")
    number = first
    while True:
        epoch, place = divmod(number, per_epoch)
        order = np.random.default_rng([seed, epoch]).permutation(len(data))
        for k in range(place, per_epoch):
            rows = order[k * traces : (k + 1) * traces]
            lengths = data.starts[rows + 1] - data.starts[rows]
            rows = rows[np.argsort(lengths, kind="stable")]
            yield [_group(data, part) for part in np.array_split(rows, groups)]
            number += 1


def _group(data: Dataset, rows: NDArray[np.int64]) -> Group:
    width = int((data.starts[rows + 1] - data.starts[rows]).max())
    shape = (len(rows), width)
    group = Group(np.zeros(shape, np.int64), np.zeros(shape, np.float32),
                  np.zeros(shape, np.float32))  # fmt: skip
    for i, row in enumerate(rows):
        piece = slice(data.starts[row], data.starts[row + 1])
        label, last = data.label[piece], data.last[piece]
        group.tokens[i, : len(label)] = data.tokens[piece]
        group.label[i, : len(label)] = np.maximum(label, 0)
        group.weight[i, : len(label)] = np.where(last, 1, INSIDE) * (label >= 0)
    return group
