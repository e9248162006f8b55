"""The recipe that trains a rung: seeded, resumable, device-agnostic.

The learning rate is constant on the trunk of the run and falls to zero over the
last fifth before each kept checkpoint, on a branch; the trunk then goes on from
where the branch left it. So every checkpoint is a finished model of its number of
tokens, not a model caught half-way (Hu et al. 2404.06395, "WSD").

Everything a killed run needs is in `trunk.pt`, written once a minute: the next call
goes on from there, with the same examples in the same order.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from tts_lab.ladder import card, checkpoint, data
from tts_lab.ladder.model import Llama
from tts_lab.ladder.optimizer import optimisers
from tts_lab.ladder.rungs import VOCABULARY_SIZE, Rung

TOKENS_PER_BATCH = 4096
WARMUP_BATCHES = 100
DECAY = 0.2  # share of a checkpoint's tokens over which the rate falls to zero
SEED = 0


@dataclass(frozen=True)
class Progress:
    """Where a run is: also what `trunk.pt` stores beside the weights."""

    example: int = 0
    tokens: int = 0
    batches: int = 0
    seconds: float = 0.0
    loss: float = 0.0


def rate(progress: Progress, goal: int | None, decay: float = DECAY) -> float:
    """Learning rate as a share of the peak; `goal` is the checkpoint on a branch.

    >>> rate(Progress(batches=9), None), round(rate(Progress(90, 90, 900), 100), 6)
    (0.1, 0.5)
    """
    warm = min(1.0, (progress.batches + 1) / WARMUP_BATCHES)
    if goal is None:
        return warm
    return warm * min(1.0, max(0.0, (1 - progress.tokens / goal) / decay))


class Run:
    """One rung in training: model, optimisers, and the place in the corpus."""

    def __init__(
        self, rung: Rung, corpus: data.Corpus, device: str, *, decay: float = DECAY
    ) -> None:
        self.decay = decay  # share of the tokens over which the rate falls to zero
        torch.manual_seed(SEED)
        self.device = torch.device(device)
        self.model = Llama(rung, VOCABULARY_SIZE).to(self.device)
        self.optimisers = optimisers(self.model, rung.learning_rate)
        self.peaks = [[g["lr"] for g in o.param_groups] for o in self.optimisers]
        self.corpus = corpus
        self.progress = Progress()

    def state(self) -> dict[str, object]:
        return {
            "model": self.model.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "progress": vars(self.progress),
        }

    def load(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        for optimiser, stored in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(stored)
        self.progress = Progress(**state["progress"])

    def until(
        self, tokens: int, goal: int | None, each: Callable[[Progress], None]
    ) -> None:
        """Train until so many tokens were seen, calling `each` after a batch."""
        feed = data.batches(
            self.corpus, TOKENS_PER_BATCH, first=self.progress.example, groups=4
        )
        while self.progress.tokens < tokens:
            began = time.perf_counter()
            example, count, groups = next(feed)
            loss = self.batch(groups, rate(self.progress, goal, self.decay))
            old = self.progress
            smooth = 0.98 * old.loss + 0.02 * loss if old.batches else loss
            self.progress = Progress(
                example,
                old.tokens + count,
                old.batches + 1,
                old.seconds + time.perf_counter() - began,
                smooth,
            )
            each(self.progress)

    def batch(self, groups: list[data.Group], share: float) -> float:
        """One step of the optimisers; returns the mean loss per trace token."""
        for optimiser, peaks in zip(self.optimisers, self.peaks, strict=True):
            for options, peak in zip(optimiser.param_groups, peaks, strict=True):
                options["lr"] = peak * share
            optimiser.zero_grad()
        count = sum(int((g.targets >= 0).sum()) for g in groups)
        total = 0.0
        for group in groups:
            inputs = torch.from_numpy(group.inputs).to(self.device)
            targets = torch.from_numpy(group.targets).to(self.device)
            loss = F.cross_entropy(
                self.model(inputs).flatten(0, 1),
                targets.flatten(),
                ignore_index=-1,
                reduction="sum",
            )
            (loss / count).backward()
            total += loss.item()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
        return total / count


def train(
    rung: Rung,
    folder: Path,
    *,
    checkpoints: tuple[int, ...] | None = None,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] | None = None,
) -> list[Path]:
    """Train a rung and keep each checkpoint; finished ones are not made again.

    Parameters
    ----------
    rung
        Shape and learning rate.
    folder
        Gets `<rung>-<tokens>/` per checkpoint, `<rung>/trunk.pt` and the corpus.
    checkpoints
        Tokens seen at each kept checkpoint, ascending; the rung's own by default.

    Returns
    -------
    list of Path
        The checkpoints' folders, as Hugging Face checkpoints.
    """
    checkpoints = checkpoints or rung.checkpoints
    corpus = data.cached_corpus(
        checkpoints[-1] + 100_000,
        seed=SEED,
        folder=folder / "corpus",
        domains=rung.domains,
    )
    run = Run(rung, corpus, device)
    trunk = folder / rung.name / "trunk.pt"
    trunk.parent.mkdir(parents=True, exist_ok=True)
    if trunk.exists():
        run.load(torch.load(trunk, map_location=device, weights_only=True))
    saved = time.monotonic()

    def save_trunk() -> None:
        unfinished = trunk.with_suffix(".partial")
        torch.save(run.state(), unfinished)
        unfinished.replace(trunk)

    def on_trunk(progress: Progress) -> None:
        nonlocal saved
        if time.monotonic() - saved > 60:
            save_trunk()
            saved = time.monotonic()
        if on_progress:
            on_progress(progress)

    folders = []
    for goal in checkpoints:
        target = folder / f"{rung.name}-{goal}"
        folders.append(target)
        if target.exists():
            continue
        leaves = int((1 - DECAY) * goal)  # where the branch leaves the trunk
        if run.progress.tokens > leaves + 2 * TOKENS_PER_BATCH:
            raise ValueError(
                f"{target.name} leaves the trunk at {leaves:,} tokens and {trunk} is "
                f"at {run.progress.tokens:,}; remove it to train the rung anew"
            )
        run.until(leaves, None, on_trunk)
        save_trunk()
        run.until(goal, goal, on_progress or (lambda progress: None))
        seconds = run.progress.seconds
        checkpoint.save(run.model, rung, target, add=partial(_record, run, rung))
        run.load(torch.load(trunk, map_location=device, weights_only=True))
        run.progress = replace(run.progress, seconds=seconds)
    return folders


def _record(run: Run, rung: Rung, folder: Path) -> None:
    """Write what the run knows of itself, and the model card."""
    cpu = run.device.type == "cpu"
    record = vars(run.progress) | {
        "parameters": rung.parameters,
        "seed": SEED,
        "hardware": f"{torch.get_num_threads()} CPU thread(s)"
        if cpu
        else torch.cuda.get_device_name(run.device),
    }
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    card.write(folder, rung)
