"""Every widget has a test in JupyterLab; here are those that have no file of theirs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from tts_lab import widgets

PICKER = ".tts-picker"

REPORTS = """
from tts_lab.coverage import pass_at_k
from tts_lab.exercises import CheckFailed, check

display(check("pass_at_k", pass_at_k))
try:
    check("pass_at_k", lambda n, c, k: 1 - (1 - c / n) ** k)
except CheckFailed:  # its report is shown by then
    pass
"""


def test_every_widget_is_driven_in_jupyterlab(repository: Path) -> None:
    folder = Path(__file__).parent
    sources = [path.read_text() for path in folder.glob("test_browser_*.py")]
    sources += [  # notebooks of the course that such a test opens
        path.read_text()
        for path in (repository / "notebooks").glob("*.ipynb")
        if any(path.name in source for source in sources)
    ]
    shown = [
        name for name in widgets.__all__ if hasattr(getattr(widgets, name), "keys")
    ]
    assert len(shown) >= 8
    missing = [name for name in shown if not any(f"{name}(" in one for one in sources)]
    assert missing == []


@pytest.mark.browser
def test_a_model_is_picked_and_reports_are_shown(
    open_notebook, artifacts: Path
) -> None:
    picker = "from tts_lab.widgets import ModelPicker\nModelPicker()"
    cells = [nbformat.v4.new_code_cell(one.strip()) for one in (picker, REPORTS)]
    lab = open_notebook(nbformat.v4.new_notebook(cells=cells))
    lab.run_all()
    page = lab.page
    page.set_viewport_size({"width": 1280, "height": 1400})
    page.wait_for_selector(f"{PICKER} .tts-under:has-text('of memory free')")
    found = page.locator(
        f"{PICKER} .widget-dropdown:has(label:text-is('Found here')) select"
    )
    found.select_option("105k · 104,768 parameters")
    page.click(f"{PICKER} button.mod-success")
    page.wait_for_selector(f"{PICKER} .tts-status:has-text('✓ loaded')")
    assert "105k" in page.locator(f"{PICKER} .tts-facts").inner_text()

    reports = page.locator(".jp-RenderedHTML")
    texts = [" ".join(text.split()) for text in reports.all_inner_texts()]
    [right] = [text for text in texts if text.startswith("passed: pass_at_k")]
    [wrong] = [text for text in texts if text.startswith("not yet: pass_at_k")]
    assert "likely cause" in wrong and "likely cause" not in right
    lab.screenshot(artifacts / "picker_and_reports.png")
    lab.assert_clean()
