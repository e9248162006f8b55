"""Races: what is counted and judged, and the widget that shows them."""

from __future__ import annotations

import re
import time
from threading import Event
from xml.etree import ElementTree

import pytest

from tts_lab import problems
from tts_lab.proposers.scripted import Scripted
from tts_lab.race import chooser, finished, race
from tts_lab.strategies import beam_search, repeated_sampling
from tts_lab.traces import Problem, Trace
from tts_lab.verifiers.exact import Exact
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier
from tts_lab.widgets import StrategyRace

SECONDS = 60
PROBLEMS = problems.evaluation_set("chains", 1, 8)


def script(prompt: str, text: str, row: int, stream: int) -> str:
    """Row 2 and every fourth after it is right."""
    solved = problems.domain("chains").solution(prompt.strip())
    whole = solved if row % 4 == 2 else "1+1=3\n#3"
    return whole[len(text) :] if whole.startswith(text) else "#3"


def raced(**options):
    whole = {
        "strategies": {"best-of-n": repeated_sampling},
        "problems": PROBLEMS,
        "proposer": Scripted(script),
        "verifier": Exact(),
        "n": [1, 4],
    } | options
    return race(whole.pop("strategies"), whole.pop("problems"), **whole)


def test_points_count_and_judge():
    one, four = raced()
    assert (one.accuracy(), four.accuracy()) == ((0, 0, 0), (1, 1, 1))
    assert (one.samples, four.samples) == (8, 32)
    assert (one.cost("samples"), four.cost("samples")) == (1, 4)
    assert four.done and len(four.right) == 8
    # three wrong traces of nine tokens, and the right one with its end of text
    right = [len(problems.domain("chains").solution(p.prompt)) + 1 for p in PROBLEMS]
    assert four.tokens == 8 * 3 * 9 + sum(right)
    assert four.cost("tokens") == four.tokens / 8  # the checker reads nothing
    assert four.cost("flops") == 2 * 1000 * four.tokens / 8


def test_the_verifier_s_reading_is_in_the_cost():
    verifier = ScriptedVerifier(lambda trace: 0.5, tokens_per_trace=7)
    [point] = raced(verifier=verifier, n=[4])
    assert point.read == 7 * 32
    assert point.cost("tokens") == (point.tokens + 7 * 32) / 8


def test_the_order_is_by_n_then_by_strategy():
    both = {"a": repeated_sampling, "b": beam_search}
    points = raced(strategies=both, n=[4, 8])
    assert [(p.strategy, p.n) for p in points] == [
        ("a", 4),
        ("b", 4),
        ("a", 8),
        ("b", 8),
    ]


def test_a_width_that_does_not_fit_is_cut():
    seen = []

    def wide(problem, *, n, width=4):
        seen.append((n, width))
        return repeated_sampling(problem, n=n)

    raced(strategies={"wide": wide}, n=[2, 8])
    assert set(seen) == {(2, 2), (8, 4)}


def test_points_are_told_as_problems_end():
    seen = []
    raced(n=[4], on_point=lambda point: seen.append(len(point.right)))
    assert seen == [*range(1, 9), 8]


def test_a_cancelled_race_keeps_its_points():
    cancel = Event()

    def stop(point):
        if point.n == 4:
            cancel.set()

    points = raced(n=[1, 4, 8], on_point=stop, cancel=cancel)
    assert [point.n for point in points] == [1, 4]
    assert points[0].done


def test_rules():
    problem = Problem("chains", "3+4\n", 1)
    texts = ["3+4=8\n#8", "3+4=8\n#8", "3+4=7\n#7"]
    traces = [Trace(problem, text, 9, True) for text in texts]
    scores = [0.3, 0.3, 0.5]
    answers = [chooser(rule)(traces, scores).answer
               for rule in ("best-of-n", "weighted vote", "majority")]  # fmt: skip
    assert answers == ["7", "8", "8"]


