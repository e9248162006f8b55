"""One notebook that shows every widget of the package with a live picture.

`WIDGETS` are their names (the CSS class of one is `shown-` and its name); `STARTS`
says of those that run which button starts them and how their status ends.
"""

from __future__ import annotations

from pathlib import Path

import nbformat

SOURCE = """
import sys
sys.path.insert(0, {tests!r})
import ipywidgets
from test_thinking_explorer import AGAIN, RIGHT, at_random
from tts_lab import widgets
from tts_lab.proposers.scripted import Scripted
from tts_lab.verifiers.exact import Exact

def thinks(prompt, text, row, stream):
    return AGAIN if text else RIGHT

shown = dict(
    coverage=widgets.CoverageExplorer(
        rung="27k", domain="chains", level=2, n_problems=10, samples=100
    ),
    lab=widgets.StrategyLab(
        verifier=Exact(), domain="chains", level=2, policy="27k", n=8, width=4
    ),
    race=widgets.StrategyRace(
        chosen=("best-of-n", "beam search"), policy="27k", scorer=Exact(),
        domain="chains", level=2, n_problems=10, n=(4, 16),
    ),
    allocation=widgets.AllocationExplorer(),
    exchange=widgets.ExchangeExplorer(r=1),
    adaptation=widgets.Adaptation(family="echo", recorded=True),
    thinking=widgets.ThinkingExplorer(
        thoughts={{one: at_random(one, 5) for one in ("chains", "countdown")}},
        policy=Scripted(thinks), typed="4+8", domain="chains", waits="2", limit=144,
    ),
    picker=widgets.ModelPicker(),
)
for name, one in shown.items():
    one.add_class("shown-" + name)
ipywidgets.VBox(list(shown.values()))
"""
REPORT = """
from tts_lab import exercises
from tts_lab.exercises.report import Report
from tts_lab.figures import coverage
from tts_lab.coverage import coverage as measure
curve = coverage({"105k": measure(100, [0, 5, 90], [1, 10, 100])})
Report("pass_at_k", False, "wrong value", "n=4, c=[1], k=2", "[0.4]", "[0.5]",
       "`c` counts right samples", figure=curve)
"""
PASSED = 'Report("pass_at_k", True, "12 inputs")'

WIDGETS = (
    "coverage", "lab", "race", "allocation", "exchange", "adaptation", "thinking",
    "picker",
)  # fmt: skip
STARTS = {
    "coverage": ("Run", "✓ Done"),
    "lab": ("Run", "✓ Done"),
    "race": ("Run", "Done in"),
    "adaptation": ("Play", "✓ Done"),
    "thinking": ("Think", "Done in"),
}


def notebook() -> nbformat.NotebookNode:
    """The gallery, with the report of an exercise below it."""
    tests = str(Path(__file__).resolve().parent)
    sources = [SOURCE.format(tests=tests), REPORT, PASSED]
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def axe_script() -> str:
    """axe-core, from the package that serves it here."""
    import axe_playwright_python

    package = Path(axe_playwright_python.__file__).parent
    return (package / "axe.min.js").read_text("utf-8")


def access_script() -> str:
    """What the tests ask of the page."""
    return (Path(__file__).parent / "access_page.js").read_text("utf-8")
