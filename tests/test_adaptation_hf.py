"""Watching test-time training live: the frames, Cancel, and the base that stays."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Iterator
from dataclasses import fields

import numpy as np
import pytest
from tiny_policy import tiny_policy

from tts_lab.ladder import compiled
from tts_lab.problems import grids
from tts_lab.ttt import record
from tts_lab.ttt.examples import training_set
from tts_lab.ttt.frames import BATCH, Plan
from tts_lab.ttt.predict import predict
from tts_lab.ttt.watch import base, watch
from tts_lab.widgets import Adaptation

pytestmark = pytest.mark.hf
torch = pytest.importorskip("torch")

SECONDS = 120
SMALL = Plan("echo", 2, size=16, permutations=1)
LONG = Plan("echo", 2, size=256, epochs=20)


@pytest.fixture(autouse=True, scope="module")
def engine() -> None:
    compiled.ensure(lambda words: None)


@pytest.fixture(autouse=True)
def no_thread_and_no_print_is_left(capfd: pytest.CaptureFixture) -> Iterator[None]:
    yield
    until(lambda: not [thread for thread in threading.enumerate()
                       if thread.name.startswith("tts-lab")])  # fmt: skip
    assert capfd.readouterr() == ("", "")


def until(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def untouched(one) -> bool:
    """Whether a base's weights are those of a fresh policy, and nothing hangs on it."""
    fresh = tiny_policy().weights
    state = one.network.state_dict()
    same = all(
        np.array_equal(one.model.weights[name], weight)
        and np.array_equal(state[name].numpy(), weight)
        for name, weight in fresh.items()
        if name in state
    )
    hooks = sum(len(layer._forward_hooks) for layer in one.network.modules())
    return same and set(one.model.weights) == set(fresh) and hooks == 0


def test_a_plan_stands_where_a_recipe_does():
    from tts_lab.ttt.adapt import Recipe

    plan, recipe = Plan(), Recipe()
    shared = {one.name for one in fields(plan)} & {one.name for one in fields(recipe)}
    assert shared == {"epochs", "learning_rate", "rank"}
    assert all(getattr(plan, name) == getattr(recipe, name) for name in shared)
    assert (recipe.batch, recipe.alpha) == (BATCH, 2 * recipe.rank)


@pytest.mark.parametrize(
    "options",
    [{}, {"leave_out": False, "transformations": False}, {"demonstration_loss": False},
     {"vote": False, "rank": 2, "learning_rate": 1e-2}],
    ids=str,
)  # fmt: skip
def test_the_last_frame_is_what_adapt_and_predict_make_of_the_plan(options):
    from tts_lab.ttt.adapt import Recipe

    plan = Plan(**{"family": "echo", "number": 2, "size": 16, "permutations": 1}
                | options)  # fmt: skip
    one = base(tiny_policy())
    *_, last = watch(one, plan)
    problem = plan.problem()
    demonstrations, _ = grids.parse(problem.prompt)
    examples = training_set(
        demonstrations, size=16, leave_out=plan.leave_out,
        transformations=plan.transformations,
        demonstration_loss=plan.demonstration_loss, seed=2,
    )  # fmt: skip
    recipe = Recipe(rank=plan.rank, alpha=2 * plan.rank,
                    learning_rate=plan.learning_rate, epochs=2)  # fmt: skip
    adapted = one.adapt(examples, recipe, seed=2)
    found = predict(adapted.model, problem, plan.sides())
    assert last.losses == adapted.losses and len(last.losses) == plan.steps == 4
    assert sum(last.read) == adapted.tokens
    assert last.training_flops == adapted.flops
    assert last.answers == tuple(row for _, row in found.seen)
    assert (last.prompt_tokens, last.generated_tokens) == (
        found.prompt_tokens, found.generated_tokens,
    )  # fmt: skip
    assert last.votes().answers == list(found.answers)
    assert untouched(one)


def test_guesses_come_every_few_steps():
    plan = Plan("echo", 2, size=96, epochs=2)
    *_, last = watch(base(tiny_policy()), plan)
    assert plan.every == 3
    assert [g.step for g in last.guesses] == [0, *range(3, 25, 3)]
    from tts_lab.ttt.views import IDENTITY

    alone = predict(tiny_policy(), plan.problem(), [IDENTITY])
    assert last.guesses[0].row == alone.seen[0][1]
    assert last.guesses[-1].row == last.answers[0]  # the first side is the identity


