"""The recipe that trains a verifier: seeded, resumable, device-agnostic.

Only the fresh layers and the head learn, so the trunk's backward pass is saved, and
the verifier cannot forget what the rung knows. Everything a killed run needs is in
`<name>.pt`, written once a minute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.nn import functional as F

from tts_lab.ladder import checkpoint
from tts_lab.ladder.optimizer import optimisers
from tts_lab.prm import dataset
from tts_lab.prm.model import TokenClassifier, on_rung
from tts_lab.prm.recipes import Recipe

WARMUP_BATCHES = 100
SAVE_SECONDS = 60.0
DECAY = 0.4  # share of the run over which the rate falls to zero


@dataclass(frozen=True)
class Progress:
    """Where a run is."""

    batches: int = 0
    tokens: int = 0
    seconds: float = 0.0
    loss: float = 0.0


def rate(batch: int, batches: int) -> float:
    """Learning rate as a share of its peak.

    >>> rate(0, 1000), rate(500, 1000), round(rate(800, 1000), 3)
    (0.01, 1.0, 0.5)
    """
    warm = min(1.0, (batch + 1) / WARMUP_BATCHES)
    return warm * min(1.0, (1 - batch / batches) / DECAY)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    on_progress: Callable[[Progress], None] = lambda progress: None,
    on_data: Callable[[str, int], None] = lambda what, done: None,
    on_model: Callable[[TokenClassifier, Progress], None] | None = None,
) -> tuple[TokenClassifier, Progress]:
    """Train a verifier, or go on with a run that was killed.

    Parameters
    ----------
    recipe : Recipe
    folder : path
        Gets the data and `<name>.pt`.
    device : str
    on_progress : callable
        Called after every batch.
    on_data : callable
        Called with what is being made and how many of it there are.
    on_model : callable, optional
        Called every 250 batches with the model as it is.

    Returns
    -------
    TokenClassifier, Progress
    """
    data = dataset.cached(recipe, folder, on_data)
    model, _shape = on_rung(recipe.trunk, extra=recipe.extra, seed=recipe.seed)
    model.to(device)
    steppers = optimisers(model, recipe.learning_rate)
    peaks = [[group["lr"] for group in one.param_groups] for one in steppers]
    progress = Progress()
    path = folder / f"{recipe.name}.pt"
    if path.exists():
        state = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        for one, stored in zip(steppers, state["optimisers"], strict=True):
            one.load_state_dict(stored)
        progress = Progress(**state["progress"])

    def save() -> None:
        unfinished = path.with_suffix(".partial")
        state = {
            "model": model.state_dict(),
            "optimisers": [one.state_dict() for one in steppers],
            "progress": vars(progress),
        }
        torch.save(state, unfinished)
        unfinished.replace(path)

    feed = dataset.batches(
        data, recipe.traces_per_batch, seed=recipe.seed, first=progress.batches
    )
    saved = time.monotonic()
    while progress.batches < recipe.batches:
        began = time.perf_counter()
        share = rate(progress.batches, recipe.batches)
        for one, highest in zip(steppers, peaks, strict=True):
            for group, peak in zip(one.param_groups, highest, strict=True):
                group["lr"] = peak * share
        loss, tokens = _batch(model, next(feed), device)
        for one in steppers:
            one.step()
        old = progress
        progress = Progress(
            old.batches + 1,
            old.tokens + tokens,
            old.seconds + time.perf_counter() - began,
            0.98 * old.loss + 0.02 * loss if old.batches else loss,
        )
        on_progress(progress)
        if on_model and progress.batches % 250 == 0:
            on_model(model, progress)
        if time.monotonic() - saved > SAVE_SECONDS:
            save()
            saved = time.monotonic()
    save()
    return model, progress


def _batch(
    model: TokenClassifier, groups: list[dataset.Group], device: str
) -> tuple[float, int]:
    """Gradients of one batch; its mean loss (nats) and its tokens."""
    model.zero_grad()
    weight = sum(float(group.weight.sum()) for group in groups)
    total, tokens = 0.0, 0
    for group in groups:
        logits = model(torch.from_numpy(group.tokens).to(device))
        loss = F.binary_cross_entropy_with_logits(
            logits,
            torch.from_numpy(group.label).to(device),
            weight=torch.from_numpy(group.weight).to(device),
            reduction="sum",
        )
        (loss / weight).backward()
        total += loss.item()
        tokens += int((group.tokens > 0).sum())
    torch.nn.utils.clip_grad_norm_(model.fresh(), 1.0)
    return total / weight, tokens


def save(
    model: TokenClassifier,
    recipe: Recipe,
    folder: Path,
    add: Callable[[Path], None] = lambda partial: None,
) -> None:
    """Write the verifier as a Hugging Face token-classification folder."""
    _, shape = on_rung(recipe.trunk, extra=recipe.extra, seed=recipe.seed)
    checkpoint.save(
        model,
        shape.whole,
        folder,
        changes={
            "architectures": ["LlamaForTokenClassification"],
            "classifier_dropout": 0.0,
            "id2label": {"0": "right"},
            "label2id": {"right": 0},
        },
        add=add,
    )
