"""Model text with markup in it, in JupyterLab: it is displayed and never runs.

Every widget that shows what a model wrote, or what it is called; a report of an
exercise; a figure; a verdict.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from hostile import MARKUP

pytestmark = pytest.mark.browser

SETUP = """
import sys
sys.path.insert(0, {tests!r})
from dataclasses import replace

import allocation_world as world
from hostile import MARKUP
from ipywidgets import VBox
from test_adaptation import recorded
from test_thinking_explorer import at_random

from tts_lab import figures, opening
from tts_lab.coverage import coverage as measure
from tts_lab.exercises.report import Report
from tts_lab.proposers.scripted import Scripted
from tts_lab.scoreboard import Verdict
from tts_lab.strategies import repeated_sampling
from tts_lab.traces import Problem
from tts_lab.verifiers.scripted import Scripted as Scorer
from tts_lab.widgets import (
    Adaptation, AllocationExplorer, CoverageExplorer, ModelPicker, StrategyLab,
    StrategyRace, ThinkingExplorer,
)

NAME = " ".join(MARKUP)

def writes(prompt, text, row, stream):
    return "".join(f"{{one}}\\n" for one in MARKUP) + f"#{{85 if row % 2 else 7}}"

def model():
    return Scripted(writes, name=NAME)

opening.policy = lambda *_: model()  # whatever is picked
scorer = Scorer(lambda trace: 0.5, name=NAME)
problems = [Problem("chains", "47+38\\n", 1), Problem("text", NAME, answer="7")]
options = [replace(one, name=f"{{one.name}} {{NAME}}") for one in world.options()]
"""
#: each with the class of its box, and the button that makes it show the model's text
WIDGETS = {
    "CoverageExplorer(proposer=model(), problems=problems[:1], samples=10)":
        (".tts-coverage", "Run"),
    "StrategyLab(proposer=model(), verifier=scorer, problems=problems, n=4, width=2,"
    " strategy='best-of-n')": (".tts-lab", "Run"),
    "StrategyRace(strategies={NAME: repeated_sampling}, chosen=[NAME], domain='chains',"
    " proposer=model(), scorer=scorer, level=1, n_problems=2, n=(2,))":
        (".tts-race-widget", "Run"),
    "ThinkingExplorer(thoughts={'chains': at_random('chains', 5)}, policy=model(),"
    " domain='chains', typed='4+8', waits=1, limit=144)": (".tts-thinking", "Think"),
    "ModelPicker()": (".tts-picker", "Load"),
    "Adaptation(family='echo', recorded={'echo': replace(recorded(), policy=NAME)})":
        (".tts-adaptation", "Play"),
    "AllocationExplorer(options=options, bins=3, baselines={NAME: options[:7]},"
    " difficulty={'oracle': world.oracle()})": (".tts-allocation", ""),
}  # fmt: skip
REPORT = "Report(NAME, False, NAME, NAME, NAME, NAME, f'use `{MARKUP[0]}`')"
FIGURE = "figures.coverage({one: measure(9, [0, 5], [1, 9]) for one in MARKUP[1:4]})"
VERDICT = "Verdict('B1', NAME, 0.5, 0.4, 0.6, 0.1, True, 4, 8, 0, NAME, NAME)"


def test_markup_of_a_model_is_displayed_and_never_runs(
    open_notebook, artifacts: Path
) -> None:
    setup = SETUP.strip().format(tests=str(Path(__file__).resolve().parent))
    made = f"VBox([{', '.join(WIDGETS)}])"
    sources = [setup, made, REPORT, FIGURE, VERDICT]
    cells = [nbformat.v4.new_code_cell(one) for one in sources]
    notebook = open_notebook(nbformat.v4.new_notebook(cells=cells))
    notebook.run_all()
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 1800})
    for widget, button in WIDGETS.values():
        if not button:
            continue
        page.click(f"{widget} button:text-is('{button}') >> nth=0")
        done = f"{widget} .tts-status:has-text('{DONE.get(widget, 'Done')}')"
        page.wait_for_selector(done, timeout=60_000)
    # what was written stands there letter by letter
    written = page.locator(".tts-coverage pre").first.inner_text()
    answer = page.locator(".tts-lab .tts-answer pre").inner_text()
    thought = page.locator(".tts-thinking .tts-attempt").first.inner_text()
    for one in map(shown, MARKUP):
        assert one in shown(written) and one in shown(answer)
    assert all(one in shown(thought) for one in MARKUP[:2])  # it is cut off there
    labels = page.locator(".tts-lab g[role=treeitem]").evaluate_all(
        "(nodes) => nodes.map((node) => node.getAttribute('aria-label')).join(' ')"
    )
    assert MARKUP[0] in labels
    for widget, _ in WIDGETS.values():
        assert MARKUP[1] in page.locator(widget).first.inner_text(), widget
    page.wait_for_timeout(300)  # an image that cannot be loaded says so later
    made = page.evaluate(MADE)
    notebook.screenshot(artifacts / "hostile.png")
    assert made == [], made
    assert page.evaluate("window.__hit") is None
    notebook.assert_clean()


#: what nothing but markup of a model can have made, and where it is
MADE = """
[...document.querySelectorAll(
  '.jp-OutputArea script, img[src=x], [onload]:not(style), [onmouseover], '
  + '.jp-OutputArea a[href^=javascript], .jp-OutputArea mjx-container')]
.map((one) => one.outerHTML.slice(0, 80) + ' in '
  + (one.closest('.tts-widget, .jp-OutputArea-output') || document.body).className)
"""
DONE = {".tts-picker": "loaded"}


def shown(text: str) -> str:
    """Without control characters and with single blanks, as a page shows it."""
    return " ".join("".join(one for one in text if one.isprintable() or one.isspace())
                    .split())  # fmt: skip
