"""Test-time training in JupyterLab: the picture moves, Cancel stops it half-way."""

from __future__ import annotations

import time
from pathlib import Path

import nbformat
import pytest

pytestmark = pytest.mark.browser

WIDGET = ".tts-adaptation"
STATUS = f"{WIDGET} .tts-status"
CURVE = f"{WIDGET} path.tts-curve"
LINES = f"{WIDGET} g[role=listitem]"
STEP = f"{WIDGET} .tts-tiles div:first-child b"
RECORDED = """
from tts_lab.widgets import Adaptation
widget = Adaptation(family="echo", recorded=True)
widget
"""
LIVE = """
import sys
sys.path.insert(0, {tests!r})
from tiny_policy import tiny_policy
from tts_lab.widgets import Adaptation
widget = Adaptation(policy=tiny_policy(), number=2, size=256, epochs=8)
widget
"""


def notebook(source: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source.strip())])


def test_a_recorded_run_plays(open_notebook, artifacts: Path) -> None:
    lab = open_notebook(notebook(RECORDED))
    lab.run_all()
    page = lab.page
    page.set_viewport_size({"width": 1280, "height": 1700})
    assert "Recorded run of" in page.locator(f"{WIDGET} .tts-recorded").inner_text()
    before = page.locator(LINES).count()
    run = page.locator(f"{WIDGET} button:has-text('Play')")
    run.focus()
    page.keyboard.press("Enter")
    steps = lab.texts(STEP, count=5)
    assert steps[1:] == sorted(steps[1:], key=int)
    page.wait_for_selector(f"{STATUS}:has-text('Done')", timeout=60_000)
    lines = page.locator(LINES)
    assert lines.count() > before + 10
    # by keyboard: a line says itself
    lines.first.focus()
    page.keyboard.press("ArrowDown")
    said = page.evaluate("document.activeElement.getAttribute('aria-label')")
    assert said == lines.nth(1).get_attribute("aria-label")
    assert said.startswith("demonstration 2: ")
    assert page.locator(f"{WIDGET} .tts-votes tbody tr").count() >= 1
    assert "pass@2" in page.locator(f"{WIDGET} .tts-verdict").inner_text()
    lab.screenshot(artifacts / "test_time_training.png")
    lab.assert_clean()


@pytest.mark.hf
def test_training_moves_the_picture_and_is_cancelled_half_way(
    open_notebook, artifacts: Path
) -> None:
    pytest.importorskip("torch")
    source = LIVE.format(tests=str(Path(__file__).resolve().parent))
    lab = open_notebook(notebook(source))
    lab.run_all()
    page = lab.page
    page.set_viewport_size({"width": 1280, "height": 1700})
    assert "Ready. Press Run" in page.locator(STATUS).inner_text()
    page.click(f"{WIDGET} button:has-text('Run')")
    page.wait_for_selector(CURVE, timeout=120_000)
    curves = {page.locator(CURVE).get_attribute("d")}
    deadline = time.monotonic() + 60
    while len(curves) < 4:
        curves.add(page.locator(CURVE).get_attribute("d"))
        assert time.monotonic() < deadline, len(curves)
        page.wait_for_timeout(30)
    page.click(f"{WIDGET} button:has-text('Cancel')")
    page.wait_for_selector(f"{STATUS}:has-text('Cancelled')", timeout=20_000)
    step = int(page.locator(STEP).inner_text())
    assert 2 <= step < 256
    page.wait_for_timeout(500)
    assert int(page.locator(STEP).inner_text()) == step
    assert page.locator(f"{WIDGET} .tts-verdict").count() == 0
    # another task, and to the end
    epochs = page.locator(f"{WIDGET} .noUi-handle").first
    epochs.focus()
    page.keyboard.press("Home")
    page.click(f"{WIDGET} button:has-text('Run')")
    page.wait_for_selector(f"{STATUS}:has-text('Done')", timeout=120_000)
    assert page.locator(STEP).inner_text() == "32"
    assert "pass@2" in page.locator(f"{WIDGET} .tts-verdict").inner_text()
    lab.screenshot(artifacts / "test_time_training_live.png")
    lab.assert_clean()
