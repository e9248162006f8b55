"""The recipe that tunes a rung to revise, on trajectories of its own attempts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from tts_lab import ladder
from tts_lab.ladder import checkpoint
from tts_lab.ladder.data import Corpus
from tts_lab.ladder.rungs import rung
from tts_lab.ladder.train import Progress, Run
from tts_lab.revise import trajectories


@dataclass(frozen=True)
class Recipe:
    """How a reviser is trained.

    Attributes
    ----------
    name : str
    base : str
        The rung that is tuned, and that writes the attempts.
    tokens : int
        Tokens of trajectories, each read once.
    keep : float
        See `trajectories.draw`.
    learning_rate : float
        Of Muon, at its peak.
    seed : int
    """

    name: str
    base: str
    tokens: int = 8_000_000
    keep: float = 0.4
    learning_rate: float = 0.006
    seed: int = 0


RECIPES = {one.name: one for one in (Recipe("reviser-105k", "105k"),)}


def corpus(recipe: Recipe, folder: Path, on_progress: Callable[[int], None]) -> Corpus:
    """The recipe's trajectories, kept in `folder` for the next run."""
    path = (
        folder
        / f"trajectories-{recipe.base}-{recipe.keep}-{recipe.seed}-{recipe.tokens}.npz"
    )
    if not path.exists():
        made = trajectories.draw(
            ladder.load(recipe.base), recipe.tokens + 100_000, keep=recipe.keep,
            seed=recipe.seed,
            on_progress=on_progress,
        )  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial.npz")
        np.savez(partial_path, **vars(made))
        partial_path.replace(path)
    with np.load(path) as stored:
        return Corpus(**{name: stored[name] for name in stored.files})


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    on_data: Callable[[int], None] = lambda tokens: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Tune the rung; returns its folder, a Hugging Face checkpoint."""
    target = folder / recipe.name
    if target.exists():
        return target
    data = corpus(recipe, folder / "corpus", on_data)
    shape = replace(
        rung(recipe.base), name=recipe.name, learning_rate=recipe.learning_rate
    )
    run = Run(shape, data, device)
    weights = load_file(ladder.path(recipe.base) / "model.safetensors")
    run.model.load_state_dict({k: w.float() for k, w in weights.items()}, strict=False)
    run.until(recipe.tokens, recipe.tokens, on_progress)

    def note(partial_folder: Path) -> None:
        record = asdict(run.progress) | asdict(recipe) | {
            "parameters": shape.parameters
        }  # fmt: skip
        text = json.dumps(record, indent=1)
        (partial_folder / "training.json").write_text(text + "\n")

    checkpoint.save(run.model, shape, target, add=note)
    return target
