"""Adapters: what they change, what they never touch, what they cost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from grid_tasks import pairs_of

from tts_lab import ladder
from tts_lab.ladder.model_folder import Model, read
from tts_lab.ladder.rungs import VOCABULARY_SIZE, Rung
from tts_lab.problems import grids
from tts_lab.ttt.examples import Examples, training_set

if TYPE_CHECKING:
    from tts_lab.ttt.adapt import Adapted, Base, Recipe

pytestmark = pytest.mark.hf

TINY = Rung("tiny", 64, 2, 90, 0.02, (3000,), ("grids",))


@pytest.fixture(scope="module")
def torch() -> Any:
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def tiny(torch: Any, tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of random weights, by way of its folder."""
    from tts_lab.ladder import checkpoint
    from tts_lab.ladder.model import Llama

    path = tmp_path_factory.mktemp("models") / "tiny"
    torch.manual_seed(0)
    checkpoint.save(Llama(TINY, VOCABULARY_SIZE), TINY, path)
    return read(path)


@pytest.fixture
def base(tiny: Model) -> Base:
    from tts_lab.ttt.adapt import Base

    return Base(tiny)


def examples(family: str = "move", number: int = 0, size: int = 16) -> Examples:
    problem = grids.of_family(family, number + 1, seed=0)[number]
    return training_set(pairs_of(problem)[:-1], size=size, seed=number)


def recipe(**options: Any) -> Recipe:
    from tts_lab.ttt.adapt import Recipe

    return Recipe(**{"rank": 4, "alpha": 8.0, "epochs": 2, "batch": 4} | options)


def weights_of(base: Base) -> str:
    """A digest of every weight's bytes, of the engine's copy and of torch's."""
    digest = sha256()
    for name, weight in sorted(base.model.weights.items()):
        digest.update(name.encode() + weight.tobytes())
    for name, tensor in sorted(base.network.state_dict().items()):
        digest.update(name.encode() + tensor.numpy().tobytes())
    return digest.hexdigest()


def bytes_of(model: Model) -> dict[str, bytes]:
    return {name: weight.tobytes() for name, weight in model.weights.items()}


def unhooked(base: Base) -> bool:
    return not any(module._forward_hooks for module in base.network.modules())


# What an adapter changes


def test_an_untrained_adapter_changes_nothing(torch: Any, base: Base) -> None:
    from tts_lab.ttt.adapt import merged

    tokens = torch.from_numpy(examples().inputs)
    adapter = base.adapter(recipe(), seed=1)
    with torch.no_grad():
        plain = base.network(tokens)
        with adapter.attached():
            assert torch.equal(base.network(tokens), plain)
    assert bytes_of(merged(base.model, adapter)) == bytes_of(base.model)


def test_merged_weights_are_the_adapted_forward_pass(torch: Any, base: Base) -> None:
    from tts_lab.ttt.adapt import Base, merged

    tokens = torch.from_numpy(examples().inputs)
    adapter = base.adapter(recipe(), seed=1)
    adapted = base.adapt(examples(), recipe(), seed=1, start=adapter)
    assert bytes_of(merged(base.model, adapter)) == bytes_of(adapted.model)
    with torch.no_grad():
        plain = base.network(tokens)
        with adapter.attached():
            hooked = base.network(tokens)
        found = Base(adapted.model).network(tokens)
    assert torch.allclose(found, hooked, atol=1e-4)
    assert not torch.allclose(found, plain, atol=1e-2)


def test_only_targets_change(base: Base) -> None:
    adapted = base.adapt(examples(), recipe(targets=("q_proj", "down_proj")))
    changed = {
        name
        for name, weight in adapted.model.weights.items()
        if (weight != base.model.weights[name]).any()
    }
    assert {name.split(".")[-2] for name in changed} == {"q_proj", "down_proj"}
    assert len(changed) == 2 * TINY.layers
    change = adapted.model.weights[min(changed)] - base.model.weights[min(changed)]
    assert np.linalg.matrix_rank(change, tol=1e-5) <= 4


def test_an_adapted_model_is_another(base: Base) -> None:
    one = base.adapt(examples(), recipe(), seed=0).model
    other = base.adapt(examples(), recipe(), seed=1).model
    assert len({m.fingerprint for m in (base.model, one, other)}) == 3
    assert one.name == "tiny adapted"


def test_the_same_seed_gives_the_same_adapter(base: Base) -> None:
    def trained(seed: int) -> Adapted:
        return base.adapt(examples(), recipe(), seed=seed)

    one, same, other = trained(3), trained(3), trained(4)
    assert one.losses == same.losses != other.losses
    assert bytes_of(one.model) == bytes_of(same.model) != bytes_of(other.model)
    assert one.model.fingerprint == same.model.fingerprint


def test_adaptations_at_the_same_time_do_not_meet(base: Base) -> None:
    def adapt(number: int) -> None:
        found[number] = base.adapt(examples(number=number), recipe(), seed=number)

    found: dict[int, Adapted] = {}
    for number in range(3):
        adapt(number)
    alone = {number: bytes_of(one.model) for number, one in found.items()}
    threads = [Thread(target=adapt, args=(number,)) for number in alone]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: bytes_of(one.model) for number, one in found.items()} == alone


# What it never touches


def finished(base: Base) -> None:
    assert base.adapt(examples(), recipe()).complete


