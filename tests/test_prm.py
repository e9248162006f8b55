"""The recipe of learned verifiers, end to end on a tiny run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from vllm_server import require_vllm

from tts_lab import figures, ladder, problems
from tts_lab.cli import main
from tts_lab.ladder import model_folder, reference
from tts_lab.ladder.model_folder import ModelError
from tts_lab.ladder.reader import Reader
from tts_lab.prm import (
    card,
    comparison,
    dataset,
    labels,
    report,
    rollouts,
    spans,
    train,
)
from tts_lab.prm.head import Head, fit
from tts_lab.prm.recipes import RECIPES, Recipe, recipe
from tts_lab.proposers import vllm_engine
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.prm import PRM

TINY = {"trunk": "27k", "policy": "27k", "problems": 40, "samples": 2, "rollouts": 2}
CHAIN = Problem("chains", "47+38*6\n", 2)
TRACES = [
    Trace(CHAIN, "47+38=85\n85*6=510\n#510", 23, True),
    Trace(CHAIN, "47+38=85\n85*6=5", 15),
    Trace(CHAIN),
]


@pytest.fixture(scope="module")
def trained() -> train.Trained:
    return train.train(replace(recipe("prm-b"), **TINY))


@pytest.fixture(scope="module")
def folder(trained, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("prm") / "tiny"
    train.export(train.whole(trained), path)
    return path


@pytest.mark.parametrize("name", list(RECIPES))
def test_labels_are_one_per_step_and_the_same_each_time(name):
    tiny = replace(recipe(name), **TINY)
    data, again = dataset.make(tiny), dataset.make(tiny)
    assert [t.text for t in data.traces] == [t.text for t in again.traces]
    for trace, one, two in zip(data.traces, data.labels, again.labels, strict=True):
        assert len(one) == len(trace.steps)
        assert np.array_equal(one, two)
    values = set(np.unique(np.concatenate(data.labels)).tolist())
    assert values <= ({0.0, 0.5, 1.0} if tiny.labels == "soft" else {0.0, 1.0})
    assert data.flops > 0


def test_hard_labels_say_whether_any_completion_was_right():
    soft = dataset.make(replace(recipe("prm-a"), **TINY))
    hard = dataset.make(replace(recipe("prm-a-hard"), **TINY))
    for a, b in zip(soft.labels, hard.labels, strict=True):
        assert np.array_equal(a > 0, b == 1)
    assert soft.accuracy == hard.accuracy < 1
    truth = np.concatenate(labels.exact(hard.traces))
    assert hard.accuracy == (np.concatenate(hard.labels) == truth).mean()


def test_training_problems_are_of_the_train_split():
    some = rollouts.draw(60, seed=3)
    assert {problem.domain for problem in some} == {"chains", "countdown"}
    assert all(problems.split_of(p.domain, p.prompt) == "train" for p in some)


@pytest.fixture(scope="module", params=["27k", "105k"])
def compared(request):
    """A rung, the comparison on it, and the states of a right and a wrong trace."""
    rung = model_folder.read(ladder.path(request.param))
    model = comparison.build(rung)
    wrong = Trace(CHAIN, "47+38=85\n85*6=710\n#710", 23, True)
    texts = [spans.encode(trace) for trace in (TRACES[0], wrong)]
    return rung, model, texts, Reader(model).read(texts, lambda i, s: s.copy())


def test_the_comparison_knows_the_logit_of_what_was_written(compared):
    rung, model, texts, states = compared
    place = rung.hidden
    # the stream's own size cancels in the ratio to the constant
    mark = (
        comparison.MARK
        * model.weights["model.norm.weight"][place + comparison.CONSTANT]
    )
    layer = f"model.layers.{rung.layers}.mlp.down_proj.weight"
    nat = model.weights[layer][place + comparison.LOGIT, 0]
    for text, state in zip(texts, states, strict=True):
        tokens = np.frombuffer(text, np.uint8).astype(np.int64)
        logits = reference.logits(rung, tokens)[:-1]
        expected = logits[np.arange(len(logits)), tokens[1:]]
        stream = mark / state[1:, place + comparison.CONSTANT]
        found = state[1:, place + comparison.LOGIT] * stream / nat - comparison.LIFT
        known = np.isin(tokens[1:], comparison.TOKENS)
        known &= expected > -comparison.LIFT / 2
        # what is covered shines through by a fiftieth
        assert np.abs(found - expected)[known].max() < 1.5
        assert np.corrcoef(found[known], expected[known])[0, 1] > 0.99


def test_regret_and_pools_rise_at_the_wrong_digit_and_stay(compared):
    rung, _model, texts, (right, wrong) = compared
    place = rung.hidden
    differ = next(i for i, (a, b) in enumerate(zip(*texts, strict=True)) if a != b)
    regret = wrong[:, place + comparison.REGRET]
    end = len(CHAIN.prompt) + 1
    assert np.abs(regret[:end]).max() < 1e-4  # none within the prompt
    assert regret[differ] > 3 * right[differ, place + comparison.REGRET]
    pool = wrong[:, place + comparison.POOL]
    assert (pool[differ:] > pool[differ - 1] + 0.1).all()
    assert np.array_equal(right[:differ], wrong[:differ])  # nothing from the future


def test_the_trunk_computes_what_the_rung_computes(compared):
    rung, model, texts, _ = compared
    shallow = replace(model, layers=rung.layers)
    old = rung.hidden
    tokens = np.frombuffer(texts[0], np.uint8).astype(np.int64)
    states = Reader(shallow).read([texts[0]], lambda i, s: s.copy())[0][:, :old]
    norm = rung.weights["model.norm.weight"]
    found = states * np.sqrt(old / model.hidden) * norm @ rung.head.T
    np.testing.assert_allclose(found, reference.logits(rung, tokens), atol=0.4)


def test_training_is_deterministic_and_stored_whole(trained, tmp_path):
    again = train.train(replace(recipe("prm-b"), **TINY))
    assert np.array_equal(trained.head.weight, again.head.weight)
    assert trained.label_accuracy == 1 and trained.flops > 0
    path = tmp_path / "heads" / "prm-b.json"
    train.store(trained, path)
    back = train.stored(path)
    assert (back.recipe, back.steps) == (trained.recipe, trained.steps)
    np.testing.assert_allclose(back.head.weight, trained.head.weight, rtol=1e-5)
    scores = PRM(train.whole(back)).steps(TRACES)
    for a, b in zip(scores, PRM(train.whole(trained)).steps(TRACES), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"prm-b.json' holds no trained verifier"):
        train.stored(path)


def test_a_head_for_another_trunk_is_refused(trained):
    with pytest.raises(ValueError, match=r"train it again: tts-lab train-verifier"):
        train.whole(replace(trained, fingerprint="other"))


@pytest.mark.hf
def test_the_engine_scores_as_transformers_does(folder):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    verifier = PRM(folder)
    found = verifier.steps(TRACES)
    loaded = transformers.AutoModelForTokenClassification.from_pretrained(
        folder, dtype=torch.float32
    )
    assert type(loaded).__name__ == "LlamaForTokenClassification"
    loaded.eval()
    for trace, scores in zip(TRACES, found, strict=True):
        ids = torch.tensor([list(spans.encode(trace))])
        with torch.inference_mode():
            logits = loaded(ids).logits[0, :, 0]
        expected = torch.sigmoid(logits).numpy()[spans.step_ends(trace)]
        np.testing.assert_allclose(scores, expected, atol=1e-4)


@pytest.mark.vllm
def test_the_engine_scores_as_vllm_does(folder):
    require_vllm()
    some = TRACES[:2]
    vllm_engine.prepare(folder.name)
    from vllm.config import PoolerConfig

    pooler = PoolerConfig(use_activation=False)
    llm = vllm_engine.start(
        folder, options={"runner": "pooling", "pooler_config": pooler}
    )
    try:
        prompts = [{"prompt_token_ids": list(spans.encode(trace))} for trace in some]
        found = llm.encode(prompts, pooling_task="token_classify", use_tqdm=False)
        logits = [one.outputs.data.float().flatten().numpy() for one in found]
    finally:
        vllm_engine.stop(llm)
    for trace, scores, all_ in zip(some, PRM(folder).steps(some), logits, strict=True):
        at = all_[spans.step_ends(trace)]
        np.testing.assert_allclose(scores, 1 / (1 + np.exp(-at)), atol=1e-4)


def test_a_folder_scores_as_the_model_it_was_written_from(folder, trained):
    verifier, direct = PRM(folder), PRM(train.whole(trained))
    for a, b in zip(verifier.steps(TRACES), direct.steps(TRACES), strict=True):
        assert np.array_equal(a, b)
    found = verifier.steps(TRACES)
    assert verifier.verify(TRACES)[:2] == [float(s[-1]) for s in found[:2]]
    assert verifier.verify(TRACES)[2] == -np.inf
    assert PRM(folder, aggregation="min").verify(TRACES[:1]) == [found[0].min()]
    assert verifier.tokens(TRACES[0]) == 32
    assert verifier.size.layers == 5
    with pytest.raises(FileExistsError, match="is there already"):
        train.export(train.whole(trained), folder)


def test_other_folders_are_refused(folder, tmp_path):
    with pytest.raises(ModelError, match="holds a LlamaForCausalLM"):
        PRM(ladder.path("27k"))
    with pytest.raises(ValueError, match="holds a LlamaForTokenClassification"):
        ladder.load(folder)
    with pytest.raises(ModelError, match="is not a model folder"):
        PRM(tmp_path)
    with pytest.raises(ValueError, match="aggregation is 'max'"):
        PRM(folder, aggregation="max")


@pytest.mark.parametrize("name", list(RECIPES))
def test_shipped_heads_are_those_of_the_recipes(name):
    shipped = train.shipped(name)
    assert shipped.recipe == recipe(name)
    rung = model_folder.read(ladder.path(shipped.recipe.trunk))
    assert shipped.fingerprint == rung.fingerprint


def test_shipped_prms_find_the_wrong_step():
    wrong = Trace(CHAIN, "47+38=85\n85*6=520\n#520", 23, True)
    for name in RECIPES:
        right_steps, wrong_steps = PRM(name).steps([TRACES[0], wrong])
        assert right_steps[0] == pytest.approx(wrong_steps[0], abs=1e-6), name
        assert (wrong_steps[1:] < right_steps[1:] / 3).all(), name
    right_steps, wrong_steps = PRM("prm-b").steps([TRACES[0], wrong])
    assert right_steps.min() > 0.5 > wrong_steps[1:].max()  # a probability of truth


def test_a_report_says_how_well_a_verifier_chooses():
    samples = report.Samples.draw("countdown", 2, policy="27k", n_problems=12, n=8)
    good = report.measure(PRM("prm-b"), samples, name="prm-b")
    assert good.within[1] <= good.within[0] <= good.within[2]
    assert good.within[0] > 0.9
    assert good.pass_at_1 < good.best_of_n <= good.coverage
    assert 0 < good.gap_closed <= 1
    assert good.flops_per_trace > 2 * good.parameters * 10
    assert "within" in report.line(good)


def test_the_shipped_report_names_every_verifier_on_every_level():
    found = {(row.verifier, row.domain, row.level) for row in report.shipped()}
    assert found == {
        (name, *kind) for name in report.verifiers() for kind in report.KINDS
    }


def test_a_head_fits_probabilities_and_refuses_what_is_none():
    rng = np.random.default_rng(0)
    states = rng.normal(size=(4000, 3)).astype(np.float32)
    truth = Head(np.array([1.0, -2.0, 0.0], np.float32), 0.5)
    found = fit(states, truth.probability(states), ridge=0.0)
    np.testing.assert_allclose(found.head.weight, truth.weight, atol=0.01)
    assert abs(found.head.bias - 0.5) < 0.01
    constant = np.column_stack([states, np.full(4000, 7.0)])
    assert fit(constant, states[:, 0] > 0).head.weight[3] == 0
    with pytest.raises(ValueError, match=r"labels from 0.0 to 2.0; accepted"):
        fit(states, np.linspace(0, 2, 4000))
    with pytest.raises(ValueError, match=r"all 4000 labels are 1.0"):
        fit(states, np.ones(4000))
    with pytest.raises(ValueError, match=r"states \(4000, 3\) and labels \(3,\)"):
        fit(states, np.ones(3))


def test_recipes_refuse_what_they_cannot_do():
    with pytest.raises(ValueError, match=r"verifier 'luck' is unknown.*'prm-a'"):
        recipe("luck")
    with pytest.raises(ValueError, match=r"labels is 'human'; accepted are \['exact'"):
        Recipe("x", "", "27k", "human")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="rollouts is 0; accepted is 1 or more"):
        replace(recipe("prm-a"), rollouts=0)


def test_verifiers_are_drawn_with_both_intervals():
    rows = [row for row in report.shipped() if (row.domain, row.level) == ("chains", 5)]
    figure = figures.verifiers(rows, title="Chains")
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [
        row.verifier for row in rows
    ]
    assert figure.rows[1].startswith(f"{rows[0].verifier}: within ")
    with pytest.raises(ValueError, match="no verifiers to draw"):
        figures.verifiers([], title="")


def test_the_command_trains_and_writes_a_folder(tmp_path, capsys):
    arguments = ["train-verifier", "prm-b", "--trunk", "27k", "--policy", "27k",
                 "--problems", "40", "--folder", str(tmp_path)]  # fmt: skip
    assert main(arguments) == 0
    assert "labels 100.0% right" in capsys.readouterr().out
    assert PRM(tmp_path / "verifier-prm-b").size.layers == 5
    assert main(arguments) == 2
    assert "is there already; name another --folder" in capsys.readouterr().err
    assert main([*arguments, "--install"]) == 2
    assert "--install takes recipes as they are" in capsys.readouterr().err
    assert main(["train-verifier", "luck"]) == 2
    assert "verifier 'luck' is unknown" in capsys.readouterr().err


def test_the_card_says_what_was_recorded():
    text = card.text(report.shipped())
    assert card.PATH.read_text() == text
    for name in RECIPES:
        made = train.shipped(name)
        assert f"| {made.label_accuracy:.1%} | {made.traces:,} |" in text
    for row in report.shipped():
        assert f"| `{row.verifier}` | {row.parameters:,} | {row.within[0]:.3f}" in text
