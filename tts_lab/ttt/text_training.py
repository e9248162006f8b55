"""LoRA layers of peft in a Hugging Face model, and training them.

Promises: when the block of `layers` ends, however it ends, the model's modules, flags
and weights are what they were; no weight but the layers' own is written to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event as Flag
from time import perf_counter
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch.nn import functional as F

from tts_lab.ledger import Ledger
from tts_lab.ttt.adapt import Step, batched, check_recipe, rate
from tts_lab.ttt.lora import TARGETS

PADDED = -1  # a target that takes no loss

Piece = tuple[list[int], list[bool]]  # token ids; whether the loss is taken of each


@dataclass(frozen=True)
class TextRecipe:
    """How an adapter is trained; the numbers are those of the paper's program.

    Attributes
    ----------
    rank : int
    alpha : int
        The change is scaled by alpha / rank.
    targets : tuple of str, or "all-linear"
        Ends of the names of the modules that get an adapter; peft's `target_modules`.
    learning_rate : float
        Of AdamW, falling to zero along a cosine after a short warm-up. Small models
        take ten times more.
    epochs, batch : int

    Raises
    ------
    ValueError
        For a number out of range; the message quotes it.

    References
    ----------
    ekinakyurek/marc, `configs/ttt/8B_lora_single_device.yaml`.
    """

    rank: int = 64
    alpha: int = 16
    targets: tuple[str, ...] | str = TARGETS
    learning_rate: float = 3e-4
    epochs: int = 2
    batch: int = 2

    def __post_init__(self) -> None:
        check_recipe(self)


@dataclass(frozen=True)
class Training:
    """What training an adapter did and cost.

    Attributes
    ----------
    losses : tuple of float
        Per step, nats per token of an output.
    tokens : int
        Of the examples read, without padding.
    flops : float
        6 N a token, N without the adapter.
    seconds : float
    complete : bool
        False when it was cancelled; the adapter is then as far as it came.
    adapter : int
        Parameters of the adapter.
    """

    losses: tuple[float, ...]
    tokens: int
    flops: float
    seconds: float
    complete: bool
    adapter: int

    @property
    def ledger(self) -> Ledger:
        """Of the training; add it to an answer's."""
        return Ledger(training_tokens=self.tokens, seconds=self.seconds)


@contextmanager
def layers(model: Any, recipe: TextRecipe, *, seed: int) -> Iterator[list[Any]]:
    """The adapter's weights, untrained, in the model until the end of the block.

    Raises
    ------
    ValueError
        If the model has none of the targets, or peft has no adapter for one.
    """
    targets = recipe.targets
    config = LoraConfig(
        r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=0.0,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )  # fmt: skip
    flags = [(weight, weight.requires_grad) for weight in model.parameters()]
    children = [(module, dict(module._modules)) for module in model.modules()]
    device, tuned = model.device, None
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            torch.manual_seed(seed)
            with warnings.catch_warnings():  # peft sets it right itself, and warns
                warnings.filterwarnings("ignore", message="fan_in_fan_out is set")
                tuned = get_peft_model(model, config)
        with quiet(model):  # no dropout: the same seed gives the same adapter
            yield [weight for weight in model.parameters() if weight.requires_grad]
    finally:
        if tuned is not None:
            tuned.unload()
        else:  # peft gave up half-way
            for module, before in children:
                module._modules.update(before)
            vars(model).pop("peft_config", None)
        for weight, flag in flags:
            weight.requires_grad_(flag)


@contextmanager
def quiet(model: Any) -> Iterator[None]:
    """The model in evaluation mode, until the end of the block."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def train(
    model: Any,
    weights: Sequence[Any],
    pieces: Sequence[Piece],
    recipe: TextRecipe,
    *,
    seed: int,
    cancel: Flag | None,
    on_step: Callable[[Step], object],
) -> Training:
    """Train an adapter's weights on examples; see `HuggingFace.adapted`."""
    batches = batched(len(pieces), recipe.epochs, recipe.batch, seed=seed)
    optimiser = torch.optim.AdamW(weights, lr=recipe.learning_rate, weight_decay=0.01)
    losses: list[float] = []
    read, seconds, complete = 0, 0.0, True
    for number, rows in enumerate(batches):
        if cancel is not None and cancel.is_set():
            complete = False
            break
        began = perf_counter()
        for group in optimiser.param_groups:
            group["lr"] = recipe.learning_rate * rate(number, len(batches))
        losses.append(_step(model, optimiser, [pieces[row] for row in rows]))
        tokens = sum(len(pieces[row][0]) for row in rows)
        read += tokens
        seconds += perf_counter() - began
        on_step(Step(number + 1, len(batches), losses[-1], tokens))
    adapter = sum(weight.numel() for weight in weights)
    base = sum(weight.numel() for weight in model.parameters()) - adapter
    return Training(tuple(losses), read, 6.0 * base * read, seconds, complete, adapter)


def _step(model: Any, optimiser: Any, some: Sequence[Piece]) -> float:
    width = max(len(ids) for ids, _ in some) - 1
    inputs = torch.zeros((len(some), width), dtype=torch.long)
    mask = torch.zeros((len(some), width), dtype=torch.long)
    targets = torch.full((len(some), width), PADDED)
    for i, (ids, taught) in enumerate(some):
        last = len(ids) - 1
        inputs[i, :last] = torch.tensor(ids[:-1])
        mask[i, :last] = 1
        aims = [t if kept else PADDED for t, kept in zip(ids, taught, strict=True)]
        targets[i, :last] = torch.tensor(aims[1:])
    device = model.device
    optimiser.zero_grad()
    with torch.enable_grad():
        logits = model(
            input_ids=inputs.to(device), attention_mask=mask.to(device),
            use_cache=False,
        ).logits  # fmt: skip
        loss = F.cross_entropy(
            logits.flatten(0, 1).float(), targets.to(device).flatten(),
            ignore_index=PADDED,
        )  # fmt: skip
        loss.backward()
    optimiser.step()
    return float(loss.detach())
