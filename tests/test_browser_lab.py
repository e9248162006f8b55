"""The strategy lab and the race in JupyterLab, driven as a learner would."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

LAB, RACE = ".tts-lab", ".tts-race-widget"


def notebook(*sources: str) -> nbformat.NotebookNode:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    return nbformat.v4.new_notebook(cells=cells)


def test_a_beam_search_grows_its_tree(open_notebook, artifacts: Path) -> None:
    lab = open_notebook(
        notebook(
            "from tts_lab.widgets import StrategyLab\n"
            "explorer = StrategyLab(n=16, width=4)\nexplorer",
        )
    )
    lab.run_all()
    page = lab.page
    page.click(f"{LAB} button:has-text('Step')")
    page.wait_for_selector(f"{LAB} .tts-status:has-text('Waiting')", timeout=60_000)
    first = page.locator(f"{LAB} g[role=treeitem]").count()
    assert first > 4
    page.click(f"{LAB} button:has-text('Go on')")
    page.wait_for_selector(f"{LAB} .tts-status:has-text('Done')", timeout=60_000)
    nodes = page.locator(f"{LAB} g[role=treeitem]")
    assert nodes.count() > first
    assert page.locator(f"{LAB} g[role=treeitem].tts-chosen").count() >= 2
    assert page.locator(f"{LAB} g[role=treeitem].tts-pruned").count() >= 1
    # by keyboard: a node that has the focus says its step and score
    nodes.nth(1).focus()
    assert (
        nodes.nth(1)
        .locator(".tts-tip")
        .evaluate("(tip) => getComputedStyle(tip).visibility")
        == "visible"
    )
    page.keyboard.press("ArrowDown")
    focused = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert focused == nodes.nth(2).get_attribute("aria-label")
    lab.screenshot(artifacts / "strategy_lab.png")
    lab.assert_clean()


def test_a_race_is_cancelled_half_way(open_notebook, artifacts: Path) -> None:
    lab = open_notebook(
        notebook(
            "from tts_lab.widgets import StrategyRace\n"
            "race = StrategyRace(n=(4, 16, 64, 256), n_problems=100)\nrace",
        )
    )
    lab.run_all()
    page = lab.page
    page.click(f"{RACE} button:has-text('Run')")
    dots = page.locator(f"{RACE} .tts-dot")
    page.wait_for_function(
        f"document.querySelectorAll('{RACE} .tts-dot').length >= 4", timeout=120_000
    )
    began = time.monotonic()
    page.click(f"{RACE} button:has-text('Cancel')")
    page.wait_for_selector(f"{RACE} .tts-status:has-text('Cancelled')", timeout=10_000)
    assert time.monotonic() - began < 1
    kept = dots.count()
    page.wait_for_timeout(500)
    assert dots.count() == kept >= 4
    page.click(f"{RACE} button:has-text('Samples')")
    page.wait_for_selector(f"{RACE} text:has-text('samples per problem')")
    lab.screenshot(artifacts / "strategy_race.png")
    lab.assert_clean()
