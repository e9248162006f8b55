"""The shipped ablation of test-time training, and the recipe that makes it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tts_lab import ladder
from tts_lab.problems.transformations import COMPOSITIONS, HELD_OUT
from tts_lab.ttt import measured

ADAPTING = (
    "full", "no transformations", "direct input and output", "shared adapter",
    "no demonstration loss", "no voting",
)  # fmt: skip
PLAIN = ("no adapting, voting", "no adapting")


def test_every_variant_was_run_on_the_same_tasks():
    found = measured.shipped()
    assert tuple(found) == (*ADAPTING, *PLAIN)
    tasks = [(kind, family) for kind, family, _ in measured.tasks()]
    for one in found.values():
        assert list(zip(one.kind, one.family, strict=True))[: len(tasks)] == tasks
        lengths = {
            len(value) for value in vars(one).values() if isinstance(value, tuple)
        }
        assert len(lengths) == 1
        assert all(a <= b for a, b in zip(one.first, one.second, strict=True))


def test_tasks_are_new_families_only():
    families = {family for _, family, _ in measured.tasks()}
    assert families == {*HELD_OUT, *COMPOSITIONS}
    problems = [problem.prompt for *_, problem in measured.tasks()]
    assert len(set(problems)) == len(problems)


def test_training_is_in_the_ledger():
    found = measured.shipped()
    size = ladder.load(measured.POLICY).size
    for name in ADAPTING:
        for book in found[name].ledgers():
            training = 6 * size.parameters * book.training_tokens
            assert training > 0
            assert book.flops_brown(size) > training
    for name in PLAIN:
        assert not any(found[name].training)
    # one side a task against ten
    one, ten = (np.sum(found[name].generated[:54]) for name in reversed(PLAIN))
    assert 9 < ten / one < 11
    # direct input and output leaves the other demonstrations out
    assert np.mean(found["direct input and output"].training) < (
        np.mean(found["full"].training) / 2
    )


def test_solved_by_kind_and_by_answers():
    one = measured.shipped()["full"]
    assert len(one.solved("held out")) == 36
    assert len(one.solved("composition")) == 18
    assert one.solved(within=1).sum() == sum(one.first)
    assert one.solved().sum() == sum(one.second)


@pytest.mark.hf
def test_variants_that_are_there_are_not_run_again(tmp_path):
    pytest.importorskip("torch")
    from tts_lab.ttt.ablate import VARIANTS

    assert tuple(VARIANTS) == tuple(measured.shipped())
    path, said = tmp_path / "ablation.json", []
    some = measured.tasks()[:2]
    for _ in range(2):
        measured.measure(path, variants=["no adapting"], some=some, say=said.append)
    assert len(said) == 1
    assert len(json.loads(path.read_text())) == 1
    stored = measured.shipped(path)["no adapting"]
    assert stored.family == ("rotate", "rotate")
    again = measured.shipped()["no adapting"]
    assert stored.second == again.second[:2]
    assert stored.generated == again.generated[:2]
    with pytest.raises(ValueError, match=r"\['all'\]; accepted are \['full'"):
        measured.measure(path, variants=["all"])
