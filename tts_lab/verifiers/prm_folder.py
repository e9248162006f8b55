"""What a reward model's folder says: family, size, limit; no weights are read.

For a model behind a server the folder may hold configuration and tokenizer alone.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from tts_lab.json_files import is_count
from tts_lab.proposers import Size, checkpoints
from tts_lab.verifiers import prm_families
from tts_lab.verifiers.prm_families import FAMILIES, Family, Head

EMBEDDING = "model.embed_tokens.weight"
#: the weights that each kind of head is made of; `lm_head` may be tied
HEADS: dict[Head, tuple[str, ...]] = {
    "tokens": (),
    "value": ("v_head.summary.weight", "v_head.summary.bias"),
    "classes": ("score.0.weight", "score.0.bias", "score.2.weight", "score.2.bias"),
    "labels": ("score.weight",),
}
_FILES = ["*.json", "*.jinja", "*.model", "*.txt"]


def locate(model: str | Path, *, revision: str | None = None, weights: bool) -> Path:
    """The folder of a model, with its weights or without.

    Raises
    ------
    ValueError
        If there is none, or no safetensors in it where weights are wanted.
    """
    name = str(model)
    remote = not Path(name).expanduser().is_dir() and name.count("/") == 1
    if weights or not remote or name.startswith((".", "/", "~")):
        folder = checkpoints.locate(model, revision=revision)
    else:
        from huggingface_hub import snapshot_download

        try:
            folder = Path(
                snapshot_download(name, revision=revision, allow_patterns=_FILES)
            )
        except Exception as error:  # its errors have no common class
            raise ValueError(
                f"{name!r} is no folder here and could not be had from the hub: "
                f"{type(error).__name__}: {error}"
            ) from error
    if weights and not any(folder.glob("*.safetensors")):
        raise ValueError(
            f"{name!r} has no *.safetensors; accepted are safetensors only, since "
            "loading a pickle can run code. For a model of the hub that was published "
            "with pytorch_model.bin, take a revision with safetensors "
            "(revision='refs/pr/N', where its community page lists one), or a copy "
            "that you converted"
        )
    return folder


def family_of(folder: Path, name: str, wanted: str | None, *, weights: bool) -> Family:
    """The family asked for, or the one recognised; checked against the weights.

    Raises
    ------
    ValueError
        As `prm_families.family` and `recognise`, and as `check_head`.
    """
    config = checkpoints.config_of(folder)
    tensors = checkpoints.headers(folder) if weights else {}
    if wanted is not None:
        found = prm_families.family(wanted)
    else:
        found = prm_families.recognise(config, tensors, name)
    if weights:
        check_head(found, tensors, name)
    return found


def size(folder: Path, *, weights: bool) -> Size:
    """Parameters, layers and hidden size.

    Without weights the parameters are counted from the configuration of a Llama,
    Mistral or Qwen2, the head left aside.
    """
    if weights:
        return checkpoints.size_of(folder)
    config = checkpoints.config_of(folder)
    for name in ("hidden_size", "num_hidden_layers", "num_attention_heads",
                 "intermediate_size", "vocab_size"):  # fmt: skip
        if not is_count(config.get(name)):
            raise ValueError(
                f"{folder / 'config.json'}: {name} is {config.get(name)!r}; accepted "
                "is a number above 0"
            )
    hidden, layers = config["hidden_size"], config["num_hidden_layers"]
    heads = config["num_attention_heads"]
    side = config.get("head_dim") or hidden // heads
    keys = config.get("num_key_value_heads") or heads
    attention = 2 * hidden * side * (heads + keys)
    if config.get("model_type") == "qwen2":
        attention += side * (heads + 2 * keys)
    layer = attention + 3 * hidden * config["intermediate_size"] + 2 * hidden
    embeddings = config["vocab_size"] * hidden
    return Size(embeddings + layers * layer + hidden, layers, hidden)


def limit(folder: Path, wanted: int | None) -> int:
    """Most tokens of one reading.

    Raises
    ------
    ValueError
        If more are wanted than the model's positions allow, or none are known.
    """
    config: Any = checkpoints.config_of(folder)
    there = config.get("max_position_embeddings")
    if there is not None and not is_count(there):
        raise ValueError(
            f"{folder / 'config.json'}: max_position_embeddings is {there!r}; accepted "
            "is a number above 0"
        )
    if wanted is None:
        if there is None:
            raise ValueError(
                f"{folder / 'config.json'} says nothing of max_position_embeddings; "
                "pass max_length="
            )
        return int(there)
    if not 0 < wanted <= (there or wanted):
        raise ValueError(
            f"max_length={wanted!r}; accepted are 1 to {there or 'any'} tokens"
        )
    return wanted


def check_head(found: Family, tensors: Collection[str], name: str) -> None:
    """That a checkpoint holds the head that a family reads.

    Raises
    ------
    ValueError
        That names the tensors that are missing.

    >>> check_head(FAMILIES["skywork"], ["model.norm.weight"], "my-prm")
    Traceback (most recent call last):
    ...
    ValueError: 'my-prm' is no skywork reward model: it has no v_head.summary.weight, \
v_head.summary.bias; the families are ['math-shepherd', 'rlhflow-mistral', \
'rlhflow-deepseek', 'skywork', 'qwen2.5-math-prm', 'token-classification', 'ladder']
    """
    missing = [one for one in HEADS[found.head] if one not in tensors]
    if found.head == "tokens" and not {"lm_head.weight", EMBEDDING} & set(tensors):
        missing = ["lm_head.weight"]
    if missing:
        raise ValueError(
            f"{name!r} is no {found.name} reward model: it has no "
            f"{', '.join(missing)}; the families are {list(FAMILIES)}"
        )
