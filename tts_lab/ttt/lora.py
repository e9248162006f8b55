"""Low-rank adapters (Hu et al. 2106.09685) for the ladder's Llama, in torch.

An adapter adds (alpha / rank) B A to the matrices it names, in the forward pass alone:
the model's own weights are read and never written, so whatever becomes of a training
run, the model is what it was.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

Target = Literal[
    "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"
]
#: the paper's: queries, values and the MLP
TARGETS: tuple[Target, ...] = ("q_proj", "v_proj", "gate_proj", "up_proj", "down_proj")


class Adapter(nn.Module):
    """Factors for every targeted matrix of a model.

    Parameters
    ----------
    model : nn.Module
        With linear layers named as in `transformers`.
    rank : int
    alpha : float
        The change is scaled by alpha / rank.
    targets : sequence of str
    seed : int
        Of A; B starts at zero, so an untrained adapter changes nothing.

    Raises
    ------
    ValueError
        For a rank below 1, an unknown target, or a model that has none of them.
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        rank: int = 16,
        alpha: float = 16.0,
        targets: Sequence[Target] = TARGETS,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if rank < 1:
            raise ValueError(f"rank is {rank!r}; accepted is 1 or more")
        unknown = [name for name in targets if name not in get_args(Target)]
        if unknown or not targets:
            raise ValueError(
                f"targets {list(targets)!r}; accepted are {list(get_args(Target))}"
            )
        self.scale = alpha / rank
        self.layers = {
            name: layer
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Linear) and name.rpartition(".")[2] in targets
        }
        if not self.layers:
            raise ValueError(f"the model has no linear layer named {list(targets)!r}")
        source = torch.Generator().manual_seed(seed)
        self.down = nn.ParameterList()
        self.up = nn.ParameterList()
        for layer in self.layers.values():
            wide, tall = layer.in_features, layer.out_features
            start = torch.randn(rank, wide, generator=source) / math.sqrt(wide)
            self.down.append(nn.Parameter(start.to(layer.weight)))
            self.up.append(nn.Parameter(layer.weight.new_zeros(tall, rank)))

    @property
    def size(self) -> int:
        """Parameters of the adapter."""
        return sum(weight.numel() for weight in self.parameters())

    @contextmanager
    def attached(self) -> Iterator[None]:
        """The model with the adapter's change, until the end of the block."""
        hooks = []
        try:
            for layer, down, up in zip(
                self.layers.values(), self.down, self.up, strict=True
            ):
                hooks.append(layer.register_forward_hook(self._hook(down, up)))
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _hook(
        self, down: Tensor, up: Tensor
    ) -> Callable[[nn.Module, tuple[Tensor], Tensor], Tensor]:
        def add(_: nn.Module, inputs: tuple[Tensor], out: Tensor) -> Tensor:
            return out + self.scale * (inputs[0] @ down.T) @ up.T

        return add

    def changes(self) -> dict[str, NDArray[np.float32]]:
        """What is to be added to each matrix, by its name in a checkpoint."""
        with torch.no_grad():
            return {
                f"{name}.weight": (self.scale * up @ down).cpu().numpy()
                for name, down, up in zip(self.layers, self.down, self.up, strict=True)
            }
