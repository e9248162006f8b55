"""Widgets that are cancelled, restarted and closed at bad moments."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from sequence_cases import CASES
from tiny_policy import tiny_policy

from tts_lab.proposers.ladder import Ladder
from tts_lab.widgets import ExchangeExplorer

SECONDS = 60
CASES_BY_NAME = {kind.__name__: case for kind, case in CASES.items()}


def until(condition: Any) -> None:
    tick = threading.Event()
    for _ in range(SECONDS * 200):
        if condition():
            return
        tick.wait(0.005)
    raise AssertionError("it did not happen")


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_close_leaves_no_widget_behind(kind: type):
    from ipywidgets.widgets.widget import _instances

    case, before = CASES[kind], set(_instances)
    widget = case.make()
    case.set(widget, case.settings[0])
    case.start(widget)
    widget.close()
    widget.close()  # nothing happens
    assert widget.wait(SECONDS)
    assert set(_instances) == before


def test_close_of_a_widget_without_a_run():
    from ipywidgets.widgets.widget import _instances

    before = set(_instances)
    ExchangeExplorer().close()
    assert set(_instances) == before


def test_two_steps_at_once_are_two_requests():
    lab = CASES_BY_NAME["StrategyLab"].make()
    lab.controls.strategy.value = "beam search"
    lab.controls.step.click()
    lab.controls.step.click()
    until(lambda: lab._started.gate.waiting)
    assert lab._runner.status.active
    two = lab._started.tree.samples
    lab.cancel()
    assert lab.wait(SECONDS)
    lab.controls.step.click()
    until(lambda: lab._started.gate.waiting)
    assert two == 2 * lab._started.tree.samples
    lab.close()
    assert lab.wait(SECONDS)


def test_run_right_after_a_cancel_begins_anew():
    lab = CASES_BY_NAME["StrategyLab"].make()
    lab.step()
    until(lambda: lab._started.gate.waiting)
    lab.cancel()
    lab.run()  # the cancelled one still stands at its gate
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done" and lab.outcome.complete
    lab.close()


def test_a_race_keeps_the_rule_that_it_was_started_with(
    monkeypatch: pytest.MonkeyPatch,
):
    from tts_lab.widgets import race as module

    rules, gate = [], threading.Event()

    def ensure(say: Any) -> None:
        gate.wait(SECONDS)

    real = module.race
    monkeypatch.setattr(module, "ensure", ensure)
    monkeypatch.setattr(
        module, "race", lambda *a, **k: rules.append(k["rule"]) or real(*a, **k)
    )
    widget = CASES_BY_NAME["StrategyRace"].make()
    widget.run()
    widget.rule.value = "majority"
    gate.set()
    assert widget.wait(SECONDS)
    assert rules == ["best-of-n"]
    widget.close()


@pytest.mark.parametrize("name", ["CoverageExplorer", "ThinkingExplorer"])
def test_a_run_that_never_began_shows_nothing_of_the_one_before(name: str):
    case = CASES_BY_NAME[name]
    widget = case.make()
    case.set(widget, case.settings[0])
    case.start(widget)
    assert widget.wait(SECONDS)
    begun, gate = threading.Event(), threading.Event()
    widget._runner.start(lambda task: begun.set() or gate.wait(SECONDS))
    assert begun.wait(SECONDS)
    case.set(widget, case.settings[-1])
    case.start(widget)  # waits for its turn
    widget.cancel()
    gate.set()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "cancelled"
    if name == "CoverageExplorer":
        assert "tts-curve" not in widget.chart.value
        assert widget.squares.value == ""
    else:
        assert widget.thinking is None and widget.attempts == []
        assert "<li" not in widget.thought.value
    widget.close()


def test_the_history_of_curves_does_not_grow():
    case = CASES_BY_NAME["CoverageExplorer"]
    widget = case.make()
    for number in range(12):
        widget.controls.temperature.value = number / 10
        widget.run()
        assert widget.wait(SECONDS)
    assert len(widget._history._runs) <= 4
    widget.controls.compare.value = True
    assert len(widget._curves()) == 4
    widget.close()


def test_a_setting_moved_while_an_answer_is_shown_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
):
    from tts_lab.widgets import allocation_controls as module

    widget = CASES_BY_NAME["AllocationExplorer"].make()
    moved, real = threading.Event(), module.nearest

    def nearest(*args: Any) -> Any:  # where the runner's thread moves the controls
        if not moved.is_set():
            moved.set()
            user = threading.Thread(target=lambda: set_bins(2))
            user.start()
            user.join(0.2)  # it waits for the picture, which waits for this
        return real(*args)

    def set_bins(value: int) -> None:
        widget.controls.bins.value = value

    monkeypatch.setattr(module, "nearest", nearest)
    set_bins(4)
    assert moved.wait(SECONDS)
    until(lambda: widget.settings.bins == 2)
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done"
    widget.close()


def test_a_model_that_is_opened_while_the_picker_closes_is_closed(
    monkeypatch: pytest.MonkeyPatch,
):
    from tts_lab import models
    from tts_lab.widgets import picker as module

    picker = CASES_BY_NAME["ModelPicker"].make()
    assert picker.wait(SECONDS)
    tried, gate, closed = threading.Event(), threading.Event(), []

    class Closable(Ladder):
        def close(self) -> None:
            closed.append(self.name)

    def trial(model: Any, cancel: threading.Event) -> str:
        tried.set()
        gate.wait(SECONDS)
        return "tried"

    model = Closable(tiny_policy())
    monkeypatch.setattr(models, "open_policy", lambda *a, **k: model)
    monkeypatch.setattr(module, "trial", trial)
    picker.load("27k")
    assert tried.wait(SECONDS)
    picker.close()
    gate.set()
    assert picker.wait(SECONDS)
    assert closed == ["tiny"] and picker.loaded == []
