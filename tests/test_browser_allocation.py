"""The allocation explorer in JupyterLab, driven by mouse and by keyboard alone."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

WIDGET = ".tts-allocation"
MADE = """
import sys
sys.path.insert(0, {tests!r})
import allocation_world as world
from tts_lab.widgets import AllocationExplorer
explorer = AllocationExplorer(
    options=world.options(), estimate=16,
    difficulty={{"oracle": world.oracle(), "predicted": world.predicted()}},
    budget=1,
)
explorer
"""


def test_the_budget_moves_by_keyboard_and_the_winners_change(
    open_notebook, artifacts: Path
) -> None:
    source = MADE.format(tests=str(Path(__file__).resolve().parent))
    cells = [nbformat.v4.new_code_cell(source.strip())]
    lab = open_notebook(nbformat.v4.new_notebook(cells=cells))
    lab.run_all()
    page = lab.page
    chosen = page.locator(f"{WIDGET} .tts-option")
    assert chosen.first.text_content() == "best-of-n, n = 1"
    handle = page.locator(f"{WIDGET} .noUi-handle").last
    assert handle.get_attribute("role") == "slider"
    handle.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f"{WIDGET} .tts-option:has-text('majority, n = 2')")
    page.keyboard.press("End")
    page.wait_for_selector(f"{WIDGET} .tts-option:has-text('majority, n = 64')")
    texts = chosen.all_text_contents()
    assert texts == ["majority, n = 64", "beam search, n = 64", "REBASE, n = 64"]
    # what is drawn has a name, and dots can be reached
    for picture in page.locator(f"{WIDGET} svg[role=img]").all():
        assert picture.get_attribute("aria-label")
    dots = page.locator(f"{WIDGET} .tts-race g[tabindex][role=img]")
    assert dots.count() == 4
    dots.first.focus()
    assert "oracle bins: 81.0%" in page.evaluate(
        "document.activeElement.getAttribute('aria-label')"
    )
    lab.screenshot(artifacts / "allocation_explorer.png")
    # a setting that is computed anew: what the estimate leaves
    page.click(f"{WIDGET} label:has-text('Charge the estimate')")
    page.wait_for_selector(f"{WIDGET} .tts-tiles:has-text('for 48')")
    page.click(f"{WIDGET} button:has-text('Predicted')")
    page.wait_for_selector(
        f"{WIDGET} .tts-tiles:has-text('compute-optimal, predicted')"
    )
    lab.assert_clean()
