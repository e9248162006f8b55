"""Recipes of learned verifiers. None of their weights ship yet: see LOG.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LabelKind = Literal["exact", "monte_carlo", "outcome"]


@dataclass(frozen=True)
class Recipe:
    """How a learned verifier is trained.

    Attributes
    ----------
    name : str
    title : str
        What it stands for in the literature.
    policy : str
        The rung that writes the traces, and completes them for Monte-Carlo labels.
    labels : str
    trunk : str
        The rung it grows on, whose own weights stay as they are.
    extra : int
        Fresh layers above the trunk.
    problems, samples, rollouts : int
        Training problems, samples of each, completions of each step's prefix.
    batches, traces_per_batch : int
    learning_rate : float
        Of Muon, at its peak.
    seed : int
    """

    name: str
    title: str
    policy: str
    labels: LabelKind
    trunk: str = "380k"
    extra: int = 2
    problems: int = 5000
    samples: int = 8
    rollouts: int = 8
    batches: int = 4000
    traces_per_batch: int = 96
    learning_rate: float = 0.01
    seed: int = 0


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("prm-a", "PRM from Monte-Carlo rollouts (Math-Shepherd)", "105k",
               "monte_carlo"),
        Recipe("prm-b", "PRM from exact step truth (human labels)", "105k", "exact"),
        Recipe("prm-x", "PRM from another policy's rollouts", "27k", "monte_carlo"),
        Recipe("orm", "outcome reward model", "105k", "outcome"),
    )
}  # fmt: skip


def recipe(name: str) -> Recipe:
    """The recipe of a name, or a ValueError that lists the names.

    >>> recipe("prm-b").labels
    'exact'
    """
    if name not in RECIPES:
        raise ValueError(f"verifier {name!r} is unknown; there are {list(RECIPES)}")
    return RECIPES[name]
