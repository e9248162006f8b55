"""Reading a Hugging Face folder of the ladder's Llama family, without torch.

Only safetensors are read, never pickles. What the engine cannot compute is refused
with the reason: another architecture, biases, scaled rotary embedding, grouped heads,
another tokenizer.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tts_lab.json_files import is_count, read_object
from tts_lab.ladder.tokenizer import VOCABULARY

POLICY, VERIFIER = "LlamaForCausalLM", "LlamaForTokenClassification"


class ModelError(ValueError):
    """The folder holds no model that the engine can run; the message says why."""


@dataclass(frozen=True)
class Model:
    """A model's shape and weights, float32, by their Hugging Face names."""

    name: str
    fingerprint: str  # hex digest of config and weights
    hidden: int
    layers: int
    heads: int
    intermediate: int
    context: int
    theta: float
    epsilon: float
    weights: dict[str, NDArray[np.float32]]

    @property
    def parameters(self) -> int:
        return sum(w.size for w in self.weights.values())

    @property
    def head(self) -> NDArray[np.float32]:
        """What turns states into logits: (vocabulary, hidden)."""
        embedding = self.weights["model.embed_tokens.weight"]
        return self.weights.get("lm_head.weight", embedding)

    @property
    def head_dim(self) -> int:
        return self.hidden // self.heads


def read(folder: str | Path, architecture: str = POLICY) -> Model:
    """The model of a folder with `config.json` and `model.safetensors`.

    Parameters
    ----------
    folder : path
    architecture : str
        `POLICY`, or `VERIFIER` for one with a score of each token instead of logits.

    Raises
    ------
    ModelError
        When the folder is missing, incomplete, damaged, or of another family.
    """
    folder = Path(folder)
    config_path, weights_path = folder / "config.json", folder / "model.safetensors"
    for path in (config_path, weights_path, folder / "tokenizer.json"):
        if not path.is_file():
            raise ModelError(
                f"{str(folder)!r} is not a model folder: it has no {path.name}; "
                "accepted is a Hugging Face folder with config.json, "
                "model.safetensors and the ladder's tokenizer"
            )
    try:
        config = read_object(config_path)
    except ValueError as error:
        raise ModelError(str(error)) from None
    _refuse_others(config, folder, architecture)
    _refuse_other_tokenizer(folder)
    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    weights = _weights(weights_path)
    tied = bool(config.get("tie_word_embeddings", False))
    if tied:
        weights.pop("lm_head.weight", None)  # some writers store it all the same
    model = Model(
        name=folder.name,
        fingerprint=_fingerprint(config, weights_path),
        hidden=hidden,
        layers=config["num_hidden_layers"],
        heads=heads,
        intermediate=config["intermediate_size"],
        context=config["max_position_embeddings"],
        theta=float(_rope(config).get("rope_theta", 10_000.0)),
        epsilon=float(config["rms_norm_eps"]),
        weights=weights,
    )
    _check_shapes(model, folder, tied=tied, scores=architecture == VERIFIER)
    return model


def is_of_family(folder: str | Path, architecture: str = POLICY) -> bool:
    """Whether config and tokenizer are the ladder's; weights are not looked at.

    >>> is_of_family(Path(__file__).parent / "weights" / "105k")
    True
    """
    folder = Path(folder)
    try:
        _refuse_others(read_object(folder / "config.json"), folder, architecture)
        _refuse_other_tokenizer(folder)
    except (OSError, ValueError):
        return False
    return True


def _rope(config: dict[str, Any]) -> dict[str, Any]:
    scaling = config.get("rope_scaling") or {}
    given = config.get("rope_parameters")
    if isinstance(given, dict) and given:
        return given
    kind = scaling
    if isinstance(scaling, dict):
        kind = scaling.get("rope_type", scaling.get("type", "default"))
    return {"rope_theta": config.get("rope_theta", 10_000.0), "rope_type": kind}


