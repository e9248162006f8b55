"""The ladder's folders in transformers, and the recipe that trains them.

What `AutoModelForCausalLM` and `AutoTokenizer` make of a folder is what the engine
makes of it: logits, token ids, greedy texts, parameters. An interrupted training run
ends with the bytes of an undisturbed one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tts_lab import ladder, problems
from tts_lab.ladder import compiled, data, model_folder, tokenizer
from tts_lab.ladder.engine import Engine
from tts_lab.ladder.rows import Request
from tts_lab.ladder.rungs import RUNGS, SPECIALISTS, VOCABULARY_SIZE, Rung
from tts_lab.ladder.tokenizer import BOS, EOS, PAD

pytestmark = pytest.mark.hf

TINY = Rung("tiny", 64, 2, 90, 0.02, (3000, 6000))
SHIPPED = {
    f"{name}-{tokens}": (rung, ladder.path(name, tokens))
    for name, rung in (RUNGS | SPECIALISTS).items()
    for tokens in rung.checkpoints
    if ladder.path(name, tokens).is_dir()
}


@pytest.fixture(scope="module")
def transformers() -> Any:
    pytest.importorskip("torch")
    return pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=["tiny", *SHIPPED])
def folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Rung, Path]:
    """A checkpoint of random weights, then every one that the package ships."""
    if request.param in SHIPPED:
        return SHIPPED[request.param]
    torch = pytest.importorskip("torch")
    from tts_lab.ladder import checkpoint
    from tts_lab.ladder.model import Llama

    path = tmp_path_factory.mktemp("checkpoints") / "tiny"
    torch.manual_seed(0)
    checkpoint.save(Llama(TINY, VOCABULARY_SIZE), TINY, path)
    return TINY, path


def texts(domains: tuple[str, ...] = data.LADDER) -> list[str]:
    """Prompts of every kind trained on, with right traces and beginnings of them.

    On others the sums of float32 can go far astray: on a chain of level 9 one
    checkpoint's logits in transformers are 1.6e-4 from those in float64.
    """
    found = ["", "\n", " 7", "#", "".join(tokenizer.VOCABULARY[3:]), "12" * 127]
    for name, level in data.mixture(domains):
        stream = problems.examples(name, level, split="test", seed=8)
        prompt, trace = next(stream)
        found += [prompt, prompt + trace[: 5 * level], prompt + trace]
    return found


def ids_of(text: str) -> bytes:
    return bytes([BOS]) + tokenizer.encode(text)


# Equal answers


@pytest.mark.parametrize("dtype", ["as stored", "float32"])
def test_logits_are_those_of_transformers(
    transformers: Any, folder: tuple[Rung, Path], dtype: str
) -> None:
    import torch

    rung, path = folder
    options = {} if dtype == "as stored" else {"dtype": torch.float32}
    model = transformers.AutoModelForCausalLM.from_pretrained(path, **options)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    prefixes = [ids_of(text) for text in texts(rung.domains)]
    found = Engine(model_folder.read(path), threads=1).logits(prefixes)
    for prefix, z in zip(prefixes, found, strict=True):
        with torch.inference_mode():
            expected = model(torch.tensor([list(prefix)])).logits[0, -1].numpy()
        assert np.abs(z - expected).max() < 1e-4


def test_token_ids_are_those_of_transformers(
    transformers: Any, folder: tuple[Rung, Path]
) -> None:
    theirs = transformers.AutoTokenizer.from_pretrained(folder[1])
    for text in texts():
        ids = theirs(text).input_ids
        assert ids == list(ids_of(text))
        assert theirs.decode(ids, skip_special_tokens=True) == text
        assert tokenizer.decode(bytes(ids[1:])) == text
    assert (theirs.pad_token_id, theirs.bos_token_id, theirs.eos_token_id) == (
        PAD, BOS, EOS,
    )  # fmt: skip
    assert len(theirs) == VOCABULARY_SIZE
    batch = theirs(["1+1\n", "1\n"], padding=True, padding_side="left").input_ids
    assert batch == [[BOS, *tokenizer.encode("1+1\n")], [0, 0, BOS, 6, 3]]


def test_greedy_texts_are_those_of_transformers(
    transformers: Any, folder: tuple[Rung, Path]
) -> None:
    import torch

    rung, path = folder
    model = transformers.AutoModelForCausalLM.from_pretrained(path)
    prompts = [problems.evaluation_set(n, 2, 3)[i].prompt for i in range(3)
               for n in rung.domains]  # fmt: skip
    prefixes = [ids_of(prompt) for prompt in prompts]
    key = np.zeros(1, np.uint64)
    mine = {}
    engine = Engine(model_folder.read(path), threads=1)
    for chunk in engine.write([Request(p, key, 0.0, 80) for p in prefixes]):
        for i, text, ended in zip(
            chunk.request, chunk.tokens, chunk.ended, strict=True
        ):
            mine[int(i)] = text + bytes([EOS]) * bool(ended)
    longest = max(map(len, prefixes))
    padded = [[PAD] * (longest - len(p)) + list(p) for p in prefixes]
    mask = [[0] * (longest - len(p)) + [1] * len(p) for p in prefixes]
    with torch.inference_mode():
        together = model.generate(
            torch.tensor(padded),
            attention_mask=torch.tensor(mask),
            do_sample=False,
            max_new_tokens=80,
        )
        alone = model.generate(
            torch.tensor([list(prefixes[0])]), do_sample=False, max_new_tokens=80
        )
    assert bytes(alone[0, len(prefixes[0]) :].tolist()) == mine[0]
    for i, row in enumerate(together[:, longest:].tolist()):
        assert bytes(row).rstrip(bytes([PAD])) == mine[i]


def test_parameters_are_as_the_rung_says(
    transformers: Any, folder: tuple[Rung, Path]
) -> None:
    rung, path = folder
    model = transformers.AutoModelForCausalLM.from_pretrained(path)
    assert sum(p.numel() for p in model.parameters()) == rung.parameters
    size = ladder.load(path).size
    assert (size.parameters, size.layers, size.hidden) == (
        rung.parameters, rung.layers, rung.hidden,
    )  # fmt: skip


# The rungs


def test_the_ladder_spans_50x_and_has_two_pairs_14x_apart() -> None:
    sizes = sorted(rung.parameters for rung in RUNGS.values())
    assert ladder.names() == sorted(RUNGS, key=lambda n: RUNGS[n].parameters)
    assert len(sizes) >= 5
    assert sizes[-1] >= 50 * sizes[0]
    pairs = [
        (a, b) for a in sizes for b in sizes if 14 * 0.95 <= b / a <= 14 * 1.05
    ]  # fmt: skip
    assert len(pairs) >= 2
    for rung in RUNGS.values():
        assert len(rung.checkpoints) >= 4
        assert list(rung.checkpoints) == sorted(set(rung.checkpoints))
        assert rung.hidden % 32 == 0 and rung.heads >= 1
        shown = re.fullmatch(r"([\d.]+)([km])", rung.name)
        assert shown
        said = float(shown[1]) * {"k": 1e3, "m": 1e6}[shown[2]]
        assert abs(rung.parameters / said - 1) < 0.02


# The recipe


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The training module with batches small enough for a test, and no cards."""
    pytest.importorskip("torch")
    from tts_lab.ladder import train

    monkeypatch.setattr(train, "TOKENS_PER_BATCH", 256)
    monkeypatch.setattr(train, "WARMUP_BATCHES", 4)
    monkeypatch.setattr(train.card, "write", lambda folder, rung: None)
    return train


