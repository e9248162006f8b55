"""The strategy lab without a front end: clicks and traits, tree, text, picture."""

from __future__ import annotations

import re
import time
from html import unescape
from xml.etree import ElementTree

import pytest

from tts_lab import problems
from tts_lab.proposers.scripted import Scripted
from tts_lab.strategies import beam_search, repeated_sampling
from tts_lab.traces import Problem, Propose, Sampled, Scored, Trace
from tts_lab.verifiers import library
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier
from tts_lab.widgets import StrategyLab
from tts_lab.widgets.lab import aggregating
from tts_lab.widgets.lab_settings import STRATEGIES, Settings, prepared
from tts_lab.widgets.tree import SearchTree
from tts_lab.widgets.tree_chart import MAX_LEAVES, layout, svg

SECONDS = 60
PROBLEM = Problem("chains", "3+4*2\n", 2)


def script(prompt: str, text: str, row: int, stream: int) -> str:
    """Two lines and an answer; even rows are right."""
    first = "3+4=7\n" if row % 2 == 0 else f"3+4={8 + row}\n"
    rest = "7*2=14\n#14" if row % 2 == 0 else "9*2=18\n#18"
    if not text:
        return first + rest
    return rest if text.count("\n") == 1 else rest.partition("\n")[2]


def slow(seconds: float = 0.2) -> Scripted:
    return Scripted(script, seconds_per_chunk=seconds)


def made(**options) -> StrategyLab:
    scores = {"3+4=7\n": 0.9, "3+4=7\n7*2=14\n": 0.9}
    whole = {
        "proposer": Scripted(script),
        "verifier": ScriptedVerifier(lambda t: scores.get(t.text, 0.2)),
        "domain": "chains",
        "typed": "3+4*2",
        "n": 4,
        "width": 2,
    }
    return StrategyLab(**(whole | options))


def until(condition, seconds: float = SECONDS) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# The tree


def grown() -> SearchTree:
    tree = SearchTree(PROBLEM)
    kept, left = Trace(PROBLEM, "3+4=7\n", 6), Trace(PROBLEM, "3+4=8\n", 6)
    tree.on_event(Sampled(0, [kept, left, left], tokens=18))
    tree.on_event(Scored(0, [kept, left], [0.9, 0.1], tokens=30))
    end = Trace(PROBLEM, "3+4=7\n7*2=14\n#14", 17, True)
    tree.on_event(Sampled(0, [end], tokens=11))
    return tree


def test_a_tree_has_a_node_for_every_different_line():
    tree = grown()
    assert tree.text().splitlines() == [
        "3+4*2",
        "  ● 3+4=7 · score 0.9",
        "    ● 7*2=14",
        "      ■ #14 · finished",
        "  × 3+4=8 · pruned, score 0.1, sampled 2 times",
    ]
    assert (tree.samples, tree.tokens, tree.read, len(tree)) == (4, 29, 30, 5)


def test_what_is_chosen_is_marked_from_the_root_on():
    tree = grown()
    tree.choose(Trace(PROBLEM, "3+4=7\n7*2=14\n#14", 17, True))
    marks = [tree.state(node) for node in tree.walk()]
    assert marks == ["root", "chosen", "chosen", "chosen", "pruned"]
    tree.choose(None)
    assert "chosen" not in {tree.state(node) for node in tree.walk()}


def test_the_last_round_is_not_decided_yet():
    tree = SearchTree(PROBLEM)
    some = [Trace(PROBLEM, f"3+4={i}\n", 6) for i in (7, 8)]
    tree.on_event(Sampled(0, some[:1]))
    tree.on_event(Sampled(0, some[1:]))  # chunks of one round
    assert [tree.state(node) for node in tree.walk()] == ["root", "open", "open"]
    tree.on_event(Scored(0, some, [0.5, 0.4]))
    assert [tree.state(node) for node in tree.walk()] == ["root", "open", "open"]
    tree.on_event(Sampled(0, [Trace(PROBLEM, "3+4=7\n7*2=14\n", 13)]))
    assert [tree.state(n) for n in tree.walk()] == ["root", "kept", "open", "pruned"]


def test_a_finished_line_and_the_same_line_unfinished_are_two_nodes():
    tree = SearchTree(PROBLEM)
    tree.on_event(
        Sampled(0, [Trace(PROBLEM, "#14", 4, True), Trace(PROBLEM, "#14", 3, False)])
    )
    assert len(tree.root.children) == 2


