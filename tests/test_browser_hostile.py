"""Model text with markup in it, in JupyterLab: it is displayed and never runs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from hostile import MARKUP

pytestmark = pytest.mark.browser

SOURCE = """
from ipywidgets import VBox
from tts_lab.exercises.report import Report
from tts_lab.proposers.scripted import Scripted
from tts_lab.traces import Problem
from tts_lab.verifiers.scripted import Scripted as Scorer
from tts_lab.widgets import CoverageExplorer, StrategyLab

MARKUP = {markup!r}
NAME = MARKUP[1]

def writes(prompt, text, row, stream):
    return "".join(f"{{one}}\\n" for one in MARKUP) + f"#{{85 if row % 2 else 7}}"

problems = [Problem("chains", "47+38\\n", 1), Problem("text", NAME, answer="7")]
coverage = CoverageExplorer(
    proposer=Scripted(writes, name=NAME), problems=problems[:1], samples=10
)
lab = StrategyLab(
    proposer=Scripted(writes, name=NAME), verifier=Scorer(lambda trace: 0.5, name=NAME),
    problems=problems, strategy="best-of-n", n=4, width=2,
)
VBox([coverage, lab])
"""
REPORT = "Report(NAME, False, NAME, NAME, NAME, NAME, f'use `{MARKUP[0]}`')"
COVERAGE, LAB = ".tts-coverage", ".tts-lab"


def test_markup_of_a_model_is_displayed_and_never_runs(
    open_notebook, artifacts: Path
) -> None:
    sources = [SOURCE.strip().format(markup=MARKUP), REPORT]
    cells = [nbformat.v4.new_code_cell(one) for one in sources]
    notebook = open_notebook(nbformat.v4.new_notebook(cells=cells))
    notebook.run_all()
    page = notebook.page
    page.set_viewport_size({"width": 1280, "height": 1800})
    for widget in (COVERAGE, LAB):
        page.click(f"{widget} button:has-text('Run')")
        page.wait_for_selector(f"{widget} .tts-status:has-text('Done')")
    # what was written stands there letter by letter
    written = page.locator(f"{COVERAGE} pre").first.inner_text()
    answer = page.locator(f"{LAB} .tts-answer pre").inner_text()
    for one in MARKUP:
        assert one in written
        assert one in answer
    labels = page.locator(f"{LAB} g[role=treeitem]").evaluate_all(
        "(nodes) => nodes.map((node) => node.getAttribute('aria-label')).join(' ')"
    )
    assert MARKUP[0] in labels
    assert MARKUP[1] in page.locator(".jp-RenderedHTML").last.inner_text()
    page.wait_for_timeout(300)  # an image that cannot be loaded says so later
    assert page.evaluate("window.__hit") is None
    made = page.evaluate(
        "document.querySelectorAll('.jp-OutputArea script, img[src=x], [onload]"
        ":not(style)').length"
    )
    assert made == 0
    notebook.screenshot(artifacts / "hostile.png")
    notebook.assert_clean()
