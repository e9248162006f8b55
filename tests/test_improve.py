"""Self-improvement: what is learned was accepted by the checker, the control's was not.

Also the commands that tune rungs, on as few tokens as will do.
"""

from __future__ import annotations

import json

import numpy as np
import pytest

from tts_lab import coverage, improve, ladder, measured, problems
from tts_lab.cli import main
from tts_lab.ladder import tokenizer
from tts_lab.traces import Problem


@pytest.mark.parametrize("checked", [True, False])
def test_only_what_the_checker_accepts_is_learned(checked):
    made = improve.draw(ladder.load("27k"), 4_000, checked=checked, samples=4, seed=1)
    assert made.starts[-1] >= 4_000
    verdicts = []
    for i in range(len(made)):
        piece = made.tokens[made.starts[i] : made.starts[i + 1]].tobytes()
        assert piece[0] == tokenizer.BOS
        assert piece[-1] == tokenizer.EOS
        text = tokenizer.decode(piece[1:-1])
        prompt, trace = text[: made.answers[i] - 1], text[made.answers[i] - 1 :]
        domain = "countdown" if ">" in prompt else "chains"
        assert problems.split_of(domain, prompt) == "train"
        verdicts.append(problems.domain(domain).check(Problem(domain, prompt), trace))
    assert all(verdicts) == checked


def test_no_more_of_a_problem_than_the_recipe_keeps():
    made = improve.draw(ladder.load("27k"), 3_000, keep=2, samples=8, seed=2)
    texts = [
        tokenizer.decode(made.tokens[a + 1 : b - 1].tobytes())
        for a, b in zip(made.starts[:-1], made.starts[1:], strict=True)
    ]
    prompts = [text.partition("\n")[0] for text in texts]
    long = [prompt for prompt in prompts if len(prompt) > 12]  # drawn once, surely
    assert max(map(long.count, set(long))) == 2


def test_an_unknown_recipe_is_quoted():
    with pytest.raises(ValueError, match="'nobody' is unknown; there are"):
        improve.recipe("nobody")


def test_the_shipped_counts_are_whole():
    counts = improve.shipped()
    names = (improve.BASE, improve.NAME, improve.CONTROL)
    assert set(counts) == {(name, *kind) for name in names for kind in improve.KINDS}
    for one in counts.values():
        assert one.n == improve.SAMPLES
        assert len(one.correct) == improve.PROBLEMS
        assert max(one.correct) <= one.n
    improved = counts[improve.NAME, "chains", 5]
    assert improved.fingerprint == ladder.load(improve.NAME).fingerprint


def test_the_shipped_rung_is_as_good_as_its_counts():
    """A fresh draw of the shipped weights lies within the counts' own noise."""
    counts = improve.shipped()
    for name in (improve.BASE, improve.NAME):
        stored = counts[name, "chains", 5]
        live = measured.count(name, "chains", 5, n=32, n_problems=20, seed=1)
        old = np.array(stored.correct[:20]) / stored.n
        new = np.array(live.correct) / live.n
        error = np.sqrt(np.sum(old * (1 - old) / 32 + 1e-4)) / 20
        assert abs(new.mean() - old.mean()) < 4 * error
        curve = coverage.coverage(stored.n, stored.correct, [1, stored.n])
        assert curve.mean[0] <= curve.mean[1]


@pytest.mark.hf
def test_a_round_trains_and_says_what_it_did(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from tts_lab.ladder import train

    monkeypatch.setattr(train, "TOKENS_PER_BATCH", 512)
    monkeypatch.setattr(improve.Recipe, "tokens", property(lambda self: 2_000))
    made = improve.train(improve.recipe(improve.CONTROL), tmp_path)
    record = json.loads((made / "training.json").read_text())
    assert record["checked"] is False
    assert record["tokens"] >= 2_000
    assert "nobody checked" in (made / "README.md").read_text()
    before, after = ladder.load("105k"), ladder.load(made)
    assert after.fingerprint != before.fingerprint
    stamp = (made / "model.safetensors").stat().st_mtime_ns
    assert improve.train(improve.recipe(improve.CONTROL), tmp_path) == made
    assert (made / "model.safetensors").stat().st_mtime_ns == stamp


@pytest.mark.hf
def test_a_thinker_trains_and_has_a_card(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from tts_lab.ladder import train
    from tts_lab.think import card
    from tts_lab.think import train as thinker

    monkeypatch.setattr(train, "TOKENS_PER_BATCH", 2048)
    monkeypatch.setattr(card, "KINDS", (("chains", 1),))
    monkeypatch.setattr(card, "PROBLEMS", 4)
    monkeypatch.setattr(thinker.Recipe, "tokens", property(lambda self: 4_000))
    made = thinker.train(thinker.recipe("thinker-380k"), tmp_path)
    assert ladder.load(made).context == 1024
    config = json.loads((made / "config.json").read_text())
    assert config["max_position_embeddings"] == 1024
    words = (made / "README.md").read_text()
    assert "| chains level 1 |" in words
    assert (tmp_path / "corpus").exists()


@pytest.mark.hf
def test_a_reviser_trains_on_data_that_is_kept(tmp_path, monkeypatch):
    pytest.importorskip("torch")
    from tts_lab.ladder import train
    from tts_lab.revise import card, trajectories
    from tts_lab.revise import train as reviser

    monkeypatch.setattr(train, "TOKENS_PER_BATCH", 512)
    monkeypatch.setattr(card, "KINDS", (("chains", 1),))
    monkeypatch.setattr(card, "PROBLEMS", 2)
    monkeypatch.setattr(trajectories, "PROBLEMS_AT_ONCE", 60)
    recipe = reviser.Recipe("reviser-380k", "380k", 1_000, 500)
    made = reviser.train(recipe, tmp_path)
    assert "| chains level 1 |" in (made / "README.md").read_text()
    [stored] = (tmp_path / "corpus").iterdir()
    again = reviser.corpus(recipe, tmp_path / "corpus", lambda tokens: None)
    assert again.taught is None
    with np.load(stored) as parts:  # nothing in it is pickled
        assert np.array_equal(parts["tokens"], again.tokens)


def test_a_wrong_recipe_ends_with_one_line(capsys):
    pytest.importorskip("torch")
    assert main(["train-thinker", "nobody"]) == 2
    assert "thinker 'nobody' is unknown" in capsys.readouterr().err