def _refuse_others(config: dict[str, Any], folder: Path, architecture: str) -> None:
    every = config.get("architectures")
    found = every[0] if isinstance(every, list) and every else None
    if found != architecture:
        raise ModelError(
            f"{str(folder)!r} holds a {found}; the built-in engine runs "
            f"{architecture} only here (other models: the transformers or vllm backend)"
        )
    needed = (
        "hidden_size", "num_hidden_layers", "num_attention_heads",
        "intermediate_size", "max_position_embeddings", "rms_norm_eps", "vocab_size",
    )  # fmt: skip
    missing = [name for name in needed if name not in config]
    if missing:
        raise ModelError(f"{folder / 'config.json'} lacks {', '.join(missing)}")
    for name in needed:
        value = config[name]
        fits = is_count(value)
        if name == "rms_norm_eps":
            fits = _is_positive(value)
        if not fits:
            raise ModelError(
                f"{folder / 'config.json'}: {name} is {value!r}; accepted is a "
                "number above 0"
            )
    theta = _rope(config).get("rope_theta", 10_000.0)
    if not _is_positive(theta):
        raise ModelError(
            f"{folder / 'config.json'}: rope_theta is {theta!r}; accepted is a number "
            "above 0"
        )
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    if not is_count(head_dim, least=0):
        raise ModelError(f"{str(folder)!r}: head_dim is {head_dim!r}, no number")
    rope = _rope(config)
    problems = {
        f"head_dim {head_dim}: a multiple of 32 is accepted": head_dim % 32,
        f"{heads} heads of {head_dim} in a hidden size of {config['hidden_size']}: "
        "they must fill it": heads * head_dim != config["hidden_size"],
        f"num_key_value_heads {config.get('num_key_value_heads')}: grouped heads are "
        "not supported": config.get("num_key_value_heads", heads) != heads,
        f"hidden_act {config.get('hidden_act')!r}: only 'silu' is accepted": config.get(
            "hidden_act", "silu"
        )
        != "silu",
        "attention or MLP biases are not supported": config.get("attention_bias")
        or config.get("mlp_bias"),
        f"rope_type {rope.get('rope_type')!r}: only 'default' is accepted": rope.get(
            "rope_type", "default"
        )
        != "default",
        f"vocab_size {config['vocab_size']}: the ladder's tokenizer has "
        f"{len(VOCABULARY)}": config["vocab_size"] != len(VOCABULARY),
    }
    for text, wrong in problems.items():
        if wrong:
            raise ModelError(f"{str(folder)!r}: {text}")


def _is_positive(value: object) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and 0 < value < 1e300  # type: ignore[operator]


def _refuse_other_tokenizer(folder: Path) -> None:
    """The engine reads and writes ids of the ladder's own vocabulary."""
    path = folder / "tokenizer.json"
    try:
        found = read_object(path)["model"]["vocab"]
    except (OSError, ValueError, LookupError, TypeError):
        found = None
    if found != {token: i for i, token in enumerate(VOCABULARY)}:
        raise ModelError(
            f"{str(path)!r} is not the ladder's tokenizer; the built-in engine runs "
            "models with that one only (others: the transformers or vllm proposer)"
        )


def _weights(path: Path) -> dict[str, NDArray[np.float32]]:
    from safetensors import SafetensorError, safe_open

    weights: dict[str, NDArray[np.float32]] = {}
    try:
        with safe_open(path, framework="numpy") as stored:
            for name in stored.keys():  # noqa: SIM118 (it is no dict)
                kind = stored.get_slice(name).get_dtype()
                if kind not in ("F16", "F32", "F64"):
                    raise ModelError(
                        f"{path}: tensor {name} has dtype {kind}; the built-in engine "
                        "reads F16, F32 and F64"
                    )
                weights[name] = stored.get_tensor(name).astype(np.float32)
                if not np.isfinite(weights[name]).all():
                    raise ModelError(
                        f"{path}: tensor {name} has values that are not finite"
                    )
    except (SafetensorError, TypeError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}") from None
    return weights


def _fingerprint(config: dict[str, Any], weights: Path) -> str:
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    digest.update(weights.read_bytes())
    return digest.hexdigest()[:32]


def _check_shapes(model: Model, folder: Path, *, tied: bool, scores: bool) -> None:
    square = (model.hidden, model.hidden)
    wide, tall = (
        (model.intermediate, model.hidden),
        (model.hidden, model.intermediate),
    )

    def expected() -> Iterator[tuple[str, tuple[int, ...]]]:
        yield "model.embed_tokens.weight", (len(VOCABULARY), model.hidden)
        yield "model.norm.weight", (model.hidden,)
        if scores:
            yield from (("score.weight", (1, model.hidden)), ("score.bias", (1,)))
        elif not tied:
            yield "lm_head.weight", (len(VOCABULARY), model.hidden)
        for layer in range(model.layers):  # as many as a stranger's config says
            start = f"model.layers.{layer}."
            for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
                yield f"{start}self_attn.{part}.weight", square
            yield f"{start}mlp.gate_proj.weight", wide
            yield f"{start}mlp.up_proj.weight", wide
            yield f"{start}mlp.down_proj.weight", tall
            for part in ("input_layernorm", "post_attention_layernorm"):
                yield f"{start}{part}.weight", (model.hidden,)

    for name, shape in expected():
        found = model.weights.get(name)
        if found is None or found.shape != shape:
            what = "missing" if found is None else f"of shape {found.shape}"
            raise ModelError(
                f"{str(folder)!r}: tensor {name} is {what}, config.json says {shape}"
            )
