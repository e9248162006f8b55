"""The architecture of the learned verifiers: a rung that sees its own predictions.

A verifier must predict what should come and compare it with what did. Layers stacked on
a rung and trained on labels alone did not find that comparison (LOG.md), so it is built
in, with the weights of three ordinary Llama layers above the rung's own:

- the *trunk*: the rung's layers, with 32 dimensions beside theirs that say which token
  this is;
- *look back*: attention to the token before copies its state, which predicted this
  token, over this token's own state; the MLP picks the logit of this token from it;
- *compare*: attention marks the tokens of the trace, behind the prompt's line feed; the
  MLP adds up by how much the other tokens were expected more: the token's *regret*;
- *pool*: attention heads of several sensitivities tell whether there was a regret so
  far, each between 0 and 1.

What a right step is, is learned from labels: a linear head on the last state
(`tts_lab.prm.head`). The whole is a `LlamaForTokenClassification`, nothing else.
"""

from __future__ import annotations

import math
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from tts_lab import problems
from tts_lab.ladder import tokenizer
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.reader import Reader

EXTRA = 32  # dimensions beside the trunk's
LAYERS = 3
#: the tokens that traces are written with: one of the extra dimensions each
TOKENS = [tokenizer.EOS, *tokenizer.encode("\n 0123456789+-*/=#|")]
NEWLINE = TOKENS.index(tokenizer.encode("\n")[0])
#: the other extra dimensions: pools (up to 4), line feed before, inside the trace, ...
POOL, BEFORE, INSIDE, CONSTANT, LOGIT, REGRET = 20, 24, 25, 26, 27, 28

MARK = 0.08  # of a token and of the constant: below embeddings, so that norms stay
COPY = 50.0  # the copied state against the state it covers
SHARP = 2000.0  # of the attention to the token before
LIFT = 20.0  # added to logits (nats), which silu then leaves as they are
NAT = 0.005  # of the residual stream's size, written per nat
AMPLIFIED = 1000.0  # by norms, of the marks below a stream COPY times the trunk's
#: (sensitivity, threshold) of each pool
SENSITIVITIES = ((300.0, 7.0), (100.0, 6.0), (1000.0, 9.0), (30.0, 6.0))

Floats = NDArray[np.float32]


def build(rung: Model) -> Model:
    """The verifier of a rung, whose head has learned nothing yet.

    Parameters
    ----------
    rung : Model
        What `model_folder.read` gives; heads of 32 dimensions.

    Returns
    -------
    Model
        32 dimensions wider and three layers deeper, with `score.weight` and
        `score.bias` zero.
    """
    size, hidden = rung.head_dim, rung.hidden + EXTRA
    model = replace(
        rung,
        name=f"comparison on {rung.name}",
        fingerprint=blake2b(f"comparison:{rung.fingerprint}".encode()).hexdigest()[:32],
        hidden=hidden,
        layers=rung.layers + LAYERS,
        heads=hidden // size,
        weights=_zeros(rung, hidden),
    )
    _trunk(model, rung)
    top = stream_size(model, rung)
    _look_back(model, rung, top)
    _compare(model, rung, COPY * top)
    _pool(model, rung, COPY * top)
    return model


def _zeros(rung: Model, hidden: int) -> dict[str, Floats]:
    shapes: dict[str, tuple[int, ...]] = {
        "model.embed_tokens.weight": (len(tokenizer.VOCABULARY), hidden),
        "model.norm.weight": (hidden,),
        "score.weight": (1, hidden),
        "score.bias": (1,),
    }
    for i in range(rung.layers + LAYERS):
        layer = f"model.layers.{i}."
        for part in ("q_proj", "k_proj", "v_proj", "o_proj"):
            shapes[f"{layer}self_attn.{part}.weight"] = (hidden, hidden)
        for part in ("gate_proj", "up_proj"):
            shapes[f"{layer}mlp.{part}.weight"] = (rung.intermediate, hidden)
        shapes[f"{layer}mlp.down_proj.weight"] = (hidden, rung.intermediate)
        for part in ("input_layernorm", "post_attention_layernorm"):
            shapes[f"{layer}{part}.weight"] = (hidden,)
    weights = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    for name, weight in weights.items():
        if weight.ndim == 1 and name.startswith("model."):
            weight[:] = 1.0
    return weights


def _trunk(model: Model, rung: Model) -> None:
    """The rung's own layers; norms count the extra dimensions in their mean."""
    old = rung.hidden
    for name, weight in rung.weights.items():
        if name.startswith("model.layers."):
            wide = model.weights[name]
            if weight.ndim == 1:
                wide[:] = 0.0
                wide[:old] = weight * math.sqrt(old / model.hidden)
            else:
                wide[: weight.shape[0], : weight.shape[1]] = weight
    embedding = model.weights["model.embed_tokens.weight"]
    embedding[:, :old] = rung.weights["model.embed_tokens.weight"]
    embedding[TOKENS, np.arange(old, old + len(TOKENS))] = MARK
    embedding[:, old + CONSTANT] = MARK


def stream_size(model: Model, rung: Model) -> float:
    """The size (root mean square) of the trunk's last states on right traces.

    The constant stands in the stream as it was written, so its share of a normalised
    state tells how large the stream is.
    """
    texts = []
    for name, level in (("chains", 4), ("countdown", 3)):
        some = problems.examples(name, level, split="train", seed=0)
        for prompt, trace in islice(some, 32):
            written = bytes([tokenizer.BOS]) + tokenizer.encode(prompt + trace)
            texts.append(written + bytes([tokenizer.EOS]))
    states = np.concatenate(Reader(model, threads=1).read(texts, lambda _, s: s.copy()))
    return float((MARK / states[:, rung.hidden + CONSTANT]).mean())


