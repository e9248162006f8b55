"""Answering from several sides, and the ablation's variants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from threading import Event
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from grid_tasks import pairs_of

from tts_lab import ladder, problems
from tts_lab.ladder.model_folder import Model, read
from tts_lab.ladder.rungs import VOCABULARY_SIZE, Rung
from tts_lab.ladder.tokenizer import decode
from tts_lab.problems import grids
from tts_lab.proposers import Size
from tts_lab.traces import Problem
from tts_lab.ttt.examples import Examples
from tts_lab.ttt.predict import Prediction, predict
from tts_lab.ttt.views import IDENTITY, View, views

if TYPE_CHECKING:
    from tts_lab.ttt.ablate import Outcome
    from tts_lab.ttt.adapt import Base

TINY = Rung("tiny", 64, 2, 90, 0.02, (3000,), ("grids",))
SOME = grids.of_family("rotate", 3, seed=4)


# Answering


def test_answers_from_all_sides_are_turned_back() -> None:
    """The shipped policy solves most seen tasks from each side it looks from."""
    model = read(ladder.path("grids-812k"))
    sides = views(4, permutations=2, seed=1)
    right, first = np.zeros(len(sides)), 0
    some = problems.evaluation_set("grids", 1, 30)
    for problem in some:
        found = predict(model, problem, sides)
        truth = tuple(map(int, problem.answer or ""))
        assert [view for view, _ in found.seen] == sides
        right += [row == truth for _, row in found.seen]
        first += found.right(problem, within=1)
        assert found.right(problem) or not found.right(problem, within=1)
        assert found.prompt_tokens == len(sides) * (len(problem.prompt) + 1)
        assert 0 < found.generated_tokens <= len(sides) * 18
    assert right[0] > 24 and right.min() > 12 and first > 20


def test_the_identity_alone_answers_what_is_written() -> None:
    model = read(ladder.path("grids-812k"))
    problem = problems.evaluation_set("grids", 1, 1)[0]
    [(view, row)] = predict(model, problem, [IDENTITY]).seen
    assert view == IDENTITY and row == tuple(map(int, problem.answer or ""))
    with pytest.raises(ValueError, match="views is empty"):
        predict(model, problem, [])
    with pytest.raises(ValueError, match="'47\\+38' is no grid task"):
        predict(model, Problem("chains", "47+38"), [IDENTITY])


# The ablation


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Model:
    torch = pytest.importorskip("torch")
    from tts_lab.ladder import checkpoint
    from tts_lab.ladder.model import Llama

    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    checkpoint.save(Llama(TINY, VOCABULARY_SIZE), TINY, path)
    return read(path)


@dataclass
class Record:
    """What a variant trained on, and what answered from which sides."""

    trained: list[Examples] = field(default_factory=list)
    answered: list[tuple[str, list[View]]] = field(default_factory=list)

    def texts(self) -> list[list[str]]:
        return [
            [
                decode(row[1 : length - 1].astype(np.uint8).tobytes())
                for row, length in zip(one.inputs, one.lengths, strict=True)
            ]
            for one in self.trained
        ]


@pytest.fixture
def record(monkeypatch: pytest.MonkeyPatch) -> Record:
    pytest.importorskip("torch")
    from tts_lab.ttt import ablate, adapt

    found = Record()
    real = adapt.Base.adapt

    def watched(self: Base, examples: Examples, *args: Any, **options: Any) -> Any:
        found.trained.append(examples)
        return real(self, examples, *args, **options)

    def answering(
        model: Model, problem: Problem, views: Sequence[View], **options: Any
    ) -> Prediction:
        found.answered.append((model.fingerprint, list(views)))
        return predict(model, problem, views, **options)

    monkeypatch.setattr(adapt.Base, "adapt", watched)
    monkeypatch.setattr(ablate, "predict", answering)
    return found


def measured(tiny: Model, name: str, **options: Any) -> Outcome:
    from tts_lab.ttt.ablate import VARIANTS, measure
    from tts_lab.ttt.adapt import Base, Recipe

    recipe = Recipe(rank=2, alpha=4.0, epochs=1, batch=6)
    return measure(
        Base(tiny), SOME, VARIANTS[name], recipe=recipe, size=12, permutations=1,
        **options,
    )  # fmt: skip


def rows_of(problem: Problem) -> set[str]:
    return {"".join(map(str, row)) for pair in pairs_of(problem) for row in pair}


def rows_in(text: str) -> set[str]:
    return set(text.replace("#", "").replace("\n", "").replace("|", ">").split(">"))


@pytest.mark.hf
def test_the_variants_are_the_papers() -> None:
    pytest.importorskip("torch")
    from tts_lab.ttt.ablate import FULL, VARIANTS

    assert next(iter(VARIANTS)) == "full" and VARIANTS["full"] is FULL
    assert {name: one.name for name, one in VARIANTS.items()} == {
        n: n for n in VARIANTS
    }
    assert len(set(VARIANTS.values())) == len(VARIANTS) == 8


@pytest.mark.hf
def test_the_whole(tiny: Model, record: Record) -> None:
    done: list[int] = []
    outcome = measured(tiny, "full", on_problem=done.append)
    assert done == [1, 2, 3] and len(record.trained) == 3
    for texts, problem in zip(record.texts(), SOME, strict=True):
        assert len(texts) == 12 and all(text.count("|") == 3 for text in texts)
        assert any(not rows_in(text) <= rows_of(problem) for text in texts)
    assert len({model for model, _ in record.answered} | {tiny.fingerprint}) == 4
    for _, sides in record.answered:
        assert [side.name for side in sides] == ["identity"] * 2 + ["reverse"] * 2
    books = outcome.ledgers
    assert [book.training_tokens for book in books] == [
        one.tokens for one in record.trained
    ]
    size = Size(tiny.parameters, tiny.layers, tiny.hidden)
    for book in books:
        answering = replace(book, training_tokens=0)
        assert book.flops_brown(size) - answering.flops_brown(size) == (
            6 * tiny.parameters * book.training_tokens
        )
        assert book.prompt_tokens == 4 * 155 and book.calls == 4
        assert book.seconds > 0


@pytest.mark.hf
def test_no_transformations(tiny: Model, record: Record) -> None:
    measured(tiny, "no transformations")
    for texts, problem in zip(record.texts(), SOME, strict=True):
        assert all(text.count("|") == 3 for text in texts)
        assert all(rows_in(text) <= rows_of(problem) for text in texts)
    assert all(len(sides) == 4 for _, sides in record.answered)


@pytest.mark.hf
def test_direct_input_and_output(tiny: Model, record: Record) -> None:
    measured(tiny, "direct input and output")
    assert all(text.count(">") == 1 for texts in record.texts() for text in texts)
    assert all(len(sides) == 4 for _, sides in record.answered)


@pytest.mark.hf
def test_shared_adapter(tiny: Model, record: Record) -> None:
    outcome = measured(tiny, "shared adapter")
    [trained] = record.trained
    assert len(trained) == 12 * 3
    [model] = {model for model, _ in record.answered}
    assert model != tiny.fingerprint
    assert {book.training_tokens for book in outcome.ledgers} == {trained.tokens // 3}


@pytest.mark.hf
def test_no_demonstration_loss(tiny: Model, record: Record) -> None:
    measured(tiny, "no demonstration loss")
    assert all((one.targets >= 0).sum() == 12 * 18 for one in record.trained)
    assert all(text.count("|") == 3 for texts in record.texts() for text in texts)
    record.trained.clear()
    measured(tiny, "full")
    assert all((one.targets >= 0).sum() == 12 * 50 for one in record.trained)


@pytest.mark.hf
def test_no_voting(tiny: Model, record: Record) -> None:
    outcome = measured(tiny, "no voting")
    assert len(record.trained) == 3
    assert [sides for _, sides in record.answered] == [[IDENTITY]] * 3
    assert (outcome.first == outcome.second).all()


@pytest.mark.hf
@pytest.mark.parametrize(
    ("name", "sides"), [("no adapting, voting", 4), ("no adapting", 1)]
)
def test_no_adapting(tiny: Model, record: Record, name: str, sides: int) -> None:
    outcome = measured(tiny, name)
    assert not record.trained
    assert not any(book.training_tokens for book in outcome.ledgers)
    assert [model for model, _ in record.answered] == [tiny.fingerprint] * 3
    assert {len(some) for _, some in record.answered} == {sides}


@pytest.mark.hf
def test_the_same_seed_measures_the_same(tiny: Model) -> None:
    one, same = (measured(tiny, "full", seed=7) for _ in range(2))
    for name in ("first", "second"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    books = [[replace(book, seconds=0.0) for book in made.ledgers]
             for made in (one, same)]  # fmt: skip
    assert books[0] == books[1]


class After(Event):
    """An event that sets itself when it has been asked so often."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.left = times

    def is_set(self) -> bool:
        self.left -= 1
        if self.left < 0:
            self.set()
        return super().is_set()


