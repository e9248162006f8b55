"""What a model, a user or a server says is shown as text in every widget and report.

Whatever HTML the package makes is parsed as a browser would: only the elements that it
uses itself may be in it, no attribute may run a script, and the text must be there.
"""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import allocation_world as world
import ipywidgets
import pytest
from hostile import MARKUP
from matplotlib.text import Text
from test_adaptation import recorded
from test_thinking_explorer import at_random

import tts_lab
from tts_lab import figures, opening
from tts_lab.coverage import coverage as measure
from tts_lab.exercises.report import Report
from tts_lab.progress_page import Page
from tts_lab.proposers.scripted import Scripted
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Problem
from tts_lab.verifiers.scripted import Scripted as ScriptedVerifier
from tts_lab.widgets import (
    Adaptation,
    AllocationExplorer,
    CoverageExplorer,
    ModelPicker,
    StrategyLab,
    StrategyRace,
    ThinkingExplorer,
    adaptation,
)
from tts_lab.widgets.sheet import sheet

HOSTILE = " ".join(MARKUP)
SECONDS = 60
TAGS = {
    "b", "br", "caption", "circle", "code", "div", "figcaption", "figure", "g", "h4",
    "i", "img", "li", "ol", "p", "path", "polygon", "pre", "rect", "small", "span",
    "svg", "table", "tbody", "td", "text", "th", "thead", "title", "tr", "tspan", "ul",
    "strong",
}  # fmt: skip


