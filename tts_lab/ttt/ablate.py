"""What each part of test-time training is worth: one left out at a time.

The parts are those of Akyurek et al. (2411.07279), sec. 3.4 and their ablation. All
variants see the same problems; a problem counts as solved when one of two answers is
right (pass@2), or the first (pass@1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from threading import Event as Flag

import numpy as np
from numpy.typing import NDArray

from tts_lab.ledger import Ledger
from tts_lab.problems import grids
from tts_lab.traces import Problem
from tts_lab.ttt.adapt import Adapted, Base, Recipe
from tts_lab.ttt.examples import Examples, joined, training_set
from tts_lab.ttt.predict import predict
from tts_lab.ttt.views import IDENTITY, View, views


@dataclass(frozen=True)
class Variant:
    """Test-time training with or without each of its parts.

    Attributes
    ----------
    name : str
    adapt : bool
        False leaves the model as it was pretrained ("fine-tuning only").
    leave_out, transformations, demonstration_loss : bool
        As in `examples.training_set`.
    shared : bool
        One adapter for all problems instead of one for each.
    vote : bool
        False answers once, from the side the task stands on; there is no second answer.
    """

    name: str
    adapt: bool = True
    leave_out: bool = True
    transformations: bool = True
    demonstration_loss: bool = True
    shared: bool = False
    vote: bool = True


FULL = Variant("full")
#: the paper's ablation, the whole first
VARIANTS: dict[str, Variant] = {
    one.name: one
    for one in (
        FULL,
        replace(FULL, name="no transformations", transformations=False),
        replace(FULL, name="direct input and output", leave_out=False),
        replace(FULL, name="shared adapter", shared=True),
        replace(FULL, name="no demonstration loss", demonstration_loss=False),
        replace(FULL, name="no voting", vote=False),
        replace(FULL, name="no adapting, voting", adapt=False),
        replace(FULL, name="no adapting", adapt=False, vote=False),
    )
}


@dataclass(frozen=True)
class Outcome:
    """What a variant did on some problems.

    Attributes
    ----------
    variant : str
    first, second : (P,) bool arrays
        Whether the first answer is right; whether one of two is.
    ledgers : tuple of Ledger
        Of each problem, training and answering; a shared adapter's training is split
        evenly.
    """

    variant: str
    first: NDArray[np.bool_]
    second: NDArray[np.bool_]
    ledgers: tuple[Ledger, ...]


def measure(
    base: Base,
    problems: Sequence[Problem],
    variant: Variant = FULL,
    *,
    recipe: Recipe | None = None,
    size: int = 128,
    permutations: int = 4,
    seed: int = 0,
    threads: int | None = None,
    on_problem: Callable[[int], object] = lambda done: None,
    cancel: Flag | None = None,
) -> Outcome:
    """Solve problems with a variant.

    When cancelled it stops; a problem whose adapter was not trained to the end is not
    in the outcome. A shared adapter's tokens and seconds are split evenly.

    Parameters
    ----------
    base : Base
    problems : sequence of Problem
        Of the grids domain.
    variant : Variant
    recipe : Recipe, optional
    size : int
        Training examples of a problem.
    permutations : int
        Of colours and demonstrations, for each transformation, in answering.
    seed : int
    threads : int, optional
        Of the engine that answers.
    on_problem : callable
        Gets the number of problems done.
    cancel : threading.Event, optional

    Raises
    ------
    ValueError
        For no problems, or one that is no grid task with its answer.
    """
    if not problems:
        raise ValueError("problems is empty; accepted is one problem or more")
    first, second, ledgers = list[bool](), list[bool](), list[Ledger]()

    def adapt(examples: Examples, seed: int) -> Adapted:
        return base.adapt(examples, recipe, seed=seed, cancel=cancel)

    common: Adapted | None = None
    share = 1
    if variant.adapt and variant.shared:
        share = len(problems)
        common = adapt(joined([
            _examples(problem, variant, size, seed + i)
            for i, problem in enumerate(problems)
        ]), seed)  # fmt: skip
    for i, problem in enumerate(problems):
        adapted = common
        if variant.adapt and not variant.shared:
            adapted = adapt(_examples(problem, variant, size, seed + i), seed + i)
        if (adapted and not adapted.complete) or (cancel and cancel.is_set()):
            break
        model = base.model if adapted is None else adapted.model
        found = predict(
            model, problem, _sides(problem, variant, permutations, seed),
            threads=threads,
        )  # fmt: skip
        first.append(found.right(problem, within=1))
        second.append(found.right(problem))
        ledgers.append(found.ledger + _training(adapted, share))
        on_problem(i + 1)
    return Outcome(
        variant.name, np.array(first, np.bool_), np.array(second, np.bool_),
        tuple(ledgers),
    )  # fmt: skip


def _examples(problem: Problem, variant: Variant, size: int, seed: int) -> Examples:
    demonstrations, _ = grids.parse(problem.prompt)
    return training_set(
        demonstrations, size=size, leave_out=variant.leave_out,
        transformations=variant.transformations,
        demonstration_loss=variant.demonstration_loss, seed=seed,
    )  # fmt: skip


def _sides(problem: Problem, variant: Variant, number: int, seed: int) -> list[View]:
    if not variant.vote:
        return [IDENTITY]
    demonstrations = problem.prompt.count("|")
    return views(demonstrations, permutations=number, seed=seed)


def _training(adapted: Adapted | None, shared: int) -> Ledger:
    """One problem's share of the training."""
    if adapted is None:
        return Ledger()
    return Ledger(
        training_tokens=adapted.tokens // shared, seconds=adapted.seconds / shared
    )