@pytest.mark.hf
@pytest.mark.parametrize("name", ["full", "shared adapter"])
def test_a_cancelled_problem_is_not_measured(
    tiny: Model, record: Record, name: str
) -> None:
    """One that is cancelled in its training has no outcome, those before it have."""
    steps = {"full": 2, "shared adapter": 6}[name]
    problems = {"full": 1, "shared adapter": 0}[name]
    cancel = After(steps + 2 if problems else steps - 1)
    outcome = measured(tiny, name, cancel=cancel)
    assert len(outcome.first) == len(record.answered) == problems
    assert len(outcome.ledgers) == problems


@pytest.mark.hf
def test_cancelled_between_problems(tiny: Model) -> None:
    cancel = Event()
    outcome = measured(
        tiny, "no adapting", cancel=cancel, on_problem=lambda done: cancel.set()
    )
    assert len(outcome.first) == 1


@pytest.mark.hf
def test_problems_that_cannot_be_measured(tiny: Model) -> None:
    from tts_lab.ttt.ablate import measure
    from tts_lab.ttt.adapt import Base

    with pytest.raises(ValueError, match="problems is empty"):
        measure(Base(tiny), [])
    with pytest.raises(ValueError, match="is no grid task"):
        measure(Base(tiny), [Problem("chains", "47+38\n")])