class Seen(HTMLParser):
    """The text of some HTML; elements and attributes that do not belong there."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.text, self.wrong = "", []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in TAGS:
            self.wrong.append(tag)
        for name, value in attrs:
            if name.startswith("on") or re.match(r"\s*javascript:", value or "", re.I):
                self.wrong.append(f"{tag} {name}={value}")
            if name == "src" and not (value or "").startswith("data:image/png"):
                self.wrong.append(f"{tag} {name}={value}")
            self.text += f" {value} " if name in ("aria-label", "alt") else ""

    def handle_data(self, data: str) -> None:
        self.text += data


def shown(html: str) -> str:
    """The text of some HTML that holds nothing else."""
    seen = Seen(html)
    assert seen.wrong == []
    return " ".join(seen.text.split())


def parts(widget: ipywidgets.Widget) -> list[ipywidgets.Widget]:
    found = [widget]
    for child in getattr(widget, "children", ()):
        found += parts(child)
    return found


def html_of(widget: ipywidgets.Widget) -> str:
    """All HTML that a widget shows now; its own style sheet aside."""
    own = sheet().value
    every = [one for one in parts(widget) if isinstance(one, ipywidgets.HTML)]
    assert all(one.value for one in every[:1])
    assert not any(
        getattr(one, "description_allow_html", False) for one in parts(widget)
    )
    return "\n".join(one.value for one in every if one.value != own)


def words(text: str) -> str:
    return " ".join(text.split())


def test_the_parser_sees_what_is_not_escaped():
    for one in MARKUP[:2]:
        assert Seen(f"<b>{one}</b>").wrong
    assert Seen('<b title="' + MARKUP[2].replace("'", '"') + '">').wrong
    assert Seen(f"<pre>{MARKUP[3]}").wrong


def hostile_script(prompt: str, text: str, row: int, stream: int) -> str:
    lines = "".join(f"{one}\n" for one in MARKUP)
    return f"{lines}#{7 if row % 2 else 85}"


@pytest.mark.parametrize("domain", ["chains", "essays"])
def test_the_coverage_explorer(domain):
    problem = Problem(domain, f"47+38{HOSTILE}\n", 1)
    explorer = CoverageExplorer(
        proposer=Scripted(hostile_script, name=HOSTILE),
        problems=[problem],
        verifier=ScriptedVerifier(lambda trace: 1.0, name=HOSTILE),
        samples=10,
    )
    shown(html_of(explorer))
    explorer.run()
    assert explorer.wait(SECONDS)
    assert explorer.status.phase == "done", explorer.status.message
    text = shown(html_of(explorer))
    assert all(words(one) in text for one in MARKUP)
    assert explorer.text()


@pytest.mark.parametrize("strategy", ["best-of-n", HOSTILE])
def test_the_strategy_lab(strategy):
    lab = StrategyLab(
        proposer=Scripted(hostile_script, name=HOSTILE),
        verifier=ScriptedVerifier(lambda trace: 0.5, name=HOSTILE),
        strategies={HOSTILE: repeated_sampling},
        strategy=strategy,
        problems=[
            Problem("chains", "47+38\n", 1),
            Problem("text", HOSTILE, answer="1"),
        ],
        n=4,
        width=2,
    )
    shown(html_of(lab))
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "done", lab.status.message
    text = shown(html_of(lab))
    assert "window.__hit" in text  # the tree's nodes say their steps
    lab.close()


def test_what_goes_wrong_is_said_in_the_status():
    def breaks(prompt: str, text: str, row: int, stream: int) -> str:
        raise RuntimeError(HOSTILE)

    lab = StrategyLab(
        proposer=Scripted(breaks), verifier=ScriptedVerifier(lambda trace: 0.5),
        domain="chains", typed="3+4", n=4, width=2,
    )  # fmt: skip
    lab.controls.typed.value = HOSTILE
    assert words(MARKUP[0]) in shown(html_of(lab))
    lab.controls.typed.value = "3+4"
    lab.run()
    assert lab.wait(SECONDS)
    assert lab.status.phase == "failed"
    assert words(MARKUP[0]) in shown(lab.status_line.value)
    lab.close()


def test_the_race():
    race = StrategyRace(
        strategies={HOSTILE: repeated_sampling}, chosen=[HOSTILE],
        proposer=Scripted(hostile_script, name=HOSTILE),
        scorer=ScriptedVerifier(lambda trace: 0.5, name=HOSTILE),
        domain="chains", level=1, n_problems=3, n=(2, 4),
    )  # fmt: skip
    race.run()
    assert race.wait(SECONDS)
    assert race.status.phase == "done", race.status.message
    assert words(HOSTILE) in shown(html_of(race))
    race.close()


def test_the_thinking_explorer():
    explorer = ThinkingExplorer(
        thoughts={"chains": at_random("chains", 5)}, domain="chains", typed="4+8",
        policy=Scripted(hostile_script, name=HOSTILE), waits=1, limit=144,
    )  # fmt: skip
    explorer.run()
    assert explorer.wait(SECONDS)
    assert explorer.status.phase == "done", explorer.status.message
    text = shown(html_of(explorer))
    assert all(words(one) in text for one in MARKUP)
    explorer.close()


def test_the_model_picker(monkeypatch):
    model = Scripted(hostile_script, name=HOSTILE)
    monkeypatch.setattr(opening, "policy", lambda *_: model)
    picker = ModelPicker()
    picker.load("105k")
    assert picker.wait(SECONDS)
    assert picker.status.phase == "done", picker.status.message
    assert words(MARKUP[0]) in shown(html_of(picker))
    picker.load(HOSTILE)
    assert picker.wait(SECONDS)
    assert words(MARKUP[0]) in shown(picker.status_line.value)
    picker.close()


def test_the_adaptation(monkeypatch):
    monkeypatch.setattr(adaptation, "PAUSE", 0.001)
    frame = replace(recorded(), policy=HOSTILE)
    widget = Adaptation(family="echo", recorded={"echo": frame})
    widget.run()
    assert widget.wait(SECONDS)
    assert widget.status.phase == "done", widget.status.message
    assert words(HOSTILE) in shown(html_of(widget))
    widget.close()


def test_the_allocation_explorer():
    options = [replace(one, name=f"{one.name} {HOSTILE}") for one in world.options()]
    explorer = AllocationExplorer(
        options=options,
        difficulty={"oracle": world.oracle()},
        baselines={HOSTILE: options[:7]},
        bins=3,
    )
    assert explorer.wait(SECONDS)
    assert words(MARKUP[0]) in shown(html_of(explorer))
    explorer.close()


@pytest.mark.parametrize("passed", [True, False])
def test_reports_of_exercises(passed):
    report = Report(HOSTILE, passed, HOSTILE, HOSTILE, HOSTILE, HOSTILE,
                    f"use `{HOSTILE}`", progress=HOSTILE)  # fmt: skip
    text = shown(report._repr_html_())
    assert text.count(words(HOSTILE)) == 7
    likely = Report("x", False, "y", likely_cause=HOSTILE)
    assert words(HOSTILE) in shown(likely._repr_html_())


def test_the_progress_page():
    assert words(HOSTILE) in shown(Page({}, HOSTILE)._repr_html_())


NAMES = [
    *MARKUP[:2],
    MARKUP[-1],
    "$x^{$ and $",
    r"$\nosuch{$",
    r"\frac{1}{0}",
    "100% & _x_",
]


@pytest.mark.parametrize("name", NAMES)
def test_figures_show_names_as_they_are(name):
    """Between dollars matplotlib would read a formula, and fail where it is none."""
    curve = measure(100, [0, 5, 90], [1, 10, 100])
    figure = figures.coverage({name: curve})
    content, about = figure._repr_mimebundle_()
    assert set(content) == {"image/png", "text/plain"}
    assert words(name) in words(content["text/plain"])
    assert words(name) in words(about["image/png"]["alt"])
    assert not any(one.get_parse_math() for one in figure.findobj(Text))


def test_no_widget_takes_html_in_a_label_or_inserts_it_by_script():
    folder = Path(tts_lab.__file__).parent
    for path in folder.rglob("*.py"):
        assert "description_allow_html" not in path.read_text("utf-8"), path
    for path in folder.rglob("*.js"):
        code = path.read_text("utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write",
                    "eval(", "Function("):  # fmt: skip
            assert way not in code, (path, way)
