"""A model's weights, and the memory to run it, as the kernels want them."""

from __future__ import annotations

import numpy as np

from tts_lab.ladder import tokenizer
from tts_lab.ladder.arrays import Buffers, Cache, Floats, Matrix, Weights
from tts_lab.ladder.kernels import PANEL, pack, spans
from tts_lab.ladder.model_folder import Model


def matrix(panels: Floats) -> Matrix:
    return Matrix(panels, spans(panels))


def prepare(model: Model) -> Weights:
    """A model's weights as the kernels want them."""
    w = model.weights

    def stacked(*names: str) -> Matrix:
        layers = []
        for i in range(model.layers):
            parts = [w[f"model.layers.{i}.{name}.weight"].T for name in names]
            layers.append(pack(np.concatenate(parts, axis=1)))
        return matrix(np.stack(layers))

    def norms(name: str) -> Floats:
        layers = range(model.layers)
        return np.stack([w[f"model.layers.{i}.{name}.weight"] for i in layers])

    half = model.head_dim // 2
    angle = np.outer(np.arange(model.context), model.theta ** (-np.arange(half) / half))
    embed = np.ascontiguousarray(w["model.embed_tokens.weight"])
    return Weights(
        embed=embed,
        norm1=norms("input_layernorm"),
        qkv=stacked("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
        out=stacked("self_attn.o_proj"),
        norm2=norms("post_attention_layernorm"),
        gate_up=stacked("mlp.gate_proj", "mlp.up_proj"),
        down=stacked("mlp.down_proj"),
        norm=w["model.norm.weight"],
        head=matrix(pack(model.head.T)[None]),
        cos=np.cos(angle).astype(np.float32),
        sin=np.sin(angle).astype(np.float32),
        epsilon=np.float32(model.epsilon),
    )


def new_buffers(model: Model, block: int) -> Buffers:

    def floats(columns: int) -> Floats:
        wide = -(-columns // PANEL) * PANEL
        return np.empty((block, wide), np.float32)

    return Buffers(
        x=floats(model.hidden),
        normed=floats(model.hidden),
        qkv=floats(3 * model.hidden),
        mixed=floats(model.hidden),
        gate_up=floats(2 * model.intermediate),
        product=np.empty((block, model.intermediate), np.float32),
        logits=floats(len(tokenizer.VOCABULARY)),
        scores=np.empty(2 * model.context + 64, np.float32),
        token=np.zeros(block, np.int64),
        place=np.zeros((5, block), np.int64),
    )


def new_cache(model: Model, entries: int, length: int) -> Cache:
    shape = (entries, model.layers, model.heads, length, model.head_dim)
    return Cache(np.empty(shape, np.float32), np.empty(shape, np.float32))
