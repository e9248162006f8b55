"""The recipe that trains a verifier, with NumPy and SciPy alone, in a minute or two.

Sample the policy's traces, label their steps, read them with the comparison built on
the trunk, fit the head. A trained verifier is stored as its head and the name of its
trunk, since the rest follows from the trunk; `export` writes the whole model.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

import numpy as np

from tts_lab import ladder
from tts_lab.ladder import checkpoint, model_folder
from tts_lab.ladder.model_folder import Model
from tts_lab.ladder.reader import Reader
from tts_lab.prm import comparison, dataset, spans
from tts_lab.prm.dataset import Labelled, Progress, quiet
from tts_lab.prm.head import Head, fit
from tts_lab.prm.recipes import RECIPES, Recipe, recipe

HEADS = Path(__file__).with_name("heads")


@dataclass(frozen=True)
class Trained:
    """A head, and what it took.

    Attributes
    ----------
    recipe : Recipe
    fingerprint : str
        Of the trunk's weights.
    head : Head
    traces, steps : int
        What it was fitted to.
    label_accuracy : float
        The share of the labels on the right side of the exact truth.
    loss : float
        Mean cross-entropy at the end, in nats.
    flops : float
        Of sampling, completing and reading.
    seconds : float
    """

    recipe: Recipe
    fingerprint: str
    head: Head
    traces: int
    steps: int
    label_accuracy: float
    loss: float
    flops: float
    seconds: float


def train(
    recipe: Recipe, progress: Progress = quiet, *, data: Labelled | None = None
) -> Trained:
    """Train a verifier.

    Parameters
    ----------
    recipe : Recipe
    progress : callable
        Called with what is being done and how much of it is.
    data : Labelled, optional
        What `dataset.make(recipe)` would give.

    Examples
    --------
    >>> from dataclasses import replace
    >>> small = replace(recipe("prm-b"), trunk="27k", policy="27k", problems=40)
    >>> trained = train(small)
    >>> trained.label_accuracy, trained.head.weight.shape
    (1.0, (64,))
    """
    began = time.perf_counter()
    trunk = model_folder.read(ladder.path(recipe.trunk))
    model = comparison.build(trunk)
    if data is None:
        data = dataset.make(recipe, progress)
    progress("reading", len(data.traces))
    states = dataset.step_states(Reader(model), data.traces)
    tokens = sum(len(spans.encode(trace)) for trace in data.traces)
    progress("fitting", sum(map(len, states)))
    found = fit(np.concatenate(states), np.concatenate(data.labels), ridge=recipe.ridge)
    return Trained(
        recipe, trunk.fingerprint, found.head, len(data.traces), sum(map(len, states)),
        data.accuracy, found.loss, data.flops + 2.0 * model.parameters * tokens,
        time.perf_counter() - began,
    )  # fmt: skip


def store(trained: Trained, path: Path) -> None:
    """Write head and record as JSON, whole or not at all."""
    record = asdict(trained)
    record["head"] = {
        "weight": [float(f"{w:.6g}") for w in trained.head.weight.tolist()],
        "bias": trained.head.bias,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    partial.write_text(json.dumps(record, indent=1) + "\n")
    partial.replace(path)


def stored(path: Path) -> Trained:
    """Read what `store` wrote.

    Raises
    ------
    ValueError
        If the file is no such record.
    """
    try:
        record = json.loads(path.read_text())
        weight = np.array(record["head"]["weight"], np.float32)
        record["head"] = Head(weight, float(record["head"]["bias"]))
        record["recipe"] = Recipe(**record["recipe"])
        return Trained(**record)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{str(path)!r} holds no trained verifier: {error}") from None


def whole(trained: Trained) -> Model:
    """Trunk, comparison and head as one model.

    Raises
    ------
    ValueError
        If the trunk is not the one that the head was trained on.
    """
    model, fingerprint = _comparison(trained.recipe.trunk)
    if fingerprint != trained.fingerprint:
        raise ValueError(
            f"{trained.recipe.name} was trained on {trained.recipe.trunk} "
            f"{trained.fingerprint}, but {fingerprint} is installed; train it again: "
            f"tts-lab train-verifier {trained.recipe.name}"
        )
    return trained.head.on(model, trained.recipe.name)


@cache
def _comparison(trunk: str) -> tuple[Model, str]:
    rung = model_folder.read(ladder.path(trunk))
    return comparison.build(rung), rung.fingerprint


def shipped(name: str) -> Trained:
    """A trained verifier of the package, or a ValueError that lists them."""
    recipe(name)
    path = HEADS / f"{name}.json"
    if not path.is_file():
        there = [one for one in RECIPES if (HEADS / f"{one}.json").is_file()]
        raise ValueError(f"verifier {name!r} is not shipped; there are {there}")
    return stored(path)


def export(model: Model, folder: Path) -> None:
    """Write a `LlamaForTokenClassification` folder for transformers and vLLM.

    Raises
    ------
    FileExistsError
        If the folder is there already.
    """
    if folder.exists():
        raise FileExistsError(f"{str(folder)!r} is there already; name another folder")
    checkpoint.write(
        model.weights,
        model,
        folder,
        changes={
            "architectures": ["LlamaForTokenClassification"],
            "classifier_dropout": 0.0,
            "id2label": {"0": "right"},
            "label2id": {"right": 0},
        },
    )