def test_a_cancel_ends_within_a_step():
    one, cancel = base(tiny_policy()), threading.Event()
    steps = []
    for frame in watch(one, LONG, cancel=cancel):
        steps.append(len(frame.losses))
        if steps[-1] == 3:
            cancel.set()
    assert steps == [0, 0, 1, 2, 3]
    assert not frame.complete and untouched(one)


def test_whoever_looks_away_leaves_nothing_behind():
    one = base(tiny_policy())
    frames = watch(one, LONG)
    while not next(frames).losses:
        pass
    assert untouched(one)  # while it waits
    frames.close()
    assert untouched(one)


def test_a_crash_between_steps_leaves_the_base():
    one = base(tiny_policy())

    def crash(step):
        raise RuntimeError("on purpose")

    demonstrations, _ = grids.parse(LONG.problem().prompt)
    with pytest.raises(RuntimeError, match="on purpose"):
        one.adapt(training_set(demonstrations, size=16), on_step=crash)
    assert untouched(one)


def test_record_is_watch_s_last_frame(tmp_path):
    seen = []
    frames = record.record(tiny_policy(), [SMALL], on_frame=seen.append)
    assert frames == seen and frames[0].complete
    record.save(frames, tmp_path / "one.json")
    [back] = record.shipped(tmp_path / "one.json").values()
    assert back.answers == frames[0].answers and back.plan == SMALL


def test_the_command_records(tmp_path, monkeypatch, capfd):
    asked = []

    def tiny(policy):
        asked.append(policy)
        return base(tiny_policy())

    monkeypatch.setattr(record, "PLANS", (SMALL,))
    monkeypatch.setattr(record, "base", tiny)
    record.main(["--policy", "some folder", "--out", str(tmp_path / "all.json")])
    assert asked == ["some folder"]
    assert "echo, task 2" in capfd.readouterr().out
    assert list(record.shipped(tmp_path / "all.json")) == ["echo"]


# The widget


def test_run_trains_and_draws():
    policy = tiny_policy()
    widget = Adaptation(policy=policy, family="echo", number=2, size=16, epochs=6)
    widget.controls.run.click()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done", widget.status.message
    frame = widget.frame
    assert frame.complete and frame.policy == "tiny"
    assert len(frame.losses) == frame.plan.steps == 12
    assert frame.losses[-1] < frame.losses[0]
    assert "Done in" in widget.status_line.value
    assert widget.source.value == ""
    assert "at step 12 of 12" in widget.loss.value
    assert "step 12" in widget.guesses.value and "untrained" in widget.guesses.value
    assert "pass@2" in widget.votes.value
    assert f"{sum(frame.read):,}" in widget.tiles.value
    assert untouched(widget._base)


def test_cancel_leaves_the_base_and_the_frames():
    widget = Adaptation(policy=tiny_policy(), size=256, epochs=20, number=2)
    widget.run()
    until(lambda: len(widget.frame.losses) >= 3)
    widget.controls.cancel.click()
    at = len(widget.frame.losses)
    assert widget.wait(SECONDS)
    assert widget.status.phase == "cancelled"
    assert at <= len(widget.frame.losses) <= at + 2 < widget.frame.plan.steps
    assert not widget.frame.complete and widget.votes.value == ""
    assert "the policy is what it was" in widget.status_line.value
    assert untouched(widget._base)


def test_the_second_run_wins():
    widget = Adaptation(policy=tiny_policy(), size=256, epochs=20)
    widget.run()
    until(lambda: widget.frame.losses)
    widget.controls.family.value = "move"
    widget.controls.epochs.value = 1
    widget.run()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done", widget.status.message
    assert widget.frame.plan.family == "move" and widget.frame.complete
    assert len(widget.frame.losses) == 32
    assert untouched(widget._base)


def test_a_policy_that_cannot_be_read_is_told(tmp_path):
    widget = Adaptation(policy=tmp_path, recorded=False)
    widget.run()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "failed"
    assert "config.json" in widget.status_line.value
    assert widget.frame.losses == ()


def test_runs_are_repeated_exactly():
    widget = Adaptation(policy=tiny_policy(), size=16, number=4)
    found = []
    for _ in range(2):
        widget.run()
        assert widget.wait(SECONDS)
        found.append(copy.copy(widget.frame))
    assert found[0].losses == found[1].losses
    assert found[0].guesses == found[1].guesses
    assert found[0].answers == found[1].answers
