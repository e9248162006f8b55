"""What a model would need of memory, and what is free: before anything is loaded.

Weights are counted from the headers of the safetensors, the key-value cache from
`config.json`; free memory is the system's, or the GPU's where torch sees one. Not
covered: what a backend needs beside the two (activations, its own buffers; a few
percent for models of a billion parameters and more).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from math import prod
from pathlib import Path
from typing import Any

from tts_lab.json_files import is_count
from tts_lab.proposers import checkpoints

ROWS = 64  # written side by side, as the transformers backend does by default
CONTEXT = 2048  # tokens of each that are reckoned with, if the model can hold them

#: bytes of a number, by the names of safetensors and of torch
_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1,
    "BOOL": 1, "float64": 8, "float32": 4, "float16": 2, "bfloat16": 2,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Memory:
    """Memory in bytes: needed and free.

    Attributes
    ----------
    weights, cache : int
        The model's numbers; the keys and values of `rows` texts of `context` tokens.
    free : int or None
        None where it cannot be told.
    where : str
        "memory" or "GPU memory".

    Examples
    --------
    >>> memory = Memory(2_200_000_000, 400_000_000, 20_100_000_000, 64, 2048)
    >>> print(memory.words())
    needs about 2.2 GB of weights + 0.40 GB cache (64 rows of 2,048 tokens); 20 GB of
    memory free
    """

    weights: int
    cache: int
    free: int | None
    rows: int = ROWS
    context: int = CONTEXT
    where: str = "memory"

    @property
    def total(self) -> int:
        """Weights and cache."""
        return self.weights + self.cache

    @property
    def fits(self) -> bool | None:
        """Whether it is free; None where that cannot be told."""
        return None if self.free is None else self.total <= self.free

    def words(self) -> str:
        """The numbers in a sentence."""
        cache = ""
        if self.cache:
            cache = f" + {size(self.cache)} cache ({self.rows} rows of "
            cache += f"{self.context:,} tokens)"
        free = f"free {self.where} is not known here"
        if self.free is not None:
            free = f"{size(self.free)} of {self.where} free"
        return f"needs about {size(self.weights)} of weights{cache}; {free}"


def size(count: int) -> str:
    """Bytes as people say them, two digits.

    >>> size(419_072), size(72_500_000), size(2_230_000_000), size(140_000_000_000)
    ('0.42 MB', '72 MB', '2.2 GB', '140 GB')
    """
    unit, scale = ("GB", 1e9) if count >= 100_000_000 else ("MB", 1e6)
    value = count / scale
    digits = 0 if value >= 9.95 else 1 if value >= 0.995 else 2
    return f"{value:.{digits}f} {unit}"


def needs(
    folder: Path,
    dtype: str | None = None,
    *,
    rows: int = ROWS,
    context: int | None = None,
    device: str = "cpu",
) -> Memory:
    """What the model of a folder needs, and what is free.

    Parameters
    ----------
    folder : Path
        With `config.json` and safetensors.
    dtype : str, optional
        "float32", "bfloat16" or "float16"; default as stored.
    rows : int
        Texts written side by side.
    context : int, optional
        Tokens of each; default what the model can hold, `CONTEXT` at most.
    device : str
        "cuda" to look at the GPU's memory; else the system's.

    Raises
    ------
    ValueError
        For another dtype, or a folder without config or safetensors.

    Examples
    --------
    >>> needs(checkpoints.locate("105k"), "float32", rows=8).weights
    419072
    """
    if dtype is not None and dtype not in ("float32", "bfloat16", "float16"):
        raise ValueError(
            f"dtype {dtype!r}: accepted are 'float32', 'bfloat16', 'float16', or None"
        )
    config = checkpoints.config_of(folder)
    weights, stored = 0, Counter[str]()
    for tensor in checkpoints.headers(folder).values():
        kind, count = tensor["dtype"], prod(tensor["shape"])
        cast = dtype if dtype and kind in ("F64", "F32", "F16", "BF16") else kind
        weights += count * _BYTES.get(cast, 2)
        stored[cast] += count
    [(common, _)] = stored.most_common(1) or [("F32", 0)]
    number = max(_BYTES.get(common, 2), 2)  # a cache is not quantised by default
    return reckon(
        config, weights, number=number, rows=rows, context=context, device=device
    )


def reckon(
    config: Mapping[str, Any],
    weights: int,
    *,
    number: int = 2,
    rows: int = ROWS,
    context: int | None = None,
    device: str = "cpu",
) -> Memory:
    """The memory of a model by its config, its weights' bytes and a number's bytes.

    >>> shape = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 64,
    ...          "num_key_value_heads": 2, "max_position_embeddings": 100}
    >>> reckon(shape, 1000, rows=3).cache == 2 * 2 * 2 * 16 * 2 * 3 * 100
    True
    """
    inner = config.get("text_config")
    shape: Mapping[str, Any] = inner if inner and isinstance(inner, dict) else config

    def count(name: str) -> int:  # 0 for what is missing or no number
        return int(shape[name]) if is_count(shape.get(name)) else 0

    longest = count("max_position_embeddings") or CONTEXT
    tokens = min(longest, CONTEXT) if context is None else context
    cache, heads = 0, count("num_attention_heads")
    if heads:
        width = count("head_dim") or count("hidden_size") // heads
        shared = count("num_key_value_heads") or heads
        cache = 2 * count("num_hidden_layers") * shared * width * number * rows * tokens
    where = "GPU memory" if device == "cuda" else "memory"
    return Memory(weights, cache, free(device), rows, tokens, where)


def device_of(backend: str | None) -> str:
    """Where a backend would put a model: "cuda", "mps" or "cpu"; may import torch."""
    if backend not in ("transformers", "vllm") or find_spec("torch") is None:
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if backend == "transformers" and torch.backends.mps.is_available():
        return "mps"
    return "cpu"


def free(device: str = "cpu") -> int | None:
    """Free memory in bytes of the GPU ("cuda") or the system; None if unknown.

    On Linux a container's limit counts.
    """
    if device == "cuda":
        import torch

        return int(torch.cuda.mem_get_info()[0])
    limits = [_available(), _left_in_group()]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _available() -> int | None:
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # macOS, Windows
        return None


def _left_in_group(root: Path = Path("/sys/fs/cgroup")) -> int | None:
    """What a container may still take; files it has cached are given back."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file "),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes",
         "total_inactive_file "),
    ):  # fmt: skip
        try:
            most = int((root / limit).read_text())
            taken = int((root / used).read_text())
            lines = (root / limit).with_name("memory.stat").read_text().splitlines()
        except (OSError, ValueError):  # no such group, or "max": no limit
            continue
        back = [int(line.split()[1]) for line in lines if line.startswith(cached)]
        return max(most - taken + sum(back), 0)
    return None
