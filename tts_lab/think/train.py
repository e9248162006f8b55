"""The recipe that tunes a rung to think longer, on trajectories of its own attempts."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from safetensors.torch import load_file

from tts_lab import ladder
from tts_lab.ladder import checkpoint
from tts_lab.ladder.data import Corpus
from tts_lab.ladder.rungs import THINKERS, rung
from tts_lab.ladder.train import Progress, Run
from tts_lab.think import card, trajectories

DECAY = 0.7  # share of the tokens over which the learning rate falls to zero


@dataclass(frozen=True)
class Recipe:
    """How a thinker is trained.

    Attributes
    ----------
    name : str
        Of `tts_lab.ladder.rungs.THINKERS`, which says its shape and learning rate.
    base : str
        The rung that is tuned, and that writes the attempts.
    seed : int
    """

    name: str
    base: str
    seed: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of trajectories, each read once."""
        return rung(self.name).checkpoints[-1]


RECIPES = {one.name: one for one in (Recipe("thinker-380k", "380k"),)}


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what there is.

    >>> recipe("thinker-380k").base
    '380k'
    """
    if name not in RECIPES:
        raise ValueError(f"thinker {name!r} is unknown; there are {list(RECIPES)}")
    return RECIPES[name]


def corpus(recipe: Recipe, folder: Path, on_progress: Callable[[int], None]) -> Corpus:
    """What the recipe reads, kept in `folder` for the next run."""
    path = folder / f"thoughts-{recipe.base}-{recipe.seed}-{recipe.tokens}.npz"
    if not path.exists():
        made = trajectories.draw(
            ladder.load(recipe.base), recipe.tokens + 100_000,
            seed=recipe.seed, on_progress=on_progress,
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
    """Tune the rung; returns its folder, a Hugging Face checkpoint with a model card.

    A finished one is not made again.
    """
    target = folder / recipe.name
    if target.exists():
        return target
    data = corpus(recipe, folder / "corpus", on_data)
    shape = THINKERS[recipe.name]
    run = Run(shape, data, device, decay=DECAY)
    weights = load_file(ladder.path(recipe.base) / "model.safetensors")
    run.model.load_state_dict({k: w.float() for k, w in weights.items()}, strict=False)
    run.until(recipe.tokens, recipe.tokens, on_progress)
    checkpoint.save(run.model, shape, target, add=partial(_note, run, recipe))
    return target


def _note(run: Run, recipe: Recipe, folder: Path) -> None:
    record = asdict(run.progress) | asdict(recipe) | {
        "parameters": rung(recipe.name).parameters,
        "learning_rate": rung(recipe.name).learning_rate,
    }  # fmt: skip
    (folder / "training.json").write_text(json.dumps(record, indent=1) + "\n")
    card.write(folder)
