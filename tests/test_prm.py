"""The recipe of learned verifiers, end to end on a tiny run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tts_lab import ladder, problems
from tts_lab.ladder.data import LADDER
from tts_lab.ladder.model_folder import ModelError
from tts_lab.prm import rollouts, spans
from tts_lab.prm.recipes import RECIPES, recipe
from tts_lab.traces import Problem, Trace

pytestmark = pytest.mark.hf

TINY = {
    "trunk": "27k", "policy": "27k", "problems": 40, "samples": 2, "rollouts": 2,
    "batches": 3, "traces_per_batch": 8,
}  # fmt: skip
CHAIN = Problem("chains", "47+38*6\n", 2)
TRACES = [
    Trace(CHAIN, "47+38=85\n85*6=510\n#510", 23, True),
    Trace(CHAIN, "47+38=85\n85*6=5", 15),
    Trace(CHAIN),
]


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def trained(torch, tmp_path_factory) -> Path:
    """The folder of a verifier that was trained for three batches."""
    from tts_lab.prm.train import save, train

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("prm")
    tiny = replace(recipe("prm-b"), **TINY)
    model, progress = train(tiny, folder)
    assert progress.batches == 3
    save(model, tiny, folder / "tiny")
    return folder / "tiny"


@pytest.mark.parametrize("name", list(RECIPES))
def test_datasets_hold_a_label_for_every_step(name):
    from tts_lab.prm import dataset

    tiny = replace(recipe(name), **TINY)
    data = dataset.make(tiny)
    again = dataset.make(tiny)
    assert np.array_equal(data.label, again.label)
    assert len(data) >= 40
    assert ((data.label == -1) | ((data.label >= 0) & (data.label <= 1))).all()
    assert (data.label[data.last] >= 0).all()
    for i in range(len(data)):
        piece = slice(data.starts[i], data.starts[i + 1])
        label, last = data.label[piece], data.last[piece]
        assert label[0] == -1  # BOS and prompt have none
        ends = np.flatnonzero(last)
        inner = np.split(label, ends + 1)
        for step in inner[1:-1]:  # one label for all tokens of a step
            assert len(set(step.tolist())) == 1
    whole = {0.0, 0.5, 1.0} if "monte" in tiny.labels else {0.0, 1.0}
    assert set(np.unique(data.label[data.last]).tolist()) <= whole


def test_batches_cover_the_data_and_continue_anywhere():
    from tts_lab.prm import dataset

    data = dataset.make(replace(recipe("prm-b"), **TINY))
    feed = dataset.batches(data, 8, seed=0)
    first = [next(feed) for _ in range(12)]
    later = dataset.batches(data, 8, seed=0, first=7)
    for expected in first[7:]:
        for a, b in zip(expected, next(later), strict=True):
            assert np.array_equal(a.tokens, b.tokens)
            assert np.array_equal(a.label, b.label)
    with pytest.raises(ValueError, match="do not fill a batch"):
        next(dataset.batches(data, 10**6, seed=0))


def test_training_problems_are_of_the_train_split():
    some = rollouts.draw(60, seed=3)
    assert {problem.domain for problem in some} == set(LADDER)
    assert all(problems.split_of(p.domain, p.prompt) == "train" for p in some)


def test_a_fresh_verifier_says_nothing_yet_and_keeps_its_trunk(torch):
    from tts_lab.prm.model import on_rung

    model, shape = on_rung("27k", extra=2, seed=0)
    assert shape.whole.layers == shape.rung.layers + 2
    tokens = torch.tensor([list(spans.encode(TRACES[0]))])
    below = model.below(tokens)
    assert torch.equal(model._through(below, model.known, shape.whole.layers), below)
    frozen = [weight for weight in model.parameters() if not weight.requires_grad]
    assert len(frozen) + len(model.fresh()) == len(list(model.parameters()))


def test_training_changes_only_what_is_fresh(torch, trained):
    from safetensors.torch import load_file

    after = load_file(trained / "model.safetensors")
    before = load_file(ladder.path("27k") / "model.safetensors")
    for name, weight in before.items():
        if name != "model.norm.weight":  # of the whole, so it is trained
            assert torch.equal(after[name], weight), name


def test_a_killed_run_goes_on_as_if_it_had_not_been(torch, tmp_path, monkeypatch):
    from tts_lab.prm import train as recipe_of

    torch.set_num_threads(1)
    tiny = replace(recipe("prm-b"), **TINY)
    whole, _ = recipe_of.train(tiny, tmp_path / "whole")

    class Killed(Exception):
        pass

    def kill(progress):
        if progress.batches == 2:
            raise Killed

    monkeypatch.setattr(recipe_of, "SAVE_SECONDS", -1.0)
    with pytest.raises(Killed):
        recipe_of.train(tiny, tmp_path / "killed", on_progress=kill)
    seen = []
    resumed, _ = recipe_of.train(
        tiny, tmp_path / "killed", on_progress=lambda p: seen.append(p.batches)
    )
    assert seen == [2, 3]  # the first batch was kept
    for a, b in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_engine_scores_as_transformers_does(torch, trained):
    transformers = pytest.importorskip("transformers")
    from tts_lab.verifiers.prm import PRM

    verifier = PRM(trained)
    found = verifier.steps(TRACES)
    loaded = transformers.AutoModelForTokenClassification.from_pretrained(
        trained, dtype=torch.float32
    )
    assert type(loaded).__name__ == "LlamaForTokenClassification"
    loaded.eval()
    for trace, scores in zip(TRACES, found, strict=True):
        ids = torch.tensor([list(spans.encode(trace))])
        with torch.inference_mode():
            logits = loaded(ids).logits[0, :, 0]
        expected = torch.sigmoid(logits).numpy()[spans.step_ends(trace)]
        np.testing.assert_allclose(scores, expected, atol=1e-4)
    assert verifier.verify(TRACES)[:2] == [float(s[-1]) for s in found[:2]]
    assert verifier.verify(TRACES)[2] == -np.inf
    assert PRM(trained, aggregation="min").verify(TRACES[:1]) == [found[0].min()]
    assert verifier.tokens(TRACES[0]) == 32
    assert verifier.size.layers == 4


def test_other_folders_are_refused(torch, trained, tmp_path):
    from tts_lab.verifiers.prm import PRM

    with pytest.raises(ModelError, match="holds a LlamaForCausalLM"):
        PRM(ladder.path("27k"))
    with pytest.raises(ValueError, match="holds a LlamaForTokenClassification"):
        ladder.load(trained)
    with pytest.raises(ModelError, match="is not a model folder"):
        PRM(tmp_path)
    with pytest.raises(ValueError, match="aggregation is 'max'"):
        PRM(trained, aggregation="max")


def test_an_unknown_recipe_lists_the_known():
    with pytest.raises(ValueError, match=r"verifier 'luck' is unknown.*'prm-a'"):
        recipe("luck")