@pytest.mark.parametrize("value", [None, 7, [1, 2], [(1, 2)], "text"])
def test_what_cannot_be_chosen_from_is_refused(value):
    with pytest.raises(ValueError, match="must return a list of"):
        finished(value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"strategies": {}}, "0 strategies, 8 problems"),
        ({"problems": []}, "1 strategies, 0 problems"),
        ({"n": []}, "0 values of n"),
        ({"rule": "luck"}, "rule='luck'; accepted are"),
    ],
)
def test_races_need_something_to_race(options, message):
    with pytest.raises(ValueError, match=message):
        raced(**options)


# The widget


def made(**options) -> StrategyRace:
    whole = {
        "proposer": Scripted(script),
        "scorer": Exact(),
        "domain": "chains",
        "level": 1,
        "n_problems": 10,
        "n": (1, 4),
        "chosen": ("best-of-n", "beam search"),
    }
    return StrategyRace(**(whole | options))


def until(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_run_races_to_the_end():
    widget = made(n=(4, 8))
    widget.run_button.click()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done", widget.status.message
    assert [p.n for p in widget.points] == [4, 4, 8, 8]
    assert ">✓ Done in " in widget.status_line.value
    assert widget.progress.value == 1
    assert "best-of-n, n 8: 100.0%" in widget.text()
    found = re.search(r"<svg.*</svg>", widget.chart.value, re.DOTALL)
    drawn = ElementTree.fromstring(found[0])
    points = [g for g in drawn.iter("g") if g.get("role") == "img"]
    assert len(points) == 4
    assert all(point.get("tabindex") == "0" for point in points)
    lines = [p for p in drawn.iter("path") if p.get("class") == "tts-curve"]
    assert len({line.get("stroke-dasharray") for line in lines}) == 2


@pytest.mark.parametrize("cost", ["samples", "tokens", "flops"])
def test_the_axis_switches(cost):
    widget = made()
    widget.run()
    assert widget.wait(SECONDS)
    widget.axis.value = cost
    assert {"samples": "samples", "tokens": "tokens", "flops": "FLOPs"}[
        cost
    ] in widget.chart.value


def test_cancel_half_way_keeps_the_points():
    widget = made(proposer=Scripted(script, seconds_per_chunk=0.05), n=(1, 64))
    widget.run()
    until(lambda: widget.points and widget.points[0].done)
    began = time.monotonic()
    widget.cancel_button.click()
    assert widget.wait(SECONDS)
    assert time.monotonic() - began < 1
    assert widget.status.phase == "cancelled"
    assert ">Cancelled in " in widget.status_line.value
    assert widget.points[0].done
    assert "best-of-n, n 1" in widget.text()


def test_a_second_run_starts_anew():
    widget = made()
    widget.run()
    widget.run()
    assert widget.wait(SECONDS)
    assert len(widget.points) == 4


def test_before_a_race():
    widget = made()
    assert widget.text() == "nothing is measured yet"
    assert "<svg" in widget.chart.value
    assert repr(widget) == "<StrategyRace: idle>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"chosen": ()}, r"strategies \[\]; accepted are 1 to 4"),
        ({"chosen": ("luck",)}, r"strategies \['luck'\]"),
        (
            {"chosen": ("best-of-n", "beam search", "DVTS", "REBASE", "MCTS")},
            "accepted are 1 to 4",
        ),
        ({"n": ()}, r"n=\[\]"),
        ({"n": (0, 4)}, r"n=\[0, 4\]"),
        ({"level": 99}, "level 99"),
        ({"n_problems": 0}, "n=0 problems"),
    ],
)
def test_bad_settings_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        made(**options)


def test_too_many_chosen_is_told_at_run():
    widget = made()
    widget.strategies.value = tuple(widget.strategies.options[:5])
    with pytest.raises(ValueError, match="accepted are 1 to 4"):
        widget.run()
