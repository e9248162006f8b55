"""Recipes of the learned verifiers; `tts-lab train-verifier` runs them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

LabelKind = Literal["exact", "soft", "hard", "outcome"]


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
        "exact" step truth, "soft" or "hard" Monte-Carlo labels of Math-Shepherd
        (2312.08935, sec. 3.2), or the trace's "outcome".
    trunk : str
        The rung it grows on, whose own weights stay as they are.
    problems, samples, rollouts : int
        Training problems, samples of each, completions of each step's prefix.
    ridge : float
        Penalty on the head's squared weights, in nats.
    seed : int
    """

    name: str
    title: str
    policy: str
    labels: LabelKind
    trunk: str = "380k"
    problems: int = 3000
    samples: int = 8
    rollouts: int = 8
    ridge: float = 1e-5
    seed: int = 0

    def __post_init__(self) -> None:
        if self.labels not in get_args(LabelKind):
            raise ValueError(
                f"labels is {self.labels!r}; accepted are {list(get_args(LabelKind))}"
            )
        for name in ("problems", "samples", "rollouts"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"{name} is {getattr(self, name)!r}; accepted is 1 or more"
                )


RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        Recipe("prm-a", "PRM from Monte-Carlo rollouts, soft labels (Math-Shepherd)",
               "105k", "soft"),
        Recipe("prm-a-hard", "PRM from Monte-Carlo rollouts, hard labels", "105k",
               "hard"),
        Recipe("prm-b", "PRM from exact step truth (human labels)", "105k", "exact"),
        Recipe("prm-x", "PRM from another policy's rollouts", "27k", "soft"),
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