def _logits(rung: Model, hidden: int) -> Floats:
    """Rows that turn a copied state into logits of TOKENS."""
    rows: Floats = rung.head[TOKENS] * rung.weights["model.norm.weight"]
    return rows * np.float32(math.sqrt(rung.hidden / hidden))


def _look_back(model: Model, rung: Model, top: float) -> None:
    old, size = rung.hidden, rung.head_dim
    w, layer = model.weights, f"model.layers.{rung.layers}."
    norm = w[layer + "input_layernorm.weight"]
    norm[old + CONSTANT] = norm[old + NEWLINE] = top / MARK
    query, key, value, out = (
        w[f"{layer}self_attn.{part}_proj.weight"] for part in "qkvo"
    )
    toward, at = _previous(model)
    for head in range(model.heads):
        rows = slice(head * size, (head + 1) * size)
        query[rows, old + CONSTANT] = SHARP * toward
        key[rows, old + CONSTANT] = at
        if head < rung.heads:  # copies the state
            value[rows, rows] = np.eye(size)
            out[rows, rows] = COPY * top * np.eye(size)
        else:  # tells whether the token before was a line feed
            value[rows.start, old + NEWLINE] = 1.0
            out[old + BEFORE, rows.start] = 0.05 * COPY * top
    n, mark = len(TOKENS), MARK / (COPY * top) * AMPLIFIED
    norm = w[layer + "post_attention_layernorm.weight"]
    norm[old : old + n] = norm[old + CONSTANT] = AMPLIFIED
    gate, up, down = (w[f"{layer}mlp.{part}_proj.weight"] for part in
                      ("gate", "up", "down"))  # fmt: skip
    gate[:n, :old] = _logits(rung, model.hidden)
    gate[:n, old + CONSTANT] = LIFT / mark
    up[np.arange(n), np.arange(old, old + n)] = 1 / mark  # 1 for this token, else 0
    down[old + LOGIT, :n] = NAT * COPY * top


def _previous(model: Model) -> tuple[Floats, Floats]:
    """Query and key of one head whose rotary score is positive at distance 1 only."""
    half = model.head_dim // 2
    fast = 3  # pairs that turn fast enough to tell neighbours apart
    turn = model.theta ** (-np.arange(fast) / half)
    distance = np.arange(model.context)
    score = np.cos((distance[:, None] - 1) * turn).sum(axis=1)
    rival = np.delete(score, 1).max()
    toward, at = np.zeros((2, model.head_dim), np.float32)
    at[:fast], at[half - 1] = 1.0, 1.0
    toward[:fast], toward[half : half + fast] = np.cos(turn), -np.sin(turn)
    toward[half - 1] = -(fast + rival) / 2  # the slowest pair: constant over distance
    return toward, at


def _compare(model: Model, rung: Model, stream: float) -> None:
    old, w = rung.hidden, model.weights
    layer = f"model.layers.{rung.layers + 1}."
    mark = MARK / stream * AMPLIFIED
    query, key, value, out = (
        w[f"{layer}self_attn.{part}_proj.weight"] for part in "qkvo"
    )
    w[layer + "input_layernorm.weight"][old + CONSTANT] = AMPLIFIED
    slow = rung.head_dim // 2 - 1
    query[slow, old + CONSTANT] = 1 / mark
    key[slow, old + BEFORE] = 3000.0
    value[0, old + BEFORE] = 1.0  # 0.05 behind the prompt, 0 within it
    out[old + INSIDE, 0] = stream
    norm = w[layer + "post_attention_layernorm.weight"]
    norm[old + CONSTANT], norm[old + INSIDE] = AMPLIFIED, 1 / 0.05
    n = len(TOKENS)
    gate = w[layer + "mlp.gate_proj.weight"]
    gate[:n, :old] = _logits(rung, model.hidden)
    gate[:n, old + CONSTANT] = LIFT / mark
    gate[:n, old + LOGIT] = -1 / NAT  # another token's logit less this one's
    w[layer + "mlp.up_proj.weight"][:n, old + INSIDE] = 1.0
    w[layer + "mlp.down_proj.weight"][old + REGRET, :n] = NAT * stream


def _pool(model: Model, rung: Model, stream: float) -> None:
    old, size, w = rung.hidden, rung.head_dim, model.weights
    layer = f"model.layers.{rung.layers + 2}."
    query, key, value, out = (
        w[f"{layer}self_attn.{part}_proj.weight"] for part in "qkvo"
    )
    norm = w[layer + "input_layernorm.weight"]
    norm[old + CONSTANT], norm[old + INSIDE] = stream / MARK, 1 / 0.05
    for head, (sensitivity, threshold) in enumerate(SENSITIVITIES[: model.heads]):
        first = head * size
        slow = first + size // 2 - 1
        query[slow, old + CONSTANT] = math.sqrt(size)
        key[slow, old + REGRET] = sensitivity
        key[slow, old + INSIDE] = -threshold
        value[first, old + INSIDE] = 1.0  # the prompt's tokens stand for "none"
        out[old + POOL + head, first] = stream
    last = w["model.norm.weight"]
    last[old : old + len(TOKENS)] = last[old + CONSTANT] = stream / MARK
