"""The architecture of the learned verifiers: a rung, layers above it, a head.

A verifier must first predict what should come and then compare it with what did. A
rung's own layers only predict, so two fresh ones stand above them: they begin as the
identity (their output projections are zero) and learn the comparison.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from tts_lab import ladder
from tts_lab.ladder.model import Trunk
from tts_lab.ladder.rungs import VOCABULARY_SIZE, Rung, rung


@dataclass(frozen=True)
class Shape:
    """A rung with more layers."""

    rung: Rung
    extra: int

    @property
    def whole(self) -> Rung:
        return replace(self.rung, layers=self.rung.layers + self.extra)


class TokenClassifier(nn.Module):
    """Tokens to one logit each; names as `transformers.LlamaForTokenClassification`."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.model = Trunk(shape.whole, VOCABULARY_SIZE)
        self.score = nn.Linear(shape.rung.hidden, 1)
        self.known = shape.rung.layers

    def below(self, tokens: Tensor) -> Tensor:
        """What the rung's own layers make of the tokens: (batch, length, hidden)."""
        return self._through(self.model.embed_tokens(tokens), 0, self.known)

    def above(self, x: Tensor) -> Tensor:
        """The last state after the fresh layers, given what is below."""
        layers = len(self.model.layers)
        out: Tensor = self.model.norm(self._through(x, self.known, layers))
        return out

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits (batch, length) that the text up to each token is right."""
        out: Tensor = self.score(self.above(self.below(tokens))).squeeze(-1)
        return out

    def _through(self, x: Tensor, first: int, last: int) -> Tensor:
        trunk, length = self.model, x.shape[1]
        for layer in trunk.layers[first:last]:
            x = layer(x, trunk.cos[:length], trunk.sin[:length])
        return x

    def fresh(self) -> list[nn.Parameter]:
        """What is trained: everything above the rung."""
        above = [*self.model.layers[self.known :], self.model.norm, self.score]
        return [weight for part in above for weight in part.parameters()]


def on_rung(name: str, *, extra: int, seed: int) -> tuple[TokenClassifier, Shape]:
    """A verifier that knows what the rung knows and has learned nothing yet."""
    torch.manual_seed(seed)
    shape = Shape(rung(name), extra)
    model = TokenClassifier(shape)
    weights = load_file(ladder.path(name) / "model.safetensors")
    missing, unexpected = model.load_state_dict(
        {key: weight.float() for key, weight in weights.items()}, strict=False
    )
    assert not unexpected and all(
        key.startswith(("score.", "model.layers.")) for key in missing
    ), (missing, unexpected)
    for weight in model.parameters():
        weight.requires_grad_(False)
    for key, weight in model.model.layers[model.known :].named_parameters():
        if key.endswith(("o_proj.weight", "down_proj.weight")):
            nn.init.zeros_(weight)
    nn.init.normal_(model.score.weight, std=0.02)
    nn.init.zeros_(model.score.bias)
    for parameter in model.fresh():
        parameter.requires_grad_(True)
    return model, shape
