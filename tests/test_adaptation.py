"""Watching test-time training where there is no torch: plans, frames, recorded runs."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tiny_policy import tiny_policy

from tts_lab.problems.transformations import COMPOSITIONS, HELD_OUT
from tts_lab.ttt import record
from tts_lab.ttt.frames import Frame, Guess, Plan, from_json, replay
from tts_lab.ttt.vote import two_stage
from tts_lab.ttt.watch import base
from tts_lab.widgets import Adaptation, adaptation
from tts_lab.widgets.adaptation_controls import families

SECONDS = 60
PIP = 'pip install "tts-lab[train]"'


@pytest.fixture(autouse=True)
def no_thread_and_no_print_is_left(capfd: pytest.CaptureFixture) -> Iterator[None]:
    yield
    deadline = time.monotonic() + 10
    while running() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running() == []
    assert capfd.readouterr() == ("", "")


def running() -> list[str]:
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("tts-lab")]


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adaptation, "PAUSE", 0.001)


def recorded(family: str = "echo", **options) -> Frame:
    """A run of two epochs that ends with the right answer in second place."""
    plan = Plan(family, **{"permutations": 1} | options)
    truth = tuple(map(int, plan.problem().answer))
    off = ((truth[0] + 1) % 10, *truth[1:])
    guesses = (Guess(0, None), Guess(2, off), Guess(plan.steps, truth))
    losses = tuple(2 / (i + 1) for i in range(plan.steps))
    return Frame(
        plan, "tiny", 1000, losses, (100,) * plan.steps, guesses,
        (off, truth, None, off), 700, 68, 2.0, 0.5,
    )  # fmt: skip


def until(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


# Plans and frames


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"family": "fly"}, "family 'fly' is unknown; there are"),
        ({"number": -1}, "number=-1; accepted is 0 to"),
        ({"epochs": 0}, "epochs=0; accepted is 1 to 20"),
        ({"rank": 65}, "rank=65; accepted is 1 to 64"),
        ({"rank": True}, "rank=True"),
        ({"size": 3}, "size=3; accepted is 4 to 1,024"),
        ({"permutations": 33}, "permutations=33; accepted is 0 to 32"),
        ({"learning_rate": 0.0}, "learning_rate=0.0; accepted is more than 0 to 0.1"),
    ],
)
def test_plans_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        Plan(**options)


def test_a_plan_says_what_it_leaves_out():
    assert "without" not in Plan().caption()
    said = Plan(leave_out=False, vote=False).caption()
    assert said.endswith("without leave-one-out, voting")


def test_without_a_vote_there_is_one_side():
    assert len(Plan(vote=False).sides()) == 1
    assert len(Plan(permutations=4).sides()) == 10


def test_a_frame_s_costs_and_verdict():
    frame = recorded()
    assert frame.training_flops == 6 * 1000 * sum(frame.read)
    assert frame.answering_flops == 2 * 1000 * 768
    names = [view.name for view in frame.plan.sides()]
    found = two_stage(list(zip(names, frame.answers, strict=True)))
    assert frame.votes().answers == found and frame.place() == 2
    assert replace(frame, answers=(None,) * 4).place() == 0
    assert replace(frame, answers=()).place() is None


def test_frames_come_back_from_json():
    frame = recorded("sort, slide", number=7, epochs=3, vote=True)
    back = from_json(json.loads(json.dumps(frame.json())))
    assert replace(back, losses=frame.losses) == frame
    assert back.losses == pytest.approx(frame.losses, abs=1e-5)


def test_a_replay_leads_to_the_last_frame():
    last = recorded()
    found = list(replay(last))
    assert found[-1] == last and len(found) == last.plan.steps + 2
    assert found[0].losses == () and len(found[0].guesses) == 1
    for before, after in itertools.pairwise(found):
        assert after.losses[: len(before.losses)] == before.losses
        assert after.guesses[: len(before.guesses)] == before.guesses
    assert not any(frame.complete for frame in found[:-1])
    half = replace(last, answers=())
    assert not any(frame.complete for frame in replay(half))


# What ships


def test_every_unseen_family_is_recorded():
    found = record.shipped()
    assert list(found) == [*HELD_OUT, *COMPOSITIONS]
    for frame in found.values():
        assert len(frame.losses) == len(frame.read) == frame.plan.steps
        assert frame.guesses[0].step == 0
        assert frame.guesses[-1].step == frame.plan.steps
        assert len(frame.answers) == len(frame.plan.sides())
        assert frame.policy == "grids-812k" and frame.parameters > 800_000


def test_frames_are_saved_and_read(tmp_path):
    path = tmp_path / "frames.json"
    record.save([recorded("echo"), recorded("lead")], path)
    assert list(record.shipped(path)) == ["echo", "lead"]
    assert path.read_text().count("\n") == 4


@pytest.mark.usefixtures("no_torch")
def test_training_without_torch_says_what_to_install():
    with pytest.raises(ImportError, match="needs torch") as caught:
        base(tiny_policy())
    assert PIP in str(caught.value)
    with pytest.raises(ImportError, match="needs torch"):
        record.record(tiny_policy(), [Plan()])


# The widget


def test_the_widget_runs_in_a_python_without_torch():
    code = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "peft"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from importlib import util
found = util.find_spec
def find(name, package=None):
    return None if name == "torch" else found(name, package)
util.find_spec = find
from tts_lab.widgets import Adaptation, adaptation
adaptation.PAUSE = 0.001
widget = Adaptation()
widget.run()
assert widget.wait(60) and widget.status.phase == "done", widget.status
assert widget.frame.complete
assert 'pip install "tts-lab[train]"' in widget.text()
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)


@pytest.mark.usefixtures("no_torch", "quick")
def test_without_torch_the_recorded_run_is_played():
    widget = Adaptation(family="echo")
    assert "torch is not installed" in widget.source.value
    assert "Recorded run of grids-812k" in widget.source.value
    assert "<code>pip install" in widget.source.value
    assert widget.controls.run.description == "Play"
    fixed = [widget.controls.number, widget.controls.epochs, widget.controls.rate,
             widget.controls.rank, *widget.controls.switches.values()]  # fmt: skip
    assert all(control.disabled for control in fixed)
    offered = [family for _, family in widget.controls.family.options]
    assert offered == list(record.shipped())
    widget.controls.run.click()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done", widget.status.message
    assert widget.frame == record.shipped()["echo"]
    assert "recorded steps played. pass@2" in widget.status_line.value
    assert PIP in widget.text()


@pytest.mark.usefixtures("quick")
def test_a_recorded_run_is_drawn_frame_by_frame(monkeypatch):
    last = recorded()
    widget = Adaptation(family="echo", recorded={"echo": last})
    drawn: list[Frame] = []
    draw = widget._draw
    monkeypatch.setattr(widget, "_draw", lambda f: (drawn.append(f), draw(f)))
    monkeypatch.setattr(adaptation, "PAUSE", 0.15)
    widget.run()
    assert widget.wait(SECONDS)
    steps = [len(frame.losses) for frame in drawn]
    assert steps == sorted(steps) and len(set(steps)) > 8
    assert drawn[-1] == last
    assert "<td>2nd</td>" in widget.votes.value
    assert "pass@2: solved, by the second answer." in widget.text()
    assert "no row" in widget.guesses.value
    assert widget.controls.progress.value == 1
    assert widget.controls.run.description == "Play"


def test_cancel_stops_a_recorded_run():
    widget = Adaptation(family="echo", recorded={"echo": recorded()})
    widget.run()
    until(lambda: len(widget.frame.losses) >= 2)
    widget.controls.cancel.click()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "cancelled"
    assert 2 <= len(widget.frame.losses) < widget.frame.plan.steps
    assert "Cancelled after" in widget.status_line.value
    assert widget.votes.value == ""
    assert widget.controls.cancel.disabled


def test_a_second_run_cancels_the_first(monkeypatch):
    both = {name: recorded(name) for name in ("echo", "lead")}
    widget = Adaptation(family="echo", recorded=both)
    widget.run()
    until(lambda: len(widget.frame.losses) >= 1)
    monkeypatch.setattr(adaptation, "PAUSE", 0.001)
    widget.controls.family.value = "lead"
    assert widget.frame.plan.family == "echo"  # what runs stays in the picture
    widget.run()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done"
    assert widget.frame == both["lead"]
    assert "lead" in widget.text().split("\n")[0]


def test_choosing_another_task_shows_it_at_once():
    widget = Adaptation(family="echo", recorded=False)
    before = widget.task.value
    widget.controls.number.value = 5
    after = widget.task.value
    assert after != before and "demonstration 4" in after
    widget.controls.family.value = "move"
    assert widget.task.value != after
    widget.controls.switches["leave_out"].value = False
    assert "demonstration 1 alone" in widget.pieces.value
    assert "Ready. Press Run" in widget.status_line.value


def test_families_are_grouped():
    names = [name for name, _ in families()]
    groups = [name.partition(":")[0] for name in names]
    assert list(dict.fromkeys(groups)) == ["seen", "held out", "composition"]
    assert groups == sorted(groups, key=["seen", "held out", "composition"].index)
    assert len(names) == 30


def test_recorded_settings_stand_as_they_were_recorded():
    widget = Adaptation(
        family="echo",
        recorded={"echo": recorded(number=9, epochs=5, learning_rate=3e-3, rank=5)},
    )
    controls = widget.controls
    assert (controls.number.value, controls.epochs.value) == (9, 5)
    assert (controls.rate.value, controls.rank.value) == (3e-3, 5)


def test_before_a_run():
    widget = Adaptation(family="echo", recorded={"echo": recorded()})
    assert repr(widget) == "<Adaptation: idle>"
    assert "Ready. Press Play" in widget.text()
    assert widget.guesses.value.count("listitem") == 1  # the right answer
    assert widget.votes.value == ""
    bundle = widget._repr_mimebundle_()
    assert bundle["text/plain"] == widget.text()


def test_a_family_that_is_not_recorded_is_refused():
    with pytest.raises(ValueError, match="family 'move' is not recorded") as caught:
        Adaptation(family="move", recorded=True)
    assert PIP in str(caught.value)


def test_an_unknown_policy_is_refused():
    with pytest.raises(ValueError, match="'grids-1' is neither a rung nor a folder"):
        Adaptation(policy="grids-1", recorded=False)


def test_model_names_are_escaped():
    frame = replace(recorded(), policy="<b>bold</b>")
    widget = Adaptation(family="echo", recorded={"echo": frame})
    assert "<b>bold" not in widget.source.value