def parsed(tree: SearchTree) -> ElementTree.Element:
    found = re.search(r"<svg.*</svg>", svg(tree), re.DOTALL)
    return ElementTree.fromstring(found[0])


def test_the_picture_says_what_the_text_says():
    tree = grown()
    nodes = [g for g in parsed(tree).iter("g") if g.get("role") == "treeitem"]
    said = {unescape(node.get("aria-label")) for node in nodes}
    assert said == {line.strip() for line in tree.text().splitlines()}
    assert all(node.get("tabindex") == "0" for node in nodes)
    assert all(node.find("title").text == node.get("aria-label") for node in nodes)


def test_states_differ_in_shape_and_not_in_colour_alone():
    tree = grown()
    tree.choose(Trace(PROBLEM, "3+4=7\n7*2=14\n#14", 17, True))
    shapes = {}
    for g in parsed(tree).iter("g"):
        state = g.get("class").split()[-1]
        shapes[state] = next(c.tag for c in g if c.tag not in ("title", "text"))
    assert shapes["tts-chosen"] == "polygon"
    assert shapes["tts-pruned"] == "path"
    assert shapes["tts-finished"] == "rect"
    assert shapes["tts-kept"] == shapes["tts-open"] == "circle"  # filled and hollow


def test_a_large_tree_is_cut_and_says_so():
    tree = SearchTree(PROBLEM)
    some = [Trace(PROBLEM, f"3+4={i}\n", 6) for i in range(300)]
    tree.on_event(Sampled(0, some))
    tree.on_event(Scored(0, some, [i / 300 for i in range(300)]))
    placed, rows = layout(tree)
    assert rows == MAX_LEAVES + 1
    [rest] = [one for one in placed if one.node is None]
    assert rest.hidden == 300 - MAX_LEAVES
    drawn = {one.node.step for one in placed if one.node}
    assert "3+4=299" in drawn and "3+4=0" not in drawn  # the best scores stay
    assert f"… {300 - MAX_LEAVES} more" in svg(tree)
    assert len({(one.x, one.y) for one in placed}) == len(placed)


def test_model_text_is_escaped():
    tree = SearchTree(PROBLEM)
    tree.on_event(Sampled(0, [Trace(PROBLEM, "<script>x()</script>\n", 9)]))
    assert "<script>" not in svg(tree)
    lab = made(proposer=Scripted(lambda *a: "<img src=x onerror=y>\n#1"))
    lab.run()
    assert lab.wait(SECONDS)
    assert "<img" not in lab.chart.value + lab.answer.value + lab.status_line.value


# The lab


def test_run_searches_chooses_and_counts():
    lab = made(strategy="beam search")
    assert "Ready" in lab.status_line.value
    lab.controls.run.click()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    assert lab.choice.answer == "14"
    assert "chosen 14: right" in lab.text()
    assert lab.outcome.ledger.calls == lab.tree.samples
    assert lab.outcome.ledger.generated_tokens == lab.tree.tokens
    assert lab.outcome.ledger.verifier_tokens == lab.tree.read
    assert "tts-chosen" in lab.chart.value
    assert "✓" in lab.answer.value and "chosen 14" in lab.answer.value


@pytest.mark.parametrize("strategy", list(STRATEGIES))
def test_every_strategy_runs(strategy):
    lab = made(strategy=strategy)
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    assert lab.tree.samples > 0
    assert lab.choice is not None


@pytest.mark.parametrize("rule", ["best-of-n", "weighted vote", "majority"])
def test_every_rule_chooses(rule):
    lab = made(rule=rule, strategy="best-of-n")
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.choice.answer in ("14", "18")


def test_one_s_own_strategy_runs_beside_the_others():
    def mine(problem, *, n):
        traces = yield Propose([Trace(problem)], n)
        return [(trace, 1.0) for trace in traces]

    lab = made(strategies={"mine": mine}, strategy="mine")
    assert "mine" in lab.controls.strategy.options
    lab.run()
    assert lab.wait(SECONDS)
    assert (lab.status.phase, lab.tree.samples) == ("done", 4)


def test_step_goes_request_by_request():
    lab = made(strategy="beam search")
    lab.controls.step.click()
    until(lambda: lab.status.active and "Waiting" in lab.status_line.value)
    assert lab.tree.samples == 4
    lab.controls.step.click()
    until(lambda: lab.tree.samples == 8)
    until(lambda: "Waiting" in lab.status_line.value)
    assert lab.tree.samples == 8
    assert lab.controls.run.description == "Go on"
    lab.controls.run.click()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done"
    assert lab.choice.answer == "14"


