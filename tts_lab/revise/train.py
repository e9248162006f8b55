"""The recipe that tunes a rung to revise, on trajectories of its own attempts.

First it learns to read what stands before (`copying`, mixed with as many
trajectories), then to revise (`trajectories`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tts_lab import ladder
from tts_lab.ladder.data import Corpus, kept
from tts_lab.ladder.rungs import REVISERS
from tts_lab.revise import card, copying, trajectories
from tts_lab.tuning import tune

if TYPE_CHECKING:
    from tts_lab.ladder.train import Progress

DECAY = 0.7  # share of the tokens over which the learning rate falls to zero


@dataclass(frozen=True)
class Recipe:
    """How a reviser is trained.

    Attributes
    ----------
    name : str
        Of `tts_lab.ladder.rungs.REVISERS`, which says its shape and learning rate.
    base : str
        The rung that is tuned, and that writes the attempts.
    drawn : int
        Tokens of trajectories, each read once.
    copied : int
        Tokens of random numbers to be written again.
    contexts : str
        See `trajectories.draw`.
    seed : int
    """

    name: str
    base: str
    drawn: int
    copied: int
    contexts: trajectories.Contexts = "sampled"
    seed: int = 0

    @property
    def tokens(self) -> int:
        """All that is read."""
        return self.drawn + self.copied


RECIPES = {
    one.name: one for one in (Recipe("reviser-380k", "380k", 6_000_000, 1_200_000),)
}


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises
    ------
    ValueError
        For an unknown name; the message lists what there is.

    >>> recipe("reviser-380k").base
    '380k'
    """
    if name not in RECIPES:
        raise ValueError(f"reviser {name!r} is unknown; there are {list(RECIPES)}")
    return RECIPES[name]


def corpus(recipe: Recipe, folder: Path, on_progress: Callable[[int], None]) -> Corpus:
    """What the recipe reads, kept in `folder` for the next run."""
    key = (
        f"{recipe.base}-{recipe.contexts}-{recipe.seed}-{recipe.drawn}-{recipe.copied}"
    )

    def make() -> Corpus:
        drawn = trajectories.draw(
            ladder.load(recipe.base), recipe.drawn + 100_000,
            contexts=recipe.contexts, seed=recipe.seed, on_progress=on_progress,
        )  # fmt: skip
        copies = copying.draw(recipe.copied, seed=recipe.seed)
        return copying.mixed(copies, drawn, seed=recipe.seed)

    return kept(folder / f"trajectories-{key}.npz", make)


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
        REVISERS[recipe.name], recipe,
        lambda: corpus(recipe, folder / "corpus", on_data), folder, decay=DECAY,
        card=card.write, device=device, on_progress=on_progress,
    )  # fmt: skip
