"""A policy of one layer with random weights, for tests that only need one to run."""

from __future__ import annotations

import numpy as np

from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.rungs import VOCABULARY_SIZE


def tiny_policy(*, hidden: int = 32, layers: int = 1, seed: int = 0) -> Model:
    """Heads of 32, as the ladder's; every call makes new arrays of the same values."""
    rng, wide = np.random.default_rng(seed), 2 * hidden
    shapes = {"model.embed_tokens.weight": (VOCABULARY_SIZE, hidden)}
    for i in range(layers):
        block = f"model.layers.{i}"
        shapes |= {f"{block}.self_attn.{name}_proj.weight": (hidden, hidden)
                   for name in "qkvo"}  # fmt: skip
        shapes[f"{block}.mlp.gate_proj.weight"] = (wide, hidden)
        shapes[f"{block}.mlp.up_proj.weight"] = (wide, hidden)
        shapes[f"{block}.mlp.down_proj.weight"] = (hidden, wide)
    weights = {name: rng.normal(0, 0.2, shape).astype(np.float32)
               for name, shape in shapes.items()}  # fmt: skip
    ones = [f"model.layers.{i}.{name}layernorm.weight" for i in range(layers)
            for name in ("input_", "post_attention_")]  # fmt: skip
    for name in [*ones, "model.norm.weight"]:
        weights[name] = np.ones(hidden, np.float32)
    heads = hidden // 32
    return Model("tiny", "none", hidden, layers, heads, wide, 256, 1e4, 1e-5, weights)
