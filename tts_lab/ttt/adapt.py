"""Training one adapter on one task, in seconds.

Promises: the base is a snapshot that is only read; cancelling or crashing leaves it bit
for bit what it was; the same seed gives the same adapter. The cost is 6 N FLOPs for
every token read in training (Snell et al. 2408.03314, sec. 7), though an adapter saves
part of the backward pass. As in pretraining, an example's tokens are all of it, from
the first to the one that ends it, without padding.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from threading import Event as Flag
from threading import Lock
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from tts_lab.ladder.model import Llama
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.rungs import HEAD_DIM, NORM_EPSILON, ROPE_THETA, VOCABULARY_SIZE
from tts_lab.ttt.examples import Examples
from tts_lab.ttt.lora import TARGETS, Adapter, Target


@dataclass(frozen=True)
class Recipe:
    """How an adapter is trained.

    Attributes
    ----------
    rank : int
    alpha : float
    targets : tuple of str
    learning_rate : float
        Of AdamW, falling to zero along a cosine after a short warm-up.
    epochs : int
        How often the examples are read.
    batch : int
        Examples a step.

    Raises
    ------
    ValueError
        For a number out of range; the message quotes it.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: tuple[Target, ...] = TARGETS
    learning_rate: float = 1e-2
    epochs: int = 2
    batch: int = 8

    def __post_init__(self) -> None:
        check_recipe(self)


def check_recipe(recipe: Any) -> None:
    """Refuse numbers that no adapter can be trained with, whoever's recipe it is.

    Raises
    ------
    ValueError
        The message quotes the value.
    """
    for name in ("rank", "epochs", "batch"):
        if getattr(recipe, name) < 1:
            raise ValueError(f"{name}={getattr(recipe, name)!r}; accepted is 1 or more")
    for name in ("alpha", "learning_rate"):
        if not getattr(recipe, name) > 0:
            raise ValueError(f"{name}={getattr(recipe, name)!r}; accepted is above 0")


@dataclass(frozen=True)
class Step:
    """What one step of training did, and the tokens it read: for whoever watches."""

    number: int
    of: int
    loss: float
    tokens: int


@dataclass(frozen=True)
class Adapted:
    """A model with an adapter merged into a copy of its weights.

    Attributes
    ----------
    model : Model
        For the built-in engine.
    losses : tuple of float
        Per step, nats per token of an output.
    tokens : int
        Read in training.
    flops : float
        6 N a token.
    seconds : float
    complete : bool
        False when it was cancelled; the model is then as far as it came.
    """

    model: Model
    losses: tuple[float, ...]
    tokens: int
    flops: float
    seconds: float
    complete: bool


