"""The optimisers of the recipe: Muon for matrices, AdamW for everything else.

`torch.optim.Muon` orthogonalises in bfloat16, which a CPU without bfloat16
arithmetic emulates slowly; this one does the same in float32.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

#: quintic Newton-Schulz coefficients of Jordan et al., "Muon" (2024)
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = 5) -> Tensor:
    """The nearest (semi-)orthogonal matrix, roughly: singular values near 1."""
    a, b, c = _COEFFICIENTS
    x = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    if tall:
        x = x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    result: Tensor = x.T if tall else x
    return result


class Muon(torch.optim.Optimizer):
    """Momentum, orthogonalised; the step is scaled to the shape of the matrix."""

    def __init__(
        self, matrices: Iterable[Tensor], learning_rate: float, momentum: float = 0.95
    ) -> None:
        super().__init__(matrices, {"lr": learning_rate, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for weight in group["params"]:
                state = self.state[weight]
                if "momentum" not in state:
                    state["momentum"] = torch.zeros_like(weight)
                state["momentum"].lerp_(weight.grad, 1 - group["momentum"])
                direction = weight.grad.lerp(state["momentum"], group["momentum"])
                scale = max(1, weight.shape[0] / weight.shape[1]) ** 0.5
                weight.add_(orthogonalise(direction), alpha=-group["lr"] * scale)


def optimisers(model: nn.Module, learning_rate: float) -> list[torch.optim.Optimizer]:
    """Muon at `learning_rate` for the blocks' matrices, AdamW for the rest."""
    matrices: list[Tensor] = []
    rest: list[Tensor] = []
    for name, weight in model.named_parameters():
        if not weight.requires_grad:
            continue
        is_matrix = weight.ndim == 2 and not name.startswith(("model.embed", "score"))
        (matrices if is_matrix else rest).append(weight)
    return [
        Muon(matrices, learning_rate),
        torch.optim.AdamW(
            rest, lr=0.3 * learning_rate, betas=(0.9, 0.95), weight_decay=0.0
        ),
    ]
