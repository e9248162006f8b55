"""Hugging Face folders: what the recipe writes and every backend reads.

Policies are stored in float16, which keeps three bits more than bfloat16 of numbers
this size; the config names float32, so that every loader computes in float32.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from tts_lab.ladder import tokenizer
from tts_lab.ladder.rungs import (
    HEAD_DIM,
    NORM_EPSILON,
    ROPE_THETA,
    VOCABULARY_SIZE,
    Shape,
)

if TYPE_CHECKING:
    from torch import nn


def config(shape: Shape) -> dict[str, object]:
    """The content of `config.json`."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.BOS,
        "eos_token_id": tokenizer.EOS,
        "pad_token_id": tokenizer.PAD,
        "head_dim": HEAD_DIM,
        "hidden_act": "silu",
        "hidden_size": shape.hidden,
        "initializer_range": 0.02,
        "intermediate_size": shape.intermediate,
        "max_position_embeddings": shape.context,
        "mlp_bias": False,
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.heads,
        "rms_norm_eps": NORM_EPSILON,
        "rope_parameters": {"rope_theta": ROPE_THETA, "rope_type": "default"},
        "rope_theta": ROPE_THETA,
        "tie_word_embeddings": True,
        "dtype": "float32",
        "use_cache": True,
        "vocab_size": VOCABULARY_SIZE,
    }


def save(
    model: nn.Module,
    shape: Shape,
    folder: Path,
    *,
    add: Callable[[Path], None] = lambda partial: None,
) -> None:
    """Write a policy's folder, whole or not at all, its weights in float16.

    `add` is called with the folder under its passing name, to write more into it.
    """
    import torch

    weights = {
        name: weight.detach().to("cpu", torch.float16).contiguous().numpy()
        for name, weight in model.state_dict().items()
    }
    write(weights, shape, folder, add=add)


def write(
    weights: Mapping[str, NDArray[Any]],
    shape: Shape,
    folder: Path,
    *,
    changes: Mapping[str, object] = MappingProxyType({}),
    add: Callable[[Path], None] = lambda partial: None,
) -> None:
    """The same from arrays, as they are; `changes` go into `config.json`."""
    from safetensors.numpy import save_file

    partial = folder.with_name(folder.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    save_file(dict(weights), partial / "model.safetensors", metadata={"format": "pt"})
    files = {
        "config.json": config(shape) | dict(changes),
        "generation_config.json": {
            "bos_token_id": tokenizer.BOS,
            "eos_token_id": tokenizer.EOS,
            "pad_token_id": tokenizer.PAD,
        },
        "tokenizer.json": tokenizer.hugging_face_json(),
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": "<bos>",
            "eos_token": "<eos>",
            "pad_token": "<pad>",
            "add_bos_token": True,
            "clean_up_tokenization_spaces": False,
            "model_max_length": shape.context,
        },
    }
    for name, content in files.items():
        (partial / name).write_text(json.dumps(content, indent=1) + "\n")
    add(partial)
    partial.rename(folder)