class Base:
    """A policy to adapt: its weights for torch, and for the engine.

    Adaptations may go on at the same time: their steps take turns.

    Parameters
    ----------
    model : Model
        What `tts_lab.ladder.model_folder.read` gives.

    Raises
    ------
    ValueError
        For a model that is not shaped as the ladder's are; the message says where.
    """

    def __init__(self, model: Model) -> None:
        needed = {
            "head_dim": HEAD_DIM, "theta": ROPE_THETA, "epsilon": NORM_EPSILON,
        }  # fmt: skip
        for name, value in needed.items():
            if getattr(model, name) != value:
                raise ValueError(
                    f"{model.name!r} has {name} {getattr(model, name)!r}; accepted is "
                    f"the ladder's {value!r}"
                )
        if "lm_head.weight" in model.weights:
            raise ValueError(
                f"{model.name!r} has a head of its own; accepted are tied embeddings"
            )
        self.model = model
        self._turn = Lock()  # one adapter at a time hangs on the network
        self.network = Llama(model, VOCABULARY_SIZE)
        weights = {name: torch.from_numpy(w) for name, w in model.weights.items()}
        self.network.load_state_dict(weights)
        self.network.requires_grad_(False)

    def adapt(
        self,
        examples: Examples,
        recipe: Recipe | None = None,
        *,
        seed: int = 0,
        cancel: Flag | None = None,
        on_step: Callable[[Step], object] = lambda step: None,
        start: Adapter | None = None,
    ) -> Adapted:
        """Train an adapter on examples and merge it into a copy of the weights.

        Parameters
        ----------
        examples : Examples
            See `tts_lab.ttt.examples`.
        recipe : Recipe, optional
        seed : int
            Of the adapter's start and the examples' order.
        cancel : threading.Event, optional
            When it is set, training ends after the step that is going on.
        on_step : callable
            Gets each `Step`; what it raises ends the training.
        start : Adapter, optional
            To go on with; a fresh one by default.
        """
        training = self.steps(examples, recipe, seed=seed, cancel=cancel, start=start)
        while True:
            try:
                step = next(training)
            except StopIteration as end:
                adapted: Adapted = end.value
                return adapted
            on_step(step)

    def adapter(self, recipe: Recipe, *, seed: int = 0) -> Adapter:
        """A fresh adapter, which changes nothing yet."""
        return Adapter(
            self.network, rank=recipe.rank, alpha=recipe.alpha,
            targets=recipe.targets, seed=seed,
        )  # fmt: skip

    def steps(
        self,
        examples: Examples,
        recipe: Recipe | None = None,
        *,
        seed: int = 0,
        cancel: Flag | None = None,
        start: Adapter | None = None,
    ) -> Generator[Step, None, Adapted]:
        """The same step by step; between two steps nothing hangs on the network.

        What the reader of the steps does in between is not in the seconds.
        """
        recipe = recipe or Recipe()
        adapter = start or self.adapter(recipe, seed=seed)
        losses: list[float] = []
        read, seconds = 0, 0.0
        batches = batched(len(examples), recipe.epochs, recipe.batch, seed=seed)
        optimiser = torch.optim.AdamW(
            adapter.parameters(), lr=recipe.learning_rate, weight_decay=0.01
        )
        complete = True
        for number, rows in enumerate(batches):
            if cancel is not None and cancel.is_set():
                complete = False
                break
            began = perf_counter()
            share = rate(number, len(batches))
            for group in optimiser.param_groups:
                group["lr"] = recipe.learning_rate * share
            with self._turn, adapter.attached():
                losses.append(self._step(optimiser, examples, rows))
            tokens = int(examples.lengths[rows].sum())
            read += tokens
            seconds += perf_counter() - began
            yield Step(number + 1, len(batches), losses[-1], tokens)
        return Adapted(
            merged(self.model, adapter), tuple(losses), read,
            6.0 * self.model.parameters * read, seconds, complete,
        )  # fmt: skip

    def _step(self, optimiser: Any, examples: Examples, rows: Sequence[int]) -> float:
        inputs = torch.from_numpy(examples.inputs[rows])
        targets = torch.from_numpy(examples.targets[rows])
        optimiser.zero_grad()
        logits = self.network(inputs).flatten(0, 1)
        loss = F.cross_entropy(logits, targets.flatten(), ignore_index=-1)
        loss.backward()
        optimiser.step()
        return float(loss.detach())


def merged(model: Model, adapter: Adapter) -> Model:
    """A copy of the model with the adapter's changes added to its weights.

    Its name and fingerprint are its own, so no bank takes its samples for the model's.
    """
    changes = adapter.changes()
    digest = blake2b(model.fingerprint.encode(), digest_size=16)
    for name in sorted(changes):
        digest.update(changes[name].tobytes())
    weights = {
        name: weight + changes[name] if name in changes else weight
        for name, weight in model.weights.items()
    }
    return replace(
        model, name=f"{model.name} adapted", fingerprint=digest.hexdigest(),
        weights=weights,
    )  # fmt: skip


def batched(examples: int, epochs: int, batch: int, *, seed: int) -> list[list[int]]:
    """The examples of each step, shuffled anew for each epoch."""
    rng = np.random.default_rng(seed)
    order = np.concatenate([rng.permutation(examples) for _ in range(epochs)])
    return [order[i : i + batch].tolist() for i in range(0, len(order), batch)]


def rate(step: int, steps: int) -> float:
    """Warm-up over the first tenth, then a cosine to zero."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + float(np.cos(np.pi * (step - warm) / max(1, steps - warm))))
