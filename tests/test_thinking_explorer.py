"""The thinking explorer: what is read off traces, and a thought written live."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from tts_lab.proposers.scripted import Scripted, random_script
from tts_lab.think import measured
from tts_lab.think.compared import thinking
from tts_lab.think.measured import Thoughts
from tts_lab.traces import Problem
from tts_lab.widgets import ThinkingExplorer
from tts_lab.widgets.thinking_budget import WAITS, Traces, limits
from tts_lab.widgets.thinking_panels import attempts

SECONDS = 60
CHAIN = Problem("chains", "4+8\n", 1)
WRONG, RIGHT = "4+8=13\n#13\n?12 x", "4+8=12\n#12\n?12 ok"
AGAIN = f"4+8\n{WRONG}"
#: right at first; spoilt by the first wait, mended by the second
TABLE = {
    "4+8\n": [RIGHT],
    f"4+8\n{RIGHT}\nwait\n": [AGAIN],
    f"4+8\n{RIGHT}\nwait\n{AGAIN}\nwait\n": [f"4+8\n{RIGHT}"],
}


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


def until(condition) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def by_hand(domain: str = "chains") -> Thoughts:
    """Four problems, two equal traces each: attempts end at 20, 60 and 100 tokens, the
    model ends at 30 and at 70 by itself, and its context is full at 120."""
    right = np.array([[1, 1, 0], [1, 0, 0], [0, 1, 1], [0, 0, 1]], np.bool_)
    return Thoughts(
        "thinker-380k", domain, np.full(4, 5), np.tile([20, 60, 100], (4, 2, 1)),
        np.repeat(right[:, None], 2, axis=1), np.zeros((4, 2, 3), np.int64),
        np.tile([30, 70, 0], (4, 2, 1)), np.full((4, 2), 120), 0,
    )  # fmt: skip


def at_random(domain: str, seed: int, problems: int = 12) -> Thoughts:
    rng = np.random.default_rng(seed)
    shape = (problems, 3, 6)
    end = np.cumsum(rng.integers(8, 60, shape), axis=2)
    end[rng.random(shape) < 0.2] = 0
    stops = np.where((end > 0) & (rng.random(shape) < 0.5), end + 5, 0)
    return Thoughts(
        "thinker-380k", domain, rng.integers(5, 20, problems), end,
        rng.random(shape) < 0.4, rng.integers(0, 3, shape), stops,
        end.max(axis=2) + rng.integers(6, 30, shape[:2]), seed,
    )  # fmt: skip


def explorer(**options) -> ThinkingExplorer:
    options = {"thoughts": {"chains": by_hand()}, "limit": 120} | options
    options = {"domain": "chains"} | options
    return ThinkingExplorer(**{"policy": Scripted(TABLE), **options})


def live(table=TABLE, **options) -> ThinkingExplorer:
    policy = table if isinstance(table, Scripted) else Scripted(table)
    return explorer(**{"policy": policy, "typed": "4+8"} | options)


def elements(html: str, name: str) -> list[ElementTree.Element]:
    """Those of an SVG with a class; nothing in it may be malformed."""
    [svg] = re.findall(r"<svg.*</svg>", html, flags=re.S)
    return [
        one
        for one in ElementTree.fromstring(svg).iter()
        if name in one.get("class", "").split()
    ]


def marker(shown: ThinkingExplorer) -> tuple[float, float]:
    [dot] = elements(shown.chart.value, "tts-chosen")
    return float(dot.get("cx")), float(dot.get("cy"))


# ---- what is read off traces


@pytest.mark.parametrize("most", [16, 17, 31, 250, 1013, 1024])
def test_limits_reach_as_far_as_the_traces(most):
    found = limits(most)
    assert found[0] == 16
    assert found[-1] >= most > (found[-2] if len(found) > 1 else 0)
    steps = np.diff(found) / found[:-1]
    assert (steps <= 0.126).all() and (steps > 0).all()


@pytest.mark.parametrize("waits", list(WAITS))
def test_curves_are_what_the_traces_say_at_each_limit(waits):
    one = at_random("chains", 3)
    curve = Traces({"chains": one}).curve("chains", waits, 77)
    assert 77 in curve.limits
    expected = thinking(one, curve.limits.tolist(), waits=WAITS[waits])
    for i, point in enumerate(expected):
        found = (curve.mean[i], curve.low[i], curve.high[i])
        assert found == pytest.approx(point.accuracy())
        assert curve.tokens[i] == pytest.approx(point.cost("tokens"))
        assert curve.flops[i] == pytest.approx(point.cost("flops"))


def test_both_domains_are_all_problems_together():
    chains, countdown = at_random("chains", 1), at_random("countdown", 2, problems=5)
    traces = Traces({"chains": chains, "countdown": countdown})
    assert traces.domains == ["chains", "countdown", "both"]
    both = traces.curve("both", "1")
    each = [traces.curve(one, "1").mean for one in ("chains", "countdown")]
    assert both.mean == pytest.approx((12 * each[0] + 5 * each[1]) / 17)
    assert Traces({"chains": chains}).domains == ["chains"]


@pytest.mark.parametrize(
    ("waits", "limit", "mean", "tokens", "attempts", "spoilt", "mended"),
    [
        (0, 120, 0.5, 30, 1, 0, 0),
        (1, 120, 0.5, 70, 2, 2, 2),
        (2, 120, 0.5, 120, 3, 4, 4),
        ("all", 120, 0.5, 120, 3, 4, 4),
        ("all", 64, 0.5, 64, 2, 2, 2),
        ("all", 24, 0.5, 24, 1, 0, 0),
        ("all", 16, 0.0, 16, 0, 0, 0),
    ],
)
def test_the_reading_by_hand(waits, limit, mean, tokens, attempts, spoilt, mended):
    reading = explorer(waits=waits, limit=limit).reading
    assert (reading.mean, reading.tokens, reading.attempts) == (mean, tokens, attempts)
    assert (reading.spoilt, reading.mended) == (spoilt, mended)
    assert (reading.problems, reading.traces) == (4, 8)


def test_the_sentence_says_accuracy_cost_attempts_and_what_is_spoilt():
    shown = explorer(waits=1)
    reading = shown.reading
    words = re.sub(r"<[^>]*>", "", unescape(shown.sentence.value))
    assert words == reading.words()
    assert words.startswith("50.0% [0.0%, 100.0%] right at 70 tokens, ")
    flops = by_hand().flops(120, waits=1).mean()
    assert f"{flops / 1e6:.3g} MFLOPs a problem (4 problems, 8 traces)" in words
    assert "2.0 attempts a trace; the last whole one is the answer." in words
    assert "spoil 2 of 4 (50.0%) answers" in words and "mend 2 of 4 (50.0%)" in words
    shown.controls.waits.value = "0"
    assert "spoil" not in shown.sentence.value
    assert 'role="status"' in shown.sentence.value


def test_nothing_was_right_and_nothing_can_be_spoilt():
    words = explorer(waits="all", limit=16).reading.words()
    assert "spoil 0 of 0 answers" in words


# ---- the upper part


def test_the_limit_moves_marker_and_sentence():
    shown = explorer(waits="all", limit=24)
    before, sentence = marker(shown), shown.sentence.value
    shown.controls.limit.value = 112
    after = marker(shown)
    assert after[0] > before[0]
    assert shown.sentence.value != sentence
    assert shown.reading.tokens == 112
    assert shown.budget.caption() == "chains, limit 112 tokens, every wait forced"


def test_without_forced_waits_there_is_one_line():
    shown = explorer(waits=0)
    drawn = [one for one in elements(shown.chart.value, "tts-earlier")]
    assert drawn == []
    shown.controls.waits.value = "2"
    assert len(elements(shown.chart.value, "tts-earlier")) == 2  # and in the key
    assert "no waits" in shown.chart.value and "2 waits" in shown.chart.value
    shown.controls.waits.value = "1"
    assert "1 wait<" in shown.chart.value


def test_the_cost_axis():
    shown = explorer(waits="all")
    labels = {}
    for cost in ("limit", "tokens", "flops"):
        shown.controls.cost.value = cost
        [label] = elements(shown.chart.value, "tts-x")
        labels[cost] = label.text
    assert labels["limit"] == "limit of thinking tokens per problem"
    assert labels["tokens"] == "thinking tokens spent per problem"
    assert labels["flops"].endswith("FLOPs per problem")


def test_a_limit_between_those_of_the_slider_is_kept():
    shown = explorer(limit=77)
    assert shown.budget.limit == shown.controls.limit.value == 77
    assert 77 in shown.curve.limits


def test_the_domain_is_followed_by_the_problem():
    both = {"chains": by_hand(), "countdown": by_hand("countdown")}
    shown = explorer(thoughts=both)
    shown.controls.domain.value = "both"
    assert shown.reading.problems == 8
    assert shown.controls.kind.value == "chains"
    shown.controls.domain.value = "countdown"
    assert shown.controls.kind.value == "countdown"
    assert "make" not in shown.controls.example.value
    assert ">" in unescape(shown.controls.example.value.partition("example")[2])
    assert explorer(thoughts=both, domain="countdown").controls.kind.value == (
        "countdown"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "poems"}, r"domain='poems'; accepted are \['chains'\]"),
        ({"domain": "both"}, r"domain='both'; accepted are \['chains'\]"),
        ({"limit": 0}, r"limit=0; accepted is a whole number from 1 to 120"),
        ({"limit": 2000}, r"limit=2000; accepted is a whole number from 1 to 120"),
        ({"limit": 64.5}, r"limit=64\.5; accepted is a whole number"),
        ({"limit": True}, r"limit=True; accepted is a whole number"),
        ({"waits": 3}, r"waits='3'; accepted are \['0', '1', '2', '4', 'all'\]"),
        ({"cost": "usd"}, r"cost='usd'; accepted are \['limit', 'tokens', 'flops'\]"),
        ({"policy": "380m"}, r"'380m' is nothing that can be opened"),
        ({"policy": 7}, r"policy=7; accepted is a name, a folder, or a proposer"),
        ({"thoughts": {}}, r"thoughts is empty; accepted is one domain or more"),
        ({"kind": "grids"}, r"kind='grids'; accepted are \['chains', 'countdown'\]"),
        ({"level": 10}, r"level 10 of chains is unknown; there are \[1, 2"),
        ({"number": 201}, r"number=201; accepted is 1 to 200"),
        ({"temperature": 3}, r"temperature=3; accepted is 0 to 2"),
        ({"seed": -1}, r"seed=-1; accepted is 0 to"),
        ({"typed": "4+"}, r"'4\+' is not a chain: numbers joined by \+ - \*"),
        ({"kind": "countdown", "typed": "4+8"}, r"'4\+8' is not a countdown problem"),
    ],
)  # fmt: skip
def test_bad_arguments_are_refused_at_once(options, message):
    with pytest.raises(ValueError, match=message):
        explorer(**{"limit": 64} | options)


def test_traces_are_read_from_a_folder(tmp_path: Path):
    with pytest.raises(ValueError, match="thoughts-thinker-380k-chains"):
        explorer(thoughts=None, folder=tmp_path)
    for domain in ("chains", "countdown"):
        measured.write(by_hand(domain), tmp_path)
    shown = explorer(thoughts=None, folder=tmp_path, waits="all")
    assert shown.reading == explorer(waits="all").reading


def test_the_text_says_what_the_picture_shows():
    shown = explorer(waits="all", limit=72)
    text = shown.text()
    first, second, *rest = text.splitlines()
    assert first == ("thinker-380k on chains, limit 72 tokens, every wait forced")
    assert second == shown.reading.words()
    rows = [line for line in rest if line.startswith("  limit ")]
    assert [line.split()[1] for line in rows] == ["16:", "32:", "64:", "72:"]
    assert "  limit 64: 50.0% [0.0%, 100.0%], 64 tokens, " in text
    assert rest[-1].startswith("Ready. Press Think: scripted thinks")


def test_readers_without_a_kernel_get_a_picture_and_a_text():
    shown = explorer(waits=2)
    data, _ = shown._repr_mimebundle_()
    assert data["image/png"].startswith("iVBOR")
    assert data["text/plain"] == shown.text()
    assert "2 forced waits" in "\n".join(shown.figure().rows)


def test_every_control_has_a_name_and_sliders_wait_until_they_are_let_go():
    controls = explorer().controls
    for control in (controls.domain, controls.limit, controls.kind, controls.level,
                    controls.number, controls.typed, controls.temperature,
                    controls.seed, controls.run, controls.cancel):  # fmt: skip
        assert control.description and control.tooltip
    for control in (controls.limit, controls.temperature):
        assert not control.continuous_update
    for control in (controls.waits, controls.cost):
        assert len(control.tooltips) == len(control.options)


# ---- attempts


def test_a_forced_wait_is_told_from_the_models_own():
    text = f"{WRONG}\nwait\n{AGAIN}\nwait\n4+8\n{RIGHT}"
    own, forced = len(WRONG), len(f"{WRONG}\nwait\n{AGAIN}")
    found = attempts(CHAIN, text, [forced])
    assert [one.wait for one in found] == ["", "wait", "forced wait"]
    assert [one.wait for one in attempts(CHAIN, text, [own])][1] == "forced wait"
    assert [one.right for one in found] == [False, False, True]
    assert [one.check for one in found] == ["?12 x", "?12 x", "?12 ok"]


def test_the_first_wrong_line_is_marked_and_a_cut_one_is_not_judged():
    problem = Problem("chains", "47+38*6\n", 2)
    [one] = attempts(problem, "47+38=85\n85*6=500\n#500\n?85 510 ok")
    assert one.lines == [("✓", "47+38=85"), ("✗", "85*6=500"), (" ", "#500")]
    assert one.words() == "✗ wrong, its own check says ok: mistaken"
    [cut] = attempts(problem, "47+38=85\n85*")
    assert cut.lines == [("✓", "47+38=85"), (" ", "85*")]
    assert cut.words() == "– cut off"
    [bare] = attempts(problem, "47+38=85\n85*6=510\n#510")
    assert bare.words() == "✓ right, no check of its own"


def test_a_countdown_that_misses_is_wrong_in_its_answer_line():
    [one] = attempts(Problem("countdown", "3 7>46\n", 1), "7*3=21|21\n#21\n?21 x")
    assert [mark for mark, _ in one.lines] == ["✓", "✗"]
    assert one.words() == "✗ wrong, its own check says x"


# ---- the live part


@pytest.mark.parametrize("waits", [0, 1, 2])
def test_a_thought_is_written_and_shown(waits):
    shown = live(waits=waits)
    shown.controls.run.click()
    assert shown.wait(SECONDS)
    assert shown.status.phase == "done", shown.status.message
    score = 0.0 if waits == 1 else 1.0
    assert shown.thinking.score == score
    assert len(shown.thinking.ends) == waits
    assert [one.right for one in shown.attempts] == [True, False, True][: waits + 1]
    html = shown.thought.value
    assert html.count("<li") == waits + 1
    assert html.count("tts-forced") == waits
    assert html.count("the answer") == 1
    assert html.index("the answer") > html.rindex("<li")
    status = unescape(shown.status_line.value)
    assert ("right." if score else "wrong, though attempt 1 was right.") in status
    assert f"{shown.thinking.answer.tokens} tokens, " in status
    assert "FLOPs" in status and "Done in" in status
    assert ("forced wait" in status) == bool(waits)
    text = shown.text()
    assert text.count("forced wait: attempt") == waits
    assert f"attempt {waits + 1}, " in text and "(the answer)" in text
    assert "typed" not in text and "your problem of chains" in text


def test_every_wait_forced_thinks_until_the_limit():
    policy = Scripted(lambda prompt, text, row, stream: f"{AGAIN}")
    shown = live(policy, waits="all", limit=64)
    shown.run()
    assert shown.wait(SECONDS)
    assert shown.thinking.cut
    assert shown.thinking.answer.tokens == 64
    assert len(shown.attempts) == 4  # of 17 or 21 tokens and an end each
    assert ", cut." in shown.status_line.value
    assert "– cut off" in shown.text() or shown.attempts[-1].whole


def test_a_numbered_problem_of_the_frozen_set():
    shown = explorer(policy=Scripted(random_script), level=2, number=3)
    first = set()
    for seed in range(8):
        shown.controls.seed.value = seed
        shown.run()
        assert shown.wait(SECONDS)
        assert f"chains level 2, problem 3, temperature 1, seed {seed}" in shown.text()
        first.add(shown.thinking.text)
    assert len(first) > 1


def test_a_typed_problem_that_is_none_is_quoted_before_and_after_think():
    shown = live()
    shown.controls.typed.value = "4+<b>"
    told = unescape(shown.controls.example.value)
    assert "'4+<b>' is not a chain: numbers joined by + - *" in told
    assert "<b>" not in shown.controls.example.value
    shown.controls.run.click()
    assert shown.wait(SECONDS)
    assert shown.status.phase == "failed"
    assert "'4+<b>' is not a chain" in unescape(shown.status_line.value)
    assert "press Think again" in shown.status_line.value
    assert "<b>" not in shown.status_line.value
    shown.controls.typed.value = "4+8"
    shown.controls.run.click()
    assert shown.wait(SECONDS)
    assert shown.status.phase == "done"


def test_a_failed_run_shows_no_thought_of_an_earlier_one():
    shown = live()
    shown.run()
    assert shown.wait(SECONDS)
    assert "<li" in shown.thought.value
    shown.controls.typed.value = "4-"
    shown.run()
    assert shown.wait(SECONDS)
    assert "<li" not in shown.thought.value and shown.thinking is None


def test_what_a_model_writes_is_escaped():
    evil = "<script>alert(1)</script>\n#<i>\n?<u> x"
    shown = live({"4+8\n": [evil]}, waits=0)
    shown.run()
    assert shown.wait(SECONDS)
    assert shown.status.phase == "done", shown.status.message
    for tag in ("<script>", "<i>", "<u>"):
        assert tag not in shown.thought.value
        assert tag in unescape(shown.thought.value)


def test_cancel_keeps_what_was_written():
    policy = Scripted(lambda *_: AGAIN, seconds_per_chunk=0.05)
    shown = live(policy, waits="all", limit=120)
    shown.controls.run.click()
    until(lambda: len(shown.attempts) >= 2)
    assert not shown.controls.cancel.disabled
    shown.controls.cancel.click()
    assert shown.wait(SECONDS)
    if shown.status.phase == "done":  # it was too quick for this machine
        pytest.fail("the thought ended before it was cancelled")
    assert shown.status.phase == "cancelled"
    assert shown.thinking is None
    assert "Cancelled after" in shown.status_line.value
    assert shown.thought.value.count("<li") == len(shown.attempts) >= 2
    assert shown.controls.cancel.disabled
    assert shown.controls.run.description == "Think"


def test_a_second_thought_cancels_the_first():
    policy = Scripted(lambda *_: AGAIN, seconds_per_chunk=0.2)
    shown = live(policy, waits="all", limit=120)
    shown.run()
    until(lambda: shown.attempts)
    assert shown.controls.run.description == "Restart"
    shown.controls.waits.value = "0"
    shown.run()
    assert shown.wait(SECONDS)
    assert shown.status.phase == "done"
    assert len(shown.attempts) == 1 and shown.thinking.ends == ()


def test_a_model_is_opened_by_name():
    shown = explorer(policy="105k", limit=40, waits=0, temperature=0.0)
    assert "105k thinks" in shown.status_line.value
    shown.run()
    assert shown.wait(SECONDS)
    assert shown.status.phase == "done", shown.status.message
    assert 0 < shown.thinking.answer.tokens <= 40
    shown.close()


def test_an_endpoint_of_unknown_size_says_so():
    policy = Scripted(TABLE)
    policy.size = type(policy.size)(0, 0, 0)
    shown = live(policy, waits=0)
    shown.run()
    assert shown.wait(SECONDS)
    assert "FLOPs unknown" in shown.status_line.value