def test_stepping_searches_the_same_tree():
    whole, stepped = made(), made()
    whole.run()
    assert whole.wait(SECONDS)
    stepped.step()
    while not stepped.wait(0.02):
        stepped.step()
    assert stepped.tree.text() == whole.tree.text()


def test_cancel_stops_and_keeps_the_tree():
    lab = made(proposer=slow(), n=64, width=1)
    lab.run()
    until(lambda: lab.status.active and lab._play is not None and lab.tree.samples > 0)
    began = time.monotonic()
    lab.controls.cancel.click()
    assert lab.wait(SECONDS)
    assert time.monotonic() - began < 1
    assert lab.status.phase == "cancelled"
    assert lab.tree.samples > 0
    assert lab.choice is None
    assert lab.controls.cancel.disabled


def test_cancel_while_waiting_for_a_step():
    lab = made()
    lab.step()
    until(lambda: "Waiting" in lab.status_line.value)
    lab.cancel()
    assert lab.wait(10)
    assert lab.status.phase == "cancelled"


def test_what_a_strategy_raises_is_told():
    def broken(problem, *, n):
        yield Propose([Trace(problem)], n)
        raise RuntimeError("no idea")

    lab = made(strategies={"broken": broken}, strategy="broken")
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "failed"
    assert "no idea" in lab.status_line.value
    lab.controls.strategy.value = "beam search"
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done"


def test_a_strategy_that_returns_something_else_is_told():
    def odd(problem, *, n):
        yield Propose([Trace(problem)], n)
        return 7

    lab = made(strategies={"odd": odd}, strategy="odd")
    lab.run()
    assert lab.wait(SECONDS)
    assert "returned 7; to be chosen from" in lab.status.message


def test_a_typed_problem_that_is_none_is_told_while_typing():
    lab = made()
    lab.controls.typed.value = "3+x"
    assert "⚠" in lab.controls.example.value
    with pytest.raises(ValueError, match=r"3\+x"):
        lab.run()
    lab.controls.typed.value = "8-3"
    assert "8-3" in lab.controls.example.value


def test_before_anything_has_run():
    lab = made()
    with pytest.raises(ValueError, match="nothing has run yet"):
        lab.tree  # noqa: B018
    assert "Ready" in lab.text()
    assert repr(lab) == "<StrategyLab: idle>"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n=0; accepted is 1 to 256"),
        ({"n": 4, "width": 5}, r"width=5; accepted is 1 to 4 \(n\)"),
        ({"rule": "luck"}, "rule='luck'; accepted are"),
        ({"aggregation": "max"}, "aggregation='max'"),
        ({"seed": -1}, "seed=-1"),
        ({"number": 0}, "number=0; accepted is 1 to 200"),
        ({"domain": "poetry"}, "'poetry'"),
        ({"level": 99}, "level 99"),
        ({"typed": "3 7"}, "'3 7' is not a countdown problem"),
    ],
)
def test_bad_settings_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        Settings(**options)


def test_a_strategy_gets_what_it_takes():
    settings = Settings(n=8, width=2)
    assert prepared(beam_search, settings).keywords == {"n": 8, "width": 2}
    assert prepared(repeated_sampling, settings).keywords == {"n": 8}
    assert prepared(lambda problem: None, settings).keywords == {}


def test_verifiers_by_name():
    some = problems.evaluation_set("chains", 1, 1)[0]
    solved = problems.domain("chains").solution(some.prompt)
    right = Trace(some, solved, len(solved) + 1, True)
    for name in library.names():
        [score] = library.load(name).verify([right])
        assert 0 <= score <= 1
    with pytest.raises(ValueError, match=r"verifier 'luck' is unknown.*exact"):
        library.load("luck")


def test_an_aggregation_must_fit_the_verifier():
    """The fault of an aggregation that is set and ignored, or set where it is nonsense.

    Rewards of an implicit PRM are logarithms: their product means nothing.
    """
    implicit = library.load("implicit-380k")
    assert aggregating(implicit, "own") is implicit
    lowest = aggregating(implicit, "min")
    assert (lowest.aggregation, implicit.aggregation) == ("min", "sum")
    with pytest.raises(ValueError, match=r"'prod' does not fit implicit PRM.*'sum'"):
        aggregating(implicit, "prod")
    lab = StrategyLab(verifier=implicit, aggregation="prod", n=4)
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "failed"
    assert "does not fit" in lab.status_line.value
    lab.controls.aggregation.value = "own"
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    assert implicit.aggregation == "sum"