def cancelled(base: Base) -> None:
    cancel = Event()
    found = base.adapt(
        examples(), recipe(), cancel=cancel,
        on_step=lambda step: cancel.set() if step.number == 3 else None,
    )  # fmt: skip
    assert not found.complete and len(found.losses) == 3
    assert bytes_of(found.model) != bytes_of(base.model)


def cancelled_before(base: Base) -> None:
    cancel = Event()
    cancel.set()
    found = base.adapt(examples(), recipe(), cancel=cancel)
    assert not found.complete and found.tokens == 0 == found.flops
    assert bytes_of(found.model) == bytes_of(base.model)


def crashed(base: Base) -> None:
    def crash(step: Any) -> None:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        base.adapt(examples(), recipe(), on_step=crash)


def stopped_iterating(base: Base) -> None:
    def stop(step: Any) -> None:
        raise StopIteration

    with pytest.raises(StopIteration):
        base.adapt(examples(), recipe(), on_step=stop)


def crashed_within(base: Base) -> None:
    """In the forward pass itself, while the adapter hangs on the network."""
    some = examples()
    some.inputs[-1, 3] = VOCABULARY_SIZE
    with pytest.raises(IndexError):
        base.adapt(some, recipe())


@pytest.mark.parametrize(
    "adapt",
    [finished, cancelled, cancelled_before, crashed, stopped_iterating, crashed_within],
)
def test_the_base_is_what_it_was_bit_for_bit(
    torch: Any, base: Base, adapt: Callable[[Base], None]
) -> None:
    before = weights_of(base)
    tokens = torch.from_numpy(examples().inputs)
    with torch.no_grad():
        logits = base.network(tokens)
    adapt(base)
    assert weights_of(base) == before
    assert unhooked(base)
    assert all(p.grad is None for p in base.network.parameters())
    with torch.no_grad():
        assert torch.equal(base.network(tokens), logits)
    finished(base)  # and can be adapted again


# What it does, and costs


def test_the_loss_falls_on_a_real_task() -> None:
    pytest.importorskip("torch")
    from tts_lab.ttt.adapt import Base

    base = Base(read(ladder.path("grids-812k")))
    before = weights_of(base)
    found = base.adapt(examples("rotate", size=32), recipe(rank=16, alpha=32.0))
    assert len(found.losses) == 16
    assert np.mean(found.losses[-4:]) < 0.7 * np.mean(found.losses[:4])
    assert weights_of(base) == before


def test_tokens_are_those_of_the_examples_once_an_epoch(base: Base) -> None:
    problem = grids.of_family("move", 1, seed=0)[0]
    shown = pairs_of(problem)[:-1]
    some = training_set(shown, size=10, seed=0)
    # three demonstrations of 34, the row with its two signs, the answer, both ends
    assert some.lengths.tolist() == [3 * 34 + 18 + 17 + 2] * 10
    steps: list[Any] = []
    found = base.adapt(some, recipe(epochs=3), on_step=steps.append)
    assert found.tokens == 3 * some.tokens == sum(step.tokens for step in steps)
    assert found.flops == 6.0 * base.model.parameters * found.tokens
    assert [step.number for step in steps] == list(range(1, 9))
    assert {step.of for step in steps} == {8}  # 30 examples in batches of four
    assert tuple(step.loss for step in steps) == found.losses


def test_padding_costs_nothing(base: Base) -> None:
    short = examples(size=4)
    wide = replace(
        short,
        inputs=np.pad(short.inputs, ((0, 0), (0, 40))),
        targets=np.pad(short.targets, ((0, 0), (0, 40)), constant_values=-1),
    )
    one, other = (base.adapt(some, recipe()) for some in (short, wide))
    assert one.tokens == other.tokens
    assert np.allclose(one.losses, other.losses, atol=1e-4)


# What is refused


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"theta": 5e5}, r"'tiny' has theta 500000\.0; accepted is .*10000\.0"),
        ({"epsilon": 1e-6}, "'tiny' has epsilon 1e-06"),
        ({"heads": 4}, "'tiny' has head_dim 16; accepted is the ladder's 32"),
    ],
)
def test_models_of_other_shapes(
    tiny: Model, changes: dict[str, Any], message: str
) -> None:
    pytest.importorskip("torch")
    from tts_lab.ttt.adapt import Base

    with pytest.raises(ValueError, match=message):
        Base(replace(tiny, **changes))
    head = {"lm_head.weight": tiny.head}
    with pytest.raises(ValueError, match="a head of its own"):
        Base(replace(tiny, weights=tiny.weights | head))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rank": 0}, "rank=0; accepted is 1 or more"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch": -1}, "batch=-1"),
        ({"learning_rate": 0.0}, r"learning_rate=0\.0; accepted is above 0"),
        ({"alpha": float("nan")}, "alpha=nan"),
    ],
)
def test_recipes_that_are_none(options: dict[str, Any], message: str) -> None:
    pytest.importorskip("torch")
    with pytest.raises(ValueError, match=message):
        recipe(**options)


def test_adapters_that_are_none(torch: Any, base: Base) -> None:
    from tts_lab.ttt.lora import Adapter

    with pytest.raises(ValueError, match="rank is 0; accepted is 1 or more"):
        Adapter(base.network, rank=0)
    with pytest.raises(ValueError, match=r"\['head'\]; accepted are \['q_proj'"):
        Adapter(base.network, targets=("head",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no linear layer named"):
        Adapter(torch.nn.Linear(2, 2))
    adapter = base.adapter(recipe())
    assert adapter.size == TINY.layers * 4 * (2 * (64 + 64) + 3 * (64 + 90))
