"""Test-time training of Hugging Face models: peft's layers come, learn and go."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from grid_tasks import pairs_of

from tts_lab import ladder, problems
from tts_lab.ladder.model_folder import read
from tts_lab.problems import grids
from tts_lab.proposers import Size
from tts_lab.ttt import predict as engine
from tts_lab.ttt.examples import training_set
from tts_lab.ttt.text_tasks import TaskFormat, TextExample
from tts_lab.ttt.views import IDENTITY

pytestmark = pytest.mark.hf

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from test_transformers import checkpoint  # noqa: E402
from test_transformers import tokenizer as merging  # noqa: E402

from tts_lab.ttt.hugging_face import HuggingFace, TextRecipe, load  # noqa: E402

#: how the ladder writes grids
ROWS = TaskFormat("{input}>{output}|", "{input}>\n", "#{output}", "")
MIRROR = {"reverse": (lambda text: text[::-1], lambda text: text[::-1])}
QUICK = TextRecipe(rank=4, alpha=8, learning_rate=5e-3, epochs=2, batch=4)
WORDS = [("two", "four"), ("so the", "step"), ("answer", "is"), ("plus", "12 + 34")]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> HuggingFace:
    """A Llama of random weights with a tokenizer that merges."""
    folder = tmp_path_factory.mktemp("tiny")
    merging(folder)
    return load(checkpoint(folder, max_position_embeddings=512), device="cpu")


@pytest.fixture(scope="module")
def rung() -> HuggingFace:
    return load("grids-812k", format=ROWS, device="cpu")


def texts_of(family: str, number: int = 0) -> list[tuple[str, str]]:
    problem = grids.of_family(family, number + 1, seed=0)[number]
    return [("".join(map(str, a)), "".join(map(str, b))) for a, b in pairs_of(problem)]


def state(base: HuggingFace) -> tuple[Any, ...]:
    """Everything that an adapter must leave as it was."""
    digest = sha256()
    for name, tensor in sorted(base.model.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return (
        digest.hexdigest(),
        [(name, id(module)) for name, module in base.model.named_modules()],
        [(n, id(p), p.requires_grad) for n, p in base.model.named_parameters()],
        all(p.grad is None for p in base.model.parameters()),
        hasattr(base.model, "peft_config"),
        [module.training for module in base.model.modules()],
        [len(module._forward_hooks) for module in base.model.modules()],
        base.model.config.to_dict(),
    )


# How the layers come and go


def finished(base: HuggingFace) -> None:
    with base.adapted(WORDS, QUICK, size=8) as training:
        assert training.complete and len(training.losses) == 4


def cancelled(base: HuggingFace) -> None:
    cancel = Event()
    with base.adapted(
        WORDS, QUICK, size=8, cancel=cancel,
        on_step=lambda step: cancel.set() if step.number == 2 else None,
    ) as training:  # fmt: skip
        assert not training.complete and len(training.losses) == 2


def cancelled_before(base: HuggingFace) -> None:
    cancel = Event()
    cancel.set()
    with base.adapted(WORDS, QUICK, size=8, cancel=cancel) as training:
        assert not training.complete and training.tokens == 0 == training.flops


def crashed(base: HuggingFace) -> None:
    def crash(step: Any) -> None:
        raise RuntimeError("on purpose")

    with (
        pytest.raises(RuntimeError, match="on purpose"),
        base.adapted(WORDS, QUICK, size=8, on_step=crash),
    ):
        raise AssertionError("the block is not reached")


def crashed_in_the_block(base: HuggingFace) -> None:
    with (
        pytest.raises(KeyError, match="mine"),
        base.adapted(WORDS, QUICK, size=8),
    ):
        raise KeyError("mine")


def without_targets(base: HuggingFace) -> None:
    recipe = TextRecipe(targets=("c_attn",))
    with pytest.raises(ValueError, match="c_attn"), base.adapted(WORDS, recipe):
        pass


def with_a_target_that_takes_none(base: HuggingFace) -> None:
    """peft gives up when it has put layers into other modules already."""
    recipe = TextRecipe(targets=("q_proj", "norm"))
    with pytest.raises(ValueError, match="not supported"), base.adapted(WORDS, recipe):
        pass


@pytest.mark.parametrize(
    "adapt",
    [finished, cancelled, cancelled_before, crashed, crashed_in_the_block,
     without_targets, with_a_target_that_takes_none],
)  # fmt: skip
@pytest.mark.parametrize("training", [False, True])
def test_the_model_is_what_it_was_bit_for_bit(
    tiny: HuggingFace, adapt: Callable[[HuggingFace], None], training: bool
) -> None:
    tiny.model.train(training)
    tiny.model.model.norm.eval()
    tiny.model.model.embed_tokens.weight.requires_grad_(training)
    random = torch.get_rng_state()
    before = state(tiny)
    adapt(tiny)
    assert state(tiny) == before
    assert torch.equal(torch.get_rng_state(), random)
    finished(tiny)  # and can be adapted again
    assert state(tiny) == before
    tiny.model.eval().requires_grad_(True)


def test_the_layers_are_there_in_the_block_alone(tiny: HuggingFace) -> None:
    ids = torch.tensor([[1, 40, 41, 42]])

    def logits() -> Any:
        with torch.no_grad():
            return tiny.model(ids).logits

    def own() -> list[bytes]:
        return [
            tensor.numpy().tobytes()
            for name, tensor in tiny.model.state_dict().items()
            if "lora_" not in name
        ]

    plain, weights = logits(), own()
    with tiny.adapted(WORDS, QUICK, size=8) as training:
        assert not torch.allclose(logits(), plain, atol=1e-3)
        assert own() == weights
        layers = [n for n, _ in tiny.model.named_parameters() if "lora_" in n]
        assert len(layers) == 2 * 2 * 5  # A and B, two layers, five targets
        sizes = [p.numel() for n, p in tiny.model.named_parameters() if "lora_" in n]
        assert training.adapter == sum(sizes)
        with pytest.raises(RuntimeError, match="is adapted already"):
            finished(tiny)
        assert not torch.allclose(logits(), plain, atol=1e-3)
    assert torch.equal(logits(), plain)


def test_untrained_layers_change_nothing(tiny: HuggingFace) -> None:
    before = tiny.predict(WORDS, "four", max_tokens=5, permutations=0)
    cancel = Event()
    cancel.set()
    with tiny.adapted(WORDS, QUICK, cancel=cancel):
        after = tiny.predict(WORDS, "four", max_tokens=5, permutations=0)
    assert replace(after, ledger=before.ledger) == before


def test_the_same_seed_gives_the_same_adapter(tiny: HuggingFace) -> None:
    def trained(seed: int) -> tuple[float, ...]:
        with tiny.adapted(WORDS, QUICK, size=12, seed=seed) as training:
            return training.losses

    assert trained(1) == trained(1) != trained(2)


# What is trained on


def kept(base: HuggingFace, example: TextExample) -> list[str]:
    """The pieces of text that the loss is taken of."""
    ids, marks = base._piece(example)
    assert len(ids) == len(marks) and marks[-1]
    assert ids[-1] == base.tokenizer.eos_token_id
    found: list[list[int]] = [[]]
    for token, taught in zip(ids[:-1], marks[:-1], strict=True):
        if taught:
            found[-1].append(token)
        elif found[-1]:
            found.append([])
    return [base.tokenizer.decode(one) for one in found if one]


def test_tokens_that_merge_are_taught_where_the_outputs_stand(
    tiny: HuggingFace,
) -> None:
    from tts_lab.ttt.text_tasks import text_examples

    [example] = text_examples(WORDS, size=1)
    text = example.text
    ids, _ = tiny._piece(example)
    assert tiny.tokenizer.decode(ids[1:-1]) == text and ids[0] == 1
    assert len(ids) < len(text)  # it does merge
    found = kept(tiny, example)
    assert [one.strip() for one in found] == ["is", "12 + 34", "four"]


def test_a_rung_is_taught_what_the_ladder_teaches_it(rung: HuggingFace) -> None:
    """The same tokens and targets as test-time training on the built-in engine."""
    from tts_lab.ttt.text_tasks import text_examples

    problem = grids.of_family("rotate", 1, seed=0)[0]
    own = training_set(pairs_of(problem)[:-1], size=4)
    some = text_examples(texts_of("rotate")[:-1], size=4, format=ROWS)
    for example, inputs, targets in zip(some, own.inputs, own.targets, strict=True):
        ids, marks = rung._piece(example)
        assert ids[:-1] == inputs.tolist()
        aims = [
            token if taught else -1 for token, taught in zip(ids, marks, strict=True)
        ]
        assert aims[1:] == targets.tolist()


def test_the_loss_falls_on_a_real_task(rung: HuggingFace) -> None:
    before = state(rung)
    steps: list[Any] = []
    with rung.adapted(
        texts_of("rotate")[:-1], TextRecipe(16, 32, learning_rate=5e-3, batch=8),
        size=32, augmentations=MIRROR, on_step=steps.append,
    ) as training:  # fmt: skip
        assert training.complete
    assert np.mean(training.losses[-2:]) < 0.8 * np.mean(training.losses[:2])
    assert training.tokens == 2 * 32 * (3 * 34 + 18 + 17 + 2)
    model = read(ladder.path("grids-812k"))
    assert rung.size == Size(model.parameters, model.layers, model.hidden)
    assert training.flops == 6.0 * model.parameters * training.tokens
    assert training.ledger.flops_snell(rung.size) == training.flops
    assert training.ledger.seconds == training.seconds > 0
    assert [step.number for step in steps] == list(range(1, 9))
    assert {step.of for step in steps} == {8}
    assert sum(step.tokens for step in steps) == training.tokens
    assert state(rung) == before


def test_an_adapter_learns_its_task(rung: HuggingFace) -> None:
    """A rule that pretraining never saw, answered right after two epochs of it."""
    pairs = texts_of("count", 1)
    question, truth = pairs[-1]
    with rung.adapted(
        pairs[:-1], TextRecipe(16, 32, learning_rate=5e-3, epochs=4, batch=8),
        size=48, augmentations=MIRROR,
    ):  # fmt: skip
        found = rung.predict(pairs[:-1], question, augmentations=MIRROR, max_tokens=18)
    assert truth in found.answers


# What is answered


def test_answers_are_the_engines(rung: HuggingFace) -> None:
    model = read(ladder.path("grids-812k"))
    for problem in problems.evaluation_set("grids", 1, 4):
        pairs = [tuple("".join(map(str, r)) for r in p) for p in pairs_of(problem)]
        *shown, (question, truth) = pairs
        found = rung.predict(shown, question, permutations=0, max_tokens=18)
        ours = engine.predict(model, problem, [IDENTITY])
        assert found.answers == tuple("".join(map(str, row)) for row in ours.answers)
        assert replace(found.ledger, seconds=0) == replace(ours.ledger, seconds=0)
        assert len(truth) == len(found.answers[0])


def test_sides_are_turned_back_and_vote(rung: HuggingFace) -> None:
    right = first = 0
    for problem in problems.evaluation_set("grids", 1, 8):
        pairs = [tuple("".join(map(str, r)) for r in p) for p in pairs_of(problem)]
        *shown, (question, truth) = pairs
        found = rung.predict(
            shown, question, augmentations=MIRROR, permutations=2, max_tokens=18
        )
        assert [view.name for view, _ in found.seen] == ["identity"] * 3 + [
            "reverse"
        ] * 3
        assert found.prompt_tokens == 6 * (len(problem.prompt) + 1)
        right += sum(answer == truth for _, answer in found.seen)
        first += truth in found.answers
    assert right > 24 and first > 5


def test_what_did_not_end_does_not_vote(tiny: HuggingFace, rung: HuggingFace) -> None:
    found = rung.predict(texts_of("move")[:-1], "0" * 15 + "1", max_tokens=17)
    assert found.answers == () and all(answer is None for _, answer in found.seen)
    assert found.generated_tokens == 3 * 17
    ends = TaskFormat("{input}>{output}|", "{input}>\n", "#{output}", "0")
    other = HuggingFace(rung.model, rung.tokenizer, format=ends)
    found = other.predict(
        texts_of("move")[:-1], "0011" + 12 * "0", permutations=0, max_tokens=18
    )
    assert found.generated_tokens < 18  # the first 0 ended it


def test_a_cancelled_answer(tiny: HuggingFace) -> None:
    cancel = Event()
    cancel.set()
    found = tiny.predict(WORDS, "four", cancel=cancel)
    assert found.answers == () and found.generated_tokens == 0
    assert [answer for _, answer in found.seen] == [None] * 3


# What is refused


def test_texts_that_do_not_fit(rung: HuggingFace, tiny: HuggingFace) -> None:
    with pytest.raises(ValueError, match=r"a prompt of \d+ tokens .* reads 1 to 255"):
        rung.predict(texts_of("move") * 3, "1" * 16)
    with pytest.raises(ValueError, match="max_tokens=0; accepted is 1 or more"):
        rung.predict(texts_of("move"), "1" * 16, max_tokens=0)
    with (
        pytest.raises(ValueError, match=r"an example of \d+ tokens .*grids-812k"),
        rung.adapted(texts_of("move") * 3),
    ):
        pass
    with (
        pytest.raises(ValueError, match=r"'Ä' .* is not in the vocabulary"),
        rung.adapted([("1", "Ä"), ("2", "3")]),
    ):
        pass
    assert not hasattr(rung.model, "peft_config")


def test_models_that_are_refused(tiny: HuggingFace) -> None:
    slow = SimpleNamespace(is_fast=False)
    with pytest.raises(ValueError, match="accepted are fast tokenizers"):
        HuggingFace(tiny.model, slow)
    with (
        tiny.adapted(WORDS, QUICK, size=4),
        pytest.raises(ValueError, match="carries an adapter already"),
    ):
        HuggingFace(tiny.model, tiny.tokenizer)
    with pytest.raises(ValueError, match="no rung, no folder and no hub id"):
        load("grids-2m")
    with pytest.raises(ValueError, match="rank=0; accepted is 1 or more"):
        TextRecipe(rank=0)
    with pytest.raises(ValueError, match=r"learning_rate=-1\.0; accepted is above 0"):
        TextRecipe(learning_rate=-1.0)


@pytest.fixture
def without_peft(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("hugging_face", "text_training"):
        monkeypatch.delitem(sys.modules, f"tts_lab.ttt.{name}")
    monkeypatch.setitem(sys.modules, "peft", None)
    yield


def test_without_peft_the_line_that_installs_it_is_told(without_peft: None) -> None:
    with pytest.raises(ImportError, match=r'pip install "tts-lab\[peft\]"'):
        importlib.import_module("tts_lab.ttt.hugging_face")


def test_another_architecture(tmp_path: Path) -> None:
    """GPT-2 names its matrices differently, and stores them turned."""
    merging(tmp_path)
    options = {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 512}
    base = load(checkpoint(tmp_path, "GPT2", **options), device="cpu")
    before = state(base)
    recipe = TextRecipe(4, 8, ("c_attn", "c_fc"), learning_rate=5e-3, batch=4)
    with base.adapted(WORDS, recipe, size=8) as training:
        assert training.losses[-1] < training.losses[0]
        assert base.predict(WORDS, "four", max_tokens=3).generated_tokens > 0
    assert state(base) == before