SMALL = replace(TINY, name="small", hidden=32, layers=1, intermediate=48)


class Interrupted(Exception):
    pass


def interrupt_at(batch: int) -> Callable[[Any], None]:
    """A progress callback that raises at the n-th batch of this call."""
    seen = []

    def each(progress: Any) -> None:
        seen.append(progress)
        if len(seen) == batch:
            raise Interrupted

    return each


def weights_of(folders: list[Path]) -> list[bytes]:
    return [(folder / "model.safetensors").read_bytes() for folder in folders]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Filled by the first test that trains: weights of a run without interruption."""
    return {"folder": tmp_path_factory.mktemp("undisturbed")}


def reference_run(recipe: Any, undisturbed: dict[str, Any]) -> list[bytes]:
    if "weights" not in undisturbed:
        progress: list[Any] = []
        folders = recipe.train(
            SMALL, undisturbed["folder"], on_progress=progress.append
        )
        undisturbed["weights"] = weights_of(folders)
        undisturbed["batches"] = len(progress)
    found: list[bytes] = undisturbed["weights"]
    return found


@pytest.mark.parametrize("saved_every_batch", [False, True])
@pytest.mark.parametrize("batch", [1, 5, 10, 15, 22])
def test_an_interrupted_run_ends_with_the_same_bytes(
    recipe: Any,
    undisturbed: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    batch: int,
    saved_every_batch: bool,
) -> None:
    expected = reference_run(recipe, undisturbed)
    assert undisturbed["batches"] > 22
    if saved_every_batch:
        minutes = iter(range(0, 10**6, 61))
        clock = SimpleNamespace(
            monotonic=lambda: next(minutes), perf_counter=lambda: 0.0
        )
        monkeypatch.setattr(recipe, "time", clock)
    with pytest.raises(Interrupted):
        recipe.train(SMALL, tmp_path, on_progress=interrupt_at(batch))
    assert not list(tmp_path.glob("**/*.partial"))
    again: list[Any] = []
    folders = recipe.train(SMALL, tmp_path, on_progress=again.append)
    assert weights_of(folders) == expected
    if saved_every_batch and batch == 5:
        assert again[0].batches == 6  # it went on, it did not begin again


def test_finished_checkpoints_are_not_made_again(
    recipe: Any, undisturbed: dict[str, Any]
) -> None:
    expected = reference_run(recipe, undisturbed)
    calls: list[Any] = []
    folders = recipe.train(SMALL, undisturbed["folder"], on_progress=calls.append)
    assert calls == []
    assert weights_of(folders) == expected
    assert [f.name for f in folders] == ["small-3000", "small-6000"]
    assert expected[0] != expected[1]


def test_a_longer_run_begins_as_the_shorter_one(
    recipe: Any, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    expected = reference_run(recipe, undisturbed)
    [only] = recipe.train(SMALL, tmp_path, checkpoints=(3000,))
    assert weights_of([only]) == expected[:1]
    folders = recipe.train(SMALL, tmp_path)  # later, more tokens after all
    assert weights_of(folders) == expected


def test_what_a_run_records(recipe: Any, undisturbed: dict[str, Any]) -> None:
    reference_run(recipe, undisturbed)
    for tokens in SMALL.checkpoints:
        path = undisturbed["folder"] / f"small-{tokens}"
        record = json.loads((path / "training.json").read_text())
        assert record["parameters"] == SMALL.parameters
        assert tokens <= record["tokens"] < tokens + 2 * 256
        assert record["seconds"] > 0 and 0 < record["loss"] < 10
        assert ladder.load(path).size.parameters == SMALL.parameters


def test_a_run_killed_while_it_writes_a_record_writes_it_later(
    recipe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> str:
        raise Interrupted

    with monkeypatch.context() as patch:
        patch.setattr(recipe, "json", SimpleNamespace(dumps=interrupted))
        with pytest.raises(Interrupted):
            recipe.train(SMALL, tmp_path, checkpoints=(600,))
    [folder] = recipe.train(SMALL, tmp_path, checkpoints=(600,))
    assert (folder / "training.json").exists()


def test_a_checkpoint_that_was_deleted_is_made_right_or_not_at_all(
    recipe: Any, tmp_path: Path
) -> None:
    early, _ = recipe.train(SMALL, tmp_path, checkpoints=(600, 3000))
    right = weights_of([early])
    for file in early.iterdir():
        file.unlink()
    early.rmdir()
    try:
        recipe.train(SMALL, tmp_path, checkpoints=(600, 3000))
    except ValueError:
        return
    assert weights_of([early]) == right


def test_the_card_says_what_was_measured(
    folder: tuple[Rung, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tts_lab.ladder import card

    rung, path = folder
    if rung is not TINY:
        text = (path / "README.md").read_text()
        record = json.loads((path / "training.json").read_text())
    else:
        compiled.ensure(say=lambda text: None)
        monkeypatch.setattr(card, "PROBLEMS", 2)
        monkeypatch.setattr(card, "SAMPLES", 2)
        record = {"tokens": 3000, "batches": 6, "seconds": 60.0, "loss": 2.5}
        record |= {"seed": 0, "hardware": "a test"}
        (path / "training.json").write_text(json.dumps(record))
        card.write(path, rung)
        text = (path / "README.md").read_text()
        record = json.loads((path / "training.json").read_text())
    assert f"| parameters | {rung.parameters:,} |" in text
    assert f"{record['tokens']:,} in {record['batches']:,} batches" in text
    for name in rung.domains:
        scores = record["pass_at_1"][name]
        assert [(name, int(level)) for level in scores] == [
            kind for kind in data.mixture((name,))
        ]
        row = " | ".join(f"{p:.3f}" for p in scores.values())
        assert f"| pass@1 | {row} |" in text
