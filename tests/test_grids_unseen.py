"""What pretraining on grids has not seen.

Three claims. (1) Pretraining's generator asks families of level 1 alone: it makes the
same corpus when the others cannot be called. (2) Every task that it makes, of
thousands, is one of a seen family. (3) No task of a held-out family or composition, of
1,200 drawn and the 400 frozen ones, is one of a seen family, whatever its parameters.
So by (2) and (3) none of these is in pretraining's data, however much of it is read.

The converse cannot be claimed: some training tasks agree with a held-out family whose
own part is idle in them (a row that moves without crossing the edge is also rotated).
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from grid_tasks import NOVEL, PARAMETERS, explanations, pairs_of

from tts_lab import ladder, problems
from tts_lab.ladder import data, tokenizer
from tts_lab.ladder.rungs import EVERY
from tts_lab.problems import grids
from tts_lab.problems.transformations import COMPOSITIONS, HELD_OUT, SEEN, Family, Row
from tts_lab.traces import Problem


def training_tasks(n_tokens: int) -> list[list[grids.Pair]]:
    """The tasks of pretraining's data, the answers with them."""
    corpus = data.corpus(n_tokens, seed=0, domains=("grids",))
    found = []
    for i in range(len(corpus)):
        piece = corpus.tokens[corpus.starts[i] : corpus.starts[i + 1]].tobytes()
        prompt, _, answer = tokenizer.decode(piece[1:-1]).partition("#")
        found.append(pairs_of(Problem("grids", prompt, 1, answer)))
    return found


def test_parameters_that_are_drawn_are_among_those_tried() -> None:
    rng = random.Random(0)
    for name, family in (SEEN | HELD_OUT).items():
        tried = PARAMETERS.get(name, [()])
        assert {family.parameters(rng) for _ in range(200)} <= set(tried)


def test_pretraining_asks_seen_families_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert grids.LEVELS == {1: SEEN, 2: HELD_OUT, 3: COMPOSITIONS}
    assert data.mixture(("grids",)) == {("grids", 1): 1}
    readers = [name for name, rung in EVERY.items() if "grids" in rung.domains]
    assert readers == ladder.names("grids") == ["grids-812k"]
    assert EVERY["grids-812k"].domains == ("grids",)
    before = data.corpus(40_000, seed=0, domains=("grids",))

    def unseen(*_: object) -> Any:
        raise AssertionError("pretraining asked a family it must not see")

    for family in NOVEL.values():
        for part in ("apply", "draw", "parameters"):
            monkeypatch.setitem(family.__dict__, part, unseen)
    with pytest.raises(AssertionError, match="must not see"):
        problems.sample("grids", 2, 1)
    after = data.corpus(40_000, seed=0, domains=("grids",))
    assert (before.tokens == after.tokens).all()


def test_every_training_task_is_one_of_a_seen_family() -> None:
    of = Counter()
    for pairs in training_tasks(500_000):
        names = [name for name in SEEN if explanations(name, pairs)]
        assert names, pairs
        of.update(names)
    assert of.total() > 2_500 and set(of) == set(SEEN)


@pytest.mark.parametrize("name", NOVEL)
def test_no_task_that_was_held_out_is_one_of_a_seen_family(name: str) -> None:
    for problem in grids.of_family(name, 100, seed=3):
        pairs = pairs_of(problem)
        assert explanations(name, pairs)
        assert not any(explanations(seen, pairs) for seen in SEEN)


@pytest.mark.parametrize("level", [2, 3])
def test_the_frozen_tasks_that_were_held_out_are_no_training_tasks(level: int) -> None:
    families = grids.LEVELS[level]
    for problem in problems.evaluation_set("grids", level):
        pairs = pairs_of(problem)
        assert any(explanations(name, pairs) for name in families)
        assert not any(explanations(seen, pairs) for seen in SEEN)


def test_where_a_held_out_family_agrees_with_training_it_is_idle() -> None:
    idle = Counter()
    for pairs in training_tasks(60_000):
        for name in HELD_OUT:
            for parameters in explanations(name, pairs):
                assert name == "rotate" and explanations("move", pairs)
                idle[name] += bool(parameters)
        for name, family in COMPOSITIONS.items():
            if name == "swap, move":  # 2,376 parameters a task
                continue
            for p, q in explanations(name, pairs):
                first, second = (SEEN[part] for part in name.split(", "))
                assert not all(works(family, first, second, a, p, q) for a, _ in pairs)
                idle[name] += 1
    assert idle["rotate"] > 5 and idle["recolour, flip"] > 1


def works(
    both: Family, first: Family, second: Family, row: Row, p: Any, q: Any
) -> bool:
    """Whether each part of a composition does something that the other does not."""
    alone = first.apply(row, *p), second.apply(row, *q)
    return len({row, *alone, both.apply(row, p, q)}) == 4


def test_no_test_task_is_in_the_training_data() -> None:
    frozen = {
        grids.key(problem.prompt)
        for level in grids.LEVELS
        for problem in problems.evaluation_set("grids", level)
    }
    assert len(frozen) == 600
    for pairs in training_tasks(300_000):
        prompt = grids.prompt_of(pairs[:-1], pairs[-1][0])
        assert problems.split_of("grids", prompt) == "train"
        assert grids.key(prompt) not in frozen


def test_the_frozen_tasks_are_of_all_families() -> None:
    for level, families in grids.LEVELS.items():
        pairs = [pairs_of(p) for p in problems.evaluation_set("grids", level)]
        for name in families:
            assert sum(bool(explanations(name, one)) for one in pairs) >= 3, name
