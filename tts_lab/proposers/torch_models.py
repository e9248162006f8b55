"""Loading a causal language model of a Hugging Face folder, and what can be said of it.

Safetensors only, and no code of the model's repository.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.cache_utils import DynamicCache, DynamicLayer
from transformers.utils import logging

from tts_lab.proposers import checkpoints

_LAYERS = {"DynamicLayer", "DynamicSlidingWindowLayer"}
CONTEXT = 2048  # of a model that does not say
SMALL = 5_000_000  # parameters


@dataclass(frozen=True, slots=True)
class Loaded:
    """A model and what the decoding loop wants to know of it."""

    model: Any
    tokenizer: Any
    layers: int  # of its key-value cache
    context: int  # tokens
    ends: tuple[int, ...]  # end-of-text tokens


def load(folder: Path, *, device: str, dtype: str) -> Loaded:
    """The causal model and the tokenizer of a folder.

    Raises
    ------
    ValueError
        If it has no safetensors, wants code of its own, is no causal language model,
        or has a cache that is more than keys and values.
    RuntimeError
        If it does not fit into the device's memory.
    """
    checkpoints.weight_files(folder)  # an error where there are pickles only
    with _no_progress_bar():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False
            )
            model = transformers.AutoModelForCausalLM.from_pretrained(
                folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
            )
        except (ImportError, MemoryError):
            raise
        except Exception as error:  # its errors have no common class
            raise ValueError(
                f"transformers cannot load {str(folder)!r}: {error}; accepted are "
                "causal language models whose code is part of transformers"
            ) from error
    found = described(model, tokenizer, str(folder))
    try:
        model = model.eval().to(device)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        size = sum(p.nbytes for p in model.parameters())
        raise RuntimeError(
            f"{str(folder)!r} is {size / 2**30:.1f} GiB in {model.dtype} and does not "
            f'fit into the memory of {device!r}; what helps: dtype="bfloat16", a '
            'smaller model, device="cpu", or ending other programs on the device'
        ) from error
    return found


def described(model: Any, tokenizer: Any, name: str) -> Loaded:
    """A model that is loaded already, and what the decoding loop wants to know of it.

    Raises
    ------
    ValueError
        If its cache is more than keys and values.
    """
    config = model.config.get_text_config()
    layers = DynamicCache(config=config).layers or [
        DynamicLayer() for _ in range(config.num_hidden_layers)
    ]
    other = {type(one).__name__ for one in layers} - _LAYERS
    if other:
        raise ValueError(
            f"{name!r} ({config.model_type}) remembers more than keys and "
            f"values ({', '.join(sorted(other))}); accepted are decoders with "
            "attention in every layer"
        )
    return Loaded(
        model=model,
        tokenizer=tokenizer,
        layers=len(layers),
        context=_context(config, tokenizer),
        ends=_ends(model, tokenizer),
    )


def choose_device(device: str | None) -> str:
    """The device asked for; by default CUDA, then MPS, then the CPU.

    Raises
    ------
    ValueError
        If this machine has no such device.
    """
    here = ["cpu"]
    if torch.backends.mps.is_available():
        here.insert(0, "mps")
    if torch.cuda.is_available():
        numbered = [f"cuda:{i}" for i in range(torch.cuda.device_count())]
        here = ["cuda", *numbered, *here]
    if device is None:
        return here[0]
    if device not in here:
        raise ValueError(f"device {device!r} is not here; accepted are {here}")
    return device


def prefix_bytes(device: str) -> int:
    """Memory to keep prefixes in: a tenth of a GPU's, a quarter of a GiB elsewhere."""
    if device.startswith("cuda"):
        return int(torch.cuda.get_device_properties(device).total_memory) // 10
    return 256 << 20


def rows_that_fit(loaded: Loaded) -> int:
    """Rows to write side by side: 64, more for small models, whose caches are small.

    As many as have 256 MiB of keys and values together, 1024 at most. More rows a step
    make small models fast; a large one is busy with 64.
    """
    config = loaded.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or (
        config.hidden_size // config.num_attention_heads
    )
    token = 2 * loaded.layers * heads * size * loaded.model.dtype.itemsize
    rows: int = (256 << 20) // (token * loaded.context)
    return max(64, min(1024, rows))


@contextmanager
def threads_for(parameters: int, device: str) -> Iterator[None]:
    """One thread for a small model on the processor; others keep torch's number.

    Threads that wait for each other after every small product cost more than they
    save: on a busy machine of two cores, a model of 105,000 parameters wrote 780 tokens
    a second with two threads and 4,200 with one.
    """
    before = torch.get_num_threads()
    if device != "cpu" or parameters >= SMALL:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether a device's memory ran out."""
    if isinstance(error, torch.OutOfMemoryError):  # torch.cuda.OutOfMemoryError too
        return True
    return isinstance(error, RuntimeError) and "MPS backend out of memory" in str(error)


def give_back(device: str) -> None:
    """Give memory that nothing uses back to the device."""
    gc.collect()
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


@contextmanager
def _no_progress_bar() -> Iterator[None]:
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _context(config: Any, tokenizer: Any) -> int:
    stated = getattr(config, "max_position_embeddings", None)
    if stated:
        return int(stated)
    return tokenizer.model_max_length if tokenizer.model_max_length < 10**9 else CONTEXT


def _ends(model: Any, tokenizer: Any) -> tuple[int, ...]:
    """Every end-of-text token: those of the generation config and the tokenizer's."""
    stated = getattr(model.generation_config, "eos_token_id", None)
    found = list(stated) if isinstance(stated, list | tuple) else [stated]
    found.append(tokenizer.eos_token_id)
    return tuple(sorted({int(one) for one in found if one is not None}))
