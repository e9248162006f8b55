"""The recipe that tunes a rung to think longer, on trajectories of its own attempts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tts_lab import ladder
from tts_lab.ladder.data import Corpus, kept
from tts_lab.ladder.rungs import THINKERS, rung
from tts_lab.think import card, trajectories
from tts_lab.tuning import tune

if TYPE_CHECKING:
    from tts_lab.ladder.train import Progress

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
    return kept(
        folder / f"thoughts-{recipe.base}-{recipe.seed}-{recipe.tokens}.npz",
        lambda: trajectories.draw(
            ladder.load(recipe.base), recipe.tokens + 100_000, seed=recipe.seed,
            on_progress=on_progress,
        ),
    )  # fmt: skip


def train(
    recipe: Recipe,
    folder: Path,
    *,
    device: str = "cpu",
    on_data: Callable[[int], None] = lambda tokens: None,
    on_progress: Callable[[Progress], None] = lambda progress: None,
) -> Path:
    """Tune the rung (needs torch); see `tts_lab.tuning.tune`."""
    return tune(
        THINKERS[recipe.name], recipe,
        lambda: corpus(recipe, folder / "corpus", on_data), folder, decay=DECAY,
        card=card.write, device=device, on_progress=on_progress,
    )  # fmt: skip
