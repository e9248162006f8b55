"""The domain of grids: its families, its texts, what of them is taught."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from grid_tasks import FAMILIES, cells, explanations, pairs_of
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tts_lab import ladder, problems
from tts_lab.ladder import data, tokenizer
from tts_lab.problems import grids
from tts_lab.problems.transformations import (
    COMPOSITIONS,
    HELD_OUT,
    SEEN,
    WIDTH,
    Row,
)
from tts_lab.traces import Problem
from tts_lab.verifiers import library
from tts_lab.widgets import CoverageExplorer, StrategyLab, StrategyRace
from tts_lab.widgets.another import OTHER

unhurried = settings(deadline=None, derandomize=True, max_examples=100)
rows = st.lists(st.integers(0, 9), min_size=WIDTH, max_size=WIDTH).map(tuple)
tasks = st.tuples(st.lists(st.tuples(rows, rows), min_size=1, max_size=5), rows)


# Families

END = "." * 13
BY_HAND: dict[str, tuple[tuple[Any, ...], str, str]] = {
    "move": ((2,), "12", "..12"),
    "slide": ((True,), ".123", END + "123"),
    "flip": ((), "..123", "...........321"),
    "flip object": ((), "..123", "..321"),
    "fill": ((5,), ".3..3", ".3553"),
    "recolour": ((1, 2), "1213", "2223"),
    "swap": ((1, 2), "1213", "2123"),
    "denoise": ((), "4..333.5", "...333"),
    "hollow": ((), "3333.22", "3..3.22"),
    "mirror": ((), "12", "12............21"),
    "scale": ((), ".12", ".1122"),
    "sort": ((), ".312", ".123"),
    "gravity": ((True,), "1.2..3", END + "123"),
    "extend": ((False,), "..1..2", "111222"),
    "keep largest": ((), "11.333.2.444", "...333"),
    "keep colour": ((1,), "1213", "1.1"),
    "outline": ((5,), "..33", ".5335"),
    "tile": ((), "123", "1231231231231231"),
    "rotate": ((2,), "1.............23", "231"),
    "erode": ((), "4444.33", ".44"),
    "keep smallest": ((), "11.3.333.2", "...3"),
    "lead": ((), "123.45", "111.44"),
    "count": ((7,), "1.22.3", "777"),
    "echo": ((1,), "12", "12.12"),
    "recolour, flip": (((1, 2), ()), "13", "..............32"),
    "swap, move": (((1, 2), (1,)), "12", ".21"),
    "hollow, move": (((), (1,)), "333", ".3.3"),
    "sort, slide": (((), (True,)), "21", ".............." + "12"),
    "mirror, outline": (((), (5,)), "1", "15............51"),
    "keep largest, slide": (((), (False,)), ".22.3", "22"),
}


def test_how_many_there_are() -> None:
    assert len(SEEN) >= 18 and len(HELD_OUT) >= 6 and len(COMPOSITIONS) >= 6
    assert len(FAMILIES) == len(SEEN) + len(HELD_OUT) + len(COMPOSITIONS)
    assert all(name == family.name for name, family in FAMILIES.items())


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_family_does(name: str) -> None:
    parameters, before, after = BY_HAND[name]
    assert FAMILIES[name].apply(cells(before), *parameters) == cells(after)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_changes_the_rows_it_draws(name: str) -> None:
    family, rng = FAMILIES[name], random.Random(name)
    changed = 0
    for _ in range(60):
        parameters = family.parameters(rng)
        row = family.draw(rng, *parameters)
        done = family.apply(row, *parameters)
        assert len(row) == len(done) == WIDTH
        assert set(row) | set(done) <= set(range(10))
        assert family.apply(row, *parameters) == done
        changed += row != done
    assert changed > 50  # of the few others `task` makes nothing


@unhurried
@given(rows, st.sampled_from(list(FAMILIES)), st.randoms(use_true_random=False))
@example((0,) * WIDTH, "keep largest", random.Random(0))
@example((0,) * WIDTH, "keep smallest", random.Random(0))
@example((0,) * WIDTH, "tile", random.Random(0))
def test_a_family_takes_any_row(row: Row, name: str, rng: random.Random) -> None:
    family = FAMILIES[name]
    done = family.apply(row, *family.parameters(rng))
    assert len(done) == WIDTH and set(done) <= set(range(10))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_task_is_of_its_family_and_its_seed(name: str) -> None:
    family = FAMILIES[name]
    for seed in range(10):
        shown, asked = grids.task(family, random.Random(seed))
        assert grids.task(family, random.Random(seed)) == (shown, asked)
        pairs = [*shown, asked]
        assert len({a for a, _ in pairs}) == len(pairs) == grids.DEMONSTRATIONS + 1
        assert all(a != b and any(b) for a, b in pairs)
        assert explanations(name, pairs)


def test_problems_of_a_family() -> None:
    some = grids.of_family("rotate", 5, seed=1)
    assert some == grids.of_family("rotate", 5, seed=1)
    assert some != grids.of_family("rotate", 5, seed=2)
    assert some[:2] == grids.of_family("rotate", 2, seed=1)
    assert {p.level for p in some} == {2}
    assert all(explanations("rotate", pairs_of(p)) for p in some)
    for split in problems.SPLITS:
        for p in grids.of_family("move", 5, seed=0, split=split):
            assert problems.split_of("grids", p.prompt) == split
    with pytest.raises(ValueError, match=r"'turn' is unknown.*'rotate'"):
        grids.of_family("turn", 1, seed=0)
    with pytest.raises(ValueError, match=r"'dev' is unknown.*'train'"):
        grids.of_family("move", 1, seed=0, split="dev")


# Texts


@unhurried
@given(tasks)
def test_prompts_are_read_back(made: tuple[list[grids.Pair], Row]) -> None:
    demonstrations, row = made
    prompt = grids.prompt_of(demonstrations, row)
    assert grids.parse(prompt) == (demonstrations, row)
    assert grids.parse(prompt.rstrip("\n")) == (demonstrations, row)
    assert tokenizer.decode(tokenizer.encode(prompt)) == prompt


@unhurried
@given(tasks, rows)
def test_solved_tasks_are_read_back(
    made: tuple[list[grids.Pair], Row], done: Row
) -> None:
    answer = grids.trace_of(done)[1:]
    problem = Problem("grids", grids.prompt_of(*made), 2, answer)
    assert grids.problem(grids.solved(problem), 2) == problem
    assert cells(answer) == done


ROW = "12" + 14 * "0"
PAIR = f"{ROW}>{ROW[::-1]}"


@pytest.mark.parametrize(
    "text",
    ["", PAIR, f"{PAIR}|{ROW}", f"{PAIR}|{ROW[1:]}>", f"{PAIR},{ROW}>", f"|{ROW}>",
     f"{PAIR}|{ROW}>\n\n", f" {PAIR}|{ROW}>", f"{PAIR}|{'x' + ROW[1:]}>",
     f"{PAIR}|{'٣' + ROW[1:]}>", f"{PAIR}||{ROW}>"],
)  # fmt: skip
def test_what_is_no_task_is_quoted(text: str) -> None:
    for function in (grids.parse, grids.key):
        with pytest.raises(ValueError, match="is no grid task") as error:
            function(text)
        assert repr(text) in str(error.value)


@pytest.mark.parametrize("text", ["", PAIR, f"{PAIR}|{ROW}>", f"{PAIR}|{PAIR[:-1]}"])
def test_what_is_no_solved_task_is_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="is no grid task with its answer") as error:
        grids.problem(text)
    assert repr(text) in str(error.value)
    with pytest.raises(ValueError, match="carries no answer"):
        grids.solved(Problem("grids", f"{PAIR}|{ROW}>\n"))


def test_a_task_is_its_rows_in_any_order_of_demonstrations() -> None:
    shown, (row, _) = grids.task(SEEN["move"], random.Random(0))
    same = {grids.key(grids.prompt_of(p, row)) for p in permutations(shown)}
    assert len(same) == 1
    other = [(shown[0][0], shown[1][1]), (shown[1][0], shown[0][1]), *shown[2:]]
    assert grids.key(grids.prompt_of(other, row)) not in same
    assert grids.key(grids.prompt_of(shown, shown[0][0])) not in same


def test_checking_and_rendering() -> None:
    problem = grids.problem(f"{PAIR}|{PAIR}")
    right, wrong = f"#{ROW[::-1]}", f"#{ROW}"
    assert grids.check(problem, right) and grids.check(problem, right + "\n")
    assert grids.check_step(problem, [right], 0)
    for text in ("", "#", wrong, right[1:], right[:-1], right + "0", right + "\n#",
                 " " + right, "#" + "٣" * 16):  # fmt: skip
        assert not grids.check(problem, text), text
        assert grids.extract_answer(text) in (None, ROW)
    assert grids.render(problem, right).split("\n") == [
        "rows of cells",
        "  12.............. -> ..............21",
        "  ✓ 12.............. -> ..............21",
    ]
    assert grids.render(problem, wrong).endswith("✗ 12.............. -> 12" + 14 * ".")
    assert grids.render(problem, "").endswith("✗ 12.............. -> ?")
    unknown = replace(problem, answer=None)
    assert grids.render(unknown, right).endswith(
        "  12.............. -> " + 14 * "." + "21"
    )
    with pytest.raises(ValueError, match=r"grids:1200.*carries no answer"):
        grids.check(unknown, right)


@unhurried
@given(st.text(max_size=40))
def test_other_texts_are_wrong_and_never_an_error(text: str) -> None:
    problem = grids.problem(f"{PAIR}|{PAIR}")
    assert not grids.check(problem, text)
    assert isinstance(grids.render(problem, text), str)


# What is taught


@pytest.mark.parametrize("demonstrations", [1, 2, 4])
def test_outputs_are_taught_from_the_second_on(demonstrations: int) -> None:
    shown = [(cells(f"{i}1"), cells(f"{i}2")) for i in range(demonstrations)]
    prompt = grids.prompt_of(shown, cells("91"))
    trace = grids.trace_of(cells("92"))
    marks = grids.taught(prompt, trace)
    assert len(marks) == len(prompt) + len(trace) + 1  # the end of the text
    kept = "".join(
        c for c, m in zip(prompt + trace + "$", marks, strict=True) if m > "0"
    )
    outputs = [grids.trace_of(b)[1:] for _, b in shown[1:]]
    assert kept == "".join(outputs) + trace + "$"


def test_the_corpus_teaches_that() -> None:
    corpus = data.corpus(40_000, seed=0, domains=("grids",))
    assert corpus.taught is not None and corpus.taught.shape == corpus.tokens.shape
    assert len(corpus) > 200
    for i in range(len(corpus)):
        here = slice(corpus.starts[i], corpus.starts[i + 1])
        piece, mask = corpus.tokens[here], corpus.taught[here]
        text = tokenizer.decode(piece[1:-1].tobytes())
        assert piece[0] == tokenizer.BOS and piece[-1] == tokenizer.EOS and mask[-1]
        prompt, line, answer = text.partition("\n")
        outputs = [pair[-WIDTH:] for pair in prompt.split("|")[1:-1]]
        kept = tokenizer.decode(piece[:-1][mask[:-1]].tobytes())
        assert kept == "".join(outputs) + answer and line


def test_batches_take_the_loss_of_that_alone() -> None:
    corpus = data.corpus(5_000, seed=0, domains=("grids",))
    assert corpus.taught is not None
    taught = 0
    for _, _, groups in data.batches(corpus, 2_000):
        for group in groups:
            taught += int((group.targets >= 0).sum())
            kept = [row[row >= 0] for row in group.targets]
            assert all(row[-1] == tokenizer.EOS for row in kept)
            assert {len(row) for row in kept} == {3 * WIDTH + WIDTH + 2}
    assert taught == corpus.taught.sum()


def test_a_corpus_is_kept_with_what_it_teaches(tmp_path) -> None:
    made = data.corpus(3_000, seed=0, domains=("grids",))
    for _ in range(2):
        kept = data.cached_corpus(3_000, seed=0, folder=tmp_path, domains=("grids",))
        assert vars(kept).keys() == vars(made).keys()
        for name, value in vars(made).items():
            np.testing.assert_array_equal(getattr(kept, name), value)


# Where problems are chosen


def test_widgets_offer_grids_to_who_was_trained_on_them() -> None:
    explorer = CoverageExplorer(domain="countdown", rung="380k", picker=False)
    explorer.controls.domain.value = "grids"
    assert list(explorer.controls.model.options) == ladder.names("grids")
    assert list(explorer.controls.level.options) == [1, 2, 3]
    assert explorer.controls.settings().problems()[0].answer is not None
    assert library.names("grids") == ["exact", "noisy"]
    for made in (StrategyRace(domain="chains", level=1), StrategyLab().controls):
        made.domain.value = "grids"
        assert list(made.policy.options) == [*ladder.names("grids"), OTHER]
        assert list(made.verifier.options) == ["exact", "noisy", OTHER]
        made.domain.value = "countdown"
        assert list(made.policy.options) == [*ladder.names(), OTHER]


def test_a_task_of_ones_own_comes_with_its_answer() -> None:
    controls = StrategyLab().controls
    controls.domain.value = "grids"
    controls.typed.value = f"{PAIR}|{PAIR}"
    assert controls.settings().problem() == grids.problem(f"{PAIR}|{PAIR}")
    controls.typed.value = f"{PAIR}|{ROW}>"
    assert "is no grid task with its answer" in controls.example.value
